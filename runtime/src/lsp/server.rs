//! The server's loop: messages in, answers and findings out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, select};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{self, Notification as _};
use lsp_types::request::{self, Request as _};
use lsp_types::{
    InlayHint, InlayHintLabel, MessageType, Position, PrepareRenameResponse, PublishDiagnosticsParams,
    ShowMessageParams, Uri,
};
use serde_json::{Value, json};

use super::complete::{self, Asked};
use super::findings::{self, Finding, Found, Job};
use super::hints::Hint;
use super::inferred;
use super::layout;
use super::navigate::{self, Place};
use super::place::{Shelf, path, uri};
use super::text;
use super::workspace::{Analysis, Document, Documents, Reader};
use crate::failure::{Failure, Result};

/// The stack of the thread that evaluates: expressions nest as deeply as the language allows.
const STACK: usize = 64 << 20;

/// One editor's session.
pub(super) struct Server<'c> {
    connection: &'c Connection,
    pub(super) documents: Documents,
    reader: Reader,
    shelf: Shelf,
    /// The project of the last question, unless something changed since.
    known: Option<(PathBuf, Analysis)>,
    jobs: Sender<Job>,
    found: Receiver<Found>,
    done: Receiver<(MessageType, String)>,
    pub(super) finished: Sender<(MessageType, String)>,
    newest: Arc<AtomicU64>,
    pub(super) findings: BTreeMap<PathBuf, Vec<Finding>>,
    hints: BTreeMap<PathBuf, Vec<Hint>>,
    snippets: bool,
    refreshes_hints: bool,
    requests: i32,
    leaving: bool,
}

/// What a request fails with.
pub(super) type Answer = std::result::Result<Value, String>;

impl<'c> Server<'c> {
    /// A server for an editor that said what it can do.
    pub(super) fn new(
        connection: &'c Connection,
        asked: &lsp_types::InitializeParams,
        store: Option<&Path>,
    ) -> Result<Server<'c>> {
        let (jobs, todo) = crossbeam_channel::unbounded();
        let (results, found) = crossbeam_channel::unbounded();
        let (finished, done) = crossbeam_channel::unbounded();
        let newest = Arc::new(AtomicU64::new(0));
        let shelf = Shelf::fill();
        let root = store.map_or_else(crate::store::Store::default_root, |root| Ok(root.to_owned()));
        let packages = crate::packages::Packages::new(root.ok());
        let (its_newest, its_shelf, store) = (newest.clone(), shelf.clone(), store.map(Path::to_owned));
        std::thread::Builder::new()
            .name("findings".to_owned())
            .stack_size(STACK)
            .spawn(move || findings::run(&todo, &results, &its_newest, &its_shelf, store.as_deref()))
            .map_err(|error| Failure::io("start a thread", &error))?;
        let text_document = asked.capabilities.text_document.as_ref();
        let completion = text_document.and_then(|all| all.completion.as_ref()?.completion_item.as_ref());
        let workspace = asked.capabilities.workspace.as_ref();
        let refresh = workspace.and_then(|all| all.inlay_hint.as_ref()?.refresh_support);
        Ok(Server {
            connection,
            documents: Documents::new(),
            reader: Reader::new(packages),
            shelf,
            known: None,
            jobs,
            found,
            done,
            finished,
            newest,
            findings: BTreeMap::new(),
            hints: BTreeMap::new(),
            snippets: completion.and_then(|item| item.snippet_support) == Some(true),
            refreshes_hints: refresh == Some(true),
            requests: 0,
            leaving: false,
        })
    }

    /// Serves until the editor says that it is done; whether it said so in order.
    pub(super) fn serve(&mut self) -> Result<bool> {
        loop {
            let (messages, found, done) = (&self.connection.receiver, &self.found, &self.done);
            select! {
                recv(messages) -> message => match message {
                    Ok(Message::Request(request)) => {
                        // Until the editor has read this, answers to what we asked may still come.
                        if request.method == request::Shutdown::METHOD {
                            self.leaving = true;
                            drop(self.connection.sender.send(Response::new_ok(request.id, Value::Null).into()));
                            continue;
                        }
                        self.answer(request);
                    }
                    Ok(Message::Notification(note)) if note.method == notification::Exit::METHOD => {
                        return Ok(self.leaving);
                    }
                    Ok(Message::Notification(note)) => self.note(note),
                    Ok(Message::Response(_)) => {}
                    Err(_) => return Ok(false),
                },
                recv(found) -> found => if let Ok(found) = found { self.publish(found) },
                recv(done) -> done => if let Ok((kind, message)) = done {
                    self.tell::<notification::ShowMessage>(ShowMessageParams { typ: kind, message });
                    self.look(true);
                },
            }
        }
    }

    fn tell<N: notification::Notification>(&self, params: N::Params) {
        let message = Notification::new(N::METHOD.to_owned(), params);
        // An editor that has gone is noticed by the next message that doesn't come.
        drop(self.connection.sender.send(message.into()));
    }

    fn note(&mut self, note: Notification) {
        match note.method.as_str() {
            notification::DidOpenTextDocument::METHOD => {
                if let Some(opened) = read::<lsp_types::DidOpenTextDocumentParams>(note.params)
                    && let Some(path) = path(&opened.text_document.uri)
                {
                    let document = Document {
                        text: opened.text_document.text.into(),
                        version: opened.text_document.version,
                    };
                    self.documents.insert(path, document);
                    self.look(true);
                }
            }
            notification::DidChangeTextDocument::METHOD => {
                if let Some(changed) = read::<lsp_types::DidChangeTextDocumentParams>(note.params)
                    && let Some(path) = path(&changed.text_document.uri)
                    && let Some(document) = self.documents.get_mut(&path)
                {
                    let mut text = document.text.to_string();
                    text::change(&mut text, changed.content_changes);
                    *document = Document { text: text.into(), version: changed.text_document.version };
                    self.look(false);
                }
            }
            notification::DidCloseTextDocument::METHOD => {
                if let Some(closed) = read::<lsp_types::DidCloseTextDocumentParams>(note.params)
                    && let Some(path) = path(&closed.text_document.uri)
                {
                    self.documents.remove(&path);
                    self.look(true);
                }
            }
            notification::DidSaveTextDocument::METHOD | notification::DidChangeWatchedFiles::METHOD => {
                self.look(true)
            }
            _ => {}
        }
    }

    /// Has the newest texts looked at.
    fn look(&mut self, disk: bool) {
        self.known = None;
        if disk {
            self.reader.forget_locals();
        }
        let number = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        // The thread ends with the channel, so it is there.
        drop(self.jobs.send(Job { number, documents: self.documents.clone(), disk }));
    }

    fn publish(&mut self, found: Found) {
        if found.number != self.newest.load(Ordering::SeqCst) {
            return;
        }
        let mut before = std::mem::replace(&mut self.findings, found.files);
        let gone =
            before.keys().filter(|path| !self.findings.contains_key(*path)).cloned().collect::<Vec<_>>();
        for path in gone {
            self.show(&path, &[]);
            before.remove(&path);
        }
        for (path, findings) in &self.findings {
            // An open document's findings are sent even when they are the same: the editor waits for those of its
            // version.
            if self.documents.contains_key(path) || !findings.is_empty() || before.contains_key(path) {
                self.show(path, findings);
            }
        }
        if self.hints != found.hints {
            self.hints = found.hints;
            if self.refreshes_hints {
                self.requests += 1;
                let id = lsp_server::RequestId::from(self.requests);
                let refresh =
                    Request::new(id, request::InlayHintRefreshRequest::METHOD.to_owned(), Value::Null);
                drop(self.connection.sender.send(refresh.into()));
            }
        }
    }

    fn show(&self, path: &Path, findings: &[Finding]) {
        let Some(uri) = uri(path) else { return };
        let diagnostics = findings.iter().map(|finding| finding.shown.clone()).collect();
        let version = self.documents.get(path).map(|document| document.version);
        self.tell::<notification::PublishDiagnostics>(PublishDiagnosticsParams { uri, diagnostics, version });
    }

    fn answer(&mut self, request: Request) {
        let id = request.id.clone();
        let answer = match request.method.as_str() {
            request::Completion::METHOD => self.complete(request.params),
            request::HoverRequest::METHOD => self.at(&request.params, |place| json!(place.hover())),
            request::GotoDefinition::METHOD => self.at(&request.params, |place| json!(place.definition())),
            request::References::METHOD => {
                let declaration = request.params["context"]["includeDeclaration"].as_bool().unwrap_or(true);
                self.at(&request.params, |place| json!(place.references(declaration)))
            }
            request::PrepareRenameRequest::METHOD => self.prepare_rename(&request.params),
            request::Rename::METHOD => self.rename(&request.params),
            request::DocumentSymbolRequest::METHOD => {
                self.of_file(&request.params, |analysis, file| json!(navigate::symbols(analysis, file)))
            }
            request::FoldingRangeRequest::METHOD => {
                self.of_file(&request.params, |analysis, file| json!(navigate::folds(analysis, file)))
            }
            request::InlayHintRequest::METHOD => self.inlay(request.params),
            request::Formatting::METHOD => self.layout(&request.params, None),
            request::RangeFormatting::METHOD => read(request.params["range"].clone())
                .ok_or_else(|| "the range isn't one".to_owned())
                .and_then(|range| self.layout(&request.params, Some(range))),
            request::CodeActionRequest::METHOD => self.actions(request.params),
            request::ExecuteCommand::METHOD => self.execute(request.params),
            other => {
                let message = format!("rbld doesn't know `{other}`");
                let response = Response::new_err(id, ErrorCode::MethodNotFound as i32, message);
                drop(self.connection.sender.send(response.into()));
                return;
            }
        };
        let response = match answer {
            Ok(value) => Response::new_ok(id, value),
            Err(message) => Response::new_err(id, ErrorCode::RequestFailed as i32, message),
        };
        drop(self.connection.sender.send(response.into()));
    }

    /// The project of a file, loaded and checked once for one state of the texts.
    fn analysis(&mut self, path: &Path) -> Option<&Analysis> {
        if self.known.as_ref().is_none_or(|(known, _)| known != path) {
            let analysis = navigate::analysis(&mut self.reader, &self.documents, &self.shelf, path)?;
            self.known = Some((path.to_owned(), analysis));
        }
        self.known.as_ref().map(|(_, analysis)| analysis)
    }

    fn of_file(
        &mut self,
        params: &Value,
        then: impl FnOnce(&Analysis, rbld_lang::span::FileId) -> Value,
    ) -> Answer {
        let path = document(params)?;
        let shelf = self.shelf.clone();
        let Some(analysis) = self.analysis(&path) else { return Ok(Value::Null) };
        Ok(analysis.file(&path, &shelf).map_or(Value::Null, |file| then(analysis, file)))
    }

    /// Answers from a place in a project.
    fn at<T>(&mut self, params: &Value, then: impl FnOnce(Place<'_>) -> T) -> std::result::Result<T, String> {
        let path = document(params)?;
        let position = position(params)?;
        let shelf = self.shelf.clone();
        let unknown = || "this file belongs to no project".to_owned();
        let analysis = self.analysis(&path).ok_or_else(unknown)?;
        let file = analysis.file(&path, &shelf).ok_or_else(unknown)?;
        let at = text::offset(analysis.text(file), position) as u32;
        Ok(then(Place { analysis, shelf: &shelf, file, at }))
    }

    fn complete(&mut self, params: Value) -> Answer {
        let path = document(&params)?;
        let Some(open) = self.documents.get(&path) else { return Ok(Value::Null) };
        let text = open.text.clone();
        let at = text::offset(&text, position(&params)?);
        let Some(root) = self.reader.root_of(&path, &self.documents, &self.shelf) else {
            return Ok(Value::Null);
        };
        let asked = Asked { path: &path, text: &text, at, snippets: self.snippets };
        Ok(json!(complete::complete(&mut self.reader, &root, &self.documents, &asked)))
    }

    fn prepare_rename(&mut self, params: &Value) -> Answer {
        let (range, placeholder) = self.at(params, |place| place.rename_range())??;
        Ok(json!(PrepareRenameResponse::RangeWithPlaceholder { range, placeholder }))
    }

    fn rename(&mut self, params: &Value) -> Answer {
        let new = params["newName"].as_str().unwrap_or_default().to_owned();
        let documents = self.documents.clone();
        let mut reader = std::mem::take(&mut self.reader);
        let edits = self.at(params, |place| place.rename(&new, &mut reader, &documents));
        self.reader = reader;
        let changes =
            edits??.into_iter().filter_map(|(path, edits)| Some((uri(&path)?.to_string(), json!(edits))));
        Ok(json!({ "changes": changes.collect::<serde_json::Map<_, _>>() }))
    }

    fn inlay(&mut self, params: Value) -> Answer {
        let asked: lsp_types::InlayHintParams =
            serde_json::from_value(params).map_err(|error| error.to_string())?;
        let Some(path) = path(&asked.text_document.uri) else { return Ok(Value::Null) };
        let shelf = self.shelf.clone();
        let mut hints = Vec::new();
        if let Some(analysis) = self.analysis(&path)
            && let Some(file) = analysis.file(&path, &shelf)
        {
            hints = inferred::of(analysis, file);
        }
        let shown = |hint: &Hint| InlayHint {
            position: hint.at,
            label: InlayHintLabel::String(hint.words.clone()),
            kind: None,
            text_edits: None,
            tooltip: None,
            padding_left: Some(true),
            padding_right: Some(true),
            data: None,
        };
        hints.extend(self.hints.get(&path).into_iter().flatten().map(shown));
        hints.retain(|hint| asked.range.start <= hint.position && hint.position <= asked.range.end);
        hints.sort_by_key(|hint| hint.position);
        Ok(json!(hints))
    }

    /// The edits that lay an open document out, or those of its items that a range touches.
    fn layout(&self, params: &Value, within: Option<lsp_types::Range>) -> Answer {
        let path = document(params)?;
        let Some(open) = self.documents.get(&path) else { return Ok(Value::Null) };
        Ok(json!(layout::edits(&open.text, within)?))
    }
}

fn read<T: serde::de::DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

/// The path of the document that a request is about.
fn document(params: &Value) -> std::result::Result<PathBuf, String> {
    let uri: Uri =
        serde_json::from_value(params["textDocument"]["uri"].clone()).map_err(|error| error.to_string())?;
    path(&uri).ok_or_else(|| format!("`{}` isn't a file of this machine", uri.as_str()))
}

fn position(params: &Value) -> std::result::Result<Position, String> {
    serde_json::from_value(params["position"].clone()).map_err(|error| error.to_string())
}
