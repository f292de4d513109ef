//! Fetching: bytes known by digest, from wherever they can be had.
//!
//! [`http`] moves bytes and checks them, [`mirrors`] says where an archive's files may be had, [`debian`]
//! resolves a request to a lock's block. Nothing here knows what the bytes are for.

pub mod date;
pub mod debian;
pub mod git;
pub mod guix;
pub mod http;
pub mod local;
pub mod mirrors;
pub mod registry;
mod transfer;
pub mod unpack;
pub mod vendored;
