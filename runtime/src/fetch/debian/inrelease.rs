//! `InRelease`: the signed list of an archive's indexes at a time, and whether it fits what was asked.
//!
//! Reads what was signed, nothing around it. Fetches nothing.

use std::collections::BTreeMap;

use rbld_lang::digest::Digest;

use super::keyring::Keyring;
use super::stanza;
use crate::failure::{Failure, Result};
use crate::fetch::date;

/// A signed list of indexes.
#[derive(Clone, Debug)]
pub struct Release {
    /// The sha256 of the whole `InRelease`.
    pub digest: Digest,
    /// Who signed: the fingerprint of the key or subkey.
    pub signer: String,
    /// `Date`.
    pub date: i64,
    /// `Valid-Until`.
    pub valid_until: Option<i64>,
    /// `Suite` and `Codename`, where it has them.
    pub names: Vec<String>,
    /// `Components`.
    pub components: Vec<String>,
    /// `Architectures`.
    pub architectures: Vec<String>,
    /// Indexes can be had by their digest too.
    pub by_hash: bool,
    /// `Packages` of an architecture hold those of `all` too.
    pub all_included: bool,
    /// How much its packages are wanted, as apt ranks them: 500; 1 where it says `NotAutomatic`, 100 where it also says
    /// `ButAutomaticUpgrades`.
    pub rank: u16,
    /// The indexes by path: digest and length.
    files: BTreeMap<String, (Digest, u64)>,
}

/// The longest `InRelease` that is read.
pub const LONGEST: u64 = 8 << 20;

impl Release {
    /// Reads an `InRelease` that was signed by a key of the keyring as of an instant.
    pub fn read(bytes: &[u8], keyring: &Keyring, instant: i64) -> Result<Release> {
        let text = str::from_utf8(bytes).map_err(|_| Failure::world("the index isn't text"))?;
        let signed = keyring.check(text, instant).map_err(|why| {
            let mut failure = Failure::world("no signature on the index is good");
            failure.facts = why;
            failure
        })?;
        Release::parse(&signed.text, Digest::of(bytes), signed.signer)
    }

    fn parse(text: &str, digest: Digest, signer: String) -> Result<Release> {
        let missing =
            |name: &str| Failure::world(format!("the signed index has no `{name}` that can be read"));
        let stanza = stanza::stanzas(text.as_bytes()).next().ok_or_else(|| missing("Date"))?;
        let words = |name: &str| -> Vec<String> {
            stanza.get(name).unwrap_or("").split_ascii_whitespace().map(str::to_owned).collect()
        };
        let mut files = BTreeMap::new();
        for line in stanza.get("SHA256").ok_or_else(|| missing("SHA256"))?.lines() {
            let mut parts = line.split_ascii_whitespace();
            if let (Some(digest), Some(size), Some(path), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
                && let (Ok(digest), Ok(size)) = (digest.parse(), size.parse())
            {
                files.insert(path.to_owned(), (digest, size));
            }
        }
        let says = |name: &str| stanza.get(name) == Some("yes");
        let rank = match (says("NotAutomatic"), says("ButAutomaticUpgrades")) {
            (false, _) => 500,
            (true, false) => 1,
            (true, true) => 100,
        };
        Ok(Release {
            digest,
            signer,
            rank,
            date: stanza.get("Date").and_then(date::parse).ok_or_else(|| missing("Date"))?,
            valid_until: stanza.get("Valid-Until").and_then(date::parse),
            names: names(stanza.get("Codename"), stanza.get("Suite")),
            components: words("Components"),
            architectures: words("Architectures"),
            by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            all_included: !words("Architectures").iter().any(|arch| arch == "all")
                || words("No-Support-for-Architecture-all").iter().any(|kind| kind == "Packages"),
            files,
        })
    }

    /// Digest and length of an index by its path below the suite's folder.
    pub fn file(&self, path: &str) -> Option<(Digest, u64)> {
        self.files.get(path).copied()
    }

    /// Whether it lists source packages of some of these components.
    pub fn has_sources(&self, components: &[String]) -> bool {
        let begins = |component: &String| {
            let folder = format!("{component}/source/Sources");
            self.files.range(folder.clone()..).next().is_some_and(|(path, _)| path.starts_with(&folder))
        };
        components.iter().any(begins)
    }

    /// Whether it is the suite that was asked for.
    pub fn is(&self, suite: &str) -> bool {
        self.names.iter().any(|name| name == suite)
    }
}

/// What a suite may be asked for by. Ubuntu's `jammy-updates` has the codename `jammy` and still isn't `jammy`.
fn names(codename: Option<&str>, suite: Option<&str>) -> Vec<String> {
    let part =
        |codename: &str, suite: &str| suite.strip_prefix(codename).is_some_and(|rest| rest.starts_with('-'));
    match (codename, suite) {
        (Some(codename), Some(suite)) if part(codename, suite) => vec![suite.to_owned()],
        _ => codename.into_iter().chain(suite).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_facts_are_read() {
        let keyring = Keyring::from_bytes(include_bytes!("fixtures/keyring.gpg"));
        let bytes = include_bytes!("fixtures/subkey.asc");
        let instant = date::parse("Thu, 01 Jul 2021 00:00:00 UTC").unwrap();
        let release = Release::read(bytes, &keyring, instant).unwrap();
        assert_eq!(release.digest, Digest::of(bytes));
        assert_eq!(date::instant(release.date), "2021-01-01T00:00:00Z");
        assert!(release.is("pebble") && release.is("stable") && !release.is("sid"));
        assert!(release.by_hash && release.all_included && release.valid_until.is_none());
        assert_eq!(release.file("main/binary-amd64/Packages"), Some((Digest::of(b""), 0)));
        assert_eq!(release.file("main/binary-arm64/Packages"), None);
    }

    #[test]
    fn names_and_ranks() {
        let read = |text: &str| {
            let text = format!("Date: Fri, 01 Jan 2021 00:00:00 UTC\nSHA256:\n{text}");
            Release::parse(&text, Digest::of(b""), String::new()).unwrap()
        };
        let updates = read("Suite: jammy-updates\nCodename: jammy\n");
        assert!(updates.is("jammy-updates") && !updates.is("jammy") && updates.rank == 500);
        let backports = read(
            "Suite: stable-backports\nCodename: bookworm-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n",
        );
        assert!(
            backports.is("bookworm-backports") && backports.is("stable-backports") && backports.rank == 100
        );
        assert_eq!(read("Suite: rc-buggy\nNotAutomatic: yes\n").rank, 1);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let keyring = Keyring::from_bytes(include_bytes!("fixtures/keyring.gpg"));
        for bytes in [&b""[..], b"\xff\xfe", b"Date: Fri, 01 Jan 2021 00:00:00 UTC\n"] {
            assert!(Release::read(bytes, &keyring, 0).is_err());
        }
        assert!(Release::parse("Date: yesterday\nSHA256:\n", Digest::of(b""), String::new()).is_err());
        assert!(Release::parse("Suite: x\n", Digest::of(b""), String::new()).is_err());
    }
}
