//! Texts as an editor counts them: lines and UTF-16 units on one side, bytes on the other.

use lsp_types::{Position, Range, TextDocumentContentChangeEvent};

/// The byte of a position; one beyond a line's end is at that end.
pub(super) fn offset(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text[start..].find('\n') {
            Some(length) => start += length + 1,
            None => return text.len(),
        }
    }
    let line = text[start..].split('\n').next().unwrap_or("");
    let mut units = 0;
    for (at, letter) in line.char_indices() {
        if units >= position.character {
            return start + at;
        }
        units += letter.len_utf16() as u32;
    }
    start + line.len()
}

/// The starts of a text's lines, to find positions quickly.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Of a text.
    pub(super) fn new(text: &'t str) -> Lines<'t> {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The position of a byte.
    pub(super) fn position(&self, at: u32) -> Position {
        let mut at = (at as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let units = self.text[start..at].chars().map(char::len_utf16).sum::<usize>();
        Position { line: line as u32, character: units as u32 }
    }

    /// The range of a span.
    pub(super) fn range(&self, span: rbld_lang::span::Span) -> Range {
        Range { start: self.position(span.start), end: self.position(span.end.max(span.start)) }
    }
}

/// Makes the changes that an editor reports.
pub(super) fn change(text: &mut String, changes: Vec<TextDocumentContentChangeEvent>) {
    for change in changes {
        match change.range {
            None => *text = change.text,
            Some(range) => {
                let start = offset(text, range.start);
                let end = offset(text, range.end).max(start);
                text.replace_range(start..end, &change.text);
            }
        }
    }
}

/// The name that touches a byte, as the bytes that it covers; empty where there is none.
pub(super) fn word(text: &str, at: usize) -> std::ops::Range<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes();
    let before = bytes[..at].iter().rev().take_while(|byte| is_word(byte)).count();
    let after = bytes[at..].iter().take_while(|byte| is_word(byte)).count();
    at - before..at + after
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "let ä = \"🎈x\"\nenv b\r\n";

    #[test]
    fn positions_count_utf16_units() {
        let balloon = TEXT.find('x').unwrap_or(0);
        let position = Lines::new(TEXT).position(balloon as u32);
        assert_eq!(position, Position { line: 0, character: 11 });
        assert_eq!(offset(TEXT, position), balloon);
        assert_eq!(offset(TEXT, Position { line: 0, character: 99 }), TEXT.find('\n').unwrap_or(0));
        assert_eq!(offset(TEXT, Position { line: 9, character: 0 }), TEXT.len());
    }

    #[test]
    fn every_byte_is_found_again() {
        let lines = Lines::new(TEXT);
        for (at, _) in TEXT.char_indices() {
            assert_eq!(offset(TEXT, lines.position(at as u32)), at);
        }
    }

    #[test]
    fn changes_are_made_in_their_order() {
        let at = |line, character| Position { line, character };
        let edit = |start, end, text: &str| TextDocumentContentChangeEvent {
            range: Some(Range { start, end }),
            range_length: None,
            text: text.to_owned(),
        };
        let mut text = TEXT.to_owned();
        change(&mut text, vec![edit(at(0, 9), at(0, 11), ""), edit(at(1, 4), at(1, 5), "c")]);
        assert_eq!(text, "let ä = \"x\"\nenv c\r\n");
    }
}
