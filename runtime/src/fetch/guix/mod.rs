//! Guix's substitutes: built store items that any server may give, known by the digest of their nar.
//!
//! [`closure`] asks servers what an item is and what it refers to, and checks who says so ([`signature`]): that is
//! done once, when a lock is written. [`realise`] brings locked items into the store: the digest of the nar is checked
//! always, whoever sends it. [`channels`] reads which Guix is meant. Servers are trusted with nothing.

pub mod channels;
pub mod closure;
mod command;
pub mod nar;
pub mod narinfo;
pub mod path;
mod pipe;
pub mod realise;
pub mod resolve;
pub mod servers;
pub mod sexp;
pub mod signature;
#[cfg(test)]
mod tests;
mod workers;

pub use closure::Item;
pub use path::StorePath;
pub use servers::Servers;
pub use signature::{Acl, Signer};
