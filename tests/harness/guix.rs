//! A real Guix for tests: Debian sid's, its daemon and `guix publish` on loopback, started by `tests/guix/peer.sh`.
//!
//! It stops when the test's process ends. Its packages are kept below the target folder.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::tools::Tool;

/// A running Guix.
pub(crate) struct Peer {
    /// Built items by name: `/gnu/store/HASH-NAME`.
    pub(crate) items: BTreeMap<String, String>,
    /// Servers of the same items by the one compression that each offers.
    pub(crate) servers: BTreeMap<String, String>,
    /// The public key that the servers sign with.
    pub(crate) key: PathBuf,
    /// A program that answers as this Guix, whatever commit it is asked to be at.
    pub(crate) program: PathBuf,
    /// The folder that is its `/gnu/store`.
    pub(crate) store: PathBuf,
    /// Its standard input: it ends when this is closed.
    _child: Child,
}

impl Peer {
    /// Starts it with what a file of `tests/guix` builds, which takes some seconds, or a minute when its packages have
    /// to be fetched.
    pub(crate) fn serving(items: &str) -> Peer {
        let bwrap = Tool::find("usr/bin/bwrap", "bubblewrap");
        let target = std::env::current_exe().expect("a test has a path");
        let kept = target.ancestors().nth(2).expect("a test lies in the target folder").join("guix-peer");
        let work = kept.join(format!("work.{}", std::process::id()));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guix");
        let mut child = Command::new(folder.join("peer.sh"))
            .args([&kept, &work, &folder.join(items)])
            .env("BWRAP", &bwrap.program)
            .env("WORK_TEMPORARY", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/guix/peer.sh can be run");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut peer = Peer {
            items: BTreeMap::new(),
            servers: BTreeMap::new(),
            key: PathBuf::new(),
            program: PathBuf::new(),
            store: work.join("gnu/store"),
            _child: child,
        };
        for line in output.lines() {
            let line = line.expect("its output is text");
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["item", name, path] => drop(peer.items.insert(name.to_owned(), path.to_owned())),
                ["server", how, url] => drop(peer.servers.insert(how.to_owned(), url.to_owned())),
                ["key", file] => peer.key = PathBuf::from(file),
                ["guix", file] => peer.program = PathBuf::from(file),
                ["ready"] => return peer,
                _ => panic!("tests/guix/peer.sh says `{line}`"),
            }
        }
        panic!("tests/guix/peer.sh ended before it was ready");
    }
}
