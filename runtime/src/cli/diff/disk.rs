//! A folder on disk as a list of entries, as the store would have it: kinds, executable bits, links and contents.
//!
//! Links aren't followed, so none can lead in a circle. Beside a folder of the store files are hashed, beside one on disk
//! they are read side by side, by several threads; entries that are the same in both are let go.

use std::cmp::Ordering;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rbld_lang::digest::Digest;

use crate::compare;
use crate::compare::difference::{Entry, Opener, digest_of};
use crate::failure::{Doing, Result};
use crate::packing;
use crate::store::Store;
use crate::store::parallel::with_state;

/// A folder's entries, and where the files among them are.
#[derive(Default)]
pub(super) struct Listed {
    /// The entries, sorted by path.
    pub(super) entries: Vec<Entry>,
    /// The path of each; none for entries of the store.
    pub(super) paths: Vec<PathBuf>,
}

impl Listed {
    fn push(&mut self, found: &Found, contents: Option<Digest>) {
        self.entries.push(found.entry(contents));
        self.paths.push(found.path.clone());
    }

    fn sort(&mut self) {
        let mut both: Vec<(Entry, PathBuf)> = self.entries.drain(..).zip(self.paths.drain(..)).collect();
        both.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        (self.entries, self.paths) = both.into_iter().unzip();
    }

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

/// An entry that is to be read.
struct Found {
    name: String,
    path: PathBuf,
    kind: &'static str,
    /// The name and the value of one more fact.
    fact: Option<(&'static str, String)>,
    size: u64,
}

impl Found {
    fn is_file(&self) -> bool {
        self.kind == "file"
    }

    /// A digest that says no more than on which side contents are that aren't the same on both.
    fn apart(&self, side: &[u8]) -> Option<Digest> {
        self.is_file().then(|| Digest::of(side))
    }

    fn entry(&self, contents: Option<Digest>) -> Entry {
        let kind = ("kind".to_owned(), self.kind.to_owned());
        let more = self.fact.iter().map(|(fact, value)| ((*fact).to_owned(), value.clone()));
        Entry { name: self.name.clone(), facts: [kind].into_iter().chain(more).collect(), contents }
    }
}

/// How many threads read.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8)
}

/// Two folders' entries as far as they differ. Their digests say no more than that.
pub(super) fn apart(left: &Path, right: &Path) -> Result<(Listed, Listed)> {
    let (mut ours, mut theirs) = (walk(left)?.into_iter().peekable(), walk(right)?.into_iter().peekable());
    let (mut pairs, mut one, mut other) = (Vec::new(), Listed::default(), Listed::default());
    loop {
        let order = match (ours.peek(), theirs.peek()) {
            (Some(left), Some(right)) => left.name.cmp(&right.name),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let left = if order.is_le() { ours.next() } else { None };
        let right = if order.is_ge() { theirs.next() } else { None };
        match (left, right) {
            (Some(left), Some(right)) => pairs.push((left, right)),
            (Some(left), None) => one.push(&left, left.apart(b"left")),
            (None, Some(right)) => other.push(&right, right.apart(b"right")),
            (None, None) => break,
        }
    }
    let same = with_state(&pairs, threads(), || Ok(()), |(), (left, right)| same(left, right), Ok)?;
    for ((left, right), same) in pairs.iter().zip(same) {
        if same && left.kind == right.kind && left.fact == right.fact {
            continue;
        }
        one.push(left, left.apart(if same { b"" } else { b"left" }));
        other.push(right, right.apart(if same { b"" } else { b"right" }));
    }
    one.sort();
    other.sort();
    Ok((one, other))
}

/// Whether two entries have the same contents; what has none has the same.
fn same(left: &Found, right: &Found) -> Result<bool> {
    if !left.is_file() || !right.is_file() {
        return Ok(left.is_file() == right.is_file());
    }
    if left.size != right.size {
        return Ok(false);
    }
    let open = |found: &Found| File::open(&found.path).doing(|| format!("read `{}`", found.path.display()));
    let (mut ours, mut theirs) = (open(left)?, open(right)?);
    compare::difference::same_bytes(&mut ours, &mut theirs, left.size)
        .doing(|| format!("read `{}` and `{}`", left.path.display(), right.path.display()))
}

/// Lists a folder and hashes its files.
pub(super) fn list(folder: &Path) -> Result<Listed> {
    let found = walk(folder)?;
    let hash = |one: &Found| -> Result<Option<Digest>> {
        if !one.is_file() {
            return Ok(None);
        }
        let doing = || format!("read `{}`", one.path.display());
        let mut file = File::open(&one.path).doing(doing)?;
        Ok(Some(digest_of(&mut file).doing(doing)?))
    };
    let digests = with_state(&found, threads(), || Ok(()), |(), one| hash(one), Ok)?;
    let mut listed = Listed::default();
    found.iter().zip(digests).for_each(|(one, contents)| listed.push(one, contents));
    Ok(listed)
}

/// All that a folder holds, sorted by path; folders only where they are empty.
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
            let (kind, fact) = facts(&path, &about)?;
            found.push(Found { name, path, kind, fact, size: about.len() });
        }
        if empty && !prefix.is_empty() {
            let name = prefix.trim_end_matches('/').to_owned();
            found.push(Found { name, path: folder, kind: "folder", fact: None, size: 0 });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// What an entry is, and one more fact of it.
type Facts = (&'static str, Option<(&'static str, String)>);

fn facts(path: &Path, about: &Metadata) -> Result<Facts> {
    let kind = about.file_type();
    if kind.is_symlink() {
        let target = std::fs::read_link(path).doing(|| format!("read the link `{}`", path.display()))?;
        return Ok(("symbolic link", Some(("link", packing::name(target.as_os_str().as_bytes())))));
    }
    if kind.is_file() {
        let executable = about.permissions().mode() & 0o111 != 0;
        return Ok(("file", Some(("executable", if executable { "yes" } else { "no" }.to_owned()))));
    }
    let word = match () {
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "device",
    };
    Ok((word, None))
}
