//! Packages and `rbld update` as a user has them: the built command, commits made by a real git, served by
//! `git http-backend` on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/git.rs"]
mod git;
#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::path::PathBuf;
use std::process::Command;

use git::Server;
use tools::Tool;

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
        assert!(all.contains(part), "no `{part}` in\n{all}");
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
        let folder = self.at(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let git = Tool::find("usr/bin/git", "git");
        let output = Command::new(&git.program)
            .current_dir(folder)
            .args(["-c", "init.defaultBranch=main", "-c", "core.autocrlf=false"])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.at("user"))
            .envs(git.git_variables())
            .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b")])
            .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
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
        let output = Command::new(env!("CARGO_BIN_EXE_rbld"))
            .current_dir(self.at("project"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.at("user"))
            .env("RBLD_STORE", self.at("store"))
            .env("COLUMNS", "200")
            .env("LC_ALL", "C.UTF-8")
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
