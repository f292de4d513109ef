#!/bin/sh
# How long a minimal Debian takes from packages on this disk: rbld's realising beside mmdebstrap.
# Usage: tests/bench/environment.sh [SUITE [FOLDER]], as root, with mmdebstrap installed and the example built:
#   cargo build --example environment
set -eu
suite=${1:-bookworm}
place=$(mktemp -d -p "${2:-/var/tmp}")
trap 'rm -rf "$place"' EXIT
bench=${BENCH:-${CARGO_TARGET_DIR:-target}/debug/examples/environment}
arch=$(dpkg --print-architecture)
mkdir "$place/debs"
export SOURCE_DATE_EPOCH=1321009871

# mmdebstrap into a folder, from and into the cache of packages.
minbase() {
  /usr/bin/time -f 'mmdebstrap %e s wall, %U + %S s cpu' \
    mmdebstrap --quiet --mode=root --variant=minbase --architectures="$arch" \
    --aptopt='APT::Install-Recommends "false"' --skip=download/empty,essential/unlink,cleanup/apt/cache \
    --setup-hook="mkdir -p \"\$1/var/cache/apt\" && cp -rl '$place/debs' \"\$1/var/cache/apt/archives\"" \
    --customize-hook="cp -nl \"\$1\"/var/cache/apt/archives/*.deb '$place/debs/'" \
    "$suite" "$1" 2>&1 | tail -1
}

minbase "$place/first" >/dev/null
echo "$suite $arch: $(ls "$place/debs" | wc -l) packages, $(du -sm "$place/debs" | cut -f1) MB"
for run in 1 2 3 4 5; do
  # What one has written must not be paid by the other.
  sync
  minbase "$place/root.$run"
  sync
  /usr/bin/time -f 'rbld       %e s wall, %U + %S s cpu' "$bench" "$place/store.$run" "$arch" -- "$place"/debs/*.deb 2>&1 |
    grep -E '^rbld|^tree|help'
done
