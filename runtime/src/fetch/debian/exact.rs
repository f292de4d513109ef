//! Packages asked for by exact version, as a `.buildinfo` lists them: nothing is chosen, and nothing comes on top but what
//! the file asks for besides.
//!
//! A version is looked for in the indexes of the request. What isn't there any more, or not yet, the snapshot service is
//! asked about: it knows when a file was first seen. It is believed no more than that: the package is then taken from the
//! signed index of that time.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::derivation::{Arch, ArchiveId, Package};
use rbld_lang::lock::{Beside, Facts, Index, LockedPackage, SuiteAt};

use super::archive::Sources;
use super::index::{OfferId, Universe};
use super::suites::{self, Suites};
use crate::failure::{Failure, Kind, Result};
use crate::fetch::date;
use crate::progress::Step;

/// The most states of an archive that are looked into.
const STATES: usize = 40;

/// The most that the service says of one package, in bytes.
const ANSWER: u64 = 4 << 20;

/// How many missing packages a failure names.
const NAMED: usize = 40;

/// Whether packages are asked for by exact version.
pub(super) fn is_exact(packages: &[String]) -> bool {
    packages.iter().any(|package| package.contains('='))
}

/// The packages that are asked for besides, by name alone.
pub(super) fn besides(packages: &[String]) -> Vec<String> {
    packages.iter().filter(|package| !package.contains('=')).cloned().collect()
}

/// Adds packages and what they need to exact ones, from a set in which they were chosen: whatever the exact ones have by name
/// stays as it is.
pub(super) fn add(exact: &mut Facts, chosen: Facts, names: &[String]) {
    let (Facts::Environment { packages, roots, .. }, Facts::Environment { packages: more, .. }) =
        (exact, chosen)
    else {
        return;
    };
    let mut there: BTreeSet<String> = packages.iter().map(|locked| locked.package.name.clone()).collect();
    let own = there.clone();
    let mut open: Vec<String> = names.to_vec();
    while let Some(name) = open.pop() {
        let Some(locked) = more.iter().find(|locked| locked.package.name == name) else { continue };
        if there.insert(name) {
            open.extend(locked.needs.iter().cloned());
            packages.push(LockedPackage { package: locked.package.clone(), needs: Vec::new() });
        }
    }
    packages.sort_by(|a, b| (&a.package.name, &a.package.arch).cmp(&(&b.package.name, &b.package.arch)));
    roots.extend(there.into_iter().filter(|name| !own.contains(name)));
    roots.sort();
}

/// What is asked for.
pub(super) struct Exact<'e> {
    pub(super) suite: &'e SuiteAt,
    pub(super) arch: Arch,
    /// `NAME=VERSION`, sorted.
    pub(super) packages: &'e [String],
    pub(super) sources: &'e Sources,
}

/// A name and a version.
type Wanted<'e> = (&'e str, &'e str);

/// What the snapshot service says of the files of a package.
#[derive(serde::Deserialize)]
struct Files {
    #[serde(default)]
    result: Vec<File>,
    #[serde(default)]
    fileinfo: BTreeMap<String, Vec<Seen>>,
}

#[derive(serde::Deserialize)]
struct File {
    architecture: String,
    hash: String,
}

#[derive(serde::Deserialize)]
struct Seen {
    archive_name: String,
    first_seen: String,
}

impl Exact<'_> {
    /// The packages, and the signed indexes beyond the request's own that they were found in.
    pub(super) fn find(&self, universe: &Universe<'_>) -> Result<(Facts, Vec<Index>)> {
        let mut found = Vec::new();
        let mut missing: BTreeSet<Wanted<'_>> = BTreeSet::new();
        for (name, version) in self.packages.iter().filter_map(|package| package.split_once('=')) {
            match offer(universe, name, version) {
                Some(offer) => found.push(super::package(universe, universe.offer(offer))?),
                None => drop(missing.insert((name, version))),
            }
        }
        let mut indexes = Vec::new();
        if !missing.is_empty() {
            let why = self.earlier(&mut missing, &mut found, &mut indexes)?;
            if !missing.is_empty() {
                return Err(self.lacking(universe, &missing, &why));
            }
        }
        found.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
        let roots: BTreeSet<String> = found.iter().map(|package| package.name.clone()).collect();
        let packages =
            found.into_iter().map(|package| LockedPackage { package, needs: Vec::new() }).collect();
        Ok((Facts::Environment { packages, roots: roots.into_iter().collect(), tree: None }, indexes))
    }

    /// Finds in earlier and later states of the archive what is missing; says why something stays so.
    fn earlier(
        &self,
        missing: &mut BTreeSet<Wanted<'_>>,
        found: &mut Vec<Package>,
        indexes: &mut Vec<Index>,
    ) -> Result<BTreeMap<String, String>> {
        let mut why = BTreeMap::new();
        self.at_hand(missing, found, indexes)?;
        if missing.is_empty() {
            return Ok(why);
        }
        let services = self.sources.mirrors.services("debian");
        let known = ["debian", "debian-security"].contains(&self.suite.archive.as_str());
        if services.is_empty() || !known {
            return Ok(why);
        }
        let task = self.sources.progress.begin(Step::Resolve, "what the index has no more");
        let mut seen: BTreeMap<Wanted<'_>, Vec<ArchiveId>> = BTreeMap::new();
        for (name, version) in missing.iter().copied() {
            match self.first_seen(&services, name, version) {
                Ok(states) => drop(seen.insert((name, version), states)),
                Err(failure) if matches!(failure.kind, Kind::Interrupted(_)) => return Err(failure),
                Err(failure) => drop(why.insert(name.to_owned(), failure.message)),
            }
        }
        // The latest state first: what was installed together was there together.
        let mut tried: BTreeSet<ArchiveId> = BTreeSet::new();
        while tried.len() < STATES {
            let open =
                seen.iter().filter(|(wanted, _)| missing.contains(*wanted)).flat_map(|(_, states)| states);
            let latest = open.filter(|state| !tried.contains(*state)).max_by_key(|state| state.instant);
            let Some(state) = latest.cloned() else { break };
            for suite in self.suites_at(&state) {
                self.try_take(&suite, missing, found, indexes)?;
            }
            tried.insert(state);
        }
        task.done("");
        Ok(why)
    }

    /// Finds what is missing in the states whose signed indexes are at hand, the latest first: of what was vendored nobody has
    /// to be asked.
    fn at_hand(
        &self,
        missing: &mut BTreeSet<Wanted<'_>>,
        found: &mut Vec<Package>,
        indexes: &mut Vec<Index>,
    ) -> Result<()> {
        let known = self.sources.at_hand()?;
        let mut states: Vec<&ArchiveId> = known.iter().map(|(state, _)| state).collect();
        states.sort_by_key(|state| (std::cmp::Reverse(state.instant), &state.name));
        states.dedup();
        // That of the request itself was looked into already.
        states.retain(|state| {
            ["debian", "debian-security"].contains(&state.name.as_str())
                && state.instant != self.suite.instant
        });
        for state in states.into_iter().take(STATES) {
            for suite in self.suites_at(state) {
                if known.contains(&(state.clone(), suite.suite.clone())) {
                    self.try_take(&suite, missing, found, indexes)?;
                }
            }
        }
        Ok(())
    }

    /// When and in which archives a version was first seen.
    fn first_seen(&self, services: &[String], name: &str, version: &str) -> Result<Vec<ArchiveId>> {
        let mut last = Failure::world("no snapshot service can be asked");
        for service in services {
            let url = format!("{service}/mr/binary/{name}/{version}/binfiles?fileinfo=1");
            let bytes = match self.sources.http.get(&url, ANSWER) {
                Ok(bytes) => bytes,
                Err(failure) if matches!(failure.kind, Kind::Interrupted(_)) => return Err(failure),
                Err(failure) => {
                    last = failure;
                    continue;
                }
            };
            let Ok(files) = serde_json::from_slice::<Files>(&bytes) else {
                last = Failure::world(format!("`{url}` answers with something else than it should"));
                continue;
            };
            let of_arch = |file: &&File| file.architecture == self.arch.name() || file.architecture == "all";
            let mut states: Vec<ArchiveId> = Vec::new();
            for file in files.result.iter().filter(of_arch) {
                for seen in files.fileinfo.get(&file.hash).into_iter().flatten() {
                    let known = ["debian", "debian-security"].contains(&seen.archive_name.as_str());
                    if let Some(instant) = date::read_stamp(&seen.first_seen).filter(|_| known) {
                        states.push(ArchiveId { name: seen.archive_name.clone(), instant });
                    }
                }
            }
            if states.is_empty() {
                last = Failure::world(format!("`{service}` knows no file of it for {}", self.arch.name()));
                continue;
            }
            return Ok(states);
        }
        Err(last)
    }

    /// The suites of an archive that may have listed a file when it was first seen.
    fn suites_at(&self, state: &ArchiveId) -> Vec<SuiteAt> {
        let own = self.suite.each();
        let first = &self.suite.suite;
        let more: Vec<String> = match state.name.as_str() {
            "debian" => {
                vec!["sid".to_owned(), format!("{first}-updates"), format!("{first}-proposed-updates")]
            }
            _ => vec![format!("{first}-security")],
        };
        let keyring = own.iter().find(|suite| suite.archive == state.name).and_then(|suite| suite.keyring);
        let names: Vec<String> = own
            .iter()
            .filter(|suite| suite.archive == state.name)
            .map(|suite| suite.suite.clone())
            .chain(more)
            .collect();
        let mut known = BTreeSet::new();
        let at = |name: String| SuiteAt {
            archive: state.name.clone(),
            suite: name,
            components: self.suite.components.clone(),
            instant: state.instant,
            keyring,
            beside: Vec::<Beside>::new(),
        };
        names.into_iter().filter(|name| known.insert(name.clone())).map(at).collect()
    }

    /// As [`Exact::take`]; a suite that can't be read is said, and left.
    fn try_take(
        &self,
        suite: &SuiteAt,
        missing: &mut BTreeSet<Wanted<'_>>,
        found: &mut Vec<Package>,
        indexes: &mut Vec<Index>,
    ) -> Result<()> {
        match self.take(suite, missing, found, indexes) {
            Err(failure) if !matches!(failure.kind, Kind::Interrupted(_)) => {
                self.sources.progress.say(&format!("{} {}: {}", suite.archive, suite.suite, failure.message));
                Ok(())
            }
            taken => taken,
        }
    }

    /// Takes from a suite what is missing and is in it.
    fn take(
        &self,
        suite: &SuiteAt,
        missing: &mut BTreeSet<Wanted<'_>>,
        found: &mut Vec<Package>,
        indexes: &mut Vec<Index>,
    ) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let suites = Suites::open(suite, self.sources)?;
        let texts = suites.packages(self.arch, self.sources)?;
        let universe = suites.universe(self.arch, &texts)?;
        let here: Vec<(Wanted<'_>, OfferId)> = missing
            .iter()
            .filter_map(|wanted| offer(&universe, wanted.0, wanted.1).map(|offer| (*wanted, offer)))
            .collect();
        for (wanted, offer) in &here {
            let mut package = super::package(&universe, universe.offer(*offer))?;
            package.origin = Some(suite.archive_id());
            found.push(package);
            missing.remove(wanted);
        }
        if !here.is_empty() {
            for mut index in suites.indexes() {
                index.archive = (suite.archive != self.suite.archive).then(|| suite.archive.clone());
                if !indexes.contains(&index) {
                    indexes.push(index);
                }
            }
        }
        Ok(())
    }

    /// The failure that names what can't be had.
    fn lacking(
        &self,
        universe: &Universe<'_>,
        missing: &BTreeSet<Wanted<'_>>,
        why: &BTreeMap<String, String>,
    ) -> Failure {
        let count = match missing.len() {
            1 => "a package that the `.buildinfo` names isn't".to_owned(),
            count => format!("{count} packages that the `.buildinfo` names aren't"),
        };
        let mut failure = Failure::input(format!("{count} in {}", suites::place_at(self.suite, self.arch)));
        for (name, version) in missing.iter().take(NAMED) {
            let there: Vec<&str> = universe
                .find(name)
                .map(|name| {
                    universe.named(name).offers.iter().map(|id| universe.offer(*id).version).collect()
                })
                .unwrap_or_default();
            let instead = match there[..] {
                [] => "no version is there".to_owned(),
                _ => format!("there is {}", there.join(", ")),
            };
            let asked = why.get(*name).map(|why| format!("; {why}")).unwrap_or_default();
            failure = failure.fact(format!("`{name}` {version}: {instead}{asked}"));
        }
        if missing.len() > NAMED {
            failure = failure.fact(format!("and {} more", missing.len() - NAMED));
        }
        failure.help(
            "pin the instant of its `Build-Date`, of the suite that it was built in (packages uploaded by a person are built in \
             `sid`), with `updates = true` and `security = true` where the builder had them",
        )
    }
}

/// A version of a package on offer, exactly.
fn offer(universe: &Universe<'_>, name: &str, version: &str) -> Option<OfferId> {
    let name = universe.find(name)?;
    universe.named(name).offers.iter().copied().find(|id| universe.offer(*id).version == version)
}
