package ns_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/sandbox"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// here is the namespace that the calling thread is in.
func here(t testing.TB) uint64 {
	t.Helper()
	n, err := ns.Current()
	require.NoError(t, err)
	defer n.Close()
	return n.Inode()
}

func TestDoEntersAndComesBack(t *testing.T) {
	outside := here(t)
	n, err := ns.New()
	require.NoError(t, err)
	defer n.Close()
	assert.NotEqual(t, outside, n.Inode())
	assert.Equal(t, outside, here(t), "New leaves the caller where it was")

	inside := uint64(0)
	require.NoError(t, n.Do(func() error { inside = here(t); return nil }))
	assert.Equal(t, n.Inode(), inside)
	assert.Equal(t, outside, here(t))

	reason := errors.New("reason")
	require.ErrorIs(t, n.Do(func() error { return reason }), reason)

	// One in the other, and back step by step.
	m, err := ns.New()
	require.NoError(t, err)
	defer m.Close()
	require.NoError(t, n.Do(func() error {
		require.NoError(t, m.Do(func() error { assert.Equal(t, m.Inode(), here(t)); return nil }))
		assert.Equal(t, n.Inode(), here(t))
		return nil
	}))
}

// Whatever way f ends, the thread that it ran on goes back: no other goroutine
// may ever find itself in the namespace.
func TestDoComesBackFromPanicAndGoexit(t *testing.T) {
	outside := here(t)
	n, err := ns.New()
	require.NoError(t, err)
	defer n.Close()

	assert.PanicsWithValue(t, "boom", func() { _ = n.Do(func() error { panic("boom") }) })
	assert.Equal(t, outside, here(t))

	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.Do(func() error { runtime.Goexit(); return nil })
	}()
	<-done

	var group sync.WaitGroup
	for range 200 {
		group.Go(func() { assert.Equal(t, outside, here(t)) })
	}
	group.Wait()
}

func TestPathNamesTheNamespace(t *testing.T) {
	n, err := ns.New()
	require.NoError(t, err)
	defer n.Close()
	st, err := os.Stat(n.Path())
	require.NoError(t, err)
	var raw unix.Stat_t
	require.NoError(t, unix.Stat(n.Path(), &raw))
	assert.Equal(t, n.Inode(), raw.Ino)
	assert.False(t, st.IsDir())
}

func TestClosedNamespaceIsRefused(t *testing.T) {
	n, err := ns.New()
	require.NoError(t, err)
	n.Close()
	n.Close() // twice does no harm
	require.ErrorIs(t, n.Do(func() error { return nil }), unix.EBADF)
}

// The limit on namespaces is told by its name. Without root it is the
// sandbox's own user namespace's and can be set; as root it is the machine's,
// which a test does not touch: there hint_test.go has to do.
func TestLimitIsNamed(t *testing.T) {
	const file = "/proc/sys/user/max_net_namespaces"
	if !inUserNamespace(t) {
		return
	}
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte("0"), 0))
	defer func() { require.NoError(t, os.WriteFile(file, before, 0)) }()
	_, err = ns.New()
	require.ErrorIs(t, err, unix.ENOSPC)
	assert.ErrorContains(t, err, "user.max_net_namespaces")
}

func inUserNamespace(t *testing.T) bool {
	t.Helper()
	ids, err := os.ReadFile("/proc/self/uid_map")
	require.NoError(t, err)
	var first, second, size int
	_, err = fmt.Sscan(string(ids), &first, &second, &size)
	require.NoError(t, err)
	return size == 1
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		n, err := ns.New()
		if err != nil {
			b.Fatal(err)
		}
		n.Close()
	}
}

func BenchmarkDo(b *testing.B) {
	n, err := ns.New()
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	for b.Loop() {
		if err := n.Do(func() error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
