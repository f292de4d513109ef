//! From "this build differs from itself" to the axes that make it so, in few runs.
//!
//! Every run tells of every place at once, so independent causes are told apart by the places they change. A guess from
//! the differing bytes comes first: a run with that axis alone proves it. Where nothing is guessed, a quick-explain search
//! halves what may be to blame, and finds pairs that only cause together. What is found is then left out and the rest
//! varied again, since one cause may hide another. Repeats decide what is flaky before an axis is blamed.
//!
//! A cause is only ever a set of axes that was run, and changed the place, and of which no axis can be left out. Knows
//! neither builds nor stores; the same answers lead to the same runs.

mod decide;
mod explain;
mod found;
#[cfg(test)]
mod subjects;
#[cfg(test)]
mod tests;
mod trials;

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::vary::Axis;

pub use found::{Cause, Effect, Found};
pub use trials::{BUILD, Place, Ran, Trial};

use self::trials::At;
use super::Variant;
use crate::failure::Result;

/// Something that can be run in varied surroundings.
pub trait Try {
    /// Runs each variant, in any order or all at once. An error ends the search.
    fn run(&mut self, variants: &[Variant]) -> Result<Vec<Ran>>;

    /// The axes that the difference at a place points to, the likeliest first; `one` and `other` are runs that were made.
    fn suspects(&mut self, place: &str, one: &Variant, other: &Variant) -> Vec<Suspect>;
}

/// An axis that a difference points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The axis.
    pub axis: Axis,
    /// Whether its value stands in the differing bytes; else it is a guess from what kind of difference it is.
    pub seen: bool,
}

/// What is searched, and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The axes that may be to blame.
    pub axes: BTreeSet<Axis>,
    /// How many plain runs are held against each other, two at least. One fewer are made with everything varied.
    pub times: u32,
    /// Runs after which the search ends, whatever is found by then.
    pub most: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { axes: Axis::ALL.into(), times: 2, most: 60 }
    }
}

/// Runs that decide whether something happens sometimes.
const TRIES: u32 = 3;

/// Plain runs that must agree before an effect that comes and goes is put down to an axis.
const CALM: u32 = 4;

/// Searches.
pub fn search(subject: &mut dyn Try, options: &Options) -> Result<Found> {
    let mut search = Search::new(subject, options);
    search.begin()?;
    if search.trials.first().is_some_and(|trial| matches!(trial.seen, Ran::Made(_))) {
        search.all_places()?;
        search.held_places()?;
    }
    Ok(search.found())
}

struct Search<'s> {
    subject: &'s mut dyn Try,
    options: &'s Options,
    trials: Vec<Trial>,
    causes: Vec<Known>,
    /// Places that are given up.
    unexplained: BTreeSet<Place>,
    /// What every run has now that is looked at, and the places that this is for; all of them if it is nothing.
    base: Base,
    scope: BTreeSet<Place>,
    /// Whether guesses were tried beside a run of everything else.
    guessed: bool,
}

/// What is the same in all runs that are held against each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Base {
    /// Axes that are held at one value.
    held: BTreeSet<Axis>,
    /// Axes that have their other value.
    varied: BTreeSet<Axis>,
}

impl Base {
    fn is_plain(&self) -> bool {
        self.held.is_empty() && self.varied.is_empty()
    }

    /// The base with more varied: what is varied isn't held.
    fn with(&self, axes: &BTreeSet<Axis>, run: u32) -> Variant {
        Variant { run, axes: axes | &self.varied, held: &self.held - axes }
    }

    /// What a run varies beside the base; `None` if it is another base's.
    fn over(&self, variant: &Variant) -> Option<BTreeSet<Axis>> {
        let fits = variant.axes.is_superset(&self.varied) && variant.held == &self.held - &variant.axes;
        fits.then(|| &variant.axes - &self.varied)
    }
}

/// A cause while the search goes on.
#[derive(Clone, Debug)]
struct Known {
    axes: BTreeSet<Axis>,
    base: Base,
    effect: Effect,
    /// Whether it was seen in two runs, or wrote its own value.
    proven: bool,
}

impl<'s> Search<'s> {
    fn new(subject: &'s mut dyn Try, options: &'s Options) -> Search<'s> {
        Search {
            subject,
            options,
            trials: Vec::new(),
            causes: Vec::new(),
            unexplained: BTreeSet::new(),
            base: Base::default(),
            scope: BTreeSet::new(),
            guessed: false,
        }
    }

    /// The first runs: some plain, some with everything varied.
    fn begin(&mut self) -> Result<()> {
        let times = self.options.times.max(2);
        let plain = (0..times).map(|run| Variant { run, ..Variant::default() });
        let axes = &self.options.axes;
        let varied = (0..times - 1).map(|run| Variant { run, axes: axes.clone(), ..Variant::default() });
        let varied = varied.filter(|variant| !variant.axes.is_empty());
        let variants: Vec<Variant> = plain.chain(varied).collect();
        self.run(variants)
    }

    fn run(&mut self, variants: Vec<Variant>) -> Result<()> {
        if variants.is_empty() {
            return Ok(());
        }
        let ran = self.subject.run(&variants)?;
        for (variant, ran) in variants.into_iter().zip(ran) {
            self.trials.push(Trial { variant, seen: ran });
        }
        Ok(())
    }

    /// Runs each of these sets once more.
    fn try_each(&mut self, sets: impl IntoIterator<Item = BTreeSet<Axis>>) -> Result<()> {
        let sets: BTreeSet<BTreeSet<Axis>> = sets.into_iter().collect();
        let variants = sets.into_iter().map(|axes| self.base.with(&axes, self.next_run(&axes)));
        let variants = variants.collect();
        self.run(variants)
    }

    /// Runs a set until it has been run so many times.
    fn try_times(&mut self, axes: &BTreeSet<Axis>, times: u32) -> Result<()> {
        let from = self.next_run(axes);
        let variants = (from..times).map(|run| self.base.with(axes, run)).collect();
        self.run(variants)
    }

    /// The number that the next run with these axes gets.
    fn next_run(&self, axes: &BTreeSet<Axis>) -> u32 {
        let Variant { axes, held, .. } = self.base.with(axes, 0);
        let same = |trial: &&Trial| trial.variant.axes == axes && trial.variant.held == held;
        self.trials.iter().filter(same).map(|trial| trial.variant.run + 1).max().unwrap_or(0)
    }

    fn spent(&self) -> bool {
        self.trials.len() >= self.options.most
    }

    /// The runs over the base, each with what it varies beside.
    fn over(&self) -> impl Iterator<Item = (BTreeSet<Axis>, &Trial)> {
        self.trials.iter().filter_map(|trial| Some((self.base.over(&trial.variant)?, trial)))
    }

    /// What a place is where nothing is varied beside the base; `None` if it isn't one thing.
    fn still(&self, place: &str) -> Option<At> {
        let mut plain = self.over().filter(|(axes, _)| axes.is_empty()).map(|(_, trial)| trial.at(place));
        let first = plain.next()?;
        (first != At::Unknown && plain.all(|at| at == first)).then_some(first)
    }

    /// Whether a place came out in a run as it should; `None` if the run says nothing of it.
    fn same(&self, place: &str, trial: &Trial) -> Option<bool> {
        let at = trial.at(place);
        if at == At::Unknown {
            return None;
        }
        self.still(place).map(|still| still == at)
    }

    /// The places that differ between plain runs.
    fn flaky(&self) -> BTreeSet<Place> {
        let plain = self.trials.iter().filter(|trial| trial.is_plain());
        plain.flat_map(Trial::changed).map(str::to_owned).collect()
    }

    /// The places that the search asks about now.
    fn asked(&self) -> BTreeSet<Place> {
        if !self.base.is_plain() {
            return &self.scope - &self.unexplained;
        }
        let flaky = self.flaky();
        let places: BTreeSet<&str> = self.trials.iter().flat_map(Trial::changed).collect();
        let asked = |place: &&str| !flaky.contains(*place) && !self.unexplained.contains(*place);
        places.into_iter().filter(asked).map(str::to_owned).collect()
    }

    /// The causes that are known over the base.
    fn known(&self) -> impl Iterator<Item = &Known> {
        self.causes.iter().filter(|cause| cause.base == self.base)
    }

    /// Whether what a run shows at a place follows from a cause that is known to change the place.
    fn covered(&self, place: &str, axes: &BTreeSet<Axis>) -> bool {
        self.known().any(|cause| {
            cause.axes.is_subset(axes) && (cause.effect == Effect::Holds || self.changes(place, &cause.axes))
        })
    }

    /// Whether a place was seen changed in a run of exactly these axes.
    fn changes(&self, place: &str, axes: &BTreeSet<Axis>) -> bool {
        self.hits(place, axes).0 > 0
    }

    /// In how many of its runs a set changed a place.
    fn hits(&self, place: &str, axes: &BTreeSet<Axis>) -> (u32, u32) {
        let runs = self.over().filter(|(ran, _)| ran == axes).map(|(_, trial)| self.same(place, trial));
        runs.fold((0, 0), |(hits, tries), same| (hits + u32::from(same == Some(false)), tries + 1))
    }

    /// Of each place with something unexplained the smallest set of axes that shows it. Places that came out alike in
    /// every run stand for each other: only the first of them is there.
    fn open(&self) -> BTreeMap<Place, BTreeSet<Axis>> {
        let mut open = BTreeMap::new();
        let mut seen: BTreeSet<Vec<Option<bool>>> = BTreeSet::new();
        for place in self.asked() {
            let runs: Vec<(BTreeSet<Axis>, Option<bool>)> =
                self.over().map(|(axes, trial)| (axes, self.same(&place, trial))).collect();
            if !seen.insert(runs.iter().map(|(_, same)| *same).collect()) {
                continue;
            }
            let unexplained = runs
                .into_iter()
                .filter(|(axes, same)| *same == Some(false) && !axes.is_empty())
                .map(|(axes, _)| axes)
                .filter(|axes| !self.covered(&place, axes));
            if let Some(smallest) = unexplained.min_by_key(|axes| (axes.len(), axes.clone())) {
                open.insert(place, smallest);
            }
        }
        open
    }

    /// Finds the causes of all places that are asked about.
    fn all_places(&mut self) -> Result<()> {
        self.guessed = false;
        while !self.spent() {
            let open = self.open();
            let Some((place, axes)) = open.first_key_value() else {
                if self.rest()? || self.once_more()? {
                    continue;
                }
                break;
            };
            let single = open.iter().find(|(_, axes)| axes.len() == 1);
            if let Some((place, axes)) = single {
                self.decide(place, axes)?;
            } else if !self.guess(&open)? && !self.narrow(&open)? {
                self.explain(place, axes)?;
            }
        }
        Ok(())
    }

    /// Varies everything but what is known to cause something: what a cause hid comes out. False if nothing was left
    /// to vary that hadn't been.
    fn rest(&mut self) -> Result<bool> {
        let sets = self.without_causes(&BTreeSet::new());
        let any = !sets.is_empty();
        self.try_each(sets)?;
        Ok(any)
    }

    /// All axes without one of each known cause, in every way to choose those, and without `more`: those of these sets
    /// that weren't run.
    fn without_causes(&self, more: &BTreeSet<Axis>) -> BTreeSet<BTreeSet<Axis>> {
        const WAYS: usize = 4;
        let mut sets = BTreeSet::from([&(&self.options.axes - &self.base.varied) - more]);
        let (one, several): (Vec<&Known>, Vec<&Known>) =
            self.known().partition(|cause| cause.axes.len() == 1);
        for cause in one.into_iter().chain(several) {
            let mut next = BTreeSet::new();
            for set in sets {
                if !cause.axes.is_subset(&set) {
                    next.insert(set);
                    continue;
                }
                next.extend(cause.axes.iter().map(|axis| without(&set, *axis)));
            }
            sets = next.into_iter().take(WAYS).collect();
        }
        sets.retain(|set| !set.is_empty() && self.over().all(|(axes, _)| axes != *set));
        sets
    }

    fn found(mut self) -> Found {
        self.base = Base::default();
        let complete = !self.spent() || self.open().is_empty();
        let causes: Vec<Cause> = self.causes.iter().filter_map(|known| self.cause(known)).collect();
        let holding = causes.iter().filter(|cause| cause.effect == Effect::Holds);
        let held: BTreeSet<&Place> = holding.flat_map(|cause| &cause.places).collect();
        let flaky: Vec<Place> = self.flaky().into_iter().filter(|place| !held.contains(place)).collect();
        let unexplained = self.unexplained.iter().filter(|place| !flaky.contains(place)).cloned().collect();
        Found { causes, flaky, unexplained, trials: self.trials, complete }
    }

    /// A cause with the places it changes and the runs that show it; `None` if nothing of it is left.
    fn cause(&self, known: &Known) -> Option<Cause> {
        let trials = &self.trials;
        let Known { axes, base, effect, .. } = known.clone();
        let find = |wanted: &Variant, differs: &dyn Fn(&Trial) -> bool| {
            let same = |variant: &Variant| variant.axes == wanted.axes && variant.held == wanted.held;
            trials.iter().position(|trial| same(&trial.variant) && differs(trial))
        };
        let shown: Vec<(Place, (usize, usize))> = if effect == Effect::Holds {
            let with = find(&base.with(&BTreeSet::new(), 0), &|_| true)?;
            let without = trials.iter().rposition(Trial::is_plain)?;
            let held = self.flaky().into_iter().filter(|place| self.holds(place, &base));
            held.map(|place| (place, (with, without))).collect()
        } else {
            let without = find(&base.with(&BTreeSet::new(), 0), &|_| true)?;
            let changed = |place: Place| {
                let still = trials[without].at(&place);
                let differs =
                    |trial: &Trial| !matches!(trial.at(&place), At::Unknown) && trial.at(&place) != still;
                let with = find(&base.with(&axes, 0), &differs)?;
                Some((place, (with, without)))
            };
            self.concerned(known).into_iter().filter_map(changed).collect()
        };
        let (_, (with, without)) = *shown.first()?;
        let places = shown.into_iter().map(|(place, _)| place).collect();
        Some(Cause { axes, held: &base.held | &base.varied, effect, places, with, without })
    }

    /// The places that a cause may have changed.
    fn concerned(&self, known: &Known) -> BTreeSet<Place> {
        let flaky = self.flaky();
        if !known.base.is_plain() {
            let held = flaky.into_iter().filter(|place| self.holds(place, &known.base));
            return &held.collect::<BTreeSet<Place>>() - &self.unexplained;
        }
        let plain = self.trials.iter().filter(|trial| trial.variant.axes == known.axes);
        let places: BTreeSet<Place> = plain.flat_map(Trial::changed).map(str::to_owned).collect();
        &(&places - &flaky) - &self.unexplained
    }
}

/// A set without one of its axes.
fn without(axes: &BTreeSet<Axis>, axis: Axis) -> BTreeSet<Axis> {
    axes.iter().copied().filter(|other| *other != axis).collect()
}
