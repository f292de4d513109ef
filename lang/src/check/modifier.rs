//! What an assertion is given beside its members: the modifiers that all forms share, and what `reproducible` and
//! `agreed` ask by.
//!
//! Their words mean themselves here, whatever items a file has: `compare = content("why")` in a file with an item `content`.

use super::comparison::{Vary, is_output};
use super::index::Definition;
use super::mismatch::{Role, article};
use super::{Binding, Checker, signature};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind};
use crate::plan::Equality;
use crate::syntax::ast::{Expr, ExprKind};
use crate::types::{Plain, Type};

impl<'p> Checker<'p> {
    /// A modifier that is made by one of some functions.
    pub(super) fn modifier(&mut self, arg: &'p Expr, makers: &[&str], want: Type, field: &str) -> Ir {
        if let ExprKind::Call { callee, args } = &arg.kind
            && let ExprKind::Name(name) = &callee.kind
            && makers.contains(&name.as_str())
        {
            self.offer_values(callee.span, &Type::Unknown);
            return self.call_builtin(name, callee, args, arg.span).0;
        }
        self.expect(arg, &want, &Role::Field { name: field })
    }

    /// What `compare` says; nothing for `bytes`.
    pub(super) fn relation(&mut self, arg: &'p Expr) -> Option<Ir> {
        let makers = Equality::ALL.map(Equality::name);
        let ExprKind::Name(name) = &arg.kind else {
            return Some(self.modifier(arg, &makers[1..], Type::Relation, "compare"));
        };
        let item = self.local(name).is_some()
            || matches!(self.scopes[self.module.index()].get(name.as_str()), Some(Binding::Item(_)));
        if item && !makers.contains(&name.as_str()) {
            return Some(self.expect(arg, &Type::Relation, &Role::Field { name: "compare" }));
        }
        let equality = Type::Enum(self.equality.clone());
        self.expect(arg, &equality, &Role::Field { name: "compare" });
        if signature::weaker(name).is_some() {
            let wrong = Diagnostic::error(
                codes::RELATION,
                format!("`compare = {name}` doesn't say why less than the same bytes is enough"),
                arg.span,
                "no reason",
            );
            let meant = format!("{name}(\"why\")");
            self.report(wrong.help(format!("write the reason, which every report shows: `{meant}`")));
        }
        None
    }

    /// The axes of a `reproducible`.
    pub(super) fn vary(&mut self, arg: &'p Expr) -> Vary {
        if let ExprKind::Name(name) = &arg.kind
            && self.local(name).is_none()
        {
            if self.asked(arg.span) {
                self.offer_all();
            }
            if name == "all" {
                self.refers(arg.span, Definition::Builtin, &Type::Unknown);
                return Vary::All;
            }
        }
        let axes = Type::Enum(self.axis.clone()).list();
        let ir = self.expect(arg, &axes, &Role::Field { name: "vary" });
        if matches!(&ir.kind, Kind::List(items) if items.is_empty()) {
            let wrong =
                Diagnostic::error(codes::ARGUMENTS, "`vary` names nothing to vary", arg.span, "empty");
            let help =
                "name axes, as in `[time, umask]`, or write `all`; leave `vary` out to build again as it is";
            self.report(wrong.help(help));
            return Vary::Some(Ir::poison(arg.span));
        }
        Vary::Some(ir)
    }

    /// The build of a `reproducible`, or one output of it.
    pub(super) fn one_build(&mut self, arg: &'p Expr) -> Option<Ir> {
        let (ir, ty) = self.expr(arg, &Type::Unknown);
        let written = self.project.sources.slice(arg.span);
        let short = if written.len() < 40 && !written.contains('\n') { written } else { "…" };
        let help = match &ty {
            Type::Error => return None,
            Type::Build(_) => return Some(ir),
            ty if is_output(ty) => return Some(ir),
            Type::Matrix(_) => {
                format!("one build is made several times: choose a cell, as in `{short}[key]`")
            }
            Type::List(_) | Type::Members(_) => {
                "one build is made several times: write an assertion for each".to_owned()
            }
            Type::Plain(Plain::Env) => {
                format!("environments aren't built anew: name a build in it, not `{short}`")
            }
            _ => "it is a build, `t[bookworm]`, or one of its outputs, `t[bookworm].dist`".to_owned(),
        };
        let message = format!("`build` of `reproducible` has to be a build, this is {}", article(&ty));
        self.report(Diagnostic::error(codes::TYPE, message, arg.span, article(&ty)).help(help));
        None
    }

    /// The witnesses of an `agreed`.
    pub(super) fn witnesses(&mut self, arg: &'p Expr) -> Ir {
        let ir = self.expect(arg, &Type::Witness.list(), &Role::Field { name: "of" });
        if matches!(&ir.kind, Kind::List(items) if items.is_empty()) {
            let wrong = Diagnostic::error(codes::ALONE, "`agreed` asks nobody", arg.span, "no witnesses");
            let help =
                "name witnesses: `signed(./alice/SHA256SUMS, keys = ./keys)`, or an output of another build";
            self.report(wrong.help(help));
            return Ir::poison(arg.span);
        }
        ir
    }
}
