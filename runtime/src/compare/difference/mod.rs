//! Where two objects differ first, and what all of the difference amounts to.
//!
//! Looks inside compressions and archives, as a stream and again for each step down, so that memory stays
//! bounded whatever the size; the limits bound time too. Takes hostile bytes: what can't be looked into is
//! compared byte by byte and the reason is a finding. Knows nothing of assertions, names or causes.

use std::collections::BTreeSet;
use std::time::Duration;

mod bytes;
mod elf;
mod entries;
mod front;
#[cfg(test)]
mod hostile_tests;
mod layers;
mod leaf;
mod nature;
mod oci;
mod pdf;
mod pe;
mod png;
mod pyc;
mod search;
#[cfg(test)]
mod tests;

pub use entries::{Entry, digest as digest_of};
pub use front::same_bytes;
pub use layers::{Layers, Opener};
pub use leaf::{Leaf, Part};
pub use nature::Nature;
pub use search::{Children, between_entries, between_files};

use crate::packing::Codec;

/// How far looking goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that may come out of decompressors, over all passes.
    pub unpacked: u64,
    /// Archives inside archives.
    pub depth: usize,
    /// Members of one archive.
    pub members: usize,
    /// Differing members of one archive that are looked into.
    pub dives: usize,
    /// How long it may take; beyond that what is left is compared as plain bytes, or not at all.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let time = Duration::from_secs(120);
        Limits { unpacked: 16 << 30, depth: 6, members: 100_000, dives: 16, time }
    }
}

/// Which of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

/// What a difference is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Bytes of files.
    Contents,
    /// Which members there are.
    Names,
    /// What an archive says of its members: times, owners, modes.
    Metadata,
    /// The order of members.
    Order,
    /// How an archive writes equal facts: kind of header, padding.
    Framing,
    /// How equal bytes are compressed.
    Compression,
}

impl Class {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Class::Contents => "contents",
            Class::Names => "names",
            Class::Metadata => "metadata",
            Class::Order => "order",
            Class::Framing => "framing",
            Class::Compression => "compression",
        }
    }
}

/// How two objects differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What all of it is made of. Only `metadata` here means that no byte of any file differs.
    pub classes: BTreeSet<Class>,
    /// The findings, the most telling first.
    pub findings: Vec<Finding>,
    /// What was compared byte by byte, with the places in which it differs: what causes are told from.
    pub leaves: Vec<Leaf>,
}

/// One finding and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The way inside: `data.tar.xz`, `./usr/bin/foo`. Empty for the object itself.
    pub path: Vec<String>,
    /// What was found there.
    pub what: What,
}

/// Up to sixteen bytes of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The offset of the first of them.
    pub start: u64,
    /// The bytes; none where the side has ended.
    pub bytes: Vec<u8>,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The first byte that differs.
    Bytes {
        /// Its offset.
        offset: u64,
        /// One side around it.
        left: Window,
        /// The other.
        right: Window,
    },
    /// The first line that differs.
    Line {
        /// Its number, from one.
        number: u64,
        /// The offset of the first byte that differs.
        offset: u64,
        /// One side's line, or what of it is near the difference; `None` where the side has ended.
        left: Option<String>,
        /// The other's.
        right: Option<String>,
    },
    /// A fact that an archive states of its members.
    Fact {
        /// Which: `mtime`, `mode`, `uid`, `kind`.
        name: String,
        /// One side's, for the first member.
        left: Option<String>,
        /// The other's.
        right: Option<String>,
        /// How many members differ in it.
        members: usize,
    },
    /// Members that one side has and the other hasn't.
    Only {
        /// Who has them.
        side: Side,
        /// The first few names.
        names: Vec<String>,
        /// How many.
        count: usize,
    },
    /// Members in another order.
    Order {
        /// The first place, from nought.
        position: usize,
        /// What one side has there.
        left: String,
        /// What the other has there.
        right: String,
    },
    /// Equal members, written down differently.
    Framing,
    /// Equal bytes, compressed differently.
    Compression {
        /// One side's compression.
        left: Codec,
        /// The other's.
        right: Codec,
        /// Facts of the compressed file's header that differ: name, one side's, the other's.
        header: Vec<(String, String, String)>,
    },
    /// More members differ than were looked into.
    More {
        /// How many more.
        members: usize,
        /// The first few names.
        names: Vec<String>,
    },
    /// It wasn't looked into, and why.
    Unread(String),
}

impl Difference {
    fn one(class: Class, what: What) -> Difference {
        let findings = vec![Finding { path: Vec::new(), what }];
        Difference { classes: BTreeSet::from([class]), findings, leaves: Vec::new() }
    }

    fn add(&mut self, class: Class, path: Vec<String>, what: What) {
        self.classes.insert(class);
        self.findings.push(Finding { path, what });
    }

    /// Takes in what was found one step further inside.
    fn within(&mut self, step: Option<&str>, inner: Difference) {
        self.classes.extend(inner.classes);
        for mut finding in inner.findings {
            if let Some(step) = step {
                finding.path.insert(0, step.to_owned());
            }
            self.findings.push(finding);
        }
        for mut leaf in inner.leaves {
            if let Some(step) = step {
                leaf.path.insert(0, step.to_owned());
            }
            self.leaves.push(leaf);
        }
    }

    /// Takes out what is told by itself of a class.
    fn forget(&mut self, class: Class) {
        self.classes.remove(&class);
        self.findings.retain(|finding| class != Class::Order || !matches!(finding.what, What::Order { .. }));
    }

    /// True if nothing differs.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.findings.is_empty()
    }
}
