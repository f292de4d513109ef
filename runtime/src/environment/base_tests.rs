use super::*;
use crate::environment::testing::{file, part};

fn tree(paths: &[(&str, &str)]) -> Folder {
    let mut folder = Folder::default();
    for (path, text) in paths {
        folder.insert(path, file(text)).unwrap();
    }
    folder
}

fn texts(folder: &Folder) -> Vec<String> {
    folder.nodes().map(|(path, _)| path).collect()
}

fn with_store(act: impl FnOnce(&Batch)) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    act(&store.batch().unwrap());
}

#[test]
fn what_scripts_wrote_lies_over_more_packages() {
    let before = tree(&[
        ("etc/a.dpkg-new", "a"),
        ("etc/old/x", "x"),
        ("usr/bin/a", "a"),
        ("var/lib/dpkg/triggers/File", "1"),
    ]);
    let after = tree(&[
        ("etc/a", "a"),
        ("usr/bin/a", "a"),
        ("etc/made/deep", "m"),
        ("var/lib/dpkg/triggers/File", "2"),
    ]);
    let base = Base::new(&before, &after, Vec::new());
    assert_eq!(base.removed, ["etc/a.dpkg-new", "etc/old/x", "etc/old"]);
    let all = tree(&[
        ("etc/a.dpkg-new", "a"),
        ("etc/old/x", "x"),
        ("etc/old/y", "another's"),
        ("usr/bin/a", "a"),
        ("usr/bin/b", "b"),
        ("var/lib/dpkg/triggers/File", "3"),
    ]);
    with_store(|batch| {
        let root = base.over(&all, &|path| path == "etc/old/y", batch).unwrap().unwrap();
        let expected = [
            "etc",
            "etc/a",
            "etc/made",
            "etc/made/deep",
            "etc/old",
            "etc/old/y",
            "usr",
            "usr/bin",
            "usr/bin/a",
            "usr/bin/b",
            "var",
            "var/lib",
            "var/lib/dpkg",
            "var/lib/dpkg/triggers",
            "var/lib/dpkg/triggers/File",
        ];
        assert_eq!(texts(&root), expected);
        assert_eq!(root.get("var/lib/dpkg/triggers/File"), Some(&file("3")));
    });
}

#[test]
fn what_another_package_ships_stays() {
    let before = tree(&[("etc/a.dpkg-new", "a")]);
    let base = Base::new(&before, &tree(&[("etc/a", "a")]), Vec::new());
    let all = tree(&[("etc/a.dpkg-new", "another's"), ("etc/b", "b")]);
    with_store(|batch| {
        let root = base.over(&all, &|path| path == "etc/a.dpkg-new", batch).unwrap().unwrap();
        assert_eq!(texts(&root), ["etc", "etc/a", "etc/a.dpkg-new", "etc/b"]);
    });
}

#[test]
fn a_folder_in_place_of_a_file_does_not_go_together() {
    let base = Base::new(&Folder::default(), &tree(&[("etc/a", "a")]), Vec::new());
    with_store(|batch| {
        assert!(base.over(&tree(&[("etc/a/b", "b")]), &|_| false, batch).unwrap().is_none());
        assert!(base.over(&tree(&[("etc", "a file")]), &|_| false, batch).unwrap().is_none());
    });
}

#[test]
fn a_base_comes_back_from_the_store() {
    let before = tree(&[("etc/a.dpkg-new", "a"), ("etc/b", "b")]);
    let base = Base::new(&before, &before, vec!["hostname".to_owned()]);
    let base = Base { removed: vec!["etc/a b".to_owned(), "etc/c".to_owned()], ..base };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let key = Digest::of(b"key");
    assert!(Base::find(key, &store).unwrap().is_none());
    let batch = store.batch().unwrap();
    let record = base.write(key, &batch).unwrap();
    batch.commit(&[record]).unwrap();
    let found = Base::find(key, &store).unwrap().unwrap();
    assert_eq!((found.layer, found.removed, found.missing), (base.layer, base.removed, base.missing));
}

#[test]
fn the_base_is_what_is_essential_and_its_key_its_packages() {
    let parts =
        [part("app", "Depends: lib\n"), part("core", "Essential: yes\nDepends: lib\n"), part("lib", "")];
    let found = members(&parts, &package::order(&parts)).unwrap();
    let names: Vec<&str> = found.iter().map(|part| part.package.name.as_str()).collect();
    assert_eq!(names, ["core", "lib"]);
    let lone = [part("app", "")];
    assert!(members(&lone, &package::order(&lone)).is_none());
}
