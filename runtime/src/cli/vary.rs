//! `rbld check --vary`: which builds are examined along which axes, and what came of it as comparisons of its own form.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::derivation::{Build, Derivation, DerivationId, InputRef};
use rbld_lang::plan::{Comparison, Form, Member, Plan};
use rbld_lang::span::{FileId, Sources, Span};
use rbld_lang::vary::Axis;

use super::args::Running;
use super::check::Ran;
use super::project::{self, Project};
use crate::compare::{self, Outcome, Varied};
use crate::failure::{Failure, Kind, Result};
use crate::report::Failed;
use crate::schedule::examine;

/// What `--vary` was given: axes by name, `all`, and names after a minus that are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The axes.
    pub axes: BTreeSet<Axis>,
    /// Those that were asked for by name: not to be able to vary them is an error.
    pub named: BTreeSet<Axis>,
}

/// Reads the value of `--vary`.
pub(super) fn wanted(words: &str) -> Result<Wanted> {
    let mut named = BTreeSet::new();
    let (mut all, mut without) = (false, BTreeSet::new());
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (name, minus) = match word.strip_prefix('-') {
            Some(name) => (name, true),
            None => (word, false),
        };
        if name == "all" && !minus {
            all = true;
            continue;
        }
        let axis = Axis::named(name).ok_or_else(|| unknown(name))?;
        if minus {
            without.insert(axis)
        } else {
            named.insert(axis)
        };
    }
    let mut axes = if all || named.is_empty() { BTreeSet::from(Axis::ALL) } else { named.clone() };
    axes.retain(|axis| !without.contains(axis));
    if axes.is_empty() {
        return Err(
            Failure::input("`--vary` leaves no axis to vary").help("name some, or leave its value out")
        );
    }
    Ok(Wanted { axes, named })
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = Axis::ALL.iter().map(|axis| axis.name()).collect();
    let near = known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .filter(|(near, _)| *near > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let failure =
        Failure::input(format!("there is no axis `{name}`")).fact(format!("the axes: {}", known.join(", ")));
    match near {
        Some((_, near)) => failure.help(format!("did you mean `{near}`?")),
        None => failure.help("`--vary=time,umask` varies two, `--vary=-jobs` all but one, `--vary` all"),
    }
}

/// The builds that are examined: those that are compared, and those that are named; all of them where nothing is.
pub(super) fn builds(project: &Project, names: &[String]) -> Vec<DerivationId> {
    let compared = project.plan.comparisons.iter().flat_map(project::members);
    let compared = compared.map(|member| member.output.derivation);
    let named = names.iter().flat_map(|name| project.named(name));
    let mut builds: Vec<DerivationId> = Vec::new();
    for id in named.chain(compared) {
        let is_build = matches!(project.plan.derivations.get(&id), Some(Derivation::Build(_)));
        if is_build && !builds.contains(&id) {
            builds.push(id);
        }
    }
    if builds.is_empty() && names.is_empty() { project.builds() } else { builds }
}

/// What examining came to.
#[derive(Default)]
pub(super) struct Examination {
    /// Of the file's own assertions, by their items.
    of_file: Vec<(Span, Varied)>,
    /// Of the builds that `--vary` examines, in order.
    of_builds: Vec<(DerivationId, Varied)>,
    /// What went wrong.
    pub failed: Vec<Failed>,
}

impl Examination {
    /// What varying the build of an assertion came to.
    pub(super) fn of(&self, comparison: &Comparison) -> Option<Varied> {
        self.of_file.iter().find(|(span, _)| *span == comparison.span).map(|(_, varied)| varied.clone())
    }

    /// The outcomes of the builds that `--vary` examines.
    pub(super) fn outcomes(&self, project: &Project, ran: &Ran) -> Vec<Outcome> {
        let outcome = |(id, varied): &(DerivationId, Varied)| match project.plan.derivations.get(id) {
            Some(Derivation::Build(build)) => Some(outcome(&project.plan, *id, build, ran, varied.clone())),
            _ => None,
        };
        self.of_builds.iter().filter_map(outcome).collect()
    }
}

/// Examines the builds of `reproducible(…)` and those of `--vary`.
pub(super) fn examine(
    project: &Project,
    ran: &Ran,
    wanted: Option<(&Wanted, &[DerivationId], u32)>,
    running: &Running,
) -> Result<Examination> {
    let mut asked: Vec<(Option<Span>, examine::Asked)> = Vec::new();
    for comparison in &project.plan.comparisons {
        let Form::Reproducible { build, outputs, times, vary, .. } = &comparison.form else { continue };
        let outputs = outputs.iter().map(|member| member.output.output.to_string()).collect();
        let axes = vary.iter().copied().collect();
        let one = examine::Asked { id: *build, outputs, axes, times: *times, rebuild: running.rebuild };
        asked.push((Some(comparison.span), one));
    }
    let mut missing = Vec::new();
    if let Some((wanted, builds, times)) = wanted {
        missing = examine::not_varied(&wanted.axes);
        if let Some((_, failure)) = missing.iter().find(|(axis, _)| wanted.named.contains(axis)) {
            return Err(failure.clone());
        }
        let mut axes = wanted.axes.clone();
        axes.retain(|axis| !missing.iter().any(|(missing, _)| missing == axis));
        let one = |id: &DerivationId| {
            let (outputs, axes, rebuild) = (BTreeSet::new(), axes.clone(), running.rebuild);
            (None, examine::Asked { id: *id, outputs, axes, times, rebuild })
        };
        asked.extend(builds.iter().map(one));
    }
    if asked.is_empty() {
        return Ok(Examination::default());
    }
    let options = super::context::options(project, running)?;
    let all: Vec<examine::Asked> = asked.iter().map(|(_, one)| one.clone()).collect();
    let examined = examine::examine(&project.plan, &ran.world, &ran.outcomes, &all, options);
    let mut examination = Examination::default();
    for ((span, one), examined) in asked.into_iter().zip(examined) {
        let Some(Derivation::Build(build)) = project.plan.derivations.get(&one.id) else { continue };
        let (mut varied, failure) = examined.unwrap_or_else(|| (Varied::default(), None));
        for cause in &mut varied.causes {
            cause.line = line_of(&project.lang.sources, build, &cause.shown.output, &cause.places);
        }
        if let Some(failure) = failure.filter(|failure| !matches!(failure.kind, Kind::Interrupted(_))) {
            let span = span.or_else(|| project.plan.name_of(one.id).map(|named| named.span));
            let name = Some(ran.world.name(one.id));
            examination.failed.push(Failed { name, id: Some(one.id), span, failure });
        }
        match span {
            Some(span) => examination.of_file.push((span, varied)),
            None => {
                let reason = |(axis, failure): &(Axis, Failure)| (*axis, failure.message.clone());
                varied.not_varied = missing.iter().map(reason).collect();
                examination.of_builds.push((one.id, varied));
            }
        }
    }
    Ok(examination)
}

fn outcome(plan: &Plan, id: DerivationId, build: &Build, ran: &Ran, varied: Varied) -> Outcome {
    let name = ran.world.name(id);
    let member = |output: &str| Member {
        key: if build.outputs.len() == 1 { name.clone() } else { format!("{name}.{output}") },
        output: InputRef { derivation: id, output: output.into() },
    };
    let members: Vec<Member> = build.outputs.keys().map(|output| member(output)).collect();
    let mut outcome = compare::reproducible(&members, &|input| ran.state(input), varied);
    outcome.name = format!("reproducible {name}");
    outcome.span = plan.name_of(id).map(|named| named.span);
    outcome
}

/// The line of a script that writes a place, where one can be pointed at: the last that names the output's variable or
/// the file. It must stand once in the sources, or nothing is said.
fn line_of(sources: &Sources, build: &Build, output: &str, places: &[String]) -> Option<Span> {
    let place = places.first()?;
    let file = place.split(" > ").nth(1).map(|file| file.split(',').next().unwrap_or(file));
    let file = file.and_then(|file| file.rsplit('/').next()).filter(|file| !file.is_empty());
    let path = build.outputs.get(output).map(|spec| match &**spec {
        rbld_lang::derivation::OutputSpec::File(path) | rbld_lang::derivation::OutputSpec::Files(path) => {
            path.clone()
        }
    });
    let variable = format!("${output}");
    let words: Vec<&str> = [file, Some(variable.as_str()), path.as_deref()].into_iter().flatten().collect();
    for word in words {
        let lines: Vec<&str> =
            build.script.lines().map(str::trim).filter(|line| line.contains(word)).collect();
        if let Some(span) = lines.last().and_then(|line| only_place(sources, line)) {
            return Some(span);
        }
    }
    None
}

/// The place of a line that stands once in all files.
fn only_place(sources: &Sources, wanted: &str) -> Option<Span> {
    let mut found: BTreeMap<(FileId, usize), usize> = BTreeMap::new();
    for (id, source) in sources.iter() {
        let mut at = 0;
        for line in source.text.split_inclusive('\n') {
            if line.trim() == wanted {
                let start = at + (line.len() - line.trim_start().len());
                found.insert((id, start), wanted.len());
            }
            at += line.len();
        }
    }
    match found.into_iter().collect::<Vec<_>>().as_slice() {
        [((file, start), length)] => {
            Some(Span { file: *file, start: *start as _, end: (*start + *length) as _ })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_named_left_out_or_all() {
        assert_eq!(wanted("").unwrap().axes.len(), 15);
        assert_eq!(wanted("all").unwrap().axes.len(), 15);
        let two = wanted("time, umask").unwrap();
        assert_eq!(two.axes, BTreeSet::from([Axis::Time, Axis::Umask]));
        assert_eq!(two.named, two.axes);
        let less = wanted("-jobs").unwrap();
        assert!(less.axes.len() == 14 && less.named.is_empty());
        assert!(wanted("time,-time").is_err());
        assert!(wanted("tiem").unwrap_err().help.is_some_and(|help| help.contains("`time`")));
    }
}
