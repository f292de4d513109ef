//! Trees: folders as values, and as the `Directory` messages of the Remote Execution API.
//!
//! A tree is names, digests, executable bits, links as text and empty folders; owners, times
//! and other modes don't exist in it. The canonical message has its names sorted bytewise and
//! no node properties, so equal trees have equal digests. Messages that come from elsewhere
//! are hostile until [`read`] has gone through them.

use std::collections::BTreeMap;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message as _;
use rbld_lang::digest::Digest;

pub use super::batch::Take;
use super::directory::{self, DEPTH_LIMIT, check_name};
pub use super::directory::{ENTRY_LIMIT, Entry, MESSAGE_LIMIT, PATH_LIMIT};
pub use super::import::{Dropped, Imported, Loss, Lost, import, scan};
use super::{Batch, Object, Store};
use crate::failure::{Failure, Result};

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

    /// The digests and sizes of all it is made of: its message, those of the folders beneath, and the files.
    pub fn blobs(&self) -> BTreeMap<Digest, u64> {
        let mut blobs = BTreeMap::new();
        let top = self.encode(&mut |digest, bytes| {
            blobs.insert(digest, bytes.len() as u64);
        });
        blobs.insert(Digest::of(&top), top.len() as u64);
        for (_, node) in self.files() {
            if let Node::File { digest, size, .. } = node {
                blobs.insert(*digest, *size);
            }
        }
        blobs
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

pub(super) fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
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
    directory::read(tree, &|digest| store.read_blob(digest, MESSAGE_LIMIT))
}

/// The entries of one folder of a tree, checked by themselves alone: what lies beneath isn't read.
pub fn read_one(store: &Store, folder: Digest) -> Result<BTreeMap<String, Entry>> {
    directory::decode(&store.read_blob(folder, MESSAGE_LIMIT)?).map_err(|why| {
        Failure::world(format!("a folder can't be used: {why}"))
            .fact(format!("its Directory message is {folder}"))
    })
}

/// Like [`read`], with messages from elsewhere: `fetch` gives the bytes of a digest, and has checked that they are.
pub fn read_by(tree: Digest, fetch: &dyn Fn(Digest) -> Result<Vec<u8>>) -> Result<Folder> {
    directory::read(tree, fetch)
}

/// Like [`read`], but notices nothing: no record is changed by what is missing.
pub(super) fn read_raw(store: &Store, tree: Digest) -> Result<Folder> {
    directory::read(tree, &|digest| store.message(digest).ok_or_else(|| store.absent(digest)))
}
