//! Texts of several lines, indented anew: the bytes that they stand for stay.

use super::lines::Lines;
use crate::syntax::text;

/// Writes a text whose lines are indented so far.
pub(super) fn write(written: &str, indent: usize, lines: &mut Lines) {
    let content = text::content(written);
    if !content.contains('\n') {
        lines.push(written);
        return;
    }
    let quotes = (written.len() - content.len()) / 2;
    let opening = &written[..written.len() - content.len() - quotes];
    lines.push(opening);
    let value = text::layout(content).strip(content, true, true);
    let blank = |line: &str| line.trim_matches([' ', '\t', '\r']).is_empty();
    // In a text of blanks alone nothing is indentation.
    let indent_of = if blank(&value.replace('\n', "")) { 0 } else { indent };
    let mut rest = value.as_str();
    while let Some((line, after)) = rest.split_once('\n') {
        lines.begin(if line.is_empty() { 0 } else { indent_of });
        lines.push(line);
        // One carriage return belongs to the end of a line.
        if line.ends_with('\r') {
            lines.push("\r");
        }
        rest = after;
    }
    lines.begin(indent);
    lines.push(rest);
    lines.push(&written[written.len() - quotes..]);
}
