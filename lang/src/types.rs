//! Types: what an expression may be, how types are shown, and which may stand for which.
//!
//! Records are closed and compared by their fields, enums are nominal. A build's type carries
//! the outputs that its recipe declares, a matrix's also the types of its keys, so that a
//! wrong output is found before anything is evaluated.

use std::fmt;
use std::sync::Arc;

use ecow::EcoString;
use indexmap::IndexMap;

use crate::ir::Ir;
use crate::span::Span;

/// The type of an expression.
#[derive(Clone, Debug)]
pub enum Type {
    /// Something wrong was reported here; silences whatever follows from it.
    Error,
    /// Nothing is known yet: the element of `[]`, what `none` may hold.
    Unknown,
    /// One of the types without parts.
    Plain(Plain),
    /// A nominal enum.
    Enum(Arc<EnumType>),
    /// A closed record.
    Record(Arc<RecordType>),
    /// `List[T]`.
    List(Arc<Type>),
    /// `Map[K, V]`.
    Map(Arc<Type>, Arc<Type>),
    /// `T?`. Never nested.
    Option(Arc<Type>),
    /// A build; its outputs when its recipe is known.
    Build(Option<Arc<Outputs>>),
    /// A matrix of builds.
    Matrix(Arc<MatrixType>),
    /// What `.*` gives: may stand for a list of the same elements; a field of it is a field of each.
    Members(Arc<Type>),
    /// `file("…")` or `files("…")`, as declared in a recipe.
    Spec(OutputKind),
    /// What `expect` takes: `different("…")`, `flaky("…", owner = "…")`.
    Expect,
    /// What `compare` takes, but for `bytes`: `tree("…")`.
    Relation,
    /// What `agreed` asks: `signed(…)`, `unsigned(…)`, or an output.
    Witness,
}

/// The types without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// `Bool`.
    Bool,
    /// `Int`.
    Int,
    /// `String`.
    String,
    /// `Digest`.
    Digest,
    /// `Commit`.
    Commit,
    /// `Instant`.
    Instant,
    /// `Date`.
    Date,
    /// `Duration`.
    Duration,
    /// `Size`.
    Size,
    /// `Percent`.
    Percent,
    /// `Url`.
    Url,
    /// `File`: an output that is one file.
    File,
    /// `Files`: an output that is several files.
    Files,
    /// `Tree`.
    Tree,
    /// `Image`.
    Image,
    /// `Env`.
    Env,
    /// `Input`.
    Input,
    /// `Archive`.
    Archive,
}

impl Plain {
    /// All of them with their names.
    pub const ALL: [(&'static str, Plain); 18] = [
        ("Bool", Plain::Bool),
        ("Int", Plain::Int),
        ("String", Plain::String),
        ("Digest", Plain::Digest),
        ("Commit", Plain::Commit),
        ("Instant", Plain::Instant),
        ("Date", Plain::Date),
        ("Duration", Plain::Duration),
        ("Size", Plain::Size),
        ("Percent", Plain::Percent),
        ("Url", Plain::Url),
        ("File", Plain::File),
        ("Files", Plain::Files),
        ("Tree", Plain::Tree),
        ("Image", Plain::Image),
        ("Env", Plain::Env),
        ("Input", Plain::Input),
        ("Archive", Plain::Archive),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Plain::ALL.iter().find(|(_, plain)| *plain == self).map_or("", |(name, _)| name)
    }
}

/// Whether an output is one file or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// `file(…)`.
    File,
    /// `files(…)`.
    Files,
}

impl OutputKind {
    /// The type that an output of this kind has.
    pub fn ty(self) -> Type {
        Type::Plain(match self {
            OutputKind::File => Plain::File,
            OutputKind::Files => Plain::Files,
        })
    }
}

/// The declared outputs of a recipe, by name.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The recipe that declares them.
    pub recipe: String,
    /// Their kinds and where they are declared.
    pub outputs: IndexMap<String, (OutputKind, Span)>,
}

/// A nominal enum.
#[derive(Debug)]
pub struct EnumType {
    /// Its name.
    pub name: String,
    /// Its variants, in the order declared.
    pub variants: Vec<String>,
    /// Where they are declared; empty for one that is built in.
    pub places: Vec<Span>,
    /// Where it is declared; `None` for one that is built in.
    pub span: Option<Span>,
}

/// A closed record.
#[derive(Debug)]
pub struct RecordType {
    /// Its name, when it was declared with one.
    pub name: Option<String>,
    /// Its fields, in the order written, which is that of its values.
    pub fields: Vec<Field>,
    /// The names of its fields, shared with its values.
    pub shape: Arc<Shape>,
    /// How many parts it has, written out whole.
    pub parts: u64,
}

/// A field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: EcoString,
    /// Its type.
    pub ty: Type,
    /// What it is when left out.
    pub default: Option<Arc<Ir>>,
    /// Where it is written.
    pub span: Span,
}

/// The names of a record's fields and where they were written.
#[derive(Debug, Default)]
pub struct Shape {
    /// The names.
    pub names: Vec<Arc<str>>,
    /// The places, one a name.
    pub spans: Vec<Span>,
}

/// A matrix of builds.
#[derive(Debug)]
pub struct MatrixType {
    /// The types of its keys.
    pub axes: Vec<Type>,
    /// The outputs of each cell, when they are known.
    pub outputs: Option<Arc<Outputs>>,
}

impl RecordType {
    /// A record with these fields.
    pub fn new(name: Option<String>, fields: Vec<Field>) -> RecordType {
        let names = fields.iter().map(|field| Arc::from(field.name.as_str())).collect();
        RecordType::with_names(name, fields, names)
    }

    /// The same, with the fields' names as they are shared already.
    pub(crate) fn with_names(name: Option<String>, fields: Vec<Field>, names: Vec<Arc<str>>) -> RecordType {
        let shape = Shape { names, spans: fields.iter().map(|field| field.span).collect() };
        let parts = fields.iter().fold(1u64, |sum, field| sum.saturating_add(field.ty.parts()));
        RecordType { name, fields, shape: Arc::new(shape), parts }
    }

    /// The index of a field.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

impl From<Plain> for Type {
    fn from(plain: Plain) -> Type {
        Type::Plain(plain)
    }
}

impl Type {
    /// `List[self]`.
    pub fn list(self) -> Type {
        Type::List(Arc::new(self))
    }

    /// `self?`.
    pub fn option(self) -> Type {
        match self {
            Type::Option(_) | Type::Error => self,
            other => Type::Option(Arc::new(other)),
        }
    }

    /// Whether an error was already reported in any part of it.
    pub fn is_broken(&self) -> bool {
        match self {
            Type::Error => true,
            Type::List(inner) | Type::Option(inner) | Type::Members(inner) => inner.is_broken(),
            Type::Map(key, value) => key.is_broken() || value.is_broken(),
            _ => false,
        }
    }

    /// How many parts it has, written out whole: types are shared, so a short file can make a huge one.
    fn parts(&self) -> u64 {
        match self {
            Type::Record(record) => record.parts,
            Type::List(inner) | Type::Option(inner) | Type::Members(inner) => inner.parts().saturating_add(1),
            Type::Map(key, value) => key.parts().saturating_add(value.parts()),
            _ => 1,
        }
    }

    /// The type inside `T?`, or itself.
    pub fn required(&self) -> &Type {
        match self {
            Type::Option(inner) => inner,
            other => other,
        }
    }

    /// The elements' type, of what may stand for a list.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Type::List(inner) | Type::Members(inner) => Some(inner),
            _ => None,
        }
    }

    /// Whether its values have a text for scripts and for `@{…}`.
    pub fn is_text(&self) -> bool {
        match self {
            Type::Error | Type::Enum(_) => true,
            Type::Plain(plain) => {
                use Plain::*;
                matches!(
                    plain,
                    Bool | Int | String | Digest | Commit | Instant | Date | Duration | Size | Percent | Url
                )
            }
            _ => false,
        }
    }

    /// Whether its values may be keys of a matrix or names in a group.
    pub fn is_key(&self) -> bool {
        match self {
            Type::Error | Type::Enum(_) | Type::Build(_) => true,
            Type::Plain(plain) => {
                matches!(plain, Plain::Int | Plain::String | Plain::Env | Plain::Input | Plain::Archive)
            }
            _ => false,
        }
    }

    /// Whether `==` may compare its values.
    pub fn is_comparable(&self) -> bool {
        match self {
            Type::Error | Type::Unknown | Type::Enum(_) => true,
            Type::Plain(_) => self.is_text(),
            Type::List(inner) | Type::Option(inner) | Type::Members(inner) => inner.is_comparable(),
            Type::Map(key, value) => key.is_comparable() && value.is_comparable(),
            Type::Record(record) => record.fields.iter().all(|field| field.ty.is_comparable()),
            _ => false,
        }
    }

    /// Whether both are surely one type, down to the order of fields.
    pub fn is_same(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Plain(a), Type::Plain(b)) => a == b,
            (Type::Enum(a), Type::Enum(b)) => Arc::ptr_eq(a, b),
            (Type::List(a), Type::List(b)) | (Type::Option(a), Type::Option(b)) => a.is_same(b),
            (Type::Record(a), Type::Record(b)) => {
                let same = |(a, b): (&Field, &Field)| {
                    a.name == b.name && a.default.is_none() && b.default.is_none() && a.ty.is_same(&b.ty)
                };
                Arc::ptr_eq(a, b)
                    || a.name.is_none()
                        && b.name.is_none()
                        && a.fields.len() == b.fields.len()
                        && a.fields.iter().zip(&b.fields).all(same)
            }
            _ => false,
        }
    }

    /// The type that both may stand for: of a list's elements, of the two arms of an `if`.
    pub fn join(&self, other: &Type) -> Option<Type> {
        if let (Type::Build(a), Type::Build(b)) = (self, other) {
            return Some(Type::Build(common_outputs(a.as_ref(), b.as_ref())));
        }
        if matches!(self, Type::Unknown) {
            return Some(other.clone());
        }
        if other.convert(self).is_some() {
            return Some(self.clone());
        }
        if self.convert(other).is_some() {
            return Some(other.clone());
        }
        match (self, other) {
            (Type::Option(a), b) => a.join(b.required()).map(Type::option),
            (a, Type::Option(b)) => a.join(b).map(Type::option),
            _ => None,
        }
    }

    /// How a value of this type becomes one of `to`, if it may stand for it.
    pub fn convert(&self, to: &Type) -> Option<Conversion> {
        match (self, to) {
            (Type::Error | Type::Unknown, _) | (_, Type::Error | Type::Unknown) => Some(Conversion::Same),
            (Type::Plain(Plain::File | Plain::Files), Type::Plain(Plain::Input)) => Some(Conversion::Same),
            (Type::Plain(a), Type::Plain(b)) => (a == b).then_some(Conversion::Same),
            (Type::Enum(a), Type::Enum(b)) => Arc::ptr_eq(a, b).then_some(Conversion::Same),
            (Type::Option(a), Type::Option(b)) => a.convert(b),
            (a, Type::Option(b)) => a.convert(b),
            (Type::List(a) | Type::Members(a), Type::List(b)) | (Type::Members(a), Type::Members(b)) => {
                a.convert(b).map(Conversion::each)
            }
            (Type::Map(ka, va), Type::Map(kb, vb)) => match ka.convert(kb)? {
                Conversion::Same => va.convert(vb).map(Conversion::each),
                _ => None,
            },
            (Type::Record(a), Type::Record(b)) => convert_record(a, b),
            (Type::Build(_), Type::Build(None)) | (Type::Build(None), Type::Build(_)) => {
                Some(Conversion::Same)
            }
            (Type::Build(Some(a)), Type::Build(Some(b))) => {
                let held = b
                    .outputs
                    .iter()
                    .all(|(name, (kind, _))| a.outputs.get(name).is_some_and(|(other, _)| kind == other));
                held.then_some(Conversion::Same)
            }
            (Type::Spec(a), Type::Spec(b)) => (a == b).then_some(Conversion::Same),
            (Type::Plain(Plain::File | Plain::Files), Type::Witness) => Some(Conversion::Same),
            (Type::Expect, Type::Expect)
            | (Type::Relation, Type::Relation)
            | (Type::Witness, Type::Witness) => Some(Conversion::Same),
            _ => None,
        }
    }
}

fn common_outputs(a: Option<&Arc<Outputs>>, b: Option<&Arc<Outputs>>) -> Option<Arc<Outputs>> {
    let (a, b) = (a?, b?);
    if Arc::ptr_eq(a, b) {
        return Some(a.clone());
    }
    let same = |name: &String, kind: &OutputKind| b.outputs.get(name).is_some_and(|(other, _)| other == kind);
    let outputs = a.outputs.iter().filter(|(name, (kind, _))| same(name, kind));
    Some(Arc::new(Outputs {
        recipe: a.recipe.clone(),
        outputs: outputs.map(|(name, fact)| (name.clone(), *fact)).collect(),
    }))
}

fn convert_record(from: &Arc<RecordType>, to: &Arc<RecordType>) -> Option<Conversion> {
    if Arc::ptr_eq(from, to) {
        return Some(Conversion::Same);
    }
    if from.fields.iter().any(|field| to.index(&field.name).is_none()) {
        return None;
    }
    let mut sources = Vec::with_capacity(to.fields.len());
    for field in &to.fields {
        sources.push(match (from.index(&field.name), &field.default, &field.ty) {
            (Some(index), ..) => Source::Slot(index, from.fields[index].ty.convert(&field.ty)?),
            (None, Some(default), _) => Source::Default(default.clone()),
            (None, None, Type::Option(_)) => Source::None,
            (None, None, _) => return None,
        });
    }
    let same = sources.len() == from.fields.len()
        && sources
            .iter()
            .enumerate()
            .all(|(at, source)| matches!(source, Source::Slot(index, Conversion::Same) if *index == at));
    Some(if same { Conversion::Same } else { Conversion::Record(to.shape.clone(), sources) })
}

/// How a value of one type becomes one of another. `none` stays what it is.
#[derive(Clone, Debug)]
pub enum Conversion {
    /// It is one.
    Same,
    /// Each element of a list, or value of a map, is converted.
    Each(Arc<Conversion>),
    /// The fields of a record are put in another order and filled up.
    Record(Arc<Shape>, Vec<Source>),
}

impl Conversion {
    fn each(self) -> Conversion {
        match self {
            Conversion::Same => Conversion::Same,
            other => Conversion::Each(Arc::new(other)),
        }
    }
}

/// Where a field of a converted record comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A field of the record it is converted from.
    Slot(usize, Conversion),
    /// The default of the type.
    Default(Arc<Ir>),
    /// `none`.
    None,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Error | Type::Unknown => f.write_str("_"),
            Type::Plain(plain) => f.write_str(plain.name()),
            Type::Enum(of) => f.write_str(&of.name),
            Type::Record(record) => match &record.name {
                Some(name) => f.write_str(name),
                None => {
                    f.write_str("{ ")?;
                    for (index, field) in record.fields.iter().enumerate() {
                        let comma = if index == 0 { "" } else { ", " };
                        write!(f, "{comma}{}: {}", field.name, field.ty)?;
                    }
                    f.write_str(" }")
                }
            },
            Type::List(inner) | Type::Members(inner) => write!(f, "List[{inner}]"),
            Type::Map(key, value) => write!(f, "Map[{key}, {value}]"),
            Type::Option(inner) => write!(f, "{inner}?"),
            Type::Build(_) => f.write_str("Build"),
            Type::Matrix(matrix) => {
                let axes: Vec<String> = matrix.axes.iter().map(Type::to_string).collect();
                write!(f, "matrix of builds by {}", axes.join(" and "))
            }
            Type::Spec(OutputKind::File) => f.write_str("file(…)"),
            Type::Spec(OutputKind::Files) => f.write_str("files(…)"),
            Type::Expect => f.write_str("different(…)"),
            Type::Relation => f.write_str("content(…)"),
            Type::Witness => f.write_str("signed(…)"),
        }
    }
}
