//! Bytes from `http:`, `https:` and `file:` URLs: bounded, resumed, retried, checked.
//!
//! [`Http::download`] tries its URLs in order and accepts only bytes of the expected digest, so any source is
//! as good as another; [`Http::get`] reads small things whose content is checked by other means. Nothing here
//! knows what the bytes mean. Servers are trusted with nothing: not the length, not the content, not to answer.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rbld_lang::digest::Digest;
use reqwest::header::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};

use super::transfer::{self, Trouble};
use crate::failure::{Doing, Failure, Kind, Result};
use crate::progress::Task;
use crate::store::{Batch, Blob, BlobWriter};

/// How long to wait for a server and how often to ask again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a single byte.
    pub stall: Duration,
    /// How often one URL is tried.
    pub tries: u32,
    /// Before the second try; it doubles each time.
    pub pause: Duration,
    /// The longest that is waited when a server says how long to wait.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            tries: 4,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// What a download must come to.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The sha256.
    pub digest: Digest,
    /// The length in bytes, where known.
    pub size: Option<u64>,
}

/// Takes the bytes of a download as they come.
pub trait Sink {
    /// What came so far was wrong: begin again, empty.
    fn restart(&mut self) -> Result<()>;
    /// Some more.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
}

/// The most that a download without a known length may have.
const LARGEST: u64 = 64 << 30;

/// A client. Clones share connections and what is known of each host; several threads may use it.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

pub(super) struct Inner {
    runtime: Option<tokio::runtime::Runtime>,
    pub(super) client: reqwest::Client,
    pub(super) patience: Patience,
    pub(super) offline: bool,
    /// How addresses begin that may be asked although the network may not be used.
    pub(super) allowed: Vec<String>,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    /// The signal by which the user stopped rbld; 0 before that.
    stopped: watch::Sender<i32>,
}

/// What is known of a host.
pub(super) struct Host {
    pub(super) places: Semaphore,
    pub(super) down: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Http {
    /// A client with the usual patience; `offline` refuses every URL that isn't `file:`.
    pub fn new(offline: bool) -> Result<Http> {
        Http::with_patience(offline, Patience::default())
    }

    /// A client with its own patience.
    pub fn with_patience(offline: bool, patience: Patience) -> Result<Http> {
        Http::make(offline, Vec::new(), patience)
    }

    /// A client that asks nobody but those whose addresses begin so, and follows no redirection away from there.
    pub fn only(allowed: Vec<String>) -> Result<Http> {
        Http::make(true, allowed, Patience::default())
    }

    fn make(offline: bool, allowed: Vec<String>, patience: Patience) -> Result<Http> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("rbld-http")
            .enable_all()
            .build()
            .doing(|| "start the threads that fetch")?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("rbld/", env!("CARGO_PKG_VERSION"), " (reproducible build checks)"))
            .connect_timeout(patience.connect)
            .read_timeout(patience.stall)
            .redirect(match offline {
                true => reqwest::redirect::Policy::none(),
                false => reqwest::redirect::Policy::limited(8),
            })
            .pool_max_idle_per_host(6)
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .build()
            .map_err(|error| {
                Failure::world(format!("could not set up the http client: {}", transfer::cause(&error)))
            })?;
        Ok(Http(Arc::new(Inner {
            runtime: Some(runtime),
            client,
            patience,
            offline,
            allowed,
            hosts: Mutex::default(),
            stopped: watch::Sender::new(0),
        })))
    }

    /// Ends all transfers at once and refuses new ones: a signal stopped rbld.
    pub fn stop(&self, signal: i32) {
        self.0.stopped.send_replace(signal);
    }

    /// The bytes at a URL, at most `limit` of them. For what is checked by other means than a digest known before.
    pub fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Bytes(Vec::new());
        self.try_url(url, &mut Goal { limit, ..Goal::default() }, &mut bytes, &mut Meter::new(None))
            .map_err(|trouble| trouble.into_failure(format!("could not fetch `{url}`")))?;
        Ok(bytes.0)
    }

    /// Like [`Http::get`], tried `tries` times in place of what patience says, where given.
    pub(super) fn get_within(&self, url: &str, limit: u64, tries: Option<u32>) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Bytes(Vec::new());
        self.try_url(url, &mut Goal { limit, tries, ..Goal::default() }, &mut bytes, &mut Meter::new(None))?;
        Ok(bytes.0)
    }

    /// Gives whatever bytes are at one URL to a sink. With `all` said, they are that many: a server that forgets to end
    /// its answer isn't waited for.
    pub(super) fn pour(
        &self,
        url: &str,
        limit: u64,
        all: Option<u64>,
        tries: Option<u32>,
        sink: &mut dyn Sink,
    ) -> Result<(), Trouble> {
        self.try_url(url, &mut Goal { limit, all, tries, ..Goal::default() }, sink, &mut Meter::new(None))
    }

    /// Gives whatever bytes are at the first of the URLs that answers to a sink, and says which that is: for a digest
    /// that isn't known yet.
    pub fn first<'u>(
        &self,
        urls: &'u [String],
        limit: u64,
        sink: &mut dyn Sink,
        task: Option<&Task>,
    ) -> Result<&'u str> {
        let mut tried = Vec::new();
        for url in urls {
            sink.restart()?;
            match self.try_url(url, &mut Goal { limit, ..Goal::default() }, sink, &mut Meter::new(task)) {
                Ok(()) => return Ok(url),
                Err(Trouble::Here(failure)) => return Err(failure),
                Err(trouble) => tried.push(format!("{url}: {trouble}")),
            }
        }
        let name = urls.first().map_or("", String::as_str);
        let mut failure = Failure::world(format!("could not fetch `{name}`"));
        failure.facts.extend(tried);
        Err(failure.help("check the address and the network"))
    }

    /// Gives the bytes of the expected digest to a sink, from the first URL that has them.
    ///
    /// Bytes that came from a URL that failed half-way are kept and the rest asked of the next one. `task` is
    /// told of the bytes that arrive, not of how many there will be.
    pub fn fetch(
        &self,
        urls: &[String],
        expect: Expected,
        sink: &mut dyn Sink,
        task: Option<&Task>,
    ) -> Result<()> {
        let mut goal =
            Goal { limit: expect.size.unwrap_or(LARGEST), expect: Some(expect), ..Goal::default() };
        let mut meter = Meter::new(task);
        let mut tried = Vec::new();
        let (first, last): (Vec<&String>, Vec<&String>) = urls.iter().partition(|url| !self.is_down(url));
        for url in first.into_iter().chain(last) {
            match self.try_url(url, &mut goal, sink, &mut meter) {
                Ok(()) => return Ok(()),
                Err(Trouble::Here(failure)) => return Err(failure),
                Err(trouble) => tried.push(format!("{url}: {trouble}")),
            }
        }
        let name = urls.first().and_then(|url| url.rsplit('/').next()).unwrap_or("");
        let mut failure = Failure::world(match urls.len() {
            0 => "no place is known to fetch from".to_owned(),
            1 => format!("could not fetch `{name}`"),
            count => format!("could not fetch `{name}` from any of {count} places"),
        })
        .fact(format!("expected sha256 {}", expect.digest));
        failure.facts.extend(tried);
        Err(failure.help(if self.0.offline {
            "leave out `--offline`, or name a folder that has it (`file:///…`) under `[mirrors]` in config.toml"
        } else {
            "check the network, or name a mirror that has it under `[mirrors]` in config.toml"
        }))
    }

    /// Gives the bytes of the expected digest to a sink, from one URL, and says in which way it can't be had there.
    pub(super) fn try_one(
        &self,
        url: &str,
        expect: Expected,
        sink: &mut dyn Sink,
        task: Option<&Task>,
    ) -> Result<(), Trouble> {
        let mut goal =
            Goal { limit: expect.size.unwrap_or(LARGEST), expect: Some(expect), ..Goal::default() };
        self.try_url(url, &mut goal, sink, &mut Meter::new(task))
    }

    /// Puts the bytes of the expected digest into a batch, from the first URL that has them.
    ///
    /// `task` is told of the bytes that arrive; how many there will be is its owner's to say.
    pub fn download(&self, urls: &[String], expect: Expected, batch: &Batch, task: &Task) -> Result<Blob> {
        let mut sink = ToBatch { batch, writer: batch.writer()? };
        self.fetch(urls, expect, &mut sink, Some(task))?;
        sink.writer.finish(false)
    }

    /// Bytes of the expected digest, from the first URL that has them. For what fits in memory.
    pub fn fetch_bytes(&self, urls: &[String], expect: Expected, task: Option<&Task>) -> Result<Vec<u8>> {
        let mut bytes = Bytes(Vec::new());
        self.fetch(urls, expect, &mut bytes, task)?;
        Ok(bytes.0)
    }

    /// Gives the bytes of the expected digest to an empty sink, from one URL that is asked with these headers.
    pub(super) fn fetch_from(
        &self,
        url: &str,
        (expect, limit): (Expected, u64),
        headers: HeaderMap,
        sink: &mut dyn Sink,
        task: Option<&Task>,
    ) -> Result<(), Trouble> {
        let mut goal = Goal { limit, expect: Some(expect), headers, ..Goal::default() };
        self.try_url(url, &mut goal, sink, &mut Meter::new(task))
    }

    /// One request and its whole answer, of at most `limit` bytes, whatever its status. It is made again when nothing
    /// came of it, so it must be one that may be made twice.
    pub(super) fn ask(
        &self,
        url: &str,
        limit: u64,
        build: &dyn Fn(&reqwest::Client) -> Result<reqwest::RequestBuilder>,
    ) -> Result<Answer, Trouble> {
        let host = self.host(url);
        let mut pause = self.0.patience.pause;
        let mut again = 1;
        loop {
            let request = build(&self.0.client).map_err(Trouble::Here)?;
            let trouble = match self.block_on(transfer::ask(&self.0, &host, request, limit)) {
                Ok(answer) => return Ok(answer),
                Err(trouble @ (Trouble::Broken(_) | Trouble::Busy(..) | Trouble::Down(_))) => trouble,
                Err(trouble) => return Err(trouble),
            };
            if again >= self.0.patience.tries {
                return Err(trouble);
            }
            let wait = match trouble {
                Trouble::Busy(_, Some(wait)) => wait.min(self.0.patience.longest_pause),
                _ => pause,
            };
            again += 1;
            pause *= 2;
            self.block_on(async {
                tokio::time::sleep(wait).await;
                Ok(())
            })?;
        }
    }

    /// Tries one URL as often as patience allows.
    fn try_url(
        &self,
        url: &str,
        goal: &mut Goal,
        sink: &mut dyn Sink,
        meter: &mut Meter<'_>,
    ) -> Result<(), Trouble> {
        if let Some(path) = transfer::local_path(url)? {
            meter.restart(sink)?;
            transfer::copy(&path, goal, sink, meter)?;
            return goal.judge(meter).inspect_err(|_| meter.spoilt = true);
        }
        let host = self.host(url);
        let tries = match goal.tries {
            _ if host.down.load(Ordering::Relaxed) => 1,
            tries => tries.unwrap_or(self.0.patience.tries),
        };
        let mut pause = self.0.patience.pause;
        let mut again = 1;
        meter.mixed = meter.have > 0;
        loop {
            if meter.spoilt {
                meter.restart(sink)?;
            }
            let trouble = match self.block_on(transfer::once(&self.0, &host, url, goal, sink, meter)) {
                Ok(()) => match goal.judge(meter) {
                    Ok(()) => return Ok(()),
                    Err(trouble) => {
                        // The head came from elsewhere, so this server may not be the one that lied.
                        let mixed = std::mem::take(&mut meter.mixed);
                        meter.restart(sink)?;
                        if mixed {
                            continue;
                        }
                        return Err(trouble);
                    }
                },
                Err(trouble) => trouble,
            };
            let wait = match &trouble {
                Trouble::Busy(_, Some(wait)) if *wait <= self.0.patience.longest_pause => *wait,
                Trouble::Broken(_) | Trouble::Busy(_, None) => pause,
                // Once more, since a name or a route can be missing for a moment; then it is asked last.
                Trouble::Down(_) if again == 1 && tries > 1 => pause,
                Trouble::Down(_) => {
                    host.down.store(true, Ordering::Relaxed);
                    return Err(trouble);
                }
                _ => return Err(trouble),
            };
            if again >= tries {
                return Err(trouble);
            }
            again += 1;
            pause *= 2;
            self.block_on(async {
                tokio::time::sleep(wait).await;
                Ok(())
            })?;
        }
    }

    /// Waits for a transfer, unless rbld is stopped.
    fn block_on<T>(&self, future: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let Some(runtime) = &self.0.runtime else {
            return Err(Trouble::Here(Failure::bug("the http client was used after it ended")));
        };
        let mut stopped = self.0.stopped.subscribe();
        runtime.block_on(async {
            tokio::select! {
                biased;
                signal = stopped.wait_for(|signal| *signal != 0) => {
                    let signal = signal.map_or(2, |signal| *signal);
                    Err(Trouble::Here(Failure::new(Kind::Interrupted(signal), "stopped while fetching")))
                }
                done = future => done,
            }
        })
    }

    fn is_down(&self, url: &str) -> bool {
        !url.starts_with("file:") && self.host(url).down.load(Ordering::Relaxed)
    }

    fn host(&self, url: &str) -> Arc<Host> {
        let name = transfer::host_of(url);
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let places = if name.starts_with("snapshot") { 2 } else { 6 };
        hosts
            .entry(name)
            .or_insert_with(|| {
                Arc::new(Host { places: Semaphore::new(places), down: AtomicBool::new(false) })
            })
            .clone()
    }
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What has to come.
#[derive(Default)]
pub(super) struct Goal {
    pub(super) limit: u64,
    pub(super) expect: Option<Expected>,
    /// After so many bytes it is all there, whether the server ends its answer or not.
    pub(super) all: Option<u64>,
    /// How often it is tried, in place of what patience says.
    pub(super) tries: Option<u32>,
    /// What is said beside the URL.
    pub(super) headers: HeaderMap,
}

impl Goal {
    /// Whether what came is what was wanted.
    fn judge(&self, meter: &Meter<'_>) -> Result<(), Trouble> {
        let Some(expect) = self.expect else { return Ok(()) };
        if let Some(size) = expect.size
            && size != meter.have
        {
            return Err(Trouble::Wrong(format!("has {} bytes instead of {size}", meter.have)));
        }
        let found = Digest::from_bytes(meter.hash.clone().finalize().into());
        if found != expect.digest {
            return Err(Trouble::Wrong(format!("expected sha256 {}, found {found}", expect.digest)));
        }
        Ok(())
    }
}

/// Counts and hashes what came.
pub(super) struct Meter<'a> {
    pub(super) have: u64,
    hash: Sha256,
    shown: u64,
    task: Option<&'a Task>,
    mixed: bool,
    pub(super) spoilt: bool,
    /// What a server said identifies the bytes that came so far, and at which URL.
    pub(super) version: Option<(String, String)>,
}

impl<'a> Meter<'a> {
    fn new(task: Option<&'a Task>) -> Meter<'a> {
        Meter { have: 0, hash: Sha256::new(), shown: 0, task, mixed: false, spoilt: false, version: None }
    }

    pub(super) fn take(&mut self, bytes: &[u8], goal: &Goal, sink: &mut dyn Sink) -> Result<(), Trouble> {
        if self.have + bytes.len() as u64 > goal.limit {
            self.spoilt = true;
            return Err(Trouble::Wrong(format!("has more than {} bytes", goal.limit)));
        }
        if goal.expect.is_some() {
            self.hash.update(bytes);
        }
        sink.write(bytes).map_err(Trouble::Here)?;
        self.have += bytes.len() as u64;
        if let Some(task) = self.task
            && self.have > self.shown
        {
            task.advance(self.have - self.shown);
            self.shown = self.have;
        }
        Ok(())
    }

    pub(super) fn restart(&mut self, sink: &mut dyn Sink) -> Result<(), Trouble> {
        if self.have > 0 {
            sink.restart().map_err(Trouble::Here)?;
        }
        *self = Meter { shown: self.shown, task: self.task, ..Meter::new(None) };
        Ok(())
    }
}

/// Takes what fits in memory.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Sink for Bytes {
    fn restart(&mut self) -> Result<()> {
        self.0.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Takes what goes into the store.
pub(super) struct ToBatch<'a> {
    pub(super) batch: &'a Batch,
    pub(super) writer: BlobWriter,
}

impl Sink for ToBatch<'_> {
    fn restart(&mut self) -> Result<()> {
        self.writer = self.batch.writer()?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).doing(|| "write into the store")
    }
}
