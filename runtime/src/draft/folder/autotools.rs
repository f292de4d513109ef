//! Autotools projects: what `configure.ac` and the Makefiles say.

use super::calls::{arguments, calls, literal, mentions, unbracketed, uncommented};
use super::facts::{Built, Facts};
use super::files::Folder;
use super::names;
use crate::draft::quoted;
use crate::failure::Result;

pub(super) fn read(folder: &Folder) -> Result<Facts> {
    let sign = if folder.has("configure.ac") { "configure.ac" } else { "configure.in" };
    let text = uncommented(&folder.text(sign)?.unwrap_or_default(), &["dnl", "#"]);
    let makefiles = folder.texts("Makefile.am")?.join("\n");
    let mut facts =
        Facts { kind: "an Autotools project", learnt: vec![sign], module: "gnu", ..Facts::default() };
    (facts.name, facts.version) = called(folder, &text)?;
    needs(&mut facts, &text, &makefiles);
    let mut given = Vec::new();
    if let Some(bootstrap) = bootstrap(folder, &mut facts) {
        given.push(("bootstrap", quoted(bootstrap)));
    }
    if folder.has("Makefile.am") {
        let end = compressed(&text);
        let name = facts.name.clone().unwrap_or_else(|| "project".to_owned());
        given.insert(0, ("tarball", facts.file_name(&name, end)));
        facts
            .notes
            .push("What `make install` puts in place can be compared too, by `gnu.install`.".to_owned());
        facts.builds.push(Built {
            item: "dist",
            recipe: "gnu.dist",
            given,
            output: "tarball",
            says: "the release tarball, made twice",
        });
    } else {
        facts.notes.push("There is no Makefile.am, so nothing is known of `make dist`.".to_owned());
        facts.builds.push(Built {
            item: "installed",
            recipe: "gnu.install",
            given,
            output: "installed",
            says: "what is installed, built twice",
        });
    }
    if folder.has("config.status") {
        facts.todo.push(
            "run `make distclean` first: the folder holds what an earlier `./configure` and `make` left, and all of it \
             would be an input, unless git ignores it"
                .to_owned(),
        );
    }
    Ok(facts)
}

/// The name of the tarball's package and its version, by `AC_INIT`.
fn called(folder: &Folder, text: &str) -> Result<(Option<String>, Option<String>)> {
    let Some(inside) = calls(text, "AC_INIT").into_iter().next() else { return Ok((None, None)) };
    let given: Vec<&str> = arguments(inside).into_iter().map(unbracketed).collect();
    let definitions = definitions(text);
    let plain = |text: &str| {
        let text = expanded(literal(text).unwrap_or(text), &definitions);
        names::is_plain(&text).then_some(text)
    };
    let short = given.get(3).filter(|name| !name.is_empty()).and_then(|name| plain(name));
    let long = given.first().map(|name| expanded(name, &definitions));
    // Autoconf makes the tarball's name of the long one so.
    let name = short.or_else(|| {
        let lower = long?.to_ascii_lowercase();
        let lower = lower.strip_prefix("gnu ").unwrap_or(&lower);
        let name: String = lower
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '-' })
            .collect();
        names::is_plain(&name).then_some(name)
    });
    let mut version = given.get(1).and_then(|version| plain(version));
    for file in [".tarball-version", ".version", "VERSION", "version"] {
        if version.is_none() {
            let line =
                folder.text(file)?.and_then(|text| text.lines().next().map(|line| line.trim().to_owned()));
            version = line.filter(|line| names::is_plain(line));
        }
    }
    Ok((name, version))
}

/// What `m4_define` gives names to.
fn definitions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for inside in calls(text, "m4_define") {
        let given: Vec<&str> = arguments(inside).into_iter().map(unbracketed).collect();
        if let [name, value, ..] = given[..]
            && names::is_plain(name)
        {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

/// A text with the defined names in it replaced, as m4 does; the few rounds are enough for versions made of parts.
fn expanded(text: &str, definitions: &[(String, String)]) -> String {
    const ROUNDS: usize = 4;
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let mut made = String::new();
        let mut word = String::new();
        for letter in text.chars().chain(['\0']) {
            if letter.is_ascii_alphanumeric() || letter == '_' {
                word.push(letter);
                continue;
            }
            let value =
                definitions.iter().find(|(name, _)| *name == word).map(|(_, value)| unbracketed(value));
            made.push_str(value.unwrap_or(&word));
            word.clear();
            made.push(letter);
        }
        made.pop();
        text = made.replace("()", "").replace(['[', ']'], "");
        if text.len() > 200 {
            break;
        }
    }
    text
}

fn needs(facts: &mut Facts, text: &str, makefiles: &str) {
    for call in ["PKG_CHECK_MODULES", "PKG_CHECK_MODULES_STATIC"] {
        for inside in calls(text, call) {
            let Some(modules) = arguments(inside).get(1).copied() else { continue };
            for module in modules_of(unbracketed(modules)) {
                facts.ask(module, names::pkg_config(module), format!("{call}: {module}"));
            }
        }
    }
    for (call, at) in [("AC_CHECK_LIB", 0), ("AC_SEARCH_LIBS", 1)] {
        for inside in calls(text, call) {
            let libraries = arguments(inside).get(at).map(|list| unbracketed(list)).unwrap_or_default();
            for library in libraries.split_whitespace() {
                // What no package is known for may be of another system.
                if let Some(package) = names::library(library).filter(|package| !package.is_empty()) {
                    facts.need(package, format!("{call}: {library}"));
                }
            }
        }
    }
    for (name, packages) in names::MACROS {
        if mentions(text, name) {
            for package in packages.split(' ') {
                facts.need(package, name);
            }
        }
    }
    for (word, package) in [("info_TEXINFOS", "texinfo"), ("help2man", "help2man")] {
        if mentions(makefiles, word) || mentions(text, word) {
            facts.need(package, format!("{word} in a Makefile.am or configure.ac"));
        }
    }
    if text.contains("AX_") {
        facts.need("autoconf-archive", "macros whose names begin with AX_");
    }
}

/// The names in a list of pkg-config modules: no operators, versions and variables.
pub(super) fn modules_of(list: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut words = list.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if matches!(word, ">=" | "=" | "<=" | ">" | "<" | "!=") {
            words.next();
        } else if let Some(at) = word.find(['>', '<', '=']) {
            found.push(&word[..at]);
        } else if !word.contains('$') {
            found.push(word);
        }
    }
    found.retain(|word| names::is_plain(word));
    found
}

fn bootstrap(folder: &Folder, facts: &mut Facts) -> Option<&'static str> {
    if folder.has("bootstrap") || folder.has("bootstrap.sh") {
        if folder.has("gnulib") || folder.has("bootstrap.conf") {
            facts.todo.push(
                "see that `./bootstrap` finds all of gnulib in the project's folder: a build has no network"
                    .to_owned(),
            );
            return Some("./bootstrap --no-git --gnulib-srcdir=gnulib --skip-po");
        }
        return Some(if folder.has("bootstrap") { "./bootstrap" } else { "./bootstrap.sh" });
    }
    folder.has("autogen.sh").then_some("NOCONFIGURE=1 ./autogen.sh")
}

/// How the tarball's name ends, by Automake's options.
fn compressed(text: &str) -> &'static str {
    let options = calls(text, "AM_INIT_AUTOMAKE").join(" ");
    if !options.contains("no-dist-gzip") {
        ".tar.gz"
    } else if options.contains("dist-lzip") {
        ".tar.lz"
    } else if options.contains("dist-bzip2") {
        ".tar.bz2"
    } else {
        ".tar.xz"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_put_together_as_m4_does() {
        let text = "m4_define(v_major, 1)\nm4_define([v_minor],[12])\nm4_define(v_all, v_major.v_minor)\n";
        assert_eq!(expanded("v_all()", &definitions(text)), "1.12");
        assert_eq!(expanded("2.0", &definitions(text)), "2.0");
        assert!(!names::is_plain(&expanded("m4_esyscmd([git describe])", &definitions(text))));
        // A ring ends.
        assert!(expanded("a", &definitions("m4_define(a, [a a a a a a a a a])")).len() < 10_000);
    }

    #[test]
    fn modules_are_told_from_versions() {
        assert_eq!(modules_of("zlib >= 1.2 glib-2.0>=2.4, $MORE gnutls"), ["zlib", "glib-2.0", "gnutls"]);
    }
}
