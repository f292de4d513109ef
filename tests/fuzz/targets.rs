//! What is fuzzed: each target takes a text, says what it saw of it, and fails where a promise is broken.
//!
//! What a target saw are the shapes of messages, the names of places aside: a text that brings a new one went where no
//! text went before.

use std::collections::BTreeSet;

use rbld_lang::derivation::{Arch, Derivation, Fetch, GuixItem, Package, PoolFile};
use rbld_lang::diagnostic::Diagnostic;
use rbld_lang::digest::Digest;
use rbld_lang::loader::MemoryLoader;
use rbld_lang::lock::{self, Block, Closure, Facts, Index, Lock, LockedItem, LockedPackage, Request};
use rbld_lang::span::{FileId, Sources};
use rbld_lang::{Evaluated, Host, Project, fmt, syntax};

/// What a target saw, each as a number.
pub(crate) type Seen = BTreeSet<u64>;

/// A target's function.
pub(crate) type Run = fn(&str) -> Result<Seen, String>;

/// All targets by name.
pub(crate) const TARGETS: [(&str, Run); 6] = [
    ("parse", parse),
    ("check", check),
    ("evaluate", evaluate),
    ("lock", read_lock),
    ("format", format),
    ("meaning", meaning),
];

const HOST: Host = Host { arch: Arch::Amd64 };

/// A file and an expression: read, with every place inside of the text, and as the grammar alone reads them.
fn parse(text: &str) -> Result<Seen, String> {
    let (file, diagnostics) = syntax::parse(FileId(0), text);
    same(&(&file, &diagnostics), &syntax::parse_by_grammar(FileId(0), text))?;
    let mut sources = Sources::default();
    sources.add("build.rbld".to_owned(), text.to_owned());
    let mut seen = seen(&diagnostics, &sources)?;
    for item in &file.items {
        inside(text, item.span.start, item.span.end)?;
        seen.insert(hash(&[format!("{:?}", std::mem::discriminant(&item.kind)).as_str()]));
    }
    let (expr, diagnostics) = syntax::parse_expression(FileId(0), text);
    same(&(&expr, &diagnostics), &syntax::parse_expression_by_grammar(FileId(0), text))?;
    seen.extend(self::seen(&diagnostics, &sources)?);
    Ok(seen)
}

/// Both ways to read a text lead to the same.
fn same<T: PartialEq + std::fmt::Debug>(
    (read, found): &(&T, &Vec<Diagnostic>),
    (wanted, known): &(T, Vec<Diagnostic>),
) -> Result<(), String> {
    match *read == wanted && *found == known {
        true => Ok(()),
        false => {
            Err(format!("read fast it is\n{read:#?}\n{found:#?}\nby the grammar\n{wanted:#?}\n{known:#?}"))
        }
    }
}

/// A project of one file, and one more that it may use: loaded and checked.
fn check(text: &str) -> Result<Seen, String> {
    let (_, project) = project(text);
    let program = rbld_lang::check::check(&project);
    let mut seen = seen(&project.diagnostics, &project.sources)?;
    seen.extend(self::seen(&program.diagnostics, &project.sources)?);
    Ok(seen)
}

/// The same evaluated, and joined with no lock and with one that answers every request.
fn evaluate(text: &str) -> Result<Seen, String> {
    let (project, evaluated) = evaluated(text);
    let mut seen = seen(&evaluated.diagnostics, &project.sources)?;
    for lock in [None, Some(locked(&evaluated))] {
        let (plan, found) = rbld_lang::instantiate(&evaluated, lock.as_ref(), &HOST);
        seen.extend(self::seen(&found, &project.sources)?);
        seen.insert(hash(&["builds", &plan.names.len().min(8).to_string()]));
        if let Some(named) = plan.names.iter().find(|named| !plan.derivations.contains_key(&named.id)) {
            return Err(format!("`{}` leads to no derivation", named.name));
        }
    }
    Ok(seen)
}

/// A lock: what is read is written as it was read, and read again is the same.
fn read_lock(text: &str) -> Result<Seen, String> {
    match lock::parse(text) {
        Ok(lock) => {
            let printed = lock::print(&lock);
            match lock::parse(&printed) {
                Ok(again) if again == lock && lock::print(&again) == printed => {}
                Ok(_) => return Err("written and read again it is another lock".to_owned()),
                Err(error) => return Err(format!("written it can't be read again: {error}\n{printed}")),
            }
            Ok([hash(&["read", &lock.blocks.len().min(4).to_string()])].into())
        }
        Err(error) if error.line > text.lines().count() + 1 => Err(format!("no such line: {error}")),
        Err(error) => Ok([hash(&[&shape(&error.message)])].into()),
    }
}

/// The layout: it keeps tree and comments, and stays when it is made again.
fn format(text: &str) -> Result<Seen, String> {
    let once = match fmt::format(FileId(0), text) {
        Ok(once) => once,
        Err(_) => return Ok(Seen::new()),
    };
    if !fmt::same(text, &once) {
        return Err(format!("formatted it means something else:\n{once}"));
    }
    match fmt::format(FileId(0), &once) {
        Ok(twice) if twice == once => {}
        Ok(twice) => return Err(format!("formatted twice it is\n{twice}\nonce\n{once}")),
        Err(_) => return Err(format!("formatted it can't be read:\n{once}")),
    }
    // Which sizes of indentation follow each other, and what stands at the ends of lines, is the layout's variety.
    let last = |line: &str| line.trim_end().chars().last().unwrap_or(' ');
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = once.lines().collect();
    Ok(lines
        .windows(2)
        .map(|pair| {
            let step = indent(pair[1]) as i64 - indent(pair[0]) as i64;
            let end = |line| if last(line).is_alphanumeric() { 'a' } else { last(line) };
            hash(&[&format!("{} {}{}", step.clamp(-8, 8), end(pair[0]), end(pair[1]))])
        })
        .collect())
}

/// The layout once more: the same names lead to the same derivations, and the same things are wrong.
fn meaning(text: &str) -> Result<Seen, String> {
    let Ok(once) = fmt::format(FileId(0), text) else { return Ok(Seen::new()) };
    let (project, before) = evaluated(text);
    let (_, after) = evaluated(&once);
    let lock = locked(&before);
    let ids = |evaluated: &Evaluated| {
        let (plan, _) = rbld_lang::instantiate(evaluated, Some(&lock), &HOST);
        // The folder that the file itself is in is another one once the file is laid out.
        let around = |one: &Derivation| matches!(one, Derivation::Fetch(Fetch::Local { path, folder: true, .. }) if path.is_empty());
        let named = plan.names.iter().map(|named| (named.name.clone(), named.id));
        match plan.derivations.values().any(around) {
            true => Vec::new(),
            false => named.collect::<Vec<_>>(),
        }
    };
    if ids(&before) != ids(&after) {
        return Err(format!("formatted it leads to other derivations:\n{once}"));
    }
    let codes = |evaluated: &Evaluated| {
        let mut codes: Vec<_> = evaluated.diagnostics.iter().map(|found| found.code.0).collect();
        codes.sort_unstable();
        codes
    };
    // Of two `use` of one name the first counts, and which one that is the layout's order decides: an error it stays.
    let twice = before.diagnostics.iter().any(|found| found.code == rbld_lang::codes::TWICE);
    if !twice && codes(&before) != codes(&after) {
        return Err(format!("formatted other things are wrong with it:\n{once}"));
    }
    seen(&before.diagnostics, &project.sources)
}

fn project(text: &str) -> (MemoryLoader, Project) {
    let loader = MemoryLoader::new([
        ("build.rbld", text),
        ("release.bundle", "bundle"),
        ("folder/a", "a"),
        ("common.rbld", "rbld 1\nlet version = \"1.0\"\nfn twice(x: Int) -> Int = x * 2\n"),
        ("ring.rbld", "rbld 1\nuse ./build.rbld\nlet x = 1\n"),
    ]);
    let project = rbld_lang::load("build.rbld", &loader);
    (loader, project)
}

fn evaluated(text: &str) -> (Project, Evaluated) {
    let (loader, project) = project(text);
    let evaluated = rbld_lang::evaluate(&project, &loader, &HOST);
    (project, evaluated)
}

/// The name in `NAME=VERSION`.
fn bare(asked: &str) -> &str {
    asked.split('=').next().unwrap_or(asked)
}

/// A lock that answers every request with the packages it names.
fn locked(evaluated: &Evaluated) -> Lock {
    let mut lock = Lock::default();
    for (request, _) in &evaluated.requests {
        let package = |name: &str| LockedPackage {
            package: Package {
                name: name.to_owned(),
                arch: "amd64".to_owned(),
                version: "1".to_owned(),
                digest: Digest::of(name.as_bytes()),
                size: 1,
                path: format!("pool/{name}.deb"),
                origin: None,
            },
            needs: Vec::new(),
        };
        let file = |name: String| PoolFile {
            digest: Digest::of(name.as_bytes()),
            size: 1,
            path: name.clone(),
            origin: None,
            name,
        };
        let facts = match request {
            Request::Environment { packages, .. } => Facts::Environment {
                packages: packages.iter().map(|name| bare(name)).chain(["base-files"]).map(package).collect(),
                roots: packages
                    .iter()
                    .map(|name| bare(name).to_owned())
                    .chain(["base-files".to_owned()])
                    .collect(),
                tree: None,
            },
            Request::Source { name, .. } => Facts::Source {
                version: "1-1".to_owned(),
                files: vec![file(format!("{name}_1-1.dsc"))],
                binaries: vec![file(format!("{name}_1-1_amd64.deb"))],
            },
            Request::Emulator { .. } => Facts::Emulator(package("qemu-user-static")),
            Request::Guix { packages, .. } => Facts::Guix(closure(packages)),
        };
        let indexes = request.suite().map(|suite| Index {
            suite: suite.suite.clone(),
            digest: Digest::of(b"index"),
            date: 0,
            valid_until: None,
            signer: "00".to_owned(),
            archive: None,
        });
        lock.blocks.insert(
            request.digest(),
            Block { title: request.clone(), indexes: indexes.into_iter().collect(), facts },
        );
    }
    lock
}

/// Store items for packages of Guix, one each.
fn closure(packages: &[String]) -> Closure {
    let name = |package: &String| {
        let digest = Digest::of(package.as_bytes()).to_hex();
        format!("{}-{}", digest[..32].replace('e', "g"), package.replace(['@', ':'], "-"))
    };
    let item = |package: &String| LockedItem {
        item: GuixItem {
            path: format!("/gnu/store/{}", name(package)),
            nar_hash: Digest::of(package.as_bytes()),
            nar_size: 1,
        },
        references: Vec::new(),
        signer: "00".to_owned(),
    };
    Closure {
        resolver: "1.5.0".to_owned(),
        items: packages.iter().map(item).collect(),
        profile: packages.iter().map(name).collect(),
        search_paths: vec![rbld_lang::derivation::guix::path_variable()],
        tree: None,
    }
}

/// The shapes of findings, each of which must point into its text.
fn seen(diagnostics: &[Diagnostic], sources: &Sources) -> Result<Seen, String> {
    let mut seen = Seen::new();
    for found in diagnostics {
        if found.labels.is_empty() {
            return Err(format!("{}: {} points at nothing", found.code.0, found.message));
        }
        for label in &found.labels {
            inside(&sources.get(label.span.file).text, label.span.start, label.span.end)
                .map_err(|wrong| format!("{}: {}: {wrong}", found.code.0, found.message))?;
        }
        seen.insert(hash(&[found.code.0, &shape(&found.message)]));
    }
    Ok(seen)
}

fn inside(text: &str, start: u32, end: u32) -> Result<(), String> {
    match text.get(start as usize..end as usize) {
        Some(_) => Ok(()),
        None => Err(format!("{start}..{end} is no place in a text of {} bytes", text.len())),
    }
}

/// The beginning and the end of a message, without what it quotes between backquotes, which may hold some itself.
fn shape(message: &str) -> String {
    let first = message.split('`').next().unwrap_or_default();
    let last = message.rsplit('`').next().unwrap_or_default();
    let letters = |text: &str| text.chars().filter(char::is_ascii_alphabetic).take(60).collect::<String>();
    format!("{} {}", letters(first), letters(last))
}

/// FNV-1a: the same in every run.
fn hash(words: &[&str]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
