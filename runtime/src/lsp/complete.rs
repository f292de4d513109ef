//! Completion: what could stand where the cursor is. What names there are is asked of the checker, by a name put
//! where one is being typed; what isn't a name of the language is looked up here.

use std::path::Path;

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, Documentation, InsertTextFormat, MarkupContent,
    MarkupKind, Range, TextEdit,
};
use rbld_lang::check::index::{Candidate, Definition, Form, Inner};
use rbld_lang::lock::{Facts, Lock};
use rbld_lang::syntax::ast::ItemKind;

use super::text::{Lines, word};
use super::workspace::{Analysis, Document, Documents, Reader, Root};

/// Items that begin in column 0, with what usually follows.
const ITEMS: [(&str, &str); 10] = [
    ("use", "use ${1:std.debian}"),
    ("type", "type ${1:Name} = ${2:first} | ${3:second}"),
    ("let", "let ${1:name} = $0"),
    ("fn", "fn ${1:name}(${2:parameter}: ${3:String}) -> ${4:String} = $0"),
    ("input", "input ${1:src} = $0"),
    ("env", "env ${1:name} = $0"),
    (
        "recipe",
        "recipe ${1:name}(e: Env) {\n  env     = e\n  inputs  = { ${2:src} }\n  workdir = \"${2:src}\"\n  run = \"\"\"\n    $0\n    \"\"\"\n  outputs = { ${3:out} = file(\"${4:path}\") }\n}",
    ),
    ("build", "build ${1:name} for e in [$2] = $0"),
    ("assert", "assert \"${1:what is compared}\" identical($0)"),
    ("test", "test \"${1:what holds}\" $0"),
];

/// A place in a document where something is to be completed.
pub(super) struct Asked<'a> {
    /// The document.
    pub path: &'a Path,
    /// Its text.
    pub text: &'a str,
    /// The byte of the cursor.
    pub at: usize,
    /// Whether the editor fills in placeholders.
    pub snippets: bool,
}

/// All that could stand there.
pub(super) fn complete(
    reader: &mut Reader,
    root: &Root,
    documents: &Documents,
    asked: &Asked<'_>,
) -> Vec<CompletionItem> {
    let line = asked.text[..asked.at].rfind('\n').map_or(0, |at| at + 1);
    let before = &asked.text[line..asked.at];
    let typed = word(asked.text, asked.at);
    if before.starts_with("use ") {
        return modules(asked, line);
    }
    if !before.is_empty() && before.bytes().all(|byte| byte.is_ascii_lowercase())
        || asked.text[..asked.at].is_empty()
    {
        return items(asked, line);
    }
    if before.is_empty() && typed.is_empty() {
        return items(asked, line);
    }
    if let Some(from) = in_quotes(before) {
        return packages(reader, root, documents, asked, line + from);
    }
    for text in with_name(asked.text, asked.at) {
        let analysis = ask(reader, root, documents, asked, &text);
        let shell = before.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
        let shell = shell.ends_with('$') || shell.ends_with("${");
        let fits = |candidate: &&Candidate| (candidate.form == Form::Shell) == shell;
        let found: Vec<CompletionItem> = analysis
            .index
            .candidates
            .iter()
            .filter(fits)
            .map(|candidate| item(&analysis, candidate, asked))
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The project, with another text in the place of the document.
fn ask(reader: &mut Reader, root: &Root, documents: &Documents, asked: &Asked<'_>, text: &str) -> Analysis {
    let mut documents = documents.clone();
    documents.insert(asked.path.to_owned(), Document { text: text.into(), version: 0 });
    Analysis::new(reader, root, &documents, Some((asked.path, asked.at as u32)))
}

/// The text with a name at the cursor: as it is; and with what is open closed there, without what follows up to the
/// next item, for a place where something isn't written to its end.
fn with_name(text: &str, at: usize) -> [String; 3] {
    let typed = word(text, at);
    let name = if typed.is_empty() { "z" } else { "" };
    let (head, tail) = (&text[..typed.end], &text[typed.end..]);
    let next_item = tail
        .match_indices('\n')
        .map(|(at, _)| at)
        .find(|at| tail[at + 1..].starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '#'));
    let rest = next_item.map_or("\n", |at| &tail[at..]);
    let item = head.rfind("\n\n").unwrap_or(0);
    let mut open = Vec::new();
    let mut quoted = false;
    for letter in head[item..].chars() {
        match letter {
            '"' => quoted = !quoted,
            '(' if !quoted => open.push(')'),
            '[' if !quoted => open.push(']'),
            '{' if !quoted => open.push('}'),
            ')' | ']' | '}' if !quoted => drop(open.pop()),
            _ => {}
        }
    }
    let closing: String = open.iter().rev().collect();
    let line = tail.find('\n').unwrap_or(tail.len());
    [
        format!("{head}{name}{tail}"),
        format!("{head}{name} = 0{}", &tail[line..]),
        format!("{head}{name}{closing}{rest}"),
    ]
}

/// Where the content of the one-line text begins that the cursor is in, in the line before it.
fn in_quotes(before: &str) -> Option<usize> {
    let mut open = None;
    let mut escaped = false;
    for (at, letter) in before.char_indices() {
        match letter {
            '#' if open.is_none() => return None,
            '"' if !escaped => open = if open.is_some() { None } else { Some(at + 1) },
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    open
}

fn items(asked: &Asked<'_>, line: usize) -> Vec<CompletionItem> {
    let range = range(asked, line, asked.at);
    let item = |(keyword, snippet): (&str, &str)| {
        let text = if asked.snippets { snippet.to_owned() } else { format!("{keyword} ") };
        CompletionItem {
            label: keyword.to_owned(),
            kind: Some(CompletionItemKind::KEYWORD),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: text })),
            insert_text_format: asked.snippets.then_some(InsertTextFormat::SNIPPET),
            ..CompletionItem::default()
        }
    };
    ITEMS.into_iter().map(item).collect()
}

/// The modules of the standard library, and the files beside this one.
fn modules(asked: &Asked<'_>, line: usize) -> Vec<CompletionItem> {
    let range = range(asked, line + "use ".len(), asked.at.max(line + "use ".len()));
    let mut names: Vec<String> = rbld_lang::loader::library().map(|(name, _)| name.to_owned()).collect();
    if let Some(folder) = asked.path.parent()
        && let Ok(entries) = std::fs::read_dir(folder)
    {
        let mut files: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path() != asked.path)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".rbld"))
            .map(|name| format!("./{name}"))
            .collect();
        files.sort();
        names.extend(files);
    }
    let item = |name: String| CompletionItem {
        kind: Some(CompletionItemKind::MODULE),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: name.clone() })),
        filter_text: Some(name.clone()),
        label: name,
        ..CompletionItem::default()
    };
    names.into_iter().map(item).collect()
}

/// The packages that the lock knows, where packages are named.
fn packages(
    reader: &mut Reader,
    root: &Root,
    documents: &Documents,
    asked: &Asked<'_>,
    from: usize,
) -> Vec<CompletionItem> {
    let Root::File(folder, name) = root else { return Vec::new() };
    let closed = asked.text[asked.at..].split('\n').next().unwrap_or("").contains('"');
    let text = match closed {
        true => asked.text.to_owned(),
        false => format!("{}\"{}", &asked.text[..asked.at], &asked.text[asked.at..]),
    };
    let mut argument = None;
    for text in [text.clone(), with_name(&text, asked.at + 1)[2].clone()] {
        argument = argument.or(ask(reader, root, documents, asked, &text).index.argument);
    }
    if !argument.is_some_and(|argument| ["packages", "build_depends", "source"].contains(&argument.as_str()))
    {
        return Vec::new();
    }
    let lock = std::fs::read_to_string(crate::files::lock_path(folder, name)).ok();
    let Some(Ok(lock)) = lock.map(|text| rbld_lang::lock::parse(&text)) else { return Vec::new() };
    let range = range(asked, from, asked.at);
    let item = |(name, version): (String, String)| CompletionItem {
        kind: Some(CompletionItemKind::VALUE),
        detail: Some(version),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: name.clone() })),
        label: name,
        ..CompletionItem::default()
    };
    locked(&lock).into_iter().map(item).collect()
}

/// The names and versions of all packages in a lock.
fn locked(lock: &Lock) -> std::collections::BTreeMap<String, String> {
    let mut packages = std::collections::BTreeMap::new();
    for block in lock.blocks.values() {
        if let Facts::Environment { packages: held, .. } = &block.facts {
            for locked in held {
                packages.insert(locked.package.name.clone(), locked.package.version.clone());
            }
        }
    }
    packages
}

fn range(asked: &Asked<'_>, start: usize, end: usize) -> Range {
    let lines = Lines::new(asked.text);
    Range { start: lines.position(start as u32), end: lines.position(end as u32) }
}

fn item(analysis: &Analysis, candidate: &Candidate, asked: &Asked<'_>) -> CompletionItem {
    let typed = word(asked.text, asked.at);
    let name = &candidate.name;
    let (text, format) = match candidate.form {
        Form::Entry => (format!("{name} = "), None),
        Form::Call if asked.snippets => (format!("{name}($0)"), Some(InsertTextFormat::SNIPPET)),
        _ => (name.clone(), None),
    };
    let docs = analysis.docs(candidate.definition);
    let rank = match (candidate.form, candidate.definition) {
        (Form::Entry, _) => 0,
        (_, Definition::Inner(..)) => 1,
        (_, Definition::Item(_)) => 2,
        (_, Definition::Module(_)) => 3,
        _ => 4,
    };
    CompletionItem {
        label: name.clone(),
        kind: Some(kind(analysis, candidate)),
        detail: Some(analysis.signature(candidate.definition, &candidate.ty, name)),
        documentation: (!docs.is_empty()).then_some(Documentation::MarkupContent(MarkupContent {
            kind: MarkupKind::Markdown,
            value: docs,
        })),
        sort_text: Some(format!("{rank}{name}")),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit {
            range: range(asked, typed.start, typed.end),
            new_text: text,
        })),
        insert_text_format: format,
        ..CompletionItem::default()
    }
}

fn kind(analysis: &Analysis, candidate: &Candidate) -> CompletionItemKind {
    match (candidate.definition, candidate.form) {
        (Definition::Inner(Inner::Variant, _), _) => CompletionItemKind::ENUM_MEMBER,
        (Definition::Inner(Inner::Output, _), _) => CompletionItemKind::PROPERTY,
        (_, Form::Entry) => CompletionItemKind::FIELD,
        (_, Form::Call) => CompletionItemKind::FUNCTION,
        (Definition::Module(_), _) => CompletionItemKind::MODULE,
        (Definition::Item(id), _) => match analysis.item(id).map(|item| &item.kind) {
            Some(ItemKind::Type { .. }) => CompletionItemKind::CLASS,
            _ => CompletionItemKind::CONSTANT,
        },
        _ => CompletionItemKind::VARIABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_in_quotes_or_not() {
        assert_eq!(in_quotes("packages = [\"git\", \"ma"), Some(20));
        assert_eq!(in_quotes("packages = [\"git\", "), None);
        assert_eq!(in_quotes("let a = \"\\\"b"), Some(9));
        assert_eq!(in_quotes("# it's \"so"), None);
    }

    #[test]
    fn what_is_open_is_closed_behind_a_name() {
        let [as_it_is, entry, closed] = with_name("let a = f([b.\n\nlet c = 1\n", 13);
        assert_eq!(as_it_is, "let a = f([b.z\n\nlet c = 1\n");
        assert_eq!(entry, "let a = f([b.z = 0\n\nlet c = 1\n");
        assert_eq!(closed, "let a = f([b.z])\nlet c = 1\n");
    }
}
