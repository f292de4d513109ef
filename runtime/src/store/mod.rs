//! The content-addressed store: blobs by digest, trees of them, and what each key gave.
//!
//! A [`Store`] is one folder that several threads and processes use at once. Bytes enter
//! through a [`Batch`], which names them all at once or not at all; nothing that no
//! committed record names is trusted before it was hashed again. The store doesn't know
//! what a key means, nor where bytes come from. The chapter `spec/08-store.md` tells the layout.

mod batch;
pub(crate) mod beneath;
mod blob;
mod closure;
mod database;
mod directory;
mod gc;
mod import;
mod laid;
mod lay;
mod lock;
pub(crate) mod parallel;
mod place;
mod ready;
mod remove;
mod reserve;
mod rows;
mod scratch;
#[cfg(test)]
mod tests;
pub mod tree;
mod usage;
mod verify;
mod writer;

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::Digest;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

pub use batch::{Batch, Placed, Take};
pub use gc::{Collect, Removed};
pub use laid::Laid;
pub use lock::KeyLock;
pub use scratch::Scratch;
pub use usage::{Amount, Usage};
pub use verify::{Damage, Verified, Watch};
pub use writer::BlobWriter;

use crate::failure::{Doing, Failure, Result};

/// A handle to the store; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    root: PathBuf,
    objects: OwnedFd,
    roots: OwnedFd,
    locks: Arc<OwnedFd>,
    scratch: Arc<OwnedFd>,
    session: Mutex<Option<Arc<scratch::Session>>>,
    database: database::Database,
    /// Held shared while the store is open: what removes things holds it alone.
    presence: OwnedFd,
}

/// Bytes in the store, or in a batch on their way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blob {
    /// Their sha256.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

/// What an output is: one file, or a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Object {
    /// One file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// How many bytes.
        size: u64,
        /// Whether it may be run.
        executable: bool,
    },
    /// A folder with all beneath it.
    Tree {
        /// The digest of its `Directory` message.
        digest: Digest,
        /// How many bytes the message has.
        size: u64,
    },
}

impl Object {
    /// The digest of the file's bytes or of the folder's message.
    pub fn digest(&self) -> Digest {
        match self {
            Object::File { digest, .. } | Object::Tree { digest, .. } => *digest,
        }
    }

    /// The size of the file or of the folder's message, in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Object::File { size, .. } | Object::Tree { size, .. } => *size,
        }
    }
}

/// What a resolved derivation gave, and how it was made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Realisation {
    /// The digest of the key action.
    pub key: Digest,
    /// The outputs by name.
    pub outputs: BTreeMap<String, Object>,
    /// How it was made: facts for reports, none of which is part of the key.
    pub facts: BTreeMap<String, String>,
}

/// A path that the environment holds.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
}

/// The user's folder for what can be made again.
pub fn cache_folder() -> Option<PathBuf> {
    // The XDG specification: a relative path is to be ignored.
    let cache = named("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    cache.or_else(|| named("HOME").map(|home| home.join(".cache")))
}

impl Store {
    /// Opens the store at `root`, making it if there is none; removes scratch of dead processes.
    pub fn open(root: &Path) -> Result<Store> {
        let doing = || format!("open the store at `{}`", root.display());
        let root = std::path::absolute(root).doing(doing)?;
        make_root(&root).doing(doing)?;
        let root = std::fs::canonicalize(&root).doing(doing)?;
        let dir = beneath::open_folder(&root).doing(doing)?;
        refuse_stranger(&root, &rustix::fs::fstat(&dir).doing(doing)?)?;
        if !root.join("database").exists() {
            refuse_other_use(&root, &dir)?;
        }
        let folder = |name: &CStr| folder(&dir, name).doing(doing);
        let objects = folder(c"objects")?;
        let roots = folder(c"roots")?;
        let locks = Arc::new(folder(c"locks")?);
        let scratch = Arc::new(folder(c"scratch")?);
        folder(c"logs")?;
        let presence = presence(&dir).doing(doing)?;
        let database = database::Database::open(&root.join("database"), || {
            let lock = lock::hold(&root, &locks, "schema")?;
            found(&root, &scratch)?;
            Ok(lock)
        })?;
        let session = Mutex::new(None);
        let inner = Inner { root, objects, roots, locks, scratch, session, database, presence };
        scratch::remove_dead(&inner)?;
        Ok(Store(Arc::new(inner)))
    }

    /// Where the user's store is: `$RBLD_STORE`, else `rbld` in the user's cache folder.
    pub fn default_root() -> Result<PathBuf> {
        if let Some(root) = named("RBLD_STORE") {
            return Ok(root);
        }
        cache_folder().map(|cache| cache.join("rbld")).ok_or_else(|| {
            Failure::input("no folder for the store: neither RBLD_STORE nor XDG_CACHE_HOME nor HOME is set")
                .help("set RBLD_STORE to a folder of yours")
        })
    }

    /// The store's folder, absolute and without links.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// What a key gave; `None` also if an output's object is gone.
    pub fn realisation(&self, key: Digest) -> Result<Option<Realisation>> {
        let Some(realisation) = self.0.database.realisation(key)? else { return Ok(None) };
        for object in realisation.outputs.values() {
            if !self.has_blob(object.digest())? {
                return Ok(None);
            }
        }
        Ok(Some(realisation))
    }

    /// The key that a derivation was last resolved to.
    pub fn key_of(&self, id: DerivationId) -> Result<Option<Digest>> {
        self.0.database.key_of(id)
    }

    /// Remembers the key that a derivation was resolved to.
    pub fn record(&self, id: DerivationId, key: Digest) -> Result<()> {
        if self.0.database.key_of(id)? == Some(key) {
            return Ok(());
        }
        self.0.database.record(id, key)
    }

    /// Where the last log of a derivation is, or will be.
    pub fn log_path(&self, id: DerivationId) -> PathBuf {
        self.0.root.join("logs").join(id.0.to_hex())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Losing a note of use means an earlier garbage collection at worst.
        let _ = self.database.write_uses();
    }
}

/// Makes the store's folder, private to the user; its parents as usual.
fn make_root(root: &Path) -> std::io::Result<()> {
    if let Some(parent) = root.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match rustix::fs::mkdir(root, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What a store's folder holds, and what a disk's own folder may.
const NAMES: [&str; 9] =
    ["CACHEDIR.TAG", "damaged", "locks", "logs", "lost+found", "objects", "presence", "reserve", "roots"];

/// A folder that serves for something else isn't made a store: cleaning it would remove what isn't ours.
fn refuse_other_use(root: &Path, dir: &OwnedFd) -> Result<()> {
    for (name, _) in beneath::list(dir.as_fd()).doing(|| format!("read {}", root.display()))? {
        let name = name.to_string_lossy();
        if !NAMES.contains(&name.as_ref()) && name != "scratch" && !name.starts_with("database") {
            return Err(Failure::input(format!("`{}` is neither a store nor empty", root.display()))
                .fact(format!("it has `{name}`"))
                .help("set RBLD_STORE to a folder of its own"));
        }
    }
    Ok(())
}

/// What a store gets once: the mark for backup programs, room for bad times, and a look at what its disk can do.
fn found(root: &Path, scratch: &OwnedFd) -> Result<()> {
    let doing = || format!("make the store at `{}`", root.display());
    // Backup programs leave out a folder with this file.
    let tag =
        "Signature: 8a477f597d28d172789f06886806bc55\n# The store of rbld: all of it can be made again.\n";
    std::fs::write(root.join("CACHEDIR.TAG"), tag).doing(doing)?;
    reserve::save(root).doing(doing)?;
    let name = format!("try.{}", std::process::id());
    let tried = try_disk(scratch, &name);
    let _ = rustix::fs::unlinkat(scratch, name.as_str(), rustix::fs::AtFlags::empty());
    if tried.doing(doing)? {
        return Ok(());
    }
    Err(Failure::world(format!("the disk of `{}` can't hold a store", root.display()))
        .fact("it keeps no modes or no symbolic links")
        .help("set RBLD_STORE to a folder on a Linux file system"))
}

/// Whether a file keeps the mode it is given, and a link its target.
fn try_disk(dir: &OwnedFd, name: &str) -> std::io::Result<bool> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?;
    for mode in [beneath::EXECUTABLE_MODE, beneath::FILE_MODE] {
        let set = rustix::fs::fchmod(&file, Mode::from_raw_mode(mode));
        if set.is_err() || rustix::fs::fstat(&file)?.st_mode & 0o7777 != mode {
            return Ok(false);
        }
    }
    // Another process that opens the store at this moment may have cleared it away as a dead one's.
    gone(rustix::fs::unlinkat(dir, name, rustix::fs::AtFlags::empty()))?;
    Ok(rustix::fs::symlinkat("target", dir, name).is_ok())
}

/// A removal's result, where somebody else may have been first.
fn gone(removed: rustix::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// Hard links and locks need one owner: a store of somebody else would be half used and half not.
fn refuse_stranger(root: &Path, stat: &rustix::fs::Stat) -> Result<()> {
    let me = rustix::process::geteuid().as_raw();
    if stat.st_uid == me {
        return Ok(());
    }
    Err(Failure::world(format!("the store at `{}` belongs to another user", root.display()))
        .fact(format!("its owner is uid {}, this process is uid {me}", stat.st_uid))
        .help("set RBLD_STORE to a folder of yours, or run rbld as that user"))
}

fn folder(dir: &OwnedFd, name: &CStr) -> std::io::Result<OwnedFd> {
    let open = || beneath::open(dir.as_fd(), name.to_bytes(), OFlags::RDONLY | OFlags::DIRECTORY);
    match open() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        other => return other,
    }
    match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => open(),
        Err(error) => Err(error.into()),
    }
}

/// Says that somebody uses the store; waits while somebody removes things from it.
fn presence(dir: &OwnedFd) -> std::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(dir, c"presence", flags, Mode::from_raw_mode(0o644))?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::LockShared) {
            Ok(()) => return Ok(file),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
