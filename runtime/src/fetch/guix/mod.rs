//! Guix's substitutes: built store items that any server may give, known by the digest of their nar.
//!
//! [`resolve`] is for when a lock is written: a Guix says which items packages are, and [`closure`] asks servers what
//! these are and refer to, checking who says so ([`signature`]). [`realise`] brings locked items into the store: the
//! digest of the nar is checked always, whoever sends it. Servers are trusted with nothing.

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

pub use closure::Item;
pub use path::StorePath;
pub use servers::Servers;
pub use signature::{Acl, Signer};
