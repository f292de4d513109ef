//! Items that nothing needs, of the file that is checked.

use super::{Checker, Meaning};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ir::ItemId;
use crate::loader::ModuleId;
use crate::span::Span;
use crate::syntax::ast::ItemKind;

impl Checker<'_> {
    /// Warns of items that neither a build nor an assertion nor a test needs. A file without builds and assertions is
    /// there to be used by others, and everything in it is left alone.
    pub(super) fn unused(&mut self) {
        let of_root = |id: &ItemId| self.items[id.index()].module == ModuleId::ROOT;
        let roots: Vec<ItemId> = (0..self.items.len() as u32).map(ItemId).filter(of_root).collect();
        let mut reached = vec![false; self.items.len()];
        let mut open: Vec<ItemId> = Vec::new();
        let mut used_by_others = true;
        for id in &roots {
            let entry = &self.items[id.index()];
            let wanted = matches!(
                entry.ast.kind,
                ItemKind::Build { .. } | ItemKind::Assert { .. } | ItemKind::Test { .. }
            );
            used_by_others &= !wanted || matches!(entry.ast.kind, ItemKind::Test { .. });
            if wanted || entry.name.starts_with('_') {
                open.push(*id);
            }
        }
        if used_by_others {
            return;
        }
        while let Some(id) = open.pop() {
            if !std::mem::replace(&mut reached[id.index()], true) {
                open.extend(&self.items[id.index()].needs);
            }
        }
        for (index, id) in roots.into_iter().enumerate() {
            let entry = &self.items[id.index()];
            let kind = match &entry.ast.kind {
                ItemKind::Use { .. } => {
                    if !self.used.contains(&index) && !entry.name.starts_with('_') {
                        let message = format!("nothing of `{}` is used", entry.name);
                        let wrong = Diagnostic::warning(codes::UNUSED, message, entry.ast.span, "not needed");
                        let line = self.whole_lines(entry.ast.span);
                        let wrong = wrong.help("remove this line").fix("remove this line", line, "");
                        self.diagnostics.push(wrong);
                    }
                    continue;
                }
                _ if reached[id.index()] || self.mentioned.contains(&id) => continue,
                ItemKind::Type { .. } => "type",
                ItemKind::Let { .. } => "let",
                ItemKind::Fn { .. } => "fn",
                ItemKind::Input { .. } => "input",
                ItemKind::Env { .. } => "env",
                ItemKind::Recipe { .. } => "recipe",
                ItemKind::Build { .. } | ItemKind::Assert { .. } | ItemKind::Test { .. } => continue,
            };
            let (name, span, whole) = (entry.name, entry.span, self.whole_lines(entry.ast.span));
            let alone = self.items.iter().all(|other| !other.needs.contains(&id));
            let wrong = match &entry.meaning {
                Meaning::Recipe(signature) => Diagnostic::warning(
                    codes::NEVER_BUILT,
                    format!("recipe `{name}` is never built"),
                    span,
                    "not applied",
                )
                .help(format!("apply it: `build … = {signature}`, or remove it")),
                _ => Diagnostic::warning(
                    codes::UNUSED,
                    format!("{kind} `{name}` is used by no build and no assertion"),
                    span,
                    "not needed",
                )
                .help(format!("remove it, or call it `_{name}` to keep it")),
            };
            // What another item still names can't go, and can't change its name, by itself.
            let fixed = match (alone, wrong.code == codes::UNUSED) {
                (true, true) => wrong.fix(format!("remove `{name}`"), whole, "").fix(
                    format!("keep it as `_{name}`"),
                    span,
                    format!("_{name}"),
                ),
                (true, false) => wrong.fix(format!("remove `{name}`"), whole, ""),
                (false, _) => wrong,
            };
            self.diagnostics.push(fixed);
        }
    }

    /// An item with the end of its last line.
    fn whole_lines(&self, item: Span) -> Span {
        let text = &self.project.sources.get(item.file).text;
        let rest = &text[(item.end as usize).min(text.len())..];
        let line = rest.split_inclusive('\n').next().unwrap_or("");
        match line.trim().is_empty() {
            true => Span { end: item.end + line.len() as u32, ..item },
            false => item,
        }
    }
}
