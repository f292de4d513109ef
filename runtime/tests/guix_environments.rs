//! `rbld lock` and `rbld check` of environments of Guix: the packages of a real Guix, resolved by it, fetched from its
//! `guix publish`, and builds run among them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/guix.rs"]
mod guix;
#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use guix::Peer;

/// One for all tests; it ends with this process.
static PEER: LazyLock<Peer> = LazyLock::new(|| Peer::serving("packages.scm"));

const COMMIT: &str = "commit:136fc8bfe91a64d28b6c54cf8f5930ffe787c16e";

const RECIPE: &str = r#"
recipe greeting(e: Env, round: Int) {
  env     = e
  vars    = { ROUND = round }
  run     = """
    greet > "$greeting"
    printf '%s\n' "$PATH" "$WORDS_PATH" "$GUIX_ENVIRONMENT" > "$paths"
    """
  outputs = {
    greeting = file("greeting.txt")
    paths    = file("paths.txt")
  }
}
build g for round in [1, 2] = greeting(tools, round)
assert "greetings" identical(g.*.greeting)
assert "paths" identical(g.*.paths)
"#;

struct Project(tempfile::TempDir);

impl Project {
    fn new(env: &str) -> Project {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("rbld 1\nuse std.guix\nenv tools = {env}\n{RECIPE}");
        std::fs::write(dir.path().join("build.rbld"), text).unwrap();
        Project(dir)
    }

    /// Runs rbld with a Guix at hand.
    fn rbld(&self, args: &[&str]) -> Output {
        self.command(args).env("RBLD_GUIX", &PEER.program).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rbld"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("RBLD_STORE", self.0.path().join("store"))
            .env("RBLD_MIRROR_GUIX", PEER.servers.values().next().unwrap())
            .env("RBLD_GUIX_KEYS", &PEER.key)
            .env_remove("RBLD_GUIX");
        command
    }

    fn read(&self, path: &str) -> String {
        let path = self.0.path().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn ends(output: &Output, code: i32) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = format!("{out}{err}");
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn packages_are_locked_by_a_guix_and_checked_without() {
    let project = Project::new(&format!("guix.packages({COMMIT}, [\"rbld-tools\", \"rbld-greet@1.0\"])"));
    ends(&project.rbld(&["lock"]), 0);
    let lock = project.read("rbld.lock");
    // What a package propagates is in the profile, with the variable that it declares.
    assert!(lock.contains("-rbld-words-2.1\nprofile 3 "), "{lock}");
    assert!(lock.contains("search-path 2 WORDS_PATH : directory - share/words\n"), "{lock}");
    let words = PEER.items["rbld-words"].clone();
    let words = words.strip_prefix("/gnu/store/").unwrap();
    assert!(lock.contains(words) && PEER.store.join(words).exists(), "{lock}");

    // No Guix from here on.
    ends(&project.command(&["check"]).output().unwrap(), 0);
    ends(&project.command(&["build", "-o", "out", "g"]).output().unwrap(), 0);
    let out = project.0.path().join("out");
    let found = |name: &str| {
        let mut open = vec![out.clone()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                match entry.is_dir() {
                    true => open.push(entry),
                    false if entry.ends_with(name) => return std::fs::read_to_string(entry).unwrap(),
                    false => {}
                }
            }
        }
        panic!("no {name} in {}", out.display())
    };
    assert_eq!(found("greeting.txt"), "hello, world\n");
    assert_eq!(found("paths.txt"), "/gnu/profile/bin\n/gnu/profile/share/words\n/gnu/profile\n");
    let again = ends(&project.rbld(&["lock"]), 0);
    assert!(again.contains("is complete"), "the tree's digest was added, nothing else: {again}");
    ends(&project.command(&["check", "--offline"]).output().unwrap(), 0);
    let plan = ends(&project.command(&["plan"]).output().unwrap(), 0);
    assert!(plan.contains("store items, amd64"), "{plan}");
    let lock = project.read("rbld.lock");
    let tree = lock.lines().find(|line| line.starts_with("tree ")).unwrap().to_owned();

    // Another machine, or this one with an empty store, comes to the same folder.
    std::fs::rename(project.0.path().join("store"), project.0.path().join("old")).unwrap();
    ends(&project.command(&["check", "--locked"]).output().unwrap(), 0);
    let wrong = lock.replace(&tree, &format!("tree {}", "1".repeat(64)));
    std::fs::write(project.0.path().join("rbld.lock"), wrong).unwrap();
    std::fs::rename(project.0.path().join("store"), project.0.path().join("older")).unwrap();
    let other = ends(&project.command(&["check", "--locked"]).output().unwrap(), 4);
    assert!(other.contains("`/gnu` came to another tree than the lock says"), "{other}");
}

#[test]
fn a_package_that_is_not_there_is_the_files_mistake() {
    let project = Project::new(&format!("guix.packages({COMMIT}, [\"rbld-tools\", \"rbld-greeet\"])"));
    let said = ends(&project.rbld(&["lock"]), 2);
    assert!(said.contains("Guix has no package `rbld-greeet` at this commit"), "{said}");
    assert!(said.contains("unknown package"), "{said}");
    assert!(!project.0.path().join("rbld.lock").exists());
    let project = Project::new(&format!("guix.packages({COMMIT}, [\"rbld-tools:lib\"])"));
    let said = ends(&project.rbld(&["lock"]), 2);
    assert!(said.contains("Guix has no package `rbld-tools:lib`"), "{said}");
}

#[test]
fn without_a_guix_it_is_said_what_to_do() {
    let project = Project::new(&format!("guix.packages({COMMIT}, [\"rbld-tools\"])"));
    let nothing = project.0.path().join("bin");
    std::fs::create_dir(&nothing).unwrap();
    let said = project.command(&["lock"]).env("PATH", &nothing).env("HOME", &nothing).output().unwrap();
    let here = ["/run/current-system/profile", "/var/guix/profiles/per-user/root/current-guix"];
    if !here.iter().any(|profile| Path::new(profile).exists()) {
        let said = ends(&said, 4);
        assert!(said.contains("no Guix is here"), "{said}");
        assert!(said.contains("what is locked needs no Guix"), "{said}");
    }
    let said = ends(&project.command(&["lock"]).env("RBLD_GUIX", "/nowhere/guix").output().unwrap(), 2);
    assert!(said.contains("`/nowhere/guix` isn't a program"), "{said}");
}

#[test]
fn items_need_no_guix_and_only_trusted_signatures_count() {
    let items = ["rbld-tools", "rbld-greet", "rbld-words"].map(|name| format!("\"{}\"", PEER.items[name]));
    let project = Project::new(&format!("guix.items([{}])", items.join(", ")));
    let untrusted = project.command(&["lock"]).env_remove("RBLD_GUIX_KEYS").output().unwrap();
    let said = ends(&untrusted, 4);
    assert!(said.contains("could not lock the store item"), "{said}");
    ends(&project.command(&["lock"]).output().unwrap(), 0);
    // Nothing says that there is a `WORDS_PATH`, which `greet` reads: that is the recipe's to set.
    let said = ends(&project.command(&["check"]).output().unwrap(), 3);
    assert!(said.contains("can't open '/greeting'"), "{said}");
    let more = "{ ROUND = round, WORDS_PATH = \"/gnu/profile/share/words\" }";
    let text = project.read("build.rbld").replace("{ ROUND = round }", more);
    std::fs::write(project.0.path().join("build.rbld"), text).unwrap();
    ends(&project.command(&["check"]).output().unwrap(), 0);
}
