//! What assertions are given beside their members: expected differences, weaker equalities, witnesses.

use std::sync::Arc;

use super::{as_text, as_text_option};
use crate::codes;
use crate::eval::{Eval, Evaluator, Stop};
use crate::plan::{Category, Equality, Expect, Relation};
use crate::span::Span;
use crate::value::{Input, Source, Trust, Value, Witness};

/// Seconds in a day.
const DAY: i64 = 86_400;

impl Evaluator<'_> {
    /// `different(why, until, category, owner)`.
    pub(super) fn different(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let why = self.reason("different", args.first(), span)?;
        let until = match args.get(1) {
            // It may still differ on that day, everywhere where it is still that day in UTC.
            Some(Value::Date(days)) => Some(days.saturating_add(1).saturating_mul(DAY)),
            Some(Value::None) => None,
            _ => return Err(Stop),
        };
        let category = match args.get(2) {
            Some(Value::Variant(_, index)) => Category::ALL.get(*index as usize).copied(),
            _ => None,
        };
        let owner = match args.get(3) {
            Some(Value::None) | None => None,
            given => Some(self.owner("different", given, span)?),
        };
        Ok(Value::Expect(Arc::new(Expect::Different { why, until, category, owner })))
    }

    /// `flaky(why, owner)`.
    pub(super) fn flaky(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let why = self.reason("flaky", args.first(), span)?;
        let owner = self.owner("flaky", args.get(1), span)?;
        Ok(Value::Expect(Arc::new(Expect::Flaky { why, owner })))
    }

    /// `tree(why)`, `deb(why)`, `content(why)`.
    pub(super) fn weaker(&mut self, equality: Equality, args: &[Value], span: Span) -> Eval<Value> {
        let why = Some(self.reason(equality.name(), args.first(), span)?);
        Ok(Value::Relation(Arc::new(Relation { equality, why })))
    }

    /// `signed(sums, keys, at, signature)`.
    pub(super) fn signed(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let [sums, keys, at, signature] = args else { return Err(Stop) };
        let signature = match signature {
            Value::None => None,
            given => Some(given.clone()),
        };
        let trust = Trust::Keys { signature, keys: keys.clone() };
        self.witness("signed", sums, at, trust, span)
    }

    /// `unsigned(sums, why, at)`.
    pub(super) fn unsigned(&mut self, args: &[Value], span: Span) -> Eval<Value> {
        let [sums, why, at] = args else { return Err(Stop) };
        let why = self.reason("unsigned", Some(why), span)?;
        self.witness("unsigned", sums, at, Trust::Reason(Arc::from(why)), span)
    }

    fn witness(&mut self, what: &str, sums: &Value, at: &Value, trust: Trust, span: Span) -> Eval<Value> {
        let at = as_text_option(Some(at))?.map(Arc::from);
        if let Some(path) = &at
            && !inside(path)
        {
            let message = format!("`at` of `{what}` isn't a path inside of a folder: `{path}`");
            let help = "write it from the folder's top, as in `\"25.0/alice/SHA256SUMS\"`";
            return self.stop(codes::FIELD, message, span, "leads elsewhere", help);
        }
        let name = match &at {
            Some(path) => path.to_string(),
            None => name_of(sums),
        };
        Ok(Value::Witness(Arc::new(Witness { name, span, sums: sums.clone(), at, trust })))
    }

    /// A reason, which says something.
    fn reason(&mut self, what: &str, given: Option<&Value>, span: Span) -> Eval<String> {
        let why = as_text(given)?;
        if why.trim().is_empty() {
            let help = match what {
                "different" | "flaky" => {
                    "write why it differs; the report shows it, and whoever fixes it knows what to remove"
                }
                "unsigned" => "write why it is believed without a signature; every report shows it",
                _ => "write why less than the same bytes is enough; every report shows it",
            };
            return self.stop(codes::FIELD, format!("`{what}` needs a reason"), span, "says nothing", help);
        }
        Ok(why.to_owned())
    }

    fn owner(&mut self, what: &str, given: Option<&Value>, span: Span) -> Eval<String> {
        let owner = as_text(given)?;
        if owner.trim().is_empty() {
            let message = format!("`owner` of `{what}` names nobody");
            let help = "write who sees to it: a name, a team, an address";
            return self.stop(codes::FIELD, message, span, "nobody", help);
        }
        Ok(owner.to_owned())
    }
}

/// Whether a path stays in its folder.
fn inside(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// What a list of sums is called.
fn name_of(sums: &Value) -> String {
    match sums {
        Value::Input(input) => match (&**input, &input.name) {
            (Input { source: Source::Local { place, .. }, .. }, _) => place.path.to_string(),
            (_, Some(name)) => name.to_string(),
            (Input { source: Source::Url { name, .. }, .. }, None) => name.clone(),
            _ => "an input without a name".to_owned(),
        },
        Value::Output(output) => {
            let build = output.build.name.as_ref().map(ToString::to_string);
            format!("{}.{}", build.unwrap_or_else(|| output.build.recipe.to_string()), output.output)
        }
        _ => String::new(),
    }
}
