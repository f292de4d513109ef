//! Lists of packages to be asked for: each decided by the seed, the suite, the architecture and its number alone, so
//! any of them can be made again by itself.

use rbld_lang::derivation::Arch;

/// All lists follow from this.
pub(crate) const SEED: u64 = 20_261_128;

/// What an environment is asked to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) packages: Vec<String>,
    pub(crate) build_depends: Vec<String>,
}

/// What lists are made of.
pub(crate) struct Names<'a> {
    pub(crate) packages: Vec<&'a str>,
    pub(crate) sources: Vec<&'a str>,
    /// Names that are only provided.
    pub(crate) provided: Vec<&'a str>,
}

/// Sets that are large or known for being hard; a name that a suite doesn't have is left out.
const KNOWN: &[(&[&str], &[&str])] = &[
    (&["build-essential", "texlive"], &[]),
    (&[], &["gtk4"]),
    (&[], &["gtk+3.0", "kio"]),
    (&["texlive-full"], &[]),
    (&["mail-transport-agent", "systemd", "default-jdk"], &[]),
    (&["kde-plasma-desktop"], &[]),
    (&["build-essential", "debhelper", "python3:any", "emacs-nox"], &["libreoffice"]),
    (&["gnome-core", "apache2", "exim4"], &[]),
    (&[], &["llvm-toolchain-14", "llvm-toolchain-19", "qtbase-opensource-src", "qt6-base"]),
    (&["sysvinit-core", "openjdk-17-jre-headless", "ca-certificates-java"], &[]),
];

impl List {
    /// List number `number` of a suite for an architecture: the known ones first, then random ones.
    pub(crate) fn new(number: usize, suite: &str, arch: Arch, names: &Names<'_>) -> List {
        if let Some((packages, sources)) = KNOWN.get(number) {
            let has = |all: &[&str], name: &str| all.contains(&name.trim_end_matches(":any"));
            let provided = |name: &str| names.provided.contains(&name);
            let packages = packages.iter().filter(|name| has(&names.packages, name) || provided(name));
            let sources = sources.iter().filter(|name| has(&names.sources, name));
            return List {
                packages: packages.map(|name| (*name).to_owned()).collect(),
                build_depends: sources.map(|name| (*name).to_owned()).collect(),
            };
        }
        let mut dice = Dice::new(number, suite, arch);
        let mut list = List::default();
        match dice.below(10) {
            0..4 => list.packages = dice.some(1, 6, &names.packages),
            4..7 => list.build_depends = dice.some(1, 1, &names.sources),
            7 => list.packages = dice.some(8, 20, &names.packages),
            8 => {
                // Names that are only provided, and names with the architecture that is meant anyway.
                list.packages = dice.some(0, 2, &names.packages);
                list.packages.extend(dice.some(1, 1, &names.provided));
                list.packages.extend(
                    dice.some(1, 2, &names.packages).iter().map(|name| format!("{name}:{}", arch.name())),
                );
            }
            _ => {
                list.build_depends = dice.some(2, 2, &names.sources);
                list.packages = dice.some(1, 2, &names.packages);
            }
        }
        list
    }
}

/// The same numbers every time.
struct Dice(u64);

impl Dice {
    fn new(number: usize, suite: &str, arch: Arch) -> Dice {
        let start = SEED.wrapping_mul(1_000_003).wrapping_add(number as u64);
        let mixed = suite
            .bytes()
            .chain(arch.name().bytes())
            .fold(start, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        let mut dice = Dice(mixed);
        dice.below(2);
        dice
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }

    /// From `least` to `most` different names.
    fn some(&mut self, least: usize, most: usize, of: &[&str]) -> Vec<String> {
        let count = least + self.below(most - least + 1);
        let mut found: Vec<String> = Vec::new();
        while found.len() < count.min(of.len()) {
            let name = of[self.below(of.len())];
            if !found.iter().any(|other| other == name) {
                found.push(name.to_owned());
            }
        }
        found
    }
}
