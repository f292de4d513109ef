//! `rbld lock`: resolves what isn't locked yet and writes the lock, changing only what had to change.

use std::collections::BTreeMap;
use std::path::Path;

use rbld_lang::diagnostic::{Code, Severity};
use rbld_lang::lock::{Lock, Request};

use super::args;
use super::check::plural;
use super::project::{Fetching, Project, choose, write_lock};
use super::resolved::resolve;
use super::{context, keyrings, output};
use crate::config::Config;
use crate::display::Screen;
use crate::failure::{Failure, Result};
use crate::fetch::debian;
use crate::fetch::http::Http;
use crate::fetch::mirrors::Mirrors;

/// Locks a project.
pub(super) fn run(store: Option<&Path>, args: &args::Lock) -> Result<i32> {
    let chosen = choose(&args.target.words)?;
    if let Some(name) = chosen.names.first() {
        return Err(Failure::input(format!("`rbld lock` locks a whole file, not `{name}` alone"))
            .help("`rbld lock FILE`: what is locked already stays as it is"));
    }
    let project = Project::load(&chosen.file, store, Fetching::unless(args.reach.offline, &args.reach.from))?;
    // A missing lock is why this command was called; anything else wrong is shown and ends it.
    let lock_missing = Code("E0204");
    let shown: Vec<_> =
        project.diagnostics.iter().filter(|diagnostic| diagnostic.code != lock_missing).cloned().collect();
    if shown.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        output::diagnostics(&project.lang.sources, &shown);
        return Ok(2);
    }
    let old = project.lock.clone().unwrap_or_default();
    let Planned { mut new, missing } = planned(&project.evaluated, &old);
    if args.check {
        return Ok(checked(&missing, &old, &new));
    }
    if !missing.is_empty() {
        let config = Config::load(Some(&project.root))?;
        let screen = Screen::on_stderr(false);
        let store = context::store(store)?;
        let keyrings = keyrings::read(&project.evaluated.keyrings, &project.root, &store)?;
        let mirrors = Mirrors::from_machine(&config).from_vendored(&args.reach.from)?;
        let http = Http::new(args.reach.offline)?;
        let mut sources = debian::Sources::new(http, mirrors, store, screen.progress(), now());
        sources.keyrings = keyrings;
        for (request, block) in resolve(&missing, &sources, &config)? {
            new.blocks.insert(request.digest(), block);
        }
    }
    let dropped = old.blocks.keys().filter(|digest| !new.blocks.contains_key(digest)).count();
    if old == new && project.lock.is_some() {
        output::line(&format!(
            "{} is complete: {}",
            short(&project.lock_path),
            plural(new.blocks.len(), "request")
        ));
        return Ok(0);
    }
    write_lock(&project.lock_path, &new)?;
    output::line(&format!(
        "wrote {}: {} resolved, {} kept, {dropped} dropped",
        short(&project.lock_path),
        plural(missing.len(), "request"),
        new.blocks.len() - missing.len()
    ));
    for request in &missing {
        output::line(&format!("  + {}", described(request)));
    }
    Ok(0)
}

/// What a lock is to be: the blocks that stay, and what is to be resolved.
pub(super) struct Planned {
    /// The blocks that are right as they are.
    pub new: Lock,
    /// What isn't locked yet, in the order of the file.
    pub missing: Vec<Request>,
}

/// Holds a lock against what a file asks for.
pub(super) fn planned(evaluated: &rbld_lang::Evaluated, old: &Lock) -> Planned {
    let mut new = Lock { blocks: BTreeMap::new() };
    let mut missing = Vec::new();
    for (request, _) in &evaluated.requests {
        let digest = request.digest();
        match old.blocks.get(&digest) {
            Some(block) => drop(new.blocks.insert(digest, block.clone())),
            None if missing.iter().any(|known| known == request) => {}
            None => missing.push(request.clone()),
        }
    }
    // An emulator for machines of another architecture than this one isn't asked for here, and stays.
    for (digest, block) in &old.blocks {
        if evaluated.wants(&block.title) {
            new.blocks.entry(*digest).or_insert_with(|| block.clone());
        }
    }
    Planned { new, missing }
}

fn checked(missing: &[Request], old: &Lock, new: &Lock) -> i32 {
    for request in missing {
        output::line(&format!("not locked: {}", described(request)));
    }
    let unreached: Vec<_> =
        old.blocks.iter().filter(|(digest, _)| !new.blocks.contains_key(digest)).collect();
    for (_, block) in &unreached {
        output::line(&format!("locked, but nothing asks for it: {}", described(&block.title)));
    }
    if missing.is_empty() && unreached.is_empty() {
        output::line("the lock is complete");
        return 0;
    }
    output::note("help: run `rbld lock`");
    2
}

/// A request for a person: its title and what was asked for.
fn described(request: &Request) -> String {
    if let Request::Guix { packages, items, .. } = request {
        let names: Vec<&str> = packages.iter().chain(items).map(String::as_str).collect();
        return format!("{}: {}", request.title(), names.join(" "));
    }
    let Request::Environment { packages, build_depends, .. } = request else { return request.title() };
    let mut text = request.title();
    if packages.iter().any(|package| package.contains('=')) {
        let (exact, besides): (Vec<_>, Vec<_>) = packages.iter().partition(|package| package.contains('='));
        text = format!("{text}: {} by exact version", plural(exact.len(), "package"));
        for name in besides {
            text = format!("{text}, {name}");
        }
        return text;
    }
    if !packages.is_empty() {
        text = format!("{text}: {}", packages.join(" "));
    }
    if !build_depends.is_empty() {
        text = format!("{text}, to build {}", build_depends.join(" "));
    }
    text
}

fn short(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Seconds since 1970, taken once: a pin in the future isn't a pin.
pub(super) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
