//! `rbld mirror serve`: a vendored folder for a team.

use std::net::SocketAddr;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use super::args::MirrorCommand;
use super::check::plural;
use super::output;
use crate::display;
use crate::failure::{Failure, Result};
use crate::mirror::Server;

/// Runs one of the mirror's commands.
pub(super) fn run(command: &MirrorCommand) -> Result<i32> {
    match command {
        MirrorCommand::Serve { folder, listen } => serve(folder, *listen),
    }
}

fn serve(folder: &Path, listen: SocketAddr) -> Result<i32> {
    let server = Server::open(folder, listen)?;
    let (files, bytes) = server.manifest()?.total;
    let signals = server.enter(|| {
        Ok::<_, std::io::Error>((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    });
    let signals = signals.map_err(|error| Failure::io("listen for signals", &error))?;
    let address = server.address();
    output::line(&format!(
        "serving {}: {}, {}",
        folder.display(),
        plural(files as usize, "file"),
        display::size(bytes)
    ));
    let host = if address.ip().is_unspecified() { "THIS-MACHINE".to_owned() } else { host(address) };
    output::line(&format!("  rbld check --from http://{host}:{}", address.port()));
    if !address.ip().is_loopback() {
        output::note("note: whoever reaches this address may read it; what is taken is checked by digest");
    }
    output::note("Ctrl-C ends it, once what is under way has been sent");
    let signals = Mutex::new(signals);
    server.run(|| async {
        let (interrupt, terminate): &mut (Signal, Signal) = &mut *signals.lock().await;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    Ok(0)
}

fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}
