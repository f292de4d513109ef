//! Locking: what items are and all that they refer to, asked of servers and believed for their signatures.
//!
//! Answers may come in any order and from any server; the result is sorted, and holds nothing of who was asked.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::digest::Digest;

use super::StorePath;
use super::narinfo::NarInfo;
use super::servers::{Refused, Servers};
use super::signature::{self, Acl, Signer};
use crate::failure::{Failure, Result};
use crate::fetch::http::Http;
use crate::store::parallel;

/// The most items that a closure has.
const ITEMS: usize = 100_000;

/// How many questions are asked at once.
const ASKED: usize = 6;

/// A locked item: all that must be known to bring it from anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The item.
    pub path: StorePath,
    /// The sha256 of its nar.
    pub nar_hash: Digest,
    /// The length of its nar.
    pub nar_size: u64,
    /// What its files name, sorted; it may name itself.
    pub references: Vec<StorePath>,
    /// Whose key signed that.
    pub signer: Signer,
}

/// Items and all that they refer to, sorted by path. Servers are asked in their order; an item of which a server knows
/// nothing, or nothing that one of the keys signed, is asked of the next.
pub fn lock(http: &Http, servers: &Servers, items: &[StorePath], acl: &Acl) -> Result<Vec<Item>> {
    let mut found: BTreeMap<StorePath, Item> = BTreeMap::new();
    // What is to be asked next, and which item refers to it.
    let mut next: BTreeMap<StorePath, Option<StorePath>> =
        items.iter().map(|item| (item.clone(), None)).collect();
    while !next.is_empty() {
        let asked: Vec<(StorePath, Option<StorePath>)> = std::mem::take(&mut next).into_iter().collect();
        if found.len() + asked.len() > ITEMS {
            return Err(Failure::world(format!("the items refer to more than {ITEMS} others")));
        }
        let answers = parallel::with_state(
            &asked,
            ASKED,
            || Ok(()),
            |(), (path, referrer)| ask(http, servers, path, referrer.as_ref(), acl),
            |()| Ok(()),
        )?;
        let known: BTreeSet<StorePath> = asked.iter().map(|(path, _)| path.clone()).collect();
        for item in answers {
            for reference in &item.references {
                if !known.contains(reference) && !found.contains_key(reference) {
                    next.entry(reference.clone()).or_insert_with(|| Some(item.path.clone()));
                }
            }
            found.insert(item.path.clone(), item);
        }
    }
    Ok(found.into_values().collect())
}

/// Asks one server after the other.
fn ask(
    http: &Http,
    servers: &Servers,
    path: &StorePath,
    referrer: Option<&StorePath>,
    acl: &Acl,
) -> Result<Item> {
    let mut tried = Vec::new();
    let mut only_missing = true;
    for server in servers.order() {
        let answer = server.narinfo(http, path, servers.tries()).and_then(|narinfo| {
            let signer = signature::check(&narinfo, acl)
                .map_err(|why| Refused::Wrong(format!("the narinfo {why}")))?;
            Ok(item(narinfo, signer))
        });
        match answer {
            Ok(item) => return Ok(item),
            Err(Refused::Here(failure)) => return Err(failure),
            Err(Refused::Missing(why)) => tried.push(format!("{}: {why}", server.base)),
            Err(Refused::Wrong(why)) => {
                only_missing = false;
                tried.push(format!("{}: {why}", server.base));
            }
        }
    }
    let mut failure = Failure::world(match only_missing {
        true => format!("no server has the store item `{path}`"),
        false => format!("could not lock the store item `{path}`"),
    });
    if let Some(referrer) = referrer {
        failure = failure.fact(format!("`{referrer}` refers to it"));
    }
    failure.facts.extend(tried);
    Err(failure.help("name a server that has it under `[mirrors]` in config.toml: `guix = [\"https://…\"]`"))
}

fn item(narinfo: NarInfo, signer: Signer) -> Item {
    let NarInfo { path, nar_hash, nar_size, references, .. } = narinfo;
    Item { path, nar_hash, nar_size, references, signer }
}
