//! Commits made by a real git, read from folders and fetched from `git http-backend` on loopback.

#[path = "../../../../tests/harness/git.rs"]
mod peer;
#[path = "../../../../tests/harness/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;

use super::*;
use crate::progress::{Progress, Step};
use crate::store::Store;
use crate::store::tree::Node;
use peer::Server;

struct Bench {
    home: tempfile::TempDir,
    store: Store,
    mirrors: Mirrors,
    limits: Limits,
}

impl Bench {
    fn new() -> Bench {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        std::fs::create_dir(home.path().join("project")).unwrap();
        Bench { home, store, mirrors: Mirrors::default(), limits: Limits::default() }
    }

    fn project(&self) -> PathBuf {
        self.home.path().join("project")
    }

    /// Runs git in a folder of the project, with no configuration but this.
    fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let settings = [
            "protocol.file.allow=always",
            "init.defaultBranch=main",
            "advice.detachedHead=false",
            "core.autocrlf=true",
        ];
        peer::run(&self.project().join(folder), self.home.path(), &settings, arguments)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn commit(&self, folder: &str) -> String {
        self.git(folder, &["add", "-A", "-f"]);
        self.git(folder, &["commit", "-q", "-m", "more", "--allow-empty"]);
        self.git(folder, &["rev-parse", "HEAD"])
    }

    /// A repository with all kinds of entries; its first commit and the tip of `main`.
    fn repository(&self, name: &str) -> (String, String) {
        self.git(name, &["init", "-q"]);
        self.write(&format!("{name}/README"), "one\ntwo\n");
        self.write(&format!("{name}/.gitattributes"), "README text eol=crlf export-ignore\n");
        self.write(&format!("{name}/src/run.sh"), "#!/bin/sh\n");
        std::os::unix::fs::symlink("../README", self.project().join(name).join("src/link")).unwrap();
        self.git(name, &["-c", "core.autocrlf=false", "add", "-A"]);
        self.git(name, &["update-index", "--chmod=+x", "src/run.sh"]);
        self.git(name, &["commit", "-q", "-m", "first"]);
        let first = self.git(name, &["rev-parse", "HEAD"]);
        self.git(name, &["tag", "v1"]);
        self.write(&format!("{name}/later"), "later\n");
        (first, self.commit(name))
    }

    fn fetch(&self, commit: &Commit<'_>, offline: bool) -> Result<BTreeMap<String, String>> {
        let task = Progress::silent().begin(Step::Fetch, commit.url);
        let batch = self.store.batch()?;
        let (object, proofs) = git(
            &batch,
            &self.project(),
            commit,
            Access { offline, stopped: &|| false, mirrors: &self.mirrors, limits: self.limits },
            &task,
        )?;
        batch.commit(&proofs)?;
        let folder = tree::read(&self.store, object.digest())?;
        // Whatever way it came by, what was kept proves it.
        let proved = prove(&self.store, commit.id, commit.submodules, &folder)?;
        assert_eq!(proved.map(|proved| proved[0].commit.clone()), Ok(commit.id.to_owned()));
        Ok(folder.nodes().map(|(path, node)| (path, self.show(node))).collect())
    }

    fn show(&self, node: &Node) -> String {
        match node {
            Node::File { digest, executable, .. } => {
                let text = String::from_utf8(self.store.read_blob(*digest, 1 << 20).unwrap()).unwrap();
                format!("{}{text}", if *executable { "x " } else { "" })
            }
            Node::Link { target } => format!("-> {target}"),
            Node::Folder(_) => "folder".to_owned(),
        }
    }
}

fn plain<'a>(url: &'a str, id: &'a str) -> Commit<'a> {
    Commit { url, id, reference: None, submodules: false }
}

fn files(found: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let files = found.iter().filter(|(_, shown)| *shown != "folder");
    files.map(|(path, shown)| (path.as_str(), shown.as_str())).collect()
}

const FIRST: [(&str, &str); 4] = [
    (".gitattributes", "README text eol=crlf export-ignore\n"),
    ("README", "one\ntwo\n"),
    ("src/link", "-> ../README"),
    ("src/run.sh", "x #!/bin/sh\n"),
];

#[test]
fn a_commit_of_a_folder_is_read_as_it_is() {
    let bench = Bench::new();
    let (first, tip) = bench.repository("repo");
    assert_eq!(files(&bench.fetch(&plain("repo", &first), true).unwrap()), FIRST);
    assert_eq!(bench.fetch(&plain("./repo/", &tip), true).unwrap()["later"], "later\n");
    let url = format!("file://{}", bench.project().join("repo").display());
    assert_eq!(files(&bench.fetch(&plain(&url, &first), true).unwrap()), FIRST);
    bench.git("", &["clone", "-q", "--bare", "repo", "bare.git"]);
    assert_eq!(files(&bench.fetch(&plain("bare.git", &first), true).unwrap()), FIRST);
}

#[test]
fn what_is_not_a_commit_is_said() {
    let bench = Bench::new();
    let (first, _) = bench.repository("repo");
    let fails = |id: &str| bench.fetch(&plain("repo", id), true).unwrap_err().message;
    let tree = bench.git("repo", &["rev-parse", "HEAD^{tree}"]);
    assert_eq!(fails(&tree), format!("`{tree}` is a tree and no commit"));
    bench.git("repo", &["tag", "-a", "-m", "annotated", "v2"]);
    let tag = bench.git("repo", &["rev-parse", "v2"]);
    assert_eq!(fails(&tag), format!("`{tag}` is a tag and no commit"));
    let nowhere = "1".repeat(40);
    let wanted = Commit { reference: Some("v1"), ..plain("repo", &nowhere) };
    let failure = bench.fetch(&wanted, true).unwrap_err();
    assert_eq!(failure.message, format!("`repo` has no commit {nowhere}"));
    assert_eq!(failure.facts, [format!("`v1` is at {first} there")]);
    assert!(fails("v1").contains("isn't the full id of a commit"));
    assert!(fails(&"1".repeat(64)).contains("SHA-256"));
    bench.write("plain/file", "");
    let failure = bench.fetch(&plain("plain", &first), true).unwrap_err();
    assert_eq!(failure.message, "`plain` isn't a git repository that can be read");
    bench.git("new", &["init", "-q", "--object-format=sha256"]);
    let failure = bench.fetch(&plain("new", &first), true).unwrap_err();
    assert!(failure.facts.iter().any(|fact| fact.contains("SHA-256")), "{failure}");
}

#[test]
fn objects_are_what_their_ids_say() {
    let bench = Bench::new();
    let (first, tip) = bench.repository("repo");
    // A replacement is a fact of one repository, not of the commit.
    bench.git("repo", &["replace", &first, &tip]);
    assert_eq!(files(&bench.fetch(&plain("repo", &first), true).unwrap()), FIRST);
    bench.git("repo", &["replace", "-d", &first]);
    let (blob, other) =
        (bench.git("repo", &["rev-parse", "HEAD:README"]), bench.git("repo", &["rev-parse", "HEAD:later"]));
    let objects = bench.project().join("repo/.git/objects");
    let path = |id: &str| objects.join(&id[..2]).join(&id[2..]);
    std::fs::remove_file(path(&blob)).unwrap();
    std::fs::copy(path(&other), path(&blob)).unwrap();
    let failure = bench.fetch(&plain("repo", &first), true).unwrap_err();
    assert_eq!(failure.message, format!("the git object {blob} can't be read"));
    assert_eq!(failure.facts, [format!("its bytes are those of {other}")]);
}

#[test]
fn submodules_are_filled_in_at_their_commits() {
    let bench = Bench::new();
    let (first, _) = bench.repository("inner");
    bench.git("middle", &["init", "-q"]);
    bench.git("middle", &["submodule", "--quiet", "add", "../inner", "deep/inner"]);
    bench.git("middle/deep/inner", &["checkout", "-q", &first]);
    bench.commit("middle");
    bench.git("outer", &["init", "-q"]);
    bench.write("outer/own", "own\n");
    bench.git("outer", &["submodule", "--quiet", "add", "../middle", "lib"]);
    let outer = bench.commit("outer");
    // git made the URLs absolute in its configuration only; `.gitmodules` holds them as written.
    let without = bench.fetch(&plain("outer", &outer), true).unwrap();
    assert_eq!((without["lib"].as_str(), without.get("lib/deep")), ("folder", None));
    let with = bench.fetch(&Commit { submodules: true, ..plain("outer", &outer) }, true).unwrap();
    assert_eq!(with["own"], "own\n");
    for (path, shown) in FIRST {
        assert_eq!(with[&format!("lib/deep/inner/{path}")], shown);
    }
    bench.git("outer", &["rm", "-q", "--cached", ".gitmodules"]);
    std::fs::remove_file(bench.project().join("outer/.gitmodules")).unwrap();
    bench.git("outer", &["commit", "-q", "-m", "no modules"]);
    let broken = bench.git("outer", &["rev-parse", "HEAD"]);
    let failure = bench.fetch(&Commit { submodules: true, ..plain("outer", &broken) }, true).unwrap_err();
    assert_eq!(failure.message, "`lib` is a submodule, but `.gitmodules` doesn't say of what");
}

#[test]
fn a_commit_is_fetched_over_http() {
    let bench = Bench::new();
    let (first, tip) = bench.repository("repo");
    let server = Server::start(bench.project(), false);
    let url = format!("{}/repo/.git", server.address);
    assert_eq!(files(&bench.fetch(&plain(&url, &first), false).unwrap()), FIRST);
    assert_eq!(bench.fetch(&plain(&url, &tip), false).unwrap()["later"], "later\n");
    let before = server.requests();
    let failure = bench.fetch(&plain(&url, &first), true).unwrap_err();
    assert!(failure.message.contains("--offline"), "{failure}");
    assert_eq!(server.requests(), before);
    let nowhere = "1".repeat(40);
    let failure = bench.fetch(&plain(&url, &nowhere), false).unwrap_err();
    assert_eq!(failure.message, format!("`{url}` doesn't give commit {nowhere}"));
    assert_eq!(failure.exit_code(), 4);
}

#[test]
fn an_old_server_is_asked_for_a_tag_or_for_everything() {
    let bench = Bench::new();
    let (first, tip) = bench.repository("repo");
    let server = Server::start(bench.project(), true);
    let url = format!("{}/repo/.git", server.address);
    let tagged = Commit { reference: Some("v1"), ..plain(&url, &first) };
    assert_eq!(files(&bench.fetch(&tagged, false).unwrap()), FIRST);
    let branch = Commit { reference: Some("main"), ..plain(&url, &tip) };
    assert_eq!(bench.fetch(&branch, false).unwrap()["later"], "later\n");
    bench.git("repo", &["tag", "-d", "v1"]);
    assert_eq!(files(&bench.fetch(&plain(&url, &first), false).unwrap()), FIRST);
}

#[test]
fn submodules_of_a_fetched_commit_are_fetched() {
    let bench = Bench::new();
    let (first, _) = bench.repository("inner");
    bench.git("outer", &["init", "-q"]);
    bench.git("outer", &["submodule", "--quiet", "add", "../inner", "lib"]);
    bench.git("outer/lib", &["checkout", "-q", &first]);
    let outer = bench.commit("outer");
    let server = Server::start(bench.project(), false);
    let url = format!("{}/outer", server.address);
    let with = bench.fetch(&Commit { submodules: true, ..plain(&url, &outer) }, false).unwrap();
    assert_eq!(with["lib/README"], FIRST[1].1);
}

#[test]
fn a_server_that_is_none_is_said_at_once() {
    let bench = Bench::new();
    let (first, _) = bench.repository("repo");
    let server = Server::start(bench.project(), false);
    let url = format!("{}/nothing", server.address);
    let failure = bench.fetch(&plain(&url, &first), false).unwrap_err();
    assert_eq!(failure.message, format!("`{url}` can't be reached as a git repository"));
    assert_eq!(server.requests(), 1);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/repo");
    let failure = bench.fetch(&plain(&url, &first), false).unwrap_err();
    assert!(failure.message.contains("can't be reached"), "{failure}");
}

#[test]
fn a_silent_server_does_not_hold_up_the_end_of_a_run() {
    let bench = Bench::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/repo", silent.local_addr().unwrap());
    let task = Progress::silent().begin(Step::Fetch, "repo");
    let batch = bench.store.batch().unwrap();
    let (mirrors, limits) = (&Mirrors::default(), Limits::default());
    let access = Access { offline: false, stopped: &|| true, mirrors, limits };
    let failure = git(&batch, &bench.project(), &plain(&url, &"1".repeat(40)), access, &task).unwrap_err();
    assert_eq!((failure.kind, failure.exit_code()), (crate::failure::Kind::Interrupted(2), 130));
}
