//! The typed tree: what `check` makes of expressions and the evaluator walks.
//!
//! Names are gone (slots, items, indexes of fields), defaults are filled in and conversions
//! are written out, so the evaluator can't meet a wrong type or an unknown name.

use std::sync::Arc;

use crate::loader::Place;
use crate::span::Span;
use crate::syntax::ast::{BinaryOp, UnaryOp};
use crate::types::{Conversion, Shape};
use crate::value::{Record, Value};

/// An item of any module, by its order in the checker's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId(pub u32);

impl ItemId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An expression and where it was written.
#[derive(Clone, Debug)]
pub struct Ir {
    /// Its place.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// The shapes of a checked expression.
#[derive(Clone, Debug)]
pub enum Kind {
    /// An error was reported here.
    Poison,
    /// A value known already.
    Const(Value),
    /// A parameter or loop variable of the innermost body.
    Local(u32),
    /// The value of a `let`, `input`, `env` or `build`.
    Item(ItemId),
    /// The texts of the parts in a row.
    Text(Vec<Ir>),
    /// A list.
    List(Vec<Ir>),
    /// A record.
    Record(Arc<Shape>, Box<[Ir]>),
    /// A map, its keys first.
    Map(Vec<(Ir, Ir)>),
    /// `[for …: body]`; the variables get the slots that follow those in use.
    Comprehension(Box<Loop>),
    /// A field of a record.
    Field(Box<Ir>, u32),
    /// An output of a build.
    Output(Box<Ir>, Arc<str>),
    /// `.*`.
    Star(Box<Ir>),
    /// What is done with one member (in the next free slot), done with each.
    Each(Box<Ir>, Box<Ir>),
    /// A cell or slice of a matrix, an element of a list, the value of a map's key.
    Index(Box<Ir>, Box<[Option<Ir>]>),
    /// A function applied to all of its parameters, in their order.
    Call(ItemId, Vec<Ir>),
    /// A recipe applied to all of its parameters, in their order.
    Apply(ItemId, Vec<Ir>),
    /// A builtin function or intrinsic.
    Builtin(Builtin, Vec<Ir>),
    /// `iterate(count, start, function)`; whether the function also takes the round.
    Iterate {
        /// How often.
        count: Box<Ir>,
        /// The first element.
        start: Box<Ir>,
        /// What makes the next from the last.
        function: ItemId,
        /// Whether it takes the number of the round, from one, as its second argument.
        numbered: bool,
    },
    /// A record with some fields replaced.
    With(Box<Ir>, Box<[(u32, Ir)]>),
    /// `if`.
    If(Box<Ir>, Box<Ir>, Box<Ir>),
    /// `not`, `-`.
    Unary(UnaryOp, Box<Ir>),
    /// An operator.
    Binary(BinaryOp, Box<Ir>, Box<Ir>),
    /// A value made one of another type.
    Convert(Box<(Ir, Conversion)>),
    /// An expression without local names, evaluated apart from those around it: a default.
    Closed(Arc<Ir>),
    /// A file or folder of the project or of a package.
    Path(Box<Place>),
}

/// Loops and what they repeat.
#[derive(Clone, Debug)]
pub struct Loop {
    /// What each variable runs over, outermost first.
    pub over: Vec<Ir>,
    /// Leaves out what is false.
    pub filter: Option<Ir>,
    /// What is repeated.
    pub body: Ir,
}

/// Functions that the evaluator knows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `file(path)`.
    File,
    /// `files(pattern)`.
    Files,
    /// `length(list)`.
    Length,
    /// `join(list, sep)`.
    Join,
    /// `text(value)`.
    Text,
    /// `default(value, otherwise)`.
    Default,
    /// `different(why, until, category, owner)`.
    Different,
    /// `flaky(why, owner)`.
    Flaky,
    /// `tree(why)`, `deb(why)`, `content(why)`.
    Relation(crate::plan::Equality),
    /// `signed(sums, keys, at, signature)`.
    Signed,
    /// `unsigned(sums, why, at)`.
    Unsigned,
    /// `core.url(url, urls, digest, name)`.
    Url,
    /// `core.git(url, commit, tag, branch, submodules)`.
    Git,
    /// `core.unpack(from, strip)`.
    Unpack,
    /// `core.archive(name, suite, components, at, keyring, always)`.
    /// `core.guix(base, commit, channels, packages, items, arch)`.
    Guix,
    /// `core.archive(name, suite, components, at)`.
    Archive,
    /// `core.staged(base, packages, add)`.
    Staged,
    /// `core.together(archives)`.
    Together,
    /// `core.registry_image(name, digest, arch)`.
    RegistryImage,
    /// `core.folder_image(from, digest, arch)`.
    FolderImage,
    /// `core.image(base, files, arch, entrypoint, cmd, vars, workdir, user, labels, created, name)`.
    Image,
    /// `core.image_index(images, name)`.
    ImageIndex,
    /// `ARCHIVE.env(arch, packages, build_depends)`.
    ArchiveEnv,
    /// `ARCHIVE.source(name, arch)`.
    ArchiveSource,
    /// `ARCHIVE.buildinfo(file)`.
    ArchiveBuildinfo,
}

impl Kind {
    /// A record whose fields are all known, lists in it included, is itself a value that is known.
    pub(crate) fn record(shape: Arc<Shape>, values: Vec<Ir>) -> Kind {
        let known = |value: &Ir| match &value.kind {
            Kind::List(items) => items.iter().all(|item| matches!(item.kind, Kind::Const(_))),
            kind => matches!(kind, Kind::Const(_)),
        };
        if !values.iter().all(known) {
            return Kind::Record(shape, values.into());
        }
        let values = values.into_iter().filter_map(|value| match value.kind {
            Kind::List(items) => Some(Value::List(items.into_iter().filter_map(constant).collect())),
            _ => constant(value),
        });
        Kind::Const(Value::Record(Arc::new(Record { shape, values: values.collect() })))
    }
}

fn constant(ir: Ir) -> Option<Value> {
    match ir.kind {
        Kind::Const(value) => Some(value),
        _ => None,
    }
}

impl Ir {
    /// An expression at a place.
    pub fn new(span: Span, kind: Kind) -> Ir {
        Ir { span, kind }
    }

    /// What stands where an error was reported.
    pub fn poison(span: Span) -> Ir {
        Ir { span, kind: Kind::Poison }
    }
}
