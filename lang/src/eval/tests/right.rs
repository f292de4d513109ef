//! Files that are right: what they come to.

use super::*;
use crate::derivation::{Derivation, Fetch, Shell};
use crate::plan;

#[test]
fn the_example_comes_to_a_plan() {
    let source = format!(
        "{START}build a for e in [old, stable, newest] = archive(e)\n\
         let by_git = {{ old = [old], modern = [stable, newest] }}\n\
         assert \"git archive\" identical(a.*.tarball, within = by_git, across = differ)\n\
         assert \"published\" matches(a[newest].tarball, sha256:{})\n",
        "1".repeat(64)
    );
    let (plan, evaluated) = plan(&source);
    let warnings: Vec<_> = evaluated.diagnostics.iter().map(|d| (d.code.0, d.message.as_str())).collect();
    assert_eq!(warnings, [("W0503", "output `list` of `a` is compared with nothing")]);
    let names: Vec<&str> = plan.names.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(names, ["old", "stable", "newest", "a[old]", "a[stable]", "a[newest]"]);
    assert_eq!(plan.derivations.len(), 3 + 1 + 3);
    for (index, derivation) in plan.derivations.values().enumerate() {
        for need in derivation.needs() {
            assert!(plan.derivations.get_index_of(&need).is_some_and(|at| at < index));
        }
    }
    let [first, second] = plan.comparisons.as_slice() else { panic!("{:?}", plan.comparisons) };
    let plan::Form::Identical { members, groups, across } = &first.form else { panic!("{first:?}") };
    assert_eq!(
        members.iter().map(|member| member.key.as_str()).collect::<Vec<_>>(),
        ["old", "stable", "newest"]
    );
    assert_eq!(
        groups.iter().map(|group| (group.name.as_str(), group.members.clone())).collect::<Vec<_>>(),
        [("old", vec![0]), ("modern", vec![1, 2])]
    );
    assert_eq!(*across, plan::Across::Differ);
    assert!(matches!(&second.form, plan::Form::Matches { expected, .. } if expected.len() == 1));
}

#[test]
fn the_lock_answers_or_is_stale() {
    let source = format!("{START}{USED}");
    let (project, before) = evaluated(&source);
    let lock = locked(&before);
    let stale = |root: &str, lock: Option<&Lock>| {
        let (project, evaluated) = evaluated(root);
        shown(&project, &instantiate(&evaluated, lock, &HOST).1)
    };
    assert_eq!(stale(&source, Some(&lock)), [""; 0]);
    let none = stale(&source, None);
    assert!(none.len() == 1 && none[0].starts_with("E0204 4:11 there is no `rbld.lock` yet"), "{none:#?}");
    let changed = stale(&source.replacen("[\"git\"]", "[\"git\", \"make\"]", 1), Some(&lock));
    assert!(changed.len() == 1 && changed[0].contains("package `make` was added"), "{changed:#?}");
    let moved = stale(&source.replace("2026-11-22", "2026-11-23"), Some(&lock));
    assert!(
        moved.len() == 3 && moved.iter().all(|said| said.contains("the instant was 2026-11-22")),
        "{moved:#?}"
    );
    let fewer = stale(&source.replace("env newest", "# env newest").replace(", newest]", "]"), Some(&lock));
    assert!(
        fewer.len() == 1 && fewer[0].contains("nothing asks for the lock's `environment debian trixie"),
        "{fewer:#?}"
    );
    let mut other = lock.clone();
    if let Some((_, block)) = other.blocks.iter_mut().next()
        && let Facts::Environment { packages, .. } = &mut block.facts
    {
        packages[0].needs = vec!["libc6".to_owned()];
    }
    let unmet = stale(&source, Some(&other));
    assert!(unmet.len() == 1 && unmet[0].contains("`git` needs `libc6`, which isn't locked"), "{unmet:#?}");
    let mut edited = lock.clone();
    if let Some((_, block)) = edited.blocks.iter_mut().next()
        && let Request::Environment { packages, .. } = &mut block.title
    {
        packages.push("make".to_owned());
    }
    let edited = stale(&source, Some(&edited));
    assert!(edited.iter().any(|said| said.contains("was changed after it was written")), "{edited:#?}");
    assert!(!project.modules.is_empty());
}

#[test]
fn another_architecture_is_emulated() {
    let source = "rbld 1\nuse std.debian\nlet at = 2026-11-22T00:00:00Z\nrecipe r(e: Env) {\n  env = e\n  run = \"true\"\n  outputs = { o = file(\"a\") }\n}\nenv a = debian.snapshot(trixie, at).env(arm64)\nenv b = debian.snapshot(trixie, at).env(i386)\nbuild t for e in [a, b] = r(e)\nassert \"x\" identical(t.*.o)\n";
    let (plan, evaluated) = plan(source);
    let titles: Vec<String> = evaluated.requests.iter().map(|(request, _)| request.title()).collect();
    assert_eq!(
        titles,
        [
            "environment debian trixie main 2026-11-22T00:00:00Z arm64",
            "environment debian trixie main 2026-11-22T00:00:00Z i386",
            "emulator debian bookworm main 2026-11-22T00:00:00Z amd64",
        ]
    );
    let emulated: Vec<bool> = plan
        .derivations
        .values()
        .map(|derivation| match derivation {
            Derivation::Build(build) => build.emulator.is_some(),
            Derivation::Environment(environment) => environment.emulator.is_some(),
            _ => false,
        })
        .collect();
    assert_eq!(emulated, [true, false, true, false]);
    let other = Host { arch: Arch::Arm64 };
    let suite = evaluated.requests[0].0.suite().unwrap().clone();
    let bookworm = SuiteAt { suite: "bookworm".to_owned(), ..suite };
    assert!(evaluated.wants(&Request::Emulator { suite: bookworm.clone(), host: other.arch }));
    assert!(
        !evaluated.wants(&Request::Emulator { suite: SuiteAt { instant: 1, ..bookworm }, host: other.arch })
    );
    more("env _x = debian.snapshot(bookworm, at).env(riscv64)\n", &["E0305 13:10 | has no riscv64"]);
}

#[test]
fn source_packages_are_rebuilt_and_compared() {
    let source = "rbld 1\nuse std.debian\nlet snap = debian.snapshot(bookworm, 2026-11-22T00:00:00Z)\nbuild _r for p in [\"ucf\", \"libuev\"] = debian.rebuild(snap, p)\nassert \"archive\" matches(_r.*.debs, snap, at_least = 30%)\n";
    let (plan, _) = plan(source);
    let names: Vec<&str> = plan.names.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(names, ["_r[ucf]", "_r[libuev]"]);
    let pools: Vec<&str> = plan
        .derivations
        .values()
        .filter_map(|derivation| match derivation {
            Derivation::Fetch(Fetch::Pool { name, .. }) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(pools, ["ucf 1-1", "libuev 1-1"]);
    let plan::Form::Matches { expected, .. } = &plan.comparisons[0].form else { panic!("{plan:?}") };
    let published: Vec<Vec<&str>> = expected
        .iter()
        .map(|expected| match expected {
            plan::Expected::Published { files, .. } => files.iter().map(|file| file.name.as_str()).collect(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(published, [["ucf_1-1_amd64.deb"], ["libuev_1-1_amd64.deb"]]);
    assert_eq!(plan.comparisons[0].at_least, Some(3000));
}

#[test]
fn values_come_out_as_they_should() {
    let holds = |tests: &str| {
        let source = format!("rbld 1\nuse ./common.rbld\n{tests}");
        let (project, evaluated) = evaluated(&source);
        assert_eq!(shown(&project, &evaluated.diagnostics), [""; 0]);
        assert!(!evaluated.tests.is_empty());
        for test in &evaluated.tests {
            assert!(matches!(test.outcome, Outcome::Holds), "{}", test.name);
        }
    };
    holds(
        r#"type Color = red | green
type R = { name: String, size: Size?, shell: String = "sh" }
let r: R = { name = "a" }
let moved = { shell = "b", size = 1MiB, name = "c" }
let all: List[R] = [r, moved]
let by: Map[Color, Int] = { red = 1, green = 2 }
let many: Map[String, Int] = { a = 1, b = 2 }
fn next(xs: List[Int], n: Int) -> List[Int] = xs ++ [n]
fn paint(c: Color = green) -> String = "is @{c}"
test "arithmetic" 1 + 2 * 3 == 7 and 2 * 3 - 7 == -1
test "default fields" r.shell == "sh" and r.size == none
test "a record in another order" all.*.name == ["a", "c"] and all[1].shell == "b"
test "with" (r with { name = "z" }).name == "z"
test "maps" by[green] == 2 and many["b"] == 2 and many.* == [1, 2]
test "comprehension" [for x in [1, 2, 3], y in [10, 20] if x != 2: x * y] == [10, 20, 30, 60]
test "iterate" iterate(3, [], next)[3] == [1, 2, 3]
test "interpolation" "@{paint()}, @{paint(red)}, @{1h}, @{30%}, @{2026-01-02T03:04:05Z}" == "is green, is red, 3600, 30%, 2026-01-02T03:04:05Z"
test "join" join(["a", "b"], "-") == "a-b" and length([1, 2]) == 2 and text(amd64) == "x" or true
test "default" default(r.size, 4KiB) == 4KiB
test "other file" common.version == "1.0" and common.twice(2) == 4
test "order of variants on the left" [for a in [amd64, arm64] if amd64 == a: a] == [amd64]
test "instants" 2026-01-01T00:00:00Z + 1h == 2026-01-01T01:00:00Z and 1GiB > 1MiB
test "if" (if 1 < 2 then "a" else "b") == "a"
"#
        .replace(" and text(amd64) == \"x\" or true", "")
        .as_str(),
    );
}

#[test]
fn evaluation_is_bounded() {
    more(
        "fn double(s: String) -> String = s ++ s\nlet _x = iterate(100, \"aaaaaaaa\", double)\n",
        &["E0209"],
    );
    more(
        "let xs = [for a in ten, b in ten, c in ten, d in ten, e in ten, f in ten, g in ten: a]\nlet ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\nlet _y = xs\n",
        &["E0209"],
    );
    more("let _x = 9223372036854775807 + 1\n", &["E0209 13:10 | out of range"]);
    let mut chain = String::from("let a0 = 1\n");
    for index in 1..4_000 {
        chain.push_str(&format!("let a{index} = a{} + 1\n", index - 1));
    }
    chain.push_str("let _z = a3999\n");
    more(&chain, &[]);
    let calls: String =
        (1..700).map(|index| format!("fn f{index}(x: Int) -> Int = f{}(x) + 1\n", index - 1)).collect();
    more(&format!("fn f0(x: Int) -> Int = x\n{calls}let _x = f699(1)\n"), &["E0209"]);
    more(
        "fn stage(before: Input, n: Int) -> Input = one(newest, before)\nfn one(e: Env, b: Input) -> Input = again(e, b).out\nrecipe again(e: Env, b: Input) {\n  env = e\n  inputs = { b }\n  run = \"true\"\n  outputs = { out = file(\"a\") }\n}\nlet _x = iterate(400, ./release.bundle, stage)\n",
        &[],
    );
    let mut tower = String::from(
        "recipe on(b: File) {\n  env = newest\n  inputs = { b }\n  run = \"true\"\n  outputs = { out = file(\"a\") }\n}\n",
    );
    tower += "recipe ground() {\n  env = newest\n  run = \"true\"\n  outputs = { out = file(\"a\") }\n}\nbuild b0 = ground()\n";
    for index in 1..10_000 {
        tower += &format!("build b{index} = on(b{}.out)\n", index - 1);
    }
    more(&tower, &[]);
    let sum = |terms: usize| format!("let _x = 1{}\n", " + 1".repeat(terms));
    more(&sum(190), &[]);
    more(&sum(400), &["E0209"]);
    let arms = |count: usize| format!("let _x = {}0\n", "if 1 == 2 then 1 else ".repeat(count));
    more(&arms(100), &[]);
    let nested: String = (1..400)
        .map(|index| format!("fn f{index}(x: Int) -> Int = [for a in [x]: f{}(a)][0]\n", index - 1))
        .collect();
    more(&format!("fn f0(x: Int) -> Int = x\n{nested}let _x = f399(1)\n"), &["E0209"]);
}

#[test]
fn a_build_says_all_that_decides_it() {
    let source = "rbld 1\nuse std.debian\nuse std.fetch\nenv e = debian.snapshot(bookworm, 2026-11-22T00:00:00Z).env(amd64)\ninput src = fetch.unpack(fetch.url(\"https://a.example/x.tar.gz\", digest = sha256:1111111111111111111111111111111111111111111111111111111111111111), strip = 1)\nrecipe first(e: Env) {\n  env = e\n  inputs = { src, data = ./folder/ }\n  workdir = \"src\"\n  shell = \"bash\"\n  vars = { VERSION = \"1\", N = 2, D = 1h }\n  timeout = 90s\n  run = \"make\"\n  outputs = { out = file(\"./a//b\"), docs = files(\"doc/\") }\n}\nbuild one = first(e)\nrecipe second(e: Env) {\n  env = e\n  inputs = { before = one.out }\n  run = \"cp $before $out\"\n  outputs = { out = file(\"b\") }\n}\nbuild two = second(e)\nassert \"x\" differ(one.out, two.out)\n";
    let (plan, _) = plan(source);
    let build = |index: usize| match &plan.derivations[&plan.names[index].id] {
        Derivation::Build(build) => build.clone(),
        other => panic!("{other:?}"),
    };
    let (one, two) = (build(2), build(3));
    assert_eq!((one.workdir.as_deref(), one.shell, one.timeout), (Some("src"), Shell::Bash, 90));
    assert_eq!(
        one.vars.iter().map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>(),
        ["D=3600", "N=2", "VERSION=1"]
    );
    assert_eq!(*one.outputs["out"], crate::derivation::OutputSpec::File("a/b".to_owned()));
    assert_eq!(*one.outputs["docs"], crate::derivation::OutputSpec::Files("doc/".to_owned()));
    assert_eq!(two.inputs["before"].derivation, plan.names[2].id);
    assert_eq!(&*two.inputs["before"].output, "out");
    let kinds: Vec<&str> = plan
        .derivations
        .values()
        .map(|derivation| match derivation {
            Derivation::Fetch(Fetch::Unpack { strip: 1, .. }) => "unpack",
            Derivation::Fetch(Fetch::Url { name, .. }) if name == "x.tar.gz" => "url",
            Derivation::Fetch(Fetch::Local { folder: true, .. }) => "folder",
            Derivation::Environment(_) | Derivation::Guix(_) => "environment",
            Derivation::Build(_) => "build",
            _ => "?",
        })
        .collect();
    assert_eq!(kinds, ["environment", "url", "unpack", "folder", "build", "build"]);
}

#[test]
fn names_and_comments_enter_no_key() {
    let ids = |source: &str| plan(source).0.derivations.keys().copied().collect::<Vec<_>>();
    let source = format!(
        "{START}build a for e in [old, stable, newest] = archive(e)\nassert \"x\" identical(a.*.tarball)\nassert \"y\" identical(a.*.list)\n"
    );
    let renamed = source
        .replace("old", "oldest")
        .replace("archive(", "pack(")
        .replace("build a", "# here\nbuild b")
        .replace("a.*", "b.*");
    assert_eq!(ids(&source), ids(&renamed));
    let changed = source.replace("tar -cf", "tar  -cf");
    assert_eq!(ids(&source)[..4], ids(&changed)[..4]);
    assert_ne!(ids(&source)[4..], ids(&changed)[4..]);
}
