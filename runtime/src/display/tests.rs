//! Lines of a plain display under a clock of our own, and a live one on no terminal at all.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::progress::Step;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("lines are text")
    }
}

#[test]
fn plain_lines() {
    let page = Page::default();
    let now = Arc::new(AtomicU64::new(0));
    let clock = {
        let now = now.clone();
        move || Duration::from_millis(now.load(Ordering::Relaxed))
    };
    let wait = |milliseconds| now.fetch_add(milliseconds, Ordering::Relaxed);
    let plain = Arc::new(Plain::with_clock(Box::new(page.clone()), false, Box::new(clock)));
    let progress = Progress::new(plain.clone());
    progress.begin(Step::Resolve, "bookworm").cached();
    for bytes in [1_000_000, 400_000] {
        let task = progress.begin(Step::Fetch, "some.deb");
        task.expect(bytes);
        task.advance(bytes);
        wait(250);
        task.done("");
    }
    let slow = progress.begin(Step::Fetch, "texlive.deb");
    slow.advance(300_000_000);
    wait(61_000);
    slow.done("");
    let build = progress.begin(Step::Build, "t[bookworm]");
    build.line("gcc -c a.c");
    wait(12_000);
    build.done("isolation full");
    drop(progress.begin(Step::Build, "t[\x1b[31mevil]"));
    progress.say("a sentence");
    plain.finish();
    let expected = "\
resolve     bookworm
fetched     2 items, 1.4 MB in 0.5 s
fetched     texlive.deb, 300.0 MB in 1:01 min
build       t[bookworm]
built       t[bookworm], isolation full in 12 s
build       t[\\u{1b}[31mevil]
failed      build t[\\u{1b}[31mevil], after 0.0 s
a sentence
cached      1 result
";
    assert_eq!(page.text(), expected, "\n{}", page.text());
}

#[test]
fn live_display_takes_any_order_of_events() {
    let fancy = Arc::new(Fancy::on(Style::plain(), indicatif::ProgressDrawTarget::hidden()));
    let progress = Progress::new(fancy.clone());
    let tasks: Vec<_> = (0..20).map(|number| progress.begin(Step::Build, &format!("t[{number}]"))).collect();
    tasks[0].line(&"long ".repeat(100));
    tasks[0].expect(10);
    tasks[0].advance(20);
    progress.say("a sentence");
    drop(tasks);
    fancy.finish();
    progress.begin(Step::Fetch, "late").done("");
    fancy.finish();
}

#[test]
fn sizes_and_times() {
    let sizes: Vec<String> = [0, 999, 1000, 1_449_999, 999_949_999, u64::MAX].into_iter().map(size).collect();
    assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "1.4 MB", "999.9 MB", "18.4 EB"]);
    let times: Vec<String> = [940, 9_999, 12_345, 62_000, 3_723_000]
        .into_iter()
        .map(|ms| time(Duration::from_millis(ms)))
        .collect();
    assert_eq!(times, ["0.9 s", "9.9 s", "12 s", "1:02 min", "1:02:03 h"]);
}
