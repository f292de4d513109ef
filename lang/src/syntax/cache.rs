//! Items read before: an editor that changes one item has only that one parsed again.
//!
//! Only items without anything wrong are kept, since what is said of a broken one may lie around it.

use std::collections::BTreeMap;

use super::ast::{Axis, Entry, Param, UseTarget};
use super::ast::{Expr, ExprKind, FieldType, Ident, Item, ItemKind, Part, TypeBody, TypeExpr, TypeExprKind};
use crate::span::{FileId, Span};

/// Items by their text: those of the last time, and those met since.
#[derive(Debug, Default)]
pub struct Cache {
    last: BTreeMap<String, Item>,
    met: BTreeMap<String, Item>,
}

impl Cache {
    /// Begins another reading of a project: what isn't met in this one will be forgotten in the next.
    pub fn turn(&mut self) {
        self.last = std::mem::take(&mut self.met);
    }

    /// The item of a text, as if it had been read where it stands now.
    pub(crate) fn find(&mut self, text: &str, file: FileId, start: u32) -> Option<Item> {
        if let Some((text, item)) = self.last.remove_entry(text) {
            self.met.insert(text, item);
        }
        let mut item = self.met.get(text)?.clone();
        let by = i64::from(start) - i64::from(item.span.start);
        Mover { file, by }.item(&mut item);
        Some(item)
    }

    /// Keeps an item.
    pub(crate) fn keep(&mut self, text: &str, item: &Item) {
        self.met.insert(text.to_owned(), item.clone());
    }
}

/// Moves a tree to another place.
struct Mover {
    file: FileId,
    by: i64,
}

impl Mover {
    fn span(&self, span: &mut Span) {
        span.file = self.file;
        span.start = (i64::from(span.start) + self.by) as u32;
        span.end = (i64::from(span.end) + self.by) as u32;
    }

    fn ident(&self, ident: &mut Ident) {
        self.span(&mut ident.span);
    }

    fn item(&self, item: &mut Item) {
        self.span(&mut item.span);
        match &mut item.kind {
            ItemKind::Use { target, alias } => {
                match target {
                    UseTarget::Module(path) => path.iter_mut().for_each(|part| self.ident(part)),
                    UseTarget::File(path) => self.ident(path),
                }
                alias.iter_mut().for_each(|alias| self.ident(alias));
            }
            ItemKind::Type { name, body } => {
                self.ident(name);
                match body {
                    TypeBody::Enum(variants) => variants.iter_mut().for_each(|variant| self.ident(variant)),
                    TypeBody::Record(fields) => self.fields(fields),
                    TypeBody::Alias(ty) => self.ty(ty),
                }
            }
            ItemKind::Let { name, ty, value } => {
                self.ident(name);
                ty.iter_mut().for_each(|ty| self.ty(ty));
                self.expr(value);
            }
            ItemKind::Fn { name, params, result, body } => {
                self.ident(name);
                self.params(params);
                self.ty(result);
                self.expr(body);
            }
            ItemKind::Recipe { name, params, body } => {
                self.ident(name);
                self.params(params);
                self.entries(body);
            }
            ItemKind::Build { name, axes, filter, value } => {
                self.ident(name);
                self.axes(axes);
                filter.iter_mut().for_each(|filter| self.expr(filter));
                self.expr(value);
            }
            ItemKind::Input { name, value }
            | ItemKind::Env { name, value }
            | ItemKind::Assert { name, value }
            | ItemKind::Test { name, value } => {
                self.ident(name);
                self.expr(value);
            }
        }
    }

    fn params(&self, params: &mut [Param]) {
        for param in params {
            self.ident(&mut param.name);
            self.ty(&mut param.ty);
            param.default.iter_mut().for_each(|default| self.expr(default));
        }
    }

    fn fields(&self, fields: &mut [FieldType]) {
        for field in fields {
            self.ident(&mut field.name);
            self.ty(&mut field.ty);
            field.default.iter_mut().for_each(|default| self.expr(default));
        }
    }

    fn axes(&self, axes: &mut [Axis]) {
        for axis in axes {
            self.ident(&mut axis.name);
            self.expr(&mut axis.over);
        }
    }

    fn entries(&self, entries: &mut [Entry]) {
        for entry in entries {
            self.ident(&mut entry.name);
            self.expr(&mut entry.value);
        }
    }

    fn ty(&self, ty: &mut TypeExpr) {
        self.span(&mut ty.span);
        match &mut ty.kind {
            TypeExprKind::Name(path) => path.iter_mut().for_each(|part| self.ident(part)),
            TypeExprKind::List(inner) | TypeExprKind::Option(inner) => self.ty(inner),
            TypeExprKind::Map(key, value) => {
                self.ty(key);
                self.ty(value);
            }
            TypeExprKind::Record(fields) => self.fields(fields),
            TypeExprKind::Error => {}
        }
    }

    fn expr(&self, expr: &mut Expr) {
        self.span(&mut expr.span);
        match &mut expr.kind {
            ExprKind::Name(_) | ExprKind::Literal(_) | ExprKind::Plain(_) | ExprKind::Error => {}
            ExprKind::Text(parts) => {
                for part in parts {
                    if let Part::Expr(expr) = part {
                        self.expr(expr);
                    }
                }
            }
            ExprKind::List(items) => items.iter_mut().for_each(|item| self.expr(item)),
            ExprKind::Comprehension(of) => {
                self.axes(&mut of.axes);
                of.filter.iter_mut().for_each(|filter| self.expr(filter));
                self.expr(&mut of.body);
            }
            ExprKind::Record(entries) => self.entries(entries),
            ExprKind::Field(of) => {
                self.expr(&mut of.0);
                self.ident(&mut of.1);
            }
            ExprKind::Star(base) | ExprKind::Unary(_, base) => self.expr(base),
            ExprKind::Index(base, keys) => {
                self.expr(base);
                keys.iter_mut().flatten().for_each(|key| self.expr(key));
            }
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                for arg in args {
                    arg.name.iter_mut().for_each(|name| self.ident(name));
                    self.expr(&mut arg.value);
                }
            }
            ExprKind::With(base, entries) => {
                self.expr(base);
                self.entries(entries);
            }
            ExprKind::If(condition, yes, no) => {
                for part in [condition, yes, no] {
                    self.expr(part);
                }
            }
            ExprKind::Binary(op, both) => {
                self.span(&mut op.span);
                self.expr(&mut both.0);
                self.expr(&mut both.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax;

    const TEXT: &str = include_str!("guile-gnutls.rbld");

    #[test]
    fn what_is_kept_reads_as_if_parsed_again() {
        let mut cache = Cache::default();
        syntax::parse_again(FileId(0), TEXT, &mut cache);
        for (count, insert) in ["let first = 1\n", "# ä\n", "\n\n"].into_iter().enumerate() {
            cache.turn();
            let file = FileId(count as u32 + 1);
            let at = TEXT.find("let ").unwrap_or(0);
            let text = format!("{}{insert}{}", &TEXT[..at], &TEXT[at..]);
            assert_eq!(syntax::parse_again(file, &text, &mut cache), syntax::parse(file, &text));
        }
    }

    #[test]
    fn what_isnt_met_is_forgotten_and_what_is_broken_isnt_kept() {
        let mut cache = Cache::default();
        syntax::parse_again(FileId(0), "rbld 1\nlet a = 1\nlet b = [1\n", &mut cache);
        assert_eq!(cache.met.keys().collect::<Vec<_>>(), ["let a = 1"]);
        cache.turn();
        syntax::parse_again(FileId(0), "rbld 1\nlet c = 1\n", &mut cache);
        cache.turn();
        assert_eq!(cache.last.keys().collect::<Vec<_>>(), ["let c = 1"]);
    }
}
