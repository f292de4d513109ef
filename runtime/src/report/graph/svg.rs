//! A graph as SVG: boxes in columns, how each stands by sign, line and colour.

use std::fmt::Write as _;

use super::super::markup::{escaped, short};
use super::layout::{HEIGHT, Line, Place, Placed, place};
use super::{Graph, Node, State};

/// Around the picture.
const MARGIN: i32 = 16;

/// Characters of a name, and of the words below it, that are shown; all of them stand in the title.
const SHOWN: usize = 34;

/// What a character of a name is wide, and one of the words below it, in hundredths.
const WIDE: (i32, i32) = (783, 663);

/// Left of the text, with the sign, and right of it.
const SIDES: (i32, i32) = (30, 12);

/// Height of the line that says what the signs mean.
const LEGEND: i32 = 34;

/// How the parts are drawn, light and dark; the colours are told apart by those who see fewer of them.
pub(in super::super) const STYLE: &str = "\
.graph { --g-ink: #1d2329; --g-soft: #59636e; --g-box: #ffffff; --g-line: #8b95a1;
  --g-cached: #0072b2; --g-made: #00795a; --g-tomake: #8a5a00; --g-unknown: #59636e; --g-failed: #b3261e; }
@media (prefers-color-scheme: dark) { .graph { --g-ink: #e3e7ec; --g-soft: #9aa5b1; --g-box: #1b2026; --g-line: #66717d;
  --g-cached: #56b4e9; --g-made: #2fc398; --g-tomake: #e6a93c; --g-unknown: #9aa5b1; --g-failed: #ff8a7a; } }
.graph { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
.graph text { fill: var(--g-ink); }
.graph .n { font-size: 13px; font-weight: 600; }
.graph .w { font-size: 11px; fill: var(--g-soft); }
.graph rect { fill: var(--g-box); stroke-width: 1.6; }
.graph .line { fill: none; stroke: var(--g-line); stroke-width: 1.3; }
.graph .head { fill: var(--g-line); }
.graph .sign { font-size: 13px; font-weight: 700; text-anchor: middle; }
.graph .cached rect { stroke: var(--g-cached); } .graph .cached .sign { fill: var(--g-cached); }
.graph .made rect { stroke: var(--g-made); stroke-width: 2.4; } .graph .made .sign { fill: var(--g-made); }
.graph .tomake rect { stroke: var(--g-tomake); stroke-dasharray: 6 3; } .graph .tomake .sign { fill: var(--g-tomake); }
.graph .unknown rect { stroke: var(--g-unknown); stroke-dasharray: 2 3; } .graph .unknown .sign { fill: var(--g-unknown); }
.graph .failed rect { stroke: var(--g-failed); stroke-width: 3; } .graph .failed .sign { fill: var(--g-failed); }
.graph .missing rect { stroke: var(--g-unknown); stroke-dasharray: 1 4; } .graph .missing .sign { fill: var(--g-unknown); }
.graph .unneeded rect { stroke: var(--g-line); } .graph .unneeded .sign { fill: var(--g-unknown); }
.graph .mixed rect { stroke: var(--g-tomake); stroke-dasharray: 10 3; } .graph .mixed .sign { fill: var(--g-tomake); }
";

/// The graph as a file of its own; `title` is what it is of.
pub fn svg(graph: &Graph, title: &str) -> String {
    let drawn = drawing(graph, title, true);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{drawn}")
}

/// The graph as an element, with its style where it stands alone.
pub(in super::super) fn drawing(graph: &Graph, title: &str, alone: bool) -> String {
    let shown = graph.folded();
    let widths: Vec<i32> = shown.nodes.iter().map(width).collect();
    let placed = place(&shown, &widths);
    let (width, height) = size(&placed, &shown);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"graph\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(&spoken(graph, title))
    );
    if alone {
        let _ = writeln!(svg, "<style>\n{STYLE}</style>");
    }
    let _ = writeln!(
        svg,
        "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path class=\"head\" d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>"
    );
    let _ = writeln!(svg, "<g transform=\"translate({MARGIN} {MARGIN})\">");
    for line in &placed.lines {
        let _ = writeln!(
            svg,
            "<path class=\"line\" marker-end=\"url(#head)\" d=\"{}\"/>",
            path(line, &placed.boxes)
        );
    }
    for (node, at) in shown.nodes.iter().zip(&placed.boxes) {
        boxed(node, *at, &mut svg);
    }
    legend(&shown, placed.height, &mut svg);
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn size(placed: &Placed, graph: &Graph) -> (i32, i32) {
    let legend = states(graph).map(|state| 40 + 8 * state.word().len() as i32).sum::<i32>();
    (placed.width.max(legend) + 2 * MARGIN, placed.height + LEGEND + 2 * MARGIN)
}

/// What a person hears who can't see the picture.
fn spoken(graph: &Graph, title: &str) -> String {
    let counted = State::ALL.into_iter().filter_map(|state| {
        let count: usize = graph.nodes.iter().filter(|node| node.state == state).map(|node| node.count).sum();
        (count > 0).then(|| format!("{count} {}", state.word()))
    });
    let counted: Vec<String> = counted.collect();
    format!("{title}: {} derivations, {}", graph.count(), counted.join(", "))
}

/// The two lines of a box.
fn words(node: &Node) -> (String, String) {
    let what = match (node.count, node.what.as_str()) {
        (1, "") => node.kind.to_owned(),
        (1, what) => format!("{} · {what}", node.kind),
        (_, what) => what.to_owned(),
    };
    let time = node.tenths.map(|tenths| format!(" · {}", super::duration(tenths))).unwrap_or_default();
    (short(&node.name, SHOWN), format!("{}{time}", short(&what, SHOWN + 4)))
}

fn width(node: &Node) -> i32 {
    let (name, what) = words(node);
    let wide = |text: &str, each: i32| unicode_width::UnicodeWidthStr::width(text) as i32 * each / 100;
    SIDES.0 + SIDES.1 + wide(&name, WIDE.0).max(wide(&what, WIDE.1))
}

fn boxed(node: &Node, at: Place, svg: &mut String) {
    let (name, what) = words(node);
    let round = match node.kind {
        "input" => 20,
        "environment" => 9,
        _ => 3,
    };
    let Place { x, y, width } = at;
    let _ = writeln!(
        svg,
        "<g class=\"{}\"><title>{}: {} {}; {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" \
         rx=\"{round}\"/><text class=\"sign\" x=\"{}\" y=\"{}\">{}</text><text class=\"n\" x=\"{}\" y=\"{}\">{}</text>\
         <text class=\"w\" x=\"{}\" y=\"{}\">{}</text></g>",
        node.state.class(),
        escaped(&node.name),
        node.kind,
        escaped(&node.what),
        node.stands(),
        x + SIDES.0 / 2 + 1,
        y + HEIGHT / 2 + 5,
        node.state.sign(),
        x + SIDES.0,
        y + 18,
        escaped(&name),
        x + SIDES.0,
        y + 35,
        escaped(&what),
    );
}

fn path(line: &Line, boxes: &[Place]) -> String {
    let (from, to) = (boxes[line.from], boxes[line.to]);
    let mut at = (from.x + from.width, from.y + HEIGHT / 2);
    let mut path = format!("M{} {}", at.0, at.1);
    let mut curve = |end: (i32, i32), path: &mut String| {
        let middle = (at.0 + end.0) / 2;
        let _ = write!(path, " C{middle} {} {middle} {} {} {}", at.1, end.1, end.0, end.1);
        at = end;
    };
    for (left, right, y) in &line.through {
        curve((*left, *y), &mut path);
        curve((*right, *y), &mut path);
    }
    curve((to.x - 1, to.y + HEIGHT / 2), &mut path);
    path
}

/// The states that occur.
fn states(graph: &Graph) -> impl Iterator<Item = State> + '_ {
    State::ALL.into_iter().filter(|state| graph.nodes.iter().any(|node| node.state == *state))
}

fn legend(graph: &Graph, height: i32, svg: &mut String) {
    let mut x = 8;
    let y = height + LEGEND;
    for state in states(graph) {
        let _ = writeln!(
            svg,
            "<g class=\"{}\"><text class=\"sign\" x=\"{x}\" y=\"{y}\">{}</text><text class=\"w\" x=\"{}\" y=\"{y}\">{}</text></g>",
            state.class(),
            state.sign(),
            x + 14,
            state.word()
        );
        x += 40 + 8 * state.word().len() as i32;
    }
}
