//! Where the boxes and lines of a graph go: in columns, from what is needed to what needs it, with few crossings.
//!
//! Whole numbers and stable sorting alone, so that equal graphs are equal pictures on every machine. Knows no SVG.

use super::Graph;

/// Height of a box.
pub(super) const HEIGHT: i32 = 44;

/// Between boxes of a column.
const GAP: i32 = 14;

/// Between columns.
const CHANNEL: i32 = 64;

/// Height of a line that passes through a column.
const LINE: i32 = 6;

/// Times that the order and the heights are bettered.
const SWEEPS: usize = 12;

/// A box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub x: i32,
    pub y: i32,
    pub width: i32,
}

/// A line: the columns that it passes, each as its left and right end and its height, from the box where it begins to the
/// one where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub from: usize,
    pub to: usize,
    pub through: Vec<(i32, i32, i32)>,
}

/// Everything in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub boxes: Vec<Place>,
    pub lines: Vec<Line>,
    pub width: i32,
    pub height: i32,
}

/// A box, or where a long line passes through a column.
struct Vertex {
    rank: usize,
    /// In the column to the left.
    before: Vec<usize>,
    /// In the column to the right.
    after: Vec<usize>,
    height: i32,
    /// Its middle.
    y: i32,
}

/// Lays a graph out; `widths` are those of its boxes.
pub(super) fn place(graph: &Graph, widths: &[i32]) -> Placed {
    let ranks = columns(graph);
    let mut vertices: Vec<Vertex> = ranks.iter().map(|rank| Vertex::new(*rank, HEIGHT)).collect();
    let lines = connect(graph, &mut vertices);
    let count = vertices.iter().map(|vertex| vertex.rank + 1).max().unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (index, vertex) in vertices.iter().enumerate() {
        layers[vertex.rank].push(index);
    }
    order(&vertices, &mut layers);
    settle(&mut vertices, &layers);

    let mut columns: Vec<(i32, i32)> = Vec::new();
    let mut x = 0;
    for layer in &layers {
        let width = layer.iter().filter_map(|index| widths.get(*index)).max().copied().unwrap_or(0);
        columns.push((x, width));
        x += width + CHANNEL;
    }
    let top = vertices.iter().map(|vertex| vertex.y - vertex.height / 2).min().unwrap_or(0);
    let bottom = vertices.iter().map(|vertex| vertex.y + vertex.height / 2).max().unwrap_or(0);
    let boxes = vertices.iter().take(graph.nodes.len()).map(|vertex| {
        let (x, width) = columns[vertex.rank];
        Place { x, y: vertex.y - HEIGHT / 2 - top, width }
    });
    let boxes = boxes.collect();
    let through = |index: &usize| {
        let vertex = &vertices[*index];
        let (x, width) = columns[vertex.rank];
        (x, x + width, vertex.y - top)
    };
    let lines = lines
        .iter()
        .map(|(from, to, passed)| Line {
            from: *from,
            to: *to,
            through: passed.iter().map(through).collect(),
        })
        .collect();
    Placed { boxes, lines, width: (x - CHANNEL).max(0), height: bottom - top }
}

impl Vertex {
    fn new(rank: usize, height: i32) -> Vertex {
        Vertex { rank, before: Vec::new(), after: Vec::new(), height, y: 0 }
    }
}

/// The column of each node: behind all that it needs; what needs nothing stands just before its first user.
fn columns(graph: &Graph) -> Vec<usize> {
    let mut ranks = graph.ranks();
    let mut first: Vec<Option<usize>> = vec![None; ranks.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        for need in &node.needs {
            let user = ranks[index];
            first[*need] = Some(first[*need].map_or(user, |known| known.min(user)));
        }
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        if let (true, Some(user)) = (node.needs.is_empty(), first[index]) {
            ranks[index] = user.saturating_sub(1);
        }
    }
    ranks
}

/// Connects what is needed with what needs it, through every column between; the lines as their ends and what they pass.
fn connect(graph: &Graph, vertices: &mut Vec<Vertex>) -> Vec<(usize, usize, Vec<usize>)> {
    let mut lines = Vec::new();
    for (to, node) in graph.nodes.iter().enumerate() {
        for from in &node.needs {
            let mut passed = Vec::new();
            let mut last = *from;
            for rank in vertices[*from].rank + 1..vertices[to].rank {
                let index = vertices.len();
                vertices.push(Vertex::new(rank, LINE));
                vertices[last].after.push(index);
                vertices[index].before.push(last);
                passed.push(index);
                last = index;
            }
            vertices[last].after.push(to);
            vertices[to].before.push(last);
            lines.push((*from, to, passed));
        }
    }
    lines
}

/// Orders each column by the middle of what its members are connected with, and keeps the best of all orders tried.
fn order(vertices: &[Vertex], layers: &mut Vec<Vec<usize>>) {
    let mut best = (crossings(vertices, layers), layers.clone());
    for sweep in 0..SWEEPS {
        let forwards = sweep % 2 == 0;
        let ranks: Vec<usize> = if forwards {
            (1..layers.len()).collect()
        } else {
            (0..layers.len().saturating_sub(1)).rev().collect()
        };
        for rank in ranks {
            let beside = if forwards { rank - 1 } else { rank + 1 };
            let mut at = vec![0; vertices.len()];
            for (position, index) in layers[beside].iter().enumerate() {
                at[*index] = position;
            }
            let middle = |position: usize, index: usize| {
                let near = if forwards { &vertices[index].before } else { &vertices[index].after };
                match near.len() {
                    // What is connected with nothing there keeps its place.
                    0 => position as u64 * 1000,
                    count => near.iter().map(|near| at[*near] as u64).sum::<u64>() * 1000 / count as u64,
                }
            };
            let mut keyed: Vec<(u64, usize)> = layers[rank]
                .iter()
                .enumerate()
                .map(|(position, index)| (middle(position, *index), *index))
                .collect();
            keyed.sort_by_key(|(middle, _)| *middle);
            layers[rank] = keyed.into_iter().map(|(_, index)| index).collect();
        }
        let found = crossings(vertices, layers);
        if found < best.0 {
            best = (found, layers.clone());
        }
    }
    *layers = best.1;
}

/// How many pairs of lines cross.
fn crossings(vertices: &[Vertex], layers: &[Vec<usize>]) -> usize {
    let mut at = vec![0; vertices.len()];
    for layer in layers {
        for (position, index) in layer.iter().enumerate() {
            at[*index] = position;
        }
    }
    let mut count = 0;
    for layer in layers {
        let mut ends: Vec<usize> = Vec::new();
        for index in layer {
            let mut after: Vec<usize> = vertices[*index].after.iter().map(|after| at[*after]).collect();
            after.sort_unstable();
            for end in &after {
                count += ends.iter().filter(|earlier| **earlier > *end).count();
            }
            ends.extend(after);
        }
    }
    count
}

/// Gives every vertex a height: as near to what it is connected with as its neighbours in the column allow.
fn settle(vertices: &mut [Vertex], layers: &[Vec<usize>]) {
    for layer in layers {
        let mut y = 0;
        for index in layer {
            let vertex = &mut vertices[*index];
            vertex.y = y + vertex.height / 2;
            y += vertex.height + GAP;
        }
    }
    for sweep in 0..SWEEPS {
        let forwards = sweep % 2 == 0;
        for at in 0..layers.len() {
            let layer = &layers[if forwards { at } else { layers.len() - 1 - at }];
            let wanted: Vec<i32> = layer
                .iter()
                .map(|index| {
                    let vertex = &vertices[*index];
                    let near: Vec<i32> =
                        vertex.before.iter().chain(&vertex.after).map(|near| vertices[*near].y).collect();
                    if near.is_empty() { vertex.y } else { near.iter().sum::<i32>() / near.len() as i32 }
                })
                .collect();
            let apart = |one: usize, other: usize| {
                (vertices[layer[one]].height + vertices[layer[other]].height) / 2 + GAP
            };
            let mut down = wanted.clone();
            for position in 1..layer.len() {
                down[position] = down[position].max(down[position - 1] + apart(position - 1, position));
            }
            let mut up = wanted;
            for position in (1..layer.len()).rev() {
                up[position - 1] = up[position - 1].min(up[position] - apart(position - 1, position));
            }
            // Both keep all apart, and so does what lies between them.
            let between: Vec<i32> =
                down.iter().zip(&up).map(|(down, up)| (down + up).div_euclid(2)).collect();
            for (index, y) in layer.iter().zip(between) {
                vertices[*index].y = y;
            }
        }
    }
}
