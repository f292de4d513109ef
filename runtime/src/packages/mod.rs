//! Required packages: trees in the store that a loader reads, known by their digests.
//!
//! [`Packages`] only looks; [`obtain`] brings a package that is pinned and not there yet. A package is a stranger's: its
//! tree is bounded, its links are never followed, and nothing of it is run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::{Digest, Hasher, Manifest};
use rbld_lang::loader::{LoadError, Local};

use crate::failure::{Failure, Result};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Object, Realisation, Store};

mod obtain;
#[cfg(test)]
mod tests;

pub use obtain::{LIMITS, Reach, git_id, obtain, tree_of};

/// The largest file of a package that is read as a source.
const SOURCE_LIMIT: u64 = 16 << 20;

/// The packages of a store, which is opened when the first one is asked for.
#[derive(Clone, Default)]
pub struct Packages(Arc<Inner>);

#[derive(Default)]
struct Inner {
    root: Option<PathBuf>,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    store: Option<Result<Store, String>>,
    folders: BTreeMap<Digest, Arc<Folder>>,
}

impl Packages {
    /// The packages of the store at `root`; where there is none, no package is found.
    pub fn new(root: Option<PathBuf>) -> Packages {
        Packages(Arc::new(Inner { root, opened: Mutex::default() }))
    }

    /// The packages of a store that is open.
    pub fn of(store: &Store) -> Packages {
        let opened = Opened { store: Some(Ok(store.clone())), folders: BTreeMap::new() };
        Packages(Arc::new(Inner { root: None, opened: Mutex::new(opened) }))
    }

    /// The text of a file of a package.
    pub fn source(&self, tree: Digest, path: &str) -> Result<String, LoadError> {
        let (store, folder) = self.folder(tree)?;
        let Node::File { digest, size, .. } = node(&folder, path)? else {
            return Err(LoadError::Unreadable("it is no file".to_owned()));
        };
        if *size > SOURCE_LIMIT {
            return Err(LoadError::Unreadable(format!("it has {size} bytes, the most is {SOURCE_LIMIT}")));
        }
        let bytes = store.read_blob(*digest, SOURCE_LIMIT).map_err(unreadable)?;
        String::from_utf8(bytes).map_err(|_| LoadError::Unreadable("it isn't UTF-8".to_owned()))
    }

    /// What a file or folder of a package is.
    pub fn local(&self, tree: Digest, path: &str) -> Result<Local, LoadError> {
        let (_, folder) = self.folder(tree)?;
        if path.is_empty() {
            return Ok(Local { digest: tree, folder: true, executable: false });
        }
        Ok(match node(&folder, path)? {
            Node::File { digest, executable, .. } => {
                Local { digest: *digest, folder: false, executable: *executable }
            }
            Node::Folder(inner) => Local { digest: inner.digest(), folder: true, executable: false },
            Node::Link { .. } => return Err(link(path)),
        })
    }

    fn folder(&self, tree: Digest) -> Result<(Store, Arc<Folder>), LoadError> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match (&opened.store, &self.0.root) {
            (Some(store), _) => store.clone(),
            (None, None) => return Err(LoadError::Absent),
            // Looking for a package makes no store.
            (None, Some(root)) if !root.join("objects").is_dir() => return Err(LoadError::Absent),
            (None, Some(root)) => {
                let store = Store::open(root).map_err(|failure| failure.message);
                opened.store.insert(store).clone()
            }
        };
        let store = store.map_err(LoadError::Unreadable)?;
        if let Some(folder) = opened.folders.get(&tree) {
            return Ok((store, folder.clone()));
        }
        if !has(&store, tree).map_err(unreadable)? {
            return Err(LoadError::Absent);
        }
        let folder = Arc::new(tree::read(&store, tree).map_err(unreadable)?);
        opened.folders.insert(tree, folder.clone());
        Ok((store, folder))
    }
}

fn unreadable(failure: Failure) -> LoadError {
    LoadError::Unreadable(failure.message)
}

fn link(path: &str) -> LoadError {
    LoadError::Unreadable(format!("`{path}` is a symbolic link, and those of a package aren't followed"))
}

/// The node at a path, through no link.
fn node<'a>(folder: &'a Folder, path: &str) -> Result<&'a Node, LoadError> {
    let linked = path
        .match_indices('/')
        .map(|(at, _)| &path[..at])
        .chain([path])
        .find(|above| matches!(folder.get(above), Some(Node::Link { .. })));
    match linked {
        Some(above) => Err(link(above)),
        None => folder.get(path).ok_or(LoadError::Missing),
    }
}

/// The key under which the store remembers that it has a package whole.
fn key(tree: Digest) -> Digest {
    let mut hasher = Hasher::new("rbld-package-1");
    hasher.field("tree", tree.as_bytes());
    hasher.finish()
}

/// Whether the store has a package.
pub fn has(store: &Store, tree: Digest) -> Result<bool> {
    Ok(store.realisation(key(tree))?.is_some())
}

/// Commits a batch that has the tree of a package, which the store has from then on.
pub fn keep(batch: Batch, tree: &Object, more: &[(DerivationId, Realisation)]) -> Result<()> {
    let key = key(tree.digest());
    let mut realisations = vec![(DerivationId(key), realisation(key, tree))];
    realisations.extend_from_slice(more);
    batch.commit(&realisations)
}

fn realisation(key: Digest, tree: &Object) -> Realisation {
    Realisation { key, outputs: BTreeMap::from([("out".to_owned(), *tree)]), facts: BTreeMap::new() }
}

/// Takes a file or folder of a package, which is in the store, as an object by itself.
pub fn take(batch: &Batch, tree: Digest, path: &str, expected: Digest) -> Result<Object> {
    let gone = |why: &str| {
        Failure::world(format!("`{path}` of a package can't be read"))
            .fact(format!("the package is the tree {tree}"))
            .fact(why.to_owned())
            .help("run `rbld lock`: it fetches packages that aren't in the store")
    };
    let folder = tree::read(batch.store(), tree)?;
    let object = match path {
        "" => tree::write(batch, &folder)?,
        path => match folder.get(path) {
            Some(Node::File { digest, size, executable }) => {
                Object::File { digest: *digest, size: *size, executable: *executable }
            }
            Some(Node::Folder(inner)) => tree::write(batch, inner)?,
            _ => return Err(gone("nothing is there")),
        },
    };
    match object.digest() == expected {
        true => Ok(object),
        false => Err(gone("it isn't what was evaluated")),
    }
}
