//! `rbld lsp`: the language server, over standard input and output.
//!
//! The thread that reads messages keeps the documents and answers what is asked of them, from the same loading and
//! checking as every command's. Findings come from a second thread, always for the newest texts: what was begun for
//! older ones is given up. Nothing is built and nothing is fetched from here.

mod actions;
mod complete;
mod findings;
mod hints;
mod inferred;
mod layout;
mod names;
mod navigate;
mod place;
mod server;
mod text;
mod workspace;

use std::path::Path;

use lsp_server::Connection;
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions,
    ExecuteCommandOptions, FoldingRangeProviderCapability, HoverProviderCapability, OneOf, RenameOptions,
    ServerCapabilities, TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions,
    TextDocumentSyncSaveOptions,
};

use crate::failure::{Failure, Result};

/// The command that locks a file: `rbld lock FILE`.
const LOCK: &str = "rbld.lock";

/// The command that pins what isn't pinned yet: `rbld update FILE NAME`.
const UPDATE: &str = "rbld.update";

/// Serves one editor until it hangs up.
pub fn run(store: Option<&Path>) -> Result<i32> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::input(format!("`rbld lsp` speaks with an editor over its standard input: {error}"))
            .help("set your editor up to start `rbld lsp`; README.md says how")
    };
    let (connection, threads) = Connection::stdio();
    let (id, asked) = connection.initialize_start().map_err(|error| broken(&error))?;
    let asked: lsp_types::InitializeParams = serde_json::from_value(asked).map_err(|error| broken(&error))?;
    let answer = serde_json::json!({
        "capabilities": capabilities(),
        "serverInfo": { "name": "rbld", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, answer).map_err(|error| broken(&error))?;
    let in_order = server::Server::new(&connection, &asked, store)?.serve()?;
    drop(connection);
    threads.join().map_err(|error| Failure::io("write to the editor", &error))?;
    Ok(i32::from(!in_order))
}

fn capabilities() -> ServerCapabilities {
    let characters = |all: &str| Some(all.chars().map(String::from).collect());
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::Supported(true)),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: characters(".$\"/"),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: Default::default(),
        })),
        document_symbol_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        inlay_hint_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        document_range_formatting_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
            ..CodeActionOptions::default()
        })),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: vec![LOCK.to_owned(), UPDATE.to_owned()],
            ..ExecuteCommandOptions::default()
        }),
        ..ServerCapabilities::default()
    }
}
