use super::*;
use crate::environment::testing::{package, part};

#[test]
fn a_relation_is_a_name_and_a_bound() {
    let groups = alternatives("libc6 (>= 2.36), awk | mawk:any (<<2),");
    assert_eq!(groups[0], [Relation { name: "libc6", bound: Some((">=", "2.36")) }]);
    assert_eq!(groups[1][0], Relation { name: "awk", bound: None });
    assert_eq!(groups[1][1], Relation { name: "mawk", bound: Some(("<<", "2")) });
    assert_eq!(groups.len(), 2);
}

#[test]
fn bounds_compare_as_dpkg_does() {
    let met = |operator, bound, version: &str| {
        Relation { name: "x", bound: Some((operator, bound)) }.met_by(version)
    };
    assert!(met("<<", "2:1.0", "1:9"));
    assert!(met("<<", "1.0", "1.0~rc1"));
    assert!(met(">=", "1.0-1", "1.0-1+b2"));
    assert!(!met("=", "1.0", "1.0-1"));
    assert!(met("<=", "1", "1"));
    assert!(!met(">>", "1", "1"));
}

#[test]
fn needs_come_first_and_cycles_end() {
    let parts = [
        part("zz", "Essential: yes\nPre-Depends: libz\n"),
        part("app", "Depends: tool | other, app-data\n"),
        part("app-data", "Depends: app\n"),
        part("libz", ""),
        part("real-tool", "Provides: tool (= 1)\n"),
        part("base-passwd", ""),
    ];
    let names: Vec<&str> =
        order(&parts).into_iter().map(|index| parts[index].package.name.as_str()).collect();
    assert_eq!(names, ["base-passwd", "libz", "zz", "real-tool", "app-data", "app"]);
}

#[test]
fn a_package_that_is_another_one_is_refused() {
    let members = |text: &str| {
        let node = Node::Link { target: String::new() };
        BTreeMap::from([("control".to_owned(), Member { node, bytes: text.as_bytes().to_vec() })])
    };
    let failure =
        |text: &str| Part::new(package("one"), members(text), Folder::default()).err().unwrap().message;
    assert!(failure("Package: two\nVersion: 1\nArchitecture: amd64\n").contains("its Package is `two`"));
    assert!(failure("Package: one\nArchitecture: amd64\n").contains("its Version is ``, the lock says `1`"));
    assert!(failure("\n\n").contains("could not read the `control` of the package `one`"));
}

#[test]
fn only_shipped_configuration_files_count() {
    let mut part = part("one", "");
    let node = Node::File { digest: rbld_lang::digest::Digest::of(b""), size: 0, executable: false };
    part.data.insert("etc/one", node.clone()).unwrap();
    let bytes = b"/etc/one\n\nremove-on-upgrade /etc/old\n/etc/gone\n".to_vec();
    part.members.insert("conffiles".to_owned(), Member { node, bytes });
    assert_eq!(part.conffiles(), ["etc/one"]);
}

#[test]
fn a_preinst_that_diverts_is_left_to_dpkg() {
    let mut one = part("one", "");
    let node = Node::Link { target: String::new() };
    let bytes = b"#!/bin/sh\n# dpkg-divert is only named here\n".to_vec();
    one.members.insert("preinst".to_owned(), Member { node: node.clone(), bytes });
    assert!(!one.diverts());
    let bytes = b"#!/bin/sh\nset -e\n  dpkg-divert --add --rename /usr/bin/x\n".to_vec();
    one.members.insert("preinst".to_owned(), Member { node, bytes });
    assert!(one.diverts());
}
