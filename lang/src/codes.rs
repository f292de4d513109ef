//! Every diagnostic code: what it is called and what it means. `rbld explain CODE` prints a row of this table.
//!
//! A code is for ever: its meaning may be told better, but it is never given to something else.

use crate::diagnostic::Code;

/// A code and what is to be said of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The code.
    pub code: Code,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What it means, with an example of wrong and right.
    pub explanation: &'static str,
}

/// The row of a code, as `E0203`.
pub fn find(code: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code.0 == code)
}

/// E0101: a piece of the file can't be read.
pub const SYNTAX: Code = Code("E0101");
/// E0102: the edition is missing or not known.
pub const EDITION: Code = Code("E0102");
/// E0103: a literal that stands for nothing.
pub const LITERAL: Code = Code("E0103");
/// E0104: a text that isn't written right.
pub const TEXT: Code = Code("E0104");
/// E0105: a file or an expression beyond the limits.
pub const TOO_LARGE: Code = Code("E0105");
/// E0201: an unknown name, field or module.
pub const UNKNOWN: Code = Code("E0201");
/// E0202: a value of another type than expected.
pub const TYPE: Code = Code("E0202");
/// E0203: an input that isn't pinned.
pub const UNPINNED: Code = Code("E0203");
/// E0204: the lock is missing or stale.
pub const LOCK: Code = Code("E0204");
/// E0205: items that need each other in a ring.
pub const CYCLE: Code = Code("E0205");
/// E0206: a path outside the project.
pub const OUTSIDE: Code = Code("E0206");
/// E0207: a call with the wrong arguments.
pub const ARGUMENTS: Code = Code("E0207");
/// E0208: a name that is declared twice.
pub const TWICE: Code = Code("E0208");
/// E0209: evaluation beyond the limits.
pub const TOO_DEEP: Code = Code("E0209");
/// E0211: a package or module of one that isn't exported.
pub const EXPORTS: Code = Code("E0211");
/// E0212: a package that isn't in the store.
pub const ABSENT: Code = Code("E0212");
/// E0213: a `package.rbld` that can't be.
pub const MANIFEST: Code = Code("E0213");
/// E0301: a comparison of an output that isn't declared.
pub const UNDECLARED: Code = Code("E0301");
/// E0302: groups that don't divide the matrix.
pub const GROUPS: Code = Code("E0302");
/// E0303: a comparison of fewer than two.
pub const ALONE: Code = Code("E0303");
/// E0304: a comparison of one derivation with itself.
pub const SAME: Code = Code("E0304");
/// E0305: an architecture that nothing here can run.
pub const ARCH: Code = Code("E0305");
/// E0306: stages that don't follow each other.
pub const CHAIN: Code = Code("E0306");
/// E0307: a weaker equality that can't stand here.
pub const RELATION: Code = Code("E0307");
/// E0401: a script that reads an unknown variable.
pub const VARIABLE: Code = Code("E0401");
/// E0402: a field of a recipe with a value that can't be.
pub const FIELD: Code = Code("E0402");
/// E0701: a test that doesn't hold.
pub const TEST: Code = Code("E0701");
/// E0702: a value that isn't the one kept.
pub const CHANGED: Code = Code("E0702");
/// E0703: an example that isn't as it says.
pub const EXAMPLE: Code = Code("E0703");
/// W0501: an item that nothing uses.
pub const UNUSED: Code = Code("W0501");
/// W0502: a recipe that is never built.
pub const NEVER_BUILT: Code = Code("W0502");
/// W0503: an output that nothing compares.
pub const NOT_COMPARED: Code = Code("W0503");

/// W0505: two environments that are one.
pub const SAME_ENVIRONMENT: Code = Code("W0505");
/// W0506: a text that is filled in in another language.
pub const NOT_FILLED_IN: Code = Code("W0506");

/// All codes, in order.
pub const TABLE: &[Row] = &[
    Row {
        code: SYNTAX,
        title: "a piece of the file can't be read",
        explanation: r#"An item has the form of its kind, and goes on in lines that are indented:

    let name: Type = value          fn name(a: Type, b: Type = value) -> Type = value
    input name = value              recipe name(e: Env) { … }
    env name = value                build name for x in list if condition = recipe(x)
    type Name = a | b               type Name = { field: Type, other: Type? }
    use std.debian as name          assert "name" comparison        test "name" condition

wrong:  env bookworm debian.snapshot(bookworm, at).env(amd64)
right:  env bookworm = debian.snapshot(bookworm, at).env(amd64)

Entries in `{ … }` are separated by a newline or a comma, in `( … )` and `[ … ]` always by a comma.
No line begins with a binary operator: write it at the end of the line before."#,
    },
    Row {
        code: EDITION,
        title: "the edition is missing or not known",
        explanation: r#"The first line of a file names the edition of the language that it is written in. Comments and blank
lines may stand before it. A file of edition 1 means the same to every later rbld.

wrong:  use std.debian
right:  rbld 1
        use std.debian

An edition that this program doesn't know needs a newer rbld."#,
    },
    Row {
        code: LITERAL,
        title: "a literal that stands for nothing",
        explanation: r#"Literals of the domain are checked when they are read:

    sha256:64 digits    commit:40 digits    2025-11-28T00:00:00Z    2025-11-28
    90s 5m 1h 2d        500MB 4GiB          30% 97.5%               ./file ./folder/

wrong:  commit:136fc8b                    an abbreviation may mean another commit tomorrow
right:  commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e

`sha256sum FILE` prints the digest of a file, `git rev-parse 'TAG^{commit}'` the full id of a commit."#,
    },
    Row {
        code: TEXT,
        title: "a text that isn't written right",
        explanation: r#"A text in `"…"` ends on its line, knows the escapes \n \t \\ \" \@ and fills in `@{value}`. A text of
several lines stands between `"""` and `"""`: nothing in it needs an escape, nothing is filled in (with
`@"""` values are), its lines are indented, and what their indentation has in common is taken away.

wrong:  run = """make
        make check"""
right:  run = """
          make
          make check
          """"#,
    },
    Row {
        code: TOO_LARGE,
        title: "a file or an expression beyond the limits",
        explanation: r#"A file has at most 16 MiB, brackets nest at most 128 deep, and so do operators within reason. Files that
people write are far from it; one that a program wrote can be given in parts.

wrong:  let x = [[[[[[[[…
right:  let inner = [a, b]
        let x = [inner]"#,
    },
    Row {
        code: UNKNOWN,
        title: "an unknown name, field or module",
        explanation: r#"A name is found among the file's items, the parameters and loop variables around it, the modules bound
by `use` and the builtin functions; a field among those of its record, module or type. The nearest known
name is suggested.

wrong:  use std.debian
        env stable = debain.snapshot(bookworm, at).env(amd64)
right:  env stable = debian.snapshot(bookworm, at).env(amd64)"#,
    },
    Row {
        code: TYPE,
        title: "a value of another type than expected",
        explanation: r#"Every expression has a type, known before anything runs; nothing is converted silently.

wrong:  recipe r(e: Env) { vars = { JOBS = ["a"] } … }
right:  recipe r(e: Env) { vars = { JOBS = "a" } … }

A `T?` may be `none`: where a `T` is expected, give a value. The variants of an enum are written bare
where the enum is expected: `debian.snapshot(bookworm, at)`."#,
    },
    Row {
        code: UNPINNED,
        title: "an input that isn't pinned",
        explanation: r#"Whatever enters a build is fixed by a digest, a commit or a snapshot instant, or nothing runs: a branch, a
tag or a URL alone may give other bytes tomorrow. A digest of sixty-four zeros counts as missing.

wrong:  input src = fetch.git { url = "https://example.org/a.git", tag = "v1.0" }
right:  input src = fetch.git {
          url    = "https://example.org/a.git"
          tag    = "v1.0"
          commit = commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e
        }"#,
    },
    Row {
        code: LOCK,
        title: "the lock is missing or stale",
        explanation: r#"`rbld.lock` holds the exact packages of every environment. It is stale when the file asks for something
that it has no block for, when it has a block that nothing asks for, or when a block was edited by hand.

    rbld lock       resolves what is new, takes out what nothing asks for, leaves the rest as it is

Commit `rbld.lock` beside the file: with it, every machine installs the same packages for ever."#,
    },
    Row {
        code: CYCLE,
        title: "items that need each other in a ring",
        explanation: r#"An item is evaluated from the items that it names; a ring of them has no beginning. The same holds for
files that `use` each other. The diagnostic shows the ring.

wrong:  let a = b
        let b = a
right:  let a = 1
        let b = a

Stages that build on each other are written with `iterate(n, start, fn)`."#,
    },
    Row {
        code: OUTSIDE,
        title: "a path outside the project",
        explanation: r#"`./file` is relative to the file that holds it and stays inside the project's folder: a file from a
stranger's merge request must not read your home folder. There are no absolute paths.

wrong:  inputs = { data = ../../elsewhere/data }
right:  inputs = { data = ./data }

What is elsewhere is copied into the project, or fetched by digest with `fetch.url`."#,
    },
    Row {
        code: ARGUMENTS,
        title: "a call with the wrong arguments",
        explanation: r#"A call gives every parameter that has no default exactly once, by place or by name, and no other.

wrong:  debian.snapshot(bookworm, at, at = at)
right:  debian.snapshot(bookworm, at = at)

`f { a = 1 }` is the call `f(a = 1)`."#,
    },
    Row {
        code: TWICE,
        title: "a name that is declared twice",
        explanation: r#"The items of a file share one set of names, in any order; so do the parameters of one function, the fields
of one record and the loops of one matrix.

wrong:  env stable = …
        build stable = archive(e)
right:  env stable = …
        build archive_stable = archive(stable)"#,
    },
    Row {
        code: TOO_DEEP,
        title: "evaluation beyond the limits",
        explanation: r#"Evaluation always ends, and within bounds: how deep values and calls nest, and how many steps all of it
takes, is limited, so that a file from a stranger can't keep a machine busy.

wrong:  a matrix of a thousand by a thousand builds
right:  a matrix whose axes hold what is compared, filtered with `if`

Give a part that nests deeply a name with `let`."#,
    },
    Row {
        code: EXPORTS,
        title: "a module that a package doesn't export",
        explanation: r#"A package says in its `package.rbld` which of its modules others may use; the rest is its own and may
change. A module is named after the package's name, as its file is called.

wrong:  use gnu                       a package, and no module
        use gnu.private               not among its exports
right:  use gnu.dist                  where its package.rbld has `let exports = ["dist"]`

An error inside of a package is for those who keep it: require a commit in which it is mended."#,
    },
    Row {
        code: ABSENT,
        title: "a package that isn't in the store",
        explanation: r#"Evaluation never touches the network. `rbld check`, `rbld build` and `rbld lock` fetch a package that is
pinned and not in the store yet before they evaluate anything; what only looks (`rbld eval`, `rbld plan`, an
editor) says that it is missing.

    rbld lock       fetches the packages, then locks what isn't locked

With `--offline` nothing is fetched: run once without. A mirror that has it is named in config.toml:

    [mirrors]
    "https://git.example.org/" = ["https://mirror.example/git/"]"#,
    },
    Row {
        code: MANIFEST,
        title: "a package.rbld that can't be",
        explanation: r#"A directory with a file `package.rbld` is a package, or a project that requires packages. The file is one of
the language with up to three items, read as they stand: nothing in it is evaluated.

wrong:  let requires = { gnu = fetch.git { url = address } }
right:  let name     = "tools"                     what the package is called
        let exports  = ["dist"]                    the modules others may use: dist.rbld
        let requires = {
          gnu = git {
            url    = "https://git.example.org/gnu.git"
            tag    = "v1.4"
            commit = commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e
            tree   = sha256:…
          }
        }

`rbld update gnu` writes `commit` and `tree`. A project that nobody else uses needs `requires` alone."#,
    },
    Row {
        code: UNDECLARED,
        title: "a comparison of an output that isn't declared",
        explanation: r#"A comparison names outputs that the recipe declares: an output that nobody makes would compare nothing.

wrong:  recipe archive(e: Env) { … outputs = { tarball = file("hello.tar.gz") } }
        assert "same" identical(a.*.tarbal)
right:  assert "same" identical(a.*.tarball)"#,
    },
    Row {
        code: GROUPS,
        title: "groups that don't divide the matrix",
        explanation: r#"The groups of `within = { name = [keys], … }` hold every key of the matrix exactly once: a key outside the
matrix, in two groups or in none would be compared with nothing without anybody noticing.

wrong:  build a for e in [old, stable, newest] = archive(e)
        assert "git" identical(a.*.tarball, within = { modern = [stable, newest] })
right:  assert "git" identical(a.*.tarball, within = { old = [old], modern = [stable, newest] }, across = differ)"#,
    },
    Row {
        code: ALONE,
        title: "a comparison of fewer than two",
        explanation: r#"One output compared with nothing always agrees. A comparison has two members at least, and so has every
group, unless `across = differ` compares groups with each other.

wrong:  build a for e in [stable] = archive(e)
        assert "same" identical(a.*.tarball)
right:  build a for e in [stable, newest] = archive(e)
        assert "same" identical(a.*.tarball)

To compare one output with a known digest, write `matches(a[stable].tarball, sha256:…)`."#,
    },
    Row {
        code: SAME,
        title: "a comparison of one derivation with itself",
        explanation: r#"Two members that are the same recipe with the same environment and inputs are one build, made once: they
can't differ, and their agreement says nothing.

wrong:  build one = archive(stable)
        build two = archive(stable)
        assert "same" identical([one.tarball, two.tarball])
right:  build two = archive(newest)

Let the members differ in what is put to the test: the environment, an input, a variable."#,
    },
    Row {
        code: ARCH,
        title: "an architecture that nothing here can run",
        explanation: r#"A program of another architecture runs by an emulator that is locked for the machine's own architecture;
for some there is none.

wrong:  env port = debian.snapshot(bookworm, at).env(riscv64)      suite has no riscv64
right:  env port = debian.snapshot(trixie, at).env(riscv64)

wrong:  env port = oci.layout(image.layout, arch = riscv64)        an image says nothing of an emulator
right:  env port = oci.layout(image.layout, arch = riscv64, emulator = at)

`rbld doctor` says what this machine can run."#,
    },
    Row {
        code: CHAIN,
        title: "stages that don't follow each other",
        explanation: r#"`fixpoint` asks whether building again with what was built changes nothing any more. So every stage is built
with what the stage before it made, and has as many outputs.

wrong:  assert "settled" fixpoint([on_bookworm.debs, on_trixie.debs])     neither is built with the other
right:  build second = package(debian.staged(base, packages = [first.debs]))
        assert "settled" fixpoint([first.debs, second.debs])

Builds that don't stand on each other are compared by `identical`."#,
    },
    Row {
        code: RELATION,
        title: "a weaker equality that can't stand here",
        explanation: r#"Outputs are equal if their bytes are. Where less is enough, `compare` says what is left out of sight and
why, and every report repeats the reason until it can go. A digest is of bytes alone: nothing weaker can be held
against it.

wrong:  assert "manual" identical(t.*.manual, compare = content)
right:  assert "manual" identical(t.*.manual, compare = content("gzip of different versions"))

wrong:  assert "release" matches(t[sid].dist, sha256:…, compare = tree("another gzip"))
right:  assert "release" identical([t[sid].dist, released.dist], compare = tree("another gzip"))"#,
    },
    Row {
        code: VARIABLE,
        title: "a script that reads an unknown variable",
        explanation: r#"Scripts run under `set -u`: a variable that is not set stops them, after minutes perhaps. A script may read
`vars`, the names of the inputs and outputs (their paths), what is always set (PATH, HOME, TZ,
SOURCE_DATE_EPOCH, …) and what it sets itself.

wrong:  vars = { VERSION = "1.0" }, run = """
          make dist V=$VERISON
          """
right:  make dist V=$VERSION

Where a variable may well be unset, write `${NAME:-}`."#,
    },
    Row {
        code: FIELD,
        title: "a field of a recipe with a value that can't be",
        explanation: r#"A recipe has the fields env, inputs, workdir, shell, vars, run, outputs and timeout; `env`, `run` and
`outputs` are required. `workdir` is the name of an input, `shell` is "sh" or "bash", outputs are
`file("path")` or `files("pattern")` relative to where the script starts, and no name in `vars` is also that
of an input, an output or a variable that is always set.

wrong:  workdir = "source", inputs = { src }
right:  workdir = "src", inputs = { src }"#,
    },
    Row {
        code: TEST,
        title: "a test that doesn't hold",
        explanation: r#"A `test` is a condition on the file's own values, known before anything runs. One that is false makes the
file wrong, as a wrong type does: `rbld check` runs nothing, and `rbld test` lists all of them.

wrong:  let version = "5.0.1"
        test "the tag is the version's" tag == "v@{version}"       and `tag` is "v5.0"
right:  let tag = "v@{version}"

The labels show what the sides of the part that decides came to."#,
    },
    Row {
        code: CHANGED,
        title: "a value that isn't the one kept",
        explanation: r#"`test "…" unchanged(value)` holds while the value is the one kept beside the file, in `rbld.expected`. Where
nothing is kept yet, or another value, `rbld test` shows the lines that differ.

    rbld test            compares
    rbld test --bless    keeps the values as they are now; read what git says of the file before you commit it

wrong:  a changed script and an `rbld.expected` of before
right:  both in one commit, so that a reader sees which builds the change reaches"#,
    },
    Row {
        code: EXAMPLE,
        title: "an example that isn't as it says",
        explanation: r##"A block marked `rbld` in the `##` lines of an item is an example: a file of its own, which uses the
file that documents by its name. `# => value` says what a `let` comes to, `# error: [E0201] "words"` what is wrong
with its line. `rbld test` holds all of that against what is so.

wrong:  let _six = common.twice(3)    # => 5
right:  let _six = common.twice(3)    # => 6"##,
    },
    Row {
        code: UNUSED,
        title: "an item that nothing uses",
        explanation: r#"Nothing in the file leads from an assertion, a build or a test to this item, so nothing of it is checked when
the file is. A name that begins with `_` is meant to be unused.

wrong:  env old = debian.snapshot(bullseye, at).env(amd64)         and no build for it
right:  build a for e in [old, stable] = archive(e)"#,
    },
    Row {
        code: NEVER_BUILT,
        title: "a recipe that is never built",
        explanation: r#"A recipe is a function; nothing runs until a `build` applies it.

wrong:  recipe archive(e: Env) { … }
right:  recipe archive(e: Env) { … }
        build a = archive(stable)"#,
    },
    Row {
        code: NOT_COMPARED,
        title: "an output that nothing compares",
        explanation: r#"An output is declared to be compared or to go into another build. One that does neither is made and thrown
away, and a difference in it goes unnoticed.

wrong:  outputs = { dist = file("a.tar.gz"), log = file("build.log") }     and only `dist` in assertions
right:  outputs = { dist = file("a.tar.gz") }"#,
    },
    Row {
        code: SAME_ENVIRONMENT,
        title: "two environments that are one",
        explanation: r#"Two items name one environment: the same packages of the same versions. What is built in both is one
build, made once, and comparing it with itself says nothing.

wrong:  env old = debian.snapshot(bookworm, at).env(amd64)
        env new = debian.snapshot(bookworm, at).env(amd64)
right:  env new = debian.snapshot(trixie, at).env(amd64)

A second name that is meant begins with `_`."#,
    },
    Row {
        code: NOT_FILLED_IN,
        title: "a text that is filled in in another language",
        explanation: r#"Values are written into a text by `@{name}`, and by nothing else: `$name`, `${name}`, `#{name}` and
`{name}` stay as they are written. In `"""…"""` nothing is filled in at all; `@"""…"""` is the text of several lines in
which `@{name}` is, and a script is given values by `vars`.

wrong:  outputs = { dist = file("hello-${version}.tar.gz") }
right:  outputs = { dist = file("hello-@{version}.tar.gz") }

Where the characters are meant, give the name in them another spelling, or the item one."#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_explained() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        for row in TABLE {
            assert!(
                row.explanation.contains("right:") || row.explanation.contains("rbld lock"),
                "{:?}",
                row.code
            );
            assert!(row.explanation.lines().all(|line| line.chars().count() <= 120), "{:?}", row.code);
            assert_eq!(find(row.code.0).map(|found| found.title), Some(row.title));
        }
    }

    /// A code that no chapter shows is one that nobody has seen.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the chapters of the specification")]
    fn every_code_is_shown_in_the_specification() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec");
        let chapters = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut shown = String::new();
        for chapter in chapters.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            let text = std::fs::read_to_string(chapter).unwrap();
            // Every second piece is a block.
            for block in text.split("```").skip(1).step_by(2) {
                let (kind, inside) = block.split_once('\n').unwrap_or((block, ""));
                if kind.starts_with("rbld") || ["diagnostic", "text"].contains(&kind) {
                    shown.push('\n');
                    shown.push_str(inside);
                }
            }
        }
        let missing: Vec<&str> = TABLE
            .iter()
            .map(|row| row.code.0)
            .filter(|code| !shown.contains(&format!("[{code}]")) && !shown.contains(&format!("\n{code}\n")))
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}
