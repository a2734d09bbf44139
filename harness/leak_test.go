package harness_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	labsBefore = 50  // by then every pool and cache has its size, and 24 ended labs may be kept in part
	labsAfter  = 200 // and from then on nothing may grow

	// Network namespaces of a process at rest: the sandbox's, up to three that
	// are kept ready for the next lab's nodes, and those with a bridge of labs
	// that have ended (maxRetiredBridges).
	spacesAtRest = 1 + 3 + 24
)

// Labs one after the other leave the process as it was. (Not parallel: nothing
// else runs in the process meanwhile.)
func TestLabsLeaveNothing(t *testing.T) {
	watch := newWatch(t)
	labs := 0
	until := func(n int) {
		for ; labs < n; labs++ {
			r := try.Run(t.Name(), func(t testing.TB) { threeNodes(t, labs%4 != 3, labs%10 == 0) })
			require.False(t, r.Failed || r.Skipped, "lab %d: %v\n%s%s", labs, r.Panic, r.Log(), r.Stack)
		}
	}
	until(labsBefore)
	before := watch.rest()
	until(labsAfter)
	require.NoError(t, watch.flat(before, 5*time.Second))
	t.Logf("after %d labs: %+v", labsBefore, before)
	t.Logf("after %d labs: %+v", labsAfter, watch.now())
}

// What TestLabsLeaveNothing looks for, it sees.
func TestLeaksAreSeen(t *testing.T) {
	watch := newWatch(t)
	leaks := map[string]func(*testing.T){
		"descriptors": func(t *testing.T) {
			for range 4 * allowance.descriptors { // some of before may be gone meanwhile
				f, err := os.Open("/dev/null")
				require.NoError(t, err)
				t.Cleanup(func() { f.Close() })
			}
		},
		"threads": func(t *testing.T) {
			end, ready := make(chan struct{}), make(chan struct{})
			t.Cleanup(func() { close(end) })
			// More than the idle threads that the runtime may have at hand.
			for range watch.now().threads + allowance.threads + 1 {
				go func() {
					runtime.LockOSThread()
					ready <- struct{}{}
					<-end
				}()
				<-ready
			}
		},
		"namespaces": func(t *testing.T) {
			for range spacesAtRest {
				space, err := ns.New()
				require.NoError(t, err)
				t.Cleanup(space.Close)
			}
		},
		"goroutines": func(t *testing.T) {
			end := make(chan struct{})
			t.Cleanup(func() { close(end) })
			for range 4 * allowance.goroutines {
				go func() { <-end }()
			}
		},
		"processes": func(t *testing.T) {
			node := harness.New(t).Node("a")
			require.NoError(t, node.Command("sleep", "1000").Start())
		},
		"heap": func(t *testing.T) {
			held := make([]byte, allowance.heap+64<<10)
			t.Cleanup(func() { runtime.KeepAlive(held) })
		},
	}
	for name, leak := range leaks {
		t.Run(name, func(t *testing.T) {
			before := watch.rest()
			leak(t)
			require.ErrorContains(t, watch.flat(before, 50*time.Millisecond), name+" ")
		})
	}
}

// threeNodes is a lab with a bit of everything that is to be taken apart again.
func threeNodes(t testing.TB, bridge, program bool) {
	lab := harness.New(t)
	client, gateway, server := lab.Node("client"), lab.Node("gateway"), lab.Node("server")
	lab.Connect(client.Port("eth0", "192.168.0.2/24"), gateway.Port("eth1", "192.168.0.1/24"))
	lab.Connect(gateway.Port("eth0", "10.0.0.1/24"), server.Port("eth0", "10.0.0.2/24"))
	client.AddDefaultRoute("192.168.0.1")
	gateway.EnableForwarding()
	gateway.Masquerade(harness.NAT{Out: "eth0"})
	if bridge {
		gateway.Bridge("br0")
	}
	server.Serve("tcp", ":80")
	assert.Reachable(t, client, "tcp:10.0.0.2:80")
	assert.Reachable(t, client, "10.0.0.2")
	if program {
		client.Run("true")
		if err := server.Command("sleep", "1000").Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// usage is what the process and the sandbox hold.
type usage struct {
	descriptors int // in all descriptor tables of the process
	threads     int // of the kernel
	own         int // of them, those with a descriptor table of their own: recorders
	namespaces  int // network namespaces that a descriptor or a thread holds
	pipes       int // to recorders that have ended; the next one to end closes them
	goroutines  int
	processes   int    // in the sandbox
	heap        uint64 // bytes that are in use after a garbage collection
}

// allowance is by how much usage may differ and count as flat: far less than
// a leak of one in ten labs would come to. The runtime starts threads as it
// sees fit; a library may keep a few objects more in a pool; and each of the
// three spare namespaces, which may be there or not, has two sockets.
var allowance = usage{descriptors: 12, threads: 6, goroutines: 3, heap: 512 << 10,
	// As many as recorders may be ending at a time, all under load.
	pipes: 33}

// watch measures usage.
type watch struct {
	t testing.TB
	// What a descriptor leads to that every thread has which shares the
	// process's table, and no other.
	sentinel string
}

func newWatch(t testing.TB) watch {
	const name = "netrig-watch"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return watch{t, "/memfd:" + name + " (deleted)"}
}

// rest returns the usage once what ends in the background has ended: the
// recorders' threads, all but a spare one that waits for the next lab, and the
// namespaces, which are closed several at a time.
func (w watch) rest() usage {
	var u usage
	err := deadline.Poll(5*time.Second, "threads with a descriptor table of their own or namespaces are left", func() (bool, error) {
		u = w.now()
		return u.own <= 1 && u.namespaces <= spacesAtRest, nil
	})
	require.NoError(w.t, err, "%+v", u)
	return u
}

// flat waits until the usage is at most that of before and the allowance.
func (w watch) flat(before usage, limit time.Duration) error {
	var grown []string
	err := deadline.Poll(limit, "not flat", func() (bool, error) {
		grown = grown[:0]
		u := w.now()
		check := func(what string, before, now, allowed int) {
			if now > before+allowed {
				grown = append(grown, fmt.Sprintf("%s grew from %d to %d", what, before, now))
			}
		}
		check("descriptors", before.descriptors, u.descriptors, allowance.descriptors)
		check("threads", before.threads, u.threads, allowance.threads)
		check("threads with a descriptor table of their own", max(before.own, 1), u.own, 0)
		check("network namespaces", max(before.namespaces, spacesAtRest), u.namespaces, 0)
		check("pipes to ended recorders", 0, u.pipes, allowance.pipes)
		check("goroutines", before.goroutines, u.goroutines, allowance.goroutines)
		check("processes", before.processes, u.processes, 0)
		check("heap", int(before.heap), int(u.heap), int(allowance.heap))
		return len(grown) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.Join(grown, "; "))
	}
	return nil
}

func (w watch) now() usage {
	// Twice: what sync.Pool holds survives one.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine()}
	for _, fd := range names("/proc/self/fd") {
		if withoutReader(fd) {
			u.pipes++
		} else {
			u.descriptors++
		}
	}
	spaces := map[string]bool{}
	for _, task := range names("/proc/self/task") {
		dir := filepath.Join("/proc/self/task", task)
		table := names(filepath.Join(dir, "fd"))
		shares := false
		for _, fd := range table {
			target, err := os.Readlink(filepath.Join(dir, "fd", fd))
			shares = shares || target == w.sentinel
			if err == nil && strings.HasPrefix(target, "net:") {
				spaces[target] = true
			}
		}
		target, err := os.Readlink(filepath.Join(dir, "ns/net"))
		if err != nil {
			continue // it has ended meanwhile
		}
		spaces[target] = true
		u.threads++
		if !shares {
			u.own++
			u.descriptors += len(table)
		}
	}
	u.namespaces = len(spaces)
	for _, name := range names("/proc") {
		if name[0] >= '1' && name[0] <= '9' && !zombie(name) {
			u.processes++
		}
	}
	return u
}

// withoutReader tells whether a descriptor is the write end of a pipe that
// nobody can read any more.
func withoutReader(name string) bool {
	fd, err := strconv.Atoi(name)
	if err != nil {
		return false
	}
	polls := []unix.PollFd{{Fd: int32(fd)}}
	_, err = unix.Poll(polls, 0)
	return err == nil && polls[0].Revents&unix.POLLERR != 0
}

// zombie tells whether a process has ended but was not waited for yet.
func zombie(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

// names lists a directory; one that is gone has none.
func names(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, err := f.Readdirnames(-1)
	if err != nil && err != unix.ENOENT {
		return nil
	}
	return list
}
