#!/usr/bin/env bash
# examples/guix-on-distro with a Guix that is started here (tests/guix/peer.sh): locked by it, then checked as an ordinary
# user and as root, from empty stores and without it; then all of it in a folder, and the check from that folder alone, in a
# network namespace of its own and from an empty store, when the Guix has ended.
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
expect "user: vendor" 0 as user "$place/rbld" vendor "$place/user/kept"
expect "user: the folder holds nars" 0 grep -c '^file .* nar /gnu/store/' "$place/user/kept/rbld.vendor"
mkdir "$place/user/fresh"
cp "$place/user/build.rbld" "$place/user/rbld.lock" "$place/user/fresh"
if [ "$(id -u)" = 0 ]; then chown -R "$ordinary:$ordinary" "$place/user/fresh"; fi
kill "$peer" 2> /dev/null || true
wait "$peer" 2> /dev/null || true
# Nothing but a loopback that is down, an empty store, and the folder.
alone=(env -C "$place/user/fresh" RBLD_STORE="$place/user/fresh/store" unshare --user --map-current-user --net "$place/rbld")
expect "user: without the folder nothing can be had" 4 as user "${alone[@]}" check --offline
expect "user: check from the folder, without a network" 0 as user "${alone[@]}" check --offline --from "$place/user/kept"
expect "user: … with the same lock and trees" 0 cmp "$place/user/rbld.lock" "$place/user/fresh/rbld.lock"
expect "user: … which is locked there" 0 as user "${alone[@]}" lock --offline --from "$place/user/kept"
nar=$(sed -nE '/^file .* nar /{s/^file ((..)(..)[0-9a-f]*) .*/\2\/\3\/\1/p;q}' "$place/user/kept/rbld.vendor")
printf x | dd of="$place/user/kept/objects/$nar" bs=1 seek=40 conv=notrunc status=none
rm -r "$place/user/fresh/store"
expect "user: a nar with another byte" 4 as user "${alone[@]}" check --offline --from "$place/user/kept"
sed -i 's/identical(r.\*.by_guix)/identical(r.*.by_distribution)/' "$place/user/build.rbld"
expect "the distribution's tar in the place of Guix's" 1 as user "$place/rbld" check
[ "$wrong" = 0 ]
