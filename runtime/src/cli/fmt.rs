//! `rbld fmt`: lays files out in the one style. A file is replaced whole or not at all, and not when it already is so.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rbld_lang::span::Sources;
use similar::TextDiff;

use super::check::plural;
use super::project::choose;
use super::{args, output, replace};
use crate::failure::{Doing, Failure, Result};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is laid out already.
    Same,
    /// It was changed, or would be.
    Changed,
    /// It can't be read; what is wrong with it was said.
    Wrong,
}

/// Formats what is meant.
pub(super) fn run(args: &args::Fmt) -> Result<i32> {
    if args.paths.iter().any(|path| path == Path::new("-")) {
        if args.paths.len() > 1 {
            return Err(Failure::input("`-` stands for standard input and goes with no other file")
                .help("`rbld fmt - < FILE`, or `rbld fmt FILE OTHER`"));
        }
        return standard_input(args.check);
    }
    let mut changed = 0;
    let mut wrong = 0;
    for (path, shown) in files(&args.paths)? {
        match file(&path, &shown, args.check)? {
            Outcome::Same => {}
            Outcome::Changed => changed += 1,
            Outcome::Wrong => wrong += 1,
        }
    }
    if args.check && changed > 0 {
        let verb = if changed == 1 { "isn't" } else { "aren't" };
        output::note(&format!("{} {verb} formatted: run `rbld fmt`", plural(changed, "file")));
    }
    Ok(match (wrong, changed) {
        (1.., _) => 2,
        (0, 1..) if args.check => 1,
        _ => 0,
    })
}

/// The files that are meant, sorted, each once, with the names that are shown of them.
fn files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>> {
    let project;
    let paths = if paths.is_empty() {
        let file = choose(&[])?.file;
        project = [file.parent().unwrap_or(Path::new(".")).to_owned()];
        &project[..]
    } else {
        paths
    };
    let here = std::env::current_dir().doing(|| "find the current folder")?;
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(below(path)?);
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(Failure::input(format!("there is no file `{}`", path.display()))
                .help("name `.rbld` files, folders that hold some, or `-` for standard input"));
        }
    }
    files.sort();
    files.dedup();
    let shown = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
    Ok(files.into_iter().map(|path| (path.clone(), shown(&path))).collect())
}

/// The `.rbld` files below a folder, without hidden ones and what git ignores.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in ignore::Walk::new(folder) {
        let entry = entry.map_err(|error| Failure::world(format!("could not look for files: {error}")))?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && entry.path().extension().is_some_and(|extension| extension == "rbld") {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

fn file(path: &Path, shown: &str, check: bool) -> Result<Outcome> {
    let bytes = std::fs::read(path).doing(|| format!("read `{shown}`"))?;
    let before = utf8(bytes, shown)?;
    let Some(after) = formatted(&before, shown)? else { return Ok(Outcome::Wrong) };
    if before == after {
        return Ok(Outcome::Same);
    }
    if check {
        output::text(&difference(&before, &after, shown));
    } else {
        replace::prepare(path, &after)
            .and_then(replace::Prepared::put)
            .map_err(|error| Failure::io(format!("write `{shown}`"), &error))?;
        output::line(shown);
    }
    Ok(Outcome::Changed)
}

fn standard_input(check: bool) -> Result<i32> {
    let shown = "<standard input>";
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).doing(|| "read standard input")?;
    let before = utf8(bytes, shown)?;
    let Some(after) = formatted(&before, shown)? else { return Ok(2) };
    if check {
        output::text(&difference(&before, &after, shown));
        return Ok(i32::from(before != after));
    }
    output::text(&after);
    Ok(0)
}

fn utf8(bytes: Vec<u8>, shown: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        Failure::input(format!("`{shown}` isn't UTF-8"))
            .fact(format!("byte {} begins no letter", error.utf8_error().valid_up_to()))
    })
}

/// The text in the one layout; nothing when it can't be read, which is said.
fn formatted(text: &str, shown: &str) -> Result<Option<String>> {
    let mut sources = Sources::default();
    let id = sources.add(shown.to_owned(), text.to_owned());
    match rbld_lang::fmt::format(id, text) {
        Ok(after) if rbld_lang::fmt::same(text, &after) => Ok(Some(after)),
        // Rather no layout than another meaning.
        Ok(_) => {
            Err(Failure::bug(format!("formatting `{shown}` would change what it means; it is left alone"))
                .help("please report it, with the file"))
        }
        Err(diagnostics) => {
            output::diagnostics(&sources, &diagnostics);
            Ok(None)
        }
    }
}

fn difference(before: &str, after: &str, shown: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().header(shown, &format!("{shown} (formatted)")).to_string()
}
