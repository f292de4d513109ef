//! Environments realised by the embedded executor, as whoever runs the tests and, if that is root, as an ordinary
//! user too. The distribution is a small one made here: busybox, this machine's dpkg, and packages with scripts.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rbld::environment::{self, Tools};
use rbld::executor::{Cancel, Embedded, host_arch};
use rbld::failure::{Failure, Kind, Result};
use rbld::progress::Progress;
use rbld::store::tree::{self, Folder, Node};
use rbld::store::{Realisation, Store};
use rbld_lang::derivation::{Arch, ArchiveId, Derivation, ENVIRONMENT_RULES, Environment, Package};
use rbld_lang::digest::Digest;
use tools::Tool;

const RBLD: &str = env!("CARGO_BIN_EXE_rbld");
/// An id that nothing else runs as.
const NOBODY: &str = "65532";

/// An archive in a folder.
struct Archive {
    folder: tempfile::TempDir,
    packages: Vec<Package>,
    /// The names of packages in the order in which they were asked for.
    fetched: Mutex<Vec<String>>,
    cancel: Cancel,
}

/// A package in the making: its folder, as `dpkg-deb` wants it.
struct Making {
    folder: tempfile::TempDir,
    name: String,
}

impl Making {
    fn file(&self, path: &str, text: &str) -> &Making {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn script(&self, name: &str, text: &str) -> &Making {
        self.program(&format!("DEBIAN/{name}"), text)
    }

    fn program(&self, path: &str, text: &str) -> &Making {
        self.file(path, &format!("#!/bin/sh\nset -e\n{text}\n"));
        fs::set_permissions(self.folder.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }
}

impl Archive {
    /// An archive with the one package that everything else needs.
    fn new() -> Archive {
        let folder = tempfile::Builder::new().prefix("rbld-test-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut archive = Archive {
            folder,
            packages: Vec::new(),
            fetched: Mutex::default(),
            cancel: Cancel::new().unwrap(),
        };
        let base = archive.making("base", "Essential: yes\n");
        let root = base.folder.path();
        for path in ["usr/bin", "var/lib/dpkg/info", "var/log", "etc", "tmp"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        symlink("usr/bin", root.join("bin")).unwrap();
        for program in ["dpkg", "dpkg-deb", "dpkg-split", "dpkg-divert", "dpkg-query"] {
            copy_program(&Path::new("/usr/bin").join(program), root);
        }
        copy_program(Path::new("/bin/bash"), root);
        copy_program(Path::new("/bin/tar"), root);
        fs::copy(Tool::find("bin/busybox", "busybox-static").program, root.join("usr/bin/busybox")).unwrap();
        for name in
            "sh ln rm mkdir cat touch chmod chown mv id readlink sleep date diff ldconfig start-stop-daemon"
                .split(' ')
        {
            symlink("busybox", root.join("usr/bin").join(name)).unwrap();
        }
        base.script("preinst", "echo root:x:0:0::/root:/bin/sh > /etc/passwd; echo root:x:0: > /etc/group");
        archive.add(base);
        archive
    }

    fn making(&self, name: &str, fields: &str) -> Making {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let making = Making { folder, name: name.to_owned() };
        let arch = host_arch().unwrap().name();
        making.file(
            "DEBIAN/control",
            &format!("Package: {name}\nVersion: 1\nArchitecture: {arch}\n{fields}Maintainer: N <n@example.org>\nDescription: {name}\n"),
        );
        making
    }

    fn add(&mut self, making: Making) {
        let deb = self.folder.path().join(format!("{}.deb", making.name));
        let built = Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zgzip", "-z1", "-b"])
            .args([making.folder.path(), &deb])
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let bytes = fs::read(&deb).unwrap();
        self.packages.push(Package {
            origin: None,
            name: making.name,
            arch: host_arch().unwrap().name().to_owned(),
            version: "1".to_owned(),
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            path: deb.display().to_string(),
        });
        self.packages.sort();
    }

    fn environment(&self) -> Environment {
        Environment {
            arch: host_arch().unwrap(),
            archive: ArchiveId { name: "test".to_owned(), instant: 0 },
            packages: self.packages.clone(),
            replaced: Vec::new(),
            rules: ENVIRONMENT_RULES,
            emulator: None,
            expected: None,
            request: Digest::of(b""),
        }
    }

    fn realise(&self, store: &Store) -> Result<Realisation> {
        let env = self.environment();
        let fetch = |_: &ArchiveId, package: &Package| {
            self.fetched.lock().unwrap().push(package.name.clone());
            Ok(PathBuf::from(&package.path))
        };
        let tools = Tools {
            store,
            executor: &Embedded::with_helper(RBLD),
            fetch: &fetch,
            progress: &Progress::silent(),
            cancel: &self.cancel,
            name: "test",
        };
        environment::realise(&env, key(&env), tools)
    }

    fn store(&self, name: &str) -> Store {
        Store::open(&self.folder.path().join(name)).unwrap()
    }

    /// Realises it and gives the tree's files as text, with their paths.
    fn files(&self) -> BTreeMap<String, String> {
        let store = self.store("store");
        let realisation = self.realise(&store).unwrap_or_else(|failure| panic!("{failure}"));
        texts(&store, &realisation)
    }

    fn failure(&self) -> Failure {
        self.realise(&self.store("store")).unwrap_err()
    }
}

fn key(env: &Environment) -> Digest {
    Derivation::Environment(env.clone()).id().0
}

fn root(store: &Store, realisation: &Realisation) -> Folder {
    tree::read(store, realisation.outputs["out"].digest()).unwrap()
}

fn texts(store: &Store, realisation: &Realisation) -> BTreeMap<String, String> {
    let text = |node: &Node| match node {
        Node::File { digest, size, .. } if *size < 100_000 => {
            String::from_utf8_lossy(&store.read_blob(*digest, 100_000).unwrap()).into_owned()
        }
        Node::Link { target } => format!("-> {target}"),
        _ => String::new(),
    };
    root(store, realisation).nodes().map(|(path, node)| (path, text(node))).collect()
}

/// Copies a program of this machine, with the libraries that it names, into a root.
fn copy_program(program: &Path, root: &Path) {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let words = text.split_ascii_whitespace().filter(|word| word.starts_with('/'));
    for library in words {
        let place = root.join(library.trim_start_matches('/'));
        if !place.exists() {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(library, place).unwrap();
        }
    }
    fs::copy(program, root.join("usr/bin").join(program.file_name().unwrap())).unwrap();
}

fn whoami(files: &BTreeMap<String, String>) -> &str {
    files["var/said"].trim()
}

#[test]
fn packages_are_installed_as_dpkg_would() {
    let mut archive = Archive::new();
    let one = archive.making("one", "Depends: two\n");
    one.file("etc/one.conf", "setting\n").file("DEBIAN/conffiles", "/etc/one.conf\n");
    one.script(
        "preinst",
        "test ! -e /etc/one.conf; test -e /var/lib/dpkg/tmp.ci/control; echo preinst $@ > /var/said",
    );
    one.script(
        "postinst",
        "cat /etc/one.conf /usr/share/two >> /var/said; echo $1 $DPKG_MAINTSCRIPT_PACKAGE >> /var/said",
    );
    archive.add(one);
    let two = archive.making("two", "");
    two.file("usr/share/two", "two\n").script("postinst", "rm /usr/share/gone; chown 42:42 /usr/share/two");
    two.file("usr/share/gone", "");
    archive.add(two);
    let files = archive.files();
    assert_eq!(files["var/said"], "preinst install\nsetting\ntwo\nconfigure one\n");
    assert!(!files.contains_key("usr/share/gone") && !files.contains_key("etc/one.conf.dpkg-new"));
    let status = &files["var/lib/dpkg/status"];
    assert_eq!(status.matches("Status: install ok installed\n").count(), 3, "{status}");
    assert!(status.contains("Conffiles:\n /etc/one.conf ") && !status.contains("newconffile"), "{status}");
    assert_eq!(files["etc/passwd"], "root:x:0:0::/root:/bin/sh\nbuild:x:1000:1000:build:/build:/bin/sh\n");
    assert!(files.contains_key("build") && files.contains_key("inputs") && !files.contains_key("inputs/one"));
    assert!(!files.contains_key("usr/sbin/policy-rc.d") && !files.contains_key("usr/bin/policy-rc.d"));
}

#[test]
fn a_preinst_that_needs_a_configured_package_waits_for_it() {
    let mut archive = Archive::new();
    let tool = archive.making("tool", "");
    tool.script("postinst", "touch /var/ready");
    archive.add(tool);
    let user = archive.making("early", "Pre-Depends: tool\n");
    user.script("preinst", "test -e /var/ready && touch /var/said");
    archive.add(user);
    assert!(archive.files().contains_key("var/said"));
}

#[test]
fn a_package_that_diverts_is_unpacked_by_dpkg() {
    let mut archive = Archive::new();
    let one = archive.making("one", "");
    one.file("usr/share/x", "one\n");
    archive.add(one);
    let two = archive.making("two", "");
    two.file("usr/share/x", "two\n");
    two.script("preinst", "dpkg-divert --package two --add --rename --divert /usr/share/x.one /usr/share/x");
    archive.add(two);
    let files = archive.files();
    assert_eq!((files["usr/share/x"].as_str(), files["usr/share/x.one"].as_str()), ("two\n", "one\n"));
    assert_eq!(files["var/lib/dpkg/diversions"], "/usr/share/x\n/usr/share/x.one\ntwo\n");
    assert_eq!(files["var/lib/dpkg/status"].matches("install ok installed").count(), 3);
}

#[test]
fn a_script_that_fails_is_named_with_what_it_said() {
    let mut archive = Archive::new();
    let bad = archive.making("bad", "");
    bad.script("postinst", "echo cannot frobnicate >&2; exit 7");
    archive.add(bad);
    let user = archive.making("user", "Depends: bad\n");
    archive.add(user);
    let failure = archive.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (Kind::Build, "the postinst script of the package `bad` failed")
    );
    assert_eq!(failure.facts[0], "not installed: bad (half-configured), user (unpacked)");
    assert!(failure.facts.iter().any(|fact| fact == "| cannot frobnicate"), "{failure}");
    assert!(failure.facts.last().unwrap().starts_with("the whole log: "), "{failure}");
    // Half an environment is never recorded.
    assert_eq!(archive.store("store").realisation(key(&archive.environment())).unwrap(), None);
}

#[test]
fn a_preinst_that_fails_is_named_with_what_it_said() {
    let mut archive = Archive::new();
    let bad = archive.making("bad", "");
    bad.script("preinst", "echo not on this machine; exit 3");
    archive.add(bad);
    let failure = archive.failure();
    assert_eq!(failure.message, "the preinst script of the package `bad` failed");
    assert!(failure.facts.iter().any(|fact| fact == "| not on this machine"), "{failure}");
}

#[test]
fn each_package_is_fetched_and_unpacked_once() {
    let mut archive = Archive::new();
    let store = archive.store("store");
    archive.realise(&store).unwrap();
    let one = archive.making("one", "");
    one.file("usr/share/one", "1");
    archive.add(one);
    archive.realise(&store).unwrap();
    assert_eq!(*archive.fetched.lock().unwrap(), ["base", "one"]);
}

#[test]
fn what_every_system_has_is_configured_once() {
    let mut archive = Archive::new();
    let core = archive.making("core", "Essential: yes\nDepends: base\n");
    core.file("etc/core", "1").file("DEBIAN/conffiles", "/etc/core\n");
    // It doesn't see the others: what it leaves is the same whatever comes beside it.
    core.script("postinst", "cat /usr/share/one > /etc/seen 2>&1 || :; echo core >> /var/said; mkdir -p /var/made; rm -r /usr/share/core");
    core.file("usr/share/core/gone", "x");
    archive.add(core);
    let one = archive.making("one", "");
    one.file("usr/share/one", "1").script("postinst", "cat /etc/core >> /var/said; echo one >> /var/said");
    archive.add(one);
    let store = archive.store("store");
    archive.realise(&store).unwrap();
    let two = archive.making("two", "");
    two.file("etc/two", "2").file("DEBIAN/conffiles", "/etc/two\n").file("usr/share/core/two", "2");
    two.script("preinst", "test -e /var/made").script("postinst", "echo two >> /var/said");
    archive.add(two);
    let second = archive.realise(&store).unwrap();
    let files = texts(&store, &second);
    assert_eq!(files["var/said"], "core\n1one\ntwo\n");
    assert!(files["etc/seen"].contains("No such file"), "{}", files["etc/seen"]);
    assert!(!files.contains_key("usr/share/core/gone") && files.contains_key("usr/share/core/two"));
    assert_eq!(files["var/lib/dpkg/status"].matches("Status: install ok installed").count(), 4);
    let log = |store: &Store| {
        let path = store.log_path(Derivation::Environment(archive.environment()).id());
        fs::read_to_string(path).unwrap()
    };
    assert!(!log(&store).contains("Setting up core") && log(&store).contains("Setting up two"));
    let afresh = archive.store("afresh");
    assert_eq!(archive.realise(&afresh).unwrap().outputs, second.outputs);
    assert!(log(&afresh).contains("Setting up core") && log(&afresh).contains("Setting up two"));
    // The folder that the scripts ran over has become the ready one.
    let out = second.outputs["out"].digest();
    let ready = store.root().join("roots").join(out.to_hex());
    assert_eq!(tree::scan(&ready, &|_, _| true).unwrap(), root(&store, &second));
    assert_eq!(store.ready(out).unwrap(), ready);
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
}

#[test]
fn every_store_and_every_order_give_the_same_tree() {
    let mut archive = Archive::new();
    for name in ["c", "a", "b"] {
        let making = archive.making(name, "");
        making.file(&format!("usr/share/{name}/file"), name).file(&format!("usr/lib/__pycache__/{name}"), "");
        making.script(
            "postinst",
            &format!("date > /var/log/{name}.log; echo {name} >> /var/said; echo $$ > /run/{name}"),
        );
        archive.add(making);
    }
    let trees: Vec<Digest> = ["one", "two"]
        .into_iter()
        .map(|name| archive.realise(&archive.store(name)).unwrap().outputs["out"].digest())
        .collect();
    assert_eq!(trees[0], trees[1]);
}

#[test]
fn an_ordinary_user_gets_the_same_tree() {
    let output = Command::new("id").arg("-u").output().unwrap();
    if String::from_utf8_lossy(&output.stdout).trim() != "0" {
        return; // The other tests have been an ordinary user's then.
    }
    let mut archive = Archive::new();
    let one = archive.making("one", "");
    one.script(
        "postinst",
        "id -u > /var/said; touch /usr/share/x; chown 12:34 /usr/share/x; chmod 4755 /usr/share/x",
    );
    one.file("usr/share/doc", "");
    archive.add(one);
    let store = archive.store("root");
    let ours = archive.realise(&store).unwrap();
    assert_eq!(whoami(&texts(&store, &ours)), "0");

    // A copy of this very test program, run by somebody else, in a place that both may use.
    let place = tempfile::Builder::new().prefix("rbld-user-").tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = place.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::copy(RBLD, place.path().join("rbld")).unwrap();
    let list: String = archive.packages.iter().map(|package| format!("{}\n", package.path)).collect();
    fs::write(place.path().join("list"), list).unwrap();
    let output = Command::new("setpriv")
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups", "--"])
        .arg(&program)
        .args(["--exact", "as_told_by_another_test", "--nocapture"])
        .env("RBLD_TEST_PLACE", place.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let theirs = fs::read_to_string(place.path().join("tree")).unwrap();
    assert_eq!(theirs, ours.outputs["out"].digest().to_hex());
}

/// Realises the packages of a list and writes the tree's digest, for the test above.
#[test]
fn as_told_by_another_test() {
    let Some(place) = std::env::var_os("RBLD_TEST_PLACE").map(PathBuf::from) else { return };
    let arch = host_arch().unwrap();
    let list = fs::read_to_string(place.join("list")).unwrap();
    let mut packages: Vec<Package> = list.lines().map(|path| locked(Path::new(path), arch)).collect();
    packages.sort();
    let archive = ArchiveId { name: "test".to_owned(), instant: 0 };
    let env = Environment {
        arch,
        archive,
        packages,
        replaced: Vec::new(),
        rules: ENVIRONMENT_RULES,
        emulator: None,
        expected: None,
        request: Digest::of(b""),
    };
    let store = Store::open(&place.join("store")).unwrap();
    let tools = Tools {
        store: &store,
        executor: &Embedded::with_helper(place.join("rbld")),
        fetch: &|_, package| Ok(PathBuf::from(&package.path)),
        progress: &Progress::silent(),
        cancel: &Cancel::new().unwrap(),
        name: "test",
    };
    let realisation =
        environment::realise(&env, key(&env), tools).unwrap_or_else(|failure| panic!("{failure}"));
    fs::write(place.join("tree"), realisation.outputs["out"].digest().to_hex()).unwrap();
}

fn locked(path: &Path, arch: Arch) -> Package {
    let bytes = fs::read(path).unwrap();
    Package {
        origin: None,
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        arch: arch.name().to_owned(),
        version: "1".to_owned(),
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        path: path.display().to_string(),
    }
}

#[test]
fn a_package_that_is_another_one_is_refused_before_anything_runs() {
    let mut archive = Archive::new();
    let one = archive.making("one", "");
    archive.add(one);
    let path = archive.packages.iter().find(|package| package.name == "one").unwrap().path.clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    let failure = archive.failure();
    assert_eq!(failure.kind, Kind::World);
    assert_eq!(failure.message, "the package `one` isn't the one that was locked");
}

#[test]
fn packages_with_one_file_in_common_are_refused() {
    let mut archive = Archive::new();
    for name in ["one", "two"] {
        let making = archive.making(name, "");
        making.file("usr/share/x", name);
        archive.add(making);
    }
    let failure = archive.failure();
    assert_eq!(failure.message, "the package `two` can't be installed with the others: `/usr/share/x`");
}

#[test]
fn a_wish_to_stop_stops_the_scripts() {
    let mut archive = Archive::new();
    let slow = archive.making("slow", "");
    slow.script("postinst", "sleep 1000");
    archive.add(slow);
    let cancel = archive.cancel.clone();
    let log = archive.folder.path().join("store/logs").join(key(&archive.environment()).to_hex());
    let ended = Arc::new(AtomicBool::new(false));
    let seen = ended.clone();
    let watcher = std::thread::spawn(move || {
        let runs = || fs::read_to_string(&log).unwrap_or_default().contains("Setting up slow");
        while !runs() && !seen.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        cancel.set();
    });
    let failure = archive.failure();
    ended.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
    assert!(matches!(failure.kind, Kind::Interrupted(_)), "{failure}");
    // Before anything is fetched it is heeded too.
    assert!(matches!(archive.realise(&archive.store("other")).unwrap_err().kind, Kind::Interrupted(_)));
}
