//! Calls: of functions, recipes, builtins, methods and intrinsics.

use std::sync::Arc;

use super::filled::Texts;
use super::index::Definition;
use super::mismatch::{Role, article};
use super::signature::{self, Signature};
use super::{Binding, Checker, Meaning};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Builtin, Ir, ItemId, Kind};
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast::{Arg, Expr, ExprKind, Ident};
use crate::types::{Plain, Type};

/// The most rounds of `iterate`.
const ROUNDS: i64 = 1000;

impl<'p> Checker<'p> {
    pub(super) fn call(&mut self, callee: &'p Expr, args: &'p [Arg], span: Span) -> (Ir, Type) {
        if let ExprKind::Name(_) = callee.kind {
            self.offer_values(callee.span, &Type::Unknown);
        }
        match &callee.kind {
            ExprKind::Name(name) if self.local(name).is_some() => {
                let ty = self.local(name).map_or(Type::Error, |slot| self.locals[slot].ty.clone());
                self.not_callable(&ty, callee, args)
            }
            ExprKind::Name(name) => match self.scopes[self.module.index()].get(name.as_str()).copied() {
                Some(Binding::Item(id)) => {
                    self.refers(callee.span, Definition::Item(id), &Type::Unknown);
                    self.call_item(id, callee, args, span)
                }
                Some(Binding::Broken) => self.broken_call(args),
                Some(Binding::Module(..) | Binding::Core) => {
                    let poison = self.name(name, callee.span, &Type::Unknown);
                    self.visit(args);
                    poison
                }
                None => self.call_builtin(name, callee, args, span),
            },
            ExprKind::Field(of) => self.call_field(&of.0, &of.1, callee, args, span),
            _ => {
                let (_, ty) = self.expr(callee, &Type::Unknown);
                self.not_callable(&ty, callee, args)
            }
        }
    }

    fn call_field(
        &mut self,
        base: &'p Expr,
        field: &'p Ident,
        callee: &'p Expr,
        args: &'p [Arg],
        span: Span,
    ) -> (Ir, Type) {
        if let ExprKind::Name(name) = &base.kind
            && let Some(Binding::Core) = self.scopes[self.module.index()].get(name.as_str())
            && let Some((builtin, signature)) = signature::core(&field.node, &self.arch)
        {
            return self.apply_builtin(builtin, Vec::new(), &signature, args, span);
        }
        if let Some(module) = self.module_of(base) {
            if let Some((module, _)) = module {
                self.offer_module(field.span, module, false);
            }
            let found = module.and_then(|(module, of)| self.member(module, of, field));
            return match found {
                Some(id) => self.call_item(id, callee, args, span),
                None => self.broken_call(args),
            };
        }
        let (ir, ty) = self.expr(base, &Type::Unknown);
        self.offer_members(field.span, &ty);
        if let Type::Plain(Plain::Archive) = ty {
            let arch = self.arch.clone();
            if let Some((builtin, signature)) = signature::archive_method(&field.node, &arch) {
                self.refers(field.span, Definition::Builtin, &ty);
                return self.apply_builtin(builtin, vec![ir], &signature, args, span);
            }
            let names = signature::ARCHIVE_METHODS;
            let near = nearest(&field.node, names);
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("an archive has {}", listed(names)),
            };
            self.visit(args);
            let message = format!("an `Archive` has no method `{}`", field.node);
            return self.wrong(
                Diagnostic::error(codes::UNKNOWN, message, field.span, "not there")
                    .help(help)
                    .change(field.span, near),
            );
        }
        if ty.is_broken() {
            return self.broken_call(args);
        }
        self.visit(args);
        let message = format!("{} has no method `{}`", article(&ty), field.node);
        let help = if signature::BUILTINS.contains(&field.node.as_str()) {
            format!("it is a function: `{}(…)`", field.node)
        } else {
            "only archives have methods; functions are called as `f(x)`".to_owned()
        };
        self.wrong(Diagnostic::error(codes::UNKNOWN, message, field.span, "not there").help(help))
    }

    fn call_item(&mut self, id: ItemId, callee: &'p Expr, args: &'p [Arg], span: Span) -> (Ir, Type) {
        match self.require(id, Some(callee.span)) {
            Meaning::Function(signature) => {
                let args = self.arguments(&signature, args, span);
                (whole(span, args, |args| Kind::Call(id, args)), signature.result.clone())
            }
            Meaning::Recipe(signature) => {
                let args = self.arguments(&signature, args, span);
                (whole(span, args, |args| Kind::Apply(id, args)), signature.result.clone())
            }
            Meaning::Broken => self.broken_call(args),
            Meaning::Value(ty) => self.not_callable(&ty, callee, args),
            Meaning::Type(_) => {
                self.visit(args);
                let name = self.items[id.index()].name;
                self.wrong(
                    Diagnostic::error(
                        codes::TYPE,
                        format!("`{name}` is a type and isn't called"),
                        callee.span,
                        "a type",
                    )
                    .help("a record is written without its type's name: `{ field = value }`"),
                )
            }
        }
    }

    fn not_callable(&mut self, ty: &Type, callee: &'p Expr, args: &'p [Arg]) -> (Ir, Type) {
        if ty.is_broken() {
            return self.broken_call(args);
        }
        self.visit(args);
        let message = format!("{} can't be called", article(ty));
        self.wrong(
            Diagnostic::error(codes::TYPE, message, callee.span, "neither a function nor a recipe")
                .help("functions are declared by `fn name(parameter: Type) -> Type = …`"),
        )
    }

    /// Checks arguments of a call that was reported already, for what is wrong inside them.
    fn visit(&mut self, args: &'p [Arg]) {
        for arg in args {
            if !matches!(arg.value.kind, ExprKind::Name(_)) {
                self.expr(&arg.value, &Type::Unknown);
            } else if let ExprKind::Name(name) = &arg.value.kind
                && self.is_known(name)
                && !signature::BUILTINS.contains(&name.as_str())
                && let Some(Binding::Item(id)) = self.scopes[self.module.index()].get(name.as_str()).copied()
            {
                self.refers(arg.value.span, Definition::Item(id), &Type::Unknown);
                self.require(id, Some(arg.value.span));
            }
        }
    }

    fn broken_call(&mut self, args: &'p [Arg]) -> (Ir, Type) {
        self.visit(args);
        let span = args
            .first()
            .map_or(Span { file: crate::span::FileId(0), start: 0, end: 0 }, |arg| arg.value.span);
        (Ir::poison(span), Type::Error)
    }

    pub(super) fn call_builtin(
        &mut self,
        name: &'p str,
        callee: &'p Expr,
        args: &'p [Arg],
        span: Span,
    ) -> (Ir, Type) {
        if signature::BUILTINS.contains(&name) {
            self.refers(callee.span, Definition::Builtin, &Type::Unknown);
        }
        if name == "different" {
            let signature = signature::different(&self.category);
            return self.apply_builtin(Builtin::Different, Vec::new(), &signature, args, span);
        }
        if let Some((builtin, signature)) = signature::builtin(name) {
            return self.apply_builtin(builtin, Vec::new(), &signature, args, span);
        }
        match name {
            "length" | "text" | "default" => self.call_generic(name, args, span),
            "iterate" => self.iterate(args, span),
            _ if super::comparison::FORMS.contains(&name) => {
                self.visit(args);
                self.wrong(
                    Diagnostic::error(
                        codes::TYPE,
                        format!("`{name}` is a comparison, which only `assert` makes"),
                        callee.span,
                        "not a value",
                    )
                    .help(format!("write `assert \"what is compared\" {name}(…)` as an item of its own")),
                )
            }
            _ => {
                self.visit(args);
                self.unknown(name, callee.span, &Type::Unknown)
            }
        }
    }

    fn apply_builtin(
        &mut self,
        builtin: Builtin,
        mut before: Vec<Ir>,
        signature: &Signature,
        args: &'p [Arg],
        span: Span,
    ) -> (Ir, Type) {
        let texts = self.texts;
        if matches!(builtin, Builtin::File | Builtin::Files | Builtin::Url | Builtin::Git) {
            self.texts = Texts::Plain;
        }
        let args = self.arguments(signature, args, span);
        self.texts = texts;
        let ir = whole(span, args, |args| {
            before.extend(args);
            Kind::Builtin(builtin, before)
        });
        (ir, signature.result.clone())
    }

    /// Functions whose types depend on their arguments'.
    fn call_generic(&mut self, name: &'p str, args: &'p [Arg], span: Span) -> (Ir, Type) {
        let names: &[&str] = match name {
            "length" => &["list"],
            "text" => &["value"],
            _ => &["value", "otherwise"],
        };
        let Some(values) = self.by_name(name, names, args, span) else {
            return self.broken_call(args);
        };
        match (name, values.as_slice()) {
            ("text", [value]) => {
                let ir = self.textual(value, "a text");
                (Ir::new(span, Kind::Builtin(Builtin::Text, vec![ir])), Plain::String.into())
            }
            ("length", [value]) => {
                let (ir, ty) = self.expr(value, &Type::Unknown);
                match ty {
                    Type::Error | Type::List(_) | Type::Members(_) | Type::Map(..) | Type::Matrix(_) => {
                        (Ir::new(span, Kind::Builtin(Builtin::Length, vec![ir])), Plain::Int.into())
                    }
                    other => {
                        let message =
                            format!("`length` counts the elements of a list, this is {}", article(&other));
                        self.wrong(
                            Diagnostic::error(codes::TYPE, message, value.span, article(&other))
                                .help("lists, maps and matrices have a length"),
                        )
                    }
                }
            }
            (_, [value, otherwise]) => {
                let (first, ty) = self.expr(value, &Type::Unknown);
                let Type::Option(inner) = &ty else {
                    if ty.is_broken() {
                        return self.broken_call(args);
                    }
                    let message = format!("this is never `none`: it is {}", article(&ty));
                    return self.wrong(
                        Diagnostic::error(codes::TYPE, message, value.span, "always there")
                            .help("use it as it is, without `default`"),
                    );
                };
                let second = self.expect(otherwise, inner, &Role::Part("what stands for `none`"));
                (Ir::new(span, Kind::Builtin(Builtin::Default, vec![first, second])), (**inner).clone())
            }
            _ => self.broken_call(args),
        }
    }

    /// The argument expressions of a builtin without types to its parameters, in the order of its parameters.
    fn by_name(&mut self, of: &str, names: &[&str], args: &'p [Arg], span: Span) -> Option<Vec<&'p Expr>> {
        let mut found: Vec<Option<&'p Expr>> = vec![None; names.len()];
        for (index, arg) in args.iter().enumerate() {
            let at = match &arg.name {
                Some(name) => names.iter().position(|known| *known == name.node),
                None => Some(index),
            };
            match at.and_then(|at| found.get_mut(at)) {
                Some(slot @ None) => *slot = Some(&arg.value),
                _ => {
                    self.wrong_arguments(of, names, arg.value.span);
                    return None;
                }
            }
        }
        let all: Option<Vec<&'p Expr>> = found.into_iter().collect();
        if all.is_none() {
            self.wrong_arguments(of, names, span);
        }
        all
    }

    fn wrong_arguments(&mut self, of: &str, names: &[&str], span: Span) {
        self.report(
            Diagnostic::error(codes::ARGUMENTS, format!("`{of}` doesn't take these arguments"), span, "here")
                .help(format!("it is `{of}({})`", names.join(", "))),
        );
    }

    fn iterate(&mut self, args: &'p [Arg], span: Span) -> (Ir, Type) {
        let Some(values) = self.by_name("iterate", &["n", "start", "function"], args, span) else {
            return self.broken_call(args);
        };
        let [count, start, function] = values.as_slice() else { return self.broken_call(args) };
        let count_ir = self.expect(count, &Plain::Int.into(), &Role::Part("the number of rounds"));
        if let Kind::Const(crate::value::Value::Int(n)) = &count_ir.kind
            && !(0..=ROUNDS).contains(n)
        {
            let message = format!("{n} rounds: `iterate` makes at most {ROUNDS}");
            self.report(
                Diagnostic::error(codes::TOO_DEEP, message, count.span, "out of bounds").help("choose fewer"),
            );
        }
        let Some((id, signature)) = self.function_named(function) else {
            self.expr(start, &Type::Unknown);
            return (Ir::poison(span), Type::Error);
        };
        let (numbered, state) = match signature.params.as_slice() {
            [state, rest @ ..] if rest.iter().all(|param| param.default.is_some()) => (false, state),
            [state, round, rest @ ..]
                if matches!(round.ty, Type::Plain(Plain::Int))
                    && rest.iter().all(|param| param.default.is_some()) =>
            {
                (true, state)
            }
            _ => {
                let wrong = Diagnostic::error(
                    codes::TYPE,
                    format!("`iterate` can't repeat `{signature}`"),
                    function.span,
                    "of another shape",
                );
                return self.wrong(wrong.help(
                    "it repeats a function of what the round before gave, or of that and the round's number",
                ));
            }
        };
        let start = self.expect(start, &state.ty, &Role::Argument { of: &signature, param: state });
        let role = Role::Argument { of: &signature, param: state };
        if signature.result.convert(&state.ty).is_none() {
            self.mismatch(function.span, &signature.result, &state.ty, &role);
        }
        let kind =
            Kind::Iterate { count: Box::new(count_ir), start: Box::new(start), function: id, numbered };
        (Ir::new(span, kind), state.ty.clone().list())
    }

    /// The function that an expression names, for `iterate`.
    fn function_named(&mut self, expr: &'p Expr) -> Option<(ItemId, Arc<Signature>)> {
        let id = match &expr.kind {
            ExprKind::Name(name) => match self.scopes[self.module.index()].get(name.as_str()).copied() {
                Some(Binding::Item(id)) => {
                    self.refers(expr.span, Definition::Item(id), &Type::Unknown);
                    Some(id)
                }
                _ => {
                    self.unknown(name, expr.span, &Type::Unknown);
                    return None;
                }
            },
            ExprKind::Field(of) => match self.module_of(&of.0) {
                Some(module) => {
                    let (module, name) = module?;
                    Some(self.member(module, name, &of.1)?)
                }
                None => None,
            },
            _ => None,
        };
        match id.map(|id| (id, self.require(id, Some(expr.span)))) {
            Some((id, Meaning::Function(signature))) => Some((id, signature)),
            Some((_, Meaning::Broken)) => None,
            _ => {
                self.report(
                    Diagnostic::error(codes::TYPE, "`iterate` repeats a function", expr.span, "not one")
                        .help("give the name of an `fn` item"),
                );
                None
            }
        }
    }

    /// The arguments of a call, one a parameter and in their order, defaults filled in; `None` when they are not what
    /// it takes.
    fn arguments(&mut self, signature: &Signature, args: &'p [Arg], span: Span) -> Option<Vec<Ir>> {
        let (given, fits) = self.matched(signature, args, span);
        let checked = given
            .into_iter()
            .zip(&signature.params)
            .map(|(given, param)| match (given, &param.default) {
                (Some(value), _) => {
                    self.in_argument(value.span, param);
                    self.expect(value, &param.ty, &Role::Argument { of: signature, param })
                }
                (None, Some(default)) => match &default.kind {
                    Kind::Const(value) => Ir::new(span, Kind::Const(value.clone())),
                    _ => Ir::new(span, Kind::Closed(default.clone())),
                },
                (None, None) => Ir::poison(span),
            })
            .collect();
        fits.then_some(checked)
    }

    /// Which argument goes to which parameter, and whether they are what it takes; reports those that are missing,
    /// unknown or given twice.
    pub(super) fn matched(
        &mut self,
        signature: &Signature,
        args: &'p [Arg],
        span: Span,
    ) -> (Vec<Option<&'p Expr>>, bool) {
        self.offer_parameters(signature, args);
        let params = &signature.params;
        let mut found: Vec<Option<(&'p Expr, Span)>> = vec![None; params.len()];
        let (mut odd, mut fits) = (false, true);
        for (index, arg) in args.iter().enumerate() {
            let at = match &arg.name {
                Some(name) => params.iter().position(|param| param.name == name.node),
                None => Some(index).filter(|index| *index < params.len()),
            };
            let place = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            let Some(at) = at else {
                odd = true;
                self.odd_argument(signature, arg, place, &found, args);
                self.offer_values(arg.value.span, &Type::Unknown);
                self.visit(std::slice::from_ref(arg));
                continue;
            };
            if let (Some(_), Some(_)) = (&arg.name, params[at].place) {
                self.refers(place, params[at].definition(), &params[at].ty);
            }
            match &found[at] {
                None => found[at] = Some((&arg.value, place)),
                Some((_, first)) => {
                    fits = false;
                    let message = format!("`{}` is given twice", params[at].name);
                    let wrong = Diagnostic::error(codes::ARGUMENTS, message, place, "again here")
                        .label(*first, "first here");
                    self.report(wrong.help("remove one of them"));
                }
            }
        }
        let missing =
            || params.iter().zip(&found).filter(|(param, found)| found.is_none() && param.default.is_none());
        if let Some((first, _)) = missing().next()
            && !odd
        {
            fits = false;
            let names = listed(missing().map(|(param, _)| param.name.as_str()));
            let message = format!("`{}` is not given {names}", signature.name);
            let mut wrong = Diagnostic::error(codes::ARGUMENTS, message, span, "not all that it needs");
            if let Some(place) = first.span {
                wrong = wrong.label(place, "declared here");
            }
            self.report(wrong.help(format!("it is `{signature}`")));
        }
        (found.into_iter().map(|found| found.map(|(value, _)| value)).collect(), fits && !odd)
    }

    fn odd_argument(
        &mut self,
        signature: &Signature,
        arg: &Arg,
        place: Span,
        found: &[Option<(&Expr, Span)>],
        args: &[Arg],
    ) {
        let name = &signature.name;
        let Some(written) = &arg.name else {
            let message = match signature.params.len() {
                0 => format!("`{name}` takes no arguments"),
                count => format!("`{name}` takes {count} argument(s), these are {}", args.len()),
            };
            let wrong = Diagnostic::error(codes::ARGUMENTS, message, place, "one too many");
            return self.report(wrong.help(format!("it is `{signature}`")));
        };
        let free = || {
            let free = signature.params.iter().zip(found).filter(|(param, found)| {
                found.is_none()
                    && !args.iter().any(|arg| arg.name.as_ref().is_some_and(|given| given.node == param.name))
            });
            free.map(|(param, _)| param)
        };
        let near = nearest(&written.node, free().map(|param| param.name.as_str()));
        let near = near.and_then(|near| free().find(|param| param.name == near));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is `{signature}`"),
        };
        let message = format!("`{name}` has no parameter `{}`", written.node);
        let near = near.map(|near| near.name.clone());
        let wrong = Diagnostic::error(codes::ARGUMENTS, message, place, "not a parameter of it");
        self.report(wrong.help(help).change(place, near));
    }
}

/// A call with all its arguments, or what stands where an error was reported.
fn whole(span: Span, args: Option<Vec<Ir>>, make: impl FnOnce(Vec<Ir>) -> Kind) -> Ir {
    match args {
        Some(args) => Ir::new(span, make(args)),
        None => Ir::poison(span),
    }
}
