//! A graph as Mermaid, which GitLab, GitHub, Forgejo and Gitea draw in Markdown. A large one is folded: Mermaid refuses
//! more than five hundred edges.

use std::fmt::Write as _;

use super::Graph;

/// The graph.
pub fn mermaid(graph: &Graph) -> String {
    let graph = graph.folded();
    let mut text = "flowchart LR\n".to_owned();
    for (index, node) in graph.nodes.iter().enumerate() {
        let what = if node.count == 1 { format!("{} {}", node.kind, node.what) } else { node.what.clone() };
        let label = format!(
            "{} {}<br>{}<br>{}",
            node.state.sign(),
            quoted(&node.name),
            quoted(what.trim()),
            node.stands()
        );
        let (open, close) = match node.kind {
            "input" => ("([", "])"),
            "environment" => ("(", ")"),
            _ => ("[", "]"),
        };
        let _ = writeln!(text, "  n{index}{open}\"{label}\"{close}:::{}", node.state.class());
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        for need in &node.needs {
            let _ = writeln!(text, "  n{need} --> n{index}");
        }
    }
    // Lines and text alone, so that it can be read on a light page and on a dark one.
    for (class, style) in [
        ("cached", "stroke:#0072b2"),
        ("made", "stroke:#00795a,stroke-width:3px"),
        ("tomake", "stroke:#b57600,stroke-dasharray:6 3"),
        ("unknown", "stroke:#7c8692,stroke-dasharray:2 3"),
        ("failed", "stroke:#d0372d,stroke-width:4px"),
        ("missing", "stroke:#7c8692,stroke-dasharray:1 4"),
        ("unneeded", "stroke:#7c8692"),
        ("mixed", "stroke:#b57600,stroke-dasharray:10 3"),
    ] {
        if graph.nodes.iter().any(|node| node.state.class() == class) {
            let _ = writeln!(text, "  classDef {class} {style}");
        }
    }
    text
}

/// A text inside quotes: everything that Mermaid, Markdown or HTML would read is written as an entity of Mermaid's.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for letter in text.chars() {
        match letter {
            ' ' | '.' | ',' | '/' | '-' | '+' | ':' | '×' | '…' => quoted.push(letter),
            other if other.is_alphanumeric() => quoted.push(other),
            other if other.is_control() || super::super::style::turns(other) => {
                quoted.push(char::REPLACEMENT_CHARACTER);
            }
            other => {
                let _ = write!(quoted, "#{};", other as u32);
            }
        }
    }
    quoted
}
