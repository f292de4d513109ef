//! What is compared byte by byte: all places in which two streams differ, as far as memory allows.
//!
//! Text is laid out by line, everything else by what lies between zero bytes; streams of one length are compared
//! place by place. Says what differs and nothing of why: `cause` judges.

use std::io;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::nature::{Nature, head};
use super::{Layers, What};

/// Bytes of each side that are looked at, and how many places are kept.
const LOOKED: usize = 4 << 20;
const PARTS: usize = 64;

/// Bytes kept of each side of a place, and of what is equal before and after it.
const KEPT: usize = 2048;
const AROUND: usize = 96;

/// Places of streams of one length that are so near are one.
const NEAR: usize = 4;

/// The most pieces that two sides are cut into.
const PIECES: usize = 200_000;

/// The most pieces that are aligned with each other; of more only those that lie at the same number are compared.
const ALIGNED: usize = 4000;

/// Two streams, and where they differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// The way to it, as in a finding.
    pub path: Vec<String>,
    /// What it is.
    pub nature: Option<Nature>,
    /// What it lies in: an ELF file's section, an archive's member.
    pub within: Option<Nature>,
    /// The places in which it differs, in order.
    pub parts: Vec<Part>,
    /// Whether that is all of them, each of them whole.
    pub whole: bool,
    /// Whether both sides have the same lines in another order.
    pub reordered: bool,
}

/// A place in which two streams differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Where the left side's bytes begin.
    pub offset: u64,
    /// The number of the line they are in, from one, in text.
    pub line: Option<u64>,
    /// What is equal before it, as far back as the line begins.
    pub before: Vec<u8>,
    /// One side's bytes; none where it has nothing.
    pub left: Vec<u8>,
    /// The other's.
    pub right: Vec<u8>,
    /// What is equal after it, as far as the line goes.
    pub after: Vec<u8>,
}

impl Leaf {
    /// One that couldn't be looked at.
    pub(super) fn unread(nature: Nature) -> Leaf {
        Leaf { nature: Some(nature), ..Leaf::default() }
    }
}

/// Compares two streams whose first difference is known.
pub(super) fn compare(
    left: &Layers<'_>,
    right: &Layers<'_>,
    nature: Nature,
    first: &What,
) -> io::Result<Leaf> {
    let (mut ours, mut theirs) = (head(left, LOOKED + 1)?, head(right, LOOKED + 1)?);
    let mut leaf =
        Leaf { nature: Some(nature), whole: ours.len().max(theirs.len()) <= LOOKED, ..Leaf::default() };
    let mut base = 0;
    if !leaf.whole {
        let (What::Bytes { offset, .. } | What::Line { offset, .. }) = first else { return Ok(leaf) };
        if *offset as usize >= LOOKED {
            // Far inside: what is around the first difference is all that is looked at.
            base = offset - AROUND as u64;
            let window = |layers: &Layers<'_>| super::entries::bounded(layers, base, KEPT as u64);
            (ours, theirs) = (window(left)?, window(right)?);
        }
        ours.truncate(LOOKED);
        theirs.truncate(LOOKED);
    }
    let text = nature == Nature::Text && base == 0;
    leaf.reordered = text && leaf.whole && same_lines(&ours, &theirs);
    let places = if text || ours.len() != theirs.len() {
        aligned(&ours, &theirs, text, &mut leaf.whole)
    } else {
        in_place(&ours, &theirs)
    };
    leaf.whole &= places.len() <= PARTS;
    for place in places.into_iter().take(PARTS) {
        leaf.parts.push(part(&ours, &theirs, &place, text, &mut leaf.whole));
    }
    let number = |part: &mut Part| {
        let before = &ours[..(part.offset as usize).min(ours.len())];
        part.line = text.then(|| memchr::memchr_iter(b'\n', before).count() as u64 + 1);
        part.offset += base;
    };
    leaf.parts.iter_mut().for_each(number);
    Ok(leaf)
}

/// Where two sides differ: a range of each.
type Ranges = (std::ops::Range<usize>, std::ops::Range<usize>);

fn same_lines(left: &[u8], right: &[u8]) -> bool {
    fn sorted(bytes: &[u8]) -> Vec<&[u8]> {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        lines.sort_unstable();
        lines
    }
    left.len() == right.len()
        && [left, right].iter().all(|side| memchr::memchr_iter(b'\n', side).count() <= PIECES)
        && sorted(left) == sorted(right)
}

/// The places of two streams of one length.
fn in_place(left: &[u8], right: &[u8]) -> Vec<Ranges> {
    let mut places: Vec<Ranges> = Vec::new();
    for (at, _) in left.iter().zip(right).enumerate().filter(|(_, (one, other))| one != other) {
        if let Some((here, there)) = places.last_mut()
            && at <= here.end + NEAR
        {
            (here.end, there.end) = (at + 1, at + 1);
        } else if places.len() > PARTS {
            break;
        } else {
            places.push((at..at + 1, at..at + 1));
        }
    }
    places
}

/// The places of two streams that are laid beside each other piece by piece.
fn aligned(left: &[u8], right: &[u8], text: bool, whole: &mut bool) -> Vec<Ranges> {
    let end = if text { b'\n' } else { 0 };
    let (start, tail) = equal_ends(left, right, end);
    let (ours, theirs) = (&left[start..left.len() - tail], &right[start..right.len() - tail]);
    let count = |bytes: &[u8]| memchr::memchr_iter(end, bytes).count();
    if count(ours).max(count(theirs)) > PIECES {
        *whole = false;
        return vec![(start..left.len() - tail, start..right.len() - tail)];
    }
    let (one, other) = (pieces(ours, end), pieces(theirs, end));
    let begins = |pieces: &[&[u8]]| {
        let mut at = start;
        let mut begins = vec![at];
        begins.extend(pieces.iter().map(|piece| {
            at += piece.len();
            at
        }));
        begins
    };
    let (here, there) = (begins(&one), begins(&other));
    let range = |from: (usize, usize), length: (usize, usize)| {
        (here[from.0]..here[from.0 + length.0], there[from.1]..there[from.1 + length.1])
    };
    let by_number = |count: usize| {
        let odd = (0..count).filter(|at| one[*at] != other[*at]);
        odd.map(|at| range((at, at), (1, 1))).collect::<Vec<_>>()
    };
    if one.len() == other.len() && one.len() > 1 {
        let places = by_number(one.len());
        // Lines that moved differ nearly all.
        if places.len() * 2 <= one.len() || one.len() > ALIGNED {
            return places;
        }
    }
    if one.len().max(other.len()) > ALIGNED {
        *whole = false;
        return by_number(one.len().min(other.len()));
    }
    let mut places = Vec::new();
    for change in capture_diff_slices(Algorithm::Myers, &one, &other) {
        if matches!(change, DiffOp::Equal { .. }) {
            continue;
        }
        let (old, new) = (change.old_range(), change.new_range());
        if old.len() == new.len() {
            places.extend((0..old.len()).map(|at| range((old.start + at, new.start + at), (1, 1))));
        } else {
            places.push(range((old.start, new.start), (old.len(), new.len())));
        }
    }
    places
}

/// How many bytes of whole pieces are equal at the front and at the back.
fn equal_ends(left: &[u8], right: &[u8], end: u8) -> (usize, usize) {
    let front = left.iter().zip(right).take_while(|(one, other)| one == other).count();
    let start = memchr::memrchr(end, &left[..front]).map_or(0, |at| at + 1);
    let most = left.len().min(right.len()) - front;
    let back =
        left.iter().rev().zip(right.iter().rev()).take(most).take_while(|(one, other)| one == other).count();
    let tail = memchr::memchr(end, &left[left.len() - back..]).map_or(0, |at| back - at - 1);
    (start, tail)
}

/// Pieces that each end in `end`, but for the last.
fn pieces(bytes: &[u8], end: u8) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == end).collect()
}

/// A place without what is equal at its ends, which is what lies around it.
fn part(left: &[u8], right: &[u8], (here, there): &Ranges, text: bool, whole: &mut bool) -> Part {
    let (ours, theirs) = (&left[here.clone()], &right[there.clone()]);
    let before = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let most = ours.len().min(theirs.len()) - before;
    let after =
        ours.iter().rev().zip(theirs.iter().rev()).take(most).take_while(|(one, other)| one == other).count();
    let (from, to) = (here.start + before, here.end - after);
    let (ours, theirs) = (&ours[before..ours.len() - after], &theirs[before..theirs.len() - after]);
    *whole &= ours.len().max(theirs.len()) <= KEPT;
    let line = |byte: &u8| text && *byte == b'\n';
    let front = &left[from.saturating_sub(AROUND)..from];
    let front = &front[front.iter().rposition(line).map_or(0, |at| at + 1)..];
    let back = &left[to..left.len().min(to + AROUND)];
    let back = &back[..back.iter().position(line).unwrap_or(back.len())];
    Part {
        offset: from as u64,
        line: None,
        before: front.to_vec(),
        left: ours[..ours.len().min(KEPT)].to_vec(),
        right: theirs[..theirs.len().min(KEPT)].to_vec(),
        after: back.to_vec(),
    }
}
