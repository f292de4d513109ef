//! The scanner: words, brackets, texts and comments of a whole file, and where items begin.
//!
//! It never fails and knows no grammar. Three things rest on it: a file is cut into items by it,
//! nesting is measured before pest recurses, and what pest refuses is explained with it.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters, digits and `_`.
    Word,
    /// `"…"` on one line.
    String {
        /// Whether it ends before its line does.
        closed: bool,
        /// The greatest number of brackets and texts open at once inside.
        depth: u32,
    },
    /// `"""…"""`, also with more quotes, also with `@` before them.
    Text {
        /// Whether its quotes are closed before the next item.
        closed: bool,
    },
    /// `(`, `[` or `{`.
    Open(u8),
    /// `)`, `]` or `}`.
    Close(u8),
    /// `,`.
    Comma,
    /// An operator or another sign: `==`, `->`, `.`.
    Sign,
    /// `# …`, without the newline.
    Comment,
    /// The end of a line.
    Newline,
    /// Anything else: a character that no rule knows.
    Other,
}

/// A token: what it is and which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

impl Token {
    /// Neither a comment nor the end of a line.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.kind, Kind::Comment | Kind::Newline)
    }
}

/// The ten words that begin an item.
pub const KEYWORDS: [&str; 10] =
    ["use", "type", "let", "fn", "input", "env", "recipe", "build", "assert", "test"];

/// The tokens of a text.
pub(crate) fn scan(text: &str) -> Vec<Token> {
    Scanner::new(text).collect()
}

/// The tokens of a text, one by one.
#[derive(Clone)]
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    /// From the beginning of a file.
    pub(crate) fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } }
    }

    /// From the beginning of a token.
    pub(crate) fn at(text: &'t str, at: usize) -> Scanner<'t> {
        Scanner { text, at }
    }
}

impl Iterator for Scanner<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let (text, bytes) = (self.text, self.text.as_bytes());
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
        let start = self.at;
        let at = &mut self.at;
        let kind = match *bytes.get(start)? {
            b'\n' => single(at, Kind::Newline),
            b'#' => {
                *at = line_end(bytes, start);
                Kind::Comment
            }
            b',' => single(at, Kind::Comma),
            open @ (b'(' | b'[' | b'{') => single(at, Kind::Open(open)),
            close @ (b')' | b']' | b'}') => single(at, Kind::Close(close)),
            quote @ (b'"' | b'@') if quotes(bytes, start + usize::from(quote == b'@')) >= 3 => {
                let (end, closed) = text_end(text, start);
                *at = end;
                Kind::Text { closed }
            }
            b'"' => {
                let (end, closed, depth) = string_end(bytes, start);
                *at = end;
                Kind::String { closed, depth: u32::try_from(depth).unwrap_or(u32::MAX) }
            }
            byte if is_word(byte) => {
                let rest = &bytes[start..];
                *at += rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                Kind::Word
            }
            byte if byte.is_ascii_punctuation() => {
                let next = bytes.get(start + 1).copied().unwrap_or(0);
                let long = matches!(
                    (byte, next),
                    (b'-', b'>') | (b'=' | b'!' | b'<' | b'>', b'=') | (b'+', b'+') | (b'.', b'*')
                );
                *at += 1 + usize::from(long);
                Kind::Sign
            }
            _ => {
                *at += text[start..].chars().next().map_or(1, char::len_utf8);
                Kind::Other
            }
        };
        Some(Token { kind, start, end: self.at })
    }
}

fn single(at: &mut usize, kind: Kind) -> Kind {
    *at += 1;
    kind
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many quotes stand at `at`.
pub(crate) fn quotes(bytes: &[u8], at: usize) -> usize {
    bytes[at.min(bytes.len())..].iter().take_while(|byte| **byte == b'"').count()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// The item keyword that a line begins with, if more follows it on the line.
pub(crate) fn keyword_at(line: &str) -> Option<&'static str> {
    KEYWORDS.into_iter().find(|keyword| {
        line.strip_prefix(keyword)
            .is_some_and(|rest| rest.starts_with([' ', '\t']) && !rest.trim().is_empty())
    })
}

/// The end of the text that opens at `start`. One that isn't closed ends with the last line that holds something
/// before a line that begins an item: a forgotten quote can't swallow what follows.
fn text_end(text: &str, start: usize) -> (usize, bool) {
    let bytes = text.as_bytes();
    let first = start + usize::from(bytes[start] == b'@');
    let count = quotes(bytes, first);
    let mut at = first + count;
    while at < bytes.len() {
        match bytes[at] {
            b'"' if quotes(bytes, at) >= count => return (at + quotes(bytes, at), true),
            b'"' => at += quotes(bytes, at),
            b'\n' if keyword_at(text[at + 1..].split('\n').next().unwrap_or("")).is_some() => break,
            _ => at += 1,
        }
    }
    (start + text[start..at].trim_end().len(), false)
}

/// The end of the one-line text that opens at `start`, whether it is closed, and how deep it nests.
fn string_end(bytes: &[u8], start: usize) -> (usize, bool, usize) {
    /// What the scanner is in: quotes, or the braces of an interpolation with so many brackets open.
    enum Inside {
        Quotes,
        Braces(usize),
    }
    let mut stack = vec![Inside::Quotes];
    let (mut open, mut deepest, mut at) = (0, 0, start + 1);
    while at < bytes.len() && bytes[at] != b'\n' {
        deepest = deepest.max(stack.len() + open);
        let byte = bytes[at];
        at += 1;
        match stack.last_mut() {
            Some(Inside::Quotes) => match byte {
                b'\\' if at < bytes.len() && bytes[at] != b'\n' => at += 1,
                b'"' => {
                    stack.pop();
                }
                b'@' if bytes.get(at) == Some(&b'{') => {
                    at += 1;
                    stack.push(Inside::Braces(0));
                }
                _ => {}
            },
            Some(Inside::Braces(count)) => match byte {
                b'"' => stack.push(Inside::Quotes),
                b'{' | b'(' | b'[' => {
                    *count += 1;
                    open += 1;
                }
                b'}' if *count == 0 => {
                    stack.pop();
                }
                b'}' | b')' | b']' if *count > 0 => {
                    *count -= 1;
                    open -= 1;
                }
                _ => {}
            },
            None => {}
        }
        if stack.is_empty() {
            return (at, true, deepest);
        }
    }
    while at > start + 1 && matches!(bytes[at - 1], b' ' | b'\t' | b'\r') {
        at -= 1;
    }
    (at, false, deepest)
}

/// A piece of a file: from one word in column 0 to the last token before the next.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The lines of documentation above it.
    pub(crate) docs: Vec<String>,
    /// First byte, in column 0 unless the file's first item isn't.
    pub(crate) start: usize,
    /// One past the last byte that counts.
    pub(crate) end: usize,
    /// Its tokens, with the newlines and comments between them.
    pub(crate) tokens: Vec<Token>,
}

impl Chunk {
    /// A piece of these tokens, without what is only around it.
    pub(crate) fn new(docs: Vec<String>, mut tokens: Vec<Token>) -> Chunk {
        let end = tokens.iter().rfind(|token| token.counts()).map_or(0, |token| token.end);
        let start = tokens.iter().find(|token| token.counts()).map_or(end, |token| token.start);
        tokens.retain(|token| token.start >= start && token.end <= end);
        Chunk { docs, start, end, tokens }
    }
}

/// Whether tokens begin with the keyword of an item, and not with an entry or a name that is spelled like one.
pub(crate) fn begins_item(text: &str, tokens: impl Iterator<Item = Token>) -> bool {
    let mut counting = tokens.filter(|token| token.kind != Kind::Comment);
    let word = counting.next().map_or("", |token| &text[token.start..token.end]);
    KEYWORDS.contains(&word)
        && counting.next().is_some_and(|next| match next.kind {
            Kind::Word | Kind::String { .. } => true,
            Kind::Sign => text[next.start..].starts_with("./") || text[next.start..].starts_with("../"),
            _ => false,
        })
}

/// How deep brackets nest, those in texts included.
#[derive(Clone, Copy, Default)]
pub(crate) struct Depth {
    open: usize,
    /// The greatest number of brackets open at once.
    pub(crate) deepest: usize,
    /// Where it first passed the limit.
    pub(crate) place: usize,
}

impl Depth {
    /// Looks at the next token.
    pub(crate) fn pass(&mut self, token: &Token, limit: usize) {
        let here = match token.kind {
            Kind::Open(_) => {
                self.open += 1;
                self.open
            }
            Kind::Close(_) => {
                self.open = self.open.saturating_sub(1);
                self.open
            }
            Kind::String { depth, .. } => self.open.saturating_add(depth as usize),
            _ => return,
        };
        if here > limit && self.deepest <= limit {
            self.place = token.start;
        }
        self.deepest = self.deepest.max(here);
    }
}
