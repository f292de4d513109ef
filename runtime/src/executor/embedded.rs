//! The embedded executor: a sandbox on this machine, made by a helper process.
//!
//! Starts the helper (see `sandbox`), hands it the order, passes its output on, and watches the clock and
//! the cancel. The helper's end of the socket closes only when every process of the sandbox is gone, so
//! nothing writes any more once [`Embedded::run`] returns.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rbld_lang::derivation::Arch;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::stage::{Staged, stage};
use super::{Executor, Exit, Finished, Isolation, Request, User};
use super::{axes, machine};
use crate::failure::{Doing, Failure, Result};
use crate::sandbox::grade::{setting, why};
use crate::sandbox::helpers::{Helper, Helpers};
use crate::sandbox::protocol::{Base, Message, Order, Setup, Stumble, send_order, take_messages};
use crate::sandbox::{Answers, Feature, emulation, sys};
use crate::vary::Surroundings;

/// How long the helper may take to kill everything before it is killed itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs programs on this machine, in a sandbox that needs only the kernel.
#[derive(Clone, Debug)]
pub struct Embedded {
    helpers: Arc<Helpers>,
}

impl Default for Embedded {
    fn default() -> Embedded {
        Embedded::new()
    }
}

impl Embedded {
    /// The helper is the running binary itself.
    pub fn new() -> Embedded {
        Embedded::with_helper("/proc/self/exe")
    }

    /// The helper is this rbld binary: for programs that use the library without being rbld.
    pub fn with_helper(helper: impl Into<PathBuf>) -> Embedded {
        Embedded { helpers: Arc::new(Helpers::new(helper)) }
    }
}

/// The architecture of this machine, if rbld knows it.
pub fn host_arch() -> Option<Arch> {
    [Arch::Amd64, Arch::Arm64, Arch::Riscv64, Arch::Ppc64el, Arch::S390x]
        .into_iter()
        .find(|arch| emulation::native(*arch))
}

/// An error unless programs of an architecture can run here, with an emulator or without.
pub fn check_arch(arch: Arch, emulator: bool) -> Result<()> {
    if emulation::native(arch) || emulator {
        return Ok(());
    }
    let host = host_arch().map_or("unknown", Arch::name);
    Err(Failure::world(format!("this machine can't run programs of {}", arch.name()))
        .fact(format!("its own architecture is {host}"))
        .help("lock an emulator for the environment, or build on a machine of that architecture"))
}

impl Executor for Embedded {
    fn run(&self, mut request: Request<'_>) -> Result<Finished> {
        let begun = Instant::now();
        check_arch(request.arch, request.emulator.is_some())?;
        axes::check(request.variant)?;
        let staged = stage(&request)?;
        let outcome = if request.cancel.is_set() {
            Ok((Exit::Cancelled, Isolation::default()))
        } else {
            self.run_staged(&mut request, &staged, begun)
        };
        staged.tidy(request.scratch);
        let (exit, isolation) = outcome?;
        Ok(Finished { exit, upper: staged.upper, isolation, wall: begun.elapsed() })
    }
}

impl Embedded {
    fn run_staged(
        &self,
        request: &mut Request<'_>,
        staged: &Staged,
        begun: Instant,
    ) -> Result<(Exit, Isolation)> {
        let setup = setup(request, staged)?;
        let emulated = setup.emulator.is_some();
        let order = Order::Run(Box::new(setup));
        let mut helper = Running::start(&self.helpers)?;
        // A helper that is dead already has said why, or is found to be.
        let _ = send_order(&mut helper.control, &order);
        let stopped = helper.watch(request, begun)?;
        helper.drain(request.log);
        let mut isolation = Isolation { missing: Vec::new(), emulated };
        let mut end = None;
        for message in helper.messages {
            match message {
                Message::Failed(stumble) if stopped.is_none() => return Err(failure(&stumble, request)),
                Message::Ready(missing) => isolation.missing = accept(&missing, request)?,
                Message::NotStarted { doing, errno } => {
                    end = end.or(Some(not_started(&doing, errno, request)?));
                }
                Message::Exited(code) => end = end.or(Some(Exit::Code(code))),
                Message::Killed(signal) => end = end.or(Some(Exit::Signal(signal))),
                Message::Failed(_) | Message::Tried(..) | Message::Began(_) => {}
            }
        }
        match end.or(stopped) {
            Some(exit) => Ok((exit, isolation)),
            None => Err(Failure::world("the sandbox died before its program ended")
                .help("was it killed for want of memory? `dmesg` would say so")),
        }
    }
}

/// The order's text: every path absolute, since the helper works in the scratch folder.
fn setup(request: &Request<'_>, staged: &Staged) -> Result<Setup> {
    let around = Surroundings::of(request.variant);
    let processors = machine::processors(request.variant)?;
    let id = match request.user {
        User::Build => around.id,
        User::Root => 0,
    };
    let mut binds = staged.binds.clone();
    for bind in &mut binds {
        bind.from = absolute(&bind.from)?;
    }
    let emulator = request.emulator.filter(|_| !emulation::native(request.arch));
    Ok(Setup {
        id,
        answers: match request.user {
            User::Build => Answers::Build { id },
            User::Root => Answers::Root,
        },
        arch: request.arch,
        emulator: emulator.map(absolute).transpose()?,
        base: match &staged.base {
            Base::Overlay(lower) => Base::Overlay(absolute(lower)?),
            Base::Writable(folder) => Base::Writable(absolute(folder)?),
        },
        scratch: absolute(request.scratch)?,
        binds,
        argv: request.argv.clone(),
        env: request.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        cwd: request.cwd.clone(),
        umask: around.umask,
        hostname: around.hostname.to_owned(),
        domain: around.domain.to_owned(),
        random_addresses: around.random_addresses,
        views: axes::views(request.variant, processors.told),
        allowed: processors.allowed,
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    // It travels as text.
    if path.to_str().is_none() {
        return Err(Failure::world(format!("the path `{}` isn't UTF-8", path.display()))
            .help("set RBLD_STORE to a folder whose name is"));
    }
    std::path::absolute(path).doing(|| format!("find the folder of `{}`", path.display()))
}

/// A helper process and our ends of what connects us.
struct Running {
    control: UnixStream,
    log: OwnedFd,
    heard: Vec<u8>,
    messages: Vec<Message>,
    /// The process, once it has said which it is.
    process: Option<OwnedFd>,
}

impl Running {
    fn start(helpers: &Helpers) -> Result<Running> {
        let doing = || "start the sandbox's helper process";
        let Helper { control, log } = helpers.start().doing(doing)?;
        rustix::fs::fcntl_setfl(&log, OFlags::NONBLOCK).doing(doing)?;
        Ok(Running { control, log, heard: Vec::new(), messages: Vec::new(), process: None })
    }

    /// Passes the log on until everything inside is gone; stops it when it takes too long or isn't wanted.
    fn watch(&mut self, request: &mut Request<'_>, begun: Instant) -> Result<Option<Exit>> {
        let mut stopped: Option<(Exit, Instant)> = None;
        let mut log_open = true;
        loop {
            let limit = match stopped {
                Some((_, since)) => Some(PATIENCE.saturating_sub(since.elapsed())),
                None => request.timeout.map(|timeout| timeout.saturating_sub(begun.elapsed())),
            };
            let cancel = stopped.is_none().then(|| request.cancel.as_fd());
            let log = log_open.then(|| self.log.as_fd());
            let ready = match sys::poll([Some(self.control.as_fd()), log, cancel], limit) {
                Ok(ready) => ready,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno).doing(|| "wait for the sandbox"),
            };
            let [control, log, cancelled] = ready;
            if log {
                log_open = self.pass_on(request.log);
            }
            if control && !self.hear() {
                return Ok(stopped.map(|(exit, _)| exit));
            }
            if stopped.is_none() {
                let late = request.timeout.is_some_and(|timeout| begun.elapsed() >= timeout);
                let why = if cancelled { Some(Exit::Cancelled) } else { late.then_some(Exit::Timeout) };
                if let Some(why) = why {
                    stopped = Some((why, Instant::now()));
                    // The helper sees the end of its orders and kills everything.
                    let _ = self.control.shutdown(std::net::Shutdown::Write);
                }
            } else if limit == Some(Duration::ZERO) {
                // It didn't; everything dies with it.
                if let Some(process) = &self.process {
                    let _ = rustix::process::pidfd_send_signal(process, Signal::KILL);
                }
                return Ok(stopped.map(|(exit, _)| exit));
            }
        }
    }

    /// Reads what the helper says; false at its end.
    fn hear(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let length = match self.control.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return true,
            Err(_) => 0,
        };
        self.heard.extend(&buffer[..length]);
        let messages = take_messages(&mut self.heard);
        if let Some(Message::Began(id)) = messages.first() {
            let opened = Pid::from_raw(*id).map(|id| rustix::process::pidfd_open(id, PidfdFlags::empty()));
            self.process = opened.and_then(std::result::Result::ok);
        }
        self.messages.extend(messages);
        length > 0
    }

    /// Passes on one piece of the log; false at its end.
    fn pass_on(&self, log: &mut (dyn FnMut(&[u8]) + Send)) -> bool {
        let mut buffer = [0; 65536];
        match rustix::io::read(&self.log, &mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                log(&buffer[..length]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Passes on what is left of the log. Nothing writes any more, so a pipe that is empty stays so.
    fn drain(&self, log: &mut (dyn FnMut(&[u8]) + Send)) {
        let mut buffer = [0; 65536];
        loop {
            match rustix::io::read(&self.log, &mut buffer) {
                Ok(length) if length > 0 => log(&buffer[..length]),
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
    }
}

/// What may be missing; an error if programs can't run without it.
fn accept(missing: &[Stumble], request: &Request<'_>) -> Result<Vec<Feature>> {
    let mut features: Vec<Feature> = missing.iter().map(|stumble| stumble.feature).collect();
    features.sort_unstable();
    features.dedup();
    axes::check_granted(request.variant, missing)?;
    let foreign = !emulation::native(request.arch);
    let formats = missing.iter().find(|stumble| stumble.feature == Feature::Formats);
    match (formats, request.emulator) {
        (Some(stumble), Some(emulator)) if foreign => {
            let host = emulation::host_registration(request.arch);
            let same = host.as_ref().is_some_and(|host| same_bytes(host, emulator));
            if same { Ok(features) } else { Err(failure(stumble, request)) }
        }
        _ => Ok(features),
    }
}

fn same_bytes(one: &Path, other: &Path) -> bool {
    match (std::fs::read(one), std::fs::read(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// A sandbox that could not be made.
fn failure(stumble: &Stumble, request: &Request<'_>) -> Failure {
    if stumble.feature == Feature::Tracing {
        return axes::untraced(stumble, request.variant);
    }
    let failure = Failure::world(format!("the sandbox could not be set up: {}", why(stumble)))
        .fact(format!("needed for: {}", stumble.feature.name()))
        .fact(format!("nothing of `{}` was run", request.argv.first().map_or("", String::as_str)));
    match setting(stumble) {
        Some(setting) => failure.help(setting),
        None => failure.help("`rbld doctor` says what this machine grants"),
    }
}

/// A program that could not be started in a sandbox that is fine.
fn not_started(doing: &str, errno: i32, request: &mut Request<'_>) -> Result<Exit> {
    let why = std::io::Error::from_raw_os_error(errno);
    if errno == libc::ENOEXEC && !emulation::native(request.arch) {
        return Err(Failure::world(format!("this machine could not {doing}: {why}"))
            .fact(format!("it should be a program of {}", request.arch.name()))
            .help("`rbld doctor` says what this machine can run"));
    }
    (request.log)(format!("rbld: could not {doing}: {why}\n").as_bytes());
    Ok(Exit::Code(if errno == libc::ENOENT || errno == libc::ENOTDIR { 127 } else { 126 }))
}

#[cfg(test)]
#[path = "embedded_tests.rs"]
mod tests;
