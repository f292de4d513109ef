//! From a place that differs with many axes varied to the few that do it.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::vary::Axis;

use super::trials::Place;
use super::{Search, TRIES};
use crate::failure::Result;

/// Open places that are looked at together.
const PLACES: usize = 8;

/// How often each axis is to blame, roughly, in what distributions have found: what is likelier is found sooner.
fn weight(axis: Axis) -> u32 {
    match axis {
        Axis::Time | Axis::BuildPath => 5,
        Axis::FileOrder | Axis::Jobs | Axis::Locale => 4,
        Axis::Timezone | Axis::Umask => 3,
        Axis::Cpus | Axis::Environment | Axis::Home | Axis::Hostname | Axis::Kernel | Axis::User => 2,
        Axis::Aslr | Axis::Path => 1,
    }
}

impl Search<'_> {
    /// Tries the axes that the differing bytes point to, each alone, for all open places at once. The first time, all
    /// other axes are varied together beside them: if the guesses are right, that ends the search. False if nobody has
    /// a guess that wasn't tried.
    pub(super) fn guess(&mut self, open: &BTreeMap<Place, BTreeSet<Axis>>) -> Result<bool> {
        let mut guesses = BTreeSet::new();
        for (place, axes) in open.iter().take(PLACES) {
            let untried = self.suspects(place, axes).into_iter().find(|axis| !self.tried(*axis));
            guesses.extend(untried);
        }
        if guesses.is_empty() {
            return Ok(false);
        }
        let mut sets: BTreeSet<BTreeSet<Axis>> = guesses.iter().map(|axis| BTreeSet::from([*axis])).collect();
        if !self.guessed {
            self.guessed = true;
            sets.extend(self.without_causes(&guesses));
        }
        self.try_each(sets)?;
        Ok(true)
    }

    fn tried(&self, axis: Axis) -> bool {
        self.over().any(|(axes, _)| axes == BTreeSet::from([axis]))
    }

    /// The axes of a set that the difference between a run with it and one without points to.
    fn suspects(&mut self, place: &str, axes: &BTreeSet<Axis>) -> Vec<Axis> {
        let suspects = self.suspected(place, axes).into_iter().map(|suspect| suspect.axis);
        suspects.filter(|axis| axes.contains(axis)).collect()
    }

    fn suspected(&mut self, place: &str, axes: &BTreeSet<Axis>) -> Vec<super::Suspect> {
        let run = |wanted: &BTreeSet<Axis>| {
            self.over().find(|(axes, _)| axes == wanted).map(|(_, trial)| trial.variant.clone())
        };
        match (run(&BTreeSet::new()), run(axes)) {
            (Some(plain), Some(varied)) => self.subject.suspects(place, &plain, &varied),
            _ => Vec::new(),
        }
    }

    /// Whether an axis alone, run once, shows its own value in what it changed: nothing else could have written that.
    pub(super) fn is_seen(&mut self, place: &str, axes: &BTreeSet<Axis>) -> bool {
        self.suspected(place, axes).iter().any(|suspect| suspect.seen && axes.contains(&suspect.axis))
    }

    /// One step towards the single axis that changes each open place: one run that halves what may be to blame, for as
    /// many places as that can be done for. False if no place is left that one axis alone could account for.
    pub(super) fn narrow(&mut self, open: &BTreeMap<Place, BTreeSet<Axis>>) -> Result<bool> {
        let mut sets: BTreeSet<BTreeSet<Axis>> = BTreeSet::new();
        let mut chosen: BTreeMap<Axis, bool> = BTreeMap::new();
        for (place, axes) in open.iter().take(PLACES) {
            let candidates = self.candidates(place, axes);
            match candidates.as_slice() {
                [] => {}
                [axis] => drop(sets.insert(BTreeSet::from([*axis]))),
                several => halve(several, &mut chosen),
            }
        }
        let half: BTreeSet<Axis> =
            chosen.into_iter().filter(|(_, inside)| *inside).map(|(axis, _)| axis).collect();
        if !half.is_empty() {
            sets.insert(half);
        }
        let any = !sets.is_empty();
        self.try_each(sets)?;
        Ok(any)
    }

    /// The axes of a set that could change a place by themselves, the likelier first.
    fn candidates(&self, place: &str, axes: &BTreeSet<Axis>) -> Vec<Axis> {
        let negatives = self.negatives(place);
        let candidates = axes.iter().copied().filter(|axis| !negatives.iter().any(|ran| ran.contains(axis)));
        let mut candidates: Vec<Axis> = candidates.collect();
        candidates.sort_by_key(|axis| (std::cmp::Reverse(weight(*axis)), *axis));
        candidates
    }

    /// Searches a set that changes a place for the smallest part that does, where no axis does it alone.
    pub(super) fn explain(&mut self, place: &str, axes: &BTreeSet<Axis>) -> Result<()> {
        self.try_times(axes, 2)?;
        let (hits, tries) = self.hits(place, axes);
        let mut repeats = 1;
        if hits < tries {
            if !self.is_calm(place)? {
                return Ok(());
            }
            self.try_times(axes, TRIES)?;
            if self.hits(place, axes).0 < 2 {
                self.unexplained.insert(place.to_owned());
                return Ok(());
            }
            repeats = TRIES;
        }
        let suspects = self.suspects(place, axes);
        let mut order: Vec<Axis> = axes.iter().copied().collect();
        let rank = |axis: &Axis| suspects.iter().position(|suspect| suspect == axis).unwrap_or(usize::MAX);
        order.sort_by_key(|axis| (rank(axis), std::cmp::Reverse(weight(*axis)), *axis));
        let least = self.part(place, &BTreeSet::new(), false, &order, repeats)?;
        const TOGETHER: usize = 3;
        match least {
            None => Ok(()),
            Some(least) if least.len() <= TOGETHER => self.decide(place, &least),
            Some(_) => {
                self.unexplained.insert(place.to_owned());
                Ok(())
            }
        }
    }

    /// Quick-explain: the smallest part of `of` that together with `beside` changes the place, where all of it does.
    /// `more` says that `beside` has grown since it was last tested. `None` once the limit of runs is reached.
    fn part(
        &mut self,
        place: &str,
        beside: &BTreeSet<Axis>,
        more: bool,
        of: &[Axis],
        repeats: u32,
    ) -> Result<Option<BTreeSet<Axis>>> {
        if more && self.test(place, beside, repeats)? {
            return Ok(Some(BTreeSet::new()));
        }
        if let [axis] = of {
            return Ok(Some(BTreeSet::from([*axis])));
        }
        if self.spent() {
            return Ok(None);
        }
        let (one, other) = match self.harmless(place, of).filter(|_| beside.is_empty()) {
            Some(split) => split,
            None => {
                let (one, other) = of.split_at(halfway(of));
                (one.to_vec(), other.to_vec())
            }
        };
        let with_one: BTreeSet<Axis> = beside.iter().chain(&one).copied().collect();
        let Some(second) = self.part(place, &with_one, true, &other, repeats)? else { return Ok(None) };
        let with_second: BTreeSet<Axis> = beside | &second;
        let Some(first) = self.part(place, &with_second, !second.is_empty(), &one, repeats)? else {
            return Ok(None);
        };
        Ok(Some(&first | &second))
    }

    /// The sets that were run and left a place as it is. Not those that hold a set which changes it: there one axis
    /// undoes what another does, so nothing follows for their parts.
    fn negatives(&self, place: &str) -> Vec<BTreeSet<Axis>> {
        let ran = |changed: bool| -> Vec<BTreeSet<Axis>> {
            let ran = self.over().filter(|(_, trial)| self.same(place, trial) == Some(!changed));
            ran.map(|(axes, _)| axes).collect()
        };
        let positives = ran(true);
        ran(false).into_iter().filter(|axes| !positives.iter().any(|set| set.is_subset(axes))).collect()
    }

    /// Axes split into the most of them that are known to change nothing together, and the others.
    fn harmless(&self, place: &str, of: &[Axis]) -> Option<(Vec<Axis>, Vec<Axis>)> {
        let negatives = self.negatives(place);
        let splits = negatives.iter().map(|ran| of.iter().copied().partition(|axis| ran.contains(axis)));
        let proper =
            splits.filter(|(one, other): &(Vec<Axis>, Vec<Axis>)| !one.is_empty() && !other.is_empty());
        proper.max_by_key(|(one, _)| one.len())
    }

    /// Whether a set changes the place: from what is known, else by running it.
    fn test(&mut self, place: &str, axes: &BTreeSet<Axis>, repeats: u32) -> Result<bool> {
        if axes.is_empty() {
            return Ok(false);
        }
        loop {
            let (hits, tries) = self.hits(place, axes);
            if hits > 0 {
                return Ok(true);
            }
            if tries >= repeats
                || (repeats == 1 && self.within_what_changes_nothing(place, axes))
                || self.spent()
            {
                return Ok(false);
            }
            self.try_each([axes.clone()])?;
        }
    }

    /// Whether a larger set is known to leave the place as it is.
    pub(super) fn within_what_changes_nothing(&self, place: &str, axes: &BTreeSet<Axis>) -> bool {
        self.negatives(place).iter().any(|ran| axes.is_subset(ran))
    }
}

/// Puts candidates on two sides so that what is likely is as much on one as on the other, as far as it isn't said yet
/// on which side an axis is.
fn halve(candidates: &[Axis], chosen: &mut BTreeMap<Axis, bool>) {
    let weigh = |chosen: &BTreeMap<Axis, bool>, side| {
        let there = candidates.iter().filter(|axis| chosen.get(axis) == Some(&side));
        there.map(|axis| weight(*axis)).sum::<u32>()
    };
    for axis in candidates {
        let inside = weigh(chosen, true) <= weigh(chosen, false);
        chosen.entry(*axis).or_insert(inside);
    }
}

/// Where a list is cut so that what is likely is as much on one side as on the other.
fn halfway(axes: &[Axis]) -> usize {
    let all: u32 = axes.iter().map(|axis| weight(*axis)).sum();
    let mut sum = 0;
    let cut = axes.iter().position(|axis| {
        sum += weight(*axis);
        2 * sum >= all
    });
    cut.map_or(1, |cut| cut + 1).clamp(1, axes.len() - 1)
}
