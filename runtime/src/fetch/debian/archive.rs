//! An archive as of an instant: its signed index and the package indexes that this names, fetched and checked.
//!
//! Asks the places that may know the instant, believes none of them: a signature decides about `InRelease`, its
//! digests about everything below. What was read once is kept for the session, and in the store for the next.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use rbld_lang::derivation::{Arch, ArchiveId};
use rbld_lang::digest::Digest;
use rbld_lang::lock::{Index, SuiteAt};

use super::inrelease::{self, Release};
use super::keyring::Keyring;
use crate::failure::{Failure, Kind, Result};
use crate::fetch::date;
use crate::fetch::http::{Expected, Http};
use crate::fetch::mirrors::{Mirrors, has_snapshots};
use crate::progress::{Progress, Step};
use crate::store::Store;

/// The most that an index may have, unpacked.
const LARGEST_INDEX: u64 = 1 << 30;

/// What the decoder of an index may use.
const DECODER_MEMORY: u64 = 512 << 20;

/// What resolving may use, and what it has read already. Several threads may share it.
pub struct Sources {
    /// Moves bytes.
    pub http: Http,
    /// Knows where to ask.
    pub mirrors: Mirrors,
    /// Keeps indexes from one run to the next.
    pub store: Store,
    /// Is told of long work.
    pub progress: Progress,
    /// The time taken at start: an instant after it isn't fixed yet.
    pub now: i64,
    /// The files of keys that the project names, by digest.
    pub keyrings: BTreeMap<Digest, Vec<u8>>,
    releases: Shelf<(ArchiveId, String, Option<Digest>), Release>,
    indexes: Shelf<Digest, Vec<u8>>,
    /// Signed indexes that are looked for by digest before anybody is asked.
    known: BTreeMap<(ArchiveId, String), BTreeSet<Digest>>,
    used: Mutex<BTreeSet<Used>>,
}

/// What was read: whoever has all of it can resolve the same again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Used {
    /// A signed index.
    Release {
        /// Of this archive at this instant.
        archive: ArchiveId,
        /// The suite.
        suite: String,
        /// The sha256 of its bytes.
        digest: Digest,
    },
    /// An index that a signed one names.
    Index {
        /// The archive, the suite and the path, for a person.
        name: String,
        /// The sha256 of its bytes as they come, mostly packed.
        digest: Digest,
        /// How many they are.
        size: u64,
        /// Where it may be had.
        urls: Vec<String>,
    },
}

/// What was read already, by what it is called; two that want the same wait for one to read it.
struct Shelf<K, V>(Mutex<BTreeMap<K, Place<V>>>);

type Place<V> = Arc<Mutex<Option<Arc<V>>>>;

impl<K: Ord, V> Shelf<K, V> {
    fn new() -> Shelf<K, V> {
        Shelf(Mutex::default())
    }

    fn get(&self, key: K, read: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let mut held = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*held {
            return Ok(value.clone());
        }
        let value = Arc::new(read()?);
        *held = Some(value.clone());
        Ok(value)
    }
}

impl Sources {
    /// Sources that have read nothing yet.
    pub fn new(http: Http, mirrors: Mirrors, store: Store, progress: Progress, now: i64) -> Sources {
        Sources {
            http,
            mirrors,
            store,
            progress,
            now,
            keyrings: BTreeMap::new(),
            releases: Shelf::new(),
            indexes: Shelf::new(),
            known: BTreeMap::new(),
            used: Mutex::default(),
        }
    }

    /// Looks for this signed index of a suite before asking what was current.
    pub fn know(&mut self, archive: ArchiveId, suite: &str, digest: Digest) {
        self.known.entry((archive, suite.to_owned())).or_default().insert(digest);
    }

    /// The states of archives whose signed indexes are at hand: those that are known and those in vendored folders.
    pub(super) fn at_hand(&self) -> Result<BTreeSet<(ArchiveId, String)>> {
        let vendored = self.mirrors.vendored().states()?.into_iter();
        let vendored = vendored.map(|(name, suite, instant)| (ArchiveId { name, instant }, suite));
        Ok(self.known.keys().cloned().chain(vendored).collect())
    }

    /// What was read so far.
    pub fn used(&self) -> Vec<Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn note(&self, used: Used) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(used);
    }

    /// Bytes of this digest, of at most `limit`, if the store or a vendored folder has them.
    fn kept(&self, digest: Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.stored(digest, limit)? {
            return Ok(Some(bytes));
        }
        let bytes = self.mirrors.vendored().bytes(digest, limit)?;
        if let Some(bytes) = &bytes {
            self.keep(bytes)?;
        }
        Ok(bytes)
    }

    /// Bytes of this digest, if the store has them.
    fn stored(&self, digest: Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        // One that is damaged is fetched anew.
        Ok(if self.store.has_blob(digest)? { self.store.read_blob(digest, limit).ok() } else { None })
    }

    /// Keeps bytes for the next run.
    fn keep(&self, bytes: &[u8]) -> Result<()> {
        let batch = self.store.batch()?;
        batch.bytes(bytes)?;
        batch.commit(&[])
    }

    /// The signed index of a suite that was current at its instant.
    pub fn release(&self, suite: &SuiteAt) -> Result<Arc<Release>> {
        check_names(suite)?;
        if suite.instant > self.now {
            return Err(Failure::input(format!("the pin {} is in the future", date::instant(suite.instant)))
                .fact("what an archive will hold then isn't known yet")
                .help(format!("pin {} or earlier", date::instant(self.now))));
        }
        let keyring = self.keyring(suite)?;
        let key = (suite.archive_id(), suite.suite.clone(), suite.keyring);
        let release = self.releases.get(key, || self.find_release(suite, &keyring))?;
        let (archive, suite, digest) = (suite.archive_id(), suite.suite.clone(), release.digest);
        self.note(Used::Release { archive, suite, digest });
        Ok(release)
    }

    /// The keys that may sign a suite: those that the file names, else those that are built in.
    fn keyring(&self, suite: &SuiteAt) -> Result<Keyring> {
        let Some(digest) = suite.keyring else {
            return Keyring::of(&suite.archive).ok_or_else(|| {
                Failure::input(format!("no keys are known for the archive `{}`", suite.archive))
                    .help("the archives known are `debian`, `debian-security` and `ubuntu`; for another, name its `keyring`")
            });
        };
        let bytes = self.keyrings.get(&digest).ok_or_else(|| {
            Failure::input(format!("the keyring of `{}` isn't there any more", suite.archive))
                .fact(format!("its sha256 is {digest}"))
        })?;
        let keyring = Keyring::from_bytes(bytes);
        if keyring.is_empty() {
            return Err(Failure::input(format!("the keyring given for `{}` holds no key", suite.archive))
                .help("it is a file of public keys, as `gpg --export` and `gpg --armor --export` write it"));
        }
        Ok(keyring)
    }

    /// A signed index that is known by digest: one that was asked for, or that a vendored folder names.
    fn known_release(
        &self,
        suite: &SuiteAt,
        keyring: &Keyring,
        tried: &mut Vec<String>,
    ) -> Result<Option<Release>> {
        let id = suite.archive_id();
        let known = self.known.get(&(id, suite.suite.clone())).cloned().unwrap_or_default();
        let named = self.mirrors.vendored().releases(&suite.archive, &suite.suite, suite.instant)?;
        for digest in known.into_iter().chain(named) {
            let Some(bytes) = self.kept(digest, inrelease::LONGEST)? else { continue };
            match self.judge(suite, keyring, &bytes) {
                Ok(Found::Fits(release)) => return Ok(Some(release)),
                Ok(Found::Newer(date)) => {
                    tried.push(format!(
                        "vendored {}: is of {}, after the pin",
                        digest.short(),
                        date::instant(date)
                    ));
                }
                Err(failure) => {
                    tried.push(format!("vendored {}: {}", digest.short(), failure.message));
                    tried.extend(failure.facts);
                }
            }
        }
        Ok(None)
    }

    /// Asks place after place for a signed index that fits the instant.
    fn find_release(&self, suite: &SuiteAt, keyring: &Keyring) -> Result<Release> {
        let id = suite.archive_id();
        let task = self.progress.begin(Step::Resolve, &format!("{} {}", suite.archive, suite.suite));
        let mut tried = Vec::new();
        let mut newer: Option<i64> = None;
        if let Some(release) = self.known_release(suite, keyring, &mut tried)? {
            task.done(format!("of {}", date::instant(release.date)));
            return Ok(release);
        }
        for base in self.mirrors.index_bases(&id) {
            let url = format!("{}/dists/{}/InRelease", base.url, suite.suite);
            let asked = self.http.get(&url, inrelease::LONGEST);
            match asked.and_then(|bytes| Ok((self.judge(suite, keyring, &bytes)?, bytes))) {
                Ok((Found::Fits(release), bytes)) => {
                    self.keep(&bytes)?;
                    task.done(format!("of {}", date::instant(release.date)));
                    return Ok(release);
                }
                Ok((Found::Newer(date), _)) => {
                    tried.push(format!("{url}: is of {}, after the pin", date::instant(date)));
                    newer = Some(newer.map_or(date, |other| other.min(date)));
                }
                Err(failure) if matches!(failure.kind, Kind::Interrupted(_)) => return Err(failure),
                Err(failure) if failure.message.starts_with("could not fetch") => {
                    tried.extend(failure.facts.into_iter().map(|fact| format!("{url}: {fact}")));
                }
                Err(failure) => {
                    tried.push(format!("{url}: {}", failure.message));
                    tried.extend(failure.facts);
                }
            }
        }
        let pin = date::instant(suite.instant);
        let mut failure = match newer {
            Some(date) => Failure::world(format!(
                "every index of `{}` within reach is newer than the pin {pin}",
                suite.suite
            ))
            .help(match has_snapshots(&suite.archive) {
                true => format!(
                    "pin {} or later, or name a mirror of the snapshot archive under `[mirrors]` in config.toml",
                    date::instant(date)
                ),
                false => format!(
                    "{0} keeps no older state of itself: pin {1} or later, or name a mirror that kept it: `[mirrors]` and \
                     `\"{0}\" = [\"…\"]` in config.toml",
                    suite.archive,
                    date::instant(date)
                ),
            }),
            None => Failure::world(format!("no good index of `{}` as of {pin} is within reach", suite.suite))
                .help("check the network, or name a mirror under `[mirrors]` in config.toml"),
        };
        failure.facts = tried;
        Err(failure)
    }

    /// Whether an `InRelease` is the suite's, well signed, and not after the pin.
    fn judge(&self, suite: &SuiteAt, keyring: &Keyring, bytes: &[u8]) -> Result<Found> {
        let release = match Release::read(bytes, keyring, suite.instant) {
            Ok(release) => release,
            // One made after the pin can't be signed as of the pin; as of now it says how far off it is.
            Err(failure) => match Release::read(bytes, keyring, self.now) {
                Ok(release) if release.date > suite.instant => release,
                _ => return Err(failure),
            },
        };
        if !release.is(&suite.suite) {
            return Err(Failure::world(format!("is the index of `{}`", release.names.join("`, `"))));
        }
        Ok(if release.date > suite.instant { Found::Newer(release.date) } else { Found::Fits(release) })
    }

    /// An index of a suite by its path without a compression's suffix (`main/binary-amd64/Packages`), unpacked;
    /// none when the suite doesn't have it.
    pub fn index(&self, suite: &SuiteAt, release: &Release, path: &str) -> Result<Option<Arc<Vec<u8>>>> {
        let plain = release.file(path);
        let packed = [".xz", ".gz", ""].into_iter().find_map(|suffix| {
            let packed = format!("{path}{suffix}");
            release.file(&packed).map(|(digest, size)| (packed, digest, size))
        });
        let Some((packed, digest, size)) = packed else { return Ok(None) };
        let key = plain.map_or(digest, |(digest, _)| digest);
        let expect = Expected { digest, size: Some(size) };
        let urls = self.index_urls(suite, release, &packed, digest);
        let bytes = self.indexes.get(key, || {
            let limit = plain.map_or(LARGEST_INDEX, |(_, size)| size);
            if plain.is_some()
                && let Some(bytes) = self.stored(key, limit)?
            {
                return Ok(bytes);
            }
            let bytes = match self.kept(digest, size)? {
                Some(bytes) => bytes,
                None => self.fetch_index(suite, &packed, &urls, expect)?,
            };
            let unpacked = unpack(&packed, bytes, limit)?;
            if let Some((digest, _)) = plain {
                if Digest::of(&unpacked) != digest {
                    return Err(Failure::world(format!(
                        "the index `{packed}` unpacks to other bytes than were signed"
                    )));
                }
                self.keep(&unpacked)?;
            }
            Ok(unpacked)
        })?;
        let name = format!("{} {} {packed}", suite.archive, suite.suite);
        self.note(Used::Index { name, digest, size, urls });
        Ok(Some(bytes))
    }

    /// Where an index may be had.
    fn index_urls(&self, suite: &SuiteAt, release: &Release, path: &str, digest: Digest) -> Vec<String> {
        let below = format!("dists/{}", suite.suite);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut urls = Vec::new();
        for base in self.mirrors.bases(&suite.archive_id()) {
            if release.by_hash {
                urls.push(format!("{}/{below}/{folder}/by-hash/SHA256/{digest}", base.url));
            }
            urls.push(format!("{}/{below}/{path}", base.url));
        }
        urls
    }

    /// An index as it comes, kept for the next run.
    fn fetch_index(&self, suite: &SuiteAt, path: &str, urls: &[String], expect: Expected) -> Result<Vec<u8>> {
        let task = self.progress.begin(Step::Fetch, &format!("{} {} {path}", suite.archive, suite.suite));
        if let Some(size) = expect.size {
            task.expect(size);
        }
        let bytes = self.http.fetch_bytes(urls, expect, Some(&task))?;
        self.keep(&bytes)?;
        task.done("");
        Ok(bytes)
    }

    /// The `Packages` of an architecture and `all`, of each component asked for.
    pub fn packages(&self, suite: &SuiteAt, release: &Release, arch: Arch) -> Result<Vec<Arc<Vec<u8>>>> {
        if !release.architectures.iter().any(|name| name == arch.name()) {
            return Err(Failure::input(format!("`{}` has no packages for {}", suite.suite, arch.name()))
                .help(format!("it has {}", release.architectures.join(", "))));
        }
        let mut all = Vec::new();
        for component in &suite.components {
            let path = format!("{component}/binary-{}/Packages", arch.name());
            all.push(
                self.index(suite, release, &path)?.ok_or_else(|| no_component(suite, release, component))?,
            );
            if !release.all_included {
                all.extend(self.index(suite, release, &format!("{component}/binary-all/Packages"))?);
            }
        }
        Ok(all)
    }

    /// The `Sources` of each component asked for.
    pub fn sources(&self, suite: &SuiteAt, release: &Release) -> Result<Vec<Arc<Vec<u8>>>> {
        let one = |component: &String| {
            let found = self.index(suite, release, &format!("{component}/source/Sources"))?;
            found.ok_or_else(|| no_component(suite, release, component))
        };
        suite.components.iter().map(one).collect()
    }
}

/// What a place had.
enum Found {
    /// The index that was current at the pin.
    Fits(Release),
    /// One of a later date.
    Newer(i64),
}

/// What the lock keeps of a signed index; `first` is the archive that the request begins with.
pub fn locked(suite: &SuiteAt, release: &Release, first: &str) -> Index {
    Index {
        archive: (suite.archive != first).then(|| suite.archive.clone()),
        suite: suite.suite.clone(),
        digest: release.digest,
        date: release.date,
        valid_until: release.valid_until,
        signer: release.signer.clone(),
    }
}

fn no_component(suite: &SuiteAt, release: &Release, component: &str) -> Failure {
    Failure::input(format!("`{}` has no component `{component}`", suite.suite))
        .help(format!("it has {}", release.components.join(", ")))
}

/// Suites and components become parts of URLs.
fn check_names(suite: &SuiteAt) -> Result<()> {
    let address = suite.archive.contains("://");
    let fits = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-_/".contains(&byte))
            && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
    };
    let archive = (!address).then_some(&suite.archive);
    match archive.into_iter().chain([&suite.suite]).chain(&suite.components).find(|name| !fits(name)) {
        Some(name) => {
            Err(Failure::input(format!("`{name}` can't be the name of an archive, a suite or a component")))
        }
        None => Ok(()),
    }
}

fn unpack(path: &str, bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>> {
    let mut reader: Box<dyn Read> = if path.ends_with(".xz") {
        let stream =
            liblzma::stream::Stream::new_stream_decoder(DECODER_MEMORY, liblzma::stream::CONCATENATED)
                .map_err(|error| Failure::world(format!("could not unpack the index `{path}`: {error}")))?;
        Box::new(liblzma::bufread::XzDecoder::new_stream(&bytes[..], stream))
    } else if path.ends_with(".gz") {
        Box::new(flate2::bufread::MultiGzDecoder::new(&bytes[..]))
    } else {
        return Ok(bytes);
    };
    let mut unpacked = Vec::new();
    reader
        .by_ref()
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| Failure::world(format!("could not unpack the index `{path}`: {error}")))?;
    if unpacked.len() as u64 > limit {
        return Err(Failure::world(format!("the index `{path}` unpacks to more than {limit} bytes")));
    }
    Ok(unpacked)
}
