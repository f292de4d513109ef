//! The plan: all that a file asks for, ready to realise and compare.
//!
//! The only value that crosses from the language to the runtime. Built by
//! `eval::instantiate`; ordered, so that equal files give equal plans.

use indexmap::IndexMap;
use petgraph::graph::DiGraph;

use crate::derivation::{Derivation, DerivationId, InputRef};
use crate::digest::Digest;
use crate::span::Span;
use crate::vary::Axis;

mod modifier;

pub use modifier::{Category, Equality, Expect, Places, Relation};

/// Derivations and the comparisons of what they give.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Every derivation, each after all it needs.
    pub derivations: IndexMap<DerivationId, Derivation, foldhash::fast::RandomState>,
    /// The names a person knows derivations by: `t[trisquel11]`, `src`; in the file's order.
    pub names: Vec<Named>,
    /// What to call builds and source packages that are no items by themselves: `package(fill)`, `source of fill`.
    pub labels: IndexMap<DerivationId, String>,
    /// The assertions, in the file's order.
    pub comparisons: Vec<Comparison>,
}

/// A derivation as an item of the file.
#[derive(Clone, Debug)]
pub struct Named {
    /// `src`, `bookworm`, `t[bookworm]`.
    pub name: String,
    /// `input`, `env` or `build`.
    pub kind: ItemKind,
    /// Which derivation.
    pub id: DerivationId,
    /// The item.
    pub span: Span,
}

/// The kinds of item that name derivations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// `input`.
    Input,
    /// `env`.
    Env,
    /// `build`.
    Build,
}

/// One assertion.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The text in quotes.
    pub name: String,
    /// The item.
    pub span: Span,
    /// What is compared.
    pub form: Form,
    /// What counts as equal.
    pub equality: Relation,
    /// The share of members that must match, in hundredths of a percent; all of them when `None`.
    pub at_least: Option<u32>,
    /// What is expected of it.
    pub expect: Expect,
    /// Where its modifiers stand.
    pub places: Places,
}

/// The forms of a comparison.
#[derive(Clone, Debug)]
pub enum Form {
    /// `identical(xs, within, across)`.
    Identical {
        /// What must be equal.
        members: Vec<Member>,
        /// The groups inside which members must be equal; one group of all members when not written.
        groups: Vec<Group>,
        /// Whether different groups must differ.
        across: Across,
    },
    /// `matches(x, …)`, each member against what is expected of it.
    Matches {
        /// The members.
        members: Vec<Member>,
        /// What each is expected to be, in the members' order.
        expected: Vec<Expected>,
    },
    /// `differ(a, b)`.
    Differ {
        /// One.
        a: Member,
        /// The other.
        b: Member,
    },
    /// `fixpoint(chain, by)`: the last stage against the one before it.
    Fixpoint {
        /// What the outputs of a stage are called, in the stages' order; empty for the only one.
        names: Vec<String>,
        /// The stages, two at least, each with as many outputs as there are names.
        stages: Vec<Vec<Member>>,
    },
    /// `reproducible(build, times, vary)`: one build made several times, the first as it is.
    Reproducible {
        /// Which build.
        build: DerivationId,
        /// What a person calls it.
        name: String,
        /// Its outputs that are compared, named as the recipe does.
        outputs: Vec<Member>,
        /// How often it is made, two at least.
        times: u32,
        /// What is another in each run but the first; sorted, none twice.
        vary: Vec<Axis>,
    },
    /// `agreed(x, k, of)`: what others say that they built.
    Agreed {
        /// The output.
        member: Member,
        /// How many witnesses must say the same, one at least and no more than there are.
        k: u32,
        /// The witnesses.
        of: Vec<Witness>,
    },
}

/// Somebody else's word for what a build gives.
#[derive(Clone, Debug)]
pub struct Witness {
    /// What a person calls it.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// How it says so.
    pub says: Says,
}

/// How a witness says what it built.
#[derive(Clone, Debug)]
pub enum Says {
    /// A list of sha256 sums, signed.
    Signed {
        /// The list: a file, or a folder that holds it.
        sums: InputRef,
        /// Its path in the folder.
        at: Option<String>,
        /// The signature, where it is neither in the list itself nor beside it in the folder.
        signature: Option<InputRef>,
        /// The keys that may have signed it: a file, or a folder of them.
        keys: InputRef,
    },
    /// A list of sha256 sums that nobody signed.
    Unsigned {
        /// The list: a file, or a folder that holds it.
        sums: InputRef,
        /// Its path in the folder.
        at: Option<String>,
        /// Why it is believed.
        why: String,
    },
    /// An output of another build.
    Output(Member),
}

/// An output that takes part in a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its key in the matrix as a person writes it: `trisquel11`; for a single build its name.
    pub key: String,
    /// The output.
    pub output: InputRef,
}

/// A named group of members.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name: `modern`.
    pub name: String,
    /// Its members, as indexes.
    pub members: Vec<usize>,
    /// Where it is written.
    pub span: Span,
}

/// What is asked of different groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// Nothing.
    Any,
    /// No two groups may share a digest.
    Differ,
}

/// What a member is expected to be.
#[derive(Clone, Debug)]
pub enum Expected {
    /// This digest, written in the file.
    Digest {
        /// The digest.
        digest: Digest,
        /// Where it is written.
        span: Span,
    },
    /// The same as another output.
    Output(InputRef),
    /// Files that an archive publishes: each file of the member with one of these names must have its digest, and
    /// at least one must be there.
    Published {
        /// By whom, for a person: `debian bookworm 2026-11-20T00:00:00Z`.
        by: String,
        /// The files.
        files: Vec<crate::derivation::PoolFile>,
        /// Where to fetch one of them, to show how it differs.
        archive: crate::derivation::ArchiveId,
    },
}

impl Plan {
    /// The derivations as a graph, edges from what is needed to what needs it.
    pub fn graph(&self) -> DiGraph<DerivationId, ()> {
        let mut graph = DiGraph::with_capacity(self.derivations.len(), self.derivations.len());
        for id in self.derivations.keys() {
            graph.add_node(*id);
        }
        for (index, derivation) in self.derivations.values().enumerate() {
            for need in derivation.needs() {
                if let Some(from) = self.derivations.get_index_of(&need) {
                    graph.add_edge((from as u32).into(), (index as u32).into(), ());
                }
            }
        }
        graph
    }

    /// The first name a person knows a derivation by.
    pub fn name_of(&self, id: DerivationId) -> Option<&Named> {
        self.names.iter().find(|named| named.id == id)
    }
}
