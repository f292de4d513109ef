//! The axes along which a build's surroundings can be varied.
//!
//! An axis is one thing that a build can see and that ought not to decide its bytes. Which value an axis has when it is
//! varied, and how that is brought about, is the sandbox's; this is what the language, the keys and the reports call it.

use serde::{Deserialize, Serialize};

/// One thing about a build's surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Whether addresses in memory are laid out at random.
    Aslr,
    /// The folder that the build is in.
    BuildPath,
    /// How many processors a program counts.
    Cpus,
    /// Variables that nobody asked for.
    Environment,
    /// The order in which the kernel lists a folder.
    FileOrder,
    /// The user's home folder.
    Home,
    /// The name of the machine and its domain.
    Hostname,
    /// How many jobs a build is told to run at once.
    Jobs,
    /// The kernel's name and release.
    Kernel,
    /// The language, and with it the order of letters and the names of months.
    Locale,
    /// The folders in which programs are looked for.
    Path,
    /// The time of day and the date.
    Time,
    /// The timezone.
    Timezone,
    /// The permissions that new files don't get.
    Umask,
    /// The user's and the group's name and number.
    User,
}

impl Axis {
    /// All axes, in the order of their names.
    pub const ALL: [Axis; 15] = [
        Axis::Aslr,
        Axis::BuildPath,
        Axis::Cpus,
        Axis::Environment,
        Axis::FileOrder,
        Axis::Home,
        Axis::Hostname,
        Axis::Jobs,
        Axis::Kernel,
        Axis::Locale,
        Axis::Path,
        Axis::Time,
        Axis::Timezone,
        Axis::Umask,
        Axis::User,
    ];

    /// Its name in files, keys and reports.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Aslr => "aslr",
            Axis::BuildPath => "build_path",
            Axis::Cpus => "cpus",
            Axis::Environment => "environment",
            Axis::FileOrder => "file_order",
            Axis::Home => "home",
            Axis::Hostname => "hostname",
            Axis::Jobs => "jobs",
            Axis::Kernel => "kernel",
            Axis::Locale => "locale",
            Axis::Path => "path",
            Axis::Time => "time",
            Axis::Timezone => "timezone",
            Axis::Umask => "umask",
            Axis::User => "user",
        }
    }

    /// The axis of this name.
    pub fn named(name: &str) -> Option<Axis> {
        Axis::ALL.into_iter().find(|axis| axis.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_lead_back() {
        assert!(Axis::ALL.is_sorted_by_key(|axis| axis.name()));
        assert!(Axis::ALL.iter().all(|axis| Axis::named(axis.name()) == Some(*axis)));
        let written = serde_json::to_value(Axis::ALL).unwrap();
        assert_eq!(written, serde_json::json!(Axis::ALL.map(Axis::name)));
    }
}
