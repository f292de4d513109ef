//! Blocks of Guix: there and back, what is refused, what counts as stale.

use super::*;

const EXAMPLE: &str = "\
rbld-lock 1

request REQUEST
guix amd64
channel guix 136fc8bfe91a64d28b6c54cf8f5930ffe787c16e https://git.example.org/guix.git master 9edb3f66fd807b096b48283debdcddccfea34bad BBB02DDF2CEAF6A80D1DE643A2A06DF2A33A54FA
channel more 236fc8bfe91a64d28b6c54cf8f5930ffe787c16e - - - -
asked gcc:lib
asked hello
asked-item /gnu/store/20ixq4z1ccvjd8nzgs0ffl6v2wllnplv-more-1
resolver 1.5.0
item 00ixq4z1ccvjd8nzgs0ffl6v2wllnplv-libc-2.41 0101010101010101010101010101010101010101010101010101010101010101 38011112 8D15 -
item 10ixq4z1ccvjd8nzgs0ffl6v2wllnplv-hello-2.12.1 0202020202020202020202020202020202020202020202020202020202020202 632 8D15 00ixq4z1ccvjd8nzgs0ffl6v2wllnplv-libc-2.41,10ixq4z1ccvjd8nzgs0ffl6v2wllnplv-hello-2.12.1
item 20ixq4z1ccvjd8nzgs0ffl6v2wllnplv-more-1 0303030303030303030303030303030303030303030303030303030303030303 120 8D15 -
profile 1 20ixq4z1ccvjd8nzgs0ffl6v2wllnplv-more-1
profile 2 10ixq4z1ccvjd8nzgs0ffl6v2wllnplv-hello-2.12.1
search-path 1 PATH : directory - bin,sbin
search-path 2 XML_CATALOG_FILES %20 regular ^catalog\\.xml$ xml
search-path 3 GIT_EXEC_PATH - directory - libexec/git-core
tree 0404040404040404040404040404040404040404040404040404040404040404
";

fn request() -> Request {
    let guix = Channel {
        name: "guix".to_owned(),
        commit: "136fc8bfe91a64d28b6c54cf8f5930ffe787c16e".to_owned(),
        url: Some("https://git.example.org/guix.git".to_owned()),
        branch: Some("master".to_owned()),
        introduction: Some((
            "9edb3f66fd807b096b48283debdcddccfea34bad".to_owned(),
            "BBB02DDF2CEAF6A80D1DE643A2A06DF2A33A54FA".to_owned(),
        )),
    };
    let more = Channel {
        name: "more".to_owned(),
        commit: "236fc8bfe91a64d28b6c54cf8f5930ffe787c16e".to_owned(),
        url: None,
        branch: None,
        introduction: None,
    };
    Request::Guix {
        arch: Arch::Amd64,
        channels: vec![guix, more],
        packages: vec!["gcc:lib".to_owned(), "hello".to_owned()],
        items: vec!["/gnu/store/20ixq4z1ccvjd8nzgs0ffl6v2wllnplv-more-1".to_owned()],
    }
}

fn example() -> String {
    EXAMPLE.replace("REQUEST", &request().digest().to_hex())
}

fn refused(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from}");
    parse(&example().replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_block_is_read_and_written_byte_for_byte() {
    let lock = parse(&example()).unwrap();
    assert_eq!(print(&lock), example());
    let block = lock.get(&request()).unwrap();
    assert_eq!(block.title, request());
    assert_eq!(lock.stale(&[request()]), []);
    let Facts::Guix(closure) = &block.facts else { panic!("{block:?}") };
    assert!(closure.profile[0].ends_with("-more-1"), "the profile's order is kept");
    assert_eq!(closure.search_paths[1].separator.as_deref(), Some(" "));
    let mut lines: Vec<String> = example().lines().map(str::to_owned).collect();
    lines[4..].reverse();
    assert_eq!(print(&parse(&lines.join("\n")).unwrap()), example());
}

/// A change here is a change of the format: every lock with packages of Guix becomes stale.
#[test]
fn the_digest_of_a_request_never_changes() {
    assert_eq!(
        request().digest().to_hex(),
        "ece5d9fcc956be8fc1a889939ef54b69368b124181b0074b8f253130f6642733"
    );
    assert_eq!(request().title(), "guix 136fc8bfe91a amd64");
}

#[test]
fn what_can_not_be_is_refused() {
    assert_eq!(
        refused("profile 2", "profile 3"),
        "line 3: the `profile` lines are not numbered from 1 on, each once"
    );
    assert_eq!(refused("resolver 1.5.0\n", ""), "line 3: the block has no `resolver` line");
    assert!(refused("libexec/git-core", "../git-core").contains("outside the profile"));
    assert!(refused("bin,sbin", "bin,/sbin").contains("outside the profile"));
    assert!(refused("search-path 1 PATH", "search-path 1 PA-TH").contains("the name of a variable"));
    assert!(refused("item 00ixq4z1", "item eeixq4z1").contains("the name of a store item"));
    assert!(refused("8D15 -\nitem 10", "8D15 ../../etc\nitem 10").contains("the name of a store item"));
    assert!(refused("directory", "folder").contains("`directory` or `regular`"));
    assert!(refused("136fc8bfe91a64d28b6c54cf8f5930ffe787c16e", "master").contains("a commit"));
    assert!(refused("BBB02DDF2CEAF6A80D1DE643A2A06DF2A33A54FA", "-").contains("an introduction is"));
    let again = "item 20ixq4z1ccvjd8nzgs0ffl6v2wllnplv-more-1 \
                 0505050505050505050505050505050505050505050505050505050505050505 120 8D15 -\nprofile 1";
    assert!(refused("profile 1", again).contains("with two digests"));
    assert!(refused("resolver 1.5.0\n", "resolver 1.5.0\nroot git\n").contains("has no place"));
}

#[test]
fn a_closure_that_is_not_whole_is_stale() {
    let stale = |from: &str, to: &str| {
        let lock = parse(&example().replace(from, to)).unwrap();
        lock.stale(&[request()]).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let libc = "00ixq4z1ccvjd8nzgs0ffl6v2wllnplv-libc-2.41";
    let hello = "10ixq4z1ccvjd8nzgs0ffl6v2wllnplv-hello-2.12.1";
    assert_eq!(
        stale(&format!(" 632 8D15 {libc},{hello}"), " 632 8D15 -"),
        [format!("nothing needs the locked package `{libc}`")]
    );
    assert_eq!(
        stale(&format!("item {libc}"), "item 30ixq4z1ccvjd8nzgs0ffl6v2wllnplv-libc-2.41"),
        [
            format!("`{hello}` needs `{libc}`, which isn't locked"),
            "nothing needs the locked package `30ixq4z1ccvjd8nzgs0ffl6v2wllnplv-libc-2.41`".to_owned(),
        ]
    );
    assert_eq!(
        stale("asked hello", "asked hello2"),
        ["the block of `guix 136fc8bfe91a amd64` was changed after it was written"]
    );
}
