//! Where helper processes come from: one process that forks them, rbld itself started as `rbld __sandbox`.
//!
//! Loading and linking the binary anew for each sandbox would take longer than making the sandbox. The process holds
//! nothing but a socket: an order is read by the helper it is for. It is started when first needed, ends with rbld, and
//! knows nothing of what helpers do ([`super::helper`]).

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::pipe::PipeFlags;

/// The process that forks helpers, once one was asked for.
#[derive(Debug)]
pub(crate) struct Helpers {
    binary: PathBuf,
    server: Mutex<Option<Server>>,
}

/// Our ends of what connects us with one helper.
pub(crate) struct Helper {
    /// Takes the order, gives the messages, ends with the helper.
    pub(crate) control: UnixStream,
    /// What it and everything inside prints.
    pub(crate) log: OwnedFd,
}

/// The running process.
#[derive(Debug)]
struct Server {
    /// Its end is the process's end; `None` while it is dropped.
    socket: Option<UnixStream>,
    /// The kernel ends the process with the thread that started it, so that one waits.
    thread: Option<JoinHandle<()>>,
}

impl Helpers {
    /// Helpers of this rbld binary.
    pub(crate) fn new(binary: impl Into<PathBuf>) -> Helpers {
        Helpers { binary: binary.into(), server: Mutex::new(None) }
    }

    /// Starts a helper. One whose process has died is known by the end of its messages.
    pub(crate) fn start(&self) -> io::Result<Helper> {
        let (control, theirs) = UnixStream::pair()?;
        let (log, output) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let helper = Helper { control, log };
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*server
            && running.pass(&theirs, &output).is_ok()
        {
            return Ok(helper);
        }
        // The first one, or somebody has killed the last.
        let started = Server::start(&self.binary)?;
        let _ = started.pass(&theirs, &output);
        *server = Some(started);
        Ok(helper)
    }
}

impl Server {
    fn start(binary: &Path) -> io::Result<Server> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut command = Command::new(binary);
        command
            .arg0("rbld")
            .arg(super::helper::ARGUMENT)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is for rbld alone, which then asks.
            .process_group(0);
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new().name("sandboxes".to_owned()).spawn(move || {
            let spawned = command.spawn();
            // Its end of the socket must not stay open here.
            drop(command);
            let (said, child) = match spawned {
                Ok(child) => (Ok(()), Some(child)),
                Err(error) => (Err(error), None),
            };
            let _ = tell.send(said);
            if let Some(mut child) = child {
                // Fails only where rbld was started with an order to ignore the end of its children.
                let _ = child.wait();
            }
        })?;
        told.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        Ok(Server { socket: Some(socket), thread: Some(thread) })
    }

    /// Passes a helper's ends on.
    fn pass(&self, control: &UnixStream, output: &OwnedFd) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let descriptors = [control.as_fd(), output.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        rustix::net::sendmsg(socket, &[IoSlice::new(b"+")], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.socket.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
