package hostconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/vm/wire"
)

// root makes a system's root directory of files; a text that begins by "->" is a
// link.
func root(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			require.NoError(t, os.Symlink(to, file))
		} else {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		}
	}
	return dir
}

func read(t *testing.T, files map[string]string) *Config {
	t.Helper()
	c, err := Read(root(t, files))
	require.NoError(t, err)
	return c
}

func settings(c *Config) (list []string) {
	for _, s := range c.Host.Sysctls {
		text := s.Path + "=" + s.Value
		if s.Quiet {
			text = "-" + text
		}
		if s.Except {
			text = "except " + text
		}
		list = append(list, text+" "+s.From)
	}
	return list
}

// The order is that of the files' names; a name that is taken hides others; the
// last one of a sysctl counts.
func TestSysctls(t *testing.T) {
	c := read(t, map[string]string{
		"usr/lib/sysctl.d/10-base.conf":    "net.ipv4.ip_forward = 0\nnet.core.somaxconn=1\n",
		"usr/lib/sysctl.d/50-default.conf": "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n",
		"usr/lib/sysctl.d/60-hidden.conf":  "net.core.hidden=1\n",
		"etc/sysctl.d/60-hidden.conf":      "-> /dev/null",
		"run/sysctl.d/20-run.conf":         "# comment\n; comment\n -net.ipv4.tcp_rmem =  4096 87380 \\\n 6291456 \n",
		"etc/sysctl.d/99-sysctl.conf":      "-> ../sysctl.conf",
		"etc/sysctl.d/README":              "net.core.readme=1\n",
		"etc/sysctl.conf":                  "net/ipv4/conf/eth0.100/forwarding=1\nnet.ipv4.conf.eth0/200.forwarding=1\nvm.swappiness=1\nkernel.printk = 3 4 1 3\nnet.ipv4.ip_forward=1\n",
	})
	assert.Equal(t, []string{
		"net/core/somaxconn=1 /usr/lib/sysctl.d/10-base.conf:2",
		"-net/ipv4/tcp_rmem=4096 87380  6291456 /run/sysctl.d/20-run.conf:3",
		"net/ipv4/conf/*/rp_filter=2 /usr/lib/sysctl.d/50-default.conf:1",
		"-net/ipv4/conf/all/rp_filter= /usr/lib/sysctl.d/50-default.conf:2",
		"net/ipv4/conf/eth0.100/forwarding=1 /etc/sysctl.d/99-sysctl.conf:1",
		"net/ipv4/conf/eth0.200/forwarding=1 /etc/sysctl.d/99-sysctl.conf:2",
		"net/ipv4/ip_forward=1 /etc/sysctl.d/99-sysctl.conf:5",
	}, func() []string {
		list := settings(c)
		for i, s := range list {
			list[i] = strings.TrimPrefix(s, "except ")
		}
		return list
	}())
	assert.True(t, c.Host.Sysctls[3].Except)
	assert.Equal(t, []string{"sysctls that are not of networks are left as the machine needs them: vm.swappiness, kernel.printk"}, c.Warnings)
}

// Without a link from sysctl.d the file is read by one program and not by the
// other, and that is said.
func TestSysctlConf(t *testing.T) {
	c := read(t, map[string]string{"etc/sysctl.conf": "net.ipv4.ip_forward=1\nnonsense\n", "etc/sysctl.d/x.conf": "net.ipv4.ip_forward=0\n"})
	assert.Equal(t, []string{"net/ipv4/ip_forward=1 /etc/sysctl.conf:1"}, settings(c))
	require.Len(t, c.Warnings, 2)
	assert.Contains(t, c.Warnings[0], "/etc/sysctl.conf: is applied last, as by `sysctl --system`; systemd does not read it")
	assert.Equal(t, "/etc/sysctl.conf:2: is not understood: nonsense", c.Warnings[1])
	assert.Empty(t, read(t, map[string]string{"etc/sysctl.conf": "# all of it is commented\n"}).Warnings)
}

func TestModules(t *testing.T) {
	c := read(t, map[string]string{
		"etc/modules":                     "# /etc/modules\nbr_netfilter\n",
		"etc/modules-load.d/modules.conf": "-> ../modules",
		"usr/lib/modules-load.d/a.conf":   "nf-conntrack\nbr_netfilter\n",
		"etc/modprobe.d/a.conf": "options nf_conntrack hashsize=1024 acct=1\noptions nf-conntrack tstamp=1\nblacklist pcspkr\nalias my-bridge bridge\n" +
			"install sctp /bin/false\ninstall dccp /usr/bin/true\ninstall tipc /sbin/modprobe --ignore-install tipc && true\nsoftdep a pre: b\nnonsense\n",
	})
	assert.Equal(t, []wire.Entry{{Name: "nf_conntrack", From: "/usr/lib/modules-load.d/a.conf:1"}, {Name: "br_netfilter", From: "/usr/lib/modules-load.d/a.conf:2"}}, c.Host.Modules)
	assert.Equal(t, wire.Modprobe{
		Options: map[string][]string{"nf_conntrack": {"hashsize=1024", "acct=1", "tstamp=1"}}, Blacklist: []string{"pcspkr"},
		Aliases: [][2]string{{"my_bridge", "bridge"}}, Disabled: map[string]bool{"sctp": false, "dccp": true},
	}, c.Host.Modprobe)
	assert.Equal(t, []string{
		"/etc/modprobe.d/a.conf:7: commands are not run in a machine: install tipc /sbin/modprobe --ignore-install tipc && true",
		"/etc/modprobe.d/a.conf:8: is not applied: softdep a pre: b",
		"/etc/modprobe.d/a.conf:9: is not understood: nonsense",
	}, c.Warnings)
}

// The rules come with what they include.
func TestNftables(t *testing.T) {
	c := read(t, map[string]string{
		"etc/nftables.conf":      "#!/usr/sbin/nft -f\nflush ruleset\ninclude \"/etc/nftables.d/*.nft\"\n  include 'more.nft'\n",
		"etc/nftables.d/a.nft":   "table inet a {}\n",
		"etc/nftables.d/b.other": "nonsense\n",
		"etc/more.nft":           "-> /srv/rules",
		"srv/rules":              "include \"/etc/nftables.conf\"\n", // a circle
	})
	assert.Equal(t, "/etc/nftables.conf", c.Host.Nftables)
	assert.Len(t, c.Files, 3)
	assert.Equal(t, "table inet a {}\n", string(c.Files["/etc/nftables.d/a.nft"]))
	assert.Equal(t, "include \"/etc/nftables.conf\"\n", string(c.Files["/etc/more.nft"]))
	assert.Empty(t, read(t, nil).Host.Nftables)
}

func TestNoRoot(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "none"))
	assert.ErrorContains(t, err, "is no directory")
	_, err = Read(root(t, map[string]string{"etc/sysctl.d/a.conf": "-> a.conf"}))
	assert.ErrorContains(t, err, "/etc/sysctl.d/a.conf: too many symbolic links")
}

// This system's own can be read, whatever it holds.
func TestThisSystem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root is sure to be able to read all of it")
	}
	_, err := Read("/")
	assert.NoError(t, err)
}
