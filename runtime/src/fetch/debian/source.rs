//! Source packages: their files, their published binaries, and what building them needs.
//!
//! Reads `Sources`; chooses nothing but the highest version.

use std::collections::BTreeMap;

use rbld_lang::derivation::{ArchiveId, Package, PoolFile};

use super::index::Universe;
use super::relation::{self, Atom};
use super::stanza::{self, Stanza};
use super::version;
use crate::failure::{Failure, Result};

/// A version of a source package.
#[derive(Clone, Copy)]
pub struct SourcePackage<'a> {
    stanza: Stanza<'a>,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Which of the indexes it was found in, by their order.
    pub at: usize,
}

/// What building a source package needs and what may not be there.
#[derive(Default)]
pub struct BuildNeeds<'a> {
    /// To be installed.
    pub needs: Vec<Atom<'a>>,
    /// To be absent.
    pub conflicts: Vec<Atom<'a>>,
}

/// The highest version of a source package.
pub fn find<'a>(indexes: &[&'a [u8]], name: &str) -> Option<SourcePackage<'a>> {
    let mut best: Option<SourcePackage<'a>> = None;
    let heading = format!("Package: {name}\n");
    let finder = memchr::memmem::Finder::new(&heading);
    for (place, index) in indexes.iter().enumerate() {
        for at in finder.find_iter(index).filter(|at| *at == 0 || index[at - 1] == b'\n') {
            let start = memchr::memmem::rfind(&index[..at], b"\n\n").map_or(0, |blank| blank + 2);
            let Some(stanza) = stanza::stanzas(&index[start..]).next() else { continue };
            let (Some(name), Some(version)) = (stanza.get("Package"), stanza.get("Version")) else {
                continue;
            };
            // Kept only because a binary names it; not part of the suite.
            if stanza.get("Extra-Source-Only") == Some("yes") {
                continue;
            }
            if best.is_none_or(|best| version::compare(best.version, version).is_lt()) {
                best = Some(SourcePackage { stanza, name, version, at: place });
            }
        }
    }
    best
}

impl<'a> SourcePackage<'a> {
    /// Its files, by name; `origin` is their archive, where it isn't the request's first.
    pub fn files(&self, origin: Option<ArchiveId>) -> Result<Vec<PoolFile>> {
        let wrong = |what: &str| {
            Failure::world(format!("the index's entry of the source `{}` has no {what}", self.name))
        };
        let folder = self.stanza.get("Directory").ok_or_else(|| wrong("Directory"))?;
        let mut files = BTreeMap::new();
        for line in
            self.stanza.get("Checksums-Sha256").unwrap_or("").lines().filter(|line| !line.trim().is_empty())
        {
            let mut words = line.split_ascii_whitespace();
            let (Some(digest), Some(size), Some(name)) = (words.next(), words.next(), words.next()) else {
                return Err(wrong("list of files that can be read"));
            };
            let (Ok(digest), Ok(size)) = (digest.parse(), size.parse()) else {
                return Err(wrong("list of files that can be read"));
            };
            if name.contains('/') || name.starts_with('.') {
                return Err(wrong("list of files that are only files"));
            }
            let (path, origin) = (format!("{folder}/{name}"), origin.clone());
            let file = PoolFile { name: name.to_owned(), digest, size, path, origin };
            files.insert(file.name.clone(), file);
        }
        if files.is_empty() {
            return Err(wrong("files with a sha256"));
        }
        Ok(files.into_values().collect())
    }

    /// The binaries of this version on offer, by file name.
    pub fn binaries(&self, universe: &Universe<'_>) -> Result<Vec<PoolFile>> {
        let mut files = BTreeMap::new();
        for offer in universe.offers() {
            let (source, version) = match offer.source.split_once('(') {
                Some((source, version)) => (source.trim(), version.trim_end_matches(')').trim()),
                None if offer.source.is_empty() => (universe.text(offer.name), offer.version),
                None => (offer.source, offer.version),
            };
            if source != self.name || version != self.version {
                continue;
            }
            let Package { digest, size, path, origin, .. } = super::package(universe, offer)?;
            let name = path.rsplit('/').next().unwrap_or("").to_owned();
            // Of two archives that have it, the one named first.
            files.entry(name.clone()).or_insert(PoolFile { name, digest, size, path, origin });
        }
        Ok(files.into_values().collect())
    }

    /// What building all its binaries on an architecture needs, without any build profile.
    pub fn build_needs(&self, arch: &str) -> Result<BuildNeeds<'a>> {
        let read = |names: [&str; 3]| -> Result<Vec<Atom<'a>>> {
            let mut found: Vec<Atom<'a>> = Vec::new();
            for name in names {
                for atom in relation::atoms(self.stanza.get(name).unwrap_or("")) {
                    let atom = atom.map_err(|wrong| {
                        Failure::world(format!(
                            "the index's entry of the source `{}` has a {name} that can't be read",
                            self.name
                        ))
                        .fact(wrong.to_string())
                    })?;
                    if atom.applies(arch) {
                        found.push(atom);
                    } else if let Some(last) = found.last_mut()
                        && last.or
                    {
                        last.or = atom.or;
                    }
                }
            }
            Ok(found)
        };
        Ok(BuildNeeds {
            needs: read(["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"])?,
            conflicts: read(["Build-Conflicts", "Build-Conflicts-Arch", "Build-Conflicts-Indep"])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &[u8] = b"Package: a\nVersion: 1-1\nDirectory: pool/a\nChecksums-Sha256:\n \
        0000000000000000000000000000000000000000000000000000000000000001 7 a_1-1.dsc\n\
        Build-Depends: x | y [i386], p [!amd64] | q, r <!nocheck>, s <cross>\nBuild-Conflicts-Indep: z\n\n\
        Package: ab\nVersion: 3\n\nPackage: a\nVersion: 2-1\nExtra-Source-Only: yes\n\nPackage: a\nVersion: 1-0\n";

    #[test]
    fn the_highest_version_with_its_files() {
        let found = find(&[SOURCES], "a").unwrap();
        assert_eq!(found.version, "1-1");
        let files = found.files(None).unwrap();
        assert_eq!(
            (files[0].name.as_str(), files[0].size, files[0].path.as_str()),
            ("a_1-1.dsc", 7, "pool/a/a_1-1.dsc")
        );
        assert!(find(&[SOURCES], "b").is_none());
        assert!(find(&[SOURCES], "ab").unwrap().files(None).is_err());
    }

    #[test]
    fn build_needs_for_an_architecture() {
        let needs = find(&[SOURCES], "a").unwrap().build_needs("amd64").unwrap();
        let text: Vec<String> =
            needs.needs.iter().map(|atom| format!("{atom}{}", if atom.or { "|" } else { "" })).collect();
        assert_eq!(text, ["x", "q", "r"]);
        assert_eq!(needs.conflicts.len(), 1);
    }

    #[test]
    fn binaries_of_the_same_source_version() {
        let digest = "1".repeat(64);
        let more = format!("Size: 1\nSHA256: {digest}\nFilename: pool/a/");
        let text = format!(
            "Package: a\nVersion: 1-1\nArchitecture: amd64\n{more}a.deb\n\n\
             Package: b\nVersion: 1-1+b2\nSource: a (1-1)\nArchitecture: amd64\n{more}b.deb\n\n\
             Package: c\nVersion: 1-1\nSource: other\nArchitecture: all\n{more}c.deb\n\n\
             Package: d\nVersion: 9\nSource: a\nArchitecture: all\n{more}d.deb\n"
        );
        let mut universe = Universe::new("amd64");
        universe.add(text.as_bytes()).unwrap();
        let binaries = find(&[SOURCES], "a").unwrap().binaries(&universe).unwrap();
        assert_eq!(binaries.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.deb", "b.deb"]);
    }
}
