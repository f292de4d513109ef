//! Digests and manifests: how anything gets its name from its content.
//!
//! A [`Manifest`] is fed the fields of a value by one function; the [`Hasher`] turns
//! them into a digest, the explainer into lines a person can compare. What is hashed
//! and what is explained therefore can't drift apart. Nothing here knows which fields
//! a derivation has.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A sha256, the only digest rbld uses as an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// Wraps 32 bytes that are already a sha256.
    pub const fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// True for the digest of sixty-four zeros, which stands for "not pinned yet" and is never accepted.
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 32]
    }

    /// The sixty-four lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        self.write_hex(&mut hex);
        hex
    }

    /// Adds them to a text.
    pub(crate) fn write_hex(&self, to: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        to.push_str(std::str::from_utf8(&hex).unwrap_or_default());
    }

    /// The first twelve digits, for tables.
    pub fn short(&self) -> String {
        self.to_hex()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

/// Why a text isn't a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sha256 has 64 hexadecimal digits, this has {0} characters or other letters")]
pub struct DigestError(pub usize);

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let wrong = DigestError(text.chars().count());
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong);
        }
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => return Err(wrong),
            }
        }
        Ok(Digest(bytes))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Receives the fields of a value, in one fixed order.
pub trait Manifest {
    /// One fact: a field's name and its exact bytes.
    fn field(&mut self, name: &str, value: &[u8]);

    /// Opens a nested value, `count` entries of which follow before [`Manifest::close`].
    fn open(&mut self, name: &str, count: usize);

    /// Closes the nested value opened last.
    fn close(&mut self);
}

/// The manifest that hashes: every name and value length-prefixed, so no two values share bytes.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// A hasher for one kind of value; the domain keeps kinds apart.
    pub fn new(domain: &str) -> Hasher {
        let mut hasher = Hasher::default();
        hasher.bytes(domain.as_bytes());
        hasher
    }

    /// The digest of all that was fed.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

impl Manifest for Hasher {
    fn field(&mut self, name: &str, value: &[u8]) {
        self.0.update([b'f']);
        self.bytes(name.as_bytes());
        self.bytes(value);
    }

    fn open(&mut self, name: &str, count: usize) {
        self.0.update([b'(']);
        self.bytes(name.as_bytes());
        self.0.update((count as u64).to_le_bytes());
    }

    fn close(&mut self) {
        self.0.update([b')']);
    }
}

/// The manifest that explains: one line a fact, `path = value`, in the order hashed.
#[derive(Default)]
pub struct Explainer {
    path: Vec<String>,
    /// The facts: path of the field, its value as text.
    pub facts: Vec<(String, String)>,
}

impl Manifest for Explainer {
    fn field(&mut self, name: &str, value: &[u8]) {
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        self.facts.push((path + name, String::from_utf8_lossy(value).into_owned()));
    }

    fn open(&mut self, name: &str, _count: usize) {
        self.path.push(name.to_owned());
    }

    fn close(&mut self) {
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_that_are_hashed_are_those_of_the_specification() {
        let mut hasher = Hasher::new("domain");
        hasher.field("name", b"value");
        hasher.open("list", 1);
        hasher.field("", b"");
        hasher.close();
        let length = |n: u64| n.to_le_bytes().to_vec();
        let bytes = [
            length(6),
            b"domain".to_vec(),
            b"f".to_vec(),
            length(4),
            b"name".to_vec(),
            length(5),
            b"value".to_vec(),
            b"(".to_vec(),
            length(4),
            b"list".to_vec(),
            length(1),
            b"f".to_vec(),
            length(0),
            length(0),
            b")".to_vec(),
        ]
        .concat();
        assert_eq!(hasher.finish(), Digest::of(&bytes));
    }

    #[test]
    fn no_two_values_share_bytes() {
        let digest = |feed: &dyn Fn(&mut Hasher)| {
            let mut hasher = Hasher::new("d");
            feed(&mut hasher);
            hasher.finish()
        };
        let all = [
            digest(&|_| {}),
            digest(&|h| h.field("ab", b"c")),
            digest(&|h| h.field("a", b"bc")),
            digest(&|h| {
                h.field("a", b"b");
                h.field("c", b"");
            }),
            digest(&|h| {
                h.open("a", 0);
                h.close();
            }),
            digest(&|h| h.open("a", 0)),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.to_hex().parse(), Ok(digest));
        assert_eq!(format!("{digest:?}").parse(), Ok(digest));
        assert_eq!("e3b0".parse::<Digest>(), Err(DigestError(4)));
        assert_eq!("+".repeat(64).parse::<Digest>(), Err(DigestError(64)));
        assert_eq!("é".repeat(32).parse::<Digest>(), Err(DigestError(32)));
        assert!(Digest::from_bytes([0; 32]).is_zero() && !digest.is_zero());
    }
}
