//! The words of a file and what stands before each: comments and line breaks. Nothing is lost but blanks.
//!
//! The scanner's tokens are put together to what the grammar calls one word: a path, an instant, a number with its
//! unit. Commas are a mark on the word before them. Only for files that the parser has nothing against.

use crate::syntax::cut::pieces;
use crate::syntax::tokens::{self, Kind, Token};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A name, a keyword, a number, a digest.
    Name,
    /// A path or an instant, which takes in the `.` or `:` that touches it.
    Greedy,
    /// `"…"` on one line.
    String,
    /// `"""…"""`.
    Text,
    /// An opening bracket.
    Open(u8),
    /// A closing bracket.
    Close,
    /// An operator or another sign.
    Sign,
}

/// `# …`, and how it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comment<'t> {
    /// From `#` to the last letter.
    pub(super) text: &'t str,
    /// How many line ends stand before it.
    pub(super) breaks: usize,
    /// Whether it begins its line.
    pub(super) column0: bool,
}

/// A word.
#[derive(Clone, Debug)]
pub(super) struct Word<'t> {
    /// What it is.
    pub(super) what: What,
    /// As written.
    pub(super) text: &'t str,
    /// The comments before it.
    pub(super) comments: Vec<Comment<'t>>,
    /// How many line ends stand between it and what comes before.
    pub(super) breaks: usize,
    /// Whether a comma follows.
    pub(super) comma: bool,
}

impl Word<'_> {
    /// Whether it begins a line, as written.
    pub(super) fn on_new_line(&self) -> bool {
        self.breaks > 0 || !self.comments.is_empty()
    }

    /// Whether a value may end with it, so that `(` after it is a call and `-` a subtraction.
    pub(super) fn ends_value(&self) -> bool {
        match self.what {
            What::Name => {
                !["and", "as", "else", "for", "if", "in", "not", "or", "then", "with"].contains(&self.text)
            }
            What::Greedy | What::String | What::Text | What::Close => true,
            What::Open(_) => false,
            What::Sign => [".*", "?"].contains(&self.text),
        }
    }

    /// Whether a line that ends with it goes on in the next.
    pub(super) fn goes_on(&self) -> bool {
        let signs = ["=", ":", "==", "!=", "<", "<=", ">", ">=", "++", "+", "-", "*", "|", "->"];
        let words = ["and", "or", "if", "then", "else", "in"];
        match self.what {
            What::Sign => signs.contains(&self.text),
            What::Name => words.contains(&self.text),
            _ => false,
        }
    }

    /// Whether a line that begins with it goes on from the one before.
    pub(super) fn carries_on(&self) -> bool {
        match self.what {
            What::Sign => [".", ".*"].contains(&self.text),
            What::Name => ["then", "else"].contains(&self.text),
            _ => false,
        }
    }
}

/// A file: its items, and what stands below the last of them.
pub(super) struct Words<'t> {
    /// The words of the first line and of each item; the first word has what stands above.
    pub(super) items: Vec<Vec<Word<'t>>>,
    /// The comments at the end.
    pub(super) rest: Vec<Comment<'t>>,
}

/// Reads the words of a file.
pub(super) fn read(text: &str) -> Words<'_> {
    let tokens = tokens::scan(text);
    let starts: Vec<usize> = pieces(text).map(|piece| piece.start()).collect();
    let mut reader = Reader { text, items: Vec::new(), comments: Vec::new(), breaks: 0, held: 0 };
    let mut after = 0;
    for token in &tokens {
        if token.start < after {
            continue;
        }
        match token.kind {
            Kind::Newline => reader.breaks += 1,
            Kind::Comment => reader.comment(token),
            Kind::Comma => reader.comma(),
            _ => {
                if starts.binary_search(&token.start).is_ok() {
                    reader.items.push(Vec::new());
                }
                after = reader.word(token);
            }
        }
    }
    Words { items: reader.items, rest: reader.comments }
}

struct Reader<'t> {
    text: &'t str,
    items: Vec<Vec<Word<'t>>>,
    /// The comments since the last word.
    comments: Vec<Comment<'t>>,
    /// The line ends since the last word, comment or comma.
    breaks: usize,
    /// Those before the last comma.
    held: usize,
}

impl<'t> Reader<'t> {
    fn breaks(&mut self) -> usize {
        std::mem::take(&mut self.breaks).max(std::mem::take(&mut self.held))
    }

    fn comment(&mut self, token: &Token) {
        let text = self.text[token.start..token.end].trim_end();
        let column0 = token.start == 0 || self.text.as_bytes()[token.start - 1] == b'\n';
        let breaks = self.breaks();
        self.comments.push(Comment { text, breaks, column0 });
    }

    fn comma(&mut self) {
        self.held = self.breaks();
        if let Some(word) = self.items.last_mut().and_then(|words| words.last_mut()) {
            word.comma = true;
        }
    }

    /// Takes a word in and returns where it ends.
    fn word(&mut self, token: &Token) -> usize {
        let rest = &self.text[token.start..];
        let (what, length) = literal(rest).unwrap_or_else(|| {
            let what = match token.kind {
                Kind::String { .. } => What::String,
                Kind::Text { .. } => What::Text,
                Kind::Open(bracket) => What::Open(bracket),
                Kind::Close(_) => What::Close,
                Kind::Sign => What::Sign,
                _ => What::Name,
            };
            (what, token.end - token.start)
        });
        let breaks = self.breaks();
        let comments = std::mem::take(&mut self.comments);
        let word = Word { what, text: &rest[..length], comments, breaks, comma: false };
        match self.items.last_mut() {
            Some(words) => words.push(word),
            None => self.items.push(vec![word]),
        }
        token.start + length
    }
}

/// A literal of several tokens at the beginning of a text, and its length: as the grammar reads it.
fn literal(text: &str) -> Option<(What, usize)> {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes();
    let count = |from: usize, takes: &dyn Fn(&u8) -> bool| {
        from + bytes[from..].iter().take_while(|byte| takes(byte)).count()
    };
    if let Some(prefix) = ["sha256:", "commit:"].into_iter().find(|prefix| text.starts_with(prefix)) {
        let end = count(prefix.len(), &in_word);
        return (end > prefix.len()).then_some((What::Name, end));
    }
    if text.starts_with("./") || text.starts_with("../") {
        let end = text.find([' ', '\t', '\r', '\n', ',', '"', '#', '(', ')', '[', ']', '{', '}']);
        return Some((What::Greedy, end.unwrap_or(text.len())));
    }
    if !bytes.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let day = bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if day && bytes.get(10) == Some(&b'T') {
        return Some((What::Greedy, count(10, &|byte| in_word(byte) || b":.+-".contains(byte))));
    }
    if day && !bytes.get(10).is_some_and(in_word) {
        return Some((What::Name, 10));
    }
    let mut end = count(0, &u8::is_ascii_digit);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = count(end + 1, &u8::is_ascii_digit);
    }
    end = count(end, &in_word);
    Some((What::Name, end + usize::from(bytes.get(end) == Some(&b'%'))))
}
