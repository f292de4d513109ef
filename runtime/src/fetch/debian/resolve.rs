//! Which packages to install so that what is asked for works: the set that apt would choose on an empty system
//! without recommended packages.
//!
//! Goes the way apt goes rather than searching for any solution: every wish is marked, then its relations in
//! their order, the first alternative that can be had; a package already marked satisfies before anything new
//! does. What was marked on a path given up is swept away at the end. Knows nothing of files or signatures.

mod explain;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::index::{self, NameId, OfferId, Relation, Universe};

/// Deeper than any real chain of relations; apt stops there too.
const DEEPEST: usize = 3000;

/// Room for that many levels.
const STACK: usize = 256 << 20;

/// What is chosen: a version of each package, by name.
pub type Chosen = BTreeMap<NameId, OfferId>;

/// Why nothing can be chosen: a chain of reasons, each a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsolvable {
    /// The package asked for that can't be had.
    pub wish: String,
    /// From what was asked to what is missing or in the way.
    pub chain: Vec<String>,
}

/// Chooses versions so that all names asked for are installed and everything they need is.
pub fn choose(universe: &Universe<'_>, asked: &[NameId]) -> Result<Chosen, Unsolvable> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || Solver::new(universe).run(asked))
            .map_err(|error| error.to_string())
            .and_then(|thread| thread.join().map_err(|_| "the resolver panicked".to_owned()))
            .unwrap_or_else(|wrong| Err(Unsolvable { wish: String::new(), chain: vec![wrong] }))
    })
}

/// What is planned for a package.
#[derive(Clone, Copy, Default)]
struct State {
    /// The version that is to be installed.
    installed: Option<OfferId>,
    /// The version that could be; none once it turned out that it can't.
    candidate: Option<OfferId>,
    /// Only because something needs it.
    auto: bool,
    /// What is planned may not change any more.
    fixed: bool,
}

struct Solver<'u, 'a> {
    universe: &'u Universe<'a>,
    states: Vec<State>,
}

impl<'u, 'a> Solver<'u, 'a> {
    fn new(universe: &'u Universe<'a>) -> Solver<'u, 'a> {
        let states = universe
            .names()
            .map(|(name, _)| State {
                candidate: universe.named(name).offers.first().copied(),
                ..State::default()
            })
            .collect();
        Solver { universe, states }
    }

    fn run(mut self, asked: &[NameId]) -> Result<Chosen, Unsolvable> {
        for name in asked {
            self.state(*name).fixed = true;
            self.mark(*name, false, true, 0);
        }
        for name in asked {
            self.mark(*name, true, true, 0);
        }
        self.mend();
        let broken = asked.iter().chain(self.installed().collect::<Vec<_>>().iter()).copied().find(|name| {
            self.states[name.0 as usize].installed.is_none_or(|offer| self.broken_group(offer).is_some())
        });
        match broken {
            Some(_) => Err(self.explain(asked)),
            None => Ok(self.sweep(asked)),
        }
    }

    fn state(&mut self, name: NameId) -> &mut State {
        &mut self.states[name.0 as usize]
    }

    fn get(&self, name: NameId) -> State {
        self.states[name.0 as usize]
    }

    fn installed(&self) -> impl Iterator<Item = NameId> {
        self.universe.names().map(|(name, _)| name).filter(|name| self.get(*name).installed.is_some())
    }

    /// The versions that a relation is about, of those that a function gives for a package: the named
    /// package's own first, then those of its providers. A package is never in its own way.
    fn targets(
        &self,
        relation: &Relation<'_>,
        owner: NameId,
        of: impl Fn(State) -> Option<OfferId>,
    ) -> Vec<OfferId> {
        let mut found = Vec::new();
        let negative = relation.kind.is_negative();
        if !(negative && relation.target == owner)
            && let Some(offer) = of(self.get(relation.target))
            && relation.op.holds(Some(self.universe.offer(offer).version), relation.version)
        {
            found.push(offer);
        }
        for provider in &self.universe.named(relation.target).providers {
            let by = self.universe.offer(provider.by).name;
            if !(negative && by == owner)
                && of(self.get(by)) == Some(provider.by)
                && relation.op.holds(provider.version, relation.version)
            {
                found.push(provider.by);
            }
        }
        found
    }

    fn met_by_installed(&self, relation: &Relation<'_>, owner: NameId) -> bool {
        self.targets(relation, owner, |state| state.installed).is_empty() == relation.kind.is_negative()
    }

    fn met_by_candidates(&self, relation: &Relation<'_>, owner: NameId) -> bool {
        self.targets(relation, owner, |state| state.candidate).is_empty() == relation.kind.is_negative()
    }

    /// The first group of alternatives that a version needs and that isn't met.
    fn broken_group(&self, offer: OfferId) -> Option<&'u [Relation<'a>]> {
        let universe = self.universe;
        let owner = universe.offer(offer).name;
        index::groups(universe.relations(offer)).find(|group| {
            let matters = group[0].kind.is_needed() || group[0].kind.is_negative();
            matters && !group.iter().any(|relation| self.met_by_installed(relation, owner))
        })
    }

    /// Plans to install a package and, if `with_needs`, all that it needs. False when that isn't possible.
    fn mark(&mut self, name: NameId, with_needs: bool, by_user: bool, depth: usize) -> bool {
        let before = self.get(name);
        let may = by_user || before.installed.is_some() || !before.fixed;
        let Some(candidate) = before.candidate.filter(|_| may && depth <= DEEPEST) else { return false };
        if !before.fixed && before.installed.is_some_and(|offer| self.broken_group(offer).is_none()) {
            return true;
        }
        if with_needs && !self.could_be_met(name, candidate) {
            return false;
        }
        if by_user {
            self.plan(name, true);
        }
        let fail_early = !before.fixed && !by_user;
        let mut failed = false;
        let (needs, conflicts) = if with_needs { self.open_relations(candidate) } else { Default::default() };
        if with_needs && !self.keep_out(name, &conflicts, self.get(name).fixed, by_user) {
            if fail_early {
                return false;
            }
            failed = true;
        }
        if !by_user {
            self.plan(name, false);
        }
        if !with_needs {
            return !failed;
        }
        let fixed = std::mem::replace(&mut self.state(name).fixed, true);
        let met = self.install_needs(name, &needs, fixed, by_user, depth);
        self.state(name).fixed = fixed;
        if !met && fail_early {
            let state = self.state(name);
            (state.installed, state.candidate) = (None, None);
            return false;
        }
        !failed && met
    }

    /// Whether everything a version needs is installed or could be; one that can't be met loses its chance.
    fn could_be_met(&mut self, name: NameId, candidate: OfferId) -> bool {
        let universe = self.universe;
        let could = index::groups(universe.relations(candidate)).all(|group| {
            !group[0].kind.is_needed()
                || group
                    .iter()
                    .any(|one| self.met_by_installed(one, name) || self.met_by_candidates(one, name))
        });
        if !could && !self.get(name).fixed {
            *self.state(name) = State::default();
        }
        could
    }

    fn plan(&mut self, name: NameId, by_user: bool) {
        let state = self.state(name);
        if !(state.fixed && state.installed.is_some() && state.installed == state.candidate) {
            state.installed = state.candidate;
            state.auto = !by_user;
        }
    }

    /// The groups to be installed for a version and the relations to be kept out: those that aren't met yet;
    /// all of them when the package is fixed, since then they must stay met.
    fn open_relations(&self, offer: OfferId) -> (Vec<&'u [Relation<'a>]>, Vec<&'u Relation<'a>>) {
        let universe = self.universe;
        let owner = universe.offer(offer).name;
        let fixed = self.get(owner).fixed;
        let (mut needs, mut conflicts) = (Vec::new(), Vec::new());
        for group in index::groups(universe.relations(offer)) {
            if !fixed && group.iter().any(|relation| self.met_by_installed(relation, owner)) {
                continue;
            }
            if group[0].kind.is_negative() {
                conflicts.push(&group[0]);
            } else if group[0].kind.is_needed() {
                needs.push(group);
            }
        }
        (needs, conflicts)
    }

    /// Takes out of the plan what may not be installed together with a package.
    fn keep_out(&mut self, owner: NameId, conflicts: &[&Relation<'_>], fixed: bool, by_user: bool) -> bool {
        let mut failed = false;
        for relation in conflicts {
            for offer in self.solutions(&[**relation], owner) {
                let other = self.universe.offer(offer).name;
                let state = self.state(other);
                if state.candidate != Some(offer) {
                    continue;
                }
                if state.installed.is_some() && state.fixed {
                    failed = true;
                    if !fixed && !by_user {
                        return false;
                    }
                    continue;
                }
                state.installed = None;
                if fixed {
                    state.candidate = None;
                    state.fixed = true;
                }
            }
        }
        !failed
    }

    /// Installs for each group the first alternative that can be.
    fn install_needs(
        &mut self,
        owner: NameId,
        needs: &[&[Relation<'_>]],
        fixed: bool,
        by_user: bool,
        depth: usize,
    ) -> bool {
        let mut failed = false;
        for group in needs {
            if group.iter().any(|relation| self.met_by_installed(relation, owner)) {
                failed |= fixed && !self.fix_only_solution(group, owner, depth);
                continue;
            }
            let solutions = self.solutions(group, owner);
            let only = fixed && solutions.len() == 1;
            let found = solutions.iter().any(|offer| {
                let name = self.universe.offer(*offer).name;
                if self.get(name).candidate != Some(*offer) {
                    return false;
                }
                if only {
                    if !self.mark(name, false, false, depth + 1) {
                        return false;
                    }
                    self.state(name).fixed = true;
                }
                self.mark(name, true, false, depth + 1)
            });
            if !found {
                failed = true;
                if !fixed && !by_user {
                    break;
                }
            }
        }
        !failed
    }

    /// What a fixed package needs and only one package can give is as fixed.
    fn fix_only_solution(&mut self, group: &[Relation<'_>], owner: NameId, depth: usize) -> bool {
        let solutions: BTreeSet<OfferId> = self.solutions(group, owner).into_iter().collect();
        let mut all = solutions.iter();
        let (Some(offer), None) = (all.next(), all.next()) else { return true };
        let name = self.universe.offer(*offer).name;
        if self.get(name).fixed {
            return true;
        }
        self.state(name).fixed = true;
        self.mark(name, true, false, depth + 1)
    }

    /// The versions that could meet a group, the best first: alternative by alternative, and for each the
    /// package of that name, essential and important ones, those of higher priority, the later mentioned.
    fn solutions(&self, group: &[Relation<'_>], owner: NameId) -> Vec<OfferId> {
        let mut all = Vec::new();
        for relation in group {
            let mut found = self.targets(relation, owner, |state| state.candidate);
            found.sort_by_key(|id| {
                let offer = self.universe.offer(*id);
                let named = self.universe.named(offer.name);
                (
                    !self.get(offer.name).fixed,
                    offer.name != relation.target,
                    !named.essential,
                    !named.important,
                    offer.priority,
                    std::cmp::Reverse(offer.name),
                )
            });
            all.extend(found);
        }
        all.dedup();
        if !group.iter().any(|relation| relation.kind.is_negative()) {
            all.retain(|id| {
                let state = self.get(self.universe.offer(*id).name);
                !(state.fixed && state.installed.is_none())
            });
        }
        all
    }

    /// Marks once more what is broken because something it needed was taken out again.
    fn mend(&mut self) {
        for _ in 0..4 {
            let broken: Vec<NameId> = self
                .installed()
                .filter(|name| {
                    self.get(*name).installed.is_some_and(|offer| self.broken_group(offer).is_some())
                })
                .collect();
            if broken.is_empty() {
                return;
            }
            for name in broken {
                self.mark(name, true, false, 0);
            }
        }
    }

    /// Leaves out what nothing asked for needs, recommends or suggests.
    fn sweep(&self, asked: &[NameId]) -> Chosen {
        let mut kept = Chosen::new();
        let mut open: Vec<NameId> = asked.to_vec();
        open.extend(self.installed().filter(|name| {
            let named = self.universe.named(*name);
            !self.get(*name).auto || named.essential || named.important
        }));
        while let Some(name) = open.pop() {
            let Some(offer) = self.get(name).installed else { continue };
            if kept.insert(name, offer).is_some() {
                continue;
            }
            for relation in
                self.universe.relations(offer).iter().filter(|relation| !relation.kind.is_negative())
            {
                let met = self.targets(relation, name, |state| state.installed);
                open.extend(met.into_iter().map(|offer| self.universe.offer(offer).name));
            }
        }
        kept
    }
}
