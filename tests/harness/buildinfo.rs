//! A Debian package built again from what its `.buildinfo` says: the file that `dpkg-buildpackage` wrote in one environment is the
//! environment of the next build, whose packages are compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use crate::place::{Place, Who};
use crate::real::World;

/// The test: as the ordinary user, whose environments are the same trees as root's.
pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let world = world.clone();
    vec![Trial::test("real/a package rebuilt from its .buildinfo", move || rebuilt(&world))]
}

fn rebuilt(world: &World) -> Result<(), Failed> {
    let place = world.empty(Who::ordinary())?;
    place.copy(&crate::root()?.join("tests/projects"), "")?;
    place.write(
        "build.rbld",
        &format!(
            "rbld 1\nuse std.debian\n\nlet archive = debian.snapshot(trixie, {})\n\
             let tools = debian.packages ++ [\"debhelper\", \"dh-python\", \"hello\", \"pkgconf\", \"zlib1g-dev\"]\n\
             env own = archive.env(amd64, packages = tools)\n\nbuild first = debian.package(own, ./debian/)\n",
            world.at
        ),
    )?;
    place.expect(
        "rbld lock && rbld build -o out && find out -name '*.buildinfo' -exec cp {} first.buildinfo \\;",
        0,
    )?;
    place.write(
        "again.rbld",
        "rbld 1\nuse std.debian\nuse ./build.rbld\n\n\
         env theirs = build.archive.buildinfo(./first.buildinfo, packages = [\"fakeroot\"])\n\n\
         build again = debian.package(theirs, ./debian/, round = 2)\n\n\
         assert \"as it was built\" matches(again.debs, build.first.debs)\n",
    )?;
    place.expect("rbld lock again.rbld", 0)?;
    locked(&place)?;
    let checked = place.expect("rbld check again.rbld", 0)?;
    if !checked.stdout.contains("1 comparison: 1 match") {
        return Err(format!("it isn't compared:\n{}", checked.stdout).into());
    }
    // From a vendored folder the lock comes out the same, with nobody to ask.
    place.expect("rbld vendor kept again.rbld && mv again.rbld.lock before", 0)?;
    place.expect("rbld lock again.rbld --offline --from kept", 0)?;
    place.expect(
        "grep -v '^tree ' before > one; grep -v '^tree ' again.rbld.lock > other; cmp one other",
        0,
    )?;
    // A version that was never published: it is named, with the one that is there.
    place.expect("sed -i 's/^ zlib1g (= [^)]*)/ zlib1g (= 1:0.9-1)/' first.buildinfo", 0)?;
    let ran = place.expect("rbld lock again.rbld", 2)?;
    match ran.stderr.contains("`zlib1g` 1:0.9-1: there is 1:1.") {
        true => Ok(()),
        false => Err(format!("the version isn't named:\n{}", ran.stderr).into()),
    }
}

/// The environment holds what the file names, in these versions, and what was asked for besides; nothing else.
fn locked(place: &Place) -> Result<(), Failed> {
    let named = place.read("first.buildinfo")?;
    let named = named.split("Installed-Build-Depends:").nth(1).ok_or("it names no packages")?;
    let named = named.lines().skip(1).take_while(|line| line.starts_with(' '));
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for line in named {
        let (name, version) = line.trim().trim_end_matches(',').split_once(" (= ").ok_or("an odd line")?;
        let name = name.split(':').next().unwrap_or(name);
        wanted.insert(name.to_owned(), version.trim_end_matches(')').to_owned());
    }
    let lock = place.read("again.rbld.lock")?;
    let theirs =
        lock.split("\n\n").find(|block| block.contains("asked fakeroot\n") && block.contains("asked libc6="));
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for line in theirs.ok_or("no block has the versions")?.lines() {
        if let ["package", name, version, ..] = line.split(' ').collect::<Vec<_>>()[..] {
            found.insert(name.to_owned(), version.to_owned());
        }
    }
    for besides in ["fakeroot", "libfakeroot"] {
        found.remove(besides).ok_or_else(|| format!("`{besides}` isn't locked"))?;
    }
    if wanted.len() < 100 || found != wanted {
        return Err(format!("the file names {wanted:?}, the lock has {found:?}").into());
    }
    Ok(())
}
