//! Files that are wrong: what is said of them, code by code.

use super::{USED, evaluated, more};

#[test]
fn names_that_mean_nothing() {
    let t = |source: &str| format!("{USED}{source}");
    more(&t("let _x = versoin\nlet _version = 1\n"), &["E0201 14:10 | `versoin`"]);
    more(&t("let _x = debian.snapshoot(bookworm, at)\n"), &["E0201 14:17 | did you mean `debian.snapshot`?"]);
    more(&t("let _x = debian.snapshot(bookwrm, at)\n"), &["E0201 14:26 | did you mean `bookworm`?"]);
    more(&t("let _x = debian.snapshot(bookworm, at).enw(amd64)\n"), &["E0201 14:40 | did you mean `env`?"]);
    more(&t("let _x = { a = 1 }.b\n"), &["E0201 14:20 | its fields are `a`"]);
    more(&t("let _x = amd64\n"), &["E0201 14:10 | let x: Arch = amd64"]);
    more(&t("let _x = lenght([1])\n"), &["E0201 14:10 | did you mean `length`?"]);
    more(&t("let _x = null\n"), &["E0201 14:10 | `none`"]);
    more(&t("let _x = snapshot(bookworm)\n"), &["E0201 14:10 | did you mean `debian.snapshot`?"]);
    more(&t("let _x: Integer = 1\n"), &["E0201 14:9 | did you mean `Int`?"]);
    more(&t("let _x: Suite = bookworm\n"), &["E0201 14:9 | did you mean `debian.Suite`?"]);
    more(&t("let _x = ./gone\n"), &["E0201 14:10 | there is no `gone`"]);
    more(&t("let _x = debian\n"), &["E0202 14:10 | is a module"]);
    more(&t("let _x = fetch.url(\"https://a.example/b\")\n"), &["E0201 14:10 | add `use std.fetch`"]);
    more("use std.debain\n", &["E0201 13:5 | did you mean `use std.debian`?"]);
    more("use ./gone.rbld\n", &["E0201 13:5 | can't read `gone.rbld`"]);
    more(&t("build _u for e in [old, stable] = _t[e]\nlet _v = _t[new]\n"), &["E0201 15:13 | `new`"]);
    more(&t("let _v = _t[none_]\nenv _none = old\n"), &["E0201 14:13 | did you mean `_none`?"]);
    more(&t("env other = old\nlet _v = _t[other]\n"), &["E0201 15:13 | has no `other`"]);
    more(&t("assert \"x\" identicl(_t.*.tarball)\n"), &["E0201 14:12 | did you mean `identical`?"]);
    more(
        &t("let _x = old.env(amd64, packages = [\"git=1\"])\n"),
        &["E0201 14:14 | `Env` has no method `env`"],
    );
    more(
        &t("let _x = debian.snapshot(sid, at).env(amd64, [\"git=1\"])\n"),
        &["E0201 14:47 | name of a package"],
    );
}

#[test]
fn types_that_grow_beyond_bounds() {
    let twice = |n: usize| format!("let a{n} = {{ x = a{0}, y = a{0} }}\n", n - 1);
    let forty: String = (1..=40).map(twice).collect();
    more(
        &format!("let a0 = 1\n{forty}let _same = a40 == a40\n"),
        &["E0209 29:11 | more than 100000 parts", "E0209 45:11"],
    );
    let twice = |n: usize| format!("type T{n} = {{ x: T{0}, y: List[T{0}] }}\n", n - 1);
    let forty: String = (1..=40).map(twice).collect();
    more(
        &format!("type T0 = Int\n{forty}fn _f(t: T40) -> T40 = t\n"),
        &["E0209 29:14 | more than 100000 parts", "E0209 45:14"],
    );
}

#[test]
fn a_field_that_is_written_twice() {
    for count in [3, 40] {
        let fields: String = (0..count).map(|index| format!("  f{index} = {index}\n")).collect();
        let line = 14 + count + 1;
        let text = format!("{USED}let _x = {{\n{fields}  f1 = 1\n}}\n");
        more(&text, &[&format!("E0208 {line}:3 | remove one of them")]);
    }
}

#[test]
fn types_that_do_not_fit() {
    let t = |source: &str| format!("{USED}{source}");
    more(&t("let _x: Int = \"1\"\n"), &["E0202 14:15 | `_x` is declared as `Int`, this is a `String`"]);
    more(&t("let _x: String = 1\n"), &["E0202 14:18 | text(1)"]);
    more(&t("let _x: List[String] = \"a\"\n"), &["E0202 14:24 | [\"a\"]"]);
    more(&t("let _x = [1, \"a\"]\n"), &["E0202 14:14 | of one type"]);
    more(&t("let _x = if 1 then 2 else 3\n"), &["E0202 14:13 | the condition of an `if` wants `Bool`"]);
    more(&t("let _x = if true then 2 else \"3\"\n"), &["E0202 14:30 | both arms"]);
    more(&t("let _x = \"a\" + \"b\"\n"), &["E0202 14:14 | by `++`"]);
    more(&t("let _x = [1] ++ 2\n"), &["E0202 14:14 | `xs ++ [x]`"]);
    more(&t("let _x = \"@{old}\"\n"), &["E0202 14:13 | an `Env` can't be written"]);
    more(&t("let _x: Commit = \"abc\"\n"), &["E0202 14:18 | `commit:…`"]);
    more(&t("let _x: Instant = 2026-01-01\n"), &["E0202 14:19 | 2026-01-01T00:00:00Z"]);
    more(&t("env _x = debian.snapshot(bookworm, at)\n"), &["E0202 14:10 | .env(amd64"]);
    more(&t("input _x = \"./folder\"\n"), &["E0202 14:12 | `./folder`"]);
    more(&t("build _x = _t\n"), &["E0202 14:12 | `_t[key]`"]);
    more(&t("build _x for e in [1.0] = archive(old)\n"), &["E0103 14:20"]);
    more(&t("build _x for e in [at] = archive(old)\n"), &["E0202 14:19 | key of a matrix"]);
    more(&t("build _x for e in 1 = archive(old)\n"), &["E0202 14:19 | runs over a list"]);
    more(
        &t("type R = { a: Int, b: String? , c: Int = 3 }\nlet _x: R = { b = \"\" }\n"),
        &["E0202 15:13 | `a`"],
    );
    more(
        &t("type R = { alpha: Int }\nlet _x: R = { alpa = 1 }\n"),
        &["E0202 15:13 | `alpha` of `R` is missing", "E0201 15:15 | `alpha`"],
    );
    more(&t("let _x = old.dist\n"), &["E0201 14:14 | has no field"]);
    more(&t("let _x = _t.tarball\n"), &["E0201 14:13 | `_t.*.tarball`"]);
    more(&t("let _x = archive\n"), &["E0202 14:10 | archive(e: Env)"]);
    more(&t("let _x = 1(2)\n"), &["E0202 14:10 | can't be called"]);
    more(&t("let _x = default(1, 2)\n"), &["E0202 14:18 | never `none`"]);
    more(&t("let _x = 1 == \"a\"\n"), &["E0202 14:12 | one type"]);
    more(&t("test \"x\" 1\n"), &["E0202 14:10 | has to be `Bool`"]);
    more(&t("assert \"x\" 1 == 1\n"), &["E0202 14:12 | test \"x\""]);
    more(&t("assert \"x\" identical(_t)\n"), &["E0202 14:22 | `_t.*.tarball`"]);
    more(&t("assert \"x\" identical(_t.*)\n"), &["E0202 14:22 | `_t.*.tarball`"]);
    more(&t("let _x = identical(_t.*.tarball)\n"), &["E0202 14:10 | only `assert`"]);
    more(&t("let _x = old with { arch = 1 }\n"), &["E0202 14:10 | fields of a record"]);
}

#[test]
fn nothing_unpinned_passes() {
    let t = |source: &str| format!("{USED}use std.fetch\n{source}");
    more(
        &t("input _a = fetch.git(\"https://a.example/b\", branch = \"main\")\n"),
        &["E0203 15:12 | branch `main`, which moves"],
    );
    more(
        &t("input _a = fetch.git(\"https://a.example/b\", tag = \"v1\")\n"),
        &["E0203 15:12 | refs/tags/v1^{}"],
    );
    more(&t("input _a = fetch.url(\"https://a.example/b\")\n"), &["E0203 15:12 | sha256sum"]);
    more(&t("let _a = debian.snapshot(bookworm)\n"), &["E0203 15:10 | snapshot(bookworm, at = "]);
    more(
        &t(&format!("input _a = fetch.url(\"https://a.example/b\", digest = sha256:{})\n", "0".repeat(64))),
        &["E0203 15:54 | all zeros"],
    );
    more(
        &t(&format!("input _a = fetch.git(\"https://a.example/b\", commit = commit:{})\n", "0".repeat(40))),
        &["E0203 15:54 | all zeros"],
    );
    more(
        &t("fn f(x: String) -> Input = fetch.url(x)\ninput _a = f(\"https://a.example/b\")\n"),
        &["E0203 15:28"],
    );
}

#[test]
fn rings_are_shown_whole() {
    more("let _a = _b\nlet _b = _c + 1\nlet _c = _a\n", &["E0205 13:10 | `_a` → `_b` → `_c` → `_a`"]);
    more("let _a = _a + 1\n", &["E0205 13:10 | `_a` needs itself"]);
    more("fn _f(x: Int) -> Int = _f(x - 1)\n", &["E0205 13:24 | iterate(n, start, f)"]);
    more("type R = { a: List[R] }\nlet _x: R? = none\n", &["E0205"]);
    more("use ./ring.rbld\n", &["E0205 13:1 | build.rbld → ring.rbld → build.rbld"]);
    let (_, evaluated) = evaluated("rbld 1\nlet _a = _b\nlet _b = _c + 1\nlet _c = _a\n");
    let [ring] = evaluated.diagnostics.as_slice() else { panic!("{:?}", evaluated.diagnostics) };
    assert_eq!(ring.labels.len(), 3);
}

#[test]
fn paths_stay_in_the_project() {
    let t = |source: &str| format!("{USED}use std.fetch\n{source}");
    more(&t("input _a = ./../../etc/passwd\n"), &["E0206 15:12 | outside the project"]);
    more(&t("use ../x.rbld\n"), &["E0206 15:5"]);
    more(
        &t("input _a = fetch.git(\"../x\", commit = commit:1111111111111111111111111111111111111111)\n"),
        &["E0206 15:12"],
    );
    more(
        &t("input _a = fetch.git(\"file:///x\", commit = commit:1111111111111111111111111111111111111111)\n"),
        &["E0206 15:12"],
    );
    more(
        &t(
            "input _a = fetch.url(\"ftp://x\", digest = sha256:1111111111111111111111111111111111111111111111111111111111111111)\n",
        ),
        &["E0202 15:12"],
    );
}

#[test]
fn calls_are_given_what_they_take() {
    let t = |source: &str| format!("{USED}fn f(alpha: Int, beta: Int = 2) -> Int = alpha + beta\n{source}");
    more(&t("let _x = f()\n"), &["E0207 15:10 | `alpha`"]);
    more(&t("let _x = f(1, 2, 3)\n"), &["E0207 15:18 | f(alpha: Int, beta: Int = 2) -> Int"]);
    more(&t("let _x = f(1, gamma = 2)\n"), &["E0207 15:15 | no parameter `gamma`"]);
    more(&t("let _x = f(1, alpha = 2)\n"), &["E0207 15:15 | given twice"]);
    more(&t("let _x = f { alpa = 1 }\n"), &["E0207 15:14 | did you mean `alpha: Int`?"]);
    more(&t("let _x = f(\"a\")\n"), &["E0202 15:12 | `alpha` of `f` wants `Int`"]);
    more(&t("let _x = length()\n"), &["E0207 15:10 | length(list)"]);
    more(&t("let _x = _t[old, stable]\n"), &["E0207 15:10 | `Env`"]);
    more(&t("let _x = old\nbuild _u = archive()\n"), &["E0207 16:12 | archive(e: Env) -> Build"]);
}

#[test]
fn nothing_is_declared_twice() {
    more(&format!("{USED}let old = 1\n"), &["E0208 14:5 | declared twice"]);
    more(&format!("{USED}let _x = {{ a = 1, a = 2 }}\n"), &["E0208 14:19"]);
    more(&format!("{USED}type E = a | a\nlet _x: E = a\n"), &["E0208 14:14"]);
    more(&format!("{USED}fn _f(a: Int, a: Int) -> Int = a\n"), &["E0208 14:15"]);
    more(&format!("{USED}type String = a | b\n"), &["E0208 14:6"]);
    more("build _t for e in [old, old] = archive(e)\n", &["E0208 13:19 | `_t[old]` is made twice"]);
    let twice = "assert \"x\" differ(_t[old].tarball, _t[stable].tarball)\n";
    more(&format!("{USED}{twice}{twice}"), &["E0208 15:8"]);
}

#[test]
fn comparisons_compare_something() {
    let t = |source: &str| format!("build t for e in [old, stable, newest] = archive(e)\n{source}");
    let c = |rest: &str| t(&format!("assert \"x\" {rest}\n"));
    more(&c("identical(t.*.dits)"), &["E0301 14:26 | `tarball` and `list`"]);
    more(&c("identical(t.*.tarbal)"), &["E0301 14:26 | did you mean `tarball`?"]);
    more(&c("identical(t[old].tarball)"), &["E0303 14:22 | one output with nothing"]);
    more(&c("identical([t[old].tarball])"), &["E0303 14:22"]);
    more(&c("identical([])"), &["E0303 14:22 | nothing"]);
    more("build t for e in [old] = archive(e)\nassert \"x\" identical(t.*.tarball)\n", &["E0303 14:22"]);
    more(
        "build t for e in [old] if false = archive(e)\nassert \"x\" identical(t.*.tarball)\n",
        &["E0303 14:22"],
    );
    let within = |groups: &str| c(&format!("identical(t.*.tarball, within = {groups})"));
    more(&within("{ a = [old, stable], b = [newest] }"), &["E0303 14:65 | group `b` has 1"]);
    more(&within("{ a = [old, stable] }"), &["E0302 14:44 | `newest` is in no group"]);
    more(
        &within("{ a = [old, stable, old], b = [newest, stable] }"),
        &["E0302 14:64 | `old` stands twice in group `a`", "E0302 14:83 | in two groups, `a` and `b`"],
    );
    more(
        &t(
            "env other = old\nassert \"x\" identical(t.*.tarball, within = { a = [old, stable], b = [newest, other] })\n",
        ),
        &["E0302 15:78 | group `b` names `other`"],
    );
    more(&within("{ a = 1 }"), &["E0202 14:46 | group `a` is an `Int`"]);
    more(&within("[old, stable]"), &["E0202 14:44 | the groups are"]);
    more(&c("identical(t.*.tarball, across = differ)"), &["E0303 14:44 | needs groups"]);
    more(&c("identical(t.*.tarball, across = difer)"), &["E0201 14:44 | did you mean `differ`?"]);
    more(&c("identical(t.*.tarball, compare = tree)"), &["E0307 14:45 | `tree(\"why\")`"]);
    more(&c("identical(t.*.tarball, at_least = 0%)"), &["E0202 14:46 | share to reach"]);
    more(&c("identical(t.*.tarball, expect = \"why\")"), &["E0202 14:44 | `expect` wants"]);
    more(&c("identical(t.*.tarball, expect = different(\"\"))"), &["E0402 14:44 | reason"]);
    more(&c("identical(t.*.tarball, withn = 1)"), &["E0207 14:35 | did you mean `within"]);
    more(&c("differ(t[old].tarball, t[old].tarball)"), &["E0304 14:1 | compared with itself"]);
    more(&c("matches(t[old].tarball, t[old].tarball)"), &["E0304 14:36 | compared with itself"]);
    more(&c("identical([t[old].tarball, t[old].tarball])"), &["E0304 14:22 | compared with itself"]);
    more(
        &t(
            "env same = old\nbuild s for e in [same, old] = archive(e)\nassert \"x\" identical(s.*.tarball, within = { a = [same], b = [old] }, across = differ)\n",
        ),
        &["E0304 16:58 | they can't differ"],
    );
    more(
        &c("matches(t.*.tarball, [t[old].tarball])"),
        &["E0202 14:33 | 3 outputs are compared with a list of 1"],
    );
    more(&c("matches(t.*.list, debian.snapshot(bookworm, at))"), &["E0303 14:30 | nothing of this archive"]);
    more(&c("matches(t.*.tarball, t[old].list)"), &["E0202 14:33 | `file(…)`, the other `files(…)`"]);
    more(&c("differ(t[old].tarball, 1)"), &["E0202 14:35"]);
}

#[test]
fn modifiers_and_later_forms_are_told_what_they_lack() {
    let t = |source: &str| format!("build t for e in [old, stable, newest] = archive(e)\n{source}");
    let c = |rest: &str| t(&format!("assert \"x\" {rest}\n"));
    more(&c("identical(t.*.tarball, compare = byts)"), &["E0201 14:45 | did you mean `bytes`?"]);
    more(&c("identical(t.*.tarball, compare = content(\" \"))"), &["E0402 14:45 | `content` needs a reason"]);
    more(
        &c(
            "matches(t[old].tarball, sha256:bc2df2d868f141bca5f3625aa146aa0f24871f6dcf0b48ff497eba3bb5219b84, compare = tree(\"x\"))",
        ),
        &["E0307 14:109 | a digest is of bytes"],
    );
    more(
        &c("identical(t.*.tarball, expect = flaky(\"a race\"))"),
        &["E0207 14:44 | `flaky` is not given `owner`"],
    );
    more(
        &c("identical(t.*.tarball, expect = flaky(\"a race\", owner = \"\"))"),
        &["E0402 14:44 | names nobody"],
    );
    more(
        &c("identical(t.*.tarball, expect = different(\"x\", category = upsteam))"),
        &["E0201 14:70 | did you mean `upstream`?"],
    );
    more(
        &c("identical(t.*.tarball, expect = different(\"x\", until = \"2027-01-31\"))"),
        &["E0202 14:67 | `until` of `different` wants `Date?`"],
    );
    more(&c("reproducible(t[old], times = 1)"), &["E0303 14:41 | one run agrees with itself"]);
    more(&c("reproducible(t, times = 2)"), &["E0202 14:25 | choose a cell, as in `t[key]`"]);
    more(&c("reproducible(old)"), &["E0202 14:25 | `build` of `reproducible` has to be a build"]);
    more(&c("reproducible(t[old], vary = [time, umsk])"), &["E0201 14:47 | did you mean `umask`?"]);
    more(&c("reproducible(t[old], vary = [])"), &["E0207 14:40 | names nothing to vary"]);
    more(&c("reproducible(t[old], vary = [time, umask, time])"), &["E0207 14:54 | `time` twice"]);
    more(&c("reproducible(t[old], at_least = 50%)"), &["E0207 14:33 | no parameter `at_least`"]);
    more(&c("agreed(t[old].tarball, 0, of = [t[stable].tarball])"), &["E0303 14:35 | reached by nobody"]);
    more(&c("agreed(t[old].tarball, 2, of = [t[stable].tarball])"), &["E0303 14:35 | there are 1 witness"]);
    more(&c("agreed(t[old].tarball, 1, of = [])"), &["E0303 14:43 | asks nobody"]);
    more(&c("agreed(t[old].tarball, 1, of = [t[old].tarball])"), &["E0304 14:44 | compared with itself"]);
    more(&c("agreed(t[old], 1, of = [t[stable].tarball])"), &["E0202 14:19 | name one of its outputs"]);
}

#[test]
fn recipes_say_what_they_need() {
    let r = |fields: &str| format!("{USED}recipe _r(e: Env) {{\n{fields}}}\nbuild _b = _r(old)\n");
    let full =
        |more: &str| r(&format!("  env = e\n  run = \"true\"\n  outputs = {{ out = file(\"a\") }}\n{more}"));
    more(&full(""), &[]);
    more(&r("  env = e\n  outputs = { out = file(\"a\") }\n"), &["E0402 14:8 | doesn't say `run`"]);
    more(&full("  network = true\n"), &["E0201 18:3 | no recipe has a network"]);
    more(&full("  worldir = 1\n"), &["E0201 18:3 | did you mean `workdir`?", "E0202 18:13"]);
    more(&full("  env = e\n"), &["E0208 18:3"]);
    more(&full("  workdir = \"src\"\n"), &["E0402 18:13 | there is no `src`"]);
    more(&full("  shell = \"zsh\"\n"), &["E0402 18:11 | there is no shell"]);
    more(&full("  shell = \"bash\"\n  timeout = 90m\n"), &[]);
    more(&full("  timeout = 0s\n"), &["E0402 18:13"]);
    more(&full("  vars = { PATH = \"/bin\" }\n"), &["E0402 18:12 | same in every build"]);
    more(&full("  vars = { out = \"\" }\n"), &["E0402 17:15 | `out` is a variable and an output"]);
    more(&full("  vars = { IFS = \"\" }\n"), &["E0402 18:12"]);
    more(&full("  vars = { X = e }\n"), &["E0202 18:16 | can't be written into a variable"]);
    more(&full("  vars = { A = 1, B = true, C = at, D = 30%, F = 1h }\n"), &[]);
    more(&full("  inputs = { src = \"./x\" }\n"), &["E0202 18:20 | `./x`"]);
    more(&r("  env = e\n  run = \"true\"\n  outputs = {}\n"), &["E0402 17:13"]);
    more(&r("  env = e\n  run = \"true\"\n  outputs = { out = \"a\" }\n"), &["E0202 17:21 | `file(\"a\")`"]);
    for (path, column) in [("/a", 21), ("../a", 21), ("a*", 21), ("", 21), ("a/", 21)] {
        more(
            &r(&format!("  env = e\n  run = \"true\"\n  outputs = {{ out = file(\"{path}\") }}\n")),
            &[&format!("E0402 17:{column}")],
        );
    }
    more(
        &r(
            "  env = e\n  run = \"cp $ot $out; cat $bundel\"\n  inputs = { bundle = ./release.bundle }\n  outputs = { out = file(\"a\") }\n",
        ),
        &["E0401 16:13 | did you mean `$out`?", "E0401 16:27 | did you mean `$bundle`?"],
    );
}

#[test]
fn what_is_made_for_nothing_is_said() {
    more("", &[]);
    more(
        "build t for e in [old, stable] = archive(e)\nassert \"x\" identical(t.*.tarball)\n",
        &["W0501 6:5 | env `newest`", "W0503 13:7 | output `list` of `t`"],
    );
    let both = "build t for e in [old, stable, newest] = archive(e)\nassert \"x\" identical(t.*.tarball)\nassert \"y\" identical(t.*.list)\n";
    more(
        &format!("{both}let x = 1\nlet _y = 1\nuse std.fetch\nfn f() -> Int = 1\n"),
        &["W0501 16:5 | let `x`", "W0501 18:1 | nothing of `fetch`", "W0501 19:4 | fn `f`"],
    );
    more(
        &format!(
            "{both}recipe r(e: Env) {{\n  env = e\n  run = \"true\"\n  outputs = {{ out = file(\"a\") }}\n}}\n"
        ),
        &["W0502 16:8 | recipe `r`"],
    );
    more(&format!("{both}use ./common.rbld\nlet _v = common.version\n"), &["W0501 5:5"][..0]);
}

#[test]
fn several_mistakes_are_said_at_once() {
    more(
        "let _a = versoin\nlet _b: Int = \"x\"\nlet _c = f(1)\nassert \"x\" identical(t.*.tarbal)\nbuild t for e in [old, stable, newest] = archive(e)\nlet _d = _a ++ [1]\nlet version = \"\"\n",
        &["E0201 13:10 | did you mean `version`?", "E0202 14:15", "E0201 15:10", "E0301 16:26"],
    );
}

#[test]
fn a_wrong_call_hides_nothing_and_asks_for_nothing() {
    more(
        "env other = debian.snapshot(trixie, at).env(amd64, pakages = [\"git\"])\nbuild t for e in [old, other] = archive(e, 1)\nassert \"x\" identical(t.*.tarbal)\n",
        &["E0207 13:52 | `packages", "E0207 14:44 | 1 argument(s)", "E0301 15:26 | `tarball`"],
    );
    let (_, evaluated) = evaluated(
        "rbld 1\nuse std.debian\nenv _e = debian.snapshot(trixie, 2026-11-22T00:00:00Z).env(amd64, x = 1)\n",
    );
    assert!(evaluated.requests.is_empty());
}
