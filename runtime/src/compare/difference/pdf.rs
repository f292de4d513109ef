//! The objects of a PDF document, found one after the other, whatever its table of them says.
//!
//! Only what is packed by deflate alone is unpacked. A document is read into memory; a longer one is compared as bytes.

use std::io;
use std::rc::Rc;

use super::entries::{Entry, facts_of, hash, length};
use super::layers::{Coding, Place};
use super::nature::Opened;
use super::{Layers, Limits};
use crate::packing::malformed;

/// The first bytes of every document.
pub(super) const MAGIC: &[u8] = b"%PDF-";

/// The longest document that is looked into, in bytes.
const LIMIT: u64 = 64 << 20;

/// Everything in its order: objects by number, their streams, and what lies between.
pub(super) fn objects(layers: &Layers<'_>, limits: &Limits) -> io::Result<Opened> {
    if length(layers)? > LIMIT {
        return Err(malformed("the document is too long"));
    }
    let bytes = layers.read_all()?;
    let mut opened = Opened::default();
    let (mut at, mut between) = (0, 0);
    while let Some(start) = find(&bytes, at, b" obj") {
        let Some((begin, name)) = numbered(&bytes, start) else {
            at = start + 4;
            continue;
        };
        push(&mut opened, "(between objects)", (between, begin), limits)?;
        let end = find(&bytes, start, b"endobj").map_or(bytes.len(), |end| end + 6);
        object(&bytes, layers, (begin, end), &name, &mut opened, limits)?;
        (at, between) = (end, end);
    }
    push(&mut opened, "(after the objects)", (between, bytes.len()), limits)?;
    hash(layers, &mut opened)?;
    Ok(opened)
}

fn object(
    bytes: &[u8],
    layers: &Layers<'_>,
    (begin, end): (usize, usize),
    name: &str,
    opened: &mut Opened,
    limits: &Limits,
) -> io::Result<()> {
    let bytes = &bytes[..end];
    let Some(stream) = find(bytes, begin, b"stream") else { return push(opened, name, (begin, end), limits) };
    push(opened, name, (begin, stream), limits)?;
    let mut from = stream + 6;
    from += usize::from(bytes.get(from) == Some(&b'\r'));
    from += usize::from(bytes.get(from) == Some(&b'\n'));
    let to = find(bytes, from, b"endstream").unwrap_or(end).max(from);
    let dictionary = &bytes[begin..stream];
    let deflated = memchr::memmem::find(dictionary, b"/FlateDecode").is_some()
        && memchr::memmem::find_iter(dictionary, b"Decode").count() == 1;
    let pieces: Rc<[(u64, u64)]> = Rc::new([(from as u64, (to - from) as u64)]);
    let packed = Place { pieces: pieces.clone(), coding: Coding::Zlib };
    // A stream that doesn't unpack is compared as it is.
    let unpacks = deflated && layers.member(&packed).read(|reader| io::copy(reader, &mut io::sink())).is_ok();
    layers.budget().in_time()?;
    let place = if unpacks { packed } else { Place { pieces, coding: Coding::Plain } };
    let entry = Entry { name: format!("{name}, stream"), facts: facts_of([]), contents: None };
    opened.push(entry, place, limits)
}

fn push(opened: &mut Opened, name: &str, (from, to): (usize, usize), limits: &Limits) -> io::Result<()> {
    if from >= to {
        return Ok(());
    }
    let entry = Entry { name: name.to_owned(), facts: facts_of([]), contents: None };
    opened.push(entry, Place::plain(from as u64, (to - from) as u64), limits)
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, what).map(|at| from + at)
}

/// Where `12 0 obj` begins, and what the object is called.
fn numbered(bytes: &[u8], end: usize) -> Option<(usize, String)> {
    let digits = |end: usize| {
        let begin = bytes[..end].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
        (begin < end && end - begin <= 10).then_some(begin)
    };
    let generation = digits(end)?;
    let blank = generation.checked_sub(1).filter(|at| bytes[*at] == b' ')?;
    let number = digits(blank)?;
    let text = |from: usize, to: usize| String::from_utf8_lossy(&bytes[from..to]).into_owned();
    Some((number, format!("object {} {}", text(number, blank), text(generation, end))))
}
