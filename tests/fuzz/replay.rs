//! Every text of the corpus through every target: what fuzzing found once stays mended.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the language is pure, what reads its corpus is not"
)]

mod corpus;
mod mutate;
mod targets;

/// How many texts are made of the corpus, for each target.
const MADE: usize = 300;

fn replay(name: &str) {
    let (_, run) = targets::TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    let texts = corpus::texts(name == "lock");
    assert!(texts.len() > 2, "the corpus is gone");
    let mut numbers = mutate::Numbers::new(7);
    let made: Vec<String> = (0..MADE).map(|_| mutate::mutate(&texts, &mut numbers)).collect();
    for text in texts.iter().chain(&made) {
        if let Err(wrong) = run(text) {
            panic!("{name}: {wrong}\nof the text\n{text}");
        }
    }
}

#[test]
fn parse() {
    replay("parse");
}

#[test]
fn check() {
    replay("check");
}

#[test]
fn evaluate() {
    replay("evaluate");
}

#[test]
fn lock() {
    replay("lock");
}

#[test]
fn format() {
    replay("format");
}

#[test]
fn meaning() {
    replay("meaning");
}
