#!/usr/bin/env bash
# fuzz.sh TIME PACKAGES...: every fuzz target of the packages, one after the
# other (go test takes one at a time).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

time=$1
shift
found=0
for pkg in $(go list "$@"); do
  for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
    found=1
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg"
  done
done
((found)) || echo "fuzz.sh: no fuzz target in $*"
