package link

import (
	"fmt"
	"net"
	"testing"

	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/sandbox"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// place is a namespace with a socket in it.
type place struct {
	ns    *ns.Namespace
	route *Socket
}

func newPlace(t testing.TB) place {
	t.Helper()
	n, err := ns.New()
	require.NoError(t, err)
	t.Cleanup(n.Close)
	s, err := Open(n)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return place{n, s}
}

// end is a veth's end in the place; no two indexes of a test are the same.
func (p place) end(index int) End {
	return End{Namespace: p.ns, Name: fmt.Sprintf("veth%d", index), Index: index, MAC: net.HardwareAddr{2, 0, 0, 0, byte(index >> 8), byte(index)}}
}
