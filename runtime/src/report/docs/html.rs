//! Documentation as one HTML page that loads nothing: a list of names beside what they mean, and a search that hides what
//! wasn't meant. Without scripts the search isn't there, and everything else is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Parser, Tag, TagEnd};
use rbld_lang::docs::{ItemDocs, ModuleDocs};

use super::super::markup::escaped;
use super::{Docs, declared, documented, page, plural};

/// The page.
pub fn html(docs: &Docs) -> String {
    let (mut names, mut main) = (String::new(), String::new());
    for module in &docs.modules {
        self::module(module, &mut names, &mut main);
    }
    if !docs.builtins.is_empty() {
        heading("builtin", "built in", &mut names);
        let _ = write!(
            main,
            "<section id=\"builtin\"><h2>Built in</h2>\n<p>Known without a <code>use</code>.</p>\n"
        );
        for builtin in &docs.builtins {
            let id = format!("builtin.{}", builtin.name);
            entry(&id, builtin.name, "fn", &mut names);
            open(&id, builtin.name, &mut main);
            let _ = write!(
                main,
                "<pre>{}</pre>\n{}</article>\n",
                code(builtin.signature, &Types::new()),
                comment(builtin.docs)
            );
        }
        names += "</ul>\n";
        main += "</section>\n";
    }
    page::page(&escaped(&docs.title), &names, &main)
}

fn module(module: &ModuleDocs, names: &mut String, main: &mut String) {
    let id = identifier(&module.name);
    let declared = module.items.iter().filter(|item| item.kind == "type");
    let types: Types = declared.map(|item| (item.name.clone(), item_id(module, item))).collect();
    heading(&id, &module.name, names);
    let _ = write!(
        main,
        "<section id=\"{id}\"><h2>{}</h2>\n<pre>{}</pre>\n{}",
        escaped(&module.name),
        code(&module.usage, &types),
        comment(&module.docs.join("\n"))
    );
    for item in &module.items {
        let id = item_id(module, item);
        entry(&id, &item.name, item.kind, names);
        open(&id, &item.name, main);
        self::item(item, &types, main);
        *main += "</article>\n";
    }
    *names += "</ul>\n";
    *main += "</section>\n";
}

fn heading(id: &str, name: &str, names: &mut String) {
    let _ = write!(names, "<h2><a href=\"#{id}\">{}</a></h2>\n<ul>\n", escaped(name));
}

fn entry(id: &str, name: &str, kind: &str, names: &mut String) {
    let _ = writeln!(
        names,
        "<li data-of=\"{id}\"><a href=\"#{id}\">{}</a> <span class=\"kind\">{}</span></li>",
        escaped(name),
        escaped(kind)
    );
}

fn open(id: &str, name: &str, main: &mut String) {
    let _ = writeln!(main, "<article id=\"{id}\"><h3><a href=\"#{id}\">{}</a></h3>", escaped(name));
}

/// Where an item is on the page; an assertion may be called as another item is.
fn item_id(module: &ModuleDocs, item: &ItemDocs) -> String {
    let kind = if item.kind == "assert" { "assert " } else { "" };
    identifier(&format!("{}.{kind}{}", module.name, item.name))
}

fn item(item: &ItemDocs, types: &Types, main: &mut String) {
    let _ = write!(main, "<pre>{}</pre>\n{}", code(&item.signature, types), comment(&item.docs.join("\n")));
    for (kind, parts) in documented(item) {
        let _ = write!(main, "<h4>{}</h4>\n<dl>\n", plural(kind));
        for part in parts {
            let _ = write!(
                main,
                "<dt><code>{}</code></dt>\n<dd>{}</dd>\n",
                code(&declared(part), types),
                comment(&part.docs.join("\n"))
            );
        }
        *main += "</dl>\n";
    }
    let _ = writeln!(main, "<p class=\"place\">{}:{}</p>", escaped(&item.file), item.line);
}

/// A name as it can stand in an attribute and behind `#`: what else it holds is written by its number.
fn identifier(name: &str) -> String {
    let mut id = String::new();
    for letter in name.chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => id.push(letter),
            other => {
                let _ = write!(id, "-{:x}-", other as u32);
            }
        }
    }
    id
}

/// A comment, which is Markdown. Tags in it are text, and nothing that it names is loaded.
fn comment(text: &str) -> String {
    // The code of a block, and whether it is of this language.
    let mut block: Option<(bool, String)> = None;
    let mut shown = Vec::new();
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let of_rbld = matches!(&kind, CodeBlockKind::Fenced(word) if &**word == "rbld");
                block = Some((of_rbld, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                let (of_rbld, text) = block.take().unwrap_or_default();
                let text =
                    if of_rbld { code(text.trim_end(), &Types::new()) } else { escaped(text.trim_end()) };
                shown.push(Event::InlineHtml(format!("<pre>{text}</pre>\n").into()));
            }
            Event::Text(part) if block.is_some() => {
                block.iter_mut().for_each(|(_, text)| text.push_str(&part));
            }
            Event::Html(tag) | Event::InlineHtml(tag) => shown.push(Event::Text(clean(&tag).into())),
            Event::Text(text) => shown.push(Event::Text(clean(&text).into())),
            Event::Code(text) => shown.push(Event::Code(clean(&text).into())),
            // The page's own headings are the ones above.
            Event::Start(Tag::Heading { .. }) => shown.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::Heading(_)) => shown.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Link { dest_url, title, id, .. }) => {
                let safe = ["https://", "http://", "#"].iter().any(|start| dest_url.starts_with(start));
                let dest_url = if safe { dest_url } else { "#".into() };
                shown.push(Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url, title, id }));
            }
            // A picture would be loaded from elsewhere: its words stand for it.
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {}
            other => shown.push(other),
        }
    }
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, shown.into_iter());
    html
}

fn clean(text: &str) -> String {
    let clean = |letter: char| match letter {
        '\n' | '\t' => letter,
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    text.chars().map(clean).collect()
}

/// The words that begin an item, and so are words only there.
const KINDS: [&str; 11] =
    ["use", "type", "let", "fn", "input", "env", "recipe", "build", "assert", "test", "rbld"];

/// The words of the language that are words everywhere, and the one that stands in the declaration of a recipe.
const WORDS: [&str; 11] = ["as", "and", "else", "for", "if", "in", "not", "or", "then", "with", "leaves"];

/// The types that a module declares, and where they are on the page.
type Types = BTreeMap<String, String>;

/// Code of the language with its words, types, literals and comments marked, and types led to where they are declared.
fn code(text: &str, types: &Types) -> String {
    let mut html = String::new();
    let mut rest = text;
    let mut begins = true;
    while let Some(first) = rest.chars().next() {
        let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let run = rest.find(|letter| !word(letter)).unwrap_or(rest.len());
        let (length, class) = match first {
            '#' => (rest.find('\n').unwrap_or(rest.len()), "c"),
            '"' => (text_length(rest), "s"),
            '0'..='9' => (literal_length(rest), "s"),
            _ if first.is_ascii_uppercase() => (run, "t"),
            _ if run > 0 && (WORDS.contains(&&rest[..run]) || begins && KINDS.contains(&&rest[..run])) => {
                (run, "k")
            }
            _ => (run.max(first.len_utf8()), ""),
        };
        let (part, after) = rest.split_at(length);
        let _ = match (class, types.get(part)) {
            ("", _) => write!(html, "{}", escaped(part)),
            ("t", Some(id)) => write!(html, "<a class=\"t\" href=\"#{id}\">{}</a>", escaped(part)),
            _ => write!(html, "<span class=\"{class}\">{}</span>", escaped(part)),
        };
        begins = part.ends_with('\n');
        rest = after;
    }
    html
}

/// How long the number, size, date or instant is that a text begins with.
fn literal_length(text: &str) -> usize {
    let inside = |letter: char| letter.is_ascii_alphanumeric() || "-:._".contains(letter);
    let run = &text[..text.find(|letter| !inside(letter)).unwrap_or(text.len())];
    run.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric()).len()
}

/// How long the text is that a text begins with.
fn text_length(text: &str) -> usize {
    let quotes = text.len() - text.trim_start_matches('"').len();
    if quotes == 2 {
        return 2;
    }
    if quotes > 2 {
        let close = text[quotes..].find(&text[..quotes]);
        return close.map_or(text.len(), |at| at + 2 * quotes);
    }
    let mut escape = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '\n' => return at,
            '"' if !escape => return at + 1,
            _ => escape = letter == '\\' && !escape,
        }
    }
    text.len()
}
