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
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            b'\n' => single(&mut at, Kind::Newline),
            b'#' => {
                at = line_end(bytes, at);
                Kind::Comment
            }
            b',' => single(&mut at, Kind::Comma),
            open @ (b'(' | b'[' | b'{') => single(&mut at, Kind::Open(open)),
            close @ (b')' | b']' | b'}') => single(&mut at, Kind::Close(close)),
            b'"' | b'@' if quotes(bytes, at + usize::from(bytes[at] == b'@')) >= 3 => {
                let (end, closed) = text_end(text, at);
                at = end;
                Kind::Text { closed }
            }
            b'"' => {
                let (end, closed, depth) = string_end(bytes, at);
                at = end;
                Kind::String { closed, depth: u32::try_from(depth).unwrap_or(u32::MAX) }
            }
            byte if is_word(byte) => {
                while at < bytes.len() && is_word(bytes[at]) {
                    at += 1;
                }
                Kind::Word
            }
            byte if byte.is_ascii_punctuation() => {
                let rest = &text[at..];
                let long =
                    ["->", "==", "!=", "<=", ">=", "++", ".*"].iter().any(|sign| rest.starts_with(sign));
                at += 1 + usize::from(long);
                Kind::Sign
            }
            _ => {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                Kind::Other
            }
        };
        tokens.push(Token { kind, start, end: at });
    }
    tokens
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
    /// A token in column 0 that goes on with the piece, since brackets are open there.
    pub(crate) outdented: Option<Token>,
}

impl Chunk {
    /// A piece of these tokens, without what is only around it.
    pub(crate) fn new(docs: Vec<String>, mut tokens: Vec<Token>) -> Chunk {
        let end = tokens.iter().rfind(|token| token.counts()).map_or(0, |token| token.end);
        let start = tokens.iter().find(|token| token.counts()).map_or(end, |token| token.start);
        tokens.retain(|token| token.start >= start && token.end <= end);
        Chunk { docs, start, end, tokens, outdented: None }
    }
}

/// Cuts a file at the tokens in column 0 that begin something: all but comments, closing brackets, and, where
/// brackets are open, what isn't the keyword of an item.
pub(crate) fn chunks(text: &str, tokens: &[Token]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut docs = Vec::new();
    let (mut piece, mut piece_docs, mut outdented): (Vec<Token>, Vec<String>, Option<Token>) =
        Default::default();
    let mut open = 0usize;
    let mut begun = false;
    for (index, token) in tokens.iter().enumerate() {
        let column0 = token.start == 0 || text.as_bytes()[token.start - 1] == b'\n';
        if column0
            && token.kind == Kind::Comment
            && let Some(doc) = text[token.start..token.end].strip_prefix("##")
        {
            docs.push(doc.strip_prefix(' ').unwrap_or(doc).trim_end().to_owned());
        }
        match token.kind {
            Kind::Open(_) => open += 1,
            Kind::Close(_) => open = open.saturating_sub(1),
            _ => {}
        }
        // What comes first begins something wherever it stands.
        let begins = column0 || !begun;
        begun |= token.counts();
        if token.counts() && begins && !matches!(token.kind, Kind::Close(_)) {
            if open > 0 && !piece.is_empty() && !begins_item(text, &tokens[index..]) {
                outdented = outdented.or(Some(*token));
            } else {
                let docs = std::mem::replace(&mut piece_docs, std::mem::take(&mut docs));
                chunks.extend(finish(docs, std::mem::take(&mut piece), outdented.take()));
                open = usize::from(matches!(token.kind, Kind::Open(_)));
            }
        }
        piece.push(*token);
    }
    chunks.extend(finish(piece_docs, piece, outdented));
    chunks
}

/// A piece, unless nothing in it counts.
fn finish(docs: Vec<String>, tokens: Vec<Token>, outdented: Option<Token>) -> Option<Chunk> {
    let chunk = Chunk::new(docs, tokens);
    (!chunk.tokens.is_empty()).then_some(Chunk { outdented, ..chunk })
}

/// Whether tokens begin with the keyword of an item, and not with an entry or a name that is spelled like one.
pub(crate) fn begins_item(text: &str, tokens: &[Token]) -> bool {
    let mut counting = tokens.iter().filter(|token| token.kind != Kind::Comment);
    let word = counting.next().map_or("", |token| &text[token.start..token.end]);
    KEYWORDS.contains(&word)
        && counting.next().is_some_and(|next| match next.kind {
            Kind::Word | Kind::String { .. } => true,
            Kind::Sign => text[next.start..].starts_with("./") || text[next.start..].starts_with("../"),
            _ => false,
        })
}

/// How deep the brackets of a piece nest, those in texts included, and where they first pass `limit`.
pub(crate) fn depth(tokens: &[Token], limit: usize) -> (usize, usize) {
    let (mut open, mut deepest, mut place) = (0usize, 0, 0);
    for token in tokens {
        let here = match token.kind {
            Kind::Open(_) => {
                open += 1;
                open
            }
            Kind::Close(_) => {
                open = open.saturating_sub(1);
                open
            }
            Kind::String { depth, .. } => open.saturating_add(depth as usize),
            _ => continue,
        };
        if here > limit && deepest <= limit {
            place = token.start;
        }
        deepest = deepest.max(here);
    }
    (deepest, place)
}
