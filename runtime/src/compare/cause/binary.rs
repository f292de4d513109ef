//! Places in something that isn't text: strings in it, numbers that are times, bytes without pattern.

use rbld_lang::vary::Axis;

use super::super::difference::{Leaf, Part};
use super::context::Surroundings;
use super::{Class, Context, Look, Sighting, marks, shown};

/// Instants that a number may be: from September 2001 to July 2036.
const PLAUSIBLE: std::ops::Range<i64> = 1_000_000_000..2_100_000_000;

/// How far two such numbers may lie apart if nothing is known of the builds: two years.
const APART: i64 = 63_072_000;

/// The fewest bytes that can be told to be without pattern.
const RANDOM: usize = 8;

/// What a place looks like.
pub(super) fn look(leaf: &Leaf, part: &Part, context: &Context) -> Look {
    let printable = |bytes: &[u8]| {
        bytes
            .iter()
            .all(|byte| (b' '..0x7f).contains(byte) || *byte >= 0x80 || matches!(byte, b'\n' | b'\t' | 0))
    };
    if printable(&part.left) && printable(&part.right) && !(part.left.is_empty() && part.right.is_empty()) {
        let end = |byte: &u8| !(b' '..0x7f).contains(byte);
        let before = part.before.iter().rposition(end).map_or(0, |at| at + 1);
        let after = part.after.iter().position(end).unwrap_or(part.after.len());
        let trim = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>();
        let (left, right) = (trim(&part.left), trim(&part.right));
        let look = marks::look(&part.before[before..], (&left, &right), &part.after[..after], leaf, context);
        if let Look::Seen(_) | Look::Follows = look {
            return look;
        }
    }
    if let Some(sighting) = time(part, context) {
        return Look::Seen(vec![sighting]);
    }
    if without_pattern(&part.left, &part.right) {
        let detail = "bytes without a pattern".to_owned();
        let (left, right) = (shown(&part.left), shown(&part.right));
        return Look::Seen(vec![Sighting { class: Class::Random, detail, axes: Vec::new(), left, right }]);
    }
    Look::Unknown
}

/// A number that is a time on both sides, wherever it begins near the place.
fn time(part: &Part, context: &Context) -> Option<Sighting> {
    let changed = part.left.len();
    if changed == 0 || changed != part.right.len() || changed > 8 {
        return None;
    }
    let at = part.before.len();
    let (left, right) = (
        [&*part.before, &*part.left, &*part.after].concat(),
        [&*part.before, &*part.right, &*part.after].concat(),
    );
    let forms: [(usize, bool, i64, &str); 4] = [
        (4, false, 1, "seconds since 1970, 32 bits, little-endian"),
        (4, true, 1, "seconds since 1970, 32 bits, big-endian"),
        (8, false, 1000, "milliseconds since 1970, 64 bits, little-endian"),
        (8, true, 1000, "milliseconds since 1970, 64 bits, big-endian"),
    ];
    for (width, big, unit, detail) in forms {
        if width < changed {
            continue;
        }
        let starts = (at + changed).saturating_sub(width)..=at;
        // A number at its natural place first.
        let aligned = |start: &usize| !(part.offset as usize + start).wrapping_sub(at).is_multiple_of(width);
        let mut starts: Vec<usize> =
            starts.filter(|start| start + width <= left.len().min(right.len())).collect();
        starts.sort_by_key(aligned);
        for start in starts {
            // What is letters on both sides is a word that no kind of text was found in.
            let word = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, 0 | b' '..=b'~'));
            if word(&left[start..start + width]) && word(&right[start..start + width]) {
                continue;
            }
            let (one, other) =
                (number(&left[start..start + width], big), number(&right[start..start + width], big));
            if is_time(one / unit, other / unit, context) {
                let show = |number: i64| crate::fetch::date::instant(number / unit);
                let detail = detail.to_owned();
                let (left, right) = (show(one), show(other));
                let axes = vec![Axis::Time];
                return Some(Sighting { class: Class::Timestamp, detail, axes, left, right });
            }
        }
    }
    None
}

fn number(bytes: &[u8], big: bool) -> i64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let number = if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether two numbers are times of the builds, or, if nothing is known of these, could be.
fn is_time(left: i64, right: i64, context: &Context) -> bool {
    let near = |side: &Surroundings, time| side.near(time).unwrap_or(true);
    let known = !context.left.times.is_empty() || !context.right.times.is_empty();
    PLAUSIBLE.contains(&left)
        && PLAUSIBLE.contains(&right)
        && near(&context.left, left)
        && near(&context.right, right)
        && (known || (left - right).abs() <= APART)
}

/// Whether two runs of one length are as mixed as random bytes are: few repeat, few are zero, few agree.
fn without_pattern(left: &[u8], right: &[u8]) -> bool {
    let length = left.len();
    if length < RANDOM || length != right.len() {
        return false;
    }
    let mixed = |bytes: &[u8]| {
        let bytes = &bytes[..bytes.len().min(256)];
        let mut seen = [false; 256];
        bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        let kinds = seen.iter().filter(|seen| **seen).count();
        let zeros = bytes.iter().filter(|byte| matches!(byte, 0 | 0xff)).count();
        // Of 256 random bytes 162 are different ones, on average.
        let expected = 256.0 * (1.0 - (-(bytes.len() as f64) / 256.0).exp());
        kinds as f64 > 0.8 * expected && zeros <= 1 + bytes.len() / 32
    };
    let agree = left.iter().zip(right).filter(|(one, other)| one == other).count();
    mixed(left) && mixed(right) && agree <= 1 + length / 24
}
