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
	assert.True(t, same(wire.Left{Slabs: map[string]wire.Slab{"a": {Objects: 1, Size: 2}}}, wire.Left{Slabs: map[string]wire.Slab{"a": {Objects: 1, Size: 2}}}))
	assert.False(t, same(wire.Left{Slabs: map[string]wire.Slab{"a": {Objects: 1, Size: 2}}}, wire.Left{Slabs: map[string]wire.Slab{"a": {Objects: 2, Size: 2}}}))
}
