#!/bin/sh
# Makes release.bundle: the whole history of `tally`, a project small enough to read, with its release v1.0.
#
# Author, dates and contents are fixed, so every git writes the same commits and the same tag. The
# bundle's own bytes may differ between versions of git (they hold a compressed pack); its contents don't.
# Run it without arguments in this folder; nothing is read from the network or from your git settings.
set -eu

bundle=$PWD/release.bundle
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export HOME="$work" GIT_CONFIG_NOSYSTEM=1 LC_ALL=C TZ=UTC
export GIT_AUTHOR_NAME='Tally Maintainer' GIT_AUTHOR_EMAIL='tally@example.org'
export GIT_COMMITTER_NAME="$GIT_AUTHOR_NAME" GIT_COMMITTER_EMAIL="$GIT_AUTHOR_EMAIL"

at() {
  export GIT_AUTHOR_DATE="$1" GIT_COMMITTER_DATE="$1"
}

git init -q "$work/tally"
cd "$work/tally"
git symbolic-ref HEAD refs/heads/main
git config gc.auto 0
git config pack.threads 1

# The first commit: the program, and the attributes that make `git archive` fill in the version.
cat > tally.sh <<'TALLY'
#!/bin/sh
# Counts how often each line occurs, most frequent first.
LC_ALL=C sort | LC_ALL=C uniq -c | LC_ALL=C sort -k1,1nr -k2
TALLY
chmod +x tally.sh
cat > README <<'README'
tally counts how often each line of its input occurs.
README
cat > .gitattributes <<'ATTRIBUTES'
.gitattributes export-ignore
version.txt    export-subst
ATTRIBUTES
cat > version.txt <<'VERSION'
version: $Format:%(describe)$
commit:  $Format:%H$
date:    $Format:%cs$
VERSION
git add .
at '2026-03-01T10:00:00+0000'
git commit -q -m 'Count lines'

# The second: something to count, of letters that hardly compress. A deflate encoder closes its first block
# after so many symbols, git's zlib after half as many as gzip, so from this file on the two write different bytes.
mkdir tests
awk 'BEGIN {
  letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
  seed = 2026
  for (line = 1; line <= 500; line++) {
    text = ""
    for (i = 1; i <= 60; i++) {
      seed = (seed * 16807) % 2147483647
      text = text substr(letters, int(seed / 33554432) % 64 + 1, 1)
    }
    print text
  }
}' > tests/letters.txt
git add .
at '2026-04-01T10:00:00+0000'
git commit -q -m 'Add something to count'
git tag -a -m 'tally 1.0' v1.0

rm -f "$bundle"
git bundle create -q --version=2 "$bundle" HEAD main v1.0
git rev-parse 'v1.0^{commit}'
