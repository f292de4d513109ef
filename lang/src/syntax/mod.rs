//! From text to syntax tree. A file is cut into items first, and each is parsed by itself: one that is
//! wrong hides no other. pest and its types stay in here; no name is resolved.
//!
//! An item is read by `fast` first, and by the grammar when that gives up: see there.

pub mod ast;
#[cfg(test)]
mod broken;
mod cache;
pub(crate) mod cut;
mod expression;
mod fast;
mod literal;
mod mistake;
mod parser;
pub mod places;
mod recover;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod tokens;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span, Spanned};
pub use cache::Cache;
use cut::{Piece, pieces};
pub use literal::{read_instant, show_date, show_instant};
use parser::{Builder, Rule};
pub use tokens::KEYWORDS;
use tokens::{Chunk, Depth, Scanner, Token};

/// The newest edition of the language that this program reads.
pub const EDITION: u32 = 1;

/// How large a file may be, in bytes.
const SIZE: usize = 16 << 20;

/// After how many items it is guessed how many there are, so that they aren't moved again and again.
const SAMPLE: usize = 64;

/// How many a guess may come to.
const MANY: usize = 1 << 15;

/// How many errors of one file are said one by one.
const SHOWN: usize = 50;

/// How deep brackets may nest.
const BRACKETS: usize = 128;

/// Parses a file. All that is wrong with it is said; the items that can be read are in the tree, and of the others
/// the name, as [`ast::ExprKind::Error`].
pub fn parse(file: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    read(file, text, Way::Fast, None)
}

/// As [`parse`], by the grammar alone: what the faster way is held against.
pub fn parse_by_grammar(file: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    read(file, text, Way::Grammar, None)
}

/// As [`parse`], with what is known of items of the same text.
pub fn parse_again(file: FileId, text: &str, cache: &mut Cache) -> (ast::File, Vec<Diagnostic>) {
    read(file, text, Way::Fast, Some(cache))
}

/// How a piece is read.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// By hand first, by the grammar if that gives up.
    Fast,
    /// By the grammar.
    Grammar,
}

fn read(file: FileId, text: &str, way: Way, mut cache: Option<&mut Cache>) -> (ast::File, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut tree = ast::File { edition: None, items: Vec::new() };
    if let Some(large) = too_large(file, text) {
        return (tree, vec![large]);
    }
    let mut pieces = pieces(text).peekable();
    match pieces.next_if(|piece| first_word(text, Some(&piece.first)) == "rbld") {
        Some(piece) => tree.edition = edition(file, text, &piece, &mut diagnostics),
        None => diagnostics.push(no_edition(file, pieces.peek())),
    }
    let marks = mistake::conflicts(text);
    diagnostics.extend(mistake::conflict(file, text, &marks));
    for piece in pieces {
        let place = piece.first.start..piece.end;
        let written = &text[place.clone()];
        let known = cache.as_mut().and_then(|cache| cache.find(written, file, place.start as u32));
        if let Some(known) = known {
            tree.items.push(ast::Item { docs: piece.docs, ..known });
            continue;
        }
        let mut found = Vec::new();
        let read = item(file, text, piece, way, &mut found);
        if let (Some(cache), Some(item), []) = (&mut cache, &read, found.as_slice()) {
            cache.keep(written, item);
        }
        tree.items.extend(read);
        if tree.items.len() == SAMPLE {
            let size = (place.end / SAMPLE).max(1);
            tree.items.reserve(((text.len() - place.end) / size).min(MANY));
        }
        // What a newer edition or both sides of a merge mean together is not ours to judge.
        let judged = tree.edition.as_ref().is_none_or(|edition| edition.node <= EDITION);
        if judged && !marks.iter().any(|(at, _)| place.contains(at)) {
            diagnostics.append(&mut found);
        }
    }
    mistake::merge(&mut diagnostics);
    capped(&mut diagnostics);
    (tree, diagnostics)
}

/// Whether a text goes on: brackets are open at its end, or a text of several lines.
pub fn is_unfinished(text: &str) -> bool {
    let tokens = tokens::scan(text);
    let mut open = 0usize;
    for token in &tokens {
        match token.kind {
            tokens::Kind::Open(_) => open += 1,
            tokens::Kind::Close(_) => open = open.saturating_sub(1),
            tokens::Kind::Text { closed: false } => return true,
            _ => {}
        }
    }
    let last = tokens.iter().rfind(|token| token.counts());
    open > 0 || last.is_some_and(|last| ["=", "->"].contains(&&text[last.start..last.end]))
}

/// Whether a text is made of items, as in a file; else it is an expression.
pub fn is_items(text: &str) -> bool {
    tokens::begins_item(text, Scanner::new(text).skip_while(|token| !token.counts()))
}

/// Parses items without the edition's line before them, as they are entered at a prompt.
pub fn parse_items(file: FileId, text: &str) -> (Vec<ast::Item>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    if let Some(large) = too_large(file, text) {
        return (Vec::new(), vec![large]);
    }
    let items =
        pieces(text).filter_map(|piece| item(file, text, piece, Way::Fast, &mut diagnostics)).collect();
    capped(&mut diagnostics);
    (items, diagnostics)
}

/// Parses a single expression: `rbld eval`'s argument.
pub fn parse_expression(file: FileId, text: &str) -> (ast::Expr, Vec<Diagnostic>) {
    read_expression(file, text, Way::Fast)
}

/// As [`parse_expression`], by the grammar alone.
pub fn parse_expression_by_grammar(file: FileId, text: &str) -> (ast::Expr, Vec<Diagnostic>) {
    read_expression(file, text, Way::Grammar)
}

fn read_expression(file: FileId, text: &str, way: Way) -> (ast::Expr, Vec<Diagnostic>) {
    let whole = Span { file, start: 0, end: text.len().min(u32::MAX as usize) as u32 };
    let broken = ast::Expr { span: whole, kind: ast::ExprKind::Error };
    if let Some(large) = too_large(file, text) {
        return (broken, vec![large]);
    }
    let mut depth = Depth::default();
    Scanner::new(text).for_each(|token| depth.pass(&token, BRACKETS));
    if let Some(deep) = too_deep(file, depth) {
        return (broken, vec![deep]);
    }
    if let Some(expr) = (way == Way::Fast).then(|| fast::expression(file, text)).flatten() {
        return (expr, Vec::new());
    }
    let mut diagnostics = Vec::new();
    let expr = match Builder::pairs(Rule::expression, text) {
        Ok(pair) => {
            let mut builder = Builder { file, base: 0, diagnostics: &mut diagnostics };
            pair.into_inner().next().map(|expr| builder.expr(expr, 0))
        }
        Err(error) => {
            let chunk = Chunk { end: text.len(), start: 0, ..Chunk::new(Vec::new(), tokens::scan(text)) };
            diagnostics.push(mistake::explain(file, text, &chunk, (mistake::Form::Expression, 0), &error));
            None
        }
    };
    (expr.unwrap_or(broken), diagnostics)
}

/// Nobody reads thousands of errors, and a file that isn't of this language has as many.
fn capped(diagnostics: &mut Vec<Diagnostic>) {
    let more = diagnostics.len().saturating_sub(SHOWN);
    if more > 1 {
        diagnostics.truncate(SHOWN);
        if let Some(last) = diagnostics.last().and_then(|last| last.labels.first()).map(|label| label.span) {
            let message = format!("{more} more errors of syntax follow");
            diagnostics.push(
                Diagnostic::error(codes::SYNTAX, message, last, "after this")
                    .help("mend these first, then look again"),
            );
        }
    }
}

fn too_large(file: FileId, text: &str) -> Option<Diagnostic> {
    let start = Span { file, start: 0, end: 0 };
    let megabytes = SIZE >> 20;
    (text.len() > SIZE).then(|| {
        let message = format!("the file has {} bytes, more than {megabytes} MiB", text.len());
        Diagnostic::error(codes::TOO_LARGE, message, start, "too large")
            .help("split it into files and `use` them; data belongs into a file that is an input: `./data`")
    })
}

fn too_deep(file: FileId, depth: Depth) -> Option<Diagnostic> {
    (depth.deepest > BRACKETS).then(|| {
        let span = Span { file, start: depth.place as u32, end: depth.place as u32 + 1 };
        Diagnostic::error(
            codes::TOO_LARGE,
            format!("brackets nest more than {BRACKETS} deep"),
            span,
            "too deep from here on",
        )
        .help("give parts of it names with `let`")
    })
}

/// The word that a piece begins with, empty when it begins with something else.
fn first_word<'t>(text: &'t str, first: Option<&Token>) -> &'t str {
    match first {
        Some(token) if token.kind == tokens::Kind::Word => &text[token.start..token.end],
        _ => "",
    }
}

fn edition(
    file: FileId,
    text: &str,
    piece: &Piece,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spanned<u32>> {
    let line = &text[piece.start()..piece.end];
    let span = Span { file, start: piece.start() as u32, end: piece.end as u32 };
    let number = Builder::pairs(Rule::edition, line).ok().and_then(|pair| pair.into_inner().next());
    let Some(number) = number else {
        diagnostics.push(
            Diagnostic::error(
                codes::EDITION,
                "the first line doesn't name an edition",
                span,
                "expected `rbld 1`",
            )
            .help(format!("write `rbld {EDITION}` on a line by itself")),
        );
        return None;
    };
    let place = parser::span_of(file, piece.start(), &number);
    let written = number.as_str();
    let edition = written.parse::<u32>().unwrap_or(u32::MAX);
    if written.starts_with('0') {
        diagnostics.push(
            Diagnostic::error(
                codes::EDITION,
                format!("there is no edition {written}"),
                place,
                "no such edition",
            )
            .help(format!("write `rbld {EDITION}`")),
        );
    } else if edition > EDITION {
        diagnostics.push(
            Diagnostic::error(
                codes::EDITION,
                format!("edition {written} is from the future"),
                place,
                format!("this rbld reads edition {EDITION}"),
            )
            .help("install a newer rbld; `rbld --version` says which one this is"),
        );
    }
    Some(Spanned { node: edition, span: place })
}

fn no_edition(file: FileId, first: Option<&Piece>) -> Diagnostic {
    let start = first.map_or(0, |piece| piece.start() as u32);
    let end = first.map_or(start, |piece| piece.first.end as u32);
    let span = Span { file, start, end };
    Diagnostic::error(
        codes::EDITION,
        "the file doesn't begin with its edition",
        span,
        format!("expected `rbld {EDITION}` before this"),
    )
    .help(format!("write `rbld {EDITION}` as the first line: it says which language this is, for ever"))
    .fix(format!("write `rbld {EDITION}`"), Span { file, start: 0, end: 0 }, format!("rbld {EDITION}\n"))
}

fn item(
    file: FileId,
    text: &str,
    piece: Piece,
    way: Way,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ast::Item> {
    let (start, end) = (piece.start(), piece.end);
    let written = &text[start..end];
    let span = Span { file, start: start as u32, end: end as u32 };
    let keyword = first_word(text, Some(&piece.first));
    if !KEYWORDS.contains(&keyword) {
        let deep = piece.depth.deepest > BRACKETS;
        let chunk = piece.chunk(text);
        diagnostics.push(mistake::no_item(file, text, &chunk));
        return if deep { None } else { meant(file, text, &chunk, span) };
    }
    if let Some(token) = piece.outdented {
        let place = Span { file, start: token.start as u32, end: token.end as u32 };
        diagnostics.push(
            Diagnostic::error(
                codes::SYNTAX,
                "a line inside of brackets begins in column 0",
                place,
                "not indented",
            )
            .label(Span { end: span.start + keyword.len() as u32, ..span }, "goes on with this item")
            .help("indent it: only items and closing brackets begin in column 0"),
        );
    }
    if let Some(deep) = too_deep(file, piece.depth) {
        diagnostics.push(deep);
        return named(file, text, &piece.chunk(text)).map(|name| Builder::broken(keyword, name, span));
    }
    if let Some(kind) = (way == Way::Fast).then(|| fast::item(file, start, written)).flatten() {
        return Some(ast::Item { docs: piece.docs, span, kind });
    }
    match Builder::pairs(Rule::item, written) {
        Ok(pair) => Builder { file, base: start, diagnostics }.item(pair, piece.docs, span),
        Err(error) => {
            let chunk = piece.chunk(text);
            recover::item(file, text, &chunk, &error, diagnostics)
                .or_else(|| named(file, text, &chunk).map(|name| Builder::broken(keyword, name, span)))
        }
    }
}

/// An item whose keyword isn't one, with the keyword that is meant: so nothing is said to be missing that is there.
fn meant(file: FileId, text: &str, chunk: &Chunk, span: Span) -> Option<ast::Item> {
    let written = first_word(text, chunk.tokens.first());
    let keyword = mistake::nearest(written)?;
    let after = chunk.start + written.len();
    let base = after.checked_sub(keyword.len())?;
    let piece = format!("{keyword}{}", &text[after..chunk.end]);
    let mut unsaid = Vec::new();
    let item = Builder::pairs(Rule::item, &piece).ok().and_then(|pair| {
        Builder { file, base, diagnostics: &mut unsaid }.item(pair, chunk.docs.clone(), span)
    });
    match item {
        Some(item) => Some(item).filter(|_| unsaid.is_empty()),
        None => named(file, text, chunk).map(|name| Builder::broken(keyword, name, span)),
    }
}

/// The name of an item of which nothing else may be readable.
fn named(file: FileId, text: &str, chunk: &Chunk) -> Option<ast::Ident> {
    let name = chunk.tokens.get(1).filter(|token| token.kind == tokens::Kind::Word)?;
    let keyword = first_word(text, chunk.tokens.first());
    if ["use", "assert", "test"].contains(&keyword) {
        return None;
    }
    let span = Span { file, start: name.start as u32, end: name.end as u32 };
    Some(Spanned { node: text[name.start..name.end].into(), span })
}
