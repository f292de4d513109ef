//! Opening and listing what lies beneath a folder without ever following a link.
//!
//! Everything the store reads from a folder somebody else filled goes through here, so a
//! link in a hostile tree can't lead outside. Nothing here knows what the files mean.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

/// 2011-11-11T11:11:11Z, the one time that every file of the store and of a ready folder has.
pub(crate) const MTIME: i64 = 1_321_009_871;

/// The mode of a file that isn't executable, in the store and in a ready folder.
pub(super) const FILE_MODE: u32 = 0o644;
/// The mode of executables and folders.
pub(super) const EXECUTABLE_MODE: u32 = 0o755;

/// Access and modification time set to [`MTIME`].
pub(super) fn fixed_times() -> Timestamps {
    let at = Timespec { tv_sec: MTIME, tv_nsec: 0 };
    Timestamps { last_access: at, last_modification: at }
}

/// The mode for a file.
pub(super) fn mode_of(executable: bool) -> Mode {
    Mode::from_raw_mode(if executable { EXECUTABLE_MODE } else { FILE_MODE })
}

/// Opens a folder by its path, which may have links above its last name; the folder itself may not be one.
pub(crate) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)
}

pub(super) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens `path`, relative and beneath `dir`, without following any link; an empty path is `dir` itself.
pub(crate) fn open(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..8 {
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => continue,
            // Kernels before 5.6, and seccomp filters that don't know the call.
            Err(Errno::NOSYS | Errno::PERM) => return open_by_steps(dir, path, flags),
            other => return Ok(other?),
        }
    }
    open_by_steps(dir, path, flags)
}

pub(super) fn open_by_steps(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    let mut names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).peekable();
    while let Some(name) = names.next() {
        if name == b".." {
            return Err(Errno::XDEV.into());
        }
        let here = at.as_ref().map_or(dir, |fd| fd.as_fd());
        let flags = if names.peek().is_none() { flags } else { OFlags::PATH | FOLDER | OFlags::NOFOLLOW };
        at = Some(rustix::fs::openat(here, OsStr::from_bytes(name), flags, Mode::empty())?);
    }
    at.ok_or_else(|| Errno::INVAL.into())
}

/// The names in an open folder with their types, sorted bytewise.
pub(super) fn list(dir: BorrowedFd<'_>) -> io::Result<Vec<(CString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => FileType::from_raw_mode(stat(dir, name)?.st_mode),
            known => known,
        };
        names.push((name.to_owned(), kind));
    }
    names.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(names)
}

/// What a name is, itself and not what it may point to.
pub(super) fn stat<P: rustix::path::Arg>(dir: BorrowedFd<'_>, name: P) -> io::Result<Stat> {
    Ok(rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The names of a file's extended attributes, but for the label that SELinux gives every file.
pub(super) fn attributes(file: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut small = [0u8; 512];
    let mut large = Vec::new();
    let names = match rustix::fs::flistxattr(file, &mut small[..]) {
        Ok(length) => &small[..length],
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {
            // The kernel never gives more than this.
            large.resize(65536, 0);
            let length = rustix::fs::flistxattr(file, &mut large[..])?;
            &large[..length]
        }
        Err(error) => return Err(error.into()),
    };
    let names =
        names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && *name != b"security.selinux");
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// Gives the owner the bits `more` on a file or folder beneath `dir` if it is ours; returns the mode it had
/// when that changed anything.
pub(super) fn grant(dir: BorrowedFd<'_>, path: &[u8], more: u32) -> io::Result<Option<u32>> {
    let fd = open(dir, path, OFlags::PATH)?;
    let stat = rustix::fs::fstat(&fd)?;
    let mode = stat.st_mode & 0o7777;
    if mode & more == more || FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Ok(None);
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::ACCESS.into());
    }
    change_mode(&fd, mode | more)?;
    Ok(Some(mode))
}

/// Sets the mode of what a path descriptor names.
fn change_mode(fd: &OwnedFd, mode: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    Ok(rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), Mode::from_raw_mode(mode))?)
}

/// Sets the mode of a file or folder beneath `dir`.
pub(super) fn set_mode(dir: BorrowedFd<'_>, path: &[u8], mode: u32) -> io::Result<()> {
    change_mode(&open(dir, path, OFlags::PATH)?, mode)
}
