//! Times as they lie in a program's memory: seconds, and what is left of them, each of 32 or 64 bits.

use super::clock::{Time, join, split};

/// Special nanoseconds of utimensat: now, and leave it.
const SPECIAL: [i64; 2] = [0x3fff_ffff, 0x3fff_fffe];

/// How the numbers of a time are laid out in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether the seconds have 64 bits.
    pub(super) wide: bool,
    /// Whether what follows them has, too.
    pub(super) wide_rest: bool,
    /// What follows them: how many nanoseconds it counts in, 0 if nothing follows.
    pub(super) unit: i64,
}

pub(super) const LONG: Shape = Shape { wide: true, wide_rest: true, unit: 1 };
pub(super) const SHORT: Shape = Shape { wide: false, wide_rest: false, unit: 1 };
pub(super) const LONG_MICRO: Shape = Shape { unit: 1000, ..LONG };
pub(super) const SHORT_MICRO: Shape = Shape { unit: 1000, ..SHORT };
pub(super) const LONG_SECONDS: Shape = Shape { unit: 0, ..LONG };
pub(super) const SHORT_SECONDS: Shape = Shape { unit: 0, ..SHORT };
/// Of statx: 64 bits of seconds and 32 of nanoseconds.
pub(super) const STATX: Shape = Shape { wide: true, wide_rest: false, unit: 1 };

impl Shape {
    /// How far one time is from the next, in an array.
    pub(super) fn size(self) -> usize {
        let half = if self.wide { 8 } else { 4 };
        if self.unit == 0 { half } else { 2 * half }
    }
}

/// A time as it is in memory.
pub(super) fn encode(time: Time, shape: Shape) -> Vec<u8> {
    let (seconds, nanoseconds) = split(time);
    let half = |number: i64, wide: bool| -> Vec<u8> {
        let narrow = i32::try_from(number).unwrap_or(i32::MAX);
        if wide { number.to_le_bytes().into() } else { narrow.to_le_bytes().into() }
    };
    let mut bytes = half(seconds, shape.wide);
    if shape.unit > 0 {
        bytes.extend(half(nanoseconds / shape.unit, shape.wide_rest));
    }
    bytes.resize(shape.size(), 0);
    bytes
}

/// A time in memory; none if it says something else than a time.
pub(super) fn decode(bytes: &[u8], shape: Shape) -> Option<Time> {
    let half = |at: usize, wide: bool| -> Option<i64> {
        Some(if wide {
            i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?)
        } else {
            i64::from(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
        })
    };
    let rest = if shape.unit == 0 { 0 } else { half(if shape.wide { 8 } else { 4 }, shape.wide_rest)? };
    if shape.unit == 1 && SPECIAL.contains(&rest) {
        return None;
    }
    let nanoseconds = rest.checked_mul(shape.unit.max(1))?;
    (0..1_000_000_000).contains(&nanoseconds).then_some(())?;
    Some(join(half(0, shape.wide)?, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_in_every_shape() {
        let time = join(1_700_000_000, 123_456_000);
        for (wide, wide_rest, unit, size) in
            [(true, true, 1, 16), (true, true, 1000, 16), (false, false, 1, 8), (true, false, 1, 16)]
        {
            let shape = Shape { wide, wide_rest, unit };
            let bytes = encode(time, shape);
            assert_eq!((bytes.len(), decode(&bytes, shape)), (size, Some(time)));
        }
        let seconds = Shape { wide: true, wide_rest: true, unit: 0 };
        assert_eq!(decode(&encode(time, seconds), seconds), Some(join(1_700_000_000, 0)));
    }

    #[test]
    fn now_and_never_stay_what_they_are() {
        let shape = Shape { wide: true, wide_rest: true, unit: 1 };
        for special in SPECIAL {
            let bytes: Vec<u8> = [5i64, special].iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(decode(&bytes, shape), None);
        }
    }
}
