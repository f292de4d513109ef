//! Made-up builds: places, and the axes that change them.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::digest::Digest;
use rbld_lang::vary::Axis;

use super::super::Variant;
use super::{BUILD, Place, Ran, Suspect, Try};
use crate::failure::Result;

/// A set of axes.
pub(super) fn axes(names: &[Axis]) -> BTreeSet<Axis> {
    names.iter().copied().collect()
}

/// What a place shows in a run: any number.
type Shows = Box<dyn Fn(&Variant, &mut Chance) -> u64>;

/// Chances that are the same each time for a seed, a run and a place.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.number() % most
    }

    /// True so many times of a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn axis(&mut self) -> Axis {
        Axis::ALL[self.below(15) as usize]
    }
}

/// A build.
pub(super) struct Made {
    seed: u64,
    places: BTreeMap<Place, Shows>,
    fails: Option<BTreeSet<Axis>>,
    suspects: BTreeMap<Place, Vec<Suspect>>,
    /// Every run.
    pub(super) runs: Vec<Variant>,
}

impl Made {
    pub(super) fn new(seed: u64) -> Made {
        let still: Shows = Box::new(|_, _| 0);
        Made {
            seed,
            places: BTreeMap::from([("still".to_owned(), still)]),
            fails: None,
            suspects: BTreeMap::new(),
            runs: Vec::new(),
        }
    }

    /// With a place that shows something.
    pub(super) fn place(
        mut self,
        place: &str,
        shows: impl Fn(&Variant, &mut Chance) -> u64 + 'static,
    ) -> Made {
        self.places.insert(place.to_owned(), Box::new(shows));
        self
    }

    /// With a place that these axes change together.
    pub(super) fn changed(self, place: &str, by: &[Axis]) -> Made {
        let by = axes(by);
        self.place(place, move |variant, _| u64::from(variant.axes.is_superset(&by)))
    }

    /// With a place that each of these axes changes, the last of those that are varied hiding the others.
    pub(super) fn masked(self, place: &str, by: &[Axis]) -> Made {
        let by = by.to_vec();
        self.place(place, move |variant, _| {
            by.iter().rposition(|axis| variant.axes.contains(axis)).map_or(0, |index| index as u64 + 1)
        })
    }

    /// With a place that is something else in so many runs of a hundred in which this set is varied.
    pub(super) fn sometimes(self, place: &str, by: &[Axis], percent: u64) -> Made {
        let by = axes(by);
        self.place(place, move |variant, chance| {
            u64::from(variant.axes.is_superset(&by) && chance.percent(percent))
        })
    }

    /// Failing where these are varied.
    pub(super) fn failing(mut self, by: &[Axis]) -> Made {
        self.fails = Some(axes(by));
        self
    }

    /// Whose difference at a place points to these axes.
    pub(super) fn pointing(mut self, place: &str, to: &[Axis], seen: bool) -> Made {
        let suspects = to.iter().map(|axis| Suspect { axis: *axis, seen }).collect();
        self.suspects.insert(place.to_owned(), suspects);
        self
    }
}

impl Made {
    fn shown(&self, variant: &Variant) -> BTreeMap<Place, Digest> {
        let shown = self.places.iter().enumerate().map(|(index, (place, shows))| {
            let bits =
                |axes: &BTreeSet<Axis>| axes.iter().fold(0u64, |bits, axis| bits | 1 << (*axis as u64));
            let salt = bits(&variant.axes) << 20 ^ bits(&variant.held) << 36 ^ u64::from(variant.run) << 56;
            let mut chance = Chance::new(self.seed ^ salt);
            let mut chance = Chance::new(chance.number() ^ index as u64);
            (place.clone(), Digest::of(&shows(variant, &mut chance).to_le_bytes()))
        });
        shown.collect()
    }
}

impl Try for Made {
    fn run(&mut self, variants: &[Variant]) -> Result<Vec<Ran>> {
        self.runs.extend(variants.iter().cloned());
        let plain = self.shown(&Variant::default());
        let run = |variant: &Variant| {
            if self.fails.as_ref().is_some_and(|fails| variant.axes.is_superset(fails)) {
                return Ran::Failed("its script exited with 1".to_owned());
            }
            let shown = self.shown(variant).into_iter();
            let changed = shown.filter(|(place, digest)| plain[place] != *digest);
            Ran::Made(changed.map(|(place, digest)| (place, Some(digest))).collect())
        };
        Ok(variants.iter().map(run).collect())
    }

    fn suspects(&mut self, place: &str, _: &Variant, _: &Variant) -> Vec<Suspect> {
        assert!(place == BUILD || self.places.contains_key(place), "a place that was never there: {place}");
        self.suspects.get(place).cloned().unwrap_or_default()
    }
}
