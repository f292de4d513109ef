//! Archives made in memory, good ones and hostile ones.

use std::io::Write;

use super::*;
use crate::progress::{Progress, Step};

struct Bench {
    _home: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Bench {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        Bench { _home: home, store }
    }

    fn unpack(&self, archive: &[u8], strip: u32) -> Result<Vec<String>> {
        let batch = self.store.batch()?;
        let folder = contents(&mut &*archive, &batch, strip, &Limits { bytes: 10 << 20, members: 50 })?;
        Ok(list("", &folder))
    }
}

fn list(prefix: &str, folder: &Folder) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, node) in &folder.entries {
        match node {
            Node::File { size, executable, .. } => {
                lines.push(format!("{prefix}{name} {size}{}", if *executable { " x" } else { "" }));
            }
            Node::Link { target } => lines.push(format!("{prefix}{name} -> {target}")),
            Node::Folder(inner) if inner.entries.is_empty() => lines.push(format!("{prefix}{name}/")),
            Node::Folder(inner) => lines.extend(list(&format!("{prefix}{name}/"), inner)),
        }
    }
    lines
}

/// Members by type, name, link and contents; written without any check.
fn archive(members: &[(u8, &str, &str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, name, link, contents) in members {
        let mut header = ::tar::Header::new_ustar();
        let raw = header.as_mut_bytes();
        raw[..name.len()].copy_from_slice(name.as_bytes());
        raw[157..157 + link.len()].copy_from_slice(link.as_bytes());
        raw[156] = *kind;
        header.set_mode(if name.ends_with(".sh") { 0o755 } else { 0o644 });
        header.set_size(contents.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(contents);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn a_source_archive_is_unpacked() {
    let bytes = archive(&[
        (b'5', "p-1/", "", b""),
        (b'0', "p-1/a", "", b"one"),
        (b'0', "./p-1/run.sh", "", b"four"),
        (b'2', "p-1/sub/link", "../a", b""),
        (b'1', "p-1/hard", "p-1/a", b""),
        (b'5', "p-1/empty", "", b""),
        (b'0', "p-1/a", "", b"later"),
    ]);
    let bench = Bench::new();
    let whole = ["p-1/a 5", "p-1/empty/", "p-1/hard 3", "p-1/run.sh 4 x", "p-1/sub/link -> ../a"];
    assert_eq!(bench.unpack(&bytes, 0).unwrap(), whole);
    assert_eq!(
        bench.unpack(&bytes, 1).unwrap(),
        ["a 5", "empty/", "hard 3", "run.sh 4 x", "sub/link -> ../a"]
    );
    assert_eq!(bench.unpack(&bytes, 9).unwrap(), [""; 0]);
    assert_eq!(bench.unpack(&[0; 1024], 0).unwrap(), [""; 0]);
}

#[test]
fn compressions_are_told_by_their_bytes() {
    let bytes = archive(&[(b'0', "a", "", b"one")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&bytes).unwrap();
    let packed = [
        gzip.finish().unwrap(),
        xz.finish().unwrap(),
        bzip2.finish().unwrap(),
        zstd::encode_all(&bytes[..], 1).unwrap(),
    ];
    let bench = Bench::new();
    for packed in packed {
        assert_eq!(bench.unpack(&packed, 0).unwrap(), ["a 3"]);
        assert!(bench.unpack(&packed[..packed.len() / 2], 0).is_err());
    }
}

#[test]
fn hostile_members_are_refused() {
    let cases: &[(u8, &str, &str, &str)] = &[
        (b'0', "/etc/passwd", "", "the name `/etc/passwd` is absolute"),
        (b'0', "a/../../x", "", "the name `a/../../x` leaves the folder"),
        (b'2', "link", "/etc/passwd", "links to `/etc/passwd`"),
        (b'2', "a/link", "../../x", "links to `../../x`"),
        (b'2', "a/link", "b/../../../x", "links to `b/../../../x`"),
        (b'1', "hard", "nowhere", "hard link to `nowhere`"),
        (b'3', "dev", "", "special file (type `3`)"),
        (b'6', "fifo", "", "special file (type `6`)"),
        (b'S', "sparse", "", "sparse file"),
        (b'0', "new\nline\0", "", ""),
    ];
    let bench = Bench::new();
    for (kind, name, link, why) in cases {
        let result = bench.unpack(&archive(&[(*kind, name, link, b"")]), 0);
        match result {
            Err(failure) => assert!(failure.message.contains(why), "{name}: {failure}"),
            Ok(list) => assert!(why.is_empty(), "{name}: {list:?}"),
        }
    }
    let through = archive(&[(b'2', "dir", "sub", b""), (b'0', "dir/file", "", b"x")]);
    assert!(bench.unpack(&through, 0).is_err());
    let over = archive(&[(b'0', "dir/file", "", b"x"), (b'0', "dir", "", b"x")]);
    assert!(bench.unpack(&over, 0).is_err());
}

#[test]
fn bombs_and_other_files_are_refused() {
    let bench = Bench::new();
    let many: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    let many: Vec<(u8, &str, &str, &[u8])> =
        many.iter().map(|name| (b'0', name.as_str(), "", &b""[..])).collect();
    assert!(bench.unpack(&archive(&many), 0).unwrap_err().message.contains("more than 50 members"));
    let bomb = archive(&[(b'0', "zeros", "", &vec![0; 20 << 20])]);
    let bomb = zstd::encode_all(&bomb[..], 1).unwrap();
    assert!(bench.unpack(&bomb, 0).unwrap_err().message.contains("more bytes than are allowed"));
    for other in [&b""[..], b"text\n", b"PK\x03\x04zip", b"!<arch>\ndebian-binary"] {
        let failure = bench.unpack(other, 0).unwrap_err();
        assert!(failure.message.contains("neither a zip nor a tar archive"), "{failure}");
    }
}

#[test]
fn a_blob_becomes_a_tree() {
    let bench = Bench::new();
    let batch = bench.store.batch().unwrap();
    let blob = batch.bytes(&archive(&[(b'0', "p/a", "", b"one")])).unwrap();
    batch.commit(&[]).unwrap();
    let archive = Object::File { digest: blob.digest, size: blob.size, executable: false };
    let batch = bench.store.batch().unwrap();
    let task = Progress::silent().begin(Step::Unpack, "p");
    let object = unpack(&bench.store, &batch, &archive, 1, &Limits::default(), &task).unwrap();
    let failure = unpack(&bench.store, &batch, &archive, 2, &Limits::default(), &task).unwrap_err();
    assert_eq!(failure.help.as_deref(), Some("lower `strip`"));
    batch.commit(&[]).unwrap();
    let folder = tree::read(&bench.store, object.digest()).unwrap();
    assert_eq!(list("", &folder), ["a 3"]);
    assert_eq!(bench.store.read_blob(Digest::of(b"one"), 10).unwrap(), b"one");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_archives_never_panic(at in 0usize..4000, with: u8, cut in 0usize..4000) {
        let mut bytes = archive(&[(b'0', "p/a", "", b"one"), (b'2', "p/l", "a", b""), (b'x', "p/x", "", b"12 path=p/z\n")]);
        let length = bytes.len();
        bytes[at % length] = with;
        bytes.truncate(length - cut % length);
        let _ = Bench::new().unpack(&bytes, 0);
    }
}

/// Made by Python's `zipfile`; nothing is tested where there is no Python.
#[test]
fn a_zip_is_unpacked() {
    let script = r#"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    def add(name, text, mode, method):
        info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
        info.create_system = 3
        info.external_attr = mode << 16
        z.writestr(info, text, method)
    add("p/", "", 0o40755, zipfile.ZIP_STORED)
    add("p/a", "one", 0o100644, zipfile.ZIP_STORED)
    add("p/run.sh", "four" * 1000, 0o100755, zipfile.ZIP_DEFLATED)
    add("p/link", "a", 0o120777, zipfile.ZIP_STORED)
    add("p/empty/", "", 0o40755, zipfile.ZIP_STORED)
    if len(sys.argv) > 2:
        add(sys.argv[2], "/etc/passwd", int(sys.argv[3], 8), zipfile.ZIP_STORED)
"#;
    let bench = Bench::new();
    let file = bench._home.path().join("p.zip");
    let make = |more: &[&str]| {
        let made = std::process::Command::new("python3").args(["-c", script]).arg(&file).args(more).status();
        made.is_ok_and(|status| status.success()).then(|| std::fs::read(&file).unwrap())
    };
    let unpack = |bytes: &[u8], strip| -> Result<Vec<String>> {
        let batch = bench.store.batch()?;
        let limits = Limits { bytes: 10 << 20, members: 50 };
        let folder = zipped(io::Cursor::new(bytes), bytes.len() as u64, &batch, strip, &limits)?;
        Ok(list("", &folder))
    };
    let Some(bytes) = make(&[]) else { return };
    assert_eq!(unpack(&bytes, 0).unwrap(), ["p/a 3", "p/empty/", "p/link -> a", "p/run.sh 4000 x"]);
    assert_eq!(unpack(&bytes, 1).unwrap(), ["a 3", "empty/", "link -> a", "run.sh 4000 x"]);
    for (name, mode) in [("../x", "100644"), ("/x", "100644"), ("l", "120777"), ("fifo", "010644")] {
        let bytes = make(&[name, mode]).expect("it worked before");
        assert!(unpack(&bytes, 0).is_err(), "{name}");
    }
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 0x55;
        // Some bytes mean nothing; none may make it panic, or give other contents.
        if let Ok(list) = unpack(&broken, 0) {
            assert!(
                list.iter().all(|line| !line.starts_with("p/a ") || line == "p/a 3" || line == "p/a 3 x"),
                "{list:?}"
            );
        }
        let _ = unpack(&bytes[..at], 0);
    }
}
