//! Programs made by chance after the grammar's rules, read in both ways: right ones, and those where a word is missing
//! or too many.

use proptest::prelude::*;

use crate::span::FileId;
use crate::syntax;

/// Reads a file both ways.
fn agree(text: &str) -> Result<(), TestCaseError> {
    let text = format!("rbld 1\n{text}\n");
    prop_assert_eq!(syntax::parse(FileId(0), &text), syntax::parse_by_grammar(FileId(0), &text), "{}", text);
    Ok(())
}

/// Names and literals, right and wrong ones.
fn leaf() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "b.c",
        "p1.out",
        "a . b",
        "a\n    .b",
        "not_a",
        "_",
        "_x",
        "commit",
        "sha256",
        "within",
        "1",
        "30%",
        "4GiB",
        "1.5",
        "97.5%",
        "2025-11-28",
        "2025-11-28T00:00:00Z",
        "2025-11-28x",
        "2025-13-01",
        "true",
        "falsey",
        "none",
        "\"\"",
        "\"x\"",
        "\"a@b\"",
        "\"@{a}\"",
        "\"x@{b.c}y\\n\"",
        "\"\\q\"",
        "\"@{\"n\"}\"",
        "./file",
        "../up/x.y",
        ".",
        "\"\"\"raw\"\"\"",
        "\"\"\"\n  a\n   b\n  \"\"\"",
        "\"\"\"\"q\"\"\"\"\"",
        "@\"\"\"\n  @{a}\n  b\"c\n  \"\"\"",
        "@\"\"\"\"\"\"",
        "commit:0123456789012345678901234567890123456789",
        "commit:1",
        "sha256:…",
        "ä",
        "x.*",
        "x.*.y",
    ])
    .prop_map(str::to_owned)
}

/// An expression of the grammar, with blanks, newlines and comments where they may stand, and some where they may not.
fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        let gap = prop::sample::select(vec!["", " ", " ", "\n  ", "  # c\n  ", "\t", "\r\n "]);
        let op = prop::sample::select(vec![
            "+", "-", "*", "++", "==", "!=", "<", "<=", ">", ">=", " or ", " and ", "=", "->", " nor ",
        ]);
        let comma =
            prop::sample::select(vec![",", ", ", "\n  , ", ",\n  ", " ", "\n  ", ",,", ",\n  # c\n  "]);
        let name = prop::sample::select(vec!["a", "b1", "in", "withal", "\"k\"", "a.b", "\"@{a}\""]);
        prop_oneof![
            (inner.clone(), gap.clone(), op, gap.clone(), inner.clone())
                .prop_map(|(a, g, op, h, b)| format!("{a}{g}{op}{h}{b}")),
            (prop::sample::select(vec!["-", "not ", "- -", "not not ", "not-"]), inner.clone())
                .prop_map(|(op, a)| format!("{op}{a}")),
            (inner.clone(), gap.clone(), inner.clone(), comma.clone(), inner.clone(), prop::bool::ANY)
                .prop_map(|(f, g, a, c, b, end)| format!(
                    "{f}({g}{a}{c}n = {b}{g}{})",
                    if end { "," } else { "" }
                )),
            (inner.clone(), gap.clone(), inner.clone(), comma.clone())
                .prop_map(|(a, g, b, c)| format!("[{g}{a}{c}{b}{c}]")),
            (inner.clone(), gap.clone(), inner.clone()).prop_map(|(a, g, b)| format!("{a}{g}[{b}, _{g}]")),
            (inner.clone(), gap.clone(), name.clone(), comma.clone(), inner.clone())
                .prop_map(|(f, g, n, c, a)| format!("{f}{g}{{{g}{n} = {a}{c}b{c}}}")),
            (gap.clone(), name.clone(), comma, inner.clone())
                .prop_map(|(g, n, c, a)| format!("{{{g}x={a}{c}{n}={g}{a}{g}}}")),
            (inner.clone(), gap.clone(), inner.clone())
                .prop_map(|(a, g, b)| format!("{a} with{g}{{ x = {b} }}")),
            (inner.clone(), gap.clone()).prop_map(|(a, g)| format!("{a}{g}.f{g}.*")),
            (gap.clone(), inner.clone()).prop_map(|(g, a)| format!("({g}{a}{g})")),
            (gap.clone(), inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(g, a, b, c)| format!("if{g} {a}{g} then {b}{g} else{g} {c}")),
            (gap.clone(), inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(g, a, b, c)| format!("[{g}for x in {a}, y in{g} {b}{g} if {c}{g}:{g}x]")),
            (gap, name, inner.clone(), inner).prop_map(|(g, n, a, b)| format!("[for {n} in {a}{g}: {b}{g}]")),
        ]
    })
}

fn written_type() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "Int",
        "String",
        "debian.Suite",
        "a",
        "List",
        "x . Y",
        "X # c",
        "X ?",
        "List[Int]",
        "X\t",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 10, 2, |inner| {
        let gap = prop::sample::select(vec!["", " ", "\n  ", " # c\n  "]);
        prop_oneof![
            (inner.clone(), gap.clone()).prop_map(|(a, g)| format!("List[{g}{a}{g}]")),
            (inner.clone(), gap.clone(), inner.clone()).prop_map(|(a, g, b)| format!("Map[{a},{g}{b}]")),
            inner.clone().prop_map(|a| format!("{a}?")),
            (inner.clone(), gap.clone(), inner)
                .prop_map(|(a, g, b)| format!("{{{g}a: {a},{g}b:{g}{b} = 1{g}}}")),
        ]
    })
}

fn item() -> impl Strategy<Value = String> {
    let gap = || prop::sample::select(vec!["", " ", " ", "\n  ", " # c\n  "]);
    prop_oneof![
        (gap(), expression()).prop_map(|(g, e)| format!("let a{g}={g}{e}")),
        (written_type(), gap(), expression()).prop_map(|(t, g, e)| format!("let a:{t}{g}= {e}")),
        (written_type(), gap(), expression(), written_type())
            .prop_map(|(t, g, e, r)| format!("fn f({g}a: {t}{g}, b:{g}{r} = {e},{g}){g}->{g}{r} = {e}")),
        (gap(), written_type()).prop_map(|(g, t)| format!("type T ={g}{t}")),
        (gap(), gap()).prop_map(|(g, h)| format!("type T ={g}a{h}|{g}b{h}")),
        (gap(), expression()).prop_map(|(g, e)| format!("recipe r(e: Env){g}{{{g}run = {e}\n  x\n}}")),
        (gap(), expression(), expression())
            .prop_map(|(g, e, f)| format!("build b{g}for x in {e}{g}if {f} = r(x)")),
        (gap(), expression()).prop_map(|(g, e)| format!("build b{g} = {e}")),
        (gap(), expression()).prop_map(|(g, e)| format!("assert \"n\"{g} {e}")),
        (expression(), expression()).prop_map(|(n, e)| format!("test {n} {e}")),
        (gap(), gap()).prop_map(|(g, h)| format!("use std{g}.x{h} as y")),
        (expression(), gap()).prop_map(|(e, g)| format!("use {e}{g}")),
        expression().prop_map(|e| format!("input i = {e}")),
        expression().prop_map(|e| format!("env E = {e}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_are_read_as_the_grammar_reads_them(items in prop::collection::vec(item(), 1..4), cut in any::<prop::sample::Index>()) {
        let text = items.join("\n");
        agree(&text)?;
        // One byte less, wherever it is.
        let at = cut.index(text.len());
        let shorter: String = text.char_indices().filter(|(index, _)| *index != at).map(|(_, c)| c).collect();
        agree(&shorter)?;
    }

    #[test]
    fn expressions_are_read_as_the_grammar_reads_them(text in expression()) {
        let file = FileId(0);
        let both = (syntax::parse_expression(file, &text), syntax::parse_expression_by_grammar(file, &text));
        prop_assert_eq!(both.0, both.1, "{}", text);
    }
}
