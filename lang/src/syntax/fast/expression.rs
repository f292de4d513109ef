//! Expressions: operators, and what follows an operand.

use super::Reader;
use crate::span::Spanned;
use crate::syntax::ast::{Arg, BinaryOp, Entry, Expr, ExprKind, UnaryOp};

/// What is known of an expression's operators so far.
#[derive(Default)]
struct Chain {
    /// How many there are, those before operands included.
    operators: usize,
    /// Whether there was a comparison since the last `and` or `or`.
    compared: bool,
    /// The height of the tallest operand.
    tallest: usize,
}

impl Reader<'_> {
    pub(super) fn expr(&mut self) -> Option<Expr> {
        self.enter()?;
        let mut chain = Chain::default();
        let expr = self.operators(1, &mut chain)?;
        self.rises(chain.tallest + chain.operators + 1)?;
        self.leave();
        Some(expr)
    }

    /// Operands joined by operators that bind at least so tight.
    fn operators(&mut self, tight: u8, chain: &mut Chain) -> Option<Expr> {
        let mut left = self.prefixed(chain)?;
        loop {
            self.skip();
            let Some((operator, length)) = self.operator() else { return Some(left) };
            let level = level(operator);
            if level < tight {
                return Some(left);
            }
            match level {
                1 | 2 => chain.compared = false,
                // A second comparison is refused.
                3 if std::mem::replace(&mut chain.compared, true) => return None,
                _ => {}
            }
            chain.operators += 1;
            self.rises(chain.operators)?;
            let start = self.at;
            self.at += length;
            let operator = Spanned { node: operator, span: self.span(start) };
            self.skip_lines();
            let right = self.operators(level + 1, chain)?;
            let span = left.span.to(right.span);
            left = Expr { span, kind: ExprKind::Binary(operator, Box::new((left, right))) };
        }
    }

    /// The operator that comes next, and its length.
    fn operator(&self) -> Option<(BinaryOp, usize)> {
        let (first, second) = (self.peek(), self.byte(1));
        Some(match (first, second) {
            (b'=', b'=') => (BinaryOp::Equal, 2),
            (b'!', b'=') => (BinaryOp::NotEqual, 2),
            (b'<', b'=') => (BinaryOp::LessEqual, 2),
            (b'<', _) => (BinaryOp::Less, 1),
            (b'>', b'=') => (BinaryOp::GreaterEqual, 2),
            (b'>', _) => (BinaryOp::Greater, 1),
            (b'+', b'+') => (BinaryOp::Concat, 2),
            (b'+', _) => (BinaryOp::Add, 1),
            (b'-', _) => (BinaryOp::Subtract, 1),
            (b'*', _) => (BinaryOp::Multiply, 1),
            (b'o', b'r') if self.peek_word() == "or" => (BinaryOp::Or, 2),
            (b'a', b'n') if self.peek_word() == "and" => (BinaryOp::And, 3),
            _ => return None,
        })
    }

    /// An operand, with `not` and `-` before it.
    fn prefixed(&mut self, chain: &mut Chain) -> Option<Expr> {
        let start = self.at;
        let operator = match self.peek() {
            b'-' => {
                self.at += 1;
                UnaryOp::Negate
            }
            b'n' if self.eat_word("not") => UnaryOp::Not,
            _ => {
                let operand = self.operand()?;
                chain.tallest = chain.tallest.max(self.height);
                return Some(operand);
            }
        };
        chain.operators += 1;
        self.skip();
        self.enter()?;
        let value = self.prefixed(chain)?;
        self.leave();
        let span = self.place(start, start).to(value.span);
        Some(Expr { span, kind: ExprKind::Unary(operator, Box::new(value)) })
    }

    /// A primary expression and all that is done with it.
    fn operand(&mut self) -> Option<Expr> {
        let mut parts = 1;
        let mut expr = self.primary()?;
        let mut tallest = self.height;
        loop {
            self.skip();
            let line = self.at;
            if self.peek() == b'\n' {
                self.skip_lines();
                if self.peek() != b'.' {
                    self.at = line;
                    break;
                }
            }
            if !matches!(self.peek(), b'.' | b'[' | b'(' | b'{') {
                break;
            }
            self.height = 0;
            expr = self.form(expr)?;
            tallest = tallest.max(self.height);
            parts += 1;
            self.rises(parts)?;
        }
        while self.eat_word("with") {
            self.skip();
            let entries = self.block()?;
            tallest = tallest.max(self.height);
            parts += 1;
            self.rises(parts)?;
            let span = expr.span.to(self.place(self.at, self.at));
            expr = Expr { span, kind: ExprKind::With(Box::new(expr), entries.into()) };
            self.skip();
        }
        self.rises(tallest + parts)?;
        Some(expr)
    }

    /// What a `.`, `[`, `(` or `{` does with an operand.
    fn form(&mut self, expr: Expr) -> Option<Expr> {
        let start = expr.span;
        let kind = match self.peek() {
            b'.' if self.byte(1) == b'*' => {
                self.at += 2;
                ExprKind::Star(Box::new(expr))
            }
            b'.' => {
                self.at += 1;
                self.skip();
                ExprKind::Field(Box::new((expr, self.name()?)))
            }
            b'[' => {
                self.at += 1;
                let keys = self.listed(b']', Reader::key)?;
                if keys.is_empty() {
                    return None;
                }
                ExprKind::Index(Box::new(expr), keys.into())
            }
            b'(' => {
                self.at += 1;
                ExprKind::Call { callee: Box::new(expr), args: self.listed(b')', Reader::arg)?.into() }
            }
            _ => {
                let args = self.braced(|reader| reader.entry().map(Arg::from))?;
                ExprKind::Call { callee: Box::new(expr), args: args.into() }
            }
        };
        let end = self.place(self.at, self.at);
        Some(Expr { span: start.to(end), kind })
    }

    /// A key in brackets; `None` for `_`.
    fn key(&mut self) -> Option<Option<Expr>> {
        self.height = 0;
        if self.eat_word("_") {
            return Some(None);
        }
        self.expr().map(Some)
    }

    /// An argument of a call, which may be named.
    fn arg(&mut self) -> Option<Arg> {
        let start = self.at;
        self.at += self.peek_word().len();
        self.skip();
        let may_be_named = self.peek() == b'=';
        self.at = start;
        if may_be_named && let Some(name) = self.name() {
            self.skip();
            if self.gives().is_some() {
                return Some(Arg { name: Some(Box::new(name)), value: self.expr()? });
            }
            self.at = start;
        }
        Some(Arg { name: None, value: self.expr()? })
    }

    /// The entries in braces.
    pub(super) fn block(&mut self) -> Option<Vec<Entry>> {
        self.braced(Reader::entry)
    }

    /// `name = value`, `"key" = value` or `name`.
    fn entry(&mut self) -> Option<Entry> {
        let text = self.peek() == b'"';
        let name = if text { self.plain()? } else { self.name()? };
        let end = self.at;
        self.skip();
        if self.peek() == b'=' {
            self.gives()?;
            return Some(Entry { name, value: self.expr()? });
        }
        if text {
            return None;
        }
        self.at = end;
        self.height = 0;
        let value = Expr { span: name.span, kind: ExprKind::Name(name.node.clone()) };
        Some(Entry { name, value })
    }
}

/// How tight an operator binds.
fn level(operator: BinaryOp) -> u8 {
    match operator {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual => 3,
        BinaryOp::Concat => 4,
        BinaryOp::Add | BinaryOp::Subtract => 5,
        BinaryOp::Multiply => 6,
    }
}
