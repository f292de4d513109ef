//! One build under other surroundings: which axes differ from the plain build, and what each of them becomes.
//!
//! A [`Variant`] says what is varied; it is part of a build's key, so a result is found again. [`Surroundings`] and
//! [`variables`] say what a program then sees. Nothing here runs anything: the executor brings it about.

pub mod locale;
mod path;
pub mod search;
mod surroundings;
mod variables;
mod words;

use std::collections::BTreeSet;

use rbld_lang::vary::Axis;

pub use path::reversed;
pub use surroundings::{KERNEL, PLAIN_FOLDER, Surroundings};
pub use variables::variables;
pub use words::{tokens, usual_fix, values};

/// How one run of a build differs from the plain one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant {
    /// Tells runs apart that differ in nothing else; 0 is the first.
    pub run: u32,
    /// What is other than in the plain build.
    pub axes: BTreeSet<Axis>,
    /// What the plain build leaves to chance and this run doesn't: of use for the time and the order of files, which
    /// would otherwise differ between any two runs.
    pub held: BTreeSet<Axis>,
}

impl Variant {
    /// The plain build, run once more.
    pub fn run(run: u32) -> Variant {
        Variant { run, ..Variant::default() }
    }

    /// The same with these axes varied.
    #[must_use]
    pub fn varying(mut self, axes: impl IntoIterator<Item = Axis>) -> Variant {
        self.axes.extend(axes);
        self
    }

    /// The same with these axes held.
    #[must_use]
    pub fn holding(mut self, axes: impl IntoIterator<Item = Axis>) -> Variant {
        self.held.extend(axes);
        self
    }

    /// Whether this is what every build is unless somebody asks.
    pub fn is_plain(&self) -> bool {
        *self == Variant::default()
    }

    /// Whether an axis is varied.
    pub fn varies(&self, axis: Axis) -> bool {
        self.axes.contains(&axis)
    }

    /// Whether an axis is held, and not varied.
    pub fn holds(&self, axis: Axis) -> bool {
        self.held.contains(&axis) && !self.varies(axis)
    }

    /// What stands in the salt of its key, as names and values; nothing for the plain one.
    pub fn salt(&self) -> Vec<(&'static str, String)> {
        let mut salt = Vec::new();
        if !self.held.is_empty() {
            salt.push(("hold", names(&self.held)));
        }
        if self.run > 0 {
            salt.push(("run", self.run.to_string()));
        }
        if !self.axes.is_empty() {
            salt.push(("vary", names(&self.axes)));
        }
        salt
    }

    /// What a person calls it after the build's name; empty for the plain one.
    pub fn words(&self) -> String {
        self.salt().into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }
}

/// The names of axes, sorted, with commas.
pub fn names(axes: &BTreeSet<Axis>) -> String {
    let mut names: Vec<&str> = axes.iter().map(|axis| axis.name()).collect();
    names.sort_unstable();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_names_what_differs_and_nothing_else() {
        assert_eq!(Variant::default().salt(), []);
        assert!(Variant::run(0).is_plain());
        let variant = Variant::run(2).varying([Axis::Umask, Axis::Aslr]).holding([Axis::Time]);
        assert_eq!(variant.words(), "hold=time run=2 vary=aslr,umask");
        assert!(variant.holds(Axis::Time) && !variant.holds(Axis::FileOrder));
        assert!(!variant.varying([Axis::Time]).holds(Axis::Time));
    }
}
