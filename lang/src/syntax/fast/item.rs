//! Items.

use super::{Reader, is_capital};
use crate::syntax::ast::{
    Axis, Expr, FieldType, Ident, ItemKind, Param, TypeBody, TypeExpr, TypeExprKind, UseTarget,
};

impl Reader<'_> {
    pub(super) fn item(&mut self) -> Option<ItemKind> {
        let keyword = self.peek_word();
        self.at += keyword.len();
        self.skip();
        Some(match keyword {
            "use" => self.use_item()?,
            "type" => self.type_item()?,
            "let" => {
                let name = self.value_name()?;
                self.skip();
                let mut ty = None;
                if self.eat(b':') {
                    self.skip();
                    ty = Some(Box::new(self.ty()?));
                }
                ItemKind::Let { name, ty, value: self.value()? }
            }
            "fn" => {
                let (name, params) = self.head()?;
                self.skip_lines();
                self.need(b'-')?;
                self.need(b'>')?;
                self.skip_lines();
                ItemKind::Fn { name, params, result: Box::new(self.ty()?), body: self.value()? }
            }
            "input" => ItemKind::Input { name: self.value_name()?, value: self.value()? },
            "env" => ItemKind::Env { name: self.value_name()?, value: self.value()? },
            "recipe" => {
                let (name, params) = self.head()?;
                self.skip();
                let body = self.block()?;
                ItemKind::Recipe { name, params, body }
            }
            "build" => self.build_item()?,
            "assert" => ItemKind::Assert { name: self.title()?, value: self.expr()? },
            "test" => ItemKind::Test { name: self.title()?, value: self.expr()? },
            _ => return None,
        })
    }

    /// `= EXPR`.
    fn value(&mut self) -> Option<Expr> {
        self.skip();
        self.gives()?;
        self.expr()
    }

    /// The name in quotes, and what is between it and the expression.
    fn title(&mut self) -> Option<Ident> {
        let title = self.plain()?;
        self.skip_lines();
        Some(title)
    }

    fn use_item(&mut self) -> Option<ItemKind> {
        let target = if self.peek() == b'.' {
            UseTarget::File(self.path()?)
        } else {
            let names = self.names()?;
            if names.len() > 1 && names.last().is_some_and(|last| last.node == "rbld") {
                return None;
            }
            UseTarget::Module(names)
        };
        self.skip();
        let mut alias = None;
        if self.eat_word("as") {
            self.skip();
            alias = Some(self.value_name()?);
        }
        Some(ItemKind::Use { target, alias })
    }

    /// `a.b.c`, and the blanks after it.
    pub(super) fn names(&mut self) -> Option<Vec<Ident>> {
        let mut names = vec![self.name()?];
        self.skip();
        while self.eat(b'.') {
            self.skip();
            names.push(self.name()?);
            self.skip();
        }
        Some(names)
    }

    fn type_item(&mut self) -> Option<ItemKind> {
        let name = self.name().filter(|name| is_capital(&name.node))?;
        self.skip();
        self.need(b'=')?;
        self.skip_lines();
        let start = self.at;
        if let Some(first) = self.value_name() {
            self.skip();
            if !matches!(self.peek(), b'.' | b'[') {
                return Some(ItemKind::Type { name, body: TypeBody::Enum(self.variants(first)?) });
            }
        }
        self.at = start;
        let written = self.ty()?;
        let body = match written.kind {
            TypeExprKind::Record(fields) => TypeBody::Record(fields),
            kind => TypeBody::Alias(TypeExpr { span: written.span, kind }),
        };
        Some(ItemKind::Type { name, body })
    }

    /// The variants after the first one.
    fn variants(&mut self, first: Ident) -> Option<Vec<Ident>> {
        let mut variants = vec![first];
        while self.eat(b'|') {
            self.skip_lines();
            variants.push(self.value_name()?);
            self.skip();
        }
        Some(variants)
    }

    /// `name(a: T, b: U = v)`.
    fn head(&mut self) -> Option<(Ident, Vec<Param>)> {
        let name = self.value_name()?;
        self.skip();
        self.need(b'(')?;
        let params = self.listed(b')', |reader| {
            let FieldType { name, ty, default } = reader.field_type()?;
            Some(Param { name, ty, default })
        })?;
        Some((name, params))
    }

    fn build_item(&mut self) -> Option<ItemKind> {
        let name = self.value_name()?;
        let axes = if self.after_lines("for") { self.axes()? } else { Vec::new() };
        let filter = if self.after_lines("if") {
            self.skip_lines();
            Some(Box::new(self.expr()?))
        } else {
            None
        };
        Some(ItemKind::Build { name, axes, filter, value: self.value()? })
    }

    /// Goes past a word after blanks and ends of lines; without it, stays before those.
    pub(super) fn after_lines(&mut self, word: &str) -> bool {
        let start = self.at;
        self.skip_lines();
        let found = self.eat_word(word);
        if !found {
            self.at = start;
        }
        found
    }

    /// What follows `for`: `a in xs, b in ys`.
    pub(super) fn axes(&mut self) -> Option<Vec<Axis>> {
        let (mut axes, mut tallest) = (Vec::new(), 0);
        self.skip();
        loop {
            let name = self.name()?;
            self.skip();
            self.need_word("in")?;
            self.skip_lines();
            axes.push(Axis { name, over: self.expr()? });
            tallest = tallest.max(self.height);
            self.skip();
            if !self.eat(b',') {
                self.height = tallest;
                return Some(axes);
            }
            self.skip_lines();
        }
    }
}
