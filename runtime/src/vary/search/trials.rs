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
    /// The places that differ from those of the plain build's first run, with what is there; `None` where the place is
    /// gone.
    Made(BTreeMap<Place, Option<Digest>>),
    /// The build failed: why, in a sentence.
    Failed(String),
}

/// A run and how it differs from the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What was run.
    pub variant: Variant,
    /// What came of it.
    pub seen: Ran,
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
            Ran::Failed(_) if place == BUILD => At::Differs(None),
            Ran::Failed(_) => At::Unknown,
            Ran::Made(changed) => changed.get(place).map_or(At::Same, |found| At::Differs(*found)),
        }
    }

    /// The places that differ.
    pub(super) fn changed(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.seen {
            Ran::Failed(_) => Box::new(std::iter::once(BUILD)),
            Ran::Made(changed) => Box::new(changed.keys().map(String::as_str)),
        }
    }

    /// True if nothing was varied or held.
    pub fn is_plain(&self) -> bool {
        self.variant.axes.is_empty() && self.variant.held.is_empty()
    }
}
