#!/usr/bin/env bash
# The resolver against apt: 70 lists of packages for each of four suites and two architectures, by a fixed seed; as many of two
# suites with their updates, security and backports.
#
#   tests/world/apt.sh       some 40 minutes; RBLD_TEST_LOG names a file from which a run that was cut short goes on
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
log=${RBLD_TEST_LOG:-$(mktemp)}
RBLD_TEST_LISTS=70 RBLD_TEST_LOG=$log cargo test -q --manifest-path "$repo/Cargo.toml" -p rbld --test apt || true
# The last word on each list counts.
tac "$log" | awk -F: '!seen[$1]++' | tac > "$log.last"
awk '{ pair = $1 "/" $2; all[pair]++; count[pair " " $6]++; if ($6 == "same" && $7 > most) most = $7 }
  END {
    print "| suite/arch | lists | the same set | neither finds one | differ |\n|---|---|---|---|---|"
    for (pair in all) printf "| %s | %d | %d | %d | %d |\n", pair, all[pair], count[pair " same"], count[pair " none"], count[pair " differs"]
    print "\nThe largest set: " most " packages."
  }' "$log.last"
! grep ': differs' "$log.last"
