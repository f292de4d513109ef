//! A build as the search sees it: variants in, places that differ out.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rbld_lang::derivation::{Build, DerivationId};
use rbld_lang::digest::Digest;

use super::{Asked, Inputs, Jobs, Made, judged, places};
use crate::compare::difference::{Difference, Finding, What};
use crate::compare::{Identity, Run, Shown, between};
use crate::failure::{Failure, Result};
use crate::schedule::build;
use crate::schedule::node::World;
use crate::store::Realisation;
use crate::vary::Variant;
use crate::vary::search::{BUILD, Place, Ran, Suspect, Try};

pub(super) struct Subject<'w> {
    world: &'w World,
    id: DerivationId,
    build: &'w Build,
    inputs: Inputs,
    jobs: &'w Jobs,
    rebuild: bool,
    outputs: Vec<String>,
    /// What each variant gave.
    made: BTreeMap<Variant, Made>,
    order: Vec<Variant>,
    /// Differences of two objects that were looked into; the reason if that didn't work.
    looked: BTreeMap<(Digest, Digest), Rc<std::result::Result<Difference, String>>>,
}

impl<'w> Subject<'w> {
    pub(super) fn new(
        world: &'w World,
        asked: &Asked,
        build: &'w Build,
        inputs: Inputs,
        plain: Realisation,
        jobs: &'w Jobs,
    ) -> Subject<'w> {
        // The plain build isn't run here: whoever asked has realised it.
        let made = BTreeMap::from([(Variant::default(), Made { cached: true, result: Ok(plain) })]);
        let (order, looked) = (Vec::new(), BTreeMap::new());
        let counts = |name: &String| asked.outputs.is_empty() || asked.outputs.contains(name);
        let outputs = build.outputs.keys().map(ToString::to_string).filter(counts).collect();
        Subject {
            world,
            id: asked.id,
            build,
            inputs,
            jobs,
            rebuild: asked.rebuild,
            outputs,
            made,
            order,
            looked,
        }
    }

    /// Every run, in order.
    pub(super) fn runs(&mut self) -> Vec<Run> {
        let order = self.order.clone();
        let run = |variant: Variant| {
            let made = self.made.get(&variant)?;
            let cached = made.cached;
            let changed = match &made.result {
                Err(why) => Err(why.clone()),
                Ok(_) => Ok(self.changed(&variant).len()),
            };
            Some(Run { variant, cached, changed })
        };
        order.into_iter().filter_map(run).collect()
    }

    /// Two runs and how they differ at some places, all of one output: the first of them says which.
    pub(super) fn shown(&mut self, without: Variant, with: Variant, places: &[Place]) -> Shown {
        let failed = |subject: &Self, variant: &Variant| {
            subject.made.get(variant).and_then(|made| made.result.as_ref().err().cloned())
        };
        if let Some(why) = failed(self, &with).or_else(|| failed(self, &without)) {
            return Shown { without, with, output: String::new(), difference: Err(why) };
        }
        let first = places.first().map_or("", String::as_str);
        let output = self.output_of(first).unwrap_or_default();
        let difference = self.difference(&output, &without, &with);
        let difference = match difference.as_deref() {
            None => Ok(Difference::default()),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(difference)) => {
                let mut shown = Difference { classes: difference.classes.clone(), ..Difference::default() };
                for place in
                    places::of(&output, difference).into_iter().filter(|one| places.contains(&one.name))
                {
                    shown.findings.extend(place.only.findings);
                    shown.leaves.extend(place.only.leaves);
                }
                // The first bytes that differ are the clearest to show, where they are of one of these places.
                let first = difference.findings.iter().filter(|finding| {
                    matches!(finding.what, What::Bytes { .. } | What::Line { .. })
                        && !shown.findings.contains(finding)
                        && shown.leaves.iter().any(|leaf| leaf.path == finding.path)
                });
                let first: Vec<Finding> = first.cloned().collect();
                shown.findings.splice(0..0, first);
                if shown.findings.is_empty() {
                    shown.findings.clone_from(&difference.findings);
                }
                Ok(shown)
            }
        };
        Shown { without, with, output, difference }
    }

    /// The output that a place belongs to.
    fn output_of(&self, place: &str) -> Option<String> {
        let named = |name: &&str| {
            place
                .strip_prefix(*name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(" > ") || rest.starts_with(", "))
        };
        self.build
            .outputs
            .keys()
            .map(|name| &**name)
            .filter(named)
            .max_by_key(|name| name.len())
            .map(str::to_owned)
    }

    fn identity(&self, variant: &Variant, output: &str) -> Option<Identity> {
        let realisation = self.made.get(variant)?.result.as_ref().ok()?;
        realisation.outputs.get(output).map(Identity::from)
    }

    /// How an output differs between two variants; `None` if it doesn't, or isn't there.
    fn difference(
        &mut self,
        output: &str,
        one: &Variant,
        other: &Variant,
    ) -> Option<Rc<std::result::Result<Difference, String>>> {
        let (left, right) = (self.identity(one, output)?, self.identity(other, output)?);
        if left == right {
            return None;
        }
        let world = self.world;
        let looked = self.looked.entry((left.digest, right.digest)).or_insert_with(|| {
            let difference = between(left, right, &world.store, &places::limits());
            Rc::new(difference.map_err(|failure| failure.message))
        });
        Some(looked.clone())
    }

    /// The places at which a variant differs from the plain build.
    fn changed(&mut self, variant: &Variant) -> BTreeMap<Place, Option<Digest>> {
        let mut changed = BTreeMap::new();
        for output in self.outputs.clone() {
            let Some(difference) = self.difference(&output, &Variant::default(), variant) else { continue };
            let found = match &*difference {
                Ok(difference) => places::of(&output, difference),
                Err(_) => Vec::new(),
            };
            if found.is_empty() {
                let digest = self.identity(variant, &output).map(|identity| identity.digest);
                changed.insert(output, digest);
            }
            for place in found {
                let digest = place.digest();
                changed.insert(place.name, Some(digest));
            }
        }
        changed
    }
}

impl Try for Subject<'_> {
    fn run(&mut self, variants: &[Variant]) -> Result<Vec<Ran>> {
        let new: BTreeSet<&Variant> =
            variants.iter().filter(|variant| !self.made.contains_key(*variant)).collect();
        let runner = Runner {
            world: self.world,
            id: self.id,
            build: self.build,
            inputs: &self.inputs,
            jobs: self.jobs,
            rebuild: self.rebuild,
        };
        let made: Vec<(Variant, Result<Made>)> = std::thread::scope(|scope| {
            let runs: Vec<_> = new
                .iter()
                .map(|variant| {
                    let (runner, variant) = (&runner, (*variant).clone());
                    (variant.clone(), scope.spawn(move || runner.make(&variant)))
                })
                .collect();
            let ended = |(variant, run): (Variant, std::thread::ScopedJoinHandle<'_, Result<Made>>)| {
                let bug = |_| Err(Failure::bug("running a varied build went wrong inside rbld"));
                (variant, run.join().unwrap_or_else(bug))
            };
            runs.into_iter().map(ended).collect()
        });
        // What was made is in the store whatever happened to the others.
        let mut failures = Vec::new();
        for (variant, made) in made {
            match made {
                Ok(made) => drop(self.made.insert(variant, made)),
                Err(failure) => failures.push(failure),
            }
        }
        if let Some(failure) = failures.into_iter().next() {
            return Err(failure);
        }
        self.order.extend(variants.iter().cloned());
        let ran = |variant: &Variant| match self.made.get(variant).map(|made| &made.result) {
            Some(Err(why)) => Ran::Failed(why.clone()),
            _ => Ran::Made(self.changed(variant)),
        };
        Ok(variants.iter().map(ran).collect())
    }

    fn suspects(&mut self, place: &str, one: &Variant, other: &Variant) -> Vec<Suspect> {
        if place == BUILD {
            return Vec::new();
        }
        let Some(output) = self.output_of(place) else { return Vec::new() };
        let Some(difference) = self.difference(&output, one, other) else { return Vec::new() };
        let Ok(difference) = &*difference else { return Vec::new() };
        let place = places::of(&output, difference).into_iter().find(|one| one.name == place);
        place.map_or_else(Vec::new, |place| place.suspects(one, other))
    }
}

/// What a thread needs to run a variant.
struct Runner<'r> {
    world: &'r World,
    id: DerivationId,
    build: &'r Build,
    inputs: &'r Inputs,
    jobs: &'r Jobs,
    rebuild: bool,
}

impl Runner<'_> {
    fn make(&self, variant: &Variant) -> Result<Made> {
        let _place = self.jobs.take();
        judged(build::vary(self.world, self.id, self.build, self.inputs, variant, self.rebuild))
    }
}
