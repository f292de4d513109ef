//! Expressions: from pest's pairs to the tree.

use pest::iterators::Pair;
use pest::pratt_parser::{Assoc, Op, PrattParser};
use std::sync::LazyLock;

use super::ast::{
    Arg, Axis, BinaryOp, Comprehension, Entry, Expr, ExprKind, Ident, Literal, Name, Part, UnaryOp,
};
use super::parser::{Builder, Rule, inner};
use super::{literal, text};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{Span, Spanned};

/// The order of the operators, loosest first; that of `with` and of the postfix forms is in the grammar.
static PRATT: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::or))
        .op(left(Rule::and))
        .op(left(Rule::equal)
            | left(Rule::not_equal)
            | left(Rule::less)
            | left(Rule::less_equal)
            | left(Rule::greater)
            | left(Rule::greater_equal))
        .op(left(Rule::concat))
        .op(left(Rule::add) | left(Rule::subtract))
        .op(left(Rule::multiply))
        .op(Op::prefix(Rule::not) | Op::prefix(Rule::negate))
});

impl Builder<'_> {
    /// `expr`: operands and the operators between them.
    pub(crate) fn expr(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let outer = self.span(&pair);
        let mut parts = inner(pair);
        // One operand, or a literal alone: there is nothing to put in order.
        if let (Some(only), None) = (parts.clone().next(), parts.clone().nth(1)) {
            if self.too_deep(depth + 1, outer) {
                return Expr { span: outer, kind: ExprKind::Error };
            }
            return match only.as_rule() {
                Rule::operand => self.operand(only, depth + 1),
                Rule::dotted => self.dotted(only, depth + 1),
                _ => self.primary(only, depth + 1),
            };
        }
        let pairs: Vec<Pair<'_, Rule>> = parts.by_ref().collect();
        let depth = depth + pairs.iter().filter(|pair| pair.as_rule() != Rule::operand).count() + 1;
        if self.too_deep(depth, outer) {
            return Expr { span: outer, kind: ExprKind::Error };
        }
        self.chained(&pairs);
        // The closures of the Pratt parser can't share `self`, so operands are made first.
        let mut operands = Vec::new();
        for pair in &pairs {
            if pair.as_rule() == Rule::operand {
                operands.push(self.operand(pair.clone(), depth));
            }
        }
        let mut operands = operands.into_iter();
        let (file, base) = (self.file, self.base);
        PRATT
            .map_primary(|_| operands.next().unwrap_or(Expr { span: outer, kind: ExprKind::Error }))
            .map_prefix(|op, value| {
                let span = super::parser::span_of(file, base, &op).to(value.span);
                let operator = if op.as_rule() == Rule::not { UnaryOp::Not } else { UnaryOp::Negate };
                Expr { span, kind: ExprKind::Unary(operator, Box::new(value)) }
            })
            .map_infix(|left, op, right| {
                let span = left.span.to(right.span);
                let operator =
                    Spanned { node: binary(op.as_rule()), span: super::parser::span_of(file, base, &op) };
                Expr { span, kind: ExprKind::Binary(operator, Box::new((left, right))) }
            })
            .parse(pairs.into_iter())
    }

    /// `a < b < c` has no meaning that a reader could guess.
    fn chained(&mut self, pairs: &[Pair<'_, Rule>]) {
        let mut before: Option<&Pair<'_, Rule>> = None;
        for pair in pairs {
            match pair.as_rule() {
                Rule::or | Rule::and => before = None,
                Rule::equal
                | Rule::not_equal
                | Rule::less
                | Rule::less_equal
                | Rule::greater
                | Rule::greater_equal => {
                    if let Some(first) = before.replace(pair) {
                        let (first, second) = (self.span(first), self.span(pair));
                        self.report(
                            Diagnostic::error(
                                codes::SYNTAX,
                                "comparisons can't be chained",
                                second,
                                "a second one",
                            )
                            .label(first, "the first comparison")
                            .help("join two comparisons with `and`: `a < b and b < c`"),
                        );
                    }
                }
                _ => {}
            }
        }
    }

    /// `a`, `a.b.c`.
    fn dotted(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let outer = self.span(&pair);
        let mut names = inner(pair);
        let broken = Expr { span: outer, kind: ExprKind::Error };
        if self.too_deep(depth + names.clone().count(), outer) {
            return broken;
        }
        let Some(first) = names.next() else { return broken };
        let mut expr = Expr { span: self.span(&first), kind: ExprKind::Name(first.as_str().into()) };
        for name in names {
            let name = self.ident(&name);
            let span = expr.span.to(name.span);
            expr = Expr { span, kind: ExprKind::Field(Box::new((expr, name))) };
        }
        expr
    }

    fn operand(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let mut parts = inner(pair);
        let depth = depth + parts.clone().count();
        if self.too_deep(depth, span) {
            return Expr { span, kind: ExprKind::Error };
        }
        let Some(first) = parts.next() else { return Expr { span, kind: ExprKind::Error } };
        let mut expr = self.primary(first, depth);
        for form in parts {
            let span = expr.span.to(self.span(&form));
            let kind = match form.as_rule() {
                Rule::star => ExprKind::Star(Box::new(expr)),
                Rule::field => match inner(form).next() {
                    Some(name) => ExprKind::Field(Box::new((expr, self.ident(&name)))),
                    None => ExprKind::Error,
                },
                Rule::index => {
                    let mut keys = Vec::new();
                    for key in inner(form) {
                        keys.push(if key.as_rule() == Rule::any_key {
                            None
                        } else {
                            Some(self.expr(key, depth))
                        });
                    }
                    ExprKind::Index(Box::new(expr), keys.into())
                }
                Rule::call => {
                    let args = inner(form).map(|arg| self.arg(arg, depth)).collect();
                    ExprKind::Call { callee: Box::new(expr), args }
                }
                Rule::block_call => {
                    let args = self.block(form, depth).into_iter().map(Arg::from).collect();
                    ExprKind::Call { callee: Box::new(expr), args }
                }
                Rule::with => ExprKind::With(Box::new(expr), self.block(form, depth).into()),
                _ => ExprKind::Error,
            };
            expr = Expr { span, kind };
        }
        expr
    }

    fn arg(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Arg {
        let span = self.span(&pair);
        let mut arg = Arg { name: None, value: Expr { span, kind: ExprKind::Error } };
        for part in inner(pair) {
            match part.as_rule() {
                Rule::name => arg.name = Some(Box::new(self.ident(&part))),
                _ => arg.value = self.expr(part, depth),
            }
        }
        arg
    }

    /// The entries of the `block` in a pair, or of the pair if it is one.
    pub(crate) fn block(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Vec<Entry> {
        let block = if pair.as_rule() == Rule::block { Some(pair) } else { inner(pair).next() };
        block.into_iter().flat_map(inner).map(|entry| self.entry(entry, depth)).collect()
    }

    /// `name = value`, `"key" = value` or `name`.
    pub(crate) fn entry(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Entry {
        let span = self.span(&pair);
        let mut parts = inner(pair);
        let name = match parts.next() {
            Some(name) if name.as_rule() == Rule::string => self.plain(name, "a key"),
            Some(name) => self.ident(&name),
            None => Ident { node: Name::new(), span },
        };
        let value = match parts.next() {
            Some(value) => self.expr(value, depth),
            None => Expr { span: name.span, kind: ExprKind::Name(name.node.clone()) },
        };
        Entry { name, value }
    }

    /// `for a in xs, b in ys`.
    pub(crate) fn axes(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Vec<Axis> {
        let mut axes = Vec::new();
        for axis in inner(pair) {
            let mut parts = inner(axis);
            if let (Some(name), Some(over)) = (parts.next(), parts.next()) {
                axes.push(Axis { name: self.ident(&name), over: self.expr(over, depth) });
            }
        }
        axes
    }

    fn primary(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let written = pair.as_str();
        let kind = match pair.as_rule() {
            Rule::name => ExprKind::Name(written.into()),
            Rule::boolean => ExprKind::Literal(Literal::Bool(written == "true")),
            Rule::nothing => ExprKind::Literal(Literal::None),
            Rule::path => ExprKind::Literal(Literal::Path(written.into())),
            Rule::digest => self.literal(literal::digest(written), span),
            Rule::commit => self.literal(literal::commit(written), span),
            Rule::instant => self.literal(literal::instant(written), span),
            Rule::date => self.literal(literal::date(written), span),
            Rule::number => self.literal(literal::number(written), span),
            Rule::plain => ExprKind::Plain(written[1..written.len() - 1].into()),
            Rule::string | Rule::text | Rule::raw_text => self.text(pair, depth),
            Rule::list => ExprKind::List(inner(pair).map(|e| self.expr(e, depth)).collect()),
            Rule::record => ExprKind::Record(self.block(pair, depth)),
            Rule::comprehension => self.comprehension(pair, depth),
            // A group keeps its own place, brackets included, and is otherwise what is in it.
            Rule::group => inner(pair).next().map_or(ExprKind::Error, |inner| self.expr(inner, depth).kind),
            Rule::if_then => {
                let mut parts = inner(pair).map(|part| Box::new(self.expr(part, depth)));
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(condition), Some(then), Some(otherwise)) => {
                        let span = span.to(otherwise.span);
                        return Expr { span, kind: ExprKind::If(condition, then, otherwise) };
                    }
                    _ => ExprKind::Error,
                }
            }
            _ => ExprKind::Error,
        };
        Expr { span, kind }
    }

    fn comprehension(&mut self, pair: Pair<'_, Rule>, depth: usize) -> ExprKind {
        let (mut axes, mut filter, mut body) = (Vec::new(), None, None);
        for part in inner(pair) {
            match part.as_rule() {
                Rule::axes => axes = self.axes(part, depth),
                Rule::filter => filter = inner(part).next().map(|e| self.expr(e, depth)),
                _ => body = Some(self.expr(part, depth)),
            }
        }
        match body {
            Some(body) => ExprKind::Comprehension(Box::new(Comprehension { axes, filter, body })),
            None => ExprKind::Error,
        }
    }

    fn literal(&mut self, read: Result<Literal, literal::Wrong>, span: Span) -> ExprKind {
        match read {
            Ok(literal) => ExprKind::Literal(literal),
            Err(wrong) => {
                self.report(
                    Diagnostic::error(codes::LITERAL, wrong.message, span, wrong.label).help(wrong.help),
                );
                ExprKind::Error
            }
        }
    }

    /// A text of any of the three kinds.
    fn text(&mut self, pair: Pair<'_, Rule>, depth: usize) -> ExprKind {
        let written = pair.as_str();
        let lines = pair.as_rule() != Rule::string;
        let content = if lines { text::content(written) } else { "" };
        if lines {
            self.lines(&pair, content);
        }
        let layout = text::layout(content);
        let mut parts = Parts::default();
        let pieces: Vec<_> = inner(pair).filter(|piece| piece.as_rule() != Rule::quotes).collect();
        let count = pieces.len();
        for (index, piece) in pieces.into_iter().enumerate() {
            let (first, last) = (index == 0, index + 1 == count);
            match piece.as_rule() {
                Rule::interpolation => parts.expr(self.interpolation(piece, depth)),
                Rule::escape => self.escape(&piece, &mut parts),
                Rule::chars => parts.text(piece.as_str()),
                _ => parts.text(&layout.strip(piece.as_str(), first, last)),
            }
        }
        parts.finish()
    }

    /// What is wrong with the lines of a text, if anything: one that starts beside the quotes, one in column 0.
    fn lines(&mut self, pair: &Pair<'_, Rule>, content: &str) {
        let whole = self.span(pair);
        let around = (pair.as_str().len() - content.len()) as u32;
        let from = around / 2 + around % 2;
        let opening = Span { end: whole.start + from, ..whole };
        if text::starts_late(content) {
            let message = "a text of several lines begins on the line after its quotes";
            self.report(
                Diagnostic::error(codes::TEXT, message, opening, "something follows on the same line")
                    .help("put a line break after the opening quotes: all lines are then indented alike"),
            );
        }
        // A line in column 0 would let a forgotten quote swallow the next item.
        let mut start = whole.start + from;
        for (index, line) in content.split('\n').enumerate() {
            let bare = line.trim_end_matches([' ', '\t', '\r']);
            if index > 0 && !bare.is_empty() && !bare.starts_with([' ', '\t']) {
                let span = Span { start, end: start + bare.len() as u32, ..whole };
                self.report(
                    Diagnostic::error(
                        codes::TEXT,
                        "a line of a text begins in column 0",
                        span,
                        "not indented",
                    )
                    .label(opening, "the text begins here")
                    .help("indent all lines of the text alike; what they share is taken away again"),
                );
                return;
            }
            start += line.len() as u32 + 1;
        }
    }

    fn escape(&mut self, piece: &Pair<'_, Rule>, parts: &mut Parts) {
        let written = piece.as_str();
        match text::escape(written) {
            Some(letter) => parts.text(letter.encode_utf8(&mut [0; 4])),
            None => {
                let span = self.span(piece);
                self.report(
                    Diagnostic::error(codes::TEXT, format!("`{written}` stands for nothing"), span, "not an escape")
                        .help("known are `\\n`, `\\t`, `\\\\`, `\\\"` and `\\@`; a backslash itself is `\\\\`; in `\"\"\"` texts nothing needs an escape"),
                );
            }
        }
    }

    fn interpolation(&mut self, piece: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&piece);
        if piece.as_str().contains('\n') {
            self.report(
                Diagnostic::error(
                    codes::TEXT,
                    "`@{…}` goes on over the end of its line",
                    span,
                    "more than one line",
                )
                .help("give the value a name with `let` and write `@{name}`"),
            );
        }
        // Where a text ends is seen by its quotes alone, whatever is open before them.
        if piece.as_str().contains("\"\"\"") {
            self.report(
                Diagnostic::error(codes::TEXT, "`@{…}` holds three quotes", span, "a text in a text")
                    .help("give the value a name with `let` and write `@{name}`"),
            );
        }
        let value = inner(piece).next().map(|expr| self.expr(expr, depth));
        value.unwrap_or(Expr { span, kind: ExprKind::Error })
    }

    /// A text without `@{…}`: the name of an assertion, a key.
    pub(crate) fn plain(&mut self, pair: Pair<'_, Rule>, what: &str) -> Ident {
        let span = self.span(&pair);
        let node = match self.text(pair, 0) {
            ExprKind::Plain(text) => Name::from(&*text),
            _ => {
                self.report(
                    Diagnostic::error(
                        codes::TEXT,
                        format!("{what} is a text without `@{{…}}`"),
                        span,
                        "holds `@{…}`",
                    )
                    .help("write the text out; for a literal `@` in a text, write `\\@`"),
                );
                Name::new()
            }
        };
        Ident { node, span }
    }
}

/// The parts of a text that is being read.
#[derive(Default)]
pub(crate) struct Parts {
    parts: Vec<Part>,
    /// The text since the last expression.
    text: String,
}

impl Parts {
    /// Goes on with a text.
    pub(crate) fn text(&mut self, more: &str) {
        self.text.push_str(more);
    }

    /// Goes on with an expression.
    pub(crate) fn expr(&mut self, expr: Expr) {
        self.rest();
        self.parts.push(Part::Expr(Box::new(expr)));
    }

    fn rest(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.text).into()));
        }
    }

    /// The text.
    pub(crate) fn finish(mut self) -> ExprKind {
        self.rest();
        ExprKind::text(self.parts)
    }
}

fn binary(rule: Rule) -> BinaryOp {
    match rule {
        Rule::or => BinaryOp::Or,
        Rule::and => BinaryOp::And,
        Rule::equal => BinaryOp::Equal,
        Rule::not_equal => BinaryOp::NotEqual,
        Rule::less => BinaryOp::Less,
        Rule::less_equal => BinaryOp::LessEqual,
        Rule::greater => BinaryOp::Greater,
        Rule::greater_equal => BinaryOp::GreaterEqual,
        Rule::concat => BinaryOp::Concat,
        Rule::add => BinaryOp::Add,
        Rule::subtract => BinaryOp::Subtract,
        _ => BinaryOp::Multiply,
    }
}
