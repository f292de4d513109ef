//! The observed class of a difference: what it looks like, told from its bytes and from known facts alone.
//!
//! A class isn't a cause: two builds may differ by a path and not because of it. What flips the verdict in a rebuild is
//! a confirmed cause, and no business of this module. Reads no file: it judges the places that `difference` has found.

mod binary;
mod context;
mod fix;
mod followed;
mod marks;
mod stated;
#[cfg(test)]
mod tests;

use rbld_lang::vary::Axis;

pub use context::{Candidate, Context, Surroundings};

use super::difference::{Difference, Leaf, Nature, Part, What};

/// What a difference looks like, the most certain first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Equal bytes, compressed otherwise.
    Compressor,
    /// What archives say of members: times, owners, modes, their order.
    Metadata,
    /// A time.
    Timestamp,
    /// What a build sees around it: a path, a user, a host, a kernel, a locale, a timezone, a number of processors.
    Surroundings,
    /// The sections of a program that name its debug information, and nothing else.
    BuildId,
    /// The version of a compiler or another tool.
    ToolVersion,
    /// The same things in another order.
    Order,
    /// Bytes that look random.
    Random,
}

impl Class {
    /// All classes, the most certain first.
    pub const ALL: [Class; 8] = [
        Class::Compressor,
        Class::Metadata,
        Class::Timestamp,
        Class::Surroundings,
        Class::BuildId,
        Class::ToolVersion,
        Class::Order,
        Class::Random,
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Class::Compressor => "compressor",
            Class::Metadata => "metadata",
            Class::Timestamp => "timestamp",
            Class::Surroundings => "surroundings",
            Class::BuildId => "build_id",
            Class::ToolVersion => "tool_version",
            Class::Order => "order",
            Class::Random => "random",
        }
    }
}

/// A class, and where it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Which.
    pub class: Class,
    /// What exactly: `build path`, `mtime`, `seconds since 1970, 32 bits, little-endian`.
    pub detail: String,
    /// The axes that could be behind it, the likeliest first: where a search begins.
    pub axes: Vec<Axis>,
    /// The way to the first place.
    pub path: Vec<String>,
    /// Its offset, in bytes.
    pub offset: Option<u64>,
    /// Its line, from one.
    pub line: Option<u64>,
    /// What one side has there.
    pub left: String,
    /// What the other has.
    pub right: String,
    /// Packages whose two versions are what the two sides have there.
    pub packages: Vec<String>,
    /// How many places there are.
    pub places: usize,
    /// What usually mends it.
    pub fix: &'static str,
}

/// All that was observed of a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The classes, the most certain first.
    pub observed: Vec<Observed>,
    /// Places that look like none.
    pub unexplained: usize,
    /// Places that follow from others: checksums and build-ids of what differs.
    pub following: usize,
    /// Whether all of the difference was looked at.
    pub whole: bool,
    /// Locked inputs that could be behind it: packages whose versions differ.
    pub candidates: Vec<Candidate>,
}

impl Observation {
    /// The class that all of the difference has, if it is one.
    pub fn only(&self) -> Option<Class> {
        let first = self.observed.first()?.class;
        let all = self.whole && self.unexplained == 0 && self.observed.iter().all(|one| one.class == first);
        all.then_some(first)
    }
}

/// Something seen at one place, before places are counted.
struct Sighting {
    class: Class,
    detail: String,
    axes: Vec<Axis>,
    left: String,
    right: String,
}

/// What a place looks like.
enum Look {
    /// Like these.
    Seen(Vec<Sighting>),
    /// Like something that follows from what differs elsewhere.
    Follows,
    /// Like nothing known.
    Unknown,
}

/// Judges a difference.
pub fn observe(difference: &Difference, context: &Context) -> Observation {
    let mut seen = Seen::default();
    seen.observation.whole = true;
    for finding in &difference.findings {
        match &finding.what {
            What::Bytes { .. } | What::Line { .. } => {}
            What::More { .. } | What::Unread(_) => seen.observation.whole = false,
            what => seen.take(stated::look(what, context), &finding.path, None, None),
        }
    }
    stated::names(&difference.findings, context, &mut seen);
    for leaf in &difference.leaves {
        leaf_seen(leaf, difference, context, &mut seen);
    }
    seen.finish(context)
}

fn leaf_seen(leaf: &Leaf, difference: &Difference, context: &Context, seen: &mut Seen) {
    if leaf.reordered {
        let text = |part: Option<&Part>, left: bool| {
            part.map_or(String::new(), |part| shown(if left { &part.left } else { &part.right }))
        };
        let (left, right) = (text(leaf.parts.first(), true), text(leaf.parts.first(), false));
        let detail = "the same lines in another order".to_owned();
        let axes = vec![Axis::FileOrder, Axis::Locale, Axis::Environment, Axis::Jobs];
        let sighting = Sighting { class: Class::Order, detail, axes, left, right };
        let first = leaf.parts.first();
        return seen.take(
            Look::Seen(vec![sighting]),
            &leaf.path,
            first.map(|part| part.offset),
            first.and_then(|part| part.line),
        );
    }
    seen.observation.whole &= leaf.whole && !leaf.parts.is_empty();
    if let Some(look) = followed::look(leaf, difference) {
        let first = leaf.parts.first();
        return seen.take(look, &leaf.path, first.map(|part| part.offset), None);
    }
    for part in &leaf.parts {
        seen.take(place(leaf, part, context), &leaf.path, Some(part.offset), part.line);
    }
}

/// What one place looks like.
fn place(leaf: &Leaf, part: &Part, context: &Context) -> Look {
    if leaf.nature == Some(Nature::Text) {
        return marks::look(&part.before, (&part.left, &part.right), &part.after, leaf, context);
    }
    binary::look(leaf, part, context)
}

/// Bytes as a person can read them, cut.
fn shown(bytes: &[u8]) -> String {
    const SHOWN: usize = 120;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let dots = if bytes.len() > SHOWN { "…" } else { "" };
    let printable =
        text.chars().all(|letter| letter != char::REPLACEMENT_CHARACTER && (letter >= ' ' || letter == '\n'));
    if printable {
        return format!("{text}{dots}");
    }
    bytes.iter().take(24).map(|byte| format!("{byte:02x}")).collect::<String>()
        + if bytes.len() > 24 { "…" } else { "" }
}

#[derive(Default)]
struct Seen {
    observation: Observation,
}

impl Seen {
    fn take(&mut self, look: Look, path: &[String], offset: Option<u64>, line: Option<u64>) {
        let sightings = match look {
            Look::Seen(sightings) => sightings,
            Look::Follows => {
                self.observation.following += 1;
                return;
            }
            Look::Unknown => {
                self.observation.unexplained += 1;
                return;
            }
        };
        for Sighting { class, detail, axes, left, right } in sightings {
            let known =
                self.observation.observed.iter_mut().find(|one| one.class == class && one.detail == detail);
            if let Some(known) = known {
                known.places += 1;
                continue;
            }
            let fix = fix::usual(class, &detail, path);
            let (path, packages) = (path.to_vec(), Vec::new());
            self.observation.observed.push(Observed {
                class,
                detail,
                axes,
                path,
                offset,
                line,
                left,
                right,
                packages,
                places: 1,
                fix,
            });
        }
    }

    fn finish(self, context: &Context) -> Observation {
        let mut observation = self.observation;
        // Nothing is there that they could follow from.
        if observation.observed.is_empty() && observation.unexplained == 0 {
            observation.unexplained = std::mem::take(&mut observation.following);
        }
        observation.observed.sort_by_key(|one| one.class);
        observation.candidates.clone_from(&context.candidates);
        for one in observation.observed.iter_mut().filter(|one| one.class == Class::ToolVersion) {
            one.packages = context.named(&one.left, &one.right);
        }
        observation
    }
}
