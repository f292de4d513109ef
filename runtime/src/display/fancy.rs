//! Progress live on a terminal: a line for what runs, and one that sums up.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Finish, ended, is_small, size, time};
use crate::progress::{Display, End, Step};
use crate::report::{Style, printable};

/// Running tasks that have a line each; the others are counted.
const LINES: usize = 10;

/// How often lines are drawn again.
const TICK: Duration = Duration::from_millis(120);

/// Shows progress live on standard error.
pub struct Fancy(Arc<Inner>);

struct Inner {
    style: Style,
    screen: MultiProgress,
    status: ProgressBar,
    state: Mutex<State>,
    /// Set once when the display is over; wakes the thread that draws.
    over: (Mutex<bool>, Condvar),
}

struct State {
    start: Instant,
    next: u64,
    running: BTreeMap<u64, Running>,
    done: u64,
    cached: u64,
    failed: u64,
    fetched: u64,
    /// Bytes fetched until a moment ago, and when that was: for the rate.
    mark: (Instant, u64),
    rate: u64,
}

struct Running {
    step: Step,
    name: String,
    began: Instant,
    expected: u64,
    bytes: u64,
    line: String,
    bar: Option<ProgressBar>,
}

impl Fancy {
    /// A display on standard error.
    pub fn new(style: Style) -> Fancy {
        Fancy::on(style, ProgressDrawTarget::stderr_with_hz(10))
    }

    pub(super) fn on(style: Style, target: ProgressDrawTarget) -> Fancy {
        let screen = MultiProgress::with_draw_target(target);
        let status = screen.add(bar("{msg}"));
        let now = Instant::now();
        let state = State {
            start: now,
            next: 0,
            running: BTreeMap::new(),
            done: 0,
            cached: 0,
            failed: 0,
            fetched: 0,
            mark: (now, 0),
            rate: 0,
        };
        let over = (Mutex::new(false), Condvar::new());
        let inner = Arc::new(Inner { style, screen, status, state: Mutex::new(state), over });
        let watched = Arc::downgrade(&inner);
        // Without its thread the display only stands still.
        let _ = thread::Builder::new().name("progress".to_owned()).spawn(move || keep_drawing(&watched));
        Fancy(inner)
    }

    fn with<T>(&self, act: impl FnOnce(&Inner, &mut State) -> T) -> T {
        act(&self.0, &mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn bar(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::hidden().with_style(style)
}

fn keep_drawing(watched: &Weak<Inner>) {
    loop {
        let Some(inner) = watched.upgrade() else { return };
        let over = inner.over.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *over {
            return;
        }
        let waited = inner.over.1.wait_timeout(over, TICK).unwrap_or_else(PoisonError::into_inner);
        if *waited.0 {
            return;
        }
        drop(waited);
        inner.draw(&mut inner.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Inner {
    fn draw(&self, state: &mut State) {
        state.measure();
        for task in state.running.values() {
            if let Some(bar) = &task.bar {
                bar.set_message(task.shown(&self.style));
            }
        }
        let hidden = state.running.values().filter(|task| task.bar.is_none()).count();
        self.status.set_message(state.status(hidden, &self.style));
        self.status.tick();
    }

    /// Prints a line that stays, above what is live.
    fn print(&self, line: &str) {
        // A terminal that can't be written to has nobody to be told.
        let _ = self.screen.println(line);
    }
}

impl State {
    fn measure(&mut self) {
        let span = self.mark.0.elapsed();
        if span >= Duration::from_secs(1) {
            let bytes = self.fetched - self.mark.1;
            self.rate = (u128::from(bytes) * 1000 / span.as_millis().max(1)) as u64;
            self.mark = (Instant::now(), self.fetched);
        }
    }

    fn status(&self, hidden: usize, style: &Style) -> String {
        let mut parts = Vec::new();
        let mut part = |count: u64, word: &str| {
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        };
        part(hidden as u64, "more running");
        part(self.done, "done");
        part(self.cached, "cached");
        part(self.failed, "failed");
        if self.fetched > 0 {
            let rate = if self.rate > 0 { format!(" ({}/s)", size(self.rate)) } else { String::new() };
            parts.push(format!("{} fetched{rate}", size(self.fetched)));
        }
        parts.push(time(self.start.elapsed()));
        let text = cut(&parts.join(", "), style.width.saturating_sub(1));
        style.dim(&text)
    }
}

impl Running {
    fn shown(&self, style: &Style) -> String {
        let bytes = match (self.bytes, self.expected) {
            (0, _) => String::new(),
            (bytes, expected) if expected > bytes => format!("{} of {}  ", size(bytes), size(expected)),
            (bytes, _) => format!("{}  ", size(bytes)),
        };
        let right = format!("{bytes}{}", time(self.began.elapsed()));
        let room = style.width.saturating_sub(12 + right.chars().count() + 3);
        let mut left = self.name.clone();
        if !self.line.is_empty() {
            left = format!("{left}  {}", self.line);
        }
        let left = cut(&left, room);
        let word = style.cyan(&format!("{:<11}", self.step.word()));
        let gap = room.saturating_sub(unicode_width::UnicodeWidthStr::width(left.as_str()));
        format!("{word} {left}{:gap$}  {}", "", style.dim(&right))
    }
}

/// What of a text fits into so many columns.
fn cut(text: &str, columns: usize) -> String {
    use unicode_width::UnicodeWidthChar;
    let mut used = 0;
    let mut out = String::new();
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if used + width > columns {
            return out;
        }
        used += width;
        out.push(character);
    }
    out
}

impl Display for Fancy {
    fn begin(&self, step: Step, name: &str) -> u64 {
        self.with(|inner, state| {
            state.next += 1;
            let shown = state.running.values().filter(|task| task.bar.is_some()).count();
            let bar = (shown < LINES).then(|| inner.screen.insert_before(&inner.status, bar("{msg}")));
            let (name, began, line) = (printable(name), Instant::now(), String::new());
            let task = Running { step, name, began, expected: 0, bytes: 0, line, bar };
            state.running.insert(state.next, task);
            state.next
        })
    }

    fn expect(&self, task: u64, bytes: u64) {
        self.with(|_, state| {
            if let Some(task) = state.running.get_mut(&task) {
                task.expected = bytes;
            }
        });
    }

    fn advance(&self, task: u64, bytes: u64) {
        self.with(|_, state| {
            if let Some(task) = state.running.get_mut(&task) {
                task.bytes += bytes;
                if matches!(task.step, Step::Fetch | Step::Resolve) {
                    state.fetched += bytes;
                }
            }
        });
    }

    fn line(&self, task: u64, line: &str) {
        self.with(|_, state| {
            if let Some(task) = state.running.get_mut(&task) {
                task.line = printable(line.trim());
            }
        });
    }

    fn end(&self, task: u64, end: End) {
        self.with(|inner, state| {
            let Some(task) = state.running.remove(&task) else { return };
            if let Some(bar) = &task.bar {
                bar.finish_and_clear();
                inner.screen.remove(bar);
            }
            let span = time(task.began.elapsed());
            let style = &inner.style;
            match end {
                End::Cached => state.cached += 1,
                End::Failed => {
                    state.failed += 1;
                    let word = style.red(&format!("{:<11}", "failed"));
                    inner.print(&format!("{word} {} {} after {span}", task.step.word(), task.name));
                }
                End::Done(words) => {
                    state.done += 1;
                    if !is_small(task.step) {
                        let words = if words.is_empty() { words } else { format!(", {}", printable(&words)) };
                        let word = style.green(&format!("{:<11}", ended(task.step)));
                        inner.print(&format!("{word} {}{words} in {span}", task.name));
                    }
                }
            }
        });
    }

    fn say(&self, sentence: &str) {
        self.with(|inner, _| inner.print(&printable(sentence)));
    }
}

impl Finish for Fancy {
    fn finish(&self) {
        *self.0.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.over.1.notify_all();
        self.with(|inner, state| {
            for task in state.running.values_mut() {
                if let Some(bar) = task.bar.take() {
                    bar.finish_and_clear();
                }
            }
            inner.status.finish_and_clear();
            // A terminal that can't be written to needs no clearing.
            let _ = inner.screen.clear();
        });
    }
}

impl Drop for Fancy {
    fn drop(&mut self) {
        self.finish();
    }
}
