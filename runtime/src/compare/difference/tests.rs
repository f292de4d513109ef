//! Differences between files made for the purpose, by GNU tar and gzip's own formats or byte by byte.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::packing::Codec;

use super::*;

struct Bench(tempfile::TempDir);

/// A tar member: name, contents, mtime.
type Member<'a> = (&'a str, &'a [u8], u64);

impl Bench {
    fn new() -> Bench {
        Bench(tempfile::tempdir().expect("a folder for temporary files"))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    fn between(&self, left: &[u8], right: &[u8]) -> Difference {
        between(&self.file("left", left), &self.file("right", right), &Limits::default())
    }
}

fn between(left: &Path, right: &Path, limits: &Limits) -> Difference {
    let open = |path: &Path| -> Opener<'static> {
        let path = path.to_owned();
        Rc::new(move || File::open(&path))
    };
    between_files(open(left), open(right), limits)
}

fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, contents, mtime) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(*mtime);
        header.set_username("build").expect("a short name");
        header.set_cksum();
        builder.append_data(&mut header, name, *contents).expect("a member");
    }
    builder.into_inner().expect("an archive")
}

fn gzip(bytes: &[u8], level: u32, mtime: u32) -> Vec<u8> {
    let mut encoder =
        flate2::GzBuilder::new().mtime(mtime).write(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn ar(members: &[Member<'_>]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, contents, mtime) in members {
        let size = contents.len();
        bytes.extend(format!("{name:<16}{mtime:<12}0     0     100644  {size:<10}`\n").into_bytes());
        bytes.extend_from_slice(contents);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn classes(difference: &Difference) -> Vec<&'static str> {
    difference.classes.iter().map(|class| class.word()).collect()
}

fn path(finding: &Finding) -> String {
    finding.path.join(" » ")
}

#[test]
fn equal_files_do_not_differ() {
    assert!(Bench::new().between(b"same", b"same").is_empty());
}

#[test]
fn text_differs_in_a_line() {
    let difference = Bench::new().between(b"one\ntwo\nthree\n", b"one\ntvo\nthree\n");
    let what = What::Line { number: 2, offset: 5, left: Some("two".into()), right: Some("tvo".into()) };
    assert_eq!(difference.findings, [Finding { path: vec![], what }]);
    let shorter = Bench::new().between(b"one\n", b"one\ntwo\n");
    let what = What::Line { number: 2, offset: 4, left: None, right: Some("two".into()) };
    assert_eq!(shorter.findings[0].what, what);
}

#[test]
fn long_lines_are_cut_near_the_difference() {
    let (mut left, mut right) = (vec![b'a'; 100_000], vec![b'a'; 100_000]);
    (left[70_000], right[70_000]) = (b'L', b'R');
    let difference = Bench::new().between(&left, &right);
    let What::Line { number: 1, offset: 70_000, left: Some(line), .. } = &difference.findings[0].what else {
        panic!("{difference:?}");
    };
    assert!(
        line.starts_with("…a") && line.ends_with("a…") && line.contains('L') && line.len() < 200,
        "{line}"
    );
}

#[test]
fn bytes_differ_at_an_offset() {
    let (mut left, mut right) = (vec![0u8; 70_000], vec![0u8; 70_000]);
    (left[65_540], right[65_540]) = (1, 2);
    let difference = Bench::new().between(&left, &right);
    let What::Bytes { offset: 65_540, left, right } = &difference.findings[0].what else {
        panic!("{difference:?}")
    };
    assert_eq!((left.start, left.bytes.len(), left.bytes[4], right.bytes[4]), (65_536, 16, 1, 2));
    let shorter = Bench::new().between(&[0, 1], &[0, 1, 2]);
    assert!(matches!(&shorter.findings[0].what, What::Bytes { offset: 2, left, right }
        if left.bytes == [0, 1] && right.bytes == [0, 1, 2]));
}

#[test]
fn a_tar_differs_inside_a_member() {
    let left = gzip(&tar(&[("p/a", b"same", 1), ("p/b.txt", b"one\n", 1)]), 6, 0);
    let right = gzip(&tar(&[("p/a", b"same", 1), ("p/b.txt", b"two\n", 1)]), 6, 0);
    let difference = Bench::new().between(&left, &right);
    assert_eq!(classes(&difference), ["contents"]);
    assert_eq!(path(&difference.findings[0]), "p/b.txt");
    assert!(matches!(difference.findings[0].what, What::Line { number: 1, .. }));
}

#[test]
fn only_times_differ() {
    let left = tar(&[("a", b"same", 10), ("b", b"same", 10)]);
    let right = tar(&[("a", b"same", 11), ("b", b"same", 12)]);
    let difference = Bench::new().between(&left, &right);
    assert_eq!(classes(&difference), ["metadata"]);
    let what =
        What::Fact { name: "mtime".into(), left: Some("10".into()), right: Some("11".into()), members: 2 };
    assert_eq!(difference.findings, [Finding { path: vec!["a".into()], what }]);
}

#[test]
fn only_the_order_differs() {
    let left = tar(&[("a", b"1", 1), ("b", b"2", 1), ("c", b"3", 1)]);
    let right = tar(&[("a", b"1", 1), ("c", b"3", 1), ("b", b"2", 1)]);
    let difference = Bench::new().between(&left, &right);
    assert_eq!(classes(&difference), ["order"]);
    let what = What::Order { position: 1, left: "b".into(), right: "c".into() };
    assert_eq!(difference.findings[0].what, what);
}

#[test]
fn only_the_names_differ() {
    let left = tar(&[("a", b"1", 1), ("b", b"2", 1)]);
    let difference = Bench::new().between(&left, &tar(&[("a", b"1", 1)]));
    assert_eq!(classes(&difference), ["names"]);
    let what = What::Only { side: Side::Left, names: vec!["b".into()], count: 1 };
    assert_eq!(difference.findings[0].what, what);
}

#[test]
fn only_the_compression_differs() {
    let inner = tar(&[("a", &b"same ".repeat(500), 1)]);
    let difference = Bench::new().between(&gzip(&inner, 9, 0), &gzip(&inner, 1, 7));
    assert_eq!(classes(&difference), ["compression"]);
    let What::Compression { left: Codec::Gzip, right: Codec::Gzip, header } = &difference.findings[0].what
    else {
        panic!("{difference:?}");
    };
    assert!(header.contains(&("mtime".into(), "0".into(), "7".into())), "{header:?}");
    let difference = Bench::new().between(&gzip(&inner, 9, 0), &xz(&inner));
    assert_eq!(classes(&difference), ["compression"]);
}

#[test]
fn only_the_framing_differs() {
    let left = tar(&[("a", b"1", 1)]);
    let mut right = left.clone();
    right.extend([0; 1024]);
    assert_eq!(classes(&Bench::new().between(&left, &right)), ["framing"]);
}

#[test]
fn a_deb_is_looked_into() {
    let deb = |contents: &[u8], mtime| {
        let data = xz(&tar(&[("usr/bin/foo", contents, mtime)]));
        ar(&[
            ("debian-binary", b"2.0\n", 1),
            ("control.tar.xz", &xz(&tar(&[])), 1),
            ("data.tar.xz", &data, 1),
        ])
    };
    let difference = Bench::new().between(&deb(b"\0one", 1), &deb(b"\0two", 2));
    assert_eq!(path(&difference.findings[0]), "data.tar.xz » usr/bin/foo");
    assert!(matches!(difference.findings[0].what, What::Bytes { offset: 1, .. }), "{difference:?}");
    assert_eq!(path(&difference.findings[1]), "data.tar.xz » usr/bin/foo");
    assert!(matches!(&difference.findings[1].what, What::Fact { name, .. } if name == "mtime"));
    let difference = Bench::new().between(&deb(b"\0one", 1), &deb(b"\0one", 2));
    assert_eq!(classes(&difference), ["metadata"]);
}

#[test]
fn a_compressed_leaf_says_so() {
    let difference = Bench::new().between(&gzip(b"one\n", 6, 0), &gzip(b"two\n", 6, 0));
    assert_eq!(path(&difference.findings[0]), "(unpacked)");
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = |last: u8| {
        let mut bytes = vec![0; 40 << 20];
        bytes.push(last);
        gzip(&bytes, 9, 0)
    };
    let bench = Bench::new();
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    let difference = between(&bench.file("left", &bomb(1)), &bench.file("right", &bomb(2)), &limits);
    let unread = difference.findings.iter().any(|finding| {
        matches!(&finding.what, What::Unread(why) if why == "it unpacks to more bytes than are allowed")
    });
    assert!(unread, "{difference:?}");
    assert_eq!(classes(&difference), ["contents"]);
}

#[test]
fn depth_and_members_are_bounded() {
    let nest = |contents: &[u8]| tar(&[("in", &tar(&[("in", &tar(&[("in", contents, 1)]), 1)]), 1)]);
    let bench = Bench::new();
    let (left, right) = (bench.file("left", &nest(b"1")), bench.file("right", &nest(b"2")));
    let difference = between(&left, &right, &Limits { depth: 2, ..Limits::default() });
    assert!(matches!(difference.findings[0].what, What::Bytes { .. }), "{difference:?}");
    assert_eq!(path(&difference.findings[0]), "in » in");
    let many: Vec<(String, u64)> = (0..20).map(|n| (n.to_string(), n)).collect();
    let list = |add: u64| {
        let members: Vec<Member<'_>> =
            many.iter().map(|(name, n)| (name.as_str(), &b""[..], n + add)).collect();
        tar(&members)
    };
    let (left, right) = (bench.file("left", &list(0)), bench.file("right", &list(1)));
    let difference = between(&left, &right, &Limits { members: 10, ..Limits::default() });
    assert!(
        matches!(&difference.findings[1].what, What::Unread(why) if why.contains("more than 10 members"))
    );
}

proptest::proptest! {
    #[test]
    fn damaged_archives_never_panic(seed in 0usize..12, at in 0usize..3000, with: u8, cut in 0usize..3000) {
        let inner = tar(&[("a", b"one", 1), (&"long/".repeat(60), b"two", 2)]);
        let whole = match seed {
            0 => inner.clone(),
            1 => gzip(&inner, 6, 0),
            2 => ar(&[("data.tar", &inner, 1), ("//", b"x/\n", 0)]),
            3 => zip(&[("a", b"one", 1, true), ("b", &inner, 1, false)]),
            4 => elf(&[(".text", &inner), (".data", b"x")]),
            5 => cpio(&[("a", b"one"), ("b", &inner)]),
            6 => png(&inner),
            7 => [b"%PDF-1.4\n1 0 obj << /Filter /FlateDecode >> stream\n", &zlib(&inner)[..], b"endstream endobj\n2 0 obj (x) endobj"].concat(),
            8 => [b"\xa7\x0d\r\n\0\0\0\0\x01\x02\x03\x04\x05\0\0\0", &inner[..]].concat(),
            9 => pe(&inner),
            10 => iso(&inner),
            _ => xz(&inner),
        };
        let mut broken = whole.clone();
        let length = broken.len();
        broken[at % length] = with;
        broken.truncate(length - cut % length);
        let bench = Bench::new();
        let difference = bench.between(&whole, &broken);
        proptest::prop_assert_eq!(difference.is_empty(), whole == broken);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, magic in 0usize..11) {
        let magic: &[u8] = [&b"!<arch>\n"[..], b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh91", b"", b"070701", b"%PDF-1 0 obj stream", png::MAGIC, b"\xa7\x0d\r\n\0\0\0\0", b"PK\x03\x04PK\x05\x06"][magic];
        let left = [magic, &bytes].concat();
        let right = [magic, &bytes, b"x"].concat();
        proptest::prop_assert!(!Bench::new().between(&left, &right).is_empty());
    }
}

/// A cpio archive in the new ASCII form.
fn cpio(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, contents) in members.iter().chain(&[("TRAILER!!!", &b""[..])]) {
        let mut header = [0u32; 13];
        (header[1], header[6], header[11]) = (0o100_644, contents.len() as u32, name.len() as u32 + 1);
        bytes.extend(b"070701");
        header.iter().for_each(|number| bytes.extend(format!("{number:08x}").bytes()));
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(contents);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// A picture whose two chunks hold these bytes.
fn png(picture: &[u8]) -> Vec<u8> {
    let packed = zlib(picture);
    let mut bytes = png::MAGIC.to_vec();
    for part in [&packed[..packed.len() / 2], &packed[packed.len() / 2..]] {
        bytes.extend((part.len() as u32).to_be_bytes());
        bytes.extend([b"IDAT", part, b"crcc"].concat());
    }
    bytes.extend(b"\0\0\0\0IENDcrcc");
    bytes
}

/// A program of Windows with one section.
fn pe(section: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 64;
    bytes[64..68].copy_from_slice(b"PE\0\0");
    (bytes[70], bytes[72]) = (1, 9);
    bytes[88..93].copy_from_slice(b".text");
    bytes[104..108].copy_from_slice(&(section.len() as u32).to_le_bytes());
    bytes[108] = 128;
    bytes.extend_from_slice(section);
    bytes
}

/// An image with one file.
fn iso(file: &[u8]) -> Vec<u8> {
    let record = |name: &[u8], sector: u32, size: u32, flags: u8| {
        let mut record = vec![0; 33];
        record[2..6].copy_from_slice(&sector.to_le_bytes());
        record[10..14].copy_from_slice(&size.to_le_bytes());
        (record[25], record[32]) = (flags, name.len() as u8);
        record.extend(name);
        record.resize(record.len().next_multiple_of(2), 0);
        record[0] = record.len() as u8;
        record
    };
    let mut bytes = vec![0; 19 * 2048];
    bytes[16 * 2048..][..6].copy_from_slice(b"\x01CD001");
    let root = record(&[0], 18, 2048, 2);
    bytes[16 * 2048 + 156..][..root.len()].copy_from_slice(&root);
    bytes[17 * 2048..][..6].copy_from_slice(b"\xffCD001");
    let folder = [root, record(&[1], 18, 2048, 2), record(b"FILE;1", 19, file.len() as u32, 0)].concat();
    bytes[18 * 2048..][..folder.len()].copy_from_slice(&folder);
    bytes.extend_from_slice(file);
    bytes
}

#[test]
fn files_made_of_parts_are_looked_into() {
    let inner = |text: &'static [u8]| tar(&[("a/b", text, 1)]);
    let (one, two) = (inner(b"one\n"), inner(b"two\n"));
    let rows = [
        (cpio(&[("x", &one)]), cpio(&[("x", &two)]), "x » a/b"),
        (png(&one), png(&two), "(picture) » a/b"),
        (pe(&one), pe(&two), ".text » a/b"),
        (iso(&one), iso(&two), "FILE » a/b"),
    ];
    for (left, right, expected) in rows {
        let difference = Bench::new().between(&left, &right);
        assert_eq!(path(&difference.findings[0]), expected, "{difference:?}");
        assert!(matches!(difference.findings[0].what, What::Line { number: 1, .. }), "{difference:?}");
        assert_eq!(difference.findings.len(), 1, "{difference:?}");
    }
}

/// A 64-bit ELF file of sections by name and contents, and nothing else.
fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let names: String =
        sections.iter().map(|(name, _)| format!("{name}\0")).collect::<String>() + ".shstrtab\0";
    let mut bytes = vec![0; 64];
    let mut headers = vec![[0u8; 64]];
    let mut at_name = 0u32;
    let all = sections.iter().copied().chain([(".shstrtab", names.as_bytes())]);
    for (name, contents) in all {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&at_name.to_le_bytes());
        header[4] = 1;
        header[24..32].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(contents.len() as u64).to_le_bytes());
        headers.push(header);
        bytes.extend_from_slice(contents);
        at_name += name.len() as u32 + 1;
    }
    let table = bytes.len() as u64;
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    bytes[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
    bytes[0x3c..0x3e].copy_from_slice(&(headers.len() as u16).to_le_bytes());
    bytes[0x3e..0x40].copy_from_slice(&(headers.len() as u16 - 1).to_le_bytes());
    bytes.extend(headers.concat());
    bytes
}

#[test]
fn a_program_differs_in_sections() {
    let program =
        |id: &[u8], text: &[u8]| elf(&[(".text", text), (".note.gnu.build-id", id), (".data", b"\0same")]);
    let difference = Bench::new().between(&program(b"\0id1", b"\0code"), &program(b"\0id2", b"\0code"));
    assert_eq!(path(&difference.findings[0]), ".note.gnu.build-id");
    assert!(matches!(difference.findings[0].what, What::Bytes { offset: 3, .. }), "{difference:?}");
    assert_eq!(difference.findings.len(), 1, "{difference:?}");
    // A longer section moves the others, which are the same nevertheless.
    let difference = Bench::new().between(&program(b"\0id", b"\0code"), &program(b"\0id", b"\0longer code"));
    assert_eq!(path(&difference.findings[0]), ".text");
    assert_eq!(difference.findings.len(), 1, "{difference:?}");
    let mut broken = program(b"\0id", b"\0code");
    broken[0x28] ^= 0xff;
    let difference = Bench::new().between(&program(b"\0id", b"\0code"), &broken);
    assert!(matches!(difference.findings[0].what, What::Bytes { offset: 0x28, .. }), "{difference:?}");
    assert!(matches!(difference.findings[1].what, What::Unread(_)), "{difference:?}");
}

/// A zip archive as Info-ZIP writes it, but of these members only.
fn zip(members: &[(&str, &[u8], u16, bool)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, contents, time, deflate) in members {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(contents).expect("memory takes all");
        let packed = if *deflate { encoder.finish().expect("memory takes all") } else { contents.to_vec() };
        let mut common = vec![20, 0, 0, 0, if *deflate { 8 } else { 0 }, 0];
        common.extend(time.to_le_bytes());
        common.extend([0x21, 0, 0, 0, 0, 0]);
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((contents.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x1e\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((0o100_644u32 << 16).to_le_bytes());
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([(members.len() as u16).to_le_bytes(), (members.len() as u16).to_le_bytes()].concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[test]
fn a_zip_is_looked_into() {
    let archive = |text: &'static [u8], time, deflate| {
        zip(&[("p/a", b"same", 1, true), ("p/b.txt", text, time, deflate)])
    };
    let difference = Bench::new().between(&archive(b"one\n", 2, true), &archive(b"two\n", 2, true));
    assert_eq!(
        (path(&difference.findings[0]).as_str(), difference.findings.len()),
        ("p/b.txt", 1),
        "{difference:?}"
    );
    assert!(matches!(difference.findings[0].what, What::Line { number: 1, .. }), "{difference:?}");
    let difference = Bench::new().between(&archive(b"one\n", 2, true), &archive(b"one\n", 4, true));
    assert_eq!(classes(&difference), ["metadata"], "{difference:?}");
    let difference = Bench::new().between(&archive(b"one\n", 2, true), &archive(b"one\n", 2, false));
    assert_eq!(classes(&difference), ["framing"], "{difference:?}");
}
