//! Garbage: what nothing used for a while is removed, and how much room all takes.
//!
//! Whatever a realisation or a ready folder that was used since the cutoff reaches, stays;
//! so does every blob that was itself stored or asked for since then. Removing needs the
//! store alone: it doesn't begin while any process has it open.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rbld_lang::digest::Digest;
use rustix::fs::{AtFlags, FileType, FlockOperation, OFlags, Stat};
use rustix::io::Errno;

use super::tree::Entry;
use super::{Object, Store, beneath, database, scratch};
use crate::failure::{Doing, Failure, Result};

/// What a garbage collection should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collect {
    /// What was used within this time stays.
    pub keep: Duration,
    /// Whether to only say what would be removed.
    pub dry: bool,
    /// Whether to wait for other processes that have the store open; else they are a failure.
    pub wait: bool,
}

/// How many things, and their bytes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// The room they take, in bytes.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, stat: &Stat) {
        self.count += 1;
        self.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
    }
}

/// What a garbage collection removed, or would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Realisations.
    pub realisations: u64,
    /// Blobs.
    pub objects: Amount,
    /// Ready folders, with the room of what is in them and not in blobs.
    pub ready: Amount,
    /// Logs.
    pub logs: Amount,
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
    /// Removes what wasn't used for a while. Takes the handle, which must be the only one of this process.
    pub fn gc(self, collect: Collect) -> Result<Removed> {
        self.alone(collect.wait)?;
        scratch::remove_dead(&self.0)?;
        self.0.database.write_uses()?;
        let age = i64::try_from(collect.keep.as_secs()).unwrap_or(i64::MAX);
        let cutoff = database::now().saturating_sub(age);
        let mut old = self.0.database.unused_since(cutoff)?;
        let kept = self.kept(&old)?;
        old.blobs.retain(|digest| !kept.contains(digest));
        let mut removed = Removed { realisations: old.keys.len() as u64, ..Removed::default() };
        if !collect.dry {
            // Rows first: a blob that nobody names is trusted by nobody, and the next collection finds it.
            self.0.database.delete(&old)?;
        }
        let gone = set(&old.blobs);
        self.sweep_objects(&gone, collect.dry, &mut removed.objects)?;
        self.sweep_ready(&old.ready, &gone, collect.dry, &mut removed.ready)?;
        self.sweep_logs(cutoff, collect.dry, &mut removed.logs)?;
        if !collect.dry {
            self.0.database.compact()?;
        }
        Ok(removed)
    }

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

    /// Makes sure that no other process, nor another handle of this one, uses the store.
    pub(super) fn alone(&self, wait: bool) -> Result<()> {
        if Arc::strong_count(&self.0) > 1 {
            return Err(Failure::bug(
                "the store is to be cleaned while another part of this process uses it",
            ));
        }
        let how = if wait { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
        loop {
            match rustix::fs::flock(&self.0.presence, how) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(Failure::world(format!(
                        "the store at `{}` is in use by another rbld",
                        self.root().display()
                    ))
                    .help("try again when it has ended, or let this command wait with `--wait`"));
                }
                Err(error) => return Err(error).doing(|| "wait for the store to be free".to_owned()),
            }
        }
    }

    /// All that must stay for the sake of what was used: the closure of realisations and ready folders.
    fn kept(&self, old: &database::Unused) -> Result<BTreeSet<Digest>> {
        let (old_keys, old_ready) = (set(&old.keys), set(&old.ready));
        let mut kept = BTreeSet::new();
        for (key, objects) in self.0.database.outputs()? {
            if old_keys.contains(&key) {
                continue;
            }
            for object in objects {
                match object {
                    Object::File { digest, .. } => {
                        kept.insert(digest);
                    }
                    Object::Tree { digest, .. } => self.reach(digest, &mut kept),
                }
            }
        }
        for tree in self.0.database.all(database::Table::Ready)? {
            if !old_ready.contains(&tree) {
                self.reach(tree, &mut kept);
            }
        }
        Ok(kept)
    }

    fn reach(&self, tree: Digest, kept: &mut BTreeSet<Digest>) {
        let mut open = vec![tree];
        while let Some(folder) = open.pop() {
            if !kept.insert(folder) {
                continue;
            }
            for entry in self.entries(folder).unwrap_or_default().values() {
                match entry {
                    Entry::File { digest, .. } => {
                        kept.insert(*digest);
                    }
                    Entry::Folder { digest, .. } => open.push(*digest),
                    Entry::Link { .. } => {}
                }
            }
        }
    }

    /// Removes the files of blobs that are gone, and files that no record names.
    fn sweep_objects(&self, gone: &BTreeSet<Digest>, dry: bool, removed: &mut Amount) -> Result<()> {
        let doing = || format!("clear {}", self.root().join("objects").display());
        let named = self.0.database.blobs()?;
        let objects = self.0.objects.as_fd();
        let mut paths = Vec::new();
        visit(objects, &mut |path, stat| {
            let digest = path.rsplit(|byte| *byte == b'/').next().and_then(digest_named);
            if digest.is_none_or(|digest| gone.contains(&digest) || !named.contains_key(&digest)) {
                removed.add(stat);
                paths.push(path.to_vec());
            }
        })
        .doing(doing)?;
        if dry {
            return Ok(());
        }
        let mut folders = BTreeSet::new();
        for path in paths {
            unlink(objects, &path, AtFlags::empty()).doing(doing)?;
            for (at, byte) in path.iter().enumerate() {
                if *byte == b'/' {
                    folders.insert(path[..at].to_vec());
                }
            }
        }
        // Deeper ones sort behind those above them; what isn't empty stays.
        for folder in folders.iter().rev() {
            match unlink(objects, folder, AtFlags::REMOVEDIR) {
                Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) => {}
                other => other.doing(doing)?,
            }
        }
        Ok(())
    }

    /// Removes ready folders that weren't used or that no record names, and copies of blobs that are gone.
    fn sweep_ready(
        &self,
        old: &[Digest],
        gone: &BTreeSet<Digest>,
        dry: bool,
        removed: &mut Amount,
    ) -> Result<()> {
        let doing = || format!("clear {}", self.root().join("roots").display());
        let finished = set(&self.0.database.all(database::Table::Ready)?);
        let named = self.0.database.blobs()?;
        let old = set(old);
        for (name, kind) in beneath::list(self.0.roots.as_fd()).doing(doing)? {
            let stem = name.to_bytes().split(|byte| *byte == b'.').next().and_then(digest_named);
            let stays = stem.is_some_and(|digest| match kind {
                FileType::Directory => finished.contains(&digest) && !old.contains(&digest),
                FileType::RegularFile => named.contains_key(&digest) && !gone.contains(&digest),
                _ => false,
            });
            if stays {
                continue;
            }
            removed.count += 1;
            removed.bytes += own_room(self.0.roots.as_fd(), name.to_bytes()).doing(doing)?;
            if !dry {
                beneath::remove(self.0.roots.as_fd(), &name).doing(doing)?;
            }
        }
        Ok(())
    }

    fn sweep_logs(&self, cutoff: i64, dry: bool, removed: &mut Amount) -> Result<()> {
        let path = self.root().join("logs");
        let doing = || format!("clear {}", path.display());
        let logs = beneath::open_folder(&path).doing(doing)?;
        for (name, _) in beneath::list(logs.as_fd()).doing(doing)? {
            let stat = beneath::stat(logs.as_fd(), name.as_c_str()).doing(doing)?;
            if stat.st_mtime < cutoff {
                removed.add(&stat);
                if !dry {
                    beneath::remove(logs.as_fd(), &name).doing(doing)?;
                }
            }
        }
        Ok(())
    }
}

fn set(digests: &[Digest]) -> BTreeSet<Digest> {
    digests.iter().copied().collect()
}

/// The digest a file name spells, if it does so as the store would.
pub(super) fn digest_named(name: &[u8]) -> Option<Digest> {
    let text = std::str::from_utf8(name).ok()?;
    text.parse::<Digest>().ok().filter(|digest| digest.to_hex() == text)
}

fn unlink(dir: BorrowedFd<'_>, path: &[u8], flags: AtFlags) -> std::io::Result<()> {
    match rustix::fs::unlinkat(dir, path, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
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
fn own_room(dir: BorrowedFd<'_>, name: &[u8]) -> std::io::Result<u64> {
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
