package vm

import (
	"fmt"
	"maps"
	"slices"

	"github.com/netrig/netrig/internal/vm/wire"
)

// The kernel's caches grow and shrink by themselves: a cache counts as grown by
// more objects than slack and by more memory than spare. After 500 labs of the six
// scenarios, twice on 6.1 and twice on 6.12, no cache but addresses had grown by
// more than 8448 bytes (12 of proc_inode_cache), and namespaces and references
// were the same to the last one. What each of 500 labs leaves is found from 50
// bytes on.
const (
	slack = 100
	spare = 24 << 10
)

// addresses are ranges of the kernel's own addresses, which it gives back when
// there are 32 MB of them (lazy_max_pages, mm/vmalloc.c): in the same four runs
// there were 277 to 3932 at rest, by chance.
const addresses = "vmap_area"

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
		case name != namespaces && name != addresses && more > slack && more*is.Size > spare:
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
