//! One item as lines: indentation, blanks between words, comments. Knows no other item.

use super::brackets::{self, Role};
use super::lines::{Line, Lines};
use super::script;
use super::words::{Comment, What, Word};

/// How far a level is indented.
pub(super) const STEP: usize = 2;

/// Writes an item, whose first word begins a line.
pub(super) fn write(words: &[Word<'_>]) -> Vec<Line> {
    let roles = brackets::roles(words);
    let mut writer = Writer { words, roles: &roles, lines: Lines::default(), indent: 0, open: Vec::new() };
    for at in 0..words.len() {
        writer.word(at);
    }
    writer.lines.done()
}

struct Writer<'w> {
    words: &'w [Word<'w>],
    roles: &'w [Role],
    lines: Lines,
    /// The indentation of the line that is being written.
    indent: usize,
    /// For each open bracket the indentation of its line.
    open: Vec<usize>,
}

impl Writer<'_> {
    fn word(&mut self, at: usize) {
        let (word, role) = (&self.words[at], &self.roles[at]);
        let closes = word.what == What::Close;
        let inside = self.open.last().copied();
        // What goes on from the line before is a step deeper than what begins anew.
        let indent = match inside {
            Some(outer) if closes => outer,
            Some(outer) if role.starts => outer + STEP,
            Some(outer) => outer + 2 * STEP,
            None => STEP,
        };
        if at > 0 {
            let blank_lines = (role.starts && !role.first) || closes;
            let beside = if closes { inside.unwrap_or(0) + STEP } else { indent };
            self.comments(&word.comments, beside, blank_lines || (role.starts && role.first));
            if role.breaks || !word.comments.is_empty() {
                if word.breaks > 1 && !closes && self.may_be_blank(at) {
                    self.lines.blank();
                }
                self.lines.begin(indent);
                self.indent = indent;
            } else if self.apart(at) {
                self.lines.push(" ");
            }
        }
        match word.what {
            What::Text => script::write(word.text, self.indent + STEP, &mut self.lines),
            _ => self.lines.push(word.text),
        }
        if role.width > 0 {
            let have = word.text.chars().count();
            self.lines.push(&" ".repeat(role.width - have));
        }
        if role.comma {
            self.lines.push(",");
        }
        match word.what {
            What::Open(_) => self.open.push(self.indent),
            What::Close => drop(self.open.pop()),
            _ => {}
        }
    }

    /// Whether a blank line may stand before a word: between elements, and below a comment above the first.
    fn may_be_blank(&self, at: usize) -> bool {
        let role = &self.roles[at];
        role.starts && (!role.first || self.words[at].comments.iter().any(|comment| comment.breaks > 0))
    }

    /// The comments before a word: one that ends a line stays there, each other has its own.
    fn comments(&mut self, comments: &[Comment<'_>], indent: usize, blank_lines: bool) {
        for (index, comment) in comments.iter().enumerate() {
            if index == 0 && comment.breaks == 0 {
                self.lines.comment(comment.text);
                continue;
            }
            let below_opening = index == 0 && self.lines.opens();
            if comment.breaks > 1 && blank_lines && !below_opening {
                self.lines.blank();
            }
            // `##` in column 0 documents the next item, wherever it stands.
            let document = comment.column0 && comment.text.starts_with("##");
            self.lines.begin(if document { 0 } else { indent });
            self.lines.push(comment.text);
        }
    }

    /// Whether a blank stands between a word and the one before it on the line.
    fn apart(&self, at: usize) -> bool {
        let (before, word) = (&self.words[at - 1], &self.words[at]);
        if self.roles[at - 1].comma {
            return true;
        }
        match (before.what, word.what) {
            (What::Open(b'{'), What::Close) => false,
            (What::Open(b'{'), _) => true,
            (What::Open(_), _) => false,
            (_, What::Close) => word.text == "}",
            (What::Sign, _) if before.text == "." || self.is_prefix(at - 1) => false,
            (_, What::Open(b'{')) => true,
            (_, What::Open(_)) => !brackets::calls(self.words, at),
            (What::Greedy, What::Sign) => true,
            (_, What::Sign) => ![".", ".*", ":", "?"].contains(&word.text),
            _ => true,
        }
    }

    /// Whether a word is the `-` before a value.
    fn is_prefix(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map(|before| &self.words[before]);
        self.words[at].text == "-"
            && (self.roles[at].starts
                || before.is_none_or(|before| !before.ends_value())
                || brackets::is_title(self.words, at - 1))
    }
}
