package guest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/netrig/netrig/internal/vm/wire"
)

func TestParseHeld(t *testing.T) {
	slabs := "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab>\n" +
		"net_namespace          3      6   4352    6    8 : tunables    0    0    0 : slabdata      1      1      0\n"
	assert.Equal(t, map[string]wire.Slab{"net_namespace": {Objects: 3, Size: 4352}}, parseSlabs([]byte(slabs)))
	assert.Equal(t, map[string]int{"veth": 0, "stp": 1}, parseModules([]byte("veth 36864 0 - Live 0x0000000000000000\nstp 12288 1 bridge, Live 0x0\n")))
}

func TestParseOrphans(t *testing.T) {
	assert.Equal(t, 2, parseOrphans([]byte("sockets: used 107\nTCP: inuse 1 orphan 2 tw 0 alloc 3 mem 314\nUDP: inuse 1 mem 0\n")))
	assert.Zero(t, parseOrphans(nil))
}

func TestSame(t *testing.T) {
	held := func(namespaces, objects int) wire.Left {
		return wire.Left{Slabs: map[string]wire.Slab{"net_namespace": {Objects: namespaces, Size: 4352}, "a": {Objects: objects, Size: 64}}}
	}
	assert.False(t, same(wire.Left{}, held(1, 100)), "one look is none")
	assert.True(t, same(held(1, 100), held(1, 100)))
	assert.True(t, same(held(1, 100), held(1, 100+256)), "16 KB")
	assert.False(t, same(held(1, 100), held(1, 100+257)))
	assert.False(t, same(held(1, 500), held(1, 500-257)), "it is still being freed")
	assert.False(t, same(held(2, 100), held(1, 100)))
}
