//! What a lock lacks, and what it has too much of.

use std::collections::BTreeSet;

use super::Evaluated;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::lock::{Block, Facts, Lock, Request, Stale};
use crate::nearest::listed;
use crate::span::Span;
use crate::syntax::show_instant;

/// How many places a diagnostic about a whole lock names.
const PLACES: usize = 8;

const HELP: &str = "run `rbld lock`";

/// Everything about a lock that keeps it from answering what was evaluated.
pub(super) fn judge(evaluated: &Evaluated, lock: Option<&Lock>) -> Vec<Diagnostic> {
    let Some(lock) = lock else { return missing_file(evaluated) };
    let mut diagnostics = Vec::new();
    let mut paired: BTreeSet<&Request> = BTreeSet::new();
    for (request, span) in &evaluated.requests {
        match lock.get(request) {
            Some(block) => diagnostics.extend(inside(request, block, *span)),
            None => {
                let old = nearest_block(request, evaluated, lock, &paired);
                paired.extend(old.map(|old| &old.title));
                diagnostics.push(missing(request, *span, old));
            }
        }
    }
    // What is broken may be what asks for the rest of the lock.
    if evaluated.is_broken() {
        return diagnostics;
    }
    for (digest, block) in &lock.blocks {
        let title = block.title.title();
        if block.title.digest() != *digest {
            let message = format!("the block of `{title}` in the lock was changed after it was written");
            let wrong = Diagnostic::error(codes::LOCK, message, evaluated.top, "locked for this file");
            diagnostics.push(wrong.help("take it out of `rbld.lock` and run `rbld lock`"));
        } else if !evaluated.wants(&block.title) && !paired.contains(&block.title) {
            let message = format!("nothing asks for the lock's `{title}` any more");
            let wrong = Diagnostic::error(codes::LOCK, message, evaluated.top, "locked for this file");
            diagnostics.push(wrong.help("run `rbld lock`, which takes it out"));
        }
    }
    diagnostics
}

fn missing_file(evaluated: &Evaluated) -> Vec<Diagnostic> {
    let mut places = evaluated.requests.iter();
    let Some((first, span)) = places.next() else { return Vec::new() };
    let mut wrong = Diagnostic::error(
        codes::LOCK,
        "there is no `rbld.lock` yet",
        *span,
        format!("asks for `{}`", first.title()),
    );
    for (request, span) in places.take(PLACES - 1) {
        wrong = wrong.label(*span, format!("asks for `{}`", request.title()));
    }
    vec![wrong.help("run `rbld lock`: it resolves the packages once and writes down what it found")]
}

/// A block that no request reaches and that stands nearest to a request that has none: what the request was before
/// it was edited.
fn nearest_block<'l>(
    request: &Request,
    evaluated: &Evaluated,
    lock: &'l Lock,
    paired: &BTreeSet<&Request>,
) -> Option<&'l Block> {
    let mut best: Option<(usize, &Block)> = None;
    for block in lock.blocks.values() {
        if paired.contains(&block.title) || evaluated.wants(&block.title) {
            continue;
        }
        let count = changes(&block.title, request).map_or(usize::MAX, |changes| changes.len());
        if count < 3 && best.is_none_or(|(least, _)| count < least) {
            best = Some((count, block));
        }
    }
    best.map(|(_, block)| block)
}

fn missing(request: &Request, span: Span, old: Option<&Block>) -> Diagnostic {
    let title = request.title();
    match old.and_then(|old| changes(&old.title, request)) {
        Some(changes) => {
            let message = format!("the lock of `{title}` is stale: {}", changes.join(", "));
            Diagnostic::error(codes::LOCK, message, span, "changed since it was locked").help(HELP)
        }
        None => {
            let message = format!("the lock has nothing for `{title}`");
            Diagnostic::error(codes::LOCK, message, span, "asked for here").help(HELP)
        }
    }
}

/// What was changed from one request to another of the same kind, in words; `None` when they have too little in
/// common.
fn changes(old: &Request, new: &Request) -> Option<Vec<String>> {
    let mut changes = Vec::new();
    let (from, to) = match (old, new) {
        (Request::Guix { .. }, Request::Guix { .. }) => return guix_changes(old, new),
        _ => (old.suite()?, new.suite()?),
    };
    if from.archive != to.archive {
        return None;
    }
    if from.suite != to.suite {
        changes.push(format!("the suite was `{}`", from.suite));
    }
    if from.components != to.components {
        changes.push("the components changed".to_owned());
    }
    if from.keyring != to.keyring {
        changes.push("the keyring changed".to_owned());
    }
    let names = |suite: &crate::lock::SuiteAt| -> Vec<String> {
        suite.beside.iter().map(|one| format!("{} {}", one.archive, one.suite)).collect()
    };
    changes.extend(names_changed("suite", &names(from), &names(to)));
    for one in &from.beside {
        let same =
            to.beside.iter().find(|other| (&other.archive, &other.suite) == (&one.archive, &one.suite));
        if same.is_some_and(|other| other.components != one.components) {
            changes.push(format!("the components of `{}` changed", one.suite));
        }
        if same.is_some_and(|other| other.keyring != one.keyring) {
            changes.push(format!("the keyring of `{}` changed", one.archive));
        }
    }
    if from.instant != to.instant {
        changes.push(format!("the instant was {}", show_instant(from.instant)));
    }
    match (old, new) {
        (
            Request::Environment { arch: a, packages: old_packages, build_depends: old_depends, .. },
            Request::Environment { arch: b, packages, build_depends, .. },
        ) => {
            if a != b {
                changes.push(format!("the architecture was `{}`", a.name()));
            }
            changes.extend(names_changed("package", old_packages, packages));
            changes.extend(names_changed("build dependencies of", old_depends, build_depends));
        }
        (Request::Source { name: a, arch: arch_a, .. }, Request::Source { name: b, arch: arch_b, .. }) => {
            if a != b {
                return None;
            }
            if arch_a != arch_b {
                changes.push(format!("the architecture was `{}`", arch_a.name()));
            }
        }
        (Request::Emulator { host: a, .. }, Request::Emulator { host: b, .. }) if a == b => {}
        _ => return None,
    }
    Some(changes)
}

fn guix_changes(old: &Request, new: &Request) -> Option<Vec<String>> {
    let (
        Request::Guix { arch: a, channels: old_channels, packages: old_packages, items: old_items },
        Request::Guix { arch: b, channels, packages, items },
    ) = (old, new)
    else {
        return None;
    };
    let mut changes = Vec::new();
    if a != b {
        changes.push(format!("the architecture was `{}`", a.name()));
    }
    let old_commit = |name: &str| old_channels.iter().find(|old| old.name == name).map(|old| &old.commit);
    if old_channels.len() != channels.len()
        || channels.iter().any(|channel| old_commit(&channel.name).is_none())
    {
        changes.push("the channels changed".to_owned());
    } else {
        for channel in channels {
            match old_commit(&channel.name) {
                Some(old) if *old != channel.commit => {
                    changes.push(format!(
                        "the commit of `{}` was {}",
                        channel.name,
                        old.get(..12).unwrap_or(old)
                    ));
                }
                _ if !old_channels.contains(channel) => {
                    changes.push(format!("the channel `{}` is described otherwise", channel.name));
                }
                _ => {}
            }
        }
    }
    changes.extend(names_changed("package", old_packages, packages));
    changes.extend(names_changed("store item", old_items, items));
    Some(changes)
}

fn names_changed(what: &str, old: &[String], new: &[String]) -> Vec<String> {
    let only = |these: &[String], those: &[String]| {
        let left: Vec<&str> = these.iter().filter(|name| !those.contains(name)).map(String::as_str).collect();
        (!left.is_empty()).then(|| listed(left))
    };
    let added = only(new, old).map(|names| format!("{what} {names} was added"));
    let removed = only(old, new).map(|names| format!("{what} {names} was removed"));
    added.into_iter().chain(removed).collect()
}

/// The name in `NAME=VERSION`, as a `.buildinfo` asks, or in `NAME`.
fn name_of(asked: &str) -> &str {
    asked.split('=').next().unwrap_or(asked)
}

/// What doesn't hold together inside a block that answers a request.
fn inside(request: &Request, block: &Block, span: Span) -> Vec<Diagnostic> {
    let title = request.title();
    let wrong = |message: String| {
        Diagnostic::error(codes::LOCK, message, span, "locked for this")
            .help("run `rbld lock`; if `rbld.lock` was merged by hand, take this block out first")
    };
    let fits = matches!(
        (request, &block.facts),
        (Request::Environment { .. }, Facts::Environment { .. })
            | (Request::Source { .. }, Facts::Source { .. })
            | (Request::Emulator { .. }, Facts::Emulator(_))
            | (Request::Guix { .. }, Facts::Guix(_))
    );
    if !fits {
        return vec![wrong(format!("the lock's block of `{title}` holds facts of another kind"))];
    }
    let mut stale: Vec<Diagnostic> = Vec::new();
    if let (Request::Environment { packages, .. }, Facts::Environment { packages: locked, .. }) =
        (request, &block.facts)
    {
        let held: BTreeSet<&str> = locked.iter().map(|locked| locked.package.name.as_str()).collect();
        let lost: Vec<&str> =
            packages.iter().map(|asked| name_of(asked)).filter(|name| !held.contains(name)).collect();
        if !lost.is_empty() {
            stale.push(wrong(format!("the lock of `{title}` has lost {}, which is asked for", listed(lost))));
        }
    }
    let found = block.stale();
    let shown = found.iter().take(PLACES).map(|why| match why {
        Stale::Unmet { package, need } => {
            format!("in the lock of `{title}`, `{package}` needs `{need}`, which isn't locked")
        }
        Stale::Unneeded(package) => format!("in the lock of `{title}`, nothing needs `{package}`"),
        other => other.to_string(),
    });
    stale.extend(shown.map(wrong));
    stale
}
