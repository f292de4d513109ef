//! Reports: what a run came to, as text for a person, as one page for a browser, and as JSON, JUnit, SARIF, code quality and
//! Markdown for programs and CI systems; and its exit code.
//!
//! Renders values that others made; reads no store, judges nothing, prints nothing.

use std::collections::BTreeMap;

use rbld_lang::derivation::DerivationId;
use rbld_lang::diagnostic::{Diagnostic, Severity};
use rbld_lang::digest::Digest;
use rbld_lang::span::{Sources, Span};

mod agreed;
mod causes;
mod code_quality;
mod comparisons;
mod diagnostics;
mod differences;
mod diffoscope;
mod docs;
mod findings;
mod fixes;
pub mod graph;
mod json;
mod junit;
mod markup;
mod page;
mod sarif;
#[cfg(test)]
mod schema_tests;
mod stages;
mod status;
mod style;
mod summary;
mod tested;
#[cfg(test)]
mod tests;
mod trend;
mod varied;

pub use causes::{json as observation_json, text as observation};
pub use code_quality::code_quality;
pub use comparisons::comparisons;
pub use diagnostics::{diagnostics, diagnostics_json};
pub use differences::difference;
pub use diffoscope::json as diffoscope_json;
pub use docs::{Docs, builtins_markdown, docs_json, html as docs_html, module_markdown, text as docs_text};
pub use json::{SCHEMA, comparison_json, difference_json, failure_json, json, object_json};
pub use junit::junit;
pub use page::page;
pub use sarif::sarif;
pub use style::{Style, printable};
pub use summary::summary;
pub use tested::{Kind as TestKind, Outcome as TestOutcome, Tested, tested, tested_json};

use crate::compare::{ComparisonReport, Verdict};
use crate::failure::{Failure, Kind};
use crate::store::Object;

/// All that a run came to.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// The texts that diagnostics and comparisons point into.
    pub sources: &'a Sources,
    /// What is wrong with the file.
    pub diagnostics: &'a [Diagnostic],
    /// What became of the derivations.
    pub derivations: &'a [Realised],
    /// What the comparisons came to, if it came to comparing.
    pub comparisons: Option<&'a ComparisonReport>,
    /// What went wrong.
    pub failures: &'a [Failed],
    /// The instant that counts as now, seconds since 1970.
    pub now: Option<i64>,
}

/// A report with what is known beside it, for what is read without a terminal and a store at hand: a page, a summary, JUnit.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// The report.
    pub report: &'a Report<'a>,
    /// The project's file.
    pub file: &'a str,
    /// The derivations and what needs what.
    pub graph: &'a graph::Graph,
    /// Which derivation each of its nodes is.
    pub ids: &'a [DerivationId],
    /// Ends of logs, of what failed first.
    pub logs: &'a [Log],
    /// What environments are made of.
    pub locked: &'a [Locked],
}

/// The end of a log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Whose.
    pub id: DerivationId,
    /// What a person calls it.
    pub name: String,
    /// Whether it is of a failure.
    pub failed: bool,
    /// Whether something goes before it.
    pub cut: bool,
    /// It.
    pub text: String,
}

/// What an environment is made of.
#[derive(Clone, Debug)]
pub struct Locked {
    /// What a person calls it.
    pub name: String,
    /// Where that is from: an archive and an instant; Guix; an image.
    pub of: String,
    /// The tree that it came to.
    pub tree: Option<Digest>,
    /// Names and versions of its packages or store items.
    pub packages: Vec<(String, String)>,
}

/// What became of one derivation.
#[derive(Clone, Debug)]
pub struct Realised {
    /// Which.
    pub id: DerivationId,
    /// What a person calls it.
    pub name: Option<String>,
    /// `input`, `environment` or `build`.
    pub kind: &'static str,
    /// `cached`, `realised`, `failed` or `missing`.
    pub status: &'static str,
    /// Its resolved key, once known.
    pub key: Option<Digest>,
    /// What it gave.
    pub outputs: BTreeMap<String, Object>,
    /// How it was made: isolation, emulation, seconds.
    pub facts: BTreeMap<String, String>,
}

/// A failure and what it befell.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What a person calls the derivation; `None` for what befell the whole run.
    pub name: Option<String>,
    /// Its id.
    pub id: Option<DerivationId>,
    /// The item.
    pub span: Option<Span>,
    /// What went wrong.
    pub failure: Failure,
}

impl Failed {
    /// A failure of the whole run.
    pub fn of_run(failure: Failure) -> Failed {
        Failed { name: None, id: None, span: None, failure }
    }
}

/// Findings in a file that a page, a summary or JUnit tells at most: each is read out of the text anew.
const TOLD: usize = 200;

/// Exit codes from the most to the least telling; an interruption goes before all of them.
const ORDER: [i32; 6] = [5, 2, 1, 3, 4, 6];

impl Report<'_> {
    /// The exit code: 0 if all holds, else the first that applies of 5, 2, 1, 3, 4, 6.
    pub fn exit_code(&self) -> i32 {
        self.exit_codes().first().copied().unwrap_or(0)
    }

    /// All exit codes that apply, the first being the one to exit with; none if all holds.
    pub fn exit_codes(&self) -> Vec<i32> {
        let mut codes: Vec<i32> = self.failures.iter().map(|failed| failed.failure.exit_code()).collect();
        if self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            codes.push(2);
        }
        let judged = self.comparisons.iter().flat_map(|report| &report.outcomes);
        for outcome in judged.filter(|outcome| !outcome.tolerated()) {
            match outcome.verdict {
                Verdict::Match => {}
                Verdict::Mismatch => codes.push(1),
                Verdict::Inconclusive => codes.push(6),
            }
        }
        // A sample of nothing says nothing.
        let sample = self.comparisons.and_then(|report| report.sample.as_ref());
        if sample.is_some_and(|sampled| sampled.looked_at == 0) {
            codes.push(6);
        }
        by_weight(codes)
    }
}

/// Exit codes, each once, the one to exit with first.
fn by_weight(mut codes: Vec<i32>) -> Vec<i32> {
    codes.sort_by_key(|code| ORDER.iter().position(|known| known == code).map_or(0, |place| place + 1));
    codes.dedup();
    codes
}

/// The exit code of a run that came to one code, and of which something more failed afterwards.
pub fn weightier(code: i32, more: i32) -> i32 {
    let codes = [code, more].into_iter().filter(|code| *code != 0).collect();
    by_weight(codes).first().copied().unwrap_or(0)
}

/// The whole report as text for a person: what is wrong with the file, what went wrong, the comparisons.
pub fn text(report: &Report<'_>, style: &Style) -> String {
    let mut text = diagnostics(report.diagnostics, report.sources, style);
    for failed in report.failures {
        separate(&mut text);
        text += &failure(&failed.failure, failed.name.as_deref(), style);
    }
    if let Some(compared) = report.comparisons {
        separate(&mut text);
        text += &comparisons(compared, report.sources, style);
    }
    text
}

/// A failure as text for a person, ending in a newline.
pub fn failure(failure: &Failure, name: Option<&str>, style: &Style) -> String {
    let word = match failure.kind {
        Kind::Bug => "bug",
        Kind::Interrupted(_) => "stopped",
        Kind::Input | Kind::Build | Kind::World => "error",
    };
    let about = name.map(|name| format!(" {}:", style.bold(&printable(name)))).unwrap_or_default();
    let mut text = format!("{}{about} {}\n", style.red(&format!("{word}:")), printable(&failure.message));
    for fact in failure.facts.iter().flat_map(|fact| fact.lines()) {
        text += &format!("  {}\n", printable(fact));
    }
    if let Some(help) = &failure.help {
        text += &style.labelled("  ", "help: ", help);
    }
    text
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}
