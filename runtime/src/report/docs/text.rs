//! Documentation for a terminal: declarations, and their comments indented below them as they are written.

use rbld_lang::docs::ItemDocs;

use super::{Docs, declared, documented, plural};
use crate::report::style::{Style, printable};

/// The documentation as text.
pub fn text(docs: &Docs, style: &Style) -> String {
    let mut text = String::new();
    for module in &docs.modules {
        apart(&mut text);
        text += &format!(
            "{}    {}\n",
            style.bold(&printable(&module.name)),
            style.cyan(&printable(&module.usage))
        );
        lines(&module.docs, "  ", &mut text);
        for item in &module.items {
            text.push('\n');
            self::item(item, style, &mut text);
        }
    }
    if !docs.builtins.is_empty() {
        apart(&mut text);
        text += &format!("{}\n", style.bold("builtin"));
        for builtin in &docs.builtins {
            text += &format!("\n  {}\n", style.bold(builtin.signature));
            text += &style.wrapped("      ", builtin.docs);
        }
    }
    text
}

fn apart(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}

fn item(item: &ItemDocs, style: &Style, text: &mut String) {
    for line in item.signature.lines() {
        *text += &format!("  {}\n", style.bold(&printable(line)));
    }
    lines(&item.docs, "      ", text);
    for (kind, parts) in documented(item) {
        *text += &format!("\n      {}:\n", plural(kind));
        for part in parts {
            *text += &format!("        {}\n", style.bold(&printable(&declared(part))));
            lines(&part.docs, "            ", text);
        }
    }
    *text += &format!("      {}\n", style.cyan(&printable(&format!("{}:{}", item.file, item.line))));
}

/// Lines as they were written: they may hold code.
fn lines(lines: &[String], indent: &str, text: &mut String) {
    for line in lines {
        let line = printable(line);
        *text += match line.trim().is_empty() {
            true => "\n".to_owned(),
            false => format!("{indent}{line}\n"),
        }
        .as_str();
    }
}
