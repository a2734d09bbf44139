#!/usr/bin/env bash
# The tests under the race detector, 20 times, while stress-ng keeps four
# processors busy: what only holds on an idle machine shows here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

internal/tools/packages.sh stress
# The time-out is for the day when nobody is left to end it.
stress-ng --cpu 4 --timeout 3h --quiet &
load=$!
trap 'kill "$load" 2>/dev/null; wait "$load" || true' EXIT

internal/tools/test.sh -race -count=20 -timeout=90m "$@"
if ! kill -0 "$load" 2>/dev/null; then
  echo "stress.sh: stress-ng ended before the tests did: they did not run under load" >&2
  exit 1
fi
