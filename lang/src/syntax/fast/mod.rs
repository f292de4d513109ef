//! The fast way to a tree, for text that has nothing wrong with it.
//!
//! `grammar.pest` is the grammar: it alone decides what is refused, and what is said of it. This parser reads the
//! same language by hand and gives up at the first doubt, without a word; then pest reads the same piece. So it may
//! refuse what the grammar reads, which only costs time, but never read what the grammar refuses, nor anything
//! another way. `tests` here and the fuzz target `parse` hold both beside each other.

mod expression;
mod item;
#[cfg(test)]
mod made;
mod primary;
#[cfg(test)]
mod tests;
mod text;
mod types;

use super::ast::{Expr, Ident, ItemKind};
use super::parser::DEPTH;
use crate::span::{FileId, Span, Spanned};

/// How deep expressions, types and operators before operands may nest here: far less than what fills a stack, more
/// than what people write.
const NESTED: usize = 64;

/// How many members a list is given room for at first: as many as most have, so that few are moved while they are read.
const ROOM: usize = 8;

/// The item in a piece that begins with the keyword of one.
pub(crate) fn item(file: FileId, base: usize, piece: &str) -> Option<ItemKind> {
    let mut reader = Reader::new(file, base, piece);
    let item = reader.item()?;
    reader.ends().then_some(item)
}

/// The expression that a text is.
pub(crate) fn expression(file: FileId, text: &str) -> Option<Expr> {
    let mut reader = Reader::new(file, 0, text);
    reader.skip_lines();
    let expr = reader.expr()?;
    reader.ends().then_some(expr)
}

/// A piece of text and how far it is read.
struct Reader<'t> {
    file: FileId,
    /// Where the piece begins in its file.
    base: usize,
    text: &'t str,
    bytes: &'t [u8],
    /// The next byte.
    at: usize,
    /// How deep the reader is in expressions and types.
    nested: usize,
    /// How much depth (see [`DEPTH`]) what was read last takes up at most, itself included.
    height: usize,
}

impl<'t> Reader<'t> {
    fn new(file: FileId, base: usize, text: &'t str) -> Reader<'t> {
        Reader { file, base, text, bytes: text.as_bytes(), at: 0, nested: 0, height: 0 }
    }

    /// Whether nothing that counts is left.
    fn ends(&mut self) -> bool {
        self.skip_lines();
        self.at == self.bytes.len()
    }

    /// Goes one level in, if there is one.
    fn enter(&mut self) -> Option<()> {
        self.nested += 1;
        (self.nested <= NESTED).then_some(())
    }

    fn leave(&mut self) {
        self.nested -= 1;
    }

    /// What was read last has this height, if a tree may be so deep.
    fn rises(&mut self, height: usize) -> Option<()> {
        self.height = height;
        (height <= DEPTH).then_some(())
    }

    /// Blanks and comments.
    fn skip(&mut self) {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'#' => self.skip_comment(),
                _ => return,
            }
        }
    }

    /// The same, with the ends of lines.
    fn skip_lines(&mut self) {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn skip_comment(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    /// The next byte; at the end, one that no rule knows.
    fn peek(&self) -> u8 {
        self.byte(0)
    }

    /// The byte so many further on.
    fn byte(&self, further: usize) -> u8 {
        self.bytes.get(self.at + further).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    /// Whether a piece comes next, as it is.
    fn looks_at(&self, piece: &str) -> bool {
        self.bytes[self.at..].starts_with(piece.as_bytes())
    }

    /// From `start` to here.
    fn written(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    fn span(&self, start: usize) -> Span {
        self.place(start, self.at)
    }

    fn place(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: (self.base + start) as u32, end: (self.base + end) as u32 }
    }

    /// The word that comes next, empty if none does.
    fn peek_word(&self) -> &'t str {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
        &self.text[self.at..self.at + length]
    }

    /// Goes past a word, if it is this one.
    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.looks_at(word) && !is_word(self.byte(word.len()));
        if found {
            self.at += word.len();
        }
        found
    }

    fn need_word(&mut self, word: &str) -> Option<()> {
        self.eat_word(word).then_some(())
    }

    /// A name.
    fn name(&mut self) -> Option<Ident> {
        let start = self.at;
        let word = self.peek_word();
        if word.is_empty() || word.as_bytes()[0].is_ascii_digit() || is_reserved(word) {
            return None;
        }
        self.at += word.len();
        Some(Spanned { node: word.into(), span: self.span(start) })
    }

    /// The name of something that is no type.
    fn value_name(&mut self) -> Option<Ident> {
        self.name().filter(|name| !is_capital(&name.node))
    }

    /// An `=` that isn't the first half of `==`, and the ends of lines after it.
    fn gives(&mut self) -> Option<()> {
        self.need(b'=')?;
        self.skip();
        if self.peek() == b'=' {
            return None;
        }
        self.skip_lines();
        Some(())
    }

    /// What stands between brackets with commas between, newlines wherever. Begins after the opening bracket.
    fn listed<T>(&mut self, close: u8, mut read: impl FnMut(&mut Reader<'t>) -> Option<T>) -> Option<Vec<T>> {
        self.skip_lines();
        let room = if self.peek() == close { 0 } else { ROOM };
        let (mut list, mut tallest) = (Vec::with_capacity(room), 0);
        while self.peek() != close {
            list.push(read(self)?);
            tallest = tallest.max(self.height);
            self.skip_lines();
            if !self.eat(b',') {
                break;
            }
            self.skip_lines();
        }
        self.need(close)?;
        list.shrink_to_fit();
        self.height = tallest;
        Some(list)
    }

    /// What stands between braces with commas or ends of lines between. Begins at the opening one.
    fn braced<T>(&mut self, mut read: impl FnMut(&mut Reader<'t>) -> Option<T>) -> Option<Vec<T>> {
        let (mut list, mut tallest) = (Vec::new(), 0);
        self.need(b'{')?;
        self.skip_lines();
        while self.peek() != b'}' {
            list.push(read(self)?);
            tallest = tallest.max(self.height);
            if !self.separator() {
                break;
            }
        }
        self.need(b'}')?;
        list.shrink_to_fit();
        self.height = tallest;
        Some(list)
    }

    /// The ends of lines, a comma, or both in this order.
    fn separator(&mut self) -> bool {
        self.skip();
        let line = self.peek() == b'\n';
        self.skip_lines();
        let comma = self.eat(b',');
        self.skip_lines();
        line || comma
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_capital(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// The words that are no names: the rule `reserved`.
fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "as"
            | "else"
            | "false"
            | "for"
            | "if"
            | "in"
            | "none"
            | "not"
            | "or"
            | "then"
            | "true"
            | "with"
            | "_"
    )
}
