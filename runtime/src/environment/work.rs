//! The steps between packages and a configured root: what is laid out, what runs over it, what waits meanwhile.
//!
//! The base is configured while other packages are still unpacked, where it has to be; otherwise it comes from the
//! store. The disk is waited for while scripts run. What a script is, and what becomes of the tree, is for others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use rbld_lang::derivation::{DerivationId, Environment, Package};
use rbld_lang::digest::Digest;

use super::base::{self, Base};
use super::configure::{self, Stages};
use super::package::{self, Part};
use super::{Tools, blob, deb, dpkg, layer, merge, unpack};
use crate::executor::Isolation;
use crate::failure::{Doing, Failure, Result};
use crate::progress::{Step, Task};
use crate::store::tree::{Folder, Node};
use crate::store::{Batch, Laid, Placed, Realisation, Scratch};

/// What everything runs with.
pub(super) struct Work<'a> {
    pub(super) env: &'a Environment,
    pub(super) tools: Tools<'a>,
    /// Runs the programs, if the machine can't.
    pub(super) emulated: Option<&'a Path>,
    pub(super) log: &'a Path,
}

/// A base whose scripts have run.
pub(super) struct Begun {
    key: Digest,
    laid: Laid,
    ran: Ran,
    task: Task,
}

/// What is configured next.
pub(super) struct Ready {
    pub(super) root: Folder,
    /// A folder that holds much of it.
    pub(super) laid: Option<Laid>,
    pub(super) task: Task,
    pub(super) stages: Stages,
    /// What a sandbox lacked so far, by name.
    pub(super) missing: Vec<String>,
    /// The base, if it is new.
    pub(super) record: Option<(DerivationId, Realisation)>,
}

/// What scripts left.
pub(super) struct Ran {
    pub(super) scratch: Scratch,
    pub(super) upper: PathBuf,
    /// What their sandbox lacked, by name.
    pub(super) missing: Vec<String>,
}

impl Work<'_> {
    /// Runs the scripts of a base, whose packages are in the batch, unless the store has it.
    pub(super) fn begin(&self, members: Vec<Part>, batch: &Batch) -> Result<Option<Begun>> {
        let key = base::key(self.env, &members);
        if members.iter().any(Part::diverts) || self.tools.store.realisation(key)?.is_some() {
            return Ok(None);
        }
        self.begin_as(key, &members, batch).map(Some)
    }

    fn begin_as(&self, key: Digest, members: &[Part], batch: &Batch) -> Result<Begun> {
        let order = package::order(members);
        let alone = unpacked(self.env, members, &order, batch)?;
        let placed = batch.place_some()?;
        let laid = self.tools.store.lay_out(alone.root)?;
        let task = self.tools.progress.begin(Step::Configure, self.tools.name);
        let ran = self.run(&laid, members, &order, Stages::First, &task, (placed, Vec::new()))?;
        Ok(Begun { key, laid, ran, task })
    }

    /// What is configured when all packages are unpacked.
    pub(super) fn ready(
        &self,
        parts: &[Part],
        order: &[usize],
        early: Option<Begun>,
        batch: &Batch,
    ) -> Result<Ready> {
        let all = unpacked(self.env, parts, order, batch)?;
        let task = |early: Option<Begun>| {
            early.map_or_else(
                || self.tools.progress.begin(Step::Configure, self.tools.name),
                |early| early.task,
            )
        };
        let whole = |root, laid, task, record| {
            let (stages, missing) = (Stages::All, Vec::new());
            Ready { root, laid, task, stages, missing, record }
        };
        let Some(members) = base::members(parts, order) else {
            return Ok(whole(all.root, None, task(early), None));
        };
        let key = base::key(self.env, &members);
        let all = all.beside(parts, &members);
        let others = |path: &str| all.owners.contains_key(path);
        if let Some(base) = Base::find(key, self.tools.store)? {
            let root = base.over(&all.root, &others, batch)?;
            let task = task(early);
            return Ok(match root {
                Some(root) => {
                    let (stages, missing) = (Stages::Later, base.missing);
                    Ready { root, laid: None, task, stages, missing, record: None }
                }
                None => whole(all.root, None, task, None),
            });
        }
        let early = early.filter(|early| early.key == key);
        let begun = early.map_or_else(|| self.begin_as(key, &members, batch), Ok)?;
        let Begun { laid, ran, task, .. } = begun;
        let mut root = laid.folder().clone();
        layer::apply(&ran.upper, &mut root, batch, &base::wanted)?;
        ran.scratch.sweep();
        let base = Base::new(laid.folder(), &root, ran.missing);
        let record = Some(base.write(key, batch)?);
        Ok(match base.over(&all.root, &others, batch)? {
            Some(root) => {
                let (stages, missing) = (Stages::Later, base.missing);
                Ready { root, laid: Some(laid), task, stages, missing, record }
            }
            None => whole(all.root, Some(laid), task, record),
        })
    }

    /// Runs stages, and meanwhile records what waits: the disk may take as long for it as the scripts take.
    pub(super) fn run(
        &self,
        laid: &Laid,
        parts: &[Part],
        order: &[usize],
        stages: Stages,
        task: &Task,
        waiting: (Placed, unpack::Made),
    ) -> Result<Ran> {
        let scratch = self.tools.store.scratch("environment")?;
        let setting = configure::Setting {
            executor: self.tools.executor,
            arch: self.env.arch,
            rules: self.env.rules,
            emulator: self.emulated,
            lower: &laid.path(),
            scratch: scratch.path(),
            log: self.log,
            cancel: self.tools.cancel,
        };
        let deb = |package: &Package| {
            let path = (self.tools.fetch)(&self.env.archive, package)?;
            deb::check_digest(&mut File::open(&path).doing(|| format!("open {}", path.display()))?, package)?;
            Ok(path)
        };
        let (placed, made) = waiting;
        let (configured, recorded) = std::thread::scope(|scope| {
            let recording = scope.spawn(|| placed.record(&made));
            let configured = configure::run(&setting, parts, order, stages, task, &deb);
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

/// What a sandbox lacked, by name.
fn missing(isolation: &Isolation) -> Vec<String> {
    isolation.missing.iter().map(|feature| feature.name().to_owned()).collect()
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
