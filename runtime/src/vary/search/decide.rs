//! Whether a set of axes that changed a place is its cause: repeats, sets with one axis less, and what is held still.

use std::collections::BTreeSet;

use rbld_lang::vary::Axis;

use super::trials::{At, Place};
use super::{Base, CALM, Effect, Known, Search, TRIES, Trial, without};
use crate::failure::Result;

/// The axes that the plain build leaves to chance and that a run can hold at one value.
const HELD: [Axis; 2] = [Axis::FileOrder, Axis::Time];

/// The axes that can be behind what differs between two plain runs: what is the same in both can't.
const MOVING: [Axis; 4] = [Axis::Cpus, Axis::FileOrder, Axis::Jobs, Axis::Time];

impl Search<'_> {
    /// Decides on a set that was run and changed the place: it becomes a cause, or a smaller one is known now, or the
    /// place is given up.
    pub(super) fn decide(&mut self, place: &str, axes: &BTreeSet<Axis>) -> Result<()> {
        if axes.len() > 1 && self.try_less(place, axes)? {
            return Ok(());
        }
        let (hits, tries) = self.hits(place, axes);
        if hits < tries {
            return self.tally(place, axes);
        }
        // More than one was looked for only because all of them did it twice.
        let proven = hits > 1 || axes.len() > 1 || self.is_seen(place, axes);
        self.know(axes, Effect::Changes, proven);
        Ok(())
    }

    /// Runs each set with one axis less that wasn't run; true if one of them changes the place too.
    fn try_less(&mut self, place: &str, axes: &BTreeSet<Axis>) -> Result<bool> {
        let less: Vec<BTreeSet<Axis>> = axes.iter().map(|axis| without(axes, *axis)).collect();
        let known = |set: &BTreeSet<Axis>| {
            self.hits(place, set).1 > 0 || self.within_what_changes_nothing(place, set)
        };
        let new: Vec<BTreeSet<Axis>> = less.iter().filter(|set| !known(set)).cloned().collect();
        self.try_each(new)?;
        Ok(less.iter().any(|set| self.changes(place, set)))
    }

    /// Counts how often a set changes a place that holds still without it.
    fn tally(&mut self, place: &str, axes: &BTreeSet<Axis>) -> Result<()> {
        if !self.is_calm(place)? {
            return Ok(());
        }
        self.try_times(axes, TRIES)?;
        let (hits, tries) = self.hits(place, axes);
        if hits < 2 {
            self.unexplained.insert(place.to_owned());
        } else {
            self.know(axes, Effect::Sometimes { hits, tries }, true);
        }
        Ok(())
    }

    /// Makes enough plain runs to blame an axis for what comes and goes; false if the place doesn't hold still in them.
    pub(super) fn is_calm(&mut self, place: &str) -> Result<bool> {
        self.try_times(&BTreeSet::new(), CALM)?;
        Ok(self.still(place).is_some())
    }

    fn know(&mut self, axes: &BTreeSet<Axis>, effect: Effect, proven: bool) {
        let known = Known { axes: axes.clone(), base: self.base.clone(), effect, proven };
        match self.causes.iter_mut().find(|cause| cause.axes == known.axes && cause.base == known.base) {
            None => self.causes.push(known),
            Some(cause) => {
                cause.proven &= proven;
                cause.effect = cause.effect.max(effect);
            }
        }
    }

    /// Runs all causes that were seen once together, once more: what they changed must change again. False if there are
    /// none.
    pub(super) fn once_more(&mut self) -> Result<bool> {
        let doubtful: Vec<Known> = self.known().filter(|cause| !cause.proven).cloned().collect();
        if doubtful.is_empty() {
            return Ok(false);
        }
        let together: BTreeSet<Axis> = doubtful.iter().flat_map(|cause| cause.axes.iter().copied()).collect();
        self.try_each([BTreeSet::new(), together.clone()])?;
        let base = self.base.clone();
        for cause in self.causes.iter_mut().filter(|cause| cause.base == base) {
            cause.proven = true;
        }
        for cause in &doubtful {
            let gone = |place: &Place| {
                let last = self.over().filter(|(axes, _)| *axes == together).last();
                let same = last.and_then(|(_, trial)| self.same(place, trial));
                self.changes(place, &cause.axes) && same == Some(true)
            };
            if let Some(place) = self.asked().into_iter().find(gone) {
                self.causes.retain(|known| known.axes != cause.axes || known.base != cause.base);
                self.try_times(&cause.axes, 2)?;
                self.tally(&place, &cause.axes)?;
            }
        }
        Ok(true)
    }

    /// Places that never hold still: the axes that they point to are held at one value, or varied where they can't be,
    /// and if that makes them hold still, the rest is searched over it.
    pub(super) fn held_places(&mut self) -> Result<()> {
        let mut tried = BTreeSet::new();
        loop {
            let holding: Vec<&Base> = self
                .causes
                .iter()
                .filter(|cause| cause.effect == Effect::Holds)
                .map(|cause| &cause.base)
                .collect();
            let moves = |place: &Place| !holding.iter().any(|base| self.holds(place, base));
            let moving: BTreeSet<Place> = self.flaky().into_iter().filter(moves).collect();
            let Some(axis) = self.next_to_hold(&moving, &tried) else { return Ok(()) };
            tried.insert(axis);
            let axes = BTreeSet::from([axis]);
            self.base = if HELD.contains(&axis) {
                Base { held: axes.clone(), ..Base::default() }
            } else {
                Base { varied: axes.clone(), ..Base::default() }
            };
            let held = self.hold(&moving)?;
            if !held.is_empty() {
                self.know(&axes, Effect::Holds, true);
                self.scope = held;
                self.all_places()?;
            }
            (self.base, self.scope) = (Base::default(), BTreeSet::new());
            if self.spent() {
                return Ok(());
            }
        }
    }

    /// The places that the base makes hold still, as often as it is run.
    fn hold(&mut self, moving: &BTreeSet<Place>) -> Result<BTreeSet<Place>> {
        let mut held = moving.clone();
        for times in 2..=TRIES {
            self.try_times(&BTreeSet::new(), times)?;
            held.retain(|place| self.holds(place, &self.base));
            if held.is_empty() {
                break;
            }
        }
        Ok(held)
    }

    /// The next axis that a place which doesn't hold still points to.
    fn next_to_hold(&mut self, moving: &BTreeSet<Place>, tried: &BTreeSet<Axis>) -> Option<Axis> {
        const PLACES: usize = 8;
        for place in moving.iter().take(PLACES) {
            let mut plain = self.trials.iter().filter(|trial| trial.is_plain());
            let first = plain.next()?;
            let other = plain.find(|trial| trial.at(place) != first.at(place))?;
            let (one, other) = (first.variant.clone(), other.variant.clone());
            let suspects = self.subject.suspects(place, &one, &other).into_iter().map(|suspect| suspect.axis);
            let mut suspects =
                suspects.filter(|axis| MOVING.contains(axis) && self.options.axes.contains(axis));
            if let Some(next) = suspects.find(|axis| !tried.contains(axis)) {
                return Some(next);
            }
        }
        None
    }

    /// Whether a place is one thing in every run of a base alone, of which there are two at least.
    pub(super) fn holds(&self, place: &str, base: &Base) -> bool {
        let alone = |trial: &&Trial| base.over(&trial.variant).is_some_and(|axes| axes.is_empty());
        let found: Vec<At> = self.trials.iter().filter(alone).map(|trial| trial.at(place)).collect();
        found.len() > 1 && found[0] != At::Unknown && found.iter().all(|at| *at == found[0])
    }
}
