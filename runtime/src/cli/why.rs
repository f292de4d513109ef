//! `rbld why`: which field of a build's key is not what it was when it was last made.
//!
//! After each build its key's facts are kept under the project's and the build's name;
//! the facts are those that the key was hashed from, so the answer can't drift from it.

use std::path::{Path, PathBuf};

use rbld_lang::digest::{Digest, Hasher, Manifest};
use similar::{ChangeTag, TextDiff};

use crate::failure::{Doing, Failure, Result};
use crate::store::Store;

/// The facts of a key: path of a field, its value.
pub(super) type Facts = Vec<(String, String)>;

/// What was remembered of a name's last realisation.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Memory {
    /// Its key.
    pub key: Digest,
    /// The key's facts.
    pub facts: Facts,
}

fn path(store: &Store, project: &Path, file: &str, name: &str) -> PathBuf {
    let mut hasher = Hasher::new("rbld-why-1");
    hasher.field("project", project.as_os_str().as_encoded_bytes());
    hasher.field("file", file.as_bytes());
    hasher.field("name", name.as_bytes());
    store.root().join("why").join(hasher.finish().to_hex())
}

/// Keeps the facts of a realised name.
pub(super) fn remember(store: &Store, project: &Path, file: &str, name: &str, memory: &Memory) -> Result<()> {
    let path = path(store, project, file, name);
    let folder = store.root().join("why");
    std::fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
    let text = serde_json::to_vec(memory).map_err(|error| Failure::bug(error.to_string()))?;
    if std::fs::read(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let doing = || format!("write {}", path.display());
    let file = tempfile::NamedTempFile::new_in(&folder).doing(doing)?;
    std::fs::write(file.path(), text).doing(doing)?;
    file.persist(&path).map_err(|error| error.error).doing(doing)?;
    Ok(())
}

/// The facts of the name's last realisation, when there was one.
pub(super) fn recall(store: &Store, project: &Path, file: &str, name: &str) -> Option<Memory> {
    let bytes = std::fs::read(path(store, project, file, name)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The fields that differ, as lines for a person; changed scripts are shown line by line.
pub(super) fn differences(old: &Facts, new: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in new {
        match old.iter().find(|(known, _)| known == name) {
            Some((_, before)) if before == value => {}
            Some((_, before)) => lines.extend(changed(name, before, value)),
            None => lines.push(format!("{}: added: {}", words(name), short(value))),
        }
    }
    for (name, value) in old {
        if !new.iter().any(|(known, _)| known == name) {
            lines.push(format!("{}: taken out: {}", words(name), short(value)));
        }
    }
    lines
}

fn changed(name: &str, before: &str, now: &str) -> Vec<String> {
    if !before.contains('\n') && !now.contains('\n') {
        return vec![format!("{}: was {}, is {}", words(name), short(before), short(now))];
    }
    let mut lines = vec![format!("{}:", words(name))];
    for change in TextDiff::from_lines(before, now).iter_all_changes() {
        let text = change.value().trim_end_matches('\n');
        match change.tag() {
            ChangeTag::Delete => {
                lines.push(format!("  - line {}: {text}", change.old_index().map_or(0, |index| index + 1)));
            }
            ChangeTag::Insert => {
                lines.push(format!("  + line {}: {text}", change.new_index().map_or(0, |index| index + 1)));
            }
            ChangeTag::Equal => {}
        }
    }
    lines
}

/// A field's path as words.
fn words(name: &str) -> String {
    match name.split_once('.') {
        Some(("arguments", "script")) => "script".to_owned(),
        Some(("variables", variable)) => format!("variable `{variable}`"),
        Some(("inputs", path)) => format!("input `{path}`"),
        Some(("outputs", output)) => format!("output `{output}`"),
        Some(("packages", package)) => format!("package `{package}`"),
        Some((section, field)) => format!("{section} `{field}`"),
        None => name.to_owned(),
    }
}

fn short(value: &str) -> String {
    const LONGEST: usize = 100;
    if value.chars().count() > LONGEST {
        format!("`{}…`", value.chars().take(LONGEST).collect::<String>())
    } else {
        format!("`{value}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_script_line_is_named() {
        let old = vec![("arguments.script".to_owned(), "./configure\nmake\n".to_owned())];
        let new = vec![("arguments.script".to_owned(), "./configure\nmake V=1\n".to_owned())];
        assert_eq!(differences(&old, &new), ["script:", "  - line 2: make", "  + line 2: make V=1"]);
    }

    #[test]
    fn added_and_removed_fields_are_named() {
        let old = vec![("variables.A".to_owned(), "1".to_owned())];
        let new = vec![("variables.B".to_owned(), "2".to_owned())];
        assert_eq!(differences(&old, &new), ["variable `B`: added: `2`", "variable `A`: taken out: `1`"]);
    }
}
