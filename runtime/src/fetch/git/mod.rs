//! The tree of a git commit, brought into the store without a `git` on the host.
//!
//! Objects are taken as they are: no checkout, no `.git`, no attributes, no line-end conversion, no replaced
//! objects; the id of each one is computed again. A server or repository is trusted with nothing but to have
//! them. The user's own git configuration isn't read and no helper program is started.

use std::path::Path;

use rbld_lang::derivation::DerivationId;

use crate::failure::{Failure, Kind, Result};
use crate::fetch::mirrors::Mirrors;
use crate::progress::Task;
use crate::store::tree::{self, Folder};
use crate::store::{Batch, Object, Realisation};

mod objects;
mod origin;
mod proof;
#[cfg(test)]
mod tests;
mod tip;
mod transport;
mod vended;

use objects::Repository;
use origin::Origin;
pub use proof::{Missing, Proved, prove};
pub use tip::tip;

/// Submodules within submodules.
const DEPTH_LIMIT: usize = 16;

/// Repositories that one commit may need.
const REPOSITORY_LIMIT: usize = 500;

/// A commit and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit<'a> {
    /// `https://…`, `http://…`, `file:///…` or a path inside the project.
    pub url: &'a str,
    /// Its full id.
    pub id: &'a str,
    /// A tag or branch that it is on: where to look if a server doesn't give commits by id.
    pub reference: Option<&'a str>,
    /// Whether submodules are filled in; else their folders are empty.
    pub submodules: bool,
}

/// What may be done to reach a repository.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Whether the network is out of bounds.
    pub offline: bool,
    /// Asked while a server is waited for: whether the run is to end.
    pub stopped: &'a dyn Fn() -> bool,
    /// Where repositories may be had besides.
    pub mirrors: &'a Mirrors,
    /// How much is taken of one commit.
    pub limits: Limits,
}

/// How much is taken of one commit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Files, folders and links.
    pub entries: usize,
    /// Bytes of files.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries: 2_000_000, bytes: u64::MAX }
    }
}

/// The realisations that are to be committed with a batch: what proves that a tree is the commit's.
pub type Proofs = Vec<(DerivationId, Realisation)>;

/// Brings the tree of a commit into the store; the caller commits the batch with the proofs.
pub fn git(
    batch: &Batch,
    project: &Path,
    commit: &Commit<'_>,
    access: Access<'_>,
    task: &Task,
) -> Result<(Object, Proofs)> {
    let (folder, proofs) = folder(batch, project, commit, access, task)?;
    Ok((tree::write(batch, &folder)?, proofs))
}

/// The tree of a commit, its files in the batch: of a vendored folder that has it, else of where it is.
pub fn folder(
    batch: &Batch,
    project: &Path,
    commit: &Commit<'_>,
    access: Access<'_>,
    task: &Task,
) -> Result<(Folder, Proofs)> {
    let origin = Origin::parse(commit.url, project)?;
    let vended = vended::bring(batch, commit, access.mirrors.vendored(), access.limits, task);
    let odd = match vended {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => None,
        Err(failure) if access.offline || matches!(failure.kind, Kind::Interrupted(_)) => {
            return Err(failure);
        }
        // Another place may have it right; if none has, this is a part of the reason.
        Err(failure) => Some(failure),
    };
    let submodules = commit.submodules;
    let mut fetch = Fetch { batch, project, access, task, submodules, repositories: 0, proofs: Vec::new() };
    let mut folder = Folder::default();
    let at = At { origin: &origin, id: commit.id, reference: commit.reference, path: "", depth: 0 };
    fetch.fill(&mut folder, &at).map_err(|failure| match odd {
        Some(odd) => failure.fact(format!("vendored: {}", odd.message)),
        None => failure,
    })?;
    Ok((folder, fetch.proofs))
}

/// The bytes that a file has in the last commit (`HEAD`) of the repository that holds it; nothing where it is in none,
/// or new.
pub fn committed(file: &Path) -> Result<Option<Vec<u8>>> {
    let above = file.ancestors().skip(1).find(|folder| folder.join(".git").exists());
    let Some((root, path)) = above.and_then(|root| Some((root, file.strip_prefix(root).ok()?.to_str()?)))
    else {
        return Ok(None);
    };
    let origin = Origin::Folder { written: root.display().to_string(), path: root.to_owned(), inside: false };
    let repository = Repository::open(root, &origin)?;
    repository.peeled("HEAD").map_or(Ok(None), |commit| repository.file(commit, path))
}

struct Fetch<'a> {
    batch: &'a Batch,
    project: &'a Path,
    access: Access<'a>,
    task: &'a Task,
    submodules: bool,
    repositories: usize,
    proofs: Proofs,
}

/// A commit and the folder that it fills.
struct At<'a> {
    origin: &'a Origin,
    id: &'a str,
    reference: Option<&'a str>,
    /// The folder, empty for the root, else ending in `/`.
    path: &'a str,
    depth: usize,
}

impl Fetch<'_> {
    fn fill(&mut self, folder: &mut Folder, at: &At<'_>) -> Result<()> {
        self.repositories += 1;
        if self.repositories > REPOSITORY_LIMIT || at.depth > DEPTH_LIMIT {
            return Err(Failure::input(format!("`{}` has too many submodules in submodules", at.origin))
                .fact(format!("at most {DEPTH_LIMIT} deep and {REPOSITORY_LIMIT} in all are followed")));
        }
        let id = parse_id(at.id)?;
        // The scratch folder of a fetched repository lives until its objects are in the batch.
        let (repository, _scratch) = self.open(at, id)?;
        let (modules, proof) =
            objects::fill(&repository, id, folder, at.path, self.batch, self.access.limits)?;
        self.proofs.push(proof::keep(self.batch, at.id, &proof)?);
        if !self.submodules || modules.is_empty() {
            return Ok(());
        }
        let known = repository.modules(id)?;
        for module in modules {
            let missing = || {
                Failure::input(format!(
                    "`{}` is a submodule, but `.gitmodules` doesn't say of what",
                    module.path
                ))
                .fact(format!("in commit {} of {}", at.id, at.origin))
                .help("take another commit, or leave `submodules` out: its folder is empty then")
            };
            let entry = known.get(&module.path).ok_or_else(missing)?;
            let origin = at.origin.relative(&entry.url, self.project).map_err(|failure| {
                failure.fact(format!("for the submodule `{}` of {}", module.path, at.origin))
            })?;
            let path = format!("{}{}/", at.path, module.path);
            let reference = entry.branch.as_deref();
            let inner =
                At { origin: &origin, id: &module.commit, reference, path: &path, depth: at.depth + 1 };
            self.fill(folder, &inner)?;
        }
        Ok(())
    }

    fn open(&self, at: &At<'_>, id: gix::ObjectId) -> Result<(Repository, Option<crate::store::Scratch>)> {
        match at.origin {
            Origin::Folder { path, .. } => {
                let repository = Repository::open(path, at.origin)?;
                repository.require(id, at.origin, at.reference)?;
                Ok((repository, None))
            }
            Origin::Network(url) => self.fetch(url, at, id),
        }
    }

    /// Asks the mirrors of an address, then itself.
    fn fetch(
        &self,
        url: &str,
        at: &At<'_>,
        id: gix::ObjectId,
    ) -> Result<(Repository, Option<crate::store::Scratch>)> {
        let mut tried: Vec<String> = Vec::new();
        for place in self.access.mirrors.rewritten(url) {
            let found = match Origin::parse(&place, self.project) {
                Ok(Origin::Folder { path, .. }) => {
                    Repository::open(&path, at.origin).and_then(|repository| {
                        repository.require(id, at.origin, at.reference)?;
                        Ok((repository, None))
                    })
                }
                _ if self.access.offline => continue,
                Ok(Origin::Network(place)) => {
                    let scratch = self.batch.store().scratch("git")?;
                    let account = transport::account(self.access.mirrors, &place)?;
                    let wanted = transport::Wanted { url: &place, id, reference: at.reference, account };
                    transport::fetch(&wanted, scratch.path(), self.access.stopped, self.task)
                        .map(|repository| (repository, Some(scratch)))
                }
                Err(failure) => Err(failure),
            };
            match found {
                Ok(found) => return Ok(found),
                Err(mut failure) if place == url => {
                    failure.facts.extend(tried);
                    return Err(failure);
                }
                Err(failure) if matches!(failure.kind, Kind::Interrupted(_)) => return Err(failure),
                Err(failure) => {
                    let why = failure.facts.first().map_or(String::new(), |fact| format!(" ({fact})"));
                    tried.push(format!("its mirror {place}: {}{why}", failure.message));
                }
            }
        }
        let mut failure = Failure::world(format!(
            "commit {} isn't in the store, and `--offline` forbids to fetch it",
            at.id
        ))
        .fact(format!("it would come from {url}"));
        failure.facts.extend(tried);
        Err(failure.help("run once without `--offline`"))
    }
}

fn parse_id(text: &str) -> Result<gix::ObjectId> {
    if text.len() == 64 {
        return Err(Failure::input(format!("`{text}` is a commit of a SHA-256 repository"))
            .fact("only repositories whose ids have 40 digits can be read so far"));
    }
    gix::ObjectId::from_hex(text.as_bytes()).map_err(|_| {
        Failure::input(format!("`{text}` isn't the full id of a commit"))
            .help("`git rev-parse HEAD` prints all 40 digits")
    })
}
