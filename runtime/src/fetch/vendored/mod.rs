//! Vendored folders as a source: what `rbld vendor` wrote, read from a folder or from `rbld mirror serve`.
//!
//! A place is believed in nothing. A file is taken by the digest that the project's own files name, a commit's tree
//! only with the git objects that lead from the commit's id to it, a signed index only with its signature; so whoever
//! holds the place can keep things back and do no other harm.

pub mod manifest;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rbld_lang::digest::Digest;
use rbld_lang::syntax::{read_instant, show_instant};
use reqwest::Url;

use super::http::{Expected, Http, Sink};
use super::transfer::Trouble;
use crate::failure::{Failure, Result};
use crate::progress::Task;
use manifest::{CommitRow, Manifest, ProofRow};

/// The places that are asked before the network, best first; clones share what was read.
#[derive(Clone, Debug, Default)]
pub struct Vendored(Arc<Inner>);

#[derive(Default)]
struct Inner {
    places: Vec<Place>,
    http: Mutex<Option<Http>>,
    /// What was said already of places that have something else.
    told: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.places.iter().map(|place| &place.at)).finish()
    }
}

/// Where a vendored folder is.
#[derive(Debug)]
struct Place {
    at: At,
    /// Its manifest, once read.
    manifest: OnceLock<Result<Manifest>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Folder(PathBuf),
    /// Without a slash at the end.
    Server(String),
}

/// What came of asking for a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// It came, and its digest is right.
    Whole,
    /// No place has it; why, where a place has something else.
    Nowhere(Vec<String>),
}

impl Vendored {
    /// Places as a person writes them: folders, and addresses of `http:` or `https:`. Nothing is read yet.
    pub fn of(places: &[String]) -> Vendored {
        let place = |text: &String| Place { at: At::parse(text), manifest: OnceLock::new() };
        let places = places.iter().map(place).collect();
        Vendored(Arc::new(Inner { places, ..Inner::default() }))
    }

    /// The same, for what was typed just now: a folder that isn't one is an error.
    pub fn named(places: &[String]) -> Result<Vendored> {
        let vendored = Vendored::of(places);
        for Place { at, .. } in &vendored.0.places {
            let At::Folder(path) = at else { continue };
            if !path.join(manifest::NAME).is_file() {
                let what = if path.is_dir() { "holds nothing vendored" } else { "isn't there" };
                return Err(Failure::input(format!("the folder `{}` {what}", path.display()))
                    .fact(format!("looked for {}", path.join(manifest::NAME).display()))
                    .help("`rbld vendor DIR` writes one, on a machine with network"));
            }
        }
        Ok(vendored)
    }

    /// These places, then others.
    #[must_use]
    pub fn then(&self, others: &Vendored) -> Vendored {
        let all = self.0.places.iter().chain(&others.0.places);
        let places = all.map(|place| Place { at: place.at.clone(), manifest: OnceLock::new() }).collect();
        Vendored(Arc::new(Inner { places, ..Inner::default() }))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.places.is_empty()
    }

    /// Ends transfers: a signal stopped rbld.
    pub fn stop(&self, signal: i32) {
        if let Some(http) = &*self.0.http.lock().unwrap_or_else(PoisonError::into_inner) {
            http.stop(signal);
        }
    }

    /// A client that reaches these places and nothing else.
    fn http(&self) -> Result<Http> {
        let mut http = self.0.http.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(http) = &*http {
            return Ok(http.clone());
        }
        let servers = self.0.places.iter().filter_map(|place| match &place.at {
            At::Server(url) => Some(format!("{url}/")),
            At::Folder(_) => None,
        });
        Ok(http.insert(Http::only(servers.collect())?).clone())
    }

    /// Gives the bytes of a digest to a sink, from the first place that has them.
    pub fn take(&self, expect: Expected, sink: &mut dyn Sink, task: Option<&Task>) -> Result<Found> {
        let mut odd = Vec::new();
        for Place { at, .. } in &self.0.places {
            let hex = expect.digest.to_hex();
            let below = format!("objects/{}/{}/{hex}", &hex[..2], &hex[2..4]);
            let (url, shown) = match at {
                At::Server(url) => (format!("{url}/{below}"), format!("{url}/{below}")),
                At::Folder(path) => {
                    let path = path.join(below);
                    if let Err(error) = path.symlink_metadata()
                        && error.kind() == std::io::ErrorKind::NotFound
                    {
                        continue;
                    }
                    (file_url(&path)?, path.display().to_string())
                }
            };
            sink.restart()?;
            match self.http()?.try_one(&url, expect, sink, task) {
                Ok(()) => return Ok(Found::Whole),
                Err(Trouble::Here(failure)) => return Err(failure),
                Err(Trouble::Gone(why)) if matches!(at, At::Server(_)) && why.contains("404") => {}
                Err(trouble @ Trouble::Down(_)) => odd.push(format!("{at}: {trouble}")),
                Err(trouble) => odd.push(format!("{shown}: {trouble}")),
            }
        }
        sink.restart()?;
        Ok(Found::Nowhere(odd))
    }

    /// Those of these complaints that nobody has heard yet: a server that is down is one for all its files.
    pub fn news(&self, odd: Vec<String>) -> Vec<String> {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        odd.into_iter().filter(|odd| told.insert(odd.clone())).collect()
    }

    /// The bytes of a digest, where a place has them; a place that has others is a failure. For what fits in memory.
    pub fn bytes(&self, digest: Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        let mut bytes = Bounded { bytes: Vec::new(), limit };
        match self.take(Expected { digest, size: None }, &mut bytes, None)? {
            Found::Whole => Ok(Some(bytes.bytes)),
            Found::Nowhere(odd) if odd.is_empty() => Ok(None),
            Found::Nowhere(odd) => Err(damaged(odd)),
        }
    }

    /// The manifests that can be read. One that can't is a failure where it is the only one.
    fn manifests(&self) -> Result<Vec<&Manifest>> {
        let mut read = Vec::new();
        let mut failed = None;
        for place in &self.0.places {
            match place.manifest.get_or_init(|| self.read_manifest(&place.at)) {
                Ok(manifest) => read.push(manifest),
                Err(failure) => failed = failed.or(Some(failure.clone())),
            }
        }
        match failed {
            Some(failure) if read.is_empty() => Err(failure),
            _ => Ok(read),
        }
    }

    fn read_manifest(&self, at: &At) -> Result<Manifest> {
        let url = match at {
            At::Server(url) => format!("{url}/{}", manifest::NAME),
            At::Folder(path) => file_url(&path.join(manifest::NAME))?,
        };
        let bytes = self.http()?.get(&url, manifest::LIMIT)?;
        let wrong = |what: String| {
            Failure::world(format!("`{at}` isn't a vendored folder that can be read"))
                .fact(what)
                .help("write it again by `rbld vendor`, or leave that `--from` out")
        };
        let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{} isn't UTF-8", manifest::NAME)))?;
        Manifest::parse(&text).map_err(|(line, what)| wrong(format!("{}:{line}: {what}", manifest::NAME)))
    }

    /// What places say the tree of a commit is.
    pub fn commits(&self, commit: &str, submodules: bool) -> Result<Vec<CommitRow>> {
        let rows = self.manifests()?.into_iter().flat_map(|manifest| &manifest.commits);
        let fits = |row: &&CommitRow| row.commit == commit && row.submodules == submodules;
        Ok(rows.filter(fits).cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// What places have as the proof of a commit.
    pub fn proofs(&self, commit: &str) -> Result<Vec<ProofRow>> {
        let rows = self.manifests()?.into_iter().flat_map(|manifest| &manifest.proofs);
        Ok(rows.filter(|row| row.commit == commit).cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// The archives, suites and instants of which places have a signed index.
    pub fn states(&self) -> Result<BTreeSet<(String, String, i64)>> {
        let rows = self.manifests()?.into_iter().flat_map(|manifest| &manifest.releases);
        let state = |row: &manifest::ReleaseRow| {
            let instant = read_instant(&row.instant)?;
            Some((row.archive.clone(), row.suite.clone(), instant))
        };
        Ok(rows.filter_map(state).collect())
    }

    /// The signed indexes that places have of a suite at an instant, by digest.
    pub fn releases(&self, archive: &str, suite: &str, instant: i64) -> Result<Vec<Digest>> {
        let instant = show_instant(instant);
        let rows = self.manifests()?.into_iter().flat_map(|manifest| &manifest.releases);
        let fits = rows.filter(|row| row.archive == archive && row.suite == suite && row.instant == instant);
        Ok(fits.map(|row| row.digest).collect::<BTreeSet<_>>().into_iter().collect())
    }
}

impl At {
    fn parse(text: &str) -> At {
        match text.strip_prefix("file://") {
            _ if text.starts_with("http://") || text.starts_with("https://") => {
                At::Server(text.trim_end_matches('/').to_owned())
            }
            Some(path) if path.starts_with('/') => At::Folder(PathBuf::from(path)),
            _ => {
                let found = std::fs::canonicalize(text).or_else(|_| std::path::absolute(text));
                At::Folder(found.unwrap_or_else(|_| PathBuf::from(text)))
            }
        }
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            At::Folder(path) => path.display().fmt(f),
            At::Server(url) => f.write_str(url),
        }
    }
}

/// What is wrong with a place that has other bytes under a digest than it should.
pub fn damaged(odd: Vec<String>) -> Failure {
    let mut failure = Failure::world("a vendored file isn't what its name says");
    failure.facts = odd;
    failure.help("write the folder again by `rbld vendor`: it mends what is damaged")
}

fn file_url(path: &Path) -> Result<String> {
    Url::from_file_path(path)
        .map(String::from)
        .map_err(|()| Failure::input(format!("`{}` isn't the whole path of a file", path.display())))
}

struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
}

impl Sink for Bounded {
    fn restart(&mut self) -> Result<()> {
        self.bytes.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if (self.bytes.len() + bytes.len()) as u64 > self.limit {
            return Err(Failure::world(format!("a vendored file has more than {} bytes", self.limit)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}
