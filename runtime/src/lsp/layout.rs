//! The edits that lay a document out in the one style: of the lines that change and no others, so that an editor keeps
//! its marks and its place. The layout itself is the language's.

use std::ops::Range;
use std::time::{Duration, Instant};

use lsp_types::TextEdit;
use rbld_lang::fmt;
use rbld_lang::span::FileId;
use rbld_lang::syntax::{self, ast};
use similar::{Algorithm, DiffTag};

use super::text::Lines;

/// How long few edits are looked for; after that there are fewer and larger ones, of the same outcome.
const PATIENCE: Duration = Duration::from_millis(300);

/// Lines of a text that others take the place of, both by number.
type Change = (Range<usize>, Range<usize>);

/// The edits of a document, or of those of its items that a range touches; changes of lines that stand directly below each
/// other are one. None for a text that can't be read: what is wrong with it is among the findings.
pub(super) fn edits(
    text: &str,
    within: Option<lsp_types::Range>,
) -> std::result::Result<Vec<TextEdit>, String> {
    let Ok(laid_out) = fmt::format(FileId(0), text) else { return Ok(Vec::new()) };
    // Rather no layout than another meaning, as `rbld fmt` has it.
    if !fmt::same(text, &laid_out) {
        return Err(
            "a bug of rbld: the layout would change what this file means; it is left alone".to_owned()
        );
    }
    let before: Vec<&str> = text.split_inclusive('\n').collect();
    let after: Vec<&str> = laid_out.split_inclusive('\n').collect();
    let deadline = Instant::now() + PATIENCE;
    let steps = similar::capture_diff_slices_deadline(Algorithm::Myers, &before, &after, Some(deadline));
    let changed = steps.iter().filter(|step| step.tag() != DiffTag::Equal);
    let mut changes: Vec<Change> = changed.map(|step| (step.old_range(), step.new_range())).collect();
    if let Some(range) = within {
        let touched = touched(text, range);
        changes.retain(|(old, _)| old.start <= touched.end && touched.start < old.end.max(old.start + 1));
        // Lines that are alike in two items may be taken for each other: then a part of the changes means nothing.
        if !fmt::same(text, &made(&before, &after, &changes)) {
            return Ok(Vec::new());
        }
    }
    let lines = Lines::new(text);
    let mut starts = vec![0];
    for line in &before {
        starts.push(starts.last().unwrap_or(&0) + line.len() as u32);
    }
    let edit = |(old, new): Change| TextEdit {
        range: lsp_types::Range {
            start: lines.position(starts[old.start]),
            end: lines.position(starts[old.end]),
        },
        new_text: after[new].concat(),
    };
    Ok(changes.into_iter().map(edit).collect())
}

/// A text with some changes made.
fn made(before: &[&str], after: &[&str], changes: &[Change]) -> String {
    let mut text = String::new();
    let mut at = 0;
    for (old, new) in changes {
        text.push_str(&before[at..old.start].concat());
        text.push_str(&after[new.clone()].concat());
        at = old.end;
    }
    text.push_str(&before[at..].concat());
    text
}

/// The lines of a range and of the items that it touches, the last one included. `use` items that stand together are
/// sorted together.
fn touched(text: &str, range: lsp_types::Range) -> Range<usize> {
    let first = range.start.line as usize;
    let mut last = range.end.line as usize;
    // A selection of whole lines ends before the first letter of the next.
    if last > first && range.end.character == 0 {
        last -= 1;
    }
    let lines = Lines::new(text);
    let (tree, _) = syntax::parse(FileId(0), text);
    let is_use = |item: &ast::Item| matches!(item.kind, ast::ItemKind::Use { .. });
    let mut touched = first..last;
    for run in tree.items.chunk_by(|a, b| is_use(a) && is_use(b)) {
        let (Some(head), Some(tail)) = (run.first(), run.last()) else { continue };
        let begins = lines.position(head.span.start).line as usize;
        let ends = lines.position(tail.span.end).line as usize;
        if begins <= last && first <= ends {
            touched = touched.start.min(begins)..touched.end.max(ends);
        }
    }
    touched
}

#[cfg(test)]
mod tests {
    use lsp_types::Position;

    use super::*;

    const LOOSE: &str =
        "rbld 1\nlet a=1\n\nlet kept = 2\n\nlet b   = [ 1,2 ]\nlet c = {\n  x   = 1,\n  y = 2\n}\n";

    fn lines(start: u32, end: u32) -> Option<lsp_types::Range> {
        let at = |line| Position { line, character: 0 };
        Some(lsp_types::Range { start: at(start), end: at(end) })
    }

    fn after(text: &str, within: Option<lsp_types::Range>) -> String {
        let mut text = text.to_owned();
        let mut edits = edits(&text, within).unwrap_or_default();
        edits.reverse();
        let changes = edits.into_iter().map(|edit| lsp_types::TextDocumentContentChangeEvent {
            range: Some(edit.range),
            range_length: None,
            text: edit.new_text,
        });
        crate::lsp::text::change(&mut text, changes.collect());
        text
    }

    #[test]
    fn the_edits_make_the_layout() {
        let whole = fmt::format(FileId(0), LOOSE).unwrap_or_default();
        assert_ne!(whole, LOOSE);
        assert_eq!(after(LOOSE, None), whole);
        assert_eq!(edits(&whole, None), Ok(Vec::new()));
        let open = "rbld 1\r\nlet ä=1";
        assert_eq!(after("rbld 1\r\nlet a = \"🎈\"\r\nlet b=1", None), "rbld 1\nlet a = \"🎈\"\nlet b = 1\n");
        assert_eq!(edits(open, None), Ok(Vec::new()), "it can't be read");
    }

    #[test]
    fn lines_that_stay_are_not_in_an_edit() {
        let edits = edits(LOOSE, None).unwrap_or_default();
        assert!(edits.len() > 1);
        assert!(edits.iter().all(|edit| edit.range.end.line <= 3 || edit.range.start.line > 3), "{edits:?}");
    }

    #[test]
    fn a_range_means_the_items_that_it_touches() {
        let one = after(LOOSE, lines(1, 2));
        assert_eq!(one, LOOSE.replace("let a=1", "let a = 1"));
        let inside = after(LOOSE, lines(8, 8));
        assert!(inside.contains("let a=1\n") && inside.contains("let b   ="), "{inside}");
        assert!(!inside.contains("  x   = 1"), "{inside}");
    }

    #[test]
    fn uses_are_sorted_together() {
        let text = "rbld 1\nuse std.fetch\nuse ./b.rbld\nuse std.debian\n\nlet a=1\n";
        let sorted = after(text, lines(2, 3));
        assert_eq!(sorted, "rbld 1\nuse std.debian\nuse std.fetch\nuse ./b.rbld\n\nlet a=1\n");
    }
}
