//! From values and a lock to a plan.

mod image;

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::comparison::{Member, Says};
use super::single::Single;
use super::{Comparison, Evaluated, Expected, Form, Host, locked};
use crate::codes;
use crate::derivation::{
    self, Derivation, DerivationId, Emulator, Environment, Fetch, GuixItem, InputRef, PoolFile, Replaced,
};
use crate::diagnostic::Diagnostic;
use crate::lock::{Closure, Facts, Lock, LockedItem, Request, SuiteAt};
use crate::plan::{self, Group, Named, Plan};
use crate::span::Span;
use crate::syntax::show_instant;
use crate::value::{Build, Env, EnvSource, Input, Output, Source, Staged, Value};

/// The plan of what was evaluated, with what the lock knows; and what is missing from the lock or stale in it. What
/// can't be instantiated, for want of a lock or because it is broken, is left out of the plan.
pub fn instantiate(evaluated: &Evaluated, lock: Option<&Lock>, host: &Host) -> (Plan, Vec<Diagnostic>) {
    let mut diagnostics = locked::judge(evaluated, lock);
    let mut plan = Instantiation::new(evaluated, lock, host);
    plan.run();
    match evaluated.requests.iter().all(|(request, _)| lock.is_some_and(|lock| lock.get(request).is_some())) {
        true => diagnostics.append(&mut plan.diagnostics),
        false => {
            // What is one derivation with any lock is said without one.
            let mut assumed = Instantiation { assumed: true, ..Instantiation::new(evaluated, lock, host) };
            assumed.run();
            diagnostics.append(&mut assumed.diagnostics);
        }
    }
    super::order(&mut diagnostics);
    (plan.plan, diagnostics)
}

/// The derivations of the environment, input, build or matrix that one item by itself came to, by the names of its
/// cells, with those they need. None for any other value; no id while something isn't locked.
pub fn derivations(
    single: &Single,
    lock: Option<&Lock>,
    host: &Host,
) -> (Vec<(String, Option<DerivationId>)>, Plan) {
    let mut plan = Instantiation::new(&single.evaluated, lock, host);
    let name = |named: Option<&str>| named.unwrap_or_default().to_owned();
    let found = match single.evaluated.values.first() {
        Some((_, Value::Env(env))) => vec![(name(env.name.as_deref()), plan.environment(env))],
        Some((_, Value::Input(input))) => vec![(name(input.name.as_deref()), plan.input(input))],
        Some((_, Value::Build(build))) => vec![(cell(build), plan.build(build))],
        Some((_, Value::Output(output))) => {
            vec![(format!("{}.{}", cell(&output.build), output.output), plan.build(&output.build))]
        }
        Some((_, Value::Matrix(matrix))) => {
            matrix.cells.values().map(|build| (cell(build), plan.build(build))).collect()
        }
        _ => Vec::new(),
    };
    (found, plan.plan)
}

fn cell(build: &Build) -> String {
    build.name.as_ref().map_or_else(|| build.recipe.to_string(), |cell| cell.to_string())
}

/// What has a derivation and may stand on others.
#[derive(Clone, Copy)]
enum Node<'a> {
    Env(&'a Arc<Env>),
    Build(&'a Arc<Build>),
    Input(&'a Arc<Input>),
}

impl<'a> Node<'a> {
    fn address(self) -> usize {
        match self {
            Node::Env(env) => Arc::as_ptr(env) as usize,
            Node::Build(build) => Arc::as_ptr(build) as usize,
            Node::Input(input) => Arc::as_ptr(input) as usize,
        }
    }

    /// What it reads, in the order written.
    fn below(self) -> impl DoubleEndedIterator<Item = Node<'a>> {
        let (env, read): (_, &'a [Value]) = match self {
            Node::Env(env) => (env.base(), env.reads()),
            Node::Build(build) => (build.env.as_ref(), &build.inputs.values),
            Node::Input(input) => match &input.source {
                Source::Unpack { from, .. } => (None, std::slice::from_ref(from)),
                _ => (None, &[]),
            },
        };
        let read = read.iter().filter_map(|value| match value {
            Value::Input(input) => Some(Node::Input(input)),
            Value::Output(output) => Some(Node::Build(&output.build)),
            _ => None,
        });
        env.into_iter().map(Node::Env).chain(read)
    }
}

struct Instantiation<'a> {
    lock: Option<&'a Lock>,
    host: Host,
    evaluated: &'a Evaluated,
    plan: Plan,
    /// The name of the one output of what is no build.
    out: Arc<str>,
    environments: BTreeMap<&'a Request, Option<DerivationId>>,
    /// The derivations of inputs and builds, by the address of the value.
    known: IndexMap<usize, Option<DerivationId>, foldhash::fast::RandomState>,
    /// What an archive publishes, for the source packages asked for.
    published: BTreeMap<SuiteAt, Vec<PoolFile>>,
    diagnostics: Vec<Diagnostic>,
    /// Whether something stands in for what isn't locked: as much one as the requests are. Such a plan is only asked
    /// which derivations are equal.
    assumed: bool,
}

impl<'a> Instantiation<'a> {
    fn new(evaluated: &'a Evaluated, lock: Option<&'a Lock>, host: &Host) -> Instantiation<'a> {
        Instantiation {
            lock,
            host: *host,
            evaluated,
            plan: Plan::default(),
            out: Arc::from("out"),
            environments: BTreeMap::new(),
            known: IndexMap::default(),
            published: BTreeMap::new(),
            diagnostics: Vec::new(),
            assumed: false,
        }
    }

    /// Everything that was evaluated.
    fn run(&mut self) {
        for (kind, name, span) in &self.evaluated.named {
            if let Some(value) = self.evaluated.values.get(name) {
                self.item(*kind, name, *span, value);
            }
        }
        self.same_environments();
        for comparison in &self.evaluated.comparisons {
            if let Some(comparison) = self.comparison(comparison) {
                self.plan.comparisons.push(comparison);
            }
        }
    }

    /// Warns of environments that have two names.
    fn same_environments(&mut self) {
        let mut first: BTreeMap<DerivationId, &Named> = BTreeMap::new();
        for named in &self.plan.names {
            if named.kind != plan::ItemKind::Env || named.name.starts_with('_') {
                continue;
            }
            let other = match first.get(&named.id) {
                Some(other) if other.name != named.name => other,
                Some(_) => continue,
                None => {
                    first.insert(named.id, named);
                    continue;
                }
            };
            let message = format!("environments `{}` and `{}` are one", other.name, named.name);
            let wrong = Diagnostic::warning(codes::SAME_ENVIRONMENT, message, named.span, "the same again")
                .label(other.span, "first here")
                .help(
                    "what is built in both is one build: give one of them another suite, instant or list of packages, \
                     or keep one name",
                );
            self.diagnostics.push(wrong);
        }
    }

    fn item(&mut self, kind: plan::ItemKind, name: &Arc<str>, span: Span, value: &'a Value) {
        let found: Vec<(String, Option<DerivationId>)> = match value {
            Value::Input(input) => vec![(name.to_string(), self.input(input))],
            Value::Output(output) => vec![(name.to_string(), self.build(&output.build))],
            Value::Env(env) => vec![(name.to_string(), self.environment(env))],
            Value::Build(build) => vec![(name.to_string(), self.build(build))],
            Value::Matrix(matrix) => matrix
                .cells
                .values()
                .map(|build| {
                    let shown = build.name.as_ref().map_or_else(|| name.to_string(), |cell| cell.to_string());
                    (shown, self.build(build))
                })
                .collect(),
            _ => Vec::new(),
        };
        let named = found.into_iter().filter_map(|(name, id)| id.map(|id| Named { name, kind, id, span }));
        self.plan.names.extend(named);
    }

    /// Puts a derivation into the plan, once.
    fn add(&mut self, derivation: Derivation) -> DerivationId {
        let id = derivation.id();
        self.plan.derivations.entry(id).or_insert(derivation);
        id
    }

    fn environment(&mut self, env: &'a Arc<Env>) -> Option<DerivationId> {
        self.settle(Node::Env(env))
    }

    /// The derivation of an environment, all that it stands on being settled.
    fn environment_derivation(&mut self, env: &'a Env) -> Option<DerivationId> {
        match &env.source {
            EnvSource::Packages(request) => {
                // Equal requests are mostly one value, but not one address.
                if let Some(known) = self.environments.get(&**request) {
                    return *known;
                }
                let id = self.locked_environment(request);
                self.environments.insert(request, id);
                id
            }
            EnvSource::Staged(staged) => self.staged_environment(staged),
            EnvSource::Guix { request, base, .. } => {
                let base = match base {
                    Some(base) => {
                        Some(InputRef { derivation: self.environment(base)?, output: self.out.clone() })
                    }
                    None => None,
                };
                self.locked_guix(request, base)
            }
            EnvSource::Image(image) => {
                let root = self.image_root(image)?;
                Some(self.add(Derivation::ImageRoot(root)))
            }
        }
    }

    /// The base with one more layer of packages in it.
    fn staged_environment(&mut self, staged: &'a Staged) -> Option<DerivationId> {
        let base = self.environment(&staged.base)?;
        let mut packages = Vec::with_capacity(staged.packages.len());
        for package in &staged.packages {
            packages.push(self.read(package)?);
        }
        packages.sort();
        packages.dedup();
        let Some(Derivation::Environment(environment)) = self.plan.derivations.get(&base) else {
            return None;
        };
        let mut environment = environment.clone();
        environment.expected = None;
        environment.replaced.push(Replaced { packages, add: staged.add.clone() });
        Some(self.add(Derivation::Environment(environment)))
    }

    fn locked_environment(&mut self, request: &Request) -> Option<DerivationId> {
        let Request::Environment { suite, arch, .. } = request else { return None };
        let facts = self.lock.and_then(|lock| lock.get(request)).map(|block| &block.facts);
        let (mut packages, tree) = match facts {
            Some(Facts::Environment { packages, tree, .. }) => {
                (packages.iter().map(|locked| locked.package.clone()).collect::<Vec<_>>(), *tree)
            }
            None if self.assumed => (vec![stand_in(request)], None),
            _ => return None,
        };
        packages.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
        let emulator = match self.host.runs(*arch) {
            true => None,
            false => Some(Arc::new(self.emulator(suite.instant)?)),
        };
        Some(self.add(Derivation::Environment(Environment {
            arch: *arch,
            archive: suite.archive_id(),
            rules: derivation::environment_rules(&packages),
            packages,
            replaced: Vec::new(),
            emulator,
            expected: tree,
            request: request.digest(),
        })))
    }

    fn locked_guix(&mut self, request: &Request, base: Option<InputRef>) -> Option<DerivationId> {
        let Request::Guix { arch, .. } = request else { return None };
        let closure = match self.lock.and_then(|lock| lock.get(request)).map(|block| &block.facts) {
            Some(Facts::Guix(closure)) => closure.clone(),
            None if self.assumed => stand_in_closure(request),
            _ => return None,
        };
        let mut items: Vec<_> = closure.items.into_iter().map(|locked| locked.item).collect();
        items.sort();
        let profile = closure.profile.iter().map(|name| format!("{}/{name}", derivation::guix::STORE));
        Some(self.add(Derivation::Guix(derivation::Guix {
            arch: *arch,
            base,
            items,
            profile: profile.collect(),
            search_paths: closure.search_paths,
            rules: derivation::guix::PROFILE_RULES,
            expected: closure.tree,
            request: request.digest(),
        })))
    }

    fn emulator(&self, instant: i64) -> Option<Emulator> {
        let suite = super::builtin::archive::emulator_suite(instant);
        let archive = suite.archive_id();
        let request = Request::Emulator { suite, host: self.host.arch };
        let package = match self.lock.and_then(|lock| lock.get(&request)).map(|block| &block.facts) {
            Some(Facts::Emulator(locked)) => locked.package.clone(),
            None if self.assumed => stand_in(&request),
            _ => return None,
        };
        Some(Emulator { host: self.host.arch, package, archive })
    }

    /// What a build reads: an input, or an output of another build.
    fn read(&mut self, value: &'a Value) -> Option<InputRef> {
        match value {
            Value::Input(input) => {
                Some(InputRef { derivation: self.input(input)?, output: self.out.clone() })
            }
            Value::Output(output) => self.output(output),
            _ => None,
        }
    }

    fn output(&mut self, output: &'a Output) -> Option<InputRef> {
        Some(InputRef { derivation: self.build(&output.build)?, output: output.output.clone() })
    }

    fn input(&mut self, input: &'a Arc<Input>) -> Option<DerivationId> {
        self.settle(Node::Input(input))
    }

    /// The derivation of an input or build. What lies below is made first, without recursion: towers may be high.
    fn settle(&mut self, top: Node<'a>) -> Option<DerivationId> {
        if let Some(known) = self.known.get(&top.address()) {
            return *known;
        }
        let mut open = vec![(top, false)];
        while let Some((node, ready)) = open.pop() {
            if self.known.contains_key(&node.address()) {
                continue;
            }
            if !ready {
                open.push((node, true));
                let all = open.len();
                let known = |node: &Node<'_>| self.known.contains_key(&node.address());
                open.extend(node.below().rev().filter(|below| !known(below)).map(|below| (below, false)));
                if open.len() > all {
                    continue;
                }
                // Nothing it stands on is left to do: mostly so, since items come in the order of their needs.
                open.pop();
            }
            let id = match node {
                Node::Env(env) => self.environment_derivation(env),
                Node::Build(build) => self.build_derivation(build).map(|derivation| {
                    let id = self.add(derivation);
                    if build.name.is_none() {
                        self.plan.labels.entry(id).or_insert_with(|| super::fixpoint::label(build));
                    }
                    id
                }),
                Node::Input(input) => self.fetch(&input.source).map(|fetch| {
                    let id = self.add(Derivation::Fetch(fetch));
                    if let Some(label) = super::fixpoint::label_of_input(input) {
                        self.plan.labels.entry(id).or_insert(label);
                    }
                    id
                }),
            };
            self.known.insert(node.address(), id);
        }
        self.known.get(&top.address()).copied().flatten()
    }

    fn fetch(&mut self, source: &'a Source) -> Option<Fetch> {
        Some(match source {
            Source::Url { urls, digest, name } => {
                Fetch::Url { urls: urls.clone(), digest: *digest, name: name.clone() }
            }
            Source::Git { url, commit, reference, submodules } => Fetch::Git {
                url: url.clone(),
                commit: commit.clone(),
                reference: reference.clone(),
                submodules: *submodules,
            },
            Source::Local { place, local } => Fetch::Local {
                path: place.path.to_string(),
                package: place.package,
                digest: local.digest,
                folder: local.folder,
                executable: local.executable,
            },
            Source::Unpack { from, strip } => Fetch::Unpack { from: self.read(from)?, strip: *strip },
            Source::Package(request) => {
                let Request::Source { suite, name, .. } = &**request else { return None };
                let facts = self.lock.and_then(|lock| lock.get(request)).map(|block| &block.facts);
                let (version, files) = match facts {
                    Some(Facts::Source { version, files, .. }) => (version.as_str(), files.clone()),
                    None if self.assumed => {
                        let derivation::Package { name, digest, size, path, origin, .. } = stand_in(request);
                        ("", vec![PoolFile { name, digest, size, path, origin }])
                    }
                    _ => return None,
                };
                Fetch::Pool { archive: suite.archive_id(), name: format!("{name} {version}"), files }
            }
        })
    }

    fn build(&mut self, build: &'a Arc<Build>) -> Option<DerivationId> {
        self.settle(Node::Build(build))
    }

    fn build_derivation(&mut self, build: &'a Build) -> Option<Derivation> {
        if let Some(image) = &build.image {
            return self.image(image, build);
        }
        let of = build.env.as_ref()?;
        let env = self.environment(of)?;
        let mut inputs = Vec::with_capacity(build.inputs.values.len());
        let mut whole = true;
        for (name, value) in build.inputs.iter() {
            // Every input is looked at, so that all that is missing from a lock is known at once.
            match self.read(value) {
                Some(input) => inputs.push((name.clone(), input)),
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        let arch = of.arch()?;
        let emulator = match (self.host.runs(arch), of.instant()) {
            (true, _) => None,
            (false, Some(instant)) => Some(Arc::new(self.emulator(instant)?)),
            (false, None) => {
                self.unemulated(of, arch, build.span);
                return None;
            }
        };
        let vars = build.vars.iter().map(|(name, value)| {
            let text = match value {
                Value::Text(text) => text.clone(),
                other => Arc::from(other.to_text()?),
            };
            Some((name.clone(), text))
        });
        let outputs = build.outputs.iter().map(|(name, value)| match value {
            Value::Spec(spec) => Some((name.clone(), spec.clone())),
            _ => None,
        });
        Some(Derivation::Build(derivation::Build {
            arch,
            env: InputRef { derivation: env, output: self.out.clone() },
            inputs: inputs.into_iter().collect(),
            workdir: build.workdir.clone(),
            script: build.script.clone(),
            shell: build.shell,
            vars: vars.collect::<Option<_>>()?,
            outputs: outputs.collect::<Option<_>>()?,
            timeout: build.timeout,
            emulator,
        }))
    }

    /// Reports a build of another architecture in an environment that brings no emulator.
    fn unemulated(&mut self, env: &Env, arch: derivation::Arch, span: Span) {
        let message =
            format!("nothing here runs {}, and the image doesn't say which emulator would", arch.name());
        let wrong = Diagnostic::error(codes::ARCH, message, span, "of another architecture")
            .label(env.span, "the image")
            .help(
                "name the instant of Debian that an emulator is locked from: `emulator = 2026-11-22T00:00:00Z`; or run \
                 it on a machine of that architecture",
            );
        self.diagnostics.push(wrong);
    }

    fn comparison(&mut self, comparison: &'a Comparison) -> Option<plan::Comparison> {
        let span = comparison.span;
        let form = match &comparison.form {
            Form::Identical { members, groups, across, place } => {
                let members = self.members(members)?;
                let groups: Vec<Group> = groups
                    .iter()
                    .map(|(name, held, span)| Group {
                        name: name.clone(),
                        members: held.clone(),
                        span: *span,
                    })
                    .collect();
                self.distinct(&members, &groups, *across, *place);
                plan::Form::Identical { members, groups, across: *across }
            }
            Form::Matches { members, expected, place } => {
                let known = self.members(members)?;
                let mut wanted = Vec::with_capacity(expected.len());
                for (member, expected) in members.iter().zip(expected) {
                    wanted.push(self.expected(member, expected)?);
                }
                for (member, expected) in known.iter().zip(&wanted) {
                    if let plan::Expected::Output(other) = expected
                        && other.derivation == member.output.derivation
                    {
                        self.with_itself(&member.key, *place);
                    }
                }
                plan::Form::Matches { members: known, expected: wanted }
            }
            Form::Differ { a, b } => {
                let a = self.members(std::slice::from_ref(a))?.pop()?;
                let b = self.members(std::slice::from_ref(b))?.pop()?;
                if a.output.derivation == b.output.derivation {
                    self.with_itself(&a.key, span);
                }
                plan::Form::Differ { a, b }
            }
            Form::Reproducible { name, outputs, times, vary } => {
                let outputs = self.members(outputs)?;
                let build = outputs.first()?.output.derivation;
                let (name, vary) = (name.clone(), vary.clone());
                plan::Form::Reproducible { build, name, outputs, times: *times, vary }
            }
            Form::Agreed { member, k, of, place } => {
                let known = self.members(std::slice::from_ref(member))?.pop()?;
                let mut witnesses = Vec::with_capacity(of.len());
                for witness in of {
                    let says = self.says(&witness.says)?;
                    if let plan::Says::Output(other) = &says
                        && other.output.derivation == known.output.derivation
                    {
                        self.with_itself(&known.key, *place);
                    }
                    witnesses.push(plan::Witness { name: witness.name.clone(), span: witness.span, says });
                }
                plan::Form::Agreed { member: known, k: *k, of: witnesses }
            }
            Form::Fixpoint { names, stages, place } => {
                let stages = stages.iter().map(|stage| self.members(stage)).collect::<Option<Vec<_>>>()?;
                self.diagnostics.extend(super::fixpoint::follow(&self.plan, &stages, *place));
                plan::Form::Fixpoint { names: names.clone(), stages }
            }
        };
        Some(plan::Comparison {
            name: comparison.name.to_string(),
            span,
            form,
            equality: comparison.relation.clone(),
            at_least: comparison.at_least,
            expect: comparison.expect.clone(),
            places: comparison.places,
        })
    }

    /// What a witness says it by, its files being inputs of the plan.
    fn says(&mut self, says: &'a Says) -> Option<plan::Says> {
        let path = |at: &Option<Arc<str>>| at.as_deref().map(str::to_owned);
        Some(match says {
            Says::Signed { sums, at, signature, keys } => plan::Says::Signed {
                sums: self.read(sums)?,
                at: path(at),
                signature: match signature {
                    Some(signature) => Some(self.read(signature)?),
                    None => None,
                },
                keys: self.read(keys)?,
            },
            Says::Unsigned { sums, at, why } => {
                plan::Says::Unsigned { sums: self.read(sums)?, at: path(at), why: why.to_string() }
            }
            Says::Output(member) => plan::Says::Output(self.members(std::slice::from_ref(member))?.pop()?),
        })
    }

    fn members(&mut self, members: &'a [Member]) -> Option<Vec<plan::Member>> {
        members
            .iter()
            .map(|member| {
                Some(plan::Member { key: member.key.clone(), output: self.output(&member.output)? })
            })
            .collect()
    }

    /// Reports groups whose members are one derivation, and groups that share one although they must differ.
    fn distinct(&mut self, members: &[plan::Member], groups: &[Group], across: plan::Across, place: Span) {
        let whole = Group { name: String::new(), members: (0..members.len()).collect(), span: place };
        let compared = if groups.is_empty() { std::slice::from_ref(&whole) } else { groups };
        for group in compared {
            let mut first: BTreeMap<DerivationId, usize> = BTreeMap::new();
            for index in &group.members {
                first.entry(members[*index].output.derivation).or_insert(*index);
            }
            if group.members.len() > 1 && first.len() == 1 {
                let keys =
                    crate::nearest::listed(group.members.iter().map(|index| members[*index].key.as_str()));
                self.same(format!("{keys} are one build: it would be compared with itself"), group.span);
            }
        }
        if across == plan::Across::Differ {
            self.shared(members, groups);
        }
    }

    /// Reports groups that must differ and share a derivation, each pair once.
    fn shared(&mut self, members: &[plan::Member], groups: &[Group]) {
        let mut first: BTreeMap<DerivationId, usize> = BTreeMap::new();
        let mut pairs: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
        for (index, group) in groups.iter().enumerate() {
            for member in &group.members {
                let other = *first.entry(members[*member].output.derivation).or_insert(index);
                if other != index {
                    pairs.entry((other, index)).or_default().push(&members[*member].key);
                }
            }
        }
        for ((other, index), keys) in pairs {
            let message = format!(
                "group `{}` shares a build with group `{}` ({}): they can't differ",
                groups[index].name,
                groups[other].name,
                crate::nearest::listed(keys)
            );
            self.same(message, groups[index].span);
        }
    }

    fn with_itself(&mut self, key: &str, span: Span) {
        self.same(format!("`{key}` would be compared with itself: both are one build"), span);
    }

    fn same(&mut self, message: String, span: Span) {
        let help = "what is compared is built apart: in another environment, from another input, or by another script";
        self.diagnostics.push(Diagnostic::error(codes::SAME, message, span, "one derivation").help(help));
    }

    fn expected(&mut self, member: &'a Member, expected: &'a Expected) -> Option<plan::Expected> {
        Some(match expected {
            Expected::Digest(digest, span) => plan::Expected::Digest { digest: *digest, span: *span },
            Expected::Output(output) => plan::Expected::Output(self.output(output)?),
            Expected::Published(at) => {
                let mut files: Vec<PoolFile> = Vec::new();
                for request in sources_of(&member.output.build, at) {
                    files.extend(self.binaries(request)?);
                }
                if files.is_empty() {
                    files = self.published_by(at)?;
                }
                files.sort();
                files.dedup();
                let by = format!("{} {} {}", at.archive, at.suite, show_instant(at.instant));
                plan::Expected::Published { by, files, archive: at.archive_id() }
            }
        })
    }

    fn binaries(&self, request: &Request) -> Option<Vec<PoolFile>> {
        match &self.lock?.get(request)?.facts {
            Facts::Source { binaries, .. } => Some(binaries.clone()),
            _ => None,
        }
    }

    /// What an archive publishes for all source packages that the file takes from it.
    fn published_by(&mut self, at: &SuiteAt) -> Option<Vec<PoolFile>> {
        if let Some(known) = self.published.get(at) {
            return Some(known.clone());
        }
        let mut files = Vec::new();
        for (request, _) in &self.evaluated.requests {
            if matches!(request, Request::Source { suite, .. } if suite == at) {
                files.extend(self.binaries(request)?);
            }
        }
        self.published.insert(at.clone(), files.clone());
        Some(files)
    }
}

/// The source packages of an archive that a build reads itself.
fn sources_of<'v>(build: &'v Build, at: &SuiteAt) -> Vec<&'v Request> {
    let mut open: Vec<&Value> = build.inputs.values.iter().collect();
    let mut found = Vec::new();
    while let Some(value) = open.pop() {
        let Value::Input(input) = value else { continue };
        match &input.source {
            Source::Package(request) if request.suite() == Some(at) => found.push(&**request),
            Source::Unpack { from, .. } => open.push(from),
            _ => {}
        }
    }
    found
}

/// What stands for the packages of a request that isn't locked.
fn stand_in(request: &Request) -> derivation::Package {
    derivation::Package {
        name: request.title(),
        arch: String::new(),
        version: String::new(),
        digest: request.digest(),
        size: 0,
        path: String::new(),
        origin: None,
    }
}

/// What stands for the closure of a request that isn't locked.
fn stand_in_closure(request: &Request) -> Closure {
    let item = GuixItem { path: request.title(), nar_hash: request.digest(), nar_size: 0 };
    let locked = LockedItem { item, references: Vec::new(), signer: String::new() };
    Closure { items: vec![locked], ..Closure::default() }
}
