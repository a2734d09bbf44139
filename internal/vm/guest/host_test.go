package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm/wire"
)

// A pattern leaves alone what is named in full, and what is excepted.
func TestSetSysctls(t *testing.T) {
	proc := t.TempDir()
	for _, name := range []string{"all", "default", "eth0", "veth1"} {
		require.NoError(t, os.MkdirAll(filepath.Join(proc, "net/ipv4/conf", name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(proc, "net/ipv4/conf", name, "rp_filter"), []byte("0\n"), 0o644))
	}
	var told []string
	setSysctls(proc, []wire.Setting{
		{Path: "net/ipv4/conf/*/rp_filter", Value: "2", From: "a:1"},
		{Path: "net/ipv4/conf/default/rp_filter", Value: "1", From: "a:2"},
		{Path: "net/ipv4/conf/veth*/rp_filter", Except: true, Quiet: true, From: "a:3"},
		{Path: "net/netfilter/nf_conntrack_max", Value: "9", From: "a:4"},
		{Path: "net/ipv4/none", Value: "1", Quiet: true, From: "a:5"},
		{Path: "net/ipv4/conf", Value: "1", From: "a:6"},
	}, func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) })
	for name, want := range map[string]string{"all": "2\n", "default": "1\n", "eth0": "2\n", "veth1": "0\n"} {
		got, err := os.ReadFile(filepath.Join(proc, "net/ipv4/conf", name, "rp_filter"))
		require.NoError(t, err)
		assert.Equal(t, want, string(got), name)
	}
	assert.Equal(t, []string{
		"a:4: sysctl net.netfilter.nf_conntrack_max is not set: this kernel has none of that name, or not before a module is loaded",
		`a:6: sysctl net.ipv4.conf is not set to "1": is a directory`,
	}, told)
	assert.NoFileExists(t, filepath.Join(proc, "net/ipv4/none"))
}

// What modprobe.d says of names.
func TestLookup(t *testing.T) {
	m := &modules{
		table: &kernels.Table{Files: map[string][]string{"bridge": {"bridge.ko.zst"}, "pcspkr": {"pcspkr.ko.zst"}}, Builtin: map[string]bool{},
			Aliases: []kernels.Alias{{Pattern: "rtnl_link_bridge", Module: "bridge"}, {Pattern: "platform*", Module: "pcspkr"}}},
		host: wire.Modprobe{Blacklist: []string{"pcspkr"}, Aliases: [][2]string{{"my_*", "bridge"}}, Disabled: map[string]bool{"sctp": false, "dccp": true}},
	}
	for name, want := range map[string][]string{
		"bridge": {"bridge"}, "rtnl-link-bridge": {"bridge"}, "my-bridge": {"bridge"}, "pcspkr": {"pcspkr"}, "platform:pcspkr": {}, "none": nil,
	} {
		found, known := m.lookup(name)
		assert.Equal(t, want, found, name)
		assert.Equal(t, name != "none", known, name)
	}
	is, err := m.disabled("bridge")
	assert.False(t, is)
	require.NoError(t, err)
	is, err = m.disabled("dccp")
	assert.True(t, is)
	require.NoError(t, err)
	_, err = m.disabled("sctp")
	assert.EqualError(t, err, "module sctp is switched off by the system's modprobe.d")
}
