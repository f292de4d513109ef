//! Writing images: the same inputs give the same bytes, on every machine.
//!
//! An image is a layer of its base environment, which all images of that environment share, and a layer of its files.
//! What comes out is a folder in the image layout, whose files are blobs of the store, and the manifest by itself: its
//! sha256 is what registries and everybody else call the image's digest.

use std::collections::BTreeMap;

use rbld_lang::derivation::{Arch, DerivationId, ImageSettings};
use rbld_lang::digest::{Digest, Hasher, Manifest as _};
use serde::Serialize;

use super::manifest::{Document, Platform, media};
use super::{DOCUMENT_LIMIT, EPOCH, manifest, tar};
use crate::failure::{Failure, Result};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Batch, Blob, Object, Realisation, Store};

/// The name that an image has within its folder when it isn't given one.
pub const NAME: &str = "latest";

/// The most files below one path that are written out for an image.
const PATH_LIMIT: usize = 4000;

/// A change of how layers are written is a change of this.
const LAYER_FORMAT: &str = "rbld-image-layer-1";

/// What an image is made of.
pub struct Contents<'a> {
    /// What it runs on.
    pub arch: Arch,
    /// The tree of its base environment.
    pub base: Option<Digest>,
    /// The variables of its base environment, a line each.
    pub base_vars: &'a str,
    /// What is laid at which absolute path.
    pub files: Vec<(&'a str, Object)>,
    /// What it says of itself.
    pub settings: &'a ImageSettings,
}

#[derive(Serialize)]
struct ConfigOut<'a> {
    created: &'a str,
    architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
    os: &'static str,
    config: SettingsOut<'a>,
    rootfs: LayersOut,
    history: Vec<HistoryOut<'a>>,
}

#[derive(Serialize)]
struct SettingsOut<'a> {
    #[serde(rename = "User", skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(rename = "Env", skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(rename = "Entrypoint", skip_serializing_if = "<[String]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(rename = "Cmd", skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    #[serde(rename = "WorkingDir", skip_serializing_if = "str::is_empty")]
    workdir: &'a str,
    #[serde(rename = "Labels", skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct LayersOut {
    r#type: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct HistoryOut<'a> {
    created: &'a str,
    created_by: &'static str,
}

#[derive(Serialize)]
struct ManifestOut {
    #[serde(rename = "schemaVersion")]
    schema: u32,
    #[serde(rename = "mediaType")]
    media_type: &'static str,
    config: DescriptorOut,
    layers: Vec<DescriptorOut>,
}

#[derive(Serialize)]
struct IndexOut {
    #[serde(rename = "schemaVersion")]
    schema: u32,
    #[serde(rename = "mediaType")]
    media_type: &'static str,
    manifests: Vec<DescriptorOut>,
}

#[derive(Serialize)]
struct DescriptorOut {
    #[serde(rename = "mediaType")]
    media_type: &'static str,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<PlatformOut>,
}

#[derive(Clone, Serialize)]
struct PlatformOut {
    architecture: String,
    os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
}

fn point(media_type: &'static str, blob: Blob) -> DescriptorOut {
    let digest = format!("sha256:{}", blob.digest);
    DescriptorOut { media_type, digest, size: blob.size, annotations: None, platform: None }
}

/// Writes an image and records it: the outputs are `layout`, the folder, and `manifest`. `going` is asked again and
/// again whether to go on.
pub fn image(
    store: &Store,
    contents: &Contents<'_>,
    (id, key): (DerivationId, Digest),
    going: &dyn Fn() -> Result<()>,
) -> Result<Realisation> {
    let base = match contents.base {
        Some(tree) => Some((tree::read(store, tree)?, base_layer(store, tree, going)?)),
        None => None,
    };
    let batch = store.batch()?;
    let mut layers: Vec<(Blob, &'static str)> = Vec::new();
    if let Some((_, layer)) = &base {
        layers.push((*layer, "rbld: the environment"));
    }
    let beneath = base.map(|(folder, _)| folder).unwrap_or_default();
    let folder = laid_out(store, &contents.files, &beneath)?;
    if !folder.entries.is_empty() {
        tar::check(&folder)?;
        layers.push((tar::write(store, &batch, &folder, going)?, "rbld: the files"));
    }
    let config = batch.bytes(&config(contents, &layers)?)?;
    let manifest = ManifestOut {
        schema: 2,
        media_type: media::MANIFEST,
        config: point(media::CONFIG, config),
        layers: layers.iter().map(|(layer, _)| point(media::LAYER, *layer)).collect(),
    };
    let manifest = batch.bytes(&json(&manifest)?)?;
    let mut blobs: Vec<Blob> = layers.into_iter().map(|(layer, _)| layer).collect();
    blobs.extend([config, manifest]);
    let top = DescriptorOut { platform: Some(platform(contents.arch)), ..point(media::MANIFEST, manifest) };
    record(batch, top, manifest, blobs, &contents.settings.name, (id, key))
}

/// Writes an index of images, each the `layout` of one, and records it with the same outputs.
pub fn index(
    store: &Store,
    images: &[Object],
    name: &str,
    (id, key): (DerivationId, Digest),
) -> Result<Realisation> {
    let batch = store.batch()?;
    let mut entries: BTreeMap<String, DescriptorOut> = BTreeMap::new();
    let mut blobs: BTreeMap<Digest, Blob> = BTreeMap::new();
    for image in images {
        let folder = tree::read(store, image.digest())?;
        for blob in blobs_of(&folder) {
            blobs.insert(blob.digest, blob);
        }
        let Some(Node::File { digest, .. }) = folder.get("index.json") else {
            return Err(Failure::bug("an image without `index.json`"));
        };
        let Document::Index(listed) = manifest::document(&store.read_blob(*digest, DOCUMENT_LIMIT)?)? else {
            return Err(Failure::bug("an image's `index.json` is no index"));
        };
        for entry in listed {
            let shown = entry.platform.to_string();
            let platform = PlatformOut {
                architecture: entry.platform.architecture,
                os: entry.platform.os,
                variant: entry.platform.variant,
            };
            let blob = Blob { digest: entry.descriptor.digest, size: entry.descriptor.size.unwrap_or(0) };
            let row = DescriptorOut { platform: Some(platform), ..point(media::MANIFEST, blob) };
            if entries.insert(shown.clone(), row).is_some() {
                return Err(Failure::input(format!("two images of an index are both for {shown}"))
                    .help("an index holds one image an architecture: leave out one of them, or give it its own `arch`"));
            }
        }
    }
    let index = IndexOut { schema: 2, media_type: media::INDEX, manifests: entries.into_values().collect() };
    let index = batch.bytes(&json(&index)?)?;
    blobs.insert(index.digest, index);
    let top = point(media::INDEX, index);
    record(batch, top, index, blobs.into_values().collect(), name, (id, key))
}

/// Puts the folder together and commits it.
fn record(
    batch: Batch,
    mut top: DescriptorOut,
    manifest: Blob,
    blobs: Vec<Blob>,
    name: &str,
    (id, key): (DerivationId, Digest),
) -> Result<Realisation> {
    top.annotations = Some(BTreeMap::from([("org.opencontainers.image.ref.name", name.to_owned())]));
    let index = IndexOut { schema: 2, media_type: media::INDEX, manifests: vec![top] };
    let mut folder = Folder::default();
    let file = |blob: Blob| Node::File { digest: blob.digest, size: blob.size, executable: false };
    folder.insert("oci-layout", file(batch.bytes(b"{\"imageLayoutVersion\":\"1.0.0\"}")?))?;
    folder.insert("index.json", file(batch.bytes(&json(&index)?)?))?;
    for blob in blobs {
        folder.insert(&format!("blobs/sha256/{}", blob.digest), file(blob))?;
    }
    let layout = tree::write(&batch, &folder)?;
    let manifest = Object::File { digest: manifest.digest, size: manifest.size, executable: false };
    let outputs = BTreeMap::from([("layout".to_owned(), layout), ("manifest".to_owned(), manifest)]);
    let realisation = Realisation { key, outputs, facts: BTreeMap::new() };
    batch.commit(&[(id, realisation.clone())])?;
    Ok(realisation)
}

/// The blobs of a folder in the image layout.
pub fn blobs_of(folder: &Folder) -> Vec<Blob> {
    let Some(Node::Folder(blobs)) = folder.get("blobs/sha256") else { return Vec::new() };
    let blob = |node: &Node| match node {
        Node::File { digest, size, .. } => Some(Blob { digest: *digest, size: *size }),
        _ => None,
    };
    blobs.entries.values().filter_map(blob).collect()
}

/// The layer of an environment, made once for all images of it.
fn base_layer(store: &Store, tree: Digest, going: &dyn Fn() -> Result<()>) -> Result<Blob> {
    let mut hasher = Hasher::new(LAYER_FORMAT);
    hasher.field("tree", tree.as_bytes());
    let key = hasher.finish();
    let _lock = store.lock_key(key)?;
    if let Some(Object::File { digest, size, .. }) =
        store.realisation(key)?.and_then(|known| known.outputs.get("layer").copied())
    {
        return Ok(Blob { digest, size });
    }
    let folder = tree::read(store, tree)?;
    let batch = store.batch()?;
    tar::check(&folder)?;
    let layer = tar::write(store, &batch, &folder, going)?;
    let object = Object::File { digest: layer.digest, size: layer.size, executable: false };
    let outputs = BTreeMap::from([("layer".to_owned(), object)]);
    let realisation = Realisation { key, outputs, facts: BTreeMap::new() };
    batch.commit(&[(DerivationId(key), realisation)])?;
    Ok(layer)
}

/// The files as one tree. A path leads where the base's links lead it: `/bin/tool` is `/usr/bin/tool` where `/bin` is a
/// link, which a folder of that name would hide.
fn laid_out(store: &Store, files: &[(&str, Object)], beneath: &Folder) -> Result<Folder> {
    let mut folder = Folder::default();
    let mut lay = |path: &str, node: Node| -> Result<()> {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let wrong =
            |why: &str| Failure::build(format!("`/{}` can't be put into the image: {why}", names.join("/")));
        let Some((last, above)) = names.split_last() else { return Err(wrong("it is the root itself")) };
        let mut place = beneath
            .resolve(above)
            .ok_or_else(|| wrong("its folder is a ring of links in the environment"))?;
        for depth in 1..=place.len() {
            if beneath.at(&place[..depth]).is_some_and(|node| !matches!(node, Node::Folder(_))) {
                return Err(wrong("its folder is a file in the environment"));
            }
        }
        place.push((*last).to_owned());
        let path = place.join("/");
        if path.len() > PATH_LIMIT {
            return Err(wrong("the path is too long"));
        }
        match (folder.at(&place), &node) {
            (None, _) | (Some(Node::Folder(_)), Node::Folder(_)) => {}
            (Some(there), _) if there == &node => {}
            (Some(_), _) => return Err(wrong("two of the files are there")),
        }
        if !matches!((&node, folder.at(&place)), (Node::Folder(_), Some(_))) {
            folder.insert(&path, node)?;
        }
        Ok(())
    };
    for (path, object) in files {
        match object {
            Object::File { digest, size, executable } => {
                lay(path, Node::File { digest: *digest, size: *size, executable: *executable })?;
            }
            Object::Tree { digest, .. } => {
                for (inner, node) in tree::read(store, *digest)?.nodes() {
                    let node = match node {
                        Node::Folder(held) if held.entries.is_empty() => Node::Folder(Folder::default()),
                        Node::Folder(_) => continue,
                        other => other.clone(),
                    };
                    lay(&format!("{path}/{inner}"), node)?;
                }
            }
        }
    }
    Ok(folder)
}

fn platform(arch: Arch) -> PlatformOut {
    let Platform { os, architecture, variant } = Platform::of(arch);
    PlatformOut { architecture, os, variant }
}

fn config(contents: &Contents<'_>, layers: &[(Blob, &'static str)]) -> Result<Vec<u8>> {
    let settings = contents.settings;
    let platform = platform(contents.arch);
    let mut vars: BTreeMap<&str, &str> =
        contents.base_vars.lines().filter_map(|line| line.split_once('=')).collect();
    vars.extend(settings.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let created = rbld_lang::syntax::show_instant(settings.created.unwrap_or(EPOCH as i64));
    json(&ConfigOut {
        created: &created,
        architecture: platform.architecture,
        variant: platform.variant,
        os: "linux",
        config: SettingsOut {
            user: &settings.user,
            env: vars.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
            entrypoint: &settings.entrypoint,
            cmd: &settings.cmd,
            workdir: &settings.workdir,
            labels: settings.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        },
        rootfs: LayersOut {
            r#type: "layers",
            diff_ids: layers.iter().map(|(layer, _)| format!("sha256:{}", layer.digest)).collect(),
        },
        history: layers.iter().map(|(_, by)| HistoryOut { created: &created, created_by: by }).collect(),
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Failure::bug(format!("an image's document can't be written: {error}")))
}
