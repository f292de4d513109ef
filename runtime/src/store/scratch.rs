//! Scratch: folders and files on the store's file system that end with the process.
//!
//! Each process has one folder `scratch/<pid>-<n>`, which it holds by `flock`; one that
//! nobody holds belongs to a dead process and is removed when a store is opened. Blobs on
//! their way into the store and ready folders in the making lie there too.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Inner, Store, beneath, remove};
use crate::failure::{Doing, Result};

/// The folder of one process (one opened store) under `scratch/`.
pub(super) struct Session {
    /// The folder; its `flock` says that the process lives.
    pub(super) dir: OwnedFd,
    pub(super) path: PathBuf,
    parent: Arc<OwnedFd>,
    name: CString,
    next: AtomicU64,
    sweeper: Mutex<Option<Sweeper>>,
}

/// The thread that removes folders nobody waits for, and its queue.
struct Sweeper {
    names: Sender<CString>,
    thread: JoinHandle<()>,
}

impl Session {
    fn begin(inner: &Inner) -> Result<Session> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let doing = || format!("make a folder in {}", inner.root.join("scratch").display());
        loop {
            let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = inner.root.join("scratch").join(&name);
            let name = CString::new(name).map_err(std::io::Error::from).doing(doing)?;
            match rustix::fs::mkdirat(&inner.scratch, name.as_c_str(), Mode::from_raw_mode(0o700)) {
                Err(Errno::EXIST) => continue,
                other => other.doing(doing)?,
            }
            let dir = match open_held(inner, &name) {
                Ok(Some(dir)) => dir,
                // Another process took it for a dead one's between these two calls.
                Ok(None) => continue,
                Err(error) => return Err(error).doing(doing),
            };
            let parent = inner.scratch.clone();
            let (next, sweeper) = (AtomicU64::new(0), Mutex::new(None));
            return Ok(Session { dir, path, parent, name, next, sweeper });
        }
    }

    /// A name not used yet in this session.
    pub(super) fn name(&self, purpose: &str) -> String {
        let purpose: String =
            purpose.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
        format!("{purpose}.{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Has a folder removed by and by; false if there is no thread for it.
    fn sweep(&self, name: &CString) -> bool {
        let mut sweeper = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
        if sweeper.is_none() {
            *sweeper = self.dir.try_clone().and_then(start_sweeper).ok();
        }
        sweeper.as_ref().is_some_and(|sweeper| sweeper.names.send(name.clone()).is_ok())
    }
}

fn start_sweeper(dir: OwnedFd) -> std::io::Result<Sweeper> {
    let (names, queue) = std::sync::mpsc::channel::<CString>();
    let thread = std::thread::Builder::new().name("sweeper".to_owned()).spawn(move || {
        for name in queue {
            // What stays goes with the session's folder.
            let _ = remove::remove(dir.as_fd(), &name);
        }
    })?;
    Ok(Sweeper { names, thread })
}

impl Drop for Session {
    fn drop(&mut self) {
        let sweeper = self.sweeper.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Sweeper { names, thread }) = sweeper {
            drop(names);
            let _ = thread.join();
        }
        // Whatever stays is removed by the next process that opens the store.
        let _ = remove::remove(self.parent.as_fd(), &self.name);
    }
}

/// Opens and locks a session's folder; `None` if it is gone or somebody's.
fn open_held(inner: &Inner, name: &CString) -> std::io::Result<Option<OwnedFd>> {
    let dir = match beneath::open(inner.scratch.as_fd(), name.to_bytes(), OFlags::RDONLY | OFlags::DIRECTORY)
    {
        Ok(dir) => dir,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    match beneath::stat(inner.scratch.as_fd(), name.as_c_str()) {
        Ok(there) if there.st_ino == rustix::fs::fstat(&dir)?.st_ino => Ok(Some(dir)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes the scratch of processes that are no more.
pub(super) fn remove_dead(inner: &Inner) -> Result<()> {
    let doing = || format!("clear {}", inner.root.join("scratch").display());
    for (name, kind) in beneath::list(inner.scratch.as_fd()).doing(doing)? {
        if kind != rustix::fs::FileType::Directory {
            let removed = rustix::fs::unlinkat(&inner.scratch, name.as_c_str(), AtFlags::empty());
            super::gone(removed).doing(doing)?;
            continue;
        }
        // A folder that can't be opened for its mode is nobody's session: those are 0700.
        let held = match open_held(inner, &name) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => None,
            other => match other.doing(doing)? {
                None => continue,
                some => some,
            },
        };
        remove::remove(inner.scratch.as_fd(), &name).doing(doing)?;
        drop(held);
    }
    Ok(())
}

/// A folder for one purpose, on the store's file system; dropping it removes it with all it holds.
pub struct Scratch {
    session: Arc<Session>,
    name: CString,
    path: PathBuf,
    swept: bool,
}

impl Scratch {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the removing to a thread of its own: where a file system waits for the disk at each folder, that
    /// takes as long as a short build.
    pub fn sweep(self) {
        let mut scratch = self;
        scratch.swept = scratch.session.sweep(&scratch.name);
    }

    /// Removes the folder now and says so if that failed.
    pub fn close(self) -> Result<()> {
        let doing = || format!("remove {}", self.path.display());
        remove::remove(self.session.dir.as_fd(), &self.name).doing(doing)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.swept {
            return;
        }
        // Whatever stays is removed by the next process that opens the store.
        let _ = remove::remove(self.session.dir.as_fd(), &self.name);
    }
}

impl Store {
    /// Makes an empty folder of mode 0700 on the store's file system.
    pub fn scratch(&self, purpose: &str) -> Result<Scratch> {
        let session = self.session()?;
        let name = session.name(purpose);
        let path = session.path.join(&name);
        let doing = || format!("make {}", path.display());
        let name = CString::new(name).map_err(std::io::Error::from).doing(doing)?;
        rustix::fs::mkdirat(&session.dir, name.as_c_str(), Mode::from_raw_mode(0o700)).doing(doing)?;
        Ok(Scratch { session, name, path, swept: false })
    }

    /// This store's session, begun when first needed.
    pub(super) fn session(&self) -> Result<Arc<Session>> {
        let mut session = self.0.session.lock().unwrap_or_else(PoisonError::into_inner);
        match &*session {
            Some(session) => Ok(session.clone()),
            None => {
                let begun = Arc::new(Session::begin(&self.0)?);
                *session = Some(begun.clone());
                Ok(begun)
            }
        }
    }
}
