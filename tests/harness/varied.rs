//! Builds run in varied surroundings, on a real environment: causes are named, alone and in pairs, what is flaky is told
//! apart, a second check runs nothing, and a file can ask for it too.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::place::Who;
use crate::real::World;

/// The test: as the ordinary user, whose sandbox is the same as root's.
pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let world = world.clone();
    vec![Trial::test("real/variations/causes are named", move || causes(&world, Who::ordinary()))]
}

fn causes(world: &World, who: Who) -> Result<(), Failed> {
    let recipe = |name: &str, script: &str| {
        format!(
            "recipe {name}() {{\n  env     = base\n  vars    = {{ NEWS = \"{}\" }}\n  run     = \"\"\"\n    {script}\n    \
             \"\"\"\n  outputs = {{ out = file(\"out.txt\") }}\n}}\nbuild b_{name} = {name}()\n\n",
            world.news()
        )
    };
    let text = recipe("path", r#"pwd > "$out""#)
        + &recipe("pair", r#"if [ "$(pwd)" != /build ] && [ "$(umask)" != 0022 ]; then echo a; fi > "$out""#)
        + &recipe("random", r#"od -An -N8 -tx1 /dev/urandom > "$out""#)
        + &recipe("fails", r#"test "$(umask)" = 0022; echo fine > "$out""#)
        + &recipe("sound", r#"echo hello > "$out""#)
        + "assert \"as it is\" reproducible(b_sound, times = 2, vary = [build_path, umask])\n";
    let place = world.project(who, &text)?;
    let names = "b_path b_pair b_random b_fails b_sound";
    let command = format!("rbld check {names} --vary=build_path,umask,timezone,home --format json");
    let report: Value = serde_json::from_str(&place.expect(&command, 1)?.stdout)?;
    let found: Vec<String> = report["comparisons"].as_array().into_iter().flatten().map(told).collect();
    let expected = [
        "as it is: match",
        "reproducible b_path: mismatch, build_path",
        "reproducible b_pair: mismatch, build_path+umask",
        "reproducible b_random: mismatch, flaky",
        "reproducible b_fails: mismatch, umask",
        "reproducible b_sound: match",
    ];
    if found != expected {
        return Err(format!("found {found:#?}").into());
    }
    let again: Value = serde_json::from_str(&place.expect(&command.replace(" b_fails", ""), 1)?.stdout)?;
    let runs = again["comparisons"].as_array().into_iter().flatten();
    let runs = runs.flat_map(|one| one["varied"]["runs"].as_array().into_iter().flatten());
    if !runs.clone().all(|run| run["cached"] == true) || runs.count() < 10 {
        return Err("a second check runs something".into());
    }
    Ok(())
}

/// `name: verdict, causes`.
fn told(comparison: &Value) -> String {
    let axes = |cause: &Value| {
        let axes = cause["axes"].as_array().into_iter().flatten();
        axes.filter_map(|axis| axis["axis"].as_str()).collect::<Vec<_>>().join("+")
    };
    let varied = &comparison["varied"];
    let mut told: Vec<String> = varied["causes"].as_array().into_iter().flatten().map(axes).collect();
    if varied["flaky"].as_array().is_some_and(|flaky| !flaky.is_empty()) {
        told.push("flaky".to_owned());
    }
    let text = |field: &str| comparison[field].as_str().unwrap_or_default().to_owned();
    let causes: String = told.iter().map(|cause| format!(", {cause}")).collect();
    format!("{}: {}{causes}", text("name"), text("verdict"))
}
