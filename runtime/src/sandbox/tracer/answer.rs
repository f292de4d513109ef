//! One call of one process: answered, or changed on its way in or out. Knows nothing of stops and signals.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use rustix::time::ClockId;

use super::calls::{self, Act};
use super::clock::{Time, join, split};
use super::listing::Layout;
use super::ptrace::{self, On, Stop, Watched};
use super::shape::{Shape, decode, encode};
use super::{Pending, Tracer, UNREADABLE, registers};
use crate::sandbox::syscalls::Machine;

/// How far below the end of a stack programs keep things of their own.
const RED_ZONE: u64 = 256;
/// The width of a field of `struct new_utsname`, and where the release is in it; the version follows.
const NAME_FIELD: usize = 65;
const RELEASE: u64 = 2 * NAME_FIELD as u64;

impl Tracer<'_> {
    /// A process is about to make a call that the filter knows.
    pub(super) fn called(&mut self, process: Watched) -> Result<On, (&'static str, Errno)> {
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
    pub(super) fn returned(&mut self, process: Watched) -> Result<(), (&'static str, Errno)> {
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

/// The machine's time of day.
pub(super) fn now() -> Time {
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
