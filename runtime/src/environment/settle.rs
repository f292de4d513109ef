//! What a root that came ready made needs to be an environment: an image of any distribution, or of none.
//!
//! Its bytes are fixed by a digest already, so nothing is removed for being random. What the executor needs is written
//! over whatever is there: the rows of [`super::normalise`] that say so, for roots where any path may be a link or a file.

use super::EDIT_LIMIT;
use crate::failure::{Failure, Result};
use crate::store::Batch;
use crate::store::tree::{Folder, Node};

/// Folders that are there, empty: those that the executor mounts over or lays things into.
pub(super) const EMPTY: [&str; 8] = ["build", "dev", "inputs", "proc", "run", "sys", "tmp", "var/tmp"];

/// Files that say who the machine is.
pub(super) const FIXED: [(&str, &str); 3] = [
    ("etc/hostname", "localhost\n"),
    ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    ("etc/resolv.conf", ""),
];

/// Tables that name the user `build`: the file, its line, which field is the number, and what is there without any.
const TABLES: [(&str, &str, Option<usize>, &str); 4] = [
    ("etc/passwd", "build:x:1000:1000:build:/build:/bin/sh", Some(2), "root:x:0:0:root:/root:/bin/sh\n"),
    ("etc/group", "build:x:1000:", Some(2), "root:x:0:\n"),
    ("etc/shadow", "build:!:15289:0:99999:7:::", None, ""),
    ("etc/gshadow", "build:!::", None, ""),
];

/// Makes it so. Where the image has a user or group `build`, or one with the number 1000, that one gives way.
pub fn settle(root: &mut Folder, batch: &Batch) -> Result<()> {
    for path in EMPTY {
        put(root, path, Node::Folder(Folder::default()))?;
    }
    for (path, text) in FIXED {
        let node = super::blob(batch, text.as_bytes(), false)?;
        put(root, path, node)?;
    }
    for (path, line, number, otherwise) in TABLES {
        let there = root.resolve(&path.split('/').collect::<Vec<_>>());
        let text = match there.as_deref().and_then(|place| root.at(place)) {
            Some(Node::File { digest, .. }) => String::from_utf8(batch.read(*digest, EDIT_LIMIT)?)
                .map_err(|_| Failure::world(format!("the image's `/{path}` isn't UTF-8")))?,
            // Passwords are kept elsewhere only where they were before.
            _ if number.is_none() => continue,
            _ => otherwise.to_owned(),
        };
        let node = super::blob(batch, with_line(&text, line, number).as_bytes(), false)?;
        put(root, path, node)?;
    }
    Ok(())
}

/// Puts a node at a path in place of what is there, where its folder is by the root's own links.
fn put(root: &mut Folder, path: &str, node: Node) -> Result<()> {
    let names: Vec<&str> = path.split('/').collect();
    let Some((last, above)) = names.split_last() else { return Ok(()) };
    let place = root.resolve(above);
    match place.and_then(|place| root.make_folder(&place)) {
        Some(folder) => {
            folder.entries.insert((*last).to_owned(), node);
            Ok(())
        }
        None => {
            Err(Failure::world(format!("the image can't be an environment: there is no place for `/{path}`"))
                .fact("a folder of that path is a file, or a ring of links"))
        }
    }
}

/// A table with an entry; others of its name or number are taken out.
fn with_line(text: &str, line: &str, number: Option<usize>) -> String {
    let new: Vec<&str> = line.split(':').collect();
    let stays = |old: &&str| {
        let old: Vec<&str> = old.split(':').collect();
        let same = number.is_some_and(|field| old.get(field) == new.get(field));
        old.first() != new.first() && !same
    };
    let mut table = String::new();
    for old in text.lines().filter(stays) {
        table.push_str(old);
        table.push('\n');
    }
    table.push_str(line);
    table.push('\n');
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn any_root_gets_what_a_build_needs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let batch = store.batch().unwrap();
        let file = |text: &str| super::super::blob(&batch, text.as_bytes(), false).unwrap();
        let mut root = Folder::default();
        root.insert("etc", Node::Link { target: "/usr/etc".to_owned() }).unwrap();
        root.insert("usr/etc/passwd", file("root:x:0:0::/:/bin/sh\nnode:x:1000:1000::/:/bin/sh")).unwrap();
        root.insert("tmp", Node::Link { target: "/var/tmp".to_owned() }).unwrap();
        root.insert("var/tmp/left", file("x")).unwrap();
        root.insert("run", file("x")).unwrap();
        settle(&mut root, &batch).unwrap();
        let read = |path: &str| match root.get(path) {
            Some(Node::File { digest, .. }) => String::from_utf8(batch.read(*digest, 4096).unwrap()).unwrap(),
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(read("usr/etc/passwd"), "root:x:0:0::/:/bin/sh\nbuild:x:1000:1000:build:/build:/bin/sh\n");
        assert_eq!(read("usr/etc/group"), "root:x:0:\nbuild:x:1000:\n");
        assert!(root.get("usr/etc/shadow").is_none());
        assert_eq!(read("usr/etc/hostname"), "localhost\n");
        for path in EMPTY {
            assert_eq!(root.get(path), Some(&Node::Folder(Folder::default())), "{path}");
        }
    }

    #[test]
    fn a_root_without_room_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let batch = store.batch().unwrap();
        let mut root = Folder::default();
        root.insert("etc", Node::Link { target: "etc".to_owned() }).unwrap();
        assert!(settle(&mut root, &batch).unwrap_err().message.contains("no place for `/etc/hostname`"));
    }
}
