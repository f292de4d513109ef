//! The packages that an index offers, their relations and what they provide, ready to be chosen from.
//!
//! Reads `Packages` files of tens of megabytes in one pass, keeping slices of their text. Chooses nothing.
//! Names are numbered in the order in which they are first mentioned, which is how apt numbers them; where
//! nothing else tells two providers apart, apt takes the later number, and so must whoever wants apt's answer.

use std::borrow::Cow;
use std::ops::Range;

use indexmap::IndexSet;
use rbld_lang::derivation::ArchiveId;

use super::relation::{self, Malformed, Op};
use super::stanza::{self, Stanza};
use super::version;

/// A package's name, or a virtual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameId(pub u32);

/// A version of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfferId(pub u32);

/// What a relation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Installed and configured before it is unpacked.
    PreDepends,
    /// Installed.
    Depends,
    /// Not installed.
    Conflicts,
    /// Not installed (or at least not configured).
    Breaks,
    /// Installed, usually.
    Recommends,
    /// Installed, maybe.
    Suggests,
}

impl Kind {
    /// Whether the package doesn't work without.
    pub fn is_needed(self) -> bool {
        matches!(self, Kind::PreDepends | Kind::Depends)
    }

    /// Whether it asks for absence.
    pub fn is_negative(self) -> bool {
        matches!(self, Kind::Conflicts | Kind::Breaks)
    }
}

/// One alternative of a relation of a package.
#[derive(Clone, Copy, Debug)]
pub struct Relation<'a> {
    /// What it asks for.
    pub kind: Kind,
    /// Of which name.
    pub target: NameId,
    /// In which versions.
    pub op: Op,
    /// Compared with which.
    pub version: &'a str,
    /// The next relation is an alternative to this one.
    pub or: bool,
}

/// A version of a package that can be had.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// Of which package.
    pub name: NameId,
    /// Which version.
    pub version: &'a str,
    /// `Architecture`.
    pub arch: &'a str,
    /// `Source`, as it stands.
    pub source: &'a str,
    /// Its rank by `Priority`: 1 required … 5 extra, 0 when it says none.
    pub priority: u8,
    /// Where its relations are.
    relations: Range<usize>,
    /// `Size`.
    pub size: &'a str,
    /// `SHA256`.
    pub digest: &'a str,
    /// `Filename`.
    pub path: &'a str,
    /// Which of the indexes it was read from it is of, by their number.
    pub index: u16,
    /// How much it is wanted: a version of a higher rank before any of a lower.
    rank: u16,
}

/// What provides a name.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    /// As which version.
    pub version: Option<&'a str>,
    /// The version of the package that does.
    pub by: OfferId,
}

/// What is known of a name.
#[derive(Clone, Debug, Default)]
pub struct Named<'a> {
    /// The versions on offer, the one that would be taken first: by rank, then by version.
    pub offers: Vec<OfferId>,
    /// What else provides it.
    pub providers: Vec<Provider<'a>>,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Important: yes` or `Protected: yes`.
    pub important: bool,
}

/// Everything on offer for one architecture.
#[derive(Clone)]
pub struct Universe<'a> {
    arch: &'static str,
    names: IndexSet<Cow<'a, str>>,
    named: Vec<Named<'a>>,
    offers: Vec<Offer<'a>>,
    relations: Vec<Relation<'a>>,
    /// The archives of the indexes, by their number, where they aren't the first one's.
    origins: Vec<Option<ArchiveId>>,
}

/// The fields of a stanza that matter.
#[derive(Default)]
struct Fields<'a> {
    package: &'a str,
    version: &'a str,
    arch: &'a str,
    source: &'a str,
    priority: &'a str,
    multi_arch: &'a str,
    essential: bool,
    important: bool,
    size: &'a str,
    digest: &'a str,
    path: &'a str,
    pre_depends: &'a str,
    depends: &'a str,
    conflicts: &'a str,
    breaks: &'a str,
    recommends: &'a str,
    suggests: &'a str,
    replaces: &'a str,
    enhances: &'a str,
    provides: &'a str,
}

impl<'a> Fields<'a> {
    fn read(stanza: Stanza<'a>) -> Fields<'a> {
        let mut fields = Fields::default();
        for (name, value) in stanza.fields() {
            match name {
                "Package" => fields.package = value,
                "Version" => fields.version = value,
                "Architecture" => fields.arch = value,
                "Source" => fields.source = value,
                "Priority" => fields.priority = value,
                "Multi-Arch" => fields.multi_arch = value,
                "Essential" => fields.essential = value == "yes",
                "Important" | "Protected" => fields.important |= value == "yes",
                "Size" => fields.size = value,
                "SHA256" => fields.digest = value,
                "Filename" => fields.path = value,
                "Pre-Depends" => fields.pre_depends = value,
                "Depends" => fields.depends = value,
                "Conflicts" => fields.conflicts = value,
                "Breaks" => fields.breaks = value,
                "Recommends" => fields.recommends = value,
                "Suggests" => fields.suggests = value,
                "Replaces" => fields.replaces = value,
                "Enhances" => fields.enhances = value,
                "Provides" => fields.provides = value,
                _ => {}
            }
        }
        fields
    }
}

/// A stanza that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in the stanza of `{package}`: {wrong}")]
pub struct Unreadable {
    /// Whose stanza.
    pub package: String,
    /// What is wrong.
    pub wrong: Malformed,
}

impl<'a> Universe<'a> {
    /// An empty one for an architecture.
    pub fn new(arch: &'static str) -> Universe<'a> {
        Universe {
            arch,
            names: IndexSet::new(),
            named: Vec::new(),
            offers: Vec::new(),
            relations: Vec::new(),
            origins: Vec::new(),
        }
    }

    /// Adds what a `Packages` file offers.
    pub fn add(&mut self, packages: &'a [u8]) -> Result<(), Unreadable> {
        self.add_of(packages, 0, 500)
    }

    /// Says which archives the indexes are of, by their number: none for the first one's.
    pub fn of_archives(mut self, origins: Vec<Option<ArchiveId>>) -> Universe<'a> {
        self.origins = origins;
        self
    }

    /// The archive of a version, where it isn't the first one's.
    pub fn origin(&self, offer: &Offer<'_>) -> Option<ArchiveId> {
        self.origins.get(usize::from(offer.index)).cloned().flatten()
    }

    /// Adds what a `Packages` file offers that is one of several, by its number, and wanted so much.
    pub fn add_of(&mut self, packages: &'a [u8], index: u16, rank: u16) -> Result<(), Unreadable> {
        for stanza in stanza::stanzas(packages) {
            let fields = Fields::read(stanza);
            if fields.package.is_empty() || fields.version.is_empty() {
                continue;
            }
            if fields.arch != "all" && fields.arch != self.arch {
                continue;
            }
            if index > 0 && self.is_known(&fields) {
                continue;
            }
            self.add_offer(&fields, index, rank)
                .map_err(|wrong| Unreadable { package: fields.package.to_owned(), wrong })?;
        }
        Ok(())
    }

    /// Whether the very same file is on offer already, from another index.
    fn is_known(&self, fields: &Fields<'a>) -> bool {
        let Some(name) = self.find(&lower(fields.package)) else { return false };
        !fields.digest.is_empty()
            && self.named(name).offers.iter().map(|id| self.offer(*id)).any(|offer| {
                offer.version == fields.version && offer.arch == fields.arch && offer.digest == fields.digest
            })
    }

    /// Adds a package that exists only here, to hold what a build needs and what it can't stand.
    pub fn add_wish(
        &mut self,
        name: String,
        needs: &[relation::Atom<'a>],
        conflicts: &[relation::Atom<'a>],
    ) -> NameId {
        let name = self.intern(Cow::Owned(name));
        let first = self.relations.len();
        for (kind, atoms) in [(Kind::Depends, needs), (Kind::Conflicts, conflicts)] {
            for atom in atoms {
                self.relate(kind, *atom);
            }
        }
        self.push(Offer {
            name,
            version: "1",
            arch: self.arch,
            source: "",
            priority: 4,
            relations: first..self.relations.len(),
            size: "",
            digest: "",
            path: "",
            index: 0,
            rank: 500,
        });
        name
    }

    fn add_offer(&mut self, fields: &Fields<'a>, index: u16, rank: u16) -> Result<(), Malformed> {
        let name = self.intern(lower(fields.package));
        let first = self.relations.len();
        for (kind, field) in [
            (Kind::PreDepends, fields.pre_depends),
            (Kind::Depends, fields.depends),
            (Kind::Conflicts, fields.conflicts),
            (Kind::Breaks, fields.breaks),
            (Kind::Recommends, fields.recommends),
            (Kind::Suggests, fields.suggests),
        ] {
            for atom in relation::atoms(field) {
                self.relate(kind, atom?);
            }
        }
        for field in [fields.replaces, fields.enhances] {
            for atom in relation::atoms(field) {
                self.target(&atom?);
            }
        }
        let relations = first..self.relations.len();
        let allowed = fields.multi_arch == "allowed";
        let mut provided: Vec<(NameId, Option<&'a str>)> = Vec::new();
        for atom in relation::atoms(fields.provides) {
            let atom = atom?;
            if !matches!(atom.op, Op::Any | Op::Equal) {
                continue;
            }
            let version = (atom.op == Op::Equal).then_some(atom.version);
            if allowed && atom.qualifier.is_none() {
                provided.push((self.intern(Cow::Owned(format!("{}:any", atom.name))), version));
            }
            provided.push((self.target(&atom), version));
        }
        if allowed {
            let any = self.intern(Cow::Owned(format!("{}:any", fields.package)));
            provided.push((any, Some(fields.version)));
        }
        let offer = self.push(Offer {
            name,
            version: fields.version,
            arch: fields.arch,
            source: fields.source,
            priority: priority(fields.priority),
            relations,
            size: fields.size,
            digest: fields.digest,
            path: fields.path,
            index,
            rank,
        });
        for (target, version) in provided {
            self.named[target.0 as usize].providers.push(Provider { version, by: offer });
        }
        let named = &mut self.named[name.0 as usize];
        named.essential |= fields.essential;
        named.important |= fields.important;
        Ok(())
    }

    fn push(&mut self, offer: Offer<'a>) -> OfferId {
        let id = OfferId(self.offers.len() as u32);
        let name = offer.name;
        let (rank, version) = (offer.rank, offer.version);
        self.offers.push(offer);
        let above = |other: &&OfferId| {
            let other = &self.offers[other.0 as usize];
            other.rank.cmp(&rank).then_with(|| version::compare(other.version, version)).is_ge()
        };
        let at = self.named[name.0 as usize].offers.iter().take_while(above).count();
        self.named[name.0 as usize].offers.insert(at, id);
        id
    }

    fn relate(&mut self, kind: Kind, atom: relation::Atom<'a>) {
        let target = self.target(&atom);
        self.relations.push(Relation { kind, target, op: atom.op, version: atom.version, or: atom.or });
    }

    /// The name that an alternative is about: `a:any` is a name of its own, `a:native` is `a`.
    fn target(&mut self, atom: &relation::Atom<'a>) -> NameId {
        match atom.qualifier {
            None | Some("native") => self.intern(Cow::Borrowed(atom.name)),
            Some(qualifier) if qualifier == self.arch => self.intern(Cow::Borrowed(atom.name)),
            Some(qualifier) => self.intern(Cow::Owned(format!("{}:{qualifier}", atom.name))),
        }
    }

    fn intern(&mut self, name: Cow<'a, str>) -> NameId {
        if let Some(at) = self.names.get_index_of(name.as_ref()) {
            return NameId(at as u32);
        }
        let (at, _) = self.names.insert_full(name);
        self.named.push(Named::default());
        NameId(at as u32)
    }

    /// The number of a name.
    pub fn find(&self, name: &str) -> Option<NameId> {
        self.names.get_index_of(name).map(|at| NameId(at as u32))
    }

    /// The text of a name.
    pub fn text(&self, name: NameId) -> &str {
        &self.names[name.0 as usize]
    }

    /// What is known of a name.
    pub fn named(&self, name: NameId) -> &Named<'a> {
        &self.named[name.0 as usize]
    }

    /// All names, in order of their number.
    pub fn names(&self) -> impl Iterator<Item = (NameId, &str)> {
        self.names.iter().enumerate().map(|(at, name)| (NameId(at as u32), name.as_ref()))
    }

    /// A version on offer.
    pub fn offer(&self, id: OfferId) -> &Offer<'a> {
        &self.offers[id.0 as usize]
    }

    /// All versions on offer.
    pub fn offers(&self) -> impl Iterator<Item = &Offer<'a>> {
        self.offers.iter()
    }

    /// The relations of a version, in the order in which they are considered.
    pub fn relations(&self, id: OfferId) -> &[Relation<'a>] {
        &self.relations[self.offer(id).relations.clone()]
    }

    /// A relation as text.
    pub fn show(&self, relation: &Relation<'_>) -> String {
        let name = self.text(relation.target);
        match relation.op {
            Op::Any => name.to_owned(),
            op => format!("{name} ({} {})", op.sign(), relation.version),
        }
    }
}

/// Relations in groups of alternatives.
pub fn groups<'r, 'a>(relations: &'r [Relation<'a>]) -> impl Iterator<Item = &'r [Relation<'a>]> {
    let mut rest = relations;
    std::iter::from_fn(move || {
        let kind = rest.first()?.kind;
        let mut end = 1;
        while rest[end - 1].or && rest.get(end).is_some_and(|next| next.kind == kind) {
            end += 1;
        }
        let (group, after) = rest.split_at(end);
        rest = after;
        Some(group)
    })
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn priority(text: &str) -> u8 {
    match text.to_ascii_lowercase().as_str() {
        "" => 0,
        "required" => 1,
        "important" => 2,
        "standard" => 3,
        "optional" => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_relations_and_providers() {
        let text = b"Package: a\nVersion: 1\nArchitecture: all\nDepends: v | b (>= 2), c:any\n\n\
            Package: b\nVersion: 1\nArchitecture: amd64\nMulti-Arch: allowed\nProvides: v (= 3), w\nEssential: yes\n\n\
            Package: b\nVersion: 10\nArchitecture: amd64\n\n\
            Package: b\nVersion: 99\nArchitecture: i386\n";
        let mut universe = Universe::new("amd64");
        universe.add(text).unwrap();
        let name = |name| universe.find(name).unwrap();
        assert_eq!(
            universe.names().map(|(_, name)| name).collect::<Vec<_>>(),
            ["a", "v", "b", "c:any", "v:any", "w:any", "w", "b:any"]
        );
        let b: Vec<&str> =
            universe.named(name("b")).offers.iter().map(|id| universe.offer(*id).version).collect();
        assert_eq!(b, ["10", "1"]);
        assert!(universe.named(name("b")).essential);
        assert_eq!(universe.named(name("v")).providers[0].version, Some("3"));
        assert_eq!(universe.named(name("b:any")).providers.len(), 1);
        let a = universe.named(name("a")).offers[0];
        let shown: Vec<Vec<String>> = groups(universe.relations(a))
            .map(|group| group.iter().map(|one| universe.show(one)).collect())
            .collect();
        assert_eq!(shown, [vec!["v", "b (>= 2)"], vec!["c:any"]]);
    }

    #[test]
    fn of_several_indexes_the_highest_version_of_the_highest_rank() {
        let stanza = |version: &str, digest: &str| {
            format!("Package: a\nVersion: {version}\nArchitecture: all\nSHA256: {digest}\nProvides: p\n\n")
        };
        let texts =
            [stanza("2", "22"), stanza("3", "33") + &stanza("2", "22"), stanza("9", "99"), stanza("3", "44")];
        let mut universe = Universe::new("amd64");
        for (index, (text, rank)) in texts.iter().zip([500, 500, 100, 500]).enumerate() {
            universe.add_of(text.as_bytes(), index as u16, rank).unwrap();
        }
        let named = universe.named(universe.find("a").unwrap());
        let offers: Vec<(&str, u16)> = named
            .offers
            .iter()
            .map(|id| universe.offer(*id))
            .map(|offer| (offer.version, offer.index))
            .collect();
        assert_eq!(offers, [("3", 1), ("3", 3), ("2", 0), ("9", 2)]);
        assert_eq!(universe.named(universe.find("p").unwrap()).providers.len(), 4);
    }

    #[test]
    fn a_malformed_relation_is_named() {
        let mut universe = Universe::new("amd64");
        let wrong = universe.add(b"Package: a\nVersion: 1\nArchitecture: all\nDepends: b (\n").unwrap_err();
        assert_eq!(wrong.to_string(), "in the stanza of `a`: no relation can be read at `b (`");
    }
}
