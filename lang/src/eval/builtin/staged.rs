//! Stages: environments in which packages that builds made stand for those of a distribution.

use std::sync::Arc;

use super::tower;
use crate::codes;
use crate::eval::{Eval, Evaluator, Stop};
use crate::span::Span;
use crate::value::{Env, EnvSource, Staged, Value};

/// How many stages may lie over one another. Their derivations each hold all that is below.
const LAYERS: u32 = 100;

impl Evaluator<'_> {
    /// `core.staged(base, packages, add)`.
    pub(super) fn staged(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let (Some(Value::Env(base)), Some(Value::List(packages))) = (args.first(), args.get(1)) else {
            return Err(Stop);
        };
        let add = self.package_names(args.get(2), span)?;
        if packages.is_empty() {
            return self.stop(
                codes::ARGUMENTS,
                "`staged` is given no packages",
                span,
                "nothing to put in",
                "name outputs of builds that hold `.deb` files: `packages = [first.debs]`",
            );
        }
        let layers = match &base.source {
            EnvSource::Packages(_) => 1,
            EnvSource::Staged(below) => below.layers.saturating_add(1),
            EnvSource::Guix { .. } => {
                return self.stop(
                    codes::ARGUMENTS,
                    "packages of Guix lie below packages of a distribution",
                    span,
                    "no `.deb` files to replace there",
                    "stage the distribution's environment first: `guix.on(base = staged, …)`",
                );
            }
            EnvSource::Image(_) => {
                return self.stop(
                    codes::TYPE,
                    "an image can't be staged: nothing says which packages it is made of",
                    span,
                    "an environment of an image",
                    "stage an environment of an archive: `debian.snapshot(…).env(…)`",
                );
            }
        };
        if layers > LAYERS {
            return self.stop(
                codes::TOO_DEEP,
                format!("more than {LAYERS} stages lie over one another here"),
                span,
                "given up here",
                "put all packages of a stage into the environment of the lock, not into that of the stage before",
            );
        }
        let depth = packages.iter().map(tower).max().unwrap_or(0).max(base.depth());
        self.tower(depth, span)?;
        let span = self.place(span);
        let packages = packages.to_vec();
        let source = EnvSource::Staged(Staged { base: base.clone(), packages, add, layers, depth });
        Ok(Value::Env(Arc::new(Env { source, span, name: None })))
    }
}
