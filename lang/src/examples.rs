//! Examples in documentation: blocks marked `rbld` in the `##` lines of items and in the comment above a file's first
//! line, found, and held against what they announce.
//!
//! An example is a file of its own beside the one that documents, which it uses under that file's name. What is wrong
//! with it and isn't announced is wrong, and so is what is announced and isn't so.

use crate::check;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::digest::Digest;
use crate::docs::{self, lines_above, lines_above_file};
use crate::eval::{Host, evaluate};
use crate::loader::{LoadError, Loader, Local, Module, Project, load};
use crate::span::{FileId, Sources, Span};
use crate::syntax::ast::ItemKind;
use crate::value::Value;

/// An example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it is an example of.
    pub name: String,
    /// The file that documents.
    pub file: FileId,
    /// The line where its block begins, from one.
    pub line: usize,
    /// The path of the file that it is.
    path: String,
    /// That file: its lines stand where they stand in the documentation.
    text: String,
}

/// What an example came to.
#[derive(Debug)]
pub struct Ran {
    /// The texts that the diagnostics point into; the example is the first.
    pub sources: Sources,
    /// What is wrong with it; nothing when it is as it says.
    pub wrong: Vec<Diagnostic>,
}

/// The examples of a module, in the order written.
pub fn examples(project: &Project, module: &Module) -> Vec<Example> {
    let mut found = Vec::new();
    blocks(module, &module.path, lines_above_file(project, module), &mut found);
    for item in &module.ast.items {
        if !item.docs.is_empty() && !matches!(item.kind, ItemKind::Use { .. }) {
            blocks(module, check::name_of(item), lines_above(project, item), &mut found);
        }
    }
    found
}

/// The blocks in lines of documentation.
fn blocks(module: &Module, of: &str, lines: Vec<(usize, String)>, to: &mut Vec<Example>) {
    let mut lines = lines.into_iter();
    let mut count = 0;
    while let Some((number, line)) = lines.next() {
        let Some(mark) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let block: Vec<(usize, String)> =
            lines.by_ref().take_while(|(_, line)| line.trim() != "```").collect();
        if mark.trim() != "rbld" {
            continue;
        }
        count += 1;
        let name = match count {
            1 => format!("example of `{of}`"),
            _ => format!("example {count} of `{of}`"),
        };
        let path = format!("{} (example)", module.path);
        let text = file(module, &block, indent);
        to.push(Example { name, file: module.file, line: number, path, text });
    }
}

/// The file that an example is: the edition first, what it uses last, so that its own lines stay where they are.
fn file(module: &Module, block: &[(usize, String)], indent: usize) -> String {
    let usage = docs::usage(module);
    let mut text = "rbld 1\n".to_owned();
    let mut at = 2;
    for (number, line) in block {
        while at < *number {
            text.push('\n');
            at += 1;
        }
        let line = line.get(indent..).filter(|_| line[..indent].trim().is_empty()).unwrap_or(line);
        text.push_str(if line.trim() == "rbld 1" { "" } else { line });
        text.push('\n');
        at += 1;
    }
    if !block.iter().any(|(_, line)| line.trim() == usage) {
        text += &format!("{usage}\n");
    }
    text
}

/// A project's files and one beside them.
struct Beside<'a> {
    loader: &'a dyn Loader,
    example: &'a Example,
}

impl Loader for Beside<'_> {
    fn source(&self, path: &str) -> Result<String, LoadError> {
        match path == self.example.path {
            true => Ok(self.example.text.clone()),
            false => self.loader.source(path),
        }
    }

    fn local(&self, path: &str) -> Result<Local, LoadError> {
        self.loader.local(path)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.loader.names(folder)
    }

    fn package_source(&self, tree: Digest, path: &str) -> Result<String, LoadError> {
        self.loader.package_source(tree, path)
    }

    fn package_local(&self, tree: Digest, path: &str) -> Result<Local, LoadError> {
        self.loader.package_local(tree, path)
    }

    fn stopped(&self) -> bool {
        self.loader.stopped()
    }
}

/// Checks and evaluates an example. Nothing of a lock is asked.
pub fn run(example: &Example, loader: &dyn Loader, host: &Host) -> Ran {
    let loader = Beside { loader, example };
    let project = load(&example.path, &loader);
    let evaluated = evaluate(&project, &loader, host);
    let root = project.modules.first().map_or(FileId(0), |module| module.file);
    let mut open = announced(&example.text, root);
    let mut wrong = Vec::new();
    for found in &evaluated.diagnostics {
        // What is wrong with the file that documents was said of that file.
        let Some(place) = found.labels.first().filter(|label| label.span.file == root) else { continue };
        let (line, _) = project.sources.position(place.span);
        let fits =
            |a: &Announced| a.line == line && a.code == found.code.0 && found.message.contains(&a.words);
        match open.iter().position(fits) {
            Some(at) => drop(open.remove(at)),
            None if found.severity == Severity::Warning => {}
            None => wrong.push(found.clone()),
        }
    }
    for left in open {
        let message = format!("the example announces {} \"{}\", which isn't said", left.code, left.words);
        wrong.push(
            Diagnostic::error(codes::EXAMPLE, message, left.span, "announced here")
                .help("take the announcement out, or make the example wrong as it says"),
        );
    }
    for (name, span) in values(&example.text, root) {
        let expected = project.sources.slice(span).trim();
        let message = match evaluated.values.get(name).map(Value::show) {
            Some(value) if value == expected => continue,
            Some(value) => format!("`{name}` in the example is {value}, not {expected}"),
            // Why it has none was said.
            None if wrong.iter().any(|wrong| wrong.severity == Severity::Error) => continue,
            None => format!("`{name}` in the example has no value"),
        };
        wrong.push(
            Diagnostic::error(codes::EXAMPLE, message, span, "it says so")
                .help("write what it comes to, or mend what it shows"),
        );
    }
    crate::eval::order(&mut wrong);
    Ran { sources: project.sources, wrong }
}

/// A finding that an example announces.
struct Announced {
    line: usize,
    code: String,
    words: String,
    span: Span,
}

/// The lines of a text with their places.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end_matches('\n')))
    })
}

/// What is announced: `# error: [E0201] "words"` in its line or alone in the line above.
fn announced(text: &str, file: FileId) -> Vec<Announced> {
    let all: Vec<(usize, &str)> = lines(text).collect();
    let parts = |line: &str| -> Option<(usize, String, String)> {
        let at = line.find("# error: [").or_else(|| line.find("# warning: ["))?;
        let (code, words) = line[at..].split_once('[')?.1.split_once(']')?;
        Some((at, code.to_owned(), words.trim().trim_matches('"').to_owned()))
    };
    let mut found = Vec::new();
    for (index, (start, line)) in all.iter().enumerate() {
        let Some((at, code, words)) = parts(line) else { continue };
        let mut number = index + 1;
        if line[..at].trim().is_empty() {
            let alone = |line: &str| parts(line).is_some_and(|(at, ..)| line[..at].trim().is_empty());
            number += 1;
            while all.get(number - 1).is_some_and(|(_, line)| alone(line)) {
                number += 1;
            }
        }
        let span = Span { file, start: (start + at) as u32, end: (start + line.len()) as u32 };
        found.push(Announced { line: number, code, words, span });
    }
    found
}

/// The names of `let` items and the places of what they are said to come to: `# => value` at the end of a line.
fn values(text: &str, file: FileId) -> Vec<(&str, Span)> {
    let mut name = "";
    let mut found = Vec::new();
    for (start, line) in lines(text) {
        if let Some(rest) = line.strip_prefix("let ") {
            name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        }
        if let Some(at) = line.find("# => ") {
            let span = Span { file, start: (start + at + 5) as u32, end: (start + line.len()) as u32 };
            found.push((name, span));
        }
    }
    found
}
