//! Ready folders: trees as folders on disk, hard-linked from blobs, for overlays to lie on.
//!
//! One is made under a temporary name, renamed, made to last and recorded; until then nobody
//! trusts it. Within one root an inode appears once, so that no build sees two names of one
//! file. Nothing here ever writes to a file inside a finished folder.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rbld_lang::digest::Digest;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::tree::{self, Folder, Node};
use super::{Object, Scratch, Store, beneath, parallel, remove};
use crate::failure::{Doing, Failure, Result};

impl Store {
    /// The folder of a tree, made if it is missing: files 0644, executables and folders 0755, one time on everything.
    /// Nobody may write to what is in it.
    pub fn ready(&self, tree: Digest) -> Result<PathBuf> {
        let path = self.root().join("roots").join(tree.to_hex());
        if self.is_ready(tree)? {
            return Ok(path);
        }
        let _lock = super::lock::hold(self.root(), &self.0.locks, &format!("ready-{tree}"))?;
        if self.is_ready(tree)? {
            return Ok(path);
        }
        let folder = tree::read(self, tree)?;
        let session = self.session()?;
        let name = session.name("root");
        let doing = || format!("make the ready folder {}", path.display());
        let temporary = CString::new(name.as_str()).map_err(std::io::Error::from).doing(doing)?;
        let result = self.build(&session.dir, &name, &folder).and_then(|()| {
            let target = CString::new(tree.to_hex()).map_err(std::io::Error::from).doing(doing)?;
            // What is there was never finished.
            remove::remove(self.0.roots.as_fd(), &target).doing(doing)?;
            rustix::fs::renameat(&session.dir, temporary.as_c_str(), &self.0.roots, target.as_c_str())
                .doing(doing)?;
            rustix::fs::syncfs(&self.0.roots).doing(doing)
        });
        if let Err(failure) = result {
            let _ = remove::remove(session.dir.as_fd(), &temporary);
            return Err(failure);
        }
        self.0.database.add_ready(tree)?;
        Ok(path)
    }

    /// Lays a tree out like a ready folder, but for one use: it lies in `scratch` and goes with it. The blobs must be
    /// in the store. Nobody may write to what is in it.
    pub fn lay_out(&self, folder: &Folder, scratch: &Scratch) -> Result<PathBuf> {
        let dir =
            beneath::open_folder(scratch.path()).doing(|| format!("open {}", scratch.path().display()))?;
        self.build(&dir, "root", folder)?;
        Ok(scratch.path().join("root"))
    }

    /// A file object as a file of the right mode; nobody may write to it.
    pub fn ready_file(&self, object: &Object) -> Result<PathBuf> {
        let Object::File { digest, executable, .. } = *object else {
            return Err(Failure::bug("a tree was asked for as a file"));
        };
        if !self.has_blob(digest)? {
            return Err(self.absent(digest));
        }
        let path = self.blob_path(digest);
        let doing = || format!("look at {}", path.display());
        let spot = self.spot(digest).doing(doing)?;
        let stat = spot.map_or(Ok(None), |spot| spot.stat()).doing(doing)?;
        let stat = stat.ok_or_else(|| self.absent(digest))?;
        if stat.st_mode & 0o7777 == beneath::mode_of(executable).bits() {
            return Ok(path);
        }
        let name = format!("{digest}.{}", if executable { "executable" } else { "file" });
        let path = self.root().join("roots").join(&name);
        let doing = || format!("make {}", path.display());
        match beneath::stat(self.0.roots.as_fd(), name.as_str()) {
            Ok(there) if there.st_size == stat.st_size => return Ok(path),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).doing(doing),
        }
        let session = self.session()?;
        let temporary = session.name("file");
        let copy = self.copy(digest, executable, session.dir.as_fd(), &temporary).and_then(|file| {
            file.sync_all()?;
            Ok(rustix::fs::renameat(&session.dir, temporary.as_str(), &self.0.roots, name.as_str())?)
        });
        copy.doing(doing)?;
        Ok(path)
    }

    fn is_ready(&self, tree: Digest) -> Result<bool> {
        if !self.0.database.is_ready(tree)? {
            return Ok(false);
        }
        match beneath::stat(self.0.roots.as_fd(), tree.to_hex()) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(true),
            _ => {
                self.0.database.drop_ready(tree)?;
                Ok(false)
            }
        }
    }

    /// Makes the folder `name` in `dir` out of a tree.
    fn build(&self, dir: &OwnedFd, name: &str, folder: &Folder) -> Result<()> {
        let doing = || "make a ready folder".to_owned();
        make_folder(dir, name).doing(doing)?;
        let root =
            beneath::open(dir.as_fd(), name.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY).doing(doing)?;
        let mut pieces = vec![Piece { path: String::new(), files: Vec::new(), links: Vec::new() }];
        let mut seen = BTreeSet::new();
        plan(folder, 0, &mut pieces, &mut seen);
        for piece in &pieces[1..] {
            make_folder(&root, &piece.path).doing(|| format!("make the folder `{}`", piece.path))?;
        }
        parallel::each(&pieces, |piece| self.fill(&root, piece)).map(|_| ())
    }

    /// Puts the files and links of one folder in place, then sets its time.
    fn fill(&self, root: &OwnedFd, piece: &Piece<'_>) -> Result<()> {
        let doing = || format!("fill the folder `{}`", piece.path);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = beneath::open(root.as_fd(), piece.path.as_bytes(), flags).doing(doing)?;
        for file in &piece.files {
            self.place(&dir, file)?;
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
    fn place(&self, dir: &OwnedFd, file: &Planned<'_>) -> Result<()> {
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
    fn copy(
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

/// One folder of a root, with what it holds itself.
struct Piece<'a> {
    path: String,
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

fn plan<'a>(folder: &'a Folder, at: usize, pieces: &mut Vec<Piece<'a>>, seen: &mut BTreeSet<Digest>) {
    for (name, node) in &folder.entries {
        match node {
            Node::File { digest, size, executable } => {
                let first = seen.insert(*digest);
                pieces[at].files.push(Planned {
                    name,
                    digest: *digest,
                    size: *size,
                    executable: *executable,
                    first,
                });
            }
            Node::Link { target } => pieces[at].links.push((name, target)),
            Node::Folder(inner) => {
                let above = &pieces[at].path;
                let path = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
                pieces.push(Piece { path, files: Vec::new(), links: Vec::new() });
                let next = pieces.len() - 1;
                plan(inner, next, pieces, seen);
            }
        }
    }
}

fn make_folder(dir: &OwnedFd, path: &str) -> std::io::Result<()> {
    rustix::fs::mkdirat(dir, path, Mode::from_raw_mode(0o700))?;
    let folder = beneath::open(dir.as_fd(), path.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY)?;
    Ok(rustix::fs::fchmod(folder, Mode::from_raw_mode(beneath::EXECUTABLE_MODE))?)
}
