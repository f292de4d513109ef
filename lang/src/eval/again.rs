//! `reproducible` and `agreed`: one build made again, by this machine or by somebody else.

use std::sync::Arc;

use super::comparison::{Form, Member, Says, Witness};
use super::{Eval, Evaluator, Stop};
use crate::check::Vary;
use crate::codes;
use crate::ir::{Ir, Kind};
use crate::span::Span;
use crate::value::{Build, Output, Trust, Value};
use crate::vary::Axis;

/// The most runs of one build.
const RUNS: i64 = 1000;

impl Evaluator<'_> {
    /// Evaluates a `reproducible`.
    pub(super) fn reproducible(&mut self, of: &Ir, times: Option<&Ir>, vary: Option<&Vary>) -> Eval<Form> {
        let (build, outputs) = match self.eval(of)? {
            Value::Build(build) => {
                let names: Vec<Arc<str>> = build.outputs.shape.names.clone();
                (build, names)
            }
            Value::Output(output) => (output.build.clone(), vec![output.output.clone()]),
            _ => return Err(Stop),
        };
        let times = match times {
            None => 2,
            Some(ir) => self.times(ir)?,
        };
        let vary = match vary {
            None => Vec::new(),
            Some(Vary::All) => Axis::ALL.to_vec(),
            Some(Vary::Some(ir)) => self.axes(ir)?,
        };
        let member = |name: &Arc<str>| Member {
            key: name.to_string(),
            output: Arc::new(Output { build: build.clone(), output: name.clone() }),
        };
        let outputs = outputs.iter().map(member).collect();
        Ok(Form::Reproducible { name: called(&build), outputs, times, vary })
    }

    fn times(&mut self, ir: &Ir) -> Eval<u32> {
        let Value::Int(times) = self.eval(ir)? else { return Err(Stop) };
        if times < 2 {
            let message = format!("`times = {times}` compares nothing: one run agrees with itself");
            let help = "a build is made twice at least: `times = 2`";
            return self.stop(codes::ALONE, message, ir.span, format!("{times} run(s)"), help);
        }
        if times > RUNS {
            let message =
                format!("`times = {times}` is more than the {RUNS} runs that one assertion may ask for");
            return self.stop(codes::TOO_DEEP, message, ir.span, "out of bounds", "choose fewer");
        }
        u32::try_from(times).map_err(|_| Stop)
    }

    /// Axes, none twice, sorted.
    fn axes(&mut self, ir: &Ir) -> Eval<Vec<Axis>> {
        let Value::List(items) = self.eval(ir)? else { return Err(Stop) };
        let mut axes = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let Value::Variant(_, index) = item else { return Err(Stop) };
            let axis = Axis::ALL.get(*index as usize).copied().ok_or(Stop)?;
            if axes.contains(&axis) {
                let place = match &ir.kind {
                    Kind::List(written) => written.get(at).map_or(ir.span, |ir| ir.span),
                    _ => ir.span,
                };
                let message = format!("`vary` names `{}` twice", axis.name());
                return self.stop(codes::ARGUMENTS, message, place, "again here", "remove one of them");
            }
            axes.push(axis);
        }
        if axes.is_empty() {
            let help =
                "name axes, as in `[time, umask]`, or write `all`; leave `vary` out to build again as it is";
            return self.stop(codes::ARGUMENTS, "`vary` names nothing to vary", ir.span, "empty", help);
        }
        axes.sort();
        Ok(axes)
    }

    /// Evaluates an `agreed`.
    pub(super) fn agreed(&mut self, member: &Ir, k: &Ir, of: &Ir) -> Eval<Form> {
        let output = match self.eval(member)? {
            Value::Output(output) => output,
            _ => return Err(Stop),
        };
        let Value::Int(wanted) = self.eval(k)? else { return Err(Stop) };
        let Value::List(items) = self.eval(of)? else { return Err(Stop) };
        self.spend(items.len(), of.span)?;
        if items.is_empty() {
            let help =
                "name witnesses: `signed(./alice/SHA256SUMS, keys = ./keys)`, or an output of another build";
            return self.stop(codes::ALONE, "`agreed` asks nobody", of.span, "no witnesses", help);
        }
        if wanted < 1 {
            let message = format!("`k = {wanted}` is reached by nobody's word");
            let help = "ask for one witness at least: `k = 1`";
            return self.stop(codes::ALONE, message, k.span, "asks nobody", help);
        }
        if wanted as u64 > items.len() as u64 {
            let message = format!("`k = {wanted}` can't be reached: there are {} witness(es)", items.len());
            let help = "name more witnesses, or ask for fewer";
            return self.stop(codes::ALONE, message, k.span, "more than there are", help);
        }
        let member = Member { key: called(&output.build), output };
        let mut witnesses = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let place = match &of.kind {
                Kind::List(written) => written.get(at).map_or(of.span, |ir| ir.span),
                _ => of.span,
            };
            witnesses.push(self.asked(item, &member, place)?);
        }
        Ok(Form::Agreed {
            member,
            k: u32::try_from(wanted).map_err(|_| Stop)?,
            of: witnesses,
            place: of.span,
        })
    }

    fn asked(&mut self, item: &Value, member: &Member, place: Span) -> Eval<Witness> {
        match item {
            Value::Witness(witness) => {
                let (sums, at) = (witness.sums.clone(), witness.at.clone());
                let says = match &witness.trust {
                    Trust::Keys { signature, keys } => {
                        Says::Signed { sums, at, signature: signature.clone(), keys: keys.clone() }
                    }
                    Trust::Reason(why) => Says::Unsigned { sums, at, why: why.clone() },
                };
                Ok(Witness { name: witness.name.clone(), span: self.place(witness.span), says })
            }
            Value::Output(output) => {
                let other = Member { key: called(&output.build), output: output.clone() };
                self.apart(&[member, &other], place)?;
                Ok(Witness { name: other.key.clone(), span: place, says: Says::Output(other) })
            }
            _ => Err(Stop),
        }
    }
}

/// What a person calls a build.
fn called(build: &Build) -> String {
    build.name.as_ref().map_or_else(|| super::fixpoint::label(build), ToString::to_string)
}
