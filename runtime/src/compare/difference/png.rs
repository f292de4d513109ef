//! The chunks of a picture, with the picture itself unpacked.

use std::io::{self, Read};
use std::rc::Rc;

use super::entries::{Entry, facts_of, hash};
use super::layers::{Coding, Place};
use super::nature::Opened;
use super::{Layers, Limits};
use crate::packing::{malformed, skip};

/// The first bytes of every picture.
pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The chunks in their order; those that hold the picture are one.
pub(super) fn chunks(layers: &Layers<'_>, limits: &Limits) -> io::Result<Opened> {
    let (mut opened, mut picture) = (Opened::default(), Vec::new());
    layers.read(|mut reader| {
        skip(&mut reader, MAGIC.len() as u64)?;
        let mut at = MAGIC.len() as u64;
        loop {
            let mut header = [0; 8];
            reader.read_exact(&mut header)?;
            let length = u64::from(u32::from_be_bytes([header[0], header[1], header[2], header[3]]));
            let kind = &header[4..];
            if !kind.iter().all(u8::is_ascii_alphabetic) {
                return Err(malformed("a chunk of the picture is damaged"));
            }
            let name = String::from_utf8_lossy(kind).into_owned();
            let mut facts = facts_of([]);
            let mut taken = 0;
            if name == "tIME" && length == 7 {
                let mut time = [0; 7];
                reader.read_exact(&mut time)?;
                taken = 7;
                let year = u16::from_be_bytes([time[0], time[1]]);
                let [_, _, month, day, hour, minute, second] = time;
                let time = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
                facts.insert("chunk timestamp".to_owned(), time);
            }
            skip(&mut reader, length - taken + 4)?;
            let place = Place::plain(at + 8, if taken > 0 { 0 } else { length });
            match name.as_str() {
                "IDAT" => picture.push((at + 8, length)),
                _ => opened.push(Entry { name: name.clone(), facts, contents: None }, place, limits)?,
            }
            if picture.len() > limits.members {
                return Err(malformed(format!("it has more than {} members", limits.members)));
            }
            at += 12 + length;
            if name == "IEND" {
                let mut rest = Read::take(&mut reader, u64::MAX);
                let after = io::copy(&mut rest, &mut io::sink())?;
                if after > 0 {
                    let name = "(after the picture)".to_owned();
                    let entry = Entry { name, facts: facts_of([]), contents: None };
                    opened.push(entry, Place::plain(at, after), limits)?;
                }
                return Ok(());
            }
        }
    })?;
    if !picture.is_empty() {
        let entry = Entry { name: "(picture)".to_owned(), facts: facts_of([]), contents: None };
        opened.push(entry, Place { pieces: Rc::from(picture), coding: Coding::Zlib }, limits)?;
    }
    hash(layers, &mut opened)?;
    Ok(opened)
}
