//! From a request to a block of the lock, over a snapshot archive on loopback that may lie.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/snapshot.rs"]
mod snapshot;

use rbld::config::Config;
use rbld::failure::{Failure, Kind};
use rbld::fetch::date;
use rbld::fetch::debian::{self, Sources};
use rbld::fetch::http::{Http, Patience};
use rbld::fetch::mirrors::Mirrors;
use rbld::progress::Progress;
use rbld::store::Store;
use rbld_lang::derivation::Arch;
use rbld_lang::lock::{Block, Facts, Request, SuiteAt};
use snapshot::{Fault, Snapshot};

struct Place {
    server: Snapshot,
    sources: Sources,
    _folder: Option<tempfile::TempDir>,
}

/// A server and a store that may hold the indexes already.
fn place() -> Place {
    let debug = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    with_store(Store::open(&debug.join("index-cache")).unwrap(), None)
}

/// A server and an empty store.
fn empty_place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    with_store(Store::open(folder.path()).unwrap(), Some(folder))
}

fn with_store(store: Store, folder: Option<tempfile::TempDir>) -> Place {
    let server = Snapshot::start_shared();
    let mirrors = Mirrors::new(&Config::default(), &[]).only("debian", vec![server.base("debian")]);
    let patience = Patience { tries: 2, pause: std::time::Duration::from_millis(1), ..Patience::default() };
    let http = Http::with_patience(false, patience).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let sources = Sources::new(http, mirrors, store, Progress::silent(), now);
    Place { server, sources, _folder: folder }
}

impl Place {
    fn suite(&self, name: &str) -> SuiteAt {
        let components = vec!["main".to_owned()];
        SuiteAt {
            archive: "debian".to_owned(),
            suite: name.to_owned(),
            components,
            instant: self.sources.now,
            ..SuiteAt::default()
        }
    }

    fn environment(&self, suite: SuiteAt, packages: &[&str]) -> Result<Block, Failure> {
        let packages = packages.iter().map(|name| (*name).to_owned()).collect();
        let request = Request::Environment { suite, arch: Arch::Amd64, packages, build_depends: Vec::new() };
        debian::resolve(&request, &self.sources)
    }

    fn wrong(&self, suite: SuiteAt, packages: &[&str]) -> Failure {
        self.environment(suite, packages).expect_err("this can't be locked")
    }
}

#[test]
fn an_environment_is_locked_with_its_index_and_signer() {
    let place = place();
    let block = place.environment(place.suite("bookworm"), &["make"]).unwrap();
    assert_eq!(block.stale(), []);
    let index = &block.indexes[0];
    assert!(index.date <= place.sources.now && index.signer.len() == 40, "{index:?}");
    let Facts::Environment { packages, roots, tree } = &block.facts else { panic!("not an environment") };
    assert!(roots.contains(&"make".to_owned()) && roots.contains(&"bash".to_owned()) && tree.is_none());
    assert!(!packages.iter().any(|one| one.package.name == "apt"), "apt wasn't asked for");
    let make = packages.iter().find(|one| one.package.name == "make").unwrap();
    assert!(make.needs.contains(&"libc6".to_owned()), "{make:?}");
    assert!(make.package.path.starts_with("pool/main/m/make-dfsg/") && make.package.size > 100_000);
    assert!(packages.is_sorted_by(|a, b| a.package.name <= b.package.name));
    let before = place.server.requests().len();
    place.environment(place.suite("bookworm"), &["gawk"]).unwrap();
    assert_eq!(place.server.requests().len(), before, "what was read is kept");
}

#[test]
fn several_requests_share_what_is_read() {
    let place = empty_place();
    let request = |arch, package: &str| Request::Environment {
        suite: place.suite("bookworm"),
        arch,
        packages: vec![package.to_owned()],
        build_depends: Vec::new(),
    };
    let requests = [request(Arch::Amd64, "make"), request(Arch::Arm64, "git"), request(Arch::Amd64, "gawk")];
    let blocks = debian::resolve_all(&requests, &place.sources);
    for (request, block) in requests.iter().zip(blocks) {
        assert_eq!(block.unwrap().title, *request);
    }
    let asked = place.server.requests();
    assert_eq!(asked.iter().filter(|path| path.ends_with("InRelease")).count(), 1, "{asked:?}");
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn a_lying_archive_is_refused() {
    let place = empty_place();
    place.server.fault("/InRelease", Fault::Tampered, 0);
    let failure = place.wrong(place.suite("bookworm"), &[]);
    assert_eq!(failure.kind, Kind::World);
    assert!(failure.to_string().contains("doesn't fit the text"), "{failure}");
    place.server.heal();
    let release = place.sources.release(&place.suite("bookworm")).unwrap();
    let (digest, _) = release.file("main/binary-amd64/Packages.xz").unwrap();
    place.server.fault(&digest.to_hex(), Fault::Tampered, 0);
    place.server.fault("Packages.xz", Fault::Tampered, 0);
    let failure = place.wrong(place.suite("bookworm"), &[]);
    assert!(failure.to_string().contains(&format!("expected sha256 {digest}, found ")), "{failure}");
}

#[test]
fn another_suite_under_the_name_is_refused() {
    let place = place();
    let url = place.server.base("debian").replace("{instant}", "20200101T000000Z");
    let trixie = Http::new(false).unwrap().get(&format!("{url}/dists/trixie/InRelease"), 1 << 24).unwrap();
    place.server.put("debian/dists/bookworm/InRelease", trixie);
    let failure = place.wrong(place.suite("bookworm"), &[]);
    assert!(failure.to_string().contains("is the index of `trixie`"), "{failure}");
}

#[test]
fn the_index_must_be_of_the_pin_or_before() {
    let place = place();
    let release = place.sources.release(&place.suite("bookworm")).unwrap();
    let early = SuiteAt { instant: release.date - 1, ..place.suite("bookworm") };
    let failure = place.wrong(early, &[]);
    assert!(failure.message.contains("is newer than the pin"), "{failure}");
    assert!(failure.help.unwrap().contains(&date::instant(release.date)));
    let exact = SuiteAt { instant: release.date, ..place.suite("bookworm") };
    assert!(
        place.sources.release(&exact).is_err() || place.sources.release(&exact).unwrap().date == release.date
    );
    let failure = place.wrong(SuiteAt { instant: place.sources.now + 60, ..place.suite("bookworm") }, &[]);
    assert!(failure.kind == Kind::Input && failure.message.contains("in the future"), "{failure}");
}

#[test]
fn what_does_not_exist_is_named_with_what_is_near() {
    let place = place();
    let failure = place.wrong(place.suite("bookworm"), &["makee"]);
    assert_eq!(failure.kind, Kind::Input);
    assert!(failure.message.starts_with("no package `makee` is in debian bookworm for amd64"), "{failure}");
    assert_eq!(failure.help.unwrap(), "did you mean `make`?");
    let failure = place.wrong(place.suite("bookworm"), &["mail-transport-agent"]);
    assert!(failure.help.unwrap().contains("exim4-daemon-light"));
    let failure = place.wrong(place.suite("bookwurm"), &[]);
    assert!(failure.to_string().contains("404"), "{failure}");
    let failure = place.wrong(place.suite("../evil"), &[]);
    assert_eq!(failure.kind, Kind::Input);
    let failure = place.wrong(SuiteAt { archive: "nonesuch".to_owned(), ..place.suite("bookworm") }, &[]);
    assert!(failure.message.contains("no keys are known"), "{failure}");
    let failure =
        place.wrong(SuiteAt { components: vec!["extra".to_owned()], ..place.suite("bookworm") }, &["make"]);
    assert!(failure.message.contains("has no component `extra`"), "{failure}");
}

#[test]
fn packages_that_exclude_each_other_are_explained() {
    let place = place();
    let failure = place.wrong(place.suite("bookworm"), &["exim4-daemon-light", "postfix"]);
    assert_eq!(failure.kind, Kind::Input);
    assert!(failure.to_string().contains("can't be beside `postfix`"), "{failure}");
}

#[test]
fn a_source_with_its_files_and_published_binaries() {
    let place = place();
    let suite = place.suite("bookworm");
    let request = Request::Source { suite: suite.clone(), name: "ucf".to_owned(), arch: Arch::Amd64 };
    let block = debian::resolve(&request, &place.sources).unwrap();
    let Facts::Source { version, files, binaries } = &block.facts else { panic!("not a source") };
    assert!(files.iter().any(|file| file.name.ends_with(".dsc")), "{files:?}");
    assert!(files.iter().all(|file| file.path.starts_with("pool/main/u/ucf/")));
    assert!(!version.is_empty() && binaries.iter().any(|file| file.name.starts_with("ucf_")), "{binaries:?}");
    let request = Request::Source { suite, name: "ufc".to_owned(), arch: Arch::Amd64 };
    let failure = debian::resolve(&request, &place.sources).unwrap_err();
    assert!(failure.message.contains("no source package `ufc`"), "{failure}");
}

#[test]
fn an_emulator_for_each_host() {
    let place = place();
    for suite in ["bookworm", "trixie"] {
        let request = Request::Emulator { suite: place.suite(suite), host: Arch::Amd64 };
        let block = debian::resolve(&request, &place.sources).unwrap();
        let Facts::Emulator(found) = &block.facts else { panic!("not an emulator") };
        assert!(found.package.name.starts_with("qemu-user") && found.package.size > 10_000_000, "{found:?}");
    }
}

#[test]
fn build_dependencies_of_a_source() {
    let place = place();
    let request = Request::Environment {
        suite: place.suite("bookworm"),
        arch: Arch::Amd64,
        packages: Vec::new(),
        build_depends: vec!["ucf".to_owned()],
    };
    let block = debian::resolve(&request, &place.sources).unwrap();
    assert_eq!(block.stale(), []);
    let Facts::Environment { roots, packages, .. } = &block.facts else { panic!("not an environment") };
    assert!(
        roots.contains(&"debhelper".to_owned()) && roots.contains(&"build-essential".to_owned()),
        "{roots:?}"
    );
    assert!(!packages.iter().any(|one| one.package.name.starts_with("builddeps")));
}
