//! Garbage: what nothing used for a while is removed.
//!
//! Whatever a realisation or a ready folder that was used since the cutoff reaches, stays;
//! so does every blob that was itself stored or asked for since then. Removing needs the
//! store alone: it doesn't begin while any process has it open.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rbld_lang::digest::Digest;
use rustix::fs::{AtFlags, FileType, FlockOperation};
use rustix::io::Errno;

use super::directory::Entry;
use super::usage::{self, Amount};
use super::{Object, Store, beneath, blob, database, parallel, remove, reserve, scratch};
use crate::failure::{Doing, Failure, Result};

/// How many blobs are forgotten in one transaction, so that it fits into the room set aside.
const STEP: usize = 2000;

/// Paths from `objects/`.
type Paths = Vec<Vec<u8>>;

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

impl Store {
    /// Removes what wasn't used for a while. Takes the handle, which must be the only one of this process.
    ///
    /// A use is noted once an hour, so that the time kept is exact to an hour. Works on a full disk too.
    pub fn gc(self, collect: Collect) -> Result<Removed> {
        self.alone(collect.wait)?;
        scratch::remove_dead(&self.0)?;
        if !collect.dry {
            reserve::spend(self.root());
        }
        self.0.database.write_uses()?;
        let age = i64::try_from(collect.keep.as_secs()).unwrap_or(i64::MAX);
        let cutoff = database::now().saturating_sub(age);
        let mut old = self.0.database.unused_since(cutoff)?;
        let kept = self.kept(&old)?;
        old.blobs.retain(|digest| !kept.contains(digest));
        let mut removed = Removed { realisations: old.keys.len() as u64, ..Removed::default() };
        // First what makes room without taking any.
        self.sweep_logs(cutoff, collect.dry, &mut removed.logs)?;
        let gone = set(&old.blobs);
        self.sweep_ready(&set(&old.ready), &gone, collect.dry, &mut removed.ready)?;
        let (unnamed, named) = self.garbage(&gone, &mut removed.objects)?;
        if collect.dry {
            return Ok(removed);
        }
        self.unlink(&unnamed)?;
        let blobs = std::mem::take(&mut old.blobs);
        self.0.database.delete(&old)?;
        // Rows before files, some at a time: a blob that nobody names is trusted by nobody.
        for blobs in blobs.chunks(STEP) {
            let step = database::Unused { blobs: blobs.to_vec(), ..database::Unused::default() };
            self.0.database.delete(&step)?;
            let paths: Vec<Vec<u8>> = blobs.iter().map(|digest| blob::place(*digest).into_bytes()).collect();
            self.unlink(&paths)?;
        }
        self.remove_folders(unnamed.iter().chain(&named))?;
        self.0.database.compact();
        reserve::save(self.root()).doing(|| "set room aside in the store".to_owned())?;
        Ok(removed)
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

    /// The files that no record names, and those of blobs that are gone.
    fn garbage(&self, gone: &BTreeSet<Digest>, amount: &mut Amount) -> Result<(Paths, Paths)> {
        let all = self.0.database.blobs()?;
        let (mut unnamed, mut named) = (Paths::new(), Paths::new());
        usage::visit(self.0.objects.as_fd(), &mut |path, stat| {
            let digest = path.rsplit(|byte| *byte == b'/').next().and_then(digest_named);
            match digest.filter(|digest| blob::place(*digest).as_bytes() == path && all.contains_key(digest))
            {
                None => unnamed.push(path.to_vec()),
                Some(digest) if gone.contains(&digest) => named.push(path.to_vec()),
                Some(_) => return,
            }
            amount.add(stat);
        })
        .doing(|| self.clearing("objects"))?;
        Ok((unnamed, named))
    }

    fn clearing(&self, folder: &str) -> String {
        format!("clear {}", self.root().join(folder).display())
    }

    fn unlink(&self, paths: &[Vec<u8>]) -> Result<()> {
        let objects = self.0.objects.as_fd();
        parallel::each_waiting(paths, |path| {
            unlink(objects, path, AtFlags::empty()).doing(|| self.clearing("objects"))
        })
    }

    /// Removes the folders above these paths that are empty by now.
    fn remove_folders<'a>(&self, paths: impl Iterator<Item = &'a Vec<u8>>) -> Result<()> {
        let depth = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
        let mut folders: BTreeMap<usize, BTreeSet<&[u8]>> = BTreeMap::new();
        for path in paths {
            let mut above = path.as_slice();
            while let Some(at) = above.iter().rposition(|byte| *byte == b'/') {
                above = &above[..at];
                folders.entry(depth(above)).or_default().insert(above);
            }
        }
        // The deepest first.
        for level in folders.into_values().rev() {
            let level: Vec<&[u8]> = level.into_iter().collect();
            parallel::each_waiting(&level, |folder| {
                match unlink(self.0.objects.as_fd(), folder, AtFlags::REMOVEDIR) {
                    Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) => Ok(()),
                    other => other.doing(|| self.clearing("objects")),
                }
            })?;
        }
        Ok(())
    }

    /// Removes ready folders that weren't used or that no record names, and copies of blobs that are gone.
    fn sweep_ready(
        &self,
        old: &BTreeSet<Digest>,
        gone: &BTreeSet<Digest>,
        dry: bool,
        removed: &mut Amount,
    ) -> Result<()> {
        let doing = || self.clearing("roots");
        let finished = set(&self.0.database.all(database::Table::Ready)?);
        let named = self.0.database.blobs()?;
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
            removed.bytes += usage::own_room(self.0.roots.as_fd(), name.to_bytes()).doing(doing)?;
            if !dry {
                // Out of its place at once: half a folder is never taken for a ready one.
                let session = self.session()?;
                let aside = CString::new(session.name("gone")).map_err(std::io::Error::from).doing(doing)?;
                rustix::fs::renameat(&self.0.roots, name.as_c_str(), &session.dir, aside.as_c_str())
                    .doing(doing)?;
                remove::remove(session.dir.as_fd(), &aside).doing(doing)?;
            }
        }
        Ok(())
    }

    fn sweep_logs(&self, cutoff: i64, dry: bool, removed: &mut Amount) -> Result<()> {
        let doing = || self.clearing("logs");
        let logs = beneath::open_folder(&self.root().join("logs")).doing(doing)?;
        for (name, _) in beneath::list(logs.as_fd()).doing(doing)? {
            let stat = beneath::stat(logs.as_fd(), name.as_c_str()).doing(doing)?;
            if stat.st_mtime < cutoff {
                removed.add(&stat);
                if !dry {
                    remove::remove(logs.as_fd(), &name).doing(doing)?;
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
    let plain = text.len() == 64 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    text.parse().ok().filter(|_| plain)
}

fn unlink(dir: BorrowedFd<'_>, path: &[u8], flags: AtFlags) -> std::io::Result<()> {
    match rustix::fs::unlinkat(dir, path, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
