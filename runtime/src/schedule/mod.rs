//! The schedule: which derivations must be realised, in which order, at most so many at once.
//!
//! One owner loop holds every node's state and hands ready nodes to threads; it knows the
//! graph and nothing of how a node is realised (`node` does) or compared. A node whose
//! inputs turn out to be the bytes they were is found by its key and not run again.

pub mod build;
pub mod examine;
pub mod image;
pub mod key;
mod locale;
pub mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rbld_lang::derivation::{Derivation, DerivationId};
use rbld_lang::plan::Plan;

use crate::failure::{Failure, Kind, Result};
use crate::store::Realisation;
pub use node::World;

/// How a derivation ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its outputs are known.
    Ready {
        /// The outputs and facts.
        realisation: Realisation,
        /// Found, or made now.
        how: How,
    },
    /// It failed itself.
    Failed(Failure),
    /// Something it needs has failed: that one.
    Blocked(DerivationId),
    /// Not tried: another failure came first, or the run was stopped.
    Skipped,
}

/// Where a realisation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was in the store.
    Cached,
    /// It was made in this run.
    Made,
}

/// What a derivation's state is before anything runs, as `rbld plan` shows it.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Its result is in the store.
    Cached(Realisation),
    /// Its key is known and its result isn't there.
    ToMake,
    /// Its key is unknown until this one has been made.
    Unknown(DerivationId),
}

/// Options of one run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Derivations realised at once.
    pub jobs: usize,
    /// Start nothing more after the first failure.
    pub fail_fast: bool,
}

/// Every derivation's standing, in the plan's order.
pub fn standings(plan: &Plan, world: &World) -> Result<BTreeMap<DerivationId, Standing>> {
    let mut standings: BTreeMap<DerivationId, Standing> = BTreeMap::new();
    for (id, derivation) in &plan.derivations {
        let unknown = derivation.needs().into_iter().find_map(|need| match standings.get(&need) {
            Some(Standing::Cached(_)) => None,
            Some(Standing::Unknown(first)) => Some(*first),
            _ => Some(need),
        });
        let standing = match unknown {
            Some(first) => Standing::Unknown(first),
            None => {
                let inputs = known(derivation, &standings);
                match node::find(world, *id, derivation, &inputs)? {
                    Some(realisation) => Standing::Cached(realisation),
                    None => Standing::ToMake,
                }
            }
        };
        standings.insert(*id, standing);
    }
    Ok(standings)
}

/// The realisations among what a derivation needs.
pub fn known(derivation: &Derivation, standings: &BTreeMap<DerivationId, Standing>) -> node::Inputs {
    node::Inputs::of(derivation.needs().into_iter().filter_map(|need| match standings.get(&need) {
        Some(Standing::Cached(realisation)) => Some((need, realisation.clone())),
        _ => None,
    }))
}

/// Realises the targets and what they need; `rebuild` are made anew although their results are there.
pub fn realise(
    plan: &Plan,
    targets: &[DerivationId],
    rebuild: &BTreeSet<DerivationId>,
    world: &Arc<World>,
    options: Options,
) -> Result<BTreeMap<DerivationId, Outcome>> {
    let mut schedule = Schedule::new(plan, targets, rebuild, world)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(64)
        .enable_time()
        .build()
        .map_err(|error| Failure::io("start the scheduler's threads", &error))?;
    runtime.block_on(schedule.run(world, options));
    Ok(schedule.outcomes())
}

/// Where a node stands while the schedule runs.
#[derive(Clone, Debug)]
enum State {
    /// Needed; some of what it needs isn't ready.
    Waiting,
    /// A thread works on it.
    Running,
    /// Its program has ended and its outputs are being made to last; it takes up no job's place.
    Recording,
    /// It has ended.
    Ended(Outcome),
}

struct Schedule<'p> {
    plan: &'p Plan,
    states: BTreeMap<DerivationId, State>,
    users: BTreeMap<DerivationId, Vec<DerivationId>>,
    ready: BTreeSet<(usize, DerivationId)>,
    rebuild: BTreeSet<DerivationId>,
    running_fetches: usize,
    running_jobs: usize,
    recording: usize,
    stopped: bool,
}

/// What a node's thread says.
enum Said {
    /// Its program has ended; only its outputs are still to be recorded.
    Ran,
    /// It has ended.
    Ended(Result<(Realisation, How)>),
}

/// Fetches wait for the network, not for a core: so many may run beside the builds.
const FETCHES_AT_ONCE: usize = 4;

impl<'p> Schedule<'p> {
    fn new(
        plan: &'p Plan,
        targets: &[DerivationId],
        rebuild: &BTreeSet<DerivationId>,
        world: &World,
    ) -> Result<Schedule<'p>> {
        let standings = standings(plan, world)?;
        let mut schedule = Schedule {
            plan,
            states: BTreeMap::new(),
            users: BTreeMap::new(),
            ready: BTreeSet::new(),
            rebuild: rebuild.clone(),
            running_fetches: 0,
            running_jobs: 0,
            recording: 0,
            stopped: false,
        };
        let mut todo: Vec<DerivationId> = targets.to_vec();
        while let Some(id) = todo.pop() {
            if schedule.states.contains_key(&id) {
                continue;
            }
            let Some(derivation) = plan.derivations.get(&id) else { continue };
            if let Some(Standing::Cached(realisation)) = standings.get(&id)
                && !rebuild.contains(&id)
            {
                let outcome = Outcome::Ready { realisation: realisation.clone(), how: How::Cached };
                schedule.states.insert(id, State::Ended(outcome));
                continue;
            }
            schedule.states.insert(id, State::Waiting);
            for need in derivation.needs() {
                schedule.users.entry(need).or_default().push(id);
                todo.push(need);
            }
        }
        let waiting: Vec<DerivationId> = schedule.waiting().collect();
        for id in waiting {
            schedule.make_ready_or_blocked(id);
        }
        Ok(schedule)
    }

    fn waiting(&self) -> impl Iterator<Item = DerivationId> + '_ {
        self.states.iter().filter(|(_, state)| matches!(state, State::Waiting)).map(|(id, _)| *id)
    }

    /// Queues a waiting node once all it needs is ready; ends it when one of those can't be.
    fn make_ready_or_blocked(&mut self, id: DerivationId) {
        if !matches!(self.states.get(&id), Some(State::Waiting)) {
            return;
        }
        let Some((index, _, derivation)) = self.plan.derivations.get_full(&id) else { return };
        let mut all = true;
        for need in derivation.needs() {
            match self.states.get(&need) {
                Some(State::Ended(Outcome::Ready { .. })) => {}
                Some(State::Ended(Outcome::Blocked(cause))) => return self.end(id, Outcome::Blocked(*cause)),
                Some(State::Ended(Outcome::Failed(_))) => return self.end(id, Outcome::Blocked(need)),
                Some(State::Ended(Outcome::Skipped)) => return self.end(id, Outcome::Skipped),
                _ => all = false,
            }
        }
        if all {
            self.ready.insert((index, id));
        }
    }

    /// The one place where a node ends.
    fn end(&mut self, id: DerivationId, outcome: Outcome) {
        self.states.insert(id, State::Ended(outcome));
        for user in self.users.get(&id).cloned().unwrap_or_default() {
            self.make_ready_or_blocked(user);
        }
    }

    async fn run(&mut self, world: &Arc<World>, options: Options) {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        loop {
            while let Some((id, derivation)) = self.next(options.jobs) {
                let inputs = self.inputs_of(&derivation);
                let (world, sender) = (world.clone(), sender.clone());
                let force = self.rebuild.contains(&id);
                tokio::task::spawn_blocking(move || {
                    // The loop below outlives every thread, so no message can be lost.
                    let ran = || drop(sender.send((id, Said::Ran)));
                    let work = std::panic::AssertUnwindSafe(|| {
                        node::realise(&world, id, &derivation, &inputs, force, &ran)
                    });
                    let result = std::panic::catch_unwind(work).unwrap_or_else(|_| {
                        Err(Failure::bug("realising a derivation went wrong inside rbld"))
                    });
                    let _ = sender.send((id, Said::Ended(result)));
                });
            }
            if self.running_jobs + self.running_fetches + self.recording == 0 {
                break;
            }
            match receiver.recv().await {
                Some((id, Said::Ran)) => self.ran(id),
                Some((id, Said::Ended(result))) => self.ended(id, result, world, options),
                None => break,
            }
        }
        let left: Vec<DerivationId> = self.waiting().collect();
        for id in left {
            self.states.insert(id, State::Ended(Outcome::Skipped));
        }
    }

    fn ran(&mut self, id: DerivationId) {
        self.states.insert(id, State::Recording);
        self.running_jobs -= 1;
        self.recording += 1;
    }

    fn ended(
        &mut self,
        id: DerivationId,
        result: Result<(Realisation, How)>,
        world: &World,
        options: Options,
    ) {
        match self.states.get(&id) {
            Some(State::Recording) => self.recording -= 1,
            _ if self.is_fetch(id) => self.running_fetches -= 1,
            _ => self.running_jobs -= 1,
        }
        let outcome = match result {
            Ok((realisation, how)) => Outcome::Ready { realisation, how },
            Err(failure) => {
                self.stopped |= options.fail_fast || matches!(failure.kind, Kind::Interrupted(_));
                Outcome::Failed(failure)
            }
        };
        self.stopped |= world.cancel.is_set();
        self.end(id, outcome);
    }

    fn is_fetch(&self, id: DerivationId) -> bool {
        matches!(self.plan.derivations.get(&id), Some(Derivation::Fetch(_)))
    }

    /// Takes the next ready node for which there is room, in the plan's order.
    fn next(&mut self, jobs: usize) -> Option<(DerivationId, Derivation)> {
        if self.stopped {
            return None;
        }
        let chosen = self.ready.iter().copied().find(|(_, id)| {
            if self.is_fetch(*id) { self.running_fetches < FETCHES_AT_ONCE } else { self.running_jobs < jobs }
        })?;
        self.ready.remove(&chosen);
        let (_, id) = chosen;
        if self.is_fetch(id) {
            self.running_fetches += 1;
        } else {
            self.running_jobs += 1;
        }
        self.states.insert(id, State::Running);
        Some((id, self.plan.derivations.get(&id)?.clone()))
    }

    fn inputs_of(&self, derivation: &Derivation) -> node::Inputs {
        let needs: BTreeSet<DerivationId> = derivation.needs().into_iter().collect();
        node::Inputs::of(needs.into_iter().filter_map(|id| match self.states.get(&id) {
            Some(State::Ended(Outcome::Ready { realisation, .. })) => Some((id, realisation.clone())),
            _ => None,
        }))
    }

    fn outcomes(self) -> BTreeMap<DerivationId, Outcome> {
        self.states
            .into_iter()
            .map(|(id, state)| match state {
                State::Ended(outcome) => (id, outcome),
                State::Waiting | State::Running | State::Recording => (id, Outcome::Skipped),
            })
            .collect()
    }
}
