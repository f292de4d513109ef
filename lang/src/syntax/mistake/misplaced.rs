//! Signs and words of the language that stand in the wrong place.

use super::form::RESERVED;
use super::unexpected::BINARY;
use super::{Cause, wrong};
use crate::diagnostic::Diagnostic;
use crate::syntax::tokens::{Kind, Token};

/// Digests that other tools print.
const OTHER_DIGESTS: [&str; 7] = ["sha1", "sha224", "sha384", "sha512", "md5", "blake3", "sha3"];

impl Cause<'_> {
    /// What can be said of a token that no rule takes here, given what is around it.
    pub(super) fn misplaced(&self, here: &Token, before: Option<&Token>) -> Option<Diagnostic> {
        let word = self.str(here);
        let previous = before.map_or("", |before| self.str(before));
        let found = match word {
            "=" => Some(self.equals_sign(here, previous)),
            _ if previous == "as" => self.usable(here),
            _ if previous == "with" => Some(
                wrong("`with` is followed by fields in braces", self.of(here), "expected `{`")
                    .help("write `value with { field = other }`"),
            ),
            ":" => Some(self.colon(here, previous)),
            _ => None,
        };
        found.or_else(|| self.nothing_before(here, before)).or_else(|| {
            let reserved = here.kind == Kind::Word && RESERVED.contains(&word);
            let help = match word {
                "else" | "then" => {
                    "write `if c then a else b`; an `if` inside of a value is written in `(…)`"
                }
                "with" => "write `value with { field = other }`",
                "in" | "for" => {
                    "write `[for name in list: value]`, or `build name for e in list = recipe(e)`"
                }
                "as" => "write `use std.debian as name`",
                _ => "such a word can't be a name",
            };
            reserved.then(|| {
                wrong(format!("`{word}` can't stand here"), self.of(here), "a word of the language")
                    .help(help)
            })
        })
    }

    /// A bracket around a token, as written; empty when there is none.
    fn bracket(&self, here: &Token) -> &str {
        self.enclosing(here).map_or("", |open| self.str(open))
    }

    fn equals_sign(&self, here: &Token, previous: &str) -> Diagnostic {
        if previous == ":" {
            return wrong("no type stands after `:`", self.of(here), "expected a type before this")
                .help("write `let name: String = …`, or leave the `:` out");
        }
        if ["in", "if", ","].contains(&previous) {
            let message = format!("nothing is given after `{previous}`");
            return wrong(message, self.of(here), "expected a value before this")
                .help("write `build name for e in [a, b] if condition = recipe(e)`");
        }
        let help = match self.bracket(here) {
            "{" => {
                "entries are `name = value`, separated by newlines or commas; values are compared with `==`"
            }
            "(" => "an argument is `name = value`; values are compared with `==`",
            _ => "values are compared with `==`; an item gives one name one value",
        };
        let message = if RESERVED.contains(&previous) {
            format!("`{previous}` is a word of the language, not a name")
        } else {
            "`=` where no name is given a value".to_owned()
        };
        wrong(message, self.of(here), "not expected here").help(help)
    }

    fn colon(&self, here: &Token, previous: &str) -> Diagnostic {
        if OTHER_DIGESTS.contains(&previous) {
            let message = format!("a digest is a sha256, not a {previous}");
            let after = self.tokens().find(|token| token.start >= here.end);
            let digits = after.filter(|after| after.start == here.end).map_or(here.end, |after| after.end);
            let whole = self.span(here.start.saturating_sub(previous.len()), digits);
            return wrong(message, whole, "not a digest that pins anything")
                .help("write `sha256:` and the digits that `sha256sum FILE` prints");
        }
        let help = match self.bracket(here) {
            "{" | "(" => "a value is given with `=`: `name = value`",
            _ => "only `let` and parameters have a type written: `let name: Type = value`",
        };
        wrong("`:` where no type is written", self.of(here), "not expected here").help(help)
    }

    /// A token before which a value or a type is missing.
    fn nothing_before(&self, here: &Token, before: Option<&Token>) -> Option<Diagnostic> {
        let before = before?;
        let (word, previous) = (self.str(here), self.str(before));
        if word == "," && matches!(before.kind, Kind::Comma | Kind::Open(_)) {
            let found = wrong("nothing stands before this comma", self.of(here), "one comma too many");
            return Some(found.help("take it out"));
        }
        if previous == ":" && self.bracket(here) != "[" {
            let help = match word {
                "[" => "the type of a list is written `List[Int]`, that of a map `Map[String, Int]`",
                _ => "types begin with a capital: `String`, `List[Env]`, `Int?`",
            };
            return Some(
                wrong(format!("`{word}` is not a type"), self.of(here), "expected a type").help(help),
            );
        }
        let waits = BINARY.contains(&previous) || previous == "=";
        (waits && matches!(here.kind, Kind::Close(_))).then(|| {
            let message = format!("nothing is given after `{previous}`");
            wrong(message, self.of(here), "expected a value before this")
                .help("write the value, or take the sign out")
        })
    }
}
