//! Trees of vendored folders: the messages and files that a digest leads to, each checked by its own.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rbld_lang::digest::Digest;

use super::{Found, Vendored, damaged};
use crate::failure::{Doing, Failure, Result};
use crate::fetch::http::{Expected, Sink};
use crate::progress::Task;
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, BlobWriter};

/// How many files are asked for at once.
const AT_ONCE: usize = 6;

impl Vendored {
    /// Brings a tree into a batch: its messages, then its files. A part that no place has is a failure that names it.
    pub fn tree(&self, batch: &Batch, tree: Digest, task: Option<&Task>) -> Result<Folder> {
        let message = |digest: Digest| {
            if batch.store().has_blob(digest)? {
                return batch.store().read_blob(digest, tree::MESSAGE_LIMIT);
            }
            let bytes = self.bytes(digest, tree::MESSAGE_LIMIT)?;
            let bytes = bytes.ok_or_else(|| missing(digest, "a folder of it"))?;
            batch.bytes(&bytes)?;
            Ok(bytes)
        };
        let folder = tree::read_by(tree, &message)?;
        let mut files: BTreeMap<Digest, (u64, bool, String)> = BTreeMap::new();
        for (path, node) in folder.files() {
            if let Node::File { digest, size, executable } = node {
                files.entry(*digest).or_insert((*size, *executable, path));
            }
        }
        let files: Vec<_> = files.into_iter().collect();
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(files.len()) {
                scope.spawn(|| {
                    while let Some((digest, (size, executable, path))) =
                        files.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if let Err(failure) = self.file(batch, *digest, *size, *executable, path, task) {
                            next.store(files.len(), Ordering::Relaxed);
                            failed
                                .lock()
                                .unwrap_or_else(std::sync::PoisonError::into_inner)
                                .get_or_insert(failure);
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(failure) => Err(failure),
            None => Ok(folder),
        }
    }

    fn file(
        &self,
        batch: &Batch,
        digest: Digest,
        size: u64,
        executable: bool,
        path: &str,
        task: Option<&Task>,
    ) -> Result<()> {
        if batch.store().has_blob(digest)? {
            return Ok(());
        }
        let mut sink = ToBatch { batch, writer: batch.writer()? };
        match self.take(Expected { digest, size: Some(size) }, &mut sink, task)? {
            Found::Whole => sink.writer.finish(executable).map(drop),
            Found::Nowhere(odd) if odd.is_empty() => Err(missing(digest, &format!("`{path}`"))),
            Found::Nowhere(odd) => Err(damaged(odd).fact(format!("it is `{path}`"))),
        }
    }
}

fn missing(digest: Digest, what: &str) -> Failure {
    let hex = digest.to_hex();
    Failure::world(format!("a vendored tree lacks {what}"))
        .fact(format!("objects/{}/{}/{hex} isn't there", &hex[..2], &hex[2..4]))
        .help("write the folder again by `rbld vendor`: it adds what is missing")
}

/// Lets bytes go into a batch.
pub(super) struct ToBatch<'b> {
    pub(super) batch: &'b Batch,
    pub(super) writer: BlobWriter,
}

impl Sink for ToBatch<'_> {
    fn restart(&mut self) -> Result<()> {
        self.writer = self.batch.writer()?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        use std::io::Write;
        self.writer.write_all(bytes).doing(|| "write a vendored file into the store")
    }
}
