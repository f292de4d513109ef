//! From a download, which pushes bytes, to a decompressor, which pulls them: two threads and a short queue between.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::failure::{Failure, Result};
use crate::fetch::http::Sink;

/// How many pieces wait to be read at most.
const QUEUE: usize = 32;

/// What goes through.
enum Piece {
    Bytes(Vec<u8>),
    /// What came before was wrong: all comes again.
    Restart,
}

/// The end that a download writes to.
pub(super) struct Inlet {
    sender: SyncSender<Piece>,
    /// Nobody reads any more: what was read is enough, or wrong.
    pub(super) shut: bool,
}

/// The end that is read. All that came is read, then it ends, whether the download is whole or not.
pub(super) struct Outlet {
    receiver: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
    begun: bool,
    restarted: bool,
}

/// The two ends.
pub(super) fn pipe() -> (Inlet, Outlet) {
    let (sender, receiver) = sync_channel(QUEUE);
    (
        Inlet { sender, shut: false },
        Outlet { receiver, piece: Vec::new(), at: 0, begun: false, restarted: false },
    )
}

impl Inlet {
    fn send(&mut self, piece: Piece) -> Result<()> {
        self.sender.send(piece).map_err(|_| {
            self.shut = true;
            Failure::bug("a nar came that nobody reads")
        })
    }
}

impl Sink for Inlet {
    fn restart(&mut self) -> Result<()> {
        self.send(Piece::Restart)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.send(Piece::Bytes(bytes.to_vec()))
    }
}

impl Outlet {
    /// Whether reading failed because all comes again; asked once for each such failure.
    pub(super) fn begins_again(&mut self) -> bool {
        self.begun = false;
        std::mem::take(&mut self.restarted)
    }
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if self.restarted {
                return Err(io::Error::other("it comes again"));
            }
            match self.receiver.recv() {
                Ok(Piece::Bytes(piece)) => {
                    self.begun = true;
                    (self.piece, self.at) = (piece, 0);
                }
                Ok(Piece::Restart) => self.restarted = self.begun,
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
