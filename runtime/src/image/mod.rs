//! Container images: read into trees, and written with the same bytes every time.
//!
//! An image is a manifest, a configuration and layers, each known by its digest ([`manifest`]). Reading lays the layers
//! over each other ([`layer`], [`root`]), in memory and in the store: nothing is written where an image says. Writing
//! makes layers of trees ([`write`]). Where blobs come from is a [`Blobs`]: a folder in the image layout or what
//! `docker save` wrote ([`layout`]), or a registry, which `fetch::registry` talks to. Images are hostile.

pub mod layer;
pub mod layout;
pub mod manifest;
pub mod root;
pub mod tar;
pub mod write;

use std::fs::File;

use rbld_lang::digest::Digest;

use crate::failure::Result;
use manifest::Descriptor;

/// The greatest index, manifest or configuration that is read, in bytes: what registries take.
pub const DOCUMENT_LIMIT: u64 = 4 << 20;

/// The time of everything in an image that is written, unless said otherwise: 2011-11-11T11:11:11Z.
pub const EPOCH: u64 = 1_321_009_871;

/// Where the parts of an image come from. Whoever implements it checks digests.
pub trait Blobs {
    /// The bytes of an index, a manifest or a configuration.
    fn document(&self, digest: Digest, what: What) -> Result<Vec<u8>>;
    /// A layer, to be read from its front.
    fn layer(&self, layer: &Descriptor) -> Result<File>;
    /// Where that is, for a person.
    fn place(&self) -> String;
}

/// What kind of document is asked for: registries keep manifests and blobs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An index or a manifest.
    Manifest,
    /// A configuration.
    Config,
}
