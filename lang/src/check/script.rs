//! Variables that a shell script reads and that nothing sets.
//!
//! A guess that must never be wrong: a name is reported only when the script mentions it in no
//! other way than `$NAME` and `${NAME}`, outside single quotes, comments and here-documents, and
//! when nothing in the script could set variables behind its back. Whatever isn't understood
//! counts as setting everything.

use super::recipe::FIXED_VARIABLES;
use crate::nearest::nearest;

/// A variable that nothing sets.
#[derive(Debug, PartialEq)]
pub(super) struct Unset {
    /// Its name.
    pub name: String,
    /// Where `$NAME` stands in the source of the text.
    pub offset: usize,
    /// How long that is.
    pub length: usize,
    /// The declared name that may be meant.
    pub near: Option<String>,
}

/// Variables that shells set by themselves.
const OF_SHELLS: [&str; 37] = [
    "BASHPID",
    "BASH_SOURCE",
    "BASH_SUBSHELL",
    "BASH_VERSION",
    "COLUMNS",
    "COMP_LINE",
    "COPROC",
    "COPROC_PID",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "HOSTNAME",
    "HOSTTYPE",
    "IFS",
    "LANGUAGE",
    "LINENO",
    "LINES",
    "MACHTYPE",
    "OLDPWD",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PIPESTATUS",
    "PPID",
    "PS4",
    "PWD",
    "RANDOM",
    "REPLY",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "UID",
];

/// Commands after which any variable may be set.
const SETS_ANYTHING: [&str; 7] = ["eval", "getopts", "declare", "typeset", "mapfile", "readarray", "trap"];

/// What may stand before a command's name; elsewhere `.` is a folder.
const BEFORE_COMMANDS: [&str; 12] =
    ["", "!", "builtin", "command", "do", "elif", "else", "if", "then", "time", "until", "while"];

/// Commands that set the variables that their words name.
const SETTERS: [&str; 5] = ["export", "let", "local", "read", "readonly"];

/// The variables that a script reads and nothing sets. `whole` is whether all of it is known, `known` are the declared
/// variables, `source` the text as it stands in the file, quotes and indentation included.
pub(super) fn unset(script: &str, whole: bool, known: &[&str], source: &str) -> Vec<Unset> {
    if may_set_anything(script) {
        return Vec::new();
    }
    let Some(reads) = reads(script) else { return Vec::new() };
    let mut found: Vec<Unset> = Vec::new();
    for read in reads {
        let name = &read.name;
        if known.contains(&name.as_str())
            || FIXED_VARIABLES.contains(&name.as_str())
            || OF_SHELLS.contains(&name.as_str())
            || name.starts_with("RBLD_")
            || name.starts_with("LC_")
            || name.starts_with("BASH")
            || found.iter().any(|other| other.name == *name)
            || mentioned_otherwise(script, name)
        {
            continue;
        }
        let near = nearest(name, known.iter().copied()).map(str::to_owned);
        if near.is_none() && !whole {
            continue;
        }
        let pattern = &script[read.offset..read.offset + read.length];
        let before = script[..read.offset].matches(pattern).count();
        if let Some((offset, _)) = source.match_indices(pattern).nth(before) {
            found.push(Unset { name: name.clone(), offset, length: read.length, near });
        }
    }
    found
}

/// Where a script reads declared variables: the names, and where they stand in the source of the text.
pub(super) fn read_names(script: &str, known: &[&str], source: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for read in reads(script).unwrap_or_default() {
        if !known.contains(&read.name.as_str()) {
            continue;
        }
        let pattern = &script[read.offset..read.offset + read.length];
        let before = script[..read.offset].matches(pattern).count();
        if let Some((offset, _)) = source.match_indices(pattern).nth(before) {
            let sign = pattern.len() - pattern.trim_start_matches(['$', '{']).len();
            found.push((read.name, offset + sign));
        }
    }
    found
}

/// Whether a script has a command that sets variables by names that can't be seen.
fn may_set_anything(script: &str) -> bool {
    let ends_command = |letter: char| ";&|(){}`\n".contains(letter);
    script.split(ends_command).any(|command| {
        let mut setter = false;
        let mut before = "";
        for word in command.split_whitespace() {
            let plain = word.trim_start_matches(['\\', '"', '\'']).trim_end_matches(['"', '\'']);
            let first = BEFORE_COMMANDS.contains(&before) || before.contains('=');
            let sourced = first && [".", "source"].contains(&plain);
            if sourced || SETS_ANYTHING.contains(&plain) || before == "set" && plain.starts_with('+') {
                return true;
            }
            // `export $(cat env)` and `read "$name"`: the name itself is computed.
            let name = plain.split('=').next().unwrap_or_default();
            if setter && name.contains('$') {
                return true;
            }
            setter |= SETTERS.contains(&plain) || before == "printf" && plain == "-v";
            before = plain;
        }
        // The word that follows is a command substitution in backticks.
        SETTERS.contains(&before) && script.contains(&format!("{before} `"))
    })
}

/// Whether a name stands anywhere in the script but in `$NAME` and `${NAME}`.
fn mentioned_otherwise(script: &str, name: &str) -> bool {
    let is_letter =
        |letter: Option<u8>| letter.is_some_and(|letter| letter == b'_' || letter.is_ascii_alphanumeric());
    let bytes = script.as_bytes();
    script.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|index| bytes.get(index)).copied();
        let after = bytes.get(at + name.len()).copied();
        if is_letter(before) || is_letter(after) {
            return false;
        }
        let braced = before == Some(b'{') && at >= 2 && bytes[at - 2] == b'$' && after == Some(b'}');
        !(before == Some(b'$') || braced)
    })
}

/// `$NAME` or `${NAME}` in a script.
struct Read {
    name: String,
    offset: usize,
    length: usize,
}

/// What the scanner is inside of.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Double,
    /// `$(…)` or `(…)`.
    Parens,
    Backtick,
    /// `${…}`.
    Braces,
    /// `${…}` in double quotes, where a single quote is a letter.
    QuotedBraces,
    /// `case … esac` in `$(…)`, whose patterns end in `)`.
    Case,
    /// `$((…))` and `((…))`, where `<<` is a shift and `#` a base.
    Arithmetic,
}

/// What a script reads, where the shell would replace it; `None` when its quotes aren't understood.
fn reads(script: &str) -> Option<Vec<Read>> {
    let bytes = script.as_bytes();
    let mut reads = Vec::new();
    let mut stack: Vec<Inside> = Vec::new();
    let mut documents: Vec<(String, bool)> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let double = stack.last() == Some(&Inside::Double);
        let quoted = double || stack.last() == Some(&Inside::QuotedBraces);
        let counting = stack.last() == Some(&Inside::Arithmetic);
        let next = bytes.get(at + 1).copied();
        match byte {
            b'\\' => at += 2,
            b'\'' if !quoted => at += 2 + script.get(at + 1..)?.find('\'')?,
            b'$' if !quoted && next == Some(b'\'') => at = escaped(bytes, at + 2)?,
            b'"' => {
                match double {
                    true => drop(stack.pop()),
                    false => stack.push(Inside::Double),
                }
                at += 1;
            }
            b'`' => {
                match stack.iter().rposition(|inside| *inside == Inside::Backtick) {
                    Some(open) if open + 1 == stack.len() => drop(stack.pop()),
                    Some(_) => return None,
                    None => stack.push(Inside::Backtick),
                }
                at += 1;
            }
            b'#' if !quoted && !counting && starts_word(bytes, at) => {
                at += script[at..].find('\n').unwrap_or(bytes.len() - at)
            }
            b'$' => at = dollar(script, at, next, &mut stack, &mut reads),
            b'(' if !quoted && next == Some(b'(') && starts_word(bytes, at) => {
                stack.push(Inside::Arithmetic);
                at += 2;
            }
            b')' if counting && next == Some(b')') => {
                stack.pop();
                at += 2;
            }
            b'(' if !quoted => {
                stack.push(Inside::Parens);
                at += 1;
            }
            b')' if !quoted => {
                match stack.last() {
                    Some(Inside::Case) => {}
                    Some(Inside::Parens) => drop(stack.pop()),
                    // The end of a pattern of `case`.
                    None => {}
                    Some(_) => return None,
                }
                at += 1;
            }
            b'}' if matches!(stack.last(), Some(Inside::Braces | Inside::QuotedBraces)) => {
                stack.pop();
                at += 1;
            }
            b'<' if counting => at += 1,
            b'<' if !quoted && next == Some(b'<') && bytes.get(at + 2) == Some(&b'<') => at += 3,
            b'<' if !quoted && next == Some(b'<') => at = document(script, at + 2, &mut documents)?,
            b'\n' if !documents.is_empty() => at = skip_documents(script, at + 1, &mut documents)?,
            b'c' if stack.contains(&Inside::Parens) && !quoted && word_at(bytes, at, b"case") => {
                stack.push(Inside::Case);
                at += 4;
            }
            b'e' if stack.last() == Some(&Inside::Case) && word_at(bytes, at, b"esac") => {
                stack.pop();
                at += 4;
            }
            _ => at += 1,
        }
    }
    stack.is_empty().then_some(reads)
}

fn starts_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || matches!(bytes[at - 1], b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(')
}

/// Whether a word of its own stands here.
fn word_at(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    starts_word(bytes, at)
        && bytes[at..].starts_with(word)
        && bytes.get(at + word.len()).is_none_or(|after| b" \t\n;&|)".contains(after))
}

/// One past the end of `$'…'`, where a backslash keeps a quote from ending it.
fn escaped(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'\'' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// What follows a `$`; gives where to go on.
fn dollar(
    script: &str,
    at: usize,
    next: Option<u8>,
    stack: &mut Vec<Inside>,
    reads: &mut Vec<Read>,
) -> usize {
    let bytes = script.as_bytes();
    match next {
        Some(b'(') if bytes.get(at + 2) == Some(&b'(') => {
            stack.push(Inside::Arithmetic);
            at + 3
        }
        Some(b'(') => {
            stack.push(Inside::Parens);
            at + 2
        }
        Some(b'{') => {
            let end = name_end(bytes, at + 2);
            if end > at + 2 && bytes.get(end) == Some(&b'}') {
                reads.push(Read { name: script[at + 2..end].to_owned(), offset: at, length: end + 1 - at });
                return end + 1;
            }
            let quoted = matches!(stack.last(), Some(Inside::Double | Inside::QuotedBraces));
            stack.push(if quoted { Inside::QuotedBraces } else { Inside::Braces });
            end.max(at + 2)
        }
        _ => {
            let end = name_end(bytes, at + 1);
            if end > at + 1 {
                reads.push(Read { name: script[at + 1..end].to_owned(), offset: at, length: end - at });
                return end;
            }
            // `$1`, `$@`, `$$`, `$#` and kin are always set; the sign after is not a comment.
            at + if next.is_some_and(|sign| sign.is_ascii_punctuation() && !b"\"'`\\(){}".contains(&sign)) {
                2
            } else {
                1
            }
        }
    }
}

/// One past the name that begins at `from`; `from` itself when none does.
fn name_end(bytes: &[u8], from: usize) -> usize {
    let mut end = from;
    while bytes.get(end).is_some_and(|letter| {
        *letter == b'_' || letter.is_ascii_alphabetic() || end > from && letter.is_ascii_digit()
    }) {
        end += 1;
    }
    end
}

/// Reads the word after `<<`; gives where to go on.
fn document(script: &str, from: usize, documents: &mut Vec<(String, bool)>) -> Option<usize> {
    let rest = script.get(from..)?;
    let tabs = rest.starts_with('-');
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start_matches([' ', '\t']);
    let length =
        rest.find(|letter: char| letter.is_whitespace() || ";&|<>()".contains(letter)).unwrap_or(rest.len());
    let word: String = rest[..length].chars().filter(|letter| !"'\"\\".contains(*letter)).collect();
    if word.is_empty() {
        return None;
    }
    documents.push((word, tabs));
    Some(script.len() - rest.len() + length)
}

/// Skips the here-documents that begin with a line; gives where the script goes on.
fn skip_documents(script: &str, from: usize, documents: &mut Vec<(String, bool)>) -> Option<usize> {
    let mut at = from;
    for (word, tabs) in documents.drain(..) {
        loop {
            let rest = script.get(at..).filter(|rest| !rest.is_empty())?;
            let end = rest.find('\n').map_or(script.len(), |end| at + end + 1);
            let line = script[at..end].trim_end_matches('\n');
            at = end;
            if (if tabs { line.trim_start_matches('\t') } else { line }) == word {
                break;
            }
        }
    }
    // The newline is left for whoever reads on: nothing in it matters.
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(script: &str) -> Vec<String> {
        unset(script, true, &["tarball", "bundle", "VERSION"], script)
            .into_iter()
            .map(|unset| match unset.near {
                Some(near) => format!("{}→{near}", unset.name),
                None => unset.name,
            })
            .collect()
    }

    #[test]
    fn what_nothing_sets_is_found() {
        assert_eq!(names("echo $tarbal"), ["tarbal→tarball"]);
        assert_eq!(names("cp a \"${bundel}\"; cp b $bundel"), ["bundel→bundle"]);
        assert_eq!(names("echo \"$(basename \"$DESTDIR\")\""), ["DESTDIR"]);
        assert_eq!(names("x=$(cat $tarbal)"), ["tarbal→tarball"]);
        assert_eq!(names("x=$((1 << 2)); cp $tarbal b"), ["tarbal→tarball"]);
        assert_eq!(names("x=$(case a in a) cat $tarbal ;; esac)"), ["tarbal→tarball"]);
        assert_eq!(names("printf '%s\\n' \"$tarbal\""), ["tarbal→tarball"]);
        assert_eq!(names("tar -cf $tarbal ."), ["tarbal→tarball"]);
        assert_eq!(names("cp -R . source; ls $DESTDIR"), ["DESTDIR"]);
        assert_eq!(names("export A=$tarbal"), ["tarbal→tarball"]);
    }

    #[test]
    fn what_may_be_set_is_left_alone() {
        for script in [
            "echo $tarball $HOME $1 $@ $# $$ $? $! $- $RBLD_JOBS $LC_TIME",
            "tarbal=1; echo $tarbal",
            "read tarbal; echo $tarbal",
            "for tarbal in *; do echo $tarbal; done",
            "echo ${tarbal:-no} $tarbal",
            "awk '{ print $NF, $tarbal }'",
            "x=\"$(awk '{ print $NF }')\"",
            "echo \\$tarbal",
            "# $tarbal isn't used",
            "cat > Makefile <<'EOF'\n\techo $tarbal don't\nEOF\necho done",
            "cat <<-EOF\n\t$tarbal\n\tEOF\necho",
            ". ./env.sh; echo $DESTDIR",
            "eval \"$(cat env)\"; echo $DESTDIR",
            "set +u; echo $DESTDIR",
            "echo \"unbalanced $tarbal",
            "export DESTDIR; echo $DESTDIR",
            "case $VERSION in a) echo;; esac",
            "while getopts ab opt; do echo $OPTARG; done",
            "x=$'don\\'t'; awk '{ print $NF }'; echo 'it'",
            "echo \"${x:-it's}\"; awk '{ print $NF }'; echo \"${x:-it's}\"",
            "x=\"$(case $# in 0) awk '{ print $NF }' ;; esac)\"",
            "x=$((1 << 2)); awk '{ print $NF }' <<2\n2\n",
            "export $(cat env); echo $DESTDIR",
            "export `cat env`; echo $DESTDIR",
            "read -r \"$1\"; echo $DESTDIR",
            "printf -v \"$1\" %s x; echo $DESTDIR",
            ". /etc/os-release; echo $VERSIONS",
            "if true; then . ./env; fi; echo $DESTDIR",
            "A=1 . ./env; echo $DESTDIR",
            "echo $RANDOM $SECONDS $SHLVL",
            "echo ${#VERSION} ${VERSION%.*} ${VERSION/a/b}",
        ] {
            assert_eq!(names(script), [""; 0], "{script}");
        }
    }

    #[test]
    fn the_place_is_that_of_the_file() {
        let source = "\"\"\"\n    a\n    echo $tarbal\n    \"\"\"";
        let found = unset("a\necho $tarbal\n", true, &["tarball"], source);
        assert_eq!(&source[found[0].offset..found[0].offset + found[0].length], "$tarbal");
    }
}
