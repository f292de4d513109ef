//! Items and types: from pest's pairs to the tree. The only modules that see pest are this one,
//! `expression` and `mistake`.

use pest::Parser as _;
use pest::iterators::Pair;

use super::ast::{
    Expr, ExprKind, FieldType, Ident, Item, ItemKind, Param, TypeBody, TypeExpr, TypeExprKind, UseTarget,
};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span, Spanned};

/// What pest makes of `grammar.pest`.
mod grammar {
    /// The generated parser.
    #[derive(pest_derive::Parser)]
    #[grammar = "syntax/grammar.pest"]
    pub(crate) struct Grammar;
}

pub(crate) use grammar::{Grammar, Rule};

/// How deep expressions and types may nest: brackets, operators and postfix forms counted together.
pub(crate) const DEPTH: usize = 512;

/// Makes the tree of one piece of a file.
pub(crate) struct Builder<'a> {
    /// The file.
    pub(crate) file: FileId,
    /// Where the piece begins in it.
    pub(crate) base: usize,
    /// What was found wrong.
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
}

/// The place of a pair in the file.
pub(crate) fn span_of(file: FileId, base: usize, pair: &Pair<'_, Rule>) -> Span {
    let span = pair.as_span();
    let text = span.as_str().trim_end_matches([' ', '\t', '\r', '\n']);
    let start = (base + span.start()) as u32;
    Span { file, start, end: start + text.len() as u32 }
}

/// What is in a pair, without the words that only hold it together.
pub(crate) fn inner(pair: Pair<'_, Rule>) -> Parts<'_> {
    Parts(pair.into_inner())
}

/// The pairs in a pair that mean something.
#[derive(Clone)]
pub(crate) struct Parts<'i>(pest::iterators::Pairs<'i, Rule>);

impl<'i> Iterator for Parts<'i> {
    type Item = Pair<'i, Rule>;

    fn next(&mut self) -> Option<Pair<'i, Rule>> {
        self.0.find(|pair| {
            !matches!(
                pair.as_rule(),
                Rule::as_word
                    | Rule::for_word
                    | Rule::in_word
                    | Rule::if_word
                    | Rule::then_word
                    | Rule::else_word
                    | Rule::with_word
            )
        })
    }
}

impl Builder<'_> {
    /// Parses a piece by a rule that covers all of it. The error is pest's, for `mistake` to explain.
    pub(crate) fn pairs<'i>(
        rule: Rule,
        text: &'i str,
    ) -> Result<Pair<'i, Rule>, Box<pest::error::Error<Rule>>> {
        let mut pairs = Grammar::parse(rule, text).map_err(Box::new)?;
        pairs.next().ok_or_else(|| {
            let position = pest::Position::from_start(text);
            let variant = pest::error::ErrorVariant::CustomError { message: "nothing here".to_owned() };
            Box::new(pest::error::Error::new_from_pos(variant, position))
        })
    }

    /// The place of a pair in the file.
    pub(crate) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        span_of(self.file, self.base, pair)
    }

    /// Notes what is wrong.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Whether something nests so deep that what reads it could run out of stack. Said once a piece.
    pub(crate) fn too_deep(&mut self, depth: usize, span: Span) -> bool {
        if depth > DEPTH && !self.diagnostics.iter().any(|known| known.code == codes::TOO_LARGE) {
            self.report(
                Diagnostic::error(
                    codes::TOO_LARGE,
                    "this expression nests too deeply",
                    span,
                    "too deep from here on",
                )
                .help("give parts of it names with `let`"),
            );
        }
        depth > DEPTH
    }

    /// A name.
    pub(crate) fn ident(&self, pair: &Pair<'_, Rule>) -> Ident {
        Spanned { node: pair.as_str().into(), span: self.span(pair) }
    }

    /// The name of something that is no type: it begins with a small letter.
    fn value_name(&mut self, pair: &Pair<'_, Rule>) -> Ident {
        let name = self.ident(pair);
        if name.node.starts_with(|c: char| c.is_ascii_uppercase()) {
            let small = snake(&name.node);
            self.report(
                Diagnostic::error(
                    codes::SYNTAX,
                    format!("`{}` is written like a type", name.node),
                    name.span,
                    "begins with a capital",
                )
                .help(format!("only types begin with a capital: write `{small}`"))
                .change(name.span, Some(small)),
            );
        }
        name
    }

    /// The item in a pair of the rule `item`.
    pub(crate) fn item(&mut self, pair: Pair<'_, Rule>, docs: Vec<String>, span: Span) -> Option<Item> {
        let one = inner(pair).next()?;
        let rule = one.as_rule();
        let mut parts = inner(one);
        let kind = match rule {
            Rule::use_item => self.use_item(parts)?,
            Rule::type_item => self.type_item(parts)?,
            Rule::let_item => {
                let name = self.value_name(&parts.next()?);
                let mut ty = None;
                let mut next = parts.next()?;
                if next.as_rule() == Rule::type_expr {
                    ty = Some(Box::new(self.type_expr(next, 0)));
                    next = parts.next()?;
                }
                ItemKind::Let { name, ty, value: self.expr(next, 0) }
            }
            Rule::fn_item => {
                let name = self.value_name(&parts.next()?);
                let params = self.params(parts.next()?);
                let result = Box::new(self.type_expr(parts.next()?, 0));
                ItemKind::Fn { name, params, result, body: self.expr(parts.next()?, 0) }
            }
            Rule::input_item => {
                ItemKind::Input { name: self.value_name(&parts.next()?), value: self.expr(parts.next()?, 0) }
            }
            Rule::env_item => {
                ItemKind::Env { name: self.value_name(&parts.next()?), value: self.expr(parts.next()?, 0) }
            }
            Rule::recipe_item => {
                let name = self.value_name(&parts.next()?);
                let params = self.params(parts.next()?);
                ItemKind::Recipe { name, params, body: self.block(parts.next()?, 0) }
            }
            Rule::build_item => self.build_item(parts)?,
            Rule::assert_item => {
                let name = self.plain(parts.next()?, "the name of an assertion");
                ItemKind::Assert { name, value: self.expr(parts.next()?, 0) }
            }
            Rule::test_item => {
                let name = self.plain(parts.next()?, "the name of a test");
                ItemKind::Test { name, value: self.expr(parts.next()?, 0) }
            }
            _ => return None,
        };
        Some(Item { docs, span, kind })
    }

    fn use_item(&mut self, mut parts: Parts<'_>) -> Option<ItemKind> {
        let target = parts.next()?;
        let target = match target.as_rule() {
            Rule::path => UseTarget::File(self.ident(&target)),
            _ => {
                let span = self.span(&target);
                let names: Vec<Ident> = inner(target).map(|name| self.ident(&name)).collect();
                if names.len() > 1 && names.last().is_some_and(|last| last.node == "rbld") {
                    let path = names.iter().map(|name| name.node.as_str()).collect::<Vec<_>>().join(".");
                    self.report(
                        Diagnostic::error(
                            codes::SYNTAX,
                            "a file that is used begins with `./`",
                            span,
                            "read as a module",
                        )
                        .help(format!("write `use ./{path}`")),
                    );
                    return None;
                }
                UseTarget::Module(names)
            }
        };
        let alias = parts.next().map(|name| self.value_name(&name));
        Some(ItemKind::Use { target, alias })
    }

    fn type_item(&mut self, mut parts: Parts<'_>) -> Option<ItemKind> {
        let pair = parts.next()?;
        let name = self.ident(&pair);
        if !name.node.starts_with(|c: char| c.is_ascii_uppercase()) {
            let capital = capital(&name.node);
            self.report(
                Diagnostic::error(
                    codes::SYNTAX,
                    format!("the type `{}` doesn't begin with a capital", name.node),
                    name.span,
                    "a type's name",
                )
                .help(format!("write `type {capital} = …`")),
            );
        }
        let body = parts.next()?;
        let body = if body.as_rule() == Rule::enum_type {
            TypeBody::Enum(inner(body).map(|variant| self.ident(&variant)).collect())
        } else {
            let written = self.type_expr(body, 0);
            match written.kind {
                TypeExprKind::Record(fields) => TypeBody::Record(fields),
                kind => TypeBody::Alias(TypeExpr { span: written.span, kind }),
            }
        };
        Some(ItemKind::Type { name, body })
    }

    fn build_item(&mut self, mut parts: Parts<'_>) -> Option<ItemKind> {
        let name = self.value_name(&parts.next()?);
        let (mut axes, mut filter, mut value) = (Vec::new(), None, None);
        for part in parts {
            match part.as_rule() {
                Rule::axes => axes = self.axes(part, 0),
                Rule::filter => filter = inner(part).next().map(|expr| Box::new(self.expr(expr, 0))),
                _ => value = Some(self.expr(part, 0)),
            }
        }
        Some(ItemKind::Build { name, axes, filter, value: value? })
    }

    fn params(&mut self, pair: Pair<'_, Rule>) -> Vec<Param> {
        inner(pair)
            .filter_map(|param| {
                let FieldType { name, ty, default } = self.field_type(param, 0)?;
                Some(Param { name, ty, default })
            })
            .collect()
    }

    /// `name: Type = default`, of a parameter or a field.
    fn field_type(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<FieldType> {
        let mut parts = inner(pair);
        let name = self.value_name(&parts.next()?);
        let ty = self.type_expr(parts.next()?, depth);
        let default = parts.next().map(|expr| self.expr(expr, depth));
        Some(FieldType { name, ty, default })
    }

    fn type_expr(&mut self, pair: Pair<'_, Rule>, depth: usize) -> TypeExpr {
        let outer = self.span(&pair);
        let mut parts = inner(pair);
        let depth = depth + parts.clone().count();
        if self.too_deep(depth, outer) {
            return TypeExpr { span: outer, kind: TypeExprKind::Error };
        }
        let Some(first) = parts.next() else { return TypeExpr { span: outer, kind: TypeExprKind::Error } };
        let span = self.span(&first);
        let kind = if first.as_rule() == Rule::record_type {
            let fields = inner(first).filter_map(|field| self.field_type(field, depth)).collect();
            TypeExprKind::Record(fields)
        } else {
            self.type_name(first, depth)
        };
        let mut ty = TypeExpr { span, kind };
        for mark in parts {
            let mark = self.span(&mark);
            if matches!(ty.kind, TypeExprKind::Option(_)) {
                self.report(
                    Diagnostic::error(codes::SYNTAX, "a type is marked `?` twice", mark, "the second one")
                        .help("one `?` says that the value may be `none`"),
                );
                continue;
            }
            let span = ty.span.to(mark);
            ty = TypeExpr { span, kind: TypeExprKind::Option(Box::new(ty)) };
        }
        ty
    }

    fn type_name(&mut self, pair: Pair<'_, Rule>, depth: usize) -> TypeExprKind {
        let whole = self.span(&pair);
        let (mut names, mut args) = (Vec::new(), Vec::new());
        for part in inner(pair) {
            match part.as_rule() {
                Rule::name => names.push(self.ident(&part)),
                _ => args = inner(part).map(|arg| self.type_expr(arg, depth)).collect(),
            }
        }
        let written = names.iter().map(|name| name.node.as_str()).collect::<Vec<_>>().join(".");
        let count = args.len();
        let mut args = args.into_iter().map(Box::new);
        match (written.as_str(), count, args.next(), args.next()) {
            ("List", 1, Some(of), None) => return TypeExprKind::List(of),
            ("Map", 2, Some(key), Some(value)) => return TypeExprKind::Map(key, value),
            _ => {}
        }
        let help = match written.as_str() {
            "List" => "write `List[String]`: the type of the elements in brackets".to_owned(),
            "Map" => {
                "write `Map[String, Int]`: the types of the keys and of the values in brackets".to_owned()
            }
            _ if count > 0 => "only `List[T]` and `Map[K, V]` are made of other types".to_owned(),
            _ if names
                .last()
                .is_some_and(|name| !name.node.starts_with(|c: char| c.is_ascii_uppercase())) =>
            {
                format!("types begin with a capital: `{}`", capital(&written))
            }
            _ => return TypeExprKind::Name(names),
        };
        self.report(
            Diagnostic::error(
                codes::SYNTAX,
                format!("`{written}` is not a type as written"),
                whole,
                "expected a type",
            )
            .help(help),
        );
        TypeExprKind::Error
    }

    /// An item that couldn't be read, under its name: what uses it isn't reported a second time.
    pub(crate) fn broken(keyword: &str, name: Ident, span: Span) -> Item {
        let kind = if keyword == "type" {
            TypeBody::Alias(TypeExpr { span: name.span, kind: TypeExprKind::Error }).into_item(name)
        } else {
            ItemKind::Let { value: Expr { span: name.span, kind: ExprKind::Error }, ty: None, name }
        };
        Item { docs: Vec::new(), span, kind }
    }
}

impl TypeBody {
    fn into_item(self, name: Ident) -> ItemKind {
        ItemKind::Type { name, body: self }
    }
}

/// `gitRef` and `GitRef` as `git_ref`.
fn snake(name: &str) -> String {
    let mut result = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 && !result.ends_with('_') {
            result.push('_');
        }
        result.push(letter.to_ascii_lowercase());
    }
    result
}

/// The name with its last part's first letter large.
fn capital(name: &str) -> String {
    let (path, last) =
        name.rsplit_once('.').map_or(("", name), |(path, last)| (&name[..path.len() + 1], last));
    let camel: String = last
        .split('_')
        .map(|part| {
            let mut letters = part.chars();
            letters
                .next()
                .map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect();
    format!("{path}{camel}")
}
