#!/usr/bin/env bash
# The world suite: every example on real environments, from an empty store, as an ordinary user without sub-uids and
# as root; then what must survive: changed pins, kills, two runs at once. It writes tests/WORLD.md.
#
#   tests/world.sh [EXAMPLE…]     all examples when none is named; an hour or two on two cores
#
# PARTS names the scripts of tests/world that are run after that, each of which can be run by itself too; all of them
# unless set. They take some hours more.
# WORLD_DIR is where copies and stores go (a new temporary folder unless set; removed unless set or on failure);
# RBLD is the command to test (built here unless set). As an ordinary user only that user's part is run.
set -euo pipefail
repo=$(cd "$(dirname "$0")/.." && pwd)
examples=("$@")
[ $# -gt 0 ] || examples=(git-archive debian-rebuild stages container-image guix-image four-environments)

if [ -z "${RBLD:-}" ]; then
  cargo build --manifest-path "$repo/Cargo.toml" --bin rbld
  target=$(cargo metadata --manifest-path "$repo/Cargo.toml" --format-version 1 --no-deps |
    sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
  RBLD=$target/debug/rbld
fi
kept=${WORLD_DIR:-}
world=${WORLD_DIR:-$(mktemp -d)}
ordinary=65531
rows=()
wrong=0

mkdir -p "$world/bin"
chmod 755 "$world" "$world/bin"
install -m 755 "$RBLD" "$world/bin/rbld"
rbld=$world/bin/rbld

# who COMMAND…: runs it as `user` or `root` with a home and a store of their own. STORE names another store.
as() {
  local who=$1 home=$world/$1
  shift
  mkdir -p "$home"
  local run=(env -i PATH="$world/bin:/usr/bin:/bin" HOME="$home" LC_ALL=C.UTF-8
    RBLD_STORE="${STORE:-$home/store}" "$@")
  if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then
    chown -h "$ordinary:$ordinary" "$home"
    setpriv --reuid=$ordinary --regid=$ordinary --clear-groups -- "${run[@]}"
  else
    "${run[@]}"
  fi
}

# A fresh copy of an example that `who` may write, in $copy.
copy() {
  local who=$1 example=$2
  copy=$(mktemp -d "$world/$example.XXXXXX")
  cp -a "$repo/examples/$example/." "$copy"
  if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then chown -Rh "$ordinary:$ordinary" "$copy"; fi
}

# A row of the table: what, seconds, and `ok` or what is wrong.
row() {
  rows+=("| $1 | $2 | $3 |")
  printf '%-64s %8s  %s\n' "$1" "$2" "$3"
  case "$3" in ok*) ;; *) wrong=$((wrong + 1)) ;; esac
}

# expect WHAT CODE COMMAND…: the command must end with that code; its output is left in $out.
expect() {
  local what=$1 code=$2 got=0 from
  shift 2
  from=$(date +%s%N)
  out=$("$@" 2>&1) || got=$?
  local seconds=$((($(date +%s%N) - from) / 10000000))
  seconds=$(printf '%d.%02d' $((seconds / 100)) $((seconds % 100)))
  if [ "$got" = "$code" ]; then
    row "$what" "$seconds" ok
  else
    row "$what" "$seconds" "exit $got, expected $code"
    printf '%s\n' "$out" | tail -40
  fi
}

# holds WHAT TEXT: the last output has the text in it.
holds() {
  case "$out" in
    *"$2"*) row "$1" "" ok ;;
    *) row "$1" "" "no \`$2\` in the output"; printf '%s\n' "$out" | tail -40 ;;
  esac
}

# An example whose packages have left the mirror is locked again: its partitions and source digests must still hold.
locked_check() {
  local who=$1 example=$2 file=${3:-build.rbld} got=0
  local lock=$copy/rbld.lock
  [ "$file" = build.rbld ] || lock=$copy/$file.lock
  out=$(as "$who" rbld check "$copy/$file" 2>&1) || got=$?
  if [ "$got" = 4 ] && grep -q '404' <<< "$out"; then
    rm "$lock"
    as "$who" rbld lock "$copy/$file" > /dev/null
    # A line in a file: whoever looks at what was said calls this in a shell of its own.
    echo "$example/$file" >> "$world/relocked"
    got=0
    out=$(as "$who" rbld check "$copy/$file" 2>&1) || got=$?
  fi
  printf '%s\n' "$out"
  return "$got"
}

trees() {
  grep '^tree ' "$1/rbld.lock" | sort
}

check_examples() {
  local who=$1 example
  for example in "${examples[@]}"; do
    copy "$who" "$example"
    expect "$who: check $example, empty store" 0 locked_check "$who" "$example"
    printf '%s\n' "$out" > "$world/$who-$example.txt"
    trees "$copy" > "$world/$who-$example.trees"
    expect "$who: check $example again" 0 as "$who" rbld check "$copy" --format json
    if grep -q '"status": "realised"' <<< "$out"; then row "$who: $example builds nothing twice" "" "something was built"; fi
    changed "$who" "$example"
    if [ "$example" = stages ]; then moving "$who"; fi
  done
}

# The planted package of examples/stages is named as what never settles, the others as settled; and the stages that
# weren't run are said to be none.
moving() {
  local who=$1
  expect "$who: check stages/moving.rbld" 1 as "$who" rbld check "$copy/moving.rbld"
  holds "$who: … names the package" "seal does not settle"
  holds "$who: … and the line" "+ echo"
  holds "$who: … and what settles" "settled: bundle, fill, terse at stage 2"
  expect "$who: check stages, as JSON" 0 as "$who" rbld check "$copy" --format json
  holds "$who: … says that the last stage was not run again" '"same_keys_as_before": true'
  if [ "$who" = user ]; then
    expect "$who: check stages/debian.rbld" 0 locked_check "$who" stages debian.rbld
    holds "$who: … settles" "settled at stage 1"
  fi
  grep -o '"[a-z]*": {$\|"digest": "[0-9a-f]*"' <<< "$out" > "$world/$who-stages.digests"
}

# changed WHO EXAMPLE: one digit of a pinned digest, or one key of the partition, and the check must fail and say where.
changed() {
  local who=$1 example=$2 file=$copy/build.rbld
  cp "$file" "$file.orig"
  if grep -q 'published".* matches' "$file"; then
    sed -i -E '/published".* matches/,$ s/sha256:[0-9a-f]{8}/sha256:00000000/' "$file"
  fi
  if ! cmp -s "$file" "$file.orig"; then
    expect "$who: $example with another published digest" 1 as "$who" rbld check "$copy"
    holds "$who: … says which" "published"
    cp "$file.orig" "$file"
  fi
  case "$example" in
    git-archive) sed -i 's/old = \[old\], modern = \[stable, newest\]/old = [old, stable], modern = [newest]/' "$file" ;;
    four-environments)
      sed -i -E 's/^(  bookworm = \[bookworm_amd64, )bookworm_arm64/\1trixie_arm64/; s/^(  trixie   = \[trixie_amd64, )trixie_arm64/\1bookworm_arm64/' "$file" ;;
    stages) sed -i 's/iterate(3,/iterate(1,/' "$file" ;;
    debian-rebuild) sed -i 's/at_least = 75%/at_least = 76%/' "$file" ;;
    guix-image) sed -i 's/^    cat "$answers"$/    guix --version >> "$answers"/' "$file" ;;
    container-image) sed -i 's/^    mkdir www$/    mkdir www; cp \/etc\/debian_version www/' "$file" ;;
  esac
  if cmp -s "$file" "$file.orig"; then row "$who: $example has a partition to change" "" "the file isn't as this script knows it"; fi
  expect "$who: $example with another partition or share" 1 as "$who" rbld check "$copy"
  holds "$who: … says where" "build.rbld:"
  mv "$file.orig" "$file"
}

# Twelve kills at random: six while packages are fetched and unpacked, three in configuring, three in building; then
# the verdict, and nothing damaged. A run that has no more of a phase to do ends by itself: it isn't counted.
killed() {
  local who=$1 phase try kills=0 in_phase
  copy "$who" git-archive
  local store=$world/$who-killed
  mkdir -p "$store"
  if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then chown "$ordinary:$ordinary" "$store"; fi
  for phase in start start configure build; do
    in_phase=0
    for try in 1 2 3; do
      if STORE=$store kill_in "$who" "$phase"; then in_phase=$((in_phase + 1)); fi
    done
    kills=$((kills + in_phase))
    if [ $in_phase = 0 ]; then row "$who: killed at: $phase" "" "no run came to that"; else row "$who: killed at: $phase, $in_phase of 3" "" ok; fi
  done
  if [ $kills -ge 10 ]; then row "$who: $kills kills" "" ok; else row "$who: kills" "" "only $kills"; fi
  STORE=$store expect "$who: check git-archive after the kills" 0 as "$who" rbld check "$copy"
  STORE=$store expect "$who: the store after the kills" 0 as "$who" rbld store verify
}

# Kills a check at a random moment: of its first two seconds, or of the half second after a line that begins with the
# name of a phase. False if it ended before.
kill_in() {
  local who=$1 phase=$2 line status=0 pipe=$world/pipe
  rm -f "$pipe"
  mkfifo "$pipe"
  as "$who" rbld check "$copy" > "$pipe" 2>&1 &
  local pid=$!
  exec 3< "$pipe"
  if [ "$phase" = start ]; then
    sleep "$((RANDOM % 2)).$((RANDOM % 90 + 10))"
  else
    while read -r line <&3; do
      case "$line" in "$phase "*) sleep "0.$((RANDOM % 50 + 10))"; break ;; esac
    done
  fi
  # The command is the child of the shell that `as` runs in, which still has to say so.
  pkill -KILL -P "$pid" 2> /dev/null || true
  wait "$pid" 2> /dev/null || status=$?
  exec 3<&-
  [ "$status" = 137 ] && [ "$phase" = start -o -n "${line:-}" ]
}

# alone WHO COMMAND…: as that, in a network namespace of its own: nothing but a loopback that is down.
alone() {
  local who=$1
  shift
  as "$who" unshare --user --map-current-user --net "$@"
}

# Everything that a check fetches in a folder; then the same verdict, trees and lock from that folder alone, without a
# network and from an empty store; and a folder with one byte changed is refused.
vendored() {
  local who=$1 example=git-archive folder=$world/$1-vendored store=$world/$1-offline object
  copy "$who" "$example"
  mkdir -p "$folder" "$store" "$store-tampered"
  if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then chown "$ordinary:$ordinary" "$folder" "$store" "$store-tampered"; fi
  expect "$who: vendor $example" 0 as "$who" rbld vendor "$folder" "$copy"
  holds "$who: … says its size" " files, "
  expect "$who: vendor $example again" 0 as "$who" rbld vendor "$folder" "$copy"
  holds "$who: … writes nothing twice" "all there already"
  STORE=$store expect "$who: check $example from the folder, without a network" 0 \
    alone "$who" rbld check "$copy" --offline --from "$folder"
  # Known only where the example itself was among those that were asked for.
  if [ -f "$world/$who-$example.trees" ] && ! trees "$copy" | cmp -s - "$world/$who-$example.trees"; then
    row "$who: … the same trees" "" "they differ"
  fi
  mv "$copy/rbld.lock" "$world/$who-vendored.lock"
  STORE=$store expect "$who: lock $example from the folder, without a network" 0 \
    alone "$who" rbld lock "$copy" --offline --from "$folder"
  if cmp -s <(grep -v '^tree ' "$copy/rbld.lock") <(grep -v '^tree ' "$world/$who-vendored.lock"); then
    row "$who: … the same lock" "" ok
  else
    row "$who: … the same lock" "" "they differ"
  fi
  object=$(sed -nE '/^file .* package /{s/^file ((..)(..)[0-9a-f]*) .*/\2\/\3\/\1/p;q}' "$folder/rbld.vendor")
  printf x | dd of="$folder/objects/$object" bs=1 seek=100 conv=notrunc status=none
  STORE=$store-tampered expect "$who: a package with another byte" 4 \
    alone "$who" rbld check "$copy" --offline --from "$folder"
  holds "$who: … is named" "objects/$object"
  rm -rf "$folder" "$store" "$store-tampered"
}

two_at_once() {
  local who=$1 one other
  copy "$who" git-archive
  local store=$world/$who-two
  mkdir -p "$store"
  if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then chown "$ordinary:$ordinary" "$store"; fi
  STORE=$store as "$who" rbld check --locked "$copy" > "$world/one.txt" 2>&1 &
  one=$!
  STORE=$store as "$who" rbld check --locked "$copy" > "$world/other.txt" 2>&1 &
  other=$!
  local codes=""
  wait $one && codes=0 || codes=$?
  wait $other && codes="$codes 0" || codes="$codes $?"
  if [ "$codes" = "0 0" ]; then row "$who: two checks at once" "" ok; else row "$who: two checks at once" "" "exits $codes"; fi
  STORE=$store expect "$who: the store after two at once" 0 as "$who" rbld store verify
}

# images WHO: the image of its example, read back by skopeo, umoci and podman, pushed to a registry and pulled again.
images() {
  local who=$1 dir folder digest port registry
  copy "$who" container-image
  expect "$who: build container-image into a folder" 0 as "$who" rbld build -o "$copy/out" "$copy" image
  dir=$(mktemp -d -p "$world")
  for folder in "$copy"/out/image*; do cp -r "$folder" "$dir/$(basename "$folder" | tr -d '[]')"; done
  expect "container-image: both folders are the same" 0 diff -r "$dir/imagebookworm" "$dir/imagetrixie"
  digest=$(grep -o 'sha256:[0-9a-f]*' "$dir/imagebookworm/index.json" | head -n 1)
  expect "container-image: skopeo reads it" 0 skopeo inspect "oci:$dir/imagebookworm"
  holds "… its digest" "$digest"
  expect "container-image: umoci unpacks it" 0 umoci unpack --rootless --image "$dir/imagebookworm:latest" "$dir/bundle"
  expect "… a file of it" 0 grep -q '<h1>Reproducible images</h1>' "$dir/bundle/rootfs/srv/www/index.html"
  expect "… its program runs" 0 "$dir/bundle/rootfs/bin/busybox" true
  local podman=(podman --root "$dir/podman" --runroot "$dir/podman-run" --storage-driver vfs)
  expect "container-image: podman loads it" 0 env -C "$dir" "${podman[@]}" pull -q oci:imagebookworm:latest
  local id=$out
  expect "… and tells of it" 0 "${podman[@]}" image inspect "${id##*$'\n'}"
  holds "… its entry point" "/bin/busybox"
  holds "… its digest" "$digest"
  mkdir -p "$dir/registry"
  printf 'version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:0"}\n' \
    "$dir/registry" > "$dir/registry.yml"
  mkfifo "$dir/log"
  docker-registry serve "$dir/registry.yml" > /dev/null 2> "$dir/log" &
  registry=$!
  exec 4< "$dir/log"
  while read -r line <&4; do
    case "$line" in *"listening on 127.0.0.1:"*) port=${line##*listening on 127.0.0.1:}; port=${port%%\"*}; break ;; esac
  done
  cat <&4 > /dev/null &
  expect "$who: push it to a registry" 0 as "$who" rbld push "$copy" 'image[bookworm]' "127.0.0.1:$port/team/site:1.0"
  holds "… by its digest" "$digest"
  expect "$who: push the other, which is there" 0 as "$who" rbld push "$copy" 'image[trixie]' "127.0.0.1:$port/team/site:1.0"
  expect "the registry gives it to skopeo" 0 skopeo inspect --tls-verify=false "docker://127.0.0.1:$port/team/site:1.0"
  holds "… by its digest" "$digest"
  kill "$registry"
  wait "$registry" 2> /dev/null || true
  exec 4<&-
}

users=(user)
[ "$(id -u)" != 0 ] || users=(user root)
began=$SECONDS
for who in "${users[@]}"; do check_examples "$who"; done
if [ ${#users[@]} = 2 ]; then
  for example in "${examples[@]}"; do
    if cmp -s "$world/user-$example.trees" "$world/root-$example.trees"; then
      row "$example: root's and the user's environments are the same trees" "" ok
    else
      row "$example: root's and the user's environments are the same trees" "" "they differ"
    fi
  done
  if [ -f "$world/user-stages.digests" ]; then
    if cmp -s "$world/user-stages.digests" "$world/root-stages.digests"; then
      row "stages: root's and the user's packages of every stage are the same" "" ok
    else
      row "stages: root's and the user's packages of every stage are the same" "" "they differ"
    fi
  fi
fi
for who in "${users[@]}"; do vendored "$who"; done
images user
killed user
two_at_once user
parts=${PARTS-$(cd "$repo/tests/world" && ls ./*.sh | sed 's|^\./||; s|\.sh$||')}
for part in $parts; do
  expect "part: $part" 0 env RBLD="$rbld" "$repo/tests/world/$part.sh"
  printf '%s\n' "$out" > "$world/part-$part.txt"
done

{
  echo "# The world suite"
  echo
  echo "Written by \`tests/world.sh\`: every example on real environments, from empty stores."
  echo
  echo "- Date: $(date -u +%Y-%m-%dT%H:%MZ), rbld $("$rbld" --version | sed 's/^rbld //'), commit $(git -C "$repo" rev-parse --short HEAD 2> /dev/null || echo unknown)"
  echo "- Machine: $(nproc) cores, Linux $(uname -r) $(uname -m), load $(cut -d' ' -f1 /proc/loadavg) at the end"
  echo "- Minutes in all: $(((SECONDS - began) / 60)); wrong: $wrong"
  [ ! -f "$world/relocked" ] || echo "- Locked again because packages left the mirror: $(sort -u "$world/relocked" | xargs)"
  echo
  echo "| What | Seconds | Result |"
  echo "|---|---|---|"
  printf '%s\n' "${rows[@]}"
  for example in "${examples[@]}"; do
    printf '\n## %s, as the ordinary user\n```\n' "$example"
    sed "s|$world|[WORLD]|g" "$world/user-$example.txt"
    echo '```'
  done
  for part in $parts; do
    printf '\n## %s\n\n' "$part"
    cat "$world/part-$part.txt"
  done
} > "$repo/tests/WORLD.md"

if [ "$wrong" = 0 ]; then
  [ -n "$kept" ] || rm -rf "$world"
  echo "all of it holds; see tests/WORLD.md"
else
  echo "$wrong wrong; what was made is in $world"
  exit 1
fi
