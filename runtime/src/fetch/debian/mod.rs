//! Archives of Debian's form: from a signed index at an instant to a block of the lock.

pub mod stanza;
pub mod version;

use rbld_lang::lock::{Block, Request};

use super::http::Http;
use super::mirrors::Mirrors;
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// What resolving may use.
pub struct Sources {
    /// Moves bytes.
    pub http: Http,
    /// Knows where to ask.
    pub mirrors: Mirrors,
    /// Is told of long work.
    pub progress: Progress,
    /// The time taken at start: an instant after it isn't fixed yet.
    pub now: i64,
}

/// Resolves a request from signed indexes.
pub fn resolve(request: &Request, sources: &Sources) -> Result<Block> {
    let _ = sources;
    Err(Failure::bug(format!("requests like {request:?} can't be resolved yet")))
}
