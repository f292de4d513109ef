//! A sample: which comparisons and members are looked at today, so that all of them are in turn.
//!
//! A share of 10 % is a tenth on each of ten days. Whose turn it is follows from the day and the names alone: every
//! machine looks at the same ones on one day, and nothing is looked at twice before all the rest was.

use rbld_lang::digest::Digest;
use rbld_lang::plan::{Comparison, Form, Member, Plan};

/// Seconds in a day.
const DAY: i64 = 86_400;

/// Which part of a plan is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How many turns there are.
    pub turns: u64,
    /// Whose turn it is, from nought.
    pub turn: u64,
}

/// What was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// By which sample.
    pub sample: Sample,
    /// Members that are looked at, and comparisons that are looked at whole.
    pub looked_at: usize,
    /// What isn't, in the file's order.
    pub left_out: Vec<LeftOut>,
}

/// Of one comparison, what isn't looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The comparison.
    pub comparison: String,
    /// Whether none of it is looked at.
    pub whole: bool,
    /// The members that aren't.
    pub members: Vec<String>,
}

impl Sampled {
    /// How many are not looked at: members, and comparisons that aren't looked at by members.
    pub fn left(&self) -> usize {
        self.left_out.iter().map(|left| left.members.len().max(1)).sum()
    }
}

impl Sample {
    /// The sample of a share, in hundredths of a percent, on the day of an instant.
    pub fn of(share: u32, now: i64) -> Sample {
        let turns = u64::from(10_000u32.div_ceil(share.clamp(1, 10_000)));
        Sample { turns, turn: now.div_euclid(DAY).rem_euclid(turns as i64) as u64 }
    }

    fn has(self, name: &[&str]) -> bool {
        let digest = Digest::of(name.join("\0").as_bytes());
        let number = u64::from_str_radix(&digest.to_hex()[..16], 16).unwrap_or(0);
        number % self.turns == self.turn
    }

    /// Takes out of a plan what isn't looked at: of `matches` single members, of all else, whose members are held against
    /// each other, whole comparisons.
    pub fn apply(self, plan: &mut Plan) -> Sampled {
        let mut sampled = Sampled { sample: self, looked_at: 0, left_out: Vec::new() };
        plan.comparisons.retain_mut(|comparison| self.keep(comparison, &mut sampled));
        sampled
    }

    fn keep(self, comparison: &mut Comparison, sampled: &mut Sampled) -> bool {
        let name = comparison.name.as_str();
        let Form::Matches { members, expected } = &mut comparison.form else {
            let kept = self.has(&[name]);
            match kept {
                true => sampled.looked_at += 1,
                false => sampled.left_out.push(LeftOut {
                    comparison: name.to_owned(),
                    whole: true,
                    members: Vec::new(),
                }),
            }
            return kept;
        };
        let mut left = Vec::new();
        let (mut kept, mut wanted) = (Vec::new(), Vec::new());
        for (member, expected) in std::mem::take(members).into_iter().zip(std::mem::take(expected)) {
            let Member { key, .. } = &member;
            match self.has(&[name, key]) {
                true => {
                    kept.push(member);
                    wanted.push(expected);
                }
                false => left.push(member.key),
            }
        }
        (*members, *expected) = (kept, wanted);
        sampled.looked_at += members.len();
        let whole = members.is_empty();
        if !left.is_empty() {
            // What a part comes to is no reason to ask for another share of all.
            comparison.places.at_least = None;
            sampled.left_out.push(LeftOut { comparison: name.to_owned(), whole, members: left });
        }
        !whole
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everything_has_its_turn_once() {
        let names: Vec<String> = (0..5000).map(|number| format!("package-{number}")).collect();
        let mut seen = BTreeSet::new();
        for day in 0..10 {
            let sample = Sample::of(1000, 20_000 * DAY + day * DAY + 3600);
            assert_eq!(sample.turns, 10);
            let today: Vec<&String> = names.iter().filter(|name| sample.has(&["all", name])).collect();
            assert!((400..600).contains(&today.len()), "{}", today.len());
            assert!(today.into_iter().all(|name| seen.insert(name)), "twice");
        }
        assert_eq!(seen.len(), names.len());
    }

    #[test]
    fn shares_that_divide_nothing_are_rounded_down() {
        assert_eq!(Sample::of(3000, 0).turns, 4);
        assert_eq!(Sample::of(10_000, 0).turns, 1);
        assert_eq!(Sample::of(1, 0).turns, 10_000);
        assert_eq!(Sample::of(1000, -1).turn, 9);
    }
}
