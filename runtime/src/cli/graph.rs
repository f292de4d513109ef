//! `rbld graph`: the derivations of a plan as a picture.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rbld_lang::derivation::{Derivation, DerivationId};
use rbld_lang::plan::Plan;

use super::args::{self, GraphFormat, ReportFormat, Running};
use super::project::{Fetching, Project, choose};
use super::{check, context, output, plan};
use crate::failure::Result;
use crate::progress::Progress;
use crate::report::graph::{self, Graph, Node, State};
use crate::schedule::{Standing, standings};
use crate::store::Realisation;

/// Draws what is named with all that it needs; everything when nothing is named.
pub(super) fn run(store: Option<&Path>, args: &args::Graph) -> Result<i32> {
    let chosen = choose(&args.target.words)?;
    let project = Project::load(&chosen.file, store, Fetching::only(&args.from))?;
    if check::refused(&project, ReportFormat::Text) {
        return Ok(2);
    }
    let wanted = plan::wanted(&project, &chosen.names)?;
    let world = context::world(&project, context::store(store)?, &Running::default(), Progress::silent())?;
    let standings = standings(&project.plan, &world)?;
    let graph = of(&project.plan, &wanted, &world.names, |id| match standings.get(&id) {
        Some(Standing::Cached(realisation)) => (State::Cached, tenths(realisation)),
        Some(Standing::Unknown(_)) => (State::Unknown, None),
        _ => (State::ToMake, None),
    });
    output::text(&match args.format {
        GraphFormat::Text => graph::tree(&graph, &output::style()),
        GraphFormat::Svg => graph::svg(&graph, &project.file),
        GraphFormat::Dot => graph::dot(&graph, &project.file),
        GraphFormat::Mermaid => graph::mermaid(&graph),
    });
    Ok(0)
}

/// The graph of some derivations, in the plan's order, with how each stands.
pub(super) fn of(
    plan: &Plan,
    wanted: &[DerivationId],
    names: &BTreeMap<DerivationId, String>,
    stands: impl Fn(DerivationId) -> (State, Option<u64>),
) -> Graph {
    let places: BTreeMap<DerivationId, usize> =
        wanted.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let node = |id: &DerivationId, derivation: &Derivation| {
        let needs: BTreeSet<usize> =
            derivation.needs().iter().filter_map(|need| places.get(need).copied()).collect();
        let what = plan::what(derivation);
        // What no item names is called by what it is.
        let (name, what) = match names.get(id) {
            Some(name) => (name.clone(), what),
            None => (what, String::new()),
        };
        let (state, tenths) = stands(*id);
        Node {
            name,
            kind: plan::kind(derivation),
            what,
            state,
            tenths,
            needs: needs.into_iter().collect(),
            count: 1,
        }
    };
    Graph { nodes: wanted.iter().filter_map(|id| Some(node(id, plan.derivations.get(id)?))).collect() }
}

/// How long a realisation took when it was made.
pub(super) fn tenths(realisation: &Realisation) -> Option<u64> {
    let (whole, part) = realisation.facts.get("seconds")?.split_once('.')?;
    Some(whole.parse::<u64>().ok()?.checked_mul(10)? + u64::from(part.chars().next()?.to_digit(10)?))
}
