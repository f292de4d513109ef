//! Literals, texts, lists and records.

use std::sync::Arc;

use super::index::{Definition, Inner};
use super::mismatch::{Role, article};
use super::{Checker, TYPE_PARTS, names};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind};
use crate::loader;
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast::{Entry, Expr, ExprKind, Literal, Part};
use crate::types::{EnumType, Field, Plain, RecordType, Type};
use crate::value::Value;

impl<'p> Checker<'p> {
    pub(super) fn literal(&mut self, literal: &'p Literal, span: Span) -> (Ir, Type) {
        let (value, plain) = match literal {
            Literal::Int(value) => (Value::Int(*value), Plain::Int),
            Literal::Bool(value) => (Value::Bool(*value), Plain::Bool),
            Literal::None => return (Ir::new(span, Kind::Const(Value::None)), Type::Unknown.option()),
            Literal::Digest(digest) => {
                if digest.is_zero() {
                    self.zero(span, "digest", "`sha256sum FILE` prints it");
                }
                (Value::Digest(digest.clone()), Plain::Digest)
            }
            Literal::Commit(commit) => {
                if commit.bytes().all(|digit| digit == b'0') {
                    self.zero(span, "commit", "`git rev-parse HEAD` prints it");
                }
                (Value::Commit(commit.clone()), Plain::Commit)
            }
            Literal::Instant(value) => (Value::Instant(*value), Plain::Instant),
            Literal::Date(value) => (Value::Date(*value), Plain::Date),
            Literal::Duration(value) => (Value::Duration(*value), Plain::Duration),
            Literal::Size(value) => (Value::Size(*value), Plain::Size),
            Literal::Percent(value) => (Value::Percent(*value), Plain::Percent),
            Literal::Path(written) => return self.path(written, span),
        };
        (Ir::new(span, Kind::Const(value)), plain.into())
    }

    fn zero(&mut self, span: Span, what: &str, how: &str) {
        self.report(
            Diagnostic::error(
                codes::UNPINNED,
                format!("this {what} is all zeros: it pins nothing"),
                span,
                "stands for one that isn't known yet",
            )
            .help(format!("write the real one; {how}")),
        );
    }

    fn path(&mut self, written: &str, span: Span) -> (Ir, Type) {
        let module = &self.project.modules[self.module.index()];
        match loader::join(&module.path, written) {
            Ok(path) => {
                let package = self.project.package_of(module).map(|package| package.tree);
                let place = loader::Place { package, path: Arc::from(path) };
                (Ir::new(span, Kind::Path(Box::new(place))), Plain::Input.into())
            }
            Err(error) => {
                self.report(match module.package {
                    Some(_) => error.in_package(written, span),
                    None => error.diagnostic(written, span),
                });
                (Ir::poison(span), Plain::Input.into())
            }
        }
    }

    /// A text without `@{…}` parts.
    pub(super) fn plain(&mut self, text: &Arc<str>, span: Span) -> (Ir, Type) {
        self.not_filled_in(span);
        (Ir::new(span, Kind::Const(Value::Text(text.clone()))), Plain::String.into())
    }

    /// A text with `@{…}` parts.
    pub(super) fn text(&mut self, parts: &'p [Part], span: Span) -> (Ir, Type) {
        let ty = Type::from(Plain::String);
        self.not_filled_in(span);
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.push(match part {
                Part::Text(text) => Ir::new(span, Kind::Const(Value::Text(text.clone()))),
                Part::Expr(expr) => self.textual(expr, "a text"),
            });
        }
        (Ir::new(span, Kind::Text(pieces)), ty)
    }

    /// An expression whose value has a text.
    pub(super) fn textual(&mut self, expr: &'p Expr, place: &str) -> Ir {
        let (ir, ty) = self.expr(expr, &Type::Unknown);
        if ty.is_text() {
            return ir;
        }
        let help = match &ty {
            Type::Option(inner) if inner.is_text() => "it may be `none`; say what then: `default(…, …)`",
            Type::Plain(Plain::Input | Plain::File | Plain::Files) => {
                "a script finds an input or output by the variable of its name: `\"$name\"`"
            }
            Type::List(_) | Type::Members(_) => "put its elements together: `join(list, \" \")`",
            _ => "texts, numbers, digests, commits, instants and values of enums have one",
        };
        let message = format!("{} can't be written into {place}", article(&ty));
        self.wrong(Diagnostic::error(codes::TYPE, message, expr.span, "has no text").help(help)).0
    }

    pub(super) fn list(&mut self, items: &'p [Expr], span: Span, want: &Type) -> (Ir, Type) {
        let wanted = match want.required() {
            Type::List(inner) => (**inner).clone(),
            _ => Type::Unknown,
        };
        if !matches!(wanted, Type::Unknown) {
            // The list as a whole is converted by whoever wants it; elements that don't fit are named one by one.
            let role = Role::Part("each element of this list");
            let list = items.iter().map(|item| self.expect(item, &wanted, &role)).collect();
            return (Ir::new(span, Kind::List(list)), wanted.list());
        }
        let guessed = self.guess_enum(items);
        let want = guessed.map_or(Type::Unknown, Type::Enum);
        let mut joined = Type::Unknown;
        let mut first = span;
        let mut list: Vec<(Ir, Type)> = Vec::with_capacity(items.len());
        for item in items {
            let (ir, ty) = self.expr(item, &want);
            // Most lists repeat one type: then it is held once, and nothing has to be converted.
            if joined.is_same(&ty) {
                list.push((ir, joined.clone()));
                continue;
            }
            match joined.join(&ty) {
                Some(both) => {
                    if matches!(joined, Type::Unknown) {
                        first = item.span;
                    }
                    joined = both;
                }
                None => {
                    let role = Role::Like { what: "the elements of a list", first };
                    self.mismatch(item.span, &ty, &joined, &role);
                }
            }
            list.push((ir, ty));
        }
        let role = Role::Like { what: "the elements of a list", first };
        let list = list
            .into_iter()
            .map(|(ir, ty)| {
                if ty.convert(&joined).is_some() {
                    self.coerce(ir, &ty, &joined, &role)
                } else {
                    Ir::poison(ir.span)
                }
            })
            .collect();
        (Ir::new(span, Kind::List(list)), joined.list())
    }

    /// The only enum in scope that has all of these names, none of which means anything else.
    fn guess_enum(&mut self, items: &'p [Expr]) -> Option<Arc<EnumType>> {
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            match &item.kind {
                ExprKind::Name(name) if !self.is_known(name) => names.push(name),
                _ => return None,
            }
        }
        if names.is_empty() {
            return None;
        }
        let mut fitting = self
            .enums_in_scope()
            .into_iter()
            .filter(|of| names.iter().all(|name| of.variants.iter().any(|variant| variant == *name)));
        let found = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }

    pub(super) fn record(&mut self, entries: &'p [Entry], span: Span, want: &Type) -> (Ir, Type) {
        match want.required() {
            Type::Record(record) => {
                let record = record.clone();
                self.record_as(entries, span, &record)
            }
            Type::Map(key, value) => {
                let (key, value) = (key.clone(), value.clone());
                self.map(entries, span, &key, &value)
            }
            _ => {
                let mut fields: Vec<Field> = Vec::with_capacity(entries.len());
                let mut values = Vec::with_capacity(entries.len());
                for entry in entries {
                    let (ir, ty) = self.expr(&entry.value, &Type::Unknown);
                    let name = &entry.name;
                    match fields.iter().find(|field| field.name == name.node) {
                        Some(first) => {
                            let first = first.span;
                            self.field_twice(&name.node, name.span, first);
                        }
                        None => {
                            self.declares(Inner::Field, name.span, &ty);
                            fields.push(Field {
                                name: name.node.clone(),
                                ty,
                                default: None,
                                span: name.span,
                            });
                            values.push(ir);
                        }
                    }
                }
                let mut names = Vec::with_capacity(fields.len());
                names.extend(fields.iter().map(|field| self.shared(&field.name)));
                let record = RecordType::with_names(None, fields, names);
                if record.parts > TYPE_PARTS {
                    return self.type_too_large(span);
                }
                (Ir::new(span, Kind::record(record.shape.clone(), values)), Type::Record(Arc::new(record)))
            }
        }
    }

    /// A record literal where a record of a known type is wanted.
    fn record_as(&mut self, entries: &'p [Entry], span: Span, record: &Arc<RecordType>) -> (Ir, Type) {
        let ty = Type::Record(record.clone());
        let mut values: Vec<Option<(Ir, Span)>> = vec![None; record.fields.len()];
        let mut whole = true;
        for entry in entries {
            let name = &entry.name;
            self.offer_entries(name.span, record);
            let Some(index) = record.index(&name.node) else {
                self.expr(&entry.value, &Type::Unknown);
                self.unknown_field(&ty, record, &name.node, name.span);
                whole = false;
                continue;
            };
            if let Some((_, first)) = &values[index] {
                let first = *first;
                self.field_twice(&name.node, name.span, first);
                continue;
            }
            let field = &record.fields[index];
            self.refers(name.span, Definition::Inner(Inner::Field, field.span), &field.ty);
            let ir =
                self.expect(&entry.value, &field.ty, &Role::Declared { name: &field.name, at: field.span });
            values[index] = Some((ir, name.span));
        }
        let mut missing = Vec::new();
        let mut filled = Vec::with_capacity(values.len());
        for (field, value) in record.fields.iter().zip(values) {
            filled.push(match (value, &field.default, &field.ty) {
                (Some((ir, _)), ..) => ir,
                (None, Some(default), _) => Ir::new(span, Kind::Closed(default.clone())),
                (None, None, Type::Option(_)) => Ir::new(span, Kind::Const(Value::None)),
                (None, None, _) => {
                    missing.push(field);
                    Ir::poison(span)
                }
            });
        }
        if !missing.is_empty() {
            let names = listed(missing.iter().map(|field| field.name.as_str()));
            let shown: Vec<String> = missing.iter().map(|field| format!("{} = …", field.name)).collect();
            let wrong = Diagnostic::error(
                codes::TYPE,
                format!("{names} of `{ty}` is missing"),
                span,
                "not all of it",
            )
            .label(missing[0].span, "declared here")
            .help(format!("add `{}`", shown.join(", ")));
            self.report(self.add_entries(wrong, entries, span, &shown));
        }
        match whole {
            true => (Ir::new(span, Kind::record(record.shape.clone(), filled)), ty),
            false => (Ir::poison(span), ty),
        }
    }

    /// Adds the edit that writes further entries behind those of a record.
    fn add_entries(&self, wrong: Diagnostic, entries: &[Entry], span: Span, shown: &[String]) -> Diagnostic {
        let title = format!("add `{}`", shown.join(", "));
        match entries.last() {
            Some(last) => {
                let behind = Span { start: last.value.span.end, end: last.value.span.end, ..span };
                wrong.fix(title, behind, format!(", {}", shown.join(", ")))
            }
            None => wrong.fix(title, span, format!("{{ {} }}", shown.join(", "))),
        }
    }

    /// Reports a field that a record doesn't have.
    pub(super) fn unknown_field(&mut self, ty: &Type, record: &RecordType, name: &str, span: Span) {
        let names = || record.fields.iter().map(|field| field.name.as_str());
        let near = nearest(name, names());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its fields are {}", listed(names())),
        };
        let message = match &record.name {
            Some(_) => format!("`{ty}` has no field `{name}`"),
            None => format!("this record has no field `{name}`"),
        };
        let wrong = Diagnostic::error(codes::UNKNOWN, message, span, "not a field of it");
        self.report(wrong.help(help).change(span, near));
    }

    fn map(&mut self, entries: &'p [Entry], span: Span, key: &Arc<Type>, value: &Arc<Type>) -> (Ir, Type) {
        let mut pairs: Vec<(Ir, Ir)> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let name = &entry.name;
            if let Some(first) = entries[..index].iter().find(|first| first.name.node == name.node) {
                self.field_twice(&name.node, name.span, first.name.span);
                continue;
            }
            let key = match &**key {
                Type::Enum(of) => match names::variant(of, &name.node, name.span) {
                    Some((ir, _)) => {
                        self.refers_to_variant(of, &name.node, name.span);
                        ir
                    }
                    None => self.unknown(&name.node, name.span, key).0,
                },
                _ => Ir::new(name.span, Kind::Const(Value::text(&name.node))),
            };
            let value = self.expect(&entry.value, value, &Role::Field { name: &name.node });
            pairs.push((key, value));
        }
        (Ir::new(span, Kind::Map(pairs)), Type::Map(key.clone(), value.clone()))
    }
}
