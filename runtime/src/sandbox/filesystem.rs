//! The file system inside: root, inputs, /proc, /dev.
//!
//! What comes from the host is opened before the root is changed and attached afterwards, so that no path is
//! ever looked up in a mixture of both; places inside are opened without following any link, so that a
//! hostile root can't say where things go. The root is left by pivot_root and the old one detached.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};

use super::grade::Feature;
use super::protocol::{Base, Setup, Stumble, While};
use super::sys::{attribute, set_mount};

/// The device nodes that come from the host; the last may be missing there.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Links in /dev and what they name.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// Parts of /proc that change the machine: a build that the kernel takes for the host's root could write there.
const READ_ONLY: [&str; 10] = [
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/fs",
    "/proc/acpi",
    "/proc/scsi",
    "/proc/mtrr",
    "/proc/driver",
    "/proc/asound",
];
/// Parts of /proc that tell about the machine's memory, keys and timers.
const HIDDEN: [&str; 5] =
    ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats"];

/// A mount taken from the host, not yet seen anywhere.
struct Detached {
    tree: OwnedFd,
    at: String,
    feature: Feature,
}

/// Makes the sandbox's file system and enters it; called by the first process of the pid namespace.
pub(super) fn enter(setup: &Setup) -> Result<(), Stumble> {
    let propagation = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", propagation)
        .during(Feature::Mount, "separate the mounts from the host's")?;
    rustix::process::chdir(&setup.scratch).during(Feature::Root, "enter the scratch folder")?;
    let devices = devices()?;
    let binds = binds(setup)?;
    base(&setup.base)?;
    // While the host's is still to be seen: the kernel grants a new one only to who sees an unmasked one.
    let proc = file_system("proc", &[]).during(Feature::Proc, "mount a fresh /proc")?;
    pivot()?;
    set_mount(proc.as_fd(), attribute::NO_SUID | attribute::NO_DEVICES | attribute::NO_EXECUTE)
        .during(Feature::Proc, "mount a fresh /proc")?;
    attach(proc, "/proc").during(Feature::Proc, "mount a fresh /proc")?;
    fill_dev(devices).during(Feature::Devices, "fill /dev")?;
    cover_proc().during(Feature::Proc, "cover parts of /proc")?;
    for bind in binds {
        attach(bind.tree, &bind.at).during(bind.feature, &format!("mount `{}`", bind.at))?;
    }
    Ok(())
}

fn devices() -> Result<Vec<Detached>, Stumble> {
    let mut devices = Vec::new();
    for name in DEVICES {
        let at = format!("/dev/{name}");
        match clone_mount(Path::new(&at)) {
            Ok(tree) => {
                // Read-only still lets a program write to the device, but not change the host's node.
                set_mount(tree.as_fd(), attribute::READ_ONLY | attribute::NO_SUID | attribute::NO_EXECUTE)
                    .during(Feature::Devices, &format!("take `{at}` from the host"))?;
                devices.push(Detached { tree, at, feature: Feature::Devices });
            }
            Err(Errno::NOENT) if name == "tty" => {}
            Err(errno) => {
                return Err(Stumble::new(Feature::Devices, format!("take `{at}` from the host"), errno));
            }
        }
    }
    Ok(devices)
}

fn binds(setup: &Setup) -> Result<Vec<Detached>, Stumble> {
    let mut binds = Vec::new();
    for bind in &setup.binds {
        let doing = format!("mount `{}` as `{}`", bind.from.display(), bind.at);
        let tree = clone_mount(&bind.from).during(Feature::Root, &doing)?;
        let writable = if bind.writable { 0 } else { attribute::READ_ONLY };
        set_mount(tree.as_fd(), writable | attribute::NO_SUID | attribute::NO_DEVICES)
            .during(Feature::Root, &doing)?;
        binds.push(Detached { tree, at: bind.at.clone(), feature: Feature::Root });
    }
    Ok(binds)
}

/// Puts the root at `root` in the scratch folder. Names are relative: they can be seen inside.
fn base(base: &Base) -> Result<(), Stumble> {
    match base {
        Base::Overlay(lower) => {
            let doing = format!("open the environment's folder `{}`", lower.display());
            let tree = clone_mount(lower).during(Feature::Root, &doing)?;
            // The overlay covers the place that it takes its lower layer from.
            move_to(tree, "root").during(Feature::Root, "mount the environment's folder")?;
            let options = c"lowerdir=root,upperdir=upper,workdir=work,userxattr,volatile";
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount("overlay", "root", "overlay", flags, options)
                .during(Feature::Overlay, "put a writable layer over the environment")
        }
        Base::Writable(folder) => {
            let doing = format!("open the environment's folder `{}`", folder.display());
            let tree = clone_mount(folder).during(Feature::Root, &doing)?;
            set_mount(tree.as_fd(), attribute::NO_SUID | attribute::NO_DEVICES)
                .during(Feature::Root, "mount the environment's folder")?;
            move_to(tree, "root").during(Feature::Root, "mount the environment's folder")
        }
    }
}

fn pivot() -> Result<(), Stumble> {
    let doing = "make the environment the root";
    rustix::process::chdir("root").during(Feature::Root, doing)?;
    // The old root ends up on top of the new one and is taken off again.
    rustix::process::pivot_root(".", ".").during(Feature::Root, doing)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during(Feature::Root, doing)?;
    rustix::process::chdir("/").during(Feature::Root, doing)
}

fn fill_dev(devices: Vec<Detached>) -> Result<(), Errno> {
    let options = [("mode", "0755"), ("size", "1m"), ("nr_inodes", "1024")];
    let dev = file_system("tmpfs", &options)?;
    set_mount(dev.as_fd(), attribute::NO_SUID | attribute::NO_EXECUTE)?;
    attach(dev, "/dev")?;
    let dev = place("/dev")?;
    for device in devices {
        let name = device.at.trim_start_matches("/dev/");
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&dev, name, flags, Mode::from_raw_mode(0o644))?;
        attach(device.tree, &device.at)?;
    }
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, &dev, name)?;
    }
    for name in ["pts", "shm"] {
        rustix::fs::mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
    }
    let terminals = file_system("devpts", &[("ptmxmode", "0666"), ("mode", "0620")])?;
    set_mount(terminals.as_fd(), attribute::NO_SUID | attribute::NO_EXECUTE)?;
    attach(terminals, "/dev/pts")?;
    let shared = file_system("tmpfs", &[("mode", "1777")])?;
    set_mount(shared.as_fd(), attribute::NO_SUID | attribute::NO_DEVICES)?;
    attach(shared, "/dev/shm")
}

fn cover_proc() -> Result<(), Errno> {
    for at in READ_ONLY {
        cover(at, at, attribute::READ_ONLY)?;
    }
    for at in HIDDEN {
        cover("/dev/null", at, 0)?;
    }
    Ok(())
}

/// Mounts what is inside already at a second place, if this kernel has that place.
fn cover(from: &str, at: &str, attributes: u64) -> Result<(), Errno> {
    // Looked for first: taking back a mount that found no place waits for all processors.
    let target = match place(at) {
        Ok(target) => target,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(&place(from)?, "", flags)?;
    if attributes != 0 {
        set_mount(tree.as_fd(), attributes)?;
    }
    attach_to(&tree, &target)
}

/// Takes a file or folder of the host, with all that is mounted below it.
fn clone_mount(path: &Path) -> Result<OwnedFd, Errno> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(CWD, path, flags)
}

fn file_system(kind: &str, options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(&context, *key, *value)?;
    }
    rustix::mount::fsconfig_create(&context)?;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Attaches a mount inside the root that was entered.
fn attach(tree: OwnedFd, at: &str) -> Result<(), Errno> {
    attach_to(&tree, &place(at)?)
}

fn attach_to(tree: &OwnedFd, place: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, "", place, "", flags)
}

fn move_to(tree: OwnedFd, name: &str) -> Result<(), Errno> {
    rustix::mount::move_mount(&tree, "", CWD, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Opens a place inside the root that was entered, following no link.
fn place(at: &str) -> Result<OwnedFd, Errno> {
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let relative = at.trim_start_matches('/');
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(&root, relative, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Tries an overlay in a prepared folder.
pub(super) fn try_overlay(scratch: &Path) -> Result<(), Stumble> {
    let propagation = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", propagation)
        .during(Feature::Mount, "separate the mounts from the host's")?;
    rustix::process::chdir(scratch).during(Feature::Overlay, "enter the scratch folder")?;
    for name in ["lower", "upper", "work", "root"] {
        rustix::fs::mkdirat(CWD, name, Mode::from_raw_mode(0o755))
            .during(Feature::Overlay, "make folders for an overlay")?;
    }
    let lower = scratch.join("lower");
    base(&Base::Overlay(lower))?;
    rustix::fs::mkdirat(CWD, "root/probe", Mode::from_raw_mode(0o755))
        .during(Feature::Overlay, "write to an overlay")?;
    rustix::fs::unlinkat(CWD, "root/probe", AtFlags::REMOVEDIR)
        .during(Feature::Overlay, "write to an overlay")
}

/// Tries a fresh /proc over the host's.
pub(super) fn try_proc() -> Result<(), Stumble> {
    file_system("proc", &[]).map(drop).during(Feature::Proc, "mount a fresh /proc")
}
