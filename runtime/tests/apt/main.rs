//! The resolver against apt: the same indexes, an empty system, no recommended packages, the same set.
//!
//! Indexes come from the mirror that this machine's apt uses. Two suites by default, each alone and with those that are
//! published beside it; `RBLD_TEST_LISTS=70` takes so many lists of each of four suites for two architectures, and of two with
//! what is beside them; `RBLD_TEST_LOG` names a file to which each result is written and from which a run that was cut short goes
//! on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lists;
mod oracle;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::Range;
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
use rbld_lang::lock::{Beside, Facts, SuiteAt};

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

/// Pairs that are resolved with their updates, security and backports too.
const TOGETHER: &[(&str, Arch)] =
    &[("bookworm", Arch::Amd64), ("trixie", Arch::Arm64), ("bookworm", Arch::Arm64), ("trixie", Arch::Amd64)];

/// The lists that a plain run takes of the first two of these: random ones.
const FEW_TOGETHER: Range<usize> = 10..20;

/// What is published beside a suite: its archive, and what its name ends in. Backports are wanted only where nothing else has a
/// package.
const BESIDE: &[(&str, &str)] =
    &[("debian", "-updates"), ("debian-security", "-security"), ("debian", "-backports")];

fn sources() -> Sources {
    // Beside the build's other files, so that a second run asks the mirror for little.
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("index-cache");
    let store = Store::open(&folder).unwrap();
    let mirrors = Mirrors::from_machine(&Config::default());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    Sources::new(Http::new(false).unwrap(), mirrors, store, Progress::silent(), now)
}

/// A suite for an architecture, alone or with those beside it, read once.
struct Corpus {
    suite: SuiteAt,
    arch: Arch,
    parts: Vec<Part>,
    /// The `Sources` of all.
    sources: Vec<Arc<Vec<u8>>>,
}

/// One of the suites.
pub(crate) struct Part {
    pub(crate) suite: String,
    /// How much its packages are wanted, as apt ranks them.
    pub(crate) rank: u16,
    /// The digest of the signed index.
    release: String,
    pub(crate) packages: Arc<Vec<u8>>,
}

impl Corpus {
    fn new(name: &str, arch: Arch, together: bool, sources: &Sources) -> Corpus {
        let beside = |(archive, end): &(&str, &str)| Beside {
            archive: (*archive).to_owned(),
            suite: format!("{name}{end}"),
            components: vec!["main".to_owned()],
            keyring: None,
        };
        let suite = SuiteAt {
            archive: "debian".to_owned(),
            suite: name.to_owned(),
            components: vec!["main".to_owned()],
            instant: sources.now,
            beside: if together { BESIDE.iter().map(beside).collect() } else { Vec::new() },
            ..SuiteAt::default()
        };
        let mut corpus = Corpus { suite: suite.clone(), arch, parts: Vec::new(), sources: Vec::new() };
        for suite in suite.each() {
            let release = sources.release(&suite).unwrap();
            corpus.sources.extend(sources.sources(&suite, &release).unwrap());
            corpus.parts.push(Part {
                packages: sources.packages(&suite, &release, arch).unwrap().remove(0),
                rank: release.rank,
                release: release.digest.to_string(),
                suite: suite.suite,
            });
        }
        corpus
    }

    /// What it is called in the log.
    fn title(&self) -> String {
        let suites: Vec<&str> = self.parts.iter().map(|part| part.suite.as_str()).collect();
        let releases: Vec<&str> = self.parts.iter().map(|part| part.release.as_str()).collect();
        format!("{} {} {}", suites.join("+"), self.arch.name(), releases.join("+"))
    }

    fn universe(&self) -> Universe<'_> {
        let mut universe = Universe::new(self.arch.name()).of_archives(vec![None; self.parts.len()]);
        for (index, part) in (0..).zip(&self.parts) {
            universe.add_of(&part.packages, index, part.rank).unwrap();
        }
        universe
    }

    /// What lists are made of: of several suites, half of it what those beside the first have.
    fn names<'a>(&'a self, universe: &'a Universe<'_>) -> Names<'a> {
        let named = |text: &'a Arc<Vec<u8>>| {
            let all = stanza::stanzas(text).filter(|stanza| stanza.get("Extra-Source-Only").is_none());
            all.filter_map(|stanza| stanza.get("Package")).collect::<Vec<&str>>()
        };
        let mixed = |texts: Vec<&'a Arc<Vec<u8>>>| {
            let mut names = texts.iter().copied().map(named);
            let mut first = names.next().unwrap_or_default();
            let beside: Vec<&str> = names.flatten().collect();
            first.extend(beside.iter().cycle().take(if beside.is_empty() { 0 } else { first.len() }));
            first
        };
        let packages = mixed(self.parts.iter().map(|part| &part.packages).collect());
        let sources = mixed(self.sources.iter().collect());
        let provided = universe.names().filter(|(id, text)| {
            let named = universe.named(*id);
            named.offers.is_empty() && !named.providers.is_empty() && !text.contains(':')
        });
        Names { packages, sources, provided: provided.map(|(_, text)| text).collect() }
    }

    /// The versions that the first suite doesn't have.
    fn beside(&self) -> BTreeSet<String> {
        let of = |part: &Part| -> BTreeSet<String> {
            let named = |stanza: stanza::Stanza<'_>| {
                Some(format!("{} {}", stanza.get("Package")?, stanza.get("Version")?))
            };
            stanza::stanzas(&part.packages).filter_map(named).collect()
        };
        let Some((first, others)) = self.parts.split_first() else { return BTreeSet::new() };
        let first = of(first);
        others.iter().flat_map(of).filter(|one| !first.contains(one)).collect()
    }

    /// The packages that every system has.
    fn essential(&self) -> Vec<String> {
        let texts = self.parts.iter().flat_map(|part| stanza::stanzas(&part.packages));
        let marked = texts.filter(|stanza| stanza.get("Essential") == Some("yes"));
        let names: BTreeSet<String> =
            marked.filter_map(|stanza| stanza.get("Package").map(str::to_owned)).collect();
        names.into_iter().collect()
    }
}

/// What ours chooses, as `name version`.
fn ours(corpus: &Corpus, universe: &Universe<'_>, list: &List) -> Result<BTreeSet<String>, String> {
    let facts = debian::environment(
        &corpus.suite,
        corpus.arch,
        &list.packages,
        &list.build_depends,
        universe.clone(),
        &corpus.sources,
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
fn theirs(
    apt: &Apt,
    essential: &[String],
    list: &List,
    sources: &[Arc<Vec<u8>>],
) -> Result<BTreeSet<String>, String> {
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
fn build_fields(sources: &[Arc<Vec<u8>>], name: &str) -> (String, String) {
    let texts: Vec<&[u8]> = sources.iter().map(|text| text.as_slice()).collect();
    let version = debian::source::find(&texts, name).unwrap().version;
    let stanza = texts
        .iter()
        .flat_map(|text| stanza::stanzas(text))
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
fn compare(corpus: &Corpus, numbers: Range<usize>, log: &mut Log) -> Vec<String> {
    let universe = corpus.universe();
    let (names, essential) = (corpus.names(&universe), corpus.essential());
    let (apt, beside) = (Apt::new(corpus.arch, &corpus.parts), corpus.beside());
    let (name, arch) = (&corpus.suite.suite, corpus.arch);
    let (mut wrong, mut others) = (Vec::new(), false);
    for number in numbers {
        let what = format!("{} {SEED} {number}", corpus.title());
        let verdict = log.known(&what).unwrap_or_else(|| {
            let list = List::new(number, name, arch, &names);
            let ours = ours(corpus, &universe, &list);
            let verdict = judge(&list, &beside, ours, theirs(&apt, &essential, &list, &corpus.sources));
            log.write(&what, &verdict);
            verdict
        });
        others |= verdict.contains(" packages, ") && !verdict.contains(", 0 of");
        if verdict.starts_with("differs") {
            wrong.push(format!("{what}: {verdict}"));
        }
    }
    assert!(
        beside.is_empty() || others,
        "{name}: no list took anything of what is published beside the suite"
    );
    wrong
}

/// One line: `same N packages`, `none` when neither finds a set, or how they differ.
fn judge(
    list: &List,
    beside: &BTreeSet<String>,
    ours: Result<BTreeSet<String>, String>,
    theirs: Result<BTreeSet<String>, String>,
) -> String {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if ours == theirs => {
            let others = ours.iter().filter(|one| beside.contains(*one)).count();
            match beside.is_empty() {
                true => format!("same {} packages", ours.len()),
                false => format!("same {} packages, {others} of them not of the first suite", ours.len()),
            }
        }
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
    let (numbers, pairs) = lists.map_or((0..FEW, FEW_PAIRS), |lists| (0..lists, PAIRS));
    differences(pairs, &numbers, false);
}

#[test]
fn apt_installs_the_same_packages_from_several_suites() {
    let lists = std::env::var("RBLD_TEST_LISTS").ok().and_then(|value| value.parse().ok());
    let (numbers, pairs) = lists.map_or((FEW_TOGETHER, &TOGETHER[..2]), |lists| (0..lists, TOGETHER));
    differences(pairs, &numbers, true);
}

fn differences(pairs: &[(&str, Arch)], numbers: &Range<usize>, together: bool) {
    let sources = sources();
    let mut log = Log::open();
    let one = |(name, arch): &(&str, Arch)| {
        let corpus = Corpus::new(name, *arch, together, &sources);
        compare(&corpus, numbers.clone(), &mut log)
    };
    let differences: Vec<String> = pairs.iter().flat_map(one).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
