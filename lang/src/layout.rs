//! Values as they are written in a file, on several lines where one would be too long; and as canonical JSON. What the
//! language has no notation for, such as an environment, stands in angle brackets.

use std::fmt::Write as _;

use crate::syntax::{show_date, show_instant};
use crate::value::{Key, Value, percent};

/// How wide a line may be before a list or record is broken.
const WIDTH: usize = 100;

/// A value as it is written in a file.
pub fn layout(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, 0, &mut text);
    text
}

/// Writes a value behind something `used` wide, the lines after the first indented by `indent`.
fn write(value: &Value, indent: usize, used: usize, to: &mut String) {
    let entries: Vec<(Option<String>, &Value)> = match value {
        Value::List(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Record(record) => record.iter().map(|(name, value)| (Some(name.to_string()), value)).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (Some(key_text(key)), value)).collect(),
        _ => return to.push_str(&value.show()),
    };
    let (open, close) = if matches!(value, Value::List(_)) { ('[', ']') } else { ('{', '}') };
    let short =
        (entries.len() < WIDTH).then(|| value.show()).filter(|shown| indent + used + shown.len() <= WIDTH);
    if let Some(short) = short {
        return to.push_str(&short);
    }
    to.push(open);
    to.push('\n');
    for (name, value) in &entries {
        let _ = write!(to, "{:1$}", "", indent + 2);
        let mut used = 0;
        if let Some(name) = name {
            let _ = write!(to, "{name} = ");
            used = name.len() + 3;
        }
        write(value, indent + 2, used, to);
        to.push_str(if name.is_none() { ",\n" } else { "\n" });
    }
    let _ = write!(to, "{:1$}{close}", "", indent);
}

fn key_text(key: &Key) -> String {
    let text = key.to_string();
    let plain = text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && text.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if plain { text } else { Value::text(text).show() }
}

/// A value as JSON on one line, names sorted: equal values are equal texts.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    text
}

fn write_json(value: &Value, to: &mut String) {
    match value {
        Value::None => to.push_str("null"),
        Value::Bool(value) => {
            let _ = write!(to, "{value}");
        }
        Value::Int(number) => {
            let _ = write!(to, "{number}");
        }
        Value::Duration(number) | Value::Size(number) => {
            let _ = write!(to, "{number}");
        }
        Value::Instant(seconds) => quoted(&show_instant(*seconds), to),
        Value::Date(days) => quoted(&show_date(*days), to),
        Value::Percent(hundredths) => quoted(&percent(*hundredths), to),
        Value::Text(text) | Value::Commit(text) => quoted(text, to),
        Value::Digest(digest) => quoted(&digest.to_hex(), to),
        Value::List(items) => {
            to.push('[');
            for (index, item) in items.iter().enumerate() {
                to.push_str(if index == 0 { "" } else { "," });
                write_json(item, to);
            }
            to.push(']');
        }
        Value::Record(record) => {
            object(record.iter().map(|(name, value)| (name.to_string(), value)).collect(), to)
        }
        Value::Map(map) => object(map.iter().map(|(key, value)| (key.to_string(), value)).collect(), to),
        Value::Variant(..) => quoted(&value.to_text().unwrap_or_default(), to),
        other => quoted(&other.show(), to),
    }
}

fn object(mut entries: Vec<(String, &Value)>, to: &mut String) {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    to.push('{');
    for (index, (name, value)) in entries.into_iter().enumerate() {
        to.push_str(if index == 0 { "" } else { "," });
        quoted(&name, to);
        to.push(':');
        write_json(value, to);
    }
    to.push('}');
}

fn quoted(text: &str, to: &mut String) {
    to.push_str(&serde_json::Value::from(text).to_string());
}
