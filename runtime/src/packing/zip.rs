//! Zip archives: the directory at the end, and the members in one pass from the front.
//!
//! Members that overlap, are encrypted, or are packed by anything but deflate are errors. What a name may mean
//! on a disk is not judged here.

use std::io::{self, BufReader, Read};

use super::{Budget, malformed, skip};

/// The longest directory that is read, in bytes.
const DIRECTORY_LIMIT: u64 = 256 << 20;

/// The end's record without its comment, and the longest comment.
const END: usize = 22;
const COMMENT: u64 = 65_535;

/// What the directory says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as written.
    pub name: Vec<u8>,
    /// How it is packed.
    pub method: Method,
    /// Its length as packed, in bytes.
    pub packed: u64,
    /// Its length unpacked, in bytes.
    pub size: u64,
    /// The checksum of its contents.
    pub crc: u32,
    /// Its Unix mode, if it was packed on such a system.
    pub mode: Option<u32>,
    /// Its time in DOS form, the program's version that packed it, and other fields, as written.
    pub facts: [(&'static str, String); 4],
    /// Where its own header is.
    offset: u64,
}

/// How a member is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    Stored,
    /// By deflate.
    Deflated,
}

/// Reads so many bytes from an offset on.
pub type Part<'p> = dyn FnMut(u64, u64) -> io::Result<Vec<u8>> + 'p;

/// True if `head` begins as zip archives do.
pub fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

fn number(bytes: &[u8], at: usize, length: usize) -> io::Result<u64> {
    let field = bytes.get(at..at + length).ok_or_else(|| malformed("a zip directory is cut off"))?;
    Ok(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The members of an archive of `length` bytes, in the order of their places in it.
pub fn directory(length: u64, part: &mut Part<'_>, members: usize) -> io::Result<Vec<Entry>> {
    let tail_length = length.min(END as u64 + COMMENT);
    let tail = part(length - tail_length, tail_length)?;
    let ends = |at: &usize| {
        tail[*at..].starts_with(b"PK\x05\x06")
            && number(&tail, at + 20, 2).is_ok_and(|comment| at + END + comment as usize == tail.len())
    };
    let end = (0..=tail.len().saturating_sub(END)).rev().find(ends);
    let end = end.ok_or_else(|| malformed("a zip archive without a directory"))?;
    let (mut count, mut size) = (number(&tail, end + 10, 2)?, number(&tail, end + 12, 4)?);
    let mut start = number(&tail, end + 16, 4)?;
    if count == 0xffff || size == 0xffff_ffff || start == 0xffff_ffff {
        // The large form: its end's record lies where a locator before this one says.
        let locator = end.checked_sub(20).ok_or_else(|| malformed("a zip directory is cut off"))?;
        if !tail[locator..].starts_with(b"PK\x06\x07") {
            return Err(malformed("a zip directory is damaged"));
        }
        let large = part(number(&tail, locator + 8, 8)?, 56)?;
        if !large.starts_with(b"PK\x06\x06") {
            return Err(malformed("a zip directory is damaged"));
        }
        (count, size, start) = (number(&large, 32, 8)?, number(&large, 40, 8)?, number(&large, 48, 8)?);
    }
    if count > members as u64 || size > DIRECTORY_LIMIT {
        return Err(malformed(format!("it has more than {members} members, or says so")));
    }
    let bytes = part(start, size)?;
    let mut entries = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let (entry, length) = entry(&bytes[at..])?;
        entries.push(entry);
        at += length;
    }
    entries.sort_by_key(|entry| entry.offset);
    Ok(entries)
}

/// The entry at the front of a directory, and how many bytes it takes.
fn entry(bytes: &[u8]) -> io::Result<(Entry, usize)> {
    let cut = || malformed("a zip directory is cut off");
    if !bytes.starts_with(b"PK\x01\x02") {
        return Err(malformed("a zip directory is damaged"));
    }
    let field = |at, length| number(bytes, at, length);
    let lengths = [field(28, 2)? as usize, field(30, 2)? as usize, field(32, 2)? as usize];
    let total = 46 + lengths.iter().sum::<usize>();
    let name = bytes.get(46..46 + lengths[0]).ok_or_else(cut)?.to_vec();
    let extra = bytes.get(46 + lengths[0]..46 + lengths[0] + lengths[1]).ok_or_else(cut)?;
    bytes.get(..total).ok_or_else(cut)?;
    if field(8, 2)? & 1 != 0 {
        return Err(malformed("a member is encrypted"));
    }
    let method = match field(10, 2)? {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => return Err(malformed(format!("a member is packed by method {other}"))),
    };
    let mut wide = large_fields(extra);
    let mut value = |at, length, full: u64| -> io::Result<u64> {
        let value = field(at, length)?;
        if value != full {
            return Ok(value);
        }
        if wide.len() < 8 {
            return Err(cut());
        }
        let value = number(wide, 0, 8)?;
        wide = &wide[8..];
        Ok(value)
    };
    let size = value(24, 4, 0xffff_ffff)?;
    let packed = value(20, 4, 0xffff_ffff)?;
    let offset = value(42, 4, 0xffff_ffff)?;
    let unix = field(5, 1)? == 3;
    let mode = (field(38, 4)? >> 16) as u32;
    let others: String = extra.iter().map(|byte| format!("{byte:02x}")).collect();
    let facts = [
        ("mtime", dos_time(field(14, 2)?, field(12, 2)?)),
        ("made by", format!("{}.{}", field(5, 1)?, field(4, 1)?)),
        ("attributes", format!("0x{:08x}", field(38, 4)?)),
        ("extra", others),
    ];
    let crc = field(16, 4)? as u32;
    Ok((Entry { name, method, packed, size, crc, mode: unix.then_some(mode), facts, offset }, total))
}

/// The numbers of the large form in an entry's extra fields.
fn large_fields(mut extra: &[u8]) -> &[u8] {
    while let (Ok(kind), Ok(length)) = (number(extra, 0, 2), number(extra, 2, 2)) {
        let end = 4 + length as usize;
        let Some(field) = extra.get(4..end) else { break };
        if kind == 1 {
            return field;
        }
        extra = &extra[end..];
    }
    &[]
}

fn dos_time(date: u64, time: u64) -> String {
    let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", time >> 11, time >> 5 & 63, (time & 31) * 2)
}

/// What is done with a member: its place in the list, where its packed bytes begin, its contents.
pub type Each<'e> = dyn FnMut(usize, u64, &mut dyn Read) -> io::Result<()> + 'e;

/// Reads an archive from its front and gives the contents of each entry of its directory, in that order.
pub fn each(reader: impl Read, entries: &[Entry], budget: &Budget, act: &mut Each<'_>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let mut at = 0u64;
    for (index, entry) in entries.iter().enumerate() {
        let gap = entry.offset.checked_sub(at).ok_or_else(|| malformed("its members overlap"))?;
        skip(&mut reader, gap)?;
        let mut header = [0; 30];
        reader.read_exact(&mut header)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(malformed("a member's header is damaged"));
        }
        let rest = number(&header, 26, 2)? + number(&header, 28, 2)?;
        skip(&mut reader, rest)?;
        let start = entry.offset + 30 + rest;
        let mut packed = (&mut reader).take(entry.packed);
        match entry.method {
            Method::Stored => act(index, start, &mut packed)?,
            Method::Deflated => {
                act(index, start, &mut budget.meter(flate2::read::DeflateDecoder::new(&mut packed)))?;
            }
        }
        let left = packed.limit();
        skip(&mut reader, left)?;
        at = start.checked_add(entry.packed).ok_or_else(|| malformed("a member is too long"))?;
    }
    Ok(())
}
