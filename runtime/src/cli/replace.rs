//! Putting texts in the place of files: each whole or not at all, with the mode and owner that the file had.

use std::io::{Result, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A text that lies beside the file whose place it will take.
pub(super) struct Prepared {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

/// Writes a text beside a file; through links to where the file is.
pub(super) fn prepare(path: &Path, text: &str) -> Result<Prepared> {
    let path = path.canonicalize()?;
    // A file that may not be written isn't replaced either.
    let old = std::fs::OpenOptions::new().write(true).open(&path)?.metadata()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".rbld.new.").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    // Only root can give files away; the mode comes after, for that may take bits away.
    let _ = std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
    file.as_file().set_permissions(old.permissions())?;
    file.as_file().sync_all()?;
    Ok(Prepared { file, path })
}

impl Prepared {
    /// Takes the file's place.
    pub(super) fn put(self) -> Result<()> {
        self.file.persist(&self.path).map(drop).map_err(|error| error.error)
    }
}
