//! Texts: escapes, and the indentation that `"""` texts lose. Knows no places and no expressions.

/// What stands between the quotes of a text as written. The opening quotes are all that there are; as many close.
pub(crate) fn content(written: &str) -> &str {
    let from = written.trim_start_matches('@');
    let count = from.bytes().take_while(|byte| *byte == b'"').count();
    from.get(count..from.len().saturating_sub(count)).unwrap_or("")
}

/// The indentation that a text's lines share, and what stands around it.
pub(crate) struct Layout<'a> {
    /// The blanks that every line begins with.
    indent: &'a str,
    /// Whether the text spans lines: then the newline after the opening quotes is left out.
    lines: bool,
}

/// Looks at all that stands between the quotes.
pub(crate) fn layout(content: &str) -> Layout<'_> {
    let mut lines = content.split('\n');
    lines.next();
    let mut indent: Option<&str> = None;
    let mut count = 0;
    for line in lines {
        count += 1;
        if line.trim_matches([' ', '\t', '\r']).is_empty() {
            continue;
        }
        let blanks = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        indent = Some(match indent {
            None => blanks,
            Some(known) => {
                let shared = known.bytes().zip(blanks.bytes()).take_while(|(a, b)| a == b).count();
                &known[..shared]
            }
        });
    }
    Layout { indent: indent.unwrap_or(""), lines: count > 0 }
}

/// What is wrong with the first line of a text, if anything: text after the opening quotes of one that goes on.
pub(crate) fn starts_late(content: &str) -> bool {
    content.split_once('\n').is_some_and(|(first, _)| !first.trim_matches([' ', '\t', '\r']).is_empty())
}

impl Layout<'_> {
    /// The bytes that a piece of the text stands for. `first` and `last`: it touches the opening or closing quotes.
    pub(crate) fn strip(&self, piece: &str, first: bool, last: bool) -> String {
        let mut result = String::with_capacity(piece.len());
        let pieces: Vec<&str> = piece.split('\n').collect();
        for (index, line) in pieces.iter().enumerate() {
            let ends = index + 1 < pieces.len();
            let begins = index > 0;
            if self.lines && first && index == 0 && ends {
                continue;
            }
            let mut line = *line;
            if begins {
                let shared = line.bytes().zip(self.indent.bytes()).take_while(|(a, b)| a == b).count();
                line = &line[shared..];
            }
            if self.lines && last && !ends && begins && line.trim_matches([' ', '\t', '\r']).is_empty() {
                continue;
            }
            result.push_str(if ends { line.strip_suffix('\r').unwrap_or(line) } else { line });
            if ends {
                result.push('\n');
            }
        }
        result
    }
}

/// What `\n` and its like stand for; `None` for one that no rule knows.
pub(crate) fn escape(written: &str) -> Option<char> {
    match written {
        "\\n" => Some('\n'),
        "\\t" => Some('\t'),
        "\\\\" => Some('\\'),
        "\\\"" => Some('"'),
        "\\@" => Some('@'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(content: &str) -> String {
        layout(content).strip(content, true, true)
    }

    #[test]
    fn the_shared_indentation_goes_and_nothing_else() {
        assert_eq!(strip("\n    a\n      b\n\n    c\n  "), "a\n  b\n\nc\n");
        assert_eq!(strip("\n\ta\n\t b\n\t"), "a\n b\n");
        assert_eq!(strip("\n  a\n\tb\n"), "  a\n\tb\n", "a tab and blanks share nothing");
    }

    #[test]
    fn the_last_newline_stays_when_the_quotes_stand_alone() {
        assert_eq!(strip("\n  a\n  b"), "a\nb");
        assert_eq!(strip("\n  a\n  b\n"), "a\nb\n");
        assert_eq!(strip("one line"), "one line");
        assert_eq!(strip(" kept "), " kept ");
    }

    #[test]
    fn blank_lines_decide_no_indentation_and_keep_what_is_beyond_it() {
        assert_eq!(strip("\n    a\n\n  \n      \n    b\n"), "a\n\n\n  \nb\n");
        assert_eq!(strip("\n"), "");
        assert_eq!(strip("\n\n"), "\n");
    }

    #[test]
    fn line_ends_are_newlines() {
        assert_eq!(strip("\r\n  a\r\n  b\r\n"), "a\nb\n");
    }
}
