//! Fuzzing on the stable toolchain: one target, a seed, so many runs and seconds.
//!
//! `fuzz TARGET [runs=N] [seconds=N] [seed=N] [keep=FOLDER]`, or `fuzz TARGET FILE…` for the findings of before. A
//! finding is a panic, a broken promise, more than a second or more than 512 MB; its text is written to a file, and
//! so is each text before it is run, for what ends the process. Texts that bring something new join the corpus.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "the language is pure, its fuzzer is not"
)]

mod corpus;
mod memory;
mod mutate;
mod targets;

use std::collections::BTreeSet;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use targets::{Run, Seen};

/// How long one text may take, of the processor's time: others may be using it too.
const SECOND: Duration = Duration::from_secs(1);

/// How much memory one text may take.
const MEMORY: usize = 512 << 20;

/// The stack that a text gets: that of a thread.
const STACK: usize = 2 << 20;

/// How many texts the corpus may hold.
const CORPUS: usize = 20_000;

/// What was asked for.
struct Order {
    target: &'static str,
    run: Run,
    runs: u64,
    seconds: u64,
    seed: u64,
    keep: Option<PathBuf>,
    files: Vec<PathBuf>,
}

fn main() -> std::process::ExitCode {
    let Some(order) = order(std::env::args().skip(1)) else {
        let names: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
        println!(
            "fuzz TARGET [runs=N] [seconds=N] [seed=N] [keep=FOLDER] [FILE…]; targets: {}",
            names.join(" ")
        );
        return 2.into();
    };
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(move || fuzz(&order));
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(0))) => 0.into(),
        Ok(Ok(Ok(_))) => 1.into(),
        wrong => {
            println!("the fuzzer failed: {wrong:?}");
            2.into()
        }
    }
}

fn order(words: impl Iterator<Item = String>) -> Option<Order> {
    let mut words = words;
    let wanted = words.next()?;
    let (target, run) = *targets::TARGETS.iter().find(|(name, _)| *name == wanted)?;
    let mut order = Order { target, run, runs: 100_000, seconds: 60, seed: 1, keep: None, files: Vec::new() };
    for word in words {
        match word.split_once('=') {
            Some(("runs", value)) => order.runs = value.parse().ok()?,
            Some(("seconds", value)) => order.seconds = value.parse().ok()?,
            Some(("seed", value)) => order.seed = value.parse().ok()?,
            Some(("keep", value)) => order.keep = Some(value.into()),
            _ => order.files.push(word.into()),
        }
    }
    Some(order)
}

/// Runs texts until there were enough of them and enough time went by; returns how many findings there are.
fn fuzz(order: &Order) -> std::io::Result<usize> {
    std::panic::set_hook(Box::new(|_| {}));
    if !order.files.is_empty() {
        return again(order);
    }
    let mut fuzzer = Fuzzer::new(order)?;
    let mut texts = corpus::texts(order.target == "lock");
    for text in &texts {
        fuzzer.one(text)?;
    }
    let began = Instant::now();
    let mut numbers = mutate::Numbers::new(order.seed);
    let mut said = began;
    let mut runs = 0u64;
    while runs < order.runs || began.elapsed().as_secs() < order.seconds {
        let text = mutate::mutate(&texts, &mut numbers);
        let new = fuzzer.one(&text)?;
        runs += 1;
        if new && texts.len() < CORPUS {
            texts.push(text);
        }
        if said.elapsed().as_secs() >= 60 {
            said = Instant::now();
            fuzzer.say(order, runs, began, texts.len());
        }
    }
    fuzzer.say(order, runs, began, texts.len());
    Ok(fuzzer.findings)
}

/// Runs the texts of files.
fn again(order: &Order) -> std::io::Result<usize> {
    let mut wrong = 0;
    for file in &order.files {
        let text = std::fs::read_to_string(file)?;
        match judge(order.run, &text) {
            Verdict::Fine(_) => println!("{}: fine", file.display()),
            Verdict::Finding(what) => {
                wrong += 1;
                println!("{}: {what}", file.display());
            }
        }
    }
    Ok(wrong)
}

enum Verdict {
    Fine(Seen),
    Finding(String),
}

/// How much of the processor's time this thread has used.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Runs one text within its limits.
fn judge(run: Run, text: &str) -> Verdict {
    let (before, began) = (memory::begin(), used());
    let result = std::panic::catch_unwind(|| run(text));
    let (time, memory) = (used().saturating_sub(began), memory::most(before));
    match result {
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
            Verdict::Finding(format!("panics: {}", said.unwrap_or("no words")))
        }
        Ok(Err(wrong)) => Verdict::Finding(wrong),
        Ok(Ok(_)) if time > SECOND => Verdict::Finding(format!("takes {time:?}")),
        Ok(Ok(_)) if memory > MEMORY => Verdict::Finding(format!("takes {} MB", memory >> 20)),
        Ok(Ok(seen)) => Verdict::Fine(seen),
    }
}

struct Fuzzer {
    run: Run,
    /// All that was seen so far, alone and in pairs.
    seen: BTreeSet<u64>,
    folder: PathBuf,
    keep: Option<PathBuf>,
    kept: usize,
    last: std::fs::File,
    findings: usize,
    slowest: Duration,
}

impl Fuzzer {
    fn new(order: &Order) -> std::io::Result<Fuzzer> {
        let folder = std::env::temp_dir().join(format!("rbld-fuzz-{}", order.target));
        std::fs::create_dir_all(&folder)?;
        if let Some(keep) = &order.keep {
            std::fs::create_dir_all(keep)?;
        }
        let last = std::fs::File::create(folder.join("last"))?;
        Ok(Fuzzer {
            run: order.run,
            seen: BTreeSet::new(),
            folder,
            keep: order.keep.clone(),
            kept: 0,
            last,
            findings: 0,
            slowest: Duration::ZERO,
        })
    }

    /// Runs a text; whether it brought something new.
    fn one(&mut self, text: &str) -> std::io::Result<bool> {
        self.last.seek(SeekFrom::Start(0))?;
        self.last.write_all(text.as_bytes())?;
        self.last.set_len(text.len() as u64)?;
        let began = used();
        let verdict = judge(self.run, text);
        self.slowest = self.slowest.max(used().saturating_sub(began));
        match verdict {
            Verdict::Finding(what) => {
                self.findings += 1;
                let file = self.folder.join(format!("finding-{}", self.findings));
                std::fs::write(&file, text)?;
                let short: String = what.chars().take(400).collect();
                println!("finding {}: {short}\n  {}", self.findings, file.display());
                Ok(false)
            }
            Verdict::Fine(seen) => self.learn(text, &seen),
        }
    }

    fn learn(&mut self, text: &str, seen: &Seen) -> std::io::Result<bool> {
        let mut alone = false;
        for one in seen {
            alone |= self.seen.insert(*one);
        }
        let mut paired = false;
        for (index, a) in seen.iter().enumerate().take(12) {
            for b in seen.iter().take(index) {
                paired |= self.seen.insert(a.rotate_left(17) ^ b);
            }
        }
        if let Some(keep) = self.keep.as_deref().filter(|_| alone) {
            self.kept += 1;
            std::fs::write(Path::new(keep).join(format!("{:04}", self.kept)), text)?;
        }
        Ok(alone || paired)
    }

    fn say(&self, order: &Order, runs: u64, began: Instant, corpus: usize) {
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{}: seed {}, {runs} runs in {seconds:.0} s ({:.0} a second), corpus {corpus}, slowest {:.3} s, {} findings",
            order.target,
            order.seed,
            runs as f64 / seconds,
            self.slowest.as_secs_f64(),
            self.findings
        );
    }
}
