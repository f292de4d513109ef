use super::*;
use crate::store::Store;

/// A member: its name, its type byte, its mode, what it holds or links to.
struct Made(&'static str, u8, u32, &'static str);

fn tar(members: &[Made]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for Made(name, kind, mode, text) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::new(*kind));
        header.set_mode(*mode);
        let link = matches!(kind, b'1' | b'2');
        if link {
            header.set_link_name_literal(text).unwrap();
        }
        // The name is put in by hand: the library refuses hostile ones.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(if link { 0 } else { text.len() as u64 });
        header.set_cksum();
        builder.append(&header, if link { &b""[..] } else { text.as_bytes() }).unwrap();
    }
    builder.into_inner().unwrap()
}

/// What layers come to: a line a node.
fn laid(layers: &[&[Made]]) -> Result<(Vec<String>, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let batch = store.batch().unwrap();
    let mut all = Layers::new(&batch, Limits { bytes: 1 << 20, members: 100 });
    for layer in layers {
        let bytes = tar(layer);
        let digest = all.add(bytes.as_slice(), &|| Ok(()))?;
        assert_eq!(digest, Digest::of(&bytes));
    }
    let line = |(path, node): (String, &Node)| match node {
        Node::File { digest, executable, .. } => {
            let text = String::from_utf8(batch.read(*digest, 4096).unwrap()).unwrap();
            format!("{path}{} {text}", if *executable { "*" } else { "" })
        }
        Node::Link { target } => format!("{path} -> {target}"),
        Node::Folder(_) => format!("{path}/"),
    };
    Ok((all.root.nodes().map(line).collect(), all.lost.sentences()))
}

const FILE: u8 = b'0';
const FOLDER: u8 = b'5';
const LINK: u8 = b'2';
const HARD: u8 = b'1';

#[test]
fn later_layers_replace_and_remove() {
    let base: &[Made] = &[
        Made("./etc/", FOLDER, 0o755, ""),
        Made("etc/a", FILE, 0o644, "1"),
        Made("etc/b", FILE, 0o755, "2"),
        Made("opt/x/y", FILE, 0o644, "3"),
        Made("srv/old", FILE, 0o644, "4"),
    ];
    let next: &[Made] = &[
        Made("etc/.wh.a", FILE, 0, ""),
        Made("etc/c", FILE, 0o644, "5"),
        Made("opt", FILE, 0o644, "a file now"),
        Made("srv/new", FILE, 0o644, "6"),
        // The mark comes after what the same layer brings, which stays.
        Made("srv/.wh..wh..opq", FILE, 0, ""),
        Made("srv/.wh..wh.plnk", FILE, 0, ""),
    ];
    let (nodes, _) = laid(&[base, next]).unwrap();
    assert_eq!(nodes, ["etc/", "etc/b* 2", "etc/c 5", "opt a file now", "srv/", "srv/new 6"]);
}

#[test]
fn a_mark_hides_only_what_is_below() {
    let base: &[Made] = &[Made("d/lower", FILE, 0o644, "1"), Made("d/in/lower", FILE, 0o644, "2")];
    let next: &[Made] = &[
        Made("d/in/upper", FILE, 0o644, "3"),
        Made(".wh.d", FILE, 0, ""),
        Made(".wh.nothing", FILE, 0, ""),
        Made("nowhere/.wh.x", FILE, 0, ""),
    ];
    assert_eq!(laid(&[base, next]).unwrap().0, ["d/", "d/in/", "d/in/upper 3"]);
    let again: &[Made] = &[Made(".wh.d", FILE, 0, ""), Made("d/", FOLDER, 0o755, "")];
    assert_eq!(laid(&[base, again]).unwrap().0, ["d/"]);
}

#[test]
fn links_on_the_way_are_followed_within_the_root() {
    let base: &[Made] = &[
        Made("usr/bin/sh", FILE, 0o755, "sh"),
        Made("bin", LINK, 0o777, "usr/bin"),
        Made("out", LINK, 0o777, "../../../etc"),
        Made("abs", LINK, 0o777, "/usr"),
    ];
    let next: &[Made] = &[
        Made("bin/tool", FILE, 0o755, "tool"),
        Made("out/passwd", FILE, 0o644, "mine"),
        Made("abs/bin/.wh.sh", FILE, 0, ""),
        Made("hard", HARD, 0, "bin/tool"),
        // A folder in place of a link is a folder.
        Made("abs", FOLDER, 0o755, ""),
    ];
    let (nodes, _) = laid(&[base, next]).unwrap();
    assert_eq!(
        nodes,
        [
            "abs/",
            "bin -> usr/bin",
            "etc/",
            "etc/passwd mine",
            "hard* tool",
            "out -> ../../../etc",
            "usr/",
            "usr/bin/",
            "usr/bin/tool* tool"
        ]
    );
}

#[test]
fn what_a_tree_cant_hold_is_left_out_and_said() {
    let layer: &[Made] = &[
        Made("dev/null", b'3', 0o666, ""),
        Made("run/pipe", b'6', 0o600, ""),
        Made("bin/su", FILE, 0o4755, "su"),
    ];
    let (nodes, lost) = laid(&[layer]).unwrap();
    assert_eq!(nodes, ["bin/", "bin/su* su", "dev/", "run/"]);
    assert_eq!(
        lost,
        [
            "devices and pipes are left out: 2 of them, first `/dev/null`",
            "setuid and setgid are not kept: `/bin/su`"
        ]
    );
}

#[test]
fn hostile_members_are_refused() {
    for (layer, why) in [
        (Made("../escape", FILE, 0o644, "x"), "leaves the image"),
        (Made("a/../../escape", FILE, 0o644, "x"), "leaves the image"),
        (Made("hard", HARD, 0, "etc/none"), "is no file before it"),
        (Made("hard", HARD, 0, "../../etc/passwd"), "leaves the image"),
        (Made(".wh.", FILE, 0, ""), "removes nothing that has a name"),
        (Made("d/.wh...", FILE, 0, ""), ""),
    ] {
        let outcome = laid(&[&[layer]]);
        match why {
            "" => assert!(outcome.is_ok()),
            why => assert!(outcome.unwrap_err().message.contains(why), "{why}"),
        }
    }
    let ring: &[Made] =
        &[Made("a", LINK, 0o777, "b"), Made("b", LINK, 0o777, "a"), Made("a/x", FILE, 0, "x")];
    assert!(laid(&[ring]).unwrap_err().message.contains("ring of links"));
    let beneath: &[Made] = &[Made("f", FILE, 0o644, "x"), Made("f/g", FILE, 0o644, "x")];
    assert!(laid(&[beneath]).unwrap_err().message.contains("beneath what is no folder"));
}

#[test]
fn bombs_and_damage_end_early() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let batch = store.batch().unwrap();
    let small = Limits { bytes: 10_000, members: 3 };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::Write::write_all(&mut packed, &vec![0; 1 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    let failure = Layers::new(&batch, small).add(packed.as_slice(), &|| Ok(())).unwrap_err();
    assert!(failure.message.contains("more bytes than are allowed"), "{failure}");
    let many = tar(&[
        Made("a", FILE, 0, ""),
        Made("b", FILE, 0, ""),
        Made("c", FILE, 0, ""),
        Made("d", FILE, 0, ""),
    ]);
    let failure = Layers::new(&batch, small).add(many.as_slice(), &|| Ok(())).unwrap_err();
    assert!(failure.message.contains("more than 3 files"), "{failure}");
    for cut in [700, 1100] {
        let whole = tar(&[Made("a", FILE, 0, "some text"), Made("b", FILE, 0, "")]);
        let failure = Layers::new(&batch, small).add(&whole[..cut], &|| Ok(())).unwrap_err();
        assert!(failure.message.contains("too early"), "{failure}");
    }
    assert!(Layers::new(&batch, small).add(&b"no tar at all, but words"[..], &|| Ok(())).is_err());
    assert!(Layers::new(&batch, small).add(&b""[..], &|| Ok(())).is_ok());
}
