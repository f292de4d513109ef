//! A graph in the language of Graphviz. It lays out by itself, so nothing is folded.

use std::fmt::Write as _;

use super::{Graph, State};

/// The graph; `title` is what it is of.
pub fn dot(graph: &Graph, title: &str) -> String {
    let mut dot = format!(
        "digraph {} {{\n  rankdir = LR\n  node [shape = box, fontname = \"monospace\", fontsize = 11]\n",
        quoted(title)
    );
    for (index, node) in graph.nodes.iter().enumerate() {
        let (style, colour) = match node.state {
            State::Cached => ("solid", "#0072b2"),
            State::Made => ("bold", "#00795a"),
            State::ToMake | State::Mixed => ("dashed", "#8a5a00"),
            State::Unknown | State::Missing | State::Unneeded => ("dotted", "#59636e"),
            State::Failed => ("bold", "#b3261e"),
        };
        let style = if node.kind == "build" { style.to_owned() } else { format!("rounded,{style}") };
        let label = format!("{}\n{} {}\n{}", node.name, node.kind, node.what, node.stands());
        let _ = writeln!(
            dot,
            "  n{index} [label = {}, style = \"{style}\", color = \"{colour}\"]",
            quoted(&label)
        );
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        for need in &node.needs {
            let _ = writeln!(dot, "  n{need} -> n{index}");
        }
    }
    dot.push_str("}\n");
    dot
}

/// A text as Graphviz reads it: no escape of its own, and nothing that steers a terminal.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            // In a label Graphviz reads entities of HTML.
            '&' => quoted.push_str("&amp;"),
            other if other.is_control() || super::super::style::turns(other) => {
                quoted.push(char::REPLACEMENT_CHARACTER);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
