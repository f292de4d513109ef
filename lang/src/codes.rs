//! Every diagnostic code: what it is called and what it means. `rbld explain CODE` prints a row of this table,
//! the rest of the crate names its codes by these constants.

use crate::diagnostic::Code;

/// E0101.
pub const SYNTAX: Code = Code("E0101");
/// E0102.
pub const EDITION: Code = Code("E0102");
/// E0103.
pub const LITERAL: Code = Code("E0103");
/// E0104.
pub const TEXT: Code = Code("E0104");
/// E0105.
pub const TOO_LARGE: Code = Code("E0105");
