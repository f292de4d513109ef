//! The derivations of a plan as a picture: SVG, dot, Mermaid, and a tree for a terminal.
//!
//! Knows nodes, what they need and how each stands; nothing of how anything is realised.

mod dot;
mod fold;
mod layout;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;
mod tree;

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;
pub(super) use svg::{STYLE, drawing};
pub use tree::tree;

/// A plan's derivations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Each after all that it needs.
    pub nodes: Vec<Node>,
}

/// A derivation, or several that are drawn as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What a person calls it.
    pub name: String,
    /// `input`, `environment` or `build`.
    pub kind: &'static str,
    /// A few words on what it is.
    pub what: String,
    /// How it stands.
    pub state: State,
    /// How long it took when it was made, in tenths of a second.
    pub tenths: Option<u64>,
    /// The nodes that it needs, by number: each smaller than its own, sorted.
    pub needs: Vec<usize>,
    /// How many derivations it stands for.
    pub count: usize,
}

/// How a derivation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its result was in the store.
    Cached,
    /// It was made in this run.
    Made,
    /// Its result isn't in the store.
    ToMake,
    /// Its key is unknown until something else is made.
    Unknown,
    /// It failed.
    Failed,
    /// It was not tried.
    Missing,
    /// What would need it was in the store.
    Unneeded,
    /// Several derivations that don't all stand alike.
    Mixed,
}

impl State {
    /// All of them.
    const ALL: [State; 8] = [
        State::Cached,
        State::Made,
        State::ToMake,
        State::Unknown,
        State::Failed,
        State::Missing,
        State::Unneeded,
        State::Mixed,
    ];

    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Cached => "cached",
            State::Made => "made",
            State::ToMake => "to make",
            State::Unknown => "unknown",
            State::Failed => "failed",
            State::Missing => "not tried",
            State::Unneeded => "not needed",
            State::Mixed => "mixed",
        }
    }

    /// A sign that tells it from the others without a colour.
    fn sign(self) -> char {
        match self {
            State::Cached => '✓',
            State::Made => '●',
            State::ToMake => '○',
            State::Unknown => '?',
            State::Failed => '✗',
            State::Missing => '–',
            State::Unneeded => '·',
            State::Mixed => '◐',
        }
    }

    /// A name for styles.
    fn class(self) -> &'static str {
        match self {
            State::Cached => "cached",
            State::Made => "made",
            State::ToMake => "tomake",
            State::Unknown => "unknown",
            State::Failed => "failed",
            State::Missing => "missing",
            State::Unneeded => "unneeded",
            State::Mixed => "mixed",
        }
    }
}

impl Node {
    /// Its state and how long it took.
    fn stands(&self) -> String {
        match self.tenths {
            Some(tenths) => format!("{}, {}", self.state.word(), duration(tenths)),
            None => self.state.word().to_owned(),
        }
    }
}

/// Tenths of a second as a person reads them.
pub(super) fn duration(tenths: u64) -> String {
    let seconds = tenths / 10;
    match seconds {
        0..60 => format!("{seconds}.{} s", tenths % 10),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

impl Graph {
    /// How many derivations there are.
    pub(super) fn count(&self) -> usize {
        self.nodes.iter().map(|node| node.count).sum()
    }

    /// How many edges there are.
    fn edges(&self) -> usize {
        self.nodes.iter().map(|node| node.needs.len()).sum()
    }

    /// The longest way from a node that needs nothing to each.
    fn ranks(&self) -> Vec<usize> {
        let mut ranks: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let rank = node.needs.iter().filter_map(|need| ranks.get(*need)).map(|rank| rank + 1).max();
            ranks.push(rank.unwrap_or(0));
        }
        ranks
    }
}
