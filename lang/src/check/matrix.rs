//! `build` items: single ones and matrices.

use std::sync::Arc;

use super::mismatch::{Role, article};
use super::{Body, Build, Checker, Meaning};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::Ir;
use crate::syntax::ast::{Axis, Expr, Ident};
use crate::types::{MatrixType, Type};

impl<'p> Checker<'p> {
    pub(super) fn build(
        &mut self,
        name: &'p Ident,
        axes: &'p [Axis],
        filter: Option<&'p Expr>,
        value: &'p Expr,
    ) -> (Meaning, Body) {
        let mut over = Vec::with_capacity(axes.len());
        let mut keys = Vec::with_capacity(axes.len());
        for axis in axes {
            over.push(self.axis(axis));
            let mut key = self.locals.last().map_or(Type::Error, |local| local.ty.clone());
            if !key.is_key() && !matches!(key, Type::Unknown) {
                let message = format!("{} can't be a key of a matrix", article(&key));
                self.report(
                    Diagnostic::error(codes::TYPE, message, axis.over.span, "not keys").help(
                        "keys are environments, inputs, archives, texts, numbers or values of an enum: run over a \
                         text that names it",
                    ),
                );
                key = Type::Error;
                if let Some(over) = over.last_mut() {
                    *over = Ir::poison(over.span);
                }
            }
            keys.push(key);
        }
        let filter = filter.map(|filter| self.condition(filter));
        let role = Role::Item { kind: "build", name: &name.node };
        let (value, ty) = self.expect_refined(value, &Type::Build(None), &role);
        self.locals.clear();
        let outputs = match ty {
            Type::Build(outputs) => outputs,
            _ => None,
        };
        let broken = outputs.is_none() && matches!(value.kind, crate::ir::Kind::Poison);
        let meaning = match (broken, axes.is_empty()) {
            (true, _) => Meaning::Broken,
            (false, true) => Meaning::Value(Type::Build(outputs.clone())),
            (false, false) => {
                Meaning::Value(Type::Matrix(Arc::new(MatrixType { axes: keys, outputs: outputs.clone() })))
            }
        };
        (meaning, Body::Build(Box::new(Build { axes: over, filter, value, outputs })))
    }
}
