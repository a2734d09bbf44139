package vm

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/netrig/netrig/internal/vm/wire"
)

func TestGrown(t *testing.T) {
	held := func(namespaces, dst, small, refs int) wire.Left {
		return wire.Left{
			Slabs:   map[string]wire.Slab{"net_namespace": {Objects: namespaces, Size: 4096}, "ip_dst_cache": {Objects: dst, Size: 192}, "small": {Objects: small, Size: 8}},
			Modules: map[string]int{"veth": refs},
		}
	}
	before := held(1, 1000, 1000, 0)
	assert.Empty(t, grown(before, before))
	assert.Empty(t, grown(before, held(0, 900, 0, 0)), "less is no leak")
	assert.Empty(t, grown(before, held(1, 1100, 1200, 0)), "a cache grows a little, and small objects are no memory")
	assert.Empty(t, grown(before, held(1, 1000, 4000, 0)), "24 KB in small ones")
	assert.Len(t, grown(before, held(1, 1000, 4100, 0)), 1)
	before.Slabs[addresses] = wire.Slab{Objects: 300, Size: 72}
	after := held(1, 1000, 1000, 0)
	after.Slabs[addresses] = wire.Slab{Objects: 4000, Size: 72}
	assert.Empty(t, grown(before, after), "they are given back late")
	assert.Equal(t, []string{
		"left behind: 500 objects of 192 bytes in the kernel's cache ip_dst_cache (1000 before, 1500 after the same tests once more)",
		"left behind: 2 network namespaces (1 before, 3 after the same tests once more)",
		"left behind: 1 references to module veth (0 before, 1 after the same tests once more)",
	}, grown(before, held(3, 1500, 1000, 1)))
}
