//! Drift for a person: a table of what changed for each block, its columns in line.

use super::{BlockDrift, Change};
use crate::display::size;
use crate::report::Style;

/// The report; what changed nowhere is one line.
pub fn text(drift: &[BlockDrift], style: &Style) -> String {
    if drift.is_empty() {
        return "nothing that is locked differs\n".to_owned();
    }
    drift.iter().map(|block| of_block(block, style)).collect::<Vec<_>>().join("\n")
}

fn of_block(block: &BlockDrift, style: &Style) -> String {
    let arrow = if style.unicode { "→" } else { "->" };
    let what = match block.names.as_slice() {
        [] => block.subject.clone(),
        names => format!("{}: {}", names.join(", "), block.subject),
    };
    let mut out = format!("{}\n", style.bold(&what));
    match (&block.old_pin, &block.new_pin) {
        (Some(old), Some(new)) if old == new => out += &format!("  {new}, locked anew\n"),
        (Some(old), Some(new)) => out += &format!("  {old} {arrow} {new}\n"),
        (None, Some(new)) => out += &format!("  new, of {new}\n"),
        (Some(old), None) => out += &format!("  no longer asked for, was of {old}\n"),
        (None, None) => {}
    }
    let (before, after) = block.packages;
    let whole = block.old_pin.is_none() || block.new_pin.is_none();
    if whole {
        out += &format!("  {} packages, {}\n", before.max(after), size(block.bytes.0.max(block.bytes.1)));
    } else if block.changes.is_empty() {
        out += &format!("  the same {before} packages, {}\n", size(block.bytes.1));
    } else {
        out += &format!(
            "  {before} {arrow} {after} packages, {} {arrow} {}: {}\n",
            size(block.bytes.0),
            size(block.bytes.1),
            counted(&block.changes)
        );
    }
    if whole {
        return out;
    }
    let (tools, others): (Vec<&Change>, Vec<&Change>) =
        block.changes.iter().partition(|change| change.toolchain.is_some());
    let rows = Rows::new(&block.changes, arrow);
    if !tools.is_empty() {
        out += "  toolchain\n";
        tools.iter().for_each(|change| out += &rows.row(change, style));
    } else if !others.is_empty() {
        out += "  no toolchain package changed\n";
    }
    if !others.is_empty() {
        out += "  other packages\n";
        others.iter().for_each(|change| out += &rows.row(change, style));
    }
    out
}

/// `3 newer, 1 added`.
fn counted(changes: &[Change]) -> String {
    let count = |word: &str| changes.iter().filter(|change| change.word() == word).count();
    let words = ["newer", "older", "rebuilt", "added", "removed"];
    let counts = words.iter().map(|word| (count(word), word)).filter(|(count, _)| *count > 0);
    counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// The cells of a block's table, and their widths.
struct Rows {
    arrow: &'static str,
    name: usize,
    versions: usize,
    size: usize,
    delta: usize,
}

impl Rows {
    fn new(changes: &[Change], arrow: &'static str) -> Rows {
        let mut rows = Rows { arrow, name: 0, versions: 0, size: 0, delta: 0 };
        for change in changes {
            let [_, name, versions, size, delta] = rows.cells(change);
            // One very long version doesn't push all the sizes away.
            rows.name = rows.name.max(name.chars().count().min(36));
            rows.versions = rows.versions.max(versions.chars().count().min(56));
            rows.size = rows.size.max(size.chars().count());
            rows.delta = rows.delta.max(delta.chars().count());
        }
        rows
    }

    fn cells(&self, change: &Change) -> [String; 5] {
        let mark = match change.word() {
            "added" => "+",
            "removed" => "-",
            "older" => "<",
            "rebuilt" => "=",
            _ => "~",
        };
        let arch = change.new.as_ref().or(change.old.as_ref()).map_or("", |part| part.arch.as_str());
        let name = match arch {
            "all" | "" => change.name().to_owned(),
            _ => change.name().to_owned() + ":" + arch,
        };
        let (versions, now, delta) = match (&change.old, &change.new) {
            (Some(old), Some(new)) => {
                let versions = match old.version == new.version {
                    true => format!("{} rebuilt", new.version),
                    false => format!("{} {} {}", old.version, self.arrow, new.version),
                };
                let grown = if new.size >= old.size { '+' } else { '-' };
                (versions, new.size, format!("{grown}{}", size(new.size.abs_diff(old.size))))
            }
            (None, Some(part)) | (Some(part), None) => (part.version.clone(), part.size, String::new()),
            (None, None) => (String::new(), 0, String::new()),
        };
        [mark.to_owned(), name, versions, size(now), delta]
    }

    fn row(&self, change: &Change, style: &Style) -> String {
        let [mark, name, versions, size, delta] = self.cells(change);
        let mark = match mark.as_str() {
            "+" => style.green("+"),
            "-" => style.red("-"),
            other => style.yellow(other),
        };
        let kind = change.toolchain.unwrap_or("");
        let line = format!(
            "{name:w0$}  {versions:w1$}  {size:>w2$}  {delta:>w3$}  {kind}",
            w0 = self.name,
            w1 = self.versions,
            w2 = self.size,
            w3 = self.delta
        );
        format!("    {mark} {}\n", line.trim_end())
    }
}
