//! What a report in a file tells beside the verdicts, gathered once a run has ended: how all that was needed stands, the ends of
//! logs, what environments are made of.

use std::collections::BTreeSet;
use std::io::{Read as _, Seek as _, SeekFrom};

use rbld_lang::derivation::{Derivation, DerivationId};

use super::check::Ran;
use super::graph;
use super::project::Project;
use crate::fetch::date::instant;
use crate::report::graph::{Graph, State};
use crate::report::{Locked, Log};
use crate::schedule::{How, Outcome, Standing, standings};
use crate::store::{Realisation, Store};

/// Bytes of a log that are kept: of what failed, and of what was made.
const KEPT: (u64, u64) = (24 << 10, 4 << 10);

/// It.
pub(super) struct Beside {
    pub graph: Graph,
    pub ids: Vec<DerivationId>,
    pub logs: Vec<Log>,
    pub locked: Vec<Locked>,
}

impl Beside {
    /// Gathers it for the targets of a run and all that they need.
    pub(super) fn gather(project: &Project, ran: &Ran, targets: &[DerivationId]) -> Beside {
        let plan = &project.plan;
        let mut marked: BTreeSet<DerivationId> = BTreeSet::new();
        let mut todo = targets.to_vec();
        while let Some(id) = todo.pop() {
            if marked.insert(id) {
                todo.extend(plan.derivations.get(&id).into_iter().flat_map(Derivation::needs));
            }
        }
        let ids: Vec<DerivationId> =
            plan.derivations.keys().copied().filter(|id| marked.contains(id)).collect();
        // What a cached build would have needed was not asked for; a store that can't be read now costs only this.
        let standings = standings(plan, &ran.world).unwrap_or_default();
        let graph =
            graph::of(plan, &ids, &ran.world.names, |id| match (ran.outcomes.get(&id), standings.get(&id)) {
                (Some(Outcome::Ready { realisation, how: How::Made }), _) => {
                    (State::Made, graph::tenths(realisation))
                }
                (Some(Outcome::Ready { realisation, .. }), _)
                | (None, Some(Standing::Cached(realisation))) => (State::Cached, graph::tenths(realisation)),
                (Some(Outcome::Failed(_)), _) => (State::Failed, None),
                (Some(Outcome::Blocked(_) | Outcome::Skipped), _) => (State::Missing, None),
                (None, _) => (State::Unneeded, None),
            });
        let logs = logs(project, ran, &ids);
        let realised = |id: DerivationId| match (ran.outcomes.get(&id), standings.get(&id)) {
            (Some(Outcome::Ready { realisation, .. }), _) | (_, Some(Standing::Cached(realisation))) => {
                Some(realisation)
            }
            _ => None,
        };
        let locked = ids.iter().filter_map(|id| {
            let name = ran.world.name(*id);
            made_of(name, plan.derivations.get(id)?, realised(*id))
        });
        let locked = locked.collect();
        Beside { graph, ids, logs, locked }
    }
}

/// The ends of logs: what failed, then what was made.
fn logs(project: &Project, ran: &Ran, ids: &[DerivationId]) -> Vec<Log> {
    let mut logs = [Vec::new(), Vec::new()];
    for id in ids {
        let failed = match ran.outcomes.get(id) {
            Some(Outcome::Failed(_)) => true,
            Some(Outcome::Ready { how: How::Made, .. }) => false,
            _ => continue,
        };
        let runs = !matches!(project.plan.derivations.get(id), Some(Derivation::Fetch(_)) | None);
        let kept = if failed { KEPT.0 } else { KEPT.1 };
        if let Some((cut, text)) =
            end(&ran.world.store, *id, kept).filter(|(_, text)| runs && !text.trim().is_empty())
        {
            let name = ran.world.name(*id);
            logs[usize::from(!failed)].push(Log { id: *id, name, failed, cut, text });
        }
    }
    logs.concat()
}

/// The end of a log, without what is for a terminal alone; whether something goes before it.
fn end(store: &Store, id: DerivationId, most: u64) -> Option<(bool, String)> {
    let mut file = std::fs::File::open(store.log_path(id)).ok()?;
    let length = file.metadata().ok()?.len();
    let cut = length > most;
    if cut {
        file.seek(SeekFrom::Start(length - most)).ok()?;
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    let text = plain(&String::from_utf8_lossy(&bytes));
    let text = match text.split_once('\n') {
        // The first line is a part of one.
        Some((_, rest)) if cut => rest.to_owned(),
        _ => text,
    };
    Some((cut, text))
}

/// A log without sequences that colour, and with a line for each state of a line that was written over.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' if letters.peek() == Some(&'[') => {
                letters.next();
                while let Some(letter) = letters.next_if(|letter| !('@'..='~').contains(letter)) {
                    // A line's end is never part of a sequence.
                    if letter == '\n' {
                        plain.push('\n');
                        break;
                    }
                }
                letters.next_if(|letter| ('@'..='~').contains(letter));
            }
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' => plain.push('\n'),
            other => plain.push(other),
        }
    }
    plain
}

/// What an environment is made of; nothing of what is none.
fn made_of(name: String, derivation: &Derivation, realised: Option<&Realisation>) -> Option<Locked> {
    let tree = realised.and_then(|realised| realised.outputs.get("out")).map(crate::store::Object::digest);
    let (of, packages) = match derivation {
        Derivation::Environment(environment) => {
            let archive = &environment.archive;
            let of = format!("{} {}, {}", archive.name, instant(archive.instant), environment.arch.name());
            let version = |package: &rbld_lang::derivation::Package| {
                (format!("{}:{}", package.name, package.arch), package.version.clone())
            };
            (of, environment.packages.iter().map(version).collect())
        }
        Derivation::Guix(guix) => {
            let item = |item: &rbld_lang::derivation::GuixItem| match item.name().split_once('-') {
                Some((hash, name)) => (name.to_owned(), hash.to_owned()),
                None => (item.name().to_owned(), String::new()),
            };
            (format!("Guix, {}", guix.arch.name()), guix.items.iter().map(item).collect::<Vec<_>>())
        }
        Derivation::ImageRoot(root) => {
            (super::plan::what(derivation) + &format!(", {}", root.arch.name()), Vec::new())
        }
        _ => return None,
    };
    Some(Locked { name, of, tree, packages })
}
