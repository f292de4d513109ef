//! From values and a lock to a plan.

use crate::diagnostic::Diagnostic;
use crate::eval::{Evaluated, Host};
use crate::lock::Lock;
use crate::plan::Plan;

/// The plan of what was evaluated, with what the lock knows; and what is missing from the lock or stale in it.
pub fn instantiate(_evaluated: &Evaluated, _lock: Option<&Lock>, _host: &Host) -> (Plan, Vec<Diagnostic>) {
    (Plan::default(), Vec::new())
}
