//! Answering a few system calls of a build in the kernel's place: the time, the order of files, the kernel's name, the
//! number of processors.
//!
//! The sandbox's first process watches all others, with no privilege and nothing loaded into them, so static programs and
//! every language see the same. A filter stops them at those calls alone ([`calls`]). Programs read the clock without
//! a call, through code that the kernel maps into them; that is hidden from each program as it starts, and they fall
//! back to the call. Knows nothing of why a view is wanted.

mod answer;
mod calls;
mod clock;
mod listing;
mod program;
mod ptrace;
mod registers;
mod shape;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::Pid;

use self::answer::now;
use self::clock::{Times, join};
use self::listing::Listings;
use self::program::hide_kernel_code;
use self::ptrace::{On, Watched};
use self::shape::Shape;
use super::grade::Feature;
use super::protocol::{Message, Stumble, Views, While};
use super::sys;
use super::syscalls::Machine;

pub(crate) use registers::KNOWN;

/// What fails where a machine forbids all of this.
pub(crate) const WATCH: &str = "watch the build's processes";

/// Marks a stop at the end of a call.
const RETURNED: i32 = libc::SIGTRAP | 0x80;
/// `PTRACE_EVENT_STOP`.
const STOPPED: i32 = 128;

/// Loads the filter into the process that becomes the program, once somebody watches it.
pub(super) fn load_filter(views: &Views) -> Result<(), Errno> {
    sys::install_filter(&calls::filter(Machine::of_host(), views))
}

/// What is still to be done when a call returns.
#[derive(Clone, Copy)]
enum Pending {
    /// Show the times that it wrote.
    Show(u64, Shape, &'static [usize]),
    /// Write the kernel's release and version.
    Name(u64),
    /// Put an argument back.
    Argument(usize, u64),
}

/// What is known of a process or thread.
#[derive(Default)]
struct Known {
    pending: Option<Pending>,
    /// What takes hold of its files.
    process: Option<OwnedFd>,
}

/// Watches a sandbox's processes.
pub(super) struct Tracer<'v> {
    views: &'v Views,
    times: Option<Times>,
    listings: Option<Listings>,
    known: BTreeMap<Watched, Known>,
}

impl Tracer<'_> {
    /// Begins to watch a process, which waits until it is.
    pub(super) fn watch(program: Pid, views: &Views) -> Result<Tracer<'_>, Stumble> {
        ptrace::seize(program.as_raw_nonzero().get()).during(Feature::Tracing, WATCH)?;
        Ok(Tracer {
            views,
            // The times of files lag behind the clock by a few milliseconds.
            times: views.clock.map(|clock| Times::new(clock, now() - join(1, 0))),
            listings: views.order.map(Listings::new),
            known: BTreeMap::new(),
        })
    }

    /// Answers calls until the program ends, and collects whatever else does.
    pub(super) fn follow(mut self, program: Pid) -> Message {
        let program = program.as_raw_nonzero().get();
        loop {
            let (process, status) = match ptrace::wait() {
                Ok(next) => next,
                Err(Errno::INTR) => continue,
                Err(errno) => return Message::Failed(stumble("wait for the build's processes", errno)),
            };
            if libc::WIFSTOPPED(status) {
                match self.stopped(process, status) {
                    // It was killed meanwhile: its end comes next.
                    Ok(()) | Err((_, Errno::SRCH)) => {}
                    Err((doing, errno)) => return Message::Failed(stumble(doing, errno)),
                }
            } else {
                self.known.remove(&process);
                if process == program && libc::WIFEXITED(status) {
                    return Message::Exited(libc::WEXITSTATUS(status));
                }
                if process == program && libc::WIFSIGNALED(status) {
                    return Message::Killed(libc::WTERMSIG(status));
                }
            }
        }
    }

    fn stopped(&mut self, process: Watched, status: i32) -> Result<(), (&'static str, Errno)> {
        let going = |result: Result<(), Errno>| result.map_err(|errno| ("let a process go on", errno));
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => {
                let on = self.called(process)?;
                going(ptrace::go_on(process, on, 0))
            }
            libc::PTRACE_EVENT_EXEC => {
                self.known.insert(process, Known::default());
                if self.times.is_some() {
                    hide_kernel_code(process).map_err(|errno| match errno {
                        Errno::PERM | Errno::ACCESS => UNREADABLE,
                        errno => ("hide the kernel's clock from a program", errno),
                    })?;
                }
                going(ptrace::go_on(process, On::Run, 0))
            }
            STOPPED if signal != libc::SIGTRAP => going(ptrace::go_on(process, On::Stopped, 0)),
            STOPPED => {
                // A new one, maybe by the number of an old one.
                self.known.insert(process, Known::default());
                going(ptrace::go_on(process, On::Run, 0))
            }
            0 if signal == RETURNED => {
                self.returned(process)?;
                going(ptrace::go_on(process, On::Run, 0))
            }
            0 => going(ptrace::go_on(process, On::Run, signal)),
            _ => going(ptrace::go_on(process, On::Run, 0)),
        }
    }
}

/// A program that may be run but not read can't be told anything.
const UNREADABLE: (&str, Errno) = ("reach into a program that can't be read, only executed,", Errno::PERM);

fn stumble(doing: &str, errno: Errno) -> Stumble {
    Stumble::new(Feature::Tracing, doing, errno)
}
