//! Names of store items, and the alphabet that Guix writes digests in.

use std::fmt;
use std::str::FromStr;

use rbld_lang::digest::Digest;

/// Where the items are.
pub const STORE: &str = "/gnu/store";

/// Nix's base32: no `e`, `o`, `t`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// How many letters the hash in an item's name has.
const HASH: usize = 32;

/// The longest name of an item, its hash included.
const LONGEST: usize = 211;

/// A store item: `/gnu/store/HASH-NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(String);

impl StorePath {
    /// `HASH-NAME`.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The 32 letters by which a server is asked for it.
    pub fn hash(&self) -> &str {
        self.0.get(..HASH).unwrap_or_default()
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}/{}", self.0)
    }
}

/// Reads `/gnu/store/HASH-NAME`, or `HASH-NAME` alone.
impl FromStr for StorePath {
    type Err = String;

    fn from_str(text: &str) -> Result<StorePath, String> {
        let name = text.strip_prefix(STORE).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
        let wrong = |why: &str| Err(format!("`{}` is no store item: {why}", shown(text)));
        if name.len() > LONGEST {
            return wrong("it is too long");
        }
        let bytes = name.as_bytes();
        if bytes.len() < HASH + 2 || bytes[HASH] != b'-' {
            return wrong("it isn't `HASH-NAME`");
        }
        if !bytes[..HASH].iter().all(|byte| ALPHABET.contains(byte)) {
            return wrong("its hash has letters that no hash has");
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
        if !bytes[HASH + 1..].iter().all(allowed) || bytes[HASH + 1] == b'.' {
            return wrong("its name has letters that no name has");
        }
        Ok(StorePath(name.to_owned()))
    }
}

/// A text from outside, for a message: no longer than a line, nothing that moves a terminal's cursor.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A sha256 as Guix writes it: 52 letters.
pub fn to_base32(digest: Digest) -> String {
    let bytes = digest.as_bytes();
    let letter = |place: usize| {
        let (byte, shift) = (place * 5 / 8, place * 5 % 8);
        let low = u16::from(bytes[byte]);
        let high = bytes.get(byte + 1).map_or(0, |byte| u16::from(*byte));
        char::from(ALPHABET[usize::from(((low | high << 8) >> shift) & 31)])
    };
    (0..52).rev().map(letter).collect()
}

/// The sha256 that Guix writes so; none if it isn't one, or not in the one way to write it.
pub fn from_base32(text: &str) -> Option<Digest> {
    if text.len() != 52 {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (place, letter) in text.bytes().rev().enumerate() {
        let value = u16::try_from(ALPHABET.iter().position(|known| *known == letter)?).ok()?;
        let (byte, shift) = (place * 5 / 8, place * 5 % 8);
        let value = value << shift;
        bytes[byte] |= (value & 0xff) as u8;
        match (bytes.get_mut(byte + 1), value >> 8) {
            (Some(next), high) => *next |= high as u8,
            (None, 0) => {}
            (None, _) => return None,
        }
    }
    Some(Digest::from_bytes(bytes))
}
