//! `rbld vendor`: everything that a check fetches, in a folder.

use std::path::Path;

use rbld_lang::digest::Digest;
use serde_json::json;

use super::args::{self, Format, Running};
use super::check::plural;
use super::project::{Fetching, Project, choose};
use super::{check, context, keyrings, lock, output};
use crate::display::{self, Screen};
use crate::failure::{Doing, Result};
use crate::fetch::debian::Sources;
use crate::vendor::{self, Asked, Done};

/// Writes the folder and says what it holds.
pub(super) fn run(store: Option<&Path>, args: &args::Vendor) -> Result<i32> {
    let words: Vec<String> = args.file.iter().map(|file| named(file)).collect();
    let chosen = choose(&words)?;
    let fetching = Fetching::unless(args.reach.offline, &args.reach.from);
    let project = Project::load(&chosen.file, store, fetching)?;
    if check::refused(&project, args::ReportFormat::Text) {
        return Ok(2);
    }
    let screen = Screen::on_stderr(false);
    let running =
        Running { offline: args.reach.offline, from: args.reach.from.clone(), ..Running::default() };
    let world = context::world(&project, context::store(store)?, &running, screen.progress())?;
    let lock_text = match &project.lock {
        Some(_) => Some(std::fs::read(&project.lock_path).doing(|| "read the lock")?),
        None => None,
    };
    let mut sources = Sources::new(
        world.http()?,
        world.mirrors.clone(),
        world.store.clone(),
        screen.progress(),
        lock::now(),
    );
    sources.keyrings = keyrings::read(&project.evaluated.keyrings, &project.root, &world.store)?;
    let asked = Asked {
        file: &project.file,
        plan: &project.plan,
        packages: &project.lang.packages,
        lock: project.lock.as_ref(),
        lock_digest: lock_text.as_deref().map(Digest::of),
    };
    let done = vendor::vendor(&world, &asked, sources, &args.folder);
    screen.finish();
    let done = done?;
    match args.format {
        Format::Text => say(&done, &project, args),
        Format::Json => output::line(&format!("{:#}", json_of(&done, &project))),
    }
    Ok(0)
}

/// A folder that is named may be written without a slash.
fn named(file: &str) -> String {
    match file.ends_with(".rbld") || file.contains('/') {
        true => file.to_owned(),
        false => format!("{file}/"),
    }
}

/// What is there, by the words of its kind.
fn kinds(done: &Done) -> Vec<(String, usize)> {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    let mut count = |kind: &str, number: usize| match kinds.iter_mut().find(|(known, _)| known == kind) {
        Some((_, known)) => *known += number,
        None => kinds.push((kind.to_owned(), number)),
    };
    for word in ["package", "source"] {
        count(word, done.manifest.files.iter().filter(|row| row.kind == word).count());
    }
    count("commit", done.manifest.commits.len());
    for row in done.manifest.files.iter().filter(|row| row.kind != "published") {
        let kind = match row.kind.as_str() {
            "nar" => "store item",
            "image" => "part of an image",
            other => other,
        };
        count(kind, usize::from(!matches!(kind, "package" | "source")));
    }
    count("published file", done.manifest.files.iter().filter(|row| row.kind == "published").count());
    count("signed index", done.manifest.releases.len());
    kinds.retain(|(_, number)| *number > 0);
    kinds
}

fn say(done: &Done, project: &Project, args: &args::Vendor) {
    for note in &done.notes {
        output::note(&format!("note: {note}"));
    }
    let plural = |noun: &str, number: usize| match (noun, number) {
        ("index", 2..) => format!("{number} indexes"),
        ("signed index", 2..) => format!("{number} signed indexes"),
        ("part of an image", 2..) => format!("{number} parts of images"),
        _ => plural(number, noun),
    };
    let kinds: Vec<String> = kinds(done).iter().map(|(kind, number)| plural(kind, *number)).collect();
    let what =
        if kinds.is_empty() { "nothing, since it fetches nothing".to_owned() } else { kinds.join(", ") };
    output::line(&format!("{} needs {what}", project.file));
    let (files, bytes) = done.manifest.total;
    let written = done.written;
    let new = match written.new.0 {
        0 => "all there already".to_owned(),
        new if new == files => "all new".to_owned(),
        new => format!("{new} new, {}", display::size(written.new.1)),
    };
    let mended = if written.mended > 0 { format!(", {} mended", written.mended) } else { String::new() };
    let removed = if written.removed > 0 { format!(", {} removed", written.removed) } else { String::new() };
    output::line(&format!(
        "{}: {}, {} ({new}{mended}{removed})",
        args.folder.display(),
        plural("file", files as usize),
        display::size(bytes)
    ));
    let file = args.file.as_deref().map_or_else(String::new, |file| format!(" {file}"));
    output::line(&format!("  rbld check{file} --offline --from {}", args.folder.display()));
}

fn json_of(done: &Done, project: &Project) -> serde_json::Value {
    let kinds: serde_json::Map<String, serde_json::Value> =
        kinds(done).into_iter().map(|(kind, number)| (kind, json!(number))).collect();
    json!({
        "file": project.file,
        "holds": kinds,
        "files": done.manifest.total.0,
        "bytes": done.manifest.total.1,
        "new": { "files": done.written.new.0, "bytes": done.written.new.1 },
        "mended": done.written.mended,
        "removed": done.written.removed,
        "notes": done.notes,
    })
}
