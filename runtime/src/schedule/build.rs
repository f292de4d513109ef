//! One build: its folders laid out, its recipe run in the sandbox, its outputs taken.
//! Knows nothing of the graph. A failed build leaves a log and nothing else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rbld_lang::derivation::{Build, DerivationId, OutputSpec};
use rbld_lang::digest::Digest;
use rbld_lang::vary::Axis;

use super::key::{KeyAction, Resolved, arguments, input_path, variables, working_directory};
use super::node::{self, Inputs, World, emulator_path, interrupted};
use super::{How, locale};
use crate::executor::{
    Collected, Entry, Exit, Finished, Isolation, Mount, Request, Root, User, collect_file, collect_files,
};
use crate::failure::{Doing, Failure, Kind, Result};
use crate::progress::{Step, Task};
use crate::report::printable;
use crate::store::{Batch, Object, Realisation, tree};
use crate::vary::{self, Surroundings, Variant};

/// Finds a build's result under a variant, or runs it and records what it leaves: a repeat costs nothing.
pub fn vary(
    world: &World,
    id: DerivationId,
    build: &Build,
    inputs: &Inputs,
    variant: &Variant,
    force: bool,
) -> Result<(Realisation, How)> {
    let resolved = Resolved { variant: variant.clone(), ..node::resolve(&world.store, build, inputs)? };
    let action = resolved.action(&node::env_root(world, build, inputs)?)?;
    let _lock = world.store.lock_key(action.key)?;
    if !force && let Some(realisation) = world.store.realisation(action.key)? {
        return Ok((realisation, How::Cached));
    }
    if world.cancel.is_set() {
        return Err(interrupted(world));
    }
    Ok((run(world, id, &resolved, action, &|| ())?, How::Made))
}

/// What a run is recorded and logged under: a variant has its key in place of the derivation's id, which is the
/// plain build's.
pub fn recorded_as(id: DerivationId, key: Digest, variant: &Variant) -> DerivationId {
    if variant.is_plain() { id } else { DerivationId(key) }
}

/// Runs a build and records what it leaves. `ran` is called once its program has ended and its outputs are taken:
/// what is left then waits for the disk, not for a core.
pub fn run(
    world: &World,
    id: DerivationId,
    resolved: &Resolved<'_>,
    action: KeyAction,
    ran: &dyn Fn(),
) -> Result<Realisation> {
    let build = resolved.build;
    let variant = &resolved.variant;
    let name = match variant.words() {
        words if words.is_empty() => world.name(id),
        words => format!("{} {words}", world.name(id)),
    };
    let id = recorded_as(id, action.key, variant);
    let folder = Surroundings::of(variant).folder;
    let root = world.store.ready(resolved.env.digest())?;
    super::image::check_shell(&root, &arguments(build)[0], &name)?;
    let emulator = match &build.emulator {
        Some(emulator) => Some(emulator_path(world, emulator, build.arch)?),
        None => None,
    };
    let (mut mounts, copies) = places(world, resolved, folder)?;
    let mut env = variables(build, &resolved.env_vars, folder);
    let declared = |name: &str| build.vars.get(name).is_some() || resolved.env_vars.contains_key(name);
    vary::variables(&mut env, variant, world.cores, &declared);
    if variant.varies(Axis::Path)
        && let Some(other) = env.get("PATH").and_then(|path| vary::reversed(&root, path))
    {
        env.insert("PATH".to_owned(), other);
    }
    let scratch = world.store.scratch("build")?;
    let mut language = None;
    if variant.varies(Axis::Locale) {
        let within = (&*root, build.arch, emulator.as_deref());
        language = Some(locale::add(world, within, &mut env, &mut mounts, scratch.path())?);
    }
    let task = world.progress.begin(Step::Build, &name);
    let log_path = world.store.log_path(id);
    let mut log = Log::create(&log_path, &task)?;
    let finished = world.executor.run(Request {
        root: Root::Overlay { lower: &root },
        scratch: scratch.path(),
        arch: build.arch,
        emulator: emulator.as_deref(),
        mounts,
        copies,
        argv: arguments(build),
        env,
        cwd: working_directory(build, folder),
        user: User::Build,
        variant,
        timeout: Some(Duration::from_secs(build.timeout)),
        log: &mut |bytes| log.write(bytes),
        cancel: &world.cancel,
    })?;
    log.close()?;
    let outcome = judge(world, &name, resolved, &finished, &log_path)
        .and_then(|()| collect(world, resolved, &finished, &action, &name));
    match outcome {
        Ok((batch, mut realisation)) => {
            realisation.facts.extend(language.map(|name| ("locale".to_owned(), name.to_owned())));
            scratch.sweep();
            ran();
            batch.commit(&[(id, realisation.clone())])?;
            task.done(format!("{:.1} s", finished.wall.as_secs_f64()));
            Ok(realisation)
        }
        Err(failure) if world.keep_failed => {
            let kept = keep(world, id, &finished.upper, folder)?;
            Err(failure.fact(format!("its folder is kept: {}", kept.display())))
        }
        Err(failure) => Err(failure),
    }
}

fn places(world: &World, resolved: &Resolved<'_>, folder: &str) -> Result<(Vec<Mount>, Vec<Mount>)> {
    let (mut mounts, mut copies) = (Vec::new(), Vec::new());
    for (name, object) in &resolved.inputs {
        let mount = Mount { from: ready(world, object)?, at: input_path(resolved.build, name, folder) };
        if resolved.build.workdir.as_deref() == Some(name.as_str()) {
            copies.push(mount);
        } else {
            mounts.push(mount);
        }
    }
    Ok((mounts, copies))
}

fn ready(world: &World, object: &Object) -> Result<PathBuf> {
    match object {
        Object::Tree { digest, .. } => world.store.ready(*digest),
        Object::File { .. } => world.store.ready_file(object),
    }
}

/// Says whether the command did what it should; a failure shows the end of its log.
fn judge(world: &World, name: &str, resolved: &Resolved<'_>, finished: &Finished, log: &Path) -> Result<()> {
    let whole = || match resolved.variant.is_plain() {
        true => format!("`rbld log {name}`"),
        false => log.display().to_string(),
    };
    let message = match finished.exit {
        Exit::Code(0) => return Ok(()),
        Exit::Cancelled => return Err(interrupted(world)),
        Exit::Code(code) => format!("build `{name}` failed: its script exited with {code}"),
        Exit::Signal(signal) => format!("build `{name}` failed: its script was killed by signal {signal}"),
        Exit::Timeout => {
            return Err(Failure::build(format!(
                "build `{name}` was stopped: it ran longer than its timeout of {}",
                duration(resolved.build.timeout)
            ))
            .fact(tail(log))
            .help(format!("give the recipe a longer `timeout`, or see where it hangs: {}", whole())));
        }
    };
    let end = tail(log);
    let help = if NETWORK_WORDS.iter().any(|words| end.contains(words)) {
        "no recipe has network: name what it needs as an input, with `fetch.url` or `fetch.git`".to_owned()
    } else {
        format!("the whole log: {}", whole())
    };
    Err(Failure::build(message).fact(end).help(help))
}

/// What programs say when they looked for a network.
const NETWORK_WORDS: [&str; 5] = [
    "Could not resolve host",
    "Network is unreachable",
    "Temporary failure in name resolution",
    "Temporary failure resolving",
    "unable to resolve host address",
];

/// A number of seconds as a person writes it.
pub fn duration(seconds: u64) -> String {
    match seconds {
        s if s >= 3600 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s >= 60 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// The last lines of a log, safe to print.
pub fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    const BYTES: u64 = 16 << 10;
    let text = (|| -> std::io::Result<String> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })()
    .unwrap_or_default();
    let lines: Vec<String> = text.lines().map(printable).collect();
    let from = lines.len().saturating_sub(LINES);
    if lines.is_empty() { "(it printed nothing)".to_owned() } else { lines[from..].join("\n") }
}

/// Takes the outputs into a batch that is still to be committed.
fn collect(
    world: &World,
    resolved: &Resolved<'_>,
    finished: &Finished,
    action: &KeyAction,
    name: &str,
) -> Result<(Batch, Realisation)> {
    let batch = world.store.batch()?;
    let mut taken = BTreeMap::new();
    let mut wrong: Vec<Failure> = Vec::new();
    let (build, variant) = (resolved.build, &resolved.variant);
    let start = working_directory(build, Surroundings::of(variant).folder);
    for (output, spec) in build.outputs.iter() {
        let object = match &**spec {
            OutputSpec::File(path) => take_file(&batch, &finished.upper, &format!("{start}/{path}")),
            OutputSpec::Files(pattern) => take_files(&batch, &finished.upper, &start, pattern),
        };
        match object {
            Ok(object) => drop(taken.insert(output.to_string(), object)),
            Err(failure) if failure.kind == Kind::Build => wrong.push(failure),
            Err(failure) => return Err(failure),
        }
    }
    if !wrong.is_empty() {
        let mut failure =
            Failure::build(format!("build `{name}` succeeded but didn't leave what it declares"));
        for wrong in wrong {
            failure = failure.fact(wrong.message);
            failure.facts.extend(wrong.facts);
        }
        return Err(failure.fact(listing(&finished.upper, &start)).help(format!(
            "make the script write it there, or correct the path in `outputs`; the log: `rbld log {name}`"
        )));
    }
    for message in &action.messages {
        batch.bytes(message)?;
    }
    let mut facts = BTreeMap::from([
        ("isolation".to_owned(), isolation(&finished.isolation)),
        ("seconds".to_owned(), format!("{:.1}", finished.wall.as_secs_f64())),
    ]);
    if let Some(emulator) = &build.emulator {
        facts
            .insert("emulated".to_owned(), format!("{} {}", emulator.package.name, emulator.package.version));
    }
    for (fact, value) in variant.salt() {
        facts.insert(fact.to_owned(), value);
    }
    Ok((batch, Realisation { key: action.key, outputs: taken, facts }))
}

/// Moves what a failed build wrote out of the scratch folder.
fn keep(world: &World, id: DerivationId, upper: &Path, folder: &str) -> Result<PathBuf> {
    let kept = world.store.root().join("kept");
    let to = kept.join(id.0.short());
    let doing = || format!("keep the build's folder as {}", to.display());
    std::fs::create_dir_all(&kept).doing(doing)?;
    if to.exists() {
        std::fs::remove_dir_all(&to).doing(doing)?;
    }
    std::fs::rename(upper, &to).doing(doing)?;
    Ok(to.join(folder.trim_start_matches('/')))
}

/// The isolation a build had, for its facts.
fn isolation(isolation: &Isolation) -> String {
    if isolation.missing.is_empty() {
        return "full".to_owned();
    }
    let missing: Vec<&str> = isolation.missing.iter().map(|feature| feature.name()).collect();
    format!("without {}", missing.join(", "))
}

/// Puts a declared file into the store.
fn take_file(batch: &Batch, upper: &Path, path: &str) -> Result<Object> {
    let collected = collect_file(upper, path)?;
    match store_entry(batch, collected)? {
        tree::Node::File { digest, size, executable } => Ok(Object::File { digest, size, executable }),
        _ => Err(Failure::bug(format!("output `{path}` was taken for a file"))),
    }
}

/// Puts what a pattern matches into the store.
fn take_files(batch: &Batch, upper: &Path, start: &str, pattern: &str) -> Result<Object> {
    let found = collect_files(upper, start, pattern)?;
    if found.is_empty() {
        return Err(Failure::build(format!("nothing matches `{pattern}` in {start}")));
    }
    let mut folder = tree::Folder::default();
    for collected in found {
        let path = collected.path.clone();
        if let Entry::Link { target } = &collected.entry
            && !stays_inside(&path, target)
        {
            return Err(Failure::build(format!(
                "`{path}` is a link that leads out of the output, to `{target}`"
            ))
            .fact("an output's links must stay inside it"));
        }
        let node = store_entry(batch, collected)?;
        if !matches!((&node, folder.get(&path)), (tree::Node::Folder(_), Some(_))) {
            folder.insert(&path, node)?;
        }
    }
    tree::write(batch, &folder)
}

fn store_entry(batch: &Batch, collected: Collected) -> Result<tree::Node> {
    match collected.entry {
        Entry::File { mut file, executable, .. } => {
            let mut writer = batch.writer()?;
            std::io::copy(&mut file, &mut writer)
                .doing(|| format!("put `{}` into the store", collected.path))?;
            let blob = writer.finish(executable)?;
            Ok(tree::Node::File { digest: blob.digest, size: blob.size, executable })
        }
        Entry::Link { target } => Ok(tree::Node::Link { target }),
        Entry::Folder => Ok(tree::Node::Folder(tree::Folder::default())),
    }
}

/// Whether a link at `path` with this text leads to somewhere below the folder that `path` is relative to.
fn stays_inside(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return false;
    }
    let mut depth = path.split('/').count() - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

/// What is where the outputs should be, in a line.
fn listing(upper: &Path, start: &str) -> String {
    const MOST: usize = 12;
    let names = collect_files(upper, start, "*").unwrap_or_default();
    let mut names: Vec<String> = names.iter().map(|found| printable(&found.path)).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    match (names.is_empty(), more) {
        (true, _) => format!("there are no files in {start}"),
        (false, 0) => format!("there is in {start}: {}", names.join(" ")),
        (false, more) => format!("there is in {start}: {} and {more} more", names.join(" ")),
    }
}

/// A build's log: to a file, and line by line to whoever looks.
struct Log<'t> {
    file: BufWriter<File>,
    task: &'t Task,
    line: Vec<u8>,
    failed: Option<std::io::Error>,
    path: PathBuf,
}

impl<'t> Log<'t> {
    fn create(path: &Path, task: &'t Task) -> Result<Log<'t>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
        }
        let file = File::create(path).doing(|| format!("write the log {}", path.display()))?;
        Ok(Log { file: BufWriter::new(file), task, line: Vec::new(), failed: None, path: path.to_owned() })
    }

    fn write(&mut self, bytes: &[u8]) {
        const LONGEST: usize = 4096;
        if self.failed.is_none()
            && let Err(error) = self.file.write_all(bytes)
        {
            self.failed = Some(error);
        }
        for byte in bytes {
            if *byte == b'\n' || self.line.len() >= LONGEST {
                self.task.line(&printable(&String::from_utf8_lossy(&self.line)));
                self.line.clear();
            } else {
                self.line.push(*byte);
            }
        }
    }

    fn close(mut self) -> Result<()> {
        let flushed = self.file.flush();
        match self.failed {
            Some(error) => Err(error),
            None => flushed,
        }
        .doing(|| format!("write the log {}", self.path.display()))
    }
}
