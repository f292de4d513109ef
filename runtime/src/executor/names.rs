//! Files of the environment that name the user or the machine, rewritten for a variant that changes either.
//!
//! Written into the writable layer, so only the one build sees them. The plain build sees the environment's own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rbld_lang::vary::Axis;
use rustix::fs::{Mode, OFlags};

use super::beneath;
use crate::failure::{Doing, Result};
use crate::vary::{Surroundings, Variant};

/// No such file is longer.
const LONGEST: u64 = 4 << 20;

/// Writes the files that a variant changes into the layer at `upper`; tells which.
pub(super) fn rewrite(upper: &OwnedFd, lower: &Path, variant: &Variant) -> Result<Vec<String>> {
    let below = beneath::open_root(lower).doing(|| format!("open `{}`", lower.display()))?;
    let around = Surroundings::of(variant);
    let mut written = Vec::new();
    let mut change = |path: &str, change: &dyn Fn(&str) -> String| -> Result<()> {
        // An environment without it knows no names at all; that stays so.
        let Ok(file) = beneath::open(&below, path, OFlags::RDONLY | OFlags::NONBLOCK) else { return Ok(()) };
        let mut text = Vec::new();
        File::from(file).take(LONGEST).read_to_end(&mut text).doing(|| format!("read `/{path}`"))?;
        written.extend(put(upper, path, &change(&String::from_utf8_lossy(&text)))?);
        Ok(())
    };
    if variant.varies(Axis::User) || variant.varies(Axis::Home) {
        change("etc/passwd", &|text| users(text, &around))?;
    }
    if variant.varies(Axis::User) {
        change("etc/group", &|text| groups(text, &around))?;
    }
    if variant.varies(Axis::Hostname) {
        change("etc/hostname", &|_| format!("{}\n", around.hostname))?;
        change("etc/hosts", &|text| {
            let host = around.hostname;
            format!("{}\n127.0.1.1 {host}.{} {host}\n", text.trim_end_matches('\n'), around.domain)
        })?;
    }
    Ok(written)
}

fn put(upper: &OwnedFd, path: &str, text: &str) -> Result<Vec<String>> {
    let doing = || format!("write `/{path}` in the sandbox");
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut made = beneath::make_folders(upper, parent).doing(doing)?;
    let parent = beneath::open(upper, parent, OFlags::PATH | OFlags::DIRECTORY).doing(doing)?;
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644)).doing(doing)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644)).doing(doing)?;
    File::from(file).write_all(text.as_bytes()).doing(doing)?;
    made.push(path.to_owned());
    Ok(made)
}

/// The lines of `/etc/passwd` with the build's user as it is now.
fn users(text: &str, around: &Surroundings) -> String {
    each_line(text, |fields| {
        let id = around.id.to_string();
        if let [name, _, uid, gid, _, home, ..] = fields {
            (*name, *uid, *gid) = (around.user.to_owned(), id.clone(), id);
            if around.home != Surroundings::PLAIN.home {
                around.home.clone_into(home);
            }
        }
    })
}

/// The lines of `/etc/group` with the build's group as it is now.
fn groups(text: &str, around: &Surroundings) -> String {
    each_line(text, |fields| {
        if let [name, _, gid, ..] = fields {
            (*name, *gid) = (around.user.to_owned(), around.id.to_string());
        }
    })
}

/// Changes the fields of the line that is the build's own.
fn each_line(text: &str, change: impl Fn(&mut [String])) -> String {
    let mut all = String::with_capacity(text.len());
    for line in text.lines() {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if fields[0] == Surroundings::PLAIN.user {
            change(&mut fields);
        }
        all.push_str(&fields.join(":"));
        all.push('\n');
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000::/build:/bin/sh\nshort\n";

    #[test]
    fn only_the_builds_own_line_changes() {
        let both = Surroundings::of(&Variant::default().varying([Axis::User, Axis::Home]));
        assert_eq!(
            users(PASSWD, &both),
            "root:x:0:0:root:/root:/bin/sh\nanother:x:2357:2357::/home/of-another:/bin/sh\nshort\n"
        );
        let user = Surroundings::of(&Variant::default().varying([Axis::User]));
        assert!(users(PASSWD, &user).contains("another:x:2357:2357::/build:/bin/sh"));
        assert_eq!(groups("root:x:0:\nbuild:x:1000:\n", &user), "root:x:0:\nanother:x:2357:\n");
    }
}
