//! Normal forms of archives made here: what each equality sees and what it doesn't.

use std::io::Write;

use super::*;

/// A member of a tar: its name, contents, mode, owner, time.
type Member<'a> = (&'a str, &'a [u8], u32, u64, u64);

fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut archive = ::tar::Builder::new(Vec::new());
    for (name, contents, mode, uid, mtime) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(*mode);
        header.set_uid(*uid);
        header.set_mtime(*mtime);
        let folder = name.ends_with('/');
        header.set_entry_type(if folder { ::tar::EntryType::Directory } else { ::tar::EntryType::Regular });
        archive.append_data(&mut header, name, *contents).expect("a member");
    }
    archive.into_inner().expect("an archive")
}

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    writer.write_all(bytes).expect("memory takes all");
    writer.finish().expect("memory takes all")
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = ar::MAGIC.to_vec();
    for (name, contents) in members {
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", contents.len()).bytes(),
        );
        bytes.extend_from_slice(contents);
        if contents.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// A zip archive of one file, packed or not, with a time.
fn zip(packed: bool, time: u16) -> Vec<u8> {
    let contents = b"an entry, an entry, an entry";
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(contents).expect("memory takes all");
    let body = if packed { encoder.finish().expect("memory takes all") } else { contents.to_vec() };
    let mut common = vec![20, 0, 0, 0, if packed { 8 } else { 0 }, 0];
    common.extend(time.to_le_bytes());
    common.extend([0x21, 0, 0, 0, 0, 0]);
    common.extend((body.len() as u32).to_le_bytes());
    common.extend((contents.len() as u32).to_le_bytes());
    common.extend([1, 0, 0, 0]);
    let mut bytes = [&b"PK\x03\x04"[..], &common, b"e", &body].concat();
    let start = bytes.len() as u32;
    bytes.extend([&b"PK\x01\x02\x1e\x03"[..], &common, &[0; 6]].concat());
    bytes.extend((0o100_644u32 << 16).to_le_bytes());
    bytes.extend([0, 0, 0, 0, b'e']);
    let length = bytes.len() as u32 - start;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend([length.to_le_bytes(), start.to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}

fn deb(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", control), ("data.tar.gz", data)])
}

/// What all equalities say of two files: a letter for each in which they are equal.
fn equal(one: &[u8], other: &[u8]) -> String {
    let home = tempfile::tempdir().expect("a folder for temporary files");
    let store = Store::open(home.path()).expect("a new store");
    let keep = |bytes: &[u8]| {
        let batch = store.batch().expect("a batch");
        let blob = batch.bytes(bytes).expect("a blob");
        batch.commit(&[]).expect("bytes are kept");
        blob.digest
    };
    let (one, other) = (keep(one), keep(other));
    let limits = Limits { unpacked: 8 << 20, ..Limits::default() };
    let same = |equality: &Equality| {
        let form = |digest| of_blob(&store, digest, *equality, &limits).expect("it is in the store");
        form(one) == form(other)
    };
    Equality::ALL.into_iter().filter(same).map(|equality| &equality.name()[..1]).collect()
}

const PLAIN: [Member<'_>; 2] = [("d/a", b"alpha", 0o644, 0, 1), ("d/b", b"beta", 0o755, 0, 1)];

#[test]
fn compression_times_owners_and_order_are_no_part_of_a_tree() {
    let plain = tar(&PLAIN);
    let packed = gzip(&plain, 9);
    assert_eq!(equal(&packed, &packed), "btdc");
    assert_eq!(equal(&packed, &gzip(&plain, 1)), "tc");
    assert_eq!(equal(&packed, &plain), "tc");
    let later = tar(&[("d/b", b"beta", 0o700, 7, 9), ("./d/a", b"alpha", 0o600, 7, 9)]);
    assert_eq!(equal(&plain, &later), "tc");
}

#[test]
fn executable_bits_and_empty_folders_are_no_part_of_the_content() {
    let plain = tar(&PLAIN);
    let bits = tar(&[("d/a", b"alpha", 0o755, 0, 1), PLAIN[1]]);
    assert_eq!(equal(&plain, &bits), "c");
    let empty = tar(&[PLAIN[0], PLAIN[1], ("d/e/", b"", 0o755, 0, 1)]);
    assert_eq!(equal(&plain, &empty), "c");
    // A folder that holds something is told by what it holds.
    let whole = tar(&[("d/", b"", 0o755, 0, 1), PLAIN[0], PLAIN[1]]);
    assert_eq!(equal(&plain, &whole), "tc");
}

#[test]
fn names_and_bytes_always_count() {
    let plain = tar(&PLAIN);
    assert_eq!(equal(&plain, &tar(&[("d/a", b"alphA", 0o644, 0, 1), PLAIN[1]])), "");
    assert_eq!(equal(&plain, &tar(&[("d/c", b"alpha", 0o644, 0, 1), PLAIN[1]])), "");
    assert_eq!(equal(&plain, &tar(&[PLAIN[0]])), "");
    assert_eq!(equal(&plain, &tar(&[PLAIN[0], PLAIN[1], PLAIN[1]])), "");
    assert_eq!(equal(b"text\n", b"text"), "");
}

#[test]
fn only_content_looks_into_what_is_packed_once_more() {
    let manual =
        |level| gzip(b"a manual that is longer than one would think, and that is so again and again", level);
    let (one, other) = (manual(9), manual(0));
    let (one, other) = (tar(&[("m.gz", &one, 0o644, 0, 1)]), tar(&[("m.gz", &other, 0o644, 0, 1)]));
    assert_eq!(equal(&one, &other), "c");
}

#[test]
fn packages_are_compared_with_owners_and_modes() {
    let control = gzip(&tar(&[("./control", b"Package: x\n", 0o644, 0, 1)]), 9);
    let data = |uid, mode, mtime, level| gzip(&tar(&[("./usr/bin/x", b"x", mode, uid, mtime)]), level);
    let plain = deb(&control, &data(0, 0o755, 1, 9));
    assert_eq!(equal(&plain, &deb(&control, &data(0, 0o755, 2, 1))), "tdc");
    assert_eq!(equal(&plain, &deb(&control, &data(5, 0o755, 1, 9))), "tc");
    assert_eq!(equal(&plain, &deb(&control, &data(0, 0o4755, 1, 9))), "tc");
    // What isn't a package has no form of one.
    assert_eq!(equal(&ar(&[("a.o", b"x")]), &ar(&[("a.o", b"y")])), "");
}

#[test]
fn zip_archives_have_trees_too() {
    assert_eq!(equal(&zip(true, 2), &zip(false, 4)), "tc");
}

#[test]
fn what_is_damaged_or_a_bomb_has_no_form_but_its_bytes() {
    let packed = gzip(&tar(&PLAIN), 9);
    assert_eq!(equal(&packed[..packed.len() - 9], &packed[..packed.len() - 10]), "");
    let cut = &tar(&PLAIN)[..700];
    assert_eq!(equal(cut, &[cut, b"x"].concat()), "");
    let bomb = |level| gzip(&vec![0; 64 << 20], level);
    assert_eq!(equal(&bomb(9), &bomb(1)), "");
}
