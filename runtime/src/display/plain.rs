//! Progress as lines, for a log file: long work when it begins and ends, small work summed up.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Finish, ended, is_small, size, time};
use crate::progress::{Display, End, Step};
use crate::report::printable;

/// Small work that took longer than this gets its own line.
const LONG: Duration = Duration::from_secs(5);

/// Sums are told at least this often while small work goes on.
const EVERY: Duration = Duration::from_secs(30);

/// Tells progress as lines.
pub struct Plain {
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    logs: bool,
    state: Mutex<State>,
}

struct State {
    to: Box<dyn Write + Send>,
    next: u64,
    running: BTreeMap<u64, Running>,
    sums: BTreeMap<&'static str, Sum>,
    told: Duration,
    cached: u64,
}

struct Running {
    step: Step,
    name: String,
    began: Duration,
    bytes: u64,
}

#[derive(Default)]
struct Sum {
    count: u64,
    bytes: u64,
    began: Duration,
    ended: Duration,
}

impl Plain {
    /// Writes lines to `to`; with `logs` also every line that builds print.
    pub fn new(to: Box<dyn Write + Send>, logs: bool) -> Plain {
        let start = Instant::now();
        Plain::with_clock(to, logs, Box::new(move || start.elapsed()))
    }

    pub(super) fn with_clock(
        to: Box<dyn Write + Send>,
        logs: bool,
        clock: Box<dyn Fn() -> Duration + Send + Sync>,
    ) -> Plain {
        let (running, sums) = (BTreeMap::new(), BTreeMap::new());
        let state = State { to, next: 0, running, sums, told: Duration::ZERO, cached: 0 };
        Plain { clock, logs, state: Mutex::new(state) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, Duration) -> T) -> T {
        let now = (self.clock)();
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

impl State {
    /// A line for the log. Nobody is served by a failure to write it.
    fn tell(&mut self, word: &str, text: &str) {
        let _ = writeln!(self.to, "{word:<11} {text}");
    }

    fn tell_sums(&mut self, now: Duration) {
        for (word, sum) in std::mem::take(&mut self.sums) {
            let bytes = if sum.bytes > 0 { format!(", {}", size(sum.bytes)) } else { String::new() };
            let (count, span) = (sum.count, time(sum.ended.saturating_sub(sum.began)));
            let plural = if count == 1 { "" } else { "s" };
            self.tell(word, &format!("{count} item{plural}{bytes} in {span}"));
        }
        self.told = now;
    }

    fn small(&mut self, task: &Running, now: Duration) {
        let sum =
            self.sums.entry(ended(task.step)).or_insert_with(|| Sum { began: task.began, ..Sum::default() });
        sum.count += 1;
        sum.bytes += task.bytes;
        sum.began = sum.began.min(task.began);
        sum.ended = now;
        if now.saturating_sub(self.told) > EVERY {
            self.tell_sums(now);
        }
    }
}

impl Display for Plain {
    fn begin(&self, step: Step, name: &str) -> u64 {
        self.with(|state, now| {
            if !is_small(step) {
                state.tell_sums(now);
                state.tell(step.word(), &printable(name));
            }
            state.next += 1;
            let task = Running { step, name: printable(name), began: now, bytes: 0 };
            state.running.insert(state.next, task);
            state.next
        })
    }

    fn expect(&self, _: u64, _: u64) {}

    fn advance(&self, task: u64, bytes: u64) {
        self.with(|state, _| {
            if let Some(running) = state.running.get_mut(&task) {
                running.bytes += bytes;
            }
        });
    }

    fn line(&self, task: u64, line: &str) {
        if self.logs {
            self.with(|state, _| {
                let name = state.running.get(&task).map_or(String::new(), |running| running.name.clone());
                let _ = writeln!(state.to, "{name} | {}", printable(line));
            });
        }
    }

    fn end(&self, task: u64, end: End) {
        self.with(|state, now| {
            let Some(task) = state.running.remove(&task) else { return };
            let span = now.saturating_sub(task.began);
            let bytes = if task.bytes > 0 { format!(", {}", size(task.bytes)) } else { String::new() };
            match end {
                End::Cached => state.cached += 1,
                End::Failed => {
                    state.tell_sums(now);
                    let text = format!("{} {}, after {}", task.step.word(), task.name, time(span));
                    state.tell("failed", &text);
                }
                End::Done(_) if is_small(task.step) && span <= LONG => state.small(&task, now),
                End::Done(words) => {
                    state.tell_sums(now);
                    let words =
                        if words.is_empty() { String::new() } else { format!(", {}", printable(&words)) };
                    state.tell(ended(task.step), &format!("{}{bytes}{words} in {}", task.name, time(span)));
                }
            }
        });
    }

    fn say(&self, sentence: &str) {
        self.with(|state, now| {
            state.tell_sums(now);
            let _ = writeln!(state.to, "{}", printable(sentence));
        });
    }
}

impl Finish for Plain {
    fn finish(&self) {
        self.with(|state, now| {
            state.tell_sums(now);
            let cached = std::mem::take(&mut state.cached);
            if cached > 0 {
                let plural = if cached == 1 { "" } else { "s" };
                state.tell("cached", &format!("{cached} result{plural}"));
            }
            let _ = state.to.flush();
        });
    }
}
