//! Types as written, read.

use std::sync::Arc;

use super::index::{Definition, Inner};
use super::{Binding, Checker, Meaning, TYPE_PARTS};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, ItemId};
use crate::nearest::nearest;
use crate::span::Span;
use crate::syntax::ast::{self, FieldType, TypeBody, TypeExpr, TypeExprKind};
use crate::types::{EnumType, Field, Plain, RecordType, Type};

impl<'p> Checker<'p> {
    /// The type of a `type` item.
    pub(super) fn declared_type(&mut self, name: &'p ast::Ident, body: &'p TypeBody) -> Type {
        if self.builtin_type(&name.node).is_some() {
            let message = format!("`{}` is a type of the language", name.node);
            self.report(
                Diagnostic::error(codes::TWICE, message, name.span, "declared again here")
                    .help("choose another name"),
            );
            return Type::Error;
        }
        match body {
            TypeBody::Enum(variants) => {
                let mut names: Vec<(String, Span)> = Vec::new();
                for variant in variants {
                    match names.iter().find(|(name, _)| *name == variant.node) {
                        Some((_, first)) => {
                            let first = *first;
                            self.field_twice(&variant.node, variant.span, first);
                        }
                        None => names.push((variant.node.to_string(), variant.span)),
                    }
                }
                let (known, places) = names.into_iter().unzip();
                let name = (name.node.clone(), Some(name.span));
                let of =
                    Arc::new(EnumType { name: name.0.to_string(), variants: known, places, span: name.1 });
                for variant in variants {
                    self.refers_to_variant(&of, &variant.node, variant.span);
                }
                Type::Enum(of)
            }
            TypeBody::Record(fields) => self.record_type(Some(name.node.to_string()), fields),
            TypeBody::Alias(ty) => self.annotation(ty),
        }
    }

    /// The type that an annotation names.
    pub(super) fn annotation(&mut self, ty: &'p TypeExpr) -> Type {
        if self.depth >= super::DEPTH {
            return self.too_deep(ty.span).1;
        }
        self.depth += 1;
        let found = match &ty.kind {
            TypeExprKind::Name(path) => self.named_type(path, ty.span),
            TypeExprKind::List(inner) => self.annotation(inner).list(),
            TypeExprKind::Option(inner) => self.annotation(inner).option(),
            TypeExprKind::Map(key, value) => self.map_type(key, value),
            TypeExprKind::Record(fields) => self.record_type(None, fields),
            TypeExprKind::Error => Type::Error,
        };
        self.depth -= 1;
        found
    }

    fn map_type(&mut self, key: &'p TypeExpr, value: &'p TypeExpr) -> Type {
        let key_type = self.annotation(key);
        let value = self.annotation(value);
        match key_type {
            Type::Plain(Plain::String) | Type::Enum(_) | Type::Error => {
                Type::Map(Arc::new(key_type), Arc::new(value))
            }
            other => {
                let message = format!("a map can't have keys of type `{other}`");
                self.wrong(
                    Diagnostic::error(codes::TYPE, message, key.span, "not a key")
                        .help("keys of a map are of type `String` or of an enum"),
                )
                .1
            }
        }
    }

    fn builtin_type(&self, name: &str) -> Option<Type> {
        match name {
            "Arch" => Some(Type::Enum(self.arch.clone())),
            "Build" => Some(Type::Build(None)),
            _ => Plain::ALL.iter().find(|(known, _)| *known == name).map(|(_, plain)| Type::Plain(*plain)),
        }
    }

    fn named_type(&mut self, path: &'p [ast::Ident], span: Span) -> Type {
        let [first, rest @ ..] = path else { return Type::Error };
        if rest.is_empty() {
            self.offer_types(first.span);
            if let Some(ty) = self.builtin_type(&first.node) {
                self.refers(first.span, Definition::Builtin, &ty);
                return ty;
            }
            return match self.scopes[self.module.index()].get(first.node.as_str()).copied() {
                Some(Binding::Item(id)) => {
                    self.refers(first.span, Definition::Item(id), &Type::Unknown);
                    self.item_type(id, &first.node, span)
                }
                Some(Binding::Broken) => Type::Error,
                _ => self.unknown_type(&first.node, span),
            };
        }
        match (self.scopes[self.module.index()].get(first.node.as_str()).copied(), rest) {
            (Some(Binding::Module(module, at)), [name]) => {
                self.mark_used(at);
                self.refers(first.span, Definition::Module(module), &Type::Unknown);
                self.offer_module(name.span, module, true);
                match self.member(module, &first.node, name) {
                    Some(id) => self.item_type(id, &name.node, span),
                    None => Type::Error,
                }
            }
            (Some(Binding::Broken), _) => Type::Error,
            _ => {
                let shown: Vec<&str> = path.iter().map(|part| part.node.as_str()).collect();
                self.unknown_type(&shown.join("."), span)
            }
        }
    }

    fn item_type(&mut self, id: ItemId, name: &str, span: Span) -> Type {
        match self.require(id, Some(span)) {
            Meaning::Type(ty) => ty,
            Meaning::Broken => Type::Error,
            _ => {
                let place = self.items[id.index()].span;
                self.wrong(
                    Diagnostic::error(codes::TYPE, format!("`{name}` is not a type"), span, "used as a type")
                        .label(place, "declared here")
                        .help("names of types begin with a capital letter"),
                )
                .1
            }
        }
    }

    fn unknown_type(&mut self, name: &str, span: Span) -> Type {
        let mut names: Vec<String> = Plain::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(["Arch", "Build", "List", "Map"].map(str::to_owned));
        let is_type = |id: &ItemId| matches!(self.items[id.index()].ast.kind, ast::ItemKind::Type { .. });
        for (known, binding) in &self.scopes[self.module.index()] {
            match binding {
                Binding::Item(id) if is_type(id) => names.push((*known).to_owned()),
                Binding::Module(module, _) => {
                    for (inner, binding) in &self.scopes[module.index()] {
                        if matches!(binding, Binding::Item(id) if is_type(id)) {
                            names.push(format!("{known}.{inner}"));
                        }
                    }
                }
                _ => {}
            }
        }
        let near = names
            .iter()
            .find(|known| known.rsplit('.').next() == Some(name))
            .map(String::as_str)
            .or_else(|| type_habit(name))
            .or_else(|| nearest(name, names.iter().map(String::as_str)));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "types are built in, or declared by an item `type Name = …`".to_owned(),
        };
        self.wrong(
            Diagnostic::error(codes::UNKNOWN, format!("there is no type `{name}`"), span, "not known here")
                .help(help)
                .change(span, near),
        )
        .1
    }

    fn record_type(&mut self, name: Option<String>, written: &'p [FieldType]) -> Type {
        let mut fields: Vec<Field> = Vec::with_capacity(written.len());
        for field in written {
            let ty = self.annotation(&field.ty);
            let default =
                field.default.as_ref().map(|default| Arc::new(self.closed(default, &ty, &field.name)));
            match fields.iter().find(|known| known.name == field.name.node) {
                Some(first) => {
                    let first = first.span;
                    self.field_twice(&field.name.node, field.name.span, first);
                }
                None => {
                    self.declares(Inner::Field, field.name.span, &ty);
                    fields.push(Field { name: field.name.node.clone(), ty, default, span: field.name.span })
                }
            }
        }
        let record = RecordType::new(name, fields);
        if record.parts > TYPE_PARTS {
            let span = record.fields[0].span;
            return self.type_too_large(span).1;
        }
        Type::Record(Arc::new(record))
    }

    /// Reports a record type that is too large to walk through.
    pub(super) fn type_too_large(&mut self, span: Span) -> (Ir, Type) {
        self.wrong(
            Diagnostic::error(
                codes::TOO_DEEP,
                format!("the type of this record has more than {TYPE_PARTS} parts, written out"),
                span,
                "too large",
            )
            .help("hold what repeats in a list or a map: its elements share one type"),
        )
    }

    /// A default: an expression that sees no local names.
    pub(super) fn closed(&mut self, value: &'p ast::Expr, ty: &Type, name: &'p ast::Ident) -> Ir {
        let locals = std::mem::take(&mut self.locals);
        let ir = self.expect(value, ty, &super::mismatch::Role::Declared { name: &name.node, at: name.span });
        self.locals = locals;
        ir
    }

    pub(super) fn field_twice(&mut self, name: &str, span: Span, first: Span) {
        self.report(
            Diagnostic::error(codes::TWICE, format!("`{name}` is written twice"), span, "again here")
                .label(first, "first here")
                .help("remove one of them"),
        );
    }

    /// Reports, once an item, that an expression nests too deeply.
    pub(super) fn too_deep(&mut self, span: Span) -> (Ir, Type) {
        let item = self.open.last().map(|(id, _)| *id);
        if std::mem::replace(&mut self.deep, item) == item {
            return (Ir::poison(span), Type::Error);
        }
        self.wrong(
            Diagnostic::error(
                codes::TOO_DEEP,
                format!("this is nested more than {} levels deep", super::DEPTH),
                span,
                "too deep",
            )
            .help("give a part of it a name with `let`"),
        )
    }
}

/// The nearest types to those of other languages.
fn type_habit(name: &str) -> Option<&'static str> {
    Some(match name {
        "Text" | "Str" | "Path" | "string" | "str" => "String",
        "Integer" | "Number" | "Nat" | "int" => "Int",
        "Boolean" | "bool" => "Bool",
        "Array" | "Vec" | "Seq" => "List",
        "Dict" | "Object" | "Attrs" => "Map",
        "Sha256" | "Hash" | "Checksum" => "Digest",
        "Time" | "DateTime" | "Timestamp" => "Instant",
        "Environment" => "Env",
        "Source" | "Tarball" => "Input",
        _ => return None,
    })
}
