//! An image as an environment: its layers over each other, made to what the executor needs, and its variables.
//!
//! Layers are brought by one thread and laid over each other by another. What comes out is decided by the digest and the
//! architecture alone; owners, devices and who the image's user is are not of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc;

use rbld_lang::derivation::{Arch, DerivationId};
use rbld_lang::digest::Digest;

use super::layer::{Layers, Limits};
use super::manifest::{self, Config, Descriptor, Document, Manifest, shown};
use super::{Blobs, What};
use crate::environment;
use crate::executor::Cancel;
use crate::failure::{Failure, Kind, Result};
use crate::progress::{Progress, Step, Task};
use crate::store::{Object, Realisation, Store, tree};

/// How often an index may lead to another.
const INDEXES: usize = 4;

/// Variables that say who and where the image's own user is. In a sandbox that is somebody else.
const NOT_TAKEN: [&str; 10] =
    ["HOME", "HOSTNAME", "LOGNAME", "OLDPWD", "PWD", "SHELL", "SHLVL", "TMPDIR", "USER", "_"];

/// What images are made environments with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Where trees are kept.
    pub store: &'a Store,
    /// Who is told how it goes.
    pub progress: &'a Progress,
    /// Set when it is to stop.
    pub cancel: &'a Cancel,
    /// What a person calls what is made.
    pub name: &'a str,
}

/// Makes the tree of an image and records it under its key: the output `out` is the tree, `vars` the variables that
/// every build in it starts with, sorted, one a line.
pub fn realise(
    blobs: &(dyn Blobs + Sync),
    top: Document,
    arch: Arch,
    (id, key): (DerivationId, Digest),
    tools: Tools<'_>,
) -> Result<Realisation> {
    let place = |failure: Failure| failure.fact(format!("in {}", blobs.place()));
    let manifest = one(blobs, top, arch).map_err(place)?;
    let config = manifest::config(&blobs.document(manifest.config.digest, What::Config)?).map_err(place)?;
    manifest::check_arch(&config, arch).map_err(place)?;
    if config.diff_ids.len() != manifest.layers.len() {
        return Err(place(Failure::world(format!(
            "the image is damaged: it has {} layers, and its configuration tells of {}",
            manifest.layers.len(),
            config.diff_ids.len()
        ))));
    }
    let (vars, odd) = variables(&config)?;
    for name in odd {
        tools.progress.say(&format!("`{}`: its variable `{}` isn't taken over", tools.name, shown(name)));
    }
    let task = tools.progress.begin(Step::Unpack, tools.name);
    let batch = tools.store.batch()?;
    let mut layers = Layers::new(&batch, Limits::default());
    lay(blobs, &manifest, &config, &mut layers, &task, tools.cancel).map_err(place)?;
    let Layers { mut root, lost, .. } = layers;
    for sentence in lost.sentences() {
        tools.progress.say(&format!("`{}`: {sentence}", tools.name));
    }
    environment::settle(&mut root, &batch)?;
    let out = tree::write(&batch, &root)?;
    let vars = batch.bytes(vars.as_bytes())?;
    let vars = Object::File { digest: vars.digest, size: vars.size, executable: false };
    let outputs = BTreeMap::from([("out".to_owned(), out), ("vars".to_owned(), vars)]);
    let facts = BTreeMap::from([("layers".to_owned(), manifest.layers.len().to_string())]);
    let realisation = Realisation { key, outputs, facts };
    batch.commit(&[(id, realisation.clone())])?;
    task.done(format!("{} layers", manifest.layers.len()));
    Ok(realisation)
}

/// The manifest that a document leads to.
fn one(blobs: &dyn Blobs, mut document: Document, arch: Arch) -> Result<Manifest> {
    for _ in 0..INDEXES {
        match document {
            Document::Manifest(manifest) => return Ok(manifest),
            Document::Index(entries) => {
                let entry = manifest::choose(&entries, arch)?;
                document = manifest::document(&blobs.document(entry.descriptor.digest, What::Manifest)?)?;
            }
        }
    }
    Err(Failure::world(format!("the image can't be found: more than {INDEXES} indexes lead to each other")))
}

/// The digests of all that an image is made of, each of them brought.
pub fn parts(blobs: &dyn Blobs, top: Digest, arch: Arch) -> Result<Vec<Digest>> {
    let mut found = vec![top];
    for _ in 0..INDEXES {
        let digest = found.last().copied().unwrap_or(top);
        match manifest::document(&blobs.document(digest, What::Manifest)?)? {
            Document::Index(entries) => found.push(manifest::choose(&entries, arch)?.descriptor.digest),
            Document::Manifest(manifest) => {
                blobs.document(manifest.config.digest, What::Config)?;
                found.push(manifest.config.digest);
                for layer in &manifest.layers {
                    blobs.layer(layer)?;
                    found.push(layer.digest);
                }
                return Ok(found);
            }
        }
    }
    Err(Failure::world(format!("the image can't be found: more than {INDEXES} indexes lead to each other")))
}

/// Lays the layers over each other, each as soon as it is there.
fn lay(
    blobs: &(dyn Blobs + Sync),
    manifest: &Manifest,
    config: &Config,
    layers: &mut Layers<'_>,
    task: &Task,
    cancel: &Cancel,
) -> Result<()> {
    task.expect(manifest.layers.iter().filter_map(|layer| layer.size).fold(0, u64::saturating_add));
    let going = || match cancel.is_set() {
        true => Err(Failure::new(Kind::Interrupted(2), "interrupted while an image was unpacked")),
        false => Ok(()),
    };
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel::<Result<File>>(2);
        scope.spawn(move || {
            for layer in &manifest.layers {
                let file = blobs.layer(layer);
                let last = file.is_err();
                // Nobody listens any more once a layer was refused.
                if sender.send(file).is_err() || last {
                    break;
                }
            }
        });
        for (layer, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
            let file = receiver.recv().map_err(|_| Failure::bug("a layer was never brought"))??;
            let found =
                layers.add(Counted { inner: file, task }, &going).map_err(|failure| about(failure, layer))?;
            if found != *diff_id {
                return Err(Failure::world(
                    "a layer of the image isn't the one that its configuration tells of",
                )
                .fact(format!("layer    sha256:{}", layer.digest))
                .fact(format!("expected sha256:{diff_id} unpacked"))
                .fact(format!("found    sha256:{found}"))
                .help("the image was put together wrongly: have it built and pushed again"));
            }
        }
        Ok(())
    })
}

fn about(failure: Failure, layer: &Descriptor) -> Failure {
    let kind =
        if layer.media_type.is_empty() { String::new() } else { format!(" ({})", shown(&layer.media_type)) };
    failure.fact(format!("in the layer sha256:{}{kind}", layer.digest))
}

/// The variables that are taken, as lines, and the names of those that can't be: of two with one name the later holds,
/// as in a container.
fn variables(config: &Config) -> Result<(String, Vec<&str>)> {
    let mut taken = BTreeMap::new();
    let mut odd = Vec::new();
    for line in &config.env {
        let Some((name, value)) = line.split_once('=') else { continue };
        if NOT_TAKEN.contains(&name) || name.starts_with("RBLD_") {
            continue;
        }
        match environment::variables::fits(name, value) {
            true => drop(taken.insert(name.to_owned(), value.to_owned())),
            false => odd.push(name),
        }
    }
    Ok((environment::variables::print(&taken)?, odd))
}

/// Tells a task how far a layer was read.
struct Counted<'t> {
    inner: File,
    task: &'t Task,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.task.advance(count as u64);
        Ok(count)
    }
}
