//! Texts, and outputs as they are declared by a text.

use std::sync::Arc;

use super::{as_text, as_texts};
use crate::codes;
use crate::derivation::OutputSpec;
use crate::eval::{Eval, Evaluator, TEXT};
use crate::ir::Builtin;
use crate::span::Span;
use crate::value::Value;

impl Evaluator<'_> {
    pub(super) fn join(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let (texts, separator) = (as_texts(args.first())?, as_text(args.get(1))?);
        let joined = texts.join(separator);
        self.spend(joined.len() / TEXT, span)?;
        Ok(Value::Text(joined.into()))
    }

    pub(super) fn output_spec(&mut self, builtin: Builtin, args: &[Value], span: Span) -> Eval<Value> {
        let written = as_text(args.first())?;
        let one = builtin == Builtin::File;
        let what = if one { "file" } else { "files" };
        let wrong = if written.is_empty() || written == "." || written == "./" {
            Some(("names nothing", "name it relative to the folder where the script starts"))
        } else if written.starts_with('/') || written.starts_with('~') {
            Some((
                "is an absolute path",
                "an output lies in the folder where the script starts: `mv` it there",
            ))
        } else if written.split('/').any(|part| part == "..") {
            Some((
                "leads out of the build's folder",
                "an output lies in the folder where the script starts: `mv` it there",
            ))
        } else if written.contains(['\0', '\n']) {
            Some(("has a line break or a zero byte in it", "choose another name"))
        } else if one && written.ends_with('/') {
            Some(("is a folder", "a folder with all it holds is `files(\"name/\")`"))
        } else if one && written.contains(['*', '?']) {
            Some(("is a pattern", "what a pattern matches is `files(\"*.deb\")`; `file` names one file"))
        } else {
            None
        };
        if let Some((why, help)) = wrong {
            return self.stop(codes::FIELD, format!("`{what}(\"{written}\")` {why}"), span, why, help);
        }
        let mut parts: Vec<&str> =
            written.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if written.ends_with('/') {
            parts.push("");
        }
        let path = parts.join("/");
        let spec = if one { OutputSpec::File(path) } else { OutputSpec::Files(path) };
        Ok(Value::Spec(Arc::new(spec)))
    }
}
