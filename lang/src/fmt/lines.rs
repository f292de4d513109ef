//! Lines that are being written, and the comments at their ends.

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// What it says, with its indentation.
    pub(super) code: String,
    /// The comment at its end.
    pub(super) comment: String,
}

/// Lines, the last of which is being written.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
}

impl Lines {
    /// Adds to the line.
    pub(super) fn push(&mut self, text: &str) {
        self.current().code.push_str(text);
    }

    /// Puts a comment at the line's end.
    pub(super) fn comment(&mut self, text: &str) {
        self.current().comment = text.to_owned();
    }

    /// Begins a line.
    pub(super) fn begin(&mut self, indent: usize) {
        self.lines.push(Line { code: " ".repeat(indent), comment: String::new() });
    }

    /// Adds an empty line.
    pub(super) fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    /// Whether the line ends with an opening bracket.
    pub(super) fn opens(&self) -> bool {
        self.lines.last().is_some_and(|line| line.code.ends_with(['(', '[', '{']))
    }

    /// The lines.
    pub(super) fn done(self) -> Vec<Line> {
        self.lines
    }

    fn current(&mut self) -> &mut Line {
        if self.lines.is_empty() {
            self.blank();
        }
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }
}

/// The longest line that comments are aligned with.
const LONGEST: usize = 100;

/// Puts lines together. Comments at the ends of lines that follow each other stand in one column.
pub(super) fn join(lines: &[Line]) -> String {
    let mut text = String::new();
    let commented = |line: &Line| !line.comment.is_empty() && width(&line.code) <= LONGEST;
    for run in lines.chunk_by(|a, b| commented(a) && commented(b)) {
        let column = run.iter().map(|line| width(&line.code)).max().unwrap_or(0) + 2;
        for line in run {
            text.push_str(&line.code);
            if !line.comment.is_empty() {
                text.push_str(&" ".repeat(column - width(&line.code)));
                text.push_str(&line.comment);
            }
            text.push('\n');
        }
    }
    text
}

fn width(code: &str) -> usize {
    code.chars().count()
}
