//! Literals: from the letters to the value, or to what is wrong with them. Knows no places.

use std::sync::Arc;

use crate::digest::Digest;
use crate::syntax::ast::Literal;

/// What is wrong with a literal, the label beneath it, and what to type instead.
#[derive(Debug, PartialEq)]
pub(crate) struct Wrong {
    /// The sentence.
    pub(crate) message: String,
    /// The words under the place.
    pub(crate) label: String,
    /// What to type.
    pub(crate) help: String,
}

fn wrong(message: impl Into<String>, label: impl Into<String>, help: impl Into<String>) -> Wrong {
    Wrong { message: message.into(), label: label.into(), help: help.into() }
}

/// `sha256:` and 64 digits.
pub(crate) fn digest(text: &str) -> Result<Literal, Wrong> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    hexadecimal("a sha256", digits, &[64])?;
    let example = "paste the 64 digits that `sha256sum FILE` prints";
    digits
        .parse::<Digest>()
        .map(|digest| Literal::Digest(Arc::new(digest)))
        .map_err(|error| wrong(error.to_string(), "not a digest", example))
}

/// `commit:` and 40 digits, or 64.
pub(crate) fn commit(text: &str) -> Result<Literal, Wrong> {
    let digits = text.strip_prefix("commit:").unwrap_or(text);
    hexadecimal("a commit", digits, &[40, 64])?;
    Ok(Literal::Commit(Arc::from(digits)))
}

fn hexadecimal(what: &str, digits: &str, lengths: &[usize]) -> Result<(), Wrong> {
    let count = digits.chars().count();
    let prefix = what.trim_start_matches("a ");
    let expected = lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
    let command = if lengths == [64] { "`sha256sum FILE`" } else { "`git rev-parse TAG^{commit}`" };
    if let Some(odd) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(wrong(
            format!("{what} holds hexadecimal digits only, not `{odd}`"),
            format!("`{odd}` is not one of 0-9, a-f"),
            format!("paste the {expected} digits that {command} prints"),
        ));
    }
    if !lengths.contains(&count) {
        let difference = lengths.iter().map(|length| length.abs_diff(count)).min().unwrap_or(0);
        let how = if lengths.iter().all(|length| *length > count) { "too few" } else { "too many" };
        let how = if lengths.len() == 1 || lengths[0] > count {
            format!("{difference} {how}")
        } else {
            "neither".to_owned()
        };
        return Err(wrong(
            format!("{what} has {expected} digits, this one has {count}"),
            how,
            match (prefix, count) {
                ("sha256", 40) => format!("40 digits are a SHA-1: paste those that {command} prints"),
                ("sha256", 32) => format!("32 digits are an MD5: paste those that {command} prints"),
                ("sha256", 128) => format!("128 digits are a SHA-512: paste those that {command} prints"),
                _ => format!("paste all of the digits that {command} prints"),
            },
        ));
    }
    if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return Err(wrong(
            format!("the digits of {what} are written in lower case"),
            "upper-case letters in here",
            format!("write `{prefix}:{}`", digits.to_ascii_lowercase()),
        ));
    }
    Ok(())
}

/// `2025-11-28T00:00:00Z`.
pub(crate) fn instant(text: &str) -> Result<Literal, Wrong> {
    let form = "write it in UTC, to the second: `2025-11-28T00:00:00Z`";
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let days = days(day)?;
    let Some(clock) = time.strip_suffix('Z') else {
        return Err(wrong(format!("the instant `{text}` doesn't end in `Z`"), "not in UTC", form));
    };
    let numbers: Vec<&str> = clock.split(':').collect();
    let shape =
        numbers.len() == 3 && numbers.iter().all(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit()));
    if !shape {
        return Err(wrong(format!("`{text}` is not an instant"), "the time of day is `HH:MM:SS`", form));
    }
    let number = |index: usize| numbers[index].parse::<i64>().unwrap_or(99);
    let (hours, minutes, seconds) = (number(0), number(1), number(2));
    if hours > 23 || minutes > 59 || seconds > 59 {
        return Err(wrong(format!("there is no time of day `{clock}`"), "no such time", form));
    }
    Ok(Literal::Instant(days * 86_400 + hours * 3600 + minutes * 60 + seconds))
}

/// `2025-11-28`.
pub(crate) fn date(text: &str) -> Result<Literal, Wrong> {
    days(text).map(Literal::Date)
}

/// Days since 1970 of a date as written.
fn days(text: &str) -> Result<i64, Wrong> {
    let parts: Vec<i64> = text.split('-').map(|part| part.parse().unwrap_or(-1)).collect();
    let not_a_date = || wrong(format!("`{text}` is not a date"), "not a date", "write `2025-11-28`");
    let [year @ 0..=9999, month, day] = parts[..] else {
        return Err(not_a_date());
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => {
            return Err(wrong(
                format!("there is no month `{month:02}`"),
                "no such date",
                "write `YEAR-MONTH-DAY`",
            ));
        }
    };
    if !(1..=length).contains(&day) {
        let help = format!("that month has {length} days");
        return Err(wrong(format!("there is no day `{text}`"), "no such date", help));
    }
    // Years counted from March, so that the leap day is the last one.
    let years = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (years.div_euclid(400), years.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Ok(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// What may follow digits: a unit and its worth in seconds or bytes.
const SECONDS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
const BYTES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// `42`, `30%`, `1h`, `4GiB`.
pub(crate) fn number(text: &str) -> Result<Literal, Wrong> {
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(whole);
    if let Some(fraction) = rest.strip_suffix('%') {
        return percent(text, digits, fraction);
    }
    if rest.starts_with('.') {
        let help = "whole numbers only: take a smaller unit (`90m`, `1536MiB`); a percentage may hold a fraction: `97.5%`";
        return Err(wrong(format!("`{text}` holds a fraction"), "not a whole number", help));
    }
    let large = || {
        wrong(format!("the number `{text}` is too large"), "too large", "the largest is 9223372036854775807")
    };
    let count: u64 = digits.parse().map_err(|_| large())?;
    if rest.is_empty() {
        return i64::try_from(count).map(Literal::Int).map_err(|_| large());
    }
    let worth = |units: &[(&str, u64)]| units.iter().find(|(unit, _)| *unit == rest).map(|(_, worth)| *worth);
    let value =
        |worth: u64| count.checked_mul(worth).filter(|value| *value <= i64::MAX as u64).ok_or_else(large);
    if let Some(worth) = worth(&SECONDS) {
        return value(worth).map(Literal::Duration);
    }
    if let Some(worth) = worth(&BYTES) {
        return value(worth).map(Literal::Size);
    }
    let units: Vec<&str> = SECONDS.iter().chain(&BYTES).map(|(unit, _)| *unit).collect();
    let near = units.iter().find(|unit| unit.eq_ignore_ascii_case(rest));
    let known = "durations: s m h d; sizes: B kB MB GB TB KiB MiB GiB TiB";
    let help = match near {
        Some(unit) => format!("did you mean `{digits}{unit}`? ({known})"),
        None => format!("{known}; a name can't begin with a digit"),
    };
    Err(wrong(format!("no unit is called `{rest}`"), "after a number, only a unit", help))
}

fn percent(text: &str, digits: &str, fraction: &str) -> Result<Literal, Wrong> {
    let help = "write `30%` or `97.25%`: two digits after the point at most, 100% at most";
    let fraction = fraction.strip_prefix('.').unwrap_or(fraction);
    let hundredths = match fraction.len() {
        _ if !fraction.bytes().all(|b| b.is_ascii_digit()) => None,
        0 => Some(0),
        1 => fraction.parse::<u32>().ok().map(|tenths| tenths * 10),
        2 => fraction.parse::<u32>().ok(),
        _ => None,
    };
    match (digits.parse::<u32>(), hundredths) {
        (Ok(whole), Some(hundredths)) if whole < 100 || whole == 100 && hundredths == 0 => {
            Ok(Literal::Percent(whole * 100 + hundredths))
        }
        _ => Err(wrong(format!("`{text}` is not a percentage"), "not between 0% and 100%", help)),
    }
}

/// The date and time of an instant, as it is written in a file.
pub fn show_instant(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let clock = format!("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
    format!("{}T{clock}Z", show_date(days))
}

/// A date, as it is written in a file.
pub fn show_date(days: i64) -> String {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + years + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The instant that `text` names, as [`show_instant`] writes it.
pub fn read_instant(text: &str) -> Option<i64> {
    match instant(text) {
        Ok(Literal::Instant(seconds)) if show_instant(seconds) == text => Some(seconds),
        _ => None,
    }
}
