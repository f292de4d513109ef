//! How text is shown: colours, width, characters. Knows terminals, not what is said.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use unicode_width::UnicodeWidthStr;

/// How text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are used.
    pub colour: bool,
    /// Columns.
    pub width: usize,
    /// Whether characters beyond ASCII are drawn.
    pub unicode: bool,
}

/// The columns when nobody says.
const WIDTH: usize = 80;

impl Style {
    /// Plain text of 80 columns.
    pub fn plain() -> Style {
        Style { colour: false, width: WIDTH, unicode: true }
    }

    /// What suits a stream: colours on a terminal unless `NO_COLOR` is set, the terminal's own width.
    pub fn of(stream: &(impl IsTerminal + AsFd)) -> Style {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name));
        let unicode = locale.is_none_or(|locale| locale != "C" && locale != "POSIX");
        if !stream.is_terminal() {
            return Style { unicode, ..Style::plain() };
        }
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        let columns = rustix::termios::tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
        let width = if columns == 0 { WIDTH } else { columns.clamp(40, 120) };
        Style { colour: set("NO_COLOR").is_none() && !dumb, width, unicode }
    }

    /// Strong.
    pub fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Faint.
    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is wrong.
    pub fn red(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What holds.
    pub fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is open.
    pub fn yellow(&self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What to do.
    pub fn cyan(&self, text: &str) -> String {
        self.paint("36", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A label in front of a text that is wrapped beneath its own beginning; ends in a newline.
    pub fn labelled(&self, indent: &str, label: &str, text: &str) -> String {
        let column = columns(indent) + columns(label);
        let mut lines = self.lines(column, text).into_iter();
        let mut out = format!("{indent}{}{}\n", self.cyan(label), lines.next().unwrap_or_default());
        for line in lines {
            out += &format!("{:column$}{line}\n", "");
        }
        out
    }

    /// A text wrapped with an indent before each line; ends in a newline.
    pub fn wrapped(&self, indent: &str, text: &str) -> String {
        self.lines(columns(indent), text).into_iter().map(|line| format!("{indent}{line}\n")).collect()
    }

    /// A text made harmless and broken into lines that fit right of a column.
    pub(super) fn lines(&self, column: usize, text: &str) -> Vec<String> {
        let width = self.width.saturating_sub(column).max(20);
        text.lines().flat_map(|line| wrap(&printable(line), width)).collect()
    }
}

/// Columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Breaks a text at blanks into lines of at most `width` columns; a longer word stays whole.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let fits =
            lines.last().is_some_and(|line| line.is_empty() || columns(line) + 1 + columns(word) <= width);
        match lines.last_mut() {
            Some(line) if fits => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Whether a character changes the direction of what follows, so that a name could look like another.
pub(super) fn turns(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from outside made harmless for a terminal: control and direction characters are written as escapes.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\n' => out.push_str("\\n"),
            _ if character.is_control() || turns(character) => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out
}
