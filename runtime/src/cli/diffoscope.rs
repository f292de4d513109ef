//! diffoscope's own report beside ours: of each pair that was looked into, as a page of HTML in a folder.
//!
//! It is run where it is installed, for a limited time, on copies of what the store holds; it decides nothing.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::output;
use crate::compare::{ComparisonReport, Identity, Party};
use crate::executor::Cancel;
use crate::failure::{Doing, Result};
use crate::store::Store;

/// How long one pair may take.
const TIME: Duration = Duration::from_secs(600);

/// How often a running one is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Writes a page for each pair into a folder and says in the report where, or why there is none.
pub(super) fn attach(
    folder: &Path,
    report: &mut ComparisonReport,
    store: &Store,
    cancel: &Cancel,
) -> Result<()> {
    std::fs::create_dir_all(folder).doing(|| format!("make the folder `{}`", folder.display()))?;
    if !is_installed() {
        output::note(
            "note: diffoscope isn't installed, so there are no pages of it: `apt-get install diffoscope-minimal`",
        );
        return Ok(());
    }
    for (at, outcome) in report.outcomes.iter_mut().enumerate() {
        for (pair, evidence) in outcome.evidence.iter_mut().enumerate() {
            let name = |party: Party| match party {
                Party::Member(index) => outcome.members.get(index).map_or("", |member| member.key.as_str()),
                Party::Expected => "expected",
            };
            let page = folder.join(format!("{}-{}.html", at + 1, pair + 1));
            let sides =
                [(name(evidence.left), evidence.objects.0), (name(evidence.right), evidence.objects.1)];
            let done = if cancel.is_set() {
                Err("it was interrupted".to_owned())
            } else {
                run(&page, sides, store, cancel)
            };
            evidence.diffoscope = Some(done.map(|()| page.display().to_string()));
        }
    }
    Ok(())
}

fn is_installed() -> bool {
    let mut command = Command::new("diffoscope");
    let quiet = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// One page; the reason if there is none.
fn run(
    page: &Path,
    sides: [(&str, Identity); 2],
    store: &Store,
    cancel: &Cancel,
) -> std::result::Result<(), String> {
    let scratch = store.scratch("diffoscope").map_err(|failure| failure.message)?;
    let mut paths = Vec::new();
    for (number, (name, identity)) in sides.into_iter().enumerate() {
        paths.push(
            laid_out(name, number, identity, store, scratch.path()).map_err(|failure| failure.message)?,
        );
    }
    // In a file: a pipe that nobody reads would stop it.
    let words = scratch.path().join("said");
    let stderr = std::fs::File::create(&words).map_err(|error| error.to_string())?;
    let mut child = Command::new("diffoscope")
        .args(["--no-progress", "--exclude-directory-metadata=yes", "--html"])
        .arg(page)
        .args(&paths)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("diffoscope can't be run: {error}"))?;
    let code = wait(&mut child, cancel)?;
    match code {
        Some(0 | 1) if page.is_file() => Ok(()),
        Some(0 | 1) => Err("diffoscope sees no difference".to_owned()),
        _ => {
            let said = std::fs::read_to_string(&words).unwrap_or_default();
            Err(format!("diffoscope failed: {}", said.lines().last().unwrap_or("it said nothing")))
        }
    }
}

/// Waits until it ends; stops it, with all it has started, once its time is over.
fn wait(child: &mut Child, cancel: &Cancel) -> std::result::Result<Option<i32>, String> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status.code());
        }
        let late = start.elapsed() > TIME;
        if late || cancel.is_set() {
            if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                // It may have ended in this moment.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = child.wait();
            return Err(if late {
                format!("diffoscope took longer than {} minutes", TIME.as_secs() / 60)
            } else {
                "it was interrupted".to_owned()
            });
        }
        std::thread::sleep(STEP);
    }
}

/// A path that shows an object of the store: a copy of a file, or a folder that is ready.
fn laid_out(name: &str, number: usize, identity: Identity, store: &Store, scratch: &Path) -> Result<PathBuf> {
    if identity.folder {
        return store.ready(identity.digest);
    }
    let plain: String =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    let path = scratch.join(format!("{}-{plain}", number + 1));
    let doing = || format!("copy sha256:{}", identity.digest);
    let mut from = store.open_blob(identity.digest)?;
    let mut to = std::fs::File::create(&path).doing(doing)?;
    std::io::copy(&mut from, &mut to).doing(doing)?;
    Ok(path)
}
