//! `cpio` archives read as a stream: the portable form of POSIX (`070707`) and the new ASCII ones (`070701`, `070702`).
//!
//! Several archives one after the other, as an initial ramdisk has them, are one list. What a name may mean on a
//! disk is not judged here.

use std::io::{self, Read};

use super::{malformed, read_up_to, skip};

/// The longest name that is read, in bytes.
const NAME_LIMIT: u64 = 1 << 16;

/// The name that ends an archive.
const END: &[u8] = b"TRAILER!!!";

/// What an archive says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as written.
    pub name: Vec<u8>,
    /// Length of its contents in bytes.
    pub size: u64,
    /// Its mode, with the kind of file.
    pub mode: u64,
    /// Everything else that is written about it.
    pub facts: [(&'static str, String); 6],
}

/// Reads the members of an archive one after the other; as [`Read`], the contents of the current one.
pub struct Reader<R> {
    inner: R,
    left: u64,
    padding: u64,
}

/// True if `head` begins as these archives do.
pub fn is_cpio(head: &[u8]) -> bool {
    let (magic, digits, length) = match head.get(..6) {
        Some(b"070701" | b"070702") => (6, 16, 110),
        Some(b"070707") => (6, 8, 76),
        _ => return false,
    };
    head.get(magic..length).is_some_and(|rest| rest.iter().all(|byte| (*byte as char).is_digit(digits)))
}

impl<R: Read> Reader<R> {
    /// Reads an archive from its front.
    pub fn new(inner: R) -> Reader<R> {
        Reader { inner, left: 0, padding: 0 }
    }

    /// Goes on to the next member, past what wasn't read of this one.
    pub fn advance(&mut self) -> io::Result<Option<Member>> {
        loop {
            skip(&mut self.inner, self.left + self.padding)?;
            (self.left, self.padding) = (0, 0);
            let Some(magic) = self.magic()? else { return Ok(None) };
            let member = match &magic {
                b"070701" | b"070702" => self.new_ascii()?,
                b"070707" => self.portable()?,
                _ => return Err(malformed("a member's header is damaged")),
            };
            if member.name != END {
                return Ok(Some(member));
            }
        }
    }

    /// What it reads from: between a header and its contents, where these begin.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    /// The first bytes of the next header, past the zeros that fill a block.
    fn magic(&mut self) -> io::Result<Option<[u8; 6]>> {
        let mut first = [0];
        loop {
            match read_up_to(&mut self.inner, &mut first)? {
                0 => return Ok(None),
                _ if first[0] == 0 => {}
                _ => break,
            }
        }
        let mut magic = [0; 6];
        magic[0] = first[0];
        self.inner.read_exact(&mut magic[1..])?;
        Ok(Some(magic))
    }

    fn new_ascii(&mut self) -> io::Result<Member> {
        let mut header = [0; 104];
        self.inner.read_exact(&mut header)?;
        let field = |index: usize| number(&header[index * 8..index * 8 + 8], 16);
        let (mode, size, length) = (field(1)?, field(6)?, field(11)?);
        let name = self.name(length)?;
        // Header and name together fill words of four bytes, and so do the contents.
        skip(&mut self.inner, (110 + length).next_multiple_of(4) - 110 - length)?;
        (self.left, self.padding) = (size, size.next_multiple_of(4) - size);
        let facts = [
            ("inode", field(0)?.to_string()),
            ("uid", field(2)?.to_string()),
            ("gid", field(3)?.to_string()),
            ("links", field(4)?.to_string()),
            ("mtime", field(5)?.to_string()),
            ("device", format!("{}:{} {}:{}", field(7)?, field(8)?, field(9)?, field(10)?)),
        ];
        Ok(Member { name, size, mode, facts })
    }

    fn portable(&mut self) -> io::Result<Member> {
        let mut header = [0; 70];
        self.inner.read_exact(&mut header)?;
        let field = |at: usize, length: usize| number(&header[at..at + length], 8);
        let (mode, length, size) = (field(12, 6)?, field(53, 6)?, field(59, 11)?);
        let name = self.name(length)?;
        self.left = size;
        let facts = [
            ("inode", field(6, 6)?.to_string()),
            ("uid", field(18, 6)?.to_string()),
            ("gid", field(24, 6)?.to_string()),
            ("links", field(30, 6)?.to_string()),
            ("mtime", field(42, 11)?.to_string()),
            ("device", format!("{} {}", field(0, 6)?, field(36, 6)?)),
        ];
        Ok(Member { name, size, mode, facts })
    }

    fn name(&mut self, length: u64) -> io::Result<Vec<u8>> {
        if length == 0 || length > NAME_LIMIT {
            return Err(malformed("a member's name is too long"));
        }
        let mut name = vec![0; length as usize];
        self.inner.read_exact(&mut name)?;
        match name.pop() {
            Some(0) => Ok(name),
            _ => Err(malformed("a member's name has no end")),
        }
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

fn number(digits: &[u8], radix: u32) -> io::Result<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| u64::from_str_radix(text, radix).ok())
        .ok_or_else(|| malformed("a member's header is damaged"))
}
