//! What a person most likely did wrong in a piece that pest refuses. Knows tokens and where pest gave up;
//! makes no tree.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::parser::Rule;
use super::tokens::{self, Chunk, KEYWORDS, Kind, Token};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// A piece that begins with no item keyword.
pub(crate) fn no_item(file: FileId, text: &str, chunk: &Chunk) -> Diagnostic {
    let Some(first) = chunk.tokens.first() else {
        return Diagnostic::error(codes::SYNTAX, "nothing here", Span { file, start: 0, end: 0 }, "here");
    };
    let span = Span { file, start: first.start as u32, end: first.end as u32 };
    let written = &text[first.start..first.end];
    let kinds = format!("an item begins with one of: {}", KEYWORDS.join(" "));
    if written.starts_with(['<', '>', '=']) && text[first.start..].starts_with(&written[..1].repeat(7)) {
        return Diagnostic::error(codes::SYNTAX, "the mark of a merge conflict", span, "left by a merge")
            .help("settle the conflict and take the marks out");
    }
    if written == "rbld" {
        return Diagnostic::error(
            codes::EDITION,
            "the edition is named twice or too late",
            span,
            "not the first line",
        )
        .help("keep one `rbld 1`, as the first line of the file");
    }
    let diagnostic =
        Diagnostic::error(codes::SYNTAX, format!("no item begins with `{written}`"), span, "in column 0");
    match nearest(written) {
        Some(keyword) => diagnostic.help(format!("did you mean `{keyword}`? {kinds}")),
        None if first.kind == Kind::Word && KEYWORDS.contains(&written) => {
            diagnostic.help("more belongs after the keyword")
        }
        None => diagnostic.help(format!("indent the line if it goes on with the item above; {kinds}")),
    }
}

/// The item keyword that a word most resembles, or that another language calls it.
fn nearest(word: &str) -> Option<&'static str> {
    let known = match word {
        "import" | "include" | "require" | "open" => Some("use"),
        "def" | "func" | "fun" | "function" => Some("fn"),
        "const" | "var" | "val" | "set" => Some("let"),
        "source" | "src" | "fetch" => Some("input"),
        "environment" | "image" => Some("env"),
        "job" | "matrix" | "derivation" => Some("build"),
        "rule" | "package" => Some("recipe"),
        "enum" | "struct" | "record" => Some("type"),
        "check" | "expect" | "compare" | "identical" | "matches" | "differ" => Some("assert"),
        _ => None,
    };
    let score = |keyword: &&str| strsim::jaro_winkler(word, keyword);
    known.or_else(|| {
        KEYWORDS.into_iter().filter(|k| score(k) > 0.8).max_by(|a, b| score(a).total_cmp(&score(b)))
    })
}

/// One diagnostic for what pest refused. `base`: where the text that pest saw begins in `text`.
pub(crate) fn explain(
    file: FileId,
    text: &str,
    chunk: &Chunk,
    base: usize,
    error: &Error<Rule>,
) -> Diagnostic {
    let cause = Cause { file, text, chunk };
    if let Some(diagnostic) = cause.texts().or_else(|| cause.brackets()) {
        return diagnostic;
    }
    let at = base
        + match error.location {
            InputLocation::Pos(at) => at,
            InputLocation::Span((at, _)) => at,
        };
    if let ErrorVariant::CustomError { message } = &error.variant {
        let span = cause.span(at, at + 1);
        return Diagnostic::error(codes::TOO_LARGE, format!("this can't be read: {message}"), span, "here")
            .help("give parts of it names with `let`");
    }
    cause.words(at, error)
}

struct Cause<'a> {
    file: FileId,
    text: &'a str,
    chunk: &'a Chunk,
}

impl Cause<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end.min(self.text.len()) as u32 }
    }

    fn of(&self, token: &Token) -> Span {
        self.span(token.start, token.end)
    }

    fn str(&self, token: &Token) -> &str {
        &self.text[token.start..token.end]
    }

    /// A text whose quotes are never closed.
    fn texts(&self) -> Option<Diagnostic> {
        for token in &self.chunk.tokens {
            match token.kind {
                Kind::String { closed: false, .. } => return Some(self.unclosed_string(token)),
                Kind::Text { closed: false } => {
                    let at = usize::from(self.str(token).starts_with('@'));
                    let count = tokens::quotes(self.text.as_bytes(), token.start + at);
                    let quotes = "\"".repeat(count);
                    let span = self.span(token.start, token.start + at + count);
                    let message = format!("the text that {quotes} opens is never closed");
                    return Some(
                        Diagnostic::error(codes::TEXT, message, span, "opened here")
                            .label(self.span(token.end, token.end), "no closing quotes up to here")
                            .help(format!("write {quotes} on a line by itself after its last line, and indent all lines of it")),
                    );
                }
                _ => {}
            }
        }
        None
    }

    fn unclosed_string(&self, token: &Token) -> Diagnostic {
        let written = self.str(token);
        let open = written.rfind("@{").filter(|at| !written[*at..].contains('}'));
        if let Some(open) = open {
            let span = self.span(token.start + open, token.start + open + 2);
            return Diagnostic::error(
                codes::TEXT,
                "the `@{` of this text is never closed",
                span,
                "opened here",
            )
            .help("write `@{name}`; for the two characters themselves write `\\@{`");
        }
        Diagnostic::error(codes::TEXT, "the quote of this text is never closed", self.of(token), "opened here, ends with the line")
            .help("close it with `\"` on the same line; a text of several lines stands between `\"\"\"` and `\"\"\"`")
    }

    /// A bracket that is never closed, or closed by another one.
    fn brackets(&self) -> Option<Diagnostic> {
        let mut open: Vec<&Token> = Vec::new();
        for token in &self.chunk.tokens {
            let Kind::Close(close) = token.kind else {
                if let Kind::Open(_) = token.kind {
                    open.push(token);
                }
                continue;
            };
            let close = close as char;
            match open.pop() {
                None => {
                    let message = format!("`{close}` closes nothing");
                    return Some(
                        Diagnostic::error(codes::SYNTAX, message, self.of(token), "nothing is open here")
                            .help("take it out, or put the opening bracket where it belongs"),
                    );
                }
                Some(opener) if closer(self.str(opener)) != close => {
                    let (left, right) = (self.str(opener), closer(self.str(opener)));
                    let message = format!("`{left}` is closed by `{close}`");
                    return Some(
                        Diagnostic::error(
                            codes::SYNTAX,
                            message,
                            self.of(opener),
                            format!("this `{left}` needs a `{right}`"),
                        )
                        .label(self.of(token), format!("expected `{right}` before this"))
                        .help(format!("write `{right}` where what `{left}` opens is to end")),
                    );
                }
                Some(_) => {}
            }
        }
        let opener = open.last()?;
        let (left, right) = (self.str(opener), closer(self.str(opener)));
        let message = format!("`{left}` is never closed");
        let end = self.chunk.end;
        Some(
            Diagnostic::error(codes::SYNTAX, message, self.of(opener), "opened here")
                .label(self.span(end, end), format!("expected `{right}` up to here"))
                .help(format!("write `{right}` where what `{left}` opens is to end")),
        )
    }

    /// The token at or after a place, and the one before it.
    fn around(&self, at: usize) -> (Option<&Token>, Option<&Token>) {
        let counting = || self.chunk.tokens.iter().filter(|token| token.counts());
        let here = counting().find(|token| token.end > at);
        let before = counting().rfind(|token| here.is_none_or(|here| token.start < here.start));
        (here, before)
    }

    /// What stands where pest gave up, against what could have stood there.
    fn words(&self, at: usize, error: &Error<Rule>) -> Diagnostic {
        let (here, before) = self.around(at);
        let Some(here) = here else {
            let end = self.chunk.end;
            let start = before.map_or(self.chunk.start, |token| token.start);
            return Diagnostic::error(
                codes::SYNTAX,
                "the item ends too early",
                self.span(start, end),
                format!("after this, expected {}", expected(error)),
            )
            .help("write the rest of it; lines that go on with an item are indented");
        };
        let word = self.str(here);
        let span = self.of(here);
        let new_line = before.is_some_and(|before| self.text[before.end..here.start].contains('\n'));
        if new_line && BINARY.contains(&word) {
            return Diagnostic::error(
                codes::SYNTAX,
                format!("a line begins with the operator `{word}`"),
                span,
                "at the beginning of a line",
            )
            .help(format!("write `{word}` at the end of the line before: a line that could end there does"));
        }
        if word == "=" {
            return Diagnostic::error(
                codes::SYNTAX,
                "`=` stands where no value is given",
                span,
                "not expected here",
            )
            .help(
                "two values are compared with `==`; entries of `{ … }` are separated by a newline or a comma",
            );
        }
        let message = format!("unexpected {}", self.name(here));
        Diagnostic::error(codes::SYNTAX, message, span, format!("expected {}", expected(error)))
            .help("`rbld explain E0101` shows the forms of each item")
    }

    fn name(&self, token: &Token) -> String {
        match token.kind {
            Kind::String { .. } | Kind::Text { .. } => "text".to_owned(),
            _ => format!("`{}`", self.str(token)),
        }
    }
}

/// The operators between two operands, as they are written.
const BINARY: [&str; 12] = ["or", "and", "==", "!=", "<=", "<", ">=", ">", "++", "+", "-", "*"];

fn closer(open: &str) -> char {
    match open {
        "(" => ')',
        "[" => ']',
        _ => '}',
    }
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
        Rule::string | Rule::raw_text | Rule::text | Rule::quotes => "a text in quotes",
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
        Rule::or | Rule::and | Rule::equal | Rule::not_equal | Rule::less | Rule::less_equal => "an operator",
        Rule::greater | Rule::greater_equal | Rule::concat | Rule::add | Rule::subtract | Rule::multiply => {
            "an operator"
        }
        _ => "",
    }
}
