//! What this machine must be able to do for each axis, and what is said when it isn't.
//!
//! An axis that can't be varied is an error before anything is compared: two builds that differ in nothing would agree.

use rbld_lang::vary::Axis;

use super::machine::KERNEL;
use crate::failure::{Failure, Result};
use crate::sandbox::grade::{setting, why};
use crate::sandbox::protocol::{Clock, Listed, Stumble, Views};
use crate::sandbox::{CAN_TRACE, Feature, WATCH};
use crate::vary::Variant;

/// An error if an axis can't be varied here, as far as that is known before anything is tried.
pub fn check(variant: &Variant) -> Result<()> {
    if let Some(axis) = watched_for(variant).first()
        && !CAN_TRACE
    {
        return Err(cannot(*axis, "rbld can't trace programs of its instruction set"));
    }
    if variant.varies(Axis::Aslr) && !addresses_are_random("/proc/sys/kernel/randomize_va_space") {
        return Err(cannot(Axis::Aslr, "this kernel lays out memory the same way every time")
            .help("`sysctl -w kernel.randomize_va_space=2`"));
    }
    Ok(())
}

/// An error if an axis needs something that the kernel refused.
pub(super) fn check_granted(variant: &Variant, missing: &[Stumble]) -> Result<()> {
    for (axis, feature) in [(Axis::Hostname, Feature::Hostname), (Axis::Aslr, Feature::Personality)] {
        if let Some(stumble) = missing.iter().find(|stumble| stumble.feature == feature)
            && variant.varies(axis)
        {
            let failure = cannot(axis, &why(stumble));
            return Err(match setting(stumble) {
                Some(setting) => failure.help(setting),
                None => failure.help("`rbld doctor` says what this machine grants"),
            });
        }
    }
    Ok(())
}

/// The axes for which the build's processes are watched.
pub(super) fn watched_for(variant: &Variant) -> Vec<Axis> {
    let needed = |axis: &Axis| match axis {
        Axis::Time | Axis::FileOrder => variant.varies(*axis) || variant.holds(*axis),
        Axis::Kernel => variant.varies(*axis),
        _ => false,
    };
    Axis::ALL.into_iter().filter(needed).collect()
}

/// What is answered in the kernel's place.
pub(super) fn views(variant: &Variant, told: Option<u32>) -> Views {
    let (time, order) = (Axis::Time, Axis::FileOrder);
    let clock =
        (variant.varies(time).then_some(Clock::Shifted)).or(variant.holds(time).then_some(Clock::Held));
    let order = (variant.varies(order).then_some(Listed::Reversed))
        .or(variant.holds(order).then_some(Listed::ByName));
    let kernel = variant.varies(Axis::Kernel).then(|| (KERNEL.0.to_owned(), KERNEL.1.to_owned()));
    Views { clock, order, kernel, cpus: told }
}

/// What is said when the build's processes can't be watched, before they run or in the middle.
pub(super) fn untraced(stumble: &Stumble, variant: &Variant) -> Failure {
    let mut axes = watched_for(variant);
    if axes.is_empty() {
        // On a machine with one processor.
        axes.push(Axis::Cpus);
    }
    let names: Vec<String> = axes.iter().map(|axis| format!("`{}`", axis.name())).collect();
    let failure = Failure::world(format!("could not vary or hold {}: {}", names.join(", "), why(stumble)))
        .fact("rbld answers some system calls of the build in the kernel's place, by `ptrace`");
    match setting(stumble) {
        Some(setting) if stumble.doing == WATCH => failure.help(setting),
        _ => failure.help("vary other axes: most need no watching"),
    }
}

fn cannot(axis: Axis, why: &str) -> Failure {
    Failure::world(format!("the axis `{}` can't be varied on this machine: {why}", axis.name()))
        .fact("nothing was run: a build that differs in nothing would seem to reproduce")
}

/// Whether the kernel does it at all.
fn addresses_are_random(setting: &str) -> bool {
    std::fs::read_to_string(setting).map_or(true, |text| text.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_names_its_axis() {
        let stumble = Stumble::new(Feature::Hostname, "set the host name", rustix::io::Errno::PERM);
        let hostname = Variant::default().varying([Axis::Hostname]);
        let failure = check_granted(&hostname, std::slice::from_ref(&stumble)).unwrap_err();
        assert!(failure.message.contains("`hostname`") && failure.help.is_some(), "{failure}");
        assert!(check_granted(&Variant::default(), &[stumble]).is_ok());
    }

    #[test]
    fn a_machine_that_forbids_watching_says_which_axis_needs_it() {
        let stumble = Stumble::new(Feature::Tracing, WATCH, rustix::io::Errno::PERM);
        let variant = Variant::default().varying([Axis::Time, Axis::Umask]).holding([Axis::FileOrder]);
        let failure = untraced(&stumble, &variant);
        assert!(failure.message.starts_with("could not vary or hold `file_order`, `time`:"), "{failure}");
        assert!(failure.help.unwrap().contains("ptrace"));
        assert_eq!(watched_for(&Variant::default().varying([Axis::Umask, Axis::Locale])), []);
    }

    #[test]
    fn a_kernel_without_random_addresses_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let setting = folder.path().join("setting");
        std::fs::write(&setting, "0\n").unwrap();
        assert!(!addresses_are_random(setting.to_str().unwrap()));
        std::fs::write(&setting, "2\n").unwrap();
        assert!(addresses_are_random(setting.to_str().unwrap()));
        assert!(addresses_are_random("/nowhere"));
    }
}
