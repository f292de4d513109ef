//! `rbld vendor`: a folder with everything that a check of a file fetches, so that it needs no network.
//!
//! Only what is fetched, never what is built. What isn't in the store is fetched first; each file goes into the folder
//! under its digest, whole or not at all, and the manifest is written last. The layout and the manifest are those that
//! [`crate::fetch::vendored`] reads; the chapter of vendoring in `spec/` tells both.

mod collect;
mod folder;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rbld_lang::derivation::{ArchiveId, Derivation, GuixItem, ImageSource};
use rbld_lang::digest::Digest;
use rbld_lang::loader;
use rbld_lang::lock::{Block, Facts, Index, Lock};
use rbld_lang::plan::Plan;
use rbld_lang::syntax::show_instant;

use crate::failure::{Failure, Kind, Result};
use crate::fetch::debian::{self, Sources, Used};
use crate::fetch::git;
use crate::fetch::vendored::manifest::{CommitRow, FileRow, Manifest, ProofRow, ReleaseRow};
use crate::schedule::World;
use crate::schedule::image;
use crate::schedule::node::{self, Inputs};
use crate::store::Object;
use crate::store::tree::{self, Node};
use collect::{Commit, File, Need};
pub use folder::Written;

/// How many things are brought at once.
const AT_ONCE: usize = 4;

/// What is vendored.
pub struct Asked<'a> {
    /// The file's name.
    pub file: &'a str,
    /// What it realises and compares.
    pub plan: &'a Plan,
    /// The packages that it uses.
    pub packages: &'a [loader::Package],
    /// Its lock, where it has one.
    pub lock: Option<&'a Lock>,
    /// The digest of the lock's text.
    pub lock_digest: Option<Digest>,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// What the folder holds.
    pub manifest: Manifest,
    /// What was written.
    pub written: Written,
    /// What a person should know besides.
    pub notes: Vec<String>,
}

/// Brings what isn't in the store, then writes the folder.
pub fn vendor(world: &World, asked: &Asked<'_>, sources: Sources, folder: &Path) -> Result<Done> {
    let mut gathered = Gathered::default();
    let needs = collect::needs(asked.plan, asked.packages, &world.mirrors);
    gathered.bring(world, &needs)?;
    gathered.images(world, asked.plan)?;
    if let Some(lock) = asked.lock {
        gathered.indexes(world, lock, sources)?;
    }
    let Gathered { mut manifest, blobs, nars, notes } = gathered;
    manifest.of = Some((asked.file.to_owned(), asked.lock_digest));
    manifest.total = (blobs.len() as u64, blobs.values().sum());
    let written = folder::write(world, folder, &manifest, &Contents { blobs, nars })?;
    Ok(Done { manifest, written, notes })
}

/// What a folder is to hold: every file with its size.
struct Contents {
    blobs: BTreeMap<Digest, u64>,
    /// Those that aren't blobs of the store but the nars of trees.
    nars: BTreeMap<Digest, Node>,
}

/// What is known so far: the lines of the manifest, and every file with its size.
#[derive(Default)]
struct Gathered {
    manifest: Manifest,
    blobs: BTreeMap<Digest, u64>,
    nars: BTreeMap<Digest, Node>,
    notes: Vec<String>,
}

/// What one need came to.
enum Brought {
    File(FileRow),
    Commit { row: CommitRow, proofs: Vec<ProofRow>, blobs: BTreeMap<Digest, u64> },
    Items(Vec<(FileRow, Node)>),
}

impl Gathered {
    /// Brings what is needed, some at once; all that can't be had are named.
    fn bring(&mut self, world: &World, needs: &[Need]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let take = || {
            while let Some(need) = needs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if world.cancel.is_set() {
                    return;
                }
                let brought = match need {
                    Need::File(what) => file(world, what).map(Brought::File),
                    Need::Commit { id, commit } => self::commit(world, *id, commit),
                    Need::Items(what) => items(world, what),
                };
                done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(brought);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..AT_ONCE.min(needs.len()) {
                scope.spawn(take);
            }
            take();
        });
        if world.cancel.is_set() {
            return Err(node::interrupted(world));
        }
        let mut failed = Vec::new();
        for brought in done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            match brought {
                Ok(Brought::File(row)) => {
                    self.blobs.insert(row.digest, row.size);
                    self.manifest.files.insert(row);
                }
                Ok(Brought::Commit { row, proofs, mut blobs }) => {
                    self.blobs.append(&mut blobs);
                    self.blobs.extend(proofs.iter().map(|proof| (proof.digest, proof.size)));
                    self.manifest.commits.insert(row);
                    self.manifest.proofs.extend(proofs);
                }
                Ok(Brought::Items(items)) => {
                    for (row, node) in items {
                        self.blobs.insert(row.digest, row.size);
                        self.nars.insert(row.digest, node);
                        self.manifest.files.insert(row);
                    }
                }
                Err(failure) => failed.push(failure),
            }
        }
        failed.sort_by(|one, other| one.message.cmp(&other.message));
        let more = failed.len().saturating_sub(1);
        match failed.into_iter().next() {
            None => Ok(()),
            Some(first) if more == 0 => Err(first),
            Some(first) => Err(first.fact(format!("{more} more can't be had either"))),
        }
    }

    /// The images that environments are made of: manifests, configurations and layers.
    fn images(&mut self, world: &World, plan: &Plan) -> Result<()> {
        for derivation in plan.derivations.values() {
            let Derivation::ImageRoot(root) = derivation else { continue };
            let ImageSource::Registry { name, .. } = &root.from else { continue };
            for digest in image::parts(world, root)? {
                let Some(size) = size(world, digest)? else { continue };
                self.blobs.insert(digest, size);
                let (kind, name) = ("image".to_owned(), name.to_string());
                self.manifest.files.insert(FileRow { digest, size, kind, name });
            }
        }
        Ok(())
    }

    /// The indexes that the lock was resolved from: it is resolved again, and what that reads is kept.
    fn indexes(&mut self, world: &World, lock: &Lock, mut sources: Sources) -> Result<()> {
        for block in lock.blocks.values() {
            let Some(first) = block.title.suite().map(|suite| suite.archive_id()) else { continue };
            for index in &block.indexes {
                let name = index.archive.clone().unwrap_or_else(|| first.name.clone());
                sources.know(ArchiveId { name, ..first.clone() }, &index.suite, index.digest);
            }
            for (state, index) in earlier(block) {
                sources.know(state, &index.suite, index.digest);
            }
        }
        let blocks: Vec<_> = lock.blocks.values().filter(|block| block.title.suite().is_some()).collect();
        let titles: Vec<_> = blocks.iter().map(|block| block.title.clone()).collect();
        for (block, again) in blocks.into_iter().zip(debian::resolve_all(&titles, &sources)) {
            if world.cancel.is_set() {
                return Err(node::interrupted(world));
            }
            let title = block.title.title();
            match again {
                Ok(again) if same(block, &again) => {}
                Ok(_) => self.notes.push(format!(
                    "`{title}` is locked otherwise than it would be now: from the folder alone, `rbld lock` would lock it anew"
                )),
                Err(failure) => self.notes.push(format!(
                    "the indexes of `{title}` can't be had any more ({}): from the folder alone it can be checked, not locked again",
                    failure.message
                )),
            }
        }
        for used in sources.used() {
            self.index(world, used)?;
        }
        Ok(())
    }

    fn index(&mut self, world: &World, used: Used) -> Result<()> {
        match used {
            Used::Release { archive, suite, digest } => {
                let Some(size) = size(world, digest)? else { return Ok(()) };
                self.blobs.insert(digest, size);
                let (archive, instant) = (archive.name, show_instant(archive.instant));
                self.manifest.releases.insert(ReleaseRow { archive, suite, instant, digest, size });
            }
            Used::Index { name, digest, size, urls } => {
                let size = Some(size);
                match file(world, &File { digest, size, kind: "index", name: name.clone(), urls }) {
                    Ok(row) => {
                        self.blobs.insert(row.digest, row.size);
                        self.manifest.files.insert(row);
                    }
                    Err(failure) if matches!(failure.kind, Kind::Interrupted(_)) => return Err(failure),
                    Err(failure) => self.notes.push(format!(
                        "{}: from the folder alone it can be checked, not locked again",
                        failure.message
                    )),
                }
            }
        }
        Ok(())
    }
}

/// The earlier states of archives that a block took packages from by exact version, with the signed indexes that were
/// current then.
fn earlier(block: &Block) -> Vec<(ArchiveId, &Index)> {
    let Facts::Environment { packages, .. } = &block.facts else { return Vec::new() };
    let Some(first) = block.title.suite() else { return Vec::new() };
    let states: BTreeSet<&ArchiveId> = packages
        .iter()
        .filter_map(|locked| locked.package.origin.as_ref())
        .filter(|origin| origin.instant != first.instant)
        .collect();
    let mut found: Vec<(ArchiveId, &Index)> = Vec::new();
    for state in states {
        let of_archive = |index: &&Index| index.archive.as_ref().unwrap_or(&first.archive) == &state.name;
        let fitting = block.indexes.iter().filter(of_archive).filter(|index| index.date <= state.instant);
        let mut latest: BTreeMap<&str, &Index> = BTreeMap::new();
        for index in fitting {
            let known = latest.entry(&index.suite).or_insert(index);
            if index.date > known.date {
                *known = index;
            }
        }
        found.extend(latest.into_values().map(|index| (state.clone(), index)));
    }
    found
}

/// Whether two blocks lock the same, whatever tree it came to.
fn same(locked: &Block, again: &Block) -> bool {
    let mut locked = locked.clone();
    if let Facts::Environment { tree, .. } = &mut locked.facts {
        *tree = None;
    }
    locked == *again
}

/// The length of a blob that the store has.
fn size(world: &World, digest: Digest) -> Result<Option<u64>> {
    if !world.store.has_blob(digest)? {
        return Ok(None);
    }
    let path = world.store.blob_path(digest);
    let facts = std::fs::metadata(&path);
    facts
        .map(|facts| Some(facts.len()))
        .map_err(|error| Failure::io(format!("read {}", path.display()), &error))
}

fn file(world: &World, file: &File) -> Result<FileRow> {
    let batch = world.store.batch()?;
    let blob = node::download(world, &file.name, &file.urls, file.digest, file.size, &batch)?;
    batch.commit(&[])?;
    let (kind, name) = (file.kind.to_owned(), file.name.clone());
    Ok(FileRow { digest: blob.digest, size: blob.size, kind, name })
}

/// Store items of Guix, each as the nar that is locked: it is made again of the item's tree when it is written.
fn items(world: &World, items: &[GuixItem]) -> Result<Brought> {
    let mut found = node::substitutes(world, items, "store items of Guix")?;
    let one = |item: &GuixItem| {
        let node = found.entries.remove(item.name());
        let node = node.ok_or_else(|| {
            Failure::bug(format!("the store item `{}` was brought and isn't there", item.path))
        })?;
        let (digest, size) = (item.nar_hash, item.nar_size);
        Ok((FileRow { digest, size, kind: "nar".to_owned(), name: item.path.clone() }, node))
    };
    items.iter().map(one).collect::<Result<_>>().map(Brought::Items)
}

/// The tree of a commit with what proves it. A store that has no proof of it gets one: it is fetched again.
fn commit(world: &World, id: rbld_lang::derivation::DerivationId, what: &Commit) -> Result<Brought> {
    let of = |failure: Failure| failure.fact(format!("for `{}`, commit {}", what.name, what.commit));
    let mut again = false;
    loop {
        let (realisation, _) =
            node::realise(world, id, &what.derivation, &Inputs::default(), again, &|| {}).map_err(of)?;
        let Some(Object::Tree { digest, size }) = realisation.outputs.get("out").copied() else {
            return Err(Failure::bug("a commit was realised without a tree"));
        };
        let folder = tree::read(&world.store, digest)?;
        match git::prove(&world.store, &what.commit, what.submodules, &folder).map_err(of)? {
            Ok(proved) => {
                let proof = |proved: git::Proved| ProofRow {
                    commit: proved.commit,
                    digest: proved.proof.digest,
                    size: proved.proof.size,
                };
                let (commit, name) = (what.commit.clone(), what.name.clone());
                let row = CommitRow { commit, submodules: what.submodules, tree: digest, size, name };
                let proofs = proved.into_iter().map(proof).collect();
                return Ok(Brought::Commit { row, proofs, blobs: folder.blobs() });
            }
            Err(_) if !again => again = true,
            Err(missing) => {
                return Err(Failure::bug(format!("commit {} was fetched without its proof", missing.commit)));
            }
        }
    }
}
