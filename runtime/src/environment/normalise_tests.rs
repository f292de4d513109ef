use std::cell::RefCell;
use std::collections::BTreeMap;

use rbld_lang::derivation::LATEST_RULES;
use rbld_lang::digest::Digest;

use super::*;

/// Normalises a root of these files and gives what is left, folders with a slash at their end.
fn normalised(files: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
    normalised_by(1, files)
}

fn normalised_by(number: u32, files: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
    let texts: RefCell<BTreeMap<Digest, String>> = RefCell::default();
    let write = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        texts.borrow_mut().insert(digest, String::from_utf8_lossy(bytes).into_owned());
        Ok(Node::File { digest, size: bytes.len() as u64, executable: false })
    };
    let read = |node: &Node| match node {
        Node::File { digest, .. } => Ok(texts.borrow()[digest].clone().into_bytes()),
        _ => Err(Failure::bug("not a file")),
    };
    let mut root = Folder::default();
    for (path, text) in files {
        root.insert(path, write(text.as_bytes())?)?;
    }
    normalise(&mut root, number, &read, &write)?;
    let left = root.nodes().map(|(path, node)| match node {
        Node::File { digest, .. } => (path, texts.borrow()[digest].clone()),
        Node::Link { target } => (path, format!("-> {target}")),
        Node::Folder(_) => (path + "/", String::new()),
    });
    Ok(left.collect())
}

#[test]
fn traces_go() {
    let left = normalised(&[
        ("run/lock/x", "1"),
        ("var/log/dpkg.log", "2026"),
        ("var/log/lastlog", "binary"),
        ("var/log/apt/history.log", "2026"),
        ("var/lib/dpkg/status-old", ""),
        ("var/lib/dpkg/status", "kept"),
        ("etc/machine-id", "12345"),
        ("usr/lib/python3/x/__pycache__/a.pyc", ""),
        ("usr/lib/python3/x/a.py", "kept"),
        ("usr/sbin/policy-rc.d", ""),
        ("var/cache/apt/pkgcache.bin", ""),
    ])
    .unwrap();
    assert!(left.contains_key("run/") && !left.contains_key("run/lock/"));
    assert_eq!(left["var/log/lastlog"], "");
    assert_eq!(left["etc/machine-id"], "");
    assert_eq!(left["var/lib/dpkg/status"], "kept");
    assert_eq!(left["usr/lib/python3/x/a.py"], "kept");
    for gone in [
        "var/log/dpkg.log",
        "var/log/apt/history.log",
        "var/lib/dpkg/status-old",
        "usr/sbin/policy-rc.d",
        "usr/lib/python3/x/__pycache__/",
        "var/cache/apt/pkgcache.bin",
        "var/lib/apt/lists/lock",
    ] {
        assert!(!left.contains_key(gone), "{gone} is still there");
    }
    assert!(left.contains_key("var/log/apt/"));
}

#[test]
fn what_every_environment_has_comes() {
    let left = normalised(&[("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"), ("etc/group", "root:x:0:")])
        .unwrap();
    assert_eq!(
        left["etc/passwd"],
        "root:x:0:0:root:/root:/bin/bash\nbuild:x:1000:1000:build:/build:/bin/sh\n"
    );
    assert_eq!(left["etc/group"], "root:x:0:\nbuild:x:1000:\n");
    assert_eq!(left["etc/hostname"], "localhost\n");
    assert_eq!(left["etc/resolv.conf"], "");
    for folder in ["dev/", "proc/", "sys/", "run/", "tmp/", "build/", "inputs/"] {
        assert!(left.contains_key(folder), "{folder} is missing");
    }
    assert!(!left.contains_key("etc/shadow"));
}

#[test]
fn shadow_has_one_day() {
    let left = normalised(&[("etc/shadow", "root:*:20780:0:99999:7:::\nsync:*::0:::::\n")]).unwrap();
    assert_eq!(left["etc/shadow"], "root:*:15289:0:99999:7:::\nsync:*::0:::::\nbuild:!:15289:0:99999:7:::\n");
}

#[test]
fn a_package_that_takes_the_build_users_place_is_told_so() {
    let failure = normalised(&[("etc/passwd", "svc:x:1000:1000::/:/bin/sh\n")]).err().unwrap();
    assert!(failure.message.contains("`svc:x:1000:1000::/:/bin/sh`"), "{failure}");
    let failure = normalised(&[("etc/group", "build:x:998:\n")]).err().unwrap();
    assert!(failure.message.contains("`build:x:998:`"), "{failure}");
    let again = "build:x:1000:1000:build:/build:/bin/sh\n";
    assert_eq!(normalised(&[("etc/passwd", again)]).unwrap()["etc/passwd"], again);
}

#[test]
fn what_is_emptied_is_not_read() {
    assert!(!wanted("run") && !wanted("run/lock") && !wanted("tmp/x") && !wanted("var/tmp"));
    assert!(!wanted("usr/lib/python3/__pycache__"));
    assert!(wanted("var/log") && wanted("usr/running") && wanted("etc/hosts") && wanted("build.d"));
}

#[test]
fn every_rule_says_why() {
    for rule in applying(LATEST_RULES) {
        assert!(
            !rule.reason.is_empty() && !rule.path.starts_with('/') && rule.path.matches("**/").count() <= 1
        );
    }
}

#[test]
fn the_specification_has_the_same_table() {
    let chapter = include_str!("../../../spec/09-environments.md");
    let (_, table) = chapter.split_once("### Rules").unwrap();
    let (table, _) = table.split_once("\n### Beside").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>();
    let mut ours: Vec<String> =
        rules().map(|(path, action, reason)| format!("| `{path}` | {action} | {reason} |")).collect();
    ours.extend(LATER.iter().map(|(since, rule)| {
        format!("| `{}` | {}, since {since} | {} |", rule.path, rule.action.word(), rule.reason)
    }));
    assert_eq!(rows, ours);
}

#[test]
fn later_rows_wait_for_their_number() {
    let files = [
        ("var/lib/texmf/web2c/updmap.log", "2026"),
        ("var/lib/texmf/web2c/tex/tex.fmt", "2026"),
        ("var/lib/texmf/web2c/luahbtex/lualatex.fmt", "in any order"),
        ("var/lib/texmf/web2c/pdftex/pdftex.log", "2026"),
        ("var/lib/texmf/web2c/pdftex/pdftex.fmt", "with another language.def"),
        ("var/lib/texmf/web2c/pdftex/latex.fmt", "kept"),
    ];
    let first = normalised_by(1, &files).unwrap();
    assert!(files.iter().all(|(path, text)| first[*path] == *text));
    let second = normalised_by(2, &files).unwrap();
    let left: Vec<&str> =
        files.iter().map(|(path, _)| *path).filter(|path| second.contains_key(*path)).collect();
    assert_eq!(left, ["var/lib/texmf/web2c/pdftex/latex.fmt"]);
}

#[test]
fn listings_come_in_the_order_of_names() {
    let one = "% database\n\n./b:\ny\nx\n\n./web2c/tex:\ntex.log\ntex.fmt\n\n./a:\nz\n";
    let other = "% database\n\n./a:\nz\n\n./b:\nx\ny\n\n./web2c/tex:\ntex.fmt\ntex.log\n";
    let sorted =
        |text: &str| normalised_by(2, &[("var/lib/texmf/ls-R", text)]).unwrap()["var/lib/texmf/ls-R"].clone();
    assert_eq!(sorted(one), "% database\n\n./a:\nz\n\n./b:\nx\ny\n\n./web2c/tex:\n");
    assert_eq!(sorted(one), sorted(other));
    assert_eq!(sorted(&sorted(one)), sorted(one));
    assert_eq!(sort_lines("b\na").unwrap(), "a\nb\n");
}
