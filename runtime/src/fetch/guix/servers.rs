//! The servers that are asked for store items, best first. One that failed to answer is asked last from then on.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;

use super::StorePath;
use super::narinfo::{self, NarInfo};
use crate::failure::Failure;
use crate::fetch::http::Http;
use crate::fetch::transfer::Trouble;

/// Servers, and what is known of each.
#[derive(Debug)]
pub struct Servers(Vec<Server>);

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    /// Its address, without a slash at the end.
    pub(super) base: String,
    /// It didn't answer when it was asked last.
    slow: AtomicBool,
}

/// Why a server couldn't help.
#[derive(Debug)]
pub(super) enum Refused {
    /// It hasn't got the item.
    Missing(String),
    /// It failed, or what it gave is wrong.
    Wrong(String),
    /// This machine failed, or rbld was stopped: no other server is asked.
    Here(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::Here(failure)
    }
}

impl Servers {
    /// Servers by their addresses, best first.
    pub fn new(bases: &[String]) -> Servers {
        let server = |base: &String| Server {
            base: base.trim_end_matches('/').to_owned(),
            slow: AtomicBool::new(false),
        };
        Servers(bases.iter().map(server).collect())
    }

    /// Their addresses, best first.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|server| server.base.as_str())
    }

    /// In the order to ask: those that answer first.
    pub(super) fn order(&self) -> Vec<&Server> {
        let mut servers: Vec<&Server> = self.0.iter().collect();
        servers.sort_by_key(|server| server.slow.load(Ordering::Relaxed));
        servers
    }

    /// How often one is tried: where there is another, asking that one is better than waiting.
    pub(super) fn tries(&self) -> Option<u32> {
        (self.0.len() > 1).then_some(1)
    }
}

impl Server {
    /// What this server says of an item; its signature isn't looked at.
    pub(super) fn narinfo(
        &self,
        http: &Http,
        path: &StorePath,
        tries: Option<u32>,
    ) -> Result<NarInfo, Refused> {
        let url = format!("{}/{}.narinfo", self.base, path.hash());
        let bytes = http.get_within(&url, narinfo::LIMIT, tries).map_err(|trouble| self.blame(trouble))?;
        let text =
            String::from_utf8(bytes).map_err(|_| Refused::Wrong("the narinfo isn't UTF-8".to_owned()))?;
        let narinfo = narinfo::parse(&text).map_err(|why| Refused::Wrong(format!("the narinfo {why}")))?;
        match narinfo.path == *path {
            true => Ok(narinfo),
            false => Err(Refused::Wrong(format!("the narinfo is of `{}`", narinfo.path))),
        }
    }

    /// Remembers what a transfer's failure says of the server.
    pub(super) fn blame(&self, trouble: Trouble) -> Refused {
        match trouble {
            Trouble::Here(failure) => Refused::Here(failure),
            Trouble::Gone(what) => Refused::Missing(what),
            Trouble::Wrong(what) => Refused::Wrong(what),
            slow => {
                self.slow.store(true, Ordering::Relaxed);
                Refused::Wrong(slow.to_string())
            }
        }
    }

    /// Where a nar is, by the URL that the server gave. Of a server's answer no file of this machine is read, and of a
    /// folder none outside it.
    pub(super) fn locate(&self, url: &str) -> Result<String, Refused> {
        let wrong = || Refused::Wrong(format!("the narinfo has the URL `{}`", super::path::shown(url)));
        let base = Url::parse(&format!("{}/", self.base)).map_err(|_| wrong())?;
        let found = base.join(url).map_err(|_| wrong())?;
        let web = |url: &Url| matches!(url.scheme(), "http" | "https");
        match (web(&base), web(&found)) {
            (true, true) => Ok(found.into()),
            (false, _) if found.as_str().starts_with(base.as_str()) => Ok(found.into()),
            _ => Err(wrong()),
        }
    }
}
