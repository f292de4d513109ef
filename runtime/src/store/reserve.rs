//! Room set aside in the store, so that there is some to clean up with when the disk is full.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How many bytes: what the database writes in one step of a garbage collection, and more.
const SIZE: usize = 2 << 20;

/// Sets the room aside; there may be some already.
pub(super) fn save(root: &Path) -> io::Result<()> {
    let path = root.join("reserve");
    let flags = (rustix::fs::OFlags::NOFOLLOW).bits() as i32;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(path)?;
    // Written, not only claimed: some file systems can't do the latter.
    file.write_all(&vec![0; SIZE])
}

/// Gives it free.
pub(super) fn spend(root: &Path) {
    // A store without it is one that was cleaned on a full disk before.
    let _ = std::fs::remove_file(root.join("reserve"));
}
