//! Ready folders: trees as folders on disk, hard-linked from blobs, for overlays to lie on.
//!
//! One is made under a temporary name, renamed, made to last and recorded; until then nobody
//! trusts it. Within one root an inode appears once, so that no build sees two names of one
//! file. Nothing here ever writes to a file inside a finished folder.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rbld_lang::digest::Digest;
use rustix::fs::{FileType, OFlags};

use super::tree::{self, Folder};
use super::{KeyLock, Object, Store, beneath, lay, remove};
use crate::failure::{Doing, Failure, Result};

impl Store {
    /// The folder of a tree, made if it is missing: files 0644, executables and folders 0755, one time on everything.
    /// Nobody may write to what is in it.
    pub fn ready(&self, tree: Digest) -> Result<PathBuf> {
        let path = self.root().join("roots").join(tree.to_hex());
        if self.is_ready(tree)? {
            return Ok(path);
        }
        let _lock = self.lock_ready(tree)?;
        if self.is_ready(tree)? {
            return Ok(path);
        }
        let folder = tree::read(self, tree)?;
        let session = self.session()?;
        let name = session.name("root");
        let doing = || format!("make the ready folder {}", path.display());
        let temporary = CString::new(name.as_str()).map_err(std::io::Error::from).doing(doing)?;
        let result = self.build(&session.dir, &name, &folder).and_then(|()| {
            self.name_ready(&session.dir, &temporary, tree).doing(doing)?;
            rustix::fs::syncfs(&self.0.roots).doing(doing)
        });
        if let Err(failure) = result {
            let _ = remove::remove(session.dir.as_fd(), &temporary);
            return Err(failure);
        }
        self.0.database.add_ready(tree)?;
        Ok(path)
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

    /// The right to make a tree's ready folder.
    pub(super) fn lock_ready(&self, tree: Digest) -> Result<KeyLock> {
        super::lock::hold(self.root(), &self.0.locks, &format!("ready-{tree}"))
    }

    /// Gives a folder the name of a tree's ready folder. Whoever calls this holds the lock of it.
    pub(super) fn name_ready(&self, from: &OwnedFd, name: &CStr, tree: Digest) -> std::io::Result<()> {
        let target = CString::new(tree.to_hex())?;
        // What is there was never finished.
        remove::remove(self.0.roots.as_fd(), &target)?;
        Ok(rustix::fs::renameat(from, name, &self.0.roots, target.as_c_str())?)
    }

    pub(super) fn is_ready(&self, tree: Digest) -> Result<bool> {
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
    pub(super) fn build(&self, dir: &OwnedFd, name: &str, folder: &Folder) -> Result<()> {
        let doing = || "make a ready folder".to_owned();
        lay::make_folder(dir, name).doing(doing)?;
        let root =
            beneath::open(dir.as_fd(), name.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY).doing(doing)?;
        self.lay(&root, &Folder::default(), folder)
    }
}
