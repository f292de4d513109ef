//! Closures: which blobs an object reaches, and which realisations reach a blob.
//!
//! Reads `Directory` messages straight from their files and believes nothing: a message
//! that is missing or damaged counts as lost. Knows nothing of keys but that they name objects.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use rbld_lang::digest::Digest;

use super::tree::{self, Entry};
use super::{Object, Store, database};
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
            if objects.iter().any(|object| self.reaches(object, lost, &mut clean)) {
                keys.push(key);
            }
        }
        self.0.database.write(|transaction| {
            for digest in lost {
                transaction.execute("DELETE FROM blobs WHERE digest = ?1", [database::Key(*digest)])?;
            }
            for key in &keys {
                database::delete_realisation(transaction, *key)?;
            }
            Ok(())
        })?;
        Ok(keys)
    }

    fn reaches(&self, object: &Object, lost: &BTreeSet<Digest>, clean: &mut BTreeSet<Digest>) -> bool {
        match object {
            Object::File { digest, .. } => lost.contains(digest),
            Object::Tree { digest, .. } => self.folder_reaches(*digest, lost, clean),
        }
    }

    /// Whether a folder reaches a lost blob. `clean` holds folders known not to: they aren't read again.
    fn folder_reaches(&self, tree: Digest, lost: &BTreeSet<Digest>, clean: &mut BTreeSet<Digest>) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![tree];
        // A digest can't contain itself, so this ends.
        while let Some(folder) = open.pop() {
            if lost.contains(&folder) {
                return true;
            }
            if clean.contains(&folder) || !seen.insert(folder) {
                continue;
            }
            let Some(entries) = self.entries(folder) else { return true };
            for entry in entries.values() {
                match entry {
                    Entry::File { digest, .. } if lost.contains(digest) => return true,
                    Entry::Folder { digest, .. } => open.push(*digest),
                    _ => {}
                }
            }
        }
        clean.append(&mut seen);
        false
    }

    /// The entries of a `Directory` message; `None` if it is missing or damaged.
    pub(super) fn entries(&self, folder: Digest) -> Option<BTreeMap<String, Entry>> {
        let file = std::fs::File::from(self.open_object(folder).ok()?);
        let mut bytes = Vec::new();
        file.take(tree::MESSAGE_LIMIT).read_to_end(&mut bytes).ok()?;
        if Digest::of(&bytes) != folder {
            return None;
        }
        tree::decode(&bytes).ok()
    }
}
