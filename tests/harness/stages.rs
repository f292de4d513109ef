//! Stages on a real environment: packages made by `dpkg-deb` come into the next one, relations are checked, a chain
//! settles or is told to move.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use crate::place::Who;
use crate::real::World;

type Test = fn(&World, Who) -> Result<(), Failed>;

/// The tests: as the ordinary user, whose environments are the same trees as root's.
pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let tests: [(&str, Test); 3] = [
        ("a chain settles, and another moves", chains),
        ("packages that don't fit", misfits),
        ("of another architecture", foreign),
    ];
    let trial = |(name, test): (&str, Test)| {
        let world = world.clone();
        Trial::test(format!("real/stages/{name}"), move || test(&world, Who::ordinary()))
    };
    tests.into_iter().map(trial).collect()
}

/// A recipe for a package of one file, which says what the one before said, as far as `keep` lets it.
fn recipe(world: &World) -> String {
    format!(
        r#"
recipe package(e: Env, name: String, version: String = "1.0", arch: String = "all", fields: String = "", keep: Int = 1) {{
  env     = e
  vars    = {{ NAME = name, VERSION = version, OF = arch, FIELDS = fields, KEEP = keep, NEWS = "{}" }}
  run     = """
    mkdir -p p/DEBIAN p/usr/share/words
    words=/usr/share/words/$NAME
    if [ -e "$words" ]; then tail -n "$KEEP" "$words" > old; else : > old; fi
    (cat old; echo "after $(wc -l < old)") > "p$words"
    printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: N <n@example.org>\nDescription: words\n' \
      "$NAME" "$VERSION" "$OF" > p/DEBIAN/control
    if [ -n "$FIELDS" ]; then echo "$FIELDS" >> p/DEBIAN/control; fi
    mkdir debs
    dpkg-deb --root-owner-group -Zgzip --build p "debs/$NAME.deb"
    """
  outputs = {{ debs = files("debs/") }}
}}
"#,
        world.news()
    )
}

fn chains(world: &World, who: Who) -> Result<(), Failed> {
    let text = recipe(world)
        + r#"
let names = ["words"]
fn calm(before: List[Files]) -> List[Files] =
  [package(debian.staged(base, packages = before, add = names), "words").debs]
fn wild(before: List[Files]) -> List[Files] =
  [package(debian.staged(base, packages = before, add = names), "words", keep = 9).debs]

assert "calm" fixpoint(iterate(4, [package(base, "words").debs], calm))
assert "wild" fixpoint(iterate(2, [package(base, "words", keep = 9).debs], wild))
"#;
    let place = world.project(who, &text)?;
    let calm = place.expect("rbld check calm", 0)?;
    says(&calm.stdout, "stage 3 was built with stage 2 and gave the same")?;
    says(&calm.stdout, "not run again, since all that goes in is equal: stage 4")?;
    let wild = place.expect("rbld check wild", 1)?;
    says(&wild.stdout, "not settled: it is another in every stage (debs/words.deb)")?;
    says(&wild.stdout, "/usr/share/words/words")?;
    let report: serde_json::Value =
        serde_json::from_str(&place.expect("rbld check calm --format json", 0)?.stdout)?;
    let stages = &report["comparisons"][0]["stages"];
    let again: Vec<bool> = stages["each"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|stage| stage["same_keys_as_before"] == true)
        .collect();
    if stages["settled_at"] != 3 || again != [false, false, false, false, true] {
        return Err(format!("the report has {stages:#}").into());
    }
    Ok(())
}

fn misfits(world: &World, who: Who) -> Result<(), Failed> {
    let cases = [
        (
            r#"[package(base, "words", fields = "Depends: nothing-has-it (>= 2) | nor-this").debs]"#,
            "`words` 1.0, made by `package`, needs `nothing-has-it (>= 2) | nor-this`",
        ),
        (
            r#"[package(base, "hostname", version = "99", arch = "amd64", fields = "Breaks: bash").debs]"#,
            "can't be beside `bash`",
        ),
        (
            r#"[package(base, "hostname", version = "99").debs]"#,
            "made `hostname` for all, but the environment has it for",
        ),
        ("[p.debs, q.debs]", "`p` and `q` both made the package `words` for all"),
        (r#"[package(base, "other").debs]"#, "no build made the package `words`, which is to be added"),
        (r#"[say("debs/a.deb").out]"#, "made a `.deb` that is none"),
        (r#"[say("a.txt").out]"#, "made no package"),
    ];
    for (packages, wrong) in cases {
        let text = recipe(world)
            + r#"
recipe say(file: String) {
  env     = base
  vars    = { FILE = file }
  run     = """
    mkdir -p "out/$(dirname "$FILE")"
    echo word > "out/$FILE"
    """
  outputs = { out = files("out/") }
}
recipe see(e: Env) {
  env     = e
  run     = """
    dpkg-query --show words > "$out"
    """
  outputs = { out = file("out") }
}
env next = debian.staged(base, packages = PACKAGES, add = [ADD])
build _seen = see(next)
build _said = say("x")
build p = package(base, "words")
build q = package(base, "words", version = "2.0")
"#;
        let add = if packages.contains("hostname") { "" } else { "\"words\"" };
        let place = world.project(who, &text.replace("PACKAGES", packages).replace("ADD", add))?;
        let ran = place.expect("rbld build _seen -o out", 3)?;
        says(&ran.stderr, wrong)?;
    }
    Ok(())
}

/// Packages of another architecture come into its next environment, all of it by the emulator.
fn foreign(world: &World, who: Who) -> Result<(), Failed> {
    let text =
        format!("rbld 1\nuse std.debian\n\nenv far = debian.snapshot(bookworm, {}).env(arm64)\n", world.at)
            + &recipe(world)
            + r#"
fn of(e: Env) -> List[Files] = [package(e, "words", arch = "arm64", keep = 0).debs]
fn next(before: List[Files]) -> List[Files] = of(debian.staged(far, packages = before, add = ["words"]))

recipe see(e: Env) {
  env     = e
  run     = """
    uname -m > "$seen"
    dpkg-query --show words >> "$seen"
    cat /usr/share/words/words >> "$seen"
    """
  outputs = { seen = file("seen") }
}
build seen = see(debian.staged(far, packages = of(far), add = ["words"]))

assert "far" fixpoint(iterate(1, of(far), next))
"#;
    let place = world.empty(who)?;
    place.write("build.rbld", &text)?;
    place.expect("rbld lock", 0)?;
    says(&place.expect("rbld check far", 0)?.stdout, "1 comparison: 1 match")?;
    let built = place.expect("rbld build seen -o out --format json", 0)?;
    let seen = place.read("out/seen/seen")?;
    if seen != "aarch64\nwords\t1.0\nafter 0\n" {
        return Err(format!("the build says\n{seen}").into());
    }
    let report: serde_json::Value = serde_json::from_str(&built.stdout)?;
    let derivations = report["derivations"].as_array().ok_or("the report lists no derivations")?;
    match derivations.iter().find(|derivation| derivation["name"] == "seen") {
        Some(seen) if seen.to_string().contains("\"emulated\"") => Ok(()),
        other => Err(format!("it isn't marked as emulated: {other:?}").into()),
    }
}

/// What is said, however its lines are broken.
fn says(text: &str, part: &str) -> Result<(), Failed> {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat(text).contains(&flat(part)) {
        true => Ok(()),
        false => Err(format!("no `{part}` in\n{text}").into()),
    }
}
