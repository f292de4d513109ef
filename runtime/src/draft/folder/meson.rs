//! Meson projects: what the `meson.build` files say.

use super::calls::{arguments, calls, literal, uncommented};
use super::facts::{Built, Facts};
use super::files::Folder;
use super::names;
use crate::failure::Result;

pub(super) fn read(folder: &Folder) -> Result<Facts> {
    let texts: Vec<String> =
        folder.texts("meson.build")?.iter().map(|text| uncommented(text, &["#"])).collect();
    let mut facts =
        Facts { kind: "a Meson project", learnt: vec!["meson.build"], module: "meson", ..Facts::default() };
    let top = texts.first().map(String::as_str).unwrap_or_default();
    let mut languages = Vec::new();
    if let Some(inside) = calls(top, "project").first() {
        let given = arguments(inside);
        let texts: Vec<&str> = given.iter().filter_map(|argument| literal(argument)).collect();
        facts.name = texts.first().filter(|name| names::is_plain(name)).map(|name| (*name).to_owned());
        languages = texts.iter().skip(1).map(|language| (*language).to_owned()).collect();
        facts.version = version(folder, &given)?;
    }
    for language in languages {
        if let Some(package) = names::meson_language(&language) {
            facts.need(package, format!("project(…, '{language}')"));
        }
    }
    for text in &texts {
        for inside in calls(text, "dependency") {
            let given = arguments(inside);
            let Some(name) = given.first().and_then(|name| literal(name)) else { continue };
            let optional = given.iter().any(|argument| argument.starts_with("required"));
            let package = names::meson(name);
            // What isn't required and isn't known may as well be missing.
            if names::is_plain(name) && (package.is_some() || !optional) {
                facts.ask(name, package, format!("dependency('{name}')"));
            }
        }
        for inside in calls(text, "find_program") {
            let Some(name) = arguments(inside).first().and_then(|name| literal(name)) else { continue };
            // Most programs are of the project itself, or of what every system has.
            if let Some(package) = names::program(name) {
                facts.need(package, format!("find_program('{name}')"));
            }
        }
        for (module, packages) in names::MESON_MODULES {
            if calls(text, "import").iter().any(|inside| literal(inside) == Some(module)) {
                for package in packages.split(' ') {
                    facts.need(package, format!("import('{module}')"));
                }
            }
        }
    }
    if folder.has("subprojects") {
        facts.notes.push(
            "Subprojects are taken from the folder alone: those that are fetched by a .wrap file need to be in it, or in \
             a package."
                .to_owned(),
        );
    }
    let name = facts.name.clone().unwrap_or_else(|| "project".to_owned());
    let given = vec![("tarball", facts.file_name(&name, ".tar.xz")), ("repack", "true".to_owned())];
    facts.notes.push(
        "Meson writes the time of day into a tarball, so it is packed again. What `meson install` puts in place can be \
         compared too, by `meson.install`."
            .to_owned(),
    );
    facts.builds.push(Built {
        item: "dist",
        recipe: "meson.dist",
        given,
        output: "tarball",
        says: "the release tarball, made twice",
    });
    Ok(facts)
}

/// `version: '1.0'`, or `version: files('VERSION')`.
fn version(folder: &Folder, given: &[&str]) -> Result<Option<String>> {
    let Some(value) = given.iter().find_map(|argument| {
        let rest = argument.strip_prefix("version")?.trim_start();
        Some(rest.strip_prefix(':')?.trim())
    }) else {
        return Ok(None);
    };
    let version = match literal(value) {
        Some(version) => Some(version.to_owned()),
        None => match calls(value, "files").first().and_then(|inside| literal(inside)) {
            Some(file) if names::is_plain(file) => folder.text(file)?.map(|text| text.trim().to_owned()),
            _ => None,
        },
    };
    Ok(version.filter(|version| names::is_plain(version)))
}
