//! Who says what a narinfo says: signatures, and the keys that may make them.
//!
//! Guix signs by Libgcrypt's ECDSA over the Edwards curve of Ed25519. That is neither EdDSA, which everybody else does
//! with this curve, nor ECDSA on a curve that libraries for ECDSA know: so the one equation is written here, over the
//! points of `curve25519-dalek`. Nothing secret is handled, so nothing needs constant time.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use num_bigint::BigUint;
use rbld_lang::digest::Digest;

use super::narinfo::NarInfo;
use super::sexp::{self, Sexp};
use crate::failure::{Failure, Result};

/// The two keys that Guix itself trusts, as they are in every Guix.
const BUILTIN: [(&str, &str); 2] = [
    ("bordeaux.guix.gnu.org", include_str!("../../../../stdlib/keyrings/guix-bordeaux.pub")),
    ("ci.guix.gnu.org", include_str!("../../../../stdlib/keyrings/guix-ci.pub")),
];

/// A public key: the point, as 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signer(pub [u8; 32]);

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl Signer {
    /// The server that signs by this key, if it is one of Guix's own.
    pub fn server(&self) -> Option<&'static str> {
        BUILTIN.iter().find(|(_, key)| public_key(key).is_ok_and(|key| key == *self)).map(|(name, _)| *name)
    }

    /// Reads the 64 hexadecimal digits that a key is shown as.
    pub fn from_hex(text: &str) -> Option<Signer> {
        text.parse::<Digest>().ok().map(|bytes| Signer(*bytes.as_bytes()))
    }
}

/// The keys that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(Vec<Signer>);

impl Acl {
    /// Guix's own keys.
    pub fn builtin() -> Result<Acl> {
        let key = |(name, text): &(&str, &str)| {
            public_key(text).map_err(|why| Failure::bug(format!("the key of {name} in this rbld: {why}")))
        };
        Ok(Acl(BUILTIN.iter().map(key).collect::<Result<_>>()?))
    }

    /// Guix's own keys and those of a file, an ACL or one public key; for servers of one's own.
    pub fn with_file(path: &Path) -> Result<Acl> {
        let wrong = |why: String| {
            Failure::input(format!("`{}` holds no keys that Guix's servers sign with: {why}", path.display()))
                .help("a file such as /etc/guix/acl, or what `guix publish` serves at /signing-key.pub")
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut acl = Acl::builtin()?;
        for key in Acl::parse(&text).map_err(wrong)?.0 {
            if !acl.0.contains(&key) {
                acl.0.push(key);
            }
        }
        Ok(acl)
    }

    /// Reads an ACL (`(acl (entry (public-key …) (tag (guix import))) …)`) or one public key.
    pub fn parse(text: &str) -> Result<Acl, String> {
        let sexp = sexp::parse_one(text)?;
        let Some(entries) = sexp.tail("acl") else { return Ok(Acl(vec![point(&sexp)?])) };
        let mut keys = Vec::new();
        for entry in entries {
            let imports = entry.only("tag").is_some_and(|tag| tag.tail("guix").is_some_and(imports));
            if entry.tail("entry").is_none() || !imports {
                return Err("it isn't a list of `(entry (public-key …) (tag (guix import)))`".to_owned());
            }
            let Sexp::List(parts) = entry else { continue };
            let key = parts.iter().find(|part| part.tail("public-key").is_some());
            keys.push(point(key.ok_or("an entry has no public key")?)?);
        }
        Ok(Acl(keys))
    }

    /// The keys.
    pub fn keys(&self) -> &[Signer] {
        &self.0
    }
}

fn imports(tag: &[Sexp]) -> bool {
    matches!(tag, [Sexp::Word(word)] if word == "import")
}

fn public_key(text: &str) -> Result<Signer, String> {
    point(&sexp::parse_one(text)?)
}

/// The point of `(public-key (ecc (curve Ed25519) (q #…#)))`.
fn point(key: &Sexp) -> Result<Signer, String> {
    let ecc = match key.tail("public-key") {
        Some([ecc]) if ecc.tail("ecc").is_some() => ecc,
        _ => return Err("it isn't a key for a curve".to_owned()),
    };
    if ecc.only("curve").and_then(Sexp::word) != Some("Ed25519") {
        return Err("its curve isn't Ed25519, the only one that Guix signs with".to_owned());
    }
    let bytes = ecc.only("q").and_then(Sexp::bytes).ok_or("it has no point")?;
    // Libgcrypt may write a mark before a compressed point.
    let point = if bytes.len() == 33 { bytes.strip_prefix(&[0x40]).unwrap_or(&bytes) } else { &bytes };
    point.try_into().map(Signer).map_err(|_| "its point hasn't 32 bytes".to_owned())
}

/// Checks that one of the keys signed a narinfo, and says which. What is wrong is a sentence without subject.
pub fn check(narinfo: &NarInfo, acl: &Acl) -> Result<Signer, String> {
    let value = narinfo.signature.as_deref().ok_or("isn't signed")?;
    let [version, _, encoded] = value.split(';').collect::<Vec<_>>()[..] else {
        return Err("has a signature that isn't `1;HOST;SIGNATURE`".to_owned());
    };
    if version != "1" {
        return Err("has a signature of a version that rbld doesn't know".to_owned());
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded);
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let sexp = sexp::parse_one(&text.ok_or("has a signature that isn't base64")?)
        .map_err(|why| format!("has a signature that can't be read: {why}"))?;
    let signature = Signature::read(&sexp).ok_or("has a signature of another kind than Guix's")?;
    if signature.hash != narinfo.signed {
        return Err("was altered after it was signed".to_owned());
    }
    if !acl.0.contains(&signature.key) {
        return Err(format!("is signed by a key that isn't believed: {}", signature.key));
    }
    match signature.holds() {
        Some(true) => Ok(signature.key),
        _ => Err(format!("has a signature that the key {} never made", signature.key)),
    }
}

struct Signature {
    hash: Digest,
    r: Scalar,
    s: Scalar,
    key: Signer,
}

impl Signature {
    /// `(signature (data (flags rfc6979) (hash sha256 #…#)) (sig-val (ecdsa (r #…#) (s #…#))) (public-key …))`
    fn read(sexp: &Sexp) -> Option<Signature> {
        let [data, value, key] = sexp.tail("signature")? else { return None };
        data.tail("data")?;
        let hash = match data.field("hash")? {
            [Sexp::Word(kind), bytes] if kind == "sha256" => bytes.bytes()?,
            _ => return None,
        };
        let [ecdsa] = value.tail("sig-val")? else { return None };
        ecdsa.tail("ecdsa")?;
        Some(Signature {
            hash: Digest::from_bytes(hash.as_slice().try_into().ok()?),
            r: scalar(ecdsa.only("r")?)?,
            s: scalar(ecdsa.only("s")?)?,
            key: point(key).ok()?,
        })
    }

    /// Whether (e·s⁻¹)·G + (r·s⁻¹)·Q is a point whose x is r, modulo the group's order.
    fn holds(&self) -> Option<bool> {
        if self.r == Scalar::ZERO || self.s == Scalar::ZERO {
            return Some(false);
        }
        let key = CompressedEdwardsY(self.key.0).decompress()?;
        // The order has 253 bits: the last three of the hash's 256 are left out.
        let e = BigUint::from_bytes_be(self.hash.as_bytes()) >> 3u8;
        let e = Scalar::from_bytes_mod_order(little(&e)?);
        let inverse = self.s.invert();
        let sum =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&(self.r * inverse), &key, &(e * inverse));
        Some(x_is(&sum, &self.r))
    }
}

/// A number below the group's order, written with its first byte first.
fn scalar(sexp: &Sexp) -> Option<Scalar> {
    let bytes = sexp.bytes()?;
    if bytes.len() > 33 {
        return None;
    }
    Scalar::from_canonical_bytes(little(&BigUint::from_bytes_be(&bytes))?).into()
}

fn little(number: &BigUint) -> Option<[u8; 32]> {
    let mut bytes = number.to_bytes_le();
    if bytes.len() > 32 {
        return None;
    }
    bytes.resize(32, 0);
    bytes.try_into().ok()
}

/// Whether the x of a point is r, modulo the order. A compressed point has y and whether x is odd; of the eight x that
/// are r modulo the order, one that is as odd and lies with y on the curve (-x² + y² = 1 + d·x²·y²) is the point's.
fn x_is(point: &EdwardsPoint, r: &Scalar) -> bool {
    let one = BigUint::from(1u8);
    let prime = (&one << 255u32) - BigUint::from(19u8);
    let order = BigUint::from_bytes_le((Scalar::ZERO - Scalar::ONE).as_bytes()) + &one;
    // d = -121665 / 121666
    let inverse = BigUint::from(121_666u32).modpow(&(&prime - BigUint::from(2u8)), &prime);
    let d = (&prime - BigUint::from(121_665u32)) * inverse % &prime;
    let mut compressed = point.compress().to_bytes();
    let odd = compressed[31] >> 7 == 1;
    compressed[31] &= 0x7f;
    let y = BigUint::from_bytes_le(&compressed);
    let y2 = &y * &y % &prime;
    let mut x = BigUint::from_bytes_le(r.as_bytes());
    while x < prime {
        let x2 = &x * &x % &prime;
        let left = (&y2 + &prime - &x2) % &prime;
        let right = (&one + &d * &x2 % &prime * &y2) % &prime;
        if x.bit(0) == odd && left == right {
            return true;
        }
        x += &order;
    }
    false
}
