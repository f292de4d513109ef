//! Expected text: what differs from it, shown line by line, and whether it is to be rewritten instead.

use libtest_mimic::Failed;

/// Whether expectations are rewritten: `RBLD_BLESS=1`.
pub(crate) fn blessing() -> bool {
    std::env::var_os("RBLD_BLESS").is_some_and(|v| v == "1")
}

/// Whether `found` is what `expected` says. A `[..]` in an expected line stands for any text within the line.
pub(crate) fn matches(expected: &str, found: &str) -> bool {
    let (mut expected, mut found) = (expected.lines(), found.lines());
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(pattern), Some(line)) if line_matches(pattern, line) => {}
            _ => return false,
        }
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// An error that shows `found` against `expected`, unless they match.
pub(crate) fn require(what: &str, expected: &str, found: &str) -> Result<(), Failed> {
    if matches(expected, found) {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(expected, found);
    let lines = diff.unified_diff().header("expected", "found").to_string();
    Err(format!("{what} differs (RBLD_BLESS=1 rewrites it):\n{lines}").into())
}
