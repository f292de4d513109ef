//! Chains over digests and keys: each case says what the stages gave and what must come of it.

use std::collections::BTreeMap;

use rbld_lang::derivation::{DerivationId, InputRef};
use rbld_lang::digest::Digest;

use super::super::outcome::{Moving, Outcome, Subject, Verdict};
use super::super::{FilesOf, OutputState};
use super::judge;
use crate::store::Object;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// `a k1 x, b failed`: what the outputs of a stage came to.
fn stage(number: usize, text: &str) -> (Vec<String>, Vec<Subject>) {
    let subject = |words: &[&str]| {
        let state = match words[1..] {
            ["failed"] => OutputState::Failed("its script failed".to_owned()),
            [key, gave] => {
                let object = Object::Tree { digest: digest(gave), size: 1 };
                OutputState::Ready { object, key: digest(key) }
            }
            _ => unreachable!("two or three words"),
        };
        let derivation = DerivationId(digest(&format!("{number} {}", words[0])));
        let output = InputRef { derivation, output: "debs".into() };
        Subject { key: format!("stage {number}: {}", words[0]), output, state, against: None }
    };
    let words: Vec<Vec<&str>> = text.split(", ").map(|one| one.split(' ').collect()).collect();
    (
        words.iter().map(|words| words[0].to_owned()).collect(),
        words.iter().map(|words| subject(words)).collect(),
    )
}

fn chain(text: &str, at_least: Option<u32>, files: FilesOf<'_>) -> Outcome {
    let stages: Vec<_> = text.split(" → ").enumerate().map(|(number, text)| stage(number, text)).collect();
    let names = stages[0].0.clone();
    judge(&names, stages.into_iter().map(|(_, subjects)| subjects).collect(), at_least, files)
}

fn plain(text: &str) -> Outcome {
    chain(text, None, &|_, _| Ok(BTreeMap::new()))
}

/// The table of the specification.
#[test]
fn the_specification_holds() {
    let text = include_str!("../../../spec/11-comparisons.md");
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| `") && line.contains('→')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (stages, share) = match cells[0].split_once(", `at_least = ") {
            Some((stages, share)) => (stages, share.trim_matches(['%', '`']).parse::<u32>().ok()),
            None => (cells[0], None),
        };
        let found =
            chain(&stages.replace('`', ""), share.map(|share| share * 100), &|_, _| Ok(BTreeMap::new()));
        let (verdict, more) = cells[1].split_once(": ").unwrap_or((cells[1], ""));
        assert_eq!(found.verdict.word(), verdict, "{line}");
        let stages = found.stages.unwrap();
        if let Some(at) = more.strip_prefix("settled at stage ") {
            assert_eq!(stages.reached, at[..1].parse().ok(), "{line}");
            assert_eq!(stages.again.contains(&true), at.contains("not run again"), "{line}");
        }
        assert_eq!(
            more.contains("goes round"),
            stages.moving.iter().any(|moving| moving.like.is_some()),
            "{line}"
        );
        rows += 1;
    }
    assert!(rows > 7, "the table has {rows} rows");
}

#[test]
fn what_moves_is_named_with_its_files() {
    let files = |object: &Object, _: &InputRef| {
        let each = |name: &str, of: &str| (name.to_owned(), digest(of));
        Ok(match object.digest() == digest("y") {
            true => BTreeMap::from([each("a.deb", "new"), each("b.deb", "same")]),
            false => BTreeMap::from([each("a.deb", "old"), each("b.deb", "same"), each("c.deb", "gone")]),
        })
    };
    let found = chain("a k0 w, b k1 z → a k2 x, b k3 z → a k4 y, b k5 z", None, &files);
    let stages = found.stages.unwrap();
    assert_eq!((stages.reached, stages.settled), (None, vec![None, Some(1)]));
    let files = vec!["a.deb".to_owned(), "c.deb".to_owned()];
    assert_eq!(stages.moving, [Moving { output: 0, always: true, like: None, count: 2, files }]);
}

#[test]
fn an_early_rest_is_no_fixpoint_once_it_moves_again() {
    let stages = plain("a k0 x → a k1 x → a k2 y").stages.unwrap();
    assert_eq!((stages.reached, stages.moving[0].always), (None, false));
    let settled = plain("a k0 x → a k1 y → a k2 x → a k3 x → a k4 x").stages.unwrap();
    assert_eq!(settled.reached, Some(3));
}

#[test]
fn an_earlier_stage_that_failed_decides_nothing() {
    let found = plain("a failed → a k1 x → a k2 x");
    assert_eq!((found.verdict, found.stages.unwrap().reached), (Verdict::Match, Some(2)));
}
