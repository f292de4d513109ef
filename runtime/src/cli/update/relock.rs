//! What the lock is to be once the pins have moved, and which packages change by that.

use std::path::{Path, PathBuf};

use rbld_lang::diagnostic::{Code, Diagnostic, Severity};
use rbld_lang::lock::Lock;

use super::answer::World;
use super::edit::Edited;
use crate::cli::diff;
use crate::cli::lock::{Planned, planned};
use crate::cli::project::{host_arch, read_lock};
use crate::cli::resolved::resolve;
use crate::config::Config;
use crate::drift::{self, BlockDrift, Names};
use crate::failure::Result;
use crate::files::lock_path;

/// A lock that isn't written yet.
pub(super) struct Relocked {
    /// Where it belongs.
    pub path: PathBuf,
    /// What it is to be.
    pub lock: Lock,
    /// What changes.
    pub drift: Vec<BlockDrift>,
}

/// Resolves what the edited files ask for and the lock doesn't hold. Nothing where there is no lock to keep up, or the
/// files have errors that no lock could mend.
pub(super) fn relock(root: &Path, name: &str, loader: &Edited, world: &World) -> Result<Option<Relocked>> {
    let path = lock_path(root, name);
    let Some(old) = read_lock(&path)? else { return Ok(None) };
    let host = rbld_lang::Host { arch: host_arch()? };
    let evaluate = |loader: &dyn rbld_lang::Loader| {
        let lang = rbld_lang::load(name, loader);
        rbld_lang::evaluate(&lang, loader, &host)
    };
    let evaluated = evaluate(loader);
    let (_, found) = rbld_lang::instantiate(&evaluated, Some(&old), &host);
    let stale = Code("E0204");
    let wrong = |of: &Diagnostic| of.severity == Severity::Error && of.code != stale;
    if evaluated.diagnostics.iter().chain(&found).any(wrong) {
        return Ok(None);
    }
    let Planned { mut new, missing } = planned(&evaluated, &old);
    if !missing.is_empty() {
        let config = Config::load(Some(root))?;
        for (request, block) in resolve(&missing, world.sources()?, &config)? {
            new.blocks.insert(request.digest(), block);
        }
    }
    if new == old {
        return Ok(None);
    }
    let names = |evaluated: &rbld_lang::Evaluated, lock: &Lock| -> Names {
        let (plan, found) = rbld_lang::instantiate(evaluated, Some(lock), &host);
        if found.iter().any(|of| of.severity == Severity::Error) { Names::new() } else { diff::names(&plan) }
    };
    let before = evaluate(loader.files());
    let drift = drift::compare(&old, &new, &names(&before, &old), &names(&evaluated, &new));
    Ok(Some(Relocked { path, lock: new, drift }))
}
