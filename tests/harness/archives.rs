//! An archive of one's own beside Debian's, really used: signed by the test, its package compressed as Ubuntu's are.

use std::io::{Cursor, Read as _};
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use rbld::fetch::debian::stanza;
use rbld::fetch::http::Http;
use rbld_lang::digest::Digest;

use crate::place::Who;
use crate::real::World;
use crate::signed::{Signer, Suite};
use crate::snapshot::Snapshot;

/// The test: as the ordinary user, whose environments are the same trees as root's.
pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let world = world.clone();
    vec![Trial::test("real/an archive beside Debian's", move || beside(&world))]
}

fn beside(world: &World) -> Result<(), Failed> {
    let (server, signer) = (Snapshot::start_shared(), Signer::new());
    let packages = publish_hello(&server)?;
    Suite {
        archive: "own",
        suite: "stable",
        codename: "stable",
        date: "Thu, 27 Nov 2025 10:00:00 UTC",
        more: "",
        components: vec![("main", packages)],
        by_hash: false,
    }
    .publish(&server, &signer);
    let place = world.empty(Who::ordinary())?;
    place.write("keys/own.asc", &signer.armored())?;
    place.write("build.rbld", &text(&server.url, &world.at))?;
    place.expect("rbld lock", 0)?;
    let lock = place.read("rbld.lock")?;
    let own = format!("{}/archive/own/now", server.url);
    let of_own = |line: &&str| line.starts_with("package ") && line.contains(&own);
    let found: Vec<&str> = lock.lines().filter(of_own).collect();
    if !matches!(found[..], [only] if only.starts_with("package hello ")) {
        return Err(format!("from the archive of one's own come {found:?}").into());
    }
    place.expect("rbld check", 0)?;
    // Other keys are another request; the lock says so before anything runs.
    place.write("keys/own.asc", &Signer::new().armored())?;
    let ran = place.expect("rbld check", 2)?;
    if !(ran.stderr.contains("keyring of") && ran.stderr.contains("changed")) {
        return Err(format!("the keyring isn't named:\n{}", ran.stderr).into());
    }
    let ran = place.expect("rbld lock", 4)?;
    match ran.stderr.contains("no such key is known") {
        true => Ok(()),
        false => Err(format!("the signature isn't named:\n{}", ran.stderr).into()),
    }
}

fn text(url: &str, at: &str) -> String {
    let said = Digest::of(b"hello 2.10-3+own1\nHello, world!\n");
    format!(
        r#"rbld 1
use std.apt
use std.debian

let at = {at}
let own = apt.archive("{url}/archive/own/now", "stable", keyring = ./keys/own.asc, at = at)

env both = apt.together([debian.snapshot(bookworm, at), own]).env(amd64, packages = ["hello"])

recipe greet() {{
  env     = both
  run     = """
    dpkg-query -W -f '${{Package}} ${{Version}}\n' hello > "$said"
    hello >> "$said"
    """
  outputs = {{ said = file("said.txt") }}
}}

build g = greet()

assert "the package of one's own" matches(g.said, sha256:{said})
"#
    )
}

/// Puts Debian's `hello`, as a later version and compressed by zstd, into the server; gives its stanza.
fn publish_hello(server: &Snapshot) -> Result<String, Failed> {
    let http = Http::new(false).map_err(|failure| failure.to_string())?;
    let get = |path: &str| {
        let url = format!("{}/archive/debian/20260101T000000Z/{path}", server.url);
        http.get(&url, 1 << 26).map_err(|failure| failure.to_string())
    };
    let mut index = Vec::new();
    let packed = get("dists/bookworm/main/binary-amd64/Packages.xz")?;
    liblzma::read::XzDecoder::new(Cursor::new(packed)).read_to_end(&mut index)?;
    let found = stanza::stanzas(&index).find(|stanza| stanza.get("Package") == Some("hello"));
    let found = found.ok_or("Debian has a package `hello`")?;
    let field = |name: &str| found.get(name).ok_or_else(|| format!("`hello` has no {name}"));
    let (version, depends) = (field("Version")?, field("Depends")?);
    let deb = repacked(&get(field("Filename")?)?, version)?;
    let stanza = format!(
        "Package: hello\nVersion: 2.10-3+own1\nArchitecture: amd64\nDepends: {depends}\nSize: {}\nSHA256: {}\n\
         Filename: pool/hello.deb\n\n",
        deb.len(),
        Digest::of(&deb)
    );
    server.put("own/pool/hello.deb", deb);
    Ok(stanza)
}

/// A `.deb` of another version, its members compressed by zstd.
fn repacked(deb: &[u8], version: &str) -> Result<Vec<u8>, Failed> {
    let mut members = ar::Archive::new(deb);
    let mut new = ar::Builder::new(Vec::new());
    while let Some(member) = members.next_entry() {
        let mut member = member?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes)?;
        let Some(stem) = name.strip_suffix(".xz") else {
            let header = ar::Header::new(name.into_bytes(), bytes.len() as u64);
            new.append(&header, &bytes[..])?;
            continue;
        };
        let mut plain = Vec::new();
        liblzma::read::XzDecoder::new(&bytes[..]).read_to_end(&mut plain)?;
        if stem.starts_with("control") {
            plain = of_version(&plain, version)?;
        }
        let packed = zstd::stream::encode_all(&plain[..], 3)?;
        let header = ar::Header::new(format!("{stem}.zst").into_bytes(), packed.len() as u64);
        new.append(&header, &packed[..])?;
    }
    Ok(new.into_inner()?)
}

/// A control archive that says another version.
fn of_version(tar: &[u8], old: &str) -> Result<Vec<u8>, Failed> {
    let mut new = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let mut header = entry.header().clone();
        let path = entry.path()?.into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        if path.ends_with("control") {
            let text = String::from_utf8(bytes)?;
            bytes = text.replace(&format!("Version: {old}\n"), "Version: 2.10-3+own1\n").into_bytes();
            header.set_size(bytes.len() as u64);
            header.set_cksum();
        }
        new.append(&header, &bytes[..])?;
    }
    Ok(new.into_inner()?)
}
