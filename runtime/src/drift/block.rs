//! One block of a lock as drift sees it: what is asked for, where it is pinned, and what it is made of.
//!
//! The only place that looks at the kinds of blocks: a new kind is three arms here.

use rbld_lang::digest::Digest;
use rbld_lang::lock::{Block, Facts, Request};
use rbld_lang::syntax::show_instant;

/// Something that a block holds in one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its architecture, where that isn't the block's: `all`, say.
    pub arch: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has as it is fetched.
    pub size: u64,
}

/// What is asked for, without where it is pinned: blocks that agree in this are the same thing at two times.
pub(super) fn subject(request: &Request) -> String {
    match request {
        Request::Environment { .. } | Request::Source { .. } | Request::Emulator { .. } => {
            request.title().replace(&format!(" {}", pin(request)), "")
        }
        Request::Guix { arch, .. } => format!("guix {}", arch.name()),
    }
}

/// What is asked for by name, for telling apart two blocks of one subject.
pub(super) fn asked(request: &Request) -> Vec<&str> {
    match request {
        Request::Environment { packages, build_depends, .. } => {
            packages.iter().chain(build_depends).map(String::as_str).collect()
        }
        Request::Guix { packages, items, .. } => packages.iter().chain(items).map(String::as_str).collect(),
        Request::Source { .. } | Request::Emulator { .. } => Vec::new(),
    }
}

/// Where it is pinned, for a person.
pub(super) fn pin(request: &Request) -> String {
    match request {
        Request::Environment { suite, .. }
        | Request::Source { suite, .. }
        | Request::Emulator { suite, .. } => show_instant(suite.instant),
        Request::Guix { channels, .. } => {
            let commits: Vec<&str> =
                channels.iter().map(|channel| channel.commit.get(..12).unwrap_or(&channel.commit)).collect();
            commits.join(", ")
        }
    }
}

/// What a block is made of, sorted by name and architecture.
pub(super) fn parts(block: &Block) -> Vec<Part> {
    let mut parts: Vec<Part> = match &block.facts {
        Facts::Environment { packages, .. } => packages.iter().map(|one| package(&one.package)).collect(),
        Facts::Source { version, files, binaries } => {
            let file = |file: &rbld_lang::derivation::PoolFile| {
                // A file of a pool has its version in its name: what is before it is what stays.
                let name = file.name.split('_').next().unwrap_or(&file.name).to_owned();
                let kind = file.name.rsplit('_').next().filter(|kind| *kind != file.name).unwrap_or("");
                let kind = kind.replace(version.split(':').next_back().unwrap_or(version), "");
                let (arch, version) = (kind.trim_start_matches('.').to_owned(), version.clone());
                Part { name, arch, version, digest: file.digest, size: file.size }
            };
            files.iter().chain(binaries).map(file).collect()
        }
        Facts::Emulator(one) => vec![package(&one.package)],
        Facts::Guix(closure) => closure.items.iter().map(|one| store_item(&one.item)).collect(),
    };
    parts.sort();
    parts
}

/// `00ix…-hello-2.12.1` is `hello` in the version 2.12.1.
fn store_item(item: &rbld_lang::derivation::GuixItem) -> Part {
    let named = item.name().split_once('-').map_or(item.name(), |(_, named)| named);
    let version = named.match_indices('-').find(|(at, _)| {
        named.get(at + 1..).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    });
    let (name, version) = match version {
        Some((at, _)) => (named.get(..at).unwrap_or(named), named.get(at + 1..).unwrap_or("")),
        None => (named, ""),
    };
    Part {
        name: name.to_owned(),
        arch: String::new(),
        version: version.to_owned(),
        digest: item.nar_hash,
        size: item.nar_size,
    }
}

fn package(package: &rbld_lang::derivation::Package) -> Part {
    Part {
        name: package.name.clone(),
        arch: package.arch.clone(),
        version: package.version.clone(),
        digest: package.digest,
        size: package.size,
    }
}
