//! Archives in Debian's form that tests make: real stanzas under a signed index, put into a server on the loopback.
//!
//! Everything is of fixed times: keys of 2024, signatures and dates of the test's own choice.

use std::io::Write as _;

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
};
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, Password, Timestamp};
use rbld::fetch::date;
use rbld_lang::digest::Digest;

use crate::snapshot::Snapshot;

/// Each test uses another part of this; to the compiler all of it is used here.
const _: fn(&Signer) -> Vec<u8> = Signer::keyring;

/// When keys are made: 2024-01-01.
const MADE: u32 = 1_704_067_200;

/// Somebody who signs.
pub(crate) struct Signer(SignedSecretKey);

impl Signer {
    /// With a new key.
    pub(crate) fn new() -> Signer {
        let key = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("A test's archive <archive@test.example>".to_owned())
            .created_at(Timestamp::from_secs(MADE))
            .build()
            .expect("the parameters are whole");
        Signer(key.generate(rand::thread_rng()).expect("a key can be made"))
    }

    /// The public key as `gpg --export` writes it.
    pub(crate) fn keyring(&self) -> Vec<u8> {
        SignedPublicKey::from(self.0.clone()).to_bytes().expect("a key can be written")
    }

    /// The public key as `gpg --armor --export` writes it.
    pub(crate) fn armored(&self) -> String {
        SignedPublicKey::from(self.0.clone())
            .to_armored_string(ArmorOptions::default())
            .expect("a key can be written")
    }

    /// A text, signed at a time.
    pub(crate) fn sign(&self, text: &str, at: i64) -> String {
        let key = &self.0.primary_key;
        let mut config = SignatureConfig::from_key(rand::thread_rng(), key, SignatureType::Text)
            .expect("the key signs texts");
        let at = Timestamp::from_secs(u32::try_from(at).expect("a time of this century"));
        config.hashed_subpackets =
            [SubpacketData::SignatureCreationTime(at), SubpacketData::IssuerFingerprint(key.fingerprint())]
                .map(|data| Subpacket::regular(data).expect("a subpacket can be made"))
                .to_vec();
        CleartextSignedMessage::new(text, config, key, &Password::empty())
            .and_then(|message| message.to_armored_string(ArmorOptions::default()))
            .expect("a text can be signed")
    }
}

/// A suite that is to be published.
pub(crate) struct Suite<'a> {
    /// The folder of the archive in the server: `ubuntu`.
    pub(crate) archive: &'a str,
    /// The folder below `dists`.
    pub(crate) suite: &'a str,
    /// `Codename`.
    pub(crate) codename: &'a str,
    /// `Date`, and when it was signed.
    pub(crate) date: &'a str,
    /// Further lines of the index.
    pub(crate) more: &'a str,
    /// The components: name and `Packages` for amd64.
    pub(crate) components: Vec<(&'a str, String)>,
    /// The indexes can be had by their digest alone.
    pub(crate) by_hash: bool,
}

impl Suite<'_> {
    /// The index of it, not signed yet, its other indexes put into the server.
    pub(crate) fn index(&self, server: &Snapshot) -> String {
        let Suite { archive, suite, codename, date, more, .. } = self;
        let names: Vec<&str> = self.components.iter().map(|(name, _)| *name).collect();
        let mut text = format!(
            "Origin: Test\nSuite: {suite}\nCodename: {codename}\nDate: {date}\nArchitectures: amd64 arm64\n\
             Components: {}\n{more}{}SHA256:\n",
            names.join(" "),
            if self.by_hash { "Acquire-By-Hash: yes\n" } else { "" },
        );
        for (name, packages) in &self.components {
            let folder = format!("{name}/binary-amd64");
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(packages.as_bytes()).expect("memory takes bytes");
            let packed = packed.finish().expect("memory takes bytes");
            for (file, bytes) in [("Packages", packages.as_bytes()), ("Packages.gz", &packed)] {
                let digest = Digest::of(bytes);
                text.push_str(&format!(" {digest} {} {folder}/{file}\n", bytes.len()));
                let path = match self.by_hash {
                    true => format!("by-hash/SHA256/{digest}"),
                    false => file.to_owned(),
                };
                server.put(&format!("{archive}/dists/{suite}/{folder}/{path}"), bytes);
            }
        }
        text
    }

    /// Publishes it in the server.
    pub(crate) fn publish(&self, server: &Snapshot, signer: &Signer) {
        let at = date::parse(self.date).expect("the date of a suite is one");
        let signed = signer.sign(&self.index(server), at);
        server.put(&format!("{}/dists/{}/InRelease", self.archive, self.suite), signed);
    }
}
