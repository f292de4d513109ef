//! A place to run rbld in: a temporary folder, a cleared environment, and output without what changes by itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use tempfile::TempDir;

/// A folder of a test's own. It holds `project`, where commands run, `home` and `store`.
pub(crate) struct Place {
    folder: TempDir,
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
    /// A new place.
    pub(crate) fn new() -> Result<Place, Failed> {
        let folder = tempfile::Builder::new().prefix("rbld-case-").tempdir()?;
        for name in ["project", "home", "tmp"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        Ok(Place { folder })
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

    /// Runs a line of shell in the project with the tested `rbld` first in the path.
    pub(crate) fn run(&self, line: &str) -> Result<Ran, Failed> {
        let rbld = Path::new(env!("CARGO_BIN_EXE_rbld"));
        let beside = rbld.parent().ok_or("the binary lies in a folder")?;
        let output = Command::new("/bin/sh")
            .args(["-euc", line])
            .current_dir(self.project())
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", beside.display()))
            .env("HOME", self.folder.path().join("home"))
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("RBLD_STORE", self.folder.path().join("store"))
            .env("LC_ALL", "C.UTF-8")
            .env("COLUMNS", "100")
            .output()
            .map_err(|e| format!("cannot run `{line}`: {e}"))?;
        Ok(Ran {
            code: code(output.status),
            stdout: self.settled(&output.stdout),
            stderr: self.settled(&output.stderr),
        })
    }

    /// Output as text, `[ROOT]` for this place.
    fn settled(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        text.replace(&self.folder.path().display().to_string(), "[ROOT]")
    }
}

/// The exit code as a shell gives it.
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
