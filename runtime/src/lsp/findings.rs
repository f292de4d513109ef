//! What is wrong, and what is locked and in the store: found in a thread of its own, for the newest texts only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender};
use lsp_types::{
    CodeDescription, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location,
    NumberOrString, TextEdit,
};
use rbld_lang::diagnostic::{Diagnostic, Severity};
use rbld_lang::span::{FileId, Span};
use rbld_lang::syntax::ast::Item;
use rbld_lang::{codes, package};

use super::hints::{self, Hint, States};
use super::place::{Shelf, uri};
use super::text::Lines;
use super::workspace::{Documents, Reader, Root, path_of, shown_at};

/// What is to be looked at.
pub(super) struct Job {
    /// The number of the texts; a later one makes this one stale.
    pub number: u64,
    /// The open documents.
    pub documents: Documents,
    /// Whether something on disk may have changed.
    pub disk: bool,
}

/// What was found, by file.
pub(super) struct Found {
    /// The number of the job.
    pub number: u64,
    /// The findings; every file that belongs to a project that is open has an entry.
    pub files: BTreeMap<PathBuf, Vec<Finding>>,
    /// What is shown inside the texts.
    pub hints: BTreeMap<PathBuf, Vec<Hint>>,
}

/// One finding, as the editor shows it, with what mends it.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// As it is shown.
    pub shown: lsp_types::Diagnostic,
    /// The edits that its help names.
    pub fixes: Vec<Edit>,
    /// Whether `rbld lock` mends it, and for which file.
    pub lock: Option<PathBuf>,
    /// Whether `rbld update` mends it, for which file and by which name.
    pub update: Option<(PathBuf, String)>,
}

/// An edit of one file.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// What it does.
    pub title: String,
    /// The file.
    pub path: PathBuf,
    /// The edit.
    pub edit: TextEdit,
}

/// Looks at one job after another until nobody asks any more.
pub(super) fn run(
    jobs: &Receiver<Job>,
    found: &Sender<Found>,
    newest: &Arc<AtomicU64>,
    shelf: &Shelf,
    store: Option<&Path>,
) {
    let root = store.map_or_else(crate::store::Store::default_root, |root| Ok(root.to_owned()));
    let mut reader = Reader::new(crate::packages::Packages::new(root.ok()));
    let mut states = States::new(store);
    while let Ok(mut job) = jobs.recv() {
        let mut disk = job.disk;
        while let Ok(newer) = jobs.try_recv() {
            disk |= newer.disk;
            job = newer;
        }
        if disk {
            reader.forget_locals();
        }
        let number = job.number;
        let stopped = move |newest: &AtomicU64| newest.load(Ordering::SeqCst) != number;
        if let Some(result) = look(&mut reader, &mut states, &job, shelf, &|| stopped(newest))
            && found.send(result).is_err()
        {
            return;
        }
    }
}

/// Looks at all projects that have an open document; `None` when a newer text came meanwhile.
fn look(
    reader: &mut Reader,
    states: &mut States,
    job: &Job,
    shelf: &Shelf,
    stopped: &dyn Fn() -> bool,
) -> Option<Found> {
    let mut roots: Vec<Root> = Vec::new();
    for path in job.documents.keys() {
        if let Some(root @ Root::File(..)) = reader.root_of(path, &job.documents, shelf)
            && !roots.contains(&root)
        {
            roots.push(root);
        }
    }
    let mut found = Found { number: job.number, files: BTreeMap::new(), hints: BTreeMap::new() };
    for root in &roots {
        if stopped() {
            return None;
        }
        one(reader, states, root, job, shelf, stopped, &mut found);
    }
    // A file that two projects use has the findings of both, each once.
    if roots.len() > 1 {
        for findings in found.files.values_mut() {
            let mut known: Vec<Finding> = Vec::with_capacity(findings.len());
            for finding in findings.drain(..) {
                if !known.iter().any(|known| known.shown == finding.shown) {
                    known.push(finding);
                }
            }
            *findings = known;
        }
    }
    (!stopped()).then_some(found)
}

fn one(
    reader: &mut Reader,
    states: &mut States,
    root: &Root,
    job: &Job,
    shelf: &Shelf,
    stopped: &dyn Fn() -> bool,
    found: &mut Found,
) {
    let (Root::File(folder, name), Some(arch)) = (root, crate::executor::host_arch()) else { return };
    let host = rbld_lang::Host { arch };
    let lock_path = crate::files::lock_path(folder, name);
    let lock_text = std::fs::read_to_string(&lock_path).ok();
    let lock = lock_text.as_deref().map(rbld_lang::lock::parse);
    reader.load(root, &job.documents, stopped, |project, loader| {
        let evaluated = rbld_lang::evaluate(&project, loader, &host);
        let mut diagnostics = evaluated.diagnostics.clone();
        let top = Span { file: FileId(0), start: 0, end: 0 };
        let lock = match lock {
            Some(Err(error)) => {
                let message = format!("`{}`, line {}: {}", lock_path.display(), error.line, error.message);
                let wrong = Diagnostic::error(codes::LOCK, message, top, "can't be read");
                let help = "take the lock from a commit where it was right, or delete it and run `rbld lock`";
                diagnostics.push(wrong.help(help));
                None
            }
            Some(Ok(lock)) => Some(Some(lock)),
            None => Some(None),
        };
        let mut plan = None;
        if let Some(lock) = lock {
            let (made, more) = rbld_lang::instantiate(&evaluated, lock.as_ref(), &host);
            diagnostics.extend(more);
            plan = Some(made);
        }
        if stopped() {
            return;
        }
        let lines = project.sources.iter().map(|(_, source)| Lines::new(&source.text)).collect();
        let shown = Shown { root, project: &project, shelf, main: folder.join(name), lines };
        for module in project.modules.iter().filter(|module| !module.std) {
            if let Some(path) = path_of(root, module) {
                found.files.entry(path).or_default();
            }
        }
        for diagnostic in &diagnostics {
            if let Some((path, finding)) = shown.finding(diagnostic) {
                found.files.entry(path).or_default().push(finding);
            }
        }
        if let Some(plan) = plan {
            let hints = hints::of(states, folder, &project, &evaluated, &plan, &diagnostics);
            if let Some(path) = path_of(root, &project.modules[0]) {
                found.hints.insert(path, hints);
            }
        }
    });
}

/// Turns findings into what an editor shows.
struct Shown<'a> {
    root: &'a Root,
    project: &'a rbld_lang::Project,
    shelf: &'a Shelf,
    main: PathBuf,
    /// The lines of each text.
    lines: Vec<Lines<'a>>,
}

impl Shown<'_> {
    fn path(&self, file: FileId) -> Option<PathBuf> {
        let module = self.project.modules.iter().find(|module| module.file == file)?;
        shown_at(self.root, self.project, module, self.shelf)
    }

    fn finding(&self, diagnostic: &Diagnostic) -> Option<(PathBuf, Finding)> {
        let mut labels: Vec<&rbld_lang::diagnostic::Label> = diagnostic.labels.iter().collect();
        // What is wrong inside of a package is shown where the project led there.
        if let Some(own) = labels.iter().position(|label| !self.project.in_library(label.span)) {
            labels[..=own].rotate_right(1);
        }
        let (first, others) = labels.split_first()?;
        let range = |span: Span| {
            self.lines.get(span.file.0 as usize).map_or_else(Default::default, |lines| lines.range(span))
        };
        let related = others.iter().filter_map(|label| {
            let location = Location { uri: uri(&self.path(label.span.file)?)?, range: range(label.span) };
            Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
        });
        let related: Vec<_> = related.collect();
        let code = diagnostic.code.0;
        let message = match &diagnostic.help {
            Some(help) => format!("{}\nhelp: {help}", diagnostic.message),
            None => diagnostic.message.clone(),
        };
        let unused = [codes::UNUSED, codes::NEVER_BUILT].contains(&diagnostic.code);
        let shown = lsp_types::Diagnostic {
            range: range(first.span),
            severity: Some(match diagnostic.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
            }),
            code: Some(NumberOrString::String(code.to_owned())),
            code_description: uri(&self.shelf.explanation(code)).map(|href| CodeDescription { href }),
            source: Some("rbld".to_owned()),
            message,
            related_information: Some(related).filter(|related| !related.is_empty()),
            tags: unused.then(|| vec![DiagnosticTag::UNNECESSARY]),
            data: None,
        };
        let fixes = diagnostic.fixes.iter().filter_map(|fix| {
            let edit = TextEdit { range: range(fix.span), new_text: fix.text.clone() };
            Some(Edit { title: fix.title.clone(), path: self.path(fix.span.file)?, edit })
        });
        let locks = diagnostic.help.as_ref().is_some_and(|help| help.contains("run `rbld lock`"));
        let lock = (diagnostic.code == codes::LOCK && locks).then(|| self.main.clone());
        let update = (diagnostic.code == codes::UNPINNED).then(|| self.pinned(first.span)).flatten();
        let update = update.map(|name| (self.main.clone(), name));
        Some((self.path(first.span.file)?, Finding { shown, fixes: fixes.collect(), lock, update }))
    }

    /// The name by which `rbld update` knows what isn't pinned at a place: that of the required package, or of the item.
    fn pinned(&self, place: Span) -> Option<String> {
        let module = self.project.modules.iter().find(|module| module.file == place.file);
        let name = match module {
            Some(module) if module.path != package::FILE => {
                let within = |item: &&Item| item.span.start <= place.start && place.end <= item.span.end;
                rbld_lang::check::name_of(module.ast.items.iter().find(within)?)
            }
            _ => self.project.sources.slice(place),
        };
        package::is_name(name).then(|| name.to_owned())
    }
}
