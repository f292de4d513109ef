//! Documentation as Markdown: comments are Markdown already and stand as they are.

use std::fmt::Write as _;

use rbld_lang::docs::{Builtin, ItemDocs, ModuleDocs};

use super::{declared, documented, plural};

/// A module as Markdown.
pub fn module_markdown(module: &ModuleDocs) -> String {
    let mut text = format!("# {}\n\n", code(&module.name));
    block(&module.usage, &mut text);
    paragraphs(&module.docs, &mut text);
    for item in &module.items {
        self::item(item, &mut text);
    }
    text.trim_end().to_owned() + "\n"
}

/// What is built in as Markdown.
pub fn builtins_markdown(builtins: &[Builtin]) -> String {
    let mut text = "# Built in\n\n".to_owned();
    for builtin in builtins {
        let _ = write!(text, "## {}\n\n", code(builtin.name));
        block(builtin.signature, &mut text);
        let _ = write!(text, "{}\n\n", builtin.docs);
    }
    text.trim_end().to_owned() + "\n"
}

fn item(item: &ItemDocs, text: &mut String) {
    let _ = write!(text, "## {}\n\n", code(&item.name));
    block(&item.signature, text);
    paragraphs(&item.docs, text);
    for (kind, parts) in documented(item) {
        let _ = write!(text, "{}:\n\n", plural(kind));
        for part in parts {
            let lines = part.docs.join("\n  ");
            let apart = if lines.is_empty() { "" } else { ": " };
            let _ = writeln!(text, "- {}{apart}{lines}", code(&declared(part)));
        }
        text.push('\n');
    }
    let _ = write!(text, "{}\n\n", code(&format!("{}:{}", item.file, item.line)));
}

fn paragraphs(lines: &[String], text: &mut String) {
    if !lines.is_empty() {
        let _ = write!(text, "{}\n\n", lines.join("\n").trim_end());
    }
}

/// A block of code, fenced by more backquotes than it holds.
fn block(shown: &str, text: &mut String) {
    let fence = "`".repeat(longest(shown).max(2) + 1);
    let _ = write!(text, "{fence}rbld\n{shown}\n{fence}\n\n");
}

/// A word of code.
fn code(shown: &str) -> String {
    let fence = "`".repeat(longest(shown) + 1);
    let blank = if shown.starts_with('`') || shown.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{}{blank}{fence}", shown.replace('\n', " "))
}

/// The longest row of backquotes.
fn longest(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}
