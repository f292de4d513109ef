//! Edits by place: a literal is replaced or an argument put in, and no other byte of a file changes.

use std::collections::BTreeMap;

use rbld_lang::digest::Digest;
use rbld_lang::eval::pins;
use rbld_lang::loader::{LoadError, Loader, Local, Project};
use rbld_lang::package::{self, Requirement};
use rbld_lang::span::{FileId, Span};
use rbld_lang::syntax;
use rbld_lang::syntax::ast::ExprKind;
use similar::TextDiff;

use super::pin::Place;
use crate::cli::replace;
use crate::failure::{Doing, Failure, Result};
use crate::files::Files;

/// What is to be written where, by the files of one loading.
#[derive(Default)]
pub(super) struct Edits(BTreeMap<FileId, Vec<(u32, u32, String)>>);

impl Edits {
    fn add(&mut self, span: Span, text: String) {
        let edits = self.0.entry(span.file).or_default();
        // Two pins may share a literal.
        if !edits.contains(&(span.start, span.end, text.clone())) {
            edits.push((span.start, span.end, text));
        }
    }

    /// Writes a commit and tree into a requirement; says where it is.
    pub(super) fn package(
        &mut self,
        lang: &Project,
        requirement: &Requirement,
        commit: &str,
        tree: Digest,
    ) -> Result<String> {
        let file = requirement.name.span.file;
        let text = &lang.sources.get(file).text;
        let (tree_of, _) = syntax::parse(file, text);
        let bug = || Failure::bug(format!("`{}` isn't where it was", requirement.name.node));
        let entry = package::entry(&tree_of, &requirement.name.node).ok_or_else(bug)?;
        let ExprKind::Call { callee, args } = &entry.value.kind else { return Err(bug()) };
        let new = [("commit", format!("commit:{commit}")), ("tree", format!("sha256:{tree}"))];
        for (name, value) in new {
            let old = args.iter().find(|arg| arg.name.as_ref().is_some_and(|of| of.node == name));
            match old {
                Some(old) => self.add(old.value.span, value),
                None => {
                    let (at, before) = pins::addition(text, entry.value.span, callee, args, name);
                    self.add(Span { file, start: at, end: at }, format!("{before}{value}"));
                }
            }
        }
        let (line, _) = lang.sources.position(requirement.name.span);
        Ok(format!("{}:{line}", lang.sources.get(file).name))
    }

    /// Writes a literal.
    pub(super) fn pin(&mut self, lang: &Project, place: Place, literal: &str) -> Result<()> {
        match place {
            Place::Literal(span) => self.add(span, literal.to_owned()),
            Place::Missing { call, name } => {
                let module = lang.modules.iter().find(|module| module.file == call.file);
                let mut items = module.into_iter().flat_map(|module| &module.ast.items);
                let (callee, args) = items
                    .find_map(|item| pins::call_at(item, call))
                    .ok_or_else(|| Failure::bug("a call isn't where it was"))?;
                let text = &lang.sources.get(call.file).text;
                let (at, before) = pins::addition(text, call, callee, args, name);
                self.add(Span { start: at, end: at, ..call }, format!("{before}{literal}"));
            }
            Place::Computed(_) => {}
        }
        Ok(())
    }

    /// The files that change, as they are then, by their paths.
    pub(super) fn texts(self, lang: &Project) -> Result<Vec<(String, String)>> {
        let mut texts = Vec::new();
        for (file, mut edits) in self.0 {
            let source = lang.sources.get(file);
            let mut text = source.text.clone();
            // From the end, so that places stay what they are; what is put in at one place stays in order.
            edits.reverse();
            edits.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
            for (start, end, new) in edits {
                text.replace_range(start as usize..end as usize, &new);
            }
            let (_, wrong) = syntax::parse(file, &text);
            let before = syntax::parse(file, &source.text).1.len();
            if wrong.len() > before {
                return Err(Failure::bug(format!(
                    "an update would break `{}`; it is left alone",
                    source.name
                ))
                .help("please report it, with the file"));
            }
            // A file that was laid out stays so: what was put in may be longer than its neighbours.
            let laid_out = |text: &str| rbld_lang::fmt::format(file, text).ok();
            if laid_out(&source.text).as_deref() == Some(&source.text)
                && let Some(neat) = laid_out(&text).filter(|neat| rbld_lang::fmt::same(&text, neat))
            {
                text = neat;
            }
            texts.push((source.name.clone(), text));
        }
        Ok(texts)
    }
}

/// The project's files with edits that aren't written yet.
pub(super) struct Edited {
    files: Files,
    /// By path: as it was read, as it is to be.
    texts: BTreeMap<String, (String, String)>,
}

impl Edited {
    pub(super) fn over(files: Files) -> Edited {
        Edited { files, texts: BTreeMap::new() }
    }

    /// The files as they are.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Takes what files are to be.
    pub(super) fn put(&mut self, texts: Vec<(String, String)>) {
        for (path, new) in texts {
            if let Some((_, text)) = self.texts.get_mut(&path) {
                *text = new;
            } else if let Ok(old) = self.files.source(&path) {
                self.texts.insert(path, (old, new));
            }
        }
    }

    /// What would change.
    pub(super) fn difference(&self) -> String {
        let mut shown = String::new();
        for (path, (old, new)) in self.texts.iter().filter(|(_, (old, new))| old != new) {
            let diff = TextDiff::from_lines(old, new);
            shown.push_str(&diff.unified_diff().header(path, &format!("{path} (updated)")).to_string());
        }
        shown
    }

    /// Writes the files that change, each whole; none if one of them isn't what was read.
    pub(super) fn write(&self) -> Result<Vec<String>> {
        let mut prepared = Vec::new();
        for (path, (old, new)) in self.texts.iter().filter(|(_, (old, new))| old != new) {
            let full = self.files.root.join(path);
            let doing = || format!("write `{path}`");
            prepared.push((path, old, replace::prepare(&full, new).doing(doing)?));
        }
        for (path, old, _) in &prepared {
            if self.files.source(path).ok().as_ref() != Some(*old) {
                return Err(Failure::input(format!("`{path}` changed while rbld was running"))
                    .fact("nothing was written")
                    .help("run `rbld update` again"));
            }
        }
        let mut written: Vec<String> = Vec::new();
        for (path, _, prepared) in prepared {
            prepared.put().doing(|| match written.as_slice() {
                [] => format!("write `{path}`"),
                done => format!("write `{path}` (written is {})", done.join(", ")),
            })?;
            written.push(path.clone());
        }
        Ok(written)
    }
}

impl Loader for Edited {
    fn source(&self, path: &str) -> Result<String, LoadError> {
        match self.texts.get(path) {
            Some((_, new)) => Ok(new.clone()),
            None => self.files.source(path),
        }
    }

    fn local(&self, path: &str) -> Result<Local, LoadError> {
        self.files.local(path)
    }

    fn package_source(&self, tree: Digest, path: &str) -> Result<String, LoadError> {
        self.files.package_source(tree, path)
    }

    fn package_local(&self, tree: Digest, path: &str) -> Result<Local, LoadError> {
        self.files.package_local(tree, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbld_lang::syntax::ast::ItemKind;

    fn edited(root: &std::path::Path) -> Edited {
        Edited::over(Files {
            root: root.canonicalize().unwrap(),
            packages: crate::packages::Packages::default(),
        })
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.rbld"), "one").unwrap();
        std::fs::write(at("b.rbld"), "one").unwrap();
        let mut edits = edited(folder.path());
        edits.put(vec![("a.rbld".to_owned(), "two".to_owned()), ("b.rbld".to_owned(), "two".to_owned())]);
        assert_eq!(edits.source("a.rbld").as_deref(), Ok("two"));
        std::fs::write(at("b.rbld"), "another's").unwrap();
        let failure = edits.write().unwrap_err();
        assert_eq!(failure.message, "`b.rbld` changed while rbld was running");
        assert_eq!(std::fs::read_to_string(at("a.rbld")).unwrap(), "one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        std::fs::write(at("b.rbld"), "one").unwrap();
        assert_eq!(edits.write().unwrap(), ["a.rbld", "b.rbld"]);
        assert_eq!(std::fs::read_to_string(at("b.rbld")).unwrap(), "two");
    }

    #[test]
    fn what_is_put_in_is_laid_out_as_its_neighbours() {
        let put = |text: &str| {
            let (file, wrong) = syntax::parse(FileId(0), &format!("rbld 1\nlet x = {text}\n"));
            assert_eq!(wrong, [], "{text}");
            let ItemKind::Let { value, .. } = &file.items[0].kind else { panic!("{text}") };
            let ExprKind::Call { callee, args } = &value.kind else { panic!("{text}") };
            let whole = format!("rbld 1\nlet x = {text}\n");
            let (at, before) = pins::addition(&whole, value.span, callee, args, "tree");
            let at = at as usize;
            let after = format!("{}{before}V{}", &whole[..at], &whole[at..]);
            let new = format!("{}{before}1{}", &whole[..at], &whole[at..]);
            assert_eq!(syntax::parse(FileId(0), &new).1, [], "{new}");
            after["rbld 1\nlet x = ".len()..].trim_end().to_owned()
        };
        for (text, expected) in [
            ("git {}", "git { tree = V}"),
            ("git()", "git(tree = V)"),
            ("git { url = 1 }", "git { url = 1, tree = V }"),
            ("git(1, 2)", "git(1, 2, tree = V)"),
            ("git {\n  url = 1\n}", "git {\n  url = 1\n  tree = V\n}"),
            ("git {\n  url    = 1   # here\n}", "git {\n  url    = 1   # here\n  tree   = V\n}"),
            ("git {\n  url = 1,\n}", "git {\n  url = 1,\n  tree = V\n}"),
            ("git {\n  a = 1, url = 1\n}", "git {\n  a = 1, url = 1, tree = V\n}"),
            ("git(\n  1,\n  url = 1,\n)", "git(\n  1,\n  url = 1,\n  tree = V\n)"),
            ("git(\n  url = 1\n)", "git(\n  url = 1,\n  tree = V\n)"),
            ("git(\n  url = 1)", "git(\n  url = 1, tree = V)"),
        ] {
            assert_eq!(put(text), expected, "{text}");
        }
    }
}
