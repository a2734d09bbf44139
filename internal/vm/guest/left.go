package guest

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/vm/wire"
)

// What a kernel frees it frees later: memory after a grace period, and of
// namespaces many at a time, in the background (cleanup_net,
// net/core/net_namespace.c). It has come to rest when between two looks this far
// apart no namespace went, and no cache changed by more than noise; restLimit is
// for one that never rests.
const (
	restEvery = 500 * time.Millisecond
	restLimit = 2 * time.Minute
)

// noise is by how many bytes a cache grows or shrinks while nothing happens: by
// some slabs, each of which counts as used altogether or not at all. It was 12 KB
// at most.
const noise = 16 << 10

// left waits until the kernel has come to rest, and tells what it holds.
func left() wire.Left {
	// A connection whose ends were closed at once, and its cable with them, repeats
	// its last segment for minutes, and its namespace lives until it gives up: with
	// no room for such orphans that is at the next time (tcp_out_of_resources,
	// net/ipv4/tcp_timer.c).
	const room = "/proc/sys/net/ipv4/tcp_max_orphans"
	if usual, err := os.ReadFile(room); err == nil {
		_ = os.WriteFile(room, []byte("0\n"), 0)
		defer func() { _ = os.WriteFile(room, usual, 0) }()
	}
	now := wire.Left{}
	for end := time.Now().Add(restLimit); time.Now().Before(end); {
		drive()
		time.Sleep(restEvery)
		before := now
		if now = look(); same(before, now) && orphans() == 0 {
			break
		}
	}
	return now
}

// orphans is how many TCP connections no process holds any more, in all
// namespaces.
func orphans() int {
	text, _ := os.ReadFile("/proc/net/sockstat")
	return parseOrphans(text)
}

func parseOrphans(text []byte) int {
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[0] == "TCP:" && f[3] == "orphan" {
			n, _ := strconv.Atoi(f[4])
			return n
		}
	}
	return 0
}

// namespaces is the slab that network namespaces are in.
const namespaces = "net_namespace"

// drive has the kernel free the namespaces that it has taken apart, by giving it
// one more: since the end of 2024 it frees them when the next ones go
// (net_complete_free, in Linux 6.13 and in what was stable by then). That one it
// keeps, each time.
func drive() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with the goroutine, and the namespace with the thread.
		runtime.LockOSThread()
		_ = unix.Unshare(unix.CLONE_NEWNET)
	}()
	<-done
}

// same tells whether the kernel was at rest between two looks.
func same(a, b wire.Left) bool {
	if len(a.Slabs) == 0 || a.Slabs[namespaces] != b.Slabs[namespaces] {
		return false
	}
	for name, s := range b.Slabs {
		if more := (s.Objects - a.Slabs[name].Objects) * s.Size; max(more, -more) > noise {
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
