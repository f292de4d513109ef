#!/bin/sh
# fill TEMPLATE NAME=VALUE...: prints a template with @NAME@ replaced by the value.
set -eu
template=$1
shift

script=
for pair in "$@"; do
  # Neither names nor versions have a bar in them.
  script="$script;s|@${pair%%=*}@|${pair#*=}|g"
done
exec sed -e "$script" "$template"
