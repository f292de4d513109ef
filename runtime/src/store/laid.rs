//! Folders laid out for one use, which may become ready folders.
//!
//! One lies in scratch and goes with it, changes from one tree to another by what differs, and can end as the
//! ready folder of the tree that it holds: then nothing is linked twice, nor removed. What it lies under is the
//! caller's matter; nobody may write to what is in it.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::Digest;
use rustix::fs::OFlags;

use super::batch::Placed;
use super::tree::Folder;
use super::{Realisation, Scratch, Store, beneath};
use crate::failure::{Doing, Result};

/// The name in the scratch folder.
const NAME: &str = "root";

/// A folder that holds a tree.
pub struct Laid {
    store: Store,
    scratch: Scratch,
    dir: OwnedFd,
    folder: Folder,
}

impl Store {
    /// Lays a tree out like a ready folder, in scratch. The blobs must be in the store.
    pub fn lay_out(&self, folder: Folder) -> Result<Laid> {
        let scratch = self.scratch("laid-out")?;
        let dir =
            beneath::open_folder(scratch.path()).doing(|| format!("open {}", scratch.path().display()))?;
        self.build(&dir, NAME, &folder)?;
        Ok(Laid { store: self.clone(), scratch, dir, folder })
    }
}

impl Laid {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join(NAME)
    }

    /// The tree that it holds.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Makes it hold another tree, whose blobs are in the store. Nothing may be mounted over it.
    pub fn change(&mut self, to: Folder) -> Result<()> {
        let doing = || format!("open {}", self.scratch.path().join(NAME).display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let root = beneath::open(self.dir.as_fd(), NAME.as_bytes(), flags).doing(doing)?;
        self.store.lay(&root, &self.folder, &to)?;
        self.folder = to;
        Ok(())
    }

    /// Records what was placed, and becomes the ready folder of the tree that it holds, which has this digest.
    pub fn keep(
        self,
        tree: Digest,
        placed: Placed,
        realisations: &[(DerivationId, Realisation)],
    ) -> Result<()> {
        let store = &self.store;
        let doing = || format!("make the ready folder of {tree}");
        let _lock = store.lock_ready(tree)?;
        if store.is_ready(tree)? {
            return placed.record(realisations);
        }
        let name = CString::new(NAME).map_err(std::io::Error::from).doing(doing)?;
        store.name_ready(&self.dir, &name, tree).doing(doing)?;
        // One wait for the disk makes the blobs last and the folder.
        placed.sync()?.record(realisations)?;
        store.0.database.add_ready(tree)
    }
}
