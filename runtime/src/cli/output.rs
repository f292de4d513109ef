//! Printing: standard output for results, standard error for everything else. A closed
//! pipe ends the printing, never the program.

use std::io::Write;

use rbld_lang::diagnostic::Diagnostic;
use rbld_lang::span::Sources;

use crate::failure::Failure;
use crate::report::{self, Failed, Style};

/// Prints a text as it is to standard output.
pub(super) fn text(text: &str) {
    // Whoever read this may have gone (`| head`); what was computed is kept all the same.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints a line to standard output.
pub(super) fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Prints a line to standard error.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints a failure to standard error.
pub(super) fn failure(failure: &Failure) {
    note(report::failure(failure, None, &style_of_notes()).trim_end());
}

/// Prints what went wrong to standard error.
pub(super) fn failures(failed: &[Failed]) {
    for failed in failed {
        note(report::failure(&failed.failure, failed.name.as_deref(), &style_of_notes()).trim_end());
    }
}

/// Prints findings in a file to standard error.
pub(super) fn diagnostics(sources: &Sources, diagnostics: &[Diagnostic]) {
    if !diagnostics.is_empty() {
        note(report::diagnostics(diagnostics, sources, &style_of_notes()).trim_end());
    }
}

/// How results are shown where standard output goes.
pub(super) fn style() -> Style {
    Style::of(&std::io::stdout())
}

fn style_of_notes() -> Style {
    Style::of(&std::io::stderr())
}
