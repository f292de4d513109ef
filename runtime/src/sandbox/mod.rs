//! The sandbox: one process tree that sees a root filesystem, its inputs and nothing else.
//!
//! A helper process, which is the rbld binary itself with one thread ([`helper`], forked by [`helpers`]), makes the
//! namespaces, mounts the root, gives away every privilege and starts the program. What it needs to know comes over a
//! socket ([`protocol`]); what a machine can't grant is named with the setting that would ([`grade`]). Nothing here
//! knows derivations, keys or the store; `executor` drives it.

pub(crate) mod emulation;
mod filesystem;
pub mod grade;
pub mod helper;
pub(crate) mod helpers;
mod privileges;
pub(crate) mod protocol;
mod seccomp;
mod start;
pub(crate) mod sys;
mod syscalls;
mod tracer;

pub use grade::{Feature, Grade, Grant};
pub(crate) use seccomp::Answers;
pub(crate) use tracer::{KNOWN as CAN_TRACE, WATCH};

pub use grade::{probe, probe_with};
