//! Texts of all three kinds.

use super::Reader;
use crate::span::Spanned;
use crate::syntax::ast::{Expr, ExprKind, Ident, Name};
use crate::syntax::expression::Parts;
use crate::syntax::{text, tokens};

impl Reader<'_> {
    /// `"…"` or `"""…"""`.
    pub(super) fn quoted(&mut self) -> Option<ExprKind> {
        if tokens::quotes(self.bytes, self.at) > 2 {
            return self.raw();
        }
        self.string()
    }

    /// A text on one line that holds no expression: the name of an assertion, a key.
    pub(super) fn plain(&mut self) -> Option<Ident> {
        let start = self.at;
        match self.string()? {
            ExprKind::Plain(text) => Some(Spanned { node: Name::from(&*text), span: self.span(start) }),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<ExprKind> {
        if tokens::quotes(self.bytes, self.at) > 2 {
            return None;
        }
        self.need(b'"')?;
        self.height = 0;
        let start = self.at;
        self.chars()?;
        // Most hold nothing else.
        if self.peek() == b'"' {
            let whole = self.written(start);
            self.at += 1;
            return Some(ExprKind::Plain(whole.into()));
        }
        self.at = start;
        let (mut parts, mut tallest) = (Parts::default(), 0);
        loop {
            let start = self.at;
            self.chars()?;
            parts.text(self.written(start));
            match self.peek() {
                b'"' => break,
                b'@' => {
                    parts.expr(self.interpolation()?);
                    tallest = tallest.max(self.height);
                }
                b'\\' => {
                    let letter = text::escape(self.text.get(self.at..self.at + 2)?)?;
                    parts.text(letter.encode_utf8(&mut [0; 4]));
                    self.at += 2;
                }
                _ => return None,
            }
        }
        self.at += 1;
        self.height = tallest;
        Some(parts.finish())
    }

    /// Goes to what ends the letters that stand for themselves.
    fn chars(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at..];
        let special = |(index, byte): (usize, &u8)| match byte {
            b'"' | b'\\' | b'\n' => true,
            b'@' => rest.get(index + 1) == Some(&b'{'),
            _ => false,
        };
        self.at += rest.iter().enumerate().position(special)?;
        Some(())
    }

    /// `@{…}` on one line, without a text of several lines in it.
    fn interpolation(&mut self) -> Option<Expr> {
        let start = self.at;
        self.at += 2;
        self.skip();
        let value = self.expr()?;
        self.skip();
        self.need(b'}')?;
        let written = self.written(start);
        let fits = !written.contains('\n') && !written.contains("\"\"\"");
        fits.then_some(value)
    }

    /// The end of the content of a text that so many quotes close, from here on.
    fn closing(&self, count: usize) -> Option<usize> {
        let mut at = self.at;
        loop {
            at += self.bytes[at..].iter().position(|byte| *byte == b'"')?;
            let found = tokens::quotes(self.bytes, at);
            at += found;
            if found >= count {
                return Some(at - count);
            }
        }
    }

    fn raw(&mut self) -> Option<ExprKind> {
        let count = tokens::quotes(self.bytes, self.at);
        self.at += count;
        let end = self.closing(count)?;
        let content = &self.text[self.at..end];
        let stripped = layout(content)?.strip(content, true, true);
        self.at = end + count;
        Some(ExprKind::Plain(stripped.into()))
    }

    /// `@"""…"""`.
    pub(super) fn lines(&mut self) -> Option<ExprKind> {
        let count = tokens::quotes(self.bytes, self.at + 1);
        if count < 3 {
            return None;
        }
        self.at += 1 + count;
        let start = self.at;
        // No `@{…}` goes past it: three quotes in one are refused.
        let end = self.closing(count)?;
        let (mut pieces, mut tallest) = (Vec::new(), 0);
        while self.at < end {
            let from = self.at;
            let length = self.text[from..end].find("@{");
            self.at = length.map_or(end, |length| from + length);
            if self.at > from {
                pieces.push(Err(self.written(from)));
            }
            if length.is_some() {
                pieces.push(Ok(self.interpolation()?));
                tallest = tallest.max(self.height);
            }
        }
        let layout = layout(&self.text[start..end])?;
        self.at = end + count;
        let mut parts = Parts::default();
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.into_iter().enumerate() {
            match piece {
                Ok(expr) => parts.expr(expr),
                Err(piece) => parts.text(&layout.strip(piece, index == 0, index == last)),
            }
        }
        self.height = tallest;
        Some(parts.finish())
    }
}

/// The layout of a text's content, unless something is wrong with its lines.
fn layout(content: &str) -> Option<text::Layout<'_>> {
    let outdented = content.split('\n').skip(1).any(|line| {
        let bare = line.trim_end_matches([' ', '\t', '\r']);
        !bare.is_empty() && !bare.starts_with([' ', '\t'])
    });
    (!outdented && !text::starts_late(content)).then(|| text::layout(content))
}
