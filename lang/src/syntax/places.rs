//! Trees without places: what two files mean, whatever their layout is. Knows every shape of the tree and nothing else.

use super::ast::{
    Axis, Entry, Expr, ExprKind, FieldType, File, Ident, ItemKind, Param, Part, TypeBody, TypeExpr,
    TypeExprKind, UseTarget,
};
use crate::span::{FileId, Span};

/// The place that every node gets.
const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

/// Takes the places out of a tree: two files that mean the same are then equal.
pub fn forget(file: &mut File) {
    if let Some(edition) = &mut file.edition {
        edition.span = NOWHERE;
    }
    for item in &mut file.items {
        item.span = NOWHERE;
        kind(&mut item.kind);
    }
}

fn kind(kind: &mut ItemKind) {
    match kind {
        ItemKind::Use { target, alias } => {
            match target {
                UseTarget::Module(names) => names.iter_mut().for_each(ident),
                UseTarget::File(path) => ident(path),
            }
            alias.iter_mut().for_each(ident);
        }
        ItemKind::Type { name, body } => {
            ident(name);
            match body {
                TypeBody::Enum(variants) => variants.iter_mut().for_each(ident),
                TypeBody::Record(list) => fields(list),
                TypeBody::Alias(of) => ty(of),
            }
        }
        ItemKind::Let { name, ty: of, value } => {
            ident(name);
            of.iter_mut().for_each(|of| ty(of));
            expr(value);
        }
        ItemKind::Fn { name, params: list, result, body } => {
            ident(name);
            params(list);
            ty(result);
            expr(body);
        }
        ItemKind::Recipe { name, params: list, body } => {
            ident(name);
            params(list);
            entries(body);
        }
        ItemKind::Build { name, axes: list, filter, value } => {
            ident(name);
            axes(list);
            filter.iter_mut().for_each(|filter| expr(filter));
            expr(value);
        }
        ItemKind::Input { name, value }
        | ItemKind::Env { name, value }
        | ItemKind::Assert { name, value }
        | ItemKind::Test { name, value } => {
            ident(name);
            expr(value);
        }
    }
}

fn ident(name: &mut Ident) {
    name.span = NOWHERE;
}

fn fields(list: &mut [FieldType]) {
    for field in list {
        ident(&mut field.name);
        ty(&mut field.ty);
        field.default.iter_mut().for_each(expr);
    }
}

fn params(list: &mut [Param]) {
    for param in list {
        ident(&mut param.name);
        ty(&mut param.ty);
        param.default.iter_mut().for_each(expr);
    }
}

fn ty(of: &mut TypeExpr) {
    of.span = NOWHERE;
    match &mut of.kind {
        TypeExprKind::Name(names) => names.iter_mut().for_each(ident),
        TypeExprKind::List(inner) | TypeExprKind::Option(inner) => ty(inner),
        TypeExprKind::Map(key, value) => {
            ty(key);
            ty(value);
        }
        TypeExprKind::Record(list) => fields(list),
        TypeExprKind::Error => {}
    }
}

fn axes(list: &mut [Axis]) {
    for axis in list {
        ident(&mut axis.name);
        expr(&mut axis.over);
    }
}

fn entries(list: &mut [Entry]) {
    for entry in list {
        ident(&mut entry.name);
        expr(&mut entry.value);
    }
}

fn expr(of: &mut Expr) {
    of.span = NOWHERE;
    match &mut of.kind {
        ExprKind::Name(_) | ExprKind::Literal(_) | ExprKind::Plain(_) | ExprKind::Error => {}
        ExprKind::Text(parts) => {
            for part in parts {
                if let Part::Expr(inner) = part {
                    expr(inner);
                }
            }
        }
        ExprKind::List(list) => list.iter_mut().for_each(expr),
        ExprKind::Comprehension(of) => {
            axes(&mut of.axes);
            of.filter.iter_mut().for_each(expr);
            expr(&mut of.body);
        }
        ExprKind::Record(list) => entries(list),
        ExprKind::Field(of) => {
            expr(&mut of.0);
            ident(&mut of.1);
        }
        ExprKind::Star(of) | ExprKind::Unary(_, of) => expr(of),
        ExprKind::Index(of, keys) => {
            expr(of);
            keys.iter_mut().flatten().for_each(expr);
        }
        ExprKind::Call { callee, args } => {
            expr(callee);
            for arg in args {
                arg.name.iter_mut().for_each(|name| ident(name));
                expr(&mut arg.value);
            }
        }
        ExprKind::With(of, list) => {
            expr(of);
            entries(list);
        }
        ExprKind::If(condition, yes, no) => {
            expr(condition);
            expr(yes);
            expr(no);
        }
        ExprKind::Binary(operator, both) => {
            operator.span = NOWHERE;
            expr(&mut both.0);
            expr(&mut both.1);
        }
    }
}
