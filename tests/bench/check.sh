#!/bin/sh
# What rbld itself costs: a check whose results are all in the store, and one trivial build beside bubblewrap.
# Usage: tests/bench/check.sh, with hyperfine and bubblewrap installed and a store that holds the examples:
#   rbld check examples/four-environments && rbld check examples/git-archive
# RBLD is the command (target/debug/rbld unless set). Medians of at least ten runs, in one go.
set -eu
repo=$(cd "$(dirname "$0")/../.." && pwd)
rbld=${RBLD:-${CARGO_TARGET_DIR:-$repo/target}/debug/rbld}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# median NAME COMMAND: prints the median in milliseconds and leaves it in $ms.
median() {
  hyperfine --shell=none --warmup 2 --min-runs 10 --export-json "$place/out.json" "$2" > /dev/null 2>&1
  ms=$(sed -nE 's/.*"median": ([0-9.e-]+).*/\1/p' "$place/out.json" | awk '{ printf "%.1f", $1 * 1000 }')
  printf '%-44s %8s ms\n' "$1" "$ms"
}

for example in four-environments git-archive; do
  median "check $example, all in the store" "$rbld check --locked $repo/examples/$example"
done

# A file of so many builds that do nothing, in the environment of another example.
builds() {
  mkdir -p "$place/$1"
  {
    sed -n '1,/^env newest/p' "$repo/examples/git-archive/build.rbld" | grep -vE '^(#|env (old|stable))'
    echo 'recipe nothing(n: Int) {
  env     = newest
  vars    = { N = n }
  run     = """
    : > "$out"
    """
  outputs = { out = file("out") }
}'
    echo "build b for n in [$(seq -s, 1 "$1")] = nothing(n)"
  } > "$place/$1/build.rbld"
  "$rbld" lock "$place/$1" > "$place/log" 2>&1 || { cat "$place/log"; exit 1; }
  median "rebuild $1 builds" "$rbld build --rebuild -j 1 -o $place/$1/made $place/$1"
}
builds 2
few=$ms
builds 102
awk -v few="$few" -v many="$ms" 'BEGIN { printf "%-44s %8.1f ms\n", "so one trivial build", (many - few) / 100 }'

root=$(find "${RBLD_STORE:-$HOME/.cache/rbld}/roots" -mindepth 1 -maxdepth 1 | head -1)
median "bwrap --unshare-all, the same root" "bwrap --unshare-all --ro-bind $root / --dev /dev --proc /proc --tmpfs /build /bin/sh -c :"
