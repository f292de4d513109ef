//! The files of a folder, as far as a draft looks at them: small regular files, and never more than a bounded number.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::failure::{Doing as _, Failure, Result};

/// The longest file that is read.
const LONGEST: u64 = 4 << 20;

/// How deep files of one name are looked for, and how many of them are read.
const DEEPEST: usize = 4;
const MOST: usize = 300;

/// A project's folder.
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// A folder that can be listed.
    pub(super) fn open(root: &Path) -> Result<Folder> {
        match std::fs::read_dir(root) {
            Ok(_) => Ok(Folder { root: root.to_owned() }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let what = if root.exists() { "is no folder" } else { "doesn't exist" };
                Err(Failure::input(format!("`{}` {what}", root.display()))
                    .help("name the project's folder; the file is written into it"))
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(Failure::input(format!("`{}` can't be read: {error}", root.display()))
                    .help("run `rbld init` as somebody who may read the folder"))
            }
            Err(error) => Err(Failure::io(format!("read `{}`", root.display()), &error)),
        }
    }

    /// Whether there is a file or folder of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.root.join(name).exists()
    }

    /// Whether there is an entry of this name in the folder, and git doesn't ignore it.
    pub(super) fn keeps(&self, name: &str) -> bool {
        let walk = ignore::WalkBuilder::new(&self.root)
            .max_depth(Some(1))
            .hidden(false)
            .require_git(false)
            .git_global(false)
            .parents(false)
            .ignore(false)
            .build();
        walk.filter_map(std::result::Result::ok).any(|entry| entry.depth() == 1 && entry.file_name() == name)
    }

    /// The name of the folder itself.
    pub(super) fn name(&self) -> Option<String> {
        let root = self.root.canonicalize().ok()?;
        Some(root.file_name()?.to_str()?.to_owned())
    }

    /// The text of a file, when there is one; what isn't UTF-8 in it is replaced.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        read(&self.root.join(name))
    }

    /// The texts of all files of a name, the folder's own first: what git ignores, hidden folders and tests of other
    /// projects aren't looked into.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        let walk = ignore::WalkBuilder::new(&self.root)
            .max_depth(Some(DEEPEST))
            .require_git(false)
            .git_global(false)
            .parents(false)
            .ignore(false)
            .sort_by_file_name(std::ffi::OsStr::cmp)
            .build();
        for entry in walk.filter_map(std::result::Result::ok) {
            if entry.file_name() == name && paths.len() < MOST {
                paths.push(entry.into_path());
            }
        }
        paths.sort_by_key(|path| path.components().count());
        let mut texts = Vec::new();
        for path in paths {
            texts.extend(read(&path)?);
        }
        Ok(texts)
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    let doing = || format!("read `{}`", path.display());
    match path.metadata() {
        Ok(facts) if facts.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing(doing),
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)).doing(doing)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
