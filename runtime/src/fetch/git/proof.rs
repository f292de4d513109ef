//! What proves that a tree is a commit's: the commit and its trees as git objects, kept in the store beside the tree.
//!
//! An id is the hash of a commit's bytes, these name a tree by the hash of its bytes, and those name files by the
//! hashes of theirs. So whoever has these objects and a folder can tell, without any repository, whether the folder is
//! what the commit means. The objects are written one after the other as git hashes them: `commit 243`, a zero byte,
//! 243 bytes; `tree …`. The commit stands first, each tree once, in the order in which they are come across.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, TreeRef, compute_hash};
use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::{Digest, Hasher, Manifest};

use super::objects::{causes, damaged, root_of};
use super::{DEPTH_LIMIT, REPOSITORY_LIMIT, parse_id};
use crate::failure::{Doing, Failure, Result};
use crate::store::tree::{Folder, Node};
use crate::store::{Batch, Blob, Object, Realisation, Store};
use std::fs::File;

/// The most that the objects of one commit may have, in bytes.
pub(super) const LIMIT: u64 = 1 << 30;

/// Folders within folders of one commit.
const FOLDERS: usize = 200;

/// Writes the objects of a commit.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    seen: BTreeSet<ObjectId>,
}

impl Writer {
    pub(super) fn add(&mut self, id: ObjectId, kind: Kind, data: &[u8]) {
        if self.seen.insert(id) {
            self.bytes.extend_from_slice(format!("{kind} {}\0", data.len()).as_bytes());
            self.bytes.extend_from_slice(data);
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The key under which the store has the proof of a commit.
fn key(commit: &str) -> Digest {
    let mut hasher = Hasher::new("rbld-git-proof-1");
    hasher.field("commit", commit.as_bytes());
    hasher.finish()
}

/// Puts a proof into a batch; gives what is to be committed with it.
pub(super) fn keep(batch: &Batch, commit: &str, proof: &[u8]) -> Result<(DerivationId, Realisation)> {
    let Blob { digest, size } = batch.bytes(proof)?;
    let out = Object::File { digest, size, executable: false };
    let (key, outputs) = (key(commit), BTreeMap::from([("out".to_owned(), out)]));
    Ok((DerivationId(key), Realisation { key, outputs, facts: BTreeMap::new() }))
}

/// The proof of a commit that the store has.
fn kept(store: &Store, commit: &str) -> Result<Option<Blob>> {
    let found = store.realisation(key(commit))?;
    let object = found.and_then(|found| found.outputs.get("out").copied());
    Ok(object.map(|object| Blob { digest: object.digest(), size: object.size() }))
}

/// A commit whose proof was gone through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proved {
    /// Its full id.
    pub commit: String,
    /// Its objects.
    pub proof: Blob,
}

/// That the store lacks the proof of a commit: it was fetched by an rbld that kept none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The commit's full id.
    pub commit: String,
}

/// Goes from a commit's id to a tree of the store by the proofs that the store has; gives these, the commit's first,
/// then those of its submodules.
pub fn prove(
    store: &Store,
    commit: &str,
    submodules: bool,
    folder: &Folder,
) -> Result<Result<Vec<Proved>, Missing>> {
    let mut missing = None;
    let proved = {
        let mut proof = |id: &str| -> Result<(Blob, Vec<u8>)> {
            let Some(blob) = kept(store, id)? else {
                missing = Some(Missing { commit: id.to_owned() });
                return Err(Failure::world(format!("the store has no proof of commit {id}")));
            };
            Ok((blob, store.read_blob(blob.digest, LIMIT)?))
        };
        let open = |digest: Digest| store.open_blob(digest);
        let mut check =
            Check { proof: &mut proof, open: &open, submodules, proved: Vec::new(), known: BTreeMap::new() };
        check.commit(commit, folder, "", 0).map(|()| check.proved)
    };
    match (proved, missing) {
        (Ok(proved), _) => Ok(Ok(proved)),
        (Err(_), Some(missing)) => Ok(Err(missing)),
        (Err(failure), None) => Err(failure),
    }
}

/// Gives the objects of a commit.
pub(super) type Prove<'a> = dyn FnMut(&str) -> Result<(Blob, Vec<u8>)> + 'a;

/// Opens the file of a digest.
pub(super) type Open<'a> = dyn Fn(Digest) -> Result<File> + 'a;

/// Whether a folder is what a commit means.
pub(super) struct Check<'a> {
    pub(super) proof: &'a mut Prove<'a>,
    pub(super) open: &'a Open<'a>,
    pub(super) submodules: bool,
    /// What was gone through.
    pub(super) proved: Vec<Proved>,
    /// The ids that git has for files, once computed.
    pub(super) known: BTreeMap<Digest, ObjectId>,
}

type Trees<'p> = BTreeMap<ObjectId, &'p [u8]>;

impl Check<'_> {
    /// Fails where the folder and the commit part.
    pub(super) fn commit(&mut self, commit: &str, folder: &Folder, path: &str, depth: usize) -> Result<()> {
        if depth > DEPTH_LIMIT || self.proved.len() >= REPOSITORY_LIMIT {
            return Err(Failure::world(format!("commit {commit} has too many submodules in submodules")));
        }
        let id = parse_id(commit)?;
        let (blob, bytes) = (self.proof)(commit)?;
        self.proved.push(Proved { commit: commit.to_owned(), proof: blob });
        let (root, trees) = objects(id, &bytes)?;
        let of = |failure: Failure| failure.fact(format!("the proof of commit {commit} is {}", blob.digest));
        self.tree(root, &trees, folder, path, 0, depth).map_err(of)
    }

    fn tree(
        &mut self,
        id: ObjectId,
        trees: &Trees<'_>,
        folder: &Folder,
        path: &str,
        below: usize,
        depth: usize,
    ) -> Result<()> {
        if below > FOLDERS {
            return Err(Failure::world(format!("the commit's folders lie more than {FOLDERS} deep")));
        }
        let data = trees.get(&id).ok_or_else(|| other(path, &format!("the git tree {id} isn't proved")))?;
        let tree = TreeRef::from_bytes(data, id.kind()).map_err(|error| damaged(id, &causes(&error)))?;
        let mut found = 0;
        for entry in &tree.entries {
            let name = entry.filename.to_str().map_err(|_| other(path, "a name of it isn't UTF-8"))?;
            let at = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let oid = entry.oid.to_owned();
            let node = folder.entries.get(name);
            found += usize::from(node.is_some());
            match (entry.mode.kind(), node) {
                (EntryKind::Tree, Some(Node::Folder(inner))) => {
                    self.tree(oid, trees, inner, &at, below + 1, depth)?;
                }
                // git's trees may be empty; where nothing is below, there is no folder.
                (EntryKind::Tree, None) => {
                    self.tree(oid, trees, &Folder::default(), &at, below + 1, depth)?
                }
                (EntryKind::Blob, Some(Node::File { digest, size, executable: false }))
                | (EntryKind::BlobExecutable, Some(Node::File { digest, size, executable: true })) => {
                    let is = self.file(*digest, *size)?;
                    if is != oid {
                        return Err(other(&at, &format!("git calls it {oid}, and this is {is}")));
                    }
                }
                (EntryKind::Link, Some(Node::Link { target })) => {
                    let is = compute_hash(oid.kind(), Kind::Blob, target.as_bytes());
                    if is.ok() != Some(oid) {
                        return Err(other(&at, "the link leads elsewhere"));
                    }
                }
                (EntryKind::Commit, Some(Node::Folder(inner))) if self.submodules => {
                    self.commit(&oid.to_string(), inner, &at, depth + 1)?;
                }
                (EntryKind::Commit, Some(Node::Folder(inner))) if inner.entries.is_empty() => {}
                _ => return Err(other(&at, "it isn't of the kind that the commit says")),
            }
        }
        match found == folder.entries.len() {
            true => Ok(()),
            false => Err(other(path, "it holds more than the commit does")),
        }
    }

    /// What git calls a file.
    fn file(&mut self, digest: Digest, size: u64) -> Result<ObjectId> {
        if let Some(known) = self.known.get(&digest) {
            return Ok(*known);
        }
        let doing = || format!("read {digest}");
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(format!("blob {size}\0").as_bytes());
        let mut file = (self.open)(digest)?;
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).doing(doing),
            }
        }
        let id = hasher.try_finalize().map_err(|error| {
            Failure::world(format!("the file {digest} can't be hashed as git does: {error}"))
        })?;
        self.known.insert(digest, id);
        Ok(id)
    }
}

/// The root tree of a commit and its trees by their ids, each computed here.
fn objects(commit: ObjectId, bytes: &[u8]) -> Result<(ObjectId, Trees<'_>)> {
    let wrong = |why: &str| {
        Failure::world(format!("the proof of commit {commit} can't be used")).fact(why.to_owned())
    };
    let mut trees = BTreeMap::new();
    let mut root = None;
    let mut rest = bytes;
    while !rest.is_empty() {
        let head =
            rest.iter().take(32).position(|byte| *byte == 0).ok_or_else(|| wrong("an object has no head"))?;
        let (kind, length) = std::str::from_utf8(&rest[..head])
            .ok()
            .and_then(|head| head.split_once(' '))
            .and_then(|(kind, length)| Some((kind, length.parse::<usize>().ok()?)))
            .ok_or_else(|| wrong("an object's head can't be read"))?;
        let body = &rest[head + 1..];
        let (data, after) = body.split_at_checked(length).ok_or_else(|| wrong("it ends too early"))?;
        rest = after;
        let kind = match kind {
            "commit" if root.is_none() => Kind::Commit,
            "tree" if root.is_some() => Kind::Tree,
            _ => return Err(wrong("it isn't a commit with trees")),
        };
        let id = compute_hash(commit.kind(), kind, data).map_err(|error| damaged(commit, &causes(&error)))?;
        match kind {
            Kind::Commit if id != commit => return Err(wrong(&format!("it is of commit {id}"))),
            Kind::Commit => root = Some(root_of(id, data)?),
            _ => drop(trees.insert(id, data)),
        }
    }
    root.map(|root| (root, trees)).ok_or_else(|| wrong("it is empty"))
}

fn other(path: &str, why: &str) -> Failure {
    let path = if path.is_empty() { "its root" } else { path };
    Failure::world(format!("a folder isn't the tree of the commit that it stands for: `{path}`"))
        .fact(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_commit_with_trees_is_a_proof() {
        let tree = b"";
        let tree_id = compute_hash(gix::hash::Kind::Sha1, Kind::Tree, tree).unwrap();
        let data = format!("tree {tree_id}\nauthor a <b> 0 +0000\ncommitter a <b> 0 +0000\n\nx\n");
        let id = compute_hash(gix::hash::Kind::Sha1, Kind::Commit, data.as_bytes()).unwrap();
        let mut writer = Writer::default();
        writer.add(id, Kind::Commit, data.as_bytes());
        writer.add(tree_id, Kind::Tree, tree);
        writer.add(tree_id, Kind::Tree, tree);
        let proof = writer.finish();
        let (root, trees) = objects(id, &proof).unwrap();
        assert_eq!((root, trees.len()), (tree_id, 1));
        for length in 0..proof.len() - b"tree 0\0".len() {
            assert!(objects(id, &proof[..length]).is_err(), "{length}");
        }
        let other = compute_hash(gix::hash::Kind::Sha1, Kind::Blob, b"x").unwrap();
        assert!(objects(other, &proof).unwrap_err().facts[0].contains("it is of commit"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..200)) {
            let id = compute_hash(gix::hash::Kind::Sha1, Kind::Blob, b"x").unwrap();
            proptest::prop_assert!(objects(id, &bytes).is_err());
        }
    }
}
