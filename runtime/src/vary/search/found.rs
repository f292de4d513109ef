//! What a search came to.

use std::collections::BTreeSet;

use rbld_lang::vary::Axis;

use super::trials::{Place, Ran, Trial};

/// What was found of one build.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was proven to change something, each by runs that differ in nothing else.
    pub causes: Vec<Cause>,
    /// Places that differ between runs in which nothing was varied, and that nothing makes hold still.
    pub flaky: Vec<Place>,
    /// Places that differed in a varied run, where the difference didn't come back or no axis could be proven.
    pub unexplained: Vec<Place>,
    /// Every run, in order; the first is plain.
    pub trials: Vec<Trial>,
    /// False if the search was ended by its limit of runs.
    pub complete: bool,
}

/// Axes that change something together, and none of them without the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The axes.
    pub axes: BTreeSet<Axis>,
    /// Axes that had their other value on both sides, since the place never holds still without.
    pub held: BTreeSet<Axis>,
    /// What they do.
    pub effect: Effect,
    /// Where, sorted.
    pub places: Vec<Place>,
    /// The run that shows the effect, by its place among the trials.
    pub with: usize,
    /// The run that differs from it only in the axes.
    pub without: usize,
}

/// What axes do to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// They change it, in each run alike.
    Changes,
    /// They change it in some runs only; without them it never changes.
    Sometimes {
        /// Runs in which it changed.
        hits: u32,
        /// Runs that were made.
        tries: u32,
    },
    /// It changes from run to run, until they are held at one value.
    Holds,
}

impl Found {
    /// True if nothing differed in any run.
    pub fn is_reproducible(&self) -> bool {
        self.complete
            && self.trials.len() > 1
            && self.trials.iter().all(|trial| matches!(&trial.seen, Ran::Made(changed) if changed.is_empty()))
    }

    /// Why the plain build failed, if it did: then nothing else was run.
    pub fn failed(&self) -> Option<&str> {
        match self.trials.first().map(|trial| &trial.seen) {
            Some(Ran::Failed(why)) => Some(why),
            _ => None,
        }
    }
}
