//! The brackets of one item: which are written over several lines, where their elements begin, and how far the names
//! in braces are padded. Knows the words' order and breaks, and prints nothing.

use super::words::{What, Word};

/// What is known of a word besides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    /// It begins an element or an entry.
    pub(super) starts: bool,
    /// It is the first in its brackets.
    pub(super) first: bool,
    /// A line begins with it.
    pub(super) breaks: bool,
    /// A comma is written after it.
    pub(super) comma: bool,
    /// How wide it is written, for names before `=`.
    pub(super) width: usize,
}

/// Brackets that are open.
struct Frame {
    bracket: u8,
    /// The words directly inside that begin an element.
    starts: Vec<usize>,
    open: usize,
    /// Whether a comma may stand before the closing bracket.
    may_end_in_comma: bool,
}

/// Finds the role of each word.
pub(super) fn roles(words: &[Word<'_>]) -> Vec<Role> {
    let mut roles: Vec<Role> = words
        .iter()
        .map(|word| Role { breaks: word.on_new_line(), comma: word.comma, ..Role::default() })
        .collect();
    let mut frames: Vec<Frame> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if word.what == What::Close {
            if let Some(frame) = frames.pop() {
                close(words, &mut roles, &frame, at);
            }
            continue;
        }
        if let Some(frame) = frames.last_mut()
            && begins_element(words, frame, at)
        {
            roles[at].starts = true;
            roles[at].first = frame.starts.is_empty();
            frame.starts.push(at);
        }
        if let What::Open(bracket) = word.what {
            let may_end_in_comma = match bracket {
                b'(' => at > 0 && !roles[at].starts && calls(words, at),
                _ => words.get(at + 1).is_none_or(|next| next.text != "for"),
            };
            frames.push(Frame { bracket, starts: Vec::new(), open: at, may_end_in_comma });
        }
    }
    roles
}

/// Whether a `(` is a call's or a function's: what stands before it is a value or a name.
pub(super) fn calls(words: &[Word<'_>], at: usize) -> bool {
    words[at - 1].ends_value() && !words[at - 1].comma && !is_title(words, at - 1)
}

/// Whether a word is the name of an assertion or test: a text that is no value.
pub(super) fn is_title(words: &[Word<'_>], at: usize) -> bool {
    at == 1 && ["assert", "test"].contains(&words[0].text)
}

fn begins_element(words: &[Word<'_>], frame: &Frame, at: usize) -> bool {
    let Some(before) = words[..at].last().filter(|_| at > frame.open + 1) else { return true };
    let separated =
        frame.bracket == b'{' && words[at].on_new_line() && !before.goes_on() && !words[at].carries_on();
    before.comma || separated
}

/// Decides how brackets are laid out, once all between them is known.
fn close(words: &[Word<'_>], roles: &mut [Role], frame: &Frame, at: usize) {
    let last = at - 1;
    let empty = last == frame.open;
    let commented = !words[at].comments.is_empty();
    let broken = match frame.bracket {
        b'{' => frame.starts.iter().any(|start| words[*start].on_new_line()) || words[at].on_new_line(),
        _ => words[frame.open + 1].on_new_line(),
    };
    roles[at].breaks = commented || (broken && !empty);
    if empty {
        return;
    }
    if frame.bracket == b'{' {
        roles[last].comma = false;
        if broken {
            for start in &frame.starts {
                roles[*start].breaks = true;
                if *start > frame.open + 1 {
                    roles[*start - 1].comma = false;
                }
            }
            pad(words, roles, &frame.starts);
        }
    } else {
        roles[last].comma = roles[at].breaks && frame.may_end_in_comma;
    }
}

/// The widest name that others are aligned with: a longer one stands for itself.
pub(super) const WIDEST: usize = 40;

/// Aligns the `=` of entries; a blank line begins anew.
fn pad(words: &[Word<'_>], roles: &mut [Role], starts: &[usize]) {
    let blank = |at: usize| {
        let word = &words[at];
        word.breaks > 1 || word.comments.iter().any(|comment| comment.breaks > 1)
    };
    let named = |at: usize| {
        words.get(at + 1).is_some_and(|next| next.text == "=" && !next.on_new_line())
            && words[at].text.chars().count() <= WIDEST
    };
    let mut run: Vec<usize> = Vec::new();
    let mut finish = |run: &mut Vec<usize>| {
        let width = run.iter().map(|at| words[*at].text.chars().count()).max().unwrap_or(0);
        run.drain(..).for_each(|at| roles[at].width = width);
    };
    for start in starts {
        if blank(*start) {
            finish(&mut run);
        }
        if named(*start) {
            run.push(*start);
        }
    }
    finish(&mut run);
}
