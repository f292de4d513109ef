//! `rbld.lock`: what was resolved once, one fact a line. Holds the facts, their text and whether they
//! still answer what is asked; resolves nothing.
//!
//! ```text
//! rbld-lock 1
//!
//! request 5f3c…
//! environment debian bookworm main 2026-11-20T00:00:00Z amd64
//! asked git
//! asked-build-depends ucf
//! index bookworm 9d12… 2026-11-15T10:02:11Z - 4CB50190207B4758A3F73A796ED0E7B82643E131
//! package bash 5.2.15-2+b7 amd64 1a2b… 1491312 pool/main/b/bash/bash_5.2.15-2+b7_amd64.deb base-files,debianutils
//! root bash
//! tree 77aa…
//! ```
//! Blocks are sorted by their request, lines within a block by kind in the order above and then by
//! text, so two branches that lock different environments merge without a conflict and two that change
//! the same one conflict in one line. spec/07-lock.md lists every line.

mod guix;
#[cfg(test)]
mod guix_tests;
mod stale;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::derivation::{Arch, ArchiveId, PoolFile};
use crate::digest::{Digest, Hasher, Manifest};
use crate::syntax::show_instant;

pub use guix::{Channel, Closure, LockedItem, is_commit, is_relative, is_variable};
pub use stale::Stale;
pub use text::{LockError, parse, print};

/// A whole lock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// The blocks, by request.
    pub blocks: BTreeMap<Digest, Block>,
}

/// What one request came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What was asked, in words.
    pub title: Request,
    /// The signed indexes it was resolved from.
    pub indexes: Vec<Index>,
    /// What was found.
    pub facts: Facts,
}

/// What can be asked of an archive. Its canonical form is hashed into the `request` line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// A set of binary packages that can be installed together.
    Environment {
        /// Where from.
        suite: SuiteAt,
        /// The architecture.
        arch: Arch,
        /// The packages asked for, sorted; the essential ones come by themselves.
        packages: Vec<String>,
        /// Source packages whose build dependencies are to be met, sorted.
        build_depends: Vec<String>,
    },
    /// A source package and the binaries published for it.
    Source {
        /// Where from.
        suite: SuiteAt,
        /// The package.
        name: String,
        /// The architecture whose binaries count, beside `all`.
        arch: Arch,
    },
    /// A qemu-user for machines of an architecture.
    Emulator {
        /// Where from.
        suite: SuiteAt,
        /// The machine it runs on.
        host: Arch,
    },
    /// Store items of Guix: packages as some channels have them, and items by their own names.
    Guix {
        /// The architecture.
        arch: Arch,
        /// The channels that the packages come from, sorted by name; none when no packages are asked for.
        channels: Vec<Channel>,
        /// The packages asked for, sorted, as `guix shell` takes them: `guile@3.0`, `gcc:lib`.
        packages: Vec<String>,
        /// The store items asked for, sorted: `/gnu/store/…`.
        items: Vec<String>,
    },
}

impl Request {
    /// Its name: the digest of its canonical form. The order of names and a name given twice don't matter.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("rbld-request-1");
        self.manifest(&mut hasher);
        hasher.finish()
    }

    /// It in words, as the second line of its block begins: `environment debian bookworm main … amd64`.
    pub fn title(&self) -> String {
        let from = |suite: &SuiteAt| {
            let components = suite.components.join(",");
            format!("{} {} {components} {}", suite.archive, suite.suite, show_instant(suite.instant))
        };
        let title = match self {
            Request::Environment { suite, arch, .. } => {
                format!("environment {} {}", from(suite), arch.name())
            }
            Request::Source { suite, name, arch, .. } => {
                format!("source {} {name} {}", from(suite), arch.name())
            }
            Request::Emulator { suite, host, .. } => format!("emulator {} {}", from(suite), host.name()),
            Request::Guix { arch, channels, items, .. } => {
                let guix = channels.iter().find(|channel| channel.name == "guix");
                match (guix, items.as_slice()) {
                    (Some(guix), _) => {
                        format!("guix {} {}", guix.commit.get(..12).unwrap_or(&guix.commit), arch.name())
                    }
                    (None, [one]) => format!("guix {one} {}", arch.name()),
                    (None, many) => format!("guix {} items {}", many.len(), arch.name()),
                }
            }
        };
        match self.suite() {
            Some(suite) if !suite.beside.is_empty() => {
                let names: Vec<&str> = suite.beside.iter().map(|one| one.suite.as_str()).collect();
                format!("{title} with {}", names.join(", "))
            }
            _ => title,
        }
    }

    /// Where from; none of what isn't from a distribution's archive.
    pub fn suite(&self) -> Option<&SuiteAt> {
        match self {
            Request::Environment { suite, .. }
            | Request::Source { suite, .. }
            | Request::Emulator { suite, .. } => Some(suite),
            Request::Guix { .. } => None,
        }
    }

    fn suite_mut(&mut self) -> Option<&mut SuiteAt> {
        match self {
            Request::Environment { suite, .. }
            | Request::Source { suite, .. }
            | Request::Emulator { suite, .. } => Some(suite),
            Request::Guix { .. } => None,
        }
    }

    /// Walks its fields in one fixed order.
    pub fn manifest(&self, to: &mut impl Manifest) {
        let kind = match self {
            Request::Environment { .. } => "environment",
            Request::Source { .. } => "source",
            Request::Emulator { .. } => "emulator",
            Request::Guix { .. } => "guix",
        };
        to.field("kind", kind.as_bytes());
        if let Some(suite) = self.suite() {
            to.field("archive", suite.archive.as_bytes());
            to.field("suite", suite.suite.as_bytes());
            names(to, "components", &suite.components);
            to.field("instant", show_instant(suite.instant).as_bytes());
            // What follows came later, and is left out where it isn't used: the digests of older requests stay.
            if let Some(keyring) = &suite.keyring {
                to.field("keyring", keyring.to_hex().as_bytes());
            }
            let beside: BTreeSet<&Beside> = suite.beside.iter().collect();
            if !beside.is_empty() {
                to.open("beside", beside.len());
                for one in beside {
                    one.manifest(to);
                }
                to.close();
            }
        }
        match self {
            Request::Environment { arch, packages, build_depends, .. } => {
                to.field("arch", arch.name().as_bytes());
                names(to, "packages", packages);
                names(to, "build-depends", build_depends);
            }
            Request::Source { name, arch, .. } => {
                to.field("name", name.as_bytes());
                to.field("arch", arch.name().as_bytes());
            }
            Request::Emulator { host, .. } => to.field("host", host.name().as_bytes()),
            Request::Guix { arch, channels, packages, items } => {
                to.field("arch", arch.name().as_bytes());
                let channels: BTreeSet<&Channel> = channels.iter().collect();
                to.open("channels", channels.len());
                for channel in channels {
                    channel.manifest(to);
                }
                to.close();
                names(to, "packages", packages);
                names(to, "items", items);
            }
        }
    }
}

/// A set of names, sorted, each once.
fn names(to: &mut impl Manifest, field: &str, names: &[String]) {
    let names: BTreeSet<&String> = names.iter().collect();
    to.open(field, names.len());
    for name in names {
        to.field("name", name.as_bytes());
    }
    to.close();
}

/// A suite of a signed archive as of an instant, and others that are used with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SuiteAt {
    /// The archive's name in a snapshot service: `debian`; its address, where it isn't known by a name.
    pub archive: String,
    /// The suite: `bookworm`.
    pub suite: String,
    /// The components, sorted: `main`.
    pub components: Vec<String>,
    /// The instant, seconds since 1970.
    pub instant: i64,
    /// The sha256 of the file whose keys sign the archive, where rbld doesn't know them itself.
    pub keyring: Option<Digest>,
    /// Suites of the same instant whose packages are on offer too, sorted, each once.
    pub beside: Vec<Beside>,
}

/// A further suite that is used with another, as of the same instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Beside {
    /// As in [`SuiteAt`].
    pub archive: String,
    /// As in [`SuiteAt`].
    pub suite: String,
    /// As in [`SuiteAt`].
    pub components: Vec<String>,
    /// As in [`SuiteAt`].
    pub keyring: Option<Digest>,
}

impl Beside {
    fn manifest(&self, to: &mut impl Manifest) {
        to.field("archive", self.archive.as_bytes());
        to.field("suite", self.suite.as_bytes());
        names(to, "components", &self.components);
        to.field("keyring", self.keyring.map(|keyring| keyring.to_hex()).unwrap_or_default().as_bytes());
    }
}

impl SuiteAt {
    /// The suites that packages come from, each alone: itself, then those beside it.
    pub fn each(&self) -> Vec<SuiteAt> {
        let alone = SuiteAt { beside: Vec::new(), ..self.clone() };
        let beside = self.beside.iter().map(|one| SuiteAt {
            archive: one.archive.clone(),
            suite: one.suite.clone(),
            components: one.components.clone(),
            instant: self.instant,
            keyring: one.keyring,
            beside: Vec::new(),
        });
        std::iter::once(alone).chain(beside).collect()
    }

    /// The archive as of the instant.
    pub fn archive_id(&self) -> ArchiveId {
        ArchiveId { name: self.archive.clone(), instant: self.instant }
    }
}

/// A signed index and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index {
    /// The suite.
    pub suite: String,
    /// The sha256 of its `InRelease`.
    pub digest: Digest,
    /// Its `Date`, seconds since 1970.
    pub date: i64,
    /// Its `Valid-Until`, when it has one: a fact, not judged at a pin.
    pub valid_until: Option<i64>,
    /// The fingerprint of the key whose signature was checked, upper-case hexadecimal.
    pub signer: String,
    /// The archive, where it isn't the request's first.
    pub archive: Option<String>,
}

/// The facts of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// Of an environment.
    Environment {
        /// The packages, sorted by name and architecture.
        packages: Vec<LockedPackage>,
        /// The names that were asked for or are essential, sorted.
        roots: Vec<String>,
        /// The digest of the tree, once realised.
        tree: Option<Digest>,
    },
    /// Of a source package.
    Source {
        /// Its version.
        version: String,
        /// Its files, by name.
        files: Vec<PoolFile>,
        /// Its published binaries, by file name.
        binaries: Vec<PoolFile>,
    },
    /// Of an emulator: the package that holds it.
    Emulator(LockedPackage),
    /// Of store items of Guix.
    Guix(Closure),
}

/// A package and what keeps it in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedPackage {
    /// The package.
    pub package: crate::derivation::Package,
    /// The names of locked packages that it depends on, sorted. One that isn't locked makes the lock stale.
    pub needs: Vec<String>,
}
