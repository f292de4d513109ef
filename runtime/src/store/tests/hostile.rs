//! Folders, messages and stores that mean harm, or that no tree can hold.

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message as _;

use super::*;
use crate::failure::{Failure, Kind};

fn refused(dir: &Path) -> Failure {
    tree::scan(dir, &all).unwrap_err()
}

#[test]
fn what_a_tree_cannot_hold_is_named() {
    let place = Place::new();
    let dir = place.path("in");
    std::fs::create_dir_all(dir.join("deep")).unwrap();
    let fifo = dir.join("deep/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    let failure = refused(&dir);
    assert_eq!(failure.message, "`deep/pipe` is a named pipe, which a tree can't hold");
    assert_eq!(failure.kind, Kind::Input);
    // What isn't kept isn't looked at.
    assert!(tree::scan(&dir, &|path, _| path != "deep/pipe").is_ok());
    assert!(tree::scan(&dir, &|path, folder| !(folder && path == "deep")).unwrap().entries.is_empty());
    std::fs::remove_file(&fifo).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("deep/socket")).unwrap();
    assert_eq!(refused(&dir).message, "`deep/socket` is a socket, which a tree can't hold");
    std::fs::remove_file(dir.join("deep/socket")).unwrap();
    let name = std::ffi::OsStr::from_encoded_bytes_checked(b"caf\xe9");
    std::fs::write(dir.join("deep").join(name), "").unwrap();
    assert_eq!(refused(&dir).message, "the name `caf\u{fffd}` in the folder `deep` isn't UTF-8");
    assert_eq!(refused(&dir).facts, [format!("in {}", dir.display())]);
}

trait Bytes {
    fn from_encoded_bytes_checked(bytes: &[u8]) -> &std::ffi::OsStr;
}

impl Bytes for std::ffi::OsStr {
    fn from_encoded_bytes_checked(bytes: &[u8]) -> &std::ffi::OsStr {
        std::os::unix::ffi::OsStrExt::from_bytes(bytes)
    }
}

#[test]
fn links_lead_nowhere() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("secret/inner")).unwrap();
    std::fs::write(place.path("secret/inner/key"), "secret").unwrap();
    std::fs::create_dir(place.path("in")).unwrap();
    symlink("../secret", place.path("in/folder")).unwrap();
    symlink("/etc/passwd", place.path("in/file")).unwrap();
    let folder = tree::scan(&place.path("in"), &all).unwrap();
    assert_eq!(folder.get("folder"), Some(&Node::Link { target: "../secret".to_owned() }));
    assert_eq!(folder.get("file"), Some(&Node::Link { target: "/etc/passwd".to_owned() }));
    assert_eq!(folder.nodes().count(), 2);
    // A folder given by a link is refused, and so is a file.
    symlink("in", place.path("alias")).unwrap();
    assert!(tree::scan(&place.path("alias"), &all).is_err());
    let store = place.store();
    assert!(store.batch().unwrap().file(&place.path("in/file"), false).is_err());
    assert!(store.batch().unwrap().file(&place.path("secret"), false).is_err());
    // Both ways of opening agree, whatever the kernel offers.
    let root = beneath::open_folder(place.dir.path()).unwrap();
    for path in ["in/folder/inner/key", "../x", "in/file", "/etc/passwd"] {
        let flags = OFlags::RDONLY;
        assert!(beneath::open(root.as_fd(), path.as_bytes(), flags).is_err(), "{path}");
        assert!(
            beneath::open_by_steps(root.as_fd(), path.as_bytes(), flags | OFlags::NOFOLLOW).is_err(),
            "{path}"
        );
    }
    let by_steps = beneath::open_by_steps(root.as_fd(), b"secret/inner/key", OFlags::RDONLY).unwrap();
    assert_eq!(blob::hash(&mut std::fs::File::from(by_steps)).unwrap().size, 6);
}

#[test]
fn what_is_not_kept_is_counted() {
    let place = Place::new();
    let dir = place.path("in");
    std::fs::create_dir_all(dir.join("shared")).unwrap();
    for (name, bits) in
        [("one", 0o4755), ("two", 0o2755), ("private", 0o600), ("plain", 0o664), ("run", 0o775)]
    {
        std::fs::write(dir.join(name), name).unwrap();
        mode(&dir.join(name), bits);
    }
    mode(&dir.join("shared"), 0o1777);
    std::fs::hard_link(dir.join("plain"), dir.join("twin")).unwrap();
    let capable =
        rustix::fs::setxattr(dir.join("run"), "user.rbld", b"1", rustix::fs::XattrFlags::empty()).is_ok();
    let store = place.store();
    let batch = store.batch().unwrap();
    let imported = tree::import(&batch, &dir, Take::Adopt, &all).unwrap();
    let lost: Vec<(Loss, u64, &str)> =
        imported.dropped.0.iter().map(|(loss, lost)| (*loss, lost.count, lost.first.as_str())).collect();
    let mut expected = vec![(Loss::Setuid, 2, "one"), (Loss::Sticky, 1, "shared")];
    if capable {
        expected.push((Loss::Attributes, 1, "run"));
    }
    expected.extend([(Loss::HardLinks, 2, "plain"), (Loss::Modes, 1, "private")]);
    assert_eq!(lost, expected);
    assert_eq!(
        imported.dropped.sentences()[..2],
        [
            "setuid or setgid bits of 2 paths are not kept, first `one`".to_owned(),
            "sticky bits of `shared` are not kept".to_owned(),
        ]
    );
    batch.commit(&[]).unwrap();
    // What had two names or attributes was copied, and stays.
    assert!(dir.join("plain").exists() && dir.join("twin").exists() && !dir.join("one").exists());
    let Some(Node::File { digest, .. }) = imported.folder.get("run") else { panic!("no file") };
    let file = std::fs::File::open(store.blob_path(*digest)).unwrap();
    assert_eq!(beneath::attributes(file.as_fd()).unwrap(), Vec::<Vec<u8>>::new());
    let Some(Node::File { digest, .. }) = imported.folder.get("one") else { panic!("no file") };
    assert_eq!(std::fs::metadata(store.blob_path(*digest)).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn what_its_owner_may_not_read_is_read_and_left_as_it_was() {
    let place = Place::new();
    let dir = place.path("in");
    sample(&dir);
    let expected = tree::scan(&dir, &all).unwrap();
    for (path, bits) in [("lib/deep/text", 0o000), ("nothing", 0o200), ("lib/deep", 0o000), ("lib", 0o600)] {
        mode(&dir.join(path), bits);
    }
    let store = place.store();
    let batch = store.batch().unwrap();
    assert_eq!(tree::import(&batch, &dir, Take::Copy, &all).unwrap().folder, expected);
    assert_eq!(std::fs::metadata(dir.join("lib")).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(std::fs::metadata(dir.join("nothing")).unwrap().mode() & 0o7777, 0o200);
    mode(&dir.join("lib"), 0o755);
    assert_eq!(std::fs::metadata(dir.join("lib/deep")).unwrap().mode() & 0o7777, 0);
    // A folder that its owner may not write to gives its files all the same.
    mode(&dir.join("lib"), 0o555);
    assert_eq!(tree::import(&batch, &dir, Take::Adopt, &all).unwrap().folder, expected);
    batch.commit(&[]).unwrap();
    assert_eq!(
        tree::read(&store, tree::write(&store.batch().unwrap(), &expected).unwrap().digest()).ok(),
        None
    );
}

#[test]
fn folders_too_deep_are_refused_and_removed_all_the_same() {
    let place = Place::new();
    let store = place.store();
    let scratch = store.scratch("deep").unwrap();
    let mut at = beneath::open_folder(scratch.path()).unwrap();
    for _ in 0..600 {
        rustix::fs::mkdirat(&at, c"a-folder-more", Mode::from_raw_mode(0o755)).unwrap();
        at = rustix::fs::openat(&at, c"a-folder-more", beneath::FOLDER, Mode::empty()).unwrap();
    }
    rustix::fs::mkdirat(&at, c"closed", Mode::from_raw_mode(0)).unwrap();
    drop(at);
    let failure = tree::scan(scratch.path(), &all).unwrap_err();
    assert_eq!(failure.message, "the folder can't be a tree: it is more than 256 folders deep");
    let path = scratch.path().to_owned();
    scratch.close().unwrap();
    assert!(!path.exists());
}

/// Stores a message as it is, and reads it as a tree.
fn read(message: &reapi::Directory) -> Result<Folder> {
    read_bytes(&message.encode_to_vec())
}

fn read_bytes(bytes: &[u8]) -> Result<Folder> {
    let place = Place::new();
    let store = place.store();
    let batch = store.batch().unwrap();
    let blob = batch.bytes(bytes).unwrap();
    batch.commit(&[]).unwrap();
    tree::read(&store, blob.digest)
}

fn file(name: &str) -> reapi::FileNode {
    let digest = Some(tree::reapi_digest(Digest::of(b"x"), 1));
    reapi::FileNode { name: name.to_owned(), digest, ..Default::default() }
}

fn link(name: &str, target: &str) -> reapi::SymlinkNode {
    reapi::SymlinkNode { name: name.to_owned(), target: target.to_owned(), node_properties: None }
}

#[test]
fn hostile_messages_are_refused() {
    let files = |names: &[&str]| reapi::Directory {
        files: names.iter().map(|name| file(name)).collect(),
        ..Default::default()
    };
    assert!(read(&files(&["a", "b"])).is_ok());
    let long = "x".repeat(256);
    for (names, why) in [
        (&["a", "a"][..], "`a` isn't in its sorted place"),
        (&["b", "a"], "`a` isn't in its sorted place"),
        (&[""], "a name is empty"),
        (&["."], "`.` isn't a name"),
        (&[".."], "`..` isn't a name"),
        (&["a/b"], "the name `a/b` has a slash"),
        (&["/etc"], "the name `/etc` has a slash"),
        (&["a\0b"], "a name has a zero byte"),
        (&[long.as_str()], "longer than 255 bytes"),
    ] {
        let failure = read(&files(names)).unwrap_err();
        assert!(failure.message.starts_with("the tree can't be used: "), "{failure}");
        assert!(failure.message.contains(why), "{failure}");
        assert_eq!(failure.exit_code(), 4);
    }
    let twice =
        reapi::Directory { files: vec![file("a")], symlinks: vec![link("a", "b")], ..Default::default() };
    assert!(read(&twice).unwrap_err().message.contains("`a` is there twice"));
    for target in ["", "a\0b"] {
        let message = reapi::Directory { symlinks: vec![link("a", target)], ..Default::default() };
        assert!(read(&message).unwrap_err().message.contains("the target of the link `a`"));
    }
    for digest in [
        None,
        Some(("zz", 1)),
        Some((&*Digest::of(b"x").to_hex().to_uppercase(), 1)),
        Some((&*Digest::of(b"x").to_hex(), -1)),
    ] {
        let digest = digest.map(|(hash, size_bytes)| reapi::Digest { hash: hash.to_owned(), size_bytes });
        let node = reapi::FileNode { name: "a".to_owned(), digest, ..Default::default() };
        assert!(read(&reapi::Directory { files: vec![node], ..Default::default() }).is_err());
    }
    let properties = Some(reapi::NodeProperties::default());
    assert!(read(&reapi::Directory { node_properties: properties, ..Default::default() }).is_err());
    let mut bytes = files(&["a"]).encode_to_vec();
    bytes.extend([0x7a, 0x01, b'x']);
    assert!(
        read_bytes(&bytes).unwrap_err().message.contains("canonical"),
        "an unknown field gives a second digest"
    );
    assert!(read_bytes(b"\xff\xff\xff").unwrap_err().message.contains("no Directory message"));
}

/// A chain of folders, each holding the one before it `copies` times.
fn chain(store: &Store, length: usize, copies: usize) -> Digest {
    let batch = store.batch().unwrap();
    let mut blob = batch.bytes(b"").unwrap();
    for _ in 0..length {
        let digest = Some(tree::reapi_digest(blob.digest, blob.size));
        let node = |index| reapi::DirectoryNode { name: format!("{index:02}"), digest: digest.clone() };
        let message = reapi::Directory { directories: (0..copies).map(node).collect(), ..Default::default() };
        blob = batch.bytes(&message.encode_to_vec()).unwrap();
    }
    batch.commit(&[]).unwrap();
    blob.digest
}

#[test]
fn trees_without_end_are_refused_before_they_are_built() {
    let place = Place::new();
    let store = place.store();
    assert!(tree::read(&store, chain(&store, 256, 1)).is_ok());
    let failure = tree::read(&store, chain(&store, 257, 1)).unwrap_err();
    assert!(failure.message.contains("more than 256 folders deep"), "{failure}");
    let failure = tree::read(&store, chain(&store, 100, 90)).unwrap_err();
    assert!(failure.message.contains("more than 2000000 entries"), "{failure}");
}

#[test]
fn a_tree_keeps_its_own_rules() {
    let mut folder = Folder::default();
    let link = |target: &str| Node::Link { target: target.to_owned() };
    folder.insert("a/b", link("c")).unwrap();
    for path in ["", "/a", "a/", "a//b", "a/./b", "../a", "a/b/c", "a"] {
        let failure = folder.insert(path, link("x")).unwrap_err();
        assert!(failure.message.contains(&format!("`{path}`")), "{failure}");
    }
    folder.insert("a/b", link("d")).unwrap();
    assert_eq!(folder.get("a/b"), Some(&link("d")));
    assert_eq!((folder.get("a/b/c"), folder.get("x/y"), folder.get("")), (None, None, None));
    let mut other = Folder::default();
    other.insert("a/c", link("e")).unwrap();
    folder.merge(other.clone()).unwrap();
    folder.merge(other).unwrap();
    let paths: Vec<String> = folder.nodes().map(|(path, _)| path).collect();
    assert_eq!(paths, ["a", "a/b", "a/c"]);
    let mut clash = Folder::default();
    clash.insert("a/b", link("other")).unwrap();
    let failure = folder.merge(clash).unwrap_err();
    assert_eq!(failure.message, "`a/b` is in both of two trees that are laid together");
    assert_eq!(folder.remove("a/b"), Some(link("d")));
    assert_eq!(folder.remove("a/b"), None);
}

#[test]
fn links_planted_in_the_store_are_not_followed() {
    let place = Place::new();
    let store = place.store();
    let digest = Digest::of(b"planted");
    let above = store.blob_path(digest).parent().unwrap().parent().unwrap().to_owned();
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    symlink(place.path("elsewhere"), &above).unwrap();
    let batch = store.batch().unwrap();
    assert!(batch.bytes(b"planted").is_err());
    drop(batch);
    assert!(store.has_blob(digest).is_err());
    assert_eq!(std::fs::read_dir(place.path("elsewhere")).unwrap().count(), 0);
    let damage = store.verify(&|_, _| ()).unwrap().damage;
    assert!(matches!(&damage[..], [Damage::Stray { .. }]), "{damage:?}");
    drop(store);
    place.store().repair(false, &|_, _| ()).unwrap();
    let store = place.store();
    let batch = store.batch().unwrap();
    batch.bytes(b"planted").unwrap();
    batch.commit(&[]).unwrap();
    assert!(store.has_blob(digest).unwrap());
    // The same for the store's own folders.
    let root = store.root().to_owned();
    drop(store);
    std::fs::rename(root.join("roots"), place.path("roots")).unwrap();
    symlink(place.path("roots"), root.join("roots")).unwrap();
    assert!(Store::open(&root).is_err());
}

#[test]
fn a_store_of_a_newer_rbld_is_refused() {
    let place = Place::new();
    let store = place.store();
    store.0.database.write(|transaction| transaction.pragma_update(None, "user_version", 7)).unwrap();
    drop(store);
    let failure = Store::open(&place.path("store")).err().unwrap();
    assert!(failure.message.contains("was made by a newer rbld"), "{failure}");
    assert_eq!(failure.facts, ["its schema is 7, this rbld knows 1"]);
}

#[test]
fn a_store_of_somebody_else_is_refused() {
    let place = Place::new();
    let root = place.store().root().to_owned();
    // Only root can give a folder away; for others the root of the file system is somebody else's.
    let stranger = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&root, Some(12345), None).unwrap();
        root
    } else {
        PathBuf::from("/usr")
    };
    let failure = Store::open(&stranger).err().unwrap();
    assert!(failure.message.contains("belongs to another user"), "{failure}");
}

#[test]
fn a_folder_that_serves_for_something_else_is_no_store() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("repository/objects/ab")).unwrap();
    std::fs::write(place.path("repository/HEAD"), "ref: refs/heads/main\n").unwrap();
    let failure = Store::open(&place.path("repository")).err().unwrap();
    assert!(failure.message.ends_with("is neither a store nor empty"), "{failure}");
    assert_eq!(failure.facts, ["it has `HEAD`"]);
    assert_eq!(
        std::fs::read_dir(place.path("repository")).unwrap().count(),
        2,
        "and nothing was put into it"
    );
    std::fs::create_dir(place.path("empty")).unwrap();
    let store = Store::open(&place.path("empty")).unwrap();
    assert!(store.root().join("CACHEDIR.TAG").exists());
}

#[test]
fn a_full_link_count_gets_a_copy() {
    let place = Place::new();
    let store = place.store();
    std::fs::create_dir(place.path("in")).unwrap();
    std::fs::write(place.path("in/file"), "linked often").unwrap();
    let (tree, _) = import_and_commit(&store, &place.path("in"), Take::Copy);
    let blob = store.blob_path(Digest::of(b"linked often"));
    let links = place.path("links");
    std::fs::create_dir(&links).unwrap();
    // ext4 counts to 65000; a file system that counts further links as ever.
    let full = (0..66_000).any(|number| std::fs::hard_link(&blob, links.join(number.to_string())).is_err());
    let ready = store.ready(tree).unwrap().join("file");
    let same = std::fs::metadata(&ready).unwrap().ino() == std::fs::metadata(&blob).unwrap().ino();
    assert_eq!(same, !full);
    assert_eq!(std::fs::read(&ready).unwrap(), b"linked often");
    assert_eq!(std::fs::metadata(&ready).unwrap().mtime(), beneath::MTIME);
    assert_eq!(store.verify(&|_, _| ()).unwrap().damage, vec![]);
}
