//! Guix environments after instantiation: store items by the digests of their archives, and what a profile makes of
//! them. Knows how an item is named; nothing of how it is fetched or of who vouched for it.

use super::{Arch, InputRef, input, text};
use crate::digest::{Digest, Manifest};

/// The folder of all store items.
pub const STORE: &str = "/gnu/store";

/// The rules by which profiles are made: a change of rules is a change of keys.
pub const PROFILE_RULES: u32 = 1;

/// A root filesystem that holds store items of Guix, by itself or over another. Its realisation has the outputs `out`,
/// a tree, and `vars`, the variables that builds in it start with.
#[derive(Clone, Debug, PartialEq)]
pub struct Guix {
    /// The architecture of its programs.
    pub arch: Arch,
    /// The environment that it is laid over.
    pub base: Option<InputRef>,
    /// The closure, sorted by path.
    pub items: Vec<GuixItem>,
    /// The items that the profile unites, what comes first going first: paths of `items`.
    pub profile: Vec<String>,
    /// The variables that show the profile to programs, as the items' packages declare them.
    pub search_paths: Vec<SearchPath>,
    /// Which rules made the profile.
    pub rules: u32,
    /// The tree it is known to come to by itself, from the lock; none over a base. Not in the key.
    pub expected: Option<Digest>,
    /// The canonical request it was locked for. Not in the key.
    pub request: Digest,
}

/// A store item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GuixItem {
    /// Where it is: `/gnu/store/` and a name that [`item_name`] takes.
    pub path: String,
    /// The sha256 of its nar.
    pub nar_hash: Digest,
    /// The length of its nar in bytes.
    pub nar_size: u64,
}

impl GuixItem {
    /// Its name in the store: `jdspq2z8z1fi5f1xjdl1nn9lcr0g4l6w-hello-2.12.1`.
    pub fn name(&self) -> &str {
        item_name(&self.path).unwrap_or(&self.path)
    }
}

/// A variable whose value is looked for in a profile: Guix's search path specification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SearchPath {
    /// The variable.
    pub variable: String,
    /// What stands between its parts; `None` for a variable that holds one path, the first that is there.
    pub separator: Option<String>,
    /// What is looked for.
    pub kind: FileKind,
    /// A regular expression that names below `files` must match, where not `files` themselves are meant.
    pub pattern: Option<String>,
    /// Where to look, relative to the profile, in this order.
    pub files: Vec<String>,
}

/// What a search path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// Folders.
    Directory,
    /// Files.
    Regular,
}

impl FileKind {
    /// Guix's name.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Directory => "directory",
            FileKind::Regular => "regular",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<FileKind> {
        [FileKind::Directory, FileKind::Regular].into_iter().find(|kind| kind.name() == name)
    }
}

/// `PATH`, which every profile has.
pub fn path_variable() -> SearchPath {
    SearchPath {
        variable: "PATH".to_owned(),
        separator: Some(":".to_owned()),
        kind: FileKind::Directory,
        pattern: None,
        files: vec!["bin".to_owned(), "sbin".to_owned()],
    }
}

/// The name of the store item at a path that is nothing but one: 32 digits of Guix's base 32, a dash, a name.
pub fn item_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix(STORE)?.strip_prefix('/')?;
    is_item_name(name).then_some(name)
}

/// Whether it is the name of a store item.
pub fn is_item_name(name: &str) -> bool {
    let (Some(digits), Some(rest)) = (name.get(..32), name.get(32..)) else { return false };
    let digit = |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_lowercase() && !b"eotu".contains(&byte));
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    let Some(rest) = rest.strip_prefix('-') else { return false };
    digits.bytes().all(digit)
        && (1..=211).contains(&rest.len())
        && rest.bytes().all(letter)
        && !rest.starts_with('.')
}

/// What Guix calls the systems of an architecture; none for one that it has no packages for.
pub fn system(arch: Arch) -> Option<&'static str> {
    Some(match arch {
        Arch::Amd64 => "x86_64-linux",
        Arch::Arm64 => "aarch64-linux",
        Arch::Armhf => "armhf-linux",
        Arch::I386 => "i686-linux",
        Arch::Ppc64el => "powerpc64le-linux",
        Arch::Riscv64 => "riscv64-linux",
        Arch::S390x => return None,
    })
}

impl Guix {
    pub(super) fn manifest(&self, to: &mut impl Manifest) {
        text(to, "kind", "guix");
        text(to, "rules", &self.rules.to_string());
        text(to, "arch", self.arch.name());
        if let Some(base) = &self.base {
            input(to, "base", base);
        }
        self.closure(to);
    }

    /// Walks what doesn't depend on a base: for the derivation's id and for the key.
    pub fn closure(&self, to: &mut impl Manifest) {
        to.open("items", self.items.len());
        for item in &self.items {
            text(to, item.name(), &item.nar_hash.to_hex());
        }
        to.close();
        to.open("profile", self.profile.len());
        for path in &self.profile {
            text(to, "item", path);
        }
        to.close();
        to.open("search-paths", self.search_paths.len());
        for path in &self.search_paths {
            text(to, &path.variable, &path.value());
        }
        to.close();
    }
}

impl SearchPath {
    /// All but the variable, in one line: no part of it can be taken for another, since none holds a line's end.
    fn value(&self) -> String {
        let separator = self.separator.as_deref().unwrap_or("");
        let pattern = self.pattern.as_deref().unwrap_or("");
        [separator, self.kind.name(), pattern, &self.files.join("\n")].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_item_is_known_by_its_name() {
        let name = "00ixq4z1ccvjd8nzgs0ffl6v2wllnplv-hello-2.12.1";
        assert_eq!(item_name(&format!("/gnu/store/{name}")), Some(name));
        let digits = "00ixq4z1ccvjd8nzgs0ffl6v2wllnplv";
        for wrong in ["", "-", "-.hello", "-a/b", "-a b", "_hello"] {
            assert_eq!(item_name(&format!("/gnu/store/{digits}{wrong}")), None, "{wrong}");
        }
        let digit_e = name.replace('x', "e");
        for wrong in [name, "/gnu/store/hello", "/gnu/stööö", &format!("/gnu/store/{digit_e}")] {
            assert_eq!(item_name(wrong), None, "{wrong}");
        }
    }
}
