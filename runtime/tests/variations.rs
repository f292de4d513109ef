//! Each axis against the real kernel, as whoever runs the tests and, if that is root, as an ordinary user too: a program
//! sees the varied value, and nothing else changed. The root filesystem is a static busybox.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rbld::executor::{Cancel, Embedded, Executor, Exit, Finished, Mount, Request, Root, User};
use rbld::failure::Failure;
use rbld::vary::{Surroundings, Variant, variables};
use rbld_lang::derivation::Arch;
use rbld_lang::vary::Axis;
use tools::Tool;

const RBLD: &str = env!("CARGO_BIN_EXE_rbld");
/// An id that nothing else runs as.
const NOBODY: &str = "65533";
const APPLETS: &str = "sh cat ls id stat ps grep sed head sort wc env uname hostname umask mkdir touch echo find date \
    nproc tar seq md5sum rm mv cp ln sleep readlink true false test chmod tr dd timeout awk xargs";

/// A root filesystem and what is in it.
struct Place {
    folder: tempfile::TempDir,
    copies: Vec<Mount>,
}

/// A program that ended, and its output.
struct Ended {
    finished: Finished,
    log: String,
}

impl Place {
    fn new() -> Place {
        let busybox = Tool::find("bin/busybox", "busybox-static").program;
        let folder = tempfile::Builder::new().prefix("rbld-vary-").tempdir().unwrap();
        let lower = folder.path().join("lower");
        for name in ["bin", "etc"] {
            fs::create_dir_all(lower.join(name)).unwrap();
        }
        fs::copy(busybox, lower.join("bin/busybox")).unwrap();
        for name in APPLETS.split_whitespace() {
            symlink("busybox", lower.join("bin").join(name)).unwrap();
        }
        let etc = |name: &str, text: &str| fs::write(lower.join("etc").join(name), text).unwrap();
        etc("passwd", "root:x:0:0:::\nbuild:x:1000:1000::/build:/bin/sh\n");
        etc("group", "root:x:0:\nbuild:x:1000:\n");
        etc("hosts", "127.0.0.1 localhost\n");
        Place { folder, copies: Vec::new() }
    }

    fn lower(&self) -> PathBuf {
        self.folder.path().join("lower")
    }

    fn try_run(&self, variant: &Variant, argv: &[&str]) -> Result<Ended, Failure> {
        let scratch = tempfile::Builder::new().prefix("scratch-").tempdir_in(self.folder.path()).unwrap();
        let mut env = BTreeMap::from([
            ("HOME".to_owned(), "/build".to_owned()),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
            ("PATH".to_owned(), "/bin".to_owned()),
            ("TZ".to_owned(), "UTC".to_owned()),
        ]);
        variables(&mut env, variant, 2, &|_| false);
        let mut log = Vec::new();
        let finished = Embedded::with_helper(RBLD).run(Request {
            root: Root::Overlay { lower: &self.lower() },
            scratch: scratch.path(),
            arch: Arch::from_name(if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }).unwrap(),
            emulator: None,
            mounts: Vec::new(),
            copies: self.copies.clone(),
            argv: argv.iter().map(|&text| text.to_owned()).collect(),
            env,
            cwd: Surroundings::of(variant).folder.to_owned(),
            user: User::Build,
            variant,
            timeout: Some(Duration::from_secs(60)),
            log: &mut |piece| log.extend_from_slice(piece),
            cancel: &Cancel::new().unwrap(),
        });
        // Kept until the root's own folder goes, for a look at what was written.
        let _ = scratch.keep();
        finished.map(|finished| Ended { finished, log: String::from_utf8_lossy(&log).into_owned() })
    }

    /// The output of a script that must end well under a variant.
    fn under(&self, variant: &Variant, script: &str) -> String {
        let ended = self.try_run(variant, &["/bin/sh", "-eu", "-c", script]);
        let ended = ended.unwrap_or_else(|failure| panic!("no sandbox here: {failure}"));
        assert_eq!(ended.finished.exit, Exit::Code(0), "{script}\n{}", ended.log);
        ended.log
    }

    /// What a script says plainly and with one axis varied.
    fn both(&self, axis: Axis, script: &str) -> (String, String) {
        (self.under(&Variant::default(), script), self.under(&only(axis), script))
    }
}

fn only(axis: Axis) -> Variant {
    Variant::default().varying([axis])
}

#[track_caller]
fn assert_says(said: &(String, String), plain: &str, varied: &str) {
    assert_eq!((said.0.as_str(), said.1.as_str()), (plain, varied));
}

#[test]
fn the_umask() {
    let place = Place::new();
    let said = place.both(Axis::Umask, "umask; touch a; mkdir b; stat -c %a a b");
    assert_says(&said, "0022\n644\n755\n", "0007\n660\n770\n");
}

#[test]
fn the_user_and_its_number() {
    let place = Place::new();
    let script = "id; echo $USER; touch a; stat -c '%U %G %u %g' a; ls -l / | grep -v total | sed 's/ .*//' | sort -u | wc -l";
    let said = place.both(Axis::User, &format!("export USER=${{USER-none}}; {script}"));
    assert!(said.0.starts_with("uid=1000(build) gid=1000(build)"), "{}", said.0);
    assert!(said.0.contains("build build 1000 1000"), "{}", said.0);
    assert!(said.1.starts_with("uid=2357(another) gid=2357(another)"), "{}", said.1);
    assert!(said.1.contains("another\nanother another 2357 2357"), "{}", said.1);
}

#[test]
fn the_host_and_its_domain() {
    let place = Place::new();
    let said = place.both(Axis::Hostname, "hostname; cat /proc/sys/kernel/domainname; hostname -f; uname -n");
    assert_says(
        &said,
        "localhost\n(none)\nlocalhost\nlocalhost\n",
        "another-host\nanother.example\nanother-host.another.example\nanother-host\n",
    );
}

#[test]
fn the_home() {
    let place = Place::new();
    let said = place.both(Axis::Home, "echo $HOME; cd; pwd; touch mine; grep build /etc/passwd");
    assert_says(
        &said,
        "/build\n/build\nbuild:x:1000:1000::/build:/bin/sh\n",
        "/home/of-another\n/home/of-another\nbuild:x:1000:1000::/home/of-another:/bin/sh\n",
    );
}

#[test]
fn the_folder_of_the_build() {
    let mut place = Place::new();
    let input = place.folder.path().join("input");
    fs::create_dir(&input).unwrap();
    fs::write(input.join("file"), "in").unwrap();
    let variant = only(Axis::BuildPath);
    let folder = Surroundings::of(&variant).folder;
    place.copies.push(Mount { from: input, at: format!("{folder}/src") });
    let said = place
        .under(&variant, "pwd; cat src/file; echo; touch src/new; ls -A /build; stat -c '%a %Y' . /build");
    assert_eq!(said, format!("{folder}\nin\n755 1321009871\n755 1321009871\n"));
}

#[test]
fn surrounding_variables() {
    let place = Place::new();
    let (plain, varied) = place.both(Axis::Environment, "env | grep -v ^PWD | grep -v ^SHLVL | sort");
    let plain: Vec<&str> = plain.lines().collect();
    let added: Vec<&str> = varied.lines().filter(|line| !plain.contains(line)).collect();
    assert!(added.len() >= 5 && added.len() + plain.len() == varied.lines().count(), "{varied}");
    let said = place.both(Axis::Timezone, "date -d @1321009871 +%F-%H:%M%z");
    assert_says(&said, "2011-11-11-11:11+0000\n", "2011-11-12-00:56+1345\n");
    let said = place.both(Axis::Jobs, "echo $RBLD_JOBS");
    assert_says(&said, "2\n", "1\n");
    let said = place.both(Axis::Path, "echo $PATH");
    assert_says(&said, "/bin\n", "/opt/before/bin:/bin:/opt/after/bin\n");
}

#[test]
fn addresses() {
    let place = Place::new();
    let stack = "grep -F '[stack]' /proc/self/maps";
    assert_eq!(place.under(&Variant::default(), stack), place.under(&Variant::default(), stack));
    let varied = only(Axis::Aslr);
    assert_ne!(place.under(&varied, stack), place.under(&varied, stack));
}

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("rbld-user-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let output = Command::new("setpriv")
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path())
        .output()
        .expect("this test needs `setpriv`: apt-get install util-linux");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
