//! Axes in words: what the two values are, which texts give a value away, and what usually mends what an axis changes.

use std::collections::BTreeMap;

use rbld_lang::vary::Axis;

use super::{KERNEL, Surroundings, Variant, locale, variables};

/// Variables as the plain build has them, as far as axes change them.
const PLAIN: [(&str, &str); 7] = [
    ("HOME", "/build"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("LOGNAME", "build"),
    ("PATH", "/bin"),
    ("TZ", "UTC"),
    ("USER", "build"),
];

/// The variables that an axis changes: name, plain and varied value.
fn changed(axis: Axis) -> Vec<(String, String, String)> {
    let plain: BTreeMap<String, String> =
        PLAIN.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut varied = plain.clone();
    variables(&mut varied, &Variant::default().varying([axis]), 2, &|_| false);
    let differs = |(name, value): (String, String)| {
        let before = plain.get(&name).cloned().unwrap_or_default();
        (before != value && name != "RBLD_JOBS").then_some((name, before, value))
    };
    varied.into_iter().filter_map(differs).collect()
}

/// Texts that are in what a build writes only if it looked at an axis: of its plain value, and of its other one.
pub fn tokens(axis: Axis) -> (Vec<String>, Vec<String>) {
    let around = [Surroundings::PLAIN, Surroundings::of(&Variant::default().varying([axis]))];
    let texts = around.map(|around| match axis {
        Axis::BuildPath => vec![around.folder.to_owned()],
        Axis::Home => vec![around.home.to_owned()],
        Axis::Hostname => vec![around.hostname.to_owned(), around.domain.to_owned()],
        Axis::User => vec![around.id.to_string(), format!("by {}", around.user)],
        _ => Vec::new(),
    });
    let [plain, mut varied] = texts;
    match axis {
        Axis::Environment => {
            varied.extend(changed(axis).into_iter().map(|(name, _, _)| name).filter(|name| name.len() > 5));
        }
        Axis::Kernel => varied.extend([KERNEL.0.to_owned(), KERNEL.1.to_owned()]),
        Axis::Locale => varied.extend([locale::NAME.to_owned(), "janvier".to_owned()]),
        _ => {}
    }
    const SHORTEST: usize = 4;
    for (_, before, value) in changed(axis) {
        let parts = value.split([':', ',', ' ', ';']).filter(|part| !before.contains(part));
        let telling =
            |part: &&str| part.len() >= SHORTEST && part.chars().any(|letter| !letter.is_ascii_digit());
        varied.extend(parts.filter(telling).map(str::to_owned));
    }
    if axis == Axis::Timezone {
        // `VRY-13:45` is shown as `VRY` and as `+1345`.
        for (_, _, value) in changed(axis) {
            let (letters, offset): (String, String) =
                value.chars().partition(|letter| letter.is_ascii_alphabetic());
            varied.push(letters);
            varied.push(format!("+{}", offset.trim_start_matches('-').replace(':', "")));
        }
    }
    (plain, varied)
}

/// The plain and the other value of an axis, for a person.
pub fn values(axis: Axis) -> (String, String) {
    let (plain, varied) = (Surroundings::PLAIN, Surroundings::of(&Variant::default().varying([axis])));
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    match axis {
        Axis::Aslr => pair("addresses in memory fixed", "at random"),
        Axis::BuildPath => pair(plain.folder, varied.folder),
        Axis::Cpus => pair("the processors that there are", "another number"),
        Axis::Environment => {
            let names: Vec<String> = changed(axis).into_iter().map(|(name, _, _)| name).collect();
            ("no variables that nobody asked for".to_owned(), names.join(", "))
        }
        Axis::FileOrder => pair("folders listed as the disk has them", "in another order"),
        Axis::Home => pair(plain.home, varied.home),
        Axis::Hostname => {
            (plain.hostname.to_owned(), format!("{}, domain {}", varied.hostname, varied.domain))
        }
        Axis::Jobs => pair("as many jobs as are offered", "another number"),
        Axis::Kernel => pair("this kernel's release", KERNEL.0),
        Axis::Locale => ("C.UTF-8".to_owned(), locale::NAME.to_owned()),
        Axis::Time => pair("now", "398 days later, at another time of day"),
        Axis::Umask => (format!("{:04o}", plain.umask), format!("{:04o}", varied.umask)),
        Axis::User => (format!("{} ({})", plain.user, plain.id), format!("{} ({})", varied.user, varied.id)),
        Axis::Path | Axis::Timezone => {
            let text =
                |name: &str, value: &str| format!("{name}={}", if value.is_empty() { "''" } else { value });
            let changed = changed(axis);
            let side = |which: fn(&(String, String, String)) -> &str| {
                changed.iter().map(|one| text(&one.0, which(one))).collect::<Vec<_>>().join(" ")
            };
            let shown = (side(|one| &one.1), side(|one| &one.2));
            if axis == Axis::Path {
                ("the usual folders".to_owned(), "with others before and after".to_owned())
            } else {
                shown
            }
        }
    }
}

/// What usually mends what an axis changes, in a line.
pub fn usual_fix(axis: Axis) -> &'static str {
    match axis {
        Axis::Aslr => "don't write addresses or order by them; sort by a name or a number",
        Axis::BuildPath => {
            "write relative paths; for compilers `-ffile-prefix-map=\"$PWD\"=.`, for rustc `--remap-path-prefix`"
        }
        Axis::Cpus => {
            "don't write `nproc` into what is built; give a fixed number where the result depends on it"
        }
        Axis::Environment => {
            "read only variables that the recipe sets; `env -i` for programs that write all of them"
        }
        Axis::FileOrder => {
            "sort what a folder lists: `find … | LC_ALL=C sort`, `tar --sort=name`, `sorted(os.listdir())`"
        }
        Axis::Home => "don't write $HOME; set it in the recipe's `vars` where a program insists",
        Axis::Hostname => {
            "don't write `hostname` or `uname -n`; many tools take a name by an option or a variable"
        }
        Axis::Jobs => {
            "name the missing dependency in the Makefile; write to one file each and join them in order"
        }
        Axis::Kernel => "don't write `uname`; give configure `--build` and `--host` by name",
        Axis::Locale => "`export LC_ALL=C` in the script, `LC_ALL=C sort`, `LC_ALL=C date`",
        Axis::Path => "don't write $PATH or paths that `command -v` finds; call programs by name",
        Axis::Time => {
            "use $SOURCE_DATE_EPOCH in place of now: `date -u -d @$SOURCE_DATE_EPOCH`, `gzip -n`, \
             `tar --mtime=@$SOURCE_DATE_EPOCH`"
        }
        Axis::Timezone => "`export TZ=UTC` in the script, `date -u`",
        Axis::Umask => {
            "set the modes of what is packed: `umask 022` first, `tar --mode=go=rX,u+rw`, `install -m`"
        }
        Axis::User => "`tar --owner=0 --group=0 --numeric-owner`; don't write `whoami`, `id` or $USER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_has_two_values_and_a_fix() {
        for axis in Axis::ALL {
            let (plain, varied) = values(axis);
            assert!(plain != varied && !plain.is_empty() && !varied.is_empty(), "{axis:?}");
            assert!(!usual_fix(axis).is_empty());
        }
    }

    #[test]
    fn no_text_gives_two_axes_away() {
        for one in Axis::ALL {
            for other in Axis::ALL.into_iter().filter(|other| *other > one) {
                let (ours, theirs) = (tokens(one).1, tokens(other).1);
                assert!(ours.iter().all(|text| !theirs.contains(text)), "{one:?} and {other:?}");
            }
        }
    }
}
