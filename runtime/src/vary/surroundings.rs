//! What a program sees around it that is no variable: the value of each axis, plain and varied.
//!
//! Facts only. `spec/10-execution.md` has the same table for readers.

use rbld_lang::vary::Axis;

use super::Variant;

/// The folder a script starts in unless an input is its `workdir`.
pub const PLAIN_FOLDER: &str = "/build";

/// Another kernel's release and version: higher than any that a program could ask for.
pub const KERNEL: (&str, &str) = ("98.7.6-another", "#54 SMP Mon Jan 5 06:07:08 UTC 2009");

/// What surrounds a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The folder of the build.
    pub folder: &'static str,
    /// The user's home; it is there and can be written to.
    pub home: &'static str,
    /// The name of the user and the group.
    pub user: &'static str,
    /// The number of both.
    pub id: u32,
    /// The permissions that new files don't get.
    pub umask: u32,
    /// The name of the machine.
    pub hostname: &'static str,
    /// Its domain.
    pub domain: &'static str,
    /// Whether addresses in memory are laid out at random.
    pub random_addresses: bool,
}

impl Surroundings {
    /// Those of the plain build.
    pub const PLAIN: Surroundings = Surroundings {
        folder: PLAIN_FOLDER,
        home: PLAIN_FOLDER,
        user: "build",
        id: 1000,
        umask: 0o022,
        hostname: "localhost",
        domain: "(none)",
        random_addresses: false,
    };

    /// Those of a variant.
    pub fn of(variant: &Variant) -> Surroundings {
        let mut all = Surroundings::PLAIN;
        for axis in &variant.axes {
            match axis {
                // Deeper, longer, and with a letter that patterns and lists don't take for themselves.
                Axis::BuildPath => all.folder = "/elsewhere/build-2nd/place",
                Axis::Home => all.home = "/home/of-another",
                Axis::User => (all.user, all.id) = ("another", 2357),
                // Neither what clears the group's right to write nor what grants the rest to read hides it.
                Axis::Umask => all.umask = 0o007,
                Axis::Hostname => (all.hostname, all.domain) = ("another-host", "another.example"),
                Axis::Aslr => all.random_addresses = true,
                Axis::Cpus
                | Axis::Environment
                | Axis::FileOrder
                | Axis::Jobs
                | Axis::Kernel
                | Axis::Locale
                | Axis::Path
                | Axis::Time
                | Axis::Timezone => {}
            }
        }
        all
    }
}
