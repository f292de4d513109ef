//! One root folder from the files of many packages, as dpkg would have unpacked them.
//!
//! Works on trees in memory: links are followed within the root, so nothing can leave it. Rules
//! are dpkg's: a folder meets a link to a folder and goes there, a file that two packages ship
//! belongs to the one that `Replaces` the other, configuration files wait as `.dpkg-new`. What
//! the packages say of themselves is [`super::package`]'s matter.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::derivation::Arch;

use super::package::Part;
use crate::failure::{Failure, Result};
use crate::store::tree::{Folder, Node};

/// The root folder, and what dpkg is to be told about it.
pub(super) struct Merged {
    /// The folder.
    pub(super) root: Folder,
    /// For each part, the paths that another part's files took over, as shipped.
    pub(super) lost: Vec<BTreeSet<String>>,
    /// Which part each file and link in the root is of.
    pub(super) owners: BTreeMap<String, (usize, String)>,
}

/// Merges the parts in the order given.
pub(super) fn merge(parts: &[Part], order: &[usize], arch: Arch) -> Result<Merged> {
    let mut merger = Merger {
        parts,
        root: Folder::default(),
        owners: BTreeMap::new(),
        lost: vec![BTreeSet::new(); parts.len()],
    };
    for name in aliases(parts, arch) {
        merger.root.entries.insert(name.to_owned(), Node::Link { target: format!("usr/{name}") });
        merger.folder_at(&["usr".to_owned(), name.to_owned()]);
    }
    for &index in order {
        let conffiles: BTreeSet<&str> = parts[index].conffiles().into_iter().collect();
        merger.add(index, &parts[index].data, &mut Vec::new(), &[], &conffiles)?;
    }
    Ok(Merged { root: merger.root, lost: merger.lost, owners: merger.owners })
}

/// The folders that are links into `/usr` from the start, none if this system keeps them apart.
///
/// The packages themselves tell: since Debian 13 base-files ships the links; before that, since
/// Debian 12, everything depends on `usr-is-merged` (or on `usrmerge`, which would convert the
/// system later). Without either, as in Debian 11, the folders are apart, as they were on the
/// machines that built those packages.
fn aliases(parts: &[Part], arch: Arch) -> Vec<&str> {
    let base = parts.iter().filter(|part| part.package.name == "base-files");
    let shipped = base.flat_map(|part| &part.data.entries).filter_map(|(name, node)| match node {
        Node::Link { target } if target.strip_prefix("usr/") == Some(name) => Some(name.as_str()),
        _ => None,
    });
    let shipped: Vec<&str> = shipped.collect();
    let declared =
        parts.iter().any(|part| matches!(part.package.name.as_str(), "usr-is-merged" | "usrmerge"));
    if !shipped.is_empty() || !declared {
        return shipped;
    }
    let more: &[&str] = match arch {
        Arch::Amd64 => &["lib32", "lib64", "libx32"],
        Arch::I386 => &["lib64", "libx32"],
        Arch::Ppc64el => &["lib64"],
        Arch::S390x => &["lib32"],
        Arch::Arm64 | Arch::Armhf | Arch::Riscv64 => &[],
    };
    ["bin", "sbin", "lib"].iter().chain(more).copied().collect()
}

struct Merger<'a> {
    parts: &'a [Part],
    root: Folder,
    /// Who owns what isn't a folder, by its path in the root, and the path as its package ships it.
    owners: BTreeMap<String, (usize, String)>,
    lost: Vec<BTreeSet<String>>,
}

impl Merger<'_> {
    /// Adds a folder of part `index`: `shipped` is its path in the package, `at` where that leads in the root.
    fn add(
        &mut self,
        index: usize,
        folder: &Folder,
        shipped: &mut Vec<String>,
        at: &[String],
        conffiles: &BTreeSet<&str>,
    ) -> Result<()> {
        for (name, node) in &folder.entries {
            shipped.push(name.clone());
            let mut place = at.to_vec();
            place.push(name.clone());
            match node {
                Node::Folder(inner) => {
                    let place = self.enter(index, place)?;
                    self.add(index, inner, shipped, &place, conffiles)?;
                }
                _ => {
                    let path = shipped.join("/");
                    if conffiles.contains(path.as_str())
                        && let Some(last) = place.last_mut()
                    {
                        last.push_str(".dpkg-new");
                    }
                    self.put(index, path, &place, node)?;
                }
            }
            shipped.pop();
        }
        Ok(())
    }

    /// Where a folder that is shipped at `place` comes to lie; makes it if nothing is there.
    fn enter(&mut self, index: usize, place: Vec<String>) -> Result<Vec<String>> {
        let end = match self.root.at(&place) {
            None | Some(Node::Folder(_)) => Some(place.clone()),
            Some(Node::Link { .. }) => self.root.resolve(&place),
            Some(Node::File { .. }) => None,
        };
        match end {
            Some(end) if self.folder_at(&end) => Ok(end),
            _ => Err(self.conflict(index, &place, "a folder here, something else there")),
        }
    }

    /// Makes folders down to `place`; false if something else is in the way.
    fn folder_at(&mut self, place: &[String]) -> bool {
        let mut folder = &mut self.root;
        for name in place {
            match folder.entries.entry(name.clone()).or_insert_with(|| Node::Folder(Folder::default())) {
                Node::Folder(next) => folder = next,
                _ => return false,
            }
        }
        true
    }

    /// Puts a file or link of part `index` at a place, unless what is there wins.
    fn put(&mut self, index: usize, shipped: String, place: &[String], node: &Node) -> Result<()> {
        let path = place.join("/");
        let there = self.root.at(place);
        match (there, node) {
            (None, _) => {}
            (Some(Node::Folder(_)), Node::Link { .. }) => {
                // dpkg keeps a folder where a later package ships a link to a folder.
                return match self.leads_to_folder(place, node) {
                    true => Ok(()),
                    false => Err(self.conflict(index, place, "a link here, a folder there")),
                };
            }
            (Some(Node::Folder(_)), _) => {
                return Err(self.conflict(index, place, "a file here, a folder there"));
            }
            (Some(there), _) => match self.owners.get(&path) {
                // A link that was made before any package, and is shipped too.
                None if there == node => return Ok(()),
                None => return Err(self.conflict(index, place, "not what the merged /usr needs")),
                Some((owner, taken)) => {
                    let (owner, taken) = (*owner, taken.clone());
                    match self.judge(index, owner, there, node) {
                        Judgement::Same => return Ok(()),
                        Judgement::Keeps => {
                            self.lost[index].insert(shipped);
                            return Ok(());
                        }
                        Judgement::Takes => {
                            self.lost[owner].insert(taken);
                        }
                        Judgement::Conflict => {
                            return Err(self.conflict(index, place, "neither `Replaces` the other"));
                        }
                    }
                }
            },
        }
        let (last, parents) =
            place.split_last().ok_or_else(|| Failure::bug("a file at the root of a package"))?;
        if !self.folder_at(parents) {
            return Err(self.conflict(index, place, "a folder here, something else there"));
        }
        if let Some(Node::Folder(folder)) = find_mut(&mut self.root, parents) {
            folder.entries.insert(last.clone(), node.clone());
        } else {
            self.root.entries.insert(last.clone(), node.clone());
        }
        self.owners.insert(path, (index, shipped));
        Ok(())
    }

    fn judge(&self, index: usize, owner: usize, there: &Node, node: &Node) -> Judgement {
        let (new, old) = (&self.parts[index], &self.parts[owner]);
        if there == node && (index == owner || (new.shares_files() && new.package.name == old.package.name)) {
            Judgement::Same
        } else if index == owner {
            Judgement::Conflict
        } else if new.replaces(old) {
            Judgement::Takes
        } else if old.replaces(new) {
            Judgement::Keeps
        } else {
            Judgement::Conflict
        }
    }

    /// Whether a link that would lie at `place` leads to a folder.
    fn leads_to_folder(&self, place: &[String], node: &Node) -> bool {
        let Node::Link { target } = node else { return false };
        let mut start: Vec<String> = match target.starts_with('/') {
            true => Vec::new(),
            false => place[..place.len().saturating_sub(1)].to_vec(),
        };
        start.extend(target.split('/').map(str::to_owned));
        let end = self.root.resolve(&start);
        end.is_some_and(|end| end.is_empty() || matches!(self.root.at(&end), Some(Node::Folder(_))))
    }

    fn conflict(&self, index: usize, place: &[String], why: &str) -> Failure {
        let path = place.join("/");
        let part = &self.parts[index].package;
        let failure = Failure::build(format!(
            "the package `{}` can't be installed with the others: `/{path}`",
            part.name
        ))
        .fact(format!("`{}` {} ships it: {why}", part.name, part.version));
        let failure = match self.owners.get(&path).map(|(owner, _)| &self.parts[*owner].package) {
            Some(owner) => failure.fact(format!("`{}` {} has it already", owner.name, owner.version)),
            None => failure,
        };
        failure.help(format!(
            "leave out one of them, or lock another instant; dpkg too would refuse `{}`",
            part.name
        ))
    }
}

enum Judgement {
    /// One file in common.
    Same,
    /// The new package's file replaces the old one's.
    Takes,
    /// The old package's file stays.
    Keeps,
    Conflict,
}

/// Where the path of a file leads once the links among its folders are followed.
pub(super) fn place_in(root: &Folder, path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder: Vec<String> = folder.split('/').map(str::to_owned).collect();
    let mut place = root.resolve(&folder)?;
    place.push(name.to_owned());
    Some(place.join("/"))
}

fn find_mut<'a>(root: &'a mut Folder, place: &[String]) -> Option<&'a mut Node> {
    let (last, parents) = place.split_last()?;
    let mut folder = root;
    for name in parents {
        match folder.entries.get_mut(name)? {
            Node::Folder(next) => folder = next,
            _ => return None,
        }
    }
    folder.entries.get_mut(last)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
