//! What lines of shell say about packages and about equal files. No shell is run and little of one is understood: a line that
//! isn't plain stays as it is.

use super::Note;
use super::jobs::Line;

/// What lines install.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Installed {
    /// By name.
    pub(super) packages: Vec<String>,
    /// As what source packages need to be built.
    pub(super) build_depends: Vec<String>,
}

/// A statement about files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// These paths and patterns are of equal files.
    Same(Vec<String>),
    /// A file has this sha256.
    Digest(String, String),
}

/// Options of programs that compare which are followed by a word of their own.
const VALUED: [&str; 9] =
    ["--exclude", "-x", "--html", "--text", "--markdown", "--json", "--html-dir", "--max-report-size", "-n"];

/// A line without what it does about packages; nothing when nothing else is left.
pub(super) fn without_apt(line: &Line, installed: &mut Installed, notes: &mut Vec<Note>) -> Option<Line> {
    let mut kept = Vec::new();
    let mut changed = false;
    for logical in logical_lines(&line.text) {
        let segments: Vec<&str> = logical.split("&&").map(str::trim).collect();
        let alone: Vec<&str> =
            segments.iter().flat_map(|segment| segment.split(';')).map(str::trim).collect();
        if alone.iter().filter(|part| !part.is_empty()).all(|part| is_apt(part)) && !logical.trim().is_empty()
        {
            changed = true;
            for part in alone {
                install(part, line.line, installed, notes);
            }
        } else if segments.iter().any(|segment| is_apt(segment) && !segment.contains(';')) {
            changed = true;
            let rest: Vec<&str> = segments.iter().copied().filter(|segment| !is_apt(segment)).collect();
            for segment in segments.iter().filter(|segment| is_apt(segment)) {
                install(segment, line.line, installed, notes);
            }
            kept.push(rest.join(" && "));
        } else {
            kept.push(logical);
        }
    }
    if !changed {
        return Some(line.clone());
    }
    kept.retain(|line| !line.trim().is_empty());
    (!kept.is_empty()).then(|| Line { line: line.line, text: kept.join("\n") })
}

/// Lines, those that end in a backslash joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some(last) => last.push_str(part.trim_start()),
            None => lines.push(part.to_owned()),
        }
        open = goes_on;
    }
    lines
}

/// The words of a command after what only prepares it.
fn command(text: &str) -> Vec<String> {
    let mut words = words(text);
    let prepares = |word: &String| {
        let assigns = word
            .split_once('=')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        assigns || ["sudo", "env", "eatmydata", "time", "-E"].contains(&word.as_str())
    };
    let from = words.iter().position(|word| !prepares(word)).unwrap_or(words.len());
    words.drain(..from);
    words
}

fn is_apt(text: &str) -> bool {
    let words = command(text);
    let Some(first) = words.first() else { return words_of_apt(text) };
    match first.as_str() {
        "apt-get" | "apt" | "aptitude" => true,
        "export" => words.iter().skip(1).all(|word| word.starts_with("DEBIAN_FRONTEND=")),
        "rm" => {
            words.iter().any(|word| word.starts_with("/var/lib/apt") || word.starts_with("/var/cache/apt"))
        }
        _ => false,
    }
}

/// Whether a line only sets what apt reads.
fn words_of_apt(text: &str) -> bool {
    let words = words(text);
    !words.is_empty() && words.iter().all(|word| word.starts_with("DEBIAN_FRONTEND="))
}

fn install(text: &str, line: usize, installed: &mut Installed, notes: &mut Vec<Note>) {
    let words = command(text);
    if !words.first().is_some_and(|word| ["apt-get", "apt", "aptitude"].contains(&word.as_str())) {
        return;
    }
    let mut plain = Vec::new();
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        if ["-o", "-t", "-c", "--target-release", "--option"].contains(&word.as_str()) {
            rest.next();
        } else if !word.starts_with('-') {
            plain.push(word.as_str());
        }
    }
    let Some((verb, names)) = plain.split_first() else { return };
    let list = match *verb {
        "install" | "satisfy" => &mut installed.packages,
        "build-dep" => &mut installed.build_depends,
        "upgrade" | "dist-upgrade" | "full-upgrade" => {
            notes.push(Note::new(line, "an upgrade: a snapshot holds each package as it was at its instant"));
            return;
        }
        _ => return,
    };
    for name in names {
        let bare = name.split(['=', '/', ':']).next().unwrap_or_default();
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        let is_name = bare.len() > 1
            && bare.chars().all(letter)
            && bare.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !is_name {
            notes.push(Note::new(
                line,
                format!("`{name}` isn't the name of a package: name what it stands for in `packages`"),
            ));
            continue;
        }
        if bare != *name {
            notes.push(Note::new(
                line,
                format!("`{name}`: which version a package has is the snapshot's to say"),
            ));
        }
        if !list.iter().any(|known| known == bare) {
            list.push(bare.to_owned());
        }
    }
}

/// What a line needs the network for, if it does.
pub(super) fn network(text: &str) -> Option<&'static str> {
    const WORDS: [&str; 11] = [
        "curl ",
        "wget ",
        "git clone",
        "git fetch",
        "git submodule update",
        "pip install",
        "pip3 install",
        "npm ",
        "guix ",
        "cargo install",
        "go install",
    ];
    let text = format!("{text} ");
    WORDS.into_iter().find(|word| text.contains(word)).map(str::trim_end)
}

/// What the lines of a script say of files.
pub(super) fn claims(text: &str) -> Vec<Claim> {
    let mut found = Vec::new();
    for logical in logical_lines(text) {
        let loops = logical.trim_start().starts_with("for ") && compares(&logical);
        if loops {
            found.extend(of_loop(&logical));
        } else {
            found.extend(of_line(&logical));
        }
    }
    found
}

/// Whether a line compares anything, whatever can be made of it.
pub(super) fn compares(text: &str) -> bool {
    words(text).iter().any(|word| {
        let word = word.trim_start_matches("$(").trim_start_matches(['(', '!', '`']);
        ["cmp", "diff", "diffoscope", "sha256sum", "sha512sum", "sha1sum", "md5sum"].contains(&word)
    })
}

fn of_loop(line: &str) -> Option<Claim> {
    let list = line.split_once(" in ")?.1.split([';', '\n']).next()?;
    let paths: Vec<String> = words(list).into_iter().filter(|word| is_path(word)).collect();
    (!paths.is_empty()).then_some(Claim::Same(paths))
}

fn of_line(line: &str) -> Vec<Claim> {
    let digest = hex(line);
    if let Some((digest, after)) = digest
        && line.contains("sha256sum")
    {
        return of_digest(line, digest, after).into_iter().collect();
    }
    let mut found = Vec::new();
    let mut sums = Vec::new();
    for segment in line.split(['|', ';', '(', ')', '`']).flat_map(|part| part.split("&&")) {
        let words = command(segment);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .skip_while(|word| ["!", "if", "then", "while", "$"].contains(word))
            .collect();
        let Some((first, rest)) = words.split_first() else { continue };
        let mut paths = Vec::new();
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            if matches!(*word, ">" | ">>" | "2>") || VALUED.contains(word) {
                rest.next();
            } else if is_path(word) {
                paths.push((*word).trim_start_matches('<').to_owned());
            }
        }
        match *first {
            "cmp" | "diff" | "diffoscope" if paths.len() == 2 => found.push(Claim::Same(paths)),
            "sha256sum" => sums.extend(paths),
            _ => {}
        }
    }
    if sums.len() > 1 || sums.iter().any(|path| path.contains('*')) {
        found.push(Claim::Same(sums));
    }
    found
}

/// `echo "DIGEST  path" | sha256sum -c`, or `test "$(sha256sum path …)" = DIGEST`.
fn of_digest(line: &str, digest: &str, after: &str) -> Option<Claim> {
    let named = after.trim_start_matches([' ', '*']);
    let named = named.split(['"', '\'', ' ', '|', '\\', ')']).next().unwrap_or_default();
    if after.starts_with(' ') && is_path(named) && !named.starts_with(['=', ']', '&']) {
        return Some(Claim::Digest(named.to_owned(), digest.to_owned()));
    }
    let rest = line.split("sha256sum").nth(1)?;
    let rest = rest.split(['|', ')', '`', ';']).next()?;
    let path = words(rest)
        .into_iter()
        .map(|word| word.trim_start_matches('<').to_owned())
        .find(|word| is_path(word))?;
    Some(Claim::Digest(path, digest.to_owned()))
}

/// The first sixty-four hexadecimal digits that stand alone, and what follows them.
fn hex(line: &str) -> Option<(&str, &str)> {
    const DIGITS: usize = 64;
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut from = 0;
    while let Some(at) = line[from..].find(is_hex).map(|at| at + from) {
        let length = line[at..].find(|c: char| !is_hex(c)).unwrap_or(line.len() - at);
        if length == DIGITS {
            return Some((&line[at..at + DIGITS], &line[at + DIGITS..]));
        }
        from = at + length;
    }
    None
}

fn is_path(word: &str) -> bool {
    let word = word.trim_start_matches('<');
    !word.is_empty()
        && !word.starts_with(['-', '>', '$', '&', '2', '='])
        && !["||", "true", "|", "]", "do", "done"].contains(&word)
}

/// The words of a line, without quotes and backslashes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut begun, mut quote) = (String::new(), false, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), letter) => word.push(letter),
            (None, '"' | '\'') => (quote, begun) = (Some(letter), true),
            (None, '\\') => word.extend(letters.next()),
            (None, letter) if letter.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, letter) => word.push(letter),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apt(text: &str) -> (Option<String>, Vec<String>, usize) {
        let (mut installed, mut notes) = (Installed::default(), Vec::new());
        let left = without_apt(&Line { line: 1, text: text.to_owned() }, &mut installed, &mut notes);
        (left.map(|line| line.text), installed.packages, notes.len())
    }

    #[test]
    fn packages_are_taken_out_of_lines() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let line = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc make";
        assert_eq!(apt(line), (None, names(&["gcc", "make"]), 0));
        assert_eq!(apt("apt-get update; apt-get -y install git"), (None, names(&["git"]), 0));
        assert_eq!(
            apt("apt install -y \\\n  git \\\n  make\n./run"),
            (Some("./run".to_owned()), names(&["git", "make"]), 0)
        );
        assert_eq!(apt("apt-get update && ./configure"), (Some("./configure".to_owned()), names(&[]), 0));
        assert_eq!(apt("apt-get install -y git=1:2.39 $MORE"), (None, names(&["git"]), 2));
        assert_eq!(apt("make \\\n  check").0.as_deref(), Some("make \\\n  check"));
        assert_eq!(
            apt("if x; then apt-get install a; fi").0.as_deref(),
            Some("if x; then apt-get install a; fi")
        );
    }

    #[test]
    fn claims_are_read_from_lines() {
        let same = |paths: &[&str]| vec![Claim::Same(paths.iter().map(|path| (*path).to_owned()).collect())];
        assert_eq!(claims("cmp a/x.tar.gz b/x.tar.gz"), same(&["a/x.tar.gz", "b/x.tar.gz"]));
        assert_eq!(claims("diff -r -u 'a b' c || exit 1"), same(&["a b", "c"]));
        assert_eq!(claims("diffoscope --html report.html a b"), same(&["a", "b"]));
        assert_eq!(claims("if ! cmp a b; then exit 1; fi"), same(&["a", "b"]));
        assert_eq!(
            claims("test $(sha256sum out-*/x | cut -d' ' -f1 | sort -u | wc -l) = 1"),
            same(&["out-*/x"])
        );
        assert_eq!(claims("for f in out-*/x; do cmp $f first; done"), same(&["out-*/x"]));
        let digest = "bc2df2d868f141bca5f3625aa146aa0f24871f6dcf0b48ff497eba3bb5219b84";
        let claim = vec![Claim::Digest("a-1.tar.gz".to_owned(), digest.to_owned())];
        assert_eq!(claims(&format!("echo \"{digest}  a-1.tar.gz\" | sha256sum -c")), claim);
        assert_eq!(claims(&format!("test \"$(sha256sum a-1.tar.gz | cut -d' ' -f1)\" = {digest}")), claim);
        assert_eq!(claims("sha256sum a"), []);
        assert_eq!(claims("echo cmp is good"), []);
    }
}
