//! Normal forms of archives made here: what each equality sees and what it doesn't.

use super::*;

fn _unused() {}
