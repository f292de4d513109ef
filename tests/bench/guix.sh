#!/usr/bin/env bash
# How long a closure of a gibibyte takes from a Guix server on loopback, beside `sha256sum` over the same files on as many
# cores. Usage: tests/bench/guix.sh [FOLDER [CACHE]], with the example built optimised:
#   cargo build --release --example guix
# FOLDER is where the stores go; CACHE keeps the packages of the Guix (tests/guix/peer.sh).
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
bench=${BENCH:-${CARGO_TARGET_DIR:-$repo/target}/release/examples/guix}
place=$(mktemp -d -p "${1:-/var/tmp}")
cache=${2:-$place/cache}

mkfifo "$place/in"
GIGABYTES=${GIGABYTES:-1} PUBLISH_CACHE=1 WORK_TEMPORARY=1 COMPRESSIONS=${COMPRESSIONS:-zstd} \
  "$repo/tests/guix/peer.sh" "$cache" "$place/work" "$repo/tests/bench/guix.scm" < "$place/in" > "$place/out" &
peer=$!
exec 8> "$place/in"
trap 'exec 8>&-; wait $peer || true; rm -rf "$place"' EXIT
until grep -q '^ready' "$place/out"; do
  kill -0 $peer 2> /dev/null || exit 1
  sleep 1
done
all=$(sed -n 's/^item all //p' "$place/out")
key=$(sed -n 's/^key //p' "$place/out")
mapfile -t paths < <(sed -n 's/^item [^ ]* //p' "$place/out" | sort -u)
files=("${paths[@]/#/$place/work}")

seconds() {
  local from=$EPOCHREALTIME
  "$@"
  local to=$EPOCHREALTIME
  printf '%d ms\n' $(((${to/./} - ${from/./}) / 1000))
}
hash_all() {
  find "${files[@]}" -type f -print0 | xargs -0 -P "$(nproc)" -n 64 sha256sum > /dev/null
}

echo "files: $(find "${files[@]}" -type f | wc -l), bytes: $(find "${files[@]}" -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')"
while read -r _ compression server; do
  for run in 1 2 3; do
    sync
    echo "sha256sum, $(nproc) at once: $(seconds hash_all)"
    sync
    /usr/bin/time -f "$compression: %e s wall, %U + %S s cpu, %M KB" "$bench" "$place/store.$compression.$run" "$server" "$key" "$all"
    rm -rf "$place/store.$compression.$run"
  done
done < <(grep '^server ' "$place/out")
