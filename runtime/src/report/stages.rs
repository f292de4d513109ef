//! The stages of `fixpoint` as text and as JSON: since when nothing changes, what does, what was not run again.

use serde_json::{Value, json};

use super::comparisons::plural;
use super::style::{Style, printable};
use crate::compare::{Moving, Outcome, Stages, Verdict};

/// Lines listed of one kind at most.
const LISTED: usize = 20;

/// What it came to in a few words.
pub(super) fn summary(stages: &Stages) -> String {
    let count = stages.members.len();
    match (stages.reached, stages.moving.is_empty()) {
        (Some(reached), _) => format!("{count} stages, settled at stage {reached}"),
        (None, false) => format!("{count} stages, not settled"),
        (None, true) => format!("{count} stages, not all realised"),
    }
}

/// What settled and what did not, for a person.
pub(super) fn text(outcome: &Outcome, style: &Style) -> String {
    let Some(stages) = &outcome.stages else { return String::new() };
    let mut text = String::new();
    let mut say = |line: &str| text += &style.wrapped("    ", line);
    let last = stages.last();
    if let Some(reached) = stages.reached.filter(|_| outcome.observed == Verdict::Match) {
        say(&match stages.again.get(reached) {
            Some(true) => format!(
                "stage {reached} has the keys of stage {}: all that goes into it is equal, so it was not run again",
                reached.saturating_sub(1)
            ),
            _ => format!(
                "stage {reached} was built with stage {} and gave the same",
                reached.saturating_sub(1)
            ),
        });
        let again: Vec<String> =
            (reached + 1..=last).filter(|stage| stages.again[*stage]).map(|n| n.to_string()).collect();
        if !again.is_empty() {
            say(&format!(
                "not run again, since all that goes in is equal: stage{} {}",
                plural(again.len()),
                again.join(", ")
            ));
        }
    }
    for moving in stages.moving.iter().take(LISTED) {
        say(&moved(stages, moving));
    }
    if stages.moving.len() > LISTED {
        say(&format!("and {} more that do not settle", stages.moving.len() - LISTED));
    }
    if !stages.moving.is_empty() {
        let settled = settled(stages);
        if !settled.is_empty() {
            say(&format!("settled: {settled}"));
        }
    }
    text
}

/// The names of what doesn't settle, for one line.
pub(super) fn movers(stages: &Stages) -> Option<String> {
    let names: Vec<String> =
        stages.moving.iter().map(|moving| format!("`{}`", name(stages, moving))).collect();
    let more = names.len().saturating_sub(5);
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match (names.is_empty(), more) {
        (true, _) => None,
        (_, 0) => Some(format!("because of {shown}")),
        _ => Some(format!("because of {shown} and {more} more")),
    }
}

fn name(stages: &Stages, moving: &Moving) -> String {
    match stages.names.get(moving.output).filter(|name| !name.is_empty()) {
        Some(name) => printable(name),
        None => format!("stage {}", stages.last()),
    }
}

/// Why an output counts as not settled, and in which files.
fn moved(stages: &Stages, moving: &Moving) -> String {
    let last = stages.last();
    let before = last.saturating_sub(1);
    let how = match (moving.like, moving.always) {
        (Some(like), _) => {
            format!("stage {last} is stage {like} again, and stage {before} is not: it goes round")
        }
        (None, true) if last > 1 => "it is another in every stage".to_owned(),
        _ => format!("stage {last} is not stage {before}"),
    };
    let mut files: Vec<String> = moving.files.iter().take(3).map(|file| printable(file)).collect();
    if moving.count > files.len() {
        files.push(format!("and {} more", moving.count - files.len()));
    }
    let files = if files.is_empty() { String::new() } else { format!(" ({})", files.join(", ")) };
    match stages.names.get(moving.output).filter(|name| !name.is_empty()) {
        Some(name) => format!("{} does not settle: {how}{files}", printable(name)),
        None => format!("not settled: {how}{files}"),
    }
}

/// What has settled, with the stage since which it has.
fn settled(stages: &Stages) -> String {
    let mut parts = Vec::new();
    for stage in 1..stages.members.len() {
        let of = stages.settled.iter().zip(&stages.names).filter(|(since, _)| **since == Some(stage));
        let names: Vec<String> = of.map(|(_, name)| printable(name)).collect();
        if !names.is_empty() {
            parts.push(format!("{} at stage {stage}", names.join(", ")));
        }
    }
    parts.join("; ")
}

/// The stages as JSON.
pub(super) fn json(outcome: &Outcome) -> Option<Value> {
    let stages = outcome.stages.as_ref()?;
    let key = |index: &usize| outcome.members.get(*index).map(|member| member.key.clone());
    let each = stages.members.iter().zip(&stages.again).map(|(members, again)| {
        json!({ "members": members.iter().filter_map(key).collect::<Vec<_>>(), "same_keys_as_before": again })
    });
    let named = |output: usize| stages.names.get(output).cloned().unwrap_or_default();
    let moving = stages.moving.iter().map(|moving| {
        json!({
            "output": named(moving.output),
            "in_every_stage": moving.always,
            "like_stage": moving.like,
            "files": moving.files,
            "count": moving.count,
        })
    });
    let settled =
        stages.names.iter().zip(&stages.settled).map(|(name, since)| json!({ "output": name, "at": since }));
    Some(json!({
        "settled_at": stages.reached,
        "each": each.collect::<Vec<_>>(),
        "outputs": settled.collect::<Vec<_>>(),
        "moving": moving.collect::<Vec<_>>(),
    }))
}
