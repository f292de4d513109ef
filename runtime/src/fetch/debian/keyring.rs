//! The keys that may sign an archive's indexes, and whether one of them did.
//!
//! Checks what a signature says about itself and what its key says about itself: made before the instant, by a
//! key that was valid and allowed to sign then. Knows OpenPGP; doesn't know what was signed.

use pgp::composed::{
    CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{RevocationCode, Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};

const DEBIAN: &[u8] = include_bytes!("../../../../stdlib/keyrings/debian-archive-keyring.gpg");
const DEBIAN_REMOVED: &[u8] = include_bytes!("../../../../stdlib/keyrings/debian-archive-removed-keys.gpg");
const UBUNTU: &[u8] = include_bytes!("../../../../stdlib/keyrings/ubuntu-archive-keyring.gpg");

/// Which keys may sign which archive.
const KEYRINGS: [(&str, &[&[u8]]); 3] = [
    ("debian", &[DEBIAN, DEBIAN_REMOVED]),
    ("debian-security", &[DEBIAN, DEBIAN_REMOVED]),
    ("ubuntu", &[UBUNTU]),
];

/// The keys of an archive.
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// What was signed, and by whom.
#[derive(Debug)]
pub struct Signed {
    /// The text, its lines ended by a line feed.
    pub text: String,
    /// The fingerprint of the key or subkey that signed, upper-case hexadecimal.
    pub signer: String,
}

impl Keyring {
    /// The keys of an archive; none when the archive isn't known.
    pub fn of(archive: &str) -> Option<Keyring> {
        let (_, files) = KEYRINGS.iter().find(|(name, _)| *name == archive)?;
        let keys = files.iter().flat_map(|file| read(file)).collect();
        Some(Keyring { keys })
    }

    /// The keys in a file: of the same form as those embedded, or as text between `-----BEGIN PGP…` and its end.
    pub fn from_bytes(bytes: &[u8]) -> Keyring {
        Keyring {
            keys: if bytes.trim_ascii_start().starts_with(ARMOR) { armored(bytes) } else { read(bytes) },
        }
    }

    /// A keyring without keys.
    pub fn empty() -> Keyring {
        Keyring { keys: Vec::new() }
    }

    /// Takes the keys of another.
    pub fn extend(&mut self, other: Keyring) {
        self.keys.extend(other.keys);
    }

    /// Whether no key could be read.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The text of a clear-signed message when one signature on it is good as of an instant; else why none is.
    pub fn check(&self, message: &str, instant: i64) -> Result<Signed, Vec<String>> {
        let (message, _) = CleartextSignedMessage::from_string(message)
            .map_err(|error| vec![format!("it is no clear-signed text: {error}")])?;
        let text = message.signed_text();
        let mut wrong = Vec::new();
        for signature in message.signatures() {
            match self.judge(signature, &text, instant) {
                Ok(signer) => return Ok(Signed { text: text.replace("\r\n", "\n"), signer }),
                Err(why) => wrong.push(format!("signature by {}: {why}", issuer(signature))),
            }
        }
        if wrong.is_empty() {
            wrong.push("it has no signature".to_owned());
        }
        Err(wrong)
    }

    /// Like [`Keyring::check`], each signature as of when it was made, which may not be after `now`. The signer is the
    /// primary key, whichever of its subkeys signed.
    pub fn check_as_made(&self, message: &str, now: i64) -> Result<Signed, Vec<String>> {
        let (message, _) = CleartextSignedMessage::from_string(message)
            .map_err(|error| vec![format!("it is no clear-signed text: {error}")])?;
        let text = message.signed_text();
        let signer = self.first_good(message.signatures(), text.as_bytes(), now)?;
        Ok(Signed { text: text.replace("\r\n", "\n"), signer })
    }

    /// The primary key of a good signature that stands by itself, in text or binary form, as of when it was made.
    pub fn check_detached(&self, signed: &[u8], signature: &[u8], now: i64) -> Result<String, Vec<String>> {
        let unread = |error: pgp::errors::Error| vec![format!("it is no signature: {error}")];
        let armored = signature.trim_ascii_start().starts_with(b"-----BEGIN PGP SIGNATURE-----");
        let signatures: Vec<Signature> = match armored {
            true => DetachedSignature::from_armor_many(signature).map_err(unread)?.0,
            false => DetachedSignature::from_bytes_many(signature).map_err(unread)?,
        }
        .filter_map(Result::ok)
        .map(|detached| detached.signature)
        .take(SIGNATURES)
        .collect();
        self.first_good(&signatures, signed, now)
    }

    fn first_good<'s>(
        &self,
        signatures: impl IntoIterator<Item = &'s Signature>,
        text: &[u8],
        now: i64,
    ) -> Result<String, Vec<String>> {
        let mut wrong = Vec::new();
        for signature in signatures {
            let made = created(signature).unwrap_or(now);
            let judged = match made > now {
                true => Err("it was made in the future".to_owned()),
                false => self.judge_bytes(signature, text, made),
            };
            match judged {
                Ok(signer) => return Ok(self.primary_of(&signer)),
                Err(why) => wrong.push(format!("signature by {}: {why}", issuer(signature))),
            }
        }
        if wrong.is_empty() {
            wrong.push("it has no signature".to_owned());
        }
        Err(wrong)
    }

    /// The primary key that a key or subkey belongs to.
    fn primary_of(&self, signer: &str) -> String {
        let owns = |key: &&SignedPublicKey| {
            key.public_subkeys.iter().any(|subkey| fingerprint(&subkey.key) == signer)
        };
        self.keys.iter().find(owns).map_or_else(|| signer.to_owned(), |key| fingerprint(&key.primary_key))
    }

    fn judge(&self, signature: &Signature, text: &str, instant: i64) -> Result<String, String> {
        self.judge_bytes(signature, text.as_bytes(), instant)
    }

    fn judge_bytes(&self, signature: &Signature, text: &[u8], instant: i64) -> Result<String, String> {
        made_well(signature, instant)?;
        let mut found = Err("no such key is known".to_owned());
        for key in &self.keys {
            if signed_by(signature, &key.primary_key) {
                found = match signature.verify(&key.primary_key, text) {
                    Ok(()) => primary_may_sign(key, instant).map(|()| fingerprint(&key.primary_key)),
                    Err(error) => Err(format!("doesn't fit the text: {error}")),
                };
            }
            for subkey in &key.public_subkeys {
                if signed_by(signature, &subkey.key) {
                    found = match signature.verify(&subkey.key, text) {
                        Ok(()) => primary_is_valid(key, instant)
                            .and_then(|()| subkey_may_sign(key, subkey, instant))
                            .map(|()| fingerprint(&subkey.key)),
                        Err(error) => Err(format!("doesn't fit the text: {error}")),
                    };
                }
            }
            if found.is_ok() {
                return found;
            }
        }
        found
    }
}

const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The most signatures of one file that are looked at.
const SIGNATURES: usize = 1000;

/// The most blocks of text that a file's keys are read from.
const BLOCKS: usize = 1000;

/// The keys of a file of text, which may hold several blocks.
fn armored(bytes: &[u8]) -> Vec<SignedPublicKey> {
    let starts: Vec<usize> = memchr::memmem::find_iter(bytes, ARMOR).take(BLOCKS).collect();
    let block = |start: &usize| {
        let keys = SignedPublicKey::from_armor_many(&bytes[*start..]).ok()?.0;
        Some(keys.filter_map(Result::ok).collect::<Vec<_>>())
    };
    starts.iter().filter_map(block).flatten().collect()
}

fn read(bytes: &[u8]) -> Vec<SignedPublicKey> {
    SignedPublicKey::from_bytes_many(&*without_trust(bytes))
        .map(|keys| keys.filter_map(Result::ok).collect())
        .unwrap_or_default()
}

/// The packets of a keyring but those in which GnuPG notes whom it trusts: older keyrings are files of its own, and the
/// library takes such a packet for the end of a key. What can't be taken apart stays as it is.
fn without_trust(bytes: &[u8]) -> Vec<u8> {
    const TRUST: u8 = 12;
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((tag, length)) = packet(rest).filter(|(_, length)| *length <= rest.len()) {
        let (packet, after) = rest.split_at(length);
        if tag != TRUST {
            kept.extend_from_slice(packet);
        }
        rest = after;
    }
    kept.extend_from_slice(rest);
    kept
}

/// The tag and the length, with its head, of the first packet (RFC 9580, 4.2); none where its length isn't told.
fn packet(bytes: &[u8]) -> Option<(u8, usize)> {
    let first = *bytes.first().filter(|first| **first & 0x80 != 0)?;
    let number = |from: usize, count: usize| -> Option<usize> {
        let digits = bytes.get(from..from + count)?;
        Some(digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit)))
    };
    let (tag, head, body) = if first & 0x40 == 0 {
        let count = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        (first >> 2 & 15, 1 + count, number(1, count)?)
    } else {
        match number(1, 1)? {
            short @ 0..=191 => (first & 63, 2, short),
            192..=223 => (first & 63, 3, number(1, 2)? - (192 << 8) + 192),
            255 => (first & 63, 6, number(2, 4)?),
            _ => return None,
        }
    };
    Some((tag, head.checked_add(body)?))
}

fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    fingerprint
        .or_else(|| signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase()))
        .unwrap_or_else(|| "nobody".to_owned())
}

/// Whether a signature says that it is by a key; whether that is true is checked afterwards.
fn signed_by(signature: &Signature, key: &impl VerifyingKey) -> bool {
    let prints = signature.issuer_fingerprint();
    if prints.is_empty() {
        signature.issuer_key_id().iter().any(|id| **id == key.legacy_key_id())
    } else {
        prints.iter().any(|print| **print == key.fingerprint())
    }
}

fn created(signature: &Signature) -> Option<i64> {
    signature.created().map(|created| i64::from(created.as_secs()))
}

fn strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    )
}

/// What a signature on a text must be like, whoever made it.
fn made_well(signature: &Signature, instant: i64) -> Result<(), String> {
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Err("it isn't a signature on a text".to_owned());
    }
    if !strong(signature) {
        return Err("its hash is too weak".to_owned());
    }
    let Some(made) = created(signature) else { return Err("it doesn't say when it was made".to_owned()) };
    if made > instant {
        return Err("it was made after the instant".to_owned());
    }
    let life = signature.signature_expiration_time().map_or(0, |life| i64::from(life.as_secs()));
    if life > 0 && made + life <= instant {
        return Err("it had expired by the instant".to_owned());
    }
    Ok(())
}

/// Whether a key was valid at an instant by the signatures that say how long it lives; the shortest counts.
fn alive<'s>(
    key: &impl KeyDetails,
    by: impl IntoIterator<Item = &'s Signature>,
    instant: i64,
) -> Result<(), String> {
    let made = i64::from(key.created_at().as_secs());
    if made > instant {
        return Err("its key was made after the instant".to_owned());
    }
    let lives =
        by.into_iter().filter_map(Signature::key_expiration_time).map(|life| i64::from(life.as_secs()));
    if lives.filter(|life| *life > 0).min().is_some_and(|life| made + life <= instant) {
        return Err("its key had expired by the instant".to_owned());
    }
    Ok(())
}

/// A key that was compromised, or revoked without a reason, never counts; one that was replaced or retired
/// counts before that.
fn revoked(by: &Signature, instant: i64) -> bool {
    match by.revocation_reason_code() {
        Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired) => {
            created(by).is_none_or(|when| when <= instant)
        }
        _ => true,
    }
}

fn good_algorithm(key: &impl KeyDetails) -> Result<(), String> {
    match key.algorithm() {
        PublicKeyAlgorithm::RSA
        | PublicKeyAlgorithm::RSASign
        | PublicKeyAlgorithm::EdDSALegacy
        | PublicKeyAlgorithm::Ed25519
        | PublicKeyAlgorithm::Ed448
        | PublicKeyAlgorithm::ECDSA => Ok(()),
        _ => Err("its key is of a kind that is too weak".to_owned()),
    }
}

/// What a primary key says of itself: the latest of its signatures on its names, and the latest on itself
/// alone (which often says nothing but who may revoke it).
fn self_signatures(key: &SignedPublicKey) -> Vec<&Signature> {
    let names = key.details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|one| {
            one.is_certification()
                && one.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok()
        })
    });
    let alone = key.details.direct_signatures.iter().filter(|one| one.verify_key(&key.primary_key).is_ok());
    let on_names = names.filter(|one| strong(one)).max_by_key(|one| created(one));
    let on_itself = alone.filter(|one| strong(one)).max_by_key(|one| created(one));
    on_names.into_iter().chain(on_itself).collect()
}

fn primary_is_valid(key: &SignedPublicKey, instant: i64) -> Result<(), String> {
    good_algorithm(&key.primary_key)?;
    let own = self_signatures(key);
    if own.is_empty() {
        return Err("its key doesn't vouch for itself".to_owned());
    }
    alive(&key.primary_key, own, instant)?;
    let revocations = key.details.revocation_signatures.iter();
    if revocations.filter(|one| one.verify_key(&key.primary_key).is_ok()).any(|one| revoked(one, instant)) {
        return Err("its key was revoked".to_owned());
    }
    Ok(())
}

fn primary_may_sign(key: &SignedPublicKey, instant: i64) -> Result<(), String> {
    primary_is_valid(key, instant)?;
    if self_signatures(key).first().is_some_and(|own| own.key_flags().sign()) {
        Ok(())
    } else {
        Err("its key isn't one for signing".to_owned())
    }
}

fn subkey_may_sign(key: &SignedPublicKey, subkey: &SignedPublicSubKey, instant: i64) -> Result<(), String> {
    good_algorithm(&subkey.key)?;
    let of = |kind| {
        subkey.signatures.iter().filter(move |one| {
            one.typ() == Some(kind) && one.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok()
        })
    };
    let binding = of(SignatureType::SubkeyBinding).filter(|one| strong(one)).max_by_key(|one| created(one));
    let Some(binding) = binding else { return Err("its subkey isn't bound to a key".to_owned()) };
    if !binding.key_flags().sign() {
        return Err("its subkey isn't one for signing".to_owned());
    }
    let back = binding.embedded_signature();
    if back.is_none_or(|back| back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_err()) {
        return Err("its subkey doesn't agree to be bound".to_owned());
    }
    alive(&subkey.key, [binding], instant)?;
    if of(SignatureType::SubkeyRevocation).any(|one| revoked(one, instant)) {
        return Err("its subkey was revoked".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::date;

    // Made once with gpg and `--faked-system-time`: keys of 2020, texts signed in January 2021, one in 2025;
    // `compromised` and `replaced` were revoked in January 2024, `shortlived` ends with 2021, `stranger` isn't
    // in the keyring.
    const KEYS: &[u8] = include_bytes!("fixtures/keyring.gpg");

    fn at(year: i64) -> i64 {
        date::parse(&format!("Thu, 01 Jul {year} 00:00:00 UTC")).unwrap()
    }

    fn check(message: &str, year: i64) -> Result<String, String> {
        let keyring = Keyring::from_bytes(KEYS);
        keyring.check(message, at(year)).map(|signed| signed.signer).map_err(|why| why.join("; "))
    }

    #[test]
    fn primary_keys_and_subkeys_sign() {
        let primary = check(include_str!("fixtures/primary.asc"), 2021).unwrap();
        let subkey = check(include_str!("fixtures/subkey.asc"), 2021).unwrap();
        assert_eq!((primary.len(), subkey.len()), (40, 40));
        assert_ne!(primary, subkey);
        assert_eq!(check(include_str!("fixtures/two.asc"), 2021).unwrap(), subkey);
    }

    #[test]
    fn a_key_counts_as_of_the_instant() {
        let shortlived = include_str!("fixtures/shortlived.asc");
        assert!(check(shortlived, 2021).is_ok());
        assert!(check(shortlived, 2022).unwrap_err().contains("had expired"));
        let replaced = include_str!("fixtures/replaced.asc");
        assert!(check(replaced, 2023).is_ok());
        assert!(check(replaced, 2024).unwrap_err().contains("was revoked"));
        assert!(check(include_str!("fixtures/compromised.asc"), 2021).unwrap_err().contains("was revoked"));
        let later = include_str!("fixtures/later.asc");
        assert!(check(later, 2024).unwrap_err().contains("after the instant"));
        assert!(check(later, 2025).is_ok());
        assert!(check(include_str!("fixtures/primary.asc"), 2031).is_err());
    }

    #[test]
    fn weak_foreign_and_damaged_signatures_do_not_count() {
        assert!(check(include_str!("fixtures/weak.asc"), 2021).unwrap_err().contains("too weak"));
        assert!(check(include_str!("fixtures/stranger.asc"), 2021).unwrap_err().contains("no such key"));
        let good = include_str!("fixtures/primary.asc");
        assert!(check(&good.replace("pebble", "pebbly"), 2021).unwrap_err().contains("doesn't fit the text"));
        assert!(check(&format!("Suite: evil\n{good}"), 2021).is_err());
        assert!(check(&format!("{good}Suite: evil\n"), 2021).is_err());
        for cut in (0..good.len()).step_by(7) {
            assert!(check(&good[..cut], 2021).is_err());
        }
    }

    #[test]
    fn what_was_signed_is_the_text_between_the_marks() {
        let signed = Keyring::from_bytes(KEYS).check(include_str!("fixtures/primary.asc"), at(2021)).unwrap();
        assert!(
            signed.text.starts_with("Origin: Test\n") && !signed.text.contains('\r'),
            "{:?}",
            signed.text
        );
    }

    #[test]
    fn packets_of_trust_are_passed_over() {
        let whole =
            [&[0x99, 0, 1, 7][..], &[0xb0, 2, 6, 0], &[0xcc, 1, 0], &[0xcd, 192, 0], &[1; 192]].concat();
        let without = [&[0x99, 0, 1, 7][..], &[0xcd, 192, 0], &[1; 192]].concat();
        assert_eq!(without_trust(&whole), without);
        for odd in [
            &b""[..],
            b"text",
            &[0xb0],
            &[0xb0, 9, 1],
            &[0xcc, 255, 255, 255, 255, 255],
            &[0xb3, 1],
            &[0xcc, 230],
        ] {
            assert_eq!(without_trust(odd), odd);
        }
        assert_eq!(without_trust(KEYS), KEYS);
    }

    #[test]
    fn the_embedded_keyrings_are_whole() {
        let keyring = Keyring::of("debian").unwrap();
        assert_eq!(keyring.keys.len(), 32);
        let valid = |year| keyring.keys.iter().filter(|key| primary_is_valid(key, at(year)).is_ok()).count();
        // 10 (three), 11, 12 and 13 in 2026; no key without an end counts for ever.
        assert_eq!(valid(2026), 12);
        assert_eq!(valid(2040), 0);
        assert!(Keyring::of("nonesuch").is_none());
        // Of Ubuntu's, the key of 2018 signs what its snapshots hold; the one of 2012 vouches for itself by SHA-1 only.
        let ubuntu = Keyring::of("ubuntu").unwrap();
        assert_eq!(ubuntu.keys.len(), 3);
        let good: Vec<String> = ubuntu
            .keys
            .iter()
            .filter(|key| primary_may_sign(key, at(2026)).is_ok())
            .map(|key| fingerprint(&key.primary_key))
            .collect();
        assert!(good.contains(&"F6ECB3762474EDA9D21B7022871920D1991BC93C".to_owned()), "{good:?}");
    }
}
