//! Cases of the whole command, one `.txtar` file each, below `tests/cases`.
//!
//! The comment says what the case shows. A line `$ …` in it is a line of shell, run in a folder that holds the
//! archive's files; `exit N` after it is the exit code it must have, 0 if nothing is said. What all lines
//! wrote must be the files `stdout` and `stderr`, which may be left out where nothing is written; `[..]`
//! in them stands for any text within a line, and `[ROOT]` for the temporary folder. A line `needs NAME` names a
//! program; on a machine without it the case is shown as left out. A report in JSON that a line prints,
//! or writes into a file of that kind, is held against its schema.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

use crate::bless;
use crate::place::Place;
use crate::txtar::Archive;

/// The files of an archive that are expectations.
const EXPECTED: [&str; 2] = ["stdout", "stderr"];

/// A test for each file below `folder`.
pub(crate) fn trials(folder: &Path) -> Result<Vec<Trial>, Failed> {
    let files = crate::files_below(folder, "txtar")?;
    let trial = |file: std::path::PathBuf| {
        let name = format!("cases/{}", crate::name_below(folder, &file));
        let lacking = lacking(&file)?;
        let trial = Trial::test(name, move || run(&file));
        Ok(match lacking {
            Some(program) => trial.with_kind(format!("no {program} here")).with_ignored_flag(true),
            None => trial,
        })
    };
    files.into_iter().map(trial).collect()
}

/// A program that a case needs and this machine hasn't.
fn lacking(file: &Path) -> Result<Option<String>, Failed> {
    let archive = Archive::parse(&std::fs::read_to_string(file)?);
    let places: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let missing = |program: &&str| !places.iter().any(|place| place.join(program).is_file());
    Ok(archive
        .comment
        .lines()
        .filter_map(|line| line.strip_prefix("needs "))
        .find(missing)
        .map(str::to_owned))
}

fn run(file: &Path) -> Result<(), Failed> {
    let mut archive = Archive::parse(&std::fs::read_to_string(file)?);
    let commands = commands(&archive.comment)?;
    let place = Place::new()?;
    for (name, text) in archive.files.iter().filter(|(name, _)| !EXPECTED.contains(&name.as_str())) {
        place.write(name, text)?;
    }
    let mut wrong = Vec::new();
    let mut wrote = [String::new(), String::new()];
    for Line { text, exit } in commands {
        let ran = place.run(&text)?;
        if ran.code != exit {
            wrong.push(format!("`{text}` exits {}, expected {exit}\n{}{}", ran.code, ran.stdout, ran.stderr));
        }
        crate::schema::check(&ran.stdout)?;
        wrote[0].push_str(&ran.stdout);
        wrote[1].push_str(&ran.stderr);
    }
    for written in crate::files_below(&place.project(), "json")? {
        crate::schema::check(&std::fs::read_to_string(written)?)?;
    }
    let mut blessed = false;
    for (name, found) in EXPECTED.iter().zip(&wrote) {
        if let Err(error) = bless::require(name, archive.get(name).unwrap_or_default(), found) {
            if bless::blessing() {
                archive.set(name, found);
                blessed = true;
            } else {
                wrong.push(error.message().unwrap_or_default().to_owned());
            }
        }
    }
    if blessed {
        std::fs::write(file, archive.to_string())?;
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// A line of shell and how it must end.
struct Line {
    text: String,
    exit: i32,
}

fn commands(comment: &str) -> Result<Vec<Line>, Failed> {
    let mut lines: Vec<Line> = Vec::new();
    for line in comment.lines() {
        if let Some(text) = line.strip_prefix("$ ") {
            lines.push(Line { text: text.to_owned(), exit: 0 });
        } else if let Some(number) = line.strip_prefix("exit ") {
            let last = lines.last_mut().ok_or("`exit` stands after a command")?;
            last.exit = number.trim().parse().map_err(|_| format!("`{line}` is no exit code"))?;
        }
    }
    if lines.is_empty() {
        return Err("a case has at least one line `$ …`".into());
    }
    Ok(lines)
}
