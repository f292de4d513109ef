//! Archives that are read from their front, one member after the other: tar, ar, cpio.
//!
//! Two archives whose members are the same by name and length are gone through side by side, and their bytes compared;
//! only where they part are digests made.

use std::io::{self, Read};

use rbld_lang::digest::Digest;

use super::entries::{Entry, digest, facts_of};
use super::layers::Place;
use super::nature::{Nature, Opened};
use super::{Layers, Limits};
use crate::packing::{Counted, ar, cpio, name, read_up_to, tar};

/// Bytes that are compared at a time.
const CHUNK: usize = 64 << 10;

/// Reads the members of an archive; as [`Read`], the contents of the current one.
enum Front<'r> {
    Tar(tar::Reader<Counted<&'r mut dyn Read>>),
    Ar(ar::Reader<Counted<&'r mut dyn Read>>),
    Cpio(cpio::Reader<Counted<&'r mut dyn Read>>),
}

impl<'r> Front<'r> {
    fn new(nature: Nature, reader: &'r mut dyn Read) -> io::Result<Option<Front<'r>>> {
        let reader = Counted::new(reader);
        Ok(Some(match nature {
            Nature::Tar => Front::Tar(tar::Reader::new(reader)),
            Nature::Ar => Front::Ar(ar::Reader::new(reader)?),
            Nature::Cpio => Front::Cpio(cpio::Reader::new(reader)),
            _ => return Ok(None),
        }))
    }

    /// The next member without its contents' digest, and where these are.
    fn advance(&mut self) -> io::Result<Option<(Entry, (u64, u64))>> {
        let (written, facts, at, size) = match self {
            Front::Tar(archive) => {
                let Some(member) = archive.advance()? else { return Ok(None) };
                let mut facts = member.facts;
                facts.insert("kind".to_owned(), member.kind.word().to_owned());
                facts.insert("mode".to_owned(), format!("{:04o}", member.mode));
                if !member.link.is_empty() {
                    facts.insert("link".to_owned(), name(&member.link));
                }
                (member.name, facts, archive.inner().count, member.size)
            }
            Front::Ar(archive) => {
                let Some(member) = archive.advance()? else { return Ok(None) };
                (member.name, facts_of(member.facts), archive.inner().count, member.size)
            }
            // Inode numbers, which every packing gives anew, are facts like others.
            Front::Cpio(archive) => {
                let Some(member) = archive.advance()? else { return Ok(None) };
                let mut facts = facts_of(member.facts);
                facts.insert("mode".to_owned(), format!("{:06o}", member.mode));
                (member.name, facts, archive.inner().count, member.size)
            }
        };
        Ok(Some((Entry { name: name(&written), facts, contents: None }, (at, size))))
    }
}

impl Read for Front<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Front::Tar(archive) => archive.read(buffer),
            Front::Ar(archive) => archive.read(buffer),
            Front::Cpio(archive) => archive.read(buffer),
        }
    }
}

/// The members of an archive with their digests.
pub(super) fn list(nature: Nature, layers: &Layers<'_>, limits: &Limits) -> io::Result<Opened> {
    layers.read(|reader| {
        let mut opened = Opened::default();
        let Some(mut archive) = Front::new(nature, reader)? else { return Ok(opened) };
        while let Some((entry, (at, size))) = archive.advance()? {
            let contents = Some(digest(&mut archive)?);
            opened.push(Entry { contents, ..entry }, Place::plain(at, size), limits)?;
        }
        Ok(opened)
    })
}

/// The members of two archives, with digests that say no more than which contents are equal; nothing if the lists
/// aren't the same by name and length.
pub(super) fn together(
    nature: Nature,
    (left, right): (&Layers<'_>, &Layers<'_>),
    limits: &Limits,
) -> io::Result<Option<(Opened, Opened)>> {
    left.read(|left| {
        right.read(|right| {
            let fronts = Front::new(nature, left)?.zip(Front::new(nature, right)?);
            let Some((mut ours, mut theirs)) = fronts else { return Ok(None) };
            let (mut one, mut other) = (Opened::default(), Opened::default());
            loop {
                let ((left, here), (right, there)) = match (ours.advance()?, theirs.advance()?) {
                    (Some(left), Some(right)) => (left, right),
                    (None, None) => return Ok(Some((one, other))),
                    _ => return Ok(None),
                };
                if left.name != right.name || here.1 != there.1 {
                    return Ok(None);
                }
                let same = same_bytes(&mut ours, &mut theirs, here.1)?;
                let side = |word: &str| Some(Digest::of(if same { b"" } else { word.as_bytes() }));
                one.push(Entry { contents: side("left"), ..left }, Place::plain(here.0, here.1), limits)?;
                other.push(
                    Entry { contents: side("right"), ..right },
                    Place::plain(there.0, there.1),
                    limits,
                )?;
            }
        })
    })
}

/// Whether two readers give the same bytes, of which `length` are expected. After the first that differs nothing is read.
pub fn same_bytes(left: &mut impl Read, right: &mut impl Read, length: u64) -> io::Result<bool> {
    // One byte more, so that the end is seen at once.
    let chunk = usize::try_from(length).map_or(CHUNK, |length| CHUNK.min(length + 1));
    let (mut ours, mut theirs) = (vec![0; chunk], vec![0; chunk]);
    loop {
        let (here, there) = (read_up_to(left, &mut ours)?, read_up_to(right, &mut theirs)?);
        if ours[..here] != theirs[..there] {
            return Ok(false);
        }
        if here < chunk {
            return Ok(true);
        }
    }
}
