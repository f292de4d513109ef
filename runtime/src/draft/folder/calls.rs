//! Calls in the languages of build systems: `NAME(argument, …)` in m4, CMake and Meson. What they mean isn't known here, and
//! what is computed isn't seen.

/// The longest text between the parentheses of a call.
const LONGEST: usize = 20_000;

/// What stands between the parentheses of each call of a name, which may be in any case.
pub(super) fn calls<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let lower = text.to_ascii_lowercase();
    for (at, _) in lower.match_indices(&name.to_ascii_lowercase()) {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].trim_start_matches([' ', '\t']);
        let named = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        if before.is_some_and(named) || !after.starts_with('(') {
            continue;
        }
        found.extend(inside(&after[1..]));
    }
    found
}

/// Whether a name stands by itself somewhere.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let named = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(named) && !after.is_some_and(named)
    })
}

/// What stands before the parenthesis that closes.
fn inside(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate().take(LONGEST) {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return text.get(..at),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The arguments between commas that no bracket or quote encloses.
pub(super) fn arguments(inside: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut quote, mut from) = (0_i32, None, 0);
    for (at, byte) in inside.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth -= 1,
            (None, b',') if depth == 0 => {
                found.push(inside[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(inside[from..].trim());
    found
}

/// An argument without m4's brackets.
pub(super) fn unbracketed(argument: &str) -> &str {
    let mut argument = argument.trim();
    while let Some(inner) = argument.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        argument = inner.trim();
    }
    argument
}

/// The text of an argument in quotes; nothing for anything else.
pub(super) fn literal(argument: &str) -> Option<&str> {
    let argument = argument.trim();
    ['\'', '"'].into_iter().find_map(|quote| {
        let inner = argument.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

/// A text without the comments that begin with one of these marks at a word.
pub(super) fn uncommented(text: &str, marks: &[&str]) -> String {
    let cut = |line: &str| {
        let starts = |at: &usize| {
            let mark = marks.iter().any(|mark| line[*at..].starts_with(mark));
            mark && line[..*at].chars().next_back().is_none_or(char::is_whitespace)
        };
        let at = line.char_indices().map(|(at, _)| at).find(starts).unwrap_or(line.len());
        line[..at].to_owned()
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_with_their_arguments() {
        let text = "AC_INIT([GNU brook],[1.2], [a@b])\nMY_AC_INIT([no])\ndnl AC_INIT([not])\n";
        let text = uncommented(text, &["dnl", "#"]);
        assert_eq!(calls(&text, "AC_INIT"), ["[GNU brook],[1.2], [a@b]"]);
        assert_eq!(arguments("[GNU brook],[1,2], f(a, b)"), ["[GNU brook]", "[1,2]", "f(a, b)"]);
        assert_eq!(unbracketed(" [[1.2]] "), "1.2");
        assert_eq!(calls("PROJECT (x VERSION 1)", "project"), ["x VERSION 1"]);
        assert_eq!(calls("project(unclosed", "project"), [""; 0]);
        assert_eq!(literal("'a b'"), Some("a b"));
        assert_eq!(literal("'a' + 'b'"), None);
        assert!(mentions("a AM_GNU_GETTEXT([x])", "AM_GNU_GETTEXT"));
        assert!(!mentions("AM_GNU_GETTEXT_VERSION", "AM_GNU_GETTEXT"));
    }
}
