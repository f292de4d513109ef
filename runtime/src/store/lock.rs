//! Locks between threads and processes: files under `locks/`, held by `flock`.
//!
//! A lock goes with its process, however that ends. The file of a lock is removed by its
//! last holder, so the folder stays empty; nothing here knows what is protected.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Store, beneath};
use crate::failure::{Doing, Result};
use rbld_lang::digest::Digest;

/// The right to make one key; others wait until it is dropped.
pub struct KeyLock {
    locks: Arc<OwnedFd>,
    name: CString,
    _file: OwnedFd,
}

impl Store {
    /// Waits until nobody else, thread or process, makes the same key, then holds it until dropped.
    pub fn lock_key(&self, key: Digest) -> Result<KeyLock> {
        hold(self.root(), &self.0.locks, &key.to_hex())
    }

    /// Like [`Store::lock_key`], but `None` at once when somebody else holds it.
    pub fn try_lock_key(&self, key: Digest) -> Result<Option<KeyLock>> {
        lock(self.root(), &self.0.locks, &key.to_hex(), FlockOperation::NonBlockingLockExclusive)
    }
}

/// Waits for the lock of this name.
pub(super) fn hold(root: &Path, locks: &Arc<OwnedFd>, name: &str) -> Result<KeyLock> {
    loop {
        if let Some(lock) = lock(root, locks, name, FlockOperation::LockExclusive)? {
            return Ok(lock);
        }
    }
}

fn lock(root: &Path, locks: &Arc<OwnedFd>, name: &str, how: FlockOperation) -> Result<Option<KeyLock>> {
    let doing = || format!("lock `{name}` in the store `{}`", root.display());
    let name = CString::new(name).map_err(std::io::Error::from).doing(doing)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    loop {
        let file =
            rustix::fs::openat(locks, name.as_c_str(), flags, Mode::from_raw_mode(0o644)).doing(doing)?;
        match rustix::fs::flock(&file, how) {
            Ok(()) => {}
            Err(Errno::INTR) => continue,
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error).doing(doing),
        }
        // If the holder before us removed the file, what we hold protects nothing any more.
        let held = rustix::fs::fstat(&file).doing(doing)?;
        match beneath::stat(locks.as_fd(), name.as_c_str()) {
            Ok(there) if there.st_ino == held.st_ino => {
                return Ok(Some(KeyLock { locks: locks.clone(), name, _file: file }));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).doing(doing),
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // A leftover file is harmless, so a failure here is too.
        let _ = rustix::fs::unlinkat(&self.locks, self.name.as_c_str(), AtFlags::empty());
    }
}
