//! What is taken from elsewhere: URLs, repositories, files of the project, archives' contents.

use std::sync::Arc;

use super::{as_text, as_text_option, as_texts};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::eval::{Eval, Evaluator, Stop, TOWER};
use crate::loader::{self, LoadError, PathError, near_path};
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
        let Some(Value::Digest(digest)) = args.get(2) else {
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
        self.input(Source::Url { urls, digest: **digest, name }, span, 0)
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
        let Some(Value::Commit(commit)) = args.get(1) else {
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
        self.input(Source::Git { url, commit: commit.to_string(), reference, submodules }, span, 0)
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
    pub(in crate::eval) fn path(&mut self, path: &Arc<str>, span: Span) -> Eval<Value> {
        let local = match self.locals.get(path) {
            Some(Some(local)) => local.clone(),
            Some(None) => return Err(Stop),
            None => match self.loader.local(path) {
                Ok(local) => {
                    self.locals.insert(path.clone(), Some(local.clone()));
                    local
                }
                Err(error) => {
                    self.locals.insert(path.clone(), None);
                    return self.no_local(path, &error, span);
                }
            },
        };
        self.input(Source::Local { path: path.clone(), local }, span, 0)
    }

    fn no_local<T>(&mut self, path: &str, error: &LoadError, span: Span) -> Eval<T> {
        match error {
            LoadError::Missing => {
                let place = self.place(span);
                let written = self.project.sources.slice(place);
                let wrong = Diagnostic::error(
                    codes::UNKNOWN,
                    format!("there is no `{path}` in the project"),
                    place,
                    "not there",
                );
                let near = near_path(self.loader, path);
                let wrong = match near.map(|(rest, near)| (written.strip_suffix(rest), near)) {
                    Some((Some(before), near)) => {
                        let meant = format!("{before}{near}");
                        wrong.help(format!("did you mean `{meant}`?")).change(place, Some(meant))
                    }
                    Some((None, near)) => wrong.help(format!("did you mean `{near}`?")),
                    None => wrong.help("paths are relative to the file that holds them"),
                };
                self.report_here(wrong);
                Err(Stop)
            }
            LoadError::Outside => {
                let place = self.place(span);
                self.report(PathError::Beyond.diagnostic(path, place));
                Err(Stop)
            }
            LoadError::Unreadable(why) => self.stop(
                codes::UNKNOWN,
                format!("`{path}` can't be an input: {why}"),
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
