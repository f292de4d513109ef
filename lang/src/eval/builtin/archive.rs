//! What is asked of an archive: environments and source packages as requests to be locked.

use std::sync::Arc;

use super::{as_text, as_texts};
use crate::codes;
use crate::derivation::Arch;
use crate::diagnostic::Diagnostic;
use crate::eval::{Eval, Evaluator, Host, Stop};
use crate::lock::{Request, SuiteAt};
use crate::span::Span;
use crate::syntax::show_instant;
use crate::value::{Env, EnvSource, Input, Source, Value};

/// The suite whose emulator serves environments of another: the newest that is stable for all of them, at the same
/// instant.
pub(in crate::eval) fn emulator_suite(instant: i64) -> SuiteAt {
    SuiteAt {
        archive: "debian".to_owned(),
        suite: "bookworm".to_owned(),
        components: vec!["main".to_owned()],
        instant,
        ..SuiteAt::default()
    }
}

/// Architectures that a suite was not released for.
fn released(suite: &SuiteAt, arch: Arch) -> bool {
    let early = suite.archive == "debian" && ["bullseye", "bookworm"].contains(&suite.suite.as_str());
    !(early && arch == Arch::Riscv64)
}

impl Evaluator<'_> {
    /// `ARCHIVE.env(arch, packages, build_depends)`.
    pub(super) fn archive_env(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let (at, arch) = self.archive_at(args.first(), args.get(1), span)?;
        let mut packages = self.package_names(args.get(2), span)?;
        if let Some(Value::Archive(archive)) = args.first() {
            packages.extend(archive.always.iter().cloned());
            packages.sort();
            packages.dedup();
        }
        let build_depends = self.package_names(args.get(3), span)?;
        let request = self.request(Request::Environment { suite: at, arch, packages, build_depends }, span);
        let span = self.place(span);
        Ok(Value::Env(Arc::new(Env { source: EnvSource::Packages(request), span, name: None })))
    }

    /// `ARCHIVE.source(name, arch)`.
    pub(super) fn archive_source(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let (at, arch) = self.archive_at(args.first(), args.get(2), span)?;
        let name = as_text(args.get(1))?.to_owned();
        self.package_name(&name, span)?;
        let request = self.request(Request::Source { suite: at, name, arch }, span);
        let span = self.place(span);
        Ok(Value::Input(Arc::new(Input { source: Source::Package(request), span, name: None, depth: 0 })))
    }

    fn archive_at(
        &mut self,
        archive: Option<&Value>,
        arch: Option<&Value>,
        span: Span,
    ) -> Eval<(SuiteAt, Arch)> {
        let (Some(Value::Archive(archive)), Some(Value::Variant(_, arch))) = (archive, arch) else {
            return Err(Stop);
        };
        let arch = Arch::ALL.get(*arch as usize).copied().ok_or(Stop)?;
        self.released_for(&archive.at, arch, span)?;
        Ok((archive.at.clone(), arch))
    }

    /// Reports an architecture that a suite was not released for.
    pub(super) fn released_for(&mut self, at: &SuiteAt, arch: Arch, span: Span) -> Eval<()> {
        if released(at, arch) {
            return Ok(());
        }
        let message = format!("{} `{}` has no {}", at.archive, at.suite, arch.name());
        self.stop(codes::ARCH, message, span, "was not released for it", "`trixie` is the first that has it")
    }

    /// A list of names of packages, sorted, each once.
    pub(super) fn package_names(&mut self, names: Option<&Value>, span: Span) -> Eval<Vec<String>> {
        let mut names = as_texts(names)?;
        for name in &names {
            self.package_name(name, span)?;
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn package_name(&mut self, name: &str, span: Span) -> Eval<()> {
        let letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        let bytes = name.as_bytes();
        let valid = bytes.len() >= 2
            && letter(bytes[0])
            && bytes.iter().all(|byte| letter(*byte) || b"+-.".contains(byte));
        if valid {
            return Ok(());
        }
        let bare = name.split(['=', ':', ' ', ',', '(', '[', '|']).next().unwrap_or("");
        let help = match name {
            _ if name.contains('=') => {
                format!(
                    "write `\"{bare}\"`: the version is that of the archive's instant; another one is another instant"
                )
            }
            _ if name.contains(':') => {
                format!("write `\"{bare}\"`: the architecture is that of the environment")
            }
            _ if name.contains([' ', ',', '\n']) => {
                "each package is a text of its own: `[\"make\", \"git\"]`".to_owned()
            }
            _ => "names are of small letters, digits, `+`, `-` and `.`".to_owned(),
        };
        let call = self.place(span);
        let quoted = format!("\"{name}\"");
        // The text itself, where it stands in the call.
        let place = match self.project.sources.slice(call).find(&quoted) {
            Some(at) => {
                let start = call.start + at as u32;
                Span { start, end: start + quoted.len() as u32, ..call }
            }
            None => call,
        };
        let message = format!("`{name}` isn't the name of a package");
        self.report(Diagnostic::error(codes::UNKNOWN, message, place, "asked for here").help(help));
        Err(Stop)
    }

    /// Notes that something has to be locked.
    pub(super) fn request(&mut self, request: Request, span: Span) -> Arc<Request> {
        if let Some((known, _)) = self.requests.get_key_value(&request) {
            return known.clone();
        }
        let request = Arc::new(request);
        let place = self.place(span);
        self.requests.insert(request.clone(), place);
        self.order.push(request.clone());
        request
    }

    /// Reports that nothing says of which instant an emulator would have to be.
    pub(in crate::eval) fn no_emulator(&mut self, arch: Arch, span: Span) {
        let message =
            format!("nothing here runs {}, and no archive's instant says which emulator would", arch.name());
        let help = "name the instant of Debian that an emulator is locked from: `emulator = 2026-11-22T00:00:00Z`; or lay it \
             over an environment of a distribution, whose instant does; or run it on another machine";
        let _ = self.stop::<()>(codes::ARCH, message, span, "of another architecture", help);
    }

    /// Reports that a host has no emulator in the suite that it would come from.
    pub(in crate::eval) fn emulator_exists(&mut self, suite: &SuiteAt, host: &Host, span: Span) {
        if !released(suite, host.arch) {
            let message = format!(
                "nothing here runs this architecture: the emulator comes from {} {} as of {}, which has none for {}",
                suite.archive,
                suite.suite,
                show_instant(suite.instant),
                host.arch.name()
            );
            let _ = self.stop::<()>(
                codes::ARCH,
                message,
                span,
                "of another architecture",
                "run it on another machine",
            );
        }
    }
}
