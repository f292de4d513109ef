//! Drafts: a first `.rbld` file, written from what a project has already. What can't be known is said, in the file and
//! beside it. Nothing here writes a file, asks the clock or prints.

pub mod folder;
pub mod gitlab;

use rbld_lang::span::Sources;

use crate::failure::{Failure, Result};

/// A first file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it is a draft of, in a few words.
    pub title: String,
    /// The file.
    pub text: String,
    /// What its author has to do or to look at, a sentence each.
    pub todo: Vec<String>,
}

impl Draft {
    /// A draft in the one layout. One that can't be parsed is our mistake.
    fn new(title: String, text: &str, todo: Vec<String>) -> Result<Draft> {
        let file = Sources::default().add("the draft".to_owned(), text.to_owned());
        match rbld_lang::fmt::format(file, text) {
            Ok(text) => Ok(Draft { title, text, todo }),
            Err(wrong) => {
                let first = wrong.first().map(|wrong| wrong.message.clone()).unwrap_or_default();
                Err(Failure::bug("the draft is no file of the language")
                    .fact(first)
                    .fact(text)
                    .help("please report it, with what it was drafted from"))
            }
        }
    }
}

/// A text as the language writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '@' => quoted.push_str("\\@"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if letter.is_control() => quoted.push(' '),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A text that may stand in a comment: on one line, and not too long.
fn remark(text: &str) -> String {
    const LONGEST: usize = 200;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST + 1).collect();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Comment lines, no longer than a screen.
fn comment(text: &str) -> String {
    const WIDTH: usize = 112;
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in remark_words(text) {
        if line.len() > 1 && line.chars().count() + word.chars().count() >= WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(&word);
    }
    lines + &line + "\n"
}

fn remark_words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(remark)
}
