//! `rbld init`: writes a first `build.rbld`. Like `rbld import` it asks the clock for a pin, as no other command does, and
//! a file that is there already stays as it is.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rbld_lang::diagnostic::Severity;
use rbld_lang::loader::{LoadError, Loader, Local};
use rbld_lang::{Host, codes};

use super::project::host_arch;
use super::{args, output};
use crate::draft::Draft;
use crate::draft::folder::{Kind, Wishes, draft};
use crate::failure::{Doing, Failure, Result};
use crate::files::Files;
use crate::packages::Packages;

/// The file that is written.
const NAME: &str = "build.rbld";

/// Drafts a file for a folder and writes it.
pub(super) fn run(args: &args::Init) -> Result<i32> {
    let file = if args.folder == Path::new(".") { PathBuf::from(NAME) } else { args.folder.join(NAME) };
    if file.symlink_metadata().is_ok() {
        return Err(taken(&file));
    }
    let at = instant(args.at.as_deref())?;
    let kind = args.kind.as_deref().and_then(Kind::of);
    let wishes = Wishes { kind, at: &at, arch: host_arch()? };
    let draft = draft(&args.folder, &wishes)?;
    if !holds(&draft, &args.folder)? {
        return Ok(2);
    }
    write_new(&file, &draft.text)?;
    say(&draft, &file, &args.folder);
    Ok(0)
}

/// The instant that is asked for, else yesterday's beginning.
pub(super) fn instant(asked: Option<&str>) -> Result<String> {
    match asked {
        Some(at) if rbld_lang::syntax::read_instant(at).is_some() => Ok(at.to_owned()),
        Some(at) => Err(Failure::input(format!("`{at}` is no instant"))
            .help("write one in UTC, to the second: `--at 2026-11-01T00:00:00Z`")),
        None => yesterday(),
    }
}

pub(super) fn taken(file: &Path) -> Failure {
    Failure::input(format!("there is a `{}` already", file.display()))
        .help("nothing was changed: look at it, or move it away and run this again")
}

/// The beginning of yesterday: a day that every archive has published.
fn yesterday() -> Result<String> {
    const DAY: i64 = 86_400;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .ok_or_else(|| {
            Failure::world("the clock isn't set").help("say the instant: `--at 2026-11-01T00:00:00Z`")
        })?;
    Ok(rbld_lang::syntax::show_instant((now.div_euclid(DAY) - 1) * DAY))
}

/// A project that has the draft beside its files.
struct With<'a> {
    files: Files,
    text: &'a str,
}

impl Loader for With<'_> {
    fn source(&self, path: &str) -> std::result::Result<String, LoadError> {
        if path == NAME { Ok(self.text.to_owned()) } else { self.files.source(path) }
    }

    fn local(&self, path: &str) -> std::result::Result<Local, LoadError> {
        self.files.local(path)
    }
}

/// Whether the draft checks but for the lock; what is wrong with it is said.
fn holds(draft: &Draft, folder: &Path) -> Result<bool> {
    let root = folder.canonicalize().doing(|| format!("open `{}`", folder.display()))?;
    let loader = With { files: Files { root, packages: Packages::default() }, text: &draft.text };
    let project = rbld_lang::load(NAME, &loader);
    let host = Host { arch: host_arch()? };
    let evaluated = rbld_lang::evaluate(&project, &loader, &host);
    let wrong: Vec<_> = evaluated
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error && found.code != codes::LOCK)
        .cloned()
        .collect();
    if wrong.is_empty() {
        return Ok(true);
    }
    output::diagnostics(&project.sources, &wrong);
    output::note("nothing was written: this is what the draft would have come to");
    Ok(false)
}

/// Writes a file whole or not at all, and never over another.
pub(super) fn write_new(file: &Path, text: &str) -> Result<()> {
    let doing = || format!("write `{}`", file.display());
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut new = tempfile::Builder::new().prefix(".rbld.new.").tempfile_in(folder).doing(doing)?;
    new.write_all(text.as_bytes()).doing(doing)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    new.as_file().set_permissions(mode).doing(doing)?;
    new.as_file().sync_all().doing(doing)?;
    match new.persist_noclobber(file) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Err(taken(file)),
        Err(error) => Err(error.error).doing(doing),
    }
}

fn say(draft: &Draft, file: &Path, folder: &Path) {
    output::line(&format!("wrote {}, for {}", file.display(), draft.title));
    for todo in &draft.todo {
        output::line(&format!("  first: {todo}"));
    }
    let at = if folder == Path::new(".") { String::new() } else { format!(" {}", folder.display()) };
    output::line(&format!("next: rbld lock{at} && rbld check{at}"));
}
