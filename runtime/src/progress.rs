//! Progress: what long work tells a person. The work doesn't know whether anybody looks.

use std::sync::Arc;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading indexes and choosing packages.
    Resolve,
    /// Bringing bytes here.
    Fetch,
    /// Taking packages apart.
    Unpack,
    /// Running maintainer scripts.
    Configure,
    /// Running a recipe.
    Build,
    /// Reading bytes to compare them.
    Compare,
    /// Writing files beside the store.
    Write,
    /// Giving bytes to a registry.
    Push,
}

impl Step {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Step::Resolve => "resolve",
            Step::Fetch => "fetch",
            Step::Unpack => "unpack",
            Step::Configure => "configure",
            Step::Build => "build",
            Step::Compare => "compare",
            Step::Write => "write",
            Step::Push => "push",
        }
    }
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It did its work; a few words more, or none.
    Done(String),
    /// Its result was there already.
    Cached,
    /// It failed; the failure itself is reported elsewhere.
    Failed,
}

/// Shows progress: on a terminal, as plain lines, or not at all.
pub trait Display: Send + Sync {
    /// A task begins; the number names it from now on.
    fn begin(&self, step: Step, name: &str) -> u64;
    /// How many bytes it will move, once known.
    fn expect(&self, task: u64, bytes: u64);
    /// It moved some.
    fn advance(&self, task: u64, bytes: u64);
    /// A line of its log.
    fn line(&self, task: u64, line: &str);
    /// It ended.
    fn end(&self, task: u64, end: End);
    /// A sentence for the person, shown once.
    fn say(&self, sentence: &str);
}

/// The handle that work is given.
#[derive(Clone)]
pub struct Progress(Arc<dyn Display>);

impl Progress {
    /// Progress shown by a display.
    pub fn new(display: Arc<dyn Display>) -> Progress {
        Progress(display)
    }

    /// Progress that nobody sees.
    pub fn silent() -> Progress {
        Progress(Arc::new(Silent))
    }

    /// Begins a task.
    pub fn begin(&self, step: Step, name: &str) -> Task {
        Task { display: self.0.clone(), number: self.0.begin(step, name), ended: false }
    }

    /// Says a sentence once.
    pub fn say(&self, sentence: &str) {
        self.0.say(sentence);
    }
}

/// A task that is shown until it ends; dropped without an end, it has failed.
pub struct Task {
    display: Arc<dyn Display>,
    number: u64,
    ended: bool,
}

impl Task {
    /// How many bytes it will move.
    pub fn expect(&self, bytes: u64) {
        self.display.expect(self.number, bytes);
    }

    /// It moved some bytes.
    pub fn advance(&self, bytes: u64) {
        self.display.advance(self.number, bytes);
    }

    /// A line of its log.
    pub fn line(&self, line: &str) {
        self.display.line(self.number, line);
    }

    /// It is done.
    pub fn done(self, words: impl Into<String>) {
        self.end(End::Done(words.into()));
    }

    /// Its result was there already.
    pub fn cached(self) {
        self.end(End::Cached);
    }

    fn end(mut self, end: End) {
        self.ended = true;
        self.display.end(self.number, end);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.ended {
            self.display.end(self.number, End::Failed);
        }
    }
}

struct Silent;

impl Display for Silent {
    fn begin(&self, _: Step, _: &str) -> u64 {
        0
    }
    fn expect(&self, _: u64, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn line(&self, _: u64, _: &str) {}
    fn end(&self, _: u64, _: End) {}
    fn say(&self, _: &str) {}
}
