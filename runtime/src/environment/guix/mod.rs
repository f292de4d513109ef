//! Environments of Guix: locked store items at `/gnu/store`, a profile that unites some of them, and the variables by
//! which programs find it; over another environment's tree, whose folders are shared, or alone.
//!
//! Nothing is run, so nothing depends on the machine. Where items come from is [`crate::fetch::guix`]'s matter; which
//! ones there are is the lock's. The rules are written down in `spec/09-environments.md`.

mod items;
mod profile;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Instant;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message as _;
use rbld_lang::derivation::guix::PROFILE_RULES;
use rbld_lang::derivation::{Derivation, Guix};
use rbld_lang::digest::Digest;

use self::items::{Found, Items, Place};
use self::profile::Profile;
use super::variables;
use crate::failure::{Failure, Kind, Result};
use crate::progress::{Progress, Step};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Object, Realisation, Store};

pub use profile::PROFILE;

/// The folder of the root that store and profile are in.
const GNU: &str = "gnu";

/// The output that is this folder alone: the same over any base.
pub const GNU_OUTPUT: &str = "gnu";

/// How many conflicts are told.
const CONFLICTS: usize = 20;

/// The greatest message of a root folder, in bytes.
const MESSAGE: u64 = 16 << 20;

/// The files that a root has when it isn't a distribution's.
const FILES: [(&str, &str); 6] = [
    ("etc/group", "root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n"),
    ("etc/hostname", "localhost\n"),
    ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000::/build:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("etc/resolv.conf", ""),
    ("etc/services", "domain\t53/tcp\ndomain\t53/udp\nhttp\t80/tcp\nhttps\t443/tcp\nssh\t22/tcp\n"),
];

/// The folders that a root has when it isn't a distribution's.
const FOLDERS: [&str; 10] =
    ["build", "dev", "inputs", "proc", "root", "run", "sys", "tmp", "usr/bin", "var/tmp"];

/// Links of such a root, and the command of the profile, or else of any item, that each leads to.
const COMMANDS: [(&str, &[&str]); 3] =
    [("bin/sh", &["sh", "bash"]), ("bin/bash", &["bash"]), ("usr/bin/env", &["env"])];

/// What an environment is made with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Where trees are kept.
    pub store: &'a Store,
    /// Who is told how it goes.
    pub progress: &'a Progress,
    /// What a person calls what is made.
    pub name: &'a str,
    /// The tree that it is laid over.
    pub base: Option<&'a Object>,
    /// The variables that a build there would start with, of those that may be in need of a longer value.
    pub beneath: &'a BTreeMap<String, String>,
}

/// Makes the tree of an environment and records it under its key. `closure` is what `/gnu/store` holds. Output `out` is
/// the root, `gnu` its folder `/gnu`, `vars` the variables; the facts say `items`, `conflicts` and `seconds`.
pub fn realise(guix: &Guix, key: Digest, closure: Folder, setting: Setting<'_>) -> Result<Realisation> {
    if guix.rules != PROFILE_RULES {
        return Err(Failure::input(format!(
            "the environment's profile was locked under rules {}",
            guix.rules
        ))
        .fact(format!("this rbld makes profiles by rules {PROFILE_RULES}"))
        .help("run `rbld lock`, or the rbld that locked it"));
    }
    let begun = Instant::now();
    let task = setting.progress.begin(Step::Configure, setting.name);
    let made = {
        let items = Items(&closure);
        let names: Vec<&str> = guix.profile.iter().filter_map(|path| path.rsplit('/').next()).collect();
        let profile = profile::unite(&items, &names)?;
        let vars = profile::variables(&items, &profile.folder, &guix.search_paths, setting.beneath)?;
        let root = match setting.base {
            Some(_) => None,
            None => Some(alone(&items, &profile)?),
        };
        Made { profile, vars, root }
    };
    for conflict in made.profile.conflicts.iter().take(CONFLICTS) {
        setting.progress.say(&format!("{}: in the profile, {conflict}", setting.name));
    }
    if let Some(more) = made.profile.conflicts.len().checked_sub(CONFLICTS).filter(|more| *more > 0) {
        setting.progress.say(&format!("{}: in the profile, {more} more such files", setting.name));
    }
    let batch = setting.store.batch()?;
    let realisation = record(guix, key, closure, made, setting, &batch, begun)?;
    let id = Derivation::Guix(guix.clone()).id();
    batch.commit(&[(id, realisation.clone())])?;
    task.done(realisation.outputs.get("out").map(|out| out.digest().short()).unwrap_or_default());
    Ok(realisation)
}

struct Made {
    profile: Profile,
    vars: BTreeMap<String, String>,
    /// What is beside `/gnu`, where no base is.
    root: Option<Vec<(String, Wanted)>>,
}

/// A node of the root that is made when its bytes can be written.
enum Wanted {
    File(&'static str),
    Link(String),
    Folder,
}

fn record(
    guix: &Guix,
    key: Digest,
    closure: Folder,
    made: Made,
    setting: Setting<'_>,
    batch: &Batch,
    begun: Instant,
) -> Result<Realisation> {
    let facts = BTreeMap::from([
        ("conflicts".to_owned(), made.profile.conflicts.len().to_string()),
        ("items".to_owned(), guix.items.len().to_string()),
        ("rules".to_owned(), guix.rules.to_string()),
        ("seconds".to_owned(), format!("{:.1}", begun.elapsed().as_secs_f64())),
    ]);
    let mut gnu = Folder::default();
    gnu.entries.insert("store".to_owned(), Node::Folder(closure));
    gnu.entries.insert("profile".to_owned(), Node::Folder(made.profile.folder));
    let text = variables::print(&made.vars)?;
    let blob = batch.bytes(text.as_bytes())?;
    let vars = Object::File { digest: blob.digest, size: blob.size, executable: false };
    let (out, gnu) = match (setting.base, made.root) {
        (Some(base), _) => {
            let gnu = tree::write(batch, &gnu)?;
            (over(base, &gnu, setting.store, batch)?, gnu)
        }
        (None, beside) => {
            let mut root = Folder::default();
            for (path, wanted) in beside.into_iter().flatten() {
                root.insert(&path, node(wanted, batch)?)?;
            }
            let only = tree::write(batch, &gnu)?;
            root.entries.insert(GNU.to_owned(), Node::Folder(gnu));
            (tree::write(batch, &root)?, only)
        }
    };
    let outputs = [("out", out), (GNU_OUTPUT, gnu), (variables::OUTPUT, vars)];
    let outputs = outputs.into_iter().map(|(name, object)| (name.to_owned(), object)).collect();
    Ok(Realisation { key, outputs, facts })
}

fn node(wanted: Wanted, batch: &Batch) -> Result<Node> {
    Ok(match wanted {
        Wanted::Folder => Node::Folder(Folder::default()),
        Wanted::Link(target) => Node::Link { target },
        Wanted::File(text) => {
            let blob = batch.bytes(text.as_bytes())?;
            Node::File { digest: blob.digest, size: blob.size, executable: false }
        }
    })
}

/// The base's root with the folder put into it; all else is shared as it is.
fn over(base: &Object, gnu: &Object, store: &Store, batch: &Batch) -> Result<Object> {
    let bytes = store.read_blob(base.digest(), MESSAGE)?;
    let mut root = reapi::Directory::decode(bytes.as_slice()).map_err(|error| {
        Failure::world(format!("the root of an environment in the store is damaged: {error}"))
            .help("run `rbld store repair`, then check again")
    })?;
    let taken = || {
        Failure::input("the environment below has `/gnu` already, and something in it")
            .fact("the store items and their profile go there")
            .help("lay all packages of Guix over one environment without any, in one list")
    };
    let mut others =
        root.files.iter().map(|file| &file.name).chain(root.symlinks.iter().map(|link| &link.name));
    if others.any(|name| name == GNU) {
        return Err(taken());
    }
    // A distribution's own `guix` brings an empty store along.
    if let Some(at) = root.directories.iter().position(|folder| folder.name == GNU) {
        let below = root.directories.remove(at).digest.and_then(|digest| digest.hash.parse().ok());
        let bare = |folder: Digest| Ok(tree::read(store, folder)?.files().next().is_none());
        if !below.map_or(Ok(false), bare)? {
            return Err(taken());
        }
    }
    let digest = Some(tree::reapi_digest(gnu.digest(), gnu.size()));
    root.directories.push(reapi::DirectoryNode { name: GNU.to_owned(), digest });
    root.directories.sort_by(|one, other| one.name.cmp(&other.name));
    let blob = batch.bytes(&root.encode_to_vec())?;
    Ok(Object::Tree { digest: blob.digest, size: blob.size })
}

/// What a root holds beside `/gnu` when nothing of a distribution is there: a shell, accounts, empty folders.
fn alone(items: &Items<'_>, profile: &Profile) -> Result<Vec<(String, Wanted)>> {
    let mut root: Vec<(String, Wanted)> = Vec::new();
    root.extend(FOLDERS.iter().map(|path| ((*path).to_owned(), Wanted::Folder)));
    root.extend(FILES.iter().map(|(path, text)| ((*path).to_owned(), Wanted::File(text))));
    for (path, commands) in COMMANDS {
        match command(items, profile, commands)? {
            Some(target) => root.push((path.to_owned(), Wanted::Link(target))),
            None if path == "bin/sh" => {
                return Err(Failure::input(
                    "the environment holds no shell, and builds are run by `/bin/sh`",
                )
                .fact("neither the profile nor any item that it needs has a `bin/sh` or `bin/bash`")
                .help("add `\"bash\"` to `packages`, or lay them over a distribution by `guix.on`"));
            }
            None => {}
        }
    }
    Ok(root)
}

/// Where the first of these commands is: in the profile, else in the first item that has one.
fn command(items: &Items<'_>, profile: &Profile, names: &[&str]) -> Result<Option<String>> {
    for name in names {
        if profile::holds(items, &profile.folder, &["bin", name])? {
            return Ok(Some(format!("{PROFILE}/bin/{name}")));
        }
    }
    for name in names {
        for item in items.0.entries.keys() {
            let place = Place::item(item).inside("bin").inside(name);
            if matches!(items.find(&place)?, Some(Found::File(_, true))) {
                return Ok(Some(place.path()));
            }
        }
    }
    Ok(None)
}

/// Compares with the folder that the lock says it comes to; a failure names the files that differ.
pub fn check_expected(guix: &Guix, realisation: &Realisation, store: &Store) -> Result<()> {
    let Some(expected) = guix.expected else { return Ok(()) };
    let found = realisation.outputs.get(GNU_OUTPUT).map(Object::digest);
    if found == Some(expected) {
        return Ok(());
    }
    let found = found.ok_or_else(|| Failure::bug("an environment of Guix was realised without `/gnu`"))?;
    let mut failure = Failure::new(Kind::World, "`/gnu` came to another tree than the lock says")
        .fact(format!("locked: {expected}"))
        .fact(format!("here:   {found}"));
    // The other machine's tree is here only if somebody brought it.
    if let (Ok(theirs), Ok(ours)) = (tree::read(store, expected), tree::read(store, found)) {
        for line in super::differences(&theirs, &ours).into_iter().take(20) {
            failure = failure.fact(line);
        }
    }
    Err(failure.help("if the lock was written by an older rbld, run `rbld lock`"))
}
