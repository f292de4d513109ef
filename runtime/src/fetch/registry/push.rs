//! Pushing: what a repository lacks of an image is sent, then its manifests, the one that has the tag last.
//!
//! Blobs that are there already are left alone, so a push that broke off goes on where it stopped, and a second one
//! sends nothing. An image is a tree in the image layout; which parts it has is said by whoever pushes.

use std::fs::File;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rbld_lang::digest::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};

use super::{Purpose, Repository};
use crate::failure::{Failure, Result};
use crate::fetch::http::Answer;
use crate::progress::Task;
use crate::store::{Blob, Store};

/// A manifest or an index to be pushed.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a push did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Blobs and manifests that were sent.
    pub sent: usize,
    /// Those that were there.
    pub there: usize,
}

/// Pushes blobs of the store, then manifests by digest, the last of them under the repository's tag too.
pub fn push(
    repository: &Repository<'_>,
    store: &Store,
    blobs: &[Blob],
    manifests: &[Document],
    task: &Arc<Task>,
) -> Result<Pushed> {
    let mut pushed = Pushed::default();
    task.expect(blobs.iter().map(|blob| blob.size).sum());
    for blob in blobs {
        if repository.has(&format!("blobs/sha256:{}", blob.digest), None)? {
            task.advance(blob.size);
            pushed.there += 1;
        } else {
            repository.upload(store, *blob, task)?;
            pushed.sent += 1;
        }
    }
    for (index, manifest) in manifests.iter().enumerate() {
        let digest = Digest::of(&manifest.bytes);
        let last = index + 1 == manifests.len();
        let name = match &repository.name.tag {
            Some(tag) if last => tag.clone(),
            _ => format!("sha256:{digest}"),
        };
        if repository.has(&format!("manifests/{name}"), Some(digest))? {
            pushed.there += 1;
        } else {
            repository.put_manifest(&name, digest, manifest)?;
            pushed.sent += 1;
        }
    }
    Ok(pushed)
}

impl Repository<'_> {
    /// Whether something is there; of a tag, whether it is this.
    fn has(&self, path: &str, digest: Option<Digest>) -> Result<bool> {
        let url = super::address(self.url(path));
        let answer = self.ask(&url, Purpose::Push, &|client| Ok(client.head(&url)))?;
        match answer.status {
            200 => {
                let found = answer.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
                Ok(digest.is_none_or(|digest| found == Some(format!("sha256:{digest}").as_str())))
            }
            404 => Ok(false),
            status => Err(self.odd(status, &answer)),
        }
    }

    fn upload(&self, store: &Store, blob: Blob, task: &Arc<Task>) -> Result<()> {
        let begin = super::address(self.url("blobs/uploads/"));
        let answer =
            self.ask(&begin, Purpose::Push, &|client| Ok(client.post(&begin).header(CONTENT_LENGTH, 0)))?;
        if answer.status != 202 {
            return Err(self.refused(answer.status, &answer, "takes no blob"));
        }
        let to = self.location(&begin, &answer, blob.digest)?;
        let answer = self.ask(&to, Purpose::Push, &|client| {
            let file = store.open_blob(blob.digest)?;
            let body = Sent { file, left: blob.size, task: task.clone() };
            Ok(client
                .put(&to)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, blob.size)
                .body(reqwest::Body::wrap_stream(body)))
        })?;
        match answer.status {
            201 => Ok(()),
            status => Err(self.refused(status, &answer, "takes no blob")),
        }
    }

    /// Where a blob goes: at the registry itself, or where it sends us.
    fn location(&self, begin: &str, answer: &Answer, digest: Digest) -> Result<String> {
        let odd = || Failure::world(format!("the registry of `{}` doesn't say where a blob goes", self.name));
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(odd)?;
        let base = url::Url::parse(begin).map_err(|_| odd())?;
        let mut to = base.join(location).map_err(|_| odd())?;
        // Behind a proxy many registries name themselves by http; what is sent stays as safe as it began.
        if base.scheme() == "https" && to.scheme() != "https" {
            to.set_scheme("https").map_err(|()| odd())?;
        }
        to.query_pairs_mut().append_pair("digest", &format!("sha256:{digest}"));
        Ok(to.to_string())
    }

    fn put_manifest(&self, name: &str, digest: Digest, manifest: &Document) -> Result<()> {
        let url = super::address(self.url(&format!("manifests/{name}")));
        let answer = self.ask(&url, Purpose::Push, &|client| {
            Ok(client.put(&url).header(CONTENT_TYPE, &manifest.media_type).body(manifest.bytes.clone()))
        })?;
        if !matches!(answer.status, 200..=202) {
            return Err(self.refused(answer.status, &answer, "doesn't take the image's manifest"));
        }
        let found = answer.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        match found {
            Some(found) if found != format!("sha256:{digest}") => Err(Failure::world(format!(
                "the registry of `{}` has changed the image's manifest",
                self.name
            ))
            .fact(format!("pushed sha256:{digest}"))
            .fact(format!("it has {}", found.chars().take(80).collect::<String>()))),
            _ => Ok(()),
        }
    }

    fn refused(&self, status: u16, answer: &Answer, what: &str) -> Failure {
        let failure = Failure::world(format!("the registry of `{}` {what}: it answers {status}", self.name));
        self.said(failure, answer)
    }
}

/// A blob on its way, which tells a task how far it got.
struct Sent {
    file: File,
    left: u64,
    task: Arc<Task>,
}

impl futures_core::Stream for Sent {
    type Item = std::io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        const CHUNK: u64 = 256 << 10;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = vec![0; self.left.min(CHUNK) as usize];
        Poll::Ready(Some(match self.file.read_exact(&mut chunk) {
            Ok(()) => {
                self.left -= chunk.len() as u64;
                self.task.advance(chunk.len() as u64);
                Ok(chunk)
            }
            Err(error) => Err(error),
        }))
    }
}
