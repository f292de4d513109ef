//! Unpacking: a tar, compressed or not, or a zip becomes a tree in the store. No file is written anywhere else.
//!
//! The archive is hostile: names and links that leave the folder, special files, too many bytes or members
//! are errors that name the member. Owners, times and modes beyond the executable bit aren't kept.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use rbld_lang::digest::Digest;

use crate::failure::{Doing, Failure, Result};
use crate::packing::{Budget, Codec, HEAD, read_up_to, tar, zip};
use crate::progress::Task;
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Object, Store};

/// The longest target of a symbolic link in a zip archive, in bytes.
const LINK_LIMIT: u64 = 4096;

/// How large what is unpacked may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub bytes: u64,
    /// Members.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 32 << 30, members: 2_000_000 }
    }
}

/// Unpacks an archive in the store, leaving out `strip` leading folders of each name, as `tar --strip-components`
/// does.
pub fn unpack(
    store: &Store,
    batch: &Batch,
    archive: &Object,
    strip: u32,
    limits: &Limits,
    task: &Task,
) -> Result<Object> {
    let Object::File { digest, size, .. } = archive else {
        return Err(Failure::input("only a file can be unpacked, and this is a folder"));
    };
    task.expect(*size);
    let mut file = Counted { inner: store.open_blob(*digest)?, task };
    let mut head = [0; 4];
    let count = read_up_to(&mut file.inner, &mut head).doing(|| "read the archive")?;
    file.inner.rewind().doing(|| "read the archive")?;
    let folder = if zip::is_zip(&head[..count]) {
        zipped(file.inner, *size, batch, strip, limits)
    } else {
        contents(&mut file, batch, strip, limits)
    };
    let folder = folder.map_err(|failure| about(failure, *digest))?;
    if folder.entries.is_empty() && strip > 0 {
        return Err(about(
            Failure::input(format!("nothing is left of the archive without {strip} leading folders"))
                .help("lower `strip`"),
            *digest,
        ));
    }
    tree::write(batch, &folder)
}

fn about(failure: Failure, archive: Digest) -> Failure {
    failure.fact(format!("in the archive sha256:{archive}"))
}

/// Tells a task how far a file was read.
struct Counted<'t> {
    inner: std::fs::File,
    task: &'t Task,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.task.advance(count as u64);
        Ok(count)
    }
}

/// The tree of an archive read from its front; its blobs are added to the batch.
pub fn contents(archive: &mut dyn Read, batch: &Batch, strip: u32, limits: &Limits) -> Result<Folder> {
    let budget = Budget::new(limits.bytes);
    let (head, packed) = peek(archive).doing(|| "read the archive")?;
    let Some(codec) = Codec::of(&head) else { return members(&head, packed, batch, strip, limits) };
    let unpacked = codec.reader(packed).doing(|| format!("unpack {}", codec.name()))?;
    let mut metered = budget.meter(BufReader::with_capacity(64 << 10, unpacked));
    let (head, unpacked) = peek(&mut metered).map_err(|error| wrong(&error))?;
    members(&head, unpacked, batch, strip, limits)
}

/// The tree of a zip archive of `length` bytes; its blobs are added to the batch.
pub fn zipped(
    mut archive: impl Read + Seek,
    length: u64,
    batch: &Batch,
    strip: u32,
    limits: &Limits,
) -> Result<Folder> {
    let mut part = |offset, length: u64| {
        archive.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        (&mut archive).take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let entries = zip::directory(length, &mut part, limits.members).map_err(|error| wrong(&error))?;
    archive.rewind().doing(|| "read the archive")?;
    let (mut folder, mut failure) = (Folder::default(), None);
    let walked = zip::each(archive, &entries, &Budget::new(limits.bytes), &mut |index, _, contents| {
        zip_member(&entries[index], contents, &mut folder, batch, strip).map_err(|why| {
            failure = Some(why);
            io::ErrorKind::Other.into()
        })
    });
    match (failure, walked) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(wrong(&error)),
        (None, Ok(())) => Ok(folder),
    }
}

fn zip_member(
    entry: &zip::Entry,
    contents: &mut dyn Read,
    folder: &mut Folder,
    batch: &Batch,
    strip: u32,
) -> Result<()> {
    let mode = entry.mode.unwrap_or_default();
    let is_folder = entry.name.ends_with(b"/");
    let Some(path) = path(&entry.name, strip)? else { return Ok(()) };
    let (kind, link) = match mode & 0o170_000 {
        _ if is_folder => (tar::Kind::Folder, Vec::new()),
        0o120_000 => {
            let mut link = Vec::new();
            contents.take(LINK_LIMIT).read_to_end(&mut link).map_err(|error| wrong(&error))?;
            (tar::Kind::Symbolic, link)
        }
        0 | 0o100_000 => (tar::Kind::File, Vec::new()),
        _ => return Err(Failure::input(format!("`{path}` can't be unpacked: it is a special file"))),
    };
    let (name, facts) = (entry.name.clone(), std::collections::BTreeMap::new());
    let member = tar::Member { name, kind, link, size: entry.size, mode: u64::from(mode), facts };
    match node(&member, &path, strip, folder)? {
        Some(Content::Ready(node)) => folder.insert(&path, node),
        Some(Content::Bytes { executable }) => {
            let mut checked = flate2::CrcReader::new(contents);
            let blob = copy(&mut checked, batch, executable, &path)?;
            if blob.1 != entry.size || checked.crc().sum() != entry.crc {
                return Err(Failure::input(format!("the archive is damaged: `{path}` has another checksum")));
            }
            folder.insert(&path, Node::File { digest: blob.0, size: blob.1, executable })
        }
        None => Ok(()),
    }
}

/// The first bytes, and a reader that gives them once more.
fn peek<'r>(reader: &'r mut dyn Read) -> io::Result<(Vec<u8>, impl Read + 'r)> {
    let mut head = vec![0; HEAD];
    let count = read_up_to(reader, &mut head)?;
    head.truncate(count);
    Ok((head.clone(), io::Cursor::new(head).chain(reader)))
}

fn members(head: &[u8], reader: impl Read, batch: &Batch, strip: u32, limits: &Limits) -> Result<Folder> {
    let empty = head.len() >= 512 && head.iter().all(|byte| *byte == 0);
    if !tar::is_tar(head) && !empty {
        return Err(Failure::input(
            "the file is neither a zip nor a tar archive, nor a tar compressed by gzip, xz, zstd, bzip2 or lzip",
        )
        .help("unpack it in a recipe, with a program of its environment"));
    }
    let mut archive = tar::Reader::new(BufReader::with_capacity(64 << 10, reader));
    let mut folder = Folder::default();
    let mut count = 0;
    while let Some(member) = archive.advance().map_err(|error| wrong(&error))? {
        count += 1;
        if count > limits.members {
            return Err(Failure::input(format!("the archive has more than {} members", limits.members)));
        }
        let Some(path) = path(&member.name, strip)? else { continue };
        match node(&member, &path, strip, &folder)? {
            Some(Content::Ready(node)) => folder.insert(&path, node)?,
            Some(Content::Bytes { executable }) => {
                let blob = copy(&mut archive, batch, executable, &path)?;
                folder.insert(&path, Node::File { digest: blob.0, size: blob.1, executable })?;
            }
            None => {}
        }
    }
    Ok(folder)
}

enum Content {
    Ready(Node),
    Bytes { executable: bool },
}

/// What a member becomes; `None` for what is there already or says nothing.
fn node(member: &tar::Member, path: &str, strip: u32, folder: &Folder) -> Result<Option<Content>> {
    let refuse = |why: String| Err(Failure::input(format!("`{path}` can't be unpacked: {why}")));
    Ok(Some(match member.kind {
        tar::Kind::File => Content::Bytes { executable: member.mode & 0o100 != 0 },
        tar::Kind::Folder if matches!(folder.get(path), Some(Node::Folder(_))) => return Ok(None),
        tar::Kind::Folder => Content::Ready(Node::Folder(Folder::default())),
        tar::Kind::Symbolic => {
            let Ok(target) = String::from_utf8(member.link.clone()) else {
                return refuse("the target of the link isn't UTF-8".to_owned());
            };
            if !stays_inside(path, &target) {
                return refuse(format!("it links to `{target}`, outside of what is unpacked"));
            }
            Content::Ready(Node::Link { target })
        }
        tar::Kind::Hard => {
            let target = self::path(&member.link, strip)?.unwrap_or_default();
            match folder.get(&target) {
                Some(Node::File { digest, size, executable }) => {
                    Content::Ready(Node::File { digest: *digest, size: *size, executable: *executable })
                }
                Some(Node::Link { target }) => Content::Ready(Node::Link { target: target.clone() }),
                _ => return refuse(format!("it is a hard link to `{target}`, which is no file before it")),
            }
        }
        tar::Kind::Special(kind) => {
            return refuse(format!("it is a special file (type `{}`)", kind.escape_ascii()));
        }
        tar::Kind::Global => return Ok(None),
    }))
}

/// The path of a member without its leading folders; `None` if nothing is left of it.
fn path(name: &[u8], strip: u32) -> Result<Option<String>> {
    let shown = String::from_utf8_lossy(name);
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(Failure::input(format!("the name `{shown}` isn't UTF-8")));
    };
    if text.starts_with('/') {
        return Err(Failure::input(format!("the name `{shown}` is absolute")));
    }
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    if names.contains(&"..") {
        return Err(Failure::input(format!("the name `{shown}` leaves the folder")));
    }
    let left = names.get(strip as usize..).unwrap_or_default();
    Ok(if left.is_empty() { None } else { Some(left.join("/")) })
}

/// Whether a link at `path` stays within the root, by its text alone.
fn stays_inside(path: &str, target: &str) -> bool {
    let mut depth = path.matches('/').count();
    if target.starts_with('/') || target.is_empty() {
        return false;
    }
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

fn copy(reader: &mut impl Read, batch: &Batch, executable: bool, path: &str) -> Result<(Digest, u64)> {
    let mut writer = batch.writer()?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                io::Write::write_all(&mut writer, &buffer[..count])
                    .doing(|| format!("write `{path}` into the store"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(wrong(&error).fact(format!("at `{path}`"))),
        }
    }
    let blob = writer.finish(executable)?;
    Ok((blob.digest, blob.size))
}

/// Reading failed: the archive is damaged, or the disk is.
fn wrong(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::input("the archive ends too early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            Failure::input(format!("the archive is damaged, or not one that rbld unpacks: {error}"))
        }
        _ => Failure::io("read the archive", error),
    }
}

#[cfg(test)]
mod tests;
