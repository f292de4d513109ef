//! The sections of a program or library in ELF, as if it were an archive of them.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::entries::{Entry, digest};
use super::{Layers, Limits};
use crate::packing::{malformed, skip};

/// The first bytes of every ELF file.
pub(super) const MAGIC: &[u8; 4] = b"\x7fELF";

/// The longest table of headers or names that is read, in bytes.
const TABLE_LIMIT: u64 = 16 << 20;

/// The type of a section that takes no room in the file.
const NOBITS: u64 = 8;

/// Sections and where in the file their contents are.
pub(super) struct Sections {
    /// The sections, in the order of the file.
    pub(super) entries: Vec<Entry>,
    /// Offset and length of each.
    pub(super) places: Vec<(u64, u64)>,
}

/// How numbers are written.
#[derive(Clone, Copy)]
struct Form {
    wide: bool,
    big: bool,
}

impl Form {
    fn number(self, bytes: &[u8], at: usize, length: usize) -> io::Result<u64> {
        let field = bytes.get(at..at + length).ok_or_else(|| malformed("an ELF header is cut off"))?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Ok(if self.big { field.iter().fold(0, add) } else { field.iter().rev().fold(0, add) })
    }

    /// A number whose place and length depend on the width.
    fn either(self, bytes: &[u8], narrow: (usize, usize), wide: (usize, usize)) -> io::Result<u64> {
        let (at, length) = if self.wide { wide } else { narrow };
        self.number(bytes, at, length)
    }
}

/// A section's header.
struct Header {
    name: u64,
    kind: u64,
    flags: u64,
    offset: u64,
    size: u64,
}

/// The sections of a file; an error if it has none, or not as compilers write them.
pub(super) fn sections(layers: &Layers<'_>, limits: &Limits) -> io::Result<Sections> {
    let first = layers.read(|reader| table(reader, 0, 64))?;
    let form = match first[..6] {
        [_, _, _, _, class @ 1..=2, data @ 1..=2] => Form { wide: class == 2, big: data == 2 },
        _ => return Err(malformed("an ELF header is damaged")),
    };
    let (offset, width) = (form.either(&first, (0x20, 4), (0x28, 8))?, if form.wide { 64 } else { 40 });
    let count = form.either(&first, (0x30, 2), (0x3c, 2))?;
    let names = form.either(&first, (0x32, 2), (0x3e, 2))? as usize;
    let written = form.either(&first, (0x2e, 2), (0x3a, 2))?;
    if offset == 0 || written != width || count as usize > limits.members {
        return Err(malformed("its section headers can't be read"));
    }
    let bytes = layers.read(|reader| table(reader, offset, count * width))?;
    let headers = bytes.chunks_exact(width as usize).map(|header| {
        Ok(Header {
            name: form.number(header, 0, 4)?,
            kind: form.number(header, 4, 4)?,
            flags: form.either(header, (8, 4), (8, 8))?,
            offset: form.either(header, (16, 4), (24, 8))?,
            size: form.either(header, (20, 4), (32, 8))?,
        })
    });
    let headers: Vec<Header> = headers.collect::<io::Result<_>>()?;
    let strings = headers.get(names).ok_or_else(|| malformed("its section headers have no names"))?;
    let strings = layers.read(|reader| table(reader, strings.offset, strings.size))?;
    hashed(layers, headers, &strings)
}

fn table(reader: &mut dyn Read, offset: u64, size: u64) -> io::Result<Vec<u8>> {
    if size > TABLE_LIMIT {
        return Err(malformed("an ELF table is too long"));
    }
    let mut reader = reader;
    skip(&mut reader, offset)?;
    let mut bytes = vec![0; size as usize];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Hashes all sections in one pass, so that overlapping ones can't make it many.
fn hashed(layers: &Layers<'_>, mut headers: Vec<Header>, strings: &[u8]) -> io::Result<Sections> {
    headers.retain(|header| header.kind != 0);
    headers.sort_by_key(|header| (header.offset, header.size));
    layers.read(|mut reader| {
        let mut at = 0u64;
        let mut sections = Sections { entries: Vec::new(), places: Vec::new() };
        for header in &headers {
            let name = strings.get(header.name as usize..).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let mut facts = BTreeMap::from([
                ("kind".to_owned(), header.kind.to_string()),
                ("flags".to_owned(), format!("0x{:x}", header.flags)),
            ]);
            let contents = if header.kind == NOBITS || header.size == 0 {
                facts.insert("size".to_owned(), header.size.to_string());
                None
            } else {
                let gap = header.offset.checked_sub(at).ok_or_else(|| malformed("its sections overlap"))?;
                skip(&mut reader, gap)?;
                let mut section = (&mut reader).take(header.size);
                let found = digest(&mut section)?;
                if section.limit() > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                at = header.offset + header.size;
                Some(found)
            };
            let name = String::from_utf8_lossy(name).into_owned();
            sections.entries.push(Entry { name, facts, contents });
            sections.places.push((header.offset, header.size));
        }
        Ok(sections)
    })
}
