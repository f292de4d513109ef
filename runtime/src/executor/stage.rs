//! The scratch folder of one run: what is in place before the sandbox is made, and tidying up after it.
//!
//! Folders: `upper` (the writable layer), `work` (overlay's own), `root` (where it is mounted); for a writable
//! root `tmp` and `build` instead of a layer. Places that the sandbox mounts on are made here.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::{Mount, Request, Root};
use super::{beneath, machine, names};
use crate::failure::{Doing, Failure, Result};
use crate::sandbox::protocol::{Base, Bind};
use crate::vary::{PLAIN_FOLDER, Surroundings, Variant};

/// The time of every staged file and folder, in seconds since 1970: 2011-11-11T11:11:11Z, what remote
/// execution workers stage.
pub const FIXED_TIME: i64 = 1_321_009_871;

/// The folders that are always there and always empty, with their modes.
fn own_folders(variant: &Variant) -> Vec<(&'static str, u32)> {
    let around = Surroundings::of(variant);
    let mut folders = vec![("build", 0o755), ("tmp", 0o1777)];
    for folder in [around.folder, around.home] {
        if folder != PLAIN_FOLDER {
            folders.push((folder.trim_start_matches('/'), 0o755));
        }
    }
    folders
}

/// What the sandbox mounts a file system of its own on.
const COVERED: [&str; 2] = ["proc", "dev"];

/// What is in place.
pub(super) struct Staged {
    pub(super) base: Base,
    pub(super) binds: Vec<Bind>,
    /// Where what is written ends up.
    pub(super) upper: PathBuf,
    /// Places made in a writable root, outermost first, to be taken away again.
    made: Vec<String>,
}

/// Puts everything in place.
pub(super) fn stage(request: &Request<'_>) -> Result<Staged> {
    for mount in request.mounts.iter().chain(&request.copies) {
        check_place(&mount.at)?;
    }
    for name in ["root", "upper", "work"] {
        let path = request.scratch.join(name);
        std::fs::create_dir(&path).doing(|| format!("make the folder `{}`", path.display()))?;
    }
    match request.root {
        Root::Overlay { lower } => stage_overlay(request, lower),
        Root::Writable(folder) => stage_writable(request, folder),
    }
}

fn stage_overlay(request: &Request<'_>, lower: &Path) -> Result<Staged> {
    let upper = request.scratch.join("upper");
    let root = beneath::open_root(&upper).doing(|| format!("open `{}`", upper.display()))?;
    set_mode(&root, "", 0o755)?;
    let mut places = Vec::new();
    for (name, mode) in own_folders(request.variant) {
        places.extend(make_place(&root, name)?);
        set_mode(&root, name, mode)?;
        hide_lower(&root, name, lower)?;
    }
    places.extend(names::rewrite(&root, lower, request.variant)?);
    for place in COVERED {
        // A folder that the environment has will do; each one made here is one more to remove.
        if !std::fs::symlink_metadata(lower.join(place)).is_ok_and(|found| found.is_dir()) {
            places.extend(make_place(&root, place)?);
        }
    }
    let mut binds = Vec::new();
    for mount in &request.mounts {
        places.extend(make_mount_point(&root, &mount.at[1..], &mount.from)?);
        binds.push(Bind { from: mount.from.clone(), at: mount.at.clone(), writable: false });
    }
    binds.extend(machine::covers(request.variant, request.scratch)?);
    for copy in &request.copies {
        places.extend(copy_to(&root, copy)?);
    }
    // Innermost first, since making an entry changes the folder's time.
    places.push(String::new());
    places.sort_by(|one, other| other.cmp(one));
    for place in &places {
        set_time(&root, place).doing(|| format!("set the time of `/{place}`"))?;
    }
    Ok(Staged { base: Base::Overlay(lower.to_owned()), binds, upper, made: Vec::new() })
}

fn stage_writable(request: &Request<'_>, folder: &Path) -> Result<Staged> {
    let root = beneath::open_root(folder).doing(|| format!("open `{}`", folder.display()))?;
    let scratch =
        beneath::open_root(request.scratch).doing(|| format!("open `{}`", request.scratch.display()))?;
    let (mut binds, mut made) = (Vec::new(), Vec::new());
    for place in COVERED {
        made.extend(make_place(&root, place)?);
    }
    let own = own_folders(request.variant);
    for &(name, mode) in &own {
        made.extend(make_place(&root, name)?);
        make_place(&scratch, name)?;
        set_mode(&scratch, name, mode)?;
        binds.push(Bind { from: request.scratch.join(name), at: format!("/{name}"), writable: true });
    }
    // What lies in /build or /tmp is in the folder mounted there.
    let holder = |at: &str| {
        let own = own.iter().any(|(name, _)| at[1..].starts_with(&format!("{name}/")));
        if own { &scratch } else { &root }
    };
    for mount in &request.mounts {
        let places = make_mount_point(holder(&mount.at), &mount.at[1..], &mount.from)?;
        if std::ptr::eq(holder(&mount.at), &raw const root) {
            made.extend(places);
        }
        binds.push(Bind { from: mount.from.clone(), at: mount.at.clone(), writable: false });
    }
    for copy in &request.copies {
        copy_to(holder(&copy.at), copy)?;
    }
    Ok(Staged { base: Base::Writable(folder.to_owned()), binds, upper: folder.to_owned(), made })
}

impl Staged {
    /// Takes away what was only there for the run. What can't be is left: the scratch folder goes anyway.
    pub(super) fn tidy(&self, scratch: &Path) {
        if let Base::Writable(folder) = &self.base
            && let Ok(root) = beneath::open_root(folder)
        {
            for place in self.made.iter().rev() {
                let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
                let Ok(parent) = beneath::open(&root, parent, OFlags::PATH | OFlags::DIRECTORY) else {
                    continue;
                };
                if rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) == Err(Errno::NOTDIR) {
                    let _ = rustix::fs::unlinkat(&parent, name, AtFlags::empty());
                }
            }
        }
        open_up(&scratch.join("work"));
    }
}

/// Makes overlay's work folder one that its owner can remove: the kernel leaves a folder of mode 000 in it.
pub(crate) fn open_up(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

fn check_place(at: &str) -> Result<()> {
    let parts = at.strip_prefix('/').unwrap_or("").split('/');
    if parts.into_iter().all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0')) {
        return Ok(());
    }
    Err(Failure::bug(format!("`{at}` can't be a place in a sandbox")))
}

fn make_place(root: &OwnedFd, path: &str) -> Result<Vec<String>> {
    beneath::make_folders(root, path).doing(|| format!("make the folder `/{path}` in the sandbox"))
}

/// Makes what a file or folder is mounted on.
fn make_mount_point(root: &OwnedFd, path: &str, from: &Path) -> Result<Vec<String>> {
    let folder = std::fs::metadata(from).doing(|| format!("read `{}`", from.display()))?.is_dir();
    if folder {
        return make_place(root, path);
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut made = make_place(root, parent)?;
    let holder = beneath::open(root, parent, OFlags::PATH | OFlags::DIRECTORY)
        .doing(|| format!("open `/{parent}` in the sandbox"))?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&holder, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(_) => made.push(path.to_owned()),
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno).doing(|| format!("make `/{path}` in the sandbox")),
    }
    Ok(made)
}

/// Lets nothing of the environment be seen in a folder of the writable layer.
fn hide_lower(root: &OwnedFd, name: &str, lower: &Path) -> Result<()> {
    let below = match std::fs::read_dir(lower.join(name)) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => false,
    };
    if !below {
        return Ok(());
    }
    let folder =
        beneath::open(root, name, OFlags::RDONLY | OFlags::DIRECTORY).doing(|| format!("open `/{name}`"))?;
    rustix::fs::fsetxattr(&folder, "user.overlay.opaque", b"y", XattrFlags::empty())
        .doing(|| format!("hide what the environment has in `/{name}`"))
}

fn set_mode(root: &OwnedFd, path: &str, mode: u32) -> Result<()> {
    beneath::open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
        .and_then(|folder| rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode)))
        .doing(|| format!("set the mode of `/{path}` in the sandbox"))
}

fn fixed() -> Timestamps {
    let time = Timespec { tv_sec: FIXED_TIME, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn set_time(root: &OwnedFd, path: &str) -> Result<(), Errno> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = beneath::open(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    let name = if name.is_empty() { "." } else { name };
    rustix::fs::utimensat(&parent, name, &fixed(), AtFlags::SYMLINK_NOFOLLOW)
}

/// Copies a file or folder to its place; tells which folders were made for it.
fn copy_to(root: &OwnedFd, copy: &Mount) -> Result<Vec<String>> {
    let (parent, name) = copy.at[1..].rsplit_once('/').unwrap_or(("", &copy.at[1..]));
    let made = make_place(root, parent)?;
    let doing = || format!("copy `{}` to `{}` in the sandbox", copy.from.display(), copy.at);
    let parent = beneath::open(root, parent, OFlags::PATH | OFlags::DIRECTORY).doing(doing)?;
    let metadata = std::fs::metadata(&copy.from).doing(doing)?;
    if metadata.is_dir() {
        let from =
            rustix::fs::open(&copy.from, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .doing(doing)?;
        copy_folder(&from, &parent, name).doing(doing)?;
    } else {
        let from = File::open(&copy.from).doing(doing)?;
        copy_file(&from, &parent, name).doing(doing)?;
    }
    Ok(made)
}

fn copy_folder(from: &OwnedFd, parent: &impl AsFd, name: &str) -> io::Result<()> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let to = beneath::open(parent, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(0o755))?;
    for entry in rustix::fs::Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let text = name.to_str().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the name {name:?} isn't UTF-8"))
        })?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode {
            mode if FileType::from_raw_mode(mode).is_dir() => {
                let folder = rustix::fs::openat(from, name, flags | OFlags::DIRECTORY, Mode::empty())?;
                copy_folder(&folder, &to, text)?;
            }
            mode if FileType::from_raw_mode(mode).is_file() => {
                let file = File::from(rustix::fs::openat(from, name, flags, Mode::empty())?);
                copy_file(&file, &to, text)?;
            }
            mode if FileType::from_raw_mode(mode).is_symlink() => {
                let target = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(target, &to, name)?;
                rustix::fs::utimensat(&to, name, &fixed(), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("`{text}` is neither file, folder nor link"),
                ));
            }
        }
    }
    Ok(rustix::fs::futimens(&to, &fixed())?)
}

fn copy_file(from: &File, parent: &impl AsFd, name: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let executable = from.metadata()?.permissions().mode() & 0o100 != 0;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let to = File::from(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644))?);
    // A reflink where the file system has them; the copy otherwise stays in the kernel.
    if rustix::fs::ioctl_ficlone(&to, from).is_err() {
        io::copy(&mut &*from, &mut &to)?;
    }
    rustix::fs::fchmod(&to, Mode::from_raw_mode(if executable { 0o755 } else { 0o644 }))?;
    Ok(rustix::fs::futimens(&to, &fixed())?)
}
