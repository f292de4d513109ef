//! A value of one type where another is wanted: conversion, or an error that says both sides.

use super::Checker;
use super::names::other_name;
use super::signature::{Param, Signature};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::{Ir, Kind};
use crate::nearest::{listed, nearest};
use crate::span::Span;
use crate::syntax::ast;
use crate::types::{Conversion, EnumType, OutputKind, Plain, Type};

/// Why a type is wanted, for the error when it isn't there.
pub(super) enum Role<'a> {
    /// A `let`, parameter or field with a written type.
    Declared { name: &'a str, at: Span },
    /// The result of a function.
    Result { name: &'a str, at: Span },
    /// The value of an item of a kind that decides the type.
    Item { kind: &'static str, name: &'a str },
    /// An argument.
    Argument { of: &'a Signature, param: &'a Param },
    /// A field of a recipe or record.
    Field { name: &'a str },
    /// A part of some construct, in words: "the condition of an `if`".
    Part(&'a str),
    /// An element, which decides the type by the first one.
    Like { what: &'a str, first: Span },
}

impl<'p> Checker<'p> {
    /// An expression where a type is wanted.
    pub(super) fn expect(&mut self, value: &'p ast::Expr, want: &Type, role: &Role) -> Ir {
        let (ir, found) = self.expr(value, want);
        self.coerce(ir, &found, want, role)
    }

    /// Makes a checked expression one of the wanted type, or reports that it isn't.
    pub(super) fn coerce(&mut self, ir: Ir, found: &Type, want: &Type, role: &Role) -> Ir {
        match found.convert(want) {
            Some(Conversion::Same) => ir,
            Some(conversion) => {
                let span = ir.span;
                Ir::new(span, Kind::Convert(Box::new((ir, conversion))))
            }
            None => {
                self.mismatch(ir.span, found, want, role);
                Ir::poison(ir.span)
            }
        }
    }

    /// Reports a value of the wrong type.
    pub(super) fn mismatch(&mut self, span: Span, found: &Type, want: &Type, role: &Role) {
        let found_shown = article(found);
        let message = match role {
            Role::Declared { name, .. } => format!("`{name}` is declared as `{want}`, this is {found_shown}"),
            Role::Result { name, .. } => format!("`{name}` is to give `{want}`, this is {found_shown}"),
            Role::Item { kind, name } => {
                format!("{} `{name}` has to be `{want}`, this is {found_shown}", with_article(kind))
            }
            Role::Argument { param, of } => {
                format!("`{}` of `{}` wants `{want}`, this is {found_shown}", param.name, of.name)
            }
            Role::Field { name } => format!("`{name}` wants `{want}`, this is {found_shown}"),
            Role::Part(what) => format!("{what} wants `{want}`, this is {found_shown}"),
            Role::Like { what, .. } => {
                format!("{what} are of one type: `{want}` before, this is {found_shown}")
            }
        };
        let twins = twins(found, want);
        let message = match twins {
            Some((found, want)) => {
                let of = |span: Span| &self.project.sources.get(span.file).name;
                format!("{message}: the first is of `{}`, this one of `{}`", of(want), of(found))
            }
            None => message,
        };
        let mut wrong = Diagnostic::error(codes::TYPE, message, span, found_shown);
        if let Some((found, want)) = twins {
            wrong = wrong.label(want, "the first is declared here").label(found, "this one is declared here");
        }
        match role {
            Role::Declared { at, .. } | Role::Result { at, .. } => wrong = wrong.label(*at, "declared here"),
            Role::Argument { param: Param { span: Some(at), .. }, .. } => {
                wrong = wrong.label(*at, "declared here")
            }
            Role::Like { first, .. } => wrong = wrong.label(*first, "the type is decided here"),
            _ => {}
        }
        let written = self.project.sources.slice(span);
        let declared = self.declared(written);
        if let Some(value) = declared {
            wrong = wrong.label(value, format!("from here: {}", article(found)));
        }
        let help = match (found, want.required(), declared) {
            (Type::Plain(Plain::Date), Type::Plain(Plain::Instant), Some(value)) => {
                let date = self.project.sources.slice(value);
                Some(format!("write the time too: `{date}T00:00:00Z`"))
            }
            _ if twins.is_some() => Some(TWINS.to_owned()),
            _ => self.mismatch_help(found, want, written),
        };
        let help = help.or_else(|| match role {
            Role::Argument { of, param: Param { span: None, .. } } => Some(format!("it is `{of}`")),
            _ => None,
        });
        let wrong = match help {
            Some(help) => wrong.help(help),
            None => wrong,
        };
        let known = match (found, want.required()) {
            (Type::Plain(Plain::String | Plain::Int), Type::Enum(of)) => {
                meant(of, self.project.sources.slice(span).trim_matches('"'))
            }
            _ => None,
        };
        let wrong = wrong.change(span, known);
        let of_one = matches!(want, Type::List(element) if found.convert(element).is_some());
        let list = of_one.then(|| format!("[{}]", self.project.sources.slice(span)));
        self.report(wrong.change(span, list));
    }

    /// Where the literal stands that an item of the project gives the name `written`.
    fn declared(&self, written: &str) -> Option<Span> {
        if self.local(written).is_some() {
            return None;
        }
        let Some(super::Binding::Item(id)) = self.scopes[self.module.index()].get(written) else {
            return None;
        };
        match &self.items[id.index()].ast.kind {
            ast::ItemKind::Let { value, .. } => match value.kind {
                ast::ExprKind::Literal(_) | ast::ExprKind::Plain(_) | ast::ExprKind::Text(_) => {
                    Some(value.span)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn mismatch_help(&self, found: &Type, want: &Type, written: &str) -> Option<String> {
        let short = if written.len() < 40 && !written.contains('\n') { written } else { "…" };
        if let Type::Option(inner) = found
            && inner.convert(want).is_some()
        {
            return Some(format!("it may be `none`; say what it is then: `default({short}, …)`"));
        }
        if let Type::List(element) = want
            && found.convert(element).is_some()
        {
            return Some(format!("a list of one is written `[{short}]`"));
        }
        if let Type::Record(wanted) = want.required()
            && let Type::Record(_) = found
        {
            let fields: Vec<String> =
                wanted.fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
            return Some(format!("its fields are `{}`", fields.join("`, `")));
        }
        let bare = written.trim_matches('"');
        if let (Type::Plain(Plain::String), Type::Plain(Plain::Env | Plain::Archive) | Type::Build(_)) =
            (found, want.required())
            && self.is_known(bare)
        {
            return Some(format!("a name stands without quotes: `{bare}`"));
        }
        Some(match (found, want.required()) {
            (Type::Build(Some(outputs)), Type::Plain(Plain::File | Plain::Files | Plain::Input)) => {
                let first = outputs.outputs.first().map_or("output", |(name, _)| name);
                format!("name one of its outputs: `{short}.{first}`")
            }
            (Type::Matrix(_), Type::Build(_)) => format!("name one of its cells: `{short}[key]`"),
            (Type::Matrix(_), _) => format!("`{short}.*.output` has that output of every cell"),
            (Type::Plain(Plain::Archive), Type::Plain(Plain::Env)) => {
                format!("an environment is made from it: `{short}.env(amd64, packages = [\"…\"])`")
            }
            (Type::Plain(Plain::Date), Type::Plain(Plain::Instant)) => {
                match short.starts_with(|c: char| c.is_ascii_digit()) {
                    true => format!("write the time too: `{short}T00:00:00Z`"),
                    false => "an instant is a date with a time: `2026-11-22T00:00:00Z`".to_owned(),
                }
            }
            (Type::Plain(Plain::String), Type::Plain(plain)) => return without_quotes(*plain, bare),
            (Type::Plain(Plain::String), Type::Enum(of))
                if of.variants.iter().any(|variant| variant == bare) =>
            {
                format!("it is written without quotes: `{bare}`")
            }
            (Type::Plain(Plain::String | Plain::Int), Type::Enum(of)) => match meant(of, bare) {
                Some(known) => format!("write `{known}`, without quotes"),
                None => {
                    format!("it is one of {}, without quotes", listed(of.variants.iter().map(String::as_str)))
                }
            },
            (Type::Plain(Plain::Int), Type::Plain(Plain::Duration | Plain::Percent | Plain::Size)) => {
                with_unit(want.required(), short)
            }
            (
                Type::Plain(Plain::Int | Plain::Bool | Plain::Instant | Plain::Date),
                Type::Plain(Plain::Input),
            ) => {
                format!("what isn't a file is given to a script as a variable: `vars = {{ {short} }}`")
            }
            (Type::Plain(Plain::Input), Type::Plain(Plain::String)) => {
                "a script finds an input by the variable of its name".to_owned()
            }
            (found, Type::Plain(Plain::String)) if found.is_text() => format!("its text is `text({short})`"),
            (Type::Spec(OutputKind::File | OutputKind::Files), _) => {
                "`file(…)` and `files(…)` declare the outputs of a recipe".to_owned()
            }
            _ => return None,
        })
    }
}

/// What to do when a type of one version of a package stands where that of another is wanted.
const TWINS: &str = "each version of a package has types of its own: take both values from one, or write a function that \
                     makes one of the other";

/// The variant that a text or number stands for.
fn meant<'t>(of: &'t EnumType, written: &str) -> Option<&'t str> {
    let exact = of.variants.iter().map(String::as_str).find(|variant| *variant == written);
    exact
        .or_else(|| other_name(of, written))
        .or_else(|| nearest(written, of.variants.iter().map(String::as_str)))
}

/// How a number is written where one with a unit is wanted.
fn with_unit(want: &Type, number: &str) -> String {
    match want {
        Type::Plain(Plain::Percent) => format!("write `{number}%`"),
        Type::Plain(Plain::Size) => format!("say the unit: `{number}MiB`, `{number}GiB`"),
        _ => format!("say the unit: `{number}s`, `{number}m`, `{number}h`"),
    }
}

/// How a value that stands in quotes is written without them.
fn without_quotes(plain: Plain, bare: &str) -> Option<String> {
    Some(match plain {
        Plain::Digest => digest_in_quotes(bare),
        Plain::Commit => match bare.len() == 40 && bare.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => format!("a commit is written without quotes: `commit:{bare}`"),
            false => "a commit is written without quotes: `commit:…`".to_owned(),
        },
        Plain::Instant => "an instant is written without quotes: `2026-11-22T00:00:00Z`".to_owned(),
        Plain::Duration => "a duration is written without quotes: `1h`, `90s`".to_owned(),
        Plain::Size => "a size is written without quotes: `4GiB`".to_owned(),
        Plain::Percent => "a share is written without quotes: `30%`".to_owned(),
        Plain::Input => {
            let path = bare.trim_start_matches("./");
            format!("a file of the project is written without quotes: `./{path}`")
        }
        _ => return None,
    })
}

/// How a digest that stands in quotes is written.
pub(super) fn digest_in_quotes(written: &str) -> String {
    let (kind, digits) = written.split_once(':').unwrap_or(("", written));
    let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    match (kind, digits.len()) {
        ("" | "sha256", 64) if hex => format!("a digest is written without quotes: `sha256:{digits}`"),
        ("sha1" | "md5" | "sha512" | "sha384" | "blake2b", _) => {
            format!(
                "a digest is a sha256, and {kind} is not: write `sha256:…` with what `sha256sum FILE` prints"
            )
        }
        _ => "a digest is written without quotes: `sha256:…`".to_owned(),
    }
}

/// Where two types of one name that aren't the same are declared: what was found, and what is wanted.
fn twins(found: &Type, want: &Type) -> Option<(Span, Span)> {
    match (found, want.required()) {
        (Type::Option(found), want) => twins(found, want),
        (Type::List(found) | Type::Members(found), Type::List(want) | Type::Members(want)) => {
            twins(found, want)
        }
        (Type::Map(key, value), Type::Map(want_key, want_value)) => {
            twins(key, want_key).or_else(|| twins(value, want_value))
        }
        (Type::Enum(found), Type::Enum(want)) if found.name == want.name => {
            Some((found.span?, want.span?)).filter(|(found, want)| found != want)
        }
        (Type::Record(found), Type::Record(want)) => {
            let inner = found.fields.iter().find_map(|field| {
                let index = want.index(&field.name)?;
                twins(&field.ty, &want.fields[index].ty)
            });
            let named = found.name.is_some() && found.name == want.name;
            let own = || Some((found.fields.first()?.span, want.fields.first()?.span));
            inner.or_else(|| own().filter(|(found, want)| named && found.file != want.file))
        }
        _ => None,
    }
}

/// A type in a sentence: ``a `String` ``.
pub(super) fn article(ty: &Type) -> String {
    match ty {
        Type::Matrix(_) => format!("a {ty}"),
        Type::Option(inner) if matches!(**inner, Type::Unknown) => "`none`".to_owned(),
        Type::List(inner) | Type::Members(inner) if matches!(**inner, Type::Unknown) => {
            "an empty list".to_owned()
        }
        Type::Record(record) if record.name.is_none() => format!("a record `{ty}`"),
        _ => {
            let shown = ty.to_string();
            let vowel = shown.starts_with(['A', 'E', 'I', 'O', 'U']) && !shown.starts_with("Ur");
            format!("{} `{shown}`", if vowel { "an" } else { "a" })
        }
    }
}

fn with_article(kind: &str) -> String {
    match kind.starts_with(['a', 'e', 'i']) {
        true => format!("an `{kind}`"),
        false => format!("a `{kind}`"),
    }
}
