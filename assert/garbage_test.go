package assert_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	testify "github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// garbage sends frames out of an interface of a node: those that the lab has
// recorded so far with bytes changed, cut or put in, and noise.
func garbage(tb testing.TB, lab *harness.Lab, from *harness.Node, iface string, frames int, random *rand.Rand) {
	tb.Helper()
	var models [][]byte
	for _, p := range lab.Recording().All().Packets() {
		models = append(models, p.Data)
	}
	index := from.Interface(iface).Index
	require.NoError(tb, from.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for range frames {
			frame := append([]byte(nil), models[random.IntN(len(models))]...)
			for range random.IntN(8) {
				frame[random.IntN(len(frame))] = byte(random.Uint32())
			}
			switch random.IntN(4) {
			case 0:
				frame = frame[:max(14, random.IntN(len(frame)+1))]
			case 1:
				for range random.IntN(200) {
					frame = append(frame, byte(random.Uint32()))
				}
			case 2:
				// An EtherType that is decoded, and whatever behind it.
				kinds := []byte{0x00, 0x06, 0xdd}
				frame[12], frame[13] = 8, kinds[random.IntN(2)]
				if random.IntN(2) == 0 {
					frame[12], frame[13] = 0x86, 0xdd
				}
			}
			// The kernel refuses some, as ENOBUFS or EINVAL: fewer then.
			_ = unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index})
		}
		return nil
	}))
}

// TestGarbage: whatever a node sends, every verb comes to an end, the story and
// the files can be written, and the test process does not panic; and a failure
// in the midst of it is still explained.
func TestGarbage(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 4 {
		random := rand.New(rand.NewPCG(seed, uint64(round)))
		r := try.Run(fmt.Sprint("round ", round), func(tb testing.TB) {
			client, router, _ := chain(tb)
			lab := client.Lab()
			assert.Reachable(tb, client, "10.0.2.2")
			for _, iface := range []string{"left", "right"} {
				garbage(tb, lab, router, iface, 150, random)
			}
			garbage(tb, lab, client, "eth0", 150, random)
			all := lab.Recording().All()
			require.Greater(tb, all.Len(), 400, "the frames are recorded")
			for _, f := range all.Flights() {
				_ = f.String()
			}
			testify.NotEmpty(tb, lab.Story())
			require.NoError(tb, all.WritePcapng(io.Discard, capture.CommentPackets((*capture.Packet).Reason)))
			router.DisableForwarding()
			defer garbage(tb, lab, router, "left", 50, random)
			assert.Reachable(tb, client, "10.0.2.2")
		})
		require.Nil(t, r.Panic, "%v\n%s", r.Panic, r.Stack)
		require.True(t, r.Failed)
		require.Contains(t, r.Log(), "client cannot reach 10.0.2.2", "what failed is what was to fail")
		require.Contains(t, r.Log(), " ended in ", "and it is explained; by what, depends on whom the garbage misled")
	}
}
