package harness

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// An instance of proc of one's own, and /proc itself where the kernel refuses that, show
// the sysctls of the namespace that the thread is in, whoever has looked before.
func TestProcfs(t *testing.T) {
	lab := New(t)
	nodes := lab.Nodes("n%d", 3)
	for i, n := range nodes {
		n.SetSysctl("net.ipv4.ip_default_ttl", 50+i)
	}
	instance := instances.take()
	if instance == nil {
		t.Log("there is none here, for which /proc serves")
	}
	for i, n := range nodes {
		for _, p := range []*procfs{instance, nil} {
			require.NoError(t, n.space.Do(func() error {
				files := sysctlFiles{proc: p}
				defer files.close()
				got, err := files.read("ipv4/ip_default_ttl")
				assert.Equal(t, []string{"50", "51", "52"}[i], got)
				return err
			}))
		}
	}
	instance.release()
}

// An instance goes with the last of its nodes, and no sooner.
func TestProcfsUsers(t *testing.T) {
	var pool procfsPool
	first := pool.take()
	if first == nil {
		t.Skip("netrig: this machine gives no instances of proc (Linux before 5.2, or a container that hides parts of /proc)")
	}
	var others []*procfs
	for range nodesPerProcfs {
		others = append(others, pool.take())
	}
	last := others[len(others)-1]
	require.NotSame(t, first, last, "so many nodes are too many for one")
	for _, p := range others {
		p.release()
	}
	fd, err := first.family("ipv4")
	require.NoError(t, err, "it has a user yet")
	(&sysctlFiles{family: "ipv4", dir: fd}).close()
	first.release()
	_, err = first.family("ipv4")
	assert.Error(t, err, "it has none any more")
	fd, err = last.family("ipv4")
	require.NoError(t, err, "the newest stays for the next node")
	(&sysctlFiles{family: "ipv4", dir: fd}).close()
	unix.Close(last.fd) // the pool ends with the test
}
