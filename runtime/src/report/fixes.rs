//! The edits that a verdict asks for: a modifier that is no longer true is taken out, a share that is beaten is raised.

use rbld_lang::diagnostic::Fix;
use rbld_lang::plan::Expect;
use rbld_lang::span::{Sources, Span};
use rbld_lang::value;

use crate::compare::{News, Outcome, Verdict};

/// A whole percent, in hundredths: by less a share isn't said to be beaten.
const MARGIN: u64 = 100;

/// The edits, as far as they can be named exactly.
pub(super) fn fixes(outcome: &Outcome, sources: &Sources) -> Vec<Fix> {
    let known = |span: &Span| sources.iter().any(|(id, _)| id == span.file);
    let mut fixes = Vec::new();
    let mut out = |span: Option<Span>, title: &str| {
        if let Some(span) = span.filter(known) {
            let span = argument(&sources.get(span.file).text, span);
            fixes.push(Fix { title: title.to_owned(), span, text: String::new() });
        }
    };
    if outcome.news.contains(&News::NoLongerDifferent) {
        out(outcome.places.expect, "take `expect` out");
    }
    if outcome.news.contains(&News::BytesEqual) {
        out(outcome.places.compare, "take `compare` out");
    }
    if let (Some(share), Some(span)) = (beaten(outcome), outcome.places.at_least.filter(known))
        && sources.slice(span).ends_with('%')
    {
        let text = value::percent(share);
        fixes.push(Fix { title: format!("raise `at_least` to `{text}`"), span, text });
    }
    fixes
}

/// The share that could be asked for now, in hundredths of a percent, if that is more by a margin. A sample says nothing
/// of it: its comparisons don't say where the share stands.
pub(super) fn beaten(outcome: &Outcome) -> Option<u32> {
    let at_least = u64::from(outcome.share.at_least?);
    let whole = outcome.share.hundredths() / MARGIN * MARGIN;
    let beaten = outcome.verdict == Verdict::Match
        && outcome.expect == Expect::Holds
        && outcome.places.at_least.is_some()
        && whole >= at_least.saturating_add(MARGIN);
    beaten.then(|| u32::try_from(whole).ok()).flatten()
}

/// An argument with the comma before it, or behind it where it stands first, or with its line.
fn argument(text: &str, span: Span) -> Span {
    let (start, end) = (span.start as usize, span.end as usize);
    let (Some(before), Some(behind)) = (text.get(..start), text.get(end..)) else { return span };
    let ahead = before.trim_end();
    if ahead.ends_with(',') {
        return Span { start: ahead.len() as u32 - 1, ..span };
    }
    let rest = behind.trim_start_matches([' ', '\t']);
    let skipped = behind.len() - rest.len();
    if let Some(rest) = rest.strip_prefix(',') {
        let blank = rest.len() - rest.trim_start_matches(' ').len();
        return Span { end: (end + skipped + 1 + blank) as u32, ..span };
    }
    let indent = before.trim_end_matches([' ', '\t']);
    match rest.starts_with('\n') && indent.ends_with('\n') {
        true => Span { start: indent.len() as u32, end: (end + skipped + 1) as u32, ..span },
        false => span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left once `out` is taken out.
    fn without(text: &str, out: &str) -> String {
        let start = text.find(out).expect("it is there") as u32;
        let file = rbld_lang::span::FileId(0);
        let span = argument(text, Span { file, start, end: start + out.len() as u32 });
        format!("{}{}", &text[..span.start as usize], &text[span.end as usize..])
    }

    #[test]
    fn arguments_go_with_their_commas_and_lines() {
        let out = "expect = different(\"x\")";
        assert_eq!(without("identical(t.*.o, expect = different(\"x\"))", out), "identical(t.*.o)");
        assert_eq!(
            without("identical(t.*.o,\n  expect = different(\"x\"),\n  b = c)", out),
            "identical(t.*.o,\n  b = c)"
        );
        assert_eq!(without("f(expect = different(\"x\"), xs = t)", out), "f(xs = t)");
        assert_eq!(without("f {\n  xs = t\n  expect = different(\"x\")\n}", out), "f {\n  xs = t\n}");
    }
}
