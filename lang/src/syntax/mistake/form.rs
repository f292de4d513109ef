//! The form of each kind of item and of an entry, checked word by word: what is missing after the name.

use super::{Cause, Form, wrong};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::syntax::tokens::{Kind, Token};

/// The words that can't be names.
pub(super) const RESERVED: [&str; 14] =
    ["and", "as", "else", "false", "for", "if", "in", "none", "not", "or", "then", "true", "with", "_"];

impl Cause<'_> {
    /// The first place where the form isn't kept, up to the value.
    pub(super) fn kept(&self) -> Option<Diagnostic> {
        let tokens: Vec<&Token> = self.tokens().collect();
        let first = *tokens.first()?;
        match self.form {
            Form::Item => {}
            Form::Entry | Form::Field => return self.entry(&tokens),
            Form::Expression => return None,
        }
        let rest = &tokens[1..];
        match self.str(first) {
            "use" => self.module(first, rest),
            "assert" | "test" => self.quoted(first, rest),
            "let" | "input" | "env" | "type" => self.named(first, rest),
            "build" => self.name(first, rest).or_else(|| self.build(rest)),
            _ => self.name(first, rest).or_else(|| self.function(first, rest)),
        }
    }

    /// Right after a token.
    fn after(&self, token: &Token) -> Span {
        self.span(token.end, token.end)
    }

    /// A name, where one belongs.
    fn name(&self, before: &Token, rest: &[&Token]) -> Option<Diagnostic> {
        let keyword = self.str(before);
        let form = match keyword {
            "fn" => "(a: Type) -> Type = …",
            "recipe" => "(e: Env) { … }",
            _ => " = …",
        };
        let help = format!("write `{keyword} name{form}`");
        let Some(name) = rest.first() else {
            return Some(
                wrong(format!("`{keyword}` names nothing"), self.of(before), "a name belongs after this")
                    .help(help),
            );
        };
        let written = self.str(name);
        if name.kind != Kind::Word {
            let help = match name.kind {
                Kind::String { .. } => {
                    format!("names stand without quotes: `{keyword} {}`", written.trim_matches('"'))
                }
                _ => help,
            };
            return Some(
                wrong(format!("`{keyword}` names nothing"), self.of(name), "expected a name").help(help),
            );
        }
        self.usable(name).or_else(|| self.hyphen(rest))
    }

    /// Whether a word may be a name.
    pub(super) fn usable(&self, name: &Token) -> Option<Diagnostic> {
        let written = self.str(name);
        if RESERVED.contains(&written) {
            return Some(
                wrong(format!("`{written}` is a word of the language"), self.of(name), "can't be a name")
                    .help(format!("choose another name, such as `{written}_`")),
            );
        }
        written.starts_with(|c: char| c.is_ascii_digit()).then(|| {
            wrong(format!("the name `{written}` begins with a digit"), self.of(name), "can't be a name")
                .help("names begin with a letter or `_`")
        })
    }

    /// `guile-gnutls` where a name is declared.
    fn hyphen(&self, tokens: &[&Token]) -> Option<Diagnostic> {
        let mut end = 0;
        while let (Some(sign), Some(part)) = (tokens.get(end + 1), tokens.get(end + 2)) {
            let glued = tokens[end].end == sign.start && sign.end == part.start;
            if !glued || self.str(sign) != "-" || part.kind != Kind::Word {
                break;
            }
            end += 2;
        }
        let first = tokens.first()?;
        (end > 0).then(|| {
            let span = self.span(first.start, tokens[end].end);
            let written = &self.text[first.start..tokens[end].end];
            wrong(format!("the name `{written}` holds a `-`"), span, "read as a subtraction")
                .help(format!("names hold letters, digits and `_`: write `{}`", written.replace('-', "_")))
        })
    }

    /// `let`, `input`, `env` and `type`: a name and `=`.
    fn named(&self, first: &Token, rest: &[&Token]) -> Option<Diagnostic> {
        if let Some(wrong) = self.name(first, rest) {
            return Some(wrong);
        }
        let (keyword, name) = (self.str(first), self.str(rest[0]));
        let sign = rest.get(1).map_or("", |sign| self.str(sign));
        if sign == ":" && keyword == "let" {
            return None;
        }
        if sign == ":" {
            let help = format!("an `{keyword}` has one type and needs none written: `{keyword} {name} = …`");
            return Some(
                wrong(format!("`{name}` is given a type"), self.of(rest[1]), "expected `=`").help(help),
            );
        }
        if sign == "(" {
            let help =
                format!("a function is `fn {name}(…) -> Type = …`, a recipe `recipe {name}(…) {{ … }}`");
            let message = format!("`{keyword} {name}` has no parameters");
            return Some(wrong(message, self.of(rest[1]), "expected `=`").help(help));
        }
        self.equals(rest[0], rest.get(1).copied(), &format!("{keyword} {name} = …"))
    }

    /// `=` after `before`, and something after it.
    fn equals(&self, before: &Token, sign: Option<&Token>, form: &str) -> Option<Diagnostic> {
        let help = format!("write `{form}`");
        let message = format!("`=` is missing after `{}`", self.str(before));
        match sign {
            None => Some(wrong(message, self.of(before), "expected `=` after this").help(help)),
            Some(sign) if self.str(sign) != "=" => {
                Some(wrong(message, self.of(sign), "expected `=` before this").help(help))
            }
            Some(sign) => self.value(sign),
        }
    }

    /// Something after `=`.
    fn value(&self, sign: &Token) -> Option<Diagnostic> {
        let after = self.tokens().find(|token| token.start >= sign.end);
        let none = match after {
            None => true,
            Some(next) => matches!(next.kind, Kind::Close(_) | Kind::Comma),
        };
        none.then(|| {
            wrong("nothing is given after `=`", self.of(sign), "a value belongs after this")
                .help("write the value on the same line, or indented on the next one")
        })
    }

    /// `build NAME for … if … = …`.
    fn build(&self, rest: &[&Token]) -> Option<Diagnostic> {
        let name = rest[0];
        let form = format!("build {} = recipe(…)", self.str(name));
        match rest.get(1).map(|token| self.str(token)) {
            Some("for" | "if") => {}
            Some("(" | "[") => {
                let help = format!("write `build {} for e in [a, b] = recipe(e)`", self.str(name));
                return Some(
                    wrong("a matrix is written with `for`", self.of(rest[1]), "expected `for` or `=`")
                        .help(help),
                );
            }
            _ => return self.equals(name, rest.get(1).copied(), &form),
        }
        let mut depth = 0usize;
        for token in &rest[1..] {
            match token.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => depth = depth.saturating_sub(1),
                _ if depth == 0 && self.str(token) == "=" => return self.value(token),
                _ => {}
            }
        }
        let last = rest.last()?;
        Some(
            wrong("the build has no `=`", self.of(last), "expected `= recipe(…)` after this")
                .help(format!("write `build {} for e in [a, b] = recipe(e)`", self.str(name))),
        )
    }

    /// `fn` and `recipe`: parameters, then the result or the body.
    fn function(&self, first: &Token, rest: &[&Token]) -> Option<Diagnostic> {
        let (keyword, name) = (self.str(first), self.str(rest[0]));
        let (form, what) = match keyword {
            "fn" => (format!("fn {name}(a: Type) -> Type = …"), "function"),
            _ => (format!("recipe {name}(e: Env) {{ … }}"), "recipe"),
        };
        let help = format!("write `{form}`");
        let Some(open) = rest.get(1).filter(|token| self.str(token) == "(") else {
            let span = rest.get(1).map_or(self.after(rest[0]), |token| self.of(token));
            return Some(
                wrong(format!("the {what} `{name}` has no parameters"), span, "expected `(`")
                    .help(format!("{help}; without parameters, `{name}()`")),
            );
        };
        let (close, at) = closing(rest, 1)?;
        if let Some(wrong) = self.parameters(&rest[2..at], open) {
            return Some(wrong);
        }
        let next = rest.get(at + 1);
        let span = next.map_or(self.after(close), |token| self.of(token));
        let sign = next.map_or("", |token| self.str(token));
        match (keyword, sign) {
            ("fn", "->") => self.body(&rest[at + 2..], &help),
            ("fn", _) => {
                Some(wrong("the function has no result type", span, "expected `-> Type`").help(help))
            }
            (_, "{") => None,
            (_, "=") => {
                Some(wrong("a recipe's body is in braces, without `=`", span, "expected `{`").help(help))
            }
            _ => Some(wrong("the recipe has no body", span, "expected `{`").help(help)),
        }
    }

    /// `Type = …` of a function.
    fn body(&self, tokens: &[&Token], help: &str) -> Option<Diagnostic> {
        let mut depth = 0usize;
        let mut brace = None;
        for (index, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::Open(b'{') if depth == 0 && index > 0 => {
                    brace = Some(token);
                    depth += 1;
                }
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => depth = depth.saturating_sub(1),
                _ if depth == 0 && self.str(token) == "=" => return self.value(token),
                _ => {}
            }
        }
        let span = brace.map(|brace| self.of(brace)).or(tokens.last().map(|last| self.of(last)))?;
        let label = if brace.is_some() { "expected `=`" } else { "expected `= …` after this" };
        Some(
            wrong("the function has no `=`", span, label)
                .help(format!("{help}: its body is one expression, without braces")),
        )
    }

    /// `name: Type` and commas between.
    fn parameters(&self, tokens: &[&Token], open: &Token) -> Option<Diagnostic> {
        let mut depth = 0usize;
        let mut start = true;
        for (index, token) in tokens.iter().enumerate() {
            let outside = depth == 0;
            match token.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => depth = depth.saturating_sub(1),
                Kind::Comma if outside => {
                    start = true;
                    continue;
                }
                Kind::Word if start => {
                    if let Some(wrong) = self.usable(token).or_else(|| self.hyphen(&tokens[index..])) {
                        return Some(wrong);
                    }
                    let name = self.str(token);
                    let next = tokens.get(index + 1);
                    if next.is_none_or(|next| self.str(next) != ":") {
                        return Some(
                            wrong(
                                format!("the parameter `{name}` has no type"),
                                self.of(token),
                                "expected `: Type` after this",
                            )
                            .help(format!("write `{name}: String`, or what it is")),
                        );
                    }
                }
                _ if start => {
                    return Some(
                        wrong("a parameter begins with its name", self.of(token), "expected a name")
                            .label(self.of(open), "in these parameters")
                            .help("write `name: Type`"),
                    );
                }
                _ => {}
            }
            start = false;
        }
        None
    }

    /// `assert "name" …` and `test "name" …`.
    fn quoted(&self, first: &Token, rest: &[&Token]) -> Option<Diagnostic> {
        let keyword = self.str(first);
        let help = format!("write `{keyword} \"what it says\" …`: reports show the name");
        match rest {
            [name, ..] if self.typographic(name).is_some() => self.typographic(name),
            [name, ..] if !matches!(name.kind, Kind::String { .. }) => {
                let what = if keyword == "assert" { "the assertion" } else { "the test" };
                Some(wrong(format!("{what} has no name"), self.of(name), "expected a name in quotes").help(help))
            }
            [] => Some(wrong(format!("`{keyword}` says nothing"), self.of(first), "more belongs after this").help(help)),
            [name] => Some(
                wrong(format!("`{keyword}` ends after its name"), self.of(name), "more belongs after this").help(
                    if keyword == "assert" {
                        "write what is compared: `identical(t.*.dist)`, `matches(t[a].dist, sha256:…)` or `differ(a.out, b.out)`"
                    } else {
                        "write a condition: `version == \"1.0\"`"
                    },
                ),
            ),
            [_, sign, ..] if [":", "="].contains(&self.str(sign)) => Some(
                wrong(format!("`{}` after the name", self.str(sign)), self.of(sign), "not expected here")
                    .help(format!("take it out: `{keyword} \"what it says\" …`")),
            ),
            _ => None,
        }
    }

    /// `use std.fetch`.
    fn module(&self, first: &Token, rest: &[&Token]) -> Option<Diagnostic> {
        let help = "write `use std.debian`, or `use ./file.rbld` for a file beside this one";
        let Some(target) = rest.first() else {
            return Some(
                wrong("`use` names nothing", self.of(first), "a module belongs after this").help(help),
            );
        };
        match target.kind {
            Kind::String { .. } | Kind::Text { .. } => {
                let bare = self.str(target).trim_matches('"').trim_start_matches("./").to_owned();
                Some(
                    wrong("what is used stands without quotes", self.of(target), "in quotes")
                        .help(format!("write `use ./{bare}`")),
                )
            }
            _ if rest.iter().any(|sign| self.str(sign) == ".*") => {
                let star = rest.iter().find(|sign| self.str(sign) == ".*")?;
                let help = "leave it out; what is in a module is reached through its name: `fetch.git { … }`";
                Some(wrong("a module is used as a whole", self.of(star), "not needed").help(help))
            }
            Kind::Word if rest.get(1).is_some_and(|sign| self.str(sign) == "/") => Some(
                wrong("a file that is used begins with `./`", self.of(target), "neither a module nor a path")
                    .help(help),
            ),
            _ => None,
        }
    }

    /// `name: value`, as YAML, JSON and Python have it.
    fn keyed(&self, name: &str, sign: &Token) -> Diagnostic {
        let message = format!("`{name}` is given its value with `:`");
        let diagnostic = wrong(message, self.of(sign), "expected `=`");
        let after = self.tokens().find(|token| token.start >= sign.end);
        let listed =
            after.is_some_and(|next| self.str(next) == "-" && self.text[sign.end..next.start].contains('\n'));
        if listed {
            let help = match name {
                "run" | "script" => {
                    "write the commands, without the dashes, between `run = \"\"\"` and `\"\"\"`, each on its line".to_owned()
                }
                _ => format!("write `{name} = [\"…\", \"…\"]`"),
            };
            return diagnostic.help(help);
        }
        let glued = self.text[..sign.start].ends_with([' ', '\t']);
        let meant = if glued { "=" } else { " =" };
        diagnostic.help(format!("write `{name} = …`")).fix("write `=`", self.of(sign), meant)
    }

    /// An entry in braces: `name = value`.
    fn entry(&self, tokens: &[&Token]) -> Option<Diagnostic> {
        let name = *tokens.first()?;
        let form = "an entry is `name = value`";
        let written = self.str(name);
        match name.kind {
            Kind::Word => {
                if let Some(wrong) = self.usable(name).or_else(|| self.hyphen(tokens)) {
                    return Some(wrong);
                }
            }
            Kind::String { .. } if self.form == Form::Entry => {}
            _ => {
                return Some(
                    wrong("an entry begins with its name", self.of(name), "expected a name").help(form),
                );
            }
        }
        let sign = *tokens.get(1)?;
        if self.form == Form::Field {
            return (self.str(sign) != ":").then(|| {
                wrong(format!("the field `{written}` has no type"), self.of(sign), "expected `:` before this")
                    .help(format!("write `{written}: String`, or what it is"))
            });
        }
        match self.str(sign) {
            "=" => self.value(sign),
            ":" => Some(self.keyed(written.trim_matches('"'), sign)),
            "+" | "++" if tokens.get(2).is_some_and(|next| self.str(next) == "=") => Some(
                wrong(format!("nothing can be added to `{written}`"), self.of(sign), "expected `=`")
                    .help(format!("write the whole value: `{written} = … ++ […]`")),
            ),
            _ => self.equals(name, Some(sign), &format!("{written} = …")),
        }
    }
}

/// The bracket that closes the one at `open`, and its index.
fn closing<'t>(tokens: &[&'t Token], open: usize) -> Option<(&'t Token, usize)> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some((token, index));
                }
            }
            _ => {}
        }
    }
    None
}
