//! Where two results differ, side by side, with what differs marked.

use std::fmt::Write as _;

use super::super::causes;
use super::super::comparisons::party;
use super::super::differences::{Detail, amounts_to, described};
use super::super::markup::escaped;
use super::body::UNWRAPPED;
use crate::compare::difference::{Finding, Side};
use crate::compare::{Evidence, Outcome};

/// Writes it, with so many findings at most.
pub(super) fn write(outcome: &Outcome, evidence: &Evidence, most: usize, html: &mut String) {
    let (left, right) = (party(outcome, evidence.left), party(outcome, evidence.right));
    let file = evidence.file.as_ref().map(|file| format!("{}: ", escaped(file))).unwrap_or_default();
    let _ =
        write!(html, "<figure><figcaption>{file}<b>{}</b> and <b>{}</b>: ", escaped(&left), escaped(&right));
    match &evidence.difference {
        Err(why) => {
            let _ = writeln!(html, "not looked into: {}</figcaption>", escaped(why));
        }
        Ok(difference) => {
            let _ = writeln!(html, "{}</figcaption>", escaped(&amounts_to(difference)));
            for finding in difference.findings.iter().take(most) {
                found(finding, (&left, &right), html);
            }
            looks(evidence, html);
            if difference.findings.len() > most {
                let _ = writeln!(html, "<p>and {} more</p>", difference.findings.len() - most);
            }
        }
    }
    html.push_str("</figure>\n");
}

/// What it looks like, in the words of the report in a terminal: a cause only where one is confirmed.
fn looks(evidence: &Evidence, html: &mut String) {
    let text = causes::text(&evidence.observation, &UNWRAPPED);
    let page = match &evidence.diffoscope {
        Some(Ok(page)) => format!("      diffoscope's page: {page}\n"),
        Some(Err(why)) => format!("      no page of diffoscope: {why}\n"),
        None => String::new(),
    };
    let text = text + &page;
    if text.is_empty() {
        return;
    }
    html.push_str("<div class=\"looks\">\n");
    for line in text.lines() {
        let inner = if line.starts_with("        ") { " class=\"in\"" } else { "" };
        let _ = writeln!(html, "<p{inner}>{}</p>", escaped(line.trim()));
    }
    html.push_str("</div>\n");
}

fn found(finding: &Finding, (left, right): (&str, &str), html: &mut String) {
    let (place, detail) = described(&finding.what);
    let mut path: Vec<String> = finding.path.iter().map(|step| format!("<b>{}</b>", escaped(step))).collect();
    if !place.is_empty() {
        path.push(escaped(&place));
    }
    let _ = writeln!(html, "<p class=\"at\">{}</p>", path.join(" » "));
    match detail {
        Detail::None => {}
        Detail::Sides(one, other) => {
            let (one, other) = marked(&one, &other);
            let _ = writeln!(
                html,
                "<div class=\"sides\"><pre title=\"{}\" tabindex=\"0\">{one}</pre><pre title=\"{}\" tabindex=\"0\">{other}</pre></div>",
                escaped(left),
                escaped(right)
            );
        }
        Detail::List(side, names) => {
            let who = if side == Side::Left { left } else { right };
            let _ = writeln!(html, "<p>only in {}: {}</p>", escaped(who), escaped(&names.join(", ")));
        }
    }
}

/// Both texts with what lies between their equal beginnings and ends marked.
fn marked(left: &str, right: &str) -> (String, String) {
    let (one, other): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let least = one.len().min(other.len());
    let begin = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let end =
        one.iter().rev().zip(other.iter().rev()).take(least - begin).take_while(|(one, other)| one == other);
    let end = end.count();
    let mark = |letters: &[char]| {
        let part = |range: std::ops::Range<usize>| escaped(&letters[range].iter().collect::<String>());
        let until = letters.len() - end;
        let inside = part(begin..until);
        let inside = if inside.is_empty() { inside } else { format!("<mark>{inside}</mark>") };
        format!("{}{inside}{}", part(0..begin), part(until..letters.len()))
    };
    (mark(&one), mark(&other))
}
