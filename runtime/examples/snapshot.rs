//! Runs the tests' snapshot server until its input ends: `cargo run --example snapshot FOLDER`.

#[path = "../../tests/harness/snapshot.rs"]
mod snapshot;

#[expect(clippy::print_stdout, reason = "saying where it listens is what it does")]
fn main() {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "snapshot-cache".into());
    let server = snapshot::Snapshot::start(std::path::Path::new(&folder));
    println!("{}", server.base("debian"));
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
