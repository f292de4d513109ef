#!/usr/bin/env bash
# Reports in the hands of those who read them: a browser, the published schemas, Graphviz, Mermaid. See page.py.
#
#   RBLD=… tests/world/page.sh
set -euo pipefail
exec python3 "$(dirname "$0")/page.py" "$RBLD"
