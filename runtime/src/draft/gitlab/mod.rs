//! A first file for the compare pipeline of a `.gitlab-ci.yml`: images become environments, scripts recipes, artifacts outputs,
//! and what `cmp` and its kin say becomes assertions. What can't be carried over is noted with its line.

mod images;
mod jobs;
mod paths;
mod runs;
mod shell;
mod write;
mod yaml;

use rbld_lang::derivation::Arch;

use super::Draft;
use crate::failure::{Failure, Result};

/// Something that was not carried over, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Its line in the pipeline.
    pub line: usize,
    /// What and why.
    pub text: String,
}

impl Note {
    fn new(line: usize, text: impl Into<String>) -> Note {
        Note { line, text: super::remark(&text.into()) }
    }
}

/// Drafts a file for a pipeline. `name` is what its file is called, `at` the instant to pin.
pub fn draft(name: &str, text: &str, at: &str, arch: Arch) -> Result<(Draft, Vec<Note>)> {
    let root = yaml::read(name, text)?;
    let (jobs, mut notes) = jobs::jobs(&root);
    let (runs, comparisons) = runs::read(&jobs, &mut notes);
    if runs.is_empty() {
        notes.sort();
        notes.dedup();
        let mut failure = Failure::input(format!("nothing of `{name}` could be carried over"));
        if jobs.is_empty() {
            failure = failure.fact("it holds no job with a script");
        }
        for note in &notes {
            failure = failure.fact(format!("line {}: {}", note.line, note.text));
        }
        return Err(failure.help(
            "a build is a job with an image of Debian, a script and artifacts; `rbld init` drafts a file from the project's \
             own files instead",
        ));
    }
    let text = write::file(name, at, arch, &runs, &comparisons, &mut notes)?;
    let title = format!("{} of {} jobs", runs.len(), jobs.len());
    Ok((Draft::new(title, &text, Vec::new())?, notes))
}
