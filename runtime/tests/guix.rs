//! Locking and fetching store items against a real Guix: Debian sid's daemon and `guix publish`, started here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/guix.rs"]
mod guix;
#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use guix::Peer;
use rbld::failure::{Kind, Result};
use rbld::fetch::guix::realise::{self, Tools};
use rbld::fetch::guix::{Acl, Item, Servers, StorePath, closure, resolve};
use rbld::fetch::http::{Http, Patience};
use rbld::progress::Progress;
use rbld::store::Store;
use rbld::store::tree::{Folder, Node};
use rbld_lang::derivation::Arch;
use rbld_lang::digest::Digest;
use rbld_lang::lock::{Channel, Request};

/// One for all tests; it ends with this process.
static PEER: LazyLock<Peer> = LazyLock::new(|| Peer::serving("items.scm"));

struct Place {
    home: tempfile::TempDir,
    store: Store,
    http: Http,
}

impl Place {
    fn new() -> Place {
        let patience = Patience {
            stall: Duration::from_millis(1500),
            tries: 2,
            pause: Duration::from_millis(1),
            ..Patience::default()
        };
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        Place { home, store, http: Http::with_patience(false, patience).unwrap() }
    }

    fn lock(&self, servers: &[&str], name: &str, acl: &Acl) -> Result<Vec<Item>> {
        closure::lock(&self.http, &these(servers), &[item(name)], acl)
    }

    fn realise(&self, items: &[Item], servers: &[&str]) -> Result<Folder> {
        let (servers, progress) = (these(servers), Progress::silent());
        let vendored = &rbld::fetch::vendored::Vendored::default();
        let tools =
            Tools { store: &self.store, servers: &servers, vendored, http: &self.http, progress: &progress };
        realise::closure(items, "guix", tools)
    }

    /// A mirror of what a server has, as a folder: each narinfo and each nar that it names.
    fn mirror(&self, server: &str, names: &[&str]) -> String {
        let folder = self.home.path().join("mirror");
        let keep = |path: &str, bytes: &[u8]| {
            let file = folder.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        };
        for name in names {
            let narinfo = format!("{}.narinfo", item(name).hash());
            let text = self.http.get(&format!("{server}/{narinfo}"), 1 << 20).unwrap();
            keep(&narinfo, &text);
            for url in String::from_utf8(text).unwrap().lines().filter_map(|line| line.strip_prefix("URL: "))
            {
                keep(url, &self.http.get(&format!("{server}/{url}"), 1 << 20).unwrap());
            }
        }
        format!("file://{}", folder.display())
    }
}

fn these(servers: &[&str]) -> Servers {
    Servers::new(&servers.iter().map(|server| (*server).to_owned()).collect::<Vec<_>>())
}

fn item(name: &str) -> StorePath {
    PEER.items[name].parse().unwrap()
}

fn acl() -> Acl {
    Acl::parse(&std::fs::read_to_string(&PEER.key).unwrap()).unwrap()
}

fn greeting(folder: &Folder) -> Option<&Node> {
    folder.get(&format!("{}/share/greeting", item("leaf-1.0").name()))
}

#[test]
fn in_each_compression_the_same_trees() {
    let mut found = Vec::new();
    for (compression, server) in &PEER.servers {
        let place = Place::new();
        let items = place.lock(&[server], "top-1.0", &acl()).unwrap();
        assert_eq!(items.len(), 3, "{compression}");
        let folder = place.realise(&items, &[server]).unwrap();
        assert!(
            matches!(greeting(&folder), Some(Node::File { digest, .. }) if *digest == Digest::of(b"hello\n")),
            "{compression}: {folder:?}"
        );
        assert!(matches!(folder.get(item("mid-1.0").name()), Some(Node::File { .. })));
        found.push((items, folder.digest()));
    }
    assert_eq!(found.len(), 4);
    found.dedup();
    assert_eq!(found.len(), 1);
}

#[test]
fn the_server_of_a_tampered_nar_is_named_and_the_next_one_asked() {
    let place = Place::new();
    let server = &PEER.servers["zstd"];
    let mirror = place.mirror(server, &["tampered-1.0"]);
    let items = place.lock(&[server], "tampered-1.0", &acl()).unwrap();
    // The server knows the digest of what was built, and sends what is there now.
    let file = PEER.store.join(item("tampered-1.0").name()).join("data");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&file, "as it was wanted\n").unwrap();
    let failure = place.realise(&items, &[server]).unwrap_err();
    assert_eq!((failure.kind, failure.exit_code()), (Kind::World, 4));
    assert!(failure.message.contains(&PEER.items["tampered-1.0"]), "{failure}");
    assert!(failure.facts.iter().any(|fact| fact.starts_with(server.as_str())), "{failure}");
    let folder = place.realise(&items, &[server, &mirror]).unwrap();
    let data = folder.get(&format!("{}/data", item("tampered-1.0").name())).unwrap();
    assert!(
        matches!(data, Node::File { digest, .. } if *digest == Digest::of(b"as it was built\n")),
        "{data:?}"
    );
}

#[test]
fn only_what_a_known_key_signed_is_locked() {
    let place = Place::new();
    let server = &PEER.servers["gzip"];
    let stranger = place.lock(&[server], "leaf-1.0", &Acl::builtin().unwrap()).unwrap_err();
    assert_eq!(stranger.exit_code(), 4);
    assert!(stranger.to_string().contains("is signed by a key that isn't believed"), "{stranger}");
    // Another size of another nar, with the signature that the server made for the right one.
    let mirror = place.mirror(server, &["leaf-1.0"]);
    let file = place.home.path().join("mirror").join(format!("{}.narinfo", item("leaf-1.0").hash()));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("NarSize: ", "NarSize: 1")).unwrap();
    let altered = place.lock(&[&mirror], "leaf-1.0", &acl()).unwrap_err();
    assert!(altered.to_string().contains("was altered after it was signed"), "{altered}");
    assert_eq!(place.lock(&[&mirror, server], "leaf-1.0", &acl()).unwrap().len(), 1);
}

#[test]
fn a_missing_reference_names_who_refers_to_it() {
    let place = Place::new();
    let server = &PEER.servers["lzip"];
    let mirror = place.mirror(server, &["top-1.0", "leaf-1.0"]);
    let missing = place.lock(&[&mirror], "top-1.0", &acl()).unwrap_err();
    assert_eq!(missing.message, format!("no server has the store item `{}`", PEER.items["mid-1.0"]));
    assert_eq!(missing.facts[0], format!("`{}` refers to it", PEER.items["top-1.0"]));
    assert!(missing.facts[1].starts_with(&mirror), "{missing}");
    // What the first lost, the second has; and the other way round.
    let items = place.lock(&[&mirror, server], "top-1.0", &acl()).unwrap();
    assert_eq!(items, place.lock(&[server, &mirror], "top-1.0", &acl()).unwrap());
    let folder = place.realise(&items, &[&mirror, server]).unwrap();
    assert_eq!(folder.entries.len(), 3);
    // All of it is in the store now: nobody is asked.
    assert_eq!(place.realise(&items, &[]).unwrap(), folder);
}

#[test]
fn a_server_that_hangs_is_asked_once() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        let held: Vec<_> =
            listener.incoming().inspect(|_| _ = count.fetch_add(1, Ordering::Relaxed)).collect();
        drop(held);
    });
    let server = &PEER.servers["zstd"];
    let items = place.lock(&[&hanging, server], "top-1.0", &acl()).unwrap();
    assert_eq!((items.len(), asked.load(Ordering::Relaxed)), (3, 1));
    assert_eq!(place.realise(&items, &[&hanging, server]).unwrap().entries.len(), 3);
    let alone = place.lock(&[&hanging], "top-1.0", &acl()).unwrap_err();
    assert!(alone.to_string().contains("sent nothing for 1.5 s"), "{alone}");
}

#[test]
fn what_a_server_never_had_is_missing() {
    let place = Place::new();
    let path: StorePath = "/gnu/store/00000000000000000000000000000000-none-1.0".parse().unwrap();
    let servers = these(&[&PEER.servers["gzip"]]);
    let missing = closure::lock(&place.http, &servers, &[path], &acl()).unwrap_err();
    assert!(missing.message.starts_with("no server has the store item"), "{missing}");
    assert!(Path::new(&PEER.key).exists());
}

#[test]
fn a_package_that_no_server_built_is_not_locked() {
    let place = Place::new();
    let (servers, acl, progress) = (these(&[&PEER.servers["gzip"]]), acl(), Progress::silent());
    let guix = Channel {
        name: "guix".to_owned(),
        commit: "136fc8bfe91a64d28b6c54cf8f5930ffe787c16e".to_owned(),
        url: None,
        branch: None,
        introduction: None,
    };
    // This Guix knows `hello`, as every Guix does; nothing of it was ever built here.
    let request = Request::Guix {
        arch: Arch::Arm64,
        channels: vec![guix],
        packages: vec!["hello".to_owned()],
        items: Vec::new(),
    };
    let program = PEER.program.to_str();
    let sources =
        resolve::Sources { http: &place.http, servers: &servers, acl: &acl, program, progress: &progress };
    let failure = resolve::resolve(&request, sources).unwrap_err();
    assert!(failure.message.starts_with("no server has the store item `/gnu/store/"), "{failure}");
    assert!(failure.message.contains("-hello-2."), "{failure}");
    assert!(failure.facts.iter().any(|fact| fact.starts_with("what no server built yet")), "{failure}");
}
