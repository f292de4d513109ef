use super::*;
use crate::environment::testing::{file, part, shipping};

fn merged(parts: &[Part]) -> Result<Merged> {
    let order: Vec<usize> = (0..parts.len()).collect();
    merge(parts, &order, Arch::Amd64)
}

fn paths(folder: &Folder) -> Vec<String> {
    folder.files().map(|(path, _)| path).collect()
}

#[test]
fn files_of_packages_lie_together() {
    let parts =
        [shipping("a", "", &[("usr/bin/a", "1")]), shipping("b", "", &[("usr/bin/b", "2"), ("opt/", "")])];
    let root = merged(&parts).unwrap().root;
    assert_eq!(paths(&root), ["usr/bin/a", "usr/bin/b"]);
    assert!(matches!(root.get("opt"), Some(Node::Folder(_))));
}

#[test]
fn usr_is_merged_when_the_packages_say_so() {
    let parts = [part("usr-is-merged", ""), shipping("bash", "", &[("bin/bash", "1"), ("lib64/ld", "2")])];
    let root = merged(&parts).unwrap().root;
    assert_eq!(root.get("bin"), Some(&Node::Link { target: "usr/bin".to_owned() }));
    assert_eq!(root.get("usr/bin/bash"), Some(&file("1")));
    assert_eq!(root.get("usr/lib64/ld"), Some(&file("2")));
    let apart = merged(&parts[1..]).unwrap().root;
    assert_eq!(apart.get("bin/bash"), Some(&file("1")));
}

#[test]
fn links_that_base_files_ships_come_before_everything() {
    let parts = [
        shipping("aaa", "", &[("bin/a", "1")]),
        shipping("base-files", "", &[("bin", "-> usr/bin"), ("usr/bin/", "")]),
    ];
    let root = merged(&parts).unwrap().root;
    assert_eq!(root.get("usr/bin/a"), Some(&file("1")));
    assert_eq!(root.get("bin"), Some(&Node::Link { target: "usr/bin".to_owned() }));
}

#[test]
fn a_folder_follows_a_link_that_lies_there() {
    let parts = [
        shipping("a", "", &[("usr/share/x/", ""), ("usr/share/y", "-> x")]),
        shipping("b", "", &[("usr/share/y/file", "1")]),
    ];
    assert_eq!(merged(&parts).unwrap().root.get("usr/share/x/file"), Some(&file("1")));
}

#[test]
fn a_folder_stays_where_a_link_to_a_folder_is_shipped_later() {
    let parts =
        [shipping("a", "", &[("doc/x/file", "1"), ("doc/y/", "")]), shipping("b", "", &[("doc/y", "-> x")])];
    assert!(matches!(merged(&parts).unwrap().root.get("doc/y"), Some(Node::Folder(_))));
}

#[test]
fn a_link_that_leads_out_stays_within() {
    let parts = [
        shipping("a", "", &[("x", "-> ../../../etc"), ("etc/", "")]),
        shipping("b", "", &[("x/passwd", "1")]),
    ];
    assert_eq!(merged(&parts).unwrap().root.get("etc/passwd"), Some(&file("1")));
}

#[test]
fn links_in_a_ring_are_refused() {
    let parts = [shipping("a", "", &[("x", "-> y"), ("y", "-> x")]), shipping("b", "", &[("x/file", "1")])];
    let failure = merged(&parts).err().unwrap();
    assert!(failure.message.contains("`b` can't be installed with the others: `/x`"), "{failure}");
}

#[test]
fn a_file_of_two_packages_belongs_to_the_one_that_replaces() {
    for swap in [false, true] {
        let mut parts = vec![
            shipping("old", "", &[("usr/bin/x", "old")]),
            shipping("new", "Replaces: old (<< 2)\n", &[("usr/bin/x", "new")]),
        ];
        if swap {
            parts.reverse();
        }
        let merged = merged(&parts).unwrap();
        assert_eq!(merged.root.get("usr/bin/x"), Some(&file("new")));
        let loser = parts.iter().position(|part| part.package.name == "old").unwrap();
        assert_eq!(merged.lost[loser], BTreeSet::from(["usr/bin/x".to_owned()]));
        assert!(merged.lost[1 - loser].is_empty());
    }
}

#[test]
fn a_file_of_two_packages_without_a_word_is_a_failure_that_names_both() {
    let parts =
        [shipping("one", "", &[("x", "1")]), shipping("two", "Replaces: one (<< 1)\n", &[("x", "1")])];
    let failure = merged(&parts).err().unwrap();
    assert_eq!(failure.message, "the package `two` can't be installed with the others: `/x`");
    assert!(failure.facts.iter().any(|fact| fact == "`one` 1 has it already"), "{failure}");
}

#[test]
fn architectures_of_one_package_share_equal_files() {
    let fields = "Multi-Arch: same\n";
    let parts = [shipping("lib", fields, &[("doc", "1")]), shipping("lib", fields, &[("doc", "1")])];
    assert_eq!(paths(&merged(&parts).unwrap().root), ["doc"]);
    let parts = [shipping("lib", fields, &[("doc", "1")]), shipping("lib", fields, &[("doc", "2")])];
    assert!(merged(&parts).is_err());
}

#[test]
fn configuration_files_wait_for_dpkg() {
    let mut one = shipping("one", "", &[("etc/one", "1"), ("etc/other", "2")]);
    let node = Node::Link { target: String::new() };
    one.members.insert(
        "conffiles".to_owned(),
        super::super::package::Member { node, bytes: b"/etc/one\n".to_vec() },
    );
    assert_eq!(paths(&merged(&[one]).unwrap().root), ["etc/one.dpkg-new", "etc/other"]);
}
