//! What `expect` makes of an observed verdict. The only judgement here that knows a clock, which is given.

use rbld_lang::plan::Expect;

use super::outcome::{News, Outcome, Verdict};

/// Turns the verdict round where a difference is expected: strictly, so that what is no longer true is taken out.
pub(super) fn apply(outcome: &mut Outcome, expect: &Expect, now: Option<i64>) {
    outcome.expect = expect.clone();
    let Expect::Different { until, .. } = expect else { return };
    let past = until.filter(|until| now.is_some_and(|now| now >= *until));
    outcome.verdict = match (outcome.observed, past) {
        (Verdict::Inconclusive, _) => Verdict::Inconclusive,
        (Verdict::Match, _) => {
            outcome.news.push(News::NoLongerDifferent);
            Verdict::Mismatch
        }
        (Verdict::Mismatch, None) => Verdict::Match,
        (Verdict::Mismatch, Some(until)) => {
            outcome.news.push(News::Expired { until });
            Verdict::Mismatch
        }
    };
}

impl Outcome {
    /// Whether it doesn't hold and fails nothing: it is `flaky`, and a mismatch was found. What couldn't be told is not
    /// what `flaky` excuses.
    pub fn tolerated(&self) -> bool {
        self.verdict == Verdict::Mismatch && matches!(self.expect, Expect::Flaky { .. })
    }
}
