//! `--report FORM=FILE`: reports in files, beside what is printed. Each is written whole or not at all, and that it can't be
//! is known before anything runs.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rbld_lang::span::Sources;
use tempfile::NamedTempFile;

use super::args::{Form, ReportFile};
use super::output;
use crate::failure::{Doing, Failure, Result};
use crate::report::graph::Graph;
use crate::report::{self, Failed, Report, Whole};

/// Reports that are to be written, with the files that will become them.
pub(super) struct Reports {
    open: Vec<(Form, Target)>,
}

/// Where a report goes.
enum Target {
    /// A file that takes the place of what has its name.
    File(PathBuf, NamedTempFile),
    /// A pipe or a device, which can't be written whole.
    Stream(PathBuf),
}

impl Reports {
    /// Makes sure that all of them can be written.
    pub(super) fn open(files: &[ReportFile]) -> Result<Reports> {
        let mut open = Vec::new();
        let mut seen = BTreeSet::new();
        for file in files {
            let found = file.path.canonicalize().or_else(|_| std::path::absolute(&file.path));
            let path = found.unwrap_or_else(|_| file.path.clone());
            if !seen.insert(path.clone()) {
                let shown = file.path.display();
                return Err(Failure::input(format!("two reports are to be written into `{shown}`"))
                    .help("give each a file of its own"));
            }
            open.push((file.form, Target::of(&path)?));
        }
        Ok(Reports { open })
    }

    /// Whether any is asked for.
    pub(super) fn wanted(&self) -> bool {
        !self.open.is_empty()
    }

    /// Writes them; `folder` is the project's below the repository's. The exit code of a run that came to `code`.
    pub(super) fn write(&mut self, whole: &Whole<'_>, folder: &str, code: i32) -> i32 {
        let mut code = code;
        for (form, target) in std::mem::take(&mut self.open) {
            if let Err(failure) = target.write(&rendered(form, whole, folder)) {
                output::failure(&failure);
                code = report::weightier(code, failure.exit_code());
            }
        }
        code
    }

    /// Writes what a run came to that ended before there was anything to tell but this.
    pub(super) fn write_failure(&mut self, failure: &Failure, file: &str) {
        if !self.wanted() {
            return;
        }
        let mut sources = Sources::default();
        sources.add(file.to_owned(), String::new());
        let failures = [Failed::of_run(failure.clone())];
        let report = Report {
            sources: &sources,
            diagnostics: &[],
            derivations: &[],
            comparisons: None,
            failures: &failures,
            now: None,
        };
        let graph = Graph::default();
        let whole = Whole { report: &report, file, graph: &graph, ids: &[], logs: &[], locked: &[] };
        self.write(&whole, "", failure.exit_code());
    }
}

fn rendered(form: Form, whole: &Whole<'_>, folder: &str) -> String {
    match form {
        Form::Html => report::page(whole),
        Form::Junit => report::junit(whole),
        Form::Markdown => report::summary(whole),
        Form::Json => format!("{:#}\n", report::json(whole.report)),
        Form::Sarif => format!("{:#}\n", report::sarif(whole.report, folder)),
        Form::CodeQuality => format!("{:#}\n", report::code_quality(whole.report, folder)),
    }
}

impl Target {
    fn of(path: &Path) -> Result<Target> {
        let shown = path.display();
        match path.metadata() {
            Ok(found) if found.is_dir() => {
                return Err(
                    Failure::input(format!("the report `{shown}` is a folder")).help("name a file in it")
                );
            }
            Ok(found) if !found.is_file() => return Ok(Target::Stream(path.to_owned())),
            _ => {}
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        match tempfile::Builder::new().prefix(".rbld.report.").tempfile_in(folder) {
            Ok(file) => Ok(Target::File(path.to_owned(), file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Failure::input(format!("there is no folder `{}` for the report", folder.display()))
                    .help(format!("mkdir -p {}", folder.display())))
            }
            Err(error) => Err(Failure::io(format!("write the report `{shown}`"), &error)),
        }
    }

    fn write(self, text: &str) -> Result<()> {
        match self {
            Target::File(path, mut file) => {
                let doing = || format!("write the report `{}`", path.display());
                file.write_all(text.as_bytes()).doing(doing)?;
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                file.as_file().set_permissions(mode).doing(doing)?;
                file.persist(&path).map_err(|error| error.error).doing(doing)?;
                Ok(())
            }
            Target::Stream(path) => {
                let doing = || format!("write the report `{}`", path.display());
                let mut stream = std::fs::OpenOptions::new().append(true).open(&path).doing(doing)?;
                stream.write_all(text.as_bytes()).doing(doing)
            }
        }
    }
}
