//! Environments: a locked list of packages becomes one tree, the same on every machine.
//!
//! Each package is taken apart once, ever ([`deb`], kept as a realisation of its own); the parts are merged
//! in memory ([`merge`], [`dpkg`]), the maintainer scripts run once over the result ([`configure`]), what they
//! wrote is laid over it ([`layer`]) and made equal everywhere ([`normalise`]). Scripts only ever see an overlay,
//! so they can't touch a blob of the store. Where packages come from and what becomes of the tree is the caller's
//! matter. The rules are written down in `spec/09-environments.md`.

mod base;
mod built;
mod configure;
mod deb;
mod dpkg;
pub mod guix;
mod layer;
mod merge;
mod normalise;
mod package;
mod relations;
mod settle;
#[cfg(test)]
mod testing;
pub mod toolchain;
mod unpack;
pub mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rbld_lang::derivation::{Derivation, DerivationId, Emulator, Environment, LATEST_RULES, Package};
use rbld_lang::digest::Digest;

use self::base::Base;
use self::configure::Stages;
use self::package::Part;
use crate::executor::{Cancel, Executor, Isolation};
use crate::failure::{Doing, Failure, Kind, Result};
use crate::progress::{Progress, Step, Task};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Laid, Object, Placed, Realisation, Scratch, Store};

pub use built::{Given, Staged, stage};
pub use normalise::rules;
pub use settle::settle;
pub use unpack::Fetch;

/// The greatest file that a rule edits, in bytes.
const EDIT_LIMIT: u64 = 16 << 20;

/// What environments are made with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Where trees are kept.
    pub store: &'a Store,
    /// What runs the maintainer scripts.
    pub executor: &'a dyn Executor,
    /// Brings the file of a package.
    pub fetch: &'a Fetch<'a>,
    /// Who is told how it goes.
    pub progress: &'a Progress,
    /// Set when it is to stop.
    pub cancel: &'a Cancel,
    /// What a person calls what is made.
    pub name: &'a str,
}

/// Makes the tree of an environment and records it under its key. Output `out` is the tree; the facts say how it
/// was made: `packages`, `rules`, `seconds`, `isolation`, and `emulated` where a foreign machine was.
pub fn realise(env: &Environment, key: Digest, tools: Tools<'_>) -> Result<Realisation> {
    let staged = Staged { environment: env.clone(), made: BTreeMap::new(), unused: Vec::new() };
    realise_stage(&staged, Derivation::Environment(env.clone()).id(), key, tools)
}

/// The same of an environment with packages that builds made, which are in the store. `id` is that of the derivation
/// that names the builds. Further facts: `built`, the packages that builds made, and `unused`, those that stand for
/// none.
pub fn realise_stage(
    staged: &Staged,
    id: DerivationId,
    key: Digest,
    tools: Tools<'_>,
) -> Result<Realisation> {
    let env = &staged.environment;
    if !env.replaced.is_empty() {
        return Err(Failure::bug("an environment was to be made before its packages were known"));
    }
    if !(1..=LATEST_RULES).contains(&env.rules) {
        return Err(Failure::input(format!("the environment was locked under rules {}", env.rules))
            .fact(format!("this rbld configures and normalises by rules 1 to {LATEST_RULES}"))
            .help("run `rbld lock`, or the rbld that locked it"));
    }
    make(staged, id, key, tools)
}

/// A static qemu-user for the machine, ready to be run: from the package of the lock, unpacked once.
pub fn emulator(emulator: &Emulator, machine: &str, tools: Tools<'_>) -> Result<PathBuf> {
    let packages = std::slice::from_ref(&emulator.package);
    let task = tools.progress.begin(Step::Unpack, &emulator.package.name);
    let batch = tools.store.batch()?;
    let (parts, new) = unpack::parts(packages, &emulator.archive, tools, &task, &batch)?;
    batch.commit(&new)?;
    task.done("");
    // Up to Debian 12 the static one has its own name, since 13 there is no other.
    for name in [format!("usr/bin/qemu-{machine}-static"), format!("usr/bin/qemu-{machine}")] {
        if let Some(Node::File { digest, size, executable: true }) = parts[0].data.get(&name) {
            let file = Object::File { digest: *digest, size: *size, executable: true };
            return tools.store.ready_file(&file);
        }
    }
    Err(Failure::world(format!("the package `{}` holds no qemu for `{machine}`", emulator.package.name))
        .fact(format!("looked for usr/bin/qemu-{machine}-static and usr/bin/qemu-{machine}"))
        .help("lock a package that holds static qemu-user programs: `qemu-user-static`, or `qemu-user` of Debian 13"))
}

/// Makes what isn't there yet.
fn make(staged: &Staged, id: DerivationId, key: Digest, tools: Tools<'_>) -> Result<Realisation> {
    let begun = Instant::now();
    let (env, store) = (&staged.environment, tools.store);
    let name = tools.name.to_owned();
    let task = tools.progress.begin(Step::Unpack, &name);
    let batch = store.batch()?;
    let (parts, new) = parts(staged, tools, &task, &batch)?;
    let order = package::order(&parts);
    let holds = match staged.made.is_empty() {
        true => Ok(()),
        false => relations::check(&parts, &staged.made, env.arch.name()),
    };
    let start = holds.and_then(|()| Start::new(env, &parts, &order, &batch));
    let placed = batch.place()?;
    let start = match start {
        Ok(start) => start,
        // What was unpacked stays, even if these packages don't go together.
        Err(failure) => return placed.record(&new).and(Err(failure)),
    };
    let emulated = match &env.emulator {
        Some(locked) => Some(emulator(locked, env.arch.machine(), tools)?),
        None => None,
    };
    let laid = store.lay_out(start.root)?;
    task.done(format!("{} packages", parts.len()));

    let task = tools.progress.begin(Step::Configure, &name);
    let log = store.log_path(id);
    let mut work = Work {
        env,
        tools,
        emulated: emulated.as_deref(),
        log: &log,
        more: false,
        task: &task,
        laid,
        waiting: Some((placed, new)),
    };
    let mut missing = start.missing;
    let mut stages = start.stages;
    if let Some(first) = start.base {
        let (members, order) = (&first.members, package::order(&first.members));
        let ran = work.run(members, &order, Stages::First)?;
        let batch = store.batch()?;
        let mut root = work.laid.folder().clone();
        layer::apply(&ran.upper, &mut root, &batch, &base::wanted)?;
        let base = Base::new(work.laid.folder(), &root, ran.missing);
        let record = base.write(first.key, &batch)?;
        let over = base.over(&first.all.root, &|path: &str| first.all.owners.contains_key(path), &batch)?;
        work.waiting = Some((batch.place()?, vec![record]));
        if over.is_some() {
            missing = base.missing;
            stages = Stages::Later;
        }
        work.laid.change(over.unwrap_or(first.all.root))?;
        ran.scratch.sweep();
    }
    let ran = work.run(&parts, &order, stages)?;
    missing.extend(ran.missing);

    let batch = store.batch()?;
    let mut root = work.laid.folder().clone();
    let left_out = layer::apply(&ran.upper, &mut root, &batch, &normalise::wanted)?;
    finish(&mut root, env.rules, &batch)?;
    let out = tree::write(&batch, &root)?;
    let mut facts = facts(staged, &missing, begun);
    if !left_out.is_empty() {
        facts.insert("left-out".to_owned(), left_out.join(" "));
    }
    let realisation = Realisation { key, outputs: BTreeMap::from([("out".to_owned(), out)]), facts };
    let placed = batch.place()?;
    work.laid.change(root)?;
    work.laid.keep(out.digest(), placed, &[(id, realisation.clone())])?;
    ran.scratch.sweep();
    task.done(out.digest().short());
    Ok(realisation)
}

/// What is configured first.
struct Start {
    root: Folder,
    stages: Stages,
    /// The base, if it is to be made: then the root holds its packages alone.
    base: Option<First>,
    /// What the sandbox lacked in which the base was made.
    missing: Vec<String>,
}

struct First {
    members: Vec<Part>,
    key: Digest,
    all: Unpacked,
}

impl Start {
    fn new(env: &Environment, parts: &[Part], order: &[usize], batch: &Batch) -> Result<Start> {
        let all = unpacked(env, parts, order, batch)?;
        let whole = |root| Start { root, stages: Stages::All, base: None, missing: Vec::new() };
        let Some(members) = base::members(parts, order) else { return Ok(whole(all.root)) };
        let key = base::key(env, &members);
        let all = all.beside(parts, &members);
        match Base::find(key, batch.store())? {
            Some(base) => {
                Ok(match base.over(&all.root, &|path: &str| all.owners.contains_key(path), batch)? {
                    Some(root) => Start { root, stages: Stages::Later, base: None, missing: base.missing },
                    None => whole(all.root),
                })
            }
            None => {
                let alone = unpacked(env, &members, &package::order(&members), batch)?;
                let base = Some(First { members, key, all });
                Ok(Start { root: alone.root, stages: Stages::First, base, missing: Vec::new() })
            }
        }
    }
}

/// Configuring, which may go in two steps over the same folder.
struct Work<'a> {
    env: &'a Environment,
    tools: Tools<'a>,
    emulated: Option<&'a Path>,
    log: &'a Path,
    /// Whether something ran already.
    more: bool,
    task: &'a Task,
    laid: Laid,
    /// What is still to be recorded.
    waiting: Option<(Placed, unpack::Made)>,
}

/// What scripts left.
struct Ran {
    scratch: Scratch,
    upper: PathBuf,
    /// What their sandbox lacked, by name.
    missing: Vec<String>,
}

impl Work<'_> {
    /// Runs stages, and meanwhile records what waits: the disk may take as long for it as the scripts take.
    fn run(&mut self, parts: &[Part], order: &[usize], stages: Stages) -> Result<Ran> {
        let scratch = self.tools.store.scratch("environment")?;
        let setting = configure::Setting {
            executor: self.tools.executor,
            arch: self.env.arch,
            rules: self.env.rules,
            emulator: self.emulated,
            lower: &self.laid.path(),
            scratch: scratch.path(),
            log: self.log,
            more: self.more,
            cancel: self.tools.cancel,
        };
        let deb = |package: &Package| {
            let path = (self.tools.fetch)(&self.env.archive, package)?;
            deb::check_digest(&mut File::open(&path).doing(|| format!("open {}", path.display()))?, package)?;
            Ok(path)
        };
        self.more = true;
        let waiting = self.waiting.take();
        let (configured, recorded) = std::thread::scope(|scope| {
            let recording = scope.spawn(|| waiting.map_or(Ok(()), |(placed, made)| placed.record(&made)));
            let configured = configure::run(&setting, parts, order, stages, self.task, &deb);
            (
                configured,
                recording.join().unwrap_or_else(|_| Err(Failure::bug("the store's writer panicked"))),
            )
        });
        recorded?;
        let configured = configured?;
        Ok(Ran { scratch, upper: configured.upper, missing: missing(&configured.isolation) })
    }
}

/// The packages taken apart, in their order; of those that builds made, the builds are to blame.
fn parts(staged: &Staged, tools: Tools<'_>, task: &Task, batch: &Batch) -> Result<(Vec<Part>, unpack::Made)> {
    let env = &staged.environment;
    let is_made = |package: &Package| staged.made.contains_key(&(package.name.clone(), package.arch.clone()));
    let (made, locked): (Vec<Package>, Vec<Package>) = env.packages.iter().cloned().partition(is_made);
    let (mut parts, mut new) = unpack::parts(&locked, &env.archive, tools, task, batch)?;
    let (more, made) = unpack::parts(&made, &env.archive, tools, task, batch).map_err(|failure| Failure {
        kind: if failure.kind == Kind::World { Kind::Build } else { failure.kind },
        help: Some("look at what the build made: `rbld build -o DIR` puts it into a folder".to_owned()),
        ..failure
    })?;
    parts.extend(more);
    new.extend(made);
    parts.sort_by(|a, b| (&a.package.name, &a.package.arch).cmp(&(&b.package.name, &b.package.arch)));
    Ok((parts, new))
}

/// The root as it is before any script runs.
struct Unpacked {
    root: Folder,
    /// Which part each file and link is of.
    owners: BTreeMap<String, (usize, String)>,
}

impl Unpacked {
    /// Forgets what belongs to these packages.
    fn beside(mut self, parts: &[Part], members: &[Part]) -> Unpacked {
        let theirs: BTreeSet<&Package> = members.iter().map(|part| &part.package).collect();
        self.owners.retain(|_, (index, _)| !theirs.contains(&parts[*index].package));
        self
    }
}

fn unpacked(env: &Environment, parts: &[Part], order: &[usize], batch: &Batch) -> Result<Unpacked> {
    let native: Vec<usize> = order.iter().copied().filter(|index| !parts[*index].diverts()).collect();
    let mut merged = merge::merge(parts, &native, env.arch)?;
    let mut write = |bytes: &[u8]| blob(batch, bytes, false);
    dpkg::write_database(&mut merged, parts, &native, env.arch.name(), &mut write)?;
    let merge::Merged { mut root, owners, .. } = merged;
    for name in ["dev", "proc", "sys", "run", "tmp", "inputs", "build", "root"] {
        if root.get(name).is_none() {
            root.insert(name, Node::Folder(Folder::default()))?;
        }
    }
    for (name, folder) in configure::beside(parts) {
        root.insert(&format!("inputs/{name}"), Node::Folder(folder))?;
    }
    if let Some(place) = merge::place_in(&root, "usr/sbin/policy-rc.d") {
        root.insert(&place, blob(batch, configure::POLICY, true)?)?;
    }
    if let Some(place) = merge::place_in(&root, "bin/sh").filter(|place| root.get(place).is_none()) {
        // Debian 11's dash makes its link when it is configured; until then bash's preinst would make this one.
        root.insert(&place, Node::Link { target: "bash".to_owned() })?;
    }
    Ok(Unpacked { root, owners })
}

/// Normalises the configured root.
fn finish(root: &mut Folder, rules: u32, batch: &Batch) -> Result<()> {
    let read = |node: &Node| match node {
        Node::File { digest, .. } => batch.read(*digest, EDIT_LIMIT),
        _ => Err(Failure::bug("a link or folder was to be edited")),
    };
    normalise::normalise(root, rules, &read, &|bytes| blob(batch, bytes, false))
}

fn blob(batch: &Batch, bytes: &[u8], executable: bool) -> Result<Node> {
    let mut writer = batch.writer()?;
    std::io::Write::write_all(&mut writer, bytes).doing(|| "write into the store")?;
    let blob = writer.finish(executable)?;
    Ok(Node::File { digest: blob.digest, size: blob.size, executable })
}

fn facts(staged: &Staged, missing: &[String], begun: Instant) -> BTreeMap<String, String> {
    let env = &staged.environment;
    let mut facts = BTreeMap::from([
        ("packages".to_owned(), env.packages.len().to_string()),
        ("rules".to_owned(), env.rules.to_string()),
        ("seconds".to_owned(), format!("{:.1}", begun.elapsed().as_secs_f64())),
        ("isolation".to_owned(), isolation(missing)),
    ]);
    if !staged.made.is_empty() {
        let made =
            |package: &&Package| staged.made.contains_key(&(package.name.clone(), package.arch.clone()));
        let built: Vec<String> = env
            .packages
            .iter()
            .filter(made)
            .map(|package| format!("{} {} {}", package.name, package.version, package.arch))
            .collect();
        facts.insert("built".to_owned(), built.join(", "));
    }
    if !staged.unused.is_empty() {
        facts.insert("unused".to_owned(), staged.unused.join(", "));
    }
    if let Some(emulator) = &env.emulator {
        let package = &emulator.package;
        facts.insert(
            "emulated".to_owned(),
            format!("{} {} on {}", package.name, package.version, emulator.host.name()),
        );
    }
    facts
}

/// What a sandbox lacked, by name.
fn missing(isolation: &Isolation) -> Vec<String> {
    isolation.missing.iter().map(|feature| feature.name().to_owned()).collect()
}

/// What the sandboxes lacked; `full` if nothing.
fn isolation(missing: &[String]) -> String {
    let names: BTreeSet<&str> = missing.iter().map(String::as_str).collect();
    match names.is_empty() {
        true => "full".to_owned(),
        false => format!("without {}", names.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// Compares with the tree that the lock says it comes to; a failure names the files that differ.
pub fn check_expected(env: &Environment, realisation: &Realisation, store: &Store) -> Result<()> {
    let Some(expected) = env.expected else { return Ok(()) };
    let found = realisation.outputs.get("out").map(Object::digest);
    if found == Some(expected) {
        return Ok(());
    }
    let found = found.ok_or_else(|| Failure::bug("an environment was realised without a tree"))?;
    let mut failure = Failure::new(Kind::World, "the environment came to another tree than the lock says")
        .fact(format!("locked: {expected}"))
        .fact(format!("here:   {found}"));
    // The other machine's tree is here only if somebody brought it.
    if let (Ok(theirs), Ok(ours)) = (tree::read(store, expected), tree::read(store, found)) {
        for line in differences(&theirs, &ours).into_iter().take(20) {
            failure = failure.fact(line);
        }
    }
    Err(failure.help(
        "if the lock was written by an older rbld, run `rbld lock`; else compare the two machines' logs",
    ))
}

/// The paths in which two trees differ, a line each.
pub fn differences(theirs: &Folder, ours: &Folder) -> Vec<String> {
    let theirs: BTreeMap<String, &Node> = theirs.files().collect();
    let ours: BTreeMap<String, &Node> = ours.files().collect();
    let mut lines = Vec::new();
    for (path, node) in &theirs {
        match ours.get(path) {
            None => lines.push(format!("- /{path}: {}", node.describe())),
            Some(other) if other != node => {
                lines.push(format!("~ /{path}: {} became {}", node.describe(), other.describe()));
            }
            Some(_) => {}
        }
    }
    let new = ours.iter().filter(|(path, _)| !theirs.contains_key(*path));
    lines.extend(new.map(|(path, node)| format!("+ /{path}: {}", node.describe())));
    lines.sort_by(|one, other| one[2..].cmp(&other[2..]));
    lines
}
