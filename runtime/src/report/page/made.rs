//! What was made and of what: failures, the graph, derivations, environments, logs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rbld_lang::diagnostic::Severity;

use super::super::diagnostics::columns_of;
use super::super::graph::{Graph, drawing, duration};
use super::super::markup::{escaped, short};
use super::super::{Locked, Log, TOLD, Whole};
use super::Room;

/// Environments whose packages are held against each other at most.
const BESIDE: usize = 12;

/// Packages listed that differ at most.
const DIFFERING: usize = 400;

/// What is wrong with the file, and what failed.
pub(super) fn failures(whole: &Whole<'_>) -> String {
    let mut html = String::new();
    let sources = whole.report.sources;
    for diagnostic in whole.report.diagnostics.iter().take(TOLD) {
        let tone = if diagnostic.severity == Severity::Error { "mismatch" } else { "inconclusive" };
        let known = |span: rbld_lang::span::Span| sources.iter().any(|(id, _)| id == span.file);
        let place = diagnostic.labels.first().filter(|label| known(label.span)).map(|label| {
            let ((line, column), _) = columns_of(label.span, sources);
            format!("{}:{line}:{column}: {}", sources.get(label.span.file).name, label.text)
        });
        let _ = writeln!(
            html,
            "<div class=\"card {tone}\"><p><b>{}</b> {}</p><p class=\"place\">{}</p>{}</div>",
            diagnostic.code.0,
            escaped(&diagnostic.message),
            escaped(&place.unwrap_or_default()),
            help(diagnostic.help.as_deref())
        );
    }
    if let Some(more) = whole.report.diagnostics.len().checked_sub(TOLD).filter(|more| *more > 0) {
        let _ = writeln!(html, "<p>and {more} more findings in the file</p>");
    }
    for (told, failed) in whole.report.failures.iter().enumerate() {
        if html.len() > Room::LOGS {
            let _ = writeln!(html, "<p>and {} more</p>", whole.report.failures.len() - told);
            break;
        }
        let name = failed.name.as_ref().map(|name| format!("<b>{}</b>: ", escaped(name))).unwrap_or_default();
        let facts: String =
            failed.failure.facts.iter().map(|fact| format!("<pre>{}</pre>\n", escaped(fact))).collect();
        let log = whole.logs.iter().position(|log| Some(log.id) == failed.id);
        let log = log.map(|index| format!("<p><a href=\"#log{index}\">the end of its log</a></p>"));
        let _ = writeln!(
            html,
            "<div class=\"card failed\"><p>{name}{}</p>\n{facts}{}{}</div>",
            escaped(&failed.failure.message),
            help(failed.failure.help.as_deref()),
            log.unwrap_or_default()
        );
    }
    html
}

fn help(help: Option<&str>) -> String {
    help.map(|help| format!("<p class=\"help\">{}</p>", escaped(help))).unwrap_or_default()
}

/// The graph.
pub(super) fn graph(graph: &Graph) -> String {
    if graph.nodes.is_empty() {
        return String::new();
    }
    format!("<div class=\"scroll\" tabindex=\"0\">\n{}</div>\n", drawing(graph, "What needs what", false))
}

/// Every derivation, with its time against that of the slowest.
pub(super) fn derivations(whole: &Whole<'_>) -> String {
    let nodes = &whole.graph.nodes;
    if nodes.is_empty() {
        return String::new();
    }
    let slowest = nodes.iter().filter_map(|node| node.tenths).max().unwrap_or(0).max(1);
    let mut html = format!(
        "<details><summary>All {} of them, with time and digests</summary>\n<div class=\"scroll\"><table class=\"plain\"><thead>\
         <tr><th>name</th><th>what</th><th>state</th><th colspan=\"2\">time to make</th><th>outputs</th></tr></thead><tbody>\n",
        nodes.len()
    );
    let realised: BTreeMap<_, _> = whole.report.derivations.iter().map(|one| (one.id, one)).collect();
    for (shown, (node, id)) in nodes.iter().zip(whole.ids).enumerate() {
        if html.len() > Room::DERIVATIONS {
            let _ = writeln!(html, "<tr><td colspan=\"6\">and {} more</td></tr>", nodes.len() - shown);
            break;
        }
        let (time, bar) = match node.tenths {
            Some(tenths) => (duration(tenths), tenths * 100 / slowest),
            None => (String::new(), 0),
        };
        let outputs = realised.get(id).into_iter().flat_map(|one| &one.outputs).map(|(name, object)| {
            let digest = object.digest();
            let name = if name == "out" { String::new() } else { format!("{} ", escaped(name)) };
            format!("{name}<code title=\"{digest}\">{}</code>", digest.short())
        });
        let outputs: Vec<String> = outputs.collect();
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{} {}</td><td>{}</td><td>{time}</td><td><svg width=\"100\" height=\"8\" \
             aria-hidden=\"true\"><rect class=\"time\" width=\"{bar}\" height=\"8\"/></svg></td><td>{}</td></tr>",
            escaped(&node.name),
            node.kind,
            escaped(&node.what),
            node.state.word(),
            outputs.join("<br>"),
        );
    }
    html.push_str("</tbody></table></div>\n</details>\n");
    html
}

/// Environments: what each is made of, and in which packages they differ.
pub(super) fn locks(locked: &[Locked]) -> String {
    let mut html = String::new();
    for (shown, one) in locked.iter().enumerate() {
        if html.len() > Room::LOCKS {
            let _ = writeln!(html, "<p>and {} more environments</p>", locked.len() - shown);
            break;
        }
        let tree = one.tree.map(|tree| format!(", tree <code title=\"{tree}\">{}</code>", tree.short()));
        let _ = writeln!(
            html,
            "<details><summary><span class=\"name\">{}</span> <span class=\"sum\">{}, {} packages{}</span></summary>\n\
             <pre class=\"tall\" tabindex=\"0\">{}</pre></details>",
            escaped(&one.name),
            escaped(&one.of),
            one.packages.len(),
            tree.unwrap_or_default(),
            one.packages
                .iter()
                .map(|(name, version)| format!("{} {}\n", escaped(name), escaped(version)))
                .collect::<String>()
        );
    }
    beside(locked, &mut html);
    html
}

/// The packages in which environments differ, beside each other: an odd result's cause is often among them.
fn beside(locked: &[Locked], html: &mut String) {
    if !(2..=BESIDE).contains(&locked.len()) {
        return;
    }
    let versions: Vec<BTreeMap<&str, &str>> = locked
        .iter()
        .map(|one| one.packages.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect())
        .collect();
    let names: BTreeSet<&str> = versions.iter().flat_map(|versions| versions.keys().copied()).collect();
    let differs = |name: &&str| versions.iter().any(|of| of.get(name) != versions[0].get(name));
    let differing: Vec<&str> = names.into_iter().filter(differs).collect();
    if differing.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<details><summary>{} packages differ between them</summary>\n<div class=\"scroll\"><table class=\"plain\"><thead><tr><th>package</th>",
        differing.len()
    );
    for one in locked {
        let _ = write!(html, "<th>{}</th>", escaped(&short(&one.name, 24)));
    }
    html.push_str("</tr></thead><tbody>\n");
    for name in differing.iter().take(DIFFERING) {
        let _ = write!(html, "<tr><td>{}</td>", escaped(name));
        for of in &versions {
            let _ = write!(html, "<td>{}</td>", escaped(of.get(name).copied().unwrap_or("–")));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    if differing.len() > DIFFERING {
        let _ = writeln!(html, "<p>and {} more</p>", differing.len() - DIFFERING);
    }
    html.push_str("</details>\n");
}

/// The ends of logs: of what failed, open; of what was made, to be opened.
pub(super) fn logs(logs: &[Log]) -> String {
    let mut html = String::new();
    for (index, log) in logs.iter().enumerate() {
        if html.len() > Room::LOGS {
            let _ = writeln!(
                html,
                "<p>and {} more; <code>rbld log NAME</code> prints each</p>",
                logs.len() - index
            );
            break;
        }
        let _ = writeln!(
            html,
            "<details id=\"log{index}\"{}><summary><span class=\"name\">{}</span> <span class=\"sum\">{}{}</span></summary>\n\
             <pre class=\"tall\" tabindex=\"0\">{}</pre></details>",
            if log.failed { " open" } else { "" },
            escaped(&log.name),
            if log.failed { "failed" } else { "made" },
            if log.cut { ", the end of its log" } else { "" },
            escaped(&log.text)
        );
    }
    html
}
