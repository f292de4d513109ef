//! The sections of a program or library of Windows, and what its header says.

use std::io;

use super::entries::{Entry, bounded, facts_of, hash};
use super::layers::Place;
use super::nature::Opened;
use super::{Layers, Limits};
use crate::packing::malformed;

/// How far into a file its header may lie.
const HEADER_LIMIT: u64 = 1 << 20;

/// True if `head` begins as programs of Windows do.
pub(super) fn is_pe(head: &[u8]) -> bool {
    let at = || number(head, 0x3c, 4).ok().map(|at| at as usize);
    head.starts_with(b"MZ")
        && at().is_some_and(|at| head.get(at..).is_some_and(|rest| rest.starts_with(b"PE\0\0")))
}

/// The header's facts and the sections.
pub(super) fn sections(layers: &Layers<'_>, limits: &Limits) -> io::Result<Opened> {
    let at = number(&bounded(layers, 0x3c, 4)?, 0, 4)?;
    if at > HEADER_LIMIT {
        return Err(malformed("its header lies too far inside"));
    }
    let header = bounded(layers, at, 24)?;
    let (count, optional) = (number(&header, 6, 2)?, number(&header, 20, 2)?);
    let more = bounded(layers, at + 24, optional)?;
    let facts = facts_of([
        ("header machine", format!("0x{:04x}", number(&header, 4, 2)?)),
        ("header timestamp", number(&header, 8, 4)?.to_string()),
        ("header characteristics", format!("0x{:04x}", number(&header, 22, 2)?)),
        (
            "header linker",
            format!("{}.{}", number(&more, 2, 1).unwrap_or(0), number(&more, 3, 1).unwrap_or(0)),
        ),
        ("header checksum", format!("0x{:08x}", number(&more, 64, 4).unwrap_or(0))),
    ]);
    let mut opened = Opened::default();
    opened.push(Entry { name: "(header)".to_owned(), facts, contents: None }, Place::plain(0, 0), limits)?;
    let table = bounded(layers, at + 24 + optional, count * 40)?;
    let mut end = at + 24 + optional + count * 40;
    for header in table.chunks_exact(40) {
        let name = header[..8].split(|byte| *byte == 0).next().unwrap_or_default();
        let (size, offset) = (number(header, 16, 4)?, number(header, 20, 4)?);
        let facts = facts_of([
            ("section size", number(header, 8, 4)?.to_string()),
            ("section flags", format!("0x{:08x}", number(header, 36, 4)?)),
        ]);
        let entry = Entry { name: crate::packing::name(name), facts, contents: None };
        let place = if offset == 0 { Place::plain(0, 0) } else { Place::plain(offset, size) };
        opened.push(entry, place, limits)?;
        end = end.max(offset + size);
    }
    let length = super::entries::length(layers)?;
    if length > end {
        let entry = Entry { name: "(after the sections)".to_owned(), facts: facts_of([]), contents: None };
        opened.push(entry, Place::plain(end, length - end), limits)?;
    }
    hash(layers, &mut opened)?;
    Ok(opened)
}

fn number(bytes: &[u8], at: usize, length: usize) -> io::Result<u64> {
    let field = bytes.get(at..at + length).ok_or_else(|| malformed("a header is cut off"))?;
    Ok(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
