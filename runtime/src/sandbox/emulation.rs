//! Programs of another architecture: a binfmt_misc of the sandbox's own.
//!
//! Since Linux 6.7 a user namespace can have one that nobody else sees. It is made even when nothing is
//! emulated, so that what a host has registered for itself isn't seen by builds; it is never attached anywhere,
//! so a build can't see it either. On older kernels only a registration of the host works.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rbld_lang::derivation::Arch;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// Parts the fields of a registration; no path has it.
const SEPARATOR: u8 = 0x1f;

/// Whether programs of an architecture run here without help, as far as the instruction sets tell.
pub(crate) fn native(arch: Arch) -> bool {
    match arch {
        Arch::Amd64 | Arch::I386 => cfg!(target_arch = "x86_64"),
        Arch::Arm64 | Arch::Armhf => cfg!(target_arch = "aarch64"),
        Arch::Riscv64 => cfg!(target_arch = "riscv64"),
        Arch::Ppc64el => cfg!(all(target_arch = "powerpc64", target_endian = "little")),
        Arch::S390x => cfg!(target_arch = "s390x"),
    }
}

/// Makes this user namespace's own binfmt_misc. It lasts as long as the returned mount is open.
pub(super) fn own_formats() -> Result<OwnedFd, Errno> {
    let formats = rustix::mount::fsopen("binfmt_misc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&formats)?;
    rustix::mount::fsmount(&formats, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Registers an emulator. The kernel opens it now and keeps it open, so the root needs no copy of it.
pub(super) fn register(formats: &OwnedFd, arch: Arch, emulator: &Path) -> Result<(), Errno> {
    let line = registration(arch, emulator).ok_or(Errno::INVAL)?;
    let register = rustix::fs::openat(formats, "register", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let written = rustix::io::write(&register, &line)?;
    if written == line.len() { Ok(()) } else { Err(Errno::IO) }
}

/// The line that registers an emulator: the ELF header of its programs, which of its bits count, itself, and
/// the flags P (the program's own argv\[0\] is kept), O and F (both files are opened by the kernel).
fn registration(arch: Arch, emulator: &Path) -> Option<Vec<u8>> {
    let emulator = emulator.as_os_str().as_bytes();
    if emulator.contains(&SEPARATOR) {
        return None;
    }
    let (wide, big, machine): (bool, bool, u16) = match arch {
        Arch::Amd64 => (true, false, 62),
        Arch::Arm64 => (true, false, 183),
        Arch::Armhf => (false, false, 40),
        Arch::I386 => (false, false, 3),
        Arch::Ppc64el => (true, false, 21),
        Arch::Riscv64 => (true, false, 243),
        Arch::S390x => (true, true, 22),
    };
    let order = |number: u16| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    let mut magic = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1];
    let mut mask = vec![0xff; 7];
    // The kind of system, its version and the padding don't count.
    magic.resize(16, 0);
    mask.resize(16, 0);
    // Executables and position-independent ones are types 2 and 3.
    magic.extend(order(2));
    mask.extend(order(0xfffe));
    magic.extend(order(machine));
    mask.extend(order(0xffff));
    let escaped = |bytes: &[u8]| -> Vec<u8> {
        bytes.iter().flat_map(|byte| format!("\\x{byte:02x}").into_bytes()).collect()
    };
    let fields =
        [b"rbld".to_vec(), b"M".to_vec(), Vec::new(), escaped(&magic), escaped(&mask), emulator.to_vec()];
    let mut line = Vec::new();
    for field in fields {
        line.push(SEPARATOR);
        line.extend(field);
    }
    line.push(SEPARATOR);
    line.extend(b"POF");
    Some(line)
}

/// The host's own registration for an architecture, if it is enabled and keeps the emulator open: the path
/// that was registered.
pub(crate) fn host_registration(arch: Arch) -> Option<std::path::PathBuf> {
    let name = format!("/proc/sys/fs/binfmt_misc/qemu-{}", arch.machine());
    lasting(&std::fs::read_to_string(name).ok()?)
}

/// The emulator of a registration's text; none if it is switched off, or opened anew in each root (no flag F).
fn lasting(text: &str) -> Option<std::path::PathBuf> {
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let lasting = field("flags:").is_some_and(|flags| flags.contains('F'));
    (text.starts_with("enabled") && lasting).then(|| field("interpreter").map(Into::into)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_name_the_machine() {
        let line = registration(Arch::S390x, Path::new("/q")).map(String::from_utf8);
        let expect = "\u{1f}rbld\u{1f}M\u{1f}\u{1f}\
            \\x7f\\x45\\x4c\\x46\\x02\\x02\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x16\u{1f}\
            \\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xff\\xfe\\xff\\xff\u{1f}\
            /q\u{1f}POF";
        assert_eq!(line, Some(Ok(expect.to_owned())));
        assert_eq!(registration(Arch::Arm64, Path::new("/a\u{1f}b")), None);
    }

    #[test]
    fn a_hosts_registration_counts_only_if_it_keeps_the_emulator_open() {
        let text = |state: &str, flags: &str| {
            format!("{state}\ninterpreter /usr/libexec/qemu-aarch64\nflags: {flags}\noffset 0\nmagic 7f45\n")
        };
        assert_eq!(lasting(&text("enabled", "POCF")), Some("/usr/libexec/qemu-aarch64".into()));
        assert_eq!(lasting(&text("enabled", "P")), None);
        assert_eq!(lasting(&text("disabled", "F")), None);
        assert_eq!(lasting(""), None);
    }
}
