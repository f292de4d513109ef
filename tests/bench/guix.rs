//! Locks and fetches a closure of store items into a new store: for timing, beside `sha256sum` (tests/bench/guix.sh).
//!
//! `guix STORE SERVER KEY ITEM` prints what it took.

#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::path::Path;
use std::time::Instant;

use rbld::failure::{Doing, Failure, Result};
use rbld::fetch::guix::realise::{self, Tools};
use rbld::fetch::guix::{Acl, Servers, closure};
use rbld::fetch::http::Http;
use rbld::fetch::vendored::Vendored;
use rbld::progress::Progress;
use rbld::store::Store;

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, server, key, item] = &arguments[..] else {
        return Err(Failure::input("usage: guix STORE SERVER KEY ITEM"));
    };
    let store = Store::open(Path::new(store))?;
    let http = Http::new(false)?;
    let servers = Servers::new(std::slice::from_ref(server));
    let acl =
        Acl::parse(&std::fs::read_to_string(key).doing(|| format!("read {key}"))?).map_err(Failure::input)?;
    let begun = Instant::now();
    let items = closure::lock(&http, &servers, &[item.parse().map_err(Failure::input)?], &acl)?;
    let bytes: u64 = items.iter().map(|item| item.nar_size).sum();
    println!("lock    {:5.2} s, {} items, {bytes} bytes", begun.elapsed().as_secs_f64(), items.len());
    let begun = Instant::now();
    let progress = Progress::silent();
    let vendored = &Vendored::default();
    let tools = Tools { store: &store, servers: &servers, vendored, http: &http, progress: &progress };
    let folder = realise::closure(&items, "closure", tools)?;
    println!("fetch   {:5.2} s, tree {}", begun.elapsed().as_secs_f64(), folder.digest());
    Ok(())
}

fn main() {
    if let Err(failure) = run() {
        println!("{failure}");
        std::process::exit(failure.exit_code());
    }
}
