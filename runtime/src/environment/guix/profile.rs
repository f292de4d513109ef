//! The profile: one folder of links that unites items as `guix shell` does, and the variables that lead to it.
//!
//! A name that one item has is a link to it; a folder that several have is a folder again. Where two have files of one
//! name that differ, the first goes first, and the conflict is told. What Guix's hooks would add (caches of fonts, of
//! icons, of Info manuals) isn't there, nor is the profile's own list of packages.

use std::collections::BTreeMap;

use rbld_lang::derivation::SearchPath;
use rbld_lang::derivation::guix::FileKind;

use super::items::{Found, Items, Place};
use crate::failure::{Failure, Result};
use crate::store::tree::{Folder, Node};

/// Where the profile is, whatever is in it: a path that outputs may hold without telling one closure from another.
pub const PROFILE: &str = "/gnu/profile";

/// The most links that a profile has.
const LINKS: usize = 1 << 20;

/// How deep its folders nest.
const DEPTH: usize = 64;

/// Files that differ in every item and that nothing misses: caches of what lies beside them.
const HARMLESS: [&str; 3] = ["icon-theme.cache", "gschemas.compiled", "ld.so.cache"];

/// A profile.
pub(super) struct Profile {
    /// The folder.
    pub(super) folder: Folder,
    /// What more than one item has, of which the first was taken, a sentence each.
    pub(super) conflicts: Vec<String>,
}

/// Unites items, what comes first going first.
pub(super) fn unite(items: &Items<'_>, names: &[&str]) -> Result<Profile> {
    let mut union = Union { items, links: 0, conflicts: Vec::new() };
    let mut folders = Vec::new();
    for name in names {
        match items.find(&Place::item(name))? {
            Some(Found::Folder(place, inside)) if !folders.contains(&(place.clone(), inside.clone())) => {
                folders.push((place, inside));
            }
            Some(Found::Folder(..)) => {}
            Some(Found::File(..)) | None => {
                return Err(Failure::input(format!("the store item `{name}` is no folder"))
                    .fact("a profile unites folders such as `bin` of the items it is made from")
                    .help("take it out of what is asked for"));
            }
        }
    }
    let folder = union.folder(&folders, "", 0)?;
    Ok(Profile { folder, conflicts: union.conflicts })
}

struct Union<'i> {
    items: &'i Items<'i>,
    links: usize,
    conflicts: Vec<String>,
}

impl Union<'_> {
    fn folder(&mut self, folders: &[(Place, Vec<String>)], path: &str, depth: usize) -> Result<Folder> {
        if depth > DEPTH {
            return Err(endless(path));
        }
        let mut entries: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for (place, names) in folders {
            for name in names {
                entries.entry(name).or_default().push(place.inside(name));
            }
        }
        let mut folder = Folder::default();
        for (name, places) in entries {
            self.links += 1;
            if self.links > LINKS {
                return Err(endless(path));
            }
            let below = format!("{path}/{name}");
            let node = self.entry(&places, name, &below, depth)?;
            folder.entries.insert(name.to_owned(), node);
        }
        Ok(folder)
    }

    fn entry(&mut self, places: &[Place], name: &str, path: &str, depth: usize) -> Result<Node> {
        let Some(first) = places.first() else { return Err(Failure::bug("a name that no folder has")) };
        let link = Node::Link { target: first.path() };
        if places.len() == 1 {
            return Ok(link);
        }
        let mut folders: Vec<(Place, Vec<String>)> = Vec::new();
        let mut files: Vec<Option<_>> = Vec::new();
        for place in places {
            match self.items.find(place)? {
                Some(Found::Folder(place, names)) => {
                    if !folders.iter().any(|(known, _)| *known == place) {
                        folders.push((place, names));
                    }
                }
                Some(Found::File(digest, executable)) => files.push(Some((digest, executable))),
                None => files.push(None),
            }
        }
        if files.is_empty() {
            return match folders.len() {
                1 => Ok(link),
                _ => Ok(Node::Folder(self.folder(&folders, path, depth + 1)?)),
            };
        }
        let alike =
            folders.is_empty() && files.windows(2).all(|pair| pair[0] == pair[1] && pair[0].is_some());
        if !alike && !HARMLESS.contains(&name) {
            let others: Vec<&str> =
                places.iter().skip(1).filter_map(|place| place.0.first()).map(String::as_str).collect();
            let winner = first.0.first().map_or("", String::as_str);
            self.conflicts.push(format!("`{path}` is that of {winner}, not of {}", others.join(", ")));
        }
        Ok(link)
    }
}

fn endless(path: &str) -> Failure {
    Failure::world(format!("the profile has no end at `{path}`"))
        .fact(format!("links of its items lead in a circle, or there are more than {LINKS}"))
        .help("ask for fewer packages at once")
}

/// The variables by which programs find the profile, those that lead anywhere: each before what the environment below
/// sets it to.
pub(super) fn variables(
    items: &Items<'_>,
    profile: &Folder,
    paths: &[SearchPath],
    beneath: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut variables = beneath.clone();
    for path in paths {
        let found = found(items, profile, path)?;
        if found.is_empty() {
            continue;
        }
        let value = match &path.separator {
            None => found.into_iter().next().unwrap_or_default(),
            Some(separator) => {
                let below = beneath.get(&path.variable).filter(|below| !below.is_empty());
                found.into_iter().chain(below.cloned()).collect::<Vec<_>>().join(separator)
            }
        };
        variables.insert(path.variable.clone(), value);
    }
    // As `guix shell` has it: tools look here for the profile they are in.
    variables.insert("GUIX_ENVIRONMENT".to_owned(), PROFILE.to_owned());
    Ok(variables)
}

/// Whether a path in the profile leads to a file.
pub(super) fn holds(items: &Items<'_>, profile: &Folder, path: &[&str]) -> Result<bool> {
    let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
    let kind = Walk { items, profile }.kind(&path)?;
    Ok(kind.is_some_and(|(kind, _)| kind == FileKind::Regular))
}

/// The paths in the profile that a search path leads to, in its order.
fn found(items: &Items<'_>, profile: &Folder, path: &SearchPath) -> Result<Vec<String>> {
    let pattern = match &path.pattern {
        Some(pattern) => Some(expression(pattern, &path.variable)?),
        None => None,
    };
    let mut found = Vec::new();
    for file in &path.files {
        let parts: Vec<String> = file.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let shown = match parts.is_empty() {
            true => PROFILE.to_owned(),
            false => format!("{PROFILE}/{}", parts.join("/")),
        };
        let walk = Walk { items, profile };
        match &pattern {
            None => {
                if walk.kind(&parts)?.is_some_and(|(kind, _)| kind == path.kind) {
                    found.push(shown);
                }
            }
            Some(pattern) => walk.matching(&parts, &shown, path.kind, pattern, 0, &mut found)?,
        }
    }
    Ok(found)
}

fn expression(pattern: &str, variable: &str) -> Result<regex::Regex> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
        Failure::world(format!("what `{variable}` looks for in the profile can't be understood")).fact(
            format!(
                "the lock has the regular expression `{pattern}`: {}",
                error.to_string().replace('\n', " ")
            ),
        )
    })
}

/// A profile whose links lead into items.
struct Walk<'w> {
    items: &'w Items<'w>,
    profile: &'w Folder,
}

impl Walk<'_> {
    /// What is at a path in the profile, links followed, and the names in it.
    fn kind(&self, path: &[String]) -> Result<Option<(FileKind, Vec<String>)>> {
        let mut folder = self.profile;
        for (index, name) in path.iter().enumerate() {
            match folder.entries.get(name) {
                Some(Node::Folder(inner)) => folder = inner,
                Some(Node::Link { target }) => {
                    let Some(inside) = target.strip_prefix(rbld_lang::derivation::guix::STORE) else {
                        return Ok(None);
                    };
                    let rest = path.get(index + 1..).unwrap_or_default().iter().cloned();
                    let place = inside.split('/').skip(1).map(str::to_owned).chain(rest);
                    return Ok(match self.items.find(&Place(place.collect()))? {
                        Some(Found::Folder(_, names)) => Some((FileKind::Directory, names)),
                        Some(Found::File(..)) => Some((FileKind::Regular, Vec::new())),
                        None => None,
                    });
                }
                Some(Node::File { .. }) if index + 1 == path.len() => {
                    return Ok(Some((FileKind::Regular, Vec::new())));
                }
                Some(Node::File { .. }) | None => return Ok(None),
            }
        }
        Ok(Some((FileKind::Directory, folder.entries.keys().cloned().collect())))
    }

    /// What lies at or below a path and has a name that matches, by name.
    fn matching(
        &self,
        path: &[String],
        shown: &str,
        wanted: FileKind,
        pattern: &regex::Regex,
        depth: usize,
        found: &mut Vec<String>,
    ) -> Result<()> {
        let Some((kind, names)) = self.kind(path)? else { return Ok(()) };
        if kind == wanted && path.last().is_some_and(|name| pattern.is_match(name)) {
            found.push(shown.to_owned());
        }
        if depth > DEPTH || found.len() > LINKS {
            return Err(endless(shown));
        }
        for name in names {
            let below: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
            self.matching(&below, &format!("{shown}/{name}"), wanted, pattern, depth + 1, found)?;
        }
        Ok(())
    }
}
