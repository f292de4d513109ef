//! What a check of a file fetches: from the plan to files by digest and commits, each once.

use std::collections::{BTreeMap, BTreeSet};

use rbld_lang::derivation::{
    ArchiveId, Derivation, DerivationId, Emulator, Environment, Fetch, GuixItem, Package, PoolFile,
};
use rbld_lang::digest::Digest;
use rbld_lang::loader;
use rbld_lang::plan::{Expected, Form, Plan};

use crate::fetch::mirrors::Mirrors;
use crate::packages;

/// Something that is fetched.
#[derive(Clone, Debug)]
pub(super) enum Need {
    /// A file.
    File(File),
    /// The tree of a commit.
    Commit {
        /// The derivation that stands for it.
        id: DerivationId,
        /// Which.
        commit: Box<Commit>,
    },
    /// Store items of Guix.
    Items(Vec<GuixItem>),
}

/// A file that is known by its digest.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) digest: Digest,
    pub(super) size: Option<u64>,
    /// What it is, one word.
    pub(super) kind: &'static str,
    /// What a person calls it.
    pub(super) name: String,
    /// Where it may be had.
    pub(super) urls: Vec<String>,
}

/// The commit of a repository.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) derivation: Derivation,
    pub(super) commit: String,
    pub(super) submodules: bool,
    /// What a person calls it.
    pub(super) name: String,
}

/// All that the derivations and comparisons of a plan need from elsewhere, and the packages of the language.
pub(super) fn needs(plan: &Plan, packages: &[loader::Package], mirrors: &Mirrors) -> Vec<Need> {
    let mut needs =
        Needs { mirrors, files: BTreeMap::new(), commits: BTreeMap::new(), items: BTreeSet::new() };
    for package in packages {
        let derivation = Derivation::Fetch(Fetch::Git {
            url: package.pinned.url.clone(),
            commit: package.pinned.commit.clone(),
            reference: package.pinned.reference.clone(),
            submodules: false,
        });
        debug_assert_eq!(derivation.id(), packages::git_id(&package.pinned.url, &package.pinned.commit));
        needs.commit(derivation.id(), derivation, &package.pinned.commit, false, &package.shown);
    }
    for (id, derivation) in &plan.derivations {
        let name = plan.name_of(*id).map_or_else(|| id.0.short(), |named| named.name.clone());
        needs.derivation(*id, derivation, &name);
    }
    for comparison in &plan.comparisons {
        let Form::Matches { expected, .. } = &comparison.form else { continue };
        for expected in expected {
            // Fetched only to show how something differs; without them the report would say less.
            if let Expected::Published { files, archive, .. } = expected {
                files.iter().for_each(|file| needs.pool("published", archive, file));
            }
        }
    }
    let commits = needs.commits.into_iter().map(|(id, commit)| Need::Commit { id, commit: Box::new(commit) });
    let items = (!needs.items.is_empty()).then(|| Need::Items(needs.items.into_iter().collect()));
    items.into_iter().chain(commits).chain(needs.files.into_values().map(Need::File)).collect()
}

struct Needs<'a> {
    mirrors: &'a Mirrors,
    files: BTreeMap<(Digest, &'static str, String), File>,
    commits: BTreeMap<DerivationId, Commit>,
    items: BTreeSet<GuixItem>,
}

impl Needs<'_> {
    fn derivation(&mut self, id: DerivationId, derivation: &Derivation, name: &str) {
        match derivation {
            Derivation::Fetch(Fetch::Url { urls, digest, name: file, .. }) => {
                let urls = urls.iter().flat_map(|url| self.mirrors.expand(url)).collect();
                self.file(File { digest: *digest, size: None, kind: "file", name: file.clone(), urls });
            }
            Derivation::Fetch(Fetch::Git { commit, submodules, .. }) => {
                self.commit(id, derivation.clone(), commit, *submodules, name);
            }
            // The project's own files are where the project is; those of a package come with it.
            Derivation::Fetch(Fetch::Local { .. }) => {}
            Derivation::Fetch(Fetch::Pool { archive, files, .. }) => {
                files.iter().for_each(|file| self.pool("source", archive, file));
            }
            // Made of what another one fetches.
            Derivation::Fetch(Fetch::Unpack { .. }) => {}
            Derivation::ImageRoot(_) | Derivation::Image(_) | Derivation::ImageIndex(_) => {}
            Derivation::Environment(environment) => self.environment(environment),
            Derivation::Guix(guix) => self.items.extend(guix.items.iter().cloned()),
            Derivation::Build(build) => build.emulator.iter().for_each(|emulator| self.emulator(emulator)),
        }
    }

    fn environment(&mut self, environment: &Environment) {
        for package in &environment.packages {
            self.package(&environment.archive, package);
        }
        environment.emulator.iter().for_each(|emulator| self.emulator(emulator));
    }

    fn emulator(&mut self, emulator: &Emulator) {
        self.package(&emulator.archive, &emulator.package);
    }

    fn package(&mut self, archive: &ArchiveId, package: &Package) {
        let name = package.path.rsplit('/').next().unwrap_or(&package.name).to_owned();
        let Package { digest, size, path, origin, .. } = package.clone();
        self.pool("package", archive, &PoolFile { name, digest, size, path, origin });
    }

    fn pool(&mut self, kind: &'static str, archive: &ArchiveId, file: &PoolFile) {
        let urls = self.mirrors.urls(file.origin.as_ref().unwrap_or(archive), &file.path);
        self.file(File { digest: file.digest, size: Some(file.size), kind, name: file.name.clone(), urls });
    }

    fn file(&mut self, file: File) {
        let known =
            self.files.entry((file.digest, file.kind, file.name.clone())).or_insert_with(|| file.clone());
        known.urls.extend(file.urls.into_iter().filter(|url| !known.urls.contains(url)).collect::<Vec<_>>());
    }

    fn commit(
        &mut self,
        id: DerivationId,
        derivation: Derivation,
        commit: &str,
        submodules: bool,
        name: &str,
    ) {
        let (commit, name) = (commit.to_owned(), name.to_owned());
        self.commits.entry(id).or_insert(Commit { derivation, commit, submodules, name });
    }
}
