//! Numbers of the system calls that the filters name, on each machine it can be loaded on.
//!
//! Facts of the kernel's tables only; what is answered to each is `seccomp`'s matter.

/// A kernel entry that programs of one instruction set use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    Amd64,
    I386,
    Arm64,
    Arm,
    Riscv64,
}

impl Machine {
    /// What seccomp calls it: `AUDIT_ARCH_*` of `linux/audit.h`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Machine::Amd64 => 0xc000_003e,
            Machine::I386 => 0x4000_0003,
            Machine::Arm64 => 0xc000_00b7,
            Machine::Arm => 0x4000_0028,
            Machine::Riscv64 => 0xc000_00f3,
        }
    }

    /// The entries that programs on this host can reach.
    pub(super) fn of_host() -> &'static [Machine] {
        if cfg!(target_arch = "x86_64") {
            &[Machine::Amd64, Machine::I386]
        } else if cfg!(target_arch = "aarch64") {
            &[Machine::Arm64, Machine::Arm]
        } else if cfg!(target_arch = "riscv64") {
            &[Machine::Riscv64]
        } else {
            &[]
        }
    }
}

/// One call's number on each machine; `-` where there is none.
pub(super) struct Call {
    amd64: Option<u32>,
    i386: Option<u32>,
    generic: Option<u32>,
    arm: Option<u32>,
}

impl Call {
    /// The number on a machine.
    pub(super) fn number(&self, machine: Machine) -> Option<u32> {
        match machine {
            Machine::Amd64 => self.amd64,
            Machine::I386 => self.i386,
            Machine::Arm64 | Machine::Riscv64 => self.generic,
            Machine::Arm => self.arm,
        }
    }
}

macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

macro_rules! calls {
    ($($name:ident $amd64:tt $generic:tt $i386:tt $arm:tt;)*) => {
        $(pub(super) const $name: Call = Call {
            amd64: number!($amd64), i386: number!($i386), generic: number!($generic), arm: number!($arm),
        };)*
        /// All of them, by name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, Call)] = &[$((stringify!($name), $name)),*];
    };
}

calls! {
    // name             amd64 arm64 i386 arm
    ADD_KEY             248 217 286 309;
    BPF                 321 280 357 386;
    CAPSET              126 91  185 185;
    CHOWN               92  -   182 182;
    CHOWN32             -   -   212 212;
    CHROOT              161 51  61  61;
    CLOCK_GETTIME       228 113 265 263;
    CLOCK_GETTIME64     -   -   403 403;
    CLOCK_NANOSLEEP     230 115 267 265;
    CLOCK_NANOSLEEP64   -   -   407 407;
    CLONE               56  220 120 120;
    CLONE3              435 435 435 435;
    DELETE_MODULE       176 106 129 129;
    FCHOWN              93  55  95  95;
    FCHOWN32            -   -   207 207;
    FCHOWNAT            260 54  298 325;
    FINIT_MODULE        313 273 350 379;
    FSCONFIG            431 431 431 431;
    FSETXATTR           190 7   228 228;
    FSMOUNT             432 432 432 432;
    FSOPEN              430 430 430 430;
    FSPICK              433 433 433 433;
    FSTAT               5   80  108 108;
    FSTAT64             -   -   197 197;
    FSTATAT64           -   -   300 327;
    FUTEX               202 98  240 240;
    FUTEX64             -   -   422 422;
    FUTIMESAT           261 -   299 326;
    GETDENTS            78  -   141 141;
    GETDENTS64          217 61  220 217;
    GETTIMEOFDAY        96  169 78  78;
    INIT_MODULE         175 105 128 128;
    IOCTL               16  29  54  54;
    IO_URING_ENTER      426 426 426 426;
    IO_URING_REGISTER   427 427 427 427;
    IO_URING_SETUP      425 425 425 425;
    KEXEC_FILE_LOAD     320 294 -   401;
    KEXEC_LOAD          246 104 283 347;
    KEYCTL              250 219 288 311;
    LCHOWN              94  -   16  16;
    LCHOWN32            -   -   198 198;
    LSETXATTR           189 6   227 227;
    LSTAT               6   -   107 107;
    LSTAT64             -   -   196 196;
    MKNOD               133 -   14  14;
    MKNODAT             259 33  297 324;
    MOUNT               165 40  21  21;
    MOUNT_SETATTR       442 442 442 442;
    MOVE_MOUNT          429 429 429 429;
    NEWFSTATAT          262 79  -   -;
    OPEN_BY_HANDLE_AT   304 265 342 371;
    OPEN_TREE           428 428 428 428;
    OPEN_TREE_ATTR      467 467 467 467;
    PERF_EVENT_OPEN     298 241 336 364;
    PIVOT_ROOT          155 41  217 218;
    PRCTL               157 167 172 172;
    REQUEST_KEY         249 218 287 310;
    SCHED_GETAFFINITY   204 123 242 242;
    SETFSGID            123 152 139 139;
    SETFSGID32          -   -   216 216;
    SETFSUID            122 151 138 138;
    SETFSUID32          -   -   215 215;
    SETGID              106 144 46  46;
    SETGID32            -   -   214 214;
    SETGROUPS           116 159 81  81;
    SETGROUPS32         -   -   206 206;
    SETNS               308 268 346 375;
    SETREGID            114 143 71  71;
    SETREGID32          -   -   204 204;
    SETRESGID           119 149 170 170;
    SETRESGID32         -   -   210 210;
    SETRESUID           117 147 164 164;
    SETRESUID32         -   -   208 208;
    SETREUID            113 145 70  70;
    SETREUID32          -   -   203 203;
    SETUID              105 146 23  23;
    SETUID32            -   -   213 213;
    SETXATTR            188 5   226 226;
    SETXATTRAT          463 463 463 463;
    SOCKET              41  198 359 281;
    SOCKETCALL          -   -   102 -;
    SOCKETPAIR          53  199 360 288;
    STAT                4   -   106 106;
    STAT64              -   -   195 195;
    STATX               332 291 383 397;
    SWAPOFF             168 225 115 115;
    SWAPON              167 224 87  87;
    TIME                201 -   13  -;
    UMOUNT              -   -   22  -;
    UMOUNT2             166 39  52  52;
    UNAME               63  160 122 122;
    UNSHARE             272 97  310 337;
    USERFAULTFD         323 282 374 388;
    UTIME               132 -   30  -;
    UTIMENSAT           280 88  320 348;
    UTIMENSAT64         -   -   412 412;
    UTIMES              235 -   271 269;
}

/// The last number that this table's author knew (`file_setattr`, Linux 6.17); the same on every machine.
pub(super) const LAST_KNOWN: u32 = 469;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_the_host() {
        let host = Machine::of_host()[0];
        let expect = [
            ("BPF", libc::SYS_bpf),
            ("CLOCK_GETTIME", libc::SYS_clock_gettime),
            ("CLOCK_NANOSLEEP", libc::SYS_clock_nanosleep),
            ("CLONE", libc::SYS_clone),
            ("FCHOWNAT", libc::SYS_fchownat),
            ("FSTAT", libc::SYS_fstat),
            ("FUTEX", libc::SYS_futex),
            ("GETDENTS64", libc::SYS_getdents64),
            ("GETTIMEOFDAY", libc::SYS_gettimeofday),
            ("IOCTL", libc::SYS_ioctl),
            ("KEYCTL", libc::SYS_keyctl),
            ("MKNODAT", libc::SYS_mknodat),
            ("NEWFSTATAT", libc::SYS_newfstatat),
            ("PRCTL", libc::SYS_prctl),
            ("SCHED_GETAFFINITY", libc::SYS_sched_getaffinity),
            ("SETRESUID", libc::SYS_setresuid),
            ("SOCKET", libc::SYS_socket),
            ("STATX", libc::SYS_statx),
            ("UNAME", libc::SYS_uname),
            ("UNSHARE", libc::SYS_unshare),
            ("UTIMENSAT", libc::SYS_utimensat),
        ];
        for (name, number) in expect {
            let call = ALL.iter().find(|(known, _)| *known == name).map(|(_, call)| call.number(host));
            assert_eq!(call, Some(u32::try_from(number).ok()), "{name}");
        }
    }

    #[test]
    fn no_number_is_used_twice() {
        for machine in [Machine::Amd64, Machine::I386, Machine::Arm64, Machine::Arm] {
            let mut numbers: Vec<u32> = ALL.iter().filter_map(|(_, call)| call.number(machine)).collect();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count, "{machine:?}");
        }
    }
}
