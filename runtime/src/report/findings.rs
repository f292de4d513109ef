//! A report as a list of findings: what is wrong with the file, what failed, and which comparisons don't hold. The formats
//! of code scanners and CI systems are renderings of this list.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rbld_lang::codes;
use rbld_lang::diagnostic::{Diagnostic, Fix, Label, Severity};
use rbld_lang::digest::Digest;
use rbld_lang::span::{FileId, Sources, Span};

use super::Report;
use super::comparisons::summary;
use super::fixes::fixes;
use super::stages::movers;
use crate::compare::{Outcome, Verdict};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The run doesn't hold because of it.
    Error,
    /// The run holds, or nothing is known.
    Warning,
}

/// What is found; each has an id for ever, as codes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    /// A code, or a word.
    pub id: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// With an example of wrong and right, or at length.
    pub explanation: &'static str,
}

/// What is found that no code stands for.
const RUN: [Rule; 6] = [
    Rule {
        id: "mismatch",
        title: "a comparison doesn't hold",
        explanation: "The builds were made and what they left behind isn't as the assertion says. `rbld check` shows the \
                      groups of equal results and where the first difference is.",
    },
    Rule {
        id: "inconclusive",
        title: "a comparison that says nothing",
        explanation: "Too few of what is compared was built, or all of it is one build: neither a match nor a mismatch.",
    },
    Rule {
        id: "build-failed",
        title: "a build failed",
        explanation: "A script ended with an error, took too long, or left out an output. `rbld log NAME` shows what it \
                      printed.",
    },
    Rule {
        id: "world-failed",
        title: "something outside of the file failed",
        explanation: "The network, a server, a signature, a digest, the isolation that this machine grants, its disk.",
    },
    Rule {
        id: "run-failed",
        title: "the run failed",
        explanation: "A setting or a lock is wrong, the run was interrupted, or rbld has a defect.",
    },
    Rule {
        id: "flaky",
        title: "a comparison that is known not to hold always",
        explanation: "The assertion says `expect = flaky(…)`, with a reason and an owner, and it didn't hold this time.",
    },
];

/// One finding.
#[derive(Clone, Debug)]
pub(super) struct Finding<'a> {
    /// What is found.
    pub rule: Rule,
    /// How bad it is.
    pub level: Level,
    /// A sentence.
    pub message: String,
    /// What to type next.
    pub help: Option<&'a str>,
    /// The place itself, in a file of the project.
    pub span: Span,
    /// The other places that matter.
    pub related: Vec<&'a Label>,
    /// The edits that the help names.
    pub fixes: Cow<'a, [Fix]>,
    /// The same in every run that finds it, wherever it stands in its file: of rule, message, file, and its number among
    /// those that are equal in these.
    pub fingerprint: String,
}

/// All findings of a report, in its order: diagnostics, failures, comparisons that don't hold.
pub(super) fn findings<'a>(report: &Report<'a>) -> Vec<Finding<'a>> {
    let top = top(report.sources);
    let mut found: Vec<(Finding<'a>, String)> = Vec::new();
    for diagnostic in report.diagnostics {
        found.push((of_diagnostic(diagnostic, report.sources, top), diagnostic.message.clone()));
    }
    for failed in report.failures {
        let name = failed.name.as_ref().map(|name| format!("`{name}`: ")).unwrap_or_default();
        let rule = match failed.failure.exit_code() {
            3 => RUN[2],
            4 => RUN[3],
            _ => RUN[4],
        };
        let message = format!("{name}{}", failed.failure.message);
        let finding = Finding {
            help: failed.failure.help.as_deref(),
            ..of_run(rule, Level::Error, message.clone(), failed.span.unwrap_or(top))
        };
        found.push((finding, message));
    }
    for outcome in report.comparisons.iter().flat_map(|compared| &compared.outcomes) {
        if let Some(finding) = of_outcome(outcome, report.sources, top) {
            // Digests and counts change from run to run; it is the same finding.
            found.push((finding, outcome.name.clone()));
        }
    }
    let mut seen: BTreeMap<(&str, String, String), usize> = BTreeMap::new();
    found
        .into_iter()
        .map(|(finding, message)| {
            let file = report.sources.get(finding.span.file).name.clone();
            let text = format!("{}\0{file}\0{message}", finding.rule.id);
            let ordinal = seen.entry((finding.rule.id, file, message)).or_default();
            let fingerprint = Digest::of(format!("{text}\0{ordinal}").as_bytes()).to_string();
            *ordinal += 1;
            Finding { fingerprint, ..finding }
        })
        .collect()
}

/// The beginning of the project's file: the place of what has no other.
fn top(sources: &Sources) -> Span {
    let first = sources.iter().find(|(_, source)| !is_std(&source.name)).map(|(id, _)| id);
    Span { file: first.unwrap_or(FileId(0)), start: 0, end: 0 }
}

fn is_std(name: &str) -> bool {
    name.starts_with('<')
}

fn of_diagnostic<'a>(diagnostic: &'a Diagnostic, sources: &Sources, top: Span) -> Finding<'a> {
    let own =
        |label: &&Label| sources.iter().any(|(id, source)| id == label.span.file && !is_std(&source.name));
    let mut labels = diagnostic.labels.iter().filter(own);
    let row = codes::find(diagnostic.code.0);
    Finding {
        rule: Rule {
            id: diagnostic.code.0,
            title: row.map_or("", |row| row.title),
            explanation: row.map_or("", |row| row.explanation),
        },
        level: match diagnostic.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        },
        message: diagnostic.message.clone(),
        help: diagnostic.help.as_deref(),
        span: labels.next().map_or(top, |label| label.span),
        related: labels.collect(),
        fixes: Cow::Borrowed(&diagnostic.fixes),
        fingerprint: String::new(),
    }
}

fn of_outcome<'a>(outcome: &'a Outcome, sources: &Sources, top: Span) -> Option<Finding<'a>> {
    let (rule, level) = match outcome.verdict {
        Verdict::Match => return None,
        Verdict::Mismatch if outcome.tolerated() => (RUN[5], Level::Warning),
        Verdict::Mismatch => (RUN[0], Level::Error),
        Verdict::Inconclusive => (RUN[1], Level::Warning),
    };
    let mut message =
        format!("`{}` ({}): {}, {}", outcome.name, outcome.form, outcome.verdict.word(), summary(outcome));
    if let Some(movers) = outcome.stages.as_ref().and_then(movers) {
        message = format!("{message} {movers}");
    }
    let finding = of_run(rule, level, message, outcome.span.unwrap_or(top));
    Some(Finding { fixes: Cow::Owned(fixes(outcome, sources)), ..finding })
}

fn of_run<'a>(rule: Rule, level: Level, message: String, span: Span) -> Finding<'a> {
    Finding {
        rule,
        level,
        message,
        help: None,
        span,
        related: Vec::new(),
        fixes: Cow::Borrowed(&[]),
        fingerprint: String::new(),
    }
}
