//! The embedded executor against the real kernel, as whoever runs the tests and, if that is root, as an
//! ordinary user too. The root filesystem is a static busybox.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and talk to whoever runs them"
)]

#[path = "../../tests/harness/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rbld::executor::{
    Cancel, Embedded, Entry, Executor, Exit, Finished, Mount, Request, Root, User, collect_file,
    collect_files,
};
use rbld::failure::{Failure, Kind};
use rbld::vary::Variant;
use rbld_lang::derivation::Arch;
use tools::Tool;

const RBLD: &str = env!("CARGO_BIN_EXE_rbld");
/// An id that nothing else runs as.
const NOBODY: &str = "65533";

/// A root filesystem, a scratch folder and what is asked of them.
struct Case {
    folder: tempfile::TempDir,
    arch: Arch,
    emulator: Option<PathBuf>,
    mounts: Vec<Mount>,
    copies: Vec<Mount>,
    env: BTreeMap<String, String>,
    cwd: String,
    user: User,
    writable: bool,
    timeout: Option<Duration>,
    cancel: Cancel,
}

/// A program that ended, and its output.
#[derive(Debug)]
struct Ended {
    finished: Finished,
    log: String,
}

impl Ended {
    fn upper(&self, path: &str) -> PathBuf {
        self.finished.upper.join(path)
    }
}

impl Case {
    fn new() -> Case {
        Case::with(&Tool::find("bin/busybox", "busybox-static").program)
    }

    fn with(busybox: &Path) -> Case {
        let folder = tempfile::Builder::new().prefix("rbld-test-").tempdir().unwrap();
        let lower = folder.path().join("lower");
        for name in ["bin", "etc", "tmp", "build"] {
            fs::create_dir_all(lower.join(name)).unwrap();
        }
        fs::copy(busybox, lower.join("bin/busybox")).unwrap();
        for name in APPLETS.split_whitespace() {
            symlink("busybox", lower.join("bin").join(name)).unwrap();
        }
        fs::write(lower.join("etc/passwd"), "root:x:0:0:::\nbuild:x:1000:1000:::\n").unwrap();
        fs::write(lower.join("etc/group"), "root:x:0:\nbuild:x:1000:\n").unwrap();
        fs::write(lower.join("etc/stays"), "below").unwrap();
        fs::write(lower.join("tmp/stale"), "below").unwrap();
        Case {
            folder,
            arch: Arch::from_name(if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }).unwrap(),
            emulator: None,
            mounts: Vec::new(),
            copies: Vec::new(),
            env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
            cwd: "/build".to_owned(),
            user: User::Build,
            writable: false,
            timeout: Some(Duration::from_secs(60)),
            cancel: Cancel::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn try_run(
        &self,
        helper: &str,
        argv: &[&str],
        heard: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Ended, Failure> {
        let scratch = tempfile::Builder::new().prefix("scratch-").tempdir_in(self.folder.path()).unwrap();
        let lower = self.path("lower");
        let mut log = Vec::new();
        let mut hear = |piece: &[u8]| {
            log.extend_from_slice(piece);
            heard(&String::from_utf8_lossy(piece));
        };
        let finished = Embedded::with_helper(helper).run(Request {
            root: if self.writable { Root::Writable(&lower) } else { Root::Overlay { lower: &lower } },
            scratch: scratch.path(),
            arch: self.arch,
            emulator: self.emulator.as_deref(),
            mounts: self.mounts.clone(),
            copies: self.copies.clone(),
            argv: argv.iter().map(|&text| text.to_owned()).collect(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            user: self.user,
            variant: &Variant::default(),
            timeout: self.timeout,
            log: &mut hear,
            cancel: &self.cancel,
        });
        // Kept until the case's own folder goes, for a look at what was written.
        let _ = scratch.keep();
        finished.map(|finished| Ended { finished, log: String::from_utf8_lossy(&log).into_owned() })
    }

    fn sh(&self, script: &str) -> Ended {
        self.try_run(RBLD, &["/bin/sh", "-eu", "-c", script], &mut |_| {}).unwrap_or_else(|failure| {
            panic!("no sandbox here: {failure}");
        })
    }

    /// The output of a script that must end well.
    fn says(&self, script: &str) -> String {
        let ended = self.sh(script);
        assert_eq!(ended.finished.exit, Exit::Code(0), "{script}\n{}", ended.log);
        ended.log
    }
}

const APPLETS: &str = "sh cat ls sleep id chown chmod mknod mkdir mkfifo touch echo hostname ip stat ps \
    kill setsid nc rm ln grep sed head sort wc env nice umask uname mount umount unshare dd true false test readlink \
    find ulimit cp mv date dmesg chroot setpriv su";

#[test]
fn the_exit_is_forwarded() {
    let case = Case::new();
    assert_eq!(case.sh("exit 0").finished.exit, Exit::Code(0));
    assert_eq!(case.sh("exit 3").finished.exit, Exit::Code(3));
    assert_eq!(case.sh("kill -TERM $$").finished.exit, Exit::Signal(15));
    assert_eq!(case.sh("kill -KILL $$").finished.exit, Exit::Signal(9));
}

#[test]
fn standard_output_and_error_are_one_stream() {
    assert_eq!(Case::new().says("echo one; echo two >&2; echo three"), "one\ntwo\nthree\n");
    let long = Case::new().says("dd if=/dev/zero bs=1000 count=3000 2>/dev/null");
    assert_eq!(long.len(), 3_000_000);
}

#[test]
fn a_program_that_is_not_there_is_no_sandbox_failure() {
    let case = Case::new();
    let ended = case.try_run(RBLD, &["/bin/nothing"], &mut |_| {}).unwrap();
    assert_eq!(ended.finished.exit, Exit::Code(127));
    assert!(ended.log.contains("`/bin/nothing`"), "{}", ended.log);
    let ended = case.try_run(RBLD, &["/etc/stays"], &mut |_| {}).unwrap();
    assert_eq!(ended.finished.exit, Exit::Code(126));
    let ended = case.try_run(RBLD, &["true"], &mut |_| {}).unwrap();
    assert_eq!(ended.finished.exit, Exit::Code(0));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let mut case = Case::new();
    case.cwd = "/build/nowhere".to_owned();
    let ended = case.sh("true");
    assert_eq!(ended.finished.exit, Exit::Code(127));
    assert!(ended.log.contains("in the folder `/build/nowhere`"), "{}", ended.log);
}

#[test]
fn the_surroundings_are_fixed() {
    let mut case = Case::new();
    case.env.insert("ONE".to_owned(), "two = three".to_owned());
    assert_eq!(case.says("id -u; id -g; id -G"), "1000\n1000\n1000\n");
    assert_eq!(case.says("hostname; cat /proc/sys/kernel/domainname"), "localhost\n(none)\n");
    assert_eq!(case.says("umask; pwd"), "0022\n/build\n");
    let ended = case.try_run(RBLD, &["env"], &mut |_| {}).unwrap();
    assert_eq!(ended.log, "ONE=two = three\nPATH=/bin\n");
    assert_eq!(case.says("ulimit -n; ulimit -s; ulimit -c"), "1024\n8192\n0\n");
    assert_eq!(case.says("ls /build; ls /tmp; stat -c %a /tmp /build"), "1777\n755\n");
    assert_eq!(case.says("readlink /proc/self/fd/0; cat"), "/dev/null\n");
    assert_eq!(case.says("stat -c %Y / /tmp"), "1321009871\n1321009871\n");
    assert_eq!(case.says("test ! -e /sys || ls /sys; ls /"), "bin\nbuild\ndev\netc\nproc\ntmp\n");
    case.user = User::Root;
    assert_eq!(case.says("id -u; id -g"), "0\n0\n");
}

#[test]
fn nothing_of_the_host_is_open() {
    let host = fs::File::open("/").unwrap();
    // Inherited on purpose: a descriptor that isn't closed when a program is started.
    rustix::io::fcntl_setfd(&host, rustix::io::FdFlags::empty()).unwrap();
    let case = Case::new();
    assert_eq!(case.says("ls /proc/$$/fd; readlink /proc/$$/fd/0"), "0\n1\n2\n/dev/null\n");
    assert_ne!(case.sh(": </dev/tty").finished.exit, Exit::Code(0), "there is no terminal");
    assert_eq!(case.says("echo /proc/[0-9]*"), "/proc/1 /proc/2\n", "the first process and the shell");
    rustix::io::fcntl_setfd(&host, rustix::io::FdFlags::CLOEXEC).unwrap();
}

#[test]
fn devices_are_few() {
    let case = Case::new();
    let expect = "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(case.says("ls /dev"), expect);
    assert_eq!(case.says("echo x >/dev/null; echo y >/dev/stdout; head -c 3 /dev/zero | wc -c"), "y\n3\n");
    assert_eq!(case.says("stat -c %a /dev/shm; touch /dev/shm/a"), "1777\n");
    let ended = case.sh("chmod 600 /dev/null");
    assert_ne!(ended.finished.exit, Exit::Code(0));
    assert!(ended.log.contains("Read-only"), "{}", ended.log);
}

#[test]
fn there_is_no_network_but_loopback() {
    let case = Case::new();
    assert_eq!(case.says("cat /proc/net/dev | grep : | sed 's/:.*//; s/ //g'"), "lo\n");
    let script = "nc -l -p 4321 >/tmp/heard & until echo hello | nc 127.0.0.1 4321 2>/dev/null; do :; done; \
        wait; cat /tmp/heard";
    let heard = case.says(script);
    assert_eq!(heard, "hello\n");
}

#[test]
fn a_recipe_owns_only_itself() {
    let case = Case::new();
    assert_eq!(case.says("touch a; chown 1000:1000 a; chown 1000 a; stat -c %u:%g a"), "1000:1000\n");
    for script in ["touch a; chown 0 a", "touch a; chown 1000:4 a", "touch a; chown 123456 a"] {
        let ended = case.sh(script);
        assert_ne!(ended.finished.exit, Exit::Code(0), "{script}");
        assert!(ended.log.contains("Operation not permitted"), "{}", ended.log);
    }
    assert_ne!(case.sh("mknod d c 1 3").finished.exit, Exit::Code(0));
    case.says("mkfifo f; mknod g p");
}

#[test]
fn a_maintainer_script_is_told_that_it_is_done() {
    let mut case = Case::new();
    case.user = User::Root;
    assert_eq!(case.says("touch a; chown 7:7 a; chown 123456 a; stat -c %u:%g a"), "0:0\n");
    assert_eq!(case.says("mknod d c 1 3; mknod b b 1 3; ls"), "");
    case.says("mknod f p; test -p f");
}

#[test]
fn privileges_are_gone() {
    let mut case = Case::new();
    for user in [User::Build, User::Root] {
        case.user = user;
        let status = case.says("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
        let expect = "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
            CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        assert_eq!(status, expect);
        for script in [
            "mount -t tmpfs none /tmp",
            "umount /proc",
            "unshare -U true",
            "chroot / true",
            "echo 1 >/proc/sys/kernel/sysrq",
            "echo core >/proc/sys/kernel/core_pattern",
            "echo b >/proc/sysrq-trigger",
            "cat /proc/1/environ",
            "cd /proc/1/fd/; for n in *; do readlink $n && exit 0; done; exit 1",
            "cd /proc/1/fd/; for n in *; do : <$n && exit 0; done; exit 1",
            "cat /proc/1/mem",
            "kill -9 1; readlink /proc/1/exe",
        ] {
            assert_ne!(case.sh(script).finished.exit, Exit::Code(0), "{script} as {user:?}");
        }
        assert_eq!(case.says("cat /proc/kcore /proc/keys 2>/dev/null | wc -c"), "0\n");
    }
}

#[test]
fn a_root_that_names_the_helper_as_its_shell_is_refused() {
    let case = Case::new();
    let bin = case.path("lower/bin");
    symlink("/proc/self/exe", bin.join("trap")).unwrap();
    fs::write(bin.join("script"), "#!/proc/self/exe\n").unwrap();
    fs::write(bin.join("second"), "#!/bin/script x\n").unwrap();
    for name in ["script", "second"] {
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["trap", "script", "second"] {
        let ended = case.try_run(RBLD, &[&format!("/bin/{name}")], &mut |_| {}).unwrap();
        assert_eq!(ended.finished.exit, Exit::Code(126), "{name}: {}", ended.log);
        assert!(ended.log.contains("could not start"), "{}", ended.log);
    }
}

#[test]
fn what_is_written_stays_in_the_layer() {
    let case = Case::new();
    let ended = case
        .sh("echo new >/etc/stays; echo x >made; rm /bin/true; mkdir /opt; echo y >/opt/y; echo z >/tmp/z");
    assert_eq!(ended.finished.exit, Exit::Code(0), "{}", ended.log);
    assert_eq!(fs::read_to_string(case.path("lower/etc/stays")).unwrap(), "below");
    assert!(case.path("lower/bin/true").is_symlink());
    for (path, text) in [("etc/stays", "new\n"), ("build/made", "x\n"), ("opt/y", "y\n"), ("tmp/z", "z\n")] {
        assert_eq!(fs::read_to_string(ended.upper(path)).unwrap(), text, "{path}");
    }
    let entries: Vec<_> =
        fs::read_dir(case.path("lower")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert!(collect_file(&ended.finished.upper, "/bin/true").is_err(), "a removed file is no output");
}

#[test]
fn a_writable_root_is_written_to_and_left_as_it_was_otherwise() {
    let mut case = Case::new();
    case.writable = true;
    case.user = User::Root;
    case.mounts.push(Mount { from: case.path("lower/etc"), at: "/inputs/etc".to_owned() });
    case.cwd = "/".to_owned();
    let ended =
        case.sh("echo new >/etc/stays; echo t >/tmp/t; echo b >/build/b; cat /inputs/etc/stays; ls /tmp");
    assert_eq!((ended.finished.exit, ended.log.as_str()), (Exit::Code(0), "new\nt\n"));
    assert_eq!(fs::read_to_string(case.path("lower/etc/stays")).unwrap(), "new\n");
    let mut left: Vec<_> =
        fs::read_dir(case.path("lower")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["bin", "build", "etc", "tmp"]);
    assert_eq!(fs::read_dir(case.path("lower/build")).unwrap().count(), 0);
    assert!(!case.path("lower/tmp/t").exists());
}

#[test]
fn inputs_are_read_only_and_copies_are_not() {
    let mut case = Case::new();
    let input = case.path("input");
    fs::create_dir_all(input.join("sub")).unwrap();
    fs::write(input.join("sub/file"), "in").unwrap();
    fs::set_permissions(input.join("sub/file"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("sub/file", input.join("link")).unwrap();
    let file = case.path("one.txt");
    fs::write(&file, "one").unwrap();
    case.mounts = vec![
        Mount { from: input.clone(), at: "/inputs/in".to_owned() },
        Mount { from: file, at: "/inputs/one.txt".to_owned() },
    ];
    case.copies = vec![Mount { from: input.clone(), at: "/build/src".to_owned() }];
    case.cwd = "/build/src".to_owned();
    assert_eq!(case.says("cat /inputs/in/link /inputs/one.txt; ls /inputs"), "inonein\none.txt\n");
    for script in [
        "echo x >/inputs/in/new",
        "echo x >/inputs/one.txt",
        "chmod 777 /inputs/in/sub",
        "rm /inputs/one.txt",
    ] {
        assert_ne!(case.sh(script).finished.exit, Exit::Code(0), "{script}");
    }
    let times = "for f in . sub sub/file link; do stat -c '%a %Y' $f; done";
    let expect = "755 1321009871\n755 1321009871\n755 1321009871\n777 1321009871\n";
    assert_eq!(case.says(times), expect);
    let ended = case.sh("echo changed >sub/file; mv sub moved; mv /build/src /build/renamed");
    assert_eq!(ended.finished.exit, Exit::Code(0), "{}", ended.log);
    assert_eq!(fs::read_to_string(input.join("sub/file")).unwrap(), "in");
    assert_eq!(fs::read_to_string(ended.upper("build/renamed/moved/file")).unwrap(), "changed\n");
}

#[test]
fn links_of_a_hostile_root_lead_nowhere() {
    let case = Case::new();
    let lower = case.path("lower");
    fs::remove_dir_all(lower.join("tmp")).unwrap();
    symlink("/etc", lower.join("tmp")).unwrap();
    for (name, target) in [("proc", "/etc"), ("dev", "../../.."), ("inputs", "/bin")] {
        symlink(target, lower.join(name)).unwrap();
    }
    let mut case = case;
    case.mounts = vec![Mount { from: lower.join("etc"), at: "/inputs/etc".to_owned() }];
    assert_eq!(case.says("ls /inputs; ls /tmp; cat /inputs/etc/stays; test -e /proc/self/fd"), "etc\nbelow");
    case.writable = true;
    let failure = case.try_run(RBLD, &["/bin/true"], &mut |_| {}).unwrap_err();
    assert!(failure.kind == Kind::World && failure.message.contains("symbolic links"), "{failure}");
}

/// The processes on this machine that have a word in their command line.
fn processes_with(word: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let line = fs::read(path.join("cmdline")).ok()?;
            // What is dead but not yet collected has no command line.
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(word).then(|| format!("{} {line}", path.display()))
        })
        .collect()
}

/// Waits until a condition holds, at most 20 seconds.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_timeout_kills_everything() {
    let mut case = Case::new();
    case.timeout = Some(Duration::from_millis(700));
    let word = format!("987{}", std::process::id());
    let ended = case.sh(&format!("setsid sh -c 'trap \"\" TERM INT HUP; sleep {word}' & sleep {word}"));
    assert_eq!(ended.finished.exit, Exit::Timeout);
    assert!(ended.finished.wall >= Duration::from_millis(700));
    assert_eq!(processes_with(&word), Vec::<String>::new());
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    let case = Case::new();
    let word = format!("986{}", std::process::id());
    let ended = case.sh(&format!("setsid sleep {word} & exit 5"));
    assert_eq!(ended.finished.exit, Exit::Code(5));
    assert_eq!(processes_with(&word), Vec::<String>::new());
}

#[test]
fn a_cancel_kills_everything_and_is_told_apart() {
    let case = Case::new();
    let word = format!("985{}", std::process::id());
    let cancel = case.cancel.clone();
    let script = format!("echo here; sleep {word}");
    let ended = case
        .try_run(RBLD, &["/bin/sh", "-c", &script], &mut |heard| {
            if heard.contains("here") {
                cancel.set();
            }
        })
        .unwrap();
    assert_eq!(ended.finished.exit, Exit::Cancelled);
    assert_eq!(processes_with(&word), Vec::<String>::new());
    assert_eq!(case.sh("exit 0").finished.exit, Exit::Cancelled, "nothing starts any more");
}

/// Not a test of its own: what [`killing_rbld_leaves_no_process`] kills.
#[test]
fn sleeper() {
    if let Ok(word) = std::env::var("RBLD_TEST_SLEEP") {
        Case::new().sh(&format!("setsid sleep {word} & sleep {word}"));
    }
}

#[test]
fn killing_rbld_leaves_no_process() {
    let word = format!("984{}", std::process::id());
    // What is killed can't tidy up.
    let folder = tempfile::Builder::new().prefix("rbld-killed-").tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sleeper", "--nocapture"])
        .env("RBLD_TEST_SLEEP", &word)
        .env("TMPDIR", folder.path())
        .spawn()
        .unwrap();
    wait_until("the sandbox doesn't start", || processes_with(&format!("sleep {word}")).len() >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("processes are left", || processes_with(&word).is_empty());
}

#[test]
fn a_sandbox_that_can_not_be_made_is_no_failed_build() {
    let case = Case::new();
    let failure = case.try_run("/nothing/rbld", &["/bin/true"], &mut |_| {}).unwrap_err();
    assert_eq!(failure.kind, Kind::World);
    let failure = case.try_run("/bin/false", &["/bin/true"], &mut |_| {}).unwrap_err();
    assert_eq!(failure.kind, Kind::World);
    assert!(failure.message.contains("died"), "{failure}");
}

#[test]
fn whoever_ignores_the_end_of_children_is_served_too() {
    let command =
        format!("trap '' CHLD INT TERM; exec {} --exact ignorer", std::env::current_exe().unwrap().display());
    let output = Command::new("sh").args(["-c", &command]).env("RBLD_TEST_IGNORE", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Not a test of its own: runs where some signals are ignored.
#[test]
fn ignorer() {
    if std::env::var("RBLD_TEST_IGNORE").is_ok() {
        let ended = Case::new().sh("sh -c 'exit 3' || echo $?; kill -INT $$; echo never");
        assert_eq!((ended.finished.exit, ended.log.as_str()), (Exit::Signal(2), "3\n"));
    }
}

#[test]
fn a_disk_that_overlay_can_not_write_to_is_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let case = Case::new();
    let lower = case.path("lower");
    let (disk, upper, work) = (case.path("disk"), case.path("upper"), case.path("work"));
    for folder in [&disk, &upper, &work] {
        fs::create_dir(folder).unwrap();
    }
    let script = format!(
        "mount -t overlay overlay -o lowerdir={},upperdir={},workdir={} {} && exec {} --exact overlaid --nocapture",
        lower.display(),
        upper.display(),
        work.display(),
        disk.display(),
        std::env::current_exe().unwrap().display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .env("RBLD_TEST_OVERLAID", &disk)
        .env("TMPDIR", &disk)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("told what to change"), "{text}\n{output:?}");
}

/// Not a test of its own: runs where scratch folders are on an overlay.
#[test]
fn overlaid() {
    if std::env::var("RBLD_TEST_OVERLAID").is_ok() {
        let failure = Case::new().try_run(RBLD, &["/bin/true"], &mut |_| {}).unwrap_err();
        assert_eq!(failure.kind, Kind::World);
        assert!(failure.help.as_ref().unwrap().contains("RBLD_STORE"), "{failure}");
        println!("told what to change");
    }
}

#[test]
fn a_machine_without_user_namespaces_is_told_what_to_change() {
    // A limit of this process's own user namespace, so nothing of the machine is changed.
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces && exec {} --exact no_user_namespaces --nocapture",
        std::env::current_exe().unwrap().display()
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", &script])
        .env("RBLD_TEST_LIMITED", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("told what to change"), "{text}\n{output:?}");
}

/// Not a test of its own: runs where no user namespace can be made.
#[test]
fn no_user_namespaces() {
    if std::env::var("RBLD_TEST_LIMITED").is_ok() {
        let failure = Case::new().try_run(RBLD, &["/bin/true"], &mut |_| {}).unwrap_err();
        assert_eq!(failure.kind, Kind::World);
        assert!(failure.message.contains("user namespace"), "{failure}");
        assert!(failure.help.as_ref().unwrap().contains("max_user_namespaces"), "{failure}");
        let grade = rbld::sandbox::probe_with(Path::new(RBLD), &std::env::temp_dir());
        assert!(!grade.sufficient());
        println!("told what to change");
    }
}

#[test]
fn this_machine_is_graded() {
    let grade = rbld::sandbox::probe_with(Path::new(RBLD), &std::env::temp_dir());
    assert!(grade.sufficient(), "{grade:#?}");
    let isolation = Case::new().sh("exit 0").finished.isolation;
    for feature in rbld::sandbox::Feature::PROBED {
        assert_eq!(grade.grants(feature), !isolation.missing.contains(&feature), "{feature:?}");
    }
    let left = fs::read_dir(std::env::temp_dir()).unwrap();
    let prefix = format!("rbld-probe-{}", std::process::id());
    assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with(&prefix)));
}

#[test]
fn scratch_folders_can_be_removed() {
    let case = Case::new();
    let ended = case.sh("mkdir locked; touch locked/x; chmod 000 locked");
    let scratch = ended.finished.upper.parent().unwrap();
    fs::remove_dir_all(scratch.join("work")).unwrap();
    assert_eq!(fs::symlink_metadata(ended.upper("build/locked")).unwrap().mode() & 0o777, 0);
}

#[test]
fn outputs_are_collected_without_following_links() {
    let case = Case::new();
    let ended = case.sh(
        "mkdir -p out/sub out/empty; echo 1 >out/b.deb; echo 2 >out/a.deb; echo 3 >out/.c.deb; echo 4 >out/sub/d; \
         ln -s a.deb out/link; ln -s /etc/stays escape; ln -s /etc way; chmod +x out/b.deb; chmod 000 out/a.deb; \
         mkfifo fifo; chmod 000 out/sub; touch /etc/mine",
    );
    assert_eq!(ended.finished.exit, Exit::Code(0), "{}", ended.log);
    let upper = &ended.finished.upper;
    let names = |pattern: &str| -> Vec<String> {
        collect_files(upper, "/build", pattern).unwrap().into_iter().map(|found| found.path).collect()
    };
    assert_eq!(names("out/*.deb"), ["out/a.deb", "out/b.deb"]);
    assert_eq!(names("out/[!a].d?b"), ["out/b.deb"]);
    assert_eq!(names("*/[ab].deb"), ["out/a.deb", "out/b.deb"]);
    assert_eq!(names("nothing*"), Vec::<String>::new());
    assert_eq!(names("way/*"), Vec::<String>::new());
    assert_eq!(
        names("out/"),
        ["out", "out/.c.deb", "out/a.deb", "out/b.deb", "out/empty", "out/link", "out/sub", "out/sub/d"]
    );
    let file = collect_file(upper, "/build/out/b.deb").unwrap();
    assert!(matches!(file.entry, Entry::File { size: 2, executable: true, .. }));
    for (path, word) in [
        ("/build/escape", "is a link"),
        ("/build/way/mine", "through a link"),
        ("/build/out", "is a folder"),
        ("/build/none", "is missing"),
        ("/build/fifo", "can't be kept"),
        ("/build/../etc/mine", "isn't a path"),
    ] {
        let failure = collect_file(upper, path).unwrap_err();
        assert!(failure.kind == Kind::Build && failure.message.contains(word), "{path}: {failure}");
    }
}

/// A static program of arm64 that says so and exits with 7, byte by byte.
fn arm64_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const TEXT: &[u8] = b"aarch64\n";
    let code: [u32; 8] = [
        0xd280_0020, // mov x0, #1
        0x1000_00e1, // adr x1, 28 bytes on
        0xd280_0102, // mov x2, #8
        0xd280_0808, // mov x8, #64: write
        0xd400_0001, // svc #0
        0xd280_00e0, // mov x0, #7
        0xd280_0ba8, // mov x8, #93: exit
        0xd400_0001, // svc #0
    ];
    let length = 120 + 32 + TEXT.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0".to_vec();
    for word in [BASE + 120, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0");
    // One segment, readable and executable.
    bytes.extend(b"\x01\0\0\0\x05\0\0\0");
    for word in [0, BASE, BASE, length, length, 0x1000] {
        bytes.extend(word.to_le_bytes());
    }
    for instruction in code {
        bytes.extend(instruction.to_le_bytes());
    }
    bytes.extend(TEXT);
    bytes
}

#[test]
fn programs_of_another_architecture_run_by_emulation() {
    let emulator = Path::new("/usr/bin/qemu-aarch64-static");
    if !cfg!(target_arch = "x86_64") || !emulator.exists() {
        println!("not run: it needs an amd64 host and `apt-get install qemu-user-static`");
        return;
    }
    let mut case = Case::new();
    let program = case.path("lower/bin/foreign");
    fs::write(&program, arm64_program()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    case.arch = Arch::Arm64;
    case.emulator = Some(emulator.to_owned());
    let ended = case.try_run(RBLD, &["/bin/foreign"], &mut |_| {}).unwrap();
    assert_eq!((ended.finished.exit, ended.log.as_str()), (Exit::Code(7), "aarch64\n"));
    assert!(ended.finished.isolation.emulated);
    // From a shell of the host's architecture too, with nothing of it to be seen.
    let ended = case.sh("ls /proc/sys/fs/binfmt_misc; foreign");
    assert_eq!((ended.finished.exit, ended.log.as_str()), (Exit::Code(7), "aarch64\n"));
    case.emulator = None;
    let failure = case.try_run(RBLD, &["/bin/true"], &mut |_| {}).unwrap_err();
    assert!(failure.kind == Kind::World && failure.message.contains("arm64"), "{failure}");
    case.arch = Arch::Amd64;
    let ended = case.try_run(RBLD, &["/bin/foreign"], &mut |_| {}).unwrap();
    assert_eq!(ended.finished.exit, Exit::Code(126), "the host's own registrations aren't seen");
}

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
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
