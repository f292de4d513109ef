//! What an editor offers to do about a finding, and the command that such an action may run.

use std::path::PathBuf;

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
            if let Some(file) = &finding.lock {
                let arguments = Some(vec![json!(file.display().to_string())]);
                let title = "Run `rbld lock`".to_owned();
                actions.push(CodeActionOrCommand::CodeAction(CodeAction {
                    title: title.clone(),
                    kind: Some(CodeActionKind::QUICKFIX),
                    diagnostics: Some(vec![finding.shown.clone()]),
                    command: Some(Command { title, command: super::LOCK.to_owned(), arguments }),
                    ..CodeAction::default()
                }));
            }
        }
        Ok(json!(actions))
    }

    /// Runs a command that an action offered; what it came to is said when it is known.
    pub(super) fn execute(&mut self, params: Value) -> Answer {
        let asked: lsp_types::ExecuteCommandParams =
            serde_json::from_value(params).map_err(|error| error.to_string())?;
        let file = asked.arguments.first().and_then(Value::as_str).map(PathBuf::from);
        let Some(file) = file.filter(|_| asked.command == super::LOCK) else {
            return Err(format!("there is no command `{}`", asked.command));
        };
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let finished = self.finished.clone();
        let run = move || {
            let ran = std::process::Command::new(program)
                .args(["lock".as_ref(), file.as_os_str()])
                .stdin(std::process::Stdio::null())
                .output();
            let said = match ran {
                Ok(ran) if ran.status.success() => {
                    (MessageType::INFO, format!("locked: {}", String::from_utf8_lossy(&ran.stdout).trim()))
                }
                Ok(ran) => (MessageType::ERROR, String::from_utf8_lossy(&ran.stderr).trim().to_owned()),
                Err(error) => (MessageType::ERROR, format!("could not run `rbld lock`: {error}")),
            };
            // The editor may have gone meanwhile.
            drop(finished.send(said));
        };
        std::thread::Builder::new().name("lock".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Value::Null)
    }
}

fn edit(uri: Uri, edit: lsp_types::TextEdit) -> WorkspaceEdit {
    WorkspaceEdit { changes: Some(std::iter::once((uri, vec![edit])).collect()), ..WorkspaceEdit::default() }
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
