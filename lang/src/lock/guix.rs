//! What a lock holds of Guix: the channels that were asked for, the closure they came to, the profile. Its lines, as
//! words, and what in them no longer holds together.

use std::collections::{BTreeMap, BTreeSet};

use super::Stale;
use super::text::{Line, LockError, list, word};
use crate::derivation::guix::{FileKind, STORE, is_item_name};
use crate::derivation::{GuixItem, SearchPath};
use crate::digest::{Digest, Manifest};

/// A channel at a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// Its name: `guix`.
    pub name: String,
    /// The full id of the commit.
    pub commit: String,
    /// Its repository; `None` for that of Guix itself, as Guix knows it.
    pub url: Option<String>,
    /// The branch that the commit is on.
    pub branch: Option<String>,
    /// From where on its commits are signed: a commit, and the fingerprint of the key that signed it.
    pub introduction: Option<(String, String)>,
}

/// What the packages of a request came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closure {
    /// The version of the Guix that resolved it; `substitutes` when only store items were asked for.
    pub resolver: String,
    /// The items, sorted by path.
    pub items: Vec<LockedItem>,
    /// The names of the items that the profile unites, what comes first going first.
    pub profile: Vec<String>,
    /// The variables that the profile sets, in Guix's order.
    pub search_paths: Vec<SearchPath>,
    /// The digest of the folder `/gnu`, once realised.
    pub tree: Option<Digest>,
}

/// A store item and who vouched for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedItem {
    /// The item.
    pub item: GuixItem,
    /// The names of the items that it refers to, sorted; its own may be among them.
    pub references: Vec<String>,
    /// The public key whose signature was checked: its point, upper-case hexadecimal.
    pub signer: String,
}

impl Channel {
    pub(super) fn manifest(&self, to: &mut impl Manifest) {
        to.field("channel", self.name.as_bytes());
        to.field("commit", self.commit.as_bytes());
        to.field("url", self.url.as_deref().unwrap_or("").as_bytes());
        to.field("branch", self.branch.as_deref().unwrap_or("").as_bytes());
        let (commit, key) = self.introduction.as_ref().map_or(("", ""), |(commit, key)| (commit, key));
        to.field("introduction", commit.as_bytes());
        to.field("signer", key.as_bytes());
    }

    pub(super) fn line(&self) -> Vec<String> {
        let maybe = |value: Option<&String>| value.map_or("-".to_owned(), |value| word(value));
        vec![
            "channel".to_owned(),
            word(&self.name),
            word(&self.commit),
            maybe(self.url.as_ref()),
            maybe(self.branch.as_ref()),
            maybe(self.introduction.as_ref().map(|(commit, _)| commit)),
            maybe(self.introduction.as_ref().map(|(_, key)| key)),
        ]
    }

    pub(super) fn read(line: &mut Line<'_>) -> Result<Channel, LockError> {
        let name = line.value("a channel")?;
        let commit = line.read("a commit", |word| is_commit(word).then(|| word.to_owned()))?;
        let (url, branch) = (line.maybe("an address")?, line.maybe("a branch")?);
        let introduction = match (line.maybe("a commit")?, line.maybe("a fingerprint")?) {
            (Some(commit), Some(key)) => Some((commit, key)),
            (None, None) => None,
            _ => return Err(line.error("an introduction is a commit and a fingerprint, or neither")),
        };
        Ok(Channel { name, commit, url, branch, introduction })
    }
}

/// Whether it is the full id of a commit.
pub fn is_commit(word: &str) -> bool {
    word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl LockedItem {
    pub(super) fn line(&self) -> Vec<String> {
        vec![
            "item".to_owned(),
            word(self.item.name()),
            self.item.nar_hash.to_hex(),
            self.item.nar_size.to_string(),
            word(&self.signer),
            list(&self.references),
        ]
    }

    pub(super) fn read(line: &mut Line<'_>) -> Result<LockedItem, LockError> {
        let item = GuixItem {
            path: format!("{STORE}/{}", name(line)?),
            nar_hash: line.digest("the digest of the nar")?,
            nar_size: line.number("a size in bytes")?,
        };
        let signer = line.value("a public key")?;
        let references = line.list("names of store items")?;
        match references.iter().find(|name| !is_item_name(name)) {
            Some(wrong) => Err(line.error(format!("`{wrong}` is not the name of a store item"))),
            None => Ok(LockedItem { item, references, signer }),
        }
    }
}

fn name(line: &mut Line<'_>) -> Result<String, LockError> {
    line.read("the name of a store item", |word| is_item_name(word).then(|| word.to_owned()))
}

/// `profile NUMBER NAME`, the number being its place.
pub(super) fn profile_lines(names: &[String]) -> Vec<Vec<String>> {
    let line =
        |(index, name): (usize, &String)| vec!["profile".to_owned(), (index + 1).to_string(), word(name)];
    names.iter().enumerate().map(line).collect()
}

pub(super) fn read_profile(line: &mut Line<'_>) -> Result<(u64, String), LockError> {
    Ok((line.number("a place in the profile")?, name(line)?))
}

/// `search-path NUMBER VARIABLE SEPARATOR KIND PATTERN FILES`.
pub(super) fn search_path_lines(paths: &[SearchPath]) -> Vec<Vec<String>> {
    let line = |(index, path): (usize, &SearchPath)| {
        let maybe = |value: &Option<String>| value.as_ref().map_or("-".to_owned(), |value| word(value));
        let files: Vec<String> = path.files.iter().map(|file| word(file)).collect();
        vec![
            "search-path".to_owned(),
            (index + 1).to_string(),
            word(&path.variable),
            maybe(&path.separator),
            path.kind.name().to_owned(),
            maybe(&path.pattern),
            if files.is_empty() { "-".to_owned() } else { files.join(",") },
        ]
    };
    paths.iter().enumerate().map(line).collect()
}

pub(super) fn read_search_path(line: &mut Line<'_>) -> Result<(u64, SearchPath), LockError> {
    let place = line.number("a place among the search paths")?;
    let path = SearchPath {
        variable: line.read("the name of a variable", |word| is_variable(word).then(|| word.to_owned()))?,
        separator: line.maybe("a separator")?,
        kind: line.read("`directory` or `regular`", FileKind::from_name)?,
        pattern: line.maybe("a regular expression")?,
        files: line.list_as_written("paths in a profile")?,
    };
    let odd = |text: &str| text.contains(['\n', '\0']);
    let texts = path.files.iter().chain(&path.separator).chain(&path.pattern);
    match texts.into_iter().any(|text| odd(text)) || path.files.iter().any(|file| !is_relative(file)) {
        true => Err(line.error(format!("`{}` is looked for outside the profile", path.variable))),
        false => Ok((place, path)),
    }
}

/// Whether a shell could have a variable of this name.
pub fn is_variable(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(letter)
}

/// Whether a path stays inside the folder that it starts in; an empty one is that folder.
pub fn is_relative(path: &str) -> bool {
    path.is_empty() || path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// What was numbered, in that order: every number from one on, each once.
pub(super) fn in_order<T>(numbered: Vec<(u64, T)>) -> Option<Vec<T>> {
    let mut placed: BTreeMap<u64, T> = BTreeMap::new();
    let count = numbered.len() as u64;
    for (place, what) in numbered {
        placed.insert(place, what);
    }
    let whole = placed.len() as u64 == count && placed.keys().copied().eq(1..=count);
    whole.then(|| placed.into_values().collect())
}

impl Closure {
    /// What doesn't hold together: an item that one refers to and that isn't there, one that nothing leads to.
    pub(super) fn stale(&self, title: &str, asked: &[String], stale: &mut BTreeSet<Stale>) {
        let by_name: BTreeMap<&str, &LockedItem> =
            self.items.iter().map(|locked| (locked.item.name(), locked)).collect();
        let roots = self.profile.iter().map(String::as_str);
        let asked = asked.iter().filter_map(|path| crate::derivation::guix::item_name(path));
        let mut queue: Vec<(&str, &str)> = roots.chain(asked).map(|name| (title, name)).collect();
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        while let Some((from, name)) = queue.pop() {
            let Some(found) = by_name.get(name) else {
                stale.insert(Stale::Unmet { package: from.to_owned(), need: name.to_owned() });
                continue;
            };
            if reached.insert(name) {
                queue.extend(found.references.iter().map(|reference| (name, reference.as_str())));
            }
        }
        for name in by_name.keys().filter(|name| !reached.contains(**name)) {
            stale.insert(Stale::Unneeded((*name).to_owned()));
        }
    }
}
