//! Debian source packages: what `debian/control` and `debian/changelog` say.

use rbld_lang::derivation::Arch;

use super::facts::{Built, Facts};
use super::files::Folder;
use super::names;
use crate::failure::{Failure, Result};
use crate::fetch::debian::relation::atoms;
use crate::fetch::debian::stanza::stanzas;

/// What every environment for packages holds: `debian.packages`, and what it brings.
const HELD: [&str; 5] = ["build-essential", "debhelper", "debhelper-compat", "fakeroot", "dpkg-dev"];

pub(super) fn read(folder: &Folder, arch: Arch) -> Result<Facts> {
    let control = folder.text("debian/control")?.unwrap_or_default();
    // Lines that are comments stand even between those of one field.
    let lines: String =
        control.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let source =
        stanzas(lines.as_bytes()).find(|stanza| stanza.get("Source").is_some()).ok_or_else(|| {
            Failure::input("`debian/control` names no source package")
                .help("its first stanza begins with `Source: NAME`; for another kind say `--kind`")
        })?;
    let mut facts = Facts {
        kind: "a Debian source package",
        learnt: vec!["debian/control", "debian/changelog"],
        module: "debian",
        name: source.get("Source").filter(|name| names::is_plain(name)).map(str::to_owned),
        builds: vec![Built {
            item: "packages",
            recipe: "debian.package",
            given: Vec::new(),
            output: "debs",
            says: "the packages, built twice",
        }],
        ..Facts::default()
    };
    for field in ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"] {
        needs(&mut facts, field, source.get(field).unwrap_or_default(), arch)?;
    }
    changelog(folder, &mut facts)?;
    facts.notes.push(
        "The time in the packages is that of the changelog's last entry. Packages that are in the archive are rebuilt, and \
         compared with it, by `debian.rebuild`."
            .to_owned(),
    );
    Ok(facts)
}

/// Of the alternatives that apply, the first is taken.
fn needs(facts: &mut Facts, field: &str, text: &str, arch: Arch) -> Result<()> {
    let mut taken = false;
    let mut first: Option<(String, Vec<String>)> = None;
    for atom in atoms(text) {
        let atom = atom.map_err(|wrong| {
            Failure::input(format!("`{field}` of `debian/control` can't be read")).fact(wrong.to_string())
        })?;
        if atom.applies(arch.name()) && names::is_package(atom.name) {
            match &mut first {
                Some((_, others)) => others.push(atom.to_string()),
                None => first = Some((atom.name.to_owned(), Vec::new())),
            }
            taken = true;
        }
        if atom.or {
            continue;
        }
        if let Some((name, others)) = first.take().filter(|_| taken)
            && !HELD.contains(&&*name)
        {
            let or = if others.is_empty() { String::new() } else { format!(", or {}", others.join(", ")) };
            facts.need(&name, format!("{field}{or}"));
        }
        taken = false;
    }
    Ok(())
}

/// The version and the suite of the last entry: `hello (1.0-1) unstable; urgency=medium`.
fn changelog(folder: &Folder, facts: &mut Facts) -> Result<()> {
    let text = folder.text("debian/changelog")?.unwrap_or_default();
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let version = line.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(version, _)| version);
    facts.version = version.filter(|version| names::is_plain(version)).map(str::to_owned);
    if facts.version.is_none() {
        facts.todo.push("see `debian/changelog`: no version is in its first line".to_owned());
    }
    let suite =
        line.split_once(") ").and_then(|(_, rest)| rest.split_once(';')).map(|(suite, _)| suite.trim());
    if let Some(suite) = suite.filter(|suite| !suite.is_empty() && !suite.starts_with("trixie")) {
        facts.notes.push(format!(
            "The changelog's last entry is for {suite}; the environment is of Debian trixie. `sid` is unstable."
        ));
    }
    Ok(())
}
