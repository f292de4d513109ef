//! `rbld.vendor`: what a vendored folder holds and what for, one fact a line. A text and its meaning; nothing is read
//! or fetched here.
//!
//! ```text
//! rbld-vendor 1
//! commit 136fc8bf… no 5f3c… 1234 src
//! file 4e83… 7256412 package git_2.39.5-0+deb12u2_amd64.deb
//! for build.rbld 77aa…
//! proof 136fc8bf… 90ab… 4711
//! release debian bookworm 2026-11-20T00:00:00Z 9d12… 151234
//! total 312 245300000
//! ```
//! Nothing in it is believed: what a line leads to is checked by a digest, a commit's id or a signature that the
//! project holds. the chapter of vendoring in `spec/` lists every line.

use std::collections::BTreeSet;

use rbld_lang::digest::Digest;

/// The name of the file in the folder.
pub const NAME: &str = "rbld.vendor";

/// The first line.
const FIRST: &str = "rbld-vendor 1";

/// The longest manifest that is read, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// A whole manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What it was written for: the name of a file, and the digest of its lock where it has one.
    pub of: Option<(String, Option<Digest>)>,
    /// The files, each as often as it has names.
    pub files: BTreeSet<FileRow>,
    /// The trees of commits.
    pub commits: BTreeSet<CommitRow>,
    /// The git objects that prove a commit's tree.
    pub proofs: BTreeSet<ProofRow>,
    /// Signed indexes.
    pub releases: BTreeSet<ReleaseRow>,
    /// How many files lie under `objects/` for it, and their bytes.
    pub total: (u64, u64),
}

/// A file that is known by its digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileRow {
    /// The sha256 of its bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
    /// What it is, one word: `package`, `source`, `file`, `index`, ….
    pub kind: String,
    /// What a person calls it.
    pub name: String,
}

/// The tree of a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitRow {
    /// The commit's full id.
    pub commit: String,
    /// Whether submodules are filled in.
    pub submodules: bool,
    /// The digest of the tree's message.
    pub tree: Digest,
    /// How many bytes that has.
    pub size: u64,
    /// What a person calls it.
    pub name: String,
}

/// The git objects that prove what a commit's tree is: the commit and its trees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProofRow {
    /// The commit's full id.
    pub commit: String,
    /// The digest of the objects' bytes.
    pub digest: Digest,
    /// How many bytes they have.
    pub size: u64,
}

/// The signed index that was current at an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseRow {
    /// The archive: `debian`.
    pub archive: String,
    /// The suite: `bookworm`.
    pub suite: String,
    /// The pinned instant, as the language writes it.
    pub instant: String,
    /// The digest of the `InRelease`.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

impl Manifest {
    /// Its text: the first line, then all others sorted bytewise.
    pub fn print(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        if let Some((name, lock)) = &self.of {
            let lock = lock.map_or_else(|| "-".to_owned(), |lock| lock.to_hex());
            lines.push(format!("for {lock} {}", quoted(name)));
        }
        for FileRow { digest, size, kind, name } in &self.files {
            lines.push(format!("file {digest} {size} {} {}", word(kind), quoted(name)));
        }
        for CommitRow { commit, submodules, tree, size, name } in &self.commits {
            let submodules = if *submodules { "yes" } else { "no" };
            lines.push(format!("commit {commit} {submodules} {tree} {size} {}", quoted(name)));
        }
        for ProofRow { commit, digest, size } in &self.proofs {
            lines.push(format!("proof {commit} {digest} {size}"));
        }
        for ReleaseRow { archive, suite, instant, digest, size } in &self.releases {
            lines.push(format!("release {} {} {instant} {digest} {size}", word(archive), word(suite)));
        }
        lines.push(format!("total {} {}", self.total.0, self.total.1));
        lines.sort();
        lines.insert(0, FIRST.to_owned());
        lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// Reads a text; a failure is the number of a line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Manifest, (usize, String)> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        match lines.next() {
            Some((_, FIRST)) => {}
            Some((_, line)) if line.starts_with("rbld-vendor ") => {
                return Err((1, format!("it is of a newer rbld: this one reads `{FIRST}`")));
            }
            _ => return Err((1, format!("it doesn't begin with `{FIRST}`"))),
        }
        let mut manifest = Manifest::default();
        for (number, line) in lines {
            manifest.line(line).ok_or_else(|| (number, format!("`{}` can't be read", quoted(line))))?;
        }
        Ok(manifest)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "for" => {
                let (lock, name) = rest.split_once(' ')?;
                let lock = if lock == "-" { None } else { Some(digest(lock)?) };
                self.of = Some((unquoted(name)?, lock));
            }
            "file" => {
                let mut words = rest.splitn(4, ' ');
                let (of, size) = (digest(words.next()?)?, words.next()?.parse().ok()?);
                let (kind, name) = (unquoted(words.next()?)?, unquoted(words.next()?)?);
                self.files.insert(FileRow { digest: of, size, kind, name });
            }
            "commit" => {
                let mut words = rest.splitn(5, ' ');
                let commit = commit(words.next()?)?;
                let submodules = match words.next()? {
                    "yes" => true,
                    "no" => false,
                    _ => return None,
                };
                let (tree, size) = (digest(words.next()?)?, words.next()?.parse().ok()?);
                let name = unquoted(words.next()?)?;
                self.commits.insert(CommitRow { commit, submodules, tree, size, name });
            }
            "proof" => {
                let [of, objects, size] = words(rest)?;
                let (commit, digest, size) = (commit(of)?, digest(objects)?, size.parse().ok()?);
                self.proofs.insert(ProofRow { commit, digest, size });
            }
            "release" => {
                let [archive, suite, instant, of, size] = words(rest)?;
                self.releases.insert(ReleaseRow {
                    archive: unquoted(archive)?,
                    suite: unquoted(suite)?,
                    instant: instant.to_owned(),
                    digest: digest(of)?,
                    size: size.parse().ok()?,
                });
            }
            "total" => {
                let [files, bytes] = words(rest)?;
                self.total = (files.parse().ok()?, bytes.parse().ok()?);
            }
            _ => return None,
        }
        Some(())
    }
}

fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split(' ').collect::<Vec<_>>().try_into().ok()
}

fn digest(text: &str) -> Option<Digest> {
    let lower = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| text.parse().ok()).flatten()
}

fn commit(text: &str) -> Option<String> {
    let fits =
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    fits.then(|| text.to_owned())
}

/// A text that ends a line: control characters and `%` as `%` and two digits a byte.
fn quoted(text: &str) -> String {
    escaped(text, |letter| letter.is_control() || letter == '%')
}

/// A text that is one word: blanks are written so, too.
fn word(text: &str) -> String {
    escaped(text, |letter| letter.is_control() || letter.is_whitespace() || letter == '%')
}

fn escaped(text: &str, odd: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if odd(letter) {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02x}"));
            }
        } else {
            out.push(letter);
        }
    }
    out
}

fn unquoted(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (code, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let id = "1".repeat(40);
        let mut manifest = Manifest {
            of: Some(("a b.rbld".to_owned(), Some(one))),
            total: (3, 1 << 40),
            ..Manifest::default()
        };
        let row =
            |name: &str| FileRow { digest: one, size: 7, kind: "package".to_owned(), name: name.to_owned() };
        manifest.files.extend([row("a b"), row("a\n%b")]);
        let name = "src".to_owned();
        manifest.commits.insert(CommitRow { commit: id.clone(), submodules: true, tree: two, size: 0, name });
        manifest.proofs.insert(ProofRow { commit: id, digest: one, size: 1 });
        manifest.releases.insert(ReleaseRow {
            archive: "debian".to_owned(),
            suite: "bookworm".to_owned(),
            instant: "2026-11-20T00:00:00Z".to_owned(),
            digest: two,
            size: 9,
        });
        let text = manifest.print();
        assert_eq!(Manifest::parse(&text), Ok(manifest));
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert!(lines.is_sorted(), "{text}");
    }

    #[test]
    fn what_is_wrong_says_where() {
        for (text, line) in [
            ("", 1),
            ("rbld-vendor 2\n", 1),
            ("rbld-vendor 1\n\n", 2),
            ("rbld-vendor 1\ntotal 1 1\nfile x 1 package a\n", 3),
            ("rbld-vendor 1\nmore\n", 2),
            ("rbld-vendor 1\ntotal 1\n", 2),
            ("rbld-vendor 1\ntotal -1 1\n", 2),
        ] {
            assert_eq!(Manifest::parse(text).map_err(|(line, _)| line), Err(line), "{text:?}");
        }
        let upper = format!("rbld-vendor 1\nfile {} 1 package a\n", Digest::of(b"1").to_hex().to_uppercase());
        assert!(Manifest::parse(&upper).is_err());
        let odd = format!("rbld-vendor 1\nfile {} 1 package %f\n", Digest::of(b"1"));
        assert!(Manifest::parse(&odd).is_err());
    }

    proptest::proptest! {
        /// A text of any content is refused or means what it says.
        #[test]
        fn any_text_is_read_or_refused(text in "(rbld-vendor 1\n)?((file|commit|proof|for|total|release)?[ a-f0-9%yesno-]{0,90}\n){0,4}") {
            if let Ok(manifest) = Manifest::parse(&text) {
                proptest::prop_assert_eq!(Manifest::parse(&manifest.print()), Ok(manifest));
            }
        }
    }
}
