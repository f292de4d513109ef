//! `test` items: whether they hold, and if one doesn't, which part of it and what the sides of that part are.

use std::sync::Arc;

use super::{Eval, Evaluator};
use crate::check::Body;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, ItemId, Kind};
use crate::span::Span;
use crate::syntax::ast::{BinaryOp, UnaryOp};
use crate::value::Value;

/// A `test` item.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its text.
    pub name: Arc<str>,
    /// The text's place.
    pub span: Span,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a test.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its condition is true.
    Holds,
    /// Its condition is false: why. Among the diagnostics, too.
    Fails(Box<Diagnostic>),
    /// `unchanged(…)`: the text that must be the one kept beside the file.
    Unchanged(Arc<str>),
}

/// How wide a value is shown whole beside the place it comes from.
const WIDTH: usize = 72;

/// How many parts of a condition are told.
const PARTS: usize = 6;

impl Evaluator<'_> {
    /// Evaluates a `test` item.
    pub(super) fn test(&mut self, id: ItemId) -> Eval<()> {
        let program = self.program;
        let item = &program.items[id.index()];
        let outcome = match &item.body {
            Body::Test(ir) => match self.eval(ir)? {
                Value::Bool(true) => Outcome::Holds,
                _ => Outcome::Fails(Box::new(self.fails(&item.name, ir))),
            },
            Body::Unchanged(ir) => {
                let value = self.eval(ir)?;
                match crate::unchanged::text(&value) {
                    Some(text) => Outcome::Unchanged(text.into()),
                    None => {
                        return self.stop(
                            codes::TOO_DEEP,
                            "this is too much to be kept",
                            ir.span,
                            "more than 16 MiB as text",
                            "keep a part of it: a field, one cell, a `length(…)`",
                        );
                    }
                }
            }
            _ => return Ok(()),
        };
        self.tests.push(Test { name: item.name.clone(), span: item.span, outcome });
        Ok(())
    }

    /// Why a condition is false, reported.
    fn fails(&mut self, name: &str, condition: &Ir) -> Diagnostic {
        let mut said = Vec::new();
        // What can't be evaluated again, for it takes too long, is left untold.
        let _ = self.why(condition, false, &mut said);
        if said.is_empty() {
            said.push((condition.span, "this is false".to_owned()));
        }
        let mut labels = said.into_iter();
        let (span, text) = labels.next().unwrap_or((condition.span, String::new()));
        let mut wrong = Diagnostic::error(codes::TEST, format!("the test `{name}` doesn't hold"), span, text);
        for (span, text) in labels {
            wrong = wrong.label(span, text);
        }
        let wrong =
            wrong.help("change what it tests until it holds, or the test if it asks for the wrong thing");
        self.report(wrong.clone());
        wrong
    }

    /// Tells why an expression of type `Bool` came to `is`.
    fn why(&mut self, ir: &Ir, is: bool, said: &mut Vec<(Span, String)>) -> Eval<()> {
        if said.len() >= PARTS {
            return Ok(());
        }
        match &ir.kind {
            Kind::Binary(BinaryOp::And, left, right) | Kind::Binary(BinaryOp::Or, left, right) => {
                // One side decides, or both do together.
                let decides = matches!(ir.kind, Kind::Binary(BinaryOp::Or, ..)) == is;
                let left_is = matches!(self.eval(left)?, Value::Bool(true));
                if left_is == is {
                    self.why(left, is, said)?;
                }
                if !decides || left_is != is {
                    self.why(right, is, said)?;
                }
                Ok(())
            }
            Kind::Unary(UnaryOp::Not, operand) => self.why(operand, !is, said),
            Kind::If(condition, yes, no) => {
                let taken = matches!(self.eval(condition)?, Value::Bool(true));
                said.push((condition.span, format!("{taken}, so it goes on behind `{}`", arm(taken))));
                self.why(if taken { yes } else { no }, is, said)
            }
            Kind::Convert(of) => self.why(&of.0, is, said),
            Kind::Binary(op, left, right) if is_comparison(*op) => {
                let (a, b) = (self.eval(left)?, self.eval(right)?);
                let sources = &self.project.sources;
                let written = |ir: &Ir| sources.slice(ir.span).to_owned();
                sides(*op, is, (left, &a), (right, &b), &written, said);
                Ok(())
            }
            _ => {
                said.push((ir.span, format!("this is {is}")));
                Ok(())
            }
        }
    }
}

fn arm(taken: bool) -> &'static str {
    if taken { "then" } else { "else" }
}

fn is_comparison(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
    )
}

/// Tells what the sides of a comparison are.
fn sides(
    op: BinaryOp,
    is: bool,
    (left, a): (&Ir, &Value),
    (right, b): (&Ir, &Value),
    written: &dyn Fn(&Ir) -> String,
    said: &mut Vec<(Span, String)>,
) {
    let differ = matches!((op, is), (BinaryOp::Equal, false) | (BinaryOp::NotEqual, true));
    let long = |value: &Value| {
        brief(value, WIDTH).is_none() || matches!(value, Value::Text(text) if text.contains('\n'))
    };
    if differ && (long(a) || long(b)) {
        let Difference { path, left: a, right: b } = difference(a, b);
        said.push((left.span, format!("differs {path}: {a}")));
        said.push((right.span, format!("{b} there")));
        return;
    }
    let show = |value: &Value| brief(value, WIDTH).unwrap_or_else(|| clipped(value, WIDTH));
    let same = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) && !differ;
    // Of a literal, what it is can be read.
    let (a, b) = (show(a), show(b));
    if a != written(left) {
        said.push((left.span, format!("is {a}")));
    }
    if same {
        said.push((right.span, "is the same".to_owned()));
    } else if b != written(right) {
        said.push((right.span, format!("is {b}")));
    }
}

/// Where two values first differ.
#[derive(Debug, PartialEq)]
struct Difference {
    /// `at [3].name`, `in line 2 of .script`.
    path: String,
    /// What is on the left.
    left: String,
    /// What is on the right.
    right: String,
}

/// Where two unequal values first differ.
fn difference(a: &Value, b: &Value) -> Difference {
    let mut path = String::new();
    let (mut a, mut b) = (a, b);
    loop {
        let next = match (a, b) {
            (Value::List(left), Value::List(right)) => {
                let found = left.iter().zip(right.iter()).enumerate().find(|(_, (a, b))| !equal(a, b));
                match found {
                    Some((at, pair)) => Some((format!("[{at}]"), pair)),
                    None => {
                        let show = |list: &[Value]| match list.len() {
                            1 => "1 element".to_owned(),
                            count => format!("{count} elements"),
                        };
                        return told("in its length", &path, show(left), show(right));
                    }
                }
            }
            (Value::Record(left), Value::Record(right)) => left
                .iter()
                .zip(&right.values)
                .find(|((_, a), b)| !equal(a, b))
                .map(|((name, a), b)| (format!(".{name}"), (a, b))),
            (Value::Map(left), Value::Map(right)) => {
                let key = |key: &crate::value::Key| format!("[{key}]");
                if let Some(only) = left.keys().find(|key| !right.contains_key(*key)) {
                    return told(&format!("at {path}{}", key(only)), "", "only this has it", "nothing");
                }
                if let Some(only) = right.keys().find(|key| !left.contains_key(*key)) {
                    return told(
                        &format!("at {path}{}", key(only)),
                        "",
                        "nothing",
                        "only this has something",
                    );
                }
                let pairs = left.iter().filter_map(|(name, a)| Some((name, (a, right.get(name)?))));
                pairs.into_iter().find(|(_, (a, b))| !equal(a, b)).map(|(name, pair)| (key(name), pair))
            }
            (Value::Text(left), Value::Text(right)) if left.contains('\n') || right.contains('\n') => {
                return line(left, right, &path);
            }
            _ => None,
        };
        match next {
            Some((step, pair)) => {
                path += &step;
                (a, b) = pair;
            }
            None => {
                let place = if path.is_empty() { String::new() } else { format!("at {path}") };
                let show = |value: &Value| brief(value, WIDTH).unwrap_or_else(|| clipped(value, WIDTH));
                return match (a, b) {
                    (Value::Text(left), Value::Text(right))
                        if brief(a, WIDTH).is_none() || brief(b, WIDTH).is_none() =>
                    {
                        letter(left, right, &path)
                    }
                    _ => told(&place, "", show(a), show(b)),
                };
            }
        }
    }
}

fn told(place: &str, of: &str, left: impl Into<String>, right: impl Into<String>) -> Difference {
    let path = if of.is_empty() { place.to_owned() } else { format!("{place}, {of}") };
    Difference { path, left: left.into(), right: right.into() }
}

/// Where two texts of several lines first differ.
fn line(left: &str, right: &str, path: &str) -> Difference {
    let (mut a, mut b) = (left.split('\n'), right.split('\n'));
    for number in 1.. {
        match (a.next(), b.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let show = |line: Option<&str>| match line {
                    Some(line) => clipped(&Value::text(line), WIDTH),
                    None => "no such line".to_owned(),
                };
                return told(&format!("in line {number}"), path, show(a), show(b));
            }
        }
    }
    told("somewhere", path, "", "")
}

/// Where two texts of one line first differ: so much of both as lets it be seen.
fn letter(left: &str, right: &str, path: &str) -> Difference {
    let same = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).count();
    let show = |text: &str| {
        let from = same.saturating_sub(16);
        let part: String = text.chars().skip(from).take(WIDTH / 2).collect();
        let before = if from > 0 { "…" } else { "" };
        let behind = if text.chars().count() > from + WIDTH / 2 { "…" } else { "" };
        format!("{before}{}{behind}", Value::text(part).show())
    };
    told(&format!("from letter {} on", same + 1), path, show(left), show(right))
}

/// Whether two parts are equal; parts that are too large to be compared count as different.
fn equal(a: &Value, b: &Value) -> bool {
    a.same(b, &mut 1_000_000).unwrap_or(false)
}

/// A value as it is written, unless that is wider than `width`.
fn brief(value: &Value, width: usize) -> Option<String> {
    crate::unchanged::weigh(value, &mut (width as u64 * 2))?;
    Some(value.show()).filter(|shown| shown.chars().count() <= width)
}

/// The beginning of a value as it is written.
fn clipped(value: &Value, width: usize) -> String {
    let shown = match value {
        Value::Text(text) => Value::text(text.chars().take(width).collect::<String>()).show(),
        Value::List(items) => return format!("a list of {}", items.len()),
        Value::Map(map) => return format!("a map of {}", map.len()),
        Value::Record(record) => return format!("a record of {}", record.values.len()),
        other => other.show(),
    };
    match shown.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}
