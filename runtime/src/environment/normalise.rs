//! What is made equal in every environment: traces of time, machine and order go, the `build` user comes.
//!
//! Two tables, each row with its reason. The first is for every environment and never changes; a row that came later
//! has a number and applies where a package asks for rules of at least that number
//! ([`environment_rules`](rbld_lang::derivation::environment_rules)), which is in the environment's key. Works on
//! trees; `spec/09-environments.md` shows the tables.

use crate::failure::{Failure, Result};
use crate::store::tree::{Folder, Node};

/// The one time there is, in days since 1970: that of `SOURCE_DATE_EPOCH` while packages are configured.
const DAY: i64 = super::configure::EPOCH / 86_400;

/// One row.
pub(super) struct Rule {
    /// What it applies to: a path; `*` stands for any characters but `/`, `**/` for any folders.
    pub(super) path: &'static str,
    /// What is done.
    pub(super) action: Action,
    /// Why.
    pub(super) reason: &'static str,
}

/// What a row does.
pub(super) enum Action {
    /// An empty folder is there, whatever was.
    Folder,
    /// It goes.
    Remove,
    /// If it is a file, it is empty.
    Empty,
    /// This file is there.
    File(&'static str),
    /// The text of the file, if there is one, is changed so.
    Edit(fn(&str) -> Result<String>),
}

impl Action {
    fn word(&self) -> &'static str {
        match self {
            Action::Folder => "an empty folder",
            Action::Remove => "removed",
            Action::Empty => "made empty",
            Action::File(_) => "written",
            Action::Edit(_) => "edited",
        }
    }
}

const fn rule(path: &'static str, action: Action, reason: &'static str) -> Rule {
    Rule { path, action, reason }
}

/// The rows of the first rules, applied in this order.
pub(super) const RULES: &[Rule] = &[
    rule("dev", Action::Folder, "the executor mounts its own"),
    rule("proc", Action::Folder, "the executor mounts its own"),
    rule("sys", Action::Folder, "nothing of the host's is shown"),
    rule("run", Action::Folder, "what runs is gone when the configuring ends"),
    rule("tmp", Action::Folder, "what scripts leave there is nobody's"),
    rule("var/tmp", Action::Folder, "what scripts leave there is nobody's"),
    rule("build", Action::Folder, "recipes start here"),
    rule("inputs", Action::Folder, "inputs are seen here"),
    rule("usr/sbin/policy-rc.d", Action::Remove, "only while configuring: no service is started"),
    rule("var/log/*.log", Action::Remove, "times and durations"),
    rule("var/log/apt/*", Action::Remove, "times and durations"),
    rule("var/log/journal", Action::Remove, "named by a random machine id"),
    rule("var/log/*", Action::Empty, "times and durations"),
    rule("var/lib/dpkg/*-old", Action::Remove, "dpkg's copies of what came before"),
    rule("var/lib/dpkg/lock", Action::Remove, "made again by whoever needs it"),
    rule("var/lib/dpkg/lock-frontend", Action::Remove, "made again by whoever needs it"),
    rule("var/lib/dpkg/triggers/Lock", Action::Remove, "made again by whoever needs it"),
    rule("var/cache/debconf/*-old", Action::Remove, "debconf's copies of what came before"),
    rule("etc/passwd-", Action::Remove, "a copy of what came before"),
    rule("etc/group-", Action::Remove, "a copy of what came before"),
    rule("etc/shadow-", Action::Remove, "a copy of what came before"),
    rule("etc/gshadow-", Action::Remove, "a copy of what came before"),
    rule("etc/subuid-", Action::Remove, "a copy of what came before"),
    rule("etc/subgid-", Action::Remove, "a copy of what came before"),
    rule("etc/.pwd.lock", Action::Remove, "made again by whoever needs it"),
    rule("var/cache/ldconfig/aux-cache", Action::Remove, "inode numbers and times of libraries"),
    rule("var/cache/man/*", Action::Remove, "an index with times; man-db makes it again"),
    rule(
        "var/cache/fontconfig/*",
        Action::Remove,
        "an index with times of folders; fontconfig makes it again",
    ),
    rule("var/cache/apt/*.bin", Action::Remove, "depends on addresses in memory"),
    rule("etc/machine-id", Action::Empty, "random"),
    rule("var/lib/dbus/machine-id", Action::Remove, "random"),
    rule("var/lib/systemd/random-seed", Action::Remove, "random"),
    rule("var/lib/systemd/credential.secret", Action::Remove, "random"),
    rule("etc/ssh/ssh_host_*", Action::Remove, "random keys"),
    rule("etc/ssl/private/ssl-cert-snakeoil.key", Action::Remove, "a random key"),
    rule("etc/ssl/certs/ssl-cert-snakeoil.pem", Action::Remove, "made with a random key and the time"),
    rule("etc/ssl/certs/java/cacerts", Action::Remove, "each certificate in it has the time it was added"),
    rule("**/__pycache__", Action::Remove, "how Python writes bytecode depends on what it compiled before"),
    rule("etc/hostname", Action::File("localhost\n"), "the name of every sandbox"),
    rule(
        "etc/hosts",
        Action::File("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
        "loopback is all the network there is",
    ),
    rule("etc/resolv.conf", Action::File(""), "there is nobody to ask"),
    rule("etc/passwd", Action::Edit(add_user), "recipes run as `build`, 1000"),
    rule("etc/group", Action::Edit(add_group), "recipes run as `build`, 1000"),
    rule(
        "etc/shadow",
        Action::Edit(add_shadow),
        "recipes run as `build`; the days of last change are one day",
    ),
    rule("etc/gshadow", Action::Edit(add_gshadow), "recipes run as `build`, 1000"),
];

/// The rows that came later, and since which number.
pub(super) const LATER: &[(u32, Rule)] = &[
    (2, rule("etc/aliases.db", Action::Remove, "a random identifier; `newaliases` makes it again")),
    (
        2,
        rule(
            "usr/share/info/dir",
            Action::Remove,
            "in the order of a folder; `update-info-dir` makes it again",
        ),
    ),
    (2, rule("usr/share/info/dir.old", Action::Remove, "what was there before")),
    (2, rule("var/lib/texmf/ls-R", Action::Edit(sort_blocks), "in the order of folders")),
    (2, rule("var/lib/texmf/updmap.cfg-TEXLIVEDIST", Action::Edit(sort_lines), "in the order of a folder")),
    (2, rule("var/lib/texmf/web2c/*.log", Action::Remove, "times")),
    (2, rule("var/lib/texmf/web2c/*/*.log", Action::Remove, "times")),
    (
        2,
        rule(
            "var/lib/texmf/web2c/tex/*.fmt",
            Action::Remove,
            "Knuth's TeX keeps the time in it; made again when TeX is first run",
        ),
    ),
    (
        2,
        rule(
            "var/lib/texmf/web2c/pdftex/pdftex.fmt",
            Action::Remove,
            "of two files `language.def` the moment decides; made again when pdfTeX is first run",
        ),
    ),
    (
        2,
        rule(
            "var/lib/texmf/web2c/lua*/*.fmt",
            Action::Remove,
            "Lua keeps tables in an order that the time decides; made again when LuaTeX is first run",
        ),
    ),
];

/// The rows of the rules of a number.
fn applying(number: u32) -> impl Iterator<Item = &'static Rule> {
    let later = LATER.iter().filter(move |(since, _)| *since <= number).map(|(_, rule)| rule);
    RULES.iter().chain(later)
}

/// The first table for a person: path, what is done, why.
pub fn rules() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    RULES.iter().map(|rule| (rule.path, rule.action.word(), rule.reason))
}

/// Whether anything at this path can stay: what a rule empties needs not be read at all.
pub(super) fn wanted(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let emptied =
        |rule: &Rule| matches!(rule.action, Action::Folder) && (rule.path == first || rule.path == path);
    !RULES.iter().any(emptied) && !path.ends_with("/__pycache__")
}

/// Applies the rules of a number. `read` gives the bytes of a file's node, `write` a node of new bytes.
pub(super) fn normalise(
    root: &mut Folder,
    number: u32,
    read: &dyn Fn(&Node) -> Result<Vec<u8>>,
    write: &dyn Fn(&[u8]) -> Result<Node>,
) -> Result<()> {
    for rule in applying(number) {
        match &rule.action {
            Action::Folder => {
                root.remove(rule.path);
                root.insert(rule.path, Node::Folder(Folder::default()))?;
            }
            Action::File(text) => {
                root.remove(rule.path);
                root.insert(rule.path, write(text.as_bytes())?)?;
            }
            Action::Remove => {
                each(root, rule.path, &mut |folder, name| {
                    folder.entries.remove(name);
                    Ok(())
                })?;
            }
            Action::Empty => {
                let empty = write(b"")?;
                each(root, rule.path, &mut |folder, name| {
                    if let Some(node @ Node::File { .. }) = folder.entries.get_mut(name) {
                        *node = empty.clone();
                    }
                    Ok(())
                })?;
            }
            Action::Edit(edit) => {
                let Some(node @ Node::File { .. }) = root.get(rule.path) else { continue };
                let text = String::from_utf8(read(node)?)
                    .map_err(|_| Failure::build(format!("`/{}` isn't UTF-8 after configuring", rule.path)))?;
                let edited = write(edit(&text)?.as_bytes())?;
                root.insert(rule.path, edited)?;
            }
        }
    }
    Ok(())
}

/// Calls `act` with the folder and the name of everything that a pattern matches.
fn each(
    folder: &mut Folder,
    pattern: &str,
    act: &mut dyn FnMut(&mut Folder, &str) -> Result<()>,
) -> Result<()> {
    if let Some(rest) = pattern.strip_prefix("**/") {
        for node in folder.entries.values_mut() {
            if let Node::Folder(inner) = node {
                each(inner, pattern, act)?;
            }
        }
        return each(folder, rest, act);
    }
    let (name, rest) = pattern.split_once('/').map_or((pattern, None), |(name, rest)| (name, Some(rest)));
    let names: Vec<String> = folder.entries.keys().filter(|key| fits(key, name)).cloned().collect();
    for name in names {
        match (rest, folder.entries.get_mut(&name)) {
            (None, _) => act(folder, &name)?,
            (Some(rest), Some(Node::Folder(inner))) => each(inner, rest, act)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a name fits a pattern with at most one `*`.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

fn sort_lines(text: &str) -> Result<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    Ok(lines.into_iter().flat_map(|line| [line, "\n"]).collect())
}

/// A listing of folders: blocks between blank lines, each of a folder's name and what is in it. What is removed by
/// other rows isn't listed.
fn sort_blocks(text: &str) -> Result<String> {
    let (head, rest) = text.split_once("\n\n").unwrap_or(("", text));
    let mut blocks: Vec<Vec<&str>> = rest.split("\n\n").map(|block| block.lines().collect()).collect();
    for block in &mut blocks {
        let Some((name, files)) = block.split_first_mut() else { continue };
        files.sort_unstable();
        let again = *name == "./web2c/tex:" || name.starts_with("./web2c/lua");
        block.retain(|line| {
            !line.ends_with(".log") && *line != "pdftex.fmt" && !(again && line.ends_with(".fmt"))
        });
    }
    blocks.sort();
    let blocks: Vec<String> = blocks.iter().map(|block| block.join("\n") + "\n").collect();
    Ok(format!("{head}\n\n{}", blocks.join("\n")))
}

fn add_user(text: &str) -> Result<String> {
    add_line(text, "build:x:1000:1000:build:/build:/bin/sh", 2)
}

fn add_group(text: &str) -> Result<String> {
    add_line(text, "build:x:1000:", 2)
}

fn add_gshadow(text: &str) -> Result<String> {
    add_line(text, "build:!::", usize::MAX)
}

fn add_shadow(text: &str) -> Result<String> {
    let mut days = String::new();
    for line in text.lines() {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if let Some(day) = fields.get_mut(2)
            && day.parse::<i64>().is_ok()
        {
            *day = DAY.to_string();
        }
        days.push_str(&fields.join(":"));
        days.push('\n');
    }
    add_line(&days, &format!("build:!:{DAY}:0:99999:7:::"), usize::MAX)
}

/// Adds an entry to a file of users or groups; the name and the number in field `number` must be free.
fn add_line(text: &str, line: &str, number: usize) -> Result<String> {
    let new: Vec<&str> = line.split(':').collect();
    for old in text.lines() {
        let old: Vec<&str> = old.split(':').collect();
        if old == new {
            return Ok(text.to_owned());
        }
        if old[0] == new[0] || (number < new.len() && old.get(number) == new.get(number)) {
            return Err(Failure::build(format!(
                "a package made `{}`, whose place is the build user's",
                old.join(":")
            ))
            .fact(format!("rbld adds `{line}`"))
            .help("leave out the package: recipes run as `build`, uid and gid 1000"));
        }
    }
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{text}{end}{line}\n"))
}

#[cfg(test)]
#[path = "normalise_tests.rs"]
mod tests;
