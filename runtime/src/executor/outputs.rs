//! Taking a build's outputs out of the layer it wrote to.
//!
//! Everything there was written by the build: any part of a path may be a link that leads out, a file may be
//! a device or a fifo. No link is followed and nothing but regular files is opened. An overlay's marks for
//! removed files count as missing. What the build may not read any more (mode 000) is made readable first, so an
//! ordinary user gets the same as root does.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::beneath;
use crate::failure::{Doing, Failure, Result};

/// How deep folders may be nested in an output.
const DEEPEST: usize = 256;

/// What was found at a path.
#[derive(Debug)]
pub enum Entry {
    /// A regular file, open for reading.
    File {
        /// The file.
        file: File,
        /// Its length in bytes.
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link. Where it leads wasn't looked at.
    Link {
        /// Its text.
        target: String,
    },
    /// A folder; what it holds follows as entries of their own.
    Folder,
}

/// One thing taken out.
#[derive(Debug)]
pub struct Collected {
    /// Its path relative to where the script started, or for a single file its whole declared path.
    pub path: String,
    /// Where it is on the host. Prefer [`Entry::File`]'s open file: nothing runs any more, but paths can be long.
    pub host: PathBuf,
    /// What it is.
    pub entry: Entry,
}

/// The regular file at a path below a folder. A link, a folder, anything special, nothing at all: a build
/// failure that says which.
pub fn collect_file(root: &Path, path: &str) -> Result<Collected> {
    let relative = clean(path)?;
    let top = beneath::open_root(root).doing(|| format!("open `{}`", root.display()))?;
    let found = find(&top, &relative).map_err(|error| missing(path, &error))?;
    let collected = take(&found, relative, root).map_err(|error| unreadable(path, &error))?;
    match collected {
        Some(Collected { entry: Entry::File { .. }, .. }) => {}
        Some(Collected { entry: Entry::Link { target }, .. }) => {
            return Err(Failure::build(format!("output `{path}` is a link, not a file"))
                .fact(format!("it leads to `{target}`"))
                .help("declare the file it leads to, or `files(…)`, which keeps links"));
        }
        Some(Collected { entry: Entry::Folder, .. }) => {
            return Err(Failure::build(format!("output `{path}` is a folder, not a file"))
                .help(format!("declare it as `files(\"{}/\")`", path.trim_end_matches('/'))));
        }
        None => {
            return Err(Failure::build(format!("output `{path}` is missing"))
                .help("the script ended well without making it; `rbld log` shows what it did"));
        }
    }
    collected.ok_or_else(|| Failure::bug(format!("output `{path}` was lost")))
}

/// What a pattern matches below `cwd` (an absolute path inside), sorted by path: `*`, `?` and `[…]` match within
/// one name, a pattern that ends in `/` names folders with all they hold. A leading dot is matched only by a
/// dot. Nothing matched is an empty list, for the caller to judge.
pub fn collect_files(root: &Path, cwd: &str, pattern: &str) -> Result<Vec<Collected>> {
    let relative = clean(pattern)?;
    let whole = pattern.ends_with('/');
    let top = beneath::open_root(root).doing(|| format!("open `{}`", root.display()))?;
    let base = match find(&top, cwd.trim_matches('/')) {
        Ok(base) => base,
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(missing(cwd, &error)),
    };
    let host = root.join(cwd.trim_start_matches('/'));
    let parts: Vec<&str> = relative.split('/').collect();
    let mut search = Search { host, whole, pattern, found: Vec::new() };
    search.descend(&base, "", &parts)?;
    let mut found = search.found;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

struct Search<'a> {
    host: PathBuf,
    whole: bool,
    pattern: &'a str,
    found: Vec<Collected>,
}

impl Search<'_> {
    /// Matches the first of the parts against what is in a folder.
    fn descend(&mut self, folder: &OwnedFd, sofar: &str, parts: &[&str]) -> Result<()> {
        let Some((first, rest)) = parts.split_first() else { return Ok(()) };
        for name in names(folder).map_err(|error| unreadable(self.pattern, &error))? {
            if !matches(first, &name) {
                continue;
            }
            let path = if sofar.is_empty() { name.clone() } else { format!("{sofar}/{name}") };
            let place = beneath::open(folder, &name, OFlags::PATH | OFlags::NOFOLLOW);
            let place = place.map_err(|error| unreadable(&path, &error.into()))?;
            let kind = kind(&place).map_err(|error| unreadable(&path, &error.into()))?;
            if !rest.is_empty() {
                if kind.is_dir() {
                    self.descend(&place, &path, rest)?;
                }
            } else if self.whole {
                if kind.is_dir() {
                    self.take_all(&place, &path, 0)?;
                }
            } else if !kind.is_dir() {
                self.take(&place, path)?;
            }
        }
        Ok(())
    }

    fn take_all(&mut self, folder: &OwnedFd, path: &str, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(Failure::build(format!("output `{path}` is nested too deeply"))
                .fact(format!("folders may be {DEEPEST} deep")));
        }
        self.take(folder, path.to_owned())?;
        for name in names(folder).map_err(|error| unreadable(path, &error))? {
            let inner = format!("{path}/{name}");
            let place = beneath::open(folder, &name, OFlags::PATH | OFlags::NOFOLLOW)
                .map_err(|error| unreadable(&inner, &error.into()))?;
            if kind(&place).map_err(|error| unreadable(&inner, &error.into()))?.is_dir() {
                self.take_all(&place, &inner, depth + 1)?;
            } else {
                self.take(&place, inner)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, place: &OwnedFd, path: String) -> Result<()> {
        let collected = take(place, path.clone(), &self.host).map_err(|error| unreadable(&path, &error))?;
        self.found.extend(collected);
        Ok(())
    }
}

/// A declared path without its leading and trailing slashes; `.`, `..` and empty parts are refused.
fn clean(path: &str) -> Result<String> {
    let relative = path.trim_start_matches('/').trim_end_matches('/');
    let parts: Vec<&str> = relative.split('/').filter(|part| *part != ".").collect();
    if parts.iter().any(|part| part.is_empty() || *part == ".." || part.contains('\0')) {
        return Err(Failure::build(format!("`{path}` isn't a path of an output"))
            .help("name it without `..` or `//`"));
    }
    Ok(parts.join("/"))
}

/// Opens a path as a place, making folders on the way readable.
fn find(top: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let mut place = beneath::open(top, "", OFlags::PATH)?;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if kind(&place)?.is_symlink() {
            return Err(Errno::LOOP);
        }
        make_readable(&place, 0o700)?;
        place = beneath::open(&place, part, OFlags::PATH | OFlags::NOFOLLOW)?;
    }
    Ok(place)
}

/// Reads what is at a place; nothing for an overlay's mark of a removed file.
fn take(place: &OwnedFd, path: String, root: &Path) -> io::Result<Option<Collected>> {
    let stat = rustix::fs::fstat(place)?;
    let host = root.join(&path);
    let entry = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            make_readable(place, 0o400)?;
            let file = File::open(through(place))?;
            Entry::File {
                file,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                executable: stat.st_mode & 0o100 != 0,
            }
        }
        FileType::Directory => Entry::Folder,
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(place, "", Vec::new())?;
            let target = target.into_string().map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, "where this link leads isn't UTF-8")
            })?;
            Entry::Link { target }
        }
        FileType::CharacterDevice if stat.st_rdev == 0 => return Ok(None),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is a device, a fifo or a socket")),
    };
    Ok(Some(Collected { path, host, entry }))
}

fn kind(place: &OwnedFd) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(place)?.st_mode))
}

/// The names in a folder, sorted.
fn names(folder: &OwnedFd) -> io::Result<Vec<String>> {
    make_readable(folder, 0o700)?;
    let folder = beneath::open(folder, "", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let name = name.to_str().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the name {name:?} isn't UTF-8"))
        })?;
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

/// Gives the owner the right to read what is at a place, if it was taken away.
fn make_readable(place: &OwnedFd, wanted: u32) -> Result<(), Errno> {
    let mode = rustix::fs::fstat(place)?.st_mode;
    if mode & wanted == wanted || FileType::from_raw_mode(mode).is_symlink() {
        return Ok(());
    }
    let path = through(place);
    rustix::fs::chmodat(
        rustix::fs::CWD,
        path,
        Mode::from_raw_mode((mode | wanted) & 0o7777),
        AtFlags::empty(),
    )
}

/// The name by which an opened place can be opened again with other rights.
fn through(place: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", place.as_fd().as_raw_fd()))
}

fn missing(path: &str, error: &Errno) -> Failure {
    match *error {
        Errno::NOENT | Errno::NOTDIR => Failure::build(format!("output `{path}` is missing"))
            .help("the script ended well without making it; `rbld log` shows what it did"),
        Errno::LOOP => Failure::build(format!("output `{path}` is reached through a link"))
            .help("declare its path without links"),
        error => unreadable(path, &error.into()),
    }
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::InvalidData {
        return Failure::build(format!("output `{path}` can't be kept: {error}"));
    }
    if error.raw_os_error() == Some(libc::ELOOP) {
        return missing(path, &Errno::LOOP);
    }
    Failure::io(format!("read output `{path}`"), error)
}

/// Whether one name matches one part of a pattern.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Where to go on after the last `*`: the pattern behind it, and one more character of the name.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => match class(&pattern[p..], name[n]) {
                Some((true, length)) => Some(p + length),
                Some((false, _)) => None,
                None => (name[n] == '[').then_some(p + 1),
            },
            Some(character) => (*character == name[n]).then_some(p + 1),
            None => None,
        };
        match (step, &mut star) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((behind, from))) => {
                *from += 1;
                (p, n) = (*behind, *from);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|character| *character == '*')
}

/// Whether a character is in the class that a pattern begins with, and how long that is; nothing if it never
/// ends, so that the bracket stands for itself.
fn class(pattern: &[char], character: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let begin = if negated { 2 } else { 1 };
    // A bracket right at the start is one of the class.
    let end = begin + 1 + pattern.get(begin + 1..)?.iter().position(|character| *character == ']')?;
    let members = &pattern[begin..end];
    let mut at = 0;
    let mut within = false;
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            within |= (members[at]..=members[at + 2]).contains(&character);
            at += 3;
        } else {
            within |= members[at] == character;
            at += 1;
        }
    }
    Some((within != negated, end + 1))
}

#[cfg(test)]
mod tests;
