//! Recipes applied, and matrices of them.

use std::sync::Arc;

use indexmap::IndexMap;

use super::builtin;
use super::{Eval, Evaluator, Stop, named};
use crate::check::{self, Body, Recipe};
use crate::codes;
use crate::derivation::Shell;
use crate::ir::{Ir, ItemId};
use crate::nearest::listed;
use crate::span::Span;
use crate::types::Shape;
use crate::value::{Build, Cell, Key, Matrix, Record, Value};

/// How long a build may take when its recipe doesn't say: one hour.
const TIMEOUT: u64 = 3600;

impl Evaluator<'_> {
    /// A recipe applied to its arguments.
    pub(super) fn apply(&mut self, id: ItemId, args: &[Ir], span: Span) -> Eval<Value> {
        let args = self.all(args)?;
        let program = self.program;
        let item = &program.items[id.index()];
        let Body::Recipe(recipe) = &item.body else { return Err(Stop) };
        let build = self.enter(args, Some(span), |evaluator| evaluator.recipe(recipe, &item.name, span))?;
        Ok(Value::Build(Arc::new(build)))
    }

    fn recipe(&mut self, recipe: &Recipe, name: &Arc<str>, span: Span) -> Eval<Build> {
        let Value::Env(env) = self.eval(&recipe.env)? else { return Err(Stop) };
        let inputs = self.record_or_empty(recipe.inputs.as_ref())?;
        let vars = self.record_or_empty(recipe.vars.as_ref())?;
        let outputs = self.record_or_empty(Some(&recipe.outputs))?;
        let Value::Text(script) = self.eval(&recipe.run)? else { return Err(Stop) };
        let workdir = match &recipe.workdir {
            None => None,
            Some(ir) => Some(self.workdir(ir, &inputs)?),
        };
        let shell = match &recipe.shell {
            None => Shell::Sh,
            Some(ir) => self.shell(ir)?,
        };
        let timeout = match &recipe.timeout {
            None => TIMEOUT,
            Some(ir) => match self.eval(ir)? {
                Value::Duration(seconds) if seconds > 0 => seconds,
                Value::Duration(_) => {
                    let help = "leave it out for one hour, or write one as `90m`";
                    return self.stop(
                        codes::FIELD,
                        "a timeout of nothing stops every build",
                        ir.span,
                        "no time",
                        help,
                    );
                }
                _ => return Err(Stop),
            },
        };
        if script.contains('\0')
            || vars.values.iter().any(|value| value.to_text().is_some_and(|text| text.contains('\0')))
        {
            let help = "a shell can't read one: write it with `printf` in the script";
            return self.stop(codes::FIELD, "a script or variable has a zero byte in it", span, "here", help);
        }
        let depth = inputs.values.iter().map(builtin::tower).max().unwrap_or(0).max(env.depth());
        self.tower(depth, span)?;
        let span = self.place(span);
        let recipe = name.clone();
        Ok(Build {
            recipe,
            env: Some(env),
            image: None,
            inputs,
            workdir,
            script,
            shell,
            vars,
            outputs,
            timeout,
            span,
            name: None,
            depth,
        })
    }

    fn record_or_empty(&mut self, ir: Option<&Ir>) -> Eval<Arc<Record>> {
        match ir {
            None => Ok(Arc::new(Record { shape: Arc::new(Shape::default()), values: Vec::new() })),
            Some(ir) => match self.eval(ir)? {
                Value::Record(record) => Ok(record),
                _ => Err(Stop),
            },
        }
    }

    fn workdir(&mut self, ir: &Ir, inputs: &Record) -> Eval<Arc<str>> {
        let Value::Text(name) = self.eval(ir)? else { return Err(Stop) };
        if inputs.shape.names.contains(&name) {
            return Ok(name);
        }
        let help = format!("it is one of {}", listed(inputs.shape.names.iter().map(|name| &**name)));
        self.stop(
            codes::FIELD,
            format!("`workdir` names no input: there is no `{name}`"),
            ir.span,
            "not an input",
            help,
        )
    }

    fn shell(&mut self, ir: &Ir) -> Eval<Shell> {
        match self.eval(ir)? {
            Value::Text(name) if &*name == "sh" => Ok(Shell::Sh),
            Value::Text(name) if &*name == "bash" => Ok(Shell::Bash),
            Value::Text(name) => {
                let help = "it is `\"sh\"` (`/bin/sh -eu`) or `\"bash\"` (`/bin/bash -eu -o pipefail`)";
                self.stop(codes::FIELD, format!("there is no shell `{name}`"), ir.span, "not known", help)
            }
            _ => Err(Stop),
        }
    }

    /// The value of a `build` item.
    pub(super) fn build_item(&mut self, build: &check::Build, name: &Arc<str>) -> Eval<Value> {
        if build.axes.is_empty() {
            let Value::Build(value) = self.eval(&build.value)? else { return Err(Stop) };
            let cell = Cell { item: name.clone(), keys: Arc::from([]) };
            return Ok(Value::Build(named(value, cell)));
        }
        let mut matrix = Cells { cells: IndexMap::new(), keys: Vec::new(), broken: false };
        let done = self.cells_of(build, name, 0, &mut matrix);
        self.stack.truncate(self.base);
        done?;
        if matrix.broken {
            return Err(Stop);
        }
        Ok(Value::Matrix(Arc::new(Matrix {
            name: name.clone(),
            axes: build.axes.len(),
            cells: matrix.cells,
        })))
    }

    /// Runs the axes from `axis` on. A cell that fails doesn't keep others from being looked at.
    fn cells_of(
        &mut self,
        build: &check::Build,
        name: &Arc<str>,
        axis: usize,
        matrix: &mut Cells,
    ) -> Eval<()> {
        let Some(over) = build.axes.get(axis) else {
            if let Some(filter) = &build.filter
                && !matches!(self.eval(filter)?, Value::Bool(true))
            {
                return Ok(());
            }
            let keys: Arc<[Key]> = matrix.keys.iter().cloned().collect();
            let cell = Cell { item: name.clone(), keys: keys.clone() };
            if matrix.cells.contains_key(&keys) {
                let help =
                    "a key stands for one cell: take one of them out, or give each environment its own name";
                let at = build.axes.last().map_or(build.value.span, |axis| axis.span);
                return self.stop(
                    codes::TWICE,
                    format!("`{cell}` is made twice"),
                    at,
                    "one key, two cells",
                    help,
                );
            }
            match self.eval(&build.value) {
                Ok(Value::Build(value)) => {
                    matrix.cells.insert(keys, named(value, cell));
                }
                _ => matrix.broken = true,
            }
            return Ok(());
        };
        let Value::List(items) = self.eval(over)? else { return Err(Stop) };
        for (index, item) in items.iter().enumerate() {
            let Some(key) = item.key() else {
                return self.stop(
                    codes::TYPE,
                    format!("element {index} has no name to be a key of `{name}` by"),
                    over.span,
                    "not all of these are items",
                    "give it one, as `env name = …`, and run over the names",
                );
            };
            let depth = self.stack.len();
            self.stack.push(item.clone());
            matrix.keys.push(key);
            let done = self.cells_of(build, name, axis + 1, matrix);
            matrix.keys.pop();
            self.stack.truncate(depth);
            done?;
        }
        Ok(())
    }
}

/// A matrix being made.
struct Cells {
    cells: IndexMap<Arc<[Key]>, Arc<Build>>,
    /// The keys of the axes that are open.
    keys: Vec<Key>,
    broken: bool,
}
