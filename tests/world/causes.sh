#!/usr/bin/env bash
# examples/causes: every planted cause is named, what is flaky is called flaky, and a second check runs nothing but what
# fails.
#
#   tests/world/causes.sh
#
# RBLD is the command (built here unless set); RBLD_STORE the store (a new temporary one unless set).
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${RBLD:-}" ]; then
  cargo build --manifest-path "$repo/Cargo.toml" --bin rbld
  RBLD=${CARGO_TARGET_DIR:-$repo/target}/debug/rbld
fi
place=$(mktemp -d -p /var/tmp)
trap 'chmod -R u+w "$place" && rm -rf "$place"' EXIT
cp -r "$repo/examples/causes" "$place/causes"
export RBLD_STORE=${RBLD_STORE:-$place/store}
code=0
"$RBLD" check "$place/causes" --vary --format json > "$place/report.json" || code=$?
python3 "$repo/tests/world/causes.py" "$place/report.json" "$repo/examples/causes/expected.txt" "$code"
"$RBLD" check "$place/causes" --vary --format json > "$place/again.json" || true
python3 - "$place/again.json" << 'END'
import json, sys
report = json.load(open(sys.argv[1]))
runs = [(one["name"], run) for one in report["comparisons"] for run in one["varied"]["runs"]]
made = [name for name, run in runs if not run["cached"] and "failed" not in run]
assert not made, f"run again: {made}"
print(f"{len(runs)} runs found again")
END
