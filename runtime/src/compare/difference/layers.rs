//! A stream that can be opened again and again: a file, and the way to something packed in it.
//!
//! What is small is kept in memory once it was reached, so that the way is gone only once.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use crate::packing::{Budget, Codec, malformed, skip};

/// Opens a file from its front.
pub type Opener<'a> = Rc<dyn Fn() -> io::Result<File> + 'a>;

/// A file and the steps that lead inside.
#[derive(Clone)]
pub struct Layers<'a> {
    base: Base<'a>,
    steps: Vec<Step>,
    budget: Budget,
}

/// Where a member lies in its container, and how it is packed there.
#[derive(Clone, Debug)]
pub struct Place {
    /// Offsets and lengths, ascending.
    pub pieces: Rc<[(u64, u64)]>,
    /// How the pieces, put together, are packed.
    pub coding: Coding,
}

/// How a member of a container is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Plain,
    /// As a bare stream of deflate.
    Deflate,
    /// As deflate in the frame of zlib.
    Zlib,
}

impl Place {
    /// One piece, as it is.
    pub fn plain(offset: u64, length: u64) -> Place {
        Place { pieces: Rc::new([(offset, length)]), coding: Coding::Plain }
    }
}

/// The most bytes of one thing that are kept in memory, and of all members of one container.
const KEPT: u64 = 16 << 20;

#[derive(Clone)]
enum Base<'a> {
    File(Opener<'a>),
    Memory(Rc<[u8]>),
}

#[derive(Clone)]
enum Step {
    Unpack(Codec),
    Member(Place),
}

type Then<'t> = dyn FnMut(&mut dyn Read) -> io::Result<()> + 't;

impl<'a> Layers<'a> {
    /// The file itself; what is unpacked on the way inside counts against the budget.
    pub fn new(open: Opener<'a>, budget: Budget) -> Layers<'a> {
        Layers { base: Base::File(open), steps: Vec::new(), budget }
    }

    /// What it unpacks to.
    pub fn unpacked(&self, codec: Codec) -> Layers<'a> {
        self.step(Step::Unpack(codec))
    }

    /// A member of it.
    pub fn member(&self, place: &Place) -> Layers<'a> {
        self.step(Step::Member(place.clone()))
    }

    /// So many bytes of it, from an offset on.
    pub fn part(&self, offset: u64, length: u64) -> Layers<'a> {
        self.member(&Place::plain(offset, length))
    }

    /// Some members of it, at ascending places: small ones in memory, reached in one pass.
    pub fn members(&self, places: &[&Place]) -> Vec<Layers<'a>> {
        let lazy = || places.iter().map(|place| self.member(place)).collect();
        if self.steps.is_empty() {
            return lazy();
        }
        let mut kept: Vec<Layers<'a>> = lazy();
        // What can't be read stays where it is: whoever reads it will be told.
        let _ = self.read(|reader| {
            let (mut at, mut room) = (0, KEPT);
            for (place, layers) in places.iter().zip(&mut kept) {
                let [(offset, length)] = place.pieces[..] else { continue };
                let Some(gap) = offset.checked_sub(at) else { continue };
                if length > room || place.coding != Coding::Plain {
                    continue;
                }
                let mut bytes = vec![0; length as usize];
                let mut reader = &mut *reader;
                skip(&mut reader, gap)?;
                reader.read_exact(&mut bytes)?;
                (at, room) = (offset + length, room - length);
                *layers = self.in_memory(bytes);
            }
            Ok(())
        });
        kept
    }

    /// What may still be unpacked.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The same, in memory if it is small. What can't be read stays where it is: whoever reads it will be told.
    pub fn kept(self) -> Layers<'a> {
        if self.steps.is_empty() || self.is_long() {
            return self;
        }
        let whole = self.read(|reader| {
            let mut bytes = Vec::new();
            reader.take(KEPT + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        match whole {
            Ok(bytes) if bytes.len() as u64 <= KEPT => self.in_memory(bytes),
            _ => self,
        }
    }

    /// Whether it is one step behind a file that is itself too long to be kept: what that unpacks to is too.
    fn is_long(&self) -> bool {
        match (&self.base, &self.steps[..]) {
            (Base::File(open), [Step::Unpack(_)]) => {
                open().and_then(|file| file.metadata()).is_ok_and(|about| about.len() > KEPT)
            }
            _ => false,
        }
    }

    fn in_memory(&self, bytes: Vec<u8>) -> Layers<'a> {
        Layers { base: Base::Memory(bytes.into()), steps: Vec::new(), budget: self.budget.clone() }
    }

    /// Reads it from its front.
    pub fn read<T>(&self, then: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
        self.budget.in_time()?;
        let (mut then, mut result) = (Some(then), None);
        let mut read = |reader: &mut dyn Read| {
            if let Some(then) = then.take() {
                result = Some(then(reader)?);
            }
            Ok(())
        };
        match &self.base {
            Base::Memory(bytes) => through(&self.steps, &mut &bytes[..], &self.budget, &mut read)?,
            Base::File(open) => {
                let mut file = open()?;
                let steps = match self.steps.split_first() {
                    // What lies far behind is gone to, not read up to.
                    Some((Step::Member(Place { pieces, coding }), rest)) if pieces.len() == 1 => {
                        let (offset, length) = pieces[0];
                        file.seek(SeekFrom::Start(offset))?;
                        let pieces = Rc::new([(0, length)]);
                        [Step::Member(Place { pieces, coding: *coding })]
                            .iter()
                            .chain(rest)
                            .cloned()
                            .collect()
                    }
                    _ => self.steps.clone(),
                };
                let mut file = BufReader::with_capacity(64 << 10, self.budget.timed(file));
                through(&steps, &mut file, &self.budget, &mut read)?;
            }
        }
        result.ok_or_else(|| malformed("nothing was read"))
    }

    /// All of it, as far as it goes. Only for what was bounded before.
    pub(super) fn read_all(&self) -> io::Result<Vec<u8>> {
        self.read(|reader| {
            let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
            loop {
                match reader.read(&mut chunk) {
                    Ok(0) => return Ok(bytes),
                    Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(bytes),
                    Err(error) => return Err(error),
                }
            }
        })
    }

    fn step(&self, step: Step) -> Layers<'a> {
        let mut layers = self.clone();
        layers.steps.push(step);
        layers
    }
}

fn through(steps: &[Step], reader: &mut dyn Read, budget: &Budget, then: &mut Then<'_>) -> io::Result<()> {
    match steps.split_first() {
        None => then(reader),
        Some((Step::Unpack(codec), rest)) => {
            let mut unpacked = BufReader::with_capacity(64 << 10, budget.meter(codec.reader(reader)?));
            through(rest, &mut unpacked, budget, then)
        }
        Some((Step::Member(Place { pieces, coding }), rest)) => {
            let mut pieces = Pieces { reader, pieces: pieces.iter(), at: 0, left: 0 };
            match coding {
                Coding::Plain => through(rest, &mut pieces, budget, then),
                Coding::Deflate => {
                    let mut unpacked = budget.meter(flate2::read::DeflateDecoder::new(pieces));
                    through(rest, &mut unpacked, budget, then)
                }
                Coding::Zlib => {
                    let mut unpacked = budget.meter(flate2::read::ZlibDecoder::new(pieces));
                    through(rest, &mut unpacked, budget, then)
                }
            }
        }
    }
}

/// Some pieces of a stream, one after the other.
struct Pieces<'r, 'p> {
    reader: &'r mut dyn Read,
    pieces: std::slice::Iter<'p, (u64, u64)>,
    at: u64,
    left: u64,
}

impl Read for Pieces<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some((offset, length)) = self.pieces.next() else { return Ok(0) };
            let gap = offset.checked_sub(self.at).ok_or_else(|| malformed("its pieces overlap"))?;
            skip(&mut self.reader, gap)?;
            (self.at, self.left) = (*offset, *length);
        }
        let count = (&mut self.reader).take(self.left).read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.at, self.left) = (self.at + count as u64, self.left - count as u64);
        Ok(count)
    }
}
