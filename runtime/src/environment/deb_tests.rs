use std::io::Write;

use super::*;
use crate::store::Store;
use crate::store::tree::Node;

/// One entry of a tar: its name, its type, its mode, its bytes or its link's target.
struct Entry<'a>(&'a str, EntryType, u32, &'a [u8]);

const CONTROL: &[u8] = b"Package: one\nVersion: 1\nArchitecture: amd64\n";

fn file<'a>(name: &'a str, bytes: &'a [u8]) -> Entry<'a> {
    Entry(name, EntryType::Regular, 0o644, bytes)
}

/// A tar with names as given, however wrong: the crate's own builder would refuse them.
fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Entry(name, kind, mode, content) in entries {
        let mut header = tar::Header::new_gnu();
        let field = &mut header.as_old_mut().name;
        let length = name.len().min(field.len());
        field[..length].copy_from_slice(&name.as_bytes()[..length]);
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        let link = matches!(kind, EntryType::Symlink | EntryType::Link);
        if link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
        }
        header.set_size(if link { 0 } else { content.len() as u64 });
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        if !link {
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, bytes) in members {
        builder.append(&ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64), *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn control() -> Vec<u8> {
    tar(&[file("./control", CONTROL)])
}

fn deb_of(data: &[u8]) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control()), ("data.tar", data)])
}

/// Unpacks these bytes as a package locked with their digest.
fn unpacked(bytes: &[u8]) -> Result<Deb> {
    let mut package = super::super::testing::package("one");
    package.digest = Digest::of(bytes);
    package.size = bytes.len() as u64;
    unpack_as(bytes, &package)
}

fn unpack_as(bytes: &[u8], package: &Package) -> Result<Deb> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    unpack_into(&store, bytes, package)
}

fn unpack_into(store: &Store, bytes: &[u8], package: &Package) -> Result<Deb> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    unpack(&mut file, package, &store.batch().unwrap())
}

fn refused(data: &[Entry<'_>]) -> String {
    unpacked(&deb_of(&tar(data))).err().unwrap().message
}

#[test]
fn files_links_and_folders_are_kept() {
    let deb = unpacked(&deb_of(&tar(&[
        Entry("./", EntryType::Directory, 0o755, b""),
        Entry("./usr/", EntryType::Directory, 0o755, b""),
        Entry("./usr/bin/x", EntryType::Regular, 0o4755, b"run"),
        file("usr/doc", b"text"),
        Entry("./usr/y", EntryType::Symlink, 0o777, b"/etc/../x"),
        Entry("./usr/again", EntryType::Link, 0o644, b"./usr/doc"),
        Entry("./empty/", EntryType::Directory, 0o700, b""),
    ])))
    .unwrap();
    let file = |text: &[u8], executable| Node::File {
        digest: Digest::of(text),
        size: text.len() as u64,
        executable,
    };
    assert_eq!(deb.data.get("usr/bin/x"), Some(&file(b"run", true)));
    assert_eq!(deb.data.get("usr/doc"), Some(&file(b"text", false)));
    assert_eq!(deb.data.get("usr/again"), Some(&file(b"text", false)));
    assert_eq!(deb.data.get("usr/y"), Some(&Node::Link { target: "/etc/../x".to_owned() }));
    assert_eq!(deb.data.get("empty"), Some(&Node::Folder(Folder::default())));
    assert_eq!(deb.control.get("control"), Some(&file(CONTROL, false)));
}

#[test]
fn every_compression_is_read() {
    let plain = tar(&[file("./x", &[b'x'; 5000])]);
    let gz = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    let xz = {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    let bz2 = {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    let zst = zstd::encode_all(plain.as_slice(), 3).unwrap();
    for (name, data) in [
        ("data.tar.gz", &gz),
        ("data.tar.xz", &xz),
        ("data.tar.bz2", &bz2),
        ("data.tar.zst", &zst),
        ("data.tar", &plain),
    ] {
        let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control()), (name, data)]);
        assert!(unpacked(&bytes).unwrap().data.get("x").is_some(), "{name}");
    }
    let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control()), ("data.tar.lzip", &gz)]);
    assert!(unpacked(&bytes).err().unwrap().message.contains("compressed as `.lzip`"));
}

#[test]
fn long_names_come_from_both_extensions() {
    let long = format!("./{}/{}", "a".repeat(120), "b".repeat(120));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    assert!(unpacked(&deb_of(&builder.into_inner().unwrap())).unwrap().data.get(&long[2..]).is_some());

    let record = format!("path={long}\n");
    let record = format!("{} {record}", record.len() + 4);
    let pax = tar(&[Entry("pax", EntryType::XHeader, 0o644, record.as_bytes()), file("short", b"x")]);
    assert!(unpacked(&deb_of(&pax)).unwrap().data.get(&long[2..]).is_some());
}

#[test]
fn names_that_lead_out_are_refused() {
    assert!(refused(&[file("../x", b"")]).contains("the name `../x` leaves the package"));
    assert!(refused(&[file("./a/../../x", b"")]).contains("leaves the package"));
    assert!(refused(&[file("/etc/passwd", b"")]).contains("the name `/etc/passwd` isn't relative"));
    let through = [Entry("./a", EntryType::Symlink, 0o777, b"/etc"), file("./a/passwd", b"")];
    assert!(refused(&through).contains("`a/passwd` lies beneath `a`, which isn't a folder"));
    assert!(refused(&[Entry("./a", EntryType::Link, 0o644, b"/etc/passwd")]).contains("isn't relative"));
    assert!(refused(&[Entry("./a", EntryType::Link, 0o644, b"./b")]).contains("comes nowhere before it"));
    assert!(
        refused(&[file(&format!("./{}", "d/".repeat(40)), b""), file("./d", b"")]).contains("something else")
    );
}

#[test]
fn devices_are_refused_by_name() {
    let message = refused(&[Entry("./dev/sda", EntryType::Block, 0o600, b"")]);
    assert_eq!(
        message,
        "could not unpack the package `one`: `dev/sda` is a block device; a tree holds only files, folders and links"
    );
    assert!(refused(&[Entry("./p", EntryType::Fifo, 0o600, b"")]).contains("a named pipe"));
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    let mut data = tar(&[file("./xx", b"")]);
    data[2] = 0xff;
    let sum: u32 = data[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    data[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(unpacked(&deb_of(&data)).err().unwrap().message.contains("isn't UTF-8"));
}

#[test]
fn another_file_than_the_locked_one_is_told() {
    let bytes = deb_of(&tar(&[]));
    let mut package = super::super::testing::package("one");
    package.digest = Digest::of(&bytes);
    let mut tampered = bytes.clone();
    *tampered.last_mut().unwrap() ^= 1;
    for wrong in [tampered.as_slice(), &bytes[..bytes.len() - 1], b""] {
        let failure = unpack_as(wrong, &package).err().unwrap();
        assert_eq!(failure.message, "the package `one` isn't the one that was locked");
        assert!(failure.facts[1].contains(&format!("{} bytes", wrong.len())), "{failure}");
        assert!(failure.help.is_some());
    }
}

#[test]
fn what_is_no_deb_is_told() {
    let why = |bytes: &[u8]| unpacked(bytes).err().unwrap().message;
    let data = tar(&[]);
    assert!(why(b"PK\x03\x04 not an ar at all").contains("could not unpack the package `one`"));
    assert!(why(b"").contains("could not unpack the package `one`"));
    assert!(why(&ar(&[("data.tar", &data)])).contains("doesn't begin with `debian-binary`"));
    assert!(
        why(&ar(&[("debian-binary", b"3.0\n")])).contains("doesn't begin with `debian-binary` of format 2")
    );
    assert!(why(&ar(&[("debian-binary", b"2.0\n"), ("data.tar", &data)])).contains("it has no control.tar"));
    assert!(
        why(&ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control())])).contains("it has no data.tar")
    );
    let empty = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &data), ("data.tar", &data)]);
    assert!(why(&empty).contains("no file `control`"));
    let twice = ar(&[("debian-binary", b"2.0\n"), ("data.tar", &data), ("data.tar", &data)]);
    assert!(why(&twice).contains("a second member `data.tar`"));
}

#[test]
fn truncated_members_are_told() {
    let mut data = tar(&[file("./x", &[7; 4000])]);
    data.truncate(2000);
    assert!(unpacked(&deb_of(&data)).is_err());
    let whole = liblzma::encode_all(tar(&[file("./x", &[7; 400_000])]).as_slice(), 6).unwrap();
    let bytes = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control()),
        ("data.tar.xz", &whole[..whole.len() / 2]),
    ]);
    assert!(unpacked(&bytes).is_err());
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let limits = Limits { bytes: 1 << 20, ..Limits::of(0) };
    let zeros = zstd::encode_all(std::io::repeat(0).take(1 << 30), 1).unwrap();
    let mut member = zeros.as_slice();
    let mut reader = decompress(&mut member, ".zst", limits).unwrap();
    let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("grows beyond"), "{error}");
    assert!(zeros.len() < 1 << 20);
}

#[test]
fn random_changes_never_panic() {
    let good = deb_of(&tar(&[file("./x", b"text"), Entry("./y", EntryType::Symlink, 0o777, b"x")]));
    let mut state = 1u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let mut package = super::super::testing::package("one");
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        bytes.truncate(bytes.len() - random(bytes.len() / 8));
        package.digest = Digest::of(&bytes);
        let _ = unpack_into(&store, &bytes, &package);
    }
}

fn control_of(bytes: &[u8], limit: u64) -> std::result::Result<Vec<u8>, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    super::control(&mut file, bytes.len() as u64, limit)
}

#[test]
fn a_control_file_is_read_without_the_rest() {
    // What comes after it is looked at once it is unpacked.
    let deb = deb_of(b"no tar at all");
    assert_eq!(control_of(&deb, 1000).as_deref(), Ok(CONTROL));
    assert!(control_of(&deb, 10).unwrap_err().contains("longer than 10 bytes"));
    let ship = |members: &[(&str, &[u8])]| control_of(&ar(members), 1000).unwrap_err();
    assert!(ship(&[("debian-binary", b"3.0\n")]).contains("format 2"));
    assert!(ship(&[("debian-binary", b"2.0\n"), ("data.tar", b"")]).contains("no control.tar"));
    let other = tar(&[file("./controls", CONTROL), file("./x/control", CONTROL)]);
    assert!(ship(&[("debian-binary", b"2.0\n"), ("control.tar", &other)]).contains("no file `control`"));
    assert!(control_of(b"text", 1000).is_err() && control_of(b"", 1000).is_err());
    for cut in 0..deb.len() {
        let _ = control_of(&deb[..cut], 1000);
    }
}
