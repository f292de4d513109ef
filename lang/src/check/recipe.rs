//! `recipe` items: the fields of their bodies and the names that their scripts see.

use std::borrow::Cow;
use std::sync::Arc;

use indexmap::IndexMap;

use super::filled::Texts;
use super::index::{Definition, Inner};
use super::mismatch::{Role, article};
use super::signature::Signature;
use super::{Body, Checker, Meaning, script};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind};
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast::{self, Entry, Expr, ExprKind, Ident};
use crate::types::{Outputs, Plain, Shape, Type};
use crate::value::Value;

/// A checked recipe. Its parameters are in the first slots of each expression.
#[derive(Debug)]
pub struct Recipe {
    /// Of type `Env`.
    pub env: Ir,
    /// A record of inputs.
    pub inputs: Option<Ir>,
    /// The name of an input.
    pub workdir: Option<Ir>,
    /// `sh` or `bash`.
    pub shell: Option<Ir>,
    /// A record of values that have a text.
    pub vars: Option<Ir>,
    /// The script.
    pub run: Ir,
    /// A record of `file(…)` and `files(…)`.
    pub outputs: Ir,
    /// Of type `Duration`.
    pub timeout: Option<Ir>,
}

/// The fields of a recipe.
const FIELDS: [&str; 8] = ["env", "inputs", "workdir", "shell", "vars", "run", "outputs", "timeout"];

/// The environment variables that every script is given and no recipe sets; beside them, all whose names begin with
/// `RBLD_`.
pub const FIXED_VARIABLES: [&str; 10] =
    ["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SOURCE_DATE_EPOCH", "TERM", "TMPDIR", "TZ", "USER"];

/// Variables that a shell sets, refuses to take or gives another meaning.
const REFUSED_VARIABLES: [&str; 21] = [
    "BASHOPTS",
    "BASH_ENV",
    "BASH_VERSINFO",
    "DIRSTACK",
    "ENV",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "IFS",
    "LINENO",
    "OLDPWD",
    "OPTIND",
    "PPID",
    "PWD",
    "RANDOM",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "UID",
    "_",
];

/// A record of a recipe: its names with their places and types.
type Names = IndexMap<String, (Span, Type)>;

impl<'p> Checker<'p> {
    pub(super) fn recipe(
        &mut self,
        name: &'p Ident,
        params: &'p [ast::Param],
        body: &'p [Entry],
    ) -> (Meaning, Body) {
        let checked = self.params(params);
        let locals: Vec<_> = params
            .iter()
            .zip(&checked)
            .map(|(param, known)| (param.name.node.as_str(), param.name.span, known.ty.clone()))
            .collect();
        let (recipe, outputs) = self.with_locals(locals, |checker| checker.recipe_body(name, body));
        let body = recipe.map_or(Body::Nothing, |recipe| Body::Recipe(Box::new(recipe)));
        // What it leaves behind isn't known: whoever asks for an output of it is told nothing more.
        let Some(outputs) = outputs else { return (Meaning::Broken, body) };
        let result = Type::Build(Some(Arc::new(outputs)));
        let signature = Signature { name: name.node.to_string(), params: checked, result };
        (Meaning::Recipe(Arc::new(signature)), body)
    }

    fn recipe_body(&mut self, name: &'p Ident, body: &'p [Entry]) -> (Option<Recipe>, Option<Outputs>) {
        let mut fields: IndexMap<&str, &'p Entry> = IndexMap::new();
        for entry in body {
            let field = entry.name.node.as_str();
            self.offer_recipe_fields(entry.name.span);
            if !FIELDS.contains(&field) {
                // What is meant by it is looked at as if it had the right name, so that nothing is said to be missing.
                match self.unknown_recipe_field(field, entry.name.span) {
                    Some(meant) if body.iter().all(|other| other.name.node != meant) => {
                        fields.entry(meant).or_insert(entry);
                    }
                    _ => drop(self.expr(&entry.value, &Type::Unknown)),
                }
            } else if let Some(first) = fields.get(field) {
                let first = first.name.span;
                self.field_twice(field, entry.name.span, first);
            } else {
                fields.insert(field, entry);
            }
        }
        let (mut given, mut vars, mut left) = (Names::new(), Names::new(), Names::new());
        let get = |field: &str| fields.get(field).map(|entry| &entry.value);
        self.given = ["inputs", "vars", "outputs"].into_iter().filter_map(get).flat_map(names_of).collect();
        let env = get("env").map(|value| self.recipe_field("env", value, &Plain::Env.into()));
        let inputs = get("inputs").map(|value| self.names("inputs", value, &mut given));
        self.texts = Texts::Plain;
        let vars_ir = get("vars").map(|value| self.names("vars", value, &mut vars));
        let outputs_ir = get("outputs").map(|value| self.names("outputs", value, &mut left));
        self.texts = Texts::Scripts;
        let run = get("run").map(|value| {
            self.runs(value);
            self.recipe_field("run", value, &Plain::String.into())
        });
        self.texts = Texts::Either;
        let workdir = get("workdir").map(|value| self.workdir(value, &given));
        let shell = get("shell").map(|value| self.shell(value));
        let timeout = get("timeout").map(|value| self.timeout(value));
        self.clashes(&given, &vars, &left);
        // Of what can't be read nobody knows which names it gives.
        let readable = |field: &str| get(field).is_none_or(|value| value.kind != ExprKind::Error);
        let whole = ["inputs", "vars", "outputs"].into_iter().all(readable);
        if let Some(value) = get("run").filter(|_| whole && outputs_ir.is_some()) {
            self.script(value, &[&given, &vars, &left]);
        }
        self.missing_fields(
            name,
            &[("env", env.is_none()), ("run", run.is_none()), ("outputs", outputs_ir.is_none())],
        );
        let known =
            outputs_ir.is_some() && readable("outputs") && !left.values().any(|(_, ty)| ty.is_broken());
        let outputs = known.then(|| Outputs {
            recipe: name.node.to_string(),
            outputs: left
                .into_iter()
                .filter_map(|(name, (span, ty))| match ty {
                    Type::Spec(kind) => Some((name, (kind, span))),
                    _ => None,
                })
                .collect(),
        });
        let recipe = match (env, run, outputs_ir) {
            (Some(env), Some(run), Some(outputs)) => {
                Some(Recipe { env, inputs, workdir, shell, vars: vars_ir, run, outputs, timeout })
            }
            _ => None,
        };
        (recipe, outputs)
    }

    fn recipe_field(&mut self, name: &str, value: &'p Expr, ty: &Type) -> Ir {
        self.expect(value, ty, &Role::Field { name })
    }

    /// Reports a field that no recipe has; gives the one that is meant.
    fn unknown_recipe_field(&mut self, field: &str, span: Span) -> Option<&'static str> {
        let mut meant = None;
        let help = match (field, nearest(field, FIELDS)) {
            ("network" | "net" | "internet", _) => {
                "no recipe has a network: what it needs is fetched by an `input` and named in `inputs`"
                    .to_owned()
            }
            ("src" | "source" | "input" | "sources", _) => {
                if field == "input" || field == "sources" {
                    meant = Some("inputs");
                }
                "what it reads stands in `inputs = { src }`".to_owned()
            }
            ("script" | "build" | "commands" | "cmd" | "steps", _) => {
                meant = Some("run");
                "the script is `run = \"\"\"…\"\"\"`".to_owned()
            }
            ("packages" | "dependencies" | "build_depends", _) => {
                "packages are a part of the environment: `archive.env(amd64, packages = [\"…\"])`".to_owned()
            }
            ("output" | "artifacts" | "products", _) => {
                meant = Some("outputs");
                "what it leaves behind is `outputs = { name = file(\"path\") }`".to_owned()
            }
            ("environment" | "variables", _) => {
                if field == "variables" {
                    meant = Some("vars");
                }
                "`env` is the environment that it runs in, `vars` its variables".to_owned()
            }
            (_, Some(near)) => {
                meant = Some(near);
                format!("did you mean `{near}`?")
            }
            _ => format!("its fields are {}", listed(FIELDS)),
        };
        self.report(
            Diagnostic::error(
                codes::UNKNOWN,
                format!("a recipe has no field `{field}`"),
                span,
                "not a field of it",
            )
            .help(help)
            .change(span, meant),
        );
        meant
    }

    fn missing_fields(&mut self, name: &Ident, fields: &[(&str, bool)]) {
        let missing: Vec<&str> =
            fields.iter().filter(|(_, missing)| *missing).map(|(field, _)| *field).collect();
        if missing.is_empty() {
            return;
        }
        let message = format!("recipe `{}` doesn't say {}", name.node, listed(missing.iter().copied()));
        let help = match missing[0] {
            "env" => "say where it runs: a parameter `e: Env`, and `env = e`",
            "run" => "say what it does: `run = \"\"\"…\"\"\"`",
            _ => "say what it leaves behind: `outputs = { name = file(\"path\") }`",
        };
        self.report(Diagnostic::error(codes::FIELD, message, name.span, "this recipe").help(help));
    }

    /// `inputs`, `vars` or `outputs`: a record, by preference one that is written here.
    fn names(&mut self, field: &'static str, value: &'p Expr, names: &mut Names) -> Ir {
        let ExprKind::Record(entries) = &value.kind else {
            return self.names_of_record(field, value, names);
        };
        let mut values = Vec::with_capacity(entries.len());
        let mut shape = Shape::default();
        for entry in entries {
            let name = &entry.name;
            let (ir, ty) = match field {
                "inputs" => {
                    let role = Role::Field { name: &name.node };
                    (self.expect(&entry.value, &Plain::Input.into(), &role), Type::from(Plain::Input))
                }
                "vars" => (self.textual(&entry.value, "a variable"), Type::from(Plain::String)),
                _ => {
                    let (ir, ty) = self.expr(&entry.value, &Type::Unknown);
                    if !matches!(ty, Type::Spec(_) | Type::Error) {
                        self.not_an_output(&name.node, &ty, &entry.value);
                    }
                    (ir, ty)
                }
            };
            if let Some((first, _)) = names.get(name.node.as_str()) {
                let first = *first;
                self.field_twice(&name.node, name.span, first);
                continue;
            }
            let inner = if let Type::Spec(_) = ty { Inner::Output } else { Inner::Field };
            self.declares(inner, name.span, &ty);
            names.insert(name.node.to_string(), (name.span, ty));
            shape.names.push(self.shared(&name.node));
            shape.spans.push(name.span);
            values.push(ir);
        }
        if field == "outputs" && entries.is_empty() {
            self.no_outputs(value.span);
        }
        Ir::new(value.span, Kind::Record(Arc::new(shape), values.into()))
    }

    fn names_of_record(&mut self, field: &'static str, value: &'p Expr, names: &mut Names) -> Ir {
        let (ir, ty) = self.expr(value, &Type::Unknown);
        let Type::Record(record) = &ty else {
            if !ty.is_broken() {
                let message = format!("`{field}` wants a record, this is {}", article(&ty));
                self.report(
                    Diagnostic::error(codes::TYPE, message, value.span, article(&ty))
                        .help(format!("write names and values in braces: `{field} = {{ name = … }}`")),
                );
            }
            return Ir::poison(value.span);
        };
        for known in &record.fields {
            let fits = match field {
                "inputs" => known.ty.convert(&Plain::Input.into()).is_some(),
                "vars" => known.ty.is_text(),
                _ => matches!(known.ty, Type::Spec(_) | Type::Error),
            };
            if !fits {
                let message =
                    format!("`{}` can't be one of `{field}`: it is {}", known.name, article(&known.ty));
                self.report(
                    Diagnostic::error(codes::TYPE, message, value.span, "given here")
                        .label(known.span, "from here"),
                );
            }
            names.insert(known.name.to_string(), (known.span, known.ty.clone()));
        }
        if field == "outputs" && record.fields.is_empty() {
            self.no_outputs(value.span);
        }
        ir
    }

    fn not_an_output(&mut self, name: &str, ty: &Type, value: &Expr) {
        let written = self.project.sources.slice(value.span);
        let help = match ty {
            Type::Plain(Plain::String) => {
                format!("one file is `file({written})`, several are `files({written})`")
            }
            _ => "one file is `file(\"path\")`, several are `files(\"*.deb\")`".to_owned(),
        };
        let message = format!("output `{name}` has to be a `file(…)` or `files(…)`, this is {}", article(ty));
        self.report(Diagnostic::error(codes::TYPE, message, value.span, article(ty)).help(help));
    }

    fn no_outputs(&mut self, span: Span) {
        self.report(
            Diagnostic::error(codes::FIELD, "a recipe without outputs makes nothing", span, "empty")
                .help("say what it leaves behind: `outputs = { name = file(\"path\") }`"),
        );
    }

    fn workdir(&mut self, value: &'p Expr, inputs: &Names) -> Ir {
        let ir = self.recipe_field("workdir", value, &Plain::String.into());
        if let Kind::Const(Value::Text(name)) = &ir.kind
            && !inputs.contains_key(&**name)
        {
            let names = || inputs.keys().map(String::as_str);
            let near = nearest(name, names());
            let help = match near {
                Some(near) => format!("did you mean `\"{near}\"`?"),
                None if inputs.is_empty() => "name an input to start in: `inputs = { src }`".to_owned(),
                None => format!("it is one of {}", listed(names())),
            };
            let message = format!("`workdir` names no input: there is no `{name}`");
            let near = near
                .filter(|_| matches!(value.kind, ExprKind::Plain(_) | ExprKind::Text(_)))
                .map(|near| format!("\"{near}\""));
            let wrong = Diagnostic::error(codes::FIELD, message, value.span, "not an input");
            self.report(wrong.help(help).change(value.span, near));
        }
        ir
    }

    fn shell(&mut self, value: &'p Expr) -> Ir {
        let ir = self.recipe_field("shell", value, &Plain::String.into());
        if let Kind::Const(Value::Text(name)) = &ir.kind
            && !["sh", "bash"].contains(&&**name)
        {
            self.report(
                Diagnostic::error(
                    codes::FIELD,
                    format!("there is no shell `{name}`"),
                    value.span,
                    "not known",
                )
                .help("it is `\"sh\"` (`/bin/sh -eu`) or `\"bash\"` (`/bin/bash -eu -o pipefail`)"),
            );
        }
        ir
    }

    fn timeout(&mut self, value: &'p Expr) -> Ir {
        let ir = self.recipe_field("timeout", value, &Plain::Duration.into());
        if let Kind::Const(Value::Duration(0)) = ir.kind {
            self.report(
                Diagnostic::error(
                    codes::FIELD,
                    "a timeout of nothing stops every build",
                    value.span,
                    "no time",
                )
                .help("leave it out for one hour, or write one as `90m`"),
            );
        }
        ir
    }

    /// Names that a script would see twice, or not as they are meant.
    fn clashes(&mut self, inputs: &Names, vars: &Names, outputs: &Names) {
        let mut seen: IndexMap<&str, (Span, &str)> = IndexMap::new();
        for (what, names) in [("an input", inputs), ("a variable", vars), ("an output", outputs)] {
            for (name, (span, _)) in names {
                if let Some((first, first_what)) = seen.get(name.as_str()) {
                    let message =
                        format!("`{name}` is {first_what} and {what}: a script would see one of them");
                    self.report(
                        Diagnostic::error(codes::FIELD, message, *span, format!("{what} here"))
                            .label(*first, format!("{first_what} here"))
                            .help("give each its own name"),
                    );
                    continue;
                }
                seen.insert(name, (*span, what));
                let (message, help) = if FIXED_VARIABLES.contains(&name.as_str()) || name.starts_with("RBLD_")
                {
                    let help = "a script that needs another value sets it itself: `export NAME=…`";
                    (format!("`{name}` is the same in every build and can't be {what}"), help)
                } else if REFUSED_VARIABLES.contains(&name.as_str()) {
                    (
                        format!("`{name}` has a meaning of its own for a shell and can't be {what}"),
                        "choose another name",
                    )
                } else {
                    continue;
                };
                self.report(Diagnostic::error(codes::FIELD, message, *span, "taken").help(help));
            }
        }
    }

    /// Looks for variables in the script that nothing sets.
    fn script(&mut self, value: &'p Expr, names: &[&Names]) {
        let Some((script, whole, span)) = self.text_of(value, 4) else { return };
        self.offer_variables(span, names.iter().flat_map(|names| names.iter()));
        let known: Vec<&str> = names.iter().flat_map(|names| names.keys()).map(String::as_str).collect();
        if self.indexes() {
            for (name, offset) in script::read_names(&script, &known, self.project.sources.slice(span)) {
                let start = span.start + offset as u32;
                let place = Span { start, end: start + name.len() as u32, ..span };
                if let Some((declared, ty)) = names.iter().find_map(|names| names.get(&name)) {
                    let inner = if let Type::Spec(_) = ty { Inner::Output } else { Inner::Field };
                    self.refers(place, Definition::Inner(inner, *declared), ty);
                }
            }
        }
        for wrong in script::unset(&script, whole, &known, self.project.sources.slice(span)) {
            let place = Span {
                start: span.start + wrong.offset as u32,
                end: span.start + (wrong.offset + wrong.length) as u32,
                ..span
            };
            // What an environment brings along is known when it is made, and named as variables of programs are.
            let capitals = !wrong.name.bytes().any(|letter| letter.is_ascii_lowercase());
            if wrong.near.is_none() && capitals && self.environments_bring_variables() {
                continue;
            }
            let message = format!("`${}` is set by nothing", wrong.name);
            let braces = self.project.sources.slice(place).starts_with("${");
            let meant = wrong.near.as_ref().map(|near| match braces {
                true => format!("${{{near}}}"),
                false => format!("${near}"),
            });
            let help = match wrong.near {
                Some(near) => format!("did you mean `${near}`?"),
                None if self.is_value(&wrong.name) => format!(
                    "a script doesn't see the names of the file: give it this one by `vars = {{ {} }}`",
                    wrong.name
                ),
                None if known.is_empty() => format!("give it a value by `vars = {{ {} = … }}`", wrong.name),
                None => format!(
                    "give it a value by `vars = {{ {} = … }}`, or write `${{{0}:-}}` where it may be unset; the \
                     recipe gives {1}",
                    wrong.name,
                    listed(known.iter().copied())
                ),
            };
            self.report(
                Diagnostic::error(codes::VARIABLE, message, place, "unset: the script would stop here")
                    .help(help)
                    .change(place, meant),
            );
        }
    }

    /// Whether a module is used whose environments set variables for builds.
    fn environments_bring_variables(&self) -> bool {
        let bring = ["std.guix", "std.oci"];
        self.project.modules.iter().any(|module| module.std && bring.contains(&module.path.as_str()))
    }

    /// Whether a name stands for something that has a text.
    fn is_value(&self, name: &str) -> bool {
        if let Some(slot) = self.local(name) {
            return self.locals[slot].ty.is_text();
        }
        match self.scopes[self.module.index()].get(name) {
            Some(super::Binding::Item(id)) => {
                matches!(self.items[id.index()].ast.kind, ast::ItemKind::Let { .. })
            }
            _ => false,
        }
    }

    /// The text that an expression is, here or in the `let` that it names, with `_` for what is filled in, and whether
    /// that is nothing.
    fn text_of(&self, value: &'p Expr, hops: usize) -> Option<(Cow<'p, str>, bool, Span)> {
        match &value.kind {
            ExprKind::Plain(text) => Some((Cow::Borrowed(text), true, value.span)),
            ExprKind::Text(parts) => {
                let text = parts.iter().map(|part| match part {
                    ast::Part::Text(text) => text,
                    ast::Part::Expr(_) => "_",
                });
                Some((Cow::Owned(text.collect()), false, value.span))
            }
            ExprKind::Name(name) if hops > 0 && self.local(name).is_none() => {
                let super::Binding::Item(id) = self.scopes[self.module.index()].get(name.as_str())? else {
                    return None;
                };
                match &self.items[id.index()].ast.kind {
                    ast::ItemKind::Let { value, .. } => self.text_of(value, hops - 1),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The names that a record gives.
fn names_of(record: &Expr) -> Vec<&str> {
    match &record.kind {
        ExprKind::Record(entries) => entries.iter().map(|entry| entry.name.node.as_str()).collect(),
        _ => Vec::new(),
    }
}
