//! Showing progress on standard error: live on a terminal, as plain lines elsewhere.
//!
//! Knows tasks by their step and name only; the report of a run goes to standard output and is not made here.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

mod fancy;
mod plain;
#[cfg(test)]
mod tests;

pub use fancy::Fancy;
pub use plain::Plain;

use crate::progress::{Display, Progress};
use crate::report::Style;

/// Progress on standard error, until it is finished or dropped.
pub struct Screen {
    display: Arc<dyn Finish>,
}

/// A display that can be taken off the screen.
trait Finish: Display {
    fn finish(&self);
}

impl Screen {
    /// A live display if standard error is a terminal, plain lines otherwise. `logs` shows every line that builds print.
    pub fn on_stderr(logs: bool) -> Screen {
        let stderr = std::io::stderr();
        let live = stderr.is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        let style = Style::of(&stderr);
        if live && !logs {
            return Screen { display: Arc::new(Fancy::new(style)) };
        }
        Screen { display: Arc::new(Plain::new(Box::new(stderr) as Box<dyn Write + Send>, logs)) }
    }

    /// The handle for work to report to.
    pub fn progress(&self) -> Progress {
        Progress::new(self.display.clone())
    }

    /// Says what was held back and takes the live part off the screen; what is printed next stays where it is.
    pub fn finish(&self) {
        self.display.finish();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.display.finish();
    }
}

/// Bytes for a person: `14 B`, `1.4 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A span of time for a person: `0.4 s`, `12 s`, `1:02 min`, `1:02:03 h`.
pub fn time(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{seconds}.{} s", span.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02} h", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// What a task's end is called when it did its work.
fn ended(step: crate::progress::Step) -> &'static str {
    use crate::progress::Step;
    match step {
        Step::Resolve => "resolved",
        Step::Fetch => "fetched",
        Step::Unpack => "unpacked",
        Step::Configure => "configured",
        Step::Build => "built",
        Step::Compare => "compared",
        Step::Write => "wrote",
        Step::Push => "pushed",
    }
}

/// True for steps that come by the hundred and are summed up rather than told one by one.
fn is_small(step: crate::progress::Step) -> bool {
    use crate::progress::Step;
    matches!(step, Step::Fetch | Step::Unpack | Step::Compare | Step::Write)
}
