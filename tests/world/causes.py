"""What `rbld check --vary` says of examples/causes, beside what was planted.

    causes.py REPORT.json EXPECTED.txt EXIT

EXPECTED.txt has a line for each build: its name, and the causes that must be named, or `flaky`, or `match`.
"""

import json
import sys

report, expected, code = sys.argv[1:]
compared = json.load(open(report))["comparisons"]
found = {}
for one in compared:
    varied = one["varied"]
    causes = sorted("+".join(axis["axis"] for axis in cause["axes"]) for cause in varied["causes"])
    words = causes or (["flaky"] if varied["flaky"] else [])
    words += ["unexplained"] if varied["unexplained"] else []
    found[one["name"].removeprefix("reproducible ")] = (" ".join(words) or one["verdict"], len(varied["runs"]))
wrong = 0
for line in open(expected):
    name, _, wanted = line.strip().partition(" ")
    told, runs = found.pop(name, ("not examined", 0))
    good = told == wanted
    wrong += not good
    print(f"{'ok  ' if good else 'FAIL'} {name:<16} {told} in {runs} runs" + ("" if good else f", planted {wanted}"))
total = sum(len(one["varied"]["runs"]) for one in compared)
print(f"{len(compared)} builds, {total} runs; exit code {code}")
sys.exit(wrong > 0 or bool(found) or code != "1")
