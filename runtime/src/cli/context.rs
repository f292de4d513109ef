//! What every command that realises something needs: settings, store, network, executor,
//! progress, and the signals that stop it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::args::Running;
use super::project::Project;
use crate::config::Config;
use crate::executor::Cancel;
use crate::failure::{Doing, Failure, Result};
use crate::fetch::http::Http;
use crate::fetch::mirrors::Mirrors;
use crate::fetch::vendored::Vendored;
use crate::progress::Progress;
use crate::schedule::{Options, World};
use crate::store::Store;

/// Opens the store that the command line, the environment or the user's folder names.
pub(super) fn store(named: Option<&Path>) -> Result<Store> {
    Store::open(&store_root(named)?)
}

/// Where that store is, or would be.
pub(super) fn store_root(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(root) => std::path::absolute(root).doing(|| format!("find `{}`", root.display())),
        None => Store::default_root(),
    }
}

/// The cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The world of a run.
pub(super) fn world(
    project: &Project,
    store: Store,
    running: &Running,
    progress: Progress,
) -> Result<Arc<World>> {
    let config = Config::load(Some(&project.root))?;
    let cancel = Cancel::new()?;
    let signal = Arc::new(AtomicI32::new(2));
    let http = Arc::new(Mutex::new(None));
    let mirrors = Mirrors::from_machine(&config).from_vendored(&running.from)?;
    stop_on_signals(cancel.clone(), signal.clone(), http.clone(), mirrors.vendored().clone())?;
    Ok(Arc::new(World {
        http,
        executor: Box::new(crate::executor::Embedded::new()),
        mirrors,
        store,
        project: project.root.clone(),
        progress,
        cancel,
        signal,
        offline: running.offline,
        keep_failed: running.keep_failed,
        cores: cores(),
        names: project.names(),
    }))
}

/// The instant that counts as now, taken once: what the command line says, else `RBLD_NOW`, else the clock.
pub(super) fn now(running: &Running) -> Result<i64> {
    if let Some(now) = running.now {
        return Ok(now);
    }
    match std::env::var("RBLD_NOW") {
        Ok(text) => super::args::instant(&text)
            .map_err(|why| Failure::input(format!("`RBLD_NOW` is no instant: `{text}`")).help(why)),
        Err(std::env::VarError::NotPresent) => Ok(super::lock::now()),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::input("`RBLD_NOW` is no instant")
            .help("it is written as in `2027-01-31T00:00:00Z`, in UTC")),
    }
}

/// The options of a run.
pub(super) fn options(project: &Project, running: &Running) -> Result<Options> {
    let config = Config::load(Some(&project.root))?;
    let jobs = running.jobs.map(usize::from).or(config.jobs).unwrap_or_else(cores);
    Ok(Options { jobs, fail_fast: running.fail_fast })
}

/// Ctrl-C and SIGTERM end the run in order; a second one ends it at once.
fn stop_on_signals(
    cancel: Cancel,
    which: Arc<AtomicI32>,
    http: Arc<Mutex<Option<Http>>>,
    vendored: Vendored,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("listen for signals", &error))?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                use tokio::signal::unix::{SignalKind, signal};
                let (Ok(mut interrupt), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                let mut stopping = false;
                loop {
                    let number = tokio::select! {
                        _ = interrupt.recv() => 2,
                        _ = terminate.recv() => 15,
                    };
                    if stopping {
                        std::process::exit(128 + number);
                    }
                    stopping = true;
                    which.store(number, Ordering::SeqCst);
                    cancel.set();
                    // A client made after this is asked for nothing: every node looks at `cancel` first.
                    if let Some(http) = &*http.lock().unwrap_or_else(PoisonError::into_inner) {
                        http.stop(number);
                    }
                    vendored.stop(number);
                }
            });
        })
        .map_err(|error| Failure::io("listen for signals", &error))?;
    Ok(())
}

/// The names of derivations as a person knows them, or a short id.
pub(super) fn name_of(
    names: &BTreeMap<rbld_lang::derivation::DerivationId, String>,
    id: rbld_lang::derivation::DerivationId,
) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.0.short())
}
