//! Two streams byte by byte: the first difference, as bytes or as a line.

use std::io::{self, Read};

use super::{Layers, What, Window};
use crate::packing::{read_up_to, skip};

const CHUNK: usize = 64 << 10;

/// Bytes shown of each side; a chunk is a multiple of it.
const WINDOW: usize = 16;

/// Bytes of a line that are shown at most, and how many of them lie before the difference.
const LINE: usize = 160;
const BEFORE: u64 = 60;

/// Where two streams differ first.
pub(super) struct First {
    offset: u64,
    left: Window,
    right: Window,
}

/// True if `head` looks like text in UTF-8.
pub(super) fn is_text(head: &[u8]) -> bool {
    if head.contains(&0) {
        return false;
    }
    match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character may be cut at the end.
        Err(error) => error.error_len().is_none() && head.len() - error.valid_up_to() < 4,
    }
}

/// The first difference of two streams, if there is one.
pub(super) fn first_difference(left: &Layers<'_>, right: &Layers<'_>) -> io::Result<Option<First>> {
    left.read(|left| right.read(|right| lockstep(left, right)))
}

/// The first difference as a finding: a line of text, or bytes.
pub(super) fn describe(left: &Layers<'_>, right: &Layers<'_>, text: bool) -> io::Result<Option<What>> {
    let Some(first) = first_difference(left, right)? else { return Ok(None) };
    if !text {
        return Ok(Some(What::Bytes { offset: first.offset, left: first.left, right: first.right }));
    }
    let (number, start) = left.read(|reader| line_of(reader, first.offset))?;
    Ok(Some(What::Line {
        number,
        offset: first.offset,
        left: line(left, start, first.offset)?,
        right: line(right, start, first.offset)?,
    }))
}

fn lockstep(left: &mut dyn Read, right: &mut dyn Read) -> io::Result<Option<First>> {
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut start = 0u64;
    loop {
        let (here, there) = (read_up_to(left, &mut ours)?, read_up_to(right, &mut theirs)?);
        let (ours, theirs) = (&ours[..here], &theirs[..there]);
        let same = if ours == theirs {
            here
        } else {
            ours.iter().zip(theirs).position(|(one, other)| one != other).unwrap_or(here.min(there))
        };
        if same < here || same < there {
            let from = same - same % WINDOW;
            let window = |side: &[u8]| Window {
                start: start + from as u64,
                bytes: side.iter().skip(from).take(WINDOW).copied().collect(),
            };
            let (left, right) = (window(ours), window(theirs));
            return Ok(Some(First { offset: start + same as u64, left, right }));
        }
        if here == 0 {
            return Ok(None);
        }
        start += here as u64;
    }
}

/// The number of the line at an offset, from one, and the offset at which it begins.
fn line_of(reader: &mut dyn Read, offset: u64) -> io::Result<(u64, u64)> {
    let mut reader = reader.take(offset);
    let mut buffer = vec![0; CHUNK];
    let (mut at, mut number, mut start) = (0u64, 1, 0);
    loop {
        let count = read_up_to(&mut reader, &mut buffer)?;
        if count == 0 {
            return Ok((number, start));
        }
        for (place, _) in buffer[..count].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            number += 1;
            start = at + place as u64 + 1;
        }
        at += count as u64;
    }
}

/// One side's line with the first difference, cut to what is near it.
fn line(layers: &Layers<'_>, start: u64, offset: u64) -> io::Result<Option<String>> {
    let from = start.max(offset.saturating_sub(BEFORE));
    let bytes = layers.read(|mut reader| {
        skip(&mut reader, from)?;
        let mut bytes = vec![0; LINE];
        let count = read_up_to(reader, &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    })?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let cut = end.is_none() && bytes.len() == LINE;
    let text = String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]);
    let text = text.trim_matches(char::REPLACEMENT_CHARACTER);
    let (before, after) = (if from > start { "…" } else { "" }, if cut { "…" } else { "" });
    Ok(Some(format!("{before}{text}{after}")))
}

/// Facts of two gzip headers that differ: name, one side's, the other's.
pub(super) fn gzip_facts(left: &[u8], right: &[u8]) -> Vec<(String, String, String)> {
    let (ours, theirs) = (gzip_header(left), gzip_header(right));
    let pairs = ours.into_iter().zip(theirs);
    pairs
        .filter(|((_, one), (_, other))| one != other)
        .map(|((name, one), (_, other))| (name, one, other))
        .collect()
}

fn gzip_header(head: &[u8]) -> Vec<(String, String)> {
    let byte = |at: usize| head.get(at).copied().unwrap_or_default();
    let mtime = u32::from_le_bytes([byte(4), byte(5), byte(6), byte(7)]);
    let flags = byte(3);
    let level = match byte(8) {
        2 => "best".to_owned(),
        4 => "fast".to_owned(),
        other => other.to_string(),
    };
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes([byte(10), byte(11)]));
    }
    let mut text = |present: bool| -> String {
        let rest = head.get(at..).unwrap_or_default();
        if !present {
            return "none".to_owned();
        }
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        at += end + 1;
        String::from_utf8_lossy(&rest[..end]).into_owned()
    };
    let (name, comment) = (text(flags & 8 != 0), text(flags & 16 != 0));
    vec![
        ("mtime".to_owned(), mtime.to_string()),
        ("level".to_owned(), level),
        ("system".to_owned(), byte(9).to_string()),
        ("name".to_owned(), name),
        ("comment".to_owned(), comment),
    ]
}
