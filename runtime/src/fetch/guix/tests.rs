//! Against what a real `guix publish` (Guix 1.5.0 of Debian) served, kept in `fixtures`; and against bytes that nobody
//! should serve.

mod hostile;

use std::path::Path;

use super::closure::{self, Item};
use super::narinfo::{self, Compression};
use super::realise::{self, Tools};
use super::sexp;
use super::signature;
use super::{Acl, Servers, StorePath, nar, path};
use crate::failure::{Failure, Kind};
use crate::fetch::http::Http;
use crate::fetch::vendored::Vendored;
use crate::progress::Progress;
use crate::store::Store;
use crate::store::tree::{Folder, Node};

const LEAF: &str = include_str!("fixtures/leaf.narinfo");
const MID: &str = include_str!("fixtures/mid.narinfo");
const TOP: &str = include_str!("fixtures/top.narinfo");
const KEY: &str = include_str!("fixtures/signing-key.pub");
const LEAF_NAR: &[u8] = include_bytes!("fixtures/leaf.nar");
const MID_NAR: &[u8] = include_bytes!("fixtures/mid.nar");
const TOP_NAR: &[u8] = include_bytes!("fixtures/top.nar");

/// What one of these servers offers of the leaf.
const PACKED: [(Compression, &str, &[u8]); 3] = [
    (Compression::Lzip, "lzip", include_bytes!("fixtures/leaf.nar.lzip")),
    (Compression::Gzip, "gzip", include_bytes!("fixtures/leaf.nar.gzip")),
    (Compression::Zstd, "zstd", include_bytes!("fixtures/leaf.nar.zstd")),
];

fn acl() -> Acl {
    Acl::parse(KEY).unwrap()
}

/// A folder that serves, and a store.
struct Place {
    home: tempfile::TempDir,
    store: Store,
    http: Http,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        Place { home, store, http: Http::new(true).unwrap() }
    }

    fn base(&self, server: &str) -> String {
        format!("file://{}/{server}", self.home.path().display())
    }

    fn servers(&self, names: &[&str]) -> Servers {
        Servers::new(&names.iter().map(|name| self.base(name)).collect::<Vec<_>>())
    }

    /// Puts an item into a server's folder, with the one download that is named.
    fn serve(&self, server: &str, narinfo: &str, url: &str, compression: &str, nar: &[u8]) {
        let folder = self.home.path().join(server);
        let signed: String =
            narinfo.split_inclusive('\n').take_while(|line| !line.starts_with("URL")).collect();
        let path = narinfo::parse(narinfo).unwrap().path;
        let file = folder.join(url);
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(file, nar).unwrap();
        let text = format!("{signed}URL: {url}\nCompression: {compression}\n");
        std::fs::write(folder.join(format!("{}.narinfo", path.hash())), text).unwrap();
    }

    fn serve_all(&self, server: &str) {
        for (narinfo, nar, name) in [(LEAF, LEAF_NAR, "leaf"), (MID, MID_NAR, "mid"), (TOP, TOP_NAR, "top")] {
            self.serve(server, narinfo, &format!("nar/{name}"), "none", nar);
        }
    }

    fn lock(&self, servers: &[&str]) -> Result<Vec<Item>, Failure> {
        let top = narinfo::parse(TOP).unwrap().path;
        closure::lock(&self.http, &self.servers(servers), &[top], &acl())
    }

    fn realise(&self, items: &[Item], servers: &[&str]) -> Result<Folder, Failure> {
        self.realise_from(&Vendored::default(), items, servers)
    }

    fn realise_from(&self, vendored: &Vendored, items: &[Item], servers: &[&str]) -> Result<Folder, Failure> {
        let servers = self.servers(servers);
        let progress = Progress::silent();
        let tools =
            Tools { store: &self.store, servers: &servers, vendored, http: &self.http, progress: &progress };
        realise::closure(items, "test", tools)
    }
}

/// The leaf as an item.
fn leaf() -> Item {
    let narinfo = narinfo::parse(LEAF).unwrap();
    Item {
        path: narinfo.path,
        nar_hash: narinfo.nar_hash,
        nar_size: narinfo.nar_size,
        references: narinfo.references,
        signer: acl().keys()[0],
    }
}

fn lines(folder: &Folder) -> Vec<String> {
    fn add(prefix: &str, folder: &Folder, lines: &mut Vec<String>) {
        for (name, node) in &folder.entries {
            match node {
                Node::File { size, executable, .. } => {
                    lines.push(format!("{prefix}{name} {size}{}", if *executable { " x" } else { "" }));
                }
                Node::Link { target } => lines.push(format!("{prefix}{name} -> {target}")),
                Node::Folder(inner) if inner.entries.is_empty() => lines.push(format!("{prefix}{name}/")),
                Node::Folder(inner) => add(&format!("{prefix}{name}/"), inner, lines),
            }
        }
    }
    let mut all = Vec::new();
    add("", folder, &mut all);
    all
}

#[test]
fn a_vendored_nar_is_taken_before_any_server_is_asked() {
    let place = Place::new();
    let item = leaf();
    let hex = item.nar_hash.to_hex();
    let folder = place.home.path().join("vendored");
    let file = folder.join("objects").join(&hex[..2]).join(&hex[2..4]).join(&hex);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let from = || Vendored::of(&[folder.display().to_string()]);
    for (bytes, cut) in [(LEAF_NAR.len() - 9, true), (LEAF_NAR.len() / 2, false)] {
        let mut nar = LEAF_NAR.to_vec();
        match cut {
            true => nar.truncate(bytes),
            false => nar[bytes] ^= 1,
        }
        std::fs::write(&file, nar).unwrap();
        let failure = place.realise_from(&from(), std::slice::from_ref(&item), &[]).unwrap_err();
        assert!(failure.facts.iter().any(|fact| fact.starts_with(&file.display().to_string())), "{failure}");
        assert_eq!(failure.exit_code(), 4);
    }
    std::fs::remove_file(&file).unwrap();
    assert!(place.realise_from(&from(), std::slice::from_ref(&item), &[]).is_err());
    std::fs::write(&file, LEAF_NAR).unwrap();
    let found = place.realise_from(&from(), std::slice::from_ref(&item), &[]).unwrap();
    // What was unpacked is packed again to the same bytes: what `rbld vendor` writes is what was locked.
    let mut nar = Vec::new();
    let node = found.entries.values().next().unwrap();
    nar::pack(node, &|digest| place.store.open_blob(digest), &mut nar).unwrap();
    assert_eq!(nar, LEAF_NAR);
}

#[test]
fn a_narinfo_says_what_an_item_is() {
    let leaf = narinfo::parse(LEAF).unwrap();
    assert_eq!(leaf.path.to_string(), "/gnu/store/piha62pd96h19wigif9f8q0yg3yn2cnw-leaf-1.0");
    assert_eq!(leaf.nar_hash.to_hex(), rbld_lang::digest::Digest::of(LEAF_NAR).to_hex());
    assert_eq!(leaf.nar_size, LEAF_NAR.len() as u64);
    assert_eq!(leaf.references, []);
    let ways: Vec<Compression> = leaf.downloads.iter().map(|download| download.compression).collect();
    assert_eq!(ways, [Compression::Lzip, Compression::Gzip, Compression::Zstd]);
    let top = narinfo::parse(TOP).unwrap();
    assert_eq!(top.references.len(), 3);
    assert!(top.references.contains(&top.path), "it names itself");
}

#[test]
fn the_signature_of_a_real_server_holds() {
    for text in [LEAF, MID, TOP] {
        let narinfo = narinfo::parse(text).unwrap();
        assert_eq!(signature::check(&narinfo, &acl()), Ok(acl().keys()[0]));
        let stranger = signature::check(&narinfo, &Acl::builtin().unwrap()).unwrap_err();
        assert!(stranger.starts_with("is signed by a key that isn't believed: 9F6E63F8"), "{stranger}");
    }
}

/// Libgcrypt writes bytes that look like letters as a text; about one signature in three thousand has such bytes.
#[test]
fn a_number_may_be_written_as_a_text() {
    let odd = [
        include_str!("fixtures/written-as-text-732.narinfo"),
        include_str!("fixtures/written-as-text-2541.narinfo"),
    ];
    for text in odd {
        let narinfo = narinfo::parse(text).unwrap();
        assert_eq!(signature::check(&narinfo, &acl()), Ok(acl().keys()[0]));
    }
    let bytes = |text: &str| sexp::parse_one(text).unwrap().bytes();
    assert_eq!(bytes(r#""\t\x1b\"\\é""#), Some(b"\t\x1b\"\\\xe9".to_vec()));
    assert_eq!((bytes("abc"), bytes("\"\u{100}\""), bytes("()")), (Some(b"abc".to_vec()), None, None));
    assert!(sexp::parse(r#""\xé0""#).is_err() && sexp::parse(r#""\x0"#).is_err());
}

#[test]
fn what_was_altered_is_not_believed() {
    let size = LEAF.replacen("NarSize: 1232", "NarSize: 1233", 1);
    let altered = signature::check(&narinfo::parse(&size).unwrap(), &acl()).unwrap_err();
    assert_eq!(altered, "was altered after it was signed");
    // Another item's signature, made by the same key, says nothing of this one.
    let line = |text: &str| text.lines().find(|line| line.starts_with("Signature")).unwrap().to_owned();
    let swapped = LEAF.replace(&line(LEAF), &line(MID));
    assert!(signature::check(&narinfo::parse(&swapped).unwrap(), &acl()).is_err());
    let unsigned = LEAF.replace(&line(LEAF), "");
    assert_eq!(signature::check(&narinfo::parse(&unsigned).unwrap(), &acl()), Err("isn't signed".to_owned()));
    // One digit of r or s: the sum is another point.
    let value = line(LEAF).split(';').nth(2).unwrap().to_owned();
    let engine = base64::engine::general_purpose::STANDARD;
    let sexp = String::from_utf8(base64::Engine::decode(&engine, &value).unwrap()).unwrap();
    for key in ["(r #0", "(s #0"] {
        let at = sexp.find(key).unwrap() + key.len();
        let digit = if &sexp[at..=at] == "1" { "2" } else { "1" };
        let forged = format!("{}{digit}{}", &sexp[..at], &sexp[at + 1..]);
        let forged = LEAF.replace(&value, &base64::Engine::encode(&engine, forged));
        let refused = signature::check(&narinfo::parse(&forged).unwrap(), &acl()).unwrap_err();
        assert!(refused.starts_with("has a signature that the key 9F6E63F8"), "{refused}");
    }
}

#[test]
fn keys_are_read_from_what_guix_writes() {
    let builtin = Acl::builtin().unwrap();
    let names: Vec<_> = builtin.keys().iter().map(|key| key.server()).collect();
    assert_eq!(names, [Some("bordeaux.guix.gnu.org"), Some("ci.guix.gnu.org")]);
    assert_eq!(acl().keys()[0].server(), None);
    let entry = format!("(entry {KEY} (tag (guix import)))");
    assert_eq!(Acl::parse(&format!("(acl {entry})")), Ok(acl()));
    assert_eq!(Acl::parse("(acl)").unwrap().keys(), []);
    for wrong in [
        "",
        "(acl (entry (tag (guix import))))",
        "(acl (entry))",
        &KEY.replace("Ed25519", "NIST P-256"),
        &KEY.replace("#9F", "#"),
    ] {
        assert!(Acl::parse(wrong).is_err(), "{wrong}");
    }
    let other_right = format!("(acl {})", entry.replace("import", "export"));
    assert!(Acl::parse(&other_right).is_err());
    let shown = acl().keys()[0].to_string();
    assert_eq!(super::Signer::from_hex(&shown), Some(acl().keys()[0]));
}

#[test]
fn digests_in_the_alphabet_of_nix() {
    // From the tests of Nix itself.
    let digest = "ab335240fd942ab8191c5e628cd4ff3903c577bda961fb75df08e0303a00527b".parse().unwrap();
    assert_eq!(path::to_base32(digest), "0ysj00x31q08vxsznqd9pmvwa0rrzza8qqjy3hcvhallzm054cxb");
    assert_eq!(path::from_base32("0ysj00x31q08vxsznqd9pmvwa0rrzza8qqjy3hcvhallzm054cxb"), Some(digest));
    assert_eq!(path::from_base32("zysj00x31q08vxsznqd9pmvwa0rrzza8qqjy3hcvhallzm054cxb"), None);
    assert_eq!(path::from_base32("eysj00x31q08vxsznqd9pmvwa0rrzza8qqjy3hcvhallzm054cxb"), None);
    assert_eq!(path::from_base32("0"), None);
}

#[test]
fn a_nar_becomes_a_tree_in_each_compression() {
    let expected = [
        "piha62pd96h19wigif9f8q0yg3yn2cnw-leaf-1.0/bin/hello 10 x",
        "piha62pd96h19wigif9f8q0yg3yn2cnw-leaf-1.0/bin/link -> ../share/greeting",
        "piha62pd96h19wigif9f8q0yg3yn2cnw-leaf-1.0/share/empty/",
        "piha62pd96h19wigif9f8q0yg3yn2cnw-leaf-1.0/share/greeting 6",
    ];
    let mut digests = Vec::new();
    for (_, name, nar) in PACKED.into_iter().chain([(Compression::None, "none", LEAF_NAR)]) {
        let place = Place::new();
        place.serve("one", LEAF, &format!("nar/{name}/leaf"), name, nar);
        let folder = place.realise(&[leaf()], &["one"]).unwrap();
        assert_eq!(lines(&folder), expected, "{name}");
        digests.push(folder.digest());
        // Fetched once ever.
        std::fs::remove_dir_all(place.home.path().join("one")).unwrap();
        assert_eq!(place.realise(&[leaf()], &["one"]).unwrap(), folder);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn a_closure_is_locked_and_brought() {
    let place = Place::new();
    place.serve_all("one");
    let items = place.lock(&["one"]).unwrap();
    let names: Vec<&str> = items.iter().map(|item| &item.path.name()[33..]).collect();
    assert_eq!(names, ["mid-1.0", "top-1.0", "leaf-1.0"], "sorted by path");
    assert!(items.iter().all(|item| item.signer == acl().keys()[0]));
    let folder = place.realise(&items, &["one"]).unwrap();
    // An item that is a file, one that is a folder.
    let shown = lines(&folder);
    assert!(shown.contains(&"cgxyxc80303l70jcrnkvhignbj5x31si-mid-1.0 53".to_owned()), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains("top-1.0/mid -> /gnu/store/cgxyxc8")), "{shown:?}");
}

#[test]
fn what_one_server_lost_another_has() {
    let place = Place::new();
    place.serve_all("one");
    place.serve("two", MID, "nar/mid", "none", MID_NAR);
    std::fs::remove_file(place.home.path().join("one/cgxyxc80303l70jcrnkvhignbj5x31si.narinfo")).unwrap();
    let missing = place.lock(&["one"]).unwrap_err();
    assert_eq!(missing.kind, Kind::World);
    assert!(missing.message.starts_with("no server has the store item `/gnu/store/cgxyxc8"), "{missing}");
    assert!(missing.facts[0].contains("top-1.0` refers to it"), "{missing}");
    assert!(missing.facts[1].starts_with(&place.base("one")), "{missing}");
    let items = place.lock(&["one", "two"]).unwrap();
    assert_eq!(items.len(), 3);
    assert!(place.realise(&items, &["one"]).unwrap_err().to_string().contains("mid-1.0"));
    place.realise(&items, &["one", "two"]).unwrap();
}

#[test]
fn a_tampered_nar_is_named_and_the_next_server_asked() {
    let place = Place::new();
    let mut tampered = LEAF_NAR.to_vec();
    let at = tampered.windows(5).position(|bytes| bytes == b"hello").unwrap();
    tampered[at] = b'H';
    place.serve("one", LEAF, "nar/leaf", "none", &tampered);
    let failure = place.realise(&[leaf()], &["one"]).unwrap_err();
    assert_eq!(failure.exit_code(), 4);
    assert!(failure.message.contains("leaf-1.0"), "{failure}");
    assert!(
        failure.facts[1].starts_with(&format!("{}/nar/leaf: the nar isn't the one", place.base("one"))),
        "{failure}"
    );
    place.serve("two", LEAF, "nar/leaf", "none", LEAF_NAR);
    assert_eq!(place.realise(&[leaf()], &["one", "two"]).unwrap().entries.len(), 1);
}

#[test]
fn nothing_outside_a_server_is_read() {
    let place = Place::new();
    std::fs::write(place.home.path().join("secret"), LEAF_NAR).unwrap();
    for url in ["../secret", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/x", "%2e%2e/secret"] {
        place.serve("one", LEAF, "nar/leaf", "none", LEAF_NAR);
        let file = place.home.path().join("one").join(format!("{}.narinfo", leaf().path.hash()));
        let text = std::fs::read_to_string(&file).unwrap().replace("URL: nar/leaf", &format!("URL: {url}"));
        std::fs::write(&file, text).unwrap();
        let failure = place.realise(&[leaf()], &["one"]).unwrap_err();
        assert!(failure.to_string().contains("the narinfo has the URL"), "{url}: {failure}");
    }
}

#[test]
fn names_of_items() {
    let good = "/gnu/store/piha62pd96h19wigif9f8q0yg3yn2cnw-leaf-1.0".parse::<StorePath>().unwrap();
    assert_eq!(
        (good.hash(), good.name()),
        ("piha62pd96h19wigif9f8q0yg3yn2cnw", "piha62pd96h19wigif9f8q0yg3yn2cnw-leaf-1.0")
    );
    for wrong in [
        "",
        "/gnu/store",
        "piha62pd96h19wigif9f8q0yg3yn2cnw",
        "piha62pd96h19wigif9f8q0yg3yn2cnw-",
        "eiha62pd96h19wigif9f8q0yg3yn2cnw-leaf",
        "piha62pd96h19wigif9f8q0yg3yn2cnw-a/b",
        "piha62pd96h19wigif9f8q0yg3yn2cnw-..",
        "/nix/store/piha62pd96h19wigif9f8q0yg3yn2cnw-leaf",
        "piha62pd96h19wigif9f8q0yg3yn2cn-wleaf",
        "é",
    ] {
        assert!(wrong.parse::<StorePath>().is_err(), "{wrong}");
    }
}
