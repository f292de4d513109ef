#!/usr/bin/env bash
# Every suite for this machine, and every architecture that Debian has for others: the packages that every system has and
# a compiler, realised as an ordinary user; a build in each says what machine it is, compiles a program and runs it. Of
# another architecture an image is made too, and a build is run in that: the emulator is the one that the file names.
#
#   tests/world/foreign.sh [SUITE/ARCH…]     all of them when none is named
#
# RBLD is the command (built here unless set); FOREIGN a folder where stores are kept (a new temporary folder unless set).
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${RBLD:-}" ]; then
  cargo build --manifest-path "$repo/Cargo.toml" --bin rbld
  RBLD=${CARGO_TARGET_DIR:-$repo/target}/debug/rbld
fi
own=$(dpkg --print-architecture)
all="bullseye/$own bookworm/$own trixie/$own sid/$own
  bookworm/arm64 bookworm/armhf trixie/riscv64 bookworm/ppc64el bookworm/s390x trixie/arm64 trixie/armhf"
place=${FOREIGN:-$(mktemp -d -p /var/tmp)}
trap '[ -n "${FOREIGN:-}" ] || rm -rf "$place"' EXIT
mkdir -p "$place/bin" "$place/home"
chmod 755 "$place" "$place/bin"
install -m 755 "$RBLD" "$place/bin/rbld"
ordinary=65531
[ "$(id -u)" != 0 ] || chown "$ordinary:$ordinary" "$place/home"
at=$(date -u +%Y-%m-%dT%H:00:00Z)
wrong=0

as_user() {
  local run=(env -i PATH="$place/bin:/usr/bin:/bin" HOME="$place/home" LC_ALL=C.UTF-8 RBLD_STORE="$place/home/store" "$@")
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=$ordinary --regid=$ordinary --clear-groups -- "${run[@]}"
  else
    "${run[@]}"
  fi
}

project() {
  local suite=$1 arch=$2
  mkdir -p "$place/home/$suite-$arch"
  cat > "$place/home/$suite-$arch/build.rbld" << END
rbld 1
use std.debian
use std.oci

env e = debian.snapshot($suite, $at).env($arch, packages = ["gcc", "libc6-dev"])

recipe machine() {
  env     = e
  run     = """
    echo 'int main(void) { return sizeof(void *); }' > a.c
    gcc -O2 -o a a.c
    uname -m > "\$said"
    ./a || echo "pointers of \$?" >> "\$said"
    echo "uid \$(id -u)" >> "\$said"
    """
  outputs = { said = file("said.txt") }
}

build m = machine()

build image = oci.build_image(base = e, files = { "/etc/made-in" = m.said })
env taken = oci.layout(image.layout, arch = $arch, emulator = $at)

recipe inside(e: Env) {
  env     = e
  run     = """
    [ "\$(uname -m)" = "\$(head -n 1 /etc/made-in)" ]
    echo "image of \$(uname -m)" > "\$image"
    """
  outputs = { image = file("image.txt") }
}

build _i = inside(taken)
END
  [ "$(id -u)" != 0 ] || chown -R "$ordinary:$ordinary" "$place/home/$suite-$arch"
}

printf '| %-18s | %8s | %8s | %-44s | %-12s | %s\n' suite/arch seconds packages said tree result
for pair in "${@:-$all}"; do
  for one in $pair; do
    suite=${one%/*} arch=${one#*/}
    project "$suite" "$arch"
    folder=$place/home/$suite-$arch
    began=$SECONDS result=ok
    { as_user rbld lock "$folder" && as_user rbld build -o "$folder/made" "$folder" m _i; } > "$place/$suite-$arch.log" 2>&1 || result="exit $?"
    said=$(find "$folder/made" -name '*.txt' -exec cat {} + 2> /dev/null | tr '\n' ' ' || true)
    packages=$(grep -c '^package ' "$folder/rbld.lock" || true)
    tree=$(sed -n 's/^tree \(.\{12\}\).*/\1/p' "$folder/rbld.lock" | head -1)
    if [ "$result" = ok ] && [ "$arch" != "$own" ] && ! as_user rbld plan "$folder" | grep -q emulated; then
      result="not marked as emulated"
    fi
    [ "$result" = ok ] || wrong=$((wrong + 1))
    printf '| %-18s | %8s | %8s | %-44s | %-12s | %s\n' "$one" $((SECONDS - began)) "$packages" "$said" "$tree" "$result"
    [ "$result" = ok ] || tail -25 "$place/$suite-$arch.log"
    rm -rf "$folder/made"
  done
done
[ "$wrong" = 0 ]
