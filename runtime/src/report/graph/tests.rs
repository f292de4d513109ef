//! Pictures of graphs: their order, what is folded, and that nothing lies over anything else.

use super::layout::{HEIGHT, place};
use super::*;

fn node(name: &str, kind: &'static str, state: State, needs: &[usize]) -> Node {
    Node {
        name: name.to_owned(),
        kind,
        what: "amd64".to_owned(),
        state,
        tenths: (state == State::Made).then_some(123),
        needs: needs.to_vec(),
        count: 1,
    }
}

fn small() -> Graph {
    Graph {
        nodes: vec![
            node("src", "input", State::Cached, &[]),
            node("bookworm", "environment", State::Cached, &[]),
            node("t[bookworm]", "build", State::Made, &[0, 1]),
            node("u \"<&\u{1b}[31m\\", "build", State::Failed, &[0, 2]),
        ],
    }
}

/// Builds in rows, each needing two of the row before.
fn large(rows: usize, width: usize) -> Graph {
    let mut nodes = Vec::new();
    for row in 0..rows {
        for at in 0..width {
            let before = |at: usize| (row - 1) * width + at % width;
            let mut needs = if row == 0 { Vec::new() } else { vec![before(at), before(at + 7)] };
            needs.sort_unstable();
            needs.dedup();
            let kind = if row == 0 { "input" } else { "build" };
            let state = if (row + at).is_multiple_of(5) { State::ToMake } else { State::Cached };
            nodes.push(node(&format!("row{row}[{at}]"), kind, state, &needs));
        }
    }
    Graph { nodes }
}

#[test]
fn a_tree_for_a_terminal() {
    let expected = "\
u \"<&\\u{1b}[31m\\  failed  build amd64
├─ src            cached  input amd64
└─ t[bookworm]    made, 12.3 s  build amd64
   ├─ src         cached  input amd64
   └─ bookworm    cached  environment amd64
";
    assert_eq!(tree(&small(), &crate::report::Style::plain()), expected);
}

#[test]
fn what_others_read_is_written_as_they_read_it() {
    let dot = dot(&small(), "build.rbld");
    assert!(dot.contains("n3 [label = \"u \\\"<&amp;\u{fffd}[31m\\\\\\nbuild amd64\\nfailed\""), "{dot}");
    assert!(dot.ends_with("  n0 -> n2\n  n1 -> n2\n  n0 -> n3\n  n2 -> n3\n}\n"), "{dot}");
    let mermaid = mermaid(&small());
    assert!(
        mermaid.starts_with("flowchart LR\n  n0([\"✓ src<br>input amd64<br>cached\"]):::cached\n"),
        "{mermaid}"
    );
    assert!(mermaid.contains("n3[\"✗ u #34;#60;#38;\u{fffd}#91;31m#92;<br>"), "{mermaid}");
    let svg = svg(&small(), "build.rbld");
    assert!(svg.contains("u &quot;&lt;&amp;\u{fffd}[31m\\"), "{svg}");
    assert!(svg.contains("aria-label=\"build.rbld: 4 derivations, 2 cached, 1 made, 1 failed\""), "{svg}");
}

#[test]
fn equal_graphs_are_equal_pictures_and_no_box_lies_over_another() {
    for graph in [small(), large(6, 10), large(12, 6), large(3, 25)] {
        let widths: Vec<i32> = graph.nodes.iter().map(|node| 100 + node.name.len() as i32).collect();
        let placed = place(&graph, &widths);
        assert_eq!(placed, place(&graph, &widths));
        for (index, one) in placed.boxes.iter().enumerate() {
            assert!(one.x >= 0 && one.y >= 0 && one.y + HEIGHT <= placed.height, "{one:?}");
            for other in &placed.boxes[..index] {
                let beside = one.x + one.width <= other.x || other.x + other.width <= one.x;
                assert!(beside || (one.y - other.y).abs() >= HEIGHT, "{one:?} over {other:?}");
            }
        }
        for line in &placed.lines {
            assert!(placed.boxes[line.from].x < placed.boxes[line.to].x);
        }
    }
}

#[test]
fn a_large_graph_is_folded_until_it_can_be_read() {
    let tall: Vec<Node> = (0..3000)
        .map(|at: usize| {
            node(
                &format!("stage {at}"),
                "build",
                State::Cached,
                &at.checked_sub(1).into_iter().collect::<Vec<_>>(),
            )
        })
        .collect();
    for graph in [large(2, 2500), large(70, 70), Graph { nodes: tall }, large(1, 81)] {
        let folded = graph.folded();
        assert!(folded.nodes.len() <= 80, "{}", folded.nodes.len());
        assert_eq!(folded.count(), graph.nodes.len());
        for (index, node) in folded.nodes.iter().enumerate() {
            assert!(node.needs.iter().all(|need| *need < index), "{node:?}");
        }
        assert!(svg(&graph, "x").len() < 200_000);
    }
    assert_eq!(large(2, 2500).folded().nodes[1].name, "row1[…] × 2500");
    assert_eq!(large(2, 2500).folded().nodes[1].what, "2000 cached, 500 to make");
}
