//! Broken files and what is said of them, as a person would see it without colours.

use std::fmt::Write as _;

use super::*;

/// The diagnostics of a file, each with the lines it points at.
pub(crate) fn render(text: &str) -> String {
    let (_, diagnostics) = parse(FileId(0), text);
    let mut out = String::new();
    for diagnostic in &diagnostics {
        let _ = writeln!(out, "{}: {}", diagnostic.code.0, diagnostic.message);
        for label in &diagnostic.labels {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
            let line = text[..start].matches('\n').count() + 1;
            let shown = text[line_start..].lines().next().unwrap_or("");
            let column = text[line_start..start].chars().count();
            let width = text[start..end].lines().next().unwrap_or("").chars().count().max(1);
            let _ = writeln!(
                out,
                "{line:3} | {shown}\n    | {}{} {}",
                " ".repeat(column),
                "^".repeat(width),
                label.text
            );
        }
        let _ = writeln!(out, "    = {}", diagnostic.help.as_deref().unwrap_or("NO HELP"));
    }
    out
}

/// Every file of the folder `broken` against the text beside it; `RBLD_BLESS=1` writes the texts.
#[test]
#[expect(clippy::disallowed_methods, reason = "the files of a test")]
fn what_is_said_of_broken_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/syntax/broken");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "rbld"));
    names.sort();
    assert!(names.len() >= 15, "the files are gone");
    for path in names {
        let said = render(&std::fs::read_to_string(&path).unwrap());
        assert!(!said.is_empty() && !said.contains("NO HELP"), "{path:?}\n{said}");
        let expected = path.with_extension("txt");
        if std::env::var("RBLD_BLESS").is_ok() {
            std::fs::write(&expected, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(said, expected, "{path:?}\n{said}");
    }
}
