//! `rbld import`: drafts a file for a pipeline of GitLab's and says what it couldn't carry over.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::check::plural;
use super::init::{instant, taken, write_new};
use super::project::host_arch;
use super::{args, output};
use crate::draft::gitlab::draft;
use crate::failure::{Doing, Failure, Result};

/// The longest file that is looked at.
const LONGEST: u64 = 16 << 20;

/// Drafts a file for a pipeline and writes it.
pub(super) fn run(args: &args::Import) -> Result<i32> {
    let shown = args.file.display().to_string();
    let to = match &args.output {
        Some(to) => to.clone(),
        None => beside(&args.file),
    };
    let printed = to == Path::new("-");
    if !printed && to.symlink_metadata().is_ok() {
        return Err(taken(&to));
    }
    let text = read(&args.file)?;
    let (draft, notes) = draft(&shown, &text, &instant(args.at.as_deref())?, host_arch()?)?;
    if printed {
        output::text(&draft.text);
    } else {
        write_new(&to, &draft.text)?;
    }
    for note in &notes {
        output::note(&format!("{shown}:{}: {}", note.line, note.text));
    }
    let left = match notes.len() {
        0 => "everything was carried over".to_owned(),
        count => format!("{} to look at, above and in the file", plural(count, "thing")),
    };
    if !printed {
        output::line(&format!("wrote {}, from {}: {left}", to.display(), draft.title));
        let file = if to == Path::new("build.rbld") { String::new() } else { format!(" {}", to.display()) };
        output::line(&format!("next: rbld lock{file} && rbld check{file}"));
    }
    Ok(0)
}

fn beside(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.join("build.rbld"),
        _ => PathBuf::from("build.rbld"),
    }
}

fn read(file: &Path) -> Result<String> {
    let doing = || format!("read `{}`", file.display());
    let facts = match file.metadata() {
        Ok(facts) => facts,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::input(format!("there is no file `{}`", file.display()))
                .help("name the pipeline: `rbld import path/to/.gitlab-ci.yml`"));
        }
        Err(error) => return Err(error).doing(doing),
    };
    if !facts.is_file() {
        return Err(Failure::input(format!("`{}` is no file", file.display()))
            .help("name the pipeline: `rbld import path/to/.gitlab-ci.yml`"));
    }
    if facts.len() > LONGEST {
        return Err(Failure::input(format!("`{}` is too long to be a pipeline", file.display()))
            .fact(format!("it has {} bytes", facts.len())));
    }
    String::from_utf8(std::fs::read(file).doing(doing)?)
        .map_err(|_| Failure::input(format!("`{}` isn't UTF-8", file.display())))
}
