//! Resolving what isn't locked: each request by whom it concerns. Knows nothing of files and of what was locked before.

use std::path::PathBuf;

use rbld_lang::lock::{Block, Request};

use crate::config::Config;
use crate::failure::Result;
use crate::fetch::{debian, guix};

/// The variable that names a file of public keys, for store items of one's own servers.
const GUIX_KEYS: &str = "RBLD_GUIX_KEYS";

/// The blocks of requests, in their order.
pub(super) fn resolve(
    missing: &[Request],
    sources: &debian::Sources,
    config: &Config,
) -> Result<Vec<(Request, Block)>> {
    let (of_guix, of_archives): (Vec<Request>, Vec<Request>) =
        missing.iter().cloned().partition(|request| matches!(request, Request::Guix { .. }));
    let mut found = Vec::with_capacity(missing.len());
    let blocks = debian::resolve_all(&of_archives, sources);
    for (request, block) in of_archives.into_iter().zip(blocks) {
        found.push((request, block?));
    }
    if of_guix.is_empty() {
        return Ok(found);
    }
    let servers = guix::Servers::new(&sources.mirrors.guix());
    let acl = trusted(config)?;
    for request in of_guix {
        let with = guix::resolve::Sources {
            http: &sources.http,
            servers: &servers,
            acl: &acl,
            program: config.guix_program.as_deref(),
            progress: &sources.progress,
        };
        let block = guix::resolve::resolve(&request, with)?;
        found.push((request, block));
    }
    Ok(found)
}

/// Whose signatures of store items count: those of Guix's own servers, and of a file that the user names.
fn trusted(config: &Config) -> Result<guix::Acl> {
    let named = std::env::var_os(GUIX_KEYS).filter(|value| !value.is_empty()).map(PathBuf::from);
    match named.as_ref().or(config.guix_keys.as_ref()) {
        Some(path) => guix::Acl::with_file(path),
        None => guix::Acl::builtin(),
    }
}
