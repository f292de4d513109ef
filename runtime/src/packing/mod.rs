//! Packed files (archives, compressions) as streams: told apart by their first bytes, read from front to end.
//!
//! Everything here takes hostile bytes: sizes are bounded before memory is taken, a [`Budget`] bounds
//! what comes out of a decompressor and how long that takes, and whatever is malformed is an `InvalidData` error.
//! Nothing here writes files, follows links or knows what the contents are for.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub mod ar;
pub mod cpio;
pub mod iso;
pub mod tar;
pub mod zip;

/// Bytes at the front of a file that suffice to tell what it is.
pub const HEAD: usize = 4096;

/// How much memory a decompressor may take: more than any level of `xz` or `zstd --ultra` needs to unpack.
const DECODER_MEMORY: u64 = 512 << 20;

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// gzip, RFC 1952.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard, RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// lzip.
    Lzip,
}

impl Codec {
    /// The compression of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Option<Codec> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Codec::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Codec::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Codec::Zstd),
            [b'L', b'Z', b'I', b'P', 0 | 1, ..] => Some(Codec::Lzip),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Some(Codec::Bzip2),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Xz => "xz",
            Codec::Zstd => "zstd",
            Codec::Bzip2 => "bzip2",
            Codec::Lzip => "lzip",
        }
    }

    /// What `inner` holds, unpacked; all members of a concatenated file.
    pub fn reader<'a>(self, inner: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        let inner = io::BufReader::with_capacity(64 << 10, inner);
        Ok(match self {
            Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(inner)),
            Codec::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(inner)),
            Codec::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(
                    DECODER_MEMORY,
                    liblzma::stream::CONCATENATED,
                )
                .map_err(io::Error::other)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
            }
            Codec::Lzip => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_lzip_decoder(DECODER_MEMORY, flags)
                    .map_err(io::Error::other)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
            }
            Codec::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(inner)?;
                decoder.window_log_max(DECODER_MEMORY.ilog2())?;
                Box::new(decoder)
            }
        })
    }
}

/// How many unpacked bytes may still be read and until when, shared by everything that reads for one purpose.
#[derive(Clone, Debug)]
pub struct Budget {
    left: Arc<AtomicU64>,
    until: Option<Instant>,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Budget {
        Budget { left: Arc::new(AtomicU64::new(bytes)), until: None }
    }

    /// The same, and nothing after so long.
    #[must_use]
    pub fn within(self, time: Duration) -> Budget {
        Budget { until: Instant::now().checked_add(time), ..self }
    }

    /// An error if the time is over.
    pub fn in_time(&self) -> io::Result<()> {
        match self.until {
            Some(until) if Instant::now() > until => {
                Err(malformed("looking into it takes longer than is allowed"))
            }
            _ => Ok(()),
        }
    }

    /// Reads from `inner` without counting, until the time is over.
    pub fn timed<R: Read>(&self, inner: R) -> Timed<R> {
        Timed { inner, budget: self.clone() }
    }

    /// Counts what is read from `inner` against the budget.
    pub fn meter<R: Read>(&self, inner: R) -> Metered<R> {
        Metered { inner, budget: self.clone() }
    }

    fn spend(&self, bytes: u64) -> io::Result<()> {
        self.in_time()?;
        let spent =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        match spent {
            Ok(_) => Ok(()),
            Err(_) => Err(malformed("it unpacks to more bytes than are allowed")),
        }
    }
}

/// A reader whose bytes count against a [`Budget`].
pub struct Metered<R> {
    inner: R,
    budget: Budget,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.budget.spend(count as u64)?;
        Ok(count)
    }
}

/// A reader that gives nothing more once the time of a [`Budget`] is over.
pub struct Timed<R> {
    inner: R,
    budget: Budget,
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.budget.in_time()?;
        self.inner.read(buffer)
    }
}

/// A reader that knows how many bytes were read from it.
pub struct Counted<R> {
    inner: R,
    /// How many.
    pub count: u64,
}

impl<R: Read> Counted<R> {
    /// Counts from nought.
    pub fn new(inner: R) -> Counted<R> {
        Counted { inner, count: 0 }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// A name as text: UTF-8 as it is, of anything else the bytes that aren't as `\xNN`.
pub fn name(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Fills as much of `buffer` as there is.
pub fn read_up_to(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads and forgets exactly `count` bytes.
pub fn skip(reader: &mut impl Read, count: u64) -> io::Result<()> {
    if io::copy(&mut reader.by_ref().take(count), &mut io::sink())? == count {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// The error of an archive that isn't what it says.
pub fn malformed(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
