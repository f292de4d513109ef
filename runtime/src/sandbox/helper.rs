//! The helper process: forked by rbld run as `rbld __sandbox`, with one thread.
//!
//! `rbld __sandbox` itself only forks a helper for each pair of descriptors that it is sent. The helper makes the namespaces and forks the sandbox's first process, which sets everything up from inside, gives
//! all privileges away, starts the program, collects whatever dies and says how the program ended. The helper
//! waits outside: if rbld goes away or asks it to, it kills the first process, and the kernel everything
//! with it. Each process dies with its parent, so no kill at any moment leaves one behind.

use std::fs::File;
use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::{CpuSet, UnshareFlags};

use super::emulation;
use super::filesystem;
use super::grade::Feature;
use super::privileges;
use super::protocol::{Message, Order, Setup, Stumble, While, read_order, send_message};
use super::seccomp;
use super::start;
use super::sys::{self, Fork};
use super::syscalls::Machine;
use rbld_lang::derivation::Arch;

/// The argument by which the binary knows that it is the helper.
pub const ARGUMENT: &str = "__sandbox";

/// Lets `uname -m` tell 32-bit programs of a 32-bit machine: `PER_LINUX32` of `linux/personality.h`.
const PERSONA_LINUX32: i32 = 8;

/// What the helper does; never returns.
pub fn main() -> ! {
    sys::exit(match follow() {
        Ok(()) => 0,
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "rbld: {sentence}");
            2
        }
    })
}

/// Forks a helper for whoever is sent over standard input, until that ends.
fn follow() -> Result<(), String> {
    let not_ours = || format!("`{ARGUMENT}` is what rbld calls itself with; there is nothing to type here");
    die_with_parent().map_err(|_| not_ours())?;
    // Whoever started rbld may have told it to ignore some.
    sys::reset_signals();
    sys::ignore_children();
    sys::close_from(3).map_err(|errno| format!("could not close what rbld had open: {errno}"))?;
    let requests = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).map_err(|_| not_ours())?;
    let null = File::open("/dev/null").map_err(|error| format!("could not open /dev/null: {error}"))?;
    rustix::stdio::dup2_stdin(&null).map_err(|errno| format!("could not close standard input: {errno}"))?;
    drop(null);
    let me = rustix::process::getpid();
    loop {
        // If rbld died before this process asked to die with it, that is the end of the socket.
        let Some((control, output)) = receive(&requests).map_err(|_| not_ours())? else { return Ok(()) };
        let mut control = UnixStream::from(control);
        match sys::fork() {
            Ok(Fork::Child) => {
                drop(requests);
                help(control, &output, me)
            }
            Ok(Fork::Parent(_)) => {}
            Err(errno) => {
                let stumble = Stumble::new(Feature::Pid, "start a helper process", errno);
                say(&mut control, &Message::Failed(stumble));
            }
        }
    }
}

/// The next helper's control and output; `None` at the end of the requests.
fn receive(requests: &OwnedFd) -> Result<Option<(OwnedFd, OwnedFd)>, Errno> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut bytes = [IoSliceMut::new(&mut byte)];
        match rustix::net::recvmsg(requests, &mut bytes, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let mut descriptors = descriptors.next().ok_or(Errno::BADMSG)?;
    match (descriptors.next(), descriptors.next()) {
        (Some(control), Some(output)) => Ok(Some((control, output))),
        _ => Err(Errno::BADMSG),
    }
}

/// What a helper does, from its fork to its end.
fn help(mut control: UnixStream, output: &OwnedFd, forker: Pid) -> ! {
    let ready = die_with_parent()
        .and_then(|()| rustix::stdio::dup2_stdout(output))
        .and_then(|()| rustix::stdio::dup2_stderr(output));
    // The parent may have died before this process asked to die with it.
    if ready.is_err() || rustix::process::getppid() != Some(forker) {
        sys::exit(1);
    }
    sys::reset_signals();
    say(&mut control, &Message::Began(rustix::process::getpid().as_raw_nonzero().get()));
    match read_order(&mut control) {
        Ok(Order::Run(setup)) => run(control, &setup),
        Ok(Order::Probe(scratch)) => try_all(control, scratch),
        Err(_) => sys::exit(1),
    }
    sys::exit(0)
}

fn die_with_parent() -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
}

/// Messages are for a parent that may be gone; then there is nobody to tell.
pub(super) fn say(control: &mut UnixStream, message: &Message) {
    let _ = send_message(control, message);
}

fn run(mut control: UnixStream, setup: &Setup) {
    match begin(&mut control, setup) {
        Ok(first) => wait_outside(&control, first),
        Err(stumble) => say(&mut control, &Message::Failed(stumble)),
    }
}

/// Makes the namespaces and forks the first process of the new ones.
fn begin(control: &mut UnixStream, setup: &Setup) -> Result<Pid, Stumble> {
    enter_user(0)?;
    let mut missing = Vec::new();
    let hard = [
        (UnshareFlags::NEWNS, Feature::Mount),
        (UnshareFlags::NEWPID, Feature::Pid),
        (UnshareFlags::NEWNET, Feature::Net),
        (UnshareFlags::NEWIPC, Feature::Ipc),
    ];
    let all = hard.iter().fold(UnshareFlags::empty(), |all, (flag, _)| all | *flag);
    let cosmetic = [(UnshareFlags::NEWUTS, Feature::Hostname), (UnshareFlags::NEWCGROUP, Feature::Cgroup)];
    let everything = cosmetic.iter().fold(all, |all, (flag, _)| all | *flag);
    if sys::unshare(everything).is_err() {
        // One at a time, to know which.
        for (flag, feature) in hard {
            enter_namespace(flag, feature)?;
        }
        missing
            .extend(cosmetic.into_iter().filter_map(|(flag, feature)| enter_namespace(flag, feature).err()));
    }
    let (lifeline, held) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).during(Feature::Pid, "make a pipe")?;
    match sys::fork().during(Feature::Pid, "start the first process")? {
        Fork::Parent(first) => {
            // Held open until this process ends: the first process looks whether it still is.
            std::mem::forget(held);
            Ok(first)
        }
        Fork::Child => {
            drop(held);
            first_process(control, setup, &lifeline, missing)
        }
    }
}

fn enter_namespace(flag: UnshareFlags, feature: Feature) -> Result<(), Stumble> {
    sys::unshare(flag).during(feature, &format!("make a {}", feature.name()))
}

/// Enters a user namespace in which there is one uid and gid.
fn enter_user(id: u32) -> Result<(), Stumble> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    enter_namespace(UnshareFlags::NEWUSER, Feature::User)?;
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{id} {uid} 1\n")),
        ("gid_map", format!("{id} {gid} 1\n")),
    ];
    for (name, text) in maps {
        let path = format!("/proc/self/{name}");
        let written = rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| rustix::io::write(&file, text.as_bytes()));
        written.during(Feature::User, &format!("write `{}` to {path}", text.trim_end()))?;
    }
    // Taking new credentials undid it.
    die_with_parent().during(Feature::User, "ask to end with rbld")
}

/// Waits until the first process is gone, and kills it when rbld hangs up.
fn wait_outside(control: &UnixStream, first: Pid) {
    // The log ends when the build does, not when this process does.
    let null = File::open("/dev/null");
    if let Ok(null) = &null {
        let _ = rustix::stdio::dup2_stdout(null);
        let _ = rustix::stdio::dup2_stderr(null);
    }
    let watched = rustix::process::pidfd_open(first, rustix::process::PidfdFlags::empty()).ok();
    loop {
        let ready = sys::poll([Some(control.as_fd()), watched.as_ref().map(AsFd::as_fd)], None);
        match ready {
            Err(Errno::INTR) => {}
            Ok([false, true]) => break,
            // rbld never says more than its order: this is its end of the socket closing.
            Ok([true, _]) | Err(_) => {
                let _ = rustix::process::kill_process(first, Signal::KILL);
                break;
            }
            Ok([false, false]) => {}
        }
    }
    // Returns when every process of the sandbox is gone.
    while let Err(Errno::INTR) = rustix::process::waitpid(Some(first), WaitOptions::empty()) {}
}

/// The first process of the sandbox, from its first instruction to its last.
fn first_process(control: &mut UnixStream, setup: &Setup, lifeline: &OwnedFd, missing: Vec<Stumble>) -> ! {
    let ended = match prepare(setup, lifeline, missing) {
        Ok((missing, _formats)) => {
            say(control, &Message::Ready(missing));
            start::follow(control, setup).unwrap_or_else(Message::Failed)
        }
        Err(stumble) => Message::Failed(stumble),
    };
    say(control, &ended);
    sys::exit(0)
}

/// Everything between a bare process and one that may start the program. The binfmt_misc that comes back must
/// be kept open.
fn prepare(
    setup: &Setup,
    lifeline: &OwnedFd,
    mut missing: Vec<Stumble>,
) -> Result<(Vec<Stumble>, Option<OwnedFd>), Stumble> {
    die_with_parent().during(Feature::Pid, "ask to end with rbld")?;
    if sys::poll([Some(lifeline.as_fd())], Some(std::time::Duration::ZERO)) != Ok([false]) {
        sys::exit(1);
    }
    rustix::process::setsid().during(Feature::Pid, "make a session")?;
    sys::loopback_up().during(Feature::Net, "bring the loopback interface up")?;
    if !missing.iter().any(|stumble| stumble.feature == Feature::Hostname) {
        missing.extend(name_host(&setup.hostname, &setup.domain).err());
    }
    let formats = formats(setup, &mut missing)?;
    filesystem::enter(setup)?;
    rustix::process::umask(Mode::from_raw_mode(setup.umask));
    privileges::limit()?;
    if !setup.allowed.is_empty() {
        let mut set = CpuSet::new();
        setup.allowed.iter().for_each(|cpu| set.set(*cpu));
        rustix::thread::sched_setaffinity(None, &set).during(Feature::Privileges, "take processors away")?;
    }
    let machine = if native_32(setup.arch) { PERSONA_LINUX32 } else { 0 };
    let layout = if setup.random_addresses { 0 } else { libc::ADDR_NO_RANDOMIZE };
    let persona = layout | machine;
    missing.extend(sys::set_personality(persona).during(Feature::Personality, "fix addresses").err());
    if setup.id != 0 {
        // A second one inside the first, which keeps owning the mounts and everything else: only uid 0 can
        // register an emulator, and a build's uid is another.
        enter_user(setup.id)?;
    }
    privileges::drop_all()?;
    die_with_parent().during(Feature::Pid, "ask to end with rbld")?;
    let machines = Machine::of_host();
    if machines.is_empty() {
        return Err(Stumble::new(Feature::Seccomp, "filter system calls on this architecture", Errno::NOSYS));
    }
    let program = seccomp::program(machines, setup.answers, setup.arch == Arch::I386);
    sys::install_filter(&program).during(Feature::Seccomp, "filter system calls")?;
    Ok((missing, formats))
}

fn native_32(arch: Arch) -> bool {
    matches!(arch, Arch::I386 | Arch::Armhf) && emulation::native(arch)
}

fn name_host(name: &str, domain: &str) -> Result<(), Stumble> {
    rustix::system::sethostname(name.as_bytes())
        .and_then(|()| rustix::system::setdomainname(domain.as_bytes()))
        .during(Feature::Hostname, "set the host name")
}

/// A binfmt_misc of the sandbox's own, with the emulator in it if there is one.
fn formats(setup: &Setup, missing: &mut Vec<Stumble>) -> Result<Option<OwnedFd>, Stumble> {
    match emulation::own_formats().during(Feature::Formats, "mount a binfmt_misc") {
        Ok(formats) => {
            if let Some(emulator) = &setup.emulator {
                let doing = format!("register `{}` for {}", emulator.display(), setup.arch.name());
                emulation::register(&formats, setup.arch, emulator).during(Feature::Formats, &doing)?;
            }
            Ok(Some(formats))
        }
        Err(stumble) => {
            missing.push(stumble);
            Ok(None)
        }
    }
}

/// Tries each feature in a process of its own.
fn try_all(mut control: UnixStream, scratch: Option<PathBuf>) {
    for feature in Feature::PROBED {
        match sys::fork() {
            Ok(Fork::Child) => {
                let outcome = try_one(feature, scratch.as_deref()).err();
                say(&mut control, &Message::Tried(feature, outcome));
                sys::exit(0)
            }
            Ok(Fork::Parent(child)) => {
                while let Err(Errno::INTR) = rustix::process::waitpid(Some(child), WaitOptions::empty()) {}
            }
            Err(errno) => {
                let stumble = Stumble::new(feature, "start a process", errno);
                say(&mut control, &Message::Tried(feature, Some(stumble)));
            }
        }
    }
}

fn try_one(feature: Feature, scratch: Option<&std::path::Path>) -> Result<(), Stumble> {
    match feature {
        Feature::Personality => {
            return sys::set_personality(libc::ADDR_NO_RANDOMIZE).during(feature, "fix addresses");
        }
        Feature::Seccomp => {
            let program = seccomp::program(Machine::of_host(), seccomp::Answers::Root, false);
            rustix::thread::set_no_new_privs(true).during(feature, "refuse new privileges")?;
            return sys::install_filter(&program).during(feature, "filter system calls");
        }
        _ => enter_user(0)?,
    }
    match feature {
        Feature::Mount => enter_namespace(UnshareFlags::NEWNS, feature),
        Feature::Pid => enter_namespace(UnshareFlags::NEWPID, feature),
        Feature::Net => {
            enter_namespace(UnshareFlags::NEWNET, feature)?;
            sys::loopback_up().during(feature, "bring the loopback interface up")
        }
        Feature::Ipc => enter_namespace(UnshareFlags::NEWIPC, feature),
        Feature::Cgroup => enter_namespace(UnshareFlags::NEWCGROUP, feature),
        Feature::Hostname => {
            enter_namespace(UnshareFlags::NEWUTS, feature)?;
            name_host("localhost", "(none)")
        }
        Feature::Overlay => {
            enter_namespace(UnshareFlags::NEWNS, Feature::Mount)?;
            let scratch =
                scratch.ok_or_else(|| Stumble::new(feature, "make a scratch folder", Errno::NOENT))?;
            filesystem::try_overlay(scratch)
        }
        Feature::Formats => {
            enter_namespace(UnshareFlags::NEWNS, Feature::Mount)?;
            emulation::own_formats().map(drop).during(feature, "mount a binfmt_misc")
        }
        Feature::Proc => {
            enter_namespace(UnshareFlags::NEWNS | UnshareFlags::NEWPID, Feature::Mount)?;
            match sys::fork().during(feature, "start a process")? {
                Fork::Child => sys::exit(filesystem::try_proc().err().map_or(0, |stumble| stumble.errno)),
                Fork::Parent(child) => {
                    let ended = rustix::process::waitpid(Some(child), WaitOptions::empty())
                        .during(feature, "wait for a process")?;
                    match ended.and_then(|(_, status)| status.exit_status()) {
                        Some(0) => Ok(()),
                        code => Err(Stumble::new(
                            feature,
                            "mount a fresh /proc",
                            Errno::from_raw_os_error(code.unwrap_or(libc::EIO)),
                        )),
                    }
                }
            }
        }
        _ => Ok(()),
    }
}
