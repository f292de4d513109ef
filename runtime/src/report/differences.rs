//! A difference as text: where it is, and a few bytes or a line of both sides.

use super::style::{Style, printable};
use crate::compare::difference::{Class, Difference, Finding, Side, What, Window};
use crate::packing::Codec;

/// Findings shown at most.
const SHOWN: usize = 6;

/// A difference as indented lines for a person; `left` and `right` are what the sides are called.
pub fn difference(difference: &Difference, left: &str, right: &str, style: &Style) -> String {
    let mut text = style.wrapped("      ", &amounts_to(difference));
    for finding in difference.findings.iter().take(SHOWN) {
        text += &shown(finding, (left, right), style);
    }
    if difference.findings.len() > SHOWN {
        text += &format!("      and {} more\n", difference.findings.len() - SHOWN);
    }
    text
}

/// What all of it is made of, in a sentence.
pub(super) fn amounts_to(difference: &Difference) -> String {
    let only = |class: Class| difference.classes.len() == 1 && difference.classes.contains(&class);
    if only(Class::Metadata) {
        return "only metadata differs: what archives and headers say of their contents".to_owned();
    }
    if only(Class::Order) {
        return "only the order of members differs".to_owned();
    }
    if only(Class::Framing) {
        return "only the way that equal members are written down differs".to_owned();
    }
    if only(Class::Compression) {
        return "only the compression differs; what it holds is equal".to_owned();
    }
    if !difference.classes.contains(&Class::Contents) && !difference.classes.contains(&Class::Names) {
        let words: Vec<&str> = difference.classes.iter().map(|class| class.word()).collect();
        return format!("no byte of any file differs; {} do", words.join(" and "));
    }
    let words: Vec<&str> = difference.classes.iter().map(|class| class.word()).collect();
    format!("what differs: {}", words.join(", "))
}

fn shown(finding: &Finding, (left, right): (&str, &str), style: &Style) -> String {
    let arrow = if style.unicode { " » " } else { " > " };
    let path: Vec<String> = finding.path.iter().map(|step| printable(step)).collect();
    let (place, detail) = described(&finding.what);
    let mut head = path.join(&style.dim(arrow));
    if !head.is_empty() && !place.is_empty() {
        head.push_str(", ");
    }
    let mut text = if style.colour { format!("      {head}{place}\n") } else { String::new() };
    if text.is_empty() {
        text = style.wrapped("      ", &format!("{head}{place}"));
    }
    match detail {
        Detail::None => {}
        Detail::Sides(one, other) => {
            text += &format!("        {} {}\n", style.red("-"), one);
            text += &format!("        {} {}\n", style.green("+"), other);
        }
        Detail::List(side, names) => {
            let who = if side == Side::Left { left } else { right };
            text += &style.wrapped("        ", &format!("only in {who}: {}", names.join(", ")));
        }
    }
    text
}

/// What is on the sides.
pub(super) enum Detail {
    /// Nothing that could be shown.
    None,
    /// A line of each.
    Sides(String, String),
    /// Names on one side only.
    List(Side, Vec<String>),
}

/// Where a finding is, and what is there on both sides.
pub(super) fn described(what: &What) -> (String, Detail) {
    let nothing = || "(nothing)".to_owned();
    match what {
        What::Bytes { offset, left, right } => {
            (format!("byte {offset} (0x{offset:x})"), Detail::Sides(hex(left), hex(right)))
        }
        What::Line { number, left, right, .. } => {
            let line = |side: &Option<String>| side.as_deref().map_or("(ends here)".to_owned(), printable);
            (format!("line {number}"), Detail::Sides(line(left), line(right)))
        }
        What::Fact { name, left, right, members } => {
            let value =
                |side: &Option<String>| side.as_deref().map_or_else(nothing, |value| fact(name, value));
            let more = if *members > 1 { format!(" (and of {} more)", members - 1) } else { String::new() };
            (format!("{}{more}", printable(name)), Detail::Sides(value(left), value(right)))
        }
        What::Only { side, names, count } => {
            let mut names: Vec<String> = names.iter().map(|name| printable(name)).collect();
            if *count > names.len() {
                names.push(format!("and {} more", count - names.len()));
            }
            (format!("{count} member{} on one side only", plural(*count)), Detail::List(*side, names))
        }
        What::Order { position, left, right } => {
            (format!("order, from member {}", position + 1), Detail::Sides(printable(left), printable(right)))
        }
        What::Framing => ("headers, padding or end".to_owned(), Detail::None),
        What::Compression { left, right, header } => match header.first() {
            _ if left != right => {
                ("compression".to_owned(), Detail::Sides(left.name().to_owned(), right.name().to_owned()))
            }
            Some((name, one, other)) => {
                let value = |value: &str| if value.is_empty() { nothing() } else { fact(name, value) };
                (format!("{} header: {name}", left.name()), Detail::Sides(value(one), value(other)))
            }
            None if *left == Codec::Gzip => ("the gzip stream; its header is equal".to_owned(), Detail::None),
            None => (format!("the {} stream", left.name()), Detail::None),
        },
        What::More { members, names } => {
            let named: Vec<String> = names.iter().map(|name| printable(name)).collect();
            let dots = if *members > names.len() { ", …" } else { "" };
            (format!("{members} more: {}{dots}", named.join(", ")), Detail::None)
        }
        What::Unread(why) => (format!("not looked into: {}", printable(why)), Detail::None),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A fact's value; a time also as a date.
fn fact(name: &str, value: &str) -> String {
    let seconds = value.split('.').next().and_then(|whole| whole.parse::<i64>().ok());
    match seconds.filter(|seconds| name == "mtime" && *seconds > 0).and_then(date) {
        Some(date) => format!("{} ({date})", printable(value)),
        None => printable(value),
    }
}

/// Seconds since 1970 as `2026-11-22T00:00:00Z`, up to the year 9999.
pub(super) fn date(seconds: i64) -> Option<String> {
    if !(0..253_402_300_800).contains(&seconds) {
        return None;
    }
    Some(crate::fetch::date::instant(seconds))
}

/// Sixteen bytes in hexadecimal and as characters.
pub(super) fn hex(window: &Window) -> String {
    if window.bytes.is_empty() {
        return "(ends here)".to_owned();
    }
    let digits: Vec<String> = window
        .bytes
        .chunks(2)
        .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        .collect();
    let text: String = window
        .bytes
        .iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { *byte as char } else { '.' })
        .collect();
    format!("{:08x}  {:<39}  {text}", window.start, digits.join(" "))
}
