//! Where two objects differ first, and what all of the difference amounts to.
//!
//! Looks inside compressions and archives, as a stream and again for each step down, so that memory stays
//! bounded whatever the size; the limits bound time too. Takes hostile bytes: what can't be looked into is
//! compared byte by byte and the reason is a finding. Knows nothing of assertions, names or causes.

use std::collections::BTreeSet;

mod bytes;
mod elf;
mod entries;
mod layers;
#[cfg(test)]
mod tests;

pub use entries::Entry;
pub use layers::{Layers, Opener};

use crate::packing::{Budget, Codec, HEAD, ar, read_up_to, tar, zip};

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
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { unpacked: 64 << 30, depth: 6, members: 100_000, dives: 4 }
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

/// How two files that are known to differ do so.
pub fn between_files(left: Opener<'_>, right: Opener<'_>, limits: &Limits) -> Difference {
    let budget = Budget::new(limits.unpacked);
    let (left, right) = (Layers::new(left, budget.clone()), Layers::new(right, budget));
    Search { limits }.between(&left, &right, limits.depth)
}

/// How two folders that are known to differ do so; `open` gives the contents of an entry of either by its place in the list.
pub fn between_entries<'a>(
    left: &[Entry],
    right: &[Entry],
    open: &dyn Fn(Side, usize) -> Opener<'a>,
    limits: &Limits,
) -> Difference {
    let budget = Budget::new(limits.unpacked);
    let layers = |side, index| Layers::new(open(side, index), budget.clone());
    Search { limits }.members(left, right, &layers, limits.depth)
}

struct Search<'l> {
    limits: &'l Limits,
}

/// What a stream is, by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nature {
    Compressed(Codec),
    Tar,
    Ar,
    Zip,
    Elf,
    Text,
    Bytes,
}

impl Nature {
    fn of(head: &[u8]) -> Nature {
        if let Some(codec) = Codec::of(head) {
            return Nature::Compressed(codec);
        }
        if head.starts_with(ar::MAGIC) {
            return Nature::Ar;
        }
        if zip::is_zip(head) {
            return Nature::Zip;
        }
        if head.starts_with(elf::MAGIC) {
            return Nature::Elf;
        }
        if tar::is_tar(head) {
            return Nature::Tar;
        }
        if bytes::is_text(head) { Nature::Text } else { Nature::Bytes }
    }

    fn is_leaf(self) -> bool {
        matches!(self, Nature::Text | Nature::Bytes | Nature::Elf)
    }
}

impl Difference {
    fn one(class: Class, what: What) -> Difference {
        Difference { classes: BTreeSet::from([class]), findings: vec![Finding { path: Vec::new(), what }] }
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
    }

    /// True if nothing differs.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.findings.is_empty()
    }
}

impl Search<'_> {
    fn between(&self, left: &Layers<'_>, right: &Layers<'_>, depth: usize) -> Difference {
        match self.try_between(left, right, depth) {
            Ok(difference) => difference,
            Err(why) => self.bytewise(left, right, Nature::Bytes, Some(why.to_string())),
        }
    }

    fn try_between(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        depth: usize,
    ) -> std::io::Result<Difference> {
        let (one, other) = (Nature::of(&head(left)?), Nature::of(&head(right)?));
        if depth == 0 && !one.is_leaf() {
            let why = "it lies deeper than is looked".to_owned();
            return Ok(self.bytewise(left, right, Nature::Bytes, Some(why)));
        }
        match (one, other) {
            (Nature::Compressed(one), Nature::Compressed(other)) => {
                self.unpacked(left, right, (one, other), depth)
            }
            (Nature::Tar, Nature::Tar) => {
                let (ours, theirs) = (entries::tar(left, self.limits)?, entries::tar(right, self.limits)?);
                let child = |side, index| match side {
                    Side::Left => left.tar_member(index),
                    Side::Right => right.tar_member(index),
                };
                Ok(self.framed(&ours, &theirs, &child, depth))
            }
            (Nature::Ar, Nature::Ar) => {
                let (ours, theirs) = (entries::ar(left, self.limits)?, entries::ar(right, self.limits)?);
                let child = |side, index| match side {
                    Side::Left => left.ar_member(index),
                    Side::Right => right.ar_member(index),
                };
                Ok(self.framed(&ours, &theirs, &child, depth))
            }
            (Nature::Zip, Nature::Zip) => {
                let (ours, theirs) = (entries::zip(left, self.limits)?, entries::zip(right, self.limits)?);
                let child = |side, index: usize| {
                    let (layers, places) = match side {
                        Side::Left => (left, &ours.1),
                        Side::Right => (right, &theirs.1),
                    };
                    let packed = layers.part(places[index].offset, places[index].length);
                    if places[index].method == zip::Method::Deflated { packed.inflated() } else { packed }
                };
                Ok(self.framed(&ours.0, &theirs.0, &child, depth))
            }
            (Nature::Elf, Nature::Elf) if depth > 0 => {
                let (ours, theirs) = (elf::sections(left, self.limits)?, elf::sections(right, self.limits)?);
                let child = |side, index: usize| match side {
                    Side::Left => left.part(ours.places[index].0, ours.places[index].1),
                    Side::Right => right.part(theirs.places[index].0, theirs.places[index].1),
                };
                Ok(self.framed(&ours.entries, &theirs.entries, &child, depth))
            }
            (Nature::Text, Nature::Text) => Ok(self.bytewise(left, right, Nature::Text, None)),
            _ => Ok(self.bytewise(left, right, Nature::Bytes, None)),
        }
    }

    fn unpacked(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        (one, other): (Codec, Codec),
        depth: usize,
    ) -> std::io::Result<Difference> {
        let header = if one == Codec::Gzip && other == Codec::Gzip {
            bytes::gzip_facts(&head(left)?, &head(right)?)
        } else {
            Vec::new()
        };
        let (inner_left, inner_right) = (left.unpacked(one).kept(), right.unpacked(other).kept());
        if bytes::first_difference(&inner_left, &inner_right)?.is_none() {
            return Ok(match bytes::first_difference(left, right)? {
                None => Difference::default(),
                Some(_) => {
                    Difference::one(Class::Compression, What::Compression { left: one, right: other, header })
                }
            });
        }
        let leaf = Nature::of(&head(&inner_left)?).is_leaf();
        let mut difference = Difference::default();
        difference.within(leaf.then_some("(unpacked)"), self.between(&inner_left, &inner_right, depth - 1));
        if one != other || !header.is_empty() {
            let what = What::Compression { left: one, right: other, header };
            difference.add(Class::Compression, Vec::new(), what);
        }
        Ok(difference)
    }

    /// Archives: their members, and if these say nothing, how they are written down.
    fn framed<'a>(
        &self,
        left: &[Entry],
        right: &[Entry],
        child: &dyn Fn(Side, usize) -> Layers<'a>,
        depth: usize,
    ) -> Difference {
        let difference = self.members(left, right, child, depth);
        if difference.is_empty() { Difference::one(Class::Framing, What::Framing) } else { difference }
    }

    fn members<'a>(
        &self,
        left: &[Entry],
        right: &[Entry],
        child: &dyn Fn(Side, usize) -> Layers<'a>,
        depth: usize,
    ) -> Difference {
        let compared = entries::compare(left, right);
        let mut difference = Difference::default();
        for (one, other) in compared.contents.iter().take(self.limits.dives) {
            let (ours, theirs) = (child(Side::Left, *one).kept(), child(Side::Right, *other).kept());
            let inner = self.between(&ours, &theirs, depth.saturating_sub(1));
            difference.within(Some(&left[*one].name), inner);
        }
        if compared.contents.len() > self.limits.dives {
            let rest = &compared.contents[self.limits.dives..];
            let names = rest.iter().take(entries::NAMES).map(|(one, _)| left[*one].name.clone()).collect();
            difference.add(Class::Contents, Vec::new(), What::More { members: rest.len(), names });
        }
        difference.within(None, compared.rest);
        difference
    }

    fn bytewise(
        &self,
        left: &Layers<'_>,
        right: &Layers<'_>,
        nature: Nature,
        why: Option<String>,
    ) -> Difference {
        let mut difference = Difference::default();
        match bytes::describe(left, right, nature == Nature::Text) {
            Ok(Some(what)) => difference.add(Class::Contents, Vec::new(), what),
            Ok(None) => {}
            Err(error) => difference.add(Class::Contents, Vec::new(), What::Unread(error.to_string())),
        }
        if let Some(why) = why {
            difference.add(Class::Contents, Vec::new(), What::Unread(why));
        }
        difference
    }
}

fn head(layers: &Layers<'_>) -> std::io::Result<Vec<u8>> {
    layers.read(|reader| {
        let mut head = vec![0; HEAD];
        let count = read_up_to(reader, &mut head)?;
        head.truncate(count);
        Ok(head)
    })
}
