//! Expressions: fields, indexes, `if`, `with` and comprehensions, and which part of the checker the others are for.

use std::sync::Arc;

use super::index::{Definition, Inner};
use super::mismatch::{Role, article};
use super::{Binding, Checker};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind, Loop};
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast::{Axis, Comprehension, Entry, Expr, ExprKind, Ident};
use crate::types::{MatrixType, Outputs, Plain, Type};

impl<'p> Checker<'p> {
    /// Checks an expression. `want` is what is expected, as far as something is: it decides the meaning of bare
    /// variants and of literals, and is not enforced here.
    pub(super) fn expr(&mut self, expr: &'p Expr, want: &Type) -> (Ir, Type) {
        if self.depth >= super::DEPTH {
            return self.too_deep(expr.span);
        }
        self.depth += 1;
        let span = expr.span;
        let checked = match &expr.kind {
            ExprKind::Name(name) => self.name(name, span, want),
            ExprKind::Literal(literal) => self.literal(literal, span),
            ExprKind::Plain(text) => self.plain(text, span),
            ExprKind::Text(parts) => self.text(parts, span),
            ExprKind::List(items) => self.list(items, span, want),
            ExprKind::Comprehension(of) => self.comprehension(of, span, want),
            ExprKind::Record(entries) => self.record(entries, span, want),
            ExprKind::Field(of) => self.field(&of.0, &of.1, span),
            ExprKind::Star(base) => self.star(base, span),
            ExprKind::Index(base, keys) => self.index(base, keys, span),
            ExprKind::Call { callee, args } => self.call(callee, args, span),
            ExprKind::With(base, entries) => self.with(base, entries, span, want),
            ExprKind::If(condition, yes, no) => self.choice(condition, yes, no, span, want),
            ExprKind::Unary(op, operand) => self.unary(*op, operand, span),
            ExprKind::Binary(op, both) => self.binary(op, &both.0, &both.1, span, want),
            ExprKind::Error => (Ir::poison(span), Type::Error),
        };
        self.depth -= 1;
        checked
    }

    fn field(&mut self, base: &'p Expr, field: &'p Ident, span: Span) -> (Ir, Type) {
        let named = match &base.kind {
            ExprKind::Name(name) if self.local(name).is_none() => {
                self.scopes[self.module.index()].get(name.as_str()).copied()
            }
            _ => None,
        };
        let (ir, ty) = match named {
            Some(Binding::Module(..) | Binding::Broken) => {
                let Some(Some((module, of))) = self.module_of(base) else {
                    return (Ir::poison(span), Type::Error);
                };
                self.offer_module(field.span, module, false);
                return match self.member(module, of, field) {
                    Some(id) => self.item_value(id, span),
                    None => (Ir::poison(span), Type::Error),
                };
            }
            // What most are, without looking the name up again.
            Some(Binding::Item(id)) if self.depth < super::DEPTH => {
                self.offer_values(base.span, &Type::Unknown);
                self.refers(base.span, Definition::Item(id), &Type::Unknown);
                self.depth += 1;
                let value = self.item_value(id, base.span);
                self.depth -= 1;
                value
            }
            _ => self.expr(base, &Type::Unknown),
        };
        self.offer_members(field.span, &ty);
        self.field_of(ir, &ty, field, span, base)
    }

    /// The module that an expression names, if it does: `Some(None)` for one that couldn't be loaded.
    #[expect(clippy::option_option, reason = "not a module, a broken one, a module")]
    pub(super) fn module_of(&mut self, base: &'p Expr) -> Option<Option<(crate::loader::ModuleId, &'p str)>> {
        let ExprKind::Name(name) = &base.kind else { return None };
        if self.local(name).is_some() {
            return None;
        }
        match self.scopes[self.module.index()].get(name.as_str()).copied() {
            Some(Binding::Module(module, at)) => {
                self.mark_used(at);
                self.refers(base.span, Definition::Module(module), &Type::Unknown);
                Some(Some((module, name)))
            }
            Some(Binding::Broken) => Some(None),
            _ => None,
        }
    }

    /// A field of something checked already.
    fn field_of(&mut self, ir: Ir, ty: &Type, field: &'p Ident, span: Span, base: &'p Expr) -> (Ir, Type) {
        match ty {
            Type::Error => (Ir::poison(span), Type::Error),
            Type::Record(record) => match record.index(&field.node) {
                Some(index) => {
                    let known = &record.fields[index];
                    self.refers(field.span, Definition::Inner(Inner::Field, known.span), &known.ty);
                    (Ir::new(span, Kind::Field(Box::new(ir), index as u32)), record.fields[index].ty.clone())
                }
                None => {
                    self.unknown_field(ty, record, &field.node, field.span);
                    (Ir::poison(span), Type::Error)
                }
            },
            Type::Build(Some(outputs)) => self.output(ir, outputs, field, span),
            Type::Members(member) => {
                let slot = Ir::new(span, Kind::Local(self.locals.len() as u32));
                let of_each = self.with_locals([("", field.span, (**member).clone())], |checker| {
                    checker.field_of(slot, member, field, span, base)
                });
                match of_each {
                    (_, Type::Error) => (Ir::poison(span), Type::Error),
                    (body, ty) => {
                        (Ir::new(span, Kind::Each(Box::new(ir), Box::new(body))), Type::Members(Arc::new(ty)))
                    }
                }
            }
            _ => self.no_field(ty, field, base),
        }
    }

    fn output(&mut self, ir: Ir, outputs: &Arc<Outputs>, field: &Ident, span: Span) -> (Ir, Type) {
        if let Some((kind, place)) = outputs.outputs.get(field.node.as_str()) {
            self.refers(field.span, Definition::Inner(Inner::Output, *place), &kind.ty());
            let name = self.shared(&field.node);
            return (Ir::new(span, Kind::Output(Box::new(ir), name)), kind.ty());
        }
        let names = || outputs.outputs.keys().map(String::as_str);
        let near = nearest(&field.node, names());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it declares {}", listed(names())),
        };
        let message = format!("`{}` declares no output `{}`", outputs.recipe, field.node);
        let mut wrong = Diagnostic::error(codes::UNDECLARED, message, field.span, "not one of its outputs")
            .help(help)
            .change(field.span, near);
        if let Some((_, (_, place))) = outputs.outputs.first()
            && !self.project.in_std(*place)
        {
            wrong = wrong.label(*place, "its outputs are declared here");
        }
        self.wrong(wrong)
    }

    fn no_field(&mut self, ty: &Type, field: &Ident, base: &Expr) -> (Ir, Type) {
        let written = self.project.sources.slice(base.span);
        let base = if written.len() < 40 { written } else { "…" };
        let name = &field.node;
        let help = match ty {
            Type::Matrix(_) => format!("`{base}.*.{name}` has that of every cell, `{base}[key].{name}` of one"),
            Type::List(_) => format!("`{base}.*.{name}` has that of every element"),
            Type::Map(..) => format!("the value of a key is `{base}[\"{name}\"]`"),
            Type::Option(_) => format!("it may be `none`; say what it is then: `default({base}, …).{name}`"),
            Type::Build(None) => {
                "which recipe makes it isn't known here: take the output itself as a parameter of type `File` or \
                 `Files`"
                    .to_owned()
            }
            Type::Plain(Plain::Archive) => {
                format!("an archive has {}", listed(super::signature::ARCHIVE_METHODS.map(|m| m)))
            }
            _ => "only records, builds and modules have fields".to_owned(),
        };
        self.wrong(
            Diagnostic::error(
                codes::UNKNOWN,
                format!("{} has no field `{name}`", article(ty)),
                field.span,
                "not there",
            )
            .help(help),
        )
    }

    fn star(&mut self, base: &'p Expr, span: Span) -> (Ir, Type) {
        let (ir, ty) = self.expr(base, &Type::Unknown);
        let member = match &ty {
            Type::Error => return (Ir::poison(span), Type::Error),
            Type::Matrix(matrix) => Type::Build(matrix.outputs.clone()),
            Type::List(element) | Type::Members(element) => (**element).clone(),
            Type::Map(_, value) => (**value).clone(),
            _ => {
                let help = match ty {
                    Type::Build(_) => "a single build has no cells: name its output directly",
                    _ => "matrices, lists and maps have members",
                };
                return self.wrong(
                    Diagnostic::error(
                        codes::TYPE,
                        format!("{} has no members", article(&ty)),
                        span,
                        "`.*` of it",
                    )
                    .help(help),
                );
            }
        };
        (Ir::new(span, Kind::Star(Box::new(ir))), Type::Members(Arc::new(member)))
    }

    fn index(&mut self, base: &'p Expr, keys: &'p [Option<Expr>], span: Span) -> (Ir, Type) {
        let (ir, ty) = self.expr(base, &Type::Unknown);
        let (wants, result) = match &ty {
            Type::Error => {
                for key in keys.iter().flatten() {
                    if !matches!(key.kind, ExprKind::Name(_)) {
                        self.expr(key, &Type::Unknown);
                    }
                }
                return (Ir::poison(span), Type::Error);
            }
            Type::Matrix(matrix) => {
                let sliced: Vec<Type> = matrix
                    .axes
                    .iter()
                    .zip(keys)
                    .filter(|(_, key)| key.is_none())
                    .map(|(axis, _)| axis.clone())
                    .collect();
                let result = match sliced.is_empty() {
                    true => Type::Build(matrix.outputs.clone()),
                    false => {
                        Type::Matrix(Arc::new(MatrixType { axes: sliced, outputs: matrix.outputs.clone() }))
                    }
                };
                (matrix.axes.clone(), result)
            }
            Type::List(element) | Type::Members(element) => (vec![Plain::Int.into()], (**element).clone()),
            Type::Map(key, value) => (vec![(**key).clone()], (**value).clone()),
            _ => {
                let help = match ty {
                    Type::Build(_) => "a single build has no cells",
                    _ => "matrices, lists and maps do",
                };
                return self.wrong(
                    Diagnostic::error(
                        codes::TYPE,
                        format!("{} has no keys", article(&ty)),
                        base.span,
                        "indexed",
                    )
                    .help(help),
                );
            }
        };
        if keys.len() != wants.len() {
            let axes: Vec<String> = wants.iter().map(Type::to_string).collect();
            let message = format!("{} key(s) where {} are wanted", keys.len(), wants.len());
            return self.wrong(
                Diagnostic::error(codes::ARGUMENTS, message, span, "not one a dimension")
                    .help(format!("its keys are of type `{}`; `_` takes all of one", axes.join("`, `"))),
            );
        }
        let matrix = matches!(ty, Type::Matrix(_));
        let mut checked = Vec::with_capacity(keys.len());
        for (key, want) in keys.iter().zip(&wants) {
            checked.push(match key {
                Some(key) => Some(self.expect(key, want, &Role::Part("this key"))),
                None if matrix => None,
                None => {
                    let wrong =
                        Diagnostic::error(codes::TYPE, "`_` takes a slice of a matrix", span, "not a matrix");
                    return self.wrong(wrong.help("`.*` has all members of a list or map"));
                }
            });
        }
        (Ir::new(span, Kind::Index(Box::new(ir), checked.into())), result)
    }

    fn with(&mut self, base: &'p Expr, entries: &'p [Entry], span: Span, want: &Type) -> (Ir, Type) {
        let (ir, ty) = self.expr(base, want);
        let Type::Record(record) = &ty else {
            for entry in entries {
                self.expr(&entry.value, &Type::Unknown);
            }
            if ty.is_broken() {
                return (Ir::poison(span), Type::Error);
            }
            let message = format!("`with` changes fields of a record, this is {}", article(&ty));
            return self.wrong(
                Diagnostic::error(codes::TYPE, message, base.span, "not a record")
                    .help("make a function of it, with a parameter for what varies"),
            );
        };
        let mut changed: Vec<(u32, Ir)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let name = &entry.name;
            self.offer_entries(name.span, record);
            let Some(index) = record.index(&name.node) else {
                self.expr(&entry.value, &Type::Unknown);
                self.unknown_field(&ty, record, &name.node, name.span);
                continue;
            };
            let known = &record.fields[index];
            self.refers(name.span, Definition::Inner(Inner::Field, known.span), &known.ty);
            if let Some(first) = entries.iter().find(|first| first.name.node == name.node)
                && first.name.span != name.span
            {
                self.field_twice(&name.node, name.span, first.name.span);
                continue;
            }
            let field = &record.fields[index];
            let role = Role::Declared { name: &field.name, at: field.span };
            changed.push((index as u32, self.expect(&entry.value, &field.ty, &role)));
        }
        (Ir::new(span, Kind::With(Box::new(ir), changed.into())), ty)
    }

    fn choice(
        &mut self,
        condition: &'p Expr,
        yes: &'p Expr,
        no: &'p Expr,
        span: Span,
        want: &Type,
    ) -> (Ir, Type) {
        let condition = self.expect(condition, &Plain::Bool.into(), &Role::Part("the condition of an `if`"));
        let (first, first_type) = self.expr(yes, want);
        let want = if matches!(want, Type::Unknown) { &first_type } else { want };
        let (second, second_type) = self.expr(no, want);
        let role = Role::Like { what: "both arms of an `if`", first: yes.span };
        let Some(ty) = first_type.join(&second_type) else {
            self.mismatch(no.span, &second_type, &first_type, &role);
            return (Ir::poison(span), Type::Error);
        };
        let first = self.coerce(first, &first_type, &ty, &role);
        let second = self.coerce(second, &second_type, &ty, &role);
        (Ir::new(span, Kind::If(Box::new(condition), Box::new(first), Box::new(second))), ty)
    }

    fn comprehension(&mut self, of: &'p Comprehension, span: Span, want: &Type) -> (Ir, Type) {
        let want = match want.required() {
            Type::List(inner) => (**inner).clone(),
            _ => Type::Unknown,
        };
        let before = self.locals.len();
        let over = of.axes.iter().map(|axis| self.axis(axis)).collect();
        let filter = of.filter.as_ref().map(|filter| self.condition(filter));
        let (body, ty) = self.expr(&of.body, &want);
        self.locals.truncate(before);
        (Ir::new(span, Kind::Comprehension(Box::new(Loop { over, filter, body }))), ty.list())
    }

    /// What follows `if` in a comprehension or matrix.
    pub(super) fn condition(&mut self, filter: &'p Expr) -> Ir {
        self.expect(filter, &Plain::Bool.into(), &Role::Part("what follows `if`"))
    }

    /// One `x in xs`; its variable is known from here on.
    pub(super) fn axis(&mut self, axis: &'p Axis) -> Ir {
        let (ir, ty) = self.expr(&axis.over, &Type::Unknown);
        let element = match &ty {
            Type::Error => Type::Error,
            Type::List(element) | Type::Members(element) => (**element).clone(),
            other => {
                let help = match other {
                    Type::Matrix(_) => "its cells are `….*`",
                    Type::Map(..) => "its values are `….*`",
                    _ => "a list is written `[a, b]`",
                };
                let message = format!("`for` runs over a list, this is {}", article(other));
                let wrong = Diagnostic::error(codes::TYPE, message, axis.over.span, "not a list").help(help);
                self.wrong(wrong).1
            }
        };
        self.declares(Inner::Variable, axis.name.span, &element);
        self.locals.push(super::Local {
            name: &axis.name.node,
            inner: Inner::Variable,
            span: axis.name.span,
            ty: element,
        });
        ir
    }
}
