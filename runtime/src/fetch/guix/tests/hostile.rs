//! Bytes that nobody should serve: each ends in a sentence, never in a panic, and takes no more memory than it says.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::nar::{self, Wrong};
use super::*;
use crate::packing::Codec;

/// A word of a nar.
fn word(bytes: &[u8]) -> Vec<u8> {
    let mut word = (bytes.len() as u64).to_le_bytes().to_vec();
    word.extend_from_slice(bytes);
    word.resize(word.len().next_multiple_of(8), 0);
    word
}

fn words(words: &[&str]) -> Vec<u8> {
    words.iter().flat_map(|text| word(text.as_bytes())).collect()
}

fn unpack(nar: &[u8]) -> Result<Node, String> {
    unpack_in(&Place::new(), nar)
}

fn unpack_in(place: &Place, nar: &[u8]) -> Result<Node, String> {
    let batch = place.store.batch().unwrap();
    match nar::unpack(&mut &*nar, &batch) {
        Ok(node) => Ok(node),
        Err(Wrong::Nar(why)) => Err(why),
        Err(Wrong::Here(failure)) => panic!("{failure}"),
    }
}

fn folder(names: &[&[u8]]) -> Vec<u8> {
    let mut nar = words(&["nix-archive-1", "(", "type", "directory"]);
    for name in names {
        nar.extend(words(&["entry", "(", "name"]));
        nar.extend(word(name));
        nar.extend(words(&["node", "(", "type", "symlink", "target", "x", ")", ")"]));
    }
    nar.extend(words(&[")"]));
    nar
}

#[test]
fn names_that_are_none_are_refused() {
    assert!(unpack(&folder(&[b"a", b"b"])).is_ok());
    let long = [b'a'; 256];
    for (names, why) in [
        (vec![&b"."[..]], "is no name"),
        (vec![b".."], "is no name"),
        (vec![b""], "is no name"),
        (vec![b"a/b"], "is no name"),
        (vec![b"/etc"], "is no name"),
        (vec![b"a\0"], "is no name"),
        (vec![b"\xff"], "isn't UTF-8"),
        (vec![b"a", b"a"], "twice, or not in its sorted place"),
        (vec![b"b", b"a"], "twice, or not in its sorted place"),
        (vec![&long], "has a name of 256 bytes"),
    ] {
        let refused = unpack(&folder(&names)).unwrap_err();
        assert!(refused.contains(why), "{names:?}: {refused}");
    }
}

#[test]
fn what_is_no_nar_is_refused() {
    let head = ["nix-archive-1", "(", "type"];
    let nar = |rest: &[&str]| words(&[&head[..], rest].concat());
    for (bytes, why) in [
        (Vec::new(), "ends too early"),
        (words(&["nix-archive-2"]), "where `nix-archive-1` belongs"),
        (nar(&["socket"]), "an entry of the type `socket`"),
        (nar(&["regular", "executable", "x"]), "isn't empty"),
        (nar(&["regular", "size"]), "where `contents` belongs"),
        (nar(&["symlink", "target", "", ")"]), "a link to nowhere"),
        (nar(&["directory", "regular"]), "where an entry belongs"),
    ] {
        assert!(unpack(&bytes).unwrap_err().contains(why), "{}", bytes.escape_ascii());
    }
    let mut padded = nar(&["regular", "contents", "abc", ")"]);
    assert!(unpack(&padded).is_ok());
    let at = padded.windows(3).position(|bytes| bytes == b"abc").unwrap();
    padded[at + 3] = 1;
    assert!(unpack(&padded).unwrap_err().contains("filled up with something else"));
}

#[test]
fn lengths_take_no_memory() {
    for length in [u64::MAX, u64::MAX - 7, 1 << 40] {
        let mut nar = words(&["nix-archive-1", "(", "type", "regular", "contents"]);
        nar.extend(length.to_le_bytes());
        nar.extend(b"abc");
        assert_eq!(unpack(&nar).unwrap_err(), "ends too early");
        let mut nar = words(&["nix-archive-1", "(", "type"]);
        nar.extend(length.to_le_bytes());
        assert!(unpack(&nar).unwrap_err().contains("at most 16 can be"));
    }
    let mut deep = words(&["nix-archive-1"]);
    for _ in 0..300 {
        deep.extend(words(&["(", "type", "directory", "entry", "(", "name", "a", "node"]));
    }
    assert!(unpack(&deep).unwrap_err().contains("more than 200 deep"));
    let mut long = words(&["nix-archive-1"]);
    let name = "a".repeat(255);
    for _ in 0..30 {
        long.extend(words(&["(", "type", "directory", "entry", "(", "name", &name, "node"]));
    }
    assert!(unpack(&long).unwrap_err().contains("a path of more than"));
}

#[test]
fn a_bomb_stops_at_the_size_that_was_locked() {
    let place = Place::new();
    let mut bomb = words(&["nix-archive-1", "(", "type", "regular", "contents"]);
    bomb.extend((1u64 << 30).to_le_bytes());
    bomb.resize(64 << 20, 0);
    let packed = zstd::stream::encode_all(&bomb[..], 3).unwrap();
    place.serve("one", LEAF, "nar/leaf", "zstd", &packed);
    let failure = place.realise(&[leaf()], &["one"]).unwrap_err();
    assert!(failure.to_string().contains("more than the 1232 bytes that were locked"), "{failure}");
}

#[test]
fn narinfos_that_lie_are_refused() {
    let signature = LEAF.find("Signature").unwrap();
    let after = |line: &str| format!("{LEAF}{line}\n");
    let before = |line: &str| format!("{}{line}\n{}", &LEAF[..signature], &LEAF[signature..]);
    for (text, why) in [
        (
            after("NarHash: sha256:1b3n4alcv9nhxcx2sk53qz6qmffyzgm93xsyf1db3y34x6sigyw5"),
            "after the signature",
        ),
        (after("References: x"), "after the signature"),
        (after("Signature: 1;a;b"), "`Signature` twice"),
        (after("Compression: zstd"), "`Compression` twice"),
        (after("URL"), "isn't `Key: value`"),
        (before("NarSize: 1"), "`NarSize` twice"),
        (before("FileSize: 1"), "`FileSize` before any `URL`"),
        (LEAF.replace("NarSize: 1232", "NarSize: -1"), "is no number"),
        (LEAF.replace("NarSize: 1232", "NarSize: +1"), "is no number"),
        (LEAF.replace("NarSize: 1232", "NarSize: 99999999999999999999"), "is no number"),
        (LEAF.replace("NarSize: 1232\n", ""), "no `NarSize`"),
        (LEAF.replace("/gnu/store/", "/nix/store/"), "isn't in /gnu/store"),
        (LEAF.replace("References: ", "References: ../x"), "no store item"),
        (LEAF.replace("sha256:", "sha1:"), "is no sha256"),
        (after(&"URL: x\n".repeat(20)), "more than 16 downloads"),
        (String::new(), "no `StorePath`"),
    ] {
        let refused = narinfo::parse(&text).unwrap_err();
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

#[test]
fn lists_in_lists_are_bounded() {
    assert!(sexp::parse(&"(".repeat(100_000)).unwrap_err().contains("64 deep"));
    assert!(sexp::parse(")").is_err() && sexp::parse("\"").is_err() && sexp::parse("#0#").is_err());
    assert!(sexp::parse(&"a ".repeat(100_000)).unwrap_err().contains("20000 words"));
    assert!(sexp::parse(&" ".repeat(2 << 20)).unwrap_err().contains("bytes"));
}

#[test]
fn a_nar_with_other_bytes_never_panics() {
    let place = Place::new();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2000));
    let changes = (vec((0..LEAF_NAR.len(), any::<u8>()), 1..6), 0..=LEAF_NAR.len());
    let ran = runner.run(&changes, |(changes, end)| {
        let mut nar = LEAF_NAR.to_vec();
        for (at, byte) in changes {
            nar[at] = byte;
        }
        nar.truncate(end);
        let _ = unpack_in(&place, &nar);
        Ok(())
    });
    ran.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn packed_bytes_never_panic(which in 0..3usize, changes in vec((0..250usize, any::<u8>()), 1..6)) {
        let (_, name, packed) = PACKED[which];
        let mut packed = packed.to_vec();
        for (at, byte) in changes {
            packed[at] = byte;
        }
        let codec = [Codec::Lzip, Codec::Gzip, Codec::Zstd][which];
        let mut sink = Vec::new();
        if let Ok(reader) = codec.reader(&packed[..]) {
            let _ = std::io::Read::read_to_end(&mut std::io::Read::take(reader, 1 << 20), &mut sink);
        }
        prop_assert!(sink.len() <= 1 << 20, "{name}");
    }

    #[test]
    fn a_narinfo_with_other_bytes_is_never_believed(at in 0..LEAF.len(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = LEAF.as_bytes().to_vec();
        let same = bytes[at] == byte;
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(found) = narinfo::parse(&text)
            && signature::check(&found, &acl()).is_ok()
        {
            // Only where a nar is said to be, or blanks, can be other than they were.
            let real = narinfo::parse(LEAF).unwrap();
            prop_assert!(same || cut || found.signed == real.signed);
            prop_assert_eq!((found.path, found.nar_hash, found.nar_size), (real.path, real.nar_hash, real.nar_size));
        }
    }

    #[test]
    fn texts_never_panic(text in "\\PC{0,200}", lists in "[()\\[\\]\"'#;\\\\ a0\\n]{0,200}") {
        let _ = sexp::parse(&text);
        let _ = sexp::parse(&lists);
        let _ = narinfo::parse(&text);
        let _ = Acl::parse(&text);
        let _ = text.parse::<StorePath>();
        let _ = path::from_base32(&text);
    }
}
