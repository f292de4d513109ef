//! `rbld mirror serve`: a vendored folder over HTTP, read-only, for a team.
//!
//! Serves the manifest and the files under `objects/`, by their digests alone, and nothing else of the machine. Whoever
//! takes something checks it, so there is nothing to keep secret from those who can reach it and nothing to trust it with.

mod io;
mod reply;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::failure::{Doing, Failure, Result};
use crate::fetch::vendored::manifest::{self, Manifest};
use reply::Folder;

/// How many clients are served at once; more of them wait.
const CONNECTIONS: usize = 256;

/// How long a client may take for a request's head, or be silent between two.
const HEAD: Duration = Duration::from_secs(30);

/// How long a connection may move no byte.
const STALL: Duration = Duration::from_secs(60);

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    folder: Arc<Folder>,
    runtime: tokio::runtime::Runtime,
    stall: Duration,
}

impl Server {
    /// Opens a vendored folder and listens at an address; port 0 is any that is free.
    pub fn open(folder: &Path, listen: SocketAddr) -> Result<Server> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("rbld-mirror")
            .enable_all()
            .build()
            .doing(|| "start the threads that serve")?;
        let folder = Arc::new(Folder::open(folder)?);
        let listener = runtime.block_on(TcpListener::bind(listen)).map_err(|error| {
            Failure::io(format!("listen at {listen}"), &error)
                .help("name another address: `--listen 127.0.0.1:PORT`; port 0 takes one that is free")
        })?;
        let address = listener.local_addr().doing(|| "find the address")?;
        Ok(Server { listener, address, folder, runtime, stall: STALL })
    }

    /// Calls something that needs the server's threads, such as listening for a signal.
    pub fn enter<T>(&self, what: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        what()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves, as it is now.
    pub fn manifest(&self) -> Result<Manifest> {
        let bytes = self.folder.manifest().doing(|| format!("read `{}`", manifest::NAME))?;
        let wrong = |what: String| {
            Failure::world(format!("`{}` can't be read", manifest::NAME))
                .fact(what)
                .help("write the folder again by `rbld vendor`")
        };
        let text = String::from_utf8(bytes).map_err(|_| wrong("it isn't UTF-8".to_owned()))?;
        Manifest::parse(&text).map_err(|(line, what)| wrong(format!("line {line}: {what}")))
    }

    /// Serves until `stop` is done; then what was begun is finished, unless that is done once more.
    pub fn run<F: Future<Output = ()>>(self, stop: impl Fn() -> F) {
        let Server { listener, folder, runtime, stall, .. } = self;
        runtime.block_on(async {
            let (stopping, _) = watch::channel(false);
            let mut clients = JoinSet::new();
            let places = Arc::new(Semaphore::new(CONNECTIONS));
            let mut stopped = std::pin::pin!(stop());
            loop {
                while clients.try_join_next().is_some() {}
                let place = tokio::select! {
                    () = &mut stopped => break,
                    place = places.clone().acquire_owned() => place,
                };
                let accepted = tokio::select! {
                    () = &mut stopped => break,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, _)) = accepted else {
                    // Too many files are open, perhaps: others end meanwhile.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (folder, stopping) = (folder.clone(), stopping.subscribe());
                clients.spawn(async move {
                    client(stream, folder, stopping, stall).await;
                    drop(place);
                });
            }
            drop(listener);
            stopping.send_replace(true);
            tokio::select! {
                () = async { while clients.join_next().await.is_some() {} } => {}
                () = stop() => {}
            }
        });
        runtime.shutdown_background();
    }
}

async fn client(
    stream: tokio::net::TcpStream,
    folder: Arc<Folder>,
    mut stopping: watch::Receiver<bool>,
    stall: Duration,
) {
    let _ = stream.set_nodelay(true);
    let serve = service_fn(move |request| {
        let folder = folder.clone();
        async move { Ok::<_, Infallible>(folder.answer(&request).await) }
    });
    let stream = TokioIo::new(io::Patient::new(stream, stall));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(16 << 10)
        .serve_connection(stream, serve);
    let mut connection = std::pin::pin!(connection);
    let stopped = async { _ = stopping.wait_for(|stopping| *stopping).await };
    // However it ends is the client's matter.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
