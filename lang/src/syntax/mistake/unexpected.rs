//! What stands where pest gave up: signs of other languages, forgotten commas, words that go together.

use pest::error::{Error, ErrorVariant};

use super::form::RESERVED;
use super::{Cause, Form, wrong};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::syntax::parser::Rule;
use crate::syntax::tokens::{KEYWORDS, Kind, Token};

/// The operators between two operands, as they are written.
pub(super) const BINARY: [&str; 12] = ["or", "and", "==", "!=", "<=", "<", ">=", ">", "++", "+", "-", "*"];

impl Cause<'_> {
    /// One diagnostic for the token at a place that no rule takes.
    pub(super) fn unexpected(&self, at: usize, error: &Error<Rule>) -> Diagnostic {
        let (here, before) = self.around(at);
        let Some(here) = here else { return self.ends_early(before, error) };
        self.foreign(here, before)
            .or_else(|| self.line_begins(here, before))
            .or_else(|| self.glued_text(here, before))
            .or_else(|| self.missing_word(here, before, error))
            .or_else(|| self.missing_comma(here, before))
            .or_else(|| self.misplaced(here, before))
            .or_else(|| self.goes_on(here, before))
            .unwrap_or_else(|| {
                let message = format!("unexpected {}", self.quote(here));
                wrong(message, self.of(here), format!("expected {}", expected(error)))
                    .help("`rbld explain E0101` shows the form of each item")
            })
    }

    /// The token at or after a place, and the one before it.
    fn around(&self, at: usize) -> (Option<&Token>, Option<&Token>) {
        let here = self.tokens().find(|token| token.end > at);
        let before = self.tokens().rfind(|token| here.is_none_or(|here| token.start < here.start));
        (here, before)
    }

    /// A token in backticks.
    fn quote(&self, token: &Token) -> String {
        match token.kind {
            Kind::String { .. } | Kind::Text { .. } => "text".to_owned(),
            _ => format!("`{}`", self.str(token)),
        }
    }

    fn ends_early(&self, before: Option<&Token>, error: &Error<Rule>) -> Diagnostic {
        let Some(before) = before else {
            return wrong("nothing is here", self.span(self.chunk.start, self.chunk.end), "expected a value")
                .help("write a value, such as `\"text\"`, `42` or a name");
        };
        let word = self.str(before);
        if word == "=" || BINARY.contains(&word) {
            return wrong(
                format!("nothing is given after `{word}`"),
                self.of(before),
                "a value belongs after this",
            )
            .help("write the value on the same line, or indented on the next one");
        }
        if let Some(found) = self.missing_word(before, None, error) {
            return found;
        }
        wrong("the item ends too early", self.of(before), format!("after this, expected {}", expected(error)))
            .help("write the rest of it; lines that go on with an item are indented")
    }

    /// Signs that other languages have.
    fn foreign(&self, here: &Token, before: Option<&Token>) -> Option<Diagnostic> {
        let rest = &self.text[here.start..];
        let says = |length: usize, message: &str, help: &str| {
            Some(
                wrong(message, self.span(here.start, here.start + length), "not in this language").help(help),
            )
        };
        let known = [
            ("&&", "`&&` is written `and`", "write `a and b`"),
            ("||", "`||` is written `or`", "write `a or b`"),
            ("//", "a comment begins with `#`", "write `# …`"),
            ("/*", "a comment begins with `#`", "write `# …` on each line of it"),
            (
                "=>",
                "there is no `=>`",
                "functions are items: `fn f(a: Type) -> Type = …`; entries are `name = value`",
            ),
            (";", "nothing is ended by `;`", "take it out: an entry or an item ends with its line"),
            (
                "$",
                "names stand without `$`",
                "write the name alone; in a text `@{name}`, in a script `$name`",
            ),
            ("@{", "`@{…}` stands in texts only", "write the name alone"),
            (
                "\\",
                "no line is continued by `\\`",
                "inside brackets, after `=` and after an operator a line goes on by itself",
            ),
        ];
        if let Some(quoted) = self.typographic(here) {
            return Some(quoted);
        }
        if let Some(path) = self.windows(here) {
            return Some(path);
        }
        if let Some((sign, message, help)) = known.iter().find(|(sign, ..)| rest.starts_with(sign)) {
            return says(sign.len(), message, help);
        }
        if rest.starts_with('!') && !rest.starts_with("!=") {
            return says(1, "`!` is written `not`", "write `not a`");
        }
        let absent = [
            ("%", "remainder"),
            ("/", "division"),
            ("^", "power"),
            ("?", "question mark operator"),
            ("&", "`&`"),
            ("|", "`|`"),
        ];
        let after_value = before.is_some_and(|before| self.ends_value(before));
        if let Some((sign, what)) = absent.iter().find(|(sign, _)| after_value && rest.starts_with(sign)) {
            let help = "known are or and == != < <= > >= ++ + - * not, and `if c then a else b`";
            return says(sign.len(), &format!("there is no {what}"), help);
        }
        if rest.starts_with(['/', '~']) {
            let help = "write `./file`: a path is relative to this file and stays inside the project; copy the file there, or \
                        fetch it by digest with `fetch.url`";
            return Some(
                Diagnostic::error(
                    codes::OUTSIDE,
                    "a path begins with `./`",
                    self.span(here.start, here.start + path(rest)),
                    "not a path of the project",
                )
                .help(help),
            );
        }
        if here.kind == Kind::Other {
            let letter = rest.chars().next().unwrap_or(' ');
            let code = u32::from(letter);
            let message = match letter {
                '\u{a0}' | '\u{2000}'..='\u{200f}' | '\u{202f}' | '\u{3000}' | '\u{feff}' => {
                    format!("a blank that isn't one (U+{code:04X})")
                }
                _ => format!("the character `{letter}` (U+{code:04X}) has no meaning here"),
            };
            let help = "names hold the letters a-z, digits and `_`; all else belongs into texts and comments";
            return Some(wrong(message, self.of(here), "not a word of the language").help(help));
        }
        None
    }

    /// A text in quotes of other languages.
    pub(super) fn typographic(&self, here: &Token) -> Option<Diagnostic> {
        let rest = &self.text[here.start..];
        let open = rest.chars().next()?;
        let (message, closing): (&str, &[char]) = match open {
            '\'' => ("a text stands in `\"`, not in `'`", &['\'']),
            '`' => ("a text stands in `\"`, not in backticks", &['`']),
            '“' | '”' | '„' | '«' | '»' => {
                ("these are typographic quotes", &['”', '“', '«', '»', '"'])
            }
            '‘' | '’' | '‚' => ("these are typographic quotes", &['’', '‘', '\'']),
            _ => return None,
        };
        let line = rest.lines().next().unwrap_or("");
        let inside = &line[open.len_utf8()..];
        let Some(end) = inside.find(closing) else {
            let span = self.span(here.start, here.start + open.len_utf8());
            return Some(wrong(message, span, "not in this language").help("write `\"…\"`"));
        };
        let close = inside[end..].chars().next().map_or(0, char::len_utf8);
        let span = self.span(here.start, here.start + open.len_utf8() + end + close);
        let written = &inside[..end];
        let meant = match written.contains(['"', '\\']) {
            true => format!("\"\"\"{written}\"\"\""),
            false => format!("\"{written}\""),
        };
        Some(
            wrong(message, span, "not in this language")
                .help(format!("write `{meant}`"))
                .change(span, Some(meant)),
        )
    }

    /// A path as Windows writes it.
    fn windows(&self, here: &Token) -> Option<Diagnostic> {
        let rest = &self.text[here.start..];
        let drive = rest.as_bytes().get(1) == Some(&b':') && rest.as_bytes().get(2) == Some(&b'\\');
        if !rest.starts_with(".\\") && !rest.starts_with("..\\") && !rest.starts_with("\\\\") && !drive {
            return None;
        }
        let span = self.span(here.start, here.start + path(rest));
        let wrong =
            Diagnostic::error(codes::OUTSIDE, "a path is written with `/`", span, "a path of Windows");
        let written = rest[..path(rest)].replace('\\', "/");
        Some(match written.starts_with("./") {
            true => wrong.help(format!("write `{written}`")).change(span, Some(written)),
            false => {
                wrong.help("write `./file`: a path is relative to this file and stays inside the project")
            }
        })
    }

    /// A line that begins with an operator, or with an item that isn't in column 0.
    fn line_begins(&self, here: &Token, before: Option<&Token>) -> Option<Diagnostic> {
        let before = before?;
        if !self.text[before.end..here.start].contains('\n') {
            return None;
        }
        let word = self.str(here);
        if BINARY.contains(&word) {
            return Some(
                wrong(
                    format!("a line begins with the operator `{word}`"),
                    self.of(here),
                    "at the beginning of a line",
                )
                .help(format!("write `{word}` at the end of the line before")),
            );
        }
        let next = self.tokens().find(|token| token.start >= here.end).map_or("", |token| self.str(token));
        let item = KEYWORDS.contains(&word)
            && !["=", ",", "}", ":", "."].contains(&next)
            && self.enclosing(here).is_none();
        item.then(|| {
            wrong(format!("`{word}` doesn't stand in column 0"), self.of(here), "goes on with the item above")
                .help("an item begins in column 0: take the blanks before it out")
        })
    }

    /// A quote inside of a text.
    pub(super) fn glued_text(&self, here: &Token, before: Option<&Token>) -> Option<Diagnostic> {
        let before = before.filter(|before| before.end == here.start)?;
        let texts = |token: &Token| matches!(token.kind, Kind::Text { .. } | Kind::String { .. });
        let word = matches!(before.kind, Kind::String { .. }) && here.kind == Kind::Word;
        (texts(before) && (texts(here) || word)).then(|| {
            let help =
                "write `\\\"` for a quote inside of a text, or put the text between `\"\"\"` and `\"\"\"`";
            Diagnostic::error(
                codes::TEXT,
                "a text ends earlier than it seems",
                self.span(here.start, here.start + 1),
                "ended before this",
            )
            .help(help)
        })
    }

    /// Words that go together: `if then else`, `for in`, `[for …: …]`.
    fn missing_word(&self, here: &Token, before: Option<&Token>, error: &Error<Rule>) -> Option<Diagnostic> {
        let ErrorVariant::ParsingError { positives, .. } = &error.variant else { return None };
        let could = |rule| positives.contains(&rule);
        let (word, form) = if could(Rule::else_word) {
            ("else", "an `if` has a value for both cases: `if c then a else b`")
        } else if could(Rule::then_word) {
            ("then", "write `if c then a else b`")
        } else if could(Rule::in_word) {
            ("in", "write `for name in list`")
        } else {
            return None;
        };
        let opened = |opener: &str| {
            let opener = self.tokens().rfind(|token| token.start < here.end && self.str(token) == opener);
            opener.map(|token| self.of(token))
        };
        let diagnostic = match before {
            Some(_) => {
                wrong(format!("`{word}` is missing"), self.of(here), format!("expected `{word}` before this"))
            }
            None => {
                wrong(format!("`{word}` is missing"), self.of(here), format!("expected `{word}` after this"))
            }
        };
        let opener = opened(if word == "in" { "for" } else { "if" });
        let diagnostic = match opener {
            Some(span) => diagnostic.label(span, "begins here"),
            None => diagnostic,
        };
        Some(diagnostic.help(form))
    }

    /// Two values beside each other.
    fn missing_comma(&self, here: &Token, before: Option<&Token>) -> Option<Diagnostic> {
        let before = before.filter(|before| self.ends_value(before) && self.begins_value(here))?;
        let open = self.enclosing(here)?;
        let same_line = !self.text[before.end..here.start].contains('\n');
        let (message, help) = match self.str(open) {
            "{" if same_line => (
                "two entries stand on one line without a comma".to_owned(),
                "write a comma between them, or each on its own line",
            ),
            "{" => return None,
            "(" => (
                "a comma is missing between two arguments".to_owned(),
                "arguments are separated by commas, on lines of their own too",
            ),
            _ if self
                .tokens()
                .find(|token| token.start >= open.end)
                .is_some_and(|next| self.str(next) == "for") =>
            {
                return Some(
                    wrong("`:` is missing before the element", self.of(here), "expected `:` before this")
                        .help("write `[for name in list: element]`"),
                );
            }
            _ => (
                "a comma is missing between two elements".to_owned(),
                "elements are separated by commas, on lines of their own too",
            ),
        };
        Some(wrong(message, self.of(here), "expected `,` before this").help(help))
    }

    /// Something after a value that is complete.
    fn goes_on(&self, here: &Token, before: Option<&Token>) -> Option<Diagnostic> {
        let before = before.filter(|before| self.ends_value(before) && self.begins_value(here))?;
        let message = format!("{} follows a value that is complete", self.quote(here));
        let next = self.tokens().find(|token| token.start >= here.end).map_or("", |token| self.str(token));
        if self.form != Form::Item && next == "=" {
            return Some(
                wrong(
                    "two entries stand on one line without a comma",
                    self.of(here),
                    "expected `,` before this",
                )
                .help("write a comma between them, or each on its own line"),
            );
        }
        let help = match self.form {
            Form::Item if self.text[before.end..here.start].contains('\n') => {
                "an indented line goes on with the item above; an item begins in column 0"
            }
            Form::Item | Form::Expression => {
                "lists are written `[a, b]`, calls `f(a)`; `++` joins texts and lists"
            }
            Form::Entry | Form::Field => {
                "entries are separated by a comma or a newline; lists are written `[a, b]`, calls `f(a)`"
            }
        };
        Some(wrong(message, self.of(here), "nothing joins it to what is before").help(help))
    }

    /// The bracket around a token that is still open there.
    pub(super) fn enclosing(&self, here: &Token) -> Option<&Token> {
        let mut open = Vec::new();
        for token in self.tokens().take_while(|token| token.start < here.start) {
            match token.kind {
                Kind::Open(_) => open.push(token),
                Kind::Close(_) => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }

    fn ends_value(&self, token: &Token) -> bool {
        match token.kind {
            Kind::Word => {
                !RESERVED.contains(&self.str(token)) || ["true", "false", "none"].contains(&self.str(token))
            }
            Kind::String { .. } | Kind::Text { .. } | Kind::Close(_) => true,
            Kind::Sign => [".*", "%", "?", "/"].contains(&self.str(token)),
            _ => false,
        }
    }

    fn begins_value(&self, token: &Token) -> bool {
        match token.kind {
            Kind::Word => {
                !BINARY.contains(&self.str(token))
                    && !["then", "else", "in", "with", "as"].contains(&self.str(token))
            }
            Kind::String { .. } | Kind::Text { .. } | Kind::Open(_) => true,
            Kind::Sign => self.str(token) == "." && self.text[token.end..].starts_with(['/', '.']),
            _ => false,
        }
    }
}

/// How many bytes of a text look like a path.
fn path(text: &str) -> usize {
    text.find(|letter: char| letter.is_whitespace() || ",\"#()[]{}".contains(letter)).unwrap_or(text.len())
}

/// What pest could have taken, in words, each once.
fn expected(error: &Error<Rule>) -> String {
    let ErrorVariant::ParsingError { positives, .. } = &error.variant else {
        return "something else".to_owned();
    };
    let mut words: Vec<&str> = Vec::new();
    for rule in positives {
        let word = symbol(*rule);
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    match words.split_last() {
        None => "something else".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// A rule in words; empty for those that say nothing to a person.
fn symbol(rule: Rule) -> &'static str {
    match rule {
        Rule::EOI => "the end of the item",
        Rule::edition_number => "the number of an edition",
        Rule::name => "a name",
        Rule::module => "a module such as `std.fetch`",
        Rule::path => "a path such as `./file`",
        Rule::params => "parameters in `(…)`",
        Rule::param => "a parameter `name: Type`",
        Rule::axes => "`for`",
        Rule::axis => "`name in …`",
        Rule::filter => "`if`",
        Rule::type_expr | Rule::type_name | Rule::record_type | Rule::enum_type => "a type",
        Rule::type_args => "`[`",
        Rule::option_mark => "`?`",
        Rule::field_type => "a field `name: Type`",
        Rule::block | Rule::record => "`{ … }`",
        Rule::entry => "an entry `name = value`",
        Rule::arg => "an argument",
        Rule::call | Rule::index | Rule::block_call | Rule::star | Rule::field => "",
        Rule::with => "`with`",
        Rule::plain | Rule::string | Rule::raw_text | Rule::text | Rule::quotes => "a text in quotes",
        Rule::expr | Rule::operand | Rule::if_then | Rule::group | Rule::list | Rule::comprehension => {
            "a value"
        }
        Rule::digest
        | Rule::commit
        | Rule::instant
        | Rule::date
        | Rule::number
        | Rule::boolean
        | Rule::nothing => "a value",
        Rule::not | Rule::negate => "a value",
        Rule::any_key => "`_`",
        Rule::sign => "an operator",
        Rule::or | Rule::and | Rule::equal | Rule::not_equal | Rule::less | Rule::less_equal => "an operator",
        Rule::greater | Rule::greater_equal | Rule::concat | Rule::add | Rule::subtract | Rule::multiply => {
            "an operator"
        }
        _ => "",
    }
}
