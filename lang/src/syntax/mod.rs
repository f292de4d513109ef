//! From text to syntax tree and back. The only place that sees pest.

pub mod ast;
