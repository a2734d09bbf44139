#!/usr/bin/env bash
# Every static check. Goes through all of them before it fails, so that one run
# shows everything. The linters' versions are pinned in internal/tools/go.mod.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

internal/tools/packages.sh lint

failed=()
check() {
  local name=$1
  shift
  echo "$name"
  "$@" || failed+=("$name")
}

formatted() {
  local files
  files=$(gofmt -l .) || return 1
  [[ -z $files ]] && return
  echo "not formatted (run make fmt):"
  echo "$files"
  return 1
}

# Shell scripts are known by their first line: not every one is called *.sh.
shell_scripts() {
  find . -name .git -prune -o -name out -prune -o -type f -print0 |
    xargs -0 awk 'FNR == 1 && /^#!.*[/ ](ba|da)?sh( |$)/ { print FILENAME } { nextfile }'
}
mapfile -t scripts < <(shell_scripts)

tool() { go tool -modfile=internal/tools/go.mod "$@"; }
tools_module() (cd internal/tools && go vet ./... && go tool staticcheck ./... && go test ./...)

check gofmt formatted
check "go vet" go vet -tags machine ./...
check staticcheck tool staticcheck -tags machine ./...
check "internal/tools (its own module, with its tests)" tools_module
check actionlint tool actionlint .github/workflows/*.yml
check shellcheck shellcheck -x "${scripts[@]}"

if ((${#failed[@]})); then
  printf 'lint: failed:'
  printf ' %s;' "${failed[@]}"
  echo
  exit 1
fi
echo "lint: clean"
