#!/usr/bin/env bash
# Runs the benchmarks of parts at another commit and as they are here, by turns,
# and has benchstat compare them. It shows; it is no gate.
#
#   bench-compare.sh COMMIT BENCHMARKS PACKAGES...
#
# BENCHMARKS is a regular expression. The other commit is checked out in a git
# worktree of its own, out/compare/base, which is removed at the end.
#
#   ROUNDS  how often each has its turn (6)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
base=${1:-} which=${2:-.}
if [[ -z $base ]] || ! git rev-parse --verify --quiet "$base^{commit}" >/dev/null; then
  echo "bench-compare.sh: '$base' is no commit: say make bench-compare BASE=<commit>" >&2
  exit 2
fi
shift 2
here=$PWD out=$PWD/out/compare

mkdir -p "$out"
tidy() { git -C "$here" worktree remove --force "$out/base" 2>/dev/null || true; }
trap tidy EXIT
tidy # of a run that was killed
rm -rf "$out/base" && git worktree prune
git worktree add --quiet --detach "$out/base" "$base"

# tested SOURCE: the folders of its packages that have tests.
tested() { (cd "$1" && go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' "${packages[@]}"); }

# build SOURCE NAME: test binaries, which each side keeps for all its turns.
build() {
  local folder
  rm -rf "${out:?}/$2.bin"
  while read -r folder; do
    mkdir -p "$out/$2.bin/${folder#"$1"/}"
    (cd "$folder" && go test -c -o "$out/$2.bin/${folder#"$1"/}/test" .)
  done < <(tested "$1")
}

# turn SOURCE NAME: one run of those that have such a benchmark, added to
# NAME.txt.
turn() {
  local binary
  while read -r binary; do
    (cd "$1/$(dirname "${binary#"$out/$2.bin/"}")" && "$binary" -test.run '^$' -test.bench "$which" -test.benchmem -test.benchtime=0.3s) >"$out/turn.txt" || {
      cat "$out/turn.txt" >&2
      return 1
    }
    sed '/^PASS$/d' "$out/turn.txt" >>"$out/$2.txt"
  done < <(find "$out/$2.bin" -name test | sort)
}

packages=("$@")
for side in base here; do
  if [[ $side == base ]]; then source=$out/base; else source=$here; fi
  build "$source" "$side"
  : >"$out/$side.txt"
done
for ((i = 0; i < ${ROUNDS:-6}; i++)); do
  turn "$out/base" base
  turn "$here" here
done
go tool -modfile=internal/tools/go.mod benchstat base="$out/base.txt" here="$out/here.txt"
