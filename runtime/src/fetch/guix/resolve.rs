//! Locking a request for Guix: which store items packages are, and the closure of these.
//!
//! Which items a package is only its Guix can say, so one is asked, once: the machine's own if it is at the commit,
//! else the one of the commit by `guix time-machine`. What it answers is text of another program and read as such;
//! what the items hold is then asked of substitute servers, and believed for their signatures.

use std::collections::BTreeSet;
use std::io::Write as _;

use rbld_lang::derivation::guix::{FileKind, STORE, item_name, path_variable, system};
use rbld_lang::derivation::{Arch, GuixItem, SearchPath};
use rbld_lang::lock::{Block, Channel, Closure, Facts, LockedItem, Request, is_relative, is_variable};

use super::command::Command;
use super::{Acl, Servers, Signer, StorePath, closure};
use crate::failure::{Doing, Failure, Result};
use crate::fetch::http::Http;
use crate::progress::{Progress, Step, Task};

/// The program that the answering Guix runs.
const SCRIPT: &str = include_str!("lock.scm");

/// The most lines of an answer.
const LINES: usize = 100_000;

/// What resolving needs.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// By what servers are asked.
    pub http: &'a Http,
    /// Which ones.
    pub servers: &'a Servers,
    /// Whose signatures count.
    pub acl: &'a Acl,
    /// The Guix that is asked for packages; found on this machine where none is named.
    pub program: Option<&'a str>,
    /// Who is told.
    pub progress: &'a Progress,
}

/// What packages are to a Guix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packages {
    /// The version of the Guix that said it.
    pub version: String,
    /// The store items of the packages and of what these propagate, in the profile's order.
    pub items: Vec<String>,
    /// The variables that the profile sets, `PATH` first.
    pub search_paths: Vec<SearchPath>,
}

/// Resolves a request.
pub fn resolve(request: &Request, sources: Sources<'_>) -> Result<Block> {
    let Request::Guix { arch, channels, packages, items } = request else {
        return Err(Failure::bug(format!("Guix was asked for `{}`", request.title())));
    };
    let mut found = match packages.is_empty() {
        true => Packages {
            version: "substitutes".to_owned(),
            search_paths: vec![path_variable()],
            ..Packages::default()
        },
        false => ask(channels, packages, *arch, sources)?,
    };
    for item in items {
        if !found.items.contains(item) {
            found.items.push(item.clone());
        }
    }
    let paths = found.items.iter().map(|item| {
        item.parse::<StorePath>().map_err(|why| Failure::input(why).help("write `/gnu/store/HASH-NAME`"))
    });
    let paths = paths.collect::<Result<Vec<_>>>()?;
    let task = sources.progress.begin(Step::Fetch, "narinfos");
    let closure =
        closure::lock(sources.http, sources.servers, &paths, sources.acl).map_err(unserved(packages))?;
    task.done(format!("{} store items", closure.len()));
    let names = paths.iter().map(|path| path.name().to_owned()).collect();
    let mut items: Vec<LockedItem> = closure.into_iter().map(locked).collect();
    items.sort();
    let closure = Closure {
        resolver: found.version,
        items,
        profile: names,
        search_paths: found.search_paths,
        tree: None,
    };
    Ok(Block { title: request.clone(), indexes: Vec::new(), facts: Facts::Guix(closure) })
}

/// A locked item as it is fetched: what it refers to and who signed it doesn't matter any more.
pub fn known(item: &GuixItem) -> Result<closure::Item> {
    let path = item.path.parse::<StorePath>().map_err(|why| {
        Failure::input(format!("the lock has an item that can't be: {why}")).help("run `rbld lock`")
    })?;
    Ok(closure::Item {
        path,
        nar_hash: item.nar_hash,
        nar_size: item.nar_size,
        references: Vec::new(),
        signer: Signer([0; 32]),
    })
}

fn locked(item: closure::Item) -> LockedItem {
    let mut references: Vec<String> = item.references.iter().map(|path| path.name().to_owned()).collect();
    references.sort();
    LockedItem {
        item: GuixItem {
            path: format!("{STORE}/{}", item.path.name()),
            nar_hash: item.nar_hash,
            nar_size: item.nar_size,
        },
        references,
        signer: item.signer.to_string(),
    }
}

/// What a person should know when a server lacks what a package is.
fn unserved(packages: &[String]) -> impl Fn(Failure) -> Failure {
    let packages = !packages.is_empty();
    move |failure| {
        match packages {
        true => failure.fact(
            "what no server built yet, or no longer keeps, can't be locked: another commit, or a package less, may do",
        ),
        false => failure,
    }
    }
}

/// Asks a Guix.
fn ask(channels: &[Channel], packages: &[String], arch: Arch, sources: Sources<'_>) -> Result<Packages> {
    let system = system(arch).ok_or_else(|| Failure::bug("no system of Guix for this architecture"))?;
    let guix = Command::find(sources.program)?;
    let folder = tempfile::tempdir().doing(|| "make a folder for Guix's answer")?;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        let mut file = std::fs::File::create(&path).doing(|| format!("write `{}`", path.display()))?;
        file.write_all(text.as_bytes()).doing(|| format!("write `{}`", path.display()))?;
        Ok::<_, Failure>(path.display().to_string())
    };
    let mut arguments: Vec<String> = Vec::new();
    if !guix.is_at(channels) {
        arguments.push("time-machine".to_owned());
        match channels {
            [Channel { commit, url: None, .. }] => arguments.push(format!("--commit={commit}")),
            _ => {
                arguments.push(format!("--channels={}", write("channels.scm", &scheme(channels))?));
            }
        }
        arguments.push("--".to_owned());
    }
    arguments.extend(["repl".to_owned(), "--".to_owned(), write("lock.scm", SCRIPT)?, system.to_owned()]);
    arguments.extend(packages.iter().cloned());
    let task = sources.progress.begin(Step::Resolve, "Guix");
    let answer = guix.run(&arguments, &task).map_err(|failure| unknown(failure, packages))?;
    let found = parse(&answer).map_err(|why| {
        Failure::world(format!("the answer of `{}` can't be read: {why}", guix.program))
            .help("tell the authors of rbld which version of Guix this is: `guix --version`")
    })?;
    finish(task, &found);
    Ok(found)
}

fn finish(task: Task, found: &Packages) {
    task.done(format!("{} items by Guix {}", found.items.len(), found.version));
}

/// A failure that is a mistake in a name is the file's, not the world's.
fn unknown(failure: Failure, packages: &[String]) -> Failure {
    let signs = ["unknown package", "lacks output", "package not found"];
    let unknown = |fact: &String| signs.iter().any(|sign| fact.contains(sign));
    let Some(said) = failure.facts.iter().find(|fact| unknown(fact)).cloned() else { return failure };
    let name = packages.iter().find(|name| {
        let bare = name.split(['@', ':']).next().unwrap_or(name);
        said.contains(bare)
    });
    let message = match name {
        Some(name) => format!("Guix has no package `{name}` at this commit"),
        None => "Guix doesn't have all of the packages at this commit".to_owned(),
    };
    Failure::input(message)
        .fact(said)
        .help("`guix search WORD` finds names; https://packages.guix.gnu.org has them too")
}

/// Channels as a program that lists them.
pub fn scheme(channels: &[Channel]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = "(list".to_owned();
    for channel in channels {
        text.push_str(&format!("\n  (channel\n    (name (string->symbol {}))", quoted(&channel.name)));
        let url = channel.url.as_deref().unwrap_or("https://git.guix.gnu.org/guix.git");
        text.push_str(&format!("\n    (url {})", quoted(url)));
        if let Some(branch) = &channel.branch {
            text.push_str(&format!("\n    (branch {})", quoted(branch)));
        }
        text.push_str(&format!("\n    (commit {})", quoted(&channel.commit)));
        if let Some((commit, key)) = &channel.introduction {
            text.push_str(&format!(
                "\n    (introduction (make-channel-introduction {} (openpgp-fingerprint {})))",
                quoted(commit),
                quoted(key)
            ));
        }
        text.push(')');
    }
    text.push_str(")\n");
    text
}

/// Reads the answer: lines that begin with `rbld` and a tab. Others are what Guix says to people.
pub fn parse(answer: &str) -> std::result::Result<Packages, String> {
    let mut found = Packages::default();
    let mut ended = false;
    let mut variables = BTreeSet::new();
    for line in answer.lines().filter_map(|line| line.strip_prefix("rbld\t")).take(LINES) {
        let parts: Vec<&str> = line.split('\t').collect();
        match parts.as_slice() {
            ["item", path] => {
                if item_name(path).is_none() {
                    return Err(format!("`{path}` isn't a store item"));
                }
                found.items.push((*path).to_owned());
            }
            ["search-path", variable, separator, kind, pattern, files @ ..] => {
                if !variables.insert((*variable).to_owned()) {
                    continue;
                }
                found.search_paths.push(search_path(variable, separator, kind, pattern, files)?);
            }
            ["guix", version] => found.version = (*version).to_owned(),
            ["end"] => ended = true,
            _ => return Err(format!("nothing is known of the line `{}`", line.escape_debug())),
        }
    }
    match ended && !found.items.is_empty() && !found.version.is_empty() {
        true => Ok(found),
        false => Err("it isn't whole".to_owned()),
    }
}

fn search_path(
    variable: &str,
    separator: &str,
    kind: &str,
    pattern: &str,
    files: &[&str],
) -> std::result::Result<SearchPath, String> {
    let maybe = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    // Guix knows links too; what they lead to decides here.
    let kind = match kind {
        "symlink" => FileKind::Regular,
        kind => FileKind::from_name(kind).ok_or_else(|| format!("`{variable}` looks for a `{kind}`"))?,
    };
    if !is_variable(variable) {
        return Err(format!("`{}` can't be a variable", variable.escape_debug()));
    }
    let files: Vec<String> = files.iter().map(|file| file.trim_end_matches('/').to_owned()).collect();
    match files.iter().find(|file| !is_relative(file)) {
        Some(file) => Err(format!("`{variable}` looks for `{}`, outside the profile", file.escape_debug())),
        None => Ok(SearchPath {
            variable: variable.to_owned(),
            separator: maybe(separator),
            kind,
            pattern: maybe(pattern),
            files,
        }),
    }
}
