//! Runs of jobs as builds: where they run, what of their scripts is left, what they leave behind; and which of them are compared.

use std::collections::BTreeMap;

use super::Note;
use super::images::release;
use super::jobs::{Job, Line, filled};
use super::paths::{Output, artifact, is_pattern, output_name, unique, within};
use super::shell::{Claim, Installed, claims, compares, network, without_apt};

/// A run that can be a build.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The job.
    pub(super) job: String,
    /// The release of Debian.
    pub(super) suite: &'static str,
    /// The packages.
    pub(super) installed: Installed,
    /// What of the variables its script mentions.
    pub(super) variables: BTreeMap<String, String>,
    /// The script.
    pub(super) script: String,
    /// Its lines, with their places.
    pub(super) lines: Vec<Line>,
    /// What it may leave.
    pub(super) outputs: Vec<Output>,
}

/// What is compared: outputs by the number of the run and the name of the output.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    /// A name for it.
    pub(super) name: String,
    /// Where it stands.
    pub(super) line: usize,
    /// The outputs.
    pub(super) members: Vec<(usize, String)>,
    /// The digest that each has, if it is about one; else they are identical.
    pub(super) digest: Option<String>,
}

/// The runs of a pipeline and their comparisons.
pub(super) fn read(jobs: &[Job], notes: &mut Vec<Note>) -> (Vec<Run>, Vec<Comparison>) {
    let mut runs = Vec::new();
    let mut judges = Vec::new();
    for job in jobs {
        if says_same(job) {
            judges.push(job);
        } else {
            runs.extend(run(job, notes));
        }
    }
    let mut comparisons = Vec::new();
    for job in judges {
        for line in &job.script {
            let text = filled(&line.text, &job.variables);
            let found = claims(&text);
            notes.extend(unread(line, &text, &found));
            for claim in found {
                comparisons.extend(comparison(&mut runs, &job.name, line, claim, None, notes));
            }
        }
    }
    // A digest that a job checks itself is of its own files.
    for number in 0..runs.len() {
        let own = runs[number].clone();
        for line in &own.lines {
            for claim in claims(&filled(&line.text, &own.variables)) {
                comparisons.extend(comparison(
                    &mut runs,
                    &own.job,
                    line,
                    claim,
                    Some(number),
                    &mut Vec::new(),
                ));
            }
        }
    }
    (runs, joined(comparisons))
}

/// What of a line of a comparing job isn't in an assertion.
fn unread(line: &Line, text: &str, found: &[Claim]) -> Option<Note> {
    let plain = Line { line: line.line, text: text.to_owned() };
    let left = without_apt(&plain, &mut Installed::default(), &mut Vec::new())?;
    if found.is_empty() {
        let why = if compares(text) { "what it compares isn't plain" } else { "it is no comparison" };
        return Some(Note::new(line.line, format!("{why}: `{}`", left.text)));
    }
    let prints = text.contains("sha256sum")
        && !text.contains(['|', '[', '='])
        && !text.contains("test ")
        && !text.contains("-c");
    prints.then(|| Note::new(line.line, "it only prints sums: that they are equal is asserted"))
}

/// Whether a job compares files with each other.
fn says_same(job: &Job) -> bool {
    let same = |line: &Line| {
        claims(&filled(&line.text, &job.variables)).iter().any(|claim| matches!(claim, Claim::Same(_)))
    };
    let sums = job.artifacts.is_empty() && job.script.iter().any(|line| compares(&line.text));
    job.script.iter().any(same) || sums
}

fn run(job: &Job, notes: &mut Vec<Note>) -> Option<Run> {
    if job.artifacts.is_empty() {
        notes.push(Note::new(
            job.line,
            format!("job `{}` leaves no artifacts, so nothing of it is compared", job.name),
        ));
        return None;
    }
    let Some((image, line)) = &job.image else {
        notes.push(Note::new(
            job.line,
            format!("job `{}` names no image: what it runs in is the runner's to say", job.name),
        ));
        return None;
    };
    let release = match release(image) {
        Ok(release) => release,
        Err(why) => {
            notes.push(Note::new(*line, format!("image `{image}` of job `{}`: {why}", job.name)));
            return None;
        }
    };
    if let Some(note) = release.note {
        notes.push(Note::new(*line, format!("image `{image}`: {note}")));
    }
    let mut installed = Installed {
        packages: release.packages.iter().map(|name| (*name).to_owned()).collect(),
        ..Installed::default()
    };
    let (mut script, mut lines) = (String::new(), Vec::new());
    for line in &job.script {
        let plain = Line { line: line.line, text: filled(&line.text, &job.variables) };
        // Only a line of apt's is taken with its variables filled in.
        let mut own = installed.clone();
        let mut said = Vec::new();
        let left = match without_apt(&plain, &mut own, &mut said) {
            Some(left) if left == plain => Some(line.clone()),
            left => left,
        };
        installed = own;
        notes.extend(said);
        let Some(left) = left else { continue };
        if let Some(word) = network(&left.text) {
            notes.push(Note::new(
                line.line,
                format!("`{word}` needs the network, which no recipe has: take what it fetches by `fetch.url` or `fetch.git`"),
            ));
        }
        script.push_str(&left.text);
        script.push('\n');
        lines.push(left);
    }
    let mut outputs = Vec::new();
    for (path, line) in &job.artifacts {
        match artifact(path, &script) {
            Ok(path) => outputs.push(Output { name: String::new(), path, line: *line }),
            Err(why) => notes.push(Note::new(*line, format!("artifact `{path}`: {why}"))),
        }
    }
    if outputs.is_empty() || script.trim().is_empty() {
        return None;
    }
    let mut taken = Vec::new();
    for output in &mut outputs {
        output.name = unique(output_name(&output.path), &mut taken);
    }
    let mentioned =
        |name: &str| script.contains(&format!("${name}")) || script.contains(&format!("${{{name}"));
    let variables = job.variables.iter().filter(|(name, _)| mentioned(name));
    let variables = variables.map(|(name, value)| (name.clone(), value.clone())).collect();
    Some(Run { job: job.name.clone(), suite: release.suite, installed, variables, script, lines, outputs })
}

/// What a claim is about; `own` is the run whose script makes it.
fn comparison(
    runs: &mut [Run],
    job: &str,
    line: &Line,
    claim: Claim,
    own: Option<usize>,
    notes: &mut Vec<Note>,
) -> Option<Comparison> {
    let (operands, digest) = match claim {
        Claim::Same(paths) => (paths, None),
        Claim::Digest(path, digest) => (vec![path], Some(digest)),
    };
    let mut members: Vec<(usize, String)> = Vec::new();
    for operand in &operands {
        let mut found = false;
        for (number, run) in runs.iter_mut().enumerate() {
            if own.is_some_and(|own| own != number) {
                continue;
            }
            if let Some(name) = output(run, operand) {
                found = true;
                if !members.iter().any(|(known, _)| *known == number) {
                    members.push((number, name));
                }
            }
        }
        if !found {
            notes.push(Note::new(
                line.line,
                format!("`{operand}` is no artifact of a job that was carried over"),
            ));
            return None;
        }
    }
    if digest.is_none() && members.len() < 2 {
        if own.is_none() {
            notes.push(Note::new(line.line, "it compares less than two builds that were carried over"));
        }
        return None;
    }
    let name = members.first().map(|(_, output)| output.clone()).unwrap_or_default();
    let published = if digest.is_some() { ", published" } else { "" };
    Some(Comparison { name: format!("{job}: {name}{published}"), line: line.line, members, digest })
}

/// The output of a run that a path means; one file in a folder becomes an output of its own.
fn output(run: &mut Run, operand: &str) -> Option<String> {
    let exact =
        run.outputs.iter().find(|output| within(operand, &output.path).as_ref() == Some(&output.path));
    if let Some(output) = exact {
        return Some(output.name.clone());
    }
    let (path, line) =
        run.outputs.iter().find_map(|output| Some((within(operand, &output.path)?, output.line)))?;
    let mut taken: Vec<String> = run.outputs.iter().map(|output| output.name.clone()).collect();
    let name = unique(output_name(&path), &mut taken);
    let path = if is_pattern(&path) { path } else { path.trim_end_matches('/').to_owned() };
    run.outputs.push(Output { name: name.clone(), path, line });
    Some(name)
}

/// Comparisons that have a member in common are one.
fn joined(comparisons: Vec<Comparison>) -> Vec<Comparison> {
    let mut joined: Vec<Comparison> = Vec::new();
    for comparison in comparisons {
        let shares = |known: &&mut Comparison| {
            known.digest == comparison.digest
                && known.members.iter().any(|member| comparison.members.contains(member))
        };
        match joined.iter_mut().find(shares) {
            Some(known) => {
                for member in comparison.members {
                    if !known.members.contains(&member) {
                        known.members.push(member);
                    }
                }
            }
            None => joined.push(comparison),
        }
    }
    joined
}
