//! Giving away what a build must not have: capabilities, new privileges, unusual limits.
//!
//! Done once, after everything that needs a privilege, for the sandbox's first process and so for all its
//! children.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::grade::Feature;
use super::protocol::{Stumble, While};

/// No core file, and unlike 0 no call of the host's crash handler either (core(5)).
const NO_CORE: u64 = 1;
/// The stack a program starts with; what most distributions build with.
const STACK: u64 = 8 << 20;
/// How many files a program may have open unless it raises the limit itself.
const FILES: u64 = 1024;
/// How far it may raise that.
const MOST_FILES: u64 = 524_288;

/// Fixes the limits that programs can see.
pub(super) fn limit() -> Result<(), Stumble> {
    lower(Resource::Core, NO_CORE, NO_CORE)?;
    lower(Resource::Stack, STACK, u64::MAX)?;
    lower(Resource::Nofile, FILES, MOST_FILES)
}

fn lower(resource: Resource, soft: u64, hard: u64) -> Result<(), Stumble> {
    let now = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let hard = hard.min(now);
    let limit = |value: u64| (value != u64::MAX).then_some(value);
    rustix::process::setrlimit(resource, Rlimit { current: limit(soft.min(hard)), maximum: limit(hard) })
        .during(Feature::Privileges, "limit what processes may use")
}

/// Gives away every capability for good, and the wish for more.
pub(super) fn drop_all() -> Result<(), Stumble> {
    let doing = "give away capabilities";
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).during(Feature::Privileges, doing)?;
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Past the last capability of this kernel.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(Stumble::new(Feature::Privileges, doing, errno)),
        }
    }
    rustix::thread::clear_ambient_capability_set().during(Feature::Privileges, doing)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).during(Feature::Privileges, doing)?;
    rustix::thread::set_no_new_privs(true).during(Feature::Privileges, "refuse new privileges")?;
    // Nothing inside may trace the sandbox's first process or take its descriptors; a program it starts is
    // its own again.
    set_open(false)
}

/// Opens this process to others of its user, or closes it.
pub(super) fn set_open(open: bool) -> Result<(), Stumble> {
    let behavior = if open { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
    rustix::process::set_dumpable_behavior(behavior)
        .during(Feature::Privileges, "close the first process to the others")
}
