//! How much room the store takes, by kind.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, Stat};

use super::{Store, beneath};
use crate::failure::{Doing, Result};

/// How many things, and their bytes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// The room they take, in bytes.
    pub bytes: u64,
}

impl Amount {
    pub(super) fn add(&mut self, stat: &Stat) {
        self.count += 1;
        self.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
    }
}

/// The room a store takes, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Blobs.
    pub objects: Amount,
    /// Ready folders: how many, and the room of what isn't shared with blobs.
    pub ready: Amount,
    /// Scratch of running processes.
    pub scratch: Amount,
    /// Logs.
    pub logs: Amount,
    /// The database's files.
    pub database: Amount,
    /// What `repair` moved away.
    pub damaged: Amount,
}

impl Usage {
    /// The room of all of it, in bytes.
    pub fn total(&self) -> u64 {
        [self.objects, self.ready, self.scratch, self.logs, self.database, self.damaged]
            .iter()
            .map(|amount| amount.bytes)
            .sum()
    }
}

impl Store {
    /// The room the store takes.
    pub fn du(&self) -> Result<Usage> {
        let doing = || format!("measure the store `{}`", self.root().display());
        let mut usage = Usage::default();
        visit(self.0.objects.as_fd(), &mut |_, stat| usage.objects.add(stat)).doing(doing)?;
        visit(self.0.scratch.as_fd(), &mut |_, stat| usage.scratch.add(stat)).doing(doing)?;
        for (name, _) in beneath::list(self.0.roots.as_fd()).doing(doing)? {
            usage.ready.count += 1;
            usage.ready.bytes += own_room(self.0.roots.as_fd(), name.to_bytes()).doing(doing)?;
        }
        let root = beneath::open_folder(self.root()).doing(doing)?;
        for (name, kind) in beneath::list(root.as_fd()).doing(doing)? {
            match name.to_bytes() {
                b"logs" => visit_named(&root, b"logs", &mut |_, stat| usage.logs.add(stat)).doing(doing)?,
                b"damaged" => {
                    visit_named(&root, b"damaged", &mut |_, stat| usage.damaged.add(stat)).doing(doing)?
                }
                name if name.starts_with(b"database") && kind == FileType::RegularFile => {
                    usage.database.add(&beneath::stat(root.as_fd(), name).doing(doing)?);
                }
                _ => {}
            }
        }
        Ok(usage)
    }
}

/// Shows every file and link beneath a folder, with its path from there. What vanishes meanwhile, or can't be
/// looked into, is passed over.
pub(super) fn visit(dir: BorrowedFd<'_>, each: &mut dyn FnMut(&[u8], &Stat)) -> std::io::Result<()> {
    let mut open = vec![Vec::new()];
    while let Some(above) = open.pop() {
        let Some(fd) = passed_over(beneath::open(dir, &above, OFlags::RDONLY | OFlags::DIRECTORY))? else {
            continue;
        };
        let Some(names) = passed_over(beneath::list(fd.as_fd()))? else { continue };
        for (name, kind) in names {
            let mut path = above.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            if kind == FileType::Directory {
                open.push(path);
            } else if let Some(stat) = passed_over(beneath::stat(fd.as_fd(), name.as_c_str()))? {
                each(&path, &stat);
            }
        }
    }
    Ok(())
}

fn visit_named(root: &OwnedFd, name: &[u8], each: &mut dyn FnMut(&[u8], &Stat)) -> std::io::Result<()> {
    visit(beneath::open(root.as_fd(), name, OFlags::RDONLY | OFlags::DIRECTORY)?.as_fd(), each)
}

fn passed_over<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    use std::io::ErrorKind::{InvalidFilename, NotFound, PermissionDenied};
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), NotFound | PermissionDenied | InvalidFilename) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The room of what has no other name: the rest is counted with the blobs.
pub(super) fn own_room(dir: BorrowedFd<'_>, name: &[u8]) -> std::io::Result<u64> {
    let mut amount = Amount::default();
    let stat = beneath::stat(dir, name)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        amount.add(&stat);
        return Ok(amount.bytes);
    }
    let fd = beneath::open(dir, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
    visit(fd.as_fd(), &mut |_, stat| {
        if stat.st_nlink == 1 {
            amount.add(stat);
        }
    })?;
    Ok(amount.bytes)
}
