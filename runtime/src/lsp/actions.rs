//! What an editor offers to do about a finding, and the command that such an action may run.

use lsp_types::{CodeAction, CodeActionKind, CodeActionOrCommand, Command, MessageType, Uri, WorkspaceEdit};
use serde_json::{Value, json};

use super::place::{path, uri};
use super::server::{Answer, Server};

impl Server<'_> {
    /// The actions for the findings in a range.
    pub(super) fn actions(&mut self, params: Value) -> Answer {
        let asked: lsp_types::CodeActionParams =
            serde_json::from_value(params).map_err(|error| error.to_string())?;
        let found = path(&asked.text_document.uri).and_then(|path| self.findings.get(&path));
        let (start, end) = (asked.range.start, asked.range.end);
        let mut actions: Vec<CodeActionOrCommand> = Vec::new();
        for finding in found.into_iter().flatten() {
            if finding.shown.range.end < start || end < finding.shown.range.start {
                continue;
            }
            for (index, fix) in finding.fixes.iter().enumerate() {
                let Some(uri) = uri(&fix.path) else { continue };
                actions.push(CodeActionOrCommand::CodeAction(CodeAction {
                    title: capital(&fix.title),
                    kind: Some(CodeActionKind::QUICKFIX),
                    diagnostics: Some(vec![finding.shown.clone()]),
                    edit: Some(edit(uri, fix.edit.clone())),
                    is_preferred: Some(index == 0),
                    ..CodeAction::default()
                }));
            }
            let shown = &finding.shown;
            if let Some(file) = &finding.lock {
                actions.push(run(
                    "Run `rbld lock`".to_owned(),
                    shown,
                    super::LOCK,
                    &[&file.to_string_lossy()],
                ));
            }
            if let Some((file, name)) = &finding.update {
                let title = format!("Run `rbld update {name}`");
                actions.push(run(title, shown, super::UPDATE, &[&file.to_string_lossy(), name]));
            }
        }
        Ok(json!(actions))
    }

    /// Runs a command that an action offered; what it came to is said when it is known.
    pub(super) fn execute(&mut self, params: Value) -> Answer {
        let asked: lsp_types::ExecuteCommandParams =
            serde_json::from_value(params).map_err(|error| error.to_string())?;
        let arguments: Vec<String> =
            asked.arguments.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let (word, done) = match (asked.command.as_str(), arguments.len()) {
            (super::LOCK, 1) => ("lock", "locked: "),
            (super::UPDATE, 2) => ("update", ""),
            _ => return Err(format!("there is no command `{}`", asked.command)),
        };
        if word == "update" {
            self.saved()?;
        }
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let finished = self.finished.clone();
        let run = move || {
            let ran = std::process::Command::new(program)
                .arg(word)
                .args(arguments)
                .stdin(std::process::Stdio::null())
                .output();
            let said = match ran {
                Ok(ran) if ran.status.success() => {
                    (MessageType::INFO, format!("{done}{}", String::from_utf8_lossy(&ran.stdout).trim()))
                }
                Ok(ran) => (MessageType::ERROR, String::from_utf8_lossy(&ran.stderr).trim().to_owned()),
                Err(error) => (MessageType::ERROR, format!("could not run `rbld {word}`: {error}")),
            };
            // The editor may have gone meanwhile.
            drop(finished.send(said));
        };
        std::thread::Builder::new().name(word.to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Value::Null)
    }

    /// Fails where a document isn't as its file: a command that edits files would part them for good.
    fn saved(&self) -> std::result::Result<(), String> {
        for (path, document) in &self.documents {
            if std::fs::read(path).is_ok_and(|bytes| bytes != document.text.as_bytes()) {
                return Err(format!("`{}` isn't saved: save it first, then run this again", path.display()));
            }
        }
        Ok(())
    }
}

/// An action that runs a command of rbld.
fn run(
    title: String,
    shown: &lsp_types::Diagnostic,
    command: &str,
    arguments: &[&str],
) -> CodeActionOrCommand {
    let arguments = Some(arguments.iter().map(|argument| json!(argument)).collect());
    CodeActionOrCommand::CodeAction(CodeAction {
        title: title.clone(),
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: Some(vec![shown.clone()]),
        command: Some(Command { title, command: command.to_owned(), arguments }),
        ..CodeAction::default()
    })
}

fn edit(uri: Uri, edit: lsp_types::TextEdit) -> WorkspaceEdit {
    WorkspaceEdit { changes: Some(std::iter::once((uri, vec![edit])).collect()), ..WorkspaceEdit::default() }
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
