#!/bin/sh
# terse SCRIPT: prints a shell script without its comments and blank lines.
set -eu

# The first line says what runs it, and is kept.
exec sed -e '1!{/^[[:space:]]*#/d;}' -e '/^[[:space:]]*$/d' "$1"
