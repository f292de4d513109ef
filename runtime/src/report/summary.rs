//! A report as Markdown, for a comment on a merge request and for the summary of a job: a table of what was compared, and
//! what doesn't hold to be unfolded.
//!
//! What comes from elsewhere stands in code, so that no name is read as Markdown, as a tag or as somebody to be notified.

use std::fmt::Write as _;

use super::markup::short;
use super::status::Status;
use super::style::{Style, printable};
use super::{TOLD, Whole, comparisons, trend};
use crate::compare::Outcome;

/// Rows of comparisons that hold at most.
const HOLDING: usize = 100;

/// Rows of those that don't.
const FAILING: usize = 500;

/// Bytes of all that is to be unfolded: GitHub takes 1 MiB for a summary, GitLab a million characters for a comment.
const UNFOLDED: usize = 500_000;

/// Characters of one that is to be unfolded.
const EACH: usize = 20_000;

/// The whole report.
pub fn summary(whole: &Whole<'_>) -> String {
    let report = whole.report;
    let outcomes = report.comparisons.map_or(&[][..], |compared| &compared.outcomes);
    let mut text = format!("### rbld: {}\n\n", headline(whole, outcomes));
    let since = report.comparisons.map(|compared| trend::text(compared, &Style::plain())).unwrap_or_default();
    if !since.is_empty() {
        fenced(&since, &mut text);
    }
    failures(whole, &mut text);
    table(outcomes, &mut text);
    let begin = text.len();
    let odd = outcomes.iter().filter(|outcome| Status::of(outcome) != Status::Match);
    for (shown, outcome) in odd.clone().enumerate() {
        if text.len() - begin > UNFOLDED {
            let _ = writeln!(text, "and {} more that do not hold\n", odd.count() - shown);
            break;
        }
        let lines = comparisons::one(outcome, report.sources, &Style::plain());
        unfold(&format!("{} {}", sign(Status::of(outcome)), code(&outcome.name)), &lines, &mut text);
    }
    text
}

fn headline(whole: &Whole<'_>, outcomes: &[Outcome]) -> String {
    let exit = whole.report.exit_code();
    let counted = [Status::Match, Status::Mismatch, Status::Inconclusive, Status::Flaky];
    let counted = counted.into_iter().filter_map(|status| {
        let count = status.count(outcomes);
        (count > 0).then(|| format!("{count} {}", status.word()))
    });
    let counted: Vec<String> = counted.collect();
    let counted = if counted.is_empty() { "nothing compared".to_owned() } else { counted.join(", ") };
    match exit {
        0 => counted,
        exit => format!("{counted} (exit code {exit})"),
    }
}

/// A sign that both GitLab and GitHub draw, and a terminal too.
fn sign(status: Status) -> &'static str {
    match status {
        Status::Match => "✅",
        Status::Mismatch => "❌",
        Status::Inconclusive => "❔",
        Status::Flaky => "⚠️",
    }
}

/// What is wrong with the file and what went wrong, with the ends of logs.
fn failures(whole: &Whole<'_>, text: &mut String) {
    let report = whole.report;
    if !report.diagnostics.is_empty() {
        let told = &report.diagnostics[..report.diagnostics.len().min(TOLD)];
        let found = super::diagnostics(told, report.sources, &Style::plain());
        let count = report.diagnostics.len();
        let title = format!("❌ {count} finding{} in {}", comparisons::plural(count), code(whole.file));
        unfold(&title, &found, text);
    }
    for failed in report.failures {
        let name = failed.name.as_ref().map(|name| format!("{}: ", code(name))).unwrap_or_default();
        let mut lines = super::failure(&failed.failure, failed.name.as_deref(), &Style::plain());
        if let Some(log) = whole.logs.iter().find(|log| Some(log.id) == failed.id) {
            lines += &format!("\n{}", log.text);
        }
        unfold(&format!("❌ {name}{}", code(&short(&failed.failure.message, 120))), &lines, text);
        if text.len() > UNFOLDED {
            text.push_str("and more\n\n");
            return;
        }
    }
}

fn table(outcomes: &[Outcome], text: &mut String) {
    if outcomes.is_empty() {
        return;
    }
    text.push_str("| verdict | comparison | |\n|---|---|---|\n");
    let mut left = 0;
    for wanted in Status::ALL {
        let most = if wanted == Status::Match { HOLDING } else { FAILING };
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| Status::of(outcome) == wanted).collect();
        for outcome in of.iter().take(most) {
            let expected = if outcome.observed == outcome.verdict { "" } else { ", as expected" };
            let _ = writeln!(
                text,
                "| {} {} | {} | {}{expected} |",
                sign(wanted),
                wanted.word(),
                code(&outcome.name).replace('|', "\\|"),
                comparisons::summary(outcome).replace('|', "\\|"),
            );
        }
        left += of.len().saturating_sub(most);
    }
    if left > 0 {
        let _ = writeln!(text, "| | and {left} more | |");
    }
    text.push('\n');
}

/// Lines to be unfolded.
fn unfold(title: &str, lines: &str, text: &mut String) {
    let mut shown = String::new();
    for line in lines.lines() {
        if shown.len() > EACH {
            shown.push_str("…\n");
            break;
        }
        shown += &printable(&line.replace('\t', "    "));
        shown.push('\n');
    }
    let fence = "`".repeat(longest_run(&shown).max(2) + 1);
    let _ = write!(
        text,
        "<details><summary>{}</summary>\n\n{fence}text\n{shown}{fence}\n\n</details>\n\n",
        in_tag(title)
    );
}

/// Lines as they are, in a fence that nothing in them ends.
fn fenced(lines: &str, text: &mut String) {
    let fence = "`".repeat(longest_run(lines).max(2) + 1);
    let _ = write!(text, "{fence}text\n{lines}{fence}\n\n");
}

/// A text as code within a line: no Markdown, no tag, nobody notified.
fn code(text: &str) -> String {
    let text = printable(text).replace('\n', " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    // Backquotes at the ends would be taken for the marks.
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// The title of what is unfolded stands in a tag, where GitHub and GitLab read no Markdown: its code becomes an element.
fn in_tag(title: &str) -> String {
    let mut html = String::new();
    let mut rest = title;
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let inner = &rest[start + ticks..];
        let Some(end) = inner.find(&"`".repeat(ticks)) else { break };
        let _ = write!(
            html,
            "{}<code>{}</code>",
            super::markup::escaped(&rest[..start]),
            super::markup::escaped(inner[..end].trim())
        );
        rest = &inner[end + ticks..];
    }
    html + &super::markup::escaped(rest)
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}
