//! Collecting garbage, measuring, verifying and repairing.

use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// Makes everything in the store look as if it was last used long ago.
fn age(store: &Store) {
    store
        .0
        .database
        .write(|transaction| {
            transaction.execute_batch(
                "UPDATE blobs SET used = 1; UPDATE realisations SET used = 1;
                 UPDATE derivations SET used = 1; UPDATE ready SET used = 1;",
            )
        })
        .unwrap();
}

fn object_files(store: &Store) -> usize {
    let mut count = 0;
    usage::visit(store.0.objects.as_fd(), &mut |_, _| count += 1).unwrap();
    count
}

// Collecting waits here: a child that another test is just starting holds the store open until it is its program.
#[test]
fn what_was_used_stays_with_all_it_reaches() {
    let place = Place::new();
    let store = place.store();
    sample(&place.path("kept"));
    std::fs::create_dir_all(place.path("old/inner")).unwrap();
    std::fs::write(place.path("old/inner/unique"), "unique").unwrap();
    std::fs::write(place.path("old/words"), "words\n").unwrap();
    let (kept, imported) = import_and_commit(&store, &place.path("kept"), Take::Copy);
    let (old, _) = import_and_commit(&store, &place.path("old"), Take::Copy);
    let (_, kept_key) = realise(&store, "kept", Object::Tree { digest: kept, size: 1 });
    let (old_id, old_key) = realise(&store, "old", Object::Tree { digest: old, size: 1 });
    store.ready(kept).unwrap();
    store.ready(old).unwrap();
    std::fs::write(store.log_path(old_id), "log").unwrap();
    age(&store);
    // One of the two is used again, by another process.
    assert!(place.store().realisation(kept_key).unwrap().is_some());
    drop(store);
    let dry = place.store().gc(Collect { keep: DAY, dry: true, wait: true }).unwrap();
    let removed = place.store().gc(Collect { keep: DAY, dry: false, wait: true }).unwrap();
    assert_eq!(dry, removed);
    assert_eq!(removed.realisations, 1);
    assert_eq!(removed.objects.count, 3, "its two folders and the one file of its own");
    assert_eq!(removed.ready.count, 2, "a ready folder is made again in no time");
    assert_eq!(removed.logs.count, 0, "the log is new");
    let store = place.store();
    assert_eq!(store.realisation(old_key).unwrap(), None);
    assert_eq!(store.key_of(old_id).unwrap(), None);
    assert_eq!(tree::read(&store, kept).unwrap(), imported.folder);
    store.ready(kept).unwrap();
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
    drop(store);
    let removed = place.store().gc(Collect { keep: Duration::ZERO, dry: false, wait: true }).unwrap();
    assert_eq!(removed.realisations, 1);
    let store = place.store();
    assert_eq!(object_files(&store), 0);
    assert_eq!(std::fs::read_dir(store.root().join("objects")).unwrap().count(), 0, "empty folders go too");
    assert_eq!(std::fs::read_dir(store.root().join("roots")).unwrap().count(), 0);
    assert_eq!(store.du().unwrap().objects, Amount::default());
}

#[test]
fn a_blob_that_no_record_names_is_garbage() {
    let place = Place::new();
    let path = place.store().blob_path(Digest::of(b"good"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "good").unwrap();
    assert_eq!(place.store().verify(&|_, _| ()).unwrap().unnamed, 1);
    let removed = place.store().gc(Collect { keep: DAY, dry: false, wait: true }).unwrap();
    assert_eq!(removed.objects.count, 1);
    assert!(!path.exists());
}

#[test]
fn garbage_waits_for_those_who_use_the_store() {
    let place = Place::new();
    let other = place.store();
    let collect = Collect { keep: Duration::ZERO, dry: false, wait: false };
    let failure = place.store().gc(collect).unwrap_err();
    assert!(failure.message.contains("in use by another rbld"), "{failure}");
    let store = place.store();
    let _clone = store.clone();
    assert_eq!(store.gc(collect).unwrap_err().kind, crate::failure::Kind::Bug);
    drop(_clone);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| place.store().gc(Collect { wait: true, ..collect }));
        drop(other);
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn room_is_counted_by_kind() {
    let place = Place::new();
    let store = place.store();
    sample(&place.path("in"));
    let (tree, imported) = import_and_commit(&store, &place.path("in"), Take::Copy);
    store.ready(tree).unwrap();
    let scratch = store.scratch("x").unwrap();
    std::fs::write(scratch.path().join("file"), vec![1; 10_000]).unwrap();
    std::fs::write(store.log_path(DerivationId(tree)), "log").unwrap();
    let usage = store.du().unwrap();
    let distinct: BTreeSet<Digest> =
        imported.folder.files().filter_map(|(_, node)| digest_of(node)).collect();
    assert_eq!(
        usage.objects.count as usize,
        distinct.len() + 4,
        "files and the messages of folders; the empty one is the empty file"
    );
    assert!(usage.objects.bytes >= 3 << 20);
    assert_eq!(usage.ready.count, 1);
    assert!(usage.ready.bytes < 100_000, "links take no room: {}", usage.ready.bytes);
    assert_eq!(usage.scratch.count, 1);
    assert_eq!(usage.logs.count, 1);
    assert!(usage.database.count >= 1 && usage.database.bytes > 0);
    assert!(usage.total() >= usage.objects.bytes + usage.scratch.bytes);
}

#[test]
fn damage_is_found_and_repaired() {
    let place = Place::new();
    let store = place.store();
    sample(&place.path("in"));
    let (tree, imported) = import_and_commit(&store, &place.path("in"), Take::Copy);
    let (_, key) = realise(&store, "tree", Object::Tree { digest: tree, size: 1 });
    let digest = |path: &str| digest_of(imported.folder.get(path).unwrap()).unwrap();
    let (_, whole) =
        realise(&store, "file", Object::File { digest: digest("nothing"), size: 0, executable: false });
    let ready = store.ready(tree).unwrap();
    let seen = store.verify(&|done, total| assert!(done <= total)).unwrap();
    assert_eq!((seen.damage.clone(), seen.realisations, seen.ready, seen.unnamed), (vec![], 2, 1, 0));
    // A bit flips: the blob, and with it the ready folder's file, which is the same inode.
    let mut bytes = std::fs::read(store.blob_path(digest("large"))).unwrap();
    bytes[1_000_000] ^= 4;
    let file = std::fs::OpenOptions::new().write(true).open(store.blob_path(digest("large"))).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[1_000_000..=1_000_000], 1_000_000).unwrap();
    // Others are lost, cut, put there by somebody, or changed in the ready folder.
    std::fs::remove_file(store.blob_path(digest("bin/tool"))).unwrap();
    std::fs::write(store.root().join("objects/hello"), "stray").unwrap();
    mode(&ready.join("empty"), 0o700);
    std::fs::write(ready.join("more"), "x").unwrap();
    std::fs::remove_file(ready.join("dangling")).unwrap();
    let damage = store.verify(&|_, _| ()).unwrap().damage;
    let text: Vec<String> = damage.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    for expected in [
        format!("the blob {}: its bytes have the sha256 ", digest("large")),
        format!("the blob {}: its file is missing", digest("bin/tool")),
        "`objects/hello` is no blob".to_owned(),
        format!("the realisation of {key} needs the blob "),
        format!("`large` in the ready folder {tree}: its "),
        format!("`empty` in the ready folder {tree}: its mode is 700, not 755"),
        format!("`more` in the ready folder {tree}: the tree doesn't have it"),
        format!("`dangling` in the ready folder {tree}: No such file"),
    ] {
        assert!(text.contains(&expected), "no `{expected}` in\n{text}");
    }
    assert_eq!(damage.len(), 8, "{text}");
    drop(store);
    assert_eq!(place.store().repair(false, &|_, _| ()).unwrap().damage, damage);
    let store = place.store();
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
    assert_eq!(store.realisation(key).unwrap(), None);
    assert!(store.realisation(whole).unwrap().is_some());
    assert_eq!(std::fs::read_dir(store.root().join("damaged")).unwrap().count(), 2);
    let (again, _) = import_and_commit(&store, &place.path("in"), Take::Copy);
    assert_eq!(again, tree);
    store.ready(tree).unwrap();
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
}

#[test]
fn a_damaged_copy_is_found_and_made_again() {
    let place = Place::new();
    let store = place.store();
    let batch = store.batch().unwrap();
    let Blob { digest, size } = batch.bytes(b"both\n").unwrap();
    batch.commit(&[]).unwrap();
    let object = Object::File { digest, size, executable: true };
    let copy = store.ready_file(&object).unwrap();
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
    std::fs::write(&copy, "bath\n").unwrap();
    let damage = store.verify(&|_, _| ()).unwrap().damage;
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].to_string(), format!("`roots/{digest}.executable`: its bytes are damaged"));
    drop(store);
    place.store().repair(false, &|_, _| ()).unwrap();
    assert!(!copy.exists());
    let store = place.store();
    assert_eq!(std::fs::read(store.ready_file(&object).unwrap()).unwrap(), b"both\n");
}

#[test]
fn a_damaged_database_says_so() {
    let place = Place::new();
    let path = place.store().root().join("database");
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let failure = Store::open(&place.path("store")).err().unwrap();
    assert!(failure.message.contains("is damaged"), "{failure}");
    assert!(failure.help.unwrap().contains("move it away"));
    // As the help says: without the database, what is whole is still used.
    let hidden = place.path("hidden");
    std::fs::rename(&path, hidden).unwrap();
    place.store();
}
