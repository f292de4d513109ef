//! Environments of Guix: the design's own example, what they stand on, what a person is told.

use super::*;
use crate::derivation::Derivation;
use crate::eval::pins::{self, Placed, Question};

const PIN: &str = "commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e";

fn over(text: &str) -> String {
    format!("rbld 1\nuse std.guix\nuse std.debian\nlet at = 2026-11-22T00:00:00Z\nlet pin = {PIN}\n{text}")
}

const RECIPE: &str =
    "recipe hello(e: Env) {\n  env = e\n  run = \"hello > $out\"\n  outputs = { out = file(\"out\") }\n}\n";

#[test]
fn the_example_of_the_design_comes_to_a_plan() {
    let text = include_str!("../../syntax/guile-gnutls.rbld");
    // rbld has no keys of Trisquel: its users bring the file.
    let text = ["aramo", "ecne"].into_iter().fold(text.to_owned(), |text, suite| {
        text.replace(&format!("({suite}, at)"), &format!("({suite}, at, keyring = ./release.bundle)"))
    });
    let (plan, _) = plan(&text);
    let guix: Vec<_> = plan
        .derivations
        .values()
        .filter_map(|derivation| match derivation {
            Derivation::Guix(guix) => Some(guix),
            _ => None,
        })
        .collect();
    assert_eq!(guix.len(), 4);
    assert!(guix.iter().all(|guix| guix.base.is_some() && guix.items.len() == 7));
    // One request for each architecture, whatever it is laid over.
    let mut requests: Vec<_> = guix.iter().map(|guix| guix.request).collect();
    requests.sort();
    requests.dedup();
    assert_eq!(requests.len(), 2);
}

#[test]
fn a_build_stands_on_the_profile_and_the_profile_on_its_base() {
    let source = over(&format!(
        "{RECIPE}env below = debian.snapshot(bookworm, at).env(amd64)\n\
         env one = guix.on(below, pin, [\"hello\", \"gcc:lib\", \"hello\"])\n\
         env two = guix.packages(pin, [\"gcc:lib\", \"hello\"])\n\
         build b for e in [one, two] = hello(e)\nassert \"same\" identical(b.*.out)\n"
    ));
    let (plan, evaluated) = plan(&source);
    let kinds: Vec<&str> = plan
        .derivations
        .values()
        .map(|derivation| match derivation {
            Derivation::Environment(_) => "base",
            Derivation::Guix(guix) if guix.base.is_some() => "over",
            Derivation::Guix(_) => "alone",
            _ => "build",
        })
        .collect();
    assert_eq!(kinds, ["base", "over", "alone", "build", "build"]);
    // Names in another order, or twice, are one request.
    assert_eq!(evaluated.requests.len(), 2);
    let titles: Vec<String> = evaluated.requests.iter().map(|(request, _)| request.title()).collect();
    assert_eq!(titles[1], "guix 136fc8bfe91a amd64");
}

#[test]
fn what_changed_since_it_was_locked_is_said() {
    let before = over("env one = guix.packages(pin, [\"hello\", \"bash\"])\n");
    let (_, evaluated_before) = evaluated(&before);
    let lock = locked(&evaluated_before);
    let stale = |from: &str, to: &str| {
        let (project, evaluated) = evaluated(&before.replace(from, to));
        shown(&project, &instantiate(&evaluated, Some(&lock), &HOST).1)
    };
    assert_eq!(stale("one", "two"), [""; 0]);
    let moved = stale("136fc8bf", "236fc8bf");
    assert!(moved[0].contains("is stale: the commit of `guix` was 136fc8bfe91a"), "{moved:?}");
    let more = stale("\"bash\"", "\"make\"");
    assert!(more[0].contains("is stale: package `make` was added, package `bash` was removed"), "{more:?}");
}

#[test]
fn another_architecture_needs_an_instant_for_its_emulator() {
    let alone = over(&format!(
        "{RECIPE}env one = guix.packages(pin, [\"hello\"], arch = arm64)\nbuild b = hello(one)\n"
    ));
    check(&alone, &["E0305 11:11 | which emulator would"]);
    let on = over(&format!(
        "{RECIPE}env one = guix.on(debian.snapshot(bookworm, at).env(arm64), pin, [\"hello\"])\n\
         build b for round in [1] = hello(one)\n"
    ));
    let (plan, _) = plan(&on);
    let emulated = plan.derivations.values().filter(|derivation| match derivation {
        Derivation::Build(build) => build.emulator.is_some(),
        _ => false,
    });
    assert_eq!(emulated.count(), 1);
}

#[test]
fn an_instant_that_the_file_names_brings_an_emulator() {
    let source = over(&format!(
        "use std.oci\n{RECIPE}env one = guix.packages(pin, [\"hello\"], arch = arm64, emulator = at)\n\
         env two = oci.image(\"registry.example/a\", sha256:{}, arch = riscv64, emulator = at)\n\
         env own = oci.layout(./folder/, emulator = 2020-01-01T00:00:00Z)\n\
         build b for e in [one, two, own] = hello(e)\nassert \"same\" identical(b.*.out)\n",
        "ab".repeat(32)
    ));
    let (plan, evaluated) = plan(&source);
    let emulated = plan.derivations.values().filter_map(|derivation| match derivation {
        Derivation::Build(build) => Some((build.arch.name(), build.emulator.is_some())),
        _ => None,
    });
    assert_eq!(emulated.collect::<Vec<_>>(), [("arm64", true), ("riscv64", true), ("amd64", false)]);
    let emulator = |year: i64, host| {
        let suite = evaluated.requests.iter().find_map(|(request, _)| match request {
            Request::Emulator { suite, .. } => Some(suite.clone()),
            _ => None,
        });
        let suite = suite.unwrap();
        let instant = if year == 2020 { 1_577_836_800 } else { suite.instant };
        Request::Emulator { suite: SuiteAt { instant, ..suite }, host }
    };
    let asked = evaluated.requests.iter().filter(|(request, _)| matches!(request, Request::Emulator { .. }));
    assert_eq!(asked.count(), 1, "what runs here needs none");
    // Others need other ones, which a lock may hold as well.
    assert!(evaluated.wants(&emulator(2026, Arch::Amd64)));
    assert!(evaluated.wants(&emulator(2020, Arch::Arm64)));
    assert!(!evaluated.wants(&emulator(2020, Arch::Amd64)));

    let without = over(&format!(
        "use std.oci\n{RECIPE}env far = oci.layout(./folder/, arch = riscv64)\nbuild b = hello(far)\n"
    ));
    check(&without, &["E0305 13:11 | the image doesn't say which emulator"]);
}

#[test]
fn an_image_is_there_to_be_pushed() {
    let image = "build image = oci.build_image(files = { \"/a\" = b.out })\n";
    let env = "env one = guix.packages(pin, [\"hello\"])\nbuild b = hello(one)\n";
    let said = said(&over(&format!("use std.oci\n{RECIPE}{env}{image}")));
    assert!(said.iter().all(|said| !said.starts_with("W0503")), "{said:?}");
}

#[test]
fn a_script_may_read_what_the_environment_brings() {
    let recipe = RECIPE.replace("hello >", "hello $PKG_CONFIG_PATH $pkg >");
    check(
        &over(
            &format!("{recipe}env one = guix.packages(pin, [\"hello\"])\nbuild b = r(one)\n")
                .replace("= r(", "= hello("),
        ),
        &["E0401 8:33 | `$pkg` is set by nothing"],
    );
}

#[test]
fn a_newer_commit_is_looked_for_where_guix_is() {
    let source = over("env one = guix.packages(pin, [\"hello\"])\n");
    let loader = loader(&source);
    let project = load("build.rbld", &loader);
    let found = pins::pins(&project, &loader);
    let [_at @ .., guix] = found.as_slice() else { panic!("{found:?}") };
    assert!(matches!(&guix.question, Question::Git { url, .. } if url.contains("guix")), "{guix:?}");
    let Placed::Literal(span) = guix.place else { panic!("{guix:?}") };
    assert_eq!(project.sources.slice(span), PIN);
}
