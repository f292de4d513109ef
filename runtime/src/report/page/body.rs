//! What is below a comparison's line: its groups and classes, what was expected, stages, and where results differ.

use std::fmt::Write as _;

use rbld_lang::span::Sources;

use super::super::agreed;
use super::super::comparisons;
use super::super::fixes::fixes;
use super::super::markup::escaped;
use super::super::stages;
use super::super::style::Style;
use super::super::varied;
use super::{letter, sides, swatch};
use crate::compare::{
    Against, ExpectedOutcome, GroupOutcome, Outcome, OutputState, Same, Stages, Subject, Verdict,
};

/// Entries listed of one kind at most.
const LISTED: usize = 300;

/// Sentences as they are told in a terminal, but not laid out for one.
pub(super) const UNWRAPPED: Style = Style { colour: false, width: usize::MAX / 4, unicode: true };

/// Writes it; of each pair that was looked into, so many findings at most.
pub(super) fn write(outcome: &Outcome, sources: &Sources, findings: usize, html: &mut String) {
    html.push_str("<div class=\"body\">\n");
    let place = outcome.span.filter(|span| sources.iter().any(|(id, _)| id == span.file)).map(|span| {
        let (line, _) = sources.position(span);
        format!(", {}:{line}", escaped(&sources.get(span.file).name))
    });
    let _ = writeln!(html, "<p class=\"place\">{}{}</p>", escaped(outcome.form), place.unwrap_or_default());
    sentences(outcome, sources, html);
    if let Some(stages) = &outcome.stages {
        staged(outcome, stages, html);
    } else {
        groups(outcome, html);
    }
    let causes = varied::text(outcome, sources, &UNWRAPPED);
    if !causes.is_empty() {
        let _ = writeln!(html, "<pre class=\"causes\" tabindex=\"0\">{}</pre>", escaped(&causes));
    }
    expected(outcome, html);
    for evidence in &outcome.evidence {
        sides::write(outcome, evidence, findings, html);
    }
    html.push_str("</div>\n");
}

/// What a person must know, in the words of the report in a terminal.
fn sentences(outcome: &Outcome, sources: &Sources, html: &mut String) {
    let text = [
        comparisons::share(outcome, &UNWRAPPED),
        stages::text(outcome, &UNWRAPPED),
        agreed::text(outcome, &UNWRAPPED),
        comparisons::news(outcome, &UNWRAPPED),
    ]
    .concat();
    if !text.trim().is_empty() {
        html.push_str("<ul class=\"news\">\n");
        for line in text.lines() {
            let _ = writeln!(html, "<li>{}</li>", escaped(line.trim()));
        }
        for fix in fixes(outcome, sources) {
            let _ = writeln!(html, "<li class=\"help\">{}</li>", escaped(&fix.title));
        }
        html.push_str("</ul>\n");
    }
}

/// The groups, each with its classes; all classes where there are no groups.
fn groups(outcome: &Outcome, html: &mut String) {
    if outcome.groups.is_empty() {
        classes(outcome, &outcome.classes, html);
        return;
    }
    for group in &outcome.groups {
        if !group.name.is_empty() {
            heading(group, html);
        }
        classes(outcome, &group.classes, html);
        let gone: Vec<usize> =
            group.members.iter().copied().filter(|index| gone(outcome, *index).is_some()).collect();
        missing(outcome, &gone, html);
    }
}

fn heading(group: &GroupOutcome, html: &mut String) {
    let verdict = match group.verdict {
        Some(verdict) => format!("<span class=\"{0}\">{0}</span>", verdict.word()),
        None => "alone".to_owned(),
    };
    let _ = writeln!(html, "<h3>{} {verdict}</h3>", escaped(&group.name));
}

/// Results and who came to them.
fn classes(outcome: &Outcome, classes: &[Same], html: &mut String) {
    if classes.is_empty() {
        return;
    }
    html.push_str("<table class=\"classes\"><tbody>\n");
    for class in classes.iter().take(LISTED) {
        // Its letter is the one that it has among all results, so that it is the same everywhere on the page.
        let index = outcome.classes.iter().position(|all| all.identity == class.identity).unwrap_or(0);
        let members: Vec<&str> = class
            .members
            .iter()
            .filter_map(|index| outcome.members.get(*index))
            .map(|one| one.key.as_str())
            .collect();
        let shown = members.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        let more = match members.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let _ = writeln!(
            html,
            "<tr><td><i class=\"{}\">{}</i></td><td><code title=\"{}\">{}</code></td><td>{}{more}</td></tr>",
            swatch(index),
            letter(index),
            class.identity.digest,
            class.identity.digest.short(),
            escaped(&shown),
        );
    }
    html.push_str("</tbody></table>\n");
    if classes.len() > LISTED {
        let _ = writeln!(html, "<p>and {} more results</p>", classes.len() - LISTED);
    }
}

fn gone(outcome: &Outcome, index: usize) -> Option<(&str, &str)> {
    let subject = outcome.members.get(index)?;
    match &subject.state {
        OutputState::Failed(why) | OutputState::Missing(why) => Some((&subject.key, why)),
        OutputState::Ready { .. } => None,
    }
}

fn missing(outcome: &Outcome, members: &[usize], html: &mut String) {
    if members.is_empty() {
        return;
    }
    html.push_str("<table class=\"classes\"><tbody>\n");
    for (key, why) in members.iter().take(LISTED).filter_map(|index| gone(outcome, *index)) {
        let _ = writeln!(
            html,
            "<tr><td><i class=\"gone\">✗</i></td><td>not realised</td><td>{}: {}</td></tr>",
            escaped(key),
            escaped(why)
        );
    }
    html.push_str("</tbody></table>\n");
}

/// The outputs of every stage, by the letters of what they came to.
fn staged(outcome: &Outcome, stages: &Stages, html: &mut String) {
    html.push_str("<div class=\"scroll\"><table class=\"grid\"><thead><tr><th></th>");
    for stage in 0..stages.members.len() {
        let again = if stages.again.get(stage) == Some(&true) { " ↺" } else { "" };
        let _ = write!(html, "<th scope=\"col\">stage {stage}{again}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for (output, name) in stages.names.iter().enumerate().take(LISTED) {
        let name = if name.is_empty() { "output" } else { name };
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escaped(name));
        // A letter for each result of this output alone: what other outputs came to says nothing here.
        let mut seen = Vec::new();
        for members in &stages.members {
            let identity = members.get(output).and_then(|index| outcome.members.get(*index)?.identity());
            let _ = match identity {
                Some(identity) => {
                    let known = seen.iter().position(|other| *other == identity).unwrap_or_else(|| {
                        seen.push(identity);
                        seen.len() - 1
                    });
                    write!(
                        html,
                        "<td><i class=\"{}\" title=\"{}\">{}</i></td>",
                        swatch(known),
                        identity.digest,
                        letter(known)
                    )
                }
                None => write!(html, "<td><i class=\"gone\">✗</i></td>"),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

/// What members of `matches` were held against, where they aren't that.
fn expected(outcome: &Outcome, html: &mut String) {
    let odd: Vec<(&Subject, &Against)> = outcome
        .members
        .iter()
        .filter_map(|member| Some((member, member.against.as_ref()?)))
        .filter(|(_, against)| against.verdict != Verdict::Match)
        .collect();
    if odd.is_empty() {
        return;
    }
    html.push_str(
        "<div class=\"scroll\"><table class=\"plain\"><thead><tr><th>build</th><th>expected</th><th>found</th></tr></thead><tbody>\n",
    );
    for (member, against) in odd.iter().take(LISTED) {
        let found = member.identity().map_or_else(|| "–".to_owned(), |found| found.digest.to_hex());
        let expected = match &against.expected {
            ExpectedOutcome::Digest(digest) => digest.to_hex(),
            ExpectedOutcome::Output { state: OutputState::Ready { object, .. }, .. } => {
                object.digest().to_hex()
            }
            ExpectedOutcome::Output { .. } => "–".to_owned(),
            ExpectedOutcome::Published { by, files, .. } => {
                published(member, by, files, html);
                continue;
            }
        };
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td><code>{expected}</code></td><td><code>{found}</code></td></tr>",
            escaped(&member.key)
        );
    }
    html.push_str("</tbody></table></div>\n");
    if odd.len() > LISTED {
        let _ = writeln!(html, "<p>and {} more</p>", odd.len() - LISTED);
    }
}

/// The files of a member that aren't what was published.
fn published(member: &Subject, by: &str, files: &[crate::compare::PublishedFile], html: &mut String) {
    for file in files.iter().filter(|file| file.expected != file.found).take(LISTED) {
        let _ = writeln!(
            html,
            "<tr><td>{}: {}</td><td title=\"{}\"><code>{}</code> by {}</td><td title=\"{}\"><code>{}</code></td></tr>",
            escaped(&member.key),
            escaped(&file.name),
            file.expected,
            file.expected.short(),
            escaped(by),
            file.found,
            file.found.short()
        );
    }
}
