//! What tests came to, as a list for a person and as JSON.

use rbld_lang::diagnostic::Diagnostic;
use rbld_lang::span::Sources;
use serde_json::{Value, json};

use super::diagnostics_json;
use super::style::{Style, printable};

/// A test that was run.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The file it is in, as people know it.
    pub file: String,
    /// Its line, from one.
    pub line: usize,
    /// Its text.
    pub name: String,
    /// What it asks.
    pub kind: Kind,
    /// What it came to.
    pub outcome: Outcome,
    /// How what is kept and what came out differ, line by line; empty where they don't.
    pub difference: String,
}

/// What a test asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A condition.
    Condition,
    /// That a value is the one kept.
    Unchanged,
    /// That an example in the documentation comes to what it says.
    Example,
}

/// What a test came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It doesn't.
    Fails,
    /// What it is asked of was kept just now.
    Kept,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Outcome::Holds => "holds",
            Outcome::Fails => "fails",
            Outcome::Kept => "kept",
        }
    }
}

/// The tests as a list, by file; below each what it kept differently; and how many there are.
pub fn tested(tests: &[Tested], style: &Style) -> String {
    let mut text = String::new();
    let mut file = "";
    for test in tests {
        if test.file != file {
            file = &test.file;
            text += &format!("{}\n", style.bold(&printable(file)));
        }
        let word = format!("{:7}", test.outcome.word());
        let word = match test.outcome {
            Outcome::Holds => style.green(&word),
            Outcome::Fails => style.red(&word),
            Outcome::Kept => style.yellow(&word),
        };
        text += &format!("  {word} {}\n", printable(&test.name));
        for line in test.difference.lines() {
            let shown = printable(line);
            text += &match line.as_bytes().first() {
                Some(b'-') => format!("    {}\n", style.red(&shown)),
                Some(b'+') => format!("    {}\n", style.green(&shown)),
                _ => format!("    {}\n", shown.trim_end()),
            };
        }
    }
    text + &format!("\n{}\n", counted(tests))
}

fn counted(tests: &[Tested]) -> String {
    let count = |outcome: Outcome| tests.iter().filter(|test| test.outcome == outcome).count();
    let part = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let parts = [
        part(count(Outcome::Holds), "holds", "hold"),
        part(count(Outcome::Kept), "kept", "kept"),
        part(count(Outcome::Fails), "fails", "fail"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let noun = if tests.len() == 1 { "test" } else { "tests" };
    format!("{} {noun}: {}", tests.len(), parts.join(", "))
}

/// The tests as JSON, version 1: `spec/12-reports.md` says what each field means.
pub fn tested_json(code: i32, found: &[Diagnostic], sources: &Sources, tests: &[Tested]) -> Value {
    let test = |test: &Tested| {
        let difference = Some(&test.difference).filter(|difference| !difference.is_empty());
        json!({
            "file": test.file,
            "line": test.line,
            "name": test.name,
            "kind": test.kind,
            "outcome": test.outcome,
            "difference": difference,
        })
    };
    json!({
        "rbld": env!("CARGO_PKG_VERSION"),
        "format": super::json::FORMAT,
        "exit": { "code": code, "all": if code == 0 { vec![] } else { vec![code] } },
        "diagnostics": diagnostics_json(found, sources),
        "tests": tests.iter().map(test).collect::<Vec<_>>(),
    })
}
