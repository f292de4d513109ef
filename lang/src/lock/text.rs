//! The lock as text: one fact a line, its words separated by one blank.

use std::collections::BTreeMap;

use super::guix::{self, Channel, Closure, LockedItem};
use super::{Beside, Block, Facts, Index, Lock, LockedPackage, Request, SuiteAt};
use crate::derivation::{Arch, ArchiveId, Package, PoolFile, SearchPath};
use crate::digest::Digest;
use crate::syntax::{read_instant, show_instant};

/// The version of the format, in the first line.
const VERSION: u32 = 1;

/// Why a lock can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct LockError {
    /// The line, from one.
    pub line: usize,
    /// A lower-case sentence.
    pub message: String,
    /// What to type next.
    pub help: String,
}

const REWRITE: &str = "`rbld lock` writes the file anew; nothing in it needs an editor";

fn error(line: usize, message: impl Into<String>) -> LockError {
    LockError { line, message: message.into(), help: REWRITE.to_owned() }
}

/// The text of a lock: blocks by request, lines by kind and name.
pub fn print(lock: &Lock) -> String {
    let mut text = format!("rbld-lock {VERSION}\n");
    for (digest, block) in &lock.blocks {
        text.push_str(&format!("\nrequest {digest}\n"));
        for line in lines(block) {
            text.push_str(&line.join(" "));
            text.push('\n');
        }
    }
    text
}

/// The lines of a block below its request, as words.
fn lines(block: &Block) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let from = |kind: &str, suite: &SuiteAt| {
        let components = list(&suite.components);
        vec![
            kind.to_owned(),
            word(&suite.archive),
            word(&suite.suite),
            components,
            show_instant(suite.instant),
        ]
    };
    match &block.title {
        Request::Environment { suite, arch, .. } => {
            lines.push([from("environment", suite), vec![arch.name().to_owned()]].concat());
        }
        Request::Source { suite, name, arch } => {
            lines.push([from("source", suite), vec![word(name), arch.name().to_owned()]].concat());
        }
        Request::Emulator { suite, host } => {
            lines.push([from("emulator", suite), vec![host.name().to_owned()]].concat())
        }
        Request::Guix { arch, channels, packages, items } => {
            lines.push(vec!["guix".to_owned(), arch.name().to_owned()]);
            lines.extend(channels.iter().map(Channel::line));
            lines.extend(each("asked", packages));
            lines.extend(each("asked-item", items));
        }
    }
    if let Some(suite) = block.title.suite() {
        lines.extend(suite.keyring.iter().map(|keyring| vec!["keyring".to_owned(), keyring.to_hex()]));
        lines.extend(suites(&suite.beside));
    }
    if let Request::Environment { packages, build_depends, .. } = &block.title {
        lines.extend(each("asked", packages));
        lines.extend(each("asked-build-depends", build_depends));
    }
    let mut indexes: Vec<&Index> = block.indexes.iter().collect();
    indexes.sort();
    lines.extend(indexes.into_iter().map(index));
    match &block.facts {
        Facts::Environment { packages, roots, tree } => {
            let mut packages: Vec<&LockedPackage> = packages.iter().collect();
            packages.sort();
            packages.sort_by_key(|locked| order(locked));
            lines.extend(packages.into_iter().map(package));
            lines.extend(each("root", roots));
            lines.extend(tree.iter().map(|tree| vec!["tree".to_owned(), tree.to_hex()]));
        }
        Facts::Source { version, files, binaries } => {
            lines.push(vec!["version".to_owned(), word(version)]);
            lines.extend(pool("file", files));
            lines.extend(pool("binary", binaries));
        }
        Facts::Emulator(locked) => lines.push(package(locked)),
        Facts::Guix(closure) => {
            lines.push(vec!["resolver".to_owned(), word(&closure.resolver)]);
            let mut items: Vec<&LockedItem> = closure.items.iter().collect();
            items.sort();
            lines.extend(items.into_iter().map(LockedItem::line));
            lines.extend(guix::profile_lines(&closure.profile));
            lines.extend(guix::search_path_lines(&closure.search_paths));
            lines.extend(closure.tree.iter().map(|tree| vec!["tree".to_owned(), tree.to_hex()]));
        }
    }
    lines
}

/// What locked packages are sorted by.
fn order(locked: &LockedPackage) -> (&str, &str, &str) {
    (&locked.package.name, &locked.package.arch, &locked.package.version)
}

fn each(kind: &str, names: &[String]) -> Vec<Vec<String>> {
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names.into_iter().map(|name| vec![kind.to_owned(), word(name)]).collect()
}

/// The suites beside the first, a line each.
fn suites(beside: &[Beside]) -> Vec<Vec<String>> {
    let mut beside: Vec<&Beside> = beside.iter().collect();
    beside.sort();
    let line = |one: &Beside| {
        let mut line = vec!["suite".to_owned(), word(&one.archive), word(&one.suite), list(&one.components)];
        line.extend(one.keyring.map(|keyring| keyring.to_hex()));
        line
    };
    beside.into_iter().map(line).collect()
}

fn index(index: &Index) -> Vec<String> {
    let until = index.valid_until.map_or("-".to_owned(), show_instant);
    let date = show_instant(index.date);
    let mut line =
        vec!["index".to_owned(), word(&index.suite), index.digest.to_hex(), date, until, word(&index.signer)];
    line.extend(index.archive.as_deref().map(word));
    line
}

/// Where a file is that isn't in the request's first archive: the archive and its instant.
fn origin(origin: Option<&ArchiveId>) -> Vec<String> {
    origin.map_or(Vec::new(), |origin| vec![word(&origin.name), show_instant(origin.instant)])
}

fn package(locked: &LockedPackage) -> Vec<String> {
    let package = &locked.package;
    let mut line = vec![
        "package".to_owned(),
        word(&package.name),
        word(&package.version),
        word(&package.arch),
        package.digest.to_hex(),
        package.size.to_string(),
        word(&package.path),
        list(&locked.needs),
    ];
    line.extend(origin(package.origin.as_ref()));
    line
}

fn pool(kind: &str, files: &[PoolFile]) -> Vec<Vec<String>> {
    let mut files: Vec<&PoolFile> = files.iter().collect();
    files.sort();
    let line = |file: &PoolFile| {
        let mut line = vec![
            kind.to_owned(),
            word(&file.name),
            file.digest.to_hex(),
            file.size.to_string(),
            word(&file.path),
        ];
        line.extend(origin(file.origin.as_ref()));
        line
    };
    files.into_iter().map(line).collect()
}

/// A value as one word: what would end the word or the line, or be taken for something else, as `%` and two digits.
pub(super) fn word(value: &str) -> String {
    let mut word = String::with_capacity(value.len());
    for letter in value.chars() {
        if letter.is_whitespace() || letter.is_control() || ['%', ','].contains(&letter) || value == "-" {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                word.push_str(&format!("%{byte:02X}"));
            }
        } else {
            word.push(letter);
        }
    }
    if word.is_empty() { "%".to_owned() } else { word }
}

/// What [`word`] wrote.
fn value(word: &str) -> Option<String> {
    if word == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

pub(super) fn list(values: &[String]) -> String {
    let mut words: Vec<String> = values.iter().map(|value| word(value)).collect();
    words.sort();
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}

/// Reads a lock. The order of blocks and lines doesn't matter, since a merge may change it; all else does.
pub fn parse(text: &str) -> Result<Lock, LockError> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end_matches('\r')));
    header(lines.next())?;
    let mut lock = Lock::default();
    let mut open: Option<Open> = None;
    for (number, text) in lines {
        if text.is_empty() {
            continue;
        }
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| text.starts_with(mark)) {
            return Err(LockError {
                line: number,
                message: "a merge conflict that isn't settled".to_owned(),
                help: "keep either side, take the marks out, then run `rbld lock`: it resolves only what doesn't match"
                    .to_owned(),
            });
        }
        let mut line = Line { number, words: text.split(' '), kind: "" };
        line.kind = line.next("the kind of the line")?;
        if line.kind == "request" {
            close(&mut lock, open.take())?;
            let digest = line.digest("the request")?;
            open = Some(Open { line: number, digest, title: None, known: BTreeMap::new() });
        } else {
            let Some(block) = &mut open else {
                return Err(error(number, format!("`{}` stands before the first `request`", line.kind)));
            };
            block.line(&mut line)?;
        }
        line.end()?;
    }
    close(&mut lock, open)?;
    Ok(lock)
}

fn header(first: Option<(usize, &str)>) -> Result<(), LockError> {
    let line = first.map_or("", |(_, line)| line);
    let Some(version) = line.strip_prefix("rbld-lock ") else {
        return Err(error(1, format!("the first line is not `rbld-lock {VERSION}`")));
    };
    match version.parse::<u32>() {
        Ok(VERSION) => Ok(()),
        Ok(newer) if newer > VERSION => Err(LockError {
            line: 1,
            message: format!("the lock has format {newer}, this rbld reads format {VERSION}"),
            help: "install a newer rbld; `rbld --version` says which one this is".to_owned(),
        }),
        _ => Err(error(1, format!("there is no lock format `{version}`"))),
    }
}

/// A line and its words from left to right.
pub(super) struct Line<'a> {
    number: usize,
    words: std::str::Split<'a, char>,
    kind: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn error(&self, message: impl Into<String>) -> LockError {
        error(self.number, message)
    }

    fn next(&mut self, what: &str) -> Result<&'a str, LockError> {
        match self.words.next() {
            Some(word) if !word.is_empty() => Ok(word),
            Some(_) => Err(self.error("two blanks beside each other, or one at an end of the line")),
            None => Err(self.error(format!("`{}` without {what}", self.kind))),
        }
    }

    pub(super) fn value(&mut self, what: &str) -> Result<String, LockError> {
        let word = self.next(what)?;
        value(word).ok_or_else(|| self.error(format!("`{word}` is not {what}")))
    }

    /// A value, or nothing for `-`.
    pub(super) fn maybe(&mut self, what: &str) -> Result<Option<String>, LockError> {
        self.read(&format!("{what} or `-`"), |word| match word {
            "-" => Some(None),
            word => value(word).map(Some),
        })
    }

    pub(super) fn list(&mut self, what: &str) -> Result<Vec<String>, LockError> {
        let mut values = self.list_as_written(what)?;
        values.sort();
        Ok(values)
    }

    /// A list whose order matters.
    pub(super) fn list_as_written(&mut self, what: &str) -> Result<Vec<String>, LockError> {
        let words = self.next(what)?;
        if words == "-" {
            return Ok(Vec::new());
        }
        let mut values = Vec::new();
        for word in words.split(',') {
            let value = if word.is_empty() { None } else { value(word) };
            values.push(value.ok_or_else(|| self.error(format!("`{words}` is not {what}")))?);
        }
        Ok(values)
    }

    pub(super) fn read<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, LockError> {
        let word = self.next(what)?;
        read(word).ok_or_else(|| self.error(format!("`{word}` is not {what}")))
    }

    pub(super) fn digest(&mut self, what: &str) -> Result<Digest, LockError> {
        self.read(&format!("{what}: 64 hexadecimal digits"), |word| {
            word.parse().ok().filter(|digest: &Digest| digest.to_hex() == word)
        })
    }

    pub(super) fn number(&mut self, what: &str) -> Result<u64, LockError> {
        self.read(what, |word| word.parse().ok().filter(|number: &u64| number.to_string() == word))
    }

    fn arch(&mut self) -> Result<Arch, LockError> {
        self.read("an architecture", Arch::from_name)
    }

    fn instant(&mut self, what: &str) -> Result<i64, LockError> {
        self.read(what, read_instant)
    }

    /// Whether the line goes on.
    fn more(&self) -> bool {
        self.words.clone().next().is_some()
    }

    /// The archive and its instant, where the line goes on with them.
    fn origin(&mut self) -> Result<Option<ArchiveId>, LockError> {
        if !self.more() {
            return Ok(None);
        }
        Ok(Some(ArchiveId {
            name: self.value("an archive")?,
            instant: self.instant("the instant of the archive")?,
        }))
    }

    fn end(&mut self) -> Result<(), LockError> {
        match self.words.next() {
            None => Ok(()),
            Some(more) => Err(self.error(format!("`{}` goes on with `{more}`", self.kind))),
        }
    }
}

/// A block while its lines are read.
struct Open {
    line: usize,
    digest: Digest,
    title: Option<Request>,
    /// The facts by kind.
    known: BTreeMap<&'static str, Vec<Fact>>,
}

/// One fact of a block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Name(String),
    Keyring(Digest),
    Beside(Beside),
    Index(Index),
    Package(LockedPackage),
    Pool(PoolFile),
    Tree(Digest),
    Channel(Channel),
    Item(LockedItem),
    Profile((u64, String)),
    SearchPath((u64, SearchPath)),
}

impl Open {
    fn line(&mut self, line: &mut Line<'_>) -> Result<(), LockError> {
        if let Some(title) = title(line)? {
            if let Some(known) = &self.title {
                return Err(line.error(format!("a second title; the block is already `{}`", known.title())));
            }
            self.title = Some(title);
            return Ok(());
        }
        let (kind, fact) = fact(line)?;
        let facts = self.known.entry(kind).or_default();
        if facts.contains(&fact) {
            return Err(line.error(format!("the same `{kind}` line twice in one block")));
        }
        facts.push(fact);
        Ok(())
    }

    fn take<T>(&mut self, kind: &str, want: impl Fn(Fact) -> Option<T>) -> Vec<T> {
        let mut facts = self.known.remove(kind).unwrap_or_default();
        facts.sort();
        facts.into_iter().filter_map(want).collect()
    }

    fn names(&mut self, kind: &str) -> Vec<String> {
        self.take(kind, |fact| if let Fact::Name(name) = fact { Some(name) } else { None })
    }

    fn packages(&mut self) -> Vec<LockedPackage> {
        let mut packages =
            self.take("package", |fact| if let Fact::Package(package) = fact { Some(package) } else { None });
        packages.sort_by(|a, b| order(a).cmp(&order(b)));
        packages
    }

    fn pool(&mut self, kind: &str) -> Vec<PoolFile> {
        self.take(kind, |fact| if let Fact::Pool(file) = fact { Some(file) } else { None })
    }

    fn tree(&mut self, line: usize) -> Result<Option<Digest>, LockError> {
        let trees = self.take("tree", |fact| if let Fact::Tree(tree) = fact { Some(tree) } else { None });
        match trees.len() {
            0 | 1 => Ok(trees.first().copied()),
            _ => Err(error(line, "the block has more than one `tree` line")),
        }
    }

    fn closure(&mut self, line: usize, resolver: String) -> Result<Closure, LockError> {
        let profile =
            self.take("profile", |fact| if let Fact::Profile(one) = fact { Some(one) } else { None });
        let paths =
            self.take("search-path", |fact| if let Fact::SearchPath(one) = fact { Some(one) } else { None });
        let unordered =
            |kind: &str| error(line, format!("the `{kind}` lines are not numbered from 1 on, each once"));
        let items: Vec<LockedItem> =
            self.take("item", |fact| if let Fact::Item(item) = fact { Some(item) } else { None });
        if let Some(pair) = items.windows(2).find(|pair| pair[0].item.path == pair[1].item.path) {
            return Err(error(line, format!("the block has `{}` with two digests", pair[0].item.name())));
        }
        Ok(Closure {
            resolver,
            items,
            profile: guix::in_order(profile).ok_or_else(|| unordered("profile"))?,
            search_paths: guix::in_order(paths).ok_or_else(|| unordered("search-path"))?,
            tree: self.tree(line)?,
        })
    }

    fn block(mut self) -> Result<Block, LockError> {
        let line = self.line;
        let Some(mut title) = self.title.take() else {
            return Err(error(line, "a block without a line that says what was asked"));
        };
        let indexes =
            self.take("index", |fact| if let Fact::Index(index) = fact { Some(index) } else { None });
        let one = |kind: &str, count: usize| match count {
            1 => Ok(()),
            0 => Err(error(line, format!("the block has no `{kind}` line"))),
            _ => Err(error(line, format!("the block has more than one `{kind}` line"))),
        };
        if let Some(suite) = title.suite_mut() {
            let keyrings = self
                .take("keyring", |fact| if let Fact::Keyring(digest) = fact { Some(digest) } else { None });
            if keyrings.len() > 1 {
                one("keyring", keyrings.len())?;
            }
            suite.keyring = keyrings.first().copied();
            suite.beside =
                self.take("suite", |fact| if let Fact::Beside(beside) = fact { Some(beside) } else { None });
        }
        let facts = match &mut title {
            Request::Environment { packages, build_depends, .. } => {
                *packages = self.names("asked");
                *build_depends = self.names("asked-build-depends");
                Facts::Environment {
                    packages: self.packages(),
                    roots: self.names("root"),
                    tree: self.tree(line)?,
                }
            }
            Request::Source { .. } => {
                let versions = self.names("version");
                one("version", versions.len())?;
                Facts::Source {
                    version: versions.concat(),
                    files: self.pool("file"),
                    binaries: self.pool("binary"),
                }
            }
            Request::Emulator { .. } => {
                let mut packages = self.packages();
                one("package", packages.len())?;
                match packages.pop() {
                    Some(package) => Facts::Emulator(package),
                    None => return Err(error(line, "the block has no `package` line")),
                }
            }
            Request::Guix { channels, packages, items, .. } => {
                *channels =
                    self.take("channel", |fact| if let Fact::Channel(one) = fact { Some(one) } else { None });
                *packages = self.names("asked");
                *items = self.names("asked-item");
                let resolver = self.names("resolver");
                one("resolver", resolver.len())?;
                Facts::Guix(self.closure(line, resolver.concat())?)
            }
        };
        match self.known.keys().next() {
            Some(kind) => {
                Err(error(line, format!("a `{kind}` line has no place in the block of this request")))
            }
            None => Ok(Block { title, indexes, facts }),
        }
    }
}

fn close(lock: &mut Lock, open: Option<Open>) -> Result<(), LockError> {
    let Some(open) = open else { return Ok(()) };
    let (line, digest) = (open.line, open.digest);
    let block = open.block()?;
    match lock.blocks.insert(digest, block) {
        None => Ok(()),
        Some(_) => Err(error(line, "a second block for the same request")),
    }
}

/// The line that says what was asked; what it asks for in lines of their own is filled in when the block ends.
fn title(line: &mut Line<'_>) -> Result<Option<Request>, LockError> {
    if line.kind == "guix" {
        let arch = line.arch()?;
        let (channels, packages, items) = Default::default();
        return Ok(Some(Request::Guix { arch, channels, packages, items }));
    }
    if !["environment", "source", "emulator"].contains(&line.kind) {
        return Ok(None);
    }
    let suite = SuiteAt {
        archive: line.value("an archive")?,
        suite: line.value("a suite")?,
        components: line.list("components")?,
        instant: line.instant("an instant")?,
        ..SuiteAt::default()
    };
    Ok(Some(match line.kind {
        "environment" => Request::Environment {
            suite,
            arch: line.arch()?,
            packages: Vec::new(),
            build_depends: Vec::new(),
        },
        "source" => Request::Source { suite, name: line.value("a source package")?, arch: line.arch()? },
        _ => Request::Emulator { suite, host: line.arch()? },
    }))
}

/// Any other line.
fn fact(line: &mut Line<'_>) -> Result<(&'static str, Fact), LockError> {
    let names = ["asked", "asked-build-depends", "asked-item", "resolver", "root", "version"];
    if let Some(kind) = names.into_iter().find(|kind| *kind == line.kind) {
        return Ok((kind, Fact::Name(line.value("a name")?)));
    }
    Ok(match line.kind {
        "keyring" => ("keyring", Fact::Keyring(line.digest("the digest of the keyring")?)),
        "suite" => (
            "suite",
            Fact::Beside(Beside {
                archive: line.value("an archive")?,
                suite: line.value("a suite")?,
                components: line.list("components")?,
                keyring: match line.more() {
                    true => Some(line.digest("the digest of the keyring")?),
                    false => None,
                },
            }),
        ),
        "index" => (
            "index",
            Fact::Index(Index {
                suite: line.value("a suite")?,
                digest: line.digest("the digest of the index")?,
                date: line.instant("the date of the index")?,
                valid_until: line.read("an instant or `-`", |word| match word {
                    "-" => Some(None),
                    word => read_instant(word).map(Some),
                })?,
                signer: line.value("a fingerprint")?,
                archive: match line.more() {
                    true => Some(line.value("an archive")?),
                    false => None,
                },
            }),
        ),
        "package" => (
            "package",
            Fact::Package({
                let mut package = Package {
                    name: line.value("a package")?,
                    version: line.value("a version")?,
                    arch: line.value("an architecture")?,
                    digest: line.digest("the digest of the package")?,
                    size: line.number("a size in bytes")?,
                    path: line.value("a path")?,
                    origin: None,
                };
                let needs = line.list("names of packages")?;
                package.origin = line.origin()?;
                LockedPackage { package, needs }
            }),
        ),
        "file" | "binary" => {
            let kind = if line.kind == "file" { "file" } else { "binary" };
            (
                kind,
                Fact::Pool(PoolFile {
                    name: line.value("a file's name")?,
                    digest: line.digest("the digest of the file")?,
                    size: line.number("a size in bytes")?,
                    path: line.value("a path")?,
                    origin: line.origin()?,
                }),
            )
        }
        "channel" => ("channel", Fact::Channel(Channel::read(line)?)),
        "item" => ("item", Fact::Item(LockedItem::read(line)?)),
        "profile" => ("profile", Fact::Profile(guix::read_profile(line)?)),
        "search-path" => ("search-path", Fact::SearchPath(guix::read_search_path(line)?)),
        "tree" => ("tree", Fact::Tree(line.digest("the digest of the tree")?)),
        other => return Err(line.error(format!("no line of a lock begins with `{other}`"))),
    })
}
