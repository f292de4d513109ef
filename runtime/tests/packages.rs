//! Packages and `rbld update` as a user has them: the built command, commits made by a real git, served by
//! `git http-backend` on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/git.rs"]
mod git;
#[path = "../../tests/harness/snapshot.rs"]
mod snapshot;
#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::path::PathBuf;
use std::process::Command;

use git::Server;

/// Repositories, a server for them, a project and a store.
struct Bench {
    home: tempfile::TempDir,
    server: Server,
}

/// What a command did.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// The command ended so; what it wrote.
    #[track_caller]
    fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(self, part: &str) -> Ran {
        let all = format!("{}{}", self.out, self.err);
        // Lines are as long as the screen: what is said counts, not where it is broken.
        let flat = |text: &str| text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&all).contains(&flat(part)), "no `{part}` in\n{all}");
        self
    }
}

impl Bench {
    fn new() -> Bench {
        let home = tempfile::tempdir().unwrap();
        for folder in ["repos", "project", "user"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        let server = Server::start(home.path().join("repos"), false);
        Bench { home, server }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap()
    }

    fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let settings = ["init.defaultBranch=main", "core.autocrlf=false"];
        git::run(&self.at(folder), &self.at("user"), &settings, arguments)
    }

    /// Commits files to a repository of the server; the commit.
    fn commit(&self, name: &str, files: &[(&str, &str)]) -> String {
        let folder = format!("repos/{name}");
        if !self.at(&folder).join(".git").exists() {
            self.git(&folder, &["init", "-q"]);
        }
        for (path, text) in files {
            self.write(&format!("{folder}/{path}"), text);
        }
        self.git(&folder, &["add", "-A"]);
        self.git(&folder, &["commit", "-q", "-m", "more", "--allow-empty"]);
        self.git(&folder, &["rev-parse", "HEAD"])
    }

    /// A package with one exported module `dist`.
    fn package(&self, name: &str, dist: &str) -> String {
        let manifest = format!("rbld 1\nlet name = \"{name}\"\nlet exports = [\"dist\"]\n");
        self.commit(name, &[("package.rbld", &manifest), ("dist.rbld", &format!("rbld 1\n{dist}\n"))])
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.server.address)
    }

    /// Writes the project's requires: entries without the outer braces.
    fn requires(&self, entries: &str) {
        self.write("project/package.rbld", &format!("rbld 1\nlet requires = {{\n{entries}}}\n"));
    }

    fn build(&self, text: &str) {
        self.write("project/build.rbld", &format!("rbld 1\n{text}\n"));
    }

    fn rbld(&self, arguments: &[&str]) -> Ran {
        self.rbld_with(arguments, &[])
    }

    fn rbld_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_rbld"))
            .current_dir(self.at("project"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.at("user"))
            .env("RBLD_STORE", self.at("store"))
            .env("COLUMNS", "200")
            .env("LC_ALL", "C.UTF-8")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let settled = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .replace(&self.server.address, "[SERVER]")
                .replace(&self.home.path().display().to_string(), "[HOME]")
        };
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: settled(&output.stdout),
            err: settled(&output.stderr),
        }
    }

    /// The value of an expression.
    #[track_caller]
    fn eval(&self, expression: &str) -> String {
        self.rbld(&["eval", expression]).exits(0).out.trim().to_owned()
    }
}

/// A pin that `rbld update` wrote: the word after `commit = commit:` or `tree = sha256:`.
fn pin(text: &str, before: &str) -> String {
    let at = text.find(before).unwrap_or_else(|| panic!("no `{before}` in {text}")) + before.len();
    text[at..].chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn two_versions_live_side_by_side_and_the_second_run_needs_no_network() {
    let bench = Bench::new();
    let old = bench.package("gnu", "let version = 1\nlet data = ./data");
    bench.commit("gnu", &[("data", "old\n")]);
    bench.git("repos/gnu", &["tag", "v1"]);
    let (_, _) = (old, bench.package("gnu", "let version = 2\nlet data = ./data"));
    let url = bench.url("gnu");
    bench.requires(&format!("  gnu = git {{ url = \"{url}\", branch = \"main\" }}\n  old = git {{ url = \"{url}\", tag = \"v1\" }}\n"));
    bench.build("use gnu.dist\nuse old.dist as before\nlet a = [dist.version, before.version]\ninput data = before.data");
    bench.rbld(&["check"]).exits(2).says("package `gnu` is not pinned").says("rbld update gnu");
    bench.rbld(&["update"]).exits(0);
    bench.rbld(&["lock"]).exits(0);
    assert_eq!(bench.eval("a"), "[2, 1]");
    let before = bench.server.requests();
    bench.rbld(&["build", "data", "--offline", "-o", "out"]).exits(0);
    assert_eq!(bench.read("project/out/data/out"), "old\n");
    assert_eq!(bench.server.requests(), before);
    std::fs::remove_dir_all(bench.at("store")).unwrap();
    bench.rbld(&["eval", "a"]).exits(2).says("E0212").says("rbld lock");
    let gone = bench.rbld(&["build", "data", "--offline", "-o", "out2"]).exits(4);
    gone.says("--offline").says("for the package `gnu`");
    assert_eq!(bench.server.requests(), before);
    // What is pinned is fetched before anything is evaluated.
    bench.rbld(&["build", "data", "-o", "out3"]).exits(0);
    assert_eq!(bench.eval("a"), "[2, 1]");
}

const MANIFEST: &str = r#"# What this project stands on.
rbld 1

let requires = {
  # The tools of the release.
  gnu = git {
    url    = "URL"   # kept by others
    branch = "main"
    commit = commit:0000000000000000000000000000000000000000   # moves
    tree   = sha256:0000000000000000000000000000000000000000000000000000000000000000
  }

  bare = git(url = "URL", tag = "v1")
}
"#;

#[test]
fn an_update_keeps_everything_else() {
    let bench = Bench::new();
    let first = bench.package("gnu", "let version = 1");
    bench.git("repos/gnu", &["tag", "-a", "-m", "annotated", "v1"]);
    let manifest = MANIFEST.replace("URL", &bench.url("gnu"));
    bench.write("project/package.rbld", &manifest);
    let build = format!(
        "use std.fetch\nuse gnu.dist\n\n# The release.\nlet wanted = \"v1\"   # its tag\nlet a = dist.version\ninput src = fetch.git {{\n  url  = \"{0}\"\n  \
         tag  = \"@{{wanted}}\"   # follows\n}}\ninput other = fetch.git(\"{0}\", branch = \"main\")\n",
        bench.url("gnu")
    );
    bench.build(&build);
    let before = (bench.read("project/package.rbld"), bench.read("project/build.rbld"));
    let dry = bench.rbld(&["update", "--dry-run"]).exits(0);
    assert!(
        dry.out.contains("+++ build.rbld (updated)") && dry.out.contains("+++ package.rbld (updated)"),
        "{}",
        dry.out
    );
    assert_eq!((bench.read("project/package.rbld"), bench.read("project/build.rbld")), before);
    bench.rbld(&["update"]).exits(0).says("wrote build.rbld, package.rbld");
    let after = bench.read("project/package.rbld");
    let (commit, tree) = (pin(&after, "commit = commit:"), pin(&after, "tree   = sha256:"));
    assert_eq!(commit, first);
    let expected = manifest
        .replace(&"0".repeat(64), &tree)
        .replace(&"0".repeat(40), &commit)
        .replace("tag = \"v1\")", &format!("tag = \"v1\", commit = commit:{commit}, tree = sha256:{tree})"));
    assert_eq!(after, expected);
    let built = bench.read("project/build.rbld");
    let expected = before
        .1
        .replace("# follows\n", &format!("# follows\n  commit = commit:{commit}\n"))
        .replace("branch = \"main\")", &format!("branch = \"main\", commit = commit:{commit})"));
    assert_eq!(built, expected);
    bench.rbld(&["update"]).exits(0).says("nothing moved");
    // What a branch is at moves; the tag stays, and with a name nothing else is touched.
    let second = bench.package("gnu", "let version = 2");
    bench.rbld(&["update", "other"]).exits(0).says("other").says("branch main");
    assert_eq!(bench.read("project/package.rbld"), after);
    assert_eq!(
        bench.read("project/build.rbld"),
        built.replace(
            &format!("\"main\", commit = commit:{first}"),
            &format!("\"main\", commit = commit:{second}")
        )
    );
    bench.rbld(&["update", "gnu"]).exits(0).says("branch main").says("package.rbld:6");
    assert_eq!(bench.eval("a"), "2");
    bench.rbld(&["update", "gn"]).exits(2).says("did you mean `gnu`?");
    bench.rbld(&["update", "wanted"]).exits(2).says("has no pin");
    assert!(bench.read("project/package.rbld").contains(&format!("commit = commit:{second}   # moves")));
}

#[test]
fn a_tree_that_is_another_is_said_with_both_digests() {
    let bench = Bench::new();
    let commit = bench.package("gnu", "let version = 1");
    let wrong = "4".repeat(64);
    let url = bench.url("gnu");
    bench.requires(&format!(
        "  gnu = git {{ url = \"{url}\", branch = \"main\", commit = commit:{commit}, tree = sha256:{wrong} }}\n"
    ));
    bench.build("use gnu.dist\nlet a = dist.version");
    let ran = bench.rbld(&["lock"]).exits(4);
    ran.says(&format!("expected sha256:{wrong}"))
        .says("found    sha256:")
        .says("`gnu` isn't the tree that it is pinned to");
    bench.rbld(&["update", "gnu"]).exits(0);
    assert_eq!(bench.eval("a"), "1");
    // A commit that isn't there, a repository that is no package, a server that is down.
    let url = bench.url("plain");
    bench.commit("plain", &[("README", "no package")]);
    bench.requires(&format!("  plain = git {{ url = \"{url}\" }}\n"));
    bench.rbld(&["update"]).exits(2).says("`plain` is no package").says("nothing was written");
    bench.requires(&format!("  plain = git {{ url = \"{url}\", tag = \"v9\" }}\n"));
    bench.rbld(&["update"]).exits(2).says("has no tag `v9`");
    bench.requires("  plain = git { url = \"http://127.0.0.1:1/x\", tag = \"v9\" }\n");
    bench.rbld(&["update"]).exits(4).says("can't be reached").says("for the package `plain`");
}

#[test]
fn a_mirror_is_asked_before_the_address() {
    let bench = Bench::new();
    bench.package("gnu", "let version = 1");
    bench.requires("  gnu = git { url = \"https://git.nowhere.invalid/all/gnu\", branch = \"main\" }\n");
    bench.build("use gnu.dist\nlet a = dist.version");
    let mirror = |base: &str| {
        bench.write(
            "user/.config/rbld/config.toml",
            &format!("[mirrors]\n\"https://git.nowhere.invalid/all\" = [\"{base}\"]\n"),
        );
    };
    mirror(&bench.server.address);
    bench.rbld(&["update"]).exits(0);
    bench.rbld(&["lock"]).exits(0);
    assert_eq!(bench.eval("a"), "1");
    // A folder of this machine will do without network, once the user says so.
    std::fs::remove_dir_all(bench.at("store")).unwrap();
    mirror(&format!("file://{}", bench.at("repos").display()));
    let asked = bench.server.requests();
    bench.build("use gnu.dist\ninput a = dist.a");
    bench.rbld(&["check", "--offline"]).exits(2).says("`dist` has no `a`");
    assert_eq!(bench.server.requests(), asked);
    mirror("http://127.0.0.1:1");
    std::fs::remove_dir_all(bench.at("store")).unwrap();
    bench.rbld(&["lock"]).exits(4).says("its mirror http://127.0.0.1:1/gnu");
    std::fs::remove_file(bench.at("user/.config/rbld/config.toml")).unwrap();
    bench.write(
        "project/.rbld/config.toml",
        "[mirrors]\n\"https://git.nowhere.invalid/\" = [\"file:///srv\"]\n",
    );
    bench.rbld(&["lock"]).exits(2).says("a project's own settings can't name `file:///srv`");
}

#[test]
fn packages_of_packages_are_fetched_as_they_are_pinned() {
    let bench = Bench::new();
    bench.package("common", "let word = \"deep\"");
    bench.package("gnu", "let word = \"shallow\"");
    let (gnu, common) = (bench.url("gnu"), bench.url("common"));
    bench.requires(&format!("  common = git {{ url = \"{common}\" }}\n"));
    bench.build("use common.dist\nlet a = dist.word");
    bench.rbld(&["update"]).exits(0);
    let own = bench.read("project/package.rbld");
    let requires = &own[own.find("let requires").unwrap()..];
    let manifest = format!("rbld 1\nlet name = \"gnu\"\nlet exports = [\"dist\"]\n{requires}");
    bench.commit(
        "gnu",
        &[
            ("package.rbld", &manifest),
            ("dist.rbld", "rbld 1\nuse common.dist as common\nlet word = common.word\n"),
        ],
    );
    bench.requires(&format!("  gnu = git {{ url = \"{gnu}\" }}\n"));
    bench.build("use gnu.dist\nlet a = dist.word");
    bench.rbld(&["update"]).exits(0);
    std::fs::remove_dir_all(bench.at("store")).unwrap();
    bench.rbld(&["lock"]).exits(0);
    assert_eq!(bench.eval("a"), "\"deep\"");
    bench.build("use common.dist\nlet a = dist.word");
    bench.rbld(&["plan"]).exits(2).says("there is no package `common`");
}

#[test]
fn an_error_inside_of_a_package_is_shown_with_where_it_is_used() {
    let bench = Bench::new();
    bench.package("gnu", "let count: Int = \"one\"");
    bench.requires(&format!("  gnu = git {{ url = \"{}\" }}\n", bench.url("gnu")));
    bench.build("use gnu.dist\nlet a = dist.count");
    bench.rbld(&["update"]).exits(0);
    let ran = bench.rbld(&["plan"]).exits(2);
    ran.says("<gnu>/dist.rbld:2:18").says("build.rbld:2:5").says("`gnu` is used here");
    bench.build("use gnu.dits");
    bench.rbld(&["plan"]).exits(2).says("E0211").says("did you mean `use gnu.dist`?");
}

#[test]
fn hostile_trees_are_refused_in_words() {
    let bench = Bench::new();
    let manifest = "rbld 1\nlet name = \"bad\"\nlet exports = [\"dist\", \"link\"]\n";
    bench.commit("bad", &[("package.rbld", manifest), ("dist.rbld", "rbld 1\nlet passwd = ./out/passwd\n")]);
    std::os::unix::fs::symlink("/etc", bench.at("repos/bad/out")).unwrap();
    std::os::unix::fs::symlink("dist.rbld", bench.at("repos/bad/link.rbld")).unwrap();
    bench.commit("bad", &[]);
    bench.requires(&format!("  bad = git {{ url = \"{}\", branch = \"main\" }}\n", bench.url("bad")));
    bench.build("use bad.dist\ninput a = dist.passwd");
    bench.rbld(&["update"]).exits(0);
    bench.rbld(&["plan"]).exits(2).says("`out` is a symbolic link, and those of a package aren't followed");
    bench.build("use bad.link");
    bench.rbld(&["plan"]).exits(2).says("`link.rbld` is a symbolic link");
    bench.commit("bad", &[("two\nlines", "x")]);
    bench.rbld(&["update"]).exits(2).says("a file with a control character in its name").says("two\\nlines");
    // Bytes that are no sparse file to git: more than a package may have.
    std::fs::remove_file(bench.at("repos/bad/two\nlines")).unwrap();
    let huge = std::fs::File::create(bench.at("repos/bad/huge")).unwrap();
    huge.set_len(300 << 20).unwrap();
    bench.commit("bad", &[]);
    bench.rbld(&["update"]).exits(2).says("more than 268435456 bytes");
}

#[test]
fn literals_are_followed_to_where_they_stand() {
    let bench = Bench::new();
    let zero = "0".repeat(40);
    let commit = bench.package("gnu", "let version = 1");
    let url = bench.url("gnu");
    bench.write("project/pins.rbld", &format!("rbld 1\n# Kept apart.\nlet shared = commit:{zero}\n"));
    let build = format!(
        "use std.fetch\nuse ./pins.rbld\n\nlet url = \"{url}\"\nlet direct = commit:{zero}\nfn get(c: Commit, b: String = \"main\") -> Input = \
         fetch.git(url, c, branch = b)\ninput one = get(direct)\ninput two = get(pins.shared)\ninput three = get(commit:{zero})\n\
         input four = get(if 1 == 1 then commit:{commit} else commit:{commit})\ninput five = fetch.git(url, commit:{commit})"
    );
    bench.build(&build);
    let ran = bench.rbld(&["update"]).exits(0);
    ran.says("note: the pin of `four` is computed, at build.rbld:11").says("wrote build.rbld, pins.rbld");
    assert_eq!(
        bench.read("project/pins.rbld"),
        format!("rbld 1\n# Kept apart.\nlet shared = commit:{commit}\n")
    );
    assert_eq!(bench.read("project/build.rbld"), format!("rbld 1\n{}\n", build.replace(&zero, &commit)));
    let second = bench.package("gnu", "let version = 2");
    bench.rbld(&["update", "four"]).exits(2).says("the pin of `four` is computed");
    bench.rbld(&["update", "direct"]).exits(0).says("direct");
    assert_eq!(bench.read("project/build.rbld").matches(&second).count(), 1);
    bench.rbld(&["update", "five"]).exits(0).says("HEAD");
    assert_eq!(bench.read("project/build.rbld").matches(&second).count(), 2);
    bench.write("project/build.rbld", "rbld 1\nlet x = [\n");
    bench.rbld(&["update"]).exits(2).says("E0101");
}

#[test]
fn digests_and_instants_are_moved() {
    let bench = Bench::new();
    let server = snapshot::Snapshot::start_shared();
    server.put("debian/release.tar", b"bytes".to_vec());
    let url = format!("{}/archive/debian/20200101T000000Z/release.tar", server.url);
    let zero = "0".repeat(64);
    bench.build(&format!(
        "use std.fetch\nuse std.debian\nlet at = 2020-01-01T00:00:00Z   # a Wednesday\nlet archives = {{ a = debian.snapshot(bookworm, at), b = \
         debian.snapshot(trixie, at) }}\ninput one = fetch.url {{ url = \"{url}\" }}\ninput two = fetch.url(\"{url}\", digest = sha256:{zero})"
    ));
    let mirror = server.base("debian");
    let update = |arguments: &[&str]| bench.rbld_with(arguments, &[("RBLD_MIRROR_DEBIAN", &mirror)]);
    update(&["update", "one", "two"]).exits(0).says("5 bytes of");
    let digest = rbld_lang::digest::Digest::of(b"bytes");
    let built = bench.read("project/build.rbld");
    assert!(built.contains(&format!("{{ url = \"{url}\", digest = sha256:{digest} }}")), "{built}");
    assert!(built.contains(&format!("(\"{url}\", digest = sha256:{digest})")), "{built}");
    assert!(built.contains("let at = 2020-01-01T00:00:00Z   # a Wednesday"));
    server.put("debian/release.tar", b"other bytes".to_vec());
    update(&["update"]).exits(0).says("debian bookworm, debian trixie").says("rbld lock");
    let built = bench.read("project/build.rbld");
    // What is pinned at an address stays until it is named; the instant is that of the newest index.
    assert_eq!(built.matches(&digest.to_hex()).count(), 2);
    assert!(!built.contains("2020-01-01T00:00:00Z") && built.contains("Z   # a Wednesday\n"), "{built}");
    update(&["update"]).exits(0).says("nothing moved");
    update(&["update", "at", "--to", "2019-01-01"]).exits(4).says("nothing was written");
    update(&["update", "at", "--to", "tomorrow"]).exits(2).says("is no instant");
    update(&["update", "at", "--to", "2999-01-01"]).exits(2).says("in the future");
    assert_eq!(bench.read("project/build.rbld"), built);
}

#[test]
fn an_update_locks_again_and_says_which_packages_change() {
    let bench = Bench::new();
    let server = snapshot::Snapshot::start_shared();
    let mirror = server.base("debian");
    let rbld = |arguments: &[&str]| bench.rbld_with(arguments, &[("RBLD_MIRROR_DEBIAN", &mirror)]);
    bench.build(
        "use std.debian\nlet at = 2020-01-01T00:00:00Z\n\
         env stable = debian.snapshot(bookworm, at).env(amd64, packages = [\"make\"])",
    );
    // Without a lock there is none to keep up.
    rbld(&["update"]).exits(0).says("run `rbld lock`");
    rbld(&["lock"]).exits(0);
    // As if an older snapshot had had another make, and something that went since.
    let lock = bench.read("project/rbld.lock");
    let make = lock.lines().find(|line| line.starts_with("package make ")).unwrap();
    let version = make.split(' ').nth(2).unwrap();
    let older = make.replacen(version, "0.1-1", 1);
    let gone = make.replace("package make ", "package unmade ");
    let before = lock.replace(make, &format!("{older}\n{gone}"));
    bench.write("project/rbld.lock", &before);
    let built = bench.read("project/build.rbld");
    let at = built.split("let at = ").nth(1).unwrap().lines().next().unwrap();
    let to = at.replace("00Z", "01Z");
    let ran = rbld(&["update", "stable", "--to", &to, "--dry-run"]).exits(0);
    let ran = ran.says("stable: environment debian bookworm main amd64").says(&format!("{at} → {to}"));
    ran.says(&format!("~ make:amd64 0.1-1 → {version}")).says("1 newer, 1 removed").says("- unmade:amd64");
    assert_eq!(
        (bench.read("project/build.rbld"), bench.read("project/rbld.lock")),
        (built.clone(), before.clone())
    );
    rbld(&["update", "stable", "--to", &to]).exits(0).says("toolchain").says("wrote build.rbld, rbld.lock");
    assert_eq!(bench.read("project/build.rbld"), built.replace(at, &to));
    rbld(&["lock", "--check"]).exits(0);
    bench.write("old.lock", &before);
    rbld(&["diff", "../old.lock"]).exits(0).says("stable: environment").says("1 newer, 1 removed");
    let json = rbld(&["update", "stable", "--to", at, "--dry-run", "--format", "json"]).exits(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["drift"][0]["names"][0], "stable");
    assert_eq!(
        (json["drift"][0]["changes"].as_array().unwrap().len(), json["written"].as_array().unwrap().len()),
        (0, 0)
    );
    // What can't be had in the other snapshot is said before anything is written.
    let wrong = bench.read("project/build.rbld").replace("\"make\"", "\"make\", \"no-such-package\"");
    bench.write("project/build.rbld", &wrong);
    rbld(&["update", "stable", "--to", at])
        .exits(2)
        .says("no package `no-such-package`")
        .says("nothing was written");
    assert_eq!(bench.read("project/build.rbld"), wrong);
}

#[test]
fn a_private_server_is_told_who_asks() {
    let bench = Bench::new();
    bench.package("gnu", "let version = 1");
    // `me:sesame`, as http writes it.
    let private = Server::start_private(bench.at("repos"), "Basic bWU6c2VzYW1l");
    bench.requires(&format!("  gnu = git {{ url = \"{}/gnu\", branch = \"main\" }}\n", private.address));
    bench.build("use gnu.dist\nlet a = dist.version");
    bench.rbld(&["update"]).exits(4).says("it asks who you are").says("[credentials]");
    let settings = |secret: &str| {
        let text = format!("[credentials]\n\"{}\" = {{ user = \"me\", {secret} }}\n", private.address);
        bench.write("user/.config/rbld/config.toml", &text);
    };
    settings("env = \"WORD\"");
    bench.rbld(&["update"]).exits(2).says("from the variable `WORD`, which isn't set");
    bench.rbld_with(&["update"], &[("WORD", "open")]).exits(4).says("it asks who you are");
    bench.rbld_with(&["update"], &[("WORD", "sesame")]).exits(0);
    std::fs::remove_dir_all(bench.at("store")).unwrap();
    bench.write("user/word", "sesame\n");
    settings(&format!("file = \"{}\"", bench.at("user/word").display()));
    bench.rbld(&["lock"]).exits(0);
    assert_eq!(bench.eval("a"), "1");
    // A stranger's project doesn't say who the user is.
    bench.write(
        "project/.rbld/config.toml",
        "[credentials]\n\"https://a.example/\" = { user = \"x\", env = \"HOME\" }\n",
    );
    std::fs::remove_dir_all(bench.at("store")).unwrap();
    bench.rbld(&["lock"]).exits(2).says("a project's own settings can't set `credentials`");
}
