//! A session: a project's items or none, to which items are added and expressions put, as `rbld eval` and `rbld repl`
//! do. An item entered again takes the place of the one of its name, for all that name it, as if the file had been
//! edited. What is wrong changes nothing.

use std::collections::BTreeSet;

use crate::check;
use crate::diagnostic::{Diagnostic, Severity};
use crate::eval::Host;
use crate::eval::single::{self, Single, single};
use crate::loader::{self, Loader, Project, Used};
use crate::span::Spanned;
use crate::syntax::{self, ast};
use crate::types::Type;

/// A project that grows.
pub struct Session<'l> {
    /// The items so far, and every text that was entered.
    pub project: Project,
    loader: &'l dyn Loader,
    host: Host,
    /// What was wrong with the file's syntax, said when something asked for has no value.
    of_file: Vec<Diagnostic>,
    /// Whether modules of the standard library are used by naming them.
    implicit: bool,
}

/// What came of a text.
pub struct Answer {
    /// What each item, or the expression, came to.
    pub parts: Vec<Part>,
    /// What is wrong, and nothing was kept.
    pub diagnostics: Vec<Diagnostic>,
}

/// What one item, or an expression, came to.
pub struct Part {
    /// The item's name; empty for an expression.
    pub name: String,
    /// Its value, type and derivation.
    pub single: Single,
}

impl Answer {
    fn wrong(diagnostics: Vec<Diagnostic>) -> Answer {
        Answer { parts: Vec::new(), diagnostics }
    }
}

fn broken(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

impl<'l> Session<'l> {
    /// A session over a file of a project, or over nothing.
    pub fn new(root: Option<&str>, loader: &'l dyn Loader, host: Host) -> Session<'l> {
        let mut project = match root {
            Some(root) => loader::load(root, loader),
            None => Project::without_file(),
        };
        let of_file = std::mem::take(&mut project.diagnostics);
        Session { project, loader, host, of_file, implicit: root.is_none() }
    }

    /// What is wrong with the syntax of the file.
    pub fn file_diagnostics(&self) -> &[Diagnostic] {
        &self.of_file
    }

    /// Adds items, or evaluates an expression. `name` is what diagnostics call the text.
    pub fn enter(&mut self, name: &str, text: &str) -> Answer {
        match syntax::is_items(text) {
            true => self.items(name, text),
            false => self.expression(name, text),
        }
    }

    /// Evaluates an expression and forgets it.
    pub fn expression(&mut self, name: &str, text: &str) -> Answer {
        self.put_expression(name, text, |session, index| {
            single(&session.project, index, session.loader, &session.host)
        })
    }

    /// The same as the last thing that is asked of a session, which keeps nothing but its texts: the trees of large
    /// files and what is made of them aren't held at once.
    pub fn last(&mut self, name: &str, text: &str) -> Answer {
        self.put_expression(name, text, |session, index| {
            single::last(&mut session.project, index, session.loader, &session.host)
        })
    }

    fn put_expression(
        &mut self,
        name: &str,
        text: &str,
        single: impl Fn(&mut Self, usize) -> Single,
    ) -> Answer {
        let file = self.project.sources.add(name.to_owned(), text.to_owned());
        let (value, found) = syntax::parse_expression(file, text);
        if broken(&found) {
            return Answer::wrong(found);
        }
        let span = value.span;
        let kind = ast::ItemKind::Let { name: Spanned { node: ast::Name::new(), span }, ty: None, value };
        let index = self.root().items.len();
        let item = ast::Item { docs: Vec::new(), span, kind };
        self.use_mentioned(&item);
        let at = self.root().items.len();
        self.project.put(at, item, self.loader);
        let answer = self.answer(vec![(String::new(), at)], single);
        self.forget(index);
        answer
    }

    fn items(&mut self, name: &str, text: &str) -> Answer {
        let file = self.project.sources.add(name.to_owned(), text.to_owned());
        let (items, found) = syntax::parse_items(file, text);
        if broken(&found) {
            return Answer::wrong(found);
        }
        let before = self.root().items.len();
        let mut replaced: Vec<(usize, ast::Item, Option<Used>)> = Vec::new();
        let mut put: Vec<(String, usize)> = Vec::new();
        for item in items {
            self.use_mentioned(&item);
            let name = name_of(&item).to_owned();
            let root = self.root();
            let old = root.items.iter().position(|old| name_of(old) == name);
            let index = old.unwrap_or(root.items.len());
            if let Some(old) = root.items.get(index) {
                let used = self.project.modules[0].uses.get(&index).copied();
                replaced.push((index, old.clone(), used));
            }
            self.project.put(index, item, self.loader);
            put.push((name, index));
        }
        let answer =
            self.answer(put, |session, index| single(&session.project, index, session.loader, &session.host));
        if broken(&answer.diagnostics) {
            for (index, item, used) in replaced.into_iter().rev() {
                self.project.modules[0].ast.items[index] = item;
                let uses = &mut self.project.modules[0].uses;
                uses.remove(&index);
                uses.extend(used.map(|used| (index, used)));
            }
            self.forget(before);
        }
        answer
    }

    /// Takes the root's items from an index on out again.
    fn forget(&mut self, from: usize) {
        let root = &mut self.project.modules[0];
        root.ast.items.truncate(from);
        root.uses.retain(|index, _| *index < from);
    }

    fn root(&self) -> &ast::File {
        &self.project.modules[0].ast
    }

    /// What came of the root's items at these indexes.
    fn answer(&mut self, put: Vec<(String, usize)>, single: impl Fn(&mut Self, usize) -> Single) -> Answer {
        let mut diagnostics = std::mem::take(&mut self.project.diagnostics);
        let mut parts = Vec::new();
        let mut valueless = false;
        for (name, index) in put {
            let single = single(self, index);
            let broken = single.known.ty.as_ref().is_some_and(Type::is_broken);
            valueless |= single.value.is_none() && (broken || single.known.shown.is_empty());
            for found in &single.diagnostics {
                if found.severity == Severity::Error && !diagnostics.contains(found) {
                    diagnostics.push(found.clone());
                }
            }
            parts.push(Part { name, single });
        }
        // An item of the file that couldn't be read has no value, and that was said when the file was read.
        if valueless && diagnostics.is_empty() {
            diagnostics = self.of_file.clone();
        }
        Answer { parts, diagnostics }
    }

    /// Without a file, a module of the standard library is used by naming it.
    fn use_mentioned(&mut self, item: &ast::Item) {
        if !self.implicit {
            return;
        }
        let mut named: BTreeSet<&str> = BTreeSet::new();
        check::mentioned(item, &mut |name, _| {
            named.insert(name);
        });
        for (module, _) in loader::library() {
            let name = module.trim_start_matches("std.");
            let taken = || self.root().items.iter().any(|item| name_of(item) == name);
            if !named.contains(name) || taken() {
                continue;
            }
            let ident = |text: &str| Spanned { node: text.into(), span: item.span };
            let target = ast::UseTarget::Module(module.split('.').map(ident).collect());
            let kind = ast::ItemKind::Use { target, alias: None };
            let at = self.root().items.len();
            self.project.put(at, ast::Item { docs: Vec::new(), span: item.span, kind }, self.loader);
        }
    }

    /// What a name, `module.name` or expression means, as a person reads it, and the lines of documentation above it.
    pub fn describe(&mut self, name: &str, text: &str) -> Result<(String, Vec<String>), Vec<Diagnostic>> {
        if let Some((module, index)) = self.find(text.trim()) {
            let docs = self.project.modules[module].ast.items[index].docs.clone();
            let first: usize =
                self.project.modules[..module].iter().map(|module| module.ast.items.len()).sum();
            let single = single(&self.project, first + index, self.loader, &self.host);
            return match single.known.shown.is_empty() {
                true => Err(single.diagnostics),
                false => Ok((single.known.shown, docs)),
            };
        }
        let answer = self.expression(name, text);
        match answer.parts.first() {
            Some(part) if !broken(&answer.diagnostics) => Ok((part.single.known.shown.clone(), Vec::new())),
            _ => Err(answer.diagnostics),
        }
    }

    /// The module and index of the item that a name or `module.name` means.
    fn find(&mut self, path: &str) -> Option<(usize, usize)> {
        let (of, name) = path.split_once('.').map_or((None, path), |(module, name)| (Some(module), name));
        let module = match of {
            None => 0,
            Some(of) => {
                let probe = self.probe(of);
                self.use_mentioned(&probe);
                self.module(of)?
            }
        };
        let items = &self.project.modules[module].ast.items;
        let index = items.iter().position(|item| name_of(item) == name)?;
        match items[index].kind {
            ast::ItemKind::Use { .. } => None,
            _ => Some((module, index)),
        }
    }

    /// An item that names something.
    fn probe(&self, name: &str) -> ast::Item {
        let span = crate::span::Span { file: self.project.modules[0].file, start: 0, end: 0 };
        let value = ast::Expr { span, kind: ast::ExprKind::Name(name.into()) };
        let kind = ast::ItemKind::Let { name: Spanned { node: ast::Name::new(), span }, ty: None, value };
        ast::Item { docs: Vec::new(), span, kind }
    }

    /// The module that a `use` of the root calls so.
    fn module(&self, name: &str) -> Option<usize> {
        let root = &self.project.modules[0];
        let index = root.ast.items.iter().position(|item| name_of(item) == name)?;
        match root.uses.get(&index) {
            Some(Used::Module(id)) => Some(id.index()),
            _ => None,
        }
    }

    /// The names that may stand at the end of a text: after `x.` those of `x`, else all that are known.
    pub fn complete(&mut self, before: &str) -> Vec<String> {
        let path =
            before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || "_.*".contains(c))).next().unwrap_or("");
        let mut names: Vec<String> = match path.rsplit_once('.') {
            Some(("std", _)) => {
                loader::library().map(|(name, _)| name.trim_start_matches("std.").to_owned()).collect()
            }
            Some((base, _)) => self.members(base),
            None => self.names(),
        };
        let typed = path.rsplit('.').next().unwrap_or("");
        names.retain(|name| name.starts_with(typed));
        names.sort();
        names.dedup();
        names
    }

    fn members(&mut self, base: &str) -> Vec<String> {
        let probe = self.probe(base);
        self.use_mentioned(&probe);
        if let Some(module) = self.module(base) {
            let items = self.project.modules[module].ast.items.iter();
            let named = items.filter(|item| !matches!(item.kind, ast::ItemKind::Use { .. }));
            return named.map(|item| name_of(item).to_owned()).collect();
        }
        let answer = self.expression("<completion>", base);
        let ty: Option<&Type> = answer.parts.first().and_then(|part| part.single.known.ty.as_ref());
        ty.map(check::members_of).unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        let own = self.root().items.iter().map(name_of).filter(|name| is_name(name)).map(str::to_owned);
        let library = loader::library().map(|(name, _)| name.trim_start_matches("std.").to_owned());
        let words = ["if", "then", "else", "for", "in", "not", "and", "or", "with", "true", "false", "none"];
        own.chain(library)
            .chain(check::builtin_names().map(str::to_owned))
            .chain(words.into_iter().chain(syntax::KEYWORDS).map(str::to_owned))
            .collect()
    }
}

fn name_of(item: &ast::Item) -> &str {
    check::name_of(item)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivation::Arch;
    use crate::loader::MemoryLoader;

    fn shown(session: &mut Session<'_>, text: &str) -> String {
        let answer = session.enter("<test>", text);
        if let Some(wrong) = answer.diagnostics.first() {
            return format!("{}: {}", wrong.code.0, wrong.message);
        }
        let values = answer
            .parts
            .iter()
            .map(|part| part.single.value.as_ref().map_or("-".into(), crate::value::Value::show));
        values.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn items_accumulate_and_are_replaced_for_those_that_name_them() {
        let loader = MemoryLoader::default();
        let mut session = Session::new(None, &loader, Host { arch: Arch::Amd64 });
        assert_eq!(shown(&mut session, "1 + 1"), "2");
        assert_eq!(shown(&mut session, "let a = 1"), "1");
        assert_eq!(shown(&mut session, "let b = a + 1\nlet c = b + 1"), "2 3");
        assert_eq!(shown(&mut session, "let a = 10"), "10");
        assert_eq!(shown(&mut session, "c"), "12");
        assert_eq!(
            shown(&mut session, "let a = c"),
            "E0205: these need each other in a ring: `a` → `c` → `b`".to_owned() + " → `a`"
        );
        assert_eq!(
            shown(&mut session, "let d = nothing_like_it"),
            "E0201: there is nothing named `nothing_like_it`"
        );
        assert_eq!(shown(&mut session, "[a, d]"), "E0201: there is nothing named `d`");
        assert_eq!(shown(&mut session, "[a, c]"), "[10, 12]");
        assert_eq!(shown(&mut session, "{ b = 1"), "E0101: `{` is never closed");
    }

    #[test]
    fn values_are_shown_as_they_are_written() {
        let loader = MemoryLoader::default();
        let mut session = Session::new(None, &loader, Host { arch: Arch::Amd64 });
        let digest = format!("sha256:{}", "1f".repeat(32));
        let long = format!("[{}]", ["\"a text of some length\\n\\@{b}\""; 9].join(", "));
        for text in [
            "-3",
            "true",
            "none",
            "\"\"",
            "\"a\\\"\\n\\t\\\\ \\@{x} é\"",
            "[]",
            "{}",
            "[[1], []]",
            "1h",
            "4GiB",
            "97.5%",
            "2026-11-22",
            "2026-11-22T01:02:03Z",
            "commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e",
            &digest,
            &long,
            "{ a = { b = [1, 2] }, c = \"d\" }",
            &format!("{{ a = {long}, b = [{{ c = {long} }}] }}"),
        ] {
            let first = layout(&mut session, text);
            assert_eq!(layout(&mut session, &first), first, "{text}");
            assert!(first.lines().all(|line| line.len() <= 100), "{first}");
        }
    }

    fn layout(session: &mut Session<'_>, text: &str) -> String {
        let answer = session.expression("<test>", text);
        assert_eq!(answer.diagnostics, [], "{text}");
        crate::layout::layout(answer.parts[0].single.value.as_ref().unwrap())
    }

    #[test]
    fn names_are_completed_with_what_their_type_holds() {
        let loader = MemoryLoader::new([("build.rbld", "rbld 1\nlet r = { alpha = { beta = 1 } }\n")]);
        let mut session = Session::new(Some("build.rbld"), &loader, Host { arch: Arch::Amd64 });
        assert_eq!(session.complete("r."), ["alpha"]);
        assert_eq!(session.complete("1 + r.alpha.b"), ["beta"]);
        assert_eq!(session.complete("leng"), ["length"]);
        assert_eq!(session.complete("use std.c"), ["cargo", "cmake"]);
    }

    #[test]
    fn what_is_wrong_elsewhere_in_the_file_is_not_in_the_way() {
        let loader = MemoryLoader::new([("build.rbld", "rbld 1\nlet a = 1\nlet b = nope\nlet c = = 1\n")]);
        let mut session = Session::new(Some("build.rbld"), &loader, Host { arch: Arch::Amd64 });
        assert_eq!(shown(&mut session, "a + 1"), "2");
        assert_eq!(shown(&mut session, "b"), "E0201: there is nothing named `nope`");
        assert!(shown(&mut session, "c").starts_with("E0101"));
        assert_eq!(session.describe("<test>", "a").map(|(shown, _)| shown), Ok("Int".to_owned()));
    }
}
