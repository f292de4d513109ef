//! Loading: from the name of a root file to all modules it uses, parsed.
//!
//! The [`Loader`] is the one door through which anything outside the language comes in: the
//! texts of files of the project, and the digests of its local inputs. The standard library
//! is embedded here and needs no door. Paths are judged here, before any loader sees them:
//! what a loader is asked for is relative to the project's folder and stays inside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::graph;
use crate::package::{self, Manifest, Pinned};
use crate::span::{FileId, Sources, Span};
use crate::syntax::{self, ast};

/// What the language may know of the world.
pub trait Loader {
    /// The text of a file of the project. `path` is relative to the project's folder, `/`-separated, without `.`
    /// and `..`.
    fn source(&self, path: &str) -> Result<String, LoadError>;

    /// What a file or folder of the project is, by content. `path` as in [`Loader::source`]; empty for the
    /// project's folder itself.
    fn local(&self, path: &str) -> Result<Local, LoadError>;

    /// The names of what lies in a folder of the project, in order, folders without a `/`: to suggest one where
    /// something isn't there. As many as a person may have meant are enough.
    fn names(&self, folder: &str) -> Vec<String> {
        let _ = folder;
        Vec::new()
    }

    /// The text of a file of a package, which is known by the digest of its tree. `path` as in [`Loader::source`].
    fn package_source(&self, tree: Digest, path: &str) -> Result<String, LoadError> {
        let _ = (tree, path);
        Err(LoadError::Absent)
    }

    /// What a file or folder of a package is. `path` as in [`Loader::local`].
    fn package_local(&self, tree: Digest, path: &str) -> Result<Local, LoadError> {
        let _ = (tree, path);
        Err(LoadError::Absent)
    }

    /// Whether nobody waits for the answer any more: an evaluation then ends where it is.
    fn stopped(&self) -> bool {
        false
    }
}

/// A file or folder of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The digest of the file's bytes, or of the folder's tree.
    pub digest: Digest,
    /// A folder, or a file.
    pub folder: bool,
    /// Whether a file is executable.
    pub executable: bool,
}

/// Why a loader has nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Nothing is there.
    #[error("it does not exist")]
    Missing,
    /// It leads out of the project's folder, by a symbolic link.
    #[error("it leads out of the project's folder")]
    Outside,
    /// It is a package's, and the package isn't in the store.
    #[error("the package isn't in the store")]
    Absent,
    /// It is there and can't be used; why.
    #[error("{0}")]
    Unreadable(String),
}

/// Where a file or folder is: in the project, or in a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The digest of the package's tree; `None` for the project.
    pub package: Option<Digest>,
    /// Relative to the project's or package's folder.
    pub path: Arc<str>,
}

/// A module, by its order of loading; the root is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleId(pub u32);

impl ModuleId {
    /// The module of the file that was asked for.
    pub const ROOT: ModuleId = ModuleId(0);

    /// As an index into [`Project::modules`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a `use` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// A module.
    Module(ModuleId),
    /// The intrinsics, which only the standard library may use.
    Core,
    /// Nothing: an error was reported.
    Broken,
}

/// One parsed file.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its text, in [`Project::sources`].
    pub file: FileId,
    /// Its path relative to the project's or package's folder; `std.debian` for the standard library.
    pub path: String,
    /// Whether it is a part of the standard library.
    pub std: bool,
    /// The package it is a part of; `None` for the project's own files and the standard library.
    pub package: Option<PackageId>,
    /// Its items.
    pub ast: ast::File,
    /// What each `use` item leads to, by the index of the item.
    pub uses: BTreeMap<usize, Used>,
}

impl Module {
    /// Whether it is one of the project's own files.
    pub fn is_own(&self) -> bool {
        !self.std && self.package.is_none()
    }
}

/// A package, by its order of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub u32);

/// A package that modules of it were asked for.
#[derive(Clone, Debug)]
pub struct Package {
    /// The digest of its tree, which is what it is known by.
    pub tree: Digest,
    /// Where it was first required from.
    pub pinned: Pinned,
    /// The names by which it was first reached: `gnu`, or `gnu.common` for what `gnu` calls `common`.
    pub shown: String,
    /// Where the project first led to it.
    pub used: Span,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Whether that could be read.
    whole: bool,
}

/// A package that is needed and that the loader doesn't have.
#[derive(Clone, Debug, PartialEq)]
pub struct Absent {
    /// What it is called: `gnu`, `gnu.common`.
    pub name: String,
    /// What it is.
    pub pinned: Pinned,
    /// Where it is needed.
    pub span: Span,
}

/// All that one root file needs, parsed.
#[derive(Clone, Debug)]
pub struct Project {
    /// The texts.
    pub sources: Sources,
    /// The modules, the root first. Manifests are among them, without items.
    pub modules: Vec<Module>,
    /// What the project's own `package.rbld` says, where it has one.
    pub manifest: Option<Manifest>,
    /// The packages that are used.
    pub packages: Vec<Package>,
    /// The packages that would be used if they were there.
    pub absent: Vec<Absent>,
    /// What was found wrong so far.
    pub diagnostics: Vec<Diagnostic>,
}

/// The standard library: the dotted name and the text of each module.
const STD: [(&str, &str); 13] = [
    ("std.apt", include_str!("../../stdlib/apt.rbld")),
    ("std.cargo", include_str!("../../stdlib/cargo.rbld")),
    ("std.cmake", include_str!("../../stdlib/cmake.rbld")),
    ("std.debian", include_str!("../../stdlib/debian.rbld")),
    ("std.fetch", include_str!("../../stdlib/fetch.rbld")),
    ("std.gnu", include_str!("../../stdlib/gnu.rbld")),
    ("std.guix", include_str!("../../stdlib/guix.rbld")),
    ("std.meson", include_str!("../../stdlib/meson.rbld")),
    ("std.oci", include_str!("../../stdlib/oci.rbld")),
    ("std.python", include_str!("../../stdlib/python.rbld")),
    ("std.reproducible", include_str!("../../stdlib/reproducible.rbld")),
    ("std.trisquel", include_str!("../../stdlib/trisquel.rbld")),
    ("std.ubuntu", include_str!("../../stdlib/ubuntu.rbld")),
];

mod memory;
mod path;
mod required;
#[cfg(test)]
mod tests;

pub use memory::MemoryLoader;
pub(crate) use path::near_path;
pub use path::{PathError, join};

/// The most modules that one file may lead to.
const MODULES: usize = 10_000;

/// The modules of the standard library: the dotted name and the text of each.
pub fn library() -> impl Iterator<Item = (&'static str, &'static str)> {
    STD.into_iter()
}

/// Loads and parses `root` (relative to the project's folder) and whatever it uses.
pub fn load(root: &str, loader: &dyn Loader) -> Project {
    read(root, loader, None)
}

/// Loads a module of the standard library by its dotted name, as the root; nothing if there is none of this name.
pub fn load_library(name: &str, loader: &dyn Loader) -> Option<Project> {
    let (name, text) = library().find(|(known, _)| *known == name)?;
    let mut loading = Loading { loader, project: Project::empty(), known: IndexMap::new(), cache: None };
    loading.add(Home::Std, name.to_owned(), text.to_owned());
    loading.follow_from(0);
    Some(loading.project)
}

/// As [`load`], with what is known of items of the same text from the last time.
pub fn load_again(root: &str, loader: &dyn Loader, cache: &mut syntax::Cache) -> Project {
    cache.turn();
    read(root, loader, Some(cache))
}

fn read(root: &str, loader: &dyn Loader, cache: Option<&mut syntax::Cache>) -> Project {
    let mut loading = Loading { loader, project: Project::empty(), known: IndexMap::new(), cache };
    match loader.source(root) {
        Ok(text) => {
            let id = loading.add(Home::Project, root.to_owned(), text);
            if root == package::FILE {
                loading.project.manifest = Some(loading.read_manifest(id));
            } else {
                loading.own_manifest();
            }
        }
        Err(error) => {
            let id = loading.add(Home::Project, root.to_owned(), String::new());
            let span = Span { file: loading.project.modules[id.index()].file, start: 0, end: 0 };
            loading.project.diagnostics = vec![Diagnostic::error(
                codes::UNKNOWN,
                format!("can't read `{root}`: {error}"),
                span,
                "not there",
            )];
        }
    }
    loading.follow_from(0);
    loading.project
}

impl Project {
    fn empty() -> Project {
        Project {
            sources: Sources::default(),
            modules: Vec::new(),
            manifest: None,
            packages: Vec::new(),
            absent: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// A project whose root holds nothing yet.
    pub fn without_file() -> Project {
        let mut project = Project::empty();
        let file = project.sources.add(String::new(), String::new());
        let ast = ast::File { edition: None, items: Vec::new() };
        let uses = BTreeMap::new();
        project.modules.push(Module { file, path: String::new(), std: false, package: None, ast, uses });
        project
    }

    /// Puts an item at an index of the root, at its end or instead of the one that is there, and loads what it uses.
    pub fn put(&mut self, index: usize, item: ast::Item, loader: &dyn Loader) {
        let project = std::mem::replace(self, Project::empty());
        let key = |module: &Module| (project.home(module), module.path.clone());
        let known = project.modules.iter().enumerate();
        let known: Vec<_> = known.map(|(id, module)| (key(module), ModuleId(id as u32))).collect();
        let mut loading = Loading { loader, known: known.into_iter().collect(), project, cache: None };
        let root = &mut loading.project.modules[ModuleId::ROOT.index()];
        root.uses.remove(&index);
        let used = matches!(item.kind, ast::ItemKind::Use { .. });
        match root.ast.items.get_mut(index) {
            Some(old) => *old = item,
            None => root.ast.items.push(item),
        }
        if used {
            let modules = loading.project.modules.len();
            loading.follow(ModuleId::ROOT, index);
            loading.follow_from(modules);
        }
        *self = loading.project;
    }

    /// Whether a place is in the standard library.
    pub fn in_std(&self, span: Span) -> bool {
        self.sources.get(span.file).name.starts_with("<std>/")
    }

    /// Whether a place is in the standard library or in a package.
    pub fn in_library(&self, span: Span) -> bool {
        self.in_std(span) || self.package_at(span).is_some()
    }

    /// The package that a place is in.
    pub fn package_at(&self, span: Span) -> Option<&Package> {
        let module = self.modules.iter().find(|module| module.file == span.file)?;
        self.packages.get(module.package?.0 as usize)
    }

    /// The package of a module.
    pub fn package_of(&self, module: &Module) -> Option<&Package> {
        self.packages.get(module.package?.0 as usize)
    }

    fn home(&self, module: &Module) -> Home {
        match module.package {
            _ if module.std => Home::Std,
            None => Home::Project,
            Some(id) => Home::Package(id),
        }
    }

    /// Adds to what is wrong inside of packages where the project led there.
    pub fn show_uses(&self, diagnostics: &mut [Diagnostic]) {
        if self.packages.is_empty() {
            return;
        }
        for diagnostic in diagnostics {
            let Some(package) = diagnostic.labels.first().and_then(|label| self.package_at(label.span))
            else {
                continue;
            };
            if diagnostic.labels.iter().all(|label| self.in_library(label.span)) {
                let label = format!("`{}` is used here", package.shown);
                diagnostic.labels.push(crate::diagnostic::Label { span: package.used, text: label });
            }
        }
    }
}

/// Whose file a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Home {
    Project,
    Std,
    Package(PackageId),
}

struct Loading<'a> {
    loader: &'a dyn Loader,
    project: Project,
    /// Modules by path.
    known: IndexMap<(Home, String), ModuleId>,
    cache: Option<&'a mut syntax::Cache>,
}

impl Loading<'_> {
    fn add(&mut self, home: Home, path: String, text: String) -> ModuleId {
        let id = ModuleId(self.project.modules.len() as u32);
        let shown = match home {
            Home::Project => path.clone(),
            Home::Std => format!("<std>/{}.rbld", path.trim_start_matches("std.")),
            Home::Package(id) => format!("<{}>/{path}", self.project.packages[id.0 as usize].shown),
        };
        let file = self.project.sources.add(shown, text);
        let text = &self.project.sources.get(file).text;
        let (ast, diagnostics) = match &mut self.cache {
            Some(cache) => syntax::parse_again(file, text, cache),
            None => syntax::parse(file, text),
        };
        self.project.diagnostics.extend(diagnostics);
        self.known.insert((home, path.clone()), id);
        let package = match home {
            Home::Package(id) => Some(id),
            _ => None,
        };
        let std = home == Home::Std;
        self.project.modules.push(Module { file, path, std, package, ast, uses: BTreeMap::new() });
        id
    }

    /// Loads what the modules from one on use, and what those use in turn.
    fn follow_from(&mut self, first: usize) {
        let mut next = first;
        while next < self.project.modules.len() {
            self.follow(ModuleId(next as u32), 0);
            next += 1;
        }
        self.rings();
    }

    /// Loads what a module's items from an index on use.
    fn follow(&mut self, id: ModuleId, from: usize) {
        let module = &self.project.modules[id.index()];
        let targets: Vec<(usize, Span, ast::UseTarget)> = module
            .ast
            .items
            .iter()
            .enumerate()
            .skip(from)
            .filter_map(|(index, item)| match &item.kind {
                ast::ItemKind::Use { target, .. } => Some((index, item.span, target.clone())),
                _ => None,
            })
            .collect();
        for (index, span, target) in targets {
            let used = match target {
                ast::UseTarget::Module(path) => self.library(id, &path, span),
                ast::UseTarget::File(path) => self.file(id, &path.node, path.span),
            };
            self.project.modules[id.index()].uses.insert(index, used);
        }
    }

    fn library(&mut self, from: ModuleId, path: &[ast::Ident], span: Span) -> Used {
        let dotted = path.iter().map(|part| part.node.as_str()).collect::<Vec<_>>().join(".");
        let span = match (path.first(), path.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => span,
        };
        if dotted == "core" && self.project.modules[from.index()].std {
            return Used::Core;
        }
        if let Some(first) = path.first().filter(|first| first.node != "std" && dotted != "core") {
            return self.required(from, first, &path[1..], span);
        }
        if let Some(known) = self.known.get(&(Home::Std, dotted.clone())) {
            return Used::Module(*known);
        }
        if let Some((_, text)) = STD.iter().find(|(name, _)| *name == dotted) {
            return Used::Module(self.add(Home::Std, dotted, (*text).to_owned()));
        }
        let names = STD.iter().map(|(name, _)| *name);
        let near = crate::nearest::nearest(&dotted, names.clone());
        let help = match near {
            Some(near) => format!("did you mean `use {near}`?"),
            None => format!("the standard library has {}", crate::nearest::listed(names)),
        };
        let wrong =
            Diagnostic::error(codes::UNKNOWN, format!("there is no module `{dotted}`"), span, "not known");
        self.project.diagnostics.push(wrong.help(help).change(span, near));
        Used::Broken
    }

    fn file(&mut self, from: ModuleId, written: &str, span: Span) -> Used {
        let wrong = |message: String, label: &str| Diagnostic::error(codes::UNKNOWN, message, span, label);
        let module = &self.project.modules[from.index()];
        let home = self.project.home(module);
        let path = match join(&module.path, written) {
            Ok(path) => path,
            Err(outside) => {
                self.project.diagnostics.push(match home {
                    Home::Package(_) => outside.in_package(written, span),
                    _ => outside.diagnostic(written, span),
                });
                return Used::Broken;
            }
        };
        if let Some(known) = self.known.get(&(home, path.clone())) {
            return Used::Module(*known);
        }
        if self.known.len() >= MODULES {
            self.project
                .diagnostics
                .push(wrong(format!("more than {MODULES} files are used"), "one too many"));
            return Used::Broken;
        }
        let text = match home {
            Home::Package(id) => self.loader.package_source(self.project.packages[id.0 as usize].tree, &path),
            _ => self.loader.source(&path),
        };
        match text {
            Ok(text) => Used::Module(self.add(home, path, text)),
            Err(LoadError::Outside) => {
                self.project.diagnostics.push(PathError::Beyond.diagnostic(written, span));
                Used::Broken
            }
            Err(error) => {
                let wrong = wrong(format!("can't read `{path}`: {error}"), "used here");
                let near = near_path(self.loader, &path).filter(|_| error == LoadError::Missing);
                let meant =
                    near.and_then(|(rest, near)| Some(format!("{}{near}", written.strip_suffix(rest)?)));
                self.project.diagnostics.push(match meant {
                    Some(meant) => wrong.help(format!("did you mean `{meant}`?")),
                    None => wrong.help("paths are relative to the file that holds them"),
                });
                Used::Broken
            }
        }
    }

    /// Reports modules that use each other in a ring.
    fn rings(&mut self) {
        let edges: Vec<Vec<(usize, Span)>> = self.project.modules.iter().map(uses_of).collect();
        for ring in graph::rings(&edges) {
            let name = |module: &Module| self.project.sources.get(module.file).name.as_str();
            let names: Vec<&str> = ring.iter().map(|(from, _)| name(&self.project.modules[*from])).collect();
            let shown = format!("{} → {}", names.join(" → "), names[0]);
            let mut wrong: Option<Diagnostic> = None;
            for (hop, (from, span)) in ring.iter().enumerate() {
                let to = names[(hop + 1) % names.len()];
                let label = format!("`{}` uses `{to}`", name(&self.project.modules[*from]));
                wrong = Some(match wrong {
                    None => Diagnostic::error(
                        codes::CYCLE,
                        format!("files use each other in a ring: {shown}"),
                        *span,
                        label,
                    ),
                    Some(wrong) => wrong.label(*span, label),
                });
            }
            let help = "move what both need into a third file and use that from both";
            self.project.diagnostics.extend(wrong.map(|wrong| wrong.help(help)));
        }
    }
}

fn uses_of(module: &Module) -> Vec<(usize, Span)> {
    module
        .uses
        .iter()
        .filter_map(|(item, used)| match used {
            Used::Module(to) => Some((to.index(), module.ast.items[*item].span)),
            _ => None,
        })
        .collect()
}
