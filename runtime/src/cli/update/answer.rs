//! Asking the world what is at the end of a tag, an address or an archive now.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use rbld_lang::digest::Digest;
use rbld_lang::lock::SuiteAt;
use rbld_lang::package::Requirement;

use super::pin::{Subject, follows, is_zero};
use crate::failure::{Doing, Failure, Result};
use crate::fetch::debian::Sources;
use crate::fetch::git::{self, Access, Limits};
use crate::fetch::http::{Http, Sink};
use crate::fetch::mirrors::Mirrors;
use crate::fetch::registry::Repository;
use crate::packages::{self, Reach};
use crate::progress::{Progress, Step};
use crate::store::{Batch, BlobWriter, Store};

/// The most that is read from an address whose digest isn't known, in bytes.
const LARGEST: u64 = 64 << 30;

/// In seconds.
const HOUR: i64 = 3600;

/// Who is asked.
pub(super) struct World {
    pub store: Store,
    pub mirrors: Mirrors,
    pub project: PathBuf,
    pub progress: Progress,
    /// Seconds since 1970, taken once.
    pub now: i64,
    /// The instant that snapshots are to be of, where one is named.
    pub to: Option<i64>,
    /// The files of keys that the project names, by digest.
    pub keyrings: OnceCell<BTreeMap<Digest, Vec<u8>>>,
    /// Archives, once one is asked.
    pub sources: OnceCell<Sources>,
}

/// What is to be written.
pub(super) struct Answer {
    /// The literal.
    pub literal: String,
    /// What was and what is.
    pub change: String,
    /// What it follows.
    pub follows: String,
}

/// Two commits for a person.
pub(super) fn from_to(old: Option<&str>, new: &str) -> String {
    let short = |commit: &str| commit.chars().take(12).collect::<String>();
    match old.filter(|old| !is_zero(old)) {
        Some(old) if old == new => short(new),
        Some(old) => format!("{} → {}", short(old), short(new)),
        None => format!("→ {}", short(new)),
    }
}

impl World {
    fn tip(&self, url: &str, reference: Option<&rbld_lang::package::Reference>) -> Result<String> {
        let access =
            Access { offline: false, stopped: &|| false, mirrors: &self.mirrors, limits: Limits::default() };
        git::tip(&self.store, &self.project, url, reference, access)
    }

    /// The commit and tree that a package is to be pinned to, where that is another than now.
    pub(super) fn package(&self, requirement: &Requirement) -> Result<Option<(String, Digest)>> {
        let (name, url) = (&requirement.name.node, &requirement.url.node);
        let commit = self.tip(url, requirement.reference.as_ref())?;
        // A digest that is wrong is corrected too: the tree is read even for a commit that stays, mostly from the store.
        let reach = Reach {
            store: &self.store,
            project: &self.project,
            mirrors: &self.mirrors,
            offline: false,
            progress: &self.progress,
        };
        let reference = requirement.reference.as_ref().map(|reference| reference.name());
        let tree = packages::tree_of(&reach, name, url, &commit, reference)?;
        let same = requirement.pinned().is_some_and(|pinned| pinned.commit == commit && pinned.tree == tree);
        Ok((!same).then_some((commit, tree)))
    }

    /// What a literal is to be, where that is another than now. All questions that it answers must agree.
    pub(super) fn answer(&self, subjects: &[Subject]) -> Result<Option<Answer>> {
        let Some(first) = subjects.first() else { return Ok(None) };
        match first {
            Subject::Git { .. } => self.commit(subjects),
            Subject::Url { .. } => self.digest(subjects),
            Subject::Image { .. } => self.image(subjects),
            Subject::Snapshot { .. } => self.instant(subjects),
        }
    }

    fn commit(&self, subjects: &[Subject]) -> Result<Option<Answer>> {
        let mut found: Option<(String, Answer)> = None;
        for subject in subjects {
            let Subject::Git { url, reference, commit: old } = subject else { return Err(mixed()) };
            let new = self.tip(url, reference.as_ref())?;
            let said = follows(reference.as_ref());
            if let Some((other, answer)) = found.as_ref().filter(|(other, _)| *other != new) {
                return Err(Failure::input("one commit is written for two that are elsewhere by now")
                    .fact(format!("{}: {other}", answer.follows))
                    .fact(format!("{said} of {url}: {new}"))
                    .help("give each a commit of its own"));
            }
            let change = format!("commit {}", from_to(old.as_deref(), &new));
            let answer = Answer { literal: format!("commit:{new}"), change, follows: said };
            if old.as_ref() != Some(&new) || found.is_none() {
                found = Some((new, answer));
            }
        }
        let known = |new: &String| {
            subjects
                .iter()
                .all(|subject| matches!(subject, Subject::Git { commit: Some(old), .. } if old == new))
        };
        Ok(found.filter(|(new, _)| !known(new)).map(|(_, answer)| answer))
    }

    fn digest(&self, subjects: &[Subject]) -> Result<Option<Answer>> {
        let [Subject::Url { urls, digest: old }] = subjects else {
            return Err(Failure::input("one digest is written for several addresses")
                .help("name all of them in one `fetch.url`: `urls = [\"…\", \"…\"]`"));
        };
        let http = Http::new(false)?;
        let name = urls.first().map_or("", String::as_str);
        let task = self.progress.begin(Step::Fetch, name);
        let batch = self.store.batch()?;
        let mut sink = Kept { batch: &batch, writer: batch.writer()? };
        let places: Vec<String> = urls.iter().flat_map(|url| self.mirrors.expand(url)).collect();
        let from = http.first(&places, LARGEST, &mut sink, Some(&task))?.to_owned();
        let blob = sink.writer.finish(false)?;
        // It is what the next check would fetch.
        batch.commit(&[])?;
        task.done("");
        let old = old.filter(|old| !old.is_zero());
        if old == Some(blob.digest) {
            return Ok(None);
        }
        let change = match old {
            Some(old) => format!("sha256 {} → {}", old.short(), blob.digest.short()),
            None => format!("sha256 → {}", blob.digest.short()),
        };
        let follows = format!("{} bytes of {from}", blob.size);
        Ok(Some(Answer { literal: format!("sha256:{}", blob.digest), change, follows }))
    }

    /// Which digest a tag of a registry stands for; `latest` where none is written, as everywhere.
    fn image(&self, subjects: &[Subject]) -> Result<Option<Answer>> {
        let mut found: Option<(Digest, Answer)> = None;
        for subject in subjects {
            let Subject::Image { name, digest: old } = subject else { return Err(mixed()) };
            let repository = Repository::new(Http::new(false)?, &self.mirrors, name);
            let tag = name.tag.as_deref().unwrap_or("latest");
            let new = repository.tag(tag)?;
            if let Some((other, answer)) = found.as_ref().filter(|(other, _)| *other != new) {
                return Err(Failure::input("one digest is written for two images that are others by now")
                    .fact(format!("{}: {other}", answer.follows))
                    .fact(format!("{name}: {new}"))
                    .help("give each a digest of its own"));
            }
            let old = old.filter(|old| !old.is_zero());
            if old == Some(new) {
                continue;
            }
            let change = match old {
                Some(old) => format!("sha256 {} → {}", old.short(), new.short()),
                None => format!("sha256 → {}", new.short()),
            };
            let follows = format!("tag {tag} of {}/{}", name.host, name.repository);
            found = Some((new, Answer { literal: format!("sha256:{new}"), change, follows }));
        }
        Ok(found.map(|(_, answer)| answer))
    }

    /// What archives are asked by.
    pub(super) fn sources(&self) -> Result<&Sources> {
        if self.sources.get().is_none() {
            let (mirrors, store) = (self.mirrors.clone(), self.store.clone());
            let mut sources =
                Sources::new(Http::new(false)?, mirrors, store, self.progress.clone(), self.now);
            sources.keyrings = self.keyrings.get().cloned().unwrap_or_default();
            drop(self.sources.set(sources));
        }
        self.sources.get().ok_or_else(|| Failure::bug("no archive can be asked"))
    }

    fn instant(&self, subjects: &[Subject]) -> Result<Option<Answer>> {
        let sources = self.sources()?;
        let mut suites: Vec<SuiteAt> = Vec::new();
        let mut old: Option<i64> = None;
        for subject in subjects {
            let Subject::Snapshot { archive, suite, components, keyring, at } = subject else {
                return Err(mixed());
            };
            let instant = self.to.unwrap_or(self.now);
            let suite = SuiteAt {
                archive: archive.clone(),
                suite: suite.clone(),
                components: components.clone(),
                instant,
                keyring: *keyring,
                beside: Vec::new(),
            };
            if !suites.contains(&suite) {
                suites.push(suite);
            }
            old = old.max(*at);
        }
        // The last signed index is what an archive was last; for several, the latest, when all of them were out.
        let mut latest = i64::MIN;
        for suite in &suites {
            latest = latest.max(sources.release(suite)?.date);
        }
        let new = match self.to {
            Some(to) => to,
            None if old.is_some_and(|old| old >= latest) => return Ok(None),
            // An index is signed some minutes after its date: by the next full hour it was out.
            None => ((latest / HOUR + 1) * HOUR).min(self.now),
        };
        if old == Some(new) {
            return Ok(None);
        }
        for suite in &suites {
            sources.release(&SuiteAt { instant: new, ..suite.clone() })?;
        }
        let change = match old {
            Some(old) => format!("{} → {}", super::shown(old), super::shown(new)),
            None => format!("→ {}", super::shown(new)),
        };
        let names: Vec<String> = suites.iter().map(|of| format!("{} {}", of.archive, of.suite)).collect();
        Ok(Some(Answer { literal: super::shown(new), change, follows: names.join(", ") }))
    }
}

fn mixed() -> Failure {
    Failure::input("one literal pins things of two kinds").help("give each a literal of its own")
}

/// Lets fetched bytes go into the store.
struct Kept<'b> {
    batch: &'b Batch,
    writer: BlobWriter,
}

impl Sink for Kept<'_> {
    fn restart(&mut self) -> Result<()> {
        self.writer = self.batch.writer()?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        use std::io::Write;
        self.writer.write_all(bytes).doing(|| "write what was fetched into the store")
    }
}
