//! What rbld and its helper process say to each other.
//!
//! One socket for each helper: rbld writes one [`Order`] (its length, then JSON) and keeps its end
//! open as long as it wants the work done; the helper answers with [`Message`]s, one JSON line each. The end of
//! the stream means that the helper, and with it every process of the sandbox, is gone.

use std::io::{Read, Write};
use std::path::PathBuf;

use rbld_lang::derivation::Arch;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::grade::Feature;
use super::seccomp::Answers;

/// The longest order that is read.
const LONGEST: u64 = 256 << 20;

/// The work of one helper process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Run a program.
    Run(Box<Setup>),
    /// Try each feature, with a folder to try overlay in if there is one.
    Probe(Option<PathBuf>),
}

/// A sandbox and the program in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The one uid and gid there is inside.
    pub(crate) id: u32,
    /// Which system calls get which answers.
    pub(crate) answers: Answers,
    /// The instruction set of the root's programs.
    pub(crate) arch: Arch,
    /// What runs them, where the host can't; a static program on the host's disk.
    pub(crate) emulator: Option<PathBuf>,
    /// What becomes the root.
    pub(crate) base: Base,
    /// A prepared folder: `root` and, for an overlay, `upper` and `work` are in it.
    pub(crate) scratch: PathBuf,
    /// What is mounted on places that exist in the root by now.
    pub(crate) binds: Vec<Bind>,
    /// The program and its arguments; a name without `/` is looked for in the environment's PATH.
    pub(crate) argv: Vec<String>,
    /// `NAME=value`, sorted.
    pub(crate) env: Vec<String>,
    /// The folder it starts in.
    pub(crate) cwd: String,
    /// The permissions that new files don't get.
    pub(crate) umask: u32,
    /// The name of the machine.
    pub(crate) hostname: String,
    /// Its domain.
    pub(crate) domain: String,
    /// Whether programs are loaded at other addresses every time.
    pub(crate) random_addresses: bool,
    /// What is answered in the kernel's place.
    pub(crate) views: Views,
    /// The processors that it may use; all if none is named.
    pub(crate) allowed: Vec<usize>,
}

/// What is answered in the kernel's place; nothing unless it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Views {
    /// The time of day, and the times of files with it.
    pub(crate) clock: Option<Clock>,
    /// The order in which a folder is listed.
    pub(crate) order: Option<Listed>,
    /// The kernel's release and version.
    pub(crate) kernel: Option<(String, String)>,
    /// How many processors there are.
    pub(crate) cpus: Option<u32>,
}

impl Views {
    /// Whether there is anything to answer.
    pub(crate) fn any(&self) -> bool {
        *self != Views::default()
    }
}

/// A time of day that is not the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Clock {
    /// The machine's, more than a year on.
    Shifted,
    /// From one fixed moment on, and hardly going.
    Held,
}

/// An order of names that is not the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Listed {
    /// The kernel's, reversed.
    Reversed,
    /// By the names' bytes.
    ByName,
}

/// What becomes the root.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Base {
    /// A folder under a writable layer.
    Overlay(PathBuf),
    /// A folder itself.
    Writable(PathBuf),
}

/// A file or folder of the host seen inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bind {
    /// Where it is on the host.
    pub(crate) from: PathBuf,
    /// Where it is seen, absolute.
    pub(crate) at: String,
    /// Whether it can be written to.
    pub(crate) writable: bool,
}

/// Something that the kernel refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stumble {
    /// What it was needed for.
    pub(crate) feature: Feature,
    /// What was being done, for a person.
    pub(crate) doing: String,
    /// The kernel's answer.
    pub(crate) errno: i32,
}

impl Stumble {
    pub(crate) fn new(feature: Feature, doing: impl Into<String>, errno: Errno) -> Stumble {
        Stumble { feature, doing: doing.into(), errno: errno.raw_os_error() }
    }
}

/// Says what a refused call was for.
pub(crate) trait While<T> {
    /// Names the feature and what was being done.
    fn during(self, feature: Feature, doing: &str) -> Result<T, Stumble>;
}

impl<T> While<T> for Result<T, Errno> {
    fn during(self, feature: Feature, doing: &str) -> Result<T, Stumble> {
        self.map_err(|errno| Stumble::new(feature, doing, errno))
    }
}

/// What the helper says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The helper lives; its process id.
    Began(i32),
    /// The sandbox could not be set up; no program was started.
    Failed(Stumble),
    /// Everything is set up but these, which may be missing; the program starts next.
    Ready(Vec<Stumble>),
    /// The program could not be started in a sandbox that is fine.
    NotStarted {
        /// What failed, for a person.
        doing: String,
        /// The kernel's answer.
        errno: i32,
    },
    /// The program exited.
    Exited(i32),
    /// A signal killed the program.
    Killed(i32),
    /// One feature was tried: none if it is granted.
    Tried(Feature, Option<Stumble>),
}

/// Writes an order.
pub(crate) fn send_order(to: &mut impl Write, order: &Order) -> std::io::Result<()> {
    let text = serde_json::to_vec(order)?;
    to.write_all(&(text.len() as u64).to_le_bytes())?;
    to.write_all(&text)
}

/// Reads an order.
pub(crate) fn read_order(from: &mut impl Read) -> std::io::Result<Order> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut text = Vec::new();
    from.take(length).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Writes a message.
pub(crate) fn send_message(to: &mut impl Write, message: &Message) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Takes the whole lines off what was read so far.
pub(crate) fn take_messages(read: &mut Vec<u8>) -> Vec<Message> {
    let Some(end) = read.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let rest = read.split_off(end + 1);
    let lines = std::mem::replace(read, rest);
    lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_pieces() {
        let mut bytes = Vec::new();
        send_message(&mut bytes, &Message::Ready(Vec::new())).unwrap();
        send_message(&mut bytes, &Message::Exited(3)).unwrap();
        let rest = bytes.split_off(bytes.len() - 2);
        assert_eq!(take_messages(&mut bytes), [Message::Ready(Vec::new())]);
        bytes.extend(rest);
        assert_eq!(take_messages(&mut bytes), [Message::Exited(3)]);
        assert!(bytes.is_empty());
    }
}
