//! Expressions to values.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{DEPTH, Eval, Evaluator, STEPS, Stop, TEXT};
use crate::check::Body;
use crate::codes;
use crate::ir::{Ir, ItemId, Kind, Loop};
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast::{BinaryOp, UnaryOp};
use crate::types::{Conversion, Shape, Source};
use crate::value::{Key, Matrix, Output, Record, Value};

impl Evaluator<'_> {
    /// The value of an expression.
    pub(super) fn eval(&mut self, ir: &Ir) -> Eval<Value> {
        self.spend(1, ir.span)?;
        if self.depth >= DEPTH {
            return self.stop(
                codes::TOO_DEEP,
                "evaluation nests too deeply",
                ir.span,
                "given up here",
                "functions call functions through too many hands: put some of them together",
            );
        }
        self.depth += 1;
        let value = self.eval_kind(ir);
        self.depth -= 1;
        value
    }

    fn eval_kind(&mut self, ir: &Ir) -> Eval<Value> {
        match &ir.kind {
            Kind::Poison => Err(Stop),
            Kind::Const(value) => Ok(value.clone()),
            Kind::Local(slot) => self.stack.get(self.base + *slot as usize).cloned().ok_or(Stop),
            Kind::Item(id) => self.item(*id),
            Kind::Text(parts) => self.text(parts, ir.span),
            Kind::List(items) => Ok(Value::List(self.all(items)?.into())),
            Kind::Record(shape, values) => self.record(shape, values),
            Kind::Map(pairs) => self.map(pairs),
            Kind::Comprehension(of) => {
                let mut list = Vec::new();
                let depth = self.stack.len();
                let done = self.loops(of, 0, &mut list);
                self.stack.truncate(depth);
                done?;
                Ok(Value::List(list.into()))
            }
            Kind::Field(base, index) => match self.eval(base)? {
                Value::Record(record) => record.values.get(*index as usize).cloned().ok_or(Stop),
                _ => Err(Stop),
            },
            Kind::Output(base, output) => match self.eval(base)? {
                Value::Build(build) => Ok(Value::Output(Arc::new(Output { build, output: output.clone() }))),
                _ => Err(Stop),
            },
            Kind::Star(base) => self.members(base),
            Kind::Each(base, body) => self.each(base, body),
            Kind::Index(base, keys) => self.index(base, keys, ir.span),
            Kind::Call(id, args) => self.call(*id, args, ir.span),
            Kind::Apply(id, args) => self.apply(*id, args, ir.span),
            Kind::Builtin(builtin, args) => {
                let args = self.all(args)?;
                self.builtin(*builtin, args, ir.span)
            }
            Kind::Iterate { count, start, function, numbered } => {
                self.iterate(count, start, *function, *numbered, ir.span)
            }
            Kind::With(base, changed) => self.with(base, changed),
            Kind::If(condition, yes, no) => match self.eval(condition)? {
                Value::Bool(true) => self.eval(yes),
                Value::Bool(false) => self.eval(no),
                _ => Err(Stop),
            },
            Kind::Unary(op, operand) => self.unary(*op, operand, ir.span),
            Kind::Binary(op, left, right) => self.binary(*op, left, right, ir.span),
            Kind::Convert(of) => {
                let value = self.eval(&of.0)?;
                self.convert(value, &of.1)
            }
            Kind::Closed(default) => self.closed(default),
            Kind::Path(place) => self.local(place, ir.span),
        }
    }

    /// The values of several expressions.
    pub(super) fn all(&mut self, items: &[Ir]) -> Eval<Vec<Value>> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.eval(item)?);
        }
        Ok(values)
    }

    fn text(&mut self, parts: &[Ir], span: Span) -> Eval<Value> {
        let mut text = String::new();
        for part in parts {
            match self.eval(part)? {
                Value::Text(part) => text.push_str(&part),
                other => text.push_str(&other.to_text().ok_or(Stop)?),
            }
        }
        self.spend(text.len() / TEXT, span)?;
        Ok(Value::Text(text.into()))
    }

    fn record(&mut self, shape: &Arc<Shape>, values: &[Ir]) -> Eval<Value> {
        let values = self.all(values)?;
        Ok(Value::Record(Arc::new(Record { shape: shape.clone(), values })))
    }

    fn map(&mut self, pairs: &[(Ir, Ir)]) -> Eval<Value> {
        let mut map = IndexMap::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = self.eval(key)?.key().ok_or(Stop)?;
            let value = self.eval(value)?;
            map.insert(key, value);
        }
        Ok(Value::Map(Arc::new(map)))
    }

    /// Runs the loops from `axis` on, innermost last.
    fn loops(&mut self, of: &Loop, axis: usize, list: &mut Vec<Value>) -> Eval<()> {
        let Some(over) = of.over.get(axis) else {
            if let Some(filter) = &of.filter
                && !matches!(self.eval(filter)?, Value::Bool(true))
            {
                return Ok(());
            }
            list.push(self.eval(&of.body)?);
            return Ok(());
        };
        let Value::List(items) = self.eval(over)? else { return Err(Stop) };
        for item in items.iter() {
            let depth = self.stack.len();
            self.stack.push(item.clone());
            let done = self.loops(of, axis + 1, list);
            self.stack.truncate(depth);
            done?;
        }
        Ok(())
    }

    fn members(&mut self, base: &Ir) -> Eval<Value> {
        Ok(match self.eval(base)? {
            Value::Matrix(matrix) => Value::List(matrix.cells.values().cloned().map(Value::Build).collect()),
            Value::Map(map) => Value::List(map.values().cloned().collect()),
            list @ Value::List(_) => list,
            _ => return Err(Stop),
        })
    }

    fn each(&mut self, base: &Ir, body: &Ir) -> Eval<Value> {
        let Value::List(items) = self.eval(base)? else { return Err(Stop) };
        let mut values = Vec::with_capacity(items.len());
        for item in items.iter() {
            let depth = self.stack.len();
            self.stack.push(item.clone());
            let value = self.eval(body);
            self.stack.truncate(depth);
            values.push(value?);
        }
        Ok(Value::List(values.into()))
    }

    fn index(&mut self, base: &Ir, keys: &[Option<Ir>], span: Span) -> Eval<Value> {
        let base = self.eval(base)?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(match key {
                Some(key) => Some((self.eval(key)?, key.span)),
                None => None,
            });
        }
        match (&base, values.as_slice()) {
            (Value::List(items), [Some((Value::Int(index), place))]) => {
                match usize::try_from(*index).ok().and_then(|index| items.get(index)) {
                    Some(item) => Ok(item.clone()),
                    None => self.stop(
                        codes::UNKNOWN,
                        format!("the list has no element {index}"),
                        *place,
                        format!("it has {}", items.len()),
                        "the first element is number 0",
                    ),
                }
            }
            (Value::Map(map), [Some((key, place))]) => {
                let key = self.key_of(key, *place)?;
                match map.get(&key) {
                    Some(value) => Ok(value.clone()),
                    None => {
                        let names: Vec<String> = map.keys().map(Key::to_string).collect();
                        self.no_key("the map", &key, &names, *place)
                    }
                }
            }
            (Value::Matrix(matrix), keys) => self.cells(matrix, keys, span),
            _ => Err(Stop),
        }
    }

    fn key_of(&mut self, value: &Value, span: Span) -> Eval<Key> {
        match value.key() {
            Some(key) => Ok(key),
            None => self.stop(
                codes::TYPE,
                "this has no name, by which it could be a key",
                span,
                "not an item",
                "give it one: `env name = …`, `input name = …`",
            ),
        }
    }

    fn no_key<T>(&mut self, of: &str, key: &Key, names: &[String], span: Span) -> Eval<T> {
        let written = key.to_string();
        let help = match nearest(&written, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.len() <= 12 => format!("it has {}", listed(names.iter().map(String::as_str))),
            None => format!("it has {} keys, and this is none of them", names.len()),
        };
        self.stop(codes::UNKNOWN, format!("{of} has no `{written}`"), span, "not one of its keys", help)
    }

    /// A cell of a matrix, or the cells that some keys leave.
    fn cells(&mut self, matrix: &Arc<Matrix>, keys: &[Option<(Value, Span)>], span: Span) -> Eval<Value> {
        let mut wanted: Vec<Option<Key>> = Vec::with_capacity(keys.len());
        for key in keys {
            wanted.push(match key {
                Some((value, place)) => Some(self.key_of(value, *place)?),
                None => None,
            });
        }
        if wanted.iter().all(Option::is_some) {
            let cell: Arc<[Key]> = wanted.iter().flatten().cloned().collect();
            if let Some(build) = matrix.cells.get(&cell) {
                return Ok(Value::Build(build.clone()));
            }
        }
        for (axis, (want, key)) in wanted.iter().zip(keys).enumerate() {
            let (Some(want), Some((_, place))) = (want, key) else { continue };
            if !matrix.cells.keys().any(|cell| cell.get(axis) == Some(want)) {
                let mut names: Vec<String> =
                    matrix.cells.keys().filter_map(|cell| cell.get(axis)).map(Key::to_string).collect();
                names.sort();
                names.dedup();
                return self.no_key(&format!("`{}`", matrix.name), want, &names, *place);
            }
        }
        if wanted.iter().all(Option::is_some) {
            let shown = crate::value::Cell {
                item: matrix.name.clone(),
                keys: wanted.into_iter().flatten().collect(),
            };
            let help = "its `if` leaves this cell out";
            return self.stop(codes::UNKNOWN, format!("there is no `{shown}`"), span, "not a cell", help);
        }
        self.spend(matrix.cells.len(), span)?;
        let fits = |cell: &[Key]| {
            wanted.iter().zip(cell).all(|(want, key)| want.as_ref().is_none_or(|want| want == key))
        };
        let cells = matrix.cells.iter().filter(|(cell, _)| fits(cell)).map(|(cell, build)| {
            let left =
                cell.iter().zip(&wanted).filter(|(_, want)| want.is_none()).map(|(key, _)| key.clone());
            (left.collect::<Arc<[Key]>>(), build.clone())
        });
        let axes = wanted.iter().filter(|want| want.is_none()).count();
        Ok(Value::Matrix(Arc::new(Matrix { name: matrix.name.clone(), axes, cells: cells.collect() })))
    }

    /// Runs `inside` with the arguments as local values.
    pub(super) fn enter<T>(
        &mut self,
        args: Vec<Value>,
        call: Option<Span>,
        inside: impl FnOnce(&mut Self) -> Eval<T>,
    ) -> Eval<T> {
        let (base, top, calls) = (self.base, self.stack.len(), self.calls.len());
        self.base = top;
        self.stack.extend(args);
        self.calls.extend(call);
        let result = inside(self);
        self.calls.truncate(calls);
        self.stack.truncate(top);
        self.base = base;
        result
    }

    fn call(&mut self, id: ItemId, args: &[Ir], span: Span) -> Eval<Value> {
        let args = self.all(args)?;
        self.call_with(id, args, span)
    }

    fn call_with(&mut self, id: ItemId, args: Vec<Value>, span: Span) -> Eval<Value> {
        let program = self.program;
        let Body::Function(body) = &program.items[id.index()].body else { return Err(Stop) };
        self.enter(args, Some(span), |evaluator| evaluator.eval(body))
    }

    fn closed(&mut self, default: &Ir) -> Eval<Value> {
        self.enter(Vec::new(), None, |evaluator| evaluator.eval(default))
    }

    fn iterate(
        &mut self,
        count: &Ir,
        start: &Ir,
        function: ItemId,
        numbered: bool,
        span: Span,
    ) -> Eval<Value> {
        let Value::Int(rounds) = self.eval(count)? else { return Err(Stop) };
        if !(0..=1000).contains(&rounds) {
            let message = format!("{rounds} rounds: `iterate` makes at most 1000");
            return self.stop(codes::TOO_DEEP, message, count.span, "out of bounds", "choose fewer");
        }
        let mut list = vec![self.eval(start)?];
        for round in 1..=rounds {
            let mut args: Vec<Value> = list.last().cloned().into_iter().collect();
            if numbered {
                args.push(Value::Int(round));
            }
            list.push(self.call_with(function, args, span)?);
        }
        Ok(Value::List(list.into()))
    }

    fn with(&mut self, base: &Ir, changed: &[(u32, Ir)]) -> Eval<Value> {
        let Value::Record(record) = self.eval(base)? else { return Err(Stop) };
        let mut values = record.values.clone();
        for (index, value) in changed {
            *values.get_mut(*index as usize).ok_or(Stop)? = self.eval(value)?;
        }
        Ok(Value::Record(Arc::new(Record { shape: record.shape.clone(), values })))
    }

    fn unary(&mut self, op: UnaryOp, operand: &Ir, span: Span) -> Eval<Value> {
        match (op, self.eval(operand)?) {
            (UnaryOp::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
            (UnaryOp::Negate, Value::Int(value)) => match value.checked_neg() {
                Some(value) => Ok(Value::Int(value)),
                None => self.out_of_range(span),
            },
            _ => Err(Stop),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Ir, right: &Ir, span: Span) -> Eval<Value> {
        let a = self.eval(left)?;
        match (op, &a) {
            (BinaryOp::And, Value::Bool(false)) | (BinaryOp::Or, Value::Bool(true)) => return Ok(a),
            (BinaryOp::And | BinaryOp::Or, _) => return self.eval(right),
            _ => {}
        }
        let b = self.eval(right)?;
        match op {
            BinaryOp::Concat => self.concat(&a, &b, span),
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply => match arithmetic(op, &a, &b) {
                Some(value) => Ok(value),
                None => self.out_of_range(span),
            },
            BinaryOp::Equal => Ok(Value::Bool(self.same(&a, &b, span)?)),
            BinaryOp::NotEqual => Ok(Value::Bool(!self.same(&a, &b, span)?)),
            _ => {
                let order = compare(&a, &b).ok_or(Stop)?;
                Ok(Value::Bool(match op {
                    BinaryOp::Less => order.is_lt(),
                    BinaryOp::LessEqual => order.is_le(),
                    BinaryOp::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
        }
    }

    fn same(&mut self, a: &Value, b: &Value, span: Span) -> Eval<bool> {
        let had = STEPS.saturating_sub(self.steps);
        let mut left = had;
        let same = a.same(b, &mut left);
        self.spend((had - left) as usize + usize::from(same.is_none()), span)?;
        same.ok_or(Stop)
    }

    fn concat(&mut self, a: &Value, b: &Value, span: Span) -> Eval<Value> {
        match (a, b) {
            (Value::List(a), Value::List(b)) => {
                self.spend(a.len() + b.len(), span)?;
                Ok(Value::List(a.iter().chain(b.iter()).cloned().collect()))
            }
            (Value::Text(a), Value::Text(b)) => {
                self.spend((a.len() + b.len()) / TEXT, span)?;
                Ok(Value::Text(format!("{a}{b}").into()))
            }
            _ => Err(Stop),
        }
    }

    fn out_of_range<T>(&mut self, span: Span) -> Eval<T> {
        self.stop(
            codes::TOO_DEEP,
            "the result is out of range",
            span,
            "too large, or below zero where that can't be",
            "numbers go up to about 9 × 10^18; durations and sizes are never negative",
        )
    }

    pub(super) fn convert(&mut self, value: Value, conversion: &Conversion) -> Eval<Value> {
        match (conversion, value) {
            (Conversion::Same, value) | (_, value @ Value::None) => Ok(value),
            (Conversion::Each(inner), Value::List(items)) => {
                let items: Eval<Vec<Value>> =
                    items.iter().map(|item| self.convert(item.clone(), inner)).collect();
                Ok(Value::List(items?.into()))
            }
            (Conversion::Each(inner), Value::Map(map)) => {
                let pairs =
                    map.iter().map(|(key, value)| Ok((key.clone(), self.convert(value.clone(), inner)?)));
                Ok(Value::Map(Arc::new(pairs.collect::<Eval<_>>()?)))
            }
            (Conversion::Record(shape, sources), Value::Record(record)) => {
                let mut values = Vec::with_capacity(sources.len());
                for source in sources {
                    values.push(match source {
                        Source::Slot(index, conversion) => {
                            let value = record.values.get(*index).cloned().ok_or(Stop)?;
                            self.convert(value, conversion)?
                        }
                        Source::Default(default) => self.closed(default)?,
                        Source::None => Value::None,
                    });
                }
                Ok(Value::Record(Arc::new(Record { shape: shape.clone(), values })))
            }
            _ => Err(Stop),
        }
    }
}

/// The instants that can be written, of the years 0 to 9999.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

fn arithmetic(op: BinaryOp, a: &Value, b: &Value) -> Option<Value> {
    use Value::{Duration, Instant, Int, Size};
    let signed = |a: i64, b: i64| match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        _ => a.checked_mul(b),
    };
    let unsigned = |a: u64, b: u64| match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        _ => a.checked_mul(b),
    };
    match (a, b) {
        (Int(a), Int(b)) => signed(*a, *b).map(Int),
        (Duration(a), Duration(b)) => unsigned(*a, *b).map(Duration),
        (Size(a), Size(b)) => unsigned(*a, *b).map(Size),
        (Instant(a), Duration(b)) => {
            signed(*a, i64::try_from(*b).ok()?).filter(|seconds| WRITABLE.contains(seconds)).map(Instant)
        }
        (Duration(a), Int(b)) | (Int(b), Duration(a)) => unsigned(*a, u64::try_from(*b).ok()?).map(Duration),
        (Size(a), Int(b)) | (Int(b), Size(a)) => unsigned(*a, u64::try_from(*b).ok()?).map(Size),
        _ => None,
    }
}

fn compare(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    Some(match (a, b) {
        (Value::Int(a), Value::Int(b))
        | (Value::Instant(a), Value::Instant(b))
        | (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) | (Value::Size(a), Value::Size(b)) => a.cmp(b),
        (Value::Percent(a), Value::Percent(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => return None,
    })
}
