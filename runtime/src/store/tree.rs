//! Trees: folders as values, and as the `Directory` messages of the Remote Execution API.
//!
//! A tree is names, digests, executable bits, links as text and empty folders; owners, times
//! and other modes don't exist in it. The canonical message has its names sorted bytewise and
//! no node properties, so equal trees have equal digests. Messages that come from elsewhere
//! are hostile until [`read`] has gone through them.

use std::collections::BTreeMap;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message;
use rbld_lang::digest::Digest;

pub use super::batch::Take;
pub use super::import::{Dropped, Imported, Loss, Lost, import, scan};
use super::{Batch, Object, Store};
use crate::failure::{Failure, Result};

/// How many folders deep a tree may go.
pub(super) const DEPTH_LIMIT: usize = 256;
/// How many entries a tree may have, counted as often as they appear.
pub(super) const ENTRY_LIMIT: usize = 2_000_000;
/// How many bytes a path in a tree may have: what Linux takes in one call.
pub(super) const PATH_LIMIT: usize = 4095;
/// How many bytes a name may have.
const NAME_LIMIT: usize = 255;
/// How many bytes one `Directory` message may have.
pub(super) const MESSAGE_LIMIT: u64 = 64 << 20;

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// How many bytes.
        size: u64,
        /// Whether it may be run.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// What it points to, as written.
        target: String,
    },
    /// A folder.
    Folder(Folder),
}

/// A folder with all beneath it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// What it holds, by name; sorted bytewise.
    pub entries: BTreeMap<String, Node>,
}

impl Folder {
    /// Puts a node at a path such as `usr/bin/sh`, making the folders above it. A file or link there is replaced;
    /// a folder isn't, nor is a file or link on the way taken for one.
    pub fn insert(&mut self, path: &str, node: Node) -> Result<()> {
        let wrong = |why: &str| Failure::input(format!("`{path}` can't be put into a tree: {why}"));
        if path.len() > PATH_LIMIT {
            return Err(wrong("the path is too long"));
        }
        let mut names: Vec<&str> = path.split('/').collect();
        if names.len() > DEPTH_LIMIT {
            return Err(wrong("it lies too deep"));
        }
        for name in &names {
            check_name(name).map_err(|why| wrong(&why))?;
        }
        let Some(last) = names.pop() else { return Err(wrong("the path is empty")) };
        let mut folder = self;
        for name in names {
            let next =
                folder.entries.entry(name.to_owned()).or_insert_with(|| Node::Folder(Folder::default()));
            match next {
                Node::Folder(inner) => folder = inner,
                _ => return Err(wrong(&format!("`{name}` is no folder"))),
            }
        }
        if matches!(folder.entries.get(last), Some(Node::Folder(_))) && !matches!(node, Node::Folder(_)) {
            return Err(wrong("there is a folder of that name"));
        }
        folder.entries.insert(last.to_owned(), node);
        Ok(())
    }

    /// The node at a path; links aren't followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        let (folder, last) = match path.rsplit_once('/') {
            Some((above, last)) => (self.folder(above)?, last),
            None => (self, path),
        };
        folder.entries.get(last)
    }

    fn folder(&self, path: &str) -> Option<&Folder> {
        path.split('/').try_fold(self, |folder, name| match folder.entries.get(name) {
            Some(Node::Folder(inner)) => Some(inner),
            _ => None,
        })
    }

    /// Takes the node at a path out; folders above it stay, empty or not.
    pub fn remove(&mut self, path: &str) -> Option<Node> {
        let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
        let mut folder = self;
        for name in above.split('/').filter(|name| !name.is_empty()) {
            match folder.entries.get_mut(name) {
                Some(Node::Folder(inner)) => folder = inner,
                _ => return None,
            }
        }
        folder.entries.remove(last)
    }

    /// The digest of the canonical `Directory` message; nothing is stored.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode(&mut |_, _| {}))
    }

    /// Adds all of another tree. Folders are merged; anything else that both have must be equal.
    pub fn merge(&mut self, other: Folder) -> Result<()> {
        self.merge_at(other, "")
    }

    fn merge_at(&mut self, other: Folder, above: &str) -> Result<()> {
        for (name, node) in other.entries {
            let path = join(above, &name);
            match (self.entries.get_mut(&name), node) {
                (None, node) => {
                    self.entries.insert(name, node);
                }
                (Some(Node::Folder(mine)), Node::Folder(theirs)) => mine.merge_at(theirs, &path)?,
                (Some(mine), theirs) if *mine == theirs => {}
                (Some(mine), theirs) => {
                    return Err(Failure::input(format!(
                        "`{path}` is in both of two trees that are laid together"
                    ))
                    .fact(format!("in one it is {}", mine.describe()))
                    .fact(format!("in the other {}", theirs.describe())));
                }
            }
        }
        Ok(())
    }

    /// All files and links with their paths, in the order of the paths' names; folders only as parts of paths.
    pub fn files(&self) -> impl Iterator<Item = (String, &Node)> {
        self.nodes().filter(|(_, node)| !matches!(node, Node::Folder(_)))
    }

    /// All nodes with their paths, each folder before what it holds.
    pub fn nodes(&self) -> impl Iterator<Item = (String, &Node)> {
        let mut open = vec![(String::new(), self.entries.iter())];
        std::iter::from_fn(move || {
            loop {
                let (above, entries) = open.last_mut()?;
                let Some((name, node)) = entries.next() else {
                    open.pop();
                    continue;
                };
                let path = join(above, name);
                if let Node::Folder(inner) = node {
                    open.push((path.clone(), inner.entries.iter()));
                }
                return Some((path, node));
            }
        })
    }

    /// The canonical message of this folder; `each` sees the digest and bytes of every folder beneath it.
    fn encode(&self, each: &mut impl FnMut(Digest, &[u8])) -> Vec<u8> {
        let mut message = reapi::Directory::default();
        for (name, node) in &self.entries {
            let name = name.clone();
            match node {
                Node::File { digest, size, executable } => message.files.push(reapi::FileNode {
                    name,
                    digest: Some(reapi_digest(*digest, *size)),
                    is_executable: *executable,
                    node_properties: None,
                }),
                Node::Link { target } => message.symlinks.push(reapi::SymlinkNode {
                    name,
                    target: target.clone(),
                    node_properties: None,
                }),
                Node::Folder(inner) => {
                    let bytes = inner.encode(each);
                    let digest = Digest::of(&bytes);
                    each(digest, &bytes);
                    let digest = Some(reapi_digest(digest, bytes.len() as u64));
                    message.directories.push(reapi::DirectoryNode { name, digest });
                }
            }
        }
        message.encode_to_vec()
    }
}

impl Node {
    /// A few words for a report.
    pub fn describe(&self) -> String {
        match self {
            Node::File { digest, executable: false, .. } => format!("a file with sha256 {}", digest.short()),
            Node::File { digest, executable: true, .. } => {
                format!("an executable with sha256 {}", digest.short())
            }
            Node::Link { target } => format!("a link to `{target}`"),
            Node::Folder(_) => "a folder".to_owned(),
        }
    }
}

/// A digest as REAPI writes it.
pub fn reapi_digest(digest: Digest, size: u64) -> reapi::Digest {
    reapi::Digest { hash: digest.to_hex(), size_bytes: i64::try_from(size).unwrap_or(i64::MAX) }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
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

/// Stores the messages of a tree.
pub fn write(batch: &Batch, folder: &Folder) -> Result<Object> {
    let mut failed = None;
    let bytes = folder.encode(&mut |_, bytes| {
        if failed.is_none() {
            failed = batch.bytes(bytes).err();
        }
    });
    if let Some(failure) = failed {
        return Err(failure);
    }
    let blob = batch.bytes(&bytes)?;
    Ok(Object::Tree { digest: blob.digest, size: blob.size })
}

/// Reads a whole tree. A message that is damaged, malformed or not canonical is a failure; the files
/// themselves aren't looked at.
pub fn read(store: &Store, tree: Digest) -> Result<Folder> {
    read_with(tree, &|digest| store.read_blob(digest, MESSAGE_LIMIT))
}

/// Like [`read`], but notices nothing: no record is changed by what is missing.
pub(super) fn read_raw(store: &Store, tree: Digest) -> Result<Folder> {
    read_with(tree, &|digest| store.message(digest).ok_or_else(|| store.absent(digest)))
}

fn read_with(tree: Digest, fetch: &dyn Fn(Digest) -> Result<Vec<u8>>) -> Result<Folder> {
    Reader { fetch, entries: 0, path: String::new() }.folder(tree, None, 0)
}

/// One message as a list of entries, checked by itself: folders stay digests.
pub(super) fn decode(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let message =
        reapi::Directory::decode(bytes).map_err(|error| format!("it is no Directory message: {error}"))?;
    if message.node_properties.is_some() {
        return Err("it has node properties".to_owned());
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

/// An entry of one message.
pub(super) enum Entry {
    File { digest: Digest, size: u64, executable: bool },
    Folder { digest: Digest, size: u64 },
    Link { target: String },
}

fn digest_of(digest: Option<reapi::Digest>) -> Result<(Digest, u64), String> {
    let digest = digest.unwrap_or_default();
    let size = u64::try_from(digest.size_bytes).map_err(|_| "it has a size below zero".to_owned())?;
    // An absent digest would be another way to write that of nothing: there is one way only.
    let value: Digest = digest.hash.parse().map_err(|_| format!("`{}` isn't a sha256", digest.hash))?;
    if value.to_hex() != digest.hash {
        return Err(format!("`{}` isn't a sha256 in lower case", digest.hash));
    }
    Ok((value, size))
}

struct Reader<'a> {
    fetch: &'a dyn Fn(Digest) -> Result<Vec<u8>>,
    entries: usize,
    path: String,
}

impl Reader<'_> {
    fn folder(&mut self, tree: Digest, size: Option<u64>, depth: usize) -> Result<Folder> {
        let bytes = (self.fetch)(tree)?;
        let wrong = |path: &str, why: String| {
            let place = if path.is_empty() { "the tree".to_owned() } else { format!("`{path}` in the tree") };
            Failure::world(format!("{place} can't be used: {why}"))
                .fact(format!("its Directory message is {tree}"))
        };
        if size.is_some_and(|size| size != bytes.len() as u64) {
            return Err(wrong(
                &self.path,
                "its message has another size than the folder above says".to_owned(),
            ));
        }
        let entries = decode(&bytes).map_err(|why| wrong(&self.path, why))?;
        self.entries += entries.len();
        if self.entries > ENTRY_LIMIT {
            return Err(wrong(&self.path, format!("it has more than {ENTRY_LIMIT} entries")));
        }
        if depth > DEPTH_LIMIT {
            return Err(wrong(&self.path, format!("it is more than {DEPTH_LIMIT} folders deep")));
        }
        let mut folder = Folder::default();
        for (name, entry) in entries {
            let node = match entry {
                Entry::File { digest, size, executable } => Node::File { digest, size, executable },
                Entry::Link { target } => Node::Link { target },
                Entry::Folder { digest, size } => {
                    let length = self.path.len();
                    self.path = join(&self.path, &name);
                    if self.path.len() > PATH_LIMIT {
                        return Err(wrong(&self.path[..length], "its paths are too long".to_owned()));
                    }
                    let inner = self.folder(digest, Some(size), depth + 1)?;
                    self.path.truncate(length);
                    Node::Folder(inner)
                }
            };
            folder.entries.insert(name, node);
        }
        Ok(folder)
    }
}
