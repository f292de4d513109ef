//! Text archives: a comment, then files, each begun by a line `-- name --`.
//!
//! Every text is an archive, so nothing here fails: what comes before the first such line is the comment.

use std::fmt;

/// A comment and files.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Archive {
    /// What stands before the first file.
    pub(crate) comment: String,
    /// The files' names and texts, in order.
    pub(crate) files: Vec<(String, String)>,
}

impl Archive {
    /// Reads an archive.
    pub(crate) fn parse(text: &str) -> Archive {
        let mut archive = Archive::default();
        for line in text.split_inclusive('\n') {
            match marker(line) {
                Some(name) => archive.files.push((name.to_owned(), String::new())),
                None => {
                    archive.files.last_mut().map_or(&mut archive.comment, |(_, text)| text).push_str(line)
                }
            }
        }
        archive
    }

    /// The text of the file of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(have, _)| have == name).map(|(_, text)| text.as_str())
    }

    /// Puts a file in, in its place if it was there, else at the end; an empty text takes it out.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        match self.files.iter_mut().find(|(have, _)| have == name) {
            _ if text.is_empty() => self.files.retain(|(have, _)| have != name),
            Some((_, have)) => *have = text.to_owned(),
            None => self.files.push((name.to_owned(), text.to_owned())),
        }
    }
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_whole(f, &self.comment)?;
        for (name, text) in &self.files {
            writeln!(f, "-- {name} --")?;
            write_whole(f, text)?;
        }
        Ok(())
    }
}

/// Texts end with a line's end, or are empty: a marker begins a line.
fn write_whole(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(text)?;
    if text.is_empty() || text.ends_with('\n') { Ok(()) } else { f.write_str("\n") }
}

fn marker(line: &str) -> Option<&str> {
    let name = line.trim_end().strip_prefix("-- ")?.strip_suffix(" --")?.trim();
    (!name.is_empty()).then_some(name)
}
