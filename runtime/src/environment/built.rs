//! Packages that builds made, in place of locked ones of equal name and architecture.
//!
//! Reads the control members of `.deb` files in the outputs of builds, and gives the list of packages that
//! an environment then has: equal files give an equal list, whoever made them. Nothing is resolved again;
//! whether the relations of that list still hold is [`super::relations`]' matter.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use deb822_fast::Paragraph;
use rbld_lang::derivation::{DerivationId, Environment, InputRef, Package, Replaced};
use rbld_lang::digest::Digest;

use super::{deb, unpack};
use crate::failure::{Failure, Result};
use crate::store::tree::{self, Node};
use crate::store::{Object, Store};

/// The greatest `control` file, in bytes.
const CONTROL: u64 = 1 << 20;

/// A build's output, and what a person calls the build.
pub type Given<'a> = dyn Fn(&InputRef) -> Result<(String, Object)> + 'a;

/// An environment whose packages are all known.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The environment: its packages by digest, nothing left to replace.
    pub environment: Environment,
    /// Who made a package, by its name and architecture; those of the lock aren't here.
    pub made: BTreeMap<(String, String), String>,
    /// Packages that were made and stand for none, `name version arch`, sorted.
    pub unused: Vec<String>,
}

/// Puts what builds made in its place.
pub fn stage(environment: &Environment, given: &Given<'_>, store: &Store) -> Result<Staged> {
    let mut staged = Staged {
        environment: Environment { replaced: Vec::new(), ..environment.clone() },
        made: BTreeMap::new(),
        unused: Vec::new(),
    };
    for layer in &environment.replaced {
        let made = made_in(layer, given, store)?;
        staged.put(layer, made)?;
    }
    let packages = &mut staged.environment.packages;
    packages.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    staged.unused.sort();
    staged.unused.dedup();
    Ok(staged)
}

/// A package that a build made.
struct Made {
    who: String,
    by: DerivationId,
    /// The file in its output.
    file: String,
    package: Package,
}

impl Staged {
    fn put(&mut self, layer: &Replaced, made: Vec<Made>) -> Result<()> {
        let native = self.environment.arch.name();
        let mut missing: BTreeSet<&str> = layer.add.iter().map(String::as_str).collect();
        let mut used = 0;
        for Made { who, package, .. } in made {
            missing.remove(package.name.as_str());
            let key = (package.name.clone(), package.arch.clone());
            let packages = &mut self.environment.packages;
            let same = packages.iter().position(|locked| locked.name == key.0 && locked.arch == key.1);
            let other = packages.iter().find(|locked| locked.name == key.0 && locked.arch != key.1);
            let fits = package.arch == native || package.arch == "all";
            match (same, other) {
                (Some(at), _) => packages[at] = package,
                (None, Some(other)) if fits && (other.arch == "all" || package.arch == "all") => {
                    return Err(other_arch(&who, &package, other));
                }
                (None, None) if fits && layer.add.contains(&key.0) => packages.push(package),
                _ => {
                    self.unused.push(format!("{} {} {}", package.name, package.version, package.arch));
                    continue;
                }
            }
            used += 1;
            self.made.insert(key, who);
        }
        if let Some(name) = missing.first() {
            return Err(Failure::build(format!("no build made the package `{name}`, which is to be added"))
                .fact(format!("for {native}; made were: {}", self.listed()))
                .help("correct `add`, or build a package of that name"));
        }
        if used == 0 {
            return Err(Failure::build("nothing that was built is a package of this environment")
                .fact(format!("made were: {}", self.listed()))
                .help("name what is to come in beside the packages of the lock: `add = [\"name\"]`"));
        }
        Ok(())
    }

    fn listed(&self) -> String {
        let made = self.made.keys().map(|(name, arch)| format!("{name} {arch}"));
        let all: Vec<String> = made.chain(self.unused.iter().cloned()).take(20).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }
}

/// A package that is for one architecture where the other is for all, so neither stands for the other.
fn other_arch(who: &str, package: &Package, locked: &Package) -> Failure {
    Failure::build(format!(
        "`{who}` made `{}` for {}, but the environment has it for {}",
        package.name, package.arch, locked.arch
    ))
    .fact(format!("there it is {} {}", locked.name, locked.version))
    .help("a package stands for the one of equal name and architecture: let its `Architecture` be the same")
}

/// The packages in the outputs of a layer; an error if two are of one name and architecture.
fn made_in(layer: &Replaced, given: &Given<'_>, store: &Store) -> Result<Vec<Made>> {
    let mut all: BTreeMap<(String, String), Made> = BTreeMap::new();
    for output in &layer.packages {
        let (who, object) = given(output)?;
        let files = files(&object, store)?;
        if files.is_empty() {
            return Err(Failure::build(format!("`{who}` made no package"))
                .fact(format!("there is no `.deb` file in its output `{}`", output.output))
                .help("name the output that holds its packages"));
        }
        for (file, digest, size) in files {
            let package = read(&who, &file, digest, size, store)?;
            let key = (package.name.clone(), package.arch.clone());
            let made = Made { who: who.clone(), by: output.derivation, file, package };
            if let Some(first) = all.get(&key) {
                return Err(twice(first, &made));
            }
            all.insert(key, made);
        }
    }
    Ok(all.into_values().collect())
}

/// Two packages of one name and architecture.
fn twice(one: &Made, other: &Made) -> Failure {
    // In the order of their names: that of derivations says nothing to a person.
    let swapped = (&other.who, &other.file) < (&one.who, &one.file);
    let (first, second) = if swapped { (other, one) } else { (one, other) };
    let package = &first.package;
    let message = match first.by == second.by {
        true => format!("`{}` made the package `{}` twice for {}", first.who, package.name, package.arch),
        false => format!(
            "`{}` and `{}` both made the package `{}` for {}",
            first.who, second.who, package.name, package.arch
        ),
    };
    let fact = |made: &Made| {
        format!("{}: version {}, sha256 {}", made.file, made.package.version, made.package.digest)
    };
    Failure::build(message).fact(fact(first)).fact(fact(second)).help(
        "which of them is meant can't be told: let only one build make it, or give only one to the stage",
    )
}

/// The `.deb` files of an output: path, digest, length.
fn files(object: &Object, store: &Store) -> Result<Vec<(String, Digest, u64)>> {
    match object {
        Object::File { digest, size, .. } => Ok(vec![("its one file".to_owned(), *digest, *size)]),
        Object::Tree { digest, .. } => {
            let folder = tree::read(store, *digest)?;
            let file = |(path, node): (String, &Node)| match node {
                Node::File { digest, size, .. } if path.ends_with(".deb") => Some((path, *digest, *size)),
                _ => None,
            };
            Ok(folder.files().filter_map(file).collect())
        }
    }
}

/// A package as its own control member has it.
fn read(who: &str, file: &str, digest: Digest, size: u64, store: &Store) -> Result<Package> {
    let wrong = |why: &str| {
        Failure::build(format!("`{who}` made a `.deb` that is none: {why}"))
            .fact(format!("{file}, {size} bytes, sha256 {digest}"))
            .help("look at it with `dpkg-deb --info`: `rbld build -o DIR` puts it into a folder")
    };
    let text = match unpack::control(digest, store, CONTROL)? {
        Some(text) => text,
        None => deb::control(&mut store.open_blob(digest)?, size, CONTROL).map_err(|why| wrong(&why))?,
    };
    let text = String::from_utf8(text).map_err(|_| wrong("its `control` isn't UTF-8"))?;
    let fields = Paragraph::from_str(&format!("{}\n", text.trim_matches('\n')))
        .map_err(|error| wrong(&format!("its `control` can't be read: {error}")))?;
    let field = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
    let package = Package {
        origin: None,
        name: field("Package"),
        arch: field("Architecture"),
        version: field("Version"),
        digest,
        size,
        path: format!("{file} of `{who}`"),
    };
    let word = |text: &str, more: &[u8]| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        !text.is_empty() && text.len() < 200 && text.bytes().all(plain) && !text.starts_with(['.', '-'])
    };
    let sound = word(&package.name, b".+-") && word(&package.arch, b"-") && word(&package.version, b".+-:~");
    match sound {
        true => Ok(package),
        false => Err(wrong("its `control` has no sound Package, Version and Architecture")),
    }
}
