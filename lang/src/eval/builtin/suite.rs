//! Archives of distributions: suites as of an instant, with the keys that sign them, alone and together.

use std::sync::Arc;

use super::{as_text, as_texts};
use crate::codes;
use crate::digest::Digest;
use crate::eval::pins::Question;
use crate::eval::{Eval, Evaluator, Stop};
use crate::lock::{Beside, SuiteAt};
use crate::span::Span;
use crate::syntax::show_instant;
use crate::value::{Archive, Source, Value};

/// The archives whose keys are in the binary.
const KNOWN: [&str; 3] = ["debian", "debian-security", "ubuntu"];

impl Evaluator<'_> {
    /// `core.archive(name, suite, components, at, keyring, always)`. An archive that has no name of its own is called by
    /// its address.
    pub(super) fn archive(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let (archive, suite) = (as_text(args.first())?.to_owned(), as_text(args.get(1))?.to_owned());
        let archive = self.archive_name(archive, span)?;
        let mut components = as_texts(args.get(2))?;
        components.sort();
        components.dedup();
        for name in [&suite].into_iter().chain(&components) {
            self.suite_name(name, span)?;
        }
        if components.is_empty() {
            return self.stop(
                codes::ARGUMENTS,
                format!("no component of {archive} `{suite}` is named"),
                span,
                "nothing is in none",
                "most packages are in `main`: `components = [\"main\"]`",
            );
        }
        self.has_pocket(&archive, &suite, span)?;
        let keyring = match args.get(4) {
            Some(Value::Input(input)) => Some((input.source.clone(), span)),
            _ => None,
        };
        let keyring = match keyring {
            Some((source, span)) => Some(self.keyring(&source, span)?),
            None if KNOWN.contains(&archive.as_str()) => None,
            None => return self.no_keys(&archive, span),
        };
        let instant = match args.get(3) {
            Some(Value::Instant(instant)) => Some(*instant),
            _ => None,
        };
        let question = || Question::Snapshot {
            archive: archive.clone(),
            suite: suite.clone(),
            components: components.clone(),
            keyring,
            at: instant,
        };
        self.ask(question, span);
        let Some(instant) = instant else {
            let named = !archive.contains("://");
            return self.stop(
                codes::UNPINNED,
                format!("{archive} `{suite}` is not pinned: it changes several times a day"),
                span,
                "no instant",
                match named {
                    true => format!("say as of when: `snapshot({suite}, at = 2026-11-01T00:00:00Z)`"),
                    false => "say as of when: `at = 2026-11-01T00:00:00Z`".to_owned(),
                },
            );
        };
        let at = SuiteAt { archive, suite, components, instant, keyring, beside: Vec::new() };
        let always = as_texts(args.get(5))?;
        Ok(Value::Archive(Arc::new(Archive { at, always, name: None })))
    }

    /// `core.together(archives)`: one archive with the packages of all. The first gives it its name.
    pub(super) fn together(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let Some(Value::List(all)) = args.first() else { return Err(Stop) };
        let mut archives = all.iter().filter_map(|value| match value {
            Value::Archive(archive) => Some(archive),
            _ => None,
        });
        let Some(first) = archives.next() else {
            return self.stop(
                codes::ARGUMENTS,
                "no archive is named",
                span,
                "an empty list",
                "name one or more",
            );
        };
        let mut at = first.at.clone();
        let mut always = first.always.clone();
        for archive in archives {
            if archive.at.instant != at.instant {
                return self.stop(
                    codes::ARGUMENTS,
                    format!(
                        "archives that are used together are of one instant, and {} `{}` is of {}, {} `{}` of {}",
                        at.archive,
                        at.suite,
                        show_instant(at.instant),
                        archive.at.archive,
                        archive.at.suite,
                        show_instant(archive.at.instant)
                    ),
                    span,
                    "of two instants",
                    "write the instant once, in a `let`, and give it to each",
                );
            }
            at.beside.extend(archive.at.each().into_iter().map(|suite| Beside {
                archive: suite.archive,
                suite: suite.suite,
                components: suite.components,
                keyring: suite.keyring,
            }));
            always.extend(archive.always.iter().cloned());
        }
        at.beside.sort();
        at.beside.dedup();
        always.sort();
        always.dedup();
        if let Some(two) = at
            .each()
            .windows(2)
            .find(|two| (&two[0].archive, &two[0].suite) == (&two[1].archive, &two[1].suite))
        {
            let message = format!("{} `{}` is named twice, as two", two[0].archive, two[0].suite);
            let help = "name it once, with all components that are meant";
            return self.stop(codes::ARGUMENTS, message, span, "the same suite again", help);
        }
        Ok(Value::Archive(Arc::new(Archive { at, always, name: None })))
    }

    /// The name, or the address without a slash at its end.
    fn archive_name(&mut self, name: String, span: Span) -> Eval<String> {
        if !name.contains(':') && !name.contains('/') {
            return Ok(name);
        }
        let rest = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"));
        let fits = rest.is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_graphic() && letter != '@')
        });
        if fits {
            return Ok(name.trim_end_matches('/').to_owned());
        }
        self.stop(
            codes::ARGUMENTS,
            format!("`{name}` isn't the address of an archive"),
            span,
            "not fetched from",
            "it is `http://…` or `https://…`, and the folders `dists` and `pool` are below it; what lies in a folder \
             of yours is a mirror of it, named under `[mirrors]` in your config.toml",
        )
    }

    /// Suites and components become parts of addresses.
    fn suite_name(&mut self, name: &str, span: Span) -> Eval<()> {
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-_~".contains(&byte))
        };
        if name.split('/').all(part) {
            return Ok(());
        }
        self.stop(
            codes::ARGUMENTS,
            format!("`{name}` can't be the name of a suite or a component"),
            span,
            "asked for here",
            "a suite is called as its folder in `dists`: `stable`, `bookworm-backports`",
        )
    }

    /// Reports what a suite of Debian's doesn't have.
    fn has_pocket(&mut self, archive: &str, suite: &str, span: Span) -> Eval<()> {
        let what = match (archive, suite) {
            ("debian", "sid-updates") => "updates",
            ("debian-security", "sid-security") => "security",
            _ => return Ok(()),
        };
        self.stop(
            codes::UNKNOWN,
            format!("debian `sid` has no suite of {what}"),
            span,
            "asked for here",
            format!("leave `{what}` out: what is mended in sid goes into sid itself"),
        )
    }

    /// The digest of the file that a `keyring` is.
    fn keyring(&mut self, source: &Source, span: Span) -> Eval<Digest> {
        let Source::Local { place, local } = source else {
            return self.not_a_file(span);
        };
        if local.folder {
            return self.not_a_file(span);
        }
        self.keyrings.insert(local.digest, place.clone());
        Ok(local.digest)
    }

    fn not_a_file<T>(&mut self, span: Span) -> Eval<T> {
        self.stop(
            codes::TYPE,
            "a `keyring` is a file of the project",
            span,
            "is something else",
            "put the keys beside the file that names them: `keyring = ./keys.gpg`",
        )
    }

    fn no_keys<T>(&mut self, archive: &str, span: Span) -> Eval<T> {
        self.stop(
            codes::ARGUMENTS,
            format!("the keys of {archive} are not given"),
            span,
            "no `keyring`",
            format!(
                "rbld has Debian's and Ubuntu's keys. Take the file from a system of {archive}, \
                 `/usr/share/keyrings/{archive}-archive-keyring.gpg`, commit it beside this file, and write \
                 `keyring = ./{archive}-archive-keyring.gpg`"
            ),
        )
    }
}
