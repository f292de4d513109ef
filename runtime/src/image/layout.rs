//! Images in a folder: the image layout (`oci-layout`, `index.json`, `blobs`), or what `docker save` wrote.
//!
//! The folder is a tree of the store, so each of its files is known by digest already, and an image of it is what its
//! documents say, whatever their names.

use std::collections::BTreeSet;
use std::fs::File;

use rbld_lang::digest::Digest;
use serde::Deserialize;

use super::manifest::{self, Descriptor, Document, Entry, Manifest, shown};
use super::{Blobs, DOCUMENT_LIMIT, What};
use crate::failure::{Failure, Result};
use crate::store::tree::{self, Folder, Node};
use crate::store::{Object, Store};

/// A folder with images.
pub struct Layout<'s> {
    store: &'s Store,
    folder: Folder,
    there: BTreeSet<Digest>,
}

#[derive(Deserialize)]
struct Saved {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
    #[serde(rename = "Layers", default)]
    layers: Vec<String>,
}

impl<'s> Layout<'s> {
    /// The images of a tree.
    pub fn open(store: &'s Store, object: &Object) -> Result<Layout<'s>> {
        let Object::Tree { digest, .. } = object else {
            return Err(Failure::input("an image can't be read from one file that isn't unpacked")
                .help("an archive is `oci.archive(./image.tar)`, a folder `oci.layout(./image/)`"));
        };
        let folder = tree::read(store, *digest)?;
        let digests = folder.files().filter_map(|(_, node)| match node {
            Node::File { digest, .. } => Some(*digest),
            _ => None,
        });
        let there = digests.collect();
        Ok(Layout { store, folder, there })
    }

    /// What the folder holds; where it is several images, `wanted` says which is meant.
    pub fn document(&self, wanted: Option<Digest>) -> Result<Document> {
        if let Some(index) = self.bytes("index.json")? {
            return self.indexed(&index, wanted);
        }
        if let Some(saved) = self.bytes("manifest.json")? {
            return self.saved(&saved, wanted);
        }
        let mut names: Vec<String> = self.folder.entries.keys().take(12).map(|name| shown(name)).collect();
        if names.is_empty() {
            names.push("nothing".to_owned());
        }
        Err(Failure::input("there is no image: neither `index.json` nor `manifest.json`")
            .fact(format!("there is {}", names.join(", ")))
            .help("`skopeo copy docker://… oci:FOLDER` writes a folder with one, `docker save` an archive"))
    }

    fn indexed(&self, bytes: &[u8], wanted: Option<Digest>) -> Result<Document> {
        let Document::Index(entries) = manifest::document(bytes)? else {
            return Err(Failure::world("the image's `index.json` is no index"));
        };
        match (wanted, entries.as_slice()) {
            (Some(wanted), _) if self.there.contains(&wanted) => {
                manifest::document(&Blobs::document(self, wanted, What::Manifest)?)
            }
            (Some(wanted), _) => Err(Failure::input(format!("the image sha256:{wanted} isn't there"))
                .fact(listed(&entries))
                .help("write the digest of one of these as `digest`")),
            (None, []) => Err(Failure::input("there is no image: `index.json` lists none")),
            (None, [one]) => {
                manifest::document(&Blobs::document(self, one.descriptor.digest, What::Manifest)?)
            }
            (None, several)
                if several
                    .iter()
                    .all(|entry| entry.name == several[0].name && !entry.platform.os.is_empty()) =>
            {
                Ok(Document::Index(entries))
            }
            (None, several) => {
                Err(Failure::input(format!("there are {} images, and nothing says which", several.len()))
                    .fact(listed(several))
                    .help("write the digest of one of these as `digest`"))
            }
        }
    }

    fn saved(&self, bytes: &[u8], wanted: Option<Digest>) -> Result<Document> {
        let all: Vec<Saved> = serde_json::from_slice(bytes).map_err(|error| {
            Failure::world(format!("the archive's `manifest.json` is damaged: {}", shown(&error.to_string())))
        })?;
        let mut found = Vec::new();
        for image in &all {
            let config = self.named(&image.config)?;
            if wanted.is_none_or(|wanted| wanted == config.digest) {
                found.push((image, config));
            }
        }
        let list = || {
            let name = |image: &Saved| {
                image.tags.iter().flatten().map(|tag| shown(tag)).collect::<Vec<_>>().join(" ")
            };
            let one = |image: &Saved| format!("{} {}", shown(&image.config), name(image));
            format!("there is {}", all.iter().take(12).map(one).collect::<Vec<_>>().join(", "))
        };
        match found.as_slice() {
            [(image, config)] => {
                let layers = image.layers.iter().map(|name| self.named(name)).collect::<Result<Vec<_>>>()?;
                Ok(Document::Manifest(Manifest { config: config.clone(), layers }))
            }
            [] => Err(Failure::input("the image isn't in the archive").fact(list()).help(
                "images of `docker save` are known by the digest of their configuration, the image id",
            )),
            several => {
                Err(Failure::input(format!("there are {} images, and nothing says which", several.len()))
                    .fact(list())
                    .help("write the image id of one of these as `digest`"))
            }
        }
    }

    /// A file of the folder as a descriptor, links followed within it.
    fn named(&self, name: &str) -> Result<Descriptor> {
        let path: Vec<&str> = name.split('/').collect();
        let node = self.folder.resolve(&path).and_then(|place| self.folder.at(&place).cloned());
        match node {
            Some(Node::File { digest, size, .. }) => {
                Ok(Descriptor { media_type: String::new(), digest, size: Some(size) })
            }
            _ => Err(Failure::world(format!(
                "the archive has no `{}`, which its image is made of",
                shown(name)
            ))),
        }
    }

    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.folder.get(name) {
            Some(Node::File { digest, .. }) => self.store.read_blob(*digest, DOCUMENT_LIMIT).map(Some),
            _ => Ok(None),
        }
    }

    fn absent(&self, digest: Digest) -> Failure {
        Failure::world(format!("the image isn't whole: the folder has no sha256:{digest}"))
            .help("copy it again: `skopeo copy` brings all parts of an image, `--multi-arch all` those of all architectures")
    }
}

fn listed(entries: &[Entry]) -> String {
    let one = |entry: &Entry| {
        let name = entry.name.as_deref().map(|name| format!(" {}", shown(name))).unwrap_or_default();
        let platform =
            if entry.platform.os.is_empty() { String::new() } else { format!(" {}", entry.platform) };
        format!("sha256:{}{name}{platform}", entry.descriptor.digest)
    };
    format!("there is {}", entries.iter().take(12).map(one).collect::<Vec<_>>().join(", "))
}

impl Blobs for Layout<'_> {
    fn document(&self, digest: Digest, _: What) -> Result<Vec<u8>> {
        match self.there.contains(&digest) {
            true => self.store.read_blob(digest, DOCUMENT_LIMIT),
            false => Err(self.absent(digest)),
        }
    }

    fn layer(&self, layer: &Descriptor) -> Result<File> {
        match self.there.contains(&layer.digest) {
            true => self.store.open_blob(layer.digest),
            false => Err(self.absent(layer.digest)),
        }
    }

    fn place(&self) -> String {
        "the folder".to_owned()
    }
}
