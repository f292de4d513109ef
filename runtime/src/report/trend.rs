//! What a run didn't look at, and how it stands to an earlier one.

use serde_json::{Value, json};

use super::differences::date;
use super::style::{Style, printable};
use crate::compare::{Changed, ComparisonReport, percent};

/// Names listed of a kind.
const LISTED: usize = 20;

/// Both as text, below the comparisons; nothing where there is nothing to say.
pub(super) fn text(report: &ComparisonReport, style: &Style) -> String {
    let mut text = String::new();
    if let Some(sampled) = &report.sample {
        let (looked, left) = (sampled.looked_at, sampled.left());
        let sentence = format!(
            "a sample: {looked} of {} looked at, {left} not; turn {} of {}",
            looked + left,
            sampled.sample.turn + 1,
            sampled.sample.turns
        );
        text += &style.wrapped("", &sentence);
    }
    let Some(trend) = &report.trend else { return text };
    if trend.is_still() {
        return text;
    }
    let since = trend.since.and_then(date).map(|date| format!(" of {date}")).unwrap_or_default();
    let (regressed, improved) = (trend.regressed.len(), trend.improved.len());
    let share = |(holding, total): (usize, usize)| {
        let hundredths = if total == 0 { 0 } else { holding as u64 * 10_000 / total as u64 };
        format!("{holding} of {total} ({} %)", percent(hundredths))
    };
    let sentence = format!(
        "since the run{since}: {regressed} regressed, {improved} improved; {} hold, {} before",
        share(trend.share),
        share(trend.share_before)
    );
    text += &style.wrapped("", &sentence);
    for (word, list) in [("regressed", &trend.regressed), ("improved", &trend.improved)] {
        for changed in list.iter().take(LISTED) {
            let member = changed.member.as_ref().map(|member| format!(": {member}")).unwrap_or_default();
            let (name, now) = (&changed.comparison, changed.now.word());
            text += &style.wrapped("  ", &printable(&format!("{word}  {name}{member} ({now})")));
        }
        if list.len() > LISTED {
            let more = list.len() - LISTED;
            text += &format!("  and {more} more that {word}\n");
        }
    }
    text
}

/// The sample for programs.
pub(super) fn sample_json(report: &ComparisonReport) -> Option<Value> {
    let sampled = report.sample.as_ref()?;
    let left = sampled
        .left_out
        .iter()
        .map(|left| json!({ "comparison": left.comparison, "whole": left.whole, "members": left.members }));
    Some(json!({
        "turns": sampled.sample.turns,
        "turn": sampled.sample.turn + 1,
        "looked_at": sampled.looked_at,
        "not_looked_at": sampled.left(),
        "left_out": left.collect::<Vec<_>>(),
    }))
}

/// The trend for programs.
pub(super) fn trend_json(report: &ComparisonReport) -> Option<Value> {
    let trend = report.trend.as_ref()?;
    let list = |list: &[Changed]| -> Vec<Value> {
        let one = |changed: &Changed| {
            json!({
                "comparison": changed.comparison,
                "member": changed.member,
                "before": changed.before,
                "now": changed.now,
            })
        };
        list.iter().map(one).collect()
    };
    let share = |(holding, total): (usize, usize)| json!({ "holding": holding, "total": total });
    Some(json!({
        "since": trend.since.and_then(date),
        "regressed": list(&trend.regressed),
        "improved": list(&trend.improved),
        "new": trend.new,
        "share": share(trend.share),
        "share_before": share(trend.share_before),
    }))
}
