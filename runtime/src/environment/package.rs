//! A package once taken apart: what its control members say, and its place in the order of installation.
//!
//! Reads fields, relations and lists; touches no disk. How the parts of several packages make
//! one root folder is [`super::merge`]'s matter, what dpkg wants to read [`super::dpkg`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use deb822_fast::Paragraph;
use rbld_lang::derivation::Package;

use crate::failure::{Failure, Result};
use crate::fetch::debian::version;
use crate::store::tree::{Folder, Node};

/// One package of an environment, taken apart.
#[derive(Clone)]
pub(super) struct Part {
    /// As locked.
    pub(super) package: Package,
    /// The file `control`.
    pub(super) control: Node,
    /// The text of its `control`, one paragraph without a blank line, ended by a newline.
    pub(super) stanza: String,
    /// The same, by field.
    pub(super) fields: Paragraph,
    /// Its other control members, by name: `postinst`, `md5sums` and so on.
    pub(super) members: BTreeMap<String, Member>,
    /// Its files.
    pub(super) data: Folder,
}

/// A control member.
#[derive(Clone)]
pub(super) struct Member {
    /// Its place in the store.
    pub(super) node: Node,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// One alternative of a relation: a name and perhaps a bound on the version.
#[derive(Debug, PartialEq)]
pub(super) struct Relation<'a> {
    /// The package meant.
    pub(super) name: &'a str,
    /// The bound: `>=` and the version.
    pub(super) bound: Option<(&'a str, &'a str)>,
}

impl Part {
    /// Reads the members; the package must be the one that was locked.
    pub(super) fn new(package: Package, mut members: BTreeMap<String, Member>, data: Folder) -> Result<Part> {
        let wrong = |why: String| {
            Failure::world(format!("could not read the `control` of the package `{}`: {why}", package.name))
                .fact(format!(
                    "version {}, architecture {}, from {}",
                    package.version, package.arch, package.path
                ))
                .fact(format!("sha256 {}, as locked", package.digest))
                .help("the archive itself serves it so: lock another instant with `rbld lock`")
        };
        let control = members.remove("control").ok_or_else(|| wrong("there is none".to_owned()))?;
        let text = String::from_utf8(control.bytes).map_err(|_| wrong("it isn't UTF-8".to_owned()))?;
        let stanza = format!("{}\n", text.trim_matches('\n'));
        let fields = Paragraph::from_str(&stanza).map_err(|error| wrong(error.to_string()))?;
        for (field, locked) in
            [("Package", &package.name), ("Version", &package.version), ("Architecture", &package.arch)]
        {
            let found = fields.get(field).unwrap_or_default().trim();
            if found != locked {
                return Err(wrong(format!("its {field} is `{found}`, the lock says `{locked}`")));
            }
        }
        let plain =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
        if !plain(&package.name) || !plain(&package.arch) || package.name.starts_with(['.', '-']) {
            return Err(wrong(format!("`{}:{}` can't be a package's name", package.name, package.arch)));
        }
        Ok(Part { package, control: control.node, stanza, fields, members, data })
    }

    /// A field, trimmed; empty if it isn't there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default().trim()
    }

    /// What its files in dpkg's `info` folder are called: several architectures may share a name.
    pub(super) fn info_name(&self) -> String {
        match self.shares_files() {
            true => format!("{}:{}", self.package.name, self.package.arch),
            false => self.package.name.clone(),
        }
    }

    /// Whether it may be installed for several architectures at once, with equal files in common.
    pub(super) fn shares_files(&self) -> bool {
        self.field("Multi-Arch") == "same"
    }

    /// Whether every system has it.
    pub(super) fn essential(&self) -> bool {
        self.field("Essential") == "yes"
    }

    /// The lines of a text member, trimmed, without blank lines and comments.
    pub(super) fn lines(&self, member: &str) -> Vec<&str> {
        let bytes = self.members.get(member).map(|member| member.bytes.as_slice()).unwrap_or_default();
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    /// The configuration files it ships, without the leading slash.
    pub(super) fn conffiles(&self) -> Vec<&str> {
        // A line may begin with a flag (`remove-on-upgrade`): such a file isn't shipped.
        let paths = self.lines("conffiles").into_iter().filter_map(|line| line.strip_prefix('/'));
        paths.filter(|path| matches!(self.data.get(path), Some(Node::File { .. }))).collect()
    }

    /// Whether its files win over those of `other` at the same path.
    pub(super) fn replaces(&self, other: &Part) -> bool {
        alternatives(self.field("Replaces"))
            .into_iter()
            .flatten()
            .any(|relation| relation.name == other.package.name && relation.met_by(&other.package.version))
    }

    /// Whether its `preinst` may divert files, so that only dpkg itself can unpack it.
    ///
    /// What every system has can't be unpacked by its own dpkg, and its diversions are looked at
    /// one by one: they divert nothing that another package ships.
    pub(super) fn diverts(&self) -> bool {
        const HARMLESS: [&str; 6] = ["base-files", "bash", "dash", "gzip", "libc6", "usr-is-merged"];
        let name = self.package.name.as_str();
        !self.essential()
            && !HARMLESS.contains(&name)
            && self.lines("preinst").iter().any(|line| line.contains("dpkg-divert"))
    }
}

impl Relation<'_> {
    /// Whether a version lies within the bound.
    pub(super) fn met_by(&self, version: &str) -> bool {
        let Some((operator, bound)) = self.bound else { return true };
        let order = version::compare(version, bound);
        match operator {
            "<<" => order.is_lt(),
            "<=" | "<" => order.is_le(),
            "=" => order.is_eq(),
            ">=" | ">" => order.is_ge(),
            ">>" => order.is_gt(),
            _ => false,
        }
    }
}

/// The relations of a field, each a list of alternatives.
pub(super) fn alternatives(field: &str) -> Vec<Vec<Relation<'_>>> {
    let groups = field.split(',').map(str::trim).filter(|group| !group.is_empty());
    groups.map(|group| group.split('|').filter_map(relation).collect()).collect()
}

fn relation(text: &str) -> Option<Relation<'_>> {
    let text = text.trim();
    let (name, bound) = match text.split_once('(') {
        Some((name, bound)) => (name, Some(bound.trim_end_matches(')').trim())),
        None => (text, None),
    };
    let name = name.trim().split(':').next().unwrap_or_default();
    let bound = bound.map(|bound| {
        let version = bound.trim_start_matches(['<', '=', '>']);
        (&bound[..bound.len() - version.len()], version.trim())
    });
    (!name.is_empty()).then_some(Relation { name, bound })
}

/// The order of installation: what a package needs comes before it, `Pre-Depends` above all; among
/// equals the names decide. Cycles are cut where they are met, as dpkg does. Gives indexes of `parts`.
pub(super) fn order(parts: &[Part]) -> Vec<usize> {
    let mut walk = Walk { parts, providers: providers(parts), seen: BTreeSet::new(), order: Vec::new() };
    let mut first: Vec<usize> = (0..parts.len()).collect();
    // The preinst scripts of other packages look for users and for a C library.
    let rank = |part: &Part| match part.package.name.as_str() {
        "base-passwd" => 0,
        "base-files" => 1,
        _ if part.essential() => 2,
        _ => 3,
    };
    first.sort_by_key(|index| (rank(&parts[*index]), &parts[*index].package));
    for index in first {
        walk.visit(index);
    }
    walk.order
}

/// One stage of the installation: `preinst` scripts, then what is configured before the next stage.
pub(super) struct Stage {
    /// Whose `preinst` runs, in order; packages without one are left out.
    pub(super) begin: Vec<usize>,
    /// What is configured next, in order.
    pub(super) configure: Vec<usize>,
}

/// The stages, as apt would go: what every system has comes first and is configured; after that a
/// `preinst` waits until what its package `Pre-Depends` on is configured. The last stage configures
/// all that is left.
pub(super) fn stages(parts: &[Part], order: &[usize]) -> Vec<Stage> {
    let providers = providers(parts);
    let essential =
        closure(parts, &providers, order.iter().copied().filter(|index| parts[*index].essential()));
    let mut level: BTreeMap<usize, usize> = essential.iter().map(|index| (*index, 0)).collect();
    for &index in order {
        let before = needs(&parts[index], &providers, &["Pre-Depends"]);
        let above = before.iter().filter_map(|need| level.get(need)).max().copied().unwrap_or(0);
        level.entry(index).or_insert(above + 1);
    }
    let with_script =
        |index: &usize| parts[*index].members.contains_key("preinst") && !parts[*index].diverts();
    let last =
        order.iter().filter(|index| with_script(index)).map(|index| level[index]).max().unwrap_or(0).max(1);
    let mut stages = Vec::new();
    let mut configured: BTreeSet<usize> = BTreeSet::new();
    for at in 0..=last {
        let here = |index: &usize| level[index] == at;
        let begin = order.iter().copied().filter(|index| here(index) && with_script(index)).collect();
        let next = order.iter().filter(|index| level[index] == at + 1 && with_script(index));
        let wanted: BTreeSet<usize> = match at {
            _ if at == last => order.iter().copied().collect(),
            0 => essential.clone(),
            _ => closure(
                parts,
                &providers,
                next.flat_map(|index| needs(&parts[*index], &providers, &["Pre-Depends"])),
            ),
        };
        let configure: Vec<usize> = order
            .iter()
            .copied()
            .filter(|index| wanted.contains(index) && !configured.contains(index))
            .collect();
        configured.extend(&configure);
        stages.push(Stage { begin, configure });
    }
    stages
}

type Providers<'a> = BTreeMap<&'a str, Vec<usize>>;

/// Who is there under each name, the packages of that name first.
fn providers(parts: &[Part]) -> Providers<'_> {
    let mut providers: Providers<'_> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        providers.entry(&part.package.name).or_default().push(index);
    }
    for (index, part) in parts.iter().enumerate() {
        for relation in alternatives(part.field("Provides")).into_iter().flatten() {
            providers.entry(relation.name).or_default().push(index);
        }
    }
    providers
}

/// What a package's fields name, as far as it is there.
fn needs(part: &Part, providers: &Providers<'_>, fields: &[&str]) -> Vec<usize> {
    let relations = fields.iter().flat_map(|field| alternatives(part.field(field))).flatten();
    relations.filter_map(|relation| providers.get(relation.name)).flatten().copied().collect()
}

/// These packages and all that they need.
fn closure(parts: &[Part], providers: &Providers<'_>, start: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<usize> = start.collect();
    while let Some(index) = todo.pop() {
        if found.insert(index) {
            todo.extend(needs(&parts[index], providers, &["Pre-Depends", "Depends"]));
        }
    }
    found
}

struct Walk<'a> {
    parts: &'a [Part],
    providers: Providers<'a>,
    seen: BTreeSet<usize>,
    order: Vec<usize>,
}

impl Walk<'_> {
    /// Depth-first with a stack of its own: a hostile chain of packages must not exhaust the thread's.
    fn visit(&mut self, start: usize) {
        let mut stack = vec![(start, false)];
        while let Some((index, ready)) = stack.pop() {
            if ready {
                self.order.push(index);
            } else if self.seen.insert(index) {
                stack.push((index, true));
                let needs = needs(&self.parts[index], &self.providers, &["Pre-Depends", "Depends"]);
                stack.extend(needs.into_iter().rev().map(|need| (need, false)));
            }
        }
    }
}

#[cfg(test)]
#[path = "package_tests.rs"]
mod tests;
