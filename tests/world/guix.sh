#!/usr/bin/env bash
# examples/guix-on-distro with a Guix that is started here (tests/guix/peer.sh): locked by it, then checked as an ordinary
# user and as root, from empty stores and without it.
#
#   tests/world/guix.sh
#
# RBLD is the command (built here unless set); GUIX_PEER a folder where sid's packages are kept (a new temporary one unless
# set). The packages are the ones that this Guix can build without any bootstrap, in place of the example's.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${RBLD:-}" ]; then
  cargo build --manifest-path "$repo/Cargo.toml" --bin rbld
  RBLD=${CARGO_TARGET_DIR:-$repo/target}/debug/rbld
fi
place=$(mktemp -d -p /var/tmp)
chmod 755 "$place"
install -m 755 "$RBLD" "$place/rbld"
ordinary=65531
wrong=0

coproc PEER { "$repo/tests/guix/peer.sh" "${GUIX_PEER:-$place/peer}" "$place/work" "$repo/tests/guix/packages.scm"; }
peer=$PEER_PID
stop() {
  kill "$peer" 2> /dev/null || true
  wait "$peer" 2> /dev/null || true
  chmod -R u+w "$place" && rm -rf "$place"
}
trap stop EXIT
server="" key="" guix=""
while read -r kind one two <&"${PEER[0]}"; do
  case $kind in
    server) server=$two ;;
    key) key=$one ;;
    guix) guix=$one ;;
    ready) break ;;
  esac
done
[ -n "$server" ] || { echo "no Guix could be started"; exit 1; }

# as WHO COMMAND…: runs it in the project of `user` or `root`, with a home and a store of their own.
as() {
  local who=$1
  shift
  local run=(env -i -C "$place/$who" PATH=/usr/bin:/bin HOME="$place/$who" LC_ALL=C.UTF-8 RBLD_STORE="$place/$who/store"
    RBLD_MIRROR_GUIX="$server" "$@")
  if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then
    setpriv --reuid=$ordinary --regid=$ordinary --clear-groups -- "${run[@]}"
  else
    "${run[@]}"
  fi
}

# expect WHAT CODE COMMAND…
expect() {
  local what=$1 code=$2 got=0 from=$SECONDS
  shift 2
  out=$("$@" 2>&1) || got=$?
  if [ "$got" = "$code" ]; then
    printf '%-60s %4d s  ok\n' "$what" $((SECONDS - from))
  else
    printf '%-60s %4d s  exit %s, expected %s\n%s\n' "$what" $((SECONDS - from)) "$got" "$code" "$out"
    wrong=$((wrong + 1))
  fi
}

users=(user)
[ "$(id -u)" != 0 ] || users=(user root)
first=""
for who in "${users[@]}"; do
  mkdir -p "$place/$who"
  cp "$repo/examples/guix-on-distro/build.rbld" "$place/$who"
  sed -i 's/^let packages = .*/let packages = ["rbld-tools"]/' "$place/$who/build.rbld"
  if [ -n "$first" ]; then
    cp "$place/$first/rbld.lock" "$place/$who"
  fi
  if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then chown -R "$ordinary:$ordinary" "$place/$who"; fi
  if [ -z "$first" ]; then
    # The Guix runs as whoever started it.
    install -m 644 "$key" "$place/key.pub"
    expect "locked by Guix" 0 env -C "$place/$who" RBLD_STORE="$place/lock-store" RBLD_MIRROR_GUIX="$server" \
      RBLD_GUIX="$guix" RBLD_GUIX_KEYS="$place/key.pub" "$place/rbld" lock
    if [ "$(id -u)" = 0 ]; then chown "$ordinary:$ordinary" "$place/$who/rbld.lock"; fi
    first=$who
  fi
  expect "$who: check, empty store" 0 as "$who" "$place/rbld" check
  expect "$who: check again, offline" 0 as "$who" "$place/rbld" check --offline
  expect "$who: the trees that are now in the lock" 0 grep -c '^tree ' "$place/$who/rbld.lock"
done
if [ ${#users[@]} = 2 ]; then
  expect "root and the user came to the same trees" 0 cmp "$place/user/rbld.lock" "$place/root/rbld.lock"
fi
sed -i 's/identical(r.\*.by_guix)/identical(r.*.by_distribution)/' "$place/user/build.rbld"
expect "the distribution's tar in the place of Guix's" 1 as user "$place/rbld" check
[ "$wrong" = 0 ]
