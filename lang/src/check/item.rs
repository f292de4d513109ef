//! Items: each of the ten kinds, checked as a whole.

use std::sync::Arc;

use super::index::{Definition, Inner};
use super::mismatch::Role;
use super::signature::{Param, Signature};
use super::{Body, Checker, Meaning};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::Ir;
use crate::span::Span;
use crate::syntax::ast::{self, ItemKind, UseTarget};
use crate::types::{Plain, Type};

/// The name of an item and its place. Of a `use`, the name that it binds.
pub(super) fn name(item: &ast::Item) -> (&str, Span) {
    let ident = match &item.kind {
        ItemKind::Use { alias: Some(alias), .. } => alias,
        ItemKind::Use { target: UseTarget::Module(path), .. } => match path.last() {
            Some(last) => last,
            None => return ("", item.span),
        },
        ItemKind::Use { target: UseTarget::File(path), .. } => return (stem(&path.node), path.span),
        ItemKind::Type { name, .. }
        | ItemKind::Let { name, .. }
        | ItemKind::Fn { name, .. }
        | ItemKind::Input { name, .. }
        | ItemKind::Env { name, .. }
        | ItemKind::Recipe { name, .. }
        | ItemKind::Build { name, .. }
        | ItemKind::Assert { name, .. }
        | ItemKind::Test { name, .. } => name,
    };
    (&ident.node, ident.span)
}

/// `common` of `./lib/common.rbld`.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".rbld").unwrap_or(file)
}

/// Whether a name can be written in an expression.
fn is_identifier(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first == b'_' || first.is_ascii_lowercase())
        && letters.all(|letter| letter == b'_' || letter.is_ascii_alphanumeric())
}

/// What is called and given, of a test's `unchanged(…)`.
fn unchanged(value: &ast::Expr) -> Option<(&ast::Expr, &[ast::Arg])> {
    match &value.kind {
        ast::ExprKind::Call { callee, args } => match &callee.kind {
            ast::ExprKind::Name(name) if name == "unchanged" => Some((&**callee, &**args)),
            _ => None,
        },
        _ => None,
    }
}

impl<'p> Checker<'p> {
    /// Checks one item.
    pub(super) fn item(&mut self, item: &'p ast::Item) -> (Meaning, Body) {
        match &item.kind {
            ItemKind::Use { target, alias } => {
                self.use_item(target, alias.is_some());
                (Meaning::Broken, Body::Nothing)
            }
            ItemKind::Type { name, body } => (Meaning::Type(self.declared_type(name, body)), Body::Nothing),
            ItemKind::Let { name, ty, value } => {
                let (ir, ty) = match ty {
                    Some(written) => {
                        let ty = self.annotation(written);
                        let role = Role::Declared { name: &name.node, at: written.span };
                        self.expect_refined(value, &ty, &role)
                    }
                    None => self.expr(value, &Type::Unknown),
                };
                (Meaning::Value(ty), Body::Let(ir))
            }
            ItemKind::Fn { name, params, result, body } => self.function(name, params, result, body),
            ItemKind::Input { name, value } => {
                let ir =
                    self.expect(value, &Plain::Input.into(), &Role::Item { kind: "input", name: &name.node });
                (Meaning::Value(Plain::Input.into()), Body::Input(ir))
            }
            ItemKind::Env { name, value } => {
                let ir =
                    self.expect(value, &Plain::Env.into(), &Role::Item { kind: "env", name: &name.node });
                (Meaning::Value(Plain::Env.into()), Body::Env(ir))
            }
            ItemKind::Recipe { name, params, body } => self.recipe(name, params, body),
            ItemKind::Build { name, axes, filter, value } => self.build(name, axes, filter.as_deref(), value),
            ItemKind::Assert { name, value } => {
                let body = self.assertion(name, value, item.span);
                (Meaning::Broken, body.map_or(Body::Nothing, |body| Body::Assert(Box::new(body))))
            }
            ItemKind::Test { value, .. } if unchanged(value).is_some() => {
                (Meaning::Broken, self.unchanged(value).map_or(Body::Nothing, Body::Unchanged))
            }
            ItemKind::Test { value, name } => {
                let ir =
                    self.expect(value, &Plain::Bool.into(), &Role::Item { kind: "test", name: &name.node });
                (Meaning::Broken, Body::Test(ir))
            }
        }
    }

    /// The argument of an `unchanged(…)`.
    fn unchanged(&mut self, value: &'p ast::Expr) -> Option<Ir> {
        let (callee, args) = unchanged(value)?;
        self.refers(callee.span, Definition::Builtin, &Type::Unknown);
        match args {
            [ast::Arg { name: None, value }] => Some(self.expr(value, &Type::Unknown).0),
            _ => {
                self.report(
                    Diagnostic::error(
                        codes::ARGUMENTS,
                        "`unchanged` takes the one value that is to stay as it was kept",
                        value.span,
                        format!("{} argument(s)", args.len()),
                    )
                    .help(
                        "`test \"…\" unchanged(value)`; several values go into a list: `unchanged([a, b])`",
                    ),
                );
                for arg in args {
                    self.expr(&arg.value, &Type::Unknown);
                }
                None
            }
        }
    }

    fn use_item(&mut self, target: &'p UseTarget, aliased: bool) {
        if let UseTarget::File(path) = target
            && !aliased
            && !is_identifier(stem(&path.node))
        {
            let message = format!("`{}` isn't a name that can be written here", stem(&path.node));
            self.report(
                Diagnostic::error(codes::UNKNOWN, message, path.span, "not a name")
                    .help(format!("say what it is called: `use {} as name`", path.node)),
            );
        }
    }

    fn function(
        &mut self,
        name: &'p ast::Ident,
        params: &'p [ast::Param],
        result: &'p ast::TypeExpr,
        body: &'p ast::Expr,
    ) -> (Meaning, Body) {
        let params_checked = self.params(params);
        let declared = self.annotation(result);
        let locals: Vec<_> = params
            .iter()
            .zip(&params_checked)
            .map(|(param, known)| (param.name.node.as_str(), param.name.span, known.ty.clone()))
            .collect();
        let role = Role::Result { name: &name.node, at: result.span };
        let (ir, result) = self.with_locals(locals, |checker| checker.expect_refined(body, &declared, &role));
        let signature = Signature { name: name.node.to_string(), params: params_checked, result };
        (Meaning::Function(Arc::new(signature)), Body::Function(ir))
    }

    /// The parameters of a function or recipe.
    pub(super) fn params(&mut self, params: &'p [ast::Param]) -> Vec<Param> {
        let mut checked: Vec<Param> = Vec::with_capacity(params.len());
        for (index, param) in params.iter().enumerate() {
            let ty = self.annotation(&param.ty);
            self.declares(Inner::Parameter, param.name.span, &ty);
            let default =
                param.default.as_ref().map(|default| Arc::new(self.closed(default, &ty, &param.name)));
            let shown = param.default.as_ref().map_or("", |default| self.project.sources.slice(default.span));
            if let Some(first) = params[..index].iter().find(|first| first.name.node == param.name.node) {
                let first = first.name.span;
                self.field_twice(&param.name.node, param.name.span, first);
            }
            checked.push(Param {
                name: param.name.node.to_string(),
                ty,
                default,
                shown: shown.to_owned(),
                span: Some(param.name.span).filter(|span| !self.project.in_std(*span)),
                place: Some(param.name.span),
            });
        }
        checked
    }

    /// As [`Checker::expect`], and the type that is known better than what was declared: a `Build` with the outputs
    /// of the recipe that makes it.
    pub(super) fn expect_refined(
        &mut self,
        value: &'p ast::Expr,
        declared: &Type,
        role: &Role,
    ) -> (Ir, Type) {
        let (ir, found) = self.expr(value, declared);
        let ir = self.coerce(ir, &found, declared, role);
        let refined = match (declared, found) {
            (Type::Build(None), found @ Type::Build(Some(_))) => found,
            (Type::List(inner), Type::List(found) | Type::Members(found))
                if matches!((&**inner, &*found), (Type::Build(None), Type::Build(Some(_)))) =>
            {
                Type::List(found)
            }
            _ => declared.clone(),
        };
        (ir, refined)
    }
}
