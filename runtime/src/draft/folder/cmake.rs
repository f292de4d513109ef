//! CMake projects: what the `CMakeLists.txt` files say.

use super::autotools::modules_of;
use super::calls::{calls, uncommented};
use super::facts::{Built, Facts};
use super::files::Folder;
use super::names;
use crate::failure::Result;

/// Words of a call of `pkg_check_modules` that name no module.
const OPTIONS: [&str; 6] =
    ["REQUIRED", "QUIET", "NO_CMAKE_PATH", "NO_CMAKE_ENVIRONMENT_PATH", "IMPORTED_TARGET", "GLOBAL"];

pub(super) fn read(folder: &Folder) -> Result<Facts> {
    let texts: Vec<String> =
        folder.texts("CMakeLists.txt")?.iter().map(|text| uncommented(text, &["#"])).collect();
    let mut facts = Facts {
        kind: "a CMake project",
        learnt: vec!["CMakeLists.txt"],
        module: "cmake",
        builds: vec![Built {
            item: "installed",
            recipe: "cmake.install",
            given: Vec::new(),
            output: "installed",
            says: "what is installed, built twice",
        }],
        ..Facts::default()
    };
    let top = texts.first().map(String::as_str).unwrap_or_default();
    if let Some(inside) = calls(top, "project").first() {
        let words: Vec<&str> = inside.split_whitespace().map(|word| word.trim_matches('"')).collect();
        facts.name = words.first().filter(|name| names::is_plain(name)).map(|name| (*name).to_owned());
        let after = words.iter().position(|word| *word == "VERSION").and_then(|at| words.get(at + 1));
        facts.version = after.filter(|version| names::is_plain(version)).map(|version| (*version).to_owned());
        if words.contains(&"Fortran") {
            facts.need("gfortran", "project(… Fortran)");
        }
    }
    if !texts.iter().any(|text| !calls(text, "install").is_empty()) {
        facts.todo.push(
            "see what is to be compared: no `install(…)` was found, so `cmake --install` may put nothing in place".to_owned(),
        );
    }
    for text in &texts {
        for inside in calls(text, "find_package") {
            let words: Vec<&str> = inside.split_whitespace().collect();
            let Some(name) = words.first().filter(|name| names::is_plain(name)) else { continue };
            let own = facts.name.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name));
            let package = names::cmake(name);
            // What isn't required and isn't known may as well be missing.
            if !own && (package.is_some() || words.contains(&"REQUIRED")) {
                facts.ask(name, package, format!("find_package({name})"));
            }
        }
        for call in ["pkg_check_modules", "pkg_search_module"] {
            for inside in calls(text, call) {
                let list: Vec<&str> =
                    inside.split_whitespace().skip(1).filter(|word| !OPTIONS.contains(word)).collect();
                let list = list.join(" ").replace('"', "");
                for module in modules_of(&list) {
                    facts.ask(module, names::pkg_config(module), format!("{call}: {module}"));
                }
            }
        }
        if !calls(text, "FetchContent_Declare").is_empty() || !calls(text, "ExternalProject_Add").is_empty() {
            let hint = "put into the folder what FetchContent or ExternalProject would fetch, or take it from a package: \
                        a build has no network";
            if !facts.todo.iter().any(|known| known == hint) {
                facts.todo.push(hint.to_owned());
            }
        }
    }
    Ok(facts)
}
