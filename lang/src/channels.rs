//! `channels.scm`: the channels of a Guix, each at a commit, as `guix describe -f channels` prints them. It is a
//! program of Scheme to Guix; here it is read as the data that it is when printed, and nothing in it is run.
//!
//! ```scheme
//! (list (channel
//!         (name 'guix)
//!         (url "https://git.guix.gnu.org/guix.git")
//!         (branch "master")
//!         (commit "6b4e8d1d7f6a4c0e3a1f0b7d6a5c4e3f2d1c0b9a")
//!         (introduction
//!           (make-channel-introduction
//!             "9edb3f66fd807b096b48283debdcddccfea34bad"
//!             (openpgp-fingerprint "BBB0 2DDF 2CEA F6A8 0D1D  E643 A2A0 6DF2 A33A 54FA")))))
//! ```

use crate::lock::{Channel, is_commit};

/// The most channels that a file names.
const CHANNELS: usize = 100;

/// The greatest file, in bytes.
const SIZE: usize = 1 << 20;

/// How deep parentheses may nest.
const DEPTH: usize = 32;

/// Why a file names no channels at commits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ChannelError {
    /// The line, from one.
    pub line: usize,
    /// A lower-case sentence.
    pub message: String,
    /// Whether all is well but a commit is missing.
    pub unpinned: bool,
}

/// The channels of a file, sorted by name. One of them is `guix`.
pub fn parse(text: &str) -> Result<Vec<Channel>, ChannelError> {
    if text.len() > SIZE {
        return Err(wrong(1, format!("the file is longer than {SIZE} bytes")));
    }
    let mut reader = Reader { rest: text, line: 1 };
    let mut top = None;
    // What a program would need to know of channels is said here already.
    while let Some(form) = reader.form(0)? {
        top = Some(form);
        if top.as_ref().is_some_and(|form| form.call("use-modules").is_none()) {
            break;
        }
    }
    let Some(top) = top else { return Err(wrong(1, "the file is empty")) };
    if let Some(more) = reader.form(0)? {
        return Err(wrong(more.line, "a second expression, where one list of channels is expected"));
    }
    let Shape::List(forms) = &top.shape else {
        return Err(wrong(top.line, "not a list of channels"));
    };
    match forms.split_first() {
        Some((head, channels)) if head.is_symbol("list") => all(channels, top.line),
        _ => Err(wrong(top.line, "not `(list (channel …) …)`: only channels written out can be read")),
    }
}

fn all(forms: &[Form], line: usize) -> Result<Vec<Channel>, ChannelError> {
    if forms.len() > CHANNELS {
        return Err(wrong(line, format!("more than {CHANNELS} channels")));
    }
    let mut channels = forms.iter().map(channel).collect::<Result<Vec<_>, _>>()?;
    channels.sort();
    if let Some(pair) = channels.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(wrong(line, format!("two channels are called `{}`", pair[0].name)));
    }
    match channels.iter().any(|channel| channel.name == "guix") {
        true => Ok(channels),
        false => Err(wrong(line, "no channel is called `guix`")),
    }
}

fn channel(form: &Form) -> Result<Channel, ChannelError> {
    let fields = form.call("channel").ok_or_else(|| {
        wrong(
            form.line,
            "not `(channel (name '…) (url \"…\") (commit \"…\"))`: what is computed can't be read",
        )
    })?;
    let (mut name, mut url, mut branch, mut commit, mut introduction) = (None, None, None, None, None);
    for field in fields {
        let (known, place) = match field.head() {
            Some("name") => (field.one().and_then(Form::quoted), &mut name),
            Some("url") => (field.one().and_then(Form::text), &mut url),
            Some("branch") => (field.one().and_then(Form::text), &mut branch),
            Some("commit") => (field.one().and_then(Form::text), &mut commit),
            Some("introduction") => {
                introduction = Some(field.one().and_then(introduced).ok_or_else(|| {
                    wrong(
                        field.line,
                        "not `(make-channel-introduction \"COMMIT\" (openpgp-fingerprint \"…\"))`",
                    )
                })?);
                continue;
            }
            Some(other) => return Err(wrong(field.line, format!("a channel has no `{other}`"))),
            None => return Err(wrong(field.line, "not a field of a channel")),
        };
        let known = known.ok_or_else(|| {
            wrong(field.line, format!("`{}` is not written out", field.head().unwrap_or_default()))
        })?;
        if place.replace(known.to_owned()).is_some() {
            let head = field.head().unwrap_or_default();
            return Err(wrong(field.line, format!("`{head}` twice in one channel")));
        }
    }
    let name = name.ok_or_else(|| wrong(form.line, "a channel without a name"))?;
    let url = url.ok_or_else(|| wrong(form.line, format!("channel `{name}` has no `url`")))?;
    if !(url.starts_with("https://") || url.starts_with("http://")) || odd(&url) {
        let message = format!("channel `{name}` is not at an `https://` address but at `{url}`");
        return Err(wrong(form.line, message));
    }
    let branch = branch.filter(|branch: &String| !branch.is_empty());
    if name.is_empty() || odd(&name) || branch.as_deref().is_some_and(odd) {
        return Err(wrong(form.line, "a channel's name or branch holds blanks"));
    }
    let commit: String = commit.ok_or_else(|| ChannelError {
        unpinned: true,
        ..wrong(form.line, format!("channel `{name}` is at no commit"))
    })?;
    if !is_commit(&commit) {
        let message =
            format!("`{commit}` is not the full id of a commit: 40 of the digits 0 to 9 and a to f");
        return Err(ChannelError { unpinned: true, ..wrong(form.line, message) });
    }
    Ok(Channel { name, commit, url: Some(url), branch, introduction })
}

/// The commit and the fingerprint, without blanks, of an introduction.
fn introduced(form: &Form) -> Option<(String, String)> {
    let [commit, key] = form.call("make-channel-introduction")? else { return None };
    let [fingerprint] = key.call("openpgp-fingerprint")? else { return None };
    let fingerprint: String =
        fingerprint.text()?.chars().filter(|letter| *letter != ' ').collect::<String>().to_uppercase();
    let whole = fingerprint.len() == 40 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
    let commit = commit.text().filter(|commit| is_commit(commit))?;
    whole.then(|| (commit.to_owned(), fingerprint))
}

/// Whether a text can't stand where it is put: in a line of the lock, in a text of Scheme.
fn odd(text: &str) -> bool {
    text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "\"\\".contains(letter))
}

fn wrong(line: usize, message: impl Into<String>) -> ChannelError {
    ChannelError { line, message: message.into(), unpinned: false }
}

/// An expression and its line.
struct Form {
    line: usize,
    shape: Shape,
}

enum Shape {
    List(Vec<Form>),
    Text(String),
    Symbol(String),
}

impl Form {
    fn is_symbol(&self, name: &str) -> bool {
        matches!(&self.shape, Shape::Symbol(symbol) if symbol == name)
    }

    /// What follows `name` in `(name …)`.
    fn call(&self, name: &str) -> Option<&[Form]> {
        let Shape::List(forms) = &self.shape else { return None };
        let (head, rest) = forms.split_first()?;
        head.is_symbol(name).then_some(rest)
    }

    fn head(&self) -> Option<&str> {
        let Shape::List(forms) = &self.shape else { return None };
        match &forms.first()?.shape {
            Shape::Symbol(name) => Some(name),
            _ => None,
        }
    }

    /// The one thing behind the head.
    fn one(&self) -> Option<&Form> {
        match &self.shape {
            Shape::List(forms) if forms.len() == 2 => forms.get(1),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        if let Shape::Text(text) = &self.shape { Some(text) } else { None }
    }

    /// `'name` or `(quote name)`.
    fn quoted(&self) -> Option<&str> {
        match self.call("quote")? {
            [Form { shape: Shape::Symbol(name), .. }] => Some(name),
            _ => None,
        }
    }
}

/// Reads expressions from a text.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    /// The next expression; none at the end.
    fn form(&mut self, depth: usize) -> Result<Option<Form>, ChannelError> {
        self.blank();
        let line = self.line;
        if depth > DEPTH {
            return Err(wrong(line, "too many parentheses in each other"));
        }
        let shape = match self.rest.chars().next() {
            None => return Ok(None),
            Some('(') => {
                self.take(1);
                Shape::List(self.forms(depth, line)?)
            }
            Some(')') => return Err(wrong(line, "a `)` that closes nothing")),
            Some('\'') => {
                self.take(1);
                let quoted = self.form(depth + 1)?.ok_or_else(|| wrong(line, "a `'` with nothing behind"))?;
                Shape::List(vec![Form { line, shape: Shape::Symbol("quote".to_owned()) }, quoted])
            }
            Some('"') => Shape::Text(self.quoted()?),
            Some(_) => {
                let ends = |letter: char| letter.is_whitespace() || "()\";'".contains(letter);
                let end = self.rest.find(ends).unwrap_or(self.rest.len());
                Shape::Symbol(self.take(end).to_owned())
            }
        };
        Ok(Some(Form { line, shape }))
    }

    fn forms(&mut self, depth: usize, line: usize) -> Result<Vec<Form>, ChannelError> {
        let mut forms = Vec::new();
        loop {
            self.blank();
            if self.rest.starts_with(')') {
                self.take(1);
                return Ok(forms);
            }
            match self.form(depth + 1)? {
                Some(form) => forms.push(form),
                None => return Err(wrong(line, "a `(` that is never closed")),
            }
        }
    }

    fn quoted(&mut self) -> Result<String, ChannelError> {
        let line = self.line;
        self.take(1);
        let mut text = String::new();
        loop {
            let Some(letter) = self.rest.chars().next() else {
                return Err(wrong(line, "a text that never ends"));
            };
            self.take(letter.len_utf8());
            match letter {
                '"' => return Ok(text),
                '\\' => match self.rest.chars().next() {
                    Some(escaped @ ('"' | '\\')) => {
                        self.take(1);
                        text.push(escaped);
                    }
                    _ => return Err(wrong(self.line, "an escape in a text that can't be read")),
                },
                other => text.push(other),
            }
        }
    }

    /// Skips blanks and comments.
    fn blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            if !self.rest.starts_with(';') {
                return;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(end);
        }
    }

    fn take(&mut self, count: usize) -> &str {
        let (taken, rest) = self.rest.split_at(count);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "6b4e8d1d7f6a4c0e3a1f0b7d6a5c4e3f2d1c0b9a";

    fn guix(fields: &str) -> String {
        format!(
            "; made by guix describe\n(list (channel\n  (name 'guix)\n  (url \"https://git.example/guix\")\n{fields}))\n"
        )
    }

    #[test]
    fn channels_are_read_as_guix_describes_them() {
        let text = guix(&format!(
            "(branch \"master\")(commit\n \"{COMMIT}\")\n(introduction (make-channel-introduction \"{COMMIT}\" \
             (openpgp-fingerprint \"BBB0 2DDF 2CEA F6A8 0D1D  E643 A2A0 6DF2 A33A 54FA\")))"
        ));
        let channels = parse(&text).unwrap();
        assert_eq!(channels.len(), 1);
        assert_eq!((channels[0].name.as_str(), channels[0].commit.as_str()), ("guix", COMMIT));
        assert_eq!(channels[0].branch.as_deref(), Some("master"));
        let key = "BBB02DDF2CEAF6A80D1DE643A2A06DF2A33A54FA";
        assert_eq!(channels[0].introduction, Some((COMMIT.to_owned(), key.to_owned())));
    }

    proptest::proptest! {
        #[test]
        fn texts_never_panic(text in "[()\"'#;\\\\ a0\n]{0,200}", any in "\\PC{0,100}") {
            let _ = parse(&text);
            let _ = parse(&any);
            let _ = parse(&guix(&text));
        }
    }

    #[test]
    fn what_is_no_list_of_channels_at_commits_is_refused_by_line() {
        let refused = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(refused(""), "line 1: the file is empty");
        assert_eq!(refused("(list"), "line 1: a `(` that is never closed");
        assert_eq!(refused("\n\"a"), "line 2: a text that never ends");
        assert_eq!(refused("%default-channels"), "line 1: not a list of channels");
        assert!(refused("(cons* (channel) %default-channels)").contains("only channels written out"));
        assert!(refused("(list (system* \"true\"))").contains("what is computed can't be read"));
        assert_eq!(refused(&guix("")), "line 2: channel `guix` is at no commit");
        assert!(parse(&guix("")).unwrap_err().unpinned);
        assert!(parse(&guix("(commit \"6b4e8d1\")")).unwrap_err().unpinned);
        assert_eq!(refused(&guix("(inherit guix)")), "line 5: a channel has no `inherit`");
        assert_eq!(refused(&guix("(commit master)")), "line 5: `commit` is not written out");
        let local = guix(&format!("(commit \"{COMMIT}\")")).replace("https://git.example/guix", "/etc");
        assert!(refused(&local).contains("not at an `https://` address"));
        assert!(refused(&"(".repeat(100_000)).contains("too many parentheses"));
    }
}
