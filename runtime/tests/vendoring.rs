//! Vendored folders as a user has them: the built command, a real git and an archive on loopback that are gone once the
//! folder is written, folders that lie, and a mirror with several clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/harness/git.rs"]
mod git;
#[path = "../../tests/harness/snapshot.rs"]
mod snapshot;
#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use git::Server;
use rbld_lang::digest::Digest;
use snapshot::{Fault, Snapshot};

/// A project whose inputs and package come from servers on loopback.
struct Bench {
    home: tempfile::TempDir,
    server: Server,
    archive: Snapshot,
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

const FILE: &[u8] = b"the bytes of a release\n";

impl Bench {
    fn new() -> Bench {
        let home = tempfile::tempdir().unwrap();
        for folder in ["repos", "project", "user", "cache"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        let server = Server::start(home.path().join("repos"), false);
        let archive = Snapshot::start(&home.path().join("cache"));
        archive.put("debian/release.txt", FILE);
        let bench = Bench { home, server, archive };
        bench.project();
        bench
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let settings = ["init.defaultBranch=main", "core.autocrlf=false", "protocol.file.allow=always"];
        git::run(&self.at(folder), &self.at("user"), &settings, arguments)
    }

    /// A repository with all kinds of entries and a submodule, a package, a file, and a project that uses them.
    fn project(&self) {
        self.git("repos/inner", &["init", "-q"]);
        self.write("repos/inner/deep/file", "inner\n");
        self.git("repos/inner", &["add", "-A"]);
        self.git("repos/inner", &["commit", "-q", "-m", "inner"]);
        self.git("repos/src", &["init", "-q"]);
        self.write("repos/src/README", "one\n");
        self.write("repos/src/a/run.sh", "#!/bin/sh\n");
        self.write("repos/src/a.b", "sorted after `a/` by git and before it by others\n");
        std::fs::set_permissions(self.at("repos/src/a/run.sh"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        std::os::unix::fs::symlink("../README", self.at("repos/src/a/link")).unwrap();
        self.git("repos/src", &["submodule", "--quiet", "add", "../inner", "lib"]);
        self.git("repos/src", &["add", "-A"]);
        self.git("repos/src", &["commit", "-q", "-m", "src"]);
        let src = self.git("repos/src", &["rev-parse", "HEAD"]);
        self.git("repos/names", &["init", "-q"]);
        self.write("repos/names/package.rbld", "rbld 1\nlet name = \"names\"\nlet exports = [\"all\"]\n");
        self.write("repos/names/all.rbld", "rbld 1\nlet word = \"word\"\n");
        self.git("repos/names", &["add", "-A"]);
        self.git("repos/names", &["commit", "-q", "-m", "names"]);
        let (git, archive) = (&self.server.address, &self.archive.url);
        self.write(
            "project/package.rbld",
            &format!("rbld 1\nlet requires = {{\n  names = git {{ url = \"{git}/names\", branch = \"main\" }}\n}}\n"),
        );
        self.write(
            "project/build.rbld",
            &format!(
                "rbld 1\nuse std.fetch\nuse names.all\n\n\
                 input src = fetch.git {{ url = \"{git}/src\", commit = commit:{src}, submodules = true }}\n\
                 input bare = fetch.git {{ url = \"{git}/src\", commit = commit:{src} }}\n\
                 input release = fetch.url {{\n  url = \"{archive}/archive/debian/20260101T000000Z/release.txt\"\n  \
                 digest = sha256:{}\n}}\n\nlet word = all.word\n",
                Digest::of(FILE)
            ),
        );
        self.rbld("store", &["update", "names"]).exits(0);
    }

    fn command(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rbld"));
        command
            .current_dir(self.at("project"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.at("user"))
            .env("RBLD_STORE", self.at(store))
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs the command with one of several stores.
    fn rbld(&self, store: &str, arguments: &[&str]) -> Ran {
        ended(self.command(store, arguments))
    }

    /// Realises all inputs from these places alone, in a store that is empty.
    fn offline(&self, from: &str) -> Ran {
        let _ = std::fs::remove_dir_all(self.at("empty"));
        let _ = std::fs::remove_dir_all(self.at("out"));
        let out = self.at("out").display().to_string();
        let names = ["src", "bare", "release"];
        let mut arguments = vec!["build", "--offline", "--from", from, "-o", &out, "build.rbld"];
        arguments.extend(names);
        self.rbld("empty", &arguments)
    }

    /// The sums of what was put out last.
    fn sums(&self) -> String {
        std::fs::read_to_string(self.at("out/SHA256SUMS")).unwrap()
    }

    /// A vendored folder, freshly written.
    fn vendored(&self, name: &str) -> PathBuf {
        self.rbld("store", &["vendor", &format!("../{name}")]).exits(0);
        self.at(name)
    }
}

fn ended(mut command: Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Where a digest lies in a folder.
fn object(folder: &Path, digest: Digest) -> PathBuf {
    let hex = digest.to_hex();
    folder.join("objects").join(&hex[..2]).join(&hex[2..4]).join(hex)
}

/// All files of a folder with their bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    found.push((path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap()))
                }
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_vendored_folder_stands_for_the_network() {
    let bench = Bench::new();
    let out = bench.at("out").display().to_string();
    bench.rbld("other", &["build", "-o", &out, "build.rbld", "src", "bare", "release"]).exits(0);
    let online = bench.sums();
    assert!(online.contains("src/lib/deep/file") && !online.contains("bare/lib/deep/file"), "{online}");

    let folder = bench.vendored("vendor");
    let first = files(&folder);
    let manifest = std::fs::read_to_string(folder.join("rbld.vendor")).unwrap();
    assert!(manifest.starts_with("rbld-vendor 1\n"), "{manifest}");
    bench.rbld("store", &["vendor", "../vendor"]).exits(0).says("all there already");
    // Another store, filled from the folder alone, writes the same folder.
    bench.rbld("again", &["vendor", "../copy", "--offline", "--from", "../vendor"]).exits(0).says("all new");
    assert_eq!(first, files(&folder));
    assert_eq!(first, files(&bench.at("copy")));

    bench.offline("../vendor").exits(0);
    assert_eq!(bench.sums(), online);
    bench.offline("../nowhere").exits(2).says("isn't there");
    bench.offline("../repos").exits(2).says("holds nothing vendored");
    // The settings name it as well, the user's own ones alone.
    let setting = format!("from = [\"{}\"]\n", folder.display());
    bench.write("project/.rbld/config.toml", &setting);
    bench.rbld("third", &["build", "release"]).exits(2).says("can't set `from`");
    std::fs::remove_dir_all(bench.at("project/.rbld")).unwrap();
    bench.write("user/.config/rbld/config.toml", &setting);
    bench.rbld("third", &["build", "--offline", "build.rbld", "src", "bare", "release"]).exits(0);
    bench.rbld("third", &["store", "verify"]).exits(0);
}

#[test]
fn what_nothing_needs_any_more_goes_and_what_others_put_there_stays() {
    let bench = Bench::new();
    let folder = bench.vendored("vendor");
    std::fs::write(folder.join("README"), "ours\n").unwrap();
    let stranger = object(&folder, Digest::of(b"stranger"));
    std::fs::create_dir_all(stranger.parent().unwrap()).unwrap();
    std::fs::write(&stranger, "stranger").unwrap();
    let release = object(&folder, Digest::of(FILE));
    assert!(release.exists());
    let text = std::fs::read_to_string(bench.at("project/build.rbld")).unwrap();
    let without = text.split("input release").next().unwrap();
    bench.write("project/build.rbld", &format!("{without}\nlet word = all.word\n"));
    bench.rbld("store", &["vendor", "../vendor"]).exits(0).says("1 removed");
    assert!(!release.exists() && stranger.exists() && folder.join("README").exists());
    bench.write("other/file", "x");
    bench.rbld("store", &["vendor", "../other"]).exits(2).says("neither empty nor a vendored folder");
}

#[test]
fn a_folder_that_lies_is_not_believed() {
    let bench = Bench::new();
    let folder = bench.vendored("vendor");
    let release = object(&folder, Digest::of(FILE));
    let place = release.display().to_string();
    let readme = object(&folder, Digest::of(b"one\n"));
    let whole = std::fs::read(folder.join("rbld.vendor")).unwrap();
    let put = |path: &Path, bytes: &[u8]| {
        let _ = std::fs::remove_file(path);
        std::fs::write(path, bytes).unwrap();
    };
    // Other bytes, fewer, none, another kind of thing; in a commit's tree too.
    put(&release, b"the bytes of a Release\n");
    bench.offline("../vendor").exits(4).says(&place);
    put(&release, &FILE[..5]);
    bench.offline("../vendor").exits(4).says(&place);
    std::fs::remove_file(&release).unwrap();
    bench.offline("../vendor").exits(4).says(place.split("/vendor/").nth(1).unwrap());
    std::os::unix::fs::symlink("/dev/zero", &release).unwrap();
    bench.offline("../vendor").exits(4).says(&place);
    put(&release, FILE);
    put(&readme, b"two\n");
    bench.offline("../vendor").exits(4).says(&readme.display().to_string());
    std::fs::remove_file(&readme).unwrap();
    bench.offline("../vendor").exits(4).says("README");
    // `rbld vendor` mends what is wrong.
    put(&release, &FILE[..5]);
    bench.rbld("store", &["vendor", "../vendor"]).exits(0).says("2 new").says("1 mended");
    bench.offline("../vendor").exits(0);
    // With the network at hand, a damaged folder is no reason to fail.
    put(&release, b"the bytes of a Release\n");
    bench.rbld("fifth", &["build", "--from", "../vendor", "build.rbld", "release"]).exits(0).says(&place);
    put(&release, FILE);

    let text = String::from_utf8(whole.clone()).unwrap();
    let manifest = |text: String| put(&folder.join("rbld.vendor"), text.as_bytes());
    manifest("rbld-vendor 1\nnonsense\n".to_owned());
    bench.offline("../vendor").exits(4).says("rbld.vendor:2");
    manifest("rbld-vendor 2\n".to_owned());
    bench.offline("../vendor").exits(4).says("newer rbld");
    // The tree of another commit, and the commit without its submodules in place of the one with them.
    let row = |begin: &str, name: &str| {
        let fits = |line: &&str| line.starts_with(begin) && line.ends_with(&format!(" {name}"));
        text.lines().find(fits).unwrap_or_else(|| panic!("no {begin} {name} in {text}"))
    };
    let (src, bare, names) = (row("commit", "src"), row("commit", "bare"), row("commit", "names"));
    let tree = |line: &str| line.split(' ').nth(3).unwrap().to_owned();
    for other in [bare, names] {
        manifest(text.replace(src, &src.replace(&tree(src), &tree(other))));
        bench.offline("../vendor").exits(4).says("isn't the tree of the commit");
    }
    // A proof of another commit, and none.
    let proof =
        text.lines().find(|line| line.starts_with("proof ") && line.contains(src.split(' ').nth(1).unwrap()));
    let other = text.lines().find(|line| line.starts_with("proof ") && Some(*line) != proof).unwrap();
    let (proof, digest) = (proof.unwrap(), |line: &str| line.split(' ').nth(2).unwrap().to_owned());
    manifest(text.replace(proof, &proof.replace(&digest(proof), &digest(other))));
    bench.offline("../vendor").exits(4).says("it is of commit");
    manifest(text.replace(&format!("{proof}\n"), ""));
    bench.offline("../vendor").exits(4).says("no proof");
    manifest(text);
    bench.offline("../vendor").exits(0);
}

#[test]
fn a_run_that_is_killed_is_gone_on_with() {
    let bench = Bench::new();
    for number in 0..200 {
        bench.write(&format!("repos/src/many/{number}"), &format!("{number}\n").repeat(5000));
    }
    bench.git("repos/src", &["add", "-A"]);
    bench.git("repos/src", &["commit", "-q", "-m", "many"]);
    let src = bench.git("repos/src", &["rev-parse", "HEAD"]);
    let text = std::fs::read_to_string(bench.at("project/build.rbld")).unwrap();
    let old = text.split("commit:").nth(1).unwrap().get(..40).unwrap();
    bench.write("project/build.rbld", &text.replace(old, &src));
    let folder = bench.at("vendor");
    // As soon as the first file is there, and as soon as anything is.
    for looked_for in [folder.join("objects"), folder.clone()] {
        let mut child =
            bench.command("store", &["vendor", "../vendor"]).stderr(Stdio::null()).spawn().unwrap();
        while !looked_for.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    if !folder.join("rbld.vendor").exists() {
        bench.offline("../vendor").exits(2).says("holds nothing vendored");
    }
    bench.rbld("store", &["vendor", "../vendor"]).exits(0);
    assert!(files(&folder).iter().all(|(path, _)| !path.to_string_lossy().starts_with('.')));
    bench.offline("../vendor").exits(0);
    bench.rbld("fresh", &["vendor", "../clean"]).exits(0);
    assert_eq!(files(&folder), files(&bench.at("clean")));
}

#[test]
fn a_folder_inside_of_the_project_is_no_part_of_it() {
    let bench = Bench::new();
    let text = std::fs::read_to_string(bench.at("project/build.rbld")).unwrap();
    bench.write("project/build.rbld", &format!("{text}input whole = ./\n"));
    let digest = || {
        let ran = bench.rbld("store", &["eval", "whole", "--format", "json"]).exits(0);
        serde_json::from_str::<serde_json::Value>(&ran.out).unwrap()
    };
    let before = digest();
    bench.rbld("store", &["vendor", "third/party"]).exits(0);
    assert!(bench.at("project/third/party/rbld.vendor").exists());
    std::fs::write(bench.at("project/third/kept"), "").unwrap();
    let with = digest();
    assert_ne!(before, with);
    std::fs::remove_dir_all(bench.at("project/third/party")).unwrap();
    assert_eq!(digest(), with);
}

#[test]
fn two_locks_are_told_apart() {
    let bench = Bench::new();
    let block = |at: &str, version: &str, digest: char| {
        let digest = digest.to_string().repeat(64);
        format!(
            "environment debian bookworm main {at} amd64\nasked make\n\
             index bookworm {digest} {at} - 4CB50190207B4758A3F73A796ED0E7B82643E131\n\
             package make {version} amd64 {digest} 1000 pool/make -\nroot make\n"
        )
    };
    let lock = |request: char, block: &str| {
        format!("rbld-lock 1\n\nrequest {}\n{block}", request.to_string().repeat(64))
    };
    bench.write("project/rbld.lock", &lock('1', &block("2026-11-01T00:00:00Z", "4.3-4", 'a')));
    bench.rbld("store", &["diff"]).exits(2).says("no lock to compare with");
    bench.git("project", &["init", "-q"]);
    bench.git("project", &["add", "-A"]);
    bench.git("project", &["commit", "-q", "-m", "lock"]);
    bench.rbld("store", &["diff"]).exits(0).says("nothing that is locked differs");
    bench.write("project/rbld.lock", &lock('2', &block("2026-11-22T00:00:00Z", "4.4-1", 'b')));
    let says = "~ make:amd64  4.3-4 → 4.4-1  1.0 kB  +0 B  build tool";
    bench.rbld("store", &["diff"]).exits(0).says(says).says("2026-11-01T00:00:00Z → 2026-11-22T00:00:00Z");
    bench.write("old.lock", &lock('1', &block("2026-11-01T00:00:00Z", "4.3-4", 'a')));
    bench.rbld("store", &["diff", "../old.lock"]).exits(0).says(says);
    bench.rbld("store", &["diff", "../old.lock", "rbld.lock"]).exits(0).says(says);
    bench
        .rbld("store", &["diff", "../old.lock", "build.rbld", "--format", "json"])
        .exits(0)
        .says("\"build tool\"");
    bench.rbld("store", &["diff", "../none.lock"]).exits(2).says("there is no `../none.lock`");
    bench.write("odd.lock", "rbld-lock 1\nodd\n");
    bench.rbld("store", &["diff", "../odd.lock"]).exits(2).says("odd.lock:2");
}

#[test]
fn a_server_that_hangs_leaves_nothing_half_written() {
    let bench = Bench::new();
    bench.archive.fault("release.txt", Fault::Missing, 0);
    bench.rbld("new", &["vendor", "../vendor"]).exits(4).says("release.txt");
    assert!(!bench.at("vendor").exists());
    bench.archive.heal();
    bench.rbld("new", &["vendor", "../vendor"]).exits(0);
}

/// `rbld mirror serve`, stopped by a signal.
struct Mirror {
    child: Child,
    url: String,
}

impl Mirror {
    fn start(bench: &Bench, folder: &str) -> Mirror {
        let mut command = bench.command("store", &["mirror", "serve", folder, "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with(&format!("serving {folder}: ")), "{first}");
        let second = lines.next().unwrap().unwrap();
        let url = second.trim().strip_prefix("rbld check --from ").unwrap().to_owned();
        Mirror { child, url }
    }

    fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Asks by hand; the whole answer.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_mirror_serves_several_clients_at_once() {
    let bench = Bench::new();
    bench.vendored("vendor");
    let mut mirror = Mirror::start(&bench, "../vendor");
    let build = |store: &str| {
        let mut command = bench.command(store, &["build", "--offline", "--from", &mirror.url, "build.rbld"]);
        command.args(["src", "bare", "release"]).stdout(Stdio::null()).spawn().unwrap()
    };
    let clients: Vec<Child> = ["one", "two", "three"].into_iter().map(build).collect();
    for mut client in clients {
        assert_eq!(client.wait().unwrap().code(), Some(0));
    }
    let head = |path: &str, more: &str| {
        mirror.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n"))
    };
    let hex = Digest::of(FILE).to_hex();
    let path = format!("/objects/{}/{}/{hex}", &hex[..2], &hex[2..4]);
    assert!(head(&path, "").ends_with("the bytes of a release\n"));
    let part = head(&path, "Range: bytes=4-8\r\n");
    assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\nbytes"), "{part}");
    assert!(head(&path, "Range: bytes=100-\r\n").starts_with("HTTP/1.1 416"));
    assert!(head(&path, "Range: bytes=4-8\r\nIf-Range: \"x\"\r\n").starts_with("HTTP/1.1 200"));
    assert!(head(&path, &format!("If-None-Match: \"{hex}\"\r\n")).starts_with("HTTP/1.1 304"));
    for odd in
        ["/objects/../../project/build.rbld", "/project/build.rbld", "/objects/", "//etc/passwd", "/%2e%2e/x"]
    {
        assert!(head(odd, "").starts_with("HTTP/1.1 404"), "{odd}");
    }
    let posted = mirror.ask("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
    let asked = mirror.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert!(asked.contains("content-length: 23") && asked.ends_with("\r\n\r\n"), "{asked}");
    let nonsense = mirror.ask(&format!("{}\r\n\r\n", "x".repeat(100_000)));
    assert!(nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 4"), "{nonsense}");
    mirror.stop();
    assert_eq!(mirror.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_mirror_finishes_what_it_has_begun() {
    let bench = Bench::new();
    let bytes = vec![7u8; 24 << 20];
    bench.archive.put("debian/large", bytes.clone());
    let text = std::fs::read_to_string(bench.at("project/build.rbld")).unwrap();
    let digest = Digest::of(&bytes);
    let large = text.replace("release.txt", "large").replace(&Digest::of(FILE).to_hex(), &digest.to_hex());
    bench.write("project/build.rbld", &large);
    bench.vendored("vendor");
    let mut mirror = Mirror::start(&bench, "../vendor");
    let mut stream = TcpStream::connect(mirror.url.strip_prefix("http://").unwrap()).unwrap();
    let path = object(Path::new("/"), digest).display().to_string();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = vec![0; 1 << 10];
    stream.read_exact(&mut answer).unwrap();
    mirror.stop();
    // It no longer listens, and still sends.
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(answer.len() - head, bytes.len());
    assert_eq!(mirror.child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(mirror.url.strip_prefix("http://").unwrap()).is_err());
}
