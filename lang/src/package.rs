//! Packages: what a `package.rbld` says. Knows how it is written, not where packages are.
//!
//! A manifest is a file of the language of which only three `let` items are read, and these as they stand: `name`,
//! `exports` and `requires`. Nothing in it is evaluated, so that whoever fetches, updates or loads packages reads the same.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::nearest::{listed, nearest};
use crate::span::{Span, Spanned};
use crate::syntax::ast::{self, Entry, Expr, ExprKind, ItemKind, Literal};

/// The name of the file that makes a directory a package, and that holds what a project requires.
pub const FILE: &str = "package.rbld";

/// The most packages that one manifest may require.
const REQUIRES: usize = 1000;

/// What a `package.rbld` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// What the package calls itself.
    pub name: Option<Spanned<String>>,
    /// The modules that others may use, as they are written after the package's name: `dist`, `auto.tools`.
    pub exports: Option<Spanned<Vec<Spanned<String>>>>,
    /// What it requires, by the names that its own files know the packages by.
    pub requires: Vec<Requirement>,
}

/// A package that is required.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The name that it is known by here.
    pub name: ast::Ident,
    /// The repository.
    pub url: Spanned<String>,
    /// The tag or branch that the commit is on: what an update follows, and where the commit is looked for.
    pub reference: Option<Reference>,
    /// The commit, which may be all zeros.
    pub commit: Option<Spanned<String>>,
    /// The digest of the commit's tree, which may be all zeros.
    pub tree: Option<Spanned<Digest>>,
}

/// What may move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A tag.
    Tag(String),
    /// A branch.
    Branch(String),
}

impl Reference {
    /// The tag's or branch's name.
    pub fn name(&self) -> &str {
        match self {
            Reference::Tag(name) | Reference::Branch(name) => name,
        }
    }
}

/// A package, fixed, and where it may be had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pinned {
    /// The repository.
    pub url: String,
    /// The commit.
    pub commit: String,
    /// The tag or branch that the commit is on.
    pub reference: Option<String>,
    /// What the commit's tree must be.
    pub tree: Digest,
}

impl Requirement {
    /// The package, if it is fixed.
    pub fn pinned(&self) -> Option<Pinned> {
        let commit = self.commit.as_ref().filter(|commit| !is_zero(&commit.node))?;
        let tree = self.tree.as_ref().filter(|tree| !tree.node.is_zero())?;
        Some(Pinned {
            url: self.url.node.clone(),
            commit: commit.node.clone(),
            reference: self.reference.as_ref().map(|reference| reference.name().to_owned()),
            tree: tree.node,
        })
    }

    /// That it isn't fixed.
    pub fn unpinned(&self) -> Diagnostic {
        let name = &self.name.node;
        let commit = self.commit.as_ref().is_none_or(|commit| is_zero(&commit.node));
        let tree = self.tree.as_ref().is_none_or(|tree| tree.node.is_zero());
        let (what, why) = match (commit, tree) {
            (true, true) => ("neither commit nor tree", "another commit may come tomorrow"),
            (true, false) => ("no commit", "it isn't known which commit has this tree"),
            _ => ("no tree", "the digest of its files isn't known"),
        };
        Diagnostic::error(
            codes::UNPINNED,
            format!("package `{name}` is not pinned: it has {what}"),
            self.name.span,
            why,
        )
        .help(format!("run `rbld update {name}`: it writes `commit` and `tree` here"))
    }
}

fn is_zero(commit: &str) -> bool {
    commit.bytes().all(|digit| digit == b'0')
}

/// Whether a text can be a name of the language, of a package or a module.
pub fn is_name(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    letters
        && text.len() <= 64
        && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && text != "_"
}

/// Reads the tree of a manifest, and says what is wrong with it.
pub fn read(file: &ast::File) -> (Manifest, Vec<Diagnostic>) {
    let mut reading = Reading { manifest: Manifest::default(), wrong: Vec::new() };
    let mut seen: Vec<&ast::Ident> = Vec::new();
    for item in &file.items {
        let ItemKind::Let { name, value, .. } = &item.kind else {
            reading.odd("a package's file holds `let` items only", item.span, "not one");
            continue;
        };
        if let Some(first) = seen.iter().find(|first| first.node == name.node) {
            let wrong = Diagnostic::error(
                codes::TWICE,
                format!("`{}` is declared twice", name.node),
                name.span,
                "declared again here",
            );
            reading.wrong.push(wrong.label(first.span, "first declared here"));
            continue;
        }
        seen.push(name);
        match name.node.as_str() {
            "name" => reading.manifest.name = reading.package_name(value),
            "exports" => reading.manifest.exports = reading.exports(value),
            "requires" => reading.requires(value),
            _ => reading.unknown("a package", name, &["name", "exports", "requires"]),
        }
    }
    (reading.manifest, reading.wrong)
}

struct Reading {
    manifest: Manifest,
    wrong: Vec<Diagnostic>,
}

/// How `requires` is written.
const REQUIRES_FORM: &str = "`let requires = { gnu = git { url = \"https://…\", tag = \"v1\" } }`";

impl Reading {
    fn wrong(&mut self, message: &str, span: Span, label: &str, help: &str) {
        self.wrong.push(Diagnostic::error(codes::MANIFEST, message, span, label).help(help));
    }

    /// Reports a name that nothing has.
    fn unknown(&mut self, what: &str, name: &ast::Ident, known: &[&str]) {
        let near = nearest(&name.node, known.iter().copied());
        let message = format!("{what} has no `{}`", name.node);
        let wrong = Diagnostic::error(codes::MANIFEST, message, name.span, "not known here");
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", listed(known.iter().copied())),
        };
        self.wrong.push(wrong.help(help).change(name.span, near));
    }

    fn odd(&mut self, message: &str, span: Span, label: &str) {
        let help = "a package's file is read as it stands, without evaluating: write texts, commits and digests themselves";
        self.wrong.push(Diagnostic::error(codes::MANIFEST, message, span, label).help(help));
    }

    fn package_name(&mut self, value: &Expr) -> Option<Spanned<String>> {
        let name = self.text(value, "`name`")?;
        if !is_name(&name.node) {
            self.odd("a package's name is letters, digits and `_`", value.span, "can't be one");
            return None;
        }
        Some(name)
    }

    fn text(&mut self, value: &Expr, what: &str) -> Option<Spanned<String>> {
        match &value.kind {
            ExprKind::Plain(text) => Some(Spanned { node: text.to_string(), span: value.span }),
            ExprKind::Text(_) => {
                let message = format!("{what} is written out, without `@{{…}}`");
                self.odd(&message, value.span, "would have to be evaluated");
                None
            }
            ExprKind::Error => None,
            _ => {
                self.odd(&format!("{what} is a text"), value.span, "not a text in quotes");
                None
            }
        }
    }

    fn exports(&mut self, value: &Expr) -> Option<Spanned<Vec<Spanned<String>>>> {
        let ExprKind::List(items) = &value.kind else {
            if !matches!(value.kind, ExprKind::Error) {
                self.odd("`exports` is a list of modules: `[\"dist\"]`", value.span, "not a list");
            }
            return None;
        };
        let mut modules: Vec<Spanned<String>> = Vec::with_capacity(items.len());
        for item in items {
            let Some(module) = self.text(item, "a module") else { continue };
            if !module.node.split('.').all(is_name) || module.node == "package" {
                self.odd(
                    "a module is named as after `use`: `\"dist\"` for `dist.rbld`, `\"auto.tools\"` for `auto/tools.rbld`",
                    item.span,
                    "can't be used",
                );
            } else if modules.iter().any(|known| known.node == module.node) {
                self.odd("a module is exported once", item.span, "again");
            } else {
                modules.push(module);
            }
        }
        Some(Spanned { node: modules, span: value.span })
    }

    fn requires(&mut self, value: &Expr) {
        let ExprKind::Record(entries) = &value.kind else {
            if !matches!(value.kind, ExprKind::Error) {
                self.odd(
                    &format!("`requires` is a record of packages: {REQUIRES_FORM}"),
                    value.span,
                    "not a record",
                );
            }
            return;
        };
        for entry in entries {
            let name = &entry.name;
            if let Some(first) = self.manifest.requires.iter().find(|known| known.name.node == name.node) {
                let message = format!("`{}` is required twice", name.node);
                let wrong = Diagnostic::error(codes::TWICE, message, name.span, "required again here");
                let first = first.name.span;
                self.wrong.push(
                    wrong
                        .label(first, "first required here")
                        .help("two versions of a package have two names here"),
                );
                continue;
            }
            if !is_name(&name.node) || ["std", "core"].contains(&name.node.as_str()) {
                let why = "a package is known by a name of the language that isn't `std`";
                self.wrong(
                    why,
                    name.span,
                    "can't be its name",
                    "call it otherwise: the name is known in this directory only",
                );
                continue;
            }
            if self.manifest.requires.len() == REQUIRES {
                self.odd(&format!("a package requires at most {REQUIRES} others"), name.span, "one too many");
                return;
            }
            if let Some(requirement) = self.requirement(name, &entry.value) {
                self.manifest.requires.push(requirement);
            }
        }
    }

    fn requirement(&mut self, name: &ast::Ident, value: &Expr) -> Option<Requirement> {
        let git = |callee: &Expr| matches!(&callee.kind, ExprKind::Name(name) if name == "git");
        let args = match &value.kind {
            ExprKind::Call { callee, args } if git(callee) => args,
            ExprKind::Error => return None,
            _ => {
                let message = format!("a package is required as a git repository: {REQUIRES_FORM}");
                self.odd(&message, value.span, "not a call of `git`");
                return None;
            }
        };
        let mut url = None;
        let mut references: Vec<(Span, Reference)> = Vec::new();
        let (mut commit, mut tree) = (None, None);
        let mut seen: Vec<&str> = Vec::new();
        for arg in args {
            let Some(field) = &arg.name else {
                self.odd("`git` is given its arguments by name", arg.value.span, "without a name");
                continue;
            };
            if seen.contains(&field.node.as_str()) {
                self.odd(&format!("`{}` is given twice", field.node), field.span, "again");
                continue;
            }
            seen.push(&field.node);
            let value = &arg.value;
            match (field.node.as_str(), &value.kind) {
                ("url", _) => url = self.text(value, "`url`"),
                ("tag", _) => {
                    let tag = self.text(value, "`tag`");
                    references.extend(tag.map(|tag| (field.span, Reference::Tag(tag.node))));
                }
                ("branch", _) => {
                    let branch = self.text(value, "`branch`");
                    references.extend(branch.map(|branch| (field.span, Reference::Branch(branch.node))));
                }
                (_, ExprKind::Error) => {}
                ("commit", ExprKind::Literal(Literal::Commit(id))) => {
                    commit = Some(Spanned { node: id.to_string(), span: value.span });
                }
                ("commit", _) => self.odd("`commit` is written out: `commit:…`", value.span, "not a commit"),
                ("tree", ExprKind::Literal(Literal::Digest(digest))) => {
                    tree = Some(Spanned { node: **digest, span: value.span });
                }
                ("tree", _) => self.odd("`tree` is written out: `sha256:…`", value.span, "not a digest"),
                _ => {
                    self.unknown("a required package", field, &["url", "tag", "branch", "commit", "tree"]);
                }
            }
        }
        if let [_, (second, _)] = references.as_slice() {
            let help = "leave one of them out: it is what an update follows";
            self.wrong("a package is at a tag or on a branch, not both", *second, "one of the two", help);
        }
        let Some(url) = url else {
            if !seen.contains(&"url") {
                self.odd(
                    &format!("`{}` has no `url`: {REQUIRES_FORM}", name.node),
                    value.span,
                    "from where?",
                );
            }
            return None;
        };
        self.address(&url)?;
        let reference = references.into_iter().next().map(|(_, reference)| reference);
        Some(Requirement { name: name.clone(), url, reference, commit, tree })
    }

    /// Whether a package can be had from there.
    fn address(&mut self, url: &Spanned<String>) -> Option<()> {
        let text = &url.node;
        let odd = text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
        let remote = ["https://", "http://"]
            .iter()
            .any(|scheme| text.starts_with(scheme) && text.len() > scheme.len());
        let inside = text.starts_with("./") && !text.split('/').any(|part| part == "..");
        if !odd && (remote || inside) {
            return Some(());
        }
        let code = match text.starts_with("file:") || text.starts_with(['/', '~', '.']) {
            true => codes::OUTSIDE,
            false => codes::MANIFEST,
        };
        let wrong = Diagnostic::error(
            code,
            format!("a package can't come from `{text}`"),
            url.span,
            "not an address that everybody has",
        );
        self.wrong.push(wrong.help(
            "write the repository's `https://` address, or `./folder` for a repository inside the project; where you have it \
             from is for `[mirrors]` in your config.toml",
        ));
        None
    }
}

/// The entries of a manifest's `requires`, for those who edit it.
pub fn entry<'a>(file: &'a ast::File, name: &str) -> Option<&'a Entry> {
    file.items.iter().find_map(|item| match &item.kind {
        ItemKind::Let { name: of, value: Expr { kind: ExprKind::Record(entries), .. }, .. }
            if of.node == "requires" =>
        {
            entries.iter().find(|entry| entry.name.node == name)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;

    fn told(text: &str) -> (Manifest, Vec<String>) {
        let (file, wrong) = crate::syntax::parse(FileId(0), &format!("rbld 1\n{text}\n"));
        let (manifest, more) = read(&file);
        let wrong = wrong.into_iter().chain(more).map(|wrong| format!("{} {}", wrong.code.0, wrong.message));
        (manifest, wrong.collect())
    }

    #[test]
    fn a_manifest_is_read_as_it_stands() {
        let (manifest, wrong) = told(&format!(
            "let name = \"gnu\"\nlet exports = [\"dist\", \"auto.tools\"]\nlet requires = {{\n  a = git {{\n    url = \
             \"https://a.example/a\"\n    tag = \"v1\"\n    commit = commit:{}\n    tree = sha256:{}\n  }}\n  b = git(url = \
             \"./b\")\n}}",
            "1".repeat(40),
            "2".repeat(64)
        ));
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(manifest.name.map(|name| name.node), Some("gnu".to_owned()));
        let exports: Vec<String> =
            manifest.exports.into_iter().flat_map(|all| all.node).map(|module| module.node).collect();
        assert_eq!(exports, ["dist", "auto.tools"]);
        let [a, b] = manifest.requires.as_slice() else { panic!("{:?}", manifest.requires) };
        let pinned = a.pinned();
        assert_eq!(pinned.as_ref().map(|pinned| pinned.url.as_str()), Some("https://a.example/a"));
        assert_eq!(pinned.and_then(|pinned| pinned.reference), Some("v1".to_owned()));
        assert_eq!(b.pinned(), None);
        assert_eq!(b.unpinned().message, "package `b` is not pinned: it has neither commit nor tree");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let one = |text: &str| told(text).1.join("; ");
        for (text, expected) in [
            ("let nam = \"x\"", "E0213 a package has no `nam`"),
            ("use std.fetch", "E0213 a package's file holds `let` items only"),
            ("let name = \"a-b\"", "E0213 a package's name is letters, digits and `_`"),
            ("let name = \"@{x}\"", "E0213 `name` is written out, without `@{…}`"),
            (
                "let exports = [\"../x\"]",
                "E0213 a module is named as after `use`: `\"dist\"` for `dist.rbld`, \
             `\"auto.tools\"` for `auto/tools.rbld`",
            ),
            (
                "let requires = { std = git { url = \"https://a\" } }",
                "E0213 a package is known by a name of the language \
             that isn't `std`",
            ),
            (
                "let requires = { a = git { url = \"file:///a\" } }",
                "E0206 a package can't come from `file:///a`",
            ),
            ("let requires = { a = git { url = \"./../a\" } }", "E0206 a package can't come from `./../a`"),
            (
                "let requires = { a = git { url = \"git@host:a\" } }",
                "E0213 a package can't come from `git@host:a`",
            ),
            (
                "let requires = { a = git { url = \"https://a\", tre = 1 } }",
                "E0213 a required package has no `tre`",
            ),
            ("let name = \"a\"\nlet name = \"b\"", "E0208 `name` is declared twice"),
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
        assert!(one("let requires = { a = git { tag = \"v\" } }").contains("`a` has no `url`"));
    }
}
