//! Comparisons against environments: a line for each comparison, a column for each key, a letter for each result.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::markup::{escaped, short};
use super::super::status::Status;
use super::{Room, verdicts};
use crate::compare::Outcome;

/// The most columns that can be read.
const COLUMNS: usize = 60;

/// So many lines stand open: laying out a table of thousands takes a browser longer than all the rest.
const SHOWN: usize = 100;

/// The section; nothing where keys are too many, or shared by nothing.
pub(super) fn section(outcomes: &[Outcome]) -> String {
    let columns = columns(outcomes);
    if !(2..=COLUMNS).contains(&columns.len()) {
        return String::new();
    }
    let many = |outcome: &Outcome| outcome.members.len() > 1 && outcome.stages.is_none();
    let rows = outcomes.iter().filter(|outcome| many(outcome)).count();
    let mut html = if rows > SHOWN {
        format!("<details><summary>{rows} comparisons</summary>\n")
    } else {
        String::new()
    };
    html += "<p>Equal letters in a line are equal bytes; <i class=\"k0\">A</i> is what most came to, \
                    <i class=\"gone\">✗</i> was not realised.</p>\n<div class=\"scroll\"><table class=\"grid\"><thead><tr><th></th>";
    for key in &columns {
        let _ =
            write!(html, "<th scope=\"col\" title=\"{}\">{}</th>", escaped(key), escaped(&short(key, 24)));
    }
    html.push_str("</tr></thead><tbody>\n");
    let places: BTreeMap<&str, usize> =
        columns.iter().enumerate().map(|(place, key)| (*key, place)).collect();
    let mut left_out = 0;
    for (index, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| many(outcome)) {
        if html.len() > Room::MATRIX {
            left_out += 1;
            continue;
        }
        let mut cells: Vec<Option<usize>> = vec![None; columns.len()];
        for (member, subject) in outcome.members.iter().enumerate() {
            if let Some(place) = places.get(subject.key.as_str()) {
                cells[*place] = Some(member);
            }
        }
        let _ = write!(
            html,
            "<tr><th scope=\"row\"><span class=\"{}\">{}</span> <a href=\"#v{index}\">{}</a></th>",
            Status::of(outcome).word(),
            Status::of(outcome).sign(),
            escaped(&short(&outcome.name, 60))
        );
        for cell in cells {
            html.push_str("<td>");
            if let Some(member) = cell {
                verdicts::cell(outcome, member, &mut html);
            }
            html.push_str("</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    if left_out > 0 {
        let _ = writeln!(html, "<p>and {left_out} more comparisons</p>");
    }
    if rows > SHOWN {
        html.push_str("</details>\n");
    }
    html
}

/// The keys of what is compared, each once, as they come. Stages have a table of their own.
fn columns(outcomes: &[Outcome]) -> Vec<&str> {
    let mut seen = std::collections::BTreeSet::new();
    let mut columns = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.members.len() > 1 && outcome.stages.is_none()) {
        for member in &outcome.members {
            if columns.len() > COLUMNS {
                return columns;
            }
            if seen.insert(member.key.as_str()) {
                columns.push(member.key.as_str());
            }
        }
    }
    columns
}
