//! The folders in which programs are looked for, in another order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// No chain of links of folders is longer.
const LINKS: usize = 8;

/// A `PATH` in reverse, if each name then still means the same program of a root; else none, as the axis is to change
/// where is looked, not what is found.
pub fn reversed(root: &Path, path: &str) -> Option<String> {
    let folders: Vec<&str> = path.split(':').collect();
    let found = |folders: &mut dyn Iterator<Item = &&str>| {
        let mut programs: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
        for folder in folders {
            let Some(place) = inside(root, folder) else { continue };
            for entry in std::fs::read_dir(&place).into_iter().flatten().flatten() {
                programs.entry(entry.file_name()).or_insert_with(|| place.clone());
            }
        }
        programs
    };
    if found(&mut folders.iter()) != found(&mut folders.iter().rev()) {
        return None;
    }
    Some(folders.into_iter().rev().collect::<Vec<_>>().join(":"))
}

/// Where a folder of a root is, its links followed inside the root.
fn inside(root: &Path, folder: &str) -> Option<PathBuf> {
    let mut rest: Vec<String> = folder.strip_prefix('/')?.split('/').rev().map(str::to_owned).collect();
    let mut at: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match part.as_str() {
            "" | "." => {}
            ".." => drop(at.pop()),
            _ => {
                let place = at.iter().fold(root.to_owned(), |place, part| place.join(part)).join(&part);
                match std::fs::read_link(&place) {
                    Ok(target) => {
                        links += 1;
                        let target = target.to_str()?;
                        if links > LINKS {
                            return None;
                        }
                        if target.starts_with('/') {
                            at.clear();
                        }
                        rest.extend(target.split('/').rev().map(str::to_owned));
                    }
                    Err(_) => at.push(part),
                }
            }
        }
    }
    Some(at.iter().fold(root.to_owned(), |place, part| place.join(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_order_is_changed_only_where_it_does_not_matter() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in ["usr/bin", "usr/sbin", "opt"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        symlink("/usr/bin", root.join("bin")).unwrap();
        symlink("usr/sbin", root.join("sbin")).unwrap();
        std::fs::write(root.join("usr/bin/cc"), "").unwrap();
        std::fs::write(root.join("usr/sbin/mount"), "").unwrap();
        let path = "/usr/sbin:/usr/bin:/sbin:/bin:/nowhere";
        assert_eq!(reversed(root, path).as_deref(), Some("/nowhere:/bin:/sbin:/usr/bin:/usr/sbin"));
        std::fs::write(root.join("opt/cc"), "").unwrap();
        assert_eq!(reversed(root, "/opt:/usr/bin"), None);
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(reversed(root, "/loop:/bin").as_deref(), Some("/bin:/loop"));
    }
}
