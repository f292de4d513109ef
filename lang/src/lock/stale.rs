//! Whether a lock still answers what a file asks. Compares; changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Block, Facts, Lock, LockedPackage, Request};
use crate::digest::Digest;

/// Why a block is stale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Stale {
    /// Nothing is locked for the request.
    #[error("nothing is locked for `{0}`")]
    Missing(String),
    /// The block's lines ask for something else than its `request` line: a merge, or an editor.
    #[error("the block of `{0}` was changed after it was written")]
    Changed(String),
    /// No request of the file leads to the block.
    #[error("nothing asks for `{0}` any more")]
    Unreached(String),
    /// A package needs one that isn't there.
    #[error("`{package}` needs `{need}`, which isn't locked")]
    Unmet {
        /// The package, or the request's title for a root.
        package: String,
        /// What it needs.
        need: String,
    },
    /// No root leads to a package.
    #[error("nothing needs the locked package `{0}`")]
    Unneeded(String),
}

impl Lock {
    /// The block that answers a request, if there is one and it wasn't changed.
    pub fn get(&self, request: &Request) -> Option<&Block> {
        self.blocks.get(&request.digest()).filter(|block| block.title.digest() == request.digest())
    }

    /// All that is stale about this lock for a file that makes these requests, sorted; empty when nothing is.
    pub fn stale(&self, requests: &[Request]) -> Vec<Stale> {
        let asked: BTreeSet<Digest> = requests.iter().map(Request::digest).collect();
        let mut stale = BTreeSet::new();
        for request in requests {
            if !self.blocks.contains_key(&request.digest()) {
                stale.insert(Stale::Missing(request.title()));
            }
        }
        for (digest, block) in &self.blocks {
            if block.title.digest() != *digest {
                stale.insert(Stale::Changed(block.title.title()));
            } else if !asked.contains(digest) {
                stale.insert(Stale::Unreached(block.title.title()));
            } else {
                stale.extend(block.stale());
            }
        }
        stale.into_iter().collect()
    }
}

impl Block {
    /// What doesn't hold together inside the block, sorted.
    pub fn stale(&self) -> Vec<Stale> {
        if let (Facts::Guix(closure), Request::Guix { items, .. }) = (&self.facts, &self.title) {
            let mut stale = BTreeSet::new();
            closure.stale(&self.title.title(), items, &mut stale);
            return stale.into_iter().collect();
        }
        let Facts::Environment { packages, roots, .. } = &self.facts else { return Vec::new() };
        let mut by_name: BTreeMap<&str, Vec<&LockedPackage>> = BTreeMap::new();
        for locked in packages {
            by_name.entry(&locked.package.name).or_default().push(locked);
        }
        let mut stale = BTreeSet::new();
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let title = self.title.title();
        let mut queue: Vec<(&str, &str)> = roots.iter().map(|root| (title.as_str(), root.as_str())).collect();
        while let Some((from, name)) = queue.pop() {
            let Some(found) = by_name.get(name) else {
                stale.insert(Stale::Unmet { package: from.to_owned(), need: name.to_owned() });
                continue;
            };
            if reached.insert(name) {
                queue.extend(
                    found
                        .iter()
                        .flat_map(|locked| locked.needs.iter().map(move |need| (name, need.as_str()))),
                );
            }
        }
        for name in by_name.keys().filter(|name| !reached.contains(**name)) {
            stale.insert(Stale::Unneeded((*name).to_owned()));
        }
        stale.into_iter().collect()
    }
}
