//! Whole comparisons over a real store: from objects to the text a person reads.

use std::collections::BTreeMap;

use rbld_lang::derivation::{ArchiveId, DerivationId, InputRef, PoolFile};
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Across, Comparison, Expect, Expected, Form, Group, Member, Places, Plan, Relation};
use rbld_lang::span::{FileId, Sources, Span};

use super::*;
use crate::report::{Style, comparisons};
use crate::store::tree::{Folder, Node};

const SPAN: Span = Span { file: FileId(0), start: 0, end: 0 };

struct Bench {
    _home: tempfile::TempDir,
    store: Store,
    states: BTreeMap<InputRef, OutputState>,
}

fn output(key: &str) -> InputRef {
    InputRef { derivation: DerivationId(Digest::of(key.as_bytes())), output: "out".into() }
}

impl Bench {
    fn new() -> Bench {
        let home = tempfile::tempdir().expect("a folder for temporary files");
        let store = Store::open(home.path()).expect("a new store");
        Bench { _home: home, store, states: BTreeMap::new() }
    }

    fn member(&mut self, key: &str, object: Object) -> Member {
        let state = OutputState::Ready { object, key: Digest::of(key.as_bytes()) };
        self.states.insert(output(key), state);
        Member { key: key.to_owned(), output: output(key) }
    }

    fn file(&mut self, key: &str, bytes: &[u8]) -> Member {
        let batch = self.store.batch().expect("a batch");
        let blob = batch.bytes(bytes).expect("a blob");
        batch.commit(&[]).expect("bytes are kept");
        self.member(key, Object::File { digest: blob.digest, size: blob.size, executable: false })
    }

    fn folder(&mut self, key: &str, files: &[(&str, &str)]) -> Member {
        let batch = self.store.batch().expect("a batch");
        let mut folder = Folder::default();
        for (name, text) in files {
            let blob = batch.bytes(text.as_bytes()).expect("a blob");
            let node = Node::File { digest: blob.digest, size: blob.size, executable: false };
            folder.insert(name, node).expect("a good name");
        }
        let object = tree::write(&batch, &folder).expect("a tree");
        batch.commit(&[]).expect("bytes are kept");
        self.member(key, object)
    }

    fn compare(&self, form: Form, options: &Options<'_>) -> String {
        let comparison = Comparison {
            name: "case".to_owned(),
            span: SPAN,
            form,
            equality: Relation::default(),
            at_least: None,
            expect: Expect::Holds,
            places: Places::default(),
        };
        let plan = Plan { comparisons: vec![comparison], ..Plan::default() };
        let missing = || OutputState::Missing("it was not asked for".to_owned());
        let state = |wanted: &InputRef| self.states.get(wanted).cloned().unwrap_or_else(missing);
        let report = compare(&plan, &state, &self.store, options);
        comparisons(&report, &Sources::default(), &Style::plain())
    }
}

fn gzip(text: &str, mtime: u32) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mtime(1_700_000_000);
    header.set_cksum();
    builder.append_data(&mut header, "p-1.0/NEWS", text.as_bytes()).expect("memory takes all");
    let bytes = builder.into_inner().expect("memory takes all");
    let mut encoder = flate2::GzBuilder::new().mtime(mtime).write(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

#[test]
fn an_odd_one_out_is_shown() {
    let mut bench = Bench::new();
    let members = vec![
        bench.file("bookworm", &gzip("first\nsecond\n", 0)),
        bench.file("trixie", &gzip("first\nsecond\n", 0)),
        bench.file("sid", &gzip("first\nzweite\n", 7)),
    ];
    let groups = vec![Group { name: "modern".to_owned(), members: vec![0, 1, 2], span: SPAN }];
    let digests: Vec<String> = [0, 2]
        .map(|index: usize| match &bench.states[&members[index].output] {
            OutputState::Ready { object, .. } => object.digest().short(),
            _ => String::new(),
        })
        .into();
    let form = Form::Identical { members, groups, across: Across::Any };
    let text = bench.compare(form, &Options::default());
    let expected = format!(
        "\
mismatch      case                                           3 builds, 2 results
    modern: mismatch, 3 builds, 2 results
      {}  bookworm, trixie
      {}  sid
    bookworm (-) and sid (+)
      what differs: contents, compression
      p-1.0/NEWS, line 2
        - second
        + zweite
      gzip header: mtime
        - 0
        + 7 (1970-01-01T00:00:07Z)
      looks like a timestamp (gzip header): `0` and `7`
        usual fix: pack with `gzip -n`
      1 place looks like no class that is known
      class known, cause unconfirmed

1 comparison: 1 mismatch
",
        digests[0], digests[1]
    );
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn folders_are_looked_into() {
    let mut bench = Bench::new();
    let members = vec![
        bench.folder("a", &[("same", "1"), ("sub/file", "one\n"), ("gone", "")]),
        bench.folder("b", &[("same", "1"), ("sub/file", "two\n")]),
    ];
    let form = Form::Identical { members, groups: Vec::new(), across: Across::Any };
    let text = bench.compare(form, &Options::default());
    assert!(text.contains("      sub/file, line 1\n        - one\n        + two\n"), "{text}");
    assert!(text.contains("      1 member on one side only\n        only in a: gone\n"), "{text}");
}

#[test]
fn a_published_file_is_fetched_to_be_shown() {
    let mut bench = Bench::new();
    let member = bench.folder("ucf", &[("ucf_1_all.deb", "built\n"), ("ucf_1.buildinfo", "x")]);
    let file = PoolFile {
        origin: None,
        name: "ucf_1_all.deb".to_owned(),
        digest: Digest::of(b"published\n"),
        size: 10,
        path: "pool/ucf_1_all.deb".to_owned(),
    };
    let archive = ArchiveId { name: "debian".to_owned(), instant: 0 };
    let expected = Expected::Published { by: "debian bookworm".to_owned(), files: vec![file], archive };
    let form = || Form::Matches { members: vec![member.clone()], expected: vec![expected.clone()] };
    let text = bench.compare(form(), &Options::default());
    assert!(text.contains("0 of 1 published file built bit for bit"), "{text}");
    assert!(!text.contains("expected (-)"), "nobody can fetch it: {text}");
    let store = bench.store.clone();
    let fetch = |_: &ArchiveId, file: &PoolFile| {
        assert_eq!(file.name, "ucf_1_all.deb");
        let batch = store.batch()?;
        batch.bytes(b"published\n")?;
        batch.commit(&[])
    };
    let text = bench.compare(form(), &Options { published: Some(&fetch), ..Options::default() });
    assert!(text.contains("    ucf_1_all.deb: expected (-) and ucf (+)\n"), "{text}");
    assert!(text.contains("        - published\n        + built\n"), "{text}");
    let fails = |_: &ArchiveId, _: &PoolFile| Err(crate::failure::Failure::world("the mirror is down"));
    let text = Bench { store: Bench::new().store, ..bench }
        .compare(form(), &Options { published: Some(&fails), ..Options::default() });
    assert!(text.contains("inconclusive"), "what was built isn't in this store: {text}");
}
