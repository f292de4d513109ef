//! What is known of the two builds that a difference lies between.

use rbld_lang::derivation::Package;
use rbld_lang::vary::Axis;

/// What is known of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Of the left.
    pub left: Surroundings,
    /// Of the right.
    pub right: Surroundings,
    /// Packages whose versions differ between the environments, a toolchain's first.
    pub candidates: Vec<Candidate>,
}

/// What a build had around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Values by axis: the path it was built in, the user's name, the host's.
    pub known: Vec<(Axis, String)>,
    /// Instants at which it ran or was told to be, seconds since 1970.
    pub times: Vec<i64>,
}

/// A locked input that could be behind a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The package.
    pub package: String,
    /// Its architecture.
    pub arch: String,
    /// The left environment's version; nothing where it isn't there.
    pub left: Option<String>,
    /// The right one's.
    pub right: Option<String>,
    /// The kind of toolchain that it is of.
    pub toolchain: Option<&'static str>,
}

/// Seconds of two days: how far a build's own times may lie from when it is known to have run.
const NEAR: i64 = 2 * 86_400;

impl Surroundings {
    /// Whether an instant is near one that is known; nothing where none is.
    pub(super) fn near(&self, seconds: i64) -> Option<bool> {
        (!self.times.is_empty()).then(|| self.times.iter().any(|time| (time - seconds).abs() <= NEAR))
    }
}

impl Context {
    /// Of two environments, as far as they are lists of packages.
    pub fn of_packages(left: &[Package], right: &[Package]) -> Context {
        Context { candidates: candidates(left, right), ..Context::default() }
    }

    /// The packages of which one side's text holds the one version and the other's the other.
    pub(super) fn named(&self, left: &str, right: &str) -> Vec<String> {
        let holds = |text: &str, version: &Option<String>| {
            // A revision is often left out of what a tool says of itself.
            let version =
                version.as_deref().map(|version| version.split_once(':').map_or(version, |(_, rest)| rest));
            version.is_some_and(|version| {
                let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
                text.contains(version) || text.contains(upstream) && upstream.contains('.')
            })
        };
        let named =
            |one: &&Candidate| one.left != one.right && holds(left, &one.left) && holds(right, &one.right);
        self.candidates.iter().filter(named).map(|one| one.package.clone()).collect()
    }
}

fn candidates(left: &[Package], right: &[Package]) -> Vec<Candidate> {
    use std::collections::BTreeMap;
    let mut both: BTreeMap<(&str, &str), [Option<&Package>; 2]> = BTreeMap::new();
    for (side, packages) in [left, right].into_iter().enumerate() {
        for package in packages {
            both.entry((&package.name, &package.arch)).or_default()[side] = Some(package);
        }
    }
    let mut found: Vec<(usize, Candidate)> = Vec::new();
    for ((name, arch), sides) in both {
        if sides[0].map(|package| package.digest) == sides[1].map(|package| package.digest) {
            continue;
        }
        let version = |side: usize| sides[side].map(|package| package.version.clone());
        let kind = crate::environment::toolchain::kind(name);
        let candidate = Candidate {
            package: name.to_owned(),
            arch: arch.to_owned(),
            left: version(0),
            right: version(1),
            toolchain: kind.map(|(_, word)| word),
        };
        found.push((kind.map_or(usize::MAX, |(at, _)| at), candidate));
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, candidate)| candidate).collect()
}
