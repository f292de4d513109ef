//! Text whose two sides are the same but for what can be told: known values, times, paths, versions, random names.
//!
//! Each side is cut into plain text and marked pieces; if the plain text agrees and the pieces are of one kind, the
//! pieces that differ explain the place.

use std::borrow::Cow;
use std::sync::LazyLock;

use rbld_lang::vary::Axis;
use regex::bytes::Regex;

use super::super::difference::Leaf;
use super::context::Surroundings;
use super::{Class, Context, Look, Sighting, shown};

/// What a piece of text is told to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A value that a build is known to have had.
    Known(Axis),
    /// A date or a time of day.
    Time(&'static str),
    /// Something of the surroundings.
    Around(&'static str, &'static [Axis]),
    /// A version.
    Version(&'static str),
    /// Something drawn at random.
    Random(&'static str, &'static [Axis]),
    /// A checksum.
    Sum,
    /// A number that follows from others.
    Size,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Plain(Cow<'t, [u8]>),
    Marked(Kind, &'t [u8]),
}

/// The names of months as English and some other languages begin them.
const MONTH: &str = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez|fév|avr|jui|aoû|déc|ene|abr|ago|dic|gen|mag|giu|lug|set|ott|fev|out|jaa|vee|det|tam|hel|maa|huh|tou|kes|hei|elo|syy|lok|mrt|mei|sty|lut|kwi|maj|cze|lip|sie|wrz|paź|lis|gru)[^\\x00-\\x20/:;,()<>\"'0-9]{0,9}";

/// The names of days of the week, likewise; of Estonian the letters that `date` writes.
const WEEKDAY: &str = "(?:(?i:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lu|mar|mer|mié|jeu|jue|gio|ven|vie|sam|sab|sáb|dim|dom|seg|ter|qua|qui|sex|wo|zo|vr|ma|ke|to|pe|la|su)[^\\x00-\\x20/:;,()<>\"'0-9]{0,9}|[EKLNPRT])";

const ZONE: &str = "(?: ?(?:Z|UTC|GMT|[A-Z]{3,5}|[+-][0-9]{2}(?::?[0-9]{2})?))?";

/// Kinds and how they are written, those first that must not be taken for a later one.
static KINDS: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    use Kind::{Around, Random, Size, Sum, Time, Version};
    let clock = format!("[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]+)?)?(?: [AaPp][Mm])?{ZONE}");
    let weekday = format!("(?:\\b{WEEKDAY},? )?");
    let rows: Vec<(Kind, String)> = vec![
        (Random("a UUID", &[]), r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b".into()),
        (Sum, r"\b(?:[0-9a-f]{128}|[0-9a-f]{96}|[0-9a-f]{64}|[0-9a-f]{56}|[0-9a-f]{40}|[0-9a-f]{32})\b".into()),
        (Random("an address in memory", &[Axis::Aslr]), r"\b0x[0-9a-f]{6,16}\b".into()),
        (Random("a temporary name", &[]), r"/tmp/(?:tmp|cc|tmp\.)[A-Za-z0-9_]{6,10}\b(?:\.[a-z]+)?".into()),
        (Size, r"Installed-Size: [0-9]+".into()),
        (Time("a date"), format!(r"\b[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T ]{clock})?")),
        (Time("a date"), format!(r"{weekday}{MONTH} +[0-9]{{1,2}},? +(?:{clock} )?[0-9]{{4}}\b(?: {clock})?")),
        (Time("a date"), format!(r"{weekday}\b[0-9]{{1,2}}\.? ?{MONTH},? [0-9]{{4}}\b(?:,? {clock})?")),
        (Time("a date"), format!(r"\b[0-9]{{1,2}}[/.][0-9]{{1,2}}[/.](?:19|20)[0-9]{{2}}\b(?:,? {clock})?")),
        (
            Time("a date"),
            r"\b(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?:[T-]?[0-9]{4}(?:[0-9]{2})?(?:Z|[+-][0-9]{2}'?[0-9]{2}'?)?)?\b".into(),
        ),
        (Time("a time of day"), format!(r"\b[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:[.,][0-9]+)?(?: [AaPp][Mm])?{ZONE}")),
        (Time("seconds since 1970"), r"\b1[0-9]{9}(?:\.[0-9]+)?\b".into()),
        (Time("milliseconds since 1970"), r"\b1[0-9]{12}\b".into()),
        (Time("nanoseconds since 1970"), r"\b1[0-9]{18}\b".into()),
        (
            Around("kernel", &[Axis::Kernel]),
            r"\b(?:Linux )?[2-9]\.[0-9]+\.[0-9]+(?:-[0-9]+)*(?:\+[a-z0-9]+)?-(?:amd64|arm64|generic|cloud|azure|aws|gcp|lts|zen|pve|rpi|default)[\w.+-]*|\bLinux (?:version )?[2-9]\.[0-9]+[\w.+-]*".into(),
        ),
        (Version("GCC"), r"GCC: \([^)]*\) [0-9.]+".into()),
        (
            Around("home folder", &[Axis::Home, Axis::User, Axis::BuildPath]),
            r#"(?:/home/[^\x00-\x20"'<>:;,|)\]]+|/root/[^\x00-\x20"'<>:;,|)\]]*|/Users/[^\x00-\x20"'<>:;,|)\]]+|/nonexistent[^\x00-\x20"'<>:;,|)\]]*)"#.into(),
        ),
        (
            Around("build path", &[Axis::BuildPath]),
            r#"/(?:builddir|buildd|build|tmp|var/tmp|usr/src|usr/local/src|srv|mnt|opt/build|workspace|github/workspace|builds|data|work|private/tmp|tmp/guix-build|nix/var)(?:/[^\x00-\x20"'<>:;,|)\]]*)?"#.into(),
        ),
        (Around("user and host", &[Axis::User, Axis::Hostname]), r"\b[\w.+-]+@[A-Za-z0-9][\w.-]*".into()),
        (
            Around("locale", &[Axis::Locale]),
            r"\b[a-z]{2}_[A-Z]{2}(?:\.[A-Za-z0-9-]+)?\b|\bC\.(?:UTF-8|utf8)\b|\bPOSIX\b".into(),
        ),
        (Around("timezone", &[Axis::Timezone]), r"[+-](?:0[0-9]|1[0-4]):?(?:00|30|45)\b|\bEtc/[A-Z]{3}[+-]?[0-9]*\b|\b(?:UTC|GMT|CET|CEST|EET|EEST|EST|EDT|PST|PDT|JST)\b".into()),
        (Version("a version"), r"\b[vV]?[0-9]+(?:\.[0-9]+)+(?:[-+~:][A-Za-z0-9.+~-]+)?\b".into()),
        (Random("a fraction", &[]), r"\b0\.[0-9]{6,}\b".into()),
        (Time("a year"), r"\b(?:19|20)[0-9]{2}\b".into()),
        (Random("a name or number drawn at random", &[]), r"[A-Za-z0-9+/_]{8,}={0,2}".into()),
    ];
    let compiled =
        rows.into_iter().filter_map(|(kind, text)| Some((kind, Regex::new(&format!("(?-u){text}")).ok()?)));
    compiled.collect()
});

/// What a place in a text looks like: what is equal before it, both sides, what is equal after it.
pub(super) fn look(
    before: &[u8],
    (left, right): (&[u8], &[u8]),
    after: &[u8],
    leaf: &Leaf,
    context: &Context,
) -> Look {
    let (ours, theirs) = ([before, left, after].concat(), [before, right, after].concat());
    if let Some(sighting) = reordered(&ours, &theirs) {
        return Look::Seen(vec![sighting]);
    }
    let (one, other) = (pieces(&ours, &context.left), pieces(&theirs, &context.right));
    if one.len() != other.len() {
        return Look::Unknown;
    }
    let (mut sightings, mut follows) = (Vec::new(), false);
    for pair in one.iter().zip(&other) {
        match pair {
            (Piece::Plain(one), Piece::Plain(other)) if one == other => {}
            (Piece::Marked(kind, one), Piece::Marked(same, other)) if kind == same => {
                if one == other {
                    continue;
                }
                match sighting(*kind, one, other, leaf, context) {
                    Some(Look::Seen(found)) => sightings.extend(found),
                    Some(Look::Follows) => follows = true,
                    _ => return Look::Unknown,
                }
            }
            _ => return Look::Unknown,
        }
    }
    match (sightings.is_empty(), follows) {
        (true, true) => Look::Follows,
        (true, false) => Look::Unknown,
        _ => Look::Seen(sightings),
    }
}

/// A text cut into pieces.
fn pieces<'t>(text: &'t [u8], known: &Surroundings) -> Vec<Piece<'t>> {
    let mut pieces = vec![Piece::Plain(Cow::Borrowed(text))];
    // Longer values first: a path may hold the user's name.
    let mut values: Vec<&(Axis, String)> =
        known.known.iter().filter(|(_, value)| !value.is_empty()).collect();
    values.sort_by_key(|(axis, value)| (std::cmp::Reverse(value.len()), *axis));
    for (axis, value) in values {
        let whole = value.len() < 4 || value.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let edge = if whole { r"\b" } else { "" };
        if let Ok(expression) = Regex::new(&format!("(?-u){edge}{}{edge}", regex::escape(value))) {
            pieces = cut(pieces, Kind::Known(*axis), &expression);
        }
    }
    for (kind, expression) in KINDS.iter() {
        pieces = cut(pieces, *kind, expression);
    }
    pieces
}

fn cut<'t>(pieces: Vec<Piece<'t>>, kind: Kind, expression: &Regex) -> Vec<Piece<'t>> {
    let mut found = Vec::new();
    for piece in pieces {
        let Piece::Plain(Cow::Borrowed(text)) = piece else {
            found.push(piece);
            continue;
        };
        let mut at = 0;
        for hit in expression.find_iter(text) {
            found.push(Piece::Plain(Cow::Borrowed(&text[at..hit.start()])));
            found.push(Piece::Marked(kind, hit.as_bytes()));
            at = hit.end();
        }
        found.push(Piece::Plain(Cow::Borrowed(&text[at..])));
    }
    found
}

fn sighting(kind: Kind, left: &[u8], right: &[u8], leaf: &Leaf, context: &Context) -> Option<Look> {
    let seen = |class: Class, detail: &str, axes: &[Axis]| {
        let (detail, axes) = (detail.to_owned(), axes.to_vec());
        Some(Look::Seen(vec![Sighting { class, detail, axes, left: shown(left), right: shown(right) }]))
    };
    match kind {
        Kind::Known(axis) => seen(Class::Surroundings, word(axis), &[axis]),
        Kind::Around(detail, axes) => seen(Class::Surroundings, detail, axes),
        Kind::Version(detail) => seen(Class::ToolVersion, detail, &[]),
        Kind::Sum | Kind::Size => Some(Look::Follows),
        Kind::Random(_, _) if left.len() != right.len() || !is_drawn(left) || !is_drawn(right) => None,
        Kind::Random(detail, axes) => seen(Class::Random, detail, axes),
        Kind::Time(detail) => {
            let (one, other) = (String::from_utf8_lossy(left), String::from_utf8_lossy(right));
            if digits(&one) == digits(&other) {
                return seen(Class::Surroundings, "locale", &[Axis::Locale]);
            }
            if !plausible(&one, &context.left) || !plausible(&other, &context.right) {
                return None;
            }
            if is_another_zone(&one, &other) {
                let detail = format!("{detail}; the hours alone differ, as in another timezone");
                return seen(Class::Timestamp, &detail, &[Axis::Timezone, Axis::Time]);
            }
            let python = leaf.path.iter().any(|step| step.ends_with(".pyc"));
            seen(Class::Timestamp, if python { "in Python's code" } else { detail }, &[Axis::Time])
        }
    }
}

/// Whether a number of seconds may be the build's, where that is known; other forms may always.
fn plausible(text: &str, side: &Surroundings) -> bool {
    match text.parse::<i64>() {
        Ok(number) if text.len() == 10 => side.near(number).unwrap_or(true),
        _ => true,
    }
}

fn word(axis: Axis) -> &'static str {
    match axis {
        Axis::BuildPath => "build path",
        Axis::User => "user",
        Axis::Hostname => "host",
        Axis::Home => "home folder",
        Axis::Kernel => "kernel",
        Axis::Locale => "locale",
        Axis::Timezone => "timezone",
        Axis::Cpus | Axis::Jobs => "number of processors",
        Axis::Path => "search path",
        _ => "other",
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_digit()).collect()
}

/// Whether two times have the same minutes and seconds and other hours: a clock that is told in another zone.
pub(super) fn is_another_zone(left: &str, right: &str) -> bool {
    static CLOCK: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"\b(\d{2}):(\d{2})(?::(\d{2}))?").ok());
    let clock = |text: &str| {
        let found = CLOCK.as_ref()?.captures(text)?;
        let field = |at: usize| found.get(at).map(|field| field.as_str().to_owned());
        Some((field(1)?, (field(2)?, field(3))))
    };
    if let (Ok(one), Ok(other)) = (left.parse::<i64>(), right.parse::<i64>()) {
        let apart = (one - other).abs();
        return apart > 0 && apart <= 26 * 3600 && apart % 1800 == 0;
    }
    match (clock(left), clock(right)) {
        (Some((one, rest)), Some((other, same))) => one != other && rest == same,
        _ => false,
    }
}

/// Whether a name looks drawn: digits and letters mixed, or a long number.
fn is_drawn(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let upper = text.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let lower = text.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    let letters = upper + lower;
    digits * 8 >= text.len() && (letters > 0 || digits >= 12)
        || text.starts_with(b"0x")
        || text.starts_with(b"/tmp/")
        || upper.min(lower) * 4 >= text.len() && text.len() >= 10
}

/// The same words on both sides in another order.
fn reordered(left: &[u8], right: &[u8]) -> Option<Sighting> {
    let words = |bytes: &[u8]| {
        let split = bytes.split(|byte| {
            !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-' | b'.' | b'/' | 0x80..)
        });
        let mut words: Vec<Vec<u8>> = split.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect();
        let kinds = words.len();
        words.sort_unstable();
        (kinds, words)
    };
    let ((count, ours), (_, theirs)) = (words(left), words(right));
    // Numbers alone may be a date whose fields are the same by chance.
    let named = ours.iter().filter(|word| word.iter().any(u8::is_ascii_alphabetic)).count();
    if count < 2 || named < 2 || ours != theirs || left == right {
        return None;
    }
    let detail = "the same words in another order".to_owned();
    let axes = vec![Axis::Environment, Axis::FileOrder, Axis::Locale];
    Some(Sighting { class: Class::Order, detail, axes, left: shown(left), right: shown(right) })
}
