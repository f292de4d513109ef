//! What a name refers to, for a reader: its declaration, its type, its documentation.

use rbld_lang::check::index::{Definition, Inner, Use};
use rbld_lang::docs;
use rbld_lang::ir::ItemId;
use rbld_lang::span::{FileId, Span};
use rbld_lang::syntax::ast::Item;
use rbld_lang::types::Type;

use super::workspace::Analysis;

impl Analysis {
    /// The names at a byte: more than one for the short form `{ src }`.
    pub(super) fn uses_at(&self, file: FileId, at: u32) -> Vec<&Use> {
        let touches = |used: &&Use| used.span.file == file && used.span.start <= at && at <= used.span.end;
        let mut uses: Vec<&Use> = self.index.uses.iter().filter(touches).collect();
        // What is meant by the name around it is the narrower one; of equal ones, what it takes its value from.
        uses.sort_by_key(|used| {
            (used.span.end - used.span.start, matches!(used.definition, Definition::Inner(..)))
        });
        uses
    }

    /// Where something is declared.
    pub(super) fn declared(&self, definition: Definition) -> Option<Span> {
        match definition {
            Definition::Item(id) => self.program.items.get(id.index()).map(|item| item.span),
            Definition::Inner(_, span) => Some(span),
            Definition::Module(module) => {
                let file = self.project.modules.get(module.index())?.file;
                Some(Span { file, start: 0, end: 0 })
            }
            Definition::Builtin => None,
        }
    }

    /// The tree of an item.
    pub(super) fn item(&self, id: ItemId) -> Option<&Item> {
        let known = self.program.items.get(id.index())?;
        let module = self.project.modules.get(known.module.index())?;
        let within = |item: &&Item| item.span.start <= known.span.start && known.span.end <= item.span.end;
        module.ast.items.iter().find(within)
    }

    /// A name as it is declared, in the language.
    pub(super) fn signature(&self, definition: Definition, ty: &Type, name: &str) -> String {
        match definition {
            Definition::Item(id) => self.item_signature(id, name),
            Definition::Module(module) => {
                let module = self.project.modules.get(module.index());
                let path = module.map_or("", |module| module.path.as_str());
                if let Some(package) = module.and_then(|module| self.project.package_of(module)) {
                    let module = path.trim_end_matches(".rbld").replace('/', ".");
                    return format!("use {}.{module}", package.shown);
                }
                let of_std = path.starts_with("std.");
                if of_std { format!("use {path}") } else { format!("use ./{path}") }
            }
            Definition::Inner(Inner::Variant, _) => format!("{ty}.{name}"),
            Definition::Inner(inner, _) => format!("{} {name}: {ty}", word(inner)),
            Definition::Builtin if matches!(ty, Type::Unknown) => name.to_owned(),
            Definition::Builtin if ty.to_string() == name => format!("type {name}"),
            Definition::Builtin => format!("{name}: {ty}"),
        }
    }

    fn item_signature(&self, id: ItemId, name: &str) -> String {
        match (self.item(id), self.index.meanings.get(id.index())) {
            (Some(item), Some(meaning)) => docs::signature(item, meaning, &self.project.sources),
            _ => name.to_owned(),
        }
    }

    /// The `##` lines of what a name refers to.
    pub(super) fn docs(&self, definition: Definition) -> String {
        match definition {
            Definition::Item(id) => self.item(id).map_or(String::new(), |item| item.docs.join("\n")),
            Definition::Inner(_, span) => docs::above(&self.project.sources, span).join("\n"),
            _ => String::new(),
        }
    }
}

fn word(inner: Inner) -> &'static str {
    match inner {
        Inner::Variable => "for",
        Inner::Parameter => "parameter",
        Inner::Field => "field",
        Inner::Output => "output",
        Inner::Variant => "value",
    }
}
