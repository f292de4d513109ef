//! The base of an environment: what every system has, configured by itself, once.
//!
//! The essential packages and what they need are configured in a root that holds nothing else. So what their scripts
//! write depends on these packages alone, and is kept as a realisation of its own; an environment with the same
//! ones starts with it laid over what is unpacked. Knows which packages these are, what changed, and how one lies
//! over the other; running scripts is [`super::configure`]'s matter.

use std::collections::BTreeMap;

use rbld_lang::derivation::{DerivationId, Environment};
use rbld_lang::digest::{Digest, Hasher, Manifest};

use super::dpkg;
use super::package::{self, Part};
use super::{EDIT_LIMIT, blob};
use crate::failure::{Failure, Result};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Object, Realisation, Store};

/// A change of how a base is made is a change of this.
const FORMAT: &str = "rbld-base-1";

/// The greatest list of paths that went, in bytes.
const LIST_LIMIT: u64 = 64 << 20;

/// What is not kept: others' mounts, and what holds times or inode numbers, which a later run would believe.
const LEFT: [&str; 9] = [
    "build",
    "dev",
    "inputs",
    "proc",
    "sys",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/status-old",
    "var/log/alternatives.log",
    "var/log/dpkg.log",
];

/// What configuring the base wrote.
pub(super) struct Base {
    /// What is new or changed.
    layer: Folder,
    /// The paths that went, what lies in a folder before the folder.
    removed: Vec<String>,
    /// What the sandbox lacked, by name.
    pub(super) missing: Vec<String>,
}

/// The packages of the base, sorted as all are. None where there is nothing essential, or where dpkg itself has to
/// unpack one of them: such an environment is configured in one go.
pub(super) fn members(parts: &[Part], order: &[usize]) -> Option<Vec<Part>> {
    let chosen = package::stages(parts, order).into_iter().next()?.configure;
    let mut members: Vec<Part> = chosen.into_iter().map(|index| parts[index].clone()).collect();
    sort(&mut members);
    (!members.is_empty() && !members.iter().any(Part::diverts)).then_some(members)
}

/// The order in which an environment's packages are.
pub(super) fn sort(parts: &mut [Part]) {
    parts.sort_by(|a, b| (&a.package.name, &a.package.arch).cmp(&(&b.package.name, &b.package.arch)));
}

/// The key of the base of these packages.
pub(super) fn key(env: &Environment, members: &[Part]) -> Digest {
    let mut hasher = Hasher::new(FORMAT);
    hasher.field("arch", env.arch.name().as_bytes());
    hasher.field("rules", &env.rules.to_le_bytes());
    if let Some(emulator) = &env.emulator {
        hasher.field("emulator", emulator.package.digest.as_bytes());
        hasher.field("host", emulator.host.name().as_bytes());
    }
    for part in members {
        hasher.field("deb", part.package.digest.as_bytes());
    }
    hasher.finish()
}

/// Whether what scripts wrote at a path is kept.
pub(super) fn wanted(path: &str) -> bool {
    !LEFT.contains(&path)
}

impl Base {
    /// What configuring made of the unpacked root `before`.
    pub(super) fn new(before: &Folder, after: &Folder, missing: Vec<String>) -> Base {
        let mut base = Base { layer: Folder::default(), removed: Vec::new(), missing };
        compare(before, after, &mut String::new(), &mut base.layer, &mut base.removed);
        base
    }

    /// The base that the store has under a key.
    pub(super) fn find(key: Digest, store: &Store) -> Result<Option<Base>> {
        let Some(found) = store.realisation(key)? else { return Ok(None) };
        let output = |name: &str| found.outputs.get(name).map(Object::digest);
        let (Some(layer), Some(removed)) = (output("layer"), output("removed")) else { return Ok(None) };
        let removed = String::from_utf8(store.read_blob(removed, LIST_LIMIT)?)
            .map_err(|_| Failure::bug("a list of paths isn't UTF-8"))?;
        let words = |text: &str, by: char| -> Vec<String> {
            text.split(by).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let missing = found.facts.get("missing").map(|text| words(text, ','));
        Ok(Some(Base {
            layer: tree::read(store, layer)?,
            removed: words(&removed, '\0'),
            missing: missing.unwrap_or_default(),
        }))
    }

    /// What is to be recorded of it.
    pub(super) fn write(&self, key: Digest, batch: &Batch) -> Result<(DerivationId, Realisation)> {
        let removed: String = self.removed.iter().flat_map(|path| [path.as_str(), "\0"]).collect();
        let removed = batch.bytes(removed.as_bytes())?;
        let removed = Object::File { digest: removed.digest, size: removed.size, executable: false };
        let layer = tree::write(batch, &self.layer)?;
        let outputs = BTreeMap::from([("layer".to_owned(), layer), ("removed".to_owned(), removed)]);
        let facts = BTreeMap::from([("missing".to_owned(), self.missing.join(","))]);
        Ok((DerivationId(key), Realisation { key, outputs, facts }))
    }

    /// The unpacked root of all packages with the base over it; `others` says whether what is at a path belongs to a
    /// package beyond the base, and then it stays. None if the two don't go together: a folder here, a file there.
    pub(super) fn over(
        &self,
        unpacked: &Folder,
        others: &dyn Fn(&str) -> bool,
        batch: &Batch,
    ) -> Result<Option<Folder>> {
        let mut root = unpacked.clone();
        for path in &self.removed {
            let goes = match root.get(path) {
                None => false,
                Some(Node::Folder(inner)) => inner.entries.is_empty(),
                Some(_) => !others(path),
            };
            if goes {
                root.remove(path);
            }
        }
        for (path, node) in self.layer.nodes() {
            // Who waits for what is told by all packages; each of them waits for the same as alone.
            if path.starts_with("var/lib/dpkg/triggers/") || others(&path) {
                continue;
            }
            let there = root.get(&path);
            let fits = match (there, node) {
                (Some(Node::Folder(_)), Node::Folder(_)) => continue,
                (None, _) => true,
                (Some(there), _) => !matches!(there, Node::Folder(_)) && !matches!(node, Node::Folder(_)),
            };
            let node = match (node, there) {
                (Node::Folder(_), _) => Node::Folder(Folder::default()),
                (Node::File { digest, .. }, Some(Node::File { digest: all, .. })) if path == dpkg::STATUS => {
                    let (done, all) = (batch.read(*digest, EDIT_LIMIT)?, batch.read(*all, EDIT_LIMIT)?);
                    let text =
                        dpkg::continued(&String::from_utf8_lossy(&done), &String::from_utf8_lossy(&all));
                    blob(batch, text.as_bytes(), false)?
                }
                _ => node.clone(),
            };
            if !fits || root.insert(&path, node).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(root))
    }
}

/// What is different in `after`, and the paths that it lacks.
fn compare(
    before: &Folder,
    after: &Folder,
    path: &mut String,
    layer: &mut Folder,
    removed: &mut Vec<String>,
) {
    let length = path.len();
    for (name, node) in &after.entries {
        match (before.entries.get(name), node) {
            (Some(there), _) if there == node => {}
            (Some(Node::Folder(before)), Node::Folder(after)) => {
                push(path, name);
                let mut inner = Folder::default();
                compare(before, after, path, &mut inner, removed);
                path.truncate(length);
                if !inner.entries.is_empty() {
                    layer.entries.insert(name.clone(), Node::Folder(inner));
                }
            }
            (there, _) => {
                if let Some(there @ Node::Folder(_)) = there {
                    went(name, there, path, removed);
                }
                layer.entries.insert(name.clone(), node.clone());
            }
        }
    }
    for (name, node) in &before.entries {
        if !after.entries.contains_key(name) {
            went(name, node, path, removed);
        }
    }
}

fn went(name: &str, node: &Node, path: &mut String, removed: &mut Vec<String>) {
    let length = path.len();
    push(path, name);
    if let Node::Folder(inner) = node {
        for (name, node) in &inner.entries {
            went(name, node, path, removed);
        }
    }
    removed.push(path.clone());
    path.truncate(length);
}

fn push(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(name);
}

#[cfg(test)]
#[path = "base_tests.rs"]
mod tests;
