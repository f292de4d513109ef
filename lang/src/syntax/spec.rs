//! The chapter on syntax holds: every example says what it announces, and every rule of the grammar has its own (`rules`).

mod rules;

use super::*;

const CHAPTERS: [&str; 2] =
    [include_str!("../../../spec/01-words.md"), include_str!("../../../spec/02-syntax.md")];

/// The blocks of a chapter: what stands after the word `rbld`, and the text.
fn blocks(chapter: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut rest = chapter;
    while let Some((_, after)) = rest.split_once("\n```rbld") {
        let (block, after) = after.split_once("\n```").unwrap();
        let (head, block) = block.split_once('\n').unwrap();
        blocks.push((head.trim().to_owned(), format!("{block}\n")));
        rest = after;
    }
    blocks
}

/// The blocks of the chapters that are files, each with its edition.
fn files() -> Vec<String> {
    let parts = ["expression", "lone_entry", "lone_field"].map(|rule| format!("parse {rule}"));
    let all = CHAPTERS.iter().flat_map(|chapter| blocks(chapter));
    all.filter(|(head, _)| !parts.contains(head))
        .map(|(_, block)| match block.lines().any(|line| line.starts_with("rbld ")) {
            true => block,
            false => format!("rbld 1\n{block}"),
        })
        .collect()
}

/// The errors of syntax that a file announces: line, code, words.
fn announced(text: &str) -> Vec<(usize, String, String)> {
    let mut announced = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((before, rest)) = line.split_once("# error: [") else { continue };
        let (code, rest) = rest.split_once("] \"").unwrap();
        let number = index + 1 + usize::from(before.trim().is_empty());
        announced.push((number, code.to_owned(), rest.trim_end().trim_end_matches('"').to_owned()));
    }
    announced
}

#[test]
fn every_example_says_what_it_announces() {
    let files = files();
    assert!(files.len() > 20);
    for text in files {
        let (_, diagnostics) = parse(FileId(0), &text);
        let mut open = announced(&text);
        for diagnostic in &diagnostics {
            let line = text[..diagnostic.labels[0].span.start as usize].matches('\n').count() + 1;
            let found = open.iter().position(|(number, code, words)| {
                *number == line && code == diagnostic.code.0 && diagnostic.message.contains(words)
            });
            let Some(found) = found else { panic!("{text}\nline {line}: {diagnostic:?}") };
            open.remove(found);
        }
        open.retain(|(_, code, _)| code.starts_with("E01"));
        assert!(open.is_empty(), "{text}\nnot said: {open:?}");
    }
}
