//! Batches: how bytes enter the store, all at once or not at all.
//!
//! What is written lies under temporary names in this process's scratch until the batch is
//! committed: then all files get their names, their bytes are made to last, and one
//! transaction names them together with what they realise. A batch that is dropped leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::Digest;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::scratch::Session;
use super::{Blob, Realisation, Store, beneath, blob, parallel};
use crate::failure::{Doing, Failure, Result};

/// A file up to this size is read whole and hashed before anything is written.
pub(super) const SMALL: u64 = 1 << 20;

/// Up to this many new files are made to last one by one; more of them, by one `syncfs`.
const FEW: usize = 16;

/// Bytes on their way into the store; several threads may add to it.
pub struct Batch(pub(super) Arc<Shared>);

pub(super) struct Shared {
    store: Store,
    pub(super) session: Arc<Session>,
    staged: Mutex<Staged>,
    /// Held while files get their names.
    placing: Mutex<()>,
}

#[derive(Default)]
struct Staged {
    /// The temporary names of what is new.
    blobs: BTreeMap<Digest, Temporary>,
    /// What has its name already.
    placed: BTreeSet<Digest>,
    /// Set by the commit: whatever comes later would be lost.
    closed: bool,
}

struct Temporary {
    name: String,
    size: u64,
}

/// A batch whose files have their names, but may still be lost with the machine: nothing names them yet.
pub struct Placed {
    shared: Arc<Shared>,
    named: Vec<(Digest, u64)>,
    /// Whether the bytes were made to last already.
    lasts: bool,
}

/// Whether a file that enters is copied or taken itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The original stays as it is.
    Copy,
    /// The file itself becomes the blob where that is possible; nobody may write to it afterwards.
    Adopt,
}

impl Store {
    /// Begins a batch.
    pub fn batch(&self) -> Result<Batch> {
        let session = self.session()?;
        Ok(Batch(Arc::new(Shared {
            store: self.clone(),
            session,
            staged: Mutex::default(),
            placing: Mutex::default(),
        })))
    }
}

impl Batch {
    /// The store this batch is for.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Adds bytes, as a file that isn't executable.
    pub fn bytes(&self, bytes: &[u8]) -> Result<Blob> {
        self.0.bytes(bytes, false)
    }

    /// Adds a copy of a file (sharing its blocks where the file system can). A symbolic link is refused.
    pub fn file(&self, path: &Path, executable: bool) -> Result<Blob> {
        self.path(path, executable, Take::Copy)
    }

    /// Adds a file by taking it: it is hashed, then moved if it isn't in the store yet. A file that can't be
    /// moved (another owner or file system, several links, extended attributes) is copied. A symbolic link
    /// is refused.
    pub fn adopt(&self, path: &Path, executable: bool) -> Result<Blob> {
        self.path(path, executable, Take::Adopt)
    }

    /// The bytes of a blob of this batch or of the store, of at most `limit` bytes.
    pub fn read(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        if !self.0.staged().has(digest) {
            return self.0.store.read_blob(digest, limit);
        }
        let doing = || format!("read what goes into the store as {digest}");
        let mut bytes = Vec::new();
        self.open(digest)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).doing(doing)?;
        match bytes.len() as u64 > limit {
            false => Ok(bytes),
            true => Err(Failure::world(format!(
                "the blob {digest} is greater than the {limit} bytes expected of it"
            ))),
        }
    }

    /// Opens a blob of this batch or of the store for reading.
    pub fn open(&self, digest: Digest) -> Result<File> {
        let (name, placed) = {
            let staged = self.0.staged();
            let name = staged.blobs.get(&digest).map(|temporary| temporary.name.clone());
            (name, staged.placed.contains(&digest))
        };
        if let Some(name) = name {
            match beneath::open(self.0.session.dir.as_fd(), name.as_bytes(), OFlags::RDONLY) {
                Ok(file) => return Ok(File::from(file)),
                // It got its name after this one was looked up.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error)
                        .doing(|| format!("read {}", self.0.session.path.join(&name).display()));
                }
            }
        } else if !placed {
            return self.0.store.open_blob(digest);
        }
        let opened = self.0.store.open_object(digest).or_else(|_| {
            // It may be getting its name at this moment.
            let _placing = self.0.placing.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.store.open_object(digest)
        });
        opened.doing(|| format!("open {}", self.0.store.blob_path(digest).display()))
    }

    fn path(&self, path: &Path, executable: bool, take: Take) -> Result<Blob> {
        let doing = || format!("take `{}` into the store", path.display());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).doing(doing)?;
        let stat = rustix::fs::fstat(&file).doing(doing)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Failure::world(format!("`{}` isn't a file", path.display())));
        }
        let source = Source { dir: rustix::fs::CWD, path: path.as_os_str().as_encoded_bytes(), stat: &stat };
        self.take(File::from(file), executable, take, &source)
    }

    /// Adds a file that was opened.
    pub(super) fn take(
        &self,
        mut file: File,
        executable: bool,
        take: Take,
        source: &Source<'_>,
    ) -> Result<Blob> {
        match take {
            Take::Copy => self.0.copy(&mut file, executable, source),
            Take::Adopt => self.0.adopt(file, executable, source),
        }
    }

    /// Names everything: files get their names, their bytes are made to last, then one transaction records the
    /// blobs, the realisations and the keys of their derivations.
    pub fn commit(self, realisations: &[(DerivationId, Realisation)]) -> Result<()> {
        self.place()?.record(realisations)
    }

    /// Gives the files their names. Folders can be laid out of them; all else waits for [`Placed::record`].
    pub fn place(self) -> Result<Placed> {
        self.0.staged().closed = true;
        self.place_some()
    }

    /// The same of what was added so far; more may be added meanwhile and later. Nothing may name these files before
    /// they are recorded but what the batch itself records.
    pub fn place_some(&self) -> Result<Placed> {
        let shared = &self.0;
        let _placing = shared.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let blobs: Vec<(Digest, Temporary)> = {
            let mut staged = shared.staged();
            let blobs = std::mem::take(&mut staged.blobs);
            staged.placed.extend(blobs.keys());
            blobs.into_iter().collect()
        };
        let result = shared.place(&blobs);
        if result.is_err() {
            for (_, temporary) in &blobs {
                shared.discard(&temporary.name);
            }
        }
        let lasts = result?;
        let named = blobs.iter().map(|(digest, temporary)| (*digest, temporary.size)).collect();
        Ok(Placed { shared: self.0.clone(), named, lasts })
    }
}

impl Placed {
    /// Makes everything on the store's file system last.
    pub(super) fn sync(self) -> Result<Placed> {
        let store = &self.shared.store;
        rustix::fs::syncfs(&store.0.objects)
            .doing(|| format!("write to the store `{}`", store.root().display()))?;
        Ok(Placed { lasts: true, ..self })
    }

    /// Makes the bytes last, then records the blobs, the realisations and the keys of their derivations.
    pub fn record(self, realisations: &[(DerivationId, Realisation)]) -> Result<()> {
        let placed = if self.lasts { self } else { self.sync()? };
        let store = &placed.shared.store;
        match store.0.database.commit(&placed.named, realisations)? {
            None => Ok(()),
            Some((key, output)) => {
                Err(Failure::bug(format!("the output `{output}` of key {key} was realised but never stored")))
            }
        }
    }
}

/// Where an opened file was found, and what it was then.
pub(super) struct Source<'a> {
    pub(super) dir: BorrowedFd<'a>,
    pub(super) path: &'a [u8],
    pub(super) stat: &'a Stat,
}

impl Source<'_> {
    fn shown(&self) -> String {
        String::from_utf8_lossy(self.path).into_owned()
    }
}

impl Staged {
    fn has(&self, digest: Digest) -> bool {
        self.blobs.contains_key(&digest) || self.placed.contains(&digest)
    }
}

impl Shared {
    fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether these bytes are in the batch or the store already.
    pub(super) fn known(&self, digest: Digest) -> Result<bool> {
        if self.staged().has(digest) {
            return Ok(true);
        }
        self.store.has_blob(digest)
    }

    pub(super) fn create(&self) -> Result<(File, String)> {
        let name = self.session.name("blob");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.session.dir, name.as_str(), flags, Mode::from_raw_mode(0o600))
            .doing(|| format!("make a file in {}", self.session.path.display()))?;
        Ok((File::from(file), name))
    }

    pub(super) fn discard(&self, name: &str) {
        // What stays is removed with the session.
        let _ = rustix::fs::unlinkat(&self.session.dir, name, AtFlags::empty());
    }

    /// Writes a temporary file by `fill`, which says what it wrote; removes it again on a failure.
    fn write(&self, executable: bool, fill: impl FnOnce(&mut File) -> Result<Blob>) -> Result<Blob> {
        let (mut file, name) = self.create()?;
        let written = fill(&mut file).and_then(|blob| {
            finish(file.as_fd(), executable)
                .doing(|| format!("write {}", self.session.path.join(&name).display()))?;
            Ok(blob)
        });
        match written {
            Ok(blob) => self.stage(blob, name),
            Err(failure) => {
                self.discard(&name);
                Err(failure)
            }
        }
    }

    /// Puts a finished temporary file into the batch; a second one with equal bytes is removed.
    pub(super) fn stage(&self, blob: Blob, name: String) -> Result<Blob> {
        let mut staged = self.staged();
        if staged.closed {
            drop(staged);
            self.discard(&name);
            return Err(Failure::bug("bytes were added to a batch after its commit"));
        }
        if staged.has(blob.digest) {
            drop(staged);
            self.discard(&name);
            return Ok(blob);
        }
        staged.blobs.insert(blob.digest, Temporary { name, size: blob.size });
        Ok(blob)
    }

    fn bytes(&self, bytes: &[u8], executable: bool) -> Result<Blob> {
        self.hashed(Blob { digest: Digest::of(bytes), size: bytes.len() as u64 }, bytes, executable)
    }

    pub(super) fn hashed(&self, blob: Blob, bytes: &[u8], executable: bool) -> Result<Blob> {
        if self.known(blob.digest)? {
            return Ok(blob);
        }
        self.write(executable, |file| {
            file.write_all(bytes).doing(|| format!("write {} bytes into the store", bytes.len()))?;
            Ok(blob)
        })
    }

    fn copy(&self, file: &mut File, executable: bool, source: &Source<'_>) -> Result<Blob> {
        let doing = || format!("copy `{}` into the store", source.shown());
        let mut head =
            Vec::with_capacity(usize::try_from(source.stat.st_size).unwrap_or(0).min(SMALL as usize) + 1);
        if source.stat.st_size <= SMALL as i64 {
            file.take(SMALL + 1).read_to_end(&mut head).doing(doing)?;
            if head.len() as u64 <= SMALL {
                return self.bytes(&head, executable);
            }
        }
        // Large, or grown since it was looked at. Bytes that were read are written from memory.
        let blob = self.write(executable, |new| {
            if head.is_empty() && rustix::fs::ioctl_ficlone(&*new, &*file).is_ok() {
                return blob::hash(new).doing(doing);
            }
            let mut hasher = Hashing { inner: new, hasher: Sha256::new(), size: 0 };
            hasher.write_all(&head).doing(doing)?;
            pump(file, &mut hasher).doing(doing)?;
            Ok(hasher.blob())
        })?;
        self.drop_if_stored(blob)
    }

    /// Takes back a file that turned out to be in the store already.
    fn drop_if_stored(&self, blob: Blob) -> Result<Blob> {
        if self.store.has_blob(blob.digest)? {
            let temporary = self.staged().blobs.remove(&blob.digest);
            if let Some(temporary) = temporary {
                self.discard(&temporary.name);
            }
        }
        Ok(blob)
    }

    fn adopt(&self, mut file: File, executable: bool, source: &Source<'_>) -> Result<Blob> {
        let doing = || format!("take `{}` into the store", source.shown());
        let ours = source.stat.st_uid == rustix::process::geteuid().as_raw();
        if !ours || source.stat.st_nlink != 1 || !beneath::attributes(file.as_fd()).doing(doing)?.is_empty() {
            return self.copy(&mut file, executable, source);
        }
        let blob = blob::hash(&mut file).doing(doing)?;
        if self.known(blob.digest)? {
            return Ok(blob);
        }
        let name = self.session.name("blob");
        match rustix::fs::renameat(source.dir, source.path, &self.session.dir, name.as_str()) {
            Ok(()) => {}
            // Another file system, or a folder that isn't ours.
            Err(Errno::XDEV | Errno::ACCESS | Errno::PERM) => {
                file.rewind().doing(doing)?;
                return self.copy(&mut file, executable, source);
            }
            Err(error) => return Err(error).doing(doing),
        }
        let moved = beneath::stat(self.session.dir.as_fd(), name.as_str()).doing(doing)?;
        if moved.st_ino != source.stat.st_ino {
            self.discard(&name);
            return Err(Failure::world(format!("`{}` was exchanged while it was read", source.shown())));
        }
        finish(file.as_fd(), executable).doing(doing)?;
        self.stage(blob, name)
    }

    /// Gives the files their names in the store; few files are made to last at once, and then it says so.
    fn place(&self, blobs: &[(Digest, Temporary)]) -> Result<bool> {
        let doing = || format!("write to the store `{}`", self.store.root().display());
        if blobs.len() <= FEW {
            parallel::each_waiting(blobs, |(_, temporary)| {
                let path = temporary.name.as_bytes();
                let file = beneath::open(self.session.dir.as_fd(), path, OFlags::RDONLY).doing(doing)?;
                rustix::fs::fsync(file).doing(doing)
            })?;
        }
        // Those that begin alike share a folder, which is opened once.
        let shelves: Vec<&[(Digest, Temporary)]> =
            blobs.chunk_by(|(one, _), (other, _)| one.as_bytes()[0] == other.as_bytes()[0]).collect();
        parallel::each(&shelves, |shelf| self.fill(shelf).doing(doing))?;
        Ok(blobs.len() <= FEW)
    }
}

impl Shared {
    /// Renames files to `ab/cd/<sha256>`, all with the same first byte, making folders that are missing; follows no link.
    fn fill(&self, shelf: &[(Digest, Temporary)]) -> io::Result<()> {
        let Some((first, _)) = shelf.first() else { return Ok(()) };
        let objects = self.store.0.objects.as_fd();
        let above = blob::place(*first)[..2].to_owned();
        make(objects, &above)?;
        let above = beneath::open(objects, above.as_bytes(), OFlags::PATH | OFlags::DIRECTORY)?;
        for (digest, temporary) in shelf {
            let place = blob::place(*digest);
            let (folder, name) = (&place[3..5], &place[6..]);
            // A folder that was made just now is no link.
            if make(above.as_fd(), folder)? {
                rustix::fs::renameat(&self.session.dir, &temporary.name, &above, &place[3..])?;
                continue;
            }
            let dir = beneath::open(above.as_fd(), folder.as_bytes(), OFlags::PATH | OFlags::DIRECTORY)?;
            rustix::fs::renameat(&self.session.dir, &temporary.name, &dir, name)?;
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let blobs = std::mem::take(&mut self.staged().blobs);
        for temporary in blobs.values() {
            self.discard(&temporary.name);
        }
    }
}

/// The mode and time that every blob has.
pub(super) fn finish(file: BorrowedFd<'_>, executable: bool) -> io::Result<()> {
    rustix::fs::fchmod(file, beneath::mode_of(executable))?;
    Ok(rustix::fs::futimens(file, &beneath::fixed_times())?)
}

/// Makes a folder; false if there is something of that name.
fn make(dir: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Moves all bytes from one to the other.
fn pump(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0u8; 1 << 17];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

struct Hashing<'a> {
    inner: &'a mut File,
    hasher: Sha256,
    size: u64,
}

impl Hashing<'_> {
    fn blob(self) -> Blob {
        Blob { digest: Digest::from_bytes(self.hasher.finalize().into()), size: self.size }
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
