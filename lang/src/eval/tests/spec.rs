//! The chapters on the language hold: every example says what it announces, and every value is what it is said to be.

use std::collections::BTreeMap;

use super::*;

const CHAPTERS: [(&str, &str); 6] = [
    ("01", include_str!("../../../../spec/01-words.md")),
    ("02", include_str!("../../../../spec/02-syntax.md")),
    ("03", include_str!("../../../../spec/03-types-and-names.md")),
    ("04", include_str!("../../../../spec/04-evaluation.md")),
    ("05", include_str!("../../../../spec/05-recipes-and-inputs.md")),
    ("14", include_str!("../../../../spec/14-tests.md")),
];

/// The examples of a chapter: the files of each block, those named before it with it.
fn examples(chapter: &str) -> Vec<BTreeMap<String, String>> {
    let mut examples = Vec::new();
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    let (mut fence, mut text, mut before) = (None, String::new(), "");
    for line in chapter.lines() {
        match (&fence, line.strip_prefix("```")) {
            (None, Some(kind)) => {
                fence = Some((kind, before.strip_prefix('`').and_then(|line| line.strip_suffix("`:"))))
            }
            (Some((kind, name)), Some("")) => {
                if *kind == "rbld" && name.is_none_or(|name| name == "build.rbld") {
                    let has_edition = text.lines().any(|line| line.starts_with("rbld "));
                    let start = if has_edition { "" } else { "rbld 1\n" };
                    named.insert("build.rbld".to_owned(), format!("{start}{text}"));
                    examples.push(std::mem::take(&mut named));
                } else if let Some(name) = name {
                    named.insert((*name).to_owned(), text.clone());
                }
                (fence, text) = (None, String::new());
            }
            (Some(_), _) => text.extend([line, "\n"]),
            (None, None) => {}
        }
        if !line.is_empty() {
            before = line;
        }
    }
    examples
}

/// What a file announces: line, code, words.
fn announced(text: &str, mark: &str) -> Vec<(usize, String, String)> {
    let mut announced = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((before, rest)) = line.split_once(mark)
            && let Some((code, words)) = rest.split_once("] \"")
        {
            let number = index + 1 + usize::from(before.trim().is_empty());
            announced.push((number, code.to_owned(), words.trim_end().trim_end_matches('"').to_owned()));
        }
    }
    announced
}

/// What an example doesn't hold to.
fn run(files: BTreeMap<String, String>) -> Vec<String> {
    let text = files["build.rbld"].clone();
    let loader = MemoryLoader { files, ..MemoryLoader::default() };
    let project = load("build.rbld", &loader);
    let evaluated = evaluate(&project, &loader, &HOST);
    let mut found = evaluated.diagnostics.clone();
    found.extend(instantiate(&evaluated, Some(&locked(&evaluated)), &HOST).1);
    let mut open = announced(&text, "# error: [");
    open.extend(announced(&text, "# warning: ["));
    let mut wrong = Vec::new();
    for diagnostic in &found {
        let (line, _) = project.sources.position(diagnostic.labels[0].span);
        let index = open.iter().position(|(number, code, words)| {
            *number == line && code == diagnostic.code.0 && diagnostic.message.contains(words)
        });
        match index {
            Some(index) => drop(open.remove(index)),
            None if diagnostic.severity == Severity::Warning => {}
            None => {
                wrong.push(format!("not announced: {:?}", shown(&project, std::slice::from_ref(diagnostic))))
            }
        }
    }
    wrong.extend(open.iter().map(|open| format!("not said: {open:?}")));
    let mut name = "";
    for line in text.lines() {
        if let Some((found, _)) = line.strip_prefix("let ").and_then(|rest| rest.split_once([' ', ':', '=']))
        {
            name = found;
        }
        if let Some((_, value)) = line.split_once("# => ") {
            let found = evaluated.values.get(name).map(Value::show);
            if found.as_deref() != Some(value.trim()) {
                wrong.push(format!("{name} is {found:?}, not {value}"));
            }
        }
    }
    if !wrong.is_empty() {
        wrong.insert(0, text);
    }
    wrong
}

#[test]
fn every_example_is_as_it_is_told() {
    for (name, chapter) in CHAPTERS {
        let examples = examples(chapter);
        assert!(examples.len() > 1, "{name}");
        let wrong: Vec<String> = examples.into_iter().flat_map(run).collect();
        assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
    }
}
