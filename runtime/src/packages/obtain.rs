//! Bringing packages into the store: from the repository that the manifest names or a mirror of it, and only what is pinned.

use std::path::Path;

use rbld_lang::derivation::{Derivation, DerivationId, Fetch};
use rbld_lang::digest::Digest;
use rbld_lang::loader::Absent;

use super::{has, keep, key, realisation};
use crate::failure::{Failure, Result};
use crate::fetch::git::{self, Access, Commit, Limits};
use crate::fetch::mirrors::Mirrors;
use crate::progress::{Progress, Step};
use crate::store::tree::{self, Folder};
use crate::store::{Object, Store};

/// How much one package may be.
pub const LIMITS: Limits = Limits { entries: 20_000, bytes: 256 << 20 };

/// How packages are reached.
pub struct Reach<'a> {
    /// Where they are kept.
    pub store: &'a Store,
    /// The project's folder, for repositories inside of it.
    pub project: &'a Path,
    /// Where repositories may be had besides.
    pub mirrors: &'a Mirrors,
    /// Whether the network is out of bounds.
    pub offline: bool,
    /// What a person sees.
    pub progress: &'a Progress,
}

/// Brings a package into the store, if it is what it is pinned to be.
pub fn obtain(absent: &Absent, reach: &Reach<'_>) -> Result<()> {
    let pinned = &absent.pinned;
    let name = &absent.name;
    // Another process may be at the same: wait for it, then look again.
    let _lock = reach.store.lock_key(key(pinned.tree))?;
    if has(reach.store, pinned.tree)? {
        return Ok(());
    }
    // A package's own manifest can't lead into the project of whoever uses it.
    if name.contains('.') && pinned.url.starts_with("./") {
        return Err(Failure::input(format!("the package `{name}` can't come from `{}`", pinned.url))
            .fact("a package requires others by addresses that everybody has")
            .help("whoever keeps the package that requires it has to write an `https://` address"));
    }
    let of = |failure: Failure| {
        let failure = failure.fact(format!("for the package `{name}`"));
        match failure.help {
            None if reach.offline => failure.help("run once without `--offline`"),
            _ => failure,
        }
    };
    let (object, more) =
        fetched(reach, name, &pinned.url, &pinned.commit, pinned.reference.as_deref()).map_err(of)?;
    let (batch, folder, mut proofs) = more;
    if object.digest() != pinned.tree {
        return Err(Failure::world(format!("the package `{name}` isn't the tree that it is pinned to"))
            .fact(format!("expected sha256:{}", pinned.tree))
            .fact(format!("found    sha256:{}", object.digest()))
            .fact(format!("commit {} of {}", pinned.commit, pinned.url))
            .help(format!(
                "if the commit is meant and the digest wrong, `rbld update {name}` writes the right one; else ask who changed it"
            )));
    }
    judge(&folder, name)?;
    let id = git_id(&pinned.url, &pinned.commit);
    proofs.push((id, realisation(id.0, &object)));
    keep(batch, &object, &proofs)
}

/// The tree of a commit, kept as a package: what `rbld update` writes.
pub fn tree_of(
    reach: &Reach<'_>,
    name: &str,
    url: &str,
    commit: &str,
    reference: Option<&str>,
) -> Result<Digest> {
    let (object, (batch, folder, mut proofs)) = fetched(reach, name, url, commit, reference)?;
    judge(&folder, name)?;
    if folder.get(rbld_lang::package::FILE).is_none() {
        return Err(Failure::input(format!(
            "`{name}` is no package: it has no `{}`",
            rbld_lang::package::FILE
        ))
        .fact(format!("commit {commit} of {url}"))
        .help("files of a repository that is no package are had by `fetch.git`, as an input"));
    }
    let id = git_id(url, commit);
    proofs.push((id, realisation(id.0, &object)));
    keep(batch, &object, &proofs)?;
    Ok(object.digest())
}

/// The derivation that `fetch.git` has for the commit: both share what was fetched.
pub fn git_id(url: &str, commit: &str) -> DerivationId {
    Derivation::Fetch(Fetch::Git {
        url: url.to_owned(),
        commit: commit.to_owned(),
        reference: None,
        submodules: false,
    })
    .id()
}

type Kept = (crate::store::Batch, Folder, git::Proofs);

/// The tree of a commit: of the store if it was fetched before, else from where it is.
fn fetched(
    reach: &Reach<'_>,
    name: &str,
    url: &str,
    commit: &str,
    reference: Option<&str>,
) -> Result<(Object, Kept)> {
    let batch = reach.store.batch()?;
    let known = reach.store.realisation(git_id(url, commit).0)?;
    if let Some(object @ Object::Tree { .. }) = known.and_then(|known| known.outputs.get("out").copied()) {
        let folder = tree::read(reach.store, object.digest())?;
        return Ok((object, (batch, folder, Vec::new())));
    }
    let task = reach.progress.begin(Step::Fetch, name);
    let what = Commit { url, id: commit, reference, submodules: false };
    let access =
        Access { offline: reach.offline, stopped: &|| false, mirrors: reach.mirrors, limits: LIMITS };
    let (folder, proofs) = git::folder(&batch, reach.project, &what, access, &task)?;
    let object = tree::write(&batch, &folder)?;
    task.done("");
    Ok((object, (batch, folder, proofs)))
}

/// Refuses trees that are no package's.
fn judge(folder: &Folder, name: &str) -> Result<()> {
    for (count, (path, _)) in folder.nodes().enumerate() {
        if count >= LIMITS.entries {
            return Err(Failure::input(format!(
                "the package `{name}` has more than {} entries",
                LIMITS.entries
            )));
        }
        if path.contains(char::is_control) {
            return Err(Failure::input(format!(
                "the package `{name}` has a file with a control character in its name"
            ))
            .fact(format!("{path:?}"))
            .help("whoever keeps the package has to rename it"));
        }
    }
    Ok(())
}
