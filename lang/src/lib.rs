//! The rbld language: text in, a [`plan::Plan`] out.
//!
//! Pure: no file, clock, environment variable or process is touched here; whatever comes
//! from outside comes through [`loader::Loader`]. The path of data is
//! [`load`] (parses and follows `use`) → [`evaluate`] (resolves, checks, evaluates) →
//! [`instantiate`] (joins the values with the lock).

pub mod by_name;
pub mod channels;
pub mod check;
pub mod codes;
pub mod derivation;
pub mod diagnostic;
pub mod digest;
pub mod docs;
pub mod eval;
pub mod examples;
pub mod fmt;
pub mod graph;
pub mod ir;
pub mod layout;
pub mod loader;
pub mod lock;
pub mod nearest;
pub mod package;
pub mod plan;
pub mod session;
pub mod span;
pub mod syntax;
pub mod types;
pub mod unchanged;
pub mod value;
pub mod vary;

pub use eval::instantiate::{derivations, instantiate};
pub use eval::{Evaluated, Host, evaluate};
pub use loader::{Loader, Project, load, load_again, load_library};
