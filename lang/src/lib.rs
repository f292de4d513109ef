//! The rbld language: text in, a [`plan::Plan`] out.
//!
//! Pure: no file, clock, environment variable or process is touched here; whatever comes
//! from outside comes through `loader::Loader`. The path of data is
//! `syntax::parse` → `resolve::resolve` → `check::check` → `eval::instantiate`.

pub mod derivation;
pub mod diagnostic;
pub mod digest;
pub mod lock;
pub mod plan;
pub mod span;
pub mod syntax;
