use std::os::unix::fs::{PermissionsExt, symlink};

use rbld_lang::digest::Digest;

use super::*;
use crate::store::Store;

fn file(text: &[u8], executable: bool) -> Node {
    Node::File { digest: Digest::of(text), size: text.len() as u64, executable }
}

#[test]
fn what_was_written_lies_over_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let upper = dir.path().join("upper");
    std::fs::create_dir_all(upper.join("etc/new")).unwrap();
    std::fs::create_dir_all(upper.join("run/secret")).unwrap();
    std::fs::write(upper.join("etc/changed"), "after").unwrap();
    std::fs::write(upper.join("etc/tool"), "tool").unwrap();
    std::fs::set_permissions(upper.join("etc/tool"), std::fs::Permissions::from_mode(0o700)).unwrap();
    symlink("changed", upper.join("etc/link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(upper.join("etc/socket")).unwrap();

    let mut folder = Folder::default();
    folder.insert("etc/changed", file(b"before", false)).unwrap();
    folder.insert("etc/kept", file(b"kept", false)).unwrap();
    folder.insert("etc/link", file(b"was a file", false)).unwrap();
    let batch = store.batch().unwrap();
    let left_out = apply(&upper, &mut folder, &batch, &|path| path != "run").unwrap();

    assert_eq!(folder.get("etc/changed"), Some(&file(b"after", false)));
    assert_eq!(folder.get("etc/kept"), Some(&file(b"kept", false)));
    assert_eq!(folder.get("etc/tool"), Some(&file(b"tool", true)));
    assert_eq!(folder.get("etc/link"), Some(&Node::Link { target: "changed".to_owned() }));
    assert_eq!(folder.get("etc/new"), Some(&Node::Folder(Folder::default())));
    assert_eq!(folder.get("run"), None);
    assert_eq!(left_out, ["etc/socket"]);
}

#[test]
fn an_opaque_folder_hides_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let upper = dir.path().join("upper");
    std::fs::create_dir_all(upper.join("a")).unwrap();
    std::fs::write(upper.join("a/new"), "new").unwrap();
    let set = rustix::fs::lsetxattr(upper.join("a"), OPAQUE[0], b"y", rustix::fs::XattrFlags::empty());
    if set == Err(rustix::io::Errno::OPNOTSUPP) {
        return; // This file system has no attributes of users, so no overlay of theirs either.
    }
    set.unwrap();
    let mut folder = Folder::default();
    folder.insert("a/old", file(b"old", false)).unwrap();
    apply(&upper, &mut folder, &store.batch().unwrap(), &|_| true).unwrap();
    assert_eq!(folder.files().map(|(path, _)| path).collect::<Vec<_>>(), ["a/new"]);
}

#[test]
fn a_name_that_is_not_text_is_told() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let upper = dir.path().join("upper");
    std::fs::create_dir_all(upper.join("etc")).unwrap();
    std::fs::write(upper.join("etc").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    let failure = apply(&upper, &mut Folder::default(), &store.batch().unwrap(), &|_| true).unwrap_err();
    assert!(failure.message.contains("in `/etc`, which isn't UTF-8"), "{failure}");
}
