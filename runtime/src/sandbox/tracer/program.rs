//! What a new program is told on its stack, and what of it is hidden: where the kernel's own code is.
//!
//! Through that code programs read the clock without a call. Without it they call.

use rustix::io::Errno;

use super::ptrace::{self, Watched};
use super::registers;
use crate::sandbox::syscalls::Machine;

/// `AT_SYSINFO_EHDR`, which says where the kernel's code is, and `AT_IGNORE`, which says nothing.
const KERNEL_CODE: u64 = 33;
const IGNORE: u64 = 1;

/// Takes out of what a new program is told where the kernel's own code is.
pub(super) fn hide_kernel_code(process: Watched) -> Result<(), Errno> {
    let machine = registers::machine(process)?;
    let word: u64 = match machine {
        Machine::Amd64 | Machine::Arm64 | Machine::Riscv64 => 8,
        Machine::I386 => 4,
        Machine::Arm => return Err(Errno::NOSYS),
    };
    let mut stack =
        Words { process, at: ptrace::stop(process)?.stack, width: word, buffer: Vec::new(), next: 0 };
    // The number of arguments, they, a zero, the variables, a zero, then pairs.
    let arguments = stack.next()?;
    for _ in 0..=arguments {
        stack.next()?;
    }
    while stack.next()? != 0 {}
    loop {
        let place = stack.place();
        let (key, _) = (stack.next()?, stack.next()?);
        match key {
            0 => return Ok(()),
            KERNEL_CODE => {
                return ptrace::write(
                    process,
                    place,
                    &IGNORE.to_le_bytes()[..usize::try_from(word).unwrap_or(8)],
                );
            }
            _ => {}
        }
    }
}

/// The words on a program's stack, one after the other.
struct Words {
    process: Watched,
    /// Where the buffer begins.
    at: u64,
    width: u64,
    buffer: Vec<u8>,
    /// The next word in the buffer.
    next: usize,
}

impl Words {
    fn place(&self) -> u64 {
        self.at + self.next as u64
    }

    fn next(&mut self) -> Result<u64, Errno> {
        const PIECE: usize = 4096;
        let width = self.width as usize;
        if self.next + width > self.buffer.len() {
            self.at = self.place();
            self.next = 0;
            // To the end of a page, as what follows may not be there.
            self.buffer = vec![0; PIECE - (self.at as usize % PIECE)];
            ptrace::read_exact(self.process, self.at, &mut self.buffer)?;
        }
        let mut word = [0; 8];
        word[..width].copy_from_slice(&self.buffer[self.next..self.next + width]);
        self.next += width;
        Ok(u64::from_le_bytes(word))
    }
}
