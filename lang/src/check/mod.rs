//! Checking: from parsed modules to typed ones, with everything that is statically wrong said at once.
//!
//! Names are resolved and types inferred in one walk; an item is checked when first asked for
//! and once, so that the order of items doesn't matter. Items still being checked when they
//! are asked for again are a ring, which is therefore found before anything is evaluated. An
//! expression with an error has the type [`Type::Error`], which silences what follows from it.

mod annotation;
mod call;
mod comparison;
mod expression;
mod filled;
mod fixpoint;
pub mod index;
mod item;
mod literal;
mod matrix;
mod mismatch;
mod modifier;
mod names;
mod operator;
mod recipe;
mod script;
mod signature;
mod unused;

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::codes;
use crate::derivation::Arch;
use crate::diagnostic::{Diagnostic, Severity};
use crate::graph;
use crate::ir::{Ir, ItemId};
use crate::loader::{ModuleId, Project, Used};
use crate::plan::{Category, Equality};
use crate::span::Span;
use crate::syntax::ast;
use crate::types::{EnumType, Outputs, Type};
use crate::vary::Axis;

pub use names::mentioned;
pub use recipe::FIXED_VARIABLES;
pub use signature::{Param, Signature};

/// How deep expressions may nest.
const DEPTH: u32 = 200;

/// How many parts a record's type may have, written out whole.
const TYPE_PARTS: u64 = 100_000;

/// Checked modules, ready to evaluate.
#[derive(Debug, Default)]
pub struct Program {
    /// The items of all modules, in the order of modules and then of the file.
    pub items: Vec<Item>,
    /// An order of items in which each comes after all that it needs.
    pub order: Vec<ItemId>,
    /// What was found wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// A checked item.
#[derive(Debug)]
pub struct Item {
    /// The module it is in.
    pub module: ModuleId,
    /// Its name; the text in quotes of an `assert` or `test`.
    pub name: Arc<str>,
    /// The name's place.
    pub span: Span,
    /// What it is.
    pub body: Body,
    /// The items it names, in order, each once.
    pub needs: Vec<ItemId>,
}

/// What an item is once checked.
#[derive(Debug)]
pub enum Body {
    /// Nothing that is evaluated by itself: a `use`, a `type`, or an error.
    Nothing,
    /// `let`.
    Let(Ir),
    /// `input`.
    Input(Ir),
    /// `env`.
    Env(Ir),
    /// `fn`: its body, the parameters in the first slots.
    Function(Ir),
    /// `recipe`.
    Recipe(Box<Recipe>),
    /// `build`.
    Build(Box<Build>),
    /// `assert`.
    Assert(Box<comparison::Comparison>),
    /// `test`: a condition.
    Test(Ir),
    /// `test` of `unchanged(…)`: any value.
    Unchanged(Ir),
}

pub use comparison::{Comparison, Expectation, Form, Vary, Within};
pub use recipe::Recipe;

/// A checked `build`.
#[derive(Debug)]
pub struct Build {
    /// What each axis runs over, and the place of its expression.
    pub axes: Vec<Ir>,
    /// Leaves out cells.
    pub filter: Option<Ir>,
    /// The build of a cell, the axes' variables in the first slots.
    pub value: Ir,
    /// The outputs, when they are known.
    pub outputs: Option<Arc<Outputs>>,
}

/// Checks a project.
pub fn check(project: &Project) -> Program {
    run(Checker::new(project)).0
}

/// Checks a project and notes what its names refer to, and what could stand at `cursor`.
pub fn index(project: &Project, cursor: Option<index::Cursor>) -> (Program, index::Index) {
    let (program, index) =
        run(Checker { index: Some(index::Index::default()), cursor, ..Checker::new(project) });
    (program, index.unwrap_or_default())
}

fn run(mut checker: Checker<'_>) -> (Program, Option<index::Index>) {
    let project = checker.project;
    checker.declare();
    for id in checker.likely_order() {
        checker.require(id, None);
    }
    let broken =
        project.diagnostics.iter().chain(&checker.diagnostics).any(|d| d.severity == Severity::Error);
    checker.filled();
    if !broken {
        checker.unused();
    }
    checker.index_items();
    let index = checker.index.take();
    (checker.finish(), index)
}

/// What the name of an item, or an expression, means to those who ask.
#[derive(Clone, Debug)]
pub struct Known {
    /// As a person reads it: a type, or what a function takes and gives.
    pub shown: String,
    /// The type of its value, when it has one.
    pub ty: Option<Type>,
}

/// Checks some items of a project and those that they need, and says what each of them means.
pub fn check_only(project: &Project, wanted: &[ItemId]) -> (Program, Vec<Known>) {
    let mut checker = Checker::new(project);
    checker.declare();
    for id in checker.likely_order_of(wanted) {
        checker.require(id, None);
    }
    let known = wanted.iter().map(|id| checker.known(*id)).collect();
    (checker.finish(), known)
}

/// The name of an item; of a `use`, the name that it binds.
pub fn name_of(item: &ast::Item) -> &str {
    item::name(item).0
}

/// The names that need no `use`: functions and the like.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    signature::BUILTINS.iter().copied()
}

/// The names that may stand after a `.` behind a value of a type.
pub fn members_of(ty: &Type) -> Vec<String> {
    match ty {
        Type::Record(record) => record.fields.iter().map(|field| field.name.to_string()).collect(),
        Type::Build(Some(outputs)) => outputs.outputs.keys().cloned().collect(),
        Type::Members(member) => members_of(member),
        Type::Matrix(_) | Type::List(_) | Type::Map(..) => vec!["*".to_owned()],
        Type::Plain(crate::types::Plain::Archive) => {
            signature::ARCHIVE_METHODS.iter().map(|name| (*name).to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

/// A name of a module.
#[derive(Clone, Copy, Debug)]
enum Binding {
    Item(ItemId),
    Module(ModuleId, usize),
    Core,
    Broken,
}

/// What an item means to those who name it.
#[derive(Clone, Debug)]
enum Meaning {
    /// It has errors, or isn't something to name.
    Broken,
    /// It has a value of this type.
    Value(Type),
    /// It is called.
    Function(Arc<Signature>),
    /// It is applied.
    Recipe(Arc<Signature>),
    /// It is a type.
    Type(Type),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// The names of a module.
type Scope<'p> = IndexMap<&'p str, Binding, foldhash::fast::RandomState>;

struct Entry<'p> {
    module: ModuleId,
    ast: &'p ast::Item,
    name: &'p str,
    span: Span,
    state: State,
    meaning: Meaning,
    body: Body,
    /// In the order met, some more than once.
    needs: Vec<ItemId>,
}

/// A parameter or loop variable.
struct Local<'p> {
    name: &'p str,
    inner: index::Inner,
    /// Where it is declared.
    span: Span,
    ty: Type,
}

impl Local<'_> {
    fn definition(&self) -> index::Definition {
        index::Definition::Inner(self.inner, self.span)
    }
}

struct Checker<'p> {
    project: &'p Project,
    /// The names of each module.
    scopes: Vec<Scope<'p>>,
    items: Vec<Entry<'p>>,
    /// `use` items of the root that something was taken from.
    used: BTreeSet<usize>,
    /// Items being checked, with the place that asked for each.
    open: Vec<(ItemId, Option<Span>)>,
    /// The module of the innermost item being checked.
    module: ModuleId,
    /// The local names of the innermost item being checked; their indexes are their slots.
    locals: Vec<Local<'p>>,
    depth: u32,
    /// The item last reported to nest too deeply.
    deep: Option<ItemId>,
    arch: Arc<EnumType>,
    across: Arc<EnumType>,
    equality: Arc<EnumType>,
    category: Arc<EnumType>,
    axis: Arc<EnumType>,
    diagnostics: Vec<Diagnostic>,
    /// What the texts being checked are for.
    texts: filled::Texts,
    /// The names that the script of the recipe being checked sees.
    given: Vec<&'p str>,
    hints: Vec<filled::Hint>,
    /// Items that texts seem to name.
    mentioned: Vec<ItemId>,
    /// The items that scripts are made of, and whether parameters are among what they are made of.
    run_items: Vec<ItemId>,
    run_locals: bool,
    /// Where names of a module are declared twice: what is said of each, by its index.
    twice: Vec<(ModuleId, usize)>,
    /// Names of fields and outputs, each held once.
    names: IndexSet<Arc<str>, foldhash::fast::RandomState>,
    /// What names refer to, where that is asked for.
    index: Option<index::Index>,
    /// Where it is asked what could stand there.
    cursor: Option<index::Cursor>,
}

impl<'p> Checker<'p> {
    fn new(project: &'p Project) -> Checker<'p> {
        let builtin = |name: &str, variants: &[&str]| {
            let variants = variants.iter().map(|variant| (*variant).to_owned()).collect();
            Arc::new(EnumType { name: name.to_owned(), variants, places: Vec::new(), span: None })
        };
        Checker {
            project,
            scopes: Vec::new(),
            items: Vec::new(),
            used: BTreeSet::new(),
            open: Vec::new(),
            module: ModuleId::ROOT,
            locals: Vec::new(),
            depth: 0,
            deep: None,
            arch: builtin("Arch", &Arch::ALL.map(Arch::name)),
            across: builtin("Across", &["any", "differ"]),
            equality: builtin("Equality", &Equality::ALL.map(Equality::name)),
            category: builtin("Category", &Category::ALL.map(Category::name)),
            axis: builtin("Axis", &Axis::ALL.map(Axis::name)),
            diagnostics: Vec::new(),
            texts: filled::Texts::Either,
            given: Vec::new(),
            hints: Vec::new(),
            mentioned: Vec::new(),
            run_items: Vec::new(),
            run_locals: false,
            twice: Vec::new(),
            names: IndexSet::default(),
            index: None,
            cursor: None,
        }
    }

    /// Enters every item and its name.
    fn declare(&mut self) {
        for (index, module) in self.project.modules.iter().enumerate() {
            let id = ModuleId(index as u32);
            let count = module.ast.items.len();
            self.items.reserve(count);
            let mut scope = Scope::with_capacity_and_hasher(count, Default::default());
            let mut quotes: IndexMap<&str, Span> = IndexMap::new();
            for (at, item) in module.ast.items.iter().enumerate() {
                let (name, span) = item::name(item);
                let entry = ItemId(self.items.len() as u32);
                self.items.push(Entry {
                    module: id,
                    ast: item,
                    name,
                    span,
                    state: State::New,
                    meaning: Meaning::Broken,
                    body: Body::Nothing,
                    needs: Vec::new(),
                });
                let quoted = matches!(item.kind, ast::ItemKind::Assert { .. } | ast::ItemKind::Test { .. });
                let binding = match &item.kind {
                    ast::ItemKind::Use { .. } => match module.uses.get(&at) {
                        Some(Used::Module(to)) => Binding::Module(*to, at),
                        Some(Used::Core) => Binding::Core,
                        _ => Binding::Broken,
                    },
                    _ => Binding::Item(entry),
                };
                if quoted {
                    match quotes.get(name) {
                        Some(first) => self.declared_twice(name, span, *first, true),
                        None => drop(quotes.insert(name, span)),
                    }
                } else if scope.contains_key(name) {
                    let first = module.ast.items.iter().map(item::name).find(|(other, _)| *other == name);
                    self.declared_twice(name, span, first.map_or(span, |(_, first)| first), false);
                    self.twice.push((id, self.diagnostics.len() - 1));
                } else {
                    scope.insert(name, binding);
                }
            }
            self.scopes.push(scope);
        }
    }

    fn declared_twice(&mut self, name: &str, span: Span, first: Span, quoted: bool) {
        let help = match quoted {
            true => "reports name assertions by their text: give each its own",
            false => "a name means one thing in a file: rename one of them, or remove it",
        };
        self.report(
            Diagnostic::error(
                codes::TWICE,
                format!("`{name}` is declared twice"),
                span,
                "declared again here",
            )
            .label(first, "first declared here")
            .help(help),
        );
    }

    /// An order in which items mostly come after what they name, so that checking on demand doesn't nest deeply.
    fn likely_order(&self) -> Vec<ItemId> {
        graph::postorder(&self.mentions()).into_iter().map(|index| ItemId(index as u32)).collect()
    }

    /// The same of some items and those that they seem to need, and no others.
    fn likely_order_of(&self, wanted: &[ItemId]) -> Vec<ItemId> {
        let edges = self.mentions();
        let reached = graph::reachable(&edges, wanted.iter().map(|id| id.index()));
        let order = graph::postorder(&edges).into_iter().filter(|index| reached[*index]);
        order.map(|index| ItemId(index as u32)).collect()
    }

    /// The items that each item seems to name.
    fn mentions(&self) -> Vec<Vec<(usize, ())>> {
        self.items
            .iter()
            .map(|entry| {
                let mut edges = Vec::new();
                names::mentioned(entry.ast, &mut |first, second| {
                    let binding = self.scopes[entry.module.index()].get(first);
                    let found = match (binding, second) {
                        (Some(Binding::Item(id)), _) => Some(*id),
                        (Some(Binding::Module(module, _)), Some(name)) => {
                            match self.scopes[module.index()].get(name) {
                                Some(Binding::Item(id)) => Some(*id),
                                _ => None,
                            }
                        }
                        _ => None,
                    };
                    edges.extend(found.map(|id| (id.index(), ())));
                });
                edges
            })
            .collect()
    }

    /// What an item means, once it was checked.
    fn known(&self, id: ItemId) -> Known {
        let entry = &self.items[id.index()];
        let (shown, ty) = match &entry.meaning {
            Meaning::Broken => (String::new(), None),
            Meaning::Value(ty) => (ty.to_string(), Some(ty.clone())),
            Meaning::Function(signature) => (format!("fn {signature}"), None),
            Meaning::Recipe(signature) => (format!("recipe {signature}"), None),
            Meaning::Type(Type::Enum(of)) => {
                (format!("type {} = {}", of.name, of.variants.join(" | ")), None)
            }
            Meaning::Type(Type::Record(record)) => {
                let unnamed = Type::Record(Arc::new(crate::types::RecordType {
                    name: None,
                    fields: record.fields.clone(),
                    shape: record.shape.clone(),
                    parts: record.parts,
                }));
                (format!("type {} = {unnamed}", entry.name), None)
            }
            Meaning::Type(ty) => (format!("type {} = {ty}", entry.name), None),
        };
        Known { shown, ty }
    }

    /// Checks an item unless that was done, and says what it means.
    fn require(&mut self, id: ItemId, asked: Option<Span>) -> Meaning {
        if let (Some((by, _)), Some(_)) = (self.open.last(), asked) {
            let by = by.index();
            let needs = &mut self.items[by].needs;
            if needs.last() != Some(&id) {
                needs.push(id);
            }
        }
        match self.items[id.index()].state {
            State::Done => return self.items[id.index()].meaning.clone(),
            State::Open => {
                self.ring(id, asked);
                return Meaning::Broken;
            }
            State::New => {}
        }
        let entry = &mut self.items[id.index()];
        entry.state = State::Open;
        let (module, ast) = (entry.module, entry.ast);
        self.open.push((id, asked));
        let outer = std::mem::replace(&mut self.module, module);
        let locals = std::mem::take(&mut self.locals);
        let texts = std::mem::replace(&mut self.texts, filled::Texts::Either);
        let given = std::mem::take(&mut self.given);
        let (meaning, body) = self.item(ast);
        self.given = given;
        self.texts = texts;
        self.locals = locals;
        self.module = outer;
        self.open.pop();
        let entry = &mut self.items[id.index()];
        entry.state = State::Done;
        entry.needs.sort_unstable();
        entry.needs.dedup();
        entry.needs.shrink_to_fit();
        entry.body = body;
        entry.meaning = meaning.clone();
        meaning
    }

    /// Reports that `id`, which is being checked, was asked for again.
    fn ring(&mut self, id: ItemId, asked: Option<Span>) {
        let from = self.open.iter().position(|(open, _)| *open == id).unwrap_or(0);
        let open = &self.open[from..];
        let spans = open[1..].iter().map(|(_, span)| *span).chain([asked]);
        let mut hops: Vec<(ItemId, Option<Span>)> = open.iter().map(|(id, _)| *id).zip(spans).collect();
        // A ring has no beginning: it is told from the item that stands first.
        let first = hops.iter().enumerate().min_by_key(|(_, (id, _))| *id).map_or(0, |(index, _)| index);
        hops.rotate_left(first);
        let mut names: Vec<String> =
            hops.iter().map(|(id, _)| format!("`{}`", self.items[id.index()].name)).collect();
        names.extend(names.first().cloned());
        let function = matches!(self.items[id.index()].ast.kind, ast::ItemKind::Fn { .. });
        let message = match hops.len() {
            1 => format!("{} needs itself", names[0]),
            _ => format!("these need each other in a ring: {}", names.join(" → ")),
        };
        let mut labels = hops.iter().enumerate().filter_map(|(hop, (_, span))| {
            Some(((*span)?, format!("{} needs {}", names[hop], names[hop + 1])))
        });
        let Some((span, text)) = labels.next() else { return };
        let mut wrong = Diagnostic::error(codes::CYCLE, message, span, text);
        for (span, text) in labels {
            wrong = wrong.label(span, text);
        }
        let help = match function {
            true => {
                "there is no recursion: repeat with a comprehension `[for x in xs: …]`, or a bounded number \
                     of times with `iterate(n, start, f)`"
            }
            false => {
                "an item can't need itself, not even through others: cut the ring at one of these places"
            }
        };
        self.report(wrong.help(help));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The name of a field or output, shared with all others of that name.
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let name: Arc<str> = Arc::from(name);
        self.names.insert(name.clone());
        name
    }

    /// Reports an error and gives what stands in its place.
    fn wrong(&mut self, diagnostic: Diagnostic) -> (Ir, Type) {
        let span = diagnostic.labels.first().map(|label| label.span);
        self.report(diagnostic);
        let span = span.unwrap_or(Span { file: crate::span::FileId(0), start: 0, end: 0 });
        (Ir::poison(span), Type::Error)
    }

    /// Runs `inside` with parameters as further local names, which get the next slots.
    fn with_locals<T>(
        &mut self,
        locals: impl IntoIterator<Item = (&'p str, Span, Type)>,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.locals.len();
        let inner = index::Inner::Parameter;
        self.locals.extend(locals.into_iter().map(|(name, span, ty)| Local { name, inner, span, ty }));
        let result = inside(self);
        self.locals.truncate(before);
        result
    }

    fn finish(self) -> Program {
        let edges: Vec<Vec<(usize, ())>> =
            self.items.iter().map(|entry| entry.needs.iter().map(|id| (id.index(), ())).collect()).collect();
        let order = graph::postorder(&edges).into_iter().map(|index| ItemId(index as u32)).collect();
        let items = self.items.into_iter().map(|entry| Item {
            module: entry.module,
            name: Arc::from(entry.name),
            span: entry.span,
            body: entry.body,
            needs: entry.needs,
        });
        Program { items: items.collect(), order, diagnostics: self.diagnostics }
    }
}
