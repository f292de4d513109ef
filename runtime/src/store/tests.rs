//! What the store promises, tried on real folders.

mod clean;
mod crash;
mod hostile;
mod laid;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::Digest;

use super::tree::{self, Folder, Loss, Node};
use super::*;

pub(super) struct Place {
    pub(super) dir: tempfile::TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Many folders go faster by many threads; what is left is the temporary folder's matter.
        let root = beneath::open_folder(self.dir.path()).unwrap();
        for (name, _) in beneath::list(root.as_fd()).unwrap() {
            remove::remove(root.as_fd(), &name).unwrap();
        }
    }
}

impl Place {
    pub(super) fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.dir.path().join("store")).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A folder with one of each thing that a tree holds.
pub(super) fn sample(dir: &Path) {
    std::fs::create_dir_all(dir.join("bin")).unwrap();
    std::fs::create_dir_all(dir.join("empty")).unwrap();
    std::fs::create_dir_all(dir.join("lib/deep")).unwrap();
    std::fs::write(dir.join("bin/tool"), "#!/bin/sh\n").unwrap();
    mode(&dir.join("bin/tool"), 0o755);
    std::fs::write(dir.join("lib/text"), "words\n").unwrap();
    std::fs::write(dir.join("lib/deep/text"), "words\n").unwrap();
    std::fs::write(dir.join("lib/deep/run"), "words\n").unwrap();
    mode(&dir.join("lib/deep/run"), 0o755);
    std::fs::write(dir.join("nothing"), "").unwrap();
    std::fs::write(dir.join("large"), vec![7; 3 << 20]).unwrap();
    symlink("../lib/text", dir.join("bin/link")).unwrap();
    symlink("/nowhere/at/all", dir.join("dangling")).unwrap();
}

pub(super) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn all(_: &str, _: bool) -> bool {
    true
}

pub(super) fn import_and_commit(store: &Store, dir: &Path, take: Take) -> (Digest, tree::Imported) {
    let batch = store.batch().unwrap();
    let imported = tree::import(&batch, dir, take, &all).unwrap();
    let object = tree::write(&batch, &imported.folder).unwrap();
    batch.commit(&[]).unwrap();
    (object.digest(), imported)
}

pub(super) fn realise(store: &Store, seed: &str, output: Object) -> (DerivationId, Digest) {
    let (id, key) = (DerivationId(Digest::of(seed.as_bytes())), Digest::of(format!("key {seed}").as_bytes()));
    let outputs = BTreeMap::from([("out".to_owned(), output)]);
    let facts = BTreeMap::from([("isolation".to_owned(), "full".to_owned())]);
    store.batch().unwrap().commit(&[(id, Realisation { key, outputs, facts })]).unwrap();
    (id, key)
}

#[test]
fn bytes_come_back() {
    let place = Place::new();
    let store = place.store();
    let batch = store.batch().unwrap();
    let blob = batch.bytes(b"hello").unwrap();
    assert_eq!(blob, Blob { digest: Digest::of(b"hello"), size: 5 });
    assert!(!store.has_blob(blob.digest).unwrap(), "nothing is named before the commit");
    batch.commit(&[]).unwrap();
    assert!(store.has_blob(blob.digest).unwrap());
    assert_eq!(store.read_blob(blob.digest, 5).unwrap(), b"hello");
    assert!(store.read_blob(blob.digest, 4).unwrap_err().message.contains("greater than the 4 bytes"));
    let stat = std::fs::metadata(store.blob_path(blob.digest)).unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.mtime()), (0o644, beneath::MTIME));
    assert_eq!(scratch_names(&store), BTreeSet::new(), "a commit leaves no temporary file");
}

pub(super) fn scratch_names(store: &Store) -> BTreeSet<String> {
    let names = |path: PathBuf| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    names(store.root().join("scratch"))
        .flat_map(|session| names(session.path()))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_tree_survives_the_round_trip() {
    let place = Place::new();
    let store = place.store();
    sample(&place.path("in"));
    let (digest, imported) = import_and_commit(&store, &place.path("in"), Take::Copy);
    assert_eq!(imported.dropped, tree::Dropped::default());
    assert_eq!(imported.folder.digest(), digest);
    assert_eq!(tree::read(&store, digest).unwrap(), imported.folder);
    assert_eq!(tree::scan(&place.path("in"), &all).unwrap(), imported.folder);
    let ready = store.ready(digest).unwrap();
    assert_eq!(tree::scan(&ready, &all).unwrap(), imported.folder);
    // Adopted, the same tree comes out.
    sample(&place.path("again"));
    let other = Place::new();
    let (adopted, _) = import_and_commit(&other.store(), &place.path("again"), Take::Adopt);
    assert_eq!(adopted, digest);
    let left: Vec<String> =
        tree::scan(&place.path("again"), &all).unwrap().files().map(|(path, _)| path).collect();
    // Only what was there twice, and links, stayed behind.
    assert!(!left.contains(&"large".to_owned()), "{left:?}");
}

#[test]
fn the_digest_of_a_tree_is_fixed() {
    let mut folder = Folder::default();
    assert_eq!(folder.digest(), Digest::of(b""), "an empty folder is an empty message");
    let file = |text: &str, executable| Node::File {
        digest: Digest::of(text.as_bytes()),
        size: text.len() as u64,
        executable,
    };
    folder.insert("usr/bin/tool", file("#!/bin/sh\n", true)).unwrap();
    folder.insert("usr/share/words", file("words\n", false)).unwrap();
    folder.insert("bin", Node::Link { target: "usr/bin".to_owned() }).unwrap();
    folder.insert("tmp", Node::Folder(Folder::default())).unwrap();
    let text = folder.digest().to_hex();
    assert_eq!(text, "6d7b12cffc3e47f8a9adcd28295f63a7d37b63c0aecd3b334aabd1ef6b7fe7b5");
}

#[test]
fn a_ready_folder_has_fixed_modes_times_and_inodes() {
    let place = Place::new();
    let store = place.store();
    sample(&place.path("in"));
    let (digest, imported) = import_and_commit(&store, &place.path("in"), Take::Copy);
    let ready = store.ready(digest).unwrap();
    let mut inodes = BTreeSet::new();
    let mut linked = 0;
    for (path, node) in imported.folder.nodes() {
        let stat = std::fs::symlink_metadata(ready.join(&path)).unwrap();
        assert_eq!(stat.mtime(), beneath::MTIME, "{path}");
        match node {
            Node::File { executable, digest, .. } => {
                assert_eq!(stat.mode() & 0o7777, if *executable { 0o755 } else { 0o644 }, "{path}");
                assert!(inodes.insert(stat.ino()), "`{path}` is a second name of an inode");
                linked +=
                    usize::from(std::fs::metadata(store.blob_path(*digest)).unwrap().ino() == stat.ino());
            }
            Node::Folder(_) => assert_eq!(stat.mode() & 0o7777, 0o755, "{path}"),
            Node::Link { target } => {
                assert_eq!(std::fs::read_link(ready.join(&path)).unwrap().to_str(), Some(target.as_str()));
            }
        }
    }
    let distinct: BTreeSet<Digest> =
        imported.folder.files().filter_map(|(_, node)| digest_of(node)).collect();
    assert!(linked >= distinct.len() - 1, "{linked} of {} blobs are linked", distinct.len());
    let stat = std::fs::metadata(&ready).unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.mtime()), (0o755, beneath::MTIME));
}

pub(super) fn digest_of(node: &Node) -> Option<Digest> {
    match node {
        Node::File { digest, .. } => Some(*digest),
        _ => None,
    }
}

#[test]
fn a_ready_file_has_the_mode_asked_for() {
    let place = Place::new();
    let store = place.store();
    let batch = store.batch().unwrap();
    let Blob { digest, size } = batch.bytes(b"both\n").unwrap();
    batch.commit(&[]).unwrap();
    for executable in [false, true, true, false] {
        let path = store.ready_file(&Object::File { digest, size, executable }).unwrap();
        let stat = std::fs::metadata(&path).unwrap();
        assert_eq!(stat.mode() & 0o7777, if executable { 0o755 } else { 0o644 });
        assert_eq!(stat.mtime(), beneath::MTIME);
        assert_eq!(std::fs::read(&path).unwrap(), b"both\n");
    }
}

#[test]
fn a_realisation_is_found_until_its_output_is_gone() {
    let place = Place::new();
    let store = place.store();
    sample(&place.path("in"));
    let (tree, _) = import_and_commit(&store, &place.path("in"), Take::Copy);
    let size = std::fs::metadata(store.blob_path(tree)).unwrap().len();
    let (id, key) = realise(&store, "one", Object::Tree { digest: tree, size });
    let again = place.store();
    assert_eq!(again.key_of(id).unwrap(), Some(key));
    let found = again.realisation(key).unwrap().unwrap();
    assert_eq!(found.outputs["out"], Object::Tree { digest: tree, size });
    assert_eq!(found.facts["isolation"], "full");
    assert_eq!(again.realisation(Digest::of(b"other")).unwrap(), None);
    std::fs::remove_file(store.blob_path(tree)).unwrap();
    assert_eq!(again.realisation(key).unwrap(), None);
    assert!(!again.has_blob(tree).unwrap());
}

#[test]
fn a_blob_lost_deep_in_a_tree_takes_the_realisation_along() {
    let place = Place::new();
    let store = place.store();
    sample(&place.path("in"));
    let (tree, imported) = import_and_commit(&store, &place.path("in"), Take::Copy);
    let (_, key) = realise(&store, "one", Object::Tree { digest: tree, size: 1 });
    let (_, other) = realise(&store, "two", Object::File { digest: tree, size: 1, executable: false });
    let lost = digest_of(imported.folder.get("lib/deep/text").unwrap()).unwrap();
    std::fs::write(store.blob_path(lost), "cut").unwrap();
    let failure = store.ready(tree).unwrap_err();
    assert!(failure.message.contains("has no blob"), "{failure}");
    assert_eq!(store.realisation(key).unwrap(), None);
    assert!(store.realisation(other).unwrap().is_some());
    // Made again, all is well again.
    import_and_commit(&store, &place.path("in"), Take::Copy);
    store.ready(tree).unwrap();
}

#[test]
fn an_unnamed_blob_is_hashed_before_it_is_trusted() {
    let place = Place::new();
    let store = place.store();
    let good = Digest::of(b"good");
    let bad = Digest::of(b"bad");
    for digest in [good, bad] {
        std::fs::create_dir_all(store.blob_path(digest).parent().unwrap()).unwrap();
        std::fs::write(store.blob_path(digest), "good").unwrap();
    }
    assert!(store.has_blob(good).unwrap());
    assert!(!store.has_blob(bad).unwrap());
    assert!(!store.blob_path(bad).exists());
    assert_eq!(store.read_blob(good, 10).unwrap(), b"good");
}

#[test]
fn a_flipped_bit_is_refused() {
    let place = Place::new();
    let store = place.store();
    let batch = store.batch().unwrap();
    let blob = batch.bytes(b"hello").unwrap();
    batch.commit(&[]).unwrap();
    std::fs::write(store.blob_path(blob.digest), b"hellp").unwrap();
    let failure = store.read_blob(blob.digest, 100).unwrap_err();
    assert!(failure.message.contains("is damaged"), "{failure}");
    assert_eq!(failure.exit_code(), 4);
}

#[test]
fn one_key_is_made_by_one() {
    let place = Place::new();
    let key = Digest::of(b"key");
    let counter = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = place.store();
                for _ in 0..50 {
                    let _lock = store.lock_key(key).unwrap();
                    let before = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(before, 0);
                    counter.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    let store = place.store();
    let held = store.lock_key(key).unwrap();
    assert!(store.try_lock_key(key).unwrap().is_none());
    drop(held);
    assert!(store.try_lock_key(key).unwrap().is_some());
    assert_eq!(std::fs::read_dir(store.root().join("locks")).unwrap().count(), 0);
}

#[test]
fn scratch_goes_with_its_owner() {
    let place = Place::new();
    let store = place.store();
    let scratch = store.scratch("build of x").unwrap();
    let path = scratch.path().to_owned();
    std::fs::create_dir_all(path.join("work/work/deep")).unwrap();
    std::fs::write(path.join("work/file"), "x").unwrap();
    mode(&path.join("work/work"), 0);
    drop(scratch);
    assert!(!path.exists());
    // A living session isn't touched by another process that opens the store; a dead one's is.
    let scratch = store.scratch("x").unwrap();
    let dead = store.root().join("scratch/999999-0/inner");
    std::fs::create_dir_all(&dead).unwrap();
    mode(&dead, 0);
    let _other = place.store();
    assert!(scratch.path().exists());
    assert!(!dead.exists());
}
