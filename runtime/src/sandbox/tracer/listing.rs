//! Folders in another order than the kernel's.
//!
//! A folder is read whole when a program begins at its start; what it then gets are pieces of that list, and its place
//! in the folder, which all who share the open file share, is a number of names. So each name comes once however small
//! the pieces, and going back to a place or to the start does what it says. Names that come or go meanwhile may be
//! missing or there, as POSIX has it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::ptrace::{self, Watched};
use crate::sandbox::protocol::Listed;

/// How many lists are kept for programs that are in the middle of one.
const KEPT: usize = 64;
/// How many names all but the newest of them may have together.
const NAMES_KEPT: usize = 1 << 20;
/// How much is written for a program at once, whatever it asks for.
const LONGEST: usize = 1 << 20;
/// `PROC_SUPER_MAGIC`: processes are no files.
const PROC: i64 = 0x9fa0;

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    inode: u64,
    kind: u8,
    name: Box<[u8]>,
}

/// Which list: the folder, the process and its number for the open file.
type Key = (u64, u64, Watched, i32);

/// All lists of a sandbox.
pub(super) struct Listings {
    order: Listed,
    kept: VecDeque<(Key, Rc<[Entry]>)>,
}

/// How entries are laid out for a program.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Whether numbers have 64 bits.
    pub(super) wide: bool,
    /// Whether the kind comes before the name, else it is the last byte.
    pub(super) kind_first: bool,
}

impl Listings {
    pub(super) fn new(order: Listed) -> Listings {
        Listings { order, kept: VecDeque::new() }
    }

    /// The next entries of an open folder, as a program wants them, in at most so many bytes, and its place moved on;
    /// `None` if the kernel's own order stays.
    pub(super) fn next(
        &mut self,
        process: Watched,
        number: i32,
        folder: &OwnedFd,
        layout: Layout,
        most: u64,
    ) -> Result<Option<Vec<u8>>, Errno> {
        if rustix::fs::fstatfs(folder)?.f_type == PROC {
            return Ok(None);
        }
        let stat = rustix::fs::fstat(folder)?;
        let at = rustix::fs::seek(folder, SeekFrom::Current(0))?;
        let key = (stat.st_dev, stat.st_ino, process, number);
        let list = self.list(key, at, folder)?;
        let most = usize::try_from(most).unwrap_or(LONGEST).min(LONGEST);
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(list.len());
        let (bytes, count) = write(&list[from..], from, layout, most);
        if bytes.is_empty() && from < list.len() {
            rustix::fs::seek(folder, SeekFrom::Start(at))?;
            return Err(Errno::INVAL);
        }
        rustix::fs::seek(folder, SeekFrom::Start((from + count) as u64))?;
        Ok(Some(bytes))
    }

    /// The list that a program is in, read anew at its start. The folder's place is anywhere afterwards.
    fn list(&mut self, key: Key, at: u64, folder: &OwnedFd) -> Result<Rc<[Entry]>, Errno> {
        let kept = self.kept.iter().position(|(kept, _)| *kept == key);
        if let Some(found) = kept.and_then(|index| self.kept.remove(index))
            && at > 0
        {
            let list = found.1.clone();
            self.kept.push_back(found);
            return Ok(list);
        }
        rustix::fs::seek(folder, SeekFrom::Start(0))?;
        let list: Rc<[Entry]> = sorted(read(folder)?, self.order).into();
        let names =
            |kept: &VecDeque<(Key, Rc<[Entry]>)>| kept.iter().map(|(_, list)| list.len()).sum::<usize>();
        while self.kept.len() >= KEPT || (!self.kept.is_empty() && names(&self.kept) > NAMES_KEPT) {
            self.kept.pop_front();
        }
        self.kept.push_back((key, list.clone()));
        Ok(list)
    }
}

/// All entries from where a folder is on.
fn read(folder: &OwnedFd) -> Result<Vec<Entry>, Errno> {
    const FIXED: usize = 19;
    let mut all = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = ptrace::entries(folder.as_fd(), &mut buffer)?;
        if length == 0 {
            return Ok(all);
        }
        let mut rest = &buffer[..length];
        while rest.len() > FIXED {
            let number = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap_or_default());
            let size = usize::from(u16::from_le_bytes([rest[16], rest[17]]));
            let Some(name) = rest.get(FIXED..size) else { return Err(Errno::IO) };
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            all.push(Entry { inode: number(0), kind: rest[18], name: name.into() });
            rest = &rest[size..];
        }
    }
}

/// The folder itself and the one above first, as everywhere; the others in this order.
fn sorted(entries: Vec<Entry>, order: Listed) -> Vec<Entry> {
    let dots = |entry: &Entry| *entry.name == *b"." || *entry.name == *b"..";
    let (mut all, mut others): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(dots);
    match order {
        Listed::Reversed => others.reverse(),
        Listed::ByName => {
            all.sort_by(|one, other| one.name.cmp(&other.name));
            others.sort_by(|one, other| one.name.cmp(&other.name));
        }
    }
    all.append(&mut others);
    all
}

/// As many entries as fit, and how many those are. The place after each is its number.
fn write(entries: &[Entry], first: usize, layout: Layout, most: usize) -> (Vec<u8>, usize) {
    let word = if layout.wide { 8 } else { 4 };
    let mut bytes = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let fixed = 2 * word + 2;
        // The name's end, and the kind on whichever side.
        let size = (fixed + entry.name.len() + 2).next_multiple_of(word);
        if bytes.len() + size > most {
            return (bytes, index);
        }
        let begin = bytes.len();
        for number in [entry.inode, (first + index + 1) as u64] {
            bytes.extend(&number.to_le_bytes()[..word]);
        }
        bytes.extend(u16::try_from(size).unwrap_or(u16::MAX).to_le_bytes());
        if layout.kind_first {
            bytes.push(entry.kind);
        }
        bytes.extend(&entry.name);
        bytes.resize(begin + size, 0);
        if !layout.kind_first
            && let Some(last) = bytes.last_mut()
        {
            *last = entry.kind;
        }
    }
    (bytes, entries.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: Layout = Layout { wide: true, kind_first: true };

    fn folder(names: &[String]) -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let open = std::fs::File::open(folder.path()).unwrap();
        (folder, open.into())
    }

    /// Names and the places after them.
    fn parse(mut bytes: &[u8]) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let size = usize::from(u16::from_le_bytes([bytes[16], bytes[17]]));
            let name = bytes[19..size].split(|byte| *byte == 0).next().unwrap();
            let place = u64::from_le_bytes(bytes[8..16].try_into().unwrap());
            all.push((String::from_utf8(name.to_vec()).unwrap(), place));
            bytes = &bytes[size..];
        }
        all
    }

    fn all(listings: &mut Listings, open: &OwnedFd, most: u64) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let bytes = listings.next(1, 3, open, MODERN, most).unwrap().unwrap();
            if bytes.is_empty() {
                return names;
            }
            names.extend(parse(&bytes).into_iter().map(|(name, _)| name));
        }
    }

    #[test]
    fn each_name_comes_once_however_small_the_pieces() {
        let names: Vec<String> = (0..500).map(|number| format!("name-{number}")).collect();
        let (_folder, open) = folder(&names);
        let kernel: Vec<String> = {
            let entries = read(&open).unwrap();
            entries.iter().map(|entry| String::from_utf8(entry.name.to_vec()).unwrap()).collect()
        };
        let plain: Vec<&String> = kernel.iter().filter(|name| !name.starts_with('.')).collect();
        for most in [40, 100, 4096, 1 << 30] {
            rustix::fs::seek(&open, SeekFrom::Start(0)).unwrap();
            let got = all(&mut Listings::new(Listed::Reversed), &open, most);
            assert_eq!(&got[..2].iter().filter(|name| name.starts_with('.')).count(), &2);
            assert!(got[2..].iter().eq(plain.iter().rev().copied()), "{most}");
        }
        rustix::fs::seek(&open, SeekFrom::Start(0)).unwrap();
        let mut sorted: Vec<String> = names;
        sorted.sort();
        assert_eq!(all(&mut Listings::new(Listed::ByName), &open, 200)[2..], sorted);
    }

    #[test]
    fn a_place_can_be_gone_back_to_and_what_was_removed_moves_nothing() {
        let names: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
        let (folder, open) = folder(&names);
        let mut listings = Listings::new(Listed::ByName);
        let first = parse(&listings.next(1, 3, &open, MODERN, 1000).unwrap().unwrap());
        for (name, _) in &first[2..] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        let second = parse(&listings.next(1, 3, &open, MODERN, 1000).unwrap().unwrap());
        assert_eq!(second[0].0, names[first.len() - 2]);
        rustix::fs::seek(&open, SeekFrom::Start(first.last().unwrap().1)).unwrap();
        assert_eq!(parse(&listings.next(1, 3, &open, MODERN, 1000).unwrap().unwrap()), second);
        rustix::fs::seek(&open, SeekFrom::Start(0)).unwrap();
        let anew = all(&mut listings, &open, 4096);
        assert_eq!(anew.len(), 100 + 2 - (first.len() - 2), "from its start it is read anew");
    }

    #[test]
    fn room_for_no_entry_is_an_error() {
        let (_folder, open) = folder(&["a".to_owned()]);
        let mut listings = Listings::new(Listed::Reversed);
        assert_eq!(listings.next(1, 3, &open, MODERN, 8), Err(Errno::INVAL));
        assert_eq!(rustix::fs::seek(&open, SeekFrom::Current(0)), Ok(0));
    }

    #[test]
    fn processes_are_no_files() {
        let open: OwnedFd = std::fs::File::open("/proc/self").unwrap().into();
        assert_eq!(Listings::new(Listed::Reversed).next(1, 3, &open, MODERN, 4096), Ok(None));
    }

    #[test]
    fn old_layouts_have_the_kind_at_the_end() {
        let entries = [Entry { inode: 7, kind: 8, name: (*b"abc").into() }];
        let old = |wide| write(&entries, 0, Layout { wide, kind_first: false }, 100).0;
        assert_eq!(old(true), b"\x07\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x18\0abc\0\0\x08");
        assert_eq!(old(false), b"\x07\0\0\0\x01\0\0\0\x10\0abc\0\0\x08");
    }
}
