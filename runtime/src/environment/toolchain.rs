//! Which packages are a toolchain: those whose own version shows in what they make.
//!
//! A judgement by name, for the order of a report and nothing else: what isn't known here is listed after what is.

/// The kinds, in the order in which a change of them explains other bytes, and how the names of their packages begin.
/// A name that ends in `$` is meant whole.
const KINDS: [(&str, &[&str]); 7] = [
    (
        "compiler",
        &[
            "gcc$",
            "gcc-",
            "g++$",
            "g++-",
            "cpp$",
            "cpp-",
            "gfortran",
            "gnat",
            "gdc",
            "gccgo",
            "clang",
            "llvm",
            "rustc",
            "cargo$",
            "golang",
            "ghc",
            "ocaml",
            "openjdk",
            "default-jdk",
            "javac",
            "tcc",
            "guile-",
            "sbcl",
            "mono-mcs",
            "gcc-toolchain",
            "libgcc-",
            "libstdc++",
            "libllvm",
            "libclang",
            "lld",
            "vala",
            "valac",
        ],
    ),
    ("linker", &["binutils", "libbinutils", "mold", "gold", "patchelf", "elfutils", "dwz"]),
    ("libc", &["libc6", "libc-", "libc-bin", "musl", "linux-libc-dev", "glibc"]),
    (
        "build tool",
        &[
            "make$",
            "cmake",
            "meson",
            "ninja-build",
            "autoconf",
            "automake",
            "autopoint",
            "autotools",
            "libtool",
            "m4$",
            "pkg-config",
            "pkgconf",
            "gettext",
            "bison",
            "flex",
            "gperf",
            "texinfo",
            "scons",
            "bazel",
            "maven",
            "gradle",
            "python3-setuptools",
            "python3-build",
            "python3-wheel",
            "python3-hatchling",
            "flit",
            "help2man",
            "groff",
            "doxygen",
            "sphinx",
            "python3-sphinx",
            "docbook",
            "xsltproc",
        ],
    ),
    (
        "packaging",
        &[
            "dpkg",
            "libdpkg-perl",
            "debhelper",
            "dh-",
            "dh_",
            "libdebhelper-perl",
            "strip-nondeterminism",
            "libfile-stripnondeterminism-perl",
            "fakeroot",
            "libfakeroot",
            "rpm",
            "guix",
            "nix",
        ],
    ),
    (
        "archiver",
        &[
            "tar$",
            "cpio",
            "zip$",
            "gzip",
            "bzip2",
            "xz-utils",
            "liblzma",
            "zstd",
            "libzstd",
            "lzip",
            "pigz",
            "zlib1g",
            "libarchive",
            "git$",
        ],
    ),
    (
        "interpreter",
        &[
            "dash",
            "bash$",
            "perl$",
            "perl-base",
            "perl-modules",
            "libperl",
            "python3$",
            "python3.",
            "libpython3",
            "ruby",
            "nodejs",
            "coreutils",
            "sed$",
            "gawk",
            "mawk",
            "grep$",
            "findutils",
            "diffutils",
            "patch$",
            "file$",
            "libmagic",
        ],
    ),
];

/// The kind of a package, by the order that kinds have; nothing of a package that isn't of a toolchain.
pub fn kind(name: &str) -> Option<(usize, &'static str)> {
    let fits = |begin: &&str| match begin.strip_suffix('$') {
        Some(whole) => name == whole,
        None => name.starts_with(begin),
    };
    let at = KINDS.iter().position(|(_, names)| names.iter().any(fits))?;
    Some((at, KINDS[at].0))
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn kinds_are_told_by_name() {
        for (name, expected) in [
            ("gcc-12", Some("compiler")),
            ("gcc-12-base", Some("compiler")),
            ("binutils-x86-64-linux-gnu", Some("linker")),
            ("libc6-dev", Some("libc")),
            ("linux-libc-dev", Some("libc")),
            ("make", Some("build tool")),
            ("makedev", None),
            ("debhelper", Some("packaging")),
            ("dh-autoreconf", Some("packaging")),
            ("git", Some("archiver")),
            ("git-man", None),
            ("python3.11-minimal", Some("interpreter")),
            ("python3-requests", None),
            ("libssl3", None),
        ] {
            assert_eq!(kind(name).map(|(_, kind)| kind), expected, "{name}");
        }
        assert!(kind("gcc") < kind("dpkg-dev"));
    }
}
