//! Commits out of vendored folders: their trees by digest, believed only where the commit's own id leads to them.

use std::collections::BTreeMap;

use super::proof::{self, Check};
use super::{Commit, Limits, Proofs};
use crate::failure::{Failure, Result};
use crate::fetch::vendored::Vendored;
use crate::progress::Task;
use crate::store::tree::{Folder, Node};
use crate::store::{Batch, Blob};

/// The tree of a commit from the first vendored folder that has it; nothing where none has.
pub(super) fn bring(
    batch: &Batch,
    commit: &Commit<'_>,
    vendored: &Vendored,
    limits: Limits,
    task: &Task,
) -> Result<Option<(Folder, Proofs)>> {
    if vendored.is_empty() {
        return Ok(None);
    }
    let mut failed = None;
    for row in vendored.commits(commit.id, commit.submodules)? {
        let found = vendored.tree(batch, row.tree, Some(task)).and_then(|folder| {
            within(&folder, commit, limits)?;
            let proofs = judge(batch, commit, vendored, &folder)?;
            Ok((folder, proofs))
        });
        match found {
            Ok(found) => return Ok(Some(found)),
            Err(failure) => {
                let failure = failure.fact(format!("vendored as commit {}", commit.id));
                failed = failed.or(Some(match failure.help {
                    Some(_) => failure,
                    None => failure.help("don't use that folder: write another by `rbld vendor`"),
                }));
            }
        }
    }
    failed.map_or(Ok(None), Err)
}

/// The limits of a commit that comes from a repository hold here too.
fn within(folder: &Folder, commit: &Commit<'_>, limits: Limits) -> Result<()> {
    let (mut entries, mut bytes) = (0usize, 0u64);
    for (_, node) in folder.nodes() {
        entries += 1;
        if let Node::File { size, .. } = node {
            bytes = bytes.saturating_add(*size);
        }
    }
    if entries > limits.entries || bytes > limits.bytes {
        return Err(Failure::input(format!("commit {} is larger than it may be", commit.id))
            .fact(format!("{entries} entries of {bytes} bytes"))
            .fact(format!("at most {} of {} are taken", limits.entries, limits.bytes)));
    }
    Ok(())
}

/// Goes from the commit's id to the folder; gives the proofs, for the store.
fn judge(batch: &Batch, commit: &Commit<'_>, vendored: &Vendored, folder: &Folder) -> Result<Proofs> {
    let mut proofs: Proofs = Vec::new();
    let mut proof = |id: &str| -> Result<(Blob, Vec<u8>)> {
        for row in vendored.proofs(id)? {
            if let Some(bytes) = vendored.bytes(row.digest, proof::LIMIT)? {
                proofs.push(proof::keep(batch, id, &bytes)?);
                return Ok((Blob { digest: row.digest, size: bytes.len() as u64 }, bytes));
            }
        }
        Err(Failure::world(format!("the vendored folder has no proof of commit {id}"))
            .help("write the folder again by `rbld vendor`: it adds what is missing"))
    };
    let open = |digest| batch.open(digest);
    let submodules = commit.submodules;
    let mut check =
        Check { proof: &mut proof, open: &open, submodules, proved: Vec::new(), known: BTreeMap::new() };
    check.commit(commit.id, folder, "", 0)?;
    drop(check);
    Ok(proofs)
}
