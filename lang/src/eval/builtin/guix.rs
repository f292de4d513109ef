//! Environments of Guix: packages at a commit or of channels, and store items by name, as requests to be locked.

use std::sync::Arc;

use super::{as_instant, as_texts};
use crate::channels;
use crate::codes;
use crate::derivation::Arch;
use crate::derivation::guix::{item_name, system};
use crate::diagnostic::Diagnostic;
use crate::eval::pins::Question;
use crate::eval::{Eval, Evaluator, Stop};
use crate::lock::{Channel, Request};
use crate::package::Reference;
use crate::span::Span;
use crate::value::{Env, EnvSource, Source, Value};

/// Where `rbld update` looks for a newer commit of Guix.
const REPOSITORY: &str = "https://git.guix.gnu.org/guix.git";

impl Evaluator<'_> {
    /// `core.guix(base, commit, channels, packages, items, arch, emulator)`.
    pub(super) fn guix(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let base = match args.first() {
            Some(Value::Env(base)) => Some(base.clone()),
            _ => None,
        };
        let arch = self.guix_arch(base.as_deref(), args.get(5), span)?;
        let packages = self.guix_names(args.get(3), span, Evaluator::guix_package)?;
        let items = self.guix_names(args.get(4), span, Evaluator::guix_item)?;
        if packages.is_empty() && items.is_empty() {
            let help = "name some: `packages = [\"hello\"]`";
            return self.stop(codes::ARGUMENTS, "no packages are asked for", span, "nothing of Guix", help);
        }
        let channels = self.guix_channels(args.get(1), args.get(2), !packages.is_empty(), span)?;
        let request = self.request(Request::Guix { arch, channels, packages, items }, span);
        let span = self.place(span);
        let emulator = as_instant(args.get(6));
        let source = EnvSource::Guix { request, base, emulator };
        let env = Env { source, span, name: None };
        match (env.instant(), emulator) {
            (None, _) => {
                self.unplaced.entry(arch).or_insert(span);
            }
            (Some(_), Some(instant)) => {
                self.emulated.entry((arch, instant)).or_insert(span);
            }
            (Some(_), None) => {}
        }
        Ok(Value::Env(Arc::new(env)))
    }

    fn guix_arch(&mut self, base: Option<&Env>, arch: Option<&Value>, span: Span) -> Eval<Arch> {
        let arch = match (base, arch) {
            (Some(base), _) => {
                let mut below = Some(base);
                while let Some(env) = below {
                    if matches!(env.source, EnvSource::Guix { .. }) {
                        let help = "put all packages into one list";
                        let message = "packages of Guix are laid over packages of Guix";
                        return self.stop(codes::ARGUMENTS, message, span, "there is one profile", help);
                    }
                    below = env.base().map(|base| &**base);
                }
                base.arch().ok_or(Stop)?
            }
            (None, Some(Value::Variant(_, arch))) => Arch::ALL.get(*arch as usize).copied().ok_or(Stop)?,
            _ => return Err(Stop),
        };
        if system(arch).is_none() {
            let message = format!("Guix has no packages for {}", arch.name());
            let help = "take the distribution's own packages there";
            return self.stop(codes::ARCH, message, span, "no system of Guix", help);
        }
        Ok(arch)
    }

    /// The channels: none where no packages are asked for, else what one of the two arguments pins.
    fn guix_channels(
        &mut self,
        commit: Option<&Value>,
        file: Option<&Value>,
        wanted: bool,
        span: Span,
    ) -> Eval<Vec<Channel>> {
        let commit = match commit {
            Some(Value::Commit(commit)) => Some(commit.to_string()),
            _ => None,
        };
        let file = match file {
            Some(Value::Input(input)) => Some(input.clone()),
            _ => None,
        };
        if wanted && file.is_none() {
            let url = REPOSITORY.to_owned();
            let reference = Some(Reference::Branch("master".to_owned()));
            self.ask(|| Question::Git { url, reference, commit: commit.clone() }, span);
        }
        match (commit, file) {
            (Some(_), Some(_)) => {
                let message = "both a commit and a file of channels say which Guix is meant";
                let help = "take `commit` out: the file has it";
                self.stop(codes::ARGUMENTS, message, span, "two answers", help)
            }
            (None, None) if wanted => self.stop(
                codes::UNPINNED,
                "Guix is not pinned: its packages change many times a day",
                span,
                "no commit",
                "add `commit = commit:…`; `guix describe` prints the one that you have",
            ),
            (None, None) => Ok(Vec::new()),
            (_, _) if !wanted => {
                let message = "a commit of Guix without packages from it";
                let help = "store items are fixed by their names: take it out";
                self.stop(codes::ARGUMENTS, message, span, "nothing comes from it", help)
            }
            (Some(commit), None) => {
                let (url, branch, introduction) = Default::default();
                Ok(vec![Channel { name: "guix".to_owned(), commit, url, branch, introduction }])
            }
            (None, Some(input)) => self.channels_of(&input.source, span),
        }
    }

    fn channels_of(&mut self, source: &Source, span: Span) -> Eval<Vec<Channel>> {
        let Source::Local { place, local } = source else {
            let help = "write `channels = ./channels.scm`";
            let message = "channels are read from a file of the project";
            return self.stop(codes::TYPE, message, span, "not such a file", help);
        };
        let path = &place.path;
        let text = match (local.folder, place.package) {
            (true, _) => Err(format!("`{path}` is a folder")),
            (false, None) => {
                self.loader.source(path).map_err(|error| format!("can't read `{path}`: {error}"))
            }
            (false, Some(tree)) => self
                .loader
                .package_source(tree, path)
                .map_err(|error| format!("can't read `{path}`: {error}")),
        };
        let help = "`guix describe -f channels > channels.scm` writes such a file";
        let text = match text {
            Ok(text) => text,
            Err(message) => return self.stop(codes::UNKNOWN, message, span, "no file of channels", help),
        };
        channels::parse(&text).or_else(|wrong| {
            let code = if wrong.unpinned { codes::UNPINNED } else { codes::TYPE };
            let message = format!("`{path}`, line {}: {}", wrong.line, wrong.message);
            self.stop(code, message, span, "no channels at commits", help)
        })
    }

    /// A list of names, each judged, sorted, each once.
    fn guix_names(
        &mut self,
        names: Option<&Value>,
        span: Span,
        judge: fn(&mut Self, &str, Span) -> Eval<()>,
    ) -> Eval<Vec<String>> {
        let mut names = as_texts(names)?;
        for name in &names {
            judge(self, name, span)?;
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// `NAME`, `NAME@VERSION`, `NAME:OUTPUT`, `NAME@VERSION:OUTPUT`.
    fn guix_package(&mut self, written: &str, span: Span) -> Eval<()> {
        let (rest, output) = match written.split_once(':') {
            Some((rest, output)) => (rest, Some(output)),
            None => (written, None),
        };
        let (name, version) = match rest.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (rest, None),
        };
        let small = |text: &str| {
            let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            text.bytes().next().is_some_and(letter)
                && text.bytes().all(|byte| letter(byte) || b"+-._".contains(&byte))
        };
        let any = |text: &str| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._~".contains(&byte);
            !text.is_empty() && text.bytes().all(letter)
        };
        if small(name) && version.is_none_or(any) && output.is_none_or(small) {
            return Ok(());
        }
        let help = match written {
            _ if item_name(written).is_some() => {
                "a store item goes into `items`, or to `guix.items`".to_owned()
            }
            _ if written.contains([' ', ',', '\n']) => {
                "each package is a text of its own: `[\"make\", \"git\"]`".to_owned()
            }
            _ if written.contains('=') => {
                format!("a version stands behind `@`: `\"{}\"`", written.replace("==", "=").replace('=', "@"))
            }
            _ => "write `\"NAME\"`, `\"NAME@VERSION\"` or `\"NAME:OUTPUT\"`, as for `guix shell`".to_owned(),
        };
        self.at_text(
            codes::UNKNOWN,
            format!("`{written}` isn't the name of a package of Guix"),
            written,
            span,
            help,
        )
    }

    fn guix_item(&mut self, written: &str, span: Span) -> Eval<()> {
        if item_name(written).is_some() {
            return Ok(());
        }
        let help = "write the whole path of the item, as `guix build NAME` prints it: `/gnu/store/HASH-NAME`";
        self.at_text(codes::FIELD, format!("`{written}` isn't a store item"), written, span, help.to_owned())
    }

    /// Reports an error at a text, where it stands in the call itself.
    fn at_text(
        &mut self,
        code: crate::diagnostic::Code,
        message: String,
        text: &str,
        span: Span,
        help: String,
    ) -> Eval<()> {
        let call = self.place(span);
        let quoted = format!("\"{text}\"");
        let place = match self.project.sources.slice(call).find(&quoted) {
            Some(at) => {
                let start = call.start + at as u32;
                Span { start, end: start + quoted.len() as u32, ..call }
            }
            None => call,
        };
        self.report(Diagnostic::error(code, message, place, "asked for here").help(help));
        Err(Stop)
    }
}
