//! Golden keys: a changed digest here is a change of the edition, never a detail.

use super::*;
use rbld_lang::by_name::ByName;
use rbld_lang::derivation::{Arch, DerivationId, InputRef};

fn build() -> Build {
    let derivation = DerivationId(Digest::of(b"env"));
    Build {
        arch: Arch::Amd64,
        env: InputRef { derivation, output: "out".into() },
        inputs: ByName::from([("src", InputRef { derivation, output: "out".into() })]),
        workdir: Some("src".into()),
        script: "make\n".into(),
        shell: Shell::Sh,
        vars: ByName::from([("VERSION", "1.0".into())]),
        outputs: ByName::from([("dist", OutputSpec::File("a-1.0.tar.gz".to_owned()).into())]),
        timeout: 3600,
        emulator: None,
    }
}

fn resolved(build: &Build) -> Resolved<'_> {
    Resolved {
        build,
        env: Object::Tree { digest: Digest::of(b"tree"), size: 10 },
        env_vars: BTreeMap::new(),
        inputs: BTreeMap::from([("src".to_owned(), Object::Tree { digest: Digest::of(b"src"), size: 20 })]),
        variant: Variant::default(),
    }
}

fn key(build: &Build) -> String {
    resolved(build).action(&reapi::Directory::default()).unwrap().key.to_hex()
}

#[test]
fn golden() {
    assert_eq!(key(&build()), "12fecd500fdd454dfbea010473d6cf06c20f8a94846711849bfb2c0c050b02db");
}

#[test]
fn what_decides_bytes_is_in_the_key_and_nothing_else() {
    let base = key(&build());
    let changed = |change: fn(&mut Build)| {
        let mut build = build();
        change(&mut build);
        key(&build)
    };
    assert_eq!(base, changed(|b| b.timeout = 1));
    assert_ne!(base, changed(|b| b.script = "make\n\n".into()));
    assert_ne!(base, changed(|b| b.shell = Shell::Bash));
    assert_ne!(base, changed(|b| b.workdir = None));
    assert_ne!(base, changed(|b| b.arch = Arch::Arm64));
    assert_ne!(base, changed(|b| b.vars = ByName::from([("VERSION", "1.0".into()), ("A", "".into())])));
    assert_ne!(
        base,
        changed(|b| b.outputs = ByName::from([("dist", OutputSpec::Files("a-1.0.tar.gz".to_owned()).into())]))
    );
}

#[test]
fn what_an_environment_brings_is_over_what_is_fixed_and_under_the_recipe() {
    let build = build();
    let brought = |name: &str, value: &str| {
        let env_vars = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        variables(&build, &env_vars, PLAIN_FOLDER)[name].clone()
    };
    assert_eq!(brought("PATH", "/profile/bin"), "/profile/bin");
    assert_eq!(brought("VERSION", "2.0"), "1.0");
    let env_vars = BTreeMap::from([("PATH".to_owned(), "/profile/bin".to_owned())]);
    let other = Resolved { env_vars, ..resolved(&build) };
    assert_ne!(key(&build), other.action(&reapi::Directory::default()).unwrap().key.to_hex());
}

#[test]
fn each_variant_has_a_key_of_its_own() {
    use rbld_lang::vary::Axis;
    let build = build();
    let key = |variant: Variant| {
        let varied = Resolved { variant, ..resolved(&build) };
        varied.action(&reapi::Directory::default()).unwrap().key.to_hex()
    };
    let plain = Variant::default();
    let mut keys = vec![
        key(plain.clone()),
        key(Variant::run(1)),
        key(plain.clone().varying([Axis::Time])),
        key(plain.clone().holding([Axis::Time])),
        key(plain.clone().varying([Axis::Time, Axis::Umask])),
    ];
    assert_eq!(keys[0], super::tests::key(&build));
    assert_eq!(keys[4], key(plain.varying([Axis::Umask, Axis::Time])), "in any order");
    assert_eq!(keys[2], "526d18f8927a72a92c2a7c96c0e6fc2dfef29875e88536cee435509f0e7d81ea");
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5);
}

#[test]
fn the_key_and_the_explanation_come_from_one_walk() {
    let build = build();
    let facts = resolved(&build).explain();
    assert!(facts.contains(&("arguments.script".to_owned(), "make\n".to_owned())));
    assert!(facts.contains(&("variables.src".to_owned(), "/build/src".to_owned())));
    assert!(facts.iter().any(|(name, _)| name == "inputs./build/src"));
}

#[test]
fn the_language_refuses_exactly_the_variables_that_are_fixed() {
    let fixed: Vec<&str> = FIXED_VARIABLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(fixed, rbld_lang::check::FIXED_VARIABLES);
}
