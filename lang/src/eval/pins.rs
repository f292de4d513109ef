//! Pins that may move: what a project asks of the world, and where the literal stands that fixes it.
//!
//! Evaluation notes each question with the calls that led to it; from the question the argument is followed outwards,
//! through parameters, `let` items and modules, to the place where it is written. What is computed has no such place.

use std::collections::BTreeMap;

use super::Evaluator;
use crate::check;
use crate::derivation::ImageName;
use crate::digest::Digest;
use crate::loader::{Loader, Module, Project, Used};
use crate::package::Reference;
use crate::span::Span;
use crate::syntax::ast::{Arg, Expr, ExprKind, Item, ItemKind, Literal, Param, Part};

/// What is asked of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Which commit a tag or branch is at.
    Git {
        /// The repository.
        url: String,
        /// The tag or branch; `None` where neither is named.
        reference: Option<Reference>,
        /// The commit now.
        commit: Option<String>,
    },
    /// Which bytes are at an address.
    Url {
        /// The addresses.
        urls: Vec<String>,
        /// Their digest now.
        digest: Option<Digest>,
    },
    /// Which image a tag stands for.
    Image {
        /// Its name.
        name: ImageName,
        /// Its digest now.
        digest: Option<Digest>,
    },
    /// What an archive published last.
    Snapshot {
        /// The archive: `debian`.
        archive: String,
        /// The suite.
        suite: String,
        /// Its components.
        components: Vec<String>,
        /// The file whose keys sign it, where rbld has none; its digest.
        keyring: Option<Digest>,
        /// The instant now.
        at: Option<i64>,
    },
}

/// A question, and where its answer is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    /// The items that lead to it: the one that asks first, then those that hold the answer.
    pub names: Vec<String>,
    /// What is asked.
    pub question: Question,
    /// Where the answer is written.
    pub place: Placed,
}

/// Where the answer of a question is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placed {
    /// In this literal.
    Literal(Span),
    /// Nowhere yet: it is an argument that this call leaves out.
    Missing {
        /// The call.
        call: Span,
        /// The argument's name.
        name: &'static str,
    },
    /// It comes out of this expression, which is no literal of the project.
    Computed(Span),
}

/// A question as evaluation meets it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    question: Question,
    span: Span,
    calls: Vec<Span>,
}

/// The most questions that are noted.
const MOST: usize = 10_000;

impl Evaluator<'_> {
    /// Notes a question, where somebody wants to know.
    pub(super) fn ask(&mut self, question: impl FnOnce() -> Question, span: Span) {
        if let Some(asked) = &mut self.asked
            && asked.len() < MOST
        {
            asked.push(Asked { question: question(), span, calls: self.calls.clone() });
        }
    }
}

/// The pins of a project, in the order of where they are written; what can't be evaluated has none.
pub fn pins(project: &Project, loader: &dyn Loader) -> Vec<Pin> {
    let program = check::check(project);
    let mut evaluator = Evaluator::new(project, &program, loader);
    evaluator.asked = Some(Vec::new());
    evaluator.run();
    let mut pins: BTreeMap<(Placed, Question), Pin> = BTreeMap::new();
    for asked in evaluator.asked.unwrap_or_default() {
        let (place, names) = Search { project, names: Vec::new() }.place(&asked);
        let pin = pins.entry((place, asked.question.clone())).or_insert_with(|| Pin {
            names: Vec::new(),
            question: asked.question,
            place,
        });
        for name in names {
            if !pin.names.contains(&name) {
                pin.names.push(name);
            }
        }
    }
    pins.into_values().collect()
}

struct Search<'a> {
    project: &'a Project,
    names: Vec<String>,
}

impl<'a> Search<'a> {
    /// Where the answer is written, and the names of items on the way.
    fn place(mut self, asked: &Asked) -> (Placed, Vec<String>) {
        let (name, position) = match asked.question {
            Question::Git { .. } => ("commit", 1),
            Question::Url { .. } => ("digest", 2),
            Question::Image { .. } => ("digest", 1),
            Question::Snapshot { .. } => ("at", 3),
        };
        // The innermost call is the intrinsic's, in the standard library.
        let outermost = asked.calls.first().copied().unwrap_or(asked.span);
        self.note(outermost);
        let place = match self.call(asked.span).and_then(|(_, args)| args.get(position)) {
            Some(arg) => self.follow(&arg.value, asked.calls.clone(), name),
            None => Placed::Computed(outermost),
        };
        let innermost = asked.calls.iter().rev().find(|call| self.is_own(**call));
        let place = match place {
            Placed::Computed(at) if !self.is_own(at) => {
                Placed::Computed(innermost.copied().unwrap_or(outermost))
            }
            place => place,
        };
        (place, self.names)
    }

    /// Follows an expression to the literal that it stands for.
    fn follow(&mut self, mut expr: &'a Expr, mut calls: Vec<Span>, name: &'static str) -> Placed {
        for _ in 0..100 {
            let computed = Placed::Computed(expr.span);
            let Some((module, item)) = self.item(expr.span) else { return computed };
            match &expr.kind {
                ExprKind::Literal(_) if self.is_own(expr.span) => {
                    self.note(expr.span);
                    return Placed::Literal(expr.span);
                }
                ExprKind::Name(written) => {
                    let params = params(item);
                    if let Some(index) = params.iter().position(|param| param.name.node == *written) {
                        let Some(call) = calls.pop() else { return computed };
                        let Some((_, args)) = self.call(call) else { return computed };
                        match (argument(args, index, written), &params[index].default) {
                            (Some(given), _) => expr = given,
                            (None, Some(Expr { kind: ExprKind::Literal(Literal::None), .. })) => {
                                return match self.is_own(call) {
                                    true => Placed::Missing { call, name },
                                    false => Placed::Computed(call),
                                };
                            }
                            (None, Some(default)) => expr = default,
                            (None, None) => return computed,
                        }
                        continue;
                    }
                    let Some(value) = value_of(module, written) else { return computed };
                    self.names.push(written.to_string());
                    (expr, calls) = (value, Vec::new());
                }
                ExprKind::Field(of) => {
                    let (base, field) = &**of;
                    let ExprKind::Name(written) = &base.kind else { return computed };
                    let value = self.used(module, written).and_then(|used| value_of(used, &field.node));
                    let Some(value) = value else { return computed };
                    self.names.push(field.node.to_string());
                    (expr, calls) = (value, Vec::new());
                }
                _ => return computed,
            }
        }
        Placed::Computed(expr.span)
    }

    /// Remembers the name of the item at a place of the project.
    fn note(&mut self, span: Span) {
        if self.is_own(span)
            && let Some((_, item)) = self.item(span)
        {
            let name = check::name_of(item).to_owned();
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    fn is_own(&self, span: Span) -> bool {
        !self.project.in_library(span)
    }

    fn item(&self, span: Span) -> Option<(&'a Module, &'a Item)> {
        let module = self.project.modules.iter().find(|module| module.file == span.file)?;
        let holds = |item: &&Item| item.span.start <= span.start && span.end <= item.span.end;
        Some((module, module.ast.items.iter().find(holds)?))
    }

    /// The call that stands at a place.
    fn call(&self, span: Span) -> Option<(&'a Expr, &'a [Arg])> {
        let (_, item) = self.item(span)?;
        call_at(item, span)
    }

    fn used(&self, module: &'a Module, name: &str) -> Option<&'a Module> {
        let (index, _) =
            module.ast.items.iter().enumerate().find(|(_, item)| {
                matches!(&item.kind, ItemKind::Use { .. }) && check::name_of(item) == name
            })?;
        match module.uses.get(&index)? {
            Used::Module(id) => self.project.modules.get(id.index()),
            _ => None,
        }
    }
}

fn params(item: &Item) -> &[Param] {
    match &item.kind {
        ItemKind::Fn { params, .. } | ItemKind::Recipe { params, .. } => params,
        _ => &[],
    }
}

/// The value of a `let` of a module.
fn value_of<'a>(module: &'a Module, name: &str) -> Option<&'a Expr> {
    module.ast.items.iter().find_map(|item| match &item.kind {
        ItemKind::Let { name: of, value, .. } if of.node == name => Some(value),
        _ => None,
    })
}

/// What a call gives for a parameter.
fn argument<'a>(args: &'a [Arg], index: usize, name: &str) -> Option<&'a Expr> {
    let named = args.iter().find(|arg| arg.name.as_ref().is_some_and(|given| given.node == name));
    let placed = || args.get(index).filter(|arg| arg.name.is_none());
    named.or_else(placed).map(|arg| &arg.value)
}

/// The call of an item that stands exactly at a place.
pub fn call_at(item: &Item, span: Span) -> Option<(&Expr, &[Arg])> {
    let mut open: Vec<&Expr> = match &item.kind {
        ItemKind::Let { value, .. }
        | ItemKind::Input { value, .. }
        | ItemKind::Env { value, .. }
        | ItemKind::Assert { value, .. }
        | ItemKind::Test { value, .. } => vec![value],
        ItemKind::Fn { params, body, .. } => {
            params.iter().filter_map(|param| param.default.as_ref()).chain([body]).collect()
        }
        ItemKind::Recipe { params, body, .. } => {
            let defaults = params.iter().filter_map(|param| param.default.as_ref());
            defaults.chain(body.iter().map(|entry| &entry.value)).collect()
        }
        ItemKind::Build { axes, filter, value, .. } => {
            axes.iter().map(|axis| &axis.over).chain(filter.as_deref()).chain([value]).collect()
        }
        ItemKind::Use { .. } | ItemKind::Type { .. } => Vec::new(),
    };
    while let Some(expr) = open.pop() {
        if let ExprKind::Call { callee, args } = &expr.kind
            && expr.span == span
        {
            return Some((callee, args));
        }
        inner(expr, &mut open);
    }
    None
}

/// The expressions right inside of one.
fn inner<'a>(expr: &'a Expr, to: &mut Vec<&'a Expr>) {
    match &expr.kind {
        ExprKind::Name(_) | ExprKind::Literal(_) | ExprKind::Plain(_) | ExprKind::Error => {}
        ExprKind::Text(parts) => to.extend(parts.iter().filter_map(|part| match part {
            Part::Expr(expr) => Some(&**expr),
            Part::Text(_) => None,
        })),
        ExprKind::List(items) => to.extend(items),
        ExprKind::Comprehension(of) => {
            to.extend(of.axes.iter().map(|axis| &axis.over));
            to.extend(&of.filter);
            to.push(&of.body);
        }
        ExprKind::Record(entries) => to.extend(entries.iter().map(|entry| &entry.value)),
        ExprKind::Field(of) => to.push(&of.0),
        ExprKind::Star(base) | ExprKind::Unary(_, base) => to.push(base),
        ExprKind::Index(base, keys) => {
            to.push(base);
            to.extend(keys.iter().flatten());
        }
        ExprKind::Call { callee, args } => {
            to.push(callee);
            to.extend(args.iter().map(|arg| &arg.value));
        }
        ExprKind::With(base, entries) => {
            to.push(base);
            to.extend(entries.iter().map(|entry| &entry.value));
        }
        ExprKind::If(a, b, c) => to.extend([a.as_ref(), b.as_ref(), c.as_ref()]),
        ExprKind::Binary(_, both) => to.extend([&both.0, &both.1]),
    }
}

/// Where a further named argument of a call goes, and what stands before its value there: laid out as the last one is.
pub fn addition(text: &str, call: Span, callee: &Expr, args: &[Arg], name: &str) -> (u32, String) {
    let inside = callee.span.end as usize;
    let opened = text[inside..call.end as usize].find(['(', '{']).map_or(inside, |at| inside + at + 1);
    let Some(last) = args.last() else {
        let block = text[..opened].ends_with('{');
        return (opened as u32, if block { format!(" {name} = ") } else { format!("{name} = ") });
    };
    let end = last.value.span.end as usize;
    let start = last.name.as_ref().map_or(last.value.span.start, |name| name.span.start) as usize;
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let rest = text[end..].find('\n').map_or(text.len(), |at| end + at);
    let indent = &text[line..start];
    let own_line = line >= opened && indent.trim().is_empty() && !text[end..rest].contains([')', '}']);
    if !own_line {
        return (end as u32, format!(", {name} = "));
    }
    // The signs of equality stand below each other where they did.
    let width = match &last.name {
        Some(of) => text[of.span.end as usize..last.value.span.start as usize]
            .find('=')
            .map_or(0, |at| (of.span.end - of.span.start) as usize + at - usize::from(at > 0)),
        None => 0,
    };
    let comma = text[..opened].ends_with('(');
    match comma {
        // Arguments in parentheses are separated by commas, the last one's perhaps there already.
        true if text[end..rest].trim_start().starts_with(',') => {
            (rest as u32, format!("\n{indent}{name:width$} = "))
        }
        true => (end as u32, format!(",\n{indent}{name:width$} = ")),
        false => (rest as u32, format!("\n{indent}{name:width$} = ")),
    }
}
