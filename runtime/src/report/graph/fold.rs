//! Folding a large graph: nodes that stand at one height and are alike become one, until the picture can be read.
//!
//! An edge always leads from a lower to a higher rank, and what is folded is of one rank or of neighbouring ones, so
//! that no ring can come of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Graph, Node, State};

/// The most nodes of a picture.
const NODES: usize = 80;

/// The most edges of a picture.
const EDGES: usize = 320;

/// Buckets of ranks, where there are too many of these: with three kinds in each it is no more than [`NODES`].
const BUCKETS: usize = 24;

/// What is folded into one.
type Group = (usize, &'static str, String);

impl Graph {
    /// The graph, or one of groups if it has too many nodes or edges to be read.
    pub(super) fn folded(&self) -> Graph {
        let small = |graph: &Graph| graph.nodes.len() <= NODES && graph.edges() <= EDGES;
        if small(self) {
            return self.clone();
        }
        let ranks = self.ranks();
        let highest = ranks.iter().max().copied().unwrap_or(0);
        let by_item = self.fold(|index, node| (ranks[index], node.kind, stem(&node.name).to_owned()));
        if small(&by_item) {
            return by_item;
        }
        let by_kind = self.fold(|index, node| (ranks[index], node.kind, String::new()));
        if small(&by_kind) {
            return by_kind;
        }
        self.fold(|index, node| (ranks[index] * BUCKETS / (highest + 1), node.kind, String::new()))
    }

    fn fold(&self, group: impl Fn(usize, &Node) -> Group) -> Graph {
        let groups: Vec<Group> =
            self.nodes.iter().enumerate().map(|(index, node)| group(index, node)).collect();
        let mut places: BTreeMap<&Group, usize> = BTreeMap::new();
        // By rank first, so that what is needed goes before what needs it.
        let sorted: BTreeSet<&Group> = groups.iter().collect();
        for group in sorted {
            let place = places.len();
            places.insert(group, place);
        }
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); places.len()];
        for (index, group) in groups.iter().enumerate() {
            members[places[group]].push(index);
        }
        let nodes = members.iter().enumerate().map(|(place, members)| {
            let of = |index: &usize| places[&groups[*index]];
            let needs: BTreeSet<usize> = members
                .iter()
                .flat_map(|member| &self.nodes[*member].needs)
                .map(of)
                .filter(|need| *need < place)
                .collect();
            self.joined(members, needs.into_iter().collect())
        });
        Graph { nodes: nodes.collect() }
    }

    /// The node that stands for some.
    fn joined(&self, members: &[usize], needs: Vec<usize>) -> Node {
        let of = || members.iter().filter_map(|index| self.nodes.get(*index));
        let Some(first) = of().next() else { unreachable!("a group has a member") };
        if members.len() == 1 {
            return Node { needs, ..first.clone() };
        }
        let count: usize = of().map(|node| node.count).sum();
        let stems: BTreeSet<&str> = of().map(|node| stem(&node.name)).collect();
        let name = match stems.len() {
            1 => format!("{}[…] × {count}", stem(&first.name)),
            _ => format!("{count} {}s", first.kind),
        };
        let counted = State::ALL.into_iter().filter_map(|state| {
            let count: usize = of().filter(|node| node.state == state).map(|node| node.count).sum();
            (count > 0).then(|| format!("{count} {}", state.word()))
        });
        let what = counted.collect::<Vec<_>>().join(", ");
        let state = if of().all(|node| node.state == first.state) { first.state } else { State::Mixed };
        let tenths = of().filter_map(|node| node.tenths).reduce(|sum, tenths| sum + tenths);
        Node { name, kind: first.kind, what, state, tenths, needs, count }
    }
}

/// The item's name in that of a cell: `t` of `t[bookworm]`.
fn stem(name: &str) -> &str {
    name.split_once('[').map_or(name, |(stem, _)| stem)
}
