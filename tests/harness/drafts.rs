//! Drafted files really used: a project of each kind, `rbld init`, `rbld lock`, `rbld check` to a verdict.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use crate::place::Who;
use crate::real::World;

/// The projects below `tests/projects`, and how many comparisons a draft for each makes.
const PROJECTS: [(&str, usize); 6] =
    [("autotools", 1), ("cargo", 1), ("cmake", 1), ("debian", 1), ("meson", 1), ("python", 2)];

/// The tests: as the ordinary user, whose environments are the same trees as root's.
pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let trial = |(kind, comparisons)| {
        let world = world.clone();
        Trial::test(format!("real/a first file for {kind}"), move || first_file(&world, kind, comparisons))
    };
    PROJECTS.into_iter().map(trial).collect()
}

fn first_file(world: &World, kind: &str, comparisons: usize) -> Result<(), Failed> {
    let place = world.empty(Who::ordinary())?;
    place.copy(&crate::root()?.join("tests/projects").join(kind), "")?;
    let said = place.expect(&format!("rbld init --at {}", world.at), 0)?.stdout;
    if said.lines().count() != 2 || !said.ends_with("next: rbld lock && rbld check\n") {
        return Err(format!("`rbld init` asks for more than it should:\n{said}").into());
    }
    let written = place.read("build.rbld")?;
    place.expect("rbld fmt --check && rbld lock && rbld lock --check", 0)?;
    let checked = place.expect("rbld check", 0)?;
    let (noun, all) = (if comparisons == 1 { "comparison" } else { "comparisons" }, comparisons);
    let verdict = format!("{all} {noun}: {all} match\n");
    if !checked.stdout.contains(&verdict) {
        return Err(format!("no `{verdict}` in\n{}", checked.stdout).into());
    }
    // Neither the file nor its lock is a part of what is built: a comment rebuilds nothing.
    place.write("build.rbld", &written.replace("rbld 1\n", "rbld 1\n# A comment.\n"))?;
    let again = place.expect("rbld check", 0)?;
    match again.stdout.contains("0 derivations realised") {
        true => Ok(()),
        false => Err(format!("a comment rebuilds:\n{}", again.stdout).into()),
    }
}
