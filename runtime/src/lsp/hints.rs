//! What is shown inside a text beside each environment, input and build: whether it is locked, and whether its
//! result is in the store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI32;
use std::sync::{Arc, Mutex};

use lsp_types::Position;
use rbld_lang::derivation::DerivationId;
use rbld_lang::diagnostic::Diagnostic;
use rbld_lang::plan::{ItemKind, Plan};
use rbld_lang::span::Span;
use rbld_lang::value::Value;
use rbld_lang::{Evaluated, Project, codes};

use super::text::Lines;
use crate::config::Config;
use crate::executor::{Cancel, Embedded};
use crate::failure::Result;
use crate::fetch::mirrors::Mirrors;
use crate::progress::Progress;
use crate::schedule::{Standing, World, standings};
use crate::store::Store;

/// A few words behind a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hint {
    /// Where.
    pub at: Position,
    /// The words.
    pub words: String,
}

/// The store, where there is one: an editor makes none.
pub(super) struct States {
    named: Option<PathBuf>,
    store: Option<Store>,
}

impl States {
    /// The store that the command line, the environment or the user's folder names.
    pub(super) fn new(named: Option<&Path>) -> States {
        States { named: named.map(Path::to_owned), store: None }
    }

    fn store(&mut self) -> Option<Store> {
        if self.store.is_none() {
            let root = match &self.named {
                Some(root) => root.clone(),
                None => Store::default_root().ok()?,
            };
            if root.join("objects").is_dir() {
                self.store = Store::open(&root).ok();
            }
        }
        self.store.clone()
    }

    fn standings(&mut self, folder: &Path, plan: &Plan) -> BTreeMap<DerivationId, Standing> {
        let Some(store) = self.store() else { return BTreeMap::new() };
        let known = || -> Result<BTreeMap<DerivationId, Standing>> {
            let config = Config::load(Some(folder))?;
            let world = World {
                http: Arc::new(Mutex::new(None)),
                executor: Box::new(Embedded::new()),
                mirrors: Mirrors::from_machine(&config),
                store,
                project: folder.to_owned(),
                progress: Progress::silent(),
                cancel: Cancel::new()?,
                signal: Arc::new(AtomicI32::new(0)),
                offline: true,
                keep_failed: false,
                cores: 1,
                names: BTreeMap::new(),
            };
            standings(plan, &world)
        };
        known().unwrap_or_default()
    }
}

/// The hints of a project's main file.
pub(super) fn of(
    states: &mut States,
    folder: &Path,
    project: &Project,
    evaluated: &Evaluated,
    plan: &Plan,
    diagnostics: &[Diagnostic],
) -> Vec<Hint> {
    let standings = states.standings(folder, plan);
    let root = &project.modules[0];
    let lines = Lines::new(&project.sources.get(root.file).text);
    let mut hints = Vec::new();
    for item in &root.ast.items {
        let (kind, name) = match &item.kind {
            rbld_lang::syntax::ast::ItemKind::Env { name, .. } => (ItemKind::Env, name),
            rbld_lang::syntax::ast::ItemKind::Build { name, .. } => (ItemKind::Build, name),
            rbld_lang::syntax::ast::ItemKind::Input { name, .. } => (ItemKind::Input, name),
            _ => continue,
        };
        let ids: Vec<DerivationId> =
            plan.names.iter().filter(|named| named.span == name.span).map(|named| named.id).collect();
        let words = match evaluated.values.get(name.node.as_str()) {
            None => continue,
            Some(value) if ids.is_empty() => match unlocked(value, evaluated, diagnostics) {
                Some(words) => words.to_owned(),
                None => continue,
            },
            Some(_) => {
                let state = state(&ids, &standings);
                if kind == ItemKind::Env { format!("locked, {state}") } else { state }
            }
        };
        hints.push(Hint { at: lines.position(name.span.end), words });
    }
    hints
}

/// How many of some derivations are in the store.
fn state(ids: &[DerivationId], standings: &BTreeMap<DerivationId, Standing>) -> String {
    let cached = ids.iter().filter(|id| matches!(standings.get(id), Some(Standing::Cached(_)))).count();
    match cached {
        0 => "to build".to_owned(),
        all if all == ids.len() => "in store".to_owned(),
        some => format!("{some} of {} in store", ids.len()),
    }
}

/// Why something has no derivation: its lock is stale, or it has none.
fn unlocked(value: &Value, evaluated: &Evaluated, diagnostics: &[Diagnostic]) -> Option<&'static str> {
    let mut env = match value {
        Value::Env(env) => env,
        Value::Build(_) | Value::Matrix(_) | Value::Output(_) => return Some("needs a lock"),
        _ => return None,
    };
    // What stands on another environment is locked with that.
    let asked = loop {
        match env.request() {
            Some(request) => break request,
            None => env = env.base()?,
        }
    };
    let place = evaluated.requests.iter().find(|(request, _)| *request == **asked).map(|(_, span)| *span);
    let stale = |place: Span| {
        let of_place = |diagnostic: &&Diagnostic| {
            diagnostic.code == codes::LOCK && diagnostic.labels.iter().any(|label| label.span == place)
        };
        diagnostics.iter().find(of_place).is_some_and(|diagnostic| diagnostic.message.contains("stale"))
    };
    Some(if place.is_some_and(stale) { "lock is stale" } else { "not locked" })
}
