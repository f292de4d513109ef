//! `test` items: those of the standard library, those of files that are used, and values too large to be told.

use super::*;
use crate::loader::{library, load_library};

#[test]
fn the_standard_librarys_own_tests_hold() {
    for (name, _) in library() {
        let loader = MemoryLoader::default();
        let project = load_library(name, &loader).unwrap_or_else(|| panic!("{name}"));
        let evaluated = evaluate(&project, &loader, &HOST);
        let errors = evaluated.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        assert_eq!(shown(&project, &errors.cloned().collect::<Vec<_>>()), [""; 0], "{name}");
    }
}

#[test]
fn tests_of_a_used_file_are_run_and_ask_for_no_lock() {
    let module = r#"rbld 1
use std.debian
let at = 2026-11-22T00:00:00Z
let names: List[String] = []
fn all() -> List[Env] = [debian.snapshot(bookworm, at).env(amd64)]
test "one" length(all()) == 1
test "two" length(all()) == 2
test "kept" unchanged(all())
"#;
    let loader =
        MemoryLoader::new([("build.rbld", "rbld 1\nuse ./m.rbld\nlet a = m.names\n"), ("m.rbld", module)]);
    let project = load("build.rbld", &loader);
    let evaluated = evaluate(&project, &loader, &HOST);
    assert_eq!(
        shown(&project, &evaluated.diagnostics),
        [
            "E0701 m.rbld:7:12 the test `two` doesn't hold | change what it tests until it holds, or the test if it \
          asks for the wrong thing"
        ]
    );
    assert!(evaluated.requests.is_empty());
    let outcomes: Vec<&str> = evaluated
        .tests
        .iter()
        .map(|test| match &test.outcome {
            Outcome::Holds => "holds",
            Outcome::Fails(_) => "fails",
            Outcome::Unchanged(_) => "unchanged",
        })
        .collect();
    assert_eq!(outcomes, ["holds", "fails", "unchanged"]);
}

#[test]
fn values_that_are_shared_within_themselves_end_within_the_limits() {
    let mut source = "rbld 1\nlet x0 = [1]\nlet y0 = [2]\n".to_owned();
    for depth in 1..60 {
        let before = depth - 1;
        source += &format!("let x{depth} = [x{before}, x{before}]\nlet y{depth} = [y{before}, y{before}]\n");
    }
    check(&format!("{source}test \"kept\" unchanged(x59)\n"), &["E0209 122:23 | too much to be kept"]);
    check(&format!("{source}test \"told\" x59 == y59\n"), &["E0701 122:13 | "]);
    check(&format!("{source}test \"told\" not (x59 != y59)\n"), &["E0701 122:18 | "]);
}

#[test]
fn equal_plans_are_equal_texts_and_others_are_not() {
    let text = |source: &str| {
        let (_, evaluated) = evaluated(&format!("{START}{source}test \"t\" unchanged(t)\n"));
        match evaluated.tests.first().map(|test| test.outcome.clone()) {
            Some(Outcome::Unchanged(text)) => text.to_string(),
            other => panic!("{other:?}: {:?}", evaluated.diagnostics),
        }
    };
    let plain = text("build t for e in [old, stable] = archive(e)\n");
    assert_eq!(plain, text("fn a(e: Env) -> Build = archive(e)\nbuild t for e in [old, stable] = a(e)\n"));
    assert_ne!(plain, text("build t for e in [stable, old] = archive(e)\n"));
    assert_ne!(plain, text("build t for e in [old, newest] = archive(e)\n"));
    // What a build without a name stands on is told as well.
    let on = |vars: &str| {
        text(&format!(
            "recipe first(e: Env) {{ env = e, run = \"true > $a\", {vars}outputs = {{ a = file(\"a\") }} }}\n\
             recipe second(a: File) {{ env = old, inputs = {{ a }}, run = \"cat $a > $b\", outputs = {{ b = file(\"b\") }} }}\n\
             build t = second(first(stable).a)\n"
        ))
    };
    assert_ne!(on(""), on("vars = { X = 1 }, "));
}

#[test]
fn the_standard_librarys_examples_are_as_they_say() {
    let loader = MemoryLoader::default();
    for (name, _) in library() {
        let project = load_library(name, &loader).unwrap_or_else(|| panic!("{name}"));
        for example in crate::examples::examples(&project, &project.modules[0]) {
            let ran = crate::examples::run(&example, &loader, &HOST);
            let wrong: Vec<_> =
                ran.wrong.iter().map(|wrong| format!("{}: {}", wrong.code.0, wrong.message)).collect();
            assert_eq!(wrong, [""; 0], "{name}:{} {}", example.line, example.name);
        }
    }
}
