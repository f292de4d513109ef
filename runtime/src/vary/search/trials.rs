//! What is known: every run that was made, and of each place whether it came out as in the first.

use std::collections::BTreeMap;

use rbld_lang::digest::Digest;

use super::super::Variant;

/// Something that can differ by itself: an output's file, a member of an archive, a line.
pub type Place = String;

/// The place that differs where a build fails. It sorts before every other.
pub const BUILD: &str = "";

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// The digest of each place.
    Made(BTreeMap<Place, Digest>),
    /// The build failed: why, in a sentence.
    Failed(String),
}

/// A run and how it differs from the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What was run.
    pub variant: Variant,
    /// What came of it.
    pub seen: Seen,
}

/// What came of a run, beside the first plain one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The places that differ from the first run's, with what is there; `None` where the place is gone.
    Changed(BTreeMap<Place, Option<Digest>>),
    /// It failed.
    Failed(String),
}

/// A place in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// As in the first run.
    Same,
    /// Something else.
    Differs(Option<Digest>),
    /// The run failed, so nothing is known of its outputs.
    Unknown,
}

impl Trial {
    /// What is at a place.
    pub(super) fn at(&self, place: &str) -> At {
        match &self.seen {
            Seen::Failed(_) if place == BUILD => At::Differs(None),
            Seen::Failed(_) => At::Unknown,
            Seen::Changed(changed) => changed.get(place).map_or(At::Same, |found| At::Differs(*found)),
        }
    }

    /// The places that differ.
    pub(super) fn changed(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.seen {
            Seen::Failed(_) => Box::new(std::iter::once(BUILD)),
            Seen::Changed(changed) => Box::new(changed.keys().map(String::as_str)),
        }
    }

    /// True if nothing was varied or held.
    pub fn is_plain(&self) -> bool {
        self.variant.axes.is_empty() && self.variant.held.is_empty()
    }
}

/// All runs, in the order in which they were asked for; the first is a plain one.
#[derive(Debug, Default)]
pub(super) struct Trials {
    first: BTreeMap<Place, Digest>,
    all: Vec<Trial>,
}

impl Trials {
    pub(super) fn add(&mut self, variant: Variant, ran: Ran) {
        let seen = match ran {
            Ran::Failed(why) => Seen::Failed(why),
            Ran::Made(places) if self.all.is_empty() => {
                self.first = places;
                Seen::Changed(BTreeMap::new())
            }
            Ran::Made(mut places) => {
                let mut changed = BTreeMap::new();
                for (place, digest) in &self.first {
                    match places.remove(place) {
                        Some(found) if found == *digest => {}
                        found => drop(changed.insert(place.clone(), found)),
                    }
                }
                changed.extend(places.into_iter().map(|(place, digest)| (place, Some(digest))));
                Seen::Changed(changed)
            }
        };
        self.all.push(Trial { variant, seen });
    }

    pub(super) fn all(&self) -> &[Trial] {
        &self.all
    }

    pub(super) fn into_all(self) -> Vec<Trial> {
        self.all
    }
}
