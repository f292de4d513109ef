//! Places: what of an output can differ by itself, named from the findings of a comparison, and what a difference there
//! points to.

use std::collections::BTreeMap;

use rbld_lang::digest::Digest;
use rbld_lang::vary::Axis;

use crate::compare::cause::{self, Context};
use crate::compare::difference::{Difference, Leaf, Limits, Nature, Part, What};
use crate::vary::search::Suspect;
use crate::vary::{Surroundings, Variant, tokens};

/// How far looking goes: what isn't looked into is one place with all that lies beside it.
pub(super) fn limits() -> Limits {
    Limits { dives: 64, ..Limits::default() }
}

/// Places of one output at most.
const MOST: usize = 1000;

/// A place and what of a difference lies there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// What it is called: the output, the way inside, and what differs there.
    pub(super) name: String,
    /// The part of the difference that is there.
    pub(super) only: Difference,
}

/// The places of an output that differ.
pub(super) fn of(output: &str, difference: &Difference) -> Vec<Place> {
    let mut places: BTreeMap<String, Difference> = BTreeMap::new();
    for leaf in &difference.leaves {
        let mut add = |name: String, leaf: Leaf| {
            let only = places.entry(name).or_default();
            match only.leaves.first_mut() {
                Some(known) => known.parts.extend(leaf.parts),
                None => only.leaves.push(leaf),
            }
        };
        let name = path(output, &leaf.path);
        if leaf.reordered {
            add(format!("{name}, order of lines"), leaf.clone());
        } else if leaf.nature == Some(Nature::Text) && leaf.parts.iter().all(|part| part.line.is_some()) {
            for part in &leaf.parts {
                let line = part.line.unwrap_or(0);
                add(format!("{name}, line {line}"), Leaf { parts: vec![part.clone()], ..leaf.clone() });
            }
        } else if !leaf.parts.is_empty() {
            add(name, leaf.clone());
        }
    }
    for finding in &difference.findings {
        let bytes = matches!(finding.what, What::Bytes { .. } | What::Line { .. });
        if bytes && difference.leaves.iter().any(|leaf| leaf.path == finding.path && !leaf.parts.is_empty()) {
            continue;
        }
        let name = format!("{}{}", path(output, &finding.path), kind(&finding.what));
        places.entry(name).or_default().findings.push(finding.clone());
    }
    let place = |(name, mut only): (String, Difference)| {
        only.classes.clone_from(&difference.classes);
        Place { name, only }
    };
    places.into_iter().take(MOST).map(place).collect()
}

fn path(output: &str, steps: &[String]) -> String {
    steps.iter().fold(output.to_owned(), |name, step| format!("{name} > {step}"))
}

fn kind(what: &What) -> String {
    match what {
        What::Bytes { .. } => String::new(),
        What::Line { number, .. } => format!(", line {number}"),
        What::Fact { name, .. } => format!(", {name}"),
        What::Only { .. } => ", which members there are".to_owned(),
        What::Order { .. } => ", order of members".to_owned(),
        What::Framing => ", framing".to_owned(),
        What::Compression { header, .. } => match header.first() {
            Some((fact, _, _)) => format!(", {fact} in the header"),
            None => ", compression".to_owned(),
        },
        What::More { .. } => ", further members".to_owned(),
        What::Unread(_) => ", not looked into".to_owned(),
    }
}

impl Place {
    /// What is on the right side there, as a digest.
    pub(super) fn digest(&self) -> Digest {
        let mut text = String::new();
        for leaf in &self.only.leaves {
            for part in &leaf.parts {
                text += &format!("{} {:?} {:?}\n", part.offset, part.left.len(), part.right);
            }
        }
        for finding in &self.only.findings {
            text += &right(&finding.what);
            text += "\n";
        }
        Digest::of(text.as_bytes())
    }

    /// Both sides, as text.
    fn sides(&self) -> (String, String) {
        let (mut left, mut right) = (String::new(), String::new());
        let whole = |part: &Part, bytes: &[u8]| {
            String::from_utf8_lossy(&[part.before.as_slice(), bytes, &part.after].concat()).into_owned()
        };
        for part in self.only.leaves.iter().flat_map(|leaf| &leaf.parts) {
            left += &whole(part, &part.left);
            right += &whole(part, &part.right);
        }
        for finding in &self.only.findings {
            let (one, other) = sides(&finding.what);
            left += &one;
            right += &other;
        }
        (left, right)
    }

    /// The axes that the difference between two runs points to, the likeliest first.
    pub(super) fn suspects(&self, one: &Variant, other: &Variant) -> Vec<Suspect> {
        const MOST: usize = 4;
        let (left, right) = self.sides();
        let mut suspects: Vec<Suspect> = Vec::new();
        let mut add = |axis: Axis, seen: bool| {
            if !suspects.iter().any(|suspect| suspect.axis == axis) {
                suspects.push(Suspect { axis, seen });
            }
        };
        for axis in Axis::ALL.into_iter().filter(|axis| other.varies(*axis) && !one.varies(*axis)) {
            if is_written(axis, &left, &right) {
                add(axis, true);
            }
        }
        if other.varies(Axis::Umask) && !one.varies(Axis::Umask) && is_masked(&left, &right) {
            add(Axis::Umask, true);
        }
        let context = Context { left: around(one), right: around(other), candidates: Vec::new() };
        for observed in cause::observe(&self.only, &context).observed {
            observed.axes.into_iter().for_each(|axis| add(axis, false));
        }
        for axis in guesses(&left, &right) {
            add(axis, false);
        }
        suspects.truncate(MOST);
        suspects
    }
}

/// What a variant has around it, as far as it has names.
fn around(variant: &Variant) -> cause::Surroundings {
    let value = |axis: Axis| {
        let (plain, varied) = tokens(axis);
        let values = if variant.varies(axis) { varied } else { plain };
        values.into_iter().map(move |value| (axis, value))
    };
    cause::Surroundings { known: Axis::ALL.into_iter().flat_map(value).collect(), times: Vec::new() }
}

/// What the right side has, as text that is the same for the same thing.
fn right(what: &What) -> String {
    match what {
        What::Bytes { offset, right, .. } => format!("{offset} {:?}", right.bytes),
        What::Line { right, .. } | What::Fact { right, .. } => format!("{right:?}"),
        What::Order { position, right, .. } => format!("{position} {right}"),
        What::Compression { right, header, .. } => {
            let facts: Vec<&str> = header.iter().map(|(_, _, right)| right.as_str()).collect();
            format!("{} {facts:?}", right.name())
        }
        other => format!("{other:?}"),
    }
}

fn sides(what: &What) -> (String, String) {
    let text = |side: &Option<String>| side.clone().unwrap_or_default();
    match what {
        What::Line { left, right, .. } | What::Fact { left, right, .. } => (text(left), text(right)),
        _ => (String::new(), String::new()),
    }
}

/// Whether an axis's other value stands on the right side and not on the left.
fn is_written(axis: Axis, left: &str, right: &str) -> bool {
    let (left, right) = (without_others(axis, left), without_others(axis, right));
    tokens(axis).1.iter().any(|token| right.contains(token) && !left.contains(token))
}

/// A text without the values of other axes that hold one of this axis.
fn without_others(axis: Axis, text: &str) -> String {
    let ours = tokens(axis).1;
    let mut text = text.to_owned();
    for token in Axis::ALL.into_iter().filter(|other| *other != axis).flat_map(|other| tokens(other).1) {
        if ours.iter().any(|our| token != *our && token.contains(our)) {
            text = text.replace(&token, "");
        }
    }
    text
}

/// Whether both sides are the mode of one file under the two umasks.
fn is_masked(left: &str, right: &str) -> bool {
    let masks = [Surroundings::PLAIN, Surroundings::of(&Variant::default().varying([Axis::Umask]))];
    let mode = |side: &str| u32::from_str_radix(side.trim(), 8).ok().filter(|mode| *mode <= 0o7777);
    let (Some(left), Some(right)) = (mode(left), mode(right)) else { return false };
    [0o666, 0o777].iter().any(|open| [left, right] == masks.map(|around| open & !around.umask))
}

/// What two texts suggest that differ in nothing known by its value.
fn guesses(left: &str, right: &str) -> Vec<Axis> {
    let numbers = |text: &str| -> Vec<String> {
        let parts = text.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let letters = |text: &str| text.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
    if left.contains("0x") && right.contains("0x") || is_pointer(left) && is_pointer(right) {
        return vec![Axis::Aslr];
    }
    if left.is_empty() || right.is_empty() || numbers(left).is_empty() || letters(left) != letters(right) {
        return Vec::new();
    }
    // Only numbers differ: small ones count things, those of a year are dates.
    match numbers(left).iter().any(|number| number.len() == 4) {
        true => vec![Axis::Time, Axis::Cpus],
        false => vec![Axis::Cpus, Axis::Jobs],
    }
}

/// Twelve digits in hexadecimal, as addresses are written.
fn is_pointer(text: &str) -> bool {
    let parts = text.split(|letter: char| !letter.is_ascii_hexdigit());
    parts.into_iter().any(|part| part.len() == 12 && part.starts_with(['5', '7']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::difference::Finding;

    fn line(left: &str, right: &str) -> Place {
        let side = |text: &str| Some(text.to_owned());
        let what = What::Line { number: 3, offset: 20, left: side(left), right: side(right) };
        let findings = vec![Finding { path: vec!["log.txt".to_owned()], what }];
        of("out", &Difference { findings, ..Difference::default() }).remove(0)
    }

    fn first(place: &Place, varied: &[Axis]) -> Option<(Axis, bool)> {
        let with = Variant::default().varying(varied.iter().copied());
        place.suspects(&Variant::default(), &with).first().map(|suspect| (suspect.axis, suspect.seen))
    }

    #[test]
    fn a_place_is_named_by_its_way_inside() {
        assert_eq!(line("a", "b").name, "out > log.txt, line 3");
    }

    #[test]
    fn each_line_of_a_text_is_a_place() {
        let part = |line| Part { line: Some(line), right: vec![1], ..Part::default() };
        let leaf =
            Leaf { nature: Some(Nature::Text), parts: vec![part(1), part(4), part(4)], ..Leaf::default() };
        let places = of("out", &Difference { leaves: vec![leaf], ..Difference::default() });
        let names: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
        assert_eq!(names, ["out, line 1", "out, line 4"]);
    }

    #[test]
    fn a_value_that_is_written_out_points_to_its_axis() {
        let folder = Surroundings::of(&Variant::default().varying([Axis::BuildPath])).folder;
        let place = line("in /build/src", &format!("in {folder}/src"));
        assert_eq!(first(&place, &[Axis::BuildPath, Axis::Time]), Some((Axis::BuildPath, true)));
        let not = first(&place, &[Axis::Time]);
        assert!(not.is_none_or(|(axis, seen)| axis != Axis::BuildPath || !seen), "{not:?}: it wasn't varied");
    }

    #[test]
    fn a_name_in_a_longer_one_points_to_the_longer() {
        let place = line("on localhost", "on another-host");
        assert_eq!(first(&place, &Axis::ALL), Some((Axis::Hostname, true)));
    }

    #[test]
    fn kinds_of_difference_are_guessed_from() {
        let of = |left: &str, right: &str| first(&line(left, right), &Axis::ALL);
        assert_eq!(of("0x7ffff7a0", "0x7fa1b7a0"), Some((Axis::Aslr, false)));
        assert_eq!(of("555555554000", "55ac47d7e000"), Some((Axis::Aslr, false)));
        assert_eq!(of("2 cores", "1 cores"), Some((Axis::Cpus, false)));
        assert_eq!(of("0644", "0660"), Some((Axis::Umask, true)));
    }
}
