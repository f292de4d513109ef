//! Which system calls a build gets an answer to, as a filter program for the kernel.
//!
//! Two sets of answers: a recipe's (an ordinary user: changing owners fails as it does for anybody) and a
//! maintainer script's (uid 0 whose changes of owner are answered "done", because a tree has no owners). Both
//! lose what only an attacker needs. The program holds one section for each instruction set that the host
//! runs, so a 32-bit program is no way around it. Knows nothing of processes or namespaces.

use libc::sock_filter;
use serde::{Deserialize, Serialize};

use super::syscalls::{self as call, Call, LAST_KNOWN, Machine};

/// Whose system calls are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answers {
    /// A recipe's: owners can be "changed" to this id, any other gets EPERM.
    Build {
        /// The one uid and gid there is.
        id: u32,
    },
    /// A maintainer script's: owners, ids and device nodes are answered "done".
    Root,
}

/// What is done with a call whose number matched. Every form decides: none falls through to the next rule.
enum Verdict {
    /// Always this error number; 0 is "done".
    Errno(i32),
    /// EPERM unless each of these arguments is the id or -1.
    OnlyId(u32, &'static [u32]),
    /// EPERM if the argument has one of these bits.
    NoBits(u32, u32),
    /// EPERM if the argument is one of these.
    NotOneOf(u32, &'static [u32]),
    /// EAFNOSUPPORT unless the first argument is one of these.
    Families(&'static [u32]),
    /// "Done" if the mode in this argument is a device's.
    DeviceDone(u32),
}

// linux/filter.h and linux/seccomp.h.
pub(super) const LOAD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_EQUAL: u16 = 0x35;
pub(super) const JUMP_SET: u16 = 0x45;
pub(super) const RETURN: u16 = 0x06;
pub(super) const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
/// The bit that marks a call of the x32 kind.
const X32: u32 = 0x4000_0000;
/// Where Arm's private calls (cache flush, thread pointer) begin.
const ARM_PRIVATE: u32 = 0x000f_0000;

/// The families a build may open sockets of: none given, unix, IPv4, IPv6, netlink. What is left out reaches
/// beyond the network namespace (vsock) or only widens what an attacker can touch.
const FAMILIES: &[u32] = &[0, 1, 2, 10, 16];
/// `TIOCSTI` and `TIOCLINUX`: typing into a terminal.
const TYPING: &[u32] = &[0x5412, 0x541c];

/// The filter for a host's instruction sets. `legacy_sockets`: whether 32-bit x86 programs may use the old
/// combined socket call, whose families a filter can't see; their C library has no other.
pub(super) fn program(machines: &[Machine], answers: Answers, legacy_sockets: bool) -> Vec<sock_filter> {
    let mut program = vec![step(LOAD, ARCHITECTURE)];
    for &machine in machines {
        let section = section(machine, answers, legacy_sockets);
        program.push(branch(JUMP_EQUAL, machine.audit(), 1, 0));
        program.push(step(JUMP, section.len() as u32));
        program.extend(section);
    }
    program.push(step(RETURN, errno(libc::ENOSYS)));
    program
}

fn section(machine: Machine, answers: Answers, legacy_sockets: bool) -> Vec<sock_filter> {
    let mut section = vec![step(LOAD, NUMBER)];
    if machine == Machine::Amd64 {
        section.push(branch(JUMP_GREATER_EQUAL, X32, 0, 1));
        section.push(step(RETURN, errno(libc::ENOSYS)));
    }
    if machine == Machine::Arm {
        section.push(branch(JUMP_GREATER_EQUAL, ARM_PRIVATE, 0, 1));
        section.push(step(RETURN, ALLOW));
    }
    section.push(branch(JUMP_GREATER, LAST_KNOWN, 0, 1));
    section.push(step(RETURN, errno(libc::ENOSYS)));
    for (call, verdict) in rules(answers, legacy_sockets) {
        let Some(number) = call.number(machine) else { continue };
        let body = body(&verdict, matches!(machine, Machine::I386 | Machine::Arm));
        section.push(branch(JUMP_EQUAL, number, 0, body.len() as u8));
        section.extend(body);
    }
    section.push(step(RETURN, ALLOW));
    section
}

fn rules(answers: Answers, legacy_sockets: bool) -> Vec<(Call, Verdict)> {
    let mut rules = vec![
        (call::CLONE, Verdict::NoBits(0, libc::CLONE_NEWUSER as u32)),
        (call::UNSHARE, Verdict::NoBits(0, libc::CLONE_NEWUSER as u32)),
        // Its flags are behind a pointer; C libraries go back to clone.
        (call::CLONE3, Verdict::Errno(libc::ENOSYS)),
        (call::IOCTL, Verdict::NotOneOf(1, TYPING)),
        (call::SOCKET, Verdict::Families(FAMILIES)),
        (call::SOCKETPAIR, Verdict::Families(FAMILIES)),
    ];
    if !legacy_sockets {
        rules.push((call::SOCKETCALL, Verdict::Errno(libc::ENOSYS)));
    }
    let refused = [
        call::SETNS,
        call::CHROOT,
        call::PIVOT_ROOT,
        call::MOUNT,
        call::UMOUNT,
        call::UMOUNT2,
        call::FSOPEN,
        call::FSCONFIG,
        call::FSMOUNT,
        call::FSPICK,
        call::MOVE_MOUNT,
        call::OPEN_TREE,
        call::OPEN_TREE_ATTR,
        call::MOUNT_SETATTR,
        call::SWAPON,
        call::SWAPOFF,
        call::BPF,
        call::PERF_EVENT_OPEN,
        call::USERFAULTFD,
        call::KEXEC_LOAD,
        call::KEXEC_FILE_LOAD,
        call::INIT_MODULE,
        call::FINIT_MODULE,
        call::DELETE_MODULE,
        call::OPEN_BY_HANDLE_AT,
    ];
    rules.extend(refused.map(|call| (call, Verdict::Errno(libc::EPERM))));
    let absent = [
        call::ADD_KEY,
        call::REQUEST_KEY,
        call::KEYCTL,
        call::IO_URING_SETUP,
        call::IO_URING_ENTER,
        call::IO_URING_REGISTER,
    ];
    rules.extend(absent.map(|call| (call, Verdict::Errno(libc::ENOSYS))));
    match answers {
        Answers::Build { id } => rules.extend(build_rules(id)),
        Answers::Root => rules.extend(root_rules()),
    }
    rules
}

fn build_rules(id: u32) -> Vec<(Call, Verdict)> {
    vec![
        (call::CHOWN, Verdict::OnlyId(id, &[1, 2])),
        (call::CHOWN32, Verdict::OnlyId(id, &[1, 2])),
        (call::LCHOWN, Verdict::OnlyId(id, &[1, 2])),
        (call::LCHOWN32, Verdict::OnlyId(id, &[1, 2])),
        (call::FCHOWN, Verdict::OnlyId(id, &[1, 2])),
        (call::FCHOWN32, Verdict::OnlyId(id, &[1, 2])),
        (call::FCHOWNAT, Verdict::OnlyId(id, &[2, 3])),
        (call::SETUID, Verdict::OnlyId(id, &[0])),
        (call::SETUID32, Verdict::OnlyId(id, &[0])),
        (call::SETGID, Verdict::OnlyId(id, &[0])),
        (call::SETGID32, Verdict::OnlyId(id, &[0])),
        (call::SETREUID, Verdict::OnlyId(id, &[0, 1])),
        (call::SETREUID32, Verdict::OnlyId(id, &[0, 1])),
        (call::SETREGID, Verdict::OnlyId(id, &[0, 1])),
        (call::SETREGID32, Verdict::OnlyId(id, &[0, 1])),
        (call::SETRESUID, Verdict::OnlyId(id, &[0, 1, 2])),
        (call::SETRESUID32, Verdict::OnlyId(id, &[0, 1, 2])),
        (call::SETRESGID, Verdict::OnlyId(id, &[0, 1, 2])),
        (call::SETRESGID32, Verdict::OnlyId(id, &[0, 1, 2])),
    ]
}

fn root_rules() -> Vec<(Call, Verdict)> {
    let done = [
        call::CHOWN,
        call::CHOWN32,
        call::LCHOWN,
        call::LCHOWN32,
        call::FCHOWN,
        call::FCHOWN32,
        call::FCHOWNAT,
        call::SETUID,
        call::SETUID32,
        call::SETGID,
        call::SETGID32,
        call::SETREUID,
        call::SETREUID32,
        call::SETREGID,
        call::SETREGID32,
        call::SETRESUID,
        call::SETRESUID32,
        call::SETRESGID,
        call::SETRESGID32,
        call::SETFSUID,
        call::SETFSUID32,
        call::SETFSGID,
        call::SETFSGID32,
        call::SETGROUPS,
        call::SETGROUPS32,
        call::CAPSET,
    ];
    // A tree has no extended attributes either: the same answer on every file system.
    let unsupported = [call::SETXATTR, call::LSETXATTR, call::FSETXATTR, call::SETXATTRAT];
    let mut rules: Vec<(Call, Verdict)> =
        vec![(call::MKNOD, Verdict::DeviceDone(1)), (call::MKNODAT, Verdict::DeviceDone(2))];
    rules.extend(done.map(|call| (call, Verdict::Errno(0))));
    rules.extend(unsupported.map(|call| (call, Verdict::Errno(libc::ENOTSUP))));
    rules
}

fn body(verdict: &Verdict, short_ids: bool) -> Vec<sock_filter> {
    let refuse = |code: i32| [step(RETURN, errno(code)), step(RETURN, ALLOW)];
    let mut body = Vec::new();
    match verdict {
        Verdict::Errno(code) => body.push(step(RETURN, errno(*code))),
        Verdict::OnlyId(id, arguments) => {
            for argument in *arguments {
                body.push(load(*argument));
                // The id and -1 go on to the next argument; so does the -1 of the old 16-bit calls.
                let minus = if short_ids { 0xffff } else { u32::MAX };
                body.push(branch(JUMP_EQUAL, *id, 3, 0));
                body.push(branch(JUMP_EQUAL, u32::MAX, 2, 0));
                body.push(branch(JUMP_EQUAL, minus, 1, 0));
                body.push(step(RETURN, errno(libc::EPERM)));
            }
            body.push(step(RETURN, ALLOW));
        }
        Verdict::NoBits(argument, bits) => {
            body.extend([load(*argument), branch(JUMP_SET, *bits, 0, 1)]);
            body.extend(refuse(libc::EPERM));
        }
        Verdict::NotOneOf(argument, values) => {
            body.push(load(*argument));
            for value in *values {
                body.extend([branch(JUMP_EQUAL, *value, 0, 1), step(RETURN, errno(libc::EPERM))]);
            }
            body.push(step(RETURN, ALLOW));
        }
        Verdict::Families(families) => {
            body.push(load(0));
            for family in *families {
                body.extend([branch(JUMP_EQUAL, *family, 0, 1), step(RETURN, ALLOW)]);
            }
            body.push(step(RETURN, errno(libc::EAFNOSUPPORT)));
        }
        Verdict::DeviceDone(argument) => {
            body.extend([load(*argument), step(AND, libc::S_IFMT)]);
            for kind in [libc::S_IFCHR, libc::S_IFBLK] {
                body.extend([branch(JUMP_EQUAL, kind, 0, 1), step(RETURN, errno(0))]);
            }
            body.push(step(RETURN, ALLOW));
        }
    }
    body
}

/// Loads the low half of an argument; all machines here are little-endian.
pub(super) fn load(argument: u32) -> sock_filter {
    step(LOAD, 16 + 8 * argument)
}

pub(super) fn errno(code: i32) -> u32 {
    ERRNO | (code as u32 & 0xffff)
}

pub(super) fn step(code: u16, value: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k: value }
}

pub(super) fn branch(code: u16, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code, jt: yes, jf: no, k: value }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a program as the kernel would.
    pub(in crate::sandbox) fn answer(
        program: &[sock_filter],
        machine: Machine,
        call: &Call,
        arguments: [u32; 4],
    ) -> u32 {
        let number = call.number(machine).expect("the call exists there");
        answer_number(program, machine.audit(), number, arguments)
    }

    fn answer_number(program: &[sock_filter], audit: u32, number: u32, arguments: [u32; 4]) -> u32 {
        let (mut at, mut value) = (0usize, 0u32);
        loop {
            let step = &program[at];
            at += 1;
            let taken = match step.code {
                LOAD => {
                    value = match step.k {
                        NUMBER => number,
                        ARCHITECTURE => audit,
                        offset => arguments[(offset as usize - 16) / 8],
                    };
                    continue;
                }
                AND => {
                    value &= step.k;
                    continue;
                }
                JUMP => {
                    at += step.k as usize;
                    continue;
                }
                RETURN => return step.k,
                JUMP_EQUAL => value == step.k,
                JUMP_GREATER => value > step.k,
                JUMP_GREATER_EQUAL => value >= step.k,
                JUMP_SET => value & step.k != 0,
                code => panic!("unknown instruction {code:#x}"),
            };
            at += usize::from(if taken { step.jt } else { step.jf });
        }
    }

    pub(in crate::sandbox) const MACHINES: &[Machine] =
        &[Machine::Amd64, Machine::I386, Machine::Arm64, Machine::Arm];

    #[test]
    fn a_recipe_may_only_own() {
        let program = program(MACHINES, Answers::Build { id: 1000 }, false);
        let minus = u32::MAX;
        for &machine in MACHINES {
            let fchown = |uid, gid| answer(&program, machine, &call::FCHOWN, [3, uid, gid, 0]);
            assert_eq!(fchown(1000, minus), ALLOW);
            assert_eq!(fchown(minus, 1000), ALLOW);
            assert_eq!(fchown(0, minus), errno(libc::EPERM));
            assert_eq!(fchown(1000, 4), errno(libc::EPERM));
            assert_eq!(answer(&program, machine, &call::SETUID, [0, 0, 0, 0]), errno(libc::EPERM));
            assert_eq!(answer(&program, machine, &call::MKNODAT, [0, 0, libc::S_IFCHR, 0]), ALLOW);
        }
    }

    #[test]
    fn a_maintainer_script_is_told_that_it_is_done() {
        let program = program(MACHINES, Answers::Root, false);
        for &machine in MACHINES {
            let mknodat = |mode| answer(&program, machine, &call::MKNODAT, [0, 0, mode, 0]);
            assert_eq!(answer(&program, machine, &call::FCHOWN, [3, 7, 7, 0]), errno(0));
            assert_eq!(answer(&program, machine, &call::SETGROUPS, [0; 4]), errno(0));
            assert_eq!(mknodat(libc::S_IFCHR | 0o600), errno(0));
            assert_eq!(mknodat(libc::S_IFBLK), errno(0));
            assert_eq!(mknodat(libc::S_IFIFO | 0o600), ALLOW);
            assert_eq!(mknodat(0o644), ALLOW);
            assert_eq!(answer(&program, machine, &call::SETXATTR, [0; 4]), errno(libc::ENOTSUP));
        }
    }

    #[test]
    fn both_lose_what_only_an_attacker_needs() {
        for answers in [Answers::Build { id: 1000 }, Answers::Root] {
            let program = program(MACHINES, answers, false);
            for &machine in MACHINES {
                let clone = |flags| answer(&program, machine, &call::CLONE, [flags, 0, 0, 0]);
                let socket = |family| answer(&program, machine, &call::SOCKET, [family, 1, 0, 0]);
                assert_eq!(clone(libc::CLONE_NEWUSER as u32 | 17), errno(libc::EPERM));
                assert_eq!(clone(17), ALLOW);
                assert_eq!(answer(&program, machine, &call::CLONE3, [0; 4]), errno(libc::ENOSYS));
                assert_eq!(answer(&program, machine, &call::IOCTL, [0, 0x5412, 0, 0]), errno(libc::EPERM));
                assert_eq!(answer(&program, machine, &call::IOCTL, [0, 0x5401, 0, 0]), ALLOW);
                assert_eq!(socket(1), ALLOW);
                assert_eq!(socket(40), errno(libc::EAFNOSUPPORT));
                assert_eq!(answer(&program, machine, &call::KEYCTL, [0; 4]), errno(libc::ENOSYS));
                assert_eq!(answer(&program, machine, &call::MOUNT, [0; 4]), errno(libc::EPERM));
                assert_eq!(answer_number(&program, machine.audit(), 5000, [0; 4]), errno(libc::ENOSYS));
            }
        }
    }

    #[test]
    fn other_entries_are_closed() {
        let program = program(&[Machine::Amd64], Answers::Root, false);
        assert_eq!(answer_number(&program, Machine::I386.audit(), 1, [0; 4]), errno(libc::ENOSYS));
        assert_eq!(answer_number(&program, Machine::Amd64.audit(), X32 | 1, [0; 4]), errno(libc::ENOSYS));
        assert_eq!(answer_number(&program, Machine::Amd64.audit(), 1, [0; 4]), ALLOW);
    }

    #[test]
    fn a_program_fits_the_kernel() {
        for answers in [Answers::Build { id: 1000 }, Answers::Root] {
            assert!(program(MACHINES, answers, true).len() < 4096);
        }
    }
}
