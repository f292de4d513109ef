//! The types of the `let`s that don't write theirs, shown behind their names.

use std::collections::BTreeMap;

use lsp_types::{InlayHint, InlayHintKind, InlayHintLabel, InlayHintTooltip, TextEdit};
use rbld_lang::span::{FileId, Span};
use rbld_lang::syntax::ast::ItemKind;
use rbld_lang::types::Type;

use super::text::Lines;
use super::workspace::Analysis;

/// How many letters of a type are shown; all of it is shown to who points at it.
const WIDEST: usize = 40;

/// The hints of a file.
pub(super) fn of(analysis: &Analysis, file: FileId) -> Vec<InlayHint> {
    let Some(module) = analysis.project.modules.iter().find(|module| module.file == file) else {
        return Vec::new();
    };
    let lines = Lines::new(analysis.text(file));
    let items = analysis.program.items.iter().enumerate().filter(|(_, item)| item.span.file == file);
    let known: BTreeMap<Span, usize> = items.map(|(index, item)| (item.span, index)).collect();
    let mut hints = Vec::new();
    for item in &module.ast.items {
        let ItemKind::Let { name, ty: None, .. } = &item.kind else { continue };
        let ty = known.get(&name.span).and_then(|index| analysis.index.meanings.get(*index));
        let Some(ty) = ty.map(|shown| &shown.ty).filter(|ty| is_known(ty)) else { continue };
        let at = lines.position(name.span.end);
        let words = format!(": {ty}");
        let insert = || TextEdit { range: lsp_types::Range { start: at, end: at }, new_text: words.clone() };
        hints.push(InlayHint {
            position: at,
            text_edits: is_written(ty).then(|| vec![insert()]),
            label: InlayHintLabel::String(shortened(&words)),
            kind: Some(InlayHintKind::TYPE),
            tooltip: (words.chars().count() > WIDEST).then(|| InlayHintTooltip::String(ty.to_string())),
            padding_left: None,
            padding_right: None,
            data: None,
        });
    }
    hints
}

fn shortened(words: &str) -> String {
    match words.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// Whether nothing of a type is left open: by an error, or by an empty list that is never looked at.
fn is_known(ty: &Type) -> bool {
    match ty {
        Type::Error | Type::Unknown => false,
        Type::List(of) | Type::Members(of) | Type::Option(of) => is_known(of),
        Type::Map(key, value) => is_known(key) && is_known(value),
        Type::Record(record) => {
            record.name.is_some() || record.fields.iter().all(|field| is_known(&field.ty))
        }
        _ => true,
    }
}

/// Whether a type can be written as it is shown, wherever it stands: a name may need its module's before it.
fn is_written(ty: &Type) -> bool {
    match ty {
        Type::Plain(_) => true,
        Type::List(of) | Type::Option(of) => is_written(of),
        Type::Map(key, value) => is_written(key) && is_written(value),
        _ => false,
    }
}
