use super::*;
use crate::environment::package::Member;
use crate::environment::testing::{file, shipping};

fn member(part: &mut Part, name: &str, text: &str) {
    part.members.insert(name.to_owned(), Member { node: file(text), bytes: text.as_bytes().to_vec() });
}

/// The database of these parts, by path below `var/lib/dpkg`.
fn database(parts: &[Part]) -> BTreeMap<String, String> {
    let all: Vec<usize> = (0..parts.len()).collect();
    let mut merged = super::super::merge::merge(parts, &all, rbld_lang::derivation::Arch::Amd64).unwrap();
    let mut texts = BTreeMap::new();
    let mut write = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let node = file(&text);
        texts.insert(rbld_lang::digest::Digest::of(bytes), text);
        Ok(node)
    };
    write_database(&mut merged, parts, &all, "amd64", &mut write).unwrap();
    let prefix = format!("{ADMIN}/");
    let files = merged.root.files().filter_map(|(path, node)| {
        let Node::File { digest, .. } = node else { return None };
        Some((path.strip_prefix(&prefix)?.to_owned(), texts.get(digest).cloned().unwrap_or_default()))
    });
    files.collect()
}

#[test]
fn a_package_is_unpacked_with_its_configuration_files_new() {
    let mut one = shipping("one", "Description: first\n more\n", &[("etc/one", "1"), ("usr/bin/one", "2")]);
    member(&mut one, "conffiles", "/etc/one\n");
    member(&mut one, "postinst", "#!/bin/sh\n");
    let files = database(&[one]);
    assert_eq!(
        files["status"],
        "Status: install ok unpacked\nPackage: one\nVersion: 1\nArchitecture: amd64\nDescription: first\n more\n\
         Conffiles:\n /etc/one newconffile\n\n"
    );
    assert_eq!(files["info/one.list"], "/.\n/etc\n/etc/one\n/usr\n/usr/bin\n/usr/bin/one\n");
    assert_eq!(files["info/format"], "1\n");
    assert!(files.contains_key("info/one.postinst") && files.contains_key("info/one.conffiles"));
    assert!(!files.contains_key("info/one.control"));
}

#[test]
fn a_package_of_several_architectures_says_which() {
    let mut lib = shipping("lib", "Multi-Arch: same\n", &[]);
    member(&mut lib, "md5sums", "");
    let files = database(&[lib]);
    assert!(
        files.contains_key("info/lib:amd64.list") && files.contains_key("info/lib:amd64.md5sums"),
        "{files:?}"
    );
}

#[test]
fn what_another_package_took_is_not_listed() {
    let parts = [shipping("a", "", &[("x", "1"), ("y", "1")]), shipping("b", "Replaces: a\n", &[("x", "2")])];
    let files = database(&parts);
    assert_eq!(files["info/a.list"], "/.\n/y\n");
    assert_eq!(files["info/b.list"], "/.\n/x\n");
}

#[test]
fn interests_in_triggers_are_told() {
    let mut one = shipping("one", "", &[]);
    member(
        &mut one,
        "triggers",
        "# a comment\ninterest-noawait /usr/share/man\ninterest ldconfig\nactivate other\n",
    );
    let mut two = shipping("two", "Multi-Arch: same\n", &[]);
    member(&mut two, "triggers", "interest-await ldconfig\ninterest ../../evil\n");
    let files = database(&[one, two]);
    assert_eq!(files["triggers/File"], "/usr/share/man one/noawait\n");
    assert_eq!(files["triggers/ldconfig"], "one\ntwo:amd64\n");
    assert_eq!(files["triggers/Unincorp"], "");
    assert_eq!(files.keys().filter(|path| path.starts_with("triggers/")).count(), 3);
}

#[test]
fn foreign_architectures_are_told() {
    let mut foreign = shipping("lib", "Multi-Arch: same\n", &[]);
    foreign.package.arch = "i386".to_owned();
    assert_eq!(database(&[foreign])["arch"], "amd64\ni386\n");
    assert!(!database(&[shipping("one", "", &[])]).contains_key("arch"));
}

#[test]
fn a_status_tells_what_is_unfinished() {
    let status = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install ok half-configured\n\n\
                  Status: install ok triggers-pending\nPackage: c\n";
    let names: Vec<(String, String)> = unfinished(status).into_iter().map(|s| (s.package, s.state)).collect();
    assert_eq!(
        names,
        [("b".to_owned(), "half-configured".to_owned()), ("c".to_owned(), "triggers-pending".to_owned())]
    );
    assert!(unfinished("").is_empty());
}
