#!/usr/bin/env bash
# Environments of many kinds: each realised from packages on this disk as root on a disk with all cores and nothing
# beneath, as an ordinary user in memory with one core on top of a smaller one, and by mmdebstrap of the same packages.
#
#   tests/world/trees.sh [SET…]     as root, with mmdebstrap and python3; all sets when none is named
#
# ENVIRONMENT is the example of that name (built here unless set); TREES a folder where packages and results are kept
# (a new temporary folder unless set), SUITE the suite. `world.sh` runs it as a part of the whole.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
suite=${SUITE:-bookworm}
arch=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH=1321009871 LC_ALL=C.UTF-8

# Name, and what is in it beside the packages that every system has and apt.
sets='
minbase
compiler        build-essential
python          python3,python3-venv,python3-pip
java            default-jre-headless,ca-certificates-java
tex             texlive-latex-base
systemd         systemd,systemd-sysv,dbus,udev
gtk             libgtk-4-dev
mail            exim4-daemon-light
mail-postfix    postfix
manual          man-db,groff,info
emacs           emacs-nox
web             apache2,nginx-light
diverting       zutils,molly-guard,parallel,moreutils
database        postgresql
ssh             openssh-server,ssl-cert
perl            debhelper,dh-python,intltool
'

place=${TREES:-$(mktemp -d -p /var/tmp)}
memory=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$memory"; [ -n "${TREES:-}" ] || rm -rf "$place"' EXIT
mkdir -p "$place/debs/$suite" "$place/bin"
chmod 755 "$place" "$place/bin" "$place/debs" "$place/debs/$suite" "$memory"
if [ -z "${ENVIRONMENT:-}" ]; then
  cargo build --manifest-path "$repo/Cargo.toml" --example environment
  ENVIRONMENT=${CARGO_TARGET_DIR:-$repo/target}/debug/examples/environment
fi
install -m 755 "$ENVIRONMENT" "$place/bin/environment"
ordinary=65531
wrong=0

# mmdebstrap of a set into a folder, from and into the cache of packages; its packages are left in $place/SET.debs.
bootstrap() {
  local name=$1 include=$2 root=$3
  rm -f "$place/$name.debs"
  # Some scripts ask for the name of the machine.
  unshare --uts sh -c 'hostname localhost; exec "$@"' sh mmdebstrap --quiet --mode=root --variant=minbase --architectures="$arch" ${include:+--include="$include"} \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --skip=download/empty,essential/unlink,cleanup/apt/cache \
    --setup-hook="mkdir -p \"\$1/var/cache/apt\" && cp -rl '$place/debs/$suite' \"\$1/var/cache/apt/archives\"" \
    --customize-hook="cp -nl \"\$1\"/var/cache/apt/archives/*.deb '$place/debs/$suite/'" \
    --customize-hook="chroot \"\$1\" dpkg-query -W -f '\${Package} \${Version} \${Architecture}\n' > '$place/$name.list'" \
    --customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' \
    "$suite" "$root" > "$place/$name.mmdebstrap.log" 2>&1 || { tail -5 "$place/$name.mmdebstrap.log"; return 1; }
  while read -r package version of; do
    echo "$place/debs/$suite/${package}_${version//:/%3a}_$of.deb"
  done < "$place/$name.list" > "$place/$name.debs"
  chmod 644 "$place/debs/$suite"/*.deb
}

# realise WHO STORE SET: prints what the example does; its packages are those that mmdebstrap took.
realise() {
  local who=$1 store=$2 name=$3 run
  mkdir -p "$store"
  run=("$place/bin/environment" "$store" "$arch" --)
  if [ "$who" = user ]; then
    chown "$ordinary:$ordinary" "$store"
    run=(taskset -c 0 setpriv --reuid=$ordinary --regid=$ordinary --clear-groups -- "${run[@]}")
  fi
  # shellcheck disable=SC2046
  "${run[@]}" $(cat "$place/$name.debs") > "$place/$name.$who.log" 2>&1 || true
  grep -E '^tree ' "$place/$name.$who.log" || true
}

say() {
  printf '| %-14s | %5s | %-10s | %-28s | %s\n' "$@"
}

wanted=" $* "
say set debs tree "everywhere the same" "beside mmdebstrap"
while read -r name include; do
  [ -n "$name" ] || continue
  if [ $# -gt 0 ] && [[ $wanted != *" $name "* ]]; then continue; fi
  theirs=$place/$name.root
  if ! bootstrap "$name" "$include" "$theirs"; then
    say "$name" "" "" "" "mmdebstrap failed"
    rm -rf "$theirs"
    continue
  fi
  count=$(wc -l < "$place/$name.debs")
  here=$(realise root "$place/store.root" "$name")
  # On top of a smaller one: its packages, and its own environment, are there already.
  if [ "$name" != minbase ] && [ -e "$place/minbase.debs" ] && [ ! -e "$memory/store" ]; then
    realise user "$memory/store" minbase > /dev/null
  fi
  there=$(realise user "$memory/store" "$name")
  if [ -z "$here" ] || [ "$here" != "$there" ]; then
    same=NO
    wrong=$((wrong + 1))
    grep -vE '^ *[0-9.]+ |^(root|seconds|entries|facts)' "$place/$name.root.log" "$place/$name.user.log" | head -20
    [ -z "$here$there" ] || python3 "$repo/tests/world/trees.py" /dev/null \
      "$(sed -n 's/^root //p' "$place/$name.root.log")" "$(sed -n 's/^root //p' "$place/$name.user.log")" || true
  else
    same=yes
  fi
  beside="not compared"
  if [ -n "$here" ]; then
    ours=$(sed -n 's/^root //p' "$place/$name.root.log")
    [ -z "${SHOW:-}" ] || for path in $SHOW; do diff "$theirs/$path" "$ours/$path" | head -20 || true; done
    if python3 "$repo/tests/world/trees.py" "$repo/spec/09-environments.md" "$theirs" "$ours" > "$place/$name.differences"; then
      beside="the same but for the rules"
    else
      beside="$(grep -c '^[-+~]' "$place/$name.differences") paths differ"
      wrong=$((wrong + 1))
    fi
  fi
  say "$name" "$count" "$(cut -c6-15 <<< "$here")" "$same" "$beside"
  [ ! -s "$place/$name.differences" ] || head -40 "$place/$name.differences"
  rm -rf "$theirs" "$place/store.root" "$memory/store"
done <<< "$sets"
[ "$wrong" = 0 ]
