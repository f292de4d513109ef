//! Everything of rbld that touches the world: realising a plan and comparing what comes out.

pub mod cli;
pub mod compare;
pub mod config;
pub mod display;
pub mod draft;
pub mod drift;
pub mod environment;
pub mod executor;
pub mod failure;
pub mod fetch;
pub mod files;
pub mod image;
pub mod kept;
pub mod lsp;
pub mod mirror;
pub mod packages;
pub mod packing;
pub mod progress;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod store;
pub mod vary;
pub mod vendor;
