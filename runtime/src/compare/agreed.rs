//! `agreed`: what others say that they built, each counted once by the key that signed, the list or the build it comes from.
//!
//! A signature is judged as of when it was made, so that what was agreed on stays so when keys end. A word that can't be
//! verified is none: it neither agrees nor disagrees.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use rbld_lang::derivation::InputRef;
use rbld_lang::digest::Digest;
use rbld_lang::plan::{Says, Witness};

use super::outcome::{Agreed, Identity, News, Outcome, Share, Subject, Verdict, Voice, Word};
use super::sums::Sums;
use super::{FilesOf, OutputState, identical};
use crate::fetch::debian::keyring::Keyring;
use crate::store::tree::{self, Folder, Node};
use crate::store::{Object, Store};

/// The largest list of sums or file of keys that is read, and the largest signature.
const LIMITS: (u64, u64) = (64 << 20, 4 << 20);

/// What text signed within itself begins with.
const CLEAR: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// Where a signature lies beside its list.
const BESIDE: [&str; 3] = ["asc", "sig", "gpg"];

/// What is asked while judging.
pub(super) struct Asked<'a> {
    pub(super) state: &'a dyn Fn(&InputRef) -> OutputState,
    pub(super) files: FilesOf<'a>,
    pub(super) store: Option<&'a Store>,
    pub(super) now: Option<i64>,
}

/// Judges `agreed(member, k, of)`.
pub(super) fn judge(member: Subject, k: u32, of: &[Witness], asked: &Asked<'_>) -> Outcome {
    let members = vec![member];
    let mut news = identical::unrealised(&members);
    let built = match &members[0].state {
        OutputState::Ready { object, .. } => (asked.files)(object, &members[0].output),
        _ => Err(String::new()),
    };
    let built = match built {
        Ok(built) => Some(built),
        Err(why) => {
            if !why.is_empty() {
                news.push(News::NothingExpected { member: 0, why });
            }
            None
        }
    };
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    let mut voices: Vec<Voice> = Vec::with_capacity(of.len());
    for (index, witness) in of.iter().enumerate() {
        let mut voice = asked.voice(witness, &members[0], built.as_ref());
        if let (Word::Same, Some(by)) = (&voice.word, &voice.by) {
            match heard.get(by) {
                Some(first) => voice.word = Word::Again { first: *first },
                None => {
                    heard.insert(by.clone(), index);
                }
            }
        }
        voices.push(voice);
    }
    let holding = heard.len() as u64;
    let against = voices.iter().any(|voice| matches!(voice.word, Word::Other(_)));
    let verdict = match built {
        None => Verdict::Inconclusive,
        Some(_) if against => Verdict::Mismatch,
        Some(_) if holding >= u64::from(k) => Verdict::Match,
        Some(_) => Verdict::Inconclusive,
    };
    let share = Share { holding, total: of.len() as u64, ..Share::default() };
    let classes = identical::classes(&members, &[0]);
    let outcome = identical::outcome("agreed", members, Vec::new(), classes, verdict, share, news);
    Outcome { agreed: Some(Agreed { k, voices }), ..outcome }
}

impl Asked<'_> {
    fn voice(&self, witness: &Witness, member: &Subject, built: Option<&BTreeMap<String, Digest>>) -> Voice {
        let mut voice = Voice {
            name: witness.name.clone(),
            span: Some(witness.span),
            by: None,
            signer: None,
            why: None,
            word: Word::Nothing("nothing was built to ask about".to_owned()),
        };
        let Some(built) = built else { return voice };
        let said = match &witness.says {
            Says::Output(other) => {
                voice.word = self.other(&other.output, member);
                if let OutputState::Ready { key, .. } = (self.state)(&other.output) {
                    voice.by = Some(format!("build {key}"));
                }
                return voice;
            }
            Says::Unsigned { sums, at, why } => {
                voice.why = Some(why.clone());
                self.bytes(sums, at.as_deref(), LIMITS.0).map(|bytes| {
                    voice.by = Some(format!("list {}", Digest::of(&bytes)));
                    text_of(&bytes)
                })
            }
            Says::Signed { sums, at, signature, keys } => {
                self.verified(sums, at.as_deref(), signature.as_ref(), keys).map(|(text, signer)| {
                    voice.by = Some(format!("key {signer}"));
                    voice.signer = Some(signer);
                    text
                })
            }
        };
        voice.word = match said {
            Ok(text) => word(&Sums::read(&text), built),
            Err(why) => Word::Nothing(why),
        };
        voice
    }

    /// What another build says.
    fn other(&self, other: &InputRef, member: &Subject) -> Word {
        match ((self.state)(other), member.build()) {
            (OutputState::Ready { key, .. }, Some(own)) if key == own => {
                Word::Nothing("it is the same build: all that goes into both is equal".to_owned())
            }
            (OutputState::Ready { object, .. }, _) => {
                let found = Identity::from(&object);
                match member.identity() == Some(found) {
                    true => Word::Same,
                    false => Word::Other(vec![(String::new(), found.digest)]),
                }
            }
            (OutputState::Failed(why) | OutputState::Missing(why), _) => Word::Nothing(why),
        }
    }

    /// The text of a signed list, and the primary key of whoever signed it.
    fn verified(
        &self,
        sums: &InputRef,
        at: Option<&str>,
        signature: Option<&InputRef>,
        keys: &InputRef,
    ) -> Result<(String, String), String> {
        let ring = self.keyring(keys)?;
        let bytes = self.bytes(sums, at, LIMITS.0)?;
        let now = self.now.unwrap_or(i64::MAX);
        let wrong = |why: Vec<String>| format!("its signature isn't good: {}", why.join("; "));
        let signature = match (signature, at) {
            (Some(signature), _) => Some(self.bytes(signature, None, LIMITS.1)?),
            (None, _) if bytes.trim_ascii_start().starts_with(CLEAR) => None,
            (None, Some(at)) => Some(self.beside(sums, at)?),
            (None, None) => {
                return Err("it isn't signed: the list has no signature in it, and none is named".to_owned());
            }
        };
        match signature {
            Some(signature) => {
                let signer = ring.check_detached(&bytes, &signature, now).map_err(wrong)?;
                Ok((text_of(&bytes), signer))
            }
            None => {
                let signed = ring.check_as_made(&text_of(&bytes), now).map_err(wrong)?;
                Ok((signed.text, signed.signer))
            }
        }
    }

    /// The signature that lies beside a list in its folder.
    fn beside(&self, sums: &InputRef, at: &str) -> Result<Vec<u8>, String> {
        let mut last = String::new();
        for ending in BESIDE {
            match self.bytes(sums, Some(&format!("{at}.{ending}")), LIMITS.1) {
                Ok(bytes) => return Ok(bytes),
                Err(why) => last = why,
            }
        }
        Err(format!("it isn't signed: no `{at}.asc`, `.sig` or `.gpg` lies beside it ({last})"))
    }

    fn keyring(&self, keys: &InputRef) -> Result<Keyring, String> {
        let ring = match self.object(keys)? {
            Object::File { digest, .. } => Keyring::from_bytes(&self.blob(digest, LIMITS.0)?),
            Object::Tree { digest, .. } => {
                let files = files_of(&self.folder(digest)?);
                let key =
                    |name: &str| [".asc", ".gpg", ".pgp", ".key"].iter().any(|ending| name.ends_with(ending));
                let mut ring = Keyring::empty();
                for (_, digest) in files.iter().filter(|(name, _)| key(name)) {
                    ring.extend(Keyring::from_bytes(&self.blob(*digest, LIMITS.0)?));
                }
                ring
            }
        };
        match ring.is_empty() {
            true => Err("no key could be read from its `keys`".to_owned()),
            false => Ok(ring),
        }
    }

    fn object(&self, input: &InputRef) -> Result<Object, String> {
        match (self.state)(input) {
            OutputState::Ready { object, .. } => Ok(object),
            OutputState::Failed(why) | OutputState::Missing(why) => Err(why),
        }
    }

    /// The bytes of a file, or of one in a folder.
    fn bytes(&self, input: &InputRef, at: Option<&str>, limit: u64) -> Result<Vec<u8>, String> {
        match (self.object(input)?, at) {
            (Object::File { digest, .. }, None) => self.blob(digest, limit),
            (Object::File { .. }, Some(at)) => Err(format!("it is a file, in which there is no `{at}`")),
            (Object::Tree { .. }, None) => {
                Err("it is a folder: `at = \"…\"` says where the list is in it".to_owned())
            }
            (Object::Tree { digest, .. }, Some(at)) => match self.folder(digest)?.get(at) {
                Some(Node::File { digest, .. }) => self.blob(*digest, limit),
                Some(_) => Err(format!("`{at}` is no file there")),
                None => Err(format!("there is no `{at}` in it")),
            },
        }
    }

    fn folder(&self, digest: Digest) -> Result<Folder, String> {
        let store = self.store.ok_or("there is no store to read it from")?;
        tree::read(store, digest).map_err(|failure| failure.message)
    }

    fn blob(&self, digest: Digest, limit: u64) -> Result<Vec<u8>, String> {
        let store = self.store.ok_or("there is no store to read it from")?;
        let file = store.open_blob(digest).map_err(|failure| failure.message)?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        match bytes.len() as u64 > limit {
            true => Err(format!("it is larger than {} MiB", limit >> 20)),
            false => Ok(bytes),
        }
    }
}

/// What a list says of all files that were built.
fn word(sums: &Sums, built: &BTreeMap<String, Digest>) -> Word {
    let mut other = Vec::new();
    let mut silent = Vec::new();
    for (name, digest) in built {
        let said: BTreeSet<Digest> = sums.of(name);
        match said.len() {
            0 => silent.push(name.as_str()),
            1 if said.contains(digest) => {}
            1 => other.extend(said.iter().map(|said| (name.clone(), *said))),
            _ => silent.push(name.as_str()),
        }
    }
    match (other.is_empty(), silent.first()) {
        (false, _) => Word::Other(other),
        (true, Some(first)) => Word::Nothing(match sums.of(first).len() {
            0 => format!("it says nothing of `{first}`"),
            _ => format!("it says two things of `{first}`"),
        }),
        (true, None) if built.is_empty() => Word::Nothing("there are no files to ask about".to_owned()),
        (true, None) => Word::Same,
    }
}

fn files_of(folder: &Folder) -> BTreeMap<String, Digest> {
    let file = |(path, node): (String, &Node)| match node {
        Node::File { digest, .. } => Some((path, *digest)),
        _ => None,
    };
    folder.files().filter_map(file).collect()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[path = "agreed_tests.rs"]
mod tests;
