//! What tests keep: a text file beside a source, with a block for each `test "…" unchanged(…)` of it.
//!
//! The first line is `rbld-expected 1`; a block is the test's text in quotes and below it, indented by two, what is kept.
//! Blocks are sorted, so that equal contents are equal files. Nothing here knows what the texts mean.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rbld_lang::value::Value;

use crate::failure::{Doing, Failure, Result};

/// The first line.
const FIRST: &str = "rbld-expected 1";

/// The largest file that is read.
const LIMIT: u64 = 256 << 20;

/// The texts kept for a source, by the text of the test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// What is kept, by the test's text as it is written in quotes.
    blocks: BTreeMap<String, String>,
}

/// Where a source's texts are kept: `rbld.expected` beside `build.rbld`, `NAME.rbld.expected` beside any other.
pub fn path(root: &Path, source: &str) -> PathBuf {
    let path = root.join(source);
    match path.file_name() {
        Some(name) if name == "build.rbld" => path.with_file_name("rbld.expected"),
        _ => root.join(format!("{source}.expected")),
    }
}

impl Kept {
    /// Reads a file; nothing is kept where there is none.
    pub fn read(path: &Path) -> Result<Kept> {
        let shown = path.display();
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(Failure::io(format!("read `{shown}`"), &error)),
            Ok(found) if !found.is_file() || found.len() > LIMIT => {
                return Err(Failure::input(format!("`{shown}` isn't a file that rbld could have written"))
                    .help("move it away, then run `rbld test --bless`"));
            }
            Ok(_) => {}
        }
        let bytes = std::fs::read(path).doing(|| format!("read `{shown}`"))?;
        let parsed = match String::from_utf8(bytes) {
            Ok(text) => Kept::parse(&text),
            Err(error) => Err((1, format!("byte {} is no UTF-8", error.utf8_error().valid_up_to()))),
        };
        parsed.map_err(|(line, what)| {
            Failure::input(format!("{shown}:{line}: {what}")).help(
                "take the file from a commit where it was right, or delete it and run `rbld test --bless`",
            )
        })
    }

    fn parse(text: &str) -> std::result::Result<Kept, (usize, String)> {
        let mut lines = text.split_inclusive('\n').enumerate();
        match lines.next() {
            Some((_, line)) if line.trim_end() == FIRST => {}
            _ => return Err((1, format!("the first line isn't `{FIRST}`"))),
        }
        let mut kept = Kept::default();
        let mut open: Option<(&str, String)> = None;
        for (index, line) in lines {
            let bare = line.trim_end_matches(['\n', '\r']);
            if let Some(name) = bare.strip_prefix("test ").filter(|name| name.starts_with('"')) {
                kept.close(open.replace((name, String::new())));
                if kept.blocks.contains_key(name) {
                    return Err((index + 1, format!("the test {name} stands here again")));
                }
                continue;
            }
            match &mut open {
                Some((_, text)) if bare.is_empty() => text.push('\n'),
                Some((_, text)) if bare.starts_with("  ") => text.push_str(&line[2..]),
                None if bare.is_empty() => {}
                _ => return Err((index + 1, "this line belongs to no test".to_owned())),
            }
        }
        kept.close(open);
        Ok(kept)
    }

    fn close(&mut self, open: Option<(&str, String)>) {
        if let Some((name, text)) = open {
            // A block ends in one newline of its own and the blank line that parts it from the next.
            self.blocks.insert(name.to_owned(), format!("{}\n", text.trim_end_matches('\n')));
        }
    }

    /// What is kept for a test.
    pub fn get(&self, test: &str) -> Option<&str> {
        self.blocks.get(&quoted(test)).map(String::as_str)
    }

    /// Keeps a text for a test.
    pub fn set(&mut self, test: &str, text: &str) {
        self.blocks.insert(quoted(test), text.to_owned());
    }

    /// Lets go what belongs to none of these tests.
    pub fn retain<'t>(&mut self, tests: impl IntoIterator<Item = &'t str>) {
        let tests: std::collections::BTreeSet<String> = tests.into_iter().map(quoted).collect();
        self.blocks.retain(|name, _| tests.contains(name));
    }

    /// The tests that something is kept for, in quotes.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        self.blocks.keys().map(String::as_str)
    }

    fn print(&self) -> String {
        let mut file = format!("{FIRST}\n");
        for (name, text) in &self.blocks {
            file += &format!("\ntest {name}\n");
            for line in text.split_inclusive('\n') {
                file += if line == "\n" { "" } else { "  " };
                file += line;
            }
        }
        file
    }

    /// Writes the file whole or not at all; where nothing is kept, there is no file. Nothing is written that is there.
    pub fn write(&self, path: &Path) -> Result<()> {
        let doing = || format!("write `{}`", path.display());
        if self.blocks.is_empty() {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::io(doing(), &error)),
                _ => Ok(()),
            };
        }
        let text = self.print();
        if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".rbld.expected.").tempfile_in(folder).doing(doing)?;
        file.write_all(text.as_bytes()).doing(doing)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode).doing(doing)?;
        file.as_file().sync_all().doing(doing)?;
        file.persist(path).map_err(|error| error.error).doing(doing)?;
        Ok(())
    }
}

/// A test's text as it is written, on one line.
fn quoted(test: &str) -> String {
    Value::text(test).show()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_was_written() {
        let mut kept = Kept::default();
        kept.set("b", "one\n\n  two\n");
        kept.set("a \"quoted\"\nname", "[1, 2]\n");
        let text = kept.print();
        assert_eq!(
            text,
            "rbld-expected 1\n\ntest \"a \\\"quoted\\\"\\nname\"\n  [1, 2]\n\ntest \"b\"\n  one\n\n    two\n"
        );
        assert_eq!(Kept::parse(&text), Ok(kept.clone()));
        assert_eq!(kept.get("b"), Some("one\n\n  two\n"));
        kept.retain(["b"]);
        assert_eq!(kept.tests().collect::<Vec<_>>(), ["\"b\""]);
    }

    #[test]
    fn a_file_that_was_edited_wrongly_says_where() {
        let wrong = |text: &str| Kept::parse(text).map_err(|(line, _)| line);
        assert_eq!(wrong(""), Err(1));
        assert_eq!(wrong("rbld-expected 2\n"), Err(1));
        assert_eq!(wrong("rbld-expected 1\n<<<<<<< HEAD\n"), Err(2));
        assert_eq!(wrong("rbld-expected 1\ntest \"a\"\n  1\ntest \"a\"\n"), Err(4));
        assert_eq!(wrong("rbld-expected 1\ntest \"a\"\n1\n"), Err(3));
        assert_eq!(wrong("rbld-expected 1\n"), Ok(Kept::default()));
    }

    #[test]
    fn files_are_written_whole_and_go_when_nothing_is_kept() -> Result<()> {
        let folder = tempfile::tempdir().doing(|| "make a folder")?;
        let file = path(folder.path(), "build.rbld");
        assert!(file.ends_with("rbld.expected"));
        assert!(path(folder.path(), "lib/a.rbld").ends_with("lib/a.rbld.expected"));
        let mut kept = Kept::default();
        kept.set("a", "1\n");
        kept.write(&file)?;
        assert_eq!(Kept::read(&file)?, kept);
        Kept::default().write(&file)?;
        assert!(!file.exists());
        assert_eq!(Kept::read(&file)?, Kept::default());
        Ok(())
    }
}
