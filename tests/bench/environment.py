#!/usr/bin/env python3
"""What environments cost, beside their peers, in one go on a quiet machine. As root:

    cargo build --release -p rbld --bins --example environment
    apt-get install mmdebstrap libgpgme-dev
    cargo install --locked --root "$PEERS" rdebootstrap   # of the crate debrepo; left out if $PEERS isn't set
    python3 tests/bench/environment.py [--runs 5] [--folder /var/tmp] [--only cold,second,warm,lock] [--packages FOLDER]

Medians of wall and CPU seconds, programs in turn, the folder's file system at rest before each; all packages are on this
disk before anything is timed. CPU is that of every process that a program starts, counted by a control group of its
own (a sandbox's helpers are nobody's children, so that their parent's sum misses them). It prints a table for
tests/bench/README.md. Packages are fetched anew unless they are in FOLDER, where they stay.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EPOCH = "1321009871"
# Of the second control groups and of the first.
GROUPS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"]
SETS = {"minbase": [], "build-essential": ["build-essential"]}
# Ten packages that no set above has: with and without scripts.
TEN = ["file", "less", "zip", "unzip", "bc", "jq", "tree", "rsync", "ed", "time"]
# About 300 packages with all that they need.
LOCKED = ["build-essential", "git", "debhelper", "cmake", "libgtk-3-dev"]


class Bench:
    def __init__(self, options):
        self.options = options
        self.place = tempfile.mkdtemp(prefix="rbld-bench-", dir=options.folder)
        target = os.environ.get("CARGO_TARGET_DIR", os.path.join(REPO, "target"))
        self.example = os.path.join(target, options.profile, "examples", "environment")
        self.rbld = os.path.join(target, options.profile, "rbld")
        peers = os.environ.get("PEERS")
        self.rdebootstrap = os.path.join(peers, "bin", "rdebootstrap") if peers else None
        self.arch = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
        self.rows = []
        self.group = self.control_group()

    def control_group(self):
        for above in GROUPS:
            group = os.path.join(above, f"rbld-bench-{os.getpid()}")
            try:
                os.mkdir(group)
            except OSError:
                continue
            if any(os.path.exists(os.path.join(group, name)) for name in ("cpu.stat", "cpuacct.usage")):
                return group
            os.rmdir(group)
        sys.exit("no control group counts CPU time here: this runs as root, where /sys/fs/cgroup can be written to")

    def cpu(self):
        """Seconds that whatever ran in the control group took."""
        try:
            with open(os.path.join(self.group, "cpuacct.usage")) as file:
                return int(file.read()) / 1e9
        except FileNotFoundError:
            with open(os.path.join(self.group, "cpu.stat")) as file:
                return int(re.search(r"usage_usec (\d+)", file.read()).group(1)) / 1e6

    def enter_group(self):
        with open(os.path.join(self.group, "cgroup.procs"), "w") as file:
            file.write("0")

    def path(self, *names):
        return os.path.join(self.place, *names)

    def kept(self, *names):
        return os.path.join(self.options.packages or self.place, *names)

    def row(self, what, ours, peer, wall, cpu, goal):
        self.rows.append((what, ours, peer, wall, cpu, goal))
        print(f"| {what} | {ours} | {peer} | {wall} | {cpu} | {goal} |", flush=True)

    def timed(self, command, env=None, wanted=0, cwd=None, rest=True):
        """Wall and CPU seconds of a command and all that it starts, and what it printed."""
        if rest:
            subprocess.run(["sync", "-f", self.place], check=True)
        with open(self.path("out"), "w+b") as out:
            before = self.cpu()
            begun = time.monotonic()
            child = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=cwd,
                preexec_fn=self.enter_group,
            )
            child.wait()
            wall = time.monotonic() - begun
            cpu = self.cpu() - before
            out.seek(0)
            text = out.read().decode(errors="replace")
        if child.returncode != wanted:
            sys.exit(f"{command} ended with {child.returncode}:\n{text[-4000:]}")
        return wall, cpu, text

    # Packages -----------------------------------------------------------------------------------------------

    def mmdebstrap(self, root, packages):
        """The command; packages come from and go to one folder."""
        debs = self.kept("debs")
        os.makedirs(debs, exist_ok=True)
        include = [f"--include={','.join(packages)}"] if packages else []
        return [
            "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--architectures={self.arch}", *include,
            '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Check-Valid-Until "false"',
            "--skip=download/empty,essential/unlink,cleanup/apt/cache",
            f"--setup-hook=mkdir -p \"$1/var/cache/apt\" && cp -rl '{debs}' \"$1/var/cache/apt/archives\"",
            f"--customize-hook=cp -nl \"$1\"/var/cache/apt/archives/*.deb '{debs}/'",
            f"--customize-hook=chroot \"$1\" dpkg-query -W -f '${{Package}} ${{Version}} ${{Architecture}}\\n' > '{self.path('list')}'",
            self.options.suite, root,
        ]

    def packages(self, names):
        """The list of a set's packages, once they are here, with what a lock knows of them."""
        name = self.kept("-".join(["locked", *names]))
        if os.path.exists(name):
            return name
        root = self.path("first")
        self.timed(self.mmdebstrap(root, names), self.epoch())
        shutil.rmtree(root)
        files = []
        for line in open(self.path("list")):
            package, version, arch = line.split()
            files.append(self.kept("debs", f"{package}_{version.replace(':', '%3a')}_{arch}.deb"))
        with open(name, "wb") as file:
            subprocess.run([self.example, "--locked", *files], stdout=file, check=True)
        return name

    def epoch(self):
        return {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "LC_ALL": "C.UTF-8"}

    def realise(self, store, packages):
        wall, cpu, text = self.timed([self.example, store, self.arch, "--", "@" + packages])
        return wall, cpu, re.search(r"^tree ([0-9a-f]+)$", text, re.M).group(1)

    # Figures ------------------------------------------------------------------------------------------------

    def cold(self):
        goals = {"minbase": "0.45, 0.55", "build-essential": "0.5, 0.7"}
        for name, names in SETS.items():
            files = self.packages(names)
            ours, theirs, others = [], [], []
            other = self.prepare_rdebootstrap(name, names)
            for _ in range(self.options.runs):
                root, store = self.path("root"), self.path("store")
                theirs.append(self.timed(self.mmdebstrap(root, names), self.epoch())[:2])
                shutil.rmtree(root)
                ours.append(self.realise(store, files)[:2])
                shutil.rmtree(store)
                if other:
                    others.append(other())
            what = f"{name}, {count(files)} packages on disk"
            self.compare(what, ours, theirs, "mmdebstrap", goals[name])
            if others:
                self.compare(what, ours, others, "rdebootstrap", "1, 1")

    def compare(self, what, ours, theirs, peer, goal):
        median = lambda runs, at: statistics.median(run[at] for run in runs)
        wall, cpu = (median(ours, at) / median(theirs, at) for at in (0, 1))
        show = lambda runs: f"{median(runs, 0):.2f} s, {median(runs, 1):.2f} s"
        self.row(what, show(ours), f"{peer} {show(theirs)}", f"{wall:.2f}", f"{cpu:.2f}", goal)

    def prepare_rdebootstrap(self, name, names):
        if not self.rdebootstrap or not os.path.exists(self.rdebootstrap):
            return None
        folder = self.path("rdebootstrap", name)
        os.makedirs(folder)
        command = [self.rdebootstrap, "--quiet", "--cache-dir", self.kept("rdebootstrap-cache")]
        packages = [word for package in ["apt", *names] for word in ("--package", package)]
        suite = ["--suite", self.options.suite, "--components", "main"]
        self.timed([*command, "init", self.mirror(), *suite, *packages], cwd=folder)
        run = lambda: self.timed([*command, "build", "--path", "root"], cwd=folder)[:2]
        run()
        root = os.path.join(folder, "root")
        shutil.rmtree(root)

        def again():
            took = run()
            shutil.rmtree(root)
            return took

        return again

    def mirror(self):
        policy = subprocess.check_output(["apt-cache", "policy"], text=True)
        return re.search(r"(https?://\S+/debian) ", policy).group(1)

    def second(self):
        for name, names in SETS.items():
            more = self.packages(names + TEN)
            files = self.packages(names)
            first, second, cold = [], [], []
            for _ in range(self.options.runs):
                store = self.path("store")
                first.append(self.realise(store, files)[:2])
                wall, cpu, tree = self.realise(store, more)
                second.append((wall, cpu))
                shutil.rmtree(store)
            afresh = self.realise(self.path("store"), more)[2]
            shutil.rmtree(self.path("store"))
            if tree != afresh:
                sys.exit(f"{name}: on top {tree}, from nothing {afresh}")
            self.compare(f"{name} and {count(more) - count(files)} packages more, the first being there", second, first, "the first", "0.6")

    def warm(self):
        """From an environment that is there to a program in it and its output kept, beside unshare alone."""
        folder = self.project("warm", LOCKED, 'build b for n in [1] = nothing(n)')
        env = {**os.environ, "RBLD_STORE": self.path("warm-store")}
        self.timed([self.rbld, "lock", folder], env)
        self.timed([self.rbld, "build", "-o", self.path("made"), folder], env)
        few = self.builds("few", 1, env)
        many = self.builds("many", 51, env)
        bare = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--net", "--ipc", "--uts", "/bin/true"]
        ours, theirs = [], []
        for _ in range(4 * self.options.runs):
            one = self.timed(few, env, rest=False)[0]
            ours.append((self.timed(many, env, rest=False)[0] - one) / 50)
            begun = time.monotonic()
            for _ in range(50):
                subprocess.run(bare, check=True)
            theirs.append((time.monotonic() - begun) / 50)
        ms = lambda times: statistics.median(times) * 1000
        packages = sum(line.startswith("package ") for line in open(self.path("warm", "rbld.lock")))
        self.row(f"an environment of {packages} packages that is there, to a program in it", f"{ms(ours):.1f} ms", f"unshare {ms(theirs):.1f} ms", f"+{ms(ours) - ms(theirs):.1f} ms", "", "+25 ms")

    def builds(self, name, count, env):
        folder = self.project(name, LOCKED, f"build b for n in [{', '.join(map(str, range(count)))}] = nothing(n)")
        shutil.copy(self.path("warm", "rbld.lock"), folder)
        return [self.rbld, "build", "--rebuild", "-j", "1", "-o", self.path("made-" + name), folder]

    def project(self, name, packages, builds):
        folder = self.path(name)
        os.makedirs(folder)
        at = time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime())
        listed = ", ".join(f'"{package}"' for package in packages)
        if os.path.exists(self.path("warm", "build.rbld")):
            at = re.search(r"20\S+Z", open(self.path("warm", "build.rbld")).read()).group(0)
        text = f"""rbld 1
use std.debian

env e = debian.snapshot({self.options.suite}, {at}).env({self.arch}, packages = [{listed}])

recipe nothing(n: Int) {{
  env     = e
  vars    = {{ N = n }}
  run     = \"\"\"
    : > "$out"
    \"\"\"
  outputs = {{ out = file("out") }}
}}

{builds}
"""
        with open(os.path.join(folder, "build.rbld"), "w", encoding="utf-8") as file:
            file.write(text)
        return folder

    def lock(self):
        """A lock of about 300 packages from indexes on disk, beside what apt takes for the same."""
        mirror = self.local_mirror()
        folder = self.project("locked", LOCKED, "build b for n in [1] = nothing(n)")
        env = {**os.environ, "RBLD_STORE": self.path("lock-store"), "RBLD_MIRROR_DEBIAN": f"file://{mirror}"}
        ours, theirs, afresh = [], [], []
        self.timed([self.rbld, "lock", folder], env)
        apt, again = self.apt(mirror)
        for _ in range(2 * self.options.runs):
            os.remove(os.path.join(folder, "rbld.lock"))
            ours.append(self.timed([self.rbld, "lock", folder], env)[:2])
            theirs.append(self.timed(apt)[:2])
            afresh.append(self.timed(again)[:2])
        count = sum(line.startswith("package ") for line in open(os.path.join(folder, "rbld.lock")))
        what = f"a lock of {count} packages, indexes on disk"
        self.compare(what, ours, afresh, "apt-get --print-uris", "1.5 of CPU, 1 s")
        self.compare(what, ours, theirs, "the same with apt's cache made before", "")

    def local_mirror(self):
        """The suite's indexes in a folder that looks like a mirror."""
        url, root = self.mirror(), self.path("mirror")
        names = ["InRelease", f"main/binary-{self.arch}/Packages.xz"]
        for name in names:
            path = os.path.join(root, "dists", self.options.suite, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            subprocess.run(["curl", "-sf", "-o", path, f"{url}/dists/{self.options.suite}/{name}"], check=True)
        packed = os.path.join(root, "dists", self.options.suite, names[1])
        digest = subprocess.check_output(["sha256sum", packed], text=True).split()[0]
        by_hash = os.path.join(os.path.dirname(packed), "by-hash", "SHA256")
        os.makedirs(by_hash)
        shutil.copy(packed, os.path.join(by_hash, digest))
        return root

    def apt(self, mirror):
        """apt with folders of its own and the same indexes: once with the cache that it makes of them, once without."""
        root = self.path("apt")
        for name in ["lists/partial", "cache/archives/partial", "etc", "none"]:
            os.makedirs(os.path.join(root, name))
        open(os.path.join(root, "status"), "w").close()
        with open(os.path.join(root, "etc/sources.list"), "w") as file:
            file.write(f"deb [trusted=yes] file://{mirror} {self.options.suite} main\n")
        conf = os.path.join(root, "apt.conf")
        with open(conf, "w") as file:
            file.write(f"""Dir::State "{root}"; Dir::State::lists "{root}/lists"; Dir::State::status "{root}/status";
Dir::Cache "{root}/cache"; Dir::Etc::sourcelist "{root}/etc/sources.list"; Dir::Etc::sourceparts "{root}/none";
Dir::Etc::parts "{root}/none"; Dir::Etc::main "{root}/none/x"; Dir::Etc::preferences "{root}/none/x";
Dir::Etc::preferencesparts "{root}/none"; APT::Architecture "{self.arch}"; APT::Architectures {{ "{self.arch}"; }};
Acquire::Languages "none"; APT::Install-Recommends "false"; APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false"; Acquire::GzipIndexes "false";
""")
        env = ["env", f"APT_CONFIG={conf}", "LC_ALL=C.UTF-8"]
        subprocess.run([*env, "apt-get", "-qq", "update"], check=True)
        words = ["install", "--print-uris", "-qq", "-y", "--no-install-recommends", "?essential", *LOCKED]
        first = [*env, "apt-get", *words]
        subprocess.run(first, check=True, stdout=subprocess.DEVNULL)
        none = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
        return first, [*env, "apt-get", *none, *words]


def count(packages):
    with open(packages) as file:
        return sum(1 for _ in file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", default="/var/tmp")
    parser.add_argument("--packages", type=os.path.abspath)
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--profile", default="release")
    parser.add_argument("--only", default="cold,second,warm,lock")
    options = parser.parse_args()
    bench = Bench(options)
    load = open("/proc/loadavg").read().split()[0]
    print(f"{os.cpu_count()} cores, Linux {os.uname().release}, load {load}, {options.runs} runs in {options.folder}\n")
    print("| figure | rbld: wall, CPU | peer | wall | CPU | goal |\n|---|---|---|---|---|---|", flush=True)
    try:
        for name in options.only.split(","):
            getattr(bench, name)()
    finally:
        subprocess.run(["chmod", "-R", "u+w", bench.place], check=False)
        shutil.rmtree(bench.place, ignore_errors=True)
        os.rmdir(bench.group)


main()
