//! Folders that hold one tree after another.

use super::*;

fn file(text: &str, batch: &Batch, executable: bool) -> Node {
    let blob = batch.bytes(text.as_bytes()).unwrap();
    Node::File { digest: blob.digest, size: blob.size, executable }
}

fn folder(paths: &[(&str, Node)]) -> Folder {
    let mut folder = Folder::default();
    for (path, node) in paths {
        folder.insert(path, node.clone()).unwrap();
    }
    folder
}

/// The sample's tree, and one that differs from it in every way in which one can.
fn two(place: &Place, store: &Store) -> (Folder, Folder) {
    sample(&place.path("in"));
    let (_, imported) = import_and_commit(store, &place.path("in"), Take::Copy);
    let batch = store.batch().unwrap();
    let words = || file("words\n", &batch, false);
    let link = || Node::Link { target: "elsewhere".to_owned() };
    let mut other = imported.folder.clone();
    other.remove("lib/text");
    other.remove("empty");
    other.remove("dangling");
    other.remove("bin");
    other.remove("lib/deep/run");
    let more = folder(&[
        ("lib/deep/run", words()),
        ("lib/again", words()),
        ("empty", link()),
        ("dangling/now/a", words()),
        ("dangling/now/folder", Node::Folder(Folder::default())),
        ("bin", file("now a file", &batch, true)),
        ("lib/link", link()),
    ]);
    other.merge(more).unwrap();
    batch.commit(&[]).unwrap();
    (imported.folder, other)
}

/// Every file has a name of its own, the right mode and the one time; folders too.
fn sound(root: &Path, folder: &Folder) {
    assert_eq!(&tree::scan(root, &all).unwrap(), folder);
    let mut inodes = BTreeSet::new();
    let paths = folder.nodes().map(|(path, _)| path).chain([String::new()]);
    for path in paths {
        let stat = std::fs::symlink_metadata(root.join(&path)).unwrap();
        assert_eq!(stat.mtime(), beneath::MTIME, "{path}");
        assert!(inodes.insert(stat.ino()), "{path} is another's file");
    }
}

#[test]
fn a_folder_changes_from_one_tree_to_another_and_back() {
    let place = Place::new();
    let store = place.store();
    let (one, other) = two(&place, &store);
    let mut laid = store.lay_out(one.clone()).unwrap();
    sound(&laid.path(), &one);
    for to in [&other, &one, &Folder::default(), &other, &other] {
        laid.change(to.clone()).unwrap();
        assert_eq!(laid.folder(), to);
        sound(&laid.path(), to);
    }
    let path = laid.path();
    drop(laid);
    assert!(!path.exists(), "what isn't kept goes");
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
}

#[test]
fn a_folder_that_is_kept_is_the_ready_one() {
    let place = Place::new();
    let store = place.store();
    let (one, other) = two(&place, &store);
    for again in [false, true] {
        let mut laid = store.lay_out(one.clone()).unwrap();
        laid.change(other.clone()).unwrap();
        let batch = store.batch().unwrap();
        let object = tree::write(&batch, &other).unwrap();
        let record = Realisation {
            key: Digest::of(b"key"),
            outputs: BTreeMap::from([("out".to_owned(), object)]),
            facts: BTreeMap::new(),
        };
        let inode = std::fs::metadata(laid.path()).unwrap().ino();
        laid.keep(object.digest(), batch.place().unwrap(), &[(DerivationId(record.key), record.clone())])
            .unwrap();
        assert_eq!(store.realisation(record.key).unwrap(), Some(record));
        let ready = store.ready(object.digest()).unwrap();
        sound(&ready, &other);
        let same = std::fs::metadata(&ready).unwrap().ino() == inode;
        assert_eq!(same, !again, "one that is there stays, a second is dropped");
        assert_eq!(scratch_names(&store), BTreeSet::new());
    }
    let seen = store.verify(&|_, _| ()).unwrap();
    assert_eq!((seen.damage, seen.ready), (vec![], 1));
}

#[test]
fn what_is_getting_its_name_can_be_read_and_added_again() {
    let place = Place::new();
    let store = place.store();
    let batch = store.batch().unwrap();
    let texts: Vec<String> = (0..3000).map(|number| format!("text {number}")).collect();
    let nodes: Vec<Node> = texts.iter().map(|text| file(text, &batch, false)).collect();
    let placed = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for (text, node) in texts.iter().zip(&nodes).chain(texts.iter().zip(&nodes).rev()) {
                let Node::File { digest, .. } = node else { panic!("{text} is no file") };
                assert_eq!(batch.read(*digest, 100).unwrap(), text.as_bytes());
                assert_eq!(&file(text, &batch, false), node);
            }
        });
        let placed = batch.place_some().unwrap();
        reader.join().unwrap();
        placed
    });
    file("one more", &batch, false);
    assert!(!store.has_blob(Digest::of(b"one more")).unwrap());
    placed.record(&[]).unwrap();
    batch.commit(&[]).unwrap();
    for text in texts.iter().map(String::as_str).chain(["one more"]) {
        assert_eq!(store.read_blob(Digest::of(text.as_bytes()), 100).unwrap(), text.as_bytes());
    }
    assert_eq!(scratch_names(&store), BTreeSet::new());
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
}
