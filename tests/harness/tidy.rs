//! The shape of the sources, as tests: which module may use which, what files hold, what a release says.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

/// The modules of each crate in the one direction that dependencies go: a module uses what stands before it. Those of
/// one line are on a level and may use each other.
const ORDER: [(&str, &[&[&str]]); 2] = [
    (
        "lang",
        &[
            &["span"],
            &["diagnostic", "codes", "nearest", "graph", "digest", "vary"],
            &["syntax", "by_name"],
            &["derivation"],
            &["fmt"],
            &["lock", "plan", "package"],
            &["channels"],
            &["loader", "types", "value", "ir"],
            &["layout"],
            &["unchanged"],
            &["resolve", "check"],
            &["eval"],
            &["docs", "examples", "session"],
        ],
    ),
    (
        "runtime",
        &[
            &["failure"],
            &["vary"],
            &["progress", "packing"],
            &["store"],
            &["fetch", "config"],
            &["mirror"],
            &["packages"],
            &["files", "draft", "kept"],
            &["sandbox", "executor"],
            &["environment"],
            &["image"],
            &["compare"],
            &["report", "display"],
            &["drift"],
            &["schedule"],
            &["vendor"],
            &["lsp"],
            &["cli"],
        ],
    ),
];

/// The most lines that a source file has: beyond that it holds two nouns.
const LINES: usize = 800;

type Check = fn(&Path) -> Result<(), Failed>;

/// The tests.
pub(crate) fn trials(root: &Path) -> Vec<Trial> {
    let checks: [(&str, Check); 5] = [
        ("modules use each other in one direction", one_direction),
        ("modules say what they do", documented),
        ("source files are short", short),
        ("cases are archives", only_archives),
        ("the changelog opens with what is next", changelog),
    ];
    let trial = |(name, check): (&str, Check)| {
        let root = root.to_owned();
        Trial::test(format!("tidy/{name}"), move || check(&root))
    };
    checks.into_iter().map(trial).collect()
}

/// All sources of the two crates: the crate, the path below its `src`, the text.
fn sources(root: &Path) -> Result<Vec<(&'static str, String, String)>, Failed> {
    let mut found = Vec::new();
    for (name, _) in ORDER {
        let src = root.join(name).join("src");
        for file in crate::files_below(&src, "rs")? {
            let path = file.strip_prefix(&src)?.display().to_string();
            found.push((name, path, std::fs::read_to_string(&file)?));
        }
    }
    Ok(found)
}

fn verdict(wrong: Vec<String>) -> Result<(), Failed> {
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn one_direction(root: &Path) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for (name, path, text) in sources(root)? {
        let Some((_, order)) = ORDER.iter().find(|(crate_name, _)| *crate_name == name) else { continue };
        let level = |module: &str| order.iter().position(|line| line.contains(&module));
        let module = path.split(['/', '.']).next().unwrap_or_default();
        if ["lib", "main"].contains(&module) || is_test(&path) {
            continue;
        }
        let Some(own) = level(module) else {
            wrong.push(format!("{name}: `{module}` has no place in the order of tests/harness/tidy.rs"));
            continue;
        };
        for used in used_modules(production(&text)) {
            if used != module && level(used).is_some_and(|level| level > own) {
                wrong.push(format!("{name}/src/{path}: `{module}` uses `{used}`, which comes after it"));
            }
        }
    }
    wrong.dedup();
    verdict(wrong)
}

/// Tests look at a module from outside, through whatever shows it best.
fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("tests/") || path.ends_with("testing.rs")
}

/// A source without the tests at its end.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// What follows `crate::`, wherever it stands outside comments.
fn used_modules(text: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            used.push(&rest[..end]);
        }
    }
    used
}

fn documented(root: &Path) -> Result<(), Failed> {
    let bare = |(name, path, text): &(&str, String, String)| {
        let entry = path.ends_with("main.rs") || path.ends_with("tests.rs");
        (!entry && !text.starts_with("//!")).then(|| format!("{name}/src/{path} doesn't open with `//!`"))
    };
    verdict(sources(root)?.iter().filter_map(bare).collect())
}

fn short(root: &Path) -> Result<(), Failed> {
    let long = |(name, path, text): &(&str, String, String)| {
        let lines = text.lines().count();
        (lines > LINES).then(|| format!("{name}/src/{path} has {lines} lines; it holds more than one noun"))
    };
    verdict(sources(root)?.iter().filter_map(long).collect())
}

/// A case of another kind would never run, and nobody would notice.
fn only_archives(root: &Path) -> Result<(), Failed> {
    let folder = root.join("tests/cases");
    let mut wrong = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "txtar") {
                wrong.push(format!("{} is no `.txtar`: nothing runs it", path.display()));
            }
        }
    }
    verdict(wrong)
}

fn changelog(root: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(root.join("CHANGELOG.md"))?;
    let first = text.lines().find(|line| line.starts_with("## ")).unwrap_or_default();
    let version = format!("## {}", env!("CARGO_PKG_VERSION"));
    if first == "## Unreleased" || first.starts_with(&version) {
        return Ok(());
    }
    Err(format!("the first heading of CHANGELOG.md is `{first}`, neither `## Unreleased` nor `{version}`")
        .into())
}
