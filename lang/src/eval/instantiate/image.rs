//! Container images: what they are made from, as derivations.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Instantiation;
use crate::derivation::{self, Derivation, IMAGE_RULES, ImageIndex, ImageRoot, ImageSource, InputRef};
use crate::value::{Build, Image, ImageAt};

impl<'a> Instantiation<'a> {
    pub(super) fn image_root(&mut self, image: &'a ImageAt) -> Option<ImageRoot> {
        let from = match (&image.name, image.digest, image.from.first()) {
            (Some(name), Some(digest), _) => ImageSource::Registry { name: name.clone(), digest },
            (None, digest, Some(from)) => ImageSource::Folder { from: self.read(from)?, digest },
            _ => return None,
        };
        Some(ImageRoot { arch: image.arch, from, rules: IMAGE_RULES })
    }

    pub(super) fn image(&mut self, image: &'a Image, build: &'a Build) -> Option<Derivation> {
        let base = match &build.env {
            Some(env) => Some(InputRef { derivation: self.environment(env)?, output: self.out.clone() }),
            None => None,
        };
        let mut read: Vec<(Arc<str>, InputRef)> = Vec::with_capacity(build.inputs.values.len());
        let mut whole = true;
        for (name, value) in build.inputs.iter() {
            match self.read(value) {
                Some(input) => read.push((name.clone(), input)),
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        Some(match image {
            Image::One(arch, settings) => Derivation::Image(derivation::Image {
                arch: *arch,
                base,
                files: read.into_iter().collect::<BTreeMap<_, _>>(),
                settings: settings.clone(),
            }),
            Image::Index(name) => Derivation::ImageIndex(ImageIndex {
                images: read.into_iter().map(|(_, image)| image).collect(),
                name: name.clone(),
            }),
        })
    }
}
