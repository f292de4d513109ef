//! The machine's own `guix`: where it is, which commit it is at, and running it. Knows nothing of what it is asked.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

use rbld_lang::channels;
use rbld_lang::lock::Channel;

use crate::failure::{Doing, Failure, Result};
use crate::progress::Task;

/// The variable that names the program.
pub(super) const VARIABLE: &str = "RBLD_GUIX";

/// The longest answer, in bytes.
const ANSWER: u64 = 64 << 20;

/// How much of what a failed Guix said is shown, in lines.
const SHOWN: usize = 12;

/// How long a line of it may be, in bytes.
const LINE: usize = 400;

/// A program that is a Guix.
pub(super) struct Command {
    /// Its path, or its name on the search path.
    pub(super) program: String,
}

impl Command {
    /// The one that is named, else that of `RBLD_GUIX`, else the one on the search path or where Guix puts it.
    pub(super) fn find(named: Option<&str>) -> Result<Command> {
        let variable = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
        if let Some(program) = named.map(str::to_owned).or(variable) {
            return match runs(&program) {
                true => Ok(Command { program }),
                false => Err(Failure::input(format!("`{program}` isn't a program that can be run"))
                    .fact("it is named to be asked which store items packages of Guix are")
                    .help(format!(
                        "name the program of a Guix, or leave `{VARIABLE}` out to have one looked for"
                    ))),
            };
        }
        let home = std::env::var("HOME").unwrap_or_default();
        let places = [
            "guix".to_owned(),
            format!("{home}/.config/guix/current/bin/guix"),
            "/run/current-system/profile/bin/guix".to_owned(),
            "/var/guix/profiles/per-user/root/current-guix/bin/guix".to_owned(),
        ];
        match places.into_iter().find(|program| runs(program)) {
            Some(program) => Ok(Command { program }),
            None => Err(none()),
        }
    }

    /// Whether it is a Guix of exactly these commits, so that no other has to be made.
    pub(super) fn is_at(&self, channels: &[Channel]) -> bool {
        let described = std::process::Command::new(&self.program)
            .args(["describe", "--format=channels"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let Ok(described) = described else { return false };
        let Ok(text) = String::from_utf8(described.stdout) else { return false };
        let Ok(known) = channels::parse(&text) else { return false };
        let commits = |channels: &[Channel]| -> Vec<(String, String)> {
            channels.iter().map(|channel| (channel.name.clone(), channel.commit.clone())).collect()
        };
        commits(&known) == commits(channels)
    }

    /// What it prints. What it says meanwhile is shown; the end of it is told when it fails.
    pub(super) fn run(&self, arguments: &[String], task: &Task) -> Result<String> {
        let running = || format!("run `{}`", self.program);
        let mut child = std::process::Command::new(&self.program)
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            // Packages of this user's own aren't the commit's.
            .env_remove("GUIX_PACKAGE_PATH")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing(running)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (answer, said) = std::thread::scope(|scope| {
            let said = scope.spawn(move || heard(stderr, task));
            let mut answer = Vec::new();
            let read = match stdout {
                Some(stdout) => stdout.take(ANSWER).read_to_end(&mut answer).map(|_| answer),
                None => Ok(answer),
            };
            (read, said.join().unwrap_or_default())
        });
        let status = child.wait().doing(running)?;
        let answer = answer.doing(running)?;
        if !status.success() {
            let (sub, how) = match arguments.first().map(String::as_str) {
                Some("time-machine") => {
                    ("time-machine", "`guix time-machine` builds the Guix of the commit first")
                }
                _ => ("repl", "the machine's own Guix was asked"),
            };
            let mut failure = Failure::world(format!("`guix {sub}` failed: {status}")).fact(how);
            failure.facts.extend(said);
            return Err(failure
                .help("it needs the network and a running guix-daemon, once; what is locked needs neither"));
        }
        String::from_utf8(answer)
            .map_err(|_| Failure::world(format!("`{}` doesn't answer in UTF-8", self.program)))
    }
}

/// Shows what comes, and keeps the last of it.
fn heard(stderr: Option<std::process::ChildStderr>, task: &Task) -> VecDeque<String> {
    let mut last: VecDeque<String> = VecDeque::new();
    let Some(stderr) = stderr else { return last };
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end is taken in pieces.
        match reader.by_ref().take(LINE as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text: String =
            String::from_utf8_lossy(&line).trim_end().chars().filter(|letter| !letter.is_control()).collect();
        if text.is_empty() {
            continue;
        }
        task.line(&text);
        last.push_back(text);
        if last.len() > SHOWN {
            last.pop_front();
        }
    }
}

/// Whether a name or path is a program.
fn runs(program: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let executable = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return executable(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| executable(&folder.join(program)))
}

fn none() -> Failure {
    Failure::world("no Guix is here to say which store items the packages are")
        .fact("it is asked once: what is locked needs no Guix, here or anywhere")
        .help(format!(
            "install one, as https://guix.gnu.org/install says, or name one in `{VARIABLE}`, or lock on a machine that \
             has one; store items named by `guix.items` need none"
        ))
}
