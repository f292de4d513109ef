//! The kernel calls that no safe crate offers, each wrapped once.
//!
//! Everything here is called from the helper process, which has one thread, except [`poll`]. Nothing here
//! knows what a sandbox is; errors are bare error numbers.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which of the two processes one is after [`fork`].
pub(super) enum Fork {
    Child,
    Parent(Pid),
}

/// Duplicates this process.
#[expect(unsafe_code, reason = "fork has no safe wrapper")]
pub(super) fn fork() -> Result<Fork, Errno> {
    // SAFETY: the helper has one thread, so the child holds no lock of another's.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Fork::Child),
        pid if pid > 0 => Pid::from_raw(pid).map(Fork::Parent).ok_or(Errno::SRCH),
        _ => Err(last_error()),
    }
}

/// Leaves without running destructors or flushing what was buffered before a fork.
#[expect(unsafe_code, reason = "std's exit runs handlers that belong to the parent")]
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: ends the process, touches nothing.
    unsafe { libc::_exit(code) }
}

/// Moves this process into new namespaces.
#[expect(unsafe_code, reason = "unsharing is unsafe because threads may share what it takes apart")]
pub(super) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: one thread; file descriptors are never unshared here.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Replaces this process by a program; returns only if that failed.
#[expect(unsafe_code, reason = "std's exec changes signal handling and looks into PATH by itself")]
pub(super) fn execute(program: &CString, argv: &[CString], env: &[CString]) -> Errno {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with a null pointer and outlive the call, as do their texts.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    last_error()
}

/// Gives every signal its default action and lets all through.
#[expect(unsafe_code, reason = "signal dispositions have no safe wrapper")]
pub(super) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: sets a default action; numbers that don't exist or can't be set are refused without effect.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a signal set is plain data, filled by sigemptyset before it is read.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Lets children go without being waited for.
#[expect(unsafe_code, reason = "signal dispositions have no safe wrapper")]
pub(super) fn ignore_children() {
    // SAFETY: sets an action that runs no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Closes every descriptor from `first` on.
#[expect(unsafe_code, reason = "closing descriptors by number has no safe wrapper")]
pub(super) fn close_from(first: RawFd) -> Result<(), Errno> {
    // SAFETY: called where the helper owns no descriptor from `first` on.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if done == 0 { Ok(()) } else { Err(last_error()) }
}

/// What [`set_mount`] switches on: `MOUNT_ATTR_*` of `linux/mount.h`.
pub(super) mod attribute {
    pub(in crate::sandbox) const READ_ONLY: u64 = 1;
    pub(in crate::sandbox) const NO_SUID: u64 = 2;
    pub(in crate::sandbox) const NO_DEVICES: u64 = 4;
    pub(in crate::sandbox) const NO_EXECUTE: u64 = 8;
}

/// Switches attributes of a mount and all below it on.
#[expect(unsafe_code, reason = "mount_setattr has no safe wrapper")]
pub(super) fn set_mount(mount: BorrowedFd<'_>, attributes: u64) -> Result<(), Errno> {
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let attr = MountAttr { set: attributes, clear: 0, propagation: 0, user_namespace: 0 };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is an empty text, the structure is the first version's and its size is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(last_error()) }
}

/// Installs a seccomp filter for good.
#[expect(unsafe_code, reason = "seccomp has no safe wrapper")]
pub(super) fn install_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::TOOBIG)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions from `filter`, which outlives the call.
    let done =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if done == 0 { Ok(()) } else { Err(last_error()) }
}

/// Sets the execution domain: `ADDR_NO_RANDOMIZE`, `PER_LINUX32`.
#[expect(unsafe_code, reason = "personality has no safe wrapper")]
pub(super) fn set_personality(persona: i32) -> Result<(), Errno> {
    // SAFETY: a number in, a number out.
    let done = unsafe { libc::personality(persona as libc::c_ulong) };
    if done == -1 { Err(last_error()) } else { Ok(()) }
}

/// Brings the loopback interface of this network namespace up.
#[expect(unsafe_code, reason = "interface flags are set by ioctl on a union")]
pub(super) fn loopback_up() -> Result<(), Errno> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: an ifreq of zeros is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads the name and the flags, both set.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if done == 0 { Ok(()) } else { Err(last_error()) }
}

/// Waits until one of the descriptors can be read or was hung up, or the time is over; says which can.
#[expect(unsafe_code, reason = "poll has no safe wrapper among the enabled features of rustix")]
pub(crate) fn poll<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> Result<[bool; N], Errno> {
    let mut polled = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.map_or(-1, |descriptor| descriptor.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up, so that a wait for less than a millisecond isn't a busy loop.
    let wait =
        timeout.map_or(-1, |timeout| i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    // SAFETY: the array holds as many entries as said; descriptors stay open for the call.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, wait) };
    if ready < 0 {
        return Err(last_error());
    }
    Ok(polled.map(|polled| polled.revents != 0))
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
