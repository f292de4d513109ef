//! Writing a vendored folder: files under their digests, then the manifest, then what no manifest names any more.
//!
//! A file has its name only when it is whole. A run that is killed leaves the old manifest and some files more; the
//! next one goes on from there. Two runs at once wait for each other.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rbld_lang::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::Contents;
use crate::failure::{Doing, Failure, Result};
use crate::fetch::guix::nar;
use crate::fetch::vendored::manifest::{self, Manifest};
use crate::progress::{Step, Task};
use crate::schedule::{World, node};
use crate::store::tree::{self, Node};

/// How the names of files begin that aren't whole yet.
const TEMPORARY: &str = ".rbld.vendor.";

/// How many files are written at once.
const AT_ONCE: usize = 3;

/// What was done to the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Files that are new, and their bytes.
    pub new: (u64, u64),
    /// Files that weren't what their names say, and were written again.
    pub mended: u64,
    /// Files that no manifest names any more.
    pub removed: u64,
}

/// Makes the folder hold exactly these blobs of the store for this manifest, and what others put there.
pub(super) fn write(
    world: &World,
    folder: &Path,
    manifest: &Manifest,
    contents: &Contents,
) -> Result<Written> {
    let blobs = &contents.blobs;
    std::fs::create_dir_all(folder).doing(|| format!("make the folder `{}`", folder.display()))?;
    let dir = File::open(folder).doing(|| format!("open `{}`", folder.display()))?;
    lock(&dir, folder)?;
    refuse_other_use(folder)?;
    let before = old(folder);
    let task = world.progress.begin(Step::Write, &folder.display().to_string());
    task.expect(blobs.values().sum());
    let mut written = put_all(world, folder, contents, &task)?;
    rustix::fs::syncfs(&dir).doing(|| format!("write `{}`", folder.display()))?;
    place(folder, Path::new(manifest::NAME), |file| file.write_all(manifest.print().as_bytes()))
        .doing(|| format!("write `{}`", folder.join(manifest::NAME).display()))?;
    rustix::fs::fsync(&dir).doing(|| format!("write `{}`", folder.display()))?;
    for digest in before.iter().filter(|digest| !blobs.contains_key(digest)) {
        // One that somebody else removed, or may not be removed, does no harm.
        written.removed += u64::from(std::fs::remove_file(folder.join(below(*digest))).is_ok());
    }
    task.done("");
    Ok(written)
}

/// Waits until no other run writes here.
fn lock(dir: &File, folder: &Path) -> Result<()> {
    loop {
        match rustix::fs::flock(dir.as_fd(), rustix::fs::FlockOperation::LockExclusive) {
            Err(rustix::io::Errno::INTR) => {}
            // A file system that knows no locks: two runs at once write the same files twice, at worst.
            Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK) => return Ok(()),
            other => return other.doing(|| format!("lock `{}`", folder.display())),
        }
    }
}

/// A folder that serves for something else isn't written to; leftovers of a killed run go.
fn refuse_other_use(folder: &Path) -> Result<()> {
    let doing = || format!("read `{}`", folder.display());
    let ours = folder.join(manifest::NAME).is_file();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).doing(doing)? {
        names.push(entry.doing(doing)?.file_name());
    }
    names.sort();
    for name in &names {
        let path = folder.join(name);
        let name = name.to_string_lossy();
        if name.starts_with(TEMPORARY) {
            let _ = std::fs::remove_file(path);
        } else if !ours && name != "objects" {
            return Err(Failure::input(format!(
                "`{}` is neither empty nor a vendored folder",
                folder.display()
            ))
            .fact(format!("it has `{name}`, and no `{}`", manifest::NAME))
            .help("name a folder of its own, such as `vendor`"));
        }
    }
    Ok(())
}

/// What the last manifest led to: only that may be removed.
fn old(folder: &Path) -> BTreeSet<Digest> {
    let mut old = BTreeSet::new();
    let text = bounded(&folder.join(manifest::NAME), manifest::LIMIT)
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(manifest) = text.and_then(|text| Manifest::parse(&text).ok()) else { return old };
    old.extend(manifest.files.iter().map(|row| row.digest));
    old.extend(manifest.proofs.iter().map(|row| row.digest));
    old.extend(manifest.releases.iter().map(|row| row.digest));
    let message = |digest: Digest| {
        let bytes = bounded(&folder.join(below(digest)), tree::MESSAGE_LIMIT);
        bytes
            .filter(|bytes| Digest::of(bytes) == digest)
            .ok_or_else(|| Failure::world(format!("the folder lacks {digest}")))
    };
    for row in &manifest.commits {
        if let Ok(tree) = tree::read_by(row.tree, &message) {
            old.extend(tree.blobs().into_keys());
        }
    }
    old
}

fn bounded(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let facts = std::fs::metadata(path).ok().filter(|facts| facts.is_file() && facts.len() <= limit)?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(facts.len()).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Where a blob lies in the folder.
fn below(digest: Digest) -> PathBuf {
    let hex = digest.to_hex();
    PathBuf::from(format!("objects/{}/{}/{hex}", &hex[..2], &hex[2..4]))
}

fn put_all(world: &World, folder: &Path, contents: &Contents, task: &Task) -> Result<Written> {
    let all: Vec<(Digest, u64)> = contents.blobs.iter().map(|(digest, size)| (*digest, *size)).collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Result<Written>> = Mutex::new(Ok(Written::default()));
    let take = || {
        while let Some((digest, size)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let put = match world.cancel.is_set() {
                true => Err(node::interrupted(world)),
                false => put(world, folder, *digest, *size, contents.nars.get(digest)),
            };
            task.advance(*size);
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match (&mut *done, put) {
                (Ok(written), Ok(state)) => {
                    written.mended += u64::from(state == State::Mended);
                    if state != State::There {
                        written.new = (written.new.0 + 1, written.new.1 + size);
                    }
                }
                (done @ Ok(_), Err(failure)) => {
                    *done = Err(failure);
                    next.store(all.len(), Ordering::Relaxed);
                }
                (Err(_), _) => {}
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(all.len()) {
            scope.spawn(take);
        }
        take();
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    New,
    Mended,
}

/// Writes one blob, unless it is there: what is there is hashed, not believed.
fn put(world: &World, folder: &Path, digest: Digest, size: u64, nar: Option<&Node>) -> Result<State> {
    let path = folder.join(below(digest));
    let there = match std::fs::symlink_metadata(&path) {
        Ok(facts) if facts.is_dir() => {
            return Err(Failure::world(format!("`{}` is a folder", path.display()))
                .help("take it away: a file belongs there"));
        }
        Ok(facts) if facts.is_file() && facts.len() == size => {
            if digest_of(&path).is_ok_and(|found| found == digest) {
                return Ok(State::There);
            }
            true
        }
        other => other.is_ok(),
    };
    let doing = || format!("write `{}`", path.display());
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above).doing(doing)?;
    }
    let mut found = None;
    place(folder, &below(digest), |file| {
        let mut hashing = Hashing { to: file, hasher: Sha256::new() };
        match nar {
            Some(node) => {
                let mut buffered = BufWriter::with_capacity(1 << 17, &mut hashing);
                nar::pack(node, &|digest| world.store.open_blob(digest), &mut buffered)?;
                buffered.flush()?;
            }
            None => {
                let mut from = world.store.open_blob(digest).map_err(std::io::Error::other)?;
                std::io::copy(&mut from, &mut hashing)?;
            }
        }
        found = Some(Digest::from_bytes(hashing.hasher.finalize().into()));
        match found == Some(digest) {
            true => Ok(()),
            false => Err(std::io::Error::other("the store's bytes have another sha256")),
        }
    })
    .map_err(|error| match found {
        Some(found) if found != digest => {
            Failure::world(format!("what the store has as {digest} is damaged"))
                .fact("its bytes have another sha256")
                .help("`rbld store repair` moves damaged blobs away; then run `rbld vendor` again")
        }
        _ => Failure::io(doing(), &error),
    })?;
    Ok(if there { State::Mended } else { State::New })
}

/// Writes a file under a temporary name, which it loses when it is whole.
fn place(
    folder: &Path,
    name: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    fill(file.as_file_mut())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    if name == Path::new(manifest::NAME) {
        file.as_file().sync_all()?;
    }
    file.persist(folder.join(name)).map(drop).map_err(|error| error.error)
}

/// The digest of a file's bytes.
fn digest_of(path: &Path) -> std::io::Result<Digest> {
    let mut hashing = Hashing { to: std::io::sink(), hasher: Sha256::new() };
    std::io::copy(&mut File::open(path)?, &mut hashing)?;
    Ok(Digest::from_bytes(hashing.hasher.finalize().into()))
}

/// Hashes what is written.
struct Hashing<W> {
    to: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}
