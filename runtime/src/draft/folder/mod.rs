//! A first file for a project's folder: what kind of project it is, what it is called and needs, and a build of it,
//! twice, whose results are to be identical.

mod autotools;
mod calls;
mod cargo;
mod cmake;
mod debian;
mod facts;
mod files;
mod meson;
mod names;
mod plain;
mod python;

use std::path::Path;

use rbld_lang::derivation::Arch;

use self::files::Folder;
use super::Draft;
use crate::failure::{Failure, Result};

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A Debian source package: `debian/control`.
    Debian,
    /// `configure.ac`.
    Autotools,
    /// `pyproject.toml` of a project, or `setup.py`.
    Python,
    /// `meson.build`.
    Meson,
    /// `CMakeLists.txt`.
    Cmake,
    /// `Cargo.toml`.
    Cargo,
    /// Any files: a tarball is made of them. Never found, only asked for.
    Plain,
}

impl Kind {
    /// The kinds that can be found, the one that counts first when a folder is of several.
    pub const FOUND: [Kind; 6] =
        [Kind::Debian, Kind::Autotools, Kind::Python, Kind::Meson, Kind::Cmake, Kind::Cargo];

    /// The names on the command line.
    pub const NAMES: [&str; 7] = ["debian", "autotools", "python", "meson", "cmake", "cargo", "plain"];

    /// The kind of a name.
    pub fn of(name: &str) -> Option<Kind> {
        Kind::FOUND.into_iter().chain([Kind::Plain]).find(|kind| kind.name() == name)
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Debian => "debian",
            Kind::Autotools => "autotools",
            Kind::Python => "python",
            Kind::Meson => "meson",
            Kind::Cmake => "cmake",
            Kind::Cargo => "cargo",
            Kind::Plain => "plain",
        }
    }

    /// The files by which it is known; one is enough.
    fn signs(self) -> &'static [&'static str] {
        match self {
            Kind::Debian => &["debian/control"],
            Kind::Autotools => &["configure.ac", "configure.in"],
            Kind::Python => &["pyproject.toml", "setup.py"],
            Kind::Meson => &["meson.build"],
            Kind::Cmake => &["CMakeLists.txt"],
            Kind::Cargo => &["Cargo.toml"],
            Kind::Plain => &[],
        }
    }

    /// Whether a folder is of this kind; a `pyproject.toml` may hold no more than settings of tools.
    fn fits(self, folder: &Folder) -> Result<bool> {
        let fits = self.signs().iter().any(|sign| folder.has(sign));
        Ok(fits && (self != Kind::Python || folder.has("setup.py") || python::is_project(folder)?))
    }
}

/// What a draft is made with beside the folder.
pub struct Wishes<'a> {
    /// The kind, when it isn't to be found out.
    pub kind: Option<Kind>,
    /// The instant to pin, as it is written.
    pub at: &'a str,
    /// The architecture to build for.
    pub arch: Arch,
}

/// Drafts a file for what is in a folder.
pub fn draft(root: &Path, wishes: &Wishes<'_>) -> Result<Draft> {
    let folder = Folder::open(root)?;
    let mut found = Vec::new();
    for kind in Kind::FOUND {
        if kind.fits(&folder)? {
            found.push(kind);
        }
    }
    let kind = match (wishes.kind, found.first()) {
        (Some(Kind::Plain), _) => Kind::Plain,
        (Some(kind), _) if found.contains(&kind) => kind,
        (Some(kind), _) => return Err(not_of(kind, root)),
        (None, Some(first)) => *first,
        (None, None) => return Err(unknown(root)),
    };
    let mut facts = match kind {
        Kind::Debian => debian::read(&folder, wishes.arch)?,
        Kind::Autotools => autotools::read(&folder)?,
        Kind::Python => python::read(&folder)?,
        Kind::Meson => meson::read(&folder)?,
        Kind::Cmake => cmake::read(&folder)?,
        Kind::Cargo => cargo::read(&folder)?,
        Kind::Plain => plain::read(&folder)?,
    };
    let others: Vec<&str> = found.iter().filter(|other| **other != kind).map(|other| other.name()).collect();
    if !others.is_empty() {
        facts.notes.push(format!(
            "The folder is of other kinds too: `rbld init --kind {}` drafts for another.",
            others.join("|")
        ));
    }
    facts.draft(wishes)
}

fn not_of(kind: Kind, root: &Path) -> Failure {
    let signs = rbld_lang::nearest::listed(kind.signs().iter().copied());
    Failure::input(format!("`{}` is no project of the kind {}", root.display(), kind.name()))
        .fact(format!("it has no {}", signs.replace(" and ", " or ")))
        .help("leave `--kind` out to have it found, or take `--kind plain`: a tarball of all files")
}

fn unknown(root: &Path) -> Failure {
    let mut failure = Failure::input(format!("`{}` is no kind of project that rbld knows", root.display()));
    for kind in Kind::FOUND {
        failure = failure.fact(format!("{:<10} has {}", kind.name(), kind.signs().join(" or ")));
    }
    failure.help(
        "name the project's own folder, as `rbld init path/to/it`; for any other, `rbld init --kind plain` drafts a \
         tarball of all its files, a file to start from",
    )
}
