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
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use rbld_lang::derivation::{Derivation, DerivationId, Emulator, Environment, LATEST_RULES, Package};
use rbld_lang::digest::Digest;

use self::package::Part;
use self::work::{Ready, Work};
use crate::executor::{Cancel, Executor};
use crate::failure::{Doing, Failure, Kind, Result};
use crate::progress::{Progress, Step, Task};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Object, Realisation, Store};

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
    let (parts, new) = unpack::parts(packages, &emulator.archive, tools, &task, &batch, None)?;
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
    let emulated = match &env.emulator {
        Some(locked) => Some(emulator(locked, env.arch.machine(), tools)?),
        None => None,
    };
    let log = store.log_path(id);
    std::fs::write(&log, "").doing(|| format!("write the log {}", log.display()))?;
    let work = Work { env, tools, emulated: emulated.as_deref(), log: &log };
    let task = tools.progress.begin(Step::Unpack, tools.name);
    let batch = store.batch()?;
    let mut early = None;
    let (parts, new) =
        parts(staged, tools, &task, &batch, &mut |members| early = work.begin(members, &batch).transpose())?;
    let order = package::order(&parts);
    let holds = match staged.made.is_empty() {
        true => Ok(()),
        false => relations::check(&parts, &staged.made, env.arch.name()),
    };
    task.done(format!("{} packages", parts.len()));
    let ready = holds.and_then(|()| work.ready(&parts, &order, early.transpose()?, &batch));
    let ready = match ready {
        Ok(ready) => ready,
        // What was unpacked stays, even if these packages don't go together.
        Err(failure) => return batch.commit(&new).and(Err(failure)),
    };
    let placed = batch.place()?;
    let Ready { root, laid, task, stages, mut missing, record } = ready;
    let mut laid = laid.map_or_else(|| store.lay_out(Folder::default()), Ok)?;
    laid.change(root)?;
    let new = new.into_iter().chain(record).collect();
    let ran = work.run(&laid, &parts, &order, stages, &task, (placed, new))?;
    missing.extend(ran.missing);

    let batch = store.batch()?;
    let mut root = laid.folder().clone();
    let left_out = layer::apply(&ran.upper, &mut root, &batch, &normalise::wanted)?;
    finish(&mut root, env.rules, &batch)?;
    let out = tree::write(&batch, &root)?;
    let mut facts = facts(staged, &missing, begun);
    if !left_out.is_empty() {
        facts.insert("left-out".to_owned(), left_out.join(" "));
    }
    let realisation = Realisation { key, outputs: BTreeMap::from([("out".to_owned(), out)]), facts };
    let placed = batch.place()?;
    laid.change(root)?;
    laid.keep(out.digest(), placed, &[(id, realisation.clone())])?;
    ran.scratch.sweep();
    task.done(out.digest().short());
    Ok(realisation)
}
/// The packages taken apart, in their order; of those that builds made, the builds are to blame.
fn parts(
    staged: &Staged,
    tools: Tools<'_>,
    task: &Task,
    batch: &Batch,
    early: &mut unpack::Early<'_>,
) -> Result<(Vec<Part>, unpack::Made)> {
    let env = &staged.environment;
    let is_made = |package: &Package| staged.made.contains_key(&(package.name.clone(), package.arch.clone()));
    let (made, locked): (Vec<Package>, Vec<Package>) = env.packages.iter().cloned().partition(is_made);
    // What builds made may be of the base.
    let early = made.is_empty().then_some(early);
    let (mut parts, mut new) = unpack::parts(&locked, &env.archive, tools, task, batch, early)?;
    let (more, made) =
        unpack::parts(&made, &env.archive, tools, task, batch, None).map_err(|failure| Failure {
            kind: if failure.kind == Kind::World { Kind::Build } else { failure.kind },
            help: Some("look at what the build made: `rbld build -o DIR` puts it into a folder".to_owned()),
            ..failure
        })?;
    parts.extend(more);
    new.extend(made);
    base::sort(&mut parts);
    Ok((parts, new))
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
