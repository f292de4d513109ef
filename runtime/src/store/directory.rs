//! `Directory` messages that come from elsewhere: hostile until they were gone through here.
//!
//! Each is checked by itself, for names that aren't, order and the one canonical form, and a
//! whole tree for its depth, the length of its paths and the number of its entries, before
//! anything is built of it. Where the bytes come from is the caller's matter.

use std::collections::BTreeMap;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message as _;
use rbld_lang::digest::Digest;

use super::tree::{Folder, Node, join};
use crate::failure::{Failure, Result};

/// How many folders deep a tree may go.
pub(super) const DEPTH_LIMIT: usize = 256;
/// How many entries a tree may have, counted as often as they appear.
pub const ENTRY_LIMIT: usize = 2_000_000;
/// How many bytes a path in a tree may have: what Linux takes in one call.
pub const PATH_LIMIT: usize = 4095;
/// How many bytes a name may have.
const NAME_LIMIT: usize = 255;
/// How many bytes one `Directory` message may have.
pub const MESSAGE_LIMIT: u64 = 64 << 20;

/// Reads a whole tree by `fetch`, which gives the bytes of a message.
pub(super) fn read(tree: Digest, fetch: &dyn Fn(Digest) -> Result<Vec<u8>>) -> Result<Folder> {
    let mut reader = Reader { fetch, messages: BTreeMap::new(), path: String::new() };
    reader.weigh(tree, None, 0)?;
    reader.folder(tree)
}

/// Why a name can't be an entry's.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    match name {
        "" => Err("a name is empty".to_owned()),
        "." | ".." => Err(format!("`{name}` isn't a name")),
        _ if name.contains('/') => Err(format!("the name `{name}` has a slash")),
        _ if name.contains('\0') => Err("a name has a zero byte".to_owned()),
        _ if name.len() > NAME_LIMIT => Err(format!("the name `{name}` is longer than {NAME_LIMIT} bytes")),
        _ => Ok(()),
    }
}

/// One message as a list of entries, checked by itself: folders stay digests.
pub(super) fn decode(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let message =
        reapi::Directory::decode(bytes).map_err(|error| format!("it is no Directory message: {error}"))?;
    if message.node_properties.is_some() {
        return Err("it has node properties".to_owned());
    }
    // Unknown fields, or known ones in another order, would give one folder two digests.
    if message.encode_to_vec() != bytes {
        return Err("it isn't written in the one canonical way".to_owned());
    }
    let mut entries = BTreeMap::new();
    let mut add = |last: &mut Option<String>, name: String, entry: Entry| {
        check_name(&name)?;
        if last.as_ref().is_some_and(|last| *last >= name) {
            return Err(format!("`{name}` isn't in its sorted place"));
        }
        *last = Some(name.clone());
        match entries.insert(name.clone(), entry) {
            None => Ok(()),
            Some(_) => Err(format!("`{name}` is there twice")),
        }
    };
    let mut last = None;
    for file in message.files {
        if file.node_properties.is_some() {
            return Err(format!("`{}` has node properties", file.name));
        }
        let (digest, size) = digest_of(file.digest)?;
        add(&mut last, file.name, Entry::File { digest, size, executable: file.is_executable })?;
    }
    last = None;
    for folder in message.directories {
        let (digest, size) = digest_of(folder.digest)?;
        add(&mut last, folder.name, Entry::Folder { digest, size })?;
    }
    last = None;
    for link in message.symlinks {
        if link.node_properties.is_some() {
            return Err(format!("`{}` has node properties", link.name));
        }
        if link.target.is_empty() || link.target.contains('\0') || link.target.len() > PATH_LIMIT {
            return Err(format!("the target of the link `{}` can't be one", link.name));
        }
        add(&mut last, link.name, Entry::Link { target: link.target })?;
    }
    Ok(entries)
}

/// An entry of one message: folders are digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// How many bytes.
        size: u64,
        /// Whether it may be run.
        executable: bool,
    },
    /// A folder.
    Folder {
        /// The digest of its message.
        digest: Digest,
        /// How many bytes that has.
        size: u64,
    },
    /// A symbolic link.
    Link {
        /// What it points to, as written.
        target: String,
    },
}

fn digest_of(digest: Option<reapi::Digest>) -> Result<(Digest, u64), String> {
    let digest = digest.unwrap_or_default();
    let size = u64::try_from(digest.size_bytes).map_err(|_| "it has a size below zero".to_owned())?;
    // An absent digest would be another way to write that of nothing: there is one way only.
    let value: Digest = digest.hash.parse().map_err(|_| format!("`{}` isn't a sha256", digest.hash))?;
    if digest.hash.len() != 64 || digest.hash.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("`{}` isn't a sha256 in lower case", digest.hash));
    }
    Ok((value, size))
}

/// Reads each message once, and adds up what they come to before anything is built: a few messages that name each
/// other often would else be a tree without end.
struct Reader<'a> {
    fetch: &'a dyn Fn(Digest) -> Result<Vec<u8>>,
    messages: BTreeMap<Digest, Message>,
    /// Where the reading is, for failures.
    path: String,
}

struct Message {
    size: u64,
    entries: BTreeMap<String, Entry>,
    /// Of the whole tree: how many entries, how many folders deep, how long the longest path.
    weight: Weight,
}

#[derive(Clone, Copy, Default)]
struct Weight {
    entries: usize,
    depth: usize,
    length: usize,
}

impl Reader<'_> {
    fn wrong(&self, tree: Digest, why: impl std::fmt::Display) -> Failure {
        let place = match self.path.as_str() {
            "" => "the tree".to_owned(),
            path => format!("`{path}` in the tree"),
        };
        Failure::world(format!("{place} can't be used: {why}"))
            .fact(format!("its Directory message is {tree}"))
    }

    fn weigh(&mut self, tree: Digest, size: Option<u64>, depth: usize) -> Result<Weight> {
        if depth > DEPTH_LIMIT {
            return Err(self.wrong(tree, format!("it is more than {DEPTH_LIMIT} folders deep")));
        }
        if !self.messages.contains_key(&tree) {
            let message = self.message(tree, depth)?;
            self.messages.insert(tree, message);
        }
        let message = &self.messages[&tree];
        if size.is_some_and(|size| size != message.size) {
            return Err(self.wrong(tree, "its message has another size than the folder above says"));
        }
        let weight = message.weight;
        if depth + weight.depth > DEPTH_LIMIT {
            return Err(self.wrong(tree, format!("it is more than {DEPTH_LIMIT} folders deep")));
        }
        Ok(weight)
    }

    fn message(&mut self, tree: Digest, depth: usize) -> Result<Message> {
        let bytes = (self.fetch)(tree)?;
        let entries = decode(&bytes).map_err(|why| self.wrong(tree, why))?;
        let mut weight = Weight { entries: entries.len(), ..Weight::default() };
        for (name, entry) in &entries {
            let Entry::Folder { digest, size } = entry else {
                weight.length = weight.length.max(name.len());
                continue;
            };
            let length = self.path.len();
            self.path = join(&self.path, name);
            let inner = self.weigh(*digest, Some(*size), depth + 1)?;
            self.path.truncate(length);
            weight.entries = weight.entries.saturating_add(inner.entries);
            weight.depth = weight.depth.max(inner.depth + 1);
            weight.length = weight.length.max(name.len() + 1 + inner.length);
        }
        if weight.entries > ENTRY_LIMIT {
            return Err(self.wrong(tree, format!("it has more than {ENTRY_LIMIT} entries")));
        }
        if weight.length > PATH_LIMIT {
            return Err(self.wrong(tree, format!("its paths are longer than {PATH_LIMIT} bytes")));
        }
        Ok(Message { size: bytes.len() as u64, entries, weight })
    }

    /// Builds a folder out of messages that were all weighed.
    fn folder(&self, tree: Digest) -> Result<Folder> {
        let message =
            self.messages.get(&tree).ok_or_else(|| Failure::bug("a folder was built before it was read"))?;
        let mut folder = Folder::default();
        for (name, entry) in &message.entries {
            let node = match entry {
                Entry::File { digest, size, executable } => {
                    Node::File { digest: *digest, size: *size, executable: *executable }
                }
                Entry::Link { target } => Node::Link { target: target.clone() },
                Entry::Folder { digest, .. } => Node::Folder(self.folder(*digest)?),
            };
            folder.entries.insert(name.clone(), node);
        }
        Ok(folder)
    }
}
