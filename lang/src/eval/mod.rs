//! From checked modules to values, and from values to a plan.

pub mod instantiate;

use crate::derivation::Arch;
use crate::diagnostic::Diagnostic;
use crate::loader::{Loader, Project};
use crate::lock::Request;
use crate::span::Span;

/// What the language is told of the machine it runs on.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its architecture.
    pub arch: Arch,
}

/// What a project came to.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// What must be locked, each once, with the place that first asks for it.
    pub requests: Vec<(Request, Span)>,
    /// Everything found wrong: of loading, checking and evaluating.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks and evaluates a project. Nothing of the lock is needed yet.
pub fn evaluate(project: &Project, _loader: &dyn Loader, _host: &Host) -> Evaluated {
    Evaluated { requests: Vec::new(), diagnostics: project.diagnostics.clone() }
}
