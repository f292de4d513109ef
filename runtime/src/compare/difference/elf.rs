//! The sections of a program or library in ELF, as if it were an archive of them.

use std::io::{self, Read};

use super::entries::{Entry, facts_of, hash};
use super::layers::Place;
use super::nature::Opened;
use super::{Layers, Limits};
use crate::packing::{malformed, skip};

/// The first bytes of every ELF file.
pub(super) const MAGIC: &[u8; 4] = b"\x7fELF";

/// The longest table of headers or names that is read, in bytes.
const TABLE_LIMIT: u64 = 16 << 20;

/// The type of a section that takes no room in the file.
const NOBITS: u64 = 8;

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
pub(super) fn sections(layers: &Layers<'_>, limits: &Limits) -> io::Result<Opened> {
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
    let mut opened = listed(headers, &strings, limits)?;
    hash(layers, &mut opened)?;
    Ok(opened)
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

fn listed(mut headers: Vec<Header>, strings: &[u8], limits: &Limits) -> io::Result<Opened> {
    headers.retain(|header| header.kind != 0);
    headers.sort_by_key(|header| (header.offset, header.size));
    let mut opened = Opened::default();
    for header in &headers {
        let name = strings.get(header.name as usize..).unwrap_or_default();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut facts = facts_of([
            ("section kind", header.kind.to_string()),
            ("section flags", format!("0x{:x}", header.flags)),
        ]);
        let empty = header.kind == NOBITS || header.size == 0;
        if empty {
            facts.insert("section size".to_owned(), header.size.to_string());
        }
        let place = if empty { Place::plain(0, 0) } else { Place::plain(header.offset, header.size) };
        opened.push(Entry { name: crate::packing::name(name), facts, contents: None }, place, limits)?;
    }
    Ok(opened)
}
