//! Removing a folder with all beneath it, however deep, whatever its modes, without following a link.
//!
//! Most of it goes by many threads at once, for where a file system waits for the disk at each
//! freed block, one thread would wait for each in turn. What they leave is removed step by step.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::beneath::{FOLDER, grant, list, open, stat};
use super::parallel;

/// Removes a name and all beneath it, also folders of mode 000. A name that is gone is fine.
pub(super) fn remove(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    match stat(dir, name) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            wide(dir, name.to_bytes())
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut moved = Vec::new();
    remove_at(dir, dir, name, 0, &mut moved)?;
    while let Some(next) = moved.pop() {
        remove_at(dir, dir, &next, 0, &mut moved)?;
    }
    Ok(())
}

/// Paths longer than this are left to the steps, which use names only.
const LONG: usize = 3000;

/// Removes what it can, level by level; says nothing of what it can't.
fn wide(dir: BorrowedFd<'_>, path: &[u8]) {
    let mut levels = vec![vec![path.to_vec()]];
    while let Some(level) = levels.last() {
        let below = std::sync::Mutex::new(Vec::new());
        let _ = parallel::each_waiting(level, |path| {
            let folders = empty(dir, path).unwrap_or_default();
            below.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(folders);
            Ok(())
        });
        let below = below.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if below.is_empty() {
            break;
        }
        levels.push(below);
    }
    for level in levels.iter().rev() {
        let _ = parallel::each_waiting(level, |path| {
            // The folder above isn't a link: it was opened as a folder a moment ago, and nobody else is here.
            let _ = rustix::fs::unlinkat(dir, path.as_slice(), AtFlags::REMOVEDIR);
            Ok(())
        });
    }
}

/// Removes the files of one folder; gives back the folders in it.
fn empty(dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    grant(dir, path, 0o700)?;
    let folder = open(dir, path, FOLDER)?;
    let mut folders = Vec::new();
    for (name, kind) in list(folder.as_fd())? {
        if kind != FileType::Directory {
            let _ = rustix::fs::unlinkat(&folder, name.as_c_str(), AtFlags::empty());
        } else if path.len() < LONG {
            folders.push([path, b"/", name.to_bytes()].concat());
        }
    }
    Ok(folders)
}

/// How deep the steps go before they move what lies deeper up to the top, so that neither stack nor
/// descriptors run out on a hostile tree.
const DEEP: usize = 64;

fn remove_at(
    top: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: &CStr,
    depth: usize,
    moved: &mut Vec<CString>,
) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says EISDIR for a folder, POSIX EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(other) => return Err(other.into()),
    }
    match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(Errno::ACCESS | Errno::PERM) => {}
        Err(other) => return Err(other.into()),
    }
    grant(dir, name.to_bytes(), 0o700)?;
    if depth == DEEP {
        let aside = unique(top)?;
        rustix::fs::renameat(dir, name, top, aside.as_c_str())?;
        moved.push(aside);
        return Ok(());
    }
    let inner = open(dir, name.to_bytes(), FOLDER)?;
    for (name, _) in list(inner.as_fd())? {
        remove_at(top, inner.as_fd(), &name, depth + 1, moved)?;
    }
    match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A name that `dir` doesn't have.
fn unique(dir: BorrowedFd<'_>) -> io::Result<CString> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name =
            CString::new(format!("aside-{}-{number}", std::process::id())).map_err(io::Error::other)?;
        match stat(dir, name.as_c_str()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(name),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
}
