//! Cutting: a file's text into pieces, one for each item, without keeping its tokens.
//!
//! It is cut at the tokens in column 0 that begin something: all but comments, closing brackets, and, where brackets
//! are open, what isn't the keyword of an item.

use super::BRACKETS;
use super::tokens::{Chunk, Depth, Kind, Scanner, Token, begins_item};

/// A piece of a file: from one word in column 0 to the last token before the next.
#[derive(Clone)]
pub(crate) struct Piece {
    /// The lines of documentation above it.
    pub(crate) docs: Vec<String>,
    /// Its first token, in column 0 unless the file's first item isn't.
    pub(crate) first: Token,
    /// One past the last byte that counts.
    pub(crate) end: usize,
    /// A token in column 0 that goes on with the piece, since brackets are open there.
    pub(crate) outdented: Option<Token>,
    /// How deep its brackets nest.
    pub(crate) depth: Depth,
}

impl Piece {
    /// First byte.
    pub(crate) fn start(&self) -> usize {
        self.first.start
    }

    /// The same with its tokens.
    pub(crate) fn chunk(self, text: &str) -> Chunk {
        let (start, end) = (self.start(), self.end);
        let tokens = Scanner::at(text, start).take_while(|token| token.end <= end).collect();
        Chunk { docs: self.docs, start, end, tokens }
    }
}

/// The pieces of a file.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { text, scanner: Scanner::new(text), docs: Vec::new(), open: 0, piece: Open::default() }
}

/// The pieces of a file, one by one.
pub(crate) struct Pieces<'t> {
    text: &'t str,
    scanner: Scanner<'t>,
    /// The lines of documentation since the last piece began.
    docs: Vec<String>,
    /// How many brackets are open.
    open: usize,
    piece: Open,
}

/// A piece whose end isn't known yet.
#[derive(Default)]
struct Open {
    docs: Vec<String>,
    /// Its first token that counts. Before the first one of a file there may be comments.
    first: Option<Token>,
    end: usize,
    outdented: Option<Token>,
    depth: Depth,
}

impl Open {
    fn finish(self) -> Option<Piece> {
        let Open { docs, first, end, outdented, depth } = self;
        Some(Piece { docs, first: first?, end, outdented, depth })
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while let Some(token) = self.scanner.next() {
            let finished = self.pass(token);
            if token.counts() {
                self.piece.first.get_or_insert(token);
                self.piece.end = token.end;
                self.piece.depth.pass(&token, BRACKETS);
            }
            if finished.is_some() {
                return finished;
            }
        }
        std::mem::take(&mut self.piece).finish()
    }
}

impl Pieces<'_> {
    /// Looks at the next token. The piece before comes back if it begins another.
    fn pass(&mut self, token: Token) -> Option<Piece> {
        let column0 = token.start == 0 || self.text.as_bytes()[token.start - 1] == b'\n';
        match token.kind {
            Kind::Comment if column0 => self.document(token),
            Kind::Open(_) => self.open += 1,
            Kind::Close(_) => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        // What comes first begins something wherever it stands.
        let begins = column0 || self.piece.first.is_none();
        if !token.counts() || !begins || matches!(token.kind, Kind::Close(_)) {
            return None;
        }
        let goes_on = self.open > 0 && self.piece.first.is_some() && {
            let ahead = std::iter::once(token).chain(self.scanner.clone());
            !begins_item(self.text, ahead)
        };
        if goes_on {
            self.piece.outdented = self.piece.outdented.or(Some(token));
            return None;
        }
        self.open = usize::from(matches!(token.kind, Kind::Open(_)));
        let docs = std::mem::take(&mut self.docs);
        std::mem::replace(&mut self.piece, Open { docs, ..Open::default() }).finish()
    }

    fn document(&mut self, token: Token) {
        if let Some(doc) = self.text[token.start..token.end].strip_prefix("##") {
            self.docs.push(doc.strip_prefix(' ').unwrap_or(doc).trim_end().to_owned());
        }
    }
}
