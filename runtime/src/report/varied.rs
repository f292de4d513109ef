//! What varying a build's surroundings came to, as text and as JSON: the causes that runs confirmed, what is flaky, what
//! was run.

use std::collections::BTreeSet;

use rbld_lang::span::{Sources, Span};
use rbld_lang::vary::Axis;
use serde_json::{Value, json};

use super::comparisons::plural;
use super::differences;
use super::json::difference_json;
use super::style::{Style, printable};
use crate::compare::{Confirmed, Outcome, Run, Shown, Unsteady, Varied, Verdict};
use crate::vary::search::Effect;
use crate::vary::{Variant, usual_fix, values};

/// Places listed of one cause.
const LISTED: usize = 6;

/// What it came to in a few words.
pub(super) fn summary(varied: &Varied) -> String {
    let runs = varied.runs.len();
    let stored = runs - varied.made();
    let stored = if stored == runs {
        ", all from the store".to_owned()
    } else if stored > 0 {
        format!(", {stored} from the store")
    } else {
        String::new()
    };
    format!("{runs} run{}{stored}", plural(runs))
}

/// The causes for a person.
pub(super) fn text(outcome: &Outcome, sources: &Sources, style: &Style) -> String {
    let Some(varied) = &outcome.varied else { return String::new() };
    let mut text = String::new();
    for cause in &varied.causes {
        text += &confirmed(cause, sources, style);
    }
    for flaky in &varied.flaky {
        let what = "differs between runs in which nothing was varied";
        text += &unsteady("flaky", flaky, what, style);
    }
    for one in &varied.unexplained {
        let what = "differed in a varied run, and no axis could be proven to do it";
        text += &unsteady("unexplained", one, what, style);
    }
    let mut say = |line: &str| text += &style.wrapped("    ", line);
    if outcome.verdict == Verdict::Match || (varied.causes.is_empty() && !varied.axes.is_empty()) {
        let number = varied.axes.len();
        say(&format!("varied {number} ax{}: {}", if number == 1 { "is" } else { "es" }, names(&varied.axes)));
    }
    if !varied.not_varied.is_empty() {
        let axes: BTreeSet<Axis> = varied.not_varied.iter().map(|(axis, _)| *axis).collect();
        say(&format!("not varied, since this machine can't: {}", names(&axes)));
    }
    if !varied.complete && outcome.verdict != Verdict::Inconclusive {
        say("the search was ended before everything was explained");
    }
    text
}

fn names(axes: &BTreeSet<Axis>) -> String {
    axes.iter().map(|axis| axis.name()).collect::<Vec<_>>().join(", ")
}

/// `cause: timezone and locale together`.
fn heading(cause: &Confirmed) -> String {
    let names: Vec<&str> = cause.axes.iter().map(|axis| axis.name()).collect();
    match (cause.effect, names.as_slice()) {
        (Effect::Holds, _) => {
            format!("{}: it differs from run to run, and no more once this is held", names.join(" and "))
        }
        (Effect::Sometimes { hits, tries }, _) => {
            format!("{}, in {hits} of {tries} runs and never without", names.join(" and "))
        }
        (Effect::Changes, [_, _, ..]) => format!("{} together, neither alone", names.join(" and ")),
        (Effect::Changes, _) => names.concat(),
    }
}

fn confirmed(cause: &Confirmed, sources: &Sources, style: &Style) -> String {
    let fails = cause.shown.output.is_empty();
    let mut text = String::new();
    let label = if fails { "fails with: " } else { "cause: " };
    text += &style.labelled("    ", label, &heading(cause));
    for axis in &cause.axes {
        let (plain, varied) = values(*axis);
        text += &style.wrapped("      ", &format!("{}: {plain} → {varied}", axis.name()));
    }
    if !cause.held.is_empty() && cause.effect != Effect::Holds {
        text += &style.wrapped("      ", &format!("seen with {} held", names(&cause.held)));
    }
    if !fails {
        text += &style.wrapped("      ", &listed(&cause.places));
    }
    text += &shown(&cause.shown, style);
    if let Some(line) = position(cause.line, sources) {
        text += &style.wrapped("      ", &format!("written by {line}"));
    }
    for axis in &cause.axes {
        text += &style.labelled("      ", "usual fix: ", usual_fix(*axis));
    }
    text
}

fn position(span: Option<Span>, sources: &Sources) -> Option<String> {
    let span = span.filter(|span| sources.iter().any(|(id, _)| id == span.file))?;
    let (line, _) = sources.position(span);
    let file = sources.get(span.file);
    let text = file.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
    Some(format!("{}:{line}: {}", printable(&file.name), printable(text)))
}

fn listed(places: &[String]) -> String {
    let mut shown: Vec<String> = places.iter().take(LISTED).map(|place| printable(place)).collect();
    if places.len() > LISTED {
        shown.push(format!("and {} more", places.len() - LISTED));
    }
    format!("changes {}", shown.join("; "))
}

fn unsteady(label: &str, one: &Unsteady, what: &str, style: &Style) -> String {
    let head = format!("{} {what}", printable(&one.place));
    style.labelled("    ", &format!("{label}: "), &head) + &shown(&one.shown, style)
}

/// What a run is called: `plain`, `run 2`, `with time, umask`.
fn called(variant: &Variant) -> String {
    let mut words = Vec::new();
    if !variant.axes.is_empty() {
        words.push(format!("with {}", names(&variant.axes)));
    }
    if !variant.held.is_empty() {
        words.push(format!("{} held", names(&variant.held)));
    }
    if variant.run > 0 || words.is_empty() {
        words.push(format!("run {}", variant.run + 1));
    }
    words.join(", ")
}

fn shown(shown: &Shown, style: &Style) -> String {
    let (without, with) = (called(&shown.without), called(&shown.with));
    match &shown.difference {
        Err(why) => style.wrapped("      ", &format!("{with}: {}", printable(why))),
        Ok(difference) if difference.is_empty() => {
            style.wrapped("      ", &format!("{without} (-) and {with} (+)"))
        }
        Ok(difference) => {
            let output = printable(&shown.output);
            style.wrapped("      ", &format!("`{output}` {without} (-) and {with} (+)"))
                + &differences::difference(difference, &without, &with, style)
        }
    }
}

/// All of it for a program; null for a comparison of another form.
pub(super) fn json(outcome: &Outcome, sources: &Sources) -> Value {
    let Some(varied) = &outcome.varied else { return Value::Null };
    let not_varied = |(axis, why): &(Axis, String)| json!({ "axis": axis, "why": why });
    json!({
        "axes": varied.axes,
        "not_varied": varied.not_varied.iter().map(not_varied).collect::<Vec<_>>(),
        "complete": varied.complete,
        "runs": varied.runs.iter().map(run).collect::<Vec<_>>(),
        "causes": varied.causes.iter().map(|cause| cause_json(cause, sources)).collect::<Vec<_>>(),
        "flaky": varied.flaky.iter().map(unsteady_json).collect::<Vec<_>>(),
        "unexplained": varied.unexplained.iter().map(unsteady_json).collect::<Vec<_>>(),
    })
}

fn variant(variant: &Variant) -> Value {
    json!({ "run": variant.run, "vary": variant.axes, "hold": variant.held })
}

fn run(run: &Run) -> Value {
    let mut value = variant(&run.variant);
    if let Value::Object(value) = &mut value {
        value.insert("cached".to_owned(), json!(run.cached));
        match &run.changed {
            Ok(changed) => value.insert("changed".to_owned(), json!(changed)),
            Err(why) => value.insert("failed".to_owned(), json!(why)),
        };
    }
    value
}

fn cause_json(cause: &Confirmed, sources: &Sources) -> Value {
    let axis = |axis: &Axis| {
        let (plain, varied) = values(*axis);
        json!({ "axis": axis, "plain": plain, "varied": varied, "fix": usual_fix(*axis) })
    };
    let effect = match cause.effect {
        Effect::Changes => json!({ "what": "changes" }),
        Effect::Sometimes { hits, tries } => json!({ "what": "sometimes", "hits": hits, "tries": tries }),
        Effect::Holds => json!({ "what": "holds" }),
    };
    let line = cause.line.filter(|span| sources.iter().any(|(id, _)| id == span.file)).map(|span| {
        let (line, column) = sources.position(span);
        json!({ "file": sources.get(span.file).name, "line": line, "column": column })
    });
    json!({
        "axes": cause.axes.iter().map(axis).collect::<Vec<_>>(),
        "held": cause.held,
        "effect": effect,
        "places": cause.places,
        "evidence": shown_json(&cause.shown),
        "line": line,
    })
}

fn unsteady_json(one: &Unsteady) -> Value {
    json!({ "place": one.place, "evidence": shown_json(&one.shown) })
}

fn shown_json(shown: &Shown) -> Value {
    let mut value = json!({
        "without": variant(&shown.without),
        "with": variant(&shown.with),
        "output": shown.output,
    });
    let difference = match &shown.difference {
        Ok(difference) => difference_json(difference),
        Err(why) => json!({ "classes": [], "findings": [], "why": why }),
    };
    if let (Value::Object(value), Value::Object(difference)) = (&mut value, difference) {
        value.extend(difference);
    }
    value
}
