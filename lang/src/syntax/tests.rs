//! The parser against whole files, small expressions and broken input.

use super::ast::*;
use super::*;

/// The tree of a file that has nothing wrong with it.
fn good(text: &str) -> File {
    let (file, diagnostics) = parse(FileId(0), text);
    assert!(diagnostics.is_empty(), "{text}\n{diagnostics:#?}");
    file
}

/// An expression as text, all brackets written, to see how it was read.
fn shape(text: &str) -> String {
    let (expr, diagnostics) = parse_expression(FileId(0), text);
    assert!(diagnostics.is_empty(), "{text}\n{diagnostics:#?}");
    show(&expr)
}

fn show(expr: &Expr) -> String {
    let all = |list: &[Expr]| list.iter().map(show).collect::<Vec<_>>().join(", ");
    let entries = |list: &[Entry]| {
        list.iter().map(|e| format!("{} = {}", e.name.node, show(&e.value))).collect::<Vec<_>>().join(", ")
    };
    let axes = |list: &[Axis]| {
        list.iter().map(|a| format!("{} in {}", a.name.node, show(&a.over))).collect::<Vec<_>>().join(", ")
    };
    match &expr.kind {
        ExprKind::Name(name) => name.clone(),
        ExprKind::Literal(literal) => format!("{literal:?}"),
        ExprKind::Text(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => format!("{text:?}"),
                Part::Expr(expr) => format!("@{{{}}}", show(expr)),
            })
            .collect(),
        ExprKind::List(list) => format!("[{}]", all(list)),
        ExprKind::Comprehension { axes: a, filter, body } => {
            let filter = filter.as_ref().map_or(String::new(), |f| format!(" if {}", show(f)));
            format!("[for {}{filter}: {}]", axes(a), show(body))
        }
        ExprKind::Record(list) => format!("{{{}}}", entries(list)),
        ExprKind::Field(of, name) => format!("{}.{}", show(of), name.node),
        ExprKind::Star(of) => format!("{}.*", show(of)),
        ExprKind::Index(of, keys) => {
            let keys: Vec<_> = keys.iter().map(|key| key.as_ref().map_or("_".to_owned(), show)).collect();
            format!("{}[{}]", show(of), keys.join(", "))
        }
        ExprKind::Call { callee, args } => {
            let args: Vec<_> = args
                .iter()
                .map(|arg| match &arg.name {
                    Some(name) => format!("{} = {}", name.node, show(&arg.value)),
                    None => show(&arg.value),
                })
                .collect();
            format!("{}({})", show(callee), args.join(", "))
        }
        ExprKind::With(of, list) => format!("({} with {{{}}})", show(of), entries(list)),
        ExprKind::If(c, a, b) => format!("(if {} then {} else {})", show(c), show(a), show(b)),
        ExprKind::Unary(op, of) => format!("({op:?} {})", show(of)),
        ExprKind::Binary(op, a, b) => format!("({} {:?} {})", show(a), op.node, show(b)),
        ExprKind::Error => "ERROR".to_owned(),
    }
}

#[test]
fn the_file_of_the_first_page_is_read() {
    let file = good(include_str!("guile-gnutls.rbld"));
    assert_eq!(file.edition.as_ref().map(|edition| edition.node), Some(1));
    assert_eq!(file.items.len(), 19);
    assert_eq!(
        file.items[4].docs,
        ["One Guix commit on every host: whatever differs comes from the host distribution."]
    );
    let ItemKind::Recipe { body, .. } = &file.items[13].kind else { panic!("{:?}", file.items[13]) };
    assert_eq!(
        show(&body[4].value),
        r#""./bootstrap\n./configure\nmake V=1\nmake V=1 check VERBOSE=t\nmake V=1 dist\n""#
    );
    let ItemKind::Build { axes, value, .. } = &file.items[14].kind else { panic!("{:?}", file.items[14]) };
    assert_eq!(axes[0].name.node, "e");
    assert_eq!(show(value), "tarballs(e)");
}

#[test]
fn operators_bind_as_the_specification_says() {
    assert_eq!(
        shape("a or b and c == d ++ e + f * -g"),
        "(a Or (b And (c Equal (d Concat (e Add (f Multiply (Negate g)))))))"
    );
    assert_eq!(shape("a - b - c"), "((a Subtract b) Subtract c)");
    assert_eq!(shape("not a and b"), "((Not a) And b)");
    assert_eq!(shape("-x with { a = 1 }"), "(Negate (x with {a = Int(1)}))");
    assert_eq!(shape("f(x).y with { a } with { b = 2 }"), "((f(x).y with {a = a}) with {b = Int(2)})");
    assert_eq!(shape("if a then b else c ++ d"), "(if a then b else (c Concat d))");
    assert_eq!(shape("(a ++ b).c"), "(a Concat b).c");
}

#[test]
fn calls_have_one_meaning_and_two_spellings() {
    assert_eq!(shape("f(a, name = b)"), "f(a, name = b)");
    assert_eq!(shape("f { a = b\n c, d = e }"), "f(a = b, c = c, d = e)");
    assert_eq!(shape("f()"), "f()");
    assert_eq!(shape("f {}"), "f()");
    assert_eq!(shape("t[a, _].dist"), "t[a, _].dist");
    assert_eq!(shape("t.*.dist"), "t.*.dist");
    assert_eq!(
        shape("debian.snapshot(bookworm, at)\n  .env(amd64)"),
        "debian.snapshot(bookworm, at).env(amd64)"
    );
}

#[test]
fn newlines_are_blank_in_brackets() {
    assert_eq!(shape("[\n a,\n b\n ,\n c,\n]"), "[a, b, c]");
    assert_eq!(shape("f(\n a,\n\n b = # why\n  c\n)"), "f(a, b = c)");
    assert_eq!(shape("a ++\n  b"), "(a Concat b)");
    assert_eq!(
        shape("[for x in xs,\n y in ys\n if x != y\n : x]"),
        "[for x in xs, y in ys if (x NotEqual y): x]"
    );
}

#[test]
fn literals_of_the_domain() {
    assert_eq!(shape("2025-11-28T00:00:00Z"), "Instant(1764288000)");
    assert_eq!(shape("1970-01-01"), "Date(0)");
    assert_eq!(shape("[1h, 90s, 2d, 5m]"), "[Duration(3600), Duration(90), Duration(172800), Duration(300)]");
    assert_eq!(shape("[4GiB, 1kB]"), "[Size(4294967296), Size(1000)]");
    assert_eq!(shape("[30%, 97.5%, 100%]"), "[Percent(3000), Percent(9750), Percent(10000)]");
    assert_eq!(shape("[./a/b.txt, ./dir/]"), r#"[Path("./a/b.txt"), Path("./dir/")]"#);
    assert_eq!(shape("[true, none, 7]"), "[Bool(true), None, Int(7)]");
    assert_eq!(
        shape("commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e"),
        "Commit(\"136fc8bfe91a64d28b6c54cf8f5930ffe787c16e\")"
    );
}

#[test]
fn texts_and_what_they_hold() {
    assert_eq!(shape(r#""a\n\t\\\"\@{x}""#), r#""a\n\t\\\"@{x}""#);
    assert_eq!(shape(r#""v@{join(xs, ", ")}!""#), r#""v"@{join(xs, ", ")}"!""#);
    assert_eq!(shape(r#""""#), r#""""#);
    assert_eq!(shape("\"\"\"\n  a @{b} \\n\n  \"\"\""), r#""a @{b} \\n\n""#);
    assert_eq!(shape("@\"\"\"\n  a @{b} \\n\n    c@{d}\n  \"\"\""), r#""a "@{b}" \\n\n  c"@{d}"\n""#);
    assert_eq!(shape("\"\"\"\"\n  a \"\"\" b\n  \"\"\"\""), r#""a \"\"\" b\n""#);
}

#[test]
fn a_hundred_thousand_brackets_are_an_error() {
    for text in ["[".repeat(100_000), "x = ".to_owned() + &"(".repeat(100_000), "@{\"".repeat(100_000)] {
        let (_, diagnostics) = parse_expression(FileId(0), &text);
        assert_eq!(diagnostics.len(), 1);
    }
    for piece in ["not ", "- ", "a ++ ", "a.", "if a then b else ", "\"@{", "a[b].*("] {
        let (_, diagnostics) = parse_expression(FileId(0), &(piece.repeat(100_000) + "a"));
        assert!(!diagnostics.is_empty(), "{piece}");
    }
    let (_, diagnostics) = parse(FileId(0), &format!("rbld 1\nlet x: Int{} = 1\n", "?".repeat(100_000)));
    assert!(!diagnostics.is_empty());
    let (_, diagnostics) = parse(FileId(0), &format!("rbld 1\nlet x: {}Int = 1\n", "List[".repeat(100_000)));
    assert!(!diagnostics.is_empty());
}
