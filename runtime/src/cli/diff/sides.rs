//! What is compared: a path on disk, `sha256:…` in the store, or an output of the project, such as `t[bookworm].dist`.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rbld_lang::derivation::InputRef;
use rbld_lang::digest::Digest;

use super::disk;
use crate::cli::args::Running;
use crate::cli::context;
use crate::cli::project::{Fetching, Project, above};
use crate::compare::cause::Context;
use crate::compare::difference::{self, Difference, Entry, Limits, Opener};
use crate::compare::{self, Identity};
use crate::failure::{Doing, Failure, Result};
use crate::progress::Progress;
use crate::schedule::{Standing, standings};
use crate::store::{Object, Store, tree};

/// One of two things that are compared.
pub(super) struct Side {
    /// What it was called.
    pub(super) name: String,
    /// Its digest, where it is in the store.
    pub(super) digest: Option<Digest>,
    what: What,
}

enum What {
    /// A file on disk.
    File(PathBuf),
    /// A folder on disk.
    Folder(PathBuf),
    /// An object of the store.
    Object(Identity),
}

/// Both, and what is known of them.
pub(super) struct Sides {
    /// One.
    pub(super) left: Side,
    /// The other.
    pub(super) right: Side,
    /// What is known of the builds that they come from.
    pub(super) context: Context,
    store: Option<Store>,
}

impl Side {
    /// The word for what it is.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_folder() { "folder" } else { "file" }
    }

    fn is_folder(&self) -> bool {
        match &self.what {
            What::File(_) => false,
            What::Folder(_) => true,
            What::Object(identity) => identity.folder,
        }
    }
}

impl Sides {
    /// Finds what two words mean.
    pub(super) fn find(left: &OsStr, right: &OsStr, store: Option<&Path>) -> Result<Sides> {
        let mut finder = Finder { named: store, store: None, project: None };
        let (left, ours) = finder.side(left)?;
        let (right, theirs) = finder.side(right)?;
        let context = match (&finder.project, ours, theirs) {
            (Some(project), Some(ours), Some(theirs)) => {
                compare::context_of(&project.plan, Some(&ours), Some(&theirs), None)
            }
            _ => Context::default(),
        };
        Ok(Sides { left, right, context, store: finder.store })
    }

    /// How they differ; equal digests and equal paths need no look.
    pub(super) fn compare(&self) -> Result<Difference> {
        let limits = Limits::default();
        if let (What::Object(left), What::Object(right)) = (&self.left.what, &self.right.what)
            && let Some(store) = &self.store
        {
            return if left == right {
                Ok(Difference::default())
            } else {
                compare::between(*left, *right, store, &limits)
            };
        }
        if self.left.is_folder() != self.right.is_folder() {
            return Ok(compare::of_two_kinds(self.left.is_folder()));
        }
        if !self.left.is_folder() {
            return Ok(difference::between_files(
                self.opener(&self.left)?,
                self.opener(&self.right)?,
                &limits,
            ));
        }
        let (ours, theirs) = match (&self.left.what, &self.right.what) {
            (What::Folder(left), What::Folder(right)) => disk::apart(left, right)?,
            _ => (self.listed(&self.left)?, self.listed(&self.right)?),
        };
        let open = |side, index: usize| match side {
            difference::Side::Left => ours.opener(index, self.store.as_ref()),
            difference::Side::Right => theirs.opener(index, self.store.as_ref()),
        };
        Ok(difference::between_entries(&ours.entries, &theirs.entries, &open, &limits))
    }

    fn opener(&self, side: &Side) -> Result<Opener<'_>> {
        match (&side.what, &self.store) {
            (What::File(path) | What::Folder(path), _) => {
                let path = path.clone();
                File::open(&path).doing(|| format!("open `{}`", path.display()))?;
                Ok(Rc::new(move || File::open(&path)))
            }
            (What::Object(identity), Some(store)) => Ok(compare::opener(store, identity.digest)),
            (What::Object(_), None) => Err(Failure::bug("an object of the store without the store")),
        }
    }

    fn listed(&self, side: &Side) -> Result<disk::Listed> {
        match (&side.what, &self.store) {
            (What::File(path) | What::Folder(path), _) => disk::list(path),
            (What::Object(identity), Some(store)) => {
                let entries: Vec<Entry> = compare::entries(store, identity.digest)?;
                Ok(disk::Listed { entries, paths: Vec::new() })
            }
            (What::Object(_), None) => Err(Failure::bug("an object of the store without the store")),
        }
    }
}

/// Opens the store and the project once, and only if a word means something of theirs.
struct Finder<'f> {
    named: Option<&'f Path>,
    store: Option<Store>,
    project: Option<Project>,
}

impl Finder<'_> {
    /// What a word means; of an output of the project also which.
    fn side(&mut self, word: &OsStr) -> Result<(Side, Option<InputRef>)> {
        let name = word.to_string_lossy().into_owned();
        let path = Path::new(word);
        if let Ok(found) = std::fs::metadata(path) {
            let what = match () {
                () if found.is_file() => What::File(path.to_owned()),
                () if found.is_dir() => What::Folder(path.to_owned()),
                () => return Err(Failure::input(format!("`{name}` is neither a file nor a folder"))),
            };
            return Ok((Side { name, digest: None, what }, None));
        }
        if let Ok(digest) = name.strip_prefix("sha256:").unwrap_or(&name).parse::<Digest>() {
            let identity = self.object(digest)?;
            return Ok((Side { name, digest: Some(digest), what: What::Object(identity) }, None));
        }
        if name.contains('/') || above()?.is_none() || name.ends_with(".lock") {
            return Err(Failure::input(format!("there is no `{name}`")).help(
                "name a file, a folder, an object of the store by `sha256:…`, or, inside a project, an output: `t[bookworm].dist`",
            ));
        }
        let (object, output) = self.output(&name)?;
        let what = What::Object((&object).into());
        Ok((Side { name, digest: Some(object.digest()), what }, Some(output)))
    }

    fn store(&mut self) -> Result<&Store> {
        if self.store.is_none() {
            self.store = Some(context::store(self.named)?);
        }
        self.store.as_ref().ok_or_else(|| Failure::bug("a store that was opened isn't open"))
    }

    /// A digest names a folder if its bytes are a folder's message; the empty file is a file.
    fn object(&mut self, digest: Digest) -> Result<Identity> {
        let store = self.store()?;
        if !store.has_blob(digest)? {
            return Err(Failure::input(format!("the store has no sha256:{digest}"))
                .help("`rbld check --format json` and `rbld build` name the digests of what they made"));
        }
        let folder = digest != Digest::of(b"") && tree::read_one(store, digest).is_ok();
        Ok(Identity { folder, digest })
    }

    /// An output of the project that is in the store.
    fn output(&mut self, name: &str) -> Result<(Object, InputRef)> {
        if self.project.is_none() {
            let file = above()?
                .ok_or_else(|| Failure::input("there is no `build.rbld` here or in a folder above"))?;
            self.project = Some(Project::load(&file, self.named, Fetching::No)?);
        }
        let store = self.store()?.clone();
        let Some(project) = &self.project else {
            return Err(Failure::bug("a project that was read isn't there"));
        };
        if project.has_errors() {
            return Err(Failure::input(format!(
                "`{}` has errors, so `{name}` means nothing yet",
                project.file
            ))
            .help("`rbld plan` shows them"));
        }
        let (build, output) = split(name);
        let ids = project.named(build);
        let [id] = ids[..] else {
            return Err(match ids.len() {
                0 => project.unknown(build),
                count => Failure::input(format!("`{build}` is {count} builds"))
                    .help(format!("name one: `{build}[…].{}`", output.unwrap_or("OUTPUT"))),
            });
        };
        let world = context::world(project, store, &Running::default(), Progress::silent())?;
        let Some(Standing::Cached(made)) = standings(&project.plan, &world)?.remove(&id) else {
            return Err(Failure::input(format!("`{build}` isn't in the store"))
                .help(format!("build it: `rbld build '{build}'`")));
        };
        let known: Vec<&str> = made.outputs.keys().map(String::as_str).collect();
        let output = match (output, &known[..]) {
            (Some(output), _) => output,
            (None, [only]) => only,
            (None, _) => {
                return Err(Failure::input(format!("`{build}` has several outputs")).help(format!(
                    "name one: {}",
                    known.iter().map(|one| format!("`{build}.{one}`")).collect::<Vec<_>>().join(", ")
                )));
            }
        };
        let Some(object) = made.outputs.get(output) else {
            return Err(Failure::input(format!("`{build}` has no output `{output}`"))
                .help(format!("it has {}", known.join(", "))));
        };
        Ok((*object, InputRef { derivation: id, output: output.into() }))
    }
}

/// `t[bookworm].dist` is the output `dist` of `t[bookworm]`; a point inside brackets is none.
fn split(name: &str) -> (&str, Option<&str>) {
    let after = name.rfind(']').map_or(0, |at| at + 1);
    match name[after..].rfind('.') {
        Some(at) => (&name[..after + at], Some(&name[after + at + 1..])),
        None => (name, None),
    }
}
