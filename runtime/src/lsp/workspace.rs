//! The open documents, the projects they belong to, and what those mean: loaded over the editor's unsaved texts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rbld_lang::check::Program;
use rbld_lang::check::index::{Cursor, Index};
use rbld_lang::digest::Digest;
use rbld_lang::loader::{LoadError, Loader, Local, MemoryLoader, Module};
use rbld_lang::span::{FileId, Span};
use rbld_lang::syntax::Cache;

use super::place::Shelf;
use crate::files::Files;
use crate::packages::Packages;

/// An open document.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Its text, as the editor has it.
    pub text: Arc<str>,
    /// The editor's number of it.
    pub version: i32,
}

/// The open documents by real path.
pub(super) type Documents = BTreeMap<PathBuf, Document>;

/// A file that a project begins with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// A file: its folder and its name.
    File(PathBuf, String),
    /// A module of the standard library.
    Library(String),
}

/// Whether anybody still waits.
pub(super) type Stopped<'a> = &'a dyn Fn() -> bool;

/// Files, with the open documents before those on disk.
struct Overlay<'a> {
    files: Files,
    documents: &'a Documents,
    /// Local inputs by path, hashed once until something is saved.
    locals: &'a RefCell<BTreeMap<PathBuf, Result<Local, LoadError>>>,
    stopped: Stopped<'a>,
}

impl Loader for Overlay<'_> {
    fn source(&self, path: &str) -> Result<String, LoadError> {
        match self.documents.get(&self.files.root.join(path)) {
            Some(document) => Ok(document.text.to_string()),
            None => self.files.source(path),
        }
    }

    fn local(&self, path: &str) -> Result<Local, LoadError> {
        let full = self.files.root.join(path);
        if let Some(known) = self.locals.borrow().get(&full) {
            return known.clone();
        }
        let found = self.files.local(path);
        self.locals.borrow_mut().insert(full, found.clone());
        found
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.files.names(folder)
    }

    fn package_source(&self, tree: Digest, path: &str) -> Result<String, LoadError> {
        self.files.package_source(tree, path)
    }

    fn package_local(&self, tree: Digest, path: &str) -> Result<Local, LoadError> {
        self.files.package_local(tree, path)
    }

    fn stopped(&self) -> bool {
        (self.stopped)()
    }
}

/// Loads projects again and again, each time with the items of the last.
#[derive(Default)]
pub(super) struct Reader {
    packages: Packages,
    caches: BTreeMap<Root, Cache>,
    locals: RefCell<BTreeMap<PathBuf, Result<Local, LoadError>>>,
}

impl Reader {
    /// A reader that finds packages in a store.
    pub(super) fn new(packages: Packages) -> Reader {
        Reader { packages, ..Reader::default() }
    }

    /// Forgets what local inputs were.
    pub(super) fn forget_locals(&mut self) {
        self.locals.borrow_mut().clear();
    }

    /// Loads a project and hands it on with its loader.
    pub(super) fn load<T>(
        &mut self,
        root: &Root,
        documents: &Documents,
        stopped: Stopped<'_>,
        then: impl FnOnce(rbld_lang::Project, &dyn Loader) -> T,
    ) -> T {
        let cache = self.caches.entry(root.clone()).or_default();
        match root {
            Root::File(folder, name) => {
                let files = Files { root: folder.clone(), packages: self.packages.clone() };
                let loader = Overlay { files, documents, locals: &self.locals, stopped };
                then(rbld_lang::load_again(name, &loader, cache), &loader)
            }
            Root::Library(module) => {
                let text = format!("rbld 1\nuse {module}\n");
                let loader = MemoryLoader::new([("", text.as_str())]);
                then(rbld_lang::load_again("", &loader, cache), &loader)
            }
        }
    }

    /// The project that a file belongs to: that of the nearest `build.rbld` above which leads to it, else its own.
    pub(super) fn root_of(&mut self, path: &Path, documents: &Documents, shelf: &Shelf) -> Option<Root> {
        if let Some(module) = shelf.module_of(path) {
            return Some(Root::Library(module));
        }
        let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
        for above in folder.ancestors() {
            let build = above.join("build.rbld");
            if build == *path || !(documents.contains_key(&build) || build.is_file()) {
                continue;
            }
            let root = Root::File(above.to_owned(), "build.rbld".to_owned());
            let relative = path.strip_prefix(above).ok()?.to_str()?.to_owned();
            let leads = self.load(&root, documents, &|| false, |project, _| {
                let own = |module: &Module| !module.std && module.package.is_none();
                project.modules.iter().any(|module| own(module) && module.path == relative)
            });
            if leads {
                return Some(root);
            }
        }
        Some(Root::File(folder.to_owned(), name.to_owned()))
    }
}

/// A project with what its names refer to.
pub(super) struct Analysis {
    /// What it begins with.
    pub root: Root,
    /// Its texts and trees.
    pub project: rbld_lang::Project,
    /// Its items.
    pub program: Program,
    /// Its names.
    pub index: Index,
}

impl Analysis {
    /// Loads and checks a project, and asks what could stand at `cursor` in the file `path`.
    pub(super) fn new(
        reader: &mut Reader,
        root: &Root,
        documents: &Documents,
        cursor: Option<(&Path, u32)>,
    ) -> Analysis {
        reader.load(root, documents, &|| false, |project, _| {
            let cursor: Option<Cursor> = cursor.and_then(|(path, at)| {
                let module =
                    project.modules.iter().find(|module| path_of(root, module) == Some(path.to_owned()))?;
                Some((module.file, at))
            });
            let (program, index) = rbld_lang::check::index(&project, cursor);
            Analysis { root: root.clone(), project, program, index }
        })
    }

    /// The file of a path.
    pub(super) fn file(&self, path: &Path, shelf: &Shelf) -> Option<FileId> {
        let module = self.project.modules.iter().find(|module| match (module.std, module.package) {
            (true, _) => shelf.module_of(path).as_deref() == Some(module.path.as_str()),
            (false, None) => path_of(&self.root, module).as_deref() == Some(path),
            (false, Some(_)) => false,
        });
        module.map(|module| module.file)
    }

    /// The path of a file.
    pub(super) fn path(&self, file: FileId, shelf: &Shelf) -> Option<PathBuf> {
        let module = self.project.modules.iter().find(|module| module.file == file)?;
        shown_at(&self.root, &self.project, module, shelf)
    }

    /// The text of a file.
    pub(super) fn text(&self, file: FileId) -> &str {
        &self.project.sources.get(file).text
    }

    /// The bytes of a span.
    pub(super) fn slice(&self, span: Span) -> &str {
        self.project.sources.slice(span)
    }
}

/// The path of a module that is a file of the project.
pub(super) fn path_of(root: &Root, module: &Module) -> Option<PathBuf> {
    match root {
        Root::File(folder, _) if !module.std && module.package.is_none() => Some(folder.join(&module.path)),
        _ => None,
    }
}

/// Where an editor can open a module: the project's own, or a copy of one of the standard library or a package.
pub(super) fn shown_at(
    root: &Root,
    project: &rbld_lang::Project,
    module: &Module,
    shelf: &Shelf,
) -> Option<PathBuf> {
    if module.std {
        return Some(shelf.module(&module.path));
    }
    let Some(package) = project.package_of(module) else { return path_of(root, module) };
    let others = project.modules.iter().filter(|other| other.package == module.package);
    let texts = others.map(|other| (other.path.as_str(), project.sources.get(other.file).text.as_str()));
    Some(shelf.package(package.tree, &module.path, texts))
}
