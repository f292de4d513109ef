//! Why a plan doesn't hold: the chain from what was asked for to what is missing or in the way. Plans nothing.

use std::collections::BTreeSet;

use super::super::index::{self, NameId, Relation};
use super::{Solver, Unsolvable};

impl Solver<'_, '_> {
    /// Says why: from a package asked for, along what it needs, to the first thing that can't be.
    pub(super) fn explain(&self, asked: &[NameId]) -> Unsolvable {
        let mut best: Option<Unsolvable> = None;
        for wish in asked {
            let mut chain = Vec::new();
            if self.why(*wish, asked, &mut BTreeSet::new(), &mut chain) {
                return Unsolvable { wish: self.universe.text(*wish).to_owned(), chain };
            }
            let state = self.get(*wish);
            if best.is_none() && state.installed.is_none_or(|offer| self.broken_group(offer).is_some()) {
                best = Some(Unsolvable { wish: self.universe.text(*wish).to_owned(), chain });
            }
        }
        best.unwrap_or_else(|| Unsolvable {
            wish: asked.first().map(|name| self.universe.text(*name).to_owned()).unwrap_or_default(),
            chain: vec!["what they need can't be installed together".to_owned()],
        })
    }

    /// Fills in the reasons why a package can't be installed in what is planned; false when there is none.
    fn why(
        &self,
        name: NameId,
        asked: &[NameId],
        seen: &mut BTreeSet<NameId>,
        chain: &mut Vec<String>,
    ) -> bool {
        if !seen.insert(name) {
            return false;
        }
        let state = self.get(name);
        let Some(offer) = state.installed.or_else(|| self.universe.named(name).offers.first().copied())
        else {
            chain.push(format!("no package is called or provides `{}`", self.universe.text(name)));
            return true;
        };
        for group in index::groups(self.universe.relations(offer)) {
            let kind = group[0].kind;
            let title = format!("`{}` {}", self.universe.text(name), self.universe.offer(offer).version);
            if kind.is_negative() {
                let planned = self.targets(&group[0], name, |state| state.installed);
                let Some(other) = planned.first().map(|offer| self.universe.offer(*offer)) else { continue };
                let other_text = self.universe.text(other.name);
                let because = if asked.contains(&other.name) { "is asked for too" } else { "is needed too" };
                let relation = self.universe.show(&group[0]);
                chain.push(format!(
                    "{title} can't be beside `{relation}`, and `{other_text}` {} {because}",
                    other.version
                ));
                return true;
            }
            if !kind.is_needed() {
                continue;
            }
            let met = group
                .iter()
                .flat_map(|relation| self.targets(relation, name, |state| state.installed))
                .next();
            let shown: Vec<String> = group.iter().map(|relation| self.universe.show(relation)).collect();
            let line = format!("{title} needs `{}`", shown.join(" | "));
            let at = chain.len();
            if let Some(met) = met {
                chain.push(line);
                if self.why(self.universe.offer(met).name, asked, seen, chain) {
                    return true;
                }
                chain.truncate(at);
                continue;
            }
            chain.push(line);
            for relation in group {
                self.why_not(relation, name, asked, seen, chain);
            }
            return true;
        }
        false
    }

    /// Why an alternative isn't met.
    fn why_not(
        &self,
        relation: &Relation<'_>,
        owner: NameId,
        asked: &[NameId],
        seen: &mut BTreeSet<NameId>,
        chain: &mut Vec<String>,
    ) {
        let named = self.universe.named(relation.target);
        let text = self.universe.text(relation.target);
        let possible = self.targets(relation, owner, |state| {
            let name = state.candidate.or(state.installed).map(|offer| self.universe.offer(offer).name);
            name.and_then(|name| self.universe.named(name).offers.first().copied())
        });
        let own = named.offers.first().map(|offer| self.universe.offer(*offer).version);
        let fits = own.is_some_and(|version| relation.op.holds(Some(version), relation.version));
        match (possible.first(), own) {
            (Some(offer), _) => {
                self.why(self.universe.offer(*offer).name, asked, seen, chain);
            }
            (None, Some(_)) if fits => {
                if !self.why(relation.target, asked, seen, chain) {
                    chain.push(format!("`{text}` can't be installed with the rest"));
                }
            }
            (None, Some(version)) => chain.push(format!("`{text}` is there as {version} only")),
            (None, None) if named.providers.is_empty() => {
                chain.push(format!("no package is called or provides `{text}`"));
            }
            (None, None) => {
                let by: BTreeSet<&str> = named
                    .providers
                    .iter()
                    .map(|one| self.universe.text(self.universe.offer(one.by).name))
                    .collect();
                let by: Vec<&str> = by.into_iter().take(5).collect();
                chain
                    .push(format!("`{text}` is only provided, by {}, and none of these fits", by.join(", ")));
            }
        }
    }
}
