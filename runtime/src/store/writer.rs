//! A writer into a batch, for bytes whose number isn't known beforehand.
//!
//! Few bytes stay in memory until their digest is known; more go to a temporary file as they
//! come. Only a finished writer leaves anything.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use rbld_lang::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::batch::{SMALL, Shared, finish};
use super::{Batch, Blob};
use crate::failure::{Doing, Result};

impl Batch {
    /// A writer for bytes whose number isn't known yet.
    pub fn writer(&self) -> Result<BlobWriter> {
        Ok(BlobWriter {
            shared: self.0.clone(),
            hasher: Sha256::new(),
            size: 0,
            sink: Sink::Memory(Vec::new()),
        })
    }
}

/// Takes bytes as they come; what isn't finished is gone when dropped.
pub struct BlobWriter {
    shared: Arc<Shared>,
    hasher: Sha256,
    size: u64,
    sink: Sink,
}

enum Sink {
    Memory(Vec<u8>),
    Disk(File, String),
}

impl BlobWriter {
    /// How many bytes were written.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of what was written so far.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    /// Puts what was written into the batch.
    pub fn finish(mut self, executable: bool) -> Result<Blob> {
        let blob = Blob { digest: self.digest(), size: self.size };
        match std::mem::replace(&mut self.sink, Sink::Memory(Vec::new())) {
            Sink::Memory(bytes) => self.shared.hashed(blob, &bytes, executable),
            Sink::Disk(file, name) => {
                if self.shared.known(blob.digest)? {
                    self.shared.discard(&name);
                    return Ok(blob);
                }
                finish(file.as_fd(), executable)
                    .doing(|| format!("write {}", self.shared.session.path.join(&name).display()))?;
                self.shared.stage(blob, name)
            }
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Sink::Memory(memory) = &mut self.sink
            && (memory.len() + bytes.len()) as u64 > SMALL
        {
            let (mut file, name) = self.shared.create().map_err(io::Error::other)?;
            let written = file.write_all(memory);
            self.sink = Sink::Disk(file, name);
            written?;
        }
        let count = match &mut self.sink {
            Sink::Memory(memory) => memory.write(bytes)?,
            Sink::Disk(file, _) => file.write(bytes)?,
        };
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if let Sink::Disk(_, name) = &self.sink {
            self.shared.discard(name);
        }
    }
}
