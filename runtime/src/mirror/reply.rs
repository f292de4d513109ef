//! Answers: from a request to a file of the folder, or to why there is none. Knows HTTP and the layout, no sockets.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use rbld_lang::digest::Digest;
use rustix::fs::{FileType, OFlags};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

use crate::failure::{Failure, Result};
use crate::fetch::vendored::manifest;
use crate::store::beneath;

/// How many bytes are read at once.
const CHUNK: usize = 256 << 10;

/// How many chunks wait for the client.
const AHEAD: usize = 2;

/// The folder that is served.
pub(super) struct Folder(OwnedFd);

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Folder> {
        let dir = path.canonicalize().and_then(|path| beneath::open_folder(&path)).map_err(|error| {
            Failure::input(format!("the folder `{}` can't be served: {error}", path.display()))
        })?;
        let folder = Folder(dir);
        if folder.file(manifest::NAME).is_err() {
            return Err(Failure::input(format!("the folder `{}` holds nothing vendored", path.display()))
                .fact(format!("it has no `{}`", manifest::NAME))
                .help("`rbld vendor DIR` writes one"));
        }
        Ok(folder)
    }

    /// A regular file by its path, through no link, and its length.
    fn file(&self, path: &str) -> io::Result<(File, u64)> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let file = beneath::open(self.0.as_fd(), path.as_bytes(), flags)?;
        let facts = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok((File::from(file), u64::try_from(facts.st_size).unwrap_or(0)))
    }

    /// The manifest's bytes.
    pub(super) fn manifest(&self) -> io::Result<Vec<u8>> {
        let (file, _) = self.file(manifest::NAME)?;
        let mut bytes = Vec::new();
        file.take(manifest::LIMIT).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Answers a request.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Response<Reply> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let path = request.uri().path();
        let mut response = if path == "/" {
            said(
                StatusCode::OK,
                "a vendored folder of rbld: use it by `rbld check --from` and this address\n",
            )
        } else if path.strip_prefix('/') == Some(manifest::NAME) {
            self.answer_manifest(request.headers())
        } else if let Some((path, digest)) = object(path) {
            self.answer_object(&path, &digest, request.headers()).await
        } else {
            missing()
        };
        if *request.method() == Method::HEAD {
            *response.body_mut() = Reply::None;
        }
        response
    }

    fn answer_manifest(&self, asked: &HeaderMap) -> Response<Reply> {
        let Ok(bytes) = self.manifest() else { return missing() };
        let tag = format!("\"{}\"", Digest::of(&bytes));
        if text(asked, IF_NONE_MATCH) == Some(&tag) {
            return with(said(StatusCode::NOT_MODIFIED, ""), &[(ETAG, &tag)]);
        }
        let length = bytes.len().to_string();
        let headers = [
            (CONTENT_TYPE, "text/plain; charset=utf-8"),
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_LENGTH, &length),
            (ETAG, &tag),
        ];
        with(Response::new(Reply::Bytes(Some(bytes.into()))), &headers)
    }

    async fn answer_object(&self, path: &str, digest: &str, asked: &HeaderMap) -> Response<Reply> {
        let tag = format!("\"{digest}\"");
        let Ok((file, size)) = self.file(path) else { return missing() };
        if text(asked, IF_NONE_MATCH) == Some(&tag) {
            return with(said(StatusCode::NOT_MODIFIED, ""), &[(ETAG, &tag)]);
        }
        let fits = text(asked, IF_RANGE).is_none_or(|wanted| wanted == tag);
        let range = text(asked, RANGE).filter(|_| fits).and_then(|range| part(range, size));
        let (status, from, to) = match range {
            None => (StatusCode::OK, 0, size),
            Some(Some((from, to))) => (StatusCode::PARTIAL_CONTENT, from, to),
            Some(None) => {
                let response = said(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such part\n");
                return with(response, &[(CONTENT_RANGE, &format!("bytes */{size}"))]);
            }
        };
        let mut file = tokio::fs::File::from_std(file);
        if from > 0 && file.seek(io::SeekFrom::Start(from)).await.is_err() {
            return missing();
        }
        let length = (to - from).to_string();
        let mut response = Response::new(Reply::of(file, to - from));
        *response.status_mut() = status;
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {from}-{}/{size}", to - 1);
            response = with(response, &[(CONTENT_RANGE, &range)]);
        }
        let headers = [
            (CONTENT_TYPE, "application/octet-stream"),
            (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (ACCEPT_RANGES, "bytes"),
            (CONTENT_LENGTH, &length),
            (ETAG, &tag),
        ];
        with(response, &headers)
    }
}

/// The file that a path asks for, if it is `/objects/ab/cd/abcd…`, and the digest.
fn object(path: &str) -> Option<(String, String)> {
    let rest = path.strip_prefix("/objects/")?;
    let (first, rest) = rest.split_once('/')?;
    let (second, digest) = rest.split_once('/')?;
    let hex = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let placed = hex && first == digest.get(..2)? && second == digest.get(2..4)?;
    placed.then(|| (path[1..].to_owned(), digest.to_owned()))
}

/// The part that a `Range` means: from and to, the latter not included. Nothing where it is to be ignored; `Some(None)`
/// where the file has no such part.
fn part(range: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let range = range.trim().strip_prefix("bytes=")?;
    let (from, to) = range.split_once('-')?;
    let number = |text: &str| {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    let (from, to) = match (from, to) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (from, "") => (number(from)?, size),
        (from, to) => {
            let (from, to) = (number(from)?, number(to)?);
            if to < from {
                return None;
            }
            (from, size.min(to.saturating_add(1)))
        }
    };
    Some((from < to).then_some((from, to)))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn with(mut response: Response<Reply>, headers: &[(HeaderName, &str)]) -> Response<Reply> {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}

fn said(status: StatusCode, words: &'static str) -> Response<Reply> {
    let body = if words.is_empty() { None } else { Some(Bytes::from_static(words.as_bytes())) };
    let mut response = Response::new(Reply::Bytes(body));
    *response.status_mut() = status;
    with(response, &[(CONTENT_TYPE, "text/plain; charset=utf-8")])
}

fn missing() -> Response<Reply> {
    said(StatusCode::NOT_FOUND, "not here\n")
}

/// The body of an answer.
pub(super) enum Reply {
    None,
    Bytes(Option<Bytes>),
    /// Chunks of a file as they are read, and how many bytes are still to come.
    File(mpsc::Receiver<io::Result<Bytes>>, u64),
}

impl Reply {
    /// So many bytes of a file, from where it stands; read only as fast as they are taken.
    fn of(mut file: tokio::fs::File, length: u64) -> Reply {
        let (send, receive) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let mut left = length;
            while left > 0 {
                let want = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
                let mut chunk = vec![0; want];
                let read = match file.read(&mut chunk).await {
                    Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                    other => other,
                };
                let chunk = read.map(|count| {
                    left -= count as u64;
                    chunk.truncate(count);
                    Bytes::from(chunk)
                });
                let failed = chunk.is_err();
                if send.send(chunk).await.is_err() || failed {
                    return;
                }
            }
        });
        Reply::File(receive, length)
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Reply::None => Poll::Ready(None),
            Reply::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Reply::File(chunks, left) => chunks.poll_recv(context).map(|chunk| {
                chunk.map(|chunk| {
                    chunk.map(|chunk| {
                        *left = left.saturating_sub(chunk.len() as u64);
                        Frame::data(chunk)
                    })
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Reply::None | Reply::Bytes(None) | Reply::File(_, 0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Reply::None | Reply::Bytes(None) => 0,
            Reply::Bytes(Some(bytes)) => bytes.len() as u64,
            Reply::File(_, left) => *left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_layout_are_files() {
        let hex = "ab12".repeat(16);
        assert!(object(&format!("/objects/ab/12/{hex}")).is_some());
        for path in [
            format!("/objects/ab/12/{}", hex.to_uppercase()),
            format!("/objects/ab/13/{hex}"),
            format!("/objects/ab/12/{hex}/"),
            format!("/objects/ab/12/{hex}x"),
            format!("/objects//ab/12/{hex}"),
            format!("/objects/../objects/ab/12/{hex}"),
            "/objects/ab/12/../../../etc/passwd".to_owned(),
            "/etc/passwd".to_owned(),
            "/objects/".to_owned(),
            "/objects/é/é/é".to_owned(),
        ] {
            assert_eq!(object(&path), None, "{path}");
        }
    }

    #[test]
    fn parts_are_read_as_they_are_meant() {
        let cases = [
            ("bytes=0-", Some(Some((0, 10)))),
            ("bytes=4-", Some(Some((4, 10)))),
            ("bytes=4-5", Some(Some((4, 6)))),
            ("bytes=4-400", Some(Some((4, 10)))),
            ("bytes=-3", Some(Some((7, 10)))),
            ("bytes=-30", Some(Some((0, 10)))),
            ("bytes=10-", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=5-4", None),
            ("bytes=0-1,4-5", None),
            ("bytes=+1-2", None),
            ("lines=0-", None),
            ("bytes=99999999999999999999-", None),
        ];
        for (range, expected) in cases {
            assert_eq!(part(range, 10), expected, "{range}");
        }
    }
}
