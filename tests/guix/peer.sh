#!/usr/bin/env bash
# A real Guix on this machine's loopback: Debian sid's guix, its daemon, a few built items and `guix publish`.
#
#   tests/guix/peer.sh CACHE WORK [ITEMS.scm]
#
# CACHE keeps the unpacked packages of sid (130 MB fetched, 700 MB unpacked) for later runs; WORK is this run's own: its
# gnu/store is what is served. ITEMS.scm (tests/guix/items.scm unless given) builds what is served. Once all is ready it
# prints, a line each,
#
#   item NAME /gnu/store/HASH-NAME        what ITEMS.scm built, in its order
#   key FILE                              the public key that signs
#   guix FILE                             a program that answers as this Guix, whatever commit it is asked to be at; it
#                                         knows the packages in packages/ too
#   server COMPRESSION URL                a server for each of $COMPRESSIONS (zstd gzip lzip none)
#   ready
#
# and serves until its standard input ends or it is stopped by a signal. All of it runs as an ordinary user, in a user
# namespace without any right on this machine; it needs apt-get, dpkg-deb and bwrap.
#
# PUBLISH_CACHE=1 has nars packed once and kept, as the build farms do, before it is ready; WORK_TEMPORARY=1 removes WORK at
# the end; BWRAP is where bwrap is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mkdir -p "$2" && cd "$2" && pwd)
items=${3:-$here/items.scm}
compressions=${COMPRESSIONS:-zstd gzip lzip none}
packages="guix guile-zstd bash-static busybox-static"

fail() {
  echo "peer.sh: $*" >&2
  exit 1
}

# The Debian mirror of this machine, the one that its apt uses.
mirror() {
  for url in ${RBLD_MIRROR_DEBIAN:-} $(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u); do
    case "${url%/}" in */debian) echo "${url%/}"; return ;; esac
  done
  fail "apt knows no mirror of Debian"
}

# Fetches sid's guix with an apt of our own and takes the packages apart; nothing of them is run as root or configured.
unpack() {
  local apt=$cache/apt
  rm -rf "$cache/root" "$apt"
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/none" "$cache/root"
  : > "$apt/status"
  echo "deb [signed-by=$here/../../stdlib/keyrings/debian-archive-keyring.gpg] $(mirror) sid main" > "$apt/sources.list"
  cat > "$apt/apt.conf" << EOF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/none";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
EOF
  APT_CONFIG=$apt/apt.conf apt-get -qq update >&2
  APT_CONFIG=$apt/apt.conf apt-get -qq install -y --download-only $packages >&2
  printf '%s\0' "$apt"/archives/*.deb | xargs -0 -P2 -I DEB dpkg-deb --extract DEB "$cache/root"
  rm -rf "$apt"
  touch "$cache/unpacked"
}
exec 9> "$cache/lock"
flock 9
[ -e "$cache/unpacked" ] || unpack
exec 9>&-

mkdir -p "$work"/gnu/store "$work"/var "$work"/etc "$work"/log "$work"/tmp "$work"/home "$work"/nars
echo 'guix:x:1000:1000::/home:/bin/sh' > "$work/passwd"
echo 'guix:x:1000:' > "$work/group"
echo '127.0.0.1 localhost' > "$work/hosts"
cp "$items" "$work/home/items.scm"
cp -r "$here/packages" "$work/home/packages"

# box COMMAND…: runs it among sid's files and this run's own folders, as a user with no rights here.
box() {
  local root=$cache/root
  exec "${BWRAP:-bwrap}" --unshare-user --uid 1000 --gid 1000 --unshare-pid --unshare-ipc --die-with-parent --clearenv \
    --setenv PATH /usr/sbin:/usr/bin --setenv HOME /home --setenv LC_ALL C \
    --setenv GUIX_PACKAGE_PATH /home/packages --setenv GIGABYTES "${GIGABYTES:-1}" \
    --ro-bind "$root/usr" /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
    --symlink usr/sbin /sbin --dev /dev --proc /proc --bind "$work/gnu" /gnu --bind "$work/var" /var/guix \
    --bind "$work/etc" /etc/guix --bind "$work/log" /var/log/guix --bind "$work/tmp" /tmp --bind "$work/home" /home \
    --bind "$work/nars" /nars --ro-bind "$work/passwd" /etc/passwd --ro-bind "$work/group" /etc/group \
    --ro-bind "$work/hosts" /etc/hosts "$@"
}

pids=()
stop() {
  trap - EXIT
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2> /dev/null || true
  wait
  # Items are read-only, their folders too.
  [ -z "${WORK_TEMPORARY:-}" ] || { chmod -R u+w "$work" && rm -rf "$work"; }
}
trap stop EXIT
trap 'exit 143' TERM INT

# until_ready PID FILE COMMAND…: waits until the command succeeds, as long as the process lives.
until_ready() {
  local pid=$1 log=$2
  shift 2
  for _ in $(seq 300); do
    if "$@"; then return 0; fi
    kill -0 "$pid" 2> /dev/null || return 1
    sleep 0.1
  done
  fail "nothing is ready after 30 seconds: $(tail -3 "$log")"
}

# Without build sandboxes of its own: it is in one already, and what is built here is trusted.
(box guix-daemon --disable-chroot --no-substitutes --discover=no) < /dev/null > "$work/daemon.log" 2>&1 &
pids+=($!)
until_ready $! "$work/daemon.log" test -S "$work/var/daemon-socket/socket" ||
  fail "the daemon ended: $(tail -3 "$work/daemon.log")"
[ -e "$work/etc/signing-key.pub" ] || (box guix archive --generate-key) < /dev/null > "$work/key.log" 2>&1
(box guix repl /home/items.scm) < /dev/null > "$work/items.txt" 2> "$work/items.log" ||
  fail "the items weren't built: $(tail -5 "$work/items.log")"
grep '^item ' "$work/items.txt"
echo "key $work/etc/signing-key.pub"

# For `rbld lock`, which says `guix time-machine --commit=… -- repl -- SCRIPT SYSTEM PACKAGE…`.
cat > "$work/guix" << EOF
#!/usr/bin/env bash
set -euo pipefail
cache=$(printf %q "$cache")
work=$(printf %q "$work")
BWRAP=$(printf %q "${BWRAP:-bwrap}")
$(declare -f box)
[ "\$1" != describe ] || exit 1
while [ "\$1" != repl ]; do shift; done
cp "\$3" "\$work/home/lock.scm"
shift 3
box guix repl -- /home/lock.scm "\$@"
EOF
chmod +x "$work/guix"
echo "guix $work/guix"

answers() {
  (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}

# Packs all nars before they are asked for: a server that keeps them answers 404 until it has packed one.
warm() {
  local url=$1 path hash
  for path in $(sed -n 's/^item [^ ]* //p' "$work/items.txt"); do
    hash=${path##*/}
    until curl -sf -o /dev/null "$url/${hash%%-*}.narinfo"; do sleep 0.1; done
  done
}

for compression in $compressions; do
  kept=()
  how=$compression
  [ "$how" != none ] || how=gzip:0
  [ -z "${PUBLISH_CACHE:-}" ] || kept=("--cache=/nars/$compression" --cache-bypass-threshold=0)
  for try in 1 2 3 4 5 last; do
    [ $try != last ] || fail "no port is free for guix publish: $(tail -3 "$work/publish.log")"
    port=$((20000 + RANDOM % 12000))
    answers $port && continue
    (box guix publish --port=$port --listen=127.0.0.1 --compression=$how "${kept[@]}") \
      < /dev/null > "$work/publish.log" 2>&1 &
    if until_ready $! "$work/publish.log" answers $port; then break; fi
  done
  pids+=($!)
  [ -z "${PUBLISH_CACHE:-}" ] || warm "http://127.0.0.1:$port"
  echo "server $compression http://127.0.0.1:$port"
done
echo ready

# `read` ends with the input; a signal ends it as well.
while read -r _; do :; done
