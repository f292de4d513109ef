//! Lists of sha256 sums, as `sha256sum` writes them, with or without `--tag`.
//!
//! Takes anything that somebody else wrote: lines that are no sums say nothing.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::digest::Digest;

/// What a list says of files, by their names as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<String, BTreeSet<Digest>>);

impl Sums {
    /// Reads a list.
    pub(super) fn read(text: &str) -> Sums {
        let mut sums: BTreeMap<String, BTreeSet<Digest>> = BTreeMap::new();
        for (name, digest) in text.lines().filter_map(|line| line_of(line.trim_end_matches('\r'))) {
            sums.entry(name).or_default().insert(digest);
        }
        Sums(sums)
    }

    /// What it says of a file: by its path, else of all files called so, in whatever folder. Two digests are two things
    /// said of one name.
    pub(super) fn of(&self, path: &str) -> BTreeSet<Digest> {
        if let Some(digests) = self.0.get(path) {
            return digests.clone();
        }
        let name = last(path);
        self.0
            .iter()
            .filter(|(known, _)| last(known) == name)
            .flat_map(|(_, digests)| digests)
            .copied()
            .collect()
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `DIGEST  NAME`, `DIGEST *NAME`, `\DIGEST  NAME` with escapes, or `SHA256 (NAME) = DIGEST`.
fn line_of(line: &str) -> Option<(String, Digest)> {
    if let Some(rest) = line.strip_prefix("SHA256 (") {
        let (name, digest) = rest.rsplit_once(") = ")?;
        return Some((name.to_owned(), digest.parse().ok()?));
    }
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let digest = line.get(..64)?.parse().ok()?;
    let name = line.get(64..)?.strip_prefix(' ')?;
    let name = name.strip_prefix([' ', '*'])?;
    if name.is_empty() {
        return None;
    }
    Some((if escaped { name.replace("\\n", "\n").replace("\\\\", "\\") } else { name.to_owned() }, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_anything_else_says_nothing() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let text =
            format!("# sums\n{a}  out/x.tar\n{b} *y.tar\r\nSHA256 (z (1).tar) = {a}\n{a}\nabc  x\n{a}  \n");
        let sums = Sums::read(&text);
        assert_eq!(sums.of("x.tar"), BTreeSet::from([a]));
        assert_eq!(sums.of("deep/y.tar"), BTreeSet::from([b]));
        assert_eq!(sums.of("z (1).tar"), BTreeSet::from([a]));
        assert!(sums.of("w").is_empty());
    }

    #[test]
    fn two_digests_of_one_name_are_both_told() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let sums = Sums::read(&format!("{a}  one/x\n{b}  two/x\n"));
        assert_eq!(sums.of("x"), BTreeSet::from([a, b]));
        assert_eq!(sums.of("two/x"), BTreeSet::from([b]));
    }
}
