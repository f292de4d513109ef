//! Files and folders of the project: what of them counts, their digests, and taking them into the store.
//!
//! Left out are `.git`, what rbld itself reads in the project's folder, and what git ignores by rules of the project
//! itself: its `.gitignore` files and `.git/info/exclude`, never the user's own, so that everybody gets the same bytes.
//! Nothing outside the project's folder is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rbld_lang::digest::Digest;
use sha2::Digest as _;

use crate::failure::{Doing, Failure, Result};
use crate::store::tree::{self, Dropped, Take};
use crate::store::{Batch, Object};

/// The longest file of ignore rules that is read, in bytes.
const RULES_LIMIT: u64 = 4 << 20;

/// What a path of the project leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The digest of the file's bytes, or of the folder's tree.
    pub digest: Digest,
    /// A folder, or a file.
    pub folder: bool,
    /// Whether a file is executable.
    pub executable: bool,
}

/// Digests a file or folder of the project, storing nothing. `path` is relative to `project`, `/`-separated;
/// empty for the project's folder itself.
pub fn scan(project: &Path, path: &str) -> Result<Found> {
    let place = Place::find(project, path)?;
    if !place.folder {
        let (digest, executable) = place.digest(path)?;
        return Ok(Found { digest, folder: false, executable });
    }
    let rules = Rules::new(&place);
    let folder = tree::scan(&place.target, &|name, folder| rules.keep(name, folder))?;
    Ok(Found { digest: folder.digest(), folder: true, executable: false })
}

/// The folder that a path of the project leads to, without links and never outside the project.
pub(super) fn inside(project: &Path, path: &str) -> Result<PathBuf> {
    let place = Place::find(project, path)?;
    if place.folder { Ok(place.target) } else { Err(Failure::input(format!("`./{path}` isn't a folder"))) }
}

/// Takes a file or folder of the project into the store, if it still is what `expected` says.
/// Also gives what of it a tree doesn't keep.
pub fn take(batch: &Batch, project: &Path, path: &str, expected: &Found) -> Result<(Object, Dropped)> {
    let place = Place::find(project, path)?;
    if place.folder != expected.folder {
        return Err(changed(path, "it was a file and is a folder now, or the other way round"));
    }
    if !place.folder {
        let executable = executable(&place.target).doing(|| format!("read `{path}`"))?;
        let blob = batch.file(&place.target, executable)?;
        if blob.digest != expected.digest || executable != expected.executable {
            return Err(changed(path, "the file isn't the one that was read at the start"));
        }
        return Ok((Object::File { digest: blob.digest, size: blob.size, executable }, Dropped::default()));
    }
    let rules = Rules::new(&place);
    let imported = tree::import(batch, &place.target, Take::Copy, &|name, folder| rules.keep(name, folder))?;
    if imported.folder.digest() != expected.digest {
        return Err(changed(path, "the folder isn't the one that was read at the start"));
    }
    Ok((tree::write(batch, &imported.folder)?, imported.dropped))
}

/// The bytes of a file of the project, if it still is the one of this digest and has no more than `limit`.
pub fn read(project: &Path, path: &str, digest: Digest, limit: u64) -> Result<Vec<u8>> {
    let place = Place::find(project, path)?;
    let file = File::open(&place.target).doing(|| format!("open `./{path}`"))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).doing(|| format!("read `./{path}`"))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::input(format!("`./{path}` has more than {limit} bytes")));
    }
    if Digest::of(&bytes) != digest {
        return Err(changed(path, "the file isn't the one that was read at the start"));
    }
    Ok(bytes)
}

fn changed(path: &str, how: &str) -> Failure {
    Failure::input(format!("`./{path}` changed while rbld was running"))
        .fact(how)
        .help("run rbld again, and leave the file alone meanwhile")
}

/// Where a path of the project is.
struct Place {
    /// The project's folder, without links.
    project: PathBuf,
    /// What the path leads to, without links.
    target: PathBuf,
    folder: bool,
}

impl Place {
    fn find(project: &Path, path: &str) -> Result<Place> {
        let path = path.trim_start_matches("./").trim_end_matches('/');
        let path = if path == "." { "" } else { path };
        let outside = |why: &str| {
            Failure::input(format!("`./{path}` lies outside the project's folder"))
                .fact(why)
                .help("move it into the project, or fetch it by URL and digest")
        };
        if path.starts_with('/') || path.split('/').any(|name| name == "..") {
            return Err(outside("a path of the project is relative and has no `..`"));
        }
        let project =
            project.canonicalize().doing(|| format!("find the project at `{}`", project.display()))?;
        let target = match project.join(path).canonicalize() {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::input(format!("there is no `./{path}` in the project"))
                    .fact(format!("looked in {}", project.display()))
                    .help("write the path relative to the folder of `build.rbld`"));
            }
            Err(error) => return Err(Failure::io(format!("find `./{path}`"), &error)),
        };
        if !target.starts_with(&project) {
            return Err(outside(&format!("a symbolic link leads to {}", target.display())));
        }
        let kind = target.metadata().doing(|| format!("look at `./{path}`"))?.file_type();
        if !kind.is_dir() && !kind.is_file() {
            return Err(Failure::input(format!("`./{path}` is neither a file nor a folder")));
        }
        Ok(Place { project, target, folder: kind.is_dir() })
    }

    fn digest(&self, path: &str) -> Result<(Digest, bool)> {
        let read = || -> io::Result<(Digest, bool)> {
            let executable = executable(&self.target)?;
            let (mut hasher, mut buffer) = (sha2::Sha256::new(), vec![0; 128 << 10]);
            let mut file = File::open(&self.target)?;
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok((Digest::from_bytes(hasher.finalize().into()), executable)),
                    Ok(count) => hasher.update(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        };
        read().doing(|| format!("read `./{path}`"))
    }
}

fn executable(path: &Path) -> io::Result<bool> {
    Ok(path.metadata()?.permissions().mode() & 0o100 != 0)
}

/// What git ignores in a folder of the project.
struct Rules {
    project: PathBuf,
    folder: PathBuf,
    exclude: Option<Gitignore>,
    /// The rules of each folder, read when first needed.
    read: Mutex<BTreeMap<PathBuf, Option<Arc<Gitignore>>>>,
}

impl Rules {
    fn new(place: &Place) -> Rules {
        Rules {
            project: place.project.clone(),
            folder: place.target.clone(),
            exclude: rules(&place.project, &place.project.join(".git/info/exclude")),
            read: Mutex::default(),
        }
    }

    /// Whether an entry counts; `name` is relative to the folder. Never asked of what lies in a folder left out.
    fn keep(&self, name: &str, folder: bool) -> bool {
        let path = self.folder.join(name);
        if path.file_name().is_some_and(|name| name == ".git") {
            return false;
        }
        // What rbld itself reads decides bytes through the keys alone: were it an input too, a comment in it, and the
        // tree digests that a check notes in the lock, would ask for another build.
        if path.parent() == Some(&self.project)
            && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| read_by_rbld(name, folder))
        {
            return false;
        }
        // So does what `rbld vendor` wrote there: a check from it would ask for another build than the one it was for.
        if folder && path.join(super::vendored::manifest::NAME).is_file() {
            return false;
        }
        // The rules nearest to the entry go first.
        for above in path.ancestors().skip(1).take_while(|above| above.starts_with(&self.project)) {
            match self.of(above).as_deref().map_or(Match::None, |rules| rules.matched(&path, folder)) {
                Match::None => {}
                Match::Ignore(_) => return false,
                Match::Whitelist(_) => return true,
            }
        }
        !self.exclude.as_ref().is_some_and(|rules| rules.matched(&path, folder).is_ignore())
    }

    fn of(&self, folder: &Path) -> Option<Arc<Gitignore>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.entry(folder.to_owned())
            .or_insert_with(|| rules(folder, &folder.join(".gitignore")).map(Arc::new))
            .clone()
    }
}

/// Whether an entry of the project's own folder is what rbld reads there: `.rbld` files, locks and settings.
fn read_by_rbld(name: &str, folder: bool) -> bool {
    match folder {
        true => name == ".rbld",
        false => name == "rbld.lock" || name.ends_with(".rbld") || name.ends_with(".rbld.lock"),
    }
}

/// The rules of a file, for what lies in `root`. As with git, a link isn't followed, and a rule that can't be
/// read ignores nothing.
fn rules(root: &Path, file: &Path) -> Option<Gitignore> {
    let facts = file.symlink_metadata().ok().filter(|facts| facts.is_file())?;
    if facts.len() > RULES_LIMIT {
        return None;
    }
    let text = std::fs::read(file).ok()?;
    let mut builder = GitignoreBuilder::new(root);
    for line in String::from_utf8_lossy(&text).lines() {
        let _ = builder.add_line(None, line);
    }
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Project(tempfile::TempDir);

    impl Project {
        fn new(files: &[(&str, &str)]) -> Project {
            let project = Project(tempfile::tempdir().unwrap());
            for (path, text) in files {
                project.write(path, text);
            }
            project
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn kept(&self, path: &str) -> Vec<String> {
            let place = Place::find(self.0.path(), path).unwrap();
            let rules = Rules::new(&place);
            let folder = tree::scan(&place.target, &|name, folder| rules.keep(name, folder)).unwrap();
            folder.files().map(|(path, _)| path).collect()
        }
    }

    #[test]
    fn ignored_files_are_left_out() {
        let project = Project::new(&[
            (".gitignore", "*.o\n/out/\n!keep.o\n"),
            (".git/config", ""),
            (".git/info/exclude", "private\n"),
            ("a.c", ""),
            ("a.o", ""),
            ("keep.o", ""),
            ("private", ""),
            ("out/x", ""),
            ("sub/out/x", ""),
            ("sub/.git", "gitdir: elsewhere"),
            ("sub/.gitignore", "!special.o\ntmp\n"),
            ("sub/special.o", ""),
            ("sub/b.o", ""),
            ("sub/tmp", ""),
            ("rbld.lock", "rbld-lock 1\n"),
            ("other.rbld.lock", "rbld-lock 1\n"),
            ("build.rbld", "rbld 1\n"),
            (".rbld/config.toml", ""),
            ("sub/common.rbld", "rbld 1\n"),
            ("sub/rbld.lock", "another project's"),
        ]);
        let kept = [
            ".gitignore",
            "a.c",
            "keep.o",
            "sub/.gitignore",
            "sub/common.rbld",
            "sub/out/x",
            "sub/rbld.lock",
            "sub/special.o",
        ];
        assert_eq!(project.kept(""), kept);
        assert_eq!(project.kept("sub"), [".gitignore", "common.rbld", "out/x", "rbld.lock", "special.o"]);
        assert_eq!(project.kept("./sub/"), [".gitignore", "common.rbld", "out/x", "rbld.lock", "special.o"]);
        // What is named is taken, though its folder is ignored.
        assert_eq!(project.kept("out"), ["x"]);
    }

    #[test]
    fn nothing_outside_is_read() {
        let project = Project::new(&[("in/a", "a")]);
        let outside = Project::new(&[("secret", "s"), (".gitignore", "a\n")]);
        symlink(outside.0.path(), project.0.path().join("link")).unwrap();
        symlink("in/a", project.0.path().join("inside")).unwrap();
        symlink("/dev/null", project.0.path().join("null")).unwrap();
        for path in ["link", "link/secret", "../x", "in/../../x", "/etc/passwd", "null"] {
            let failure = scan(project.0.path(), path).unwrap_err();
            assert!(failure.message.contains("outside the project's folder"), "{path}: {failure}");
            assert_eq!(failure.exit_code(), 2);
        }
        assert_eq!(scan(project.0.path(), "inside").unwrap().digest, Digest::of(b"a"));
        let failure = scan(project.0.path(), "nowhere").unwrap_err();
        assert_eq!(failure.message, "there is no `./nowhere` in the project");
    }

    #[test]
    fn what_is_scanned_is_what_is_taken() {
        let project = Project::new(&[("a", "a"), ("dir/b", "b"), ("dir/.gitignore", "c"), ("dir/c", "c")]);
        let script = project.0.path().join("a");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let home = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(home.path()).unwrap();
        let batch = store.batch().unwrap();
        let file = scan(project.0.path(), "a").unwrap();
        assert_eq!(file, Found { digest: Digest::of(b"a"), folder: false, executable: true });
        let (object, _) = take(&batch, project.0.path(), "a", &file).unwrap();
        assert_eq!(object, Object::File { digest: file.digest, size: 1, executable: true });
        let folder = scan(project.0.path(), "dir").unwrap();
        let (object, _) = take(&batch, project.0.path(), "dir", &folder).unwrap();
        assert_eq!(object.digest(), folder.digest);
        project.write("dir/b", "changed");
        let failure = take(&batch, project.0.path(), "dir", &folder).unwrap_err();
        assert_eq!(failure.message, "`./dir` changed while rbld was running");
    }
}
