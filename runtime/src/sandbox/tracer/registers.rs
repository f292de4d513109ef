//! A stopped process's registers: what a call returns, its arguments, and which instruction set a program is of.
//!
//! One part for each instruction set that rbld can trace on; where there is none, nothing is traced.

use rustix::io::Errno;

use super::ptrace::Watched;
use crate::sandbox::syscalls::Machine;

#[cfg(target_arch = "x86_64")]
mod own {
    use super::super::ptrace::{peek_user, poke_user};
    use super::{Errno, Machine, Watched};

    /// Whether there is anything here.
    pub(crate) const KNOWN: bool = true;

    // Places in `struct user_regs_struct`, in words.
    const RAX: usize = 10;
    const ORIG_RAX: usize = 15;
    const CS: usize = 17;
    const ARGUMENTS: [usize; 6] = [14, 13, 12, 7, 9, 8];
    const ARGUMENTS_32: [usize; 6] = [5, 11, 12, 13, 14, 4];
    /// The code segment of 32-bit programs.
    const CODE_32: u64 = 0x23;

    /// Which machine a program that was just started is of.
    pub(in crate::sandbox::tracer) fn machine(process: Watched) -> Result<Machine, Errno> {
        let code = peek_user(process, CS * 8)?;
        Ok(if code == CODE_32 { Machine::I386 } else { Machine::Amd64 })
    }

    /// Ends the call that a process is about to make, with this result.
    pub(in crate::sandbox::tracer) fn answer(process: Watched, result: i64) -> Result<(), Errno> {
        poke_user(process, ORIG_RAX * 8, u64::MAX)?;
        poke_user(process, RAX * 8, result as u64)
    }

    /// Changes an argument.
    pub(in crate::sandbox::tracer) fn set_argument(
        process: Watched,
        machine: Machine,
        index: usize,
        value: u64,
    ) -> Result<(), Errno> {
        let place = if machine == Machine::I386 { ARGUMENTS_32[index] } else { ARGUMENTS[index] };
        poke_user(process, place * 8, value)
    }
}

#[cfg(target_arch = "aarch64")]
mod own {
    use super::super::ptrace::{get_set, put_set};
    use super::{Errno, Machine, Watched};

    /// Whether there is anything here.
    pub(crate) const KNOWN: bool = true;

    // linux/elf.h.
    const GENERAL: i32 = 1;
    const SYSTEM_CALL: i32 = 0x404;
    /// 31 registers, the stack pointer, the program counter and the state.
    const WORDS: usize = 34;

    /// Which machine a program that was just started is of.
    pub(in crate::sandbox::tracer) fn machine(process: Watched) -> Result<Machine, Errno> {
        let size = get_set(process, GENERAL, &mut [0; WORDS])?;
        Ok(if size < WORDS * 8 { Machine::Arm } else { Machine::Arm64 })
    }

    /// Ends the call that a process is about to make, with this result.
    pub(in crate::sandbox::tracer) fn answer(process: Watched, result: i64) -> Result<(), Errno> {
        // -1 in the low half is no call.
        put_set(process, SYSTEM_CALL, &mut [u64::from(u32::MAX)], 4)?;
        set_argument(process, Machine::Arm64, 0, result as u64)
    }

    /// Changes an argument.
    pub(in crate::sandbox::tracer) fn set_argument(
        process: Watched,
        _machine: Machine,
        index: usize,
        value: u64,
    ) -> Result<(), Errno> {
        let mut words = [0; WORDS];
        let size = get_set(process, GENERAL, &mut words)?;
        words[index] = value;
        put_set(process, GENERAL, &mut words, size)
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod own {
    use super::{Errno, Machine, Watched};

    /// Whether there is anything here.
    pub(crate) const KNOWN: bool = false;

    /// Which machine a program that was just started is of.
    pub(in crate::sandbox::tracer) fn machine(_process: Watched) -> Result<Machine, Errno> {
        Err(Errno::NOSYS)
    }

    /// Ends the call that a process is about to make, with this result.
    pub(in crate::sandbox::tracer) fn answer(_process: Watched, _result: i64) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }

    /// Changes an argument.
    pub(in crate::sandbox::tracer) fn set_argument(
        _process: Watched,
        _machine: Machine,
        _index: usize,
        _value: u64,
    ) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }
}

pub(crate) use own::KNOWN;
pub(super) use own::{answer, machine, set_argument};
