//! Profiles and roots made of small items, in a store of their own.

use rbld_lang::derivation::guix::{FileKind, path_variable};
use rbld_lang::derivation::{Arch, GuixItem, SearchPath};

use super::*;

/// An item's name in the store: the hash says nothing here.
fn item(name: &str) -> String {
    format!("00ixq4z1ccvjd8nzgs0ffl6v2wllnplv-{name}")
}

fn folder(entries: &[(&str, Node)]) -> Folder {
    let mut folder = Folder::default();
    for (path, node) in entries {
        folder.insert(path, node.clone()).unwrap();
    }
    folder
}

fn file(text: &str) -> Node {
    Node::File { digest: Digest::of(text.as_bytes()), size: text.len() as u64, executable: true }
}

fn link(target: impl Into<String>) -> Node {
    Node::Link { target: target.into() }
}

/// `/gnu/store` with a toolchain of links into its parts, tools, and a package that has some names of both.
fn closure() -> Folder {
    let store = |name: &str, path: &str| format!("/gnu/store/{}/{path}", item(name));
    let toolchain = folder(&[
        ("bin", link(store("gcc", "bin"))),
        ("lib", link("../gcc-not-there/lib")),
        ("share/doc/copying", file("free")),
    ]);
    let gcc = folder(&[("bin/gcc", file("gcc")), ("bin/cc", link("gcc"))]);
    let tools =
        folder(&[("bin/sh", file("sh")), ("bin/gcc", file("another")), ("share/doc/copying", file("free"))]);
    let other = folder(&[("share/xml/catalog.xml", file("catalog")), ("share/doc", link("."))]);
    let items = [("toolchain", toolchain), ("gcc", gcc), ("tools", tools), ("other", other)];
    Folder { entries: items.into_iter().map(|(name, folder)| (item(name), Node::Folder(folder))).collect() }
}

fn target(profile: &Folder, path: &str) -> String {
    match profile.get(path) {
        Some(Node::Link { target }) => target.clone(),
        other => panic!("{path}: {other:?}"),
    }
}

fn unite(closure: &Folder, names: &[&str]) -> Profile {
    let names: Vec<String> = names.iter().map(|name| item(name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    profile::unite(&Items(closure), &names).unwrap()
}

#[test]
fn folders_are_united_and_what_comes_first_goes_first() {
    let closure = closure();
    let made = unite(&closure, &["toolchain", "tools"]);
    // `bin` of the toolchain is a link to a folder: it is followed to be united, and its names are linked there.
    assert_eq!(target(&made.folder, "bin/cc"), format!("/gnu/store/{}/bin/cc", item("gcc")));
    assert_eq!(target(&made.folder, "bin/gcc"), format!("/gnu/store/{}/bin/gcc", item("gcc")));
    assert_eq!(target(&made.folder, "bin/sh"), format!("/gnu/store/{}/bin/sh", item("tools")));
    // A folder that one item has alone is a link, and so is a file that is the same in both.
    assert_eq!(target(&made.folder, "lib"), format!("/gnu/store/{}/lib", item("toolchain")));
    assert_eq!(
        target(&made.folder, "share/doc/copying"),
        format!("/gnu/store/{}/share/doc/copying", item("toolchain"))
    );
    assert_eq!(made.conflicts, [format!("`/bin/gcc` is that of {}, not of {}", item("gcc"), item("tools"))]);
    let turned = unite(&closure, &["tools", "toolchain"]);
    assert_eq!(target(&turned.folder, "bin/gcc"), format!("/gnu/store/{}/bin/gcc", item("tools")));
}

#[test]
fn links_in_a_circle_end() {
    let around = folder(&[("a", link(".")), ("b", link("."))]);
    let entries = ["one", "two"].map(|name| (item(name), Node::Folder(around.clone())));
    let closure = Folder { entries: entries.into_iter().collect() };
    let names = [item("one"), item("two")];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let failure = profile::unite(&Items(&closure), &names).err().expect("it has no end");
    assert!(failure.message.contains("has no end"), "{failure}");
    let lost = Place::item(&item("one")).inside("a").inside("a").inside("c");
    assert!(Items(&closure).find(&lost).unwrap().is_none());
}

#[test]
fn nothing_leads_out_of_the_store() {
    let out = folder(&[("etc", link("/etc")), ("up", link("../../../etc")), ("self", link("self"))]);
    let closure = Folder { entries: [(item("out"), Node::Folder(out))].into() };
    for name in ["etc", "up", "self"] {
        let place = Place::item(&item("out")).inside(name);
        assert!(Items(&closure).find(&place).unwrap().is_none(), "{name}");
    }
}

#[test]
fn variables_lead_to_what_is_there_before_what_is_below() {
    let closure = closure();
    let made = unite(&closure, &["toolchain", "tools", "other"]);
    let search =
        |variable: &str, files: &[&str], pattern: Option<&str>, separator: Option<&str>| SearchPath {
            variable: variable.to_owned(),
            separator: separator.map(str::to_owned),
            kind: if pattern.is_some() { FileKind::Regular } else { FileKind::Directory },
            pattern: pattern.map(str::to_owned),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
        };
    let paths = [
        path_variable(),
        search("XML_CATALOG_FILES", &["share/xml"], Some(r"^catalog\.xml$"), Some(" ")),
        search("NOTHING", &["lib/nothing"], None, Some(":")),
        search("ONE", &["lib/nothing", "share", "bin"], None, None),
        search("DANGLING", &["lib"], None, Some(":")),
    ];
    let beneath = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    let items = Items(&closure);
    let vars = profile::variables(&items, &made.folder, &paths, &beneath).unwrap();
    let shown = variables::print(&vars).unwrap();
    assert_eq!(
        shown,
        "GUIX_ENVIRONMENT=/gnu/profile\nONE=/gnu/profile/share\nPATH=/gnu/profile/bin:/usr/bin:/bin\n\
         XML_CATALOG_FILES=/gnu/profile/share/xml/catalog.xml\n"
    );
    let wrong = [search("X", &["bin"], Some("("), None)];
    assert!(profile::variables(&items, &made.folder, &wrong, &beneath).is_err());
}

fn derivation(names: &[&str]) -> Guix {
    let entry = |name: &&str| GuixItem {
        path: format!("/gnu/store/{}", item(name)),
        nar_hash: Digest::of(name.as_bytes()),
        nar_size: 1,
    };
    Guix {
        arch: Arch::Amd64,
        base: None,
        items: names.iter().map(entry).collect(),
        profile: names.iter().map(|name| format!("/gnu/store/{}", item(name))).collect(),
        search_paths: vec![path_variable()],
        rules: PROFILE_RULES,
        expected: None,
        request: Digest::of(b"request"),
    }
}

struct Stage {
    _dir: tempfile::TempDir,
    store: Store,
    progress: Progress,
    beneath: BTreeMap<String, String>,
}

fn place() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    Stage { _dir: dir, store, progress: Progress::silent(), beneath: BTreeMap::new() }
}

impl Stage {
    fn setting<'a>(&'a self, base: Option<&'a Object>) -> Setting<'a> {
        Setting { store: &self.store, progress: &self.progress, name: "tools", base, beneath: &self.beneath }
    }

    /// A closure whose files are in the store.
    fn closure(&self) -> Folder {
        let batch = self.store.batch().unwrap();
        for text in ["gcc", "sh", "another", "free", "catalog"] {
            batch.bytes(text.as_bytes()).unwrap();
        }
        let closure = closure();
        let tree = tree::write(&batch, &closure).unwrap();
        let key = Digest::of(b"closure");
        let outputs = BTreeMap::from([("out".to_owned(), tree)]);
        let made = Realisation { key, outputs, facts: BTreeMap::new() };
        batch.commit(&[(rbld_lang::derivation::DerivationId(key), made)]).unwrap();
        closure
    }
}

#[test]
fn a_root_by_itself_has_a_shell_and_accounts() {
    let place = place();
    let guix = derivation(&["gcc", "tools"]);
    let made = realise(&guix, Digest::of(b"key"), place.closure(), place.setting(None)).unwrap();
    let root = tree::read(&place.store, made.outputs["out"].digest()).unwrap();
    assert_eq!(target(&root, "bin/sh"), "/gnu/profile/bin/sh");
    assert_eq!(root.get("bin/bash"), None);
    assert!(matches!(root.get("etc/passwd"), Some(Node::File { .. })));
    assert!(matches!(root.get("var/tmp"), Some(Node::Folder(_))));
    let gnu = tree::read(&place.store, made.outputs["gnu"].digest()).unwrap();
    assert_eq!(root.get("gnu"), Some(&Node::Folder(gnu)));
    let vars = place.store.read_blob(made.outputs["vars"].digest(), 1000).unwrap();
    assert_eq!(String::from_utf8(vars).unwrap(), "GUIX_ENVIRONMENT=/gnu/profile\nPATH=/gnu/profile/bin\n");
    assert_eq!(made.facts["conflicts"], "1");

    let lone = derivation(&["gcc"]);
    let mut closure = place.closure();
    closure.entries.retain(|name, _| *name == item("gcc"));
    let failure = realise(&lone, Digest::of(b"lone"), closure, place.setting(None)).unwrap_err();
    assert!(failure.message.contains("holds no shell"), "{failure}");
    assert_eq!(failure.exit_code(), 2);
}

#[test]
fn a_base_keeps_what_it_has_and_gets_one_folder() {
    let place = place();
    let closure = place.closure();
    let batch = place.store.batch().unwrap();
    batch.bytes(b"sh").unwrap();
    let below = folder(&[("bin/sh", file("sh")), ("usr", Node::Folder(Folder::default()))]);
    let base = tree::write(&batch, &below).unwrap();
    let key = Digest::of(b"base");
    let outputs = BTreeMap::from([("out".to_owned(), base)]);
    let record = Realisation { key, outputs, facts: BTreeMap::new() };
    batch.commit(&[(rbld_lang::derivation::DerivationId(key), record)]).unwrap();

    let guix = derivation(&["gcc"]);
    let over = realise(&guix, Digest::of(b"over"), closure.clone(), place.setting(Some(&base))).unwrap();
    let root = tree::read(&place.store, over.outputs["out"].digest()).unwrap();
    assert_eq!(root.entries.keys().collect::<Vec<_>>(), ["bin", "gnu", "usr"]);
    assert_eq!(root.get("bin/sh"), below.get("bin/sh"));
    assert_eq!(root.digest(), over.outputs["out"].digest(), "the message is canonical");

    let tools = derivation(&["gcc", "tools"]);
    let alone = realise(&tools, Digest::of(b"alone"), closure.clone(), place.setting(None)).unwrap();
    let both = realise(&tools, Digest::of(b"both"), closure.clone(), place.setting(Some(&base))).unwrap();
    assert_eq!(alone.outputs["gnu"], both.outputs["gnu"]);
    check_expected(
        &Guix { expected: Some(alone.outputs["gnu"].digest()), ..tools.clone() },
        &both,
        &place.store,
    )
    .unwrap();
    let other = Guix { expected: Some(over.outputs["gnu"].digest()), ..tools };
    let failure = check_expected(&other, &both, &place.store).unwrap_err();
    assert!(failure.facts.iter().any(|fact| fact.contains("/profile/bin")), "{failure}");

    // Debian's own `guix` ships an empty store; one with something in it stays an error.
    let empty = folder(&[
        ("bin/sh", file("sh")),
        ("gnu/store", Node::Folder(Folder::default())),
        ("usr", Node::Folder(Folder::default())),
    ]);
    let batch = place.store.batch().unwrap();
    let empty = tree::write(&batch, &empty).unwrap();
    let key = Digest::of(b"empty");
    let outputs = BTreeMap::from([("out".to_owned(), empty)]);
    let record = Realisation { key, outputs, facts: BTreeMap::new() };
    batch.commit(&[(rbld_lang::derivation::DerivationId(key), record)]).unwrap();
    let filled = realise(&guix, Digest::of(b"filled"), closure.clone(), place.setting(Some(&empty))).unwrap();
    assert_eq!(filled.outputs["out"], over.outputs["out"]);

    let twice = over.outputs["out"];
    let failure = realise(&guix, Digest::of(b"twice"), closure, place.setting(Some(&twice))).unwrap_err();
    assert!(failure.message.contains("has `/gnu` already"), "{failure}");
}
