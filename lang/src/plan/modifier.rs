//! What an assertion asks beside its form: which difference is expected, and what counts as equal.
//!
//! Facts of the file alone. Whether a date is past is judged where there is a clock.

use std::fmt;

use crate::span::Span;

/// What is expected of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// That it holds.
    #[default]
    Holds,
    /// `different(…)`: that it doesn't; then equality is the failure.
    Different {
        /// The reason.
        why: String,
        /// The first second since 1970 at which it is no longer expected.
        until: Option<i64>,
        /// Whose matter it is.
        category: Option<Category>,
        /// Who sees to it.
        owner: Option<String>,
    },
    /// `flaky(…)`: that it doesn't always hold; a difference is shown and counted and fails nothing.
    Flaky {
        /// The reason.
        why: String,
        /// Who sees to it.
        owner: String,
    },
}

/// Whose matter a difference is, by the word of whoever looks after the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The sources or their build system would have to change.
    Upstream,
    /// Something in the environment is wrong.
    Environment,
    /// It is what newer inputs give.
    NewerInputs,
}

impl Category {
    /// All of them, in the order of the language's enum.
    pub const ALL: [Category; 3] = [Category::Upstream, Category::Environment, Category::NewerInputs];

    /// Its name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Category::Upstream => "upstream",
            Category::Environment => "environment",
            Category::NewerInputs => "newer_inputs",
        }
    }
}

/// What counts as equal, and why if that is less than the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// What counts as equal.
    pub equality: Equality,
    /// The reason; always there for what is weaker than bytes.
    pub why: Option<String>,
}

impl Default for Relation {
    fn default() -> Relation {
        Relation { equality: Equality::Bytes, why: None }
    }
}

/// What counts as equal. `content` is weaker than `tree`; `deb` is of Debian's packages, between `bytes` and `tree`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Equality {
    /// The same bytes.
    Bytes,
    /// The same trees: names, bytes, executable bits and links, however they are packed.
    Tree,
    /// Of Debian's packages the same trees, with owners and modes; times don't count.
    Deb,
    /// The same contents under the same names.
    Content,
}

impl Equality {
    /// All of them, in the order of the language's enum.
    pub const ALL: [Equality; 4] = [Equality::Bytes, Equality::Tree, Equality::Deb, Equality::Content];

    /// Its name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Equality::Bytes => "bytes",
            Equality::Tree => "tree",
            Equality::Deb => "deb",
            Equality::Content => "content",
        }
    }
}

impl fmt::Display for Equality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the modifiers of an assertion stand, so that an edit can be named exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The share of `at_least`.
    pub at_least: Option<Span>,
    /// `expect = …`, whole.
    pub expect: Option<Span>,
    /// `compare = …`, whole.
    pub compare: Option<Span>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        assert_eq!(
            serde_json::to_value(Category::ALL).unwrap(),
            serde_json::json!(Category::ALL.map(Category::name))
        );
        assert_eq!(
            serde_json::to_value(Equality::ALL).unwrap(),
            serde_json::json!(Equality::ALL.map(Equality::name))
        );
    }
}
