//! Trends over reports as they could have been.

use rbld_lang::derivation::{DerivationId, InputRef};
use rbld_lang::digest::Digest;

use super::*;
use crate::compare::outcome::{Against, ExpectedOutcome, Share, Subject};
use crate::compare::{OutputState, identical};

/// `matches` of members with these verdicts.
fn outcome(name: &str, verdicts: &[(&str, Verdict)]) -> Outcome {
    let member = |(key, verdict): &(&str, Verdict)| Subject {
        key: (*key).to_owned(),
        output: InputRef { derivation: DerivationId(Digest::of(key.as_bytes())), output: "out".into() },
        state: OutputState::Missing(String::new()),
        against: Some(Against { verdict: *verdict, expected: ExpectedOutcome::Digest(Digest::of(b"")) }),
    };
    let members = verdicts.iter().map(member).collect();
    let all = verdicts.iter().map(|(_, verdict)| *verdict).reduce(Verdict::and);
    let observed = all.unwrap_or(Verdict::Match);
    let share = Share::default();
    let outcome = identical::outcome("matches", members, Vec::new(), Vec::new(), observed, share, Vec::new());
    Outcome { name: name.to_owned(), ..outcome }
}

fn report(outcomes: Vec<Outcome>) -> ComparisonReport {
    ComparisonReport { outcomes, ..ComparisonReport::default() }
}

const ALL: &dyn Fn(&str, Option<&str>) -> bool = &|_, _| true;

#[test]
fn what_regressed_and_improved_is_told_by_member() {
    use Verdict::{Inconclusive, Match, Mismatch};
    let first = report(vec![outcome("a", &[("x", Match), ("y", Mismatch), ("z", Match)]), outcome("b", &[])]);
    let (trend, past) = Past::default().update(&first, 10, ALL);
    assert!(trend.is_still() && trend.new == 4, "{trend:?}");
    let second =
        report(vec![outcome("a", &[("x", Inconclusive), ("y", Match), ("w", Match)]), outcome("b", &[])]);
    let (trend, past) = past.update(&second, 20, ALL);
    let change = |member: &str, before, now| Changed {
        comparison: "a".to_owned(),
        member: Some(member.to_owned()),
        before,
        now,
    };
    assert_eq!(trend.regressed, [change("x", Match, Inconclusive)]);
    assert_eq!(trend.improved, [change("y", Mismatch, Match)]);
    assert_eq!((trend.since, trend.new), (Some(10), 1));
    // `z` wasn't looked at and keeps what was known of it.
    assert_eq!((trend.share_before, trend.share), ((3, 4), (4, 5)));
    assert_eq!(past.comparisons["a"].members["z"], (Match, Some(10)));
    let (trend, past) =
        past.update(&report(Vec::new()), 30, &|name, member| name == "a" && member != Some("z"));
    assert!(trend.is_still());
    assert_eq!(past.comparisons.keys().collect::<Vec<_>>(), ["a"]);
    assert!(!past.comparisons["a"].members.contains_key("z"));
}

#[test]
fn an_earlier_report_is_a_past() {
    let text = r#"{"now": "2026-11-22T00:00:00Z", "comparisons": [{"name": "a", "observed": "mismatch", "members":
        [{"name": "x", "verdict": "match"}, {"name": "y", "status": "failed"}]}]}"#;
    let past = Past::from_json(text).expect("it is a report");
    assert_eq!(past.comparisons["a"].members.len(), 1);
    let (trend, _) = past.update(&report(vec![outcome("a", &[("x", Verdict::Mismatch)])]), 0, ALL);
    assert_eq!((trend.regressed.len(), trend.since.is_some()), (1, true));
    for wrong in ["", "{}", "[]", r#"{"comparisons": [{}]}"#, r#"{"comparisons": [{"name": "a"}]}"#] {
        assert!(Past::from_json(wrong).is_err(), "{wrong}");
    }
}

/// What memory a process has at most, in kibibytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}

#[test]
fn fifty_thousand_members_take_little_memory() {
    let names: Vec<String> = (0..50_000).map(|number| format!("package-{number}")).collect();
    let verdict = |number: usize, odd: usize| match number % 100 == odd {
        true => Verdict::Mismatch,
        false => Verdict::Match,
    };
    let run = |odd| {
        let members: Vec<(&str, Verdict)> =
            names.iter().enumerate().map(|(number, name)| (name.as_str(), verdict(number, odd))).collect();
        report(vec![outcome("all", &members)])
    };
    let (_, past) = Past::default().update(&run(1), 0, ALL);
    let kept = serde_json::to_vec(&past).expect("it can be written");
    assert!(kept.len() < 4 << 20, "{} bytes are kept", kept.len());
    let past = serde_json::from_slice::<Past>(&kept).expect("it can be read back");
    let before = peak();
    let (trend, _) = past.update(&run(2), 1, ALL);
    assert_eq!((trend.regressed.len(), trend.improved.len()), (500, 500));
    assert!(peak().saturating_sub(before) < 96 << 10, "{} KiB more", peak() - before);
}
