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
    if let Some(foreign) = foreign(file, text, chunk) {
        return foreign;
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
pub(crate) fn nearest(word: &str) -> Option<&'static str> {
    let known = match word {
        "import" | "include" | "require" | "open" => Some("use"),
        "def" | "func" | "fun" | "function" => Some("fn"),
        "const" | "var" | "val" | "set" => Some("let"),
        "source" | "src" | "fetch" => Some("input"),
        "environment" | "image" => Some("env"),
        "job" | "matrix" | "derivation" => Some("build"),
        "rule" | "package" => Some("recipe"),
        "enum" | "struct" | "record" => Some("type"),
        "check" | "expect" | "compare" | "identical" | "matches" | "differ" | "fixpoint" | "reproducible"
        | "agreed" => Some("assert"),
        _ => None,
    };
    let score = |keyword: &&str| strsim::jaro_winkler(word, keyword);
    known.or_else(|| {
        KEYWORDS.into_iter().filter(|k| score(k) > 0.8).max_by(|a, b| score(a).total_cmp(&score(b)))
    })
}

/// What is said of lines `key: value`.
const KEYED: &str = "lines `key: value` are another language's";

/// What is said of a `;`.
const ENDED: &str = "nothing is ended by `;`";

/// Files of other languages, by their first lines.
fn foreign(file: FileId, text: &str, chunk: &Chunk) -> Option<Diagnostic> {
    let piece = &text[chunk.start..chunk.end];
    let line = piece.lines().next().unwrap_or("").trim_end();
    let at = |length: usize| Span { file, start: chunk.start as u32, end: (chunk.start + length) as u32 };
    let name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b))
    };
    if let Some((key, value)) = line.split_once('=')
        && !value.starts_with('=')
        && let key = key.trim_end_matches([':', '?', '+']).trim_end()
        && name(key)
    {
        let lower = key.to_lowercase().replace(['-', '.', '/'], "_");
        return Some(
            wrong(format!("`{key}` is given a value without `let`"), at(key.len()), "no item begins so")
                .help(format!(
                    "write `let {lower} = …`: each item begins with its kind, and texts stand in quotes"
                ))
                .fix("write `let`", at(key.len()), format!("let {lower}")),
        );
    }
    if let Some((key, value)) = line.split_once(':')
        && name(key)
        && (value.is_empty() || value.starts_with([' ', '\t']))
    {
        return Some(wrong(KEYED, at(key.len() + 1), "not an item").help(
            "an item is `env name = …`, `input name = …`, `recipe name(e: Env) { … }`, `build name = …` and the like: \
             `rbld explain E0101` shows them. The image of a CI job is an `env`, its script the `run = \"\"\"…\"\"\"` of a \
             `recipe`, its artifacts the `outputs`",
        ));
    }
    let word = line.split_whitespace().next().unwrap_or("");
    let help = match word {
        "FROM" => {
            "an image is an environment: `env name = debian.snapshot(bookworm, …).env(amd64, packages = [\"…\"])`"
        }
        "RUN" | "CMD" | "ENTRYPOINT" => {
            "commands are the `run = \"\"\"…\"\"\"` of a `recipe name(e: Env) { … }`"
        }
        "COPY" | "ADD" => "files are inputs of a recipe: `inputs = { name = ./file }`",
        "ENV" | "ARG" => "variables are the `vars = { NAME = \"value\" }` of a recipe",
        "WORKDIR" => "where a script starts is the `workdir = \"name\"` of a recipe: one of its inputs",
        "export" => "variables are the `vars = { NAME = \"value\" }` of a recipe",
        _ => return None,
    };
    Some(wrong(format!("no item begins with `{word}`"), at(word.len()), "in column 0").help(help))
}

/// Entries or an item that end with `;`; `end`: what is taken out with the last of them.
pub(crate) fn semicolons(file: FileId, found: &[Token], end: usize) -> Diagnostic {
    let span = |token: &Token| Span { file, start: token.start as u32, end: token.end as u32 };
    let Some((first, rest)) = found.split_first() else {
        return wrong(ENDED, Span { file, start: 0, end: 0 }, "not in this language");
    };
    let mut diagnostic = wrong(ENDED, span(first), "not in this language");
    for token in rest.iter().take(PLACES - 1) {
        diagnostic = diagnostic.label(span(token), "nor here");
    }
    let diagnostic = diagnostic.help("take it out: an entry or an item ends with its line");
    match rest {
        [] => diagnostic.fix("take it out", Span { end: end as u32, ..span(first) }, ""),
        _ => diagnostic,
    }
}

/// How many places one diagnostic names.
const PLACES: usize = 8;

/// Makes one diagnostic of those that say the same of a whole file: it is of another language.
pub(crate) fn merge(diagnostics: &mut Vec<Diagnostic>) {
    for message in [KEYED, ENDED] {
        let is = |diagnostic: &Diagnostic| diagnostic.code == codes::SYNTAX && diagnostic.message == message;
        let Some(first) = diagnostics.iter().position(is) else { continue };
        let rest: Vec<_> = diagnostics.iter().skip(first + 1).filter(|d| is(d)).cloned().collect();
        if rest.is_empty() {
            continue;
        }
        let mut index = 0;
        diagnostics.retain(|diagnostic| {
            index += 1;
            index <= first + 1 || !is(diagnostic)
        });
        let merged = &mut diagnostics[first];
        merged.fixes.clear();
        let labels = rest.into_iter().flat_map(|other| other.labels);
        merged
            .labels
            .extend(labels.map(|label| crate::diagnostic::Label { text: "nor here".to_owned(), ..label }));
        merged.labels.truncate(PLACES);
    }
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
