//! The packages of an environment, each taken apart once, ever.
//!
//! A package's two trees are a realisation under a key made of the `.deb`'s digest alone, so
//! any other environment finds them. New ones are fetched by some threads and unpacked by as
//! many as there are cores, the greatest first; all are committed together, whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use rbld_lang::derivation::{ArchiveId, DerivationId, Package};
use rbld_lang::digest::{Digest, Hasher, Manifest};

use super::Tools;
use super::base;
use super::deb::{self, Deb};
use super::package::{self, Member, Part};
use crate::failure::{Doing, Failure, Kind, Result};
use crate::progress::Task;
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Object, Realisation, Store};

/// Brings the file of a package of an archive; called by several threads. The path must stay until the
/// environment is realised; whether its bytes are the right ones is checked again.
pub type Fetch<'a> = dyn Fn(&ArchiveId, &Package) -> Result<PathBuf> + Sync + 'a;

/// A change of how packages are taken apart is a change of this.
const FORMAT: &str = "rbld-package-1";

/// How many files are brought at once.
const FETCHERS: usize = 4;

/// The greatest control member, in bytes.
const MEMBER_LIMIT: u64 = 64 << 20;

/// Is given the packages of the base as soon as they are unpacked, while others still are.
pub(super) type Early<'a> = dyn FnMut(Vec<Part>) + 'a;

/// What is to be committed with a batch.
pub(super) type Made = Vec<(DerivationId, Realisation)>;

/// The parts of the packages, in their order, and what is to be committed with the batch: those not in the store yet
/// are fetched and unpacked into it. `early` is called at most once.
pub(super) fn parts(
    packages: &[Package],
    archive: &ArchiveId,
    tools: Tools<'_>,
    task: &Task,
    batch: &Batch,
    early: Option<&mut Early<'_>>,
) -> Result<(Vec<Part>, Made)> {
    let mut found: Vec<Option<Part>> = Vec::new();
    let mut missing = Vec::new();
    for (index, package) in packages.iter().enumerate() {
        let part = stored(package, tools.store)?;
        if part.is_none() {
            missing.push(index);
        }
        found.push(part);
    }
    // The greatest first: the last one to end decides when all have.
    missing.sort_by_key(|index| (std::cmp::Reverse(packages[*index].size), *index));
    let mut new = Vec::new();
    if !missing.is_empty() {
        task.expect(missing.iter().map(|index| packages[*index].size).sum());
        let line = Line::new(packages, &missing, &found);
        for (index, part, realisation) in line.run(archive, tools, task, batch, early)? {
            found[index] = Some(part);
            new.push((DerivationId(key(packages[index].digest)), realisation));
        }
    }
    let lost = || Failure::bug("a package was neither found nor unpacked");
    let parts = found.into_iter().map(|part| part.ok_or_else(lost)).collect::<Result<Vec<_>>>()?;
    Ok((parts, new))
}

/// The key of the trees of a package with this digest.
fn key(deb: Digest) -> Digest {
    let mut hasher = Hasher::new(FORMAT);
    hasher.field("deb", deb.as_bytes());
    hasher.finish()
}

/// The text of the file `control` of a package that was taken apart before.
pub(super) fn control(deb: Digest, store: &Store, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(realisation) = store.realisation(key(deb))? else { return Ok(None) };
    let Some(tree) = realisation.outputs.get("control").map(Object::digest) else { return Ok(None) };
    match tree::read(store, tree)?.get("control") {
        Some(Node::File { digest, .. }) => store.read_blob(*digest, limit).map(Some),
        _ => Ok(None),
    }
}

/// A package that was taken apart before.
fn stored(package: &Package, store: &Store) -> Result<Option<Part>> {
    let Some(realisation) = store.realisation(key(package.digest))? else { return Ok(None) };
    let tree = |name: &str| realisation.outputs.get(name).map(Object::digest);
    let (Some(control), Some(data)) = (tree("control"), tree("data")) else { return Ok(None) };
    let deb = Deb { control: tree::read(store, control)?, data: tree::read(store, data)? };
    part(package, deb, &|digest| store.read_blob(digest, MEMBER_LIMIT)).map(Some)
}

/// A part out of a package's trees; `read` gives the bytes of a control member.
fn part(package: &Package, deb: Deb, read: &dyn Fn(Digest) -> Result<Vec<u8>>) -> Result<Part> {
    let mut members = BTreeMap::new();
    for (name, node) in deb.control.entries {
        if let Node::File { digest, .. } = node {
            members.insert(name, Member { node, bytes: read(digest)? });
        }
    }
    Part::new(package.clone(), members, deb.data)
}

/// The line of packages from the mirror to the store.
struct Line<'a> {
    packages: &'a [Package],
    /// Indexes of what is to be done, in order.
    todo: &'a [usize],
    /// What was unpacked before.
    found: &'a [Option<Part>],
    /// The next of `todo` to fetch.
    next: AtomicUsize,
    stop: AtomicBool,
    shared: Mutex<Shared>,
    changed: Condvar,
}

#[derive(Default)]
struct Shared {
    /// Fetched, to be unpacked.
    waiting: Vec<(usize, PathBuf)>,
    /// All that was fetched.
    fetched: Vec<(usize, PathBuf)>,
    /// Those to be unpacked before others.
    first: BTreeSet<usize>,
    /// How many fetchers still work.
    fetching: usize,
    done: Vec<(usize, Part, Realisation)>,
    /// The failure of the first package in the list that failed.
    failed: Option<(usize, Failure)>,
}

impl<'a> Line<'a> {
    fn new(packages: &'a [Package], todo: &'a [usize], found: &'a [Option<Part>]) -> Line<'a> {
        let shared = Mutex::new(Shared { fetching: FETCHERS, ..Shared::default() });
        Line {
            packages,
            todo,
            found,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            shared,
            changed: Condvar::new(),
        }
    }

    fn run(
        self,
        archive: &ArchiveId,
        tools: Tools<'_>,
        task: &Task,
        batch: &Batch,
        early: Option<&mut Early<'_>>,
    ) -> Result<Vec<(usize, Part, Realisation)>> {
        // More than there are cores: some wait for the file system while the others decompress.
        let unpackers = 2 * std::thread::available_parallelism().map_or(2, |count| count.get()).min(8);
        std::thread::scope(|scope| {
            for _ in 0..FETCHERS {
                scope.spawn(|| self.fetch(archive, tools));
            }
            for _ in 1..unpackers {
                scope.spawn(|| self.unpack(task, batch));
            }
            if let Some(early) = early
                && let Some(base) = self.base()
            {
                early(base);
            }
            self.unpack(task, batch);
        });
        let mut shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, failure)) = shared.failed {
            return Err(failure);
        }
        if tools.cancel.is_set() {
            return Err(Failure::new(Kind::Interrupted(2), "interrupted while packages were unpacked"));
        }
        shared.done.sort_by_key(|(index, ..)| *index);
        Ok(shared.done)
    }

    /// Waits until the packages of the base are unpacked, which go first once it is known which they are: when all
    /// are fetched. None if there is no base, or something failed.
    fn base(&self) -> Option<Vec<Part>> {
        let fetched = self.wait(|shared| (shared.fetching == 0).then(|| shared.fetched.clone()))?;
        let mut sketches: Vec<Part> = self.found.iter().flatten().cloned().collect();
        for (index, path) in fetched {
            sketches.push(sketch(&self.packages[index], &path)?);
        }
        let base = base::members(&sketches, &package::order(&sketches))?;
        let base: BTreeSet<&Package> = base.iter().map(|part| &part.package).collect();
        let is_base = |index: &usize| base.contains(&self.packages[*index]);
        let new: BTreeSet<usize> = self.todo.iter().copied().filter(is_base).collect();
        self.with(|shared| shared.first = new.clone());
        self.wait(|shared| {
            let done: Vec<&(usize, Part, Realisation)> =
                shared.done.iter().filter(|(index, ..)| new.contains(index)).collect();
            (done.len() == new.len()).then(|| {
                let stored =
                    (0..self.packages.len()).filter(is_base).filter_map(|index| self.found[index].clone());
                let mut parts: Vec<Part> =
                    done.iter().map(|(_, part, _)| part.clone()).chain(stored).collect();
                base::sort(&mut parts);
                parts
            })
        })
    }

    /// Waits until there is an answer; none if something failed.
    fn wait<T>(&self, ask: impl Fn(&Shared) -> Option<T>) -> Option<T> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(answer) = ask(&shared) {
                return Some(answer);
            }
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fetch(&self, archive: &ArchiveId, tools: Tools<'_>) {
        while !self.stop.load(Ordering::Relaxed) && !tools.cancel.is_set() {
            let Some(&index) = self.todo.get(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            match (tools.fetch)(archive, &self.packages[index]) {
                Ok(path) => self.with(|shared| {
                    shared.fetched.push((index, path.clone()));
                    shared.waiting.push((index, path));
                }),
                Err(failure) => self.fail(index, failure),
            }
        }
        self.with(|shared| shared.fetching -= 1);
    }

    fn unpack(&self, task: &Task, batch: &Batch) {
        while let Some((index, path)) = self.take() {
            let package = &self.packages[index];
            match take_apart(package, &path, batch) {
                Ok((part, realisation)) => self.with(|shared| shared.done.push((index, part, realisation))),
                Err(failure) => self.fail(index, failure),
            }
            task.advance(package.size);
        }
    }

    /// The next package that was fetched; none when there will be no more.
    fn take(&self) -> Option<(usize, PathBuf)> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if !shared.waiting.is_empty() {
                let first = shared.waiting.iter().position(|(index, _)| shared.first.contains(index));
                return Some(shared.waiting.remove(first.unwrap_or(0)));
            }
            if shared.fetching == 0 {
                return None;
            }
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fail(&self, index: usize, failure: Failure) {
        self.stop.store(true, Ordering::Relaxed);
        self.with(|shared| {
            if shared.failed.as_ref().is_none_or(|(at, _)| index < *at) {
                shared.failed = Some((index, failure));
            }
        });
    }

    fn with(&self, act: impl FnOnce(&mut Shared)) {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

/// A package whose other members and files aren't known yet.
fn sketch(package: &Package, path: &Path) -> Option<Part> {
    // What is wrong with it is said when it is unpacked.
    let bytes = deb::control(&mut File::open(path).ok()?, package.size, MEMBER_LIMIT).ok()?;
    let control = Member { node: Node::Link { target: String::new() }, bytes };
    Part::new(package.clone(), BTreeMap::from([("control".to_owned(), control)]), Folder::default()).ok()
}

fn take_apart(package: &Package, path: &Path, batch: &Batch) -> Result<(Part, Realisation)> {
    let mut file = File::open(path).doing(|| format!("open the package {}", path.display()))?;
    let deb = deb::unpack(&mut file, package, batch)?;
    let write = |folder: &Folder| tree::write(batch, folder);
    let outputs = BTreeMap::from([
        ("control".to_owned(), write(&deb.control)?),
        ("data".to_owned(), write(&deb.data)?),
    ]);
    let part = part(package, deb, &|digest| batch.read(digest, MEMBER_LIMIT))?;
    Ok((part, Realisation { key: key(package.digest), outputs, facts: BTreeMap::new() }))
}
