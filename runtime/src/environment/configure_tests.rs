use super::*;
use crate::environment::package::Member;
use crate::environment::testing::part;
use crate::store::tree::Node;

fn member(text: &str) -> Member {
    Member { node: Node::Link { target: String::new() }, bytes: text.as_bytes().to_vec() }
}

fn with_preinst(name: &str, fields: &str) -> Part {
    let mut part = part(name, fields);
    part.members.insert("preinst".to_owned(), member("true"));
    part
}

#[test]
fn the_script_goes_by_stages_and_leaves_diversions_to_dpkg() {
    let mut parts = vec![
        with_preinst("b", ""),
        part("plain", ""),
        with_preinst("a", "Pre-Depends: plain\n"),
        with_preinst("d", ""),
        with_preinst("base", "Essential: yes\nMulti-Arch: same\n"),
    ];
    parts[3].members.insert("preinst".to_owned(), member("dpkg-divert x"));
    let order = package::order(&parts);
    let text = script(&parts, &order, Stages::All);
    let steps: Vec<&str> = text.strip_prefix(HEAD).unwrap().lines().collect();
    let deb = format!("unpack d /inputs/{}.deb", parts[3].package.digest);
    let expected = [
        "preinst base amd64 base:amd64",
        "configure base:amd64",
        "preinst b amd64 b",
        "configure plain",
        "preinst a amd64 a",
        &deb,
        "configure -a",
    ];
    assert_eq!(steps, expected);
    let [first, later] = [Stages::First, Stages::Later].map(|which| script(&parts, &order, which));
    let lines = |text: &str| text.strip_prefix(HEAD).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!([lines(&first), lines(&later)].concat(), expected);
    assert_eq!(lines(&first), expected[..2]);
}

#[test]
fn a_preinst_has_its_control_members_beside_it() {
    let parts = [part("plain", ""), with_preinst("a", "")];
    let beside = beside(&parts);
    assert_eq!(beside.len(), 1);
    let (name, folder) = &beside[0];
    assert_eq!(name, "a");
    assert_eq!(folder.entries.keys().collect::<Vec<_>>(), ["control", "preinst"]);
}

const LOG: &str = "\
Setting up libz (1) ...
Setting up bad (2) ...
cannot frobnicate
dpkg: error processing package bad (--configure):
 installed bad package post-installation script subprocess returned error exit status 7
dpkg: dependency problems prevent configuration of app:
 app depends on bad; however:
  Package bad is not configured yet.

dpkg: error processing package app (--configure):
 dependency problems - leaving unconfigured
Errors were encountered while processing:
 bad
 app
";

#[test]
fn the_first_script_that_failed_is_blamed_with_what_it_said() {
    let unfinished = [state("app", "unpacked"), state("bad", "half-configured")];
    let failure = failed(1, &unfinished, LOG, Path::new("logs/x"));
    assert_eq!(failure.message, "the postinst script of the package `bad` failed");
    assert_eq!(failure.kind, Kind::Build);
    assert_eq!(failure.facts[0], "not installed: app (unpacked), bad (half-configured)");
    assert!(failure.facts.iter().any(|fact| fact == "| cannot frobnicate"), "{failure}");
    assert!(!failure.facts.iter().any(|fact| fact.contains("depends on bad")), "{failure}");
    assert_eq!(failure.facts.last().unwrap(), "the whole log: logs/x");
}

#[test]
fn a_preinst_is_blamed_by_our_own_word() {
    let log = "Preparing x:amd64 ...\nno\nrbld: the preinst script of x failed with status 4\n";
    assert_eq!(culprit(log), Some(("x".to_owned(), "preinst".to_owned())));
    assert_eq!(failed(1, &[], log, Path::new("l")).message, "the preinst script of the package `x` failed");
}

#[test]
fn a_package_that_stayed_behind_is_told_without_an_error_in_the_log() {
    let failure = failed(0, &[state("x", "triggers-pending")], "", Path::new("l"));
    assert_eq!(failure.message, "the package `x` stayed triggers-pending");
}

#[test]
fn an_error_of_dpkg_itself_is_told() {
    let log = "dpkg: error: 1 expected program not found in PATH or not executable\n";
    let failure = failed(2, &[state("x", "unpacked")], log, Path::new("l"));
    let message =
        "dpkg could not configure the packages: 1 expected program not found in PATH or not executable";
    assert_eq!(failure.message, message);
}
