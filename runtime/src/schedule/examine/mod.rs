//! Examining builds: each is run in varied surroundings until it is known what changes its bytes.
//!
//! The search says which variants to run; here they are run, so many at once as there are places, or found in the store.
//! What can be examined is a build whose plain result is known. A variant that fails is a finding, never a match.

mod places;
mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use rbld_lang::derivation::{Build, Derivation, DerivationId};
use rbld_lang::plan::Plan;
use rbld_lang::vary::Axis;

use self::subject::Subject;
use super::node::{Inputs, World};
use super::{Options, Outcome, Standing};
use crate::compare::{Confirmed, Shown, Unsteady, Varied};
use crate::executor;
use crate::failure::{Failure, Kind, Result};
use crate::store::Realisation;
use crate::vary::Variant;
use crate::vary::search::{self, BUILD, Cause, Found, Ran};

/// A build that is to be examined, and how.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The build.
    pub id: DerivationId,
    /// The outputs that count; all of them if none is named.
    pub outputs: BTreeSet<String>,
    /// What is varied.
    pub axes: BTreeSet<Axis>,
    /// How many plain runs are held against each other.
    pub times: u32,
    /// Run everything again although it is in the store.
    pub rebuild: bool,
}

/// What came of it: what was found, and the failure that ended it early.
pub type Examined = (Varied, Option<Failure>);

/// Examines builds whose plain results are among the outcomes, in the order asked for; `None` for those that have none.
pub fn examine(
    plan: &Plan,
    world: &World,
    outcomes: &BTreeMap<DerivationId, Outcome>,
    asked: &[Asked],
    options: Options,
) -> Vec<Option<Examined>> {
    let jobs = Jobs::new(options.jobs);
    // What a build needs isn't among the outcomes where its own result was found.
    let found = super::standings(plan, world).unwrap_or_default();
    let next = AtomicUsize::new(0);
    let stopped = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, Examined>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.min(asked.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(one) = asked.get(index) else { return };
                    let Some((build, realisation, inputs)) = ready(plan, outcomes, &found, one.id) else {
                        continue;
                    };
                    if stopped.load(Ordering::SeqCst) > 0 {
                        continue;
                    }
                    let subject = Subject::new(world, one, build, inputs, realisation, &jobs);
                    let examined = examined(subject, one);
                    if let (_, Some(failure)) = &examined
                        && (options.fail_fast || matches!(failure.kind, Kind::Interrupted(_)))
                    {
                        stopped.fetch_add(1, Ordering::SeqCst);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, examined);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    (0..asked.len()).map(|index| results.remove(&index)).collect()
}

/// A build with its plain result and what it needs.
fn ready<'p>(
    plan: &'p Plan,
    outcomes: &BTreeMap<DerivationId, Outcome>,
    found: &BTreeMap<DerivationId, Standing>,
    id: DerivationId,
) -> Option<(&'p Build, Realisation, Inputs)> {
    let derivation = plan.derivations.get(&id)?;
    let Derivation::Build(build) = derivation else { return None };
    let realisation = |id: &DerivationId| match (outcomes.get(id), found.get(id)) {
        (Some(Outcome::Ready { realisation, .. }), _) | (None, Some(Standing::Cached(realisation))) => {
            Some(realisation.clone())
        }
        _ => None,
    };
    let inputs = derivation.needs().into_iter().map(|need| Some((need, realisation(&need)?)));
    let inputs: Option<Vec<(DerivationId, Realisation)>> = inputs.collect();
    Some((build, realisation(&id)?, Inputs::of(inputs?)))
}

/// The axes that this machine can't vary, with the reason.
pub fn not_varied(axes: &BTreeSet<Axis>) -> Vec<(Axis, Failure)> {
    let check = |axis: &Axis| {
        let failure = executor::check_axes(&Variant::default().varying([*axis])).err()?;
        Some((*axis, failure))
    };
    axes.iter().filter_map(check).collect()
}

fn examined(mut subject: Subject<'_>, asked: &Asked) -> Examined {
    let options =
        search::Options { axes: asked.axes.clone(), times: asked.times, ..search::Options::default() };
    match search::search(&mut subject, &options) {
        Ok(found) => (varied(&mut subject, asked, found), None),
        Err(failure) => {
            let varied = Varied { axes: asked.axes.clone(), runs: subject.runs(), ..Varied::default() };
            (varied, Some(failure))
        }
    }
}

fn varied(subject: &mut Subject<'_>, asked: &Asked, found: Found) -> Varied {
    let variant = |index: usize| found.trials[index].variant.clone();
    let causes = found.causes.iter().map(|cause| {
        let shown = subject.shown(variant(cause.without), variant(cause.with), &cause.places);
        let Cause { axes, held, effect, places, .. } = cause.clone();
        Confirmed { axes, held, effect, places: named(places), shown, line: None }
    });
    let causes: Vec<Confirmed> = causes.collect();
    let mut unsteady = |places: &[String], plain: bool| -> Vec<Unsteady> {
        let show = |place: &String| {
            let differs = |trial: &&search::Trial| match &trial.seen {
                Ran::Made(changed) => changed.contains_key(place) && (!plain || trial.is_plain()),
                Ran::Failed(_) => place == BUILD && (!plain || trial.is_plain()),
            };
            let with = found.trials.iter().find(differs)?.variant.clone();
            let shown: Shown = subject.shown(Variant::default(), with, std::slice::from_ref(place));
            Some(Unsteady { place: named(vec![place.clone()]).remove(0), shown })
        };
        places.iter().filter_map(show).collect()
    };
    let (flaky, unexplained) = (unsteady(&found.flaky, true), unsteady(&found.unexplained, false));
    Varied {
        axes: asked.axes.clone(),
        not_varied: Vec::new(),
        runs: subject.runs(),
        causes,
        flaky,
        unexplained,
        complete: found.complete && found.failed().is_none(),
    }
}

/// Places as a person calls them.
fn named(places: Vec<String>) -> Vec<String> {
    let name = |place: String| if place == BUILD { "whether it builds".to_owned() } else { place };
    places.into_iter().map(name).collect()
}

/// The places for builds that run at once.
struct Jobs {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Jobs {
    fn new(count: usize) -> Jobs {
        Jobs { free: Mutex::new(count.max(1)), freed: Condvar::new() }
    }

    /// Waits for a place and gives it back when dropped.
    fn take(&self) -> Place<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Place(self)
    }
}

struct Place<'j>(&'j Jobs);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Where a run came from, and what it gave; the reason if the build failed.
struct Made {
    cached: bool,
    result: std::result::Result<Realisation, String>,
}

/// A failed build is a result of its variant; everything else ends the search.
fn judged(made: Result<(Realisation, super::How)>) -> Result<Made> {
    match made {
        Ok((realisation, how)) => Ok(Made { cached: how == super::How::Cached, result: Ok(realisation) }),
        Err(failure) if failure.kind == Kind::Build => {
            Ok(Made { cached: false, result: Err(failure.message) })
        }
        Err(failure) => Err(failure),
    }
}
