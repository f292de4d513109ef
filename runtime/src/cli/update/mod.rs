//! `rbld update`: moves pins to what they follow, editing the sources where the literals stand and nowhere else.
//!
//! All answers come before the first edit, those for the lock too; if one can't be had, nothing is written.

mod answer;
mod edit;
mod pin;
mod relock;

use std::path::Path;

use rbld_lang::diagnostic::{Diagnostic, Severity};
use rbld_lang::loader::Project;
use rbld_lang::{codes, package};

use super::project::{self, Fetching};
use super::{args, context, keyrings, output};
use crate::config::Config;
use crate::display::Screen;
use crate::drift;
use crate::failure::{Doing, Failure, Result};
use crate::fetch::date;
use crate::fetch::mirrors::Mirrors;
use crate::files::Files;
use answer::{Answer, World};
use edit::{Edited, Edits};
use pin::{Place, Subject, Wanted};
use relock::Relocked;
use serde_json::json;

/// What came of a pin.
struct Moved {
    /// As a person knows it.
    name: String,
    /// What was and what is: `commit 136fc8bfe91a → 9a8b7c6d5e4f`.
    change: String,
    /// What it follows: `tag v1.2`.
    follows: String,
    /// Where it is written.
    at: String,
    /// Whether the lock depends on it.
    locked: bool,
}

/// Updates the pins that are named, or all that move.
pub(super) fn run(store: Option<&Path>, args: &args::Update) -> Result<i32> {
    let chosen = project::choose(&args.target.words)?;
    let to = args.to.as_deref().map(instant).transpose()?;
    let file = chosen.file.canonicalize().doing(|| format!("open `{}`", chosen.file.display()))?;
    let (root, name) = project::parts(&file)?;
    let mut loader = Edited::over(Files { root: root.to_owned(), packages: project::packages(store) });
    let lang = rbld_lang::load(name, &loader);
    let wrong = unreadable(&lang);
    if !wrong.is_empty() {
        output::diagnostics(&lang.sources, &wrong);
        return Ok(2);
    }
    let config = Config::load(Some(root))?;
    let screen = Screen::on_stderr(false);
    let world = World {
        store: context::store(store)?,
        mirrors: Mirrors::from_machine(&config),
        project: root.to_owned(),
        progress: screen.progress(),
        now: super::lock::now(),
        to,
        keyrings: std::cell::OnceCell::new(),
        sources: std::cell::OnceCell::new(),
    };
    let mut work = Work {
        names: &chosen.names,
        world: &world,
        moved: Vec::new(),
        failures: Vec::new(),
        open: Vec::new(),
    };
    let mut edits = Edits::default();
    // Packages first: the pins inside of functions of a package are known once the package is there.
    work.packages(&lang, &mut edits);
    loader.put(edits.texts(&lang)?);
    for name in work.names.iter().filter(|name| !work.open.contains(name)) {
        if !pin::is_item(&lang, name) {
            let pins = rbld_lang::eval::pins::pins(&lang, &loader);
            return Err(pin::unknown(&lang, &pins, name));
        }
    }
    let wants_more = work.names.is_empty() || work.names.iter().any(|name| !work.open.contains(name));
    if wants_more && work.failures.is_empty() {
        let lang = match project::with_packages(name, root, &loader, store, Fetching::Yes(&[])) {
            Ok(lang) => lang,
            // What doesn't need the package has its pins still.
            Err(failure) => {
                screen.finish();
                output::failure(&failure);
                output::note("the pins that need this package stay as they are");
                rbld_lang::load(name, &loader)
            }
        };
        let mut more = Edits::default();
        work.pins(&lang, &loader, &mut more)?;
        loader.put(more.texts(&lang)?);
    }
    let Work { moved, mut failures, .. } = work;
    let mut relocked = None;
    if failures.is_empty() && moved.iter().any(|moved| moved.locked) {
        match relock::relock(root, name, &loader, &world) {
            Ok(lock) => relocked = lock,
            Err(failure) => failures.push(failure),
        }
    }
    screen.finish();
    if !failures.is_empty() {
        failures.iter().for_each(output::failure);
        output::note("nothing was written");
        let codes: Vec<i32> = failures.iter().map(Failure::exit_code).collect();
        return Ok([5, 2, 4].into_iter().find(|code| codes.contains(code)).unwrap_or(4));
    }
    match args.format {
        args::Format::Text => finish(&loader, &moved, relocked.as_ref(), args.dry_run),
        args::Format::Json => finish_json(&loader, &moved, relocked.as_ref(), args.dry_run),
    }
}

/// Writes what moved and the lock, for a program.
fn finish_json(loader: &Edited, moved: &[Moved], relocked: Option<&Relocked>, dry_run: bool) -> Result<i32> {
    let row =
        |of: &Moved| json!({ "name": of.name, "change": of.change, "follows": of.follows, "at": of.at });
    let written = if dry_run { Vec::new() } else { write(loader, relocked)? };
    output::line(&format!(
        "{:#}",
        json!({
            "moved": moved.iter().map(row).collect::<Vec<_>>(),
            "drift": relocked.map_or(json!([]), |relocked| drift::json(&relocked.drift)),
            "written": written,
        })
    ));
    Ok(0)
}

/// Writes the files that change, then the lock; gives their names.
fn write(loader: &Edited, relocked: Option<&Relocked>) -> Result<Vec<String>> {
    let mut written = loader.write()?;
    if let Some(Relocked { path, lock, .. }) = relocked {
        project::write_lock(path, lock)?;
        written.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    Ok(written)
}

/// Says what moved, and writes it.
fn finish(loader: &Edited, moved: &[Moved], relocked: Option<&Relocked>, dry_run: bool) -> Result<i32> {
    if moved.is_empty() {
        output::line("nothing moved: every pin is at what it follows");
        return Ok(0);
    }
    if dry_run {
        output::text(&loader.difference());
    }
    let width = moved.iter().map(|moved| moved.name.chars().count()).max().unwrap_or(0);
    for Moved { name, change, follows, at, .. } in moved {
        let line = format!("{name:width$}  {change}  {follows}  {at}");
        if dry_run {
            output::note(line.trim_end());
        } else {
            output::line(line.trim_end());
        }
    }
    if let Some(Relocked { drift, .. }) = relocked {
        output::line("");
        output::text(&drift::text(drift, &output::style()));
        if !dry_run {
            output::line("");
        }
    }
    if dry_run {
        return Ok(0);
    }
    let written = write(loader, relocked)?;
    output::line(&format!("wrote {}", written.join(", ")));
    if relocked.is_none() && moved.iter().any(|moved| moved.locked) {
        output::note("help: run `rbld lock`: what is locked follows the pins");
    }
    Ok(0)
}

/// An instant of the command line, as the language writes it; a date is its first second.
fn instant(text: &str) -> Result<i64> {
    use rbld_lang::syntax::ast::{ExprKind, Literal};
    let (expr, wrong) = rbld_lang::syntax::parse_expression(rbld_lang::span::FileId(0), text);
    match expr.kind {
        ExprKind::Literal(Literal::Instant(instant)) if wrong.is_empty() => Ok(instant),
        ExprKind::Literal(Literal::Date(day)) if wrong.is_empty() => Ok(day * 86_400),
        _ => Err(Failure::input(format!("`{text}` is no instant"))
            .help("write it as in a file: `--to 2026-11-22T00:00:00Z`, or `--to 2026-11-22`")),
    }
}

/// What forbids to edit: files that can't be read, and a manifest that is wrong in another way than not being pinned.
fn unreadable(lang: &Project) -> Vec<Diagnostic> {
    let in_manifest = |wrong: &Diagnostic| {
        wrong.labels.first().is_some_and(|label| lang.sources.get(label.span.file).name == package::FILE)
    };
    let own = |wrong: &&Diagnostic| {
        wrong.labels.first().is_some_and(|label| !lang.in_library(label.span))
            && wrong.severity == Severity::Error
            && (wrong.code.0.starts_with("E01") || in_manifest(wrong) && wrong.code != codes::UNPINNED)
    };
    lang.diagnostics.iter().filter(own).cloned().collect()
}

/// The pins that are looked at.
struct Work<'a> {
    /// The names of the command line; none for everything that moves.
    names: &'a [String],
    world: &'a World,
    moved: Vec<Moved>,
    failures: Vec<Failure>,
    /// Names of the command line that were found.
    open: Vec<String>,
}

impl Work<'_> {
    /// The packages that the project requires.
    fn packages(&mut self, lang: &Project, edits: &mut Edits) {
        let Some(manifest) = &lang.manifest else { return };
        for requirement in &manifest.requires {
            let name = &requirement.name.node.to_string();
            let named = self.names.contains(name);
            let moves = requirement.reference.is_some() || requirement.pinned().is_none();
            let wanted = named || self.names.is_empty() && moves;
            if !wanted {
                continue;
            }
            self.open.push(name.clone());
            match self.world.package(requirement) {
                Ok(None) => {}
                Ok(Some((commit, tree))) => match edits.package(lang, requirement, &commit, tree) {
                    Ok(at) => {
                        let old = requirement.commit.as_ref().map(|commit| commit.node.as_str());
                        self.moved.push(Moved {
                            name: name.clone(),
                            change: format!(
                                "commit {}, tree {}",
                                answer::from_to(old, &commit),
                                tree.short()
                            ),
                            follows: pin::follows(requirement.reference.as_ref()),
                            at,
                            locked: true,
                        });
                    }
                    Err(failure) => self.failures.push(failure),
                },
                Err(failure) => self.failures.push(failure.fact(format!("for the package `{name}`"))),
            }
        }
    }

    /// The pins of inputs and archives.
    fn pins(&mut self, lang: &Project, loader: &Edited, edits: &mut Edits) -> Result<()> {
        let pins = rbld_lang::eval::pins::pins(lang, loader);
        let wanted = pin::wanted(&pins, self.names);
        let asks = |subject: &Subject| matches!(subject, Subject::Snapshot { keyring: Some(_), .. });
        if wanted.iter().flat_map(|wanted| &wanted.subjects).any(asks) {
            let host = rbld_lang::Host { arch: project::host_arch()? };
            let places = rbld_lang::evaluate(lang, loader, &host).keyrings;
            let read = keyrings::read(&places, &self.world.project, &self.world.store)?;
            drop(self.world.keyrings.set(read));
        }
        for name in self.names.iter().filter(|name| !self.open.contains(name)) {
            if !wanted.iter().any(|wanted| wanted.names.contains(name)) {
                return Err(pin::unknown(lang, &pins, name));
            }
        }
        for Wanted { names, subjects, place } in &wanted {
            let name = names.join(", ");
            let at = match place {
                Place::Computed(span) => {
                    let (line, _) = lang.sources.position(*span);
                    let at = format!("{}:{line}", lang.sources.get(span.file).name);
                    let written = lang.sources.slice(*span).lines().next().unwrap_or_default();
                    let message = format!("the pin of `{name}` is computed, at {at}: `{written}`");
                    if self.names.is_empty() {
                        output::note(&format!("note: {message}; it stays as it is"));
                    } else {
                        let help = "edit what it is computed from, or write the literal there";
                        self.failures.push(Failure::input(message).help(help));
                    }
                    continue;
                }
                Place::Literal(span) | Place::Missing { call: span, .. } => {
                    let (line, _) = lang.sources.position(*span);
                    format!("{}:{line}", lang.sources.get(span.file).name)
                }
            };
            match self.world.answer(subjects) {
                Ok(None) => {}
                Ok(Some(Answer { literal, change, follows })) => {
                    edits.pin(lang, *place, &literal)?;
                    let locked = matches!(subjects.first(), Some(Subject::Snapshot { .. }));
                    self.moved.push(Moved { name, change, follows, at, locked });
                }
                Err(failure) => self.failures.push(failure.fact(format!("for `{name}`, {at}"))),
            }
        }
        Ok(())
    }
}

/// An instant as the language writes it.
fn shown(instant: i64) -> String {
    date::instant(instant)
}
