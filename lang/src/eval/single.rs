//! One item by itself: what it means, what it comes to, and its derivation. Nothing that it doesn't need is looked at.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Evaluated, Evaluator, Host, order};
use crate::check::{self, Body, Known, Program};
use crate::diagnostic::{Diagnostic, Severity};
use crate::ir::ItemId;
use crate::loader::{Loader, Project};
use crate::span::{FileId, Span};
use crate::value::Value;

/// What an item came to.
#[derive(Debug)]
pub struct Single {
    /// Its value, or whether it holds when it is a `test`.
    pub value: Option<Value>,
    /// What it means: its type, or what it takes and gives.
    pub known: Known,
    /// What is wrong with it and with what it needs. Errors of syntax are the project's own.
    pub diagnostics: Vec<Diagnostic>,
    /// What a lock has to say of it, for [`super::instantiate::derivations`].
    pub evaluated: Evaluated,
}

/// Checks and evaluates the item of the root that stands at `index`, and nothing else.
pub fn single(project: &Project, index: usize, loader: &dyn Loader, host: &Host) -> Single {
    let (program, known) = checked(project, index);
    evaluated(project, index, loader, host, program, known)
}

/// The same for a project of which nothing else is asked: its trees are given up once they are checked.
pub(crate) fn last(project: &mut Project, index: usize, loader: &dyn Loader, host: &Host) -> Single {
    let (program, known) = checked(project, index);
    for module in &mut project.modules {
        module.ast.items = Vec::new();
    }
    evaluated(project, index, loader, host, program, known)
}

fn checked(project: &Project, index: usize) -> (Program, Known) {
    let (program, mut known) = check::check_only(project, &[ItemId(index as u32)]);
    (program, known.pop().unwrap_or(Known { shown: String::new(), ty: None }))
}

fn evaluated(
    project: &Project,
    index: usize,
    loader: &dyn Loader,
    host: &Host,
    program: Program,
    known: Known,
) -> Single {
    // The root's items come first.
    let id = ItemId(index as u32);
    let broken = program.diagnostics.iter().any(|found| found.severity == Severity::Error);
    let mut evaluator = Evaluator::new(project, &program, loader);
    let mut value = None;
    if !broken {
        evaluator.reach(vec![id]);
        value = match &program.items[id.index()].body {
            Body::Test(ir) | Body::Unchanged(ir) => evaluator.eval(ir).ok(),
            Body::Assert(_) => {
                let _ = evaluator.claim(id);
                None
            }
            _ => evaluator.item(id).ok(),
        };
    }
    let requests = evaluator.requests(host);
    let mut diagnostics = evaluator.diagnostics;
    diagnostics.extend(program.diagnostics.iter().cloned());
    order(&mut diagnostics);
    let top = Span { file: FileId(0), start: 0, end: 0 };
    let evaluated = Evaluated {
        requests,
        emulated: evaluator.emulated.into_keys().collect(),
        keyrings: evaluator.keyrings,
        diagnostics: Vec::new(),
        values: IndexMap::from([(Arc::from(""), value.clone().unwrap_or(Value::None))]),
        tests: Vec::new(),
        named: Vec::new(),
        comparisons: Vec::new(),
        top,
    };
    Single { value, known, diagnostics, evaluated }
}
