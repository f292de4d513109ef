//! Opening and making paths below a folder, never through a link.
//!
//! What lies in a sandbox's folders was written by a build: any part of a path may be a link that leads out.
//! The kernel is asked to follow none.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Opens a folder of the host, as the start of paths below it.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens what is at a relative path below a folder; an empty path is the folder itself.
pub(super) fn open(root: &impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { "." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Makes a folder and those above it that are missing, each 0755; tells which were missing, outermost first.
pub(super) fn make_folders(root: &OwnedFd, path: &str) -> io::Result<Vec<String>> {
    let mut made = Vec::new();
    let mut sofar = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let parent = open(root, &sofar, OFlags::PATH | OFlags::DIRECTORY)?;
        if !sofar.is_empty() {
            sofar.push('/');
        }
        sofar.push_str(part);
        match rustix::fs::mkdirat(&parent, part, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                // The caller's umask doesn't count.
                let folder = open(root, &sofar, OFlags::RDONLY | OFlags::DIRECTORY)?;
                rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o755))?;
                made.push(sofar.clone());
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(made)
}
