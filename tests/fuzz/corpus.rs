//! The texts that fuzzing begins with: what the repository holds, and what was kept in `tests/fuzz/corpus`.

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All texts for files of the language, or all for locks; those of the repository first.
pub(crate) fn texts(locks: bool) -> Vec<String> {
    let mut folders =
        ["stdlib", "examples", "spec", "tests", "lang/src"].map(|name| root().join(name)).to_vec();
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let extension = path.extension().and_then(|extension| extension.to_str());
                match extension {
                    Some("rbld") if !locks => texts.push(text),
                    Some("lock") if locks => texts.push(text),
                    Some("md") => texts.extend(blocks(&text, if locks { "rbld-lock" } else { "rbld" })),
                    Some("txtar") => texts.extend(files(&text, if locks { "rbld.lock" } else { ".rbld" })),
                    _ => {}
                }
            }
        }
    }
    texts
}

/// The blocks of a chapter, as whole files.
fn blocks(chapter: &str, first: &str) -> Vec<String> {
    let blocks = chapter.split("\n```").filter_map(|rest| rest.split_once('\n'));
    let block = |(kind, block): (&str, &str)| match first {
        "rbld" if kind.starts_with("rbld") => {
            let has_edition = block.lines().any(|line| line.starts_with("rbld "));
            Some(format!("{}{block}\n", if has_edition { "" } else { "rbld 1\n" }))
        }
        "rbld-lock" if block.starts_with(first) => Some(format!("{block}\n")),
        _ => None,
    };
    blocks.filter_map(block).collect()
}

/// The files of an archive whose name ends so.
fn files(archive: &str, ending: &str) -> Vec<String> {
    let files = archive.split("\n-- ").skip(1).filter_map(|file| file.split_once(" --\n"));
    files.filter(|(name, _)| name.ends_with(ending)).map(|(_, text)| format!("{text}\n")).collect()
}
