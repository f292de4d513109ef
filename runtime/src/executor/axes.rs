//! What this machine must be able to do for each axis, and what is said when it isn't.
//!
//! An axis that can't be varied is an error before anything is compared: two builds that differ in nothing would agree.

use rbld_lang::vary::Axis;

use crate::failure::{Failure, Result};
use crate::sandbox::Feature;
use crate::sandbox::grade::why;
use crate::sandbox::protocol::Stumble;
use crate::vary::Variant;

/// An error if an axis can't be varied here, as far as that is known before anything is tried.
pub(super) fn check(variant: &Variant) -> Result<()> {
    for axis in [Axis::Cpus, Axis::FileOrder, Axis::Kernel, Axis::Time] {
        if variant.varies(axis) || variant.holds(axis) {
            return Err(cannot(axis, "it isn't there yet"));
        }
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
            return Err(match crate::sandbox::grade::setting(stumble) {
                Some(setting) => failure.help(setting),
                None => failure.help("`rbld doctor` says what this machine grants"),
            });
        }
    }
    Ok(())
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
