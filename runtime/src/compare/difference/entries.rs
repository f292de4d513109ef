//! Lists of members: of archives and of folders, and how two such lists differ.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::rc::Rc;

use sha2::Digest as _;

use super::layers::{Coding, Place};
use super::nature::Opened;
use super::{Class, Difference, Finding, Layers, Limits, Side, What};
use crate::packing::zip::Method;
use crate::packing::{iso as iso_image, malformed, name, skip, zip as zip_archive};
use rbld_lang::digest::Digest;

/// Names listed in a finding; the rest is counted.
pub(super) const NAMES: usize = 5;

/// A member: its name, what is said of it, and the digest of its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; bytes that aren't UTF-8 stand as `\\xNN`.
    pub name: String,
    /// What is said of it, in an order of telling: `kind`, `mtime`, `mode`.
    pub facts: BTreeMap<String, String>,
    /// The digest of its contents; `None` for what has none.
    pub contents: Option<Digest>,
}

/// How two lists differ.
pub(super) struct Compared {
    /// The places of members whose contents differ, in the left side's order.
    pub(super) contents: Vec<(usize, usize)>,
    /// Everything else.
    pub(super) rest: Difference,
}

/// The facts of a member by their names.
pub(super) fn facts_of<'f>(facts: impl IntoIterator<Item = (&'f str, String)>) -> BTreeMap<String, String> {
    facts.into_iter().map(|(fact, value)| (fact.to_owned(), value)).collect()
}

/// The files and folders of an ISO image, after what its volume says of itself.
pub(super) fn iso(layers: &Layers<'_>, limits: &Limits) -> io::Result<Opened> {
    let mut part = |offset, length| bounded(layers, offset, length);
    let iso_image::Listed { facts: volume, entries: members } =
        iso_image::directory(&mut part, limits.members)?;
    let mut opened = Opened::default();
    let volume = Entry { name: "(volume)".to_owned(), facts: facts_of(volume), contents: None };
    opened.push(volume, Place::plain(0, 0), limits)?;
    for member in members {
        let entry = Entry { name: name(&member.name), facts: facts_of(member.facts), contents: None };
        opened.push(entry, Place::plain(member.offset, member.size), limits)?;
    }
    hash(layers, &mut opened)?;
    Ok(opened)
}

/// The members of a zip archive.
pub(super) fn zip(layers: &Layers<'_>, limits: &Limits) -> io::Result<Opened> {
    let length = length(layers)?;
    let mut part = |offset, length| bounded(layers, offset, length);
    let members = zip_archive::directory(length, &mut part, limits.members)?;
    let mut opened = Opened::default();
    layers.read(|reader| {
        zip_archive::each(reader, &members, layers.budget(), &mut |index, start, mut contents| {
            let member = &members[index];
            let entry = Entry {
                name: name(&member.name),
                facts: facts_of(member.facts.clone()),
                contents: Some(digest(&mut contents)?),
            };
            let coding = if member.method == Method::Deflated { Coding::Deflate } else { Coding::Plain };
            opened.push(entry, Place { pieces: Rc::new([(start, member.packed)]), coding }, limits)
        })
    })?;
    Ok(opened)
}

/// How many bytes a stream has.
pub(super) fn length(layers: &Layers<'_>) -> io::Result<u64> {
    layers.read(|reader| io::copy(reader, &mut io::sink()))
}

/// So many bytes from an offset on; fewer where the stream ends.
pub(super) fn bounded(layers: &Layers<'_>, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    layers.part(offset, length).read_all()
}

/// Gives members their digests, in one pass over the container for all that lie there as they are.
///
/// Two members may lie at one place; any other overlapping is an error, so it can't make one pass many.
pub(super) fn hash(layers: &Layers<'_>, opened: &mut Opened) -> io::Result<()> {
    let mut plain: Vec<(u64, u64, usize)> = Vec::new();
    for (index, place) in opened.places.iter().enumerate() {
        match (&place.pieces[..], place.coding) {
            ([], _) | ([(_, 0)], _) => {}
            ([(offset, length)], Coding::Plain) => plain.push((*offset, *length, index)),
            _ => {
                opened.entries[index].contents =
                    Some(layers.member(place).read(|mut inner| digest(&mut inner))?)
            }
        }
    }
    plain.sort_unstable();
    layers.read(|mut reader| {
        let (mut at, mut last) = (0, None);
        for (offset, length, index) in plain {
            if let Some((place, found)) = last
                && place == (offset, length)
            {
                opened.entries[index].contents = Some(found);
                continue;
            }
            let gap = offset.checked_sub(at).ok_or_else(|| malformed("its members overlap"))?;
            skip(&mut reader, gap)?;
            let mut member = (&mut reader).take(length);
            let found = digest(&mut member)?;
            if member.limit() > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            opened.entries[index].contents = Some(found);
            at = offset.checked_add(length).ok_or_else(|| malformed("a member is too long"))?;
            last = Some(((offset, length), found));
        }
        Ok(())
    })
}

impl Opened {
    pub(super) fn push(&mut self, entry: Entry, place: Place, limits: &Limits) -> io::Result<()> {
        if self.entries.len() == limits.members {
            return Err(malformed(format!("it has more than {} members", limits.members)));
        }
        self.entries.push(entry);
        self.places.push(place);
        Ok(())
    }
}

/// How two lists differ, members being the same by name and, for names that come again, by their turn.
pub(super) fn compare(left: &[Entry], right: &[Entry]) -> Compared {
    let (ours, theirs) = (places(left), places(right));
    let mut rest = Difference::default();
    for (side, here, there) in [(Side::Left, &ours, &theirs), (Side::Right, &theirs, &ours)] {
        let only: Vec<&(&str, usize)> = here.keys().filter(|key| !there.contains_key(*key)).collect();
        if !only.is_empty() {
            let names = only.iter().take(NAMES).map(|(name, _)| (*name).to_owned()).collect();
            rest.add(Class::Names, Vec::new(), What::Only { side, names, count: only.len() });
        }
    }
    // In the left side's order of members.
    let mut common: Vec<(usize, usize)> =
        ours.iter().filter_map(|(key, one)| theirs.get(key).map(|other| (*one, *other))).collect();
    common.sort_unstable();
    let contents =
        common.iter().copied().filter(|(one, other)| left[*one].contents != right[*other].contents).collect();
    facts(left, right, &common, &mut rest);
    let mut there: Vec<usize> = common.iter().map(|(_, other)| *other).collect();
    there.sort_unstable();
    let moved = common.iter().zip(&there).position(|((_, other), sorted)| other != sorted);
    if let Some(position) = moved {
        let (left, right) = (left[common[position].0].name.clone(), right[there[position]].name.clone());
        rest.add(Class::Order, Vec::new(), What::Order { position, left, right });
    }
    Compared { contents, rest }
}

/// Each fact that differs once, with its first member and how many more there are.
fn facts(left: &[Entry], right: &[Entry], common: &[(usize, usize)], rest: &mut Difference) {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut findings: Vec<Finding> = Vec::new();
    for (one, other) in common {
        let (ours, theirs) = (&left[*one], &right[*other]);
        let names: BTreeSet<&str> =
            ours.facts.keys().chain(theirs.facts.keys()).map(String::as_str).collect();
        for name in names {
            let (here, there) = (ours.facts.get(name), theirs.facts.get(name));
            if here == there {
                continue;
            }
            let index = *found.entry(name).or_insert_with(|| {
                let what = What::Fact {
                    name: name.to_owned(),
                    left: here.cloned(),
                    right: there.cloned(),
                    members: 0,
                };
                findings.push(Finding { path: vec![ours.name.clone()], what });
                findings.len() - 1
            });
            if let What::Fact { members, .. } = &mut findings[index].what {
                *members += 1;
            }
        }
    }
    if !findings.is_empty() {
        rest.classes.insert(Class::Metadata);
        rest.findings.extend(findings);
    }
}

fn places(entries: &[Entry]) -> BTreeMap<(&str, usize), usize> {
    let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let turn = turns.entry(&entry.name).or_insert(0);
        places.insert((entry.name.as_str(), *turn), index);
        *turn += 1;
    }
    places
}

/// The digest of all that a reader gives.
pub fn digest(reader: &mut impl Read) -> io::Result<Digest> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hasher.finalize().into())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
