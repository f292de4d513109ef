//! Registries of images, by the OCI distribution specification: blobs and manifests by digest, and pushing them.
//!
//! What comes is checked by digest, so any mirror is as good as the registry. Who the user is goes to a registry only
//! when it asks, over https, or in the clear to this machine alone. What the bytes mean is decided elsewhere.

mod auth;
mod credentials;
mod push;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Mutex, PoisonError};

use rbld_lang::derivation::ImageName;
use rbld_lang::digest::Digest;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};

use self::auth::Challenge;
use super::http::{Answer, Bytes, Expected, Http, Sink, ToBatch};
use super::mirrors::Mirrors;
use super::transfer::{self, Trouble};
use super::vendored::Found;
use crate::failure::{Failure, Result};
use crate::progress::Task;
use crate::store::Store;

pub use push::{Document, Pushed, push};

/// The kinds of manifests that are asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// The greatest document that is read, in bytes: what registries take.
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// What is asked of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Pull,
    Push,
}

impl Purpose {
    fn scope(self, repository: &str) -> String {
        match self {
            Purpose::Pull => format!("repository:{repository}:pull"),
            Purpose::Push => format!("repository:{repository}:pull,push"),
        }
    }
}

/// A repository of a registry.
pub struct Repository<'a> {
    http: Http,
    mirrors: &'a Mirrors,
    name: ImageName,
    /// What was answered to a challenge, by the beginning of the address.
    answers: Mutex<BTreeMap<(String, Purpose), HeaderValue>>,
}

impl<'a> Repository<'a> {
    /// The repository of an image.
    pub fn new(http: Http, mirrors: &'a Mirrors, name: &ImageName) -> Repository<'a> {
        Repository { http, mirrors, name: name.clone(), answers: Mutex::default() }
    }

    /// The address of something of the repository: `manifests/…`, `blobs/…`.
    fn url(&self, path: &str) -> String {
        let host = match self.name.host.as_str() {
            "index.docker.io" | "registry-1.docker.io" => "docker.io",
            host => host,
        };
        let name = match host.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let scheme = if auth::is_loopback(name) { "http" } else { "https" };
        format!("{scheme}://{host}/v2/{}/{path}", self.name.repository)
    }

    /// An index or a manifest.
    pub fn manifest(&self, digest: Digest) -> Result<Vec<u8>> {
        self.document(&format!("manifests/sha256:{digest}"), digest)
    }

    /// A configuration.
    pub fn config(&self, digest: Digest) -> Result<Vec<u8>> {
        self.document(&format!("blobs/sha256:{digest}"), digest)
    }

    fn document(&self, path: &str, digest: Digest) -> Result<Vec<u8>> {
        let mut bytes = Bytes(Vec::new());
        self.fetch(path, Expected { digest, size: None }, DOCUMENT_LIMIT, &mut bytes, None)?;
        Ok(bytes.0)
    }

    /// A layer: from the store, or brought into it.
    pub fn layer(&self, store: &Store, digest: Digest, size: u64, task: Option<&Task>) -> Result<File> {
        if !store.has_blob(digest)? {
            let batch = store.batch()?;
            let mut sink = ToBatch { batch: &batch, writer: batch.writer()? };
            let expect = Expected { digest, size: Some(size) };
            self.fetch(&format!("blobs/sha256:{digest}"), expect, size, &mut sink, task)?;
            sink.writer.finish(false)?;
            batch.commit(&[])?;
        }
        store.open_blob(digest)
    }

    /// Bytes known by digest, from a mirror or the registry.
    fn fetch(
        &self,
        path: &str,
        expect: Expected,
        limit: u64,
        sink: &mut dyn Sink,
        task: Option<&Task>,
    ) -> Result<()> {
        let mut tried = Vec::new();
        sink.restart()?;
        match self.mirrors.vendored().take(expect, sink, task)? {
            Found::Whole => return Ok(()),
            Found::Nowhere(odd) => tried.extend(odd),
        }
        let mut refused = None;
        for url in self.mirrors.rewritten(&self.url(path)).into_iter().map(address) {
            let mut again = true;
            let trouble = loop {
                sink.restart()?;
                let headers = self.headers(&url, Purpose::Pull);
                match self.http.fetch_from(&url, (expect, limit), headers, sink, task) {
                    Ok(()) => return Ok(()),
                    // A token may also have become too old.
                    Err(Trouble::Denied(_, challenge)) if again => {
                        again = false;
                        if let Err(failure) = self.authorize(&url, &challenge, Purpose::Pull) {
                            let said = failure.message.clone();
                            refused = Some(failure);
                            break Trouble::Gone(said);
                        }
                    }
                    Err(Trouble::Denied(said, _)) => {
                        refused = Some(auth::refused(&self.host(&url), self.login(&url)?.as_ref()));
                        break Trouble::Gone(said);
                    }
                    Err(Trouble::Here(failure)) => return Err(failure),
                    Err(trouble) => break trouble,
                }
            };
            tried.push(format!("{url}: {trouble}"));
        }
        // What else was tried says less than who isn't let in.
        if let (Some(mut failure), [_]) = (refused, tried.as_slice()) {
            failure.facts.insert(0, format!("fetching the image `{}`", self.name));
            return Err(failure);
        }
        let mut failure = Failure::world(format!("could not fetch the image `{}`", self.name))
            .fact(format!("expected sha256 {}", expect.digest));
        failure.facts.extend(tried);
        Err(failure.help(
            "check the name, the digest and the network, or name a mirror that has it under `[mirrors]` in config.toml",
        ))
    }

    /// What a tag stands for now.
    pub fn tag(&self, tag: &str) -> Result<Digest> {
        let url = address(self.url(&format!("manifests/{tag}")));
        let answer = self.ask(&url, Purpose::Pull, &|client| Ok(client.get(&url)))?;
        match answer.status {
            200 => Ok(Digest::of(&answer.body)),
            404 => Err(Failure::input(format!("there is no `{}` in the registry", self.name))
                .help("check the name and the tag; `skopeo list-tags` lists them")),
            status => Err(self.odd(status, &answer)),
        }
    }

    /// One request, again with who asks if the registry wants to know.
    fn ask(
        &self,
        url: &str,
        purpose: Purpose,
        build: &dyn Fn(&reqwest::Client) -> Result<reqwest::RequestBuilder>,
    ) -> Result<Answer> {
        let mut again = true;
        loop {
            let headers = self.headers(url, purpose);
            let request = |client: &reqwest::Client| Ok(build(client)?.headers(headers.clone()));
            match self.http.ask(url, DOCUMENT_LIMIT, &request) {
                Ok(answer) if answer.status == 401 && again => {
                    again = false;
                    self.authorize(url, &transfer::challenges(&answer.headers), purpose)?;
                }
                Ok(answer) if matches!(answer.status, 401 | 403) => {
                    return Err(self.said(auth::refused(&self.name.host, self.login(url)?.as_ref()), &answer));
                }
                Ok(answer) => return Ok(answer),
                Err(trouble) => {
                    return Err(
                        trouble.into_failure(format!("could not reach the registry of `{}`", self.name))
                    );
                }
            }
        }
    }

    fn headers(&self, url: &str, purpose: Purpose) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if url.contains("/manifests/") {
            headers.insert(ACCEPT, HeaderValue::from_static(MANIFESTS));
        }
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = answers.get(&(origin(url), purpose)) {
            headers.insert(AUTHORIZATION, value.clone());
        }
        headers
    }

    /// Answers a challenge, for this and what follows.
    fn authorize(&self, url: &str, challenges: &[String], purpose: Purpose) -> Result<()> {
        let host = self.host(url);
        let login = self.login(url)?;
        let challenge = Challenge::parse(challenges).ok_or_else(|| {
            Failure::world(format!("{host} wants to know who asks, in a way that rbld doesn't know")).fact(
                challenges
                    .join("; ")
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(200)
                    .collect::<String>(),
            )
        })?;
        let scope = purpose.scope(&self.name.repository);
        let value = challenge.answer(&self.http, &host, login.as_ref(), &scope)?;
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert((origin(url), purpose), value);
        Ok(())
    }

    fn login(&self, url: &str) -> Result<Option<credentials::Login>> {
        let beginning =
            url.split("/v2/").next().unwrap_or(url).replace("://registry-1.docker.io", "://docker.io");
        let of = format!("{beginning}/{}", self.name.repository);
        credentials::login(self.mirrors, &of, &self.host(url), &self.name.repository)
    }

    /// The registry at an address, as people name it.
    fn host(&self, url: &str) -> String {
        let origin = origin(url);
        match origin.split_once("://").map_or(origin.as_str(), |(_, host)| host) {
            "registry-1.docker.io" => "docker.io".to_owned(),
            host => host.to_owned(),
        }
    }

    fn odd(&self, status: u16, answer: &Answer) -> Failure {
        self.said(Failure::world(format!("the registry of `{}` answers {status}", self.name)), answer)
    }

    /// Adds what the registry says of its refusal.
    fn said(&self, failure: Failure, answer: &Answer) -> Failure {
        let said: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let words = |error: &serde_json::Value| {
            let text = |name: &str| {
                error.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
            };
            format!("{}: {}", text("code"), text("message"))
        };
        let errors = said.as_ref().and_then(|said| said.get("errors")).and_then(serde_json::Value::as_array);
        let lines = errors.into_iter().flatten().take(3).map(words);
        lines.fold(failure, |failure, line| {
            let plain: String = line.chars().filter(|letter| !letter.is_control()).take(200).collect();
            failure.fact(format!("it says {plain}"))
        })
    }
}

/// Where something really is: Docker Hub has another name as a registry than in the names of images.
fn address(url: String) -> String {
    match url.strip_prefix("https://docker.io/") {
        Some(rest) => format!("https://registry-1.docker.io/{rest}"),
        None => url,
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split('/').next().unwrap_or_default()),
        None => url.to_owned(),
    }
}
