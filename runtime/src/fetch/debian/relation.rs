//! Relations between packages as control fields have them: `a (>= 1) | b:any [amd64] <!nocheck>, c`.
//!
//! Splits a field into its alternatives without copying and says which versions satisfy one. Knows no package.

use super::version;

/// What a version must be, compared with the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Anything.
    Any,
    /// `<<`
    Earlier,
    /// `<=` (and the old `<`)
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=` (and the old `>`)
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Op {
    /// Whether a version satisfies this against another; a provision without a version satisfies only `Any`.
    pub fn holds(self, version: Option<&str>, against: &str) -> bool {
        if self == Op::Any {
            return true;
        }
        let Some(version) = version else { return false };
        let order = version::compare(version, against);
        match self {
            Op::Any => true,
            Op::Earlier => order.is_lt(),
            Op::EarlierOrEqual => order.is_le(),
            Op::Equal => order.is_eq(),
            Op::LaterOrEqual => order.is_ge(),
            Op::Later => order.is_gt(),
        }
    }

    /// How it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Op::Any => "",
            Op::Earlier => "<<",
            Op::EarlierOrEqual => "<=",
            Op::Equal => "=",
            Op::LaterOrEqual => ">=",
            Op::Later => ">>",
        }
    }
}

/// One alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atom<'a> {
    /// The package.
    pub name: &'a str,
    /// What follows its colon: `any`, `native`, an architecture.
    pub qualifier: Option<&'a str>,
    /// How versions are compared.
    pub op: Op,
    /// With which.
    pub version: &'a str,
    /// What is between `[` and `]`: the architectures it is for.
    pub architectures: Option<&'a str>,
    /// From the first `<` to the last `>`: the build profiles it is for.
    pub profiles: &'a str,
    /// Another alternative follows.
    pub or: bool,
}

/// A field that can't be read: what is left of it where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no relation can be read at `{0}`")]
pub struct Malformed(pub String);

/// The alternatives of a field in order; `or` says which belong together. Empty items are passed over.
pub fn atoms(field: &str) -> impl Iterator<Item = Result<Atom<'_>, Malformed>> {
    let mut rest = field.trim_ascii_start();
    std::iter::from_fn(move || {
        while let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return None;
        }
        let Some((atom, after)) = atom(rest) else {
            let wrong = rest.chars().take(40).collect();
            rest = "";
            return Some(Err(Malformed(wrong)));
        };
        rest = after;
        Some(Ok(atom))
    })
}

/// Reads one alternative; gives it and what follows. Indexes hold hundreds of thousands, so it looks at bytes.
fn atom(text: &str) -> Option<(Atom<'_>, &str)> {
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b'[' | b']' | b'<' | b'>' | b',' | b'|')
    };
    let end = text.as_bytes().iter().position(ends).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let (name, qualifier) =
        split(word, b':').map_or((word, None), |(name, qualifier)| (name, Some(qualifier)));
    if name.is_empty() {
        return None;
    }
    let mut atom =
        Atom { name, qualifier, op: Op::Any, version: "", architectures: None, profiles: "", or: false };
    let mut rest = rest.trim_ascii_start();
    if let Some(inner) = rest.strip_prefix('(') {
        let (inner, after) = split(inner, b')')?;
        (atom.op, atom.version) = comparison(inner.trim_ascii())?;
        rest = after.trim_ascii_start();
    }
    if let Some(inner) = rest.strip_prefix('[') {
        let (inner, after) = split(inner, b']')?;
        atom.architectures = Some(inner.trim_ascii());
        rest = after.trim_ascii_start();
    }
    if rest.starts_with('<') {
        let end = rest.find([',', '|']).unwrap_or(rest.len());
        let (profiles, after) = rest.split_at(end);
        atom.profiles = profiles.trim_ascii_end();
        if !atom.profiles.ends_with('>') {
            return None;
        }
        rest = after;
    }
    match rest.as_bytes().first() {
        None => {}
        Some(b',') => rest = &rest[1..],
        Some(b'|') => {
            atom.or = true;
            rest = &rest[1..];
        }
        Some(_) => return None,
    }
    Some((atom, rest.trim_ascii_start()))
}

/// What is before and after the first such byte, which is ASCII.
fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(at, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

fn comparison(text: &str) -> Option<(Op, &str)> {
    let (op, length) = match text.as_bytes() {
        [b'<', b'<', ..] => (Op::Earlier, 2),
        [b'>', b'>', ..] => (Op::Later, 2),
        [b'<', b'=', ..] => (Op::EarlierOrEqual, 2),
        [b'>', b'=', ..] => (Op::LaterOrEqual, 2),
        [b'=', ..] => (Op::Equal, 1),
        [b'<', ..] => (Op::EarlierOrEqual, 1),
        [b'>', ..] => (Op::LaterOrEqual, 1),
        _ => return None,
    };
    let version = text[length..].trim_ascii();
    (!version.is_empty()).then_some((op, version))
}

impl Atom<'_> {
    /// Whether it applies to builds on an architecture without any build profile.
    pub fn applies(&self, arch: &str) -> bool {
        let for_arch = self.architectures.is_none_or(|list| {
            let words = || list.split_ascii_whitespace();
            if words().any(|word| word.starts_with('!')) {
                !words().any(|word| matches_arch(arch, word.trim_start_matches('!')))
            } else {
                words().any(|word| matches_arch(arch, word))
            }
        });
        // Any of the lists must hold; a list holds when all it names is absent.
        let mut lists = self.profiles.split('<').skip(1).peekable();
        let for_profiles = lists.peek().is_none()
            || lists.any(|list| {
                list.trim_end()
                    .trim_end_matches('>')
                    .split_ascii_whitespace()
                    .all(|word| word.starts_with('!'))
            });
        for_arch && for_profiles
    }
}

/// Whether an architecture is meant by a name or wildcard: `amd64`, `any`, `linux-any`, `any-arm64`.
fn matches_arch(arch: &str, pattern: &str) -> bool {
    let cpu = match arch {
        "armhf" => "arm",
        other => other,
    };
    match pattern.split('-').collect::<Vec<_>>()[..] {
        [one] => one == "any" || one == arch,
        [os, what] => matches!(os, "linux" | "any") && (what == "any" || what == cpu || what == arch),
        [abi, os, what] => {
            let ours = if arch == "armhf" { "gnueabihf" } else { "gnu" };
            matches!(abi, "any" | "gnu" | "gnueabihf")
                && (abi == "any" || abi == ours)
                && matches!(os, "linux" | "any")
                && (what == "any" || what == cpu)
        }
        _ => false,
    }
}

impl std::fmt::Display for Atom<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if self.op != Op::Any {
            write!(f, " ({} {})", self.op.sign(), self.version)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(field: &str) -> Vec<Atom<'_>> {
        atoms(field).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn alternatives_versions_and_qualifiers() {
        let found = read("libc6 (>=2.36), python3:any |python3.11 (<< 3.12~) ,\n debhelper-compat (= 13) ,");
        let text: Vec<String> =
            found.iter().map(|atom| format!("{atom}{}", if atom.or { " |" } else { "" })).collect();
        assert_eq!(
            text,
            ["libc6 (>= 2.36)", "python3:any |", "python3.11 (<< 3.12~)", "debhelper-compat (= 13)"]
        );
        for wrong in ["a (", "a (>= )", "a )", "a b", "(>= 1)", "a [amd64", "a <nocheck"] {
            assert!(atoms(wrong).any(|atom| atom.is_err()), "{wrong}");
        }
    }

    #[test]
    fn architectures_and_profiles() {
        let applies = |field: &str, arch: &str| read(field)[0].applies(arch);
        assert!(applies("a [amd64 arm64]", "arm64") && !applies("a [i386]", "arm64"));
        assert!(applies("a [!i386 !s390x]", "arm64") && !applies("a [!linux-any]", "arm64"));
        assert!(
            applies("a [linux-any]", "armhf")
                && applies("a [any-arm]", "armhf")
                && !applies("a [any-i386]", "amd64")
        );
        assert!(!applies("a [kfreebsd-any]", "amd64") && !applies("a [hurd-i386]", "i386"));
        assert!(applies("a <!nocheck>", "amd64") && !applies("a <cross>", "amd64"));
        assert!(applies("a <cross> <!nodoc !nocheck>", "amd64") && !applies("a <!nodoc cross>", "amd64"));
    }

    #[test]
    fn versions_hold_or_not() {
        assert!(Op::LaterOrEqual.holds(Some("1.0-1"), "1.0") && !Op::Later.holds(Some("1.0-0"), "1.0"));
        assert!(Op::Any.holds(None, "") && !Op::Equal.holds(None, "1"));
    }

    proptest! {
        #[test]
        fn any_text_ends(text in ".*") {
            let count = atoms(&text).count();
            prop_assert!(count <= text.len());
        }

        #[test]
        fn what_is_written_is_read(name in "[a-z][a-z0-9+.-]{1,8}", version in "[0-9][a-z0-9.+~]{0,6}") {
            let text = format!("{name} (>= {version})");
            prop_assert_eq!(read(&text)[0].to_string(), text);
        }
    }
}
