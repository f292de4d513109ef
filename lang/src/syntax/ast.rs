//! The syntax tree, edition 1. Pure shape: no name is resolved, no type is known.

use std::sync::Arc;

use crate::span::{Span, Spanned};

/// The letters of a name, in place while there are no more than fifteen.
pub type Name = ecow::EcoString;

/// A name as written.
pub type Ident = Spanned<Name>;

/// One file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The number in the first line, `rbld 1`.
    pub edition: Option<Spanned<u32>>,
    /// The items, in the order written.
    pub items: Vec<Item>,
}

/// One of the ten kinds, with its `##` lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Lines of documentation, without `##` and one blank.
    pub docs: Vec<String>,
    /// From the keyword to the end.
    pub span: Span,
    /// What it is.
    pub kind: ItemKind,
}

/// The ten kinds of item.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `use std.guix`, `use ./common.rbld`, both with an optional `as NAME`.
    Use {
        /// What is used.
        target: UseTarget,
        /// The name it is known by here, when written.
        alias: Option<Ident>,
    },
    /// `type Suite = bookworm | trixie` or `type Release = { name: String, size: Size? }`.
    Type {
        /// Its name.
        name: Ident,
        /// Its body.
        body: TypeBody,
    },
    /// `let x: Int = 1`; the type may be left out.
    Let {
        /// Its name.
        name: Ident,
        /// Its type, when written.
        ty: Option<Box<TypeExpr>>,
        /// Its value.
        value: Expr,
    },
    /// `fn f(a: Int, b: String = "x") -> Env = …`.
    Fn {
        /// Its name.
        name: Ident,
        /// Its parameters.
        params: Vec<Param>,
        /// Its result's type.
        result: Box<TypeExpr>,
        /// Its body.
        body: Expr,
    },
    /// `input src = fetch.git { … }`.
    Input {
        /// Its name.
        name: Ident,
        /// An expression of type `Input`.
        value: Expr,
    },
    /// `env bookworm = …`.
    Env {
        /// Its name.
        name: Ident,
        /// An expression of type `Env`.
        value: Expr,
    },
    /// `recipe tarballs(e: Env) { env = e … }`.
    Recipe {
        /// Its name.
        name: Ident,
        /// Its parameters.
        params: Vec<Param>,
        /// The entries between the braces.
        body: Vec<Entry>,
    },
    /// `build t for e in [a, b], n in names if cond = tarballs(e)`; without `for`, a single build.
    Build {
        /// Its name.
        name: Ident,
        /// The axes of its matrix; empty for a single build.
        axes: Vec<Axis>,
        /// Leaves out the cells for which it is false.
        filter: Option<Box<Expr>>,
        /// An expression of type `Build`.
        value: Expr,
    },
    /// `assert "name" identical(…)`.
    Assert {
        /// The name in quotes.
        name: Ident,
        /// The comparison: a call of one of the closed set of forms.
        value: Expr,
    },
    /// `test "name" EXPR`, an expression of type `Bool`.
    Test {
        /// The name in quotes.
        name: Ident,
        /// The expression.
        value: Expr,
    },
}

impl ItemKind {
    /// The keyword that it begins with.
    pub fn keyword(&self) -> &'static str {
        match self {
            ItemKind::Use { .. } => "use",
            ItemKind::Type { .. } => "type",
            ItemKind::Let { .. } => "let",
            ItemKind::Fn { .. } => "fn",
            ItemKind::Input { .. } => "input",
            ItemKind::Env { .. } => "env",
            ItemKind::Recipe { .. } => "recipe",
            ItemKind::Build { .. } => "build",
            ItemKind::Assert { .. } => "assert",
            ItemKind::Test { .. } => "test",
        }
    }
}

/// What a `use` names.
#[derive(Clone, Debug, PartialEq)]
pub enum UseTarget {
    /// `std.fetch`: dotted names.
    Module(Vec<Ident>),
    /// `./common.rbld`, relative to the file that holds the `use`.
    File(Ident),
}

/// The right side of a `type` item.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeBody {
    /// The variants of a nominal enum.
    Enum(Vec<Ident>),
    /// The fields of a closed record.
    Record(Vec<FieldType>),
    /// Another name for a type.
    Alias(TypeExpr),
}

/// A field of a record type.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldType {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// What it is when left out: `shell: String = "sh"`.
    pub default: Option<Expr>,
}

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// Its place.
    pub span: Span,
    /// What it is.
    pub kind: TypeExprKind,
}

/// The shapes of a written type.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeExprKind {
    /// `Int`, `Suite`, `debian.Suite`.
    Name(Vec<Ident>),
    /// `List[T]`.
    List(Box<TypeExpr>),
    /// `Map[K, V]`.
    Map(Box<TypeExpr>, Box<TypeExpr>),
    /// `T?`.
    Option(Box<TypeExpr>),
    /// `{ name: String }`.
    Record(Vec<FieldType>),
    /// What the parser put where it reported an error: of a type that fits everywhere.
    Error,
}

/// A parameter of a function or recipe; the type is always written.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// What it is when left out.
    pub default: Option<Expr>,
}

/// `name in EXPR`, of a matrix or a comprehension.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The variable.
    pub name: Ident,
    /// What it runs over.
    pub over: Expr,
}

/// `name = value` in braces; `{ src }` is short for `{ src = src }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The field, argument or map key. A map's key may also be written as a text.
    pub name: Ident,
    /// Its value; for the short form, [`ExprKind::Name`] with the same span.
    pub value: Expr,
}

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Its place.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The shapes of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A name.
    Name(Name),
    /// `1`, `true`, `commit:…`, `30%`, `./file`.
    Literal(Literal),
    /// A text without `@{…}` parts, escapes already replaced, indentation already stripped.
    Plain(Arc<str>),
    /// A text with `@{…}` parts.
    Text(Vec<Part>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `[for x in xs, y in ys if c: e]`.
    Comprehension(Box<Comprehension>),
    /// `{ a = 1, b }`.
    Record(Vec<Entry>),
    /// `x.f`.
    Field(Box<(Expr, Ident)>),
    /// `x.*`: every cell of a matrix or element of a map or list.
    Star(Box<Expr>),
    /// `x[k]`, `x[a, _]`; `None` for `_`.
    Index(Box<Expr>, Box<[Option<Expr>]>),
    /// `f(a, b = c)` or `f { b = c }`.
    Call {
        /// What is called.
        callee: Box<Expr>,
        /// The arguments, in the order written.
        args: Box<[Arg]>,
    },
    /// `x with { f = v }`.
    With(Box<Expr>, Box<[Entry]>),
    /// `if c then a else b`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `not x`, `-x`.
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`.
    Binary(Spanned<BinaryOp>, Box<(Expr, Expr)>),
    /// What the parser put where it reported an error, so that the rest of the file is checked too.
    Error,
}

impl ExprKind {
    /// A text of these parts; of texts that follow each other there is one.
    pub(crate) fn text(mut parts: Vec<Part>) -> ExprKind {
        match parts.as_mut_slice() {
            [] => ExprKind::Plain(Arc::from("")),
            [Part::Text(text)] => ExprKind::Plain(std::mem::take(text)),
            _ => ExprKind::Text(parts),
        }
    }
}

/// `[for x in xs if c: e]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comprehension {
    /// The loops, outermost first.
    pub axes: Vec<Axis>,
    /// Leaves out what is false.
    pub filter: Option<Expr>,
    /// Each element.
    pub body: Expr,
}

/// One argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// Its name, when written.
    pub name: Option<Box<Ident>>,
    /// Its value.
    pub value: Expr,
}

impl From<Entry> for Arg {
    fn from(entry: Entry) -> Arg {
        Arg { name: Some(Box::new(entry.name)), value: entry.value }
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Bytes as they are, escapes already replaced, indentation already stripped.
    Text(Arc<str>),
    /// `@{…}`.
    Expr(Box<Expr>),
}

/// Literals of the domain, already read. A literal that can't be read is a syntax error.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `42`.
    Int(i64),
    /// `true`.
    Bool(bool),
    /// `none`, of any `T?`.
    None,
    /// `sha256:` and 64 digits.
    Digest(Arc<crate::digest::Digest>),
    /// `commit:` and 40 (or 64) digits, lower case.
    Commit(Arc<str>),
    /// `2025-11-28T00:00:00Z`, in seconds since 1970.
    Instant(i64),
    /// `2025-11-28`, in days since 1970.
    Date(i64),
    /// `1h`, `90s`, `2d`, in seconds.
    Duration(u64),
    /// `4GiB`, `500MB`, in bytes.
    Size(u64),
    /// `30%`, in hundredths of a percent (`97.5%` is 9750).
    Percent(u32),
    /// `./file`, relative to the file that holds it.
    Path(Arc<str>),
}

/// Operators before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `not`.
    Not,
    /// `-`.
    Negate,
}

/// Operators between two operands, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `or`.
    Or,
    /// `and`.
    And,
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterEqual,
    /// `++`, of lists and of texts.
    Concat,
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
}
