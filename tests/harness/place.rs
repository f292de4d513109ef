//! A place to run rbld in: a temporary folder, a cleared environment, and output without what changes by itself.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use tempfile::TempDir;

/// An id that nobody else has: the ordinary user of tests that are run by root.
const ORDINARY: u32 = 65532;

/// Who runs the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests.
    Me,
    /// Somebody without rights, sub-uids or a home in `/etc/passwd`. Only root can become them.
    Ordinary,
}

impl Who {
    /// All that whoever runs the tests can be.
    pub(crate) fn all() -> Vec<Who> {
        if rustix::process::getuid().is_root() { vec![Who::Me, Who::Ordinary] } else { vec![Who::Me] }
    }

    /// Somebody without rights: whoever runs the tests, or what root can become.
    pub(crate) fn ordinary() -> Who {
        Who::all().pop().unwrap_or(Who::Me)
    }

    /// The word in a test's name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Who::Me if rustix::process::getuid().is_root() => "root",
            Who::Me | Who::Ordinary => "user",
        }
    }
}

/// A folder of a test's own. It holds `project`, where commands run, `home`, `tmp` and the store unless told another.
pub(crate) struct Place {
    folder: TempDir,
    who: Who,
    binaries: PathBuf,
    store: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// What a command line did.
pub(crate) struct Ran {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub(crate) code: i32,
    /// What it wrote, the place's paths replaced.
    pub(crate) stdout: String,
    /// What it wrote, the place's paths replaced.
    pub(crate) stderr: String,
}

impl Place {
    /// A new place for whoever runs the tests.
    pub(crate) fn new() -> Result<Place, Failed> {
        let rbld = Path::new(env!("CARGO_BIN_EXE_rbld"));
        let beside = rbld.parent().ok_or("the binary lies in a folder")?;
        Place::of(Who::Me, beside)
    }

    /// A new place for somebody, with the commands in a folder that they can reach.
    pub(crate) fn of(who: Who, binaries: &Path) -> Result<Place, Failed> {
        let folder = tempfile::Builder::new().prefix("rbld-case-").tempdir()?;
        for name in ["project", "home", "tmp"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        let store = folder.path().join("store");
        Ok(Place { folder, who, binaries: binaries.to_owned(), store, variables: Vec::new() })
    }

    /// With a store that others use too.
    pub(crate) fn with_store(mut self, store: &Path) -> Place {
        self.store = store.to_owned();
        self
    }

    /// With one more environment variable.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Place {
        self.variables.push((name, value.into()));
        self
    }

    /// Where the store is, or will be.
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Where commands run.
    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Writes a file of the project, and the folders above it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Failed> {
        let path = self.project().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text).map_err(|e| format!("{name}: {e}"))?;
        Ok(())
    }

    /// Copies a file or folder to a name in the project; the project itself if it is empty.
    pub(crate) fn copy(&self, from: &Path, name: &str) -> Result<(), Failed> {
        let to = self.project().join(name);
        if !from.is_dir() {
            std::fs::copy(from, &to).map_err(|e| format!("{}: {e}", from.display()))?;
            return Ok(());
        }
        std::fs::create_dir_all(&to)?;
        for entry in std::fs::read_dir(from)? {
            let inner = entry?.file_name();
            let inner = inner.to_str().ok_or("a file of a test has a name in UTF-8")?;
            self.copy(&from.join(inner), &Path::new(name).join(inner).display().to_string())?;
        }
        Ok(())
    }

    /// The text of a file of the project.
    pub(crate) fn read(&self, name: &str) -> Result<String, Failed> {
        Ok(std::fs::read_to_string(self.project().join(name)).map_err(|e| format!("{name}: {e}"))?)
    }

    /// Runs a line of shell in the project with the tested `rbld` first in the path.
    pub(crate) fn run(&self, line: &str) -> Result<Ran, Failed> {
        let home = self.folder.path().join("home");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-euc", line])
            .current_dir(self.project())
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.binaries.display()))
            .env("HOME", &home)
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("RBLD_STORE", &self.store)
            .env("LC_ALL", "C.UTF-8")
            .env("COLUMNS", "100")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        if self.who == Who::Ordinary {
            give(self.folder.path())?;
            command.uid(ORDINARY).gid(ORDINARY);
        }
        let output = command.output().map_err(|e| format!("cannot run `{line}`: {e}"))?;
        Ok(Ran {
            code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            stdout: self.settled(&output.stdout),
            stderr: self.settled(&output.stderr),
        })
    }

    /// Runs a line of shell that must end so, and returns what it wrote to its output and error stream.
    pub(crate) fn expect(&self, line: &str, code: i32) -> Result<Ran, Failed> {
        let ran = self.run(line)?;
        if ran.code == code {
            return Ok(ran);
        }
        Err(format!("`{line}` exits {}, expected {code}\n{}{}", ran.code, ran.stdout, ran.stderr).into())
    }

    /// Output as text, `[ROOT]` for this place.
    fn settled(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        text.replace(&self.folder.path().display().to_string(), "[ROOT]")
    }
}

/// A folder that the ordinary user, too, can reach and write.
pub(crate) fn open_folder(path: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Whether the ordinary user can reach a folder.
pub(crate) fn reachable(path: &Path) -> Result<bool, Failed> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "test -x \"$0\""]).arg(path).current_dir("/").uid(ORDINARY).gid(ORDINARY);
    Ok(command.status()?.success())
}

/// Makes a folder, its owner the ordinary user.
pub(crate) fn give_folder(path: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(path)?;
    Ok(chown(path, Some(ORDINARY), Some(ORDINARY))?)
}

/// Gives what root wrote in a folder to the ordinary user.
fn give(path: &Path) -> Result<(), Failed> {
    std::os::unix::fs::lchown(path, Some(ORDINARY), Some(ORDINARY))?;
    let store = path.ends_with("store");
    if path.is_dir() && !path.is_symlink() && !store {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path())?;
        }
    }
    Ok(())
}
