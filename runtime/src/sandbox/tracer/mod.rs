//! Answering a few system calls of a build in the kernel's place: the time, the order of files, the kernel's name, the
//! number of processors.
//!
//! The sandbox's first process watches all others, with no privilege and nothing loaded into them, so static programs and
//! every language see the same. A filter stops them at those calls alone ([`calls`]). Programs read the clock without
//! a call, through code that the kernel maps into them; that is hidden from each program as it starts, and they fall
//! back to the call. Knows nothing of why a view is wanted.

mod calls;
mod clock;
mod listing;
mod ptrace;
mod registers;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use rustix::time::ClockId;

use self::calls::{Act, Shape};
use self::clock::{Time, Times, join, split};
use self::listing::{Layout, Listings};
use self::ptrace::{On, Stop, Watched};
use super::grade::Feature;
use super::protocol::{Message, Stumble, Views, While};
use super::sys;
use super::syscalls::Machine;

pub(crate) use registers::KNOWN;

/// What fails where a machine forbids all of this.
pub(crate) const WATCH: &str = "watch the build's processes";

/// How far below the end of a stack programs keep things of their own.
const RED_ZONE: u64 = 256;
/// `AT_SYSINFO_EHDR`, which says where the kernel's code is, and `AT_IGNORE`, which says nothing.
const KERNEL_CODE: u64 = 33;
const IGNORE: u64 = 1;
/// Marks a stop at the end of a call.
const RETURNED: i32 = libc::SIGTRAP | 0x80;
/// `PTRACE_EVENT_STOP`.
const STOPPED: i32 = 128;
/// The width of a field of `struct new_utsname`, and where the release is in it; the version follows.
const NAME_FIELD: usize = 65;
const RELEASE: u64 = 2 * NAME_FIELD as u64;
/// Special nanoseconds of utimensat: now, and leave it.
const SPECIAL: [i64; 2] = [0x3fff_ffff, 0x3fff_fffe];

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

    /// A process is about to make a call that the filter knows.
    fn called(&mut self, process: Watched) -> Result<On, (&'static str, Errno)> {
        let stop = ptrace::stop(process).map_err(|errno| ("read a call", errno))?;
        let machine = Machine::of_host().iter().copied().find(|machine| machine.audit() == stop.machine);
        let Some((machine, act)) =
            machine.and_then(|machine| Some((machine, calls::act(stop.row, machine)?)))
        else {
            return Err(("know the instruction set of a program", Errno::NOSYS));
        };
        if machine == Machine::Arm {
            return Err(("answer a 32-bit program of this machine", Errno::NOSYS));
        }
        let pending = match act {
            Act::Show(at, shape, fields) => Some(Pending::Show(stop.arguments[at], shape, fields)),
            Act::Name => Some(Pending::Name(stop.arguments[0])),
            Act::Set(at, shape) | Act::Wait(at, shape) => {
                let wait = matches!(act, Act::Wait(..));
                self.change(process, &stop, machine, (at, shape), wait)
                    .map_err(|errno| ("change a call's times", errno))?
            }
            Act::Tell(..) | Act::TellSeconds(..) | Act::Count | Act::List { .. } => {
                let result = match self.answer(process, &stop, act) {
                    Ok(Some(result)) => result,
                    Ok(None) => return Ok(On::Run),
                    Err(Errno::PERM | Errno::ACCESS) => return Err(UNREADABLE),
                    Err(errno) => -i64::from(errno.raw_os_error()),
                };
                registers::answer(process, result).map_err(|errno| ("answer a call", errno))?;
                return Ok(On::Run);
            }
        };
        let Some(pending) = pending else { return Ok(On::Run) };
        self.known.entry(process).or_default().pending = Some(pending);
        Ok(On::ToReturn)
    }

    /// What a call returns that the kernel never sees; `None` if it is to see it after all.
    fn answer(&mut self, process: Watched, stop: &Stop, act: Act) -> Result<Option<i64>, Errno> {
        match act {
            Act::Tell(at, shape) => {
                self.tell(process, stop.arguments[at], shape)?;
                if shape.unit == 1000 && stop.arguments[1] != 0 {
                    // The time zone of long ago: none.
                    ptrace::write(process, stop.arguments[1], &[0; 8])?;
                }
                Ok(Some(0))
            }
            Act::TellSeconds(at, shape) => self.tell(process, stop.arguments[at], shape).map(Some),
            Act::Count => self.count(process, stop).map(Some),
            Act::List { wide, kind_first } => self.list(process, stop, Layout { wide, kind_first }),
            _ => Ok(None),
        }
    }

    /// Writes the time; returns its seconds.
    fn tell(&self, process: Watched, at: u64, shape: Shape) -> Result<i64, Errno> {
        let Some(times) = &self.times else { return Err(Errno::NOSYS) };
        let now = times.shown(now());
        if at != 0 {
            ptrace::write(process, at, &encode(now, shape))?;
        }
        Ok(split(now).0)
    }

    /// Writes which processors there are; returns how many bytes that took.
    fn count(&self, process: Watched, stop: &Stop) -> Result<i64, Errno> {
        let [_, room, at, ..] = stop.arguments;
        let cpus = self.views.cpus.unwrap_or(1).min(64);
        if room < 8 || room % 8 != 0 {
            return Err(Errno::INVAL);
        }
        ptrace::write(process, at, &(u64::MAX >> (64 - cpus)).to_le_bytes())?;
        Ok(8)
    }

    /// Writes the next entries of a folder.
    fn list(&mut self, process: Watched, stop: &Stop, layout: Layout) -> Result<Option<i64>, Errno> {
        let [number, at, room, ..] = stop.arguments;
        let number = number as i32;
        let known = self.known.entry(process).or_default();
        let holder = match &known.process {
            Some(holder) => holder,
            None => known.process.insert(process_of(process)?),
        };
        use std::os::fd::AsFd;
        let folder = match ptrace::share_file(holder.as_fd(), number) {
            Ok(folder) => folder,
            // The kernel says what is wrong with it.
            Err(Errno::BADF) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let Some(listings) = &mut self.listings else { return Ok(None) };
        let room = room & u64::from(u32::MAX);
        match listings.next(process, number, &folder, layout, room) {
            Ok(Some(bytes)) => {
                ptrace::write(process, at, &bytes)?;
                Ok(Some(i64::try_from(bytes.len()).unwrap_or(0)))
            }
            Err(Errno::NOTDIR) | Ok(None) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Gives a call other times than those that an argument points at: a copy, since the program's may be constant.
    fn change(
        &self,
        process: Watched,
        stop: &Stop,
        machine: Machine,
        (at, shape): (usize, Shape),
        wait: bool,
    ) -> Result<Option<Pending>, Errno> {
        let from = stop.arguments[at];
        let (Some(times), true) = (&self.times, from != 0) else { return Ok(None) };
        let mut bytes = vec![0; shape.size() * if wait { 1 } else { 2 }];
        match ptrace::read_exact(process, from, &mut bytes) {
            Ok(()) => {}
            // The kernel says so itself.
            Err(Errno::FAULT) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let now = now();
        for one in bytes.chunks_mut(shape.size()) {
            let Some(shown) = decode(one, shape) else { continue };
            let real = if wait { times.deadline(shown, now).max(0) } else { times.real(shown) };
            one.copy_from_slice(&encode(real, shape));
        }
        let copy = (stop.stack - RED_ZONE - bytes.len() as u64) & !15;
        ptrace::write(process, copy, &bytes)?;
        registers::set_argument(process, machine, at, copy)?;
        Ok(Some(Pending::Argument(at, from)))
    }

    /// A call that was waited for returns.
    fn returned(&mut self, process: Watched) -> Result<(), (&'static str, Errno)> {
        let Some(pending) = self.known.get_mut(&process).and_then(|known| known.pending.take()) else {
            return Ok(());
        };
        let stop = ptrace::stop(process).map_err(|errno| ("read a call's result", errno))?;
        let done = match pending {
            Pending::Argument(at, value) => {
                let machine = Machine::of_host().iter().find(|machine| machine.audit() == stop.machine);
                match machine {
                    Some(machine) => registers::set_argument(process, *machine, at, value),
                    None => Err(Errno::NOSYS),
                }
            }
            _ if stop.returned < 0 => Ok(()),
            Pending::Show(at, shape, fields) => self.show(process, at, shape, fields),
            Pending::Name(at) => self.name(process, at),
        };
        match done {
            Err(Errno::PERM | Errno::ACCESS) => Err(UNREADABLE),
            done => done.map_err(|errno| ("change what a call wrote", errno)),
        }
    }

    fn show(&self, process: Watched, at: u64, shape: Shape, fields: &[usize]) -> Result<(), Errno> {
        let (Some(times), Some((first, last))) = (&self.times, fields.first().zip(fields.last())) else {
            return Ok(());
        };
        let mut bytes = vec![0; last + shape.size() - first];
        let at = at + *first as u64;
        ptrace::read_exact(process, at, &mut bytes)?;
        let before = bytes.clone();
        for field in fields {
            let one = &mut bytes[field - first..field - first + shape.size()];
            if let Some(real) = decode(one, shape) {
                one.copy_from_slice(&encode(times.shown(real), shape));
            }
        }
        if bytes == before { Ok(()) } else { ptrace::write(process, at, &bytes) }
    }

    fn name(&self, process: Watched, at: u64) -> Result<(), Errno> {
        let Some((release, version)) = &self.views.kernel else { return Ok(()) };
        let mut bytes = [0; 2 * NAME_FIELD];
        for (field, text) in bytes.chunks_mut(NAME_FIELD).zip([release, version]) {
            for (to, from) in field[..NAME_FIELD - 1].iter_mut().zip(text.bytes()) {
                *to = from;
            }
        }
        ptrace::write(process, at + RELEASE, &bytes)
    }
}

/// A program that may be run but not read can't be told anything.
const UNREADABLE: (&str, Errno) = ("reach into a program that can't be read, only executed,", Errno::PERM);

fn stumble(doing: &str, errno: Errno) -> Stumble {
    Stumble::new(Feature::Tracing, doing, errno)
}

fn now() -> Time {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    join(now.tv_sec, now.tv_nsec)
}

/// A thread, for taking hold of its files; before Linux 6.9 the process that it is of.
fn process_of(thread: Watched) -> Result<OwnedFd, Errno> {
    const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL as u32);
    if let Ok(found) = rustix::process::pidfd_open(Pid::from_raw(thread).ok_or(Errno::SRCH)?, THREAD) {
        return Ok(found);
    }
    let status = std::fs::read_to_string(format!("/proc/{thread}/status"))
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::SRCH))?;
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    let process = process.and_then(|text| text.trim().parse().ok()).and_then(Pid::from_raw);
    rustix::process::pidfd_open(process.ok_or(Errno::SRCH)?, PidfdFlags::empty())
}

fn encode(time: Time, shape: Shape) -> Vec<u8> {
    let (seconds, nanoseconds) = split(time);
    let half = |number: i64, wide: bool| -> Vec<u8> {
        let narrow = i32::try_from(number).unwrap_or(i32::MAX);
        if wide { number.to_le_bytes().into() } else { narrow.to_le_bytes().into() }
    };
    let mut bytes = half(seconds, shape.wide);
    if shape.unit > 0 {
        bytes.extend(half(nanoseconds / shape.unit, shape.wide_rest));
    }
    bytes.resize(shape.size(), 0);
    bytes
}

/// A time in memory; none if it says something else than a time.
fn decode(bytes: &[u8], shape: Shape) -> Option<Time> {
    let half = |at: usize, wide: bool| -> Option<i64> {
        Some(if wide {
            i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?)
        } else {
            i64::from(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
        })
    };
    let rest = if shape.unit == 0 { 0 } else { half(if shape.wide { 8 } else { 4 }, shape.wide_rest)? };
    if shape.unit == 1 && SPECIAL.contains(&rest) {
        return None;
    }
    let nanoseconds = rest.checked_mul(shape.unit.max(1))?;
    (0..1_000_000_000).contains(&nanoseconds).then_some(())?;
    Some(join(half(0, shape.wide)?, nanoseconds))
}

/// Takes out of what a new program is told where the kernel's own code is.
fn hide_kernel_code(process: Watched) -> Result<(), Errno> {
    let machine = registers::machine(process)?;
    let word: u64 = match machine {
        Machine::Amd64 | Machine::Arm64 | Machine::Riscv64 => 8,
        Machine::I386 => 4,
        Machine::Arm => return Err(Errno::NOSYS),
    };
    let mut stack =
        Words { process, at: ptrace::stop(process)?.stack, width: word, buffer: Vec::new(), next: 0 };
    // The number of arguments, they, a zero, the variables, a zero, then pairs.
    let arguments = stack.next()?;
    for _ in 0..=arguments {
        stack.next()?;
    }
    while stack.next()? != 0 {}
    loop {
        let place = stack.place();
        let (key, _) = (stack.next()?, stack.next()?);
        match key {
            0 => return Ok(()),
            KERNEL_CODE => {
                return ptrace::write(
                    process,
                    place,
                    &IGNORE.to_le_bytes()[..usize::try_from(word).unwrap_or(8)],
                );
            }
            _ => {}
        }
    }
}

/// The words on a program's stack, one after the other.
struct Words {
    process: Watched,
    /// Where the buffer begins.
    at: u64,
    width: u64,
    buffer: Vec<u8>,
    /// The next word in the buffer.
    next: usize,
}

impl Words {
    fn place(&self) -> u64 {
        self.at + self.next as u64
    }

    fn next(&mut self) -> Result<u64, Errno> {
        const PIECE: usize = 4096;
        let width = self.width as usize;
        if self.next + width > self.buffer.len() {
            self.at = self.place();
            self.next = 0;
            // To the end of a page, as what follows may not be there.
            self.buffer = vec![0; PIECE - (self.at as usize % PIECE)];
            ptrace::read_exact(self.process, self.at, &mut self.buffer)?;
        }
        let mut word = [0; 8];
        word[..width].copy_from_slice(&self.buffer[self.next..self.next + width]);
        self.next += width;
        Ok(u64::from_le_bytes(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::protocol::Clock;

    #[test]
    fn times_are_written_and_read_in_every_shape() {
        let time = join(1_700_000_000, 123_456_000);
        for (wide, wide_rest, unit, size) in
            [(true, true, 1, 16), (true, true, 1000, 16), (false, false, 1, 8), (true, false, 1, 16)]
        {
            let shape = Shape { wide, wide_rest, unit };
            let bytes = encode(time, shape);
            assert_eq!((bytes.len(), decode(&bytes, shape)), (size, Some(time)));
        }
        let seconds = Shape { wide: true, wide_rest: true, unit: 0 };
        assert_eq!(decode(&encode(time, seconds), seconds), Some(join(1_700_000_000, 0)));
    }

    #[test]
    fn now_and_never_stay_what_they_are() {
        let shape = Shape { wide: true, wide_rest: true, unit: 1 };
        for special in SPECIAL {
            let bytes: Vec<u8> = [5i64, special].iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(decode(&bytes, shape), None);
        }
        let _ = Times::new(Clock::Held, 0);
    }
}
