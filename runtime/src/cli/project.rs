//! A project as a command sees it: which file is meant, what it evaluates to, its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rbld_lang::derivation::{Arch, Derivation, DerivationId, InputRef};
use rbld_lang::diagnostic::{Diagnostic, Severity};
use rbld_lang::lock::{self, Lock};
use rbld_lang::plan::{Comparison, Expected, Form, ItemKind, Member, Plan, Says};

use crate::config::Config;
use crate::display::Screen;
use crate::failure::{Doing, Failure, Result};
use crate::fetch::mirrors::Mirrors;
use crate::files::{Files, lock_path};
use crate::packages::{self, Packages};

/// What is meant by the words of a command line.
pub(super) struct Chosen {
    /// The file.
    pub file: PathBuf,
    /// The names after it.
    pub names: Vec<String>,
}

/// Splits words into a file and names; without a file, `build.rbld` is looked for upwards from here.
pub(super) fn choose(words: &[String]) -> Result<Chosen> {
    if let Some((first, names)) = words.split_first() {
        let path = Path::new(first);
        let is_file = first.ends_with(".rbld");
        if is_file || first.contains('/') || path.is_dir() {
            let file = if is_file { path.to_owned() } else { path.join("build.rbld") };
            return match file.is_file() {
                true => Ok(Chosen { file, names: names.to_vec() }),
                false => Err(Failure::input(format!("there is no file `{}`", file.display()))
                    .help("name a `.rbld` file, or a folder that holds `build.rbld`")),
            };
        }
    }
    match above()? {
        Some(file) => Ok(Chosen { file, names: words.to_vec() }),
        None => Err(Failure::input("there is no `build.rbld` here or in a folder above")
            .fact(format!("looked upwards from {}", here()?.display()))
            .help("name a file: `rbld check path/to/build.rbld`")),
    }
}

fn here() -> Result<PathBuf> {
    std::env::current_dir().doing(|| "find the current folder")
}

/// The nearest `build.rbld`, here or in a folder above.
pub(super) fn above() -> Result<Option<PathBuf>> {
    Ok(here()?.ancestors().map(|folder| folder.join("build.rbld")).find(|file| file.is_file()))
}

/// The folder and the name of a file whose links were followed.
pub(super) fn parts(file: &Path) -> Result<(&Path, &str)> {
    match (file.parent(), file.file_name().and_then(|name| name.to_str())) {
        (Some(root), Some(name)) => Ok((root, name)),
        _ => Err(Failure::input(format!("`{}` isn't a file with a name in UTF-8", file.display()))),
    }
}

/// The architecture of this machine.
pub(super) fn host_arch() -> Result<Arch> {
    crate::executor::host_arch().ok_or_else(|| {
        Failure::world(format!("rbld doesn't know the architecture `{}`", std::env::consts::ARCH))
    })
}

/// A project, evaluated.
pub(super) struct Project {
    /// Its folder: nothing outside is read.
    pub root: PathBuf,
    /// Its file, relative to the folder.
    pub file: String,
    /// Where its lock is.
    pub lock_path: PathBuf,
    /// Its lock, when there is one.
    pub lock: Option<Lock>,
    /// Its texts and what they mean.
    pub lang: rbld_lang::Project,
    /// Its values.
    pub evaluated: rbld_lang::Evaluated,
    /// What to realise and compare.
    pub plan: Plan,
    /// All findings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Project {
    /// Reads and evaluates a file; findings are collected, not returned as a failure. Packages that are pinned and not
    /// in the store are fetched before, where they may be.
    pub(super) fn load(file: &Path, store: Option<&Path>, fetching: Fetching<'_>) -> Result<Project> {
        let file = file.canonicalize().doing(|| format!("open `{}`", file.display()))?;
        let (root, name) = parts(&file)?;
        let lock_path = lock_path(root, name);
        let lock = read_lock(&lock_path)?;
        let loader = Files { root: root.to_owned(), packages: packages(store) };
        let lang = with_packages(name, root, &loader, store, fetching)?;
        let host = rbld_lang::Host { arch: host_arch()? };
        let evaluated = rbld_lang::evaluate(&lang, &loader, &host);
        let (plan, found) = rbld_lang::instantiate(&evaluated, lock.as_ref(), &host);
        let mut diagnostics = evaluated.diagnostics.clone();
        diagnostics.extend(found);
        Ok(Project {
            root: root.to_owned(),
            file: name.to_owned(),
            lock_path,
            lock,
            lang,
            evaluated,
            plan,
            diagnostics,
        })
    }

    /// The project's folder below that of the repository that holds it, with a `/` at its end: what code scanners call
    /// its files. Nothing where it is the repository's own, or no repository is known.
    pub(super) fn below_repository(&self) -> String {
        let repository = self.root.ancestors().find(|folder| folder.join(".git").exists());
        let below = repository.and_then(|repository| self.root.strip_prefix(repository).ok()?.to_str());
        below.filter(|below| !below.is_empty()).map(|below| format!("{below}/")).unwrap_or_default()
    }

    /// Whether anything found forbids to run.
    pub(super) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The derivation that a name means: `bookworm`, `t[bookworm]`, or `t` for every cell.
    pub(super) fn named(&self, name: &str) -> Vec<DerivationId> {
        let cells = format!("{name}[");
        let mut ids: Vec<DerivationId> = Vec::new();
        for named in &self.plan.names {
            if (named.name == name || named.name.starts_with(&cells)) && !ids.contains(&named.id) {
                ids.push(named.id);
            }
        }
        ids
    }

    /// The failure for a name that nothing has.
    pub(super) fn unknown(&self, name: &str) -> Failure {
        let known: BTreeSet<&str> = self
            .plan
            .names
            .iter()
            .map(|named| named.name.as_str())
            .chain(self.plan.comparisons.iter().map(|comparison| comparison.name.as_str()))
            .collect();
        let near = known
            .iter()
            .map(|known| (strsim::jaro_winkler(name, known), *known))
            .filter(|(near, _)| *near > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let failure =
            Failure::input(format!("`{}` has no assertion, build, environment or input `{name}`", self.file));
        match near {
            Some((_, near)) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help("`rbld plan` lists the names"),
        }
    }

    /// The names of derivations, for people.
    pub(super) fn names(&self) -> BTreeMap<DerivationId, String> {
        let mut names = BTreeMap::new();
        for named in &self.plan.names {
            names.entry(named.id).or_insert_with(|| named.name.clone());
        }
        for comparison in &self.plan.comparisons {
            if let Form::Fixpoint { stages, .. } = &comparison.form {
                self.name_stages(stages, &mut names);
            }
        }
        for (id, label) in &self.plan.labels {
            names.entry(*id).or_insert_with(|| label.clone());
        }
        let named: Vec<(DerivationId, String)> = names.iter().map(|(id, name)| (*id, name.clone())).collect();
        for (id, name) in named {
            if let Some(env) = self.staged_env(id) {
                names.entry(env).or_insert_with(|| format!("environment of {name}"));
            }
        }
        names
    }

    /// The environment of a build, if builds made some of its packages.
    fn staged_env(&self, build: DerivationId) -> Option<DerivationId> {
        let Some(Derivation::Build(build)) = self.plan.derivations.get(&build) else { return None };
        match self.plan.derivations.get(&build.env.derivation) {
            Some(Derivation::Environment(of)) if !of.replaced.is_empty() => Some(build.env.derivation),
            _ => None,
        }
    }

    /// Names what the stages of a chain are made of and isn't an item: `stage 2: hello`, and the environment that the
    /// builds of stage 2 run in.
    fn name_stages(&self, stages: &[Vec<Member>], names: &mut BTreeMap<DerivationId, String>) {
        for (number, stage) in stages.iter().enumerate() {
            for member in stage {
                let id = member.output.derivation;
                names.entry(id).or_insert_with(|| member.key.clone());
                if let Some(env) = self.staged_env(id) {
                    names.entry(env).or_insert_with(|| format!("environment of stage {number}"));
                }
            }
        }
    }

    /// The builds of the file, each once.
    pub(super) fn builds(&self) -> Vec<DerivationId> {
        let mut ids = Vec::new();
        for named in &self.plan.names {
            if named.kind == ItemKind::Build && !ids.contains(&named.id) {
                ids.push(named.id);
            }
        }
        ids
    }
}

/// Whether packages that the store lacks are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetching<'a> {
    /// They are, from these places of `--from` first.
    Yes(&'a [String]),
    /// Only from these places of `--from`.
    Offline(&'a [String]),
    /// The command only looks: it says what is missing.
    No,
}

impl<'a> Fetching<'a> {
    /// For a command that runs things.
    pub(super) fn unless(offline: bool, from: &'a [String]) -> Fetching<'a> {
        if offline { Fetching::Offline(from) } else { Fetching::Yes(from) }
    }

    /// For a command that only looks, unless it was told where.
    pub(super) fn only(from: &'a [String]) -> Fetching<'a> {
        if from.is_empty() { Fetching::No } else { Fetching::Offline(from) }
    }
}

/// The packages of the store that is meant.
pub(super) fn packages(store: Option<&Path>) -> Packages {
    Packages::new(super::context::store_root(store).ok())
}

/// Loads a file, and fetches packages until none is missing: what one requires is known once it is there.
pub(super) fn with_packages(
    name: &str,
    root: &Path,
    loader: &dyn rbld_lang::Loader,
    store: Option<&Path>,
    fetching: Fetching<'_>,
) -> Result<rbld_lang::Project> {
    let mut lang = rbld_lang::load(name, loader);
    let (Fetching::Yes(from) | Fetching::Offline(from)) = fetching else { return Ok(lang) };
    if lang.absent.is_empty() {
        return Ok(lang);
    }
    let config = Config::load(Some(root))?;
    let mirrors = Mirrors::from_machine(&config).from_vendored(from)?;
    let screen = Screen::on_stderr(false);
    let store = super::context::store(store)?;
    let offline = matches!(fetching, Fetching::Offline(_));
    let progress = screen.progress();
    let reach =
        packages::Reach { store: &store, project: root, mirrors: &mirrors, offline, progress: &progress };
    while !lang.absent.is_empty() {
        for absent in &lang.absent {
            packages::obtain(absent, &reach)?;
        }
        let before = std::mem::take(&mut lang.absent);
        lang = rbld_lang::load(name, loader);
        if lang.absent.iter().any(|absent| before.iter().any(|known| known.pinned.tree == absent.pinned.tree))
        {
            return Err(Failure::bug("a package that was fetched isn't in the store"));
        }
    }
    Ok(lang)
}

/// The members of a comparison.
pub(super) fn members(comparison: &Comparison) -> Vec<&Member> {
    match &comparison.form {
        Form::Identical { members, .. } | Form::Matches { members, .. } => members.iter().collect(),
        Form::Differ { a, b } => vec![a, b],
        Form::Fixpoint { stages, .. } => stages.iter().flatten().collect(),
        Form::Reproducible { outputs, .. } => outputs.iter().collect(),
        Form::Agreed { member, .. } => vec![member],
    }
}

/// The derivations that a comparison holds its members against.
pub(super) fn expected(comparison: &Comparison) -> Vec<DerivationId> {
    match &comparison.form {
        Form::Matches { expected, .. } => expected
            .iter()
            .filter_map(|expected| match expected {
                Expected::Output(output) => Some(output.derivation),
                _ => None,
            })
            .collect(),
        Form::Agreed { of, .. } => of.iter().flat_map(|witness| said(&witness.says)).collect(),
        _ => Vec::new(),
    }
}

/// The derivations that a witness says it by.
fn said(says: &Says) -> Vec<DerivationId> {
    let files: Vec<&InputRef> = match says {
        Says::Signed { sums, signature, keys, .. } => [sums, keys].into_iter().chain(signature).collect(),
        Says::Unsigned { sums, .. } => vec![sums],
        Says::Output(member) => vec![&member.output],
    };
    files.into_iter().map(|file| file.derivation).collect()
}

/// Reads a lock, if there is one.
pub(super) fn read_lock(path: &Path) -> Result<Option<Lock>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::input(format!("could not read `{}`: {error}", path.display()))),
    };
    match lock::parse(&text) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) => Err(Failure::input(format!("{}:{}: {}", path.display(), error.line, error.message))
            .help("take the lock from a commit where it was right, or delete it and run `rbld lock`")),
    }
}

/// Writes a lock whole or not at all.
pub(super) fn write_lock(path: &Path, lock: &Lock) -> Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    let doing = || format!("write `{}`", path.display());
    let mut file = tempfile::Builder::new().prefix(".rbld.lock.").tempfile_in(folder).doing(doing)?;
    file.write_all(lock::print(lock).as_bytes()).doing(doing)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).doing(doing)?;
    file.as_file().sync_all().doing(doing)?;
    file.persist(path).map_err(|error| error.error).doing(doing)?;
    Ok(())
}

/// The tree digests of environments, for the lock.
pub(super) fn environment_requests(plan: &Plan) -> Vec<(DerivationId, rbld_lang::digest::Digest)> {
    let request = |(id, derivation): (&DerivationId, &Derivation)| match derivation {
        // What a lock's packages alone come to is written into it.
        Derivation::Environment(environment) if environment.replaced.is_empty() => {
            Some((*id, environment.request))
        }
        Derivation::Guix(guix) => Some((*id, guix.request)),
        _ => None,
    };
    plan.derivations.iter().filter_map(request).collect()
}
