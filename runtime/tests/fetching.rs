//! Fetching against a server that does wrong: what comes is right, or the failure says what was tried.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/snapshot.rs"]
mod snapshot;

use std::time::Duration;

use rbld::failure::Kind;
use rbld::fetch::http::{Expected, Http, Patience};
use rbld::progress::{Progress, Step};
use rbld::store::Store;
use rbld_lang::digest::Digest;
use snapshot::{Fault, Snapshot};

fn hasty() -> Http {
    let patience = Patience {
        connect: Duration::from_secs(5),
        stall: Duration::from_millis(400),
        tries: 3,
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_secs(2),
    };
    Http::with_patience(false, patience).unwrap()
}

struct Place {
    folder: tempfile::TempDir,
    server: Snapshot,
    bytes: Vec<u8>,
}

impl Place {
    /// A server with one file of a megabyte at two paths.
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let server = Snapshot::start(folder.path());
        let bytes: Vec<u8> =
            (0..1_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        server.put("debian/a", bytes.clone());
        server.put("debian/b", bytes.clone());
        Place { folder, server, bytes }
    }

    fn urls(&self, names: &[&str]) -> Vec<String> {
        names
            .iter()
            .map(|name| format!("{}/archive/debian/20200101T000000Z/{name}", self.server.url))
            .collect()
    }

    fn expect(&self) -> Expected {
        Expected { digest: Digest::of(&self.bytes), size: Some(self.bytes.len() as u64) }
    }

    fn fetch(&self, names: &[&str]) -> Result<Vec<u8>, String> {
        hasty().fetch_bytes(&self.urls(names), self.expect(), None).map_err(|failure| failure.to_string())
    }
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let place = Place::new();
    place.server.fault("/a", Fault::Cut(300_000), 1);
    assert!(place.fetch(&["a"]).unwrap() == place.bytes);
    let requests = place.server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].contains(" from "), "{requests:?}");
}

#[test]
fn the_rest_comes_from_another_place() {
    let place = Place::new();
    place.server.fault("/a", Fault::Cut(300_000), 0);
    assert!(place.fetch(&["a", "b"]).unwrap() == place.bytes);
    assert!(place.server.requests().last().unwrap().contains("/b from "));
}

#[test]
fn a_download_ends_in_the_store_only_when_it_is_right() {
    let place = Place::new();
    let store = Store::open(&place.folder.path().join("store")).unwrap();
    let task = Progress::silent().begin(Step::Fetch, "a");
    place.server.fault("/a", Fault::Tampered, 1);
    let batch = store.batch().unwrap();
    assert!(hasty().download(&place.urls(&["a"]), place.expect(), &batch, &task).is_err());
    place.server.fault("/a", Fault::Cut(300_000), 1);
    let blob = hasty().download(&place.urls(&["a"]), place.expect(), &batch, &task).unwrap();
    batch.commit(&[]).unwrap();
    assert_eq!(blob.digest, place.expect().digest);
    assert!(store.read_blob(blob.digest, blob.size).unwrap() == place.bytes);
}

#[test]
fn a_server_that_sends_all_again_is_understood() {
    let place = Place::new();
    place.server.fault("/a", Fault::Cut(300_000), 1);
    place.server.fault("/a", Fault::Whole, 1);
    assert!(place.fetch(&["a"]).unwrap() == place.bytes);
}

#[test]
fn a_wrong_byte_is_named_and_the_next_place_asked() {
    let place = Place::new();
    place.server.fault("/a", Fault::Tampered, 0);
    assert!(place.fetch(&["a", "b"]).unwrap() == place.bytes);
    place.server.fault("/b", Fault::Tampered, 0);
    let failure = place.fetch(&["a", "b"]).unwrap_err();
    assert!(failure.contains(&format!("expected sha256 {}, found ", Digest::of(&place.bytes))), "{failure}");
    assert!(failure.contains("/a: ") && failure.contains("/b: "), "{failure}");
    place.server.heal();
    place.server.fault("/a", Fault::Cut(300_000), 0);
    place.server.fault("/b", Fault::Tampered, 1);
    assert!(place.fetch(&["a", "b"]).unwrap() == place.bytes);
}

#[test]
fn a_silent_server_is_left() {
    let place = Place::new();
    place.server.fault("/a", Fault::Hang, 0);
    assert!(place.fetch(&["a", "b"]).unwrap() == place.bytes);
    let failure = place.fetch(&["a"]).unwrap_err();
    assert!(failure.contains("sent nothing for 0.4 s"), "{failure}");
}

#[test]
fn a_stopped_client_waits_for_nothing() {
    let place = Place::new();
    place.server.fault("/a", Fault::Hang, 0);
    let http = Http::new(false).unwrap();
    let url = place.urls(&["a"]).remove(0);
    let failure = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| http.get(&url, 5000).unwrap_err());
        while place.server.requests().is_empty() {
            std::thread::yield_now();
        }
        http.stop(2);
        waiting.join().unwrap()
    });
    assert_eq!(failure.kind, Kind::Interrupted(2));
    assert!(http.get(&place.urls(&["b"])[0], 2_000_000).is_err());
}

#[test]
fn a_busy_server_is_given_its_time_within_reason() {
    let place = Place::new();
    place.server.fault("/a", Fault::Busy(0), 2);
    assert!(place.fetch(&["a"]).unwrap() == place.bytes);
    place.server.fault("/a", Fault::Busy(100_000), 0);
    let failure = place.fetch(&["a"]).unwrap_err();
    assert!(failure.contains("429") && failure.contains("asks to wait 100000 s"), "{failure}");
    assert!(place.fetch(&["a", "b"]).unwrap() == place.bytes);
    place.server.heal();
    place.server.fault("/a", Fault::Broken, 2);
    assert!(place.fetch(&["a"]).unwrap() == place.bytes);
}

#[test]
fn what_is_missing_is_asked_elsewhere_at_once() {
    let place = Place::new();
    assert!(place.fetch(&["nowhere", "b"]).unwrap() == place.bytes);
    assert_eq!(place.server.requests().len(), 2);
    let failure = place.fetch(&["nowhere"]).unwrap_err();
    assert!(failure.contains("404") && failure.contains("help: "), "{failure}");
}

#[test]
fn a_wrong_length_is_refused() {
    let place = Place::new();
    let short = Expected { size: Some(10), ..place.expect() };
    let failure = hasty().fetch_bytes(&place.urls(&["a"]), short, None).unwrap_err().to_string();
    assert!(failure.contains("has 1000000 bytes instead of 10"), "{failure}");
    let failure = hasty().get(&place.urls(&["a"])[0], 5000).unwrap_err().to_string();
    assert!(failure.contains("more than 5000"), "{failure}");
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let place = Place::new();
    place.server.fault("/a", Fault::Moved(place.urls(&["b"]).remove(0)), 0);
    assert!(place.fetch(&["a"]).unwrap() == place.bytes);
    place.server.fault("/c", Fault::Moved(place.urls(&["c"]).remove(0)), 0);
    let failure = place.fetch(&["c"]).unwrap_err();
    assert!(failure.contains("redirect"), "{failure}");
}

#[test]
fn files_of_this_machine_and_offline() {
    let place = Place::new();
    let path = place.folder.path().join("a file");
    std::fs::write(&path, &place.bytes).unwrap();
    let url = reqwest::Url::from_file_path(&path).unwrap().to_string();
    let offline = Http::with_patience(true, Patience::default()).unwrap();
    assert!(offline.fetch_bytes(std::slice::from_ref(&url), place.expect(), None).unwrap() == place.bytes);
    let failure = offline.get(&place.urls(&["a"])[0], 5000).unwrap_err().to_string();
    assert!(failure.contains("--offline"), "{failure}");
    std::fs::write(&path, b"x").unwrap();
    let urls = [url, place.urls(&["a"]).remove(0)];
    assert!(hasty().fetch_bytes(&urls, place.expect(), None).unwrap() == place.bytes);
    for wrong in ["ftp://x/y", "file:relative", "no url", "http://127.0.0.1:1/x", "file:///"] {
        assert!(hasty().get(wrong, 10).is_err(), "{wrong}");
    }
}
