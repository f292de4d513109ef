//! Relations that hold, and those that are told not to.

use super::super::testing::part;
use super::*;

fn made(names: &[&str]) -> Makers {
    names.iter().map(|name| (((*name).to_owned(), "amd64".to_owned()), format!("build of {name}"))).collect()
}

fn checked(parts: &[Part], built: &[&str]) -> Option<Failure> {
    check(parts, &made(built), "amd64").err()
}

/// A part of another architecture.
fn of_arch(name: &str, arch: &str, fields: &str) -> Part {
    let mut part = part(name, fields);
    part.package.arch = arch.to_owned();
    part
}

#[test]
fn relations_that_hold() {
    let alone = |fields: &str, others: &[(&str, &str)]| {
        let mut parts = vec![part("a", fields)];
        parts.extend(others.iter().map(|(name, fields)| part(name, fields)));
        checked(&parts, &["a"])
    };
    for (fields, others) in [
        ("Depends: b (>= 1), c | d\n", &[("b", ""), ("d", "")][..]),
        ("Pre-Depends: b (<< 2~)\n", &[("b", "")]),
        ("Depends: mail\n", &[("b", "Provides: mail, post (= 3)\n")]),
        ("Depends: post (>= 2)\n", &[("b", "Provides: mail, post (= 3)\n")]),
        ("Depends: python:any\n", &[("python", "Multi-Arch: allowed\n")]),
        ("Depends: libc:amd64, libd:native\n", &[("libc", ""), ("libd", "")]),
        ("Provides: mail\nConflicts: mail\nReplaces: mail\n", &[("b", "")]),
        ("Breaks: b (<< 1)\n", &[("b", "")]),
    ] {
        assert!(alone(fields, others).is_none(), "{fields} {}", alone(fields, others).unwrap());
    }
}

#[test]
fn relations_that_don_t() {
    let told = |fields: &str, other: &str| {
        let parts = [part("a", fields), part("b", other)];
        checked(&parts, &["a"]).unwrap_or_else(|| panic!("{fields}")).message
    };
    let needs = "`a` 1, made by `build of a`, needs";
    assert_eq!(
        told("Depends: b (>= 2)\n", ""),
        format!("{needs} `b (>= 2)`, which the environment doesn't have")
    );
    assert_eq!(
        told("Depends: c | d (= 1)\n", ""),
        format!("{needs} `c | d (= 1)`, which the environment doesn't have")
    );
    assert!(told("Pre-Depends: c\n", "").contains("needs beforehand `c`"));
    // A provision without a version satisfies no bound.
    assert!(told("Depends: mail (>= 1)\n", "Provides: mail\n").contains("`mail (>= 1)`"));
    assert!(told("Depends: b:arm64\n", "").contains("`b:arm64`"));
    assert_eq!(
        told("Conflicts: mail\n", "Provides: mail\n"),
        "`a` 1, made by `build of a`, can't be beside `b` 1: it says `Conflicts: mail`"
    );
    assert!(told("", "Breaks: a (<< 2)\n").starts_with("`b` 1 can't be beside `a` 1, made by"));
    assert!(told("Depends: b (\n", "").contains("has a `Depends` that can't be read"));
}

#[test]
fn what_is_there_is_told_beside_what_is_wanted() {
    let parts = [part("a", "Depends: b (>= 2)\n"), part("b", ""), part("c", "Depends: b (>= 3), gone\n")];
    let failure = checked(&parts, &["b"]).unwrap();
    assert_eq!(failure.message, "`a` 1 needs `b (>= 2)`, which the environment doesn't have");
    assert_eq!(failure.facts[0], "there is `b` 1, made by `build of b`");
    assert_eq!(failure.facts.len(), 3, "{failure}");
    assert_eq!(failure.exit_code(), 3);
}

#[test]
fn what_the_lock_chose_goes_together() {
    let parts = [part("a", "Conflicts: b\n"), part("b", ""), part("c", "")];
    assert!(checked(&parts, &["c"]).is_none());
    assert!(checked(&parts, &["b"]).is_some());
}

#[test]
fn another_architecture_serves_only_what_says_so() {
    let need = || part("a", "Depends: tool\n");
    assert!(checked(&[need(), of_arch("tool", "i386", "Multi-Arch: foreign\n")], &["a"]).is_none());
    assert!(checked(&[need(), of_arch("tool", "i386", "")], &["a"]).is_some());
    assert!(checked(&[need(), of_arch("tool", "all", "")], &["a"]).is_none());
}
