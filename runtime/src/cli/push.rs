//! `rbld push`: builds an image and gives a registry what it lacks of it.

use std::path::Path;
use std::sync::Arc;

use rbld_lang::derivation::{Derivation, DerivationId, ImageName};
use rbld_lang::digest::Digest;

use super::args;
use super::project::{Fetching, Project, choose};
use super::{check, output};
use crate::display::Screen;
use crate::failure::{Failure, Kind, Result};
use crate::fetch::registry::{Document, Repository, push};
use crate::image::DOCUMENT_LIMIT;
use crate::image::manifest::{self, media};
use crate::image::write::blobs_of;
use crate::progress::Step;
use crate::schedule::Outcome;
use crate::store::tree;
use crate::store::{Blob, Object, Store};

/// Pushes what is named.
pub(super) fn run(store: Option<&Path>, args: &args::Push) -> Result<i32> {
    let Some((to, words)) = args.words.split_last().filter(|(_, words)| !words.is_empty()) else {
        return Err(Failure::input("nothing says what to push where")
            .help("name an image and where it goes: `rbld push image registry.example/team/tool:1.0`"));
    };
    let to = ImageName::parse(to).map_err(|error| {
        Failure::input(format!("`{to}` isn't where an image can go: it {}", error.why)).help(error.help)
    })?;
    if args.running.offline {
        return Err(Failure::input("a push needs the network").help("leave out `--offline`"));
    }
    let chosen = choose(words)?;
    let project =
        Project::load(&chosen.file, store, Fetching::unless(args.running.offline, &args.running.from))?;
    if check::refused(&project, args::ReportFormat::Text) {
        return Ok(2);
    }
    let id = target(&project, &chosen.names)?;
    let ran = check::realise(&project, store, &[id], &args.running)?;
    let Some(Outcome::Ready { realisation, .. }) = ran.outcomes.get(&id) else {
        let failed = ran.failed(&project);
        output::failures(&failed);
        return Ok(failed.first().map_or(3, |failed| failed.failure.exit_code()));
    };
    let (Some(layout), Some(manifest)) =
        (realisation.outputs.get("layout"), realisation.outputs.get("manifest"))
    else {
        return Err(Failure::bug("an image without its outputs"));
    };
    let (blobs, documents) = parts(&ran.world.store, layout, manifest.digest())?;
    let screen = Screen::on_stderr(false);
    let task = Arc::new(screen.progress().begin(Step::Push, &to.to_string()));
    let repository = Repository::new(ran.world.http()?, &ran.world.mirrors, &to);
    let pushed = push(&repository, &ran.world.store, &blobs, &documents, &task);
    let pushed = match pushed {
        Err(failure) if matches!(failure.kind, Kind::World) => {
            return Err(failure.fact(format!("pushing `{}` to {to}", ran.world.name(id))));
        }
        other => other?,
    };
    if let Some(task) = Arc::into_inner(task) {
        task.done(format!("{} sent, {} there", pushed.sent, pushed.there));
    }
    screen.finish();
    output::line(&format!("{}/{}@sha256:{}", to.host, to.repository, manifest.digest()));
    Ok(0)
}

/// The one image that is meant.
fn target(project: &Project, names: &[String]) -> Result<DerivationId> {
    let [name] = names else {
        return Err(Failure::input(match names.len() {
            0 => "nothing says what to push".to_owned(),
            _ => "one image is pushed at a time".to_owned(),
        })
        .help("name an image and where it goes: `rbld push image registry.example/team/tool:1.0`"));
    };
    let ids = project.named(name);
    let [id] = ids.as_slice() else {
        return Err(match ids.len() {
            0 => project.unknown(name),
            several => Failure::input(format!("`{name}` is {several} builds"))
                .help(format!("name one of its cells: `{name}[key]`")),
        });
    };
    match project.plan.derivations.get(id) {
        Some(Derivation::Image(_) | Derivation::ImageIndex(_)) => Ok(*id),
        _ => Err(Failure::input(format!("`{name}` is no image"))
            .help("an image is made by `oci.build_image`, an index of several by `oci.index`")),
    }
}

/// The blobs of an image, and its manifests in the order in which they are pushed: the one that leads to all last.
fn parts(store: &Store, layout: &Object, top: Digest) -> Result<(Vec<Blob>, Vec<Document>)> {
    let folder = tree::read(store, layout.digest())?;
    let mut documents = Vec::new();
    let mut open = vec![top];
    let mut known: Vec<Digest> = Vec::new();
    while let Some(digest) = open.pop() {
        let bytes = store.read_blob(digest, DOCUMENT_LIMIT)?;
        let media_type = match manifest::document(&bytes)? {
            manifest::Document::Index(entries) => {
                open.extend(entries.iter().map(|entry| entry.descriptor.digest));
                media::INDEX
            }
            manifest::Document::Manifest(_) => media::MANIFEST,
        };
        known.push(digest);
        documents.push(Document { media_type: media_type.to_owned(), bytes });
    }
    documents.reverse();
    let blobs = blobs_of(&folder).into_iter().filter(|blob| !known.contains(&blob.digest)).collect();
    Ok((blobs, documents))
}
