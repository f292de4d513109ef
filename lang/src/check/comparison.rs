//! `assert` items: the closed set of comparisons.

use super::index::Definition;
use super::mismatch::{Role, article};
use super::signature::{Param, Signature};
use super::{Binding, Checker};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind};
use crate::nearest::{listed, nearest};
use crate::plan::Places;
use crate::span::Span;
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, ItemKind};
use crate::types::{Plain, Type};

/// A checked assertion.
#[derive(Debug)]
pub struct Comparison {
    /// What is compared.
    pub form: Form,
    /// Of type `Percent`.
    pub at_least: Option<Ir>,
    /// `different(…)`, `flaky(…)`.
    pub expect: Option<Ir>,
    /// `tree(…)` and the like; nothing for `bytes`.
    pub relation: Option<Ir>,
    /// Where these stand.
    pub places: Places,
    /// The whole item.
    pub span: Span,
}

/// A checked form.
#[derive(Debug)]
pub enum Form {
    /// `identical`.
    Identical {
        /// A list of outputs.
        members: Ir,
        /// The groups.
        within: Option<Within>,
        /// Of the builtin enum `any | differ`.
        across: Option<Ir>,
    },
    /// `matches`.
    Matches {
        /// An output or a list of them.
        members: Ir,
        /// What is expected.
        expected: Ir,
        /// Whether something is expected of each.
        of_each: Expectation,
    },
    /// `differ`.
    Differ {
        /// One output.
        a: Ir,
        /// The other.
        b: Ir,
    },
    /// `fixpoint`: a list of stages, each an output or lists of outputs.
    Fixpoint(Ir),
    /// `reproducible`.
    Reproducible {
        /// A build or one of its outputs.
        of: Ir,
        /// Of type `Int`.
        times: Option<Ir>,
        /// A list of axes; `None` for none.
        vary: Option<Vary>,
    },
    /// `agreed`.
    Agreed {
        /// An output.
        member: Ir,
        /// Of type `Int`.
        k: Ir,
        /// A list of witnesses.
        of: Ir,
    },
}

/// The axes that a `reproducible` varies.
#[derive(Debug)]
pub enum Vary {
    /// All there are.
    All,
    /// These, a list of the builtin enum.
    Some(Ir),
}

/// How what is expected stands to the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The same of all.
    All,
    /// One a member, in a list.
    Each,
}

/// The groups of an `identical`.
#[derive(Debug)]
pub struct Within {
    /// A record or map of lists of keys.
    pub groups: Ir,
    /// Where the keys are written, by group, as far as that can be seen.
    pub places: Vec<Vec<Span>>,
}

/// The forms.
pub(super) const FORMS: [&str; 6] = ["identical", "matches", "differ", "reproducible", "fixpoint", "agreed"];

impl<'p> Checker<'p> {
    pub(super) fn assertion(&mut self, name: &'p Ident, value: &'p Expr, span: Span) -> Option<Comparison> {
        let called = match &value.kind {
            ExprKind::Call { callee, args } => match &callee.kind {
                ExprKind::Name(form) => Some((form.as_str(), callee.span, args)),
                _ => None,
            },
            ExprKind::Error => return None,
            _ => None,
        };
        if let Some((_, place, _)) = called
            && self.asked(place)
        {
            self.offer_forms();
        }
        let Some((form, place, args)) = called else {
            self.not_a_comparison(name, value);
            return None;
        };
        if !FORMS.contains(&form) {
            self.unknown_form(form, place);
            self.unknown_arguments(args);
            return None;
        }
        self.refers(place, Definition::Builtin, &Type::Unknown);
        let signature = self.form(form);
        let (given, fits) = self.matched(&signature, args, value.span);
        let get = |index: usize| given.get(index).copied().flatten();
        let at = |name: &str| signature.params.iter().position(|param| param.name == name).and_then(get);
        let at_least = at("at_least").map(|arg| {
            let ir = self.expect(arg, &Plain::Percent.into(), &Role::Field { name: "at_least" });
            self.share(&ir);
            ir
        });
        let expect =
            at("expect").map(|arg| self.modifier(arg, &["different", "flaky"], Type::Expect, "expect"));
        let relation = at("compare").and_then(|arg| self.relation(arg));
        let whole = |name: &str| {
            let arg = args.iter().find(|arg| arg.name.as_ref().is_some_and(|given| given.node == name))?;
            arg.name.as_ref().map(|name| Span { end: arg.value.span.end, ..name.span })
        };
        let places = Places {
            at_least: at("at_least").map(|arg| arg.span),
            expect: whole("expect"),
            compare: whole("compare"),
        };
        let form = self.compared(form, &signature, &given, args)?;
        fits.then_some(Comparison { form, at_least, expect, relation, places, span })
    }

    /// What a form compares, once its arguments stand in their places.
    fn compared(
        &mut self,
        form: &str,
        signature: &Signature,
        given: &[Option<&'p Expr>],
        args: &'p [Arg],
    ) -> Option<Form> {
        let get = |index: usize| given.get(index).copied().flatten();
        let at = |name: &str| signature.params.iter().position(|param| param.name == name).and_then(get);
        let role_of = |index: usize| Role::Argument { of: signature, param: &signature.params[index] };
        match form {
            "identical" => {
                let mut listed = true;
                let within = match (get(0), at("within")) {
                    (Some(first), Some(second)) if self.beside(first, second, args) => {
                        listed = false;
                        None
                    }
                    (_, arg) => arg.map(|arg| self.within(arg)),
                };
                let across = Type::Enum(self.across.clone());
                let across =
                    at("across").map(|arg| self.expect(arg, &across, &Role::Field { name: "across" }));
                let members = get(0).filter(|_| listed).map(|arg| self.members(arg));
                Some(Form::Identical { members: members?, within, across })
            }
            "matches" => {
                let subject = get(0).map(|arg| self.subject(arg));
                let expected = get(1).map(|arg| (self.expr(arg, &Type::Unknown), arg.span));
                let ((members, subject_type), ((expected, expected_type), place)) = (subject?, expected?);
                let of_each = self.expectation(&subject_type, &expected_type, place)?;
                Some(Form::Matches { members, expected, of_each })
            }
            "fixpoint" => get(0).and_then(|arg| self.chain(arg, at("by"))).map(Form::Fixpoint),
            "reproducible" => {
                let times = at("times")
                    .map(|arg| self.expect(arg, &Plain::Int.into(), &Role::Field { name: "times" }));
                let vary = at("vary").map(|arg| self.vary(arg));
                Some(Form::Reproducible { of: get(0).and_then(|arg| self.one_build(arg))?, times, vary })
            }
            "agreed" => {
                let member = get(0).map(|arg| {
                    let (ir, ty) = self.expr(arg, &Type::Unknown);
                    if is_output(&ty) { ir } else { self.not_an_output_of_a_build(&ty, arg, &role_of(0)) }
                });
                let k = get(1).map(|arg| self.expect(arg, &Plain::Int.into(), &Role::Field { name: "k" }));
                let of = get(2).map(|arg| self.witnesses(arg));
                Some(Form::Agreed { member: member?, k: k?, of: of? })
            }
            _ => {
                let mut side = |index: usize| {
                    get(index).map(|arg| {
                        let (ir, ty) = self.expr(arg, &Type::Unknown);
                        if is_output(&ty) {
                            ir
                        } else {
                            self.not_an_output_of_a_build(&ty, arg, &role_of(index))
                        }
                    })
                };
                let (a, b) = (side(0), side(1));
                Some(Form::Differ { a: a?, b: b? })
            }
        }
    }

    /// Reports `identical(a.out, b.out)`: members that stand beside each other and not in a list.
    fn beside(&mut self, first: &'p Expr, second: &'p Expr, args: &'p [Arg]) -> bool {
        let plain: Vec<&Expr> = args.iter().filter(|arg| arg.name.is_none()).map(|arg| &arg.value).collect();
        if plain.len() < 2
            || !matches!(first.kind, ExprKind::Field(..))
            || !matches!(second.kind, ExprKind::Field(..))
        {
            return false;
        }
        let outputs = [first, second].map(|side| self.expr(side, &Type::Unknown).1);
        if !outputs.iter().all(|ty| matches!(ty, Type::Plain(Plain::File | Plain::Files))) {
            return false;
        }
        let listed: Vec<&str> = plain.iter().map(|side| self.project.sources.slice(side.span)).collect();
        let listed = format!("[{}]", listed.join(", "));
        let whole = Span { end: plain.last().map_or(second.span.end, |last| last.span.end), ..first.span };
        let wrong = Diagnostic::error(
            codes::TYPE,
            "`identical` compares the outputs of one list",
            whole,
            "not a list",
        );
        self.report(wrong.help(format!("write `identical({listed})`")).change(whole, Some(listed)));
        true
    }

    /// The parameters of a form. Those whose types depend on each other have none.
    fn form(&self, form: &str) -> Signature {
        let param = |name: &str, optional: bool| Param {
            name: name.to_owned(),
            ty: Type::Unknown,
            default: optional.then(|| {
                let nowhere = Span { file: crate::span::FileId(0), start: 0, end: 0 };
                std::sync::Arc::new(Ir::new(nowhere, Kind::Const(crate::value::Value::None)))
            }),
            shown: String::new(),
            span: None,
            place: None,
        };
        let (needed, own): (&[&str], &[&str]) = match form {
            "identical" => (&["xs"], &["within", "across"]),
            "matches" => (&["x", "expected"], &[]),
            "fixpoint" => (&["chain"], &["by"]),
            "reproducible" => (&["build"], &["times", "vary"]),
            "agreed" => (&["x", "k", "of"], &[]),
            _ => (&["a", "b"], &[]),
        };
        let common: &[&str] = match form {
            "reproducible" => &["expect", "compare"],
            "agreed" => &["expect"],
            _ => &["at_least", "expect", "compare"],
        };
        let params = needed.iter().map(|name| param(name, false));
        let optional = own.iter().chain(common).map(|name| param(name, true));
        Signature { name: form.to_owned(), params: params.chain(optional).collect(), result: Type::Unknown }
    }

    fn not_a_comparison(&mut self, name: &Ident, value: &'p Expr) {
        if self.asked(value.span) {
            self.offer_forms();
        }
        if let ExprKind::Binary(op, both) = &value.kind
            && matches!(op.node, BinaryOp::Equal | BinaryOp::NotEqual)
        {
            let (left, right) = &**both;
            let types = [self.expr(left, &Type::Unknown).1, self.expr(right, &Type::Unknown).1];
            if types.iter().any(Type::is_broken) {
                return;
            }
            if types.iter().all(|ty| is_output(ty) || matches!(ty, Type::Build(_))) {
                let written = |side: &Expr, ty: &Type| {
                    let output = match ty {
                        Type::Build(Some(outputs)) => {
                            outputs.outputs.first().map(|(name, _)| format!(".{name}"))
                        }
                        _ => None,
                    };
                    format!("{}{}", self.project.sources.slice(side.span), output.unwrap_or_default())
                };
                let (left, right) = (written(left, &types[0]), written(right, &types[1]));
                let meant = match op.node {
                    BinaryOp::Equal => format!("identical([{left}, {right}])"),
                    _ => format!("differ({left}, {right})"),
                };
                let help = format!("what builds leave behind is compared by a form of its own: `{meant}`");
                let wrong = Diagnostic::error(
                    codes::TYPE,
                    "an assertion is a comparison of outputs, not a condition",
                    op.span,
                    "compares values",
                );
                self.report(wrong.help(help).change(value.span, Some(meant)));
                return;
            }
        }
        let (_, ty) = self.expr(value, &Type::Unknown);
        if ty.is_broken() {
            return;
        }
        let help = match ty {
            Type::Plain(Plain::Bool) => format!("what is true or false is a `test \"{}\" …`", name.node),
            _ => format!("the comparisons are {}", listed(FORMS.map(|form| form))),
        };
        self.report(
            Diagnostic::error(codes::TYPE, "an assertion is a comparison", value.span, "not one of them")
                .help(help),
        );
    }

    fn unknown_form(&mut self, form: &str, span: Span) {
        let mut near = None;
        let help = match form {
            "equal" | "equals" | "same" | "cmp" | "diff" => {
                "outputs are compared by `identical([a, b])`".to_owned()
            }
            _ => match nearest(form, FORMS) {
                Some(form) => {
                    near = Some(form);
                    format!("did you mean `{form}`?")
                }
                None => format!("the comparisons are {}", listed(FORMS)),
            },
        };
        self.report(
            Diagnostic::error(codes::UNKNOWN, format!("there is no comparison `{form}`"), span, "not known")
                .help(help)
                .change(span, near),
        );
    }

    /// What an unknown form is given. Words that only stand in a comparison mean what they mean in the one that is meant.
    fn unknown_arguments(&mut self, args: &'p [Arg]) {
        for arg in args {
            let want = match arg.name.as_ref().map(|name| name.node.as_str()) {
                Some("across") => Type::Enum(self.across.clone()),
                Some("compare") => {
                    self.relation(&arg.value);
                    continue;
                }
                Some("vary") => {
                    self.vary(&arg.value);
                    continue;
                }
                _ => Type::Unknown,
            };
            self.expr(&arg.value, &want);
        }
    }

    fn share(&mut self, ir: &Ir) {
        if let Kind::Const(crate::value::Value::Percent(share)) = ir.kind
            && !(1..=10_000).contains(&share)
        {
            let shown = crate::value::percent(share);
            self.report(
                Diagnostic::error(
                    codes::TYPE,
                    format!("`{shown}` isn't a share to reach"),
                    ir.span,
                    "out of bounds",
                )
                .help("write more than `0%` and at most `100%`; leave it out when all must match"),
            );
        }
    }

    /// The members of an `identical`.
    fn members(&mut self, arg: &'p Expr) -> Ir {
        let (ir, ty) = self.expr(arg, &Type::Unknown);
        match &ty {
            Type::List(element) | Type::Members(element) if is_output(element) => {
                if let Kind::List(items) = &ir.kind
                    && items.len() < 2
                {
                    self.too_few(arg.span, items.len());
                }
                ir
            }
            Type::List(element) if matches!(**element, Type::Unknown) => {
                self.too_few(arg.span, 0);
                Ir::poison(arg.span)
            }
            Type::Plain(Plain::File | Plain::Files) => {
                self.too_few(arg.span, 1);
                Ir::poison(arg.span)
            }
            _ => {
                let of =
                    Signature { name: "identical".to_owned(), params: Vec::new(), result: Type::Unknown };
                let param = Param {
                    name: "xs".to_owned(),
                    ty: Type::Unknown,
                    default: None,
                    shown: String::new(),
                    span: None,
                    place: None,
                };
                self.not_an_output_of_a_build(&ty, arg, &Role::Argument { of: &of, param: &param })
            }
        }
    }

    fn too_few(&mut self, span: Span, count: usize) {
        let message = match count {
            0 => "`identical` compares nothing here",
            _ => "`identical` compares one output with nothing",
        };
        self.report(
            Diagnostic::error(codes::ALONE, message, span, format!("{count} member(s)")).help(
                "a comparison needs two that were built apart: `t.*.output`, or `[a.output, b.output]`",
            ),
        );
    }

    /// What a `matches` looks at.
    fn subject(&mut self, arg: &'p Expr) -> (Ir, Type) {
        let (ir, ty) = self.expr(arg, &Type::Unknown);
        let element = ty.element().unwrap_or(&ty);
        match is_output(element) {
            true => (ir, ty),
            false => {
                let of = Signature { name: "matches".to_owned(), params: Vec::new(), result: Type::Unknown };
                let param = Param {
                    name: "x".to_owned(),
                    ty: Type::Unknown,
                    default: None,
                    shown: String::new(),
                    span: None,
                    place: None,
                };
                (
                    self.not_an_output_of_a_build(&ty, arg, &Role::Argument { of: &of, param: &param }),
                    Type::Error,
                )
            }
        }
    }

    fn expectation(&mut self, subject: &Type, expected: &Type, span: Span) -> Option<Expectation> {
        if subject.is_broken() || expected.is_broken() {
            return None;
        }
        let one = subject.element().unwrap_or(subject);
        let (wanted, of_each) = match expected.element() {
            Some(element) => (element, Expectation::Each),
            None => (expected, Expectation::All),
        };
        let help = match (one, wanted) {
            (_, Type::Plain(Plain::Archive)) if of_each == Expectation::All => return Some(of_each),
            _ if of_each == Expectation::Each && subject.element().is_none() => {
                "one output is compared with one thing: leave the brackets away"
            }
            (_, Type::Plain(Plain::Digest)) => return Some(of_each),
            (Type::Plain(a), Type::Plain(b)) if a == b => return Some(of_each),
            (Type::Plain(Plain::File), Type::Plain(Plain::Files))
            | (Type::Plain(Plain::Files), Type::Plain(Plain::File)) => {
                "one is a `file(…)`, the other `files(…)`: declare both in the same way"
            }
            (_, Type::Plain(Plain::String)) => {
                &*super::mismatch::digest_in_quotes(self.project.sources.slice(span).trim_matches('"'))
            }
            (_, Type::Build(_)) => "name one of its outputs: `….output`",
            _ => "it is compared with a digest `sha256:…`, an output of another build, or an archive",
        };
        let message = format!("`matches` can't compare {} with {}", article(subject), article(expected));
        self.report(Diagnostic::error(codes::TYPE, message, span, article(expected)).help(help));
        None
    }

    pub(super) fn not_an_output_of_a_build(&mut self, ty: &Type, arg: &Expr, role: &Role) -> Ir {
        if ty.is_broken() {
            return Ir::poison(arg.span);
        }
        let (of, param) = match role {
            Role::Argument { of, param } => (of.name.as_str(), param.name.as_str()),
            _ => ("", ""),
        };
        let written = self.project.sources.slice(arg.span);
        let short = if written.len() < 40 && !written.contains('\n') { written } else { "…" };
        let first = |outputs: &Option<std::sync::Arc<crate::types::Outputs>>| {
            outputs
                .as_ref()
                .and_then(|outputs| outputs.outputs.first())
                .map_or("output".to_owned(), |(name, _)| name.clone())
        };
        let named = match ty {
            Type::Matrix(matrix) => {
                Some(("an output of its cells", format!(".*.{}", first(&matrix.outputs))))
            }
            Type::Build(outputs) => Some(("one of its outputs", format!(".{}", first(outputs)))),
            Type::List(element) | Type::Members(element) => match &**element {
                Type::Build(outputs) => {
                    let members = if matches!(ty, Type::Members(_)) { "" } else { ".*" };
                    Some(("an output of each", format!("{members}.{}", first(outputs))))
                }
                _ => None,
            },
            _ => None,
        };
        let help = match &named {
            Some((what, output)) => format!("name {what}: `{short}{output}`"),
            None if matches!(ty.element().unwrap_or(ty), Type::Plain(Plain::Env)) => {
                let list = if ty.element().is_some() { short.to_owned() } else { format!("[{short}, …]") };
                format!(
                    "outputs are compared, not environments: `build b for e in {list} = recipe(e)`, then \
                     `identical(b.*.output)`"
                )
            }
            None => "only outputs of builds are compared".to_owned(),
        };
        let meant = named.map(|(_, output)| format!("{written}{output}"));
        let message = format!("`{param}` of `{of}` has to be outputs of builds, this is {}", article(ty));
        self.wrong(
            Diagnostic::error(codes::TYPE, message, arg.span, article(ty)).help(help).change(arg.span, meant),
        )
        .0
    }

    fn within(&mut self, arg: &'p Expr) -> Within {
        let places = self.places(arg, 4);
        let (ir, ty) = self.expr(arg, &Type::Unknown);
        let is_group = |ty: &Type| {
            ty.element().is_some_and(|key| key.is_key() || matches!(key, Type::Unknown)) || ty.is_broken()
        };
        let wrong = match &ty {
            Type::Error => None,
            Type::Record(record) => record
                .fields
                .iter()
                .find(|field| !is_group(&field.ty))
                .map(|field| (field.span, format!("group `{}` is {}", field.name, article(&field.ty)))),
            Type::Map(_, value) if is_group(value) => None,
            other => Some((arg.span, format!("the groups are {}", article(other)))),
        };
        match wrong {
            None => Within { groups: ir, places },
            Some((span, message)) => {
                self.report(
                    Diagnostic::error(
                        codes::TYPE,
                        format!("{message}, not a list of keys"),
                        span,
                        "not keys",
                    )
                    .help("groups are lists of keys by name: `{ old = [a, b], modern = [c, d] }`"),
                );
                Within { groups: Ir::poison(arg.span), places }
            }
        }
    }

    /// Where the keys of groups are written, here or in the `let` that an expression names.
    fn places(&self, arg: &'p Expr, hops: usize) -> Vec<Vec<Span>> {
        match &arg.kind {
            ExprKind::Record(entries) => entries
                .iter()
                .map(|entry| match &entry.value.kind {
                    ExprKind::List(items) => items.iter().map(|item| item.span).collect(),
                    _ => Vec::new(),
                })
                .collect(),
            ExprKind::Name(name) if hops > 0 => match self.scopes[self.module.index()].get(name.as_str()) {
                Some(Binding::Item(id)) => match &self.items[id.index()].ast.kind {
                    ItemKind::Let { value, .. } => self.places(value, hops - 1),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

pub(super) fn is_output(ty: &Type) -> bool {
    matches!(ty, Type::Plain(Plain::File | Plain::Files) | Type::Error)
}
