//! What is taken from elsewhere: URLs, repositories, files of the project, archives' contents.

use std::sync::Arc;

use super::{as_text, as_text_option, as_texts};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::eval::pins::Question;
use crate::eval::{Eval, Evaluator, Stop, TOWER};
use crate::loader::{self, LoadError, PathError, Place, near_path};
use crate::package::Reference;
use crate::span::Span;
use crate::value::{Input, Source, Value};

impl Evaluator<'_> {
    /// `core.url(url, urls, digest, name)`.
    pub(super) fn url(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let mut urls: Vec<String> = as_text_option(args.first())?.into_iter().map(str::to_owned).collect();
        urls.extend(as_texts(args.get(1))?);
        let Some(first) = urls.first().cloned() else {
            return self.stop(
                codes::ARGUMENTS,
                "`fetch.url` is not given where to fetch from",
                span,
                "no URL",
                "add `url = \"https://…\"`",
            );
        };
        for url in &urls {
            self.remote(url, "fetch.url", span)?;
        }
        let digest = match args.get(2) {
            Some(Value::Digest(digest)) => Some(**digest),
            _ => None,
        };
        self.ask(|| Question::Url { urls: urls.clone(), digest }, span);
        let Some(digest) = digest else {
            return self.stop(
                codes::UNPINNED,
                format!("`{first}` is not pinned: anything may come from there"),
                span,
                "no digest",
                format!("add `digest = sha256:…`; `curl -fL {first} | sha256sum` prints it"),
            );
        };
        let name = match as_text_option(args.get(3))? {
            Some(name) => name.to_owned(),
            None => last_part(&first).to_owned(),
        };
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0', '\n']) {
            return self.stop(
                codes::FIELD,
                format!("`{name}` can't be the name of a file"),
                span,
                "no name to keep it by",
                "add `name = \"release-1.0.tar.gz\"`",
            );
        }
        self.input(Source::Url { urls, digest, name }, span, 0)
    }

    /// `core.git(url, commit, tag, branch, submodules)`.
    pub(super) fn git(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let url = as_text(args.first())?.to_owned();
        let (tag, branch) = (as_text_option(args.get(2))?, as_text_option(args.get(3))?);
        let submodules = matches!(args.get(4), Some(Value::Bool(true)));
        let url = match url.starts_with("./") || url.starts_with("../") {
            true => self.repository(&url, span)?,
            false => {
                self.remote(&url, "fetch.git", span)?;
                url
            }
        };
        let commit = match args.get(1) {
            Some(Value::Commit(commit)) => Some(commit.to_string()),
            _ => None,
        };
        let reference = match (tag, branch) {
            (Some(tag), _) => Some(Reference::Tag(tag.to_owned())),
            (_, Some(branch)) => Some(Reference::Branch(branch.to_owned())),
            _ => None,
        };
        self.ask(|| Question::Git { url: url.clone(), reference, commit: commit.clone() }, span);
        let Some(commit) = commit else {
            let (named, reference) = match (tag, branch) {
                (Some(tag), _) => {
                    (format!("tag `{tag}`, which may be moved"), format!("refs/tags/{tag}^{{}}"))
                }
                (_, Some(branch)) => {
                    (format!("branch `{branch}`, which moves"), format!("refs/heads/{branch}"))
                }
                _ => ("no commit".to_owned(), "HEAD".to_owned()),
            };
            return self.stop(
                codes::UNPINNED,
                format!("`{url}` is not pinned: it names {named}"),
                span,
                "no commit",
                format!("add `commit = commit:…`; `git ls-remote {url} '{reference}'` prints it"),
            );
        };
        let reference = tag.or(branch).map(str::to_owned);
        self.input(Source::Git { url, commit, reference, submodules }, span, 0)
    }

    /// `core.unpack(from, strip)`.
    pub(super) fn unpack(&mut self, args: Vec<Value>, span: Span) -> Eval<Value> {
        let mut args = args.into_iter();
        let (Some(from), Some(Value::Int(strip))) = (args.next(), args.next()) else { return Err(Stop) };
        if !(0..=100).contains(&strip) {
            let message = format!("`strip = {strip}` leaves nothing");
            return self.stop(
                codes::FIELD,
                message,
                span,
                "out of bounds",
                "write how many leading folders to leave out",
            );
        }
        let depth = tower(&from);
        self.input(Source::Unpack { from, strip: strip as u32 }, span, depth)
    }

    /// `./path`.
    pub(in crate::eval) fn local(&mut self, place: &Place, span: Span) -> Eval<Value> {
        let found = match (self.locals.get(place), place.package) {
            (Some(Some(local)), _) => Ok(local.clone()),
            (Some(None), _) => return Err(Stop),
            (None, Some(tree)) => self.loader.package_local(tree, &place.path),
            (None, None) => self.loader.local(&place.path),
        };
        self.locals.insert(place.clone(), found.as_ref().ok().cloned());
        match found {
            Ok(local) => self.input(Source::Local { place: place.clone(), local }, span, 0),
            Err(error) => self.no_local(place, &error, span),
        }
    }

    fn no_local<T>(&mut self, of: &Place, error: &LoadError, span: Span) -> Eval<T> {
        let path = &*of.path;
        let whose = match of.package {
            Some(_) => "package",
            None => "project",
        };
        match error {
            LoadError::Missing => {
                let place = self.place(span);
                let written = self.project.sources.slice(place);
                let wrong = Diagnostic::error(
                    codes::UNKNOWN,
                    format!("there is no `{path}` in the {whose}"),
                    place,
                    "not there",
                );
                let near = if of.package.is_none() { near_path(self.loader, path) } else { None };
                let wrong = match near.map(|(rest, near)| (written.strip_suffix(rest), near)) {
                    Some((Some(before), near)) => {
                        let meant = format!("{before}{near}");
                        wrong.help(format!("did you mean `{meant}`?")).change(place, Some(meant))
                    }
                    Some((None, near)) => wrong.help(format!("did you mean `{near}`?")),
                    None => wrong.help("paths are relative to the file that holds them"),
                };
                // What is missing in a package is told with the calls that led there.
                match of.package {
                    Some(_) => self.report(wrong),
                    None => self.report_here(wrong),
                }
                Err(Stop)
            }
            LoadError::Outside => {
                let place = self.place(span);
                self.report(PathError::Beyond.diagnostic(path, place));
                Err(Stop)
            }
            LoadError::Absent | LoadError::Unreadable(_) => self.stop(
                codes::UNKNOWN,
                format!("`{path}` can't be an input: {error}"),
                span,
                "can't be used",
                "inputs are files and folders that can be read",
            ),
        }
    }

    fn input(&mut self, source: Source, span: Span, depth: u32) -> Eval<Value> {
        self.tower(depth, span)?;
        let span = self.place(span);
        Ok(Value::Input(Arc::new(Input { source, span, name: None, depth })))
    }

    /// Refuses towers of builds that would be too high.
    pub(in crate::eval) fn tower(&mut self, depth: u32, span: Span) -> Eval<()> {
        if depth <= TOWER {
            return Ok(());
        }
        self.stop(
            codes::TOO_DEEP,
            format!("more than {TOWER} builds and inputs stand on each other here"),
            span,
            "given up here",
            "let fewer stages follow each other",
        )
    }

    /// A repository of the project, relative to its folder and with `./` before it.
    fn repository(&mut self, written: &str, span: Span) -> Eval<String> {
        let place = self.place(span);
        let module = self.project.modules.iter().find(|module| module.file == place.file);
        if module.is_some_and(|module| module.package.is_some()) {
            return self.stop(
                codes::OUTSIDE,
                format!("a package can't fetch from `{written}`"),
                span,
                "would be a repository of whoever uses it",
                "write the repository's `https://` address, or use the package's own files: `./folder`",
            );
        }
        let from = module.map_or("", |module| module.path.as_str());
        match loader::join(from, written) {
            Ok(path) => Ok(format!("./{path}")),
            Err(error) => {
                self.report(error.diagnostic(written, place));
                Err(Stop)
            }
        }
    }

    fn remote(&mut self, url: &str, of: &str, span: Span) -> Eval<()> {
        let odd = url.contains(|letter: char| letter.is_whitespace() || letter.is_control());
        if !odd && (url.starts_with("https://") || url.starts_with("http://")) && url.len() > 8 {
            return Ok(());
        }
        if url.starts_with("file:") || url.starts_with('/') || url.starts_with('~') {
            let help = match of {
                "fetch.git" => "name a repository inside the project: `url = \"./repository\"`",
                _ => "a file of the project is written `./file`, without `fetch.url`",
            };
            return self.stop(
                codes::OUTSIDE,
                format!("`{url}` is a path of one machine"),
                span,
                "outside the project",
                help,
            );
        }
        self.stop(
            codes::TYPE,
            format!("`{of}` can't fetch from `{url}`"),
            span,
            "not an `https://` URL",
            "write `https://…` (or `http://…`: what comes is checked either way)",
        )
    }
}

/// How many builds and inputs lie below and in something that is read.
pub(in crate::eval) fn tower(value: &Value) -> u32 {
    match value {
        Value::Input(input) => input.depth.saturating_add(1),
        Value::Output(output) => output.build.depth.saturating_add(1),
        _ => 0,
    }
}

/// The last part of a URL's path.
fn last_part(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    match path.split_once('/') {
        Some((_, path)) => path.trim_end_matches('/').rsplit('/').next().unwrap_or(""),
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path() {
        assert_eq!(last_part("https://a.example/b/c-1.0.tar.gz?x=/y#z"), "c-1.0.tar.gz");
        assert_eq!(last_part("https://a.example/b/"), "b");
        assert_eq!(last_part("https://a.example"), "");
    }
}
