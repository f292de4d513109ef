//! A snapshot archive on this machine's loopback, for tests: serves, under any instant, the files of the Debian
//! mirror that this machine's apt uses, and does wrong what a test asks it to do wrong.
//!
//! `http://127.0.0.1:PORT/archive/debian/20261122T000000Z/pool/…` is the mirror's `pool/…`. Files that never
//! change are kept in a folder given by the caller, so a second run asks the mirror for little. It stops when
//! it is dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rbld::config::Config;
use rbld::fetch::http::Http;
use rbld::fetch::mirrors::{Mirrors, Origin};
use rbld_lang::derivation::ArchiveId;

/// Something that goes wrong with one file.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It isn't there.
    Missing,
    /// One byte in its middle is another.
    Tampered,
    /// The connection breaks after so many bytes of it.
    Cut(usize),
    /// Nothing comes, and the connection stays open.
    Hang,
    /// The server asks to come again after so many seconds.
    Busy(u64),
    /// The server is broken.
    Broken,
    /// The server ignores `Range` and sends all.
    Whole,
    /// It is elsewhere.
    Moved(String),
}

/// Each test uses another part of this; to the compiler all of it is used here.
const _: fn(&Path) -> Snapshot = Snapshot::start;
const _: fn() -> Snapshot = Snapshot::start_shared;
const _: fn(&Snapshot) = Snapshot::heal;
const _: fn(&Snapshot) -> Vec<String> = Snapshot::requests;
const _: fn(&Snapshot, &str) -> String = Snapshot::base;
const _: fn(&Snapshot, &str, Vec<u8>) = Snapshot::put;
const _: fn(&Snapshot, &str, Fault, usize) = Snapshot::fault;
const _: fn() -> [Fault; 5] = || [Fault::Missing, Fault::Tampered, Fault::Hang, Fault::Broken, Fault::Whole];
const _: fn() -> [Fault; 3] = || [Fault::Cut(0), Fault::Busy(0), Fault::Moved(String::new())];

/// The most connections served at once.
const CONNECTIONS: usize = 64;

/// The largest file served.
const LARGEST: u64 = 1 << 30;

/// A running server.
pub(crate) struct Snapshot {
    /// Where it is: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    upstream: Option<String>,
    http: Http,
    cache: PathBuf,
    files: Mutex<BTreeMap<String, Arc<Vec<u8>>>>,
    faults: Mutex<Vec<(String, Fault, usize)>>,
    requests: Mutex<Vec<String>>,
    stopped: AtomicBool,
    open: AtomicUsize,
}

impl Snapshot {
    /// Starts a server that keeps what it fetched in a folder.
    pub(crate) fn start(cache: &Path) -> Snapshot {
        std::fs::create_dir_all(cache).expect("the cache folder can be made");
        let id = ArchiveId { name: "debian".to_owned(), instant: 0 };
        let mirrors = Mirrors::from_machine(&Config::default());
        let upstream =
            mirrors.bases(&id).into_iter().find(|base| base.origin != Origin::Snapshot).map(|base| base.url);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            http: Http::new(false).expect("an http client can be made"),
            cache: cache.to_path_buf(),
            files: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            stopped: AtomicBool::new(false),
            open: AtomicUsize::new(0),
        });
        let serving = shared.clone();
        let thread = std::thread::spawn(move || accept(&listener, &serving));
        Snapshot { url: format!("http://{address}"), address, shared, thread: Some(thread) }
    }

    /// A server whose cache lies beside the build's other files, shared by all tests.
    pub(crate) fn start_shared() -> Snapshot {
        let target = std::env::current_exe().expect("a test has a path");
        let debug = target.ancestors().nth(2).expect("a test lies in the target folder");
        Snapshot::start(&debug.join("snapshot-cache"))
    }

    /// The base URL to configure as a mirror of an archive.
    pub(crate) fn base(&self, archive: &str) -> String {
        format!("{}/archive/{archive}/{{instant}}", self.url)
    }

    /// Serves these bytes at a path below an archive (`debian/pool/x`), whatever the mirror has there; for one instant alone at
    /// `debian@20251128T000000Z/pool/x`; as an answer of the service itself at `mr/x`.
    pub(crate) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.shared.files.lock().expect("no thread panicked").insert(path.to_owned(), Arc::new(bytes.into()));
    }

    /// Does wrong the next `times` requests for a path that ends so; 0 is all of them.
    pub(crate) fn fault(&self, path_end: &str, fault: Fault, times: usize) {
        let times = if times == 0 { usize::MAX } else { times };
        self.shared.faults.lock().expect("no thread panicked").push((path_end.to_owned(), fault, times));
    }

    /// Does nothing wrong any more.
    pub(crate) fn heal(&self) {
        self.shared.faults.lock().expect("no thread panicked").clear();
    }

    /// What was asked so far, one a line: path, and the range where one was asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().expect("no thread panicked").clone()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if shared.open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            shared.open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let shared = shared.clone();
        std::thread::spawn(move || {
            let _ = serve(stream, &shared);
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// One request's line and the headers that matter.
struct Asked {
    path: String,
    range: Option<usize>,
    if_range: Option<String>,
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(asked) = request(&mut reader, shared)? {
        if !answer(&asked, &mut writer, &mut reader, shared)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads a line; an idle connection ends when the server stops.
fn line(reader: &mut BufReader<TcpStream>, shared: &Shared) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        match reader.by_ref().take(16 << 10).read_until(b'\n', &mut line) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned())),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                if shared.stopped.load(Ordering::SeqCst) {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>, shared: &Shared) -> std::io::Result<Option<Asked>> {
    let Some(first) = line(reader, shared)? else { return Ok(None) };
    let path = first.split(' ').nth(1).unwrap_or("").to_owned();
    let mut asked = Asked { path: decode(&path), range: None, if_range: None };
    for _ in 0..100 {
        let Some(header) = line(reader, shared)? else { return Ok(None) };
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                asked.range = value
                    .trim()
                    .strip_prefix("bytes=")
                    .and_then(|range| range.strip_suffix('-')?.parse().ok())
            }
            "if-range" => asked.if_range = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let range = asked.range.map(|from| format!(" from {from}")).unwrap_or_default();
    shared.requests.lock().expect("no thread panicked").push(format!("{}{range}", asked.path));
    Ok(Some(asked))
}

/// Answers; false when the connection is to be closed.
fn answer(
    asked: &Asked,
    writer: &mut TcpStream,
    reader: &mut BufReader<TcpStream>,
    shared: &Shared,
) -> std::io::Result<bool> {
    let fault = take_fault(shared, &asked.path);
    match &fault {
        Some(Fault::Missing) => return plain(writer, "404 Not Found", ""),
        Some(Fault::Broken) => return plain(writer, "500 Internal Server Error", ""),
        Some(Fault::Busy(seconds)) => {
            return plain(writer, "429 Too Many Requests", &format!("Retry-After: {seconds}\r\n"));
        }
        Some(Fault::Moved(to)) => return plain(writer, "302 Found", &format!("Location: {to}\r\n")),
        Some(Fault::Hang) => {
            while line(reader, shared)?.is_some() {}
            return Ok(false);
        }
        _ => {}
    }
    let Some(bytes) = find(shared, &asked.path) else { return plain(writer, "404 Not Found", "") };
    let mut bytes = bytes.to_vec();
    let tag = format!("\"{}\"", rbld_lang::digest::Digest::of(&bytes).short());
    if let Some(Fault::Tampered) = fault
        && !bytes.is_empty()
    {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let same = asked.if_range.as_ref().is_none_or(|wanted| *wanted == tag);
    let from = asked.range.filter(|_| same && !matches!(fault, Some(Fault::Whole)));
    let head = match from {
        Some(from) if from >= bytes.len() => return plain(writer, "416 Range Not Satisfiable", ""),
        Some(from) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\n",
            bytes.len() - 1,
            bytes.len()
        ),
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    let body = &bytes[from.unwrap_or(0)..];
    write!(writer, "{head}ETag: {tag}\r\nContent-Length: {}\r\n\r\n", body.len())?;
    if let Some(Fault::Cut(after)) = fault {
        writer.write_all(&body[..after.min(body.len())])?;
        return Ok(false);
    }
    writer.write_all(body)?;
    Ok(true)
}

fn plain(writer: &mut TcpStream, status: &str, headers: &str) -> std::io::Result<bool> {
    write!(writer, "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n")?;
    Ok(true)
}

fn take_fault(shared: &Shared, path: &str) -> Option<Fault> {
    let mut faults = shared.faults.lock().expect("no thread panicked");
    let (_, fault, left) =
        faults.iter_mut().find(|(end, _, left)| *left > 0 && path.ends_with(end.as_str()))?;
    if *left != usize::MAX {
        *left -= 1;
    }
    Some(fault.clone())
}

/// The bytes at `/archive/NAME/INSTANT/PATH`: put there by a test, kept from before, or the mirror's.
fn find(shared: &Shared, path: &str) -> Option<Arc<Vec<u8>>> {
    if path.starts_with("/mr/") {
        return shared.files.lock().expect("no thread panicked").get(&path[1..]).cloned();
    }
    let rest = path.strip_prefix("/archive/")?;
    let (archive, rest) = rest.split_once('/')?;
    let (instant, below) = rest.split_once('/')?;
    if below.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return None;
    }
    let name = format!("{archive}/{below}");
    let then = format!("{archive}@{instant}/{below}");
    let files = shared.files.lock().expect("no thread panicked");
    if let Some(bytes) = files.get(&then).or_else(|| files.get(&name)) {
        return Some(bytes.clone());
    }
    drop(files);
    if archive != "debian" {
        return None;
    }
    let lasting = below.starts_with("pool/") || below.contains("/by-hash/");
    let kept = shared.cache.join(&name);
    if lasting && let Ok(bytes) = std::fs::read(&kept) {
        return Some(Arc::new(bytes));
    }
    let bytes = shared.http.get(&format!("{}/{below}", shared.upstream.as_ref()?), LARGEST).ok()?;
    if lasting {
        keep(&kept, &bytes);
    } else {
        shared.files.lock().expect("no thread panicked").insert(name, Arc::new(bytes.clone()));
    }
    Some(Arc::new(bytes))
}

fn keep(path: &Path, bytes: &[u8]) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let Some(folder) = path.parent() else { return };
    let part = folder.join(format!(".part-{}-{number}", std::process::id()));
    let kept = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&part, bytes))
        .and_then(|()| std::fs::rename(&part, path));
    if kept.is_err() {
        let _ = std::fs::remove_file(&part);
    }
}

fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = path
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
