//! A clock that is not the machine's, and the times of files by it.
//!
//! What is older than the sandbox keeps its time. What happens in it is moved as the clock is, so no file lies in the
//! future and a file's time and the clock's can be compared. A time that a program sets itself is read back as it was
//! set, whatever it is. Knows nothing of calls or processes.

use crate::sandbox::protocol::Clock;

const SECOND: i128 = 1_000_000_000;
/// A year on, another month, weekday, hour, minute and second.
const SHIFT: i128 = (398 * 86_400 + 6 * 3_600 + 23 * 60 + 17) * SECOND;
/// Where a held clock starts: 2037-02-03T04:05:06Z. Later than any source, and it fits into 31 bits.
const HELD: i128 = 2_117_246_706 * SECOND;
/// How much slower it goes: no build is long enough for it to reach the next second.
const SLOW: i128 = 1 << 24;
/// How long a sandbox may live, in real time.
const SPAN: i128 = 50 * 366 * 86_400 * SECOND;
/// Where times are kept that nothing real maps to: so much later than what a program says.
const ASIDE: i128 = 100 * 366 * 86_400 * SECOND;

/// A time in nanoseconds since 1970.
pub(super) type Time = i128;

/// How real times and shown ones go over into each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The real time at which the sandbox began.
    start: Time,
    /// What it shows then.
    base: Time,
    /// Real nanoseconds for one that is shown.
    slow: i128,
}

impl Times {
    /// Those of a sandbox that begins at a real time.
    pub(super) fn new(clock: Clock, start: Time) -> Times {
        match clock {
            Clock::Shifted => Times { start, base: start + SHIFT, slow: 1 },
            Clock::Held => Times { start, base: HELD.max(start + SECOND), slow: SLOW },
        }
    }

    /// What is shown for a real time.
    pub(super) fn shown(&self, real: Time) -> Time {
        if real < self.start {
            real
        } else if real < self.start + SPAN {
            self.base + (real - self.start) / self.slow
        } else {
            real - ASIDE
        }
    }

    /// The real time that is shown as this one.
    pub(super) fn real(&self, shown: Time) -> Time {
        if shown < self.start {
            shown
        } else if shown >= self.base && shown < self.base + SPAN / self.slow {
            self.start + (shown - self.base) * self.slow
        } else {
            shown + ASIDE
        }
    }

    /// The real moment that is as far off as a shown one seems to be.
    pub(super) fn deadline(&self, shown: Time, now: Time) -> Time {
        now + (shown - self.shown(now))
    }
}

/// A time of whole seconds and nanoseconds.
pub(super) fn join(seconds: i64, nanoseconds: i64) -> Time {
    i128::from(seconds) * SECOND + i128::from(nanoseconds)
}

/// Whole seconds and nanoseconds of a time.
pub(super) fn split(time: Time) -> (i64, i64) {
    let seconds = i64::try_from(time.div_euclid(SECOND)).unwrap_or(i64::MAX);
    (seconds, i64::try_from(time.rem_euclid(SECOND)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = 1_795_000_000 * SECOND;

    #[test]
    fn what_a_program_sets_it_reads_back() {
        for clock in [Clock::Shifted, Clock::Held] {
            let times = Times::new(clock, START);
            let base = times.base;
            for shown in [
                0,
                START - 1,
                START,
                START + 86_400 * SECOND,
                base - 1,
                base,
                base + 7,
                base + 86_400 * SECOND,
            ] {
                assert_eq!(times.shown(times.real(shown)), shown, "{clock:?} {}", shown - START);
            }
        }
    }

    #[test]
    fn no_file_of_the_build_is_from_the_future() {
        for clock in [Clock::Shifted, Clock::Held] {
            let times = Times::new(clock, START);
            let made = START + 5 * SECOND;
            assert!(times.shown(made) <= times.shown(made + SECOND));
            assert!(times.shown(START - SECOND) < times.shown(START));
            assert_eq!(times.shown(START - SECOND), START - SECOND, "what was there before keeps its time");
        }
    }

    #[test]
    fn a_shifted_clock_goes_and_a_held_one_hardly() {
        let shifted = Times::new(Clock::Shifted, START);
        assert_eq!(shifted.shown(START + SECOND) - shifted.shown(START), SECOND);
        assert_eq!(shifted.shown(START) - START, SHIFT);
        let held = Times::new(Clock::Held, START);
        assert_eq!(split(held.shown(START + 86_400 * SECOND)).0, split(HELD).0);
        assert_eq!(Times::new(Clock::Held, START + 99 * SECOND).shown(START + 99 * SECOND), HELD);
    }

    #[test]
    fn a_wait_lasts_as_long_as_it_says() {
        for clock in [Clock::Shifted, Clock::Held] {
            let times = Times::new(clock, START);
            let now = START + 3 * SECOND;
            assert_eq!(times.deadline(times.shown(now) + 2 * SECOND, now), now + 2 * SECOND);
        }
    }

    #[test]
    fn times_before_1970_split_downwards() {
        assert_eq!(split(-1), (-1, 999_999_999));
        assert_eq!(join(-1, 999_999_999), -1);
    }
}
