#!/usr/bin/env bash
# For `go test -exec`, run by root: runs the test binary as an ordinary user.
# The build, its cache and its modules stay root's. The user is by number
# (nobody's, everywhere), so that nothing has to be made on the machine.
set -euo pipefail

# go test builds in a directory that only its owner may enter. The tests have
# to execute the binary by its name, again and again: let others pass through.
case $1 in
  */go-build*/b[0-9]*/*.test)
    built=${1%/*}
    chmod go+x "$built" "${built%/*}"
    ;;
esac

# Root's HOME and TMPDIR are not this user's to write.
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- \
  env HOME="$NOBODY_TMP" TMPDIR="$NOBODY_TMP" USER=nobody LOGNAME=nobody "$@"
