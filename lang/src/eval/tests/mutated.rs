//! Files with pieces taken out, doubled and swapped: whatever they say, nothing panics and every place is in its file.

use super::*;

/// A small generator of numbers: the same ones every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

/// Words, signs and blanks.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut word = false;
    for letter in text.chars() {
        let in_word = letter.is_alphanumeric() || letter == '_';
        match pieces.last_mut() {
            Some(last) if word && in_word => last.push(letter),
            _ => pieces.push(letter.to_string()),
        }
        word = in_word;
    }
    pieces
}

#[test]
fn no_file_makes_it_panic() {
    let rich = include_str!("../../../../spec/05-recipes-and-inputs.md");
    let types = include_str!("../../../../spec/03-types-and-names.md");
    let mut texts: Vec<String> = Vec::new();
    for chapter in [rich, types, include_str!("../../../../spec/04-evaluation.md")] {
        let blocks = chapter.split("\n```rbld\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
        texts.extend(blocks.map(|(block, _)| format!("rbld 1\n{block}\n")));
    }
    texts.push(format!("{START}{USED}assert \"x\" identical(_t.*.tarball, within = {{ a = [old, stable], b = [newest] }}, across = differ)\n"));
    let mut numbers = Numbers(42);
    for _ in 0..ROUNDS {
        let mut pieces = pieces(&texts[numbers.below(texts.len())]);
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(pieces.len());
            let other = numbers.below(pieces.len());
            match numbers.below(4) {
                0 => drop(pieces.remove(at)),
                1 => pieces.insert(other, pieces[at].clone()),
                2 => pieces.swap(at, other),
                _ => pieces[at] = pieces[other].clone(),
            }
            if pieces.is_empty() {
                break;
            }
        }
        let text = pieces.concat();
        let (project, evaluated) = evaluated(&text);
        let (_, found) = instantiate(&evaluated, Some(&locked(&evaluated)), &HOST);
        for diagnostic in evaluated.diagnostics.iter().chain(&found) {
            assert!(!diagnostic.labels.is_empty(), "{text}\n{diagnostic:?}");
            for label in &diagnostic.labels {
                let source = &project.sources.get(label.span.file).text;
                let range = label.span.start as usize..label.span.end as usize;
                assert!(source.get(range).is_some(), "{text}\n{diagnostic:?}");
            }
        }
    }
}

/// How many files are made.
const ROUNDS: usize = 400;
