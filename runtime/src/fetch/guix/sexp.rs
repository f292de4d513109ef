//! S-expressions, as Guix writes keys and signatures. They come from outside: size, depth and number are bounded.
//!
//! One reader serves both kinds: Libgcrypt's, and Scheme's, in which ACLs may be written. Libgcrypt writes bytes as
//! `#9F6E#`, but as a text in quotes, or a bare word, when they happen to be letters of Latin-1: one number of 32 bytes in
//! some thousands does.

use super::path::shown;

/// The longest text that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// How many words, texts and lists one text may have.
const MOST: usize = 20_000;

/// How deep lists may lie in lists.
const DEEPEST: usize = 64;

/// One expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sexp {
    /// A bare word; a quote mark before it is left out.
    Word(String),
    /// A text in quotes.
    Text(String),
    /// Bytes, written `#9F6E#`.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Sexp>),
}

impl Sexp {
    /// The word this is.
    pub fn word(&self) -> Option<&str> {
        match self {
            Sexp::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The text this is.
    pub fn text(&self) -> Option<&str> {
        match self {
            Sexp::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes that this stands for, however they are written.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Sexp::Bytes(bytes) => Some(bytes.clone()),
            Sexp::Text(text) | Sexp::Word(text) => text.chars().map(|c| u8::try_from(c).ok()).collect(),
            Sexp::List(_) => None,
        }
    }

    /// What follows the head of a list that begins with this word.
    pub fn tail(&self, head: &str) -> Option<&[Sexp]> {
        match self {
            Sexp::List(list) => match list.split_first() {
                Some((Sexp::Word(word), tail)) if word == head => Some(tail),
                _ => None,
            },
            _ => None,
        }
    }

    /// What follows the head of the one list in this list that begins with the word; none when there are two.
    pub fn field(&self, head: &str) -> Option<&[Sexp]> {
        let Sexp::List(list) = self else { return None };
        let mut fields = list.iter().filter_map(|inner| inner.tail(head));
        let found = fields.next();
        if fields.next().is_some() { None } else { found }
    }

    /// The one thing that a field holds.
    pub fn only(&self, head: &str) -> Option<&Sexp> {
        match self.field(head) {
            Some([only]) => Some(only),
            _ => None,
        }
    }
}

/// Reads all expressions of a text. What is wrong names its line.
pub fn parse(text: &str) -> Result<Vec<Sexp>, String> {
    if text.len() > LONGEST {
        return Err(format!("it has more than {LONGEST} bytes"));
    }
    let mut reader = Reader { rest: text, line: 1 };
    let mut open: Vec<Vec<Sexp>> = vec![Vec::new()];
    let mut count = 0;
    while let Some(token) = reader.token().map_err(|why| format!("line {}: {why}", reader.line))? {
        count += 1;
        if count > MOST {
            return Err(format!("line {}: it has more than {MOST} words", reader.line));
        }
        let done = match token {
            Token::Open if open.len() > DEEPEST => {
                return Err(format!("line {}: lists lie more than {DEEPEST} deep", reader.line));
            }
            Token::Open => {
                open.push(Vec::new());
                continue;
            }
            Token::Close => match open.pop() {
                Some(list) if !open.is_empty() => Sexp::List(list),
                _ => return Err(format!("line {}: a `)` closes nothing", reader.line)),
            },
            Token::Atom(atom) => atom,
        };
        if let Some(above) = open.last_mut() {
            above.push(done);
        }
    }
    match (open.pop(), open.len()) {
        (Some(list), 0) => Ok(list),
        _ => Err(format!("line {}: a list isn't closed", reader.line)),
    }
}

/// Reads a text that holds one expression.
pub fn parse_one(text: &str) -> Result<Sexp, String> {
    let mut all = parse(text)?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err("it isn't one expression".to_owned()),
    }
}

enum Token {
    Open,
    Close,
    Atom(Sexp),
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn token(&mut self) -> Result<Option<Token>, String> {
        loop {
            let Some(c) = self.rest.chars().next() else { return Ok(None) };
            match c {
                ';' => while self.next().is_some_and(|c| c != '\n') {},
                '(' | '[' => {
                    self.next();
                    return Ok(Some(Token::Open));
                }
                ')' | ']' => {
                    self.next();
                    return Ok(Some(Token::Close));
                }
                '"' => return self.text().map(|text| Some(Token::Atom(Sexp::Text(text)))),
                c if c.is_whitespace() || c == '\'' => {
                    self.next();
                }
                _ => return self.word().map(|atom| Some(Token::Atom(atom))),
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
                None => return Err("a text isn't closed".to_owned()),
            }
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char, String> {
        Ok(match self.next() {
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('v') => '\u{b}',
            Some('f') => '\u{c}',
            Some('r') => '\r',
            Some(c @ ('"' | '\'' | '\\')) => c,
            Some('x') => {
                let digits =
                    self.rest.get(..2).and_then(bytes).ok_or("`\\x` in a text lacks its two digits")?;
                self.rest = &self.rest[2..];
                char::from(digits[0])
            }
            other => {
                return Err(format!("`\\{}` in a text isn't known", other.unwrap_or(' ').escape_debug()));
            }
        })
    }

    fn word(&mut self) -> Result<Sexp, String> {
        let ends = |c: char| c.is_whitespace() || "()[]\";'".contains(c);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.strip_prefix('#').and_then(|rest| rest.strip_suffix('#')) {
            Some(hex) => {
                bytes(hex).map(Sexp::Bytes).ok_or_else(|| format!("`{}` isn't hexadecimal", shown(word)))
            }
            None => Ok(Sexp::Word(word.to_owned())),
        }
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
