//! Layers: each a tar, laid over what the layers below it made, in memory and in the store.
//!
//! Names and links are judged against the tree made so far and lead nowhere else: a link on the way to a member is
//! followed within the root, as a kernel would there. What a layer whites out is what was below it, wherever in the
//! layer the mark stands. Owners, times, setuid and extended attributes don't exist in a tree; devices, pipes and
//! sockets are left out and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use rbld_lang::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::manifest::shown;
use crate::failure::{Doing, Failure, Result};
use crate::packing::{Budget, Codec, HEAD, read_up_to, tar};
use crate::store::Batch;
use crate::store::tree::{Folder, Node};

/// What a layer marks a removal with, before the name.
const WHITEOUT: &str = ".wh.";
/// What a layer marks a folder with that hides everything below.
const OPAQUE: &str = ".wh..wh..opq";
/// What old storage drivers left in layers, for nobody else.
const INTERNAL: &str = ".wh..wh.";

/// The longest name and the deepest folder, as for any tree.
const NAME_LIMIT: usize = 255;
const DEPTH_LIMIT: usize = 250;
const PATH_LIMIT: usize = 4095;

/// How large what layers hold may be, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, unpacked.
    pub bytes: u64,
    /// Members.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 32 << 30, members: 2_000_000 }
    }
}

/// Why something of a layer isn't in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// A device, a pipe or a socket: it isn't there.
    Special,
    /// A setuid, setgid or sticky bit.
    Mode,
    /// Extended attributes, file capabilities among them.
    Attributes,
}

impl Loss {
    fn words(self) -> &'static str {
        match self {
            Loss::Special => "devices and pipes are left out",
            Loss::Mode => "setuid and setgid are not kept",
            Loss::Attributes => "extended attributes are not kept",
        }
    }
}

/// What was lost: how often, and where first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost(BTreeMap<Loss, (usize, String)>);

impl Lost {
    fn add(&mut self, loss: Loss, path: &str) {
        let (count, _) = self.0.entry(loss).or_insert_with(|| (0, shown(path)));
        *count += 1;
    }

    /// A sentence a kind.
    pub fn sentences(&self) -> Vec<String> {
        let one = |(loss, (count, first)): (&Loss, &(usize, String))| match count {
            1 => format!("{}: `/{first}`", loss.words()),
            count => format!("{}: {count} of them, first `/{first}`", loss.words()),
        };
        self.0.iter().map(one).collect()
    }
}

/// Layers as they are laid over each other.
pub struct Layers<'b> {
    batch: &'b Batch,
    budget: Budget,
    members: usize,
    limits: Limits,
    /// What they came to so far.
    pub root: Folder,
    /// What isn't in it.
    pub lost: Lost,
}

impl<'b> Layers<'b> {
    /// None yet.
    pub fn new(batch: &'b Batch, limits: Limits) -> Layers<'b> {
        let budget = Budget::new(limits.bytes);
        Layers {
            batch,
            budget,
            members: limits.members,
            limits,
            root: Folder::default(),
            lost: Lost::default(),
        }
    }

    /// Lays a layer, compressed or not, over the others; gives the digest of its tar. `going` is asked again and again
    /// whether to go on.
    pub fn add(&mut self, layer: impl Read, going: &dyn Fn() -> Result<()>) -> Result<Digest> {
        let mut layer = layer;
        let mut head = vec![0; HEAD];
        let count = read_up_to(&mut layer, &mut head).doing(|| "read a layer")?;
        head.truncate(count);
        let packed = io::Cursor::new(head.clone()).chain(layer);
        let unpacked: Box<dyn Read + '_> = match Codec::of(&head) {
            Some(codec) => codec.reader(packed).map_err(|error| wrong(&error))?,
            None => Box::new(packed),
        };
        let hashed = Hashed { inner: self.budget.meter(unpacked), hasher: Sha256::new() };
        let mut archive = tar::Reader::new(io::BufReader::with_capacity(64 << 10, hashed));
        let mut fresh = BTreeSet::new();
        while let Some(member) = archive.advance().map_err(|error| wrong(&error))? {
            going()?;
            self.members = self.members.checked_sub(1).ok_or_else(|| {
                Failure::world(format!("the image has more than {} files", self.limits.members))
            })?;
            self.member(&member, &mut archive, &mut fresh)?;
        }
        // The digest is that of the whole tar, with whatever follows its end.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(|error| wrong(&error))?;
        Ok(Digest::from_bytes(rest.into_inner().hasher.finalize().into()))
    }

    fn member(
        &mut self,
        member: &tar::Member,
        contents: &mut impl Read,
        fresh: &mut BTreeSet<String>,
    ) -> Result<()> {
        if member.kind == tar::Kind::Global {
            return Ok(());
        }
        let names = names(&member.name)?;
        // The root itself.
        let Some((last, above)) = names.split_last() else { return Ok(()) };
        if last.starts_with(WHITEOUT) {
            return self.whiteout(last, above, fresh);
        }
        let path = names.join("/");
        let refuse = |why: String| {
            Err(Failure::world(format!("the image can't be unpacked: `/{}` {why}", shown(&path))))
        };
        let Some(mut place) = self.root.resolve(above) else {
            return refuse("lies beyond a ring of links".to_owned());
        };
        if self.root.make_folder(&place).is_none() {
            return refuse("lies beneath what is no folder".to_owned());
        }
        place.push((*last).to_owned());
        let place_path = place.join("/");
        if place.len() > DEPTH_LIMIT || place_path.len() > PATH_LIMIT {
            return refuse("lies too deep".to_owned());
        }
        let node = match member.kind {
            tar::Kind::File => self.file(member, contents, &path)?,
            tar::Kind::Folder => Node::Folder(Folder::default()),
            tar::Kind::Symbolic => match String::from_utf8(member.link.clone()) {
                Ok(target) if !target.is_empty() && target.len() <= PATH_LIMIT => Node::Link { target },
                _ => return refuse("links to what is no path in UTF-8".to_owned()),
            },
            tar::Kind::Hard => match self.linked(&member.link)? {
                Some(node) => node,
                None => {
                    let target = String::from_utf8_lossy(&member.link).into_owned();
                    return refuse(format!(
                        "is a hard link to `{}`, which is no file before it",
                        shown(&target)
                    ));
                }
            },
            tar::Kind::Special(_) => {
                self.lost.add(Loss::Special, &path);
                self.take_away(&place, fresh);
                return Ok(());
            }
            tar::Kind::Global => return Ok(()),
        };
        self.note_losses(member, &path);
        self.put(&place, node, fresh);
        fresh.insert(place_path);
        Ok(())
    }

    fn file(&self, member: &tar::Member, contents: &mut impl Read, path: &str) -> Result<Node> {
        let executable = member.mode & 0o100 != 0;
        let mut writer = self.batch.writer()?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            match contents.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => io::Write::write_all(&mut writer, &buffer[..count])
                    .doing(|| format!("write `/{}` into the store", shown(path)))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(wrong(&error).fact(format!("at `/{}`", shown(path)))),
            }
        }
        let blob = writer.finish(executable)?;
        Ok(Node::File { digest: blob.digest, size: blob.size, executable })
    }

    /// What a hard link leads to; links on the way are followed, one at its end is linked itself.
    fn linked(&self, target: &[u8]) -> Result<Option<Node>> {
        let names = names(target)?;
        let Some((last, above)) = names.split_last() else { return Ok(None) };
        let Some(mut place) = self.root.resolve(above) else { return Ok(None) };
        place.push((*last).to_owned());
        Ok(self.root.at(&place).filter(|node| !matches!(node, Node::Folder(_))).cloned())
    }

    fn note_losses(&mut self, member: &tar::Member, path: &str) {
        if member.kind == tar::Kind::File && member.mode & 0o6000 != 0 {
            self.lost.add(Loss::Mode, path);
        }
        if member
            .facts
            .keys()
            .any(|fact| fact.starts_with("SCHILY.xattr.") || fact.starts_with("LIBARCHIVE.xattr."))
        {
            self.lost.add(Loss::Attributes, path);
        }
    }

    /// Puts a node where it belongs; a folder that meets a folder is that folder, anything else takes the place.
    fn put(&mut self, place: &[String], node: Node, fresh: &mut BTreeSet<String>) {
        if matches!((&node, self.root.at(place)), (Node::Folder(_), Some(Node::Folder(_)))) {
            return;
        }
        self.take_away(place, fresh);
        if let Some((last, above)) = place.split_last()
            && let Some(folder) = self.root.folder_at_mut(above)
        {
            folder.entries.insert(last.clone(), node);
        }
    }

    /// Removes what is at a place, of whatever layer.
    fn take_away(&mut self, place: &[String], fresh: &mut BTreeSet<String>) {
        let Some((last, above)) = place.split_last() else { return };
        let Some(folder) = self.root.folder_at_mut(above) else { return };
        if let Some(Node::Folder(_)) = folder.entries.remove(last) {
            let path = place.join("/");
            let beneath = format!("{path}/");
            let gone: Vec<String> = fresh
                .range(beneath.clone()..)
                .take_while(|path| path.starts_with(&beneath))
                .cloned()
                .collect();
            for path in &gone {
                fresh.remove(path);
            }
        }
    }

    /// Hides what layers below have at a name, or in a whole folder.
    fn whiteout(&mut self, mark: &str, above: &[&str], fresh: &BTreeSet<String>) -> Result<()> {
        let Some(place) = self.root.resolve(above) else { return Ok(()) };
        let path = place.join("/");
        let Some(folder) = self.root.folder_at_mut(&place) else { return Ok(()) };
        if mark == OPAQUE {
            hide(folder, &path, fresh);
            return Ok(());
        }
        if mark.starts_with(INTERNAL) {
            return Ok(());
        }
        let name = mark.strip_prefix(WHITEOUT).unwrap_or_default();
        if matches!(name, "" | "." | "..") {
            return Err(Failure::world(format!(
                "the image can't be unpacked: `/{}` removes nothing that has a name",
                shown(&path)
            )));
        }
        let path = join(&path, name);
        let stays = match folder.entries.get_mut(name) {
            Some(Node::Folder(inner)) => {
                hide(inner, &path, fresh);
                fresh.contains(&path) || !inner.entries.is_empty()
            }
            _ => fresh.contains(&path),
        };
        if !stays {
            folder.entries.remove(name);
        }
        Ok(())
    }
}

/// Removes from a folder all that isn't of this layer.
fn hide(folder: &mut Folder, path: &str, fresh: &BTreeSet<String>) {
    folder.entries.retain(|name, node| {
        let path = join(path, name);
        match node {
            Node::Folder(inner) => {
                hide(inner, &path, fresh);
                fresh.contains(&path) || !inner.entries.is_empty()
            }
            _ => fresh.contains(&path),
        }
    });
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

/// The names that a member's path is of; none for the root.
fn names(path: &[u8]) -> Result<Vec<&str>> {
    let refuse = |why: &str| {
        let path = String::from_utf8_lossy(path).into_owned();
        Failure::world(format!("the image can't be unpacked: the name `{}` {why}", shown(&path)))
    };
    let text = std::str::from_utf8(path).map_err(|_| refuse("isn't UTF-8"))?;
    let names: Vec<&str> = text.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.contains(&"..") {
        return Err(refuse("leaves the image"));
    }
    if names.iter().any(|name| name.len() > NAME_LIMIT || name.contains('\0')) {
        return Err(refuse("is no name"));
    }
    if text.len() > PATH_LIMIT || names.len() > DEPTH_LIMIT {
        return Err(refuse("lies too deep"));
    }
    Ok(names)
}

/// Reading failed: the layer is damaged, or the disk is.
fn wrong(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::world("a layer of the image ends too early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            Failure::world(format!("a layer of the image is damaged: {error}"))
        }
        _ => Failure::io("read a layer", error),
    }
}

struct Hashed<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
