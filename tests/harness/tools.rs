//! Programs that tests need and this machine may lack: from its PATH, else from the packages of its own
//! distribution, unpacked below the target folder. It takes no privilege and changes nothing outside that folder.
//!
//! It knows Debian's apt-get and nothing of other distributions: there a missing program is named.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Each test uses another part of this; to the compiler all of it is used here.
const _: fn(&Tool) -> Vec<(&'static str, PathBuf)> = Tool::git_variables;

/// A program that was found.
pub(crate) struct Tool {
    /// Where it is.
    pub(crate) program: PathBuf,
    /// Where its package was unpacked; `None` if the machine has it.
    root: Option<PathBuf>,
}

impl Tool {
    /// Finds a program by its path below `/`, such as `usr/bin/git`, and else gets the package that has it.
    pub(crate) fn find(path: &str, package: &str) -> Tool {
        let name = Path::new(path).file_name().expect("a path of a program has a name");
        let places = std::env::var_os("PATH").unwrap_or_default();
        if let Some(program) =
            std::env::split_paths(&places).map(|place| place.join(name)).find(|p| p.exists())
        {
            return Tool { program, root: None };
        }
        let target = std::env::current_exe().expect("a test has a path");
        let debug = target.ancestors().nth(2).expect("a test lies in the target folder");
        let root = debug.join("tools").join(package);
        if !root.exists() {
            std::fs::create_dir_all(debug.join("tools")).expect("the target folder can be written to");
            unpack(package, &root);
        }
        let program = root.join(path);
        assert!(program.exists(), "the package `{package}` has no `{path}`");
        Tool { program, root: Some(root) }
    }

    /// What git must be told to find its own parts.
    pub(crate) fn git_variables(&self) -> Vec<(&'static str, PathBuf)> {
        let Some(root) = &self.root else { return Vec::new() };
        vec![
            ("GIT_EXEC_PATH", root.join("usr/lib/git-core")),
            ("GIT_TEMPLATE_DIR", root.join("usr/share/git-core/templates")),
        ]
    }
}

/// Gets a package from where the machine's apt gets them. Other tests may be doing the same: the first one's stays.
fn unpack(package: &str, root: &Path) {
    let folder = tempfile::tempdir_in(root.parent().expect("it has a parent")).expect("a folder can be made");
    let at = |name: &str| folder.path().join(name);
    for name in ["lists/partial", "archives/partial"] {
        std::fs::create_dir_all(at(name)).expect("a folder can be made");
    }
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .current_dir(folder.path())
            .arg(format!("-oDir::State::lists={}", at("lists").display()))
            .arg(format!("-oDir::Cache={}", folder.path().display()))
            .args(["-oAPT::Sandbox::User=root", "-oDebug::NoLocking=1", "-qq"])
            .args(arguments))
    };
    apt(&["update"]);
    apt(&["download", package]);
    let entries = std::fs::read_dir(folder.path()).expect("the folder is there");
    let mut paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let deb = paths.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let deb = deb.expect("apt-get put the package there");
    run(Command::new("dpkg-deb").arg("-x").arg(deb).arg(at("root")));
    if std::fs::rename(at("root"), root).is_err() {
        assert!(root.exists(), "`{}` can't be made", root.display());
    }
}

fn run(command: &mut Command) {
    let output = command.env("LC_ALL", "C.UTF-8").output();
    let output = output.unwrap_or_else(|error| panic!("these tests need {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
