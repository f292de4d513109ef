//! Evaluation: from checked modules to values. Strict, total and bounded.
//!
//! Every item of the root is evaluated, once, after those it needs; items of other modules when
//! something needs them. An error stops the item it is in and, silently, those that need it;
//! all others go on, so that a run says all that is wrong. Nothing of a lock is known here.

mod again;
mod build;
mod builtin;
mod comparison;
mod expression;
mod fixpoint;
pub mod instantiate;
mod locked;
pub mod pins;
pub mod single;
pub mod test;
#[cfg(test)]
mod tests;
mod uncompared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::check::{self, Body, Program};
use crate::codes;
use crate::derivation::Arch;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::digest::Digest;
use crate::ir::ItemId;
use crate::loader::{Loader, Local, ModuleId, Place, Project};
use crate::lock::{Request, SuiteAt};
use crate::plan::ItemKind;
use crate::span::Span;
use crate::value::{Cell, Value};
pub(crate) use comparison::{Comparison, Expected, Form};
pub use test::{Outcome, Test};

/// What the language is told of the machine it runs on.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its architecture.
    pub arch: Arch,
}

impl Host {
    /// Whether the machine's own processor runs programs of an architecture.
    pub fn runs(&self, arch: Arch) -> bool {
        runs(self.arch, arch)
    }
}

fn runs(host: Arch, arch: Arch) -> bool {
    host == arch || host == Arch::Amd64 && arch == Arch::I386
}

/// What a project came to.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// What must be locked, each once, with the place that first asks for it. The emulators that this host needs
    /// are among them.
    pub requests: Vec<(Request, Span)>,
    /// Architectures for which the file names the instant of an emulator, for machines that need one.
    emulated: Vec<(Arch, i64)>,
    /// The files whose keys sign archives that rbld has no keys of, by digest.
    pub keyrings: BTreeMap<Digest, Place>,
    /// Everything found wrong: of loading, checking and evaluating.
    pub diagnostics: Vec<Diagnostic>,
    /// The values of the root's `let`, `input`, `env` and `build` items, by name.
    pub values: IndexMap<Arc<str>, Value>,
    /// The `test` items of the root, then those of the project's other files.
    pub tests: Vec<Test>,
    /// The root's items that name derivations, in the file's order.
    named: Vec<(ItemKind, Arc<str>, Span)>,
    comparisons: Vec<Comparison>,
    /// The first line of the root, for what has no better place.
    top: Span,
}

impl Evaluated {
    /// Whether any error was found.
    pub fn is_broken(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether a lock's block is wanted: a request leads to it, or it holds the emulator that a machine of another
    /// architecture needs for the same file.
    pub fn wants(&self, title: &Request) -> bool {
        if let Request::Emulator { suite, host } = title {
            let serves =
                |arch, instant| !runs(*host, arch) && *suite == builtin::archive::emulator_suite(instant);
            let by_archive = self.requests.iter().any(|(request, _)| match request {
                Request::Environment { suite: of, arch, .. } => serves(*arch, of.instant),
                _ => false,
            });
            return by_archive || self.emulated.iter().any(|(arch, instant)| serves(*arch, *instant));
        }
        self.requests.iter().any(|(request, _)| request == title)
    }
}

/// Checks and evaluates a project.
pub fn evaluate(project: &Project, loader: &dyn Loader, host: &Host) -> Evaluated {
    let program = check::check(project);
    let mut evaluator = Evaluator::new(project, &program, loader);
    evaluator.run();
    evaluator.finish(host)
}

/// An error was reported; whatever was being evaluated has no value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop;

type Eval<T> = Result<T, Stop>;

/// How many steps an evaluation may take.
const STEPS: u64 = if cfg!(test) { 300_000 } else { 10_000_000 };

/// How many bytes of a text are a step.
const TEXT: usize = 8;

/// After how many steps it is asked whether somebody still waits.
const POLL: u64 = 1 << 14;

/// How deep evaluation may nest: expressions in functions in functions.
const DEPTH: u32 = 600;

/// How many builds and inputs may stand on each other.
const TOWER: u32 = 100_000;

struct Evaluator<'a> {
    project: &'a Project,
    program: &'a Program,
    loader: &'a dyn Loader,
    /// Whether each text is one of the standard library.
    std: Vec<bool>,
    values: Vec<Option<Eval<Value>>>,
    /// The local values of all calls that are open; those of the innermost from `base` on.
    stack: Vec<Value>,
    base: usize,
    /// Where the open calls were written.
    calls: Vec<Span>,
    depth: u32,
    steps: u64,
    requests: BTreeMap<Arc<Request>, Span>,
    /// The requests in the order made.
    order: Vec<Arc<Request>>,
    /// Where environments are that have no archive's instant, one place an architecture.
    unplaced: BTreeMap<Arch, Span>,
    /// Architectures for which the file itself names the instant of an emulator, and where.
    emulated: BTreeMap<(Arch, i64), Span>,
    locals: BTreeMap<Place, Option<Local>>,
    keyrings: BTreeMap<Digest, Place>,
    /// What is asked of the world, where somebody wants to know.
    asked: Option<Vec<pins::Asked>>,
    tests: Vec<Test>,
    comparisons: Vec<Comparison>,
    reported: BTreeSet<(Code, Span, String)>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Evaluator<'a> {
    fn new(project: &'a Project, program: &'a Program, loader: &'a dyn Loader) -> Evaluator<'a> {
        Evaluator {
            project,
            program,
            loader,
            std: project.sources.iter().map(|(_, source)| source.name.starts_with("<std>/")).collect(),
            values: vec![None; program.items.len()],
            stack: Vec::new(),
            base: 0,
            calls: Vec::new(),
            depth: 0,
            steps: 0,
            requests: BTreeMap::new(),
            order: Vec::new(),
            unplaced: BTreeMap::new(),
            emulated: BTreeMap::new(),
            locals: BTreeMap::new(),
            keyrings: BTreeMap::new(),
            asked: None,
            tests: Vec::new(),
            comparisons: Vec::new(),
            reported: BTreeSet::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Evaluates every item of the root and what they need.
    fn run(&mut self) {
        let of_root = |id: &ItemId| self.program.items[id.index()].module == ModuleId::ROOT;
        let roots: Vec<ItemId> = (0..self.program.items.len() as u32).map(ItemId).filter(of_root).collect();
        self.reach(roots.clone());
        for id in roots {
            let _ = self.claim(id);
        }
        self.tests_of_others();
    }

    /// Evaluates the `test` items of the project's other files. What those ask to be locked isn't asked for: it is theirs,
    /// and the root is built without it.
    fn tests_of_others(&mut self) {
        let is_test = |id: &ItemId| {
            let item = &self.program.items[id.index()];
            let module = &self.project.modules[item.module.index()];
            let other = item.module != ModuleId::ROOT && module.is_own();
            other && matches!(item.body, Body::Test(_) | Body::Unchanged(_))
        };
        let tests: Vec<ItemId> = (0..self.program.items.len() as u32).map(ItemId).filter(is_test).collect();
        let asked = self.order.len();
        self.reach(tests.clone());
        for id in tests {
            let _ = self.claim(id);
        }
        for request in self.order.drain(asked..) {
            self.requests.remove(&request);
        }
    }

    /// Evaluates items and what they need, in an order that doesn't nest.
    fn reach(&mut self, mut open: Vec<ItemId>) {
        let mut wanted = vec![false; self.program.items.len()];
        while let Some(id) = open.pop() {
            if !std::mem::replace(&mut wanted[id.index()], true) {
                open.extend(&self.program.items[id.index()].needs);
            }
        }
        for id in &self.program.order {
            let body = &self.program.items[id.index()].body;
            let valued = matches!(body, Body::Let(_) | Body::Input(_) | Body::Env(_) | Body::Build(_));
            if valued && wanted[id.index()] {
                // What went wrong was reported, and those that need it stop too.
                let _ = self.item(*id);
            }
        }
    }

    /// The value of an item.
    fn item(&mut self, id: ItemId) -> Eval<Value> {
        if let Some(value) = &self.values[id.index()] {
            return value.clone();
        }
        let item = &self.program.items[id.index()];
        let stack = std::mem::take(&mut self.stack);
        let calls = std::mem::take(&mut self.calls);
        let base = std::mem::replace(&mut self.base, 0);
        let value = match &item.body {
            Body::Let(ir) => self.eval(ir).map(|value| tagged(value, &item.name, false)),
            Body::Input(ir) | Body::Env(ir) => self.eval(ir).map(|value| tagged(value, &item.name, true)),
            Body::Build(build) => self.build_item(build, &item.name),
            _ => Err(Stop),
        };
        self.stack = stack;
        self.calls = calls;
        self.base = base;
        self.values[id.index()] = Some(value.clone());
        value
    }

    /// Evaluates an `assert` or `test` of the root.
    fn claim(&mut self, id: ItemId) -> Eval<()> {
        let item = &self.program.items[id.index()];
        match &item.body {
            Body::Assert(comparison) => {
                let comparison = self.comparison(comparison, &item.name)?;
                self.comparisons.push(comparison);
            }
            Body::Test(_) | Body::Unchanged(_) => self.test(id)?,
            _ => {}
        }
        Ok(())
    }

    /// Takes steps of the bounded number; `count` is the size of what is about to be made.
    fn spend(&mut self, count: usize, span: Span) -> Eval<()> {
        let before = self.steps;
        self.steps = self.steps.saturating_add(count as u64);
        if before / POLL != self.steps / POLL && self.loader.stopped() {
            self.steps = STEPS + 1;
            return Err(Stop);
        }
        if self.steps <= STEPS {
            return Ok(());
        }
        if before <= STEPS {
            let message = format!("evaluation takes more than {STEPS} steps");
            self.report(
                Diagnostic::error(codes::TOO_DEEP, message, self.place(span), "given up here")
                    .help("the sizes of loops inside loops multiply: run over less"),
            );
        }
        Err(Stop)
    }

    /// The innermost place in the user's own files: `span`, or the call that led there.
    fn place(&self, span: Span) -> Span {
        let own = |span: &Span| !self.std.get(span.file.0 as usize).copied().unwrap_or(false);
        if own(&span) {
            return span;
        }
        self.calls.iter().rev().copied().find(own).unwrap_or(span)
    }

    /// Reports an error, once, that doesn't depend on the calls that led to it.
    fn report_here(&mut self, diagnostic: Diagnostic) {
        let calls = std::mem::take(&mut self.calls);
        self.report(diagnostic);
        self.calls = calls;
    }

    /// Reports an error, once, with the calls that led to it.
    fn report(&mut self, mut diagnostic: Diagnostic) {
        let Some(place) = diagnostic.labels.first().map(|label| label.span) else { return };
        if !self.reported.insert((diagnostic.code, place, diagnostic.message.clone())) {
            return;
        }
        let own = |span: &&Span| !self.std.get(span.file.0 as usize).copied().unwrap_or(false);
        let mut calls: Vec<Span> =
            self.calls.iter().rev().filter(own).filter(|span| **span != place).take(2).copied().collect();
        // However deep inside of packages: the call in the project itself is among them.
        if self.project.in_library(place) && calls.iter().all(|call| self.project.in_library(*call)) {
            calls.extend(self.calls.iter().rev().find(|call| !self.project.in_library(**call)));
        }
        for call in calls {
            diagnostic = diagnostic.label(call, "in this call");
        }
        self.diagnostics.push(diagnostic);
    }

    /// Reports an error at a place, as the user sees it, and stops.
    fn stop<T>(
        &mut self,
        code: Code,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Eval<T> {
        let place = self.place(span);
        self.report(Diagnostic::error(code, message, place, label).help(help));
        Err(Stop)
    }

    /// What must be locked, each once.
    fn requests(&mut self, host: &Host) -> Vec<(Request, Span)> {
        let mut requests: Vec<(Request, Span)> = Vec::with_capacity(self.order.len());
        let mut emulators: BTreeMap<SuiteAt, Span> = BTreeMap::new();
        for request in &self.order {
            let span = self.requests[request];
            if let Request::Environment { suite, arch, .. } = &**request
                && !host.runs(*arch)
            {
                emulators.entry(builtin::archive::emulator_suite(suite.instant)).or_insert(span);
            }
            requests.push(((**request).clone(), span));
        }
        for (arch, span) in std::mem::take(&mut self.unplaced) {
            if !host.runs(arch) {
                self.no_emulator(arch, span);
            }
        }
        for ((arch, instant), span) in &self.emulated {
            if !host.runs(*arch) {
                emulators.entry(builtin::archive::emulator_suite(*instant)).or_insert(*span);
            }
        }
        for (suite, span) in emulators {
            self.emulator_exists(&suite, host, span);
            requests.push((Request::Emulator { suite, host: host.arch }, span));
        }
        requests
    }

    fn finish(mut self, host: &Host) -> Evaluated {
        self.uncompared();
        let requests = self.requests(host);
        let mut values = IndexMap::new();
        let mut named = Vec::new();
        for (item, value) in self.program.items.iter().zip(self.values) {
            if item.module != ModuleId::ROOT {
                continue;
            }
            let kind = match &item.body {
                Body::Input(_) => Some(ItemKind::Input),
                Body::Env(_) => Some(ItemKind::Env),
                Body::Build(_) => Some(ItemKind::Build),
                _ => None,
            };
            named.extend(kind.map(|kind| (kind, item.name.clone(), item.span)));
            if let Some(Ok(value)) = value {
                values.insert(item.name.clone(), value);
            }
        }
        let mut diagnostics = self.project.diagnostics.clone();
        diagnostics.extend(self.program.diagnostics.iter().cloned());
        diagnostics.extend(self.diagnostics);
        self.project.show_uses(&mut diagnostics);
        order(&mut diagnostics);
        // What is known before evaluation is sometimes met again by it.
        diagnostics.dedup_by(|again, first| {
            again.code == first.code
                && again.message == first.message
                && again.labels.first() == first.labels.first()
        });
        let file = self.project.modules.first().map_or(crate::span::FileId(0), |module| module.file);
        let text = &self.project.sources.get(file).text;
        let line = text.split('\n').next().unwrap_or("").len() as u32;
        let top = self.project.modules.first().and_then(|module| module.ast.edition.as_ref());
        let top = top.map_or(Span { file, start: 0, end: line }, |edition| edition.span);
        Evaluated {
            requests,
            emulated: self.emulated.into_keys().collect(),
            keyrings: self.keyrings,
            diagnostics,
            values,
            tests: self.tests,
            named,
            comparisons: self.comparisons,
            top,
        }
    }
}

/// Puts diagnostics in the order of the files: errors and warnings as they are met when reading.
pub(crate) fn order(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span));
}

/// The value of an item, which knows the item's name from now on. `always`, or only when it has none yet.
fn tagged(value: Value, name: &Arc<str>, always: bool) -> Value {
    match value {
        Value::Env(env) if always || env.name.is_none() => {
            let mut env = Arc::unwrap_or_clone(env);
            env.name = Some(name.clone());
            Value::Env(Arc::new(env))
        }
        Value::Input(input) if always || input.name.is_none() => {
            let mut input = Arc::unwrap_or_clone(input);
            input.name = Some(name.clone());
            Value::Input(Arc::new(input))
        }
        Value::Archive(archive) if archive.name.is_none() => {
            let mut archive = Arc::unwrap_or_clone(archive);
            archive.name = Some(name.clone());
            Value::Archive(Arc::new(archive))
        }
        other => other,
    }
}

/// A build that knows its name.
fn named(build: Arc<crate::value::Build>, cell: Cell) -> Arc<crate::value::Build> {
    let mut build = build;
    Arc::make_mut(&mut build).name = Some(cell);
    build
}
