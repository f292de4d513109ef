//! The comparisons: what doesn't hold first, each a line that opens.

use std::fmt::Write as _;

use rbld_lang::span::Sources;

use super::super::comparisons::summary;
use super::super::markup::escaped;
use super::super::status::Status;
use super::{Room, body, letter, swatch};
use crate::compare::{Outcome, OutputState};

/// So many that don't hold are open from the beginning.
const OPEN: usize = 12;

/// So many builds are drawn in the line itself.
const STRIP: usize = 16;

/// Findings shown of a pair, and where more than [`FEW`] comparisons don't hold: rather some of each than all of a few.
const FINDINGS: (usize, usize) = (20, 2);

/// See [`FINDINGS`].
const FEW: usize = 500;

/// The section; nothing if nothing was compared.
pub(super) fn section(outcomes: &[Outcome], sources: &Sources) -> String {
    if outcomes.is_empty() {
        return String::new();
    }
    let mut html = bar(outcomes);
    let odd = outcomes.len() - Status::Match.count(outcomes);
    let findings = if odd > FEW { FINDINGS.1 } else { FINDINGS.0 };
    let mut bodies = 0;
    let mut left_out = 0;
    let mut open = 0;
    html.push_str("<div id=\"list\">\n");
    let start = html.len();
    for wanted in Status::ALL {
        for (index, outcome) in
            outcomes.iter().enumerate().filter(|(_, outcome)| Status::of(outcome) == wanted)
        {
            if html.len() - start - bodies > Room::ROWS {
                left_out += 1;
                continue;
            }
            let opened = wanted != Status::Match && open < OPEN;
            open += usize::from(opened);
            row(index, outcome, opened, &mut html);
            let before = html.len();
            if bodies < Room::BODIES {
                body::write(outcome, sources, findings, &mut html);
            } else {
                html.push_str("<p>This page has no room for more; <code>--report json=FILE</code> writes all of it.</p>\n");
            }
            bodies += html.len() - before;
            html.push_str("</details>\n");
        }
    }
    html.push_str("</div>\n<p id=\"none\" hidden>Nothing here holds all of these words.</p>\n");
    if left_out > 0 {
        let _ = writeln!(
            html,
            "<p>{left_out} more comparisons are not on this page; <code>--report json=FILE</code> writes all of them.</p>"
        );
    }
    html
}

/// The counts, which are buttons too, the words to look for, and all verdicts at a glance where there are many.
fn bar(outcomes: &[Outcome]) -> String {
    let mut html =
        "<div class=\"tools\" hidden>\n<input id=\"words\" type=\"search\" placeholder=\"Filter (press /)\" \
                    aria-label=\"Show only what holds these words\">\n"
            .to_owned();
    for status in Status::ALL {
        let count = status.count(outcomes);
        if count > 0 {
            let word = status.word();
            let _ = writeln!(
                html,
                "<button type=\"button\" class=\"{word}\" data-only=\"{word}\" aria-pressed=\"false\">{} {count} {word}</button>",
                status.sign()
            );
        }
    }
    html.push_str(
        "<button type=\"button\" data-do=\"open\">Open all</button>\n<button type=\"button\" data-do=\"close\">Close all</button>\n</div>\n",
    );
    if outcomes.len() > 60 {
        glance(outcomes, &mut html);
    }
    html
}

/// All verdicts as one picture, a square each in the file's order.
fn glance(outcomes: &[Outcome], html: &mut String) {
    let across = 120.min(outcomes.len());
    let down = outcomes.len().div_ceil(across);
    let _ = writeln!(
        html,
        "<svg id=\"glance\" class=\"glance\" viewBox=\"0 0 {} {}\" data-across=\"{across}\" role=\"img\" \
         aria-label=\"All verdicts, in the file's order\">",
        across * 8,
        down * 8
    );
    for status in Status::ALL {
        let mut path = String::new();
        for (index, _) in outcomes.iter().enumerate().filter(|(_, outcome)| Status::of(outcome) == status) {
            let (x, y) = (index % across * 8, index / across * 8);
            // A shape for each, too: a square, a cross, half a square, a stroke.
            let _ = match status {
                Status::Match => write!(path, "M{x} {y}h7v7h-7z"),
                Status::Mismatch => write!(path, "M{x} {y}l7 7m0-7l-7 7"),
                Status::Inconclusive => write!(path, "M{x} {}h7v4h-7z", y + 3),
                Status::Flaky => write!(path, "M{x} {}h7v2h-7z", y + 2),
            };
        }
        if !path.is_empty() {
            let _ = writeln!(html, "<path class=\"{}\" d=\"{path}\"/>", status.word());
        }
    }
    html.push_str("</svg>\n");
}

fn row(index: usize, outcome: &Outcome, open: bool, html: &mut String) {
    let status = Status::of(outcome);
    let word = status.word();
    let _ = write!(
        html,
        "<details class=\"v {word}\" id=\"v{index}\"{}><summary><span class=\"verdict\">{} {word}</span> \
         <span class=\"name\">{}</span>",
        if open { " open" } else { "" },
        status.sign(),
        escaped(&outcome.name),
    );
    // Stages have a table of their own, output by output.
    let drawn = outcome.stages.is_none() && outcome.classes.len() > 1;
    if drawn && (2..=STRIP).contains(&outcome.members.len()) {
        html.push_str(" <span class=\"strip\">");
        for member in 0..outcome.members.len() {
            cell(outcome, member, html);
        }
        html.push_str("</span>");
    }
    let odd = match status == Status::Match && outcome.observed != outcome.verdict {
        true => "differs, as expected · ",
        false => "",
    };
    let _ = write!(html, " <span class=\"sum\">{odd}{}</span>", escaped(&summary(outcome)));
    html.push_str("</summary>\n");
}

/// A member as a small box with the letter of its class.
pub(super) fn cell(outcome: &Outcome, member: usize, html: &mut String) {
    let Some(subject) = outcome.members.get(member) else { return };
    let class = outcome.classes.iter().position(|class| class.members.contains(&member));
    let (style, text, why) = match (class, &subject.state) {
        (Some(class), _) => {
            let digest = outcome.classes[class].identity.digest.short();
            (swatch(class), letter(class), format!("{}: {digest}", letter(class)))
        }
        (None, OutputState::Failed(why) | OutputState::Missing(why)) => {
            ("gone".to_owned(), "✗".to_owned(), why.clone())
        }
        (None, OutputState::Ready { .. }) => ("gone".to_owned(), "–".to_owned(), String::new()),
    };
    let _ = write!(
        html,
        "<i class=\"{style}\" title=\"{}: {}\">{text}</i>",
        escaped(&subject.key),
        escaped(&why)
    );
}
