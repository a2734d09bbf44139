package vm

import (
	"fmt"
	"maps"
	"slices"

	"github.com/netrig/netrig/internal/vm/wire"
)

// The kernel's caches grow and shrink by themselves, within this: a cache counts
// as grown by more objects than slack and by more memory than spare.
const (
	slack = 100
	spare = 64 << 10
)

// grown tells what a kernel holds more after the second run of the tests than
// after the first. Namespaces and references to modules are counted exactly.
func grown(before, after wire.Left) (all []string) {
	const namespaces = "net_namespace"
	for _, name := range slices.Sorted(maps.Keys(after.Slabs)) {
		was, is := before.Slabs[name], after.Slabs[name]
		more := is.Objects - was.Objects
		switch {
		case name == namespaces && more > 0:
			all = append(all, fmt.Sprintf("left behind: %d network namespaces (%d before, %d after the same tests once more)", more, was.Objects, is.Objects))
		case name != namespaces && more > slack && more*is.Size > spare:
			all = append(all, fmt.Sprintf("left behind: %d objects of %d bytes in the kernel's cache %s (%d before, %d after the same tests once more)", more, is.Size, name, was.Objects, is.Objects))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after.Modules)) {
		if was, is := before.Modules[name], after.Modules[name]; is > was {
			all = append(all, fmt.Sprintf("left behind: %d references to module %s (%d before, %d after the same tests once more)", is-was, name, was, is))
		}
	}
	return all
}
