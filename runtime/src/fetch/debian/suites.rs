//! The suites that one request is resolved from, each with its signed index: what they offer, read as one.
//!
//! The first is the request's own; those beside it count as much, unless they say of themselves that they aren't wanted
//! automatically. Chooses nothing.

use std::sync::Arc;

use rbld_lang::derivation::{Arch, ArchiveId};
use rbld_lang::lock::{Index, SuiteAt};

use super::archive::{self, Sources};
use super::index::Universe;
use super::inrelease::Release;
use crate::failure::{Failure, Result};
use crate::fetch::date;

/// Suites with their signed indexes.
pub(super) struct Suites {
    all: Vec<(SuiteAt, Arc<Release>)>,
}

/// An unpacked index, and the number of the suite that it is of.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) index: u16,
    pub(super) text: Arc<Vec<u8>>,
}

impl Suites {
    /// The signed indexes of a suite and of those beside it.
    pub(super) fn open(suite: &SuiteAt, sources: &Sources) -> Result<Suites> {
        let one = |suite: SuiteAt| {
            let release = sources.release(&suite)?;
            Ok((suite, release))
        };
        Ok(Suites { all: suite.each().into_iter().map(one).collect::<Result<_>>()? })
    }

    /// What the lock keeps of the signed indexes.
    pub(super) fn indexes(&self) -> Vec<Index> {
        let first = self.all.first().map_or("", |(suite, _)| suite.archive.as_str());
        self.all.iter().map(|(suite, release)| archive::locked(suite, release, first)).collect()
    }

    /// The `Packages` of all for an architecture.
    pub(super) fn packages(&self, arch: Arch, sources: &Sources) -> Result<Vec<Text>> {
        let mut all = Vec::new();
        for (index, (suite, release)) in (0..).zip(&self.all) {
            let texts = sources.packages(suite, release, arch)?;
            all.extend(texts.into_iter().map(|text| Text { index, text }));
        }
        Ok(all)
    }

    /// The `Sources` of all that have them.
    pub(super) fn sources(&self, sources: &Sources) -> Result<Vec<Text>> {
        let mut all = Vec::new();
        for (index, (suite, release)) in (0..).zip(&self.all) {
            // An archive beside Debian's may hold binaries alone.
            if index > 0 && !release.has_sources(&suite.components) {
                continue;
            }
            let texts = sources.sources(suite, release)?;
            all.extend(texts.into_iter().map(|text| Text { index, text }));
        }
        Ok(all)
    }

    /// What is on offer, by texts that live as long.
    pub(super) fn universe<'a>(&self, arch: Arch, packages: &'a [Text]) -> Result<Universe<'a>> {
        let origins = (0..).take(self.all.len()).map(|index| self.origin(index)).collect();
        let mut universe = Universe::new(arch.name()).of_archives(origins);
        for Text { index, text } in packages {
            let (suite, rank) = match self.all.get(usize::from(*index)) {
                Some((suite, release)) => (suite.suite.as_str(), release.rank),
                None => ("", 500),
            };
            // What is asked for by itself is wanted, whatever it says.
            let rank = if *index == 0 { rank.max(500) } else { rank };
            universe.add_of(text, *index, rank).map_err(|wrong| {
                Failure::world(format!("the index of `{suite}` can't be read")).fact(wrong.to_string())
            })?;
        }
        Ok(universe)
    }

    /// The archive of what a suite offers, where it isn't the first one's.
    pub(super) fn origin(&self, index: u16) -> Option<ArchiveId> {
        let (first, _) = self.all.first()?;
        let (suite, _) = self.all.get(usize::from(index))?;
        (suite.archive != first.archive).then(|| suite.archive_id())
    }
}

/// Where something was looked for, for a person: `debian bookworm, bookworm-security`.
pub(super) fn place(suite: &SuiteAt) -> String {
    let names: Vec<String> = suite.each().into_iter().map(|one| one.suite).collect();
    format!("{} {}", suite.archive, names.join(", "))
}

/// As [`place`], with the architecture and the instant.
pub(super) fn place_at(suite: &SuiteAt, arch: Arch) -> String {
    format!("{} for {} at {}", place(suite), arch.name(), date::instant(suite.instant))
}
