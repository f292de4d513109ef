//! Packages made in memory, for the tests of this module and of its parts.

use std::collections::BTreeMap;

use rbld_lang::derivation::Package;
use rbld_lang::digest::Digest;

use super::package::{Member, Part};
use crate::store::tree::{Folder, Node};

/// A package as it would be locked: version 1, amd64.
pub(super) fn package(name: &str) -> Package {
    Package {
        origin: None,
        name: name.to_owned(),
        arch: "amd64".to_owned(),
        version: "1".to_owned(),
        digest: Digest::of(name.as_bytes()),
        size: 1000,
        path: format!("pool/{name}.deb"),
    }
}

/// A part with these further fields and no files.
pub(super) fn part(name: &str, fields: &str) -> Part {
    let text = format!("Package: {name}\nVersion: 1\nArchitecture: amd64\n{fields}");
    let control = Member { node: Node::Link { target: String::new() }, bytes: text.into_bytes() };
    let members = BTreeMap::from([("control".to_owned(), control)]);
    Part::new(package(name), members, Folder::default()).unwrap()
}

/// A part that ships these paths: a file holds the text, `-> target` makes a link, a path ending in `/` a folder.
pub(super) fn shipping(name: &str, fields: &str, paths: &[(&str, &str)]) -> Part {
    let mut part = part(name, fields);
    for (path, text) in paths {
        let (path, node) = match (path.strip_suffix('/'), text.strip_prefix("-> ")) {
            (Some(path), _) => (path, Node::Folder(Folder::default())),
            (None, Some(target)) => (*path, Node::Link { target: target.to_owned() }),
            (None, None) => (*path, file(text)),
        };
        part.data.insert(path, node).unwrap();
    }
    part
}

/// A file that holds a text.
pub(super) fn file(text: &str) -> Node {
    Node::File { digest: Digest::of(text.as_bytes()), size: text.len() as u64, executable: false }
}
