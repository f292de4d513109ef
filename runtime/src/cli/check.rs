//! `rbld check`: realises what the assertions compare, compares it, and says the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rbld_lang::derivation::{Derivation, DerivationId, InputRef};
use rbld_lang::lock::Facts;
use rbld_lang::plan::{Comparison, Plan};

use super::args::{self, ReportFormat, Running};
use super::beside::Beside;
use super::project::{self, Fetching, Project, choose};
use super::reports::Reports;
use super::{context, diffoscope, output, past, plan, vary, why};
use crate::compare::{self, ComparisonReport, OutputState, Sample};
use crate::display::Screen;
use crate::environment;
use crate::failure::{Failure, Kind, Result};
use crate::report::graph::Graph;
use crate::report::{self, Failed, Realised, Report, Whole};
use crate::schedule::{How, Outcome, Standing, World, node};
use crate::store::Object;

/// Checks the assertions that are named, all of them when none is. However it ends, the reports that are asked for are
/// written: a CI system shows a run that has none as one that had nothing to say.
pub(super) fn run(store: Option<&Path>, args: &args::Check) -> Result<i32> {
    let mut reports = Reports::open(&args.reports)?;
    let checked = checked(store, args, &mut reports);
    if let Err(failure) = &checked {
        let named = args.target.words.first().filter(|word| word.ends_with(".rbld"));
        reports.write_failure(failure, named.map_or("build.rbld", String::as_str));
    }
    checked
}

fn checked(store: Option<&Path>, args: &args::Check, reports: &mut Reports) -> Result<i32> {
    let now = context::now(&args.running)?;
    let chosen = choose(&args.target.words)?;
    let fetching = Fetching::unless(args.running.offline, &args.running.from);
    let mut project = Project::load(&chosen.file, store, fetching)?;
    if refused(&project, args.format) {
        let (report, graph) = (of_file(&project), Graph::default());
        let whole =
            Whole { report: &report, file: &project.file, graph: &graph, ids: &[], logs: &[], locked: &[] };
        return Ok(reports.write(&whole, &project.below_repository(), 2));
    }
    let wanted = args.vary.as_deref().map(vary::wanted).transpose()?;
    let names = past::Names::of(&project);
    if let Some(file) = &args.against {
        past::read(file)?;
    }
    select(&mut project, &chosen.names)?;
    let asserts = !project.plan.comparisons.is_empty();
    let sampled = args.sample.map(|share| Sample::of(share, now).apply(&mut project.plan));
    let varied = if wanted.is_some() { vary::builds(&project, &chosen.names) } else { Vec::new() };
    let mut targets: Vec<DerivationId> = Vec::new();
    for comparison in &project.plan.comparisons {
        targets.extend(project::members(comparison).iter().map(|member| member.output.derivation));
        targets.extend(project::expected(comparison));
    }
    targets.extend(chosen.names.iter().flat_map(|name| project.named(name)));
    targets.extend(&varied);
    if targets.is_empty() && !asserts {
        return Err(Failure::input(format!(
            "`{}` asserts nothing, so there is nothing to check",
            project.file
        ))
        .help(
            "add an assertion, such as `assert \"same everywhere\" identical(b.*.out)`, or use `rbld build`",
        ));
    }
    let screen = Screen::on_stderr(false);
    let ran = realise_on(&screen, &project, store, &targets, &args.running)?;
    let wanted = wanted.as_ref().map(|wanted| (wanted, varied.as_slice(), args.times.unwrap_or(2)));
    let examined = vary::examine(&project, &ran, wanted, &args.running)?;
    let mut compared = ran.compare(&project, now, &examined);
    compared.outcomes.extend(examined.outcomes(&project, &ran));
    screen.finish();
    compared.sample = sampled;
    // Nothing is known by a run that was interrupted of what it didn't come to.
    if !ran.world.cancel.is_set() {
        past::trend(&ran.world.store, &project, &names, args.against.as_deref(), now, &mut compared)?;
    }
    if let Some(folder) = &args.diffoscope {
        diffoscope::attach(folder, &mut compared, &ran.world.store, &ran.world.cancel)?;
    }
    let (realised, mut failed) = (ran.realised(&project), ran.failed(&project));
    failed.splice(0..0, examined.failed);
    let report = Report {
        sources: &project.lang.sources,
        diagnostics: &project.diagnostics,
        derivations: &realised,
        comparisons: Some(&compared),
        failures: &failed,
        now: Some(now),
    };
    if args.format == ReportFormat::Text {
        output::failures(&failed);
        output::text(&report::comparisons(&compared, &project.lang.sources, &output::style()));
        output::line(&ran.summary());
    }
    print(&report, &project, args.format);
    if !reports.wanted() {
        return Ok(report.exit_code());
    }
    let beside = Beside::gather(&project, &ran, &targets);
    let whole = Whole {
        report: &report,
        file: &project.file,
        graph: &beside.graph,
        ids: &beside.ids,
        logs: &beside.logs,
        locked: &beside.locked,
    };
    Ok(reports.write(&whole, &project.below_repository(), report.exit_code()))
}

/// Shows what was found wrong with the file; true if nothing may run.
pub(super) fn refused(project: &Project, format: ReportFormat) -> bool {
    let refused = project.has_errors();
    match format {
        ReportFormat::Text => output::diagnostics(&project.lang.sources, &project.diagnostics),
        _ if refused => print(&of_file(project), project, format),
        _ => {}
    }
    refused
}

/// A report of what is wrong with the file, and of nothing else.
pub(super) fn of_file(project: &Project) -> Report<'_> {
    Report {
        sources: &project.lang.sources,
        diagnostics: &project.diagnostics,
        derivations: &[],
        comparisons: None,
        failures: &[],
        now: None,
    }
}

/// Prints a report for a program; what is for a person is printed as it comes to be known.
pub(super) fn print(report: &Report<'_>, project: &Project, format: ReportFormat) {
    let rendered = match format {
        ReportFormat::Text => return,
        ReportFormat::Json => report::json(report),
        ReportFormat::Sarif => report::sarif(report, &project.below_repository()),
        ReportFormat::CodeQuality => report::code_quality(report, &project.below_repository()),
    };
    output::line(&format!("{rendered:#}"));
}

/// Leaves the assertions that are named, or that compare a build that is.
fn select(project: &mut Project, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        let known = project.plan.comparisons.iter().any(|comparison| comparison.name == *name);
        if !known && project.named(name).is_empty() {
            return Err(project.unknown(name));
        }
    }
    let ids: BTreeSet<DerivationId> = names.iter().flat_map(|name| project.named(name)).collect();
    project.plan.comparisons.retain(|comparison| {
        names.contains(&comparison.name)
            || project::members(comparison).iter().any(|member| ids.contains(&member.output.derivation))
    });
    Ok(())
}

/// What a run came to.
pub(super) struct Ran {
    /// The world it ran in.
    pub world: Arc<World>,
    /// How each derivation ended.
    pub outcomes: BTreeMap<DerivationId, Outcome>,
    /// Environments that came to another tree than the lock says.
    pub other_trees: Vec<Failure>,
}

/// Realises the targets, then keeps what later runs need: facts for `why`, tree digests for the lock.
pub(super) fn realise(
    project: &Project,
    store: Option<&Path>,
    targets: &[DerivationId],
    running: &Running,
) -> Result<Ran> {
    let screen = Screen::on_stderr(false);
    let ran = realise_on(&screen, project, store, targets, running)?;
    screen.finish();
    Ok(ran)
}

/// The same on a screen that shows more afterwards.
fn realise_on(
    screen: &Screen,
    project: &Project,
    store: Option<&Path>,
    targets: &[DerivationId],
    running: &Running,
) -> Result<Ran> {
    let world = context::world(project, context::store(store)?, running, screen.progress())?;
    let options = context::options(project, running)?;
    let rebuild: BTreeSet<DerivationId> =
        if running.rebuild { rebuildable(&project.plan, targets) } else { BTreeSet::new() };
    let outcomes = crate::schedule::realise(&project.plan, targets, &rebuild, &world, options)?;
    let other_trees = other_trees(project, &world, &outcomes);
    let ran = Ran { world, outcomes, other_trees };
    ran.remember(project)?;
    ran.note_trees(project, running.locked);
    Ok(ran)
}

fn other_trees(project: &Project, world: &World, outcomes: &BTreeMap<DerivationId, Outcome>) -> Vec<Failure> {
    let other = |(id, derivation): (&DerivationId, &Derivation)| match (derivation, outcomes.get(id)) {
        (Derivation::Environment(_) | Derivation::Guix(_), Some(Outcome::Ready { realisation, .. })) => {
            let checked = match derivation {
                Derivation::Environment(env) => environment::check_expected(env, realisation, &world.store),
                Derivation::Guix(guix) => environment::guix::check_expected(guix, realisation, &world.store),
                _ => return None,
            };
            let mut failure = checked.err()?;
            failure.facts.insert(0, format!("environment `{}`", world.name(*id)));
            Some(failure)
        }
        _ => None,
    };
    project.plan.derivations.iter().filter_map(other).collect()
}

/// The builds among the targets: what `--rebuild` makes again.
fn rebuildable(plan: &Plan, targets: &[DerivationId]) -> BTreeSet<DerivationId> {
    let is_build = |id: &DerivationId| {
        let derivation = plan.derivations.get(id);
        matches!(derivation, Some(Derivation::Build(_) | Derivation::Image(_) | Derivation::ImageIndex(_)))
    };
    targets.iter().copied().filter(is_build).collect()
}

impl Ran {
    /// Keeps the facts of what was made, so that `rbld why` can compare.
    fn remember(&self, project: &Project) -> Result<()> {
        let standings: BTreeMap<DerivationId, Standing> = self
            .outcomes
            .iter()
            .filter_map(|(id, outcome)| match outcome {
                Outcome::Ready { realisation, .. } => Some((*id, Standing::Cached(realisation.clone()))),
                _ => None,
            })
            .collect();
        for named in &project.plan.names {
            let Some(Outcome::Ready { realisation, how: How::Made }) = self.outcomes.get(&named.id) else {
                continue;
            };
            let Some(derivation) = project.plan.derivations.get(&named.id) else { continue };
            let facts = plan::facts(&self.world, &standings, named.id, derivation)?;
            let memory = why::Memory { key: realisation.key, facts };
            why::remember(&self.world.store, &project.root, &project.file, &named.name, &memory)?;
        }
        Ok(())
    }

    /// Writes tree digests that the lock doesn't have yet. (One that isn't the lock's is a failed environment.)
    fn note_trees(&self, project: &Project, locked: bool) {
        let Some(mut lock) = project.lock.clone() else { return };
        let mut changed = false;
        for (id, request) in project::environment_requests(&project.plan) {
            let Some(Outcome::Ready { realisation, .. }) = self.outcomes.get(&id) else { continue };
            let Some(block) = lock.blocks.get_mut(&request) else { continue };
            let (tree, output) = match &mut block.facts {
                Facts::Environment { tree, .. } => (tree, "out"),
                Facts::Guix(closure) => (&mut closure.tree, environment::guix::GNU_OUTPUT),
                _ => continue,
            };
            let Some(found) = realisation.outputs.get(output).map(Object::digest) else { continue };
            if tree.is_none() {
                *tree = Some(found);
                changed = true;
            }
        }
        // A checkout that can't be written to (a CI job's, perhaps) is no reason to fail: the digest is a help for
        // other machines, not a condition.
        if changed
            && !locked
            && let Err(failure) = project::write_lock(&project.lock_path, &lock)
        {
            output::note(&format!("note: the lock gets no tree digests: {}", failure.message));
        }
    }

    /// Judges the assertions.
    fn compare(&self, project: &Project, now: i64, examined: &vary::Examination) -> ComparisonReport {
        let state = |input: &InputRef| self.state(input);
        let published = |archive: &rbld_lang::derivation::ArchiveId,
                         file: &rbld_lang::derivation::PoolFile| {
            let batch = self.world.store.batch()?;
            node::pool_file(&self.world, archive, file, &batch)?;
            batch.commit(&[])
        };
        let varied = |comparison: &Comparison| examined.of(comparison);
        let options = compare::Options {
            varied: Some(&varied),
            published: Some(&published),
            progress: self.world.progress.clone(),
            now: Some(now),
            ..compare::Options::default()
        };
        compare::compare(&project.plan, &state, &self.world.store, &options)
    }

    pub(super) fn state(&self, input: &InputRef) -> OutputState {
        let name = self.world.name(input.derivation);
        match self.outcomes.get(&input.derivation) {
            Some(Outcome::Ready { realisation, .. }) => match realisation.outputs.get(&*input.output) {
                Some(object) => OutputState::Ready { object: *object, key: realisation.key },
                None => OutputState::Missing(format!("`{name}` has no output `{}`", input.output)),
            },
            Some(Outcome::Failed(failure)) => OutputState::Failed(failure.message.clone()),
            Some(Outcome::Blocked(cause)) => {
                OutputState::Failed(format!("`{}` failed, which `{name}` needs", self.world.name(*cause)))
            }
            Some(Outcome::Skipped) | None => OutputState::Missing(format!("`{name}` wasn't tried")),
        }
    }

    /// What went wrong, in the plan's order: each failure once, an interruption once for all it befell.
    pub(super) fn failed(&self, project: &Project) -> Vec<Failed> {
        let mut failed: Vec<Failed> = Vec::new();
        for id in project.plan.derivations.keys() {
            let Some(Outcome::Failed(failure)) = self.outcomes.get(id) else { continue };
            if matches!(failure.kind, Kind::Interrupted(_)) {
                continue;
            }
            let name = Some(self.world.name(*id));
            let span = project.plan.name_of(*id).map(|named| named.span);
            failed.push(Failed { name, id: Some(*id), span, failure: failure.clone() });
        }
        failed.extend(self.other_trees.iter().cloned().map(Failed::of_run));
        if self.world.cancel.is_set() {
            failed.push(Failed::of_run(node::interrupted(&self.world)));
        }
        failed
    }

    /// What became of each derivation, in the plan's order.
    pub(super) fn realised(&self, project: &Project) -> Vec<Realised> {
        let ended = |(id, derivation)| Some((id, derivation, self.outcomes.get(id)?));
        let describe = |(id, derivation, outcome): (&DerivationId, &Derivation, &Outcome)| {
            let mut realised = Realised {
                id: *id,
                name: project.plan.name_of(*id).map(|named| named.name.clone()),
                kind: plan::kind(derivation),
                status: "missing",
                key: None,
                outputs: BTreeMap::new(),
                facts: BTreeMap::new(),
            };
            match outcome {
                Outcome::Ready { realisation, how } => {
                    realised.status = if *how == How::Made { "realised" } else { "cached" };
                    realised.key = Some(realisation.key);
                    realised.outputs.clone_from(&realisation.outputs);
                    realised.facts.clone_from(&realisation.facts);
                }
                Outcome::Failed(_) => realised.status = "failed",
                Outcome::Blocked(_) | Outcome::Skipped => {}
            }
            realised
        };
        project.plan.derivations.iter().filter_map(ended).map(describe).collect()
    }

    fn summary(&self) -> String {
        let count = |wanted: How| {
            self.outcomes
                .values()
                .filter(|o| matches!(o, Outcome::Ready { how, .. } if *how == wanted))
                .count()
        };
        format!("{} realised, {} from the store", plural(count(How::Made), "derivation"), count(How::Cached))
    }
}

/// A number and its noun.
pub(super) fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
