//! The one layout of a file: text in, text out. spec/13-formatting.md says what it is.
//!
//! Breaks that the author chose stay: a list goes over several lines when it did. What changes is indentation, blanks,
//! commas that newlines make needless, and the columns of `=` and of comments. No comment is lost or moved past a word,
//! and the tree of the file stays the same but for its places. Knows nothing of what names mean.

mod brackets;
mod item;
mod lines;
mod script;
#[cfg(test)]
mod tests;
mod words;

use crate::diagnostic::{Diagnostic, Severity};
use crate::span::FileId;
use crate::syntax::{self, ast, places};
use lines::Line;
use words::{Comment, Word, Words};

/// Formats a file. One that can't be read is not touched: all that is wrong with it comes back instead.
pub fn format(file: FileId, text: &str) -> Result<String, Vec<Diagnostic>> {
    let (_, diagnostics) = syntax::parse(file, text);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    let words = words::read(text);
    let mut lines = Vec::new();
    let mut pieces = pieces(&words);
    align(&mut pieces);
    sort_uses(&mut pieces);
    for piece in pieces {
        around(&piece.words[0].comments, &mut lines);
        if piece.words[0].breaks > 1 && !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.extend(piece.lines);
    }
    around(&words.rest, &mut lines);
    Ok(lines::join(&lines))
}

/// Whether two files have the same tree, places and the order of neighbouring `use` items aside, and the same comments
/// in the same order.
pub fn same(before: &str, after: &str) -> bool {
    tree(before) == tree(after) && comments(before) == comments(after)
}

fn tree(text: &str) -> (ast::File, usize) {
    let (mut tree, diagnostics) = syntax::parse(FileId(0), text);
    places::forget(&mut tree);
    let is_use = |item: &ast::Item| matches!(item.kind, ast::ItemKind::Use { .. });
    for run in tree.items.chunk_by_mut(|a, b| is_use(a) && is_use(b)) {
        run.sort_by_cached_key(|item| if is_use(item) { format!("{item:?}") } else { String::new() });
    }
    (tree, diagnostics.len())
}

fn comments(text: &str) -> Vec<&str> {
    let Words { items, rest } = words::read(text);
    let inside = items.iter().flatten().flat_map(|word| &word.comments);
    // The texts are those of the file, which outlives the words.
    inside.chain(&rest).map(|comment| comment.text).collect()
}

/// An item and its lines.
struct Piece<'w> {
    words: &'w [Word<'w>],
    lines: Vec<Line>,
}

impl Piece<'_> {
    fn keyword(&self) -> &str {
        self.words[0].text
    }

    /// Whether it is one line, directly below the item before.
    fn follows(&self) -> bool {
        self.lines.len() == 1
            && self.words[0].comments.iter().all(|comment| comment.breaks == 0)
            && self.words[0].breaks == 1
    }
}

fn pieces<'w>(words: &'w Words<'w>) -> Vec<Piece<'w>> {
    let piece = |words: &'w Vec<Word<'w>>| Piece { words, lines: item::write(words) };
    words.items.iter().map(piece).collect()
}

/// The items that come in families: what follows their names is aligned.
const FAMILIES: [&str; 4] = ["env", "input", "assert", "test"];

/// Aligns what follows the names of one-line items of a kind that stand directly below each other.
fn align(pieces: &mut [Piece<'_>]) {
    let width = |piece: &Piece<'_>| piece.words.get(1).map_or(0, |name| name.text.chars().count());
    let alike = |a: &Piece<'_>, b: &Piece<'_>| {
        [a, b].into_iter().all(|piece| width(piece) <= brackets::WIDEST)
            && a.keyword() == b.keyword()
            && FAMILIES.contains(&a.keyword())
            && a.lines.len() == 1
            && b.follows()
    };
    for run in pieces.chunk_by_mut(alike) {
        let widest = run.iter().map(width).max().unwrap_or(0);
        for piece in run.iter_mut().filter(|piece| FAMILIES.contains(&piece.keyword())) {
            let padding = " ".repeat(widest - width(piece));
            let name = piece.keyword().len() + 1 + piece.words.get(1).map_or(0, |name| name.text.len());
            if let Some(line) =
                piece.lines.first_mut().filter(|line| !padding.is_empty() && name < line.code.len())
            {
                line.code.insert_str(name, &padding);
            }
        }
    }
}

/// Sorts `use` items that stand directly below each other, where no comment could lose what it speaks of.
fn sort_uses(pieces: &mut [Piece<'_>]) {
    let mut at = 0;
    while at < pieces.len() {
        let begins = pieces[at].keyword() == "use" && pieces[at].lines.len() == 1;
        let more = pieces[at + 1..].iter().take_while(|piece| {
            piece.keyword() == "use" && piece.follows() && piece.words[0].comments.is_empty()
        });
        let end = at + 1 + if begins { more.count() } else { 0 };
        let spoken_of = |piece: &Piece<'_>| {
            let first = &piece.words[0];
            let above = first.comments.last().is_some_and(|comment| comment.breaks > 0) && first.breaks < 2;
            // `##` documents the next item, blank lines between or not.
            above || documents(&first.comments)
        };
        // So it does from within the item before.
        let documented = at > 0 && pieces[at - 1].words[1..].iter().any(|word| documents(&word.comments));
        let commented = pieces.get(end).is_some_and(|next| ends_line(&next.words[0].comments));
        if end - at > 1 && !spoken_of(&pieces[at]) && !documented && !commented {
            let key = |piece: &Piece<'_>| {
                let code = piece.lines[0].code.clone();
                (code.starts_with("use ."), code)
            };
            let mut lines: Vec<_> =
                pieces[at..end].iter().map(|piece| (key(piece), piece.lines.clone())).collect();
            lines.sort();
            for (piece, (_, lines)) in pieces[at..end].iter_mut().zip(lines) {
                piece.lines = lines;
            }
        }
        at = end;
    }
}

/// Whether one of the comments documents the next item.
fn documents(comments: &[Comment<'_>]) -> bool {
    comments.iter().any(|comment| comment.column0 && comment.text.starts_with("##"))
}

/// Whether the first of the comments stands at the end of the line before.
fn ends_line(comments: &[Comment<'_>]) -> bool {
    comments.first().is_some_and(|comment| comment.breaks == 0)
}

/// Writes the comments between two items: in column 0, or indented if they were.
fn around(comments: &[Comment<'_>], lines: &mut Vec<Line>) {
    for (index, comment) in comments.iter().enumerate() {
        match lines.last_mut() {
            Some(last) if index == 0 && comment.breaks == 0 => {
                last.comment = comment.text.to_owned();
                continue;
            }
            Some(_) if comment.breaks > 1 => lines.push(Line::default()),
            _ => {}
        }
        let indent = if comment.column0 { 0 } else { item::STEP };
        lines.push(Line { code: format!("{}{}", " ".repeat(indent), comment.text), comment: String::new() });
    }
}
