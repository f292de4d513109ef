//! Store items as trees in memory, and where a path among them leads: links are followed from item to item, never out
//! of the store.

use std::collections::VecDeque;

use rbld_lang::derivation::guix::STORE;

use crate::failure::{Failure, Result};
use crate::store::tree::{Folder, Node};

/// How many links one path may lead through.
const LINKS: usize = 64;

/// The items of an environment: what `/gnu/store` holds.
pub(super) struct Items<'a>(pub(super) &'a Folder);

/// A place in the store: the item's name first, then the path in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) Vec<String>);

/// What is at a place, links followed.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// A folder: where it is, and the names in it.
    Folder(Place, Vec<String>),
    /// A file, by digest and executable bit.
    File(rbld_lang::digest::Digest, bool),
}

impl Place {
    /// An item itself.
    pub(super) fn item(name: &str) -> Place {
        Place(vec![name.to_owned()])
    }

    /// What has this name in the folder at the place.
    pub(super) fn inside(&self, name: &str) -> Place {
        Place(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// As a path: `/gnu/store/…`.
    pub(super) fn path(&self) -> String {
        format!("{STORE}/{}", self.0.join("/"))
    }
}

impl Items<'_> {
    /// Where a place leads; nothing when it, or a link on the way, leads nowhere in the store.
    pub(super) fn find(&self, place: &Place) -> Result<Option<Found>> {
        let mut at: Vec<String> = Vec::new();
        let mut rest: VecDeque<String> = place.0.iter().cloned().collect();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    if at.pop().is_none() {
                        return Ok(None);
                    }
                    continue;
                }
                _ => at.push(part),
            }
            let Some(Node::Link { target }) = below(self.0, &at) else { continue };
            links += 1;
            if links > LINKS {
                return Ok(None);
            }
            let target = match target.strip_prefix('/') {
                Some(_) => {
                    let Some(inside) = target.strip_prefix(STORE).and_then(|rest| rest.strip_prefix('/'))
                    else {
                        return Ok(None);
                    };
                    at.clear();
                    inside
                }
                None => {
                    at.pop();
                    target
                }
            };
            for part in target.split('/').rev() {
                rest.push_front(part.to_owned());
            }
        }
        Ok(match below(self.0, &at) {
            Some(Node::Folder(folder)) => {
                Some(Found::Folder(Place(at.clone()), folder.entries.keys().cloned().collect()))
            }
            Some(Node::File { digest, executable, .. }) => Some(Found::File(*digest, *executable)),
            Some(Node::Link { .. }) => return Err(Failure::bug("a link was found where links are followed")),
            None => None,
        })
    }
}

/// What is at a path in a folder, no link followed; the folder itself has none.
pub(super) fn below<'n>(folder: &'n Folder, path: &[String]) -> Option<&'n Node> {
    let (last, folders) = path.split_last()?;
    let mut folder = folder;
    for name in folders {
        let Node::Folder(inner) = folder.entries.get(name)? else { return None };
        folder = inner;
    }
    folder.entries.get(last)
}
