//! Compiled Python: what its header says of the source, and the code.

use std::io;

use super::entries::{Entry, facts_of, hash};
use super::layers::Place;
use super::nature::{Opened, head};
use super::{Layers, Limits};
use crate::packing::malformed;

/// The length of the header since Python 3.7.
const HEADER: usize = 16;

/// True if `head` begins as compiled Python since 3.7 does.
pub(super) fn is_pyc(head: &[u8]) -> bool {
    match head.get(..HEADER) {
        Some([low, high, b'\r', b'\n', flags, 0, 0, 0, ..]) => {
            (3390..3800).contains(&u16::from_le_bytes([*low, *high])) && *flags < 4
        }
        _ => false,
    }
}

/// The header's facts, and the code.
pub(super) fn parts(layers: &Layers<'_>) -> io::Result<Opened> {
    let head = head(layers, HEADER)?;
    let Some([low, high, _, _, flags, _, _, _, rest @ ..]) = head.get(..HEADER) else {
        return Err(malformed("a header is cut off"));
    };
    let word = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
    let mut facts = facts_of([
        ("header python", u16::from_le_bytes([*low, *high]).to_string()),
        ("header flags", flags.to_string()),
    ]);
    if flags & 1 == 0 {
        facts.insert("header timestamp".to_owned(), word(0).to_string());
        facts.insert("header source size".to_owned(), word(4).to_string());
    } else {
        let hash: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        facts.insert("header source hash".to_owned(), hash);
    }
    let limits = Limits::default();
    let mut opened = Opened::default();
    opened.push(Entry { name: "(header)".to_owned(), facts, contents: None }, Place::plain(0, 0), &limits)?;
    let code = super::entries::length(layers)?.saturating_sub(HEADER as u64);
    let entry = Entry { name: "(code)".to_owned(), facts: facts_of([]), contents: None };
    opened.push(entry, Place::plain(HEADER as u64, code), &limits)?;
    hash(layers, &mut opened)?;
    Ok(opened)
}
