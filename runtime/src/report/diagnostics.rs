//! Diagnostics as text with the lines they point at, and as JSON with lines and columns.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity as Level,
    SourceCode, SourceSpan, SpanContents,
};
use rbld_lang::diagnostic::{Diagnostic, Fix, Label, Severity};
use rbld_lang::span::{FileId, Source, Sources, Span};
use serde_json::{Value, json};

use super::style::{Style, printable, wrap};

/// Columns that a label takes at least, even if it goes beyond the edge.
const LABEL: usize = 24;

/// Columns before a message; a help has twice as many. We break lines ourselves, at blanks only: what is to be typed or
/// opened stays whole.
const MARGIN: usize = 4;

/// All diagnostics with their lines, the codes that can be explained, and how many there are.
pub fn diagnostics(found: &[Diagnostic], sources: &Sources, style: &Style) -> String {
    let mut text = String::new();
    let handler = handler(style);
    let (later, first): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        found.iter().partition(|diagnostic| waits(diagnostic, found));
    for diagnostic in first {
        let shown = Shown::new(diagnostic, sources, style.width);
        let mut drawn = String::new();
        if handler.render_report(&mut drawn, &shown).is_err() {
            drawn = format!("{}: {}", shown.code.unwrap_or_default(), shown.message);
        }
        let mut lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
        lines.dedup_by(|one, other| one.is_empty() && other.is_empty());
        text += lines.join("\n").trim_matches('\n');
        text += "\n\n";
    }
    if let Some(lock) = later.first() {
        let more = match later.len() {
            1 => String::new(),
            more => format!(" (and {} more of the lock)", more - 1),
        };
        let said =
            format!("{}: {}{more}; `rbld lock` comes once the rest is right", lock.code.0, lock.message);
        text += &style.wrapped("", &printable(&said));
        text += "\n";
    }
    let errors = || found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let first = errors().find(|error| !waits(error, found)).or(errors().next()).or(found.first());
    if let Some(first) = first {
        let mut codes: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code.0).collect();
        codes.sort_unstable();
        codes.dedup();
        let others = if codes.len() > 1 {
            format!(" (also: {})", codes_but(&codes, first.code.0))
        } else {
            String::new()
        };
        text += &style
            .wrapped("", &format!("{}; `rbld explain {}` says more{others}", counted(found), first.code.0));
    }
    text
}

/// Whether a diagnostic is told in one line: what a lock lacks, while there are errors that `rbld lock` can't mend.
fn waits(diagnostic: &Diagnostic, found: &[Diagnostic]) -> bool {
    let of_lock = |diagnostic: &Diagnostic| diagnostic.code == rbld_lang::codes::LOCK;
    let other = |other: &Diagnostic| other.severity == Severity::Error && !of_lock(other);
    of_lock(diagnostic) && found.iter().any(other)
}

fn codes_but(codes: &[&str], first: &str) -> String {
    codes.iter().filter(|code| **code != first).copied().collect::<Vec<_>>().join(", ")
}

fn counted(found: &[Diagnostic]) -> String {
    let count = |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let part = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    };
    let parts = [part(count(Severity::Error), "error"), part(count(Severity::Warning), "warning")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn handler(style: &Style) -> GraphicalReportHandler {
    let theme = match (style.unicode, style.colour) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => {
            GraphicalTheme { characters: miette::ThemeCharacters::ascii(), ..GraphicalTheme::unicode() }
        }
        (false, false) => GraphicalTheme::none(),
    };
    GraphicalReportHandler::new_themed(theme)
        .with_width(style.width)
        .with_links(false)
        .with_context_lines(1)
        .with_wrap_lines(false)
}

/// A diagnostic, or one file's share of it, as miette sees it.
#[derive(Debug)]
struct Shown {
    message: String,
    code: Option<&'static str>,
    severity: Level,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    source: Option<Text>,
    related: Vec<Shown>,
}

impl Shown {
    fn new(diagnostic: &Diagnostic, sources: &Sources, width: usize) -> Shown {
        let main = diagnostic.labels.first().map(|label| label.span.file);
        let mut files: Vec<FileId> = diagnostic.labels.iter().map(|label| label.span.file).collect();
        files.dedup();
        let mut seen = Vec::new();
        files.retain(|file| {
            let new = Some(*file) != main && !seen.contains(file);
            seen.push(*file);
            new
        });
        let elsewhere = |file: &FileId| Shown::in_file(*file, &diagnostic.labels, sources, width);
        Shown {
            message: wrap(&printable(&diagnostic.message), width.saturating_sub(MARGIN).max(LABEL))
                .join("\n"),
            code: Some(diagnostic.code.0),
            severity: match diagnostic.severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warning,
            },
            help: diagnostic.help.as_ref().map(|help| {
                let width = width.saturating_sub(2 * MARGIN).max(LABEL);
                help.lines().flat_map(|line| wrap(&printable(line), width)).collect::<Vec<_>>().join("\n")
            }),
            labels: main.map(|file| labels_in(file, &diagnostic.labels, sources, width)).unwrap_or_default(),
            source: main.and_then(|file| source(file, sources)),
            related: files.iter().map(elsewhere).collect(),
        }
    }

    /// What a diagnostic says of another file than its first.
    fn in_file(file: FileId, labels: &[Label], sources: &Sources, width: usize) -> Shown {
        let first = labels.iter().find(|label| label.span.file == file);
        Shown {
            message: first.map(|label| printable(&label.text)).unwrap_or_default(),
            code: None,
            severity: Level::Advice,
            help: None,
            labels: labels_in(file, labels, sources, width),
            source: source(file, sources),
            related: Vec::new(),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<Level> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.related.iter().map(|related| related as &dyn miette::Diagnostic)))
    }
}

fn text_of(file: FileId, sources: &Sources) -> Option<&Source> {
    sources.iter().find(|(id, _)| *id == file).map(|(_, source)| source)
}

/// A source text by its name, whose columns count characters as ours do; miette's own count bytes.
#[derive(Debug)]
struct Text {
    name: String,
    text: String,
}

impl SourceCode for Text {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        let (_, column) = position(&self.text, read.span().offset());
        let (name, span) = (self.name.clone(), *read.span());
        let contents = MietteSpanContents::new_named(
            name,
            read.data(),
            span,
            read.line(),
            column - 1,
            read.line_count(),
        );
        Ok(Box::new(contents))
    }
}

fn source(file: FileId, sources: &Sources) -> Option<Text> {
    text_of(file, sources).map(|source| Text { name: printable(&source.name), text: harmless(&source.text) })
}

/// A text whose control and direction characters are replaced by others of equal length, so that spans hold.
fn harmless(text: &str) -> String {
    let harmless = |character: char| match character {
        '\n' | '\t' => character,
        // The end of a line of Windows, and a mark that is no letter: nothing that a person needs to see.
        '\r' => ' ',
        '\u{feff}' => '\u{2060}',
        _ if printable(character.encode_utf8(&mut [0; 4])).starts_with(character) => character,
        _ => match character.len_utf8() {
            1 => '?',
            2 => '·',
            _ => char::REPLACEMENT_CHARACTER,
        },
    };
    text.chars().map(harmless).collect()
}

fn labels_in(file: FileId, labels: &[Label], sources: &Sources, width: usize) -> Vec<LabeledSpan> {
    let Some(source) = text_of(file, sources) else { return Vec::new() };
    let mut primary = true;
    let labelled = labels.iter().filter(|label| label.span.file == file).map(|label| {
        let (start, end) = within(label.span, &source.text);
        let text = Some(beside(&label.text, &source.text, (start, end), width));
        let span = SourceSpan::new(start.into(), end - start);
        if std::mem::take(&mut primary) {
            LabeledSpan::new_primary_with_span(text, span)
        } else {
            LabeledSpan::new_with_span(text, span)
        }
    });
    labelled.collect()
}

/// A label's text broken into lines that fit right of the middle of its span, where they are drawn.
fn beside(label: &str, text: &str, (start, end): (usize, usize), width: usize) -> String {
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let middle = text[line..start].chars().count() + text[start..end].chars().count() / 2;
    // Left of the text are the line's number and a bar, left of the label an arm.
    let room = width.saturating_sub(middle + 14).max(LABEL);
    wrap(&printable(label), room).join("\n")
}

/// A span moved onto the text it points into, and onto whole characters.
fn within(span: Span, text: &str) -> (usize, usize) {
    let place = |at: u32| {
        let mut at = (at as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = place(span.start);
    (start, place(span.end).max(start))
}

/// All diagnostics as JSON: code, severity, message, labels with lines and columns from one, help.
pub fn diagnostics_json(found: &[Diagnostic], sources: &Sources) -> Value {
    let fix = |fix: &Fix| fix_json(fix, sources);
    let one = |diagnostic: &Diagnostic| {
        json!({
            "code": diagnostic.code.0,
            "severity": diagnostic.severity,
            "message": diagnostic.message,
            "labels": diagnostic.labels.iter().map(|label| place(label, sources)).collect::<Vec<_>>(),
            "help": diagnostic.help,
            "fixes": diagnostic.fixes.iter().map(fix).collect::<Vec<_>>(),
        })
    };
    found.iter().map(one).collect()
}

/// An edit as JSON.
pub(super) fn fix_json(fix: &Fix, sources: &Sources) -> Value {
    let label = Label { span: fix.span, text: fix.title.clone() };
    let mut place = place(&label, sources);
    place["title"] = std::mem::take(&mut place["text"]);
    place["text"] = fix.text.clone().into();
    place
}

/// A label as JSON.
fn place(label: &Label, sources: &Sources) -> Value {
    let Some(source) = text_of(label.span.file, sources) else { return json!({ "text": label.text }) };
    let (start, end) = within(label.span, &source.text);
    let ((line, column), (end_line, end_column)) =
        (position(&source.text, start), position(&source.text, end));
    json!({
        "file": source.name,
        "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        "start": start, "end": end,
        "text": label.text,
    })
}

/// Lines and columns of a place in a known text, from one.
pub(super) fn columns_of(span: Span, sources: &Sources) -> ((usize, usize), (usize, usize)) {
    let text = text_of(span.file, sources).map_or("", |source| source.text.as_str());
    let (start, end) = within(span, text);
    (position(text, start), position(text, end))
}

/// Line and column of a place, from one; columns count characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
