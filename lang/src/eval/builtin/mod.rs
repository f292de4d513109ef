//! Builtin functions and intrinsics, one file a family.

pub(super) mod archive;
mod buildinfo;
mod claim;
mod fetch;
mod guix;
mod image;
mod staged;
mod suite;
mod text;

pub(super) use fetch::tower;

use super::{Eval, Evaluator, Stop};
use crate::ir::Builtin;
use crate::span::Span;
use crate::value::Value;

impl Evaluator<'_> {
    /// Applies a builtin to its arguments, which are as many and of the types that its signature says.
    pub(super) fn builtin(&mut self, builtin: Builtin, args: Vec<Value>, span: Span) -> Eval<Value> {
        match builtin {
            Builtin::File | Builtin::Files => self.output_spec(builtin, &args, span),
            Builtin::Length => length(&args),
            Builtin::Join => self.join(&args, span),
            Builtin::Text => args.first().and_then(Value::to_text).map(Value::text).ok_or(Stop),
            Builtin::Default => match args.as_slice() {
                [Value::None, otherwise] => Ok(otherwise.clone()),
                [value, _] => Ok(value.clone()),
                _ => Err(Stop),
            },
            Builtin::Different => self.different(&args, span),
            Builtin::Flaky => self.flaky(&args, span),
            Builtin::Relation(equality) => self.weaker(equality, &args, span),
            Builtin::Signed => self.signed(&args, span),
            Builtin::Unsigned => self.unsigned(&args, span),
            Builtin::Url => self.url(&args, span),
            Builtin::Git => self.git(&args, span),
            Builtin::Unpack => self.unpack(args, span),
            Builtin::Guix => self.guix(&args, span),
            Builtin::Archive => self.archive(&args, span),
            Builtin::Staged => self.staged(&args, span),
            Builtin::Together => self.together(&args, span),
            Builtin::RegistryImage => self.registry_image(&args, span),
            Builtin::FolderImage => self.folder_image(&args, span),
            Builtin::Image => self.image(&args, span),
            Builtin::ImageIndex => self.image_index(&args, span),
            Builtin::ArchiveEnv => self.archive_env(&args, span),
            Builtin::ArchiveSource => self.archive_source(&args, span),
            Builtin::ArchiveBuildinfo => self.archive_buildinfo(&args, span),
        }
    }
}

fn length(args: &[Value]) -> Eval<Value> {
    let length = match args.first() {
        Some(Value::List(items)) => items.len(),
        Some(Value::Map(map)) => map.len(),
        Some(Value::Matrix(matrix)) => matrix.cells.len(),
        _ => return Err(Stop),
    };
    Ok(Value::Int(length as i64))
}

/// A text argument.
fn as_text(value: Option<&Value>) -> Eval<&str> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(Stop),
    }
}

/// A text argument that may be `none`.
fn as_text_option(value: Option<&Value>) -> Eval<Option<&str>> {
    match value {
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(Value::None) => Ok(None),
        _ => Err(Stop),
    }
}

/// An argument that is an instant, where one is given.
fn as_instant(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Instant(seconds)) => Some(*seconds),
        _ => None,
    }
}

/// An argument that is a list of texts.
fn as_texts(value: Option<&Value>) -> Eval<Vec<String>> {
    match value {
        Some(Value::List(items)) => items.iter().map(|item| as_text(Some(item)).map(str::to_owned)).collect(),
        _ => Err(Stop),
    }
}
