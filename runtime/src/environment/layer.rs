//! What was written over a root, laid onto the tree that the root was made of.
//!
//! Reads an overlay's upper layer: whiteouts, opaque folders, everything else new or changed.
//! Files are taken into the store as they are; what can't be in a tree is left out and named.
//! Which of them matter is [`super::normalise`]'s decision.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::failure::{Doing, Failure, Result};
use crate::store::Batch;
use crate::store::tree::{Folder, Node};

/// What an overlay marks an opaque folder with; the first where the layers belong to an ordinary user.
const OPAQUE: [&str; 2] = ["user.overlay.opaque", "trusted.overlay.opaque"];

/// Applies the layer at `upper` to `folder`. Where `wanted` says no, neither is read. Gives the paths of what
/// a tree can't hold (sockets, pipes), which are left out.
pub(super) fn apply(
    upper: &Path,
    folder: &mut Folder,
    batch: &Batch,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut layer = Layer { batch, wanted, left_out: Vec::new(), path: String::new() };
    layer.apply(upper, folder, 0)?;
    Ok(layer.left_out)
}

struct Layer<'a> {
    batch: &'a Batch,
    wanted: &'a dyn Fn(&str) -> bool,
    left_out: Vec<String>,
    /// The path within the root.
    path: String,
}

impl Layer<'_> {
    fn apply(&mut self, dir: &Path, folder: &mut Folder, depth: usize) -> Result<()> {
        if depth > 250 {
            return Err(Failure::build(format!("the folder `/{}` lies too deep for a tree", self.path)));
        }
        let reading = || format!("read the layer at {}", dir.display());
        let mut entries =
            std::fs::read_dir(dir).doing(reading)?.collect::<std::io::Result<Vec<_>>>().doing(reading)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| self.not_text(&name))?;
            let length = self.path.len();
            if length > 0 {
                self.path.push('/');
            }
            self.path.push_str(name);
            if (self.wanted)(&self.path) {
                self.entry(&entry.path(), name, folder, depth)?;
            }
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &str, folder: &mut Folder, depth: usize) -> Result<()> {
        let doing = || format!("read {}", path.display());
        let meta = std::fs::symlink_metadata(path).doing(doing)?;
        let kind = meta.file_type();
        if kind.is_char_device() && meta.rdev() == 0 {
            folder.entries.remove(name);
        } else if kind.is_dir() {
            let mut inner = match folder.entries.remove(name) {
                Some(Node::Folder(inner)) if !opaque(path)? => inner,
                _ => Folder::default(),
            };
            self.apply(path, &mut inner, depth + 1)?;
            folder.entries.insert(name.to_owned(), Node::Folder(inner));
        } else if kind.is_symlink() {
            let target = std::fs::read_link(path).doing(doing)?;
            let target = target.to_str().ok_or_else(|| self.not_text(target.as_os_str()))?.to_owned();
            folder.entries.insert(name.to_owned(), Node::Link { target });
        } else if kind.is_file() {
            let executable = meta.mode() & 0o100 != 0;
            let blob = self.batch.adopt(path, executable)?;
            let node = Node::File { digest: blob.digest, size: blob.size, executable };
            folder.entries.insert(name.to_owned(), node);
        } else {
            folder.entries.remove(name);
            self.left_out.push(self.path.clone());
        }
        Ok(())
    }

    fn not_text(&self, name: &std::ffi::OsStr) -> Failure {
        let shown = String::from_utf8_lossy(name.as_bytes()).into_owned();
        Failure::build(format!("a package made the name `{shown}` in `/{}`, which isn't UTF-8", self.path))
            .help("a tree holds only names in UTF-8: leave out the package that makes it")
    }
}

/// Whether what lies beneath in the lower layer is hidden.
fn opaque(path: &Path) -> Result<bool> {
    let mut value = [0u8; 8];
    for name in OPAQUE {
        match rustix::fs::lgetxattr(path, name, &mut value) {
            Ok(length) => {
                if value.get(..length) == Some(b"y") {
                    return Ok(true);
                }
            }
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::PERM) => {}
            Err(rustix::io::Errno::RANGE) => {}
            Err(error) => return Err(error).doing(|| format!("read {}", path.display())),
        }
    }
    Ok(false)
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
