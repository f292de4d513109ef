//! Verifying: every blob hashed, every realisation's closure and every ready folder looked at.
//!
//! Verifying only reads and may run beside checks. Repairing moves what is damaged away and
//! forgets what was made of it, so that it is made or fetched anew; it needs the store alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rbld_lang::digest::Digest;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::tree::{self, Folder, Node};
use super::{Store, beneath, blob, database, gc, parallel, remove, usage};
use crate::failure::{Doing, Result};

/// What a verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Blobs hashed.
    pub blobs: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Blobs that no record names: whole ones that a crash left behind, no damage.
    pub unnamed: u64,
    /// Realisations followed.
    pub realisations: u64,
    /// Ready folders compared with their trees.
    pub ready: u64,
    /// All that is wrong, sorted.
    pub damage: Vec<Damage>,
}

/// Something in the store that isn't as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Damage {
    /// The database itself.
    Database {
        /// SQLite's words.
        why: String,
    },
    /// A blob.
    Blob {
        /// Its name.
        digest: Digest,
        /// What is wrong with it.
        why: String,
    },
    /// Something under `objects/` that isn't a blob.
    Stray {
        /// Where, from `objects/`.
        path: String,
    },
    /// A realisation that reaches a blob that is damaged or gone.
    Realisation {
        /// Its key.
        key: Digest,
        /// The blob.
        lost: Digest,
    },
    /// A ready folder.
    Ready {
        /// Its tree.
        tree: Digest,
        /// Where in the folder; empty for the folder itself.
        path: String,
        /// What is wrong there.
        why: String,
    },
    /// A copy of a blob with the other mode.
    Copy {
        /// Its name in `roots/`.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Database { why } => write!(f, "the database: {why}"),
            Damage::Blob { digest, why } => write!(f, "the blob {digest}: {why}"),
            Damage::Stray { path } => write!(f, "`objects/{path}` is no blob"),
            Damage::Realisation { key, lost } => write!(f, "the realisation of {key} needs the blob {lost}"),
            Damage::Copy { name, why } => write!(f, "`roots/{name}`: {why}"),
            Damage::Ready { tree, path, why } if path.is_empty() => {
                write!(f, "the ready folder {tree}: {why}")
            }
            Damage::Ready { tree, path, why } => write!(f, "`{path}` in the ready folder {tree}: {why}"),
        }
    }
}

/// Is told how many bytes were hashed, and how many there are.
pub type Watch<'a> = &'a (dyn Fn(u64, u64) + Sync);

impl Store {
    /// Looks at everything in the store.
    pub fn verify(&self, watch: Watch<'_>) -> Result<Verified> {
        let mut seen = Verified::default();
        seen.damage.extend(self.0.database.check()?.into_iter().map(|why| Damage::Database { why }));
        let named = self.0.database.blobs()?;
        let (files, strays) = self.objects()?;
        seen.damage.extend(strays.into_iter().map(|path| Damage::Stray { path }));
        let total = files.values().sum();
        let done = AtomicU64::new(0);
        let files: Vec<(Digest, u64)> = files.into_iter().collect();
        let wrong = parallel::each(&files, |(digest, size)| {
            let why = self.examine(*digest, named.get(digest).copied());
            watch(done.fetch_add(*size, Ordering::Relaxed) + size, total);
            Ok(why.map(|why| (*digest, why)))
        })?;
        let mut damaged: BTreeMap<Digest, String> = wrong.into_iter().flatten().collect();
        let present: BTreeSet<Digest> = files.iter().map(|(digest, _)| *digest).collect();
        for digest in named.keys().filter(|digest| !present.contains(digest)) {
            damaged.insert(*digest, "its file is missing".to_owned());
        }
        seen.blobs = files.len() as u64;
        seen.bytes = total;
        seen.unnamed = present.iter().filter(|digest| !named.contains_key(digest)).count() as u64;
        self.follow(&damaged, &present, &mut seen)?;
        self.compare_ready(&damaged, &mut seen)?;
        self.compare_copies(&mut seen)?;
        seen.damage.extend(damaged.into_iter().map(|(digest, why)| Damage::Blob { digest, why }));
        seen.damage.sort();
        Ok(seen)
    }

    /// Verifies, then moves damaged blobs and strays to `damaged/`, and forgets the realisations and removes the
    /// ready folders that hold them. Takes the handle, which must be the only one of this process.
    pub fn repair(self, wait: bool, watch: Watch<'_>) -> Result<Verified> {
        self.alone(wait)?;
        let seen = self.verify(watch)?;
        let mut lost = BTreeSet::new();
        for damage in &seen.damage {
            match damage {
                Damage::Blob { digest, .. } => {
                    lost.insert(*digest);
                    self.move_away(&blob::place(*digest))?;
                }
                Damage::Realisation { lost: digest, .. } => {
                    lost.insert(*digest);
                }
                Damage::Stray { path } => self.move_away(path)?,
                Damage::Ready { tree, .. } => {
                    self.0.database.drop_ready(*tree)?;
                    self.remove_ready(&tree.to_hex())?;
                }
                Damage::Copy { name, .. } => self.remove_ready(name)?,
                Damage::Database { .. } => {}
            }
        }
        self.forget_all(&lost)?;
        Ok(seen)
    }

    /// The files under `objects/` with their sizes, and the paths of what isn't a blob's file.
    fn objects(&self) -> Result<(BTreeMap<Digest, u64>, Vec<String>)> {
        let mut files = BTreeMap::new();
        let mut strays = Vec::new();
        usage::visit(self.0.objects.as_fd(), &mut |path, stat| {
            let digest = path.rsplit(|byte| *byte == b'/').next().and_then(gc::digest_named);
            let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            match digest {
                Some(digest) if regular && blob::place(digest).as_bytes() == path => {
                    files.insert(digest, u64::try_from(stat.st_size).unwrap_or(0));
                }
                _ => strays.push(String::from_utf8_lossy(path).into_owned()),
            }
        })
        .doing(|| format!("read {}", self.root().join("objects").display()))?;
        Ok((files, strays))
    }

    /// What is wrong with a blob's file.
    fn examine(&self, digest: Digest, recorded: Option<u64>) -> Option<String> {
        let mut file = match self.open_object(digest) {
            Ok(file) => file,
            Err(error) => return Some(format!("its file can't be opened: {error}")),
        };
        match blob::hash(&mut file) {
            Err(error) => Some(format!("its file can't be read: {error}")),
            Ok(found) if recorded.is_some_and(|size| size != found.size) => {
                Some(format!("its file has {} bytes, not {}", found.size, recorded.unwrap_or(0)))
            }
            Ok(found) if found.digest != digest => {
                Some(format!("its bytes have the sha256 {}", found.digest))
            }
            Ok(_) => None,
        }
    }

    /// Follows every realisation to all it reaches.
    fn follow(
        &self,
        damaged: &BTreeMap<Digest, String>,
        present: &BTreeSet<Digest>,
        seen: &mut Verified,
    ) -> Result<()> {
        // What came since the files were listed is looked up.
        let lost = |digest: Digest| {
            damaged.contains_key(&digest) || !present.contains(&digest) && self.open_object(digest).is_err()
        };
        let mut clean = BTreeSet::new();
        for (key, objects) in self.0.database.outputs()? {
            seen.realisations += 1;
            if let Some(lost) = objects.iter().find_map(|object| self.reaches(object, &lost, &mut clean)) {
                seen.damage.push(Damage::Realisation { key, lost });
            }
        }
        Ok(())
    }

    fn compare_ready(&self, damaged: &BTreeMap<Digest, String>, seen: &mut Verified) -> Result<()> {
        for tree in self.0.database.all(database::Table::Ready)? {
            seen.ready += 1;
            let mut add = |path: String, why: String| seen.damage.push(Damage::Ready { tree, path, why });
            let name = tree.to_hex();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let root = match beneath::open(self.0.roots.as_fd(), name.as_bytes(), flags) {
                Ok(root) => root,
                Err(error) => {
                    add(String::new(), format!("it can't be opened: {error}"));
                    continue;
                }
            };
            match tree::read_raw(self, tree) {
                Ok(folder) => self.compare_folder(&root, &folder, damaged, &mut add),
                Err(failure) => add(String::new(), failure.message),
            }
        }
        Ok(())
    }

    fn remove_ready(&self, name: &str) -> Result<()> {
        let doing = || format!("remove `roots/{name}`");
        let name = std::ffi::CString::new(name).map_err(std::io::Error::from).doing(doing)?;
        remove::remove(self.0.roots.as_fd(), &name).doing(doing)
    }

    /// Hashes the copies of blobs that have the other mode.
    fn compare_copies(&self, seen: &mut Verified) -> Result<()> {
        let doing = || format!("read {}", self.root().join("roots").display());
        for (name, kind) in beneath::list(self.0.roots.as_fd()).doing(doing)? {
            let name = name.to_string_lossy().into_owned();
            let (digest, executable) = match name.split_once('.') {
                Some((digest, "file")) => (gc::digest_named(digest.as_bytes()), false),
                Some((digest, "executable")) => (gc::digest_named(digest.as_bytes()), true),
                _ => continue,
            };
            let Some(digest) = digest.filter(|_| kind == FileType::RegularFile) else { continue };
            let root = self.0.roots.as_fd();
            let read = beneath::stat(root, name.as_str()).and_then(|stat| {
                let file = beneath::open(root, name.as_bytes(), OFlags::RDONLY | OFlags::NONBLOCK)?;
                Ok((stat.st_mode & 0o7777, blob::hash(&mut File::from(file))?))
            });
            let why = match read {
                Err(error) => error.to_string(),
                Ok((_, found)) if found.digest != digest => "its bytes are damaged".to_owned(),
                Ok((mode, _)) if mode != beneath::mode_of(executable).bits() => {
                    format!("its mode is {mode:o}")
                }
                Ok(_) => continue,
            };
            seen.damage.push(Damage::Copy { name, why });
        }
        Ok(())
    }

    /// Compares a ready folder with its tree: names, kinds, sizes, modes, times, and that no inode is there twice.
    fn compare_folder(
        &self,
        root: &OwnedFd,
        folder: &Folder,
        damaged: &BTreeMap<Digest, String>,
        add: &mut dyn FnMut(String, String),
    ) {
        let mut inodes = BTreeSet::new();
        let mut folders = vec![(String::new(), folder)];
        while let Some((above, folder)) = folders.pop() {
            let opened = beneath::open(root.as_fd(), above.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY);
            let listed = opened.and_then(|fd| beneath::list(fd.as_fd()).map(|names| (fd, names)));
            let (fd, names) = match listed {
                Ok(both) => both,
                Err(error) => {
                    add(above, error.to_string());
                    continue;
                }
            };
            let join =
                |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
            for (name, _) in names {
                let name = String::from_utf8_lossy(name.to_bytes()).into_owned();
                if !folder.entries.contains_key(&name) {
                    add(join(&name), "the tree doesn't have it".to_owned());
                }
            }
            for (name, node) in &folder.entries {
                if let Err(why) = self.compare_node(&fd, name, node, damaged, &mut inodes) {
                    add(join(name), why);
                }
                if let Node::Folder(inner) = node {
                    folders.push((join(name), inner));
                }
            }
        }
    }

    fn compare_node(
        &self,
        dir: &OwnedFd,
        name: &str,
        node: &Node,
        damaged: &BTreeMap<Digest, String>,
        inodes: &mut BTreeSet<u64>,
    ) -> Result<(), String> {
        let stat = beneath::stat(dir.as_fd(), name).map_err(|error| error.to_string())?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mode = stat.st_mode & 0o7777;
        let expect = |expected: u32| match mode == expected {
            true => Ok(()),
            false => Err(format!("its mode is {mode:o}, not {expected:o}")),
        };
        match node {
            Node::Folder(_) if kind == FileType::Directory => expect(beneath::EXECUTABLE_MODE)?,
            Node::Link { target } if kind == FileType::Symlink => {
                let found =
                    rustix::fs::readlinkat(dir, name, Vec::new()).map_err(|error| error.to_string())?;
                if found.to_bytes() != target.as_bytes() {
                    return Err(format!("it points to `{}`, not `{target}`", found.to_string_lossy()));
                }
            }
            Node::File { digest, size, executable } if kind == FileType::RegularFile => {
                if stat.st_size as u64 != *size {
                    return Err(format!("it has {} bytes, not {size}", stat.st_size));
                }
                expect(beneath::mode_of(*executable).bits())?;
                if !inodes.insert(stat.st_ino) {
                    return Err("it is a second name of another file".to_owned());
                }
                let blob = self.spot(*digest).ok().flatten().and_then(|spot| spot.stat().ok().flatten());
                if blob.is_some_and(|blob| blob.st_ino == stat.st_ino) {
                    // Hashed already, as a blob.
                    if damaged.contains_key(digest) {
                        return Err("its bytes are damaged".to_owned());
                    }
                } else {
                    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                    let file = beneath::open(dir.as_fd(), name.as_bytes(), flags)
                        .map_err(|error| error.to_string())?;
                    let found = blob::hash(&mut File::from(file)).map_err(|error| error.to_string())?;
                    if found.digest != *digest {
                        return Err("its bytes are damaged".to_owned());
                    }
                }
            }
            _ => return Err(format!("it isn't {}", node.describe())),
        }
        match stat.st_mtime == beneath::MTIME {
            true => Ok(()),
            false => Err("its time isn't the fixed one".to_owned()),
        }
    }

    /// Moves something from `objects/` to `damaged/`.
    fn move_away(&self, path: &str) -> Result<()> {
        let doing = || format!("move `objects/{path}` to `damaged`");
        let root = beneath::open_folder(self.root()).doing(doing)?;
        match rustix::fs::mkdirat(&root, c"damaged", Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).doing(doing),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let damaged = beneath::open(root.as_fd(), b"damaged", flags).doing(doing)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        match rustix::fs::renameat(&self.0.objects, path, &damaged, name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error).doing(doing),
        }
    }
}
