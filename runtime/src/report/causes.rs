//! What a difference looks like: classes that were observed, as text and as JSON. Never more than was seen: that a class
//! is a cause is for a rebuild to show.

use serde_json::{Value, json};

use super::style::{Style, printable};
use crate::compare::cause::{Candidate, Class, Observation, Observed};

/// Classes and packages listed at most.
const LISTED: usize = 5;

/// A class in words.
pub(super) fn word(class: Class) -> &'static str {
    match class {
        Class::Compressor => "another compressor, or another level of it",
        Class::Metadata => "metadata",
        Class::Timestamp => "a timestamp",
        Class::Surroundings => "what a build sees around it",
        Class::BuildId => "build-id and debug-link only",
        Class::ToolVersion => "a tool's version",
        Class::Order => "another order",
        Class::Random => "random bytes",
    }
}

/// The classes for a person, as indented lines.
pub fn text(observation: &Observation, style: &Style) -> String {
    if *observation == Observation::default() {
        return String::new();
    }
    let mut text: String = observation.observed.iter().take(LISTED).map(|one| shown(one, style)).collect();
    if observation.observed.len() > LISTED {
        text += &format!("      and {} more classes\n", observation.observed.len() - LISTED);
    }
    let rest = rest(observation);
    if !rest.is_empty() {
        text += &style.wrapped("      ", &rest.join("; "));
    }
    text += &candidates(&observation.candidates, style);
    if !observation.observed.is_empty() {
        text += &style.wrapped("      ", "class known, cause unconfirmed");
    }
    text
}

fn shown(one: &Observed, style: &Style) -> String {
    let class = word(one.class);
    let what = match one.class {
        Class::Compressor | Class::BuildId => class.to_owned(),
        Class::Surroundings => format!("the {}", one.detail),
        Class::Order => one.detail.clone(),
        _ => format!("{class} ({})", one.detail),
    };
    let mut head = format!("looks like {what}");
    if one.places > 1 {
        head += &format!(", in {} places", one.places);
    }
    if one.left.len() + one.right.len() > 0 && !one.left.contains('\n') && !one.right.contains('\n') {
        head += &format!(": {} and {}", quoted(&one.left), quoted(&one.right));
    }
    let mut text = style.wrapped("      ", &head);
    if !one.packages.is_empty() {
        text += &style.wrapped("        ", &format!("these are versions of {}", one.packages.join(", ")));
    }
    text += &style.wrapped("        ", &format!("usual fix: {}", one.fix));
    text
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", printable(text)) }
}

/// What the classes leave open.
fn rest(observation: &Observation) -> Vec<String> {
    let places = |count: usize| format!("{count} place{}", if count == 1 { "" } else { "s" });
    let mut rest = Vec::new();
    if observation.following > 0 {
        let verb = if observation.following == 1 { "follows" } else { "follow" };
        rest.push(format!("{} {verb} from what differs elsewhere", places(observation.following)));
    }
    if observation.unexplained > 0 {
        let verb = if observation.unexplained == 1 { "looks" } else { "look" };
        rest.push(format!("{} {verb} like no class that is known", places(observation.unexplained)));
    }
    if !observation.whole {
        rest.push("not all of the difference was looked at".to_owned());
    }
    rest
}

fn candidates(candidates: &[Candidate], style: &Style) -> String {
    if candidates.is_empty() {
        return String::new();
    }
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    let named: Vec<String> = candidates
        .iter()
        .take(LISTED)
        .map(|one| format!("{} ({}, {})", one.package, version(&one.left), version(&one.right)))
        .collect();
    let more = candidates.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    style.wrapped("      ", &format!("locked inputs that differ: {}{more}", named.join(", ")))
}

/// The classes for a program.
pub fn json(observation: &Observation) -> Value {
    let class = |one: &Observed| {
        json!({
            "class": one.class.name(),
            "detail": one.detail,
            "axes": one.axes.iter().map(|axis| axis.name()).collect::<Vec<_>>(),
            "path": one.path,
            "offset": one.offset,
            "line": one.line,
            "left": one.left,
            "right": one.right,
            "packages": one.packages,
            "places": one.places,
            "fix": one.fix,
        })
    };
    let candidate = |one: &Candidate| {
        json!({
            "package": one.package,
            "arch": one.arch,
            "left": one.left,
            "right": one.right,
            "toolchain": one.toolchain,
        })
    };
    json!({
        "only": observation.only().map(Class::name),
        "classes": observation.observed.iter().map(class).collect::<Vec<_>>(),
        "following": observation.following,
        "unexplained": observation.unexplained,
        "whole": observation.whole,
        "candidates": observation.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "cause": null,
    })
}
