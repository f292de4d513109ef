//! Running a program in a root filesystem with its inputs, and nothing else.
//!
//! One trait, so that builds can run here, in a container or on a cluster; the embedded executor is the
//! default and needs only the kernel. An executor knows nothing of derivations, keys or caches: it gets
//! folders and a command line, and says how the program ended. A sandbox that could not be set up is an
//! error, never an exit code.

mod axes;
mod beneath;
mod cancel;
mod embedded;
mod machine;
mod names;
mod outputs;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rbld_lang::derivation::Arch;
use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::sandbox::Feature;
use crate::vary::Variant;

pub use axes::check as check_axes;
pub use cancel::Cancel;
pub use embedded::{Embedded, check_arch, host_arch};
pub use outputs::{Collected, Entry, collect_file, collect_files};
pub use stage::FIXED_TIME;
pub(crate) use stage::open_up;

/// What becomes the root filesystem.
#[derive(Clone, Copy, Debug)]
pub enum Root<'a> {
    /// This folder, read-only, under a writable layer in the scratch folder.
    Overlay {
        /// The folder.
        lower: &'a Path,
    },
    /// This folder itself, written to.
    Writable(&'a Path),
}

/// A file or folder of the host seen inside.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where it is on the host.
    pub from: PathBuf,
    /// Where it is seen inside: an absolute path without `.`, `..` or empty parts.
    pub at: String,
}

/// Who a program is. Inside there is only this one user, the owner of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Uid and gid 1000: changing an owner to anybody else is refused.
    Build,
    /// Uid and gid 0: changing owners, ids and making device nodes is answered "done" and does nothing.
    Root,
}

/// A program to run.
pub struct Request<'a> {
    /// The root filesystem.
    pub root: Root<'a>,
    /// A folder for the writable layer and what else is needed; on a disk, owned by this user.
    pub scratch: &'a Path,
    /// The architecture of the root's programs.
    pub arch: Arch,
    /// A static qemu-user on the host's disk that runs them, where the machine itself can't.
    pub emulator: Option<&'a Path>,
    /// Read-only files and folders.
    pub mounts: Vec<Mount>,
    /// Files and folders that are copied, writable, before the program starts; every time becomes
    /// [`FIXED_TIME`], every mode 0644 or 0755.
    pub copies: Vec<Mount>,
    /// The program and its arguments; a name without `/` is looked for in `env`'s PATH.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The folder it starts in, absolute. `/build` and `/tmp` always exist, and the variant's folder and home; they are
    /// empty but for copies.
    pub cwd: String,
    /// Who it is.
    pub user: User,
    /// What around it is other than usual.
    pub variant: &'a Variant,
    /// After this everything is killed.
    pub timeout: Option<Duration>,
    /// Gets standard output and error, one stream, as it comes.
    pub log: &'a mut (dyn FnMut(&[u8]) + Send),
    /// Once set, everything is killed.
    pub cancel: &'a Cancel,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It exited. 127 and 126, with a line in the log, if it could not be started: not there, not executable.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It took longer than it may.
    Timeout,
    /// It was stopped from outside.
    Cancelled,
}

impl Exit {
    /// Whether it exited with 0.
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }
}

/// What the sandbox was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// The cosmetic features that this machine didn't grant, sorted. Hard ones are always there.
    pub missing: Vec<Feature>,
    /// Whether programs ran by emulation.
    pub emulated: bool,
}

/// A program that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How.
    pub exit: Exit,
    /// Where what it wrote is on the host: the writable layer, or the writable root itself.
    pub upper: PathBuf,
    /// What the sandbox was made of.
    pub isolation: Isolation,
    /// How long it took, the sandbox included.
    pub wall: Duration,
}

/// Something that runs programs.
pub trait Executor: Send + Sync {
    /// Runs a program and waits for it. An error means that no program was run: the sandbox could not be made.
    fn run(&self, request: Request<'_>) -> Result<Finished>;
}
