//! What an expression is made of: names, literals, and what stands in brackets.

use super::{Reader, is_reserved, is_word};
use crate::span::Spanned;
use crate::syntax::ast::{Comprehension, Expr, ExprKind, Ident, Literal};
use crate::syntax::literal;

impl Reader<'_> {
    /// Its height is that of what is in it.
    pub(super) fn primary(&mut self) -> Option<Expr> {
        let start = self.at;
        self.height = 0;
        let kind = match self.peek() {
            b'"' => self.quoted()?,
            b'[' => self.list()?,
            b'{' => ExprKind::Record(self.block()?),
            b'(' => self.group()?,
            b'@' => self.lines()?,
            b'.' => ExprKind::Literal(Literal::Path((*self.path()?.node).into())),
            b'0'..=b'9' => self.number()?,
            _ => return self.word(),
        };
        Some(Expr { span: self.span(start), kind })
    }

    /// A name, a literal that begins like one, or `if`.
    fn word(&mut self) -> Option<Expr> {
        let start = self.at;
        let word = self.peek_word();
        if word.is_empty() {
            return None;
        }
        self.at += word.len();
        let kind = match word {
            "true" => ExprKind::Literal(Literal::Bool(true)),
            "false" => ExprKind::Literal(Literal::Bool(false)),
            "none" => ExprKind::Literal(Literal::None),
            "if" => {
                let kind = self.if_then()?;
                let ExprKind::If(_, _, otherwise) = &kind else { return None };
                return Some(Expr { span: self.place(start, start).to(otherwise.span), kind });
            }
            "sha256" | "commit" if self.peek() == b':' => self.digest(start, word)?,
            _ if is_reserved(word) => return None,
            _ => ExprKind::Name(word.into()),
        };
        Some(Expr { span: self.span(start), kind })
    }

    /// `sha256:…`, `commit:…`, at the colon.
    fn digest(&mut self, start: usize, word: &str) -> Option<ExprKind> {
        self.at += 1;
        self.at += self.peek_word().len();
        let written = self.written(start);
        // A `…` belongs to the literal, in which it is wrong.
        if self.looks_at("…") {
            return None;
        }
        let read = if word == "commit" { literal::commit(written) } else { literal::digest(written) };
        read.ok().map(ExprKind::Literal)
    }

    /// `42`, `1h`, `30%`, a date or an instant.
    fn number(&mut self) -> Option<ExprKind> {
        let start = self.at;
        if self.is_day() {
            self.at += 10;
            let instant = self.eat(b'T');
            while instant && (is_word(self.peek()) || matches!(self.peek(), b':' | b'.' | b'+' | b'-')) {
                self.at += 1;
            }
            if !instant && is_word(self.peek()) {
                return None;
            }
            let written = self.written(start);
            let read = if instant { literal::instant(written) } else { literal::date(written) };
            return read.ok().map(ExprKind::Literal);
        }
        self.digits();
        if self.peek() == b'.' && self.byte(1).is_ascii_digit() {
            self.at += 1;
            self.digits();
        }
        self.at += self.peek_word().len();
        self.eat(b'%');
        literal::number(self.written(start)).ok().map(ExprKind::Literal)
    }

    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }

    /// Whether `2025-11-28` or its like comes next.
    fn is_day(&self) -> bool {
        self.bytes.get(self.at..self.at + 10).is_some_and(|day| {
            day.iter().enumerate().all(|(index, byte)| match index {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
        })
    }

    /// `./path`, `../path`.
    pub(super) fn path(&mut self) -> Option<Ident> {
        let start = self.at;
        self.need(b'.')?;
        self.eat(b'.');
        self.need(b'/')?;
        let ends = |byte: &u8| {
            matches!(
                byte,
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b'"' | b'#' | b'(' | b')' | b'[' | b']' | b'{' | b'}'
            )
        };
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
        Some(Spanned { node: self.written(start).into(), span: self.span(start) })
    }

    /// `if c then a else b`, after the `if`.
    fn if_then(&mut self) -> Option<ExprKind> {
        self.skip_lines();
        let condition = self.expr()?;
        let mut tallest = self.height;
        self.skip_lines();
        self.need_word("then")?;
        self.skip_lines();
        let then = self.expr()?;
        tallest = tallest.max(self.height);
        self.skip_lines();
        self.need_word("else")?;
        self.skip_lines();
        let otherwise = self.expr()?;
        self.height = tallest.max(self.height);
        Some(ExprKind::If(Box::new(condition), Box::new(then), Box::new(otherwise)))
    }

    fn group(&mut self) -> Option<ExprKind> {
        self.at += 1;
        self.skip_lines();
        let inner = self.expr()?;
        self.skip_lines();
        self.need(b')')?;
        Some(inner.kind)
    }

    fn list(&mut self) -> Option<ExprKind> {
        self.at += 1;
        self.skip_lines();
        if self.eat_word("for") {
            return self.comprehension();
        }
        self.listed(b']', Reader::expr).map(ExprKind::List)
    }

    /// `[for x in xs if c: e]`, after the `for`.
    fn comprehension(&mut self) -> Option<ExprKind> {
        let axes = self.axes()?;
        let mut tallest = self.height;
        let mut filter = None;
        if self.after_lines("if") {
            self.skip_lines();
            filter = Some(self.expr()?);
            tallest = tallest.max(self.height);
        }
        self.skip_lines();
        self.need(b':')?;
        self.skip_lines();
        let body = self.expr()?;
        self.height = tallest.max(self.height);
        self.skip_lines();
        self.need(b']')?;
        Some(ExprKind::Comprehension(Box::new(Comprehension { axes, filter, body })))
    }
}
