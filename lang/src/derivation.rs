//! Derivations: builds, environments and fetches after instantiation.
//!
//! A derivation is a plain value without a place in the source; its id is the sha256 of
//! its canonical form, written by [`Derivation::manifest`]. What must not enter a key
//! (URLs, limits, names of items) is held beside the facts that do and left out of the
//! manifest. Nothing here knows how anything is fetched, built or stored.

pub mod guix;
mod image;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::by_name::ByName;
use crate::digest::{Digest, Explainer, Hasher, Manifest};

pub use guix::{Guix, GuixItem, SearchPath};
pub use image::{
    IMAGE_FORMAT, IMAGE_RULES, Image, ImageIndex, ImageName, ImageNameError, ImageRoot, ImageSettings,
    ImageSource,
};

/// The digest of a derivation's canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct DerivationId(pub Digest);

impl fmt::Display for DerivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DerivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "derivation:{}", self.0.short())
    }
}

/// A processor architecture, by Debian's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
    /// 32-bit Arm with hardware floating point.
    Armhf,
    /// 32-bit x86.
    I386,
    /// 64-bit little-endian POWER.
    Ppc64el,
    /// 64-bit RISC-V.
    Riscv64,
    /// IBM Z.
    S390x,
}

impl Arch {
    /// All of them, by name.
    pub const ALL: [Arch; 7] =
        [Arch::Amd64, Arch::Arm64, Arch::Armhf, Arch::I386, Arch::Ppc64el, Arch::Riscv64, Arch::S390x];

    /// Debian's name.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
            Arch::Armhf => "armhf",
            Arch::I386 => "i386",
            Arch::Ppc64el => "ppc64el",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// The `ISA` of a REAPI platform.
    pub fn isa(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86-64",
            Arch::Arm64 => "aarch64",
            Arch::Armhf => "aarch32",
            Arch::I386 => "x86-32",
            Arch::Ppc64el => "power-isa-le",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// What `uname -m` and qemu call it.
    pub fn machine(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch64",
            Arch::Armhf => "arm",
            Arch::I386 => "i386",
            Arch::Ppc64el => "ppc64le",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// The architecture with this name.
    pub fn from_name(name: &str) -> Option<Arch> {
        Arch::ALL.into_iter().find(|arch| arch.name() == name)
    }
}

/// Something to realise.
#[derive(Clone, Debug, PartialEq)]
pub enum Derivation {
    /// Bytes known by digest or commit, taken from elsewhere.
    Fetch(Fetch),
    /// A root filesystem.
    Environment(Environment),
    /// A root filesystem with store items of Guix.
    Guix(Guix),
    /// A recipe applied.
    Build(Build),
    /// The root filesystem of a container image.
    ImageRoot(ImageRoot),
    /// A container image to be written.
    Image(Image),
    /// An index of container images.
    ImageIndex(ImageIndex),
}

/// What is fetched. Its realisation has one output, `out`.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetch {
    /// One file. Realised as a file object.
    Url {
        /// Where it may be had, best first. Not in the key.
        urls: Vec<String>,
        /// Its sha256.
        digest: Digest,
        /// The name it has where a name is needed (the last part of the first URL unless said).
        name: String,
    },
    /// The tree of a commit, without `.git`.
    Git {
        /// Where the repository is: `https://…`, `file://…` or a path inside the project. Not in the key.
        url: String,
        /// The full id of the commit.
        commit: String,
        /// The tag or branch that it is known to be on: where to look first. Not in the key.
        reference: Option<String>,
        /// Whether submodules are filled in, at the commits the tree names.
        submodules: bool,
    },
    /// A file or folder of the project or of a package.
    Local {
        /// Relative to the project's or package's folder, `/`-separated, without `.` and `..`. Not in the key.
        path: String,
        /// The digest of the package's tree; `None` for the project. Not in the key.
        package: Option<Digest>,
        /// Digest of the file, or of the folder's tree.
        digest: Digest,
        /// A file, or a folder.
        folder: bool,
        /// Whether a file is executable.
        executable: bool,
    },
    /// Files of a distribution's pool, as a tree of files by their names: a source package.
    Pool {
        /// Where the pool is.
        archive: ArchiveId,
        /// What it is called for a person: `ucf 3.0043+nmu1+deb12u1`. Not in the key.
        name: String,
        /// The files, by name.
        files: Vec<PoolFile>,
    },
    /// The files in an archive (tar, compressed or not; zip) that another derivation gives, as a tree.
    Unpack {
        /// The archive.
        from: InputRef,
        /// Leading path components left out.
        strip: u32,
    },
}

/// A distribution's archive as of an instant. Tells where to fetch from; enters no key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveId {
    /// The archive's name in a snapshot service: `debian`, `debian-security`; its address, where it isn't known by a
    /// name.
    pub name: String,
    /// The snapshot instant, seconds since 1970.
    pub instant: i64,
}

/// A file of a pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolFile {
    /// Its name without folders.
    pub name: String,
    /// Its sha256.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where it is in the archive: `pool/main/u/ucf/ucf_….dsc`. Not in the key.
    pub path: String,
    /// The archive, where it isn't the one that the whole comes from. Not in the key.
    pub origin: Option<ArchiveId>,
}

/// A root filesystem made of a distribution's packages. Its realisation has one output, `out`, a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// The architecture of its programs.
    pub arch: Arch,
    /// Where its packages are. Not in the key.
    pub archive: ArchiveId,
    /// Its packages, sorted by name and architecture.
    pub packages: Vec<Package>,
    /// What earlier builds made, in place of packages above: one after the other.
    pub replaced: Vec<Replaced>,
    /// Which rules configured and normalised it: a change of rules is a change of keys.
    pub rules: u32,
    /// What runs its programs on a machine of another architecture.
    pub emulator: Option<Arc<Emulator>>,
    /// The tree it is known to come to, from the lock. Not in the key.
    pub expected: Option<Digest>,
    /// The canonical request it was locked for. Not in the key.
    pub request: Digest,
}

/// Packages that builds made, each in place of the one of equal name and architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replaced {
    /// Where they are: the `.deb` files in these outputs. Sorted, each once.
    pub packages: Vec<InputRef>,
    /// Names of packages that come in although the list has none of that name. Sorted, each once.
    pub add: Vec<String>,
}

/// A binary package of an environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture, `all` included.
    pub arch: String,
    /// Its version.
    pub version: String,
    /// The sha256 of the `.deb`.
    pub digest: Digest,
    /// The length of the `.deb` in bytes.
    pub size: u64,
    /// Where it is in the archive. Not in the key.
    pub path: String,
    /// The archive, where it isn't the environment's. Not in the key.
    pub origin: Option<ArchiveId>,
}

/// A statically linked qemu-user, taken from a locked package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emulator {
    /// The machine that it runs on.
    pub host: Arch,
    /// The package that holds it; its digest is in the key.
    pub package: Package,
    /// Where that is. Not in the key.
    pub archive: ArchiveId,
}

/// One output of a derivation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputRef {
    /// Whose.
    pub derivation: DerivationId,
    /// Which: `out` of a fetch or an environment, a declared name of a build.
    pub output: Arc<str>,
}

/// A recipe applied to an environment and inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// The architecture of its environment.
    pub arch: Arch,
    /// Its root filesystem.
    pub env: InputRef,
    /// What it reads, by the name it has at `/inputs/NAME` (in `workdir`'s case `/build/NAME`).
    pub inputs: ByName<InputRef>,
    /// The input that is copied, writable, to `/build/NAME`, where the script starts; else it starts in `/build`.
    pub workdir: Option<Arc<str>>,
    /// The script, byte-exact.
    pub script: Arc<str>,
    /// What runs the script.
    pub shell: Shell,
    /// Environment variables.
    pub vars: ByName<Arc<str>>,
    /// What it must leave behind, by name.
    pub outputs: ByName<Arc<OutputSpec>>,
    /// Seconds after which it is stopped and counts as failed. Not in the key.
    pub timeout: u64,
    /// What runs its programs on a machine of another architecture.
    pub emulator: Option<Arc<Emulator>>,
}

/// What runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// `/bin/sh -eu`.
    Sh,
    /// `/bin/bash -eu -o pipefail`.
    Bash,
}

/// An output as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputSpec {
    /// `file("a/b")`: one regular file, relative to where the script starts.
    File(String),
    /// `files("*.deb")`: the files a pattern matches, at least one, as a tree; a folder with all it holds when
    /// the pattern ends in `/`.
    Files(String),
}

/// The rules of this edition by which environments are configured and normalised.
pub const ENVIRONMENT_RULES: u32 = 1;

/// The last of the rules, which hold all that came before.
pub const LATEST_RULES: u32 = 2;

/// Packages that need more than the first rules, and which they need: environments without them keep their keys.
const LATER_RULES: [(&str, u32); 3] = [("install-info", 2), ("postfix", 2), ("texlive-binaries", 2)];

/// The rules for an environment of these packages.
pub fn environment_rules(packages: &[Package]) -> u32 {
    let needed = LATER_RULES.iter().filter(|(name, _)| packages.iter().any(|package| package.name == *name));
    needed.map(|(_, rules)| *rules).max().unwrap_or(ENVIRONMENT_RULES)
}

impl Derivation {
    /// Its id: the digest of its canonical form.
    pub fn id(&self) -> DerivationId {
        let mut hasher = Hasher::new("rbld-derivation-1");
        self.manifest(&mut hasher);
        DerivationId(hasher.finish())
    }

    /// Its canonical form as facts for a person, from the same walk that [`Derivation::id`] hashes.
    pub fn explain(&self) -> Vec<(String, String)> {
        let mut explainer = Explainer::default();
        self.manifest(&mut explainer);
        explainer.facts
    }

    /// The derivations it needs, each once, sorted.
    pub fn needs(&self) -> Vec<DerivationId> {
        let mut needs: Vec<DerivationId> = match self {
            Derivation::Fetch(Fetch::Unpack { from, .. }) => vec![from.derivation],
            Derivation::Fetch(_) => Vec::new(),
            Derivation::Environment(environment) => {
                let packages = environment.replaced.iter().flat_map(|replaced| &replaced.packages);
                packages.map(|package| package.derivation).collect()
            }
            Derivation::Guix(guix) => guix.base.iter().map(|base| base.derivation).collect(),
            Derivation::Build(build) => {
                build.inputs.values().chain([&build.env]).map(|input| input.derivation).collect()
            }
            Derivation::ImageRoot(root) => match &root.from {
                ImageSource::Registry { .. } => Vec::new(),
                ImageSource::Folder { from, .. } => vec![from.derivation],
            },
            Derivation::Image(image) => {
                image.files.values().chain(&image.base).map(|input| input.derivation).collect()
            }
            Derivation::ImageIndex(index) => index.images.iter().map(|image| image.derivation).collect(),
        };
        needs.sort();
        needs.dedup();
        needs
    }

    /// Walks the fields that decide what comes out, in one fixed order.
    pub fn manifest(&self, to: &mut impl Manifest) {
        match self {
            Derivation::Fetch(fetch) => fetch.manifest(to),
            Derivation::Environment(environment) => environment.manifest(to),
            Derivation::Guix(guix) => guix.manifest(to),
            Derivation::Build(build) => build.manifest(to),
            Derivation::ImageRoot(root) => root.manifest(to),
            Derivation::Image(image) => image.manifest(to),
            Derivation::ImageIndex(index) => index.manifest(to),
        }
    }
}

impl Fetch {
    fn manifest(&self, to: &mut impl Manifest) {
        match self {
            Fetch::Url { digest, name, .. } => {
                text(to, "kind", "url");
                text(to, "name", name);
                text(to, "digest", &digest.to_hex());
            }
            Fetch::Git { commit, submodules, .. } => {
                text(to, "kind", "git");
                text(to, "commit", commit);
                text(to, "submodules", if *submodules { "yes" } else { "no" });
            }
            Fetch::Local { digest, folder, executable, .. } => {
                text(to, "kind", if *folder { "folder" } else { "file" });
                text(to, "digest", &digest.to_hex());
                text(to, "executable", if *executable { "yes" } else { "no" });
            }
            Fetch::Pool { files, .. } => {
                text(to, "kind", "pool");
                to.open("files", files.len());
                for file in files {
                    text(to, &file.name, &file.digest.to_hex());
                }
                to.close();
            }
            Fetch::Unpack { from, strip } => {
                text(to, "kind", "unpack");
                input(to, "from", from);
                text(to, "strip", &strip.to_string());
            }
        }
    }
}

impl Environment {
    fn manifest(&self, to: &mut impl Manifest) {
        text(to, "kind", "environment");
        text(to, "rules", &self.rules.to_string());
        text(to, "arch", self.arch.name());
        to.open("packages", self.packages.len());
        for package in &self.packages {
            let name = format!("{} {} {}", package.name, package.version, package.arch);
            text(to, &name, &package.digest.to_hex());
        }
        to.close();
        // An environment of locked packages alone keeps the id that it always had.
        for replaced in &self.replaced {
            to.open("replaced", replaced.packages.len() + replaced.add.len());
            for package in &replaced.packages {
                input(to, "by", package);
            }
            for name in &replaced.add {
                text(to, "add", name);
            }
            to.close();
        }
        emulator(to, self.emulator.as_deref());
    }
}

impl Build {
    fn manifest(&self, to: &mut impl Manifest) {
        text(to, "kind", "build");
        text(to, "arch", self.arch.name());
        input(to, "env", &self.env);
        to.open("inputs", self.inputs.len());
        for (name, from) in self.inputs.iter() {
            input(to, name, from);
        }
        to.close();
        text(to, "workdir", self.workdir.as_deref().unwrap_or(""));
        text(
            to,
            "shell",
            match self.shell {
                Shell::Sh => "sh",
                Shell::Bash => "bash",
            },
        );
        text(to, "script", &self.script);
        to.open("vars", self.vars.len());
        for (name, value) in self.vars.iter() {
            text(to, name, value);
        }
        to.close();
        to.open("outputs", self.outputs.len());
        for (name, spec) in self.outputs.iter() {
            match &**spec {
                OutputSpec::File(path) => text(to, name, &format!("file {path}")),
                OutputSpec::Files(pattern) => text(to, name, &format!("files {pattern}")),
            }
        }
        to.close();
        emulator(to, self.emulator.as_deref());
    }
}

fn text(to: &mut impl Manifest, name: &str, value: &str) {
    to.field(name, value.as_bytes());
}

fn input(to: &mut impl Manifest, name: &str, from: &InputRef) {
    let mut value = String::with_capacity(65 + from.output.len());
    from.derivation.0.write_hex(&mut value);
    value.push(' ');
    value.push_str(&from.output);
    text(to, name, &value);
}

fn emulator(to: &mut impl Manifest, emulator: Option<&Emulator>) {
    if let Some(emulator) = emulator {
        text(to, "emulator", &format!("{} {}", emulator.host.name(), emulator.package.digest));
    }
}
