//! `ar` archives, of which a `.deb` and a static library are made, read as a stream.
//!
//! Both ways to write long names (GNU's table, BSD's `#1/N`) are understood. A static library's symbol
//! table is a member like any other, named `/`.

use std::io::{self, Read};

use super::{malformed, read_up_to, skip};

/// The first bytes of every `ar` archive.
pub const MAGIC: &[u8; 8] = b"!<arch>\n";

/// The longest table of long names that is read, in bytes.
const NAMES_LIMIT: u64 = 1 << 20;

/// What an archive says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: Vec<u8>,
    /// Length of its contents in bytes.
    pub size: u64,
    /// Modification time, owner, group and mode, as written.
    pub facts: [(&'static str, String); 4],
}

/// Reads the members of an archive one after the other; as [`Read`], the contents of the current one.
pub struct Reader<R> {
    inner: R,
    names: Vec<u8>,
    left: u64,
    padding: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the archive's first bytes.
    pub fn new(mut inner: R) -> io::Result<Reader<R>> {
        let mut magic = [0; 8];
        inner.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(malformed("not an ar archive"));
        }
        Ok(Reader { inner, names: Vec::new(), left: 0, padding: 0 })
    }

    /// Goes on to the next member, past what wasn't read of this one.
    pub fn advance(&mut self) -> io::Result<Option<Member>> {
        loop {
            let rest = self.left + self.padding;
            let skipped = io::copy(&mut (&mut self.inner).take(rest), &mut io::sink())?;
            // The last member's padding byte is often left out.
            if skipped < self.left {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (self.left, self.padding) = (0, 0);
            let mut header = [0; 60];
            match read_up_to(&mut self.inner, &mut header)? {
                0 => return Ok(None),
                60 if header[58..] == *b"`\n" => {}
                _ => return Err(malformed("a member's header is damaged")),
            }
            let field =
                |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]).trim().to_owned();
            let mut size: u64 =
                field(48..58).parse().map_err(|_| malformed("a member's size is no number"))?;
            self.padding = size % 2;
            let written = header[..16].trim_ascii_end();
            if written == b"//" {
                self.names = self.small(size, NAMES_LIMIT)?;
                continue;
            }
            let name = self.name(written, &mut size)?;
            self.left = size;
            let facts = [
                ("mtime", field(16..28)),
                ("uid", field(28..34)),
                ("gid", field(34..40)),
                ("mode", field(40..48)),
            ];
            return Ok(Some(Member { name, size, facts }));
        }
    }

    /// All that follows the last member.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// What it reads from: between a header and its contents, where these begin.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    fn name(&mut self, written: &[u8], size: &mut u64) -> io::Result<Vec<u8>> {
        let number =
            |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
        if let Some(length) = written.strip_prefix(b"#1/").and_then(number) {
            let rest =
                size.checked_sub(length).ok_or_else(|| malformed("a member's name is longer than it"))?;
            let name = self.bytes(length, NAMES_LIMIT)?;
            *size = rest;
            return Ok(name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec());
        }
        if let Some(offset) = written.strip_prefix(b"/").and_then(number) {
            let rest = usize::try_from(offset).ok().and_then(|offset| self.names.get(offset..));
            let rest = rest.ok_or_else(|| malformed("a member's name lies outside the table of names"))?;
            let end = rest.iter().position(|byte| *byte == b'\n' || *byte == 0).unwrap_or(rest.len());
            return Ok(rest[..end].strip_suffix(b"/").unwrap_or(&rest[..end]).to_vec());
        }
        if written.len() > 1 && !written.starts_with(b"/") {
            return Ok(written.strip_suffix(b"/").unwrap_or(written).to_vec());
        }
        Ok(written.to_vec())
    }

    fn small(&mut self, size: u64, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(size, limit)?;
        skip(&mut self.inner, self.padding)?;
        self.padding = 0;
        Ok(bytes)
    }

    fn bytes(&mut self, size: u64, limit: u64) -> io::Result<Vec<u8>> {
        if size > limit {
            return Err(malformed("a table of names is too long"));
        }
        let mut bytes = vec![0; size as usize];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
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
