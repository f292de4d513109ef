//! Archives of Debian's form: from a signed index at an instant to a block of the lock.
//!
//! An environment holds the packages marked `Essential: yes`, those asked for, and what these need: what apt
//! installs on an empty system without recommended packages. apt itself is there only when asked for.

pub mod archive;
mod exact;
pub mod index;
pub mod inrelease;
pub mod keyring;
pub mod relation;
pub mod resolve;
pub mod source;
pub mod stanza;
mod suites;
pub mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rbld_lang::derivation::{Arch, Package};
use rbld_lang::lock::{Block, Facts, LockedPackage, Request, SuiteAt};

pub use archive::{Sources, Used};
use exact::Exact;
use index::{NameId, Offer, Universe};
use resolve::Chosen;
use suites::Suites;

use super::date;
use crate::failure::{Failure, Result};

/// Resolves a request from signed indexes.
pub fn resolve(request: &Request, sources: &Sources) -> Result<Block> {
    let Some(suite) = request.suite() else {
        return Err(Failure::bug(format!("`{}` is no matter of an archive", request.title())));
    };
    let suites = Suites::open(suite, sources)?;
    let arch = match request {
        Request::Environment { arch, .. } | Request::Source { arch, .. } => *arch,
        Request::Emulator { host, .. } => *host,
        Request::Guix { .. } => return Err(Failure::bug("an archive was asked for store items")),
    };
    let packages = suites.packages(arch, sources)?;
    let universe = suites.universe(arch, &packages)?;
    let mut indexes = suites.indexes();
    let facts = match request {
        Request::Environment { packages, .. } if exact::is_exact(packages) => {
            let (mut facts, more) = Exact { suite, arch, packages, sources }.find(&universe)?;
            indexes.extend(more.into_iter().filter(|one| !indexes.contains(one)).collect::<Vec<_>>());
            let besides = exact::besides(packages);
            if !besides.is_empty() {
                let chosen = environment(suite, arch, &besides, &[], universe, &[])?;
                exact::add(&mut facts, chosen, &besides);
            }
            facts
        }
        Request::Environment { packages: wanted, build_depends, .. } => {
            let texts = if build_depends.is_empty() { Vec::new() } else { suites.sources(sources)? };
            let texts: Vec<Arc<Vec<u8>>> = texts.into_iter().map(|index| index.text).collect();
            environment(suite, arch, wanted, build_depends, universe, &texts)?
        }
        Request::Source { name, .. } => {
            let of = suites.sources(sources)?;
            let texts: Vec<Arc<Vec<u8>>> = of.iter().map(|index| index.text.clone()).collect();
            let found = find_source(suite, &texts, name)?;
            let origin = of.get(found.at).and_then(|index| suites.origin(index.index));
            Facts::Source {
                version: found.version.to_owned(),
                files: found.files(origin)?,
                binaries: found.binaries(&universe)?,
            }
        }
        Request::Emulator { .. } => emulator(suite, &universe)?,
        Request::Guix { .. } => return Err(Failure::bug("an archive was asked for store items")),
    };
    Ok(Block { title: request.clone(), indexes, facts })
}

/// Resolves requests side by side, in their order.
pub fn resolve_all(requests: &[Request], sources: &Sources) -> Vec<Result<Block>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4).min(requests.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = requests.get(at) else { return };
                    let block = resolve(request, sources);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, block);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Chooses the packages of an environment from what is on offer. `wanted` are names of packages, `build_depends` of
/// sources, whose stanzas are in `source_indexes`.
pub fn environment<'a>(
    suite: &SuiteAt,
    arch: Arch,
    wanted: &[String],
    build_depends: &[String],
    mut universe: Universe<'a>,
    source_indexes: &'a [Arc<Vec<u8>>],
) -> Result<Facts> {
    let mut asked = essential(&universe);
    for name in wanted {
        asked.push(wish(&universe, suite, arch, name)?);
    }
    if !build_depends.is_empty() {
        asked.push(wish(&universe, suite, arch, "build-essential")?);
    }
    let mut pretended = BTreeSet::new();
    for name in build_depends {
        let found = find_source(suite, source_indexes, name)?;
        let needs = found.build_needs(arch.name())?;
        let id = universe.add_wish(format!("builddeps:{name}"), &needs.needs, &needs.conflicts);
        pretended.insert(id);
        asked.push(id);
    }
    let chosen = resolve::choose(&universe, &asked).map_err(|wrong| unsolvable(suite, arch, wrong))?;
    let needs = needs(&universe, &chosen, &asked);
    let mut locked = Vec::new();
    let mut roots: BTreeSet<String> = BTreeSet::new();
    for (name, id) in &chosen {
        let needs = needs.get(name).into_iter().flatten().map(|need| universe.text(*need).to_owned());
        if pretended.contains(name) {
            roots.extend(needs);
            continue;
        }
        if asked.contains(name) {
            roots.insert(universe.text(*name).to_owned());
        }
        let mut needs: Vec<String> = needs.collect();
        needs.sort();
        locked.push(LockedPackage { package: package(&universe, universe.offer(*id))?, needs });
    }
    locked.sort_by(|a, b| (&a.package.name, &a.package.arch).cmp(&(&b.package.name, &b.package.arch)));
    Ok(Facts::Environment { packages: locked, roots: roots.into_iter().collect(), tree: None })
}

/// The packages that every system has, by name.
fn essential(universe: &Universe<'_>) -> Vec<NameId> {
    let mut names: Vec<(&str, NameId)> = universe
        .names()
        .filter(|(name, _)| universe.named(*name).essential && !universe.named(*name).offers.is_empty())
        .map(|(name, text)| (text, name))
        .collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

/// The package that a name asked for means: itself, or the only one that provides it.
fn wish(universe: &Universe<'_>, suite: &SuiteAt, arch: Arch, name: &str) -> Result<NameId> {
    let place = suites::place_at(suite, arch);
    // The architecture is this one anyway; of another there is nothing.
    let own = name.strip_suffix(arch.name()).and_then(|name| name.strip_suffix(':')).unwrap_or(name);
    let Some(id) = universe.find(own) else {
        let failure = Failure::input(format!("no package `{name}` is in {place}"));
        return Err(
            match nearest(
                name,
                universe.names().filter(|(id, _)| is_real(universe, *id)).map(|(_, text)| text),
            ) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure,
            },
        );
    };
    if is_real(universe, id) {
        return Ok(id);
    }
    let by: BTreeSet<NameId> =
        universe.named(id).providers.iter().map(|provider| universe.offer(provider.by).name).collect();
    let mut names: Vec<&str> = by.iter().map(|name| universe.text(*name)).collect();
    names.sort_unstable();
    match by.first() {
        Some(only) if by.len() == 1 => Ok(*only),
        Some(_) => {
            Err(Failure::input(format!("`{name}` isn't a package of {place} but what several provide"))
                .help(format!("ask for one of them: {}", names.join(", "))))
        }
        None => Err(Failure::input(format!("no package `{name}` is in {place}, though others mention it"))),
    }
}

fn is_real(universe: &Universe<'_>, name: NameId) -> bool {
    !universe.named(name).offers.is_empty()
}

/// The name that differs least, if it differs little.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .filter(|other| other.len().abs_diff(name.len()) <= 2)
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, _)| *distance <= 1 + name.len() / 5)
        .min()
        .map(|(_, other)| other)
}

fn unsolvable(suite: &SuiteAt, arch: Arch, wrong: resolve::Unsolvable) -> Failure {
    let wish = match wrong.wish.strip_prefix("builddeps:") {
        Some(source) => format!("what building `{source}` needs"),
        None => format!("`{}`", wrong.wish),
    };
    let mut failure =
        Failure::input(format!("{wish} can't be installed from {}", suites::place_at(suite, arch)));
    failure.facts = wrong.chain.into_iter().map(|line| line.replace("`builddeps:", "building `")).collect();
    failure.help("leave one of the packages out, or pin another instant")
}

/// The chosen packages that each chosen one needs: all that meet any of its relations.
///
/// apt also keeps what it came across and something else recommends or suggests; such a package counts as
/// needed by the first that does, so that from the roots every package is reached.
fn needs(universe: &Universe<'_>, chosen: &Chosen, asked: &[NameId]) -> BTreeMap<NameId, BTreeSet<NameId>> {
    let meets = |relation: &index::Relation<'_>| -> Vec<NameId> {
        let own = chosen
            .get(&relation.target)
            .filter(|offer| relation.op.holds(Some(universe.offer(**offer).version), relation.version))
            .map(|_| relation.target);
        let providers = universe.named(relation.target).providers.iter().filter(|provider| {
            chosen.get(&universe.offer(provider.by).name) == Some(&provider.by)
                && relation.op.holds(provider.version, relation.version)
        });
        own.into_iter().chain(providers.map(|provider| universe.offer(provider.by).name)).collect()
    };
    let mut needs: BTreeMap<NameId, BTreeSet<NameId>> = BTreeMap::new();
    for (name, id) in chosen {
        let relations = universe.relations(*id).iter().filter(|relation| relation.kind.is_needed());
        let mut met: BTreeSet<NameId> = relations.flat_map(meets).collect();
        met.remove(name);
        needs.insert(*name, met);
    }
    let mut reached = BTreeSet::new();
    let mut open: Vec<NameId> = asked.to_vec();
    loop {
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                open.extend(needs.get(&name).into_iter().flatten());
            }
        }
        let link = chosen.iter().filter(|(name, _)| reached.contains(*name)).find_map(|(name, id)| {
            let weak = universe.relations(*id).iter().filter(|relation| !relation.kind.is_negative());
            weak.flat_map(meets).find(|other| !reached.contains(other)).map(|other| (*name, other))
        });
        let Some((from, to)) = link else { return needs };
        needs.entry(from).or_default().insert(to);
        open.push(to);
    }
}

/// What the lock keeps of a version on offer.
fn package(universe: &Universe<'_>, offer: &Offer<'_>) -> Result<Package> {
    let name = universe.text(offer.name);
    let wrong = |what: &str| {
        Failure::world(format!(
            "the index's entry of `{name}` {} has no {what} that can be used",
            offer.version
        ))
    };
    let path_fits = !offer.path.is_empty()
        && !offer.path.starts_with('/')
        && offer.path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && !offer.path.contains(|c: char| c.is_ascii_whitespace() || c.is_control());
    Ok(Package {
        name: name.to_owned(),
        arch: offer.arch.to_owned(),
        version: offer.version.to_owned(),
        digest: offer.digest.parse().map_err(|_| wrong("SHA256"))?,
        size: offer.size.parse().map_err(|_| wrong("Size"))?,
        path: if path_fits { offer.path.to_owned() } else { return Err(wrong("Filename")) },
        origin: universe.origin(offer),
    })
}

fn find_source<'a>(
    suite: &SuiteAt,
    indexes: &'a [Arc<Vec<u8>>],
    name: &str,
) -> Result<source::SourcePackage<'a>> {
    let texts: Vec<&[u8]> = indexes.iter().map(|text| text.as_slice()).collect();
    source::find(&texts, name).ok_or_else(|| {
        let names =
            texts.iter().flat_map(|text| stanza::stanzas(text)).filter_map(|stanza| stanza.get("Package"));
        let failure = Failure::input(format!(
            "no source package `{name}` is in {} at {}",
            suites::place(suite),
            date::instant(suite.instant)
        ));
        match nearest(name, names) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        }
    })
}

/// The package whose programs are static: `qemu-user-static`, or `qemu-user` once that took its place.
fn emulator(suite: &SuiteAt, universe: &Universe<'_>) -> Result<Facts> {
    let best = |name: &str| universe.find(name).and_then(|name| universe.named(name).offers.first().copied());
    let found = best("qemu-user-static")
        .filter(|id| {
            let user = universe.find("qemu-user");
            !universe
                .relations(*id)
                .iter()
                .any(|relation| relation.kind.is_needed() && Some(relation.target) == user)
        })
        .or_else(|| best("qemu-user"))
        .ok_or_else(|| Failure::input(format!("`{}` has no static qemu-user", suite.suite)))?;
    Ok(Facts::Emulator(LockedPackage {
        package: package(universe, universe.offer(found))?,
        needs: Vec::new(),
    }))
}
