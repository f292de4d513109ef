//! From a name to where it is declared, to where else it stands, and to another name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lsp_types::{
    DocumentSymbol, Hover, HoverContents, Location, MarkupContent, MarkupKind, Range, SymbolKind, TextEdit,
};
use rbld_lang::check::index::{Definition, Inner, Use};
use rbld_lang::diagnostic::Severity;
use rbld_lang::span::{FileId, Span};
use rbld_lang::syntax::ast::{self, ItemKind};
use rbld_lang::types::Type;

use super::place::{Shelf, uri};
use super::text::{Lines, word};
use super::workspace::{Analysis, Document, Documents, Reader, Root};

/// A place in a file of a project.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The project.
    pub analysis: &'a Analysis,
    /// Where files of the standard library are.
    pub shelf: &'a Shelf,
    /// The file.
    pub file: FileId,
    /// The byte.
    pub at: u32,
}

impl Place<'_> {
    fn range(&self, span: Span) -> Range {
        Lines::new(self.analysis.text(span.file)).range(span)
    }

    fn location(&self, span: Span) -> Option<Location> {
        Some(Location { uri: uri(&self.analysis.path(span.file, self.shelf)?)?, range: self.range(span) })
    }

    /// What a name is: its declaration and its documentation.
    pub(super) fn hover(&self) -> Option<Hover> {
        let used = *self.analysis.uses_at(self.file, self.at).first()?;
        let name = match self.analysis.declared(used.definition) {
            Some(span) if span.end > span.start => self.analysis.slice(span),
            _ => self.analysis.slice(used.span),
        };
        let signature = self.analysis.signature(used.definition, &used.ty, name);
        let mut value = format!("```rbld\n{signature}\n```");
        let docs = self.analysis.docs(used.definition);
        if !docs.is_empty() {
            value.push_str(&format!("\n\n{docs}"));
        }
        Some(Hover {
            contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value }),
            range: Some(self.range(used.span)),
        })
    }

    /// Where a name is declared. On the path of a `use`, that file.
    pub(super) fn definition(&self) -> Option<Location> {
        let used = self.analysis.uses_at(self.file, self.at);
        let declared = used.iter().find_map(|used| {
            let span = self.analysis.declared(used.definition)?;
            // The short form `{ src }` declares a field; what it is taken from is the more telling place.
            (span != used.span || used_alone(&used_definitions(&self.analysis.index.uses, used.span)))
                .then_some(span)
        });
        match declared {
            Some(span) => self.location(span),
            None => self.used_module().and_then(|span| self.location(span)),
        }
    }

    fn used_module(&self) -> Option<Span> {
        let module = self.analysis.project.modules.iter().find(|module| module.file == self.file)?;
        let (index, _) = module
            .ast
            .items
            .iter()
            .enumerate()
            .find(|(_, item)| item.span.start <= self.at && self.at <= item.span.end)?;
        match module.uses.get(&index)? {
            rbld_lang::loader::Used::Module(id) => self.analysis.declared(Definition::Module(*id)),
            _ => None,
        }
    }

    /// All places of what a name refers to.
    pub(super) fn references(&self, with_declaration: bool) -> Vec<Location> {
        let Some(used) = self.analysis.uses_at(self.file, self.at).first().copied() else {
            return Vec::new();
        };
        if used.definition == Definition::Builtin {
            return Vec::new();
        }
        let declared = self.analysis.declared(used.definition);
        let spans = spans_of(self.analysis, used.definition);
        let wanted = spans.into_iter().filter(|span| with_declaration || Some(*span) != declared);
        wanted.filter_map(|span| self.location(span)).collect()
    }

    /// What can be renamed here; why not, otherwise.
    pub(super) fn renamable(&self) -> Result<(Use, String), String> {
        let uses = self.analysis.uses_at(self.file, self.at);
        let Some(used) = uses.first() else { return Err("there is no name here".to_owned()) };
        let Some(declared) = self.analysis.declared(used.definition) else {
            return Err("it is built in and keeps its name".to_owned());
        };
        if let Definition::Module(_) = used.definition {
            return Err(
                "a module is called as its file is: rename the file, or write `use … as name`".to_owned()
            );
        }
        if self.analysis.project.in_library(declared) {
            return Err("it belongs to the standard library or a package and keeps its name".to_owned());
        }
        Ok(((*used).clone(), self.analysis.slice(declared).trim_matches('"').to_owned()))
    }

    /// The range of the name that can be renamed here.
    pub(super) fn rename_range(&self) -> Result<(Range, String), String> {
        let (used, name) = self.renamable()?;
        Ok((self.range(used.span), name))
    }

    /// The edits that give what stands here another name, by file.
    pub(super) fn rename(
        &self,
        new: &str,
        reader: &mut Reader,
        documents: &Documents,
    ) -> Result<BTreeMap<PathBuf, Vec<TextEdit>>, String> {
        let (used, old) = self.renamable()?;
        if new == old {
            return Ok(BTreeMap::new());
        }
        fits(self.analysis, used.definition, new)?;
        let spans = spans_of(self.analysis, used.definition);
        let mut edits: BTreeMap<PathBuf, Vec<(Span, String)>> = BTreeMap::new();
        for span in &spans {
            let Some(path) = self.analysis.path(span.file, self.shelf) else { continue };
            edits.entry(path).or_default().push((*span, self.written(*span, used.definition, &old, new)));
        }
        self.same_meaning(&edits, spans.len(), new, reader, documents)?;
        let edits = edits.into_iter().map(|(path, edits)| {
            let edits =
                edits.into_iter().map(|(span, new_text)| TextEdit { range: self.range(span), new_text });
            (path, edits.collect())
        });
        Ok(edits.collect())
    }

    /// What is written where the old name was: both names in the short form of an entry, of which one stays.
    fn written(&self, span: Span, definition: Definition, old: &str, new: &str) -> String {
        let others = used_definitions(&self.analysis.index.uses, span);
        if used_alone(&others) {
            return match self.analysis.slice(span).starts_with('"') {
                true => format!("\"{new}\""),
                false => new.to_owned(),
            };
        }
        match definition {
            Definition::Inner(Inner::Field | Inner::Output, _) => format!("{new} = {old}"),
            Definition::Inner(Inner::Parameter, place)
                if place != span && is_argument(self.analysis, span) =>
            {
                format!("{new} = {old}")
            }
            _ => format!("{old} = {new}"),
        }
    }

    /// Refuses a name that would mean something else somewhere: the project is read with it, and every place has to
    /// be found again.
    fn same_meaning(
        &self,
        edits: &BTreeMap<PathBuf, Vec<(Span, String)>>,
        count: usize,
        new: &str,
        reader: &mut Reader,
        documents: &Documents,
    ) -> Result<(), String> {
        let mut documents = documents.clone();
        for (path, edits) in edits {
            let Some((first, _)) = edits.first() else { continue };
            let mut text = self.analysis.text(first.file).to_owned();
            let mut edits: Vec<_> = edits.iter().collect();
            edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
            for (span, with) in edits {
                text.replace_range(span.start as usize..span.end as usize, with);
            }
            documents.insert(path.clone(), Document { text: text.into(), version: 0 });
        }
        let after = Analysis::new(reader, &self.analysis.root, &documents, None);
        let errors = |analysis: &Analysis| {
            let all = analysis.project.diagnostics.iter().chain(&analysis.program.diagnostics);
            all.filter(|diagnostic| diagnostic.severity == Severity::Error).count()
        };
        let groups = |analysis: &Analysis| {
            let mut groups: BTreeMap<Definition, usize> = BTreeMap::new();
            for used in &analysis.index.uses {
                *groups.entry(used.definition).or_default() += 1;
            }
            let mut sizes: Vec<usize> = groups.into_values().collect();
            sizes.sort_unstable();
            sizes
        };
        if errors(&after) > errors(self.analysis) || groups(&after) != groups(self.analysis) {
            return Err(format!(
                "`{new}` means something else where one of the {count} places is: choose another name"
            ));
        }
        Ok(())
    }
}

/// The definitions that the name of one span refers to.
fn used_definitions(uses: &[Use], span: Span) -> BTreeSet<Definition> {
    uses.iter().filter(|used| used.span == span).map(|used| used.definition).collect()
}

fn used_alone(definitions: &BTreeSet<Definition>) -> bool {
    definitions.len() < 2
}

/// Whether the name at a span is that of an argument, as in `f { src }`.
fn is_argument(analysis: &Analysis, span: Span) -> bool {
    let of_span = |used: &&Use| used.span == span;
    analysis.index.uses.iter().filter(of_span).any(|used| !matches!(used.definition, Definition::Inner(..)))
}

/// The spans of all names that refer to something, its declaration among them, each once and in order.
fn spans_of(analysis: &Analysis, definition: Definition) -> BTreeSet<Span> {
    analysis.index.uses.iter().filter(|used| used.definition == definition).map(|used| used.span).collect()
}

/// Whether a new name is one, and isn't taken where the old one is declared.
fn fits(analysis: &Analysis, definition: Definition, new: &str) -> Result<(), String> {
    let is_type = match definition {
        Definition::Item(id) => {
            analysis.item(id).is_some_and(|item| matches!(item.kind, ItemKind::Type { .. }))
        }
        _ => false,
    };
    let quoted = match definition {
        Definition::Item(id) => analysis
            .item(id)
            .is_some_and(|item| matches!(item.kind, ItemKind::Assert { .. } | ItemKind::Test { .. })),
        _ => false,
    };
    let words =
        ["and", "as", "else", "false", "for", "if", "in", "none", "not", "or", "then", "true", "with", "_"];
    let first = new.chars().next().unwrap_or(' ');
    let letters = !new.is_empty() && word(new, 0) == (0..new.len()) && !first.is_ascii_digit();
    if quoted {
        return Err("a name in quotes is a text: edit it where it stands".to_owned());
    }
    if !letters || words.contains(&new) {
        return Err(format!(
            "`{new}` can't be a name: it is letters, digits and `_`, and no word of the language"
        ));
    }
    if first.is_ascii_uppercase() != is_type && matches!(definition, Definition::Item(_)) {
        let which = if is_type {
            "types begin with a capital letter"
        } else {
            "only types begin with a capital letter"
        };
        return Err(format!("`{new}` can't be its name: {which}"));
    }
    if let Definition::Item(id) = definition
        && let Some(module) = analysis.program.items.get(id.index()).map(|item| item.module)
        && let Some(other) =
            analysis.program.items.iter().find(|item| item.module == module && &*item.name == new)
    {
        let line = Lines::new(analysis.text(other.span.file)).position(other.span.start).line + 1;
        return Err(format!("`{new}` is declared already, in line {line}"));
    }
    Ok(())
}

/// The items of a file.
pub(super) fn symbols(analysis: &Analysis, file: FileId) -> Vec<DocumentSymbol> {
    let Some(module) = analysis.project.modules.iter().find(|module| module.file == file) else {
        return Vec::new();
    };
    let lines = Lines::new(analysis.text(file));
    let known: BTreeMap<Span, &Use> = analysis.index.uses.iter().map(|used| (used.span, used)).collect();
    let mut symbols = Vec::new();
    for item in &module.ast.items {
        let Some((name, span)) = name_of(item) else { continue };
        let ty = known.get(&span).and_then(|used| match used.definition {
            Definition::Item(id) => analysis.index.meanings.get(id.index()),
            _ => None,
        });
        let detail = match ty {
            Some(shown) if !matches!(shown.ty, Type::Error | Type::Unknown) && shown.signature.is_none() => {
                format!("{}: {}", item.kind.keyword(), shown.ty)
            }
            _ => item.kind.keyword().to_owned(),
        };
        symbols.push(symbol(
            name,
            detail,
            symbol_kind(&item.kind),
            lines.range(item.span),
            lines.range(span),
        ));
    }
    symbols
}

#[expect(deprecated, reason = "the field has to be given and isn't used")]
fn symbol(
    name: &str,
    detail: String,
    kind: SymbolKind,
    range: Range,
    selection_range: Range,
) -> DocumentSymbol {
    DocumentSymbol {
        name: name.to_owned(),
        detail: Some(detail),
        kind,
        tags: None,
        deprecated: None,
        range,
        selection_range,
        children: None,
    }
}

fn name_of(item: &ast::Item) -> Option<(&str, Span)> {
    let name = match &item.kind {
        ItemKind::Use { .. } => return None,
        ItemKind::Type { name, .. }
        | ItemKind::Let { name, .. }
        | ItemKind::Fn { name, .. }
        | ItemKind::Input { name, .. }
        | ItemKind::Env { name, .. }
        | ItemKind::Recipe { name, .. }
        | ItemKind::Build { name, .. }
        | ItemKind::Assert { name, .. }
        | ItemKind::Test { name, .. } => name,
    };
    Some((if name.node.is_empty() { "\"\"" } else { &name.node }, name.span))
}

fn symbol_kind(kind: &ItemKind) -> SymbolKind {
    match kind {
        ItemKind::Use { .. } | ItemKind::Input { .. } => SymbolKind::FILE,
        ItemKind::Type { .. } => SymbolKind::ENUM,
        ItemKind::Let { .. } => SymbolKind::CONSTANT,
        ItemKind::Fn { .. } => SymbolKind::FUNCTION,
        ItemKind::Env { .. } => SymbolKind::NAMESPACE,
        ItemKind::Recipe { .. } => SymbolKind::CLASS,
        ItemKind::Build { .. } => SymbolKind::OBJECT,
        ItemKind::Assert { .. } | ItemKind::Test { .. } => SymbolKind::EVENT,
    }
}

/// What folds: items of several lines.
pub(super) fn folds(analysis: &Analysis, file: FileId) -> Vec<lsp_types::FoldingRange> {
    let lines = Lines::new(analysis.text(file));
    let module = analysis.project.modules.iter().find(|module| module.file == file);
    let items = module.map_or(&[][..], |module| &module.ast.items);
    let ranges = items.iter().map(|item| lines.range(item.span));
    ranges
        .filter(|range| range.end.line > range.start.line)
        .map(|range| lsp_types::FoldingRange {
            start_line: range.start.line,
            end_line: range.end.line,
            ..lsp_types::FoldingRange::default()
        })
        .collect()
}

/// The project that a request is about.
pub(super) fn analysis(
    reader: &mut Reader,
    documents: &Documents,
    shelf: &Shelf,
    path: &Path,
) -> Option<Analysis> {
    let root: Root = reader.root_of(path, documents, shelf)?;
    Some(Analysis::new(reader, &root, documents, None))
}
