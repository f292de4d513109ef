//! `fixpoint`: the stages of a chain, what their outputs are called, and whether they follow each other.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::comparison::{Form, Member};
use super::{Eval, Evaluator, Stop};
use crate::codes;
use crate::derivation::DerivationId;
use crate::diagnostic::Diagnostic;
use crate::ir::Ir;
use crate::plan::{self, Plan};
use crate::span::Span;
use crate::value::{Build, Input, Output, Source, Value};

impl Evaluator<'_> {
    /// Evaluates a chain.
    pub(super) fn fixpoint(&mut self, chain: &Ir) -> Eval<Form> {
        let place = chain.span;
        let Value::List(items) = self.eval(chain)? else { return Err(Stop) };
        let mut stages = Vec::with_capacity(items.len());
        for item in items.iter() {
            let mut outputs = Vec::new();
            flatten(item, &mut outputs)?;
            self.spend(outputs.len(), place)?;
            stages.push(outputs);
        }
        let count = stages.len();
        if count < 2 {
            let message =
                format!("`fixpoint` has {count} stage(s): there is none that another could be equal to");
            let help = "a chain has two stages at least: `iterate(3, first, next)` gives four";
            return self.stop(codes::ALONE, message, place, format!("{count} stage(s)"), help);
        }
        if let Some(empty) = stages.iter().position(Vec::is_empty) {
            let message = format!("stage {empty} of `fixpoint` has no outputs");
            let help = "a stage has at least one output, and every stage as many";
            return self.stop(codes::ALONE, message, place, "an empty stage", help);
        }
        let width = stages[0].len();
        if let Some(odd) = stages.iter().position(|stage| stage.len() != width) {
            let message =
                format!("stage {odd} of `fixpoint` has {} output(s), stage 0 has {width}", stages[odd].len());
            let help = "an output of a stage is compared with the one at its place in the stage before";
            return self.stop(codes::CHAIN, message, place, "stages of unequal length", help);
        }
        let names = names(&stages);
        let stages = stages.into_iter().enumerate();
        let stages = stages.map(|(number, outputs)| members(number, outputs, &names)).collect();
        Ok(Form::Fixpoint { names, stages, place })
    }
}

/// The outputs of a stage, in order.
fn flatten(value: &Value, into: &mut Vec<Arc<Output>>) -> Eval<()> {
    match value {
        Value::Output(output) => into.push(output.clone()),
        Value::List(items) => items.iter().try_for_each(|item| flatten(item, into))?,
        _ => return Err(Stop),
    }
    Ok(())
}

/// What the outputs of a stage are called, by their place in it. Nothing for the only one.
fn names(stages: &[Vec<Arc<Output>>]) -> Vec<String> {
    let Some(last) = stages.last() else { return Vec::new() };
    if last.len() == 1 {
        return vec![String::new()];
    }
    let several = last.iter().any(|output| output.output != last[0].output);
    let plain: Vec<String> = last
        .iter()
        .map(|output| match several {
            true => format!("{}.{}", of_build(&output.build), output.output),
            false => of_build(&output.build),
        })
        .collect();
    let distinct = plain.iter().collect::<BTreeSet<_>>().len() == plain.len();
    match distinct {
        true => plain,
        false => plain.iter().enumerate().map(|(index, name)| format!("{name} {}", index + 1)).collect(),
    }
}

/// What tells a build from the others of its stage: its keys, or what it is made from.
fn of_build(build: &Build) -> String {
    match &build.name {
        Some(cell) => cell.key(),
        None => made_from(build).unwrap_or_else(|| build.recipe.to_string()),
    }
}

/// What a build that is no item is called: `package(fill)`.
pub(super) fn label(build: &Build) -> String {
    match made_from(build) {
        Some(input) => format!("{}({input})", build.recipe),
        None => build.recipe.to_string(),
    }
}

/// What a source package that is no item is called: `source of hostname`.
pub(super) fn label_of_input(input: &Input) -> Option<String> {
    match (&input.name, &input.source) {
        (None, Source::Package(_)) => of_input(input).map(|name| format!("source of {name}")),
        _ => None,
    }
}

/// The name of a build's main input: its `workdir`, or the first.
fn made_from(build: &Build) -> Option<String> {
    let main = build.workdir.as_ref().and_then(|name| build.inputs.iter().find(|(input, _)| *input == name));
    match main.or_else(|| build.inputs.iter().next()) {
        Some((_, Value::Input(input))) => of_input(input),
        _ => None,
    }
}

fn of_input(input: &Input) -> Option<String> {
    if let Some(name) = &input.name {
        return Some(name.to_string());
    }
    match &input.source {
        Source::Local { place, .. } => {
            place.path.rsplit('/').next().map(str::to_owned).filter(|name| !name.is_empty())
        }
        Source::Package(request) => match &**request {
            crate::lock::Request::Source { name, .. } => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn members(number: usize, outputs: Vec<Arc<Output>>, names: &[String]) -> Vec<Member> {
    let member = |(output, name): (Arc<Output>, &String)| {
        let key = match (&output.build.name, name.is_empty()) {
            (Some(cell), _) => cell.to_string(),
            (None, true) => format!("stage {number}"),
            (None, false) => format!("stage {number}: {name}"),
        };
        Member { key, output }
    };
    outputs.into_iter().zip(names).map(member).collect()
}

/// Reports stages that don't follow each other: one that is the build of the stage before, or doesn't stand on it.
pub(super) fn follow(plan: &Plan, stages: &[Vec<plan::Member>], place: Span) -> Option<Diagnostic> {
    for (number, pair) in stages.windows(2).enumerate() {
        let [before, stage] = pair else { continue };
        let ids = |stage: &[plan::Member]| -> BTreeSet<DerivationId> {
            stage.iter().map(|member| member.output.derivation).collect()
        };
        let (before, stage) = (ids(before), ids(stage));
        let (earlier, later) = (number, number + 1);
        if stage == before {
            let message = format!(
                "stage {later} of `fixpoint` is stage {earlier} itself: nothing was built in between"
            );
            let help = "each stage is built with what the stage before it made: in `debian.staged(base, packages)`, or \
                        by an input";
            return Some(Diagnostic::error(codes::SAME, message, place, "one derivation").help(help));
        }
        if !stands_on(plan, &stage, &before) {
            let message = format!("stage {later} of `fixpoint` doesn't stand on stage {earlier}");
            let help = "a fixpoint is looked for among builds of which each is built with the one before; others are \
                        compared by `identical`";
            return Some(Diagnostic::error(codes::CHAIN, message, place, "not a chain").help(help));
        }
    }
    None
}

/// Whether any of some derivations needs, near or far, one of others.
fn stands_on(plan: &Plan, these: &BTreeSet<DerivationId>, those: &BTreeSet<DerivationId>) -> bool {
    let mut seen: BTreeSet<DerivationId> = these.clone();
    let mut open: VecDeque<DerivationId> = these.iter().copied().collect();
    while let Some(id) = open.pop_front() {
        let Some(derivation) = plan.derivations.get(&id) else { continue };
        for need in derivation.needs() {
            if those.contains(&need) {
                return true;
            }
            if seen.insert(need) {
                open.push_back(need);
            }
        }
    }
    false
}
