//! Texts made from others: words swapped, brackets spliced from elsewhere, nested deep, cut off, repeated, extremes put in.

use std::borrow::Cow;

/// A generator of numbers: the same ones for the same seed.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below a bound, which is at least one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as usize) % bound.max(1)
    }

    fn of<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }
}

/// What people and programs put into files by accident or by malice.
const ODD: &[&str] = &[
    "9223372036854775807",
    "9223372036854775808",
    "-1",
    "0",
    "00",
    "1.5GiB",
    "100.01%",
    "99999999d",
    "9999-12-31T23:59:59Z",
    "2025-02-29",
    "1970-01-01T00:00:00Z",
    "0000-01-01",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    "commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e",
    "./",
    "../x",
    "./a/../../b",
    "\"\"",
    "\"@{1}\"",
    "\"@{\"@{x}\"}\"",
    "\"\\n\\@\"",
    "\"\"\"\n  a\n  \"\"\"",
    "@\"\"\"\n  @{x}\n  \"\"\"",
    "\"\"\"\"\"\"",
    "\u{202e}",
    "\u{feff}",
    "é",
    "🦀",
    "\u{301}",
    "\0",
    "\r\n",
    "\r",
    "\t",
    "\u{a0}",
    "\u{2028}",
    "# c\n",
    "\n## d\n",
    "\n",
    "\n\n\n",
    "\n  ",
    "with { a = 1 }",
    "for x in [1, 2]",
    "if true then 1 else 2",
    "iterate(1000, [], twice)",
    "x.*",
    "t[_, _]",
    "none",
    "expect = different(\"x\")",
    "within = { a = [b] }",
    "and",
    "or",
    "not",
    "in",
    "as",
    "with",
    "then",
    "else",
    "_",
    "use ./ring.rbld\n",
    "use ./common.rbld\n",
    "use std.debian\n",
    "use core\n",
    "rbld 2\n",
    "=",
    "==",
    "->",
    "++",
    "-",
    "*",
    ".",
    ".*",
    "?",
    ":",
    "|",
    "<",
    "@",
    "@{",
    "$",
    "\\",
    "'",
    "`",
    ";",
    "<<<<<<< a\n",
    "=======\n",
    ">>>>>>> b\n",
    "->=",
    "…",
    "::",
    "request ",
    "asked ",
    "package ",
];

/// How long a text may become, mostly, at times and rarely: short ones go through more of the language in a second.
const LIMITS: [usize; 3] = [1_200, 8_000, 60_000];

/// A new text from one of a corpus, with pieces of others.
pub(crate) fn mutate(corpus: &[String], numbers: &mut Numbers) -> String {
    let limit = match numbers.below(200) {
        0 => LIMITS[2],
        1..8 => LIMITS[1],
        _ => LIMITS[0],
    };
    let mut text = cut(pick(corpus, numbers), limit).to_owned();
    for _ in 0..1 + numbers.below(4) {
        let other = cut(pick(corpus, numbers), limit);
        text = step(&text, other, limit, numbers);
        text.truncate(cut(&text, limit).len());
    }
    text
}

/// A text of a corpus, rather a short one.
fn pick<'c>(corpus: &'c [String], numbers: &mut Numbers) -> &'c str {
    let (a, b) = (&corpus[numbers.below(corpus.len())], &corpus[numbers.below(corpus.len())]);
    if a.len() < b.len() { a } else { b }
}

fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn step(text: &str, other: &str, limit: usize, numbers: &mut Numbers) -> String {
    let words = words(text);
    if words.is_empty() {
        return other.to_owned();
    }
    let at = numbers.below(words.len());
    let second = numbers.below(words.len());
    let mut pieces: Vec<Cow<'_, str>> = words.iter().map(|word| Cow::Borrowed(*word)).collect();
    match numbers.below(14) {
        0 => drop(pieces.remove(at)),
        1 => pieces.swap(at, second),
        2 => pieces[at] = pieces[second].clone(),
        3 => pieces.insert(at, pieces[second].clone()),
        4 => pieces[at] = numbers.of(ODD).into(),
        5 => pieces.insert(at, numbers.of(ODD).into()),
        6 => return splice(&words, other, numbers),
        7 => return splice(&words, text, numbers),
        8 => nest(&mut pieces, at, limit, numbers),
        9 => pieces.truncate(at + 1),
        10 => return items(text, other, numbers),
        11 => {
            let (from, to) = subtree(&words, at);
            let part = words[from..to].concat();
            let count = (1 << numbers.below(10)).min(limit / part.len());
            let between = numbers.of(&[", ", "\n", "\n  ", " ++ ", " ", "."]);
            let repeated = vec![part; count].join(between);
            return [&words[..from].concat(), &repeated, &words[to..].concat()].map(String::as_str).concat();
        }
        12 => {
            let (from, to) = subtree(&words, at);
            pieces.drain(from..to);
        }
        _ => {
            // A bit of a byte, where a letter stays a letter.
            let mut bytes = pieces[at].as_bytes().to_vec();
            let byte = numbers.below(bytes.len());
            bytes[byte] ^= 1 << numbers.below(7);
            pieces[at] = String::from_utf8_lossy(&bytes).into_owned().into();
        }
    }
    pieces.concat()
}

/// Puts brackets, operators or texts around a piece, many times.
fn nest(pieces: &mut [Cow<'_, str>], at: usize, limit: usize, numbers: &mut Numbers) {
    let (open, close) = numbers.of(&[
        &("(", ")"),
        &("[", "]"),
        &("{ a = ", " }"),
        &("f(", ")"),
        &("not ", ""),
        &("-", ""),
        &("1 + ", ""),
        &("a.", ""),
        &("", ".a"),
        &("", "[0]"),
        &("", "()"),
        &("", " with { a = 1 }"),
        &("if true then ", " else 1"),
        &("[for x in ", ": x]"),
        &("\"@{", "}\""),
        &("@\"\"\"@{", "}\"\"\""),
        &("List[", "]"),
        &("", "?"),
        &("f { a = ", " }"),
        &("", " or false"),
        &("[1] ++ ", ""),
    ]);
    let count = (1 << numbers.below(13)).min(limit / (open.len() + close.len()));
    pieces[at] = [&open.repeat(count), &*pieces[at], &close.repeat(count)].concat().into();
}

/// A bracket of one text in the place of one of another.
fn splice(words: &[&str], other: &str, numbers: &mut Numbers) -> String {
    let others = self::words(other);
    if others.is_empty() {
        return words.concat();
    }
    let (from, to) = subtree(words, numbers.below(words.len()));
    let (first, last) = subtree(&others, numbers.below(others.len()));
    [&words[..from], &others[first..last], &words[to..]].concat().concat()
}

/// Items of two texts, one of them out of order, doubled or gone.
fn items(text: &str, other: &str, numbers: &mut Numbers) -> String {
    let cut = |text: &str| -> Vec<String> {
        let mut items: Vec<String> = Vec::new();
        for line in text.split_inclusive('\n') {
            match items.last_mut() {
                Some(last) if line.starts_with([' ', '}', ')', ']', '\n', '\t']) => last.push_str(line),
                _ => items.push(line.to_owned()),
            }
        }
        items
    };
    let mut items = cut(text);
    let others = cut(other);
    if items.is_empty() || others.is_empty() {
        return other.to_owned();
    }
    let at = numbers.below(items.len());
    match numbers.below(4) {
        0 => items.insert(at, others[numbers.below(others.len())].clone()),
        1 => {
            let same = items[at].clone();
            items.extend(vec![same; 1 << numbers.below(8)]);
        }
        2 => {
            let second = numbers.below(items.len());
            items.swap(at, second);
        }
        _ => drop(items.remove(at)),
    }
    items.concat()
}

/// The words from `at` to where its bracket closes; `at` alone when it opens none.
fn subtree(words: &[&str], at: usize) -> (usize, usize) {
    let mut open = 0usize;
    for (index, word) in words[at..].iter().enumerate() {
        match *word {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            return (at, at + index + 1);
        }
    }
    (at, words.len())
}

/// Words, blanks and single signs.
fn words(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        _ if c.is_alphanumeric() || c == '_' => 1,
        ' ' => 2,
        _ => 0,
    };
    let mut words = Vec::new();
    let mut start = 0;
    let mut before = 0;
    for (at, letter) in text.char_indices() {
        let kind = kind(letter);
        if at > start && (kind == 0 || kind != before) {
            words.push(&text[start..at]);
            start = at;
        }
        before = kind;
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}
