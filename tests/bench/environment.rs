//! Realises an environment from `.deb` files on this disk: for timing, and for comparing trees.
//!
//! `environment STORE ARCH [EMULATOR.deb] -- DEB…` prints the tree's digest and what it took. `environment --locked DEB…`
//! prints what a lock knows of each file, a line each; a file of such lines stands for them as `@FILE`, so that
//! `tests/bench/environment.py` times what rbld does and not how its packages were named.

#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use rbld::environment::{self, Tools};
use rbld::executor::{Cancel, Embedded, host_arch};
use rbld::failure::{Doing, Failure, Result};
use rbld::progress::{Display, End, Progress, Step};
use rbld::sandbox::helper;
use rbld::store::Store;
use rbld_lang::derivation::{Arch, ArchiveId, Emulator, Environment, Package, environment_rules};
use rbld_lang::digest::Digest;

/// Prints when each step begins and ends.
struct Times(Instant);

impl Display for Times {
    fn begin(&self, step: Step, name: &str) -> u64 {
        println!("{:6.2} {} {name}", self.0.elapsed().as_secs_f64(), step.word());
        0
    }
    fn expect(&self, _: u64, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn line(&self, _: u64, _: &str) {}
    fn end(&self, _: u64, end: End) {
        println!("{:6.2} {end:?}", self.0.elapsed().as_secs_f64());
    }
    fn say(&self, sentence: &str) {
        println!("{sentence}");
    }
}

fn package(path: &Path) -> Result<Package> {
    let reading = || format!("read {}", path.display());
    let output =
        Command::new("dpkg-deb").arg("-f").arg(path).args(["Package", "Version", "Architecture"]).output();
    let text = String::from_utf8_lossy(&output.doing(reading)?.stdout).into_owned();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned).ok_or_else(|| Failure::input(format!("{} has no {name}", path.display())))
    };
    let bytes = std::fs::read(path).doing(reading)?;
    Ok(Package {
        origin: None,
        name: field("Package")?,
        arch: field("Architecture")?,
        version: field("Version")?,
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        path: path.display().to_string(),
    })
}

/// The line of a package: its path may hold blanks.
fn line(package: &Package) -> String {
    let Package { name, arch, version, digest, size, path, .. } = package;
    format!("{name} {arch} {version} {size} {digest} {path}")
}

fn from_line(line: &str) -> Option<Package> {
    let mut words = line.splitn(6, ' ');
    let mut next = || words.next().map(str::to_owned);
    let (name, arch, version, size) = (next()?, next()?, next()?, next()?.parse().ok()?);
    let (digest, path) = (next()?.parse().ok()?, next()?);
    Some(Package { origin: None, name, arch, version, digest, size, path })
}

fn packages(argument: &str) -> Result<Vec<Package>> {
    let Some(list) = argument.strip_prefix('@') else { return Ok(vec![package(Path::new(argument))?]) };
    let text = std::fs::read_to_string(list).doing(|| format!("read {list}"))?;
    let wrong =
        |line| Failure::input(format!("{list} has the line `{line}`, which `--locked` wouldn't print"));
    text.lines().map(|line| from_line(line).ok_or_else(|| wrong(line))).collect()
}

fn run() -> Result<()> {
    let usage =
        || Failure::input("usage: environment STORE ARCH [EMULATOR.deb] -- DEB… | @FILE, or --locked DEB…");
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq("--locked").is_some() {
        for path in arguments {
            println!("{}", line(&package(Path::new(&path))?));
        }
        return Ok(());
    }
    let mut next = || arguments.next().ok_or_else(usage);
    let (store, arch) = (next()?, next()?);
    let arch = Arch::from_name(&arch).ok_or_else(usage)?;
    let mut emulator = None;
    loop {
        match next()?.as_str() {
            "--" => break,
            deb => emulator = Some(package(Path::new(deb))?),
        }
    }
    let mut packages = arguments.map(|argument| packages(&argument)).collect::<Result<Vec<_>>>()?.concat();
    packages.sort();
    let archive = ArchiveId { name: "debian".to_owned(), instant: 0 };
    let host = host_arch().ok_or_else(|| Failure::world("this machine's architecture is unknown"))?;
    let env = Environment {
        arch,
        archive: archive.clone(),
        rules: environment_rules(&packages),
        packages,
        replaced: Vec::new(),
        emulator: emulator.map(|package| Arc::new(Emulator { host, package, archive })),
        expected: None,
        request: Digest::of(b""),
    };
    let store = Store::open(Path::new(&store))?;
    let begun = Instant::now();
    let realisation = environment::realise(
        &env,
        rbld::schedule::key::environment_key(&env)?.key,
        Tools {
            store: &store,
            executor: &Embedded::new(),
            fetch: &|_, package| Ok(PathBuf::from(&package.path)),
            progress: &Progress::new(Arc::new(Times(begun))),
            cancel: &Cancel::new()?,
            name: "environment",
        },
    )?;
    let seconds = begun.elapsed().as_secs_f64();
    let out = realisation.outputs["out"].digest();
    println!("tree {out}");
    println!("seconds {seconds:.2}");
    let facts: &BTreeMap<String, String> = &realisation.facts;
    println!("facts {facts:?}");
    let ready = Instant::now();
    println!("root {}", store.ready(out)?.display());
    println!("seconds to make it ready {:.2}", ready.elapsed().as_secs_f64());
    Ok(())
}

fn main() {
    // The sandbox's helper process is this very program.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == helper::ARGUMENT) {
        helper::main();
    }
    if let Err(failure) = run() {
        println!("{failure}");
        std::process::exit(failure.exit_code());
    }
}
