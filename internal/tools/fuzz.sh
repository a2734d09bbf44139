#!/usr/bin/env bash
# fuzz.sh TIME PACKAGES...: every fuzz target of the packages, one after the
# other (go test takes one at a time), on PARALLEL processors (all).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

time=$1
shift
flags=()
if [[ -n ${PARALLEL:-} ]]; then flags=("-parallel=$PARALLEL"); fi
found=0
for dir in $(go list -f '{{.Dir}}' "$@"); do
  targets=$(go test -list "^Fuzz" "$dir" | grep "^Fuzz" || true)
  # A target that is not listed would never run, and nobody would know.
  written=$(grep -hos '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //' || true)
  if [[ $(sort <<<"$targets") != $(sort <<<"$written") ]]; then
    echo "fuzz.sh: $dir: go test lists '$targets', and the files have '$written'" >&2
    exit 1
  fi
  for target in $targets; do
    found=$((found + 1))
    # Inputs of interest are made smaller for 60 s each unless told otherwise.
    (cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 2s "${flags[@]}" .)
  done
done
if ((found)); then echo "fuzz.sh: $found fuzz targets, $time each"; else echo "fuzz.sh: no fuzz target in $*"; fi
