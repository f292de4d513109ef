//! Blobs: finding, trusting and reading the files under `objects/`.
//!
//! A blob is trusted when a committed record names it and its file has the recorded size.
//! A file without a record is what a crash left behind: it is hashed before it is believed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rbld_lang::digest::Digest;
use rustix::fs::{AtFlags, FileType, OFlags, Stat};
use sha2::{Digest as _, Sha256};

use super::{Blob, Store, beneath};
use crate::failure::{Doing, Failure, Result};

/// Where a blob lies under `objects/`: the layout of a Git-LFS object folder.
pub(super) fn place(digest: Digest) -> String {
    let hex = digest.to_hex();
    format!("{}/{}/{hex}", &hex[..2], &hex[2..4])
}

/// Hashes a file from where it stands to its end.
pub(super) fn hash(file: &mut impl Read) -> io::Result<Blob> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 17];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Blob { digest: Digest::from_bytes(hasher.finalize().into()), size })
}

impl Store {
    /// Where a blob's file is, or would be.
    pub fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root().join("objects").join(place(digest))
    }

    /// Whether the store has these bytes. A file that no committed record names is hashed, and then recorded;
    /// a recorded one whose file is missing or of another size is forgotten with all that was made of it.
    pub fn has_blob(&self, digest: Digest) -> Result<bool> {
        match self.0.database.blob(digest)? {
            None => self.trust(digest),
            Some(size) if self.blob_size(digest)? == Some(size) => Ok(true),
            Some(_) => {
                self.forget(digest)?;
                Ok(false)
            }
        }
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, digest: Digest) -> Result<File> {
        if !self.has_blob(digest)? {
            return Err(self.absent(digest));
        }
        let doing = || format!("open {}", self.blob_path(digest).display());
        self.open_object(digest).doing(doing)
    }

    /// The bytes of a blob of at most `limit` bytes, hashed while read.
    pub fn read_blob(&self, digest: Digest, limit: u64) -> Result<Vec<u8>> {
        let doing = || format!("read {}", self.blob_path(digest).display());
        let mut bytes = Vec::new();
        self.open_blob(digest)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).doing(doing)?;
        if bytes.len() as u64 > limit {
            let message = format!("the blob {digest} is greater than the {limit} bytes expected of it");
            return Err(Failure::world(message));
        }
        if Digest::of(&bytes) != digest {
            return Err(damaged(digest));
        }
        Ok(bytes)
    }

    /// Where a blob's file is; `None` if not even its folder is there. No link on the way is followed.
    pub(super) fn spot(&self, digest: Digest) -> io::Result<Option<Spot>> {
        let name = digest.to_hex();
        let folder = format!("{}/{}", &name[..2], &name[2..4]);
        match beneath::open(self.0.objects.as_fd(), folder.as_bytes(), OFlags::PATH | OFlags::DIRECTORY) {
            Ok(dir) => Ok(Some(Spot { dir, name })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a blob's file, whatever it holds.
    pub(super) fn open_object(&self, digest: Digest) -> io::Result<File> {
        let spot = self.spot(digest)?.ok_or(rustix::io::Errno::NOENT)?;
        Ok(File::from(beneath::open(
            spot.dir.as_fd(),
            spot.name.as_bytes(),
            OFlags::RDONLY | OFlags::NONBLOCK,
        )?))
    }

    /// The size of a blob's file; `None` if there is no regular file.
    fn blob_size(&self, digest: Digest) -> Result<Option<u64>> {
        let stat = self.spot(digest).and_then(|spot| spot.map_or(Ok(None), |spot| spot.stat()));
        let stat = stat.doing(|| format!("look at {}", self.blob_path(digest).display()))?;
        Ok(stat.and_then(|stat| u64::try_from(stat.st_size).ok()))
    }

    /// Hashes a blob that no record names; records it, or removes it if it isn't what its name says.
    fn trust(&self, digest: Digest) -> Result<bool> {
        if self.blob_size(digest)?.is_none() {
            return Ok(false);
        }
        let doing = || format!("check {}", self.blob_path(digest).display());
        let mut file = match self.open_object(digest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.doing(doing)?,
        };
        let found = hash(&mut file).doing(doing)?;
        if found.digest != digest {
            if let Some(spot) = self.spot(digest).doing(doing)? {
                spot.remove().doing(doing)?;
            }
            return Ok(false);
        }
        rustix::fs::fsync(&file).doing(doing)?;
        self.0.database.add_blob(digest, found.size)?;
        Ok(true)
    }

    /// What a caller is told who needs a blob that isn't there.
    pub(super) fn absent(&self, digest: Digest) -> Failure {
        Failure::world(format!("the store has no blob {digest}"))
            .fact(format!("looked for {}", self.blob_path(digest).display()))
            .help("run the same command again: what is missing is made or fetched anew")
    }
}

/// A blob whose bytes aren't those its name says.
pub(super) fn damaged(digest: Digest) -> Failure {
    Failure::world(format!("the blob {digest} in the store is damaged"))
        .fact("its bytes have another sha256")
        .help("`rbld store repair` moves damaged blobs away, so that they are made or fetched anew")
}

/// The folder of a blob's file, opened, and the file's name.
pub(super) struct Spot {
    pub(super) dir: OwnedFd,
    pub(super) name: String,
}

impl Spot {
    /// The file, if it is a regular one.
    pub(super) fn stat(&self) -> io::Result<Option<Stat>> {
        match beneath::stat(self.dir.as_fd(), self.name.as_str()) {
            Ok(stat) => {
                Ok(Some(stat).filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.dir, self.name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
