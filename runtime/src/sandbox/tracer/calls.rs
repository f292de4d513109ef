//! Which system calls are answered or changed by the tracer, on each instruction set, and the filter that stops at them.
//!
//! The filter stops at no other call, so those run at their own speed. It is loaded beside the sandbox's own, which
//! still refuses what it refuses. A row's number comes with the stop, so the tracer needs no call numbers.

use libc::sock_filter;

use super::super::protocol::Views;
use super::super::seccomp::{
    ALLOW, AND, ARCHITECTURE, JUMP, JUMP_EQUAL, JUMP_SET, LOAD, NUMBER, RETURN, branch, errno, load, step,
};
use super::super::syscalls::{self as call, Call, Machine};
use super::shape::{LONG, LONG_MICRO, LONG_SECONDS, SHORT, SHORT_MICRO, SHORT_SECONDS, STATX, Shape};

/// Stops the call and tells the tracer; the low half says which row.
const TRACE: u32 = 0x7ff0_0000;
/// A child that nobody would trace.
const CLONE_UNTRACED: u32 = 0x0080_0000;

/// The clocks that tell the time of day: `CLOCK_REALTIME`, its coarse and its alarm twin, and atomic time.
const DAY_CLOCKS: [u32; 4] = [0, 5, 8, 11];
/// `FUTEX_CLOCK_REALTIME`, and the command that always means it, `FUTEX_LOCK_PI`.
const FUTEX_REALTIME: u32 = 256;
const FUTEX_LOCK_PI: u32 = 6;

/// What the tracer does with a call. Arguments are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Writes the time where an argument points.
    Tell(usize, Shape),
    /// The same, and returns the seconds.
    TellSeconds(usize, Shape),
    /// Changes the times in what the call wrote where an argument points, at these places.
    Show(usize, Shape, &'static [usize]),
    /// Changes the two times that an argument points at before the call.
    Set(usize, Shape),
    /// Changes the moment that an argument points at before the call.
    Wait(usize, Shape),
    /// Writes a folder's entries, each beginning with numbers of this width; whether the kind comes before the name.
    List { wide: bool, kind_first: bool },
    /// Changes the kernel's release and version.
    Name,
    /// Writes which processors there are.
    Count,
}

/// Which view a row is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Clock,
    Order,
    Kernel,
    Cpus,
}

/// Which of the calls with a number it is about.
#[derive(Clone, Copy)]
enum When {
    Always,
    /// The first argument is a clock of the day.
    DayClock,
    /// The same, and the second says that a moment is meant, not a while.
    DayMoment,
    /// The second argument is an operation until a moment of the day.
    Futex,
}

struct Row(Call, Of, When, Act, Act);

const fn same(call: Call, of: Of, when: When, act: Act) -> Row {
    Row(call, of, when, act, act)
}

/// Where the times are: of `struct stat` on 64-bit machines, of the two on 32-bit x86, of `struct statx`.
const STAT: &[usize] = &[72, 88, 104];
const STAT_OLD: &[usize] = &[32, 40, 48];
const STAT_64: &[usize] = &[64, 72, 80];
const STATX_TIMES: &[usize] = &[64, 80, 96, 112];

/// Calls and what is done with them by 64-bit and by 32-bit programs.
static ROWS: &[Row] = &[
    Row(call::CLOCK_GETTIME, Of::Clock, When::DayClock, Act::Tell(1, LONG), Act::Tell(1, SHORT)),
    same(call::CLOCK_GETTIME64, Of::Clock, When::DayClock, Act::Tell(1, LONG)),
    Row(call::GETTIMEOFDAY, Of::Clock, When::Always, Act::Tell(0, LONG_MICRO), Act::Tell(0, SHORT_MICRO)),
    Row(
        call::TIME,
        Of::Clock,
        When::Always,
        Act::TellSeconds(0, LONG_SECONDS),
        Act::TellSeconds(0, SHORT_SECONDS),
    ),
    Row(call::STAT, Of::Clock, When::Always, Act::Show(1, LONG, STAT), Act::Show(1, SHORT, STAT_OLD)),
    Row(call::LSTAT, Of::Clock, When::Always, Act::Show(1, LONG, STAT), Act::Show(1, SHORT, STAT_OLD)),
    Row(call::FSTAT, Of::Clock, When::Always, Act::Show(1, LONG, STAT), Act::Show(1, SHORT, STAT_OLD)),
    same(call::STAT64, Of::Clock, When::Always, Act::Show(1, SHORT, STAT_64)),
    same(call::LSTAT64, Of::Clock, When::Always, Act::Show(1, SHORT, STAT_64)),
    same(call::FSTAT64, Of::Clock, When::Always, Act::Show(1, SHORT, STAT_64)),
    same(call::FSTATAT64, Of::Clock, When::Always, Act::Show(2, SHORT, STAT_64)),
    same(call::NEWFSTATAT, Of::Clock, When::Always, Act::Show(2, LONG, STAT)),
    same(call::STATX, Of::Clock, When::Always, Act::Show(4, STATX, STATX_TIMES)),
    Row(call::UTIME, Of::Clock, When::Always, Act::Set(1, LONG_SECONDS), Act::Set(1, SHORT_SECONDS)),
    Row(call::UTIMES, Of::Clock, When::Always, Act::Set(1, LONG_MICRO), Act::Set(1, SHORT_MICRO)),
    Row(call::FUTIMESAT, Of::Clock, When::Always, Act::Set(2, LONG_MICRO), Act::Set(2, SHORT_MICRO)),
    Row(call::UTIMENSAT, Of::Clock, When::Always, Act::Set(2, LONG), Act::Set(2, SHORT)),
    same(call::UTIMENSAT64, Of::Clock, When::Always, Act::Set(2, LONG)),
    Row(call::CLOCK_NANOSLEEP, Of::Clock, When::DayMoment, Act::Wait(2, LONG), Act::Wait(2, SHORT)),
    same(call::CLOCK_NANOSLEEP64, Of::Clock, When::DayMoment, Act::Wait(2, LONG)),
    Row(call::FUTEX, Of::Clock, When::Futex, Act::Wait(3, LONG), Act::Wait(3, SHORT)),
    same(call::FUTEX64, Of::Clock, When::Futex, Act::Wait(3, LONG)),
    same(call::GETDENTS64, Of::Order, When::Always, Act::List { wide: true, kind_first: true }),
    Row(
        call::GETDENTS,
        Of::Order,
        When::Always,
        Act::List { wide: true, kind_first: false },
        Act::List { wide: false, kind_first: false },
    ),
    same(call::UNAME, Of::Kernel, When::Always, Act::Name),
    same(call::SCHED_GETAFFINITY, Of::Cpus, When::Always, Act::Count),
];

/// What is done at a stop that came with this row's number.
pub(super) fn act(row: u32, machine: Machine) -> Option<Act> {
    let Row(_, _, _, wide, narrow) = ROWS.get(usize::try_from(row).ok()?)?;
    Some(if narrow_machine(machine) { *narrow } else { *wide })
}

fn narrow_machine(machine: Machine) -> bool {
    matches!(machine, Machine::I386 | Machine::Arm)
}

/// The filter that stops at the calls of these views.
pub(super) fn filter(machines: &[Machine], views: &Views) -> Vec<sock_filter> {
    let wanted = |of: Of| match of {
        Of::Clock => views.clock.is_some(),
        Of::Order => views.order.is_some(),
        Of::Kernel => views.kernel.is_some(),
        Of::Cpus => views.cpus.is_some(),
    };
    let mut program = vec![step(LOAD, ARCHITECTURE)];
    for &machine in machines {
        let mut section = vec![step(LOAD, NUMBER)];
        for (index, Row(call, of, when, ..)) in ROWS.iter().enumerate() {
            if let Some(number) = call.number(machine).filter(|_| wanted(*of)) {
                rule(&mut section, number, body(*when, TRACE | index as u32));
            }
        }
        if let Some(number) = call::CLONE.number(machine) {
            let refuse = step(RETURN, errno(libc::EPERM));
            let body = vec![load(0), branch(JUMP_SET, CLONE_UNTRACED, 0, 1), refuse, step(RETURN, ALLOW)];
            rule(&mut section, number, body);
        }
        if let Some(number) = call::PRCTL.number(machine) {
            // A process that shuts itself off couldn't be told the time: it is let believe that it did.
            rule(&mut section, number, shutting_off());
        }
        section.push(step(RETURN, ALLOW));
        program.push(branch(JUMP_EQUAL, machine.audit(), 1, 0));
        program.push(step(JUMP, section.len() as u32));
        program.extend(section);
    }
    program.push(step(RETURN, ALLOW));
    program
}

fn rule(section: &mut Vec<sock_filter>, number: u32, body: Vec<sock_filter>) {
    section.push(branch(JUMP_EQUAL, number, 0, body.len() as u8));
    section.extend(body);
}

fn body(when: When, stop: u32) -> Vec<sock_filter> {
    let mut body = Vec::new();
    match when {
        When::Always => {}
        When::DayClock | When::DayMoment => {
            body.push(load(0));
            for (index, clock) in DAY_CLOCKS.iter().enumerate() {
                let past_the_rest = (DAY_CLOCKS.len() - index) as u8;
                body.push(branch(JUMP_EQUAL, *clock, past_the_rest, 0));
            }
            body.push(step(RETURN, ALLOW));
            if matches!(when, When::DayMoment) {
                body.extend([
                    load(1),
                    branch(JUMP_SET, libc::TIMER_ABSTIME as u32, 1, 0),
                    step(RETURN, ALLOW),
                ]);
            }
        }
        When::Futex => body.extend([
            load(1),
            branch(JUMP_SET, FUTEX_REALTIME, 3, 0),
            step(AND, 0x7f),
            branch(JUMP_EQUAL, FUTEX_LOCK_PI, 1, 0),
            step(RETURN, ALLOW),
        ]),
    }
    body.push(step(RETURN, stop));
    body
}

fn shutting_off() -> Vec<sock_filter> {
    vec![
        load(0),
        branch(JUMP_EQUAL, libc::PR_SET_DUMPABLE as u32, 0, 3),
        load(1),
        branch(JUMP_EQUAL, 0, 0, 1),
        step(RETURN, errno(0)),
        step(RETURN, ALLOW),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::protocol::{Clock, Listed};
    use crate::sandbox::seccomp::tests::{MACHINES, answer};

    fn views() -> Views {
        Views {
            clock: Some(Clock::Shifted),
            order: Some(Listed::Reversed),
            kernel: Some(("1".to_owned(), "2".to_owned())),
            cpus: Some(2),
        }
    }

    #[test]
    fn only_the_clocks_of_the_day_stop() {
        let program = filter(MACHINES, &views());
        for &machine in MACHINES {
            let gettime = |clock| answer(&program, machine, &call::CLOCK_GETTIME, [clock, 0, 0, 0]);
            let stops: Vec<u32> = (0..12).filter(|clock| gettime(*clock) != ALLOW).collect();
            assert_eq!(stops, DAY_CLOCKS);
            assert_eq!(gettime(u32::MAX), ALLOW);
            let row = gettime(11) & 0xffff;
            assert!(matches!(act(row, machine), Some(Act::Tell(1, _))));
            let sleep = |flags| answer(&program, machine, &call::CLOCK_NANOSLEEP, [0, flags, 0, 0]);
            assert!(sleep(0) == ALLOW && sleep(1) != ALLOW);
            let futex = |operation| answer(&program, machine, &call::FUTEX, [0, operation, 0, 0]) != ALLOW;
            assert!(futex(6 | 128) && futex(9 | 256) && futex(9 | 128 | 256));
            assert!(!futex(0) && !futex(1 | 128) && !futex(9 | 128));
        }
    }

    #[test]
    fn a_view_that_is_not_wanted_stops_nothing() {
        let program = filter(MACHINES, &Views { clock: None, ..views() });
        for &machine in MACHINES {
            let stops = |call| answer(&program, machine, &call, [0; 4]) != ALLOW;
            assert!(!stops(call::CLOCK_GETTIME) && !stops(call::STATX));
            assert!(stops(call::GETDENTS64) && stops(call::UNAME) && stops(call::SCHED_GETAFFINITY));
        }
    }

    #[test]
    fn nobody_gets_out_of_sight() {
        let program = filter(MACHINES, &views());
        for &machine in MACHINES {
            let clone = |flags| answer(&program, machine, &call::CLONE, [flags, 0, 0, 0]);
            assert_eq!((clone(17), clone(17 | CLONE_UNTRACED)), (ALLOW, errno(libc::EPERM)));
            let prctl = |what, value| answer(&program, machine, &call::PRCTL, [what, value, 0, 0]);
            assert_eq!((prctl(4, 0), prctl(4, 1), prctl(15, 0)), (errno(0), ALLOW, ALLOW));
        }
    }
}
