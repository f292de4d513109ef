//! `fixpoint(chain, by)`: what the stages of a chain are, and which of their outputs are compared.
//!
//! A chain is a list of stages; a stage is an output, a build (then `by` names its outputs), or a
//! list or matrix of either. What comes out is an expression whose value is a list of stages, each
//! an output or lists of them. Whether the stages follow each other is known later.

use std::sync::Arc;

use super::Checker;
use super::mismatch::article;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind};
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast::Expr;
use crate::types::{Outputs, Plain, Type};
use crate::value::Value;

/// The names that `by` holds, and where it stands.
type By = (Vec<Arc<str>>, Span);

impl<'p> Checker<'p> {
    /// A list of stages, each an output or lists of outputs.
    pub(super) fn chain(&mut self, arg: &'p Expr, by: Option<&'p Expr>) -> Option<Ir> {
        let (ir, ty) = self.expr(arg, &Type::Unknown);
        let by = match by {
            Some(by) => Some(self.by(by)?),
            None => None,
        };
        if ty.is_broken() {
            return None;
        }
        let Some(stage) = ty.element() else {
            self.no_chain(&ty, arg.span);
            return None;
        };
        if let Kind::List(items) = &ir.kind
            && items.len() < 2
        {
            let count = items.len();
            self.report(
                Diagnostic::error(
                    codes::ALONE,
                    format!("`fixpoint` has {count} stage(s): there is none that another could be equal to"),
                    arg.span,
                    format!("{count} stage(s)"),
                )
                .help("a chain has two stages at least: `iterate(3, first, next)` gives four"),
            );
            return None;
        }
        let span = arg.span;
        match of_stage(stage) {
            Stage::Outputs => match by {
                None => Some(ir),
                Some((_, place)) => {
                    let wrong = Diagnostic::error(
                        codes::ARGUMENTS,
                        "`by` chooses among the outputs of builds, and these are outputs already",
                        place,
                        "chosen twice",
                    );
                    self.report(wrong.help("leave `by` out"));
                    None
                }
            },
            Stage::Builds(outputs) => {
                let names = self.chosen(outputs, by, span)?;
                let slot = self.locals.len() as u32;
                Some(Ir::new(span, Kind::Each(Box::new(ir), Box::new(outputs_of(stage, &names, slot, span)))))
            }
            Stage::Other => {
                self.no_chain(&ty, span);
                None
            }
        }
    }

    /// The names in `by`: a text or a list of texts, as written.
    fn by(&mut self, arg: &'p Expr) -> Option<By> {
        let (ir, ty) = self.expr(arg, &Type::Unknown);
        if ty.is_broken() {
            return None;
        }
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let names: Option<Vec<Arc<str>>> = match &ir.kind {
            Kind::Const(Value::List(items)) => items.iter().map(text).collect(),
            Kind::Const(value) => text(value).map(|name| vec![name]),
            Kind::List(items) => items
                .iter()
                .map(|item| match &item.kind {
                    Kind::Const(value) => text(value),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        match names.filter(|names| !names.is_empty()) {
            Some(names) => Some((names, arg.span)),
            None => {
                let wrong = Diagnostic::error(
                    codes::TYPE,
                    "`by` names outputs, in quotes",
                    arg.span,
                    "not the name of an output",
                );
                self.report(wrong.help("write `by = \"debs\"`, or several: `by = [\"debs\", \"log\"]`"));
                None
            }
        }
    }

    /// The outputs by which builds are compared.
    fn chosen(
        &mut self,
        outputs: Option<&Arc<Outputs>>,
        by: Option<By>,
        span: Span,
    ) -> Option<Vec<Arc<str>>> {
        let Some(outputs) = outputs else {
            let wrong = Diagnostic::error(
                codes::TYPE,
                "which outputs these builds have isn't known here",
                span,
                "builds of any recipe",
            );
            self.report(
                wrong.help("chain their outputs: a function that takes and gives `Files` or `List[Files]`"),
            );
            return None;
        };
        let names = || outputs.outputs.keys().map(String::as_str);
        let Some((chosen, place)) = by else {
            let first = names().next().unwrap_or("out");
            let wrong = Diagnostic::error(
                codes::ARGUMENTS,
                "`fixpoint` is not told by which outputs these builds are compared",
                span,
                "builds, not outputs",
            );
            self.report(wrong.help(format!("add `by = \"{first}\"`")));
            return None;
        };
        let mut all = true;
        for name in &chosen {
            if outputs.outputs.contains_key(&**name) {
                continue;
            }
            all = false;
            let help = match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it declares {}", listed(names())),
            };
            let message = format!("`{}` declares no output `{name}`", outputs.recipe);
            let wrong = Diagnostic::error(codes::UNDECLARED, message, place, "not one of its outputs");
            self.report(wrong.help(help));
        }
        all.then_some(chosen)
    }

    fn no_chain(&mut self, ty: &Type, span: Span) {
        let help = match ty {
            Type::Plain(Plain::File | Plain::Files) | Type::Build(_) | Type::Matrix(_) => {
                "one stage alone has nothing to be equal to: chain the stages, `[first, second, third]`"
            }
            _ => "a chain is a list of stages, each an output, a list of outputs, a build or a matrix",
        };
        let message = format!("`chain` of `fixpoint` has to be stages of builds, this is {}", article(ty));
        self.report(Diagnostic::error(codes::TYPE, message, span, article(ty)).help(help));
    }
}

/// What the stages of a chain are.
enum Stage<'t> {
    Outputs,
    Builds(Option<&'t Arc<Outputs>>),
    Other,
}

fn of_stage(ty: &Type) -> Stage<'_> {
    match ty {
        Type::Plain(Plain::File | Plain::Files) => Stage::Outputs,
        Type::Build(outputs) => Stage::Builds(outputs.as_ref()),
        Type::Matrix(matrix) => Stage::Builds(matrix.outputs.as_ref()),
        Type::List(element) | Type::Members(element) => of_stage(element),
        _ => Stage::Other,
    }
}

/// The outputs of the stage in a slot.
fn outputs_of(ty: &Type, names: &[Arc<str>], slot: u32, span: Span) -> Ir {
    let stage = Ir::new(span, Kind::Local(slot));
    let inner = |of: Ir, element: &Type| {
        let body = outputs_of(element, names, slot + 1, span);
        Ir::new(span, Kind::Each(Box::new(of), Box::new(body)))
    };
    match ty {
        Type::Matrix(matrix) => {
            inner(Ir::new(span, Kind::Star(Box::new(stage))), &Type::Build(matrix.outputs.clone()))
        }
        Type::List(element) | Type::Members(element) => inner(stage, element),
        _ => {
            let output = |name: &Arc<str>| Ir::new(span, Kind::Output(Box::new(stage.clone()), name.clone()));
            Ir::new(span, Kind::List(names.iter().map(output).collect()))
        }
    }
}
