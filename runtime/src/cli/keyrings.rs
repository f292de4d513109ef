//! The files of keys that a project names for archives, read once they are needed.

use std::collections::BTreeMap;
use std::path::Path;

use rbld_lang::digest::Digest;
use rbld_lang::loader::Place;

use crate::failure::Result;
use crate::fetch::local;
use crate::store::Store;

/// The longest file of keys that is read, in bytes.
const LONGEST: u64 = 8 << 20;

/// The bytes of files of keys, by digest: from the project's folder, or from a package in the store.
pub(super) fn read(
    places: &BTreeMap<Digest, Place>,
    project: &Path,
    store: &Store,
) -> Result<BTreeMap<Digest, Vec<u8>>> {
    let one = |(digest, place): (&Digest, &Place)| {
        let bytes = match place.package {
            None => local::read(project, &place.path, *digest, LONGEST)?,
            Some(_) => store.read_blob(*digest, LONGEST)?,
        };
        Ok((*digest, bytes))
    };
    places.iter().map(one).collect()
}
