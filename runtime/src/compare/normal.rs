//! Normal forms: what of an object counts where less than its bytes does, as a digest of it.
//!
//! Read as a stream, with a budget of unpacked bytes and bounded lists of members. What can't be unpacked has no
//! normal form but its bytes, so that damage never makes two things equal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use rbld_lang::digest::Digest;
use rbld_lang::plan::Equality;
use sha2::Digest as _;

use super::difference::Limits;
use crate::failure::Result;
use crate::packing::{Budget, Codec, HEAD, ar, malformed, read_up_to, tar, zip};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Object, Store};

/// A file that an archive may be spooled into.
const SPOOLED: u64 = 4 << 30;

/// The digest of what counts of an object.
pub(super) fn of_object(
    store: &Store,
    object: &Object,
    equality: Equality,
    limits: &Limits,
) -> Result<Digest> {
    match object {
        Object::File { digest, .. } => of_blob(store, *digest, equality, limits),
        Object::Tree { digest, .. } => {
            let folder = tree::read(store, *digest)?;
            let mut lines = BTreeSet::new();
            of_folder(store, "", &folder, equality, limits, &mut lines)?;
            Ok(sealed("folder", lines.iter()))
        }
    }
}

/// The digest of what counts of a file: of its bytes if it is nothing that can be unpacked.
pub(super) fn of_blob(store: &Store, digest: Digest, equality: Equality, limits: &Limits) -> Result<Digest> {
    let file = store.open_blob(digest)?;
    let normal = Normal { equality, limits, budget: Budget::new(limits.unpacked) };
    Ok(normal.file(file).unwrap_or(None).unwrap_or(digest))
}

fn of_folder(
    store: &Store,
    above: &str,
    folder: &Folder,
    equality: Equality,
    limits: &Limits,
    lines: &mut BTreeSet<String>,
) -> Result<()> {
    for (name, node) in &folder.entries {
        let path = format!("{above}{name}");
        match node {
            Node::File { digest, executable, .. } => {
                let contents = of_blob(store, *digest, equality, limits)?;
                let bit = if *executable && equality != Equality::Content { "x" } else { "-" };
                lines.insert(format!("{path}\0file {bit} {contents}"));
            }
            Node::Link { target } => {
                lines.insert(format!("{path}\0link {target}"));
            }
            Node::Folder(inner) => {
                if inner.entries.is_empty() && equality != Equality::Content {
                    lines.insert(format!("{path}\0folder"));
                }
                of_folder(store, &format!("{path}/"), inner, equality, limits, lines)?;
            }
        }
    }
    Ok(())
}

/// The digest of lines, each ended by two zero bytes: no name holds one.
fn sealed<'l>(kind: &str, lines: impl Iterator<Item = &'l String>) -> Digest {
    let mut hasher = sha2::Sha256::new();
    hasher.update(kind.as_bytes());
    for line in lines {
        hasher.update(b"\0\0");
        hasher.update(line.as_bytes());
    }
    Digest::from_bytes(hasher.finalize().into())
}

struct Normal<'l> {
    equality: Equality,
    limits: &'l Limits,
    budget: Budget,
}

/// Members by name, and of equal names in their turn.
type Members = BTreeMap<(String, usize), String>;

impl Normal<'_> {
    /// The normal form of a file of a store; nothing for one that isn't packed in a way that this equality opens.
    fn file(&self, file: File) -> io::Result<Option<Digest>> {
        let mut file = BufReader::with_capacity(64 << 10, file);
        let mut head = vec![0; HEAD];
        let count = read_up_to(&mut file, &mut head)?;
        head.truncate(count);
        let opened = match self.equality {
            Equality::Bytes => false,
            Equality::Deb => head.starts_with(ar::MAGIC),
            Equality::Tree | Equality::Content => is_packed(&head),
        };
        if !opened {
            return Ok(None);
        }
        if zip::is_zip(&head) {
            return self.zip(file.into_inner(), self.limits.depth).map(Some);
        }
        file.seek(SeekFrom::Start(0))?;
        self.stream(&mut file, self.limits.depth).map(Some)
    }

    /// The normal form of what a stream holds; `depth` is how many archives may still be opened.
    fn stream(&self, reader: &mut dyn Read, depth: usize) -> io::Result<Digest> {
        let mut head = vec![0; HEAD];
        let count = read_up_to(reader, &mut head)?;
        head.truncate(count);
        let mut whole = io::Cursor::new(head.clone()).chain(reader);
        if depth == 0 || !is_packed(&head) {
            return digest(&mut whole);
        }
        if let Some(codec) = Codec::of(&head) {
            let mut unpacked = self.budget.meter(codec.reader(whole)?);
            return self.stream(&mut unpacked, depth - 1);
        }
        if head.starts_with(ar::MAGIC) {
            return self.ar(&mut whole, depth);
        }
        if tar::is_tar(&head) {
            return self.tar(&mut whole, depth);
        }
        let mut spool = tempfile::tempfile()?;
        let size = io::copy(&mut whole.take(SPOOLED + 1), &mut spool)?;
        if size > SPOOLED {
            return Err(malformed("an archive inside of another is too large"));
        }
        self.zip(spool, depth)
    }

    /// The contents of a member: of an archive in an archive only `content` looks into what is packed once more.
    fn member(&self, reader: &mut dyn Read, depth: usize) -> io::Result<Digest> {
        match self.equality {
            Equality::Content => self.stream(reader, depth.saturating_sub(1)),
            _ => digest(reader),
        }
    }

    fn ar(&self, reader: &mut dyn Read, depth: usize) -> io::Result<Digest> {
        let mut archive = ar::Reader::new(reader)?;
        let mut members = Members::new();
        let mut deb = false;
        while let Some(member) = archive.advance()? {
            let name = String::from_utf8_lossy(&member.name).into_owned();
            deb |= members.is_empty() && name == "debian-binary";
            let tree = ["control.tar", "data.tar"].into_iter().find(|tree| {
                deb && name.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            let (name, contents) = match tree {
                Some(tree) => (tree.to_owned(), self.stream(&mut archive, depth)?),
                None => (name, self.member(&mut archive, depth)?),
            };
            let mode = member.facts.iter().find(|(fact, _)| *fact == "mode").map(|(_, mode)| mode.as_str());
            let bit = match self.equality {
                Equality::Content => "",
                _ if deb => "",
                _ => mode.unwrap_or_default(),
            };
            self.push(&mut members, name, format!("file {} {contents}", executable(bit)))?;
        }
        if self.equality == Equality::Deb && !deb {
            return Err(malformed("it is no package of Debian's"));
        }
        Ok(listed(&members))
    }

    fn tar(&self, reader: &mut dyn Read, depth: usize) -> io::Result<Digest> {
        let mut archive = tar::Reader::new(reader);
        let mut members = Members::new();
        let mut above: BTreeSet<String> = BTreeSet::new();
        let mut folders: Vec<(String, usize)> = Vec::new();
        while let Some(member) = archive.advance()? {
            let name = plain(&String::from_utf8_lossy(&member.name));
            if member.kind == tar::Kind::Global {
                continue;
            }
            let mut at = name.as_str();
            while let Some((folder, _)) = at.rsplit_once('/') {
                if !above.insert(folder.to_owned()) {
                    break;
                }
                at = folder;
            }
            let link = String::from_utf8_lossy(&member.link).into_owned();
            let what = match member.kind {
                tar::Kind::File => {
                    let contents = self.member(&mut archive, depth)?;
                    let mode = if self.equality == Equality::Content { 0 } else { member.mode };
                    format!("file {} {contents}", if mode & 0o100 != 0 { "x" } else { "-" })
                }
                kind => format!("{} {link}", kind.word()),
            };
            let what = match self.equality {
                Equality::Deb => {
                    let fact = |name: &str| member.facts.get(name).map_or("", String::as_str);
                    let owner = [fact("uid"), fact("gid"), fact("uname"), fact("gname")].join(" ");
                    format!("{what}\0{:04o} {owner}", member.mode)
                }
                _ => what,
            };
            if member.kind == tar::Kind::Folder && self.equality != Equality::Deb {
                if name.is_empty() || self.equality == Equality::Content {
                    continue;
                }
                let turn = self.push(&mut members, name.clone(), "folder".to_owned())?;
                folders.push((name, turn));
                continue;
            }
            self.push(&mut members, name, what)?;
        }
        // A folder that holds something is told by what it holds.
        for folder in folders {
            if above.contains(&folder.0) || folder.1 > 0 {
                members.remove(&folder);
            }
        }
        Ok(listed(&members))
    }

    fn zip(&self, file: File, depth: usize) -> io::Result<Digest> {
        let length = file.metadata()?.len();
        let mut part = |offset, length: u64| {
            let mut file = &file;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let entries = zip::directory(length, &mut part, self.limits.members)?;
        (&file).seek(SeekFrom::Start(0))?;
        let mut members = Members::new();
        let mut full: BTreeSet<String> = BTreeSet::new();
        zip::each(&file, &entries, &self.budget, &mut |index, _, contents| {
            let entry = &entries[index];
            let written = String::from_utf8_lossy(&entry.name);
            let name = plain(&written);
            if let Some((folder, _)) = name.rsplit_once('/') {
                full.insert(folder.to_owned());
            }
            let digest = self.member(contents, depth)?;
            if written.ends_with('/') {
                if self.equality != Equality::Content {
                    self.push(&mut members, name, "folder".to_owned())?;
                }
                return Ok(());
            }
            let mode = entry.mode.filter(|_| self.equality != Equality::Content).unwrap_or(0);
            let kind = if mode & 0o170_000 == 0o120_000 { "link" } else { "file" };
            let bit = if mode & 0o100 != 0 { "x" } else { "-" };
            self.push(&mut members, name, format!("{kind} {bit} {digest}"))?;
            Ok(())
        })?;
        members.retain(|(name, _), what| what != "folder" || !full.contains(name));
        Ok(listed(&members))
    }

    fn push(&self, members: &mut Members, name: String, what: String) -> io::Result<usize> {
        if members.len() == self.limits.members {
            return Err(malformed("it has too many members"));
        }
        let before = members.range((name.clone(), 0)..=(name.clone(), usize::MAX)).next_back();
        let turn = before.map_or(0, |((_, turn), _)| turn + 1);
        members.insert((name, turn), what);
        Ok(turn)
    }
}

fn digest(reader: &mut dyn Read) -> io::Result<Digest> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match read_up_to(reader, &mut buffer)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Whether anything here is unpacked by some equality.
fn is_packed(head: &[u8]) -> bool {
    Codec::of(head).is_some() || head.starts_with(ar::MAGIC) || tar::is_tar(head) || zip::is_zip(head)
}

/// A name without `./` before and `/` behind it.
fn plain(name: &str) -> String {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest.trim_start_matches('/');
    }
    let name = name.trim_end_matches('/');
    if name == "." { String::new() } else { name.to_owned() }
}

/// The executable bit of a mode in octal.
fn executable(mode: &str) -> &'static str {
    let bit = u32::from_str_radix(mode.trim(), 8).is_ok_and(|mode| mode & 0o100 != 0);
    if bit { "x" } else { "-" }
}

fn listed(members: &Members) -> Digest {
    let lines: Vec<String> =
        members.iter().map(|((name, turn), what)| format!("{name}\0{turn} {what}")).collect();
    sealed("archive", lines.iter())
}

#[cfg(test)]
#[path = "normal_tests.rs"]
mod tests;
