//! How a comparison stands, for what sorts, counts and paints comparisons: its verdict, or that it is flaky and failed nothing.

use crate::compare::{Outcome, Verdict};

/// How a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It doesn't hold.
    Mismatch,
    /// It couldn't be told.
    Inconclusive,
    /// It doesn't hold, and is known not to hold always.
    Flaky,
    /// It holds.
    Match,
}

impl Status {
    /// All of them, what must be looked at first.
    pub(super) const ALL: [Status; 4] =
        [Status::Mismatch, Status::Inconclusive, Status::Flaky, Status::Match];

    /// That of a comparison.
    pub(super) fn of(outcome: &Outcome) -> Status {
        match outcome.verdict {
            Verdict::Mismatch if outcome.tolerated() => Status::Flaky,
            Verdict::Mismatch => Status::Mismatch,
            Verdict::Inconclusive => Status::Inconclusive,
            Verdict::Match => Status::Match,
        }
    }

    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Status::Mismatch => "mismatch",
            Status::Inconclusive => "inconclusive",
            Status::Flaky => "flaky",
            Status::Match => "match",
        }
    }

    /// A sign for it.
    pub(super) fn sign(self) -> char {
        match self {
            Status::Mismatch => '✗',
            Status::Inconclusive => '?',
            Status::Flaky => '≈',
            Status::Match => '✓',
        }
    }

    /// How many comparisons stand so.
    pub(super) fn count(self, outcomes: &[Outcome]) -> usize {
        outcomes.iter().filter(|outcome| Status::of(outcome) == self).count()
    }
}
