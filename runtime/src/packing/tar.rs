//! `tar` archives read as a stream: old, ustar, GNU and pax forms, as one kind of member.
//!
//! Long names are bounded, checksums are checked, and numbers that don't parse are errors. Sparse files
//! are refused. What a member's name or link may mean on a disk is not judged here.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{malformed, read_up_to};

const BLOCK: u64 = 512;

/// The longest name, link or pax header that is read, in bytes.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A second name of an earlier member.
    Hard,
    /// A symbolic link.
    Symbolic,
    /// A folder.
    Folder,
    /// A device, a fifo or a kind unknown: the type byte as written.
    Special(u8),
    /// Facts for all members that follow, such as the commit that `git archive` writes.
    Global,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Hard => "hard link",
            Kind::Symbolic => "symbolic link",
            Kind::Folder => "folder",
            Kind::Special(_) => "special file",
            Kind::Global => "global header",
        }
    }
}

/// What an archive says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as written.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Where a link points.
    pub link: Vec<u8>,
    /// Length of its contents in bytes.
    pub size: u64,
    /// Its mode bits.
    pub mode: u64,
    /// Everything else that is written about it, by name: `mtime`, `uid`, `uname`, pax records.
    pub facts: BTreeMap<String, String>,
}

/// Reads the members of an archive one after the other; as [`Read`], the contents of the current one.
pub struct Reader<R> {
    inner: R,
    left: u64,
    padding: u64,
    global: BTreeMap<String, Vec<u8>>,
}

/// True if `head` begins with a tar header.
pub fn is_tar(head: &[u8]) -> bool {
    head.get(..BLOCK as usize)
        .is_some_and(|block| block.iter().any(|byte| *byte != 0) && checked(block).is_ok())
}

impl<R: Read> Reader<R> {
    /// Reads an archive from its front.
    pub fn new(inner: R) -> Reader<R> {
        Reader { inner, left: 0, padding: 0, global: BTreeMap::new() }
    }

    /// Goes on to the next member, past what wasn't read of this one.
    pub fn advance(&mut self) -> io::Result<Option<Member>> {
        let mut pax = BTreeMap::new();
        let (mut name, mut link) = (None, None);
        loop {
            super::skip(&mut self.inner, self.left + self.padding)?;
            (self.left, self.padding) = (0, 0);
            let mut block = [0; BLOCK as usize];
            match read_up_to(&mut self.inner, &mut block)? {
                0 => return Ok(None),
                512 => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            checked(&block)?;
            let size = number(&block[124..136], "size")?;
            match block[156] {
                b'L' => name = Some(self.text(size)?),
                b'K' => link = Some(self.text(size)?),
                b'x' | b'X' => pax = records(&self.extension(size)?)?,
                b'g' => {
                    let global = records(&self.extension(size)?)?;
                    self.global.extend(global.clone());
                    return Ok(Some(Member {
                        name: string(&block[..100]),
                        kind: Kind::Global,
                        link: Vec::new(),
                        size: 0,
                        mode: 0,
                        facts: global.iter().map(|(key, value)| (key.clone(), lossy(value))).collect(),
                    }));
                }
                _ => return self.member(&block, name, link, pax).map(Some),
            }
        }
    }

    /// All that follows the end of the archive.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// What it reads from: between a header and its contents, where these begin.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    fn member(
        &mut self,
        block: &[u8; BLOCK as usize],
        name: Option<Vec<u8>>,
        link: Option<Vec<u8>>,
        own: BTreeMap<String, Vec<u8>>,
    ) -> io::Result<Member> {
        let mut pax = self.global.clone();
        pax.extend(own);
        let kind = match block[156] {
            0 if string(&block[..100]).ends_with(b"/") => Kind::Folder,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::Hard,
            b'2' => Kind::Symbolic,
            b'5' => Kind::Folder,
            b'S' => return Err(malformed("it holds a sparse file")),
            other => Kind::Special(other),
        };
        if pax.keys().any(|key| key.starts_with("GNU.sparse.")) {
            return Err(malformed("it holds a sparse file"));
        }
        let size = match pax.remove("size") {
            Some(size) => lossy(&size).parse().map_err(|_| malformed("a member's size is no number"))?,
            None => number(&block[124..136], "size")?,
        };
        let size = if kind == Kind::Hard { 0 } else { size };
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
        let name = pax.remove("path").or(name).unwrap_or_else(|| full_name(block));
        let link = pax.remove("linkpath").or(link).unwrap_or_else(|| string(&block[157..257]));
        let mut facts = BTreeMap::new();
        for (fact, range) in [("uid", 108..116), ("gid", 116..124), ("mtime", 136..148)] {
            facts.insert(fact.to_owned(), number(&block[range], fact)?.to_string());
        }
        if block[257..262] == *b"ustar" {
            facts.insert("uname".to_owned(), lossy(&string(&block[265..297])));
            facts.insert("gname".to_owned(), lossy(&string(&block[297..329])));
        }
        if matches!(kind, Kind::Special(_)) {
            facts.insert("device".to_owned(), lossy(&block[329..345]).replace('\0', " ").trim().to_owned());
        }
        facts.extend(pax.into_iter().map(|(key, value)| (key, lossy(&value))));
        Ok(Member { name, kind, link, size, mode: number(&block[100..108], "mode")?, facts })
    }

    fn extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > EXTENSION_LIMIT {
            return Err(malformed("a member's name or header is too long"));
        }
        let mut bytes = vec![0; size as usize];
        self.inner.read_exact(&mut bytes)?;
        super::skip(&mut self.inner, size.next_multiple_of(BLOCK) - size)?;
        Ok(bytes)
    }

    fn text(&mut self, size: u64) -> io::Result<Vec<u8>> {
        Ok(string(&self.extension(size)?))
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.inner).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// A header's checksum counts its own field as spaces; old writers added signed bytes.
fn checked(block: &[u8]) -> io::Result<()> {
    let bytes =
        || block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let unsigned: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
    let written = number(&block[148..156], "checksum")?;
    if written == unsigned || i64::try_from(written) == Ok(signed) {
        Ok(())
    } else {
        Err(malformed("a member's header is damaged"))
    }
}

/// A number: octal digits between blanks, or GNU's binary form. A blank field is nought.
fn number(field: &[u8], what: &str) -> io::Result<u64> {
    let wrong = || malformed(format!("a member's {what} is no number"));
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8.min(field.len()));
        // A field of eight bytes carries the mark in its first byte, a longer one in a byte before.
        let mut bytes = [0; 8];
        bytes[8 - low.len()..].copy_from_slice(low);
        if high.is_empty() {
            bytes[0] &= 0x7f;
        } else if high[0] != 0x80 || high[1..].iter().any(|byte| *byte != 0) {
            return Err(wrong());
        }
        return Ok(u64::from_be_bytes(bytes));
    }
    let digits: Vec<u8> = field.iter().copied().skip_while(|byte| *byte == b' ').collect();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    if end == 0 {
        return Ok(0);
    }
    let text = std::str::from_utf8(&digits[..end]).map_err(|_| wrong())?;
    if text.starts_with('+') {
        return Err(wrong());
    }
    u64::from_str_radix(text, 8).map_err(|_| wrong())
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`, the length counting itself.
fn records(bytes: &[u8]) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let wrong = || malformed("a pax header is damaged");
    let mut records = BTreeMap::new();
    let mut rest = bytes;
    while !rest.is_empty() && rest[0] != 0 {
        let blank = rest.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
        let length = std::str::from_utf8(&rest[..blank]).ok().and_then(|text| text.parse::<usize>().ok());
        let length =
            length.filter(|length| *length > blank + 1 && *length <= rest.len()).ok_or_else(wrong)?;
        let record = rest[blank + 1..length].strip_suffix(b"\n").ok_or_else(wrong)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
        records.insert(lossy(&record[..equals]), record[equals + 1..].to_vec());
        rest = &rest[length..];
    }
    Ok(records)
}

fn full_name(block: &[u8]) -> Vec<u8> {
    let name = string(&block[..100]);
    // GNU's own form keeps times where POSIX's keeps a prefix.
    let prefix = if block[257..263] == *b"ustar\0" { string(&block[345..500]) } else { Vec::new() };
    if prefix.is_empty() { name } else { [prefix.as_slice(), b"/", name.as_slice()].concat() }
}

fn string(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
