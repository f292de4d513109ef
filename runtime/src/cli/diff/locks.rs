//! Which packages changed between two locks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rbld_lang::derivation::Derivation;
use rbld_lang::lock::{self, Lock};
use rbld_lang::plan::Plan;

use crate::cli::args::DiffFormat;
use crate::cli::output;
use crate::cli::project::{Fetching, Project, above, read_lock};
use crate::drift::{self, Names};
use crate::failure::{Doing, Failure, Result};
use crate::fetch::git;
use crate::files::lock_path;

/// Compares the locks that are named; without names, the last commit's with the one that is there.
pub(super) fn run(store: Option<&Path>, [old, new]: [Option<&Path>; 2], format: DiffFormat) -> Result<i32> {
    let (old, new, path) = match (old, new) {
        (Some(old), Some(new)) => {
            let path = lock_of(new)?;
            (required(&lock_of(old)?)?, required(&path)?, path)
        }
        (Some(old), None) => {
            let path = own()?;
            (required(&lock_of(old)?)?, required(&path)?, path)
        }
        (None, _) => {
            let path = own()?;
            (committed(&path)?, required(&path)?, path)
        }
    };
    let names = names_beside(&path, store);
    let drift = drift::compare(&old, &new, &names, &names);
    match format {
        DiffFormat::Text => output::text(&drift::text(&drift, &output::style())),
        DiffFormat::Json => output::line(&format!("{:#}", drift::json(&drift))),
        DiffFormat::DiffoscopeJson => {
            return Err(Failure::input("diffoscope's format is for bytes, and these are locks")
                .help("`--bytes` compares the bytes of locks too"));
        }
    }
    Ok(0)
}

/// Whether a path means a lock: it is one, the file that it is of, or a folder that holds `build.rbld`.
pub(super) fn is_lock(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if path.is_dir() {
        return path.join("build.rbld").is_file();
    }
    path.is_file()
        && (name == "rbld.lock"
            || name.ends_with(".rbld.lock")
            || name.ends_with(".rbld")
            || begins_as_lock(path))
}

fn begins_as_lock(path: &Path) -> bool {
    let mut first = [0; 10];
    let read =
        std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first));
    read.is_ok() && first == *b"rbld-lock "
}

/// The lock of the project here.
fn own() -> Result<PathBuf> {
    let file = above()?.ok_or_else(|| {
        Failure::input("there is no `build.rbld` here or in a folder above")
            .help("name two locks: `rbld diff old/rbld.lock rbld.lock`")
    })?;
    lock_of(&file)
}

/// The lock that is meant by a path: of a lock, of the file beside it, or of a project's folder.
fn lock_of(path: &Path) -> Result<PathBuf> {
    let missing = || {
        Failure::input(format!("there is no `{}`", path.display()))
            .help("name a lock, or the file that it is of")
    };
    let full = path.canonicalize().map_err(|_| missing())?;
    if full.is_dir() {
        return Ok(lock_path(&full, "build.rbld"));
    }
    match (full.parent(), full.file_name().and_then(|name| name.to_str())) {
        (Some(root), Some(name)) if name.ends_with(".rbld") => Ok(lock_path(root, name)),
        _ => Ok(full),
    }
}

fn required(path: &Path) -> Result<Lock> {
    read_lock(path)?.ok_or_else(|| {
        Failure::input(format!("there is no lock `{}`", path.display()))
            .help("run `rbld lock`: it writes one")
    })
}

/// The lock as the last commit has it; an empty one where it is new.
fn committed(path: &Path) -> Result<Lock> {
    let path = path.canonicalize().doing(|| format!("find `{}`", path.display()))?;
    let Some(bytes) = git::committed(&path)? else {
        return Err(Failure::input("the last commit has no lock to compare with")
            .fact(format!("looked for {} in `HEAD` of the git repository above it", path.display()))
            .help("name the older lock: `rbld diff OLD`"));
    };
    let wrong = |what: String| {
        Failure::input(format!("the lock of the last commit can't be read: {what}"))
            .help("name a lock that can: `rbld diff OLD`")
    };
    let text = String::from_utf8(bytes).map_err(|_| wrong("it isn't UTF-8".to_owned()))?;
    lock::parse(&text).map_err(|error| wrong(format!("line {}: {}", error.line, error.message)))
}

/// The names that the file beside a lock has for its blocks; none where that can't be evaluated.
fn names_beside(path: &Path, store: Option<&Path>) -> Names {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let file = match name {
        "rbld.lock" => path.with_file_name("build.rbld"),
        _ => path.with_extension(""),
    };
    if file.extension().is_none_or(|extension| extension != "rbld") || !file.is_file() {
        return Names::new();
    }
    Project::load(&file, store, Fetching::No).map(|project| names(&project.plan)).unwrap_or_default()
}

/// The names of environments by their requests.
pub(in crate::cli) fn names(plan: &Plan) -> Names {
    let mut names: Names = BTreeMap::new();
    for named in &plan.names {
        if let Some(Derivation::Environment(environment)) = plan.derivations.get(&named.id) {
            let known = names.entry(environment.request).or_default();
            if !known.contains(&named.name) {
                known.push(named.name.clone());
            }
        }
    }
    names
}
