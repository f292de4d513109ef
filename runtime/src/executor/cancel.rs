//! A wish to stop, which one thread has and others wait for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Doing, Result};

/// A wish to stop: set once, seen by all its clones, and pollable.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    set: AtomicBool,
    /// Has one byte to read once it is set; nobody reads it.
    readable: OwnedFd,
    writable: OwnedFd,
}

impl Cancel {
    /// Not yet a wish.
    pub fn new() -> Result<Cancel> {
        let (readable, writable) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing(|| "make a pipe")?;
        Ok(Cancel(Arc::new(Inner { set: AtomicBool::new(false), readable, writable })))
    }

    /// Wishes it. Allocates nothing and never waits, so a signal handler may.
    pub fn set(&self) {
        if !self.0.set.swap(true, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.0.writable, &[1]);
        }
    }

    /// Whether it was wished.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }
}

impl AsFd for Cancel {
    /// Can be read once it is set.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.readable.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clones_see_it() {
        let cancel = Cancel::new().unwrap();
        let other = cancel.clone();
        let ready = || crate::sandbox::sys::poll([Some(other.as_fd())], Some(std::time::Duration::ZERO));
        assert_eq!((other.is_set(), ready()), (false, Ok([false])));
        cancel.set();
        cancel.set();
        assert_eq!((other.is_set(), ready()), (true, Ok([true])));
    }
}
