use rbld_lang::loader::Absent;
use rbld_lang::package::Pinned;

use super::*;
use crate::fetch::mirrors::Mirrors;
use crate::progress::Progress;
use crate::store::tree;

/// A store that has a package of these nodes.
fn packages(folder: &Folder, home: &std::path::Path) -> (Packages, Store, Digest) {
    let store = Store::open(&home.join("store")).unwrap();
    let batch = store.batch().unwrap();
    let object = tree::write(&batch, folder).unwrap();
    keep(batch, &object, &[]).unwrap();
    (Packages::of(&store), store, object.digest())
}

#[test]
fn a_package_is_read_through_no_link() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("store")).unwrap();
    let batch = store.batch().unwrap();
    let blob = batch.bytes(b"rbld 1\n").unwrap();
    let latin = batch.bytes(b"rbld 1 # \xe4\n").unwrap();
    let file =
        |blob: crate::store::Blob| Node::File { digest: blob.digest, size: blob.size, executable: false };
    let mut folder = Folder::default();
    folder.insert("dist.rbld", file(blob)).unwrap();
    folder.insert("deep/part.rbld", file(blob)).unwrap();
    folder.insert("latin.rbld", file(latin)).unwrap();
    folder.insert("huge.rbld", Node::File { digest: blob.digest, size: 1 << 40, executable: false }).unwrap();
    folder.insert("link.rbld", Node::Link { target: "dist.rbld".to_owned() }).unwrap();
    folder.insert("out", Node::Link { target: "/etc".to_owned() }).unwrap();
    let object = tree::write(&batch, &folder).unwrap();
    let tree = object.digest();
    let packages = Packages::of(&store);
    assert_eq!(packages.source(tree, "dist.rbld"), Err(LoadError::Absent));
    keep(batch, &object, &[]).unwrap();
    assert_eq!(packages.source(tree, "deep/part.rbld").as_deref(), Ok("rbld 1\n"));
    assert_eq!(packages.source(tree, "nothing.rbld"), Err(LoadError::Missing));
    let why = |path: &str| packages.source(tree, path).unwrap_err().to_string();
    assert!(why("link.rbld").contains("symbolic link"), "{}", why("link.rbld"));
    assert!(why("out/passwd").contains("`out` is a symbolic link"), "{}", why("out/passwd"));
    assert!(why("latin.rbld").contains("isn't UTF-8"));
    assert!(why("huge.rbld").contains("the most is"));
    assert!(why("deep").contains("no file"));
    assert!(packages.local(tree, "out").unwrap_err().to_string().contains("symbolic link"));
    let deep = packages.local(tree, "deep").unwrap();
    assert!(deep.folder && deep.digest != tree);
    let batch = store.batch().unwrap();
    assert_eq!(take(&batch, tree, "deep", deep.digest).unwrap().digest(), deep.digest);
    assert_eq!(take(&batch, tree, "deep", tree).unwrap_err().exit_code(), 4);
}

#[test]
fn looking_makes_no_store() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("nowhere");
    let packages = Packages::new(Some(root.clone()));
    assert_eq!(packages.source(Digest::of(b"x"), "a"), Err(LoadError::Absent));
    assert!(!root.exists());
}

#[test]
fn a_package_leads_into_no_project() {
    let home = tempfile::tempdir().unwrap();
    let (_, store, tree) = packages(&Folder::default(), home.path());
    let reach = Reach {
        store: &store,
        project: home.path(),
        mirrors: &Mirrors::default(),
        offline: false,
        progress: &Progress::silent(),
    };
    let pinned = |tree| Pinned { url: "./repo".to_owned(), commit: "1".repeat(40), reference: None, tree };
    let span = rbld_lang::span::Span { file: rbld_lang::span::FileId(0), start: 0, end: 0 };
    let absent = |name: &str, tree| Absent { name: name.to_owned(), pinned: pinned(tree), span };
    let failure = obtain(&absent("a.b", Digest::of(b"x")), &reach).unwrap_err();
    assert_eq!(failure.message, "the package `a.b` can't come from `./repo`");
    // What is there already is there, wherever it is said to come from.
    assert_eq!(obtain(&absent("a.b", tree), &reach), Ok(()));
}
