//! The recipes of the standard library, each really run: a small project of its kind, twice, in a Debian environment
//! of its kind, and all that was made compared.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use crate::place::Who;
use crate::real::World;

/// A call of a recipe, and the output of it that is compared.
type Call = (&'static str, &'static str);

/// The kinds of project below `tests/projects`, the packages that each environment holds, and what is built of each.
const KINDS: [(&str, &str, &[Call]); 7] = [
    (
        "autotools",
        r#"gnu.packages ++ ["zlib1g-dev"]"#,
        &[
            (r#"gnu.dist(e, ./autotools/, tarball = "brook-1.2.tar.gz", round = round)"#, "tarball"),
            (
                "gnu.install(e, ./autotools/, options = \"--disable-dependency-tracking CFLAGS='-O2 -g'\", round = round)",
                "installed",
            ),
        ],
    ),
    (
        "cmake",
        r#"cmake.packages ++ ["zlib1g-dev"]"#,
        &[(
            r#"cmake.install(e, ./cmake/, options = "-DCMAKE_BUILD_TYPE=Debug", round = round)"#,
            "installed",
        )],
    ),
    (
        "meson",
        r#"meson.packages ++ ["zlib1g-dev"]"#,
        &[
            (
                r#"meson.dist(e, ./meson/, tarball = "weir-2.0.1.tar.xz", repack = true, round = round)"#,
                "tarball",
            ),
            (
                r#"meson.dist(e, ./meson/, tarball = "weir-2.0.1.tar.gz", check = false, repack = true, round = round)"#,
                "tarball",
            ),
            ("meson.install(e, ./meson/, round = round)", "installed"),
        ],
    ),
    (
        "cargo",
        "cargo.packages",
        &[
            ("cargo.build(e, ./cargo/, round = round)", "built"),
            (r#"cargo.package(e, ./cargo/, crate = "sluice-0.4.0.crate", round = round)"#, "package"),
        ],
    ),
    (
        "python",
        "python.packages",
        &[
            (
                r#"python.sdist(e, ./python/, sdist = "tide_table-0.9.tar.gz", repack = true, round = round)"#,
                "sdist",
            ),
            (
                r#"python.wheel(e, ./python/, wheel = "tide_table-0.9-py3-none-any.whl", round = round)"#,
                "wheel",
            ),
        ],
    ),
    (
        "debian",
        r#"debian.packages ++ ["debhelper", "dh-python", "pkgconf", "zlib1g-dev"]"#,
        &[
            ("debian.package(e, ./debian/, round = round)", "debs"),
            (
                r#"debian.package(e, ./debian/, options = "nocheck", profiles = "nocheck", round = round)"#,
                "debs",
            ),
        ],
    ),
    (
        "reproducible",
        "reproducible.packages",
        &[
            (
                r#"reproducible.tarball(e, ./cargo/, tarball = "sluice.tar.zst", prefix = "sluice-0.4.0", round = round)"#,
                "tarball",
            ),
            (
                r#"reproducible.tarball(e, ./cargo/, tarball = "sluice.tar.lz", prefix = "sluice-0.4.0/src", round = round)"#,
                "tarball",
            ),
            (
                r#"reproducible.git_archive(e, ./release.bundle, tag = "v1.0", tarball = "tally-1.0.tar.gz", prefix = "tally-1.0", round = round)"#,
                "tarball",
            ),
        ],
    ),
];

/// The test: as the ordinary user alone, whose environments are the same trees as root's.
pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let world = world.clone();
    vec![Trial::test("real/the standard library's recipes", move || recipes(&world))]
}

fn recipes(world: &World) -> Result<(), Failed> {
    let who = Who::ordinary();
    let place = world.empty(who)?;
    let root = crate::root()?;
    place.copy(&root.join("tests/projects"), "")?;
    place.copy(&root.join("examples/git-archive/release.bundle"), "release.bundle")?;
    let mut text = "rbld 1\n".to_owned();
    for module in rbld_lang::loader::library().map(|(name, _)| name).filter(|name| *name != "std.fetch") {
        text.push_str(&format!("use {module}\n"));
    }
    text.push_str(&format!("let trixie = debian.snapshot(trixie, {})\n", world.at));
    let mut comparisons = 0;
    for (kind, packages, builds) in KINDS {
        text.push_str(&format!("env {kind}_env = trixie.env(amd64, packages = {packages})\n"));
        for (index, (call, output)) in builds.iter().enumerate() {
            let (name, call) = (format!("{kind}_{index}"), call.replacen("(e,", &format!("({kind}_env,"), 1));
            text.push_str(&format!("build {name} for round in [1, 2] = {call}\n"));
            text.push_str(&format!("assert \"{name}\" identical({name}.*.{output})\n"));
            comparisons += 1;
        }
    }
    place.write("build.rbld", &text)?;
    place.expect("rbld lock", 0)?;
    let checked = place.expect("rbld check", 0)?;
    let all = format!("{comparisons} comparisons: {comparisons} match\n");
    if checked.stdout.contains(&all) {
        Ok(())
    } else {
        Err(format!("no `{all}` in\n{}", checked.stdout).into())
    }
}
