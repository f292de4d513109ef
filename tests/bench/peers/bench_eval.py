#!/usr/bin/env python3
"""Evaluation beside other evaluators: bench_eval.py OUT [--rounds 5] [--only set,records] [--scale 1.0]
Runs the programs of gen_eval.py in rbld ($RBLD, else target/release/rbld) and in every peer that is installed ($PEERS/bin, PATH), round-robin, and
checks every answer. Writes tables to OUT/eval.md and rows to OUT/eval.jsonl."""
import argparse
import json
import os
import shutil
import tempfile

import benchlib as B
import gen_eval as G

ap = argparse.ArgumentParser()
ap.add_argument("out")
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--only", default="start,set,records")
ap.add_argument("--scale", type=float, default=1.0)
a = ap.parse_args()

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
RBLD = os.environ.get("RBLD") or os.path.join(ROOT, "target/release/rbld")
SIZES = dict(start=0, set=10000, records=25000)
tmp = tempfile.mkdtemp(prefix="bench-eval.")
NIX = dict(NIX_STATE_DIR=tmp + "/nix/var", NIX_STORE_DIR="/nix/store", NIX_CONF_DIR=tmp + "/nix/etc",
           NIX_LOG_DIR=tmp + "/nix/log", NIX_CONFIG="build-users-group =", HOME=tmp)
for folder in ("/nix/etc", "/nix/var"):
    os.makedirs(tmp + folder)
# Name, language, program, arguments.
PEERS = [
    ("nix", "nix", "nix-instantiate", ["--eval", "--strict", "--json", "{f}"]),
    ("nix, derivations", "nix", "nix-instantiate", ["--eval", "--strict", "--json", "{f}"]),
    ("jrsonnet", "jsonnet", "jrsonnet", ["-s", "100000", "{f}"]),
    ("starlark-rust", "star", "starlark", ["{f}"]),
    ("python3", "py", "python3", ["{f}"]),
]


def answer(case, result):
    """The answer of a peer, with numbers that are whole as such."""
    text = result["out"].decode()
    if case["lang"] == "star":  # it prints to the error stream
        text = result["err"].decode().splitlines()[0]
    if case["lang"] == "rbld" and case["work"] == "set":
        facts = json.loads(text)
        environment = dict(facts["facts"])["env"].split()[0]
        return facts["derivation"], G.rbld_total(case["n"], environment)
    found = json.loads(text)
    return found, G.expect(case["work"], case["n"], case["lang"])


def check(case, result):
    if case["name"] == "nix, derivations":
        return None
    try:
        found, wanted = answer(case, result)
    except Exception as error:
        return "no answer: %r %r" % (error, result["err"][-160:])
    return None if found == wanted else "WRONG answer %s, want %s" % (str(found)[:100], str(wanted)[:100])


def cases(work, n):
    if work == "start":
        yield dict(name="rbld", lang="rbld", cmd=[RBLD, "eval", "--format", "json", "1+1"], cwd=tmp, env=dict(HOME=tmp))
    else:
        folder = os.path.join(tmp, work)
        os.makedirs(folder, exist_ok=True)
        open(folder + "/build.rbld", "w").write(G.gen(work, "rbld", n))
        shutil.copy(os.path.join(ROOT, "examples/git-archive/rbld.lock"), folder)
        name = "total" if work == "set" else "answer"
        yield dict(name="rbld", lang="rbld", cmd=[RBLD, "eval", "--format", "json", name], cwd=folder, env=dict(HOME=tmp))
    for name, lang, program, args in PEERS:
        found = B.have(program)
        source = G.gen("drvs" if name == "nix, derivations" and work == "set" else work, lang, n)
        if not found or source is None or (name == "nix, derivations" and work != "set"):
            continue
        file = os.path.join(tmp, "%s.%s.%s" % (work, name.replace(", ", "-"), lang))
        open(file, "w").write(source)
        yield dict(name=name, lang=lang, cmd=[found] + [word.format(f=file) for word in args], env=NIX if lang == "nix" else {})


W = B.Writer(a.out, "eval")
for work in a.only.split(","):
    n = int(SIZES[work] * a.scale)
    listed = [dict(case, work=work, n=n, tags=dict(work=work, n=n)) for case in cases(work, n)]
    rows = B.matrix(listed, rounds=max(a.rounds, 15) if work == "start" else a.rounds, check=check, budget=90)
    W.add("%s n=%d" % (work, n), rows, base="nix")
    if work == "set":  # Nix's own derivations are what the goal is about
        W.add("%s n=%d, beside Nix's derivations" % (work, n), rows, base="nix, derivations")
shutil.rmtree(tmp)
