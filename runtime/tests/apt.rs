//! The resolver against apt: the same indexes, an empty system, no recommended packages, the same set.
//!
//! Indexes come from the mirror that this machine's apt uses. `RBLD_TEST_LISTS` asks for more lists.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

use rbld::config::Config;
use rbld::fetch::debian::{self, Sources};
use rbld::fetch::http::Http;
use rbld::fetch::mirrors::Mirrors;
use rbld::progress::Progress;
use rbld::store::Store;
use rbld_lang::derivation::Arch;
use rbld_lang::lock::{Facts, Request, SuiteAt};

fn suite(name: &str, instant: i64) -> SuiteAt {
    SuiteAt {
        archive: "debian".to_owned(),
        suite: name.to_owned(),
        components: vec!["main".to_owned()],
        instant,
    }
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

fn sources() -> Sources {
    // Beside the build's other files, so that a second run asks the mirror for little.
    let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("index-cache");
    let store = Store::open(&folder).unwrap();
    let mirrors = Mirrors::from_machine(&Config::default());
    Sources::new(Http::new(false).unwrap(), mirrors, store, Progress::silent(), now())
}

/// apt with folders of its own and one local repository.
struct Apt {
    folder: tempfile::TempDir,
}

impl Apt {
    fn new(arch: Arch, packages: &[u8]) -> Apt {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["repo", "lists/partial", "cache/archives/partial", "etc", "none"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("repo/Packages"), packages).unwrap();
        std::fs::write(at("status"), "").unwrap();
        let list = format!("deb [trusted=yes] file:{} ./\n", at("repo").display());
        std::fs::write(at("etc/sources.list"), list).unwrap();
        let root = folder.path().display();
        let config = format!(
            "Dir::State \"{root}\";\nDir::State::lists \"{root}/lists\";\nDir::State::status \"{root}/status\";\n\
             Dir::Cache \"{root}/cache\";\nDir::Etc::sourcelist \"{root}/etc/sources.list\";\n\
             Dir::Etc::sourceparts \"{root}/none\";\nDir::Etc::parts \"{root}/none\";\nDir::Etc::main \"{root}/none/x\";\n\
             Dir::Etc::preferences \"{root}/none/x\";\nDir::Etc::preferencesparts \"{root}/none\";\n\
             APT::Architecture \"{0}\";\nAPT::Architectures {{ \"{0}\"; }};\nAcquire::Languages \"none\";\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n",
            arch.name()
        );
        std::fs::write(at("apt.conf"), config).unwrap();
        let apt = Apt { folder };
        let (well, output) = apt.run(&["update"]);
        assert!(well, "{output}");
        apt
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("apt-get")
            .env("APT_CONFIG", self.folder.path().join("apt.conf"))
            .env("LC_ALL", "C.UTF-8")
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    }

    /// What apt would install, as `name version`.
    fn install(&self, names: &[String]) -> Option<BTreeSet<String>> {
        self.simulate("install", names)
    }

    /// What apt would install so that relations hold.
    fn satisfy(&self, relations: &[String]) -> Option<BTreeSet<String>> {
        self.simulate("satisfy", relations)
    }

    fn simulate(&self, command: &str, words: &[String]) -> Option<BTreeSet<String>> {
        let mut arguments = vec![command, "-s", "-y", "--no-install-recommends"];
        arguments.extend(words.iter().map(String::as_str));
        let (well, output) = self.run(&arguments);
        let line = |line: &str| {
            let mut words = line.strip_prefix("Inst ")?.split_ascii_whitespace();
            let name = words.next()?;
            let name = name.split_once(':').map_or(name, |(name, _)| name);
            Some(format!("{name} {}", words.next()?.trim_start_matches('(')))
        };
        well.then(|| output.lines().filter_map(line).collect())
    }
}

/// The same numbers every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

fn ours(request: &Request, sources: &Sources) -> Result<BTreeSet<String>, String> {
    match debian::resolve(request, sources) {
        Ok(block) if !block.stale().is_empty() => Err(format!("stale from the start: {:?}", block.stale())),
        Ok(block) => match block.facts {
            Facts::Environment { packages, .. } => Ok(packages
                .iter()
                .map(|one| format!("{} {}", one.package.name, one.package.version))
                .collect()),
            _ => Err("not an environment".to_owned()),
        },
        Err(failure) => Err(failure.to_string()),
    }
}

/// Compares random lists; gives the differences.
fn compare(name: &str, arch: Arch, lists: usize, sources: &Sources) -> Vec<String> {
    let suite = suite(name, sources.now);
    let release = sources.release(&suite).unwrap();
    let text = sources.packages(&suite, &release, arch).unwrap().remove(0);
    let all: Vec<(&str, bool)> = debian::stanza::stanzas(&text)
        .filter_map(|stanza| stanza.get("Package").map(|name| (name, stanza.get("Essential") == Some("yes"))))
        .collect();
    let mut essential: Vec<String> =
        all.iter().filter(|(_, essential)| *essential).map(|(name, _)| (*name).to_owned()).collect();
    essential.sort();
    let apt = Apt::new(arch, &text);
    let mut dice = Dice(seed(lists, name, arch));
    let mut wrong = Vec::new();
    for _ in 0..lists {
        let count = 1 + dice.below(6);
        let packages: BTreeSet<String> =
            (0..count).map(|_| all[dice.below(all.len())].0.to_owned()).collect();
        let packages: Vec<String> = packages.into_iter().collect();
        let asked: Vec<String> = essential.iter().chain(&packages).cloned().collect();
        let theirs = apt.install(&asked);
        let request = Request::Environment {
            suite: suite.clone(),
            arch,
            packages: packages.clone(),
            build_depends: Vec::new(),
        };
        let ours = ours(&request, sources);
        match (ours, theirs) {
            (Ok(ours), Some(theirs)) if ours == theirs => {}
            (Ok(ours), Some(theirs)) => wrong.push(format!(
                "{name} {} {packages:?}: only ours {:?}, only apt's {:?}",
                arch.name(),
                ours.difference(&theirs).collect::<Vec<_>>(),
                theirs.difference(&ours).collect::<Vec<_>>()
            )),
            (Err(_), None) => {}
            (Ok(_), None) => wrong.push(format!("{name} {} {packages:?}: apt finds none", arch.name())),
            (Err(why), Some(_)) => {
                wrong.push(format!("{name} {} {packages:?}: apt finds one, {why}", arch.name()))
            }
        }
    }
    wrong
}

/// Build dependencies: apt reads the same fields of `Sources` and is asked to satisfy them.
fn compare_builds(name: &str, arch: Arch, count: usize, sources: &Sources) -> Vec<String> {
    let suite = suite(name, sources.now);
    let release = sources.release(&suite).unwrap();
    let packages = sources.packages(&suite, &release, arch).unwrap().remove(0);
    let text = sources.sources(&suite, &release).unwrap().remove(0);
    let all: Vec<debian::stanza::Stanza<'_>> =
        debian::stanza::stanzas(&text).filter(|stanza| stanza.get("Extra-Source-Only").is_none()).collect();
    let mut essential: Vec<&str> = debian::stanza::stanzas(&packages)
        .filter(|stanza| stanza.get("Essential") == Some("yes"))
        .filter_map(|stanza| stanza.get("Package"))
        .collect();
    essential.sort_unstable();
    essential.push("build-essential");
    let apt = Apt::new(arch, &packages);
    let mut dice = Dice(7 * seed(count, name, arch));
    let mut wrong = Vec::new();
    for _ in 0..count {
        let stanza = all[dice.below(all.len())];
        let source = stanza.get("Package").unwrap().to_owned();
        let fields = |kind: &str| {
            let names = ["", "-Arch", "-Indep"].map(|part| format!("Build-{kind}{part}"));
            let found: Vec<String> = names
                .iter()
                .filter_map(|name| stanza.get(name))
                .map(|value| value.replace('\n', " "))
                .collect();
            found.join(", ")
        };
        let (needs, conflicts) = (fields("Depends"), fields("Conflicts"));
        let mut wishes = vec![format!("{}, {needs}", essential.join(", "))];
        if !conflicts.is_empty() {
            wishes.push(format!("Conflicts: {conflicts}"));
        }
        let theirs = apt.satisfy(&wishes);
        let request = Request::Environment {
            suite: suite.clone(),
            arch,
            packages: Vec::new(),
            build_depends: vec![source.clone()],
        };
        match (ours(&request, sources), theirs) {
            (Ok(ours), Some(theirs)) if ours == theirs => {}
            (Err(_), None) => {}
            (ours, theirs) => {
                let ours = ours.map_err(|why| wrong.push(why)).unwrap_or_default();
                let found = theirs.is_some();
                let theirs = theirs.unwrap_or_default();
                wrong.push(format!(
                    "{name} {} build-dep {source}: apt finds one: {found}, only ours {:?}, only apt's {:?}",
                    arch.name(),
                    ours.difference(&theirs).collect::<Vec<_>>(),
                    theirs.difference(&ours).collect::<Vec<_>>()
                ));
            }
        }
    }
    wrong
}

/// Other lists for another count, suite or architecture; else the same.
fn seed(count: usize, name: &str, arch: Arch) -> u64 {
    name.bytes()
        .chain(arch.name().bytes())
        .fold(count as u64, |seed, byte| (seed * 31 + u64::from(byte)) % 1_000_003)
}

/// How many lists, and from which suites for which architectures.
fn extent(few: usize) -> (usize, Vec<(&'static str, Arch)>) {
    let lists = std::env::var("RBLD_TEST_LISTS").ok().and_then(|value| value.parse().ok()).unwrap_or(few);
    let mut pairs = vec![("bookworm", Arch::Amd64), ("trixie", Arch::Arm64)];
    if lists > few {
        pairs.extend([("bullseye", Arch::Amd64), ("sid", Arch::Amd64), ("bookworm", Arch::Arm64)]);
    }
    (lists, pairs)
}

#[test]
fn apt_installs_the_same_build_dependencies() {
    let (lists, pairs) = extent(2);
    let sources = sources();
    let differences: Vec<String> =
        pairs.into_iter().flat_map(|(name, arch)| compare_builds(name, arch, lists, &sources)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn apt_installs_the_same_packages() {
    let (lists, pairs) = extent(3);
    let sources = sources();
    let differences: Vec<String> =
        pairs.into_iter().flat_map(|(name, arch)| compare(name, arch, lists, &sources)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
