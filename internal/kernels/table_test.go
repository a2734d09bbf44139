package kernels

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	table := &Table{
		Files: map[string][]string{
			"llc": {"llc.ko.zst"}, "stp": {"llc.ko.zst", "stp.ko.zst"}, "bridge": {"llc.ko.zst", "stp.ko.zst", "bridge.ko.zst"}, "veth": {"veth.ko.zst"},
		},
		Aliases: []Alias{{"rtnl_link_bridge", "bridge"}, {"virtio:d00000003v*", "virtio_console"}, {"crypto_x", "veth"}, {"crypto_x", "llc"}, {"cpu:type:x86,ven*fam*mod*:feature:*0[A-F]*", "veth"}},
		Builtin: map[string]bool{"ipv6": true, "virtio_console": true},
	}
	again, err := ParseTable(table.Text())
	require.NoError(t, err)
	assert.Equal(t, table, again)

	for asked, want := range map[string][]string{
		"bridge": {"bridge"}, "rtnl-link-bridge": {"bridge"}, "crypto-x": {"veth", "llc"}, "ipv6": nil, "virtio:d00000003v00001AF4": nil,
		"cpu:type:x86,ven0000fam0006mod0055:feature:,0000,000C,": {"veth"},
	} {
		got, known := again.Lookup(asked)
		assert.Equal(t, want, got, asked)
		assert.True(t, known, asked)
	}
	_, known := again.Lookup("nothing")
	assert.False(t, known)

	require.NoError(t, again.Withhold("stp"))
	assert.Len(t, again.Files, 2, "stp, and bridge which needs it, are gone")
	_, known = again.Lookup("rtnl-link-bridge")
	assert.False(t, known)
	assert.ErrorContains(t, again.Withhold("ipv6"), "built in")
	_, err = ParseTable([]byte("module a b\nnonsense\n"))
	assert.ErrorContains(t, err, `line 2 of the table of modules is damaged: "nonsense"`)
}

func TestWanted(t *testing.T) {
	for name, want := range map[string]bool{
		"net/bridge/bridge.ko": true, "net/ipv4/netfilter/nf_nat_h323.ko.xz": true, "drivers/net/veth.ko": true, "drivers/net/vxlan/vxlan.ko.xz": true,
		"arch/x86/crypto/aesni-intel.ko": true, "drivers/char/virtio_console.ko": true, "drivers/virtio/virtio_pci.ko": true,
		"net/bluetooth/bluetooth.ko": false, "drivers/net/ethernet/intel/e1000/e1000.ko": false, "drivers/char/tpm/tpm.ko": false,
		"fs/xfs/xfs.ko": false, "arch/x86/kvm/kvm.ko": false, "netfoo/x.ko": false,
	} {
		assert.Equal(t, want, wanted(name), name)
	}
	assert.Equal(t, "nf_nat", moduleName("net/netfilter/nf-nat.ko.xz"))
	assert.Equal(t, "pci:v*bc[0-9-]x_y", underscores("pci:v*bc[0-9-]x-y"))
}
