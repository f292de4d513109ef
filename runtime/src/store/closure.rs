//! Closures: which blobs an object reaches, and which realisations reach a blob.
//!
//! Reads `Directory` messages straight from their files and believes nothing: a message
//! that is missing or damaged counts as lost. Knows nothing of keys but that they name objects.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use rbld_lang::digest::Digest;

use super::directory::{self, Entry};
use super::{Object, Store, rows};
use crate::failure::Result;

impl Store {
    /// Forgets a blob that is gone, and every realisation that reaches it.
    pub(super) fn forget(&self, digest: Digest) -> Result<()> {
        let lost = BTreeSet::from([digest]);
        self.forget_all(&lost)?;
        Ok(())
    }

    /// Forgets blobs with every realisation that reaches one of them; gives back the keys of those.
    pub(super) fn forget_all(&self, lost: &BTreeSet<Digest>) -> Result<Vec<Digest>> {
        let mut clean = BTreeSet::new();
        let mut keys = Vec::new();
        for (key, objects) in self.0.database.outputs()? {
            let is_lost = |digest| lost.contains(&digest);
            if objects.iter().any(|object| self.reaches(object, &is_lost, &mut clean).is_some()) {
                keys.push(key);
            }
        }
        self.0.database.write(|transaction| {
            for digest in lost {
                transaction.execute("DELETE FROM blobs WHERE digest = ?1", [rows::Key(*digest)])?;
            }
            for key in &keys {
                rows::delete_realisation(transaction, *key)?;
            }
            Ok(())
        })?;
        Ok(keys)
    }

    /// The first lost blob that an object reaches. `clean` holds folders known to reach none: they aren't read
    /// again.
    pub(super) fn reaches(
        &self,
        object: &Object,
        is_lost: &dyn Fn(Digest) -> bool,
        clean: &mut BTreeSet<Digest>,
    ) -> Option<Digest> {
        let tree = match object {
            Object::File { digest, .. } => return Some(*digest).filter(|digest| is_lost(*digest)),
            Object::Tree { digest, .. } => *digest,
        };
        let mut seen = BTreeSet::new();
        let mut open = vec![tree];
        // A digest can't contain itself, so this ends.
        while let Some(folder) = open.pop() {
            if is_lost(folder) {
                return Some(folder);
            }
            if clean.contains(&folder) || !seen.insert(folder) {
                continue;
            }
            let Some(entries) = self.entries(folder) else { return Some(folder) };
            for entry in entries.values() {
                match entry {
                    Entry::File { digest, .. } if is_lost(*digest) => return Some(*digest),
                    Entry::Folder { digest, .. } => open.push(*digest),
                    _ => {}
                }
            }
        }
        clean.append(&mut seen);
        None
    }

    /// The entries of a `Directory` message; `None` if it is missing or damaged.
    pub(super) fn entries(&self, folder: Digest) -> Option<BTreeMap<String, Entry>> {
        directory::decode(&self.message(folder)?).ok()
    }

    /// The bytes of a `Directory` message, straight from its file; `None` if it is missing or damaged.
    pub(super) fn message(&self, folder: Digest) -> Option<Vec<u8>> {
        let file = self.open_object(folder).ok()?;
        let mut bytes = Vec::new();
        file.take(directory::MESSAGE_LIMIT).read_to_end(&mut bytes).ok()?;
        (Digest::of(&bytes) == folder).then_some(bytes)
    }
}
