//! The environment variables of a varied build.

use std::collections::BTreeMap;

use rbld_lang::vary::Axis;

use super::{Surroundings, Variant};

/// Variables that nobody asked for: what shells, terminals and sessions leave behind.
const NOISE: [(&str, &str); 7] = [
    ("COLUMNS", "131"),
    ("DISPLAY", ":7"),
    ("EDITOR", "/bin/another-editor"),
    ("LINES", "43"),
    ("RBLD_NOISE", "nobody asked for this"),
    ("SSH_CONNECTION", "192.0.2.1 2357 192.0.2.2 22"),
    ("XDG_SESSION_ID", "7"),
];

/// A time zone that needs no table, and in which it is another day most of the time.
const TIMEZONE: &str = "VRY-13:45";

/// Folders that aren't there.
const FOLDERS: [&str; 2] = ["/opt/before/bin", "/opt/after/bin"];

/// Changes a build's variables as a variant wants them. `declared`: what the recipe itself sets, which stays.
pub fn variables(
    variables: &mut BTreeMap<String, String>,
    variant: &Variant,
    cores: usize,
    declared: &dyn Fn(&str) -> bool,
) {
    let around = Surroundings::of(variant);
    let jobs = match (variant.varies(Axis::Jobs), cores) {
        (false, cores) => cores,
        (true, 1) => 4,
        (true, _) => 1,
    };
    variables.insert("RBLD_JOBS".to_owned(), jobs.to_string());
    let mut set = |name: &str, value: &str| {
        if !declared(name) {
            variables.insert(name.to_owned(), value.to_owned());
        }
    };
    for axis in &variant.axes {
        match axis {
            Axis::Environment => NOISE.iter().for_each(|(name, value)| set(name, value)),
            Axis::Home => set("HOME", around.home),
            Axis::Timezone => set("TZ", TIMEZONE),
            Axis::User => ["LOGNAME", "USER"].iter().for_each(|name| set(name, around.user)),
            Axis::Locale => ["LANG", "LC_ALL", "LANGUAGE"].iter().for_each(|name| set(name, "C")),
            _ => {}
        }
    }
    if variant.varies(Axis::Path)
        && let Some(path) = variables.get_mut("PATH")
    {
        *path = format!("{}:{path}:{}", FOLDERS[0], FOLDERS[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied(axis: Axis) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([
            ("PATH".to_owned(), "/bin".to_owned()),
            ("EDITOR".to_owned(), "of the recipe".to_owned()),
        ]);
        variables(&mut all, &Variant::default().varying([axis]), 8, &|name| name == "EDITOR");
        all
    }

    #[test]
    fn each_axis_changes_its_own_variables() {
        assert_eq!(varied(Axis::Jobs)["RBLD_JOBS"], "1");
        assert_eq!(varied(Axis::Home)["HOME"], "/home/of-another");
        assert_eq!(varied(Axis::Path)["PATH"], "/opt/before/bin:/bin:/opt/after/bin");
        assert_eq!(varied(Axis::Time).len(), 3, "and the number of jobs");
    }

    #[test]
    fn what_a_recipe_sets_stays() {
        assert_eq!(varied(Axis::Environment)["EDITOR"], "of the recipe");
        assert_eq!(varied(Axis::Environment)["DISPLAY"], ":7");
    }
}
