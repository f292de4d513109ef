//! Container images as nodes: their keys, and making them. Knows where an image's parts are; what they mean is
//! [`crate::image`]'s matter.

use std::fs::File;
use std::path::Path;

use rbld_lang::derivation::{
    DerivationId, IMAGE_FORMAT, Image, ImageIndex, ImageName, ImageRoot, ImageSource, InputRef,
};
use rbld_lang::digest::{Digest, Hasher, Manifest};

use super::node::{Inputs, World, interrupted};
use crate::environment::variables;
use crate::failure::{Failure, Result};
use crate::fetch::registry::Repository;
use crate::image::layout::Layout;
use crate::image::manifest::{self, Descriptor};
use crate::image::{Blobs, What, root, write};
use crate::store::{Object, Realisation};

/// The key of an image's root filesystem.
pub(super) fn root_key(id: DerivationId, of: &ImageRoot, inputs: &Inputs) -> Result<Digest> {
    let ImageSource::Folder { from, digest } = &of.from else { return Ok(id.0) };
    let mut hasher = Hasher::new("rbld-image-root-1");
    hasher.field("rules", of.rules.to_string().as_bytes());
    hasher.field("arch", of.arch.name().as_bytes());
    hasher.field("from", inputs.object(from)?.digest().as_bytes());
    hasher.field("digest", digest.map(|digest| digest.to_hex()).unwrap_or_default().as_bytes());
    Ok(hasher.finish())
}

/// The key of an image that is written. It holds the keys of what the image is made of beside their bytes: images whose
/// parts were built apart are built apart, as a comparison of them means, although nothing but those bytes is in them.
pub(super) fn image_key(world: &World, image: &Image, inputs: &Inputs) -> Result<Digest> {
    let mut hasher = Hasher::new("rbld-image-1");
    hasher.field("format", IMAGE_FORMAT.to_string().as_bytes());
    hasher.field("arch", image.arch.name().as_bytes());
    if let Some(base) = &image.base {
        hasher.field("base", inputs.object(base)?.digest().as_bytes());
        hasher.field("base key", inputs.key(base)?.as_bytes());
        hasher.field("base vars", base_vars(world, base, inputs)?.as_bytes());
    }
    hasher.open("files", image.files.len());
    for (path, from) in &image.files {
        let object = inputs.object(from)?;
        let kind = match object {
            Object::Tree { .. } => "tree",
            Object::File { executable: true, .. } => "executable",
            Object::File { .. } => "file",
        };
        hasher.field(path, format!("{kind} {} {}", object.digest(), inputs.key(from)?).as_bytes());
    }
    hasher.close();
    image.settings.manifest(&mut hasher);
    Ok(hasher.finish())
}

/// The key of an index.
pub(super) fn index_key(index: &ImageIndex, inputs: &Inputs) -> Result<Digest> {
    let mut hasher = Hasher::new("rbld-image-index-1");
    hasher.field("format", IMAGE_FORMAT.to_string().as_bytes());
    hasher.open("images", index.images.len());
    for image in &index.images {
        hasher.field("image", inputs.key(image)?.as_bytes());
    }
    hasher.close();
    hasher.field("name", index.name.as_bytes());
    Ok(hasher.finish())
}

fn base_vars(world: &World, base: &InputRef, inputs: &Inputs) -> Result<String> {
    variables::print(&inputs.variables(&world.store, base)?)
}

/// Makes the tree of an image.
pub(super) fn root(
    world: &World,
    id: DerivationId,
    of: &ImageRoot,
    inputs: &Inputs,
    key: Digest,
) -> Result<Realisation> {
    let name = world.name(id);
    let tools =
        root::Tools { store: &world.store, progress: &world.progress, cancel: &world.cancel, name: &name };
    let done = match &of.from {
        ImageSource::Registry { name: of_image, digest } => {
            let pulled = Pulled {
                world,
                repository: Repository::new(world.http()?, &world.mirrors, of_image),
                name: of_image,
            };
            let top = manifest::document(&pulled.document(*digest, What::Manifest)?)?;
            root::realise(&pulled, top, of.arch, (id, key), tools)
        }
        ImageSource::Folder { from, digest } => {
            let layout = Layout::open(&world.store, &inputs.object(from)?)?;
            let top = layout.document(*digest)?;
            root::realise(&layout, top, of.arch, (id, key), tools)
        }
    };
    match world.cancel.is_set() {
        true => Err(interrupted(world)),
        false => done,
    }
}

/// The digests of all that an image of a registry is made of, each of them brought into the store.
pub fn parts(world: &World, of: &ImageRoot) -> Result<Vec<Digest>> {
    let ImageSource::Registry { name, digest } = &of.from else { return Ok(Vec::new()) };
    let repository = Repository::new(world.http()?, &world.mirrors, name);
    root::parts(&Pulled { world, repository, name }, *digest, of.arch)
}

/// Writes an image.
pub(super) fn image(
    world: &World,
    id: DerivationId,
    image: &Image,
    inputs: &Inputs,
    key: Digest,
) -> Result<Realisation> {
    let vars = match &image.base {
        Some(base) => base_vars(world, base, inputs)?,
        None => String::new(),
    };
    let files = image.files.iter().map(|(path, from)| Ok((&**path, inputs.object(from)?)));
    let contents = write::Contents {
        arch: image.arch,
        base: image.base.as_ref().map(|base| inputs.object(base)).transpose()?.map(|base| base.digest()),
        base_vars: &vars,
        files: files.collect::<Result<Vec<_>>>()?,
        settings: &image.settings,
    };
    let task = world.progress.begin(crate::progress::Step::Build, &world.name(id));
    let going = || match world.cancel.is_set() {
        true => Err(interrupted(world)),
        false => Ok(()),
    };
    let realisation = write::image(&world.store, &contents, (id, key), &going)?;
    task.done(digest_of(&realisation));
    Ok(realisation)
}

/// Writes an index.
pub(super) fn index(
    world: &World,
    id: DerivationId,
    index: &ImageIndex,
    inputs: &Inputs,
    key: Digest,
) -> Result<Realisation> {
    let images = index.images.iter().map(|image| inputs.object(image)).collect::<Result<Vec<_>>>()?;
    write::index(&world.store, &images, &index.name, (id, key))
}

fn digest_of(realisation: &Realisation) -> String {
    realisation.outputs.get("manifest").map(|manifest| manifest.digest().short()).unwrap_or_default()
}

/// An image of a registry, its documents kept in the store.
struct Pulled<'a> {
    world: &'a World,
    repository: Repository<'a>,
    name: &'a ImageName,
}

impl Blobs for Pulled<'_> {
    fn document(&self, digest: Digest, what: What) -> Result<Vec<u8>> {
        let store = &self.world.store;
        if store.has_blob(digest)? {
            return store.read_blob(digest, crate::image::DOCUMENT_LIMIT);
        }
        let bytes = match what {
            What::Manifest => self.repository.manifest(digest)?,
            What::Config => self.repository.config(digest)?,
        };
        let batch = store.batch()?;
        batch.bytes(&bytes)?;
        batch.commit(&[])?;
        Ok(bytes)
    }

    fn layer(&self, layer: &Descriptor) -> Result<File> {
        let store = &self.world.store;
        let size = layer.size.ok_or_else(|| Failure::bug("a layer of a registry without a size"))?;
        if store.has_blob(layer.digest)? {
            return store.open_blob(layer.digest);
        }
        let name = format!("{} {}", self.name.repository, layer.digest.short());
        let task = self.world.progress.begin(crate::progress::Step::Fetch, &name);
        task.expect(size);
        let file = self.repository.layer(store, layer.digest, size, Some(&task))?;
        task.done("");
        Ok(file)
    }

    fn place(&self) -> String {
        format!("`{}`", self.name)
    }
}

/// Says so when an environment lacks the shell that runs a script: not every image has one.
pub(super) fn check_shell(root: &Path, shell: &str, name: &str) -> Result<()> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let dir = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let found = dir.and_then(|dir| {
        let path = shell.trim_start_matches('/');
        rustix::fs::openat2(dir, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
    });
    match found {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            Err(Failure::build(format!("build `{name}` can't run: its environment has no `{shell}`"))
                .fact("a recipe's script is run by a shell, and this image brings none along")
                .help("take an image with a shell, such as the `-debug` or full variant of the same one"))
        }
        // Whatever else is wrong is said by the run itself.
        _ => Ok(()),
    }
}
