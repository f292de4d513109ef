//! What a stream is, by its first bytes, and its members where it has some.

use std::io;

use super::entries::{self, Entry};
use super::layers::{Layers, Place};
use super::{Limits, bytes, elf, front, pdf, pe, png, pyc};
use crate::packing::{Codec, HEAD, ar, cpio, iso, read_up_to, tar, zip};

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nature {
    /// Something compressed.
    Compressed(Codec),
    /// A tar archive.
    Tar,
    /// An ar archive: a static library, a `.deb`.
    Ar,
    /// A zip archive: a jar, a wheel.
    Zip,
    /// A cpio archive.
    Cpio,
    /// An image of a file system by ISO 9660.
    Iso,
    /// A program or library in ELF.
    Elf,
    /// A program or library of Windows.
    Pe,
    /// A PDF document.
    Pdf,
    /// A picture.
    Png,
    /// Compiled Python.
    Pyc,
    /// Text in UTF-8.
    Text,
    /// Anything else.
    Bytes,
}

/// A container's members and where they are.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) entries: Vec<Entry>,
    pub(super) places: Vec<Place>,
}

impl Nature {
    /// What a stream is that begins with `head`, which is cut off where the stream ends.
    pub(super) fn of(head: &[u8]) -> Nature {
        let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
        if let Some(codec) = Codec::of(head) {
            return Nature::Compressed(codec);
        }
        match () {
            () if has(0, ar::MAGIC) => Nature::Ar,
            () if zip::is_zip(head) => Nature::Zip,
            () if has(0, elf::MAGIC) => Nature::Elf,
            () if cpio::is_cpio(head) => Nature::Cpio,
            () if pe::is_pe(head) => Nature::Pe,
            () if has(0, pdf::MAGIC) => Nature::Pdf,
            () if has(0, png::MAGIC) => Nature::Png,
            () if pyc::is_pyc(head) => Nature::Pyc,
            () if has(iso::MAGIC_AT as usize, iso::MAGIC) => Nature::Iso,
            () if tar::is_tar(head) => Nature::Tar,
            () if bytes::is_text(&head[..head.len().min(HEAD)]) => Nature::Text,
            () => Nature::Bytes,
        }
    }

    /// What a stream is.
    pub(super) fn of_layers(layers: &Layers<'_>) -> io::Result<Nature> {
        let mut head = head(layers, HEAD)?;
        // The one format whose name lies far inside.
        if head.len() == HEAD && head.iter().all(|byte| *byte == 0) {
            head = self::head(layers, iso::MAGIC_AT as usize + iso::MAGIC.len())?;
        }
        Ok(Nature::of(&head))
    }

    /// Whether it is looked at as it is, rather than unpacked.
    pub(super) fn is_leaf(self) -> bool {
        !matches!(
            self,
            Nature::Compressed(_) | Nature::Tar | Nature::Ar | Nature::Zip | Nature::Cpio | Nature::Iso
        )
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Nature::Compressed(codec) => codec.name(),
            Nature::Tar => "tar",
            Nature::Ar => "ar",
            Nature::Zip => "zip",
            Nature::Cpio => "cpio",
            Nature::Iso => "iso",
            Nature::Elf => "elf",
            Nature::Pe => "pe",
            Nature::Pdf => "pdf",
            Nature::Png => "png",
            Nature::Pyc => "pyc",
            Nature::Text => "text",
            Nature::Bytes => "bytes",
        }
    }

    /// The members; nothing of what has none.
    pub(super) fn open(self, layers: &Layers<'_>, limits: &Limits) -> io::Result<Option<Opened>> {
        Ok(Some(match self {
            Nature::Tar | Nature::Ar | Nature::Cpio => front::list(self, layers, limits)?,
            Nature::Zip => entries::zip(layers, limits)?,
            Nature::Iso => entries::iso(layers, limits)?,
            Nature::Elf => elf::sections(layers, limits)?,
            Nature::Pe => pe::sections(layers, limits)?,
            Nature::Pdf => pdf::objects(layers, limits)?,
            Nature::Png => png::chunks(layers, limits)?,
            Nature::Pyc => pyc::parts(layers)?,
            Nature::Compressed(_) | Nature::Text | Nature::Bytes => return Ok(None),
        }))
    }
}

/// The first bytes of a stream.
pub(super) fn head(layers: &Layers<'_>, length: usize) -> io::Result<Vec<u8>> {
    layers.read(|reader| {
        let mut head = vec![0; length];
        let count = read_up_to(reader, &mut head)?;
        head.truncate(count);
        Ok(head)
    })
}
