//! Modules of required packages: from `use gnu.dist` to the file `dist.rbld` of a tree.
//!
//! A package is known by the digest of its tree: two that have the same are one, whatever they are called. What a
//! package requires itself is its own affair, pinned by its own manifest; nothing is flattened and nothing solved.

use super::{Absent, Home, LoadError, Loading, MODULES, ModuleId, Package, PackageId, Used};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::nearest::{listed, nearest};
use crate::package::{self, FILE, Manifest, Requirement};
use crate::span::Span;
use crate::syntax::ast;

/// The most packages that one file may lead to.
const PACKAGES: usize = 1000;

/// How many packages may require each other in a row.
const DEPTH: usize = 32;

impl Loading<'_> {
    /// Reads the project's own manifest, if there is one.
    pub(super) fn own_manifest(&mut self) {
        match self.loader.source(FILE) {
            Ok(text) => {
                let id = self.add(Home::Project, FILE.to_owned(), text);
                let manifest = self.read_manifest(id);
                let unpinned = manifest.requires.iter().filter(|of| of.pinned().is_none());
                self.project.diagnostics.extend(unpinned.map(Requirement::unpinned));
                self.project.manifest = Some(manifest);
            }
            Err(LoadError::Missing) => {}
            Err(error) => {
                let file = self.project.modules[0].file;
                let message = format!("can't read `{FILE}`: {error}");
                let wrong = Diagnostic::error(
                    codes::MANIFEST,
                    message,
                    Span { file, start: 0, end: 0 },
                    "beside this file",
                );
                self.project.diagnostics.push(wrong);
            }
        }
    }

    /// Reads the manifest that a module is, and takes its items out: they aren't items like others.
    pub(super) fn read_manifest(&mut self, id: ModuleId) -> Manifest {
        let items = std::mem::take(&mut self.project.modules[id.index()].ast.items);
        let (manifest, wrong) = package::read(&ast::File { edition: None, items });
        self.project.diagnostics.extend(wrong);
        manifest
    }

    /// What `use NAME.module` leads to.
    pub(super) fn required(
        &mut self,
        from: ModuleId,
        name: &ast::Ident,
        rest: &[ast::Ident],
        span: Span,
    ) -> Used {
        let holder = self.project.modules[from.index()].package;
        let manifest = match holder {
            Some(id) => Some(&self.project.packages[id.0 as usize].manifest),
            None => self.project.manifest.as_ref(),
        };
        let requires = manifest.map_or(&[][..], |manifest| manifest.requires.as_slice());
        let Some(requirement) = requires.iter().find(|of| of.name.node == name.node).cloned() else {
            let wrong = self.not_required(requires, name, rest, span);
            self.project.diagnostics.push(wrong);
            return Used::Broken;
        };
        let Some(id) = self.package(holder, &requirement, name.span) else { return Used::Broken };
        let package = &self.project.packages[id.0 as usize];
        if !package.whole {
            return Used::Broken;
        }
        let dotted = rest.iter().map(|part| part.node.as_str()).collect::<Vec<_>>().join(".");
        let exports = package.manifest.exports.as_ref().map_or(&[][..], |exports| exports.node.as_slice());
        if !exports.iter().any(|module| module.node == dotted) {
            let wrong = not_exported(package, name, rest, &dotted, span);
            self.project.diagnostics.push(wrong);
            return Used::Broken;
        }
        let path = format!("{}.rbld", dotted.replace('.', "/"));
        if let Some(known) = self.known.get(&(Home::Package(id), path.clone())) {
            return Used::Module(*known);
        }
        let mut wrong = |message: String, label: &str| {
            self.project.diagnostics.push(Diagnostic::error(codes::UNKNOWN, message, span, label));
            Used::Broken
        };
        if self.known.len() >= MODULES {
            return wrong(format!("more than {MODULES} files are used"), "one too many");
        }
        match self.loader.package_source(package.tree, &path) {
            Ok(text) => Used::Module(self.add(Home::Package(id), path, text)),
            Err(error) => {
                let message = format!("can't read `{path}` of the package `{}`: {error}", package.shown);
                wrong(message, "exported, and not there")
            }
        }
    }

    fn not_required(
        &self,
        requires: &[Requirement],
        name: &ast::Ident,
        rest: &[ast::Ident],
        span: Span,
    ) -> Diagnostic {
        let dotted = || rest.iter().map(|part| format!(".{}", part.node)).collect::<String>();
        let known = || requires.iter().map(|of| of.name.node.as_str());
        let library = format!("std.{}{}", name.node, dotted());
        let near = nearest(&name.node, known().chain(["std"]));
        let (message, at) = match rest {
            [] => (format!("there is no module `{}`", name.node), span),
            _ => (format!("there is no package `{}`", name.node), name.span),
        };
        let wrong = Diagnostic::error(codes::UNKNOWN, message, at, "not known");
        if super::library().any(|(module, _)| module == library) {
            let help = format!("did you mean `use {library}`?");
            return wrong.help(help).fix(format!("change to `{library}`"), span, library);
        }
        if let Some(near) = near {
            let help = format!("did you mean `use {near}{}`?", dotted());
            return wrong.help(help).change(name.span, Some(near));
        }
        let written = match requires {
            [] => "nothing yet".to_owned(),
            _ => listed(known()),
        };
        wrong.help(format!(
            "packages are required in `{FILE}` beside the file that is checked ({written} is): `let requires = {{ {} = git {{ url = \
             \"https://…\" }} }}`, then `rbld update {}`; a file of the project is used as `use ./name.rbld`",
            name.node, name.node
        ))
    }

    /// The package that a requirement means, read when it is needed first.
    fn package(
        &mut self,
        holder: Option<PackageId>,
        requirement: &Requirement,
        span: Span,
    ) -> Option<PackageId> {
        let Some(pinned) = requirement.pinned() else {
            // What the project's own manifest leaves open was said when it was read.
            if let Some(holder) = holder {
                let holder = self.project.packages[holder.0 as usize].shown.clone();
                let wrong = requirement.unpinned().label(span, "needed here");
                let help =
                    format!("whoever keeps `{holder}` has to pin it; require another commit of `{holder}`");
                self.project.diagnostics.push(wrong.help(help));
            }
            return None;
        };
        let known = self.project.packages.iter().position(|package| package.tree == pinned.tree);
        if let Some(known) = known {
            return Some(PackageId(known as u32));
        }
        let (shown, used) = match holder {
            None => (requirement.name.node.to_string(), span),
            Some(id) => {
                let holder = &self.project.packages[id.0 as usize];
                (format!("{}.{}", holder.shown, requirement.name.node), holder.used)
            }
        };
        if self.project.packages.len() >= PACKAGES || shown.matches('.').count() >= DEPTH {
            let message = format!(
                "too many packages: more than {PACKAGES}, or {DEPTH} that require each other in a row"
            );
            self.project.diagnostics.push(Diagnostic::error(codes::TOO_DEEP, message, span, "one too many"));
            return None;
        }
        let text = match self.loader.package_source(pinned.tree, FILE) {
            Ok(text) => Some(text),
            Err(LoadError::Absent) => {
                if !self.project.absent.iter().any(|absent| absent.pinned.tree == pinned.tree) {
                    let message = format!("the package `{shown}` isn't in the store");
                    let wrong = Diagnostic::error(codes::ABSENT, message, span, "needed here")
                        .help("run `rbld lock`: it fetches what is pinned");
                    self.project.diagnostics.push(wrong);
                    self.project.absent.push(Absent { name: shown, pinned, span });
                }
                return None;
            }
            Err(error) => {
                let message = match error {
                    LoadError::Missing => format!("`{shown}` is no package: it has no `{FILE}`"),
                    error => format!("`{shown}` is no package: `{FILE}`: {error}"),
                };
                let wrong = Diagnostic::error(codes::MANIFEST, message, span, "used as one");
                let wrong = wrong.label(requirement.name.span, "required here");
                let help = format!(
                    "files of a repository that is no package are had by `fetch.git`, as an input: {}",
                    requirement.url.node
                );
                self.project.diagnostics.push(wrong.help(help));
                None
            }
        };
        let id = PackageId(self.project.packages.len() as u32);
        let whole = text.is_some();
        let manifest = Manifest::default();
        self.project.packages.push(Package { tree: pinned.tree, pinned, shown, used, manifest, whole });
        if let Some(text) = text {
            self.open(id, text, requirement);
        }
        Some(id)
    }

    /// Reads the manifest of a package.
    fn open(&mut self, id: PackageId, text: String, requirement: &Requirement) {
        let before = self.project.diagnostics.len();
        let module = self.add(Home::Package(id), FILE.to_owned(), text);
        let manifest = self.read_manifest(module);
        let file = self.project.modules[module.index()].file;
        let top = Span { file, start: 0, end: 0 };
        let missing = |what: &str, form: &str| {
            Diagnostic::error(
                codes::MANIFEST,
                format!("this package has no `{what}`"),
                top,
                "not in this file",
            )
            .label(requirement.name.span, "required here")
            .help(format!("whoever keeps it adds `{form}`; a package that is only a project can't be used"))
        };
        if self.project.diagnostics.len() == before {
            if manifest.name.is_none() {
                self.project.diagnostics.push(missing("name", "let name = \"…\""));
            }
            if manifest.exports.is_none() {
                self.project.diagnostics.push(missing("exports", "let exports = [\"…\"]"));
            }
        }
        let package = &mut self.project.packages[id.0 as usize];
        package.whole = self.project.diagnostics.len() == before;
        package.manifest = manifest;
    }
}

/// That a package has no such module for others.
fn not_exported(
    package: &Package,
    name: &ast::Ident,
    rest: &[ast::Ident],
    dotted: &str,
    span: Span,
) -> Diagnostic {
    let exports = package.manifest.exports.as_ref();
    let modules = || exports.into_iter().flat_map(|exports| &exports.node).map(|module| module.node.as_str());
    let first = modules().next().unwrap_or("module");
    let (message, at) = match (rest.first(), rest.last()) {
        (Some(from), Some(to)) => {
            (format!("the package `{}` exports no module `{dotted}`", package.shown), from.span.to(to.span))
        }
        _ => (format!("`{}` is a package, and `use` names a module of one", name.node), span),
    };
    let near = nearest(dotted, modules());
    let help = match near {
        _ if rest.is_empty() => format!("write `use {}.{first}`", name.node),
        Some(near) => format!("did you mean `use {}.{near}`?", name.node),
        None => format!("it exports {}", listed(modules())),
    };
    let wrong = Diagnostic::error(codes::EXPORTS, message, at, "not for others to use").help(help);
    let wrong = wrong.change(at, near.filter(|_| !rest.is_empty()));
    match exports {
        Some(exports) => wrong.label(exports.span, "what it exports"),
        None => wrong,
    }
}
