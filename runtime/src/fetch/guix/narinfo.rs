//! What a server says of one store item: a narinfo, `Key: value` a line.
//!
//! The text before the line `Signature:` is what is signed, so what decides bytes (path, digest, size, references) counts
//! only there; where the nar can be had is said by whoever serves it. Parsing is strict: a key twice, a digest of
//! another kind, a name that can't be one are refused. Whether the signature holds is [`super::signature`]'s matter.

use rbld_lang::digest::Digest;

use super::path::{self, STORE, StorePath, shown};

/// The longest narinfo, in bytes.
pub const LIMIT: u64 = 1 << 20;

/// The most that an item may refer to.
const REFERENCES: usize = 20_000;

/// The most ways in which one nar is offered.
const DOWNLOADS: usize = 16;

/// A narinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarInfo {
    /// The item.
    pub path: StorePath,
    /// The sha256 of its nar, not compressed.
    pub nar_hash: Digest,
    /// The length of its nar, not compressed.
    pub nar_size: u64,
    /// What its files name, sorted; it may name itself.
    pub references: Vec<StorePath>,
    /// The file name of the derivation that it was built from.
    pub deriver: Option<String>,
    /// Where its nar may be had, in the order of the server.
    pub downloads: Vec<Download>,
    /// The value of `Signature`.
    pub signature: Option<String>,
    /// The sha256 of what is signed.
    pub signed: Digest,
}

/// One way to have a nar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Relative to the server's address, or whole.
    pub url: String,
    /// How it is packed.
    pub compression: Compression,
    /// How many bytes will come, if the server says so.
    pub size: Option<u64>,
}

/// How a nar is packed. Those that unpack fastest come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// gzip.
    Gzip,
    /// lzip.
    Lzip,
    /// Not at all.
    None,
}

/// What is said so far.
#[derive(Default)]
struct Lines<'a> {
    path: Option<&'a str>,
    hash: Option<&'a str>,
    size: Option<&'a str>,
    references: Option<&'a str>,
    deriver: Option<&'a str>,
    signature: Option<&'a str>,
    downloads: Vec<Offer<'a>>,
}

struct Offer<'a> {
    url: &'a str,
    compression: Option<&'a str>,
    size: Option<&'a str>,
}

/// Reads a narinfo. What is wrong is a sentence without subject: "has no `NarHash` that is signed".
pub fn parse(text: &str) -> Result<NarInfo, String> {
    if text.len() as u64 > LIMIT {
        return Err(format!("has more than {LIMIT} bytes"));
    }
    let mut lines = Lines::default();
    let mut at = 0;
    let mut signed_end = text.len();
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let bare = line.trim_end_matches(['\n', '\r']);
        if bare.is_empty() {
            continue;
        }
        let Some((key, value)) = bare.split_once(':') else {
            return Err(format!("has the line `{}`, which isn't `Key: value`", shown(bare)));
        };
        if key == "Signature" && lines.signature.is_none() {
            signed_end = begin;
        }
        lines.take(key, value.trim(), begin >= signed_end)?;
    }
    lines.finish(Digest::of(&text.as_bytes()[..signed_end]))
}

impl<'a> Lines<'a> {
    /// Takes one line; `unsigned` says that it stands after the signature.
    fn take(&mut self, key: &str, value: &'a str, unsigned: bool) -> Result<(), String> {
        let place = match key {
            "StorePath" => &mut self.path,
            "NarHash" => &mut self.hash,
            "NarSize" => &mut self.size,
            "References" => &mut self.references,
            "Deriver" => &mut self.deriver,
            "Signature" => return once(&mut self.signature, key, value),
            "URL" if self.downloads.len() < DOWNLOADS => {
                self.downloads.push(Offer { url: value, compression: None, size: None });
                return Ok(());
            }
            "URL" => return Err(format!("offers more than {DOWNLOADS} downloads")),
            "Compression" | "FileSize" => {
                let Some(offer) = self.downloads.last_mut() else {
                    return Err(format!("has `{key}` before any `URL`"));
                };
                let place = if key == "FileSize" { &mut offer.size } else { &mut offer.compression };
                return once(place, key, value);
            }
            // What is new tomorrow says nothing that is needed.
            _ => return Ok(()),
        };
        if unsigned {
            return Err(format!("has `{key}` after the signature, where nobody vouches for it"));
        }
        once(place, key, value)
    }

    fn finish(self, signed: Digest) -> Result<NarInfo, String> {
        let path = needed(self.path, "StorePath")?;
        if !path.starts_with(STORE) {
            return Err(format!("is of `{}`, which isn't in {STORE}", shown(path)));
        }
        let hash = needed(self.hash, "NarHash")?;
        let nar_hash = hash.strip_prefix("sha256:").and_then(path::from_base32);
        let mut references: Vec<StorePath> = Vec::new();
        for reference in needed(self.references, "References")?.split_ascii_whitespace() {
            if references.len() == REFERENCES {
                return Err(format!("refers to more than {REFERENCES} items"));
            }
            references.push(reference.parse()?);
        }
        references.sort();
        references.dedup();
        Ok(NarInfo {
            path: path.parse()?,
            nar_hash: nar_hash
                .ok_or_else(|| format!("has the `NarHash` `{}`, which is no sha256", shown(hash)))?,
            nar_size: number(needed(self.size, "NarSize")?, "NarSize")?,
            references,
            deriver: self.deriver.filter(|deriver| !deriver.is_empty()).map(str::to_owned),
            downloads: self
                .downloads
                .into_iter()
                .filter_map(|offer| offer.download().transpose())
                .collect::<Result<_, _>>()?,
            signature: self.signature.map(str::to_owned),
            signed,
        })
    }
}

impl Offer<'_> {
    /// What is offered; nothing if it is packed in a way that rbld doesn't know.
    fn download(self) -> Result<Option<Download>, String> {
        let compression = match self.compression {
            Some("zstd") => Compression::Zstd,
            Some("gzip") => Compression::Gzip,
            Some("lzip") => Compression::Lzip,
            Some("none") | None => Compression::None,
            Some(_) => return Ok(None),
        };
        let size = self.size.map(|size| number(size, "FileSize")).transpose()?;
        Ok(Some(Download { url: self.url.to_owned(), compression, size }))
    }
}

fn once<'a>(place: &mut Option<&'a str>, key: &str, value: &'a str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("has `{key}` twice")),
    }
}

fn needed<'a>(value: Option<&'a str>, key: &str) -> Result<&'a str, String> {
    value.ok_or_else(|| format!("has no `{key}`"))
}

fn number(text: &str, key: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| format!("has the `{key}` `{}`, which is no number", shown(text)))
}
