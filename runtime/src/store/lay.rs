//! Laying trees out: a folder on disk becomes that of a tree, by hard links to blobs.
//!
//! One plan serves a new folder and one that holds another tree already: only what differs is touched.
//! Within one root an inode appears once. Nothing here writes to a file that is there.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rbld_lang::digest::Digest;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::tree::{Folder, Node};
use super::{Store, beneath, parallel, remove};
use crate::failure::{Doing, Failure, Result};

impl Store {
    /// Changes the folder `root`, which holds the tree `old`, into that of `new`.
    pub(super) fn lay(&self, root: &OwnedFd, old: &Folder, new: &Folder) -> Result<()> {
        let mut plan = Plan { pieces: Vec::new(), seen: BTreeSet::new() };
        plan.kept(old, new);
        plan.folder(Some(old), new, String::new());
        parallel::each(&plan.pieces, |piece| self.clear(root, piece))?;
        // Those above come first.
        for piece in plan.pieces.iter().filter(|piece| piece.new) {
            make_folder(root, &piece.path).doing(|| format!("make the folder `{}`", piece.path))?;
        }
        parallel::each(&plan.pieces, |piece| self.fill(root, piece)).map(|_| ())
    }

    /// Removes what is gone from one folder.
    fn clear(&self, root: &OwnedFd, piece: &Piece<'_>) -> Result<()> {
        if piece.gone.is_empty() {
            return Ok(());
        }
        let doing = || format!("look into the folder `{}`", piece.path);
        let dir = beneath::open(root.as_fd(), piece.path.as_bytes(), beneath::FOLDER).doing(doing)?;
        for name in &piece.gone {
            let doing = || format!("remove `{}/{name}`", piece.path);
            let name = CString::new(*name).map_err(std::io::Error::from).doing(doing)?;
            remove::remove(dir.as_fd(), &name).doing(doing)?;
        }
        Ok(())
    }

    /// Puts the files and links of one folder in place, then sets its time.
    fn fill(&self, root: &OwnedFd, piece: &Piece<'_>) -> Result<()> {
        let doing = || format!("fill the folder `{}`", piece.path);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = beneath::open(root.as_fd(), piece.path.as_bytes(), flags).doing(doing)?;
        for file in &piece.files {
            self.put(&dir, file)?;
        }
        for (name, target) in &piece.links {
            let doing = || format!("make the link `{}/{name}`", piece.path);
            rustix::fs::symlinkat(*target, &dir, *name).doing(doing)?;
            rustix::fs::utimensat(&dir, *name, &beneath::fixed_times(), AtFlags::SYMLINK_NOFOLLOW)
                .doing(doing)?;
        }
        rustix::fs::futimens(&dir, &beneath::fixed_times()).doing(doing)
    }

    /// Links or copies one file.
    fn put(&self, dir: &OwnedFd, file: &Planned<'_>) -> Result<()> {
        let doing = || format!("put `{}` into a ready folder", file.name);
        let Some(spot) = self.spot(file.digest).doing(doing)? else { return Err(self.lost(file.digest)) };
        let Some(stat) = spot.stat().doing(doing)? else { return Err(self.lost(file.digest)) };
        if stat.st_size as u64 != file.size {
            return Err(self.lost(file.digest));
        }
        let fits = stat.st_mode & 0o7777 == beneath::mode_of(file.executable).bits()
            && stat.st_mtime == beneath::MTIME
            && stat.st_uid == rustix::process::geteuid().as_raw();
        if file.first && fits {
            match rustix::fs::linkat(&spot.dir, spot.name.as_str(), dir, file.name, AtFlags::empty()) {
                Ok(()) => return Ok(()),
                // Full link count, a file system without hard links, or one that forbids this one.
                Err(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::XDEV | Errno::NOSYS) => {}
                Err(error) => return Err(error).doing(doing),
            }
        }
        self.copy(file.digest, file.executable, dir.as_fd(), file.name).doing(doing).map(|_| ())
    }

    /// Copies a blob to a new file of the right mode.
    pub(super) fn copy(
        &self,
        digest: Digest,
        executable: bool,
        dir: std::os::fd::BorrowedFd<'_>,
        name: &str,
    ) -> std::io::Result<File> {
        let mut from = self.open_object(digest)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut to = File::from(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?);
        if rustix::fs::ioctl_ficlone(&to, &from).is_err() {
            std::io::copy(&mut from, &mut to)?;
        }
        rustix::fs::fchmod(&to, beneath::mode_of(executable))?;
        rustix::fs::futimens(&to, &beneath::fixed_times())?;
        Ok(to)
    }

    /// A blob that a tree names isn't there: what was made of it is forgotten.
    fn lost(&self, digest: Digest) -> Failure {
        match self.forget(digest) {
            Ok(()) => self.absent(digest),
            Err(failure) => failure,
        }
    }
}

/// What changes in one folder of a root.
struct Piece<'a> {
    path: String,
    /// Whether the folder itself is to be made.
    new: bool,
    /// What is there and goes.
    gone: Vec<&'a str>,
    files: Vec<Planned<'a>>,
    links: Vec<(&'a str, &'a str)>,
}

struct Planned<'a> {
    name: &'a str,
    digest: Digest,
    size: u64,
    executable: bool,
    /// Whether this is the first path of these bytes in the root: the others get copies.
    first: bool,
}

struct Plan<'a> {
    pieces: Vec<Piece<'a>>,
    /// The bytes that have a path.
    seen: BTreeSet<Digest>,
}

impl<'a> Plan<'a> {
    /// Notes the bytes of files that stay where they are.
    fn kept(&mut self, old: &Folder, new: &Folder) {
        for (name, node) in &new.entries {
            match (old.entries.get(name), node) {
                (Some(Node::Folder(old)), Node::Folder(new)) => self.kept(old, new),
                (Some(there @ Node::File { digest, .. }), _) if there == node => {
                    self.seen.insert(*digest);
                }
                _ => {}
            }
        }
    }

    /// Plans one folder and what is beneath; `old` is none where there is no folder yet.
    fn folder(&mut self, old: Option<&'a Folder>, new: &'a Folder, path: String) {
        let at = self.pieces.len();
        let before = old.map(|old| &old.entries);
        let gone = before.into_iter().flatten().filter(|(name, there)| match new.entries.get(*name) {
            Some(Node::Folder(_)) => !matches!(there, Node::Folder(_)),
            Some(node) => node != *there,
            None => true,
        });
        let gone: Vec<&str> = gone.map(|(name, _)| name.as_str()).collect();
        let is_new = old.is_none();
        let mut changed = is_new || !gone.is_empty();
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        self.pieces.push(Piece {
            path: path.clone(),
            new: is_new,
            gone,
            files: Vec::new(),
            links: Vec::new(),
        });
        for (name, node) in &new.entries {
            let there = before.and_then(|old| old.get(name));
            match (there, node) {
                (Some(Node::Folder(old)), Node::Folder(new)) => self.folder(Some(old), new, below(name)),
                (_, Node::Folder(new)) => {
                    changed = true;
                    self.folder(None, new, below(name));
                }
                (Some(there), _) if there == node => {}
                (_, Node::File { digest, size, executable }) => {
                    changed = true;
                    let first = self.seen.insert(*digest);
                    let (digest, size, executable) = (*digest, *size, *executable);
                    self.pieces[at].files.push(Planned { name, digest, size, executable, first });
                }
                (_, Node::Link { target }) => {
                    changed = true;
                    self.pieces[at].links.push((name, target));
                }
            }
        }
        // A root that was just made has no time of its own yet.
        if !changed && !path.is_empty() && self.pieces.len() == at + 1 {
            self.pieces.pop();
        }
    }
}

pub(super) fn make_folder(dir: &OwnedFd, path: &str) -> std::io::Result<()> {
    rustix::fs::mkdirat(dir, path, Mode::from_raw_mode(0o700))?;
    let folder = beneath::open(dir.as_fd(), path.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY)?;
    Ok(rustix::fs::fchmod(folder, Mode::from_raw_mode(beneath::EXECUTABLE_MODE))?)
}
