//! Hostile files, each made here: whatever they claim, a finding, bounded memory and bounded time.
//!
//! A row of the table is a pair of files and what must be said of it. Memory is measured by what the process took
//! while it looked, time by the clock, both with room for a busy machine.

use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::*;

/// What a row may take.
const MEMORY: u64 = 200 << 20;
const TIME: Duration = Duration::from_secs(60);

/// The limits of the rows: small, so that bombs are hit early.
fn limits() -> Limits {
    Limits { unpacked: 256 << 20, depth: 6, members: 20_000, dives: 4, time: Duration::from_secs(20) }
}

struct Row {
    name: &'static str,
    left: Vec<u8>,
    right: Vec<u8>,
    /// What some finding must say, or the path that some finding must have.
    says: &'static str,
}

fn look(row: &Row) -> Difference {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let open = |name: &str, bytes: &[u8]| -> Opener<'static> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        Rc::new(move || std::fs::File::open(&path))
    };
    let (left, right) = (open("left", &row.left), open("right", &row.right));
    between_files(left, right, &limits())
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) << 10
}

#[test]
fn hostile_files_are_bounded_and_said_to_be() {
    let mut wrong = Vec::new();
    for row in rows() {
        let (before, start) = (peak(), Instant::now());
        let difference = look(&row);
        let (took, grew) = (start.elapsed(), peak().saturating_sub(before));
        let said = format!("{:?}", difference.findings);
        if difference.is_empty() || !said.contains(row.says) {
            wrong.push(format!("{}: `{}` isn't in {said}", row.name, row.says));
        }
        if took >= TIME || grew >= MEMORY {
            wrong.push(format!("{} took {took:?} and {} MB", row.name, grew >> 20));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn rows() -> Vec<Row> {
    let mut rows = compressed();
    rows.extend(tars());
    rows.extend(other_archives());
    rows.extend(parts());
    rows
}

fn compressed() -> Vec<Row> {
    vec![
        // Ten gigabytes of zeros in ten megabytes, with another end.
        Row {
            name: "gzip bomb",
            left: gzip_bomb(1),
            right: gzip_bomb(2),
            says: "it unpacks to more bytes than are allowed",
        },
        Row {
            name: "gzip of gzip of gzip …",
            left: wrapped(b"left", 12),
            right: wrapped(b"right", 12),
            says: "it lies deeper than is looked",
        },
        Row {
            name: "sixty gzips in each other",
            left: stored(0),
            right: stored(1),
            says: "it lies deeper than is looked",
        },
        Row {
            name: "truncated gzip",
            left: gzip(&[7; 5000])[..20].to_vec(),
            right: gzip(&[8; 5000])[..21].to_vec(),
            says: "Unread",
        },
    ]
}

fn tars() -> Vec<Row> {
    let bad = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = tar(&[(b"a", b"one")]);
        change(&mut bytes);
        sum(&mut bytes);
        bytes
    };
    let negative = bad(&|bytes| bytes[124..136].copy_from_slice(&[0xff; 12]));
    let huge = bad(&|bytes| bytes[124..136].copy_from_slice(b"77777777777\0"));
    let plain = || tar(&[(b"a", b"two")]);
    let nested = |last: &[u8]| (0..40).fold(last.to_vec(), |inner, _| tar(&[(b"in", &inner)]));
    let many = |with: &[u8]| {
        let names: Vec<Vec<u8>> = (0..20_001).map(|number| format!("{number}").into_bytes()).collect();
        tar(&names
            .iter()
            .map(|name| (name.as_slice(), if name == b"7" { with } else { b"" }))
            .collect::<Vec<_>>())
    };
    let odd = |contents: &[u8]| tar(&[(b"line\nbreak \xff\xfe\x1b[31m", contents)]);
    vec![
        Row { name: "tar of negative size", left: negative, right: plain(), says: "is no number" },
        Row { name: "tar of 8 GB in 2 KB", left: huge, right: plain(), says: "Unread" },
        Row {
            name: "tar in tar in tar …",
            left: nested(b"1"),
            right: nested(b"2"),
            says: "it lies deeper than is looked",
        },
        Row {
            name: "tar of many members",
            left: many(b"1"),
            right: many(b"2"),
            says: "more than 20000 members",
        },
        Row {
            name: "names of lines and no UTF-8",
            left: odd(b"1"),
            right: odd(b"2"),
            says: r"line\nbreak \\xff\\xfe",
        },
        Row {
            name: "truncated tar",
            left: tar(&[(b"a", &[1; 4000])])[..2000].to_vec(),
            right: plain(),
            says: "Unread",
        },
    ]
}

fn other_archives() -> Vec<Row> {
    vec![
        Row {
            name: "zip of overlapping members",
            left: overlapping(1),
            right: overlapping(2),
            says: "its members overlap",
        },
        Row {
            name: "zip that claims 4 billion members",
            left: claiming(1),
            right: claiming(2),
            says: "members, or says so",
        },
        Row {
            name: "cpio of a huge name",
            left: cpio(0xffff_ffff, 1, b"a"),
            right: cpio(2, 1, b"b"),
            says: "name is too long",
        },
        Row {
            name: "cpio of a huge member",
            left: cpio(2, 0xffff_ffff, b"a"),
            right: cpio(2, 1, b"b"),
            says: "Unread",
        },
        Row {
            name: "ar of a huge table of names",
            left: ar(9_999_999_999),
            right: ar(2),
            says: "table of names is too long",
        },
        Row {
            name: "iso whose folders are a loop",
            left: iso(true, 1),
            right: iso(true, 2),
            says: "run in a loop",
        },
        Row {
            name: "iso of a huge folder",
            left: iso(false, 1),
            right: iso(false, 2),
            says: "a folder is too long",
        },
    ]
}

fn parts() -> Vec<Row> {
    let pdf = |stream: &[u8]| {
        let mut bytes =
            b"%PDF-1.4\nxref\n0 999999999\ntrailer << /Prev 0 /Root 1 0 R >>\nstartxref\n99999999999\n"
                .to_vec();
        bytes.extend(b"1 0 obj << /Filter /FlateDecode /Length 4294967295 >>\nstream\n");
        bytes.extend(stream);
        bytes.extend(b"\nendstream endobj\n%%EOF");
        bytes
    };
    let no_end = |last: u8| [b"%PDF-1.4\n".to_vec(), b"1 0 obj ".repeat(20_000), vec![last]].concat();
    let chunk = |length: u32, kind: &[u8]| [png::MAGIC, &length.to_be_bytes(), kind, b"data"].concat();
    let picture = |last: u8| {
        let packed = zlib_bomb(last);
        let mut bytes =
            [png::MAGIC, &(packed.len() as u32).to_be_bytes(), b"IDAT", &packed, b"crcc"].concat();
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(b"IENDcrcc");
        bytes
    };
    let elf = |shift: u64| {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x28..0x30].copy_from_slice(&(u64::MAX - shift).to_le_bytes());
        bytes[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
        bytes[0x3c..0x3e].copy_from_slice(&9u16.to_le_bytes());
        bytes
    };
    let pe = |last: u8| {
        let mut bytes = vec![0; 0x80];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
        bytes[0x46..0x48].copy_from_slice(&[0xff, 0xff]);
        bytes[0x7f] = last;
        bytes
    };
    vec![
        Row {
            name: "pdf of a broken table",
            left: pdf(b"one"),
            right: pdf(b"two"),
            says: "object 1 0, stream",
        },
        Row { name: "pdf of objects without end", left: no_end(1), right: no_end(2), says: "" },
        Row { name: "pdf of a bomb", left: pdf(&zlib_bomb(1)), right: pdf(&zlib_bomb(2)), says: "" },
        Row {
            name: "png of a giant chunk",
            left: chunk(u32::MAX, b"IDAT"),
            right: chunk(4, b"IDAT"),
            says: "Unread",
        },
        Row {
            name: "png of a bomb",
            left: picture(1),
            right: picture(2),
            says: "it unpacks to more bytes than are allowed",
        },
        Row { name: "elf of sections at the end", left: elf(0), right: elf(1), says: "Unread" },
        Row { name: "pe of many sections", left: pe(1), right: pe(2), says: "" },
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// Members of gzip, one after the other, that together unpack to ten gigabytes.
fn gzip_bomb(last: u8) -> Vec<u8> {
    let mut bytes = gzip(&vec![0; 10 << 20]).repeat(1024);
    bytes.extend(gzip(&[last]));
    bytes
}

fn zlib_bomb(last: u8) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..300).for_each(|_| encoder.write_all(&zeros).expect("memory takes all"));
    encoder.write_all(&[last]).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn wrapped(last: &[u8], times: usize) -> Vec<u8> {
    (0..times).fold(last.to_vec(), |inner, _| gzip(&inner))
}

/// Files of gzip in each other, each a little longer than what it holds: what stands at every step of one that
/// unpacks to itself.
fn stored(last: u8) -> Vec<u8> {
    let mut bytes = vec![last];
    for _ in 0..60 {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&bytes).expect("memory takes all");
        bytes = encoder.finish().expect("memory takes all");
    }
    bytes
}

fn tar(members: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, contents) in members {
        let at = bytes.len();
        bytes.resize(at + 512, 0);
        bytes[at..at + name.len()].copy_from_slice(name);
        bytes[at + 100..at + 107].copy_from_slice(b"0000644");
        bytes[at + 124..at + 136].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
        bytes[at + 156] = b'0';
        bytes[at + 257..at + 265].copy_from_slice(b"ustar\x0000");
        sum(&mut bytes[at..]);
        bytes.extend_from_slice(contents);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Writes the checksum of a header.
fn sum(header: &mut [u8]) {
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A zip archive whose directory names one member many times, each of which unpacks to a megabyte.
fn overlapping(last: u8) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![last; 1 << 20]).expect("memory takes all");
    let packed = encoder.finish().expect("memory takes all");
    let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0, 0, 0, 0, 0];
    common.extend((packed.len() as u32).to_le_bytes());
    common.extend((1u32 << 20).to_le_bytes());
    common.extend([1, 0, 0, 0]);
    let mut bytes = [b"PK\x03\x04", &common[..], b"a", &packed].concat();
    let start = bytes.len() as u32;
    for _ in 0..10_000 {
        bytes.extend([b"PK\x01\x02\x1e\x03", &common[..], &[0; 14], b"a"].concat());
    }
    let size = bytes.len() as u32 - start;
    end(&mut bytes, 10_000, size, start);
    bytes
}

fn claiming(last: u8) -> Vec<u8> {
    let mut bytes = vec![b'P', b'K', 3, 4, last];
    end(&mut bytes, 0xfffe, 0xffff_fffe, 0);
    bytes
}

fn end(bytes: &mut Vec<u8>, count: u16, size: u32, start: u32) {
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    bytes.extend([0, 0]);
}

fn cpio(name: u32, size: u32, rest: &[u8]) -> Vec<u8> {
    let mut header = [0u32; 13];
    (header[6], header[11]) = (size, name);
    let mut bytes = b"070701".to_vec();
    header.iter().for_each(|number| bytes.extend(format!("{number:08x}").bytes()));
    bytes.extend(rest);
    bytes.extend([0; 16]);
    bytes
}

fn ar(names: u64) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    bytes.extend(format!("{:<48}{names:<10}`\n", "//").into_bytes());
    bytes.extend(b"x/");
    bytes
}

/// An image whose root holds a folder that is the root again, or one of a gigabyte.
fn iso(looped: bool, last: u8) -> Vec<u8> {
    let record = |name: &[u8], sector: u32, size: u32| {
        let mut record = vec![0; 33];
        record[2..6].copy_from_slice(&sector.to_le_bytes());
        record[10..14].copy_from_slice(&size.to_le_bytes());
        record[25] = 2;
        record[32] = name.len() as u8;
        record.extend(name);
        record.resize(record.len().next_multiple_of(2), 0);
        record[0] = record.len() as u8;
        record
    };
    let mut bytes = vec![0; 20 * 2048];
    bytes[16 * 2048..][..6].copy_from_slice(b"\x01CD001");
    let root = record(&[0], 18, 2048);
    bytes[16 * 2048 + 156..][..root.len()].copy_from_slice(&root);
    bytes[17 * 2048..][..6].copy_from_slice(b"\xffCD001");
    let inner = if looped { record(b"SUB", 18, 2048) } else { record(b"SUB", 19, 1 << 30) };
    let folder = [record(&[0], 18, 2048), record(&[1], 18, 2048), inner].concat();
    bytes[18 * 2048..][..folder.len()].copy_from_slice(&folder);
    bytes[19 * 2048 + 9] = last;
    bytes
}
