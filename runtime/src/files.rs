//! The files of a project: what a loader of the language may read, and where the lock is. Nothing outside the
//! project's folder is read.

use std::path::{Component, Path, PathBuf};

use rbld_lang::digest::Digest;
use rbld_lang::loader::{LoadError, Loader, Local};

use crate::packages::Packages;

/// The largest file that is read as a source.
const LIMIT: u64 = 64 << 20;

/// How many names of a folder are looked at for the nearest one.
const NAMES: usize = 1000;

/// The loader of files: nothing outside the project's folder, and of packages what the store has.
pub struct Files {
    /// The folder, absolute and without links.
    pub root: PathBuf,
    /// The packages.
    pub packages: Packages,
}

impl Loader for Files {
    fn source(&self, path: &str) -> Result<String, LoadError> {
        let full = inside(&self.root, path)?;
        let length = std::fs::metadata(&full).map_err(|error| unreadable(&error))?.len();
        if length > LIMIT {
            return Err(LoadError::Unreadable(format!("it has {length} bytes, the most is {LIMIT}")));
        }
        std::fs::read_to_string(&full).map_err(|error| unreadable(&error))
    }

    fn local(&self, path: &str) -> Result<Local, LoadError> {
        if !path.is_empty() {
            inside(&self.root, path)?;
        }
        let found = crate::fetch::local::scan(&self.root, path)
            .map_err(|failure| LoadError::Unreadable(failure.message))?;
        Ok(Local { digest: found.digest, folder: found.folder, executable: found.executable })
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let full = if folder.is_empty() { Ok(self.root.clone()) } else { inside(&self.root, folder) };
        let Some(entries) = full.ok().and_then(|full| std::fs::read_dir(full).ok()) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.take(NAMES).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    fn package_source(&self, tree: Digest, path: &str) -> Result<String, LoadError> {
        self.packages.source(tree, path)
    }

    fn package_local(&self, tree: Digest, path: &str) -> Result<Local, LoadError> {
        self.packages.local(tree, path)
    }
}

fn unreadable(error: &std::io::Error) -> LoadError {
    match error.kind() {
        std::io::ErrorKind::NotFound => LoadError::Missing,
        _ => LoadError::Unreadable(error.to_string()),
    }
}

/// The real path of a project's file, if it doesn't lead outside, by links either.
fn inside(root: &Path, path: &str) -> Result<PathBuf, LoadError> {
    let outside = || LoadError::Outside;
    let relative = Path::new(path);
    if relative.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(outside());
    }
    let real = root.join(relative).canonicalize().map_err(|error| unreadable(&error))?;
    if real.starts_with(root) { Ok(real) } else { Err(outside()) }
}

/// Where the lock of a file is: `rbld.lock` beside `build.rbld`, `NAME.rbld.lock` beside any other.
pub fn lock_path(root: &Path, name: &str) -> PathBuf {
    root.join(match name {
        "build.rbld" => "rbld.lock".to_owned(),
        _ => format!("{name}.lock"),
    })
}
