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
use std::time::{Duration, UNIX_EPOCH};

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
    nproc tar seq md5sum rm mv cp ln sleep readlink true false test chmod tr dd timeout awk xargs od";

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
        // As in any environment.
        let copy = fs::File::options().write(true).open(lower.join("bin/busybox")).unwrap();
        copy.set_modified(UNIX_EPOCH + Duration::from_secs(1_321_009_871)).unwrap();
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

#[test]
fn the_order_of_files() {
    let place = Place::new();
    let names = "mkdir d; cd d; touch a b c d e f g h";
    for list in ["find . -type f | sed 's,./,,'", "tar -cf - . | tar -tf - | grep -v '/$' | sed 's,./,,'"] {
        let (plain, varied) = place.both(Axis::FileOrder, &format!("{names}; {list}"));
        let reversed: Vec<&str> = plain.lines().rev().collect();
        assert_eq!(varied.lines().collect::<Vec<_>>(), reversed, "{list}");
        let held = place.under(&Variant::default().holding([Axis::FileOrder]), &format!("{names}; {list}"));
        assert_eq!(held, "a\nb\nc\nd\ne\nf\ng\nh\n", "{list}");
    }
}

#[test]
fn a_large_folder_is_listed_once() {
    let place = Place::new();
    let script = "mkdir d; cd d; seq 5000 | xargs touch; find . -type f | sed 's,./,,' >/tmp/list; wc -l </tmp/list; sort -n </tmp/list | md5sum; \
        seq 5000 | md5sum; rm -r /build/d; ls /build";
    let said = place.under(&only(Axis::FileOrder), script);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "5000"), "{said}");
    assert_eq!(lines[1], lines[2]);
}

#[test]
fn the_time_of_day() {
    let place = Place::new();
    let day = 86_400;
    let (plain, varied) = place
        .both(Axis::Time, "date +%s; touch a; stat -c %Y a /bin/busybox; cat /proc/uptime | sed 's/ .*//'");
    let numbers = |said: &str| -> Vec<f64> { said.lines().map(|line| line.parse().unwrap()).collect() };
    let (plain, varied) = (numbers(&plain), numbers(&varied));
    for at in [0, 1] {
        assert!(
            (varied[at] - plain[at] - f64::from(398 * day + 22_997)).abs() < 60.0,
            "{plain:?} {varied:?}"
        );
    }
    assert!((varied[0] - varied[1]).abs() < 2.0, "a new file is as new as the clock says: {varied:?}");
    assert_eq!(plain[2], varied[2], "what was there keeps its time");
    assert!((plain[3] - varied[3]).abs() < 60.0, "how long the machine runs isn't the time of day");
}

#[test]
fn a_held_clock_is_the_same_in_every_run() {
    let place = Place::new();
    let held = Variant::default().holding([Axis::Time]);
    let script =
        "date +%s; touch a; stat -c %Y a; sleep 1; date +%s; touch b; test ! a -nt b; tar -cf - a b | md5sum";
    let said = place.under(&held, script);
    assert_eq!(said, place.under(&held, script));
    assert!(said.starts_with("2117246706\n2117246706\n2117246706\n"), "{said}");
}

#[test]
fn a_time_that_is_set_is_read_back() {
    let place = Place::new();
    let script = "for t in 5 1000000000 1790000000 1800000000 1829000000 1835000000 2000000000; do \
        touch -d @$t f; stat -c %Y f; done; touch g; touch -r g f; test ! f -nt g; test ! f -ot g";
    let said = place.both(Axis::Time, script);
    assert_eq!(said.0, "5\n1000000000\n1790000000\n1800000000\n1829000000\n1835000000\n2000000000\n");
    assert_eq!(said.0, said.1);
}

#[test]
fn the_kernels_name() {
    let place = Place::new();
    let (plain, varied) = place.both(Axis::Kernel, "uname -s; uname -m; uname -r; uname -v");
    let (plain, varied): (Vec<_>, Vec<_>) = (plain.lines().collect(), varied.lines().collect());
    assert_eq!(plain[..2], varied[..2]);
    assert_eq!(varied[2..], ["98.7.6-another", "#54 SMP Mon Jan 5 06:07:08 UTC 2009"]);
    assert_ne!(plain[2], varied[2]);
}

/// A static program of 32-bit x86 that writes what time(2), clock_gettime, its 64-bit twin and the time of a new file
/// say, four bytes each.
fn i386_program() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const CODE: &[u8] = b"\
        \x81\xec\x00\x01\x00\x00\xb8\x0d\x00\x00\x00\x31\xdb\xcd\x80\x89\x04\x24\xb8\x09\x01\x00\x00\x31\
        \xdb\x8d\x4c\x24\x04\xcd\x80\xb8\x93\x01\x00\x00\x31\xdb\x8d\x4c\x24\x08\xcd\x80\xb8\x08\x00\x00\
        \x00\xe8\x07\x00\x00\x00/tmp/x\x00\x5b\xb9\xa4\x01\x00\x00\xcd\x80\x89\xc3\xb8\xc5\x00\x00\x00\
        \x8d\x4c\x24\x40\xcd\x80\x8b\x84\x24\x88\x00\x00\x00\x89\x44\x24\x0c\xb8\x04\x00\x00\x00\xbb\x01\
        \x00\x00\x00\x89\xe1\xba\x10\x00\x00\x00\xcd\x80\xb8\x01\x00\x00\x00\x31\xdb\xcd\x80";
    let mut bytes = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
    for word in [BASE + 84, 52, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"\x34\0\x20\0\x01\0\0\0\0\0\0\0");
    let length = 84 + CODE.len() as u32;
    // One segment, readable and executable.
    for word in [1, 0, BASE, BASE, length, length, 5, 0x1000] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(CODE);
    bytes
}

#[test]
fn programs_of_32_bits_see_the_same() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let program = place.lower().join("bin/narrow");
    fs::write(&program, i386_program()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let script = "narrow >n; od -A n -t u4 n; date +%s";
    let numbers =
        |said: String| -> Vec<i64> { said.split_whitespace().map(|word| word.parse().unwrap()).collect() };
    for variant in [Variant::default(), only(Axis::Time), Variant::default().holding([Axis::Time])] {
        let said = numbers(place.under(&variant, script));
        assert!(said.len() == 5 && said.iter().all(|time| (said[4] - time).abs() < 60), "{said:?}");
    }
}

#[test]
fn all_axes_at_once() {
    let place = Place::new();
    let all = Variant::default().varying(Axis::ALL);
    let said = place.under(&all, "id -u; hostname; umask; echo $HOME; uname -r; pwd; ls /etc");
    assert_eq!(
        said,
        "2357\nanother-host\n0007\n/home/of-another\n98.7.6-another\n/elsewhere/build-2nd/place\ngroup\nhosts\npasswd\n"
    );
}

#[test]
fn processes_end_as_they_would() {
    let place = Place::new();
    let all = Variant::default().varying([Axis::Time, Axis::FileOrder, Axis::Kernel]);
    let exit = |script: &str| place.try_run(&all, &["/bin/sh", "-c", script]).unwrap().finished.exit;
    assert_eq!(exit("exit 3"), Exit::Code(3));
    assert_eq!(exit("kill -TERM $$"), Exit::Signal(15));
    assert_eq!(exit("kill -KILL $$"), Exit::Signal(9));
    assert_eq!(exit("sleep 1000 & exit 4"), Exit::Code(4));
    assert_eq!(
        exit("sleep 100 & p=$!; kill -STOP $p; kill -CONT $p; kill $p; wait $p; exit 5"),
        Exit::Code(5)
    );
    assert_eq!(exit("timeout 1 sleep 100; test $? = 143 && exit 6"), Exit::Code(6));
    let said = place.under(
        &all,
        "seq 200 | while read n; do (true | true); done; trap 'echo term' TERM; kill -TERM $$; echo on",
    );
    assert_eq!(said, "term\non\n");
}

#[test]
fn the_processors() {
    let place = Place::new();
    let script = "nproc; grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat";
    let (plain, varied) = place.both(Axis::Cpus, script);
    let all: usize = plain.lines().next().unwrap().parse().unwrap();
    let other = if all == 1 { 2 } else { all / 2 };
    assert_eq!(varied, format!("{other}\n{other}\n{other}\n"));
    let script = "cat /proc/version /proc/sys/kernel/osrelease /proc/sys/kernel/version | grep -c another";
    assert_eq!(place.under(&only(Axis::Kernel), script), "2\n");
}

/// Not a test of its own: what [`one_processor_seems_to_be_two`] runs on one.
#[test]
fn counter() {
    if std::env::var("RBLD_TEST_ONE_CPU").is_ok() {
        let script = "nproc; grep -c ^processor /proc/cpuinfo";
        assert_eq!(Place::new().both(Axis::Cpus, script).1, "2\n2\n");
    }
}

#[test]
fn one_processor_seems_to_be_two() {
    let before = rustix::thread::sched_getaffinity(None).unwrap();
    let first = (0..1024).find(|cpu| before.is_set(*cpu)).unwrap();
    let mut one = rustix::thread::CpuSet::new();
    one.set(first);
    // Of this thread alone, and what it starts.
    rustix::thread::sched_setaffinity(None, &one).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "counter"])
        .env("RBLD_TEST_ONE_CPU", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
