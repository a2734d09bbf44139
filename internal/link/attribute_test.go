package link

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What was put in comes out, and what is no attribute ends the list without a word:
// the kernel's messages are whole, so that nothing depends on what comes after.
func TestAttributes(t *testing.T) {
	nested := nl.NewRtAttr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, nl.ZeroTerminated("veth"))
	whole := append(nl.NewRtAttr(unix.IFLA_OPERSTATE, []byte{6}).Serialize(), nested.Serialize()...)
	type pair struct {
		kind  uint16
		value string
	}
	read := func(b []byte) (got []pair) {
		for kind, value := range attributes(b) {
			got = append(got, pair{kind, string(value)})
		}
		return got
	}
	both := []pair{{unix.IFLA_OPERSTATE, "\x06"}, {unix.IFLA_LINKINFO, "veth\x00"}}
	assert.Equal(t, both, read(whole), "the flag of nesting is no part of the type, nor padding of the value")
	padding := 3
	for cut := range len(whole) - padding {
		assert.LessOrEqual(t, len(read(whole[:cut])), 1, "cut after %d bytes", cut)
	}
	assert.Empty(t, read([]byte{3, 0, 1, 0}), "shorter than its own header")
	assert.Equal(t, both, read(append(whole, 200, 0, 1, 0)), "longer than the message")
	for range attributes(whole) {
		break // as all users do that look for one
	}
}
