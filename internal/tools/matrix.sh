#!/usr/bin/env bash
# Runs scenarios on kernels of Debian in virtual machines, and compares what they
# do with what is recorded in testdata/baseline.
#
#   KERNELS  which, with commas between (netrig vm --help says how they are named)
#   RUN      which tests
#   CI       when set, a kernel that can't be had is a failure
# Arguments go to `netrig matrix`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

KERNELS=${KERNELS:-debian/bookworm,debian/trixie}
# The first six, and those about what some running kernels lack the module for.
RUN=${RUN:-^Test(VethPair|Bridge|Router|HostGateway|Masquerade|PortForward|Fragments.*|PathMTU.*|ECMP.*|.*V[Ll][Aa][Nn].*|V[Xx][Ll][Aa][Nn].*|PolicyRouting.*|CarrierLoss.*)\$}
# These compare with programs, with documents and with the harness itself, or break things.
skip='^Test(Oracle.*|Faults.*|Printed|Ping|Tcpdump|Tshark|JournalsSayNothing|Conntrack|Document)$'

not_run() {
  echo "matrix.sh: not run: $1" >&2
  [[ -z ${CI:-} ]] || exit 2
  exit 0
}

internal/tools/packages.sh test vm || not_run "programs are missing"
CGO_ENABLED=0 go build -ldflags='-s -w' -o out/netrig ./cmd/netrig
IFS=, read -ra kernels <<<"$KERNELS"
for kernel in "${kernels[@]}"; do
  case $kernel in
    running) ;;
    *)
      if ! out/netrig kernels list | grep -qF "$kernel " && ! out/netrig kernels fetch "$kernel"; then
        not_run "$kernel can't be had from where apt gets its packages: name kernels that can (make matrix KERNELS=debian/SUITE,FILE.deb,/boot/vmlinuz-X)"
      fi
      ;;
  esac
done
exec out/netrig matrix --kernels "$KERNELS" --run "$RUN" --skip "$skip" "$@" ./scenarios
