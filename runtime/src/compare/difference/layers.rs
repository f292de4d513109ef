//! A stream that can be opened again and again: a file, and the way to something packed in it.
//!
//! What is small is kept in memory once it was reached, so that the way is gone only once.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use crate::packing::{Budget, Codec, ar, malformed, skip, tar};

/// Opens a file from its front.
pub type Opener<'a> = Rc<dyn Fn() -> io::Result<File> + 'a>;

/// A file and the steps that lead inside.
#[derive(Clone)]
pub struct Layers<'a> {
    base: Base<'a>,
    steps: Vec<Step>,
    budget: Budget,
}

/// The most bytes of one thing that are kept in memory.
const KEPT: u64 = 16 << 20;

#[derive(Clone)]
enum Base<'a> {
    File(Opener<'a>),
    Memory(Rc<[u8]>),
}

#[derive(Clone, Copy)]
enum Step {
    Unpack(Codec),
    Tar(usize),
    Ar(usize),
    Part(u64, u64),
    Inflate,
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

    /// The member of a tar at a place counted from nought.
    pub fn tar_member(&self, index: usize) -> Layers<'a> {
        self.step(Step::Tar(index))
    }

    /// The member of an ar archive at a place counted from nought.
    pub fn ar_member(&self, index: usize) -> Layers<'a> {
        self.step(Step::Ar(index))
    }

    /// So many bytes of it, from an offset on.
    pub fn part(&self, offset: u64, length: u64) -> Layers<'a> {
        self.step(Step::Part(offset, length))
    }

    /// What it unpacks to if it is a bare stream of deflate, as in a zip archive.
    pub fn inflated(&self) -> Layers<'a> {
        self.step(Step::Inflate)
    }

    /// What may still be unpacked.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The same, in memory if it is small. What can't be read stays where it is: whoever reads it will be told.
    pub fn kept(self) -> Layers<'a> {
        let whole = self.read(|reader| {
            let mut bytes = Vec::new();
            reader.take(KEPT + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        match whole {
            Ok(bytes) if bytes.len() as u64 <= KEPT => {
                Layers { base: Base::Memory(bytes.into()), steps: Vec::new(), budget: self.budget }
            }
            _ => self,
        }
    }

    /// Reads it from its front.
    pub fn read<T>(&self, then: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
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
                let mut file = BufReader::with_capacity(64 << 10, open()?);
                through(&self.steps, &mut file, &self.budget, &mut read)?;
            }
        }
        result.ok_or_else(|| malformed("nothing was read"))
    }

    fn step(&self, step: Step) -> Layers<'a> {
        let mut layers = self.clone();
        layers.steps.push(step);
        layers
    }
}

fn through(steps: &[Step], reader: &mut dyn Read, budget: &Budget, then: &mut Then<'_>) -> io::Result<()> {
    let gone = || malformed("a member is gone");
    match steps.split_first() {
        None => then(reader),
        Some((Step::Unpack(codec), rest)) => {
            let mut unpacked = BufReader::with_capacity(64 << 10, budget.meter(codec.reader(reader)?));
            through(rest, &mut unpacked, budget, then)
        }
        Some((Step::Inflate, rest)) => {
            let mut unpacked = budget.meter(flate2::read::DeflateDecoder::new(reader));
            through(rest, &mut unpacked, budget, then)
        }
        Some((Step::Tar(index), rest)) => {
            let mut archive = tar::Reader::new(reader);
            for _ in 0..=*index {
                archive.advance()?.ok_or_else(gone)?;
            }
            through(rest, &mut archive, budget, then)
        }
        Some((Step::Ar(index), rest)) => {
            let mut archive = ar::Reader::new(reader)?;
            for _ in 0..=*index {
                archive.advance()?.ok_or_else(gone)?;
            }
            through(rest, &mut archive, budget, then)
        }
        Some((Step::Part(offset, length), rest)) => {
            let mut reader = reader;
            skip(&mut reader, *offset)?;
            through(rest, &mut reader.take(*length), budget, then)
        }
    }
}
