//! Tars whose bytes are decided by a tree alone: members sorted by name, owner 0, one time, no compression.
//!
//! A layer isn't compressed, so no version of a compressor is part of what it is. Long names are pax records, all else
//! is POSIX ustar.

use std::io::{self, Read, Write};

use crate::failure::{Doing, Failure, Result};
use crate::store::tree::{Folder, Node};
use crate::store::{Batch, Blob, BlobWriter, Store};

const BLOCK: usize = 512;

/// The time of every member: 2011-11-11T11:11:11Z, as everywhere else.
const TIME: u64 = crate::image::EPOCH;

/// The largest number that a field of twelve bytes holds.
const OCTAL_LIMIT: u64 = 0o77_777_777_777;

/// Folders that everybody may write into; a tree can't say so.
const SHARED: [&str; 2] = ["tmp", "var/tmp"];

/// Writes a tree as a tar into a batch.
pub fn write(store: &Store, batch: &Batch, folder: &Folder, going: &dyn Fn() -> Result<()>) -> Result<Blob> {
    let mut tar = Tar { to: batch.writer()? };
    for (path, node) in folder.nodes() {
        going()?;
        let doing = || format!("write `{path}` into a layer");
        match node {
            Node::Folder(_) => {
                let mode = if SHARED.contains(&path.as_str()) { 0o1777 } else { 0o755 };
                tar.member(&format!("{path}/"), b'5', mode, 0, "").doing(doing)?;
            }
            Node::Link { target } => tar.member(&path, b'2', 0o777, 0, target).doing(doing)?,
            Node::File { digest, size, executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                tar.member(&path, b'0', mode, *size, "").doing(doing)?;
                let mut file = store.open_blob(*digest)?;
                tar.contents(&mut file, *size).doing(doing)?;
            }
        }
    }
    tar.end()
}

struct Tar {
    to: BlobWriter,
}

impl Tar {
    fn member(&mut self, path: &str, kind: u8, mode: u64, size: u64, link: &str) -> io::Result<()> {
        let mut records = Vec::new();
        let whole = |text: &str| text.len() <= 100 && text.is_ascii();
        if !whole(path) {
            record(&mut records, "path", path);
        }
        if !whole(link) {
            record(&mut records, "linkpath", link);
        }
        if size > OCTAL_LIMIT {
            record(&mut records, "size", &size.to_string());
        }
        if !records.is_empty() {
            self.to.write_all(&header(b"@PaxHeader", b'x', 0o644, records.len() as u64, b""))?;
            self.to.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        let short = |text: &str| if whole(text) { text.as_bytes().to_vec() } else { b"@Long".to_vec() };
        let shown = if size > OCTAL_LIMIT { 0 } else { size };
        self.to.write_all(&header(&short(path), kind, mode, shown, &short(link)))
    }

    fn contents(&mut self, from: &mut impl Read, size: u64) -> io::Result<()> {
        let copied = io::copy(&mut from.take(size), &mut self.to)?;
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.to.write_all(&[0; BLOCK][..padding as usize])
    }

    fn end(mut self) -> Result<Blob> {
        self.to.write_all(&[0; 2 * BLOCK]).doing(|| "write a layer into the store")?;
        self.to.finish(false)
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(records: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

fn header(name: &[u8], kind: u8, mode: u64, size: u64, link: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut set = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    set(0, name);
    set(100, format!("{mode:07o}").as_bytes());
    set(108, b"0000000");
    set(116, b"0000000");
    set(124, format!("{size:011o}").as_bytes());
    set(136, format!("{TIME:011o}").as_bytes());
    set(148, b"        ");
    set(156, &[kind]);
    set(157, link);
    set(257, b"ustar\x0000");
    set(329, b"0000000");
    set(337, b"0000000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Checks that a tree can be a layer: a name that marks a removal would be one.
pub fn check(folder: &Folder) -> Result<()> {
    for (path, _) in folder.nodes() {
        let name = path.rsplit('/').next().unwrap_or(&path);
        if name.starts_with(".wh.") {
            return Err(Failure::build(format!("`{path}` can't be in an image"))
                .fact("a name that begins with `.wh.` removes a file of the layers below"));
        }
    }
    Ok(())
}
