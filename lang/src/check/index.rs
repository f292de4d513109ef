//! What an editor asks of a checked project: which name stands where and what it refers to, and what could stand
//! at one place. Filled in by the checker while it resolves names, when it is told to; nothing is resolved here.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::signature::{self, Param, Signature};
use super::{Binding, Checker, Meaning};
use crate::ir::ItemId;
use crate::loader::ModuleId;
use crate::span::{FileId, Span};
use crate::syntax::ast::{Arg, ExprKind, ItemKind};
use crate::types::{Plain, RecordType, Type};

/// The names of a project.
#[derive(Debug, Default)]
pub struct Index {
    /// Every name that was resolved, and every name that is declared, in no order.
    pub uses: Vec<Use>,
    /// What each item means, by its id.
    pub meanings: Vec<Shown>,
    /// What could stand at the place asked about.
    pub candidates: Vec<Candidate>,
    /// The parameter whose argument the place asked about is in, if it is in one: the innermost.
    pub argument: Option<String>,
}

/// A name and what it refers to.
#[derive(Clone, Debug)]
pub struct Use {
    /// The name's place.
    pub span: Span,
    /// What it refers to.
    pub definition: Definition,
    /// The type of what it refers to, unless that is an item.
    pub ty: Type,
}

/// What a name may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Definition {
    /// An item.
    Item(ItemId),
    /// A module.
    Module(ModuleId),
    /// Something declared inside an item.
    Inner(Inner, Span),
    /// Something built in.
    Builtin,
}

/// What is declared inside of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inner {
    /// A variable of a loop or matrix.
    Variable,
    /// A parameter.
    Parameter,
    /// A field of a record.
    Field,
    /// An output of a recipe.
    Output,
    /// A value of an enum.
    Variant,
}

/// What an item means to a reader.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The type of its value, or the type that it declares.
    pub ty: Type,
    /// What it takes, when it is called.
    pub signature: Option<Arc<Signature>>,
}

/// A name that could stand at a place.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The name.
    pub name: String,
    /// What it would refer to.
    pub definition: Definition,
    /// Its type, unless it is an item.
    pub ty: Type,
    /// How it is written there.
    pub form: Form,
}

/// How a candidate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a name.
    Name,
    /// As a name with `= value` behind it.
    Entry,
    /// As the callee of a call.
    Call,
    /// As `$NAME` in a script.
    Shell,
}

/// The fields of recipes with what they are.
const RECIPE_FIELDS: [(&str, Plain); 8] = [
    ("env", Plain::Env),
    ("inputs", Plain::Input),
    ("workdir", Plain::String),
    ("shell", Plain::String),
    ("vars", Plain::String),
    ("run", Plain::String),
    ("outputs", Plain::Files),
    ("timeout", Plain::Duration),
];

impl<'p> Checker<'p> {
    /// Whether names are noted.
    pub(super) fn indexes(&self) -> bool {
        self.index.is_some()
    }

    /// Notes what a name refers to.
    pub(super) fn refers(&mut self, span: Span, definition: Definition, ty: &Type) {
        if let Some(index) = &mut self.index {
            index.uses.push(Use { span, definition, ty: ty.clone() });
        }
    }

    /// Notes a name declared inside an item.
    pub(super) fn declares(&mut self, inner: Inner, span: Span, ty: &Type) {
        self.refers(span, Definition::Inner(inner, span), ty);
    }

    /// Notes that a name refers to a variant of an enum.
    pub(super) fn refers_to_variant(&mut self, of: &Arc<crate::types::EnumType>, name: &str, span: Span) {
        if self.index.is_some() {
            let at = of.variants.iter().position(|variant| variant == name);
            let definition = match at.and_then(|at| of.places.get(at)) {
                Some(place) => Definition::Inner(Inner::Variant, *place),
                None => Definition::Builtin,
            };
            self.refers(span, definition, &Type::Enum(of.clone()));
        }
    }

    /// Whether the place asked about is in a span or at its end.
    pub(super) fn asked(&self, span: Span) -> bool {
        self.cursor.is_some_and(|(file, at)| file == span.file && span.start <= at && at <= span.end)
    }

    fn offer(&mut self, name: &str, definition: Definition, ty: Type, form: Form) {
        if let Some(index) = &mut self.index
            && !index.candidates.iter().any(|known| known.name == name && known.form == form)
        {
            index.candidates.push(Candidate { name: name.to_owned(), definition, ty, form });
        }
    }

    /// Offers what a name may be where a value stands.
    pub(super) fn offer_values(&mut self, span: Span, want: &Type) {
        if !self.asked(span) {
            return;
        }
        if let Type::Enum(of) = want.required() {
            for (at, name) in of.variants.iter().enumerate() {
                let place = of.places.get(at);
                let definition =
                    place.map_or(Definition::Builtin, |place| Definition::Inner(Inner::Variant, *place));
                self.offer(name, definition, Type::Enum(of.clone()), Form::Name);
            }
        }
        let locals: Vec<_> = self
            .locals
            .iter()
            .rev()
            .map(|local| (local.name, local.definition(), local.ty.clone()))
            .collect();
        for (name, definition, ty) in locals.into_iter().filter(|(name, ..)| !name.is_empty()) {
            self.offer(name, definition, ty, Form::Name);
        }
        let own = self.open.last().map(|(id, _)| *id);
        let scope: Vec<_> =
            self.scopes[self.module.index()].iter().map(|(name, binding)| (*name, *binding)).collect();
        for (name, binding) in scope {
            match binding {
                Binding::Item(id) if Some(id) != own && self.is_type_item(id) == Some(false) => {
                    let form = self.form_of(id);
                    self.offer(name, Definition::Item(id), Type::Unknown, form);
                }
                Binding::Module(module, _) => {
                    self.offer(name, Definition::Module(module), Type::Unknown, Form::Name)
                }
                _ => {}
            }
        }
        for name in signature::BUILTINS {
            self.offer(name, Definition::Builtin, Type::Unknown, Form::Call);
        }
    }

    /// Whether an item is a type; `None` for one that has no name to be used by.
    fn is_type_item(&self, id: ItemId) -> Option<bool> {
        match self.items[id.index()].ast.kind {
            ItemKind::Type { .. } => Some(true),
            ItemKind::Use { .. } | ItemKind::Assert { .. } | ItemKind::Test { .. } => None,
            _ => Some(false),
        }
    }

    fn form_of(&self, id: ItemId) -> Form {
        match self.items[id.index()].ast.kind {
            ItemKind::Fn { .. } | ItemKind::Recipe { .. } => Form::Call,
            _ => Form::Name,
        }
    }

    /// Offers the items of a module: its types, or all but them. What begins with `_` is the module's own matter.
    pub(super) fn offer_module(&mut self, span: Span, module: ModuleId, types: bool) {
        if !self.asked(span) {
            return;
        }
        let scope: Vec<_> =
            self.scopes[module.index()].iter().map(|(name, binding)| (*name, *binding)).collect();
        for (name, binding) in scope {
            if let Binding::Item(id) = binding
                && self.is_type_item(id) == Some(types)
                && !name.starts_with('_')
            {
                let form = self.form_of(id);
                self.offer(name, Definition::Item(id), Type::Unknown, form);
            }
        }
    }

    /// Offers what may follow the dot behind a value.
    pub(super) fn offer_members(&mut self, span: Span, ty: &Type) {
        if !self.asked(span) {
            return;
        }
        match ty {
            Type::Record(record) => self.offer_fields(record, Form::Name),
            Type::Build(Some(outputs)) => {
                for (name, (kind, place)) in &outputs.outputs {
                    self.offer(name, Definition::Inner(Inner::Output, *place), kind.ty(), Form::Name);
                }
            }
            Type::Members(member) => self.offer_members(span, &member.clone()),
            Type::Plain(Plain::Archive) => {
                for name in signature::ARCHIVE_METHODS {
                    self.offer(name, Definition::Builtin, Type::Unknown, Form::Call);
                }
            }
            Type::Matrix(_) | Type::List(_) | Type::Map(..) => {
                self.offer("*", Definition::Builtin, ty.clone(), Form::Name)
            }
            _ => {}
        }
    }

    fn offer_fields(&mut self, record: &RecordType, form: Form) {
        for field in &record.fields {
            self.offer(&field.name, Definition::Inner(Inner::Field, field.span), field.ty.clone(), form);
        }
    }

    /// Offers the fields of a record where an entry's name stands.
    pub(super) fn offer_entries(&mut self, name: Span, record: &RecordType) {
        if self.asked(name) {
            self.offer_fields(record, Form::Entry);
        }
    }

    /// Offers the fields of a recipe where an entry's name stands.
    pub(super) fn offer_recipe_fields(&mut self, name: Span) {
        if self.asked(name) {
            for (field, plain) in RECIPE_FIELDS {
                self.offer(field, Definition::Builtin, plain.into(), Form::Entry);
            }
        }
    }

    /// Offers the parameters that a call doesn't give yet, where a name that may be one stands.
    pub(super) fn offer_parameters(&mut self, signature: &Signature, args: &'p [Arg]) {
        let Some(arg) = args.iter().find(|arg| match (&arg.name, &arg.value.kind) {
            (Some(name), _) => self.asked(name.span),
            (None, ExprKind::Name(_)) => self.asked(arg.value.span),
            _ => false,
        }) else {
            return;
        };
        let given = |param: &Param| {
            args.iter().any(|other| {
                !std::ptr::eq(other, arg) && other.name.as_ref().is_some_and(|name| name.node == param.name)
            })
        };
        for param in signature.params.iter().filter(|param| !given(param)) {
            self.offer(&param.name, param.definition(), param.ty.clone(), Form::Entry);
        }
    }

    /// Offers the comparisons.
    pub(super) fn offer_forms(&mut self) {
        for name in super::comparison::FORMS {
            self.offer(name, Definition::Builtin, Type::Unknown, Form::Call);
        }
    }

    /// Offers the word for all axes.
    pub(super) fn offer_all(&mut self) {
        self.offer("all", Definition::Builtin, Type::Unknown, Form::Name);
    }

    /// Offers types.
    pub(super) fn offer_types(&mut self, span: Span) {
        if !self.asked(span) {
            return;
        }
        for (name, plain) in Plain::ALL {
            self.offer(name, Definition::Builtin, plain.into(), Form::Name);
        }
        for name in ["Arch", "Build", "List", "Map"] {
            self.offer(name, Definition::Builtin, Type::Unknown, Form::Name);
        }
        let module = self.module;
        self.offer_module(span, module, true);
        let modules: Vec<_> = self.scopes[module.index()]
            .iter()
            .filter_map(|(name, binding)| match binding {
                Binding::Module(module, _) => Some((*name, *module)),
                _ => None,
            })
            .collect();
        for (name, module) in modules {
            self.offer(name, Definition::Module(module), Type::Unknown, Form::Name);
        }
    }

    /// Offers the variables that a script sees.
    pub(super) fn offer_variables<'n>(
        &mut self,
        script: Span,
        declared: impl Iterator<Item = (&'n String, &'n (Span, Type))>,
    ) {
        if !self.asked(script) {
            return;
        }
        for (name, (span, ty)) in declared {
            self.offer(name, Definition::Inner(Inner::Field, *span), ty.clone(), Form::Shell);
        }
        for name in super::FIXED_VARIABLES.iter().chain(&["RBLD_JOBS", "RBLD_OUTPUTS"]) {
            self.offer(name, Definition::Builtin, Plain::String.into(), Form::Shell);
        }
    }

    /// Notes the parameter whose argument is asked about; those of calls inside come later and win.
    pub(super) fn in_argument(&mut self, value: Span, param: &Param) {
        if self.asked(value)
            && let Some(index) = &mut self.index
        {
            index.argument = Some(param.name.clone());
        }
    }

    /// The names of items, and what each means, once all are checked.
    pub(super) fn index_items(&mut self) {
        let Some(mut index) = self.index.take() else { return };
        for (at, entry) in self.items.iter().enumerate() {
            let id = ItemId(at as u32);
            let (ty, signature) = match &entry.meaning {
                Meaning::Value(ty) | Meaning::Type(ty) => (ty.clone(), None),
                Meaning::Function(signature) | Meaning::Recipe(signature) => {
                    (signature.result.clone(), Some(signature.clone()))
                }
                Meaning::Broken => (Type::Error, None),
            };
            index.meanings.push(Shown { ty, signature });
            let definition = match (&entry.ast.kind, self.scopes[entry.module.index()].get(entry.name)) {
                (ItemKind::Use { .. }, Some(Binding::Module(module, _))) => Definition::Module(*module),
                (ItemKind::Use { .. }, _) => continue,
                _ => Definition::Item(id),
            };
            index.uses.push(Use { span: entry.span, definition, ty: Type::Unknown });
        }
        self.index = Some(index);
    }
}

impl Param {
    /// What its name refers to.
    pub(super) fn definition(&self) -> Definition {
        self.place.map_or(Definition::Builtin, |place| Definition::Inner(Inner::Parameter, place))
    }
}

/// The place asked about: a file and a byte in it.
pub type Cursor = (FileId, u32);
