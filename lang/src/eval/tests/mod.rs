//! Whole files through load, check, evaluate and instantiate, all in memory.

mod guix;
mod mutated;
mod right;
mod spec;
mod tested;
mod wrong;

use super::*;
use crate::derivation::{GuixItem, Package, PoolFile};
use crate::digest::Digest;
use crate::instantiate;
use crate::loader::{MemoryLoader, load};
use crate::lock::{Block, Closure, Facts, Index, Lock, LockedItem, LockedPackage};
use crate::plan::Plan;

const HOST: Host = Host { arch: Arch::Amd64 };

/// What comes before most cases: lines 1 to 12.
const START: &str = r#"rbld 1
use std.debian
let at = 2026-11-22T00:00:00Z
env old = debian.snapshot(bullseye, at).env(amd64, packages = ["git"])
env stable = debian.snapshot(bookworm, at).env(amd64, packages = ["git"])
env newest = debian.snapshot(trixie, at).env(amd64, packages = ["git"])
recipe archive(e: Env) {
  env = e
  inputs = { bundle = ./release.bundle }
  run = "git clone $bundle work; tar -cf $tarball work; ls > $list"
  outputs = { tarball = file("hello.tar"), list = files("*.txt") }
}
"#;

fn loader(root: &str) -> MemoryLoader {
    MemoryLoader::new([
        ("build.rbld", root),
        ("release.bundle", "bundle"),
        ("folder/a", "a"),
        ("common.rbld", "rbld 1\nlet version = \"1.0\"\nlet _hidden = 1\nfn twice(x: Int) -> Int = x * 2\n"),
        ("ring.rbld", "rbld 1\nuse ./build.rbld\nlet x = 1\n"),
    ])
}

fn evaluated(root: &str) -> (Project, Evaluated) {
    let loader = loader(root);
    let project = load("build.rbld", &loader);
    let evaluated = evaluate(&project, &loader, &HOST);
    (project, evaluated)
}

/// The name in `NAME=VERSION`.
fn bare(asked: &str) -> &str {
    asked.split('=').next().unwrap_or(asked)
}

/// A lock that answers every request with one package or file.
fn locked(evaluated: &Evaluated) -> Lock {
    let mut lock = Lock::default();
    for (request, _) in &evaluated.requests {
        let package = |name: &str| LockedPackage {
            package: Package {
                name: name.to_owned(),
                arch: "amd64".to_owned(),
                version: "1".to_owned(),
                digest: Digest::of(format!("{} {name}", request.title()).as_bytes()),
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
        search_paths: vec![crate::derivation::guix::path_variable()],
        tree: None,
    }
}

fn shown(project: &Project, diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let place =
                diagnostic.labels.first().map_or((0, 0), |label| project.sources.position(label.span));
            let file =
                diagnostic.labels.first().map_or("", |label| &project.sources.get(label.span.file).name);
            let file = if file == "build.rbld" { String::new() } else { format!("{file}:") };
            let help = diagnostic.help.as_deref().unwrap_or("");
            format!("{} {file}{}:{} {} | {help}", diagnostic.code.0, place.0, place.1, diagnostic.message)
        })
        .collect()
}

/// Everything that is said about a file, with a lock that fits.
fn said(root: &str) -> Vec<String> {
    let (project, evaluated) = evaluated(root);
    let mut said = shown(&project, &evaluated.diagnostics);
    if !evaluated.is_broken() {
        let lock = locked(&evaluated);
        said.extend(shown(&project, &instantiate(&evaluated, Some(&lock), &HOST).1));
    }
    said
}

/// The plan of a file that is right.
fn plan(root: &str) -> (Plan, Evaluated) {
    let (project, evaluated) = evaluated(root);
    let errors: Vec<_> =
        evaluated.diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
    assert_eq!(shown(&project, &errors), [""; 0]);
    let (plan, diagnostics) = instantiate(&evaluated, Some(&locked(&evaluated)), &HOST);
    assert_eq!(shown(&project, &diagnostics), [""; 0]);
    (plan, evaluated)
}

/// Each line of `expected` is a code, a place and words that have to stand in the message or the help, all of them
/// in the order said. Warnings count only where one is expected.
#[track_caller]
fn check(source: &str, expected: &[&str]) {
    let warnings = expected.iter().any(|expected| expected.starts_with('W'));
    let said: Vec<String> =
        said(source).into_iter().filter(|said| warnings || said.starts_with('E')).collect();
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        let (place, words) = expected.split_once(" | ").unwrap_or((expected, ""));
        assert!(said.starts_with(place) && said.contains(words), "{said}\nis not\n{expected}");
    }
}

/// As [`check`], after [`START`].
#[track_caller]
fn more(source: &str, expected: &[&str]) {
    check(&format!("{START}{source}"), expected);
}

const USED: &str = "build _t for e in [old, stable, newest] = archive(e)\n";
