//! Archives other than Debian's own, and several together: Ubuntu's layout, Trisquel's, any signed one, on loopback.
//!
//! They are made of stanzas of Debian's real index and signed with the test's own keys, which a request names by digest.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/signed.rs"]
mod signed;
#[path = "../../tests/harness/snapshot.rs"]
mod snapshot;

use std::collections::BTreeSet;

use rbld::config::Config;
use rbld::failure::{Failure, Kind};
use rbld::fetch::date;
use rbld::fetch::debian::{self, Sources, stanza};
use rbld::fetch::http::{Http, Patience};
use rbld::fetch::mirrors::Mirrors;
use rbld::progress::Progress;
use rbld::store::Store;
use rbld_lang::derivation::{Arch, Package};
use rbld_lang::digest::Digest;
use rbld_lang::lock::{Beside, Block, Facts, Request, SuiteAt};
use signed::{Signer, Suite};
use snapshot::{Fault, Snapshot};

/// When the suites here are published, and the pin a day later.
const DATE: &str = "Thu, 27 Nov 2025 10:00:00 UTC";
const PIN: &str = "Fri, 28 Nov 2025 00:00:00 UTC";

/// The part of each that the loopback server has.
const HOUR: i64 = 3600;

struct World {
    server: Snapshot,
    sources: Sources,
    signer: Signer,
    /// What `make` needs, as stanzas of Debian's index.
    base: String,
    /// `make` itself.
    make: String,
    _folder: tempfile::TempDir,
}

/// The indexes of Debian that these archives are made of come from a store that other tests use too.
fn world() -> World {
    let server = Snapshot::start_shared();
    let debug = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let debian = sources(&server, Store::open(&debug.join("index-cache")).unwrap(), now);
    let suite = SuiteAt { instant: now, ..suite("debian", "bookworm", None) };
    let request = Request::Environment {
        suite: suite.clone(),
        arch: Arch::Amd64,
        packages: vec!["make".to_owned()],
        build_depends: Vec::new(),
    };
    let names: BTreeSet<String> =
        packages(debian::resolve(&request, &debian).unwrap()).into_iter().map(|one| one.name).collect();
    let release = debian.release(&suite).unwrap();
    let text = debian.packages(&suite, &release, Arch::Amd64).unwrap().remove(0);
    let text = std::str::from_utf8(&text).unwrap();
    let (mut base, mut make) = (String::new(), String::new());
    for stanza in text.split_inclusive("\n\n") {
        let name = stanza::stanzas(stanza.as_bytes()).next().unwrap().get("Package").unwrap();
        if name == "make" {
            make = stanza.to_owned();
        } else if names.contains(name) {
            base.push_str(stanza);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::new();
    let mut sources = sources(&server, Store::open(folder.path()).unwrap(), now);
    sources.keyrings.insert(Digest::of(&signer.keyring()), signer.keyring());
    World { server, sources, signer, base, make, _folder: folder }
}

/// Ubuntu's snapshots have the instant in the address, Trisquel's archive doesn't.
fn sources(server: &Snapshot, store: Store, now: i64) -> Sources {
    let mirrors = Mirrors::new(&Config::default(), &[])
        .only("debian", vec![server.base("debian")])
        .only("ubuntu", vec![server.base("ubuntu")])
        .only("trisquel", vec![format!("{}/archive/trisquel/now", server.url)]);
    let patience = Patience { tries: 2, pause: std::time::Duration::from_millis(1), ..Patience::default() };
    Sources::new(Http::with_patience(false, patience).unwrap(), mirrors, store, Progress::silent(), now)
}

fn suite(archive: &str, name: &str, signer: Option<&Signer>) -> SuiteAt {
    SuiteAt {
        archive: archive.to_owned(),
        suite: name.to_owned(),
        components: vec!["main".to_owned()],
        instant: date::parse(PIN).unwrap(),
        keyring: signer.map(|signer| Digest::of(&signer.keyring())),
        beside: Vec::new(),
    }
}

fn beside(suite: SuiteAt) -> Beside {
    let SuiteAt { archive, suite, components, keyring, .. } = suite;
    Beside { archive, suite, components, keyring }
}

fn packages(block: Block) -> Vec<Package> {
    let Facts::Environment { packages, .. } = block.facts else { panic!("not an environment") };
    packages.into_iter().map(|locked| locked.package).collect()
}

impl World {
    fn publish(&self, archive: &str, suite: &str, codename: &str, components: Vec<(&str, String)>) {
        self.suite(archive, suite, codename, components).publish(&self.server, &self.signer);
    }

    fn suite<'a>(
        &self,
        archive: &'a str,
        suite: &'a str,
        codename: &'a str,
        components: Vec<(&'a str, String)>,
    ) -> Suite<'a> {
        Suite { archive, suite, codename, date: DATE, more: "", components, by_hash: archive == "ubuntu" }
    }

    /// `make` as another version.
    fn make(&self, version: &str, more: &str) -> String {
        let old = self.make.lines().find(|line| line.starts_with("Version: ")).unwrap();
        self.make.replacen(old, &format!("Version: {version}\n{more}"), 1).replace("\n\n", "\n") + "\n"
    }

    fn resolve(&self, suite: &SuiteAt, names: &[&str]) -> Result<Block, Failure> {
        let packages = names.iter().map(|name| (*name).to_owned()).collect();
        let request = Request::Environment {
            suite: suite.clone(),
            arch: Arch::Amd64,
            packages,
            build_depends: Vec::new(),
        };
        debian::resolve(&request, &self.sources)
    }

    fn version_of_make(&self, suite: &SuiteAt) -> Package {
        packages(self.resolve(suite, &["make"]).unwrap()).into_iter().find(|one| one.name == "make").unwrap()
    }

    fn wrong(&self, suite: &SuiteAt) -> Failure {
        self.resolve(suite, &["make"]).expect_err("this can't be locked")
    }
}

#[test]
fn ubuntus_layout_with_its_pockets() {
    let world = world();
    let of = |version: &str, more: &str| world.make(version, more);
    let universe = of("4.3-0ubuntu1", "");
    world.publish("ubuntu", "jammy", "jammy", vec![("main", world.base.clone()), ("universe", universe)]);
    let phased = of("4.3-0ubuntu2", "Phased-Update-Percentage: 10\n");
    world.publish("ubuntu", "jammy-updates", "jammy", vec![("main", String::new()), ("universe", phased)]);
    let security = of("4.3-0ubuntu1.1", "");
    world.publish("ubuntu", "jammy-security", "jammy", vec![("main", security), ("universe", String::new())]);
    let both = vec!["main".to_owned(), "universe".to_owned()];
    let pocket = |name| SuiteAt { components: both.clone(), ..suite("ubuntu", name, Some(&world.signer)) };
    let jammy = pocket("jammy");
    assert_eq!(world.version_of_make(&jammy).version, "4.3-0ubuntu1");
    let secure = SuiteAt { beside: vec![beside(pocket("jammy-security"))], ..jammy.clone() };
    assert_eq!(world.version_of_make(&secure).version, "4.3-0ubuntu1.1");
    let pockets = vec![beside(pocket("jammy-security")), beside(pocket("jammy-updates"))];
    let all = SuiteAt { beside: pockets, ..jammy.clone() };
    let block = world.resolve(&all, &["make"]).unwrap();
    let indexes: Vec<(&str, Option<&str>)> =
        block.indexes.iter().map(|index| (index.suite.as_str(), index.archive.as_deref())).collect();
    assert_eq!(indexes, [("jammy", None), ("jammy-security", None), ("jammy-updates", None)]);
    let make = world.version_of_make(&all);
    assert_eq!((make.version.as_str(), make.origin), ("4.3-0ubuntu2", None), "a phased update is taken");
    // All pockets have one codename: one of them in the place of another is noticed.
    let asked = world.server.requests();
    assert!(
        asked.iter().any(|path| path.contains("/20251128T000000Z/") && path.contains("/by-hash/")),
        "{asked:?}"
    );
    world.sources_again().server_swap("jammy-updates", "jammy");
}

impl World {
    /// The same with nothing read yet.
    fn sources_again(self) -> World {
        let folder = tempfile::tempdir().unwrap();
        let keyrings = self.sources.keyrings.clone();
        let mut sources = sources(&self.server, Store::open(folder.path()).unwrap(), self.sources.now);
        sources.keyrings = keyrings;
        World { sources, _folder: folder, ..self }
    }

    /// Serves the index of one suite of Ubuntu for another.
    fn server_swap(&self, of: &str, to: &str) {
        let url = format!("{}/archive/ubuntu/x/dists/{of}/InRelease", self.server.url);
        let bytes = self.sources.http.get(&url, 1 << 20).unwrap();
        self.server.put(&format!("ubuntu/dists/{to}/InRelease"), bytes);
        let failure = self.wrong(&suite("ubuntu", to, Some(&self.signer)));
        assert!(failure.to_string().contains(&format!("is the index of `{of}`")), "{failure}");
    }
}

#[test]
fn trisquels_layout_and_a_pin_that_is_too_early() {
    let world = world();
    let all = format!("{}{}", world.base, world.make);
    world.publish("trisquel", "aramo", "aramo", vec![("main", all)]);
    let aramo = suite("trisquel", "aramo", Some(&world.signer));
    assert_eq!(world.version_of_make(&aramo).origin, None);
    assert!(world.server.requests().iter().any(|path| path == "/archive/trisquel/now/dists/aramo/InRelease"));
    let early = SuiteAt { instant: date::parse(DATE).unwrap() - HOUR, ..aramo.clone() };
    let failure = world.wrong(&early);
    assert_eq!(failure.kind, Kind::World);
    assert!(failure.message.contains("is newer than the pin 2025-11-27T09:00:00Z"), "{failure}");
    let help = failure.help.unwrap();
    assert!(help.contains("trisquel keeps no older state of itself: pin 2025-11-27T10:00:00Z"), "{help}");
    // Without keys of the file nothing is believed.
    let failure = world.wrong(&suite("trisquel", "aramo", None));
    assert!(failure.message.contains("no keys are known for the archive `trisquel`"), "{failure}");
}

#[test]
fn an_archive_beside_debian() {
    let world = world();
    let archive = format!("{}/archive/own/now", world.server.url);
    let now = SuiteAt { instant: world.sources.now, ..suite("debian", "bookworm", None) };
    let ours = suite(&archive, "stable", Some(&world.signer));
    world.publish("own", "stable", "stable", vec![("main", world.make("5.0-1", ""))]);
    let both = SuiteAt { beside: vec![beside(ours.clone())], ..now.clone() };
    let block = world.resolve(&both, &["make"]).unwrap();
    assert_eq!(block.stale(), []);
    let others: Vec<Option<&str>> = block.indexes.iter().map(|index| index.archive.as_deref()).collect();
    assert_eq!(others, [None, Some(archive.as_str())]);
    for package in packages(block) {
        let origin = package.origin.map(|origin| origin.name);
        assert_eq!(origin, (package.name == "make").then(|| archive.clone()), "{}", package.name);
    }
    // One that says so is asked for what nobody else has only.
    let world = world.sources_again();
    let more = "NotAutomatic: yes\nButAutomaticUpgrades: yes\n";
    let rare = world.make("7-1", "").replace("Package: make\n", "Package: makelike\n");
    let backports = Suite {
        more,
        ..world.suite("own", "stable", "stable", vec![("main", world.make("6.0-1", "") + &rare)])
    };
    backports.publish(&world.server, &world.signer);
    let make = world.version_of_make(&both);
    assert!(make.version.starts_with("4.") && make.origin.is_none(), "{make:?}");
    let found = packages(world.resolve(&both, &["makelike"]).unwrap());
    assert!(found.iter().any(|one| one.name == "makelike" && one.origin.is_some()));
}

#[test]
fn what_is_not_signed_by_the_files_keys_is_refused() {
    let world = world();
    let all = format!("{}{}", world.base, world.make);
    let archive = format!("{}/archive/own/now", world.server.url);
    let ours = suite(&archive, "stable", Some(&world.signer));
    let own = world.suite("own", "stable", "stable", vec![("main", all)]);

    own.publish(&world.server, &Signer::new());
    let failure = world.wrong(&ours);
    assert!(failure.kind == Kind::World && failure.to_string().contains("no such key is known"), "{failure}");

    let unsigned = own.index(&world.server);
    world.server.put("own/dists/stable/InRelease", unsigned);
    let failure = world.wrong(&ours);
    assert!(failure.to_string().contains("it is no clear-signed text"), "{failure}");

    own.publish(&world.server, &world.signer);
    world.server.fault("Packages.gz", Fault::Tampered, 0);
    let failure = world.wrong(&ours);
    assert!(failure.kind == Kind::World && failure.to_string().contains("expected sha256"), "{failure}");
    world.server.heal();
    world.resolve(&ours, &["make"]).unwrap();

    let known = |bytes: &[u8]| {
        let mut sources = sources(&world.server, world.sources.store.clone(), world.sources.now);
        sources.keyrings.insert(Digest::of(bytes), bytes.to_vec());
        sources.release(&SuiteAt { keyring: Some(Digest::of(bytes)), ..ours.clone() })
    };
    known(world.signer.armored().as_bytes()).unwrap();
    let two = format!("{}\n{}", Signer::new().armored(), world.signer.armored());
    known(two.as_bytes()).unwrap();
    for nothing in [&b""[..], b"\x99\x01", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc"] {
        let failure = known(nothing).unwrap_err();
        assert!(failure.kind == Kind::Input && failure.message.contains("holds no key"), "{failure}");
    }
    // Ubuntu's own keys didn't sign this either.
    own.publish(&world.server, &world.signer);
    let ubuntu = Suite { archive: "ubuntu", suite: "noble", codename: "noble", ..own };
    ubuntu.publish(&world.server, &world.signer);
    let failure = world.wrong(&suite("ubuntu", "noble", None));
    assert!(failure.to_string().contains("no such key is known"), "{failure}");
}

#[test]
fn the_packages_of_a_buildinfo_by_exact_version() {
    let world = world();
    let all = format!("{}{}", world.base, world.make);
    world.publish("debian", "bookworm", "bookworm", vec![("main", all)]);
    let bookworm = suite("debian", "bookworm", Some(&world.signer));
    let chosen = packages(world.resolve(&bookworm, &["make"]).unwrap());
    let mut exact: Vec<String> = chosen.iter().map(|one| format!("{}={}", one.name, one.version)).collect();
    let ask = |world: &World, names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        world.resolve(&bookworm, &names)
    };
    let block = ask(&world, &exact).unwrap();
    assert_eq!(block.stale(), []);
    assert_eq!(packages(block), chosen);

    // A version that no index within reach has: the service knows none either.
    let make = exact.iter().position(|one| one.starts_with("make=")).unwrap();
    exact[make] = "make=3.82-1".to_owned();
    let failure = ask(&world, &exact).unwrap_err();
    assert_eq!(failure.kind, Kind::Input);
    assert!(
        failure.message.starts_with("a package that the `.buildinfo` names isn't in debian bookworm"),
        "{failure}"
    );
    assert!(failure.facts[0].starts_with("`make` 3.82-1: there is 4."), "{failure}");

    // What the service says leads to an earlier state, whose signed index has the package.
    let answer = format!(
        r#"{{"_comment": "x", "binary": "make", "binary_version": "3.82-1", "fileinfo": {{"{0}": [{{"archive_name": "debian",
            "first_seen": "20240601T030000Z", "name": "make_3.82-1_amd64.deb", "path": "/pool/main/m/make-dfsg",
            "size": 1}}]}}, "result": [{{"architecture": "i386", "hash": "{1}"}}, {{"architecture": "amd64", "hash": "{0}"}}]}}"#,
        "a".repeat(40),
        "b".repeat(40)
    );
    let question = "mr/binary/make/3.82-1/binfiles?fileinfo=1";
    world.server.put(question, answer.clone());
    let sid = Suite {
        archive: "debian@20240601T030000Z",
        suite: "sid",
        codename: "sid",
        date: "Sat, 01 Jun 2024 02:00:00 UTC",
        more: "",
        components: vec![("main", world.make("3.82-1", ""))],
        by_hash: false,
    };
    sid.publish(&world.server, &world.signer);
    let block = ask(&world, &exact).unwrap();
    assert_eq!(block.stale(), []);
    let names: Vec<&str> = block.indexes.iter().map(|index| index.suite.as_str()).collect();
    assert_eq!(names, ["bookworm", "sid"]);
    let make = packages(block.clone()).into_iter().find(|one| one.name == "make").unwrap();
    let origin = make.origin.unwrap();
    assert_eq!((origin.name.as_str(), date::stamp(origin.instant).as_str()), ("debian", "20240601T030000Z"));

    // Whoever has that index needs no answer: so it is when a lock is vendored, and when it is resolved from the folder.
    let asked = |world: &World| world.server.requests().iter().filter(|path| path.contains("/mr/")).count();
    let before = asked(&world);
    let mut again = sources(&world.server, Store::open(world._folder.path()).unwrap(), world.sources.now);
    again.keyrings.clone_from(&world.sources.keyrings);
    again.know(origin.clone(), "sid", block.indexes[1].digest);
    let request = block.title.clone();
    assert_eq!(debian::resolve(&request, &again).unwrap(), block);
    assert_eq!(asked(&world), before);

    besides(&world, &bookworm, &exact);

    // It is believed no more than that: without the package in a signed index there is none.
    let world = world.sources_again();
    sid.publish(&world.server, &Signer::new());
    assert!(ask(&world, &exact).unwrap_err().facts[0].starts_with("`make` 3.82-1"));
    for odd in [
        "{}",
        "[",
        r#"{"result": [], "fileinfo": {"x": [{"archive_name": "../..", "first_seen": "never"}]}}"#,
    ] {
        world.server.put(question, odd);
        let failure = ask(&world, &exact).unwrap_err();
        assert!(failure.kind == Kind::Input && failure.facts.len() == 1, "{failure}");
    }
}

/// What is asked for besides comes with what it needs, and leaves alone what is named exactly.
fn besides(world: &World, suite: &SuiteAt, exact: &[String]) {
    let ask = |names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        world.resolve(suite, &names)
    };
    let bare: Vec<String> = exact.iter().filter(|name| !name.starts_with("make=")).cloned().collect();
    let mut more = bare.clone();
    more.push("make".to_owned());
    more.sort();
    let block = ask(&more).unwrap();
    assert_eq!(block.stale(), []);
    let names = |block: Block| packages(block).into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names(block), names(ask(exact).unwrap()));
    let failure = ask(&[bare, vec!["maek".to_owned()]].concat()).unwrap_err();
    assert!(failure.message.contains("no package `maek`"), "{failure}");
}
