//! What varying a build's surroundings came to: causes that runs have confirmed, and the evidence for each.
//!
//! Values that `report` renders; how they were found is the search's.

use std::collections::BTreeSet;

use rbld_lang::span::Span;
use rbld_lang::vary::Axis;

use super::Verdict;
use super::difference::Difference;
use crate::vary::Variant;
use crate::vary::search::Effect;

/// What was found of one build.
#[derive(Clone, Debug, Default)]
pub struct Varied {
    /// What could be varied.
    pub axes: BTreeSet<Axis>,
    /// What was to be and can't be on this machine, with the reason.
    pub not_varied: Vec<(Axis, String)>,
    /// Every run, in order, with what became of it.
    pub runs: Vec<Run>,
    /// What was proven to change something.
    pub causes: Vec<Confirmed>,
    /// Places that differ between runs in which nothing was varied.
    pub flaky: Vec<Unsteady>,
    /// Places that differed in a varied run, of which no axis could be proven.
    pub unexplained: Vec<Unsteady>,
    /// False if the search was ended by its limit of runs, or by a failure.
    pub complete: bool,
}

/// A run of the build.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was varied.
    pub variant: Variant,
    /// Whether its result was in the store.
    pub cached: bool,
    /// How many places differ from the first run's; the reason if the build failed.
    pub changed: Result<usize, String>,
}

/// A cause that runs have confirmed.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The axes: together they do it, and none of them without the others.
    pub axes: BTreeSet<Axis>,
    /// What was held on both sides, or varied on both, since the place doesn't hold still otherwise.
    pub held: BTreeSet<Axis>,
    /// What they do.
    pub effect: Effect,
    /// Where it shows.
    pub places: Vec<String>,
    /// The runs that show it.
    pub shown: Shown,
    /// The line of the file that writes what differs, where one can be pointed at.
    pub line: Option<Span>,
}

/// Something that differs without a cause.
#[derive(Clone, Debug)]
pub struct Unsteady {
    /// Where.
    pub place: String,
    /// The runs that show it.
    pub shown: Shown,
}

/// Two runs and how they differ.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The one in which less was varied.
    pub without: Variant,
    /// The other.
    pub with: Variant,
    /// The output that is shown.
    pub output: String,
    /// How it differs; the reason if one of the two failed, or can't be looked into.
    pub difference: Result<Difference, String>,
}

impl Varied {
    /// Whether the build reproduces: a difference is a proof, silence only if all was run that was to be.
    pub fn verdict(&self) -> Verdict {
        if !self.causes.is_empty() || !self.flaky.is_empty() || !self.unexplained.is_empty() {
            Verdict::Mismatch
        } else if self.complete && self.runs.len() > 1 {
            Verdict::Match
        } else {
            Verdict::Inconclusive
        }
    }

    /// The runs that weren't in the store.
    pub fn made(&self) -> usize {
        self.runs.iter().filter(|run| !run.cached).count()
    }
}
