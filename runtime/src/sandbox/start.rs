//! The build's program: started, watched if something is answered in the kernel's place, and waited for.
//!
//! Runs in the sandbox's first process, when all else is in place; it collects whatever dies.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

use super::grade::Feature;
use super::helper::say;
use super::privileges;
use super::protocol::{Message, Setup, Stumble, While};
use super::sys::{self, Fork};
use super::tracer::{self, Tracer};

/// How many scripts may name one another as interpreters; the kernel's own bound.
const INTERPRETERS: usize = 5;

/// Starts the program and says how it ended.
pub(super) fn follow(control: &mut UnixStream, setup: &Setup) -> Result<Message, Stumble> {
    if setup.views.any() { start_watched(control, setup) } else { start(control, setup).map(reap) }
}

/// Starts the program and waits until it ends; meanwhile collects every other process that dies.
fn start(control: &mut UnixStream, setup: &Setup) -> Result<Pid, Stumble> {
    match sys::fork().during(Feature::Pid, "start the program")? {
        Fork::Parent(program) => Ok(program),
        Fork::Child => begin_program(control, setup),
    }
}

/// Starts the program and watches it and all that it starts.
fn start_watched(control: &mut UnixStream, setup: &Setup) -> Result<Message, Stumble> {
    let (waits, watched) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).during(Feature::Tracing, "make a pipe")?;
    // A process can be watched only if it is open to the others. This one is closed again before any other runs.
    privileges::set_open(true)?;
    match sys::fork().during(Feature::Pid, "start the program")? {
        Fork::Parent(program) => {
            drop(waits);
            let tracer = Tracer::watch(program, &setup.views)?;
            privileges::set_open(false)?;
            drop(watched);
            Ok(tracer.follow(program))
        }
        Fork::Child => {
            drop(watched);
            // Until it is watched: that is the end of the pipe.
            if sys::poll([Some(waits.as_fd())], None) != Ok([true]) {
                sys::exit(1);
            }
            if let Err(stumble) =
                tracer::load_filter(&setup.views).during(Feature::Tracing, "filter system calls")
            {
                say(control, &Message::Failed(stumble));
                sys::exit(1);
            }
            begin_program(control, setup)
        }
    }
}

fn begin_program(control: &mut UnixStream, setup: &Setup) -> ! {
    let (doing, errno) = become_program(setup);
    say(control, &Message::NotStarted { doing, errno: errno.raw_os_error() });
    sys::exit(127)
}

fn reap(program: Pid) -> Message {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Message::Exited(code),
                    (None, signal) => Message::Killed(signal.unwrap_or(0)),
                };
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Message::Failed(Stumble::new(Feature::Pid, "wait for the program", errno)),
        }
    }
}

/// Becomes the program; returns what failed and why.
fn become_program(setup: &Setup) -> (String, Errno) {
    let name = setup.argv.first().cloned().unwrap_or_default();
    let doing = format!("start `{name}`");
    let begun = rustix::process::setsid()
        .and_then(|_| rustix::process::chdir(setup.cwd.as_str()))
        .and_then(|()| rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))
        .and_then(|null| rustix::stdio::dup2_stdin(&null));
    if let Err(errno) = begun {
        return (format!("start in the folder `{}`", setup.cwd), errno);
    }
    let texts = |texts: &[String]| -> Option<Vec<CString>> {
        texts.iter().map(|text| CString::new(text.as_str()).ok()).collect()
    };
    let (Some(argv), Some(env)) = (texts(&setup.argv), texts(&setup.env)) else {
        return (doing, Errno::INVAL);
    };
    sys::reset_signals();
    let mut last = Errno::NOENT;
    for path in candidates(&name, &setup.env) {
        let started = not_ourselves(&path).map(|()| CString::new(path));
        last = match started {
            Ok(Ok(path)) => sys::execute(&path, &argv, &env),
            Ok(Err(_)) => Errno::INVAL,
            Err(errno) => errno,
        };
        if last != Errno::NOENT {
            break;
        }
    }
    (doing, last)
}

fn candidates(name: &str, env: &[String]) -> Vec<String> {
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    let path = env.iter().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or("/usr/bin:/bin");
    path.split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| format!("{folder}/{name}"))
        .collect()
}

/// Refuses a program, or an interpreter of a script, that is a link of /proc to the rbld binary: a process
/// running that could open the host's file. Nothing else runs in the sandbox yet, so nothing can change.
fn not_ourselves(path: &str) -> Result<(), Errno> {
    let mut path = path.to_owned();
    for _ in 0..INTERPRETERS {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat2(
            rustix::fs::CWD,
            path.as_str(),
            flags,
            Mode::empty(),
            ResolveFlags::NO_MAGICLINKS,
        );
        let file = match file {
            Ok(file) => file,
            // A program that can only be executed isn't a script that can be read.
            Err(Errno::ACCESS) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let mut head = [0; 256];
        let length = rustix::io::read(&file, &mut head)?;
        let Some(line) = head[..length].strip_prefix(b"#!") else { return Ok(()) };
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        match text.split_ascii_whitespace().next() {
            Some(interpreter) => interpreter.clone_into(&mut path),
            None => return Ok(()),
        }
    }
    Err(Errno::LOOP)
}
