package capture

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A recorder's thread holds nothing but what it needs: no descriptor that is
// the process's own, and its sockets are in no other table.
func TestOwnTable(t *testing.T) {
	onThreads(t)
	h := newHost(t, "a")
	r := recording(t, h)
	rec := r.taps[0].recorder
	require.True(t, rec.own, "the thread has a table of its own")

	links := func(dir string) (list []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if link, err := os.Readlink(dir + "/" + e.Name()); err == nil { // the directory's own is gone
				list = append(list, link)
			}
		}
		return list
	}
	var thread string
	require.NoError(t, rec.call(func() error {
		thread = fmt.Sprintf("/proc/self/task/%d/fd", unix.Gettid())
		return nil
	}))
	own := links(thread)
	// Standard streams, the runtime's two, pipe, home, epoll, pidfd, and two of the tap.
	assert.LessOrEqual(t, len(own), 11, "%q", own)
	namespaces := 0
	for _, link := range own {
		if strings.HasPrefix(link, "net:") {
			namespaces++
			assert.NotEqual(t, fmt.Sprintf("net:[%d]", h.ns.Inode()), link, "the tap's namespace is held by its sockets only")
		}
	}
	assert.Equal(t, 1, namespaces, "the thread's own")
}

// The Go runtime needs descriptors of its own on any thread that collects
// garbage, stops the world or sets timers. It throws if they are not there.
func TestRuntimeOnOwnTable(t *testing.T) {
	onThreads(t)
	r := recording(t, newHost(t, "a"))
	for range 20 {
		require.NoError(t, r.taps[0].recorder.call(func() error {
			fired := make(chan struct{})
			time.AfterFunc(time.Microsecond, func() { close(fired) })
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			<-fired
			return nil
		}))
	}
}

// Without /proc or close_range a recorder shares the process's table.
func TestSharedTable(t *testing.T) {
	onThreads(t)
	a, b := pair(t)
	saved := runtimeDescriptors
	runtimeDescriptors = func() ([]int, error) { return nil, os.ErrNotExist }
	defer func() { runtimeDescriptors = saved }()
	rec, err := startRecorder()
	require.NoError(t, err)
	require.False(t, rec.own)

	r := New()
	rec.store, rec.settings = &r.store, r.settings
	rec.reader.init(r.settings)
	r.recorders = append(r.recorders, rec)
	attach(t, r, a, b)
	b.listenUDP("10.0.0.2:9")
	send(t, a.udp("10.0.0.2:9"), "x")
	settle(t, r)
	assert.Equal(t, 2, r.All().Len())
	r.Close()
	require.NoError(t, r.Drain())
	assert.Equal(t, 2, r.All().Len())
}

// After any number of recordings there are no more descriptors and threads
// than before.
func TestNothingLeftBehind(t *testing.T) {
	onThreads(t)
	h := newHost(t, "a")
	count := func(dir string) int {
		entries, err := os.ReadDir("/proc/self/" + dir)
		require.NoError(t, err)
		return len(entries)
	}
	round := func() {
		r := New()
		attach(t, r, h, h, h)
		require.NoError(t, r.Drain())
		r.Close()
	}
	rest := func() {
		require.Eventually(t, func() bool {
			pool.Lock()
			defer pool.Unlock()
			return len(pool.leaving) == 0
		}, 10*time.Second, 5*time.Millisecond, "all recorders have closed their sockets")
	}
	for range 50 { // fills the pool
		round()
	}
	rest()
	fds, threads := count("fd"), count("task")
	for range 200 {
		round()
	}
	// Of those that are closing their sockets, all may be more than the pool keeps.
	assert.LessOrEqual(t, count("fd"), fds+maxLeaving+10)
	assert.LessOrEqual(t, count("task"), threads+maxLeaving+10)
	rest()
	pool.Lock()
	idle := len(pool.idle)
	pool.Unlock()
	assert.LessOrEqual(t, idle, maxIdle)
	require.Eventually(t, func() bool {
		return count("fd") <= fds+maxIdle && count("task") <= threads+maxIdle+10 // Go keeps some threads for later
	}, 10*time.Second, 5*time.Millisecond, "what the pool does not keep ends")
}

// A recorder goes from one recording to the next; what is asked of it in the name of
// the one before does not reach the one after.
func TestNextRecording(t *testing.T) {
	onThreads(t)
	a, b := pair(t)
	first := New()
	attach(t, first, a)
	old, rec := first.taps[0], first.taps[0].recorder
	first.Close()
	require.Eventually(t, func() bool {
		pool.Lock()
		defer pool.Unlock()
		return slices.Contains(pool.idle, rec)
	}, 10*time.Second, time.Millisecond, "it is parked when its sockets are closed")

	r := recording(t, a, b)
	var shared *Tap
	for _, tap := range r.taps {
		if tap.recorder == rec {
			shared = tap
		}
	}
	require.NotNil(t, shared, "the recorder that was parked last is taken first")
	old.Close()
	old.Rename(1, "wrong")
	b.listenUDP("10.0.0.2:9")
	send(t, a.udp("10.0.0.2:9"), "x")
	settle(t, r)
	assert.Len(t, r.All().Find(Match{Payload: []byte("x")}), 2)
	assert.Zero(t, first.All().Len())
}

// Where pidfd_getfd is forbidden, /proc serves.
func TestFetchThroughProc(t *testing.T) {
	onThreads(t)
	a, b := newHost(t, "a"), newHost(t, "b")
	r := recording(t, a)
	rec := r.taps[0].recorder
	require.NoError(t, rec.call(func() error {
		unix.Close(rec.process)
		rec.process = -1
		return nil
	}))
	attach(t, r, b)
	require.ErrorContains(t, rec.call(func() error {
		_, err := rec.fetch(1<<20, unix.O_RDONLY)
		return err
	}), "is /proc mounted?")
}
