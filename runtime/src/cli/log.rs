//! `rbld log NAME`: the last log of a build or environment.

use std::path::Path;

use super::args::Why;
use super::project::{Fetching, Project, choose};
use super::{context, output};
use crate::failure::{Failure, Result};
use crate::report::printable;

/// Prints the log of each derivation that the name means.
pub(super) fn run(store: Option<&Path>, args: &Why) -> Result<i32> {
    let chosen = choose(&args.words)?;
    let project = Project::load(&chosen.file, store, Fetching::No)?;
    let store = context::store(store)?;
    let names = project.names();
    if chosen.names.is_empty() {
        return Err(Failure::input("whose log?").help("`rbld log NAME`; `rbld plan` lists the names"));
    }
    for name in &chosen.names {
        let ids = project.named(name);
        if ids.is_empty() {
            return Err(project.unknown(name));
        }
        for id in &ids {
            let path = store.log_path(*id);
            let Ok(bytes) = std::fs::read(&path) else {
                output::note(&format!(
                    "`{}` hasn't been run with its present inputs",
                    context::name_of(&names, *id)
                ));
                continue;
            };
            if ids.len() > 1 {
                output::line(&format!("==> {} <==", context::name_of(&names, *id)));
            }
            for line in String::from_utf8_lossy(&bytes).lines() {
                output::line(&printable(line));
            }
        }
    }
    Ok(0)
}
