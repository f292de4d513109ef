//! Paths and patterns of artifacts, and the names of outputs.

use super::jobs::PROJECT;

/// An output of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// Its name.
    pub(super) name: String,
    /// A path, a pattern, or a folder that ends in `/`.
    pub(super) path: String,
    /// Where it stands in the pipeline.
    pub(super) line: usize,
}

impl Output {
    /// Whether it is one file.
    pub(super) fn is_file(&self) -> bool {
        !self.path.ends_with('/') && !is_pattern(&self.path)
    }
}

pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The path of an artifact as an output has it, or why it can't be one. `script` tells folders from files.
pub(super) fn artifact(path: &str, script: &str) -> Result<String, &'static str> {
    let path = path.strip_prefix(PROJECT).map_or(path, |below| below.trim_start_matches('/'));
    let path = path.trim_start_matches("./");
    let inside = path.split("/**").next().unwrap_or_default();
    if path.contains('$') {
        return Err("which variable it holds isn't known");
    }
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err("an output lies in the project's folder");
    }
    if path.is_empty() || path == "." || path == "**" || path == "*" || inside.is_empty() {
        return Err("the whole folder is no output: name the files");
    }
    if path.contains("**") {
        // A folder with all it holds; `*` of an output is within one name.
        return if is_pattern(inside) {
            Err("`**` is no pattern of an output")
        } else {
            Ok(format!("{inside}/"))
        };
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let folder = path.ends_with('/')
        || (!last.contains('.') && !is_pattern(path) && script.contains(&format!("{path}/")));
    Ok(if folder { format!("{}/", path.trim_end_matches('/')) } else { path.to_owned() })
}

/// What a path or pattern in another job means among an artifact: the artifact itself, or a file in its folder.
pub(super) fn within(operand: &str, artifact: &str) -> Option<String> {
    let operand = operand.trim_start_matches("./").trim_end_matches('/');
    let folder = artifact.trim_end_matches('/');
    if matches(operand, folder) || (is_pattern(artifact) && matches(artifact, operand)) {
        return Some(artifact.to_owned());
    }
    if !artifact.ends_with('/') {
        return None;
    }
    let depth = folder.split('/').count();
    let parts: Vec<&str> = operand.split('/').collect();
    if parts.len() <= depth || !matches(&parts[..depth].join("/"), folder) {
        return None;
    }
    Some(format!("{folder}/{}", parts[depth..].join("/")))
}

/// Whether a pattern names a path, part by part.
fn matches(pattern: &str, path: &str) -> bool {
    let (one, other): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| part(one.as_bytes(), other.as_bytes()))
}

/// `*` and `?` in one name. The two places where the last star may go on keep this linear in practice.
fn part(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut to, mut star) = (0, 0, None);
    while to < name.len() {
        if at < pattern.len() && pattern[at] == b'*' {
            star = Some((at, to));
            at += 1;
        } else if at < pattern.len() && (pattern[at] == b'?' || pattern[at] == name[to]) {
            (at, to) = (at + 1, to + 1);
        } else if let Some((from, taken)) = star {
            (at, to) = (from + 1, taken + 1);
            star = Some((from, taken + 1));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// A name for an output, by what its path ends in.
pub(super) fn output_name(path: &str) -> String {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let known = [
        (".deb", "debs"),
        (".whl", "wheel"),
        (".tar", "tarball"),
        (".crate", "crate"),
        (".zip", "archive"),
        (".iso", "image"),
    ];
    for (end, name) in known {
        if last.contains(&format!("{end}.")) || last.ends_with(end) {
            return name.to_owned();
        }
    }
    ident(last)
}

/// Words of the language and of its records, which are no names for items and parameters.
const TAKEN: [&str; 26] = [
    "and",
    "assert",
    "build",
    "debian",
    "else",
    "env",
    "false",
    "fetch",
    "file",
    "files",
    "fn",
    "for",
    "identical",
    "if",
    "in",
    "input",
    "let",
    "matches",
    "none",
    "not",
    "or",
    "recipe",
    "src",
    "then",
    "type",
    "with",
];

/// A name in the language for any text.
pub(super) fn ident(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars().take(40) {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    let mut name = name.trim_matches('_').to_owned();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "n_");
    }
    match name.as_str() {
        "build" => "built".to_owned(),
        "test" | "use" | "true" | "e" => format!("{name}_job"),
        known if TAKEN.contains(&known) => format!("{name}_job"),
        _ => name,
    }
}

/// The text, or the text and the first number with which it is new.
pub(super) fn unique(name: String, taken: &mut Vec<String>) -> String {
    let mut unique = name.clone();
    let mut number = 2;
    while taken.contains(&unique) {
        unique = format!("{name}_{number}");
        number += 1;
    }
    taken.push(unique.clone());
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_become_outputs() {
        assert_eq!(artifact("./a.tar.gz", ""), Ok("a.tar.gz".to_owned()));
        assert_eq!(artifact("out", "mkdir out; cp x out/y"), Ok("out/".to_owned()));
        assert_eq!(artifact("program", "cc -o program"), Ok("program".to_owned()));
        assert_eq!(artifact("out/**/*", ""), Ok("out/".to_owned()));
        for path in ["/etc", "../x", "$WHAT/x", ".", "*"] {
            assert!(artifact(path, "").is_err(), "{path}");
        }
    }

    #[test]
    fn operands_are_found_in_artifacts() {
        assert_eq!(within("out-*/x.tar", "out-a/").as_deref(), Some("out-a/x.tar"));
        assert_eq!(within("out-a", "out-a/").as_deref(), Some("out-a/"));
        assert_eq!(within("out-b/x", "out-a/"), None);
        assert_eq!(within("a.tar", "*.tar").as_deref(), Some("*.tar"));
        assert_eq!(within("*.tar", "a.tar").as_deref(), Some("a.tar"));
        assert_eq!(within("b.tar", "a.tar"), None);
        assert!(!part(&b"*a".repeat(30), &[b'a'; 29]));
    }
}
