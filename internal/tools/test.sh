#!/usr/bin/env bash
# Runs the tests as root and then as an ordinary user, whichever of the two one
# is, and says at the end what was skipped and why. Arguments go to `go test`.
#
#   WHO        root, user or both (default): a half asked for by name must run
#   ARTIFACTS  directory for the files that failed tests save (default
#              out/failed); has a folder for each half, emptied when it starts
#   CI         when set, a skip as root is a failure (NETRIG_REQUIRE=1), and so
#              are packages that can't be installed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=$PWD/internal/tools
PATH=$PATH:/usr/sbin:/sbin
WHO=${WHO:-both}

case $WHO in
  root | user | both) ;;
  *) echo "test.sh: WHO=$WHO: want root, user or both" >&2 && exit 2 ;;
esac

sets=(test)
for arg in "$@"; do
  if [[ $arg == -race ]]; then sets+=(race); fi
done
if ! "$tools/packages.sh" "${sets[@]}"; then
  [[ -z ${CI:-} ]] || exit 1
  echo "test.sh: going on without them; the tests that need them are skipped, and listed at the end" >&2
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/netrig-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cp "$tools/as-nobody.sh" "$tmp"
go -C "$tools" build -buildvcs=false -o "$tmp/summary" ./summary

ARTIFACTS=$(realpath -m "${ARTIFACTS:-out/failed}")
if ! mkdir -p "$ARTIFACTS"/as-{root,user} 2>/dev/null || [[ ! -w $ARTIFACTS/as-root || ! -w $ARTIFACTS/as-user ]]; then
  # A checkout of somebody else's, say, or root was here before.
  other=$(mktemp -d "${TMPDIR:-/tmp}/netrig-failed.XXXXXX")
  echo "test.sh: $ARTIFACTS is not ours to write: files of failed tests go to $other"
  ARTIFACTS=$other
fi

# keep DIR: sets flags so that what failed tests save goes to DIR.
keep() {
  flags=(-artifacts "-outputdir=$1")
  rm -rf "$1/_artifacts" && mkdir -p "$1"
}

# half NAME EXEC ARGUMENTS...: one run. -count=1 comes first, so that a -count
# of the caller's wins; without either go test would tell old results.
half() {
  local name=$1 exec=$2 flags=()
  shift 2
  if [[ -n $exec ]]; then flags=(-exec "$exec"); fi
  echo "## as $name"
  go test -json -count=1 "${flags[@]}" "$@" 2>&1
}

as_root() {
  local flags status=0
  if [[ -n ${CI:-} ]]; then export NETRIG_REQUIRE=${NETRIG_REQUIRE:-1}; fi
  if ((EUID == 0)); then
    keep "$ARTIFACTS/as-root" || return
    half root "" "${flags[@]}" "$@"
  elif sudo -n true 2>/dev/null; then
    keep "$ARTIFACTS/as-root" || return
    half "root (by sudo)" "sudo -n --preserve-env=NETRIG_REQUIRE,GITHUB_ACTIONS,GITHUB_WORKSPACE,GITHUB_STEP_SUMMARY" "${flags[@]}" "$@" || status=$?
    # Or the caller could neither read nor remove them.
    sudo -n chown -R "$EUID" "$ARTIFACTS/as-root"
    return $status
  else
    not_run root "sudo is missing or asks for a password: run 'sudo -v' first, or make test as root"
  fi
}

as_user() {
  local flags status=0
  if ((EUID != 0)); then
    keep "$ARTIFACTS/as-user" || return
    half "an ordinary user (uid $EUID)" "" "${flags[@]}" "$@"
    return
  fi

  export NOBODY_TMP=$tmp/nobody
  mkdir "$NOBODY_TMP" && chown 65534:65534 "$NOBODY_TMP" || return
  if ! as_nobody test -r "$PWD/go.mod"; then
    # A checkout under /root, say. Tests may name their files by absolute path.
    mkdir "$tmp/checkout" &&
      tar -c --exclude=./.git --exclude=./out . | tar -x -C "$tmp/checkout" &&
      chmod -R go+rX "$tmp/checkout" && cd "$tmp/checkout" || return
  fi

  local saved=$ARTIFACTS/as-user
  keep "$saved" && chown 65534:65534 "$saved" || return
  if ! as_nobody test -w "$saved"; then # the way there is closed
    keep "$NOBODY_TMP/saved" && chown 65534:65534 "$NOBODY_TMP/saved" || return
  fi
  half "an ordinary user (uid 65534)" "'$tmp/as-nobody.sh'" "${flags[@]}" "$@" || status=$?
  if [[ -d $NOBODY_TMP/saved/_artifacts ]]; then
    cp -r "$NOBODY_TMP/saved/_artifacts" "$saved" && echo "saved files are now in $saved"
  fi
  return $status
}

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }

# not_run HALF WHY: no failure when both were asked for, but never hidden.
not_run() {
  echo "## not run as $1: $2"
  [[ $WHO == both ]]
}

# Each half in a subshell of its own, the second also when the first failed.
# In such a place set -e has no effect: steps that matter say `|| return`.
halves() {
  local failed=0
  if [[ $WHO != user ]]; then (as_root "$@") || failed=1; fi
  if [[ $WHO != root ]]; then (as_user "$@") || failed=1; fi
  find "$ARTIFACTS" -type d -empty -delete 2>/dev/null || true
  return $failed
}

halves "$@" | "$tmp/summary"
