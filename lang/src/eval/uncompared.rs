//! Outputs of the root's builds that no assertion looks at and no other build reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::comparison::Says;
use super::{Evaluator, Expected, Form};
use crate::check::Body;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::loader::ModuleId;
use crate::nearest::listed;
use crate::value::{Build, Input, Output, Source, Value};

/// An item and an output of it.
type Seen = BTreeSet<(Arc<str>, Arc<str>)>;

impl Evaluator<'_> {
    /// Warns of outputs that are made for nothing.
    pub(super) fn uncompared(&mut self) {
        // What failed may have looked at any of them.
        let broken = !self.diagnostics.is_empty();
        let has_errors =
            self.program.diagnostics.iter().any(|d| d.severity == crate::diagnostic::Severity::Error);
        let unread = !self.project.diagnostics.is_empty();
        if broken || has_errors || unread {
            return;
        }
        let mut seen = self.compared();
        let mut outputs: BTreeMap<usize, BTreeMap<Arc<str>, bool>> = BTreeMap::new();
        for (index, (item, value)) in self.program.items.iter().zip(&self.values).enumerate() {
            if let Some(Ok(value)) = value {
                for build in builds(value) {
                    read(build, &mut seen);
                    // An image is there to be pushed.
                    let own = item.module == ModuleId::ROOT && build.image.is_none();
                    if own && matches!(item.body, Body::Build(_)) {
                        let shape = &build.outputs.shape;
                        let std = shape.spans.iter().map(|span| self.project.in_library(*span));
                        outputs.entry(index).or_default().extend(shape.names.iter().cloned().zip(std));
                    }
                }
            }
        }
        for (index, outputs) in outputs {
            let item = &self.program.items[index];
            let is_seen = |output: &Arc<str>| seen.contains(&(item.name.clone(), output.clone()));
            // A recipe of the standard library or a package serves many: one of its outputs compared is enough.
            let one_seen = outputs.keys().any(is_seen);
            let left: Vec<&str> = outputs
                .iter()
                .filter(|(output, std)| !(is_seen(output) || one_seen && **std || output.starts_with('_')))
                .map(|(output, _)| &**output)
                .collect();
            if left.is_empty() || item.name.starts_with('_') {
                continue;
            }
            let message = match left.as_slice() {
                [one] => format!("output `{one}` of `{}` is compared with nothing", item.name),
                several => format!(
                    "outputs {} of `{}` are compared with nothing",
                    listed(several.iter().copied()),
                    item.name
                ),
            };
            let dot = if matches!(self.values[index], Some(Ok(Value::Matrix(_)))) { ".*." } else { "." };
            let help = format!(
                "add an `assert` over `{}{dot}{}`; what is only to be published is made by `rbld build`",
                item.name, left[0]
            );
            let wrong = Diagnostic::warning(codes::NOT_COMPARED, message, item.span, "made for nothing");
            self.diagnostics.push(wrong.help(help));
        }
    }

    /// The outputs that comparisons look at.
    fn compared(&self) -> Seen {
        let mut seen = Seen::new();
        for comparison in &self.comparisons {
            match &comparison.form {
                Form::Identical { members, .. } => {
                    members.iter().for_each(|member| see(&member.output, &mut seen))
                }
                Form::Matches { members, expected, .. } => {
                    members.iter().for_each(|member| see(&member.output, &mut seen));
                    for expected in expected {
                        if let Expected::Output(output) = expected {
                            see(output, &mut seen);
                        }
                    }
                }
                Form::Differ { a, b } => {
                    see(&a.output, &mut seen);
                    see(&b.output, &mut seen);
                }
                Form::Fixpoint { stages, .. } => {
                    stages.iter().flatten().for_each(|member| see(&member.output, &mut seen))
                }
                Form::Reproducible { outputs, .. } => {
                    outputs.iter().for_each(|member| see(&member.output, &mut seen))
                }
                Form::Agreed { member, of, .. } => {
                    see(&member.output, &mut seen);
                    for witness in of {
                        said(&witness.says).for_each(|output| see(output, &mut seen));
                    }
                }
            }
        }
        seen
    }
}

fn see(output: &Arc<Output>, seen: &mut Seen) {
    if let Some(cell) = &output.build.name {
        seen.insert((cell.item.clone(), output.output.clone()));
    }
}

/// The outputs that a witness is made of.
fn said(says: &Says) -> impl Iterator<Item = &Arc<Output>> {
    let (sums, signature, keys, other) = match says {
        Says::Signed { sums, signature, keys, .. } => (Some(sums), signature.as_ref(), Some(keys), None),
        Says::Unsigned { sums, .. } => (Some(sums), None, None, None),
        Says::Output(member) => (None, None, None, Some(&member.output)),
    };
    [sums, signature, keys].into_iter().flatten().filter_map(output).chain(other)
}

fn output(value: &Value) -> Option<&Arc<Output>> {
    match value {
        Value::Output(output) => Some(output),
        _ => None,
    }
}

fn builds(value: &Value) -> Vec<&Arc<Build>> {
    match value {
        Value::Build(build) => vec![build],
        Value::Matrix(matrix) => matrix.cells.values().collect(),
        _ => Vec::new(),
    }
}

/// Notes the outputs that a build reads.
fn read(build: &Arc<Build>, seen: &mut Seen) {
    let mut open: Vec<&Value> = reads_of(build);
    while let Some(value) = open.pop() {
        match value {
            Value::Output(output) => {
                see(output, seen);
                if output.build.name.is_none() {
                    open.extend(reads_of(&output.build));
                }
            }
            Value::Input(input) => {
                if let Input { source: Source::Unpack { from, .. }, .. } = &**input {
                    open.push(from);
                }
            }
            _ => {}
        }
    }
}

/// What a build reads, and what its environment is made from.
fn reads_of(build: &Build) -> Vec<&Value> {
    let mut reads: Vec<&Value> = build.inputs.values.iter().collect();
    let mut env = build.env.as_ref();
    while let Some(of) = env {
        reads.extend(of.reads());
        env = of.base();
    }
    reads
}
