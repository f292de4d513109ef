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
        ExprKind::Name(name) => name.to_string(),
        ExprKind::Literal(literal) => format!("{literal:?}"),
        ExprKind::Plain(text) => format!("{text:?}"),
        ExprKind::Text(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => format!("{text:?}"),
                Part::Expr(expr) => format!("@{{{}}}", show(expr)),
            })
            .collect(),
        ExprKind::List(list) => format!("[{}]", all(list)),
        ExprKind::Comprehension(of) => {
            let Comprehension { axes: a, filter, body } = &**of;
            let filter = filter.as_ref().map_or(String::new(), |f| format!(" if {}", show(f)));
            format!("[for {}{filter}: {}]", axes(a), show(body))
        }
        ExprKind::Record(list) => format!("{{{}}}", entries(list)),
        ExprKind::Field(of) => format!("{}.{}", show(&of.0), of.1.node),
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
        ExprKind::Binary(op, both) => format!("({} {:?} {})", show(&both.0), op.node, show(&both.1)),
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
    assert_eq!(shape(r#""""say "hi"""""#), r#""say \"hi\"""#);
    assert_eq!(shape(r#"@"""@{a}"""""#), r#"@{a}"\"""#);
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

#[test]
fn a_broken_item_hides_no_other() {
    let text = "rbld 1\nlet a = [1\nfn f(x) -> Int = 1\nrecipe r(e: Env) {\n  env   e\n  run = \"x\"\n  outputs = { o = file(\"o\" \"p\") }\n}\ntype T = {\nlet b = a\n";
    let (file, diagnostics) = parse(FileId(0), text);
    assert_eq!(diagnostics.len(), 5, "{diagnostics:#?}");
    let names: Vec<String> = file.items.iter().map(|item| format!("{:?}", item.kind)).collect();
    assert_eq!(file.items.len(), 5, "{names:#?}");
    assert!(matches!(&file.items[0].kind, ItemKind::Let { name, value, .. }
        if name.node == "a" && value.kind == ExprKind::Error));
    assert!(matches!(&file.items[1].kind, ItemKind::Let { name, .. } if name.node == "f"));
    let ItemKind::Recipe { body, params, .. } = &file.items[2].kind else { panic!("{names:#?}") };
    assert_eq!(params.len(), 1);
    let entries: Vec<String> = body.iter().map(|e| format!("{} = {}", e.name.node, show(&e.value))).collect();
    assert_eq!(entries, ["env = ERROR", "run = \"x\"", "outputs = {o = ERROR}"]);
    assert!(matches!(&file.items[3].kind, ItemKind::Type { body: TypeBody::Alias(ty), .. }
        if ty.kind == TypeExprKind::Error));
    assert!(matches!(&file.items[4].kind, ItemKind::Let { name, .. } if name.node == "b"));
}

#[test]
fn places_cover_what_they_name_and_nothing_more() {
    let text = "rbld 1\n## One.\n##\n## Two.\nlet a: List[Int]? =   f ( b ) . c   # why\n\nlet d = 1\n";
    let file = good(text);
    let slice = |span: Span| &text[span.start as usize..span.end as usize];
    assert_eq!(file.items[0].docs, ["One.", "", "Two."]);
    assert_eq!(slice(file.items[0].span), "let a: List[Int]? =   f ( b ) . c");
    let ItemKind::Let { name, ty: Some(ty), value } = &file.items[0].kind else { panic!() };
    assert_eq!((slice(name.span), slice(ty.span), slice(value.span)), ("a", "List[Int]?", "f ( b ) . c"));
    let ExprKind::Field(of) = &value.kind else { panic!() };
    assert_eq!(slice(of.0.span), "f ( b )");
}

#[test]
fn every_kind_of_item_has_its_forms() {
    let file = good(
        "# A comment.\n\nrbld 1 # the edition\n\nuse ./common.rbld as c\nuse std.debian\ntype Suite = a |\n  b\ntype R = { name: String, size: Size?\n  shell: String = \"sh\" }\ntype M = Map[debian.Suite, List[R]]\nlet m: M = {\n  \"x y\" = [ ]\n}\nfn f(\n  a: Int,\n  b: String = \"x\",\n) -> Env =\n  g(a)\nbuild t for e in [a, b],\n    n in names\n  if f(e) = r(e, n)\nbuild one = r(a)\ntest \"t\" one == two\nassert \"a\"\n  identical(t.*.x)\n",
    );
    let kinds: Vec<&str> = file
        .items
        .iter()
        .map(|item| match &item.kind {
            ItemKind::Use { .. } => "use",
            ItemKind::Type { .. } => "type",
            ItemKind::Let { .. } => "let",
            ItemKind::Fn { .. } => "fn",
            ItemKind::Input { .. } => "input",
            ItemKind::Env { .. } => "env",
            ItemKind::Recipe { .. } => "recipe",
            ItemKind::Build { .. } => "build",
            ItemKind::Assert { .. } => "assert",
            ItemKind::Test { .. } => "test",
        })
        .collect();
    assert_eq!(
        kinds,
        ["use", "use", "type", "type", "type", "let", "fn", "build", "build", "test", "assert"]
    );
    let ItemKind::Use { target: UseTarget::File(path), alias } = &file.items[0].kind else { panic!() };
    assert_eq!((path.node.as_str(), alias.as_ref().map(|a| a.node.as_str())), ("./common.rbld", Some("c")));
    let ItemKind::Build { axes, filter, .. } = &file.items[7].kind else { panic!() };
    assert_eq!((axes.len(), filter.is_some()), (2, true));
}

#[test]
fn errors_are_counted_and_not_endless() {
    let (_, diagnostics) = parse(FileId(0), &format!("rbld 1\n{}", "let\n".repeat(1000)));
    assert_eq!(diagnostics.len(), SHOWN + 1);
    assert_eq!(diagnostics[SHOWN].message, "950 more errors of syntax follow");
    let (file, diagnostics) = parse(FileId(0), "rbld 9\nlet a = ~~\n");
    assert_eq!((file.items.len(), diagnostics.len()), (1, 1), "a newer edition is not judged");
}

#[test]
fn words_of_items_are_names_elsewhere() {
    assert_eq!(shape("f { env = env, input = test }"), "f(env = env, input = test)");
    assert_eq!(shape("build.type"), "build.type");
    good("rbld 1\nlet test = 1\nlet use = test\n");
}

#[test]
fn a_file_of_windows_or_with_a_mark_at_its_start_is_read() {
    let unix = good("rbld 1\nlet a = \"\"\"\n  x\n  y\n  \"\"\"\n");
    let windows = good("\u{feff}rbld 1\r\nlet a = \"\"\"\r\n  x\r\n  y\r\n  \"\"\"\r\n");
    let value = |file: &File| match &file.items[0].kind {
        ItemKind::Let { value, .. } => show(value),
        other => panic!("{other:?}"),
    };
    assert_eq!(value(&unix), value(&windows));
}

mod never_panics {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = include_str!("guile-gnutls.rbld");

    /// Pieces that files are made of, good and bad.
    const PIECES: [&str; 46] = [
        "rbld 1",
        "\n",
        "\n",
        "\n  ",
        " ",
        "let ",
        "fn ",
        "recipe ",
        "build ",
        "type ",
        "assert ",
        "use ",
        "a",
        "B",
        "if ",
        "then ",
        "else ",
        "for ",
        "in ",
        "with ",
        "not ",
        "=",
        "==",
        "->",
        ":",
        ",",
        ".",
        ".*",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\"\"\"",
        "@{",
        "@\"\"\"",
        "\\",
        "#",
        "1",
        "30%",
        "sha256:ab",
        "./x",
        "é",
        "|",
    ];

    /// Parses, and checks what must hold of anything that comes back.
    fn check(text: &str) -> Result<(), TestCaseError> {
        let (_, mut diagnostics) = parse(FileId(0), text);
        diagnostics.extend(parse_expression(FileId(0), text).1);
        for diagnostic in diagnostics {
            prop_assert!(diagnostic.help.is_some(), "{:?}", diagnostic);
            for label in diagnostic.labels {
                let (start, end) = (label.span.start as usize, label.span.end as usize);
                prop_assert!(text.get(start..end).is_some(), "{:?} {:?}", text, label);
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn on_any_text(text in any::<String>()) {
            check(&text)?;
        }

        #[test]
        fn on_pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..60)) {
            check(&pieces.concat())?;
        }

        #[test]
        fn on_a_good_file_changed(at in 0..GOOD.len(), cut in 0..30_usize, piece in proptest::sample::select(PIECES.to_vec())) {
            let mut text = GOOD.to_owned();
            text.replace_range(at..(at + cut).min(text.len()), piece);
            check(&text)?;
        }
    }
}

#[test]
fn documentation_above_an_indented_first_line_is_not_that_of_the_first_item() {
    assert!(good("## Of the file.\n  rbld 1\nlet a = 1\n").items[0].docs.is_empty());
}
