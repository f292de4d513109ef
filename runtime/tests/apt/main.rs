//! The resolver against apt: the same indexes, an empty system, no recommended packages, the same set.
//!
//! Indexes come from the mirror that this machine's apt uses. Two suites by default; `RBLD_TEST_LISTS=70` takes so
//! many lists of each of four suites for two architectures, and `RBLD_TEST_LOG` names a file to which each result is
//! written and from which a run that was cut short goes on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lists;
mod oracle;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use lists::{List, Names, SEED};
use oracle::Apt;
use rbld::config::Config;
use rbld::fetch::debian::{self, Sources, index::Universe, stanza};
use rbld::fetch::http::Http;
use rbld::fetch::mirrors::Mirrors;
use rbld::progress::Progress;
use rbld::store::Store;
use rbld_lang::derivation::Arch;
use rbld_lang::lock::{Facts, SuiteAt};

/// How many lists a plain run takes of each pair: all that are known, and some random ones.
const FEW: usize = 16;

const FEW_PAIRS: &[(&str, Arch)] = &[("bookworm", Arch::Amd64), ("trixie", Arch::Arm64)];

const PAIRS: &[(&str, Arch)] = &[
    ("bookworm", Arch::Amd64),
    ("trixie", Arch::Arm64),
    ("bullseye", Arch::Amd64),
    ("sid", Arch::Amd64),
    ("bookworm", Arch::Arm64),
    ("trixie", Arch::Amd64),
    ("bullseye", Arch::Arm64),
    ("sid", Arch::Arm64),
];

fn sources() -> Sources {
    // Beside the build's other files, so that a second run asks the mirror for little.
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("index-cache");
    let store = Store::open(&folder).unwrap();
    let mirrors = Mirrors::from_machine(&Config::default());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    Sources::new(Http::new(false).unwrap(), mirrors, store, Progress::silent(), now)
}

/// A suite for an architecture, read once.
struct Corpus {
    suite: SuiteAt,
    arch: Arch,
    /// The digest of the signed index.
    release: String,
    packages: Arc<Vec<u8>>,
    sources: Arc<Vec<u8>>,
}

impl Corpus {
    fn new(name: &str, arch: Arch, sources: &Sources) -> Corpus {
        let suite = SuiteAt {
            archive: "debian".to_owned(),
            suite: name.to_owned(),
            components: vec!["main".to_owned()],
            instant: sources.now,
            ..SuiteAt::default()
        };
        let release = sources.release(&suite).unwrap();
        Corpus {
            packages: sources.packages(&suite, &release, arch).unwrap().remove(0),
            sources: sources.sources(&suite, &release).unwrap().remove(0),
            release: release.digest.to_string(),
            suite,
            arch,
        }
    }
}

/// What ours chooses, as `name version`.
fn ours(corpus: &Corpus, universe: &Universe<'_>, list: &List) -> Result<BTreeSet<String>, String> {
    let sources = [corpus.sources.clone()];
    let facts = debian::environment(
        &corpus.suite,
        corpus.arch,
        &list.packages,
        &list.build_depends,
        universe.clone(),
        &sources,
    );
    match facts {
        Ok(Facts::Environment { packages, .. }) => {
            Ok(packages.iter().map(|one| format!("{} {}", one.package.name, one.package.version)).collect())
        }
        Ok(_) => Err("not an environment".to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

/// What apt chooses: given names, or made to satisfy the same fields of `Sources`.
fn theirs(apt: &Apt, essential: &[String], list: &List, sources: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut asked: Vec<String> = essential.iter().chain(&list.packages).cloned().collect();
    if list.build_depends.is_empty() {
        return apt.install(&asked);
    }
    asked.push("build-essential".to_owned());
    let mut wishes = vec![asked.join(", ")];
    for name in &list.build_depends {
        let (needs, conflicts) = build_fields(sources, name);
        if !needs.is_empty() {
            wishes.push(needs);
        }
        if !conflicts.is_empty() {
            wishes.push(format!("Conflicts: {conflicts}"));
        }
    }
    apt.satisfy(&wishes)
}

/// What a source needs and can't stand, as one relation field each.
fn build_fields(sources: &[u8], name: &str) -> (String, String) {
    let version = debian::source::find(&[sources], name).unwrap().version;
    let stanza = stanza::stanzas(sources)
        .find(|one| one.get("Package") == Some(name) && one.get("Version") == Some(version))
        .unwrap();
    let fields = |kind: &str| {
        let names = ["", "-Arch", "-Indep"].map(|part| format!("Build-{kind}{part}"));
        let found = names.iter().filter_map(|name| stanza.get(name));
        found.map(|value| value.replace('\n', " ")).collect::<Vec<_>>().join(", ")
    };
    (fields("Depends"), fields("Conflicts"))
}

/// Compares so many lists; gives the differences.
fn compare(name: &str, arch: Arch, count: usize, sources: &Sources, log: &mut Log) -> Vec<String> {
    let corpus = Corpus::new(name, arch, sources);
    let mut universe = Universe::new(arch.name());
    universe.add(&corpus.packages).unwrap();
    let field = |stanza: stanza::Stanza<'_>, name: &str| stanza.get(name).is_some();
    let names = Names {
        packages: stanza::stanzas(&corpus.packages).filter_map(|stanza| stanza.get("Package")).collect(),
        sources: stanza::stanzas(&corpus.sources)
            .filter(|stanza| !field(*stanza, "Extra-Source-Only"))
            .filter_map(|stanza| stanza.get("Package"))
            .collect(),
        provided: universe
            .names()
            .filter(|(id, text)| {
                let named = universe.named(*id);
                named.offers.is_empty() && !named.providers.is_empty() && !text.contains(':')
            })
            .map(|(_, text)| text)
            .collect(),
    };
    let mut essential: Vec<String> = stanza::stanzas(&corpus.packages)
        .filter(|stanza| stanza.get("Essential") == Some("yes"))
        .filter_map(|stanza| stanza.get("Package").map(str::to_owned))
        .collect();
    essential.sort();
    let apt = Apt::new(arch, &corpus.packages);
    let mut wrong = Vec::new();
    for number in 0..count {
        let what = format!("{name} {} {} {SEED} {number}", arch.name(), corpus.release);
        let verdict = log.known(&what).unwrap_or_else(|| {
            let list = List::new(number, name, arch, &names);
            let ours = ours(&corpus, &universe, &list);
            let verdict = judge(&list, ours, theirs(&apt, &essential, &list, &corpus.sources));
            log.write(&what, &verdict);
            verdict
        });
        if verdict.starts_with("differs") {
            wrong.push(format!("{what}: {verdict}"));
        }
    }
    wrong
}

/// One line: `same N packages`, `none` when neither finds a set, or how they differ.
fn judge(
    list: &List,
    ours: Result<BTreeSet<String>, String>,
    theirs: Result<BTreeSet<String>, String>,
) -> String {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if ours == theirs => format!("same {} packages", ours.len()),
        (Err(_), Err(_)) => "none".to_owned(),
        (Ok(ours), Ok(theirs)) => format!(
            "differs {list:?}: only ours {:?}, only apt's {:?}",
            ours.difference(&theirs).collect::<Vec<_>>(),
            theirs.difference(&ours).collect::<Vec<_>>()
        ),
        (Ok(_), Err(why)) => format!("differs {list:?}: apt finds none: {why:?}"),
        (Err(why), Ok(_)) => format!("differs {list:?}: only apt finds one: {why:?}"),
    }
}

/// Results so far.
#[derive(Default)]
struct Log {
    known: Vec<(String, String)>,
    file: Option<std::fs::File>,
}

impl Log {
    fn open() -> Log {
        let Ok(path) = std::env::var("RBLD_TEST_LOG") else { return Log::default() };
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let known = text.lines().filter_map(|line| line.split_once(": "));
        let known = known.map(|(what, verdict)| (what.to_owned(), verdict.to_owned())).collect();
        let file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        Log { known, file: Some(file) }
    }

    /// What came of a list before; what differed is tried again.
    fn known(&self, what: &str) -> Option<String> {
        let found = self.known.iter().rev().find(|(other, _)| other == what)?;
        (!found.1.starts_with("differs")).then(|| found.1.clone())
    }

    fn write(&mut self, what: &str, verdict: &str) {
        if let Some(file) = &mut self.file {
            writeln!(file, "{what}: {verdict}").unwrap();
        }
    }
}

#[test]
fn apt_installs_the_same_packages() {
    let lists = std::env::var("RBLD_TEST_LISTS").ok().and_then(|value| value.parse().ok());
    let (count, pairs) = lists.map_or((FEW, FEW_PAIRS), |lists| (lists, PAIRS));
    let sources = sources();
    let mut log = Log::open();
    let differences: Vec<String> =
        pairs.iter().flat_map(|(name, arch)| compare(name, *arch, count, &sources, &mut log)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
