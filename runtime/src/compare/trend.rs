//! A trend: what this run came to beside what an earlier one did.
//!
//! Kept is only what is compared again: verdicts, by the names of assertions and members. What a run didn't look at keeps
//! what was known of it, with the instant at which it was looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outcome::{ComparisonReport, Outcome, Verdict};

/// What was known of a project's assertions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// When the last run was, seconds since 1970.
    pub at: Option<i64>,
    /// Each assertion by its text.
    pub comparisons: BTreeMap<String, PastOne>,
}

/// What was known of one assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastOne {
    /// The verdict before `expect`.
    pub observed: Verdict,
    /// When it was looked at.
    pub at: Option<i64>,
    /// The members that have verdicts of their own, by name.
    #[serde(default)]
    pub members: BTreeMap<String, (Verdict, Option<i64>)>,
}

/// One that isn't what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The assertion.
    pub comparison: String,
    /// The member; none for the assertion as a whole.
    pub member: Option<String>,
    /// What it was.
    pub before: Verdict,
    /// What it is.
    pub now: Verdict,
}

/// What changed since an earlier run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trend {
    /// When that run was.
    pub since: Option<i64>,
    /// What matched then and doesn't now.
    pub regressed: Vec<Changed>,
    /// What didn't match then and does now.
    pub improved: Vec<Changed>,
    /// How many weren't known then.
    pub new: usize,
    /// Of the members of all assertions of which it is known, by this run or an earlier one: how many match, of how many.
    pub share: (usize, usize),
    /// The same as it was then.
    pub share_before: (usize, usize),
}

impl Past {
    /// What an earlier report in JSON says; the reason if it is none.
    pub fn from_json(text: &str) -> Result<Past, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let list =
            value.get("comparisons").and_then(|list| list.as_array()).ok_or("it has no `comparisons`")?;
        let at = value.get("now").and_then(|now| now.as_str()).and_then(rbld_lang::syntax::read_instant);
        let verdict = |value: Option<&serde_json::Value>| -> Option<Verdict> {
            serde_json::from_value(value?.clone()).ok()
        };
        let mut comparisons = BTreeMap::new();
        for one in list {
            let name = one.get("name").and_then(|name| name.as_str()).ok_or("a comparison has no `name`")?;
            let observed = verdict(one.get("observed")).ok_or("a comparison has no `observed`")?;
            let members = one.get("members").and_then(|members| members.as_array()).into_iter().flatten();
            let members = members.filter_map(|member| {
                let name = member.get("name")?.as_str()?.to_owned();
                Some((name, (verdict(member.get("verdict"))?, at)))
            });
            comparisons.insert(name.to_owned(), PastOne { observed, at, members: members.collect() });
        }
        Ok(Past { at, comparisons })
    }

    /// How many members match, of how many; assertions without such members count as one.
    fn share(&self) -> (usize, usize) {
        let mut share = (0, 0);
        let mut count = |verdict: Verdict| {
            share.0 += usize::from(verdict == Verdict::Match);
            share.1 += 1;
        };
        for one in self.comparisons.values() {
            match one.members.is_empty() {
                true => count(one.observed),
                false => one.members.values().for_each(|(verdict, _)| count(*verdict)),
            }
        }
        share
    }

    /// What changed since, and what is known from now on. What isn't in the report is kept as it was, if `known` says that
    /// the project still has it: an assertion, and of it a member.
    pub fn update(
        self,
        report: &ComparisonReport,
        now: i64,
        known: &dyn Fn(&str, Option<&str>) -> bool,
    ) -> (Trend, Past) {
        let before = self.share();
        let mut trend = Trend { since: self.at, share_before: before, ..Trend::default() };
        let mut past = Past { at: Some(now), comparisons: self.comparisons };
        past.comparisons.retain(|name, one| {
            one.members.retain(|member, _| known(name, Some(member)));
            known(name, None)
        });
        for outcome in &report.outcomes {
            let one = past.comparisons.entry(outcome.name.clone());
            let one = match one {
                std::collections::btree_map::Entry::Vacant(empty) => {
                    if members(outcome).next().is_none() {
                        trend.new += 1;
                    }
                    let members = BTreeMap::new();
                    empty.insert(PastOne { observed: outcome.observed, at: None, members })
                }
                std::collections::btree_map::Entry::Occupied(found) => {
                    let one = found.into_mut();
                    // An assertion with members changes by them.
                    if members(outcome).next().is_none() {
                        trend.note(outcome, None, one.observed, outcome.observed);
                    }
                    one
                }
            };
            (one.observed, one.at) = (outcome.observed, Some(now));
            for (name, verdict) in members(outcome) {
                match one.members.insert(name.to_owned(), (verdict, Some(now))) {
                    Some((before, _)) => trend.note(outcome, Some(name), before, verdict),
                    None => trend.new += 1,
                }
            }
        }
        trend.share = past.share();
        (trend, past)
    }
}

impl Trend {
    fn note(&mut self, outcome: &Outcome, member: Option<&str>, before: Verdict, now: Verdict) {
        let list = match (before, now) {
            (Verdict::Match, Verdict::Mismatch | Verdict::Inconclusive) => &mut self.regressed,
            (Verdict::Mismatch | Verdict::Inconclusive, Verdict::Match) => &mut self.improved,
            _ => return,
        };
        let member = member.map(str::to_owned);
        list.push(Changed { comparison: outcome.name.clone(), member, before, now });
    }

    /// Whether nothing is told by it.
    pub fn is_still(&self) -> bool {
        self.regressed.is_empty() && self.improved.is_empty()
    }
}

/// The members that have verdicts of their own.
fn members(outcome: &Outcome) -> impl Iterator<Item = (&str, Verdict)> {
    outcome.members.iter().filter_map(|member| {
        let against = member.against.as_ref()?;
        Some((member.key.as_str(), against.verdict))
    })
}

#[cfg(test)]
#[path = "trend_tests.rs"]
mod tests;
