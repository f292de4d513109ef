//! The kernel's calls for watching other processes, each wrapped once. Errors are bare error numbers.
//!
//! Called from the sandbox's first process, which has one thread. Addresses are the watched process's, never this one's.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

/// A process that is watched, by its number.
pub(super) type Watched = libc::pid_t;

/// What is to be told of a process and all that it starts; with its end, or this one's, that ends too.
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_EXITKILL;

/// `PTRACE_GET_SYSCALL_INFO` of `linux/ptrace.h`, Linux 5.3.
const GET_SYSCALL_INFO: libc::c_uint = 0x420e;

fn done(result: libc::c_long) -> Result<(), Errno> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Begins to watch a process.
#[expect(unsafe_code, reason = "ptrace has no safe wrapper")]
pub(super) fn seize(process: Watched) -> Result<(), Errno> {
    // SAFETY: numbers only.
    done(unsafe { libc::ptrace(libc::PTRACE_SEIZE, process, 0usize, libc::c_long::from(OPTIONS)) })
}

/// How a stopped process goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum On {
    /// To its next stop.
    Run,
    /// To the end of the call it is in.
    ToReturn,
    /// It stays stopped, as it was told to be by a signal.
    Stopped,
}

/// Lets a stopped process go on, with a signal or none.
#[expect(unsafe_code, reason = "ptrace has no safe wrapper")]
pub(super) fn go_on(process: Watched, how: On, signal: i32) -> Result<(), Errno> {
    let request = match how {
        On::Run => libc::PTRACE_CONT,
        On::ToReturn => libc::PTRACE_SYSCALL,
        On::Stopped => libc::PTRACE_LISTEN,
    };
    // SAFETY: numbers only.
    done(unsafe { libc::ptrace(request, process, 0usize, libc::c_long::from(signal)) })
}

/// The call that a stopped process is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// The instruction set, as seccomp calls it.
    pub(super) machine: u32,
    /// Where its stack ends.
    pub(super) stack: u64,
    /// The arguments; of no meaning at the end of a call.
    pub(super) arguments: [u64; 6],
    /// What the filter said.
    pub(super) row: u32,
    /// What the call returned, at its end.
    pub(super) returned: i64,
}

/// Tells which call a stopped process is in.
#[expect(unsafe_code, reason = "ptrace has no safe wrapper")]
pub(super) fn stop(process: Watched) -> Result<Stop, Errno> {
    let mut words = [0u64; 12];
    let size = size_of_val(&words);
    // SAFETY: the kernel writes at most `size` bytes to `words`, which any bytes are valid for.
    done(unsafe { libc::ptrace(GET_SYSCALL_INFO as _, process, size, words.as_mut_ptr()) })?;
    let mut arguments = [0; 6];
    arguments.copy_from_slice(&words[4..10]);
    Ok(Stop {
        machine: (words[0] >> 32) as u32,
        stack: words[2],
        arguments,
        row: words[10] as u32,
        returned: words[3] as i64,
    })
}

/// Reads one of the words that a stopped process's registers are kept in.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "ptrace has no safe wrapper")]
pub(super) fn peek_user(process: Watched, at: usize) -> Result<u64, Errno> {
    let mut word = 0u64;
    // SAFETY: the raw call writes one word to where its last argument points.
    let result = unsafe {
        libc::syscall(libc::SYS_ptrace, libc::c_long::from(libc::PTRACE_PEEKUSER), process, at, &raw mut word)
    };
    done(result).map(|()| word)
}

/// Writes one of them.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "ptrace has no safe wrapper")]
pub(super) fn poke_user(process: Watched, at: usize, word: u64) -> Result<(), Errno> {
    // SAFETY: numbers only.
    done(unsafe { libc::ptrace(libc::PTRACE_POKEUSER, process, at, word) })
}

/// Reads a set of registers; says how many bytes it has.
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "ptrace has no safe wrapper")]
pub(super) fn get_set(process: Watched, set: i32, words: &mut [u64]) -> Result<usize, Errno> {
    let mut vector = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: size_of_val(words) };
    // SAFETY: the kernel writes at most `iov_len` bytes to `iov_base`, which any bytes are valid for.
    done(unsafe { libc::ptrace(libc::PTRACE_GETREGSET, process, libc::c_long::from(set), &raw mut vector) })?;
    Ok(vector.iov_len)
}

/// Writes a set of registers of so many bytes.
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "ptrace has no safe wrapper")]
pub(super) fn put_set(process: Watched, set: i32, words: &mut [u64], size: usize) -> Result<(), Errno> {
    let size = size.min(size_of_val(words));
    let mut vector = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: size };
    // SAFETY: the kernel reads at most `iov_len` bytes from `iov_base`.
    done(unsafe { libc::ptrace(libc::PTRACE_SETREGSET, process, libc::c_long::from(set), &raw mut vector) })
}

/// Reads a process's memory; may read less than was asked for, never nothing.
#[expect(unsafe_code, reason = "reading another process has no safe wrapper")]
pub(super) fn read(process: Watched, at: u64, to: &mut [u8]) -> Result<usize, Errno> {
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    let remote = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: to.len() };
    // SAFETY: the kernel writes at most `to.len()` bytes to `to`; the other address is of the other process.
    let read = unsafe { libc::process_vm_readv(process, &raw const local, 1, &raw const remote, 1, 0) };
    match read {
        0 => Err(Errno::FAULT),
        read => usize::try_from(read).map_err(|_| last_error()),
    }
}

/// Reads all that was asked for.
pub(super) fn read_exact(process: Watched, at: u64, to: &mut [u8]) -> Result<(), Errno> {
    if read(process, at, to)? == to.len() { Ok(()) } else { Err(Errno::FAULT) }
}

/// Writes to a process's memory.
#[expect(unsafe_code, reason = "writing to another process has no safe wrapper")]
pub(super) fn write(process: Watched, at: u64, bytes: &[u8]) -> Result<(), Errno> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: the kernel reads `bytes.len()` bytes from `bytes`; the other address is of the other process.
    let written = unsafe { libc::process_vm_writev(process, &raw const local, 1, &raw const remote, 1, 0) };
    match usize::try_from(written) {
        Ok(written) if written == bytes.len() => Ok(()),
        Ok(_) => Err(Errno::FAULT),
        Err(_) => Err(last_error()),
    }
}

/// Waits for the next thing that happens to any process; its number and the kernel's word for it.
#[expect(unsafe_code, reason = "rustix knows no wait for processes that somebody else's threads are")]
pub(super) fn wait() -> Result<(Watched, i32), Errno> {
    let mut status = 0;
    // SAFETY: the kernel writes one number to `status`.
    let process = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
    if process < 0 { Err(last_error()) } else { Ok((process, status)) }
}

/// Takes a second hold of a file that a process has open: its place in the file is shared.
#[expect(unsafe_code, reason = "pidfd_getfd has no safe wrapper among the enabled features of rustix")]
pub(super) fn share_file(process: BorrowedFd<'_>, number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: numbers only.
    let file = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    let file = i32::try_from(file).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just opened it for us.
    if file < 0 { Err(last_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(file) }) }
}

/// Reads entries of a folder as the kernel gives them; 0 at the end.
#[expect(unsafe_code, reason = "the safe wrapper hides what must be passed on")]
pub(super) fn entries(folder: BorrowedFd<'_>, to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes at most `to.len()` bytes to `to`.
    let read = unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), to.as_mut_ptr(), to.len()) };
    usize::try_from(read).map_err(|_| last_error())
}
