//! What goes wrong outside the language, sorted by whose matter it is.
//!
//! One type for the whole runtime: a sentence, the facts that matter, what to type next,
//! and a kind that decides the exit code. Modules make failures; only `cli` prints them.

use std::fmt;

/// Whose matter a failure is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The file, lock, pin, setting or command line is wrong (2).
    Input,
    /// A build failed (3).
    Build,
    /// The world failed or lied: network, digest, signature, isolation, disk, store (4).
    World,
    /// rbld is wrong (5).
    Bug,
    /// Stopped by a signal (130 or 143).
    Interrupted(i32),
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Whose matter it is.
    pub kind: Kind,
    /// A lower-case sentence without a full stop, the user's words in backticks.
    pub message: String,
    /// Facts, one a line: where, expected and found, what was tried.
    pub facts: Vec<String>,
    /// What to type next.
    pub help: Option<String>,
}

/// What most of the runtime returns.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), facts: Vec::new(), help: None }
    }

    /// The file, lock, pin, setting or command line is wrong.
    pub fn input(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Input, message)
    }

    /// A build failed.
    pub fn build(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Build, message)
    }

    /// The world failed or lied.
    pub fn world(message: impl Into<String>) -> Failure {
        Failure::new(Kind::World, message)
    }

    /// rbld is wrong.
    pub fn bug(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Bug, message)
    }

    /// An operation on a path failed; a full disk says so.
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Failure {
        let failure = Failure::world(format!("could not {doing}: {error}"));
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => failure
                .help("the disk is full: free some room, or `rbld store gc`, or set RBLD_STORE to a folder with more"),
            _ => failure,
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, fact: impl Into<String>) -> Failure {
        self.facts.push(fact.into());
        self
    }

    /// Adds what to type next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// The exit code when nothing else went wrong.
    pub fn exit_code(&self) -> i32 {
        match self.kind {
            Kind::Input => 2,
            Kind::Build => 3,
            Kind::World => 4,
            Kind::Bug => 5,
            Kind::Interrupted(signal) => 128 + signal,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for fact in &self.facts {
            write!(f, "\n  {fact}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Says what was being done when an input or output operation failed.
pub trait Doing<T> {
    /// Wraps the error with what was being done: `doing(|| format!("read {path}"))`.
    fn doing<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Failure::io(what(), &error))
    }
}

impl<T> Doing<T> for std::result::Result<T, rustix::io::Errno> {
    fn doing<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Failure::io(what(), &error.into()))
    }
}
