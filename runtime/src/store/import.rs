//! Import: a folder on disk becomes a tree, its files blobs.
//!
//! The folder may be hostile: nothing is opened through a link, and what a tree can't hold
//! is an error that names the path. What a tree doesn't keep is counted, so that it can be
//! told once. Names are read first, in order; files are then hashed by several threads.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, OFlags, Stat};

use super::batch::{Source, Take};
use super::directory::{DEPTH_LIMIT, ENTRY_LIMIT, PATH_LIMIT};
use super::tree::{Folder, Node};
use super::{Batch, Blob, beneath, blob, parallel};
use crate::failure::{Doing, Failure, Result};

/// A folder that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// What it holds.
    pub folder: Folder,
    /// What a tree doesn't keep.
    pub dropped: Dropped,
}

/// Something that files have and trees don't keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The bits that change user or group.
    Setuid,
    /// The sticky bit.
    Sticky,
    /// File capabilities.
    Capabilities,
    /// Other extended attributes, access lists among them.
    Attributes,
    /// Two names of one file.
    HardLinks,
    /// Permissions other than those of a plain file, executable or folder.
    Modes,
}

impl Loss {
    /// What is lost, in the plural.
    pub fn words(self) -> &'static str {
        match self {
            Loss::Setuid => "setuid or setgid bits",
            Loss::Sticky => "sticky bits",
            Loss::Capabilities => "file capabilities",
            Loss::Attributes => "extended attributes",
            Loss::HardLinks => "hard links",
            Loss::Modes => "permissions beyond the executable bit",
        }
    }
}

/// How often something was lost, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many paths.
    pub count: u64,
    /// The first of them.
    pub first: String,
}

/// All that an import didn't keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped(pub BTreeMap<Loss, Lost>);

impl Dropped {
    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One sentence a kind: what, how often, and the first path.
    pub fn sentences(&self) -> Vec<String> {
        let one = |(loss, lost): (&Loss, &Lost)| match lost.count {
            1 => format!("{} of `{}` are not kept", loss.words(), lost.first),
            count => format!("{} of {count} paths are not kept, first `{}`", loss.words(), lost.first),
        };
        self.0.iter().map(one).collect()
    }

    /// Adds what another import lost.
    pub fn merge(&mut self, other: &Dropped) {
        for (loss, theirs) in &other.0 {
            match self.0.get_mut(loss) {
                Some(mine) => mine.count += theirs.count,
                None => {
                    self.0.insert(*loss, theirs.clone());
                }
            }
        }
    }

    fn add(&mut self, loss: Loss, path: &str) {
        match self.0.get_mut(&loss) {
            Some(lost) => lost.count += 1,
            None => {
                self.0.insert(loss, Lost { count: 1, first: path.to_owned() });
            }
        }
    }
}

/// Reads a folder into a batch. `keep` is asked for each path (without a leading slash) and whether it is a
/// folder; a folder that isn't kept isn't looked into. With [`Take::Adopt`] the files leave the folder.
///
/// Folders and files that their owner may not read get the bits for it; with [`Take::Copy`] they lose them again.
pub fn import(
    batch: &Batch,
    dir: &Path,
    take: Take,
    keep: &(dyn Fn(&str, bool) -> bool + Sync),
) -> Result<Imported> {
    walk(dir, take, keep, |file, executable, source| batch.take(file, executable, take, source))
}

/// The tree that [`import`] would give, with nothing stored.
pub fn scan(dir: &Path, keep: &(dyn Fn(&str, bool) -> bool + Sync)) -> Result<Folder> {
    let hash = |mut file: File, _, source: &Source<'_>| {
        blob::hash(&mut file).doing(|| format!("read `{}`", String::from_utf8_lossy(source.path)))
    };
    Ok(walk(dir, Take::Copy, keep, hash)?.folder)
}

fn walk(
    dir: &Path,
    take: Take,
    keep: &(dyn Fn(&str, bool) -> bool + Sync),
    enter: impl Fn(File, bool, &Source<'_>) -> Result<Blob> + Sync,
) -> Result<Imported> {
    let root = beneath::open_folder(dir).doing(|| format!("read the folder `{}`", dir.display()))?;
    let mut walk =
        Walk { root, take, keep, found: Vec::new(), dropped: Dropped::default(), granted: Vec::new() };
    let result = walk.names().and_then(|()| walk.files(&enter));
    let restored = walk.restore();
    let imported = result.map_err(|failure| failure.fact(format!("in {}", dir.display())))?;
    restored.doing(|| format!("give the folders of `{}` their modes back", dir.display()))?;
    Ok(imported)
}

struct Walk<'a> {
    root: OwnedFd,
    take: Take,
    keep: &'a (dyn Fn(&str, bool) -> bool + Sync),
    found: Vec<(String, Found)>,
    dropped: Dropped,
    /// Folders whose mode was changed, with the mode they had.
    granted: Vec<(String, u32)>,
}

enum Found {
    File,
    Link(String),
    Folder,
}

impl Walk<'_> {
    /// Lists all names, each folder before what it holds, siblings sorted bytewise.
    fn names(&mut self) -> Result<()> {
        let mut open = vec![String::new()];
        while let Some(above) = open.pop() {
            let mut inner = self.folder(&above)?;
            // The stack gives back the last first.
            inner.reverse();
            open.append(&mut inner);
        }
        Ok(())
    }

    /// Lists one folder; gives back the folders in it.
    fn folder(&mut self, above: &str) -> Result<Vec<String>> {
        let shown = if above.is_empty() { "." } else { above };
        let doing = || format!("read the folder `{shown}`");
        let fd = self.open_folder(above).doing(doing)?;
        let stat = rustix::fs::fstat(&fd).doing(doing)?;
        if !above.is_empty() {
            self.losses(above, &stat, &fd).doing(doing)?;
        }
        let mut folders = Vec::new();
        for (name, kind) in beneath::list(fd.as_fd()).doing(doing)? {
            let Ok(text) = name.to_str() else {
                let name = String::from_utf8_lossy(name.to_bytes());
                return Err(Failure::input(format!("the name `{name}` in the folder `{shown}` isn't UTF-8"))
                    .help("rename it, or leave it out"));
            };
            let path = if above.is_empty() { text.to_owned() } else { format!("{above}/{text}") };
            let is_folder = kind == FileType::Directory;
            if !(self.keep)(&path, is_folder) {
                continue;
            }
            self.check_limits(&path)?;
            let found = match kind {
                FileType::RegularFile => Found::File,
                FileType::Directory => {
                    folders.push(path.clone());
                    Found::Folder
                }
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&fd, name.as_c_str(), Vec::new())
                        .doing(|| format!("read the link `{path}`"))?;
                    let target = target.into_string().map_err(|_| {
                        Failure::input(format!("the target of the link `{path}` isn't UTF-8"))
                    })?;
                    Found::Link(target)
                }
                other => return Err(special(&path, other)),
            };
            self.found.push((path, found));
        }
        Ok(folders)
    }

    fn check_limits(&self, path: &str) -> Result<()> {
        let why = if path.len() > PATH_LIMIT {
            format!("a path is longer than {PATH_LIMIT} bytes")
        } else if path.matches('/').count() >= DEPTH_LIMIT {
            format!("it is more than {DEPTH_LIMIT} folders deep")
        } else if self.found.len() >= ENTRY_LIMIT {
            format!("it has more than {ENTRY_LIMIT} entries")
        } else {
            return Ok(());
        };
        let start: String = path.chars().take(100).collect();
        Err(Failure::input(format!("the folder can't be a tree: {why}")).fact(format!("at `{start}`")))
    }

    fn open_folder(&mut self, path: &str) -> std::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let needed = if self.take == Take::Adopt { 0o700 } else { 0o500 };
        match beneath::open(self.root.as_fd(), path.as_bytes(), flags) {
            // What is readable but not searchable opens, and refuses what is in it.
            Ok(fd) if rustix::fs::fstat(&fd)?.st_mode & needed == needed => Ok(fd),
            Ok(fd) if rustix::fs::fstat(&fd)?.st_uid != rustix::process::geteuid().as_raw() => Ok(fd),
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => Err(error),
            _ => {
                if let Some(mode) = beneath::grant(self.root.as_fd(), path.as_bytes(), needed)? {
                    self.granted.push((path.to_owned(), mode));
                }
                beneath::open(self.root.as_fd(), path.as_bytes(), flags)
            }
        }
    }

    /// Gives folders the modes back that were changed; adopted ones are ours to do with as we like.
    fn restore(&mut self) -> std::io::Result<()> {
        let granted = std::mem::take(&mut self.granted);
        if self.take == Take::Adopt {
            return Ok(());
        }
        // Deepest first: those above must stay searchable until then.
        granted
            .iter()
            .rev()
            .try_for_each(|(path, mode)| beneath::set_mode(self.root.as_fd(), path.as_bytes(), *mode))
    }

    /// Notes what a tree won't keep of a file or folder.
    fn losses(&mut self, path: &str, stat: &Stat, fd: &OwnedFd) -> std::io::Result<()> {
        for loss in losses(stat, fd)? {
            self.dropped.add(loss, path);
        }
        Ok(())
    }

    /// Enters the files, and puts everything found into one tree.
    fn files(
        &mut self,
        enter: &(impl Fn(File, bool, &Source<'_>) -> Result<Blob> + Sync),
    ) -> Result<Imported> {
        let files: Vec<&str> = self
            .found
            .iter()
            .filter(|(_, found)| matches!(found, Found::File))
            .map(|(path, _)| path.as_str())
            .collect();
        let entered = parallel::each(&files, |path| self.file(path, enter))?;
        let mut nodes = Vec::with_capacity(self.found.len());
        let mut entered = entered.into_iter();
        let mut dropped = std::mem::take(&mut self.dropped);
        for (path, found) in std::mem::take(&mut self.found) {
            let node = match found {
                Found::Folder => Node::Folder(Folder::default()),
                Found::Link(target) => Node::Link { target },
                Found::File => {
                    let Some((blob, executable, losses)) = entered.next() else { break };
                    for loss in losses {
                        dropped.add(loss, &path);
                    }
                    Node::File { digest: blob.digest, size: blob.size, executable }
                }
            };
            nodes.push((path, node));
        }
        let mut folder = Folder::default();
        for (path, node) in nodes {
            folder.insert(&path, node)?;
        }
        Ok(Imported { folder, dropped })
    }

    fn file(
        &self,
        path: &str,
        enter: &(impl Fn(File, bool, &Source<'_>) -> Result<Blob> + Sync),
    ) -> Result<(Blob, bool, Vec<Loss>)> {
        let doing = || format!("read `{path}`");
        let root = self.root.as_fd();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let mut had = None;
        let fd = match beneath::open(root, path.as_bytes(), flags) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                had = beneath::grant(root, path.as_bytes(), 0o600).doing(doing)?;
                beneath::open(root, path.as_bytes(), flags).doing(doing)?
            }
            other => other.doing(doing)?,
        };
        let mut stat = rustix::fs::fstat(&fd).doing(doing)?;
        if let Some(mode) = had {
            stat.st_mode = (stat.st_mode & !0o7777) | mode;
            if self.take == Take::Copy {
                beneath::set_mode(root, path.as_bytes(), mode).doing(doing)?;
            }
        }
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::RegularFile {
            return Err(special(path, kind));
        }
        let losses = losses(&stat, &fd).doing(doing)?;
        let executable = stat.st_mode & 0o100 != 0;
        let source = Source { dir: root, path: path.as_bytes(), stat: &stat };
        Ok((enter(File::from(fd), executable, &source)?, executable, losses))
    }
}

/// What a tree won't keep of a file or folder.
fn losses(stat: &Stat, fd: &OwnedFd) -> std::io::Result<Vec<Loss>> {
    let mut losses = Vec::new();
    let mode = stat.st_mode;
    let folder = FileType::from_raw_mode(mode) == FileType::Directory;
    if mode & 0o6000 != 0 {
        losses.push(Loss::Setuid);
    }
    if mode & 0o1000 != 0 {
        losses.push(Loss::Sticky);
    }
    if !folder && stat.st_nlink > 1 {
        losses.push(Loss::HardLinks);
    }
    // What another umask would have given is no loss worth a word.
    let plain = mode & 0o755;
    if plain != beneath::EXECUTABLE_MODE && (folder || plain != beneath::FILE_MODE) {
        losses.push(Loss::Modes);
    }
    let attributes = beneath::attributes(fd.as_fd())?;
    if attributes.iter().any(|name| name == b"security.capability") {
        losses.push(Loss::Capabilities);
    }
    // Overlay's own notes aren't the file's.
    let other = |name: &[u8]| {
        name != b"security.capability"
            && !name.starts_with(b"user.overlay.")
            && !name.starts_with(b"trusted.overlay.")
    };
    if attributes.iter().any(|name| other(name)) {
        losses.push(Loss::Attributes);
    }
    Ok(losses)
}

fn special(path: &str, kind: FileType) -> Failure {
    let what = match kind {
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "no file, folder or link",
    };
    Failure::input(format!("`{path}` is {what}, which a tree can't hold")).help("remove it, or leave it out")
}
