//! Witnesses over a store. Made once with gpg and `--faked-system-time`, on 1 January 2025: alice signed one list with a
//! subkey and another with her primary key, bob a clear-signed one with SHA-512, carol, whose key ended with 2026, one of
//! another file. All speak of `hello.tar.gz`, in which is `hello` and a line feed.

use std::collections::BTreeMap;

use rbld_lang::derivation::DerivationId;
use rbld_lang::plan::Member;
use rbld_lang::span::{FileId, Span};

use super::*;

const SPAN: Span = Span { file: FileId(0), start: 0, end: 0 };
const KEYS: &[u8] = include_bytes!("fixtures/keys.gpg");
const ALICE: &[u8] = include_bytes!("fixtures/alice.SHA256SUMS");
const ALICE_SIGNED: &[u8] = include_bytes!("fixtures/alice.SHA256SUMS.asc");
const AGAIN: &[u8] = include_bytes!("fixtures/again.SHA256SUMS");
const AGAIN_SIGNED: &[u8] = include_bytes!("fixtures/again.SHA256SUMS.sig");
const BOB: &[u8] = include_bytes!("fixtures/bob.SHA256SUMS");
const BOBS_KEY: &[u8] = include_bytes!("fixtures/bob.asc");
const CAROL: &[u8] = include_bytes!("fixtures/carol.SHA256SUMS");

/// 1 July of a year.
fn july(year: i64) -> i64 {
    crate::fetch::date::parse(&format!("Thu, 01 Jul {year} 00:00:00 UTC")).expect("a date")
}

struct Bench {
    _home: tempfile::TempDir,
    store: Store,
    states: BTreeMap<InputRef, OutputState>,
    now: i64,
}

fn input(name: &str) -> InputRef {
    InputRef { derivation: DerivationId(Digest::of(name.as_bytes())), output: "out".into() }
}

impl Bench {
    fn new() -> Bench {
        let home = tempfile::tempdir().expect("a folder for temporary files");
        let store = Store::open(home.path()).expect("a new store");
        let mut bench = Bench { _home: home, store, states: BTreeMap::new(), now: july(2026) };
        bench.file("built", b"hello\n");
        bench.file("keys", KEYS);
        bench
    }

    fn ready(&mut self, name: &str, object: Object) -> InputRef {
        let key = Digest::of(name.as_bytes());
        self.states.insert(input(name), OutputState::Ready { object, key });
        input(name)
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> InputRef {
        let batch = self.store.batch().expect("a batch");
        let blob = batch.bytes(bytes).expect("a blob");
        batch.commit(&[]).expect("bytes are kept");
        self.ready(name, Object::File { digest: blob.digest, size: blob.size, executable: false })
    }

    fn folder(&mut self, name: &str, files: &[(&str, &[u8])]) -> InputRef {
        let batch = self.store.batch().expect("a batch");
        let mut folder = Folder::default();
        for (path, bytes) in files {
            let blob = batch.bytes(bytes).expect("a blob");
            let node = Node::File { digest: blob.digest, size: blob.size, executable: false };
            folder.insert(path, node).expect("a good name");
        }
        let object = tree::write(&batch, &folder).expect("a tree");
        batch.commit(&[]).expect("bytes are kept");
        self.ready(name, object)
    }

    fn judge(&self, k: u32, of: Vec<Says>) -> (Verdict, Vec<Word>, u64) {
        let state = |wanted: &InputRef| {
            self.states.get(wanted).cloned().unwrap_or(OutputState::Missing("it wasn't tried".to_owned()))
        };
        let files = |object: &Object, _: &InputRef| {
            Ok(BTreeMap::from([("hello.tar.gz".to_owned(), object.digest())]))
        };
        let asked = Asked { state: &state, files: &files, store: Some(&self.store), now: Some(self.now) };
        let witness = |(index, says)| Witness { name: format!("w{index}"), span: SPAN, says };
        let of: Vec<Witness> = of.into_iter().enumerate().map(witness).collect();
        let member = Member { key: "t".to_owned(), output: input("built") };
        let member = Subject::all(&[member], &state).remove(0);
        let outcome = judge(member, k, &of, &asked);
        let words = outcome.agreed.expect("it has witnesses").voices.into_iter().map(|voice| voice.word);
        (outcome.verdict, words.collect(), outcome.share.holding)
    }

    fn alice(&mut self) -> Says {
        let (sums, signature) = (self.file("alice", ALICE), Some(self.file("alice.asc", ALICE_SIGNED)));
        Says::Signed { sums, at: None, signature, keys: input("keys") }
    }

    fn clear(&mut self, name: &str, bytes: &[u8]) -> Says {
        Says::Signed { sums: self.file(name, bytes), at: None, signature: None, keys: input("keys") }
    }
}

fn why(word: &Word) -> &str {
    match word {
        Word::Nothing(why) => why,
        _ => "",
    }
}

#[test]
fn signatures_beside_and_within_lists_are_good() {
    let mut bench = Bench::new();
    let both = vec![bench.alice(), bench.clear("bob", BOB)];
    assert_eq!(bench.judge(2, both), (Verdict::Match, vec![Word::Same, Word::Same], 2));
}

#[test]
fn one_key_is_one_witness_whichever_of_its_subkeys_signed() {
    let mut bench = Bench::new();
    let folder = bench.folder("sigs", &[("1/SUMS", AGAIN), ("1/SUMS.sig", AGAIN_SIGNED)]);
    let at = Some("1/SUMS".to_owned());
    let again = Says::Signed { sums: folder, at, signature: None, keys: input("keys") };
    let both = vec![bench.alice(), again];
    let found = bench.judge(2, both);
    assert_eq!(found, (Verdict::Inconclusive, vec![Word::Same, Word::Again { first: 0 }], 1));
}

#[test]
fn a_witness_who_disagrees_is_a_mismatch() {
    let mut bench = Bench::new();
    let of = vec![bench.alice(), bench.clear("bob", BOB), bench.clear("carol", CAROL)];
    let (verdict, words, holding) = bench.judge(2, of);
    assert_eq!((verdict, holding), (Verdict::Mismatch, 2));
    let other = Digest::of(b"other\n");
    assert_eq!(words[2], Word::Other(vec![("hello.tar.gz".to_owned(), other)]));
}

#[test]
fn a_signature_counts_as_of_when_it_was_made() {
    let mut bench = Bench::new();
    bench.now = july(2030);
    let carol = vec![bench.clear("carol", CAROL)];
    assert_eq!(bench.judge(1, carol).0, Verdict::Mismatch);
    bench.now = july(2024);
    let alice = vec![bench.alice()];
    let (verdict, words, _) = bench.judge(1, alice);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why(&words[0]).contains("made in the future"), "{words:?}");
}

#[test]
fn what_cannot_be_verified_says_nothing() {
    let mut bench = Bench::new();
    let of = |bench: &mut Bench, says: Says| {
        let (verdict, words, _) = bench.judge(1, vec![says]);
        assert_eq!(verdict, Verdict::Inconclusive, "{words:?}");
        why(&words[0]).to_owned()
    };
    let changed = String::from_utf8_lossy(ALICE).replace("out/", "in/");
    let (sums, signature) =
        (bench.file("x", changed.as_bytes()), Some(bench.file("alice.asc", ALICE_SIGNED)));
    let says = Says::Signed { sums, at: None, signature, keys: input("keys") };
    assert!(of(&mut bench, says).contains("doesn't fit the text"));
    // A changed list that would disagree is no mismatch either: nobody vouches for it.
    let evil = String::from_utf8_lossy(CAROL).replace("hello.tar.gz", "hello.tar.xz");
    let says = bench.clear("evil", evil.as_bytes());
    assert!(of(&mut bench, says).contains("doesn't fit the text"));
    let says = bench.clear("bare", ALICE);
    assert!(of(&mut bench, says).contains("no signature in it"));
    let folder = bench.folder("sigs", &[("SUMS", ALICE)]);
    let (at, keys) = (Some("SUMS".to_owned()), input("keys"));
    let says = Says::Signed { sums: folder, at, signature: None, keys };
    assert!(of(&mut bench, says).contains("`SUMS.asc`"));
    let keys = bench.file("bob's key", BOBS_KEY);
    let (sums, signature) = (bench.file("alice", ALICE), Some(bench.file("alice.asc", ALICE_SIGNED)));
    assert!(of(&mut bench, Says::Signed { sums, at: None, signature, keys }).contains("no such key"));
    let keys = bench.file("no keys", b"nothing");
    let says = Says::Signed { sums: input("alice"), at: None, signature: None, keys };
    assert!(of(&mut bench, says).contains("no key could be read"));
    let sums = bench.file("silent", format!("{}  another\n", Digest::of(b"x")).as_bytes());
    let says = Says::Unsigned { sums, at: None, why: "ours".to_owned() };
    assert!(of(&mut bench, says).contains("says nothing of `hello.tar.gz`"));
    let says = Says::Unsigned { sums: input("nowhere"), at: None, why: "ours".to_owned() };
    assert!(of(&mut bench, says).contains("wasn't tried"));
    for cut in (0..BOB.len()).step_by(11) {
        let says = bench.clear("cut", &BOB[..cut]);
        of(&mut bench, says);
    }
}

#[test]
fn keys_may_lie_in_a_folder_and_lists_be_believed_for_a_reason() {
    let mut bench = Bench::new();
    let keys = bench.folder("ring", &[("a/bob.asc", BOBS_KEY), ("readme", b"text")]);
    let bob = Says::Signed { sums: bench.file("bob", BOB), at: None, signature: None, keys };
    let ours = Says::Unsigned { sums: bench.file("ours", ALICE), at: None, why: "our own".to_owned() };
    let copy = Says::Unsigned { sums: bench.file("copy", ALICE), at: None, why: "our own".to_owned() };
    let found = bench.judge(2, vec![bob, ours, copy]);
    assert_eq!(found, (Verdict::Match, vec![Word::Same, Word::Same, Word::Again { first: 1 }], 2));
}

#[test]
fn another_build_is_a_witness_unless_it_is_the_same() {
    let mut bench = Bench::new();
    let other = |output| Says::Output(Member { key: "other".to_owned(), output });
    let equal = bench.file("equal", b"hello\n");
    assert_eq!(bench.judge(1, vec![other(equal)]).0, Verdict::Match);
    let odd = bench.file("odd", b"hullo\n");
    assert_eq!(bench.judge(1, vec![other(odd)]).0, Verdict::Mismatch);
    let (verdict, words, _) = bench.judge(1, vec![other(input("built"))]);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why(&words[0]).contains("the same build"));
}
