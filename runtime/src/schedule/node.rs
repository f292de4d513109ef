//! One node: finding its result by its key, or making it. Knows nothing of other nodes
//! but the objects that its inputs turned out to be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message;
use rbld_lang::derivation::{
    Arch, ArchiveId, Build, Derivation, DerivationId, Emulator, Environment, Fetch, Guix, GuixItem, InputRef,
    Package, PoolFile,
};
use rbld_lang::digest::{Digest, Hasher, Manifest};

use super::key::{FIXED_VARIABLES, KeyAction, Resolved, environment_key, guix_key};
use super::{How, build, image};
use crate::environment;
use crate::executor::{Cancel, Executor};
use crate::failure::{Doing, Failure, Kind, Result};
use crate::fetch::http::{Expected, Http, Sink};
use crate::fetch::mirrors::Mirrors;
use crate::fetch::vendored::{self, Found};
use crate::fetch::{git, guix, local, unpack};
use crate::packages;
use crate::progress::{Progress, Step};
use crate::store::tree::Folder;
use crate::store::{Batch, Blob, BlobWriter, Object, Realisation, Store, tree};
use crate::vary::Variant;

/// What realising needs of the world; one for a run.
pub struct World {
    /// Where results are.
    pub store: Store,
    /// What runs builds.
    pub executor: Box<dyn Executor>,
    /// The network: set up by the first thing that needs it, since most runs need none.
    pub http: Arc<Mutex<Option<Http>>>,
    /// Where a distribution's files may be had.
    pub mirrors: Mirrors,
    /// The project's folder.
    pub project: PathBuf,
    /// What a person sees.
    pub progress: Progress,
    /// Set when the run is to stop.
    pub cancel: Cancel,
    /// Which signal that was.
    pub signal: Arc<AtomicI32>,
    /// Whether the network may be used.
    pub offline: bool,
    /// Whether a failed build's folder is kept.
    pub keep_failed: bool,
    /// The parallelism offered to a build; in no key.
    pub cores: usize,
    /// The names a person knows derivations by.
    pub names: BTreeMap<DerivationId, String>,
}

impl World {
    /// The client for everything that is fetched.
    pub fn http(&self) -> Result<Http> {
        // A thread that panicked while it held the lock has at worst left no client behind.
        let mut http = self.http.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*http {
            Some(http) => Ok(http.clone()),
            None => Ok(http.insert(Http::new(self.offline)?).clone()),
        }
    }

    /// What a person calls a derivation.
    pub fn name(&self, id: DerivationId) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| id.0.short())
    }
}

/// The realisations of what a node needs.
#[derive(Clone, Debug, Default)]
pub struct Inputs(BTreeMap<DerivationId, Realisation>);

impl Inputs {
    /// From pairs.
    pub fn of(realisations: impl IntoIterator<Item = (DerivationId, Realisation)>) -> Inputs {
        Inputs(realisations.into_iter().collect())
    }

    /// The object that a reference means.
    pub fn object(&self, input: &InputRef) -> Result<Object> {
        self.0
            .get(&input.derivation)
            .and_then(|realisation| realisation.outputs.get(&*input.output))
            .cloned()
            .ok_or_else(|| {
                Failure::bug(format!("output `{}` of {:?} isn't realised", input.output, input.derivation))
            })
    }
}

impl Inputs {
    /// The key under which a reference's object was found.
    pub(super) fn key(&self, input: &InputRef) -> Result<Digest> {
        let known = self.0.get(&input.derivation).map(|realisation| realisation.key);
        known.ok_or_else(|| Failure::bug(format!("{:?} isn't realised", input.derivation)))
    }

    /// The variables that an environment brings along; none while it isn't realised.
    pub(super) fn variables(&self, store: &Store, env: &InputRef) -> Result<BTreeMap<String, String>> {
        match self.0.get(&env.derivation) {
            Some(realisation) => environment::variables::of(store, realisation),
            None => Ok(BTreeMap::new()),
        }
    }
}

/// The derivation's key, and the messages that make it where it is an action.
pub fn key(world: &World, id: DerivationId, derivation: &Derivation, inputs: &Inputs) -> Result<KeyAction> {
    match derivation {
        Derivation::Build(build) => {
            resolve(&world.store, build, inputs)?.action(&env_root(world, build, inputs)?)
        }
        Derivation::Environment(environment) if environment.replaced.is_empty() => {
            environment_key(environment)
        }
        Derivation::Environment(environment) => {
            environment_key(&staged(world, environment, inputs)?.environment)
        }
        Derivation::Guix(guix) => {
            let (base, beneath) = beneath(&world.store, guix, inputs)?;
            Ok(guix_key(guix, base.as_ref(), &beneath))
        }
        Derivation::Fetch(Fetch::Unpack { from, strip }) => {
            let mut hasher = Hasher::new("rbld-unpack-1");
            hasher.field("from", inputs.object(from)?.digest().as_bytes());
            hasher.field("strip", strip.to_string().as_bytes());
            Ok(plain_key(hasher.finish()))
        }
        Derivation::ImageRoot(root) => Ok(plain_key(image::root_key(id, root, inputs)?)),
        Derivation::Image(of) => Ok(plain_key(image::image_key(world, of, inputs)?)),
        Derivation::ImageIndex(index) => Ok(plain_key(image::index_key(index, inputs)?)),
        // What is fetched is fixed by its own facts, so its id is its key.
        Derivation::Fetch(_) => Ok(plain_key(id.0)),
    }
}

/// An environment with what builds made in its place.
pub fn staged(world: &World, environment: &Environment, inputs: &Inputs) -> Result<environment::Staged> {
    let given = |input: &InputRef| Ok((world.name(input.derivation), inputs.object(input)?));
    environment::stage(environment, &given, &world.store)
}

/// A key that is no action's.
fn plain_key(key: Digest) -> KeyAction {
    KeyAction { key, messages: Vec::new() }
}

/// A build with its inputs' objects in place of their references.
pub fn resolve<'a>(store: &Store, build: &'a Build, inputs: &Inputs) -> Result<Resolved<'a>> {
    let mut objects = BTreeMap::new();
    for (name, input) in build.inputs.iter() {
        objects.insert(name.to_string(), inputs.object(input)?);
    }
    let env_vars = inputs.variables(store, &build.env)?;
    Ok(Resolved {
        build,
        env: inputs.object(&build.env)?,
        env_vars,
        inputs: objects,
        variant: Variant::default(),
    })
}

/// Stands for an object that isn't known yet.
pub const UNKNOWN: Digest = Digest::from_bytes([0; 32]);

/// A build with those of its inputs' objects that are known, [`UNKNOWN`] in place of the others.
pub fn resolve_known<'a>(store: &Store, build: &'a Build, inputs: &Inputs) -> Result<Resolved<'a>> {
    let object = |input: &InputRef| inputs.object(input).unwrap_or(Object::Tree { digest: UNKNOWN, size: 0 });
    let objects = build.inputs.iter().map(|(name, input)| (name.to_string(), object(input))).collect();
    let env_vars = inputs.variables(store, &build.env)?;
    Ok(Resolved { build, env: object(&build.env), env_vars, inputs: objects, variant: Variant::default() })
}

pub(super) fn env_root(world: &World, build: &Build, inputs: &Inputs) -> Result<reapi::Directory> {
    const LIMIT: u64 = 16 << 20;
    let bytes = world.store.read_blob(inputs.object(&build.env)?.digest(), LIMIT)?;
    reapi::Directory::decode(bytes.as_slice()).map_err(|error| {
        Failure::world(format!("the root of an environment in the store is damaged: {error}"))
            .help("run `rbld store repair`, then check again")
    })
}

/// The node's result, where the store has it.
pub fn find(
    world: &World,
    id: DerivationId,
    derivation: &Derivation,
    inputs: &Inputs,
) -> Result<Option<Realisation>> {
    match (key(world, id, derivation, inputs), derivation) {
        (Ok(action), _) => world.store.realisation(action.key),
        // What builds made doesn't fit into an environment: that is told when it is to be made.
        (Err(failure), Derivation::Environment(_)) if failure.kind == Kind::Build => Ok(None),
        (Err(failure), _) => Err(failure),
    }
}

/// Finds or makes the node's result. `ran` is called when a build needs no core any more.
pub fn realise(
    world: &World,
    id: DerivationId,
    derivation: &Derivation,
    inputs: &Inputs,
    force: bool,
    ran: &dyn Fn(),
) -> Result<(Realisation, How)> {
    let action = key(world, id, derivation, inputs)?;
    // Another process may be making the same: wait for it, then look again.
    let _lock = world.store.lock_key(action.key)?;
    if !force && let Some(realisation) = world.store.realisation(action.key)? {
        world.store.record(id, action.key)?;
        return Ok((realisation, How::Cached));
    }
    if world.cancel.is_set() {
        return Err(interrupted(world));
    }
    let realisation = match derivation {
        Derivation::Fetch(what) => fetched(world, id, what, inputs, action.key)?,
        Derivation::Environment(environment) => environed(world, id, environment, inputs, action.key)?,
        Derivation::Guix(guix) => profiled(world, id, guix, inputs, action.key)?,
        Derivation::Build(build) => {
            build::run(world, id, &resolve(&world.store, build, inputs)?, action, ran)?
        }
        Derivation::ImageRoot(root) => image::root(world, id, root, inputs, action.key)?,
        Derivation::Image(of) => image::image(world, id, of, inputs, action.key)?,
        Derivation::ImageIndex(index) => image::index(world, id, index, inputs, action.key)?,
    };
    Ok((realisation, How::Made))
}

/// The failure of a run that was stopped.
pub fn interrupted(world: &World) -> Failure {
    let signal = world.signal.load(Ordering::SeqCst);
    Failure::new(Kind::Interrupted(signal), "stopped; what was finished is in the store")
}

fn fetched(
    world: &World,
    id: DerivationId,
    what: &Fetch,
    inputs: &Inputs,
    key: Digest,
) -> Result<Realisation> {
    let batch = world.store.batch()?;
    let mut proofs = Vec::new();
    let object = match what {
        Fetch::Url { urls, digest, .. } => {
            let urls: Vec<String> = urls.iter().flat_map(|url| world.mirrors.expand(url)).collect();
            let blob = download(world, &world.name(id), &urls, *digest, None, &batch)?;
            Object::File { digest: blob.digest, size: blob.size, executable: false }
        }
        Fetch::Git { url, commit, reference, submodules } => {
            let task = world.progress.begin(Step::Fetch, &world.name(id));
            let what =
                git::Commit { url, id: commit, reference: reference.as_deref(), submodules: *submodules };
            let access = git::Access {
                offline: world.offline,
                stopped: &|| world.cancel.is_set(),
                mirrors: &world.mirrors,
                limits: git::Limits::default(),
            };
            let (object, found) = git::git(&batch, &world.project, &what, access, &task)?;
            proofs = found;
            task.done("");
            object
        }
        Fetch::Local { path, package: Some(tree), digest, .. } => {
            packages::take(&batch, *tree, path, *digest)?
        }
        Fetch::Local { path, digest, folder, executable, package: None } => {
            let expected = local::Found { digest: *digest, folder: *folder, executable: *executable };
            let (object, dropped) = local::take(&batch, &world.project, path, &expected)?;
            for sentence in dropped.sentences() {
                world.progress.say(&format!("`./{path}`: {sentence}"));
            }
            object
        }
        Fetch::Pool { archive, files, .. } => {
            let mut folder = tree::Folder::default();
            for file in files {
                let blob = pool_file(world, archive, file, &batch)?;
                let node = tree::Node::File { digest: blob.digest, size: blob.size, executable: false };
                folder.insert(&file.name, node)?;
            }
            tree::write(&batch, &folder)?
        }
        Fetch::Unpack { from, strip } => {
            let object = inputs.object(from)?;
            let task = world.progress.begin(Step::Unpack, &world.name(id));
            let object =
                unpack::unpack(&world.store, &batch, &object, *strip, &unpack::Limits::default(), &task)?;
            task.done("");
            object
        }
    };
    let realisation =
        Realisation { key, outputs: BTreeMap::from([("out".to_owned(), object)]), facts: BTreeMap::new() };
    proofs.push((id, realisation.clone()));
    batch.commit(&proofs)?;
    Ok(realisation)
}

/// A file of a distribution's pool, from the store or the first mirror that has it.
pub fn pool_file(world: &World, archive: &ArchiveId, file: &PoolFile, batch: &Batch) -> Result<Blob> {
    let urls = world.mirrors.urls(file.origin.as_ref().unwrap_or(archive), &file.path);
    download(world, &file.name, &urls, file.digest, Some(file.size), batch)
}

/// A binary package, from the store or the first mirror that has it.
pub fn package_file(world: &World, archive: &ArchiveId, package: &Package, batch: &Batch) -> Result<Blob> {
    let file = PoolFile {
        name: package.path.rsplit('/').next().unwrap_or(&package.name).to_owned(),
        digest: package.digest,
        size: package.size,
        path: package.path.clone(),
        origin: package.origin.clone(),
    };
    pool_file(world, archive, &file, batch)
}

/// A file that is known by its digest: of the store, of a vendored folder, or of one of these places.
pub fn download(
    world: &World,
    name: &str,
    urls: &[String],
    digest: Digest,
    size: Option<u64>,
    batch: &Batch,
) -> Result<Blob> {
    if world.store.has_blob(digest)? {
        let path = world.store.blob_path(digest);
        let size = std::fs::metadata(&path).doing(|| format!("read {}", path.display()))?;
        return Ok(Blob { digest, size: size.len() });
    }
    let vendored = world.mirrors.vendored();
    if world.offline && vendored.is_empty() {
        return Err(offline(name));
    }
    let task = world.progress.begin(Step::Fetch, name);
    if let Some(size) = size {
        task.expect(size);
    }
    let mut sink = ToStore { batch, writer: batch.writer()? };
    let expect = Expected { digest, size };
    if let Found::Nowhere(odd) = vendored.take(expect, &mut sink, Some(&task))? {
        if world.offline && odd.is_empty() {
            let hex = digest.to_hex();
            return Err(offline(name)
                .fact(format!("no folder of `--from` has objects/{}/{}/{hex} either", &hex[..2], &hex[2..4]))
                .help("write the folder again by `rbld vendor`, for this file as it is now"));
        }
        if world.offline {
            return Err(vendored::damaged(odd).fact(format!("it is `{name}`")));
        }
        // Damaged or not, any place is as good as another for what is known by digest.
        for odd in vendored.news(odd) {
            world
                .progress
                .say(&format!("fetched, since it can't be taken from where it was vendored: {odd}"));
        }
        world.http()?.fetch(urls, expect, &mut sink, Some(&task))?;
    }
    let blob = sink.writer.finish(false)?;
    task.done("");
    Ok(blob)
}

/// Lets fetched bytes go straight into the store.
struct ToStore<'b> {
    batch: &'b Batch,
    writer: BlobWriter,
}

impl Sink for ToStore<'_> {
    fn restart(&mut self) -> Result<()> {
        self.writer = self.batch.writer()?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        use std::io::Write;
        self.writer.write_all(bytes).doing(|| "write what was fetched into the store")
    }
}

fn offline(name: &str) -> Failure {
    Failure::world(format!("`{name}` isn't in the store, and `--offline` forbids to fetch it"))
        .help("run the same command once without `--offline`")
}

fn environed(
    world: &World,
    id: DerivationId,
    environment: &Environment,
    inputs: &Inputs,
    key: Digest,
) -> Result<Realisation> {
    let staged = staged(world, environment, inputs)?;
    with_tools(world, &world.name(id), |tools| environment::realise_stage(&staged, id, key, tools))
}

/// What an environment of Guix is laid over, and the variables there: `PATH` as every build has it, else what the
/// environment below brings along.
fn beneath(
    store: &Store,
    guix: &Guix,
    inputs: &Inputs,
) -> Result<(Option<Object>, BTreeMap<String, String>)> {
    let Some(base) = &guix.base else { return Ok((None, BTreeMap::new())) };
    let path = FIXED_VARIABLES.iter().filter(|(name, _)| *name == "PATH");
    let mut variables: BTreeMap<String, String> =
        path.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.extend(inputs.variables(store, base)?);
    Ok((Some(inputs.object(base)?), variables))
}

fn profiled(
    world: &World,
    id: DerivationId,
    guix: &Guix,
    inputs: &Inputs,
    key: Digest,
) -> Result<Realisation> {
    let name = world.name(id);
    let (base, beneath) = beneath(&world.store, guix, inputs)?;
    let closure = substitutes(world, &guix.items, &name)?;
    environment::guix::realise(
        guix,
        key,
        closure,
        environment::guix::Setting {
            store: &world.store,
            progress: &world.progress,
            name: &name,
            base: base.as_ref(),
            beneath: &beneath,
        },
    )
}

/// What `/gnu/store` holds with these items: those that the store doesn't have are fetched.
pub fn substitutes(world: &World, items: &[GuixItem], name: &str) -> Result<Folder> {
    let items = items.iter().map(guix::resolve::known).collect::<Result<Vec<_>>>()?;
    let servers = guix::Servers::new(&world.mirrors.guix());
    let http = world.http()?;
    let tools = guix::realise::Tools {
        store: &world.store,
        servers: &servers,
        vendored: world.mirrors.vendored(),
        http: &http,
        progress: &world.progress,
    };
    guix::realise::closure(&items, name, tools)
}

/// The static qemu-user of a locked package, ready to be registered in a sandbox.
pub fn emulator_path(world: &World, emulator: &Emulator, arch: Arch) -> Result<PathBuf> {
    with_tools(world, &emulator.package.name, |tools| environment::emulator(emulator, arch.machine(), tools))
}

fn with_tools<T>(
    world: &World,
    name: &str,
    work: impl FnOnce(environment::Tools<'_>) -> Result<T>,
) -> Result<T> {
    let fetch = |archive: &ArchiveId, package: &Package| {
        if !world.store.has_blob(package.digest)? {
            let batch = world.store.batch()?;
            package_file(world, archive, package, &batch)?;
            batch.commit(&[])?;
        }
        Ok(world.store.blob_path(package.digest))
    };
    work(environment::Tools {
        store: &world.store,
        executor: world.executor.as_ref(),
        fetch: &fetch,
        progress: &world.progress,
        cancel: &world.cancel,
        name,
    })
}
