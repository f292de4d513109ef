//! Lists of members: of archives and of folders, and how two such lists differ.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use sha2::Digest as _;

use super::{Class, Difference, Finding, Layers, Limits, Side, What};
use crate::packing::zip::Method;
use crate::packing::{ar as ar_archive, malformed, skip, tar as tar_archive, zip as zip_archive};
use rbld_lang::digest::Digest;

/// Names listed in a finding; the rest is counted.
pub(super) const NAMES: usize = 5;

/// A member: its name, what is said of it, and the digest of its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
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

/// The members of a tar.
pub(super) fn tar(layers: &Layers<'_>, limits: &Limits) -> io::Result<Vec<Entry>> {
    layers.read(|reader| {
        let mut archive = tar_archive::Reader::new(reader);
        let mut entries = Vec::new();
        while let Some(member) = archive.advance()? {
            let mut facts = member.facts;
            facts.insert("kind".to_owned(), member.kind.word().to_owned());
            facts.insert("mode".to_owned(), format!("{:04o}", member.mode));
            if !member.link.is_empty() {
                facts.insert("link".to_owned(), String::from_utf8_lossy(&member.link).into_owned());
            }
            let name = String::from_utf8_lossy(&member.name).into_owned();
            let contents = Some(digest(&mut archive)?);
            push(&mut entries, Entry { name, facts, contents }, limits)?;
        }
        Ok(entries)
    })
}

/// The members of an ar archive.
pub(super) fn ar(layers: &Layers<'_>, limits: &Limits) -> io::Result<Vec<Entry>> {
    layers.read(|reader| {
        let mut archive = ar_archive::Reader::new(reader)?;
        let mut entries = Vec::new();
        while let Some(member) = archive.advance()? {
            let facts = member.facts.into_iter().map(|(fact, value)| (fact.to_owned(), value)).collect();
            let name = String::from_utf8_lossy(&member.name).into_owned();
            let contents = Some(digest(&mut archive)?);
            push(&mut entries, Entry { name, facts, contents }, limits)?;
        }
        Ok(entries)
    })
}

/// Where a member's packed bytes are, and how they are packed.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) method: Method,
}

/// The members of a zip archive, and where each one is.
pub(super) fn zip(layers: &Layers<'_>, limits: &Limits) -> io::Result<(Vec<Entry>, Vec<Place>)> {
    let length = layers.read(|reader| io::copy(reader, &mut io::sink()))?;
    let mut part = |offset, length: u64| {
        layers.read(|mut reader| {
            skip(&mut reader, offset)?;
            let mut bytes = Vec::new();
            reader.take(length).read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    };
    let members = zip_archive::directory(length, &mut part, limits.members)?;
    let (mut entries, mut places) = (Vec::new(), Vec::new());
    layers.read(|reader| {
        zip_archive::each(reader, &members, layers.budget(), &mut |index, start, mut contents| {
            let member = &members[index];
            let facts =
                member.facts.iter().map(|(fact, value)| ((*fact).to_owned(), value.clone())).collect();
            let name = String::from_utf8_lossy(&member.name).into_owned();
            entries.push(Entry { name, facts, contents: Some(digest(&mut contents)?) });
            places.push(Place { offset: start, length: member.packed, method: member.method });
            Ok(())
        })
    })?;
    Ok((entries, places))
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

fn push(entries: &mut Vec<Entry>, entry: Entry, limits: &Limits) -> io::Result<()> {
    if entries.len() == limits.members {
        return Err(malformed(format!("it has more than {} members", limits.members)));
    }
    entries.push(entry);
    Ok(())
}

pub(super) fn digest(reader: &mut impl Read) -> io::Result<Digest> {
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
