//! Names: what one means where it stands, and what to say when it means nothing.

use std::sync::Arc;

use super::index::Definition;
use super::{Binding, Checker, Meaning, signature};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, ItemId, Kind};
use crate::loader::{self, ModuleId};
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast::{self, Expr, ExprKind, ItemKind, TypeBody, TypeExpr, TypeExprKind};
use crate::types::{EnumType, Type};
use crate::value::Value;

impl<'p> Checker<'p> {
    /// A name that stands for a value.
    pub(super) fn name(&mut self, name: &'p str, span: Span, want: &Type) -> (Ir, Type) {
        self.offer_values(span, want);
        if let Some(slot) = self.local(name) {
            let (definition, ty) = (self.locals[slot].definition(), self.locals[slot].ty.clone());
            self.refers(span, definition, &ty);
            return (Ir::new(span, Kind::Local(slot as u32)), self.locals[slot].ty.clone());
        }
        if let Type::Enum(of) = want.required()
            && let Some(variant) = variant(of, name, span)
        {
            self.refers_to_variant(of, name, span);
            return variant;
        }
        match self.scopes[self.module.index()].get(name).copied() {
            Some(Binding::Item(id)) => {
                self.refers(span, Definition::Item(id), &Type::Unknown);
                self.item_value(id, span)
            }
            Some(Binding::Broken) => (Ir::poison(span), Type::Error),
            Some(Binding::Module(module, at)) => {
                self.mark_used(at);
                self.refers(span, Definition::Module(module), &Type::Unknown);
                let names = self.public_names(module);
                self.wrong(
                    Diagnostic::error(
                        codes::TYPE,
                        format!("`{name}` is a module, not a value"),
                        span,
                        "a module",
                    )
                    .help(format!("name something in it, as `{name}.{}`", names.first().unwrap_or(&"name"))),
                )
            }
            // What was wanted has an error of its own, and may have been what gives this name a meaning.
            None if matches!(want, Type::Error) => (Ir::poison(span), Type::Error),
            Some(Binding::Core) => self.unknown(name, span, want),
            None if signature::BUILTINS.contains(&name) => self.wrong(
                Diagnostic::error(
                    codes::TYPE,
                    format!("`{name}` is a function, not a value"),
                    span,
                    "not called",
                )
                .help(format!("call it: `{name}(…)`")),
            ),
            None => self.unknown(name, span, want),
        }
    }

    /// The slot of a local name, the innermost first.
    pub(super) fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|local| local.name == name)
    }

    /// The value of an item.
    pub(super) fn item_value(&mut self, id: ItemId, span: Span) -> (Ir, Type) {
        let name = self.items[id.index()].name;
        match self.require(id, Some(span)) {
            Meaning::Value(ty) => (Ir::new(span, Kind::Item(id)), ty),
            Meaning::Broken => (Ir::poison(span), Type::Error),
            Meaning::Function(signature) => self.wrong(
                Diagnostic::error(
                    codes::TYPE,
                    format!("`{name}` is a function, not a value"),
                    span,
                    "not called",
                )
                .help(format!("call it: `{signature}`")),
            ),
            Meaning::Recipe(signature) => self.wrong(
                Diagnostic::error(
                    codes::TYPE,
                    format!("`{name}` is a recipe, not a build"),
                    span,
                    "not applied",
                )
                .help(format!("apply it: `{signature}`")),
            ),
            Meaning::Type(_) => self.wrong(
                Diagnostic::error(codes::TYPE, format!("`{name}` is a type, not a value"), span, "a type")
                    .help("a record is written without its type's name: `{ field = value }`"),
            ),
        }
    }

    /// The item that a path of one or two names leads to, if it does; reports the rest.
    pub(super) fn member(&mut self, module: ModuleId, of: &str, name: &'p ast::Ident) -> Option<ItemId> {
        match self.scopes[module.index()].get(name.node.as_str()) {
            Some(Binding::Item(id)) => {
                let id = *id;
                self.refers(name.span, Definition::Item(id), &Type::Unknown);
                Some(id)
            }
            Some(Binding::Broken) => None,
            _ => {
                let names = self.public_names(module);
                let near = nearest(&name.node, names.iter().copied());
                let help = match near {
                    Some(near) => format!("did you mean `{of}.{near}`?"),
                    None => format!("it has {}", listed(names.iter().copied())),
                };
                let message = format!("`{of}` has no `{}`", name.node);
                self.report(
                    Diagnostic::error(codes::UNKNOWN, message, name.span, "not in it")
                        .help(help)
                        .change(name.span, near),
                );
                None
            }
        }
    }

    /// The names of a module's items, without what it uses itself.
    pub(super) fn public_names(&self, module: ModuleId) -> Vec<&'p str> {
        let scope = &self.scopes[module.index()];
        scope
            .iter()
            .filter(|(_, binding)| matches!(binding, Binding::Item(_)))
            .map(|(name, _)| *name)
            .collect()
    }

    /// Remembers that a `use` item of the root was of use.
    pub(super) fn mark_used(&mut self, at: usize) {
        if self.module == ModuleId::ROOT {
            self.used.insert(at);
        }
    }

    /// Whether a name would be found by [`Checker::name`] where no enum is expected.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.local(name).is_some()
            || self.scopes[self.module.index()].contains_key(name)
            || signature::BUILTINS.contains(&name)
    }

    /// The enums that a file can name: the builtin one, its own and those of the modules it uses.
    pub(super) fn enums_in_scope(&mut self) -> Vec<Arc<EnumType>> {
        let mut ids: Vec<ItemId> = Vec::new();
        let declared = |ids: &mut Vec<ItemId>, bindings: &super::Scope<'_>, items: &[super::Entry]| {
            for binding in bindings.values() {
                if let Binding::Item(id) = binding
                    && matches!(items[id.index()].ast.kind, ItemKind::Type { body: TypeBody::Enum(_), .. })
                {
                    ids.push(*id);
                }
            }
        };
        let scope = &self.scopes[self.module.index()];
        declared(&mut ids, scope, &self.items);
        for binding in scope.values() {
            if let Binding::Module(module, _) = binding {
                declared(&mut ids, &self.scopes[module.index()], &self.items);
            }
        }
        let mut enums = vec![self.arch.clone(), self.axis.clone()];
        for id in ids {
            if let Meaning::Type(Type::Enum(of)) = self.require(id, None) {
                enums.push(of);
            }
        }
        enums
    }

    /// Reports a name that means nothing here.
    pub(super) fn unknown(&mut self, name: &str, span: Span, want: &Type) -> (Ir, Type) {
        if let Type::Enum(of) = want.required() {
            let other = other_name(of, name);
            let near = other.or_else(|| nearest(name, of.variants.iter().map(String::as_str)));
            let help = match near {
                Some(near) if other.is_some() => format!("here it is called `{near}`"),
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is one of {}", listed(of.variants.iter().map(String::as_str))),
            };
            let message = format!("`{name}` is not a value of `{}`", of.name);
            let mut wrong = Diagnostic::error(codes::UNKNOWN, message, span, "not one of its values")
                .help(help)
                .change(span, near);
            if let Some(span) = of.span
                && !self.project.in_std(span)
            {
                wrong = wrong.label(span, "its values are declared here");
            }
            return self.wrong(wrong);
        }
        let wrong = Diagnostic::error(
            codes::UNKNOWN,
            format!("there is nothing named `{name}`"),
            span,
            "not known here",
        );
        let wrong = self.unknown_help(name, span, wrong);
        if wrong.help.is_none() && self.renamed(name, span) {
            return (Ir::poison(span), Type::Error);
        }
        self.wrong(wrong)
    }

    /// A name that nothing has, in a file where one is declared twice: most likely that of the second.
    fn renamed(&mut self, name: &str, span: Span) -> bool {
        let here = self.module;
        let mut of_module = self.twice.iter().filter(|(module, _)| *module == here);
        let (Some((_, index)), None) = (of_module.next(), of_module.next()) else { return false };
        let twice = &mut self.diagnostics[*index];
        let Some(second) = twice.labels.first().map(|label| label.span) else { return false };
        *twice = twice
            .clone()
            .label(span, "declared by nothing")
            .help(format!("a name means one thing in a file: is one of them to be called `{name}`?"))
            .change(second, Some(name));
        true
    }

    /// Adds what may be meant by a name that means nothing.
    fn unknown_help(&mut self, name: &str, span: Span, wrong: Diagnostic) -> Diagnostic {
        if let Some(help) = habit(name) {
            return wrong.help(help);
        }
        for of in self.enums_in_scope() {
            if of.variants.iter().any(|variant| variant == name) {
                return wrong.help(format!(
                    "`{name}` is a value of `{0}`, and nothing here says that a `{0}` is meant: write the type, as in \
                     `let x: {0} = {name}`",
                    of.name
                ));
            }
        }
        let locals = self.locals.iter().map(|local| local.name);
        let scope = self.scopes[self.module.index()].keys().copied();
        let near = nearest(name, locals.chain(scope).chain(signature::BUILTINS));
        if let Some(near) = near {
            return wrong.help(format!("did you mean `{near}`?")).change(span, Some(near));
        }
        for (module, binding) in &self.scopes[self.module.index()] {
            if let Binding::Module(id, _) = binding
                && self.public_names(*id).contains(&name)
            {
                let meant = format!("{module}.{name}");
                return wrong.help(format!("did you mean `{meant}`?")).change(span, Some(meant));
            }
        }
        if !loader::library().any(|(module, _)| module.strip_prefix("std.") == Some(name)) {
            return wrong;
        }
        let wrong = wrong.help(format!("add `use std.{name}` at the top of the file"));
        match &self.project.modules[self.module.index()].ast.edition {
            Some(edition) => {
                let below = Span { start: edition.span.end, ..edition.span };
                wrong.fix(format!("add `use std.{name}`"), below, format!("\nuse std.{name}"))
            }
            None => wrong,
        }
    }
}

/// A variant as an expression.
pub(super) fn variant(of: &Arc<EnumType>, name: &str, span: Span) -> Option<(Ir, Type)> {
    let index = of.variants.iter().position(|variant| variant == name)?;
    let value = Value::Variant(of.clone(), index as u32);
    Some((Ir::new(span, Kind::Const(value)), Type::Enum(of.clone())))
}

/// The variant that other tools call something else: an architecture by the kernel's or a compiler's name, a suite by
/// its number.
pub(super) fn other_name<'t>(of: &'t EnumType, written: &str) -> Option<&'t str> {
    let folded = written.to_lowercase().replace(['-', ' ', '.'], "_");
    let bare = ["debian_", "ubuntu_", "trisquel_", "linux_", "linux/"]
        .iter()
        .find_map(|prefix| folded.strip_prefix(prefix))
        .unwrap_or(&folded);
    let mut names: Vec<&str> = vec![bare];
    names.extend(OTHER_NAMES.iter().filter(|(other, _)| *other == bare).map(|(_, name)| *name));
    let known = of.variants.iter().find(|variant| names.contains(&variant.as_str()));
    known.map(String::as_str).filter(|known| *known != written)
}

/// What others call architectures and suites, and what Debian and its kin do.
const OTHER_NAMES: [(&str, &str); 43] = [
    ("x86_64", "amd64"),
    ("x64", "amd64"),
    ("amd_64", "amd64"),
    ("em64t", "amd64"),
    ("aarch64", "arm64"),
    ("arm64v8", "arm64"),
    ("armv8", "arm64"),
    ("armv8l", "arm64"),
    ("x86", "i386"),
    ("x86_32", "i386"),
    ("i486", "i386"),
    ("i586", "i386"),
    ("i686", "i386"),
    ("ia32", "i386"),
    ("arm", "armhf"),
    ("armv7", "armhf"),
    ("armv7l", "armhf"),
    ("armv7hl", "armhf"),
    ("arm32v7", "armhf"),
    ("ppc64le", "ppc64el"),
    ("powerpc64le", "ppc64el"),
    ("riscv", "riscv64"),
    ("riscv64gc", "riscv64"),
    ("rv64gc", "riscv64"),
    ("s390", "s390x"),
    ("systemz", "s390x"),
    ("9", "stretch"),
    ("10", "buster"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
    ("14", "forky"),
    ("unstable", "sid"),
    ("10", "nabia"),
    ("11", "aramo"),
    ("12", "ecne"),
    ("16_04", "xenial"),
    ("18_04", "bionic"),
    ("20_04", "focal"),
    ("22_04", "jammy"),
    ("24_04", "noble"),
    ("25_04", "plucky"),
    ("25_10", "questing"),
];

/// What those mean here who come from another language.
fn habit(name: &str) -> Option<&'static str> {
    Some(match name {
        "null" | "nil" | "None" | "undefined" => "nothing is written `none`",
        "True" | "TRUE" => "it is written `true`",
        "False" | "FALSE" => "it is written `false`",
        "x86" | "x86_64" => "an architecture of this kind is `amd64`, or `i386` on 32 bits",
        "len" | "size" | "count" | "lengthOf" => "the number of elements is `length(list)`",
        "str" | "toString" | "string" | "to_string" => {
            "the text of a value is `text(value)`, or `@{value}` in a text"
        }
        "map" | "filter" | "forEach" => "lists are made by `[for x in xs if condition: f(x)]`",
        "concat" | "concatStringsSep" | "concatMap" => {
            "lists and texts are put together by `++`, texts with something between them by `join(list, sep)`"
        }
        "import" | "include" | "require" | "load" => {
            "a file of the project is used by an item `use ./name.rbld`"
        }
        "builtins" | "pkgs" | "lib" | "stdenv" => {
            "there is no global library: `use std.debian` and `use std.fetch` name what they bring"
        }
        "mkDerivation" | "derivation" | "runCommand" => {
            "what is to be done is a `recipe`, and a `build` applies it"
        }
        "rec" | "inherit" | "with" | "self" | "super" => {
            "items see each other in any order; `{ a }` is short for `{ a = a }`"
        }
        "unchanged" => "it stands alone, right behind the name of a test: `test \"…\" unchanged(value)`",
        _ => return None,
    })
}

/// Calls `found` with each name that an item mentions, and with the field after it where there is one. More than
/// what it refers to: local names and variants are among them.
pub fn mentioned<'a>(item: &'a ast::Item, found: &mut dyn FnMut(&'a str, Option<&'a str>)) {
    let mut walk = Walk::default();
    match &item.kind {
        ItemKind::Use { .. } => {}
        ItemKind::Type { body, .. } => match body {
            TypeBody::Enum(_) => {}
            TypeBody::Record(fields) => walk.fields(fields),
            TypeBody::Alias(ty) => walk.types.push(ty),
        },
        ItemKind::Let { ty, value, .. } => {
            walk.types.extend(ty.as_deref());
            walk.exprs.push(value);
        }
        ItemKind::Fn { params, result, body, .. } => {
            walk.params(params);
            walk.types.push(result);
            walk.exprs.push(body);
        }
        ItemKind::Input { value, .. }
        | ItemKind::Env { value, .. }
        | ItemKind::Assert { value, .. }
        | ItemKind::Test { value, .. } => walk.exprs.push(value),
        ItemKind::Recipe { params, body, .. } => {
            walk.params(params);
            walk.exprs.extend(body.iter().map(|entry| &entry.value));
        }
        ItemKind::Build { axes, filter, value, .. } => {
            walk.exprs.extend(axes.iter().map(|axis| &axis.over));
            walk.exprs.extend(filter.as_deref());
            walk.exprs.push(value);
        }
    }
    walk.run(found);
}

/// The same for an expression.
pub(super) fn mentioned_in<'a>(expr: &'a Expr, found: &mut dyn FnMut(&'a str, Option<&'a str>)) {
    let mut walk = Walk::default();
    walk.exprs.push(expr);
    walk.run(found);
}

/// Expressions and types still to be looked at: a list instead of recursion.
#[derive(Default)]
struct Walk<'a> {
    exprs: Vec<&'a Expr>,
    types: Vec<&'a TypeExpr>,
}

impl<'a> Walk<'a> {
    fn fields(&mut self, fields: &'a [ast::FieldType]) {
        self.types.extend(fields.iter().map(|field| &field.ty));
        self.exprs.extend(fields.iter().filter_map(|field| field.default.as_ref()));
    }

    fn params(&mut self, params: &'a [ast::Param]) {
        self.types.extend(params.iter().map(|param| &param.ty));
        self.exprs.extend(params.iter().filter_map(|param| param.default.as_ref()));
    }

    fn run(mut self, found: &mut dyn FnMut(&'a str, Option<&'a str>)) {
        while let Some(ty) = self.types.pop() {
            match &ty.kind {
                TypeExprKind::Name(path) => {
                    if let Some(first) = path.first() {
                        found(&first.node, path.get(1).map(|second| second.node.as_str()));
                    }
                }
                TypeExprKind::List(inner) | TypeExprKind::Option(inner) => self.types.push(inner),
                TypeExprKind::Map(key, value) => self.types.extend([key.as_ref(), value.as_ref()]),
                TypeExprKind::Record(fields) => self.fields(fields),
                TypeExprKind::Error => {}
            }
        }
        while let Some(expr) = self.exprs.pop() {
            self.expr(expr, found);
        }
    }

    fn expr(&mut self, expr: &'a Expr, found: &mut dyn FnMut(&'a str, Option<&'a str>)) {
        match &expr.kind {
            ExprKind::Name(name) => found(name, None),
            ExprKind::Literal(_) | ExprKind::Plain(_) | ExprKind::Error => {}
            ExprKind::Text(parts) => self.exprs.extend(parts.iter().filter_map(|part| match part {
                ast::Part::Expr(expr) => Some(&**expr),
                ast::Part::Text(_) => None,
            })),
            ExprKind::List(items) => self.exprs.extend(items),
            ExprKind::Comprehension(of) => {
                self.exprs.extend(of.axes.iter().map(|axis| &axis.over));
                self.exprs.extend(&of.filter);
                self.exprs.push(&of.body);
            }
            ExprKind::Record(entries) => self.exprs.extend(entries.iter().map(|entry| &entry.value)),
            ExprKind::Field(of) => match &of.0.kind {
                ExprKind::Name(name) => found(name, Some(&of.1.node)),
                _ => self.exprs.push(&of.0),
            },
            ExprKind::Star(base) | ExprKind::Unary(_, base) => self.exprs.push(base),
            ExprKind::Index(base, keys) => {
                self.exprs.push(base);
                self.exprs.extend(keys.iter().flatten());
            }
            ExprKind::Call { callee, args } => {
                self.exprs.push(callee);
                self.exprs.extend(args.iter().map(|arg| &arg.value));
            }
            ExprKind::With(base, entries) => {
                self.exprs.push(base);
                self.exprs.extend(entries.iter().map(|entry| &entry.value));
            }
            ExprKind::If(a, b, c) => self.exprs.extend([a.as_ref(), b.as_ref(), c.as_ref()]),
            ExprKind::Binary(_, both) => self.exprs.extend([&both.0, &both.1]),
        }
    }
}
