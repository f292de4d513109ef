//! Variants of a build in a real store: each is run once, found again by its key, and says what was varied. The
//! environment is a static busybox, and where a locale is made, this machine's own programs.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicI32;
use std::sync::{Arc, Mutex};

use rbld::config::Config;
use rbld::executor::{Cancel, Embedded};
use rbld::failure::Kind;
use rbld::fetch::mirrors::Mirrors;
use rbld::progress::Progress;
use rbld::schedule::node::{Inputs, World};
use rbld::schedule::{How, build};
use rbld::store::tree::{self, Folder, Node};
use rbld::store::{Object, Realisation, Store};
use rbld::vary::Variant;
use rbld_lang::by_name::ByName;
use rbld_lang::derivation::{Arch, Build, DerivationId, InputRef, OutputSpec, Shell};
use rbld_lang::digest::Digest;
use rbld_lang::vary::Axis;
use tools::Tool;

struct Place {
    _folder: tempfile::TempDir,
    world: World,
    inputs: Inputs,
    environment: DerivationId,
}

impl Place {
    /// A store with an environment of busybox and these programs of this machine, with their libraries.
    fn new(programs: &[&str]) -> Place {
        let folder = tempfile::Builder::new().prefix("rbld-variants-").tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let batch = store.batch().unwrap();
        let mut root = Folder::default();
        let mut put = |path: &str, from: &Path| {
            let executable = std::fs::metadata(from).unwrap().permissions().mode() & 0o100 != 0;
            let blob = batch.file(from, executable).unwrap();
            root.insert(path, Node::File { digest: blob.digest, size: blob.size, executable }).unwrap();
        };
        let busybox = Tool::find("bin/busybox", "busybox-static").program;
        for name in ["sh", "cat", "date", "id", "env"] {
            put(&format!("bin/{name}"), &busybox);
        }
        let mut libraries = std::collections::BTreeSet::new();
        for name in programs {
            let program = Path::new("/usr/bin").join(name);
            put(&format!("usr/bin/{name}"), &program);
            let output = Command::new("ldd").arg(&program).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
            libraries.extend(paths.map(str::to_owned));
        }
        for library in libraries {
            put(library.trim_start_matches('/'), &std::fs::canonicalize(&library).unwrap());
        }
        let object = tree::write(&batch, &root).unwrap();
        let environment = DerivationId(Digest::of(b"environment"));
        let outputs = BTreeMap::from([("out".to_owned(), object)]);
        let realised = Realisation { key: environment.0, outputs, facts: BTreeMap::new() };
        batch.commit(&[(environment, realised.clone())]).unwrap();
        let world = World {
            store,
            executor: Box::new(Embedded::with_helper(env!("CARGO_BIN_EXE_rbld"))),
            http: Arc::new(Mutex::new(None)),
            mirrors: Mirrors::new(&Config::default(), &[]),
            project: folder.path().to_owned(),
            progress: Progress::silent(),
            cancel: Cancel::new().unwrap(),
            signal: Arc::new(AtomicI32::new(2)),
            offline: true,
            keep_failed: false,
            cores: 2,
            names: BTreeMap::new(),
        };
        let inputs = Inputs::of([(environment, realised)]);
        Place { _folder: folder, world, inputs, environment }
    }

    fn build(&self, script: &str) -> Build {
        Build {
            arch: Arch::from_name(if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }).unwrap(),
            env: InputRef { derivation: self.environment, output: "out".into() },
            inputs: ByName::default(),
            workdir: None,
            script: script.into(),
            shell: Shell::Sh,
            vars: ByName::default(),
            outputs: ByName::from([("result", OutputSpec::File("result".to_owned()).into())]),
            timeout: 60,
            emulator: None,
        }
    }

    /// What a build leaves under a variant, its facts, and whether it was run.
    fn run(&self, script: &str, variant: &Variant) -> (String, BTreeMap<String, String>, How) {
        let id = DerivationId(Digest::of(script.as_bytes()));
        let (realisation, how) =
            build::vary(&self.world, id, &self.build(script), &self.inputs, variant, false).unwrap();
        let object: &Object = &realisation.outputs["result"];
        let text = self.world.store.read_blob(object.digest(), 1 << 20).unwrap();
        (String::from_utf8(text).unwrap(), realisation.facts, how)
    }
}

#[test]
fn a_variant_is_run_once_and_says_what_it_is() {
    let place = Place::new(&[]);
    let script = "echo run >\"$result\"; pwd >>\"$result\"; env | cat >/tmp/all";
    let plain = Variant::default();
    let (text, facts, how) = place.run(script, &plain);
    assert_eq!((text.as_str(), how), ("run\n/build\n", How::Made));
    assert!(!facts.contains_key("vary") && !facts.contains_key("run"));
    assert_eq!(place.run(script, &plain).2, How::Cached);
    let varied = Variant::run(1).varying([Axis::BuildPath, Axis::Umask]);
    let (text, facts, how) = place.run(script, &varied);
    assert_eq!((text.as_str(), how), ("run\n/elsewhere/build-2nd/place\n", How::Made));
    assert_eq!((facts["vary"].as_str(), facts["run"].as_str()), ("build_path,umask", "1"));
    assert_eq!(place.run(script, &varied).2, How::Cached);
    let id = DerivationId(Digest::of(script.as_bytes()));
    let key = place.world.store.key_of(id).unwrap().unwrap();
    let known = place.world.store.realisation(key).unwrap().unwrap();
    assert!(!known.facts.contains_key("vary"), "the derivation's own result stays the plain one");
    assert!(place.world.store.log_path(id).exists());
}

#[test]
fn a_variant_that_fails_leaves_a_log_of_its_own() {
    let place = Place::new(&[]);
    let script = "echo varied; exit 3";
    let id = DerivationId(Digest::of(b"fails"));
    let variant = Variant::default().varying([Axis::Home]);
    let failure =
        build::vary(&place.world, id, &place.build(script), &place.inputs, &variant, false).unwrap_err();
    assert_eq!(failure.kind, Kind::Build);
    assert!(failure.message.contains("vary=home"), "{failure}");
    let log = failure.help.unwrap().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(log).unwrap(), "varied\n");
    assert!(!place.world.store.log_path(id).exists());
}

#[test]
fn an_environment_is_given_another_language() {
    let place = Place::new(&["localedef", "locale", "sort"]);
    let script =
        "{ echo $LANG; echo B >l; echo a >>l; echo A >>l; /usr/bin/sort l; locale mon; } >\"$result\"";
    let (plain, facts, _) = place.run(script, &Variant::default());
    assert!(plain.starts_with("C.UTF-8\nA\nB\na\nJanuary;"), "{plain}");
    assert!(!facts.contains_key("locale"));
    let (varied, facts, _) = place.run(script, &Variant::default().varying([Axis::Locale]));
    assert!(varied.starts_with("fr_CH.UTF-8\na\nA\nB\njanvier;f\u{e9}vrier;"), "{varied}");
    assert_eq!(facts["locale"], "fr_CH.UTF-8");
}

#[test]
fn an_environment_that_can_make_no_language_says_so() {
    let place = Place::new(&[]);
    let (text, facts, _) =
        place.run("echo $LANG $LC_ALL >\"$result\"", &Variant::default().varying([Axis::Locale]));
    assert_eq!((text.as_str(), facts["locale"].as_str()), ("C C\n", "C"));
}

#[test]
fn programs_of_every_kind_see_the_other_time() {
    let place = Place::new(&["date", "perl"]);
    let script = "for program in 'date +%s' '/usr/bin/date +%s' \"perl -e print(time)\"; do \
        echo $($program) >>\"$result\"; done";
    let read = |variant: &Variant| -> Vec<i64> {
        place.run(script, variant).0.lines().map(|line| line.parse().unwrap()).collect()
    };
    let (plain, varied) = (read(&Variant::default()), read(&Variant::default().varying([Axis::Time])));
    for (plain, varied) in plain.iter().zip(&varied) {
        let apart = varied - plain - (398 * 86_400 + 22_997);
        assert!((0..60).contains(&apart), "{plain} {varied}");
    }
    let held = Variant::default().holding([Axis::Time]);
    assert_eq!(read(&held), [2_117_246_706; 3]);
    assert_eq!(read(&Variant { run: 1, ..held }), [2_117_246_706; 3]);
}
