//! Taking a `.deb` apart: its control members and its files, as trees of blobs.
//!
//! Nothing is ever written at a path that the archive names: an entry becomes a node of a
//! [`Folder`] and its bytes a blob, so a hostile name can at worst be refused. Owners, times,
//! setuid and hard-link identity don't exist here. What a control member means is
//! [`super::package`]'s matter.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use rbld_lang::derivation::Package;
use rbld_lang::digest::Digest;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use crate::failure::{Doing, Failure, Result};
use crate::store::tree::{Folder, Node};
use crate::store::{Batch, Blob};

/// A package taken apart.
pub(super) struct Deb {
    /// The control members: `control`, `postinst`, `md5sums` and so on.
    pub(super) control: Folder,
    /// The files.
    pub(super) data: Folder,
}

/// What an archive may cost; more is an attack, not a package.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes after decompression.
    bytes: u64,
    entries: u64,
    /// Bytes of one path.
    path: usize,
    /// Folders above one another.
    depth: usize,
    /// Memory of a decompressor.
    memory: u64,
}

impl Limits {
    /// A gibibyte for anybody, more for who sends more: text compresses to a hundredth, zeros to a thousandth.
    fn of(size: u64) -> Limits {
        let bytes = (1 << 30) + size.saturating_mul(200);
        Limits { bytes, entries: 1_000_000, path: 4096, depth: 200, memory: 1 << 30 }
    }
}

/// Takes a package apart into the batch. `file` is read from its start and must have the package's digest.
pub(super) fn unpack(file: &mut File, package: &Package, batch: &Batch) -> Result<Deb> {
    check_digest(file, package)?;
    let limits = Limits::of(package.size);
    let mut control = None;
    let mut data = None;
    let broken = |error: std::io::Error| refuse(package, &error.to_string());
    let mut members = ar::Archive::new(BufReader::with_capacity(1 << 16, file));
    let mut first = true;
    while let Some(member) = members.next_entry() {
        let mut member = member.map_err(broken)?;
        let name = String::from_utf8_lossy(member.header().identifier()).trim_end_matches('/').to_owned();
        if first {
            check_format(&mut member, &name).map_err(|why| refuse(package, &why))?;
            first = false;
        } else if let Some(compression) = name.strip_prefix("control.tar") {
            once(&control, &name).map_err(|why| refuse(package, &why))?;
            let tar = decompress(&mut member, compression, limits).map_err(|why| refuse(package, &why))?;
            control = Some(read_tar(tar, limits, batch, package)?);
        } else if let Some(compression) = name.strip_prefix("data.tar") {
            once(&data, &name).map_err(|why| refuse(package, &why))?;
            let tar = decompress(&mut member, compression, limits).map_err(|why| refuse(package, &why))?;
            data = Some(read_tar(tar, limits, batch, package)?);
        } else if !name.starts_with('_') {
            return Err(refuse(package, &format!("it has a member `{name}` that no .deb has")));
        }
    }
    match (control, data) {
        (Some(control), Some(data)) if matches!(control.get("control"), Some(Node::File { .. })) => {
            Ok(Deb { control, data })
        }
        (None, _) => Err(refuse(package, "it has no control.tar")),
        (_, None) => Err(refuse(package, "it has no data.tar")),
        _ => Err(refuse(package, "its control.tar has no file `control`")),
    }
}

/// The text of a package's file `control`, no longer than `limit`; in a few words why there is none.
pub(super) fn control(file: &mut File, size: u64, limit: u64) -> std::result::Result<Vec<u8>, String> {
    let limits = Limits::of(size);
    let broken = |error: std::io::Error| error.to_string();
    let mut members = ar::Archive::new(BufReader::with_capacity(1 << 16, file));
    let mut first = true;
    while let Some(member) = members.next_entry() {
        let mut member = member.map_err(broken)?;
        let name = String::from_utf8_lossy(member.header().identifier()).trim_end_matches('/').to_owned();
        if first {
            check_format(&mut member, &name)?;
            first = false;
        } else if let Some(compression) = name.strip_prefix("control.tar") {
            let mut archive = tar::Archive::new(decompress(&mut member, compression, limits)?);
            for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
                let entry = entry.map_err(broken)?;
                if count as u64 > limits.entries {
                    return Err(format!("it has more than {} entries", limits.entries));
                }
                if parse_path(&entry.path_bytes(), limits)? != ["control"] {
                    continue;
                }
                let mut text = Vec::new();
                entry.take(limit + 1).read_to_end(&mut text).map_err(broken)?;
                return match text.len() as u64 > limit {
                    true => Err(format!("its `control` is longer than {limit} bytes")),
                    false => Ok(text),
                };
            }
            return Err("its control.tar has no file `control`".to_owned());
        }
    }
    Err("it has no control.tar".to_owned())
}

/// A failure about a package whose bytes are the ones that were locked, but aren't a sound package.
fn refuse(package: &Package, why: &str) -> Failure {
    let Package { name, version, arch, digest, path, .. } = package;
    Failure::world(format!("could not unpack the package `{name}`: {why}"))
        .fact(format!("version {version}, architecture {arch}, from {path}"))
        .fact(format!("sha256 {digest}, as locked"))
        .help(format!(
            "the archive itself serves it so: leave out `{name}`, or lock another instant with `rbld lock`"
        ))
}

/// Compares the whole file with the package's digest and leaves it at its start.
pub(super) fn check_digest(file: &mut File, package: &Package) -> Result<()> {
    let reading = || format!("read the package `{}`", package.name);
    file.rewind().doing(reading)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0u64;
    loop {
        let read = match file.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.doing(reading)?,
        };
        if read == 0 {
            break;
        }
        size += read as u64;
        hasher.update(&buffer[..read]);
    }
    file.rewind().doing(reading)?;
    let found = Digest::from_bytes(hasher.finalize().into());
    if found == package.digest {
        return Ok(());
    }
    Err(Failure::world(format!("the package `{}` isn't the one that was locked", package.name))
        .fact(format!("locked: sha256 {}, {} bytes", package.digest, package.size))
        .fact(format!("found:  sha256 {found}, {size} bytes"))
        .fact(format!("version {}, architecture {}, from {}", package.version, package.arch, package.path))
        .help("`rbld store verify` removes what was damaged in the store; it is then fetched again"))
}

/// The first member says which version of the format it is.
fn check_format(member: &mut impl Read, name: &str) -> Result<(), String> {
    let mut version = Vec::new();
    member.take(64).read_to_end(&mut version).map_err(|error| error.to_string())?;
    if name != "debian-binary" || !version.starts_with(b"2.") {
        return Err("it doesn't begin with `debian-binary` of format 2".to_owned());
    }
    Ok(())
}

fn once(seen: &Option<Folder>, name: &str) -> Result<(), String> {
    match seen {
        None => Ok(()),
        Some(_) => Err(format!("it has a second member `{name}`")),
    }
}

/// The bytes of a compressed member, no more than the limit allows.
fn decompress<'a>(
    member: &'a mut (impl Read + 'a),
    compression: &str,
    limits: Limits,
) -> Result<Box<dyn Read + 'a>, String> {
    use liblzma::stream::{CONCATENATED, IGNORE_CHECK, Stream};
    // The file's own digest was compared before: a weaker sum of the same bytes tells nothing more.
    let flags = CONCATENATED | IGNORE_CHECK;
    let memory = limits.memory;
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let plain: Box<dyn Read + 'a> = match compression {
        "" => Box::new(member),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(member)),
        ".xz" => {
            let stream = Stream::new_stream_decoder(memory, flags).map_err(|error| text(&error))?;
            Box::new(liblzma::read::XzDecoder::new_stream(member, stream))
        }
        ".lzma" => {
            let stream = Stream::new_lzma_decoder(memory).map_err(|error| text(&error))?;
            Box::new(liblzma::read::XzDecoder::new_stream(member, stream))
        }
        ".bz2" => Box::new(bzip2::read::MultiBzDecoder::new(member)),
        ".zst" => Box::new(zstd::stream::read::Decoder::new(member).map_err(|error| text(&error))?),
        other => return Err(format!("it is compressed as `{other}`, which rbld doesn't know")),
    };
    Ok(Box::new(BufReader::with_capacity(1 << 17, Limited { plain, left: limits.bytes })))
}

/// Fails once more bytes come than allowed; a plain `take` would end early and look like a truncated archive.
struct Limited<R> {
    plain: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.plain.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            std::io::Error::other("it grows beyond what a package of its size may hold when decompressed")
        })?;
        Ok(read)
    }
}

/// Reads a whole tar into a tree whose files are blobs of the batch.
fn read_tar(tar: impl Read, limits: Limits, batch: &Batch, package: &Package) -> Result<Folder> {
    let mut archive = tar::Archive::new(tar);
    let mut folder = Folder::default();
    let mut count = 0;
    let broken = |error: std::io::Error| refuse(package, &error.to_string());
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        count += 1;
        if count > limits.entries {
            return Err(refuse(package, &format!("it has more than {} entries", limits.entries)));
        }
        let path = parse_path(&entry.path_bytes(), limits).map_err(|why| refuse(package, &why))?;
        let kind = entry.header().entry_type();
        let node = match kind {
            EntryType::XGlobalHeader => continue,
            EntryType::Directory => Node::Folder(Folder::default()),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let executable = entry.header().mode().map_err(broken)? & 0o100 != 0;
                let size = entry.size();
                let blob = take_bytes(&mut entry, size, executable, batch, package)?;
                Node::File { digest: blob.digest, size: blob.size, executable }
            }
            EntryType::Symlink => Node::Link { target: link_target(&entry, &path, package)? },
            EntryType::Link => {
                let target = link_target(&entry, &path, package)?;
                let names = parse_path(target.as_bytes(), limits).map_err(|why| refuse(package, &why))?;
                let linked = folder.get(&names.join("/")).filter(|node| !matches!(node, Node::Folder(_)));
                let missing = || {
                    format!(
                        "`{}` is a hard link to `{target}`, which comes nowhere before it",
                        path.join("/")
                    )
                };
                linked.cloned().ok_or_else(|| refuse(package, &missing()))?
            }
            other => return Err(refuse(package, &special(&path.join("/"), other))),
        };
        place(&mut folder, &path, node).map_err(|why| refuse(package, &why))?;
    }
    Ok(folder)
}

fn special(path: &str, kind: EntryType) -> String {
    let kind = match kind {
        EntryType::Char => "a character device".to_owned(),
        EntryType::Block => "a block device".to_owned(),
        EntryType::Fifo => "a named pipe".to_owned(),
        other => format!("a tar entry of type {:?}", char::from(other.as_byte())),
    };
    format!("`{path}` is {kind}; a tree holds only files, folders and links")
}

fn link_target(entry: &tar::Entry<'_, impl Read>, path: &[String], package: &Package) -> Result<String> {
    let target = entry.link_name_bytes().unwrap_or_default();
    match String::from_utf8(target.into_owned()) {
        Ok(target) if !target.is_empty() => Ok(target),
        _ => Err(refuse(
            package,
            &format!("the target of the link `{}` is empty or not UTF-8", path.join("/")),
        )),
    }
}

/// The bytes of an entry as a blob.
fn take_bytes(
    entry: &mut impl Read,
    size: u64,
    executable: bool,
    batch: &Batch,
    package: &Package,
) -> Result<Blob> {
    let mut writer = batch.writer()?;
    std::io::copy(entry, &mut writer).map_err(|error| match error.raw_os_error() {
        // A full disk is the writer's error, everything else the archive's.
        Some(_) => Failure::io(format!("unpack the package `{}`", package.name), &error),
        None => refuse(package, &error.to_string()),
    })?;
    let blob = writer.finish(executable)?;
    match blob.size == size {
        true => Ok(blob),
        false => Err(refuse(package, "it ends in the middle of a file")),
    }
}

/// The names of a path within the archive; none for the root.
fn parse_path(bytes: &[u8], limits: Limits) -> Result<Vec<String>, String> {
    let shown = || String::from_utf8_lossy(bytes).chars().take(200).collect::<String>();
    let path = std::str::from_utf8(bytes).map_err(|_| format!("the name `{}` isn't UTF-8", shown()))?;
    if path.starts_with('/') || path.contains('\0') {
        return Err(format!("the name `{}` isn't relative", shown()));
    }
    let names: Vec<String> =
        path.split('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_owned).collect();
    if names.iter().any(|name| name == "..") {
        return Err(format!("the name `{}` leaves the package", shown()));
    }
    if path.len() > limits.path || names.len() > limits.depth || names.iter().any(|name| name.len() > 255) {
        return Err(format!("the name `{}…` is too long", shown()));
    }
    Ok(names)
}

/// Puts a node at a path; a folder named twice is one folder, a file named twice the last.
fn place(root: &mut Folder, path: &[String], node: Node) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else {
        return match node {
            Node::Folder(_) => Ok(()),
            _ => Err("its root isn't a folder".to_owned()),
        };
    };
    let mut folder = root;
    for name in parents {
        let next = folder.entries.entry(name.clone()).or_insert_with(|| Node::Folder(Folder::default()));
        match next {
            Node::Folder(next) => folder = next,
            _ => return Err(format!("`{}` lies beneath `{name}`, which isn't a folder", path.join("/"))),
        }
    }
    match (folder.entries.get(last), &node) {
        (Some(Node::Folder(_)), Node::Folder(_)) => Ok(()),
        (Some(Node::Folder(_)), _) | (Some(_), Node::Folder(_)) => {
            Err(format!("`{}` is a folder and something else", path.join("/")))
        }
        _ => {
            folder.entries.insert(last.clone(), node);
            Ok(())
        }
    }
}

#[cfg(test)]
#[path = "deb_tests.rs"]
mod tests;
