//! A loader that has its files in memory: for tests, examples and fuzzing. Knows no folder but by the names in it.

use std::collections::BTreeMap;

use super::{LoadError, Loader, Local};
use crate::digest::Digest;

/// A loader over texts in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLoader {
    /// Files by path. Their content is also their digest's.
    pub files: BTreeMap<String, String>,
    /// The files of packages, by the digests of their trees.
    pub packages: BTreeMap<Digest, BTreeMap<String, String>>,
}

impl MemoryLoader {
    /// A loader that knows these files.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> MemoryLoader {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned()));
        MemoryLoader { files: files.collect(), packages: BTreeMap::new() }
    }

    /// With a package.
    #[must_use]
    pub fn with_package<'a>(
        mut self,
        tree: Digest,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> MemoryLoader {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned()));
        self.packages.insert(tree, files.collect());
        self
    }
}

/// What a path leads to among files by path.
fn held(files: &BTreeMap<String, String>, path: &str) -> Result<Local, LoadError> {
    if let Some(text) = files.get(path) {
        return Ok(Local { digest: Digest::of(text.as_bytes()), folder: false, executable: false });
    }
    let inside = if path.is_empty() { String::new() } else { format!("{path}/") };
    let held: Vec<_> = files.iter().filter(|(name, _)| name.starts_with(&inside)).collect();
    if held.is_empty() {
        return Err(LoadError::Missing);
    }
    let digest = Digest::of(format!("{held:?}").as_bytes());
    Ok(Local { digest, folder: true, executable: false })
}

impl Loader for MemoryLoader {
    fn source(&self, path: &str) -> Result<String, LoadError> {
        self.files.get(path).cloned().ok_or(LoadError::Missing)
    }

    fn local(&self, path: &str) -> Result<Local, LoadError> {
        held(&self.files, path)
    }

    fn package_source(&self, tree: Digest, path: &str) -> Result<String, LoadError> {
        let files = self.packages.get(&tree).ok_or(LoadError::Absent)?;
        files.get(path).cloned().ok_or(LoadError::Missing)
    }

    fn package_local(&self, tree: Digest, path: &str) -> Result<Local, LoadError> {
        held(self.packages.get(&tree).ok_or(LoadError::Absent)?, path)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let inside = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&inside)?.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        names
    }
}
