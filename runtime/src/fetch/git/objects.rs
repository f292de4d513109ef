//! Reading commits, trees and blobs of a repository on disk, each checked against its id.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice};
use gix::objs::tree::EntryKind;
use gix::objs::{CommitRef, Kind, TreeRef, compute_hash};

use super::Limits;
use super::origin::Origin;
use super::proof;
use crate::failure::{Doing, Failure, Result};
use crate::store::Batch;
use crate::store::tree::{Folder, Node};

/// Trees within trees.
const DEPTH_LIMIT: usize = 200;

/// The longest file that is read, in bytes: git's library holds it in memory.
const BLOB_LIMIT: u64 = 2 << 30;

/// A repository on disk.
pub(super) struct Repository(gix::Repository);

/// A submodule that a tree names.
pub(super) struct Module {
    /// Its folder, relative to the repository's root.
    pub(super) path: String,
    /// The commit's id.
    pub(super) commit: String,
}

/// What `.gitmodules` says of a submodule.
pub(super) struct ModuleEntry {
    pub(super) url: String,
    pub(super) branch: Option<String>,
}

/// Options that keep to a repository's own files, and read no object in place of another.
pub(super) fn isolated() -> gix::open::Options {
    gix::open::Options::isolated().config_overrides([
        "core.useReplaceRefs=false",
        "gitoxide.objects.replaceRefBase=refs/rbld-replaces-nothing/",
        "gitoxide.objects.allocLimit=2147483648",
    ])
}

impl Repository {
    /// Opens a repository that somebody keeps on this machine.
    pub(super) fn open(path: &Path, origin: &Origin) -> Result<Repository> {
        let opened = isolated().open(path).map(|repository| Repository(repository.to_thread_local()));
        opened.map_err(|error| {
            Failure::input(format!("`{origin}` isn't a git repository that can be read"))
                .fact(causes(&error))
                .fact("repositories with SHA-256 ids can't be read so far")
        })
    }

    /// True if the object is there and is a commit.
    pub(super) fn has(&self, id: ObjectId) -> bool {
        self.0.try_find_header(id).ok().flatten().is_some_and(|header| header.kind() == Kind::Commit)
    }

    /// Says what is there instead if the commit isn't.
    pub(super) fn require(&self, id: ObjectId, origin: &Origin, reference: Option<&str>) -> Result<()> {
        match self.0.try_find_header(id) {
            Ok(Some(header)) if header.kind() == Kind::Commit => return Ok(()),
            Ok(Some(header)) => {
                return Err(Failure::input(format!("`{id}` is a {} and no commit", header.kind()))
                    .help("`git rev-parse 'NAME^{commit}'` prints the id of a tag's commit"));
            }
            Ok(None) => {}
            Err(error) => return Err(damaged(id, &causes(&error))),
        }
        let mut failure = Failure::input(format!("`{origin}` has no commit {id}"));
        if let Some(reference) = reference
            && let Some(tip) = self.tip(reference)
        {
            failure = failure.fact(format!("`{reference}` is at {tip} there"));
        }
        Err(failure.help("fetch it into that repository, or correct the commit"))
    }

    /// The commit that a reference of this whole name is at, where there is one.
    pub(super) fn peeled(&self, name: &str) -> Option<ObjectId> {
        let mut found = self.0.try_find_reference(name).ok().flatten()?;
        found.peel_to_id().ok().map(gix::Id::detach)
    }

    /// The commit that a tag or branch is at.
    fn tip(&self, reference: &str) -> Option<ObjectId> {
        let mut found = self.0.try_find_reference(reference).ok().flatten()?;
        found.peel_to_id().ok().map(gix::Id::detach)
    }

    /// An object, if it is of this kind and hashes to its id.
    fn read(&self, id: ObjectId, kind: Kind) -> Result<Vec<u8>> {
        let header = self.0.find_header(id).map_err(|error| damaged(id, &causes(&error)))?;
        if header.size() > BLOB_LIMIT {
            return Err(Failure::input(format!("the git object {id} has {} bytes", header.size()))
                .fact(format!("at most {BLOB_LIMIT} are read")));
        }
        let object = self.0.find_object(id).map_err(|error| damaged(id, &causes(&error)))?;
        if object.kind != kind {
            return Err(damaged(id, &format!("it is a {}, not a {kind}", object.kind)));
        }
        let found =
            compute_hash(id.kind(), kind, &object.data).map_err(|error| damaged(id, &causes(&error)))?;
        if found != id {
            return Err(damaged(id, &format!("its bytes are those of {found}")));
        }
        Ok(object.detach().data)
    }

    /// The root tree of a commit.
    fn root(&self, commit: ObjectId) -> Result<ObjectId> {
        root_of(commit, &self.read(commit, Kind::Commit)?)
    }

    /// The bytes of a file of a commit by its path; nothing where there is none.
    pub(super) fn file(&self, commit: ObjectId, path: &str) -> Result<Option<Vec<u8>>> {
        let mut id = self.root(commit)?;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let data = self.read(id, Kind::Tree)?;
            let tree = TreeRef::from_bytes(&data, id.kind()).map_err(|error| damaged(id, &causes(&error)))?;
            let Some(entry) = tree.entries.iter().find(|entry| entry.filename == name) else {
                return Ok(None);
            };
            let last = names.peek().is_none();
            if last != entry.mode.is_blob() || !last && !entry.mode.is_tree() {
                return Ok(None);
            }
            id = entry.oid.to_owned();
        }
        self.read(id, Kind::Blob).map(Some)
    }

    /// What `.gitmodules` of a commit says, by the submodules' folders. Nothing if there is no such file.
    pub(super) fn modules(&self, commit: ObjectId) -> Result<BTreeMap<String, ModuleEntry>> {
        let root = self.root(commit)?;
        let data = self.read(root, Kind::Tree)?;
        let tree = TreeRef::from_bytes(&data, root.kind()).map_err(|error| damaged(root, &causes(&error)))?;
        let file = tree.entries.iter().find(|entry| entry.filename == ".gitmodules" && entry.mode.is_blob());
        let Some(file) = file else { return Ok(BTreeMap::new()) };
        let text = self.read(file.oid.to_owned(), Kind::Blob)?;
        let wrong = |why: &str| {
            Failure::input(format!("`.gitmodules` of commit {commit} can't be read")).fact(why.to_owned())
        };
        let config =
            gix::config::File::try_from(text.as_bstr()).map_err(|error| wrong(&error.to_string()))?;
        let mut modules = BTreeMap::new();
        for section in config.sections_by_name("submodule").into_iter().flatten() {
            let value = |name: &str| section.value(name).map(|value| value.to_str_lossy().into_owned());
            if let (Some(path), Some(url)) = (value("path"), value("url")) {
                let entry = ModuleEntry { url, branch: value("branch").filter(|branch| branch != ".") };
                modules.insert(path.trim_end_matches('/').to_owned(), entry);
            }
        }
        Ok(modules)
    }
}

/// The root tree that a commit's bytes name.
pub(super) fn root_of(commit: ObjectId, data: &[u8]) -> Result<ObjectId> {
    let parsed = CommitRef::from_bytes(data, commit.kind());
    parsed.map(|parsed| parsed.tree()).map_err(|error| damaged(commit, &causes(&error)))
}

/// Puts the files of a commit below `path` into `folder`, their bytes into the batch; gives the submodules, and the
/// objects that prove what the commit's tree is.
pub(super) fn fill(
    repository: &Repository,
    commit: ObjectId,
    folder: &mut Folder,
    path: &str,
    batch: &Batch,
    limits: Limits,
) -> Result<(Vec<Module>, Vec<u8>)> {
    let data = repository.read(commit, Kind::Commit)?;
    let root = root_of(commit, &data)?;
    let mut proof = proof::Writer::default();
    proof.add(commit, Kind::Commit, &data);
    let modules = Vec::new();
    let mut walk =
        Walk { repository, batch, base: path, folder, modules, proof, limits, entries: 0, bytes: 0 };
    walk.tree(root, "", 0)?;
    Ok((walk.modules, walk.proof.finish()))
}

struct Walk<'a> {
    repository: &'a Repository,
    batch: &'a Batch,
    base: &'a str,
    folder: &'a mut Folder,
    modules: Vec<Module>,
    proof: proof::Writer,
    limits: Limits,
    entries: usize,
    bytes: u64,
}

impl Walk<'_> {
    fn tree(&mut self, id: ObjectId, path: &str, depth: usize) -> Result<()> {
        if depth > DEPTH_LIMIT {
            return Err(Failure::input(format!("the commit's folders lie more than {DEPTH_LIMIT} deep")));
        }
        let data = self.repository.read(id, Kind::Tree)?;
        self.proof.add(id, Kind::Tree, &data);
        let tree = TreeRef::from_bytes(&data, id.kind()).map_err(|error| damaged(id, &causes(&error)))?;
        let mut names: Vec<&BStr> = tree.entries.iter().map(|entry| entry.filename).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(damaged(id, &format!("it has `{}` twice", twice[0])));
        }
        for entry in &tree.entries {
            self.entries += 1;
            if self.entries > self.limits.entries {
                let most = self.limits.entries;
                return Err(Failure::input(format!("the commit has more than {most} entries")));
            }
            let name = name(entry.filename, path)?;
            self.entry(entry.mode.kind(), entry.oid.to_owned(), &name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, kind: EntryKind, id: ObjectId, path: &str, depth: usize) -> Result<()> {
        let node = match kind {
            EntryKind::Tree => return self.tree(id, path, depth + 1),
            EntryKind::Blob => self.file(id, false)?,
            EntryKind::BlobExecutable => self.file(id, true)?,
            EntryKind::Link => {
                let target = String::from_utf8(self.repository.read(id, Kind::Blob)?);
                let target = target.map_err(|_| {
                    Failure::input(format!(
                        "`{path}` is a symbolic link to what isn't UTF-8, which a tree can't hold"
                    ))
                })?;
                Node::Link { target }
            }
            EntryKind::Commit => {
                self.modules.push(Module { path: path.to_owned(), commit: id.to_string() });
                Node::Folder(Folder::default())
            }
        };
        self.folder.insert(&format!("{}{path}", self.base), node)
    }

    fn file(&mut self, id: ObjectId, executable: bool) -> Result<Node> {
        let header = self.repository.0.find_header(id).map_err(|error| damaged(id, &causes(&error)))?;
        self.bytes = self.bytes.saturating_add(header.size());
        if self.bytes > self.limits.bytes {
            let most = self.limits.bytes;
            return Err(Failure::input(format!("the files of the commit have more than {most} bytes")));
        }
        let data = self.repository.read(id, Kind::Blob)?;
        let mut writer = self.batch.writer()?;
        writer.write_all(&data).doing(|| "write a file of the commit into the store")?;
        let blob = writer.finish(executable)?;
        Ok(Node::File { digest: blob.digest, size: blob.size, executable })
    }
}

fn name(name: &BStr, path: &str) -> Result<String> {
    let Ok(text) = name.to_str() else {
        return Err(Failure::input(format!("a file's name isn't UTF-8: `{path}/{name}`")));
    };
    // What no git makes, so that nothing in a tree is ever taken for a repository.
    if text.eq_ignore_ascii_case(".git") {
        return Err(Failure::input(format!("the commit holds a `{text}` in `{path}`, which git forbids")));
    }
    Ok(if path.is_empty() { text.to_owned() } else { format!("{path}/{text}") })
}

pub(super) fn damaged(id: ObjectId, why: &str) -> Failure {
    Failure::world(format!("the git object {id} can't be read")).fact(why.to_owned())
}

/// An error of git's library with what caused it, in one line.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().replace('\n', " ");
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}
