//! The chapter on syntax holds: every example says what it announces, and every rule of the grammar is in one.

use std::collections::BTreeSet;

use pest::iterators::Pair;

use super::parser::{Builder, Rule};
use super::*;

const CHAPTERS: [&str; 2] =
    [include_str!("../../../spec/01-words.md"), include_str!("../../../spec/02-syntax.md")];

/// The blocks of the chapters that are files, each with its edition.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for chapter in CHAPTERS {
        let mut rest = chapter;
        while let Some((_, after)) = rest.split_once("\n```rbld") {
            let (block, after) = after.split_once("\n```").unwrap();
            let (_, block) = block.split_once('\n').unwrap();
            let has_edition = block.lines().any(|line| line.starts_with("rbld "));
            files.push(if has_edition { format!("{block}\n") } else { format!("rbld 1\n{block}\n") });
            rest = after;
        }
    }
    files
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

fn collect(pair: Pair<'_, Rule>, seen: &mut BTreeSet<Rule>) {
    seen.insert(pair.as_rule());
    pair.into_inner().for_each(|inner| collect(inner, seen));
}

#[test]
fn every_rule_is_in_an_example() {
    let mut seen = BTreeSet::new();
    for text in files() {
        let tokens = tokens::scan(&text);
        for chunk in tokens::chunks(&text, &tokens) {
            for rule in [Rule::edition, Rule::item] {
                if let Ok(pair) = Builder::pairs(rule, &text[chunk.start..chunk.end]) {
                    collect(pair, &mut seen);
                }
            }
        }
    }
    // Silent rules and those that only look ahead leave no pair; the last ones parse pieces that no file is made of.
    let silent = [
        Rule::WHITESPACE,
        Rule::comment,
        Rule::sign,
        Rule::ends,
        Rule::nl,
        Rule::one_item,
        Rule::gives,
        Rule::variant,
        Rule::prefix,
        Rule::infix,
        Rule::postfix,
        Rule::key,
        Rule::primary,
        Rule::comma,
        Rule::separator,
        Rule::word_char,
        Rule::word_end,
        Rule::day,
        Rule::close,
        Rule::path_char,
        Rule::reserved,
        Rule::expression,
        Rule::lone_entry,
        Rule::lone_field,
    ];
    let missing: Vec<&Rule> =
        Rule::all_rules().iter().filter(|rule| !seen.contains(rule) && !silent.contains(rule)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
