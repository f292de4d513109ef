//! Whether the relations of an environment's packages hold, where builds made some of them.
//!
//! What each package needs must be there, and nothing that a built package conflicts with, or that
//! conflicts with it. Says what isn't so; chooses nothing. Relations are read as dpkg reads them.

use std::collections::BTreeMap;

use super::package::Part;
use crate::failure::{Failure, Result};
use crate::fetch::debian::relation::{Atom, Op, atoms};

/// Unmet relations told at most.
const TOLD: usize = 10;

/// Who made a package, by its name and architecture.
type Makers = BTreeMap<(String, String), String>;

/// Fails, naming the package and the relation, if one isn't met.
pub(super) fn check(parts: &[Part], makers: &Makers, native: &str) -> Result<()> {
    let system = System { parts, makers, native };
    let mut unmet = Vec::new();
    for part in parts {
        for field in ["Pre-Depends", "Depends"] {
            unmet.extend(system.needs(part, field));
        }
        for field in ["Conflicts", "Breaks"] {
            unmet.extend(system.conflicts(part, field));
        }
    }
    let mut unmet = unmet.into_iter();
    let Some(first) = unmet.next() else { return Ok(()) };
    let mut failure = Failure::build(first.message);
    for fact in first.facts {
        failure = failure.fact(fact);
    }
    let rest: Vec<Unmet> = unmet.collect();
    for other in rest.iter().take(TOLD) {
        failure = failure.fact(format!("also: {}", other.message));
    }
    if rest.len() > TOLD {
        failure = failure.fact(format!("and {} more", rest.len() - TOLD));
    }
    Err(failure.help(
        "packages are put in without being resolved again: build versions that fit, or lock an environment that holds \
         what they need",
    ))
}

struct Unmet {
    message: String,
    facts: Vec<String>,
}

struct System<'a> {
    parts: &'a [Part],
    makers: &'a Makers,
    native: &'a str,
}

impl System<'_> {
    fn maker(&self, part: &Part) -> Option<&str> {
        self.makers.get(&(part.package.name.clone(), part.package.arch.clone())).map(String::as_str)
    }

    /// A package with its version and who made it.
    fn told(&self, part: &Part) -> String {
        let package = &part.package;
        match self.maker(part) {
            Some(who) => format!("`{}` {}, made by `{who}`,", package.name, package.version),
            None => format!("`{}` {}", package.name, package.version),
        }
    }

    /// The relations of a field that nothing meets.
    fn needs(&self, part: &Part, field: &str) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        let mut group: Vec<Atom<'_>> = Vec::new();
        for atom in atoms(part.field(field)) {
            let Ok(atom) = atom else { return vec![self.malformed(part, field)] };
            let last = !atom.or;
            group.push(atom);
            if last {
                if !group.iter().any(|atom| self.parts.iter().any(|by| self.meets(by, atom, part))) {
                    unmet.push(self.missing(part, field, &group));
                }
                group.clear();
            }
        }
        unmet
    }

    fn malformed(&self, part: &Part, field: &str) -> Unmet {
        let message = format!("{} has a `{field}` that can't be read", self.told(part));
        Unmet { message, facts: vec![format!("{field}: {}", part.field(field))] }
    }

    fn missing(&self, part: &Part, field: &str, group: &[Atom<'_>]) -> Unmet {
        let relation: Vec<String> = group.iter().map(Atom::to_string).collect();
        let relation = relation.join(" | ");
        let there = self.parts.iter().filter(|by| group.iter().any(|atom| atom.name == by.package.name));
        let facts = there.map(|by| format!("there is {}", self.told(by).trim_end_matches(','))).collect();
        let message = format!("{} needs `{relation}`, which the environment doesn't have", self.told(part));
        let message = if field == "Pre-Depends" {
            message.replacen(" needs ", " needs beforehand ", 1)
        } else {
            message
        };
        Unmet { message, facts }
    }

    /// The packages that are in the way of another, where either was built: the lock's own go together.
    fn conflicts(&self, part: &Part, field: &str) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        for atom in atoms(part.field(field)) {
            let Ok(atom) = atom else { return vec![self.malformed(part, field)] };
            for other in self.parts {
                let same = other.package.name == part.package.name;
                let built = self.maker(part).is_some() || self.maker(other).is_some();
                if !same && built && self.is_meant(other, &atom) && self.of_arch(other, &atom) {
                    let message = format!(
                        "{} can't be beside {}: it says `{field}: {atom}`",
                        self.told(part),
                        self.told(other).trim_end_matches(',')
                    );
                    unmet.push(Unmet { message, facts: Vec::new() });
                }
            }
        }
        unmet
    }

    /// Whether a package meets an alternative of another's relation.
    fn meets(&self, by: &Part, atom: &Atom<'_>, owner: &Part) -> bool {
        self.is_meant(by, atom) && self.may_serve(by, atom, owner)
    }

    /// Whether it has the name, or provides it, in a version that the relation allows.
    fn is_meant(&self, by: &Part, atom: &Atom<'_>) -> bool {
        let named = by.package.name == atom.name && atom.op.holds(Some(&by.package.version), atom.version);
        named
            || atoms(by.field("Provides")).flatten().any(|provided| {
                let version = (provided.op == Op::Equal).then_some(provided.version);
                provided.name == atom.name && atom.op.holds(version, atom.version)
            })
    }

    /// Whether its architecture is one that the relation allows.
    fn may_serve(&self, by: &Part, atom: &Atom<'_>, owner: &Part) -> bool {
        let kind = by.field("Multi-Arch");
        match atom.qualifier {
            Some("any") => kind == "allowed" || self.arch(by) == self.arch(owner),
            Some(_) => self.of_arch(by, atom),
            None => kind == "foreign" || self.arch(by) == self.arch(owner),
        }
    }

    fn of_arch(&self, part: &Part, atom: &Atom<'_>) -> bool {
        match atom.qualifier {
            None | Some("any") => true,
            Some("native") => self.arch(part) == self.native,
            Some(arch) => self.arch(part) == arch,
        }
    }

    /// The architecture that a package counts as: what is for all is of this one.
    fn arch<'a>(&'a self, part: &'a Part) -> &'a str {
        if part.package.arch == "all" { self.native } else { &part.package.arch }
    }
}

#[cfg(test)]
#[path = "relations_tests.rs"]
mod tests;
