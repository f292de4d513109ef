//! Bringing locked items into the store, from any server: the digest of the nar decides, not who sends it.
//!
//! An item is a realisation of the store under its path and its nar's digest, so it is fetched once ever. Nars are
//! unpacked while they come, by several threads; nothing of a nar with another digest is ever named by a record.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use rbld_lang::derivation::DerivationId;
use rbld_lang::digest::{Digest, Hasher, Manifest};
use sha2::{Digest as _, Sha256};

use super::closure::Item;
use super::nar::{self, Wrong};
use super::narinfo::{Compression, Download};
use super::pipe::{Outlet, pipe};
use super::servers::{Refused, Server, Servers};
use crate::failure::{Failure, Result};
use crate::fetch::http::{Expected, Http};
use crate::fetch::vendored::{Found, Vendored};
use crate::packing::Codec;
use crate::progress::{Progress, Step, Task};
use crate::store::parallel;
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Object, Realisation, Store};

/// A change of how nars become trees is a change of this.
const FORMAT: &str = "rbld-nar-1";

/// The output of an item's realisation.
const OUTPUT: &str = "item";

/// How many items are brought at once: while some wait for a server, others are unpacked.
const AT_ONCE: usize = 4;

/// A thread records what it brought after so many bytes: what is lost by an interruption is no more.
const RECORDED: u64 = 256 << 20;

/// What bringing items needs.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Where they go.
    pub store: &'a Store,
    /// Who is asked for them.
    pub servers: &'a Servers,
    /// What is asked before.
    pub vendored: &'a Vendored,
    /// By what.
    pub http: &'a Http,
    /// Who is told.
    pub progress: &'a Progress,
}

/// Brings items into the store, those that aren't there, and gives what `/gnu/store` holds with them. `name` is what the
/// person sees while it goes on. The messages of the folder itself aren't stored.
pub fn closure(items: &[Item], name: &str, tools: Tools<'_>) -> Result<Folder> {
    let mut trees: BTreeMap<&str, Node> = BTreeMap::new();
    let mut missing = Vec::new();
    for item in items {
        match stored(item, tools.store)? {
            Some(node) => drop(trees.insert(item.path.name(), node)),
            None => missing.push(item),
        }
    }
    if !missing.is_empty() {
        let task = tools.progress.begin(Step::Fetch, name);
        task.expect(missing.iter().map(|item| item.nar_size).sum());
        // The greatest first: the last one to end decides when all have.
        missing.sort_by_key(|item| (std::cmp::Reverse(item.nar_size), &item.path));
        for (item, node) in missing.iter().zip(bring(&missing, tools, &task)?) {
            trees.insert(item.path.name(), node);
        }
        task.done(format!("{} store items", missing.len()));
    }
    Ok(Folder { entries: trees.into_iter().map(|(name, node)| (name.to_owned(), node)).collect() })
}

/// A thread's work that isn't recorded yet.
struct Open {
    batch: Batch,
    made: Vec<(DerivationId, Realisation)>,
    bytes: u64,
}

impl Open {
    fn begin(store: &Store) -> Result<Open> {
        Ok(Open { batch: store.batch()?, made: Vec::new(), bytes: 0 })
    }
}

fn bring(items: &[&Item], tools: Tools<'_>, task: &Task) -> Result<Vec<Node>> {
    let threads = std::thread::available_parallelism().map_or(AT_ONCE, |count| count.get().max(AT_ONCE));
    parallel::with_state(
        items,
        threads,
        || Open::begin(tools.store),
        |open, item| {
            let node = fetch(item, &open.batch, tools, task)?;
            open.made.push(record(item, node.clone(), &open.batch)?);
            open.bytes += item.nar_size;
            if open.bytes > RECORDED {
                let full = std::mem::replace(open, Open::begin(tools.store)?);
                full.batch.commit(&full.made)?;
            }
            Ok(node)
        },
        |open| open.batch.commit(&open.made),
    )
}

/// The key of an item's realisation.
fn key(item: &Item) -> Digest {
    let mut hasher = Hasher::new(FORMAT);
    hasher.field("path", item.path.to_string().as_bytes());
    hasher.field("nar", item.nar_hash.as_bytes());
    hasher.finish()
}

/// An item that was brought before.
fn stored(item: &Item, store: &Store) -> Result<Option<Node>> {
    let Some(realisation) = store.realisation(key(item))? else { return Ok(None) };
    let Some(object) = realisation.outputs.get(OUTPUT) else { return Ok(None) };
    Ok(tree::read(store, object.digest())?.entries.remove(item.path.name()))
}

/// The realisation of an item: a tree that holds it under its name, since an item may be a file or a link.
fn record(item: &Item, node: Node, batch: &Batch) -> Result<(DerivationId, Realisation)> {
    let folder = Folder { entries: BTreeMap::from([(item.path.name().to_owned(), node)]) };
    let outputs: BTreeMap<String, Object> =
        BTreeMap::from([(OUTPUT.to_owned(), tree::write(batch, &folder)?)]);
    let key = key(item);
    Ok((DerivationId(key), Realisation { key, outputs, facts: BTreeMap::new() }))
}

/// Brings one item into a batch, from the first server that has it as it was locked.
fn fetch(item: &Item, batch: &Batch, tools: Tools<'_>, task: &Task) -> Result<Node> {
    let mut tried = Vec::new();
    if let Some(node) = vended(item, batch, tools, task, &mut tried)? {
        return Ok(node);
    }
    for server in tools.servers.order() {
        match from_server(server, item, batch, tools, task, &mut tried) {
            Ok(Some(node)) => return Ok(node),
            Ok(None) => {}
            Err(failure) => return Err(failure),
        }
    }
    let mut failure = Failure::world(match tools.servers.order().len() {
        0 => format!("no server is known that could have the store item `{}`", item.path),
        1 => format!("could not fetch the store item `{}`", item.path),
        count => format!("could not fetch the store item `{}` from any of {count} servers", item.path),
    })
    .fact(format!("locked: a nar of {} bytes, sha256 {}", item.nar_size, item.nar_hash));
    failure.facts.extend(tried);
    Err(failure.help("name a server that has it under `[mirrors]` in config.toml: `guix = [\"https://…\"]`"))
}

/// Takes an item from a vendored folder, which has its nar under the digest that is locked; what is wrong there is added
/// to what was tried.
fn vended(
    item: &Item,
    batch: &Batch,
    tools: Tools<'_>,
    task: &Task,
    tried: &mut Vec<String>,
) -> Result<Option<Node>> {
    if tools.vendored.is_empty() {
        return Ok(None);
    }
    let expect = Expected { digest: item.nar_hash, size: Some(item.nar_size) };
    let (mut inlet, outlet) = pipe();
    std::thread::scope(|scope| {
        let unpacked = scope.spawn(move || unpack(outlet, item, Compression::None, batch, task));
        let taken = tools.vendored.take(expect, &mut inlet, None);
        let shut = inlet.shut;
        drop(inlet);
        let unpacked = unpacked.join().map_err(|_| Failure::bug("the thread that unpacks a nar panicked"))?;
        match (taken, unpacked) {
            (_, Ok(node)) => return Ok(Some(node)),
            (_, Err(Wrong::Here(failure))) => return Err(failure),
            (Ok(Found::Nowhere(odd)), _) => {
                let news = tools.vendored.news(odd.clone());
                news.iter().for_each(|odd| tools.progress.say(&format!("not taken: {odd}")));
                tried.extend(odd);
            }
            (Err(failure), _) if !shut => return Err(failure),
            (_, Err(Wrong::Nar(why))) => tried.push(format!("vendored: the nar {why}")),
        }
        Ok(None)
    })
}

/// Tries all ways in which one server offers an item; what goes wrong is added to what was tried.
fn from_server(
    server: &Server,
    item: &Item,
    batch: &Batch,
    tools: Tools<'_>,
    task: &Task,
    tried: &mut Vec<String>,
) -> Result<Option<Node>> {
    let tries = tools.servers.tries();
    let narinfo = match server.narinfo(tools.http, &item.path, tries) {
        Ok(narinfo) => narinfo,
        Err(Refused::Here(failure)) => return Err(failure),
        Err(Refused::Missing(why) | Refused::Wrong(why)) => {
            tried.push(format!("{}: {why}", server.base));
            return Ok(None);
        }
    };
    if (narinfo.nar_hash, narinfo.nar_size) != (item.nar_hash, item.nar_size) {
        tried.push(format!("{}: has another build of it, sha256 {}", server.base, narinfo.nar_hash));
        return Ok(None);
    }
    let mut downloads = narinfo.downloads;
    downloads.sort_by_key(|download| download.compression);
    if downloads.is_empty() {
        tried.push(format!("{}: offers no nar of it that rbld can unpack", server.base));
    }
    for download in &downloads {
        match attempt(server, item, download, batch, tools, task) {
            Ok(node) => return Ok(Some(node)),
            Err(Refused::Here(failure)) => return Err(failure),
            Err(Refused::Missing(why)) => tried.push(format!("{}/{}: {why}", server.base, download.url)),
            Err(Refused::Wrong(why)) => {
                let what = format!("{}/{}: {why}", server.base, download.url);
                // Whoever serves this should know, even if another server has it right.
                tools.progress.say(&format!("not taken: {what}"));
                tried.push(what);
            }
        }
    }
    Ok(None)
}

/// One download, unpacked while it comes.
fn attempt(
    server: &Server,
    item: &Item,
    download: &Download,
    batch: &Batch,
    tools: Tools<'_>,
    task: &Task,
) -> Result<Node, Refused> {
    let url = server.locate(&download.url)?;
    // What doesn't compress grows by little.
    let limit = item.nar_size.saturating_add(item.nar_size / 16).saturating_add(1 << 20);
    let all = (download.compression == Compression::None).then_some(item.nar_size);
    let (mut inlet, outlet) = pipe();
    std::thread::scope(|scope| {
        let unpacked = scope.spawn(move || unpack(outlet, item, download.compression, batch, task));
        let poured = tools.http.pour(&url, limit, all, tools.servers.tries(), &mut inlet);
        let shut = inlet.shut;
        drop(inlet);
        let unpacked = unpacked.join().map_err(|_| Failure::bug("the thread that unpacks a nar panicked"))?;
        match (poured, unpacked) {
            (_, Ok(node)) => Ok(node),
            (_, Err(Wrong::Here(failure))) => Err(Refused::Here(failure)),
            (Err(trouble), Err(Wrong::Nar(_))) if !shut => Err(server.blame(trouble)),
            (_, Err(Wrong::Nar(why))) => Err(Refused::Wrong(format!("the nar {why}"))),
        }
    })
}

/// Unpacks what comes, once more from the front when it comes again.
fn unpack(
    mut outlet: Outlet,
    item: &Item,
    compression: Compression,
    batch: &Batch,
    task: &Task,
) -> Result<Node, Wrong> {
    let mut shown = 0;
    loop {
        match once(&mut outlet, item, compression, batch, task, &mut shown) {
            Err(Wrong::Nar(_)) if outlet.begins_again() => {}
            other => return other,
        }
    }
}

fn once(
    outlet: &mut Outlet,
    item: &Item,
    compression: Compression,
    batch: &Batch,
    task: &Task,
    shown: &mut u64,
) -> Result<Node, Wrong> {
    let plain: Box<dyn Read + '_> = match compression {
        Compression::Zstd => Codec::Zstd.reader(outlet)?,
        Compression::Gzip => Codec::Gzip.reader(outlet)?,
        Compression::Lzip => Codec::Lzip.reader(outlet)?,
        Compression::None => Box::new(outlet),
    };
    let checked = Checked { plain, hash: Sha256::new(), have: 0, size: item.nar_size, task, shown };
    let mut reader = BufReader::with_capacity(128 << 10, checked);
    let unpacked = nar::unpack(&mut reader, batch);
    if matches!(unpacked, Err(Wrong::Here(_))) {
        return unpacked;
    }
    // To its end, whatever was wrong: the digest says whether this is the nar that was locked, and a decompressor checks
    // its own sum only there.
    let rest = std::io::copy(&mut reader, &mut std::io::sink());
    let checked = reader.into_inner();
    let found = Digest::from_bytes(checked.hash.finalize().into());
    match (rest, found == item.nar_hash && checked.have == item.nar_size) {
        (Ok(1..), true) => unpacked.and(Err(Wrong::Nar("goes on after its end".to_owned()))),
        (_, true) => unpacked,
        (Err(error), false) => Err(error.into()),
        (Ok(_), false) => Err(Wrong::Nar(format!(
            "isn't the one that was locked: it has {} bytes, sha256 {found}",
            checked.have
        ))),
    }
}

/// Hashes and counts what is read; fails once there is more than the nar has.
struct Checked<'a> {
    plain: Box<dyn Read + 'a>,
    hash: Sha256,
    have: u64,
    size: u64,
    task: &'a Task,
    shown: &'a mut u64,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.plain.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.have += count as u64;
        if self.have > self.size {
            return Err(std::io::Error::other(format!(
                "it has more than the {} bytes that were locked",
                self.size
            )));
        }
        if self.have > *self.shown {
            self.task.advance(self.have - *self.shown);
            *self.shown = self.have;
        }
        Ok(count)
    }
}
