//! Running the maintainer scripts of unpacked packages, once, in the sandbox.
//!
//! Writes the script, runs it by an [`Executor`] over the unpacked root, and tells from dpkg's own
//! `status` and the log whether every package is installed; if not, which script of which package
//! failed and what it said last. What is kept of what they wrote is decided elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rbld_lang::derivation::{Arch, Package};

use super::dpkg::{self, State};
use super::package::{self, Part, Stage};
use crate::executor::{Cancel, Executor, Exit, Isolation, Mount, Request, Root, User};
use crate::failure::{Doing, Failure, Kind, Result};
use crate::progress::Task;
use crate::store::tree::Folder;
use crate::vary::Variant;

/// The time that scripts are told it is: 2011-11-11T11:11:11Z, which every file of a root has.
pub(super) const EPOCH: i64 = 1_321_009_871;

/// Keeps services from being started while they are configured: `101` is "forbidden by policy".
pub(super) const POLICY: &[u8] = b"#!/bin/sh\nexit 101\n";

/// A configuration that runs longer hangs.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

/// How much of the log is kept in memory, from its end.
const LOG_LIMIT: usize = 4 << 20;

/// What runs the scripts.
pub(super) struct Setting<'a> {
    pub(super) executor: &'a dyn Executor,
    pub(super) arch: Arch,
    /// The number of the rules.
    pub(super) rules: u32,
    /// Runs the programs, if the machine can't.
    pub(super) emulator: Option<&'a Path>,
    /// The unpacked root; never written to.
    pub(super) lower: &'a Path,
    /// A folder for the layer above it.
    pub(super) scratch: &'a Path,
    /// Where the whole log is written, after what earlier stages said.
    pub(super) log: &'a Path,
    pub(super) cancel: &'a Cancel,
}

/// A root in which every package is installed.
pub(super) struct Configured {
    /// The layer over the unpacked root.
    pub(super) upper: PathBuf,
    /// What kept the scripts from the rest of the machine.
    pub(super) isolation: Isolation,
}

/// Questions that are answered beforehand, for debconf: the package that asks, the answer, why.
const ANSWERS: &[(&str, &str, &str)] = &[(
    "man-db",
    "man-db man-db/auto-update boolean false",
    "the index of manual pages takes longer than most packages together, and is normalised away",
)];

/// Which of the stages run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stages {
    All,
    /// What every system has.
    First,
    /// The others, over a root in which the first has run.
    Later,
}

/// The script: stage by stage the `preinst` scripts, then dpkg; what only dpkg can unpack comes before the last.
pub(super) fn script(parts: &[Part], order: &[usize], which: Stages) -> String {
    let mut text = HEAD.to_owned();
    let stages = package::stages(parts, order);
    for (number, stage) in stages.iter().enumerate() {
        let runs = match which {
            Stages::All => true,
            Stages::First => number == 0,
            Stages::Later => number > 0,
        };
        if !runs {
            continue;
        }
        for &index in &stage.begin {
            let part = &parts[index];
            let _ =
                writeln!(text, "preinst {} {} {}", part.package.name, part.package.arch, part.info_name());
        }
        if number + 1 == stages.len() {
            for part in order.iter().map(|index| &parts[*index]).filter(|part| part.diverts()) {
                let _ = writeln!(text, "unpack {} {}", part.package.name, seen_at(part));
            }
            text.push_str(&answers(parts, &stages));
            text.push_str("configure -a\n");
        } else if !stage.configure.is_empty() {
            let names: Vec<String> = stage.configure.iter().map(|index| parts[*index].info_name()).collect();
            let _ = writeln!(text, "configure {}", names.join(" "));
        }
    }
    text
}

/// The answers that are wanted, where an earlier stage has configured debconf.
fn answers(parts: &[Part], stages: &[Stage]) -> String {
    let Some((_, earlier)) = stages.split_last() else { return String::new() };
    let mut configured = earlier.iter().flat_map(|stage| &stage.configure);
    if !configured.any(|index| parts[*index].package.name == "debconf") {
        return String::new();
    }
    let asks = |name: &str| parts.iter().any(|part| part.package.name == name);
    let wanted = ANSWERS.iter().filter(|(package, ..)| asks(package));
    wanted.map(|(_, answer, _)| format!("echo {answer} | debconf-set-selections\n")).collect()
}

/// Where the file of a package that dpkg unpacks is seen.
fn seen_at(part: &Part) -> String {
    format!("/inputs/{}.deb", part.package.digest)
}

/// Names and architectures have only letters, digits and `.+-:`: nothing to quote.
///
/// dpkg runs a `preinst` in `tmp.ci`, beside the other control members; debconf looks there.
const HEAD: &str = r#"cd /
preinst() {
  echo "Preparing $1:$2 ..."
  ln -sfn "/inputs/$3" /var/lib/dpkg/tmp.ci
  DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_ARCH=$2 DPKG_MAINTSCRIPT_NAME=preinst \
  DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_DEBUG=0 DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg \
    /var/lib/dpkg/tmp.ci/preinst install
  status=$?
  rm /var/lib/dpkg/tmp.ci
  [ $status = 0 ] && return
  echo "rbld: the preinst script of $1 failed with status $status"
  exit 1
}
unpack() {
  dpkg --force-unsafe-io --force-depends --unpack "$2" && return
  echo "rbld: the unpacking of $1 failed with status $?"
  exit 1
}
configure() {
  dpkg --force-unsafe-io --abort-after=100000 --configure "$@" || exit 1
}
"#;

/// What `preinst` scripts see beside themselves: a folder for each package that has one, to be laid at `inputs/NAME`.
pub(super) fn beside(parts: &[Part]) -> Vec<(String, Folder)> {
    let with_script = parts.iter().filter(|part| part.members.contains_key("preinst") && !part.diverts());
    let folder = |part: &Part| {
        let members = part.members.iter().map(|(name, member)| (name.clone(), member.node.clone()));
        Folder { entries: members.chain([("control".to_owned(), part.control.clone())]).collect() }
    };
    with_script.map(|part| (part.info_name(), folder(part))).collect()
}

/// Runs these stages over the root as it is before them. `deb` brings the file of a package that dpkg itself unpacks.
pub(super) fn run(
    setting: &Setting<'_>,
    parts: &[Part],
    order: &[usize],
    which: Stages,
    task: &Task,
    deb: &dyn Fn(&Package) -> Result<PathBuf>,
) -> Result<Configured> {
    let mut mounts = Vec::new();
    for part in parts.iter().filter(|part| part.diverts()) {
        mounts.push(Mount { from: deb(&part.package)?, at: seen_at(part) });
    }
    let mut log = Log::new(setting.log)?;
    let mut lines = Lines { task, rest: Vec::new() };
    let finished = setting.executor.run(Request {
        root: Root::Overlay { lower: setting.lower },
        scratch: setting.scratch,
        arch: setting.arch,
        emulator: setting.emulator,
        mounts,
        copies: Vec::new(),
        argv: vec!["/bin/bash".to_owned(), "-c".to_owned(), script(parts, order, which)],
        env: variables(setting.rules),
        cwd: "/".to_owned(),
        user: User::Root,
        variant: &Variant::default(),
        timeout: Some(LIMIT),
        log: &mut |bytes| {
            lines.take(bytes);
            log.take(bytes);
        },
        cancel: setting.cancel,
    })?;
    let text = log.finish()?;
    let told = |failure: Failure| explain(failure, &text, setting.log);
    match finished.exit {
        Exit::Cancelled => {
            return Err(Failure::new(Kind::Interrupted(2), "interrupted while packages were configured"));
        }
        Exit::Timeout => {
            let hours = LIMIT.as_secs() / 3600;
            return Err(told(Failure::build(format!(
                "configuring the packages took more than {hours} hours"
            ))));
        }
        Exit::Signal(signal) => {
            return Err(told(Failure::build(format!(
                "configuring the packages was ended by signal {signal}"
            ))));
        }
        Exit::Code(_) => {}
    }
    let code = if let Exit::Code(code) = finished.exit { code } else { 0 };
    let status = finished.upper.join(dpkg::ADMIN).join("status");
    let status = std::fs::read(&status).unwrap_or_default();
    let mut unfinished = dpkg::unfinished(&String::from_utf8_lossy(&status));
    if status.is_empty() {
        // No package got so far that dpkg wrote the file anew.
        unfinished = parts.iter().map(|part| state(&part.package.name, "unpacked")).collect();
    }
    match (code, unfinished.is_empty()) {
        (0, true) => Ok(Configured { upper: finished.upper, isolation: finished.isolation }),
        _ => Err(failed(code, &unfinished, &text, setting.log)),
    }
}

fn state(package: &str, state: &str) -> State {
    State { package: package.to_owned(), state: state.to_owned() }
}

/// The environment of the scripts.
fn variables(rules: u32) -> BTreeMap<String, String> {
    let epoch = EPOCH.to_string();
    let fixed = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("TERM", "dumb"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBCONF_NOWARNINGS", "yes"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("SOURCE_DATE_EPOCH", &epoch),
    ];
    // For TeX: its formats hold the time, and it takes the one above only if this is set too.
    let later = (rules >= 2).then_some(("FORCE_SOURCE_DATE", "1"));
    fixed.into_iter().chain(later).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The failure of the first package that failed by itself; the rest mostly waited for it.
fn failed(code: i32, unfinished: &[State], log: &str, path: &Path) -> Failure {
    let culprit = culprit(log);
    let message = match &culprit {
        Some((package, script)) => format!("the {script} script of the package `{package}` failed"),
        None => match (log.lines().find_map(|line| line.strip_prefix("dpkg: error: ")), unfinished.first()) {
            (Some(error), _) => format!("dpkg could not configure the packages: {error}"),
            (None, Some(first)) => format!("the package `{}` stayed {}", first.package, first.state),
            (None, None) => format!("dpkg ended with status {code} though every package is installed"),
        },
    };
    let mut failure = Failure::build(message);
    if !unfinished.is_empty() {
        let shown: Vec<String> =
            unfinished.iter().take(8).map(|state| format!("{} ({})", state.package, state.state)).collect();
        let more = if unfinished.len() > shown.len() {
            format!(" and {} more", unfinished.len() - shown.len())
        } else {
            String::new()
        };
        failure = failure.fact(format!("not installed: {}{more}", shown.join(", ")));
    }
    explain(failure, log, path)
}

/// Which script of which package the log blames first.
fn culprit(log: &str) -> Option<(String, String)> {
    let mut lines = log.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("rbld: the preinst script of ") {
            return Some((rest.split(' ').next()?.to_owned(), "preinst".to_owned()));
        }
        if let Some(rest) = line.strip_prefix("rbld: the unpacking of ") {
            return Some((rest.split(' ').next()?.to_owned(), "preinst".to_owned()));
        }
        let Some(rest) = line.strip_prefix("dpkg: error processing package ") else { continue };
        let package = rest.split(' ').next()?.to_owned();
        let why = lines.next().unwrap_or_default();
        if why.contains("dependency problems") {
            continue;
        }
        let script = if why.contains("post-installation") || why.contains("postinst") {
            "postinst"
        } else {
            "maintainer"
        };
        return Some((package, script.to_owned()));
    }
    None
}

/// Adds the end of the log, up to where it blames somebody, and where the whole is.
fn explain(failure: Failure, log: &str, path: &Path) -> Failure {
    let lines: Vec<&str> = log.lines().collect();
    let blame =
        |line: &&str| line.starts_with("dpkg: error processing package") || line.starts_with("rbld: the ");
    let end = lines.iter().position(blame).map_or(lines.len(), |at| (at + 2).min(lines.len()));
    let start = end.saturating_sub(20);
    let failure = lines[start..end].iter().fold(failure, |failure, line| failure.fact(format!("| {line}")));
    let failure = failure.fact(format!("the whole log: {}", path.display()));
    failure.help("a script that needs a service, a network or a second user can't run in an environment: leave out its package")
}

/// The log: all of it in a file, its end in memory.
struct Log {
    file: std::fs::File,
    path: PathBuf,
    end: Vec<u8>,
    failed: Option<std::io::Error>,
}

impl Log {
    fn new(path: &Path) -> Result<Log> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let file = file.doing(|| format!("write the log {}", path.display()))?;
        Ok(Log { file, path: path.to_owned(), end: Vec::new(), failed: None })
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Err(error) = std::io::Write::write_all(&mut self.file, bytes) {
            self.failed.get_or_insert(error);
        }
        self.end.extend_from_slice(bytes);
        if self.end.len() > 2 * LOG_LIMIT {
            self.end.drain(..self.end.len() - LOG_LIMIT);
        }
    }

    fn finish(self) -> Result<String> {
        match self.failed {
            None => Ok(String::from_utf8_lossy(&self.end).into_owned()),
            Some(error) => Err(Failure::io(format!("write the log {}", self.path.display()), &error)),
        }
    }
}

/// Hands whole lines to the progress.
struct Lines<'a> {
    task: &'a Task,
    rest: Vec<u8>,
}

impl Lines<'_> {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            self.task.line(&String::from_utf8_lossy(&self.rest[..end]));
            self.rest.drain(..=end);
        }
        // A line without an end must not fill the memory.
        if self.rest.len() > 1 << 16 {
            self.rest.clear();
        }
    }
}

#[cfg(test)]
#[path = "configure_tests.rs"]
mod tests;
