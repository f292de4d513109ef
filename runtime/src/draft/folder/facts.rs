//! What is known of a project, and the file that is written from it.

use std::fmt::Write as _;

use super::Wishes;
use crate::draft::{Draft, comment, quoted, remark};
use crate::failure::Result;

/// The release of Debian that is built in.
const SUITE: &str = "trixie";

/// What stands for a version that isn't known.
const NO_VERSION: &str = "0";

/// What is known of a project.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The kind, as a person names it: `an Autotools project`.
    pub(super) kind: &'static str,
    /// The files that it was learnt from.
    pub(super) learnt: Vec<&'static str>,
    /// The module of the standard library: `gnu`.
    pub(super) module: &'static str,
    /// What the project is called.
    pub(super) name: Option<String>,
    /// Its version.
    pub(super) version: Option<String>,
    /// Packages that it needs beside those of the module, and what asks for each.
    pub(super) packages: Vec<(String, String)>,
    /// What it needs and no package is known for, and what asks for it.
    pub(super) unknown: Vec<(String, String)>,
    /// What is built.
    pub(super) builds: Vec<Built>,
    /// Sentences for the file.
    pub(super) notes: Vec<String>,
    /// What its author has to do or to look at.
    pub(super) todo: Vec<String>,
}

/// A build that is made twice.
#[derive(Debug)]
pub(super) struct Built {
    /// The item's name.
    pub(super) item: &'static str,
    /// The recipe: `gnu.dist`.
    pub(super) recipe: &'static str,
    /// What it is given beside `e`, `src` and `round`, as the language writes it.
    pub(super) given: Vec<(&'static str, String)>,
    /// The output that is compared.
    pub(super) output: &'static str,
    /// The name of the assertion.
    pub(super) says: &'static str,
}

impl Facts {
    /// Adds a package that something asks for, once.
    pub(super) fn need(&mut self, package: &str, asks: impl Into<String>) {
        if !self.packages.iter().any(|(known, _)| known == package) {
            self.packages.push((package.to_owned(), asks.into()));
        }
    }

    /// Adds what something asks for by a name of its own, with the package if one is known.
    pub(super) fn ask(&mut self, name: &str, package: Option<&str>, asks: impl Into<String>) {
        match package {
            // It is a part of what every environment holds.
            Some("") => {}
            Some(package) => self.need(package, asks),
            None if !self.unknown.iter().any(|(known, _)| known == name) => {
                self.unknown.push((name.to_owned(), asks.into()));
            }
            None => {}
        }
    }

    /// The version as a part of a text: `@{version}`, when there is an item of that name.
    pub(super) fn file_name(&self, name: &str, end: &str) -> String {
        let name = quoted(name);
        format!("{}-@{{version}}{end}\"", name.trim_end_matches('"'))
    }

    /// The file.
    pub(super) fn draft(mut self, wishes: &Wishes<'_>) -> Result<Draft> {
        let version = self.version_item();
        let name = self.name.clone().map(|name| remark(&name)).unwrap_or_else(|| "this project".to_owned());
        let title = match &self.version {
            Some(known) => format!("{}: {name} {}", self.kind, remark(known)),
            None => format!("{}: {name}", self.kind),
        };
        let mut text = String::from("rbld 1\n");
        let learnt = rbld_lang::nearest::listed(self.learnt.iter().copied()).replace('`', "");
        text.push_str(&comment(&format!(
            "Does {name} come out the same each time it is built? Drafted by `rbld init` from {learnt}."
        )));
        for note in &self.notes {
            text.push_str("#\n");
            text.push_str(&comment(note));
        }
        let mut modules = vec!["debian", self.module];
        modules.sort_unstable();
        modules.dedup();
        for module in modules {
            let _ = writeln!(text, "use std.{module}");
        }
        let _ =
            write!(text, "\n## Debian's archive as of this instant: every package below is taken from it.\n");
        let _ = writeln!(text, "let at = {}\n{version}", wishes.at);
        text.push_str("## The project's folder, without what git ignores.\ninput src = ./\n\n");
        text.push_str(&self.environment(wishes));
        text.push_str("\n# Each build is made twice: `round` is all that tells the two apart.");
        for built in &self.builds {
            let _ = write!(text, "\nbuild {} for round in [1, 2] = {} {{\n", built.item, built.recipe);
            let _ = writeln!(text, "  e = {SUITE}\n  src");
            for (name, value) in &built.given {
                let _ = writeln!(text, "  {name} = {value}");
            }
            text.push_str("  round\n}\n");
        }
        text.push('\n');
        for Built { item, output, says, .. } in &self.builds {
            let _ = writeln!(text, "assert {} identical({item}.*.{output})", quoted(says));
        }
        for (name, asks) in &self.unknown {
            self.todo.push(format!("find the package for {} and name it in `packages`", wanted(name, asks)));
        }
        Draft::new(title, &text, self.todo)
    }

    /// The item `version`, if a build has it in a name.
    fn version_item(&mut self) -> String {
        let used = |value: &String| value.contains("@{version}") || value == "version";
        if !self.builds.iter().flat_map(|built| &built.given).any(|(_, value)| used(value)) {
            return String::new();
        }
        match &self.version {
            Some(version) => format!("let version = {}\n", quoted(version)),
            None => {
                self.todo.push(format!(
                    "say what `version` is: no version was found, so it is {}, and files are named by it",
                    quoted(NO_VERSION)
                ));
                format!("# Not found: say which it is.\nlet version = {}\n", quoted(NO_VERSION))
            }
        }
    }

    fn environment(&self, wishes: &Wishes<'_>) -> String {
        let arch = wishes.arch.name();
        let start = format!("env {SUITE} = debian.snapshot({SUITE}, at).env({arch},");
        if self.packages.is_empty() && self.unknown.is_empty() {
            return format!("{start} packages = {}.packages)\n", self.module);
        }
        let mut text = format!("{start}\n  packages = {}.packages ++ [\n", self.module);
        for (package, asks) in &self.packages {
            let _ = writeln!(text, "    {},  # {}", quoted(package), remark(asks));
        }
        for (name, asks) in &self.unknown {
            let _ = writeln!(text, "    # {}: which package has it?", wanted(name, asks));
        }
        text.push_str("  ])\n");
        text
    }
}

/// What is asked for and by what, without saying a name twice.
fn wanted(name: &str, asks: &str) -> String {
    if asks.contains(name) { remark(asks) } else { format!("{}, by {}", remark(name), remark(asks)) }
}
