//! A folder on disk as a list of entries, as the store would have it: kinds, executable bits, links and digests.
//!
//! Links aren't followed, so none can lead in a circle; files are hashed by several threads.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rbld_lang::digest::Digest;

use crate::compare;
use crate::compare::difference::{Entry, Opener, digest_of};
use crate::failure::{Doing, Failure, Result};
use crate::packing;
use crate::store::Store;
use crate::store::parallel::with_state;

/// A folder's entries, and where the files among them are.
pub(super) struct Listed {
    /// The entries, sorted by path.
    pub(super) entries: Vec<Entry>,
    /// The path of each; none for entries of the store.
    pub(super) paths: Vec<PathBuf>,
}

impl Listed {
    /// Opens the contents of an entry.
    pub(super) fn opener<'a>(&self, index: usize, store: Option<&'a Store>) -> Opener<'a> {
        if let Some(path) = self.paths.get(index).cloned() {
            return Rc::new(move || File::open(&path));
        }
        match (store, self.entries.get(index).and_then(|entry| entry.contents)) {
            (Some(store), Some(digest)) => compare::opener(store, digest),
            _ => Rc::new(|| Err(io::ErrorKind::NotFound.into())),
        }
    }
}

/// An entry that is to be hashed.
struct Found {
    name: String,
    path: PathBuf,
    facts: Vec<(&'static str, String)>,
    file: bool,
}

/// Lists a folder and hashes its files.
pub(super) fn list(folder: &Path) -> Result<Listed> {
    let mut found = walk(folder)?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let hash = |one: &Found| -> Result<Option<Digest>> {
        if !one.file {
            return Ok(None);
        }
        let doing = || format!("read `{}`", one.path.display());
        let mut file = File::open(&one.path).doing(doing)?;
        Ok(Some(digest_of(&mut file).doing(doing)?))
    };
    let digests = with_state(&found, threads, || Ok::<(), Failure>(()), |(), one| hash(one), Ok)?;
    let mut listed = Listed { entries: Vec::new(), paths: Vec::new() };
    for (one, contents) in found.into_iter().zip(digests) {
        let facts = one.facts.into_iter().map(|(fact, value)| (fact.to_owned(), value)).collect();
        listed.entries.push(Entry { name: one.name, facts, contents });
        listed.paths.push(one.path);
    }
    Ok(listed)
}

/// All that a folder holds; folders only where they are empty.
fn walk(folder: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = open.pop() {
        let doing = || format!("read the folder `{}`", folder.display());
        let mut empty = true;
        for entry in std::fs::read_dir(&folder).doing(doing)? {
            empty = false;
            let entry = entry.doing(doing)?;
            let name = format!("{prefix}{}", packing::name(entry.file_name().as_bytes()));
            let path = entry.path();
            let about = path.symlink_metadata().doing(|| format!("read `{}`", path.display()))?;
            if about.is_dir() {
                open.push((format!("{name}/"), path));
                continue;
            }
            let (facts, file) = (facts(&path, &about)?, about.is_file());
            found.push(Found { name, path, facts, file });
        }
        if empty && !prefix.is_empty() {
            let facts = vec![("kind", "folder".to_owned())];
            found.push(Found {
                name: prefix.trim_end_matches('/').to_owned(),
                path: folder,
                facts,
                file: false,
            });
        }
    }
    Ok(found)
}

fn facts(path: &Path, about: &Metadata) -> Result<Vec<(&'static str, String)>> {
    let kind = about.file_type();
    if kind.is_symlink() {
        let target = std::fs::read_link(path).doing(|| format!("read the link `{}`", path.display()))?;
        let link = packing::name(target.as_os_str().as_bytes());
        return Ok(vec![("kind", "symbolic link".to_owned()), ("link", link)]);
    }
    if kind.is_file() {
        let executable = about.permissions().mode() & 0o111 != 0;
        let executable = if executable { "yes" } else { "no" }.to_owned();
        return Ok(vec![("kind", "file".to_owned()), ("executable", executable)]);
    }
    let word = match () {
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "device",
    };
    Ok(vec![("kind", word.to_owned())])
}
