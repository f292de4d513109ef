//! Drift: which packages changed between two locks, block by block, a toolchain's first.
//!
//! Knows locks alone: no archive is asked and nothing is realised. A block of one lock is paired with that of the other
//! that asks for the same at another pin, or that the file calls by the same name.

mod block;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::digest::Digest;
use rbld_lang::lock::{Block, Lock};
use serde_json::{Value, json};

use crate::environment::toolchain;
use crate::fetch::debian::version;
pub use block::Part;
pub use text::text;

/// What became of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As it was; nothing where it is new.
    pub old: Option<Part>,
    /// As it is; nothing where it went.
    pub new: Option<Part>,
    /// The kind of toolchain that it is of.
    pub toolchain: Option<&'static str>,
}

/// What became of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDrift {
    /// The names that the file has for it; none where it isn't known.
    pub names: Vec<String>,
    /// What is asked for, without where it is pinned.
    pub subject: String,
    /// Where it was pinned; nothing where it is new.
    pub old_pin: Option<String>,
    /// Where it is pinned; nothing where it went.
    pub new_pin: Option<String>,
    /// How many packages it had and has.
    pub packages: (usize, usize),
    /// How many bytes they had and have.
    pub bytes: (u64, u64),
    /// What changed, in the order of a report: a toolchain's packages first.
    pub changes: Vec<Change>,
}

/// The names that a file has for blocks, by their requests.
pub type Names = BTreeMap<Digest, Vec<String>>;

/// What changed from one lock to another. Blocks that are the same in both aren't there.
pub fn compare(old: &Lock, new: &Lock, old_names: &Names, new_names: &Names) -> Vec<BlockDrift> {
    let gone = |request: &&Digest| !new.blocks.contains_key(*request);
    let come = |request: &&Digest| !old.blocks.contains_key(*request);
    let mut open = Open {
        old: old.blocks.iter().filter(|(request, _)| gone(request)).collect(),
        new: new.blocks.iter().filter(|(request, _)| come(request)).collect(),
        pairs: Vec::new(),
    };
    // What is asked for at another pin; then what the file calls so; then what is of the same suite, if nothing else is.
    open.pair(&|_, block| Some((block::subject(&block.title), block::asked(&block.title).join(" "))));
    let name_of =
        |names: &Names, request: &Digest| names.get(request).and_then(|names| names.first().cloned());
    let named = |request: &Digest, _: &Block| {
        let name = name_of(old_names, request).or_else(|| name_of(new_names, request))?;
        Some((name, String::new()))
    };
    open.pair(&named);
    open.pair(&|_, block| Some((block::subject(&block.title), String::new())));
    let Open { old: gone, new: come, mut pairs } = open;
    pairs.extend(gone.into_iter().map(|old| (Some(old), None)));
    pairs.extend(come.into_iter().map(|new| (None, Some(new))));
    let names = |pair: &Pair<'_>| {
        let known = pair.1.and_then(|(request, _)| new_names.get(request));
        known.or_else(|| pair.0.and_then(|(request, _)| old_names.get(request))).cloned().unwrap_or_default()
    };
    let mut drift: Vec<BlockDrift> = pairs.iter().map(|pair| block_drift(names(pair), pair)).collect();
    drift.extend(relocked(old, new, new_names));
    drift.sort_by(|one, other| (&one.names, &one.subject).cmp(&(&other.names, &other.subject)));
    drift
}

/// Blocks whose request is the same and whose packages aren't.
fn relocked(old: &Lock, new: &Lock, names: &Names) -> Vec<BlockDrift> {
    let both =
        old.blocks.iter().filter_map(|(request, before)| Some((request, before, new.blocks.get(request)?)));
    both.filter(|(_, before, after)| block::parts(before) != block::parts(after))
        .map(|(request, before, after)| {
            let names = names.get(request).cloned().unwrap_or_default();
            block_drift(names, &(Some((request, before)), Some((request, after))))
        })
        .collect()
}

/// What a block is known by: two that share it are one thing at two times. Nothing where it isn't known.
type Key<'k> = dyn Fn(&Digest, &Block) -> Option<(String, String)> + 'k;
type Held<'l> = (&'l Digest, &'l Block);
type Pair<'l> = (Option<Held<'l>>, Option<Held<'l>>);

/// Blocks that have no counterpart yet.
struct Open<'l> {
    old: Vec<Held<'l>>,
    new: Vec<Held<'l>>,
    pairs: Vec<Pair<'l>>,
}

impl Open<'_> {
    /// Pairs what has the same key, where it is the only one on both sides.
    fn pair(&mut self, key: &Key<'_>) {
        let keyed = |held: &[Held<'_>]| {
            let mut found: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
            for (at, (request, block)) in held.iter().enumerate() {
                if let Some(key) = key(request, block) {
                    found.entry(key).or_default().push(at);
                }
            }
            found
        };
        let (old, new) = (keyed(&self.old), keyed(&self.new));
        let (mut taken_old, mut taken_new) = (BTreeSet::new(), BTreeSet::new());
        for (key, places) in old {
            if let ([old], Some([new])) = (places.as_slice(), new.get(&key).map(Vec::as_slice)) {
                self.pairs.push((Some(self.old[*old]), Some(self.new[*new])));
                taken_old.insert(*old);
                taken_new.insert(*new);
            }
        }
        let mut at = 0..;
        self.old.retain(|_| !at.next().is_some_and(|at| taken_old.contains(&at)));
        let mut at = 0..;
        self.new.retain(|_| !at.next().is_some_and(|at| taken_new.contains(&at)));
    }
}

fn block_drift(names: Vec<String>, (old, new): &Pair<'_>) -> BlockDrift {
    let parts = |held: &Option<Held<'_>>| held.map(|(_, block)| block::parts(block)).unwrap_or_default();
    let (before, after) = (parts(old), parts(new));
    let sum = |parts: &[Part]| parts.iter().map(|part| part.size).sum();
    let title = new.or(*old).map(|(_, block)| block::subject(&block.title)).unwrap_or_default();
    BlockDrift {
        names,
        subject: title,
        old_pin: old.map(|(_, block)| block::pin(&block.title)),
        new_pin: new.map(|(_, block)| block::pin(&block.title)),
        packages: (before.len(), after.len()),
        bytes: (sum(&before), sum(&after)),
        changes: changes(before, after),
    }
}

/// What differs, a toolchain's packages first, by kind and name.
fn changes(before: Vec<Part>, after: Vec<Part>) -> Vec<Change> {
    let key = |part: &Part| (part.name.clone(), part.arch.clone());
    let old: BTreeMap<_, Part> = before.into_iter().map(|part| (key(&part), part)).collect();
    let mut new: BTreeMap<_, Part> = after.into_iter().map(|part| (key(&part), part)).collect();
    let mut changes: Vec<(Option<usize>, (String, String), Change)> = Vec::new();
    let mut add = |key: (String, String), old: Option<Part>, new: Option<Part>| {
        let kind = toolchain::kind(&key.0);
        let change = Change { old, new, toolchain: kind.map(|(_, word)| word) };
        changes.push((kind.map(|(at, _)| at), key, change));
    };
    for (key, old) in old {
        match new.remove(&key) {
            Some(new) if new == old => {}
            new => add(key, Some(old), new),
        }
    }
    for (key, part) in new {
        add(key, None, Some(part));
    }
    changes
        .sort_by(|one, other| (one.0.is_none(), one.0, &one.1).cmp(&(other.0.is_none(), other.0, &other.1)));
    changes.into_iter().map(|(_, _, change)| change).collect()
}

impl Change {
    /// The package's name.
    pub fn name(&self) -> &str {
        self.new.as_ref().or(self.old.as_ref()).map_or("", |part| &part.name)
    }

    /// In one word: `added`, `removed`, `newer`, `older`, or `rebuilt`, which is the same version with other bytes.
    pub fn word(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, _) => "added",
            (_, None) => "removed",
            (Some(old), Some(new)) => match version::compare(&old.version, &new.version) {
                std::cmp::Ordering::Less => "newer",
                std::cmp::Ordering::Greater => "older",
                std::cmp::Ordering::Equal => "rebuilt",
            },
        }
    }
}

/// For a program: a list of blocks, each with its packages that changed.
pub fn json(drift: &[BlockDrift]) -> Value {
    let part = |part: &Option<Part>| {
        part.as_ref().map(|part| json!({ "version": part.version, "sha256": part.digest, "size": part.size }))
    };
    let change = |change: &Change| {
        json!({
            "name": change.name(),
            "arch": change.new.as_ref().or(change.old.as_ref()).map(|part| &part.arch),
            "change": change.word(),
            "toolchain": change.toolchain,
            "old": part(&change.old),
            "new": part(&change.new),
        })
    };
    let block = |block: &BlockDrift| {
        json!({
            "names": block.names,
            "request": block.subject,
            "old": block.old_pin,
            "new": block.new_pin,
            "packages": { "old": block.packages.0, "new": block.packages.1 },
            "bytes": { "old": block.bytes.0, "new": block.bytes.1 },
            "changes": block.changes.iter().map(change).collect::<Vec<_>>(),
        })
    };
    drift.iter().map(block).collect()
}
