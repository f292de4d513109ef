//! Every rule of the grammar has its own example in the chapter on syntax, which needs it: with the rule made to match
//! nothing, the example isn't read, or read otherwise. So no example of a rule can be taken out.

use pest_meta::ast::{Expr, Rule as Definition};
use pest_meta::{optimizer, parser};
use pest_vm::Vm;

use super::{CHAPTERS, blocks};
use crate::syntax::cut::pieces;

const GRAMMAR: &str = include_str!("../grammar.pest");

/// Rules that read less than an item: their examples are what they read.
const PARTS: [&str; 3] = ["expression", "lone_entry", "lone_field"];

/// An example and the rules it is marked for.
struct Example {
    rules: Vec<String>,
    text: String,
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    for (head, text) in blocks(CHAPTERS[1]) {
        let Some(rules) = head.strip_prefix("parse ") else { continue };
        examples.push(Example { rules: rules.split(' ').map(str::to_owned).collect(), text });
    }
    examples
}

fn definitions() -> Vec<Definition> {
    let pairs = parser::parse(parser::Rule::grammar_rules, GRAMMAR).unwrap_or_else(|error| panic!("{error}"));
    parser::consume_rules(pairs).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The grammar as it is, or with one rule that matches nothing.
fn grammar(without: Option<&str>) -> Vm {
    let mut rules = definitions();
    for rule in rules.iter_mut().filter(|rule| Some(rule.name.as_str()) == without) {
        rule.expr = Expr::NegPred(Box::new(Expr::Str(String::new())));
    }
    Vm::new(optimizer::optimize(rules))
}

/// The trees of an example's pieces; of one that isn't read, nothing.
fn read(vm: &Vm, example: &Example) -> Vec<Option<String>> {
    let tree = |rule: &str, text: &str| vm.parse(rule, text).ok().map(|pairs| format!("{pairs:?}"));
    if let [rule] = example.rules.as_slice()
        && PARTS.contains(&rule.as_str())
    {
        return vec![tree(rule, example.text.trim_end())];
    }
    pieces(&example.text)
        .map(|piece| {
            let written = &example.text[piece.start()..piece.end];
            tree(if written.starts_with("rbld") { "edition" } else { "item" }, written)
        })
        .collect()
}

/// The rules that no example of these is for.
fn uncovered(rules: &[Definition], examples: &[&Example]) -> Vec<String> {
    let shown = |rule: &&Definition| examples.iter().any(|example| example.rules.contains(&rule.name));
    rules.iter().filter(|rule| !shown(rule)).map(|rule| rule.name.clone()).collect()
}

#[test]
fn every_rule_has_an_example_that_needs_it() {
    let (rules, examples) = (definitions(), examples());
    assert_eq!(uncovered(&rules, &examples.iter().collect::<Vec<_>>()), [""; 0]);
    let whole = grammar(None);
    let mut idle = Vec::new();
    for example in &examples {
        let read_whole = read(&whole, example);
        let announces = example.text.contains("# error: [");
        assert_eq!(read_whole.iter().any(Option::is_none), announces, "{}", example.text);
        for rule in &example.rules {
            assert!(rules.iter().any(|known| known.name == *rule), "there is no rule `{rule}`");
            let without = grammar(Some(rule));
            if read(&without, example) == read_whole {
                idle.push(format!("`{rule}` isn't needed for\n{}", example.text));
            }
        }
    }
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

#[test]
fn no_example_of_a_rule_can_be_taken_out() {
    let (rules, examples) = (definitions(), examples());
    assert!(examples.len() > 60, "the examples are gone");
    for index in 0..examples.len() {
        let left: Vec<&Example> = examples
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, example)| example)
            .collect();
        assert!(!uncovered(&rules, &left).is_empty(), "not missed:\n{}", examples[index].text);
    }
}

#[test]
fn every_example_of_a_rule_is_told_of() {
    let chapter = CHAPTERS[1];
    for (at, _) in chapter.match_indices("\n```rbld parse ") {
        let names: Vec<&str> =
            chapter[at + "\n```rbld parse ".len()..].lines().next().unwrap_or("").split(' ').collect();
        let section = chapter[..at].rfind("\n#").unwrap_or(0);
        for name in names {
            let told = chapter[section..at].lines().any(|line| {
                !line.starts_with("```")
                    && (line.contains(&format!("`{name}`")) || line.contains(&format!("`{name}`s")))
            });
            assert!(told || INFIX.contains(&name), "no sentence before it speaks of `{name}`");
        }
    }
}

/// The operators, of which one sentence speaks.
const INFIX: [&str; 12] = [
    "or",
    "and",
    "equal",
    "not_equal",
    "less_equal",
    "less",
    "greater_equal",
    "greater",
    "concat",
    "add",
    "subtract",
    "multiply",
];
