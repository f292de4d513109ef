//! What a person most likely did wrong in a piece that pest refuses. Knows tokens and where pest gave up;
//! makes no tree.

mod form;
mod misplaced;
mod unexpected;

use pest::error::{Error, ErrorVariant, InputLocation};

use super::parser::Rule;
use super::tokens::{self, Chunk, KEYWORDS, Kind, Token};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// The lines that a merge left in a text, if any, by their first bytes.
pub(crate) fn conflicts(text: &str) -> Vec<(usize, usize)> {
    let mut marks = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let bare = line.trim_end();
        let mark =
            ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].into_iter().find(|mark| bare.starts_with(mark));
        if mark.is_some_and(|mark| bare.len() == mark.len() || bare[mark.len()..].starts_with(' ')) {
            marks.push((start, start + bare.len()));
        }
        start += line.len() + 1;
    }
    let opened = marks.iter().any(|(start, _)| text[*start..].starts_with('<'));
    if opened { marks } else { Vec::new() }
}

/// What is said of them: once a conflict.
pub(crate) fn conflict(file: FileId, text: &str, marks: &[(usize, usize)]) -> Vec<Diagnostic> {
    let opening = marks.iter().filter(|(start, _)| text[*start..].starts_with('<'));
    let span = |(start, end): (usize, usize)| Span { file, start: start as u32, end: end as u32 };
    opening
        .map(|mark| {
            let end = marks.iter().find(|other| other.0 > mark.0 && text[other.0..].starts_with('>'));
            let diagnostic = wrong("a merge conflict that isn't settled", span(*mark), "begins here");
            let diagnostic = end.iter().fold(diagnostic, |all, end| all.label(span(**end), "ends here"));
            diagnostic.help("keep what is right of both sides and take the lines with the marks out")
        })
        .collect()
}

/// A piece that begins with no item keyword.
pub(crate) fn no_item(file: FileId, text: &str, chunk: &Chunk) -> Diagnostic {
    let Some(first) = chunk.tokens.first() else {
        return wrong("nothing here", Span { file, start: 0, end: 0 }, "here");
    };
    let span = Span { file, start: first.start as u32, end: first.end as u32 };
    let written = &text[first.start..first.end];
    let kinds = format!("an item begins with one of: {}", KEYWORDS.join(" "));
    if written == "rbld" {
        return Diagnostic::error(
            codes::EDITION,
            "the edition is named twice or too late",
            span,
            "not the first line",
        )
        .help("keep one `rbld 1`, as the first line of the file");
    }
    let diagnostic = wrong(format!("no item begins with `{written}`"), span, "in column 0");
    match nearest(written) {
        Some(keyword) => {
            diagnostic.help(format!("did you mean `{keyword}`? {kinds}")).change(span, Some(keyword))
        }
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

/// What a piece was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An item, or its head.
    Item,
    /// An entry in braces.
    Entry,
    /// A field in the braces of a type.
    Field,
    /// An expression by itself.
    Expression,
}

/// One diagnostic for what pest refused: a text or bracket that isn't closed, else the first place where the form
/// of the item isn't kept, else what stands where pest gave up. `base`: where the text that pest saw begins in `text`.
pub(crate) fn explain(
    file: FileId,
    text: &str,
    chunk: &Chunk,
    (form, base): (Form, usize),
    error: &Error<Rule>,
) -> Diagnostic {
    let cause = Cause { file, text, chunk, form };
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
    cause.kept().unwrap_or_else(|| cause.unexpected(at, error))
}

/// A piece and the file that it is of.
struct Cause<'a> {
    file: FileId,
    text: &'a str,
    chunk: &'a Chunk,
    form: Form,
}

/// An error of the syntax.
fn wrong(message: impl Into<String>, span: Span, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::SYNTAX, message, span, label)
}

impl Cause<'_> {
    /// A place in the file.
    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end.min(self.text.len()) as u32 }
    }

    /// The place of a token.
    fn of(&self, token: &Token) -> Span {
        self.span(token.start, token.end)
    }

    /// A token as written.
    fn str(&self, token: &Token) -> &str {
        &self.text[token.start..token.end]
    }

    /// The tokens that count.
    fn tokens(&self) -> impl DoubleEndedIterator<Item = &Token> {
        self.chunk.tokens.iter().filter(|token| token.counts())
    }

    /// A text whose quotes are never closed.
    fn texts(&self) -> Option<Diagnostic> {
        for token in &self.chunk.tokens {
            match token.kind {
                Kind::String { closed: false, .. } => {
                    let before = self.tokens().rfind(|before| before.start < token.start);
                    return Some(
                        self.glued_text(token, before).unwrap_or_else(|| self.unclosed_string(token)),
                    );
                }
                Kind::Text { closed: false } => return Some(self.unclosed_text(token)),
                _ => {}
            }
        }
        None
    }

    fn unclosed_text(&self, token: &Token) -> Diagnostic {
        let at = usize::from(self.str(token).starts_with('@'));
        let count = tokens::quotes(self.text.as_bytes(), token.start + at);
        let quotes = "\"".repeat(count);
        let span = self.span(token.start, token.start + at + count);
        let message = format!("the text that {quotes} opens is never closed");
        let diagnostic = Diagnostic::error(codes::TEXT, message, span, "opened here");
        if count >= 6
            && self.text[token.start..].lines().next().is_some_and(|line| line.trim_end().ends_with('"'))
        {
            return diagnostic.help("an empty text is `\"\"`: six quotes open a text that six quotes close");
        }
        // What ended it: the next line that begins an item, if there is one.
        let rest = &self.text[token.end..];
        let next = rest.find(|c: char| !c.is_whitespace()).map(|blank| token.end + blank);
        let diagnostic = match next {
            Some(next) => {
                let word = self.text[next..].split_whitespace().next().unwrap_or("");
                diagnostic
                    .label(self.span(next, next + word.len()), "an item begins here, so the text ends before")
            }
            None => diagnostic.label(self.span(token.end, token.end), "no closing quotes up to here"),
        };
        diagnostic.help(format!(
            "write {quotes} on a line by itself after the text's last line, and indent all lines of it"
        ))
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
                        wrong(message, self.of(token), "nothing is open here")
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
            wrong(message, self.of(opener), "opened here")
                .label(self.span(end, end), format!("expected `{right}` up to here"))
                .help(format!("write `{right}` where what `{left}` opens is to end")),
        )
    }
}

fn closer(open: &str) -> char {
    match open {
        "(" => ')',
        "[" => ']',
        _ => '}',
    }
}
