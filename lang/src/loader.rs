//! Loading: from the name of a root file to all modules it uses, parsed.
//!
//! The [`Loader`] is the one door through which anything outside the language comes in: the
//! texts of files of the project, and the digests of its local inputs. The standard library
//! is embedded here and needs no door. Paths are judged here, before any loader sees them:
//! what a loader is asked for is relative to the project's folder and stays inside it.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::graph;
use crate::nearest::nearest;
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
    /// It is there and can't be used; why.
    #[error("{0}")]
    Unreadable(String),
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
    /// Its path relative to the project's folder; `std.debian` for the standard library.
    pub path: String,
    /// Whether it is a part of the standard library.
    pub std: bool,
    /// Its items.
    pub ast: ast::File,
    /// What each `use` item leads to, by the index of the item.
    pub uses: BTreeMap<usize, Used>,
}

/// All that one root file needs, parsed.
#[derive(Clone, Debug)]
pub struct Project {
    /// The texts.
    pub sources: Sources,
    /// The modules, the root first.
    pub modules: Vec<Module>,
    /// What was found wrong so far.
    pub diagnostics: Vec<Diagnostic>,
}

/// The standard library: the dotted name and the text of each module.
const STD: [(&str, &str); 8] = [
    ("std.cargo", include_str!("../../stdlib/cargo.rbld")),
    ("std.cmake", include_str!("../../stdlib/cmake.rbld")),
    ("std.debian", include_str!("../../stdlib/debian.rbld")),
    ("std.fetch", include_str!("../../stdlib/fetch.rbld")),
    ("std.gnu", include_str!("../../stdlib/gnu.rbld")),
    ("std.meson", include_str!("../../stdlib/meson.rbld")),
    ("std.python", include_str!("../../stdlib/python.rbld")),
    ("std.reproducible", include_str!("../../stdlib/reproducible.rbld")),
];

/// Modules that the standard library is to have and doesn't yet.
const PLANNED: [&str; 4] = ["std.guix", "std.oci", "std.trisquel", "std.ubuntu"];

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
    let shown = format!("<std>/{}.rbld", name.trim_start_matches("std."));
    loading.add(name.to_owned(), shown, text.to_owned(), true);
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
            loading.add(root.to_owned(), root.to_owned(), text, false);
        }
        Err(error) => {
            let id = loading.add(root.to_owned(), root.to_owned(), String::new(), false);
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
        Project { sources: Sources::default(), modules: Vec::new(), diagnostics: Vec::new() }
    }

    /// A project whose root holds nothing yet.
    pub fn without_file() -> Project {
        let mut project = Project::empty();
        let file = project.sources.add(String::new(), String::new());
        let ast = ast::File { edition: None, items: Vec::new() };
        let uses = BTreeMap::new();
        project.modules.push(Module { file, path: String::new(), std: false, ast, uses });
        project
    }

    /// Puts an item at an index of the root, at its end or instead of the one that is there, and loads what it uses.
    pub fn put(&mut self, index: usize, item: ast::Item, loader: &dyn Loader) {
        let project = std::mem::replace(self, Project::empty());
        let known =
            project.modules.iter().enumerate().map(|(id, module)| (module.path.clone(), ModuleId(id as u32)));
        let mut loading = Loading { loader, known: known.collect(), project, cache: None };
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
}

struct Loading<'a> {
    loader: &'a dyn Loader,
    project: Project,
    /// Modules by path.
    known: IndexMap<String, ModuleId>,
    cache: Option<&'a mut syntax::Cache>,
}

impl Loading<'_> {
    fn add(&mut self, path: String, shown: String, text: String, std: bool) -> ModuleId {
        let id = ModuleId(self.project.modules.len() as u32);
        let file = self.project.sources.add(shown, text);
        let text = &self.project.sources.get(file).text;
        let (ast, diagnostics) = match &mut self.cache {
            Some(cache) => syntax::parse_again(file, text, cache),
            None => syntax::parse(file, text),
        };
        self.project.diagnostics.extend(diagnostics);
        self.known.insert(path.clone(), id);
        self.project.modules.push(Module { file, path, std, ast, uses: BTreeMap::new() });
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
        if let Some(known) = self.known.get(&dotted) {
            return Used::Module(*known);
        }
        if let Some((name, text)) = STD.iter().find(|(name, _)| *name == dotted) {
            let shown = format!("<std>/{}.rbld", name.trim_start_matches("std."));
            return Used::Module(self.add(dotted, shown, (*text).to_owned(), true));
        }
        if PLANNED.contains(&dotted.as_str()) {
            self.project.diagnostics.push(planned(&dotted, span));
            return Used::Broken;
        }
        let names = STD.iter().map(|(name, _)| *name);
        let near = crate::nearest::nearest(&dotted, names.clone());
        let help = match near {
            Some(near) => format!("did you mean `use {near}`?"),
            None => format!(
                "the standard library has {}; a file of the project is used as `use ./name.rbld`",
                crate::nearest::listed(names)
            ),
        };
        let wrong =
            Diagnostic::error(codes::UNKNOWN, format!("there is no module `{dotted}`"), span, "not known");
        self.project.diagnostics.push(wrong.help(help).change(span, near));
        Used::Broken
    }

    fn file(&mut self, from: ModuleId, written: &str, span: Span) -> Used {
        let wrong = |message: String, label: &str| Diagnostic::error(codes::UNKNOWN, message, span, label);
        let path = match join(&self.project.modules[from.index()].path, written) {
            Ok(path) => path,
            Err(outside) => {
                self.project.diagnostics.push(outside.diagnostic(written, span));
                return Used::Broken;
            }
        };
        if let Some(known) = self.known.get(&path) {
            return Used::Module(*known);
        }
        if self.known.len() >= MODULES {
            self.project
                .diagnostics
                .push(wrong(format!("more than {MODULES} files are used"), "one too many"));
            return Used::Broken;
        }
        match self.loader.source(&path) {
            Ok(text) => Used::Module(self.add(path.clone(), path, text, false)),
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
            let names: Vec<&str> =
                ring.iter().map(|(from, _)| self.project.modules[*from].path.as_str()).collect();
            let shown = format!("{} → {}", names.join(" → "), names[0]);
            let mut wrong: Option<Diagnostic> = None;
            for (hop, (from, span)) in ring.iter().enumerate() {
                let to = names[(hop + 1) % names.len()];
                let label = format!("`{}` uses `{to}`", self.project.modules[*from].path);
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

/// The error for a module that isn't built yet.
fn planned(dotted: &str, span: Span) -> Diagnostic {
    let names = crate::nearest::listed(STD.iter().map(|(name, _)| *name));
    Diagnostic::error(codes::UNKNOWN, format!("this version has no `{dotted}` yet"), span, "to come").help(
        format!(
            "it has {names}; environments are Debian's so far: `use std.debian`, then \
         `env e = debian.snapshot(trixie, 2026-11-01T00:00:00Z).env(amd64, packages = [\"…\"])`"
        ),
    )
}

/// Why a path can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It begins at the root of the file system or at a home folder.
    Absolute,
    /// It leads out of the project's folder.
    Beyond,
    /// It has a part that no file of a project has.
    Odd,
}

impl PathError {
    /// The error as a person reads it.
    pub fn diagnostic(self, written: &str, span: Span) -> Diagnostic {
        let (message, label) = match self {
            PathError::Absolute => (format!("`{written}` is an absolute path"), "begins outside the project"),
            PathError::Beyond => {
                (format!("`{written}` lies outside the project's folder"), "leads out of it")
            }
            PathError::Odd => (format!("`{written}` isn't a path of a project"), "has an empty or odd part"),
        };
        Diagnostic::error(codes::OUTSIDE, message, span, label).help(
            "a file may be checked by anyone, so it reads only its own project: copy what it needs into the \
             project's folder, or fetch it by digest with `fetch.url`",
        )
    }
}

/// The path `written` in the file `from`, relative to the project's folder, without `.` and `..`.
pub fn join(from: &str, written: &str) -> Result<String, PathError> {
    if written.starts_with('/') || written.starts_with('~') {
        return Err(PathError::Absolute);
    }
    if written.contains(['\0', '\n', '\\']) {
        return Err(PathError::Odd);
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(PathError::Beyond)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// A loader over texts in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLoader {
    /// Files by path. Their content is also their digest's.
    pub files: BTreeMap<String, String>,
}

impl MemoryLoader {
    /// A loader that knows these files.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> MemoryLoader {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned()));
        MemoryLoader { files: files.collect() }
    }
}

/// What may be meant by a path of the project where nothing is: the first part of it that isn't there, and the name
/// nearest to that in its folder.
pub(crate) fn near_path<'p>(loader: &dyn Loader, path: &'p str) -> Option<(&'p str, String)> {
    let mut folder = "";
    let mut rest = path;
    loop {
        let (part, after) = rest.split_once('/').unwrap_or((rest, ""));
        let names = loader.names(folder);
        if !names.iter().any(|name| name == part) {
            let near = nearest(part, names.iter().map(String::as_str))?;
            return Some((rest, format!("{near}{}", &rest[part.len()..])));
        }
        if after.is_empty() {
            return None;
        }
        folder = &path[..path.len() - after.len() - 1];
        rest = after;
    }
}

impl Loader for MemoryLoader {
    fn source(&self, path: &str) -> Result<String, LoadError> {
        self.files.get(path).cloned().ok_or(LoadError::Missing)
    }

    fn local(&self, path: &str) -> Result<Local, LoadError> {
        if let Some(text) = self.files.get(path) {
            return Ok(Local { digest: Digest::of(text.as_bytes()), folder: false, executable: false });
        }
        let inside = if path.is_empty() { String::new() } else { format!("{path}/") };
        let held: Vec<_> = self.files.iter().filter(|(name, _)| name.starts_with(&inside)).collect();
        if held.is_empty() {
            return Err(LoadError::Missing);
        }
        let digest = Digest::of(format!("{held:?}").as_bytes());
        Ok(Local { digest, folder: true, executable: false })
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let inside = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&inside)?.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        names
    }
}
