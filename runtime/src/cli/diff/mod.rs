//! `rbld diff`: where two files, folders, outputs or store objects differ, and which packages changed between two locks.

mod disk;
mod locks;
mod sides;

use std::path::Path;

use serde_json::{Value, json};

use self::sides::{Side, Sides};
use super::args::{self, DiffFormat};
use super::output;
use crate::compare::cause::{self, Observation};
use crate::compare::difference::Difference;
use crate::failure::{Failure, Result};
use crate::report;

pub(super) use locks::names;

/// Compares what is named: locks by their packages, everything else by bytes.
pub(super) fn run(store: Option<&Path>, args: &args::Diff) -> Result<i32> {
    let paths = [&args.left, &args.right].map(|word| word.as_deref().map(Path::new));
    let [Some(left), Some(right)] = [&args.left, &args.right] else {
        return if args.bytes {
            Err(Failure::input("`--bytes` needs two things to compare")
                .help("name them: `rbld diff --bytes A B`"))
        } else {
            locks::run(store, paths, args.format)
        };
    };
    if !args.bytes && paths.iter().all(|path| path.is_some_and(locks::is_lock)) {
        return locks::run(store, paths, args.format);
    }
    let sides = Sides::find(left, right, store)?;
    let difference = sides.compare()?;
    let observation = cause::observe(&difference, &sides.context);
    match args.format {
        DiffFormat::Text => output::text(&text(&sides, &difference, &observation)),
        DiffFormat::Json => output::line(&format!("{:#}", json_of(&sides, &difference, &observation))),
        DiffFormat::DiffoscopeJson => {
            let (left, right) = (&sides.left.name, &sides.right.name);
            output::line(&format!("{:#}", report::diffoscope_json(&difference, &observation, left, right)));
        }
    }
    Ok(i32::from(!difference.is_empty()))
}

fn text(sides: &Sides, difference: &Difference, observation: &Observation) -> String {
    let style = output::style();
    if difference.is_empty() {
        return style.wrapped("", &format!("{} and {} are equal", sides.left.name, sides.right.name));
    }
    let (left, right) = (&sides.left.name, &sides.right.name);
    let mut text = style.wrapped("", &format!("{left} (-) and {right} (+)"));
    let shown =
        report::difference(difference, left, right, &style) + &report::observation(observation, &style);
    // Below one heading the report's depth isn't needed.
    text.extend(shown.split_inclusive('\n').map(|line| line.strip_prefix("    ").unwrap_or(line)));
    text
}

fn json_of(sides: &Sides, difference: &Difference, observation: &Observation) -> Value {
    let side = |side: &Side| json!({ "name": side.name, "kind": side.kind(), "digest": side.digest });
    let mut value = json!({
        "rbld": env!("CARGO_PKG_VERSION"),
        "format": 1,
        "equal": difference.is_empty(),
        "left": side(&sides.left),
        "right": side(&sides.right),
    });
    if let (Value::Object(value), Value::Object(found)) = (&mut value, report::difference_json(difference)) {
        value.extend(found);
        value.insert("observed".to_owned(), report::observation_json(observation));
    }
    value
}
