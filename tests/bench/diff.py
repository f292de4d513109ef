#!/usr/bin/env python3
"""`rbld diff` beside `diff -r` and diffoscope: the same pairs in the same minutes, medians and ratios.

    python3 tests/bench/diff.py [RBLD] [--files 50000] [--rounds 5] [--megabytes 100]

RBLD is the program, `target/release/rbld` if it isn't named. What is made lies in a temporary folder and is taken
away again. diffoscope is left out where it isn't installed (`apt-get install diffoscope-minimal`).
"""

import argparse
import hashlib
import io
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time


def run(command, cwd, env):
    """Seconds of the wall, seconds of the processor, megabytes at most, exit code."""
    read, write = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.chdir(cwd)
            code = subprocess.run(command, env=env).returncode
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            os.write(write, json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, code]).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    took = time.monotonic() - start
    with os.fdopen(read) as answer:
        cpu, memory, code = json.loads(answer.read())
    return took, cpu, memory, code


def compare(name, rows, rounds, cwd, env):
    """Runs commands in turn, and shows each one's medians beside the first one's."""
    found = {label: [] for label, _, _ in rows}
    for _ in range(rounds):
        for label, command, wanted in rows:
            result = run(command, cwd, env)
            if result[3] != wanted:
                sys.exit(f"{name}: `{' '.join(command)}` exits {result[3]}, not {wanted}")
            found[label].append(result)
    middle = {label: [statistics.median(run[at] for run in runs) for at in range(3)] for label, runs in found.items()}
    first = next(iter(middle.values()))
    for label, (wall, cpu, memory) in middle.items():
        print(f"| {name} | {label} | {wall:.3f} s | {cpu:.3f} s | {memory:.0f} MB | {first[0] / wall:.2f} | {first[1] / cpu if cpu else 0:.2f} |")
        sys.stdout.flush()


def trees(folder, files):
    """Two folders of so many files that differ in twenty, and a third that is the first again."""
    for name in ["one", "two", "again"]:
        for at in range(files):
            path = os.path.join(folder, name, f"d{at // 500:03}", f"e{at // 50 % 10}")
            if at % 50 == 0:
                os.makedirs(path)
            other = name == "two" and at % (files // 20) == 7
            text = hashlib.sha256(f"{at}{'x' if other else ''}".encode()).hexdigest() + "\n"
            with open(os.path.join(path, f"f{at:05}"), "w") as file:
                file.write(text * 12)


def tarballs(folder, megabytes):
    """Two archives that differ in the time of one member, plain and packed."""
    chance = random.Random(7)
    members = [(f"p/{at:04}", chance.randbytes(1 << 20)) for at in range(megabytes)]
    for name in ["one", "two"]:
        with tarfile.open(os.path.join(folder, name + ".tar"), "w") as archive:
            for at, (member, contents) in enumerate(members):
                about = tarfile.TarInfo(member)
                about.size = len(contents)
                about.mtime = 1700000000 + (name == "two" and at == megabytes // 2)
                archive.addfile(about, io.BytesIO(contents))
        subprocess.run(["gzip", "-nk1", name + ".tar"], cwd=folder, check=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("rbld", nargs="?", default="target/release/rbld")
    arguments.add_argument("--files", type=int, default=50_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--megabytes", type=int, default=100)
    asked = arguments.parse_args()
    rbld = os.path.abspath(asked.rbld)
    folder = tempfile.mkdtemp(prefix="rbld-bench-")
    env = {"PATH": "/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8", "RBLD_STORE": os.path.join(folder, "store")}
    print("| pair | command | wall | CPU | memory | wall, of it | CPU, of it |")
    print("|---|---|---|---|---|---|---|")
    try:
        trees(folder, asked.files)
        with open(os.path.join(folder, "build.rbld"), "w") as file:
            file.write("rbld 1\n\ninput first = ./one/\ninput second = ./two/\n")
        built = subprocess.run([rbld, "build", "--format", "json", "build.rbld", "first", "second"], cwd=folder, env=env, check=True, capture_output=True)
        digests = {of["name"]: of["outputs"]["out"]["digest"] for of in json.loads(built.stdout)["derivations"]}
        one, two = (f"sha256:{digests[name]}" for name in ["first", "second"])
        compare("equal objects", [("rbld diff", [rbld, "diff", one, one], 0), ("rbld --version", [rbld, "--version"], 0), ("diff -r", ["diff", "-r", "one", "again"], 0)], asked.rounds, folder, env)
        compare("objects, 20 files differ", [("rbld diff", [rbld, "diff", one, two], 1), ("diff -r", ["diff", "-r", "one", "two"], 1)], asked.rounds, folder, env)
        compare("folders on disk, equal", [("rbld diff", [rbld, "diff", "one", "again"], 0), ("diff -r", ["diff", "-r", "one", "again"], 0)], asked.rounds, folder, env)
        compare("folders on disk, 20 files differ", [("rbld diff", [rbld, "diff", "one", "two"], 1), ("diff -r", ["diff", "-r", "one", "two"], 1)], asked.rounds, folder, env)
        tarballs(folder, asked.megabytes)
        diffoscope = shutil.which("diffoscope", path=env["PATH"])
        for end in [".tar", ".tar.gz"]:
            rows = [("rbld diff", [rbld, "diff", "one" + end, "two" + end], 1)]
            if diffoscope:
                rows.append(("diffoscope", [diffoscope, "--no-progress", "--text", os.devnull, "one" + end, "two" + end], 1))
            compare(f"{asked.megabytes} MB{end}, one time differs", rows, asked.rounds, folder, env)
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=False)
        shutil.rmtree(folder)


main()
