//! Locks written by hand, compared.

use rbld_lang::derivation::{Arch, Package};
use rbld_lang::digest::Digest;
use rbld_lang::lock::{Block, Facts, Lock, LockedPackage, Request, SuiteAt};

use super::*;
use crate::report::Style;

const OLD: i64 = 1_793_491_200;
const NEW: i64 = 1_795_305_600;

fn request(suite: &str, instant: i64, asked: &[&str]) -> Request {
    Request::Environment {
        suite: SuiteAt {
            archive: "debian".to_owned(),
            suite: suite.to_owned(),
            components: vec!["main".to_owned()],
            instant,
            keyring: None,
            beside: Vec::new(),
        },
        arch: Arch::Amd64,
        packages: asked.iter().map(|name| (*name).to_owned()).collect(),
        build_depends: Vec::new(),
    }
}

/// `gcc-12 12.2 1500`: a name, a version, a size.
fn block(request: Request, packages: &[&str]) -> Block {
    let package = |text: &&str| {
        let words: Vec<&str> = text.split(' ').collect();
        LockedPackage {
            package: Package {
                name: words[0].to_owned(),
                arch: "amd64".to_owned(),
                version: words[1].to_owned(),
                digest: Digest::of(text.as_bytes()),
                size: words[2].parse().unwrap(),
                path: format!("pool/{}", words[0]),
                origin: None,
            },
            needs: Vec::new(),
        }
    };
    let packages = packages.iter().map(package).collect();
    Block {
        title: request,
        indexes: Vec::new(),
        facts: Facts::Environment { packages, roots: Vec::new(), tree: None },
    }
}

fn lock(blocks: &[Block]) -> Lock {
    Lock { blocks: blocks.iter().map(|block| (block.title.digest(), block.clone())).collect() }
}

#[test]
fn a_toolchain_s_packages_come_first_and_columns_line_up() {
    let old = lock(&[block(
        request("bookworm", OLD, &["git"]),
        &[
            "dpkg 1.21.1 1600000",
            "gcc-12 12.2.0-14 19000000",
            "git 2.39.2 7200000",
            "libold 1 10",
            "zsame 1 1",
            "abba 2 5",
        ],
    )]);
    let new = lock(&[block(
        request("bookworm", NEW, &["git"]),
        &[
            "dpkg 1.21.2 1600500",
            "gcc-12 12.2.0-15 19500000",
            "git 2.39.5 7100000",
            "libnew 3 2000",
            "zsame 1 1",
            "abba 1 5",
        ],
    )]);
    let names = Names::from([(request("bookworm", NEW, &["git"]).digest(), vec!["stable".to_owned()])]);
    let drift = compare(&old, &new, &Names::new(), &names);
    let expected = "\
stable: environment debian bookworm main amd64
  2026-11-01T00:00:00Z → 2026-11-22T00:00:00Z
  6 → 6 packages, 27.8 MB → 28.2 MB: 3 newer, 1 older, 1 added, 1 removed
  toolchain
    ~ gcc-12:amd64  12.2.0-14 → 12.2.0-15  19.5 MB  +500.0 kB  compiler
    ~ dpkg:amd64    1.21.1 → 1.21.2         1.6 MB     +500 B  packaging
    ~ git:amd64     2.39.2 → 2.39.5         7.1 MB  -100.0 kB  archiver
  other packages
    < abba:amd64    2 → 1                      5 B       +0 B
    + libnew:amd64  3                       2.0 kB
    - libold:amd64  1                         10 B
";
    assert_eq!(text(&drift, &Style::plain()), expected);
    assert_eq!(compare(&new, &new, &names, &names), []);
    assert_eq!(text(&[], &Style::plain()), "nothing that is locked differs\n");
    let json = json(&drift);
    assert_eq!(json[0]["changes"][0]["toolchain"], "compiler");
    assert_eq!(json[0]["changes"][3]["change"], "older");
}

#[test]
fn blocks_are_paired_by_what_they_ask_for_then_by_name() {
    let packages = ["a 1 1"];
    let old = lock(&[
        block(request("bookworm", OLD, &["git"]), &packages),
        block(request("bookworm", OLD, &["make"]), &packages),
        block(request("trixie", OLD, &["gcc"]), &packages),
        block(request("sid", OLD, &[]), &packages),
    ]);
    let new = lock(&[
        block(request("bookworm", NEW, &["git"]), &packages),
        block(request("bookworm", NEW, &["make", "m4"]), &packages),
        block(request("forky", NEW, &["gcc"]), &packages),
    ]);
    let pairs = |old_names: &Names, new_names: &Names| -> Vec<(String, bool, bool)> {
        let drift = compare(&old, &new, old_names, new_names);
        drift.into_iter().map(|one| (one.subject, one.old_pin.is_some(), one.new_pin.is_some())).collect()
    };
    let subject = |suite: &str| format!("environment debian {suite} main amd64");
    // Two of bookworm: those that ask for the same first, then the ones that are left.
    assert_eq!(
        pairs(&Names::new(), &Names::new()),
        [
            (subject("bookworm"), true, true),
            (subject("bookworm"), true, true),
            (subject("forky"), false, true),
            (subject("sid"), true, false),
            (subject("trixie"), true, false),
        ]
    );
    let named = |suite: &str, at: i64| {
        Names::from([(request(suite, at, &["gcc"]).digest(), vec!["newest".to_owned()])])
    };
    let found = pairs(&named("trixie", OLD), &named("forky", NEW));
    assert!(found.contains(&(subject("forky"), true, true)), "{found:?}");
}

#[test]
fn what_is_locked_anew_at_the_same_pin_is_shown() {
    let title = request("bookworm", OLD, &[]);
    let (old, new) = (lock(&[block(title.clone(), &["make 1 1"])]), lock(&[block(title, &["make 1 2"])]));
    let drift = compare(&old, &new, &Names::new(), &Names::new());
    assert_eq!(drift[0].changes[0].word(), "rebuilt");
    assert!(text(&drift, &Style::plain()).contains("2026-11-01T00:00:00Z, locked anew"));
}
