//! Documentation as text for a terminal, as Markdown, as one HTML page and as JSON.
//!
//! Renders what the language gathered; reads nothing and writes nothing.

mod html;
mod markdown;
mod page;
mod text;

use rbld_lang::docs::{Builtin, ItemDocs, ModuleDocs, PartDocs, PartKind};
use serde_json::{Value, json};

pub use html::html;
pub use markdown::{builtins_markdown, module_markdown};
pub use text::text;

/// What is shown.
#[derive(Clone, Debug, Default)]
pub struct Docs {
    /// What it is the documentation of.
    pub title: String,
    /// The modules, with those of their items that are meant.
    pub modules: Vec<ModuleDocs>,
    /// What is built into the language.
    pub builtins: Vec<Builtin>,
}

/// The documentation as JSON, version 1: `spec/15-documentation.md` says what each field means.
pub fn docs_json(docs: &Docs) -> Value {
    json!({
        "rbld": env!("CARGO_PKG_VERSION"),
        "format": super::json::FORMAT,
        "title": docs.title,
        "modules": docs.modules,
        "builtins": docs.builtins,
    })
}

/// The parts that say something of themselves, by kind; none if none does.
fn documented(item: &ItemDocs) -> Vec<(PartKind, Vec<&PartDocs>)> {
    let kinds = [PartKind::Parameter, PartKind::Field, PartKind::Value, PartKind::Output];
    let of = |kind: PartKind| {
        let parts: Vec<&PartDocs> = item.parts.iter().filter(|part| part.kind == kind).collect();
        (kind, parts)
    };
    let told = |(_, parts): &(PartKind, Vec<&PartDocs>)| parts.iter().any(|part| !part.docs.is_empty());
    kinds.map(of).into_iter().filter(told).collect()
}

/// What parts of a kind are called above a list of them.
fn plural(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Parameter => "Parameters",
        PartKind::Field => "Fields",
        PartKind::Value => "Values",
        PartKind::Output => "Outputs",
    }
}

/// A part as it is declared.
fn declared(part: &PartDocs) -> String {
    let mut text = part.name.clone();
    if let Some(ty) = &part.ty {
        text += &format!(": {ty}");
    }
    if let Some(default) = &part.default {
        text += &format!(" = {default}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that could end a tag, an attribute, a script or a line of a terminal.
    const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&\u{1b}[31m";

    fn hostile() -> Docs {
        let part = PartDocs {
            kind: PartKind::Field,
            name: HOSTILE.to_owned(),
            ty: Some(HOSTILE.to_owned()),
            default: Some(HOSTILE.to_owned()),
            docs: vec![HOSTILE.to_owned()],
        };
        let lines = [
            HOSTILE,
            "",
            "[a](javascript:alert(1)) ![b](http://example.org/b.png)",
            "",
            "```rbld",
            HOSTILE,
            "```",
        ];
        let item = ItemDocs {
            kind: "let",
            name: HOSTILE.to_owned(),
            signature: HOSTILE.to_owned(),
            docs: lines.map(str::to_owned).to_vec(),
            parts: vec![part],
            file: HOSTILE.to_owned(),
            line: 1,
        };
        let module = ModuleDocs {
            name: HOSTILE.to_owned(),
            usage: HOSTILE.to_owned(),
            docs: vec![HOSTILE.to_owned()],
            items: vec![item],
        };
        Docs { title: HOSTILE.to_owned(), modules: vec![module], builtins: Vec::new() }
    }

    #[test]
    fn nothing_in_a_comment_becomes_part_of_the_page() {
        let page = html(&hostile());
        assert!(!page.contains("<img"), "{page}");
        assert!(!page.contains("javascript:"), "{page}");
        assert!(!page.contains("http://example.org/b.png\""), "no picture is loaded: {page}");
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("</script>").count(), 1);
        assert!(!page.contains('\u{1b}'));
        assert_eq!(page, html(&hostile()));
    }

    #[test]
    fn nothing_in_a_comment_steers_the_terminal() {
        assert!(!text(&hostile(), &super::super::Style::plain()).contains('\u{1b}'));
    }
}
