//! `rbld plan` and `rbld why`: what would be realised, and why it isn't in the store.

use std::collections::BTreeMap;
use std::path::Path;

use rbld_lang::derivation::{Derivation, DerivationId, Fetch, ImageSource};
use rbld_lang::plan::ItemKind;
use serde_json::{Value, json};

use super::args::{self, ReportFormat, Running};
use super::project::{Fetching, Project, choose};
use super::{check, context, output, why};
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::report;
use crate::schedule::{Standing, World, known, node, standings};
use crate::store::Object;

/// Shows every derivation and whether its result is in the store.
pub(super) fn run(store: Option<&Path>, args: &args::Plan) -> Result<i32> {
    let chosen = choose(&args.target.words)?;
    let project = Project::load(&chosen.file, store, Fetching::only(&args.from))?;
    if check::refused(&project, args.format) {
        return Ok(2);
    }
    let wanted = wanted(&project, &chosen.names)?;
    let world = context::world(&project, context::store(store)?, &Running::default(), Progress::silent())?;
    let standings = standings(&project.plan, &world)?;
    match args.format {
        ReportFormat::Text => text(&project, &world, &standings, &wanted),
        ReportFormat::Sarif | ReportFormat::CodeQuality => {
            check::print(&check::of_file(&project), &project, args.format);
        }
        ReportFormat::Json => output::line(&format!("{:#}", json_of(&project, &world, &standings, &wanted)?)),
    }
    Ok(0)
}

/// The derivations that names ask for with all they need, in the plan's order; all of them without names.
pub(super) fn wanted(project: &Project, names: &[String]) -> Result<Vec<DerivationId>> {
    let mut marked = std::collections::BTreeSet::new();
    let mut todo = Vec::new();
    for name in names {
        let ids = project.named(name);
        if ids.is_empty() {
            return Err(project.unknown(name));
        }
        todo.extend(ids);
    }
    while let Some(id) = todo.pop() {
        if marked.insert(id)
            && let Some(derivation) = project.plan.derivations.get(&id)
        {
            todo.extend(derivation.needs());
        }
    }
    let all = project.plan.derivations.keys().copied();
    Ok(all.filter(|id| names.is_empty() || marked.contains(id)).collect())
}

fn text(
    project: &Project,
    world: &World,
    standings: &BTreeMap<DerivationId, Standing>,
    wanted: &[DerivationId],
) {
    let mut rows = Vec::new();
    for id in wanted {
        let Some(derivation) = project.plan.derivations.get(id) else { continue };
        let state = match standings.get(id) {
            Some(Standing::Cached(realisation)) => {
                let mut outputs: Vec<String> = Vec::new();
                for (name, object) in &realisation.outputs {
                    outputs.push(match name.as_str() {
                        "out" => object.digest().short(),
                        _ => format!("{name} {}", object.digest().short()),
                    });
                }
                format!("cached   {}", outputs.join(", "))
            }
            Some(Standing::Unknown(first)) => format!("unknown  until {} is made", world.name(*first)),
            _ => "to make".to_owned(),
        };
        rows.push([kind(derivation).to_owned(), world.name(*id), what(derivation), state]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.push_str(&row[3]);
        output::line(line.trim_end());
    }
    let cached = wanted.iter().filter(|id| matches!(standings.get(id), Some(Standing::Cached(_)))).count();
    output::line(&format!("{} derivations, {cached} cached, {} not", wanted.len(), wanted.len() - cached));
}

/// The word for a derivation's kind.
pub(super) fn kind(derivation: &Derivation) -> &'static str {
    match derivation {
        Derivation::Fetch(_) => "input",
        Derivation::Environment(_) | Derivation::Guix(_) => "environment",
        Derivation::Build(_) => "build",
        Derivation::ImageRoot(_) => "environment",
        Derivation::Image(_) | Derivation::ImageIndex(_) => "build",
    }
}

/// A few words on what a derivation is.
pub(super) fn what(derivation: &Derivation) -> String {
    match derivation {
        Derivation::Fetch(Fetch::Url { name, .. }) => name.clone(),
        Derivation::Fetch(Fetch::Git { commit, .. }) => format!("commit {}", &commit[..commit.len().min(12)]),
        Derivation::Fetch(Fetch::Local { path, .. }) => format!("./{path}"),
        Derivation::Fetch(Fetch::Pool { name, files, .. }) => format!("{name}, {} files", files.len()),
        Derivation::Fetch(Fetch::Unpack { .. }) => "unpacked".to_owned(),
        Derivation::Environment(environment) => {
            let built = match environment.replaced.is_empty() {
                true => "",
                false => ", some built",
            };
            format!(
                "{} packages{built}, {}{}",
                environment.packages.len(),
                environment.arch.name(),
                emulated(derivation)
            )
        }
        Derivation::Guix(guix) => format!("{} store items, {}", guix.items.len(), guix.arch.name()),
        Derivation::Build(build) => format!("{}{}", build.arch.name(), emulated(derivation)),
        Derivation::ImageRoot(root) => match &root.from {
            ImageSource::Registry { name, .. } => format!("image {name}, {}", root.arch.name()),
            ImageSource::Folder { .. } => format!("image, {}", root.arch.name()),
        },
        Derivation::Image(image) => format!("image, {}", image.arch.name()),
        Derivation::ImageIndex(index) => format!("index of {} images", index.images.len()),
    }
}

fn emulated(derivation: &Derivation) -> &'static str {
    match derivation {
        Derivation::Environment(environment) if environment.emulator.is_some() => " (emulated)",
        Derivation::Build(build) if build.emulator.is_some() => " (emulated)",
        _ => "",
    }
}

fn json_of(
    project: &Project,
    world: &World,
    standings: &BTreeMap<DerivationId, Standing>,
    wanted: &[DerivationId],
) -> Result<Value> {
    let mut nodes = Vec::new();
    for id in wanted {
        let Some(derivation) = project.plan.derivations.get(id) else { continue };
        let names: Vec<&str> = project
            .plan
            .names
            .iter()
            .filter(|named| named.id == *id)
            .map(|named| named.name.as_str())
            .collect();
        let mut node = json!({
            "id": id,
            "kind": kind(derivation),
            "names": names,
            "needs": derivation.needs(),
            "facts": facts_json(&derivation.explain()),
        });
        match standings.get(id) {
            Some(Standing::Cached(realisation)) => {
                node["state"] = "cached".into();
                node["key"] = json!(realisation.key);
                node["outputs"] = outputs_json(&realisation.outputs);
                node["made"] = json!(realisation.facts);
            }
            Some(Standing::Unknown(first)) => {
                node["state"] = "unknown".into();
                node["until"] = json!({ "id": first, "name": world.name(*first) });
            }
            _ => node["state"] = "to make".into(),
        }
        nodes.push(node);
    }
    Ok(json!({ "file": project.file, "derivations": nodes }))
}

/// Outputs as JSON: kind, digest, size.
fn outputs_json(outputs: &BTreeMap<String, Object>) -> Value {
    let json = |(name, object): (&String, &Object)| (name.clone(), report::object_json(object));
    Value::Object(outputs.iter().map(json).collect())
}

fn facts_json(facts: &[(String, String)]) -> Value {
    facts.iter().map(|(name, value)| json!([name, value])).collect()
}

/// Says which field of a key made a miss.
pub(super) fn why(store: Option<&Path>, args: &args::Why) -> Result<i32> {
    let chosen = choose(&args.words)?;
    let project = Project::load(&chosen.file, store, Fetching::No)?;
    output::diagnostics(&project.lang.sources, &project.diagnostics);
    if project.has_errors() {
        return Ok(2);
    }
    if chosen.names.is_empty() {
        return Err(Failure::input("why what?").help("`rbld why NAME`; `rbld plan` lists the names"));
    }
    let world = context::world(&project, context::store(store)?, &Running::default(), Progress::silent())?;
    let standings = standings(&project.plan, &world)?;
    for name in &chosen.names {
        if project.named(name).is_empty() {
            return Err(project.unknown(name));
        }
        let cells = format!("{name}[");
        for named in &project.plan.names {
            if named.name == *name || named.name.starts_with(&cells) {
                explain(&project, &world, &standings, &named.name, named.id, named.kind)?;
            }
        }
    }
    Ok(0)
}

fn explain(
    project: &Project,
    world: &World,
    standings: &BTreeMap<DerivationId, Standing>,
    name: &str,
    id: DerivationId,
    kind: ItemKind,
) -> Result<()> {
    let Some(derivation) = project.plan.derivations.get(&id) else { return Ok(()) };
    match standings.get(&id) {
        Some(Standing::Cached(realisation)) => {
            output::line(&format!("`{name}` is in the store, under the key {}", realisation.key.short()));
            return Ok(());
        }
        Some(Standing::Unknown(first)) => {
            output::line(&format!(
                "`{name}`: its key is unknown until `{}` is made, and that isn't in the store",
                world.name(*first)
            ));
        }
        _ => output::line(&format!("`{name}` isn't in the store")),
    }
    let Some(memory) = why::recall(&world.store, &project.root, &project.file, name) else {
        output::line("  it was never made here, so there is no key to compare with");
        return Ok(());
    };
    let facts = facts(world, standings, id, derivation)?;
    let lines = why::differences(&memory.facts, &facts);
    let word = if kind == ItemKind::Build { "build" } else { "environment" };
    output::line(&format!("  since the {word} was last made, with the key {}:", memory.key.short()));
    for line in &lines {
        output::line(&format!("  {line}"));
    }
    if lines.is_empty() {
        output::line("  nothing in its key changed: its result was removed from the store");
    }
    Ok(())
}

/// A derivation's facts: those of its key where the key is known, with `?` for inputs that aren't.
pub(super) fn facts(
    world: &World,
    standings: &BTreeMap<DerivationId, Standing>,
    id: DerivationId,
    derivation: &Derivation,
) -> Result<why::Facts> {
    let inputs = known(derivation, standings);
    let build = match derivation {
        Derivation::Build(build) => build,
        Derivation::Environment(environment)
            if !environment.replaced.is_empty()
                && !matches!(standings.get(&id), Some(Standing::Unknown(_))) =>
        {
            let staged = node::staged(world, environment, &inputs)?;
            return Ok(Derivation::Environment(staged.environment).explain());
        }
        _ => return Ok(derivation.explain()),
    };
    if !matches!(standings.get(&id), Some(Standing::Unknown(_))) {
        return Ok(node::resolve(&world.store, build, &inputs)?.explain());
    }
    let mut facts = node::resolve_known(&world.store, build, &inputs)?.explain();
    for (name, value) in &mut facts {
        if value.contains(&node::UNKNOWN.to_hex()) {
            let of = name.rsplit('/').next().unwrap_or(name);
            let from = build.inputs.get(of).unwrap_or(&build.env);
            *value = format!("what `{}` will be", world.name(from.derivation));
        }
    }
    Ok(facts)
}
