//! A report as JUnit XML, for CI systems that show tests: an assertion is a test, and so is whatever was to be made for it.
//!
//! There is no standard, only schemas that don't agree. What is written here is in both that are in use, Ant's and Jenkins'
//! (`spec/12-reports.md` names them): so an element has at most one of `failure`, `error` and `skipped`, and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rbld_lang::diagnostic::Severity;

use super::graph::{Node, State};
use super::markup::escaped;
use super::status::Status;
use super::style::{Style, printable};
use super::{TOLD, Whole, comparisons, differences};

/// Characters of what a test says at most; the rest is in other reports.
const SAID: usize = 16_000;

/// What a test came to.
enum Came {
    Passed,
    /// It is proven not to hold.
    Failed(Said),
    /// It couldn't be told.
    Error(Said),
    /// It was not tried, or what it came to fails nothing; why.
    Skipped(String),
}

/// What is said of a test that didn't pass.
struct Said {
    kind: &'static str,
    message: String,
    text: String,
}

struct Case {
    class: String,
    name: String,
    tenths: u64,
    came: Came,
}

struct Suite {
    name: &'static str,
    cases: Vec<Case>,
    out: String,
}

/// The whole report.
pub fn junit(whole: &Whole<'_>) -> String {
    let mut suites = vec![assertions(whole), made(whole), file(whole), run(whole)];
    suites.retain(|suite| !suite.cases.is_empty());
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (id, suite) in suites.iter_mut().enumerate() {
        tell_apart(&mut suite.cases);
        write(id, suite, whole, &mut xml);
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// The comparisons.
fn assertions(whole: &Whole<'_>) -> Suite {
    let report = whole.report;
    let mut suite = Suite { name: "assertions", cases: Vec::new(), out: String::new() };
    for outcome in report.comparisons.iter().flat_map(|compared| &compared.outcomes) {
        let text = comparisons::one(outcome, report.sources, &Style::plain());
        let said = |kind| Said {
            kind,
            message: format!("{}, {}", outcome.verdict.word(), comparisons::summary(outcome)),
            text: text.clone(),
        };
        let came = match Status::of(outcome) {
            Status::Match => {
                // A test that passed has no place for words; what is unusual must be seen all the same.
                if outcome.observed != outcome.verdict {
                    suite.out += &text;
                }
                Came::Passed
            }
            Status::Mismatch => Came::Failed(said("mismatch")),
            Status::Flaky => Came::Skipped(text.clone()),
            Status::Inconclusive => Came::Error(said("inconclusive")),
        };
        let class = format!("rbld.{}", outcome.form);
        suite.cases.push(Case { class, name: outcome.name.clone(), tenths: 0, came });
    }
    suite
}

/// Environments and builds, and inputs that failed.
fn made(whole: &Whole<'_>) -> Suite {
    let cases = whole.graph.nodes.iter().zip(whole.ids).filter_map(|(node, id)| {
        let failed = whole.report.failures.iter().find(|failed| failed.id == Some(*id));
        let came = match (failed, node.state) {
            (Some(failed), _) => {
                let log = whole.logs.iter().find(|log| log.id == *id).map_or("", |log| log.text.as_str());
                let mut text = super::failure(&failed.failure, failed.name.as_deref(), &Style::plain());
                if !log.is_empty() {
                    let _ = write!(text, "\n{log}");
                }
                Came::Error(Said { kind: "failed", message: failed.failure.message.clone(), text })
            }
            (None, State::Missing) => Came::Skipped("not tried".to_owned()),
            (None, State::Unneeded) => return None,
            (None, _) => Came::Passed,
        };
        let shown = node.kind != "input" || matches!(came, Came::Error(_));
        shown.then(|| case(node, came))
    });
    Suite { name: "derivations", cases: cases.collect(), out: String::new() }
}

fn case(node: &Node, came: Came) -> Case {
    // What was found in the store took no time in this run.
    let tenths = if node.state == State::Made { node.tenths.unwrap_or(0) } else { 0 };
    Case { class: format!("rbld.{}", node.kind), name: node.name.clone(), tenths, came }
}

/// What is wrong with the file.
fn file(whole: &Whole<'_>) -> Suite {
    let sources = whole.report.sources;
    let wrong = whole.report.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let cases = wrong.take(TOLD).map(|diagnostic| {
        let text = super::diagnostics(std::slice::from_ref(diagnostic), sources, &Style::plain());
        let said = Said { kind: diagnostic.code.0, message: diagnostic.message.clone(), text };
        let name = format!("{} {}", diagnostic.code.0, diagnostic.message);
        Case { class: "rbld.file".to_owned(), name, tenths: 0, came: Came::Error(said) }
    });
    Suite { name: "file", cases: cases.collect(), out: String::new() }
}

/// What befell the whole run.
fn run(whole: &Whole<'_>) -> Suite {
    let of_run = whole.report.failures.iter().filter(|failed| failed.id.is_none());
    let cases = of_run.map(|failed| {
        let text = super::failure(&failed.failure, None, &Style::plain());
        let said = Said { kind: "failed", message: failed.failure.message.clone(), text };
        Case {
            class: "rbld.run".to_owned(),
            name: failed.failure.message.clone(),
            tenths: 0,
            came: Came::Error(said),
        }
    });
    Suite { name: "run", cases: cases.collect(), out: String::new() }
}

/// Numbers tests that are called alike: GitLab shows only one of them.
fn tell_apart(cases: &mut [Case]) {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for case in cases {
        let count = seen.entry((case.class.clone(), case.name.clone())).or_default();
        *count += 1;
        if *count > 1 {
            case.name = format!("{} ({count})", case.name);
        }
    }
}

fn write(id: usize, suite: &Suite, whole: &Whole<'_>, xml: &mut String) {
    let count = |wanted: fn(&Came) -> bool| suite.cases.iter().filter(|case| wanted(&case.came)).count();
    let failed = count(|came| matches!(came, Came::Failed(_)));
    let wrong = count(|came| matches!(came, Came::Error(_)));
    // The schema wants an instant without a zone.
    let now =
        whole.report.now.and_then(differences::date).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned());
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" package=\"{}\" id=\"{id}\" timestamp=\"{}\" hostname=\"localhost\" tests=\"{}\" \
         failures=\"{failed}\" errors=\"{wrong}\" time=\"{}\">",
        suite.name,
        attribute(whole.file),
        now.trim_end_matches('Z'),
        suite.cases.len(),
        seconds(suite.cases.iter().map(|case| case.tenths).sum()),
    );
    let _ = writeln!(
        xml,
        "    <properties><property name=\"rbld\" value=\"{}\"/><property name=\"exit\" value=\"{}\"/></properties>",
        env!("CARGO_PKG_VERSION"),
        whole.report.exit_code()
    );
    for case in &suite.cases {
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
            attribute(&case.class),
            attribute(&case.name),
            seconds(case.tenths)
        );
        let (element, said) = match &case.came {
            Came::Passed => {
                xml.push_str("/>\n");
                continue;
            }
            Came::Skipped(why) => {
                let _ = writeln!(xml, "><skipped>{}</skipped></testcase>", text(why));
                continue;
            }
            Came::Failed(said) => ("failure", said),
            Came::Error(said) => ("error", said),
        };
        let _ = writeln!(
            xml,
            "><{element} type=\"{}\" message=\"{}\">{}</{element}></testcase>",
            said.kind,
            attribute(&said.message),
            text(&said.text)
        );
    }
    let _ = writeln!(
        xml,
        "    <system-out>{}</system-out>\n    <system-err></system-err>\n  </testsuite>",
        text(&suite.out)
    );
}

/// A text on one line, as an attribute.
fn attribute(value: &str) -> String {
    escaped(&printable(value))
}

/// A text of lines, as an element's.
fn text(value: &str) -> String {
    let mut shown = String::new();
    for line in value.split_inclusive('\n') {
        if shown.len() > SAID {
            shown.push_str("…\n");
            break;
        }
        shown += &printable(&line.trim_end_matches('\n').replace('\t', "    "));
        shown.push('\n');
    }
    escaped(&shown)
}

fn seconds(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
