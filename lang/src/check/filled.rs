//! Texts in which a name of the file stands as another language would fill it in: `${version}`, `{version}`. Only hints,
//! and none in what a shell may read: to a shell the same characters mean something.

use super::{Binding, Checker, Meaning};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::graph;
use crate::ir::ItemId;
use crate::span::Span;
use crate::syntax::ast::{Expr, ItemKind};

/// What may become of the texts that are being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    /// A shell reads them.
    Scripts,
    /// No shell reads them: paths of outputs, arguments of the standard library.
    Plain,
    /// Either, depending on who names the item.
    Either,
}

/// What is to be said unless a shell reads the text after all.
pub(super) struct Hint {
    item: ItemId,
    texts: Texts,
    /// The item that the text seems to name; a local name was looked at already.
    of: Option<ItemId>,
    diagnostic: Diagnostic,
}

/// Words after `@` that mean something to git.
const GIT: [&str; 4] = ["u", "upstream", "push", "yesterday"];

impl<'p> Checker<'p> {
    /// Looks for names in a text that isn't filled in.
    pub(super) fn not_filled_in(&mut self, span: Span) {
        let Some((item, _)) = self.open.last().copied() else { return };
        if self.project.in_std(span) {
            return;
        }
        let written = self.project.sources.slice(span);
        if written.starts_with("\"\"\"") {
            self.raw(item, span, written);
            return;
        }
        if self.texts == Texts::Scripts {
            return;
        }
        for (start, end, name) in mentions(written) {
            let Some(of) = self.named(name, self.given.contains(&name)) else { continue };
            let place = Span { start: span.start + start as u32, end: span.start + end as u32, ..span };
            let message = format!("`{}` stays in this text as it is written", &written[start..end]);
            let meant = format!("@{{{name}}}");
            let diagnostic = Diagnostic::warning(codes::NOT_FILLED_IN, message, place, "not filled in")
                .help(format!("write `{meant}`"))
                .change(place, Some(meant));
            self.hints.push(Hint { item, texts: self.texts, of, diagnostic });
        }
    }

    /// `@{name}` in `"""…"""`. No shell gives it a meaning; perl and git do.
    fn raw(&mut self, item: ItemId, span: Span, written: &str) {
        if written.contains("perl") {
            return;
        }
        for (at, _) in written.match_indices("@{") {
            let rest = &written[at + 2..];
            let Some(name) = rest.split('}').next().filter(|name| is_name(name) && !GIT.contains(name))
            else {
                continue;
            };
            let Some(of) = self.named(name, false) else { continue };
            let end = at + 2 + name.len() + 1;
            let place = Span { start: span.start + at as u32, end: span.start + end as u32, ..span };
            let message = format!("`@{{{name}}}` stays in this text as it is written: it is a raw one");
            let diagnostic = Diagnostic::warning(codes::NOT_FILLED_IN, message, place, "not filled in").help(format!(
                "a script is given values by variables: `vars = {{ {name} }}`, and `${name}` in it; in a text that \
                 `@\"\"\"` opens `@{{{name}}}` is filled in"
            ));
            let texts = if self.texts == Texts::Either { Texts::Plain } else { self.texts };
            self.hints.push(Hint { item, texts, of, diagnostic });
        }
    }

    /// What a name in a text stands for, if it has a text: a local name, or an item that is looked at in the end.
    fn named(&self, name: &str, given: bool) -> Option<Option<ItemId>> {
        let first = name.split('.').next().filter(|_| !given)?;
        if let Some(slot) = self.local(first) {
            return (first != name || self.locals[slot].ty.is_text()).then_some(None);
        }
        match self.scopes[self.module.index()].get(first) {
            Some(Binding::Item(id)) if matches!(self.items[id.index()].ast.kind, ItemKind::Let { .. }) => {
                Some(Some(*id).filter(|_| first == name))
            }
            _ => None,
        }
    }

    /// Remembers what a recipe's script is made of.
    pub(super) fn runs(&mut self, script: &'p Expr) {
        let mut locals = false;
        let mut items = Vec::new();
        super::names::mentioned_in(
            script,
            &mut |first, _| match self.scopes[self.module.index()].get(first) {
                _ if self.local(first).is_some() => locals = true,
                Some(Binding::Item(id)) => items.push(*id),
                _ => {}
            },
        );
        self.run_locals |= locals;
        self.run_items.extend(items);
    }

    /// Says what is to be said, once it is known which items scripts are made of.
    pub(super) fn filled(&mut self) {
        let needs = |id: usize| self.items[id].needs.iter().map(|id| (id.index(), ())).collect::<Vec<_>>();
        let edges: Vec<Vec<(usize, ())>> = (0..self.items.len()).map(needs).collect();
        let read = graph::reachable(&edges, self.run_items.iter().map(|id| id.index()));
        let mut said = std::collections::BTreeSet::new();
        for hint in std::mem::take(&mut self.hints) {
            // An input, an environment or a claim has a value that no script is made of.
            let kind = &self.items[hint.item.index()].ast.kind;
            let never = matches!(
                kind,
                ItemKind::Input { .. }
                    | ItemKind::Env { .. }
                    | ItemKind::Assert { .. }
                    | ItemKind::Test { .. }
            );
            let may_run = !never && (self.run_locals || read[hint.item.index()]);
            let has_text = hint.of.is_none_or(
                |id| matches!(&self.items[id.index()].meaning, Meaning::Value(ty) if ty.is_text()),
            );
            let place = hint.diagnostic.labels.first().map(|label| label.span);
            if has_text && (hint.texts != Texts::Either || !may_run) && said.insert(place) {
                // Most likely it isn't unused, and only written wrong.
                self.mentioned.extend(hint.of);
                self.diagnostics.push(hint.diagnostic);
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Names as other languages write them into a text: where, and the name.
fn mentions(text: &str) -> Vec<(usize, usize, &str)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    // Everything that is looked for begins with one of these.
    let sign = |byte: &u8| matches!(byte, b'@' | b'$' | b'{' | b'#' | b'%');
    while let Some(further) = bytes[at..].iter().position(sign) {
        at += further;
        at = match mention(text, at) {
            Some((start, end, name)) => {
                if !name.is_empty() {
                    found.push((start, end, name));
                }
                end
            }
            None => at + 1,
        };
    }
    found
}

/// What stands at a place; with an empty name, what is to be passed over.
fn mention(text: &str, at: usize) -> Option<(usize, usize, &str)> {
    let rest = text.get(at..)?;
    let path = |name: &str| name.split('.').all(is_name);
    for (open, close) in [
        ("@{", "}"),
        ("${{", "}}"),
        ("{{", "}}"),
        ("${", "}"),
        ("#{", "}"),
        ("%{", "}"),
        ("$(", ")"),
        ("{", "}"),
    ] {
        let Some(inside) = rest.strip_prefix(open) else { continue };
        let length = inside.find(close)?;
        let name = inside[..length].trim_matches(' ');
        let end = at + open.len() + length + close.len();
        return match open {
            "@{" => Some((at, at + 2, "")),
            _ if path(name) => Some((at, end, name)),
            _ => None,
        };
    }
    let name = rest.strip_prefix('$')?;
    let length = name.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    is_name(&name[..length]).then(|| (at, at + 1 + length, &name[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_other_languages_write_them() {
        let names = |text| mentions(text).into_iter().map(|(_, _, name)| name).collect::<Vec<_>>();
        assert_eq!(
            names("v${a} $b_1 #{c} {d} {{ e }} %{f} $(g) {h.i}"),
            ["a", "b_1", "c", "d", "e", "f", "g", "h.i"]
        );
        assert_eq!(names("@{a} {a,b} ${A} $A {} {1} $ { a:b }"), [""; 0]);
        assert_eq!(names("{a {b}"), ["b"], "what is never closed hides nothing");
    }
}
