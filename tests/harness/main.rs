//! The tests of the whole: cases of the command, the specification's examples, and the shape of the sources.
//!
//! `cargo test --test cases` runs all of it, `cargo test --test cases NAME` what has NAME in its name, and
//! `RBLD_BLESS=1` rewrites what the cases and the specification expect. What the language and the runtime
//! promise function by function is tested beside the functions; here the built command is run as a user runs it.

mod archives;
mod bless;
mod buildinfo;
mod case;
mod drafts;
mod images;
mod library;
mod place;
mod real;
mod schema;
mod signed;
mod snapshot;
mod spec;
mod stages;
mod tidy;
mod tokens;
mod txtar;
mod varied;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit(),
        Err(error) => {
            let reason = error.message().unwrap_or("no reason given").to_owned();
            let broken = Trial::test("harness", move || Err(Failed::from(reason)));
            libtest_mimic::run(&Arguments::default(), vec![broken]).exit()
        }
    }
}

fn trials() -> Result<Vec<Trial>, Failed> {
    let root = root()?;
    let mut trials = case::trials(&root.join("tests/cases"))?;
    trials.extend(spec::trials(&root.join("spec"))?);
    trials.extend(tidy::trials(&root));
    trials.extend(images::trials());
    trials.extend(real::trials()?);
    Ok(trials)
}

/// The repository.
fn root() -> Result<PathBuf, Failed> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(runtime.parent().ok_or("the runtime's folder has a parent")?.to_owned())
}

/// The files below `folder` whose name ends in `.extension`, sorted.
fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failed> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// How a test names a file: its path below `folder`, without the extension.
fn name_below(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).with_extension("").display().to_string()
}
