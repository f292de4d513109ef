//! `rbld build`: realises builds and puts their outputs, with `SHA256SUMS`, into a folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rbld_lang::derivation::{Derivation, DerivationId, OutputSpec};

use super::args::{self, ReportFormat};
use super::project::{Fetching, Project, choose};
use super::{check, context, output};
use crate::failure::{Doing, Failure, Result};
use crate::report::Report;
use crate::schedule::Outcome;
use crate::store::{Object, Store, tree};

/// A part of an output, and where it goes in the folder.
struct Placed {
    to: PathBuf,
    what: What,
}

enum What {
    /// A file: where it is in the store, and its object.
    File(PathBuf, Object),
    /// A symbolic link, which leads nowhere out of its output.
    Link(String),
}

/// Builds what is named, everything when nothing is.
pub(super) fn run(store: Option<&Path>, args: &args::Build) -> Result<i32> {
    let now = context::now(&args.running)?;
    let chosen = choose(&args.target.words)?;
    let fetching = Fetching::unless(args.running.offline, &args.running.from);
    let project = Project::load(&chosen.file, store, fetching)?;
    if check::refused(&project, args.format) {
        return Ok(2);
    }
    let targets = targets(&project, &chosen.names)?;
    let ran = check::realise(&project, store, &targets, &args.running)?;
    let mut wanted = Vec::new();
    for id in &targets {
        if let (Some(Outcome::Ready { realisation, .. }), Some(derivation)) =
            (ran.outcomes.get(id), project.plan.derivations.get(id))
        {
            let is_env = matches!(
                derivation,
                Derivation::Environment(_) | Derivation::Guix(_) | Derivation::ImageRoot(_)
            );
            if is_env && args.output.is_some() {
                return Err(Failure::input(format!(
                    "`{}` is an environment, not files",
                    ran.world.name(*id)
                ))
                .help("name builds or inputs, or leave `-o` out to only realise it"));
            }
            if !is_env {
                wanted.extend(paths(
                    &ran.world.store,
                    &ran.world.name(*id),
                    derivation,
                    &realisation.outputs,
                )?);
            }
        }
    }
    if let Some(folder) = &args.output {
        let sums = place(folder, &wanted)?;
        if args.format == ReportFormat::Text {
            output::text(&sums);
        }
    } else if args.format == ReportFormat::Text {
        for placed in &wanted {
            if let What::File(_, object) = &placed.what {
                output::line(&format!("{}  {}", object.digest(), placed.to.display()));
            }
        }
    }
    let (realised, failed) = (ran.realised(&project), ran.failed(&project));
    let report = Report {
        sources: &project.lang.sources,
        diagnostics: &project.diagnostics,
        derivations: &realised,
        comparisons: None,
        failures: &failed,
        now: Some(now),
    };
    if args.format == ReportFormat::Text {
        output::failures(&failed);
    }
    check::print(&report, &project, args.format);
    Ok(report.exit_code())
}

fn targets(project: &Project, names: &[String]) -> Result<Vec<DerivationId>> {
    if names.is_empty() {
        let builds = project.builds();
        if builds.is_empty() {
            return Err(Failure::input(format!("`{}` has no build", project.file))
                .help("add one: `build b = my_recipe(my_env)`"));
        }
        return Ok(builds);
    }
    let mut targets = Vec::new();
    for name in names {
        let ids = project.named(name);
        if ids.is_empty() {
            return Err(project.unknown(name));
        }
        targets.extend(ids.into_iter().filter(|id| !targets.contains(id)).collect::<Vec<_>>());
    }
    Ok(targets)
}

/// Where each file of a build's outputs goes in the folder, and where it is in the store.
fn paths(
    store: &Store,
    name: &str,
    derivation: &Derivation,
    outputs: &BTreeMap<String, Object>,
) -> Result<Vec<Placed>> {
    let top = PathBuf::from(folder_name(name));
    let declared = |output: &str| match derivation {
        Derivation::Build(build) => build.outputs.get(output).map(|spec| &**spec),
        _ => None,
    };
    let mut placed: Vec<Placed> = Vec::new();
    let image = matches!(derivation, Derivation::Image(_) | Derivation::ImageIndex(_));
    for (output, object) in outputs {
        // The manifest is in the image's folder already.
        if image && output == "manifest" {
            continue;
        }
        let mut found = Vec::new();
        match object {
            Object::File { .. } => {
                // A file keeps the name that the recipe gave it.
                let file = match declared(output) {
                    Some(OutputSpec::File(path)) => path.rsplit('/').next().unwrap_or(output),
                    _ => output,
                };
                found.push((PathBuf::from(file), What::File(store.ready_file(object)?, *object)));
            }
            Object::Tree { digest, .. } => {
                let root = store.ready(*digest)?;
                for (path, node) in tree::read(store, *digest)?.files() {
                    let what = match node {
                        tree::Node::File { digest, size, executable } => {
                            let object =
                                Object::File { digest: *digest, size: *size, executable: *executable };
                            What::File(root.join(&path), object)
                        }
                        tree::Node::Link { target } => What::Link(target.clone()),
                        tree::Node::Folder(_) => continue,
                    };
                    found.push((PathBuf::from(&path), what));
                }
            }
        }
        // Two outputs with files of one name are kept apart by the outputs' names.
        let clash = found.iter().any(|(path, _)| placed.iter().any(|other| other.to == top.join(path)));
        let folder = if clash { top.join(output) } else { top.clone() };
        placed.extend(found.into_iter().map(|(path, what)| Placed { to: folder.join(path), what }));
    }
    Ok(placed)
}

/// A build's name as one folder's name: `t[bookworm,amd64]` keeps its brackets, slashes don't stay.
fn folder_name(name: &str) -> String {
    name.replace(['/', '\0'], "_")
}

/// Copies the files, then makes the links, so that nothing is written through one, and writes `SHA256SUMS` last: a
/// folder with one is complete. It names the files; what a link leads to is among them.
fn place(folder: &Path, wanted: &[Placed]) -> Result<String> {
    let doing = |path: &Path| format!("write `{}`", path.display());
    std::fs::create_dir_all(folder).doing(|| doing(folder))?;
    let mut sums = String::new();
    for Placed { to: path, what } in wanted {
        let What::File(from, object) = what else { continue };
        let to = folder.join(path);
        let parent = to.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).doing(|| doing(parent))?;
        let mut temporary = tempfile::NamedTempFile::new_in(parent).doing(|| doing(&to))?;
        let mut source = std::fs::File::open(from).doing(|| format!("read `{}`", from.display()))?;
        std::io::copy(&mut source, &mut temporary).doing(|| doing(&to))?;
        let executable = matches!(object, Object::File { executable: true, .. });
        let mode = std::os::unix::fs::PermissionsExt::from_mode(if executable { 0o755 } else { 0o644 });
        temporary.as_file().set_permissions(mode).doing(|| doing(&to))?;
        temporary.persist(&to).map_err(|error| error.error).doing(|| doing(&to))?;
        // The form that `sha256sum -c` reads; a name with a backslash or newline is escaped as it expects.
        let name = path.to_string_lossy();
        let escaped = name.replace('\\', "\\\\").replace('\n', "\\n");
        let mark = if escaped == name { "" } else { "\\" };
        let _ = writeln!(sums, "{mark}{}  {escaped}", object.digest());
    }
    for Placed { to: path, what } in wanted {
        let What::Link(target) = what else { continue };
        let to = folder.join(path);
        let parent = to.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).doing(|| doing(parent))?;
        match std::fs::remove_file(&to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).doing(|| doing(&to));
            }
            _ => std::os::unix::fs::symlink(target, &to).doing(|| doing(&to))?,
        }
    }
    let to = folder.join("SHA256SUMS");
    std::fs::write(&to, &sums).doing(|| doing(&to))?;
    Ok(sums)
}
