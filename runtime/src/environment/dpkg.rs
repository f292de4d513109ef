//! The files by which dpkg knows what is installed, for packages that were unpacked without it.
//!
//! Gives paths and bytes for `/var/lib/dpkg` as `dpkg --unpack` would have left them, so that
//! `dpkg --configure -a` finds its work; reads back from `status` what became of it. Knows
//! the formats, no disk and no sandbox.

use std::collections::{BTreeMap, BTreeSet};

use super::merge::Merged;
use super::package::Part;
use crate::failure::Result;
use crate::store::tree::{Folder, Node};

/// Where dpkg keeps it.
pub(super) const ADMIN: &str = "var/lib/dpkg";

/// What it knows of each package.
pub(super) const STATUS: &str = "var/lib/dpkg/status";

/// What `status` says of a package.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    /// The package's name.
    pub(super) package: String,
    /// What became of it: `installed`, `half-configured`, `unpacked`.
    pub(super) state: String,
}

/// Writes the database of the unpacked packages into the root; `write` makes a blob of bytes.
///
/// Parts that dpkg itself will unpack must not be among them.
pub(super) fn write_database(
    merged: &mut Merged,
    parts: &[Part],
    unpacked: &[usize],
    native: &str,
    write: &mut dyn FnMut(&[u8]) -> Result<Node>,
) -> Result<()> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    files.insert("status".to_owned(), status(parts, unpacked).into_bytes());
    files.insert("info/format".to_owned(), b"1\n".to_vec());
    let foreign = foreign(parts, native);
    if !foreign.is_empty() {
        files.insert("arch".to_owned(), format!("{native}\n{foreign}").into_bytes());
    }
    for (name, text) in triggers(parts, unpacked) {
        files.insert(format!("triggers/{name}"), text.into_bytes());
    }
    for &index in unpacked {
        let list = list(&parts[index], &merged.lost[index]);
        files.insert(format!("info/{}.list", parts[index].info_name()), list.into_bytes());
    }
    for name in ["alternatives", "info", "parts", "triggers", "updates"] {
        if merged.root.get(&format!("{ADMIN}/{name}")).is_none() {
            merged.root.insert(&format!("{ADMIN}/{name}"), Node::Folder(Folder::default()))?;
        }
    }
    for (name, bytes) in files {
        let node = write(&bytes)?;
        merged.root.insert(&format!("{ADMIN}/{name}"), node)?;
    }
    for &index in unpacked {
        for (name, member) in &parts[index].members {
            let path = format!("{ADMIN}/info/{}.{name}", parts[index].info_name());
            merged.root.insert(&path, member.node.clone())?;
        }
    }
    Ok(())
}

/// The paragraphs of `status`, by name and architecture.
fn status(parts: &[Part], unpacked: &[usize]) -> String {
    let mut stanzas: Vec<(&str, &str, String)> = Vec::new();
    for &index in unpacked {
        let part = &parts[index];
        let mut stanza = format!("Status: install ok unpacked\n{}", part.stanza);
        let conffiles = part.conffiles();
        if !conffiles.is_empty() {
            stanza.push_str("Conffiles:\n");
            for path in conffiles {
                // What dpkg writes for a file that came with this very version.
                stanza.push_str(&format!(" /{path} newconffile\n"));
            }
        }
        stanzas.push((&part.package.name, &part.package.arch, stanza));
    }
    stanzas.sort();
    stanzas.into_iter().map(|(_, _, stanza)| stanza + "\n").collect()
}

/// The text of a `status` that holds all packages, where some were configured apart: `done` says what became of these.
pub(super) fn continued(done: &str, all: &str) -> String {
    fn stanzas(text: &str) -> impl Iterator<Item = ((&str, &str), &str)> {
        text.split_terminator("\n\n").map(|stanza| {
            let field = |name| stanza.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            ((field("Package: "), field("Architecture: ")), stanza)
        })
    }
    let done: BTreeMap<(&str, &str), &str> = stanzas(done).collect();
    stanzas(all).map(|(id, stanza)| format!("{}\n\n", done.get(&id).copied().unwrap_or(stanza))).collect()
}

/// The architectures beside the native one, a line each.
fn foreign(parts: &[Part], native: &str) -> String {
    let all: BTreeSet<&str> = parts.iter().map(|part| part.package.arch.as_str()).collect();
    all.into_iter().filter(|arch| *arch != native && *arch != "all").map(|arch| format!("{arch}\n")).collect()
}

/// Every path that a package ships, as shipped, without what another took over.
fn list(part: &Part, lost: &BTreeSet<String>) -> String {
    fn walk(folder: &Folder, path: &mut String, lost: &BTreeSet<String>, text: &mut String) {
        for (name, node) in &folder.entries {
            let length = path.len();
            path.push('/');
            path.push_str(name);
            if !lost.contains(&path[1..]) {
                text.push_str(path);
                text.push('\n');
            }
            if let Node::Folder(inner) = node {
                walk(inner, path, lost, text);
            }
            path.truncate(length);
        }
    }
    let mut text = "/.\n".to_owned();
    walk(&part.data, &mut String::new(), lost, &mut text);
    text
}

/// Who is interested in which trigger: `File` holds those on paths, one file each the others.
fn triggers(parts: &[Part], unpacked: &[usize]) -> BTreeMap<String, String> {
    let mut interests: BTreeSet<(String, String)> = BTreeSet::new();
    for &index in unpacked {
        for line in parts[index].lines("triggers") {
            let mut words = line.split_whitespace();
            let (Some(directive), Some(trigger)) = (words.next(), words.next()) else { continue };
            let awaits = match directive {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            interests.insert((trigger.to_owned(), format!("{}{awaits}", parts[index].info_name())));
        }
    }
    let mut files =
        BTreeMap::from([("File".to_owned(), String::new()), ("Unincorp".to_owned(), String::new())]);
    for (trigger, package) in interests {
        match trigger.starts_with('/') {
            true => files.entry("File".to_owned()).or_default().push_str(&format!("{trigger} {package}\n")),
            // dpkg forbids other names; one with a slash would be a path here.
            false if trigger.contains('/') => {}
            false => files.entry(trigger).or_default().push_str(&format!("{package}\n")),
        }
    }
    files
}

/// What `status` says of each package that isn't wholly installed.
pub(super) fn unfinished(status: &str) -> Vec<State> {
    let mut states = Vec::new();
    for stanza in status.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let Some(package) = field("Package:") else { continue };
        let state = field("Status:").unwrap_or_default();
        let (want, state) = state.rsplit_once(' ').unwrap_or(("", state));
        if want != "install ok" || state != "installed" {
            states.push(State { package: package.to_owned(), state: state.to_owned() });
        }
    }
    states.sort();
    states
}

#[cfg(test)]
#[path = "dpkg_tests.rs"]
mod tests;
