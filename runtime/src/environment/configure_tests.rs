use super::*;
use crate::environment::package::Member;
use crate::environment::testing::part;
use crate::store::tree::Node;

fn with_preinst(name: &str, text: &str) -> Part {
    let mut part = part(name, "");
    let node = Node::Link { target: String::new() };
    part.members.insert("preinst".to_owned(), Member { node, bytes: text.as_bytes().to_vec() });
    part
}

#[test]
fn the_script_runs_each_preinst_in_order_and_leaves_diversions_to_dpkg() {
    let parts = [
        with_preinst("b", "true"),
        part("plain", ""),
        with_preinst("a", "true"),
        with_preinst("d", "dpkg-divert x"),
    ];
    let text = script(&parts, &[2, 0, 1, 3]);
    let steps: Vec<&str> = text.strip_prefix(HEAD).unwrap().strip_suffix(TAIL).unwrap().lines().collect();
    let deb = format!("unpack d /inputs/{}.deb", parts[3].package.digest);
    assert_eq!(steps, ["preinst a amd64 a", "preinst b amd64 b", deb.as_str()]);
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
