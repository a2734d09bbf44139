#!/usr/bin/env bash
# Runs netrig and what people use without it side by side (bench/), as whoever
# calls: Mininet wants root.
#
#   bench.sh --write|--short [BENCHMARKS]
#
# --write writes docs/performance.md, its plot and the README's paragraph; where only some BENCHMARKS (a
# regular expression) are run, the others' results are those of the last run, in
# out/bench. --short leaves out the large sizes, and prints the tables.
#
#   ROUNDS            how often each has its turn
#   NETRIG_FIGURES=1  a target that is missed is a failure
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=$PWD/internal/tools
form=$1 which=${2:-.}

"$tools/packages.sh" bench
mkdir -p out/bench
case $form in
  --write)
    rounds=${ROUNDS:-10} results=$PWD/out/bench/results.json
    if [[ $which == . ]]; then rm -f "$results"; fi
    ;;
  --short)
    rounds=${ROUNDS:-3} results=$PWD/out/bench/short.json
    export NETRIG_BENCH_SHORT=1
    rm -f "$results"
    ;;
  *) echo "bench.sh: $form: want --write or --short" >&2 && exit 2 ;;
esac

status=0
NETRIG_BENCH_RESULTS=$results go test -run '^$' -bench "$which" -benchtime="${rounds}x" -timeout=0 ./bench || status=$?
if [[ $form == --write ]]; then page=(docs/performance.md README.md); else page=(); fi
go -C "$tools" build -buildvcs=false -o "$PWD/out/bench/performance" ./performance
out/bench/performance "$results" "${page[@]}" || status=1
exit $status
