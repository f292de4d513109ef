#!/usr/bin/env python3
"""Forty subjects with planted causes, under rbld and under reprotest: builds, seconds, and what was named.

    variations.py RBLD [--reprotest]

RBLD is the command; RBLD_STORE its store, in which the environment of examples/causes should be realised already. Sixteen
subjects have one cause each, twenty two of them in files of their own, two one that takes two axes together, two are flaky.
`--reprotest` runs Debian's reprotest over the same scripts, on this machine and as this user, by `--auto-build`; an axis that it
cannot vary here is left out on its side, so its builds are fewer than they would be.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SINGLE = {
    "timezone": "date -d @0 '+%Y-%m-%d %H:%M %z'",
    "locale": "date -u -d @0 '+%d %B %Y'",
    "umask": "touch u; stat -c %a u",
    "build_path": "pwd",
    "file_order": "mkdir f; for n in one two three four five six seven eight; do touch f/$n; done; ls -U f",
    "time": "date +%Y",
    "cpus": "nproc",
    "kernel": "uname -r",
    "hostname": "hostname",
    "user": "id -u",
    "home": 'echo "$HOME"',
    "path": 'echo "$PATH"',
    "environment": "env | cut -d= -f1 | grep -v '^L' | LC_ALL=C sort",
    "aslr": "sed -n '1s/-.*//p' /proc/self/maps",
    "jobs": 'echo "${RBLD_JOBS:-$(nproc)}"',
    "gzip": "echo hello > h; gzip -c h",
}
PAIRED = {
    "build_path+locale": 'if [ "$(pwd)" != /build ] && [ "$(date -u -d @0 +%B)" != January ]; then echo a; else echo b; fi',
    "timezone+umask": 'if [ "$(date -d @0 +%H)" != 00 ] && [ "$(umask)" != 0022 ]; then echo a; else echo b; fi',
}
FLAKY = {"random": "od -An -N8 -tx1 /dev/urandom", "hash": "perl -e 'my %h = map { $_ => 1 } \"a\"..\"z\"; print keys %h'"}
AXIS = {"gzip": "time"}


def subjects():
    """Each subject's name, its scripts, and the causes that must be named."""
    cause = lambda name: AXIS.get(name, name)
    names = list(SINGLE)
    for name in names:
        yield name, [SINGLE[name]], {cause(name)}
    for step in (1, 5):
        for at in range(0, 15 if step == 1 else 5):
            one, other = names[at], names[(at + step) % len(names)]
            yield f"{one}_{other}", [SINGLE[one], SINGLE[other]], {cause(one), cause(other)}
    for name, script in PAIRED.items():
        yield name.replace("+", "_with_"), [script], {name}
    for name, script in FLAKY.items():
        yield name, [script], {"flaky"}


def project(folder, chosen):
    """Writes a file with a build for each subject."""
    causes = Path(__file__).resolve().parents[2] / "examples/causes"
    env = next(line for line in (causes / "build.rbld").read_text().splitlines() if line.startswith("env "))
    text = f"rbld 1\nuse std.debian\n\n{env}\n\n"
    for name, scripts, _ in chosen:
        lines = "\n".join(f'    ({script}) > "$out{index}"' for index, script in enumerate(scripts))
        outputs = ", ".join(f'out{index} = file("out{index}")' for index in range(len(scripts)))
        text += f'recipe r_{name}() {{\n  env     = base\n  run     = """\n{lines}\n    """\n'
        text += f"  outputs = {{ {outputs} }}\n}}\nbuild b_{name} = r_{name}()\n\n"
    (folder / "build.rbld").write_text(text)
    (folder / "rbld.lock").write_text((causes / "rbld.lock").read_text())


def under_rbld(rbld, chosen):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        project(Path(folder), chosen)
        began = time.time()
        ran = subprocess.run(
            [rbld, "check", folder, "--vary", "--rebuild", "--format", "json"], capture_output=True, text=True
        )
        seconds = time.time() - began
    if not ran.stdout.startswith("{"):
        sys.exit(ran.stderr[-2000:])
    results = {}
    for one in json.loads(ran.stdout)["comparisons"]:
        varied = one["varied"]
        causes = {"+".join(axis["axis"] for axis in cause["axes"]) for cause in varied["causes"]}
        causes |= {"flaky"} if varied["flaky"] else set()
        results[one["name"].removeprefix("reproducible b_")] = (len(varied["runs"]), causes)
    return results, seconds


def under_reprotest(scripts):
    """Builds, seconds, and what reprotest says."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        count = Path(folder) / "count"
        source = Path(folder) / "source"
        source.mkdir()
        lines = [f"({script}) > out{index}" for index, script in enumerate(scripts)]
        (source / "run.sh").write_text("set -eu\n" + "\n".join(lines) + "\n")
        command = f"echo x >> {count}; sh ./run.sh"
        began = time.time()
        ran = subprocess.run(
            ["reprotest", "--auto-build", "--no-diffoscope", "--vary=-user_group,-domain_host", "-c", command, ".", "out*"],
            cwd=source, capture_output=True, text=True, timeout=600,
        )
        seconds = time.time() - began
        builds = len(count.read_text().splitlines()) if count.exists() else 0
        said = re.findall(r"^.*(?:nreproducib|reproducible|rror).*$", ran.stdout + ran.stderr, re.M)
        return builds, seconds, (said or [f"exit {ran.returncode}"])[-1].strip()


def main():
    rbld = sys.argv[1]
    chosen = list(subjects())
    results, seconds = under_rbld(rbld, chosen)
    builds, right = 0, 0
    peers, peer_seconds = 0, 0.0
    for name, scripts, expected in chosen:
        runs, causes = results[name]
        builds += runs
        right += causes == expected
        mark = "ok  " if causes == expected else "FAIL"
        line = f"{mark} {name:<26} {runs:>3} builds  {' '.join(sorted(causes))}"
        if "--reprotest" in sys.argv:
            theirs, took, said = under_reprotest(scripts)
            peers, peer_seconds = peers + theirs, peer_seconds + took
            line += f"  | reprotest {theirs} builds, {took:.1f} s: {said[:110]}"
        print(line, flush=True)
    print(f"rbld: {builds} builds, {seconds:.1f} s, {right} of {len(chosen)} right")
    if peers:
        print(f"reprotest: {peers} builds, {peer_seconds:.1f} s; ratios {builds / peers:.2f} and {seconds / peer_seconds:.2f}")


if __name__ == "__main__":
    main()
