//! An item that can't be read: its head and the entries in its braces are read one by one, so that two broken
//! entries are two errors and the others are in the tree. Knows how entries are separated, not what they hold.

use pest::error::Error;

use super::ast::{Arg, Entry, Expr, ExprKind, Ident, Item, ItemKind};
use super::mistake::{self, Form};
use super::parser::{Builder, Rule};
use super::tokens::{Chunk, Kind, Token};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span, Spanned};

/// How deep braces inside of braces are looked into.
const DEPTH: usize = 4;

/// Says all that is wrong with an item. What can be read of it comes back, if its head can be.
pub(crate) fn item(
    file: FileId,
    text: &str,
    chunk: &Chunk,
    error: &Error<Rule>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Item> {
    let recovery = Recovery { file, text };
    let shorter = recovery.ended(chunk, diagnostics);
    let chunk = shorter.as_ref().unwrap_or(chunk);
    let again;
    let error = match &shorter {
        None => error,
        Some(_) => match Builder::pairs(Rule::item, &text[chunk.start..chunk.end]) {
            Ok(pair) => {
                let span = Span { file, start: chunk.start as u32, end: chunk.end as u32 };
                return Builder { file, base: chunk.start, diagnostics }.item(pair, chunk.docs.clone(), span);
            }
            Err(error) => {
                again = error;
                &again
            }
        },
    };
    let Some((head, body)) = recovery.split(chunk) else {
        diagnostics.push(mistake::explain(file, text, chunk, (Form::Item, chunk.start), error));
        return None;
    };
    let before = diagnostics.len();
    let blanked = recovery.blanked(&head, &body);
    let span = Span { file, start: chunk.start as u32, end: chunk.end as u32 };
    let mut item = match Builder::pairs(Rule::item, &blanked) {
        Ok(pair) => Builder { file, base: chunk.start, diagnostics }.item(pair, chunk.docs.clone(), span),
        Err(error) => {
            diagnostics.push(mistake::explain(file, text, &head, (Form::Item, head.start), &error));
            None
        }
    };
    // Braces after a function's result are no entries: another language's body.
    if item.is_none() && text[chunk.start..].starts_with("fn") {
        return None;
    }
    let types = chunk.tokens.first().is_some_and(|first| &text[first.start..first.end] == "type");
    let entries = recovery.entries(&body, types, 0, diagnostics);
    if let Some(item) = &mut item {
        graft_item(&mut item.kind, entries);
    }
    if diagnostics.len() == before {
        // Head and entries are each good, and only together not: what stands between the entries is wrong.
        diagnostics.push(mistake::explain(file, text, chunk, (Form::Item, chunk.start), error));
    }
    if types { None } else { item }
}

struct Recovery<'a> {
    file: FileId,
    text: &'a str,
}

impl Recovery<'_> {
    fn str(&self, token: &Token) -> &str {
        &self.text[token.start..token.end]
    }

    /// A piece without the `;`, or `; in`, that another language ends it with.
    fn ended(&self, chunk: &Chunk, diagnostics: &mut Vec<Diagnostic>) -> Option<Chunk> {
        let counting: Vec<&Token> = chunk.tokens.iter().filter(|token| token.counts()).collect();
        let from = match counting.as_slice() {
            [.., sign, word] if self.str(sign) == ";" && self.str(word) == "in" => sign,
            [.., sign] if self.str(sign) == ";" => sign,
            _ => return None,
        };
        diagnostics.push(mistake::semicolons(self.file, &[**from], chunk.end));
        let tokens = chunk.tokens.iter().filter(|token| token.end <= from.start).copied().collect();
        Some(Chunk::new(chunk.docs.clone(), tokens))
    }

    /// A piece that ends with braces: what is around them, and the tokens between them. None when brackets or
    /// texts of it aren't closed, for then nobody knows what is between what.
    fn split(&self, chunk: &Chunk) -> Option<(Chunk, Vec<Token>)> {
        let mut open: Vec<(usize, u8)> = Vec::new();
        let mut braces = None;
        for (index, token) in chunk.tokens.iter().enumerate() {
            match token.kind {
                Kind::Open(bracket) => open.push((index, bracket)),
                Kind::Close(bracket) => {
                    let (from, opener) = open.pop()?;
                    if !matches!((opener, bracket), (b'(', b')') | (b'[', b']') | (b'{', b'}')) {
                        return None;
                    }
                    let whole = open.is_empty() && bracket == b'}' && index + 1 == chunk.tokens.len();
                    braces = whole.then_some((from, index)).or(braces);
                }
                Kind::String { closed: false, .. } | Kind::Text { closed: false } => return None,
                _ => {}
            }
        }
        let (from, to) = braces.filter(|_| open.is_empty())?;
        let around = chunk.tokens[..=from].iter().chain(&chunk.tokens[to..]).copied().collect();
        Some((Chunk { docs: Vec::new(), tokens: around, ..*chunk }, chunk.tokens[from + 1..to].to_vec()))
    }

    /// The text of a piece with blanks for its body: places stay where they are.
    fn blanked(&self, head: &Chunk, body: &[Token]) -> String {
        let (Some(first), Some(last)) = (body.first(), body.last()) else {
            return self.text[head.start..head.end].to_owned();
        };
        let mut blanked = self.text[head.start..first.start].to_owned();
        blanked.push_str(&" ".repeat(last.end - first.start));
        blanked.push_str(&self.text[last.end..head.end]);
        blanked
    }

    /// Reads entries one by one. A broken one keeps its name.
    fn entries(
        &self,
        body: &[Token],
        types: bool,
        depth: usize,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Entry> {
        let mut entries = Vec::new();
        let (pieces, ended) = self.separate(body);
        if let Some(last) = ended.last() {
            diagnostics.push(mistake::semicolons(self.file, &ended, last.end));
        }
        for tokens in pieces {
            let chunk = Chunk::new(Vec::new(), tokens);
            if chunk.tokens.is_empty() {
                continue;
            }
            let rule = if types { Rule::lone_field } else { Rule::lone_entry };
            match Builder::pairs(rule, &self.text[chunk.start..chunk.end]) {
                Ok(pair) if !types => {
                    let mut builder = Builder { file: self.file, base: chunk.start, diagnostics };
                    entries.extend(pair.into_inner().next().map(|entry| builder.entry(entry, 0)));
                }
                Ok(_) => {}
                Err(error) => match self.inherited(&chunk, types, diagnostics) {
                    Some(inherited) => entries.extend(inherited),
                    None => entries.extend(self.entry(&chunk, &error, types, depth, diagnostics)),
                },
            }
        }
        entries
    }

    /// `inherit a b`, as Nix has it: the entries that are meant.
    fn inherited(&self, chunk: &Chunk, types: bool, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Entry>> {
        let mut words = chunk.tokens.iter().filter(|token| token.counts());
        let first = words.next().filter(|first| !types && self.str(first) == "inherit")?;
        let words: Vec<&Token> = words.collect();
        if words.is_empty() || words.iter().any(|word| word.kind != Kind::Word) {
            return None;
        }
        let of = |token: &Token| Span { file: self.file, start: token.start as u32, end: token.end as u32 };
        let names: Vec<&str> = words.iter().map(|word| self.str(word)).collect();
        let meant = names.join(", ");
        let whole = Span { end: chunk.end as u32, ..of(first) };
        diagnostics.push(
            Diagnostic::error(codes::SYNTAX, "nothing is inherited", of(first), "not in this language")
                .help(format!("write `{meant}`: a name alone is short for `{0} = {0}`", names[0]))
                .change(whole, Some(meant)),
        );
        let entry = |word: &&Token| Entry {
            name: Spanned { node: self.str(word).into(), span: of(word) },
            value: Expr { span: of(word), kind: ExprKind::Name(self.str(word).into()) },
        };
        Some(words.iter().map(entry).collect())
    }

    /// A broken entry: if it is itself a head with braces, both are looked at.
    fn entry(
        &self,
        chunk: &Chunk,
        error: &Error<Rule>,
        types: bool,
        depth: usize,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Entry> {
        let name = chunk.tokens.first();
        let named = name.filter(|token| matches!(token.kind, Kind::Word | Kind::String { .. }));
        let Some(name) = named else {
            let form = if types { Form::Field } else { Form::Entry };
            diagnostics.push(mistake::explain(self.file, self.text, chunk, (form, chunk.start), error));
            return None;
        };
        let span = Span { file: self.file, start: name.start as u32, end: name.end as u32 };
        let name: Ident = Spanned { node: self.str(name).trim_matches('"').into(), span };
        let broken = Entry { name, value: Expr { span, kind: ExprKind::Error } };
        let inner = self.split(chunk).filter(|_| !types && depth < DEPTH);
        let whole = inner.and_then(|(head, body)| {
            let blanked = self.blanked(&head, &body);
            let pair = Builder::pairs(Rule::lone_entry, &blanked).ok()?;
            let mut found = Vec::new();
            let mut builder = Builder { file: self.file, base: chunk.start, diagnostics: &mut found };
            let mut entry = builder.entry(pair.into_inner().next()?, 0);
            graft(&mut entry.value, self.entries(&body, false, depth + 1, &mut found));
            (!found.is_empty()).then(|| {
                diagnostics.append(&mut found);
                entry
            })
        });
        whole.or_else(|| {
            let form = if types { Form::Field } else { Form::Entry };
            diagnostics.push(mistake::explain(self.file, self.text, chunk, (form, chunk.start), error));
            Some(broken)
        })
    }

    /// Cuts a body at its commas, at the semicolons that other languages have there, which come back too, and at the ends of lines that don't go on.
    fn separate(&self, body: &[Token]) -> (Vec<Vec<Token>>, Vec<Token>) {
        let mut ended = Vec::new();
        let mut pieces = vec![Vec::new()];
        let mut depth = 0usize;
        for (index, token) in body.iter().enumerate() {
            match token.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ends = depth == 0
                && match token.kind {
                    Kind::Comma => true,
                    _ if self.str(token) == ";" => {
                        ended.push(*token);
                        true
                    }
                    Kind::Newline => self.line_ends(&body[..index], &body[index..]),
                    _ => false,
                };
            match pieces.last_mut() {
                Some(piece) if !ends => piece.push(*token),
                _ => pieces.push(Vec::new()),
            }
        }
        (pieces, ended)
    }

    fn line_ends(&self, before: &[Token], after: &[Token]) -> bool {
        let goes_on = ["=", ":", "==", "!=", "<", "<=", ">", ">=", "++", "+", "-", "*", "|"];
        let words = ["and", "or", "not", "if", "then", "else", "in", "with", "for"];
        let last = before.iter().rfind(|token| token.counts()).map_or("", |token| self.str(token));
        let next = after.iter().find(|token| token.counts()).map_or("", |token| self.str(token));
        let next_goes_on = [".", ".*", "then", "else"].contains(&next) || goes_on.contains(&next);
        !goes_on.contains(&last) && !words.contains(&last) && !next_goes_on
    }
}

/// Puts entries where the empty braces of an item's head were.
fn graft_item(item: &mut ItemKind, entries: Vec<Entry>) {
    match item {
        ItemKind::Recipe { body, .. } => *body = entries,
        ItemKind::Let { value, .. }
        | ItemKind::Fn { body: value, .. }
        | ItemKind::Input { value, .. }
        | ItemKind::Env { value, .. }
        | ItemKind::Build { value, .. }
        | ItemKind::Assert { value, .. }
        | ItemKind::Test { value, .. } => graft(value, entries),
        ItemKind::Use { .. } | ItemKind::Type { .. } => {}
    }
}

/// The same for an expression that ends with braces.
fn graft(value: &mut Expr, entries: Vec<Entry>) {
    match &mut value.kind {
        ExprKind::Record(into) => *into = entries,
        ExprKind::With(_, into) => *into = entries.into(),
        ExprKind::Call { args, .. } => *args = entries.into_iter().map(Arg::from).collect(),
        ExprKind::Binary(_, both) => graft(&mut both.1, entries),
        ExprKind::Unary(_, last) | ExprKind::If(_, _, last) => graft(last, entries),
        _ => {}
    }
}
