//! `.buildinfo` files: the packages, by exact version, among which a Debian package was built, as an environment.
//!
//! A signature around the file is passed over, not judged: the file is the project's own, and what it names is taken from
//! signed indexes. Reads text alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{Eval, Evaluator, Stop};
use crate::codes;
use crate::derivation::Arch;
use crate::lock::Request;
use crate::span::Span;
use crate::value::{Env, EnvSource, Source, Value};

/// The most packages that one may name.
const MOST: usize = 20_000;

/// What a `.buildinfo` says of where the build ran.
#[derive(Debug, PartialEq, Eq)]
struct Installed {
    arch: Arch,
    /// `NAME=VERSION`, sorted.
    packages: Vec<String>,
}

impl Evaluator<'_> {
    /// `ARCHIVE.buildinfo(file, packages)`.
    pub(super) fn archive_buildinfo(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let (Some(Value::Archive(archive)), Some(Value::Input(input))) = (args.first(), args.get(1)) else {
            return Err(Stop);
        };
        let help =
            "it is a file of the project, as `dpkg-buildpackage` writes it: `./hello_1.0_amd64.buildinfo`";
        let Source::Local { place, local } = &input.source else {
            return self.stop(
                codes::TYPE,
                "a `.buildinfo` is a file of the project",
                span,
                "is something else",
                help,
            );
        };
        let path = place.path.to_string();
        if local.folder {
            return self.stop(codes::TYPE, format!("`{path}` is a folder"), span, "no `.buildinfo`", help);
        }
        let text = match place.package {
            Some(tree) => self.loader.package_source(tree, &path),
            None => self.loader.source(&path),
        };
        let read = text.map_err(|error| error.to_string()).and_then(|text| {
            // A large file is many steps.
            self.spend(text.len() / 64, span).map_err(|Stop| String::new())?;
            read(&text)
        });
        let installed = match read {
            Ok(installed) => installed,
            Err(why) if why.is_empty() => return Err(Stop),
            Err(why) => {
                let message = format!("`{path}` can't be read as a `.buildinfo`: {why}");
                return self.stop(codes::ARGUMENTS, message, span, "given here", help);
            }
        };
        let Installed { arch, mut packages } = installed;
        let more = self.package_names(args.get(2), span)?;
        let named = |name: &String| packages.iter().any(|package| package.split('=').next() == Some(name));
        let more: Vec<String> = more.into_iter().filter(|name| !named(name)).collect();
        packages.extend(more);
        packages.sort();
        self.released_for(&archive.at, arch, span)?;
        let suite = archive.at.clone();
        let request = Request::Environment { suite, arch, packages, build_depends: Vec::new() };
        let request = self.request(request, span);
        let span = self.place(span);
        Ok(Value::Env(Arc::new(Env { source: EnvSource::Packages(request), span, name: None })))
    }
}

/// Reads a `.buildinfo`; the error is the end of a sentence.
fn read(text: &str) -> Result<Installed, String> {
    let text = signed(text)?;
    let fields = fields(&text);
    let field = |name: &str| fields.get(name).ok_or_else(|| format!("it has no field `{name}`"));
    let built = field("Build-Architecture")?;
    let arch = Arch::from_name(built.trim())
        .ok_or_else(|| format!("it was made on `{}`, which rbld doesn't know", built.trim()))?;
    let mut packages = Vec::new();
    for entry in field("Installed-Build-Depends")?.split(',').map(str::trim).filter(|entry| !entry.is_empty())
    {
        packages.push(package(entry, arch)?);
        if packages.len() > MOST {
            return Err(format!("it names more than {MOST} packages"));
        }
    }
    packages.sort();
    packages.dedup();
    if packages.is_empty() {
        return Err("its `Installed-Build-Depends` names no package".to_owned());
    }
    let name = |package: &String| package.split('=').next().unwrap_or_default().to_owned();
    match packages.windows(2).find(|two| name(&two[0]) == name(&two[1])) {
        Some(two) => Err(format!("it names `{}` in two versions", name(&two[0]))),
        None => Ok(Installed { arch, packages }),
    }
}

/// `name (= version)` or `name:arch (= version)`.
fn package(entry: &str, arch: Arch) -> Result<String, String> {
    let wrong = || format!("`{}` isn't `NAME (= VERSION)`", entry.chars().take(60).collect::<String>());
    let (name, rest) = entry.split_once('(').ok_or_else(wrong)?;
    let version =
        rest.trim_end().strip_suffix(')').and_then(|rest| rest.trim().strip_prefix('=')).ok_or_else(wrong)?;
    let (name, version) = (name.trim(), version.trim());
    let (name, of) = name.split_once(':').unwrap_or((name, arch.name()));
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let named = name.len() >= 2 && name.bytes().all(|byte| letter(byte) || b"+-.".contains(&byte));
    let numbered = !version.is_empty()
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+~:-".contains(&byte));
    if !named || !numbered {
        return Err(wrong());
    }
    if of != arch.name() {
        return Err(format!(
            "`{name}:{of}` was installed on {}, and an environment holds packages of one architecture",
            arch.name()
        ));
    }
    Ok(format!("{name}={version}"))
}

/// The text between the marks of a signature; all of it where there are none.
fn signed(text: &str) -> Result<String, String> {
    let Some(inside) = text.trim_start().strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----") else {
        return Ok(text.to_owned());
    };
    let mut lines = inside.lines().skip(1).skip_while(|line| !line.trim_end().is_empty()).skip(1).peekable();
    let mut plain = String::new();
    while let Some(line) = lines.next_if(|line| !line.starts_with("-----BEGIN PGP SIGNATURE-----")) {
        plain.push_str(line.strip_prefix("- ").unwrap_or(line));
        plain.push('\n');
    }
    match lines.next() {
        Some(_) => Ok(plain),
        None => Err("its signature isn't whole".to_owned()),
    }
}

/// The fields of the first stanza, their lines joined.
fn fields(text: &str) -> BTreeMap<&str, String> {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = None;
    let stanza =
        text.lines().skip_while(|line| line.trim().is_empty()).take_while(|line| !line.trim().is_empty());
    for line in stanza {
        match (line.starts_with([' ', '\t']), last) {
            (true, Some(name)) => {
                let value: &mut String = fields.entry(name).or_default();
                value.push('\n');
                value.push_str(line.trim());
            }
            (false, _) => {
                last = line.split_once(':').map(|(name, value)| {
                    fields.insert(name, value.trim().to_owned());
                    name
                });
            }
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "Format: 1.0\nSource: hello\nBinary: hello\nBuild-Architecture: amd64\n\
        Build-Date: Fri, 28 Nov 2025 10:00:00 +0000\nInstalled-Build-Depends:\n autoconf (= 2.71-3),\n \
        libc6 (= 2.36-9+deb12u10),\n git:amd64 (= 1:2.39.5-0+deb12u2)\nEnvironment:\n LANG=\"C\"\n";

    #[test]
    fn the_packages_and_the_architecture() {
        let read_plain = read(PLAIN).unwrap();
        assert_eq!(read_plain.arch, Arch::Amd64);
        let names = ["autoconf=2.71-3", "git=1:2.39.5-0+deb12u2", "libc6=2.36-9+deb12u10"];
        assert_eq!(read_plain.packages, names);
        let signed = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- {PLAIN}\n-----BEGIN PGP SIGNATURE-----\n\nabc\n\
             -----END PGP SIGNATURE-----\n"
        );
        assert_eq!(read(&signed).unwrap(), read_plain);
        assert_eq!(read(&signed.replace('\n', "\r\n")).unwrap(), read_plain);
    }

    #[test]
    fn what_is_none_is_said() {
        let wrong = |from: &str, to: &str| read(&PLAIN.replacen(from, to, 1)).unwrap_err();
        assert_eq!(read("").unwrap_err(), "it has no field `Build-Architecture`");
        assert_eq!(wrong("Installed-Build-Depends", "X"), "it has no field `Installed-Build-Depends`");
        assert_eq!(wrong(": amd64", ": m68k"), "it was made on `m68k`, which rbld doesn't know");
        assert_eq!(wrong("autoconf (= 2.71-3)", "autoconf"), "`autoconf` isn't `NAME (= VERSION)`");
        assert_eq!(wrong("(= 2.71-3)", "(>= 2.71-3)"), "`autoconf (>= 2.71-3)` isn't `NAME (= VERSION)`");
        assert_eq!(wrong("autoconf (= 2.71-3)", "git (= 2)"), "it names `git` in two versions");
        assert!(wrong("git:amd64", "git:i386").starts_with("`git:i386` was installed on amd64"));
        assert_eq!(
            read("-----BEGIN PGP SIGNED MESSAGE-----\n\nA: b\n").unwrap_err(),
            "its signature isn't whole"
        );
        for text in [
            "-----BEGIN PGP SIGNED MESSAGE-----",
            "\n\n :\n",
            "Build-Architecture: amd64\nInstalled-Build-Depends: ,",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
