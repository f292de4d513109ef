//! Rust projects: what `Cargo.toml` and `Cargo.lock` say.

use super::facts::{Built, Facts};
use super::files::Folder;
use super::names;
use crate::draft::quoted;
use crate::failure::{Failure, Result};

/// The version of Cargo in the release that is built in.
const CARGO: (u64, u64) = (1, 85);

pub(super) fn read(folder: &Folder) -> Result<Facts> {
    let manifest = table(folder, "Cargo.toml")?;
    let mut facts = Facts {
        kind: "a Rust project",
        learnt: vec!["Cargo.toml", "Cargo.lock"],
        module: "cargo",
        ..Facts::default()
    };
    let workspace = manifest.get("workspace");
    let package = manifest.get("package");
    let text = |key: &str| {
        let own = package.and_then(|package| package.get(key));
        let shared = workspace.and_then(|workspace| workspace.get("package")?.get(key));
        own.and_then(toml::Value::as_str).or_else(|| shared.and_then(toml::Value::as_str)).map(str::to_owned)
    };
    facts.name = text("name").or_else(|| folder.name()).filter(|name| names::is_plain(name));
    facts.version = text("version").filter(|version| names::is_plain(version));
    if let Some(needed) = text("rust-version")
        && newer(&needed)
    {
        facts.todo.push(format!(
            "see how to get Rust {needed}: Debian trixie has {}.{}, which is what the environment holds",
            CARGO.0, CARGO.1
        ));
    }
    let locked = crates(folder, &mut facts)?;
    for name in &locked {
        if let Some(package) = names::rust(name) {
            facts.need(package, format!("crate {name}"));
        }
    }
    facts.builds.push(built(&facts, workspace.is_some(), is_program(folder, &manifest)));
    Ok(facts)
}

/// Whether a package has a program or a library that other languages link with.
fn is_program(folder: &Folder, manifest: &toml::Table) -> bool {
    let kinds =
        manifest.get("lib").and_then(|lib| lib.get("crate-type")?.as_array()).cloned().unwrap_or_default();
    manifest.contains_key("bin")
        || folder.has("src/main.rs")
        || folder.has("src/bin")
        || kinds.iter().any(|kind| matches!(kind.as_str(), Some("cdylib" | "staticlib")))
}

/// A library for Rust alone has nothing to install: its package is compared.
fn built(facts: &Facts, workspace: bool, program: bool) -> Built {
    if !workspace && !program {
        let name = facts.name.clone().unwrap_or_else(|| "project".to_owned());
        return Built {
            item: "crate",
            recipe: "cargo.package",
            given: vec![("crate", facts.file_name(&name, ".crate"))],
            output: "package",
            says: "the package, made twice",
        };
    }
    let given = if workspace { vec![("options", quoted("--workspace"))] } else { Vec::new() };
    Built {
        item: "program",
        recipe: "cargo.build",
        given,
        output: "built",
        says: "what is built, built twice",
    }
}

/// The crates of the lock that come from elsewhere; says what is to be done when they aren't in the folder.
fn crates(folder: &Folder, facts: &mut Facts) -> Result<Vec<String>> {
    if !folder.has("Cargo.lock") {
        facts.todo.push("run `cargo generate-lockfile`: without a Cargo.lock nothing is fixed".to_owned());
        return Ok(Vec::new());
    }
    if !folder.keeps("Cargo.lock") {
        facts
            .todo
            .push("take Cargo.lock out of .gitignore: what git ignores is no part of the source".to_owned());
    }
    let lock = table(folder, "Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let name = |package: &toml::Value| {
        package.get("source")?;
        Some(package.get("name")?.as_str()?.to_owned())
    };
    let foreign: Vec<String> = packages.iter().filter_map(name).collect();
    let git = packages.iter().any(|package| {
        package.get("source").and_then(toml::Value::as_str).is_some_and(|source| source.starts_with("git+"))
    });
    if !foreign.is_empty() && !folder.keeps("vendor") {
        facts.todo.push(format!(
            "run `cargo vendor`, and keep its folder `vendor` where git doesn't ignore it: Cargo.lock names {} from \
             elsewhere, and a build has no network",
            if foreign.len() == 1 { "a crate".to_owned() } else { format!("{} crates", foreign.len()) }
        ));
    }
    if git {
        facts.todo.push(
            "see how crates from git come in: Cargo is told of `vendor` in the place of crates.io alone; put what \
             `cargo vendor` prints into .cargo/config.toml"
                .to_owned(),
        );
    }
    Ok(foreign)
}

fn newer(needed: &str) -> bool {
    let mut parts = needed.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) > CARGO
}

/// A file of TOML.
pub(super) fn table(folder: &Folder, name: &str) -> Result<toml::Table> {
    let text = folder.text(name)?.unwrap_or_default();
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        Failure::input(format!("`{name}` can't be read"))
            .fact(format!("line {line}: {}", error.message()))
            .help("mend it, or draft for another kind with `--kind`")
    })
}
