//! The lock's text there and back, what is refused, and what counts as stale.

use proptest::prelude::*;

use super::*;
use crate::derivation::Package;

const EXAMPLE: &str = "\
rbld-lock 1

request REQUEST
environment debian bookworm main 2026-11-20T00:00:00Z amd64
asked git
asked-build-depends ucf
index bookworm 0101010101010101010101010101010101010101010101010101010101010101 2026-11-15T10:02:11Z - 4CB5
package git 1:2.39.5-0+deb12u2 amd64 0202020202020202020202020202020202020202020202020202020202020202 7256412 pool/main/g/git/git_2.39.5-0+deb12u2_amd64.deb libc6
package libc6 2.36-9+deb12u10 amd64 0303030303030303030303030303030303030303030303030303030303030303 2756876 pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb -
root git
tree 0404040404040404040404040404040404040404040404040404040404040404
";

fn request() -> Request {
    Request::Environment {
        suite: SuiteAt {
            archive: "debian".to_owned(),
            suite: "bookworm".to_owned(),
            components: vec!["main".to_owned()],
            instant: 1_795_132_800,
            ..SuiteAt::default()
        },
        arch: Arch::Amd64,
        packages: vec!["git".to_owned()],
        build_depends: vec!["ucf".to_owned()],
    }
}

fn example() -> String {
    EXAMPLE.replace("REQUEST", &request().digest().to_hex())
}

const BESIDE: &str = "\
rbld-lock 1

request REQUEST
environment debian bookworm main 2026-11-20T00:00:00Z amd64
keyring 0505050505050505050505050505050505050505050505050505050505050505
suite debian bookworm-updates main
suite http://a.example/b stable main 0505050505050505050505050505050505050505050505050505050505050505
index bookworm 0101010101010101010101010101010101010101010101010101010101010101 2026-11-15T10:02:11Z - 4CB5
index stable 0101010101010101010101010101010101010101010101010101010101010101 2026-11-15T10:02:11Z - 4CB5 http://a.example/b
package git 1:2.39.5-0+deb12u2 amd64 0202020202020202020202020202020202020202020202020202020202020202 7256412 pool/git.deb - http://a.example/b 2026-11-20T00:00:00Z
root git
";

#[test]
fn further_suites_and_keyrings_are_read_and_written() {
    let text = BESIDE.replace("REQUEST", &"0".repeat(64));
    let lock = parse(&text).unwrap();
    assert_eq!(print(&lock), text);
    let block = lock.blocks.values().next().unwrap();
    let suite = block.title.suite().unwrap();
    assert_eq!((suite.beside.len(), suite.each().len(), suite.keyring.is_some()), (2, 3, true));
    assert!(block.title.title().ends_with(" amd64 with bookworm-updates, stable"));
    assert_eq!(block.indexes[1].archive.as_deref(), Some("http://a.example/b"));
    let Facts::Environment { packages, .. } = &block.facts else { panic!("{block:?}") };
    assert_eq!(packages[0].package.origin.as_ref().map(|origin| origin.instant), Some(1_795_132_800));
    let plain = SuiteAt { keyring: None, beside: Vec::new(), ..suite.clone() };
    let digest = |suite: &SuiteAt| Request::Emulator { suite: suite.clone(), host: Arch::Amd64 }.digest();
    assert_ne!(digest(&plain), digest(suite));
    let mut turned = suite.clone();
    turned.beside.reverse();
    assert_eq!(digest(&turned), digest(suite));
    assert_eq!(refused(&text.replace(" main\nsuite", " main main\nsuite")).split(':').next(), Some("line 6"));
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_lock_is_read_and_written_byte_for_byte() {
    let lock = parse(&example()).unwrap();
    assert_eq!(print(&lock), example());
    let block = lock.get(&request()).unwrap();
    assert_eq!(block.title, request());
    assert_eq!(block.indexes[0].valid_until, None);
    let Facts::Environment { packages, roots, tree } = &block.facts else { panic!("{block:?}") };
    assert_eq!((packages.len(), roots.len(), tree.is_some()), (2, 1, true));
    assert_eq!(packages[0].needs, ["libc6"]);
}

#[test]
fn the_digest_of_a_request_never_changes() {
    let mut twice = request();
    if let Request::Environment { packages, .. } = &mut twice {
        packages.push("git".to_owned());
    }
    assert_eq!(twice.digest(), request().digest());
    assert_eq!(request().title(), "environment debian bookworm main 2026-11-20T00:00:00Z amd64");
    let suite = request().suite().unwrap().clone();
    let source = Request::Source { suite: suite.clone(), name: "ucf".to_owned(), arch: Arch::Amd64 };
    let emulator = Request::Emulator { suite, host: Arch::Amd64 };
    let digests = [request(), source, emulator].map(|request| request.digest().to_hex());
    assert_eq!(digests, GOLDEN);
}

/// A change here is a change of the format: every lock of every project becomes stale.
const GOLDEN: [&str; 3] = [
    "c956f2b0afdb80681c9955bf746098f9d55e95c89721ff4a6fd3711fd62e38c8",
    "2ca6179c1e844fec235cf75201212ca21f8d7c2d3f39df0ec8591bef91f80a0a",
    "17bf2f212917c59235bb990cba6ad7a9c6416d5c3131e5bcdd68450713176e29",
];

#[test]
fn what_is_wrong_with_a_lock_is_said_by_line() {
    assert_eq!(refused(""), "line 1: the first line is not `rbld-lock 1`");
    assert_eq!(refused("rbld-lock 2\n"), "line 1: the lock has format 2, this rbld reads format 1");
    assert_eq!(refused("rbld-lock 1\nroot git\n"), "line 2: `root` stands before the first `request`");
    assert_eq!(
        refused(&example().replace("root git", "root git\nroot git")),
        "line 11: the same `root` line twice in one block"
    );
    assert_eq!(
        refused(&example().replace("root git", "roots git")),
        "line 10: no line of a lock begins with `roots`"
    );
    assert_eq!(refused(&example().replace("root git", "root git now")), "line 10: `root` goes on with `now`");
    assert_eq!(
        refused(&example().replace("root git", "root ")),
        "line 10: two blanks beside each other, or one at an end of the line"
    );
    assert_eq!(
        refused(&example().replace(" 7256412 ", " 07256412 ")),
        "line 8: `07256412` is not a size in bytes"
    );
    assert_eq!(
        refused(&example().replace("2026-11-15T10", "2026-11-31T10")),
        "line 7: `2026-11-31T10:02:11Z` is not the date of the index"
    );
    assert_eq!(
        refused(&example().replace("root git", "version 1")),
        "line 3: a `version` line has no place in the block of this request"
    );
    let twice = example() + &example().replace("rbld-lock 1\n", "");
    assert_eq!(refused(&twice), "line 13: a second block for the same request");
}

#[test]
fn marks_of_a_merge_conflict_are_known() {
    let conflict = example().replace("root git", "<<<<<<< HEAD\nroot git\n=======\nroot make\n>>>>>>> other");
    let error = parse(&conflict).unwrap_err();
    assert_eq!(error.line, 10);
    assert_eq!(error.message, "a merge conflict that isn't settled");
    assert!(error.help.contains("rbld lock"));
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let mut lines: Vec<String> = example().lines().map(str::to_owned).collect();
    lines[4..].reverse();
    assert_eq!(print(&parse(&lines.join("\n")).unwrap()), example());
}

#[test]
fn a_lock_is_stale_when_it_does_not_answer_what_is_asked() {
    let lock = parse(&example()).unwrap();
    assert_eq!(lock.stale(&[request()]), []);
    let title = request().title();
    assert_eq!(lock.stale(&[]), [Stale::Unreached(title.clone())]);
    assert_eq!(Lock::default().stale(&[request()]), [Stale::Missing(title.clone())]);
    let changed = parse(&example().replace("asked git", "asked make")).unwrap();
    assert_eq!(changed.stale(&[request()]), [Stale::Changed(title.clone())]);
    assert_eq!(changed.get(&request()), None);
    let unmet = parse(&example().replace("deb libc6", "deb libc7")).unwrap();
    assert_eq!(
        unmet.stale(&[request()]),
        [
            Stale::Unmet { package: "git".to_owned(), need: "libc7".to_owned() },
            Stale::Unneeded("libc6".to_owned())
        ]
    );
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9+.-]{1,6}",
        any::<String>(),
        Just("-".to_owned()),
        Just("%".to_owned()),
        Just("a b,c".to_owned())
    ]
}

fn any_names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_set(any_name(), 0..4).prop_map(|names| names.into_iter().collect())
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn any_instant() -> impl Strategy<Value = i64> {
    0..253_402_300_800_i64
}

fn any_arch() -> impl Strategy<Value = Arch> {
    proptest::sample::select(Arch::ALL.to_vec())
}

fn any_suite() -> impl Strategy<Value = SuiteAt> {
    let keyring = || proptest::option::of(any_digest());
    let beside = (any_name(), any_name(), any_names(), keyring())
        .prop_map(|(archive, suite, components, keyring)| Beside { archive, suite, components, keyring });
    let beside = proptest::collection::btree_set(beside, 0..3);
    (any_name(), any_name(), any_names(), any_instant(), keyring(), beside).prop_map(
        |(archive, suite, components, instant, keyring, beside)| SuiteAt {
            archive,
            suite,
            components,
            instant,
            keyring,
            beside: beside.into_iter().collect(),
        },
    )
}

fn any_origin() -> impl Strategy<Value = Option<ArchiveId>> {
    proptest::option::of((any_name(), any_instant()).prop_map(|(name, instant)| ArchiveId { name, instant }))
}

fn any_package() -> impl Strategy<Value = LockedPackage> {
    let all = (any_name(), any_name(), any_name(), any_digest(), any::<u64>(), any_name(), any_names());
    (all, any_origin()).prop_map(|((name, version, arch, digest, size, path, needs), origin)| LockedPackage {
        package: Package { name, version, arch, digest, size, path, origin },
        needs,
    })
}

fn any_pool() -> impl Strategy<Value = Vec<PoolFile>> {
    let file = (any_name(), any_digest(), any::<u64>(), any_name(), any_origin())
        .prop_map(|(name, digest, size, path, origin)| PoolFile { name, digest, size, path, origin });
    proptest::collection::btree_set(file, 0..4).prop_map(|files| files.into_iter().collect())
}

fn any_index() -> impl Strategy<Value = Index> {
    let until = proptest::option::of(any_instant());
    let archive = proptest::option::of(any_name());
    (any_name(), any_digest(), any_instant(), until, any_name(), archive).prop_map(
        |(suite, digest, date, valid_until, signer, archive)| Index {
            suite,
            digest,
            date,
            valid_until,
            signer,
            archive,
        },
    )
}

fn any_block() -> impl Strategy<Value = Block> {
    let indexes = || {
        proptest::collection::btree_set(any_index(), 0..3)
            .prop_map(|indexes| indexes.into_iter().collect::<Vec<_>>())
    };
    let packages = proptest::collection::btree_set(any_package(), 0..5).prop_map(|packages| {
        let mut packages: Vec<LockedPackage> = packages.into_iter().collect();
        packages.sort_by(|a, b| {
            let key = |l: &LockedPackage| {
                (l.package.name.clone(), l.package.arch.clone(), l.package.version.clone())
            };
            key(a).cmp(&key(b))
        });
        packages
    });
    let environment = (
        (any_suite(), any_arch(), any_names(), any_names()),
        indexes(),
        (packages, any_names(), proptest::option::of(any_digest())),
    )
        .prop_map(|((suite, arch, asked, build_depends), indexes, (packages, roots, tree))| Block {
            title: Request::Environment { suite, arch, packages: asked, build_depends },
            indexes,
            facts: Facts::Environment { packages, roots, tree },
        });
    let source = (any_suite(), any_name(), any_arch(), indexes(), any_name(), any_pool(), any_pool())
        .prop_map(|(suite, name, arch, indexes, version, files, binaries)| Block {
            title: Request::Source { suite, name, arch },
            indexes,
            facts: Facts::Source { version, files, binaries },
        });
    let emulator =
        (any_suite(), any_arch(), indexes(), any_package()).prop_map(|(suite, host, indexes, package)| {
            Block { title: Request::Emulator { suite, host }, indexes, facts: Facts::Emulator(package) }
        });
    prop_oneof![environment, source, emulator]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_again(blocks in proptest::collection::vec(any_block(), 0..4)) {
        let blocks = blocks.into_iter().map(|block| (block.title.digest(), block)).collect();
        let lock = Lock { blocks };
        let text = print(&lock);
        prop_assert_eq!(&parse(&text).unwrap(), &lock, "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), at in 0..900_usize, cut in 0..40_usize, more in "[ -~\n]{0,8}") {
        let _ = parse(&text);
        let mut mutated = example();
        let (from, to) = (at.min(mutated.len()), (at + cut).min(mutated.len()));
        mutated.replace_range(from..to, &more);
        if let Ok(lock) = parse(&mutated) {
            prop_assert_eq!(&parse(&print(&lock)).unwrap(), &lock);
        }
    }
}
