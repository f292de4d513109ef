//! The fast way beside the grammar.

use super::*;
use crate::syntax::{self, cut::pieces};

#[path = "../../../../tests/fuzz/corpus.rs"]
#[expect(clippy::disallowed_methods, reason = "the files of a test")]
mod corpus;

/// Reads a file both ways.
fn beside(text: &str) {
    let (fast, grammar) = (syntax::parse(FileId(3), text), syntax::parse_by_grammar(FileId(3), text));
    assert_eq!(fast, grammar, "{text}");
}

#[test]
fn every_text_here_is_read_as_the_grammar_reads_it() {
    let texts = corpus::texts(false);
    assert!(texts.len() > 100);
    texts.iter().for_each(|text| beside(text));
}

#[test]
fn what_has_nothing_wrong_with_it_is_read_the_fast_way() {
    let (mut count, mut slow) = (0, Vec::new());
    for text in corpus::texts(false) {
        if !syntax::parse_by_grammar(FileId(0), &text).1.is_empty() {
            continue;
        }
        for piece in pieces(&text).skip(1) {
            let written = &text[piece.start()..piece.end];
            count += 1;
            if item(FileId(0), piece.start(), written).is_none() {
                slow.push(written.to_owned());
            }
        }
    }
    assert!(count > 500, "{count}");
    assert!(slow.is_empty(), "{}: {}", slow.len(), slow.join("\n\n"));
}

/// Pieces of the language, put together as they come: more than half is refused, and what is read shows the choices.
#[test]
fn pieces_in_any_order_are_read_as_the_grammar_reads_them() {
    const PIECES: [&str; 64] = [
        "a",
        "b.c",
        " ",
        "\n  ",
        "\n",
        "# c\n",
        ",",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "=",
        "==",
        "<",
        "++",
        "+",
        "-",
        "*",
        ".",
        ".*",
        "not ",
        " or ",
        " and ",
        " with ",
        "if ",
        " then ",
        " else ",
        "for ",
        " in ",
        " if ",
        ":",
        "?",
        "|",
        "\"",
        "\"\"\"",
        "@\"\"\"",
        "@{",
        "\\n",
        "1",
        "1h",
        "30%",
        "2025-11-28",
        "T00:00:00Z",
        "sha256:",
        "commit:",
        "./p",
        "true",
        "none",
        "_",
        "List[",
        "Map[",
        "String",
        "let x = ",
        "type T = ",
        "fn f(",
        ") -> Int = ",
        "use std",
        " as s",
        "test \"t\" ",
        "recipe r(",
        "build t ",
        "f(x = 1)",
    ];
    let mut state = 1u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..4000 {
        let text: String = (0..=next(12)).map(|_| PIECES[next(PIECES.len())]).collect();
        let fast = syntax::parse_expression(FileId(0), &text);
        assert_eq!(fast, syntax::parse_expression_by_grammar(FileId(0), &text), "{text}");
        let head = ["let x = ", "type T = ", "fn f(", "recipe r(", "build t ", "test \"t\" ", ""][next(7)];
        beside(&format!("rbld 1\n{head}{text}\n"));
    }
}
