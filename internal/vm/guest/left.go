package guest

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/netrig/netrig/internal/vm/wire"
)

// What a kernel frees it frees later: namespaces one after the other, memory
// after a grace period. It has come to rest when two looks this far apart see the
// same; restLimit is for one that never does.
const (
	restEvery = 500 * time.Millisecond
	restLimit = 2 * time.Minute
)

// left waits until the kernel has come to rest, and tells what it holds.
func left() wire.Left {
	now := look()
	for end := time.Now().Add(restLimit); time.Now().Before(end); {
		time.Sleep(restEvery)
		before := now
		now = look()
		if now.Slabs[namespaces].Objects == before.Slabs[namespaces].Objects && same(before, now) {
			break
		}
	}
	return now
}

// namespaces is the slab that network namespaces are in.
const namespaces = "net_namespace"

func same(a, b wire.Left) bool {
	for name, s := range b.Slabs {
		if a.Slabs[name] != s {
			return false
		}
	}
	return true
}

// look has the kernel give back what it only keeps for later, and counts the
// rest.
func look() wire.Left {
	_ = os.WriteFile("/proc/sys/vm/drop_caches", []byte("2\n"), 0) // names and inodes (Documentation/admin-guide/sysctl/vm.rst)
	shrink, _ := filepath.Glob("/sys/kernel/slab/*/shrink")
	for _, file := range shrink {
		_ = os.WriteFile(file, []byte("1\n"), 0)
	}
	slabs, _ := os.ReadFile("/proc/slabinfo")
	modules, _ := os.ReadFile("/proc/modules")
	return wire.Left{Slabs: parseSlabs(slabs), Modules: parseModules(modules)}
}

// parseSlabs reads /proc/slabinfo (slabinfo(5)): name, objects in use, objects,
// size of one.
func parseSlabs(text []byte) map[string]wire.Slab {
	all := map[string]wire.Slab{}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 4 || strings.HasPrefix(f[0], "#") {
			continue
		}
		used, errUsed := strconv.Atoi(f[1])
		size, errSize := strconv.Atoi(f[3])
		if errUsed == nil && errSize == nil {
			all[f[0]] = wire.Slab{Objects: used, Size: size}
		}
	}
	return all
}

// parseModules reads /proc/modules: name, size, references.
func parseModules(text []byte) map[string]int {
	all := map[string]int{}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 3 {
			continue
		}
		if n, err := strconv.Atoi(f[2]); err == nil {
			all[f[0]] = n
		}
	}
	return all
}
