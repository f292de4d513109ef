//! A graph as a tree for a terminal: what nothing needs at the left, what it needs below.

use super::super::style::{Style, columns, printable};
use super::{Graph, State};

/// So deep is a tree drawn: below, a line would be all branches.
const DEPTH: usize = 40;

/// The graph. What several need is written out once, and named where it comes again.
pub fn tree(graph: &Graph, style: &Style) -> String {
    let mut needed = vec![false; graph.nodes.len()];
    for need in graph.nodes.iter().flat_map(|node| &node.needs) {
        needed[*need] = true;
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut shown = vec![false; graph.nodes.len()];
    for (top, _) in needed.iter().enumerate().filter(|(_, needed)| !**needed) {
        branch(graph, top, style, &mut shown, &mut rows);
    }
    let width = rows.iter().map(|row| columns(&row.left)).max().unwrap_or(0).min(style.width.max(60) / 2);
    let mut text = String::new();
    for row in rows {
        let gap = width.saturating_sub(columns(&row.left)) + 2;
        text += &format!("{}{:gap$}{}\n", row.left, "", row.right);
    }
    text
}

struct Row {
    left: String,
    right: String,
}

/// A node and all below it; without recursion, so that no plan is too deep.
fn branch(graph: &Graph, top: usize, style: &Style, shown: &mut [bool], rows: &mut Vec<Row>) {
    let (fork, last, bar) =
        if style.unicode { ("├─ ", "└─ ", "│  ") } else { ("|- ", "`- ", "|  ") };
    // A node, what stands left of it, and what stands left of what is below it.
    let mut open = vec![(top, String::new(), String::new())];
    while let Some((index, before, below)) = open.pop() {
        let node = &graph.nodes[index];
        let again = std::mem::replace(&mut shown[index], true) && !node.needs.is_empty();
        let stands = match node.state {
            State::Cached | State::Made => style.green(&node.stands()),
            State::Failed => style.red(&node.stands()),
            State::Unneeded => style.dim(&node.stands()),
            _ => style.yellow(&node.stands()),
        };
        let what = printable(&format!("{} {}", node.kind, node.what));
        let right =
            if again { style.dim("(above)") } else { format!("{stands}  {}", style.dim(what.trim())) };
        rows.push(Row { left: format!("{before}{}", printable(&node.name)), right });
        if again {
            continue;
        }
        if below.chars().count() >= 3 * DEPTH {
            if !node.needs.is_empty() {
                let left = format!("{below}{last}…");
                rows.push(Row { left, right: style.dim("deeper than can be drawn here") });
            }
            continue;
        }
        let count = node.needs.len();
        for (position, need) in node.needs.iter().enumerate().rev() {
            let end = position + 1 == count;
            let before = format!("{below}{}", if end { last } else { fork });
            let inner = format!("{below}{}", if end { "   " } else { bar });
            open.push((*need, before, inner));
        }
    }
}
