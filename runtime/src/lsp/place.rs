//! Files and addresses: `file:` URIs to paths and back, and where the standard library can be read.

use std::path::{Path, PathBuf};

use lsp_types::Uri;
use rbld_lang::digest::Digest;

/// The path that a `file:` URI names.
pub(super) fn path(uri: &Uri) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let written = uri.as_str().strip_prefix("file://")?;
    // Between the slashes may stand a host: only this one is ours.
    let written = &written[written.find('/')?..];
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    // An editor may know a file by a link: all that follows compares real paths.
    let real = path.parent().and_then(|folder| folder.canonicalize().ok());
    Some(match (real, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    })
}

/// The `file:` URI of a path.
pub(super) fn uri(path: &Path) -> Option<Uri> {
    use std::os::unix::ffi::OsStrExt;
    let mut written = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => written.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => written.push(char::from(*byte)),
            byte => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written.parse().ok()
}

/// A folder with what an editor can open but no project holds: the sources of the standard library, and the
/// explanations of the codes.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    root: PathBuf,
}

impl Shelf {
    /// In the user's cache folder. What can't be written there can't be opened, which hinders nothing else.
    pub(super) fn fill() -> Shelf {
        let base = crate::store::cache_folder().unwrap_or_else(std::env::temp_dir).join("rbld-editor");
        let mut hasher = rbld_lang::digest::Hasher::new("rbld-shelf-1");
        let library: Vec<_> = rbld_lang::loader::library().collect();
        for (name, text) in &library {
            rbld_lang::digest::Manifest::field(&mut hasher, name, text.as_bytes());
        }
        let version = env!("CARGO_PKG_VERSION");
        let shelf = Shelf { root: base.join(format!("{version}-{}", hasher.finish().short())) };
        for (name, text) in library {
            shelf.write(&shelf.module(name), text);
        }
        for row in rbld_lang::codes::TABLE {
            let text = format!("# {}: {}\n\n{}\n", row.code.0, row.title, row.explanation.trim_end());
            shelf.write(&shelf.explanation(row.code.0), &text);
        }
        shelf
    }

    /// Where a module of the standard library is: `std.debian`.
    pub(super) fn module(&self, name: &str) -> PathBuf {
        self.root.join("std").join(format!("{}.rbld", name.trim_start_matches("std.")))
    }

    /// Where a module of a package is, copied there with others of the package.
    pub(super) fn package<'a>(
        &self,
        tree: Digest,
        path: &str,
        modules: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> PathBuf {
        let folder = self.root.join("packages").join(tree.to_hex());
        for (module, text) in modules {
            self.write(&folder.join(module), text);
        }
        folder.join(path)
    }

    /// Where a code is explained.
    pub(super) fn explanation(&self, code: &str) -> PathBuf {
        self.root.join("explain").join(format!("{code}.md"))
    }

    /// The module of the standard library that a path shows.
    pub(super) fn module_of(&self, path: &Path) -> Option<String> {
        let real = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        let name = path.strip_prefix(real.join("std")).ok()?.to_str()?.strip_suffix(".rbld")?;
        Some(format!("std.{name}"))
    }

    fn write(&self, path: &Path, text: &str) {
        if std::fs::read_to_string(path).is_ok_and(|known| known == text) {
            return;
        }
        let Some(folder) = path.parent() else { return };
        let written = std::fs::create_dir_all(folder).and_then(|()| {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
            file.as_file().set_permissions(mode)?;
            file.persist(path).map(drop).map_err(|error| error.error)
        });
        // A place that can't be written is a link that leads nowhere.
        drop(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_are_one() {
        let odd = Path::new("/nowhere/at all/ä%20.rbld");
        let there = uri(odd).map(|uri| (uri.as_str().to_owned(), path(&uri)));
        assert_eq!(
            there,
            Some(("file:///nowhere/at%20all/%C3%A4%2520.rbld".to_owned(), Some(odd.to_owned())))
        );
    }
}
