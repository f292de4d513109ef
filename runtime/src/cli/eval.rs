//! `rbld eval`: an expression, or an item of the project, evaluated and nothing else: no store is opened and nothing
//! is run. Outside of a project the standard library's modules are there by their names.

use std::path::{Path, PathBuf};

use rbld_lang::derivation::Derivation;
use rbld_lang::lock::Lock;
use rbld_lang::session::{Part, Session};
use rbld_lang::value::Value;
use rbld_lang::{Host, derivations, layout};
use serde_json::json;

use super::args::{self, Format};
use super::output;
use super::project;
use crate::failure::{Doing, Failure, Result};
use crate::files::{Files, lock_path};

/// A project's file as a session has it: nothing of it is evaluated yet.
pub(super) struct Opened {
    /// The project's folder, the current one without a file.
    pub files: Files,
    /// Its file, relative to the folder.
    pub name: Option<String>,
    /// Its lock, when there is one.
    pub lock: Option<Lock>,
}

impl Opened {
    /// Opens a file, or nothing.
    pub(super) fn new(file: Option<&Path>, store: Option<&Path>) -> Result<Opened> {
        let packages = project::packages(store);
        let Some(file) = file else {
            let root = std::env::current_dir().doing(|| "find the current folder")?;
            return Ok(Opened { files: Files { root, packages }, name: None, lock: None });
        };
        let file = file.canonicalize().doing(|| format!("open `{}`", file.display()))?;
        let (root, name) = project::parts(&file)?;
        let lock = project::read_lock(&lock_path(root, name))?;
        let files = Files { root: root.to_owned(), packages };
        Ok(Opened { files, name: Some(name.to_owned()), lock })
    }

    /// A session over it.
    pub(super) fn session(&self) -> Result<Session<'_>> {
        Ok(Session::new(self.name.as_deref(), &self.files, Host { arch: project::host_arch()? }))
    }
}

/// Evaluates what the words say and prints it.
pub(super) fn run(store: Option<&Path>, args: &args::Eval) -> Result<i32> {
    let (file, expression) = meant(&args.words)?;
    let opened = Opened::new(file.as_deref(), store)?;
    let mut session = opened.session()?;
    let answer = session.last("<expression>", &expression);
    let mut code = 0;
    match answer.parts.first() {
        Some(part) if part.single.value.is_some() => {
            let text = show(part, opened.lock.as_ref(), args.format)?;
            output::line(&text);
        }
        _ => {
            output::diagnostics(&session.project.sources, &answer.diagnostics);
            code = 2;
        }
    }
    // The process ends here; taking values apart one by one first would be for nothing.
    std::mem::forget((session, answer));
    Ok(code)
}

/// The file that words name, or the nearest above if there is one; and the expression.
fn meant(words: &[String]) -> Result<(Option<PathBuf>, String)> {
    if let Some((first, rest)) = words.split_first() {
        let path = Path::new(first);
        if first.ends_with(".rbld") || path.is_dir() && !rest.is_empty() {
            let chosen = project::choose(words)?;
            if chosen.names.is_empty() {
                return Err(Failure::input("evaluate what?").help(format!(
                    "`rbld eval {first} NAME`, or an expression; `rbld plan` lists the names"
                )));
            }
            return Ok((Some(chosen.file), chosen.names.join(" ")));
        }
    }
    Ok((project::above()?, words.join(" ")))
}

/// What an expression or item came to, as text or JSON.
pub(super) fn show(part: &Part, lock: Option<&Lock>, format: Format) -> Result<String> {
    let Some(value) = &part.single.value else { return Ok(String::new()) };
    let kind = match value {
        Value::Env(_) => "environment",
        Value::Input(_) => "input",
        Value::Build(_) | Value::Matrix(_) => "build",
        Value::Output(_) => "output",
        _ if format == Format::Json => return Ok(layout::json(value)),
        _ => return Ok(layout::layout(value)),
    };
    let host = Host { arch: project::host_arch()? };
    let (found, plan) = derivations(&part.single, lock, &host);
    let shown: Vec<String> = found
        .iter()
        .map(|(name, id)| {
            let derivation = id.and_then(|id| plan.derivations.get(&id));
            match format {
                Format::Json => as_json(kind, name, derivation),
                Format::Text => as_text(kind, name, derivation, found.len() > 1),
            }
        })
        .collect();
    let text = match (value, format) {
        (Value::Matrix(_), Format::Json) => format!("[{}]", shown.join(",")),
        _ => shown.join("\n"),
    };
    // As in `run`.
    std::mem::forget(plan);
    Ok(text)
}

fn as_json(kind: &str, name: &str, derivation: Option<&Derivation>) -> String {
    let facts: Option<serde_json::Value> = derivation
        .map(|derivation| derivation.explain().iter().map(|(name, value)| json!([name, value])).collect());
    let id = derivation.map(|derivation| derivation.id().to_string());
    json!({ "derivation": id, "facts": facts, "kind": kind, "name": name }).to_string()
}

/// A derivation's id and facts, or the id alone beside others.
fn as_text(kind: &str, name: &str, derivation: Option<&Derivation>, brief: bool) -> String {
    let title = format!("{kind} {name}");
    let title = title.trim_end();
    let Some(derivation) = derivation else {
        return format!("<{title}>  not locked: `rbld lock` resolves what it is made of");
    };
    let mut text = format!("<{title}>  derivation {}", derivation.id());
    if !brief {
        for (name, value) in derivation.explain() {
            text += &format!("\n  {name} = {}", Value::text(value).show());
        }
    }
    text
}
