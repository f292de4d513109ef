//! Python projects: what `pyproject.toml`, `setup.cfg` and `setup.py` say.

use super::calls::{arguments, calls, literal, uncommented};
use super::cargo::table;
use super::facts::{Built, Facts};
use super::files::Folder;
use super::names;
use crate::failure::Result;

/// Whether `pyproject.toml` is of a project, and not of settings alone.
pub(super) fn is_project(folder: &Folder) -> Result<bool> {
    let Ok(table) = table(folder, "pyproject.toml") else { return Ok(true) };
    Ok(table.contains_key("project") || table.contains_key("build-system") || poetry(&table).is_some())
}

fn poetry(table: &toml::Table) -> Option<&toml::Value> {
    table.get("tool")?.get("poetry")
}

pub(super) fn read(folder: &Folder) -> Result<Facts> {
    let has_table = folder.has("pyproject.toml");
    let table = if has_table { table(folder, "pyproject.toml")? } else { toml::Table::new() };
    let setup = uncommented(&folder.text("setup.py")?.unwrap_or_default(), &["#"]);
    let mut facts = Facts {
        kind: "a Python project",
        learnt: vec![if has_table { "pyproject.toml" } else { "setup.py" }],
        module: "python",
        ..Facts::default()
    };
    let text = |key: &str| {
        let project = table.get("project").and_then(|project| project.get(key));
        let value = project.or_else(|| poetry(&table)?.get(key)).and_then(toml::Value::as_str);
        value.map(str::to_owned)
    };
    let config = folder.text("setup.cfg")?.unwrap_or_default();
    let plain = |text: Option<String>| text.filter(|text| names::is_plain(text));
    facts.name = plain(text("name").or_else(|| of_setup(&setup, &config, "name")));
    let version = plain(text("version").or_else(|| of_setup(&setup, &config, "version")));
    facts.version = version.map(|version| normalised(&version));

    let system = table.get("build-system");
    let backend =
        system.and_then(|system| system.get("build-backend")?.as_str()).unwrap_or("setuptools.build_meta");
    let requires = system.and_then(|system| system.get("requires")?.as_array()).cloned().unwrap_or_default();
    let mut by_git = false;
    for requirement in requires.iter().filter_map(toml::Value::as_str) {
        let name = requirement.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).next();
        let name = name.unwrap_or_default().to_ascii_lowercase().replace(['_', '.'], "-");
        by_git |= ["setuptools-scm", "hatch-vcs", "pbr", "setuptools-git-versioning"].contains(&&*name);
        facts.ask(&name, names::python(&name), "build-system.requires");
    }
    builds(&mut facts, backend.starts_with("setuptools"), by_git, compiled(&setup, &table, backend));
    Ok(facts)
}

/// A version as the names of distributions have it (PEP 440).
fn normalised(version: &str) -> String {
    let lower = version.to_ascii_lowercase();
    let mut version = lower.trim_start_matches('v').to_owned();
    for (written, normal) in [
        ("alpha", "a"),
        ("beta", "b"),
        ("preview", "rc"),
        ("-rc", "rc"),
        (".rc", "rc"),
        ("-dev", ".dev"),
        ("-post", ".post"),
    ] {
        version = version.replace(written, normal);
    }
    for (written, normal) in [("-a", "a"), (".a", "a"), ("-b", "b"), (".b", "b")] {
        version = version.replace(written, normal);
    }
    if ["a", "b", "rc", ".dev", ".post"].iter().any(|end| version.ends_with(end)) {
        version.push('0');
    }
    version
}

/// Whether a wheel holds compiled parts.
fn compiled(setup: &str, table: &toml::Table, backend: &str) -> bool {
    let tools = table.get("tool").and_then(|tool| tool.get("setuptools")?.get("ext-modules"));
    setup.contains("ext_modules")
        || tools.is_some()
        || ["mesonpy", "maturin", "scikit_build"].iter().any(|name| backend.starts_with(name))
}

fn builds(facts: &mut Facts, setuptools: bool, by_git: bool, compiled: bool) {
    let name = facts.name.clone().unwrap_or_else(|| "project".to_owned());
    // Names of distributions are written so since PEP 625.
    let mut name: String = name.to_ascii_lowercase().replace(['-', '.'], "_");
    while name.contains("__") {
        name = name.replace("__", "_");
    }
    let version = by_git.then(|| ("version", "version".to_owned()));
    let mut given = vec![("sdist", facts.file_name(&name, ".tar.gz"))];
    if setuptools {
        facts.notes.push(
            "setuptools writes the time of day into a source distribution, so it is packed again.".to_owned(),
        );
        given.push(("repack", "true".to_owned()));
    }
    given.extend(version.clone());
    facts.builds.push(Built {
        item: "sdist",
        recipe: "python.sdist",
        given,
        output: "sdist",
        says: "the source distribution, made twice",
    });
    if compiled {
        facts.need("build-essential", "compiled parts");
        facts.need("python3-dev", "compiled parts");
        facts.notes.push(
            "The wheel holds compiled parts, so its name says which Python and system it is for: add it by \
             `python.wheel`, with that name."
                .to_owned(),
        );
        return;
    }
    let mut given = vec![("wheel", facts.file_name(&name, "-py3-none-any.whl"))];
    given.extend(version);
    facts.builds.push(Built {
        item: "wheel",
        recipe: "python.wheel",
        given,
        output: "wheel",
        says: "the wheel, made twice",
    });
}

/// A plain value of `setup(key="…")`, or of `[metadata]` in `setup.cfg`.
fn of_setup(setup: &str, config: &str, key: &str) -> Option<String> {
    let in_call = calls(setup, "setup").into_iter().flat_map(arguments).find_map(|argument| {
        let value = argument.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        literal(value).map(str::to_owned)
    });
    in_call.or_else(|| {
        let metadata = config.split("[metadata]").nth(1)?.split("\n[").next()?;
        metadata.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_as_distributions_have_them() {
        for (written, normal) in [
            ("1.0", "1.0"),
            ("v1.0", "1.0"),
            ("2.3.0.dev", "2.3.0.dev0"),
            ("1.0-rc1", "1.0rc1"),
            ("1.0-beta.2", "1.0b.2"),
            ("1.0.alpha1", "1.0a1"),
            ("1.0-dev3", "1.0.dev3"),
        ] {
            assert_eq!(normalised(written), normal, "{written}");
        }
    }

    #[test]
    fn setup_is_read_where_it_is_plain() {
        let setup = "from setuptools import setup\nsetup(\n  name='a-b',\n  version = \"1.2\",\n  packages=find(),\n)\n";
        assert_eq!(of_setup(setup, "", "name").as_deref(), Some("a-b"));
        assert_eq!(of_setup(setup, "", "version").as_deref(), Some("1.2"));
        assert_eq!(
            of_setup("setup()", "[metadata]\nname = c\n[options]\nversion = 9\n", "name").as_deref(),
            Some("c")
        );
        assert_eq!(of_setup("setup()", "[metadata]\nname = c\n[options]\nversion = 9\n", "version"), None);
    }
}
