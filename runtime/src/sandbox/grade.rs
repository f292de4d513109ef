//! What a machine grants a sandbox, and which setting would grant what it doesn't.
//!
//! A feature is hard (a build without it could reach the network, the host or other builds, or would see
//! another file system: never given up) or cosmetic (its lack is recorded with the result). [`probe`] tries each
//! one really, in a process of its own.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::helpers::Helpers;
use super::protocol::{Message, Order, Stumble, send_order, take_messages};

/// Something of the kernel that a sandbox is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// A user namespace with one uid and gid.
    User,
    /// A mount namespace.
    Mount,
    /// A process-id namespace.
    Pid,
    /// A network namespace with loopback up.
    Net,
    /// A namespace for System V IPC and message queues.
    Ipc,
    /// A writable layer over a read-only folder.
    Overlay,
    /// A `/proc` of the sandbox's own processes.
    Proc,
    /// A minimal `/dev`.
    Devices,
    /// A root of its own with its inputs in it.
    Root,
    /// System-call filtering.
    Seccomp,
    /// Giving away capabilities and limits.
    Privileges,
    /// A fixed host and domain name.
    Hostname,
    /// Programs loaded at the same addresses every time.
    Personality,
    /// A binfmt_misc of its own: emulation without the host, and nothing of the host's registrations.
    Formats,
    /// A cgroup namespace.
    Cgroup,
    /// Watching the build's processes: needed only where something is answered in the kernel's place.
    Tracing,
}

impl Feature {
    /// Those that a probe tries, in order.
    pub const PROBED: [Feature; 12] = [
        Feature::User,
        Feature::Mount,
        Feature::Pid,
        Feature::Net,
        Feature::Ipc,
        Feature::Overlay,
        Feature::Proc,
        Feature::Seccomp,
        Feature::Hostname,
        Feature::Personality,
        Feature::Formats,
        Feature::Cgroup,
    ];

    /// Whether nothing is run without it.
    pub fn hard(self) -> bool {
        !matches!(self, Feature::Hostname | Feature::Personality | Feature::Formats | Feature::Cgroup)
    }

    /// What it is called for a person.
    pub fn name(self) -> &'static str {
        match self {
            Feature::User => "user namespace",
            Feature::Mount => "mount namespace",
            Feature::Pid => "pid namespace",
            Feature::Net => "network namespace",
            Feature::Ipc => "ipc namespace",
            Feature::Overlay => "overlay file system",
            Feature::Proc => "fresh /proc",
            Feature::Devices => "minimal /dev",
            Feature::Root => "root file system",
            Feature::Seccomp => "system-call filter",
            Feature::Privileges => "dropped privileges",
            Feature::Hostname => "fixed hostname",
            Feature::Personality => "fixed addresses",
            Feature::Formats => "own binfmt_misc",
            Feature::Cgroup => "cgroup namespace",
            Feature::Tracing => "tracing",
        }
    }
}

/// Whether a feature is granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// It is.
    Granted,
    /// It isn't.
    Refused {
        /// What was tried and the kernel's answer.
        why: String,
        /// What would change that, where it is known.
        setting: Option<String>,
    },
}

/// What this machine grants, feature by feature in the order of [`Feature::PROBED`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grade {
    /// Each feature that was tried.
    pub features: Vec<(Feature, Grant)>,
}

impl Grade {
    /// Whether builds can run here at all.
    pub fn sufficient(&self) -> bool {
        self.features.iter().all(|(feature, grant)| !feature.hard() || *grant == Grant::Granted)
    }

    /// Whether a feature is granted.
    pub fn grants(&self, wanted: Feature) -> bool {
        self.features.iter().any(|(feature, grant)| *feature == wanted && *grant == Grant::Granted)
    }
}

/// Tries everything once. Overlay is tried in the folder for temporary files.
pub fn probe() -> Grade {
    probe_with(Path::new("/proc/self/exe"), &std::env::temp_dir())
}

/// Tries everything once, with a given rbld binary, overlay below a given folder (the store's, to know about
/// its file system).
pub fn probe_with(helper: &Path, folder: &Path) -> Grade {
    let scratch = tempfile::Builder::new().prefix("rbld-probe-").tempdir_in(folder);
    let messages = match &scratch {
        Ok(scratch) => ask(helper, Some(scratch.path().to_owned())),
        Err(_) => ask(helper, None),
    };
    if let Ok(scratch) = scratch {
        // The folder of mode 000 that overlay leaves would stay.
        crate::executor::open_up(&scratch.path().join("work"));
    }
    let tried = |wanted: Feature| {
        messages.as_ref().ok().and_then(|messages| {
            messages.iter().find_map(|message| match message {
                Message::Tried(feature, outcome) if *feature == wanted => Some(outcome.clone()),
                _ => None,
            })
        })
    };
    let features = Feature::PROBED.map(|feature| {
        let grant = match tried(feature) {
            Some(None) => Grant::Granted,
            Some(Some(stumble)) => refused(&stumble),
            None => Grant::Refused {
                why: match &messages {
                    Err(error) => format!("the helper could not be started: {error}"),
                    Ok(_) => "the helper died while trying".to_owned(),
                },
                setting: None,
            },
        };
        (feature, grant)
    });
    Grade { features: features.into() }
}

fn ask(binary: &Path, scratch: Option<PathBuf>) -> std::io::Result<Vec<Message>> {
    use std::io::Read;
    // They end when this is dropped, so it has a name.
    let helpers = Helpers::new(binary);
    let mut helper = helpers.start()?;
    let mut answer = Vec::new();
    send_order(&mut helper.control, &Order::Probe(scratch))?;
    helper.control.read_to_end(&mut answer)?;
    Ok(take_messages(&mut answer))
}

fn refused(stumble: &Stumble) -> Grant {
    Grant::Refused { why: why(stumble), setting: setting(stumble) }
}

/// What was tried and what the kernel said.
pub(crate) fn why(stumble: &Stumble) -> String {
    format!("could not {}: {}", stumble.doing, std::io::Error::from_raw_os_error(stumble.errno))
}

/// The setting of this machine that stands in the way, and what to change it to.
pub(crate) fn setting(stumble: &Stumble) -> Option<String> {
    let errno = Errno::from_raw_os_error(stumble.errno);
    let refused = errno == Errno::PERM || errno == Errno::ACCESS;
    match stumble.feature {
        Feature::User | Feature::Mount | Feature::Pid | Feature::Net | Feature::Ipc | Feature::Cgroup => {
            namespace_setting(stumble.feature, errno)
        }
        Feature::Proc if refused => Some(
            "a container hides parts of /proc: start it with `--security-opt unmask=ALL` (podman) or \
             `--security-opt systempaths=unconfined` (docker)"
                .to_owned(),
        ),
        Feature::Hostname | Feature::Personality if refused || errno == Errno::NOSYS => Some(
            "a container filters system calls: start it with `--security-opt seccomp=unconfined`".to_owned(),
        ),
        Feature::Overlay if errno == Errno::INVAL || errno == Errno::NOTSUP => Some(
            "overlay can't write to this file system (itself an overlay, or a network's): set RBLD_STORE to a \
             folder on a disk or, in a container, on a volume"
                .to_owned(),
        ),
        Feature::Overlay if errno == Errno::PERM || errno == Errno::NODEV => {
            Some("overlay for ordinary users needs Linux 5.11 or later and the `overlay` module: `modprobe overlay`".to_owned())
        }
        Feature::Formats => Some(
            "it needs Linux 6.7 or later with `binfmt_misc`; on an older one register the emulator on the host \
             (package `qemu-user-static`, flag F)"
                .to_owned(),
        ),
        Feature::Tracing if errno == Errno::PERM && yama() >= 2 => {
            Some("`sysctl -w kernel.yama.ptrace_scope=1`".to_owned())
        }
        Feature::Tracing if refused || errno == Errno::NOSYS => Some(
            "a container filters `ptrace` or `pidfd_getfd`: start it with `--security-opt seccomp=unconfined`, or              vary other axes"
                .to_owned(),
        ),
        Feature::Root | Feature::Proc | Feature::Devices if errno == Errno::NOSYS => {
            Some("the sandbox needs Linux 5.12 or later".to_owned())
        }
        _ => None,
    }
}

/// How far the kernel keeps processes from watching each other; 0 where it doesn't.
fn yama() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// CAP_SETFCAP's number.
const SETFCAP: u32 = 31;

fn has_capability(number: u32) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.bits() & (1 << number) != 0)
}

fn namespace_setting(feature: Feature, errno: Errno) -> Option<String> {
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned())
    };
    let limit = match feature {
        Feature::User => "user/max_user_namespaces",
        Feature::Mount => "user/max_mnt_namespaces",
        Feature::Pid => "user/max_pid_namespaces",
        Feature::Net => "user/max_net_namespaces",
        Feature::Ipc => "user/max_ipc_namespaces",
        _ => "user/max_cgroup_namespaces",
    };
    if errno == Errno::NOSPC || read(limit).is_some_and(|value| value == "0") {
        return Some(format!("`sysctl -w {}=15000`", limit.replace('/', ".")));
    }
    if errno == Errno::INVAL || errno == Errno::NOSYS {
        return Some(format!("this kernel was built without a {}", feature.name()));
    }
    // The kernel wants this of a root whose uid gets a new name; containers usually leave it.
    if rustix::process::geteuid().is_root() && !has_capability(SETFCAP) {
        return Some("as root it needs CAP_SETFCAP: start the container with `--cap-add SETFCAP`, or run rbld as an ordinary user".to_owned());
    }
    if read("kernel/unprivileged_userns_clone").is_some_and(|value| value == "0") {
        return Some("`sysctl -w kernel.unprivileged_userns_clone=1`".to_owned());
    }
    if read("kernel/apparmor_restrict_unprivileged_userns").is_some_and(|value| value != "0") {
        return Some("`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`".to_owned());
    }
    let filtered = std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Seccomp:") && line.ends_with('2')));
    if filtered {
        return Some(
            "a container filters system calls: start it with `--security-opt seccomp=unconfined`".to_owned(),
        );
    }
    Some(
        "inside a plain chroot the kernel refuses this: enter the folder with pivot_root or a container"
            .to_owned(),
    )
}
